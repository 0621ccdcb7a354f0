#!/usr/bin/env python3
"""Makes dashboards/, import/ and provisioning/ from source/*.yml. Needs python3-yaml. With --check it writes nothing and says what differs.

source/common.yml holds what all dashboards share: variables, annotations, targets. One more file each is a dashboard: rows of panels that
flow from left to right. docs/grafana.md says what a panel may say. Thresholds are not typed twice: `limit: {rule: X, at: N}` is refused
unless the alert X compares with N."""
import json
import pathlib
import re
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE / "source"
RULES = [HERE.parent / "alerts/rulefiles" / name for name in ("orchestrator.yml", "prometheus-only.yml", "trend.yml")]
SCHEMA = 39  # Grafana 11 takes it as it is, 12 and 13 migrate it
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
OURS = 'job=~"$job", instance=~"$instance"'
SEVERITY_COLOUR = {"critical": "red", "warning": "orange", "info": "yellow"}
MAPS = {
    "up": {"0": ("down", "red"), "1": ("up", "green")},
    "orchestrator": {"0": ("down", "red"), "1": ("up", "green"), "2": ("not announced", "#808080")},
    "good": {"0": ("no", "red"), "1": ("yes", "green")},
    "reduced": {"0": ("normal", "green"), "1": ("reduced", "orange")},
    "alert": {"firing": ("firing", "red"), "pending": ("pending", "yellow"), "critical": ("critical", "red"), "warning": ("warning", "orange"),
              "info": ("info", "blue")},
    "breaker": {"0": ("closed", "green"), "1": ("half open", "yellow"), "2": ("open", "red")},
}
KEYS = {"title", "kind", "w", "h", "unit", "description", "none", "ask", "histogram", "by", "where", "quantiles", "limit", "steps", "map", "stack",
        "min", "max", "decimals", "needs", "may_be_empty", "each", "see", "columns", "units", "bars", "colours", "interval", "sort", "widths",
        "none_colour"}


class SourceError(Exception):
    """What is wrong in the source, in words."""


# ---- queries

def expand(query):
    """{@} is job and instance, {@workflow} and {@region} that variable as well, [~] is [$__rate_interval]."""
    for name in ("workflow", "region"):
        query = query.replace(f"@{name}", f'{OURS}, {name}=~"${name}"')
    query = query.replace("{@", "{" + OURS)
    return re.sub(r"\s+", " ", query.replace("[~]", "[$__rate_interval]")).strip()


def counted(query):
    """What is counted in a step: Grafana's window is a scrape longer than the step, so that increase over it would count that scrape twice."""
    return re.sub(r"increase\(([^()]*\[~\])\)", r"rate(\1) * $__interval_ms / 1000", query)


def nought(panel):
    """`none: "0"`: there is none, as far as a sidecar says so. Without one a nought would be a lie."""
    return panel["none"] == "0" and panel["kind"] in ("stat", "gauge")


def known(panel, query):
    """A nought comes from a sidecar that answers; more than that counts also when it answers no more. A window that ends now goes on for
    its length after the sidecar's death: what it says of now is not known any more."""
    if nought(panel):
        return f"({query.strip()}) > 0 or 0 * max(oxpecker_build_info{{@}})"
    if panel["kind"] in ("stat", "gauge") and re.search(r"\[\d+\w\]", query) and "last_over_time" not in query:
        return f"{query.strip()} and on () max(oxpecker_build_info{{@}})"
    return query


def histogram_queries(panel):
    """Quantiles of a histogram, or its buckets for a heat map."""
    name, by = panel["histogram"], panel.get("by", [])
    where = "{" + ", ".join(["@", *([panel["where"]] if "where" in panel else [])]) + "}"
    if panel["kind"] == "heatmap":
        return {"{{le}}": f"sum by (le) (increase({name}_bucket{where}[~]))"}
    labels = "".join(f", {label}" for label in by)
    legend = "".join(f"{{{{{label}}}}} " for label in by)
    # Of what did not happen there is no quantile: >= 0 drops the NaN, and so a line and a legend without a number.
    return {f"{legend}p{round(q * 100)}": f"histogram_quantile({q}, sum by (le{labels}) (rate({name}_bucket{where}[~]))) >= 0"
            for q in panel.get("quantiles", [0.5, 0.95])}


def targets(panel):
    kind, made = panel["kind"], []
    asked = panel.get("ask") or histogram_queries(panel)
    for place, (legend, query) in enumerate(asked.items()):
        target = {"datasource": DATASOURCE, "editorMode": "code", "expr": expand(counted(known(panel, query))), "legendFormat": legend, "refId": chr(ord("A") + place)}
        now = kind in ("stat", "gauge", "table", "bargauge")
        target |= {"instant": now, "range": not now}
        target["format"] = {"table": "table", "heatmap": "heatmap"}.get(kind, "time_series")
        target["exemplar"] = not now and ("histogram_quantile" in query or kind == "heatmap")
        made.append(target)
    return made


# ---- thresholds

def alerts():
    """{name: [(severity, expression), ...]} of the rule files."""
    found = {}
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    found.setdefault(rule["alert"], []).append((rule["labels"]["severity"], rule["expr"]))
    return found


def compares_with(expression, number):
    """Whether a rule's expression compares something with that number; 14.4 * 0.001 counts as its product, and as a pace of 14.4."""
    products = re.findall(r"(?:[<>]=?|==)\s*([\d.]+)(?:\s*\*\s*([\d.]+))?", expression)
    return any(number in (float(a), float(a) * float(b or 1)) for a, b in products)


def steps_of(panel, common, rules):
    """[(colour, from), ...], the first from minus infinity."""
    if "steps" in panel:
        return [(colour, value) for value, colour in panel["steps"]]
    limit = panel.get("limit")
    if limit is None:
        return [("green", None)]
    if "target" in limit:
        target = common["targets"][limit["target"]]
        at, below, colour = target["at"], target["bad"] == "below", "red"
    else:
        at, below = limit["at"], limit.get("bad", "above") == "below"
        texts = rules.get(limit["rule"], [])
        if not any(compares_with(text, float(at)) for _, text in texts):
            raise SourceError(f"{panel['title']}: the alert {limit['rule']} does not compare with {at}")
        colour = SEVERITY_COLOUR[texts[0][0]]
    if below:
        return [(colour, None), ("green", at)]
    # A step begins at its value and a rule is strict: where the rule says "above none", the first count is one.
    return [("green", None), (colour, 1 if at == 0 else at)]


# ---- looks

# How high an axis is at least, by unit: where all is nought, Grafana's own would go up to 100, which of a share is 10 000 %.
LEAST_TOP = {"percentunit": 0.01, "short": 1, "cps": 0.01, "s": 0.01, "bytes": 1024, "Bps": 1}


def custom(panel):
    stack = panel.get("stack", "none")
    bars = panel.get("bars", False)
    look = {"drawStyle": "bars" if bars else "line", "lineInterpolation": "linear", "lineWidth": 0 if bars else 1,
            "fillOpacity": 70 if bars else 25 if stack != "none" else 8, "showPoints": "never", "spanNulls": False, "pointSize": 4,
            "stacking": {"mode": stack, "group": "A"}, "axisSoftMin": 0, "scaleDistribution": {"type": "linear"},
            "thresholdsStyle": {"mode": "dashed" if "limit" in panel else "off"}}
    return look


def legend(shown=True):
    return {"showLegend": shown, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"], "sortBy": "Max", "sortDesc": True}


REDUCE = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def look_of(panel):
    """(options, custom field settings) of a kind."""
    kind = panel["kind"]
    if kind == "timeseries":
        return {"legend": legend(), "tooltip": {"mode": "multi", "sort": "desc"}}, custom(panel)
    if kind == "stat":
        colour = "background" if {"limit", "steps", "map"} & panel.keys() else "none"
        return {"colorMode": colour, "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
                "wideLayout": True, "reduceOptions": REDUCE}, None
    if kind == "gauge":
        return {"orientation": "auto", "showThresholdLabels": False, "showThresholdMarkers": True, "minVizWidth": 75, "minVizHeight": 75,
                "sizing": "auto", "reduceOptions": REDUCE}, None
    if kind == "bargauge":
        return {"displayMode": "basic", "orientation": "horizontal", "valueMode": "color", "showUnfilled": True, "minVizHeight": 16,
                "minVizWidth": 8, "maxVizHeight": 28, "sizing": "auto", "namePlacement": "auto", "reduceOptions": REDUCE}, None
    if kind == "table":
        return {"cellHeight": "sm", "showHeader": True, "sortBy": [{"displayName": title, "desc": False} for title in panel.get("sort", [])]}, \
            {"align": "auto", "cellOptions": {"type": "color-text" if "map" in panel else "auto"}, "inspect": False}
    if kind == "state-timeline":
        return {"mergeValues": True, "showValue": "never", "alignValue": "left", "rowHeight": 0.8,
                "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}, "tooltip": {"mode": "single", "sort": "none"}}, \
            {"fillOpacity": 75, "lineWidth": 0}
    if kind == "heatmap":
        return {"calculate": False, "cellGap": 1, "cellValues": {"unit": "short"}, "exemplars": {"color": "rgba(255,0,255,0.7)"},
                "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange", "reverse": False,
                          "scale": "exponential"},
                "filterValues": {"le": 1e-9}, "legend": {"show": True}, "rowsFrame": {"layout": "auto"}, "showValue": "never",
                "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": False},
                "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel["unit"]}}, \
            {"hideFrom": {"legend": False, "tooltip": False, "viz": False}, "scaleDistribution": {"type": "linear"}}
    raise SourceError(f"{panel['title']}: unknown kind {kind}")


def overrides(panel):
    # In a table `none` is for when there are no rows, not for a label that a row has not.
    made = [{"matcher": {"id": "byRegexp", "options": ".*"}, "properties": [{"id": "noValue", "value": "–"}]}] if panel["kind"] == "table" else []
    for name, unit in panel.get("units", {}).items():
        made.append({"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": unit}]})
    for name, width in panel.get("widths", {}).items():
        made.append({"matcher": {"id": "byName", "options": name}, "properties": [{"id": "custom.width", "value": width}]})
    for name, colour in panel.get("colours", {}).items():
        look = [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}]
        if name == "limit":  # as thresholds look
            look += [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}}, {"id": "custom.fillOpacity", "value": 0}]
        made.append({"matcher": {"id": "byName", "options": name}, "properties": look})
    return made


def transformations(panel):
    """A table shows the columns that are named, in that order; several queries become one table by their common labels."""
    if panel["kind"] != "table":
        return []
    columns = panel["columns"]
    made = [{"id": "merge", "options": {}}] if len(panel["ask"]) > 1 else []
    made.append({"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}})
    made.append({"id": "organize", "options": {"excludeByName": {}, "indexByName": {name: place for place, name in enumerate(columns)},
                                               "renameByName": columns}})
    return made


NOTHING = "#808080"


def no_value(panel):
    return "unknown" if nought(panel) else panel["none"]


def mappings_of(panel):
    """Words for values. Where one number is shown and there is none, it is neither good nor bad: without a colour of its own it would have
    that of the lowest threshold, and "no incident known" would be red."""
    made = []
    if "map" in panel:
        made.append({"type": "value", "options": {value: {"text": text, "color": colour, "index": place}
                                                  for place, (value, (text, colour)) in enumerate(MAPS[panel["map"]].items())}})
    if panel["kind"] in ("stat", "gauge"):
        made.append({"type": "special", "options": {"match": "null+nan", "result": {
            "text": no_value(panel), "color": panel.get("none_colour", NOTHING), "index": 9}}})
    return made


def field_config(panel, common, rules):
    _, own = look_of(panel)
    steps = steps_of(panel, common, rules)
    defaults = {"unit": panel["unit"], "noValue": no_value(panel),
                "thresholds": {"mode": "absolute", "steps": [{"color": colour, "value": value} for colour, value in steps]},
                "color": {"mode": "palette-classic" if panel["kind"] in ("timeseries", "heatmap") else "thresholds"}}
    if panel["kind"] == "bargauge":
        defaults["color"] = {"mode": "continuous-BlPu"}
    for key in ("min", "max", "decimals"):
        if key in panel:
            defaults[key] = panel[key]
    mappings = mappings_of(panel)
    if mappings:
        defaults["mappings"] = mappings
    if own:
        defaults["custom"] = own
    if panel["kind"] == "timeseries":  # the threshold is in the picture
        own["axisSoftMax"] = max(LEAST_TOP[panel["unit"]], *(value for _, value in steps[1:]), 0)
    return {"defaults": defaults, "overrides": overrides(panel)}


NEEDS = "Needs a Prometheus with a memory of days: the sidecar's own reaches back an hour."


def panel_of(panel, common, rules):
    missing = {"title", "unit", "description", "none"} - panel.keys()
    unknown = panel.keys() - KEYS
    if missing or unknown or ("ask" in panel) == ("histogram" in panel):
        raise SourceError(f"{panel.get('title')}: missing {sorted(missing)}, unknown {sorted(unknown)}, or not one of ask and histogram")
    said = " ".join(panel["description"].split())
    if panel.get("needs") == "prometheus":
        said += " " + NEEDS
    made = {"type": panel["kind"], "title": panel["title"], "description": said, "datasource": DATASOURCE, "targets": targets(panel),
            "fieldConfig": field_config(panel, common, rules), "options": look_of(panel)[0], "transformations": transformations(panel)}
    # Bars and cells stand for what happened in a step: shorter ones than the window that is looked at would count things several times.
    least = panel.get("interval", "1m" if panel.get("bars") or panel["kind"] == "heatmap" else None)
    if least:
        made["interval"] = least
    if "see" in panel:
        made["links"] = [link_to(panel["see"], [name for name in common["here"] if name in common["uses"][panel["see"]]])]
    return made


def link_to(uid, variables):
    """At the same time, with what is chosen here and can be chosen there."""
    kept = "&".join(["${__url_time_range}", *(f"${{{name}:queryparam}}" for name in variables)])
    return {"title": f"More: {uid.removeprefix('oxpecker-')}", "url": f"/d/{uid}?{kept}", "targetBlank": False}


# ---- a dashboard

SIZES = {"stat": (3, 4), "gauge": (6, 6), "timeseries": (8, 8), "table": (12, 8), "bargauge": (8, 8), "state-timeline": (12, 8), "heatmap": (8, 8)}


def repeated(panel):
    """`each: [a, b]` makes a panel of each, with %each% replaced."""
    for one in panel.get("each", [None]):
        text = json.dumps({k: v for k, v in panel.items() if k != "each"})
        yield json.loads(text if one is None else text.replace("%each%", one))


def flow(rows, common, rules):
    """Panels from left to right and top to bottom; a line is as high as the highest panel of it."""
    made, y = [], 0

    def put(panel, place):
        made.append({"id": len(made) + 1, "gridPos": place, **panel})

    for row in rows:
        put({"type": "row", "title": row["title"], "collapsed": False, "panels": []}, {"h": 1, "w": 24, "x": 0, "y": y})
        x, y, high = 0, y + 1, 0
        for source in row["panels"]:
            for panel in repeated({"kind": "timeseries", **source}):
                w, h = SIZES.get(panel["kind"], (8, 8))
                w, h = panel.get("w", w), panel.get("h", h)
                if x + w > 24:
                    x, y, high = 0, y + high, 0
                put(panel_of(panel, common, rules), {"h": h, "w": w, "x": x, "y": y})
                x, high = x + w, max(high, h)
        y += high
    return made


def variable(name, spec):
    made = {"name": name, "label": spec["label"], "description": spec["description"], "hide": 0, "skipUrlSync": False}
    if spec["type"] == "datasource":
        return made | {"type": "datasource", "query": "prometheus", "regex": "", "refresh": 1, "multi": False, "includeAll": False,
                       "current": {}, "options": []}
    if spec["type"] == "textbox":
        value = str(spec["value"])
        choice = {"text": value, "value": value, "selected": True}
        return made | {"type": "textbox", "query": value, "current": choice, "options": [choice]}
    return made | {"type": "query", "datasource": DATASOURCE, "query": spec["query"], "definition": spec["query"], "refresh": 2, "sort": 1,
                   "multi": True, "includeAll": True, "allValue": ".+", "regex": "", "options": [],
                   "current": {"text": ["All"], "value": ["$__all"], "selected": True}}


def annotation(spec):
    """`target` is what Grafana asks; expr and step are the older form, which other readers of dashboards know."""
    query = expand(spec["ask"])
    return {"name": spec["name"], "datasource": DATASOURCE, "enable": spec.get("enable", True), "hide": False, "iconColor": spec["colour"],
            "expr": query, "step": "15s", "tagKeys": ",".join(spec["tags"]), "titleFormat": spec["title"], "textFormat": spec.get("text", ""),
            "useValueForTime": False,
            "target": {"refId": "Anno", "expr": query, "interval": "15s", "legendFormat": spec["title"], "instant": False, "range": True}}


BUILT_IN = {"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True, "hide": True,
            "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard"}


def variables_of(source, common):
    return [*common["always"], *source.get("variables", [])]


def dashboard(source, common, rules):
    used = variables_of(source, common)
    common = common | {"here": used}
    return {
        "uid": source["uid"], "title": source["title"], "description": " ".join(source["description"].split()), "tags": ["oxpecker"],
        "id": None, "version": 1, "schemaVersion": SCHEMA, "editable": False, "graphTooltip": 1, "timezone": "browser", "weekStart": "",
        "fiscalYearStartMonth": 0, "liveNow": False, "refresh": source["refresh"], "time": {"from": source["from"], "to": "now"},
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m", "15m"]},
        "links": [{"type": "dashboards", "title": "Oxpecker", "tags": ["oxpecker"], "asDropdown": True, "includeVars": True, "keepTime": True,
                   "targetBlank": False, "icon": "external link", "tooltip": "The other dashboards, at the same time", "url": ""}],
        "annotations": {"list": [BUILT_IN, *(annotation(spec) for spec in common["annotations"])]},
        "templating": {"list": [variable(name, common["variables"][name]) for name in used]},
        "panels": flow(source["rows"], common, rules),
    }


def importable(made):
    """The copy for Grafana's import dialog, which asks for the data source. Provisioning does not resolve __inputs."""
    copy = json.loads(json.dumps(made))
    chosen = "${DS_PROMETHEUS}"
    copy["templating"]["list"][0]["current"] = {"text": chosen, "value": chosen, "selected": True}
    kinds = sorted({panel["type"] for panel in copy["panels"]} - {"row"})
    return {"__inputs": [{"name": "DS_PROMETHEUS", "label": "Prometheus", "description": "A Prometheus that scrapes the sidecars, or a sidecar",
                          "type": "datasource", "pluginId": "prometheus", "pluginName": "Prometheus"}],
            "__elements": {},
            "__requires": [{"type": "grafana", "id": "grafana", "name": "Grafana", "version": "11.0.0"},
                           {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
                           *({"type": "panel", "id": kind, "name": kind, "version": ""} for kind in kinds)], **copy}


# ---- files

def sources():
    common = yaml.safe_load((SOURCE / "common.yml").read_text())
    found = [yaml.safe_load(path.read_text()) for path in sorted(SOURCE.glob("*.yml")) if path.stem != "common"]
    for source in found:
        for row in source["rows"]:  # what several dashboards have, each in its own size
            row["panels"] = [common["panels"][panel["same"]] | {key: panel[key] for key in ("w", "h") if key in panel} if "same" in panel else panel
                             for panel in row["panels"]]
    common["uses"] = {source["uid"]: variables_of(source, common) for source in found}
    return common, sorted(found, key=lambda source: common["folders"].index(source["folder"]))


def providers(common, found):
    """One provider for each folder: folders are what rights are given on. Grafana keeps folders and dashboards in one table: no uid is both."""
    titles = {source["folder"]: source["folder_title"] for source in found}
    return {"apiVersion": 1, "providers": [
        {"name": f"oxpecker-{folder}", "orgId": 1, "folder": f"Oxpecker: {titles[folder]}", "folderUid": f"oxpecker-folder-{folder}", "type": "file",
         "disableDeletion": True, "allowUiUpdates": False, "updateIntervalSeconds": 30,
         "options": {"path": f"/var/lib/grafana/dashboards/oxpecker/{folder}", "foldersFromFilesStructure": False}} for folder in common["folders"]]}


HEAD = "# Made by grafana/build.py; do not edit.\n"


def files():
    """{path: content} of everything that is made."""
    common, found = sources()
    rules, made = alerts(), {}
    for source in found:
        one = dashboard(source, common, rules)
        made[f"dashboards/{source['folder']}/{source['uid']}.json"] = json.dumps(one, indent=1, ensure_ascii=False) + "\n"
        made[f"import/{source['uid']}.json"] = json.dumps(importable(one), indent=1, ensure_ascii=False) + "\n"
    made["provisioning/dashboards/oxpecker.yml"] = (
        HEAD + "# The tree's grafana/dashboards is to be seen by Grafana as /var/lib/grafana/dashboards/oxpecker.\n"
        + yaml.safe_dump(providers(common, found), sort_keys=False, width=120))
    return made


def main():
    try:
        made = files()
    except SourceError as error:
        sys.exit(f"grafana: {error}")
    here = {str(path.relative_to(HERE)) for folder in ("dashboards", "import") for path in (HERE / folder).rglob("*.json")}
    if "--check" in sys.argv[1:]:
        bad = [name for name, text in made.items() if not (HERE / name).is_file() or (HERE / name).read_text() != text]
        bad += sorted(here - made.keys())
        if bad:
            sys.exit(f"grafana: not what the source makes: {', '.join(bad)}; run grafana/build.py")
        return
    for name in here - made.keys():
        (HERE / name).unlink()
    for name, text in made.items():
        (HERE / name).parent.mkdir(parents=True, exist_ok=True)
        (HERE / name).write_text(text)


if __name__ == "__main__":
    main()
