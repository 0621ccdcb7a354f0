"""Every query of every panel of grafana/, its variables filled in as Grafana would, against a sidecar and a Prometheus that watched work
with faults and a crash: all return data, and gauges agree."""
import concurrent.futures
import http.server
import json
import math
import pathlib
import re
import shutil
import signal
import tempfile
import threading
import time
import unittest

from dashboards import DASHBOARDS, RULE_FILES, Query, annotations, build, every_target, filled, panels
from harness import Prometheus, Sidecar, free_port, wait_for
from provider.process import Provider
from test_orchestrator import BUILT_IN, QUICK_PROVIDER, Orchestrator

LOAD_SECONDS = 20
# Whose data begins when a day, or a month, is known: test_grafana_rules asks them of made-up months.
EMPTY = {"oxpecker-reliability: Availability, 30 days: up", "oxpecker-reliability: Budget left: left",
         *(f"oxpecker-reliability: Outage in longer windows: {window}" for window in ("6 hours", "1 day", "3 days", "30 days"))}
KEY = "bb_test_dashboards"
FAULTS = [{"where": "create", "kind": "429_concurrency", "probability": 0.2}, {"where": "create", "kind": "503", "probability": 0.2},
          {"where": "act", "kind": "element", "probability": 0.2}, {"where": "extract", "kind": "llm_429", "probability": 0.2},
          {"where": "navigate", "kind": "drop", "probability": 0.1}, {"where": "observe", "kind": "unsuccessful", "probability": 0.1}]
CONFIG = """
alerting:
  route: {{receiver: all, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}}
  receivers:
    - name: all
      webhook_configs:
        - {{url: "http://127.0.0.1:{port}/hook", send_resolved: true}}
        - {{url: "http://127.0.0.1:1/nobody", send_resolved: true}}
cloudwatch: {{region: us-east-1, namespace: Test, endpoint: "http://127.0.0.1:{port}", interval: 2s}}
"""
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def once():
    """What nobody else reports, once."""
    yield {"type": "orchestrator.started", "boot": "00000000000000aa", "writer": "rest", "version": "1.0", "environment": "test", "sdk": "test/1",
           "sessions_limit": 5, "create_limit": 25}
    yield {"type": "session.started", "session": "kept", "region": "us-west-2"}
    yield {"type": "task.started", "task": "kept", "workflow": "rest"}
    yield {"type": "degraded", "component": "model", "on": True, "ok": True}
    yield {"type": "breaker", "name": "site", "from": "closed", "to": "open", "failures": 5, "cause": "auto"}
    yield {"type": "breaker", "name": "site", "from": "open", "to": "closed", "cause": "manual"}
    yield {"type": "checkpoint", "op": "restored", "ok": True}
    yield {"type": "error", "code": "bb_auth", "op": "session.create", "upstream": "browserbase", "category": "browserbase", "message": "x"}


def often(n):
    """And what it reports all the time."""
    session, task, at = f"rest-{n}", f"rest-{n}-t", time.time()
    yield {"type": "session.started", "session": session, "region": "us-west-2", "create_s": 0.3}
    yield {"type": "session.disconnected", "session": session, "reason": "network"}
    yield {"type": "session.connected", "session": session, "reconnect": True, "ok": True}
    yield {"type": "task.queued", "task": task, "priority": "high", "workflow": "rest"}
    yield {"type": "task.started", "task": task, "priority": "high", "workflow": "rest", "session": session}
    for op in ("act", "extract", "agent", "start"):
        yield {"type": "operation", "op": op, "ok": n % 5 > 0, "duration_s": 0.2 + n % 7, "task": task, "session": session, "cache": ("hit", "miss")[n % 2],
               "model": "m", "tokens": {"input": 90, "output": 9}, "inference_s": 0.2, "tokens_saved": 5, "steps": 2,
               "trace_id": f"{n + 1:032x}", **({"limit": "max_steps"} if op == "agent" else {})}
    yield {"type": "captcha", "state": "solved", "duration_s": 3, "session": session}
    yield {"type": "error", "op": "session.release", "code": "bb_release_failed", "session": session, "message": "x"}
    yield {"type": "error", "code": "net_timeout", "message": "x", "task": task, "occurred_at": at - 0.3, "component": "pool", "unhandled": n % 3 == 0}
    yield {"type": "error", "code": "net_reset", "message": "x", "suppressed": "cascade"}
    yield {"type": "error", "code": "net_timeout", "category": "network", "class": "fatal", "message": "x"}
    yield {"type": "error", "code": ("bb_auth", "llm_auth")[n % 2], "message": "x"}
    yield {"type": "retry", "op": "act", "upstream": "llm", "attempt": 2, "delay_s": 0.5, "code": "llm_rate_limit", "task": task}
    yield {"type": "retry", "op": "act", "upstream": "llm", "outcome": "recovered", "attempts": 2, "task": task}
    yield {"type": "retry", "op": "act", "upstream": "llm", "reason": "rate", "code": "llm_rate_limit"}
    yield {"type": "breaker.calls", "name": "site", "success": 3, "failure": 1}
    if n % 4 == 0:
        yield {"type": "breaker", "name": "site", "from": "closed", "to": "open", "failures": 5, "cause": "auto"}
        yield {"type": "breaker", "name": "site", "from": "open", "to": "closed", "cause": "auto"}
    for outcome, automation in (("recovered", "full"), ("manual", "manual")):
        incident = f"{session}-{outcome}"
        yield {"type": "recovery", "state": "started", "incident": incident, "severity": "high", "category": "network"}
        yield {"type": "recovery", "state": "escalated", "incident": incident, "level": "oncall", "reason": "timeout"}
        yield {"type": "recovery", "state": "ended", "incident": incident, "action": "retry", "outcome": outcome, "automation": automation,
               "duration_s": 1 + n % 40}
    yield {"type": "degraded", "component": "model", "on": True, "ok": True}
    yield {"type": "debugger", "outcome": "fixed", "fix": "reload"}
    yield {"type": "transaction", "outcome": "rolled_back", "name": "t", "steps": 2, "duration_s": 0.2}
    yield {"type": "checkpoint", "op": "saved", "ok": n % 9 > 0, "overhead_s": 0.01, "write_s": 0.03, "bytes": 99, "stored": 3, "stored_bytes": 999, "backlog": 1}
    yield {"type": "stage", "stage": "collection", "items_ok": 3, "items_failed": 1, "duration_s": 2, "sessions": 1}
    yield {"type": "queue", "high": {"length": 2, "oldest_s": 4}, "workers_busy": 2, "workers_idle": 1, "quota": {"sessions": 0.6, "disk": 0.1}}
    yield {"type": "resource", "cpu_user_s": n / 5, "cpu_sys_s": n / 9, "rss": 90000000 + n, "read_bytes": 4096 * n, "write_bytes": 4096 * n, "fds": 20,
           "max_fds": 1024, "threads": 9, "mount": "checkpoints", "avail_bytes": 10**10 - n,
           "container": {"cpu_s": n / 4, "throttled_s": n / 99, "working_set": 10**8 + 1000 * n, "memory_limit": 10**9, "oom_kills": 0},
           "pressure": {"cpu_some_s": n / 50, "io_some_s": n / 60}}
    yield {"type": "metric", "kind": "function", "name": "parse", "value": 0.2, "ok": n % 4 > 0}
    yield {"type": "task.ended", "task": task, "workflow": "rest", "status": ("succeeded", "failed", "degraded")[n % 3], "duration_s": 2 + n % 9}
    yield {"type": "session.ended", "session": session, "status": ("COMPLETED", "TIMED_OUT")[n % 4 == 3], "duration_s": 70 - n % 50, "proxy_bytes": 999}
    yield {"type": "workflow.started", "workflow": "rest", "run": str(n)}
    yield {"type": "workflow.ended", "workflow": "rest", "run": str(n), "status": ("succeeded", "failed")[n % 2], "duration_s": 4}


class RuledPrometheus(Prometheus):
    """One that evaluates our rules as well."""

    def __init__(self, targets, rule_files):
        super().__init__(targets)
        path = self.directory / "prometheus.yml"
        path.write_text(path.read_text().replace("global: {", "global: {evaluation_interval: 1s, ", 1) + f"rule_files: {json.dumps([str(p) for p in rule_files])}\n")


def quick(path, directory):
    copy = directory / path.name
    copy.write_text(re.sub(r"(?m)^( +interval:) \d+[sm]$", r"\1 1s", path.read_text()))
    return copy


def hasty(path, directory):
    """Rules that fire at once."""
    copy = directory / f"hasty-{path.name}"
    copy.write_text(re.sub(r"(?m)^( +(?:interval|for):) \d+[smh]$", r"\1 1s", path.read_text()))
    return copy


def gauges_only(query):
    """Whether it asks for what is, not for what happened; the catalogue's gauges only, for recorded ones move on when all is still."""
    names = [name for name, *_ in query.selectors]
    return (all(window is None for _, _, window, _ in query.selectors) and "time()" not in query.text and ":" not in query.text
            and all(name.startswith("orchestrator_") and not name.endswith(("_bucket", "_ratio")) for name in names))


def numbers(answer):
    """[[(time, value), ...], ...] of the series of an answer, NaN left out."""
    assert answer["status"] == "success", answer
    found = [series.get("values") or [series["value"]] for series in answer["data"]["result"]]
    return [points for points in ([(t, float(v)) for t, v in series if float(v) == float(v)] for series in found) if points]


def by_labels(answer):
    """{labels without instance: value}; what is measured in this very moment is not compared to the last digit."""
    return {json.dumps({k: v for k, v in series["metric"].items() if k != "instance"}, sort_keys=True): float(series["value"][1])
            for series in answer["data"]["result"]}


@unittest.skipUnless(shutil.which("prometheus"), "Prometheus is not installed")
class Run(unittest.TestCase):
    """Every query of every panel against a sidecar and a Prometheus that scrapes it."""

    @classmethod
    def setUpClass(cls):
        enter, cls.directory = cls.enterClassContext, pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="oxpecker-grafana-")))
        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        cls.addClassCleanup(receiver.server_close)
        cls.addClassCleanup(receiver.shutdown)
        ours = [quick(path, cls.directory) for path in RULE_FILES]
        (cls.directory / "key").write_text(KEY)
        cls.provider = enter(Provider(*QUICK_PROVIDER, key=KEY))
        cls.sidecar = enter(Sidecar(
            "--storage.sample-interval=1s", "--global.evaluation-interval=1s", f"--rule-files={ours[0]},{ours[1]}", "--orchestrator.watch-interval=0s",
            f"--orchestrator.checkpoint-path={cls.directory}", f"--provider.api-key-file={cls.directory / 'key'}",
            f"--provider.base-url={cls.provider.url}", f"--provider.project-id={cls.provider.project()['id']}", "--provider.interval=5s",
            storage=True, config=CONFIG.format(port=receiver.server_address[1]), environment=AWS))
        cls.prometheus = enter(RuledPrometheus([f"127.0.0.1:{cls.sidecar.port}"], ours))
        cls.prometheus.wait_ready()
        wait_for(lambda: cls.prometheus.value("up") == 1, what="a scrape")
        cls.load(enter)

    @classmethod
    def load(cls, enter):
        """Work with faults, a reload and a crash in the middle, and the rest by hand; then silence."""
        orchestrator = enter(Orchestrator(cls.sidecar, cls.provider, json.loads(BUILT_IN.read_text())))
        cls.writer = cls.sidecar.connect()
        cls.addClassCleanup(cls.writer.close)

        def say(events):
            cls.writer.sendall(b"".join(json.dumps(event).encode() + b"\n" for event in events))

        say(once())
        cls.provider.fault(*FAULTS)
        orchestrator.start("--rounds=forever", "--sessions=3", "--breaker=failure_threshold=2")
        began, n, reloaded, crashed = time.monotonic(), 0, False, False
        while time.monotonic() - began < LOAD_SECONDS:
            n += 1
            say([*often(n), {"type": "no.such.type"}])
            if not reloaded and time.monotonic() - began > LOAD_SECONDS / 4:
                reloaded = True
                cls.sidecar.send_signal(signal.SIGHUP)
            if not crashed and time.monotonic() - began > LOAD_SECONDS / 2:
                crashed = True
                orchestrator.kill()
                orchestrator.start("--rounds=forever", "--sessions=3")
            time.sleep(max(0, began + n / 2 - time.monotonic()))
        cls.provider.clear()
        assert orchestrator.stop() == 0, orchestrator.logged()
        cls.began = time.time() - (time.monotonic() - began)
        polls = 'orchestrator_provider_polls_total{outcome="ok"}'
        before = cls.sidecar.metrics()[polls]
        wait_for(lambda: cls.sidecar.metrics()[polls] > before, what="a poll of a provider with nothing any more")
        # Nothing moves any more, and both have seen that when they know a last gauge.
        say([{"type": "metric", "kind": "gauge", "name": "last", "value": 1}])
        wait_for(cls.at_rest, what="the last gauge")

    @classmethod
    def at_rest(cls):
        """Both know the last gauge now, and did so a second before; nor is that taken back by a scrape that fails late."""
        cls.now = time.time()
        time.sleep(2.2)
        return all(to.api("query", query="orchestrator_app_last", time=f"{at:.3f}")["data"]["result"]
                   for to in (cls.sidecar, cls.prometheus) for at in (cls.now, cls.now - 1.1))

    @classmethod
    def queries(cls):
        """(where, source of the panel, panel, target) of every query."""
        sources = {source["uid"]: [panel for row in source["rows"] for one in row["panels"] for panel in build.repeated(one)]
                   for source in build.sources()[1]}
        for uid, dashboard in DASHBOARDS.items():
            for source, panel in zip(sources[uid], panels(dashboard), strict=True):
                for target in panel["targets"]:
                    yield f"{uid}: {panel['title']}: {target['legendFormat']}", source, panel, target

    def ask(self, panel, target, to, instant):
        expression = filled(target["expr"], math.ceil(self.now - self.began), least=panel.get("interval", "0s"))
        return to.api("query", query=expression, time=f"{self.now:.3f}") if instant else self.range(expression, to)

    def range(self, expression, to):
        """Each second of the run; Grafana's steps are longer where a panel says so, but a run is not."""
        return to.api("query_range", query=expression, start=f"{self.began:.0f}", end=f"{self.now:.0f}", step="1")

    def test_every_panel_has_data(self):
        asked, moving, empty, excused, jobs = 0, 0, [], [], []
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for where, source, panel, target in self.queries():
                for name, to in (("the sidecar", self.sidecar), ("Prometheus", self.prometheus)):
                    if name == "Prometheus" or source.get("needs") != "prometheus":
                        jobs.append((where, source, name, pool.submit(self.ask, panel, target, to, target["instant"])))
            for where, source, name, job in jobs:
                asked += 1
                found = numbers(job.result())
                moving += any(value for series in found for _, value in series)
                if not found:
                    (excused if "may_be_empty" in source else empty).append(f"{where} ({name})")
        count = sum(len(panels(dashboard)) for dashboard in DASHBOARDS.values())
        unique = len(list(every_target()))
        print(f"grafana: {len(DASHBOARDS)} dashboards, {count} panels, {unique} queries; {asked} asked, {moving} say other than 0, "
              f"{len(excused)} are empty with a reason")
        for one in excused:
            print(f"grafana: empty: {one}")
        self.assertEqual(empty, [])
        self.assertEqual({one.removesuffix(" (Prometheus)") for one in excused}, EMPTY)

    def test_gauges_agree(self):
        agreed, differ = 0, []
        for where, source, panel, target in self.queries():
            if source.get("needs") or not gauges_only(Query(target["expr"])):
                continue
            ours, theirs = (by_labels(self.ask(panel, target, to, True)) for to in (self.sidecar, self.prometheus))
            unit = panel["fieldConfig"]["defaults"]["unit"]
            # Ages and the memory of processes go on while nothing else does.
            near = {"s": lambda a, b: abs(a - b) <= 15, "bytes": lambda a, b: abs(a - b) <= 0.05 * max(a, b)}.get(unit, lambda a, b: a == b)
            if ours.keys() == theirs.keys() and all(near(ours[key], theirs[key]) for key in ours):
                agreed += 1
            else:
                differ.append(f"{where}: {ours} / {theirs}")
        print(f"grafana: {agreed} queries of gauges agree with Prometheus")
        self.assertEqual(differ, [])
        self.assertGreater(agreed, 30)

    def test_annotations_have_marks(self):
        seen = {}
        for _, one in annotations():
            expression = filled(one["expr"], 60)
            for to in (self.sidecar, self.prometheus):
                seen[one["name"]] = seen.get(one["name"], True) and bool(numbers(self.range(expression, to)))
        self.assertEqual(seen, dict.fromkeys(["Alerts", "Restarts", "Breakers", "Reloads"], True))

    def test_variables_have_values(self):
        for name in ("job", "instance", "workflow", "region"):
            variable = next(one for d in DASHBOARDS.values() for one in d["templating"]["list"] if one["name"] == name)
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            for to in (self.sidecar, self.prometheus):
                answer = to.api(f"label/{asked[2]}/values", **{"match[]": filled(asked[1], 60)})
                self.assertTrue(answer["data"], name)

    def test_exemplars_are_there(self):
        query = filled("histogram_quantile(0.95, sum by (le, operation) (rate(orchestrator_operation_duration_seconds_bucket[$__rate_interval])))", 60)
        for to in (self.sidecar, self.prometheus):
            found = to.api("query_exemplars", query=query, start=f"{self.began:.0f}", end=f"{self.now + 5:.0f}")["data"]
            self.assertTrue(any("trace_id" in one["labels"] for series in found for one in series["exemplars"]))


@unittest.skipUnless(shutil.which("prometheus"), "Prometheus is not installed")
class Fleet(unittest.TestCase):
    """Two sidecars, and a target of another kind that is down, as on-call sees them through Prometheus: nobody there, two with faults, one
    dead, both dead."""

    @classmethod
    def setUpClass(cls):
        enter, cls.directory = cls.enterClassContext, pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="oxpecker-fleet-")))
        cls.sidecars = [enter(Sidecar("--storage.sample-interval=1s")) for _ in range(2)]
        cls.prometheus = RuledPrometheus([f"127.0.0.1:{one.port}" for one in cls.sidecars], [hasty(path, cls.directory) for path in RULE_FILES])
        with open(cls.prometheus.directory / "prometheus.yml") as config:
            lines = config.read().replace("rule_files:", f'  - job_name: other\n    static_configs: [{{targets: ["127.0.0.1:{free_port()}"]}}]\nrule_files:')
        (cls.prometheus.directory / "prometheus.yml").write_text(lines)
        enter(cls.prometheus)
        cls.prometheus.wait_ready()
        wait_for(lambda: cls.prometheus.value('count(up{job="oxpecker"} == 1)') == 2, what="a scrape of both")
        wait_for(lambda: cls.prometheus.value('up{job="other"}') == 0, what="a scrape of the other")

    def say(self, sidecar, state):
        """An orchestrator with one breaker and two tasks that succeed; waits until Prometheus knows it."""
        with sidecar.connect() as writer:
            writer.sendall(b"".join(json.dumps(event).encode() + b"\n" for event in (
                {"type": "orchestrator.started", "boot": f"00000000000000{sidecar.port % 256:02x}", "version": "1", "sessions_limit": 5},
                {"type": "breaker", "name": "site", "from": "closed", "to": "open", "failures": 5},
                *([{"type": "breaker", "name": "site", "from": "open", "to": state}] if state != "open" else []))))
            wait_for(lambda: self.prometheus.value(f'orchestrator_breaker_state{{instance="127.0.0.1:{sidecar.port}", state="{state}"}}') == 1, what=state)
            for n in (1, 2):
                writer.sendall(b"".join(json.dumps({"type": kind, "task": f"t{n}", "workflow": "w", "status": "succeeded", "duration_s": 1}).encode() + b"\n"
                                        for kind in ("task.started", "task.ended")))
                wait_for(lambda n=n: self.prometheus.value(f'sum(orchestrator_tasks_ended_total{{instance="127.0.0.1:{sidecar.port}"}})') == n, what="a task")

    def values(self, panel):
        """{legend: values} of a panel, now."""
        return {target["legendFormat"]: [float(one["value"][1]) for one in self.prometheus.query(filled(target["expr"], 600))] for target in panel["targets"]}

    def fires(self, name):
        """Waits until an alert is in the table of what fires, and has a mark."""
        table = next(target["expr"] for _, panel, target in every_target() if panel["title"].startswith("What fires"))
        mark = next(one["expr"] for _, one in annotations() if one["name"] == "Alerts")
        for expression in (table, mark):
            wait_for(lambda e=expression: name in {one["metric"].get("alertname") for one in self.prometheus.query(filled(e, 600))}, what=name)

    def firsts(self):
        """The first panels' values."""
        return {value for d in DASHBOARDS.values() for values in self.values(panels(d)[0]).values() for value in values or [None]}

    def test_from_nobody_to_dead(self):
        wait_for(lambda: self.firsts() == {1}, what="all are well")
        self.fires("OrchestratorAbsent")
        self.say(self.sidecars[0], "half_open")
        self.say(self.sidecars[1], "open")
        unknown = []
        for panel in (panel for d in DASHBOARDS.values() for panel in panels(d)):
            words = {float(value) for one in panel["fieldConfig"]["defaults"].get("mappings", ()) if one["type"] == "value"
                     for value in one["options"] if re.fullmatch(r"[\d.]+", value)}
            unknown += [(panel["title"], value) for values in self.values(panel).values() for value in values if words and value not in words]
        self.assertEqual(unknown, [], "states without a word")
        wait_for(lambda: self.firsts() == {1}, what="all are well")
        self.sidecars[0].kill()
        wait_for(lambda: self.firsts() == {0}, what="one dead")
        self.sidecars[1].kill()
        wait_for(lambda: self.prometheus.value('max(up{job="oxpecker"})') == 0, what="both dead")
        self.assertEqual(self.firsts(), {0})
        self.fires("OxpeckerDown")
        # A share of the chosen time was what it was.
        calm = [panel["title"] for d in DASHBOARDS.values() for panel in panels(d)[1:] if panel["type"] in ("stat", "gauge")
                for values in self.values(panel).values() if not values and panel["fieldConfig"]["defaults"]["noValue"] == "0"
                or 0 in values and not (panel["fieldConfig"]["defaults"]["unit"] == "percentunit" and "$__range" in panel["targets"][0]["expr"])]
        self.assertEqual(calm, [], "reassuring")


if __name__ == "__main__":
    unittest.main()
