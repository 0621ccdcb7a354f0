"""The dashboards of grafana/ and their copies to import, held to Grafana's own packages of its last three majors: every option by the types of
@grafana/schema, and units, reducers, matchers, transformations, thresholds and words run by @grafana/data on answers as @grafana/prometheus
reads them. The folder grafana has the checks, this the packages, the answers, and what must be refused."""
import concurrent.futures
import copy
import itertools
import json
import os
import pathlib
import re
import shutil
import tarfile
import tempfile
import unittest

import yaml

from dashboards import CATALOGUE, DASHBOARDS, GRAFANA, Query, panels
from harness import ROOT, run

CHECKS = ROOT / "tests/integration/grafana"
PACKAGES = ROOT / "build/grafana-types"
# The last of each major that is published: not every package is at every version.
MAJORS = {"11": {"data": "11.6.16", "schema": "11.6.16", "prometheus": "11.6.0"},
          "12": {"data": "12.4.10", "schema": "12.4.11", "prometheus": "12.4.0"},
          "13": {"data": "13.2.3", "schema": "13.2.3", "prometheus": "13.2.3"}}
# What they need to be loaded without a browser (grafana/packages.cjs), one version for all.
BESIDE = ["typescript@5.9.3", "rxjs@7.8.2", "lodash@4.18.1", "moment@2.30.1", "moment-timezone@0.5.47", "tinycolor2@1.6.0", "d3-color@3.1.1",
          "d3-interpolate@3.0.1", "d3-scale-chromatic@3.1.0", "eventemitter3@5.0.1", "string-hash@1.1.3", "fast_array_intersect@1.1.0",
          "@leeoniya/ufuzzy@1.0.19", "zod@4.3.6", "xss@1.0.15", "cssfilter@0.0.10"]
WANTED = [f"@grafana/{name}@{version}" for versions in MAJORS.values() for name, version in versions.items()] + BESIDE
# Of these, most files are other forms of the same: only what node and the compiler read is unpacked.
NEEDED = re.compile(r"(\.d\.c?ts|\.c?js|\.json)$")
NOT_NEEDED = re.compile(r"/(esm5?|_esm5|esm2015|src|bundles?|umd|fp|locale|benches|docs)/|lib/(tsserver|_tsc|typingsInstaller)|lib/[a-z-]+/diagnosticMessages")


def unpack(archive, name, version):
    at = PACKAGES / (version.split(".")[0] if name.startswith("@grafana/") else "") / "node_modules" / name
    with tarfile.open(archive) as files:
        for one in files.getmembers():
            inside = one.name.partition("/")[2]
            types_of_panels = name == "@grafana/schema" and inside.endswith(".d.ts")
            if one.isfile() and NEEDED.search(inside) and (types_of_panels or not NOT_NEEDED.search("/" + inside)):
                (at / inside).parent.mkdir(parents=True, exist_ok=True)
                (at / inside).write_bytes(files.extractfile(one).read())


def install():
    """None when the packages are there, else why not. Fetched once by npm, which checks them; none of their scripts is run."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    done = PACKAGES / "packages.json"
    if done.is_file() and json.loads(done.read_text()) == WANTED:
        return None
    shutil.rmtree(PACKAGES, ignore_errors=True)
    with tempfile.TemporaryDirectory() as directory:
        status, stdout, stderr = run("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", directory, *WANTED, timeout=120)
        if status:
            return f"npm pack of Grafana's packages failed: {stderr.strip()[-500:]}"
        for one in json.loads(stdout):
            file = one["filename"].replace("@", "").replace("/", "-")  # which older ones of npm do only on disk
            unpack(pathlib.Path(directory) / file, one["name"], one["version"])
    done.write_text(json.dumps(WANTED))
    return None


# ---- answers

def labels_of(expression):
    """{label: values} of the series that a query gives, by the catalogue."""
    query, known = Query(expression), {}
    for name, *_ in query.selectors:
        known |= {label: sorted(values or ("one", "two")) for label, values in CATALOGUE[name].items()}
    if re.search(r"\b(sum|max|min|avg|count|histogram_quantile)\b ?(by)? ?\(", expression):
        kept = set(query.grouped) - ({"le"} if "histogram_quantile" in expression else set())
        return {label: values for label, values in known.items() if label in kept}
    return {"__name__": [query.selectors[0][0]]} | known


def answer(target):
    """[(labels, legend)]: a series for each value of what the legend tells, one value of other labels."""
    labels = labels_of(target["expr"])
    told = re.findall(r"{{(\w+)}}", target["legendFormat"])
    rows = itertools.product(*(values if label in told else values[:1] for label, values in labels.items()))
    series = [dict(zip(labels, row)) for row in itertools.islice(rows, 100)]
    return [(one, re.sub(r"{{(\w+)}}", lambda match, one=one: one.get(match[1], ""), target["legendFormat"])) for one in series]


def with_answers(dashboard):
    return {"dashboard": dashboard, "answers": [[answer(target) for target in panel.get("targets", [])] for panel in dashboard["panels"]]}


# ---- what must be refused

SETTINGS, RULE, STEPS = "fieldConfig.defaults", "fieldConfig.overrides.-1", "fieldConfig.defaults.thresholds.steps"
# (kind of panel, where, what is put there, what is said of it); without a kind it is put in the dashboard. Of TYPES and VALUES each.
TYPES = [
    ("timeseries", "options.legend.calc", ["max"], "options.legend.calc: Object literal may only specify known properties"),
    ("timeseries", "options.legend.displayMode", "tabel", "\"tabel\"' is not assignable"),
    ("timeseries", "options.legend.showLegend", "yes", "options.legend.showLegend: "),
    ("stat", "options.calcs", ["last"], "options.calcs: Object literal"),
    ("heatmap", "options.color.sheme", "Oranges", "options.color.sheme: Object literal"),
    ("bargauge", "options.displayMode", "bassic", "options.displayMode: "),
    ("gauge", "options.showMarkers", True, "options.showMarkers: "),
    ("state-timeline", "options.mergeValue", True, "options.mergeValue: "),
    ("table", "options.cellHeigth", "sm", "options.cellHeigth: "),
    ("stat", f"{SETTINGS}.custom", {"lineWidth": 1}, "custom.lineWidth: Type 'number' is not assignable to type 'never'"),
    ("timeseries", f"{SETTINGS}.custom.lineWith", 1, "custom.lineWith: Object literal"),
    ("table", f"{SETTINGS}.custom.cellOptions.type", "colour-text", "cellOptions"),
    ("stat", f"{SETTINGS}.thresholds.mode", "absolut", "thresholds.mode: "),
    ("stat", f"{SETTINGS}.units", "s", "fieldConfig.defaults.units: Object literal"),
    ("stat", f"{SETTINGS}.mappings.-1.options.match", "nul", "options.match: "),
    ("table", f"{RULE}.properties.0.id", "custom.with", "overrides"),
    ("table", f"{RULE}.properties.0.value", "90", "overrides"),
    ("table", f"{RULE}.matcher.id", "byname", "overrides.matcher.id: "),
    ("table", "transformations.-1.id", "organise", "transformations.id: "),
    ("table", "transformations.-1.options.renamedByName", {}, "transformations.options"),
    ("table", "transformations.0.options.x", 1, "transformations.options.x: "),
    ("timeseries", "targets.0.legend", "x", "targets.legend: Object literal"),
    ("timeseries", "targets.0.format", "timeseries", "targets.format: "),
    ("timeseries", "descriptions", "x", "descriptions: Object literal"),
    ("timeseries", "links", [{"title": "x", "uri": "/d/x"}], "links.uri: "),
    ("timeseries", "type", "graph-old", "Property 'graph-old' does not exist"),
    (None, "graphTooltips", 1, "graphTooltips: Object literal"),
    (None, "graphTooltip", 7, "graphTooltip: "),
    (None, "templating.list.1.sort", 77, "templating.list.sort: "),
    (None, "templating.list.1.current", {}, "templating.list: "),
    (None, "annotations.list.1.exp", "up", "annotations.list.exp: "),
    (None, "annotations.list.1.target.exp", "up", "annotations.list.target.exp: "),
    (None, "links.0.keepsTime", True, "links.keepsTime: "),
]
VALUES = [
    ("timeseries", f"{SETTINGS}.unit", "second", "no such unit: second"),
    ("heatmap", "options.yAxis.unit", "secs", "options.yAxis.unit: no such unit"),
    ("table", f"{RULE}.properties.0", {"id": "unit", "value": "percentage"}, "no such unit: percentage"),
    ("stat", "options.reduceOptions.calcs", ["lastNotNul"], "no such reducer: lastNotNul"),
    ("timeseries", "options.legend.calcs", ["maximum"], "no such reducer: maximum"),
    ("timeseries", "options.legend.sortBy", "Mean", "no column of the legend: Mean"),
    ("table", f"{RULE}.matcher.id", "byname", "no such matcher: byname"),
    ("table", f"{RULE}.matcher.options", "Severty", "byName Severty is none of the fields"),
    ("table", "transformations.-1.id", "organise", "no such transformation: organise"),
    ("table", "transformations.-1.options.renameByName.alertnam", "Alert", "organize: no such field: alertnam"),
    ("table", "transformations.-2.options.include.names.0", "alertnam", "filterFieldsByName: no such field: alertnam"),
    ("table", "transformations.-1.options.renameByName.severity", "", "the columns are"),
    ("table", "options.sortBy.0.displayName", "state", "options.sortBy: no such column: state"),
    ("table", "targets.1.format", "time_series", "no such field: Value #B"),
    ("heatmap", "targets.0.format", "time_series", "not one frame with a field for each bucket"),
    ("gauge", f"{STEPS}.0.value", 0, "the first step begins at 0, not at null"),
    ("gauge", f"{STEPS}.1.value", None, "thresholds: not ascending"),
    ("gauge", f"{STEPS}.0.color", "gren", "no such colour: gren"),
    ("stat", f"{SETTINGS}.color.mode", "threshold", "no such colour mode: threshold"),
    ("table", f"{SETTINGS}.mappings.0.options.pending.index", 9, "not in the order of their index"),
    ("gauge", f"{SETTINGS}.mappings.-1.options.match", "nan", "mappings: null is shown as"),
    ("stat", f"{SETTINGS}.mappings.-1.options.result.text", "", "nothing is shown for a value"),
]


def changed(dashboard, kind, where, value):
    """A copy with one thing put in, and of its panels the one that it is put in."""
    made = copy.deepcopy({**dashboard, "panels": [next(panel for panel in dashboard["panels"] if panel["type"] == kind)] if kind else []})
    place = made["panels"][0] if kind else made
    *way, last = (int(word) if re.fullmatch(r"-?\d+", word) else word for word in where.split("."))
    for word in way:
        place = place[word]
    place[last] = value
    return made


class Grafana(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.missing = install()

    def setUp(self):
        if self.missing and os.environ.get("CI"):
            self.fail(self.missing)
        if self.missing:
            self.skipTest(self.missing)

    def holds(self, script, fed, cases):
        """Feeds the dashboards and, as `wrong N`, what is wrong in one place; those have their fault, the others none."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda major: run("node", CHECKS / script, PACKAGES / major, stdin=json.dumps(fed)), MAJORS))
        for (major, versions), (status, stdout, stderr) in zip(MAJORS.items(), done):
            with self.subTest(f"Grafana {major}"):
                self.assertEqual((status, stderr), (0, ""))
                said = json.loads(stdout)
                self.assertEqual([fault for fault in said["faults"] if not fault.startswith("wrong ")], [])
                for number, (kind, where, value, words) in enumerate(cases):
                    found = [fault for fault in said["faults"] if fault.startswith(f"wrong {number}: ")]
                    self.assertTrue(any(words in fault for fault in found), f"{kind} {where} = {value!r}: {found}")
                print(f"grafana {major} ({', '.join(f'{name} {version}' for name, version in versions.items())}): "
                      + ", ".join(f"{count} {what}" for what, count in said["counts"].items()) + f"; {len(cases)} faults put in were found")

    def wrong(self, cases):
        example = DASHBOARDS["oxpecker-operations"], DASHBOARDS["oxpecker-developer"], *DASHBOARDS.values()
        for number, (kind, where, value, _) in enumerate(cases):
            dashboard = next(one for one in example if kind in (None, *(panel["type"] for panel in one["panels"])))
            yield f"wrong {number}", changed(dashboard, kind, where, value)

    def test_every_option_is_of_grafanas_types(self):
        files = sorted(path for folder in ("dashboards", "import") for path in (GRAFANA / folder).rglob("*.json"))
        made = {str(path.relative_to(GRAFANA)): json.loads(path.read_text()) for path in files}
        sources = yaml.safe_load((GRAFANA / "provisioning/datasources/oxpecker.yml").read_text())["datasources"]
        settings = {one["name"]: one["jsonData"] for one in sources} | {f"wrong {len(TYPES)}": {"timeIntervall": "15s"}}
        self.assertEqual(len(files), 2 * len(DASHBOARDS))
        self.holds("types.cjs", {"dashboards": made | dict(self.wrong(TYPES)), "sources": settings},
                   [*TYPES, ("a data source's", "timeIntervall", "15s", "timeIntervall: Object literal")])

    def test_every_name_is_known_and_does_what_it_should(self):
        made = DASHBOARDS | dict(self.wrong(VALUES))
        self.holds("values.cjs", {name: with_answers(one) for name, one in made.items()}, VALUES)

    def test_answers_have_what_is_asked_for(self):
        """Else the frames that are checked would have no series."""
        for uid, dashboard in DASHBOARDS.items():
            for panel in panels(dashboard):
                for target in panel["targets"]:
                    self.assertTrue(answer(target), f"{uid}: {panel['title']}")


if __name__ == "__main__":
    unittest.main()
