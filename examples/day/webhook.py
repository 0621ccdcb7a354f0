"""Who is told of the day's alerts: a webhook on loopback that takes Alertmanager's payload, version 4, as the sidecar sends it, and writes
a line of each message to a log. In episodes that set `receiver_out` it answers 503, so that messages wait, and come late."""
import http.server
import json
import threading

import loopback
import plan


def summary(message):
    """{"firing": …, "resolved": …} of the message, in words."""
    names = {}
    for alert in message["alerts"]:
        names.setdefault(alert["status"], set()).add(alert["labels"]["alertname"])
    return ", ".join(f"{status} {' '.join(sorted(of))}" for status, of in sorted(names.items()))


class Webhook(loopback.Loopback):
    def __init__(self, port=0, log=None):
        self.lock = threading.Lock()
        self.t, self.taken, self.refused, self.log = 0.0, 0, 0, log
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(webhook.tell(body))
                self.send_header("Content-Length", "0")
                self.end_headers()

        super().__init__(Handler, port)
        self.url += "/alerts"

    def begin(self):
        with self.lock:
            self.t = 0.0

    def take(self, t, event, now):
        with self.lock:
            self.t = t

    def tell(self, body):
        """A message; gives the status of the answer."""
        try:
            said = summary(json.loads(body))
        except (ValueError, KeyError, TypeError):
            return 400
        with self.lock:
            status = 503 if plan.setting("receiver_out", self.t) else 200
            self.taken, self.refused = self.taken + (status == 200), self.refused + (status != 200)
            if self.log:
                minutes = int(self.t / 60)
                print(f"{minutes // 60:02d}:{minutes % 60:02d}  {status}  {said}", file=self.log, flush=True)
        return status
