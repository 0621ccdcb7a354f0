"""What the tests of the watchers share: a sidecar, an orchestrator to be watched, a log to be followed, a provider to be asked."""
import logging
import signal
import subprocess
import sys
import time

import harness
from harness import OXPECKER, no_proxy_environment, wait_for
from provider.process import KEY, PROVIDER, PYTHON, Provider

# It is told to stop already. Not SIGCONT, which does nothing either: it takes away the SIGSTOP by which the leak checker halts
# the threads at exit, and that one waits for ever.
NO_SIGNAL = 0
SANITIZED = any(name in OXPECKER.read_bytes() for name in (b"__asan_init", b"__tsan_init")) if OXPECKER.is_file() else False
FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
PROJECT = "00000000-0000-4000-8000-000000000001"
LOG_EVENTS = 'oxpecker_events_received_total{transport="log"}'
STARTED = 'orchestrator_sessions_started_total{region="other"}'
ORPHANED = "orchestrator_sessions_orphaned"


class Sidecar(harness.Sidecar):
    """One that a sanitizer has nothing to say of."""

    def stop(self, number=signal.SIGINT, seconds=60):
        status = super().stop(number, seconds)
        for words in ("Sanitizer", "runtime error:"):
            if words in self.logged():
                raise AssertionError(self.logged()[-6000:])
        return status


def metric(sidecar, name):
    return sidecar.metrics().get(name)


def wait_value(sidecar, name, wanted, seconds=60):
    """Waits until the metric has that value (None: is not shown), which it then keeps."""
    seen = []

    def there():
        seen[:] = [metric(sidecar, name)]
        return seen[0] == wanted

    try:
        wait_for(there, seconds, name)
    except AssertionError:
        raise AssertionError(f"{name}: {seen[0]}, not {wanted}, after {seconds} s; {sidecar.logged()[-3000:]}") from None


# ---- The process ----

WATCH = ("--orchestrator.watch-interval=200ms", "--orchestrator.liveness=1s")
CPU = "cpu"  # of both modes: how a loop's time is divided between them is the kernel's affair
RSS = "orchestrator_process_resident_memory_bytes"
FDS = "orchestrator_process_open_fds"
THREADS = "orchestrator_process_threads"
GAUGES = (RSS, FDS, THREADS, "orchestrator_process_max_fds")

# An orchestrator that does what a line on its standard input says. Given a socket it announces itself there.
PUPPET = r"""
import json, os, socket, subprocess, sys, threading, time
kept, connection = [], None
def announce(path, **more):
    global connection
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    say({"type": "orchestrator.started", "boot": os.urandom(8).hex(), **more})
def say(event):
    connection.sendall(json.dumps(event).encode() + b"\n")
def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
def alloc(mebibytes):
    kept.append(b"x" * (mebibytes << 20))
def fds(count):
    kept.extend(open("/dev/null") for _ in range(count))
def threads(count):
    for _ in range(count):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
def child(seconds):
    code = f"import time\nuntil = time.process_time() + {seconds}\nwhile time.process_time() < until: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
def write(path, mebibytes):
    with open(path, "wb") as file:
        file.write(os.urandom(mebibytes << 20))
        os.fsync(file.fileno())
print(os.getpid(), flush=True)
for line in sys.stdin:
    exec(line)
    print("ok", flush=True)
"""


class Puppet:
    """A python process of its own; `do` runs a line of code in it."""

    def __init__(self, *prefix):
        self.process = subprocess.Popen([*prefix, sys.executable, "-c", PUPPET], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=no_proxy_environment())
        self.own_pid = int(self.process.stdout.readline())  # as it sees it
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()

    def do(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n", line
        return self

    def announce(self, sidecar, **more):
        return self.do(f"announce({str(sidecar.socket)!r}, **{more!r})")

    def kill(self):
        self.process.kill()
        self.process.wait()


# ---- The log ----

class Log:
    """Python's logging into a file, as the orchestrator's documents set it up. Each has a logger of its own."""
    count = 0

    def __init__(self, handler):
        Log.count += 1
        self.handler = handler
        formatter = logging.Formatter(FORMAT)
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
        self.logger = logging.getLogger(f"watching{Log.count}.src.orchestrator")
        self.logger.setLevel(logging.INFO)
        self.logger.propagate = False
        self.logger.addHandler(handler)

    def audit(self, action, status, session="N/A", task="N/A", details="ok", level=logging.INFO, **more):
        self.logger.log(level, "Action: %s, Status: %s, Workflow: video_discovery, SessionID: %s, TaskID: %s, Details: %s",
                        action, status, session, task, details, **more)

    def session(self, name):
        self.audit("create_session", "success", session=name)

    def close(self):
        self.logger.removeHandler(self.handler)
        self.handler.close()


def line_of(number, task=False):
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    what = "execute_task, Status: success" if task else "create_session, Status: success"
    return (f"{now},000 - src.orchestrator - INFO - Action: {what}, Workflow: w, SessionID: s-{number}, TaskID: t-{number}, "
            f"Details: project=p-1, region=us-west-2, note={'x' * 20}\n")



# ---- The provider ----

# The provider two minutes ago, so that its sessions are old enough for what waits for that.
EARLIER = ("import runpy, sys, time; real = time.time; time.time = lambda: real() - 120; "
           f"sys.path.insert(0, {str(PROVIDER.parent)!r}); sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')")


class OldProvider(Provider):
    def __init__(self, *flags, key=KEY):
        super().__init__("--startup", "0", "--release-delay", "0", *flags, key=key)
        self.command = [PYTHON, "-c", EARLIER, *self.command[1:]]


def polls(outcome):
    return f'orchestrator_provider_polls_total{{outcome="{outcome}"}}'
