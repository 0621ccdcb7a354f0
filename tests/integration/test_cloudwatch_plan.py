"""The plan of CloudWatch alarms against moto on loopback with its checks of signatures and policies on, read back by boto3: what is made, that a
second apply changes nothing, what is changed, removed, left alone and refused. The policy is the one that `policy` prints."""
import json
import os
import pathlib
import tempfile
import unittest

import aws_stub

try:
    import moto_peer
    from aws_stub_alarms import Alarms
    from botocore.exceptions import ClientError
except ImportError:
    if os.environ.get("CI"):
        raise
    moto_peer = None

from harness import OXPECKER, ROOT, run

DRIVER = OXPECKER.parent / "tests/unit/alerts/cloudwatch/cloudwatch_driver"
TOPIC = "arn:aws:sns:us-east-1:123456789012:pages"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
PREFIX = "Orchestrator/collector/test/"
CONFIG = """
region: us-east-1
metrics:
  - {expr: orchestrator_sessions_orphaned, name: SessionsOrphaned, kind: gauge, unit: Count}
  - {expr: orchestrator_task_duration_seconds_bucket, name: TaskDuration, kind: distribution, unit: Seconds}
thresholds:
  - {metric: SessionsOrphaned, above: 5, for: 3m, of: 5, missing: notBreaching, actions: ["TOPIC"], ok_actions: ["TOPIC"]}
  - {metric: TaskDuration, at_least: 2.5, statistic: p99, name: slow, description: "too slow: 99 % of tasks"}
heartbeat: {expected_replicas: 2, actions: ["TOPIC"]}
rule_alarms: {severity: [critical], alertname: [OrchestratorDown]}
tags: {team: web}
""".replace("TOPIC", TOPIC)
FULL = {PREFIX + name for name in ("SessionsOrphaned", "slow", "heartbeat", "rule/OrchestratorDown")}


@unittest.skipUnless(moto_peer and DRIVER.is_file(), "needs boto3, moto and cloudwatch_driver")
class Plan(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.moto = cls.enterClassContext(moto_peer.Moto())

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="oxpecker-cloudwatch-")
        self.addCleanup(directory.cleanup)
        self.config = pathlib.Path(directory.name) / "cloudwatch.yml"
        self.write(CONFIG)
        self.keys = KEYS
        self.moto.reset(moto_peer.allow(*moto_peer.actions_of(json.loads(self.drive("policy")))))
        self.keys = {**KEYS, **self.moto.keys}
        self.client = self.moto.client()
        self.person = self.moto.client(user="person")

    def write(self, text):
        self.config.write_text(text)

    def drive(self, command, *flags, status=0):
        """What the driver printed; for a failure what it said on standard error."""
        got, out, err = run(DRIVER, command, self.config, f"--rules={ROOT / 'alerts/rulefiles/orchestrator.yml'}", *flags,
                            AWS_ENDPOINT_URL=self.moto.url, **self.keys)
        self.assertEqual(got, status, out + err)
        return out if status == 0 else err

    def alarms(self):
        return {a["AlarmName"]: a for a in self.client.describe_alarms()["MetricAlarms"]}

    def tags(self, name):
        found = self.client.list_tags_for_resource(ResourceARN=self.alarms()[name]["AlarmArn"])["Tags"]
        return {t["Key"]: t["Value"] for t in found}

    def changed(self, out):
        return [line for line in out.splitlines() if not line.startswith("paused")]

    def test_made_as_planned_and_once(self):
        plan = self.drive("plan")
        for name in FULL:
            self.assertRegex(plan, rf"\+ create +\w+ +{name}\n")
        self.assertIn("  4 to create\n", plan)
        self.assertEqual(self.alarms(), {})
        self.assertEqual(set(self.changed(self.drive("apply"))), {f"created {name}" for name in FULL})

        alarms = self.alarms()
        self.assertEqual(set(alarms), FULL)
        own = [{"Name": "Service", "Value": "collector"}, {"Name": "Environment", "Value": "test"}]
        wanted = {
            "SessionsOrphaned": {"MetricName": "SessionsOrphaned", "Dimensions": own, "Statistic": "Maximum", "Threshold": 5.0,
                                 "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 5, "DatapointsToAlarm": 3,
                                 "TreatMissingData": "notBreaching", "AlarmActions": [TOPIC], "OKActions": [TOPIC]},
            "slow": {"MetricName": "TaskDuration", "Dimensions": own, "ExtendedStatistic": "p99", "Threshold": 2.5,
                     "ComparisonOperator": "GreaterThanOrEqualToThreshold", "EvaluationPeriods": 1, "DatapointsToAlarm": 1,
                     "TreatMissingData": "missing", "AlarmActions": [], "AlarmDescription": "too slow: 99 % of tasks"},
            "heartbeat": {"MetricName": "Heartbeat", "Dimensions": own, "Statistic": "Sum", "Threshold": 2.0,
                          "ComparisonOperator": "LessThanThreshold", "EvaluationPeriods": 3, "DatapointsToAlarm": 3,
                          "TreatMissingData": "breaching", "AlarmActions": [TOPIC]},
            "rule/OrchestratorDown": {"MetricName": "RuleState", "Dimensions": own + [{"Name": "Rule", "Value": "OrchestratorDown"}],
                                      "Statistic": "Maximum", "Threshold": 1.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                                      "EvaluationPeriods": 1, "DatapointsToAlarm": 1, "TreatMissingData": "ignore"},
        }
        for what, fields in wanted.items():
            alarm = alarms[PREFIX + what]
            fields.update({"Namespace": "Orchestrator", "Period": 60, "ActionsEnabled": True})
            self.assertEqual({k: alarm.get(k) for k in fields}, fields, what)
            self.assertEqual(self.tags(PREFIX + what), {"oxpecker:service": "collector", "oxpecker:environment": "test", "team": "web"})
        self.assertIn("orchestrator_up == 0", alarms[PREFIX + "rule/OrchestratorDown"]["AlarmDescription"])

        self.assertEqual(self.changed(self.drive("apply", "--prune")), [])
        self.assertEqual(self.alarms(), alarms)  # the times of change, too
        self.assertIn("  4 as they should be\n", self.drive("plan"))

    def test_keys_that_are_not_right(self):
        right = self.keys
        for wrong in ({"AWS_SECRET_ACCESS_KEY": "x" * 40}, {"AWS_ACCESS_KEY_ID": "AKIANOBODY"}):
            self.keys = {**right, **wrong}
            for command in ("plan", "apply", "test"):
                said = self.drive(command, status=1)
                self.assertRegex(said, "SignatureDoesNotMatch" if "AWS_SECRET_ACCESS_KEY" in wrong else "InvalidClientTokenId")
                self.assertNotIn("x" * 40, said)
        with self.assertRaisesRegex(ClientError, "SignatureDoesNotMatch"):  # the referee, too
            self.moto.client(secret="x" * 40).describe_alarms()
        self.assertEqual((self.alarms(), self.client.list_metrics()["Metrics"]), ({}, []))
        self.keys = right
        self.drive("apply")
        self.assertEqual(set(self.alarms()), FULL)

    def test_one_who_may_only_publish_makes_no_alarms(self):
        self.moto.reset(moto_peer.allow("PutMetricData"))
        self.keys = {**KEYS, **self.moto.keys}
        self.assertIn("DescribeAlarms", self.drive("apply", status=1))
        self.client = self.moto.client()
        self.assertEqual(self.alarms(), {})

    def test_changes(self):
        self.drive("apply")
        self.write(CONFIG.replace("above: 5", "above: 3").replace("team: web", "team: ops"))
        plan = self.drive("plan")
        self.assertIn("Threshold 5 -> 3, tag team web -> ops\n", plan)
        self.assertIn("  4 to change\n", plan)
        self.assertIn(f"changed {PREFIX}SessionsOrphaned", self.drive("apply"))
        self.assertEqual(self.alarms()[PREFIX + "SessionsOrphaned"]["Threshold"], 3.0)
        self.assertEqual(self.tags(PREFIX + "slow"), {"oxpecker:service": "collector", "oxpecker:environment": "test", "team": "ops"})
        self.assertEqual(self.changed(self.drive("apply")), [])

    def test_what_a_person_changed(self):
        self.drive("apply")
        self.person.put_metric_alarm(AlarmName=PREFIX + "slow", Namespace="Orchestrator", MetricName="TaskDuration", Statistic="Average",
                                     Unit="Seconds", Period=300, EvaluationPeriods=1, Threshold=2.5, ActionsEnabled=False,
                                     ComparisonOperator="GreaterThanOrEqualToThreshold")
        plan = self.drive("plan")
        self.assertIn("Dimensions {} -> {Service=collector, Environment=test}, Statistic Average -> none, ExtendedStatistic none -> p99, "
                      "Unit Seconds -> none, Period 300 -> 60, ActionsEnabled false -> true, "
                      'AlarmDescription none -> "too slow: 99 % of tasks"\n', plan)
        self.drive("apply")
        self.assertIn("  4 as they should be\n", self.drive("plan"))

    def test_prune_removes_only_ours(self):
        self.drive("apply")
        for name in (PREFIX + "by-hand", "Orchestrator/other/mine"):
            self.person.put_metric_alarm(AlarmName=name, Namespace="N", MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1,
                                         Threshold=1, ComparisonOperator="LessThanThreshold",
                                         Tags=[{"Key": "oxpecker:service", "Value": "other"}])
        self.write(CONFIG.replace("heartbeat:", "#heartbeat:"))
        self.assertRegex(self.drive("plan"), rf"- remove +unknown +{PREFIX}heartbeat\n(.|\n)*1 no longer wanted")
        self.assertEqual(self.changed(self.drive("apply")), [])
        self.assertIn(PREFIX + "heartbeat", self.alarms())
        self.assertEqual(self.changed(self.drive("apply", "--prune")), [f"removed {PREFIX}heartbeat"])
        self.assertEqual(set(self.alarms()), FULL - {PREFIX + "heartbeat"} | {PREFIX + "by-hand", "Orchestrator/other/mine"})

    def test_environments_are_apart(self):
        """Each has its own alarms and removes no other's; what was made without one goes with the first --prune, unless it is another's."""
        self.drive("apply")
        other = {name.replace("/test/", "/staging/") for name in FULL}
        self.assertIn("  4 to create\n", self.drive("plan", "--environment=staging"))
        self.drive("apply", "--environment=staging", "--prune")
        self.assertEqual(set(self.alarms()), FULL | other)
        self.assertEqual({d["Value"] for d in self.alarms()["Orchestrator/collector/staging/heartbeat"]["Dimensions"]}, {"collector", "staging"})
        self.assertEqual(self.tags("Orchestrator/collector/staging/heartbeat")["oxpecker:environment"], "staging")
        self.assertIn("  4 as they should be\n", self.drive("plan"))
        for name, environment in (("old", "test"), ("old2", "staging")):
            self.person.put_metric_alarm(AlarmName="Orchestrator/collector/" + name, Namespace="Orchestrator", MetricName="m", Statistic="Sum", Period=60,
                                         EvaluationPeriods=1, Threshold=1, ComparisonOperator="LessThanThreshold",
                                         Dimensions=[{"Name": "Environment", "Value": environment}],
                                         Tags=[{"Key": "oxpecker:service", "Value": "collector"}])
        self.assertRegex(self.drive("plan"), r"- remove +unknown +Orchestrator/collector/old\n +made without an environment\n(.|\n)*1 no longer wanted")
        self.assertEqual(self.changed(self.drive("apply")), [])
        self.assertIn("Orchestrator/collector/old", self.alarms())
        self.assertEqual(self.changed(self.drive("apply", "--prune")), ["removed Orchestrator/collector/old"])
        self.assertEqual(set(self.alarms()), FULL | other | {"Orchestrator/collector/old2"})

    def test_somebody_elses_alarm_is_a_conflict(self):
        self.person.put_metric_alarm(AlarmName=PREFIX + "slow", Namespace="N", MetricName="m", Statistic="Sum", Period=60,
                                     EvaluationPeriods=1, Threshold=1, ComparisonOperator="LessThanThreshold")
        self.assertRegex(self.drive("plan"), rf"! conflict +threshold +{PREFIX}slow\n +it does not carry the tag oxpecker:service\n")
        self.assertIn("error ERR_EXISTS", self.drive("apply", "--prune", status=1))
        self.assertEqual(set(self.alarms()), {PREFIX + "slow"})
        self.assertEqual(self.alarms()[PREFIX + "slow"]["Namespace"], "N")

    def test_budget(self):
        prices = "prices: {metric: 1, alarm: 1, free_metrics: 0, free_alarms: 0}\nbudget: 7.5\n"
        self.write(CONFIG + prices)  # 2 metrics, the rule's and the heartbeat; 4 alarms
        self.assertIn("8.00 USD; as it is 4.00\n  budget                 7.50 USD: exceeded by 0.50", self.drive("plan"))
        self.assertIn("4 alarms were not created or changed: 8.00 a month would exceed the budget of 7.50 by 0.50 USD",
                      self.drive("apply", status=1))
        self.assertEqual(self.alarms(), {})
        self.write(CONFIG + prices.replace("7.5", "8"))
        self.drive("apply")
        self.assertEqual(set(self.alarms()), FULL)

    def test_the_test(self):
        self.assertIn("error ERR_NOT_FOUND", self.drive("test", status=1))
        self.drive("apply")
        told = self.drive("test")
        self.assertRegex(told, r"metric OxpeckerTest in namespace Orchestrator, with the dimensions (.*); request \w{8}")
        self.assertIn(TOPIC, told)
        alarm = self.alarms()[PREFIX + "SessionsOrphaned"]
        self.assertEqual(alarm["StateValue"], "ALARM")
        self.assertIn("Test by `oxpecker cloudwatch test`", alarm["StateReason"])
        metrics = self.client.list_metrics(Namespace="Orchestrator", MetricName="OxpeckerTest")["Metrics"]
        dimensions = [f"{d['Name']}={d['Value']}" for d in metrics[0]["Dimensions"]]
        self.assertIn("Oxpecker=test", dimensions)
        self.assertIn(f"with the dimensions {', '.join(dimensions)}; request", told)
        self.assertIn("The alarm " + PREFIX + "heartbeat was set", self.drive("test"))  # the first one rings already

    def test_replicas_of_their_own(self):
        self.write(CONFIG + "replicas: split\n")
        self.drive("apply", "--label=replica=a")
        first = set(self.alarms())
        self.assertIn(PREFIX + "SessionsOrphaned/replica=a", first)
        self.drive("apply", "--prune", "--label=replica=b")
        self.assertTrue(first < set(self.alarms()))
        self.assertEqual(len(self.alarms()), 7)  # three of each and one heartbeat
        self.assertEqual(self.changed(self.drive("apply", "--prune", "--label=replica=a")), [])

    def test_policy_and_dashboard_are_json(self):
        policy = json.loads(self.drive("policy"))
        resources = {statement["Sid"]: statement["Resource"] for statement in policy["Statement"]}
        self.assertEqual(resources["OxpeckerOwnAlarms"], "arn:aws:cloudwatch:us-east-1:*:alarm:Orchestrator/collector/test/*")
        self.assertEqual(resources["OxpeckerSeeTags"], "arn:aws:cloudwatch:us-east-1:*:alarm:Orchestrator/collector/*")
        self.person.put_dashboard(DashboardName="d", DashboardBody=self.drive("dashboard"))
        widgets = json.loads(self.client.get_dashboard(DashboardName="d")["DashboardBody"])["widgets"]
        self.assertEqual(widgets[0]["properties"]["alarms"][0],
                         "arn:aws:cloudwatch:us-east-1:123456789012:alarm:" + PREFIX + "SessionsOrphaned")
        taken = set()
        for widget in widgets:  # none covers another
            cells = {(x, y) for x in range(widget["x"], widget["x"] + widget["width"])
                     for y in range(widget["y"], widget["y"] + widget["height"])}
            self.assertFalse(taken & cells)
            taken |= cells
            self.assertLessEqual(widget["x"] + widget["width"], 24)


OTLP = """
lane: otlp
otlp_untried: true
region: us-east-1
metrics:
  - {expr: orchestrator_sessions_orphaned, name: SessionsOrphaned, kind: gauge}
  - {expr: orchestrator_up, name: orchestrator_up, kind: gauge}
  - {expr: orchestrator_task_duration_seconds_bucket, name: TaskDuration, kind: distribution, unit: Seconds}
thresholds:
  - {metric: SessionsOrphaned, above: 5, for: 3m, missing: breaching, actions: ["TOPIC"], ok_actions: ["TOPIC"]}
  - {metric: TaskDuration, at_least: 2.5, statistic: p99, name: slow}
heartbeat: {expected_replicas: 2, actions: ["TOPIC"]}
rule_alarms: {severity: [critical]}
""".replace("TOPIC", TOPIC)


@unittest.skipUnless(moto_peer and DRIVER.is_file(), "needs botocore and cloudwatch_driver")
class PromQlAlarms(unittest.TestCase):
    """The lane otlp against the strict stub, which knows what a PromQL alarm may have beside its criteria, and evaluates none."""

    def setUp(self):
        self.aws = self.enterContext(aws_stub.AwsStub())
        self.aws.grant(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"])
        alarms = Alarms(self.aws)
        alarms.per_second, self.alarms = {}, alarms.alarms  # the driver does not sleep between its calls
        directory = tempfile.TemporaryDirectory(prefix="oxpecker-cloudwatch-")
        self.addCleanup(directory.cleanup)
        self.config = pathlib.Path(directory.name) / "cloudwatch.yml"
        self.config.write_text(OTLP)

    def drive(self, command, *flags):
        status, out, err = run(DRIVER, command, self.config, f"--rules={ROOT / 'alerts/rulefiles/orchestrator.yml'}", "--label=replica=a", *flags,
                               AWS_ENDPOINT_URL=self.aws.url, **KEYS)
        self.assertEqual(status, 0, out + err)
        return [line for line in out.splitlines() if not line.startswith("paused")]

    def criteria(self, name):
        return self.alarms[PREFIX + name]["EvaluationCriteria"]["PromQLCriteria"]

    def test_made_once_and_changed(self):
        made = self.drive("apply")
        self.assertTrue(made and all(line.startswith("created ") for line in made), made)
        own = '{Service="collector", Environment="test"}'
        self.assertEqual(self.criteria("SessionsOrphaned"), {
            "Query": f"max(SessionsOrphaned{own}) > 5 or absent(SessionsOrphaned{own})", "PendingPeriod": 120, "RecoveryPeriod": 0})
        self.assertEqual(self.criteria("slow")["Query"], f"histogram_quantile(99 / 100, sum(TaskDuration{own})) >= 2.5")
        self.assertEqual(self.criteria("heartbeat")["Query"],
                         f"count(count_over_time(Heartbeat{own}[180s])) < 2 or absent_over_time(Heartbeat{own}[180s])")
        self.assertEqual(self.criteria("rule/OrchestratorDown"), {"Query": "orchestrator_up == 0", "PendingPeriod": 120, "RecoveryPeriod": 0})
        self.assertEqual(self.criteria("rule/OrchestratorFatalError"), {
            "Query": f'max(RuleState{own[:-1]}, Rule="OrchestratorFatalError"}}) >= 1', "PendingPeriod": 0, "RecoveryPeriod": 0})
        self.assertEqual(self.drive("apply"), [])
        self.config.write_text(OTLP.replace("above: 5", "above: 6"))
        self.assertEqual(self.drive("apply"), [f"changed {PREFIX}SessionsOrphaned"])
        self.assertIn("> 6 or", self.criteria("SessionsOrphaned")["Query"])


if __name__ == "__main__":
    unittest.main()
