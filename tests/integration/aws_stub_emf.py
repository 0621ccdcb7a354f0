"""The embedded metric format, read as strictly as its specification has it: one JSON object a line, from which CloudWatch Logs makes metrics."""
import json
import math

from aws_stub import UNITS, check_number, check_text

LINE_MAX, METRICS_MAX, VALUES_MAX, DIMENSIONS_MAX = 1 << 20, 100, 100, 30


class NotEmf(Exception):
    """CloudWatch Logs would keep the line as a log line and make no metric of it."""


def need(condition, what):
    if not condition:
        raise NotEmf(what)


def emf_data(line):
    """What one line says: [(namespace, datum as of PutMetricData, unix seconds)]."""
    need(len(line.encode()) <= LINE_MAX, "longer than 1 MiB")
    root = json.loads(line)
    need(isinstance(root, dict) and set(root.get("_aws", ())) >= {"Timestamp", "CloudWatchMetrics"}, "no _aws")
    stamp = root["_aws"]["Timestamp"]
    need(isinstance(stamp, int) and not isinstance(stamp, bool), f"Timestamp {stamp!r}")
    found = []
    for directive in root["_aws"]["CloudWatchMetrics"]:
        need(set(directive) == {"Namespace", "Dimensions", "Metrics"}, sorted(directive))
        check_text(directive["Namespace"], 255, "Namespace")
        need(1 <= len(directive["Metrics"]) <= METRICS_MAX, f"{len(directive['Metrics'])} metrics")
        for names in directive["Dimensions"]:
            need(len(names) <= DIMENSIONS_MAX and len(set(names)) == len(names), f"dimensions {names}")
            for name in names:
                check_text(name, 255, "dimension")
                check_text(root[name], 1024, name, may_begin_with_colon=True)
        for metric in directive["Metrics"]:
            found += [(directive["Namespace"], {**datum_of(root, metric), "Dimensions": [{"Name": n, "Value": root[n]} for n in names]}, stamp / 1000)
                      for names in directive["Dimensions"]]
    return found


def datum_of(root, metric):
    need({"Name"} <= set(metric) <= {"Name", "Unit", "StorageResolution"}, sorted(metric))
    check_text(metric["Name"], 255, "metric")
    need(metric.get("Unit", "None") in UNITS and metric.get("StorageResolution", 60) in (1, 60), metric)
    values = root[metric["Name"]]
    values = values if isinstance(values, list) else [values]
    need(1 <= len(values) <= VALUES_MAX, f"{len(values)} values of {metric['Name']}")
    for value in values:
        check_number(value, metric["Name"])
        need(math.isfinite(value), value)
    counts = {v: values.count(v) for v in values}
    return {"MetricName": metric["Name"], "Values": list(counts), "Counts": list(counts.values()), "Unit": metric.get("Unit", "None"),
            "StorageResolution": metric.get("StorageResolution", 60)}
