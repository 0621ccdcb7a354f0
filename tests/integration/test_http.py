"""The HTTP side: formats for every scraper, who may do what, events over POST, reload and quit."""
import gzip
import json
import socket
import unittest

from harness import OXPECKER, Sidecar, run, wait_for

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

# What Prometheus sends, by version, and what others do.
ACCEPTS = [
    ("2.42", "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
             "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPENMETRICS),
    ("2.55", "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
             "text/plain;version=0.0.4;q=0.3,*/*;q=0.2", OPENMETRICS),
    ("3.x", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", OPENMETRICS),
    ("curl", "*/*", TEXT),
    ("none", None, TEXT),
    ("browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT),
]


class Formats(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sidecar = Sidecar().start()
        cls.sidecar.send("session.started", "session=a", "region=us-east-1", "trace_id=4bf92f3577b34da6a3ce929d0e0e4736")

    @classmethod
    def tearDownClass(cls):
        cls.sidecar.stop()

    def test_every_scraper_gets_what_it_asks_for(self):
        for name, accept, wanted in ACCEPTS:
            with self.subTest(name):
                _, headers, body = self.sidecar.request(headers={"Accept": accept} if accept else {})
                content_type = headers["content-type"].replace("; escaping=allow-utf-8", "")
                self.assertEqual(content_type, wanted)
                self.assertEqual(body.endswith(b"# EOF\n"), wanted == OPENMETRICS)

    def test_gzip_is_the_same_text(self):
        _, headers, body = self.sidecar.request(headers={"Accept-Encoding": "gzip"})
        self.assertEqual(headers["content-encoding"], "gzip")
        self.assertIn(b"orchestrator_sessions_active", gzip.decompress(body))
        self.assertNotIn("content-encoding", self.sidecar.request(headers={"Accept-Encoding": "gzip;q=0"})[1])

    def test_ids_are_exemplars_and_never_labels(self):
        plain = self.sidecar.request()[2].decode()
        self.assertNotIn("4bf92f3577b34da6a3ce929d0e0e4736", plain)
        openmetrics = self.sidecar.request(headers={"Accept": "application/openmetrics-text"})[2].decode()
        line = next(l for l in openmetrics.splitlines() if l.startswith('orchestrator_sessions_started_total{region="us-east-1"}'))
        self.assertIn('trace_id="4bf92f3577b34da6a3ce929d0e0e4736"', line)

    def test_both_formats_pass_our_own_strict_reader(self):
        for accept, flag in ((None, "text"), ("application/openmetrics-text", "openmetrics")):
            body = self.sidecar.request(headers={"Accept": accept} if accept else {})[2].decode()
            status, stdout, stderr = run(OXPECKER, "check", "metrics", f"--format={flag}", stdin=body)
            self.assertEqual((status, stderr), (0, ""), stdout)

    def test_health_paths(self):
        status, headers, body = self.sidecar.request("/health")
        self.assertEqual((status, body), (200, b'{"status": "healthy"}'))
        self.assertTrue(headers["content-type"].startswith("application/json"))
        for path in ("/-/healthy", "/-/ready", "/"):
            self.assertEqual(self.sidecar.request(path)[0], 200, path)
        self.assertEqual(self.sidecar.request("/no/such/path")[0], 404)
        self.assertEqual(self.sidecar.request("/metrics", method="DELETE")[0], 405)
        status, headers, body = self.sidecar.request("/metrics", method="HEAD")
        self.assertEqual((status, body), (200, b""))

    def test_the_ledger_as_json(self):
        self.sidecar.send("task.started", "task=t1", "session=a", "workflow=w")
        self.sidecar.send("breaker", "name=bb_api", "from=closed", "to=open", "failures=5", "cause=auto")
        sessions = self.sidecar.json("/api/oxpecker/v1/sessions")["sessions"]
        self.assertEqual([(s["id"], s["state"], s["region"]) for s in sessions], [("a", "running", "us-east-1")])
        self.assertEqual([t["id"] for t in self.sidecar.json("/api/oxpecker/v1/tasks")["tasks"]], ["t1"])
        breakers = self.sidecar.json("/api/oxpecker/v1/breakers")["breakers"]
        self.assertEqual([(b["name"], b["state"]) for b in breakers], [("bb_api", "open")])


class Events(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sidecar = Sidecar().start()

    @classmethod
    def tearDownClass(cls):
        cls.sidecar.stop()

    def post(self, body, **headers):
        status, _, answer = self.sidecar.request("/api/oxpecker/v1/events", "POST", body, headers)
        return status, json.loads(answer)

    def test_a_batch_with_bad_lines(self):
        body = "\n".join(['{"type":"session.started","session":"p1","region":"us-east-1"}', "{nonsense",
                          '{"type":"no.such"}', "", '{"type":"session.ended","session":"p1","status":"COMPLETED"}'])
        status, answer = self.post(body)
        self.assertEqual(status, 200)
        self.assertEqual(answer["accepted"], 2)
        self.assertEqual([(r["line"], r["reason"]) for r in answer["rejected"]], [(2, "malformed"), (3, "unknown_type")])

    def test_nothing_accepted_is_400(self):
        self.assertEqual(self.post("{")[0], 400)

    def test_too_large_is_413(self):
        status, _, _ = self.sidecar.request("/api/oxpecker/v1/events", "POST", b"x" * (4 << 20))
        self.assertEqual(status, 413)

    def test_who_may_write(self):
        event = '{"type":"orchestrator.heartbeat"}'
        for name, headers in {
            "page of a browser": {"Origin": "http://localhost:3000"},
            "cross site": {"Sec-Fetch-Site": "cross-site"},
            "behind a proxy": {"X-Forwarded-For": "10.0.0.1"},
            "behind another proxy": {"Via": "1.1 proxy"},
            "rebound name": {"Host": "attacker.example:10108"},
        }.items():
            with self.subTest(name):
                self.assertEqual(self.sidecar.request("/api/oxpecker/v1/events", "POST", event, headers)[0], 403)
        self.assertEqual(self.sidecar.request("/api/oxpecker/v1/events", "POST", event, {"Host": "localhost:1"})[0], 200)
        self.assertGreaterEqual(self.sidecar.metrics()['oxpecker_http_requests_refused_total{reason="access"}'], 5)

    def test_framing_is_refused(self):
        for name, head in {
            "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
            "length and chunked": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "two hosts": b"Host: localhost\r\nContent-Length: 0\r\n",
        }.items():
            with self.subTest(name), socket.create_connection(("127.0.0.1", self.sidecar.port), 10) as s:
                s.sendall(b"POST /api/oxpecker/v1/events HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n")
                self.assertIn(b" 400 ", s.recv(4096).split(b"\r\n")[0])

    def test_lifecycle_needs_its_flag(self):
        self.assertEqual(self.sidecar.request("/-/reload", "POST")[0], 403)
        self.assertEqual(self.sidecar.request("/-/quit", "PUT")[0], 403)


class Reload(unittest.TestCase):
    def test_a_good_file_applies_and_a_bad_one_changes_nothing(self):
        with Sidecar("--web.enable-lifecycle", config="orchestrator: {sessions_limit: 25}\n") as sidecar:
            self.assertEqual(sidecar.metrics()["orchestrator_sessions_limit"], 25)
            sidecar.config.write_text("orchestrator: {sessions_limit: 100}\n")
            self.assertEqual(sidecar.request("/-/reload", "POST")[0], 200)
            self.assertEqual(sidecar.metrics()["orchestrator_sessions_limit"], 100)
            sidecar.config.write_text("orchestrator:\n  sesions_limit: 5\n")
            status, _, body = sidecar.request("/-/reload", "PUT")
            self.assertEqual(status, 500)
            self.assertIn(b":2:3", body)
            metrics = sidecar.metrics()
            self.assertEqual(metrics["orchestrator_sessions_limit"], 100)
            self.assertEqual(metrics["oxpecker_config_last_reload_successful"], 0)
            sidecar.config.write_text("orchestrator: {sessions_limit: 7}\n")
            import signal
            sidecar.send_signal(signal.SIGHUP)
            wait_for(lambda: sidecar.metrics()["orchestrator_sessions_limit"] == 7, what="SIGHUP")
            self.assertEqual(sidecar.metrics()["oxpecker_config_last_reload_successful"], 1)

    def test_quit(self):
        with Sidecar("--web.enable-lifecycle", "--shutdown.grace=1s") as sidecar:
            self.assertEqual(sidecar.request("/-/quit", "POST")[0], 200)
            self.assertEqual(sidecar.process.wait(60), 0)


if __name__ == "__main__":
    unittest.main()
