"""The client library against the real sidecar: absent, slow, stopped, killed and restarted, forked writers; and the package that
`cmake --install` makes."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from harness import OXPECKER, ROOT, Sidecar, no_proxy_environment, run, wait_for

DRIVER = pathlib.Path(os.environ.get("OXPECKER_CLIENT_DRIVER", OXPECKER.parent / "tests/unit/lib/client/client_driver"))
BUILD = pathlib.Path(os.environ.get("OXPECKER_BUILD", OXPECKER.parent))
RUNNING = 'orchestrator_sessions_active{state="running"}'
STARTED = 'orchestrator_sessions_started_total{region="us-east-1"}'
ENDED = 'orchestrator_sessions_ended_total{status="completed"}'
LOST = "oxpecker_events_lost_total"
ORPHANED = "orchestrator_sessions_orphaned"


class Driver:
    """An orchestrator that does what it is told (client_driver.c)."""

    def __init__(self, socket, queue_bytes=0):
        self.process = subprocess.Popen([str(DRIVER), str(socket), str(queue_bytes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=no_proxy_environment())

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stats(self):
        return self.ask("stats")

    def kill(self):
        self.process.kill()
        self.process.wait()


@unittest.skipUnless(DRIVER.is_file(), f"there is no {DRIVER}")
class Client(unittest.TestCase):
    def settled(self, sidecar, driver):
        """Metrics once everything that was written is applied: what comes last is, and the events of a connection are taken in their order."""
        self.assertEqual(driver.ask("flush", 60000), 0)
        mark = f"mark {driver.ask('mark')}"
        wait_for(lambda: any(log.get("message") == mark for log in sidecar.json("/api/oxpecker/v1/logs?kind=log")["logs"]), what=mark)
        return sidecar.metrics()

    def test_what_is_reported_is_seen(self):
        with Sidecar() as sidecar, Driver(sidecar.socket) as driver:
            driver.ask("start", "a")
            driver.ask("start", "b")
            driver.ask("act", 1000)
            driver.ask("end", "a")
            metrics = self.settled(sidecar, driver)
            self.assertEqual(metrics[RUNNING], 1)
            self.assertEqual(metrics[STARTED], 2)
            self.assertEqual(metrics["orchestrator_up"], 1)
            driver.ask("end", "b")
            self.assertEqual(driver.ask("stop", 60000), 0)  # the sidecar has applied it all
            metrics = sidecar.metrics()
            self.assertEqual(metrics[ENDED], 2)
            self.assertEqual(metrics[RUNNING], 0)
            self.assertEqual(metrics[LOST], 0)
            self.assertNotIn("orchestrator_up", metrics)

    def test_an_orchestrator_that_is_killed_leaves_orphans(self):
        with Sidecar() as sidecar, Driver(sidecar.socket) as driver:
            driver.ask("start", "a")
            self.assertEqual(driver.ask("flush", 60000), 0)
            driver.kill()
            wait_for(lambda: sidecar.metrics()[ORPHANED] == 1, what="the orphan")

    def restart(self, storage, stop):
        """The sidecar goes and comes back while the orchestrator goes on: no session lost, none doubled."""
        with Sidecar(storage=storage) as sidecar, Driver(sidecar.socket) as driver:
            for i in range(5):
                driver.ask("start", f"before-{i}")
            driver.ask("end", "before-0")
            metrics = self.settled(sidecar, driver)
            self.assertEqual((metrics[RUNNING], metrics[STARTED], metrics[ENDED]), (4, 5, 1))
            stop(sidecar)
            driver.ask("start", "meanwhile")
            driver.ask("start", "flash")
            driver.ask("end", "flash")
            driver.ask("end", "before-1")
            driver.ask("act", 500)
            sidecar.start()
            wait_for(lambda: driver.stats()["connects"] >= 2, what="the second connection")
            metrics = self.settled(sidecar, driver)
            stats = driver.stats()
            self.assertEqual(metrics[RUNNING], 4)
            self.assertEqual(metrics[ORPHANED], 0)
            self.assertEqual((stats["open"], stats["dropped"], metrics[LOST]), (4, 0, 0))
            for i in range(2, 5):
                driver.ask("end", f"before-{i}")
            driver.ask("end", "meanwhile")
            self.assertEqual(driver.ask("stop", 60000), 0)
            metrics = sidecar.metrics()
            self.assertEqual(metrics[RUNNING], 0)
            return metrics

    def test_the_sidecar_is_killed_without_storage(self):
        metrics = self.restart(False, lambda sidecar: sidecar.kill())
        # A sidecar that knows nothing counts what it is told is open (before-2, 3, 4; before-1 came and went with it) and what came since.
        self.assertEqual(metrics[ENDED], 6)
        self.assertEqual(metrics[STARTED], 6)
        self.assertEqual(metrics[LOST], 0)

    def test_the_sidecar_is_killed_with_storage(self):
        metrics = self.restart(True, lambda sidecar: sidecar.kill())
        self.assertEqual(metrics[STARTED], 2)  # counters begin anew after a crash; what was known is not counted again
        self.assertEqual(metrics[ENDED], 6)

    def test_the_sidecar_is_stopped_and_started_with_storage(self):
        metrics = self.restart(True, lambda sidecar: sidecar.stop())
        self.assertEqual(metrics[STARTED], 7)  # none lost, none doubled
        self.assertEqual(metrics[ENDED], 7)

    def test_losses_are_counted_exactly(self):
        """A queue of 64 KiB and no sidecar: most of it is dropped, and the sidecar that comes late counts just that."""
        directory = pathlib.Path(tempfile.mkdtemp(prefix="oxpecker-test-"))
        try:
            with Driver(directory / "events.sock", 65536) as driver:
                driver.ask("start", "open")
                driver.ask("act", 20000)
                driver.ask("flood", 3000)
                driver.ask("start", "late")
                self.assertGreater(driver.stats()["dropped"], 20000)
                with Sidecar(directory=directory) as sidecar:
                    wait_for(lambda: driver.stats()["connected"], what="the connection")
                    metrics = self.settled(sidecar, driver)
                    stats = driver.stats()
                    self.assertEqual(metrics[LOST], stats["dropped"])
                    if stats["outrun"] == 0:
                        self.assertEqual(metrics[RUNNING], 2)
                    self.assertEqual(driver.ask("stop", 60000), 0)
                    self.assertEqual(sidecar.metrics()[LOST], driver.stats()["dropped"])
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def test_a_stopped_sidecar_holds_nobody_up(self):
        with Sidecar() as sidecar, Driver(sidecar.socket, 65536) as driver:
            driver.ask("start", "open")
            self.assertEqual(driver.ask("flush", 60000), 0)
            sidecar.send_signal(signal.SIGSTOP)
            started = time.monotonic()
            driver.ask("act", 100000)
            driver.ask("flood", 2000)
            driver.ask("end", "open")
            took = time.monotonic() - started
            stats = driver.stats()
            sidecar.send_signal(signal.SIGCONT)
            self.assertLess(took, 20)
            # One or another may be held up by a busy machine, by anything else all would be; the bench has the figures.
            self.assertLess(stats["slow"], 100)
            metrics = self.settled(sidecar, driver)
            stats = driver.stats()
            self.assertGreater(stats["dropped"], 0)
            self.assertEqual(metrics[LOST], stats["dropped"])
            if stats["outrun"] == 0:
                self.assertEqual(metrics[RUNNING], 0)
            self.assertEqual(stats["connects"], 1)

    def test_a_forked_child_that_is_killed_leaves_its_own_orphan(self):
        with Sidecar() as sidecar, Driver(sidecar.socket) as driver:
            driver.ask("start", "parents")
            self.assertEqual(driver.ask("flush", 60000), 0)
            pid = driver.ask("fork")
            self.assertGreater(pid, 0)
            wait_for(lambda: sidecar.metrics()[RUNNING] == 2, what="both sessions")
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: sidecar.metrics()[ORPHANED] == 1, what="the child's orphan")
            metrics = sidecar.metrics()
            self.assertEqual(metrics[RUNNING], 1)
            self.assertEqual(metrics["orchestrator_up"], 1)
            driver.ask("act", 10)
            metrics = self.settled(sidecar, driver)
            self.assertEqual((metrics[RUNNING], metrics[LOST]), (1, 0))


EXAMPLE = ROOT / "examples/minimal/minimal.c"
CMAKE = """cmake_minimum_required(VERSION 3.16)
project(user C)
find_package(oxpecker 0.1 REQUIRED)
add_executable(shared minimal.c)
target_link_libraries(shared oxpecker::oxpecker)
add_executable(static minimal.c)
target_link_libraries(static oxpecker::oxpecker_static)
"""


@unittest.skipUnless(shutil.which("cmake") and any((BUILD / "lib").glob("liboxpecker.so.0")), "liboxpecker is not built")
class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="oxpecker-package-"))
        cls.prefix = cls.directory / "usr"
        status, out, err = run("cmake", "--install", BUILD, "--prefix", cls.prefix, "--component", "library")
        assert status == 0, out + err
        cls.library = next(cls.prefix.glob("lib*/**/liboxpecker.so.0")).parent

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.directory, ignore_errors=True)

    def works(self, program):
        """It runs without a sidecar, and with one its session and its retry are seen."""
        status, out, err = run(program, LD_LIBRARY_PATH=str(self.library), OXPECKER_EVENTS_LISTEN_UNIX=str(self.directory / "none.sock"))
        self.assertEqual((status, out), (0, "navigate: worked\n"), err)
        with Sidecar() as sidecar:
            status, out, err = run(program, LD_LIBRARY_PATH=str(self.library), OXPECKER_EVENTS_LISTEN_UNIX=str(sidecar.socket))
            self.assertEqual(status, 0, err)
            metrics = sidecar.metrics()
            self.assertEqual((metrics[STARTED], metrics[ENDED]), (1, 1))
            self.assertEqual(sum(v for k, v in metrics.items() if k.startswith('orchestrator_retry_operations_total{') and "recovered" in k), 1)

    def pkg_config(self, *words):
        status, out, err = run("pkg-config", *words, "oxpecker", PKG_CONFIG_PATH=str(self.library / "pkgconfig"))
        self.assertEqual(status, 0, err)
        return out.split()

    def test_pkg_config(self):
        program = self.directory / "with-pkg-config"
        status, out, err = run("cc", "-std=c17", "-Wall", "-Wextra", "-Werror", EXAMPLE, "-o", program, *self.pkg_config("--cflags", "--libs"))
        self.assertEqual(status, 0, out + err)
        self.works(program)

    def test_find_package(self):
        source = self.directory / "cmake"
        source.mkdir()
        shutil.copy(EXAMPLE, source)
        (source / "CMakeLists.txt").write_text(CMAKE)
        status, out, err = run("cmake", "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}", timeout=300)
        self.assertEqual(status, 0, out + err)
        status, out, err = run("cmake", "--build", source / "build", timeout=300)
        self.assertEqual(status, 0, out + err)
        self.works(source / "build/shared")
        self.works(source / "build/static")

    def test_headers_in_c_and_cpp(self):
        flags = self.pkg_config("--cflags")
        headers = sorted((self.prefix / "include/oxpecker").glob("*.h"))
        umbrella = (self.prefix / "include/oxpecker/oxpecker.h").read_text()
        self.assertGreater(len(headers), 10)
        for header in headers:
            with self.subTest(header=header.name):
                self.assertTrue(header.name == "oxpecker.h" or f"<oxpecker/{header.name}>" in umbrella, "not in oxpecker.h")
                for compiler, standard in (("cc", "c17"), ("c++", "c++17")):
                    language = "c" if compiler == "cc" else "c++"
                    status, out, err = run(compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", *flags, "-include",
                                           f"oxpecker/{header.name}", "-x", language, "/dev/null")
                    self.assertEqual(status, 0, out + err)

    def test_only_the_headers_names_are_exported(self):
        status, out, err = run("nm", "-D", "--defined-only", self.library / "liboxpecker.so.0")
        self.assertEqual(status, 0, err)
        text = "".join(p.read_text() for p in (self.prefix / "include/oxpecker").glob("*.h"))
        names = [line.split()[-1] for line in out.splitlines()]
        self.assertGreater(len(names), 100)
        self.assertEqual([n for n in names if n not in text], [])


if __name__ == "__main__":
    unittest.main()
