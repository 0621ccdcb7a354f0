"""examples/day: the replayed day is the same for the same seed, the sidecar takes every event of it, everything that an event can move
moves, and every alert of orchestrator.yml fires and resolves."""
import contextlib
import functools
import io
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from harness import OXPECKER, ROOT, Sidecar, no_proxy_environment, run, wait_for

sys.path.insert(0, str(ROOT / "examples/day"))
import day  # noqa: E402
import held  # noqa: E402
import plan  # noqa: E402
import scale_rules  # noqa: E402
import webhook  # noqa: E402
import world  # noqa: E402

RULES, TRENDS = ROOT / "alerts/rulefiles/orchestrator.yml", ROOT / "alerts/rulefiles/trend.yml"
ALERTING = """alerting:
  route: {receiver: day, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 1m}
  receivers: [{name: day, webhook_configs: [{url: "%s"}]}]
"""
SPEED = 1200  # a day in 72 s: an hour is 3 s
FLAGS = ("--orchestrator.watch-interval=0s", "--orchestrator.reconnect-grace=500ms", "--orchestrator.stall-limit=3s",
         "--storage.sample-interval=1s", "--global.evaluation-interval=1s", "--shutdown.grace=0s")


@functools.cache
def day_of(seed):
    return list(world.events(seed, "day", 600))


def documented(path, pattern):
    return set(re.findall(pattern, (ROOT / path).read_text(), re.M))


class Events(unittest.TestCase):
    def test_one_seed_makes_one_day(self):
        first = list(world.events(3, "a", 600))
        self.assertEqual(first, list(world.events(3, "a", 600)))
        times = [t for t, _, _ in first]
        self.assertEqual(times, sorted(times))
        self.assertGreater(times[-1], 23 * plan.HOUR)
        self.assertNotEqual(first, list(world.events(4, "a", 600)), "another seed, another day")
        for one, other in itertools.zip_longest(first, world.events(3, "b", 600)):  # another name: the same but for the ids
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

    def test_the_provider_is_never_above_its_limit(self):
        provider = held.Held()
        self.addCleanup(provider.close)
        for seed in (1, 2):
            provider.begin()
            most, refused, minute, queued = 0, 0, 0, set()
            for t, _, event in day_of(seed):
                if event and event["type"].startswith("task."):
                    (queued.add if event["type"] == "task.queued" else queued.discard)(event["task"])
                if event and event.get("message") == world.CREATE_REFUSED["message"]:
                    refused += 1
                    self.assertTrue(queued, f"{t}: work waits that was refused")
                provider.take(t, event, t)
                if event and event["type"] == "session.started" or t > minute:
                    most, minute = max(most, len(provider.running())), t + 60
                    self.assertLessEqual(most, plan.LIMIT, f"seed {seed}, {t / 3600:.2f} h")
            self.assertEqual(most, plan.LIMIT, "it is reached")
            self.assertGreater(refused, 10)

    def test_tasks_and_sessions_end_once_after_they_began(self):
        for seed in (1, 2):
            begun, ended, counts = set(), set(), {}
            for t, _, event in day_of(seed):
                what, _, state = event["type"].partition(".") if event else ("", "", "")
                if what in ("task", "session") and state in ("started", "ended"):
                    name = event[what]
                    (begun if state == "started" else ended).add(name)
                    if state == "ended":
                        self.assertTrue(name in begun, f"seed {seed}, {t}: {event}")
                        counts[name] = counts.get(name, 0) + 1
            self.assertEqual({name for name, count in counts.items() if count > 1}, set())

    def test_the_sidecar_takes_all_of_them(self):
        with Sidecar(*FLAGS) as sidecar:
            sent = day.replay(world.events(2, "taken", 600), sidecar.socket, 0)
            wait_for(lambda: sidecar.metrics()['oxpecker_events_received_total{transport="unix"}'] >= sent, what="the events")
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


class Trends(unittest.TestCase):
    """The alerts of trend.yml that no test replays: at the speed of `make demo`, over what the sidecar would show of the events."""

    SPEED = int(re.search(r"SPEED:-(\d+)", (ROOT / "examples/day/demo.sh").read_text())[1])
    ALERTS = ("OrchestratorTrendSessionCeiling", "OrchestratorTrendTasksSlower")

    def test_they_fire_in_their_episodes(self):
        self.assertEqual(set(re.findall(r"^ *- alert: (\w+)", TRENDS.read_text(), re.M)), set(plan.EXPECTED_TRENDS))
        self.assertLessEqual(set(plan.EXPECTED_TRENDS.values()), {e.name for e in plan.EPISODES})
        place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (place / "trend.yml").write_text(scale_rules.scaled(TRENDS.read_text(), self.SPEED))
        for share in (0, 0.4, 0.8):  # of a second: when the sidecar takes its samples
            with self.subTest(share):
                (place / "test.yml").write_text(self.unit_test(samples(day_of(1), self.SPEED, share)))
                status, stdout, stderr = run(OXPECKER, "test", "rules", place / "test.yml")
                self.assertEqual(status, 0, stdout + stderr)

    def unit_test(self, series):
        lines = ["rule_files: [trend.yml]", "evaluation_interval: 1s",
                 "group_eval_order: [orchestrator-trend-baselines, orchestrator-trend-alerts]", "tests:", "  - interval: 1s", "    input_series:"]
        for name, values in series.items():
            lines += [f"""      - series: '{name}{{job="day", instance="day"}}'""", f"        values: '{' '.join(map(str, values))}'"]
        lines += ["    promql_expr_test:"]
        for alert in self.ALERTS:
            episode = next(e for e in plan.EPISODES if e.name == plan.EXPECTED_TRENDS[alert])
            length, end = (round(hours * plan.HOUR / self.SPEED) for hours in (episode.hours, episode.begin + episode.hours))
            lines += [f"""      - expr: 'sum(sum_over_time(ALERTS{{alertstate="firing", alertname="{alert}"}}[{length}s])) > bool 0'""",
                      f"        eval_time: {end}s", "        exp_samples: [{labels: '{}', value: 1}]"]
        return "\n".join(lines) + "\n"


def samples(events, speed, share):
    """What the trends of sessions and durations look at, as a sidecar would have it each second of a day at that speed."""
    kept = {name: [] for name in ("orchestrator_sessions_active", "orchestrator_sessions_orphaned", "orchestrator_sessions_limit",
                                  "orchestrator_task_duration_seconds_sum", "orchestrator_task_duration_seconds_count")}
    sessions, total, count, due = set(), 0.0, 0, share * speed
    for t, _, event in events:
        while t >= due:
            for values, value in zip(kept.values(), (len(sessions), 0, plan.LIMIT, round(total, 3), count)):
                values.append(value)
            due += speed
        if event and event["type"] == "session.started":
            sessions.add(event["session"])
        elif event and event["type"] == "session.ended":
            sessions.discard(event["session"])
        elif event and event["type"] == "task.ended":
            total, count = total + event.get("duration_s", 0), count + 1
    return kept


class Told(unittest.TestCase):
    """The webhook of the day."""

    def test_refuses_in_its_episode_and_takes_the_rest(self):
        log = io.StringIO()
        receiver = webhook.Webhook(log=log)
        self.addCleanup(receiver.close)
        message = {"alerts": [{"status": status, "labels": {"alertname": name}} for status, names in (("resolved", "Z"), ("firing", "FEDCBAA"))
                              for name in names]}
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for hour, body, status in ((8, json.dumps(message), 200), (9, json.dumps(message), 503), (9.6, json.dumps(message), 200), (10, "{}", 400),
                                   (9, json.dumps(message), 503), (None, json.dumps(message), 200)):
            if hour is None:
                receiver.begin()  # another day
            else:
                receiver.take(hour * plan.HOUR, None, 0)
            try:
                answer = opener.open(urllib.request.Request(receiver.url, body.encode(), method="POST"), timeout=60).status
            except urllib.error.HTTPError as error:
                answer = error.code
            self.assertEqual(answer, status, hour)
        self.assertEqual(log.getvalue().splitlines(), [f"{at}  firing A B C D E F, resolved Z" for at in
                                                             ("08:00  200", "09:00  503", "09:36  200", "09:00  503", "00:00  200")])
        self.assertEqual((receiver.taken, receiver.refused), (3, 2))


class Demo(unittest.TestCase):
    """What `make demo` starts, where Prometheus is not installed."""

    TOOLS = ("bash", "cat", "curl", "dirname", "mkdir", "mktemp", "python3", "rm", "sed", "seq", "sleep", "tail")

    def setUp(self):
        self.place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.place / "tmp").mkdir()
        (self.place / "bin").mkdir()
        for tool in self.TOOLS:
            (self.place / "bin" / tool).symlink_to(shutil.which(tool))
        self.addCleanup(self.kill_left)

    def kill_left(self):
        """What is left would hold the pipe, and stay."""
        left = self.left()
        for path in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(path.parent.name), signal.SIGKILL)
        return left

    def start(self, *flags):
        environment = no_proxy_environment(PATH=str(self.place / "bin"), TMPDIR=str(self.place / "tmp"), OXPECKER=str(OXPECKER), PORT="0")
        # SIGINT as from a terminal: a shell that began with it ignored cannot be told by it
        return subprocess.Popen([ROOT / "examples/day/demo.sh", *flags], env=environment, text=True, stdin=subprocess.DEVNULL, cwd="/",
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def left(self):
        """Processes that have our folder on their command line."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found += [path] if str(self.place).encode() in path.read_bytes() else []
            except OSError:
                pass
        return found

    def test_interrupted(self):
        with self.start("--speed=1440") as demo:
            try:
                said = "".join(iter(demo.stdout.readline, "\n"))
                address = re.search(r"^Sidecar +(http://127\.0\.0\.1:\d+/)$", said, re.M)[1]
                self.assertIn("SKIPPED prometheus: not installed", said)
                self.assertIn("A day lasts    60 seconds", said)
                self.assertRegex(said, r"(?m)^Webhook +http://127\.0\.0\.1:\d+/alerts, .+: /.+/webhook\.log$")
                # An alert may be told before it: two processes say them.
                self.assertTrue(any("hangs" in line for line in iter(demo.stdout.readline, "")), "the first episode")
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

                def goes_on():
                    lines = opener.open(address + "metrics", timeout=60).read().decode().splitlines()
                    metrics = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
                    return (float(metrics['oxpecker_events_received_total{transport="unix"}']) > 100
                            and float(metrics['orchestrator_provider_polls_total{outcome="ok"}']) > 0 and metrics)

                metrics = wait_for(goes_on, what="events, and a poll")
                self.assertEqual(float(metrics['orchestrator_provider_polls_total{outcome="failed"}']), 0)
                self.assertEqual(float(metrics["oxpecker_cloudwatch_enabled"]), 1)
                self.assertGreater(len(self.left()), 1)
            finally:
                demo.send_signal(signal.SIGINT)
            self.assertEqual(demo.wait(60), 0)
            self.assertEqual(self.kill_left(), [])
            self.assertIn("stopped.", demo.stdout.read())
        self.assertEqual(list((self.place / "tmp").iterdir()), [])

    def test_refused(self):
        wanted = "demo: --speed must be a number above 0, and at most 86400\n"
        rows = [(f"--speed={speed}", wanted) for speed in ("0", "abc", "nan", "inf")] + [("--help", "examples/day/demo.sh [--speed=N]")]
        for flag, said in rows:
            with self.subTest(flag), self.start(flag) as demo:
                output = demo.stdout.read()
                self.assertIn(said, output)
                self.assertNotIn("Traceback", output)
                self.assertNotEqual(demo.wait(60), 0)
                self.assertEqual(list((self.place / "tmp").iterdir()), [])


class ADay(unittest.TestCase):
    """One day in 72 s, with rules whose windows and waits are divided by the same speed."""

    def test_every_alert_fires_and_resolves_and_every_family_moves(self):
        rules = RULES.read_text()
        alerts = set(re.findall(r"^ *- alert: (\w+)", rules, re.M))
        self.assertEqual(alerts, set(plan.EXPECTED), "plan.py says which episode is there for which alert")
        self.assertLessEqual(set(plan.EXPECTED.values()), {e.name for e in plan.EPISODES})
        wanted = documented("docs/metrics.md", r"^\| `(orchestrator_[a-z_]+)` \|")
        for speed in (SPEED, SPEED / 2):  # a machine that is too busy for the one gets twice the time
            fired, moved, rejected, wrong, told = self.day(rules, speed)
            print()
            for alert, times in sorted(fired.items(), key=lambda item: item[1]):
                print(f"  {alert}: " + ", ".join(f"{clock(a, speed)}-{clock(b, speed)}" for a, b in times))
            if alerts <= set(fired) and wanted <= moved and not wrong and told >= 4:
                break
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(told, 4, "alerts were told; many, but not at once after its outage")
        self.assertEqual(alerts - set(fired), set(), "alerts that did not fire")
        self.assertEqual(wanted - moved, set(), "families that did not move")
        self.assertTrue(any(name.startswith("orchestrator_app_") for name in moved))
        self.assertEqual(rejected, {})

    def day(self, rules, speed):
        """When which alert fired, the families that moved, what was rejected, what cannot be, and how many messages were taken; once all alerts are over."""
        receiver = webhook.Webhook()
        self.addCleanup(receiver.close)
        sidecar = Sidecar(*FLAGS, config=ALERTING % receiver.url)
        scaled = sidecar.directory / "scaled.yml"
        scaled.write_text(scale_rules.scaled(rules, speed))
        (sidecar.directory / "key").write_text("key")
        provider = held.Held()
        self.addCleanup(provider.close)
        sidecar.flags += [f"--rule-files={scaled}", f"--provider.base-url={provider.url}", f"--provider.api-key-file={sidecar.directory / 'key'}",
                          f"--provider.project-id={held.PROJECT}", f"--provider.tag={'='.join(held.TAG)}", "--provider.interval=5s",
                          "--provider.release-orphans=on", f"--provider.release-after={3600 / speed * 1000:.0f}ms"]
        with sidecar:
            begun = time.time()
            sent = day.replay(world.events(1, "day", speed), sidecar.socket, speed, listeners=[provider, receiver])
            wait_for(lambda: sidecar.metrics()['oxpecker_events_received_total{transport="unix"}'] >= sent, what="the events")
            wait_for(lambda: not firing(sidecar), what="the end of the alerts")
            end = time.time()
            return (history(sidecar, begun, end), families_that_moved(sidecar, begun, end), rejections(sidecar.metrics()),
                    impossible(sidecar, begun, end), receiver.taken)


def rejections(metrics):
    return {k: v for k, v in metrics.items() if k.startswith("oxpecker_events_rejected_total") and v}


def families_that_moved(sidecar, begin, end):
    """The names of all families that were not 0 at some time, without the endings of histograms."""
    answer = sidecar.api("query_range", query='count by (__name__) ({__name__=~"orchestrator_.+"} != 0)', start=begin, end=end, step=1)
    names = {series["metric"]["__name__"] for series in answer["data"]["result"]}
    return names | {re.sub("_(count|sum|bucket)$", "", name) for name in names}


def impossible(sidecar, begin, end):
    """What no provider would grant and no orchestrator would do, at every sample."""
    found = []
    for query in ("sum(orchestrator_sessions_active) + sum(orchestrator_sessions_orphaned) > max(orchestrator_sessions_limit)",
                  "sum by (workflow) (orchestrator_tasks_ended_total) > sum by (workflow) (orchestrator_tasks_started_total)"):
        found += sidecar.api("query_range", query=query, start=begin, end=end, step=1)["data"]["result"]
    return found


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
