"""Samples and expressions for test_promql.py: what alert rules and dashboards ask, in every form.

Everything is the same on every run (a fixed seed, a fixed time). Samples come every 15 s, at 7.123 s past the quarters of a minute, so
that no window of a whole number of seconds, and no step of a subquery, begins or ends on one: Prometheus 2.42 has closed windows, 3.x and
the sidecar have left-open ones, and off the edges both see the same samples."""
import math
import random

BASE = 1_767_225_600  # 2026-01-01T00:00:00Z
PHASE = 7.123
STEP = 15
SAMPLES = 480  # two hours
LE = ["0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "10.0", "+Inf"]


def number(value):
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if value != value else repr(float(value)))


def braces(labels):
    return "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}" if labels else ""


class Samples:
    """Collects families and writes them as OpenMetrics with timestamps, the points of a series together."""

    def __init__(self):
        self.families = {}

    def add(self, family, kind, labels, values):
        """values: one for each tick; None leaves the tick out. A histogram's values are dictionaries of sample suffixes."""
        self.families.setdefault((family, kind), []).append((labels, values))

    def text(self):
        lines = []
        for (family, kind), series in self.families.items():
            lines.append(f"# TYPE {family} {kind}")
            for labels, values in series:
                for tick, value in enumerate(values):
                    if value is None:
                        continue
                    when = f"{BASE + PHASE + tick * STEP:.3f}"
                    if kind == "histogram":
                        for le, count in zip(LE, value["buckets"]):
                            lines.append(f"{family}_bucket{braces({**labels, 'le': le})} {count} {when}")
                        lines.append(f"{family}_count{braces(labels)} {value['buckets'][-1]} {when}")
                        lines.append(f"{family}_sum{braces(labels)} {number(value['sum'])} {when}")
                    else:
                        suffix = "_total" if kind == "counter" else ""
                        lines.append(f"{family}{suffix}{braces(labels)} {number(value)} {when}")
        return "\n".join(lines) + "\n# EOF\n"


def counter(rng, rate, resets=0):
    """A counter that grows by about `rate` a second and falls back to 0 now and then."""
    value, values = 0.0, []
    falls = {rng.randrange(20, SAMPLES) for _ in range(resets)}
    for tick in range(SAMPLES):
        value = 0.0 if tick in falls else value + (rng.expovariate(1 / (rate * STEP)) // 1 if rate else 0)
        values.append(value)
    return values


def walk(rng, start, stride, least=-math.inf):
    values = [start]
    while len(values) < SAMPLES:
        values.append(max(least, values[-1] + rng.gauss(0, stride)))
    return values


def histogram(rng, rate):
    buckets, total, values = [0] * len(LE), 0.0, []
    for _ in range(SAMPLES):
        for _ in range(int(rng.expovariate(1 / (rate * STEP)))):
            seconds = rng.lognormvariate(-1, 1)
            total += seconds
            for i, le in enumerate(LE):
                buckets[i] += seconds <= float(le)
        values.append({"buckets": list(buckets), "sum": total})
    return values


def samples():
    rng, out = random.Random(42), Samples()
    for instance in ("a:1", "b:1", "c:1"):
        for method, code, rate, resets in (("GET", "200", 9, 1), ("GET", "404", 0.3, 0), ("GET", "500", 0.05, 1), ("POST", "200", 2, 2),
                                           ("POST", "500", 0.02, 0), ("PUT", "200", 0, 0)):
            labels = {"job": "api", "instance": instance, "method": method, "code": code}
            out.add("http_requests", "counter", labels, counter(rng, rate, resets))
        for handler in ("/login", "/search"):
            out.add("request_duration_seconds", "histogram", {"job": "api", "instance": instance, "handler": handler}, histogram(rng, 1.5))
        for state, start in (("creating", 2), ("running", 12), ("releasing", 1)):
            out.add("orchestrator_sessions_active", "gauge", {"job": "oxpecker", "instance": instance, "state": state},
                    [float(int(abs(v))) for v in walk(rng, start, 1)])
        out.add("orchestrator_sessions_limit", "gauge", {"job": "oxpecker", "instance": instance}, [25.0] * SAMPLES)
        out.add("orchestrator_errors", "counter", {"job": "oxpecker", "instance": instance, "code": "net_reset"}, counter(rng, 0.04))
        out.add("orchestrator_errors", "counter", {"job": "oxpecker", "instance": instance, "code": "llm_rate_limit"}, counter(rng, 0.2, 1))
        out.add("orchestrator_breaker_state", "gauge", {"job": "oxpecker", "instance": instance, "breaker": "llm"},
                [float(tick // 60 % 3) for tick in range(SAMPLES)])
        out.add("node_filesystem_avail_bytes", "gauge", {"job": "node", "instance": instance, "mountpoint": "/"},
                [5e10 - 3e6 * tick * (1 if instance == "a:1" else 0.2) + rng.gauss(0, 1e5) for tick in range(SAMPLES)])
        out.add("node_filesystem_size_bytes", "gauge", {"job": "node", "instance": instance, "mountpoint": "/"}, [1e11] * SAMPLES)
        out.add("process_start_time_seconds", "gauge", {"job": "api", "instance": instance},
                [float(BASE - 5000 + (3000 if tick > 200 and instance == "b:1" else 0)) for tick in range(SAMPLES)])
        out.add("build_info", "gauge", {"job": "api", "instance": instance, "version": "1.2.3" if instance != "c:1" else "1.3.0"}, [1.0] * SAMPLES)
        out.add("up", "gauge", {"job": "api", "instance": instance}, [float(rng.random() > 0.05) for _ in range(SAMPLES)])
    out.add("temperature", "gauge", {"room": "hall"}, walk(rng, 20, 0.3))
    out.add("temperature", "gauge", {"room": "cellar"}, [v if rng.random() > 0.1 else None for v in walk(rng, 12, 0.1)])  # gaps
    out.add("temperature", "gauge", {"room": "attic"}, [v if tick < 240 else None for tick, v in enumerate(walk(rng, 25, 0.5))])  # ends
    out.add("temperature", "gauge", {"room": "annex"}, [v if tick > 200 else None for tick, v in enumerate(walk(rng, 18, 0.5))])  # begins
    out.add("odd", "gauge", {"kind": "nan"}, [math.nan if tick % 7 == 0 else float(tick) for tick in range(SAMPLES)])
    out.add("odd", "gauge", {"kind": "inf"}, [math.inf if tick % 50 == 0 else float(tick) for tick in range(SAMPLES)])
    out.add("odd", "gauge", {"kind": "minus"}, [-float(tick % 13) for tick in range(SAMPLES)])
    out.add("odd", "gauge", {"kind": "same"}, [3.0] * SAMPLES)
    out.add("lonely", "gauge", {}, [7.0 if tick % 40 == 0 else None for tick in range(SAMPLES)])  # one sample in ten minutes
    return out.text()


# Alert rules and dashboards, mostly as they are found in the wild.
WRITTEN = r'''
up == 0
up{job="api"} == 0
absent(up{job="gone"})
absent(up{job="api"})
absent(up{job="gone", instance=~"x.*", env="prod"})
absent(sum(gone))
absent_over_time(gone{a="b"}[5m])
absent_over_time(up[5m])
count(up == 1) / count(up)
count(up) - count(up == 1) > 0
sum(up) by (job) / count(up) by (job) * 100
avg(up) < 0.99
sum by (state) (orchestrator_sessions_active)
sum(orchestrator_sessions_active) / sum(orchestrator_sessions_limit)
sum by (instance) (orchestrator_sessions_active) / on (instance) orchestrator_sessions_limit > 0.5
sum without (state) (orchestrator_sessions_active) / orchestrator_sessions_limit
orchestrator_sessions_active / ignoring (state) group_left orchestrator_sessions_limit
orchestrator_sessions_active / on (instance) group_left (job) orchestrator_sessions_limit
orchestrator_sessions_limit * on (instance) group_right () orchestrator_sessions_active
sum by (code) (rate(orchestrator_errors_total[5m]))
sum by (code) (increase(orchestrator_errors_total[10m])) > 5
topk(2, sum by (code, instance) (rate(orchestrator_errors_total[7m])))
bottomk(3, rate(http_requests_total[5m]))
topk by (instance) (1, rate(http_requests_total[5m]))
rate(http_requests_total[5m])
irate(http_requests_total[5m])
increase(http_requests_total[1h])
delta(temperature[10m])
idelta(temperature[10m])
deriv(temperature[10m])
sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m])) * 100
sum by (instance) (rate(http_requests_total{code=~"5.."}[5m])) / sum by (instance) (rate(http_requests_total[5m])) > 0.001
sum(rate(http_requests_total{code!~"2..|4.."}[10m])) by (method)
1 - (sum(rate(http_requests_total{code=~"5.."}[30m])) / sum(rate(http_requests_total[30m])))
histogram_quantile(0.95, sum by (le) (rate(request_duration_seconds_bucket[5m])))
histogram_quantile(0.99, sum by (le, handler) (rate(request_duration_seconds_bucket[10m])))
histogram_quantile(0.5, request_duration_seconds_bucket)
histogram_quantile(0.9, sum without (instance) (rate(request_duration_seconds_bucket[5m]))) > 0.5
histogram_quantile(1, sum by (le) (rate(request_duration_seconds_bucket[5m])))
histogram_quantile(0, sum by (le) (rate(request_duration_seconds_bucket[5m])))
histogram_quantile(-1, sum by (le) (request_duration_seconds_bucket))
histogram_quantile(2, sum by (le) (request_duration_seconds_bucket))
rate(request_duration_seconds_sum[5m]) / rate(request_duration_seconds_count[5m])
sum by (handler) (rate(request_duration_seconds_sum[5m])) / sum by (handler) (rate(request_duration_seconds_count[5m]))
sum(rate(request_duration_seconds_bucket{le="0.5"}[5m])) by (handler) / sum(rate(request_duration_seconds_count[5m])) by (handler)
(sum(rate(request_duration_seconds_bucket{le="0.5"}[5m])) by (job) + sum(rate(request_duration_seconds_bucket{le="2.5"}[5m])) by (job)) / 2 / sum(rate(request_duration_seconds_count[5m])) by (job)
predict_linear(node_filesystem_avail_bytes[30m], 4 * 3600) < 0
predict_linear(node_filesystem_avail_bytes{mountpoint="/"}[1h], 86400)
node_filesystem_avail_bytes / node_filesystem_size_bytes * 100 < 80 and predict_linear(node_filesystem_avail_bytes[1h], 24 * 3600) < 4e10
(node_filesystem_size_bytes - node_filesystem_avail_bytes) / node_filesystem_size_bytes
clamp_max(clamp_min(temperature, 15), 20)
clamp(temperature, 15, 20)
clamp_min(rate(http_requests_total[5m]), 0.1)
changes(process_start_time_seconds[1h]) > 0
changes(orchestrator_breaker_state[30m])
resets(http_requests_total[1h])
time() - process_start_time_seconds
time() - process_start_time_seconds > 3600
time() - timestamp(up)
timestamp(temperature)
timestamp(temperature + 0)
max_over_time(orchestrator_breaker_state[10m]) == 2
min_over_time(up[10m]) == 0
avg_over_time(up[30m]) < 0.951
sum_over_time(up[10m])
count_over_time(temperature[10m])
last_over_time(temperature[10m])
present_over_time(temperature[10m])
quantile_over_time(0.9, temperature[30m])
quantile_over_time(0.5, orchestrator_sessions_active[20m])
stddev_over_time(temperature[30m])
stdvar_over_time(temperature[30m])
(temperature - avg_over_time(temperature[1h])) / stddev_over_time(temperature[1h])
abs(temperature - avg_over_time(temperature[1h])) > 2 * stddev_over_time(temperature[1h])
rate(http_requests_total[5m]) / rate(http_requests_total[5m] offset 30m)
sum(rate(http_requests_total[5m])) - sum(rate(http_requests_total[5m] offset 1h))
temperature offset 10m
temperature offset -5m
temperature - temperature offset 15m
temperature @ 1767230003
rate(http_requests_total[5m] @ 1767230003)
rate(http_requests_total[5m] @ end())
temperature @ start()
temperature @ end() offset 5m
max_over_time(rate(http_requests_total{method="GET"}[5m])[30m:1m])
min_over_time(sum(orchestrator_sessions_active)[20m:30s])
avg_over_time((sum by (instance) (orchestrator_sessions_active) > 5)[20m:1m])
quantile_over_time(0.95, sum(rate(http_requests_total[2m]))[30m:30s])
max_over_time(deriv(temperature[5m])[20m:1m])
sum_over_time((up == bool 0)[10m:15s])
count_over_time(temperature[30m:5m])
rate(sum(http_requests_total)[10m:30s])
max_over_time(temperature[10m:1m] offset 10m)
avg_over_time(rate(http_requests_total[5m])[10m:1m] @ 1767230003)
last_over_time(avg_over_time(temperature[5m])[10m:])
label_replace(up, "host", "$1", "instance", "(.*):.*")
label_replace(up, "host", "x", "gone", "")
label_replace(up, "instance", "", "instance", ".*")
label_replace(temperature, "room", "big-$1", "room", "(h.*)")
label_join(up, "all", "-", "job", "instance")
label_join(up, "job", "", "gone")
sum by (host) (label_replace(rate(http_requests_total[5m]), "host", "$1", "instance", "(\\w+):\\d+"))
count_values("version", build_info)
count by (version) (build_info)
count_values("v", orchestrator_breaker_state)
count_values by (instance) ("state", orchestrator_sessions_active)
group by (instance) (http_requests_total)
group(up)
up * on (instance) group_left (version) build_info
rate(http_requests_total[5m]) * on (instance) group_left (version) build_info
sum by (version) (rate(http_requests_total[5m]) * on (instance, job) group_left (version) build_info)
up and on (instance) build_info{version="1.2.3"}
up unless on (instance) build_info{version="1.2.3"}
up or temperature
temperature > 20 or temperature < 13
(temperature > 15) and (temperature < 22)
temperature unless temperature > 20
up == 1 and on (instance) rate(http_requests_total{code="500"}[10m]) > 0
orchestrator_sessions_active{state="running"} > on (instance) orchestrator_sessions_active{state="creating"}
orchestrator_sessions_active{state="running"} - ignoring (state) orchestrator_sessions_active{state="creating"}
orchestrator_sessions_active > bool 5
temperature > bool ignoring (room) group_left scalar(avg(temperature)) * lonely
scalar(sum(up))
scalar(up)
vector(1)
vector(time())
vector(scalar(sum(up)))
sum(up) > scalar(count(up)) - 2
round(temperature)
round(temperature, 0.5)
floor(temperature)
ceil(temperature)
exp(temperature / 10)
ln(temperature)
log2(temperature)
log10(temperature)
sqrt(temperature)
abs(odd)
sgn(odd)
-odd
-temperature ^ 2
+temperature
temperature % 3
odd % 5
-7 % 3
temperature ^ 0.5
2 ^ 3 ^ 2
temperature atan2 odd
temperature atan2 on () lonely
5 / 0
0 / 0
-5 / 0
temperature / 0
odd / odd
1 + 2 * 3 - 4 / 5
1 == bool 1
1 > bool NaN
vector(5) > 3
0x1f + 1e3 + .5
"text"
time()
pi()
deg(temperature)
rad(temperature)
sin(temperature)
cos(temperature)
tan(temperature)
asin(temperature / 100)
acos(temperature / 100)
atan(temperature)
sinh(temperature / 10)
cosh(temperature / 10)
tanh(temperature / 10)
asinh(temperature)
acosh(temperature)
atanh(temperature / 100)
minute()
hour()
hour(process_start_time_seconds)
day_of_week()
day_of_month(process_start_time_seconds)
day_of_year(process_start_time_seconds)
days_in_month()
month(process_start_time_seconds)
year()
hour() >= 0 and hour() < 2
sort(temperature)
sort_desc(temperature)
sort(odd)
sort_desc(rate(http_requests_total{method="GET"}[5m]))
sum(odd)
avg(odd)
min(odd)
max(odd)
stddev(odd{kind!="nan"})
stdvar(temperature)
stddev(temperature)
stddev by (instance) (orchestrator_sessions_active)
quantile(0.5, temperature)
quantile(0.9, rate(http_requests_total[5m]))
quantile by (method) (0.5, rate(http_requests_total[5m]))
quantile(-1, temperature)
quantile(1.5, temperature)
topk(3, odd)
topk(1, temperature) by (room)
bottomk(1, temperature)
topk(0, temperature)
topk(100, temperature)
min by (room) (temperature)
max without (instance) (orchestrator_sessions_active)
avg by (code) (rate(orchestrator_errors_total[5m]))
count without (instance, method) (http_requests_total)
count by (gone) (up)
sum by (job, gone) (up)
sum without (gone) (temperature)
sum(gone)
rate(gone[5m])
gone + up
up + gone
up or gone
gone or up
lonely
rate(lonely[10m])
increase(lonely[30m])
lonely + 1
sum(lonely) + on () group_right () temperature
{__name__=~"orchestrator_.*"}
{__name__=~"orchestrator_sessions_.+", instance="a:1"}
{__name__="up", instance!="a:1"}
{job="node", __name__!~".*size.*"}
{room!=""}
temperature{room=~"hall|attic"}
temperature{room!~"hall|attic"}
temperature{room=""}
up{instance=~".*:1", job=~"a.+"}
http_requests_total{method="GET", code=~"4..|5..", instance!~"c.*"}
count({__name__=~".+"})
sum by (__name__) ({job="api"})
sum(rate({__name__=~"request_duration_seconds_(sum|count)", instance="a:1"}[5m]))
rate(request_duration_seconds_count[1m])
rate(request_duration_seconds_count[30s])
rate(http_requests_total[20s])
increase(http_requests_total[5m]) > 0 and changes(http_requests_total[5m]) > 3
avg_over_time(odd{kind="inf"}[5m])
avg_over_time(odd{kind="nan"}[5m])
min_over_time(odd[5m])
max_over_time(odd[5m])
sum_over_time(odd{kind!="inf"}[5m])
stddev_over_time(odd{kind="minus"}[5m])
quantile_over_time(0.3, odd{kind="minus"}[5m])
quantile_over_time(1.1, odd{kind="minus"}[5m])
deriv(odd{kind="same"}[5m])
predict_linear(odd{kind="minus"}[5m], 60)
sum(rate(http_requests_total{code="500"}[5m])) > (14.4 * 0.001) and sum(rate(http_requests_total{code="500"}[1h])) > (14.4 * 0.001)
sum by (instance) (rate(orchestrator_errors_total{code="llm_rate_limit"}[5m])) / ignoring () group_left sum by (instance) (orchestrator_sessions_active)
avg by (instance) (orchestrator_sessions_active) - avg by (instance) (orchestrator_sessions_active offset 20m) > 0
max by (instance) (orchestrator_breaker_state) == 2 unless on (instance) up == 0
sum(orchestrator_sessions_active) by (instance) >= on (instance) (orchestrator_sessions_limit * 0.5)
count(orchestrator_breaker_state == 2) or vector(0)
sum(orchestrator_sessions_active{state="gone"}) or vector(0)
absent(orchestrator_sessions_active{state="gone"}) * 5
(sum(increase(orchestrator_errors_total[1h])) or vector(0)) / (sum(increase(http_requests_total[1h])) > 0)
'''

# What is wrong is wrong in both, with the same errorType.
FAULTS = r'''
sum(
up{
rate(up)
up[5m]
rate(up[5m]) + on (
up and 1
http_requests_total / http_requests_total{code="200"} * on (instance) up
http_requests_total * on (instance) http_requests_total
http_requests_total + ignoring (code, method) up
label_replace(up, "host", "x", "instance", "(")
label_replace(up, "instance", "x", "instance", ".*")
{__name__=~".*"}
up{a=~"("}
nosuch(up)
sum by (a (up)
1 and 2
count_values("bad-label", up) + sum(up[5m])
'''


def lines(text):
    return [line for line in text.strip().splitlines() if line and not line.startswith("#")]


def expressions():
    """The written ones, and every function over ranges, aggregation and comparison in each of their forms."""
    made = lines(WRITTEN)
    for function in ("rate", "increase", "irate", "delta", "idelta", "deriv", "changes", "resets", "avg_over_time", "min_over_time", "max_over_time",
                     "sum_over_time", "count_over_time", "last_over_time", "present_over_time", "stddev_over_time", "stdvar_over_time"):
        made += [f"{function}(temperature[7m])", f"sum({function}(http_requests_total[3m] offset 2m))"]
    for aggregation in ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"):
        made += [f"{aggregation}(temperature)", f"{aggregation} by (instance) (orchestrator_sessions_active)",
                 f"{aggregation} without (state, job) (orchestrator_sessions_active)", f"{aggregation}(rate(http_requests_total[5m])) by (code)"]
    for op in ("==", "!=", ">", "<", ">=", "<="):
        made += [f"temperature {op} 18", f"18 {op} bool temperature", f"orchestrator_sessions_active {op} on (instance, state) orchestrator_sessions_active offset 5m"]
    for op in ("+", "-", "*", "/", "%", "^"):
        made += [f"temperature {op} 2.5", f"2.5 {op} temperature", f"temperature {op} temperature offset 1m", f"temperature {op} scalar(lonely)"]
    return list(dict.fromkeys(made))
