"""The strict stub's alarms (aws_stub_alarms.py, aws_stub_evaluate.py) held against what AWS documents: the tables of missing data, statistics,
the limits of each operation with what is just within them beside, composite rules, how many a second. The stub is a referee: it is tried here
without anything of ours."""
import copy
import json
import os
import unittest

try:
    import botocore  # noqa: F401  its model of CloudWatch
except ImportError:
    if os.environ.get("CI"):
        raise
    raise unittest.SkipTest("no botocore") from None

from aws_stub import AwsStub, Refusal
from aws_stub_alarms import Alarms, Clock
from aws_stub_emf import NotEmf, emf_data
from aws_stub_evaluate import Metrics, Rule, decide, percentile, sample_of, statistic

TOPIC = "arn:aws:sns:us-east-1:123456789012:pages"
KEEP = "Retain current state"
# The user guide's two tables and its words about premature ALARM: M of N, points (0 good, X breaching, - missing; newest last), then the states
# for missing, ignore, breaching and notBreaching.
DOCUMENTED = [
    (3, 3, "0-X-X", "OK", "OK", "OK", "OK"),
    (3, 3, "0----", "OK", "OK", "OK", "OK"),
    (3, 3, "-----", "INSUFFICIENT_DATA", KEEP, "ALARM", "OK"),
    (3, 3, "0XX-X", "ALARM", "ALARM", "ALARM", "ALARM"),
    (3, 3, "--X--", "ALARM", KEEP, "ALARM", "OK"),
    (2, 3, "0-X-X", "ALARM", "ALARM", "ALARM", "ALARM"),
    (2, 3, "00X0X", "ALARM", "ALARM", "ALARM", "ALARM"),
    (2, 3, "0-X--", "OK", "OK", "ALARM", "OK"),
    (2, 3, "----0", "OK", "OK", "ALARM", "OK"),
    (2, 3, "---X-", "ALARM", KEEP, "ALARM", "OK"),
    # "does not go immediately into ALARM": what it is instead is not said
    (3, 3, "----X", KEEP, KEEP, "ALARM", "OK"),
    (3, 3, "---X-", KEEP, KEEP, "ALARM", "OK"),
    # our reading: enough of real ones decide alone, however they are treated
    (3, 3, "0XX--", "OK", "OK", "OK", "OK"),
    (1, 1, "X--", "ALARM", "ALARM", "ALARM", "ALARM"),
    (1, 1, "0--", "OK", "OK", "OK", "OK"),
    (2, 3, "---XX", "ALARM", "ALARM", "ALARM", "ALARM"),
]
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def when(time):
    """A clock that stands at list[0]."""
    return Clock(ours=lambda: time[0])


class Evaluator(unittest.TestCase):
    def test_documented_tables(self):
        for m, n, points, *states in DOCUMENTED:
            bad = [{"0": False, "X": True, "-": None}[p] for p in points]
            for treat, wanted in zip(TREATMENTS, states):
                for before in ("OK", "ALARM", "INSUFFICIENT_DATA"):
                    with self.subTest(points=points, m=m, treat=treat, before=before):
                        state, _ = decide(bad, {"EvaluationPeriods": n, "DatapointsToAlarm": m, "TreatMissingData": treat}, before)
                        self.assertEqual(state, before if wanted == KEEP else wanted)

    def test_statistics(self):
        plain = sample_of({"Value": 5.0}, 0)
        valued = sample_of({"Values": [1, 2, 10], "Counts": [7, 2, 1]}, 0)
        hidden = sample_of({"StatisticValues": {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4}}, 0)
        for name, samples, wanted in (
                ("SampleCount", [plain, valued, hidden], 15), ("Sum", [plain, valued, hidden], 36), ("Average", [plain, hidden], 3),
                ("Minimum", [plain, hidden], 1), ("Maximum", [valued, hidden], 10), ("p70", [valued], 1), ("p70.1", [valued], 2),
                ("p90", [valued], 2), ("p90.1", [valued], 10), ("p100", [valued], 10), ("p0", [valued], 1), ("p99", [valued, hidden], None),
                ("p50", [sample_of({"StatisticValues": {"SampleCount": 3, "Sum": 6, "Minimum": 2, "Maximum": 2}}, 0)], 2), ("Sum", [], None)):
            with self.subTest(name=name, wanted=wanted):
                self.assertEqual(statistic(samples, name), wanted)
        self.assertIsNone(percentile([hidden], 50))

    def test_periods(self):
        metrics = Metrics()
        for time, value, more in ((60, 1, {}), (119, 2, {"StorageResolution": 1}), (120, 4, {}), (130, 8, {}), (250, 16, {"StorageResolution": 1}),
                                  (251, 99, {"Unit": "Count"})):
            metrics.put("N", {"MetricName": "m", "Value": value, **more}, time)
        metrics.put("N", {"MetricName": "m", "Value": 7, "Dimensions": [{"Name": "a", "Value": "b"}]}, 120)  # another one
        alarm = {"Namespace": "N", "MetricName": "m", "Statistic": "Sum", "Period": 60, "Unit": "None"}
        self.assertEqual(metrics.points(alarm, 300, 4), [3, 12, None, 16])
        self.assertEqual(metrics.points({**alarm, "Period": 10}, 260, 3), [None, None, 16])
        self.assertEqual(metrics.points({**alarm, "Period": 10}, 140, 3), [2, 12, None])  # a minute's data are at its begin
        del alarm["Unit"]
        self.assertEqual(metrics.points(alarm, 300, 1), [115])

    def test_lines_of_the_embedded_metric_format(self):
        def line(values=(1, 2, 2), metric=None, time=1_800_000_000_500, dimensions=("d",), **more):
            return json.dumps({"_aws": {"Timestamp": time, "CloudWatchMetrics": [
                {"Namespace": "N", "Dimensions": [dimensions], "Metrics": [metric or {"Name": "m", "Unit": "Count"}]}]}, "d": "v", "m": values, **more})
        self.assertEqual(emf_data(line()), [("N", {"MetricName": "m", "Values": [1, 2], "Counts": [1, 2], "Unit": "Count", "StorageResolution": 60,
                                                   "Dimensions": [{"Name": "d", "Value": "v"}]}, 1_800_000_000.5)])
        self.assertEqual(emf_data(line(7, {"Name": "m"}, dimensions=[]))[0][1]["Values"], [7])
        emf_data(line(list(range(100))))
        for wrong in (line(list(range(101))), line([]), line("1"), line(float("inf")), line(metric={"Name": "m", "Unit": "Counts"}),
                      line(metric={"Name": "m", "StorageResolution": 10}), line(metric={"Name": "no"}), line(time="1"), line(time=1.5), line(dimensions=["no"]),
                      line(dimensions=["d"] * 2), line(d=""), line(d=1), line(_aws={}), "{}", line(more="x" * (1 << 20)), "not JSON"):
            with self.subTest(line=wrong[:200]), self.assertRaises((NotEmf, Refusal, KeyError, ValueError)):
                emf_data(wrong)

    def test_a_clock(self):
        time = [1000.0]
        clock = Clock(60, lambda: time[0])
        begin = clock.now()
        self.assertEqual(begin % 3600, 0)
        time[0] = 1002.5
        self.assertEqual(clock.now() - begin, 150)
        clock.jump(600)
        self.assertEqual(clock.now() - begin, 750)
        self.assertEqual(clock.at(1002) - begin, 120)  # what was stays
        self.assertEqual((clock.at(1003) - begin) % 60, 0)


class Stub(unittest.TestCase):
    """The operations, called as the stub calls them."""

    METRIC = {"AlarmName": "a", "Namespace": "N", "MetricName": "m", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1,
              "ComparisonOperator": "GreaterThanThreshold"}

    def setUp(self):
        self.time = [1_800_000_000.0]
        self.aws = AwsStub()
        self.aws.region = "us-east-1"
        self.aws.now = lambda: self.time[0]
        self.alarms = Alarms(self.aws, when(self.time), lambda: self.time[0])
        self.alarms.per_second = {}

    def call(self, operation, **parameters):
        return self.aws.operations[operation](self.aws, parameters)

    def put(self, **more):
        parameters = {**copy.deepcopy(self.METRIC), **more}
        return self.call("PutMetricAlarm", **{k: v for k, v in parameters.items() if v is not None})

    def refused(self, operation, **parameters):
        with self.assertRaises(Refusal, msg=str(parameters)[:200]) as refusal:
            self.call(operation, **parameters)
        return refusal.exception.code

    def datum(self, value, name="m", **more):
        self.call("PutMetricData", Namespace="N", MetricData=[{"MetricName": name, "Value": value, "Timestamp": self.time[0], **more}])

    def test_states_reasons_and_pages(self):
        self.put(AlarmActions=[TOPIC], OKActions=[TOPIC + "-ok"], EvaluationPeriods=3, DatapointsToAlarm=2)
        self.assertEqual(self.alarms.state("a"), "INSUFFICIENT_DATA")
        for value in (0, 5, 0, 5, 5, 0, 0):
            self.datum(value)
            self.time[0] += 60
            self.alarms.state("a")
        self.assertEqual([(c.before, c.after) for c in self.alarms.changes],
                         [("INSUFFICIENT_DATA", "OK"), ("OK", "ALARM"), ("ALARM", "OK")])
        self.assertEqual([p.action for p in self.alarms.pages], [TOPIC + "-ok", TOPIC, TOPIC + "-ok"])
        self.assertRegex(self.alarms.changes[1].reason, r"^Threshold Crossed: 2 out of the last 3 datapoints \[5\.0 \(.*\), 5\.0 \(.*\)\] were greater "
                                                        r"than the threshold \(1\.0\)\.$")
        self.time[0] += 600
        self.assertEqual(self.alarms.state("a"), "INSUFFICIENT_DATA")
        self.assertIn("Insufficient Data: 3 datapoints were unknown.", self.alarms.changes[-1].reason)
        self.call("SetAlarmState", AlarmName="a", StateValue="ALARM", StateReason="a test")
        self.assertEqual((self.alarms.state("a"), self.alarms.changes[-1].reason), ("ALARM", "a test"))
        self.time[0] += 60
        self.assertEqual(self.alarms.state("a"), "INSUFFICIENT_DATA")  # by itself
        self.assertEqual(self.alarms.paged("a"), [TOPIC] * 2)
        self.put(ActionsEnabled=False, AlarmActions=[TOPIC], TreatMissingData="breaching")
        self.assertEqual(self.alarms.state("a"), "INSUFFICIENT_DATA")  # an update leaves it
        self.time[0] += 60
        self.assertEqual((self.alarms.state("a"), len(self.alarms.paged("a"))), ("ALARM", 2))
        self.assertIn("no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching]", self.alarms.changes[-1].reason)

    def test_percentiles_of_few(self):
        self.put(Statistic=None, ExtendedStatistic="p90", EvaluateLowSampleCountPercentile="ignore")
        self.datum(5)
        self.time[0] += 60
        self.assertEqual(self.alarms.state("a"), "INSUFFICIENT_DATA")
        self.call("PutMetricData", Namespace="N", MetricData=[{"MetricName": "m", "Values": [0.0, 5.0], "Counts": [85, 15], "Timestamp": self.time[0]}])
        self.time[0] += 60
        self.assertEqual(self.alarms.state("a"), "ALARM")

    def test_limits_of_metric_alarms(self):
        dimension = [{"Name": f"d{i}", "Value": "v"} for i in range(31)]
        tags = [{"Key": f"k{i}", "Value": "v"} for i in range(51)]
        topics = [f"{TOPIC}{i}" for i in range(6)]
        for taken, refused in (
                ({"AlarmName": "n" * 255}, {"AlarmName": "n" * 256}), ({"AlarmName": "ä b"}, {"AlarmName": "a\tb"}), ({}, {"AlarmName": ""}),
                ({"AlarmDescription": "ä" * 1024}, {"AlarmDescription": "d" * 1025}), ({"AlarmActions": topics[:5]}, {"AlarmActions": topics}),
                ({"OKActions": topics[:5]}, {"OKActions": topics}), ({"InsufficientDataActions": topics[:5]}, {"InsufficientDataActions": topics}),
                ({"AlarmActions": [TOPIC]}, {"AlarmActions": ["pages"]}), ({"AlarmActions": [TOPIC + ".fifo"]}, {"AlarmActions": [TOPIC, TOPIC]}),
                ({"AlarmActions": ["arn:aws:ssm-incidents::123456789012:responseplan/x"]}, {"AlarmActions": [TOPIC.replace("us-east-1", "eu-west-1")]}),
                ({"AlarmActions": ["arn:aws:ssm:us-east-1:123456789012:opsitem:2"]}, {"AlarmActions": [TOPIC.replace("aws", "aws-cn")]}),
                ({"AlarmActions": ["arn:aws:lambda:us-east-1:123456789012:function:f"]}, {"AlarmActions": ["arn:aws:s3:us-east-1:123456789012:x"]}),
                ({"Dimensions": dimension[:30]}, {"Dimensions": dimension}), ({"Dimensions": []}, {"Dimensions": dimension[:1] * 2}),
                ({"Dimensions": [{"Name": "d", "Value": "v" * 1024}]}, {"Dimensions": [{"Name": "d", "Value": "v" * 1025}]}),
                ({"Dimensions": [{"Name": "d", "Value": "v"}]}, {"Dimensions": [{"Name": "d", "Value": "ä"}]}),
                ({"Period": 10}, {"Period": 15}), ({"Period": 120}, {"Period": 90}), ({}, {"Period": 0}), ({}, {"Period": 60.5}),
                ({"EvaluationPeriods": 1440}, {"EvaluationPeriods": 1441}), ({"Period": 3600, "EvaluationPeriods": 168}, {"Period": 3600, "EvaluationPeriods": 169}),
                ({"EvaluationPeriods": 3, "DatapointsToAlarm": 3}, {"EvaluationPeriods": 3, "DatapointsToAlarm": 4}), ({}, {"DatapointsToAlarm": 0}),
                ({"Statistic": "Maximum"}, {"Statistic": "Median"}), ({"Statistic": None, "ExtendedStatistic": "p99.9"}, {"ExtendedStatistic": "p99"}),
                ({"Statistic": None, "ExtendedStatistic": "p100"}, {"Statistic": None, "ExtendedStatistic": "p101"}),
                ({"Statistic": None, "ExtendedStatistic": "tm90"}, {"Statistic": None}),
                ({"Threshold": -2.5}, {"Threshold": "1"}), ({}, {"Threshold": float("inf")}), ({}, {"Threshold": None}), ({}, {"EvaluationPeriods": None}),
                ({"ComparisonOperator": "LessThanOrEqualToThreshold"}, {"ComparisonOperator": ">"}), ({}, {"ComparisonOperator": "LessThanLowerThreshold"}),
                ({"TreatMissingData": "notBreaching"}, {"TreatMissingData": "NotBreaching"}), ({"Unit": "Bytes/Second"}, {"Unit": "Bits/s"}),
                ({"Tags": tags[:50]}, {"Tags": tags}), ({"Tags": [{"Key": "k" * 128, "Value": "v" * 256}]}, {"Tags": [{"Key": "k" * 129, "Value": "v"}]}),
                ({"Tags": [{"Key": "k", "Value": ""}]}, {"Tags": [{"Key": "aws:k", "Value": "v"}]}), ({"Namespace": "n" * 255}, {"Namespace": ":n"}),
                ({"MetricName": "m" * 255}, {"MetricName": "m" * 256}), ({}, {"Nonsense": 1}), ({}, {"EvaluationInterval": 60}), ({}, {"MetricName": None})):
            wrong = {k: v for k, v in {**self.METRIC, **refused}.items() if v is not None}
            with self.subTest(**{k: str(v)[:80] for k, v in refused.items()}):
                self.put(**taken)
                self.refused("PutMetricAlarm", **wrong)
        self.assertEqual(self.alarms.alarms["a"]["AlarmArn"], "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a")

    def test_promql_alarms_exclude_the_rest(self):
        criteria = {"AlarmName": "q", "EvaluationCriteria": {"PromQLCriteria": {"Query": "up < 1", "PendingPeriod": 60}}, "EvaluationInterval": 60}
        self.call("PutMetricAlarm", **criteria)
        self.assertEqual(self.alarms.state("q"), "OK")
        for wrong in ({"Threshold": 1}, {"Period": 60}, {"TreatMissingData": "missing"}, {"MetricName": "m"}, {"EvaluationInterval": 15},
                      {"EvaluationCriteria": {"PromQLCriteria": {"Query": "q" * 10001}}},
                      {"EvaluationCriteria": {"PromQLCriteria": {"Query": "q", "PendingPeriod": 86401}}}):
            self.refused("PutMetricAlarm", **{**criteria, **wrong})

    def test_rules_of_composites(self):
        states = {"a": "ALARM", "b c": "OK", "d": "INSUFFICIENT_DATA"}
        for text, holds, elements in (
                ("ALARM(a)", True, 1), ('ALARM("b c")', False, 1), ("ALARM( b c )", False, 1), ("OK(b c) AND INSUFFICIENT_DATA(d)", True, 2),
                ("NOT ALARM(a)", False, 1), ("NOT NOT ALARM(a)", True, 1), ("TRUE", True, 1), ("FALSE OR TRUE AND FALSE", False, 3),
                ("(FALSE OR TRUE) AND TRUE", True, 5), ("TRUE OR TRUE AND FALSE", True, 3), ("NOT (ALARM(a) AND OK(a))", True, 4),
                ("NOT FALSE AND FALSE", False, 2), ("(" * 200 + "TRUE" + ")" * 200, True, 401)):
            with self.subTest(text=text[:40]):
                rule = Rule(text)
                self.assertEqual((rule.holds(states.get), rule.elements), (holds, elements))
        for text in ("", " ", "()", "ALARM()", "ALARM(a", "ALARM(a) ALARM(b)", "ALARM(a) AND", "AND TRUE", "TRUE)", "(TRUE", "a", "true", "TRUE & TRUE",
                     "XOR TRUE", "NOT", "ALARM a", 'ALARM("a)', "TRUE NOT TRUE"):
            with self.subTest(text=text), self.assertRaises(ValueError):
                Rule(text)

    def test_limits_of_composites(self):
        for i in range(101):
            self.put(AlarmName=f"c{i:03}")
        names = [f"ALARM(c{i:03})" for i in range(101)]

        def composite(rule, name="x", **more):
            return {"AlarmName": name, "AlarmRule": rule, **more}
        both = {"ActionsSuppressorWaitPeriod": 60, "ActionsSuppressorExtensionPeriod": 60}
        padded = "TRUE AND " * 200
        for taken, refused in (
                (composite(" OR ".join(names[:100])), composite(" OR ".join(names))),
                (composite(" OR ".join(names[:100] * 5)), composite(" OR ".join(names[:100] * 5 + ["TRUE"]))),
                (composite("(" * 249 + "TRUE" + ")" * 249), composite("(" * 250 + "TRUE" + ")" * 250)),
                (composite(padded + " " * (10240 - len(padded) - 4) + "TRUE"), composite(padded + " " * (10241 - len(padded) - 4) + "TRUE")),
                (composite("ALARM(c000)"), composite("ALARM(nowhere)")), (composite("TRUE"), composite("TRUE", "c000")), (composite("TRUE"), composite("")),
                (composite("TRUE", AlarmActions=[TOPIC]), composite("TRUE", AlarmActions=["arn:aws:automate:us-east-1:ec2:stop"])),
                (composite("TRUE", ActionsSuppressor="c000", **both), composite("TRUE", ActionsSuppressor="c000")), (composite("TRUE"), composite("TRUE", **both)),
                (composite("TRUE"), composite("TRUE", ActionsSuppressor="nowhere", **both)), (composite("TRUE"), {"AlarmName": "x"})):
            with self.subTest(rule=refused.get("AlarmRule", "")[:60]):
                self.call("PutCompositeAlarm", **taken)
                self.refused("PutCompositeAlarm", **refused)
        self.refused("PutMetricAlarm", **{**self.METRIC, "AlarmName": "x"})
        for i in range(150):
            self.call("PutCompositeAlarm", **composite("ALARM(c100)", f"p{i}"))
        self.refused("PutCompositeAlarm", **composite("ALARM(c100)", "p150"))
        self.call("PutCompositeAlarm", **composite("OK(c100)", "p149"))  # one that is among them may change
        self.assertEqual(self.refused("DeleteAlarms", AlarmNames=["c100"]), "ValidationError")
        self.refused("DeleteAlarms", AlarmNames=["p0", "p1"])
        self.call("DeleteAlarms", AlarmNames=["p0", "c050", "nowhere"])
        self.assertFalse({"p0", "c050"} & set(self.alarms.alarms))

    def test_composites_follow_their_children(self):
        for name in ("a", "b", "quiet"):
            self.put(AlarmName=name, MetricName=name, TreatMissingData="notBreaching")
        self.call("PutCompositeAlarm", AlarmName="any", AlarmRule="ALARM(a) OR ALARM(b)", AlarmActions=[TOPIC], ActionsSuppressor="quiet",
                  ActionsSuppressorWaitPeriod=60, ActionsSuppressorExtensionPeriod=60)
        self.call("PutCompositeAlarm", AlarmName="outer", AlarmRule="ALARM(any) AND NOT ALARM(b)")
        self.assertEqual((self.alarms.state("any"), self.alarms.state("outer")), ("OK", "OK"))  # at once
        self.datum(5, "a")
        self.time[0] += 60
        self.assertEqual((self.alarms.state("any"), self.alarms.state("outer"), self.alarms.paged("any")), ("ALARM", "ALARM", [TOPIC]))
        self.call("SetAlarmState", AlarmName="outer", StateValue="OK", StateReason="by hand")
        self.time[0] += 120
        self.assertEqual(self.alarms.state("outer"), "OK")  # until a child changes
        self.time[0] += 600
        self.assertEqual(self.alarms.state("any"), "OK")
        self.call("SetAlarmState", AlarmName="quiet", StateValue="ALARM", StateReason="hush")
        self.call("SetAlarmState", AlarmName="b", StateValue="ALARM", StateReason="by hand")
        self.assertEqual((self.alarms.state("any"), self.alarms.paged("any")), ("ALARM", [TOPIC]))  # suppressed
        self.call("PutCompositeAlarm", AlarmName="any", AlarmRule="ALARM(outer)")  # a cycle: taken, not evaluated, not to be deleted
        self.assertEqual(self.alarms.state("any"), "ALARM")
        self.refused("DeleteAlarms", AlarmNames=["any"])
        self.call("PutCompositeAlarm", AlarmName="any", AlarmRule="FALSE")
        self.call("DeleteAlarms", AlarmNames=["outer"])

    def test_what_is_described(self):
        for i in range(5):
            self.put(AlarmName=f"p/{i}", AlarmActions=[TOPIC] if i else [], Tags=[{"Key": "k", "Value": str(i)}])
        self.call("PutCompositeAlarm", AlarmName="p/x", AlarmRule="TRUE")
        self.assertEqual(len(self.call("DescribeAlarms", AlarmNamePrefix="p/")["MetricAlarms"]), 5)
        self.assertEqual(self.call("DescribeAlarms", AlarmNamePrefix="p/")["CompositeAlarms"], [])  # only when asked for
        seen, token = [], {}
        while token is not None:
            page = self.call("DescribeAlarms", AlarmNamePrefix="p/", AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=2, **token)
            seen.append([a["AlarmName"] for a in page["MetricAlarms"] + page["CompositeAlarms"]])
            token = {"NextToken": page["NextToken"]} if "NextToken" in page else None
        self.assertEqual(seen, [["p/0", "p/1"], ["p/2", "p/3"], ["p/4", "p/x"]])
        self.assertEqual(len(self.call("DescribeAlarms", ActionPrefix=TOPIC)["MetricAlarms"]), 4)
        self.assertEqual(len(self.call("DescribeAlarms", AlarmNames=["p/1", "no"])["MetricAlarms"]), 1)
        self.refused("DescribeAlarms", AlarmNames=["p/1"], AlarmNamePrefix="p/")
        self.refused("DescribeAlarms", MaxRecords=101)
        self.refused("DescribeAlarms", AlarmNames=["n"] * 101)
        self.refused("DeleteAlarms", AlarmNames=["n"] * 101)
        arn = self.alarms.alarms["p/1"]["AlarmArn"]
        self.put(AlarmName="p/1", Tags=[{"Key": "k", "Value": "other"}])  # of an update they are ignored
        self.assertEqual(self.call("ListTagsForResource", ResourceARN=arn)["Tags"], [{"Key": "k", "Value": "1"}])
        self.call("TagResource", ResourceARN=arn, Tags=[{"Key": f"k{i}", "Value": "v"} for i in range(49)])
        self.refused("TagResource", ResourceARN=arn, Tags=[{"Key": "one more", "Value": "v"}])
        self.assertEqual(self.refused("ListTagsForResource", ResourceARN=arn + "x"), "ResourceNotFoundException")
        self.assertEqual(self.refused("SetAlarmState", AlarmName="no", StateValue="OK", StateReason="r"), "ResourceNotFound")
        self.refused("SetAlarmState", AlarmName="p/1", StateValue="OK", StateReason="r" * 1024)
        self.assertEqual(self.refused("SetAlarmState", AlarmName="p/1", StateValue="OK", StateReason="r", StateReasonData="{"), "InvalidFormat")

    def test_quotas(self):
        self.alarms.quota = 2
        self.put(AlarmName="one")
        self.put(AlarmName="two")
        self.put(AlarmName="two")  # an update needs no room
        self.assertEqual(self.refused("PutMetricAlarm", **{**self.METRIC, "AlarmName": "three"}), "LimitExceeded")
        self.alarms.per_second = {"PutMetricAlarm": 3}
        for _ in range(3):
            self.put(AlarmName="two")
        self.assertEqual(self.refused("PutMetricAlarm", **self.METRIC), "ThrottlingException")
        self.assertEqual(self.alarms.throttled, ["PutMetricAlarm"])
        self.time[0] += 0.25
        self.refused("PutMetricAlarm", **self.METRIC)
        self.time[0] += 0.125
        self.put(AlarmName="two")


if __name__ == "__main__":
    unittest.main()
