"""The output of a busy run, before Prometheus, promtool and the reference OpenMetrics parser."""
import json
import pathlib
import random
import shutil
import threading
import time
import unittest

from harness import OXPECKER, Prometheus, Sidecar, run, wait_for

SCRAPES = 60  # one each second
CODES = ["bb_concurrency_limit", "bb_auth", "net_reset", "llm_rate_limit", "no_such_code", None]


def busy(connection, stop, seed):
    """An orchestrator that does everything at once until told to stop."""
    rng = random.Random(seed)

    def say(**event):
        connection.sendall(json.dumps(event).encode() + b"\n")

    say(type="orchestrator.started", boot=f"{seed:016x}", writer=f"w{seed}", version='1.0"\\\n', environment="tést", sessions_limit=25)
    n = 0
    while not stop.is_set():
        n += 1
        session, task = f"{seed}-{n}", f"{seed}-{n}-t"
        trace = f"{rng.getrandbits(128):032x}"
        ids = {"session": session, "task": task, "workflow": f"wf-{n % 30}", "trace_id": trace}
        say(type="workflow.started", workflow=f"wf-{n % 30}", run=str(n))
        say(type="session.creating", ref=session)
        say(type="session.started", session=session, ref=session, region=rng.choice(["us-east-1", "eu-central-1", "mars"]), trace_id=trace)
        say(type="task.queued", task=task, priority=rng.choice(["low", "normal", "high"]), workflow=ids["workflow"])
        say(type="task.started", **ids)
        for op in ("act", "extract", "observe", "navigate", "dance"):
            say(type="operation", op=op, ok=rng.random() < 0.8, duration_s=rng.expovariate(1), model=f"m{n % 12}",
                tokens={"input": n, "output": 2}, cache=rng.choice(["HIT", "MISS"]), **ids)
        say(type="error", op="act", upstream="stagehand", code=rng.choice(CODES) or "", message="x", **ids) if rng.random() < 0.5 else None
        say(type="retry", op="act", upstream="llm", attempt=2, delay_s=0.5, code="llm_rate_limit", **ids)
        say(type="retry", op="act", upstream="llm", attempt=2, outcome="recovered", attempts=2, **ids)
        say(type="breaker", name=f"b{n % 20}", **{"from": "closed", "to": "open"}, failures=5, cause="auto")
        say(type="breaker", name=f"b{n % 20}", **{"from": "open", "to": "half_open"}, cause="auto")
        say(type="captcha", state="solved", duration_s=3, **ids)
        say(type="checkpoint", op="saved", ok=True, overhead_s=0.01, write_s=0.02, bytes=100, **ids)
        say(type="task.ended", status=rng.choice(["succeeded", "failed", "degraded"]), **ids)
        say(type="session.ended", session=session, status=rng.choice(["COMPLETED", "ERROR", "TIMED_OUT", "ODD"]), trace_id=trace)
        say(type="workflow.ended", workflow=f"wf-{n % 30}", run=str(n), status="succeeded")
        say(type="queue", low={"length": n % 5, "oldest_s": 1}, normal={"length": 0}, high={"length": 2, "oldest_s": 9})
        time.sleep(0.005)


class Busy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sidecar = Sidecar("--web.openmetrics-created").start()
        cls.stop = threading.Event()
        cls.connections = [cls.sidecar.connect() for _ in range(3)]
        cls.threads = [threading.Thread(target=busy, args=(c, cls.stop, i + 1)) for i, c in enumerate(cls.connections)]
        for thread in cls.threads:
            thread.start()
        wait_for(lambda: sum(v for k, v in cls.sidecar.metrics().items() if k.startswith("orchestrator_sessions_ended_total")) > 100, what="a busy run")

    @classmethod
    def tearDownClass(cls):
        cls.stop.set()
        for thread in cls.threads:
            thread.join()
        for connection in cls.connections:
            connection.close()
        cls.sidecar.stop()

    def scrape(self, accept=None):
        return self.sidecar.request(headers={"Accept": accept} if accept else {})[2].decode()

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_promtool_accepts_the_text(self):
        for _ in range(5):
            status, stdout, stderr = run("promtool", "check", "metrics", stdin=self.scrape())
            self.assertEqual((status, stdout, stderr), (0, "", ""))

    @unittest.skipUnless(pathlib.Path("/usr/lib/python3/dist-packages/prometheus_client").exists(),
                         "python3-prometheus-client is not installed")
    def test_the_reference_parser_accepts_openmetrics(self):
        script = ("import sys; from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse; "
                  "print(sum(len(f.samples) for f in parse(sys.stdin.read())))")
        for _ in range(5):
            status, stdout, stderr = run("/usr/bin/python3", "-c", script, stdin=self.scrape("application/openmetrics-text"))
            self.assertEqual((status, stderr), (0, ""))
            self.assertGreater(int(stdout), 500)

    def test_our_own_reader_accepts_both(self):
        for accept in (None, "application/openmetrics-text"):
            status, _, stderr = run(OXPECKER, "check", "metrics", stdin=self.scrape(accept))
            self.assertEqual((status, stderr), (0, ""))

    @unittest.skipUnless(shutil.which("prometheus"), "prometheus is not installed")
    def test_prometheus_scrapes_for_a_minute_without_an_error(self):
        with Prometheus([f"127.0.0.1:{self.sidecar.port}"]) as prometheus:
            wait_for(lambda: prometheus.value("up") == 1, what="up")
            errors, late, ends = [], "context deadline exceeded", time.monotonic() + 4 * SCRAPES
            while (prometheus.value("count_over_time(up[10m])") or 0) < SCRAPES and time.monotonic() < ends:
                target = prometheus.targets()[0]
                if target["health"] != "up" or target["lastError"]:
                    errors.append(target["lastError"])
                time.sleep(0.5)
            self.assertEqual([error for error in errors if late not in error], [])
            # A scrape that takes longer than its second is a busy machine's; all of them would be ours.
            self.assertGreater(prometheus.value("sum_over_time(up[10m])"), SCRAPES * 0.8)
            for expression in ("sum(rate(orchestrator_sessions_started_total[30s])) > 1",
                               "histogram_quantile(0.5, sum by (le) (rate(orchestrator_operation_duration_seconds_bucket[30s]))) > 0",
                               "sum(orchestrator_breaker_state) / count(count by (breaker) (orchestrator_breaker_state)) == 1"):
                wait_for(lambda: prometheus.query(expression), what=expression)
            self.assertEqual(self.sidecar.metrics()["oxpecker_events_lost_total"], 0)


if __name__ == "__main__":
    unittest.main()
