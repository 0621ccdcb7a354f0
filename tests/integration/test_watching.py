"""What the sidecar looks at by itself: the orchestrator's process; and all of it at once, at start and stop. All of it real."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from harness import OXPECKER, run, wait_for
from provider.process import KEY
from watching import CPU, FDS, GAUGES, NO_SIGNAL, OldProvider, Puppet, RSS, SANITIZED, Sidecar, THREADS, WATCH, line_of, metric, polls, wait_value


class NamespacedSidecar(Sidecar):
    """In a pid namespace of its own, where it sees nobody."""

    def command(self):
        return ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *super().command()]

    def stop(self, number=signal.SIGINT, seconds=30):
        for child in pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            os.kill(int(child), number)
        return self.process.wait(seconds)


def may_unshare():
    return shutil.which("unshare") and run("unshare", "--pid", "--fork", "--mount-proc", "true")[0] == 0


class Process(unittest.TestCase):
    def seen(self, sidecar):
        metrics = sidecar.metrics()
        metrics[CPU] = sum(v for n, v in metrics.items() if n.startswith("orchestrator_process_cpu_seconds_total"))
        return metrics

    def shown(self, sidecar, test, what):
        """Waits for metrics of which test() is true."""
        return wait_for(lambda: (lambda m: m if RSS in m and test(m) else None)(self.seen(sidecar)), what=what)

    def test_the_announced_process_is_measured(self):
        with Sidecar(*WATCH, "--orchestrator.checkpoint-path=/tmp", "--orchestrator.spool-path=/") as sidecar, Puppet() as puppet:
            self.assertFalse([name for name in sidecar.metrics() if name.startswith("orchestrator_process_") and name in GAUGES])
            puppet.announce(sidecar, pid=puppet.pid)
            before = self.shown(sidecar, lambda m: m[RSS] > 0, "a first look")
            rows = [
                ("burn(0.5)", CPU, 0.4, 1.0),
                ("alloc(60)", RSS, 55 << 20, 70 << 20),
                ("fds(40)", FDS, 40, 40),
                ("threads(5)", THREADS, 5, 5),
                ("child(0.5)", CPU, 0.4, 1.2),
            ]
            for line, name, least, most in rows:
                with self.subTest(line):
                    start = self.seen(sidecar)[name]
                    puppet.do(line)
                    grown = self.shown(sidecar, lambda m, n=name, s=start, l=least: m[n] >= s + l, line)[name] - start
                    time.sleep(0.3)
                    grown = max(grown, self.seen(sidecar)[name] - start)
                    self.assertLessEqual(grown, most, f"{line}: {name}")
            puppet.do(f"write({str(sidecar.directory / 'written')!r}, 4)")
            written = 'orchestrator_process_disk_bytes_total{direction="write"}'
            if pathlib.Path(f"/proc/{puppet.pid}/io").exists() and subprocess.run(
                    ["findmnt", "-no", "FSTYPE", "-T", str(sidecar.directory)], capture_output=True, text=True, check=False).stdout.strip() != "tmpfs":
                self.shown(sidecar, lambda m: m[written] >= before[written] + (3 << 20), "bytes written")
            after = sidecar.metrics()
            self.assertGreaterEqual(after["orchestrator_process_max_fds"], 256)
            for mount, path in (("checkpoints", "/tmp"), ("spool", "/")):
                avail = [v for n, v in after.items() if n.startswith("orchestrator_filesystem_avail_bytes") and mount[:5] in n]
                self.assertEqual(len(avail), 1, mount)
                info = os.statvfs(path)
                self.assertAlmostEqual(avail[0], info.f_bavail * info.f_frsize, delta=1 << 30)
            container = {n: v for n, v in after.items() if n.startswith("orchestrator_container_")}
            working = "orchestrator_container_memory_working_set_bytes"
            print(f"container families here: {'shown' if working in container else 'hidden: no cgroup v2 with them'}")
            if working in container:
                self.assertGreater(container[working], 1 << 20)

    def test_a_killed_process_goes_and_a_new_one_goes_on(self):
        with Sidecar(*WATCH, "--orchestrator.reconnect-grace=0s") as sidecar:
            with Puppet() as first:
                first.announce(sidecar)
                start = self.shown(sidecar, lambda m: True, "the first")[CPU]
                first.do("burn(0.5)")
                seen = self.shown(sidecar, lambda m: m[CPU] >= start + 0.4, "its time")[CPU]
                with Puppet() as second:
                    second.do("burn(2)")
                    second.do("threads(30)")
                    first.kill()
                    second.announce(sidecar)
                    after = self.shown(sidecar, lambda m: m[THREADS] >= 30, "the second")[CPU]
                    self.assertGreaterEqual(after, seen, "counters never fall")
                    self.assertLess(after, seen + 0.8, "what the second used before it was looked at counts for nothing")
                    second.do("burn(0.5)")
                    self.shown(sidecar, lambda m: m[CPU] >= after + 0.4, "the time of the second")
                    second.kill()
                    for name in GAUGES:
                        wait_value(sidecar, name, None)
                    left = self.seen(sidecar)
                    self.assertGreaterEqual(left[CPU], after + 0.4)
                    self.assertEqual(left["orchestrator_restarts_total"], 1)

    def test_who_stops_is_watched_no_more_and_others_go_on(self):
        with Sidecar(*WATCH) as sidecar, Puppet() as one, Puppet() as other:
            other.announce(sidecar, writer="other")
            wait_value(sidecar, "orchestrator_up", 1)
            one.do("threads(20)").announce(sidecar)
            self.shown(sidecar, lambda m: m[THREADS] >= 20, "the newest announced")
            other.do('say({"type": "orchestrator.stopping", "writer": "other"})')
            time.sleep(2.5)  # longer than the liveness window and a turn of the ledger's clock
            self.assertGreaterEqual(sidecar.metrics().get(THREADS, 0), 20, "another writer stopped")
            one.do('say({"type": "orchestrator.stopping"})')
            wait_value(sidecar, THREADS, None)

    def test_without_an_interval_nothing_is_looked_at(self):
        with Sidecar("--orchestrator.watch-interval=0s", "--orchestrator.checkpoint-path=/tmp") as sidecar, Puppet() as puppet:
            puppet.announce(sidecar)
            wait_value(sidecar, "orchestrator_up", 1)
            time.sleep(0.6)
            shown = [n for n in sidecar.metrics() if n in GAUGES or n.startswith("orchestrator_filesystem") or n.startswith("orchestrator_container_memory")]
            self.assertEqual(shown, [])

    def test_a_configured_pid_needs_no_announcement(self):
        with Puppet() as puppet:
            puppet.do("threads(15)")
            with Sidecar(*WATCH, f"--orchestrator.pid={puppet.pid}") as sidecar, Puppet() as other:
                self.shown(sidecar, lambda m: m[THREADS] >= 16, "the configured process")
                other.announce(sidecar)
                wait_for(lambda: "orchestrator_up" in sidecar.metrics(), what="the announcement")
                time.sleep(0.5)  # two looks
                self.assertGreaterEqual(sidecar.metrics()[THREADS], 16, "an announcement changes nothing")

    def test_events_count_where_nothing_is_watched(self):
        resource = json.dumps({"type": "resource", "rss": 12345678, "fds": 77, "threads": 3}).encode()
        with Sidecar(*WATCH) as sidecar:
            def post():
                status, _, body = sidecar.request("/api/oxpecker/v1/events", "POST", resource)
                self.assertEqual((status, json.loads(body)["accepted"]), (200, 1), body)
            post()
            self.assertEqual([metric(sidecar, n) for n in (RSS, FDS, THREADS)], [12345678, 77, 3])
            with Puppet() as puppet:
                puppet.announce(sidecar)
                self.shown(sidecar, lambda m: m[RSS] != 12345678, "the watch wins")
                post()
                seen = sidecar.metrics()
                self.assertNotIn(12345678, (seen[RSS],))
                self.assertNotEqual(seen[FDS], 77)
            wait_value(sidecar, RSS, 12345678)

    def test_a_process_of_a_nested_namespace_stands_for_itself(self):
        if not may_unshare():
            self.skipTest("unshare --pid is not allowed here")
        with Sidecar(*WATCH) as sidecar, Puppet("unshare", "--pid", "--fork", "--mount-proc", "--kill-child") as puppet:
            self.assertEqual(puppet.own_pid, 1)
            puppet.do("threads(25)").announce(sidecar, pid=1)
            seen = self.shown(sidecar, lambda m: True, "the nested process")
            self.assertGreaterEqual(seen[THREADS], 26, "and not our pid 1")

    def test_a_process_that_cannot_be_seen_is_not_guessed_at(self):
        if not may_unshare():
            self.skipTest("unshare --pid is not allowed here")
        with NamespacedSidecar(*WATCH) as sidecar, Puppet() as puppet:
            puppet.announce(sidecar, pid=1)  # which is the sidecar's own number there
            wait_value(sidecar, "orchestrator_up", 1)
            time.sleep(0.6)
            self.assertEqual([n for n in sidecar.metrics() if n in GAUGES], [])

    def test_a_reused_pid_is_another_process(self):
        last = pathlib.Path("/proc/sys/kernel/ns_last_pid")
        if not os.access(last, os.W_OK):
            self.skipTest("/proc/sys/kernel/ns_last_pid cannot be written here")
        with Sidecar("--orchestrator.watch-interval=2s", "--orchestrator.liveness=1s") as sidecar, Puppet() as puppet:
            puppet.announce(sidecar)
            self.shown(sidecar, lambda m: True, "the first")
            puppet.kill()
            for _ in range(300):
                try:
                    last.write_text(str(puppet.pid - 1))
                except OSError as error:
                    self.skipTest(f"ns_last_pid: {error}")
                impostor = subprocess.Popen(["sleep", "30"])
                if impostor.pid == puppet.pid:
                    break
                impostor.kill()
                impostor.wait()
            try:
                if impostor.pid != puppet.pid:
                    self.skipTest("the pid could not be had again")
                wait_value(sidecar, RSS, None)
                time.sleep(2.2)
                self.assertIsNone(metric(sidecar, RSS))
            finally:
                impostor.kill()
                impostor.wait()


# ---- Start, stop, memory ----

class StartAndStop(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="oxpecker-watching-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        (self.folder / "key").write_text(KEY)
        (self.folder / "log").write_text(line_of(1))

    def all_three(self, url, but=None):
        flags = (*WATCH, "--orchestrator.checkpoint-path=/tmp", f"--orchestrator.log-file={self.folder / 'log'}", f"--provider.base-url={url}",
                 f"--provider.api-key-file={self.folder / 'key'}")
        return [f for f in flags if f.split("=")[0] != but]

    def test_a_start_that_fails_says_why_at_once(self):
        rows = [
            ("--provider.tag=nothing", "provider: the tag is not KEY=VALUE"),
            ("--provider.tag=a=" + "x" * 4000, "provider: the tag is longer"),
            ("--provider.project-id=a/b", "provider: the project's id"),
            ("--provider.base-url=http://127.0.0.1:1/?x=1", "provider: the base URL"),
            ("--orchestrator.log-utc-offset=tomorrow", 'orchestrator.log_utc_offset: "tomorrow" is not +HH:MM or -HH:MM'),
            ("--orchestrator.log-utc-offset=+25:00", "orchestrator.log_utc_offset"),
            ("--orchestrator.log-utc-offset=+02:00x", "orchestrator.log_utc_offset"),
            ("--orchestrator.log-utc-offset=+1", "orchestrator.log_utc_offset"),
        ]
        for flag, words in rows:
            with self.subTest(flag[:60]):
                began = time.monotonic()
                status, out, errors = run(OXPECKER, "--web.listen-address=127.0.0.1:0", f"--events.listen-unix={self.folder / 's'}",
                                          *self.all_three("http://127.0.0.1:1", *flag.split("=")[:1]), flag)
                self.assertLess(time.monotonic() - began, 10 if SANITIZED else 2)
                last = errors.splitlines()[-1]
                self.assertEqual((status, out), (1, ""))
                self.assertTrue(last.startswith("oxpecker: "), errors)
                self.assertIn(words, last)
                self.assertFalse((self.folder / "s").exists())
        for offset in ("+00:00", "-03:30", "+0530", "Z", "+14:00"):
            with self.subTest(offset), Sidecar(f"--orchestrator.log-file={self.folder / 'log'}", f"--orchestrator.log-utc-offset={offset}") as sidecar:
                self.assertEqual(sidecar.stop(), 0)

    def test_a_stop_with_all_three_at_work_is_quick(self):
        with OldProvider() as provider:
            for number in (signal.SIGTERM, signal.SIGINT):
                with self.subTest(number), Sidecar(*self.all_three(provider.url), storage=True) as sidecar, Puppet() as puppet:
                    puppet.announce(sidecar)
                    wait_value(sidecar, polls("ok"), 1)
                    wait_for(lambda: RSS in sidecar.metrics(), what="the process")
                    with open(self.folder / "log", "a", encoding="ascii") as file:
                        file.write("".join(line_of(n) for n in range(2000)))
                    puppet.kill()
                    began = time.monotonic()
                    sidecar.send_signal(number)
                    time.sleep(0.1)
                    if number == signal.SIGTERM:
                        with contextlib.suppress(OSError):  # it may be gone already
                            sidecar.request("/metrics")  # the last scrape that it waits for
                    self.assertEqual(sidecar.stop(NO_SIGNAL), 0)
                    took = time.monotonic() - began
                    print(f"stop by {number.name}: {took:.2f} s")
                    self.assertLess(took, 20 if SANITIZED else 2)

    def test_announcements_that_come_with_the_last_bytes(self):
        """What is read when the loop is over reaches an intake whose watchers are gone."""
        with Sidecar(*WATCH) as sidecar:
            writers = [sidecar.connect() for _ in range(3)]
            event = b'{"type": "orchestrator.started", "boot": "b"}\n{"type": "orchestrator.stopping"}\n'
            ended = threading.Event()

            def flood(writer):
                try:
                    while not ended.is_set():
                        writer.sendall(event * 200)
                except OSError:
                    pass

            threads = [threading.Thread(target=flood, args=(w,)) for w in writers]
            for thread in threads:
                thread.start()
            time.sleep(0.3)
            sidecar.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            sidecar.send_signal(signal.SIGTERM)  # at once
            try:
                self.assertEqual(sidecar.stop(NO_SIGNAL), 0)
            finally:
                ended.set()
                for thread in threads:
                    thread.join()
                for writer in writers:
                    writer.close()

    def test_memory_of_the_default_configuration(self):
        """Past the first sample and the first evaluation of the rules, which come within the interval of 15 s."""
        def resident():
            status = pathlib.Path(f"/proc/{sidecar.process.pid}/status").read_text()
            return int(next(l for l in status.splitlines() if l.startswith("VmRSS")).split()[1]) * 1024

        if SANITIZED:
            self.skipTest("a sanitizer's memory says nothing")
        with Sidecar() as sidecar:
            time.sleep(17)  # not by asking: an answer takes memory, too
            idle = resident()
            wait_for(lambda: (metric(sidecar, "oxpecker_tsdb_samples_appended_total") or 0) > 0, 60, "the first sample")
            print(f"resident when idle, default configuration: {idle / 2**20:.1f} MiB (limit 8), after a scrape {resident() / 2**20:.1f} MiB")
            self.assertLessEqual(idle, 8 << 20)


if __name__ == "__main__":
    unittest.main()
