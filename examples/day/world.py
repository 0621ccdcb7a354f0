"""Makes the events of a day: a generator of (seconds of the day, writer, event), in order of time and the same for the same seed.

An event is a dict as docs/events.md has it, without `ts`; `ago` in it holds times as seconds before the event, which day.py turns into
unix times. None in place of an event: the writer's connection is cut. A writer's first event after that is orchestrator.started."""
import heapq
import itertools
import math
import random
import uuid

import plan
from plan import DAY, HOUR, MAIN, WORKERS, WRITERS
from work import Run

MINUTE = 60.0
BREAKERS = ("bb_create", "bb_api", "llm")
VERSIONS = ("2.14.0", "2.15.0")
CREATE_REFUSED = {"op": "session.create", "upstream": "browserbase", "status": 429,
                  "message": f"max concurrent sessions exceeded (limit {plan.LIMIT}, currently {plan.LIMIT})"}


class World:
    def __init__(self, seed=1, name="day", beat_s=10, episodes=plan.EPISODES):
        """`name` goes into the ids, so that two days with one seed are not taken for one; `beat_s` seconds lie between heartbeats."""
        self.rng, self.ids = random.Random(f"day {seed}"), random.Random(f"ids {seed} {name}")
        self.beat_s, self.episodes = beat_s, episodes
        self.heap, self.order = [], itertools.count()
        self.boots, self.born, self.seq, self.version = {}, {}, {}, VERSIONS[0]
        self.open = {}  # session -> writer that owns it, in the order of their begin
        self.slots = {}  # session -> when the provider has its slot back, as far as that is planned
        self.queued = {}  # task -> (writer, priority, since when it waits)
        self.oom_kills = 0
        self.left = []  # sessions whose process has just died

    # ---- words for scripts ----

    def hex(self, digits):
        return f"{self.ids.getrandbits(4 * digits):0{digits}x}"

    def id(self, what):
        return f"{what}-{self.hex(10)}"

    def session_id(self):
        return str(uuid.UUID(int=self.ids.getrandbits(128), version=4))

    def now(self, name, t):
        return plan.setting(name, t, self.episodes)

    # ---- what the provider allows ----

    def has_slot(self, t):
        """Whether it opens one more at t. What is planned to begin later counts already: it must find its slot."""
        return sum(until > t for until in self.slots.values()) + self.now("unreported", t) < plan.LIMIT

    def hold(self, session, until=math.inf):
        self.slots[session] = until
        return session

    def refusal(self):
        """What an orchestrator says that asked for a session too many: the creation has failed, and is put back."""
        yield "error", CREATE_REFUSED
        yield "retry", {"op": "session.create", "upstream": "browserbase", "code": "bb_concurrency_limit", "reason": "concurrency"}

    # ---- the clock ----

    def at(self, t, do, *arguments):
        heapq.heappush(self.heap, (t, next(self.order), do, arguments))

    def say(self, t, writer, event, boot=None):
        """Has the writer say it at t, if the process (`boot`) that it was planned for still lives then."""
        self.at(t, self.spoken, writer, event, boot)

    # ---- what comes out ----

    def events(self):
        for writer in WRITERS:
            self.at(0, self.boot, writer)
        for t in self.starts():
            self.at(*t)
        for e in self.episodes:
            if e.does:
                self.at(e.begin * HOUR, getattr(self, e.does), (e.begin + e.hours) * HOUR)
        self.every(self.beat_s, self.beat, 1)
        self.every(5 * MINUTE, self.report, 3)
        self.every(10 * MINUTE, self.chores, 5)
        self.at(DAY - 60, self.stop, WRITERS, "end of the day")
        while self.heap and self.heap[0][0] < DAY:
            t, _, do, arguments = heapq.heappop(self.heap)
            for writer, event in do(t, *arguments) or ():
                yield t, writer, event

    def every(self, seconds, do, first):
        def again(t):
            self.at(t + seconds, again)
            return do(t)
        self.at(first, again)

    def starts(self):
        """The runs of the day: a Poisson process whose rate is the plan's, and the moments of the queue."""
        for workflow in plan.WORKFLOWS:
            t, most = 0, max(workflow.hours)
            while (t := t + self.rng.expovariate(most / HOUR)) < DAY - 40 * MINUTE:
                if self.rng.random() * most < plan.rate(workflow, t):
                    yield t, self.run, workflow, self.rng.choice(WORKERS)

    def run(self, t, workflow, writer):
        self.slots = {session: until for session, until in self.slots.items() if until > t}
        if writer in self.boots and self.now("starts", t) and self.now("starts", t + 25 * MINUTE):
            Run(self, t, workflow, writer).go()

    def stamp(self, writer, event):
        self.seq[writer] += 1
        return writer, {"boot": self.boots[writer], "writer": writer, "seq": self.seq[writer], **event}

    def spoken(self, t, writer, event, boot):
        if writer not in self.boots or boot not in (None, self.boots[writer]):
            return
        if event["type"] == "session.started":
            self.open[event["session"]] = writer
        elif event["type"] == "session.ended":
            self.open.pop(event["session"], None)
        elif event["type"] == "task.queued":
            since = t - event.get("ago", {}).get("started_at", 0)
            self.queued[event["task"]] = writer, event.get("priority", "normal"), since
        elif event["type"] in ("task.started", "task.ended"):
            self.queued.pop(event["task"], None)
        if writer != MAIN and self.rng.random() < self.now("lost", t):
            self.seq[writer] += 1  # the one before this never arrives
        yield self.stamp(writer, event)

    # ---- processes ----

    def boot(self, t, writer):
        self.boots[writer], self.born[writer], self.seq[writer] = self.hex(16), t, 0
        yield self.stamp(writer, {"type": "orchestrator.started", "version": self.version, "environment": "production", "sdk": "day/1",
                                  "sessions_limit": plan.LIMIT, "create_limit": plan.CREATE_LIMIT})
        if writer == MAIN:
            for name in BREAKERS:
                yield self.stamp(writer, {"type": "breaker", "name": name, "to": "closed", "resumed": True})

    def die(self, t, writers):
        """The processes end without a word. What they leave open is given back to clean_up."""
        self.left = [s for s, owner in self.open.items() if owner in writers]
        for session in self.left:
            self.hold(session)
        for writer in writers:
            if self.boots.pop(writer, None):
                self.forget_queued(writer)
                yield writer, None

    def forget_queued(self, writer):
        self.queued = {task: waits for task, waits in self.queued.items() if waits[0] != writer}

    def clean_up(self, t, sessions, adopts):
        """A new process finds what the old one left: it goes on with some, and ends the others one after the other."""
        for i, session in enumerate(sessions):
            if i < adopts:
                self.say(t + i, WORKERS[0], {"type": "session.started", "session": session, "resumed": True})
            self.hold(session, t + 60 + 30 * i)
            self.say(t + 60 + 30 * i, WORKERS[0], {"type": "session.ended", "session": session, "duration_s": 1800 + 60 * i,
                                                   "status": "COMPLETED" if i % 4 else "TIMED_OUT"})

    def stop(self, t, writers, reason):
        for writer in reversed(writers):
            if writer in self.boots:
                yield self.stamp(writer, {"type": "orchestrator.stopping", "reason": reason})
                yield writer, None
                del self.boots[writer]
                self.forget_queued(writer)

    # ---- what goes on all day ----

    def beat(self, t):
        for writer in self.boots:
            yield self.stamp(writer, {"type": "orchestrator.heartbeat", "sessions_limit": plan.LIMIT})

    def drift(self, name, t, pace, usual):
        """What goes from one share to another in an episode that sets `name`, `pace` times as fast as the episode goes; else the usual."""
        for e in self.episodes:
            if name in e.sets and e.begin * HOUR <= t < (e.begin + e.hours) * HOUR:
                first, last = e.sets[name]
                return first + (last - first) * min(1, (t / HOUR - e.begin) / e.hours * pace)
        return usual

    def memory(self, t):
        return self.drift("memory", t, 3, 0.42 + 0.06 * self.rng.random())

    def report(self, t):
        """Resources of each process and the container, the queue, the calls through the breakers."""
        for writer in self.boots:
            up, load = t - self.born[writer], 3 if writer == MAIN else 1
            used = {"cpu_user_s": round(up * 0.12 / load, 2), "cpu_sys_s": round(up * 0.03 / load, 2),
                    "rss": int(self.memory(t) * plan.MEMORY_LIMIT / 4), "read_bytes": int(up * 9000), "write_bytes": int(up * 21000),
                    "fds": 40 + 2 * len(self.open), "max_fds": 1024, "threads": 9 + self.rng.randrange(4)}
            if writer == MAIN:
                used["container"] = {"cpu_s": round(t * 0.35, 2), "throttled_s": round(t * 0.004, 2), "memory_limit": plan.MEMORY_LIMIT,
                                     "working_set": int(self.memory(t) * plan.MEMORY_LIMIT), "oom_kills": self.oom_kills}
                used["pressure"] = {f"{of}_{kind}_s": round(t * share * (0.3 if kind == "full" else 1), 2)
                                    for of, share in (("cpu", 0.02), ("memory", 0.004), ("io", 0.01)) for kind in ("some", "full")}
            yield self.stamp(writer, {"type": "resource", **used})
        if MAIN in self.boots:
            yield from self.report_of_main(t)

    def report_of_main(self, t):
        for mount, size, free in (("checkpoints", 20 << 30, self.drift("disk", t, 1, 0.72 + 0.01 * self.rng.random())),
                                  ("spool", 8 << 30, 0.6 + 0.02 * self.rng.random())):
            yield self.stamp(MAIN, {"type": "resource", "mount": mount, "avail_bytes": int(size * free)})
        since = {priority: [begun for _, of, begun in self.queued.values() if of == priority] for priority in ("low", "normal", "high")}
        busy = min(16, 2 + len(self.open)) if self.now("starts", t) else 1
        yield self.stamp(MAIN, {
            "type": "queue", "workers_busy": busy, "workers_idle": 16 - busy,
            **{priority: {"length": len(times), "oldest_s": round(t - min(times, default=t), 3)} for priority, times in since.items()},
            "quota": {"sessions": round(min(1, len(self.open) / plan.LIMIT), 3), "create_rate": round(0.1 + 0.1 * self.rng.random(), 3),
                      "browser_time": round(0.2 + 0.5 * t / DAY, 3), "proxy": round(0.1 + 0.2 * t / DAY, 3),
                      "tokens": round(0.3 + 0.4 * t / DAY, 3), "disk": round(0.2 + 0.3 * t / DAY, 3)}})
        failing = self.now("create_fails", t) > 0.5
        for name in BREAKERS:
            bad = failing and name != "llm"
            yield self.stamp(MAIN, {"type": "breaker.calls", "name": name, "success": 2 if bad else 20, "failure": 9 if bad else 0,
                                    "rejected": 14 if bad else 0, "ignored": self.rng.randrange(2)})

    def chores(self, t):
        """What main does now and then."""
        if MAIN not in self.boots:
            return
        yield self.stamp(MAIN, {"type": "checkpoint", "op": "verified", "ok": self.rng.random() > 0.02})
        yield self.stamp(MAIN, {"type": "audit", "action": "config.read", "component": "config", "status": "ok", "details": "no change"})
        yield self.stamp(MAIN, {"type": "metric", "name": "customers", "kind": "gauge", "value": 40 + self.rng.randrange(5)})
        yield self.stamp(MAIN, {"type": "metric", "name": "page_size_bytes", "kind": "histogram",
                                "value": self.rng.randrange(1 << 10, 1 << 20)})
        yield self.stamp(MAIN, {"type": "retry", "op": "session.create", "upstream": "browserbase", "code": "bb_create_rate_limit",
                                "reason": self.rng.choice(("rate", "server_wait"))})
        yield self.stamp(MAIN, {"type": "checkpoint", "op": "restored",
                                "outcome": "missing" if self.rng.random() < 0.1 else "ok"})
        if self.rng.random() < 0.05:
            yield self.stamp(MAIN, {"type": "error", "name": "KeyError", "message": "unexpected field", "unhandled": True,
                                    "component": "planner"})

    # ---- episodes: t is the begin, `end` the end ----

    def tell(self, t, type_, **fields):
        self.say(t, MAIN, {"type": type_, **fields})

    def jam(self, t, end):
        """A task hangs in the only slot; others wait, are given up, or turned away; then it ends and the rest starts. A few came in one
        piece: no event told of them, only what is said of the queue."""
        ids = [self.id("task") for _ in range(32)]
        hung = {"task": ids[0], "workflow": "report_archive"}
        self.tell(t, "task.started", **hung, attempt=1)
        self.tell(end, "task.ended", **hung, status="timed_out", duration_s=end - t, code="task_timeout")
        for i, task in enumerate(ids[1:]):
            given_up = i % 10 < 2
            if given_up:  # it had been started before, and was put back
                self.tell(t, "task.started", task=task, workflow="report_archive")
            priority = ("low", "normal", "high")[i % 3]
            if 3 <= i < 6:
                self.queued[task] = MAIN, priority, t
            else:
                self.tell(t + 60 * i, "task.queued", task=task, workflow="report_archive", priority=priority)
            if given_up:
                self.tell(end, "task.ended", task=task, workflow="report_archive", status=("cancelled", "failed")[i % 10])
                continue
            self.tell(end + 30 + i, "task.started", task=task, workflow="report_archive", priority=priority)
            if i % 10 == 2:
                self.tell(end + 40 + i, "task.queued", task=task, workflow="report_archive", reason="site_down")
                self.tell(end + 90 + i, "task.started", task=task, workflow="report_archive", attempt=2)
            self.tell(end + 240 + i, "task.ended", task=task, workflow="report_archive", status="succeeded", duration_s=200 + i)

    def drop(self, t, end):
        """A connection breaks and is there again: the same boot goes on where it was."""
        writer = WORKERS[1]
        if writer in self.boots:
            last = self.seq[writer]
            yield writer, None
            yield self.stamp(writer, {"type": "orchestrator.started", "version": self.version, "environment": "production", "sdk": "day/1",
                                      "resumed": True, "last_seq": last})

    def debug(self, t, end):
        for i, (outcome, fix) in enumerate((
                ("fixed", "wait_for_selector"), ("suggested", None), ("no_fix", "clear_cookies"), ("error", None), ("fixed", "new_session"),
                ("fixed", "wait_for_selector"))):
            self.tell(t + 240 * i, "debugger", outcome=outcome, component="planner", code="logic_error", duration_s=12.5 + i,
                      report="the page had changed its form", **({"fix": fix} if fix else {}))

    def slow_disk(self, t, end):
        for i, outcome in enumerate(("corrupt", "incompatible", "missing", "corrupt")):
            self.tell(t + (i + 0.5) * (end - t) / 4, "checkpoint", op="restored", outcome=outcome)
        self.tell(t + 300, "error", code="sys_disk_full", errno="ENOSPC", message="checkpoint volume is full")

    def ceiling(self, t, end):
        """A customer's batch: sixteen sessions in half an hour, a pause, and nearly all the rest. What others ask for is refused and waits."""
        for i in range(plan.BATCH):
            self.at(t + (120 * i if i < 16 else 3600 + 60 * i), self.claim, WORKERS[i % 2], end + 10 * i)
        for i in range(12):
            task, began, took = {"task": self.id("task"), "workflow": "report_archive"}, end - 900 + 60 * i, 45.0 + i
            self.say(t + 3600 + 60 * i, WORKERS[0], {"type": "task.queued", **task, "priority": "low"})
            self.say(began, WORKERS[0], {"type": "task.started", **task})
            self.say(began + took, WORKERS[0], {"type": "task.ended", **task, "status": "succeeded", "duration_s": took})

    def claim(self, t, writer, end):
        """One session of the batch, if there is a slot for it, and a task after the other in it; if not, asks again."""
        if t > end - HOUR or writer not in self.boots:
            return
        if not self.has_slot(t):
            for type_, fields in self.refusal():
                self.say(t, writer, {"type": type_, **fields})
            self.at(t + 300, self.claim, writer, end)
            return
        session, boot = self.hold(self.session_id(), end), self.boots[writer]
        self.say(t, writer, {"type": "session.started", "session": session, "region": self.rng.choice(plan.REGIONS), "create_s": 1.5,
                             "keep_alive": True}, boot)
        for s in range(30, int(end - t) - 120, 300):
            task, took = {"task": self.id("task"), "workflow": "report_archive"}, round(self.rng.uniform(25, 60), 3)
            self.say(t + s, writer, {"type": "task.started", **task}, boot)
            self.say(t + s + took, writer, {"type": "task.ended", **task, "status": "succeeded", "duration_s": took}, boot)
        self.say(end, writer, {"type": "session.ended", "session": session, "status": "COMPLETED", "duration_s": end - t}, boot)

    def hostile_sites(self, t, end):
        for s in range(600, int(end - t), 900):
            self.tell(t + s, "error", upstream="site", status=403, message="bot challenge")
            self.tell(t + s + 1, "error", upstream="site", status=403, message="bot challenge",
                      suppressed=("duplicate", "cascade")[s // 900 % 2])

    def outage(self, t, end):
        for name, after in (("bb_create", 120), ("bb_api", 400)):
            self.tell(t + after, "breaker", name=name, **{"from": "closed"}, to="open", failures=5, cause="auto")
            probe = t + after
            while (probe := probe + 1200) < end - 60:
                self.tell(probe, "breaker", name=name, **{"from": "open"}, to="half_open", failures=5)
                self.tell(probe + 20, "breaker", name=name, **{"from": "half_open"}, to="open", failures=6)
                self.tell(probe + 30, "retry", op="session.create", upstream="browserbase", code="breaker_open", reason="breaker")
            self.tell(end + 60, "breaker", name=name, **{"from": "open"}, to="half_open", failures=6)
            self.tell(end + 120, "breaker", name=name, **{"from": "half_open"}, to="closed", failures=0,
                      cause="manual" if name == "bb_api" else "auto")
        self.tell(t + 300, "degraded", component="browser_pool", on=True, ok=True, reason="breaker open")
        self.tell(t + 900, "degraded", component="browser_pool", on=True, ok=False, reason="no local browser left")
        self.tell(end + 120, "degraded", component="browser_pool", on=False)
        incident = self.id("incident")
        self.tell(t + 200, "recovery", state="started", incident=incident, action="escalate", severity="high", category="browserbase")
        for after, level in ((600, "operator"), (1500, "oncall"), (3600, "management")):
            self.tell(t + after, "recovery", state="escalated", incident=incident, level=level, reason="timeout")
        self.tell(t + 700, "alert", severity="critical", message="no browser sessions to be had", component="browser_pool", state="firing")
        self.tell(end + 150, "recovery", state="ended", incident=incident, action="escalate", outcome="manual", automation="manual",
                  duration_s=end - t)

    def crash(self, t, end):
        self.tell(t, "error", code="sys_crash", category="system", severity="critical", message="SIGSEGV in the renderer pool")
        self.at(t + 1, self.fall, WRITERS, end, 1800, 3)

    def leak(self, t, end):
        """A worker dies just after it has opened three sessions."""
        for i in range(3):
            session = self.hold(self.session_id())
            self.say(t + i, WORKERS[1], {"type": "session.started", "session": session, "region": plan.REGIONS[i], "create_s": 1.5,
                                         "keep_alive": True})
        self.at(t + 10, self.fall, WORKERS[1:], t + 240, end - t - 240, 0)

    def memory_leak(self, t, end):
        self.at(end, self.killed)

    def killed(self, t):
        self.oom_kills += 1
        yield self.stamp(MAIN, {"type": "error", "code": "sys_oom", "severity": "critical",
                                "message": "a worker was killed: out of memory"})
        yield from self.fall(t, WORKERS[1:], t + 120, 300, 1)

    def fall(self, t, writers, back, cleaned_after, adopts):
        """The writers die; they are back at `back`, and what they left open is ended `cleaned_after` seconds later."""
        yield from self.die(t, writers)
        for writer in writers:
            self.at(back, self.boot, writer)
        self.at(back + cleaned_after, self.clean_up, self.left, adopts)

    def security_halt(self, t, end):
        incident = self.id("incident")
        self.tell(t, "error", code="sec_violation", category="security", severity="critical", message="a page asked for a secret",
                  incident=incident)
        self.tell(t + 1, "recovery", state="started", incident=incident, action="abort", severity="critical", category="security")
        self.tell(t + 2, "recovery", state="escalated", incident=incident, level="oncall", reason="security")
        self.tell(t + 3, "audit", action="security.halt", status="stopped", component="policy", details="domain policy")
        self.tell(end, "recovery", state="ended", incident=incident, action="abort", outcome="manual", automation="manual", duration_s=240)

    def deploy(self, t, end):
        """An orderly end: no alert. What is open is ended first; then the next version starts."""
        for session, owner in list(self.open.items()):
            if owner in self.boots:
                del self.open[session]
                self.hold(session, t)
                yield self.stamp(owner, {"type": "session.ended", "session": session, "status": "COMPLETED", "duration_s": 300})
        yield from self.stop(t, WRITERS, "deployment")
        self.version = VERSIONS[1]
        for writer in WRITERS:
            self.at(end, self.boot, writer)


def events(seed=1, name="day", beat_s=10, episodes=plan.EPISODES):
    return World(seed, name, beat_s, episodes).events()
