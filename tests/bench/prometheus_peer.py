"""Debian's Prometheus with the samples of a bench in its head block, for figures side by side.

The samples go in by remote write (https://prometheus.io/docs/specs/prw/remote_write_spec/, version 1.0), so that they lie in memory there
as they do here: protobuf in snappy's framing, as literals, because nothing need be small on loopback."""
import http.client
import re
import struct
import subprocess
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/integration")
from harness import Prometheus, no_proxy_environment  # noqa: E402


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def snappy(payload):
    """Snappy's block format without compression: the length, then literals of at most 64 KiB."""
    out = [varint(len(payload))]
    for at in range(0, len(payload), 65536):
        piece = payload[at:at + 65536]
        out += [bytes([61 << 2]), struct.pack("<H", len(piece) - 1), piece]
    return b"".join(out)


def time_series(name, samples):
    """One TimeSeries message: the name with its labels as it stands in an exposition, (seconds, value) pairs."""
    metric, _, rest = name.partition("{")
    labels = sorted([("__name__", metric)] + re.findall(r'(\w+)="([^"]*)"', rest))
    body = b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in labels)
    return field(1, body + b"".join(field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(when * 1000)) for when, value in samples))


class Peer(Prometheus):
    def __enter__(self):
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.directory / 'prometheus.yml'}", f"--storage.tsdb.path={self.directory / 'data'}",
             f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y",
             "--query.max-samples=1000000000", "--web.enable-lifecycle"],
            stdout=subprocess.DEVNULL, stderr=open(self.directory / "log", "wb"), env=no_proxy_environment())
        self.wait_ready()
        return self

    def write(self, lines):
        """Takes an exposition with timestamps, the samples of a series together."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        batch, last, samples = [], None, []

        def send():
            connection.request("POST", "/api/v1/write", body=snappy(b"".join(batch)), headers={
                "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 204, (answer.status, text)
            batch.clear()

        for line in lines:
            if line.startswith("#"):
                continue
            name, value, when = line.split(" ")
            if name != last and last is not None:
                batch.append(time_series(last, samples))
                samples = []
                if len(batch) == 200:
                    send()
            last = name
            samples.append((int(when), float(value)))
        batch.append(time_series(last, samples))
        send()

    def use_rules(self, text):
        """Loads a rule file."""
        (self.directory / "rules.yml").write_text(text)
        config = self.directory / "prometheus.yml"
        config.write_text(f"global: {{evaluation_interval: 15s}}\nrule_files: [{self.directory / 'rules.yml'}]\n")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/-/reload")
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()

    def cpu_of(self, cpu, path, seconds=1.5, **arguments):
        """Processor seconds of one request, from as many as take a while."""
        self.api(path, **arguments)
        began, before, count = time.perf_counter(), cpu(self.process.pid), 0
        while time.perf_counter() - began < seconds:
            answer = self.api(path, **arguments)
            assert answer["status"] == "success", answer
            count += 1
        return (cpu(self.process.pid) - before) / count
