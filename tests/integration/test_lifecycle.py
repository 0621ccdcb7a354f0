"""What a person does first: send, scrape, kill, start again; and the life of a writer."""
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from harness import OXPECKER, Sidecar, no_proxy_environment, run, wait_for

RUNNING = 'orchestrator_sessions_active{state="running"}'
COMPLETED_COUNT = 'orchestrator_session_duration_seconds_count{status="completed"}'


class Send(unittest.TestCase):
    def test_a_session_is_seen_and_ended(self):
        with Sidecar() as sidecar:
            sidecar.send("session.started", "session=a", "region=us-east-1")
            metrics = sidecar.metrics()
            self.assertEqual(metrics[RUNNING], 1)
            self.assertEqual(metrics['orchestrator_sessions_started_total{region="us-east-1"}'], 1)
            sidecar.send("session.ended", "session=a", "status=COMPLETED")
            metrics = sidecar.metrics()
            self.assertEqual(metrics[RUNNING], 0)
            self.assertEqual(metrics[COMPLETED_COUNT], 1)
            self.assertEqual(metrics['orchestrator_sessions_ended_total{status="completed"}'], 1)

    def test_kill_9_between_start_and_end_loses_neither(self):
        with Sidecar(storage=True) as sidecar:
            sidecar.send("session.started", "session=a", "region=us-east-1")
            sidecar.kill()
            sidecar.start()
            self.assertEqual(sidecar.metrics()[RUNNING], 1)
            sidecar.send("session.ended", "session=a", "status=COMPLETED")
            metrics = sidecar.metrics()
            self.assertEqual(metrics[RUNNING], 0)
            self.assertEqual(metrics[COMPLETED_COUNT], 1)
            self.assertGreater(metrics['orchestrator_session_duration_seconds_sum{status="completed"}'], 0)

    def test_counters_after_a_clean_stop_and_after_a_crash(self):
        started = 'orchestrator_sessions_started_total{region="us-east-1"}'
        with Sidecar(storage=True) as sidecar:
            sidecar.send("session.started", "session=a", "region=us-east-1")
            sidecar.send("session.ended", "session=a", "status=COMPLETED", "duration_s=42")
            self.assertEqual(sidecar.stop(), 0)
            sidecar.start()
            metrics = sidecar.metrics()
            self.assertEqual(metrics[started], 1, "a clean stop keeps counters")
            self.assertEqual(metrics['orchestrator_session_duration_seconds_sum{status="completed"}'], 42)
            self.assertEqual(metrics['orchestrator_session_duration_seconds_bucket{status="completed",le="60.0"}'], 1)
            self.assertEqual(metrics['orchestrator_session_duration_seconds_bucket{status="completed",le="30.0"}'], 0)
            sidecar.kill()
            sidecar.start()
            self.assertEqual(sidecar.metrics()[started], 0, "after a crash they start at 0")

    def test_send_refuses_what_the_sidecar_would(self):
        rows = [
            (["nonsense"], "not an event type"),
            (["session.ended"], "session"),
            (["session.ended", "session=a"], "status"),
            (["session.started", "session=a", "timeout_s=soon"], "number"),
            (["session.started", "session=a", "keep_alive=maybe"], "true or false"),
            (["session.started", "session=a", "colour=red"], "no such field"),
            (["session.started", "nonsense"], "key=value"),
            (["task.ended", "task=t", "status=splendid"], "status"),
            (["task.queued", "task=t", "priority=urgent"], "priority"),
            (["session.started", "session=a", "ts=5"], "bad_time"),
        ]
        with Sidecar() as sidecar:
            for words, reason in rows:
                with self.subTest(words=words):
                    done = sidecar.send(*words, check=False)
                    self.assertEqual(done.returncode, 1, done.stderr)
                    self.assertIn(reason, done.stderr)
            metrics = sidecar.metrics()
            self.assertEqual(metrics['oxpecker_events_received_total{transport="unix"}'], 0)

    def test_send_types_come_from_the_table(self):
        with Sidecar() as sidecar:
            sidecar.send("session.started", "session=007", "attrs.k=v w")
            sidecar.send("operation", "op=extract", "ok=true", "duration_s=1.5", "model=m-1", "tokens.input=5", "tokens.output=7")
            self.assertEqual([s["id"] for s in sidecar.json("/api/oxpecker/v1/sessions")["sessions"]], ["007"])
            metrics = sidecar.metrics()
            tokens = {k: v for k, v in metrics.items() if k.startswith("orchestrator_llm_tokens_total") and 'model="m-1"' in k and v}
            self.assertEqual(sorted(tokens.values()), [5, 7])

    def test_send_without_a_sidecar_says_so(self):
        status, _, stderr = run(OXPECKER, "send", "--events.listen-unix=/tmp/there-is-none.sock", "orchestrator.heartbeat")
        self.assertEqual(status, 1)
        self.assertIn("/tmp/there-is-none.sock", stderr)

    def test_a_stream_of_lines_over_one_connection(self):
        lines = "\n".join([
            "orchestrator.started boot=00000000000000aa writer=shell",
            "session.started session=a region=us-east-1",
            '{"type":"session.started","session":"b b","region":"eu-central-1"}',
            "nonsense here",
            "orchestrator.stopping",
        ])
        with Sidecar() as sidecar:
            status, _, stderr = run(OXPECKER, "send", f"--events.listen-unix={sidecar.socket}", "-", stdin=lines + "\n")
            self.assertEqual(status, 1)
            self.assertIn("line 4", stderr)
            self.assertEqual(sidecar.metrics()['oxpecker_events_received_total{transport="unix"}'], 4)


WRITER = """
import json, socket, sys, time
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
def say(**e): s.sendall(json.dumps(e).encode() + b"\\n")
say(type="orchestrator.started", boot=sys.argv[2], version="1.2", environment="test", seq=1)
say(type="session.started", session="one", region="us-east-1", seq=2)
say(type="session.started", session="two", region="us-east-1", seq=3)
say(type="task.started", task="t", session="one", workflow="w", seq=4)
print("said", flush=True)
time.sleep(600)
"""


class Writers(unittest.TestCase):
    def start_writer(self, sidecar, boot="00000000000000aa"):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(sidecar.socket), boot], stdout=subprocess.PIPE)
        self.addCleanup(writer.stdout.close)
        self.addCleanup(writer.wait)
        self.addCleanup(writer.kill)
        writer.stdout.readline()
        wait_for(lambda: sidecar.metrics()['oxpecker_events_received_total{transport="unix"}'] >= 4, what="all that it said")
        self.assertEqual(sidecar.metrics()[RUNNING], 2)
        return writer

    def test_a_killed_writer_leaves_orphans_within_15_seconds(self):
        with Sidecar() as sidecar:
            writer = self.start_writer(sidecar)
            metrics = sidecar.metrics()
            self.assertEqual(metrics["orchestrator_up"], 1)
            self.assertEqual(metrics["orchestrator_sessions_orphaned"], 0)
            self.assertEqual(metrics['orchestrator_tasks_active{workflow="w"}'], 1)
            writer.kill()
            began = time.monotonic()
            wait_for(lambda: sidecar.metrics()["orchestrator_sessions_orphaned"] == 2, 15, "orphans in metrics")
            sessions = sidecar.json("/api/oxpecker/v1/sessions")["sessions"]
            self.assertEqual([s["orphaned"] for s in sessions], [True, True])
            self.assertLess(time.monotonic() - began, 15)
            metrics = sidecar.metrics()
            self.assertEqual(metrics[RUNNING], 0)
            self.assertEqual(metrics["orchestrator_up"], 0)
            self.assertEqual(metrics['orchestrator_tasks_active{workflow="w"}'], 0)

    def test_a_writer_that_comes_back_keeps_its_sessions(self):
        with Sidecar() as sidecar:
            self.start_writer(sidecar).kill()
            with sidecar.connect() as s:
                for event in ({"type": "orchestrator.started", "boot": "00000000000000aa"},
                              {"type": "session.started", "session": "one", "region": "us-east-1", "resumed": True},
                              {"type": "session.started", "session": "two", "region": "us-east-1", "resumed": True}):
                    s.sendall(json.dumps(event).encode() + b"\n")
                time.sleep(7)  # past the grace: this waits for the sidecar's own clock
                metrics = sidecar.metrics()
                self.assertEqual(metrics["orchestrator_sessions_orphaned"], 0)
                self.assertEqual(metrics[RUNNING], 2)
                self.assertEqual(metrics['orchestrator_sessions_started_total{region="us-east-1"}'], 2)
                self.assertEqual(metrics["orchestrator_up"], 1)

    def test_a_planned_end_pages_nobody(self):
        with Sidecar() as sidecar:
            sidecar.write({"type": "orchestrator.started", "boot": "00000000000000aa"}, {"type": "orchestrator.stopping"})
            time.sleep(6)  # past the grace
            self.assertNotIn("orchestrator_up", sidecar.metrics())

    def test_gaps_in_seq_are_losses(self):
        with Sidecar() as sidecar:
            sidecar.write({"type": "orchestrator.started", "boot": "00000000000000aa", "seq": 1},
                          {"type": "orchestrator.heartbeat", "seq": 2}, {"type": "orchestrator.heartbeat", "seq": 6})
            self.assertEqual(sidecar.metrics()["oxpecker_events_lost_total"], 3)


    def test_a_refused_event_is_not_lost_as_well(self):
        with Sidecar() as sidecar:
            sidecar.write({"type": "orchestrator.started", "boot": "00000000000000aa", "seq": 1},
                          {"type": "from.the.future", "seq": 2}, {"type": "session.started", "seq": 3},
                          {"type": "session.started", "session": "a", "ts": 5, "seq": 4}, {"type": "orchestrator.heartbeat", "seq": 5})
            metrics = sidecar.metrics()
            self.assertEqual(metrics["oxpecker_events_lost_total"], 0)
            self.assertEqual(sum(v for k, v in metrics.items() if k.startswith("oxpecker_events_rejected_total")), 3)

    def test_ids_of_one_kind_do_not_hide_those_of_another(self):
        with Sidecar() as sidecar:
            for n in range(20):
                sidecar.write({"type": "session.started", "session": f"s{n}"}, {"type": "session.ended", "session": f"s{n}", "status": "COMPLETED"},
                              {"type": "task.started", "task": f"t{n}", "workflow": "w"})
            self.assertEqual(sidecar.metrics()['orchestrator_tasks_started_total{workflow="w"}'], 20)


class Stop(unittest.TestCase):
    def test_sigterm_reads_connected_writers_to_their_end(self):
        with Sidecar("--shutdown.grace=60s", storage=True) as sidecar:
            with sidecar.connect() as s:
                s.sendall(b'{"type":"session.started","session":"a","region":"us-east-1"}\n')
                wait_for(lambda: sidecar.metrics()[RUNNING] == 1, what="the session")
                sidecar.send_signal(signal.SIGINT)
                wait_for(lambda: sidecar.request("/-/ready")[0] == 503, what="not ready while stopping")
                s.sendall(b'{"type":"session.ended","session":"a","status":"COMPLETED"}\n')
                s.shutdown(socket.SHUT_WR)
                self.assertEqual(s.recv(1), b"")
            self.assertEqual(sidecar.process.wait(60), 0)
            self.assertFalse(sidecar.socket.exists(), "the socket file is gone")
            sidecar.start()
            self.assertEqual(sidecar.metrics()[COMPLETED_COUNT], 1)

    def test_the_grace_ends(self):
        with Sidecar("--shutdown.grace=1s") as sidecar:
            with sidecar.connect():
                began = time.monotonic()
                self.assertEqual(sidecar.stop(), 0)
                self.assertLess(time.monotonic() - began, 15)  # the usual grace is longer

    def test_sigterm_waits_for_a_last_scrape_when_somebody_scrapes(self):
        with Sidecar("--shutdown.grace=10m") as sidecar:
            sidecar.metrics()
            with sidecar.connect():  # what shows it also sees that there was a scrape: each second of the sidecar's own clock
                wait_for(lambda: sidecar.metrics()["oxpecker_connections"] == 1, what="a second")
            sidecar.send_signal(signal.SIGTERM)
            wait_for(lambda: sidecar.request("/-/ready")[0] == 503, what="stopping")
            time.sleep(0.3)
            self.assertIsNone(sidecar.process.poll(), "it waits")
            sidecar.metrics()
            self.assertEqual(sidecar.process.wait(60), 0)

    def test_a_second_signal_ends_at_once(self):
        with Sidecar("--shutdown.grace=10m") as sidecar:
            with sidecar.connect():
                sidecar.send_signal(signal.SIGTERM)
                wait_for(lambda: sidecar.request("/-/ready")[0] == 503, what="stopping")
                self.assertEqual(sidecar.stop(signal.SIGTERM), 0)


class ServiceManager(unittest.TestCase):
    """What systemd is told of a unit of Type=notify, by datagrams to the socket that NOTIFY_SOCKET names."""

    def listen(self, name):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(s.close)
        s.settimeout(60)
        s.bind(("\0" + name[1:]) if name[0] == "@" else name)
        return s

    def test_ready_reloading_stopping(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in (f"{folder}/notify", f"@oxpecker-test/{folder}"):
                with self.subTest(name):
                    manager = self.listen(name)
                    sidecar = Sidecar(config="log: {level: info}\n", environment={"NOTIFY_SOCKET": name})
                    with sidecar:
                        self.assertEqual(manager.recv(4096), b"READY=1\nSTATUS=")
                        self.assertEqual(sidecar.request("/-/ready")[0], 200)
                        sidecar.connect().close()
                        for text, status in (("log: {level: debug}\n", b""), ("log: [\n", b"the last reload failed; the log says why")):
                            sidecar.config.write_text(text)
                            before = time.clock_gettime(time.CLOCK_MONOTONIC)
                            sidecar.send_signal(signal.SIGHUP)
                            began = manager.recv(4096).split(b"\nMONOTONIC_USEC=")
                            self.assertEqual(began[0], b"RELOADING=1")
                            self.assertTrue(before <= int(began[1]) / 1e6 <= time.clock_gettime(time.CLOCK_MONOTONIC), began)
                            self.assertEqual(manager.recv(4096), b"READY=1\nSTATUS=" + status)
                        with sidecar.connect():
                            sidecar.send_signal(signal.SIGTERM)
                            self.assertEqual(manager.recv(4096), b"STOPPING=1")
                            sidecar.send_signal(signal.SIGHUP)
                            wait_for(lambda: "reload failed" in sidecar.logged().split("msg=stopping")[-1], what="the reload while stopping")
                        self.assertEqual(sidecar.stop(signal.SIGTERM), 0)
                    manager.settimeout(0)
                    self.assertRaises(BlockingIOError, manager.recv, 4096)

    def test_ready_comes_when_the_socket_takes_events(self):
        """Who starts at READY=1 and reports at once is heard."""
        with tempfile.TemporaryDirectory() as folder:
            manager = self.listen(f"{folder}/notify")
            sidecar = Sidecar(environment={"NOTIFY_SOCKET": f"{folder}/notify"})
            process = subprocess.Popen(sidecar.command(), stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=sidecar.environment)
            self.addCleanup(shutil.rmtree, sidecar.directory)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            self.assertTrue(manager.recv(4096).startswith(b"READY=1\n"))
            sidecar.write({"type": "session.started", "session": "a"})

    def test_a_manager_that_cannot_be_told_is_a_warning(self):
        with Sidecar(environment={"NOTIFY_SOCKET": "/nonexistent/notify"}) as sidecar:
            self.assertIn('msg="the service manager cannot be told"', sidecar.logged())
        with Sidecar(environment={"NOTIFY_SOCKET": ""}) as sidecar:
            self.assertNotIn("service manager", sidecar.logged())

    def test_what_cannot_start_is_never_ready(self):
        with tempfile.TemporaryDirectory() as folder:
            manager = self.listen(f"{folder}/notify")
            for flags in (["--web.listen-address=192.0.2.1:1"], ["--log.level=loud"]):
                self.assertEqual(run(OXPECKER, *flags, f"--events.listen-unix={folder}/s", NOTIFY_SOCKET=f"{folder}/notify")[0], 1)
            manager.settimeout(0)
            self.assertRaises(BlockingIOError, manager.recv, 4096)


class Health(unittest.TestCase):
    def test_healthcheck(self):
        with Sidecar() as sidecar:
            flag = f"--web.listen-address=127.0.0.1:{sidecar.port}"
            self.assertEqual(run(OXPECKER, "healthcheck", flag)[0], 0)
            self.assertEqual(run(OXPECKER, "healthcheck", flag, http_proxy="http://127.0.0.1:1")[0], 0, "no proxy leads to it")
            sidecar.stop()
            status, _, stderr = run(OXPECKER, "healthcheck", flag)
            self.assertEqual(status, 1)
            self.assertIn(str(sidecar.port), stderr)

    def test_the_orchestrators_health_endpoint_is_probed(self):
        pages = subprocess.Popen([sys.executable, "examples/shell/pages.py", "0"], stdout=subprocess.PIPE, cwd=OXPECKER.parents[2],
                                 env=no_proxy_environment(), text=True)
        self.addCleanup(pages.stdout.close)
        self.addCleanup(pages.wait)
        self.addCleanup(pages.kill)
        url = f"http://127.0.0.1:{pages.stdout.readline().strip()}/health"
        with Sidecar(f"--orchestrator.health-url={url}", "--orchestrator.health-interval=1s", "--orchestrator.liveness=2s") as sidecar:
            wait_for(lambda: sidecar.metrics().get("orchestrator_up") == 1, what="up by its health endpoint")
            pages.kill()
            wait_for(lambda: sidecar.metrics().get("orchestrator_up") == 0, what="down without it")


if __name__ == "__main__":
    unittest.main()
