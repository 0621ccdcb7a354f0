"""Starts examples/provider on a free port, speaks to it, and stops it by its process id."""
import http.client
import json
import signal
import socket
import subprocess
import urllib.parse

from harness import ROOT, no_proxy_environment

PROVIDER = ROOT / "examples/provider/provider.py"
PYTHON = "/usr/bin/python3"
KEY = "bb_test_key"


class Provider:
    """One provider. `call` gives (status, headers, JSON or text); its helpers want a status of 200. The time of one that stands `still` goes
    on when it is put forward, and else never: how long a test takes does not matter."""
    STILL = ("import runpy, sys, threading, time; time.monotonic = lambda: 1000.0; "
             f"sys.path.insert(0, {str(PROVIDER.parent)!r}); sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')")

    def __init__(self, *flags, key=KEY, still=False):
        self.key = key
        self.command = [PYTHON, *(["-c", self.STILL] if still else []), str(PROVIDER), *(["--api-key", key] if key else []), *flags]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=no_proxy_environment())
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise AssertionError("the provider did not start: " + self.process.communicate()[1])
        parts = urllib.parse.urlsplit(self.url)
        self.host, self.port = parts.hostname, parts.port
        return self

    def __exit__(self, *exc):
        status, stderr = self.stop()
        if exc[0] is None:
            assert (status, stderr) == (0, ""), (status, stderr)

    def stop(self, number=signal.SIGTERM):
        """(exit status, what it said on stderr)."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            _, stderr = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError("the provider did not stop") from None
        return self.process.returncode, stderr

    def raw(self, text, seconds=60):
        """What comes back for bytes sent as they are, until the provider closes or is silent."""
        with socket.create_connection((self.host, self.port), timeout=seconds) as s:
            s.sendall(text)
            s.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
            return answer

    def call(self, method, path, body=None, headers=None, timeout=60):
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers={"X-BB-API-Key": self.key or "any", **(headers or {})})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        shown = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, shown, json.loads(text) if "json" in shown.get("content-type", "") else text

    def ok(self, method, path, body=None, **more):
        status, _, answer = self.call(method, path, body, **more)
        assert status == 200, (method, path, status, answer)
        return answer

    def create(self, **fields):
        return self.ok("POST", "/v1/sessions", fields)

    def get(self, session):
        return self.ok("GET", f"/v1/sessions/{session['id']}")

    def release(self, session):
        return self.ok("POST", f"/v1/sessions/{session['id']}", {"status": "REQUEST_RELEASE"})

    def list(self, **query):
        return self.ok("GET", "/v1/sessions?" + urllib.parse.urlencode(query))

    def usage(self):
        return self.ok("GET", f"/v1/projects/{self.project()['id']}/usage")

    def project(self):
        return self.ok("GET", "/v1/projects")[0]

    def session_call(self, session, name, body, **headers):
        return self.call("POST", f"/v1/sessions/{session['id']}/{name}", body, headers)

    def fault(self, *faults):
        return self.ok("POST", "/control/faults", list(faults))

    def clear(self):
        self.ok("DELETE", "/control/faults")

    def advance(self, seconds):
        self.ok("POST", "/control/clock", {"advance": seconds})

    def do(self, session, what):
        return self.ok("POST", f"/control/sessions/{session['id']}", {"do": what})

    def state(self):
        return self.ok("GET", "/control/state")
