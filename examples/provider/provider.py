#!/usr/bin/env python3
"""A browser provider on this machine: Browserbase's session API and Stagehand's v3 REST API with real session state, and with every
failure on order. For trying an orchestrator without an account, and for tests. See README.md beside this file.

Prints its URL as the first line of stdout and serves until SIGINT or SIGTERM."""
import collections
import hmac
import http
import http.server
import json
import os
import random
import re
import signal
import socket
import socketserver
import struct
import sys
import threading
import time
import urllib.parse

import browserbase
import control
import stagehand
from faults import GATEWAY, Faults
from flags import read_flags
from state import Refusal, State

BODY_MAX = 1 << 20
DISCARD_MAX = 16 << 20
SESSION = "(?P<session>[^/]+)"

# What a connection that is to be cut is answered with.
CUT = object()


def of_state(handler):
    return lambda provider, request: handler(provider.state, request)


# Method, path, whose shape of answer, operation (None: control), what answers. The first that fits.
ROUTES = [(method, re.compile(path), api, operation, handler) for method, path, api, operation, handler in [
    ("POST", "/v1/sessions", "browserbase", "create", of_state(browserbase.create)),
    ("GET", "/v1/sessions", "browserbase", "list", of_state(browserbase.list_sessions)),
    ("POST", "/v1/sessions/start", "stagehand", "start", of_state(stagehand.start)),
    ("GET", f"/v1/sessions/{SESSION}", "browserbase", "get", of_state(browserbase.retrieve)),
    ("POST", f"/v1/sessions/{SESSION}", "browserbase", "release", of_state(browserbase.release)),
    ("GET", f"/v1/sessions/{SESSION}/debug", "browserbase", "debug", of_state(browserbase.debug)),
    ("GET", "/v1/projects", "browserbase", "project", of_state(browserbase.projects)),
    ("GET", "/v1/projects/(?P<project>[^/]+)", "browserbase", "project", of_state(browserbase.project)),
    ("GET", "/v1/projects/(?P<project>[^/]+)/usage", "browserbase", "usage", of_state(browserbase.usage)),
    ("POST", f"/v1/sessions/{SESSION}/(?P<call>{'|'.join(stagehand.CALLS)})", "stagehand", "call", None),
    ("POST", f"/v1/sessions/{SESSION}/end", "stagehand", "end", of_state(stagehand.end)),
    ("GET", f"/v1/sessions/{SESSION}/replay", "stagehand", "replay", of_state(stagehand.replay)),
    ("GET", "/control/state", "control", None, control.show),
    ("GET", "/control/faults", "control", None, control.list_faults),
    ("POST", "/control/faults", "control", None, control.add_faults),
    ("DELETE", "/control/faults(?:/(?P<number>[0-9]{1,9}))?", "control", None, control.clear_faults),
    ("GET", "/control/kinds", "control", None, control.kinds),
    ("POST", "/control/clock", "control", None, control.put_forward),
    ("POST", f"/control/sessions/{SESSION}", "control", None, control.change_session),
    ("GET", "/health", "control", None, control.health),
]]


class Request:
    """What a handler needs to know of a call."""

    def __init__(self, host, query):
        self.host, self.query = host, query
        self.session = self.project = self.call = self.number = self.body = None
        self.waited = 0.0


def find_route(method, path, request):
    """(api, operation, handler) and the path's parts into the request."""
    known = False
    for verb, pattern, api, operation, handler in ROUTES:
        match = pattern.fullmatch(path)
        if not match:
            continue
        known = True
        if verb == method:
            for name, value in match.groupdict().items():
                setattr(request, name, value)
            return api, stagehand.CALLS[request.call][0] if operation == "call" else operation, handler
    raise Refusal(405 if known else 404, f"Route {method}:{path} not found")


def phrase_of(status):
    return http.HTTPStatus(status).phrase if status in {s.value for s in http.HTTPStatus} else "Overloaded"


class Provider:
    """The state behind every connection, and its one lock."""

    def __init__(self, settings):
        self.settings = settings
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.random = random.Random(settings.seed)
        self.state = State(settings, self.random)
        self.faults = Faults(self.random)
        self.calls = collections.defaultdict(collections.Counter)
        self.busy = 0
        if settings.fault:
            self.faults.add(settings.fault)

    def wait(self, seconds):
        """Lets time pass, outside the lock, unless the server is to stop."""
        if seconds > 0:
            self.stopping.wait(seconds)

    def latency(self):
        with self.lock:
            return self.random.uniform(*self.settings.latency)

    def check_key(self, key):
        wanted = self.settings.api_key
        if not key or (wanted and not hmac.compare_digest(key.encode(), wanted.encode())):
            raise Refusal(401, "Unauthorized: " + ("the API key is not valid" if key else "the header X-BB-API-Key is missing"), "UNAUTHORIZED")

    def refusal(self, kind, order, operation, request):
        """The error that an order of a refusing kind stands for."""
        if order.kind == "429_concurrency":
            return self.state.over_concurrency()
        if order.kind == "429_rate" and operation in ("create", "start"):
            return self.state.over_create_rate(order.seconds)
        if order.kind == "429_rate":
            wait = str(max(1, round(order.seconds + 0.4999)))
            return Refusal(429, f"Too many requests: API rate limit exceeded, try again in {wait} seconds.",
                           headers=self.state.rate_headers(100, wait))
        url = request.body.get("url", "") if isinstance(request.body, dict) else ""
        words = {"status": kind.status, "phrase": phrase_of(kind.status), "method": operation, "Method": operation.capitalize(), "url": url}
        text = re.sub(r"\{(\w+)\}", lambda m: str(words[m.group(1)]), kind.message)
        return Refusal(kind.status, text, kind.code and re.sub(r"\{(\w+)\}", lambda m: str(words[m.group(1)]), kind.code))

    def answer_locked(self, operation, handler, request):
        """(answer, what is to be done to it, its order). Refusal for what is an error."""
        if operation is None:
            return handler(self, request), None, None
        kind, order = self.faults.strike(operation)
        how = kind.how if kind else None
        if how == "drop":
            return CUT, kind, order
        if how == "refuse":
            raise self.refusal(kind, order, operation, request)
        if how == "model":
            self.state.command(self.state.live(request.session))
            refusal = self.refusal(kind, order, operation, request)
            refusal.in_stream = True
            raise refusal
        if how == "end" and operation not in ("create", "start"):
            self.state.end_at(self.state.live(request.session), kind.code, order.seconds)
        answer = self.run_locked(operation, handler, request, kind if how == "result" else None)
        if how == "end" and operation in ("create", "start"):
            self.state.end_at(self.state.find(answer["id" if operation == "create" else "sessionId"]), kind.code, order.seconds)
        return answer, kind, order

    def run_locked(self, operation, handler, request, fault):
        if handler is None:
            return stagehand.call(self.state, request, fault)
        return handler(self, request)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 65  # of a connection that says nothing
    wbufsize = -1  # head and body in one piece
    disable_nagle_algorithm = True

    def version_string(self):
        return "provider"

    def log_message(self, *args):
        if self.server.provider.settings.verbose:
            sys.stderr.write("%s\n" % (args[0] % args[1:]))

    def send_error(self, code, message=None, explain=None):
        """What http.server itself refuses, in the shape of everything else."""
        self.close_connection = True
        self.send_json(code, {"statusCode": code, "error": phrase_of(code), "message": message or phrase_of(code)})

    def read_body(self):
        """The body as JSON; an absent one is an empty object."""
        if self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise Refusal(411, "the length of the body must be told")
        length = self.headers.get("Content-Length", "0")
        if not re.fullmatch("[0-9]{1,15}", length):
            self.close_connection = True
            raise Refusal(400, "Content-Length is not a number")
        if int(length) > BODY_MAX:
            self.close_connection = True
            left = min(int(length), DISCARD_MAX)  # a client that is still sending when the connection closes never reads the answer
            while left and (piece := self.rfile.read(min(left, BODY_MAX))):
                left -= len(piece)
            raise Refusal(413, f"the body is longer than {BODY_MAX} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            raise Refusal(400, "the body is shorter than was told")
        if not body.strip():
            return {}
        try:
            return json.loads(body, parse_constant=lambda name: float(name + "?"))  # JSON has no NaN
        except (ValueError, RecursionError):
            raise Refusal(400, "Body is not valid JSON", "VALIDATION_ERROR") from None

    def do_any(self):
        provider = self.server.provider
        with provider.lock:
            provider.busy += 1
        try:
            self.serve(provider)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client had enough
        finally:
            with provider.lock:
                provider.busy -= 1

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = do_any

    def serve(self, provider):
        url = urllib.parse.urlsplit(self.path)
        request = Request("{}:{}".format(*self.server.shown_address), dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)))
        api, operation, kind, order, refusal, answer = "control", None, None, None, None, None
        try:
            body_refused = None
            try:
                request.body = self.read_body()
            except Refusal as refused:
                body_refused = refused
            api, operation, handler = find_route(self.command, url.path, request)
            if operation is not None:
                provider.check_key(self.headers.get("X-BB-API-Key"))
            if body_refused:
                raise body_refused
            if operation is not None:
                request.waited = provider.latency()
        except Refusal as refused:
            refusal = refused
        streams = refusal is None and request.call is not None and self.wants_stream(provider, request)
        if not streams:
            provider.wait(request.waited)
        if refusal is None:
            try:
                with provider.lock:
                    answer, kind, order = provider.answer_locked(operation, handler, request)
            except Refusal as refused:
                refusal = refused
        status = "dropped" if answer is CUT else 200 if refusal is None else refusal.status
        with provider.lock:
            provider.calls[operation or api][str(status)] += 1
        if streams:
            self.stream(provider, request, answer, refusal, kind, order)
        elif refusal is not None:
            self.send_refusal(api, refusal)
        else:
            self.send_answer(api, answer, kind, order, provider)

    def wants_stream(self, provider, request):
        mode = provider.settings.sse
        asked = self.headers.get("x-stream-response", "").lower() == "true" or (
            isinstance(request.body, dict) and request.body.get("streamResponse") is True)
        return mode == "always" or (mode == "header" and asked)

    # Answers.

    def send_head(self, status, content_type, length, headers=()):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("Cache-Control", "no-cache")
        else:
            self.send_header("Content-Length", str(length))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def send_json(self, status, answer, headers=()):
        body = json.dumps(answer).encode() + b"\n"
        self.send_head(status, "application/json; charset=utf-8", len(body), headers)
        self.wfile.write(body)

    def send_refusal(self, api, refusal):
        if refusal.message.startswith(GATEWAY[:6]):
            body = refusal.message.encode()
            self.send_head(refusal.status, "text/html", len(body))
            self.wfile.write(body)
        elif api == "stagehand":
            answer = {"success": False, "error": refusal.message, **({"code": refusal.code} if refusal.code else {})}
            self.send_json(refusal.status, answer, refusal.headers)
        else:
            answer = {"statusCode": refusal.status, "error": phrase_of(refusal.status), "message": refusal.message}
            self.send_json(refusal.status, answer, refusal.headers)

    def send_answer(self, api, answer, kind, order, provider):
        how = kind.how if kind else None
        if answer is CUT or how == "lose":
            return self.reset()
        headers = {}
        if api == "stagehand":
            if isinstance(answer, dict) and "cacheHit" in answer:
                headers = {"browserbase-cache-status": "HIT" if answer["cacheHit"] else "MISS"}
            answer = {"success": True, "data": answer} if answer != {} else {"success": True}
        if how == "slow":
            provider.wait(order.seconds)
        if how not in ("cut_body", "bad_json"):
            return self.send_json(200, answer, headers)
        body = json.dumps(answer).encode() + b"\n"
        half = body[:len(body) // 2]
        self.close_connection = how == "cut_body"
        self.send_head(200, "application/json; charset=utf-8", len(body) if how == "cut_body" else len(half))
        self.wfile.write(half)

    def reset(self):
        """Ends the connection without a word (RST)."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def send_event(self, event):
        data = event if isinstance(event, bytes) else b"data: " + json.dumps(event).encode() + b"\n\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def stream(self, provider, request, answer, refusal, kind, order):
        """The answer to a session call as server-sent events. Refusals that are no part of the call itself come as plain HTTP."""
        how = kind.how if kind else None
        in_stream = getattr(refusal, "in_stream", False)
        if answer is CUT:
            return self.reset()
        if refusal is not None and not in_stream:
            provider.wait(request.waited)
            return self.send_refusal("stagehand", refusal)
        if self.request_version == "HTTP/1.0":
            self.close_connection = True
            return self.send_error(505, "streams need HTTP/1.1")
        hit = answer.pop("cacheHit", None) if answer else None
        cache = {} if hit is None else {"browserbase-cache-status": "HIT" if hit else "MISS"}
        self.send_head(200, "text/event-stream", None, cache)
        for status in ("starting", "connected"):
            self.send_event(stagehand.event(status))
        self.send_event(stagehand.log(f"running {request.call}"))
        if refusal is not None and refusal.code == "CaptchaTimeoutError":
            for text in ("browserbase-solving-started", "browserbase-solving-errored"):
                self.send_event(stagehand.log(text))
        provider.wait(request.waited + (order.seconds if how == "slow" else 0))
        if how == "lose":
            return self.reset()
        if how == "cut_body":
            pass  # well-formed as a body, but what was asked for never comes
        elif how == "bad_json":
            self.send_event(b'data: {"type": "system", "da\n\n')
        elif refusal is not None:
            self.send_event(stagehand.event("error", error=refusal.message, code=refusal.code))
        else:
            self.send_event(stagehand.event("finished", **answer, **({} if hit is None else {"cacheHit": hit})))
        self.wfile.write(b"0\r\n\r\n")
        return None


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host, port, provider):
        self.provider = provider
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)
        self.shown_address = (f"[{host}]" if ":" in host else host, self.server_address[1])

    def server_bind(self):  # http.server would look up the host's name
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main(words):
    settings = read_flags(words)
    provider = Provider(settings)
    for number_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number_, lambda *_: provider.stopping.set())
    try:
        server = Server(*settings.listen, provider)
    except OSError as error:
        sys.exit(f"provider: {settings.listen[0]}:{settings.listen[1]}: {error.strerror or error}")
    print("http://{}:{}".format(*server.shown_address), flush=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    provider.stopping.wait()
    server.shutdown()
    server.server_close()
    deadline = time.monotonic() + 2  # for answers that are on their way
    while provider.busy and time.monotonic() < deadline:
        time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1:])
