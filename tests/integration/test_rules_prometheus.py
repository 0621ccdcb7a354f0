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
POLL = 0.1
JOB = "oxpecker"
TICK = "test:tick"  # recorded at each evaluation


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
    """The shipped rules, every `for` of them two seconds and every group each second: nobody waits minutes here. And a group that tells when
    rules were evaluated."""
    text = re.sub(r"(?m)^( +for: )\S+$", r"\g<1>2s", SHIPPED.read_text())
    text = re.sub(r"(?m)^( +interval: )\S+$", r"\g<1>1s", text)
    path.write_text(f"{text}\n  - name: ticks\n    interval: 1s\n    rules:\n      - record: {TICK}\n        expr: vector(1)\n")
    return path


def key(alert):
    return tuple(sorted(alert["labels"].items()))


class Watch:
    """What one of the two has shown: for each alert when it became active, whether it fired, its annotations."""

    def __init__(self, ask):
        self.ask, self.seen = ask, {}

    def look(self):
        answer = self.ask("alerts")
        present = {}
        for alert in answer["data"]["alerts"]:
            present[key(alert)] = alert["state"]
            spells = self.seen.setdefault(key(alert), [])
            if not spells or spells[-1]["active"] != unix(alert["activeAt"]):
                spells.append({"active": unix(alert["activeAt"]), "fires": False})
            spells[-1]["fires"] |= alert["state"] == "firing"
            spells[-1]["annotations"] = alert["annotations"]
        return present

    def fires(self):
        """Whether a breaker's alert fires now."""
        return any(state == "firing" and is_breaker(name) for name, state in self.look().items())

    def samples(self, selector):
        """{labels: times} of what it recorded."""
        answer = self.ask("query", query=f"{selector}[10m]")
        return {tuple(sorted((k, v) for k, v in s["metric"].items() if k not in ("__name__", "alertstate"))): [float(when) for when, _ in s["values"]]
                for s in answer["data"]["result"]}

    def gaps(self):
        """[(since, until)] where it should have scraped, or evaluated, and did not: a busy machine lets it wait."""
        return [(a + INTERVAL, b) for what in ("up", TICK) for times in self.samples(what).values() for a, b in zip(times, times[1:])
                if b > a + 1.01 * INTERVAL]

    def fired(self, pause):
        """{labels: the first time that it fired}, by the times of its own evaluations; what is not recorded for longer than `pause` is gone."""
        found = {}
        for name, times in self.samples('ALERTS{alertstate="firing"}').items():
            last = next((a for a, b in zip(times, times[1:]) if b - a > pause), times[-1])
            spells = [spell for spell in self.seen.get(name, []) if spell["fires"] and spell["active"] <= times[0]]
            if spells:
                found[name] = {"active": spells[-1]["active"], "firing": times[0], "gone": last + INTERVAL, "annotations": spells[-1]["annotations"]}
        return found


def is_breaker(name):
    return ("alertname", BREAKER) in name


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
        wait_for(lambda: prometheus.value("up"), what="a first scrape")
        orchestrator.start("--rounds=forever", "--sessions=2", "--breaker=failure_threshold=2", "--breaker=open_s=1")
        wait_for(lambda: prometheus.value("sum(orchestrator_tasks_ended_total)"), what="tasks in Prometheus")
        ours, theirs = Watch(sidecar.api), Watch(prometheus.api)

        def watch(seconds, until=lambda: False):
            end = time.monotonic() + seconds
            while time.monotonic() < end and not until():
                ours.look()
                theirs.look()
                time.sleep(POLL)

        watch(3)
        provider.fault({"where": "create", "kind": "503", "probability": 1})
        watch(12)
        watch(60, lambda: ours.fires() and theirs.fires())
        self.compare_rules(sidecar, prometheus)
        provider.clear()
        is_over = lambda: not any(is_breaker(name) for watching in (ours, theirs) for name in watching.look())
        watch(60, is_over)
        watch(4)
        self.assertTrue(is_over(), "a breaker's alert is over")
        self.compare_alerts(ours, theirs, time.time())
        self.assertEqual(orchestrator.stop(), 0)

    def compare_alerts(self, ours, theirs, end):
        gaps = ours.gaps() + theirs.gaps()

        def apart_at_most(one, other):
            """What is seen at these two times: what happens in a gap is seen behind it."""
            return APART + sum(until - since for since, until in gaps if until > min(one, other) - APART and since < max(one, other) + APART)
        longest = max((until - since for since, until in gaps), default=0)
        print(f"\n{len(gaps)} gaps, of {longest:.2f} s at most", end="")
        here, there = (watching.fired(1.5 * INTERVAL + longest) for watching in (ours, theirs))
        late = end - apart_at_most(end, end) - OF_A_RATE - INTERVAL  # what one saw fire only now the other may see after the end
        for name, spell in (*here.items(), *there.items()):
            if spell["firing"] < late:
                self.assertIn(name, here)
                self.assertIn(name, there)
        breakers = [name for name in here if is_breaker(name)]
        self.assertTrue(breakers, "a breaker's alert fired")
        for name in set(here) & set(there):
            with self.subTest(alert=dict(name)["alertname"]):
                one, other, of_breaker = here[name], there[name], name in breakers
                is_gone = of_breaker or max(one["gone"], other["gone"]) < late
                compared = ("active", "firing", "gone") if is_gone else ("active", "firing")
                print(f"\n{dict(name)['alertname']} {dict(name).get('breaker', '')}: "
                      + ", ".join(f"{what} {abs(one[what] - other[what]):.2f} s" for what in compared) + " apart", end="")
                for what in compared:
                    self.assertLessEqual(abs(one[what] - other[what]), apart_at_most(one[what], other[what]) + (0 if of_breaker else OF_A_RATE), what)
                self.assertEqual(without_figures(one["annotations"]), without_figures(other["annotations"]))
                if of_breaker:
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
