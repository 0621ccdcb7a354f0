"""Starts the real sidecar (and real peers) on loopback, each on a free port, and stops it by its process id."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
OXPECKER = pathlib.Path(os.environ.get("OXPECKER", ROOT / "build/release/oxpecker"))


def wait_for(condition, seconds=60, what="condition"):
    """The first true value of condition(), asked often; fails after `seconds`, which only guard against hanging: fewer are a claim."""
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() > deadline  # before it is asked for the last time: we ourselves may have been held up
        value = condition()
        if value:
            return value
        if late:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def free_port(port=0):
    """One of loopback that nobody listens at (or this one), ours until this process ends: the kernel gives it to nobody who lets it choose, and
    who connects is refused until one of ours listens at it by its number, which SO_REUSEADDR allows."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        port = s.getsockname()[1]
        s.detach()  # it stays open
    return port


def contents(folder):
    """{path: bytes} of all files below. What is renamed or removed while we look is looked for once more."""
    def read():
        with contextlib.suppress(FileNotFoundError):
            return {path: path.read_bytes() for path in pathlib.Path(folder).rglob("*") if stat.S_ISREG(path.stat().st_mode)}
    return wait_for(read, what=f"the files of {folder}")


def no_proxy_environment(**extra):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OXPECKER_") and not k.lower().endswith("_proxy")}
    environment.update(extra)
    return environment


def api(port, path, arguments):
    """The answer of Prometheus' /api/v1/`path`, an error's too."""
    url = f"http://127.0.0.1:{port}/api/v1/{path}?" + urllib.parse.urlencode(arguments, doseq=True)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


class Sidecar:
    """One sidecar. Use as a context manager; start, stop and kill may be called again on the same directory."""

    def __init__(self, *flags, storage=False, config=None, directory=None, environment=None):
        self.own_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="oxpecker-test-"))
        self.socket = self.directory / "events.sock"
        self.flags = list(flags)
        self.environment = no_proxy_environment(**(environment or {}))
        if storage:
            (self.directory / "storage").mkdir(exist_ok=True)
            self.flags.append(f"--storage.path={self.directory / 'storage'}")
        if config is not None:
            self.config = self.directory / "oxpecker.yml"
            self.config.write_text(config)
            self.flags.append(f"--config.file={self.config}")
        self.log = self.directory / "log"
        self.process = None
        self.port = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def command(self):
        return [str(OXPECKER), "--web.listen-address=127.0.0.1:0", f"--events.listen-unix={self.socket}", *self.flags]

    def start(self):
        offset = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stderr=log, stdin=subprocess.DEVNULL, env=self.environment)

        def ready():
            if self.process.poll() is not None:
                raise AssertionError("the sidecar ended: " + self.logged())
            text = self.log.read_bytes()[offset:].decode()
            match = re.search(r'msg="listening for HTTP".*port=(\d+)', text)
            return match and "msg=ready" in text and int(match.group(1))

        self.port = wait_for(ready, what="start of the sidecar")
        return self

    def logged(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def send_signal(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGINT, seconds=60):
        """Asks it to stop (SIGINT: without waiting for a last scrape) and gives the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the sidecar did not stop within {seconds} s: {self.logged()}") from None
        self.leave_port()
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.leave_port()

    def leave_port(self):
        """Nobody answers there in its stead: who still asks for it finds it dead."""
        if self.port is not None:
            with contextlib.suppress(OSError):  # somebody was quicker
                free_port(self.port)

    def url(self, path="/metrics"):
        return f"http://127.0.0.1:{self.port}{path}"

    def request(self, path="/metrics", method="GET", body=None, headers=None):
        """(status, headers, body) whatever the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read()
        finally:
            connection.close()

    def json(self, path):
        status, _, body = self.request(path)
        assert status == 200, (status, body)
        return json.loads(body)

    def api(self, path, **arguments):
        """The answer of Prometheus' /api/v1/`path`, an error's too."""
        return api(self.port, path, arguments)

    def metrics(self):
        """{'name{labels}': value} of a plain text scrape."""
        status, _, body = self.request("/metrics")
        assert status == 200, (status, body)
        values = {}
        for line in body.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                values[name] = float(value)
        return values

    def send(self, *words, check=True):
        """`oxpecker send`, which returns once the event was applied."""
        done = subprocess.run([str(OXPECKER), "send", f"--events.listen-unix={self.socket}", *words], capture_output=True, text=True,
                              timeout=60, env=no_proxy_environment(), check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"send {words}: {done.returncode}: {done.stderr}{self.logged()}")
        return done

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        s.connect(str(self.socket))
        return s

    def write(self, *events):
        """Events over one connection, waits until they are applied."""
        with self.connect() as s:
            s.sendall(b"".join((e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n" for e in events))
            s.shutdown(socket.SHUT_WR)
            assert s.recv(1) == b""


def run(*command, timeout=120, stdin=None, **environment):
    """A command's (status, stdout, stderr); further keywords are environment variables."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout, input=stdin,
                          env=no_proxy_environment(**environment), check=False)
    return done.returncode, done.stdout, done.stderr


class Prometheus:
    """Debian's Prometheus, scraping the given targets."""

    def __init__(self, targets, interval="1s"):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="oxpecker-prometheus-"))
        self.port = free_port()
        listed = ", ".join(f'"{t}"' for t in targets)
        (self.directory / "prometheus.yml").write_text(
            f"global: {{scrape_interval: {interval}}}\nscrape_configs:\n"
            f"  - job_name: oxpecker\n    static_configs: [{{targets: [{listed}]}}]\n")

    def __enter__(self):
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.directory / 'prometheus.yml'}", f"--storage.tsdb.path={self.directory / 'data'}",
             f"--web.listen-address=127.0.0.1:{self.port}", "--enable-feature=exemplar-storage", "--storage.tsdb.retention.time=100y"],
            stdout=subprocess.DEVNULL, stderr=open(self.directory / "log", "wb"), env=no_proxy_environment())
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(60)
        shutil.rmtree(self.directory, ignore_errors=True)

    def query(self, expression):
        """The result vector of an instant query, or [] while Prometheus is not up yet."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60) as answer:
                return json.load(answer)["data"]["result"]
        except (urllib.error.URLError, ConnectionError):
            return []

    def api(self, path, **arguments):
        """The answer of /api/v1/`path`, an error's too."""
        return api(self.port, path, arguments)

    def wait_ready(self):
        wait_for(lambda: self.query("vector(1)"), what="start of Prometheus")

    def value(self, expression):
        """The one number that an expression gives, or None."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def targets(self):
        url = f"http://127.0.0.1:{self.port}/api/v1/targets"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60) as answer:
            return json.load(answer)["data"]["activeTargets"]
