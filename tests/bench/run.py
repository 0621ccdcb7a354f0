#!/usr/bin/env python3
"""Prints every figure beside its limit, which is measured in the same run, and beside a peer where one is installed.

Times are medians of several tries after one that is not counted. Nothing here passes or fails: figures are read by people.
Usage: run.py [events scrape memory start micro samples promql rules] (all when none is named)."""
import http.client
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from harness import OXPECKER, Sidecar, free_port, no_proxy_environment, wait_for  # noqa: E402

BUILD = OXPECKER.parent / "tests"
TRIES = int(os.environ.get("BENCH_TRIES", "5"))


def row(what, figure, limit="", ratio="", goal=""):
    print(f"| {what:<58} | {figure:>22} | {limit:>40} | {ratio:>7} | {goal:<34} |", flush=True)


def heading(text):
    print(f"\n{text}")
    row("what", "figure", "limit in the same run", "ratio", "goal")
    row("-" * 58, "-" * 22, "-" * 40, "-" * 7, "-" * 34)


def median_of(function, tries=TRIES):
    function()
    return statistics.median(function() for _ in range(tries))


def rss(pid, key="VmRSS"):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(key + r":\s+(\d+) kB", text).group(1)) * 1024


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def events():
    heading("Events through the Unix socket, ledger included (8 events of about 200 bytes a session: start, task, 4 operations, ends)")

    def through(target, count, batch):
        out = subprocess.run([BUILD / "bench_events", target, str(count), str(batch)], capture_output=True, text=True, check=True).stdout
        return int(out.split()[0]) / float(out.split()[1])

    for batch, count, goal in ((64, 1000000, ">= 1 M events/s"), (1, 400000, "(the socket alone: 0.87 M/s)")):
        limit = median_of(lambda: through("sink", count, batch), 3)
        for storage in (False, True):
            with Sidecar(storage=storage) as sidecar:
                rates, cores = [], []
                for _ in range(4):
                    before = cpu(sidecar.process.pid)
                    rates.append(through(str(sidecar.socket), count, batch))
                    cores.append((cpu(sidecar.process.pid) - before) / count * 1e9)
                rate = statistics.median(rates[1:])
                accepted = sidecar.metrics()['oxpecker_events_received_total{transport="unix"}']
                assert accepted == 4 * count, accepted
            row(f"{batch} to a write{', journal' if storage else ''}",
                f"{rate / 1e6:.2f} M/s, {statistics.median(cores[1:]):.0f} ns cpu",
                f"socket to a thread that reads: {limit / 1e6:.2f} M/s", f"{limit / rate:.1f}x", goal)


def scraper(port, headers=""):
    """A function that scrapes over one connection that is kept, as Prometheus does, and gives the seconds from request to last byte, read as fast
    as a client can."""
    request = f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()
    buffer, connection = bytearray(1 << 20), socket.create_connection(("127.0.0.1", port))

    def once():
        began = time.perf_counter()
        connection.sendall(request)
        size = connection.recv_into(buffer)
        head, _, rest = bytes(buffer[:size]).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        told = re.search(rb"(?i)content-length: (\d+)", head)
        left, tail = int(told[1]) - len(rest) if told else 0, rest[-5:]
        while left > 0 if told else tail != b"0\r\n\r\n":
            size = connection.recv_into(buffer)
            assert size, "the connection was closed"
            left, tail = left - size, (tail + buffer[max(0, size - 5):size])[-5:]
        return time.perf_counter() - began

    return once


def scrape():
    heading("Scrape of N counters with 3 labels through the server, on a connection that is kept (limit: rendering + sending the same bytes over loopback)")
    for series, goal in ((1000, ""), (10000, "<= 1.5 ms"), (100000, ""), (1000000, "<= 2.5x, <= 150 ms")):
        server = subprocess.Popen([BUILD / "bench_scrape", str(series)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        floors = {}
        for line in server.stdout:
            words = line.split()
            floors[words[0]] = words[1:]
            if words[0] == "port":
                break
        port, tries = int(floors["port"][0]), TRIES if series >= 100000 else 20 * TRIES
        render, send, size = float(floors["floor_render"][0]), float(floors["floor_send"][0]), int(floors["floor_render"][1])
        plain = median_of(scraper(port), tries)
        row(f"{series} series, text, {size / 1e6:.1f} MB", f"{plain * 1e3:.2f} ms",
            f"render {render * 1e3:.2f} + send {send * 1e3:.2f} ms", f"{plain / (render + send):.2f}x", goal)
        before = rss(server.pid)
        zipped = median_of(scraper(port, "Accept-Encoding: gzip\r\n"), tries)
        after = rss(server.pid, "VmHWM")
        limit = float(floors["floor_gzip"][0])
        row(f"{series} series, gzip", f"{zipped * 1e3:.2f} ms", f"render + ISA-L {limit * 1e3:.2f} ms", f"{zipped / limit:.2f}x",
            "<= 1.3x" + (", <= 200 ms" if series == 1000000 else ""))
        row(f"{series} series, memory that scrapes added (peak)", f"{(after - before) / 1024:.0f} KiB", "", "", "<= 1 MiB")
        server.stdin.close()
        server.wait()
    peer()


def peer():
    """The same text pushed to Debian's Pushgateway and scraped from it."""
    if not shutil.which("prometheus-pushgateway"):
        print("SKIPPED prometheus-pushgateway: not installed")
        return
    series, port = 100000, free_port()
    with tempfile.TemporaryDirectory() as directory:
        log = open(pathlib.Path(directory) / "log", "wb")
        process = subprocess.Popen(["prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{port}"], stderr=log, stdout=log,
                                   env=no_proxy_environment())
        try:
            wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 10, "pushgateway")
            text = "".join(f'# TYPE bench_family_{f}_requests counter\n' + "".join(
                f'bench_family_{f}_requests{{workflow="workflow-{i % 1000}",status="succeeded",series="instance-{i}"}} {i * 7919 % 10000000}\n'
                for i in range(f, series, 10)) for f in range(10))
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("PUT", "/metrics/job/bench", body=text)
            assert connection.getresponse().status == 200
            row(f"peer: pushgateway, {series} series, text", f"{median_of(scraper(port), 3) * 1e3:.0f} ms", "", "", "we: >= 20x faster")
        finally:
            process.terminate()
            process.wait()


def memory():
    heading("The daemon, idle")
    with Sidecar() as sidecar:
        pid = sidecar.process.pid
        sidecar.metrics()
        time.sleep(2)
        row("resident memory, first scrape, before the first sample", f"{rss(pid) / 1e6:.1f} MB", "", "", "<= 8 MB")
        time.sleep(18)  # past the first sample and evaluation of the rules
        row("resident memory from the first sample on", f"{rss(pid) / 1e6:.1f} MB", "", "", "<= 8 MB")
        before = cpu(pid)
        sidecar.metrics()
        row("resident memory, one scrape later", f"{rss(pid) / 1e6:.1f} MB", "", "", "<= 8 MB")
        time.sleep(30)
        row("cpu, one scrape and two samples in 30 s", f"{(cpu(pid) - before) / 30 * 100:.2f} % of a core", "", "", "~0")


def start():
    heading("Start to first scrape")
    directory = tempfile.mkdtemp(prefix="oxpecker-bench-")

    def once():
        port = free_port()
        began = time.perf_counter()
        process = subprocess.Popen([OXPECKER, f"--web.listen-address=127.0.0.1:{port}", f"--events.listen-unix={directory}/s"],
                                   stderr=subprocess.DEVNULL)
        while True:
            try:
                scraper(port)()
                break
            except ConnectionRefusedError:
                time.sleep(0.0002)
        seconds = time.perf_counter() - began
        process.terminate()
        process.wait()
        return seconds

    def bare():
        began = time.perf_counter()
        subprocess.run(["true"], check=True)
        return time.perf_counter() - began

    took, floor = median_of(once), median_of(bare)
    row("start to a whole first scrape", f"{took * 1e3:.1f} ms", f"starting and ending `true`: {floor * 1e3:.1f} ms", "", "<= 20 ms")
    shutil.rmtree(directory)


def micro():
    heading("Parts")
    for name in sorted(p.name for p in BUILD.iterdir() if p.name.startswith("bench_") and os.access(p, os.X_OK)):
        if name in ("bench_events", "bench_scrape", "bench_promql"):
            continue
        out = subprocess.run([BUILD / name], capture_output=True, text=True, check=False)
        if out.returncode != 0:
            print(f"{name}: failed: {out.stderr}")
        for line in out.stdout.splitlines():
            words = line.split()
            if len(words) < 3:
                continue
            limit = " ".join(words[3:])
            row(f"{name[6:]}: {words[0]}", f"{words[1]} {words[2]}", limit)


def bench_promql(*words):
    return subprocess.run([BUILD / "bench_promql", *map(str, words)], capture_output=True, text=True, check=True).stdout.splitlines()


def samples():
    heading("The short memory: a registry sampled every 15 s for an hour")
    for series in (10000, 100000):
        found = dict(line.split() for line in bench_promql("append", series))
        row(f"{series} series: a snapshot", f"{float(found['tick_ms']):.2f} ms", "", "", "")
        row(f"{series} series: a sample appended", f"{float(found['tick_ns_a_sample']):.0f} ns", "", "", "")
        row(f"{series} series: a sample kept, chunk heads included", f"{float(found['bytes_a_sample']):.2f} B", "", "", "<= 2 B")
        row(f"{series} series: memory that an hour adds, labels and all", f"{int(found['heap_bytes']) / 1e6:.1f} MB",
            f"counted against the limit: {int(found['bytes_in_all']) / 1e6:.1f} MB", "", "<= 12 MB" if series == 10000 else "")


def promql():
    """Processor time of queries over an hour at 15 s, beside Debian's Prometheus with the same samples in its head block."""
    peer = None
    series = 10000
    if shutil.which("prometheus"):
        from prometheus_peer import Peer
        peer = Peer([])
        peer.__enter__()
        empty = rss(peer.process.pid)
        with subprocess.Popen([BUILD / "bench_promql", "dump", str(series)], stdout=subprocess.PIPE, text=True) as dump:
            peer.write(line.rstrip("\n") for line in dump.stdout)
        ours = dict(line.split() for line in bench_promql("append", series))
        heading("Memory of 10,000 series with an hour of samples")
        row("the short memory", f"{int(ours['heap_bytes']) / 1e6:.1f} MB", f"Prometheus: {(rss(peer.process.pid) - empty) / 1e6:.0f} MB", "", "<= 12 MB")
    else:
        print("SKIPPED the figures of Prometheus beside ours: not installed")
    last = 1767225600 + 239 * 15 + 1
    for count, kind, title in ((series, "query", "Instant queries"), (100000, "query", "Instant queries"),
                               (series, "panels", "Ten panels of a dashboard: an hour in steps of 15 s")):
        heading(f"{title}, {count} series (processor time, answer as JSON included)")
        total, total_peer = 0.0, 0.0
        for line in bench_promql(kind, count):
            took, touched, expression = line.split(" ", 2)
            took, touched, limit, ratio = float(took), int(touched), "", ""
            if peer and count == series:
                path, arguments = ("query", {"time": last}) if kind == "query" else ("query_range", {"start": last - 3585, "end": last, "step": 15})
                theirs = peer.cpu_of(cpu, path, query=expression, **arguments)
                limit, ratio = f"Prometheus: {theirs * 1e3:.2f} ms", f"{theirs / took:.1f}x"
                total_peer += theirs
            total += took
            row(expression if len(expression) < 59 else expression[:55] + " …", f"{took * 1e3:.2f} ms, {took / max(touched, 1) * 1e9:.0f} ns a sample", limit, ratio)
        row("all of them", f"{total * 1e3:.1f} ms", f"Prometheus: {total_peer * 1e3:.0f} ms" if total_peer else "", f"{total_peer / total:.1f}x" if total_peer else "")
    if peer:
        peer.__exit__()


RULE_SECONDS = 60


def rules():
    """1,000 alert rules over 50,000 series: ours in one evaluation of all, Prometheus' by the minute."""
    series = 50000
    heading(f"1,000 alert rules in the mix of published ones, {series} series, every 15 s")
    found = dict(line.split() for line in bench_promql("rules", series))
    assert found["rules"] == "1000" and found["failures"] == "0", found
    ours = float(found["rules_s"]) / 15
    limit, ratio = "", ""
    if shutil.which("prometheus"):
        from prometheus_peer import Peer
        with Peer([]) as peer:
            with subprocess.Popen([BUILD / "bench_promql", "dump", str(series), str(int(time.time()) + 540)], stdout=subprocess.PIPE, text=True) as dump:
                peer.write(line.rstrip("\n") for line in dump.stdout)
            time.sleep(5)
            before, began = cpu(peer.process.pid), time.monotonic()
            time.sleep(RULE_SECONDS)
            idle = (cpu(peer.process.pid) - before) / (time.monotonic() - began)
            peer.use_rules("\n".join(bench_promql("rulefile")))
            time.sleep(20)
            before, began = cpu(peer.process.pid), time.monotonic()
            time.sleep(RULE_SECONDS)
            theirs = (cpu(peer.process.pid) - before) / (time.monotonic() - began) - idle
            limit, ratio = f"Prometheus: {theirs * 100:.1f} %", f"{theirs / ours:.1f}x"
    row("evaluating all of them, share of a core", f"{ours * 100:.2f} %", limit, ratio, "<= 25 %, <= half of Prometheus")
    row("one evaluation of all", f"{float(found['rules_s']) * 1e3:.0f} ms", f"{int(found['rules_samples'])} samples touched")


PARTS = {"micro": micro, "events": events, "scrape": scrape, "memory": memory, "start": start, "samples": samples, "promql": promql, "rules": rules}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
