"""One run of a workflow as a script of events: sessions, tasks, operations, what fails and how it heals."""
from plan import DAY, REGIONS

# (code, fields of the error, action that heals it)
TROUBLES = (
    ("llm_rate_limit", {"upstream": "llm", "status": 429, "name": "RateLimitError"}, "retry"),
    ("llm_overloaded", {"upstream": "llm", "status": 529, "name": "OverloadedError"}, "fallback"),
    ("sh_element", {"upstream": "stagehand", "name": "XPathResolutionError"}, "adjust"),
    ("sh_act_timeout", {"upstream": "stagehand", "name": "ActTimeoutError"}, "retry"),
    ("cdp_closed", {"upstream": "browserbase", "ws_code": 1006}, "replace"),
    ("site_down", {"upstream": "site", "status": 502}, "requeue"),
    ("site_blocked", {"upstream": "site", "status": 403}, "skip"),
    ("net_reset", {"upstream": "site", "errno": "ECONNRESET"}, "retry"),
    ("ckpt_write", {"upstream": "store", "errno": "EAGAIN", "code": "ckpt_write"}, "retry"),
    ("agent_loop", {"upstream": "stagehand", "code": "agent_loop"}, "debug"),
)
OUTAGE = ("bb_server_error", {"upstream": "browserbase", "status": 503, "name": "InternalServerError"}, "retry")
SECONDS = {"navigate": (0.8, 6), "act": (1, 9), "extract": (2, 14), "observe": (1, 7), "agent": (20, 90), "start": (1, 5), "end": (0.2, 2)}
CAPTCHAS = (("solved", 30), ("solved", 12), ("failed", 55), ("timed_out", 90), ("abandoned", 40))


class Run:
    """Writes its events as it goes; `t` is where it has come to."""

    def __init__(self, world, t, workflow, writer):
        self.world, self.t, self.workflow, self.writer = world, t, workflow, writer
        self.rng, self.boot = world.rng, world.boots[writer]
        self.run = world.id("run")
        self.tasks, self.queued = [world.id("task") for _ in range(self.rng.randrange(3, 8))], False
        self.trace, self.root = world.hex(32), world.hex(16)

    def say(self, type_, **fields):
        self.world.say(self.t, self.writer, {"type": type_, "workflow": self.workflow.name, "run": self.run,
                                             "trace_id": self.trace, **fields}, self.boot)

    def span(self, name, seconds, ok=True, **fields):
        self.say("span", name=name, span_id=self.world.hex(16), parent_id=self.root, kind="client", state="ended",
                 status="ok" if ok else "error", duration_s=round(seconds, 3), **fields)

    def chance(self, share):
        return self.rng.random() < share

    def between(self, low, high):
        return round(self.rng.uniform(low, high), 3)

    # ---- sessions ----

    def session(self):
        """Opens one; None when no attempt gave one."""
        for attempt in range(1, 5):
            self.wait_for_slot()
            ref, took = self.world.id("ref"), self.between(0.6, 4)
            self.say("session.creating", ref=ref, region=self.rng.choice(REGIONS))
            if not self.chance(self.world.now("create_fails", self.t)):
                session = self.world.hold(self.world.session_id())
                self.t += took
                self.say("session.started", session=session, ref=ref, region=self.rng.choice(REGIONS), keep_alive=True, create_s=took)
                self.say("session.connected", session=session, duration_s=self.between(0.05, 0.4))
                self.retried("session.create", "browserbase", attempt, "recovered")
                return session
            self.t += 6
            self.error(OUTAGE, op="session.create", ref=ref, create_s=self.between(2, 20), attempt=attempt)
            if attempt < 4:
                self.retry("session.create", OUTAGE, attempt + 1)
        self.retried("session.create", "browserbase", 4, "exhausted")
        return None

    def wait_for_slot(self):
        """Asks until the provider has one to give; the tasks wait in the queue as long."""
        while self.t < DAY and not self.world.has_slot(self.t):
            for task in () if self.queued else self.tasks:
                self.say("task.queued", task=task, priority=self.workflow.priority)
            self.queued = True
            for type_, fields in self.world.refusal():
                self.say(type_, **fields)
            self.t += self.between(240, 420)

    def close(self, session, opened):
        if session is None:
            return
        status = "COMPLETED"
        if self.chance(self.world.now("session_bad", self.t)):
            status = self.rng.choice(("ERROR", "TIMED_OUT", "ERROR"))
            self.say("session.disconnected", session=session, ws_code=1006,
                     reason=self.rng.choice(("idle", "session_timeout", "session_ended", "network", "handshake", "unknown")))
        else:
            self.say("session.releasing", session=session)
            if self.chance(0.02):
                self.say("error", op="session.release", upstream="browserbase", status=500, session=session, cleanup=True,
                         message="release answered 500", ago={"occurred_at": self.between(0.05, 2)})
        self.t += 2
        self.world.hold(session, self.t)
        self.say("session.ended", session=session, status=status, duration_s=round(self.t - opened, 3),
                 proxy_bytes=self.rng.randrange(1 << 18, 1 << 24))

    # ---- errors and retries ----

    def error(self, trouble, **fields):
        code, evidence, _ = trouble
        self.say("error", **{"message": f"{code} in {self.workflow.name}", "phase": self.workflow.stage, **evidence, **fields},
                 ago={"occurred_at": self.between(0.01, 3)})

    def retry(self, op, trouble, attempt, **fields):
        delay = round(min(60, 2 ** (attempt - 2) * self.between(0.6, 1.4)), 3)
        self.say("retry", op=op, upstream=trouble[1]["upstream"], code=trouble[0], attempt=attempt, delay_s=delay, **fields)
        self.t += delay + 20

    def retried(self, op, upstream, attempts, outcome, **fields):
        if attempts > 1:
            self.say("retry", op=op, upstream=upstream, outcome=outcome, attempts=attempts, **fields)

    def heal(self, op, task, session):
        """A failing operation: an incident, retries, an end. True when it worked in the end."""
        trouble = self.rng.choice(TROUBLES) if self.chance(0.5) or self.world.now("create_fails", self.t) < 0.5 else OUTAGE
        code, incident, began = trouble[0], self.world.id("incident"), self.t
        ids = {"task": task, "session": session} if session else {"task": task}
        self.error(trouble, op=op, **ids, incident=incident)
        self.say("recovery", state="started", incident=incident, action=trouble[2], code=code, **ids)
        lost = self.chance(self.world.now("exhausted", self.t))
        attempts = self.rng.randrange(2, 5)
        for attempt in range(2, attempts + 1):
            self.retry(op, trouble, attempt, task=task)
        outcome = self.rng.choice(("exhausted", "exhausted", "fatal")) if lost else "recovered"
        self.retried(op, trouble[1]["upstream"], attempts, outcome if not self.chance(0.03) else "cancelled", task=task)
        took = self.between(*self.world.now("cure_s", self.t))
        self.t = max(self.t, began + took)
        if lost and self.chance(0.3):
            self.say("recovery", state="escalated", incident=incident, level=self.rng.choice(("operator", "oncall")),
                     reason=self.rng.choice(("no_fix", "timeout", "exhausted")))
        self.say("recovery", state="ended", incident=incident, action=trouble[2], outcome="failed" if lost else "recovered", code=code,
                 automation=self.rng.choice(("full", "full", "full", "semi")), duration_s=took)
        self.undo(lost, session)
        return not lost

    def undo(self, lost, session):
        if session and self.chance(0.1):
            self.say("session.connected", session=session, reconnect=True, ok=self.chance(0.9), duration_s=self.between(0.2, 2))
        if lost and self.chance(0.5):
            outcome = self.rng.choice(("rolled_back",) * 6 + ("rollback_failed", "abandoned"))
            self.say("transaction", name=f"{self.workflow.name}.write", outcome=outcome,
                     steps=self.rng.randrange(1, 6), failed_steps=self.rng.randrange(2), duration_s=self.between(0.4, 9))

    # ---- tasks ----

    def operate(self, op, task, session):
        took = round(self.between(*SECONDS[op]) * 2 ** self.world.drift("slowness", self.t, 1.2, 0), 3)
        self.t += took
        common = {"op": op, "task": task, "duration_s": took, **({"session": session} if session else {})}
        if self.chance(self.world.now("operation_fails", self.t)):
            self.say("operation", ok=False, outcome="error", **common)
            self.span(op, took, ok=False, task=task)
            return self.heal(op, task, session)
        used = {}
        if op not in ("navigate", "start", "end"):
            hit = self.chance(0.3)
            used = {"model": self.workflow.model, "inference_s": round(took * 0.6, 3),
                    "cache": "hit" if hit else self.rng.choice(("miss", "miss", "disabled")),
                    "tokens": {"input": self.rng.randrange(800, 6000), "output": self.rng.randrange(40, 900),
                               "reasoning": self.rng.randrange(0, 300), "cached_input": self.rng.randrange(0, 2000)}}
            if hit:
                used["tokens_saved"] = self.rng.randrange(500, 4000)
        if op == "agent":
            used["steps"] = self.rng.randrange(3, 20)
            if self.chance(0.1):
                used["limit"] = self.rng.choice(("max_steps", "max_time", "max_tokens", "loop"))
        self.say("operation", ok=True, outcome="unsuccessful" if self.chance(0.04) else "ok", **common, **used)
        self.span(op, took, task=task)
        return True

    def checkpoint(self, task):
        ok = not self.chance(self.world.now("checkpoint_fails", self.t))
        overhead = self.between(*self.world.now("checkpoint_s", self.t))
        self.say("checkpoint", op="saved", ok=ok, task=task, overhead_s=overhead, write_s=round(overhead * 1.4, 4),
                 bytes=self.rng.randrange(4 << 10, 1 << 20), stored=self.rng.randrange(20, 60),
                 stored_bytes=self.rng.randrange(4 << 20, 32 << 20), backlog=0 if overhead < 0.1 else self.rng.randrange(2, 12))

    def task(self, session, task):
        began = self.t
        if not self.queued:
            self.say("task.queued", task=task, priority=self.workflow.priority, ago={"started_at": self.between(0.2, 20)})
        self.say("task.started", task=task, attempt=1, priority=self.workflow.priority)
        good = session is not None
        for i, op in enumerate(self.workflow.ops if good else ()):
            good = self.operate(op, task, session) and good
            self.say("task.progress", task=task, pct=25 * (i + 1))
        if session and self.chance(0.04):
            outcome, took = self.rng.choice(CAPTCHAS)
            self.say("captcha", state="started", session=session, task=task)
            self.t += took
            self.say("captcha", state=outcome, outcome=outcome, duration_s=took, session=session, task=task)
        self.checkpoint(task)
        self.say("metric", name="parse_page", kind="function", value=self.between(0.02, 1.5), ok=not self.chance(0.03))
        status = "succeeded" if good else self.rng.choice(("failed", "failed", "timed_out"))
        if good and self.chance(0.06):
            status = self.rng.choice(("degraded", "skipped", "cancelled"))
        self.say("task.ended", task=task, status=status, duration_s=round(self.t - began + 0.5, 3),
                 **({} if good else {"code": "bb_server_error" if session is None else "sh_unsuccessful"}))
        self.say("checkpoint", op="removed", reason=self.rng.choice(("success", "success", "age", "count", "size")), removed=1)
        return good

    def go(self):
        began, flow = self.t, self.workflow
        self.say("workflow.started", site=flow.site)
        opened, session = self.t, self.session()
        if session and self.chance(0.02):
            old, session = session, self.world.hold(self.world.session_id())
            self.world.hold(old, self.t)
            self.say("session.ended", session=old, status="ERROR", duration_s=30)
            self.say("session.started", session=session, region=self.rng.choice(REGIONS), create_s=self.between(1, 3), keep_alive=True)
            self.say("session.replaced", session=session, old=old, reason="cdp_closed")
        count, good = len(self.tasks), sum([self.task(session, task) for task in self.tasks])
        self.t += self.between(60, 400)
        self.say("stage", stage=flow.stage, items_ok=good * 20, items_failed=(count - good) * 20 + self.rng.randrange(2), sessions=1,
                 duration_s=round(self.t - began, 3))
        if good:
            self.say("transaction", name=f"{flow.name}.write", outcome="committed", steps=3)
            self.say("metric", name="records", kind="counter", value=good * 20, labels={"workflow": flow.name})
        self.close(session, opened)
        status = "succeeded" if good == count else "partial" if good else self.rng.choice(("failed", "timed_out", "cancelled"))
        self.say("log", level="info" if good else "error", logger=f"flows.{flow.name}", message=f"run ended: {good} of {count} tasks")
        self.say("workflow.ended", status=status, duration_s=round(self.t - began, 3), sessions=1)
        self.say("span", name=flow.name, span_id=self.root, kind="server", state="ended", status="ok" if good else "error",
                 duration_s=round(self.t - began, 3))
