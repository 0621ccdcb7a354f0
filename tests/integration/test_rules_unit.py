"""`oxpecker test rules` and Debian's promtool: the same verdicts on the shipped rules' own tests, and on changed ones.

Every test that passes must fail when what it expects is changed, and every rule must have a test that fails when the rule is changed:
else the tests would test nothing. promtool, which is slow, sees the cheapest of them; oxpecker sees all."""
import concurrent.futures
import copy
import json
import os
import pathlib
import re
import shutil
import tempfile
import unittest

from harness import OXPECKER, ROOT, run

try:
    import yaml
except ImportError:  # a missing tool is a failure under CI
    if os.environ.get("CI"):
        raise
    yaml = None

RULES = ROOT / "alerts/rulefiles"
# Files that promtool 2.42 fails and a present one passes, with the reason.
OLDER = {}
MUTATIONS_PER_TEST = 2  # of KINDS, in turn
PROMTOOL_TESTS_PER_FILE = 1


def seconds(duration):
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
    return sum(int(n) * units[u] for n, u in re.findall(r"(\d+)(ms|[smhdwy])", str(duration)))


def checks(test):
    return (test.get("alert_rule_test") or []) + (test.get("promql_expr_test") or [])


def cost(document, test):
    ticks = max((seconds(c.get("eval_time", 0)) for c in checks(test)), default=0) / seconds(document.get("evaluation_interval", "1m"))
    return (ticks + 1) * (len(test.get("input_series") or []) + 10)


def differences(stdout):
    """What oxpecker printed, as promtool would have: without the lines where the checks stand."""
    return [l for l in stdout.splitlines() if l and not re.match(r"    line: \d+,|Unit Testing: |  SUCCESS|  FAILED:", l)]


def promtool(path, timeout=600):
    status, _, stderr = run("promtool", "test", "rules", path, timeout=timeout)
    return status, [l for l in stderr.splitlines() if l and l != "  FAILED:"]


def oxpecker(path):
    status, stdout, stderr = run(OXPECKER, "test", "rules", path, timeout=600)
    assert stderr == "", stderr
    return status, differences(stdout)


def count_failures(lines):
    return sum(l.startswith("    alertname: ") or l.startswith("    expr: ") for l in lines)


# ---- What a mutation changes: gives False where there is nothing of the kind ----

def first(items, wanted):
    return next((item for item in items or [] if wanted(item)), None)


def a_value(test):
    check = first(test.get("promql_expr_test"), lambda c: c.get("exp_samples"))
    if check:
        check["exp_samples"][-1]["value"] = float(check["exp_samples"][-1].get("value", 0)) + 1
    return check


def a_sample_label(test):
    check = first(test.get("promql_expr_test"), lambda c: c.get("exp_samples") and '="' in c["exp_samples"][0].get("labels", ""))
    if check:
        sample = check["exp_samples"][0]
        sample["labels"] = re.sub(r'="[^"]*"', '="mutated"', sample["labels"], count=1)
    return check


def a_missing_sample(test):
    check = first(test.get("promql_expr_test"), lambda c: c.get("exp_samples"))
    if check:
        check["exp_samples"].pop()
    return check


def a_sample_too_many(test):
    check = first(test.get("promql_expr_test"), lambda c: not c.get("exp_samples"))
    if check:
        check["exp_samples"] = [{"labels": 'mutated{a="b"}', "value": 1}]
    return check


def firing(test):
    return first(test.get("alert_rule_test"), lambda c: c.get("exp_alerts"))


def a_missing_alert(test):
    check = firing(test)
    if check:
        check["exp_alerts"].pop()
    return check


def an_alert_too_many(test):
    check = first(test.get("alert_rule_test"), lambda c: True)
    if check:
        check["exp_alerts"] = (check.get("exp_alerts") or []) + [{"exp_labels": {"mutated": "yes"}}]
    return check


def an_alert_name(test):
    check = firing(test)
    if check:
        check["alertname"] = "Mutated"
    return check


def an_alert_label(test):
    check = firing(test)
    if check:
        labels = check["exp_alerts"][0].setdefault("exp_labels", {})
        labels["severity"] = str(labels.get("severity")) + "x"
    return check


def an_alert_label_less(test):
    check = firing(test)
    return check and check["exp_alerts"][0].get("exp_labels", {}).pop("severity", None)


def an_annotation(test):
    check = firing(test)
    if check and check["exp_alerts"][0].get("exp_annotations"):
        annotations = check["exp_alerts"][0]["exp_annotations"]
        annotations[sorted(annotations)[-1]] += "x"
        return check
    return None


def an_annotation_less(test):
    check = firing(test)
    return check and check["exp_alerts"][0].get("exp_annotations", {}).pop("summary", None)


KINDS = [an_annotation, a_value, a_missing_alert, a_sample_label, an_alert_label, a_sample_too_many, an_annotation_less, a_missing_sample,
         an_alert_name, an_alert_too_many, an_alert_label_less]


def mutants(test, number):
    """Copies of a test with something changed that it expects: so many kinds, others for each test."""
    found = []
    for kind in KINDS[number % len(KINDS):] + KINDS[:number % len(KINDS)]:
        mutant = copy.deepcopy(test)
        if len(found) < MUTATIONS_PER_TEST and kind(mutant):
            mutant["name"] = f"{test.get('name', '')}, {kind.__name__}"
            found.append((kind.__name__, mutant))
    return found


def mutate_rule(rule):
    """Thresholds so far away that an alert never fires; a recording rule gives other values."""
    if "record" in rule:
        rule["expr"] = f"({rule['expr']}) + 1000"
        return
    far = {">": "1e12", ">=": "1e12", "<": "-1e12", "<=": "-1e12", "==": "987654321", "!=": "0"}
    rule["expr"], count = re.subn(r"(==|[<>]=?)(\s*)(?:bool\s+)?-?\d[\d.]*(?:\s*\*\s*[\d.]+)?", lambda m: m[1] + m[2] + far[m[1]], rule["expr"])
    if count == 0:  # it compares with no constant
        rule["expr"] = f"({rule['expr']}) unless on() vector(1)"


@unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
@unittest.skipUnless(yaml, "python3-yaml is not installed")
class RulesUnit(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="oxpecker-test-")
        self.addCleanup(self.folder.cleanup)
        self.rules = pathlib.Path(self.folder.name) / "rules"
        (self.rules / "tests").mkdir(parents=True)
        for path in RULES.glob("*.yml"):
            shutil.copy(path, self.rules)
        self.files = sorted((RULES / "tests").glob("*.yml"))
        self.documents = {path.name: yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) for path in self.files}
        self.pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
        self.addCleanup(self.pool.shutdown)
        self.made = 0

    def write(self, document, tests, rules=None):
        """A test file of these tests beside the rules (or beside others)."""
        self.made += 1
        path = (rules or self.rules) / "tests" / f"made{self.made}.yml"
        path.write_text(json.dumps({**document, "tests": tests}))  # which is YAML
        return path

    def test_the_same_verdicts(self):
        theirs = dict(zip(self.files, self.pool.map(promtool, self.files)))
        same = []
        for path in self.files:
            with self.subTest(path.name):
                status, lines = oxpecker(path)
                self.assertEqual(status, 0, "\n".join(lines))
                they, lines = theirs[path]
                self.assertEqual(they, 1 if path.name in OLDER else 0, "\n".join(lines))
                same += self.documents[path.name]["tests"] if path.name not in OLDER else []
        print(f"\n{len(same)} tests with {sum(len(checks(t)) for t in same)} checks pass in both; of {len(self.files)} files "
              f"{len(OLDER)} need a newer promtool")

    def test_changed_expectations_fail(self):
        number, kinds, ours, both, running = 0, {}, 0, 0, []
        for name, document in self.documents.items():
            made, cheap = [], sorted(document["tests"], key=lambda t: cost(document, t))[:PROMTOOL_TESTS_PER_FILE]
            for test in document["tests"]:
                found = mutants(test, number)
                number += 1
                made += found
                for kind, _ in found:
                    kinds[kind] = kinds.get(kind, 0) + 1
                if any(test is c for c in cheap) and found and name not in OLDER:
                    path = self.write(document, [m for _, m in found])
                    running.append((path, len(found), self.pool.submit(promtool, path)))
            with self.subTest(name):
                status, lines = oxpecker(self.write(document, [m for _, m in made]))
                self.assertEqual((status, count_failures(lines)), (1, len(made)), "\n".join(lines))
                ours += len(made)
        for path, count, future in running:
            with self.subTest(path.read_text()):
                their_status, their_lines = future.result()
                status, lines = oxpecker(path)
                self.assertEqual((status, their_status, count_failures(their_lines)), (1, 1, count))
                self.assertEqual(lines, their_lines)
                both += count
        self.assertEqual(set(kinds), {k.__name__ for k in KINDS})
        print(f"\n{ours} of {sum(kinds.values())} changed tests fail, each once; {both} of them in promtool, too, with the same words")

    def find_failing(self, name, rules):
        """A test that tells the changed rules, the cheapest of those that name the rule."""
        found = [(cost(d, t), i, d, t) for d in self.documents.values() for i, t in enumerate(d["tests"]) if name in json.dumps(t)]
        for _, _, document, test in sorted(found, key=lambda f: f[:2]):
            path = self.write(document, [test], rules)
            if oxpecker(path)[0] != 0:
                return path
        return None

    def test_changed_rules_fail(self):
        count, told, running = 0, 0, []
        for path in sorted(RULES.glob("*.yml")):
            document = yaml.safe_load(path.read_text())
            for group in document["groups"]:
                for rule in group["rules"]:
                    name, before = rule.get("alert") or rule["record"], rule["expr"]
                    with self.subTest(name):
                        mutate_rule(rule)
                        rules = self.rules.with_name(f"rules{count}")
                        shutil.copytree(self.rules, rules)
                        (rules / path.name).write_text(json.dumps(document))
                        failing = self.find_failing(name, rules)
                        rule["expr"], count = before, count + 1
                        self.assertIsNotNone(failing, "no test fails when the rule is changed")
                        running.append((name, failing, self.pool.submit(promtool, failing)))
        for name, failing, future in running:
            with self.subTest(name):
                self.assertEqual(future.result()[0], 1, f"promtool does not fail {failing.read_text()}")
                told += 1
        print(f"\n{count} changed rules: {told} have a test that fails in both")

    def test_words(self):
        def file(name, text):
            path = self.rules / "tests" / name
            path.write_text(text)
            return path
        rules = self.rules / "a [b].yml"
        rules.write_text("groups: [{name: g, rules: [{record: a, expr: vector(1)}]}]\n")
        good = file("good.yml", "rule_files: ['../a*.yml']\ntests: [{promql_expr_test: [{expr: a, exp_samples: [{labels: a, value: 1}]}]}]\n")
        wrong = file("wrong.yml", "rule_files: ['../a*.yml']\ntests:\n- promql_expr_test:\n  - {expr: a, exp_samples: [{labels: a, value: 2}]}\n")
        broken = file("broken.yml", "tests:\n- intervall: 1m\n")
        none = file("none.yml", "rule_files: [missing.yml]\ntests: [{promql_expr_test: [{expr: a}]}]\n")
        empty = file("empty.yml", "rule_files: ['../a*.yml']\n")
        bad = file("bad.yml", "rule_files: [bad_rules.yml]\ntests: [{promql_expr_test: [{expr: a}]}]\n")
        file("bad_rules.yml", "groups:\n- name: g\n  rules:\n  - {record: a, expr: '('}\n")
        difference = '    expr: "a", time: 0s,\n        exp: {__name__="a"} 2E+00\n        got: {__name__="a"} 1E+00\n'
        rows = [
            ([good], 0, f"Unit Testing:  {good}\n  SUCCESS\n\n", ""),
            ([wrong], 1, f"Unit Testing:  {wrong}\n  FAILED:\n    line: 4,\n{difference}\n", ""),
            ([wrong, good], 1, "  SUCCESS\n", ""),
            ([broken], 1, f"  FAILED:\n{broken}:2:3: field intervall not found in a test", ""),
            ([none], 0, "  SUCCESS\n", f"WARNING: no file match pattern {none.parent}/missing.yml\n"),
            ([empty], 0, "  SUCCESS\n", "checks nothing\n"),
            ([bad], 1, f"    line: 1,\n    {bad.parent}/bad_rules.yml:4:25: group \"g\", rule 1, \"a\": could not parse expression", ""),
            ([self.rules / "gone.yml"], 1, "gone.yml", ""),
            ([], 1, "", "usage: oxpecker test rules"),
        ]
        for files, wanted, out, err in rows:
            with self.subTest(files=[f.name for f in files]):
                status, stdout, stderr = run(OXPECKER, "test", "rules", *files)
                self.assertEqual(status, wanted, stdout + stderr)
                self.assertIn(out, stdout)
                self.assertIn(err, stderr)
                self.assertEqual(stderr == "", err == "", stderr)
        for path in (good, wrong, none, empty):
            self.assertEqual(promtool(path)[0], run(OXPECKER, "test", "rules", path)[0], path)
        for folder, path in ((good.parent, good.name), ("/", str(good)[1:])):  # without a folder; from the root
            status, stdout, stderr = run("sh", "-c", 'cd "$1" && exec "$2" test rules "$3"', "sh", folder, OXPECKER, path)
            self.assertEqual((status, stderr), (0, ""), stdout)


if __name__ == "__main__":
    unittest.main()
