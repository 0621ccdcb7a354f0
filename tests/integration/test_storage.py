"""A --storage.path that cannot be used at the start: the sidecar says so, serves, works in memory, and takes the path over when it can be used;
what a former run left there neither counts twice nor is lost."""
import contextlib
import json
import os
import pathlib
import subprocess
import unittest

import aws_stub
import test_delivery
from harness import OXPECKER, Sidecar, run, wait_for

CLOUDWATCH = """cloudwatch:
  region: eu-west-1
  interval: 1s
  heartbeat: {}
  metrics: [{expr: orchestrator_session_create_failures_total, name: Failures, kind: delta}]
"""
HEALED = 'msg="--storage.path can be used now: state is kept there"'


class Case(test_delivery.Case):
    def setUp(self):
        super().setUp()
        self.storage = self.directory / "storage"

    def sidecar(self, config=None, storage=None, **more):
        flags = () if config is None else test_delivery.EVERY_SECOND
        return Sidecar(*flags, "--storage.instance=here", f"--storage.path={storage or self.storage}", "--shutdown.grace=1s", config=config, directory=self.directory, **more)

    def expect_awaited(self, sidecar, reason):
        """It runs, says so, and shows it."""
        self.assertEqual(sidecar.logged().count("--storage.path cannot be used: all state is in memory"), 1, sidecar.logged())
        self.assertRegex(sidecar.logged(), reason)
        metrics = sidecar.metrics()
        self.assertEqual(metrics["oxpecker_storage_persistent"], 0)
        self.assertGreaterEqual(metrics["oxpecker_storage_failures_total"], 1)
        self.assertEqual(sidecar.request("/-/ready")[0], 200)

    def expect_healed(self, sidecar):
        wait_for(lambda: HEALED in sidecar.logged(), what="the path")
        wait_for(lambda: sidecar.metrics()["oxpecker_storage_persistent"] == 1, what="the metric")

    def expect_kept(self, sidecar):
        """What was open before the path healed, and after, is known after kill -9."""
        sidecar.send("session.started", "session=after")
        sidecar.kill()
        sidecar.start()
        self.assertEqual({s["id"] for s in sidecar.json("/api/oxpecker/v1/sessions")["sessions"]}, {"before", "after"})

    def late(self):
        return {f.name.rpartition("-")[0] for f in self.storage.iterdir() if ".late-" in f.name}


class Path(Case):
    def test_missing_is_made(self):
        with self.sidecar() as sidecar:
            self.assertEqual(self.storage.stat().st_mode & 0o777, 0o700)
            sidecar.send("session.started", "session=before")
            self.expect_kept(sidecar)
            self.assertNotIn("cannot be used", sidecar.logged())

    def test_missing_with_what_is_above_it(self):
        with self.sidecar(storage=self.directory / "volume/storage") as sidecar:
            self.expect_awaited(sidecar, "volume/storage: No such file or directory")
            sidecar.send("session.started", "session=before")
            (self.directory / "volume").mkdir()
            self.expect_healed(sidecar)
            self.expect_kept(sidecar)

    def test_of_another_sidecar(self):
        other = Sidecar(storage=True)
        other.__enter__()
        self.addCleanup(other.__exit__)
        theirs = other.directory / "storage"
        self.storage.symlink_to(theirs)
        status, _, stderr = run(OXPECKER, f"--storage.path={self.storage}", f"--events.listen-unix={self.directory / 'x.sock'}",
                                "--web.listen-address=127.0.0.1:0")
        self.assertEqual((status, "another process uses it" in stderr), (1, True), stderr)
        self.storage.unlink()
        self.storage.symlink_to(self.directory / "no/such")
        with self.sidecar() as sidecar:
            self.expect_awaited(sidecar, "No such file or directory")
            sidecar.send("session.started", "session=before")
            self.storage.unlink()
            self.storage.symlink_to(theirs)
            wait_for(lambda: "another process uses it" in sidecar.logged(), what="the other one's lock")
            self.assertNotIn(HEALED, sidecar.logged())
            self.assertEqual(self.late(), set())
            other.stop()
            self.expect_healed(sidecar)
            self.assertEqual(self.late(), {"ledger.journal.late", "metrics.saved.late", "samples.saved.late", "alerts.saved.late"})
            self.expect_kept(sidecar)

    def test_file_in_its_place_and_alerts_meanwhile(self):
        self.storage.write_text("no directory")
        webhook, down = test_delivery.Webhook(), test_delivery.Webhook()
        with webhook, self.sidecar(self.config(webhook.url("/hook"), down.url("/hook"))) as sidecar:
            self.expect_awaited(sidecar, "storage: Not a directory")
            self.assertIn("the outbox cannot be opened; it is in memory", sidecar.logged())
            self.assertIs(test_delivery.notifications(sidecar)["outbox"]["persistent"], False)
            test_delivery.breaker(sidecar, "open")
            wait_for(lambda: webhook.told("firing"), what="an alert that is delivered from memory")
            waiting = wait_for(lambda: test_delivery.notifications(sidecar, "?state=waiting")["notifications"], what="one that waits")
            self.assertEqual(waiting[0]["receiver"], "oncall/webhook/hook1")
            self.storage.unlink()
            self.storage.mkdir()
            self.expect_healed(sidecar)
            wait_for(lambda: test_delivery.notifications(sidecar)["outbox"]["persistent"], what="the outbox on the disk")
            sidecar.kill()
            _, listed, _ = run(OXPECKER, "outbox", "list", f"--storage.path={self.storage}", "--output=json")
            kept = [n["receiver"] for n in json.loads(listed) if n["state"] in ("waiting", "claimed")]  # it may have been tried just then
            self.assertIn("oncall/webhook/hook1", kept)
            with down:
                sidecar.start()
                wait_for(lambda: down.told("firing"), what="what waited in memory")
            self.assertEqual(len(webhook.told("firing")), 1)  # who was told is remembered over both


    def test_the_end_takes_over_what_is_in_memory(self):
        (self.storage / "outbox.db").mkdir(parents=True)
        down = test_delivery.Webhook()
        with self.sidecar(self.config(down.url("/hook"))) as sidecar:
            self.assertIn("the outbox cannot be opened; it is in memory", sidecar.logged())
            test_delivery.breaker(sidecar, "open")
            wait_for(lambda: test_delivery.notifications(sidecar, "?state=waiting")["notifications"], what="an alert that waits")
            (self.storage / "outbox.db").rmdir()
            sidecar.stop()
            _, listed, _ = run(OXPECKER, "outbox", "list", f"--storage.path={self.storage}", "--output=json", "--state=waiting")
            self.assertEqual([n["integration"] for n in json.loads(listed)], ["webhook"], sidecar.logged())


class Former(Case):
    def test_state_of_a_former_run(self):
        aws = aws_stub.AwsStub().__enter__()
        self.addCleanup(aws.__exit__)
        keys = aws.grant("AKIDSTUB", "stub/secret+1")
        environment = {**test_delivery.AWS, "AWS_ENDPOINT_URL": aws.url, "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                       "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}
        down = test_delivery.Webhook()

        def beats():
            return sum(d["MetricName"] == "Heartbeat" for d in aws.data)

        def wait_publishings(count):
            seen = beats()
            wait_for(lambda: beats() >= seen + count, what="a publishing")

        def fail_and_wait(sidecar, times, wanted):
            sidecar.write(*({"type": "error", "op": "session.create", "code": "bb_concurrency_limit"} for _ in range(times)))
            wait_for(lambda: told() >= wanted, what=f"{wanted} failures")
            wait_publishings(1)
            self.assertEqual(told(), wanted)

        def told():
            return sum(d["Value"] for d in aws.data if d["MetricName"] == "Failures")

        def counted(sidecar):
            return sidecar.metrics()['orchestrator_session_create_failures_total{code="bb_concurrency_limit"}']
        with self.sidecar(self.config(down.url("/hook")) + CLOUDWATCH, environment=environment) as sidecar:
            sidecar.send("session.started", "session=former")
            test_delivery.breaker(sidecar, "open")
            wait_publishings(2)  # a series that is not there then began at 0
            fail_and_wait(sidecar, 5, 5)
            wait_for(lambda: test_delivery.notifications(sidecar, "?state=waiting")["notifications"], what="an alert that waits")
            sidecar.stop()
            away = self.storage.rename(self.directory / "away")
            self.storage.write_text("in the way")
            self.enterContext(down)
            sidecar.start()
            wait_publishings(2)
            fail_and_wait(sidecar, 2, 7)
            sidecar.send("session.started", "session=before")
            self.storage.unlink()
            away.rename(self.storage)
            self.expect_healed(sidecar)
            self.assertEqual(self.late(), {"ledger.journal.late", "metrics.saved.late", "samples.saved.late", "alerts.saved.late"})
            self.assertEqual(counted(sidecar), 2)
            fail_and_wait(sidecar, 1, 8)
            wait_for(lambda: down.told("firing"), what="the former run's alert, which was accepted and so is delivered")
            sidecar.stop()
            sidecar.start()
            self.assertEqual(counted(sidecar), 3)
            fail_and_wait(sidecar, 1, 9)
            self.expect_kept(sidecar)


@unittest.skipIf(os.geteuid() != 0, "mounting a small tmpfs needs root")
class Tmpfs(Case):
    def mount(self, *options):
        self.storage.mkdir(exist_ok=True)
        done = subprocess.run(["mount", *options, "none", str(self.storage)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"no tmpfs can be mounted here: {done.stderr.strip()}")

    def setUp(self):
        super().setUp()
        self.mount("-t", "tmpfs", "-o", "size=1m")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.storage)], check=False)

    def test_read_only(self):
        self.mount("-o", "remount,ro")
        with self.sidecar() as sidecar:
            self.expect_awaited(sidecar, "Read-only file system")
            sidecar.send("session.started", "session=before")
            self.mount("-o", "remount,rw")
            self.expect_healed(sidecar)
            self.expect_kept(sidecar)

    def test_full(self):
        filler = pathlib.Path(self.storage / "filler")
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        with self.sidecar() as sidecar:
            self.expect_awaited(sidecar, "No space left on device")
            sidecar.send("session.started", "session=before")
            filler.unlink()
            self.expect_healed(sidecar)
            self.expect_kept(sidecar)


if __name__ == "__main__":
    unittest.main()
