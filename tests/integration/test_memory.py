"""The short memory in the real sidecar: over restarts and crashes, within its limit, while it is stopped, under whose names."""
import json
import signal
import time
import unittest

from harness import Sidecar, wait_for

FAST = ("--storage.sample-interval=1s",)
STARTED = 'orchestrator_sessions_started_total{region="us-east-1"}'
MISSED = "oxpecker_sample_ticks_missed_total"


def series(sidecar, expression):
    """{labels as JSON: value} of an instant query."""
    answer = sidecar.api("query", query=expression)
    assert answer["status"] == "success", answer
    return {json.dumps(s["metric"], sort_keys=True): float(s["value"][1]) for s in answer["data"]["result"]}


def value(sidecar, expression):
    """The one number that an expression gives, or None."""
    found = list(series(sidecar, expression).values())
    assert len(found) <= 1, found
    return found[0] if found else None


def raw(sidecar, selector, seconds=600):
    """[(labels, [(time, value), ...])] of the samples as they are held."""
    answer = sidecar.api("query", query=f"{selector}[{seconds}s]")
    assert answer["status"] == "success", answer
    return [(s["metric"], [(float(t), float(v)) for t, v in s["values"]]) for s in answer["data"]["result"]]


def samples(sidecar, selector="up"):
    found = raw(sidecar, selector)
    return found[0][1] if found else []


def wait_for_samples(sidecar, count, selector="up"):
    return wait_for(lambda: len(samples(sidecar, selector)) >= count and samples(sidecar, selector), what=f"{count} samples of {selector}")


def next_tick(sidecar):
    """Waits until what is so now has been sampled."""
    asked = time.time()
    wait_for(lambda: (samples(sidecar) or [(0, 0)])[-1][0] > asked, what="a tick")


def missing(sidecar):
    """How many samples of each second are not there: as many as it says that it missed, on a machine that let it wait."""
    held = samples(sidecar)
    return sum(round(b - a) - 1 for (a, _), (b, _) in zip(held, held[1:]))


def wait_for_snapshot(sidecar):
    """Of now: one that may have begun before, and the next one."""
    path = sidecar.directory / "storage" / "samples.saved"
    for _ in range(2):
        seen = path.stat().st_ino if path.exists() else None
        wait_for(lambda: path.exists() and path.stat().st_ino != seen, what="a snapshot")


class Restarts(unittest.TestCase):
    def test_a_restart_keeps_samples(self):
        flags = (*FAST, "--storage.instance=here:1", "--orchestrator.service=shop")
        with Sidecar(*flags, storage=True) as sidecar:
            began = time.time()
            wait_for_samples(sidecar, 3)
            self.assertEqual(sidecar.stop(), 0)
            stopped = time.time()
            time.sleep(2.5)
            started = time.time()
            sidecar.start()
            # none at all for a moment, until the file is read
            wait_for(lambda: sum(t >= started for t, _ in samples(sidecar)) >= 2, what="samples of the second run")
            found = raw(sidecar, "up")
            self.assertEqual([labels for labels, _ in found], [{"__name__": "up", "job": "shop", "instance": "here:1"}])
            times = [t for t, _ in found[0][1]]
            self.assertGreaterEqual(sum(began <= t <= stopped for t in times), 3)
            self.assertGreaterEqual(sum(t >= started for t in times), 2)
            self.assertFalse([t for t in times if stopped < t < started], "nobody sampled while it was down")
            answer = sidecar.api("query_range", query="up", start=f"{times[0]:.3f}", end=f"{times[-1]:.3f}", step="1")
            (matrix,) = answer["data"]["result"]
            self.assertEqual(float(matrix["values"][0][0]), times[0])
            self.assertEqual(float(matrix["values"][-1][0]), times[-1])
            self.assertIn('msg="read the samples of the last run"', sidecar.logged())

    def test_counters_over_a_clean_stop(self):
        """What went on counting is not counted twice."""
        with Sidecar(*FAST, "--storage.instance=here:1", storage=True) as sidecar:
            next_tick(sidecar)
            for i in range(10):
                sidecar.send("session.started", f"session=s{i}", "region=us-east-1")
            next_tick(sidecar)
            self.assertEqual(value(sidecar, STARTED), 10)
            stopped = time.time()
            self.assertEqual(sidecar.stop(), 0)
            sidecar.start()
            next_tick(sidecar)
            self.assertEqual(sidecar.metrics()[STARTED], 10)
            held = samples(sidecar, STARTED)
            self.assertEqual((held[0][1], held[-1][1]), (0, 10))
            self.assertEqual([v for _, v in held], sorted(v for _, v in held), "no reset is seen")
            self.assertEqual(value(sidecar, f"resets({STARTED}[5m])"), 0)
            began = max(t for t, _ in held if t <= stopped)
            self.assertEqual(increase(sidecar, held[-1][0], held[-1][0] - began + 0.5), 0, "nothing over the restart")
            sidecar.send("session.started", "session=more", "region=us-east-1")
            next_tick(sidecar)
            self.assertEqual(changes(samples(sidecar, STARTED)), 11)

    def test_counters_after_a_crash(self):
        """They begin anew at 0, and only what is new is counted."""
        flags = (*FAST, "--storage.instance=here:1", "--storage.snapshot-interval=1s")
        with Sidecar(*flags, storage=True) as sidecar:
            next_tick(sidecar)
            for i in range(10):
                sidecar.send("session.started", f"session=s{i}", "region=us-east-1")
            next_tick(sidecar)
            wait_for_snapshot(sidecar)  # that has them
            sidecar.kill()
            killed = time.time()
            sidecar.start()
            for i in range(3):
                sidecar.send("session.started", f"session=t{i}", "region=us-east-1")
            next_tick(sidecar)
            self.assertEqual(sidecar.metrics()[STARTED], 3)
            held = samples(sidecar, STARTED)
            before, after = [v for t, v in held if t < killed], [v for t, v in held if t >= killed]
            self.assertEqual(before[-1], 10, "the last snapshot is there")
            self.assertEqual((after[0], after[-1]), (0, 3))
            self.assertEqual(value(sidecar, f"resets({STARTED}[5m])"), 1)
            began = max(t for t, _ in held if t < killed)
            self.assertGreater(increase(sidecar, held[-1][0], held[-1][0] - began + 0.5), 2.9)
            self.assertEqual(changes(held), 13)

    def test_a_crash_loses_no_more_than_the_snapshot_interval(self):
        with Sidecar(*FAST, "--storage.instance=here:1", "--storage.snapshot-interval=1s", storage=True) as sidecar:
            wait_for_samples(sidecar, 7)
            before = [t for t, _ in samples(sidecar)]
            sidecar.kill()
            sidecar.start()
            next_tick(sidecar)
            kept = [t for t, _ in samples(sidecar) if t <= before[-1]]
            self.assertEqual(kept, before[:len(kept)])
            # of an interval, and of the time that it takes: counted in samples, for nobody takes any while the machine lets it wait
            self.assertLessEqual(len(before) - len(kept), 4)

    def test_a_damaged_file_is_set_aside(self):
        with Sidecar(*FAST, "--storage.instance=here:1", storage=True) as sidecar:
            wait_for_samples(sidecar, 2)
            self.assertEqual(sidecar.stop(), 0)
            path = sidecar.directory / "storage" / "samples.saved"
            saved = bytearray(path.read_bytes())
            saved[len(saved) // 2] ^= 0x10
            path.write_bytes(saved)
            sidecar.start()
            wait_for_samples(sidecar, 1)
            self.assertEqual((path.parent / "samples.saved.corrupt").read_bytes(), bytes(saved))
            self.assertIn("saved samples were not read", sidecar.logged())
            self.assertEqual(sidecar.stop(), 0)
            self.assertNotEqual(path.read_bytes(), bytes(saved))
            sidecar.start()
            wait_for_samples(sidecar, 2)


def increase(sidecar, at, seconds):
    """Of the sessions started, as rules would ask."""
    answer = sidecar.api("query", query=f"increase({STARTED}[{int(seconds * 1000)}ms])", time=f"{at:.3f}")
    (only,) = answer["data"]["result"]
    return float(only["value"][1])


def changes(held):
    """What a counter rose by, resets seen."""
    total = 0
    for (_, before), (_, after) in zip(held, held[1:]):
        total += after - before if after >= before else after
    return total


class Names(unittest.TestCase):
    CONFIG = "external_labels: {replica: r-1, zone: \"a\\\"b\"}\norchestrator: {service: shop}\nstorage: {sample_interval: 1s, instance: \"here:9\"}\n"

    def test_external_labels_are_on_every_series(self):
        with Sidecar(config=self.CONFIG) as sidecar:
            wait_for_samples(sidecar, 1)
            found = sidecar.api("series", **{"match[]": '{__name__=~".+"}'})["data"]
            self.assertGreater(len(found), 500)
            for labels in found:
                self.assertEqual({k: labels.get(k) for k in ("job", "instance", "replica", "zone")},
                                 {"job": "shop", "instance": "here:9", "replica": "r-1", "zone": 'a"b'}, labels)


class Ends(unittest.TestCase):
    def test_what_ends_is_stale_at_once(self):
        with Sidecar(*FAST) as sidecar:
            sidecar.write({"type": "orchestrator.started", "writer": "main", "boot": "00000000000000aa", "sessions_limit": 25})
            sidecar.send("breaker", "name=bb_api", "from=closed", "to=open")
            next_tick(sidecar)
            self.assertEqual(value(sidecar, 'orchestrator_breaker_state{breaker="bb_api",state="open"}'), 1)
            with sidecar.connect() as writer:
                writer.sendall(b'{"type":"orchestrator.started","writer":"main","boot":"00000000000000ab"}\n')
                next_tick(sidecar)
                self.assertEqual(value(sidecar, "orchestrator_up"), 1)
                writer.sendall(b'{"type":"orchestrator.stopping"}\n')
            wait_for(lambda: "orchestrator_up" not in sidecar.metrics(), what="the end of orchestrator_up")
            next_tick(sidecar)
            self.assertIsNone(value(sidecar, "orchestrator_up"))
            self.assertEqual({v for _, v in samples(sidecar, "orchestrator_up")}, {1}, "its samples are still there")


class Bounds(unittest.TestCase):
    LIMIT = 1 << 20

    def post(self, sidecar, kind, names, x):
        """20 series of each name, all of them with a new value."""
        for name in names:
            lines = "".join(json.dumps({"type": "metric", "name": name, "kind": kind, "value": x / (i + 3), "labels": {"k": f"value-{i}"}}) + "\n"
                            for i in range(20))
            status, _, body = sidecar.request("/api/oxpecker/v1/events", "POST", lines, {"Content-Type": "application/x-ndjson"})
            self.assertEqual((status, json.loads(body)["accepted"]), (200, 20), body)

    def test_the_limit_is_kept_and_said(self):
        with Sidecar(*FAST, f"--storage.memory-limit={self.LIMIT}") as sidecar:
            next_tick(sidecar)
            self.post(sidecar, "histogram", [f"many_{i}" for i in range(60)], 1)
            most = 0
            for _ in range(5):
                next_tick(sidecar)
                metrics = sidecar.metrics()
                most = max(most, metrics["oxpecker_tsdb_bytes"])
            self.assertEqual(metrics["oxpecker_tsdb_limit_bytes"], self.LIMIT)
            self.assertGreater(most, self.LIMIT * 0.8)
            self.assertLessEqual(most, self.LIMIT)
            self.assertGreater(metrics["oxpecker_series"], metrics["oxpecker_tsdb_series"] / 2)
            self.assertGreater(metrics["oxpecker_tsdb_samples_refused_total"], 1000)
            self.assertIn('msg="there is no memory for some samples', sidecar.logged())
            wait_for(lambda: missing(sidecar) == sidecar.metrics()[MISSED], what="each sample of what was there before")

    def test_the_reach_is_shortened_and_said(self):
        with Sidecar(*FAST, f"--storage.memory-limit={self.LIMIT}") as sidecar:
            names, rounds = [f"busy_{i}" for i in range(28)], []

            def shortened():
                self.post(sidecar, "gauge", names, time.time() % 1000)
                rounds.append(sidecar.metrics()["oxpecker_tsdb_retention_seconds"])
                return rounds[-1] < 3000
            wait_for(shortened, 240, "a shorter reach")
            next_tick(sidecar)
            metrics = sidecar.metrics()
            self.assertLessEqual(metrics["oxpecker_tsdb_bytes"], self.LIMIT)
            self.assertEqual(metrics["oxpecker_tsdb_samples_refused_total"], 0)
            self.assertIn('msg="the memory limit shortens how far samples reach back"', sidecar.logged())
            reach = metrics["oxpecker_tsdb_retention_seconds"]
            self.assertGreater(reach, 5)
            for labels, held in raw(sidecar, '{__name__=~"orchestrator_app_busy_.*"}'):
                within = [t for t, _ in held if t > held[-1][0] - reach]
                self.assertGreaterEqual(len(within), int(reach) - 1 - sidecar.metrics()[MISSED], labels)

    def test_retention_is_what_the_metric_says(self):
        """As configured, and a lookback more, so that a window as long as the retention is whole."""
        config = "rule_files: []\nstorage: {sample_interval: 1s, retention: 1m}\nquery: {lookback_delta: 10s}\n"
        with Sidecar(config=config) as sidecar:
            wait_for_samples(sidecar, 2)
            reach = sidecar.metrics()["oxpecker_tsdb_retention_seconds"]
            self.assertEqual(reach, 70)
            began = samples(sidecar)[0][0]
            time.sleep(max(0, began + reach * 1.6 - time.time()))
            times = [t for t, _ in samples(sidecar)]
            missed = sidecar.metrics()[MISSED]
            self.assertGreaterEqual(times[-1] - times[0], reach)
            self.assertLessEqual(times[-1] - times[0], reach * 1.5 + 2 + missed, "at most half of it more, as chunks end")
            self.assertEqual(sidecar.metrics()["oxpecker_tsdb_retention_seconds"], reach)


class Stopped(unittest.TestCase):
    def test_ticks_missed_while_stopped_are_counted(self):
        with Sidecar(*FAST) as sidecar:
            wait_for_samples(sidecar, 2)
            missed, began = sidecar.metrics()[MISSED], time.time()
            sidecar.send_signal(signal.SIGSTOP)
            time.sleep(4.3)
            sidecar.send_signal(signal.SIGCONT)
            next_tick(sidecar)
            next_tick(sidecar)
            wait_for(lambda: missing(sidecar) == sidecar.metrics()[MISSED], what="what is missing, counted")
            metrics = sidecar.metrics()
            self.assertGreaterEqual(metrics[MISSED] - missed, 3)
            self.assertLessEqual(metrics[MISSED] - missed, time.time() - began)
            self.assertEqual(metrics["oxpecker_clock_jumps_total"], 0)


if __name__ == "__main__":
    unittest.main()
