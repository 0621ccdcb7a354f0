"""The same samples and the same expressions in Debian's Prometheus and in the sidecar's engine."""
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import promql_cases
from harness import OXPECKER, Prometheus, run

ENGINE = OXPECKER.parent / "tests/unit/alerts/promql/promql_engine"
# Three seconds past the minute: windows over subqueries, whose steps are whole minutes, do not begin or end on a step either.
INSTANTS = [promql_cases.BASE + seconds for seconds in (4503, 5403, 6603)]
RANGE = (promql_cases.BASE + 4503, promql_cases.BASE + 6303, 60)

# What Prometheus 2.42 does differently for a reason, each with it.
KNOWN = {}


class Engine:
    """tests/integration/promql_engine.c: the short memory and PromQL without a daemon."""

    def __init__(self, path):
        self.process = subprocess.Popen([ENGINE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, expression, start, end=0, step=0):
        self.process.stdin.write(f"{start} {end} {step} {expression}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def near(a, b):
    """Whether two values as the API writes them agree to 1e-9."""
    a, b = float(a), float(b)
    return a == b or (a != a and b != b) or (math.isfinite(a) and math.isfinite(b) and abs(a - b) <= 1e-9 * max(abs(a), abs(b)))


def by_labels(result):
    return {json.dumps(series["metric"], sort_keys=True): series.get("values") or [series["value"]] for series in result}


def difference(theirs, ours, ordered):
    """None when two answers agree, else where they do not."""
    if theirs["status"] != ours["status"]:
        return f"{theirs.get('error', 'success')} / {ours.get('error', 'success')}"
    if theirs["status"] == "error":
        same = theirs["errorType"] == ours["errorType"]
        return None if same else f"{theirs['errorType']}: {theirs['error']} / {ours['errorType']}: {ours['error']}"
    theirs, ours = theirs["data"], ours["data"]
    if theirs["resultType"] != ours["resultType"]:
        return f"{theirs['resultType']} / {ours['resultType']}"
    if theirs["resultType"] in ("scalar", "string"):
        same = theirs["result"] == ours["result"] if theirs["resultType"] == "string" else near(theirs["result"][1], ours["result"][1])
        return None if same else f"{theirs['result']} / {ours['result']}"
    if ordered and [s["metric"] for s in theirs["result"]] != [s["metric"] for s in ours["result"]]:
        return "another order"
    theirs, ours = by_labels(theirs["result"]), by_labels(ours["result"])
    if theirs.keys() != ours.keys():
        return f"only theirs: {sorted(theirs.keys() - ours.keys())[:3]}, only ours: {sorted(ours.keys() - theirs.keys())[:3]}"
    for labels, points in theirs.items():
        others = ours[labels]
        if [t for t, _ in points] != [t for t, _ in others]:
            return f"{labels}: {len(points)} and {len(others)} points"
        for (when, a), (_, b) in zip(points, others):
            if not near(a, b):
                return f"{labels} at {when}: {a} / {b}"
    return None


@unittest.skipUnless(shutil.which("prometheus") and shutil.which("promtool"), "Prometheus is not installed")
@unittest.skipUnless(os.access(ENGINE, os.X_OK), f"{ENGINE} was not built")
class AgainstPrometheus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="oxpecker-promql-"))
        samples = cls.directory / "samples.om"
        samples.write_text(promql_cases.samples())
        cls.engine = Engine(samples)
        cls.prometheus = Prometheus([])
        status, _, stderr = run("promtool", "tsdb", "create-blocks-from", "openmetrics", str(samples), str(cls.prometheus.directory / "data"))
        if status != 0:
            raise AssertionError(stderr)
        cls.prometheus.__enter__()
        cls.prometheus.wait_ready()

    @classmethod
    def tearDownClass(cls):
        cls.prometheus.__exit__()
        cls.engine.close()
        shutil.rmtree(cls.directory)

    def compare(self, expression):
        """The first difference over all times, or None."""
        ordered = expression.startswith(("sort", "topk(3", "topk(2"))
        for when in INSTANTS:
            theirs = self.prometheus.api("query", query=expression, time=when)
            found = difference(theirs, self.engine.ask(expression, when), ordered)
            if found:
                return f"at {when}: {found}"
        start, end, step = RANGE
        theirs = self.prometheus.api("query_range", query=expression, start=start, end=end, step=step)
        found = difference(theirs, self.engine.ask(expression, start, end, step), False)
        return found and f"over a range: {found}"

    def test_no_ties_in_chance_order(self):
        """Over a range Prometheus hands the groups of an aggregation on in any order (they are in a Go map), and topk takes the first of equals:
        with a tie at the cut it gives now one answer and now another. So the samples have none there, at any step that is compared."""
        start, end, step = RANGE
        cut = [re.fullmatch(r"(topk|bottomk)\((\d+), (\w+ (?:by|without) .+)\)", one) for one in promql_cases.expressions()]
        self.assertTrue(any(cut))
        for which, count, groups in (found.groups() for found in cut if found):
            with self.subTest(groups):
                at = {}
                for series in self.engine.ask(groups, start, end, step)["data"]["result"]:
                    for when, value in series["values"]:
                        at.setdefault(when, []).append(float(value))
                for when, values in at.items():
                    values.sort(reverse=which == "topk")
                    self.assertFalse(near(values[int(count) - 1], values[int(count)]), (when, values))
                self.assertTrue(at)

    def test_expressions_agree(self):
        expressions, agreed, differ = promql_cases.expressions(), 0, []
        for expression in expressions:
            found = self.compare(expression)
            agreed += found is None
            if found is not None:
                differ.append((expression, found))
        print(f"promql: {agreed} of {len(expressions)} expressions agree with Prometheus to 1e-9, each at {len(INSTANTS)} times and over a range")
        for expression, found in differ:
            print(f"promql: differs{' (known)' if expression in KNOWN else ''}: {expression}: {KNOWN.get(expression, found)}")
        self.assertGreaterEqual(agreed, 200)
        self.assertEqual([pair for pair in differ if pair[0] not in KNOWN], [])
        self.assertEqual([name for name in KNOWN if name not in dict(differ)], [], "no longer different")

    def test_faults_agree(self):
        for expression in promql_cases.lines(promql_cases.FAULTS):
            with self.subTest(expression):
                theirs = self.prometheus.api("query", query=expression, time=INSTANTS[1])
                self.assertEqual(theirs["status"], "error" if expression != "up[5m]" else "success", theirs)
                self.assertIsNone(difference(theirs, self.engine.ask(expression, INSTANTS[1]), False))
