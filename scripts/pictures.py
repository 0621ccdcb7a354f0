#!/usr/bin/env python3
"""Makes docs/pictures: runs what `make demo` runs, seed 1, to a quarter past noon, when the provider has been out for a while, and takes the
top of the first page as Debian's Chromium shows it, light and dark.

    scripts/pictures.py [FOLDER]       OXPECKER names another binary than build/release/oxpecker

The pictures are those of the browser with at most 256 colours, as few as a page has but for the edges of its letters: a third of the bytes."""
import collections
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/integration"))
from browser import CHROMIUM, Browser  # noqa: E402

SPEED, BEGINS, HOURS = 480, "the provider is out", 1.5  # the episode, and how long into it
WIDTH = 1200


# ---- PNG (ISO/IEC 15948), 8 bits a channel, not interlaced: what browsers write ----

def chunks(data):
    at = 8
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at:at + 8])
        yield name, data[at + 8:at + 8 + size]
        at += 12 + size


def unfiltered(kind, line, above, step):
    """One line of bytes as it was before its filter (section 9.2); `step` bytes are a pixel."""
    if kind == 1:
        for i in range(step, len(line)):
            line[i] = line[i] + line[i - step] & 255
    elif kind == 2:
        return bytearray(a + b & 255 for a, b in zip(line, above))
    elif kind == 3:
        for i, b in enumerate(above):
            line[i] = line[i] + ((line[i - step] if i >= step else 0) + b >> 1) & 255
    elif kind == 4:
        for i, b in enumerate(above):
            a, c = (line[i - step], above[i - step]) if i >= step else (0, 0)
            to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
            line[i] = line[i] + (a if to_a <= to_b and to_a <= to_c else b if to_b <= to_c else c) & 255
    return line


def pixels(data):
    """Width, and the lines as lists of (red, green, blue)."""
    parts = list(chunks(data))
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", parts[0][1])
    assert (depth, interlaced) == (8, 0) and colour in (2, 6), (depth, colour, interlaced)
    step = 3 if colour == 2 else 4
    raw = zlib.decompress(b"".join(body for name, body in parts if name == b"IDAT"))
    lines, above, size = [], bytearray(width * step), width * step + 1
    for y in range(height):
        above = unfiltered(raw[y * size], bytearray(raw[y * size + 1:(y + 1) * size]), above, step)
        lines.append(list(zip(above[0::step], above[1::step], above[2::step])))
    return width, lines


def fewer_colours(data):
    """The same picture with a palette of at most 256 colours: the most frequent ones, each other one as the nearest of them."""
    width, lines = pixels(data)
    counts = collections.Counter()
    for line in lines:
        counts.update(line)
    palette = [colour for colour, _ in counts.most_common(256)]
    places = {colour: place for place, colour in enumerate(palette)}
    for colour in counts:
        if colour not in places:
            places[colour] = min(range(len(palette)), key=lambda i: sum((a - b) ** 2 for a, b in zip(palette[i], colour)))
    raw = b"".join(b"\0" + bytes(places[colour] for colour in line) for line in lines)

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    head = struct.pack(">IIBBBBB", width, len(lines), 8, 3, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"PLTE", b"".join(map(bytes, palette)))
            + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


# ---- The demo ----

def until_then(demo):
    """The page's address, once the demo has come to the time of the pictures."""
    address = None
    for line in demo.stdout:
        print(line, end="", flush=True)
        address = address or re.match(r"Sidecar +(\S+)", line)
        if line.rstrip().endswith(BEGINS):
            time.sleep(HOURS * 3600 / SPEED)
            return address[1]
    sys.exit("pictures: the demo ended before its time")


def take(address, folder):
    with Browser() as browser:
        browser.open(address, width=WIDTH)
        deadline = time.monotonic() + 15
        while browser.value("document.querySelectorAll('figure svg').length") < 6 and time.monotonic() < deadline:
            time.sleep(0.1)
        height = browser.value("document.getElementById('charts').parentElement.getBoundingClientRect().bottom") + 14
        for name, dark in (("page-light", False), ("page-dark", True)):
            browser.colours(dark)
            browser.screenshot(folder / f"{name}.png", height)
    for path in (folder / "page-light.png", folder / "page-dark.png"):
        path.write_bytes(fewer_colours(path.read_bytes()))
        print(f"{path}: {path.stat().st_size} bytes")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs/pictures")
    if not os.path.exists(CHROMIUM):
        sys.exit(f"pictures: {CHROMIUM} is missing; try scripts/deps.sh test")
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(ROOT / "examples/day/demo.sh"), f"--speed={SPEED}", "--seed=1", "--days=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"}) as demo:
        try:
            take(until_then(demo), folder)
        finally:
            demo.send_signal(signal.SIGINT)
            for line in demo.stdout:
                print(line, end="")
    return demo.returncode


if __name__ == "__main__":
    sys.exit(main())
