"""A message that fails while others get through, and a receiver that fails them all: rules 5 and 8 of alerts/delivery/courier.h, and
`oxpecker outbox`, with the real sidecar and the times that it has. Half an hour of trouble, and more, pass at once: see skip_time.c."""
import json
import mmap
import pathlib
import shutil
import struct
import subprocess
import threading
import unittest

import test_delivery
from harness import OXPECKER, Sidecar, run, wait_for
from test_delivery import notifications

STEP = 600  # seconds: no message waits longer for its next try, and no breaker
TRIES = 10  # OXP_COURIER_OWN_TRIES_MAX
# One evaluation at each step, so that no rule sees a gap; it sees what was sampled before the step.
FLAGS = ("--storage.sample-interval=1s", f"--global.evaluation-interval={STEP}s", f"--query.lookback-delta={2 * STEP}s", "--storage.instance=here")
RULES = """groups:
- name: g
  rules:
  - {alert: Bad, expr: '{__name__=~"orchestrator_app_bad.*"} == 1', labels: {severity: critical}}
  - {alert: Good, expr: '{__name__=~"orchestrator_app_good.*"} == 1', labels: {severity: info}}
"""
CONFIG = """rule_files: [r.yml]
alerting:
  route: {receiver: oncall, group_by: [alertname, item], group_wait: 1ms, repeat_interval: 7d}
  receivers: [{name: oncall, webhook_configs: [%s]}]
"""


class Picky(test_delivery.Webhook):
    """Keeps what it takes. To messages about `bad` items it answers 500, or nothing where it hangs on them, until it is `well`; to all
    while it is `down`."""

    def __init__(self, bad=(), hangs=False):
        super().__init__()
        self.bad, self.hangs_on, self.well, self.down = bad, hangs, threading.Event(), threading.Event()
        self.timeout = "500ms" if hangs else "60s"

    def answer(self, path, payload):
        name = payload["groupLabels"]["item"]
        if self.down.is_set() or name in self.bad and not self.well.is_set():
            if self.hangs_on:
                self.well.wait(60)
            return 500, f"cannot read {name}".encode()
        return super().answer(path, payload)

    def has(self, name):
        return name in [body["groupLabels"]["item"] for body in self.told("firing")]


@unittest.skipUnless(shutil.which("cc"), "no cc")
class Case(test_delivery.Case):
    def setUp(self):
        super().setUp()
        self.rules.write_text(RULES)
        library, clock = self.directory / "skip_time.so", self.directory / "skipped"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, pathlib.Path(__file__).with_name("skip_time.c"), "-ldl"], check=True)
        clock.write_bytes(bytes(mmap.PAGESIZE))
        self.clock = self.enterContext(clock.open("r+b", buffering=0))
        self.skipped = 0
        self.environment = {"LD_PRELOAD": str(library), "SKIP_TIME": str(clock)}

    def skip(self, seconds):
        self.skipped += seconds
        self.clock.seek(0)
        self.clock.write(struct.pack("=q", self.skipped * 10**9))

    def start(self, *webhooks):
        """A sidecar that tells these; a webhook is called by its place, hook0."""
        listed = ", ".join(f'{{name: hook{place}, url: "{webhook.url("/hook")}", timeout: {webhook.timeout}}}' for place, webhook in enumerate(webhooks))
        self.sidecar = self.enterContext(Sidecar(*FLAGS, storage=True, config=CONFIG % listed, directory=self.directory, environment=self.environment))

    def outbox(self, *words):
        """What `oxpecker outbox` prints, which must be well."""
        status, printed, errors = run(OXPECKER, "outbox", *words, f"--storage.path={self.directory / 'storage'}", **self.environment)
        self.assertEqual((status, errors), (0, ""))
        return printed

    def fire(self, *names):
        """An alert for each item, put for each hook; and all that waits is due."""
        for name in names:
            self.sidecar.write({"type": "metric", "kind": "gauge", "name": name, "value": 1, "labels": {"item": name}})
        self.skip(2)
        seen = 'count({__name__=~"orchestrator_app_(%s)"} == 1)' % "|".join(names)
        wait_for(lambda: [r["value"][1] for r in self.sidecar.api("query", query=seen)["data"]["result"]] == [str(len(names))], what=f"{names} sampled")
        self.skip(STEP)
        wait_for(lambda: all(self.message(hook, name) for hook in ("hook0", "hook1") for name in names), what=f"messages about {names}")

    def message(self, hook, name):
        """The newest about an item."""
        found = [n for n in notifications(self.sidecar, f"?limit=1000&receiver=oncall/webhook/{hook}")["notifications"] if f'"{name}"' in n["group"]]
        return found[0] if found else None

    def state(self, hook, name):
        return (self.message(hook, name) or {"state": ""})["state"]

    def tries(self, hook, name):
        return (self.message(hook, name) or {"tries": 0})["tries"]

    def receiver(self, hook):
        return next(r for r in notifications(self.sidecar)["receivers"] if r["receiver"] == f"oncall/webhook/{hook}")

    def aside(self):
        return notifications(self.sidecar, "?state=set_aside")["notifications"]


class Poison(Case):
    BAD = tuple(f"bad_{place}" for place in range(6))  # more than what opens the breaker

    def test_they_are_set_aside_and_sent_again_by_hand(self):
        answers, hangs = self.enterContext(Picky(self.BAD)), self.enterContext(Picky(self.BAD[:1], hangs=True))
        self.failing = {("hook0", name): "HTTP 500: cannot read " + name for name in self.BAD} | {("hook1", self.BAD[0]): "no answer: "}
        self.start(answers, hangs)
        self.fire(*self.BAD)
        wait_for(lambda: self.receiver("hook0")["breaker"] == "open", what="what looks like a receiver that is down")
        goods = self.others_get_through_until_they_are_aside()
        for which in self.failing:  # the first failure is not known to be its own
            self.assertGreater(self.tries(*which), TRIES)
        sent = {"hook0": len(goods), "hook1": len(goods) + len(self.BAD) - 1}
        self.assertEqual({hook: self.receiver(hook)["sent"] for hook in sent}, sent)
        self.assertEqual({hook: self.receiver(hook)["refused"] for hook in sent}, {"hook0": len(self.BAD), "hook1": 1})
        self.look_at_what_is_aside()
        self.send_again(answers, hangs)

    def others_get_through_until_they_are_aside(self):
        """One more alert each time, and the bad ones, which are critical, are due when it comes. Gives the names of the others."""
        goods, rests = [], []
        while {self.state(*which) for which in self.failing} != {"set_aside"}:
            self.assertLess(len(goods), 4 * TRIES, "they are not set aside")
            goods.append(f"good_{len(goods)}")
            self.fire(goods[-1])
            for hook in ("hook0", "hook1"):
                while self.state_at_rest(hook, goods[-1]) != "sent":
                    rests.append((hook, len(goods)))
                    self.skip_rest(hook)
        # From its third own failure on a message is not tried before the next alert comes; and those do not make the receiver look down.
        self.assertLess(max((place for hook, place in rests if hook == "hook0"), default=0), len(goods) - 5)
        return goods

    def skip_rest(self, hook):
        """The minute for which a receiver is left alone at most; until it has been asked."""
        asked = lambda: sum(self.receiver(hook)[key] for key in ("sent", "failed", "refused"))
        before = asked()
        self.skip(60)
        wait_for(lambda: asked() > before, what=f"a try at {hook}")

    def state_at_rest(self, hook, name):
        """When it was sent, or its receiver is left alone for now."""
        wait_for(lambda: self.state(hook, name) == "sent" or self.receiver(hook)["breaker"] == "open", what=f"{name} delivered to {hook}")
        return self.state(hook, name)

    def look_at_what_is_aside(self):
        found = {which: self.message(*which) for which in self.failing}
        for which, why in self.failing.items():
            self.assertIn(f"{TRIES} tries failed while others were delivered; the last one: {why}", found[which]["answer"])
        self.assertEqual({n["id"] for n in self.aside()}, {n["id"] for n in found.values()})
        listed = self.outbox("list", "--state=set_aside").splitlines()[1:]
        rows = {line.split()[0]: (line.split(), why.strip()) for line, why in zip(listed[::2], listed[1::2])}
        self.assertEqual(set(rows), {str(n["id"]) for n in found.values()})
        for n in found.values():
            row, why = rows[str(n["id"])]
            self.assertEqual(row[1:3] + row[4:6], ["set_aside", "critical", str(n["tries"]), n["receiver"]])
            self.assertEqual(why, n["answer"])
            self.assertRegex(self.sidecar.logged(), r'level=error .*msg="a receiver refuses a message; it is set aside \(oxpecker outbox list\)".* id=%d ' % n["id"])
        n = found["hook0", self.BAD[0]]
        shown = json.loads(self.outbox("show", str(n["id"]), "--output=json"))
        self.assertEqual((shown["state"], shown["answer"]), ("set_aside", n["answer"]))
        self.assertIn(f'"item":"{self.BAD[0]}"', shown["content"])

    def send_again(self, answers, hangs):
        bad = self.BAD[0]
        one = self.message("hook0", bad)["id"]
        answers.well.set()
        hangs.well.set()
        self.assertEqual(self.outbox("retry", str(one)), "1 message is sent again\n")
        wait_for(lambda: answers.has(bad), what="the message that was sent by hand")
        self.assertEqual(len(self.aside()), len(self.failing) - 1)
        self.assertEqual(self.outbox("retry", "--receiver=oncall/webhook/hook0"), f"{len(self.BAD) - 1} messages are sent again\n")
        self.assertEqual(self.outbox("retry", "--all"), "1 message is sent again\n")
        wait_for(lambda: all(answers.has(name) for name in self.BAD) and hangs.has(bad), what="the others")
        wait_for(lambda: {self.state(*which) for which in self.failing} == {"sent"}, what="all of them sent")
        self.assertEqual(self.message("hook0", bad)["id"], one)
        self.assertEqual(self.aside(), [])


class Down(Case):
    def await_failures(self, failed):
        """More than so many, and that each is left alone for now."""
        for hook, count in failed.items():
            wait_for(lambda hook=hook, count=count: self.receiver(hook)["failed"] > count and self.receiver(hook)["breaker"] == "open", what=f"more failures of {hook}")

    def test_nothing_is_set_aside_by_a_receiver_that_is_wholly_down(self):
        """For longer than a poison would have lasted; although others had been delivered before."""
        gone, failing = Picky(), self.enterContext(Picky())
        self.start(gone, failing)
        self.fire("good_0")
        wait_for(lambda: self.state("hook1", "good_0") == "sent", what="the one before")
        failing.down.set()
        waiting = [("hook0", "good_0"), *((hook, name) for hook in ("hook0", "hook1") for name in ("good_1", "good_2"))]
        self.fire("good_1", "good_2")
        self.await_failures({"hook0": 4, "hook1": 4})
        while min(self.tries(*which) for which in waiting) <= TRIES + 2:
            self.assertLess(self.skipped, 200 * STEP, "the receivers are not asked any more")
            failed = {hook: self.receiver(hook)["failed"] for hook in ("hook0", "hook1")}
            self.skip(STEP)
            self.await_failures(failed)
            self.assertEqual(self.aside(), [])
        self.assertEqual([self.state(*which) for which in waiting], ["waiting"] * len(waiting))
        self.assertEqual(self.message("hook1", "good_1")["answer"], "HTTP 500: cannot read good_1")
        self.enterContext(gone)
        failing.down.clear()
        self.skip(STEP)
        wait_for(lambda: [self.state(*which) for which in waiting] == ["sent"] * len(waiting), what="all of them, when it is back")
        self.assertEqual([name for name in ("good_1", "good_2") if not (gone.has(name) and failing.has(name))], [])
        self.assertEqual(len(self.outbox("list", "--state=set_aside").splitlines()), 1)
        self.assertEqual([self.receiver(hook)["refused"] for hook in ("hook0", "hook1")], [0, 0])


if __name__ == "__main__":
    unittest.main()
