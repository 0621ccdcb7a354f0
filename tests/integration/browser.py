"""Debian's Chromium, headless, spoken to over its debugging pipe (Chrome DevTools Protocol; messages end in a NUL)."""
import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

CHROMIUM = "/usr/bin/chromium"
# Chromium refuses root without --no-sandbox; all that is opened is our own page on loopback.
FLAGS = ["--headless=new", *(["--no-sandbox"] if os.geteuid() == 0 else []), "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--disable-extensions", "--disable-default-apps", "--no-default-browser-check", "--disable-dev-shm-usage",
         "--hide-scrollbars", "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


class Browser:
    """One browser with one page. `events` is all that the page told: (method, parameters)."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="oxpecker-chromium-")
        there, self.write_end = os.pipe()
        self.read_end, back = os.pipe()
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        environment["HOME"] = self.directory
        shell = f'exec "$0" "$@" 3<&{there} 4>&{back}'
        command = ["bash", "-c", shell, CHROMIUM, *FLAGS, f"--user-data-dir={self.directory}/data", "--remote-debugging-pipe", "about:blank"]
        self.process = subprocess.Popen(command, pass_fds=(there, back), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, env=environment)
        os.close(there)
        os.close(back)
        self.number, self.pending, self.events, self.session = 0, b"", [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *exc):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(30)
        except (OSError, AssertionError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.write_end)
        os.close(self.read_end)
        shutil.rmtree(self.directory, ignore_errors=True)

    def read(self, deadline):
        """The next message, or None when the deadline has passed."""
        while b"\0" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.read_end], [], [], left)[0]:
                return None
            got = os.read(self.read_end, 1 << 20)
            if not got:
                raise OSError("the browser has gone")
            self.pending += got
        message, _, self.pending = self.pending.partition(b"\0")
        return json.loads(message)

    def call(self, method, seconds=90, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        bytes_left = json.dumps(message).encode() + b"\0"
        while bytes_left:
            bytes_left = bytes_left[os.write(self.write_end, bytes_left):]
        deadline = time.monotonic() + seconds
        while True:
            answer = self.read(deadline)
            assert answer is not None, f"{method}: no answer within {seconds} s"
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            if "method" in answer:
                self.events.append((answer["method"], answer["params"]))

    def open(self, url, javascript=True, dark=False, width=1360, height=900):
        """Loads a page and waits until it is there."""
        self.call("Emulation.setScriptExecutionDisabled", value=not javascript)
        self.colours(dark)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        # The page before is left first: what it still tells, such as that its sidecar has gone, is not about this one.
        for address in ("about:blank", url):
            self.events.clear()
            self.call("Page.navigate", url=address)
            self.wait_for_load()

    def wait_for_load(self):
        deadline = time.monotonic() + 90
        while not any(method == "Page.loadEventFired" for method, _ in self.events):
            message = self.read(deadline)
            assert message is not None, "the page did not load"
            if "method" in message:
                self.events.append((message["method"], message["params"]))

    def colours(self, dark):
        """Changes them as the reader's system would, without loading anew."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def value(self, expression):
        """Works without the page's own scripts, too: an expression of the debugger's."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def body(self):
        """The body's markup as it stands; needs no script."""
        root = self.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector="body")["nodeId"]
        return self.call("DOM.getOuterHTML", nodeId=node)["outerHTML"]

    def screenshot(self, path, height=None):
        """Of the whole page, or of so many pixels from its top."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_bytes(base64.b64decode(picture["data"]))

    def told(self, method):
        return [parameters for name, parameters in self.events if name == method]
