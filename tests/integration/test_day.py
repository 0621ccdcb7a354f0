"""examples/day: the replayed day is the same for the same seed, the sidecar takes every event of it, everything that an event can move
moves, and every alert of orchestrator.yml fires and resolves."""
import itertools
import re
import sys
import time
import unittest

from harness import OXPECKER, ROOT, Sidecar, run, wait_for

sys.path.insert(0, str(ROOT / "examples/day"))
import day  # noqa: E402
import plan  # noqa: E402
import scale_rules  # noqa: E402
import world  # noqa: E402

RULES = ROOT / "alerts/rulefiles/orchestrator.yml"
SPEED = 1200  # a day in 72 s: an hour is 3 s
# Moved by none of the events: the poller asks the provider.
BY_THE_POLLER = {"orchestrator_sessions_reaped_total", "orchestrator_provider_sessions", "orchestrator_provider_sessions_unmatched",
                 "orchestrator_provider_usage_browser_seconds", "orchestrator_provider_usage_proxy_bytes",
                 "orchestrator_provider_polls_total", "orchestrator_provider_last_success_timestamp_seconds"}
FLAGS = ("--orchestrator.watch-interval=0s", "--orchestrator.reconnect-grace=500ms", "--orchestrator.stall-limit=3s",
         "--storage.sample-interval=1s", "--global.evaluation-interval=1s", "--shutdown.grace=0s")


def documented(path, pattern):
    return set(re.findall(pattern, (ROOT / path).read_text(), re.M))


class Events(unittest.TestCase):
    def test_one_seed_makes_one_day(self):
        first = list(world.events(3, "a"))
        self.assertEqual(first, list(world.events(3, "a")))
        times = [t for t, _, _ in first]
        self.assertEqual(times, sorted(times))
        self.assertGreater(times[-1], 23 * plan.HOUR)
        self.assertNotEqual(first, list(world.events(4, "a")), "another seed, another day")
        for one, other in itertools.zip_longest(first, world.events(3, "b")):  # another name: the same but for the ids
            self.assertEqual((one[:2], one[2] and one[2]["type"]), (other[:2], other[2] and other[2]["type"]))

    def test_every_type_occurs_and_is_numbered(self):
        types, numbers, gaps = set(), {}, 0
        for _, _, event in world.events(1, "types"):
            if event:
                types.add(event["type"])
                gaps += event["seq"] - numbers.get(event["boot"], 0) - 1
                numbers[event["boot"]] = event["seq"]
        self.assertEqual(types, documented("docs/events.md", r"^\| `([a-z.]+)` \|[^|]*\|[^|]*\|[^|]*\|$") - documented_fields())
        self.assertGreater(gaps, 20, "some are lost")

    def test_the_sidecar_takes_all_of_them(self):
        with Sidecar(*FLAGS) as sidecar:
            sent = day.replay(world.events(2, "taken", 600), sidecar.socket, 0)
            wait_for(lambda: sidecar.metrics()['oxpecker_events_received_total{transport="unix"}'] >= sent, 60, "the events")
            metrics = sidecar.metrics()
            self.assertEqual(rejections(metrics), {}, sidecar.logged()[-2000:])
            self.assertEqual(metrics['oxpecker_events_received_total{transport="unix"}'], sent)
            self.assertEqual(metrics["oxpecker_connections_refused_total"], 0)


def documented_fields():
    """What stands in the tables of fields, which have four columns as well."""
    text = (ROOT / "docs/events.md").read_text()
    return set(re.findall(r"^\| `([a-z._]+)` \|", text[text.index("## The envelope"):], re.M)) - {"metric", "queue"} \
        - set(re.findall(r"^\| `([a-z.]+)` \|", text[:text.index("## The envelope")], re.M))


class Scaling(unittest.TestCase):
    def test_durations_and_nothing_else(self):
        rows = [
            ("    for: 10m", "    for: 10s"), ("    for: 30s  # a while", "    for: 1s  # a while"),
            ("    keep_firing_for: 1h", "    keep_firing_for: 60s"), ("  - interval: 90s", "  - interval: 1500ms"),
            ("  expr: rate(a[15m])", "  expr: rate(a[15s])"), ("  expr: rate(a[1m])", "  expr: rate(a[4s])"),
            ("  expr: max_over_time(a[1h30m:5m])", "  expr: max_over_time(a[90s:5s])"), ("  expr: a[1h:]", "  expr: a[60s:]"),
            ("  expr: a offset 55m", "  expr: a offset 55s"), ("  expr: a offset -1h", "  expr: a offset -60s"),
            ("  expr: predict_linear(a[30m], 3600) > 1", "  expr: predict_linear(a[30s], 60) > 1"),
            ('  expr: predict_linear(a{b="c", d="(e)"}[30m] offset 1h, 4 * 3600)',
             '  expr: predict_linear(a{b="c", d="(e)"}[30s] offset 60s, 240)'),
            ("  expr: predict_linear(a[30m], 0) - predict_linear(b[30m], 60)",
             "  expr: predict_linear(a[30s], 0) - predict_linear(b[30s], 1)"),
            ("  expr: a > 300", "  expr: a > 300"), ("  # for: 10m of [5m]", "  # for: 10m of [5m]"),
            ('  labels: {for: "[5m]"}', '  labels: {for: "[5m]"}'),
            ("  annotations:\n    a: [5m] offset 1h\n  for: 5m", "  annotations:\n    a: [5m] offset 1h\n  for: 5s"),
        ]
        for before, after in rows:
            with self.subTest(before):
                self.assertEqual(scale_rules.scaled(before, 60, 4), after)

    def test_the_shipped_rules_stay_rules(self):
        for path in sorted((ROOT / "alerts/rulefiles").glob("*.yml")):
            for speed in (1, 7, SPEED):
                with self.subTest(path=path.name, speed=speed), Sidecar() as here:
                    scaled = here.directory / "scaled.yml"
                    scaled.write_text(scale_rules.scaled(path.read_text(), speed))
                    status, _, stderr = run(OXPECKER, "check", "rules", scaled)
                    self.assertEqual(status, 0, stderr)


class ADay(unittest.TestCase):
    """One day in 72 s, with rules whose windows and waits are divided by the same speed."""

    def test_every_alert_fires_and_resolves_and_every_family_moves(self):
        rules = RULES.read_text()
        alerts = set(re.findall(r"^ *- alert: (\w+)", rules, re.M))
        self.assertEqual(alerts, set(plan.EXPECTED), "plan.py says which episode is there for which alert")
        self.assertLessEqual(set(plan.EXPECTED.values()), {e.name for e in plan.EPISODES})
        wanted = documented("docs/metrics.md", r"^\| `(orchestrator_[a-z_]+)` \|") - BY_THE_POLLER
        for speed in (SPEED, SPEED / 2):  # a machine that is too busy for the one gets twice the time
            fired, moved, rejected = self.day(rules, speed)
            print()
            for alert, times in sorted(fired.items(), key=lambda item: item[1]):
                print(f"  {alert}: " + ", ".join(f"{clock(a, speed)}-{clock(b, speed)}" for a, b in times))
            if alerts <= set(fired) and wanted <= moved:
                break
        self.assertEqual(alerts - set(fired), set(), "alerts that did not fire")
        self.assertEqual(wanted - moved, set(), "families that no event moved")
        self.assertTrue(any(name.startswith("orchestrator_app_") for name in moved))
        self.assertEqual(rejected, {})

    def day(self, rules, speed):
        """When which alert fired, the families that moved, what was rejected; once all alerts are over."""
        sidecar = Sidecar(*FLAGS)
        scaled = sidecar.directory / "scaled.yml"
        scaled.write_text(scale_rules.scaled(rules, speed))
        sidecar.flags.append(f"--rule-files={scaled}")
        with sidecar:
            begun = time.time()
            sent = day.replay(world.events(1, "day", speed), sidecar.socket, speed)
            wait_for(lambda: sidecar.metrics()['oxpecker_events_received_total{transport="unix"}'] >= sent, 30, "the events")
            wait_for(lambda: not firing(sidecar), 60, "the end of the alerts")
            return history(sidecar, begun, time.time()), families_that_moved(sidecar, begun, time.time()), rejections(sidecar.metrics())


def rejections(metrics):
    return {k: v for k, v in metrics.items() if k.startswith("oxpecker_events_rejected_total") and v}


def families_that_moved(sidecar, begin, end):
    """The names of all families that were not 0 at some time, without the endings of histograms."""
    answer = sidecar.api("query_range", query='count by (__name__) ({__name__=~"orchestrator_.+"} != 0)', start=begin, end=end, step=1)
    names = {series["metric"]["__name__"] for series in answer["data"]["result"]}
    return names | {re.sub("_(count|sum|bucket)$", "", name) for name in names}


def firing(sidecar):
    return sidecar.api("query", query='ALERTS{alertstate="firing"}')["data"]["result"]


def history(sidecar, begin, end):
    """{alert: [(seconds after the begin, seconds after the begin)]}: when it fired."""
    answer = sidecar.api("query_range", query='count by (alertname) (ALERTS{alertstate="firing"})', start=begin, end=end, step=0.5)
    out = {}
    for series in answer["data"]["result"]:
        spans = []
        for t, _ in series["values"]:
            if spans and t - begin - spans[-1][1] < 0.75:
                spans[-1][1] = t - begin
            else:
                spans.append([t - begin, t - begin])
        out[series["metric"]["alertname"]] = [tuple(s) for s in spans]
    return out


def clock(seconds, speed):
    """The time of the day that was replayed."""
    minutes = round(seconds * speed / 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


if __name__ == "__main__":
    unittest.main()
