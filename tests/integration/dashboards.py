"""What the tests of grafana/ share: the dashboards in the tree, a reader of their queries, the catalogue they are held to, and their
variables filled in as Grafana would."""
import importlib.util
import json
import math
import re

import yaml

from harness import ROOT

GRAFANA = ROOT / "grafana"
spec = importlib.util.spec_from_file_location("grafana_build", GRAFANA / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)

DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").rglob("*.json"))}
RULE_FILES = [ROOT / "alerts/rulefiles" / name for name in ("orchestrator.yml", "trend.yml", "prometheus-only.yml")]


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def every_target():
    """(dashboard's uid, panel, target) of every query."""
    for uid, dashboard in DASHBOARDS.items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield uid, panel, target


def annotations():
    """(uid, annotation) of those that ask something."""
    return [(uid, one) for uid, dashboard in DASHBOARDS.items() for one in dashboard["annotations"]["list"] if "expr" in one]


# ---- a reader of queries, as far as the rules need it: promtool and our own parser say whether a query is right

TOKEN = re.compile(r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<name>[A-Za-z_:][\w:]*)|(?P<duration>\[[^\]]*\])
                       |(?P<variable>\$\w+)|(?P<time>\d+[smhdwy]\b)|(?P<number>[\d.]+(?:e[+-]?\d+)?)|(?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){},@]))""", re.VERBOSE)
WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset", "inf", "nan"}


def tokens(query):
    place, found = 0, []
    while place < len(query.rstrip()):
        match = TOKEN.match(query, place)
        if not match:
            raise AssertionError(f"cannot read {query[place:]!r} of {query}")
        found.append((match.lastgroup, match.group(match.lastgroup)))
        place = match.end()
    return found


class Query:
    """The selectors of a query as (name, {label: (sign, value)}, range or None, function around it or None), and the labels it groups by."""

    def __init__(self, text):
        self.text, self.selectors, self.grouped = text, [], []
        self.at, self.list = 0, tokens(text)
        around = []  # the function of each open bracket
        while self.at < len(self.list):
            kind, word = self.list[self.at]
            follows = self.list[self.at + 1][1] if self.at + 1 < len(self.list) else ""
            self.at += 1
            if kind == "name" and word in WORDS:
                if word in ("by", "without", "on", "ignoring", "group_left", "group_right") and follows == "(":
                    self.grouped += self.labels()
            elif kind == "name" and follows in ("(", "by", "without"):
                around.append(word)
                while self.list[self.at][1] != "(":
                    if self.list[self.at][1] in ("by", "without"):
                        self.at += 1
                        self.grouped += self.labels()
                self.at += 1
            elif kind == "name":
                self.selector(word, around[-1] if around else None)
            elif word == "(":
                around.append(None)
            elif word == ")":
                around.pop()

    def labels(self):
        end = self.at
        while self.list[end][1] != ")":
            end += 1
        found = [word for kind, word in self.list[self.at:end] if kind == "name"]
        self.at = end + 1
        return found

    def selector(self, name, function):
        matchers, window = {}, None
        if self.at < len(self.list) and self.list[self.at][1] == "{":
            self.at += 1
            while self.list[self.at][1] != "}":
                if self.list[self.at][1] == ",":
                    self.at += 1
                    continue
                label, sign, value = (word for _, word in self.list[self.at:self.at + 3])
                matchers[label] = (sign, value[1:-1])
                self.at += 3
            self.at += 1
        if self.at < len(self.list) and self.list[self.at][0] == "duration" and ":" not in self.list[self.at][1]:
            window = self.list[self.at][1]
            self.at += 1
        self.selectors.append((name, matchers, window, function))


# ---- the catalogue

def catalogue():
    """{series name: {label: set of its values, or None when they are open}} of docs/metrics.md, of rules and of what every scrape has."""
    known = {}
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        name = re.match(r"\| `([a-z_0-9]+)`$", cells[0])
        if not name or len(cells) != 6:
            continue
        labels = {}
        for piece in filter(None, cells[3].split("<br>")):
            label, listed = re.fullmatch(r"`(\w+)`(?: \(at most \d+\))?(?:: (.*))?", piece).groups()
            labels[label] = set(listed.split(", ")) if listed else None
        if cells[1].startswith("histogram"):
            buckets = {f"{float(b):g}" for b in cells[1].split("<br>")[1].split()}
            known[name[1] + "_bucket"] = labels | {"le": buckets}
            known[name[1] + "_sum"] = known[name[1] + "_count"] = labels
        else:
            known[name[1]] = labels
    for path in RULE_FILES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    labels = {**{label: None for label in rule.get("labels", {})}}
                    known.setdefault(rule["record"], {}).update(labels)
    known["orchestrator_failure_risk_ratio"]["component"] = None  # from what it is made of
    known["up"] = {}
    known["ALERTS"] = {"alertname": None, "alertstate": {"pending", "firing"}, "severity": {"info", "warning", "critical"},
                       "breaker": None, "category": None, "reason": None}
    known["ALERTS_FOR_STATE"] = {label: values for label, values in known["ALERTS"].items() if label != "alertstate"}
    return {name: labels | {"job": None, "instance": None} for name, labels in known.items()}


CATALOGUE = catalogue()


# ---- filled in as Grafana would

def seconds(text):
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]


def filled(expression, range_s, scrape_s=1, least="0s"):
    """With All chosen everywhere, and a thousand points. $__rate_interval is the interval and a scrape more, but at least four scrapes."""
    interval = max(math.ceil(range_s / 1000), scrape_s, seconds(least))
    values = {"__rate_interval": f"{max(interval + scrape_s, 4 * scrape_s)}s", "__range_s": str(range_s), "__range": f"{range_s}s",
              "__interval": f"{interval}s", "__interval_ms": str(interval * 1000), "job": ".+", "instance": ".+", "workflow": ".+", "region": ".+", "price": "0.1"}
    for name, value in values.items():
        expression = re.sub(rf"\${name}\b", lambda _, v=value: v, expression)
    assert "$" not in expression, expression
    return expression
