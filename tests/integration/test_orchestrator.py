"""The real sidecar, the local provider and examples/orchestrator: a run, every failure that the provider knows, kill -9, breakers, stops,
and secrets that stay secret."""
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from harness import OXPECKER, ROOT, Sidecar, contents, free_port, no_proxy_environment, wait_for
from provider.process import Provider

ORCHESTRATOR = pathlib.Path(os.environ.get("ORCHESTRATOR", OXPECKER.parent / "oxpecker-example-orchestrator"))
BUILT_IN = ROOT / "examples/orchestrator/workflow.json"
MODEL_KEY = "canary-of-no-known-form-3f1d88c04b7e"  # that no scrubber knows: it must not be said at all
KEY = "bb_live_canary_9c41d7f0a2b84e55"
QUICK_PROVIDER = ("--plan", "scale", "--create-rate", "100000", "--startup", "0.02", "--release-delay", "0.05")
# Everything that waits waits briefly; what is tested is who waits for what.
QUICK = ("--retry=default_initial_delay=0.05", "--retry=default_max_delay=0.5", "--retry=slot.first_delay=0.1", "--requeue-delay=0.05",
         "--breaker=open_s=0.3", "--degraded=0.5", "--pause=0.05", "--task-tries=4")
WORKFLOW = {"workflow": "all-kinds", "tasks": [
    {"id": "a", "steps": [{"navigate": "https://x.example/a", "or": "https://y.example/a"}, {"observe": "o"}, {"act": "c"},
                          {"extract": "e"}, {"agent": "g"}]},
    {"id": "b", "after": ["a"], "steps": [{"process": "count"}]}]}


class Orchestrator:
    """One orchestrator on a directory of its own, which outlives its process."""

    def __init__(self, sidecar, provider, workflow=WORKFLOW, directory=None):
        self.sidecar, self.provider = sidecar, provider
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="oxpecker-orchestrator-"))
        (self.directory / "workflow.json").write_text(json.dumps(workflow))
        self.state = self.directory / "state"
        self.log = self.directory / "log"
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, *flags, **environment):
        variables = {"OXPECKER_EVENTS_LISTEN_UNIX": str(self.sidecar.socket), "BROWSERBASE_API_KEY": self.provider.key,
                     "BROWSERBASE_BASE_URL": self.provider.url, "STAGEHAND_BASE_URL": self.provider.url, "MODEL_API_KEY": MODEL_KEY,
                     "BROWSERBASE_PROJECT_ID": self.provider.project()["id"], **environment}
        command = [str(ORCHESTRATOR), f"--workflow={self.directory / 'workflow.json'}", f"--state-dir={self.state}",
                   "--health=off", *QUICK, *flags]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL, env=no_proxy_environment(**variables))
        return self

    def wait(self, seconds=180):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the orchestrator did not end within {seconds} s: {self.logged()[-3000:]}") from None

    def stop(self, number=signal.SIGTERM, seconds=120):
        self.process.send_signal(number)
        return self.wait(seconds)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def logged(self):
        return self.log.read_text(errors="replace")

    def record(self):
        """The newest checkpoint of the run: its payload."""
        newest = sorted((self.state / "checkpoints").glob("run.*.json"))[-1]
        return find(json.loads(newest.read_text()), "finished")


def find(value, key):
    """The value under the first such key, however deep."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        for inner in value.values():
            found = find(inner, key)
            if found is not None:
                return found
    return None


def total(metrics, pattern):
    return sum(value for name, value in metrics.items() if re.match(pattern, name))


def live(provider):
    return [s["id"] for s in provider.list() if s["status"] in ("PENDING", "RUNNING")]


def acts_by_page(provider):
    """{url: how often act was called on it}, over all sessions."""
    acts = {}
    for session in provider.list():
        pages = provider.ok("GET", f"/v1/sessions/{session['id']}/replay")["data"]["pages"]
        for page in pages:
            done = sum(1 for action in page["actions"] if action["method"] == "act")
            acts[page["url"]] = acts.get(page["url"], 0) + done
    return acts


class Case(unittest.TestCase):
    def open(self, *provider_flags, workflow=WORKFLOW, sidecar_flags=(), key=KEY):
        sidecar = self.enterContext(Sidecar(*sidecar_flags, storage=True))
        provider = self.enterContext(Provider(*(provider_flags or QUICK_PROVIDER), key=key))
        orchestrator = self.enterContext(Orchestrator(sidecar, provider, workflow))
        self.addCleanup(self.check_events, sidecar)
        return sidecar, provider, orchestrator

    def check_events(self, sidecar):
        if sidecar.process.poll() is None:
            for name in ("rejected", "lost"):
                self.assertEqual(total(sidecar.metrics(), f"oxpecker_events_{name}_total"), 0, sidecar.logged())


class Collector(http.server.BaseHTTPRequestHandler):
    """An OpenTelemetry collector as far as a client sees one: OTLP/HTTP with JSON."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append((self.path, self.headers["Content-Type"], body))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


class Run(Case):
    def test_spans_go_to_a_collector(self):
        collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
        collector.heard = []
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        self.addCleanup(collector.server_close)
        self.addCleanup(collector.shutdown)
        sidecar, _, orchestrator = self.open()
        endpoint = f"http://127.0.0.1:{collector.server_address[1]}"
        self.assertEqual(orchestrator.start("--rounds=1", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint).wait(), 0, orchestrator.logged())
        self.assertTrue(collector.heard)
        self.assertEqual({(path, kind) for path, kind, _ in collector.heard}, {("/v1/traces", "application/json")})
        spans = [span for _, _, body in collector.heard for resource in body["resourceSpans"] for scope in resource["scopeSpans"]
                 for span in scope["spans"]]
        traces = json.loads(sidecar.request("/api/oxpecker/v1/traces?limit=1000")[2])["traces"]
        self.assertGreater(len(spans), 3)
        self.assertEqual({span["traceId"] for span in spans}, {trace["trace_id"] for trace in traces}, "the sidecar knows the same ones")

    def test_a_run_finishes_and_everything_moves(self):
        sidecar, provider, orchestrator = self.open(workflow=json.loads(BUILT_IN.read_text()))
        self.assertEqual(orchestrator.start("--sessions=2", "--rounds=2").wait(), 0, orchestrator.logged())
        metrics = sidecar.metrics()
        for pattern, least in (
                (r'orchestrator_workflow_runs_total\{workflow="price-watch",status="succeeded"', 2),
                (r'orchestrator_tasks_started_total', 16), (r'orchestrator_tasks_ended_total\{.*status="succeeded"', 16),
                (r'orchestrator_sessions_started_total', 2), (r'orchestrator_sessions_ended_total\{status="completed"', 2),
                (r'orchestrator_session_create_duration_seconds_count\{outcome="ok"', 2),
                (r'orchestrator_operation_duration_seconds_count\{operation="navigate",outcome="ok"', 14),
                (r'orchestrator_operation_duration_seconds_count\{operation="agent",outcome="ok"', 2),
                (r'orchestrator_llm_tokens_total\{operation="extract",.*type="input"', 1),
                (r'orchestrator_checkpoint_writes_total\{outcome="ok"', 30), (r'orchestrator_checkpoints_removed_total', 1),
                (r'orchestrator_checkpoint_overhead_seconds_count', 30),
                (r'orchestrator_queue_events_total\{event="enqueued"', 16), (r'orchestrator_queue_wait_seconds_count', 16),
                (r'orchestrator_transactions_total\{outcome="committed"', 2),
                (r'orchestrator_stage_items_total\{stage="collection",outcome="ok"', 30),
                (r'orchestrator_stage_items_total\{stage="processing",outcome="ok"', 2),
                (r'orchestrator_stage_items_total\{stage="delivery",outcome="ok"', 2),
                (r'orchestrator_breaker_calls_total\{breaker="llm_openai",result="success"', 10),
                (r'orchestrator_process_resident_memory_bytes', 1), (r'orchestrator_sessions_limit', 1),
                (r'orchestrator_app_pages_visited_total', 14)):
            self.assertGreaterEqual(total(metrics, pattern), least, pattern)
        # An alternative that is not needed any more may be cancelled in the middle of a call: that one is no fault.
        errors = {name: value for name, value in metrics.items() if name.startswith("orchestrator_errors_total") and value}
        self.assertEqual([name for name in errors if 'code="task_cancelled"' not in name], [])
        self.assertEqual(total(metrics, "orchestrator_sessions_active"), 0)
        self.assertEqual(live(provider), [])
        self.assertEqual(list((orchestrator.state / "checkpoints").iterdir()), [], "a finished run leaves nothing behind")
        self.assertIn("lamps", json.loads((orchestrator.state / "results.json").read_text()))
        audit = (orchestrator.state / "audit.log").read_text()
        for action in ("run_workflow", "create_session", "execute_task", "release_session"):
            self.assertRegex(audit, rf"Action: {action}, Status: \w+, Workflow: price-watch")

    def test_priorities_go_first_and_an_alternative_is_cancelled(self):
        tasks = [{"id": f"{name}{n}", "priority": name, "steps": [{"navigate": f"https://x.example/{name}{n}"}]}
                 for n in range(3) for name in ("low", "normal", "high")]
        tasks += [{"id": "other", "priority": "low", "unless": ["high0"], "steps": [{"navigate": "https://x.example/other"}]},
                  {"id": "after", "after": ["other"], "steps": [{"process": "count"}]}]
        sidecar, provider, orchestrator = self.open(workflow={"workflow": "order", "tasks": tasks})
        self.assertEqual(orchestrator.start("--sessions=1").wait(), 0, orchestrator.logged())
        pages = provider.ok("GET", f"/v1/sessions/{provider.list()[0]['id']}/replay")["data"]["pages"]
        order = [re.sub(r"\d", "", p["url"].rpartition("/")[2]) for p in pages]
        self.assertEqual(order, ["high"] * 3 + ["normal"] * 3 + ["low"] * 3)
        metrics = sidecar.metrics()
        self.assertEqual(total(metrics, r'orchestrator_tasks_ended_total\{.*status="cancelled"'), 1)
        self.assertEqual(total(metrics, r'orchestrator_tasks_ended_total\{.*status="skipped"'), 1)

    def test_deadlines_end_tasks_and_sigusr1_cancels_the_run(self):
        workflow = {"workflow": "late", "tasks": [{"id": "a", "deadline_s": 2, "steps": [{"navigate": "https://x.example/"}]}]}
        sidecar, provider, orchestrator = self.open(workflow=workflow)
        provider.fault({"where": "navigate", "kind": "slow", "seconds": 6, "count": 1})
        self.assertEqual(orchestrator.start().wait(), 0)
        metrics = sidecar.metrics()
        self.assertEqual(total(metrics, r'orchestrator_tasks_ended_total\{.*status="timed_out"'), 1, orchestrator.logged())
        self.assertEqual(total(metrics, r'orchestrator_errors_total\{code="task_timeout"'), 1)
        workflow["tasks"][0]["deadline_s"] = 600
        (orchestrator.directory / "workflow.json").write_text(json.dumps(workflow))
        calls = provider.state()["calls"].get("navigate", {}).get("200", 0)
        provider.clear()
        provider.fault({"where": "navigate", "kind": "slow", "seconds": 50, "count": 1})
        orchestrator.start()
        wait_for(lambda: provider.state()["calls"].get("navigate", {}).get("200", 0) > calls, what="the slow call")
        began = time.monotonic()
        orchestrator.process.send_signal(signal.SIGUSR1)
        self.assertEqual(orchestrator.wait(), 0)
        self.assertLess(time.monotonic() - began, 25)
        metrics = sidecar.metrics()
        self.assertEqual(total(metrics, r'orchestrator_workflow_runs_total\{.*status="cancelled"'), 1)
        self.assertEqual(live(provider), [])

    def test_health_is_exact(self):
        port = free_port()
        _, _, orchestrator = self.open()
        orchestrator.start("--rounds=forever", f"--health=127.0.0.1:{port}")

        def ask(path, method="GET"):
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            try:
                request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
                with opener.open(request, timeout=60) as answer:
                    return answer.status, answer.headers["Content-Type"], answer.read()
            except urllib.error.HTTPError as error:
                return error.code, None, b""
            except (urllib.error.URLError, ConnectionError):
                return None

        self.assertEqual(wait_for(lambda: ask("/health"), what="health"), (200, "application/json", b'{"status": "healthy"}'))
        self.assertEqual(ask("/")[0], 404)
        self.assertEqual(ask("/health", "POST")[0], 405)
        self.assertEqual(orchestrator.stop(), 0)

    def test_without_a_key_only_this_machine_is_called(self):
        _, _, orchestrator = self.open()
        orchestrator.start(BROWSERBASE_API_KEY="", BROWSERBASE_BASE_URL="https://api.browserbase.com")
        self.assertEqual(orchestrator.wait(), 1)
        self.assertIn("BROWSERBASE_API_KEY", orchestrator.logged())
        for flag in ("--sessions=0", "--rounds=never", "--no-such", "--retry=nonsense=1", "--grace=soon"):
            self.assertEqual(orchestrator.start(flag).wait(), 1, flag)


RUNS = r"orchestrator_workflow_runs_total"
RETRY = r"orchestrator_retry_attempts_total"
DEFER = r"orchestrator_retry_deferred_total"
FAILED = r'orchestrator_recoveries_total\{.*outcome="failed"'
RECOVERED = r'orchestrator_recoveries_total\{.*outcome="recovered"'
CREATE = r"orchestrator_session_create_failures_total"
REPLACED = r'orchestrator_recoveries_total\{action="replace",outcome="recovered"'

# (where, kind, how often, the code that it must appear under, what else must move)
FAILURES = [
    ("create", "400", 1, "bb_bad_request", [CREATE, RECOVERED]),
    ("create", "401", 1, "bb_auth", [CREATE, FAILED]),
    ("create", "402", 1, "bb_forbidden", [CREATE, FAILED, r"orchestrator_escalations_total"]),
    ("create", "403", 1, "bb_forbidden", [CREATE, FAILED]),
    ("create", "403_plan", 1, "bb_plan", [CREATE, RETRY]),
    ("create", "404", 1, "bb_not_found", [CREATE]),
    ("create", "408", 1, "bb_create_timeout", [CREATE, RETRY]),
    ("create", "409", 1, "bb_conflict", [CREATE, RETRY]),
    ("create", "410", 1, "bb_not_found", [CREATE]),
    ("create", "422", 1, "bb_bad_request", [CREATE, RECOVERED]),
    ("create", "429_concurrency", 1, "bb_concurrency_limit", [CREATE, r'orchestrator_retry_deferred_total\{reason="concurrency"']),
    ("create", "429_rate", 1, "bb_create_rate_limit", [CREATE, r'orchestrator_retry_deferred_total\{reason="rate"']),
    ("create", "500", 1, "bb_server_error", [CREATE, RETRY]),
    ("create", "502", 1, "bb_server_error", [CREATE, RETRY]),
    ("create", "503", 1, "bb_server_error", [CREATE, RETRY]),
    ("create", "504", 1, "bb_server_error", [CREATE, RETRY]),
    ("create", "slow", 1, "bb_create_timeout", [CREATE]),
    ("create", "drop", 1, "net_reset", [CREATE, RETRY]),
    ("create", "lose", 1, "net_reset", [CREATE]),
    ("create", "cut_body", 1, "net_reset", [CREATE]),
    ("create", "bad_json", 1, "bb_bad_response", [CREATE]),
    ("create", "session_error", 1, "bb_session_error", [REPLACED]),
    ("create", "session_timed_out", 1, "bb_session_timed_out", [REPLACED]),
    ("create", "session_completed", 1, "bb_session_ended_early", [REPLACED]),
    ("start", "503", 1, "bb_server_error", [RETRY]),
    ("start", "drop", 1, "net_reset", [RETRY]),
    ("start", "bad_json", 1, "sh_parse", [RETRY]),
    ("get", "500", 1, "bb_server_error", []),
    ("release", "500", 3, "bb_release_failed", [RETRY, r"orchestrator_session_release_failures_total"]),
    ("release", "drop", 1, "bb_release_failed", [RETRY]),
    ("end", "500", 1, "bb_server_error", []),
    ("navigate", "site_down", 1, "site_down", [RETRY]),
    ("navigate", "site_blocked", 1, "site_blocked", [RETRY, r'orchestrator_tasks_ended_total\{.*status="degraded"']),
    ("navigate", "drop", 1, "net_reset", [RETRY]),
    ("navigate", "slow", 1, "net_timeout", [RETRY]),
    ("observe", "unsuccessful", 1, "sh_unsuccessful",
     [RETRY, r'orchestrator_operation_duration_seconds_count\{operation="observe",outcome="unsuccessful"']),
    ("observe", "read_timeout", 1, "sh_read_timeout", [RETRY]),
    ("extract", "read_timeout", 1, "sh_read_timeout", [RETRY]),
    ("extract", "slow", 1, "net_timeout", [RETRY]),
    ("extract", "cut_body", 1, "net_reset", [RETRY]),
    ("extract", "llm_bad_output", 1, "llm_bad_output", [RETRY]),
    ("extract", "llm_context", 1, "llm_context", [RETRY]),
    ("extract", "llm_refused", 1, "llm_refused", [r'orchestrator_tasks_ended_total\{.*status="skipped"']),
    ("extract", "llm_quota", 1, "llm_quota", [r'orchestrator_fallbacks_total\{component="model",outcome="ok"']),
    ("extract", "llm_auth", 1, "llm_auth", [FAILED]),
    ("extract", "llm_429", 1, "llm_rate_limit", [RETRY]),
    ("extract", "llm_overloaded", 4, "llm_overloaded", [RETRY, r'orchestrator_tasks_ended_total\{.*status="degraded"']),
    ("act", "unsuccessful", 1, "sh_unsuccessful", [RETRY]),
    ("act", "act_timeout", 1, "sh_act_timeout", [RETRY]),
    ("act", "element", 1, "sh_element", [RETRY]),
    ("act", "captcha", 1, "sh_captcha", [REPLACED, r'orchestrator_captchas_total\{outcome="failed"']),
    ("act", "cdp_closed", 1, "cdp_closed", [RETRY, r"orchestrator_session_disconnects_total"]),
    ("act", "session_error", 1, "bb_session_error", [REPLACED, r'orchestrator_sessions_ended_total\{status="error"']),
    ("act", "session_timed_out", 1, "bb_session_timed_out", [REPLACED, r'orchestrator_sessions_ended_total\{status="timed_out"']),
    ("act", "session_completed", 1, "bb_session_ended_early", [REPLACED]),
    ("act", "404", 1, "bb_not_found", [REPLACED]),
    ("act", "410", 1, "bb_not_found", [REPLACED]),
    ("act", "429_rate", 1, "bb_api_rate_limit", []),
    ("act", "lose", 1, "net_reset", [RETRY]),
    ("act", "cut_body", 1, "sh_stream_cut", [RETRY]),
    ("act", "bad_json", 1, "sh_parse", [RETRY]),
    ("act", "slow", 1, "sh_act_timeout", [RETRY]),
    ("agent", "unsuccessful", 1, "sh_agent_incomplete", [RETRY]),
    ("agent", "slow", 1, "sh_act_timeout", [RETRY]),
    # long enough for a breaker: it opens, calls fail fast, a probe closes it again
    ("create", "503", 6, "breaker_open", [r'orchestrator_breaker_transitions_total\{breaker="bb_create",to="open"', DEFER,
                                          r'orchestrator_breaker_transitions_total\{breaker="bb_create",to="closed"']),
    ("navigate", "500", 6, "breaker_open", [r'orchestrator_breaker_transitions_total\{breaker="sh_api",to="open"', DEFER]),
    ("act", "llm_overloaded", 6, "llm_overloaded", [r'orchestrator_breaker_transitions_total\{breaker="llm_openai",to="open"']),
]


class Failures(Case):
    def fail_once(self, sidecar, provider, orchestrator, where, kind, count, code, moves):
        """Tells the provider to fail; None, or what did not move."""
        provider.clear()
        runs = total(sidecar.metrics(), RUNS)  # what the last row broke is over: two faults in one operation are another story
        wait_for(lambda: total(sidecar.metrics(), RUNS) > runs + 1, what="two runs")
        before, logged = sidecar.metrics(), len(orchestrator.logged())
        provider.fault({"where": where, "kind": kind, "count": count, **({"seconds": 1.5} if kind == "slow" else {})})
        missing = []

        def moved():
            now = sidecar.metrics()
            missing[:] = [p for p in [rf'orchestrator_errors_total\{{code="{code}"', *moves] if total(now, p) <= total(before, p)]
            return not missing

        try:
            wait_for(moved, 30)
            return None
        except AssertionError:
            lines = [line for line in orchestrator.logged()[logged:].splitlines() if "the run has ended" not in line]
            return f"did not move: {missing}; " + "\n".join(lines[:20])

    def test_each_failure_appears_under_its_code(self):
        sidecar, provider, orchestrator = self.open()
        self.assertEqual({kind for _, kind, *_ in FAILURES}, set(provider.ok("GET", "/control/kinds")), "a row for each kind that the provider knows")
        orchestrator.start("--rounds=forever", "--sessions=1", "--keep-alive", "--may-drop-options", "--http-timeout=1",
                           "--create-timeout=1", "--breaker=failure_threshold=4", "--log-level=debug")
        succeeded = r'orchestrator_workflow_runs_total\{workflow="all-kinds",status="succeeded"'
        wait_for(lambda: total(sidecar.metrics(), succeeded) > 0, what="a first run")
        wrong = []
        for row in FAILURES:
            for _ in range(3):  # where the machine held a call up for a second, the fault met one that was given up
                reason = self.fail_once(sidecar, provider, orchestrator, *row)
                if reason is None:
                    break
            wrong += [] if reason is None else [f"{row[:3]}: {reason}"]
        self.assertEqual(wrong, [], "\n".join(wrong))
        provider.clear()
        good = total(sidecar.metrics(), succeeded)
        wait_for(lambda: total(sidecar.metrics(), succeeded) > good + 1, what="runs that work again")
        self.assertEqual(orchestrator.stop(), 0)
        self.assertEqual(live(provider), [])
        metrics = sidecar.metrics()
        self.assertEqual(total(metrics, r'orchestrator_errors_total\{code="unknown"'), 0)
        self.assertEqual(total(metrics, "orchestrator_incidents_active"), 0)
        self.assertEqual(total(metrics, "orchestrator_sessions_active"), 0)
        self.assertEqual(total(metrics, "orchestrator_tasks_active"), 0)

    def test_books_agree_with_the_provider_while_creations_fail(self):
        sidecar, provider, orchestrator = self.open(*QUICK_PROVIDER, "--latency", "0.01-0.03", workflow=json.loads(BUILT_IN.read_text()))
        provider.fault(*({"where": "create", "kind": kind, "probability": 0.1} for kind in ("429_concurrency", "503", "lose", "bad_json")))
        orchestrator.start("--rounds=forever", "--sessions=4", "--breaker=failure_threshold=100")
        wait_for(lambda: total(sidecar.metrics(), RUNS) > 20, 300, "runs")
        provider.clear()
        runs = total(sidecar.metrics(), RUNS)
        wait_for(lambda: total(sidecar.metrics(), RUNS) > runs + 1, what="runs without faults")
        self.assertLessEqual(total(sidecar.metrics(), "orchestrator_sessions_active"), 4, "no creation is waited for in vain")
        self.assertEqual(orchestrator.stop(), 0)
        metrics = sidecar.metrics()
        self.assertGreater(total(metrics, CREATE), 0)
        created = len(provider.list())
        self.assertEqual(live(provider), [], "what nobody was told of is released, too")
        self.assertEqual(total(metrics, "orchestrator_sessions_started_total"), created)
        self.assertEqual(total(metrics, "orchestrator_sessions_ended_total"), created)
        self.assertEqual(total(metrics, "orchestrator_sessions_active"), 0)


class Crash(Case):
    TASKS = 12

    def workflow(self):
        return {"workflow": "long", "tasks": [
            {"id": f"t{n}", "steps": [{"navigate": f"https://x.example/{n}"}, {"act": "click"}, {"extract": "e"}]}
            for n in range(self.TASKS)]}

    @staticmethod
    def hold(provider, done):
        """So many tasks come to their end; each session hangs in the middle of the next one, until it is killed."""
        provider.fault({"where": "extract", "kind": "slow", "seconds": 0, "count": done}, {"where": "extract", "kind": "slow", "seconds": 50})

    def test_after_kill_9_it_finishes_without_repeating_what_was_finished(self):
        sidecar, provider, orchestrator = self.open(*QUICK_PROVIDER, "--latency", "0.08-0.15", workflow=self.workflow())
        self.hold(provider, 4)
        orchestrator.start("--sessions=3")
        ended = r'orchestrator_tasks_ended_total\{workflow="long",status="succeeded"'
        wait_for(lambda: total(sidecar.metrics(), ended) >= 4, what="four tasks")
        wait_for(lambda: provider.state()["calls"]["extract"]["200"] == 7, what="three in the middle of the next")
        orchestrator.kill()
        provider.clear()
        finished = set(orchestrator.record())
        told = total(sidecar.metrics(), ended)
        self.assertGreaterEqual(len(finished), told, "what was told as finished is on disk")
        self.assertLess(len(finished), self.TASKS)
        self.assertEqual(len(live(provider)), 3)
        wait_for(lambda: sidecar.metrics()["orchestrator_sessions_orphaned"] == 3, what="orphans")
        self.assertEqual(sidecar.metrics()["orchestrator_up"], 0)
        before = acts_by_page(provider)
        self.assertEqual(orchestrator.start("--sessions=3").wait(), 0, orchestrator.logged())
        acts = acts_by_page(provider)
        for n in range(self.TASKS):
            page = f"https://x.example/{n}"
            self.assertGreaterEqual(acts.get(page, 0), 1, page)
            self.assertLessEqual(acts[page], 1 if f"t{n}" in finished or before.get(page, 0) == 0 else 2, page)
        metrics = sidecar.metrics()
        self.assertEqual(metrics["orchestrator_sessions_orphaned"], 0)
        self.assertEqual(total(metrics, "orchestrator_sessions_active"), 0)
        self.assertEqual(provider.state()["calls"]["create"]["200"], 3, "the sessions that were open were taken up")
        self.assertEqual(total(metrics, r"orchestrator_sessions_started_total"), 3)
        self.assertEqual(total(metrics, r"orchestrator_restarts_total"), 1)
        self.assertGreaterEqual(total(metrics, r'orchestrator_checkpoint_restores_total\{outcome="ok"'), 2)
        self.assertEqual(live(provider), [])
        self.assertEqual(list((orchestrator.state / "checkpoints").iterdir()), [])

    def test_a_session_that_was_half_open_is_released_at_the_next_start(self):
        sidecar, provider, orchestrator = self.open(workflow=self.workflow())
        provider.fault({"where": "create", "kind": "slow", "seconds": 50, "count": 1})
        orchestrator.start("--sessions=1", "--create-timeout=60")
        half_open = wait_for(lambda: live(provider), what="a session")
        orchestrator.kill()
        self.assertTrue(list((orchestrator.state / "checkpoints").glob("txn.*")), "its undo step is on disk")
        self.assertEqual(orchestrator.start("--sessions=1").wait(), 0)
        sessions = {s["id"]: s["status"] for s in provider.list()}
        self.assertEqual(sessions[half_open[0]], "COMPLETED")
        self.assertEqual(live(provider), [])
        self.assertEqual(total(sidecar.metrics(), r'orchestrator_transactions_total\{outcome="rolled_back"'), 1)

    def test_sessions_that_died_meanwhile_are_reported_so(self):
        sidecar, provider, orchestrator = self.open(*QUICK_PROVIDER, "--latency", "0.08-0.15", workflow=self.workflow())
        self.hold(provider, 2)
        orchestrator.start("--sessions=2")
        wait_for(lambda: total(sidecar.metrics(), "orchestrator_tasks_ended_total") >= 2, what="two tasks")
        wait_for(lambda: provider.state()["calls"]["extract"]["200"] == 4, what="two in the middle of the next")
        orchestrator.kill()
        provider.clear()
        wait_for(lambda: sidecar.metrics()["orchestrator_sessions_orphaned"] == 2, what="orphans")
        for session in live(provider):
            provider.do({"id": session}, "time_out")
        self.assertEqual(orchestrator.start("--sessions=2").wait(), 0, orchestrator.logged())
        metrics = sidecar.metrics()
        self.assertEqual(metrics["orchestrator_sessions_orphaned"], 0)
        self.assertEqual(total(metrics, r'orchestrator_sessions_ended_total\{status="timed_out"'), 2)
        self.assertEqual(total(metrics, r'orchestrator_workflow_runs_total\{workflow="long",status="succeeded"'), 1)


class Stop(Case):
    WORKFLOW = {"workflow": "slow", "tasks": [
        {"id": f"t{n}", "steps": [{"navigate": f"https://x.example/{n}"}, {"extract": "e"}]} for n in range(6)]}

    def slow_run(self, *flags, seconds=50):
        sidecar, provider, orchestrator = self.open(workflow=self.WORKFLOW)
        provider.fault({"where": "extract", "kind": "slow", "seconds": seconds})
        orchestrator.start("--sessions=3", *flags)
        wait_for(lambda: provider.state()["calls"].get("extract", {}).get("200", 0) >= 3, what="three slow calls")
        self.assertEqual(len(live(provider)), 3)
        return sidecar, provider, orchestrator

    def test_sigterm_waits_for_the_grace_and_leaves_no_session(self):
        sidecar, provider, orchestrator = self.slow_run("--grace=1")
        began = time.monotonic()
        self.assertEqual(orchestrator.stop(), 0, orchestrator.logged())
        self.assertGreater(time.monotonic() - began, 0.9)
        self.assertLess(time.monotonic() - began, 25)
        self.assertEqual(live(provider), [])
        metrics = sidecar.metrics()
        self.assertNotIn("orchestrator_up", metrics, "a planned end")
        self.assertEqual(total(metrics, "orchestrator_sessions_active") + metrics["orchestrator_sessions_orphaned"], 0)
        provider.clear()
        self.assertEqual(orchestrator.start("--sessions=3").wait(), 0)
        metrics = sidecar.metrics()
        self.assertEqual(total(metrics, r'orchestrator_tasks_ended_total\{.*status="succeeded"'), 6)
        self.assertEqual(total(metrics, r'orchestrator_workflow_runs_total\{.*status="succeeded"'), 1)

    def test_within_the_grace_running_tasks_finish(self):
        sidecar, provider, orchestrator = self.slow_run("--grace=60", seconds=2)
        self.assertEqual(orchestrator.stop(), 0)
        begun = provider.state()["calls"]["extract"]["200"]
        self.assertEqual(total(sidecar.metrics(), r'orchestrator_tasks_ended_total\{.*status="succeeded"'), begun)
        self.assertIn(begun, (3, 6), "those that ran, and no others; or, where we came late, the next three as well")
        self.assertEqual(live(provider), [])

    def test_a_second_signal_cuts_the_grace(self):
        _, provider, orchestrator = self.slow_run("--grace=60")
        began = time.monotonic()
        orchestrator.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "stopping: running tasks may finish" in orchestrator.logged(), what="the first is heard: two at once would be one")
        self.assertEqual(orchestrator.stop(), 0)
        self.assertLess(time.monotonic() - began, 25)
        self.assertEqual(live(provider), [])

    def test_release_is_tried_past_open_breakers(self):
        sidecar, provider, orchestrator = self.open()
        orchestrator.start("--rounds=forever", "--sessions=2", "--breaker=failure_threshold=1", "--breaker=open_s=600")
        wait_for(lambda: total(sidecar.metrics(), "orchestrator_workflow_runs_total") > 0, what="a run")
        provider.fault({"where": "extract", "kind": "500", "count": 1}, {"where": "release", "kind": "503", "count": 3})
        wait_for(lambda: sidecar.metrics().get('orchestrator_breaker_state{breaker="sh_api",state="open"}') == 1, what="an open breaker")
        self.assertEqual(orchestrator.stop(), 0)
        metrics = sidecar.metrics()
        self.assertEqual(provider.state()["calls"]["release"].get("503"), 3)
        self.assertEqual(total(metrics, r'orchestrator_breaker_transitions_total\{breaker="bb_release",to="open"'), 1,
                         "it opened, and stopped nothing")
        self.assertEqual(live(provider), [])


class Secrets(Case):
    PATHS = ("sessions", "tasks", "breakers", "incidents", "traces", "logs", "notifications")

    def test_keys_and_connect_urls_appear_nowhere(self):
        sidecar, provider, orchestrator = self.open()
        provider.fault({"where": "create", "kind": "401", "count": 1}, {"where": "act", "kind": "cdp_closed", "count": 1},
                       {"where": "extract", "kind": "llm_auth", "count": 1})
        orchestrator.start("--rounds=forever", f"--log-json={orchestrator.directory / 'json'}", "--log-level=debug")
        wait_for(lambda: total(sidecar.metrics(), "orchestrator_workflow_runs_total") > 4, what="runs")
        provider.fault({"where": "agent", "kind": "slow", "seconds": 50, "count": 2})
        session = wait_for(lambda: live(provider), what="a session")[0]
        signing = provider.ok("GET", f"/v1/sessions/{session}").get("signingKey")
        orchestrator.kill()  # with everything on disk that a crash leaves
        seen = {str(path): content for root in (orchestrator.directory, sidecar.directory) for path, content in contents(root).items()}
        self.assertTrue(any("checkpoints" in path for path in seen))
        for path in self.PATHS:
            seen[path] = sidecar.request(f"/api/oxpecker/v1/{path}")[2]
        seen["metrics"] = sidecar.request("/metrics")[2]
        for name, content in seen.items():
            for secret in (KEY, MODEL_KEY, signing):
                if secret:
                    self.assertNotIn(secret.encode(), content, name)
        self.assertTrue(any(b"bb_auth" in content for content in seen.values()), "something was looked at")


if __name__ == "__main__":
    unittest.main()
