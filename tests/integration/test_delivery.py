"""Alerts on their way out of the real daemon: to a webhook in Python, Debian's Alertmanager and moto_server; through kill -9, reloads, receivers that
are down, hang or refuse, and an outbox that cannot be opened. Names of `oxpecker outbox` and `oxpecker cloudwatch` on the way."""
import contextlib
import datetime
import http.server
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

from harness import OXPECKER, ROOT, Sidecar, free_port, no_proxy_environment, run, wait_for
from test_rules import quick_rules

try:
    import moto_peer
except ImportError:
    if os.environ.get("CI"):
        raise
    moto_peer = None

EXAMPLE = ROOT / "examples/cloudwatch.yml"
EVERY_SECOND = ("--storage.sample-interval=1s", "--global.evaluation-interval=1s")
RULE = ("groups:\n- name: g\n  interval: 1s\n  rules:\n  - alert: BreakerOpen\n    expr: orchestrator_breaker_state{state=\"open\"} == 1\n"
        "    labels: {severity: critical}\n    annotations: {summary: '{{ $labels.breaker }} is open'}\n")
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent",
       "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}


def get(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60) as answer:
        return json.load(answer)


class Webhook:
    """A receiver that keeps what it got. `status` is what it answers; while `hangs` it answers nothing."""

    def __init__(self, port=None):
        self.port = port or free_port()
        self.got, self.status, self.hangs = [], 200, threading.Event()
        self.server = None

    def __enter__(self):
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, text = webhook.answer(self.path, json.loads(body))
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)

            def log_message(self, *words):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *words):
                """A sender that hung up is no news."""

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.hangs.clear()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path, payload):
        """Status and text; others may differ from message to message."""
        while self.hangs.is_set():
            time.sleep(0.05)
        self.got.append((path, payload))
        return self.status, b"well"

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}{path}"

    def told(self, status, path="/hook"):
        """The payloads of this status that came to the path."""
        return [body for at, body in list(self.got) if at == path and body["status"] == status]


def breaker(sidecar, to):
    sidecar.write({"type": "breaker", "name": "provider", "from": "closed" if to == "open" else "open", "to": to})


def notifications(sidecar, arguments=""):
    return sidecar.json("/api/oxpecker/v1/notifications" + arguments)


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="oxpecker-test-")))
        self.rules = self.directory / "r.yml"
        self.rules.write_text(RULE)

    def config(self, *webhooks, alertmanagers=(), more="group_interval: 1s"):
        """One receiver with webhooks at these URLs: hook0, hook1, …"""
        listed = ", ".join(f'{{name: hook{place}, url: "{url}"}}' for place, url in enumerate(webhooks))
        members = ", ".join(f'"{url}"' for url in alertmanagers)
        return (f"rule_files: [r.yml]\nalerting:\n  route: {{receiver: oncall, group_by: [alertname], group_wait: 100ms, {more}}}\n"
                f"  receivers: [{{name: oncall, webhook_configs: [{listed}]}}]\n  alertmanagers: [{members}]\n")

    def sidecar(self, config, storage=True, **more):
        return Sidecar(*EVERY_SECOND, "--storage.instance=here", storage=storage, config=config, directory=self.directory, **more)


class Receivers(Case):
    def test_killed_while_the_receiver_is_down(self):
        webhook = Webhook()
        sidecar = self.sidecar(self.config(webhook.url("/hook")))
        with sidecar:
            breaker(sidecar, "open")
            waiting = wait_for(lambda: [n for n in notifications(sidecar, "?state=waiting")["notifications"] if n["tries"] > 0],
                               what="a message that was tried in vain")
            self.assertEqual((waiting[0]["receiver"], waiting[0]["priority"]), ("oncall/webhook/hook0", "critical"))
            self.assertTrue(waiting[0]["answer"])
            self.assertGreater(sidecar.metrics()['oxpecker_notifications_failed_total{integration="webhook",reason="other"}'] +
                               sidecar.metrics()['oxpecker_notifications_failed_total{integration="webhook",reason="serverError"}'] +
                               sidecar.metrics()['oxpecker_notifications_failed_total{integration="webhook",reason="timeout"}'], 0)
            sidecar.kill()
            listed = run(OXPECKER, "outbox", "list", f"--storage.path={self.directory / 'storage'}", "--output=json")  # with the daemon down
            self.assertEqual([n["id"] for n in json.loads(listed[1])], [waiting[0]["id"]], listed)
            with webhook:
                sidecar.start()
                told = wait_for(lambda: webhook.told("firing"), what="the alert")
                self.assertEqual(told[0]["alerts"][0]["labels"]["alertname"], "BreakerOpen")
                self.assertEqual(told[0]["commonAnnotations"], {"summary": "provider is open"})
                wait_for(lambda: [n["id"] for n in notifications(sidecar, "?state=sent")["notifications"]][-1:] == [waiting[0]["id"]], what="its id")

    def test_a_reload_keeps_the_queue(self):
        webhook = Webhook()
        with self.sidecar(self.config(webhook.url("/hook"))) as sidecar:
            breaker(sidecar, "open")
            waiting = wait_for(lambda: [n for n in notifications(sidecar)["notifications"] if n["tries"] > 0], what="a message that waits")
            sidecar.config.write_text(self.config(webhook.url("/hook"), more="group_interval: 2s"))
            sidecar.send_signal(signal.SIGHUP)
            wait_for(lambda: "delivery goes on with the new configuration" in sidecar.logged(), what="the reload")
            after = notifications(sidecar)
            self.assertIn(waiting[0]["id"], [n["id"] for n in after["notifications"] if n["state"] in ("waiting", "claimed", "sent")])
            wait_for(lambda: [note["kind"] for note in notifications(sidecar)["notes"]] == ["reload"], what="a note of it")
            with webhook:
                wait_for(lambda: webhook.told("firing"), what="the alert")
                sidecar.config.write_text(self.config(webhook.url("/hook")).replace("route", "rout"))
                sidecar.send_signal(signal.SIGHUP)
                wait_for(lambda: "reload failed; the old configuration stays" in sidecar.logged(), what="a refused reload")
                self.assertIn("oxpecker.yml:3:3: alerting: there is no key rout; did you mean route?", sidecar.logged())
                self.assertEqual(notifications(sidecar)["receivers"][0]["receiver"], "oncall/webhook/hook0")

    def test_what_waits_for_a_receiver_that_was_renamed_says_so(self):
        webhook = Webhook()
        config = self.config(webhook.url("/hook"))
        with self.sidecar(config) as sidecar:
            breaker(sidecar, "open")
            waiting = wait_for(lambda: [n for n in notifications(sidecar)["notifications"] if n["tries"] > 0], what="a message that waits")
            sidecar.config.write_text(config.replace("oncall", "night"))
            sidecar.send_signal(signal.SIGHUP)
            wait_for(lambda: "delivery goes on with the new configuration" in sidecar.logged(), what="the reload")
            self.assertIn("messages wait for a receiver that the configuration does not have", sidecar.logged())
            orphan = notifications(sidecar, "?receiver=oncall/webhook/hook0&state=waiting")["notifications"]
            self.assertEqual([(n["id"], n["answer"]) for n in orphan],
                             [(waiting[0]["id"], "no such receiver in the configuration; it waits for one of that name")])
            breaker(sidecar, "closed")  # it is over when the receiver is back
            wait_for(lambda: not sidecar.json("/api/v1/alerts")["data"]["alerts"], what="the end of the alert")
            with webhook:
                sidecar.config.write_text(config)
                sidecar.send_signal(signal.SIGHUP)
                wait_for(lambda: webhook.told("resolved"), what="that it is over")

    def test_one_that_hangs_delays_nobody(self):
        with Webhook() as slow, Webhook() as quick:
            slow.hangs.set()
            # longer than we wait for the others: they are not told because it was given up
            config = self.config(slow.url("/hook"), quick.url("/hook"), alertmanagers=[quick.url()]).replace("url: ", "timeout: 5m, url: ")
            with self.sidecar(config, storage=False) as sidecar:
                self.assertIn("the outbox is in memory", sidecar.logged())
                breaker(sidecar, "open")
                wait_for(lambda: quick.told("firing"), what="the alert at the quick one")
                wait_for(lambda: [b for path, b in quick.got if path == "/api/v2/alerts"], what="the alert at the Alertmanager")
                of_slow = lambda: [n["state"] for n in notifications(sidecar, "?receiver=oncall/webhook/hook0")["notifications"]]
                wait_for(lambda: of_slow() == ["claimed"], what="a message at the one that hangs")
                before = sidecar.metrics()["oxpecker_rule_evaluations_total"]
                wait_for(lambda: sidecar.metrics()["oxpecker_rule_evaluations_total"] >= before + 3, what="evaluations while one hangs")
                self.assertEqual((of_slow(), slow.got), (["claimed"], []))
                metrics = sidecar.metrics()
                self.assertEqual(metrics['oxpecker_outbox_entries{integration="webhook"}'], 1)
                self.assertEqual(metrics['oxpecker_outbox_entries{integration="alertmanager"}'], 0)
                slow.hangs.clear()
                wait_for(lambda: slow.told("firing"), what="the alert at the slow one")

    def test_what_is_refused_is_set_aside_and_sent_again(self):
        storage = f"--storage.path={self.directory / 'storage'}"
        with Webhook() as webhook:
            webhook.status = 400
            with self.sidecar(self.config(webhook.url("/hook"))) as sidecar:
                breaker(sidecar, "open")
                aside = wait_for(lambda: notifications(sidecar, "?state=set_aside")["notifications"], what="a message that is set aside")[0]
                self.assertIn("well", aside["answer"])
                status, stdout, _ = run(OXPECKER, "outbox", "list", "--state=set_aside", storage)
                self.assertEqual(status, 0)
                self.assertRegex(stdout, r"(?m)^ID +STATE +PRIORITY +MADE +TRIES +RECEIVER +SUMMARY\n%d +set_aside +critical +\S+Z +1 +oncall/webhook/hook0 +\S" % aside["id"])
                self.assertIn("400", stdout)
                status, stdout, _ = run(OXPECKER, "outbox", "show", aside["id"], storage, "--output=json")
                self.assertEqual((status, json.loads(stdout)["state"]), (0, "set_aside"))
                self.assertIn("BreakerOpen", json.loads(stdout)["content"])
                self.assertEqual(run(OXPECKER, "outbox", "retry", "999", storage),
                                 (1, "", "oxpecker outbox: there is no such message, or it was sent\n"))
                self.assertEqual(run(OXPECKER, "outbox", "retry", storage)[0], 1)
                webhook.status, before = 200, len(webhook.got)
                self.assertEqual(run(OXPECKER, "outbox", "retry", aside["id"], storage), (0, "1 message is sent again\n", ""))
                wait_for(lambda: len(webhook.got) > before, what="the message, sent by hand")
                wait_for(lambda: [n["state"] for n in notifications(sidecar)["notifications"] if n["id"] == aside["id"]] == ["sent"], what="sent")
                self.assertEqual(run(OXPECKER, "outbox", "retry", aside["id"], storage),
                                 (1, "", "oxpecker outbox: nothing of it is left to be sent: it was sent, superseded or dropped\n"))
                self.assertEqual([n["kind"] for n in notifications(sidecar)["notes"]], ["outbox.retry"])
                sidecar.write({"type": "breaker", "name": "provider", "from": "open", "to": "closed", "cause": "manual"})
                noted = wait_for(lambda: notifications(sidecar)["notes"][:-1], what="a note of the reset")
                self.assertEqual([(n["kind"], n["text"]) for n in noted], [("breaker.reset", "provider")])
                failed = sidecar.metrics()['oxpecker_notifications_failed_total{integration="webhook",reason="clientError"}']
                self.assertEqual(failed, 1)

    def test_a_record_that_was_damaged_is_told(self):
        webhook = Webhook()
        with self.sidecar(self.config(webhook.url("/hook"))) as sidecar:
            breaker(sidecar, "open")
            waiting = wait_for(lambda: notifications(sidecar, "?state=waiting")["notifications"], what="a message that waits")[0]
            sidecar.kill()
            with contextlib.closing(sqlite3.connect(self.directory / "storage" / "outbox.db")) as file, file:
                file.execute("UPDATE content SET bytes = replace(bytes, 'BreakerOpen', 'BreakerShut')")
            with webhook:
                sidecar.start()
                wait_for(lambda: "a message was damaged on the disk; it is not sent, and set aside" in sidecar.logged(), what="the log")
                aside = notifications(sidecar, "?state=set_aside")["notifications"]
                self.assertEqual([(n["id"], n["answer"]) for n in aside], [(waiting["id"], "its record was damaged on the disk")])
                self.assertEqual(sidecar.metrics()['oxpecker_notifications_failed_total{integration="webhook",reason="other"}'], 1)
                self.assertNotIn("BreakerShut", str(webhook.got))

    def test_an_outbox_that_cannot_be_opened(self):
        (self.directory / "storage" / "outbox.db").mkdir(parents=True)
        with Webhook() as webhook, self.sidecar(self.config(webhook.url("/hook"))) as sidecar:
            self.assertIn("the outbox cannot be opened; it is in memory, which a restart forgets, until it can be", sidecar.logged())
            self.assertGreaterEqual(sidecar.metrics()["oxpecker_storage_failures_total"], 1)
            self.assertEqual(sidecar.metrics()["oxpecker_storage_persistent"], 0)
            self.assertIs(notifications(sidecar)["outbox"]["persistent"], False)
            breaker(sidecar, "open")
            wait_for(lambda: webhook.told("firing"), what="the alert")
            (self.directory / "storage" / "outbox.db").rmdir()
            wait_for(lambda: 'msg="the outbox is open"' in sidecar.logged(), what="the outbox")
            wait_for(lambda: notifications(sidecar)["outbox"]["persistent"], what="the disk's")
            wait_for(lambda: sidecar.metrics()["oxpecker_storage_persistent"] == 1, what="the metric")


class Disk(Case):
    def test_full_and_healed(self):
        if os.geteuid() != 0:
            self.skipTest("mounting a small tmpfs needs root")
        storage = self.directory / "storage"
        storage.mkdir()
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(storage)], capture_output=True, text=True, check=False)
        if mount.returncode != 0:
            self.skipTest(f"no tmpfs can be mounted here: {mount.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(storage)], check=False)
        filler = storage / "filler"
        with Webhook() as webhook, self.sidecar(self.config(webhook.url("/hook"))) as sidecar:
            wait_for(lambda: (storage / "outbox.db").exists(), what="the outbox")

            def fill():  # and what became free again since: a file of the sidecar's that could not be written whole
                with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
                    while True:
                        file.write(b"x" * 4096)
                return True
            fill()
            breaker(sidecar, "open")
            wait_for(lambda: fill() and "the outbox took nothing; it is tried again" in sidecar.logged(), what="a word about the disk")
            time.sleep(1)
            self.assertEqual(webhook.got, [], "told what is not on the disk")
            self.assertGreater(sidecar.metrics()["oxpecker_storage_failures_total"], 0)
            filler.unlink()
            told = wait_for(lambda: webhook.told("firing"), what="the alert")
            self.assertEqual(told[0]["alerts"][0]["labels"]["alertname"], "BreakerOpen")


class Views(Case):
    def test_audit_events_are_kept(self):
        with Sidecar(storage=True) as sidecar:
            for number in range(3):
                sidecar.send("audit", f"action=breaker reset {number}", "status=ok", "workflow=shops", "details=by hand, key=abc")
            kept = lambda: [note for note in notifications(sidecar)["notes"] if note["kind"] == "audit"]
            wait_for(lambda: len(kept()) == 3, what="three notes")
            self.assertEqual({note["text"].split(" status=")[0] for note in kept()}, {f"action=breaker reset {number}" for number in range(3)})
            self.assertIn("workflow=shops", kept()[0]["text"])
            sidecar.kill()
            sidecar.start()
            sidecar.send("audit", "action=afterwards", "status=ok")
            wait_for(lambda: len(kept()) == 4, what="four notes")

    def test_nothing_configured(self):
        with Sidecar(storage=True, directory=self.directory) as sidecar:
            self.assertEqual(notifications(sidecar), {"notifications": [], "receivers": [], "outbox": None, "notes": []})
            names = {(pathlib.Path(task) / "comm").read_text().strip() for task in pathlib.Path(f"/proc/{sidecar.process.pid}/task").iterdir()}
            self.assertFalse(names & {"oxp-delivery", "oxp-courier"}, names)
            self.assertFalse((self.directory / "storage/outbox.db").exists())
            for arguments, message in (("?state=x", "state must be waiting, claimed, sent, set_aside, superseded or dropped"),
                                       ("?limit=0", "limit must be a whole number from 1 to 1000, below one from 0")):
                status, _, body = sidecar.request("/api/oxpecker/v1/notifications" + arguments)
                self.assertEqual((status, json.loads(body)["error"]), (400, message))
            status, _, _ = sidecar.request("/api/oxpecker/v1/notifications", headers={"Host": "elsewhere.example"})
            self.assertEqual(status, 403)

    def test_before_the_first_message(self):
        """`oxpecker outbox` where there is a storage path and nothing in it yet; and where there is none."""
        storage = self.directory / "storage"
        with Sidecar(storage=True, directory=self.directory):
            note = f"oxpecker outbox: there is no outbox in {storage} yet\n"
            for words, status, printed, more in (
                    ("list", 0, "ID  STATE  PRIORITY  MADE  TRIES  RECEIVER  SUMMARY\n", ""), ("list --output=json", 0, "[]\n", ""),
                    ("retry --all", 0, "0 messages are sent again\n", ""), ("show 1", 1, "", "oxpecker outbox: there is no such message\n"),
                    ("retry 1", 1, "", "oxpecker outbox: there is no such message, or it was sent\n")):
                with self.subTest(words=words):
                    self.assertEqual(run(OXPECKER, "outbox", *words.split(), f"--storage.path={storage}"), (status, printed, note + more))
            self.assertFalse((storage / "outbox.db").exists(), "looking makes nothing")
        file = self.directory / "file"
        file.touch()
        for path in (self.directory / "elsewhere", file, file / "below"):
            with self.subTest(path=path):
                self.assertEqual(run(OXPECKER, "outbox", "list", f"--storage.path={path}"), (1, "", f"oxpecker outbox: there is no directory {path}\n"))

    def test_above_the_budget(self):
        config = "rule_files: []\ncloudwatch: {region: us-east-1, budget: %s, prices: {free_metrics: 0}}\n"
        with self.sidecar(config % 1, environment={**AWS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}) as sidecar:
            self.assertRegex(sidecar.logged(), r'msg="nothing is published to CloudWatch" error="cloudwatch: this would cost 4\.\d\d USD a month, and '
                                               r'the budget is 1\.00')
            self.assertEqual(sidecar.metrics()["oxpecker_cloudwatch_enabled"], 1)
            sidecar.config.write_text(config % 10)
            sidecar.send_signal(signal.SIGHUP)
            wait_for(lambda: 'msg="publishing to CloudWatch"' in sidecar.logged(), what="publishing")
            sidecar.config.write_text(config % 2)
            sidecar.send_signal(signal.SIGHUP)
            wait_for(lambda: "reload failed; the old configuration stays" in sidecar.logged(), what="a refused reload")
            self.assertEqual([r["receiver"] for r in notifications(sidecar)["receivers"]], ["cloudwatch"])

    def test_commands_say_what_is_wrong(self):
        nowhere = f"--storage.path={self.directory}/nowhere"
        for words, message in ((("outbox", "list"), "there is no --storage.path"), (("outbox", "list", "--output=xml", nowhere), "--output must be"),
                               (("outbox", "list", nowhere), "outbox"), (("outbox", "show", "--storage.path"), "--storage.path needs a value"),
                               (("cloudwatch", "plan"), "the configuration has no section cloudwatch")):
            with self.subTest(words=words):
                status, stdout, stderr = run(OXPECKER, *words)
                self.assertEqual((status, stdout), (1, ""))
                self.assertIn(message, stderr)
        for words in (("outbox",), ("outbox", "x"), ("outbox", "list", "1"), ("cloudwatch",), ("cloudwatch", "x")):
            status, stdout, stderr = run(OXPECKER, *words)
            self.assertEqual((status, stdout, stderr.startswith("usage: oxpecker ")), (1, "", True), (words, stderr))
        bad = self.directory / "bad.yml"
        bad.write_text("cloudwatch:\n  metrics:\n  - {expr: 'rate(up)', name: Up}\n")
        status, _, stderr = run(OXPECKER, "check", "config", bad)
        self.assertEqual(status, 1)
        self.assertRegex(stderr, rf"^{bad}:3:\d+: ")


@unittest.skipIf(moto_peer is None, "no boto3 and moto")
@unittest.skipUnless(shutil.which("prometheus-alertmanager"), "no Alertmanager")
class Example(Case):
    """examples/cloudwatch.yml as it stands, against a whole Alertmanager and a whole emulator of AWS that checks signatures and policies."""

    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="oxpecker-peers-")))
        cls.alertmanager = f"http://127.0.0.1:{free_port()}"
        cls.moto = cls.enterClassContext(moto_peer.Moto())
        policy = run(OXPECKER, "cloudwatch", "policy", f"--config.file={EXAMPLE}", **AWS)[1]
        cls.moto.reset(moto_peer.allow(*moto_peer.actions_of(json.loads(policy))))
        config = cls.home / "alertmanager.yml"
        config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
        cls.begin("alertmanager", "prometheus-alertmanager", f"--config.file={config}", f"--storage.path={cls.home}", "--cluster.listen-address=",
                  f"--web.listen-address={cls.alertmanager.removeprefix('http://')}")
        wait_for(lambda: cls.answers(cls.alertmanager + "/api/v2/status"), what="Alertmanager")
        cls.boto = cls.moto.client()

    @classmethod
    def begin(cls, name, *command):
        log = open(cls.home / f"{name}.log", "wb")
        process = subprocess.Popen(command, stdout=log, stderr=log, env=no_proxy_environment(), start_new_session=True)

        def end():
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
            log.close()
        cls.addClassCleanup(end)

    @staticmethod
    def answers(url):
        try:
            return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60).status == 200
        except OSError:
            return False

    def environment(self, webhook, **more):
        quick = quick_rules(self.directory / "rules.yml", 0)
        return {**AWS, **self.moto.keys, "WEBHOOK_URL": webhook, "ALERTMANAGER_URL": self.alertmanager, "CLOUDWATCH_ENDPOINT": self.moto.url,
                "GROUP_WAIT": "100ms", "GROUP_INTERVAL": "1s", "RULE_FILES": str(quick), "HOSTNAME": "replica-1", **more}

    def at_alertmanager(self):
        return [a for a in get(self.alertmanager + "/api/v2/alerts") if a["labels"]["alertname"] == "OrchestratorBreakerOpen"]

    def cloudwatch(self, *words):
        return run(OXPECKER, "cloudwatch", *words, f"--config.file={EXAMPLE}", **self.environment("http://127.0.0.1:1/"))

    def highest(self, name, **dimensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        named = [{"Name": n, "Value": v} for n, v in {"Service": "collector", "Environment": "production", **dimensions}.items()]
        answer = self.boto.get_metric_statistics(Namespace="Orchestrator", MetricName=name, Dimensions=named, Period=60, Statistics=["Maximum"],
                                                 StartTime=now - datetime.timedelta(minutes=5), EndTime=now + datetime.timedelta(minutes=5))
        return max((point["Maximum"] for point in answer["Datapoints"]), default=None)

    def test_alerts_metrics_and_alarms(self):
        status, stdout, stderr = self.cloudwatch("plan")
        self.assertEqual((status, stderr), (0, ""))
        self.assertIn("9 to create", stdout)
        self.assertRegex(stdout, r"in all +4\.20 USD")
        status, stdout, stderr = self.cloudwatch("apply")
        self.assertEqual((status, stderr), (0, ""))
        self.assertTrue(stdout.endswith("9 alarms were changed\n"), stdout)
        alarms = {a["AlarmName"]: a for a in self.boto.describe_alarms()["MetricAlarms"]}
        self.assertEqual(len(alarms), 9)
        self.assertEqual(alarms["Orchestrator/collector/production/SessionsOrphaned"]["TreatMissingData"], "notBreaching")
        self.assertEqual(alarms["Orchestrator/collector/production/heartbeat"]["TreatMissingData"], "breaching")
        self.assertEqual(alarms["Orchestrator/collector/production/rule/OrchestratorBreakerOpen"]["TreatMissingData"], "ignore")
        status, stdout, stderr = self.cloudwatch("apply")
        self.assertEqual((status, stderr), (0, ""))
        self.assertTrue(stdout.endswith("\n0 alarms were changed\n"), stdout)
        status, stdout, stderr = self.cloudwatch("test")
        self.assertEqual((status, stderr), (0, ""))
        self.assertEqual(self.boto.describe_alarms(AlarmNames=["Orchestrator/collector/production/SessionsOrphaned"])["MetricAlarms"][0]["StateValue"], "ALARM")
        self.assertIn("cloudwatch:PutMetricData", json.dumps(json.loads(self.cloudwatch("policy")[1])))
        self.assertIn("widgets", json.loads(self.cloudwatch("dashboard")[1]))

        with Webhook() as webhook:
            flags = (*EVERY_SECOND, f"--config.file={EXAMPLE}")
            environment = self.environment(webhook.url("/hook"), CLOUDWATCH_INTERVAL="1s", CLOUDWATCH_BUDGET="100")
            with Sidecar(*flags, storage=True, directory=self.directory, environment=environment) as sidecar:
                sidecar.write({"type": "orchestrator.started", "boot": "b1", "writer": "main"}, {"type": "session.started", "session": "s1"})
                breaker(sidecar, "open")
                told = wait_for(lambda: webhook.told("firing"), what="the alert at the webhook")[0]
                self.assertEqual((told["version"], told["receiver"], told["alerts"][0]["labels"]["replica"]), ("4", "oncall", "replica-1"))
                wait_for(self.at_alertmanager, what="the alert in the Alertmanager")
                wait_for(lambda: self.highest("BreakersOpen") == 1, what="the metric")
                wait_for(lambda: self.highest("RuleState", Rule="OrchestratorBreakerOpen") == 1, what="the state of the rule")
                self.assertEqual(self.highest("RuleState", Rule="OrchestratorDown"), 0)
                self.assertEqual(self.highest("Heartbeat"), 1)
                names = {m["MetricName"] for m in self.boto.list_metrics(Namespace="Orchestrator")["Metrics"]}
                self.assertGreaterEqual(names, {"SessionsActive", "SessionsOrphaned", "TasksFailed", "Up", "BreakersOpen", "RuleState", "Heartbeat"})
                breaker(sidecar, "closed")
                wait_for(lambda: webhook.told("resolved"), what="its end at the webhook")
                wait_for(lambda: not self.at_alertmanager(), what="its end in the Alertmanager")
                metrics = sidecar.metrics()
                self.assertEqual(metrics["oxpecker_cloudwatch_enabled"], 1)
                self.assertGreater(metrics['oxpecker_cloudwatch_requests_total{outcome="ok"}'], 0)
                self.assertLess(abs(metrics["oxpecker_cloudwatch_last_success_timestamp_seconds"] - time.time()), 60)
                self.assertEqual({r["integration"] for r in notifications(sidecar)["receivers"]}, {"webhook", "alertmanager", "cloudwatch"})
                self.assertEqual({k: v for k, v in metrics.items() if k.startswith("oxpecker_notifications_failed") and v}, {})


if __name__ == "__main__":
    unittest.main()
