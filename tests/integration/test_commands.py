"""The command line, and what `make run` starts."""
import json
import os
import re
import signal
import subprocess
import time
import unittest

from harness import OXPECKER, ROOT, no_proxy_environment, run


class Commands(unittest.TestCase):
    def test_help_and_version_on_standard_output(self):
        for words in (["--help"], ["help"], ["send", "--help"]):
            status, stdout, stderr = run(OXPECKER, *words)
            self.assertEqual((status, stderr), (0, ""))
            for word in ("--web.listen-address", "check", "send", "healthcheck", "OXPECKER_WEB_LISTEN_ADDRESS"):
                self.assertIn(word, stdout)
        status, stdout, _ = run(OXPECKER, "--version")
        self.assertEqual(status, 0)
        for library in ("oxpecker, version", "libmicrohttpd", "jansson", "libyaml", "ISA-L", "libcurl", "PCRE2", "SQLite: 3.", "GnuTLS: 3."):
            self.assertIn(library, stdout)

    def test_unknown_words(self):
        for words in (["frobnicate"], ["--no-such-flag"], ["check", "nonsense"], ["check", "config"]):
            status, stdout, stderr = run(OXPECKER, *words)
            self.assertEqual((status, stdout), (1, ""))
            self.assertNotEqual(stderr, "")

    def test_check_config(self):
        status, stdout, _ = run(OXPECKER, "check", "config", ROOT / "examples/oxpecker.yml", ROOT / "deploy/image.yml")
        self.assertEqual((status, stdout.count(": ok")), (0, 2))

    def test_check_metrics(self):
        rows = [
            ("text", "# TYPE a counter\na 1\n", None),
            ("text", "# TYPE a counter\na one\n", "2:3"),
            ("openmetrics", "# TYPE a counter\na_total 1\n# EOF\n", None),
            ("openmetrics", "# TYPE a counter\na 1\n# EOF\n", "2:"),
            ("openmetrics", "# TYPE a counter\na_total 1\n", "EOF"),
        ]
        for fmt, text, fault in rows:
            with self.subTest(text):
                status, _, stderr = run(OXPECKER, "check", "metrics", f"--format={fmt}", stdin=text)
                self.assertEqual(status, 0 if fault is None else 1, stderr)
                self.assertIn(fault or "", stderr)


class MakeRun(unittest.TestCase):
    def run_pair(self, pair, seconds, check):
        """Starts a pair and interrupts it when it has run for so long and check(its output, its metrics) has no objection; a slow machine needs longer."""
        process = subprocess.Popen(["examples/run/run.sh", pair], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env=no_proxy_environment(PORT="0", PROMETHEUS_PORT="0", HEALTH_PORT="0", OXPECKER=str(OXPECKER)),
                                   start_new_session=True,
                                   # a runner in the background may have handed down an ignored SIGINT, which a shell cannot trap
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.addCleanup(process.stdout.close)
        lines, address, objection, told = [], None, None, False
        began = time.monotonic()
        for line in process.stdout:
            lines.append(line)
            match = re.search(r"Metrics\s+(http://\S+)", line)
            address = match.group(1) if match else address
            if not told and line.startswith("sessions ") and time.monotonic() - began > seconds:
                body = subprocess.run(["curl", "-s", address], capture_output=True, text=True, check=True).stdout
                try:
                    objection = check(lines, body)
                    self.check_queries(lines)
                except (AssertionError, ValueError, subprocess.CalledProcessError) as error:
                    objection = error
                if objection is None or time.monotonic() - began > seconds + 180:
                    told = True
                    os.kill(process.pid, signal.SIGINT)  # Ctrl-C reaches run.sh alone
        output = "".join(lines)
        if objection is not None:
            raise objection
        self.assertTrue(told, output)
        self.assertEqual(process.wait(60), 0, output)
        self.assertIn("stopped.", output)

    def check_queries(self, lines):
        """The printed query, and one over a range by curl, answer as the Prometheus beside would."""
        command = next(l.split(None, 2)[2] for l in lines if l.startswith("Ask it"))
        table = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout
        for state in ("pending", "running", "releasing"):
            self.assertRegex(table, rf'(?m)^{{state="{state}"}} +\d+$')
        server = re.search(r"--server (\S+)", command).group(1)
        peer = next((l.split()[1] for l in lines if l.startswith("Prometheus")), None)
        now, answers = int(time.time()), []
        for base in filter(None, (server, peer)):
            answer = subprocess.run(["curl", "-s", f"{base}/api/v1/query_range", "--data-urlencode", "query=sum by (status) (rate(orchestrator_tasks_ended_total[20s]))",
                                     "-d", f"start={now - 10}", "-d", f"end={now}", "-d", "step=5"], capture_output=True, text=True, check=True).stdout
            answer = json.loads(answer)
            self.assertEqual(answer["status"], "success", answer)
            self.assertEqual(answer["data"]["resultType"], "matrix")
            answers.append({s["metric"]["status"]: [t for t, _ in s["values"]] for s in answer["data"]["result"]})
        self.assertEqual(answers[0].get("succeeded"), [now - 10, now - 5, now], answers)
        if peer:
            self.assertEqual(answers[0], answers[1])

    def check(self, lines, body, breaker, names):
        status = [l for l in lines if l.startswith("sessions ")][-1]
        self.assertRegex(status, r"tasks [1-9]")
        self.assertRegex(status, r"retries [1-9]")
        self.assertIn(breaker, status)
        self.assertIn("up 1", status)

        def total(name):
            return sum(float(l.rpartition(" ")[2]) for l in body.splitlines() if re.match(name + r"(\{|\s)", l))

        for name in ("orchestrator_task_duration_seconds_count", "orchestrator_retry_attempts_total", "orchestrator_breaker_state",
                     "orchestrator_sessions_started_total", "orchestrator_errors_total", "orchestrator_up", *names):
            self.assertGreater(total(name), 0, name)
        for name in ("rejected", "lost", "clamped"):
            self.assertEqual(total(f"oxpecker_events_{name}_total"), 0, name)

    def test_what_make_run_starts_works_and_ends_cleanly(self):
        def check(lines, body):
            self.check(lines, body, "sh_api=", ("orchestrator_checkpoint_writes_total", "orchestrator_llm_tokens_total", "orchestrator_recoveries_total",
                                                "orchestrator_transactions_total", "orchestrator_stage_items_total"))
            self.assertTrue([l for l in lines if re.match(r"Orchestrator\s+http://127\.0\.0\.1:\d+/health", l)])

        self.run_pair("orchestrator", 40, check)

    def test_what_make_run_shell_starts_works_and_ends_cleanly(self):
        self.run_pair("shell", 35, lambda lines, body: self.check(lines, body, "site=closed", ("orchestrator_sessions_active",)))


if __name__ == "__main__":
    unittest.main()
