"""The provider's sessions: what is open, what it costs, when it ends.

Rules, by number where the code follows them:

 1. A session is PENDING, RUNNING once its browser has started or somebody connected, and ends once: COMPLETED, ERROR or TIMED_OUT.
 2. It ends TIMED_OUT when its time (60 to 21600 s) is over.
 3. It ends TIMED_OUT when nobody connected within 5 minutes of its creation.
 4. A connection without a command for 10 minutes is closed.
 5. A closed connection ends the session, COMPLETED, unless it is to be kept alive.
 6. A release is carried out a little later: COMPLETED.
 7. Whatever comes first decides, and the end bears that moment, not the moment when somebody looked.
 8. Sessions that have not ended count against the concurrency limit; creations of the last 60 s against the creation limit.
 9. A session is billed one minute at least.

Time is the provider's own: it may run faster than ours (--time-scale) and be put forward (POST /control/clock). Nothing here waits,
nothing here locks: the server holds its one lock around every call."""
import collections
import dataclasses
import datetime
import json
import re
import time
import uuid

REGIONS = ("us-west-2", "us-east-1", "eu-central-1", "ap-southeast-1")
STATUSES = ("PENDING", "RUNNING", "ERROR", "TIMED_OUT", "COMPLETED")
ENDED = ("ERROR", "TIMED_OUT", "COMPLETED")
TIMEOUT_MIN, TIMEOUT_MAX = 60, 21600
CONNECT_WINDOW = 300
IDLE_LIMIT = 600
CREATE_WINDOW = 60
METADATA_MAX = 512
SESSIONS_KEPT = 10_000  # ended ones beyond this are forgotten, oldest first; what they cost is not

# Sessions at a time, creations per 60 s, and whether what costs extra (keepAlive, proxies) is sold.
PLANS = {"free": (3, 5, False), "developer": (25, 25, True), "startup": (100, 50, True), "scale": (250, 150, True)}


class Refusal(Exception):
    """An answer that is an error. `code` is Stagehand's, `headers` come on top."""

    def __init__(self, status, message, code=None, headers=()):
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, dict(headers)


class Clock:
    """Seconds of the provider's time, and how they read on a calendar."""

    def __init__(self, scale):
        self.scale = scale
        self.began = time.monotonic()
        self.began_wall = time.time()
        self.put_forward = 0.0

    def now(self):
        return (time.monotonic() - self.began) * self.scale + self.put_forward

    def real(self, seconds):
        """What a client has to wait for so much of the provider's time."""
        return seconds / self.scale

    def text(self, at):
        moment = datetime.datetime.fromtimestamp(self.began_wall + at, datetime.timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@dataclasses.dataclass
class Session:
    id: str
    created: float
    started: float
    timeout: float
    keep_alive: bool
    region: str
    proxies: bool
    metadata: dict | None
    context: str | None
    signing_key: str
    status: str = "PENDING"
    ended: float | None = None
    updated: float = 0.0
    connected: bool = False
    ever_connected: bool = False
    last_command: float = 0.0
    releasing: bool = False
    proxy_bytes: int = 0
    model: str | None = None
    url: str = "about:blank"
    ends: list = dataclasses.field(default_factory=list)  # (when, status) that were ordered: a release, a fault
    actions: list = dataclasses.field(default_factory=list)  # for the replay

    def live(self):
        return self.status not in ENDED


def matches(metadata, query):
    """Whether a session's userMetadata answers to (path, value); only texts can be asked for."""
    path, wanted = query
    for key in path:
        metadata = metadata.get(key) if isinstance(metadata, dict) else None
    return isinstance(metadata, str) and metadata == wanted


def read_query(text):
    """user_metadata['a']['b']:'value' as (["a", "b"], "value")."""
    match = re.fullmatch(r"""\s*user_metadata((?:\[(?:'[^']+'|"[^"]+")\])+)\s*:\s*(?:'([^']*)'|"([^"]*)")\s*""", text)
    if not match:
        raise Refusal(400, "querystring/q must look like user_metadata['key']:'value'")
    path = [single or double for single, double in re.findall(r"""\[(?:'([^']+)'|"([^"]+)")\]""", match.group(1))]
    return path, match.group(2) if match.group(2) is not None else match.group(3)


class State:
    """Every session of one project. The server's lock is held around each call."""

    def __init__(self, settings, random):
        self.settings = settings
        self.random = random
        self.clock = Clock(settings.time_scale)
        self.sessions = {}
        self.creations = collections.deque()
        self.forgotten_seconds = 0.0
        self.forgotten_bytes = 0
        concurrency, create_rate, self.sells_extras = PLANS[settings.plan]
        self.concurrency = settings.concurrency if settings.concurrency is not None else concurrency
        self.create_rate = settings.create_rate if settings.create_rate is not None else create_rate

    # What time does to a session.

    def settle(self, session):
        if not session.live():
            return session
        now = self.clock.now()
        ends = [*session.ends, (session.created + session.timeout, "TIMED_OUT")]  # rules 2 and 6
        if not session.ever_connected:
            ends.append((session.created + CONNECT_WINDOW, "TIMED_OUT"))  # rule 3
        if session.connected and session.last_command + IDLE_LIMIT <= now:  # rule 4
            if session.keep_alive:
                session.connected, session.updated = False, session.last_command + IDLE_LIMIT
            else:
                ends.append((session.last_command + IDLE_LIMIT, "COMPLETED"))  # rule 5
        at, status = min(ends)  # rule 7
        if at <= now:
            session.status, session.ended, session.updated = status, at, at
            session.connected = False
        elif session.status == "PENDING" and session.started <= now:
            session.status, session.updated = "RUNNING", session.started
        return session

    def settle_all(self):
        for session in self.sessions.values():
            self.settle(session)
        ended = [s for s in self.sessions.values() if not s.live()]
        for session in ended[:max(0, len(self.sessions) - SESSIONS_KEPT)]:
            self.forgotten_seconds += self.billed(session)
            self.forgotten_bytes += session.proxy_bytes
            del self.sessions[session.id]

    def billed(self, session):
        end = session.ended if session.ended is not None else self.clock.now()
        return max(60.0, end - session.created)  # rule 9

    # What clients do.

    def find(self, session_id):
        session = self.sessions.get(session_id)
        if session is None:
            raise Refusal(404, f"Session with id {session_id} not found", "SESSION_NOT_FOUND")
        return self.settle(session)

    def live(self, session_id):
        session = self.find(session_id)
        if not session.live():
            raise Refusal(410, f"Session {session_id} has ended with status {session.status}", "SESSION_ENDED")
        return session

    def count_live(self):
        return sum(1 for s in self.sessions.values() if s.live())

    def check_limits(self):
        self.settle_all()
        live = self.count_live()
        if live >= self.concurrency:  # rule 8
            raise self.over_concurrency(live)
        now = self.clock.now()
        while self.creations and self.creations[0] <= now - CREATE_WINDOW:
            self.creations.popleft()
        if len(self.creations) >= self.create_rate:
            wait = self.creations[0] + CREATE_WINDOW - now if self.creations else CREATE_WINDOW
            raise self.over_create_rate(self.clock.real(wait))

    def over_concurrency(self, live=None):
        live = self.concurrency if live is None else live
        return Refusal(429, f"You've exceeded your max concurrent sessions limit (limit {self.concurrency}, currently {live}). "
                            "Please contact support to increase your limit.")

    def over_create_rate(self, wait_s):
        """`wait_s` in the client's seconds."""
        text = f"{max(1, round(wait_s + 0.4999))}"
        return Refusal(429, f"You've exceeded your session creation rate limit (limit {self.create_rate}, currently {self.create_rate}). "
                            "Please try again in a minute.", headers=self.rate_headers(self.create_rate, text))

    def rate_headers(self, limit, wait_text):
        if not self.settings.rate_headers:
            return {}
        return {"x-ratelimit-limit": str(limit), "x-ratelimit-remaining": "0", "x-ratelimit-reset": wait_text, "retry-after": wait_text}

    def create(self, wanted):
        """`wanted` is checked already (browserbase.read_creation)."""
        if not self.sells_extras:
            for name in ("keepAlive", "proxies"):
                if wanted.get(name):
                    raise Refusal(403, f"{name} is not available on the {self.settings.plan} plan. Please upgrade your plan to use it.")
        self.check_limits()
        now = self.clock.now()
        session = Session(
            id=str(uuid.uuid4()), created=now, started=now + self.settings.startup, updated=now,
            timeout=wanted.get("timeout", self.settings.default_timeout), keep_alive=wanted.get("keepAlive", False),
            region=wanted.get("region", REGIONS[0]), proxies=bool(wanted.get("proxies")), metadata=wanted.get("userMetadata"),
            context=wanted.get("browserSettings", {}).get("context", {}).get("id"), signing_key=uuid.uuid4().hex)
        self.sessions[session.id] = session
        self.creations.append(now)
        return self.settle(session)

    def connect(self, session):
        session.connected = session.ever_connected = True
        session.last_command = self.clock.now()
        if session.status == "PENDING":
            session.status, session.updated = "RUNNING", session.last_command

    def disconnect(self, session):
        if session.connected:
            session.connected, session.updated = False, self.clock.now()
            if not session.keep_alive:
                self.end_at(session, "COMPLETED", 0)  # rule 5

    def command(self, session, sent_bytes=0):
        self.connect(session)
        if session.proxies:
            session.proxy_bytes += sent_bytes

    def release(self, session):
        if session.live() and not session.releasing:
            session.releasing = True
            self.end_at(session, "COMPLETED", self.settings.release_delay)  # rule 6

    def end_at(self, session, status, after):
        session.ends.append((self.clock.now() + after, status))
        session.updated = self.clock.now()
        self.settle(session)

    def usage(self):
        self.settle_all()
        seconds = self.forgotten_seconds + sum(self.billed(s) for s in self.sessions.values())
        return {"browserMinutes": round(seconds / 60, 2),
                "proxyBytes": self.forgotten_bytes + sum(s.proxy_bytes for s in self.sessions.values())}

    # What clients are shown.

    def shown(self, session):
        text = self.clock.text
        fields = {
            "id": session.id, "createdAt": text(session.created), "startedAt": text(session.started), "updatedAt": text(session.updated),
            "expiresAt": text(session.created + session.timeout), "status": session.status, "keepAlive": session.keep_alive,
            "projectId": self.settings.project, "proxyBytes": session.proxy_bytes, "region": session.region}
        if session.ended is not None:
            fields["endedAt"] = text(session.ended)
        if session.context is not None:
            fields["contextId"] = session.context
        if session.metadata is not None:
            fields["userMetadata"] = session.metadata
        return fields

    def listed(self, status=None, query=None):
        self.settle_all()
        found = [s for s in self.sessions.values()
                 if (status is None or s.status == status) and (query is None or matches(s.metadata, query))]
        return [self.shown(s) for s in reversed(found)]


def metadata_length(metadata):
    return len(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False))
