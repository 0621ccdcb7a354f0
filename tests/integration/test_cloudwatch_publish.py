"""Metrics from the short memory through the outbox and the courier to CloudWatch: to our strict stub (limits, signatures, gzip, faults) and
to moto with its checks of signatures and policies on, read back by boto3."""
import datetime
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import aws_stub
import harness

try:
    import moto_peer
except ImportError:
    if os.environ.get("CI"):
        raise
    moto_peer = None

DRIVER = harness.OXPECKER.parent / "tests/unit/alerts/cloudwatch/cloudwatch_publisher"
CONFIG = """
region: eu-west-1
namespace: Test
metrics:
  - {expr: errors_total, name: Errors, kind: delta, unit: Count}
  - {expr: sessions, name: Sessions, kind: gauge, unit: Count, by: [region]}
  - {expr: h_bucket, name: Duration, kind: distribution, unit: Seconds}
heartbeat: {}
"""


class Publisher:
    def __init__(self, case, url, keys, config=CONFIG, directory=None):
        self.home = tempfile.TemporaryDirectory(prefix="oxpecker-cw-")
        case.addCleanup(self.home.cleanup)
        path = pathlib.Path(self.home.name) / "cloudwatch.yml"
        path.write_text(config)
        clean = {k: v for k, v in harness.no_proxy_environment().items() if not k.startswith("AWS_")}
        clean.update({"HOME": self.home.name, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": url, **keys})
        self.process = subprocess.Popen([str(DRIVER), str(path), directory or "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean,
                                        text=True, bufsize=1)
        case.addCleanup(self.end)

    def end(self, kill=False):
        if kill:
            self.process.send_signal(signal.SIGKILL)
        if not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        self.process.wait(60)
        self.process.stdout.close()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line):
        self.tell(line)
        answer = self.process.stdout.readline()
        assert answer, "the publisher is gone"
        return answer.strip()

    def set(self, at, **values):
        for name, value in values.items():
            self.tell(f"set {at} {name.replace('__', ',').replace('_is_', '=')} {value}")

    def histogram(self, at, one, five, every, total):
        for le, value in (("1", one), ("5", five), ("+Inf", every)):
            self.tell(f"set {at} h_bucket,le={le} {value}")
        self.tell(f"set {at} h_sum {total}")

    def answers(self):
        self.tell("answers")
        return list(iter(lambda: self.process.stdout.readline().strip(), "end"))


def minute():
    return int(time.time()) // 60 * 60 - 600


@unittest.skipUnless(DRIVER.is_file(), f"there is no {DRIVER}")
class StrictStub(unittest.TestCase):
    def setUp(self):
        self.aws = aws_stub.AwsStub().__enter__()
        self.addCleanup(self.aws.__exit__)
        keys = self.aws.grant("AKIDSTUB", "stub/secret+1")
        self.keys = {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}

    def publisher(self, **more):
        return Publisher(self, self.aws.url, more.pop("keys", self.keys), **more)

    def values(self, name):
        return [d.get("Value") for d in self.aws.data if d["MetricName"] == name]

    def test_a_period(self):
        at = minute()
        publisher = self.publisher()
        publisher.set(at - 50, errors_total=0, sessions__region_is_eu=2)
        publisher.histogram(at - 50, 0, 0, 0, 0)
        publisher.set(at - 5, errors_total=3, sessions__region_is_eu=4)
        publisher.histogram(at - 5, 2, 3, 3, 4)
        self.assertEqual(publisher.ask(f"publish {at}"), "published 4 1 0 0")
        self.assertEqual(publisher.ask("send 60000"), "left 0 0")
        data = {d["MetricName"]: d for d in self.aws.data}
        self.assertEqual({d["Namespace"] for d in self.aws.data}, {"Test"})
        self.assertEqual(data["Errors"]["Value"], 3)
        self.assertEqual(data["Sessions"]["StatisticValues"], {"SampleCount": 4, "Sum": 10, "Minimum": 2, "Maximum": 4})
        self.assertEqual(data["Sessions"]["Dimensions"], [{"Name": "Service", "Value": "collector"}, {"Name": "Environment", "Value": "test"},
                                                          {"Name": "region", "Value": "eu"}])
        self.assertEqual((data["Duration"]["Values"], data["Duration"]["Counts"]), ([0.5, 3], [2, 1]))
        self.assertEqual(data["Heartbeat"]["Value"], 1)
        self.assertEqual(data["Errors"]["Timestamp"], at)

    def test_a_backlog_keeps_its_times(self):
        at = minute()
        publisher = self.publisher()
        publisher.set(at - 50, errors_total=0)
        for i in range(5):
            publisher.set(at + 60 * i - 1, errors_total=10 * (i + 1))
            self.assertEqual(publisher.ask(f"publish {at + 60 * i}"), "published 2 1 0 0")
        self.assertEqual(publisher.ask("send 60000"), "left 0 0")
        self.assertEqual([(d["Timestamp"], d["Value"]) for d in self.aws.data if d["MetricName"] == "Errors"],
                         [(at + 60 * i, 10) for i in range(5)])

    def test_throttling_and_failures_lose_nothing(self):
        at = minute()
        publisher = self.publisher()
        self.aws.fault(400, "ThrottlingException")
        self.aws.fault(500, "InternalServiceError")
        publisher.set(at - 5, errors_total=0)
        publisher.ask(f"publish {at}")
        self.assertEqual(publisher.ask("send 60000"), "left 0 0")
        self.assertEqual(self.values("Errors"), [0])
        self.assertTrue(publisher.answers()[0].startswith("sent 3 "))

    def test_what_is_refused_is_set_aside_and_the_next_goes_on(self):
        at = minute()
        publisher = self.publisher()
        self.aws.fault(400, "InvalidParameterValue", "made up")
        publisher.set(at - 5, errors_total=0)
        publisher.ask(f"publish {at}")
        publisher.ask(f"publish {at + 60}")
        self.assertEqual(publisher.ask("send 60000"), "left 0 1")
        self.assertEqual(publisher.answers()[1], "set_aside 1 HTTP 400 InvalidParameterValue: made up" + self.request_id(publisher.answers()[1]))
        self.assertEqual(self.values("Errors"), [0])

    @staticmethod
    def request_id(answer):
        return answer[answer.index(" (request"):] if " (request" in answer else ""

    def test_a_large_one_is_packed(self):
        at = minute()
        publisher = self.publisher()
        for i in range(1200):
            publisher.tell(f"set {at - 5} sessions,region=r{i} {i}")
        publisher.tell(f"set {at - 5} sessions,region=bad NaN")
        publisher.tell(f"set {at - 5} sessions,region=worse Inf")
        self.assertEqual(publisher.ask(f"publish {at}"), "published 1202 2 2 0")
        self.assertEqual(publisher.ask("send 60000"), "left 0 0")
        self.assertEqual(len(self.aws.data), 1202)
        self.assertEqual([c.headers.get("content-encoding") for c in self.aws.calls], ["gzip", "gzip"])

    def test_otlp(self):
        at = minute()
        ns = 10 ** 9
        publisher = self.publisher(config="lane: otlp\notlp_untried: true\n" + CONFIG)
        publisher.set(at - 50, errors_total=0, sessions__region_is_eu=2)
        publisher.histogram(at - 50, 0, 0, 0, 0)
        publisher.set(at - 5, errors_total=3, sessions__region_is_eu=4)
        publisher.histogram(at - 5, 2, 3, 4, 9.5)
        self.aws.fault(500, "InternalServiceError")
        self.assertEqual(publisher.ask(f"publish {at}"), "published 4 1 0 0")
        self.assertEqual(publisher.ask("send 60000"), "left 0 0")
        own = {"Service": "collector", "Environment": "test"}
        resource = {"service.name": "collector", "deployment.environment": "test"}
        common = {"resource": resource, "time": at * ns}
        self.assertEqual(self.aws.points, [
            {"name": "Errors", "unit": None, "kind": "sum", "since": (at - 60) * ns, "attributes": own, "value": 3, **common},
            {"name": "Sessions", "unit": None, "kind": "gauge", "since": None, "attributes": {**own, "region": "eu"}, "value": 4, **common},
            {"name": "Duration", "unit": "s", "kind": "histogram", "since": (at - 60) * ns, "attributes": own,
             "value": {"counts": [2, 1, 1], "bounds": [1, 5], "sum": 9.5}, **common},
            {"name": "Heartbeat", "unit": None, "kind": "gauge", "since": None, "attributes": own, "value": 1, **common}])
        self.aws.rejected = 2
        for i in range(1200):
            publisher.tell(f"set {at + 55} sessions,region=r{i} {i}")
        self.assertEqual(publisher.ask(f"publish {at + 60}"), "published 1203 2 0 0")
        self.assertEqual(publisher.ask("send 60000"), "left 0 0")
        self.assertEqual([(c.operation, c.headers.get("content-encoding")) for c in self.aws.calls], [("otlp", None)] + [("otlp", "gzip")] * 2)
        self.assertEqual(len(self.aws.points), 4 + 1203)
        self.assertEqual(publisher.answers()[:2], ["sent 1 rejected data points: 2, made up"] * 2)

    def test_killed_and_restarted(self):
        at = minute()
        with tempfile.TemporaryDirectory() as directory:
            publisher = self.publisher(directory=directory)
            publisher.set(at - 50, errors_total=0)
            publisher.set(at - 5, errors_total=7)
            self.assertEqual(publisher.ask(f"publish {at}"), "published 2 1 0 0")
            publisher.end(kill=True)
            publisher = self.publisher(directory=directory)
            publisher.set(at + 55, errors_total=9)
            self.assertEqual(publisher.ask(f"publish {at + 60}"), "published 2 1 0 0")
            self.assertEqual(publisher.ask("send 60000"), "left 0 0")
            publisher.end()
        self.assertEqual(self.values("Errors"), [7, 2])


class Daemon(unittest.TestCase):
    """The sidecar itself. When its counters begin at 0 again only it knows: killed, they do; stopped, they are restored."""

    EVERY = 1
    CONFIG = """
cloudwatch:
  region: eu-west-1
  interval: %ds
  heartbeat: {}
  metrics:
    - {expr: orchestrator_session_create_failures_total, name: Failures, kind: delta}
    - {expr: vector(1) / 0, name: Infinite, kind: gauge}
""" % EVERY

    def failures(self):
        return sum(d["Value"] for d in self.aws.data if d["MetricName"] == "Failures")

    def heartbeats(self):
        return sum(d["MetricName"] == "Heartbeat" for d in self.aws.data)

    def fail(self, sidecar, times):
        sidecar.write(*({"type": "error", "op": "session.create", "code": "bb_concurrency_limit"} for _ in range(times)))

    def wait_published(self, wanted):
        """That many, and no more in the next one."""
        harness.wait_for(lambda: self.failures() >= wanted, what=f"{wanted} failures")
        seen = self.heartbeats()
        harness.wait_for(lambda: self.heartbeats() > seen, what="the next publishing")
        self.assertEqual(self.failures(), wanted, [d for d in self.aws.data if d["MetricName"] == "Failures"])

    def after_a_boundary(self):
        """What is counted now is there at the first publishing."""
        harness.wait_for(lambda: 0.05 < time.time() % self.EVERY < 0.3, what="the end of a period")

    def begin(self):
        """The environment of a sidecar that publishes to a stub."""
        self.aws = aws_stub.AwsStub().__enter__()
        self.addCleanup(self.aws.__exit__)
        keys = self.aws.grant("AKIDSTUB", "stub/secret+1")
        return {"AWS_ENDPOINT_URL": self.aws.url, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"], "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}

    @unittest.skipUnless(shutil.which("cc"), "no cc")
    def test_the_clock_is_set(self):
        """Back by an hour, and back again after it was ten years ahead for a moment: publishing goes on, and nothing counts twice."""
        environment = self.begin()
        with tempfile.TemporaryDirectory() as home:
            library, off = pathlib.Path(home) / "set_clock.so", pathlib.Path(home) / "off"
            subprocess.run(["cc", "-shared", "-fPIC", "-o", library, pathlib.Path(__file__).with_name("set_clock.c"), "-ldl"], check=True)
            off.write_text("0")
            environment.update(LD_PRELOAD=str(library), SET_CLOCK=str(off))
            with harness.Sidecar("--storage.sample-interval=1s", storage=True, config=self.CONFIG, environment=environment) as sidecar:
                self.fail(sidecar, 3)
                self.wait_published(3)
                for seconds in (-3600, 315360000, 0):
                    jumps, seen = sidecar.logged().count("the clock"), self.heartbeats()
                    off.write_text(str(seconds))
                    harness.wait_for(lambda: sidecar.logged().count("the clock") > jumps, what="the jump is noticed")
                    if seconds <= 0:  # of data of the future CloudWatch takes none
                        harness.wait_for(lambda: self.heartbeats() >= seen + 2, what=f"two publishings with the clock {seconds} s off")
                self.fail(sidecar, 2)
                self.wait_published(3 + 2)

    def test_counters_that_begin_anew_and_that_do_not(self):
        environment = self.begin()
        flags = ("--storage.sample-interval=1s", "--storage.instance=here")  # the port is another one each time
        with harness.Sidecar(*flags, storage=True, config=self.CONFIG, environment=environment) as sidecar:
            self.fail(sidecar, 3)
            self.wait_published(3)
            sidecar.kill()
            self.after_a_boundary()
            sidecar.start()
            self.fail(sidecar, 10)
            self.wait_published(3 + 10)
            sidecar.stop()
            self.after_a_boundary()
            sidecar.start()
            self.fail(sidecar, 4)
            self.wait_published(3 + 10 + 4)
            sidecar.config.write_text(self.CONFIG + "    - {expr: vector(1), name: More, kind: gauge}\n")
            sidecar.send_signal(signal.SIGHUP)
            self.fail(sidecar, 2)
            self.wait_published(3 + 10 + 4 + 2)
            left_out = [line for line in sidecar.logged().splitlines() if "data were left out" in line]
        self.assertEqual(len(left_out), 4, left_out)  # of each start and of the reload one, not of each publishing
        self.assertIn('first="Infinite: a value is not a number within 2^360"', left_out[0])


@unittest.skipIf(moto_peer is None, "no boto3 and moto")
@unittest.skipUnless(DRIVER.is_file(), f"there is no {DRIVER}")
class Moto(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.moto = cls.enterClassContext(moto_peer.Moto("eu-west-1"))

    def setUp(self):
        self.moto.reset(moto_peer.allow("PutMetricData"))

    def publisher(self, at, **wrong):
        publisher = Publisher(self, self.moto.url, {**self.moto.keys, **wrong}, CONFIG + "compress: never\n")  # moto cannot unpack
        publisher.set(at - 50, errors_total=0, sessions__region_is_eu=2)
        publisher.histogram(at - 50, 0, 0, 0, 0)
        publisher.set(at - 5, errors_total=3, sessions__region_is_eu=4)
        publisher.histogram(at - 5, 2, 3, 3, 4)
        publisher.ask(f"publish {at}")
        return publisher

    def test_keys_that_are_not_right(self):
        for code, wrong in (("SignatureDoesNotMatch", {"AWS_SECRET_ACCESS_KEY": "x" * 40}), ("InvalidClientTokenId", {"AWS_ACCESS_KEY_ID": "AKIANOBODY"})):
            publisher = self.publisher(minute(), **wrong)

            def sent():  # it waits for better keys; half a second may be too short for an answer
                self.assertEqual(publisher.ask("send 500"), "left 1 0")
                return re.match(rf"waiting \d+ HTTP 403 {code}: ", publisher.answers()[0])
            harness.wait_for(sent, what=code)
        self.assertEqual(self.moto.client().list_metrics()["Metrics"], [])

    def test_read_back(self):
        at = minute()
        self.assertEqual(self.publisher(at).ask("send 60000"), "left 0 0")
        client = self.moto.client()
        own = [{"Name": "Service", "Value": "collector"}, {"Name": "Environment", "Value": "test"}]

        def statistics(name, dimensions=()):
            when = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
            points = client.get_metric_statistics(Namespace="Test", MetricName=name, Dimensions=own + list(dimensions), Period=60,
                                                  StartTime=when - datetime.timedelta(minutes=2), EndTime=when + datetime.timedelta(minutes=2),
                                                  Statistics=["SampleCount", "Sum", "Minimum", "Maximum"])["Datapoints"]
            self.assertEqual(len(points), 1, name)
            return [points[0][key] for key in ("SampleCount", "Sum", "Minimum", "Maximum")]
        self.assertEqual(statistics("Errors"), [1, 3, 3, 3])
        self.assertEqual(statistics("Sessions", [{"Name": "region", "Value": "eu"}]), [4, 10, 2, 4])
        self.assertEqual(statistics("Duration"), [3, 4, 0.5, 3])
        self.assertEqual(statistics("Heartbeat"), [1, 1, 1, 1])


if __name__ == "__main__":
    unittest.main()
