"""The dashboards of grafana/ are what their source makes: thresholds, targets, links, provisioning and the copies to import.
test_grafana_rules holds them to rules, test_grafana_run runs their queries."""
import json
import pathlib
import re
import unittest

import yaml

from dashboards import DASHBOARDS, GRAFANA, RULE_FILES, build, panels
from harness import run

# The success targets as they were asked for.
TARGETS = {"recovery_success": (0.95, "below"), "recovery_mean": (30, "above"), "retry_success": (0.8, "below"),
           "manual_intervention": (0.05, "above"), "checkpoint_overhead": (0.1, "above"), "error_detection": (5, "above"),
           "recovery_time": (120, "above"), "availability": (0.999, "below")}


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

    def test_every_dashboard_that_is_named_exists_and_links_keep_what_is_chosen(self):
        named = set()
        for path in RULE_FILES:
            named |= set(re.findall(r"dashboard: /d/(\S+)", path.read_text()))
        self.assertEqual(named - DASHBOARDS.keys(), set())
        uses = {uid: {one["name"] for one in dashboard["templating"]["list"]} for uid, dashboard in DASHBOARDS.items()}
        for uid, panel in ((uid, panel) for uid, dashboard in DASHBOARDS.items() for panel in panels(dashboard)):
            for link in panel.get("links", []):
                to, kept = re.fullmatch(r"/d/([\w-]+)\?\${__url_time_range}&(.+)", link["url"]).groups()
                self.assertEqual({name.removeprefix("${").removesuffix(":queryparam}") for name in kept.split("&")}, uses[uid] & uses[to], panel["title"])

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
        # Grafana keeps folders and dashboards in one table, with one key.
        self.assertEqual({one["folderUid"] for one in providers} & DASHBOARDS.keys(), set())
        self.assertEqual(len({one["folderUid"] for one in providers}), len(providers))
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


if __name__ == "__main__":
    unittest.main()
