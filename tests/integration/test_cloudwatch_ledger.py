"""What was published last is known by which counter it is, not by where it is: a volume that goes on under another host's name (a container
made anew) publishes nothing again, nor does a ledger of version 1, which had the host in its keys."""
import signal
import socket
import sqlite3
import time
import unittest

import aws_stub
import harness


class AnotherHost(unittest.TestCase):
    EVERY = 1
    CONFIG = """
external_labels: {replica: %%s}
cloudwatch:
  region: eu-west-1
  interval: %ds
  heartbeat: {}
  metrics:
    - {expr: orchestrator_session_create_failures_total, name: Failures, kind: delta}
    - {expr: sum(orchestrator_session_create_failures_total), name: Sum, kind: delta}
    - {expr: orchestrator_operation_duration_seconds_bucket, name: Duration, kind: distribution}
""" % EVERY

    def setUp(self):
        self.aws = aws_stub.AwsStub().__enter__()
        self.addCleanup(self.aws.__exit__)
        keys = self.aws.grant("AKIDSTUB", "stub/secret+1")
        environment = {"AWS_ENDPOINT_URL": self.aws.url, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                       "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"], "AWS_CONFIG_FILE": "/nonexistent",
                       "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
        self.sidecar = harness.Sidecar("--storage.sample-interval=1s", storage=True, config=self.CONFIG % "first", environment=environment)
        self.addCleanup(self.sidecar.__exit__)

    def told(self, name):
        return sum(d["Value"] for d in self.aws.data if d["MetricName"] == name)

    def observed(self):
        return sum(sum(d["Counts"]) for d in self.aws.data if d["MetricName"] == "Duration")

    def start_on(self, host):
        self.sidecar.config.write_text(self.CONFIG % host)
        self.sidecar.flags = [f for f in self.sidecar.flags if not f.startswith("--storage.instance")] + [f"--storage.instance={host}:10108"]
        self.sidecar.start()
        self.wait_periods(2)  # the metrics were published: what is new from now on began at 0

    def fail_and_wait(self, times, wanted):
        """That many are told, and no more in the next period."""
        self.sidecar.write(*({"type": "error", "op": "session.create", "code": "bb_concurrency_limit"} for _ in range(times)),
                           *({"type": "operation", "op": "act", "ok": True, "duration_s": 0.5} for _ in range(times)))
        harness.wait_for(lambda: self.told("Failures") >= wanted, what=f"{wanted} failures")
        self.wait_periods(1)
        self.assertEqual(self.told("Failures"), wanted, [d for d in self.aws.data if d["MetricName"] == "Failures"])
        self.assertEqual(self.observed(), wanted, [d for d in self.aws.data if d["MetricName"] == "Duration"])

    def wait_periods(self, count):
        seen = self.told("Heartbeat")
        harness.wait_for(lambda: self.told("Heartbeat") >= seen + count, what="the next publishings")

    def test_another_host_over_the_same_volume(self):
        self.start_on("first")
        self.fail_and_wait(3, 3)
        self.sidecar.stop()
        sum_before = self.told("Sum")
        self.start_on("second")
        self.assertEqual((self.told("Failures"), self.observed()), (3, 3))
        self.fail_and_wait(2, 5)
        self.assertEqual(self.told("Sum"), sum_before + 2)
        instances = [series["metric"]["instance"] for series in self.sidecar.api("query", query="up")["data"]["result"]]
        self.assertEqual(instances, ["second:10108"])  # what the former host left is not current

    def test_a_ledger_of_version_1(self):
        self.start_on("first")
        self.fail_and_wait(3, 3)
        self.sidecar.stop()
        with sqlite3.connect(self.sidecar.directory / "storage/outbox.db") as database:
            rows = database.execute("SELECT key FROM ledger WHERE key LIKE 'cw/Failures/%{%'").fetchall()
            self.assertGreater(len(rows), 0)
            for (key,) in rows:
                self.assertNotIn("first", key)
            database.execute("UPDATE ledger SET key = replace(key, '}', ', instance=\"first:10108\", job=\"oxpecker\", replica=\"first\"}')"
                             " WHERE key LIKE 'cw/%{%'")
            self.assertEqual(database.execute("DELETE FROM ledger WHERE key = 'cw//version'").rowcount, 1)
        database.close()
        self.start_on("second")
        self.fail_and_wait(2, 5)


class Stop(unittest.TestCase):
    def test_while_credentials_hang(self):
        """An endpoint that takes connections and answers nothing holds up the end for no longer than the grace."""
        with socket.create_server(("127.0.0.1", 0)) as endpoint:
            environment = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent",
                           "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
                           "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{endpoint.getsockname()[1]}/credentials"}
            with harness.Sidecar("--shutdown.grace=1s", "--storage.sample-interval=1s", config=AnotherHost.CONFIG % "x", environment=environment) as sidecar:
                endpoint.settimeout(60)
                held = endpoint.accept()[0]
                self.addCleanup(held.close)
                self.assertTrue(held.recv(1000).startswith(b"GET /credentials"))
                began = time.monotonic()
                self.assertEqual(sidecar.stop(), 0)
                self.assertLess(time.monotonic() - began, 1 + 5)  # three tries of two seconds, and what lies between them, would be eight


class Reload(unittest.TestCase):
    ENVIRONMENT = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "a",
                   "AWS_SECRET_ACCESS_KEY": "b", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    CONFIG = ("rule_files: []\n%scloudwatch: {region: us-east-1, interval: 1s, budget: %s, prices: {free_metrics: 0}, metrics: ["
              "{expr: 'sum(count_over_time({__name__=\"oxpecker_series\"}[1m:10ms]))', name: Series, kind: gauge}]}\n")

    def test_limits_of_queries_reach_the_publisher(self):
        with harness.Sidecar("--storage.sample-interval=1s", config=self.CONFIG % ("", 100), environment=self.ENVIRONMENT) as sidecar:
            waiting = lambda: sidecar.json("/api/oxpecker/v1/notifications?state=waiting")["notifications"]
            harness.wait_for(waiting, what="a publishing")
            self.assertNotIn("could not be evaluated", sidecar.logged())
            sidecar.config.write_text(self.CONFIG % ("query: {max_samples: 1000}\n", 100))
            sidecar.send_signal(signal.SIGHUP)
            harness.wait_for(lambda: "expressions for CloudWatch could not be evaluated" in sidecar.logged(), what="the limit")
            self.assertEqual(sidecar.logged().count('msg="publishing to CloudWatch"'), 1)  # nothing else was made anew

    def test_what_waits_says_that_the_budget_is_why(self):
        with harness.Sidecar("--storage.sample-interval=1s", storage=True, config=self.CONFIG % ("", 100), environment=self.ENVIRONMENT) as sidecar:
            waiting = lambda: sidecar.json("/api/oxpecker/v1/notifications?state=waiting")["notifications"]
            harness.wait_for(waiting, what="a message")
            sidecar.kill()
            sidecar.config.write_text(self.CONFIG % ("", 0.1))
            sidecar.start()
            self.assertEqual({n["answer"] for n in waiting()}, {"it waits: CloudWatch would cost more than its budget, so nothing is published"})
            self.assertNotIn("for a receiver that the configuration does not have", sidecar.logged())
            sidecar.config.write_text(self.CONFIG % ("", 200))
            sidecar.send_signal(signal.SIGHUP)
            harness.wait_for(lambda: all("budget" not in n["answer"] for n in waiting()), what="another answer")


if __name__ == "__main__":
    unittest.main()
