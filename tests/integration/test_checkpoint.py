"""kill -9 in a write loop: what is found afterwards is the old value or the new one, whole, and never a part.

OXPECKER_TEST_KILLS shortens it (1000 of each kind)."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import OXPECKER, no_proxy_environment

WRITER = OXPECKER.parent / "tests/unit/lib/checkpoint/checkpoint_writer"
KILLS = int(os.environ.get("OXPECKER_TEST_KILLS", "1000"))


class Kill(unittest.TestCase):
    def setUp(self):
        if not WRITER.is_file():
            self.fail(f"there is no {WRITER}; build it") if os.environ.get("CI") else self.skipTest(f"there is no {WRITER}")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="oxpecker-checkpoint-"))

    def tearDown(self):
        shutil.rmtree(self.directory)

    def cycle(self, kind, size, lines, wait):
        """One life of a writer, until it has said so many lines and a moment more: what it found, what it last wrote, what it last began."""
        writer = subprocess.Popen([str(WRITER), kind, str(self.directory), str(size)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  bufsize=0, env=no_proxy_environment())  # communicate does not see what readline has buffered
        first = writer.stdout.readline()
        said = b"".join(writer.stdout.readline() for _ in range(lines))
        time.sleep(wait)  # not for something to happen: to be anywhere in it
        writer.kill()
        rest, errors = writer.communicate()
        rest = said + rest
        if writer.returncode != -9:
            self.fail(f"the writer ended by itself: {errors.decode()}")
        self.assertTrue(first.startswith(b"found "), (first, errors))
        found = wrote = began = int(first.split()[1])
        for line in rest.split(b"\n")[:-1]:
            word, number = line.split()
            if word == b"begin":
                began = int(number)
            else:
                wrote = int(number)
        return found, wrote, began

    def look(self):
        """Every file under a name that counts is whole JSON, whoever reads it."""
        for path in self.directory.iterdir():
            if path.name.startswith("."):
                continue
            self.assertFalse(path.name.endswith(".corrupt"), path.name)
            value = json.loads(path.read_text())
            value = value["payload"]["context"] if "payload" in value else value
            self.assertEqual(value["n"], value["end"])
            self.assertEqual(set(value["filler"].split()), {str(value["n"])})

    def kill_often(self, kind):
        generator = random.Random(20261122)
        wrote = began = writes = in_flight = 0
        started = time.monotonic()
        for number in range(KILLS):
            size = 4096
            # However slow the machine is: half of them end on a "begin".
            found, last_wrote, last_began = self.cycle(kind, size, generator.randrange(6), generator.random() * 0.003)
            self.assertIn(found, (wrote, began), f"kill {number}: an older value came back, or one that nobody wrote")
            in_flight += began != wrote
            writes += last_wrote - found
            wrote, began = last_wrote, last_began
            if number % 20 == 0:
                self.look()
        self.look()
        print(f"{kind}: {KILLS} kills, {in_flight} in the middle of a write, {writes} writes, {time.monotonic() - started:.1f} s")
        self.assertGreater(in_flight, KILLS // 10, "the kills do not meet the writes: this test sees nothing")
        self.cycle(kind, size, 20, 0)
        leftovers = [p.name for p in self.directory.iterdir() if p.name.startswith(".oxp-")]
        self.assertLessEqual(len(leftovers), 1, "what a crash leaves is not removed")

    def test_manager(self):
        self.kill_often("manager")

    def test_store(self):
        self.kill_often("store")


if __name__ == "__main__":
    unittest.main()
