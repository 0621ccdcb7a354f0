"""A live run: one registry, sampled by the sidecar and scraped by Debian's Prometheus, asked the same questions.

Both look once a second, not at the same instants. So while counters move the two samples of one moment differ by what happened within a
second, and a rate over half a minute by at most two seconds' worth of it; more where one of them did not look for longer, on a busy machine.
Once nothing moves any more, the values are equal."""
import json
import math
import threading
import time
import unittest

from harness import Prometheus, Sidecar, wait_for

RUN_SECONDS = 40
SECOND = 1 / 30 * 2  # what two instants of half a minute explain
WINDOW = 50          # seconds that an expression may reach back

MOVING = [
    "rate(orchestrator_sessions_started_total[30s])",
    "sum(rate(orchestrator_sessions_started_total[30s]))",
    "increase(orchestrator_sessions_ended_total[30s]) > 0",
    "sum by (op) (rate(orchestrator_operation_duration_seconds_count[30s])) > 0",
    "sum by (le) (rate(orchestrator_operation_duration_seconds_bucket[30s])) > 0",
    "sum(rate(orchestrator_operation_duration_seconds_sum[30s])) / sum(rate(orchestrator_operation_duration_seconds_count[30s]))",
    "sum(rate(orchestrator_tasks_ended_total{status=\"failed\"}[30s])) / sum(rate(orchestrator_tasks_ended_total[30s]))",
    "topk(1, sum by (status) (rate(orchestrator_tasks_ended_total[30s])))",
    "avg_over_time(orchestrator_up[30s])",
    "avg_over_time(up[30s])",
    "count_over_time(orchestrator_up[30s])",
    "deriv(orchestrator_sessions_started_total{region=\"us-east-1\"}[30s])",
    "predict_linear(orchestrator_sessions_started_total{region=\"us-east-1\"}[30s], 60)",
    "max_over_time(rate(orchestrator_sessions_started_total{region=\"us-east-1\"}[20s])[20s:5s])",
    "sum(rate(orchestrator_sessions_started_total[30s])) * on () group_left (version) orchestrator_info",
    "label_replace(rate(orchestrator_sessions_started_total[30s]) > 0, \"where\", \"$1\", \"region\", \"(.*)-.*-.*\")",
    "absent(orchestrator_up == 0)",
    "sum(rate(orchestrator_retries_total[30s])) or vector(0)",
]
STILL = [
    "orchestrator_sessions_started_total", "orchestrator_sessions_ended_total", "orchestrator_tasks_ended_total",
    "{__name__=~\"orchestrator_operation_duration_seconds_(bucket|sum|count)\"}",
    "histogram_quantile(0.9, sum by (le, op) (orchestrator_operation_duration_seconds_bucket))",
    "sum by (state) (orchestrator_sessions_active)", "max_over_time(orchestrator_sessions_started_total[1m])",
    "last_over_time(orchestrator_breaker_state[1m])", "orchestrator_info", "up", "count({__name__=~\"orchestrator_.+\"})",
    "resets(orchestrator_sessions_started_total[1m])", "sort_desc(orchestrator_tasks_ended_total > 0)",
]


def steady(connection, stop):
    """The same work over and over, twenty times a second; what was late is not made up for in a burst."""
    def say(**event):
        connection.sendall(json.dumps(event).encode() + b"\n")

    say(type="orchestrator.started", boot="00000000000000aa", version="1.0", environment="test", sessions_limit=25)
    say(type="breaker", name="llm", **{"from": "closed", "to": "open"}, failures=5, cause="auto")
    n = 0
    while not stop.is_set():
        n += 1
        session, task = f"s{n}", f"t{n}"
        say(type="session.started", session=session, region="us-east-1" if n % 4 else "eu-central-1", create_s=0.5)
        say(type="task.started", task=task, session=session)
        say(type="operation", op=("act", "extract", "observe")[n % 3], ok=n % 5 != 0, duration_s=(n % 20) / 10, session=session, task=task)
        say(type="retry", op="act", upstream="llm", attempt=2, delay_s=0.5, code="llm_rate_limit", session=session, task=task)
        say(type="task.ended", task=task, status="failed" if n % 4 == 0 else "succeeded", duration_s=1)
        say(type="session.ended", session=session, status="COMPLETED")
        stop.wait(1 / 20)


def result(answer):
    """{labels without instance: value} of an instant query's answer."""
    assert answer["status"] == "success", answer
    return {json.dumps({k: v for k, v in s["metric"].items() if k != "instance"}, sort_keys=True): float(s["value"][1])
            for s in answer["data"]["result"]}


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sidecar = cls.enterClassContext(Sidecar("--storage.sample-interval=1s", "--rule-files="))
        cls.prometheus = cls.enterClassContext(Prometheus([f"127.0.0.1:{cls.sidecar.port}"]))
        cls.prometheus.wait_ready()
        cls.stop = threading.Event()
        cls.connection = cls.enterClassContext(cls.sidecar.connect())
        cls.thread = threading.Thread(target=steady, args=(cls.connection, cls.stop))
        cls.thread.start()
        cls.addClassCleanup(cls.thread.join)
        cls.addClassCleanup(cls.stop.set)
        wait_for(lambda: (cls.prometheus.value("count_over_time(orchestrator_up[2m])") or 0) >= RUN_SECONDS, 4 * RUN_SECONDS, "samples")

    def both(self, expression, when):
        ours = self.sidecar.api("query", query=expression, time=when)
        return result(self.prometheus.api("query", query=expression, time=when)), result(ours)

    def both_look(self):
        """A moment ago, if both had samples of the second before."""
        when, has = time.time() - 1, "min(up) == 1 and time() - min(timestamp(up)) < 1.5"
        return all(side.api("query", query=has, time=when)["data"]["result"] for side in (self.sidecar, self.prometheus)) and when

    def not_looked(self, when):
        """For how many seconds that an expression reaches back to the two did not look, both together; a scrape that was late counts, too."""
        seconds = 0
        for side in (self.sidecar, self.prometheus):
            (up,) = side.api("query", query=f"up[{WINDOW}s]", time=when)["data"]["result"]
            times = [t for t, value in up["values"] if float(value) == 1] + [when]
            seconds += sum(max(0, b - a - 1.1) for a, b in zip(times, times[1:]))
        return seconds + self.prometheus.value(f"max_over_time(scrape_duration_seconds[{WINDOW}s])")

    def test_1_while_it_moves(self):
        when, agreed = wait_for(self.both_look, what="a second at which both looked"), 0
        late = self.not_looked(when)
        for expression in MOVING:
            with self.subTest(expression):
                theirs, ours = self.both(expression, when)
                self.assertEqual(theirs.keys(), ours.keys())
                self.assertTrue(theirs)
                for labels, value in theirs.items():
                    self.assertTrue(math.isclose(value, ours[labels], rel_tol=(2 + late) * SECOND, abs_tol=1e-3), (labels, value, ours[labels]))
                agreed += 1
        print(f"live: {agreed} of {len(MOVING)} expressions over moving series agree within what a second explains; {late:.2f} s were not looked at")

    def test_2_when_it_is_still(self):
        self.stop.set()
        self.thread.join()
        self.sidecar.send("task.queued", "task=last")
        said, is_after = time.time(), "min(timestamp(up)) > %.3f and min(up) == 1"
        wait_for(lambda: all(side.api("query", query=is_after % said)["data"]["result"] for side in (self.sidecar, self.prometheus)), what="samples of it")
        when, agreed = time.time(), 0
        for expression in STILL:
            with self.subTest(expression):
                theirs, ours = self.both(expression, when)
                self.assertTrue(theirs)
                self.assertEqual(theirs, ours)
                agreed += 1
        print(f"live: {agreed} of {len(STILL)} expressions over series that stand still are equal")
