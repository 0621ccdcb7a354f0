"""Alerts on their way to real receivers: Debian's Alertmanager and a webhook. What the webhook gets from us is what an
Alertmanager with the same route sends for the same alerts, field by field."""
import http.server
import json
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

from harness import OXPECKER, free_port, no_proxy_environment, wait_for

DRIVER = OXPECKER.parent / "tests/unit/alerts/notify/alerting_driver"
ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
ROUTE = "{receiver: on.call, group_by: [alertname, region], group_wait: 300ms, group_interval: 1s, repeat_interval: 1h}"


class Webhook:
    """Keeps what it is sent; answers with `status`."""

    def __init__(self):
        self.messages, self.headers, self.status = [], [], 200
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.headers.append(dict(self.headers))
                if owner.status == 200:
                    owner.messages.append(json.loads(body))
                self.send_response(owner.status)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def last(self, **states):
        """The newest message with exactly these alerts, by their label i."""
        for message in reversed(self.messages):
            if {alert["labels"]["i"]: alert["status"] for alert in message["alerts"]} == states:
                return message
        return None


class Alertmanager:
    def __init__(self, directory, webhook, prefix=""):
        self.port, self.prefix = free_port(), prefix
        config = directory / "alertmanager.yml"
        config.write_text(f"route: {ROUTE}\nreceivers: [{{name: on.call, webhook_configs: [{{url: 'http://127.0.0.1:{webhook.port}/'}}]}}]\n")
        self.log = open(directory / "alertmanager.log", "wb")
        self.process = subprocess.Popen(
            [ALERTMANAGER, f"--config.file={config}", f"--storage.path={directory / 'alertmanager'}", "--cluster.listen-address=",
             f"--web.listen-address=127.0.0.1:{self.port}", f"--web.route-prefix={prefix or '/'}"],
            stdout=self.log, stderr=self.log, env=no_proxy_environment())
        wait_for(self.ready, what="Alertmanager")

    def get(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}{self.prefix}{path}", timeout=60) as answer:
            return answer.read()

    def ready(self):
        try:
            return self.get("/-/ready")
        except OSError:
            return None

    def alerts(self):
        return {alert["labels"]["i"]: alert for alert in json.loads(self.get("/api/v2/alerts"))}

    def close(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


class Driver:
    """tests/integration/alerting_driver.c."""

    def __init__(self, directory, config, storage=None):
        path = directory / "alerting.yml"
        path.write_text(config)
        self.tries = directory / "tries"
        with open(self.tries, "wb") as tries:
            self.process = subprocess.Popen([DRIVER, path] + ([storage] if storage else []), stdin=subprocess.PIPE, text=True, stdout=tries,
                                            env=no_proxy_environment())
        self.say("ready")

    def knows(self, became):
        """Whether a try became that, and the outbox has been told: a receiver has what it was sent a moment sooner."""
        return any(line.startswith(became) for line in self.tries.read_text().splitlines())

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.stdin.close()
        return self.process.wait(60)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


class Base(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="oxpecker-alerting-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def webhook(self):
        webhook = Webhook()
        self.addCleanup(webhook.close)
        return webhook

    def driver(self, config, storage=None):
        driver = Driver(self.directory, config, storage)
        self.addCleanup(lambda: driver.process.poll() is None and driver.kill())
        return driver

    def config(self, webhook, more=""):
        return (f"route: {ROUTE}\nreceivers: [{{name: on.call, webhook_configs: [{{url: 'http://127.0.0.1:{webhook.port}/x',"
                f" http_config: {{authorization: {{credentials: t0ken}}}}}}]}}]\n{more}")


@unittest.skipUnless(ALERTMANAGER, "no Alertmanager on this machine")
class BesideAlertmanager(Base):
    def test_payloads_are_the_same(self):
        ours, theirs = self.webhook(), self.webhook()
        manager = Alertmanager(self.directory, theirs, "/am")
        self.addCleanup(manager.close)
        driver = self.driver(self.config(ours, f"alertmanagers: ['http://127.0.0.1:{manager.port}/am/']\n"))
        first = "alertname=Disk,i=a,job=node,instance=z:1,severity=critical"
        second = "alertname=Disk,i=b,job=node,instance=y:1"
        third = "alertname=Disk,i=c,region=us-east-1,zone=\u00fc\"\\"
        for labels in (first, second, third):
            driver.say("fire " + labels)
        for states in ({"a": "firing", "b": "firing"}, {"c": "firing"}):
            self.assert_same(ours, theirs, states)
        self.assertEqual({"a", "b", "c"}, set(manager.alerts()))
        self.assertEqual("Bearer t0ken", ours.headers[0]["Authorization"])
        driver.say("resolve " + first)
        self.assert_same(ours, theirs, {"a": "resolved", "b": "firing"})
        driver.say("resolve " + second)
        driver.say("resolve " + third)
        self.assert_same(ours, theirs, {"c": "resolved"})
        # Alertmanager shows a once more, because it was posted once more; we tell a resolution once.
        wait_for(lambda: ours.last(b="resolved"), what="b resolved")
        wait_for(lambda: theirs.last(a="resolved", b="resolved") or theirs.last(b="resolved"), what="b resolved by Alertmanager")
        wait_for(lambda: not manager.alerts(), what="nothing active in Alertmanager")
        self.assertEqual(0, driver.stop())

    def assert_same(self, ours, theirs, states):
        wait_for(lambda: ours.last(**states) and theirs.last(**states), what=f"{states} at both")
        left, right = ours.last(**states), theirs.last(**states)
        self.assertEqual("http://sidecar:10108", left.pop("externalURL"))
        self.assertTrue(right.pop("externalURL"))
        self.assertEqual(right, left)  # times too: Alertmanager has them from us
        self.assertEqual(list(right), list(left))
        self.assertTrue(all(alert["generatorURL"].startswith("http://sidecar:10108/graph?g0.expr=sum+by+") for alert in left["alerts"]))


class Restarts(Base):
    def test_told_before_a_kill_is_resolved_after_it(self):
        webhook = self.webhook()
        storage = self.directory / "storage"
        storage.mkdir()
        driver = self.driver(self.config(webhook), storage)
        driver.say("fire alertname=Disk,i=a")
        wait_for(lambda: driver.knows("delivered"), what="told")
        self.assertTrue(webhook.last(a="firing"))
        driver.kill()
        driver = self.driver(self.config(webhook), storage)
        time.sleep(0.5)
        self.assertEqual(1, len(webhook.messages))  # not again
        driver.say("resolve alertname=Disk,i=a")
        wait_for(lambda: webhook.last(a="resolved"), what="resolved")
        self.assertEqual(0, driver.stop())
        self.assertEqual(2, len(webhook.messages))

    def test_accepted_while_the_receiver_was_down(self):
        webhook = self.webhook()
        storage = self.directory / "storage"
        storage.mkdir()
        webhook.status = 503
        driver = self.driver(self.config(webhook), storage)
        driver.say("fire alertname=Disk,i=a")
        wait_for(lambda: webhook.headers, what="a try")
        driver.kill()
        webhook.status = 200
        driver = self.driver(self.config(webhook), storage)
        wait_for(lambda: webhook.last(a="firing"), what="told after the restart")
        self.assertEqual(0, driver.stop())


if __name__ == "__main__":
    unittest.main()
