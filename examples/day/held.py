"""The day's provider, as the sidecar's poller sees it: an HTTP server on loopback that answers for the sessions that the day's events opened.

It knows what was written to the sidecar and what time of the day it is, nothing else. It lists the sessions that run, and those of
episodes that set `unreported`: opened with the same tag, told to nobody. It ends a session when it is asked to (the first time it fails
to). While the provider is out it answers 503."""
import datetime
import http.server
import json
import re
import threading
import time

import loopback
import plan

TAG = ("service", "day")
PROJECT = "day"
UNREPORTED_AGE_S = 3600  # as they tell it: long enough to be no session that is just being reported


def stamp(unix_s):
    return datetime.datetime.fromtimestamp(unix_s, datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Held(loopback.Loopback):
    def __init__(self, port=0):
        self.lock = threading.Lock()
        self.t, self.sessions, self.released = 0.0, {}, 0
        self.ended_s, self.proxy_bytes = 0.0, 0
        held = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(held.get(self.path))

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.answer(held.release(self.path))

            def answer(self, told):
                status, body = told
                body = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler, port)

    # ---- from the day ----

    def begin(self):
        """A new day: what the one before left open is over."""
        with self.lock:
            self.t, self.sessions, self.released = 0.0, {}, 0

    def take(self, t, event, now):
        with self.lock:
            self.t = t
            if event is None:
                return
            if event["type"] == "session.started":
                self.sessions.setdefault(event["session"], {"created": now, "region": event.get("region"), "status": "RUNNING"})
            elif event["type"] == "session.ended":
                self.end(event["session"], event["status"], event.get("duration_s", 0), event.get("proxy_bytes", 0))

    def end(self, name, status, duration_s, proxy_bytes=0):
        session = self.sessions.get(name)
        if session and session["status"] == "RUNNING":
            session.update(status=status, ended=time.time(), proxy_bytes=proxy_bytes)
            self.ended_s += max(60, duration_s)
            self.proxy_bytes += proxy_bytes

    # ---- to the sidecar ----

    def shown(self, name, session):
        told = {"id": name, "status": session["status"], "region": session["region"] or plan.REGIONS[0], "keepAlive": True,
                "createdAt": stamp(session["created"]), "startedAt": stamp(session["created"]), "expiresAt": stamp(session["created"] + 21600),
                "proxyBytes": session.get("proxy_bytes", 0), "userMetadata": dict([TAG])}
        return {**told, "endedAt": stamp(session["ended"])} if "ended" in session else told

    def running(self):
        told = [self.shown(name, s) for name, s in self.sessions.items() if s["status"] == "RUNNING"]
        nobody_s = {"status": "RUNNING", "region": None, "created": time.time() - UNREPORTED_AGE_S}
        return told + [self.shown(f"unreported-{i}", nobody_s) for i in range(plan.setting("unreported", self.t))]

    def get(self, path):
        with self.lock:
            if plan.setting("provider_out", self.t):
                return 503, {"message": "Service Unavailable"}
            if path.startswith("/v1/sessions?"):
                return 200, self.running() if "status=RUNNING" in path else []
            if path == f"/v1/projects/{PROJECT}":
                return 200, {"id": PROJECT, "name": "The day", "concurrency": plan.LIMIT}
            if path == f"/v1/projects/{PROJECT}/usage":
                return 200, {"browserMinutes": round(self.ended_s / 60, 2), "proxyBytes": self.proxy_bytes}
            name = re.fullmatch(r"/v1/sessions/([^/?]+)", path)
            if name and name[1] in self.sessions:
                return 200, self.shown(name[1], self.sessions[name[1]])
            return 404, {"message": "Not Found"}

    def release(self, path):
        with self.lock:
            name = path.rpartition("/")[2]
            if name not in self.sessions:
                return 404, {"message": "Not Found"}
            self.released += 1
            if self.released == 1:
                return 500, {"message": "Internal Server Error"}
            self.end(name, "COMPLETED", time.time() - self.sessions[name]["created"])
            return 200, self.shown(name, self.sessions[name])
