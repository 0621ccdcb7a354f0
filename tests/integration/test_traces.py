"""Traces, logs and incidents: events in by socket, JSON out by HTTP."""
import http.server
import json
import re
import threading
import time
import unittest
import urllib.parse

from harness import OXPECKER, Sidecar, run, wait_for

API = "/api/oxpecker/v1/"
CANARY = "bb_live_canary0123456789ABCDEF"
T = round(time.time()) - 3600.0


def trace_id(n):
    return f"{n:032x}"


def span_id(n):
    return f"{n:016x}"


def started(trace, span, name, at=T, parent=None, **more):
    event = {"type": "span", "state": "started", "trace_id": trace_id(trace), "span_id": span_id(span), "name": name, "started_at": at, "ts": at}
    if parent is not None:
        event["parent_id"] = span_id(parent)
    return event | more


def ended(trace, span, name, at=T, took=1.0, parent=None, status="ok", **more):
    event = started(trace, span, name, at, parent)
    return event | {"state": "ended", "duration_s": took, "ts": at + took, "status": status} | more


def shape(spans):
    """[(name, [children…]), …] of a tree."""
    return [(s["name"], shape(s["children"])) for s in spans]


class Traces(unittest.TestCase):
    def setUp(self):
        self.sidecar = Sidecar()
        self.sidecar.start()
        self.addCleanup(self.sidecar.__exit__)

    def traces(self, **query):
        return self.sidecar.json(API + "traces?" + urllib.parse.urlencode(query))

    def tree(self, n):
        return self.sidecar.json(API + "traces/" + trace_id(n))

    def test_nothing_yet(self):
        self.assertEqual(self.traces(), {"total": 0, "traces": []})
        own = self.sidecar.json(API + "logs")  # the sidecar's own warning, that nothing will outlive it
        self.assertEqual([(log["kind"], log["message"].split()[:2]) for log in own["logs"]], [("sidecar", ["no", "--storage.path:"])])
        self.assertEqual(self.sidecar.json(API + "incidents"), {"total": 0, "skip": 0, "incidents": []})

    def test_a_tree_from_spans_in_any_order(self):
        events = [
            ended(1, 4, "click", T + 3, 0.5, parent=3),
            started(1, 1, "workflow", T, workflow="w", session="s1"),
            ended(1, 3, "act", T + 2, 2, parent=2, status="error", message="no such button"),
            started(1, 4, "click", T + 3, parent=3),  # its start comes behind its end
            ended(1, 5, "extract", T + 1, 1, parent=1, attrs={"site": "shop", "items": 3}),
            ended(1, 2, "task", T + 1.5, 3, parent=1, task="t1"),
            ended(1, 6, "orphan", T + 9, 1, parent=99),
        ]
        self.sidecar.write(*events)
        tree = self.tree(1)
        self.assertEqual(shape(tree["roots"]), [("workflow", [("extract", []), ("task", [("act", [("click", [])])])]), ("orphan", [])])
        self.assertEqual({k: tree[k] for k in ("name", "state", "status", "spans", "open", "errors", "dropped", "session", "workflow", "task")},
                         {"name": "workflow", "state": "active", "status": "error", "spans": 6, "open": 1, "errors": 1, "dropped": 0,
                          "session": "s1", "workflow": "w", "task": "t1"})
        root = tree["roots"][0]
        self.assertEqual((root["state"], root["started_at"], root["parent_id"]), ("open", T, None))
        self.assertEqual(root["children"][0]["attrs"], {"site": "shop", "items": "3"})
        act = root["children"][1]["children"][0]
        self.assertEqual((act["status"], act["message"], act["duration_s"], act["state"]), ("error", "no such button", 2.0, "ended"))
        self.assertEqual(self.sidecar.metrics()["oxpecker_traces_active"], 1)
        self.sidecar.write(ended(1, 1, "workflow", T, 12))
        self.assertEqual(self.tree(1)["state"], "ended")
        self.assertEqual(self.tree(1)["duration_s"], 12.0)
        metrics = self.sidecar.metrics()
        self.assertEqual(metrics["oxpecker_traces_active"], 0)
        self.assertEqual(metrics['oxpecker_ring_entries{buffer="traces"}'], 1)
        self.assertEqual(self.sidecar.json(API + "traces?trace_id=" + trace_id(1)), self.tree(1))

    def test_the_list_and_its_filters(self):
        now = time.time()
        self.sidecar.write(ended(1, 1, "short", now - 50, 1, session="a"), ended(2, 2, "long", now - 40, 20, session="b", task="t"),
                           ended(3, 3, "failed", now - 30, 2, status="failed"), started(4, 4, "running", now - 20))
        rows = [
            ({}, ["running", "failed", "long", "short"]),
            ({"limit": 2}, ["running", "failed"]),
            ({"active": "true"}, ["running"]),
            ({"active": "false"}, ["failed", "long", "short"]),
            ({"error": "true"}, ["failed"]),
            ({"session": "b"}, ["long"]),
            ({"task": "t"}, ["long"]),
            ({"session": "b", "task": "x"}, []),
            ({"min_duration_s": 5}, ["running", "long"]),
        ]
        for query, names in rows:
            with self.subTest(query):
                self.assertEqual([t["name"] for t in self.traces(**query)["traces"]], names)
        self.assertEqual(self.traces(limit=1)["total"], 4)
        for bad in ("limit=0", "limit=x", "limit=1001", "active=maybe", "error=1", "min_duration_s=long", "trace_id=x"):
            with self.subTest(bad):
                self.assertEqual(self.sidecar.request(API + "traces?" + bad)[0], 400)
        for path, status in (("traces/" + trace_id(9), 404), ("traces/" + trace_id(0), 400), ("traces/" + "A" * 32, 400),
                             ("traces/", 400), ("traces/..%2f", 400), ("logs?level=loud", 400), ("logs?kind=x", 400),
                             ("logs?limit=0", 400), ("incidents?state=x", 400), ("incidents?limit=0", 400)):
            with self.subTest(path):
                self.assertEqual(self.sidecar.request(API + path)[0], status)

    def test_bad_ids_are_dropped_and_counted(self):
        good = ended(1, 1, "good")
        bad = [good | {"trace_id": v} for v in ("x", "0" * 32, "F" * 32, "1" * 31, "1" * 33)]
        bad += [good | {"span_id": v} for v in ("x", "0" * 16, "G" * 16, "1" * 17)]
        bad += [{k: v for k, v in good.items() if k != "trace_id"}, {k: v for k, v in good.items() if k != "span_id"}]
        self.sidecar.write(good, *bad)
        self.assertEqual([t["spans"] for t in self.traces()["traces"]], [1])
        metrics = self.sidecar.metrics()
        self.assertEqual(metrics["oxpecker_spans_dropped_total"], len(bad))
        self.assertEqual(metrics['oxpecker_events_received_total{transport="unix"}'], len(bad) + 1)

    def test_limits(self):
        self.sidecar.write(*[ended(1, n + 1, f"s{n}", T + n, 1, parent=n if n else None) for n in range(300)])
        tree = self.tree(1)
        self.assertEqual((tree["spans"], tree["dropped"]), (256, 44))
        depth, at = 0, tree["roots"]
        while at:
            depth, at = depth + 1, at[0]["children"]
        self.assertEqual(depth, 256)
        self.assertEqual(self.sidecar.metrics()["oxpecker_spans_dropped_total"], 44)
        self.sidecar.write(*[ended(n, 1, "x", T + n) for n in range(2, 1102)])
        answer = self.traces(limit=1000)
        self.assertEqual((answer["total"], len(answer["traces"])), (1000, 1000))
        self.assertEqual(answer["traces"][0]["trace_id"], trace_id(1101))
        self.assertEqual(self.sidecar.request(API + "traces/" + trace_id(1))[0], 404)

    def test_eight_writers(self):
        def write(writer):
            for n in range(20):
                trace = writer * 1000 + n + 1
                self.sidecar.write(started(trace, 1, "root"), started(trace, 2, "child", T + 1, parent=1),
                                   {"type": "log", "message": f"w{writer}-{n}", "level": "info", "trace_id": trace_id(trace)},
                                   ended(trace, 2, "child", T + 1, parent=1), ended(trace, 1, "root", T, 3))
        threads = [threading.Thread(target=write, args=(w,)) for w in range(8)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.traces(limit=1000)
            self.sidecar.json(API + "logs?limit=1000")
        for thread in threads:
            thread.join()
        answer = self.traces(limit=1000)
        self.assertEqual(answer["total"], 160)
        self.assertEqual({(t["spans"], t["state"], t["status"]) for t in answer["traces"]}, {(2, "ended", "ok")})
        self.assertEqual(shape(self.tree(7020)["roots"]), [("root", [("child", [])])])
        self.assertEqual(self.sidecar.json(API + f"logs?trace_id={trace_id(3005)}")["logs"][0]["message"], "w3-4")
        self.assertEqual(self.sidecar.metrics()["oxpecker_traces_active"], 0)

    def test_an_owner_that_starts_anew_leaves_abandoned_spans(self):
        first = self.sidecar.connect()
        first.sendall(b"".join(json.dumps(e).encode() + b"\n" for e in (
            {"type": "orchestrator.started", "boot": "00000000000000aa"}, started(1, 1, "left"), started(2, 2, "finished"))))
        wait_for(lambda: self.sidecar.metrics()["oxpecker_traces_active"] == 2)
        self.sidecar.write(started(3, 3, "nobody's"))
        first.close()
        with self.sidecar.connect() as second:
            second.sendall(json.dumps({"type": "orchestrator.started", "boot": "00000000000000bb"}).encode() + b"\n")
            wait_for(lambda: self.sidecar.metrics()["oxpecker_traces_active"] == 1)
            self.assertEqual({t["name"]: t["state"] for t in self.traces()["traces"]},
                             {"left": "abandoned", "finished": "abandoned", "nobody's": "active"})
            self.sidecar.write(ended(2, 2, "finished"))  # it came after all
            self.assertEqual(self.tree(2)["state"], "ended")

    def test_logs(self):
        self.sidecar.write(
            {"type": "log", "message": "one", "level": "info", "logger": "orchestrator", "session": "s1", "ts": T + 1, "attrs": {"a": "b"}},
            {"type": "log", "message": "two", "level": "error", "task": "t1", "ts": T + 2, "trace_id": trace_id(5)},
            {"type": "alert", "message": "three", "severity": "critical", "component": "api", "session": "s1", "ts": T + 3},
            {"type": "audit", "action": "create_session", "status": "success", "session": "s2", "details": "a, b", "ts": T + 4},
            {"type": "audit", "action": "release", "status": "failed", "ts": T + 5},
            {"type": "log", "message": 'forged ","session":"s1', "attrs": {"x": "1", "session": "s1"}, "ts": T + 6},
        )
        rows = [
            ("", ["forged", "release", "create_session", "three", "two", "one", "no"]),
            ("limit=2", ["forged", "release"]),
            ("level=error", ["release", "three", "two"]),
            ("level=WARN&kind=log", ["two"]),
            ("kind=alert", ["three"]),
            ("kind=audit", ["release", "create_session"]),
            ("session=s1", ["three", "one"]),
            ("task=t1", ["two"]),
            ("trace_id=" + trace_id(5), ["two"]),
            ("kind=sidecar", ["no"]),
        ]
        for query, names in rows:
            with self.subTest(query):
                logs = self.sidecar.json(API + "logs?" + query)["logs"]
                self.assertEqual([(r.get("message") or r["action"]).split()[0] for r in logs], names)
        self.assertEqual(self.sidecar.json(API + "logs?limit=1")["total"], 7)
        self.assertEqual(self.sidecar.json(API + "logs?session=s2")["logs"],
                         [{"ts": T + 4, "kind": "audit", "level": "info", "session": "s2", "action": "create_session", "status": "success",
                           "details": "a, b"}])
        self.assertEqual(self.sidecar.json(API + "logs?session=s1&kind=log")["logs"][0]["attrs"], {"a": "b"})
        metrics = self.sidecar.metrics()
        self.assertEqual((metrics['oxpecker_ring_entries{buffer="logs"}'], metrics['oxpecker_ring_entries{buffer="alerts"}']), (6, 1))

    def test_a_flood_of_logs_leaves_the_alerts(self):
        self.sidecar.write({"type": "alert", "message": "look here"})
        self.sidecar.write(*[{"type": "log", "message": f"{n} " + "\u0001" * 1000} for n in range(1500)])
        self.assertEqual(self.sidecar.json(API + "logs?kind=alert")["total"], 1)
        answer = self.sidecar.json(API + "logs?kind=log&limit=1000")
        self.assertEqual((answer["total"], answer["logs"][0]["message"].split()[0]), (1000, "1499"))

    def test_secrets_are_never_in_the_answers(self):
        url = f"wss://connect.example/?apiKey={CANARY}&sessionId=1"
        self.sidecar.write(
            ended(1, 1, f"call {CANARY}", message=f"no answer from {url}", attrs={"url": url, "apiKey": "plain-secret-word", "n": CANARY}),
            {"type": "log", "message": f"key {CANARY}", "logger": CANARY, "stack": url, "attrs": {"db_password": "plain-secret-word"}},
            {"type": "alert", "message": url, "labels": {"key": CANARY}, "attrs": {"token": "plain-secret-word"}},
            {"type": "audit", "action": "create", "details": f"Authorization: Bearer {CANARY}", "status": CANARY},
        )
        for path in ("traces", "traces/" + trace_id(1), "logs", "incidents"):
            _, _, body = self.sidecar.request(API + path)
            self.assertNotIn(b"canary", body, path)
            self.assertNotIn(b"plain-secret-word", body, path)
        self.assertEqual(self.tree(1)["roots"][0]["attrs"]["apiKey"], "[redacted]")

    def test_incidents(self):
        self.sidecar.write(
            {"type": "recovery", "state": "started", "incident": "i1", "severity": "high", "code": "browserbase_session_failed", "task": "t1"},
            {"type": "recovery", "state": "started", "incident": "i2", "severity": "low"},
            {"type": "recovery", "state": "ended", "incident": "i2", "outcome": "recovered", "action": "retry"},
        )
        for query, ids in (("", {"i1", "i2"}), ("state=open", {"i1"}), ("state=closed", {"i2"}), ("severity=high", {"i1"}),
                           ("task=t1", {"i1"}), ("task=t2", set()), ("id=i2", {"i2"})):
            with self.subTest(query):
                answer = self.sidecar.json(API + "incidents?" + query)
                self.assertEqual({i["id"] for i in answer["incidents"]}, ids)
                self.assertEqual(answer["total"], len(ids))
        self.assertEqual(len(self.sidecar.json(API + "incidents?limit=1&skip=1")["incidents"]), 1)

    def test_who_may_look(self):
        for path in ("traces", "traces/" + trace_id(1), "logs", "incidents"):
            status, _, _ = self.sidecar.request(API + path, headers={"Host": "attacker.example"})
            self.assertEqual(status, 403, path)


class Collector(http.server.BaseHTTPRequestHandler):
    """An OTLP/HTTP receiver that believes nothing (opentelemetry-proto 1.x: trace.proto, common.proto, "JSON Protobuf Encoding")."""
    protocol_version = "HTTP/1.1"
    ANY = {"stringValue": str, "boolValue": bool, "intValue": str, "doubleValue": (int, float)}

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body, self.client_address))
        answer, status = (b'{"partialSuccess":{}}', 200) if not self.server.refusals else (b"{}", self.server.refusals.pop(0))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Export(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
        self.server.daemon_threads = True
        self.server.seen, self.server.refusals = [], []
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"

    def export(self, **environment):
        status, stdout, stderr = run(OXPECKER.parent / "tests/unit/lib/trace/trace_export", **environment)
        self.assertEqual((status, stderr), (0, ""))
        return json.loads(stdout)

    def attributes(self, listed):
        got = {}
        for entry in listed:
            self.assertEqual(set(entry), {"key", "value"})
            (kind, value), = entry["value"].items()
            self.assertIsInstance(value, Collector.ANY[kind])
            self.assertNotIn(entry["key"], got)
            got[entry["key"]] = int(value) if kind == "intValue" else value
        return got

    def spans(self):
        """Every span that came, by name, each checked against the schema."""
        found = []
        for path, headers, body, _ in self.server.seen:
            self.assertEqual(headers["Content-Type"], "application/json")
            request = json.loads(body)
            self.assertEqual(set(request), {"resourceSpans"})
            for resource in request["resourceSpans"]:
                self.assertEqual(set(resource), {"resource", "scopeSpans"})
                self.assertEqual(self.attributes(resource["resource"]["attributes"])["service.name"], "collector")
                for scope in resource["scopeSpans"]:
                    self.assertEqual(set(scope), {"scope", "spans"})
                    self.assertEqual(scope["scope"]["name"], "oxpecker")
                    found += scope["spans"]
        for span in found:
            self.assertLessEqual(set(span), {"traceId", "spanId", "parentSpanId", "name", "flags", "kind", "startTimeUnixNano", "endTimeUnixNano",
                                             "attributes", "droppedAttributesCount", "status"})
            self.assertRegex(span["traceId"], "^[0-9a-f]{32}$")
            self.assertRegex(span["spanId"], "^[0-9a-f]{16}$")
            self.assertIn(span["kind"], range(1, 6))
            self.assertIn(span["status"]["code"], range(3))
            for key in ("startTimeUnixNano", "endTimeUnixNano"):
                self.assertTrue(isinstance(span[key], str) and re.fullmatch(r"\d{19}", span[key]), span[key])
            self.assertLessEqual(int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]))
        return found

    def test_what_a_collector_gets(self):
        said = self.export(OTEL_EXPORTER_OTLP_ENDPOINT=self.base + "/base/", OTEL_EXPORTER_OTLP_HEADERS="api-key=k%20y,x=%0d%0aEvil: 1")
        self.assertEqual(said, {"sent": 1, "child": 0, "exported": 4, "dropped": 0})
        self.assertEqual({(path, headers["api-key"], headers.get("Evil")) for path, headers, _, _ in self.server.seen},
                         {("/base/v1/traces", "k y", None)})
        spans = self.spans()
        self.assertEqual(sorted(s["name"] for s in spans), ["child", "extract", "extract", "extract", "parent", "parent again"])
        self.assertEqual(len({s["spanId"] for s in spans}), 6)
        root = next(s for s in spans if s["name"] == "parent")
        child = next(s for s in spans if s.get("parentSpanId") == root["spanId"])
        self.assertEqual((root["traceId"], root["parentSpanId"], root["kind"], root["status"], root["flags"]),
                         ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 2, {"code": 1}, 0x301))
        self.assertEqual((child["kind"], child["status"], child["flags"]), (3, {"code": 2, "message": "no such element"}, 0x101))
        self.assertEqual(self.attributes(root["attributes"]), {"session.id": "s1"})
        attributes = self.attributes(child["attributes"])
        self.assertNotIn("canary", attributes.pop("url"))
        self.assertEqual(attributes, {"oxpecker.component": "stagehand", "city": 'K\u00f6ln\n"quoted"', "bytes": 9007199254740993,
                                      "ratio": 0.25, "cached": True})
        # the parent keeps its connection, and the forked child does not speak over it
        peers = [peer for _, _, _, peer in self.server.seen]
        self.assertEqual(peers[0], peers[2])
        self.assertNotEqual(peers[0], peers[1])

    def test_an_endpoint_of_its_own_and_a_server_that_is_busy_at_first(self):
        self.server.refusals = [503]
        said = self.export(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=self.base + "/own", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
        self.assertEqual((said["exported"], said["dropped"]), (4, 0))
        self.assertEqual([path for path, _, _, _ in self.server.seen], ["/own"] * 4)
        self.assertEqual(self.server.seen[0][2], self.server.seen[1][2])

    def test_a_server_that_refuses(self):
        self.server.refusals = [400, 400, 400]
        said = self.export(OTEL_EXPORTER_OTLP_ENDPOINT=self.base)
        self.assertEqual((said["exported"], said["dropped"], len(self.server.seen)), (0, 4, 3))

    def test_no_endpoint_no_export(self):
        self.assertEqual(self.export()["exported"], 0)


if __name__ == "__main__":
    unittest.main()
