#!/usr/bin/env python3
"""The shipped rule files (alerts/rulefiles/*.yml) beside what they talk of. Prints every fault as file:line: text and exits 1 when there
is one. Whether a file is valid, and right, is for `promtool check rules` and `promtool test rules`.

 1. Every metric of an expression is in docs/metrics.md, recorded by a rule, or `up` or `ALERTS`.
 2. Every label of a selector is one of that metric's; a value of a closed set is in it, a `code` is in docs/errors.md, an `le` is a
    bucket as it is exposed (120.0). Labels of by (...) and on (...) are labels of something in the expression.
 3. A recorded name is not one that the sidecar exposes.
 4. An alert has a severity, a summary, a description, a dashboard and a runbook that exists, and its texts use labels that it has.
 5. Outside prometheus-only.yml nothing reaches back further than the hour that the sidecar remembers.
 6. Every alert has a test that compares its annotations, and every recorded name is named in a test.

With --idle FILE it prints tests/idle.yml instead, from what an idle sidecar answers on /metrics."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "alerts/rulefiles"
TARGET_LABELS = {"job", "instance"}
KNOWN = {"up": {}, "ALERTS": {"alertname": None, "alertstate": None, "severity": None}}
KEYWORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}
LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
RETENTION, LOOKBACK = 3600, 300
ANNOTATIONS = {"summary", "description", "dashboard", "runbook"}
DASHBOARDS = {"/d/oxpecker-" + name for name in ("operations", "developer", "capacity", "reliability")}


# ---- The tables of docs/ ----

def label_cell(cell):
    """`status`: a, b<br>`code` (at most 24): the values of each label, None where they are open."""
    labels = {}
    for part in filter(None, cell.split("<br>")):
        name, rest = re.fullmatch(r"`(\w+)`(.*)", part.strip()).groups()
        labels[name] = [v.strip() for v in rest[1:].split(",")] if rest.startswith(":") else None
    return labels


def catalogue():
    """Metric -> its labels; and the names that are exposed."""
    metrics = dict(KNOWN)
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split(" | ")]
        if not re.fullmatch(r"`[a-z_:]+`", cells[0]):
            continue
        name = cells[0].strip("`")
        if len(cells) == 3:  # not exposed yet
            metrics[name] = {}
            continue
        labels = label_cell(cells[3])
        if cells[1].startswith("histogram"):
            bounds = [str(float(b)) for b in cells[1].split("<br>")[1].split()]
            metrics[name + "_bucket"] = {**labels, "le": bounds + ["+Inf"]}
            metrics[name + "_sum"] = metrics[name + "_count"] = labels
        else:
            metrics[name] = labels
    return metrics


def error_codes():
    text = (ROOT / "docs/errors.md").read_text()
    return set(re.findall(r"^\| `(\w+)` ", text, re.M)) | {"other"}


# ---- Rule files: the little YAML that they are written in ----

class Rule:
    def __init__(self, path, line, kind, name):
        self.path, self.line, self.kind, self.name = path, line, kind, name
        self.expr, self.labels, self.annotations = "", {}, {}

    def fault(self, text):
        return f"{self.path}:{self.line}: {self.name}: {text}"


def scalar(text, block):
    text = text.strip()
    if text in ("|", ">-"):
        return ("\n" if text == "|" else " ").join(block)
    if text[:1] == '"':
        return text[1:-1].replace('\\"', '"')
    return text


def read_rules(path):
    """The rules of a file. Knows block mappings, flow mappings of plain words, plain and quoted texts, and the blocks | and >-."""
    lines = path.read_text().splitlines()
    rules, section = [], None
    for at, line in enumerate(lines):
        key = re.fullmatch(r"( *)(- )?(\w+): *(.*)", line)
        if key is None or line.lstrip().startswith("#"):
            continue
        indent, name, text = len(key[1]) + len(key[2] or ""), key[3], key[4]
        block = []
        for below in lines[at + 1:]:
            if below.strip() and len(below) - len(below.lstrip()) <= indent:
                break
            block.append(below.strip())
        if indent == 8 and name in ("record", "alert"):
            rules.append(Rule(path.relative_to(ROOT), at + 1, name, text))
        elif indent == 8 and name == "expr":
            rules[-1].expr = scalar(text, block)
        elif indent == 8 and name == "labels":
            rules[-1].labels = dict(re.findall(r"(\w+): ([\w-]+)", text))
        elif indent == 10 and section == "annotations":
            rules[-1].annotations[name] = scalar(text, block)
        section = name if indent == 8 else section
    return rules


# ---- Expressions ----

TOKEN = re.compile(r"""\s+|(?P<string>"(?:[^"\\]|\\.)*")|(?P<duration>(?:\d+(?:ms|[smhdwy]))+)|(?P<number>\d+(?:\.\d+)?)"""
                   r"""|(?P<word>[A-Za-z_:][\w:]*)|(?P<op>=~|!~|!=|==|>=|<=|[-+*/%^=<>(){}\[\],@])""")


def seconds(text):
    return sum(float(n) * UNITS[u] for n, u in re.findall(r"(\d+)(ms|[smhdwy])", text))


class Expression:
    """What an expression names: selectors (metric, [(label, operator, value)]), labels of by and on, label_replace's, its reach."""

    def __init__(self, text):
        self.tokens, at = [], 0
        while at < len(text):
            token = TOKEN.match(text, at)
            if token is None:
                raise ValueError(f"cannot read {text[at:at + 20]!r}")
            if token.lastgroup:
                self.tokens.append((token.lastgroup, token[0]))
            at = token.end()
        self.selectors, self.grouping, self.made, self.reach = [], set(), set(), 0
        self.at = 0
        while self.at < len(self.tokens):
            self.step()

    def peek(self, ahead=0):
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else (None, None)

    def take(self):
        token = self.peek()
        self.at += 1
        return token

    def step(self):
        kind, text = self.take()
        if kind != "word" or text in KEYWORDS:
            return
        if text in LISTS:
            self.take()
            while self.peek()[1] not in (")", None):
                word = self.take()
                if word[0] == "word":
                    self.grouping.add(word[1])
            self.take()
        elif self.peek()[1] == "(":
            if text == "label_replace":
                self.made.add(self.replaced_label())
        elif self.peek()[1] not in LISTS:
            self.selector(text)
        # else: an aggregation, whose grouping comes next

    def replaced_label(self):
        """The second argument of label_replace( ... , "reason", ...)."""
        depth = 0
        for kind, text in self.tokens[self.at:]:
            depth += {"(": 1, ")": -1}.get(text, 0)
            if kind == "string" and depth == 1:
                return text[1:-1]
        return None

    def selector(self, name):
        matchers = []
        if self.peek()[1] == "{":
            self.take()
            while self.peek()[1] not in ("}", None):
                if self.peek()[0] == "word":
                    matchers.append((self.take()[1], self.take()[1], self.take()[1][1:-1]))
                else:
                    self.take()
            self.take()
        window = offset = 0
        if self.peek()[1] == "[":
            window = seconds(self.peek(1)[1])
            self.at += 3
        if self.peek()[1] == "offset":
            offset = seconds(self.peek(1)[1])
            self.at += 2
        self.reach = max(self.reach, offset + (window or LOOKBACK))
        self.selectors.append((name, matchers))


# ---- The checks ----

def check_matcher(metrics, codes, metric, matcher):
    label, operator, value = matcher
    if label in TARGET_LABELS:
        return
    if label not in metrics[metric]:
        yield f"{metric} has no label {label}"
        return
    known = metrics[metric][label]
    if label == "code":
        known = codes
    if known is None:
        return
    for word in value.split("|") if "~" in operator else [value]:
        if word not in known:
            yield f"{metric} has no {label}=\"{word}\""


def check_expression(rule, metrics, recorded, codes):
    try:
        expression = Expression(rule.expr)
    except ValueError as error:
        yield rule.fault(str(error))
        return
    labels = set(TARGET_LABELS)
    for metric, matchers in expression.selectors:
        if metric in recorded:
            labels |= recorded[metric]
            wrong = [m[0] for m in matchers if m[0] not in recorded[metric] | TARGET_LABELS]
            yield from (rule.fault(f"{metric} has no label {label}") for label in wrong)
        elif metric not in metrics:
            yield rule.fault(f"{metric} is not in docs/metrics.md")
        else:
            labels |= set(metrics[metric])
            for matcher in matchers:
                yield from (rule.fault(text) for text in check_matcher(metrics, codes, metric, matcher))
    for label in sorted(expression.grouping - labels):
        yield rule.fault(f"nothing in the expression has the label {label}")
    if rule.path.name != "prometheus-only.yml" and expression.reach > RETENTION:
        yield rule.fault(f"reaches back {expression.reach:.0f} s, and the sidecar remembers {RETENTION}")
    rule.has = labels | expression.made  # $labels has what the expression gave, not the rule's own


def check_alert(rule):
    if rule.labels.get("severity") not in ("critical", "warning", "info"):
        yield rule.fault("no severity that oxpecker_alerts_active knows")
    for name in sorted(ANNOTATIONS ^ set(rule.annotations)):
        yield rule.fault(f"the annotation {name} is missing, or one too many")
    runbook = rule.annotations.get("runbook", "")
    if not runbook.startswith("docs/runbooks/") or not (ROOT / runbook).is_file():
        yield rule.fault(f"there is no {runbook}")
    if rule.annotations.get("dashboard") not in DASHBOARDS:
        yield rule.fault("the dashboard is none of ours")
    for text in rule.annotations.values():
        for label in sorted(set(re.findall(r"\$labels\.(\w+)", text)) - getattr(rule, "has", set())):
            yield rule.fault(f"it has no label {label}")


def check_tests(rules):
    text = "".join(path.read_text() for path in sorted((RULES / "tests").glob("*.yml")))
    compared = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", text))
    for rule in rules:
        if rule.kind == "alert" and rule.name not in compared:
            yield rule.fault("no test compares its annotations")
        if rule.kind == "record" and rule.name not in text:
            yield rule.fault("no test names it")


def recorded_labels(rules):
    """Recorded name -> labels: those of the rule and of by (...), or of what it reads when it groups nothing."""
    found = {}
    for rule in rules:
        if rule.kind == "record":
            found.setdefault(rule.name, set()).update(rule.labels)
    for rule in rules:
        if rule.kind == "record":
            for metric, _ in Expression(rule.expr).selectors:
                found[rule.name] |= found.get(metric, set())
    return found


def check():
    metrics, codes = catalogue(), error_codes()
    rules = [rule for path in sorted(RULES.glob("*.yml")) for rule in read_rules(path)]
    faults = [] if len(rules) >= 25 and len(metrics) > 100 and len(codes) > 80 else ["alerts/rulefiles:1: not all could be read"]
    recorded = recorded_labels(rules)
    exposed = {name for name, labels in metrics.items() if labels or name in KNOWN}
    for rule in rules:
        faults += check_expression(rule, metrics, recorded, codes)
        faults += check_alert(rule) if rule.kind == "alert" else []
        if rule.kind == "record" and (rule.name in exposed or not rule.name.startswith("orchestrator")):
            faults.append(rule.fault("a rule may not write this name"))
    faults += check_tests(rules)
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


# ---- tests/idle.yml ----

IDLE_HEAD = """# A sidecar to which nobody ever announced itself: nothing fires and nothing is pending, from the first sample on. Made from what an idle
# sidecar answers, of which the metrics that the rules name are kept: `python3 tests/arch/rules.py --idle METRICS >alerts/rulefiles/tests/idle.yml`.
rule_files: [../orchestrator.yml, ../trend.yml]
evaluation_interval: 15s
group_eval_order: [orchestrator-sli, orchestrator-alerts, orchestrator-trend-baselines, orchestrator-trend-alerts]

tests:
  - name: idle
    interval: 15s
    input_series:
      - series: 'up{instance="vm:10108", job="oxpecker"}'
        values: '1x480'
"""
IDLE_TIMES = ("0s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m", "45m", "1h", "1h15m", "2h")


def idle(path):
    rules = [rule for name in ("orchestrator.yml", "trend.yml") for rule in read_rules(RULES / name)]
    named = {metric for rule in rules for metric, _ in Expression(rule.expr).selectors}
    out = IDLE_HEAD
    for line in pathlib.Path(path).read_text().splitlines():
        sample = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line)
        if sample is None or sample[1] not in named:
            continue
        labels = sorted(filter(None, (sample[2] or "").split('",')))
        text = ", ".join(sorted([label.rstrip('"') + '"' for label in labels] + ['instance="vm:10108"', 'job="oxpecker"']))
        value = "0" if sample[1] == "process_start_time_seconds" else sample[3]  # a test begins at time 0
        out += f"      - series: '{sample[1]}{{{text}}}'\n        values: '{value}x480'\n"
    out += "    promql_expr_test:\n"
    for time in IDLE_TIMES:
        out += f"      - expr: ALERTS\n        eval_time: {time}\n        exp_samples: []\n"
    for record in sorted({rule.name for rule in rules if rule.kind == "record" and "increase" not in rule.name}):
        out += f"      - expr: {record}\n        eval_time: 1h15m\n        exp_samples: []\n"
    print(out, end="")
    return 0


if __name__ == "__main__":
    sys.exit(idle(sys.argv[2]) if sys.argv[1:2] == ["--idle"] else check())
