"""The command line of provider.py."""
import argparse
import os
import re

from faults import read_flag
from state import PLANS, TIMEOUT_MAX, TIMEOUT_MIN


def address(text):
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text}: not host:port")
    return host.strip("[]"), int(port)


def seconds_range(text):
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(?:-([0-9]+(?:\.[0-9]+)?))?", text)
    low, high = (float(match.group(1)), float(match.group(2) or match.group(1))) if match else (1.0, 0.0)
    if low > high:
        raise argparse.ArgumentTypeError(f"{text}: not SECONDS or LEAST-MOST")
    return low, high


def number(least, most, kind=float):
    def read(text):
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text}: not a number") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text}: must be from {least} to {most}")
        return value
    return read


def fault_flag(text):
    try:
        return read_flag(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def read_flags(words):
    parser = argparse.ArgumentParser(prog="provider.py", description="A browser provider on this machine, with every failure on order.",
                                     allow_abbrev=False)
    add = parser.add_argument
    add("--listen", type=address, default=("127.0.0.1", 0), metavar="HOST:PORT", help="default 127.0.0.1:0, a free port")
    add("--api-key", default=os.environ.get("PROVIDER_API_KEY"), metavar="KEY", help="the key that clients must send; else any does")
    add("--project", default="00000000-0000-4000-8000-000000000001", metavar="ID", help="the one project's id")
    add("--plan", choices=PLANS, default="developer", help="sets both limits and whether keepAlive and proxies are sold")
    add("--concurrency", type=number(0, 1_000_000, int), metavar="N", help="sessions at a time, instead of the plan's")
    add("--create-rate", type=number(0, 1_000_000, int), metavar="N", help="creations per 60 s, instead of the plan's")
    add("--default-timeout", type=number(TIMEOUT_MIN, TIMEOUT_MAX, int), default=300, metavar="S", help="of a session that names none")
    add("--startup", type=number(0, 3600), default=0.5, metavar="S", help="how long a session is PENDING (0.5)")
    add("--release-delay", type=number(0, 3600), default=1.0, metavar="S", help="how long a release takes (1)")
    add("--time-scale", type=number(0.001, 1_000_000), default=1.0, metavar="X", help="the provider's seconds in one of ours (1)")
    add("--latency", type=seconds_range, default=(0.0, 0.0), metavar="S[-S]", help="of every API call, in our seconds (0)")
    add("--cache", type=number(0, 1), default=0.0, metavar="P", help="share of act, extract and observe that the cache answers (0)")
    add("--sse", choices=("header", "always", "never"), default="header", help="stream when x-stream-response says so, or always, or never")
    add("--no-rate-headers", dest="rate_headers", action="store_false", help="no x-ratelimit-* and retry-after on a 429")
    add("--fault", type=fault_flag, action="append", default=[], metavar="K=V,…", help="as POST /control/faults; may be repeated")
    add("--seed", type=int, metavar="N", help="for latencies, tokens and probabilities that repeat themselves")
    add("--verbose", action="store_true", help="a line to stderr for each request")
    return parser.parse_args(words)
