"""An HTTP server on loopback in a thread of its own, for the parts of the day that the sidecar talks to."""
import http.server
import threading


class Loopback:
    """`handler` is a BaseHTTPRequestHandler; port 0 takes a free one. `url` has no path."""

    def __init__(self, handler, port=0):
        handler.log_message = lambda *_: None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
