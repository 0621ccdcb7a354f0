"""The same rule file in the sidecar and in a Prometheus that scrapes it, while a provider fails: the same alerts go pending, fire and are resolved,
within one interval of each other, with the same labels and annotations; and both show the same rules."""
import pathlib
import re
import shutil
import tempfile
import time
import unittest

from harness import Prometheus, Sidecar, free_port, wait_for
from test_orchestrator import Case, Orchestrator, QUICK_PROVIDER
from test_rules import BREAKER, EVERY_SECOND, SHIPPED, unix
from provider.process import Provider

INTERVAL = 1.0
# When the two see the same thing. Both scrape each second, but not at the same moment; and both evaluate each second, at moments of the second
# that they draw from the names of file and group, each with its own hash. So one may see a change a scrape and an evaluation before the other.
APART = 2 * INTERVAL
# An increase is extrapolated from where in its window the samples happen to lie (and 2.42's windows take in both ends): it passes a threshold a scrape
# earlier or later.
OF_A_RATE = INTERVAL
POLL = 0.2  # and how long after it happened it is seen here
JOB = "oxpecker"


class FixedSidecar(Sidecar):
    """One on a port that is known beforehand, so that its instance label can be Prometheus'."""

    def __init__(self, port, *flags, **more):
        self.fixed = f"127.0.0.1:{port}"
        super().__init__(f"--storage.instance={self.fixed}", f"--orchestrator.service={JOB}", *flags, **more)

    def command(self):
        return [word.replace("127.0.0.1:0", self.fixed) if "listen-address" in word else word for word in super().command()]


class RulingPrometheus(Prometheus):
    def __init__(self, target, rule_file):
        super().__init__([target])
        path = self.directory / "prometheus.yml"
        text = path.read_text().replace("global: {scrape_interval: 1s}", "global: {scrape_interval: 1s, evaluation_interval: 1s}")
        path.write_text(text + f"rule_files: ['{rule_file}']\n")


def short(path):
    """The shipped rules, every `for` of them two seconds and every group each second: nobody waits minutes here."""
    text = re.sub(r"(?m)^( +for: )\S+$", r"\g<1>2s", SHIPPED.read_text())
    path.write_text(re.sub(r"(?m)^( +interval: )\S+$", r"\g<1>1s", text))
    return path


def key(alert):
    return tuple(sorted(alert["labels"].items()))


class Watch:
    """What one of the two has shown: for each alert when it became active, when it was first seen firing, when it was gone, its annotations."""

    def __init__(self, ask):
        self.ask, self.seen, self.polled = ask, {}, []

    def look(self):
        now = time.time()
        answer = self.ask()
        present = set()
        for alert in answer["data"]["alerts"]:
            present.add(key(alert))
            spell = self.seen.setdefault(key(alert), [])
            if not spell or spell[-1]["gone"] is not None:
                spell.append({"active": unix(alert["activeAt"]), "firing": None, "gone": None, "annotations": {}})
            if alert["state"] == "firing" and spell[-1]["firing"] is None:
                spell[-1]["firing"] = now
            spell[-1]["annotations"] = alert["annotations"]
        for name, spells in self.seen.items():
            if name not in present and spells[-1]["gone"] is None:
                spells[-1]["gone"] = now
        return present

    def fired(self):
        """{labels: the first time that it fired}"""
        return {name: next(spell for spell in spells if spell["firing"]) for name, spells in self.seen.items() if any(s["firing"] for s in spells)}


def without_figures(annotations):
    """Values of a rate differ by the moment that they are taken at."""
    return {name: re.sub(r"(?<![\w.:])\d+(\.\d+)?", "#", text) for name, text in annotations.items()}


def shape(value):
    """Keys and types; lists by their first element."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return float if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)


@unittest.skipUnless(shutil.which("prometheus"), "prometheus is not installed")
class BesidePrometheus(Case):
    def test_the_same_alerts_at_the_same_time(self):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        rules = short(directory / "rules.yml")
        port = free_port()
        sidecar = self.enterContext(FixedSidecar(port, *EVERY_SECOND, f"--rule-files={rules}", storage=True))
        prometheus = self.enterContext(RulingPrometheus(f"127.0.0.1:{port}", rules))
        provider = self.enterContext(Provider(*QUICK_PROVIDER, key="bb_live_of_this_test"))
        orchestrator = self.enterContext(Orchestrator(sidecar, provider))
        self.addCleanup(self.check_events, sidecar)
        prometheus.wait_ready()
        # Both see everything from the first session on: what Prometheus had not scraped yet would weigh in the sidecar's rates alone.
        wait_for(lambda: prometheus.value("up"), 30, "a first scrape")
        orchestrator.start("--rounds=forever", "--sessions=2", "--breaker=failure_threshold=2", "--breaker=open_s=1")
        wait_for(lambda: prometheus.value("sum(orchestrator_tasks_ended_total)"), 30, "tasks in Prometheus")
        ours, theirs = Watch(lambda: sidecar.api("alerts")), Watch(lambda: prometheus.api("alerts"))

        def watch(seconds, until=lambda: False):
            end = time.monotonic() + seconds
            while time.monotonic() < end and not until():
                ours.look()
                theirs.look()
                time.sleep(POLL / 2)

        watch(3)
        provider.fault({"where": "create", "kind": "503", "probability": 1})
        watch(12)
        self.compare_rules(sidecar, prometheus)
        provider.clear()
        is_breaker = lambda name: ("alertname", BREAKER) in name
        watch(20, lambda: not any(is_breaker(name) for watching in (ours, theirs) for name in watching.look()))
        watch(4)
        self.compare_alerts(ours, theirs, time.time())
        self.assertEqual(orchestrator.stop(), 0)

    def compare_alerts(self, ours, theirs, end):
        here, there = ours.fired(), theirs.fired()
        late = end - APART - OF_A_RATE - POLL  # what one saw fire only now the other may see after the end
        for name, spell in (*here.items(), *there.items()):
            if spell["firing"] < late:
                self.assertIn(name, here)
                self.assertIn(name, there)
        breakers = [name for name in here if ("alertname", BREAKER) in name]
        self.assertTrue(breakers, "a breaker's alert fired")
        for name in set(here) & set(there):
            with self.subTest(alert=dict(name)["alertname"]):
                one, other, of_breaker = here[name], there[name], name in breakers
                apart = {what: abs(one[what] - other[what]) for what in ("active", "firing", "gone") if one[what] and other[what]}
                print(f"\n{dict(name)['alertname']} {dict(name).get('breaker', '')}: "
                      + ", ".join(f"{what} {seconds:.2f} s" for what, seconds in apart.items()) + " apart", end="")
                for what, seconds in apart.items():
                    self.assertLessEqual(seconds, APART + (0 if of_breaker else OF_A_RATE) + (0 if what == "active" else POLL), what)
                self.assertEqual(without_figures(one["annotations"]), without_figures(other["annotations"]))
                if of_breaker:
                    self.assertIn("gone", apart)
                    self.assertEqual(one["annotations"], other["annotations"])

    def compare_rules(self, sidecar, prometheus):
        """The answers of /api/v1/rules: all that does not depend on the moment is the same."""
        here, there = sidecar.api("rules")["data"]["groups"], prometheus.api("rules")["data"]["groups"]
        moving = ("evaluationTime", "lastEvaluation", "state", "alerts")
        self.assertEqual([group["name"] for group in here], [group["name"] for group in there])
        with_alerts = 0
        for one, other in zip(here, there):
            self.assertEqual(list(one), list(other))
            self.assertEqual({k: v for k, v in one.items() if k not in (*moving, "rules")}, {k: v for k, v in other.items() if k not in (*moving, "rules")})
            self.assertEqual(len(one["rules"]), len(other["rules"]))
            for rule, their_rule in zip(one["rules"], other["rules"]):
                with self.subTest(rule=rule["name"]):
                    if not rule["labels"] and "labels" not in their_rule:
                        rule = {k: v for k, v in rule.items() if k != "labels"}  # 2.42 leaves out what is empty of a recording rule
                    self.assertEqual(list(rule), list(their_rule))
                    self.assertEqual({k: v for k, v in rule.items() if k not in moving}, {k: v for k, v in their_rule.items() if k not in moving})
                    self.assertEqual(shape(rule["lastEvaluation"]), shape(their_rule["lastEvaluation"]))
                    if rule.get("alerts") and their_rule.get("alerts"):
                        with_alerts += 1
                        alert, their_alert = rule["alerts"][0], their_rule["alerts"][0]
                        self.assertEqual(list(alert), list(their_alert))
                        self.assertEqual({k: shape(v) for k, v in alert.items() if k not in ("labels", "annotations")},
                                         {k: shape(v) for k, v in their_alert.items() if k not in ("labels", "annotations")})
        self.assertGreater(with_alerts, 0)
        faults = [("rules", {"type": "x"}), ("rules", {"match[]": "{}"})]
        for path, arguments in faults:
            one, other = sidecar.api(path, **arguments), prometheus.api(path, **arguments)
            if path == "rules" and "match[]" in arguments and other["status"] == "success":
                continue  # 2.42 does not look at match[]
            self.assertEqual(one, other)


if __name__ == "__main__":
    unittest.main()
