"""`oxpecker check rules`: what it prints, its exit status, and the same verdict as Debian's promtool."""
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

from harness import OXPECKER, ROOT, run

sys.path.insert(0, str(ROOT / "tests/support"))
import corpora  # noqa: E402


def rules(*lines):
    return "groups:\n- name: g\n  rules:\n" + "".join(f"  - {line}\n" for line in lines)


def group(line):
    return f"groups:\n- {line}\n"


def annotation(text):
    return rules("{alert: A, expr: x, annotations: {a: '" + text.replace("'", "''") + "'}}")


# What both take, and what both refuse.
GOOD = {
    "nothing": "",
    "null": "~\n",
    "no groups": "groups:\n",
    "no rules": group("{name: g}"),
    "null items": "groups:\n- ~\n- name: g\n  rules:\n  - ~\n  - {record: r, expr: x}\n",
    "a recording rule": rules("{record: r, expr: sum(x), labels: {a: b}}"),
    "an alert": rules("{alert: A, expr: x > 1, for: 5m, labels: {a: b}, annotations: {c: d}}"),
    "keep_firing_for": rules("{alert: A, expr: x, keep_firing_for: 5m}"),
    "a block": rules("record: r\n    expr: |\n      sum(x)\n      /\n      sum(y)\n"),
    "interval and limit": group("{name: g, interval: 1m30s, limit: 5}"),
    "an interval of 0": group("{name: g, interval: 0}"),
    "a limit in octal": group("{name: g, limit: 017}"),
    "a limit with a fraction": group("{name: g, limit: 2.9}"),
    "a limit below 0": group("{name: g, limit: -1}"),
    "a limit with an exponent": group("{name: g, limit: 1e2}"),
    "a limit with underscores": group("{name: g, limit: 1_000}"),
    "a limit with leading zeros that is not octal": group("{name: g, limit: 08}"),
    "an empty limit": group("{name: g, limit: }"),
    "numbers as text": group("{name: 1, rules: [{record: true, expr: 1, labels: {a: 1.50, b: yes}}]}"),
    "for of zero on a recording rule": rules("{record: r, expr: x, for: 0s}"),
    "empty annotations on a recording rule": rules("{record: r, expr: x, annotations: {}}"),
    "an empty alert beside record": rules("{record: r, alert: '', expr: x}"),
    "an empty label": rules("{record: r, expr: x, labels: {a: ''}}"),
    "a null label": rules("{record: r, expr: x, labels: {a: }}"),
    "an alert's name of any kind": rules("{alert: 'a {b} ö', expr: x}"),
    "aliases": rules("&r {alert: &n A, expr: &e x}", "{alert: *n, expr: *e}", "*r"),
    "merge": rules("&r {alert: A, expr: x}", "{<<: *r, alert: B}", "{<<: [*r, {for: 1m}]}"),
    "merge in labels": rules("{record: r, expr: x, labels: &l {a: b}}", "{record: s, expr: x, labels: {<<: *l, c: d}}"),
    "tags": group("{name: !!str 1, rules: !!seq [!!map {record: r, expr: !!str x}]}"),
    "two documents": group("{name: g}") + "---\ngroups: [{name: }]\n",
    "a malformed second document": group("{name: g}") + "---\n[\n",
    "JSON": '{"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "x\\u003e1"}]}]}',
    "the same rule twice": rules("{record: r, expr: x}", "{record: r, expr: x}"),
    "at and offset": rules("{record: r, expr: 'x @ 100 offset 5m + y @ end()'}"),
    "a subquery": rules("{record: r, expr: 'max_over_time(rate(x[5m])[1h:1m])'}"),
    "a duration in disorder of sizes": rules("{alert: A, expr: x, for: 1h30m5s10ms}"),
    "a template": annotation("{{ $labels.a }} {{ $value | humanize }} {{ .Value }} {{ range query \"x\" }}{{ .Labels.b }}{{ end }}"),
    "a template with everything in it": annotation("{{ if and (gt $value 1.0) true }}{{ printf \"%.2f\" $value }}{{ else }}{{ $x := 1 }}{{ $x }}{{ end }}"),
    "a template in a recording rule's label": rules("{record: r, expr: x, labels: {a: '{{ $nothing }}'}}"),
    "an annotation called __name__": rules("{alert: A, expr: x, annotations: {__name__: x}}"),
}
BAD = {
    "text": "groups\n",
    "a list": "- a\n",
    "an unknown field of the file": "group: []\n",
    "an unknown field of a group": group("{name: g, intervall: 1m}"),
    "an unknown field of a rule": rules("{alert: A, expr: x, annotation: {}}"),
    "a field in capitals": rules("{alert: A, expr: x, For: 1m}"),
    "groups as a mapping": "groups: {}\n",
    "a group as text": "groups:\n- g\n",
    "labels as a list": rules("{record: r, expr: x, labels: [a]}"),
    "a label as a list": rules("{record: r, expr: x, labels: {a: [b]}}"),
    "an expression as a list": rules("{record: r, expr: [x]}"),
    "no name": group("{rules: []}"),
    "a null name": group("{name: }"),
    "a name twice": "groups: [{name: g}, {name: g}]\n",
    "a key twice": rules("{record: r, expr: x, expr: y}"),
    "an interval without a unit": group("{name: g, interval: 30}"),
    "an empty interval": group("{name: g, interval: ''}"),
    "a negative interval": group("{name: g, interval: -1m}"),
    "an interval with a fraction": group("{name: g, interval: 1.5m}"),
    "units in disorder": group("{name: g, interval: 1m1h}"),
    "a limit in quotes": group("{name: g, limit: '5'}"),
    "a limit as a word": group("{name: g, limit: many}"),
    "a limit past all numbers": group("{name: g, limit: 99999999999999999999}"),
    "an infinite limit": group("{name: g, limit: .inf}"),
    "neither record nor alert": rules("{expr: x}"),
    "record and alert": rules("{record: r, alert: A, expr: x}"),
    "no expression": rules("{record: r}"),
    "an empty expression": rules("{record: r, expr: ''}"),
    "a blank expression": rules("{record: r, expr: ' '}"),
    "for on a recording rule": rules("{record: r, expr: x, for: 1m}"),
    "keep_firing_for on a recording rule": rules("{record: r, expr: x, keep_firing_for: 1m}"),
    "annotations on a recording rule": rules("{record: r, expr: x, annotations: {a: b}}"),
    "braces in a recorded name": rules("{record: 'r{a=\"b\"}', expr: x}"),
    "a label __name__": rules("{record: r, expr: x, labels: {__name__: y}}"),
    "a function that there is not": rules("{record: r, expr: foo(x)}"),
    "a range missing": rules("{record: r, expr: rate(x)}"),
    "an open parenthesis": rules("{record: r, expr: 'sum('}"),
    "a range as the result": rules("{record: r, expr: 'sum(x[5m])'}"),
    "an open action": annotation("{{ $value"),
    "an open if": annotation("{{ if true }}"),
    "an unknown variable": annotation("{{ $label.a }}"),
    "an unknown function": annotation("{{ foo 1 }}"),
    "arithmetic in a template": annotation("{{ $value * 100 }}"),
    "a bad template in a label": rules("{alert: A, expr: x, labels: {a: '{{ $nothing }}'}}"),
    "an alias of nothing": rules("{record: r, expr: *x}"),
    "an anchor that contains itself": "groups: &x [{name: g, rules: *x}]\n",
    "a merge key twice": rules("&r {record: r, expr: x}", "{<<: *r, <<: *r}"),
    "merge of text": rules("{<<: x, record: r, expr: x}"),
    "not YAML": "groups: [\n",
    "not UTF-8": "groups: \udcff\n",
    "a key that is a mapping": "{a: b}: c\n",
}
# (promtool's verdict, ours, why)
DIFFERENT = {
    "a name in UTF-8": (False, True, rules("{record: größe, expr: x}"), "names in UTF-8 came with Prometheus 3"),
    "a label in UTF-8": (False, True, rules("{record: r, expr: x, labels: {a-b: c}}"), "names in UTF-8 came with Prometheus 3"),
    "an annotation in UTF-8": (False, True, rules("{alert: A, expr: x, annotations: {a-b: c}}"), "names in UTF-8 came with Prometheus 3"),
    "query_offset": (False, True, group("{name: g, query_offset: 1m}"), "came with 2.53"),
    "labels of a group": (False, True, group("{name: g, labels: {a: b}}"), "came with 3.0"),
    "a duration as a number": (False, True, rules("{record: r, expr: 'x offset 60'}"), "numbers as durations came with 3.0"),
    "a function of today": (False, True, rules("{alert: A, expr: x, annotations: {a: '{{ 3600 | toDuration }}'}}"), "toDuration came with 3.5"),
    "holt_winters": (True, False, rules("{record: r, expr: 'holt_winters(x[5m], 0.5, 0.5)'}"), "is double_exponential_smoothing since 3.0"),
    "a function of native histograms": (True, False, rules("{record: r, expr: 'histogram_sum(x)'}"), "of native histograms, which the short memory does not keep"),
    "an own tag": (True, False, rules("{record: r, expr: !thing x}"), "only the tags that say what is there anyway are taken"),
    "more labels than a series may have": (True, False, rules("{record: r, expr: x, labels: {" + ", ".join(f"l{i}: x" for i in range(65)) + "}}"), "64 labels are the most of a series here"),
}


class CheckRules(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="oxpecker-test-")
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = pathlib.Path(self.folder.name) / (re.sub(r"[^A-Za-z0-9_]+", "-", name) + ".yml")
        path.write_text(text, errors="surrogateescape")
        return path

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_promtool_says_the_same(self):
        rows = [(name, True, True, text, "") for name, text in GOOD.items()]
        rows += [(name, False, False, text, "") for name, text in BAD.items()]
        rows += [(name, *row) for name, row in DIFFERENT.items()]
        files = [self.write(row[0], row[3]) for row in rows]
        _, theirs, _ = run("promtool", "check", "rules", "--lint=none", *files, timeout=60)
        _, ours, stderr = run(OXPECKER, "check", "rules", *files)
        theirs = dict(re.findall(r"^Checking (.*)\n  SUCCESS: (\d+) rules found$", theirs, re.M))
        ours = dict(re.findall(r"^(.*): SUCCESS: (\d+) rules found$", ours, re.M))
        for (name, they, we, _, reason), path in zip(rows, files):
            with self.subTest(name):
                path = str(path)
                self.assertEqual(path in theirs, they, "promtool")
                self.assertEqual(path in ours, we, stderr)
                self.assertEqual(they == we, reason == "")
                if they and we:
                    self.assertEqual(ours[path], theirs[path])
                if not we:
                    self.assertRegex(stderr, rf"(?m)^{re.escape(path)}:\d+:\d+: ")
        print(f"\n{len(rows)} files, {len(DIFFERENT)} verdicts differ, each for a reason")

    def test_what_it_prints(self):
        good = self.write("good", rules("{record: r, expr: x}", "{alert: A, expr: 'rate(x[1h])'}"))
        bad = self.write("bad", rules("{record: r, expr: foo(x)}", "{alert: A}"))
        twice = self.write("twice", rules("{record: r, expr: x}", "{record: r, expr: y}") + "---\n")
        missing = pathlib.Path(self.folder.name) / "missing.yml"
        two_faults = (f"{bad}:4:23: group \"g\", rule 1, \"r\": could not parse expression: 1:1: parse error: unknown function with name \"foo\"\n"
                      f"{bad}:5:5: group \"g\", rule 2, \"A\": field 'expr' must be set in rule\n")
        too_far = f"{good}:5:5: group \"g\", rule 2, \"A\": looks back 1h5m (1h, and a lookback of 5m), but samples are kept for 1h4m (--storage.retention)\n"
        warnings = (f"{twice}:5:5: warning: group \"g\", rule 2, \"r\": has the name and labels of the rule on line 4, which might cause "
                    f"inconsistency while recording expressions\n"
                    f"{twice}: warning: a second document follows; only the first one of a rule file is read\n")
        table = [
            ([good], 0, f"{good}: SUCCESS: 2 rules found\n", ""),
            ([bad], 1, "", two_faults),
            ([good, bad], 1, f"{good}: SUCCESS: 2 rules found\n", two_faults),
            ([twice], 0, f"{twice}: SUCCESS: 2 rules found\n", warnings),
            ([missing], 1, "", f"the file {missing} cannot be read: No such file or directory\n"),
            (["--storage.retention=59m", good], 1, "", too_far),
            (["--storage.retention=1h", good], 0, f"{good}: SUCCESS: 2 rules found\n", ""),
            (["--storage.retention=65m", good], 0, f"{good}: SUCCESS: 2 rules found\n", ""),
            (["--storage.retention=59m", "--query.lookback-delta=1ms", good], 1, "",
             too_far.replace("1h5m", "1h1ms").replace("of 5m", "of 1ms").replace("1h4m", "59m1ms")),
            (["--", good], 0, f"{good}: SUCCESS: 2 rules found\n", ""),
        ]
        for words, status, stdout, stderr in table:
            with self.subTest(words=[str(word) for word in words]):
                self.assertEqual(run(OXPECKER, "check", "rules", *words), (status, stdout, stderr))
        for words in [], ["--storage.retention=x", good], ["--storage.retention=0s", good], ["--what", good], ["--storage.retention=1h"]:
            with self.subTest(words=[str(word) for word in words]):
                status, stdout, stderr = run(OXPECKER, "check", "rules", *words)
                self.assertEqual((status, stdout), (1, ""))
                self.assertIn("usage: oxpecker check rules ", stderr)

    def test_corpus(self):
        folder = corpora.folder()
        if folder is None:
            self.skipTest("no corpora")
        for path in sorted((folder / "rulefmt").glob("*.yaml")):
            with self.subTest(path.name):
                status, stdout, stderr = run(OXPECKER, "check", "rules", path)
                self.assertEqual(status, 1 if path.name.endswith(".bad.yaml") else 0, stderr)
                self.assertEqual("SUCCESS" in stdout, status == 0)


if __name__ == "__main__":
    unittest.main()
