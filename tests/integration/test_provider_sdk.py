"""The published Browserbase SDK pointed at examples/provider, and what the sidecar makes of the errors that it really throws."""
import json
import os
import pathlib
import shutil
import subprocess
import unittest

from harness import ROOT, Sidecar, free_port
from provider.process import KEY, Provider

HERE = pathlib.Path(__file__).resolve().parent
SDK = ROOT / "build/provider-sdk"


def install_sdk():
    """None when the SDK is there, else why not. Installed once, below build/."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    SDK.mkdir(parents=True, exist_ok=True)
    wanted = json.loads((HERE / "provider/package.json").read_text())["dependencies"]["@browserbasehq/sdk"]
    for name in ("package.json", "client.mjs"):
        shutil.copyfile(HERE / "provider" / name, SDK / name)
    there = SDK / "node_modules/@browserbasehq/sdk/package.json"
    if there.exists() and json.loads(there.read_text())["version"] == wanted:
        return None
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--prefix", str(SDK)],
                          cwd=SDK, capture_output=True, text=True, timeout=300, check=False)
    return None if done.returncode == 0 else "npm install of @browserbasehq/sdk failed: " + done.stderr.strip()[-500:]


class Sdk(unittest.TestCase):
    """The published SDK. Retries are off but where they are the point."""

    @classmethod
    def setUpClass(cls):
        missing = install_sdk()
        if missing and os.environ.get("CI"):
            raise AssertionError(missing)
        if missing:
            raise unittest.SkipTest(missing)

    def job(self, provider, name, call, args=(), **more):
        client = {"baseURL": provider.url, "apiKey": KEY, "maxRetries": 0, **more.pop("client", {})}
        return {"name": name, "client": client, "control": provider.url, "call": call, "args": list(args), **more}

    def outcomes(self, jobs):
        done = subprocess.run(["node", str(SDK / "client.mjs")], input=json.dumps(jobs), capture_output=True, text=True, timeout=300,
                              cwd=SDK, env={k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return {outcome["name"]: outcome for outcome in json.loads(done.stdout)}

    def test_creates_lists_retrieves_and_releases(self):
        with Provider("--startup", "0", "--release-delay", "0", still=True) as p:
            made = self.outcomes([self.job(p, str(i), "create", [{"region": "eu-central-1", "api_timeout": 120 + i, "userMetadata": {"n": str(i)}}])
                                  for i in range(3)])
            ids = [made[str(i)]["result"]["id"] for i in range(3)]
            self.assertEqual(made["1"]["result"]["region"], "eu-central-1")
            self.assertEqual(made["1"]["result"]["userMetadata"], {"n": "1"})
            self.assertTrue(made["1"]["result"]["connectUrl"].startswith("ws://"))
            project = p.project()["id"]
            results = {name: outcome["result"] for name, outcome in self.outcomes([
                self.job(p, "release", "update", [ids[0], {"status": "REQUEST_RELEASE", "projectId": project}]),
                self.job(p, "retrieve", "retrieve", [ids[1]]), self.job(p, "all", "list"),
                self.job(p, "running", "list", [{"status": "RUNNING"}]), self.job(p, "completed", "list", [{"status": "COMPLETED"}]),
                self.job(p, "q", "list", [{"q": "user_metadata['n']:'2'"}]), self.job(p, "debug", "debug", [ids[1], {"expiresIn": 60}]),
                self.job(p, "project", "project", [project]), self.job(p, "projects", "projects"), self.job(p, "usage", "usage", [project]),
            ]).items()}
            self.assertEqual(results["release"]["id"], ids[0])
            self.assertEqual((results["retrieve"]["id"], results["retrieve"]["status"]), (ids[1], "RUNNING"))
            self.assertEqual([s["id"] for s in results["all"]], ids[::-1])
            self.assertEqual([s["id"] for s in results["running"]], [ids[2], ids[1]])
            self.assertEqual([s["id"] for s in results["completed"]], [ids[0]])
            self.assertEqual([s["id"] for s in results["q"]], [ids[2]])
            self.assertEqual(len(results["debug"]["pages"]), 1)
            self.assertEqual((results["project"]["concurrency"], results["projects"][0]["id"]), (25, project))
            self.assertEqual(results["usage"], {"browserMinutes": 3, "proxyBytes": 0})

    def test_its_own_retries(self):
        """Three wire calls look like one; a creation that timed out has left a session, which its metadata finds."""
        with Provider() as p:
            twice = {"where": "create", "kind": "503", "count": 2}
            slow = {"where": "create", "kind": "slow", "count": 1, "seconds": 50}
            rate = {"where": "list", "kind": "429_rate", "count": 1, "seconds": 2}
            done = self.outcomes([
                self.job(p, "hidden", "create", [{}], client={"maxRetries": 2}, faults=[twice]),
                self.job(p, "repeated", "create", [{"userMetadata": {"attempt": "a1"}}], client={"maxRetries": 1, "timeout": 5000}, faults=[slow]),
                self.job(p, "waits", "list", client={"maxRetries": 1}, faults=[rate])])
            self.assertTrue(all("result" in outcome for outcome in done.values()), done)
            self.assertEqual(p.state()["calls"]["create"], {"503": 2, "200": 3})
            self.assertEqual(len(p.list(q="user_metadata['attempt']:'a1'")), 2, "one of them is nobody's")
            self.assertGreaterEqual(done["waits"]["ms"], 1990, "retry-after is honoured")

    def test_errors_as_thrown_get_the_codes_of_the_table(self):
        gone = f"http://127.0.0.1:{free_port()}"
        with Provider("--startup", "0", "--release-delay", "0", still=True) as p, Provider("--plan", "free", still=True) as free, \
                Provider("--concurrency", "1", still=True) as full, Provider("--create-rate", "1", still=True) as hurried, \
                Sidecar("--shutdown.grace=0s") as sidecar:
            for provider in (full, hurried):
                provider.create()
            live, ended = p.create(timeout=3600)["id"], p.create()
            p.release(ended)
            release = {"status": "REQUEST_RELEASE"}

            def fault(kind, **more):
                return {"faults": [{"kind": kind, **more}]}

            slow = {**fault("slow", seconds=50), "client": {"timeout": 150}}
            rows = [
                # code, the thrown error's class, op, provider, call, arguments, more
                ("bb_concurrency_limit", "RateLimitError", "session.create", full, "create", [{}], {}),
                ("bb_concurrency_limit", "RateLimitError", "session.create", p, "create", [{}], fault("429_concurrency")),
                ("bb_create_rate_limit", "RateLimitError", "session.create", p, "create", [{}], fault("429_rate")),
                ("bb_create_rate_limit", "RateLimitError", "session.create", hurried, "create", [{}], {}),
                ("bb_api_rate_limit", "RateLimitError", "session.list", p, "list", [], fault("429_rate")),
                ("bb_api_rate_limit", "RateLimitError", "session.get", p, "retrieve", [live], fault("429_rate")),
                ("bb_auth", "AuthenticationError", "session.create", p, "create", [{}], {"client": {"apiKey": "wrong"}}),
                ("bb_auth", "AuthenticationError", "session.list", p, "list", [], fault("401")),
                ("bb_plan", "PermissionDeniedError", "session.create", free, "create", [{"keepAlive": True}], {}),
                ("bb_plan", "PermissionDeniedError", "session.create", free, "create", [{"proxies": True}], {}),
                ("bb_forbidden", "PermissionDeniedError", "session.create", p, "create", [{"projectId": "another"}], {}),
                ("bb_forbidden", "APIError", "session.create", p, "create", [{}], fault("402")),
                ("bb_bad_request", "BadRequestError", "session.create", p, "create", [{"api_timeout": 5}], {}),
                ("bb_bad_request", "UnprocessableEntityError", "session.create", p, "create", [{"userMetadata": {"a": "x" * 600}}], {}),
                ("bb_not_found", "NotFoundError", "session.get", p, "retrieve", ["nobody"], {}),
                ("bb_not_found", "APIError", "session.debug", p, "debug", [ended["id"]], {}),
                ("bb_conflict", "ConflictError", "session.create", p, "create", [{}], fault("409")),
                *[("bb_server_error", "InternalServerError", "session.create", p, "create", [{}], fault(kind))
                  for kind in ("500", "502", "503", "504")],
                ("bb_create_timeout", "APIConnectionTimeoutError", "session.create", p, "create", [{}], slow),
                ("bb_create_timeout", "APIError", "session.create", p, "create", [{}], fault("408")),
                ("net_timeout", "APIConnectionTimeoutError", "session.list", p, "list", [], slow),
                ("net_timeout", "APIError", "session.list", p, "list", [], fault("408")),
                ("net_reset", "APIConnectionError", "session.create", p, "create", [{}], fault("drop")),
                ("net_reset", "APIConnectionError", "session.create", p, "create", [{}], fault("lose")),
                ("net_reset", "TypeError", "session.create", p, "create", [{}], fault("cut_body")),
                ("net_refused", "APIConnectionError", "session.create", p, "create", [{}], {"client": {"baseURL": gone}}),
                ("data_parse", "SyntaxError", "session.list", p, "list", [], fault("bad_json")),
                ("sh_aborted", "APIUserAbortError", "session.list", p, "list", [{}], {**fault("slow"), "abort_ms": 150}),
                *[("bb_release_failed", name, "session.release", p, "update", [live, release], fault(kind)) for kind, name in (
                    ("500", "InternalServerError"), ("429_concurrency", "RateLimitError"), ("404", "NotFoundError"), ("drop", "APIConnectionError"))],
                ("bb_release_failed", "APIConnectionTimeoutError", "session.release", p, "update", [live, release], slow),
            ]
            done = self.outcomes([self.job(row[3], str(i), row[4], row[5], **row[6]) for i, row in enumerate(rows)])
            for i, (code, name, op, *_, more) in enumerate(rows):
                with self.subTest(f"{i} {code} {op} {json.dumps(more)}"):
                    self.assertIn("error", done[str(i)])
                    self.assertEqual(done[str(i)]["error"]["name"], name, done[str(i)]["error"])
                    self.classified(sidecar, code, op, done[str(i)]["error"])
                    if "status" in done[str(i)]["error"]:  # its `name` is "Error", it prints as "Error: 403 …": the message alone must do
                        self.classified(sidecar, code, op, {"name": "Error", "message": "Error: " + done[str(i)]["error"]["message"]})
            self.assertEqual(sidecar.metrics()["orchestrator_sessions_limit"], 25, "the creation limit is not the session limit")

    def classified(self, sidecar, code, op, error):
        """What the sidecar counts when it is told of an error as it was thrown."""
        said = [f"{field}={error[field]}" for field in ("name", "status", "errno", "message") if field in error]
        before = sidecar.metrics()
        sidecar.send("error", "upstream=browserbase", f"op={op}", *said)
        after = sidecar.metrics()
        for family in ("orchestrator_errors_total", "orchestrator_session_create_failures_total"):
            moved = [key.split('code="')[1].split('"')[0] for key, value in after.items()
                     if key.startswith(family + "{") and value > before.get(key, 0)]
            wanted = [code] if family == "orchestrator_errors_total" or op == "session.create" else []
            self.assertEqual(moved, wanted, f"{family}: {said}")


if __name__ == "__main__":
    unittest.main()
