"""What the sidecar looks at by itself: the orchestrator's process, its log file, the provider; all of it real."""
import concurrent.futures
import contextlib
import json
import logging
import logging.handlers
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import harness
from harness import OXPECKER, no_proxy_environment, run, wait_for
from provider.process import KEY, PROVIDER, PYTHON, Provider

# It is told to stop already. Not SIGCONT, which does nothing either: it takes away the SIGSTOP by which the leak checker halts
# the threads at exit, and that one waits for ever.
NO_SIGNAL = 0
SANITIZED = any(name in OXPECKER.read_bytes() for name in (b"__asan_init", b"__tsan_init")) if OXPECKER.is_file() else False
FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
PROJECT = "00000000-0000-4000-8000-000000000001"
LOG_EVENTS = 'oxpecker_events_received_total{transport="log"}'
STARTED = 'orchestrator_sessions_started_total{region="other"}'
ORPHANED = "orchestrator_sessions_orphaned"


class Sidecar(harness.Sidecar):
    """One that a sanitizer has nothing to say of."""

    def stop(self, number=signal.SIGINT, seconds=30):
        status = super().stop(number, seconds)
        for words in ("Sanitizer", "runtime error:"):
            if words in self.logged():
                raise AssertionError(self.logged()[-6000:])
        return status


def metric(sidecar, name):
    return sidecar.metrics().get(name)


def wait_value(sidecar, name, wanted, seconds=10):
    """Waits until the metric has that value (None: is not shown)."""
    seen = []

    def there():
        seen[:] = [metric(sidecar, name)]
        return seen[0] == wanted

    try:
        wait_for(there, seconds, name)
    except AssertionError:
        raise AssertionError(f"{name}: {seen[0]}, not {wanted}, after {seconds} s; {sidecar.logged()[-3000:]}") from None


# ---- The process ----

WATCH = ("--orchestrator.watch-interval=200ms", "--orchestrator.liveness=1s")
CPU = "cpu"  # of both modes: how a loop's time is divided between them is the kernel's affair
RSS = "orchestrator_process_resident_memory_bytes"
FDS = "orchestrator_process_open_fds"
THREADS = "orchestrator_process_threads"
GAUGES = (RSS, FDS, THREADS, "orchestrator_process_max_fds")

# An orchestrator that does what a line on its standard input says. Given a socket it announces itself there.
PUPPET = r"""
import json, os, socket, subprocess, sys, threading, time
kept, connection = [], None
def announce(path, **more):
    global connection
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    say({"type": "orchestrator.started", "boot": os.urandom(8).hex(), **more})
def say(event):
    connection.sendall(json.dumps(event).encode() + b"\n")
def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
def alloc(mebibytes):
    kept.append(b"x" * (mebibytes << 20))
def fds(count):
    kept.extend(open("/dev/null") for _ in range(count))
def threads(count):
    for _ in range(count):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
def child(seconds):
    code = f"import time\nuntil = time.process_time() + {seconds}\nwhile time.process_time() < until: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
def write(path, mebibytes):
    with open(path, "wb") as file:
        file.write(os.urandom(mebibytes << 20))
        os.fsync(file.fileno())
print(os.getpid(), flush=True)
for line in sys.stdin:
    exec(line)
    print("ok", flush=True)
"""


class Puppet:
    """A python process of its own; `do` runs a line of code in it."""

    def __init__(self, *prefix):
        self.process = subprocess.Popen([*prefix, sys.executable, "-c", PUPPET], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=no_proxy_environment())
        self.own_pid = int(self.process.stdout.readline())  # as it sees it
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()

    def do(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n", line
        return self

    def announce(self, sidecar, **more):
        return self.do(f"announce({str(sidecar.socket)!r}, **{more!r})")

    def kill(self):
        self.process.kill()
        self.process.wait()


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
        return wait_for(lambda: (lambda m: m if RSS in m and test(m) else None)(self.seen(sidecar)), 10, what)

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
                time.sleep(0.5)
                self.assertGreaterEqual(sidecar.metrics()[THREADS], 16, "an announcement changes nothing")
                wait_value(sidecar, "orchestrator_up", 1)

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


# ---- The log ----

class Log:
    """Python's logging into a file, as the orchestrator's documents set it up. Each has a logger of its own."""
    count = 0

    def __init__(self, handler):
        Log.count += 1
        self.handler = handler
        formatter = logging.Formatter(FORMAT)
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
        self.logger = logging.getLogger(f"watching{Log.count}.src.orchestrator")
        self.logger.setLevel(logging.INFO)
        self.logger.propagate = False
        self.logger.addHandler(handler)

    def audit(self, action, status, session="N/A", task="N/A", details="ok", level=logging.INFO, **more):
        self.logger.log(level, "Action: %s, Status: %s, Workflow: video_discovery, SessionID: %s, TaskID: %s, Details: %s",
                        action, status, session, task, details, **more)

    def session(self, name):
        self.audit("create_session", "success", session=name)

    def close(self):
        self.logger.removeHandler(self.handler)
        self.handler.close()


def line_of(number, task=False):
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    what = "execute_task, Status: success" if task else "create_session, Status: success"
    return (f"{now},000 - src.orchestrator - INFO - Action: {what}, Workflow: w, SessionID: s-{number}, TaskID: t-{number}, "
            f"Details: project=p-1, region=us-west-2, note={'x' * 20}\n")


class FollowedLog(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="oxpecker-log-"))
        self.path = self.folder / "orchestrator.log"
        self.addCleanup(shutil.rmtree, self.folder, True)

    def sidecar(self, *flags, **more):
        return Sidecar(f"--orchestrator.log-file={self.path}", *flags, **more)

    def append(self, text, path=None):
        with open(path or self.path, "ab") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def test_an_orchestrator_that_only_logs_is_measured(self):
        """Its own program: logging.basicConfig and the words of its documents, nothing else."""
        program = f"""
import logging, time
logging.basicConfig(filename={str(self.path)!r}, level=logging.INFO, format={FORMAT!r})
logging.Formatter.converter = time.gmtime
log = logging.getLogger("src.orchestrator")
def audit(action, status, session=None, task=None, details="ok", level=logging.INFO, **more):
    log.log(level, f"Action: {{action}}, Status: {{status}}, Workflow: video_discovery, SessionID: {{session}}, TaskID: {{task}}, Details: {{details}}", **more)
audit("run_workflow", "started", details="site=youtube, sessions=3")
for n in "123":
    audit("create_session", "started")
    audit("create_session", "success", f"s-{{n}}")
    audit("create_task", "success", f"s-{{n}}", f"t-{{n}}")
    audit("execute_task", "started", f"s-{{n}}", f"t-{{n}}")
audit("execute_task", "success", "s-1", "t-1")
audit("execute_task", "success", "s-2", "t-2")
try:
    raise TimeoutError("Navigation timeout of 30000 ms exceeded")
except TimeoutError as error:
    audit("execute_task", "failed", "s-3", "t-3", error, logging.ERROR, exc_info=True)
for n in "12":
    audit("release_session", "success", f"s-{{n}}")
log.error("disk is nearly full")
audit("run_workflow", "partial")
"""
        with self.sidecar() as sidecar:
            status, _, errors = run(sys.executable, "-c", program)
            self.assertEqual((status, errors), (0, ""))
            name = 'orchestrator_workflow_runs_total{workflow="video_discovery",status="partial"}'
            wait_value(sidecar, name, 1)
            metrics = sidecar.metrics()
            wanted = {
                STARTED: 3,
                'orchestrator_sessions_active{state="running"}': 1,
                'orchestrator_sessions_ended_total{status="completed"}': 2,
                'orchestrator_session_create_duration_seconds_count{outcome="ok"}': 3,
                'orchestrator_tasks_started_total{workflow="video_discovery"}': 3,
                'orchestrator_tasks_ended_total{workflow="video_discovery",status="succeeded"}': 2,
                'orchestrator_tasks_ended_total{workflow="video_discovery",status="failed"}': 1,
                'orchestrator_workflow_duration_seconds_count{workflow="video_discovery"}': 1,
            }
            self.assertEqual({n: metrics.get(n) for n in wanted}, wanted)
            self.assertEqual(sum(v for n, v in metrics.items() if n.startswith("orchestrator_errors_total{")), 2)
            self.assertEqual([s["id"] for s in sidecar.json("/api/oxpecker/v1/sessions")["sessions"]], ["s-3"])
            self.assertEqual(sum(v for n, v in metrics.items() if n.startswith("oxpecker_events_rejected_total")), 0, sidecar.logged())

    def test_rotation_by_rename(self):
        handler = logging.handlers.RotatingFileHandler(self.path, maxBytes=40000, backupCount=3)
        with self.sidecar() as sidecar:
            wait_for(lambda: "is followed" in sidecar.logged(), 5, "following")
            log = Log(handler)
            for n in range(1000):  # a file a second: each is left after two looks, and nobody finds one that came and went meanwhile
                log.session(f"r-{n}")
                if n % 9 == 0:
                    time.sleep(0.03)
            log.close()
            wait_value(sidecar, STARTED, 1000)
            self.assertGreaterEqual(sidecar.logged().count("was rotated"), 3)

    def test_copytruncate_partial_lines_and_a_file_that_comes_later(self):
        with self.sidecar() as sidecar:
            wait_for(lambda: "log is not there" in sidecar.logged(), 5, "the notice")
            self.append(line_of(1))
            wait_value(sidecar, STARTED, 1)
            whole = line_of(2)
            self.append(whole[:60])
            time.sleep(0.6)
            self.assertEqual(metric(sidecar, STARTED), 1)
            self.append(whole[60:])
            wait_value(sidecar, STARTED, 2)
            shutil.copy(self.path, self.folder / "orchestrator.log.1")
            os.truncate(self.path, 0)
            time.sleep(0.6)
            self.append(line_of(3).replace("\n", "\r\n"))
            wait_value(sidecar, STARTED, 3)
            self.path.unlink()
            time.sleep(0.6)
            self.append(line_of(4))
            wait_value(sidecar, STARTED, 4)

    def test_garbage_costs_itself_alone(self):
        with self.sidecar() as sidecar:
            self.append(line_of(1))
            self.append(os.urandom(300000))
            self.append(b"\n" + b"\0" * 5000 + b"\n" + b"y" * 200000 + b"\n" + b"\xff\xfe{\"type\":\n" + b"{" * 5000 + b"\n")
            self.append(line_of(2)[:-1] + "z" * 60000 + "\n")  # within the limit, cut in the event
            self.append(line_of(3))
            wait_value(sidecar, STARTED, 3)
            self.assertIn("too long", sidecar.logged())
            self.assertIsNone(sidecar.process.poll())

    def burst(self, lines):
        """Ten megabytes at once; gives (bytes, how many lines)."""
        text = "".join(line_of(n % 500, task=n >= 500) for n in range(lines))
        self.append(text)
        return len(text)

    def test_a_burst_of_ten_megabytes(self):
        lines = 60000
        with self.sidecar() as sidecar:
            self.append(line_of(0))
            wait_value(sidecar, STARTED, 1)
            before = metric(sidecar, LOG_EVENTS)
            began = time.monotonic()
            size = self.burst(lines)
            written = time.monotonic()
            waits = []
            name = 'orchestrator_sessions_active{state="running"}'

            def done():
                for path in ("/metrics", "/api/oxpecker/v1/sessions?limit=1"):  # the second asks the loop
                    start = time.monotonic()
                    status, _, body = sidecar.request(path)
                    waits.append(time.monotonic() - start)
                    self.assertEqual(status, 200)
                    if path == "/metrics":
                        seen = next(float(l.split()[-1]) for l in body.decode().splitlines() if l.startswith(LOG_EVENTS))
                return seen >= before + lines  # an audit event for each line, at the least

            wait_for(done, 120, "the burst")
            took = time.monotonic() - written
            wait_value(sidecar, name, 500)
            print(f"burst: {size / 1e6:.1f} MB, {lines} lines in {took:.2f} s after they were written ({lines / (time.monotonic() - began):.0f} lines/s "
                  f"with writing), slowest of {len(waits)} answers {max(waits) * 1000:.0f} ms, resident "
                  f"{metric(sidecar, 'process_resident_memory_bytes') / 1e6:.1f} MB")
            self.assertLess(max(waits), 5 if SANITIZED else 0.1)
            self.assertLess(metric(sidecar, "process_resident_memory_bytes"), (1 << 30) if SANITIZED else (24 << 20))

    def test_a_clean_restart_neither_repeats_nor_loses(self):
        """Lines of errors: of these nobody can tell that one was counted before."""
        burst = 10000 if SANITIZED else 100000
        line = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()) + ",000 - src.orchestrator - ERROR - disk is nearly full, again\n"

        def counted(sidecar):
            return sum(v for n, v in sidecar.metrics().items() if n.startswith("orchestrator_errors_total{"))

        with self.sidecar(storage=True) as sidecar:
            self.append(line)
            wait_for(lambda: counted(sidecar) == 1, 10, "the first")
            written, stops, inside = 1, 0, 0
            for turn in range(5):
                self.append(line * burst)  # in one go, and the stop comes as soon as the first are counted
                before, written = written, written + burst
                deadline = time.monotonic() + 10
                while counted(sidecar) == before:
                    self.assertLess(time.monotonic(), deadline, "nothing of the burst was counted")
                self.assertEqual(sidecar.stop(), 0)
                stops += 1
                self.append(line)  # while nobody looks
                written += 1
                sidecar.start()
                inside += counted(sidecar) < written - 1
                wait_for(lambda: counted(sidecar) >= written, 30, f"all lines of turn {turn}: {counted(sidecar)} of {written}")
            time.sleep(0.6)
            self.assertEqual(counted(sidecar), written)
            print(f"{written} lines over {stops} clean stops, {inside} of them inside a burst: each counted once")

    def test_kill_9_loses_nothing(self):
        lines = 5000
        with self.sidecar(storage=True) as sidecar:
            self.append(line_of("first"))
            wait_value(sidecar, STARTED, 1)
            for turn in range(5):
                self.append("".join(line_of(turn * 1000 + n) for n in range(lines // 5)))
                time.sleep(0.06 * turn)
                sidecar.kill()
                if turn == 2:
                    os.rename(self.path, self.folder / "orchestrator.log.1")  # rotated while nobody looked
                    self.append(line_of("after"))
                sidecar.start()
            wait_for(lambda: sidecar.json("/api/oxpecker/v1/sessions?limit=1")["total"] == lines + 2, 30, "every session by its id")

    def test_without_storage_a_restart_begins_at_the_end(self):
        with self.sidecar() as sidecar:
            self.append(line_of(1))
            wait_value(sidecar, STARTED, 1)
            sidecar.stop()
            sidecar.start()
            wait_for(lambda: sidecar.logged().count("log is followed") == 2, 5, "following")
            self.append(line_of(2))
            wait_value(sidecar, STARTED, 1)
            self.assertEqual([s["id"] for s in sidecar.json("/api/oxpecker/v1/sessions")["sessions"]], ["s-2"])

    def test_another_file_is_not_read_from_the_old_position(self):
        self.append("".join(line_of(n) for n in range(50)), self.folder / "other.log")
        with self.sidecar(storage=True) as sidecar:
            self.append(line_of("a"))
            wait_value(sidecar, STARTED, 1)
            sidecar.stop()
            sidecar.flags[0] = f"--orchestrator.log-file={self.folder / 'other.log'}"
            sidecar.start()
            wait_for(lambda: "other.log" in sidecar.logged(), 5, "following")
            self.append(line_of("b"), self.folder / "other.log")
            wait_value(sidecar, STARTED, 2)

    def test_standard_input_and_a_fifo(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)

        class Fed(Sidecar):
            def command(self):
                return ["/bin/sh", "-c", 'exec "$@" < ' + str(fifo), "sh", *super().command()]

        for kind, make in (("stdin", lambda: Fed("--orchestrator.log-file=-")), ("fifo", lambda: Sidecar(f"--orchestrator.log-file={fifo}"))):
            with self.subTest(kind):
                sidecar = make()
                feed = os.open(fifo, os.O_RDWR) if kind == "stdin" else None  # the shell's open waits for a writer
                with sidecar:
                    end = os.open(fifo, os.O_WRONLY)
                    if feed is not None:
                        os.close(feed)
                    os.write(end, line_of(1).encode())
                    began = time.monotonic()
                    wait_value(sidecar, STARTED, 1)
                    self.assertLess(time.monotonic() - began, 5 if SANITIZED else 0.5)
                    many = "".join(line_of(n) for n in range(2, 5001)).encode()
                    began = time.monotonic()
                    while many:
                        many = many[os.write(end, many):]
                    wait_value(sidecar, STARTED, 5000)
                    print(f"{kind}: {5000 / (time.monotonic() - began):.0f} lines/s")
                    os.write(end, line_of("last")[:-1].encode())
                    os.close(end)
                    if kind == "stdin":
                        wait_value(sidecar, STARTED, 5001)
                        wait_for(lambda: "standard input was closed" in sidecar.logged(), 5, "the end")
                    else:
                        end = os.open(fifo, os.O_WRONLY)  # the next writer goes on
                        os.write(end, b"\n" + line_of("more").encode())
                        os.close(end)
                        wait_value(sidecar, STARTED, 5002)
                    self.assertEqual(sidecar.stop(), 0)

    def test_secrets_stay_in_the_file(self):
        canaries = ["sk-canary-1a2b3c4d5e6f", "hunter2canary", "bb_live_canary_0123456789", "eyJcanary.eyJcanary.c2ln"]
        with self.sidecar("--log.level=debug", storage=True) as sidecar:
            log = Log(logging.FileHandler(self.path))
            log.audit("create_session", "failed", details=f"401 for api_key={canaries[0]}, header X-BB-API-Key: {canaries[2]}", level=logging.ERROR)
            log.logger.error("password=%s", canaries[1])
            log.logger.warning("Authorization: Bearer %s", canaries[3])
            log.session("s-1")
            log.audit("execute_task", "failed", "s-1", "t-1", f"wss://connect.example/?apiKey={canaries[0]}", logging.ERROR)
            try:
                raise RuntimeError(f"token={canaries[1]}")
            except RuntimeError:
                log.logger.exception("it went wrong")
            self.append("no log line at all api_key=" + canaries[0] + "\n")
            self.append('{"type": "session.started", "session": "' + canaries[0] + " password=" + canaries[1] + '", "timeout_s": "x"}\n')
            log.session("s-2")
            log.close()
            wait_value(sidecar, STARTED, 2)
            texts = {"log": sidecar.logged(), "metrics": sidecar.request("/metrics")[2].decode()}
            for path in ("sessions", "tasks", "breakers", "incidents", "traces", "logs"):
                texts[path] = sidecar.request(f"/api/oxpecker/v1/{path}")[2].decode()
            for file in (sidecar.directory / "storage").iterdir():
                texts[file.name] = file.read_text(errors="replace")
            for where, text in texts.items():
                for canary in canaries:
                    self.assertNotIn(canary, text, where)
            self.assertGreater(metric(sidecar, LOG_EVENTS), 6, "they were read")


# ---- The provider ----

# The provider two minutes ago, so that its sessions are old enough for what waits for that.
EARLIER = ("import runpy, sys, time; real = time.time; time.time = lambda: real() - 120; "
           f"sys.path.insert(0, {str(PROVIDER.parent)!r}); sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')")


class OldProvider(Provider):
    def __init__(self, *flags, key=KEY):
        super().__init__("--startup", "0", "--release-delay", "0", *flags, key=key)
        self.command = [PYTHON, "-c", EARLIER, *self.command[1:]]


def polls(outcome):
    return f'orchestrator_provider_polls_total{{outcome="{outcome}"}}'


class Provided(unittest.TestCase):
    """A poll comes every 5 s at the most often, so the stories are told at the same time; each test waits for its own."""
    TAG = "run=a1"

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="oxpecker-provider-"))
        (cls.folder / "key").write_text(KEY + "\n")
        (cls.folder / "wrong").write_text("bb_wrong_canary\n")
        cls.pool = concurrent.futures.ThreadPoolExecutor()
        cls.told = {name: cls.pool.submit(getattr(cls, "tell_" + name)) for name in
                    ("releases", "dead", "unmatched", "wrong_key", "outage", "slow")}

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()
        shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def sidecar(cls, provider, *flags, key="key", **more):
        return Sidecar(f"--provider.base-url={provider.url}", f"--provider.api-key-file={cls.folder / key}", f"--provider.tag={cls.TAG}",
                       "--provider.interval=5s", "--orchestrator.reconnect-grace=0s", *flags, **more)

    @staticmethod
    def orphan(sidecar, *sessions):
        """Sessions that a writer reports before he is killed."""
        with Puppet() as puppet:
            puppet.announce(sidecar)
            for session in sessions:
                puppet.do(f'say({{"type": "session.started", "session": {session["id"]!r}, "ts": {time.time() - 100}}})')
            wait_value(sidecar, 'orchestrator_sessions_active{state="running"}', len(sessions))
            puppet.kill()
        wait_value(sidecar, ORPHANED, len(sessions))

    @classmethod
    def tell_releases(cls):
        with OldProvider() as provider, cls.sidecar(
                provider, config="provider: {release_orphans: dry-run, release_after: 1s}\n") as sidecar:
            session = provider.create(userMetadata={"run": "a1"})
            cls.orphan(sidecar, session)
            wait_for(lambda: "dry run: an orphaned session would be released" in sidecar.logged(), 20, "the dry run")
            dry = (session["id"] in sidecar.logged(), provider.get(session)["status"], sum(provider.state()["calls"].get("release", {}).values()),
                   metric(sidecar, 'orchestrator_sessions_reaped_total{outcome="ok"}'))
            sidecar.config.write_text("provider: {release_orphans: on, release_after: 1s}\n")
            sidecar.send_signal(signal.SIGHUP)
            wait_value(sidecar, 'orchestrator_sessions_reaped_total{outcome="ok"}', 1, 20)
            status = provider.get(session)["status"]
            state = sidecar.metrics()
            wait_value(sidecar, ORPHANED, 0, 30)
            return dry, status, state, sidecar.metrics(), sidecar.logged()

    def test_an_orphan_is_released_when_that_is_on(self):
        dry, status, then, after, log = self.told["releases"].result()
        self.assertEqual(dry, (True, "RUNNING", 0, 0), "named, running still, the provider not asked, nothing reaped")
        self.assertEqual(status, "COMPLETED")
        self.assertEqual(then[ORPHANED], 1, "it is an orphan until the provider says that it ended")
        self.assertEqual(after['orchestrator_sessions_ended_total{status="completed"}'], 1)
        self.assertEqual(after['orchestrator_sessions_reaped_total{outcome="failed"}'], 0)
        self.assertIn("an orphaned session was released", log)
        self.assertIn("reloaded the configuration", log)
        self.assertEqual(log.count("dry run: an orphaned"), 1, "said once")

    @classmethod
    def tell_dead(cls):
        """Orphans that end by themselves leave with their true status."""
        with OldProvider() as provider, cls.sidecar(provider, "--provider.release-orphans=off") as sidecar:
            sessions = [provider.create() for _ in range(3)]
            cls.orphan(sidecar, *sessions)
            for session, what in zip(sessions, ("error", "time_out", "complete")):
                provider.do(session, what)
            wait_value(sidecar, ORPHANED, 0, 30)
            return sidecar.metrics(), sum(provider.state()["calls"].get("release", {}).values())

    def test_an_orphan_leaves_with_its_true_status(self):
        metrics, releases = self.told["dead"].result()
        self.assertEqual([metrics[f'orchestrator_sessions_ended_total{{status="{s}"}}'] for s in ("error", "timed_out", "completed")], [1, 1, 1])
        self.assertEqual(releases, 0)
        codes = [n for n, v in metrics.items() if n.startswith("orchestrator_errors_total{") and v]
        self.assertTrue(any("bb_session_error" in n for n in codes) and any("bb_session_timed_out" in n for n in codes), codes)

    @classmethod
    def tell_unmatched(cls):
        with OldProvider("--project", PROJECT, "--concurrency", "7") as provider:
            for run_of in ({"run": "a1"}, {"run": "a1"}, {"run": "other"}, None):
                provider.create(**({"userMetadata": run_of} if run_of else {}))
            with cls.sidecar(provider, f"--provider.project-id={PROJECT}") as sidecar:
                wait_value(sidecar, polls("ok"), 1)
                wait_value(sidecar, "orchestrator_provider_sessions_unmatched", 2)
                return sidecar.metrics(), time.time()

    def test_sessions_behind_our_back_and_the_project(self):
        metrics, now = self.told["unmatched"].result()
        self.assertEqual(metrics['orchestrator_provider_sessions{status="running"}'], 4)
        self.assertEqual(metrics['orchestrator_provider_sessions{status="pending"}'], 0)
        self.assertEqual(metrics["orchestrator_sessions_limit"], 7)
        self.assertIn("orchestrator_provider_usage_browser_seconds", metrics)
        self.assertIn("orchestrator_provider_usage_proxy_bytes", metrics)
        self.assertAlmostEqual(metrics["orchestrator_provider_last_success_timestamp_seconds"], now, delta=10)
        self.assertEqual(metrics[polls("failed")], 0)

    @classmethod
    def tell_wrong_key(cls):
        with OldProvider() as provider, cls.sidecar(provider, "--log.level=debug", key="wrong") as sidecar:
            wait_value(sidecar, polls("failed"), 1)
            refused = sidecar.metrics()
            text = sidecar.logged()
            (cls.folder / "wrong").write_text(KEY)  # a new key needs no restart
            wait_value(sidecar, polls("ok"), 1, 20)
            return refused, text, sidecar.logged() + sidecar.request("/metrics")[2].decode()

    def test_a_wrong_key_is_said_and_never_shown(self):
        refused, text, everything = self.told["wrong_key"].result()
        self.assertEqual(refused[polls("ok")], 0)
        self.assertNotIn("orchestrator_provider_last_success_timestamp_seconds", refused)
        line = next(l for l in text.splitlines() if "the provider could not be asked" in l)
        self.assertIn("401", line)
        self.assertIn("level=warning", line)
        self.assertNotIn("bb_wrong_canary", everything)
        self.assertNotIn(KEY, everything)

    @classmethod
    def tell_outage(cls):
        with OldProvider("--project", PROJECT) as provider:
            provider.create()
            with cls.sidecar(provider) as sidecar:
                wait_value(sidecar, 'orchestrator_provider_sessions{status="running"}', 1)
                provider.stop()
                wait_value(sidecar, polls("failed"), 1, 20)
                down = sidecar.metrics()
                with OldProvider("--listen", f"127.0.0.1:{provider.port}") as again:
                    again.create()
                    again.create()
                    wait_value(sidecar, 'orchestrator_provider_sessions{status="running"}', 2, 30)
                return down, sidecar.metrics(), sidecar.logged()

    def test_a_provider_that_is_away_and_comes_back(self):
        down, back, log = self.told["outage"].result()
        self.assertEqual(down['orchestrator_provider_sessions{status="running"}'], 1, "what was known last")
        self.assertGreater(back["orchestrator_provider_last_success_timestamp_seconds"], down["orchestrator_provider_last_success_timestamp_seconds"])
        self.assertIn("the provider could not be asked about its sessions", log)

    @classmethod
    def tell_slow(cls):
        with OldProvider("--fault", "where=list,kind=slow,seconds=30") as provider:
            with cls.sidecar(provider, "--provider.timeout=3s") as sidecar:
                wait_for(lambda: provider.state()["calls"].get("list") or "slow" in str(provider.state()) and True, 5, "a question")
                time.sleep(0.5)
                began = time.monotonic()
                status = sidecar.stop(signal.SIGTERM)
                return status, time.monotonic() - began

    def test_a_stop_does_not_wait_for_a_slow_provider_past_its_timeout(self):
        status, took = self.told["slow"].result()
        print(f"stop while the provider is slow (timeout 3 s): {took:.1f} s")
        self.assertEqual(status, 0)
        self.assertLess(took, 20)
        self.assertLess(took, 30 if SANITIZED else 4)


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
                    wait_for(lambda: RSS in sidecar.metrics(), 5, "the process")
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
        with Sidecar() as sidecar:
            time.sleep(0.5)
            status = pathlib.Path(f"/proc/{sidecar.process.pid}/status").read_text()
            resident = int(next(l for l in status.splitlines() if l.startswith("VmRSS")).split()[1]) * 1024
            print(f"resident when idle, default configuration: {resident / 2**20:.1f} MiB (limit 8)")
            if SANITIZED:
                self.skipTest("a sanitizer's memory says nothing")
            self.assertLessEqual(resident, 8 << 20)


if __name__ == "__main__":
    unittest.main()
