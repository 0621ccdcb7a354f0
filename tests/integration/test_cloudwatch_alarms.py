"""Alarms that `oxpecker cloudwatch apply` made, evaluated over what the real sidecar publishes: who is paged, when, and when all is well again.

CloudWatch is the strict stub with alarms (aws_stub_alarms.py). Time: alarms are made for an interval of a minute; the sidecar publishes
each second, and the stub's clock runs sixty times as fast as ours, so that a second of ours is a period there. Where nothing but silence is
waited for, the clock is moved on at once."""
import os
import pathlib
import tempfile
import unittest

from harness import OXPECKER, ROOT, Sidecar, run, wait_for

try:
    from aws_stub_alarms import Alarms, Clock
except ImportError:  # it has botocore's model of CloudWatch
    if os.environ.get("CI"):
        raise
    Alarms = None

import aws_stub

TOPIC = "arn:aws:sns:us-east-1:123456789012:oncall"
PREFIX = "Orchestrator/collector/test/"
SPEED = 60  # a period of the alarms is a second of ours
RULES = ("groups:\n- name: g\n  interval: 1s\n  rules:\n  - alert: BreakerOpen\n    expr: orchestrator_breaker_state{state=\"open\"} == 1\n"
         "    labels: {severity: critical}\n    annotations: {summary: a breaker is open}\n")
CONFIG = """
orchestrator: {service: collector, environment: test}
external_labels: {replica: "${REPLICA:-a}"}
rule_files: [%s]
cloudwatch:
  region: us-east-1
  interval: "${CLOUDWATCH_INTERVAL:-60s}"
  metrics:
    - {expr: 'sum(orchestrator_breaker_state{state="open"})', name: BreakersOpen, kind: gauge, unit: Count}
"""
ACTIONS = f'actions: ["{TOPIC}"], ok_actions: ["{TOPIC}-ok"]'


@unittest.skipIf(Alarms is None, "no botocore")
class Case(unittest.TestCase):
    prefix = PREFIX

    def setUp(self):
        self.aws = self.enterContext(aws_stub.AwsStub())
        self.alarms = Alarms(self.aws, Clock(SPEED))
        keys = self.aws.grant("AKIDSTUB", "stub/secret+1")
        self.environment = {"AWS_ENDPOINT_URL": self.aws.url, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"], "AWS_CONFIG_FILE": "/nonexistent",
                            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="oxpecker-alarms-")))
        (self.directory / "r.yml").write_text(RULES)

    def config(self, more):
        return CONFIG % (self.directory / "r.yml") + more.replace("ACTIONS", ACTIONS)

    def sidecar(self, config, replica="a", storage=False):
        return Sidecar("--storage.sample-interval=1s", "--global.evaluation-interval=1s", config=config, storage=storage,
                       environment={**self.environment, "REPLICA": replica, "CLOUDWATCH_INTERVAL": "1s"})

    def cloudwatch(self, verb, config, *flags, **environment):
        """(status, stdout, stderr) of `oxpecker cloudwatch`, for an interval of a minute."""
        path = config
        if isinstance(config, str):
            path = self.directory / "command.yml"
            path.write_text(config)
        return run(OXPECKER, "cloudwatch", verb, f"--config.file={path}", *flags, **{**self.environment, **environment})

    def apply(self, config, *flags, **environment):
        status, stdout, stderr = self.cloudwatch("apply", config, *flags, **environment)
        self.assertEqual((status, stderr), (0, ""), stdout)
        self.assertEqual(self.alarms.throttled, [])
        return stdout

    def states(self, *names):
        return [self.alarms.state(self.prefix + name) for name in names]

    def wait_states(self, **wanted):
        names = [name.replace("__", "/") for name in wanted]
        try:
            wait_for(lambda: self.states(*names) == list(wanted.values()))
        except AssertionError:
            self.fail(f"{dict(zip(names, self.states(*names)))}, wanted {wanted}; {self.alarms.changes}")

    def silence(self):
        """Ten minutes pass in which nobody publishes."""
        self.alarms.clock.jump(600)

    def wait_beats(self, wanted):
        """Until a whole period had so many. An alarm that is made sooner finds that data are missing, and pages."""
        beats = {"Namespace": "Orchestrator", "MetricName": "Heartbeat", "Statistic": "Sum", "Period": 60, "Dimensions": [
            {"Name": "Service", "Value": "collector"}, {"Name": "Environment", "Value": "test"}]}
        wait_for(lambda: self.alarms.metrics.points(beats, self.alarms.clock.now(), 1) == [wanted], what=f"{wanted} beats")

    def paged(self, name, state="ALARM"):
        return self.alarms.paged(self.prefix + name, state)


def breaker(sidecar, to):
    sidecar.write({"type": "breaker", "name": "provider", "from": "closed" if to == "open" else "open", "to": to})


class Heartbeat(Case):
    def test_fewer_replicas_than_expected(self):
        config = self.config("  heartbeat: {expected_replicas: 2, ACTIONS}\n")
        with self.sidecar(config) as one, self.sidecar(config, "b") as other:
            self.wait_beats(2)
            self.apply(config)
            self.wait_states(heartbeat="OK")
            other.kill()
            self.wait_states(heartbeat="ALARM")  # three periods, in which one still beats
            self.assertRegex(self.alarms.changes[-1].reason, r"out of the last 3 datapoints \[1\.0 .* less than the threshold \(2\.0\)")
            self.assertEqual(self.paged("heartbeat"), [TOPIC])
            one.kill()
            self.silence()
            self.assertEqual((self.states("heartbeat"), self.paged("heartbeat")), (["ALARM"], [TOPIC]))  # told once
            one.start()
            other.start()
            self.wait_states(heartbeat="OK")
            self.assertEqual(self.paged("heartbeat", "OK")[-1:], [TOPIC + "-ok"])
            self.assertEqual(self.paged("heartbeat"), [TOPIC])


    def test_one_that_is_missing_is_seen_whatever_the_interval(self):
        """Beats that are made up, at the times at which sidecars would publish them."""
        for interval in (1, 7, 10, 25, 45, 60, 90, 300, 3600):
            for replicas in (1, 2, 5):
                with self.subTest(interval=interval, replicas=replicas):
                    time = [1_800_000_000]
                    self.alarms = Alarms(self.aws, Clock(ours=lambda: time[0]))
                    self.apply(self.config(f"  heartbeat: {{expected_replicas: {replicas}}}\n"), CLOUDWATCH_INTERVAL=f"{interval}s")
                    alarm = self.alarms.alarms[PREFIX + "heartbeat"]
                    seen = set()
                    for alive in (replicas, replicas - 1):
                        for _ in range(8 * alarm["Period"] // interval + 1):
                            time[0] += interval - time[0] % interval
                            for _ in range(alive):
                                self.alarms.metrics.put("Orchestrator", {"MetricName": "Heartbeat", "Value": 1, "Dimensions": alarm["Dimensions"],
                                                                         "StorageResolution": 1 if interval < 60 else 60}, time[0])
                            if time[0] > 1_800_000_000 + 6 * alarm["Period"]:  # there were none before
                                seen.add((alive, self.states("heartbeat")[0]))
                        self.assertIn((alive, "OK" if alive == replicas else "ALARM"), seen)
                        self.assertEqual(self.states("heartbeat"), ["OK" if alive == replicas else "ALARM"])
                    self.assertNotIn((replicas, "ALARM"), seen)


class Silence(Case):
    """What each treatment of missing data makes of a sidecar that was killed; rules keep their state, and the heartbeat alone says why."""

    TREATMENTS = ("missing", "breaching", "notBreaching", "ignore")
    NAMES = (*TREATMENTS, "rule/BreakerOpen", "heartbeat")

    def test_killed_in_alarm_and_killed_when_all_is_well(self):
        config = self.config("  thresholds:\n" + "".join(
            f"    - {{metric: BreakersOpen, above: 0, name: {t}, missing: {t}, ACTIONS}}\n" for t in self.TREATMENTS) +
            "  rule_alarms: {severity: [critical], ACTIONS}\n  heartbeat: {expected_replicas: 1, ACTIONS}\n")
        with self.sidecar(config) as sidecar:
            breaker(sidecar, "open")
            self.apply(config)
            made = {name.removeprefix(PREFIX): alarm["TreatMissingData"] for name, alarm in self.alarms.alarms.items()}
            self.assertEqual(made, {**{t: t for t in self.TREATMENTS}, "rule/BreakerOpen": "ignore", "heartbeat": "breaching"})
            self.wait_states(missing="ALARM", breaching="ALARM", notBreaching="ALARM", ignore="ALARM", rule__BreakerOpen="ALARM", heartbeat="OK")
            told = self.paged("rule/BreakerOpen", "OK")  # of its first state, maybe
            sidecar.kill()
            self.silence()
            self.assertEqual(self.states(*self.NAMES), ["INSUFFICIENT_DATA", "ALARM", "OK", "ALARM", "ALARM", "ALARM"])
            for name in ("missing", "ignore", "rule/BreakerOpen", "heartbeat"):
                self.assertEqual(self.paged(name), [TOPIC], name)
            self.assertEqual(self.paged("rule/BreakerOpen", "OK"), told)  # neither told as over, nor again as begun

            sidecar.start()
            breaker(sidecar, "closed")
            self.wait_states(**{name.replace("/", "__"): "OK" for name in self.NAMES})
            sidecar.kill()
            self.silence()
            self.assertEqual(self.states(*self.NAMES), ["INSUFFICIENT_DATA", "ALARM", "OK", "OK", "OK", "ALARM"])
            self.assertEqual([len(self.paged(name)) for name in self.NAMES[2:]], [1, 1, 1, 2])


    def test_what_fires_is_not_cleared_by_a_restart(self):
        config = self.config("  rule_alarms: {severity: [critical], ACTIONS}\n  heartbeat: {expected_replicas: 1, ACTIONS}\n")
        with self.sidecar(config, storage=True) as sidecar:
            breaker(sidecar, "open")
            self.apply(config)
            self.wait_states(rule__BreakerOpen="ALARM", heartbeat="OK")
            told = self.alarms.pages[:]
            sidecar.kill()
            seen = len(self.rule_states())
            sidecar.start()  # what it saved says that the alert fires; that it is over cannot be known yet
            wait_for(lambda: self.rule_states()[seen + 1:], what="two data of the rule after the restart")
            self.wait_beats(1)
            self.assertEqual(set(self.rule_states()[seen:]), {1})
            self.assertEqual((self.states("rule/BreakerOpen"), self.alarms.pages), (["ALARM"], told))

    def rule_states(self):
        """Every value that was published for the rule."""
        return [d["Value"] for d in list(self.aws.data) if d["MetricName"] == "RuleState"]


class Conditions(Case):
    def test_for_and_m_of_n_and_a_rule(self):
        config = self.config("  thresholds:\n"
                             "    - {metric: BreakersOpen, above: 0, period: 60s, for: 2m, of: 3, name: quick, missing: notBreaching, ACTIONS}\n"
                             "    - {metric: BreakersOpen, at_least: 1, period: 60s, for: 5m, name: slow, missing: notBreaching, ACTIONS}\n"
                             "    - {metric: BreakersOpen, above: 1, name: never, ACTIONS}\n"
                             "  rule_alarms: {severity: [critical], ACTIONS}\n")
        with self.sidecar(config) as sidecar:
            breaker(sidecar, "closed")
            self.apply(config)
            self.wait_states(quick="OK", slow="OK", never="OK", rule__BreakerOpen="OK")
            made = {name: self.alarms.alarms[PREFIX + name] for name in ("quick", "slow")}
            self.assertEqual({n: (a["DatapointsToAlarm"], a["EvaluationPeriods"], a["Period"]) for n, a in made.items()}, {"quick": (2, 3, 60), "slow": (5, 5, 60)})
            breaker(sidecar, "open")
            self.wait_states(quick="ALARM", slow="ALARM", never="OK", rule__BreakerOpen="ALARM")
            breaker(sidecar, "closed")
            self.wait_states(quick="OK", slow="OK", never="OK", rule__BreakerOpen="OK")
        changed = {(c.alarm.removeprefix(PREFIX), c.after): c for c in self.alarms.changes if c.before != "INSUFFICIENT_DATA"}
        self.assertEqual(set(changed), {(name, state) for name in ("quick", "slow", "rule/BreakerOpen") for state in ("ALARM", "OK")})
        # Three periods and one on a machine that is never late: the fifth bad one and the second, the second good one and the first.
        self.assertGreaterEqual(changed["slow", "ALARM"].time - changed["quick", "ALARM"].time, 60)
        self.assertGreaterEqual(changed["quick", "OK"].time - changed["slow", "OK"].time, 0)
        self.assertRegex(changed["quick", "ALARM"].reason, "[23] out of the last 3 datapoints")
        self.assertIn("5 out of the last 5 datapoints", changed["slow", "ALARM"].reason)
        for name in ("quick", "slow", "rule/BreakerOpen"):
            self.assertEqual((self.paged(name), self.paged(name, "OK")[-1:]), ([TOPIC], [TOPIC + "-ok"]), name)


class Lines(Sidecar):
    """Its standard output goes to a file, from which a log driver would take it."""

    def command(self):
        return ["sh", "-c", 'exec "$@" >>"$0"', str(self.directory / "lines"), *super().command()]


class Emf(Case):
    """The lane emf: what stands on standard output becomes metrics, with no keys in the sidecar; its alarms are the same."""

    def test_lines_become_metrics(self):
        config = self.config("    - {expr: orchestrator_session_create_failures_total, name: Failures, kind: delta}\n  lane: emf\n  thresholds:\n"
                             "    - {metric: BreakersOpen, above: 0, missing: ignore, ACTIONS}\n"
                             "    - {metric: Failures, at_least: 1, ACTIONS}\n  heartbeat: {expected_replicas: 1, ACTIONS}\n")
        taken = 0

        def follow(states):
            nonlocal taken
            lines = (sidecar.directory / "lines").read_text().split("\n")[:-1]
            for line in lines[taken:]:
                self.alarms.take_emf(line)
            taken = len(lines)
            return self.states("BreakersOpen", "Failures", "heartbeat") == states
        nobody = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
        with Lines("--storage.sample-interval=1s", config=config, environment={**nobody, "CLOUDWATCH_INTERVAL": "1s"}) as sidecar:
            breaker(sidecar, "closed")
            self.apply(config)
            wait_for(lambda: follow(["OK", "OK", "OK"]), what="states by lines")
            breaker(sidecar, "open")
            sidecar.write(*({"type": "error", "op": "session.create", "code": "bb_concurrency_limit"} for _ in range(3)))
            wait_for(lambda: follow(["ALARM", "OK", "OK"]) and len(self.paged("Failures")) == 1, what="one page for failures that came at once")
            sidecar.kill()
            self.silence()
            self.assertEqual(self.states("BreakersOpen", "Failures", "heartbeat"), ["ALARM", "INSUFFICIENT_DATA", "ALARM"])
        self.assertEqual({r.headers["x-amz-target"].partition(".")[2] for r in self.aws.requests} & {"PutMetricData"}, set())


class Example(Case):
    """examples/cloudwatch.yml as it stands."""

    prefix = "Orchestrator/collector/production/"

    def test_the_sidecars_own_silence_pages(self):
        example = ROOT / "examples/cloudwatch.yml"
        environment = {**self.environment, "CLOUDWATCH_INTERVAL": "1s", "CLOUDWATCH_BUDGET": "100"}
        with Sidecar("--storage.sample-interval=1s", "--global.evaluation-interval=1s", f"--config.file={example}", environment=environment) as sidecar:
            sidecar.write({"type": "orchestrator.started", "boot": "b1", "writer": "main"})
            self.assertIn("9 alarms were changed", self.apply(example))
            names = [name.removeprefix(self.prefix) for name in self.alarms.alarms]
            self.assertEqual(len(names), 9)
            self.wait_states(**{name.replace("/", "__"): "OK" for name in names})
            self.assertEqual(self.alarms.pages, [])
            sidecar.kill()
            self.silence()
            self.wait_states(**{name.replace("/", "__"): "ALARM" if name == "heartbeat" else "OK" for name in names})
            self.assertEqual([(p.alarm, p.action) for p in self.alarms.pages], [(self.prefix + "heartbeat", TOPIC)])
            self.assertIn("no datapoints were received for 3 periods", self.alarms.pages[0].reason)
            sidecar.start()
            self.wait_states(heartbeat="OK")
            status, told, _ = self.cloudwatch("test", example)
            self.assertEqual(status, 0)
            self.assertIn("SessionsOrphaned was set to ALARM", told)
            self.assertEqual(self.paged("SessionsOrphaned"), [TOPIC])
            self.wait_states(SessionsOrphaned="OK")  # by itself


class Limits(Case):
    """What the plan refuses before anything is sent, the stub refuses as well; what is just within is taken by both."""

    DIMENSIONS = ", ".join(f"d{i:02}: v" for i in range(31))
    BODY = {"AlarmName": "a", "Namespace": "N", "MetricName": "m", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1,
            "ComparisonOperator": "GreaterThanThreshold"}
    THRESHOLD = "  thresholds: [{metric: BreakersOpen, above: 0, %s}]\n"
    REFUSED = [
        (THRESHOLD % f"name: {'n' * 256}", {"AlarmName": "n" * 256}),
        (THRESHOLD % f"name: {'n' * 240}", {"AlarmName": PREFIX + "n" * 240}),  # made too long by its prefix
        (THRESHOLD % 'name: "a\\tb"', {"AlarmName": "a\tb"}),
        (THRESHOLD % f"description: {'d' * 1025}", {"AlarmDescription": "d" * 1025}),
        (THRESHOLD % f'actions: [{", ".join([TOPIC + str(i) for i in range(6)])}]', {"AlarmActions": [TOPIC + str(i) for i in range(6)]}),
        (THRESHOLD % "ok_actions: [oncall]", {"OKActions": ["oncall"]}),
        (THRESHOLD % f"ok_actions: ['{TOPIC.replace('us-east-1', 'eu-west-1')}']", {"OKActions": [TOPIC.replace("us-east-1", "eu-west-1")]}),
        (f"  heartbeat: {{actions: ['{TOPIC.replace('aws', 'aws-cn')}']}}\n", {"AlarmActions": [TOPIC.replace("aws", "aws-cn")]}),
        (THRESHOLD % "period: 90s", {"Period": 90}),
        (THRESHOLD % "for: 1441m", {"EvaluationPeriods": 1441}),
        (THRESHOLD % "period: 1h, for: 169h", {"Period": 3600, "EvaluationPeriods": 169}),
        (THRESHOLD % "for: 3m, of: 2", {"EvaluationPeriods": 2, "DatapointsToAlarm": 3}),
        (THRESHOLD % "missing: Breaching", {"TreatMissingData": "Breaching"}),
        (THRESHOLD % "statistic: Median", {"Statistic": "Median"}),
        (THRESHOLD.replace("above: 0", "above: .inf") % "", {"Threshold": float("inf")}),
        (f"  dimensions: {{{DIMENSIONS}}}\n" + THRESHOLD % "", {"Dimensions": [{"Name": f"d{i:02}", "Value": "v"} for i in range(31)]}),
        ("  dimensions: {ä: v}\n" + THRESHOLD % "", {"Dimensions": [{"Name": "ä", "Value": "v"}]}),
        (f"  dimensions: {{d: {'v' * 1025}}}\n" + THRESHOLD % "", {"Dimensions": [{"Name": "d", "Value": "v" * 1025}]}),
        (f"  namespace: {'n' * 256}\n" + THRESHOLD % "", {"Namespace": "n" * 256}),
        ("  namespace: ':n'\n" + THRESHOLD % "", {"Namespace": ":n"}),
        (f"  tags: {{{', '.join(f'k{i}: v' for i in range(51))}}}\n" + THRESHOLD % "", {"Tags": [{"Key": f"k{i}", "Value": "v"} for i in range(51)]}),
        ("  tags: {'aws:x': v}\n" + THRESHOLD % "", {"Tags": [{"Key": "aws:x", "Value": "v"}]}),
        (f"  tags: {{{'k' * 129}: v}}\n" + THRESHOLD % "", {"Tags": [{"Key": "k" * 129, "Value": "v"}]}),
    ]

    def test_refused_by_both(self):
        self.alarms.per_second = {}
        put = self.aws.operations["PutMetricAlarm"]
        put(self.aws, self.BODY)  # there is nothing else wrong with it
        for more, wrong in self.REFUSED:
            self.aws.requests.clear()
            with self.subTest(config=more[:100]):
                with self.assertRaises(aws_stub.Refusal):
                    put(self.aws, {**self.BODY, **wrong})
                status, stdout, stderr = self.cloudwatch("apply", self.config(more))
                self.assertEqual((status, stdout), (1, ""), stderr)
                self.assertRegex(stderr, r"command\.yml:\d+:\d+: |cloudwatch: ")
                self.assertEqual(self.aws.requests, [])

    def test_just_within(self):
        dimensions = ", ".join(f"d{i:02}: {'v' * 1024 if i == 0 else 'v'}" for i in range(30))
        topics = ", ".join(TOPIC + str(i) for i in range(5))
        config = self.config(
            f"  dimensions: {{{dimensions}}}\n  tags: {{{', '.join(f'k{i}: v' for i in range(48))}}}\n  thresholds:\n"
            f"    - {{metric: BreakersOpen, above: 0, name: {'n' * (255 - len(PREFIX))}, description: {'d' * 1024}, actions: [{topics}], ok_actions: [{topics}],"
            f" insufficient_data_actions: [{topics}], for: 24h}}\n"
            "    - {metric: BreakersOpen, above: 0, name: week, period: 1h, for: 168h}\n")
        self.assertIn("2 alarms were changed", self.apply(config))
        self.assertIn("0 alarms were changed", self.apply(config))
        alarm = self.alarms.alarms[PREFIX + "n" * (255 - len(PREFIX))]
        self.assertEqual((len(alarm["Dimensions"]), len(alarm["AlarmActions"]), alarm["EvaluationPeriods"]), (30, 5, 1440))
        self.assertEqual(len(self.alarms.tags[alarm["AlarmArn"]]), 50)

    def test_quota_and_rate(self):
        def puts():
            return sum(r.headers["x-amz-target"].endswith(".PutMetricAlarm") for r in self.aws.requests)
        config = self.config("  thresholds:\n" + "".join(f"    - {{metric: BreakersOpen, above: {i}, name: t{i}}}\n" for i in range(6)))
        self.alarms.quota = 1
        status, _, stderr = self.cloudwatch("apply", config)
        self.assertEqual((status, puts()), (1, 2))  # a quota is no throttling: it is not tried again
        self.assertIn("LimitExceeded", stderr)
        self.alarms.quota = 5000
        self.assertIn("5 alarms were changed", self.apply(config))  # at a pace that is never throttled
        put = self.aws.operations["PutMetricAlarm"]

        def busy(aws, parameters):  # somebody else has made three this second
            self.aws.operation("PutMetricAlarm", put)
            raise aws_stub.Refusal(400, "ThrottlingException", "Rate exceeded")
        self.aws.operation("PutMetricAlarm", busy)
        before = puts()
        self.assertIn("1 alarm was changed", self.apply(config.replace("above: 5", "above: 50")))
        self.assertEqual(puts() - before, 2)

    def test_composite_alarms_are_left_alone(self):
        config = self.config("  rule_alarms: {severity: [critical]}\n  heartbeat: {expected_replicas: 1}\n")
        self.apply(config)
        composite = self.aws.operations["PutCompositeAlarm"]
        rule = f'ALARM("{PREFIX}heartbeat") OR ALARM("{PREFIX}rule/BreakerOpen")'
        composite(self.aws, {"AlarmName": PREFIX + "any", "AlarmRule": rule, "AlarmActions": [TOPIC],
                             "Tags": [{"Key": "oxpecker:service", "Value": "collector"}, {"Key": "oxpecker:environment", "Value": "test"}]})
        self.assertIn("0 alarms were changed", self.apply(config, "--prune"))
        self.assertIn(PREFIX + "any", self.alarms.alarms)
        self.silence()
        self.assertEqual((self.states("any"), self.paged("any")), (["ALARM"], [TOPIC]))  # by the heartbeat that is its child

        fewer = self.config("  rule_alarms: {severity: [critical]}\n")
        status, _, stderr = self.cloudwatch("apply", fewer, "--prune")  # AWS keeps what a composite alarm looks at
        self.assertEqual(status, 1)
        self.assertIn("composite alarm(s) depending on it", stderr)
        self.aws.operations["DeleteAlarms"](self.aws, {"AlarmNames": [PREFIX + "any"]})
        self.assertIn("1 alarm was changed", self.apply(fewer, "--prune"))

        composite(self.aws, {"AlarmName": PREFIX + "heartbeat", "AlarmRule": "FALSE", "Tags": [{"Key": "oxpecker:service", "Value": "collector"}, {"Key": "oxpecker:environment", "Value": "test"}]})
        status, _, stderr = self.cloudwatch("apply", config)
        self.assertEqual(status, 1)
        self.assertIn("a composite alarm has this name", stderr)


if __name__ == "__main__":
    unittest.main()
