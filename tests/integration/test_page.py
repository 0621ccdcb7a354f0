"""The first page, GET /, as people get it: by its bytes, and in a browser with and without JavaScript."""
import html.parser
import json
import os
import re
import time
import unittest

from browser import CHROMIUM, Browser
from harness import ROOT, Sidecar, free_port, wait_for

HOSTILE = ["<script>window.harmed=1</script>", "<img src=x onerror=harmed=2>", "\"><svg onload=window.harmed=3>", "{{sidecar}}", "</td></table><b id=harmed>"]
RULES = """groups:
  - name: page
    interval: 1s
    rules:
      - alert: SessionsRun
        expr: sum(orchestrator_sessions_active) > 0
        labels: {severity: critical, hostile: '<script>window.harmed=4</script>'}
        annotations: {summary: 'There are {{ $value }} <b id=harmed>sessions</b>.', runbook_url: 'javascript:window.harmed=5'}
      - alert: SessionsRunForLong
        expr: sum(orchestrator_sessions_active) > 0
        for: 1h
        labels: {severity: warning}
        annotations: {summary: 'Long ago.', description: 'Look <b id=harmed>there</b>.', runbook_url: 'https://runbooks.example/long?a=1&b="2"'}
      - alert: OrchestratorAvailabilityBudgetBurnSlow
        expr: orchestrator_breaker_state{breaker="later", state="open"} == 1
        labels: {severity: critical}
        annotations: {summary: 'Before the others.'}
"""


def a_busy_sidecar():
    sidecar = Sidecar("--storage.sample-interval=1s", "--orchestrator.sessions-limit=25", storage=True)
    rules = sidecar.directory / "rules.yml"
    rules.write_text(RULES)
    config = sidecar.directory / "oxpecker.yml"
    config.write_text(f"rule_files: ['{rules}']\nalerting:\n  route: {{receiver: 'on<i>call', group_wait: 1s}}\n"
                      f"  receivers: [{{name: 'on<i>call', webhook_configs: [{{url: 'http://127.0.0.1:{free_port()}/'}}]}}]\n")
    sidecar.flags.append(f"--config.file={config}")
    return sidecar.start()


def events():
    boot = "00112233445566aa"
    yield {"type": "orchestrator.started", "boot": boot, "version": "4.2.0", "environment": "production", "sdk": "c"}
    for i in range(18):
        yield {"type": "session.started", "session": f"s{i}", "region": "us-east-1", "workflow": "shops"}
    for i in range(3):
        yield {"type": "session.ended", "session": f"s{i}", "status": "COMPLETED" if i else "TIMED_OUT"}
    yield {"type": "session.creating", "session": "p0", "ref": "r0"}
    for i in range(14):
        workflow = (["shops", "prices", "reviews"] + HOSTILE)[i % 8]
        yield {"type": "task.started", "task": f"t{i}", "session": f"s{3 + i}", "workflow": workflow}
        if i % 2:
            yield {"type": "task.ended", "task": f"t{i}", "status": "succeeded" if i % 3 else "failed", "workflow": workflow}
    yield {"type": "breaker", "name": "browserbase_api", "from": "closed", "to": "open", "failures": 5, "cause": "auto"}
    yield {"type": "breaker", "name": "llm", "from": "closed", "to": "closed", "cause": "auto"}
    yield {"type": "breaker", "name": "stagehand", "from": "open", "to": "half_open", "cause": "auto"}
    for name in HOSTILE:
        yield {"type": "breaker", "name": name, "from": "closed", "to": "open", "failures": 2, "cause": "auto"}
    for code, count in (("bb_rate_limit", 9), ("sh_page", 4), ("cdp_closed", 6), ("net_timeout", 3), ("llm_rate_limit", 2)):
        for _ in range(count):
            yield {"type": "error", "code": code}
    for upstream, count in (("browserbase", 7), ("llm", 4), ("site", 2)):
        for i in range(count):
            yield {"type": "retry", "upstream": upstream, "attempt": 1, "delay_s": 0.5, "code": "bb_rate_limit", "op": f"o{i}"}


class Reader(html.parser.HTMLParser):
    """Which elements there are, with which attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


class Busy:
    """A sidecar with something to show."""

    @classmethod
    def setUpClass(cls):
        cls.sidecar = a_busy_sidecar()
        cls.addClassCleanup(cls.sidecar.stop)
        cls.writer = cls.sidecar.connect()
        cls.addClassCleanup(cls.writer.close)
        for event in events():
            cls.sidecar_write(event)
        wait_for(lambda: len(cls.sidecar.json("/api/v1/alerts")["data"]["alerts"]) == 2, what="both alerts")

    @classmethod
    def sidecar_write(cls, event):
        cls.writer.sendall(json.dumps(event).encode() + b"\n")


class Page(Busy, unittest.TestCase):
    def page(self, **headers):
        status, answer, body = self.sidecar.request("/", headers=headers)
        self.assertEqual(status, 200)
        return answer, body.decode()

    def check_harmless(self, text):
        tags = Reader(text).tags
        self.assertEqual([a for t, a in tags if t == "script"], [{"src": "page.js", "defer": None}])
        self.assertFalse([t for t in tags if t[0] in ("img", "b") and (t[1].get("id") or t[0] == "img")])
        self.assertFalse([(t, a) for t, attrs in tags for a in attrs if a.startswith("on") or a == "style"])
        for _, attrs in tags:
            self.assertNotIn("javascript", attrs.get("href") or "")

    def test_bytes(self):
        headers, text = self.page()
        self.assertIn("default-src 'none'", headers["content-security-policy"])
        self.assertNotIn("unsafe", headers["content-security-policy"])
        self.assertEqual((headers["referrer-policy"], headers["x-frame-options"]), ("no-referrer", "DENY"))
        self.check_harmless(text)
        for word in ("browserbase_api", "half_open", "SessionsRun", "pending", "firing", "4.2.0", "on&lt;i&gt;call", "webhook", "waiting", "&lt;script&gt;window.harmed=1"):
            self.assertIn(word, text)
        self.assertIn('href="https://runbooks.example/long?a=1&amp;b=&quot;2&quot;"', text)
        self.assertIn('<link rel="icon" href="page.svg" type="image/svg+xml">', text)
        sizes = {p: len(self.sidecar.request(p)[2]) for p in ("/", "/page.css", "/page.js", "/page.svg")}
        print("bytes:", sizes, "sum", sum(sizes.values()))
        self.assertLess(sum(sizes.values()), 40 << 10)
        self.assertFalse(re.findall(r"(?:https?:)?//(?!www\.w3\.org/2000/svg|runbooks\.example)[a-z0-9.]+",
                                    re.sub(r"/\*.*?\*/", "", text + self.sidecar.request("/page.js")[2].decode(), flags=re.S)))

    def test_more_receivers_than_are_shown(self):
        hooks = ", ".join(f"{{url: 'http://127.0.0.1:{free_port()}/'}}" for _ in range(35))
        config = f"alerting:\n  route: {{receiver: many}}\n  receivers: [{{name: many, webhook_configs: [{hooks}]}}]\n"
        with Sidecar(storage=True, config=config) as sidecar:
            text = sidecar.request("/")[2].decode()
            self.assertIn("and 3 more", text)
            self.assertEqual(text.count('<span class="labels">webhook</span>'), 32)

    def test_who_may_see(self):
        for headers in ({"Host": "prod.example"}, {"X-Forwarded-For": "10.0.0.1"}):
            answer, text = self.page(**headers)
            self.assertIn('<a href="/metrics">', text)
            for word in ("browserbase_api", "SessionsRun", "<script", "production"):
                self.assertNotIn(word, text)
            self.assertIn("default-src 'none'", answer["content-security-policy"])
        with Sidecar("--web.expose-ledger") as sidecar:
            sidecar.send("breaker", "name=seen", "from=closed", "to=open", "cause=auto")
            self.assertIn(b">seen<", sidecar.request("/", headers={"Host": "prod.example"})[2])


class InABrowser(Busy, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not os.path.exists(CHROMIUM):
            missing = f"{CHROMIUM} is not there: the page was not looked at in a browser"
            raise AssertionError(missing) if os.environ.get("CI") else unittest.SkipTest(missing)
        super().setUpClass()
        cls.browser = cls.enterClassContext(Browser())

    def check_quiet(self):
        """Nothing ran that should not, nothing went elsewhere, nothing failed."""
        self.assertIsNone(self.browser.value("window.harmed"))
        self.assertIsNone(self.browser.value("document.getElementById('harmed')"))
        self.assertFalse(self.browser.told("Runtime.exceptionThrown"))
        self.assertFalse(self.browser.told("Log.entryAdded"))
        for request in self.browser.told("Network.requestWillBeSent"):
            self.assertTrue(request["request"]["url"].startswith(self.sidecar.url("/")), request["request"]["url"])

    def test_without_javascript(self):
        self.browser.open(self.sidecar.url("/"), javascript=False)
        text = self.browser.body()
        for word in ("browserbase_api", "SessionsRun", "The charts need JavaScript", "&lt;script&gt;"):
            self.assertIn(word, text)
        self.assertNotIn("<path class=\"s0\"", text)
        self.browser.screenshot(ROOT / "build/page-no-javascript.png")

    def test_live(self):
        self.browser.open(self.sidecar.url("/"))
        wait_for(lambda: self.browser.value("document.querySelectorAll('figure svg').length") == 6, what="the charts")
        before = self.browser.value("document.querySelector('#tiles').innerText")
        self.sidecar_write({"type": "session.started", "session": f"new{time.time()}", "region": "us-east-1"})
        self.sidecar_write({"type": "breaker", "name": "fresh<i>", "from": "closed", "to": "open", "cause": "auto"})
        wait_for(lambda: "fresh<i>" in self.browser.value("document.querySelector('#breakers').innerText"), what="the new breaker")
        self.assertNotEqual(before, self.browser.value("document.querySelector('#tiles').innerText"))
        self.assertEqual(self.browser.value("document.title"), "1 firing – Oxpecker")
        picture = "new Promise(done => { const i = new Image(); i.onload = i.onerror = () => done(i.naturalWidth); i.src = 'page.svg'; })"
        self.assertGreater(self.browser.value(picture), 0, "the icon of the tab")
        self.assertEqual(self.browser.value("document.querySelector('#live').className"), "dot on")
        self.assertEqual(self.browser.value("getComputedStyle(document.querySelector('figure path')).fill"), "none")
        self.check_quiet()

    def told(self, alerts):
        """Waits until there are so many alerts, and the page has taken over a new copy: it does so at once when it comes into sight."""
        wait_for(lambda: len(self.sidecar.json("/api/v1/alerts")["data"]["alerts"]) == alerts, what=f"{alerts} alerts")
        self.browser.value("document.dispatchEvent(new Event('visibilitychange'))")
        wait_for(lambda: self.browser.value("document.querySelectorAll('#alerts tbody tr').length") == alerts, what="a new copy of the page")

    def test_reader_is_not_disturbed(self):
        """Focus, selection and what was opened stay where they are, whatever comes before them."""
        self.browser.open(self.sidecar.url("/"))
        self.browser.value("document.querySelector('#alerts details').open = true")
        self.browser.value("document.querySelector('#alerts a').focus()")
        self.browser.value("getSelection().selectAllChildren(document.querySelector('#alerts details').closest('tr').querySelector('b'))")
        where = "[document.activeElement.href, getSelection().toString(), document.querySelector('#alerts details[open]')?.textContent]"
        before = self.browser.value(where)
        self.assertEqual(before[:2], ["https://runbooks.example/long?a=1&b=%222%22", "SessionsRunForLong"])
        self.assertIn("Look <b id=harmed>there</b>.", before[2])
        self.sidecar_write({"type": "breaker", "name": "later", "from": "closed", "to": "open", "cause": "auto"})
        self.told(3)
        self.assertIn("BurnSlow", self.browser.value("document.querySelector('#alerts tbody b').textContent"))
        self.assertEqual(self.browser.value(where), before)
        self.browser.value("document.querySelector('#alerts a').blur(); document.querySelector('#alerts details').open = false")
        self.check_narrow()
        self.browser.value("getSelection().selectAllChildren(document.getElementById('now'))")
        before = self.browser.value("getSelection().toString()")
        self.sidecar_write({"type": "breaker", "name": "later", "from": "open", "to": "closed", "cause": "auto"})
        self.told(2)
        after = self.browser.value("[getSelection().toString(), document.getElementById('now').textContent]")
        self.assertEqual(after[0], after[1])
        self.assertNotEqual(after[0], before)
        self.check_quiet()

    def check_narrow(self):
        """On a telephone nothing of an alert is off the screen, and no name is broken."""
        self.browser.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=False)
        self.assertFalse(self.browser.value("(a => a.scrollWidth > a.clientWidth)(document.getElementById('alerts'))"))
        self.assertEqual(self.browser.value("[...document.querySelectorAll('#alerts b')].map(b => Math.round(b.getBoundingClientRect().height / 20))"), [1, 1, 1])

    def test_idle(self):
        """What a newcomer sees first; every word fits into its tile."""
        with Sidecar("--storage.sample-interval=1s") as sidecar:
            for width in (1360, 1290, 1270, 1130, 1110, 700, 600, 390, 320):
                self.browser.open(sidecar.url("/"), width=width)
                too_wide = "[...document.querySelectorAll('.tile > *')].filter(b => b.scrollWidth > b.clientWidth || b.tagName == 'B' && b.clientHeight > 40)"
                self.assertEqual(self.browser.value(f"{too_wide}.map(b => b.textContent)"), [], f"at {width} px")
                if width == 1360:
                    self.assertIn("unknown", self.browser.value("document.getElementById('tiles').innerText"))
                    self.browser.screenshot(ROOT / "build/page-idle.png")

    def test_graph(self):
        """Where an alert's generatorURL leads."""
        self.browser.open(self.sidecar.url("/graph?g0.expr=up&g0.tab=1"))
        self.assertEqual(self.browser.value("location.href"), self.sidecar.url("/#alerts-title"))

    def test_pictures(self):
        for dark in (False, True):
            self.browser.open(self.sidecar.url("/"), dark=dark)
            wait_for(lambda: self.browser.value("document.querySelectorAll('figure svg').length") == 6, what="the charts")
            self.browser.screenshot(ROOT / f"build/page-{'dark' if dark else 'light'}.png")
            self.assertFalse(self.browser.value("document.documentElement.scrollWidth > innerWidth"))
        self.browser.open(self.sidecar.url("/"), width=390, height=800)
        wait_for(lambda: self.browser.value("document.querySelectorAll('figure svg').length") == 6, what="the charts")
        self.assertFalse(self.browser.value("document.documentElement.scrollWidth > innerWidth"), "too wide for a telephone")
        self.browser.screenshot(ROOT / "build/page-narrow.png")
        self.check_quiet()


if __name__ == "__main__":
    unittest.main()
