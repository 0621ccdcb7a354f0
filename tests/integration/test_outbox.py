"""The outbox under kill -9 at each of its named points, on a full disk and on a read-only one.

OXPECKER_TEST_OUTBOX_KILLS makes it longer (10 at each point). The receiver's own ledger is a file that outbox_driver appends to. What was
accepted is what the driver said after the put had returned."""
import collections
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest

from harness import OXPECKER, no_proxy_environment

DRIVER = OXPECKER.parent / "tests/unit/alerts/outbox/outbox_driver"
KILLS = int(os.environ.get("OXPECKER_TEST_OUTBOX_KILLS", "10"))
# Point: how often one life reaches it. recover has its own test.
POINTS = {"accept": 9, "commit": 9, "claim": 5, "send": 5, "acknowledge": 4, "prune": 2}


class Outbox(unittest.TestCase):
    def setUp(self):
        if not DRIVER.is_file():
            self.fail(f"there is no {DRIVER}; build it") if os.environ.get("CI") else self.skipTest(f"there is no {DRIVER}")
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="oxpecker-outbox-"))
        self.addCleanup(shutil.rmtree, self.base)
        self.directory = self.base / "storage"
        self.directory.mkdir()
        self.received = self.base / "received"

    def start(self, *point):
        return subprocess.Popen([str(DRIVER), str(self.directory), str(self.received), *map(str, point)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=no_proxy_environment())

    def life(self, commands, *point):
        """One life of the driver: what it said, by its first word, and how it ended."""
        driver = self.start(*point)
        out, errors = driver.communicate("".join(command + "\n" for command in commands), timeout=60)
        self.assertEqual(errors, "")
        said = collections.defaultdict(list)
        for line in out.splitlines():
            word, _, rest = line.partition(" ")
            said[word].append(rest)
        return said, driver.returncode

    def deliveries(self):
        return collections.Counter(self.received.read_text().split() if self.received.exists() else [])


class Kill(Outbox):
    def commands(self, life):
        """Some of everything: messages that stand alone, that supersede, that are refused and that are wanted later."""
        commands = []
        for number in range(8):
            name = f"{life}-{number}" + ("-bad" if number == 3 else "-slow" if number == 5 else "")
            group = f"g{number % 2}" if number in (1, 4, 6, 7) else "-"
            commands += [f"put {name} {(number % 4) * 1500} {group}"]
            commands += ["turn"] * (number % 3)
        return ["ledger"] + commands + ["sweep 25", "turn", "put last-%d 10 -" % life, "sweep 25"]

    def check(self, point):
        begun, accepted, seen = set(), set(), set()
        generator = random.Random(20261122)
        last, maybe = "-", "-"  # what was put last for sure, and what may have been put since
        for life in range(KILLS):
            said, code = self.life(self.commands(life), point, 1 + generator.randrange(POINTS[point]))
            self.assertEqual(code, -9, f"it was not killed at {point}: {dict(said)}")
            self.assertEqual([words for word in said if word.startswith("failed") for words in said[word]], [])
            if said["ledger"]:
                self.assertIn(said["ledger"][0], (last, maybe), "the ledger is not that of the last commit")
                last = said["ledger"][0]
            begun.update(said["begin"])
            accepted.update(said["accepted"])
            last = said["accepted"][-1] if said["accepted"] else last
            maybe = said["begin"][-1] if said["begin"] else maybe
            for word in ("superseded", "full", "expired", "aside"):
                seen.update(said[word])
        self.assertGreaterEqual(len(begun), KILLS)
        said, code = self.life(["ledger", "put end 1 -"] + ["turn"] * (10 * KILLS + 20) + ["list"])
        self.assertEqual(code, 0)
        self.assertEqual(said["open"], ["AS_IT_WAS"])
        self.assertIn(said["ledger"][0], (last, maybe))
        accepted.add("end")
        self.assertEqual(said["idle"][-1:], [""], "it was not drained")
        rows = dict(reversed(row.split()) for row in said["row"])
        self.assertEqual([name for name, state in rows.items() if state in ("waiting", "claimed")], [])
        seen.update(said["superseded"])
        seen.update(name for name, state in rows.items() if state in ("set_aside", "superseded"))
        deliveries = self.deliveries()
        self.assertEqual(accepted - set(deliveries) - seen, set(), "accepted, and neither delivered nor to be seen")
        self.assertEqual(set(deliveries) - begun - {"end"}, set(), "nobody put these")
        repeats = sum(count - 1 - ("slow" in name) for name, count in deliveries.items() if count > 1 + ("slow" in name))
        self.assertLessEqual(repeats, KILLS, "more repeats than there were messages in flight")
        return len(accepted), sum(deliveries.values()), repeats

    def test_each_point(self):
        for point in POINTS:
            with self.subTest(point=point):
                shutil.rmtree(self.directory)
                self.directory.mkdir()
                self.received.unlink(missing_ok=True)
                accepted, delivered, repeats = self.check(point)
                print(f"outbox killed at {point}: {KILLS} kills, {accepted} accepted, {delivered} deliveries, {repeats} repeats")

    def test_recover(self):
        """Every second life is killed while it sends, and the one after it while it gives back what was claimed."""
        accepted = set()
        for life in range(KILLS):
            said, _ = self.life([f"put {life} 10 -", "turn"], "send", 1)
            accepted.update(said["accepted"])
            self.assertEqual(self.life([], "recover", 1)[1], -9)
        said, _ = self.life(["turn"] * KILLS)
        self.assertEqual(set(said["sent"]), accepted)
        self.assertEqual(self.deliveries(), collections.Counter({name: KILLS + 1 if name == "0" else 1 for name in accepted}),
                         "the oldest was in flight at each kill, and nothing else")


class Disk(Outbox):
    """A small file system of its own."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("mounting a small tmpfs needs root")
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(self.directory)], capture_output=True, text=True)
        if mount.returncode != 0:
            self.skipTest(f"no tmpfs can be mounted here: {mount.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.directory)], check=False)

    def ask(self, driver, command):
        """A command and the line that answers it."""
        driver.stdin.write(command + "\n")
        driver.stdin.flush()
        line = driver.stdout.readline()
        while line.startswith("begin "):
            line = driver.stdout.readline()
        return line.strip()

    def test_full_and_healed(self):
        filler = self.directory / "filler"
        filler.write_bytes(bytes(3_000_000))
        driver = self.start()
        self.addCleanup(driver.wait)
        self.addCleanup(driver.stdout.close)
        self.addCleanup(driver.stderr.close)
        self.addCleanup(driver.stdin.close)
        self.assertEqual(driver.stdout.readline().strip(), "open NEW")
        accepted, refused = [], ""
        for number in range(400):
            answer = self.ask(driver, f"put {number} 20000 -")
            if not answer.startswith("accepted"):
                refused = answer
                break
            accepted.append(str(number))
        self.assertRegex(refused, r"^failed \d+ ERR_FULL: no space is left")
        self.assertGreater(len(accepted), 3)
        self.assertRegex(self.ask(driver, "put again 20000 -"), "ERR_FULL|ERR_IO")
        filler.unlink()
        self.assertEqual(self.ask(driver, "put healed 20000 -"), "accepted healed")
        accepted.append("healed")
        for name in accepted:
            self.assertEqual(self.ask(driver, "turn"), f"sent {name}")
        self.assertEqual(self.ask(driver, "turn"), "idle")
        driver.stdin.close()
        self.assertEqual(driver.wait(10), 0)
        self.assertEqual(self.deliveries(), collections.Counter(accepted))

    def test_full_at_the_opening(self):
        filler = self.directory / "filler"
        with open(filler, "wb") as out, self.assertRaises(OSError):
            out.write(bytes(5_000_000))
        said, code = self.life(["put a 10 -"])
        self.assertEqual(code, 3)
        self.assertRegex(said["failed"][0], "open ERR_IO: .*(no space|disk is full)")
        filler.unlink()
        said, code = self.life(["put a 10 -", "turn"])
        self.assertEqual((code, said["sent"]), (0, ["a"]))

    def test_read_only(self):
        said, code = self.life(["put a 10 -"])
        self.assertEqual((code, said["accepted"]), (0, ["a"]))
        subprocess.run(["mount", "-o", "remount,ro", str(self.directory)], check=True)
        said, code = self.life(["put b 10 -"])
        self.assertEqual(code, 3)
        self.assertRegex(said["failed"][0], "open ERR_IO: .*Read-only file system")
        subprocess.run(["mount", "-o", "remount,rw", str(self.directory)], check=True)
        said, code = self.life(["turn", "turn"])
        self.assertEqual((code, said["sent"]), (0, ["a"]))


class Directory(Outbox):
    def test_not_to_be_written(self):
        if os.geteuid() == 0:
            self.skipTest("root may write everywhere (Disk.test_read_only does it)")
        self.directory.chmod(0o500)
        self.addCleanup(self.directory.chmod, 0o700)
        said, code = self.life([])
        self.assertEqual(code, 3)
        self.assertRegex(said["failed"][0], "open ERR_IO: .*Permission denied")

    def test_none(self):
        self.directory.rmdir()
        said, code = self.life([])
        self.directory.mkdir()
        self.assertEqual(code, 3)
        self.assertRegex(said["failed"][0], "open ERR_IO: .*No such file")


if __name__ == "__main__":
    unittest.main()
