"""Bad input: each kind has a clear error naming what and where, is counted by its reason, costs only itself."""
import contextlib
import os
import pathlib
import resource
import socket
import subprocess
import tempfile
import time
import unittest

from harness import OXPECKER, Sidecar, contents, no_proxy_environment, run, wait_for

GOOD = b'{"type":"orchestrator.heartbeat"}'
RUNNING = 'orchestrator_sessions_active{state="running"}'


def rejected(metrics):
    prefix = "oxpecker_events_rejected_total{reason=\""
    return {k[len(prefix):-2]: v for k, v in metrics.items() if k.startswith(prefix) and v}


class Lines(unittest.TestCase):
    def test_each_bad_line_costs_only_itself(self):
        rows = [
            ("malformed", b'{"type":"session.started","session":'),
            ("malformed", b'{"type":"orchestrator.heartbeat"} trailing'),
            ("malformed", b'["not an object"]'),
            ("malformed", b'{"type":"orchestrator.heartbeat","writer":"\xff\xfe"}'),
            ("malformed", b'{"type":"session.started","session":"a","session":"b"}'),
            ("unknown_type", b'{"type":"session.exploded","session":"a"}'),
            ("bad_field", b'{"type":"session.started","session":7}'),
            ("bad_field", b'{"type":"session.started"}'),
            ("bad_field", b'{"type":"operation","op":"act","ok":"yes","duration_s":1}'),
            ("bad_field", b'{"type":"operation","op":"act","ok":true,"duration_s":-1}'),
            ("bad_time", b'{"type":"session.started","session":"a","ts":4102444800}'),
            ("bad_time", b'{"type":"session.started","session":"a","ts":0}'),
            ("too_large", b'{"type":"orchestrator.heartbeat","attrs":{"x":"' + b"y" * 9000 + b'"}}'),
        ]
        with Sidecar() as sidecar:
            for reason, line in rows:
                with self.subTest(line=line[:60]):
                    before = sidecar.metrics()
                    sidecar.write(GOOD, line, GOOD)
                    after = sidecar.metrics()
                    accepted = 'oxpecker_events_received_total{transport="unix"}'
                    self.assertEqual(after[accepted] - before[accepted], 2, "the lines around it are taken")
                    grown = {k: v - rejected(before).get(k, 0) for k, v in rejected(after).items() if v != rejected(before).get(k, 0)}
                    self.assertEqual(grown, {reason: 1})
            self.assertIn("session.exploded", sidecar.logged(), "the log names what")

    def test_a_line_cut_by_the_end_of_the_connection(self):
        with Sidecar() as sidecar:
            with sidecar.connect() as s:
                s.sendall(GOOD + b"\n" + GOOD[:10])
            wait_for(lambda: rejected(sidecar.metrics()) == {"cut": 1}, what="the cut line")

    def test_time_going_backwards_is_clamped_and_counted(self):
        now = time.time()
        with Sidecar() as sidecar:
            sidecar.write({"type": "session.started", "session": "a", "ts": now},
                          {"type": "session.ended", "session": "a", "status": "COMPLETED", "ts": now - 100})
            metrics = sidecar.metrics()
            self.assertEqual(metrics['orchestrator_session_duration_seconds_count{status="completed"}'], 1)
            self.assertEqual(metrics['orchestrator_session_duration_seconds_sum{status="completed"}'], 0)
            self.assertGreaterEqual(metrics["oxpecker_events_clamped_total"], 1)

    def test_unknown_and_repeated_session_ends(self):
        with Sidecar() as sidecar:
            end = {"type": "session.ended", "session": "never seen", "status": "ERROR"}
            sidecar.write(end)
            self.assertEqual(sidecar.metrics()['orchestrator_sessions_ended_total{status="error"}'], 1)
            start = {"type": "session.started", "session": "s"}
            stop = {"type": "session.ended", "session": "s", "status": "COMPLETED"}
            sidecar.write(start, stop, stop, stop)
            self.assertEqual(sidecar.metrics()['orchestrator_sessions_ended_total{status="completed"}'], 1)

    def test_a_million_workflow_names(self):
        count = int(os.environ.get("OXP_TEST_WORKFLOWS", "1000000"))
        with Sidecar() as sidecar:
            began = time.monotonic()
            with sidecar.connect() as s:
                s.settimeout(120)
                for start in range(0, count, 1000):
                    s.sendall(b"".join(b'{"type":"task.ended","task":"t%d","workflow":"wf-%d","status":"succeeded"}\n' % (i, i)
                                       for i in range(start, start + 1000)))
                s.shutdown(socket.SHUT_WR)
                self.assertEqual(s.recv(1), b"")
            metrics = sidecar.metrics()
            ended = {k: v for k, v in metrics.items() if k.startswith("orchestrator_tasks_ended_total{")}
            self.assertEqual(sum(ended.values()), count, "totals stay right")
            workflows = {k.split('workflow="')[1].split('"')[0] for k in ended}
            self.assertLessEqual(len(workflows), 17)
            self.assertIn("other", workflows)
            self.assertGreater(metrics["oxpecker_series_dropped_total"], 0)
            self.assertRegex(sidecar.logged(), r"label=workflow value=wf-\d+", "the offender is named")
            self.assertLess(metrics["process_resident_memory_bytes"], 64 << 20)
            print(f"{count} workflow names in {time.monotonic() - began:.1f} s ", end="", flush=True)

    def test_secrets_are_scrubbed_everywhere(self):
        canary = "canary7f3a9c"
        key = f"bb_live_{canary}0000000000000000"
        with Sidecar("--log.level=debug", storage=True) as sidecar:
            sidecar.write(
                {"type": "session.started", "session": "a", "attrs": {"connect": f"wss://connect.browserbase.com?apiKey={key}"}},
                {"type": "error", "op": "session.connect", "upstream": "browserbase", "session": "a",
                 "message": f"could not reach wss://connect.example/?apiKey={key}&x=1", "stack": f"Bearer {key}"},
                {"type": "breaker", "name": key, "from": "closed", "to": "open"},
                {"type": "no.such." + key}, b"{" + key.encode())
            seen = sidecar.logged()
            for path in ("/metrics", "/api/oxpecker/v1/sessions", "/api/oxpecker/v1/breakers", "/api/oxpecker/v1/tasks"):
                seen += sidecar.request(path)[2].decode()
            seen += sidecar.request(headers={"Accept": "application/openmetrics-text"})[2].decode()
            seen += "".join(text.decode("latin-1") for text in contents(sidecar.directory / "storage").values())
            self.assertNotIn(canary, seen)


class Clients(unittest.TestCase):
    def among_silent_ones(self, sidecar, session):
        """How long another client takes, s, while there are many that do not go on."""
        with contextlib.ExitStack() as stack:
            silent = [stack.enter_context(socket.create_connection(("127.0.0.1", sidecar.port), 60)) for _ in range(600)]
            events = [stack.enter_context(sidecar.connect()) for _ in range(100)]
            for s in silent[:50]:
                s.sendall(b"GET /metrics HTT")
            for s in events[:50]:
                s.sendall(b'{"type":')
            began, before = time.monotonic(), sidecar.metrics()[RUNNING]
            sidecar.write({"type": "session.started", "session": session})
            self.assertEqual(sidecar.metrics()[RUNNING], before + 1)
            return time.monotonic() - began

    def test_slow_and_silent_clients_hold_up_nobody(self):
        with Sidecar() as sidecar:
            for session in "abc":  # a busy machine may hold up one of them; what waits for their deadline holds up each
                took = self.among_silent_ones(sidecar, session)
                if took < 5:
                    return
            self.assertLess(took, 5)

    def test_headers_have_an_absolute_deadline(self):
        with Sidecar() as sidecar, socket.create_connection(("127.0.0.1", sidecar.port), 30) as s:
            began = time.monotonic()
            s.settimeout(0.5)
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n")
            while True:  # one byte now and then does not extend it
                try:
                    s.sendall(b"X")
                    if s.recv(100) == b"":
                        break
                except TimeoutError:
                    pass
                except OSError:
                    break
                self.assertLess(time.monotonic() - began, 60)  # without one, there would be no end
            self.assertGreater(time.monotonic() - began, 5)


class Start(unittest.TestCase):
    def starts_not(self, *flags, **environment):
        with tempfile.TemporaryDirectory() as directory:
            defaults = ["--web.listen-address=127.0.0.1:0", f"--events.listen-unix={directory}/s"]
            given = [f.split("=")[0] for f in flags]
            command = [OXPECKER, *(d for d in defaults if d.split("=")[0] not in given), *flags]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=no_proxy_environment(**environment),
                                  check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def test_sockets(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory)
            (path / "file").write_text("not a socket")
            self.assertIn("/no/such/folder/s.sock", self.starts_not("--events.listen-unix=/no/such/folder/s.sock"))
            self.assertIn(f"{path}/file", self.starts_not(f"--events.listen-unix={path}/file"))
            self.assertEqual((path / "file").read_text(), "not a socket")
            self.assertIn("107", self.starts_not(f"--events.listen-unix={path}/{'x' * 200}"))
            self.assertIn("/proc/oxpecker.sock", self.starts_not("--events.listen-unix=/proc/oxpecker.sock"))

    def test_a_stale_socket_is_replaced_and_a_living_one_is_not(self):
        with Sidecar() as sidecar:
            stderr = self.starts_not(f"--events.listen-unix={sidecar.socket}")
            self.assertIn(str(sidecar.socket), stderr)
            sidecar.kill()
            self.assertTrue(sidecar.socket.exists(), "kill -9 leaves it behind")
            sidecar.start()
            sidecar.send("orchestrator.heartbeat")

    def test_a_port_in_use(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            stderr = self.starts_not(f"--web.listen-address=127.0.0.1:{port}")
            self.assertIn(str(port), stderr)
            self.assertIn("in use", stderr)

    def test_configuration(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "c.yml"
            (pathlib.Path(directory) / "rules.yml").write_text("groups: [{name: g, rules: [\n   {alert: A, expr: 'rate(up[2h])'}]}]\n")
            for text, fragments in [
                ("web:\n  listen_adress: ':1'\n", [f"{path}:2:3", "listen_adress", "listen_address"]),
                ("web: [1]\n", [f"{path}:1:6"]),
                ("web:\n  max_connections: many\n", [f"{path}:2:20", "many"]),
                ("shutdown: {grace: -5s}\n", [f"{path}:1:19"]),
                ("a: b: c\n", [f"{path}:1:"]),
                ("log: {level: loud}\n", [f"{path}:1:14", "loud", "debug"]),
                ("rule_files: [rules.yml]\n", [f"{directory}/rules.yml:2:4", "2h5m", "--storage.retention"]),
            ]:
                with self.subTest(text):
                    path.write_text(text)
                    stderr = self.starts_not(f"--config.file={path}")
                    for fragment in fragments:
                        self.assertIn(fragment, stderr)
                    status, _, stderr = run(OXPECKER, "check", "config", path)
                    self.assertEqual(status, 1)
                    self.assertIn(fragments[0], stderr)
            self.assertIn(f"{directory}/none.yml", self.starts_not(f"--config.file={directory}/none.yml"))
            self.assertIn(directory, self.starts_not(f"--config.file={directory}"))
        self.assertIn("--web.listen-adress", self.starts_not("--web.listen-adress=:1"))
        self.assertIn("OXPECKER_WEB_LISTEN_ADRESS", self.starts_not(OXPECKER_WEB_LISTEN_ADRESS=":1"))

    def test_a_disk_that_was_full_brings_nothing_back(self):
        with Sidecar(storage=True) as sidecar:
            sidecar.stop()
            limit = 20000
            sidecar.start()
            resource.prlimit(sidecar.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
            sidecar.write(*({"type": "session.started", "session": f"s{n}"} for n in range(200)))
            sidecar.write(*({"type": "session.ended", "session": f"s{n}", "status": "COMPLETED"} for n in range(190)))
            wait_for(lambda: sidecar.metrics()["oxpecker_storage_failures_total"] > 0, what="failures are counted")
            self.assertEqual(sidecar.metrics()['orchestrator_sessions_active{state="running"}'], 10, "it goes on")
            sidecar.stop()
            sidecar.start()
            self.assertEqual(sidecar.metrics()['orchestrator_sessions_active{state="running"}'], 10)

    def test_damaged_storage_is_set_aside(self):
        with Sidecar(storage=True) as sidecar:
            sidecar.send("session.started", "session=a")
            sidecar.send("session.started", "session=b")
            sidecar.stop()
            storage = sidecar.directory / "storage"
            journal = storage / "ledger.journal"
            data = bytearray(journal.read_bytes())
            data[len(data) // 2] ^= 0xFF
            journal.write_bytes(data)
            (storage / "metrics.saved").write_text("nonsense\n")
            sidecar.start()
            sidecar.send("session.started", "session=c")
            self.assertIn("corrupt", sidecar.logged())
            self.assertTrue([f for f in storage.iterdir() if "corrupt" in f.name])


if __name__ == "__main__":
    unittest.main()
