"""The plan of the day: who works, how much at which hour, what goes wrong when. Data alone; world.py makes the events of it.

Hours count from midnight of the replayed day. An episode sets values of DEFAULTS while it lasts, and may name something that happens
at its begin and at its end (`does`, a method of World). They last hours, not minutes, so that each is some seconds long when the day is
replayed in a minute."""
import collections

HOUR = 3600.0
DAY = 24 * HOUR

MAIN = "main"
WORKERS = ("main/201", "main/202")
WRITERS = (MAIN,) + WORKERS

LIMIT = 25  # sessions that the provider allows at a time
CREATE_LIMIT = 60
BATCH = 22   # sessions of the batch that brings the orchestrator to that limit
MEMORY_LIMIT = 4 << 30
REGIONS = ("us-west-2", "us-east-1", "eu-central-1", "ap-southeast-1")

Workflow = collections.namedtuple("Workflow", "name site hours stage priority model ops")

# Runs in an hour, at midnight, at 2, at 4 … at 22: what lies between is interpolated.
WORKFLOWS = (
    Workflow("price_watch", "https://shop.example", (8, 8, 8, 10, 16, 16, 16, 14, 14, 14, 12, 10), "collection", "normal", "gpt-4.1-mini",
             ("navigate", "extract", "extract", "act")),
    Workflow("invoice_fetch", "https://billing.example", (0, 0, 2, 8, 14, 12, 6, 6, 6, 6, 2, 0), "processing", "high", "gpt-4.1",
             ("navigate", "act", "act", "extract")),
    Workflow("lead_research", "https://directory.example", (2, 2, 2, 4, 6, 8, 10, 12, 12, 8, 4, 2), "delivery", "normal", "claude-sonnet-4",
             ("navigate", "agent", "observe", "extract")),
    Workflow("report_archive", "https://archive.example", (12, 12, 12, 8, 2, 2, 2, 2, 2, 2, 8, 12), "collection", "low", "gpt-4.1-mini",
             ("navigate", "observe", "extract", "extract")),
)

# What happens without an episode.
DEFAULTS = {
    "starts": True,          # the queue hands out work
    "create_fails": 0.01,    # share of the session creations
    "operation_fails": 0.08,  # share of the operations that need a retry
    "exhausted": 0.06,       # share of those that no retry heals
    "cure_s": (2, 20),       # time from a failure to its end
    "session_bad": 0.005,    # share of the sessions that end in an error or by their time
    "checkpoint_s": (0.004, 0.04),
    "checkpoint_fails": 0.002,
    "lost": 0.0,             # share of a worker's events that never arrive
    "unreported": 0,         # sessions that the provider holds and nobody reported
    "provider_out": False,   # the provider answers nobody, the sidecar neither
    "receiver_out": False,   # who is told of alerts answers 503
    "memory": None,          # (from, to): share of the container's limit that is used
    "disk": None,            # (from, to): share of the checkpoints' volume that is free
    "slowness": None,        # (from, to): operations take 2 to the power of this times as long
}

Episode = collections.namedtuple("Episode", "begin hours name sets does")


def episode(begin, hours, name, does=None, **sets):
    return Episode(begin, hours, name, sets, does)


EPISODES = (
    episode(1.00, 2.75, "the queue hands out nothing: a task hangs", does="jam", starts=False),
    episode(1.75, 2.00, "a script opens sessions that nobody reports", unreported=3),
    episode(4.20, 0.00, "a link breaks and is there again at once", does="drop"),
    episode(4.50, 0.50, "the debugger has its hour", does="debug"),
    episode(5.00, 2.25, "a slow, full disk under the checkpoints", does="slow_disk", checkpoint_s=(0.15, 0.7), checkpoint_fails=0.2,
            disk=(0.7, 0.03)),
    episode(5.25, 3.00, "more work than the provider allows sessions", does="ceiling"),
    episode(8.00, 2.25, "a busy host: events are dropped", lost=0.15),
    episode(8.25, 2.00, "sites that kill sessions", does="hostile_sites", session_bad=0.5),
    episode(8.50, 1.00, "nobody takes alerts: the receiver answers 503", receiver_out=True),
    episode(10.75, 2.50, "the provider is out", does="outage", provider_out=True, create_fails=0.75, operation_fails=0.4, exhausted=0.65, cure_s=(90, 280)),
    episode(14.00, 2.00, "a crash; nobody restarts it for long", does="crash"),
    episode(17.00, 2.00, "a worker dies, its sessions go on", does="leak"),
    episode(17.50, 2.50, "memory grows until the kernel kills", does="memory_leak", memory=(0.55, 0.96)),
    episode(18.50, 0.75, "nobody takes alerts, again", receiver_out=True),
    episode(20.50, 0.50, "a page asks for secrets: security halt", does="security_halt"),
    episode(21.25, 0.20, "a planned deployment", does="deploy"),
    episode(21.50, 1.75, "the sites answer ever more slowly", slowness=(0, 4)),
)

# Alerts of alerts/rulefiles/orchestrator.yml that the episodes are there for.
EXPECTED = {
    "OrchestratorQueueStalled": "the queue hands out nothing: a task hangs",
    "OrchestratorCheckpointUnreliable": "a slow, full disk under the checkpoints",
    "OrchestratorSessionCapacityExhausted": "more work than the provider allows sessions",
    "OrchestratorMonitoringImpaired": "a busy host: events are dropped",
    "OrchestratorSessionsEndingBadly": "sites that kill sessions",
    "OrchestratorSessionCreateFailing": "the provider is out",
    "OrchestratorBreakerOpen": "the provider is out",
    "OrchestratorRetriesIneffective": "the provider is out",
    "OrchestratorTaskFailureRatioHigh": "the provider is out",
    "OrchestratorRecoverySlow": "the provider is out",
    "OrchestratorDown": "a crash; nobody restarts it for long",
    "OrchestratorAvailabilityBudgetBurn": "a crash; nobody restarts it for long",
    "OrchestratorSessionsOrphaned": "a worker dies, its sessions go on",
    "OrchestratorMemoryNearLimit": "memory grows until the kernel kills",
    "OrchestratorFatalError": "a page asks for secrets: security halt",
}

# Those of alerts/rulefiles/trend.yml.
EXPECTED_TRENDS = {
    "OrchestratorTrendVolumeFull": "a slow, full disk under the checkpoints",
    "OrchestratorTrendSessionCeiling": "more work than the provider allows sessions",
    "OrchestratorTrendFailureRisk": "the provider is out",
    "OrchestratorTrendTasksSlower": "the sites answer ever more slowly",
}


def rate(workflow, t):
    """Runs in an hour of the workflow at t seconds of the day."""
    place = t / HOUR / 2
    i = int(place)
    here, there = workflow.hours[i % 12], workflow.hours[(i + 1) % 12]
    return here + (there - here) * (place - i)


def setting(name, t, episodes=EPISODES):
    """The value of a DEFAULTS entry at t: that of the last episode that sets it, if any does."""
    value = DEFAULTS[name]
    for e in episodes:
        if name in e.sets and e.begin * HOUR <= t < (e.begin + e.hours) * HOUR:
            value = e.sets[name]
    return value
