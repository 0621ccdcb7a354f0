"""The rules a person reads in docs/: each test is named for the rule that it holds the running sidecar to."""
import contextlib
import gzip
import json
import os
import pathlib
import re
import resource
import socket
import subprocess
import tempfile
import time
import unittest

from harness import OXPECKER, Sidecar, free_port, no_proxy_environment, run, wait_for

RUNNING = 'orchestrator_sessions_active{state="running"}'
PENDING = 'orchestrator_sessions_active{state="pending"}'
ORPHANED = "orchestrator_sessions_orphaned"
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}
EVENTS = "/api/oxpecker/v1/events"
HEARTBEAT = b'{"type":"orchestrator.heartbeat"}'
BOOT = "00000000000000aa"
QUICK = ("--orchestrator.reconnect-grace=1s", "--orchestrator.liveness=1h", "--shutdown.grace=0s")


def event(type_, **fields):
    return {"type": type_, **fields}


def say(connection, *events):
    connection.sendall(b"".join(json.dumps(e).encode() + b"\n" for e in events))


def announce(sidecar, *events, boot=BOOT, **fields):
    """A connection that has announced itself and said the events, all of them applied."""
    connection = sidecar.connect()
    received = 'oxpecker_events_received_total{transport="unix"}'
    before = sidecar.metrics()[received]
    say(connection, event("orchestrator.started", boot=boot, **fields), *events)
    wait_for(lambda: sidecar.metrics()[received] >= before + 1 + len(events), what="the events")
    return connection


def changed(before, after, prefix="orchestrator_"):
    """What grew or fell between two scrapes, without ages, times and buckets."""
    noise = ("_age_seconds", "_timestamp_seconds", "_sum", "_bucket")
    return {k: v - before.get(k, 0) for k, v in after.items()
            if k.startswith(prefix) and v != before.get(k, 0) and not any(n in k for n in noise)}


class OneSidecar(unittest.TestCase):
    """Tests that share one sidecar and look at differences."""
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.sidecar = Sidecar("--shutdown.grace=0s", *cls.flags).start()

    @classmethod
    def tearDownClass(cls):
        cls.sidecar.__exit__()

    def moved(self, *events):
        before = self.sidecar.metrics()
        self.sidecar.write(*events)
        return changed(before, self.sidecar.metrics())


class Sessions(OneSidecar):
    def test_a_creation_is_pending_until_started_or_failed(self):
        self.assertEqual(self.moved(event("session.creating", ref="r1")), {PENDING: 1})
        self.assertEqual(self.moved(event("session.creating", ref="r1")), {})
        self.assertEqual(self.moved(event("session.started", session="pend-1", ref="r1", region="us-west-2")), {
            PENDING: -1, RUNNING: 1, 'orchestrator_sessions_started_total{region="us-west-2"}': 1,
            'orchestrator_session_create_duration_seconds_count{outcome="ok"}': 1})
        self.sidecar.write(event("session.creating", ref="r2"))
        moved = self.moved(event("error", op="session.create", ref="r2", upstream="browserbase", status=429,
                                 message="max concurrent sessions exceeded (limit 25, currently 25)"))
        self.assertEqual(moved.pop("orchestrator_sessions_limit"), 25)
        self.assertEqual(moved, {
            PENDING: -1, 'orchestrator_session_create_failures_total{code="bb_concurrency_limit"}': 1,
            'orchestrator_session_create_duration_seconds_count{outcome="error"}': 1,
            'orchestrator_errors_total{code="bb_concurrency_limit",category="browserbase",class="transient",severity="medium"}': 1})

    def test_regions_and_statuses_outside_the_lists(self):
        self.assertEqual(self.moved(event("session.started", session="mars", region="mars-1")),
                         {RUNNING: 1, 'orchestrator_sessions_started_total{region="other"}': 1})
        self.assertEqual(self.moved(event("session.ended", session="mars", status="Vanished", duration_s=100)), {
            RUNNING: -1, 'orchestrator_sessions_ended_total{status="unknown"}': 1,
            "orchestrator_session_billed_seconds_total": 100,
            'orchestrator_session_duration_seconds_count{status="unknown"}': 1})

    def test_an_end_whose_start_is_unknown_only_counts(self):
        self.assertEqual(self.moved(event("session.ended", session="stranger", status="TIMED_OUT")),
                         {'orchestrator_sessions_ended_total{status="timed_out"}': 1})
        self.assertEqual(self.moved(event("session.started", session="stranger")), {}, "it has ended already")

    def test_releasing_and_the_minute_that_is_billed_at_least(self):
        self.sidecar.write(event("session.started", session="rel"))
        self.assertEqual(self.moved(event("session.releasing", session="rel")),
                         {RUNNING: -1, 'orchestrator_sessions_active{state="releasing"}': 1})
        self.assertEqual(self.moved(event("session.ended", session="rel", status="completed", proxy_bytes=12)), {
            'orchestrator_sessions_active{state="releasing"}': -1, 'orchestrator_sessions_ended_total{status="completed"}': 1,
            'orchestrator_session_duration_seconds_count{status="completed"}': 1,
            "orchestrator_session_billed_seconds_total": 60, "orchestrator_session_proxy_bytes_total": 12})

    def test_disconnects_and_reconnects(self):
        reason = 'orchestrator_session_disconnects_total{reason="%s"}'
        for fields, wanted in (({"reason": "idle"}, "idle"), ({"reason": "gremlins"}, "unknown"), ({"ws_code": 1006}, "network")):
            self.assertEqual(self.moved(event("session.disconnected", session="pend-1", **fields)), {reason % wanted: 1})
        self.assertEqual(self.moved(event("session.connected", session="pend-1")), {})
        self.assertEqual(self.moved(event("session.connected", session="pend-1", reconnect=True)),
                         {'orchestrator_session_reconnects_total{outcome="ok"}': 1})


class TasksAndQueue(OneSidecar):
    def test_from_the_queue_to_the_end(self):
        queue = 'orchestrator_queue_events_total{event="%s"}'
        self.assertEqual(self.moved(event("task.queued", task="a", priority="high", workflow="w")),
                         {queue % "enqueued": 1, 'orchestrator_queue_length{priority="high"}': 1})
        started = {queue % "started": 1, 'orchestrator_queue_length{priority="high"}': -1,
                   'orchestrator_queue_wait_seconds_count{priority="high"}': 1, 'orchestrator_tasks_active{workflow="w"}': 1}
        self.assertEqual(self.moved(event("task.started", task="a")), {**started, 'orchestrator_tasks_started_total{workflow="w"}': 1})
        self.assertEqual(self.moved(event("task.queued", task="a")), {
            queue % "requeued": 1, 'orchestrator_queue_length{priority="high"}': 1, 'orchestrator_tasks_active{workflow="w"}': -1})
        self.assertEqual(self.moved(event("task.started", task="a", attempt=2)), started, "counted as started once")
        self.assertEqual(self.moved(event("task.ended", task="a", status="SUCCEEDED")), {
            'orchestrator_tasks_active{workflow="w"}': -1, 'orchestrator_tasks_ended_total{workflow="w",status="succeeded"}': 1,
            'orchestrator_task_duration_seconds_count{workflow="w"}': 1})
        self.assertEqual(self.moved(event("task.ended", task="a", status="failed")), {}, "a second end is ignored")

    def test_a_queued_task_that_ends_was_cancelled_or_rejected(self):
        for status, what in (("cancelled", "cancelled"), ("failed", "rejected")):
            self.sidecar.write(event("task.queued", task=what))
            self.assertEqual(self.moved(event("task.ended", task=what, status=status))[
                f'orchestrator_queue_events_total{{event="{what}"}}'], 1)

    def test_a_snapshot_overrides_what_was_counted(self):
        began = time.monotonic()
        self.sidecar.write(event("task.queued", task="counted", priority="low"),
                           event("queue", low={"length": 4, "oldest_s": 50}, normal={"length": 0}))
        metrics = self.sidecar.metrics()
        self.assertEqual(metrics['orchestrator_queue_length{priority="low"}'], 4)
        age = metrics['orchestrator_queue_oldest_age_seconds{priority="low"}']
        self.assertTrue(50 <= age <= 51 + time.monotonic() - began, age)
        time.sleep(0.05)
        self.assertGreater(self.sidecar.metrics()['orchestrator_queue_oldest_age_seconds{priority="low"}'],
                           metrics['orchestrator_queue_oldest_age_seconds{priority="low"}'], "ages are of the scrape's time")
        self.assertEqual(self.moved(event("task.started", task="counted"))['orchestrator_queue_length{priority="low"}'], -1)

    def test_the_first_sight_of_a_workflow_shows_all_its_series(self):
        self.sidecar.write(event("workflow.started", workflow="seen"))
        metrics = self.sidecar.metrics()
        for status in ("succeeded", "partial", "failed", "cancelled", "timed_out"):
            self.assertEqual(metrics[f'orchestrator_workflow_runs_total{{workflow="seen",status="{status}"}}'], 0)
        for status in ("succeeded", "degraded", "failed", "timed_out", "cancelled", "skipped"):
            self.assertEqual(metrics[f'orchestrator_tasks_ended_total{{workflow="seen",status="{status}"}}'], 0)
        self.assertEqual(self.moved(event("workflow.ended", workflow="seen", status="partial")), {
            'orchestrator_workflow_runs_total{workflow="seen",status="partial"}': 1,
            'orchestrator_workflow_duration_seconds_count{workflow="seen"}': 1})


class Resilience(OneSidecar):
    def test_a_breaker_is_a_state_set(self):
        state = 'orchestrator_breaker_state{breaker="b",state="%s"}'
        for to, extra in (("open", {"failures": 5}), ("half_open", {}), ("CLOSED", {"cause": "manual"})):
            self.sidecar.write(event("breaker", name="b", to=to, **extra))
            metrics = self.sidecar.metrics()
            self.assertEqual({s: metrics[state % s] for s in ("closed", "open", "half_open")},
                             {s: float(s == to.lower()) for s in ("closed", "open", "half_open")})
            self.assertEqual(metrics[f'orchestrator_breaker_transitions_total{{breaker="b",to="{to.lower()}"}}'], 1)
            self.assertEqual(metrics['orchestrator_breaker_consecutive_failures{breaker="b"}'], 0 if to == "CLOSED" else 5)
        self.assertEqual(metrics['orchestrator_breaker_manual_resets_total{breaker="b"}'], 1)
        self.assertGreater(metrics['orchestrator_breaker_open_seconds_total{breaker="b"}'], 0)

    def test_retries(self):
        self.assertEqual(self.moved(event("retry", op="act", task="t", upstream="llm", attempt=2, delay_s=60, code="llm_rate_limit")), {
            'orchestrator_retry_attempts_total{upstream="llm",category="api_call"}': 1,
            'orchestrator_retry_delay_seconds_count{upstream="llm"}': 1, "orchestrator_retry_backoffs_active": 1})
        self.assertEqual(self.moved(event("retry", op="act", task="t", upstream="llm", outcome="recovered", attempts=2)), {
            'orchestrator_retry_operations_total{upstream="llm",outcome="recovered"}': 1, "orchestrator_retry_backoffs_active": -1})
        self.assertEqual(self.moved(event("retry", op="act", upstream="llm", outcome="recovered", attempts=1)), {},
                         "what needed no retry is not an operation that did")
        self.assertEqual(self.moved(event("retry", op="act", upstream="nobody", reason="breaker")),
                         {'orchestrator_retry_deferred_total{reason="breaker"}': 1})

    def test_operations(self):
        duration = 'orchestrator_operation_duration_seconds_count{operation="%s",outcome="%s"}'
        self.assertEqual(self.moved(event("operation", op="observe", ok=True, outcome="unsuccessful", duration_s=1)),
                         {duration % ("observe", "unsuccessful"): 1})
        self.assertEqual(self.moved(event("operation", op="weird", ok=False, duration_s=1)), {duration % ("other", "error"): 1})
        self.sidecar.write(event("operation", op="act", ok=True, duration_s=1, model="m", tokens={"input": 1}))
        self.assertEqual(self.moved(event("operation", op="act", ok=True, duration_s=1, model="m", tokens={"input": 5, "cached_input": 2},
                                          inference_s=0.5, cache="HIT")), {
            duration % ("act", "ok"): 1, 'orchestrator_llm_inference_seconds_total{operation="act"}': 0.5,
            'orchestrator_cache_requests_total{operation="act",result="hit"}': 1,
            'orchestrator_llm_tokens_total{operation="act",model="m",type="input"}': 5,
            'orchestrator_llm_tokens_total{operation="act",model="m",type="cached_input"}': 2})

    def test_errors_are_classified_by_status_errno_and_name(self):
        rows = [
            ("bb_create_rate_limit", {"upstream": "browserbase", "op": "session.create", "status": 429}),
            ("bb_api_rate_limit", {"upstream": "browserbase", "op": "session.get", "status": 429}),
            ("bb_auth", {"upstream": "browserbase", "status": 401}), ("bb_forbidden", {"upstream": "browserbase", "status": 403}),
            ("bb_not_found", {"upstream": "browserbase", "status": 410}), ("bb_server_error", {"upstream": "browserbase", "status": 503}),
            ("bb_create_timeout", {"upstream": "browserbase", "op": "session.create", "name": "APITimeoutError"}),
            ("net_timeout", {"name": "APITimeoutError"}), ("llm_timeout", {"upstream": "llm", "name": "APITimeoutError"}),
            ("llm_overloaded", {"upstream": "llm", "status": 529}),
            ("llm_quota", {"upstream": "llm", "status": 429, "name": "insufficient_quota"}),
            ("site_blocked", {"upstream": "site", "status": 403}), ("site_down", {"upstream": "site", "status": 500}),
            ("net_proxy", {"status": 407}), ("api_rate_limit", {"status": 429}), ("cdp_closed", {"ws_code": 1006}),
            ("cdp_closed", {"name": "cdpconnectionclosedERROR"}), ("net_refused", {"errno": "ECONNREFUSED"}),
            ("net_refused", {"errno": 111}), ("sys_disk_full", {"errno": "ENOSPC"}), ("sys_oom", {"errno": "ENOMEM"}),
            ("net_dns_name", {"errno": "ENOTFOUND"}), ("logic_error", {"name": "KeyError"}),
            ("sh_element", {"name": "XPathResolutionError"}), ("unknown", {"name": "Nonsense"}), ("unknown", {"status": 200}),
        ]
        for code, fields in rows:
            with self.subTest(fields):
                moved = [k for k in self.moved(event("error", **fields)) if k.startswith("orchestrator_errors_total{")]
                self.assertEqual([k.split('"')[1] for k in moved], [code])

    def test_what_an_error_says_beside_its_code(self):
        now = time.time()
        self.assertEqual(self.moved(event("error", category="system", ts=now, occurred_at=now - 4, cleanup=True)), {
            'orchestrator_errors_total{code="unknown",category="system",class="unknown",severity="medium"}': 1,
            'orchestrator_error_detection_seconds_count{source="client"}': 1,
            'orchestrator_errors_suppressed_total{reason="cleanup"}': 1})

    def test_every_fatal_code_is_there_at_0_before_it_happens(self):
        with Sidecar() as sidecar:
            fatal = {k: v for k, v in sidecar.metrics().items() if k.startswith("orchestrator_errors_total{") and 'class="fatal"' in k}
        self.assertGreaterEqual(len(fatal), 15)
        self.assertEqual(set(fatal.values()), {0})


class Overflow(unittest.TestCase):
    def test_other_shows_the_worst_breaker_and_the_sum_of_counters(self):
        with Sidecar() as sidecar:
            sidecar.write(*[event("breaker", name=f"b{i}", to="closed") for i in range(15)],
                          event("breaker", name="b15", to="open", failures=3),
                          event("breaker", name="b16", to="half_open", failures=9),
                          *[event("breaker.calls", name=f"b{i}", rejected=1) for i in (15, 16)])
            metrics = sidecar.metrics()
            self.assertEqual(metrics['orchestrator_breaker_state{breaker="other",state="open"}'], 1)
            self.assertEqual(metrics['orchestrator_breaker_state{breaker="other",state="half_open"}'], 0)
            self.assertEqual(metrics['orchestrator_breaker_consecutive_failures{breaker="other"}'], 9)
            self.assertEqual(metrics['orchestrator_breaker_calls_total{breaker="other",result="rejected"}'], 2)
            self.assertEqual(len([k for k in metrics if k.startswith("orchestrator_breaker_consecutive_failures{")]), 16)
            sidecar.write(event("breaker", name="b15", to="closed"))
            self.assertEqual(sidecar.metrics()['orchestrator_breaker_state{breaker="other",state="half_open"}'], 1)


class Writers(unittest.TestCase):
    def test_a_silent_writer_is_down_and_a_word_brings_it_up(self):
        with Sidecar("--orchestrator.liveness=1s", "--orchestrator.stall-limit=1s", *QUICK[2:]) as sidecar:
            connection = announce(sidecar, event("task.started", task="t", workflow="w"))

            def speaks(type_, **fields):  # again and again: the silence between a word and our look may be a long one
                say(connection, event(type_, **fields))
                metrics = sidecar.metrics()
                return metrics["orchestrator_up"] == 1 and metrics

            wait_for(lambda: speaks("orchestrator.heartbeat", boot=BOOT), what="up by its words")
            wait_for(lambda: sidecar.metrics()["orchestrator_up"] == 0, what="down by silence")
            wait_for(lambda: sidecar.metrics()["orchestrator_tasks_stalled"] == 1, what="the stall")
            self.assertEqual(sidecar.metrics()['orchestrator_tasks_active{workflow="w"}'], 1, "silence is not loss")
            wait_for(lambda: (speaks("task.progress", task="t", pct=10) or {}).get("orchestrator_tasks_stalled") == 0, what="up, and going on")
            connection.close()

    def test_a_new_boot_takes_the_old_one_s_place(self):
        with Sidecar(*QUICK) as sidecar:
            old = announce(sidecar, event("session.started", session="a"), event("session.creating", ref="r"),
                           event("task.started", task="t", workflow="w"), event("task.queued", task="q"),
                           event("workflow.started", workflow="w"), event("breaker", name="b", to="open"),
                           event("retry", op="o", upstream="llm", attempt=2, delay_s=60), version="1")
            new = announce(sidecar, boot="00000000000000bb", version="2")
            metrics = sidecar.metrics()
            self.assertEqual(metrics[RUNNING], 1, "the old connection is still there")
            self.assertEqual(metrics["orchestrator_restarts_total"], 1)
            self.assertEqual([k for k in metrics if k.startswith("orchestrator_info")],
                             ['orchestrator_info{version="2",environment="unknown",sdk="unknown"}'], "replaced, not added")
            old.close()
            wait_for(lambda: sidecar.metrics()[ORPHANED] == 1, what="the orphan")
            metrics = sidecar.metrics()
            for name, value in {RUNNING: 0, PENDING: 0, 'orchestrator_tasks_active{workflow="w"}': 0,
                                'orchestrator_tasks_ended_total{workflow="w",status="failed"}': 1,
                                'orchestrator_workflow_runs_total{workflow="w",status="failed"}': 1,
                                'orchestrator_queue_length{priority="normal"}': 0, "orchestrator_retry_backoffs_active": 0,
                                "orchestrator_up": 1}.items():
                self.assertEqual(metrics[name], value, name)
            self.assertNotIn('orchestrator_breaker_state{breaker="b",state="open"}', metrics, "nobody knows its state")
            say(new, event("session.started", session="a", resumed=True))
            wait_for(lambda: sidecar.metrics()[ORPHANED] == 0, what="adoption")
            metrics = sidecar.metrics()
            self.assertEqual(metrics[RUNNING], 1)
            self.assertEqual(metrics['orchestrator_sessions_started_total{region="other"}'], 1)
            self.assertEqual(sidecar.json("/api/oxpecker/v1/sessions?id=a")["sessions"][0]["boot"], "00000000000000bb")
            new.close()

    def test_events_without_a_boot_do_not_move_up(self):
        with Sidecar() as sidecar:
            sidecar.write(event("orchestrator.heartbeat"), event("session.started", session="a"))
            self.assertNotIn("orchestrator_up", sidecar.metrics())
            sidecar.write(event("orchestrator.heartbeat", boot=BOOT))
            self.assertEqual(sidecar.metrics()["orchestrator_up"], 1)

    def test_an_expected_orchestrator_that_never_comes_is_down(self):
        with Sidecar("--orchestrator.start-grace=1h") as sidecar:
            self.assertNotIn("orchestrator_up", sidecar.metrics())
        with Sidecar("--orchestrator.start-grace=1s") as sidecar:
            wait_for(lambda: sidecar.metrics().get("orchestrator_up") == 0, what="down")

    def test_stopping_removes_up_and_what_is_left_is_orphaned_without_grace(self):
        with Sidecar("--orchestrator.reconnect-grace=10m") as sidecar:
            connection = announce(sidecar, event("session.started", session="a"), event("orchestrator.stopping"))
            self.assertNotIn("orchestrator_up", sidecar.metrics())
            self.assertEqual(sidecar.metrics()[RUNNING], 1, "while it is connected")
            connection.close()
            wait_for(lambda: sidecar.metrics()[ORPHANED] == 1, what="the orphan")
            self.assertNotIn("orchestrator_up", sidecar.metrics())

    def test_orphans_end_with_their_time(self):
        with Sidecar("--orchestrator.idle-limit=1s", *QUICK) as sidecar:
            now = time.time()
            connection = announce(sidecar, event("session.started", session="short", timeout_s=200, ts=now - 300),
                                  event("session.started", session="kept", keep_alive=True, ts=now - 300),
                                  event("session.started", session="dropped", keep_alive=False, ts=now - 300),
                                  event("session.disconnected", session="dropped", ts=now - 100))
            self.assertEqual(sidecar.metrics()[RUNNING], 3)
            sidecar.write(event("session.started", session="unowned"))
            connection.close()
            ended = 'orchestrator_sessions_ended_total{status="unknown"}'
            wait_for(lambda: sidecar.metrics()[ended] == 2 and sidecar.metrics()[ORPHANED] == 2, what="the ends")
            metrics = sidecar.metrics()
            self.assertAlmostEqual(metrics['orchestrator_session_duration_seconds_sum{status="unknown"}'], 200 + 260, delta=1)
            self.assertEqual(metrics[RUNNING], 0)
            self.assertGreater(metrics["orchestrator_session_oldest_age_seconds"], 299, "orphans are open")
            sidecar.write(event("session.ended", session="short", status="COMPLETED"))
            self.assertEqual(sidecar.metrics()['orchestrator_sessions_ended_total{status="completed"}'], 0, "it was counted")
            sidecar.write(event("operation", op="act", ok=True, duration_s=1, session="unowned"))
            self.assertEqual(sidecar.metrics()[ORPHANED], 2)

            def taken_back():  # until it was idle for a second again
                sidecar.write(event("session.connected", session="unowned"))
                return sidecar.metrics()[ORPHANED] == 1

            wait_for(taken_back, what="a session event takes back what nobody owned")

    def test_seq_gaps_and_repeats(self):
        attempts = 'orchestrator_retry_attempts_total{upstream="llm",category="unknown"}'
        with Sidecar() as sidecar:
            retry = event("retry", op="a", upstream="llm", attempt=2)
            connection = announce(sidecar, {**retry, "seq": 2}, {**retry, "seq": 2}, {**retry, "seq": 5}, seq=1)
            self.assertEqual(sidecar.metrics()[attempts], 2, "a repeat counts once")
            self.assertEqual(sidecar.metrics()["oxpecker_events_lost_total"], 2)
            connection.close()
            announce(sidecar, {**retry, "seq": 9}, seq=8).close()
            self.assertEqual(sidecar.metrics()["oxpecker_events_lost_total"], 4, "counted on across a reconnect")


class Restart(unittest.TestCase):
    def test_kill_9_keeps_what_is_open_and_its_owner_may_return(self):
        with Sidecar("--orchestrator.reconnect-grace=10m", *QUICK[1:], storage=True) as sidecar:
            connection = announce(
                sidecar, event("session.started", session="a", region="us-east-1"), event("session.creating", ref="r"),
                event("session.started", session="gone"), event("session.ended", session="gone", status="ERROR"),
                event("task.started", task="t", workflow="w"), event("task.queued", task="q", priority="high"),
                event("breaker", name="b", to="open", failures=4), event("queue", high={"length": 4, "oldest_s": 30}), version="1")
            kept = [RUNNING, PENDING, ORPHANED, "orchestrator_up", 'orchestrator_tasks_active{workflow="w"}',
                    'orchestrator_queue_length{priority="high"}', 'orchestrator_breaker_state{breaker="b",state="open"}',
                    'orchestrator_breaker_consecutive_failures{breaker="b"}', "orchestrator_start_time_seconds",
                    'orchestrator_info{version="1",environment="unknown",sdk="unknown"}']
            before = sidecar.metrics()
            sidecar.kill()
            connection.close()
            sidecar.start()
            after = sidecar.metrics()
            self.assertEqual({k: after.get(k) for k in kept}, {k: before[k] for k in kept})
            self.assertGreater(after['orchestrator_queue_oldest_age_seconds{priority="high"}'], 30)
            self.assertEqual(after['orchestrator_sessions_started_total{region="us-east-1"}'], 0, "counters began anew")
            sidecar.write(event("session.ended", session="gone", status="ERROR"))
            self.assertEqual(sidecar.metrics()['orchestrator_sessions_ended_total{status="error"}'], 0, "its end is remembered")
            connection = announce(sidecar, event("session.started", session="a", region="us-east-1", resumed=True),
                                  event("task.started", task="t", workflow="w", resumed=True))
            after = sidecar.metrics()
            self.assertEqual(after['orchestrator_sessions_started_total{region="us-east-1"}'], 0, "the id was known")
            self.assertEqual(after['orchestrator_tasks_started_total{workflow="w"}'], 0)
            connection.close()
            sidecar.kill()
            sidecar.flags[:2] = QUICK[0], "--orchestrator.liveness=3s"
            sidecar.start()
            wait_for(lambda: sidecar.metrics()[ORPHANED] == 1, what="orphaned, since its owner did not return")
            self.assertEqual(sidecar.metrics()["orchestrator_up"], 0)

    def test_created_times_after_a_clean_stop_and_after_a_crash(self):
        def created(sidecar):
            text = sidecar.request(headers=OPENMETRICS)[2].decode()
            return float(re.search(r'^orchestrator_sessions_started_created{region="us-east-1"} (\S+)$', text, re.M)[1])

        with Sidecar("--web.openmetrics-created", storage=True) as sidecar:
            first = created(sidecar)
            self.assertNotIn("_created", sidecar.request()[2].decode())
            sidecar.stop()
            sidecar.start()
            self.assertEqual(created(sidecar), first)
            self.assertFalse((sidecar.directory / "storage/metrics.saved").exists(), "it cannot be restored twice")
            sidecar.kill()
            sidecar.start()
            self.assertGreater(created(sidecar), first)

    def test_a_full_disk_costs_persistence_only_and_is_cured(self):
        def limit_size():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

        class Limited(Sidecar):
            def start(self):
                popen = subprocess.Popen
                subprocess.Popen = lambda *a, **k: popen(*a, preexec_fn=limit_size, **k)
                try:
                    return super().start()
                finally:
                    subprocess.Popen = popen

        with Limited(storage=True) as sidecar:
            sidecar.write(*[event("session.started", session=f"many-{i}") for i in range(200)])
            self.assertEqual(sidecar.metrics()[RUNNING], 200)
            wait_for(lambda: sidecar.metrics()["oxpecker_storage_persistent"] == 0, what="the gauge says so")
            self.assertIn("journal cannot be written", sidecar.logged())
            self.assertEqual(sidecar.request("/-/ready")[0], 200)
            sidecar.write(*[event("session.ended", session=f"many-{i}", status="ERROR") for i in range(199)])
            resource.prlimit(sidecar.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            wait_for(lambda: sidecar.metrics()["oxpecker_storage_persistent"] == 1, what="written again")
            sidecar.kill()
            Sidecar.start(sidecar)
            self.assertEqual([s["id"] for s in sidecar.json("/api/oxpecker/v1/sessions")["sessions"]], ["many-199"])

    def test_one_sidecar_at_a_time(self):
        with Sidecar(storage=True) as sidecar:
            for flags in ((f"--storage.path={sidecar.directory / 'storage'}", "--events.listen-unix="),
                          (f"--events.listen-unix={sidecar.directory}/./events.sock",)):
                with self.subTest(flags):
                    status, _, stderr = run(OXPECKER, "--web.listen-address=127.0.0.1:0", *flags)
                    self.assertEqual(status, 1)
                    self.assertIn("another process", stderr)
            for path in (sidecar.directory / "storage").iterdir():
                with contextlib.suppress(FileNotFoundError):  # it was renamed since it was listed
                    self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)
            self.assertEqual((sidecar.directory / "storage/ledger.journal").stat().st_mode & 0o777, 0o600)
            self.assertEqual(sidecar.socket.stat().st_mode & 0o777, 0o660)


class Exposition(unittest.TestCase):
    def test_exemplars_that_are_too_long_drop_the_session_first(self):
        trace, text = "4bf92f3577b34da6a3ce929d0e0e4736", "ja\"h\\r €"
        with Sidecar() as sidecar:
            sidecar.write(event("session.started", session="5f0c1c9e-1111-2222-3333-444444444444", region="us-east-1", trace_id=trace),
                          event("session.started", session="s" * 128, region="us-west-2", trace_id="f" * 32),
                          event("session.started", session="q" * 128, region="eu-central-1"),
                          event("task.started", task="t", workflow=text))
            body = sidecar.request(headers=OPENMETRICS)[2].decode()
            found = dict(re.findall(r'^orchestrator_sessions_started_total{region="([^"]+)"} 1 # {([^}]*)} 1 \d', body, re.M))
            self.assertEqual(found, {"us-east-1": f'trace_id="{trace}",session_id="5f0c1c9e-1111-2222-3333-444444444444"',
                                     "us-west-2": f'trace_id="{"f" * 32}"'})
            self.assertIn('orchestrator_tasks_started_total{workflow="ja\\"h\\\\r €"} 1\n', body)
            self.assertNotIn(" # {", sidecar.request()[2].decode())

    def test_bucket_bounds_hold_the_targets(self):
        with Sidecar() as sidecar:
            sidecar.write(event("checkpoint", op="saved", ok=True, overhead_s=0.1))
            metrics = sidecar.metrics()
        bounds = re.compile(r'^(orchestrator_\w+)_bucket{(?:[^}]*,)?le="([^"]+)"}$')
        seen = {}
        for name in metrics:
            if match := bounds.match(name):
                seen.setdefault(match[1], set()).add(float(match[2]))
        inf = float("inf")
        for name, wanted in {
            "orchestrator_session_duration_seconds": (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600),
            "orchestrator_session_create_duration_seconds": (0.25, 0.5, 1, 2, 5, 10, 15, 30, 60),
            "orchestrator_operation_duration_seconds": (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300),
            "orchestrator_retry_delay_seconds": (0.5, 1, 2, 4, 8, 16, 32, 60),
            "orchestrator_checkpoint_overhead_seconds": (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
            "orchestrator_error_detection_seconds": (0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60),
            "orchestrator_queue_wait_seconds": (0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800),
            "orchestrator_captcha_duration_seconds": (1, 5, 10, 20, 30, 60, 90),
        }.items():
            self.assertEqual(seen[name], {*wanted, inf}, name)
        self.assertEqual(metrics['orchestrator_checkpoint_overhead_seconds_bucket{le="0.1"}'], 1, "a bound is in its bucket")
        self.assertEqual(metrics['orchestrator_checkpoint_overhead_seconds_bucket{le="0.05"}'], 0)

    def test_quality_values(self):
        text, openmetrics = "text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"
        rows = [
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.6", text),
            ("text/plain;q=0,application/openmetrics-text;q=0.1", openmetrics),
            ('application/openmetrics-text ; version="1.0.0" ; q=0.8', openmetrics),
            ("APPLICATION/OPENMETRICS-TEXT", openmetrics), ("application/openmetrics-text;version=2.0.0", text),
            ("application/openmetrics-text;version=0.0.1", text), ("application/json", text), ("", text),
            ("text/plain;version=0.0.4;q=0.5,text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.7", openmetrics),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
             "application/openmetrics-text;version=1.0.0;q=0.5", openmetrics),
        ]
        with Sidecar() as sidecar:
            for accept, wanted in rows:
                with self.subTest(accept):
                    self.assertEqual(sidecar.request(headers={"Accept": accept})[1]["content-type"], wanted + "; charset=utf-8")
            for accept, wanted in (("*", "gzip"), ("deflate, gzip;q=0.5", "gzip"), ("br", None), ("*;q=0", None), ("identity", None)):
                with self.subTest(accept):
                    self.assertEqual(sidecar.request(headers={"Accept-Encoding": accept})[1].get("content-encoding"), wanted)


class Http(OneSidecar):
    flags = ("--web.max-connections=8",)

    def raw(self, head, body=b""):
        """The first line of the answer to a request given as bytes."""
        with socket.create_connection(("127.0.0.1", self.sidecar.port), 60) as s:
            s.sendall(head.replace(b"\n", b"\r\n") + b"\r\n" + body)
            return s.recv(65536).split(b"\r\n")[0].decode()

    def test_framing_that_a_proxy_may_read_otherwise_is_refused(self):
        post = b"POST /api/oxpecker/v1/events HTTP/1.1\nHost: localhost\n"
        rows = [
            (400, b"GET /metrics HTTP/1.1\n"), (400, b"GET /metrics HTTP/1.1\nHost : localhost\n"),
            (400, post + b"Content-Length: 2\nContent-Length: 2\n"), (400, post + b"Content-Length: -2\n"),
            (400, post + b"Content-Length: 2, 2\n"), (400, post + b"Content-Length : 2\n"),
            (400, post + b"Transfer-Encoding: chunked\nTransfer-Encoding: identity\n"),
            (501, post + b"Transfer-Encoding: xchunked\n"),
            (400, b"POST /api/oxpecker/v1/events HTTP/1.0\nHost: localhost\nTransfer-Encoding: chunked\n"),
            (413, post + b"Content-Length: 99999999\n"), (413, b"GET /metrics HTTP/1.1\nHost: localhost\nContent-Length: 5\n"),
        ]
        for status, head in rows:
            with self.subTest(head):
                self.assertIn(f" {status} ", self.raw(head))

    def test_local_means_local(self):
        head = b"POST /api/oxpecker/v1/events HTTP/1.1\nContent-Length: %d\n" % len(HEARTBEAT)
        rows = [(200, b"Host: [::1]:9\n"), (200, b"Host: LOCALHOST\n"), (403, b"Host: localhost.evil.com\n"),
                (403, b"Host: 127.0.0.1.evil.com\n"), (403, b"Host: localhost:80@evil\n"), (403, b"Host: localhost\nOrigin: null\n"),
                (403, b"Host: localhost\nSec-Fetch-Site: same-site\n"), (403, b"Host: localhost\nForwarded: for=1\n"),
                (403, b"Host: localhost\nX-Forwarded-Proto: http\n"), (403, b"Host: evil\nExpect: 100-continue\n")]
        for status, more in rows:
            with self.subTest(more):
                self.assertIn(f" {status} ", self.raw(head + more, HEARTBEAT))
        self.assertIn(" 403 ", self.raw(b"GET /api/oxpecker/v1/sessions HTTP/1.1\nHost: evil.com\n"))
        self.assertIn(" 200 ", self.raw(b"GET /metrics HTTP/1.1\nHost: evil.com\n"))

    def test_slow_readers_and_kept_connections_make_room(self):
        with contextlib.ExitStack() as stack:
            for i in range(8):
                s = stack.enter_context(socket.socket())
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                s.connect(("127.0.0.1", self.sidecar.port))
                s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * (i % 2 * 20 + 1))
            began = time.monotonic()
            self.assertEqual(self.sidecar.request("/health")[0], 200)
            self.assertLess(time.monotonic() - began, 8)  # before any deadline makes room

    def test_bodies(self):
        def post(body, **headers):
            return self.sidecar.request(EVENTS, "POST", body, {k.replace("_", "-"): v for k, v in headers.items()})[::2]

        self.assertEqual(post(gzip.compress(HEARTBEAT), Content_Encoding="gzip"), (200, b'{"accepted":1,"rejected":[]}\n'))
        self.assertEqual(post(gzip.compress(b"\n" * 50_000_000), Content_Encoding="gzip")[0], 413)
        self.assertEqual(post(b"x", Content_Encoding="deflate")[0], 415)
        self.assertEqual(post(b"")[0], 400)
        self.assertEqual(post(b"\n\n")[0], 400)
        self.assertEqual(post(HEARTBEAT + b"\r\n\r\n" + HEARTBEAT)[0], 200)
        line = b'{"type":"orchestrator.heartbeat","attrs":{"x":"%s"}}'
        self.assertEqual(post(line % (b"y" * (8192 - len(line) + 2)))[0], 200, "8 KiB exactly")
        self.assertEqual(json.loads(post(line % (b"y" * (8193 - len(line) + 2)))[1])["rejected"][0]["reason"], "too_large")

    def test_refused_fields_are_named_with_their_column(self):
        for fields, fragment in ((b'"seq":0', "seq: counts from 1"), (b'"seq":1.5', "seq: expected a whole number"),
                                 (b'"ts":1795328113000', "ts: not in unix seconds"), (b'"writer":"a\\u0000"', "control character"),
                                 (b'"attrs":{"a":{}}', "attrs:"), (b'"x":' + b"[" * 3000, "nested too deep")):
            with self.subTest(fields[:20]):
                status, _, body = self.sidecar.request(EVENTS, "POST", HEARTBEAT[:-1] + b"," + fields + b"}")
                error = json.loads(body)["rejected"][0]["error"]
                self.assertEqual(status, 400)
                self.assertRegex(error, r"^column \d+: ")
                self.assertIn(fragment, error)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


class Addresses(unittest.TestCase):
    @unittest.skipUnless(has_ipv6(), "this machine has no ::1")
    def test_both_families_and_one_of_them(self):
        def code(host, port):
            return run("curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", "-d", HEARTBEAT.decode(), f"http://{host}:{port}{EVENTS}")[1]

        # At a port of our own: by chance another test's sidecar may listen at 127.0.0.1 under the number that the kernel chooses for ::1.
        for address, v4, v6 in ((":0", "200", "200"), (f"[::1]:{free_port()}", "000", "200"), ("127.0.0.1:0", "200", "000")):
            with self.subTest(address):
                sidecar = Sidecar()
                flags = [f"--web.listen-address={address}", f"--events.listen-unix={sidecar.socket}"]
                sidecar.command = lambda flags=flags: [str(OXPECKER), *flags]
                with sidecar:
                    self.assertEqual((code("127.0.0.1", sidecar.port), code("[::1]", sidecar.port)), (v4, v6))

    def test_the_socket_may_be_left_out(self):
        sidecar = Sidecar()
        sidecar.command = lambda: [str(OXPECKER), "--web.listen-address=127.0.0.1:0", "--events.listen-unix="]
        with sidecar:
            self.assertEqual(sidecar.request(EVENTS, "POST", HEARTBEAT)[0], 200)
            self.assertFalse(sidecar.socket.exists())

    def test_more_event_connections_than_allowed(self):
        with Sidecar("--events.max-connections=2") as sidecar, sidecar.connect(), sidecar.connect():
            wait_for(lambda: sidecar.metrics()["oxpecker_connections"] == 2)
            done = sidecar.send("session.started", "session=late", check=False)
            self.assertEqual(done.returncode, 1, "send does not claim that it was applied")
            self.assertEqual(sidecar.metrics()[RUNNING], 0)
            self.assertIn("limit of 2 connections", sidecar.logged())


class Options(unittest.TestCase):
    def test_a_path_that_is_taken(self):
        for path in ("/health", "/"):
            status, _, stderr = run(OXPECKER, f"--web.telemetry-path={path}", "--events.listen-unix=")
            self.assertEqual(status, 1)
            self.assertIn("--web.telemetry-path", stderr)
        with Sidecar("--web.telemetry-path=/prom/metrics") as sidecar:
            sidecar.metrics = lambda: sidecar.request("/prom/metrics")
            self.assertEqual((sidecar.metrics()[0], sidecar.request("/metrics")[0]), (200, 404))

    def test_json_logs(self):
        with tempfile.TemporaryDirectory() as directory:
            process = subprocess.Popen([str(OXPECKER), "--web.listen-address=127.0.0.1:0", f"--events.listen-unix={directory}/s",
                                        "--log.format=json", "--shutdown.grace=0s"], stderr=subprocess.PIPE, text=True,
                                       env=no_proxy_environment())
            wait_for(lambda: pathlib.Path(directory, "s").exists(), what="the socket")
            process.terminate()
            lines = [json.loads(line) for line in process.communicate(timeout=60)[1].splitlines()]
        self.assertTrue(lines)
        for line in lines:
            self.assertLessEqual({"ts", "level", "msg"}, line.keys())

    def test_a_change_that_waits_for_a_restart_is_said(self):
        with Sidecar("--web.enable-lifecycle", config="limits: {series: 100000}\n") as sidecar:
            sidecar.config.write_text("limits: {series: 20000}\n")
            self.assertEqual(sidecar.request("/-/reload", "POST")[0], 200)
            self.assertIn("limits.series", sidecar.logged())
            self.assertEqual(sidecar.metrics()["oxpecker_series_limit"], 100000)


if __name__ == "__main__":
    unittest.main()
