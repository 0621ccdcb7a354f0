"""The dashboards of grafana/ by the rules of Grafana's dashboard-linter with no exclusions, every name against the catalogue, and every
query before promtool, our own parser and that of Grafana's editor."""
import json
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import yaml

from dashboards import CATALOGUE, DASHBOARDS, Query, annotations, build, every_target, filled, panels
from harness import OXPECKER, ROOT, run

OURS = {"job": "$job", "instance": "$instance"}
# What dashboard-linter knows as units, as far as we use them.
UNITS = {"none", "short", "percentunit", "s", "bytes", "Bps", "cps", "currencyUSD"}


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
                    if panel["type"] in ("stat", "gauge") and defaults["noValue"] != "0":
                        nothing = [one["options"] for one in defaults["mappings"] if one["type"] == "special"]
                        colour = "red" if panel["title"] == "Sidecar" else build.NOTHING
                        self.assertEqual([(one["match"], one["result"]["text"], one["result"]["color"]) for one in nothing],
                                         [("null+nan", defaults["noValue"], colour)], "no value has the colour of the lowest threshold")
                    if panel["type"] == "table":  # else a row would say it where a label is missing
                        self.assertIn({"matcher": {"id": "byRegexp", "options": ".*"}, "properties": [{"id": "noValue", "value": "–"}]},
                                      panel["fieldConfig"]["overrides"])
                    for one in panel["fieldConfig"]["overrides"]:
                        for wanted in one["properties"]:
                            self.assertTrue(wanted["id"] != "unit" or wanted["value"] in UNITS)
                    values = [step["value"] for step in defaults["thresholds"]["steps"]]
                    self.assertIsNone(values[0])
                    self.assertEqual(values[1:], sorted(values[1:]))

    def test_a_dead_sidecar_is_in_the_first_place_and_nothing_else_is_reassuring(self):
        """Of what no sidecar tells, a number must not be nought nor a word claim that there was none; test_grafana_run kills one."""
        firsts = set()
        for dashboard in self.each():
            first = panels(dashboard)[0]
            firsts.add(json.dumps([first["title"], first["type"], first["targets"], first["fieldConfig"]]))
            for panel in panels(dashboard)[1:]:
                if panel["type"] in ("stat", "gauge"):
                    self.assertRegex(panel["fieldConfig"]["defaults"]["noValue"], "known", panel["title"])
        self.assertEqual(len(firsts), 1)
        self.assertTrue(firsts.pop().startswith('["Sidecar", "stat"'))

    def test_up_is_asked_of_sidecars_only(self):
        """A Prometheus has other targets, and All is all of them."""
        for uid, panel, target in every_target():
            names = {name for name, *_ in Query(target["expr"]).selectors}
            self.assertTrue("up" not in names or "oxpecker_build_info" in names, f"{uid}: {panel['title']}")

    def test_what_is_chosen_narrows_all_of_a_panel_or_nothing(self):
        """A share of a chosen workflow of all of them would mean nothing. A ceiling is the same for all."""
        for uid, dashboard in DASHBOARDS.items():
            for panel in panels(dashboard):
                with self.subTest(f"{uid}: {panel['title']}"):
                    narrowed = {frozenset(value for _, value in matchers.values() if value in ("$workflow", "$region"))
                                for target in panel["targets"] if target["legendFormat"] != "limit"
                                for name, matchers, *_ in Query(target["expr"]).selectors if name != "oxpecker_build_info"}
                    self.assertLessEqual(len(narrowed), 1, narrowed)

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
                self.assertNotRegex(target["expr"], r"increase\([^()]*\[\$__rate_interval\]", "the window is longer than the step: counted twice")
                if "$__interval_ms" in target["expr"]:
                    self.assertEqual(panel["interval"], "1m")
                    self.assertTrue(panel["type"] == "heatmap" or panel["fieldConfig"]["defaults"]["custom"]["drawStyle"] == "bars", "counts, drawn as a line")

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
            for one in dashboard["annotations"]["list"][1:]:
                self.assertIn("[$__rate_interval]", one["expr"], "what comes and goes between two steps would have no mark")

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
                # Of several queries that are merged into a table, the first has all labels that it shows.
                self.check(target["expr"], target["legendFormat"], columns if target is panel["targets"][0] else {})
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


def asks(title, legend=None):
    """The query of a panel, filled in for an hour."""
    found, = (target["expr"] for _, panel, target in every_target() if panel["title"] == title and legend in (None, target["legendFormat"]))
    return filled(found, 3600, 15)


A, B = ('{job="oxpecker", instance="a"}', '{job="oxpecker", instance="b"}')


@unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
class Figures(unittest.TestCase):
    """What panels say of series that are made up: {name: values in promtool's notation}, one in each `interval`; promtool computes."""

    def say(self, interval, series, *cases):
        tests = [{"expr": expression, "eval_time": at, "exp_samples": [] if value is None else [{"labels": "{}", "value": value}]}
                 for expression, at, value in cases]
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "tests.yml"
            path.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": interval, "tests": [
                {"interval": interval, "input_series": [{"series": name, "values": values} for name, values in series.items()],
                 "promql_expr_test": tests}]}))
            status, stdout, stderr = run("promtool", "test", "rules", path)
        self.assertEqual(status, 0, stdout + stderr)

    def test_time_of_orphans_is_theirs_however_short_the_sidecar_is_known(self):
        """One orphan of 20 s, and 40 s that are known."""
        self.say("10s", {f"orchestrator_sessions_orphaned{A}": "_x300 0 1 1 0 0", f"oxpecker_build_info{A}": "_x300 1x4"},
                 (asks("Orphans"), "50m40s", 20))

    def test_orphans_are_those_that_the_alert_knows(self):
        known = {f"orchestrator_sessions_orphaned{A}": "1x9", f"oxpecker_build_info{A}": "1x9"}
        self.say("10s", known, (asks("Orphaned sessions"), "1m", 1))
        self.say("10s", known | {f"orchestrator_provider_sessions_unmatched{A}": "2x9"}, (asks("Orphaned sessions"), "1m", 3))
        self.say("10s", {f"oxpecker_build_info{A}": "1x9"}, (asks("Orphaned sessions"), "1m", 0))
        self.say("10s", {f"up{A}": "0x9"}, (asks("Orphaned sessions"), "1m", None))

    def test_no_alerts_fire_is_said_where_rules_are_evaluated(self):
        known = {f"oxpecker_build_info{A}": "1x60", f'oxpecker_alerts_active{A[:-1]}, severity="critical"}}': "0x60"}
        evaluated, failed = f"oxpecker_rule_evaluations_total{A}", f"oxpecker_rule_evaluation_failures_total{A}"
        for counts, nought in (("0+9x60", "0x60"), 0), (("0x60", "0x60"), None), (("0+9x60", "0+9x60"), None):
            self.say("10s", known | dict(zip((evaluated, failed), counts)), (asks("Alerts firing", "firing"), "9m", nought))
        self.say("10s", known | {f'oxpecker_alerts_active{A[:-1]}, severity="critical"}}': "2x60"}, (asks("Alerts firing", "firing"), "9m", 2))

    def test_available_counts_time_not_instances(self):
        """One was up for 45 minutes, the other down for the 15 that it is known."""
        self.say("1m", {f"orchestrator_up{A}": "1x60", f"orchestrator_up{B}": "_x46 0x14"}, (asks("Available"), "45m", 1),
                 (f'round({asks("Available")}, 0.1)', "1h", 0.8))

    def test_a_window_is_shown_when_it_is_known(self):
        """Else the first lost minute of a first hour were the budget of months."""
        windows = {"6h": ("6 hours", 6), "1d": ("1 day", 24), "3d": ("3 days", 72), "30d": ("30 days", 720)}
        recorded = {f"orchestrator:unavailable:ratio_{window}{A}": "0.0006x720" for window in windows}
        recorded |= {f"orchestrator_up{A}": "1x720", f"orchestrator:availability_budget_left:ratio_30d{A}": "0.4x720"}
        allowed = {"6h": 6, "1d": 3, "3d": 1, "30d": 1}
        cases = [(asks("Outage in longer windows", legend), "2h", None) for legend, _ in windows.values()]
        cases += [(f'round({asks("Outage in longer windows", legend)}, 0.01)', f"{hours}h", round(0.6 / allowed[window], 2)) for window, (legend, hours) in windows.items()]
        cases += [(asks(title), at, value) for title, known in (("Availability, 30 days", 0.9994), ("Budget left", 0.4))
                  for at, value in (("2h", None), ("28d", None), ("30d", known))]
        self.say("1h", recorded, *cases)


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


if __name__ == "__main__":
    unittest.main()
