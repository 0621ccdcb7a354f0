#!/usr/bin/env python3
"""A copy of a rule file for a day that is replayed faster than it was: its windows and waits divided by the speed.

    examples/day/scale_rules.py --speed=1440 alerts/rulefiles/orchestrator.yml >scaled.yml

Divided: `for`, `keep_firing_for`, `interval`, range selectors and subqueries ([15m], [1h:5m]), offsets, and the seconds that
predict_linear looks ahead. Not divided: numbers that are compared with durations which the events state (a recovery of 30 s is one
at any speed). A range keeps at least `--least-range`, so that it holds some samples; all else at least a second.

The file is rewritten as text, so its comments and its form stay."""
import argparse
import math
import re
import sys

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
WORD = r"(?:\d+(?:ms|[smhdwy]))+"
RANGE = re.compile(rf"\[({WORD})(?::({WORD})?)?\]")
OFFSET = re.compile(rf"\boffset\s+(-?)({WORD})")
# What follows the range of predict_linear: seconds, as a number or a product of numbers.
AHEAD = re.compile(r"(\bpredict_linear\(.*?\][^,()]*,\s*)([\d.]+(?:\s*\*\s*[\d.]+)*)(\s*\))")
WAIT = re.compile(rf"^(\s*(?:- )?(?:for|keep_firing_for|interval):\s*)({WORD})(\s*(?:#.*)?)$")
BLOCK = re.compile(r"^(\s*)(?:- )?(annotations|labels):")


def seconds(text):
    return sum(float(n) * SECONDS[unit] for n, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))


def words(value):
    """A duration as Prometheus reads it; it knows no fractions."""
    value = round(value, 3)
    return f"{int(value)}s" if value == int(value) else f"{round(value * 1000)}ms"


def scaled_expression(text, speed, least_range):
    def window(match):
        step = f":{words(max(seconds(match[2]) / speed, 1)) if match[2] else ''}" if ":" in match[0] else ""
        return f"[{words(max(seconds(match[1]) / speed, least_range))}{step}]"

    text = RANGE.sub(window, text)
    text = OFFSET.sub(lambda m: f"offset {m[1]}{words(max(seconds(m[2]) / speed, 1))}", text)
    return AHEAD.sub(lambda m: f"{m[1]}{math.prod(map(float, m[2].split('*'))) / speed:g}{m[3]}", text)


def scaled(text, speed, least_range=4.0):
    """The rule file `text` for a day at `speed`; annotations, labels and comments stay as they are."""
    out, inside = [], None  # inside: the indentation of annotations or labels that we are in
    for line in text.splitlines(keepends=True):
        body = line.rstrip("\n")
        indent = len(body) - len(body.lstrip())
        if inside is not None and body.strip() and indent <= inside:
            inside = None
        if inside is None and not body.lstrip().startswith("#"):
            block = BLOCK.match(body)
            if block:
                inside = indent
            else:
                wait = WAIT.match(body)
                body = wait[1] + words(max(seconds(wait[2]) / speed, 1)) + wait[3] if wait else scaled_expression(body, speed, least_range)
        out.append(body + line[len(line.rstrip("\n")):])
    return "".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=argparse.FileType(), default=sys.stdin)
    parser.add_argument("--speed", type=float, default=1440)
    parser.add_argument("--least-range", type=float, default=4, metavar="S", help="seconds; four times the sample interval is good")
    arguments = parser.parse_args()
    sys.stdout.write(scaled(arguments.file.read(), arguments.speed, arguments.least_range))
    return 0


if __name__ == "__main__":
    sys.exit(main())
