#!/usr/bin/env python3
"""Runs the integration tests: every test_*.py beside this file, or those named on the command line (test_send, test_send.Send.test_x).

A missing tool is a failure under CI and said aloud elsewhere. Ends with one line: N passed, N failed, N skipped."""
import os
import pathlib
import shutil
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
# What the tests drive besides the daemon, from the same build.
PROGRAMS = ["tests/unit/lib/client/client_driver", "tests/unit/lib/checkpoint/checkpoint_writer", "tests/unit/lib/trace/trace_export",
            "tests/unit/alerts/promql/promql_engine"]
# The same when all of them run: a release build has it, those with a sanitizer do not.
LIBRARY = ["lib/liboxpecker.so", "oxpecker-example-orchestrator"]
sys.path.insert(0, str(HERE))


def main():
    import harness
    if not harness.OXPECKER.is_file():
        sys.exit(f"integration: there is no {harness.OXPECKER}; make build")
    if os.environ.get("CI"):
        missing = [tool for tool in ("prometheus", "promtool", "curl", "bash") if not shutil.which(tool)]
        if missing:
            sys.exit(f"integration: missing under CI: {', '.join(missing)}")
        needed = PROGRAMS if len(sys.argv) > 1 else PROGRAMS + LIBRARY
        unbuilt = [program for program in needed if not (harness.OXPECKER.parent / program).is_file()]
        if unbuilt:
            sys.exit(f"integration: not built beside {harness.OXPECKER}: {', '.join(unbuilt)}")
    loader = unittest.TestLoader()
    names = sys.argv[1:]
    suite = loader.loadTestsFromNames(names) if names else loader.discover(str(HERE), "test_*.py")
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    bad = len(result.failures) + len(result.errors)
    for test, reason in result.skipped:
        print(f"SKIPPED {test.id()}: {reason}")
    print(f"integration: {result.testsRun - bad - len(result.skipped)} passed, {bad} failed, {len(result.skipped)} skipped")
    return 1 if bad or result.testsRun == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
