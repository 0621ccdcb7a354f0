"""The dashboards of grafana/: what the source makes, the rules of Grafana's dashboard-linter with no exclusions, every name against the
catalogue, every query before promtool, our own parser and, with its variables filled in as Grafana would, a sidecar and a Prometheus."""
import concurrent.futures
import http.server
import importlib.util
import json
import math
import os
import pathlib
import re
import shutil
import tempfile
import threading
import time
import unittest

import yaml

from harness import OXPECKER, ROOT, Prometheus, Sidecar, run, wait_for
from provider.process import Provider
from test_orchestrator import BUILT_IN, QUICK_PROVIDER, Orchestrator

GRAFANA = ROOT / "grafana"
spec = importlib.util.spec_from_file_location("grafana_build", GRAFANA / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)

DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").rglob("*.json"))}
RULE_FILES = [ROOT / "alerts/rulefiles" / name for name in ("orchestrator.yml", "trend.yml", "prometheus-only.yml")]
OURS = {"job": "$job", "instance": "$instance"}
# What dashboard-linter knows as units, as far as we use them.
UNITS = {"none", "short", "percentunit", "s", "bytes", "Bps", "cps", "currencyUSD"}
# The success targets as they were asked for.
TARGETS = {"recovery_success": (0.95, "below"), "recovery_mean": (30, "above"), "retry_success": (0.8, "below"),
           "manual_intervention": (0.05, "above"), "checkpoint_overhead": (0.1, "above"), "error_detection": (5, "above"),
           "recovery_time": (120, "above"), "availability": (0.999, "below")}


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
                       |(?P<variable>\$\w+)|(?P<number>[\d.]+(?:e[+-]?\d+)?)|(?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){},@]))""", re.VERBOSE)
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
    return {name: labels | {"job": None, "instance": None} for name, labels in known.items()}


class Source(unittest.TestCase):
    def test_the_tree_is_what_the_source_makes(self):
        status, _, stderr = run("/usr/bin/python3", GRAFANA / "build.py", "--check")
        self.assertEqual((status, stderr), (0, ""))

    def test_a_threshold_that_is_not_the_rules_is_refused(self):
        panel = {"title": "x", "limit": {"rule": "OrchestratorTaskFailureRatioHigh", "at": 0.25}}
        with self.assertRaises(build.SourceError):
            build.steps_of(panel, {}, build.alerts())
        panel["limit"]["at"] = 0.2
        self.assertEqual(build.steps_of(panel, {}, build.alerts()), [("green", None), ("orange", 0.2)])

    def test_targets_are_those_that_were_asked_for(self):
        common, _ = build.sources()
        self.assertEqual({name: (one["at"], one["bad"]) for name, one in common["targets"].items()}, TARGETS)
        used = {panel["limit"]["target"] for source in build.sources()[1] for row in source["rows"] for panel in row["panels"]
                if "target" in panel.get("limit", {})}
        self.assertEqual(used, TARGETS.keys())

    def test_every_dashboard_that_alerts_name_exists(self):
        named = set()
        for path in RULE_FILES:
            named |= set(re.findall(r"dashboard: /d/(\S+)", path.read_text()))
        self.assertEqual(named - DASHBOARDS.keys(), set())
        linked = {uid for _, panel, _ in every_target() for link in panel.get("links", []) for uid in re.findall(r"/d/([\w-]+)", link["url"])}
        self.assertEqual(linked - DASHBOARDS.keys(), set())

    def test_every_alert_leads_to_a_panel_with_its_threshold(self):
        limits = {source["uid"]: {panel["limit"].get("rule") for row in source["rows"] for panel in row["panels"] if "limit" in panel}
                  for source in build.sources()[1]}
        for group in yaml.safe_load(RULE_FILES[0].read_text())["groups"]:
            for rule in group["rules"]:
                if rule.get("alert") not in (None, "OrchestratorDown"):  # which is a state: up or down
                    self.assertIn(rule["alert"], limits[rule["annotations"]["dashboard"].removeprefix("/d/")])

    def test_provisioning(self):
        providers = yaml.safe_load((GRAFANA / "provisioning/dashboards/oxpecker.yml").read_text())["providers"]
        folders = {path.name for path in (GRAFANA / "dashboards").iterdir()}
        self.assertEqual({pathlib.PurePath(one["options"]["path"]).name for one in providers}, folders)
        for one in providers:
            self.assertLessEqual(len(one["folderUid"]), 40)
            self.assertEqual((one["type"], one["allowUiUpdates"]), ("file", False))
        sources = yaml.safe_load((GRAFANA / "provisioning/datasources/oxpecker.yml").read_text())["datasources"]
        self.assertEqual([one["type"] for one in sources], ["prometheus", "prometheus"])
        self.assertEqual(sum(one["isDefault"] for one in sources), 1)
        for one in sources:
            self.assertEqual(one["jsonData"]["timeInterval"], "15s", "the sidecar's default sample interval")

    def test_import_copies_ask_for_the_data_source_and_differ_in_nothing_else(self):
        for uid, dashboard in DASHBOARDS.items():
            copy = json.loads((GRAFANA / f"import/{uid}.json").read_text())
            self.assertEqual([one["name"] for one in copy.pop("__inputs")], ["DS_PROMETHEUS"])
            kinds = {one["id"] for one in copy.pop("__requires") if one["type"] == "panel"}
            self.assertEqual(kinds, {panel["type"] for panel in panels(dashboard)})
            copy.pop("__elements")
            self.assertEqual(copy["templating"]["list"][0]["current"]["value"], "${DS_PROMETHEUS}")
            copy["templating"]["list"][0]["current"] = {}
            self.assertEqual(copy, dashboard)


class Lint(unittest.TestCase):
    """The rules of dashboard-linter by their names, those about LogQL apart."""

    def each(self):
        for uid, dashboard in DASHBOARDS.items():
            with self.subTest(uid):
                yield dashboard

    def test_templates(self):
        for dashboard in self.each():
            variables = {one["name"]: one for one in dashboard["templating"]["list"]}
            # template-datasource
            sources = [one for one in variables.values() if one["type"] == "datasource"]
            self.assertEqual([(one["name"], one["label"], one["query"]) for one in sources], [("datasource", "Data source", "prometheus")])
            for name, one in variables.items():
                # template-job, template-instance; the others likewise
                if one["type"] == "query":
                    self.assertEqual((one["datasource"]["uid"], one["label"], one["multi"], one["allValue"]),
                                     ("${datasource}", name.capitalize(), True, ".+"))
                    # template-label-promql
                    asked = re.fullmatch(r"label_values\((.+), (\w+)\)", one["query"])
                    query = Query(asked[1])
                    metric, matchers, _, _ = query.selectors[0]
                    self.assertIn(asked[2], CATALOGUE[metric])
                    self.assertLessEqual(matchers.keys(), variables.keys())
                    # template-on-time-change-reload
                    self.assertEqual(one["refresh"], 2)
            self.assertLessEqual({"job", "instance"}, variables.keys())
            # a variable that moves nothing would be a lie
            asked = json.dumps([panel["targets"] for panel in panels(dashboard)])
            for name in variables.keys() - {"datasource"}:
                self.assertIn(f"${name}", asked)
        self.assertEqual({one["name"] for d in DASHBOARDS.values() for one in d["templating"]["list"]} - {"price"},
                         {"datasource", "job", "instance", "workflow", "region"})

    def test_panels(self):
        for dashboard in self.each():
            for panel in panels(dashboard):
                with self.subTest(panel["title"]):
                    self.assertEqual(panel["datasource"]["uid"], "${datasource}")  # panel-datasource
                    self.assertTrue(panel["title"] and len(panel["description"]) > 5)  # panel-title-description
                    self.assertTrue(panel["targets"])  # panel-no-targets
                    defaults = panel["fieldConfig"]["defaults"]
                    self.assertIn(defaults["unit"], UNITS)  # panel-units
                    self.assertTrue(defaults["noValue"])
                    if defaults["unit"] == "none":
                        self.assertTrue(panel["type"] == "table" or "mappings" in defaults, "a number without a unit")
                    for one in panel["fieldConfig"]["overrides"]:
                        for wanted in one["properties"]:
                            self.assertTrue(wanted["id"] != "unit" or wanted["value"] in UNITS)
                    values = [step["value"] for step in defaults["thresholds"]["steps"]]
                    self.assertIsNone(values[0])
                    self.assertEqual(values[1:], sorted(values[1:]))

    def test_targets(self):
        for uid, panel, target in every_target():
            with self.subTest(f"{uid}: {panel['title']}"):
                self.assertEqual(target["datasource"]["uid"], "${datasource}")
                self.assertTrue(target["legendFormat"])
                query = Query(target["expr"])  # target-promql: Parsers below
                self.assertTrue(query.selectors)
                for name, matchers, window, function in query.selectors:
                    for label, value in OURS.items():  # target-job, target-instance
                        self.assertEqual(matchers.get(label), ("=~", value), name)
                    if function in ("rate", "irate"):  # target-rate-interval
                        self.assertEqual(window, "[$__rate_interval]")
                    if name.endswith("_total"):  # target-counter-agg
                        self.assertIn(function, ("rate", "irate", "increase"), name)
                        self.assertIsNotNone(window)
                if "histogram_quantile" in target["expr"] and target["range"]:
                    self.assertTrue(target["exemplar"])
                if panel["type"] == "heatmap":
                    self.assertEqual(target["format"], "heatmap")
                if "increase(" in target["expr"] and "[$__rate_interval]" in target["expr"] and panel["type"] == "timeseries":
                    self.assertEqual((panel["interval"], panel["fieldConfig"]["defaults"]["custom"]["drawStyle"]), ("1m", "bars"), "counted several times")

    def test_dashboards(self):
        seen = set()
        for dashboard in self.each():
            self.assertIs(dashboard["editable"], False)  # uneditable-dashboard
            self.assertLessEqual(dashboard["schemaVersion"], 41)
            self.assertLessEqual(len(dashboard["uid"]), 40)
            self.assertNotIn(dashboard["title"], seen)
            seen.add(dashboard["title"])
            self.assertNotIn("__inputs", dashboard)
            link, = dashboard["links"]
            self.assertTrue(link["keepTime"] and link["includeVars"] and link["tags"][0] in dashboard["tags"])
            self.assertEqual([one["name"] for one in dashboard["annotations"]["list"][1:]], ["Alerts", "Restarts", "Breakers", "Reloads"])

    def test_ids_and_grid(self):
        for dashboard in self.each():
            ids = [panel["id"] for panel in dashboard["panels"]]
            self.assertEqual(len(ids), len(set(ids)))
            taken = {}
            for panel in dashboard["panels"]:
                place = panel["gridPos"]
                self.assertGreaterEqual(min(place["x"], place["y"]), 0)
                self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
                for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
                    self.assertEqual(taken.setdefault(cell, panel["id"]), panel["id"], f"{panel['title']} lies on another")

    def test_kinds(self):
        kinds = {panel["type"] for _, panel, _ in every_target()}
        self.assertLessEqual({"stat", "gauge", "timeseries", "table", "heatmap", "state-timeline"}, kinds)


CATALOGUE = catalogue()


class Names(unittest.TestCase):
    def check(self, expression, legend, columns):
        query = Query(expression)
        allowed = set()
        for name, matchers, _, _ in query.selectors:
            self.assertIn(name, CATALOGUE)
            labels = CATALOGUE[name]
            allowed |= labels.keys()
            for label, (sign, value) in matchers.items():
                self.assertIn(label, labels, name)
                if labels[label] is None or value.startswith("$") or label == "le":
                    continue
                for one in value.split("|") if "~" in sign else [value]:
                    self.assertIn(one, labels[label], f"{name}{{{label}}}")
        self.assertLessEqual(set(query.grouped), allowed)
        shown = set(re.findall(r"{{(\w+)}}", legend)) | {label for label in columns if not label.startswith("Value")}
        left = set(query.grouped) if re.search(r"\b(sum|max|min|avg|count|histogram_quantile)\b ?(by)? ?\(", expression) else allowed
        self.assertLessEqual(shown, left, f"{expression} has no such label left")

    def test_every_metric_and_label_is_in_the_catalogue(self):
        for uid, panel, target in every_target():
            with self.subTest(f"{uid}: {panel['title']}"):
                columns = {}
                for one in panel["transformations"]:
                    columns = one["options"].get("renameByName", columns)
                self.check(target["expr"], target["legendFormat"], columns)
                legends = {other["legendFormat"] for other in panel["targets"]}
                for one in panel["fieldConfig"]["overrides"]:
                    name = one["matcher"]["options"]
                    values = {value for legend in legends for label in re.findall(r"{{(\w+)}}", legend)
                              for known in Query(target["expr"]).selectors for value in CATALOGUE[known[0]].get(label) or ()}
                    self.assertTrue(panel["type"] == "table" or name in legends or name in values or len(legends) > 1,
                                    f"an override for {name}, which is not there")
        for uid, one in annotations():
            with self.subTest(f"{uid}: {one['name']}"):
                self.check(one["expr"], one["titleFormat"] + one["textFormat"], one["tagKeys"].split(","))
                self.assertEqual(one["expr"], one["target"]["expr"])

    def test_a_wrong_name_is_found(self):
        for wrong in ('orchestrator_upp{job=~"$job"}', 'orchestrator_up{nope="x"}', 'orchestrator_tasks_ended_total{status="succeded"}',
                      "sum by (nope) (orchestrator_up)"):
            with self.assertRaises(AssertionError, msg=wrong):
                self.check(wrong, "", {})

    def test_what_is_measured_is_shown(self):
        """Most of the catalogue is on a dashboard; what is not, is a choice that shows here."""
        shown = {re.sub("_(bucket|sum|count)$", "", name) for _, _, target in every_target() for name, *_ in Query(target["expr"]).selectors}
        families = {re.sub("_(bucket|sum|count)$", "", name) for name in CATALOGUE if name.startswith(("orchestrator_", "oxpecker_"))}
        hidden = sorted(families - shown)
        print(f"grafana: {len(families - set(hidden))} of {len(families)} families are shown; not: {', '.join(hidden)}")
        self.assertLess(len(hidden), 25)


# ---- filled in as Grafana would

def seconds(text):
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]


def filled(expression, range_s, scrape_s=1, least="0s"):
    """With All chosen everywhere, and a thousand points. $__rate_interval is the interval and a scrape more, but at least four scrapes."""
    interval = max(math.ceil(range_s / 1000), scrape_s, seconds(least))
    values = {"__rate_interval": f"{max(interval + scrape_s, 4 * scrape_s)}s", "__range_s": str(range_s), "__range": f"{range_s}s",
              "__interval": f"{interval}s", "job": ".+", "instance": ".+", "workflow": ".+", "region": ".+", "price": "0.1"}
    for name, value in values.items():
        expression = re.sub(rf"\${name}\b", lambda _, v=value: v, expression)
    assert "$" not in expression, expression
    return expression


LEZER = ROOT / "build/grafana-lezer"
PACKAGES = ["@prometheus-io/lezer-promql@0.315.0", "@lezer/common@1", "@lezer/highlight@1", "@lezer/lr@1"]
# Names those of the queries on standard input that have a fault.
PARSE = """import {parser} from '@prometheus-io/lezer-promql'; import fs from 'fs';
const wrong = query => { let found = false; parser.parse(query).iterate({enter: node => { found ||= node.type.isError; }}); return found; };
console.log(JSON.stringify(JSON.parse(fs.readFileSync(0)).filter(wrong)));"""


def install_lezer():
    """None when the parser of Grafana's query editor is there, else why not. Installed once, below build/."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    if (LEZER / "node_modules/@prometheus-io/lezer-promql").is_dir():
        return None
    LEZER.mkdir(parents=True, exist_ok=True)
    (LEZER / "package.json").write_text('{"private": true, "type": "module"}')
    status, _, stderr = run("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--prefix", LEZER, *PACKAGES, timeout=120)
    return None if status == 0 else "npm install of @prometheus-io/lezer-promql failed: " + stderr.strip()[-500:]


class Parsers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.expressions = sorted({filled(target["expr"], 3600, 15) for _, _, target in every_target()}
                                 | {filled(one["expr"], 3600, 15) for _, one in annotations()})
        cls.directory = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.path = cls.directory / "rules.yml"
        rules = [{"record": f"q{n}", "expr": expression} for n, expression in enumerate(cls.expressions)]
        cls.path.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_promtool_accepts_every_query(self):
        status, stdout, stderr = run("promtool", "check", "rules", self.path)
        self.assertEqual((status, stderr), (0, ""), stdout)
        self.assertIn(f"{len(self.expressions)} rules found", stdout)

    def test_our_own_parser_accepts_every_query(self):
        status, stdout, stderr = run(OXPECKER, "check", "rules", self.path)
        self.assertEqual(status, 0, stdout + stderr)
        self.assertIn(f"{len(self.expressions)} rules found", stdout)

    def test_the_parser_of_grafanas_editor_accepts_every_query(self):
        missing = install_lezer()
        if missing and os.environ.get("CI"):
            self.fail(missing)
        if missing:
            self.skipTest(missing)
        (LEZER / "parse.mjs").write_text(PARSE)
        wrong = ["sum by (x (up)", "up{"]
        status, stdout, stderr = run("node", LEZER / "parse.mjs", stdin=json.dumps(self.expressions + wrong))
        self.assertEqual((status, stderr), (0, ""))
        self.assertEqual(json.loads(stdout), wrong)


# ---- a run

LOAD_SECONDS = 20
KEY = "bb_test_dashboards"
FAULTS = [{"where": "create", "kind": "429_concurrency", "probability": 0.2}, {"where": "create", "kind": "503", "probability": 0.2},
          {"where": "act", "kind": "element", "probability": 0.2}, {"where": "extract", "kind": "llm_429", "probability": 0.2},
          {"where": "navigate", "kind": "drop", "probability": 0.1}, {"where": "observe", "kind": "unsuccessful", "probability": 0.1}]
CONFIG = """
alerting:
  route: {{receiver: all, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}}
  receivers:
    - name: all
      webhook_configs:
        - {{url: "http://127.0.0.1:{port}/hook", send_resolved: true}}
        - {{url: "http://127.0.0.1:1/nobody", send_resolved: true}}
cloudwatch: {{region: us-east-1, namespace: Test, endpoint: "http://127.0.0.1:{port}", interval: 2s}}
"""
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def once():
    """What nobody else reports, once."""
    yield {"type": "orchestrator.started", "boot": "00000000000000aa", "writer": "rest", "version": "1.0", "environment": "test", "sdk": "test/1",
           "sessions_limit": 5, "create_limit": 25}
    yield {"type": "session.started", "session": "kept", "region": "us-west-2"}
    yield {"type": "task.started", "task": "kept", "workflow": "rest"}
    yield {"type": "degraded", "component": "model", "on": True, "ok": True}
    yield {"type": "breaker", "name": "site", "from": "closed", "to": "open", "failures": 5, "cause": "auto"}
    yield {"type": "breaker", "name": "site", "from": "open", "to": "closed", "cause": "manual"}
    yield {"type": "checkpoint", "op": "restored", "ok": True}
    yield {"type": "error", "code": "bb_auth", "op": "session.create", "upstream": "browserbase", "category": "browserbase", "message": "x"}


def often(n):
    """And what it reports all the time."""
    session, task, at = f"rest-{n}", f"rest-{n}-t", time.time()
    yield {"type": "session.started", "session": session, "region": "us-west-2", "create_s": 0.3}
    yield {"type": "session.disconnected", "session": session, "reason": "network"}
    yield {"type": "session.connected", "session": session, "reconnect": True, "ok": True}
    yield {"type": "task.queued", "task": task, "priority": "high", "workflow": "rest"}
    yield {"type": "task.started", "task": task, "priority": "high", "workflow": "rest", "session": session}
    for op in ("act", "extract", "agent", "start"):
        yield {"type": "operation", "op": op, "ok": n % 5 > 0, "duration_s": 0.2 + n % 7, "task": task, "session": session, "cache": ("hit", "miss")[n % 2],
               "model": "m", "tokens": {"input": 90, "output": 9}, "inference_s": 0.2, "tokens_saved": 5, "steps": 2,
               "trace_id": f"{n + 1:032x}", **({"limit": "max_steps"} if op == "agent" else {})}
    yield {"type": "captcha", "state": "solved", "duration_s": 3, "session": session}
    yield {"type": "error", "op": "session.release", "code": "bb_release_failed", "session": session, "message": "x"}
    yield {"type": "error", "code": "net_timeout", "message": "x", "task": task, "occurred_at": at - 0.3, "component": "pool", "unhandled": n % 3 == 0}
    yield {"type": "error", "code": "net_reset", "message": "x", "suppressed": "cascade"}
    yield {"type": "error", "code": "net_timeout", "category": "network", "class": "fatal", "message": "x"}
    yield {"type": "error", "code": ("bb_auth", "llm_auth")[n % 2], "message": "x"}
    yield {"type": "retry", "op": "act", "upstream": "llm", "attempt": 2, "delay_s": 0.5, "code": "llm_rate_limit", "task": task}
    yield {"type": "retry", "op": "act", "upstream": "llm", "outcome": "recovered", "attempts": 2, "task": task}
    yield {"type": "retry", "op": "act", "upstream": "llm", "reason": "rate", "code": "llm_rate_limit"}
    yield {"type": "breaker.calls", "name": "site", "success": 3, "failure": 1}
    if n % 4 == 0:
        yield {"type": "breaker", "name": "site", "from": "closed", "to": "open", "failures": 5, "cause": "auto"}
        yield {"type": "breaker", "name": "site", "from": "open", "to": "closed", "cause": "auto"}
    for outcome, automation in (("recovered", "full"), ("manual", "manual")):
        incident = f"{session}-{outcome}"
        yield {"type": "recovery", "state": "started", "incident": incident, "severity": "high", "category": "network"}
        yield {"type": "recovery", "state": "escalated", "incident": incident, "level": "oncall", "reason": "timeout"}
        yield {"type": "recovery", "state": "ended", "incident": incident, "action": "retry", "outcome": outcome, "automation": automation,
               "duration_s": 1 + n % 40}
    yield {"type": "degraded", "component": "model", "on": True, "ok": True}
    yield {"type": "debugger", "outcome": "fixed", "fix": "reload"}
    yield {"type": "transaction", "outcome": "rolled_back", "name": "t", "steps": 2, "duration_s": 0.2}
    yield {"type": "checkpoint", "op": "saved", "ok": n % 9 > 0, "overhead_s": 0.01, "write_s": 0.03, "bytes": 99, "stored": 3, "stored_bytes": 999, "backlog": 1}
    yield {"type": "stage", "stage": "collection", "items_ok": 3, "items_failed": 1, "duration_s": 2, "sessions": 1}
    yield {"type": "queue", "high": {"length": 2, "oldest_s": 4}, "workers_busy": 2, "workers_idle": 1, "quota": {"sessions": 0.6, "disk": 0.1}}
    yield {"type": "resource", "cpu_user_s": n / 5, "cpu_sys_s": n / 9, "rss": 90000000 + n, "read_bytes": 4096 * n, "write_bytes": 4096 * n, "fds": 20,
           "max_fds": 1024, "threads": 9, "mount": "checkpoints", "avail_bytes": 10**10 - n,
           "container": {"cpu_s": n / 4, "throttled_s": n / 99, "working_set": 10**8 + 1000 * n, "memory_limit": 10**9, "oom_kills": 0},
           "pressure": {"cpu_some_s": n / 50, "io_some_s": n / 60}}
    yield {"type": "metric", "kind": "function", "name": "parse", "value": 0.2, "ok": n % 4 > 0}
    yield {"type": "task.ended", "task": task, "workflow": "rest", "status": ("succeeded", "failed", "degraded")[n % 3], "duration_s": 2 + n % 9}
    yield {"type": "session.ended", "session": session, "status": ("COMPLETED", "TIMED_OUT")[n % 4 == 3], "duration_s": 70 - n % 50, "proxy_bytes": 999}
    yield {"type": "workflow.started", "workflow": "rest", "run": str(n)}
    yield {"type": "workflow.ended", "workflow": "rest", "run": str(n), "status": ("succeeded", "failed")[n % 2], "duration_s": 4}


class RuledPrometheus(Prometheus):
    """One that evaluates our rules as well."""

    def __init__(self, targets, rule_files):
        super().__init__(targets)
        path = self.directory / "prometheus.yml"
        path.write_text(path.read_text().replace("global: {", "global: {evaluation_interval: 1s, ", 1) + f"rule_files: {json.dumps([str(p) for p in rule_files])}\n")


def quick(path, directory):
    copy = directory / path.name
    copy.write_text(re.sub(r"(?m)^( +interval:) \d+[sm]$", r"\1 1s", path.read_text()))
    return copy


def gauges_only(query):
    """Whether it asks for what is, not for what happened; the catalogue's gauges only, for recorded ones move on when all is still."""
    names = [name for name, *_ in query.selectors]
    return (all(window is None for _, _, window, _ in query.selectors) and "time()" not in query.text and ":" not in query.text
            and all(name.startswith("orchestrator_") and not name.endswith(("_bucket", "_ratio")) for name in names))


def numbers(answer):
    """[[(time, value), ...], ...] of the series of an answer, NaN left out."""
    assert answer["status"] == "success", answer
    found = [series.get("values") or [series["value"]] for series in answer["data"]["result"]]
    return [points for points in ([(t, float(v)) for t, v in series if float(v) == float(v)] for series in found) if points]


def by_labels(answer):
    """{labels without instance: value}; what is measured in this very moment is not compared to the last digit."""
    return {json.dumps({k: v for k, v in series["metric"].items() if k != "instance"}, sort_keys=True): float(series["value"][1])
            for series in answer["data"]["result"]}


@unittest.skipUnless(shutil.which("prometheus"), "Prometheus is not installed")
class Run(unittest.TestCase):
    """Every query of every panel against a sidecar and a Prometheus that scrapes it."""

    @classmethod
    def setUpClass(cls):
        enter, cls.directory = cls.enterClassContext, pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="oxpecker-grafana-")))
        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        cls.addClassCleanup(receiver.server_close)
        cls.addClassCleanup(receiver.shutdown)
        ours = [quick(path, cls.directory) for path in RULE_FILES]
        (cls.directory / "key").write_text(KEY)
        cls.provider = enter(Provider(*QUICK_PROVIDER, key=KEY))
        cls.sidecar = enter(Sidecar(
            "--storage.sample-interval=1s", "--global.evaluation-interval=1s", f"--rule-files={ours[0]},{ours[1]}", "--orchestrator.watch-interval=0s",
            f"--orchestrator.checkpoint-path={cls.directory}", f"--provider.api-key-file={cls.directory / 'key'}",
            f"--provider.base-url={cls.provider.url}", f"--provider.project-id={cls.provider.project()['id']}", "--provider.interval=5s",
            storage=True, config=CONFIG.format(port=receiver.server_address[1]), environment=AWS))
        cls.prometheus = enter(RuledPrometheus([f"127.0.0.1:{cls.sidecar.port}"], ours))
        cls.prometheus.wait_ready()
        wait_for(lambda: cls.prometheus.value("up") == 1, 20, "a scrape")
        cls.load(enter)

    @classmethod
    def load(cls, enter):
        """Work with faults, a crash in the middle, and the rest by hand; then silence."""
        orchestrator = enter(Orchestrator(cls.sidecar, cls.provider, json.loads(BUILT_IN.read_text())))
        cls.writer = cls.sidecar.connect()
        cls.addClassCleanup(cls.writer.close)

        def say(events):
            cls.writer.sendall(b"".join(json.dumps(event).encode() + b"\n" for event in events))

        say(once())
        cls.provider.fault(*FAULTS)
        orchestrator.start("--rounds=forever", "--sessions=3", "--breaker=failure_threshold=2")
        began, n, crashed = time.monotonic(), 0, False
        while time.monotonic() - began < LOAD_SECONDS:
            n += 1
            say([*often(n), {"type": "no.such.type"}])
            if not crashed and time.monotonic() - began > LOAD_SECONDS / 2:
                crashed = True
                orchestrator.kill()
                orchestrator.start("--rounds=forever", "--sessions=3")
            time.sleep(max(0, began + n / 2 - time.monotonic()))
        cls.provider.clear()
        assert orchestrator.stop() == 0, orchestrator.logged()
        # Nothing moves any more, and both have seen that when they know a last gauge.
        say([{"type": "metric", "kind": "gauge", "name": "last", "value": 1}])
        for to in (cls.sidecar, cls.prometheus):
            wait_for(lambda to=to: to.api("query", query="orchestrator_app_last")["data"]["result"], 20, "the last gauge")
        time.sleep(1.1)
        cls.began, cls.now = time.time() - (time.monotonic() - began), time.time()

    @classmethod
    def queries(cls):
        """(where, source of the panel, panel, target) of every query."""
        sources = {source["uid"]: [panel for row in source["rows"] for one in row["panels"] for panel in build.repeated(one)]
                   for source in build.sources()[1]}
        for uid, dashboard in DASHBOARDS.items():
            for source, panel in zip(sources[uid], panels(dashboard), strict=True):
                for target in panel["targets"]:
                    yield f"{uid}: {panel['title']}: {target['legendFormat']}", source, panel, target

    def ask(self, panel, target, to, instant):
        expression = filled(target["expr"], math.ceil(self.now - self.began), least=panel.get("interval", "0s"))
        return to.api("query", query=expression, time=f"{self.now:.3f}") if instant else self.range(expression, to)

    def range(self, expression, to):
        """Each second of the run; Grafana's steps are longer where a panel says so, but a run is not."""
        return to.api("query_range", query=expression, start=f"{self.began:.0f}", end=f"{self.now:.0f}", step="1")

    def test_every_panel_has_data(self):
        asked, moving, empty, excused, jobs = 0, 0, [], [], []
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for where, source, panel, target in self.queries():
                for name, to in (("the sidecar", self.sidecar), ("Prometheus", self.prometheus)):
                    if name == "Prometheus" or source.get("needs") != "prometheus":
                        jobs.append((where, source, name, pool.submit(self.ask, panel, target, to, target["instant"])))
            for where, source, name, job in jobs:
                asked += 1
                found = numbers(job.result())
                moving += any(value for series in found for _, value in series)
                if not found:
                    (excused if "may_be_empty" in source else empty).append(f"{where} ({name})")
        count = sum(len(panels(dashboard)) for dashboard in DASHBOARDS.values())
        unique = len(list(every_target()))
        print(f"grafana: {len(DASHBOARDS)} dashboards, {count} panels, {unique} queries; {asked} asked, {moving} say other than 0, "
              f"{len(excused)} are empty with a reason")
        for one in excused:
            print(f"grafana: empty: {one}")
        self.assertEqual(empty, [])

    def test_gauges_agree(self):
        agreed, differ = 0, []
        for where, source, panel, target in self.queries():
            if source.get("needs") or not gauges_only(Query(target["expr"])):
                continue
            ours, theirs = (by_labels(self.ask(panel, target, to, True)) for to in (self.sidecar, self.prometheus))
            unit = panel["fieldConfig"]["defaults"]["unit"]
            # Ages and the memory of processes go on while nothing else does.
            near = {"s": lambda a, b: abs(a - b) <= 3, "bytes": lambda a, b: abs(a - b) <= 0.05 * max(a, b)}.get(unit, lambda a, b: a == b)
            if ours.keys() == theirs.keys() and all(near(ours[key], theirs[key]) for key in ours):
                agreed += 1
            else:
                differ.append(f"{where}: {ours} / {theirs}")
        print(f"grafana: {agreed} queries of gauges agree with Prometheus")
        self.assertEqual(differ, [])
        self.assertGreater(agreed, 30)

    def test_annotations_have_marks(self):
        seen = {}
        for _, one in annotations():
            expression = filled(one["expr"], 60)
            for to in (self.sidecar, self.prometheus):
                seen[one["name"]] = seen.get(one["name"], True) and bool(numbers(self.range(expression, to)))
        self.assertEqual({name for name, found in seen.items() if not found}, {"Reloads"})

    def test_variables_have_values(self):
        for name in ("job", "instance", "workflow", "region"):
            variable = next(one for d in DASHBOARDS.values() for one in d["templating"]["list"] if one["name"] == name)
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            for to in (self.sidecar, self.prometheus):
                answer = to.api(f"label/{asked[2]}/values", **{"match[]": filled(asked[1], 60)})
                self.assertTrue(answer["data"], name)

    def test_exemplars_are_there(self):
        query = filled("histogram_quantile(0.95, sum by (le, operation) (rate(orchestrator_operation_duration_seconds_bucket[$__rate_interval])))", 60)
        for to in (self.sidecar, self.prometheus):
            found = to.api("query_exemplars", query=query, start=f"{self.now - 60:.0f}", end=f"{self.now + 5:.0f}")["data"]
            self.assertTrue(any("trace_id" in one["labels"] for series in found for one in series["exemplars"]))


if __name__ == "__main__":
    unittest.main()
