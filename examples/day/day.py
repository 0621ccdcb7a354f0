#!/usr/bin/env python3
"""Replays a day as an orchestrator sees it, into the sidecar's Unix socket: docs/events.md, one JSON object on a line.

    examples/day/day.py --socket /run/oxpecker/events.sock --speed=1440     a day in a minute
    examples/day/day.py --print --seed=7                                    the events alone, to standard output

The plan of the day is in plan.py, what becomes of it in world.py. Python 3.11, nothing else."""
import argparse
import json
import os
import pathlib
import signal
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import held  # noqa: E402
import plan  # noqa: E402
import webhook  # noqa: E402
import world  # noqa: E402


def line(event, now):
    """The event's line: its time is now, and what is said as seconds ago becomes a time."""
    said = {"type": event["type"], "ts": round(now, 3), **{k: v for k, v in event.items() if k not in ("type", "ago")}}
    said.update({k: round(now - ago, 3) for k, ago in event.get("ago", {}).items()})
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


class Writers:
    """A connection for each writer; it is made by the first event of a writer that has none."""

    def __init__(self, path):
        self.path, self.sockets, self.waiting, self.sent = str(path), {}, {}, 0

    def take(self, writer, event, now):
        if event is None:
            self.flush(writer)
            if writer in self.sockets:
                self.sockets.pop(writer).close()
        else:
            self.waiting.setdefault(writer, []).append(line(event, now))

    def flush(self, writer):
        lines = self.waiting.pop(writer, [])
        if lines:
            if writer not in self.sockets:
                self.sockets[writer] = socket.socket(socket.AF_UNIX)
                self.sockets[writer].connect(self.path)
            self.sockets[writer].sendall(b"".join(lines))
            self.sent += len(lines)

    def flush_all(self):
        for writer in list(self.waiting):
            self.flush(writer)

    def stop(self):
        """Says farewell for all that are connected, so that nobody takes the end for a crash."""
        for writer in list(self.sockets):
            self.take(writer, {"type": "orchestrator.stopping", "reason": "the replay was stopped"}, time.time())
            self.take(writer, None, 0)


def replay(events, path, speed, note=None, listeners=(), tick_s=0.05):
    """Writes the events, each when its time has come; speed 0: as fast as they are taken. `listeners` (a Held, a Webhook) hear them, too.
    Gives the number of events."""
    writers, begun, noted = Writers(path), time.monotonic(), -1
    try:
        for t, writer, event in events:
            late = t / speed - (time.monotonic() - begun) if speed else 0
            if late > 0:
                writers.flush_all()
                time.sleep(late if late > tick_s else tick_s)
            elif len(writers.waiting.get(writer, ())) >= 50:
                writers.flush(writer)
            writers.take(writer, event, time.time())
            for listener in listeners:
                listener.take(t, event, time.time())
            if note and (now := [e for e in plan.EPISODES if e.begin * plan.HOUR <= t])[noted + 1:]:
                noted = len(now) - 1
                note(now[-1])
        writers.flush_all()
    finally:
        try:
            writers.stop()
        except OSError:
            pass  # the sidecar is gone
    return writers.sent


def say(episode):
    hours = int(episode.begin)
    print(f"{hours:02d}:{round(episode.begin * 60) % 60:02d}  {episode.name}", flush=True)


def wait_for(path, seconds):
    """Until somebody listens there."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as s:
                return s.connect(path)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--socket", default=os.environ.get("OXPECKER_EVENTS_LISTEN_UNIX", "/run/oxpecker/events.sock"))
    parser.add_argument("--speed", type=float, default=1440, help="1440: a day in a minute; 1: real time; 0: as fast as it goes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=1, help="how many, one after the other; 0: until it is stopped")
    parser.add_argument("--name", default=f"{time.time_ns():x}", help="goes into all ids; two days with one name are one to the sidecar")
    parser.add_argument("--provider", type=int, metavar="PORT", help="answer the sidecar's poller at this port of 127.0.0.1")
    parser.add_argument("--webhook", type=int, metavar="PORT", help="take the sidecar's alerts at this port of 127.0.0.1")
    parser.add_argument("--webhook-log", type=argparse.FileType("a"), metavar="FILE", help="a line of each message to the webhook")
    parser.add_argument("--wait", type=float, default=0, metavar="S", help="how long to wait until the sidecar listens")
    parser.add_argument("--print", action="store_true", help="print the events, with their time of the day, and end")
    parser.add_argument("--quiet", action="store_true", help="do not say which episode begins")
    arguments = parser.parse_args()
    if arguments.print:
        for t, writer, event in world.events(arguments.seed, arguments.name):
            print(json.dumps({"at": round(t, 3), "writer": writer, "event": event}))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    day, listeners = 0, [held.Held(arguments.provider)] if arguments.provider else []
    if arguments.webhook:
        listeners.append(webhook.Webhook(arguments.webhook, arguments.webhook_log))
    try:
        wait_for(arguments.socket, arguments.wait)
        while arguments.days == 0 or day < arguments.days:
            happens = world.events(arguments.seed + day, f"{arguments.name}-{day}", max(10, arguments.speed))
            for listener in listeners:
                listener.begin()
            replay(happens, arguments.socket, arguments.speed, None if arguments.quiet else say, listeners)
            day += 1
    except KeyboardInterrupt:
        pass
    except OSError as error:
        print(f"day: {arguments.socket}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
