"""`oxpecker test promql`: what it prints, and its exit status. What PromQL means is tested by the unit programs."""
import pathlib
import sys
import tempfile
import unittest

from harness import OXPECKER, ROOT, run

sys.path.insert(0, str(ROOT / "tests/support"))
import corpora  # noqa: E402


class PromqlScripts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="oxpecker-test-")
        self.addCleanup(self.folder.cleanup)

    def script(self, name, text):
        path = pathlib.Path(self.folder.name) / name
        path.write_text(text)
        return path

    def test_our_own(self):
        files = sorted((ROOT / "tests/conformance/promql").glob("*.test"))
        status, stdout, stderr = run(OXPECKER, "test", "promql", *files)
        self.assertEqual((status, stderr), (0, ""), stdout)
        self.assertRegex(stdout, r"(?m)^all: [0-9]{3,} found, [0-9]{3,} passed, 0 failed, 0 skipped$")

    def test_corpus(self):
        folder = corpora.folder()
        if folder is None:
            self.skipTest("no corpora")
        status, stdout, stderr = run(OXPECKER, "test", "promql", *sorted((folder / "promqltest").glob("*.test")))
        self.assertEqual((status, stderr), (0, ""), stdout)
        self.assertRegex(stdout, r"(?m)^skipped [0-9]+: native histograms are not supported$")
        print("\n" + stdout.splitlines()[-1])

    def test_failures_are_told(self):
        good = self.script("good.test", "eval instant at 0 1\n 1\n")
        wrong = self.script("wrong.test", "\neval instant at 0 1 + 1\n 3\n")
        broken = self.script("broken.test", "eval instant at 0 1\n 1\n\n  bo\n")
        none = self.script("none.test", "# nothing\n")
        skipped = self.script("skipped.test", "eval instant at 0 limitk(1, m)\n")
        rows = [
            ([good], 0, "1 found, 1 passed, 0 failed, 0 skipped", ""),
            ([wrong], 1, f"{wrong}:2: 1 + 1\n    wanted 3, got scalar 2", ""),
            ([good, wrong], 1, "all: 2 found, 1 passed, 1 failed, 0 skipped", ""),
            ([broken], 1, "1 found, 1 passed", f"{broken}:4:3: "),
            ([none], 1, "0 found", "no test was found"),
            ([none, good], 0, "all: 1 found", ""),
            ([skipped], 0, "skipped 1: limitk", ""),
            ([pathlib.Path(self.folder.name) / "missing.test"], 1, "", "missing.test"),
        ]
        for files, wanted, out, err in rows:
            with self.subTest(files=[f.name for f in files]):
                status, stdout, stderr = run(OXPECKER, "test", "promql", *files)
                self.assertEqual(status, wanted, stdout + stderr)
                self.assertIn(out, stdout)
                self.assertIn(err, stderr)
                self.assertEqual(stderr == "", err == "", stderr)

    def test_words(self):
        for words, err in (([], "usage: oxpecker test promql"), (["promql"], "usage: "), (["rules"], "usage: oxpecker test rules"), (["x"], "usage: ")):
            with self.subTest(words):
                status, stdout, stderr = run(OXPECKER, "test", *words)
                self.assertEqual((status, stdout), (1, ""))
                self.assertIn(err, stderr)
