#!/usr/bin/env python3
"""A small web site for the shell orchestrator to fetch from: pages that answer, pages that are slow, pages that refuse.

    /ok/N       200 at once
    /slow/N     200 after 1 to 3 seconds
    /flaky/N    503 two times out of three, else 200
    /busy/N     429 with Retry-After every other time
    /missing/N  404
    /health     {"status": "healthy"}

Prints the port it listens on (127.0.0.1 only) and serves until it is told to stop."""
import http.server
import random
import socketserver
import sys
import time


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text, headers=()):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        kind = self.path.split("/")[1]
        if kind == "health":
            self.answer(200, '{"status": "healthy"}')
        elif kind == "ok":
            self.answer(200, "a page\n" * 50)
        elif kind == "slow":
            time.sleep(random.uniform(1, 3))
            self.answer(200, "a slow page\n")
        elif kind == "flaky":
            self.answer(*((200, "a page at last\n") if random.random() < 1 / 3 else (503, "not now\n")))
        elif kind == "busy":
            self.answer(*((200, "a page\n") if random.random() < 1 / 2 else (429, "too many\n", [("Retry-After", "1")])))
        else:
            self.answer(404, "no such page\n")

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Pages)
    print(server.server_address[1], flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
