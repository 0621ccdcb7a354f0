"""Rules evaluated by the sidecar itself: a provider told to fail reaches a firing alert and comes back, with no Prometheus anywhere; restarts,
kill -9 and reloads keep what alerts know; rule files that are wrong; `oxpecker alerts`."""
import calendar
import json
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from harness import OXPECKER, ROOT, Sidecar, no_proxy_environment, run, wait_for
from test_orchestrator import Case, QUICK_PROVIDER

SHIPPED = ROOT / "alerts/rulefiles/orchestrator.yml"
EVERY_SECOND = ("--storage.sample-interval=1s", "--global.evaluation-interval=1s")
BREAKER = "OrchestratorBreakerOpen"


def quick_rules(path, for_seconds):
    """A copy of the shipped rules with a short `for` of the breaker's."""
    text = SHIPPED.read_text()
    before, name, after = text.partition(f"- alert: {BREAKER}\n")
    after, changed = re.subn(r"(?m)^( +for: ).*$", rf"\g<1>{for_seconds}s", after, count=1)
    assert name and changed == 1
    path.write_text(before + name + after)
    return path


def unix(text):
    """Seconds of "2026-11-22T04:26:00.123Z"."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (fraction or "0"))


def alerts(sidecar, name=None):
    return [a for a in sidecar.json("/api/v1/alerts")["data"]["alerts"] if name in (None, a["labels"]["alertname"])]


def one(sidecar, name, state=None):
    """The only alert of this name, when it is in that state; else None."""
    found = alerts(sidecar, name)
    assert len(found) < 2, found
    return found[0] if found and state in (None, found[0]["state"]) else None


def rule_names(sidecar):
    return [rule["name"] for group in sidecar.json("/api/v1/rules")["data"]["groups"] for rule in group["rules"]]


def wait_loaded(sidecar, *names):
    wait_for(lambda: rule_names(sidecar) == list(names), what=f"rules {names}")


def evaluated(sidecar, name, state):
    """The times of the evaluations that found the alert in that state, as the short memory has them."""
    answer = sidecar.api("query", query=f'ALERTS{{alertname="{name}", alertstate="{state}"}}[10m]')
    return [float(when) for series in answer["data"]["result"] for when, _ in series["values"]]


def logged_at(sidecar, message):
    """The times of the log's lines with this message."""
    return [unix(when) for when in re.findall(rf'(?m)^ts=(\S+) .*msg="{message}"', sidecar.logged())]


def always(name, for_seconds, expr="vector(1)"):
    return (f"      - alert: {name}\n        expr: {expr}\n        for: {for_seconds}s\n        labels: {{severity: critical}}\n"
            f"        annotations: {{summary: 'since {{{{ $value }}}}'}}\n")


def rules(*texts, interval="1s"):
    return f"groups:\n  - name: g\n    interval: {interval}\n    rules:\n" + "".join(texts)


class Failing(Case):
    """A provider told to fail, and an orchestrator that works on it."""

    def test_a_breaker_that_opens_fires_and_is_resolved(self):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        quick = quick_rules(directory / "rules.yml", 3)
        sidecar, provider, orchestrator = self.open(*QUICK_PROVIDER, sidecar_flags=(*EVERY_SECOND, f"--rule-files={quick}"))
        orchestrator.start("--rounds=forever", "--sessions=2", "--breaker=failure_threshold=2", "--breaker=open_s=1")
        wait_for(lambda: sidecar.api("query", query="orchestrator_tasks_ended_total")["data"]["result"], what="tasks in the memory")
        status, stdout, _ = run(OXPECKER, "alerts", f"--server={sidecar.url('')}")
        self.assertEqual((status, stdout), (0, "nothing fires and nothing is pending (15 alerting rules)\n"))

        provider.fault({"where": "create", "kind": "503", "probability": 1})
        active = wait_for(lambda: one(sidecar, BREAKER), what="an alert")
        status, stdout, _ = run(OXPECKER, "alerts", f"--server={sidecar.url('')}")
        self.assertEqual(status, 0)
        self.assertRegex(stdout, rf"(?m)^(pending +critical +\S+Z +\d+s of 3s|firing +critical +\S+Z +\S+) +1 +{BREAKER}$")
        firing = wait_for(lambda: one(sidecar, BREAKER, "firing"), what="a firing alert")
        self.assertEqual(firing["activeAt"], active["activeAt"])
        self.assertEqual(firing["value"], "1e+00")
        self.assertEqual({k: v for k, v in firing["labels"].items() if k != "instance"},
                         {"alertname": BREAKER, "severity": "critical", "breaker": "bb_create", "job": "oxpecker"})
        instance = firing["labels"]["instance"]
        self.assertEqual(firing["annotations"]["summary"], f"The circuit breaker bb_create of {instance} is open.")
        began, waited = unix(firing["activeAt"]), evaluated(sidecar, BREAKER, "pending")
        self.assertTrue(waited and all(began <= when < began + 3 for when in waited), (began, waited))
        self.assertGreaterEqual(min(evaluated(sidecar, BREAKER, "firing")), began + 3)

        status, stdout, stderr = run(OXPECKER, "alerts", f"--server={sidecar.url('')}")
        self.assertEqual((status, stderr), (0, ""))
        since = firing["activeAt"][:19] + "Z"
        lines = stdout.splitlines()
        self.assertEqual(lines[0].split(), ["STATE", "SEVERITY", "SINCE", "FOR", "VALUE", "ALERT"])
        at = next(i for i, line in enumerate(lines) if line.endswith(BREAKER))
        self.assertRegex(lines[at], rf"^firing +critical +{since} +\S+ +1 +{BREAKER}$")
        self.assertEqual([line.strip() for line in lines[at + 1:at + 4]],
                         [f'breaker="bb_create", instance="{instance}", job="oxpecker"', firing["annotations"]["summary"],
                          'max by (job, instance, breaker) (orchestrator_breaker_state{state=~"open|half_open"}) == 1'])
        status, stdout, _ = run(OXPECKER, "alerts", "--output=json", f"--web.listen-address=127.0.0.1:{sidecar.port}")
        self.assertEqual(status, 0)
        self.assertIn(firing["labels"], [alert["labels"] for alert in json.loads(stdout)["data"]["alerts"]])
        self.assertGreaterEqual(sidecar.metrics()['oxpecker_alerts_active{severity="critical"}'], 1)
        written = sidecar.api("query", query=f'ALERTS{{alertname="{BREAKER}"}}')["data"]["result"]
        self.assertEqual([(s["metric"]["alertstate"], s["value"][1]) for s in written], [("firing", "1")])

        provider.clear()
        wait_for(lambda: not alerts(sidecar, BREAKER), what="an alert that is resolved")
        log = sidecar.logged()
        self.assertEqual(len(re.findall(rf'level=warning msg="an alert fires" alert={BREAKER} severity=critical value=1 ', log)), 1, log)
        self.assertEqual(len(re.findall(rf'level=info msg="an alert is resolved" alert={BREAKER} ', log)), 1, log)
        metrics = sidecar.metrics()
        self.assertGreater(metrics["oxpecker_rule_evaluations_total"], 25)
        self.assertEqual(metrics["oxpecker_rule_evaluation_failures_total"], 0, log)
        self.assertEqual(orchestrator.stop(), 0)


class Restart(unittest.TestCase):
    def sidecar(self, text, *flags):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="oxpecker-test-")))
        (directory / "r.yml").write_text(text)
        self.saved = directory / "storage/alerts.saved"
        return Sidecar(*EVERY_SECOND, f"--rule-files={directory / 'r.yml'}", *flags, storage=True, directory=directory)

    def keeps_its_time(self, end):
        """Each time is the sidecar's own: it evaluates when it can."""
        sidecar = self.sidecar(rules(always("Slow", 9)))
        with sidecar:
            pending = wait_for(lambda: one(sidecar, "Slow"), what="a pending alert")
            active = unix(pending["activeAt"])
            wait_for(lambda: self.saved.exists() and b'"pending"' in self.saved.read_bytes(), what="a saved alert")
            time.sleep(max(0, active + 3 - time.time()))
            end(sidecar)
            time.sleep(1)
            sidecar.start()
            wait_for(lambda: logged_at(sidecar, "restored the alerts of the last run"), what="restored alerts")
            self.assertEqual(wait_for(lambda: one(sidecar, "Slow"), what="the restored alert")["activeAt"], pending["activeAt"])
            firing = wait_for(lambda: one(sidecar, "Slow", "firing"), what="a firing alert")
            self.assertEqual(firing["activeAt"], pending["activeAt"])
            fired, (told,) = min(evaluated(sidecar, "Slow", "firing")), logged_at(sidecar, "an alert fires")
            self.assertGreaterEqual(fired, active + 9)
            self.assertGreaterEqual(told, active + 9)
            self.assertEqual([when for when in evaluated(sidecar, "Slow", "pending") if when >= active + 9], [], "it fires as soon as its time is over")
            wait_for(lambda: b'"firing"' in self.saved.read_bytes(), what="a saved alert that fires")
            # and it still fires after another one
            end(sidecar)
            sidecar.start()
            wait_for(lambda: one(sidecar, "Slow", "firing"), what="the restored alert")
            self.assertEqual(sidecar.logged().count('msg="an alert fires"'), 1, sidecar.logged())

    def test_a_stop_keeps_the_time_of_a_pending_alert(self):
        self.keeps_its_time(lambda sidecar: self.assertEqual(sidecar.stop(), 0))

    def test_kill_9_keeps_the_time_of_a_pending_alert(self):
        self.keeps_its_time(lambda sidecar: sidecar.kill())

    def test_nothing_fires_before_owners_are_back(self):
        sidecar = self.sidecar(rules(always("Held", 6)), "--orchestrator.reconnect-grace=1s", "--orchestrator.liveness=2m")
        started = b'{"v":1,"type":"orchestrator.started","boot":"b1","writer":"main"}\n'
        with sidecar, sidecar.connect() as owner:
            owner.sendall(started)
            wait_for(lambda: sidecar.json("/api/oxpecker/v1/writers")["total"] == 1, what="a writer")
            active = unix(wait_for(lambda: one(sidecar, "Held"), what="a pending alert")["activeAt"])
            wait_for(lambda: self.saved.exists() and b'"Held"' in self.saved.read_bytes(), what="a saved alert")
            sidecar.kill()
            sidecar.start()
            wait_for(lambda: one(sidecar, "Held"), what="the restored alert")
            # its time is over, the graces are not
            wait_for(lambda: [when for when in evaluated(sidecar, "Held", "pending") if when >= active + 8], what="an alert that is held")
            self.assertEqual(one(sidecar, "Held")["state"], "pending")
            back = time.time()
            with sidecar.connect() as again:
                again.sendall(started)
                wait_for(lambda: one(sidecar, "Held", "firing"), what="a firing alert once the owner is back")
                (fired,) = logged_at(sidecar, "an alert fires")
                self.assertGreater(fired, back)
                self.assertEqual(logged_at(sidecar, "orchestrator lost"), [])

    def test_an_owner_that_stays_away_holds_for_the_graces_only(self):
        sidecar = self.sidecar(rules(always("Held", 1)), "--orchestrator.reconnect-grace=1s", "--orchestrator.liveness=4s")
        with sidecar:
            with sidecar.connect() as owner:
                owner.sendall(b'{"v":1,"type":"orchestrator.started","boot":"b1","writer":"main"}\n')
                wait_for(lambda: sidecar.json("/api/oxpecker/v1/writers")["total"] == 1, what="a writer")
                sidecar.kill()
            sidecar.start()
            wait_for(lambda: one(sidecar, "Held", "firing"), what="a firing alert")
            restored, (lost,), (fired,) = (logged_at(sidecar, what) for what in ("ledger restored", "orchestrator lost", "an alert fires"))
            self.assertGreaterEqual(lost - restored[-1], 4.9)
            self.assertGreater(fired, lost)
            held = evaluated(sidecar, "Held", "pending")
            self.assertLessEqual(sum(when > lost for when in held), 5, "until what is so then was sampled and evaluated")

    def test_a_damaged_file_is_set_aside(self):
        sidecar = self.sidecar(rules(always("Slow", 60)))
        with sidecar:
            wait_for(lambda: one(sidecar, "Slow"), what="a pending alert")
            self.assertEqual(sidecar.stop(), 0)
            whole = self.saved.read_bytes()
            self.assertIn(b'"Slow"', whole)
            self.saved.write_bytes(whole.replace(b'"pending"', b'"firing"', 1))
            sidecar.start()
            wait_for(lambda: "set aside as alerts.saved.corrupt" in sidecar.logged(), what="a word about the damaged file")
            self.assertTrue(self.saved.with_suffix(".saved.corrupt").exists())
            wait_for(lambda: one(sidecar, "Slow", "pending"), what="an alert that begins anew")

    def test_a_full_disk_is_said_and_made_up_for(self):
        sidecar = self.sidecar(rules(always("Slow", 60)))
        fresh = self.saved.with_suffix(".saved.new")
        with sidecar:
            wait_for(self.saved.exists, what="a saved state")
            wait_for(lambda: one(sidecar, "Slow"), what="a pending alert")
            wait_for(lambda: b'"Slow"' in self.saved.read_bytes(), what="a saved alert")
            fresh.mkdir()  # it cannot be made any more
            before = self.saved.read_bytes()
            (self.saved.parent.parent / "r.yml").write_text(rules(always("Slow", 60), always("Other", 60)))
            sidecar.send_signal(signal.SIGHUP)
            wait_for(lambda: "the state of alerts was not saved" in sidecar.logged(), what="a word about it")
            self.assertEqual(self.saved.read_bytes(), before)
            self.assertGreaterEqual(sidecar.metrics()["oxpecker_storage_failures_total"], 1)
            fresh.rmdir()
            wait_for(lambda: b'"Other"' in self.saved.read_bytes(), what="what was not saved before")


class Files(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="oxpecker-test-")))

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def start(self, *flags, config=None):
        return self.enterContext(Sidecar(*EVERY_SECOND, *flags, config=config, directory=self.directory))

    def refused(self, *flags, config=None):
        """What a start says that is refused."""
        more = []
        if config is not None:
            more = [f"--config.file={self.write('oxpecker.yml', config)}"]
        done = subprocess.run([str(OXPECKER), "--web.listen-address=127.0.0.1:0", "--events.listen-unix=", *flags, *more], capture_output=True,
                              text=True, timeout=60, env=no_proxy_environment(), check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        return done.stderr.splitlines()[-1]

    def test_reload(self):
        path = self.write("r.yml", rules(always("One", 60)))
        sidecar = self.start("--web.enable-lifecycle", f"--rule-files={path}")
        first = wait_for(lambda: one(sidecar, "One"), what="a pending alert")
        # another rule beside it: the first keeps its state
        path.write_text(rules(always("One", 60), always("Two", 60)))
        self.assertEqual(sidecar.request("/-/reload", "POST")[0], 200)
        wait_loaded(sidecar, "One", "Two")
        wait_for(lambda: one(sidecar, "Two"), what="the second alert")
        self.assertEqual(one(sidecar, "One")["activeAt"], first["activeAt"])
        # a file that is wrong: the old rules stay, the reason is told
        path.write_text(rules(always("One", 60), always("Three", 60, expr="rate(up)")))
        status, _, body = sidecar.request("/-/reload", "POST")
        self.assertEqual(status, 500)
        self.assertRegex(body.decode(), rf'{path}:11:\d+: .*rule 2, .*Three')
        self.assertEqual(sidecar.metrics()["oxpecker_config_last_reload_successful"], 0)
        sidecar.send_signal(signal.SIGHUP)
        wait_for(lambda: sidecar.logged().count("reload failed; the old configuration stays") == 2, what="two refused reloads")
        self.assertEqual(rule_names(sidecar), ["One", "Two"])
        time.sleep(1.1)
        self.assertEqual(one(sidecar, "One")["activeAt"], first["activeAt"])
        # and mended
        path.write_text(rules(always("One", 60), always("Three", 60)))
        sidecar.send_signal(signal.SIGHUP)
        wait_loaded(sidecar, "One", "Three")
        self.assertEqual(one(sidecar, "One")["activeAt"], first["activeAt"])
        wait_for(lambda: one(sidecar, "Three"), what="the third alert")
        self.assertEqual(alerts(sidecar, "Two"), [])
        self.assertEqual(sidecar.metrics()["oxpecker_config_last_reload_successful"], 1)

    def test_the_interval_is_reloaded(self):
        self.write("r.yml", rules(always("One", 60)).replace("    interval: 1s\n", ""))
        config = "storage: {sample_interval: 1s}\nglobal: {evaluation_interval: %s}\nrule_files: [r.yml]\n"
        sidecar = self.enterContext(Sidecar(config=config % "1h", directory=self.directory))
        intervals = lambda: [group["interval"] for group in sidecar.json("/api/v1/rules")["data"]["groups"]]
        self.assertEqual(intervals(), [3600])
        sidecar.config.write_text(config % "1s")
        sidecar.send_signal(signal.SIGHUP)
        wait_for(lambda: intervals() == [1], what="the new interval")
        wait_for(lambda: one(sidecar, "One"), what="an evaluation")

    def test_names(self):
        self.write("a.yml", rules(always("A", 60)))
        self.write("rules/b.yml", rules(always("B", 60)))
        self.write("rules/c.yml", rules(always("C", 60)))
        self.write("rules/d.txt", "no rules")
        sidecar = self.start(config="rule_files: [a.yml, \"rules/*.yml\", rules/b.yml, \"none/*.yml\"]\n")
        self.assertEqual(rule_names(sidecar), ["A", "B", "C"])
        self.assertEqual([g["file"] for g in sidecar.json("/api/v1/rules")["data"]["groups"]],
                         [f"{self.directory}/{name}" for name in ("a.yml", "rules/b.yml", "rules/c.yml")])
        self.assertIn('msg="no rule file has such a name"', sidecar.logged())

    def test_an_empty_list_is_no_rules(self):
        sidecar = self.start(config="rule_files: []\n")
        self.assertEqual(rule_names(sidecar), [])
        self.assertEqual(run(OXPECKER, "alerts", f"--server={sidecar.url('')}")[:2], (0, "nothing fires and nothing is pending (0 alerting rules)\n"))

    def test_the_shipped_rules_are_the_default(self):
        sidecar = self.start()
        names = rule_names(sidecar)
        self.assertEqual((len(names), sum(name.startswith("Orchestrator") for name in names)), (25, 15))
        installed = self.directory / "usr"
        (installed / "bin").mkdir(parents=True)
        (installed / "share/oxpecker/rules").mkdir(parents=True)
        shutil.copy(OXPECKER, installed / "bin/oxpecker")
        shutil.copy(SHIPPED, installed / "share/oxpecker/rules")
        other = Sidecar(directory=self.directory / "usr")
        other.command = lambda: [str(installed / "bin/oxpecker"), *Sidecar.command(other)[1:]]
        with other:
            self.assertEqual({g["file"] for g in other.json("/api/v1/rules")["data"]["groups"]},
                             {f"{installed.resolve()}/share/oxpecker/rules/orchestrator.yml"})

    def test_faults_at_start(self):
        bad = self.write("bad.yml", rules(always("A", 60, expr="rate(up)")))
        self.assertRegex(self.refused(f"--rule-files={bad}"), rf'^oxpecker: {bad}:6:\d+: group "g", rule 1, "A": could not parse expression: ')
        self.assertRegex(self.refused(config="rule_files: [bad.yml]\n"), rf"^oxpecker: {bad}:6:\d+: ")
        self.assertEqual(self.refused("--rule-files=/nowhere/r.yml"),
                         "oxpecker: the file /nowhere/r.yml cannot be read: No such file or directory")
        far = self.write("far.yml", rules(always("A", 60, expr="rate(up[2h])")))
        said = self.refused(f"--rule-files={far}")
        self.assertRegex(said, rf'^oxpecker: {far}:5:\d+: group "g", rule 1, "A": looks back 2h5m .*samples are kept for 1h5m \(--storage.retention\)')
        sidecar = self.start(f"--rule-files={far}", "--storage.retention=2h")
        self.assertEqual(rule_names(sidecar), ["A"])

    def test_templates_know_where_they_are(self):
        self.write("r.yml", rules("      - alert: A\n        expr: vector(1)\n        annotations: {url: '{{ $externalURL }}', replica: "
                                  "'{{ $externalLabels.replica }}'}\n"))
        config = "external_labels: {replica: r1}\nrule_files: [r.yml]\nweb: {external_url: \"%s\"}\nstorage: {sample_interval: 1s}\n"
        sidecar = self.enterContext(Sidecar(config=config % "", directory=self.directory))
        alert = wait_for(lambda: one(sidecar, "A"), what="an alert")
        self.assertRegex(alert["annotations"]["url"], rf"^http://[^/]+:{sidecar.port}$")
        self.assertEqual(alert["annotations"]["replica"], "r1")
        sidecar.config.write_text(config % "https://o.example/x")
        sidecar.send_signal(signal.SIGHUP)
        wait_for(lambda: one(sidecar, "A")["annotations"]["url"] == "https://o.example/x", what="the new URL")

    def test_a_rule_that_fails_is_told_once(self):
        path = self.write("r.yml", rules("      - record: twice\n        expr: label_replace({__name__=~'oxpecker_storage_.*'}, 'x', '', '', '') + on () "
                                         "oxpecker_series_limit\n", always("Good", 60)))
        sidecar = self.start(f"--rule-files={path}")
        wait_for(lambda: sidecar.metrics()["oxpecker_rule_evaluation_failures_total"] >= 3, what="failures")
        failed = sidecar.json("/api/v1/rules?rule_name[]=twice")["data"]["groups"][0]["rules"][0]
        self.assertEqual(failed["health"], "err")
        self.assertTrue(failed["lastError"])
        self.assertIsNotNone(one(sidecar, "Good"))
        self.assertEqual(sidecar.logged().count("about the evaluation of rules"), 1, sidecar.logged())


class Command(unittest.TestCase):
    def test_what_it_takes(self):
        for words, message in (("x",), "it takes flags only"), (("--output=xml",), "--output must be table or json"), (("--server",), "--server needs a value"):
            with self.subTest(words=words):
                status, stdout, stderr = run(OXPECKER, "alerts", *words)
                self.assertEqual((status, stdout, stderr), (1, "", f"oxpecker alerts: {message}\n"))
        status, stdout, stderr = run(OXPECKER, "alerts", "--server=127.0.0.1:1")
        self.assertEqual((status, stdout), (1, ""))
        self.assertIn("oxpecker alerts: http://127.0.0.1:1/api/v1/rules?type=alert: ", stderr)


if __name__ == "__main__":
    unittest.main()
