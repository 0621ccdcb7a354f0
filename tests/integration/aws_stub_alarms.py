"""CloudWatch's alarms on top of the strict stub (aws_stub.py): what makes, shows and removes them, as strict as the API reference and botocore's
model of the service; evaluated (aws_stub_evaluate.py) by a clock of the test's; and who would have been paged.

    with AwsStub() as aws:
        alarms = Alarms(aws, Clock(factor=60))      # a second of ours is a minute there
        ... the sidecar publishes, `oxpecker cloudwatch apply` makes alarms ...
        alarms.state("Orchestrator/collector/heartbeat")
        alarms.clock.jump(300)                      # five minutes pass there, at once
        alarms.pages                                # [Page]: what the actions would have told
        alarms.changes                              # [Change]: each state, and why
        alarms.throttled                            # names of the operations that were too many a second

Nothing is evaluated but when somebody asks: each step between the last one and now is then done in its order. Not there: metric math,
anomaly bands, PromQL (such an alarm is taken, checked, and stays OK), how long an ActionsSuppressor is waited for."""
import bisect
import collections
import json
import math
import re
import time

import botocore.session

import aws_stub
from aws_stub import Refusal
from aws_stub_emf import emf_data
from aws_stub_evaluate import Metrics, Rule, evaluate

ACCOUNT = "123456789012"
STEP_S = 10
CHILDREN_MAX, PARENTS_MAX, ELEMENTS_MAX, TAGS_MAX, PAYLOAD_MAX = 100, 150, 500, 50, 120 << 10
PER_SECOND = {"PutMetricAlarm": 3, "PutCompositeAlarm": 3, "DeleteAlarms": 3, "SetAlarmState": 3, "DescribeAlarms": 9}
OF_METRIC = {"Namespace", "MetricName", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic", "Metrics", "Threshold",
             "ComparisonOperator", "ThresholdMetricId", "EvaluationPeriods", "DatapointsToAlarm"}
PERCENT = r"(100|\d{1,2})(\.\d{1,10})?"
EXTENDED = re.compile(rf"p{PERCENT}|(tm|tc|ts|wm){PERCENT}|IQM|PR\([-\d.]*:[-\d.]*\)|(TC|TM|TS|WM)\([-\d.%]*:[-\d.%]*\)")
# Of which kind, and whether a region of its own stands in the ARN.
ACTIONS = [re.compile(p) for p in (
    r"arn:(?P<partition>[\w-]+):sns:(?P<region>[\w-]+):\d{12}:[\w-]{1,256}(\.fifo)?",
    r"arn:(?P<partition>[\w-]+):lambda:(?P<region>[\w-]+):\d{12}:function:[\w-]+(:[\w$-]+)?",
    r"arn:(?P<partition>[\w-]+):autoscaling:(?P<region>[\w-]+):\d{12}:scalingPolicy:.+",
    r"arn:(?P<partition>[\w-]+):automate:(?P<region>[\w-]+):ec2:(stop|terminate|reboot|recover)",
    r"arn:(?P<partition>[\w-]+):ssm:(?P<region>[\w-]+):\d{12}:opsitem:[1-4](#CATEGORY=\w+)?",
    r"arn:(?P<partition>[\w-]+):ssm-incidents:(?P<region>):\d{12}:responseplan/.+",
    r"arn:(?P<partition>[\w-]+):aiops:(?P<region>[\w-]+):\d{12}:investigation-group:.+")]
ON = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}

Page = collections.namedtuple("Page", "time alarm state action reason")
Change = collections.namedtuple("Change", "time alarm before after reason")


class Clock:
    """The stub's time: `factor` seconds pass in it for each of ours. `jump` moves it on: what was at a time of ours before stays where it was.
    Multiples of a second of ours are multiples of `factor` seconds there, so that periods stay aligned."""

    def __init__(self, factor=1, ours=time.time):
        self.ours, self.factor = ours, factor
        begin = math.floor(ours())
        self.pieces = [(begin, begin // 3600 * 3600)]  # from this time of ours on, theirs begins here

    def at(self, ours):
        since, begin = self.pieces[max(bisect.bisect_right(self.pieces, (ours, math.inf)) - 1, 0)]
        return begin + (ours - since) * self.factor

    def now(self):
        return self.at(self.ours())

    def jump(self, seconds):
        assert seconds >= 0 and seconds % 60 == 0, seconds
        ours = self.ours()
        self.pieces.append((ours, self.at(ours) + seconds))


# ---- botocore's model of what is asked ----

def model():
    if not hasattr(model, "service"):
        model.service = botocore.session.Session().get_service_model("cloudwatch")
    return model.service


def invalid(path, what):
    raise Refusal(400, "ValidationError", f"1 validation error detected: Value at '{path}' failed to satisfy constraint: {what}")


def check_bounds(shape, value, path, what):
    if not shape.metadata.get("min", 0) <= value <= shape.metadata.get("max", math.inf):
        invalid(path, f"{what} {value}, of {shape.metadata.get('min', 0)} to {shape.metadata.get('max', 'any')}")


def check_shape(shape, value, path):
    """Holds a value against botocore's shape, all of its constraints."""
    kind = shape.type_name
    types = {"structure": dict, "list": list, "string": str, "integer": int, "long": int, "double": (int, float), "boolean": bool,
             "timestamp": (int, float)}[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and kind != "boolean"):
        invalid(path, f"a {kind}, not {value!r}")
    if kind == "structure":
        if set(value) - set(shape.members) or set(shape.required_members) - set(value):
            invalid(path, f"members {sorted(value)}, required {shape.required_members}")
        for name, member in value.items():
            check_shape(shape.members[name], member, f"{path}.{name}")
    elif kind == "list":
        check_bounds(shape, len(value), path, "length")
        for member in value:
            check_shape(shape.member, member, path + ".member")
    elif kind == "string":
        check_bounds(shape, len(value), path, "length")
        if shape.enum and value not in shape.enum:
            invalid(path, f"one of {shape.enum}, not {value!r}")
        if "pattern" in shape.metadata and not re.fullmatch(shape.metadata["pattern"], value):
            invalid(path, f"pattern {shape.metadata['pattern']}")
    elif kind in ("integer", "long"):
        check_bounds(shape, value, path, "value")
    elif kind == "double" and not math.isfinite(value):
        invalid(path, "a number")


def need(condition, message, code="ValidationError"):
    if not condition:
        raise Refusal(400, code, message)


def check_tags(tags):
    need(len(tags) <= TAGS_MAX and len({t["Key"] for t in tags}) == len(tags), f"{len(tags)} tags")
    for tag in tags:
        need(not tag["Key"].lower().startswith("aws:"), f"aws: prefixed tag key names are not allowed: {tag['Key']}")


def partition_of(region):
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def check_common(parameters, region):
    """Of both kinds of alarm."""
    name = parameters["AlarmName"]
    need(not re.search(r"[\x00-\x1f\x7f]", name), "AlarmName must not contain control characters")
    check_tags(parameters.get("Tags", []))
    for action in (a for kind in ON.values() for a in parameters.get(kind, [])):
        match = next(filter(None, (kind.fullmatch(action) for kind in ACTIONS)), None)
        need(match, f"Invalid arn syntax: {action}")
        need(match["partition"] == partition_of(region), f"Invalid partition {match['partition']} specified. Only {partition_of(region)} is supported.")
        need(match["region"] in ("", region), f"Invalid region {match['region']} specified. Only {region} is supported.")
    for kind in ON.values():
        need(len(set(parameters.get(kind, []))) == len(parameters.get(kind, [])), f"{kind} must not have the same twice")


def check_metric(p):
    """A plain alarm on one metric."""
    need("Metrics" not in p and "ThresholdMetricId" not in p, "metric math is not in this stub")
    missing = {"Namespace", "Period", "EvaluationPeriods", "Threshold", "ComparisonOperator"} - set(p)
    need(not missing, f"The parameters {sorted(missing)} are required with MetricName", "MissingParameter")
    need(("Statistic" in p) != ("ExtendedStatistic" in p), "One of Statistic and ExtendedStatistic", "InvalidParameterCombination")
    need(EXTENDED.fullmatch(p.get("ExtendedStatistic", "IQM")), f"ExtendedStatistic {p.get('ExtendedStatistic')}")
    for what, most in (("Namespace", 255), ("MetricName", 255)):
        aws_stub.check_text(p[what], most, what)
    names = [d["Name"] for d in p.get("Dimensions", [])]
    need(len(set(names)) == len(names), f"dimensions {names}")
    for d in p.get("Dimensions", []):
        aws_stub.check_text(d["Name"], 255, "dimension")
        aws_stub.check_text(d["Value"], 1024, d["Name"], may_begin_with_colon=True)
    period, n, m = p["Period"], p["EvaluationPeriods"], p.get("DatapointsToAlarm", p["EvaluationPeriods"])
    need(period in (10, 20, 30) or period % 60 == 0, f"Period must be 10, 20, 30 or a multiple of 60: {period}")
    need(m <= n, f"DatapointsToAlarm {m} must not be above EvaluationPeriods {n}")
    most = 86400 if period < 3600 else 604800
    need(period * n <= most, f"Metrics cannot be checked across more than {'a day' if most == 86400 else '7 days'} (EvaluationPeriods * Period "
                             f"must be <= {most})")
    need(not p["ComparisonOperator"].startswith(("LessThanLower", "GreaterThanUpper")), "this operator is of anomaly detection")
    need(p.get("TreatMissingData", "missing") in ("missing", "breaching", "notBreaching", "ignore"), f"TreatMissingData {p.get('TreatMissingData')}")
    low = p.get("EvaluateLowSampleCountPercentile")
    need(low in (None, "evaluate", "ignore") and (low is None or p.get("ExtendedStatistic", "").startswith("p")),
         f"EvaluateLowSampleCountPercentile {low}")
    aws_stub.check_number(p["Threshold"], "Threshold")


def check_promql(p):
    need(not OF_METRIC & set(p) and "TreatMissingData" not in p, f"EvaluationCriteria and {sorted(OF_METRIC & set(p))}", "InvalidParameterCombination")
    interval = p.get("EvaluationInterval")
    need(interval is not None, "EvaluationInterval is required with EvaluationCriteria", "MissingParameter")
    need(interval in (10, 20, 30) or interval % 60 == 0, f"EvaluationInterval {interval}")


class Alarms:
    def __init__(self, aws, clock=None, seconds=time.monotonic):
        self.aws, self.clock = aws, clock or Clock()
        self.seconds = seconds  # of which an operation may come so often
        self.alarms = {}    # by name: what was put, and the state
        self.tags = {}      # by ARN
        self.metrics, self.pages, self.changes, self.throttled = Metrics(), [], [], []
        self.quota = 5000
        self.per_second = dict(PER_SECOND)
        self.granted = {}   # operation -> (how many may come, when that was so)
        self.step = self.clock.now() // STEP_S * STEP_S
        for name in ("PutMetricAlarm", "PutCompositeAlarm", "DescribeAlarms", "DeleteAlarms", "SetAlarmState", "TagResource",
                     "ListTagsForResource"):
            aws.operation(name, self.checked(name))
        aws.operation("PutMetricData", self.put_metric_data)

    # ---- What tests ask ----

    def state(self, name):
        with self.aws.lock:
            self.run()
            return self.alarms[name]["StateValue"]

    def paged(self, name, state="ALARM"):
        """The actions that this alarm took in that state, each time."""
        with self.aws.lock:
            self.run()
            return [p.action for p in self.pages if (p.alarm, p.state) == (name, state)]

    # ---- Evaluation ----

    def run(self):
        """Every evaluation that is due: an alarm's each period, or each minute."""
        now = self.clock.now()
        while self.step + STEP_S <= now:
            self.step += STEP_S
            for alarm in list(self.alarms.values()):
                if "MetricName" in alarm and self.step % min(alarm["Period"], 60) == 0:
                    self.become(alarm, *evaluate(self.metrics, alarm, alarm["StateValue"], self.step), self.step)

    def become(self, alarm, state, reason, now, data=None):
        before = alarm["StateValue"]
        if state == before:
            return
        alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=now, StateTransitionedTimestamp=now)
        alarm.pop("StateReasonData", None)
        if data is not None:
            alarm["StateReasonData"] = data
        self.changes.append(Change(now, alarm["AlarmName"], before, state, reason))
        if alarm["ActionsEnabled"] and not self.is_suppressed(alarm):
            self.pages += [Page(now, alarm["AlarmName"], state, action, reason) for action in alarm[ON[state]]]
        self.tell_parents(alarm, now)

    def is_suppressed(self, alarm):
        other = self.find(alarm.get("ActionsSuppressor", ""))
        return other is not None and other["StateValue"] == "ALARM"

    def tell_parents(self, alarm, now):
        for parent in list(self.alarms.values()):
            if "AlarmRule" in parent and alarm in self.children(parent):
                self.compose(parent, now)

    def compose(self, alarm, now):
        if not self.is_in_cycle(alarm):  # CloudWatch gives up on those
            holds = Rule(alarm["AlarmRule"]).holds(lambda child: self.find(child)["StateValue"])
            self.become(alarm, "ALARM" if holds else "OK", f"{alarm['AlarmRule']} is {'TRUE' if holds else 'FALSE'}", now)

    def is_in_cycle(self, alarm):
        seen, waiting = [], self.children(alarm)
        while waiting:
            child = waiting.pop()
            if child is alarm:
                return True
            if not any(child is s for s in seen):
                seen.append(child)
                waiting += self.children(child)
        return False

    def find(self, child):
        """An alarm by its name or ARN."""
        return self.alarms.get(child) or next((a for a in self.alarms.values() if a["AlarmArn"] == child), None)

    def children(self, alarm):
        return [self.find(child) for child in Rule(alarm["AlarmRule"]).children] if "AlarmRule" in alarm else []

    # ---- Operations ----

    def checked(self, name):
        """The operation behind what holds for each: how many a second, and botocore's model."""
        perform = getattr(self, re.sub("(?<!^)([A-Z])", r"_\1", name).lower())

        def call(aws, parameters):
            self.meter(name)
            check_shape(model().operation_model(name).input_shape, parameters, name)
            self.run()
            return perform(parameters)
        return call

    def meter(self, operation):
        rate = self.per_second.get(operation)
        if rate is None:
            return
        now = self.seconds()
        left, since = self.granted.get(operation, (rate, now))
        left = min(rate, left + (now - since) * rate)
        self.granted[operation] = (left - 1 if left >= 1 else left, now)
        if left < 1:
            self.throttled.append(operation)
            raise Refusal(400, "ThrottlingException", "Rate exceeded")

    def put_metric_data(self, aws, parameters):
        before = len(aws.data)
        aws_stub.put_metric_data(aws, parameters)
        for datum in aws.data[before:]:
            self.metrics.put(datum["Namespace"], datum, self.clock.at(datum.get("Timestamp", self.clock.ours())))
        return {}

    def take_emf(self, line):
        """What CloudWatch Logs makes of a line in the embedded metric format."""
        with self.aws.lock:
            for namespace, datum, stamp in emf_data(line):
                self.metrics.put(namespace, datum, self.clock.at(stamp))

    def store(self, parameters, state):
        """Makes it, or overwrites all of it but its state and tags."""
        name, now = parameters["AlarmName"], self.clock.now()
        old = self.alarms.get(name)
        arn = f"arn:{partition_of(self.aws.region)}:cloudwatch:{self.aws.region}:{ACCOUNT}:alarm:{name}"
        if old is None:
            need(len(self.alarms) < self.quota, "The maximum limit of alarms has been reached", "LimitExceeded")
            self.tags[arn] = {t["Key"]: t["Value"] for t in parameters.get("Tags", [])}
            old = {"StateValue": state, "StateReason": "Unchecked: Initial alarm creation", "StateUpdatedTimestamp": now}
        kept = {k: v for k, v in parameters.items() if k != "Tags" and (k, v) != ("AlarmDescription", "")}
        self.alarms[name] = {"ActionsEnabled": True, **{kind: [] for kind in ON.values()}, **kept, "AlarmArn": arn,
                             "AlarmConfigurationUpdatedTimestamp": now, **{k: v for k, v in old.items() if k.startswith("State")}}
        return self.alarms[name]

    def put_metric_alarm(self, p):
        need(len(json.dumps(p)) <= PAYLOAD_MAX, "the payload is above 120 KB")
        check_common(p, self.aws.region)
        need("AlarmRule" not in self.alarms.get(p["AlarmName"], {}), f"There is already a composite alarm named {p['AlarmName']}")
        kinds = [k for k in ("MetricName", "Metrics", "EvaluationCriteria") if k in p]
        need(len(kinds) == 1, f"One of MetricName, Metrics and EvaluationCriteria: {kinds}", "InvalidParameterCombination")
        if kinds == ["EvaluationCriteria"]:
            check_promql(p)
            p = {**p, "Dimensions": []}
        else:
            need("EvaluationInterval" not in p, "EvaluationInterval and a metric", "InvalidParameterCombination")
            check_metric(p)
            p = {"Dimensions": [], **p}
        self.store(p, "OK" if kinds == ["EvaluationCriteria"] else "INSUFFICIENT_DATA")

    def put_composite_alarm(self, p):
        check_common(p, self.aws.region)
        need("AlarmRule" in self.alarms.get(p["AlarmName"], {"AlarmRule": ""}), f"There is already a metric alarm named {p['AlarmName']}")
        for kind in ON.values():
            need(not any(":automate:" in a or ":autoscaling:" in a for a in p.get(kind, [])), f"{kind}: not of a composite alarm")
        try:
            rule = Rule(p["AlarmRule"])
        except ValueError as error:
            raise Refusal(400, "ValidationError", str(error)) from None
        need(rule.elements <= ELEMENTS_MAX, f"AlarmRule has {rule.elements} elements, the most is {ELEMENTS_MAX}")
        need(len(set(rule.children)) <= CHILDREN_MAX, f"AlarmRule has {len(set(rule.children))} alarms, the most is {CHILDREN_MAX}")
        lost = [c for c in rule.children if self.find(c) is None]
        need(not lost, f"Could not save the composite alarm as alarms {lost} in the alarm rule do not exist")
        for child in filter(None, map(self.find, rule.children)):
            parents = [a for a in self.alarms.values() if a["AlarmName"] != p["AlarmName"] and child in self.children(a)]
            need(len(parents) < PARENTS_MAX, f"{child['AlarmName']} is in the rules of {len(parents)} composite alarms already")
        waits = {"ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod"}
        need(waits & set(p) == (waits if "ActionsSuppressor" in p else set()), "ActionsSuppressor with both of its periods", "InvalidParameterCombination")
        need(self.find(p.get("ActionsSuppressor", "")) or "ActionsSuppressor" not in p, "the ActionsSuppressor does not exist")
        self.compose(self.store(p, "INSUFFICIENT_DATA"), self.clock.now())

    def describe_alarms(self, p):
        need(not ("AlarmNames" in p and "AlarmNamePrefix" in p), "AlarmNames and AlarmNamePrefix", "InvalidParameterCombination")
        need(not {"ChildrenOfAlarmName", "ParentsOfAlarmName"} & set(p), "not in this stub")
        kinds, most = p.get("AlarmTypes", ["MetricAlarm"]), p.get("MaxRecords", 50)
        found = [a for name, a in sorted(self.alarms.items())
                 if ("CompositeAlarm" if "AlarmRule" in a else "MetricAlarm") in kinds and name in p.get("AlarmNames", [name])
                 and name.startswith(p.get("AlarmNamePrefix", "")) and a["StateValue"] == p.get("StateValue", a["StateValue"])
                 and any(x.startswith(p.get("ActionPrefix", "")) for x in a["AlarmActions"] + a["OKActions"] + [""])
                 and name > p.get("NextToken", "")]
        page = found[:most]
        more = {"NextToken": page[-1]["AlarmName"]} if len(found) > most else {}
        return {"MetricAlarms": [a for a in page if "AlarmRule" not in a], "CompositeAlarms": [a for a in page if "AlarmRule" in a], **more}

    def delete_alarms(self, p):
        names = set(p["AlarmNames"])
        need(sum("AlarmRule" in self.alarms.get(n, {}) for n in names) <= 1, "You can delete one composite alarm at a time")
        children = {c["AlarmName"] for n, a in self.alarms.items() if n not in names for c in self.children(a)}
        held = sorted(names & children)
        need(not held, f"Cannot delete {','.join(held)} as there are composite alarm(s) depending on {'them' if len(held) > 1 else 'it'}.")
        for alarm in [self.alarms.pop(n) for n in names if n in self.alarms]:  # others are passed over
            del self.tags[alarm["AlarmArn"]]

    def set_alarm_state(self, p):
        if p["AlarmName"] not in self.alarms:
            raise Refusal(404, "ResourceNotFound", f"{p['AlarmName']} does not exist")
        if "StateReasonData" in p:
            try:
                json.loads(p["StateReasonData"])
            except ValueError:
                raise Refusal(400, "InvalidFormat", "StateReasonData must be JSON") from None
        self.become(self.alarms[p["AlarmName"]], p["StateValue"], p["StateReason"], self.clock.now(), p.get("StateReasonData"))

    def tags_of(self, p):
        if p["ResourceARN"] not in self.tags:
            raise Refusal(404, "ResourceNotFoundException", p["ResourceARN"])
        return self.tags[p["ResourceARN"]]

    def tag_resource(self, p):
        tags = self.tags_of(p)
        check_tags(p["Tags"])
        wanted = {**tags, **{t["Key"]: t["Value"] for t in p["Tags"]}}
        need(len(wanted) <= TAGS_MAX, f"{len(wanted)} tags")
        tags.update(wanted)

    def list_tags_for_resource(self, p):
        return {"Tags": [{"Key": k, "Value": v} for k, v in sorted(self.tags_of(p).items())]}
