"""examples/provider: its sessions, its limits, its faults, and what it answers to bad requests."""
import concurrent.futures
import http.client
import json
import signal
import time
import unittest

from harness import Sidecar, run
from provider.process import KEY, PROVIDER, PYTHON, Provider

PROJECT = "00000000-0000-4000-8000-000000000001"
SESSION_CALLS = ("navigate", "act", "extract", "observe", "agent")
STAGEHAND = ("start", *SESSION_CALLS, "end", "replay")


class OneProvider(unittest.TestCase):
    """Tests that share a provider; each leaves it without faults and without open sessions."""
    flags = ("--startup", "0", "--release-delay", "0")

    @classmethod
    def setUpClass(cls):
        cls.provider = Provider(*cls.flags, still=True)
        cls.provider.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.provider.__exit__(None, None, None)

    def setUp(self):
        self.provider.clear()
        self.provider.advance(86400)

    def refused(self, wanted, method, path, body=None, api="browserbase", **more):
        status, headers, answer = self.provider.call(method, path, body, **more)
        self.assertEqual(status, wanted, answer)
        if api == "stagehand":
            self.assertIs(answer["success"], False)
            self.assertIsInstance(answer["error"], str)
        else:
            self.assertEqual((answer["statusCode"], set(answer)), (wanted, {"statusCode", "error", "message"}))
        return answer, headers


class Sessions(OneProvider):
    def test_from_pending_to_completed(self):
        with Provider("--startup", "2", "--release-delay", "3", still=True) as provider:
            session = provider.create(region="eu-central-1", timeout=600, userMetadata={"run": "a"})
            self.assertEqual((session["status"], session["region"], session["keepAlive"]), ("PENDING", "eu-central-1", False))
            self.assertTrue(session["connectUrl"].startswith("ws://127.0.0.1:"))
            self.assertIn(session["signingKey"], session["connectUrl"])
            provider.advance(2)
            self.assertEqual(provider.get(session)["status"], "RUNNING")
            self.assertEqual([s["id"] for s in provider.list(status="RUNNING")], [session["id"]])
            self.assertEqual(provider.list(status="COMPLETED"), [])
            provider.advance(58)
            self.assertEqual(provider.release(session)["status"], "RUNNING", "a release is asynchronous")
            self.assertEqual(provider.release(session)["status"], "RUNNING", "asking again changes nothing")
            provider.advance(3)
            ended = provider.get(session)
            self.assertEqual((ended["status"], "connectUrl" in ended), ("COMPLETED", False))
            self.assertLess(ended["createdAt"], ended["startedAt"])
            self.assertLess(ended["startedAt"], ended["endedAt"])
            self.assertLess(ended["endedAt"], ended["expiresAt"])
            self.assertEqual(provider.release(ended)["status"], "COMPLETED", "of one that has ended: no harm")

    def test_ends_that_time_brings(self):
        rows = [
            # name, fields, what happens: seconds to pass or a thing to do, and the status after each
            ("never connected", {"timeout": 3600}, [(299, "RUNNING"), (1, "TIMED_OUT")]),
            ("its own timeout", {"timeout": 60}, [("connect", "RUNNING"), (59, "RUNNING"), (1, "TIMED_OUT")]),
            ("the default timeout", {}, [("connect", "RUNNING"), (299, "RUNNING"), (1, "TIMED_OUT")]),
            ("idle for ten minutes", {"timeout": 3600}, [("connect", "RUNNING"), (599, "RUNNING"), (1, "COMPLETED")]),
            ("kept alive though idle", {"timeout": 3600, "keepAlive": True}, [("connect", "RUNNING"), (700, "RUNNING"), (2900, "TIMED_OUT")]),
            ("disconnected", {"timeout": 3600}, [("connect", "RUNNING"), ("disconnect", "COMPLETED")]),
            ("kept alive", {"timeout": 3600, "keepAlive": True}, [("connect", "RUNNING"), ("disconnect", "RUNNING"), (3600, "TIMED_OUT")]),
            ("an error", {}, [("connect", "RUNNING"), ("error", "ERROR")]),
            ("before anybody looked", {"timeout": 3600}, [(5000, "TIMED_OUT")]),
        ]
        for name, fields, steps in rows:
            with self.subTest(name):
                session = self.provider.create(**fields)
                for step, status in steps:
                    if isinstance(step, str):
                        self.provider.do(session, step)
                    else:
                        self.provider.advance(step)
                    self.assertEqual(self.provider.get(session)["status"], status, step)

    def test_an_end_bears_its_own_moment_and_is_billed_so(self):
        before = self.provider.usage()["browserMinutes"]
        session = self.provider.create(timeout=120)
        self.provider.advance(5000)
        ended = self.provider.get(session)
        self.assertEqual((ended["status"], ended["endedAt"]), ("TIMED_OUT", ended["expiresAt"]))
        self.assertAlmostEqual(self.provider.usage()["browserMinutes"] - before, 2)
        self.provider.release(self.provider.create())
        self.assertAlmostEqual(self.provider.usage()["browserMinutes"] - before, 3, msg="one minute at least")

    def test_time_runs_as_fast_as_it_is_told(self):
        with Provider("--time-scale", "3600") as provider:
            session = provider.create(timeout=60)
            deadline = time.monotonic() + 60
            while provider.get(session)["status"] != "TIMED_OUT":
                self.assertLess(time.monotonic(), deadline, "a minute is 17 ms here")

    def test_metadata_is_found_by_q(self):
        p = self.provider
        made = {name: p.create(userMetadata=metadata)["id"] for name, metadata in {
            "flat": {"qrun": "x1"}, "deep": {"order": {"state": {"now": "shipped"}}}, "number": {"qrun": 7}, "empty": {}}.items()}
        p.create()
        rows = [("user_metadata['qrun']:'x1'", ["flat"]), ('user_metadata["qrun"]:"x1"', ["flat"]), ("user_metadata['qrun']:'x2'", []),
                ("user_metadata['order']['state']['now']:'shipped'", ["deep"]), ("user_metadata['order']['state']:'shipped'", []),
                ("user_metadata['qrun']:'7'", [])]  # only texts can be asked for
        for query, found in rows:
            with self.subTest(query):
                self.assertEqual([s["id"] for s in p.list(q=query)], [made[name] for name in found])
        self.assertEqual(p.list(q="user_metadata['qrun']:'x1'", status="ERROR"), [])
        for query in ("", "x", "user_metadata:'x'", "user_metadata['a']", "user_metadata['a']:x", "user_metadata[a]:'x'"):
            with self.subTest(query):
                self.refused(400, "GET", "/v1/sessions?q=" + query.replace("'", "%27"))

    def test_debug_project_and_usage(self):
        p = self.provider
        session = p.create()
        urls = p.ok("GET", f"/v1/sessions/{session['id']}/debug?expiresIn=60")
        self.assertEqual(set(urls), {"debuggerUrl", "debuggerFullscreenUrl", "pages", "wsUrl"})
        project = p.ok("GET", f"/v1/projects/{p.project()['id']}")
        self.assertEqual((project["concurrency"], project["defaultTimeout"]), (25, 300))
        before = p.usage()["proxyBytes"]
        for proxies, grew in ((True, True), ([{"type": "browserbase"}], True), (False, False)):
            session = p.create(proxies=proxies)
            p.session_call(session, "navigate", {"url": "http://shop.example/"})
            self.assertEqual(p.get(session)["proxyBytes"] > 0, grew)
        self.assertGreater(p.usage()["proxyBytes"], before)
        p.advance(301)
        self.refused(410, "GET", f"/v1/sessions/{session['id']}/debug")
        self.refused(404, "GET", "/v1/projects/other")
        self.refused(404, "GET", "/v1/projects/other/usage")


class Limits(unittest.TestCase):
    def test_sessions_at_a_time(self):
        with Provider("--plan", "free", "--create-rate", "100", "--release-delay", "5", still=True) as p:
            sessions = [p.create() for _ in range(3)]
            status, headers, answer = p.call("POST", "/v1/sessions", {})
            self.assertEqual((status, answer["statusCode"], answer["error"]), (429, 429, "Too Many Requests"))
            self.assertIn("max concurrent sessions", answer["message"])
            self.assertIn("(limit 3, currently 3)", answer["message"])
            self.assertNotIn("retry-after", headers)
            self.assertEqual(p.call("POST", "/v1/sessions/start", {"modelName": "m"})[0], 429, "Stagehand's sessions count too")
            p.release(sessions[0])
            self.assertEqual(p.call("POST", "/v1/sessions", {})[0], 429, "the slot is free when the release is done")
            p.advance(5)
            p.create()
            self.assertEqual(p.state()["live"], 3)

    def test_creations_in_a_minute(self):
        with Provider("--plan", "free", "--concurrency", "100", still=True) as p:
            for _ in range(5):
                p.create()
            status, headers, answer = p.call("POST", "/v1/sessions", {})
            self.assertEqual(status, 429)
            self.assertIn("(limit 5, currently 5)", answer["message"])
            self.assertNotIn("concurrent", answer["message"])
            self.assertEqual({k: headers[k] for k in ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after")},
                             {"x-ratelimit-limit": "5", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "60", "retry-after": "60"})
            p.advance(59)
            self.assertEqual(p.call("POST", "/v1/sessions", {})[1]["retry-after"], "1")
            p.advance(1)
            p.create()

    def test_headers_can_be_left_out_and_waits_are_the_clients(self):
        with Provider("--create-rate", "0", "--no-rate-headers") as p:
            self.assertFalse({"retry-after", "x-ratelimit-reset"} & set(p.call("POST", "/v1/sessions", {})[1]))
        with Provider("--create-rate", "1", "--time-scale", "10", still=True) as p:
            p.create()
            self.assertEqual(p.call("POST", "/v1/sessions", {})[1]["retry-after"], "6", "a minute of the provider's is 6 s of ours")

    def test_what_the_free_plan_does_not_sell(self):
        with Provider("--plan", "free") as p:
            for field in ("keepAlive", "proxies"):
                status, _, answer = p.call("POST", "/v1/sessions", {field: True})
                self.assertEqual((status, answer["error"]), (403, "Forbidden"))
                self.assertIn(f"{field} is not available on the free plan", answer["message"])
            self.assertEqual(p.create(keepAlive=False, proxies=False)["status"], "PENDING")

    def test_eight_clients_at_once_never_pass_a_limit(self):
        with Provider("--concurrency", "20", "--create-rate", "640", "--release-delay", "0", still=True) as p:
            for _ in range(600):  # a past to look through, so that a creation takes long enough for others to come between
                p.release(p.create())

            def client(keep):
                created = []
                for _ in range(25):
                    status, _, session = p.call("POST", "/v1/sessions", {"userMetadata": {"by": "us"}})
                    self.assertIn(status, (200, 429))
                    if status == 200:
                        created.append(session)
                        p.ok("POST", f"/v1/sessions/{session['id']}/act", {"input": "click"})
                        if not keep:
                            p.release(session)
                return created

            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                kept = sum(pool.map(client, [True] * 8), [])
                self.assertEqual((len(kept), p.state()["live"]), (20, 20), "sessions at a time")
                for session in kept:
                    p.release(session)
                self.assertEqual(len(sum(pool.map(client, [False] * 8), [])), 20, "creations in a minute: 600, 20 and 20")
            state = p.state()
            self.assertEqual((len({s["id"] for s in state["sessions"]}), state["live"]), (640, 0))
            self.assertEqual(state["calls"]["create"], {"200": 640, "429": 360})
            self.assertEqual(state["calls"]["act"], {"200": 40})


class BadRequests(OneProvider):
    def test_keys(self):
        p = self.provider
        for headers in ({"X-BB-API-Key": ""}, {"X-BB-API-Key": "wrong"}, {"X-BB-API-Key": KEY + "x"}):
            answer, _ = self.refused(401, "GET", "/v1/sessions", headers=headers)
            self.assertIn("Unauthorized", answer["message"])
            self.refused(401, "POST", "/v1/sessions/start", {}, api="stagehand", headers=headers)
        self.assertEqual(p.call("GET", "/health", headers={"X-BB-API-Key": ""})[2], {"status": "healthy"})
        with Provider(key=None) as anybody:
            self.assertEqual(anybody.list(), [])
            self.assertEqual(anybody.call("GET", "/v1/sessions", headers={"X-BB-API-Key": ""})[0], 401)

    def test_creations(self):
        for fields in ({"timeout": 59}, {"timeout": 21601}, {"timeout": "60"}, {"timeout": 60.5}, {"timeout": True}, {"region": "mars-1"},
                       {"keepAlive": "yes"}, {"proxies": 1}, {"userMetadata": [1]}, {"userMetadata": "x"}, {"browserSettings": 3},
                       {"browserSettings": {"context": 1}}, {"projectId": 5}):
            with self.subTest(fields):
                answer, _ = self.refused(400, "POST", "/v1/sessions", fields)
                self.assertIn("body/" + next(iter(fields)), answer["message"])
        self.refused(422, "POST", "/v1/sessions", {"userMetadata": {"a": "x" * 504}})
        self.refused(403, "POST", "/v1/sessions", {"projectId": "another"})
        for fields in ({"timeout": 60}, {"timeout": 21600}, {"userMetadata": {"a": "x" * 503}}, {"region": None}, {"newField": 1},
                       {"projectId": self.provider.project()["id"]}):
            with self.subTest(fields):
                self.assertIn(self.provider.create(**fields)["status"], ("PENDING", "RUNNING"))
        self.assertEqual(self.provider.call("POST", "/v1/sessions")[0], 200, "no body at all")

    def test_bodies_that_are_no_json(self):
        deep = "[" * 100_000
        for body in ("{", "NaN", '{"timeout": Infinity}', b"\xff\xfe", deep, "[]", "null", '"text"'):
            with self.subTest(body[:20]):
                self.refused(400, "POST", "/v1/sessions", body)
        self.refused(413, "POST", "/v1/sessions", b" " * (1 << 20) + b"{}")
        self.refused(413, "POST", "/v1/sessions", b" " * (8 << 20))  # more than the kernel holds: the client is still sending
        self.refused(400, "POST", "/control/faults", "{")

    def test_paths_and_methods(self):
        for method, path, wanted in (("GET", "/", 404), ("GET", "/v1/sessions/", 404), ("GET", "/v1/sessions/a/b/c", 404),
                                     ("PUT", "/v1/sessions", 405), ("DELETE", "/v1/sessions/x", 405), ("GET", "/v1/sessions/nobody", 404),
                                     ("GET", "/v1/sessions?status=running", 400), ("GET", "/control/nothing", 404)):
            with self.subTest(f"{method} {path}"):
                self.refused(wanted, method, path)
        session = self.provider.create()
        for body in ({}, {"status": "RUNNING"}, {"status": None}, [1]):
            self.refused(400, "POST", f"/v1/sessions/{session['id']}", body)
        self.refused(404, "POST", "/v1/sessions/nobody", {"status": "REQUEST_RELEASE"})

    def test_what_is_no_http(self):
        post = b"POST /v1/sessions HTTP/1.1\r\nX-BB-API-Key: %s\r\n" % KEY.encode()
        for text, wanted in ((b"HELLO\r\n\r\n", b"400"), (b"BREW /v1/sessions HTTP/1.1\r\n\r\n", b"501"),
                             (b"POST /v1/sessions HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"401"),
                             (post + b"Content-Length: x\r\n\r\n", b"400"),
                             (post + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
                             (post + b"Content-Length: 9\r\n\r\n{}", b"400"),
                             (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414")):
            with self.subTest(text[:30]):
                answer = self.provider.raw(text)
                self.assertIn(wanted, answer[:20] + answer[-200:])
                self.assertIn(b'"statusCode": ' + wanted, answer)
        self.assertEqual(self.provider.list(status="ERROR"), [], "it still answers")

    def test_orders_that_make_no_sense(self):
        for order in ({}, [], 5, {"kind": "nothing"}, {"kind": 500}, {"kind": ["500"]}, {"kind": "500", "where": "moon"},
                      {"kind": "500", "count": 0}, {"kind": "500", "count": True}, {"kind": "500", "probability": 0},
                      {"kind": "500", "probability": 1.5}, {"kind": "slow", "seconds": -1}, {"kind": "500", "colour": "red"},
                      {"kind": "act_timeout", "where": "create"}, {"kind": "session_error", "where": "list"}):
            with self.subTest(order):
                if order == []:
                    self.assertEqual(self.provider.ok("POST", "/control/faults", []), [])
                else:
                    self.refused(400, "POST", "/control/faults", json.dumps(order))
        self.refused(400, "POST", "/control/faults", [{"kind": "500"}, {"kind": "nothing"}])
        self.assertEqual(self.provider.ok("GET", "/control/faults"), [], "all of a list, or none")
        self.refused(404, "DELETE", "/control/faults/99")
        for body in ({}, {"advance": "1"}, {"advance": -1}, {"advance": True}):
            self.refused(400, "POST", "/control/clock", body)
        self.refused(400, "POST", f"/control/sessions/{self.provider.create()['id']}", {"do": "dance"})

    def test_flags(self):
        for flags in (["--listen", "nowhere"], ["--listen", "127.0.0.1:70000"], ["--latency", "2-1"], ["--latency", "x"], ["--time-scale", "0"],
                      ["--plan", "gold"], ["--concurrency", "-1"], ["--fault", "kind=nothing"], ["--fault", "slow"], ["--fault", "count=x"],
                      ["--unknown"], ["extra"]):
            with self.subTest(flags):
                status, stdout, stderr = run(PYTHON, PROVIDER, *flags)
                self.assertEqual((status, stdout), (2, ""))
                self.assertIn("error: ", stderr)
        status, _, stderr = run(PYTHON, PROVIDER, "--listen", f"127.0.0.1:{self.provider.port}")
        self.assertEqual(status, 1)
        self.assertIn("Address already in use", stderr)


class Stagehand(OneProvider):
    BODIES = {"navigate": {"url": "https://shop.example/"}, "act": {"input": "click"}, "extract": {"instruction": "the prices"},
              "observe": {"instruction": "buttons"}, "agentExecute": {"agentConfig": {}, "executeOptions": {"instruction": "buy it"}}}

    def begin(self, **more):
        answer = self.provider.ok("POST", "/v1/sessions/start", {"modelName": "openai/gpt-4.1-mini", **more})
        self.assertIs(answer["success"], True)
        return {"id": answer["data"]["sessionId"]}

    def test_a_session_from_start_to_end(self):
        session = self.begin(browserbaseSessionCreateParams={"userMetadata": {"by": "sh"}, "region": "us-east-1"})
        self.assertEqual((self.provider.get(session)["status"], self.provider.get(session)["region"]), ("RUNNING", "us-east-1"))
        tokens = {"inputTokens": 0, "outputTokens": 0}
        for name, body in self.BODIES.items():
            status, headers, answer = self.provider.session_call(session, name, body)
            self.assertEqual((status, answer["success"]), (200, True))
            self.assertEqual("tokenUsage" in answer["data"], name != "navigate")
            self.assertEqual(headers.get("browserbase-cache-status"), "MISS" if name in ("act", "extract", "observe") else None)
            for kind in tokens:
                tokens[kind] += answer["data"].get("tokenUsage", {}).get(kind, 0)
        self.assertGreater(min(tokens.values()), 0)
        pages = self.provider.ok("GET", f"/v1/sessions/{session['id']}/replay")["data"]["pages"]
        done = [action for page in pages for action in page["actions"]]
        self.assertEqual([a["method"] for a in done], ["navigate", "act", "extract", "observe", "agent"])
        for kind, total in tokens.items():
            self.assertEqual(sum(a.get("tokenUsage", {}).get(kind, 0) for a in done), total)
        self.assertEqual(self.provider.ok("POST", f"/v1/sessions/{session['id']}/end"), {"success": True})
        self.assertEqual(self.provider.get(session)["status"], "COMPLETED")

    def test_it_takes_over_a_session_and_keeps_it_from_ending(self):
        made = self.provider.create(timeout=3600)
        self.assertEqual(self.begin(browserbaseSessionID=made["id"])["id"], made["id"])
        for _ in range(3):
            self.provider.advance(500)
            self.assertEqual(self.provider.session_call(made, "act", self.BODIES["act"])[0], 200)
        self.provider.advance(600)
        answer, _ = self.refused(410, "POST", f"/v1/sessions/{made['id']}/act", self.BODIES["act"], api="stagehand")
        self.assertEqual(answer["code"], "SESSION_ENDED")

    def test_extract_fills_a_schema(self):
        schema = {"type": "object", "properties": {
            "items": {"type": "array", "items": {"type": "object", "properties": {
                "name": {"type": "string"}, "price": {"type": "number"}, "left": {"type": "integer"}, "new": {"type": "boolean"}}}},
            "colour": {"enum": ["red", "blue"]}, "note": {"type": ["string", "null"]}}}
        _, _, answer = self.provider.session_call(self.begin(), "extract", {"instruction": "x", "schema": schema})
        result = answer["data"]["result"]
        self.assertEqual((len(result["items"]), result["colour"], type(result["note"])), (3, "red", str))
        self.assertEqual([type(v) for v in result["items"][0].values()], [str, float, int, bool])

    def test_bad_requests(self):
        session = self.begin()
        rows = [("start", {}), ("start", {"modelName": 5}), ("start", {"modelName": "m", "browserbaseSessionCreateParams": {"timeout": 1}}),
                ("navigate", {}), ("navigate", {"url": "ftp://x"}), ("act", {}), ("act", {"input": 5}), ("extract", {"schema": []}),
                ("observe", {"instruction": 5}), ("agentExecute", {}), ("agentExecute", {"executeOptions": {}}), ("act", "{")]
        for name, body in rows:
            with self.subTest(f"{name} {body}"):
                path = "/v1/sessions/start" if name == "start" else f"/v1/sessions/{session['id']}/{name}"
                self.refused(400, "POST", path, body, api="stagehand")
        self.refused(404, "POST", "/v1/sessions/nobody/act", {"input": "x"}, api="stagehand")
        self.refused(404, "POST", "/v1/sessions/start", {"modelName": "m", "browserbaseSessionID": "nobody"}, api="stagehand")

    def events(self, session, name, **headers):
        status, shown, text = self.provider.session_call(session, name, self.BODIES[name], **{"x-stream-response": "true", **headers})
        self.assertEqual((status, shown["content-type"]), (200, "text/event-stream"))
        self.assertTrue(text.endswith("\n\n"))
        return [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n")[:-1]]

    def test_a_stream_of_events(self):
        session = self.begin()
        for name in self.BODIES:
            with self.subTest(name):
                events = self.events(session, name)
                self.assertEqual([e["data"]["status"] for e in events], ["starting", "connected", "running", "finished"])
                self.assertEqual({e["type"] for e in events}, {"system", "log"})
                self.assertIn("result", events[-1]["data"])
        self.provider.fault({"where": "act", "kind": "captcha", "count": 1})
        events = self.events(session, "act")
        self.assertEqual(events[-1]["data"]["status"], "error")
        self.assertEqual(events[-1]["data"]["code"], "CaptchaTimeoutError")
        self.assertIn("browserbase-solving-errored", [e["data"]["message"]["message"] for e in events if e["type"] == "log"])
        self.provider.fault({"where": "act", "kind": "cut_body", "count": 1})
        self.assertEqual([e["data"]["status"] for e in self.events(session, "act")], ["starting", "connected", "running"])
        self.provider.fault({"where": "act", "kind": "lose", "count": 1})
        self.assertRaises((http.client.IncompleteRead, ConnectionResetError), self.events, session, "act")
        self.provider.fault({"where": "act", "kind": "bad_json", "count": 1})
        with self.assertRaises(json.JSONDecodeError):
            self.events(session, "act")
        self.provider.fault({"where": "act", "kind": "503", "count": 1})
        self.assertEqual(self.provider.session_call(session, "act", self.BODIES["act"], **{"x-stream-response": "true"})[0], 503)
        self.assertEqual(self.provider.session_call(session, "act", {**self.BODIES["act"], "streamResponse": True})[1]["content-type"],
                         "text/event-stream")


class Faults(OneProvider):
    PLACES = {"create": ("POST", "/v1/sessions", {}), "list": ("GET", "/v1/sessions", None), "get": ("GET", "/v1/sessions/{id}", None),
              "release": ("POST", "/v1/sessions/{id}", {"status": "REQUEST_RELEASE"}), "debug": ("GET", "/v1/sessions/{id}/debug", None),
              "project": ("GET", "/v1/projects", None), "usage": ("GET", "/v1/projects/{project}/usage", None),
              "start": ("POST", "/v1/sessions/start", {"modelName": "m"}), "end": ("POST", "/v1/sessions/{id}/end", {}),
              "replay": ("GET", "/v1/sessions/{id}/replay", None),
              **{name: ("POST", "/v1/sessions/{id}/" + ("agentExecute" if name == "agent" else name),
                        Stagehand.BODIES["agentExecute" if name == "agent" else name]) for name in SESSION_CALLS}}

    def at(self, place, session):
        method, path, body = Faults.PLACES[place]
        return self.provider.call(method, path.format(id=session["id"], project=PROJECT), body)

    def test_every_kind_at_every_place(self):
        kinds = self.provider.ok("GET", "/control/kinds")
        self.assertEqual(set(self.PLACES), {place for kind in kinds.values() for place in kind["where"]})
        for name, kind in kinds.items():
            for place in kind["where"]:
                with self.subTest(f"{name} at {place}"):
                    self.setUp()
                    session = self.provider.create(timeout=3600)
                    self.provider.fault({"where": place, "kind": name, "count": 1, "seconds": 0})
                    self.one_fault(name, kind, place, session)
                    self.assertEqual(self.provider.ok("GET", "/control/faults")[0]["fired"], 1)
                    if kind["how"] != "end":
                        self.assertEqual(self.at(place, session)[0], 200, "once, as ordered")

    def one_fault(self, name, kind, place, session):
        stagehand = place in STAGEHAND
        if kind["how"] in ("drop", "lose"):
            self.assertRaises(ConnectionResetError, self.at, place, session)
        elif kind["how"] == "cut_body":
            self.assertRaises(http.client.IncompleteRead, self.at, place, session)
        elif kind["how"] == "bad_json":
            self.assertRaises(json.JSONDecodeError, self.at, place, session)
        elif kind["how"] in ("refuse", "model"):
            status, _, answer = self.at(place, session)
            self.assertEqual(status, kind["status"])
            if name in ("502", "504"):
                self.assertTrue(answer.startswith("<html>"))
            elif stagehand:
                self.assertEqual(answer["success"], False)
                self.assertEqual("code" in answer, kind["code"] is not None)
                self.assertNotIn("{", answer["error"] + answer.get("code", ""))
            else:
                self.assertEqual(answer["statusCode"], status)
        elif kind["how"] == "slow":
            self.assertEqual(self.at(place, session)[0], 200)
        elif kind["how"] == "result":
            result = self.at(place, session)[2]["data"]["result"]
            self.assertIn(result if place == "observe" else result.get("status", result.get("success")), ([], False, 403))
            self.assertFalse(result and result.get("completed"))
        elif kind["how"] == "end":
            status, _, answer = self.at(place, session)
            if place in ("create", "start"):
                session = {"id": answer["id"] if place == "create" else answer["data"]["sessionId"]}
            self.assertEqual(status, 200 if place in ("create", "start", "get", "release", "end", "replay") else 410)
            self.assertEqual(self.provider.get(session)["status"], kind["code"])
        else:
            self.fail(f"no test of {name}")

    def test_done_or_not_done(self):
        rows = [("drop", 0), ("500", 0), ("lose", 1), ("cut_body", 1), ("bad_json", 1), ("slow", 1)]
        for name, made in rows:
            with self.subTest(name):
                self.setUp()
                self.provider.fault({"where": "create", "kind": name, "count": 1, "seconds": 0})
                try:
                    self.provider.call("POST", "/v1/sessions", {"userMetadata": {"done": name}})
                except (OSError, ValueError, http.client.HTTPException):  # the answer is not what this looks at
                    pass
                self.assertEqual(len(self.provider.list(q=f"user_metadata['done']:'{name}'")), made)

    def test_order_count_any_and_clearing(self):
        p = self.provider
        first, second, third = p.fault({"where": "list", "kind": "500", "count": 2}, {"kind": "503"}, {"kind": "act_timeout"})
        self.assertEqual([p.call("GET", "/v1/sessions")[0] for _ in range(3)], [500, 500, 503])
        self.assertEqual(p.call("GET", "/v1/projects")[0], 503)
        self.assertEqual([f["fired"] for f in p.ok("GET", "/control/faults")], [2, 2, 0])
        p.ok("DELETE", f"/control/faults/{second['id']}")
        self.assertEqual(p.call("GET", "/v1/projects")[0], 200, "act_timeout does not befall it")
        self.assertEqual([f["id"] for f in p.ok("GET", "/control/faults")], [first["id"], third["id"]])

    def test_probability_repeats_with_a_seed(self):
        def struck(seed):
            with Provider("--seed", seed, "--fault", "where=list,kind=500,probability=0.3") as p:
                return [p.call("GET", "/v1/sessions")[0] for _ in range(100)]
        first = struck("7")
        self.assertEqual(first, struck("7"))
        self.assertNotEqual(first, struck("8"))
        self.assertTrue(10 <= first.count(500) <= 50, first.count(500))

    def test_seconds(self):
        p = self.provider
        p.fault({"where": "create", "kind": "429_rate", "count": 1, "seconds": 12}, {"where": "list", "kind": "429_rate", "seconds": 0.5})
        self.assertEqual(p.call("POST", "/v1/sessions", {})[1]["retry-after"], "12")
        self.assertEqual(p.call("GET", "/v1/sessions")[1]["retry-after"], "1")
        p.clear()
        p.fault({"where": "create", "kind": "session_completed", "count": 1, "seconds": 30})
        session = p.create()
        p.advance(29)
        self.assertEqual(p.get(session)["status"], "RUNNING")
        p.advance(1)
        self.assertEqual(p.get(session)["status"], "COMPLETED")
        p.fault({"where": "get", "kind": "slow", "seconds": 0.3})
        began = time.monotonic()
        p.get(session)
        self.assertGreaterEqual(time.monotonic() - began, 0.3)

    def test_the_page_names_every_kind_place_and_flag(self):
        page = (PROVIDER.parent / "README.md").read_text()
        for word in [*self.provider.ok("GET", "/control/kinds"), *self.PLACES]:
            self.assertIn(f"`{word}`", page)
        _, usage, _ = run(PYTHON, PROVIDER, "--help")
        for flag in {word.strip("[],") for word in usage.split() if word.startswith(("--", "[--"))}:
            self.assertIn(f"`{flag}", page)


class Codes(OneProvider):
    def test_what_a_session_call_answers_gets_the_codes_of_the_table(self):
        rows = [
            # code, upstream, operation in where, kind
            ("sh_act_timeout", "stagehand", "act", "act_timeout"), ("sh_read_timeout", "stagehand", "extract", "read_timeout"),
            ("sh_read_timeout", "stagehand", "observe", "read_timeout"), ("sh_element", "stagehand", "act", "element"),
            ("sh_captcha", "stagehand", "navigate", "captcha"), ("cdp_closed", "stagehand", "observe", "cdp_closed"),
            ("site_down", "site", "navigate", "site_down"), ("llm_rate_limit", "llm", "act", "llm_429"),
            ("llm_overloaded", "llm", "extract", "llm_overloaded"), ("llm_quota", "llm", "agent", "llm_quota"),
            ("llm_auth", "llm", "observe", "llm_auth"), ("llm_bad_output", "llm", "extract", "llm_bad_output"),
            ("llm_context", "llm", "act", "llm_context"), ("llm_refused", "llm", "act", "llm_refused"),
            ("bb_server_error", "stagehand", "act", "503"), ("bb_server_error", "stagehand", "start", "502"),
            ("bb_auth", "stagehand", "act", "401"), ("bb_not_found", "stagehand", "act", "404"), ("bb_not_found", "stagehand", "act", "410"),
            ("bb_not_found", "stagehand", "act", "session_timed_out"), ("bb_api_rate_limit", "stagehand", "act", "429_rate"),
        ]
        with Sidecar("--shutdown.grace=0s") as sidecar:
            for code, upstream, place, kind in rows:
                with self.subTest(f"{code} {place} {kind}"):
                    self.setUp()
                    self.provider.fault({"where": place, "kind": kind, "count": 1, "seconds": 0})
                    status, _, answer = Faults.at(self, place, self.provider.create())
                    said = {"message": answer, "code": None} if isinstance(answer, str) else {"message": answer["error"], "code": answer.get("code")}
                    before = sidecar.metrics()
                    sidecar.send("error", f"upstream={upstream}", f"op={'session.create' if place == 'start' else place}", f"status={status}",
                                 f"message={said['message']}", *([f"name={said['code']}"] if said["code"] else []))
                    moved = [key.split('code="')[1].split('"')[0] for key, value in sidecar.metrics().items()
                             if key.startswith("orchestrator_errors_total{") and value > before.get(key, 0)]
                    self.assertEqual(moved, [code], (status, said))


class Stopping(unittest.TestCase):
    def test_signals_end_it_cleanly_even_while_it_answers(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), Provider() as p, concurrent.futures.ThreadPoolExecutor(1) as pool:
                p.fault({"where": "list", "kind": "slow", "seconds": 60})
                slow = pool.submit(p.call, "GET", "/v1/sessions")
                while not p.ok("GET", "/control/faults")[0]["fired"]:
                    time.sleep(0.01)
                began = time.monotonic()
                self.assertEqual(p.stop(number), (0, ""))
                self.assertLess(time.monotonic() - began, 30)
                self.assertEqual(slow.result()[0], 200, "what was asked is answered, early")


if __name__ == "__main__":
    unittest.main()
