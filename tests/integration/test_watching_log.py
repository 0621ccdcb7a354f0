"""What the sidecar looks at by itself: the orchestrator's log file, as Python writes it."""
import logging
import logging.handlers
import os
import pathlib
import shutil
import sys
import tempfile
import time
import unittest

from harness import contents, run, wait_for
from watching import FORMAT, LOG_EVENTS, Log, SANITIZED, STARTED, Sidecar, line_of, metric, wait_value


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
            wait_for(lambda: "is followed" in sidecar.logged(), what="following")
            log = Log(handler)
            for n in range(1000):
                log.session(f"r-{n}")
                if n % 50 == 49:  # a file takes more than 150: nobody finds one that came and went between two looks
                    wait_for(lambda n=n: (metric(sidecar, STARTED) or 0) > n - 100, what="the lines so far")
            log.close()
            wait_value(sidecar, STARTED, 1000)
            self.assertGreaterEqual(sidecar.logged().count("was rotated"), 3)

    def test_copytruncate_partial_lines_and_a_file_that_comes_later(self):
        with self.sidecar() as sidecar:
            wait_for(lambda: "log is not there" in sidecar.logged(), what="the notice")
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

    def looks(self, sidecar, until):
        """How much was read when the loop had answered, again and again until it was so much; with how long the slowest answer took."""
        seen, slowest, deadline = [0], 0, time.monotonic() + 120
        while seen[-1] < until:
            self.assertLess(time.monotonic(), deadline, "the burst")
            began = time.monotonic()
            self.assertEqual(sidecar.request("/api/oxpecker/v1/sessions?limit=1")[0], 200)  # asks the loop
            slowest = max(slowest, time.monotonic() - began)
            seen.append(metric(sidecar, LOG_EVENTS))
        return seen, slowest

    def test_a_burst_of_ten_megabytes(self):
        lines, enough, answers = 60000, 5, 0
        with self.sidecar() as sidecar:
            self.append(line_of(0))
            wait_value(sidecar, STARTED, 1)
            for _ in range(12):  # where the machine was too busy to let us look meanwhile, once more
                before = metric(sidecar, LOG_EVENTS)
                size = self.burst(lines)
                written = time.monotonic()
                seen, slowest = self.looks(sidecar, before + lines)  # an audit event for each line, at the least
                took = time.monotonic() - written
                inside = len({n for n in seen if before < n < before + lines})
                answers += inside
                print(f"burst: {size / 1e6:.1f} MB, {lines} lines in {took:.2f} s after they were written; {inside} answers in the middle of it, "
                      f"the slowest {slowest * 1000:.0f} ms, resident {metric(sidecar, 'process_resident_memory_bytes') / 1e6:.1f} MB")
                if answers >= enough:
                    break
            self.assertGreaterEqual(answers, enough, "the loop answers while it reads")
            wait_value(sidecar, 'orchestrator_sessions_active{state="running"}', 500)
            self.assertLess(metric(sidecar, "process_resident_memory_bytes"), (1 << 30) if SANITIZED else (24 << 20))

    def test_a_clean_restart_neither_repeats_nor_loses(self):
        """Lines of errors: of these nobody can tell that one was counted before."""
        burst = 10000 if SANITIZED else 100000
        line = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()) + ",000 - src.orchestrator - ERROR - disk is nearly full, again\n"

        def counted(sidecar):
            return sum(v for n, v in sidecar.metrics().items() if n.startswith("orchestrator_errors_total{"))

        with self.sidecar(storage=True) as sidecar:
            self.append(line)
            wait_for(lambda: counted(sidecar) == 1, what="the first")
            written, stops, inside = 1, 0, 0
            for turn in range(5):
                self.append(line * burst)  # in one go, and the stop comes as soon as the first are counted
                before, written = written, written + burst
                deadline = time.monotonic() + 60
                while counted(sidecar) == before:
                    self.assertLess(time.monotonic(), deadline, "nothing of the burst was counted")
                self.assertEqual(sidecar.stop(), 0)
                stops += 1
                self.append(line)  # while nobody looks
                written += 1
                sidecar.start()
                inside += counted(sidecar) < written - 1
                wait_for(lambda: counted(sidecar) >= written, what=f"all lines of turn {turn}: {counted(sidecar)} of {written}")
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
            wait_for(lambda: sidecar.json("/api/oxpecker/v1/sessions?limit=1")["total"] == lines + 2, what="every session by its id")

    def test_without_storage_a_restart_begins_at_the_end(self):
        with self.sidecar() as sidecar:
            self.append(line_of(1))
            wait_value(sidecar, STARTED, 1)
            sidecar.stop()
            sidecar.start()
            wait_for(lambda: sidecar.logged().count("log is followed") == 2, what="following")
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
            wait_for(lambda: "other.log" in sidecar.logged(), what="following")
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
                    took = []
                    for n in range(1, 6):
                        began = time.monotonic()
                        os.write(end, line_of(n).encode())
                        wait_value(sidecar, STARTED, n)
                        took.append(time.monotonic() - began)
                    self.assertLess(min(took), 5 if SANITIZED else 0.5, "at once, unless the machine is busy")
                    many = "".join(line_of(n) for n in range(6, 5001)).encode()
                    began = time.monotonic()
                    while many:
                        many = many[os.write(end, many):]
                    wait_value(sidecar, STARTED, 5000)
                    print(f"{kind}: {5000 / (time.monotonic() - began):.0f} lines/s")
                    os.write(end, line_of("last")[:-1].encode())
                    os.close(end)
                    if kind == "stdin":
                        wait_value(sidecar, STARTED, 5001)
                        wait_for(lambda: "standard input was closed" in sidecar.logged(), what="the end")
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
            for file, text in contents(sidecar.directory / "storage").items():
                texts[file.name] = text.decode(errors="replace")
            for where, text in texts.items():
                for canary in canaries:
                    self.assertNotIn(canary, text, where)
            self.assertGreater(metric(sidecar, LOG_EVENTS), 6, "they were read")


if __name__ == "__main__":
    unittest.main()
