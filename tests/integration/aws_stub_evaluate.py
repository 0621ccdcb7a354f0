"""How CloudWatch evaluates alarms, after its user guide ("Alarm evaluation", "Configuring how CloudWatch alarms treat missing data") and API
reference. Pure: no clock, no network. aws_stub_alarms.py puts it behind the stub.

What the documentation leaves open, and what stands here for it:
- how many periods are looked at (the evaluation range): its one example has 5 for 3 evaluation periods, so it is N + 2 here;
- a few breaching points that are too young for ALARM, the others missing (`- - - - X`): the state is kept;
- percentiles: the smallest value that has at least that share of the samples at or below it;
- periods are aligned to the epoch, and a period is looked at once it is over."""
import bisect
import collections
import datetime
import re

RANGE_EXTRA = 2
WORDS = {"GreaterThanThreshold": "greater than", "GreaterThanOrEqualToThreshold": "greater than or equal to",
         "LessThanThreshold": "less than", "LessThanOrEqualToThreshold": "less than or equal to"}

Sample = collections.namedtuple("Sample", "time unit count sum least most values")  # values: {value: count}, or None when they are not known


def sample_of(datum, time):
    """What one MetricDatum says. Its time is the minute's when it was not published with a resolution of a second."""
    if datum.get("StorageResolution", 60) == 60:
        time = time // 60 * 60
    if "StatisticValues" in datum:
        s = datum["StatisticValues"]
        known = {s["Minimum"]: s["SampleCount"]} if s["SampleCount"] == 1 or s["Minimum"] == s["Maximum"] else None
        return Sample(time, datum.get("Unit", "None"), s["SampleCount"], s["Sum"], s["Minimum"], s["Maximum"], known)
    values = datum.get("Values", [datum["Value"]] if "Value" in datum else [])
    counts = datum.get("Counts", [1] * len(values))
    known = dict(zip(values, counts))
    return Sample(time, datum.get("Unit", "None"), sum(counts), sum(v * c for v, c in known.items()), min(values), max(values), known)


def percentile(samples, percent):
    """None when a statistic set hides the values (percentiles need them)."""
    if any(s.values is None for s in samples):
        return None
    counts = collections.Counter()
    for s in samples:
        counts.update(s.values)
    wanted, seen = percent / 100 * sum(counts.values()), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted * (1 - 1e-12):
            return value
    raise AssertionError(percent)


def statistic(samples, name):
    """Of the samples of one period; None = there is no datapoint."""
    if not samples:
        return None
    count, total = sum(s.count for s in samples), sum(s.sum for s in samples)
    plain = {"SampleCount": count, "Sum": total, "Average": total / count, "Minimum": min(s.least for s in samples),
             "Maximum": max(s.most for s in samples)}
    if name in plain:
        return plain[name]
    if not re.fullmatch(r"p\d+(\.\d+)?", name):
        raise NotImplementedError(name)
    return percentile(samples, float(name[1:]))


class Metrics:
    """Every sample that was published."""

    def __init__(self):
        self.series = collections.defaultdict(list)  # of samples, by time

    @staticmethod
    def key(namespace, name, dimensions):
        return namespace, name, frozenset((d["Name"], d["Value"]) for d in dimensions or ())

    def put(self, namespace, datum, time):
        series = self.series[self.key(namespace, datum["MetricName"], datum.get("Dimensions"))]
        bisect.insort(series, sample_of(datum, time), key=lambda s: s.time)

    def points(self, alarm, end, count):
        """The alarm's statistic in each of `count` periods, oldest first, the last of which is over at `end`; None = missing."""
        period, name = alarm["Period"], alarm.get("Statistic") or alarm["ExtendedStatistic"]
        series = self.series.get(self.key(alarm["Namespace"], alarm["MetricName"], alarm.get("Dimensions")), [])
        last = int(end // period) - 1
        buckets = collections.defaultdict(list)
        for s in series[bisect.bisect_left(series, (last - count + 1) * period, key=lambda s: s.time):]:
            if alarm.get("Unit", s.unit) == s.unit:
                buckets[int(s.time // period)].append(s)
        return [statistic(buckets.get(i), name) for i in range(last - count + 1, last + 1)]

    def samples(self, alarm, end, count):
        """How many samples these periods have."""
        return sum(self.points({**alarm, "Statistic": "SampleCount"}, end, count)[i] or 0 for i in range(count))


def breaches(value, operator, threshold):
    return {"GreaterThanThreshold": value > threshold, "GreaterThanOrEqualToThreshold": value >= threshold,
            "LessThanThreshold": value < threshold, "LessThanOrEqualToThreshold": value <= threshold}[operator]


def is_premature(bad, window, datapoints):
    """`bad`: of each period of the range True, False, None = missing. ALARM with fewer than M breaching points: none of those that count is
    good, and the oldest bad one of the last N periods is M periods old."""
    oldest = next((i for i, b in enumerate(bad[-window:]) if b), None)
    return oldest is not None and False not in bad and window - oldest >= datapoints


def decide(bad, alarm, state):
    """The state that follows: (state, filled), `filled` missing points having been put in; the given state when it is kept."""
    n, treat = alarm["EvaluationPeriods"], alarm.get("TreatMissingData", "missing")
    m = alarm.get("DatapointsToAlarm", n)
    real = [b for b in bad if b is not None]
    if len(real) >= n:
        return ("ALARM" if sum(real[-n:]) >= m else "OK"), 0
    filled = n - len(real)
    if treat == "breaching":
        return ("ALARM" if sum(real) + filled >= m else "OK"), filled
    if sum(real) >= m:
        return "ALARM", filled
    if treat == "notBreaching" or False in real:
        return "OK", filled
    if treat == "missing":
        if not real:
            return "INSUFFICIENT_DATA", filled
        if is_premature(bad, n, m):
            return "ALARM", filled
    return state, filled


def reason_of(points, alarm, state, filled, end):
    """In CloudWatch's manner of speaking; its exact words are not promised."""
    n, treat = alarm["EvaluationPeriods"], alarm.get("TreatMissingData", "missing")
    real = [(i, p) for i, p in enumerate(points) if p is not None][-n:]
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {filled} datapoint{'s were' if filled > 1 else ' was'} unknown."
    if not real:
        return (f"Threshold Crossed: no datapoints were received for {n} period{'s' if n > 1 else ''} and {filled} missing "
                f"datapoint{'s were' if filled > 1 else ' was'} treated as [{treat[0].upper() + treat[1:]}].")
    hits = [(i, p) for i, p in real if breaches(p, alarm["ComparisonOperator"], alarm["Threshold"]) == (state == "ALARM")]
    stamps = [datetime.datetime.fromtimestamp((end // alarm["Period"] - len(points) + i) * alarm["Period"], datetime.timezone.utc)
              for i, _ in hits]
    shown = ", ".join(f"{float(p)} ({t:%d/%m/%y %H:%M:%S})" for (_, p), t in reversed(list(zip(hits, stamps))))
    return (f"Threshold Crossed: {len(hits)} out of the last {n} datapoints [{shown}] {'was' if len(hits) == 1 else 'were'} "
            f"{'' if state == 'ALARM' else 'not '}{WORDS[alarm['ComparisonOperator']]} the threshold ({float(alarm['Threshold'])}).")


def too_few(metrics, alarm, end, count):
    """EvaluateLowSampleCountPercentile `ignore`: fewer samples than the percentile needs."""
    if alarm.get("EvaluateLowSampleCountPercentile") != "ignore":
        return False
    share = float(alarm["ExtendedStatistic"][1:]) / 100
    return metrics.samples(alarm, end, count) < 10 / (1 - share if share >= 0.5 else share)


def evaluate(metrics, alarm, state, end):
    """(state, reason) of a metric alarm at the time `end`."""
    count = alarm["EvaluationPeriods"] + RANGE_EXTRA
    if too_few(metrics, alarm, end, count):
        return state, ""
    points = metrics.points(alarm, end, count)
    bad = [None if p is None else breaches(p, alarm["ComparisonOperator"], alarm["Threshold"]) for p in points]
    after, filled = decide(bad, alarm, state)
    return after, reason_of(points, alarm, after, filled, end)


# ---- Composite alarms ----

TOKEN = re.compile(r'\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^"()]*?[^"()\s]))\s*\)'
                   r"|(?P<word>TRUE|FALSE|AND|OR|NOT)\b|(?P<bracket>[()]))")
BINDING = {"OR": 1, "AND": 2, "NOT": 3}


class Rule:
    """An AlarmRule, parsed; ValueError when it is none. `children`: names or ARNs of alarms; `elements`: children, TRUE, FALSE and parentheses."""

    def __init__(self, text):
        self.steps, self.children, self.elements = [], [], 0  # steps: in reverse Polish notation
        held, at, wants = [], 0, True
        while text[at:].strip():
            match = TOKEN.match(text, at)
            if not match:
                raise ValueError(f"Error in AlarmRule [Unsupported token '{text[at:].split()[0][:20]}' at char {at}]")
            word = match["word"] or match["bracket"]
            if wants != (match["state"] is not None or word in ("TRUE", "FALSE", "NOT", "(")):
                raise ValueError(f"Error in AlarmRule [Unsupported token '{match[0].strip()[:20]}' at char {at}]")
            at = match.end()
            self.take(match, word, held)
            wants = word in ("AND", "OR", "NOT", "(")
        if wants or "(" in held:
            raise ValueError(f"Error in AlarmRule [Unexpected end at char {at}]")
        self.steps += reversed(held)

    def take(self, match, word, held):
        if match["state"]:
            child = match["bare"] if match["quoted"] is None else re.sub(r"\\(.)", r"\1", match["quoted"])
            self.children.append(child)
            self.steps.append((match["state"], child))
            self.elements += 1
        elif word in ("TRUE", "FALSE"):
            self.steps.append(word)
            self.elements += 1
        elif word == "(":
            held.append(word)
            self.elements += 1
        elif word == ")":
            self.elements += 1
            while held and held[-1] != "(":
                self.steps.append(held.pop())
            if not held:
                raise ValueError(f"Error in AlarmRule [Unsupported token ')' at char {match.start()}]")
            held.pop()
        else:
            while word != "NOT" and held and held[-1] != "(" and BINDING[held[-1]] >= BINDING[word]:
                self.steps.append(held.pop())
            held.append(word)

    def holds(self, state_of):
        """`state_of(child)` gives a child's state."""
        stack = []
        for step in self.steps:
            if isinstance(step, tuple):
                stack.append(state_of(step[1]) == step[0])
            elif step in ("TRUE", "FALSE"):
                stack.append(step == "TRUE")
            elif step == "NOT":
                stack.append(not stack.pop())
            else:
                right, left = stack.pop(), stack.pop()
                stack.append(left and right if step == "AND" else left or right)
        return stack.pop()
