"""What the sidecar looks at by itself: the provider."""
import concurrent.futures
import pathlib
import shutil
import signal
import tempfile
import time
import unittest

from harness import free_port, wait_for
from provider.process import KEY
from watching import ORPHANED, OldProvider, PROJECT, Puppet, Sidecar, metric, polls, wait_value


class Provided(unittest.TestCase):
    """A poll comes every 5 s at the most often, so the stories are told at the same time; each test waits for its own."""
    TAG = "run=a1"

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="oxpecker-provider-"))
        (cls.folder / "key").write_text(KEY + "\n")
        (cls.folder / "wrong").write_text("bb_wrong_canary\n")
        cls.pool = concurrent.futures.ThreadPoolExecutor()
        cls.told = {name: cls.pool.submit(getattr(cls, "tell_" + name)) for name in
                    ("releases", "dead", "unmatched", "wrong_key", "outage", "slow")}

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()
        shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def sidecar(cls, provider, *flags, key="key", **more):
        return Sidecar(f"--provider.base-url={provider.url}", f"--provider.api-key-file={cls.folder / key}", f"--provider.tag={cls.TAG}",
                       "--provider.interval=5s", "--orchestrator.reconnect-grace=0s", *flags, **more)

    @staticmethod
    def orphan(sidecar, *sessions):
        """Sessions that a writer reports before he is killed."""
        with Puppet() as puppet:
            puppet.announce(sidecar)
            for session in sessions:
                puppet.do(f'say({{"type": "session.started", "session": {session["id"]!r}, "ts": {time.time() - 100}}})')
            wait_value(sidecar, 'orchestrator_sessions_active{state="running"}', len(sessions))
            puppet.kill()
        wait_value(sidecar, ORPHANED, len(sessions))

    @classmethod
    def tell_releases(cls):
        with OldProvider() as provider, cls.sidecar(
                provider, config="provider: {release_orphans: dry-run, release_after: 1s}\n") as sidecar:
            session = provider.create(userMetadata={"run": "a1"})
            cls.orphan(sidecar, session)
            wait_for(lambda: "dry run: an orphaned session would be released" in sidecar.logged(), what="the dry run")
            dry = (session["id"] in sidecar.logged(), provider.get(session)["status"], sum(provider.state()["calls"].get("release", {}).values()),
                   metric(sidecar, 'orchestrator_sessions_reaped_total{outcome="ok"}'))
            sidecar.config.write_text("provider: {release_orphans: on, release_after: 1s}\n")
            sidecar.send_signal(signal.SIGHUP)
            wait_value(sidecar, 'orchestrator_sessions_reaped_total{outcome="ok"}', 1)
            status = provider.get(session)["status"]
            state = sidecar.metrics()
            wait_value(sidecar, ORPHANED, 0)
            return dry, status, state, sidecar.metrics(), sidecar.logged()

    def test_an_orphan_is_released_when_that_is_on(self):
        dry, status, then, after, log = self.told["releases"].result()
        self.assertEqual(dry, (True, "RUNNING", 0, 0), "named, running still, the provider not asked, nothing reaped")
        self.assertEqual(status, "COMPLETED")
        self.assertEqual(then[ORPHANED], 1, "it is an orphan until the provider says that it ended")
        self.assertEqual(after['orchestrator_sessions_ended_total{status="completed"}'], 1)
        self.assertEqual(after['orchestrator_sessions_reaped_total{outcome="failed"}'], 0)
        self.assertIn("an orphaned session was released", log)
        self.assertIn("reloaded the configuration", log)
        self.assertEqual(log.count("dry run: an orphaned"), 1, "said once")

    @classmethod
    def tell_dead(cls):
        """Orphans that end by themselves leave with their true status."""
        with OldProvider() as provider, cls.sidecar(provider, "--provider.release-orphans=off") as sidecar:
            sessions = [provider.create() for _ in range(3)]
            cls.orphan(sidecar, *sessions)
            for session, what in zip(sessions, ("error", "time_out", "complete")):
                provider.do(session, what)
            wait_value(sidecar, ORPHANED, 0)
            return sidecar.metrics(), sum(provider.state()["calls"].get("release", {}).values())

    def test_an_orphan_leaves_with_its_true_status(self):
        metrics, releases = self.told["dead"].result()
        self.assertEqual([metrics[f'orchestrator_sessions_ended_total{{status="{s}"}}'] for s in ("error", "timed_out", "completed")], [1, 1, 1])
        self.assertEqual(releases, 0)
        codes = [n for n, v in metrics.items() if n.startswith("orchestrator_errors_total{") and v]
        self.assertTrue(any("bb_session_error" in n for n in codes) and any("bb_session_timed_out" in n for n in codes), codes)

    @classmethod
    def tell_unmatched(cls):
        with OldProvider("--project", PROJECT, "--concurrency", "7") as provider:
            for run_of in ({"run": "a1"}, {"run": "a1"}, {"run": "other"}, None):
                provider.create(**({"userMetadata": run_of} if run_of else {}))
            with cls.sidecar(provider, f"--provider.project-id={PROJECT}") as sidecar:
                wait_value(sidecar, "orchestrator_provider_sessions_unmatched", 2)
                return sidecar.metrics(), time.time()

    def test_sessions_behind_our_back_and_the_project(self):
        metrics, now = self.told["unmatched"].result()
        self.assertEqual(metrics['orchestrator_provider_sessions{status="running"}'], 4)
        self.assertEqual(metrics['orchestrator_provider_sessions{status="pending"}'], 0)
        self.assertEqual(metrics["orchestrator_sessions_limit"], 7)
        self.assertIn("orchestrator_provider_usage_browser_seconds", metrics)
        self.assertIn("orchestrator_provider_usage_proxy_bytes", metrics)
        self.assertAlmostEqual(metrics["orchestrator_provider_last_success_timestamp_seconds"], now, delta=60)
        self.assertEqual(metrics[polls("failed")], 0)

    @classmethod
    def tell_wrong_key(cls):
        with OldProvider() as provider, cls.sidecar(provider, "--log.level=debug", key="wrong") as sidecar:
            wait_for(lambda: metric(sidecar, polls("failed")), what="a poll that failed")
            refused = sidecar.metrics()
            text = sidecar.logged()
            (cls.folder / "wrong").write_text(KEY)  # a new key needs no restart
            wait_for(lambda: metric(sidecar, polls("ok")), what="a poll that is well")
            return refused, text, sidecar.logged() + sidecar.request("/metrics")[2].decode()

    def test_a_wrong_key_is_said_and_never_shown(self):
        refused, text, everything = self.told["wrong_key"].result()
        self.assertEqual(refused[polls("ok")], 0)
        self.assertNotIn("orchestrator_provider_last_success_timestamp_seconds", refused)
        line = next(l for l in text.splitlines() if "the provider could not be asked" in l)
        self.assertIn("401", line)
        self.assertIn("level=warning", line)
        self.assertNotIn("bb_wrong_canary", everything)
        self.assertNotIn(KEY, everything)

    @classmethod
    def tell_outage(cls):
        with OldProvider("--project", PROJECT, "--listen", f"127.0.0.1:{free_port()}") as provider:  # one that nobody takes meanwhile
            provider.create()
            with cls.sidecar(provider) as sidecar:
                wait_value(sidecar, 'orchestrator_provider_sessions{status="running"}', 1)
                provider.stop()
                wait_for(lambda: metric(sidecar, polls("failed")), what="a poll that failed")
                down = sidecar.metrics()
                with OldProvider("--listen", f"127.0.0.1:{provider.port}") as again:
                    again.create()
                    again.create()
                    wait_value(sidecar, 'orchestrator_provider_sessions{status="running"}', 2)
                return down, sidecar.metrics(), sidecar.logged()

    def test_a_provider_that_is_away_and_comes_back(self):
        down, back, log = self.told["outage"].result()
        self.assertEqual(down['orchestrator_provider_sessions{status="running"}'], 1, "what was known last")
        self.assertGreater(back["orchestrator_provider_last_success_timestamp_seconds"], down["orchestrator_provider_last_success_timestamp_seconds"])
        self.assertIn("the provider could not be asked about its sessions", log)

    @classmethod
    def tell_slow(cls):
        with OldProvider("--fault", "where=list,kind=slow,seconds=30") as provider:
            with cls.sidecar(provider, "--provider.timeout=3s") as sidecar:
                wait_for(lambda: provider.state()["calls"].get("list"), what="a question")
                began = time.monotonic()
                status = sidecar.stop(signal.SIGTERM)
                return status, time.monotonic() - began

    def test_a_stop_does_not_wait_for_a_slow_provider_past_its_timeout(self):
        status, took = self.told["slow"].result()
        print(f"stop while the provider is slow (timeout 3 s): {took:.1f} s")
        self.assertEqual(status, 0)
        self.assertLess(took, 20)  # the provider takes 30


if __name__ == "__main__":
    unittest.main()
