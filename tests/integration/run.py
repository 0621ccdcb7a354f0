#!/usr/bin/env python3
"""Runs the integration tests: every test_*.py beside this file, or those named on the command line (test_send, test_send.Send.test_x).
Classes, or what is named apart, run beside each other, OXP_TEST_JOBS (4) at a time.

A missing tool is a failure under CI and said aloud elsewhere. Ends with one line: N passed, N failed, N skipped."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
# What the tests drive besides the daemon, from the same build.
PROGRAMS = ["tests/unit/lib/client/client_driver", "tests/unit/lib/checkpoint/checkpoint_writer", "tests/unit/lib/trace/trace_export",
            "tests/unit/alerts/promql/promql_engine", "tests/unit/alerts/outbox/outbox_driver", "tests/unit/alerts/aws/aws_driver", "tests/unit/alerts/notify/alerting_driver",
            "tests/unit/alerts/cloudwatch/cloudwatch_driver", "tests/unit/alerts/cloudwatch/cloudwatch_publisher"]
# The same when all of them run: a release build has it, those with a sanitizer do not.
LIBRARY = ["lib/liboxpecker.so", "oxpecker-example-orchestrator"]
sys.path.insert(0, str(HERE))


def main():
    import harness
    if not harness.OXPECKER.is_file():
        sys.exit(f"integration: there is no {harness.OXPECKER}; make build")
    if os.environ.get("CI"):
        missing = [tool for tool in ("prometheus", "promtool", "prometheus-alertmanager", "curl", "bash") if not shutil.which(tool)]
        if missing:
            sys.exit(f"integration: missing under CI: {', '.join(missing)}")
        needed = PROGRAMS if len(sys.argv) > 1 else PROGRAMS + LIBRARY
        unbuilt = [program for program in needed if not (harness.OXPECKER.parent / program).is_file()]
        if unbuilt:
            sys.exit(f"integration: not built beside {harness.OXPECKER}: {', '.join(unbuilt)}")
    names = sys.argv[1:] or in_good_order(classes())
    return run_here(names[0]) if len(names) == 1 else run_beside(names)


def run_here(name):
    suite = unittest.TestLoader().loadTestsFromName(name)
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    bad = len(result.failures) + len(result.errors)
    for test, reason in result.skipped:
        print(f"SKIPPED {test.id()}: {reason}")
    print(f"integration: {result.testsRun - bad - len(result.skipped)} passed, {bad} failed, {len(result.skipped)} skipped")
    return 1 if bad or result.testsRun == 0 else 0


def classes():
    """Of all modules, each as module.Class; a module that cannot be loaded by its own name, so that its run says why."""
    found, suites = set(), [unittest.TestLoader().discover(str(HERE), "test_*.py")]
    while suites:
        for test in suites.pop():
            if isinstance(test, unittest.TestSuite):
                suites.append(test)
            elif type(test).__module__ == "unittest.loader":
                found.add(test.id().rsplit(".", 1)[1])
            else:
                found.add(f"{type(test).__module__}.{type(test).__name__}")
    return found


# Those that take longest, first: else the others would wait for them at the end.
LONG = ["test_memory", "test_rules_unit", "test_orchestrator", "test_commands", "test_prometheus", "test_rules", "test_watching_provider", "test_watching_log",
        "test_watching", "test_live", "test_client", "test_query", "test_grafana_run", "test_delivery", "test_day", "test_grafana_types"]


def in_good_order(names):
    places = {module: place for place, module in enumerate(LONG)}
    return sorted(names, key=lambda name: (places.get(name.partition(".")[0], len(LONG)), name))


def run_beside(names):
    """Several at a time, for they mostly wait: each in a process of its own, its output in one piece when it has ended."""
    def one(name):
        began = time.monotonic()
        done = subprocess.run([sys.executable, __file__, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        print(f"--- {name}\n{done.stdout}--- {name}: {time.monotonic() - began:.0f} s", flush=True)
        found = re.findall(r"^integration: (\d+) passed, (\d+) failed, (\d+) skipped$", done.stdout, re.MULTILINE)
        counts = [int(word) for word in found[-1]] if found else [0, 1, 0]
        return name, counts, done.returncode

    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("OXP_TEST_JOBS", "4"))) as pool:
        results = list(pool.map(one, names))
    passed, failed, skipped = (sum(column) for column in zip(*(counts for _, counts, _ in results)))
    bad = [name for name, _, status in results if status]
    print(f"integration: {passed} passed, {failed} failed, {skipped} skipped" + (f"; see {', '.join(bad)}" if bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
