#!/usr/bin/env python3
"""Loads `trine serve` with many streams and says what came of it.

    tools/load_server.py [MODEL] [--streams 300] [--seconds 60]

First one request at a time and 16 in parallel, in turn: tokens per second of both, medians of the
rounds. Then so many streams at once for so long: how many failed, how long /health took meanwhile,
and how the memory of the server grew. Ends with status 1 when a goal of
docs/measurements/server.md is missed. Needs only the standard library.
"""

import argparse
import json
import os
import re
import resource
import select
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/cli"))
from server_process import Server  # noqa: E402

PROMPTS = [
    "The old house stood at the end of the lane",
    "It was a dark night, and the wind",
    "She had never seen the sea before",
    "A long time ago there was a king who",
    "When the train arrived at last",
]
TAIL_BYTES = 1024  # enough for the last piece, usage and [DONE]


class Stream:
    """One streamed answer. It shares the processors with the server, so it looks at no piece: it
    counts the events by their beginning and reads the last ones when the stream is over."""

    def __init__(self, port: int, prompt: str, tokens: int):
        body = json.dumps({
            "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True,
            "ignore_eos": True, "stream_options": {"include_usage": True},
        })  # fmt: skip
        self.tokens = tokens
        self.head = b""
        self.tail = b""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.sendall(
            f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        self.socket.setblocking(False)

    def take(self) -> bool:
        """What has come; whether there may be more."""
        received = self.socket.recv(1 << 16)
        if not self.head:
            self.head = received[:64]
        self.tail = (self.tail + received)[-TAIL_BYTES:]
        return bool(received)

    def failure(self) -> str:
        """Why the answer is not what it should be; empty when it is."""
        if not self.head.startswith(b"HTTP/1.1 200 "):
            return f"answered {self.head!r}"
        count = re.search(rb'"completion_tokens":(\d+)', self.tail)
        if b"data: [DONE]" not in self.tail or count is None:
            return f"ended with {self.tail[-200:]!r}"
        if int(count[1]) != self.tokens:
            return f"{int(count[1])} tokens, expected {self.tokens}"
        return ""


class Load:
    """Streams at once, each followed by the next as long as there is one."""

    def __init__(self, port: int, tokens: int):
        self.port = port
        self.tokens = tokens
        self.poll = select.epoll()
        self.streams: dict[int, Stream] = {}
        self.finished = 0
        self.failures: list[str] = []

    def start(self, prompts) -> None:
        prompt = next(prompts, None)
        if prompt is None:
            return
        try:
            stream = Stream(self.port, prompt, self.tokens)
        except OSError as error:
            self.failures.append(f"{type(error).__name__}: {error}")
            return
        self.streams[stream.socket.fileno()] = stream
        self.poll.register(stream.socket, select.EPOLLIN)

    def take(self, file: int, prompts) -> None:
        stream = self.streams[file]
        try:
            if stream.take():
                return
            failure = stream.failure()
        except OSError as error:
            failure = f"{type(error).__name__}: {error}"
        self.poll.unregister(file)
        stream.socket.close()
        del self.streams[file]
        if failure:
            self.failures.append(failure)
        else:
            self.finished += 1
        self.start(prompts)

    def run(self, parallel: int, prompts, every_second=lambda: None) -> float:
        """Until the prompts end; the seconds it took."""
        start = time.monotonic()
        second = start
        for _ in range(parallel):
            self.start(prompts)
        quiet = 0
        while self.streams:
            ready = self.poll.poll(1.0)
            quiet = 0 if ready else quiet + 1
            if quiet == 120:
                raise RuntimeError(f"no stream has moved for {quiet} seconds")
            for file, _ in ready:
                self.take(file, prompts)
            if time.monotonic() >= second:
                second += 1.0
                every_second()
        return time.monotonic() - start


def throughput(port: int, parallel: int, requests: int, tokens: int) -> float:
    """Generated tokens per second, short prompts included."""
    load = Load(port, tokens)
    seconds = load.run(parallel, iter([PROMPTS[i % len(PROMPTS)] for i in range(requests)]))
    if load.failures:
        raise RuntimeError(load.failures[0])
    return requests * tokens / seconds


def prompts_until(end: float):
    """Prompts that share a beginning now and then, as users' do."""
    index = 0
    while time.monotonic() < end:
        yield f"{PROMPTS[index % len(PROMPTS)]} {index % 300}"
        index += 1


def watch_health(port: int, seconds: float) -> None:
    """Prints the seconds that each of many requests for /health took. On a connection kept open, as
    a monitor would, and in a process of its own: the streams keep the other one busy."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    end, times = time.monotonic() + seconds, []
    while time.monotonic() < end:
        start = time.monotonic()
        connection.request("GET", "/health")
        connection.getresponse().read()
        times.append(time.monotonic() - start)
        time.sleep(0.02)
    print(json.dumps(times))


class Processors:
    """Who used the processors since this was made."""

    def __init__(self, server: Server):
        self.server = server
        self.start = self.seconds()

    def seconds(self) -> dict[str, float]:
        tick = os.sysconf("SC_CLK_TCK")
        stat = Path(f"/proc/{self.server.process.pid}/stat").read_text()
        fields = stat.rsplit(")", 1)[1].split()
        busy = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        return {
            "time": time.monotonic(),
            "server": (int(fields[11]) + int(fields[12])) / tick,
            "this program": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
            # user, nice, system, interrupts
            "all": sum(int(busy[i]) for i in (0, 1, 2, 5, 6)) / tick,
        }

    def __str__(self) -> str:
        used = {name: value - self.start[name] for name, value in self.seconds().items()}
        used["others"] = used.pop("all") - used["server"] - used["this program"]
        seconds = used.pop("time")
        return ", ".join(f"{name} {max(value, 0) / seconds:.2f}" for name, value in used.items())


def soak(server: Server, arguments: argparse.Namespace) -> dict[str, bool]:
    watcher = subprocess.Popen(
        [sys.executable, __file__, "--watch", str(server.port), "--seconds", str(arguments.seconds)],
        stdout=subprocess.PIPE,
    )
    memory: list[int] = []
    load = Load(server.port, arguments.tokens)
    processors = Processors(server)
    end = time.monotonic() + arguments.seconds
    seconds = load.run(
        arguments.streams, prompts_until(end), lambda: memory.append(server.rss_bytes())
    )
    used = str(processors)
    health_ms = sorted(1000 * value for value in json.loads(watcher.communicate()[0]))
    p99 = health_ms[int(0.99 * (len(health_ms) - 1))]
    half = len(memory) // 2
    growth = max(memory[half:]) - max(memory[:half])
    print(f"{arguments.streams} streams for {seconds:.0f} s: {load.finished} answers, "
          f"{load.finished * arguments.tokens / seconds:.0f} tokens/s, "
          f"{len(load.failures)} failed")  # fmt: skip
    print(f"processors in use: {used}")
    print(f"/health: median {statistics.median(health_ms):.1f} ms, p99 {p99:.1f} ms, "
          f"largest {health_ms[-1]:.1f} ms, {len(health_ms)} requests")
    print(f"memory: {max(memory[:half]) / 2**20:.1f} MiB in the first half, "
          f"{growth / 2**20:+.1f} MiB in the second; by minute "
          + " ".join(f"{max(memory[i : i + 60]) / 2**20:.1f}" for i in range(0, len(memory), 60)))
    for failure in sorted(set(load.failures))[:5]:
        print(f"  failed: {failure}")
    return {
        "no stream fails": not load.failures,
        "/health p99 below 10 ms": p99 < 10,
        "memory flat (5 % or 4 MiB)": growth < max(0.05 * max(memory), 4 * 2**20),
    }


def run(server: Server, arguments: argparse.Namespace) -> bool:
    throughput(server.port, 2, 4, 16)  # pages of the model, threads
    ones, manies = [], []
    for _ in range(arguments.rounds):
        ones.append(throughput(server.port, 1, 12, arguments.tokens))
        processors = Processors(server)
        manies.append(throughput(server.port, 16, 96, arguments.tokens))
        used = str(processors)
    one, many = statistics.median(ones), statistics.median(manies)
    print(f"one request at a time: {one:8.0f} tokens/s ({min(ones):.0f} to {max(ones):.0f})")
    print(f"16 in parallel:        {many:8.0f} tokens/s ({min(manies):.0f} to {max(manies):.0f}), "
          f"{many / one:.1f} times as many")
    print(f"processors in use with 16: {used}")
    goals = {"16 in parallel at least 4 times one": many >= 4 * one}
    if arguments.seconds > 0:
        goals |= soak(server, arguments)
    for goal, is_met in goals.items():
        print(f"{'met' if is_met else 'MISSED':>7}  {goal}")
    return all(goals.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?", default=str(ROOT / "models/tiny-mixtral"))
    parser.add_argument("--streams", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60, help="of the streams; 0: without them")
    parser.add_argument("--rounds", type=int, default=5, help="of one request and 16")
    parser.add_argument("--tokens", type=int, default=64, help="of every answer")
    parser.add_argument("--options", default="", help="more options for trine serve")
    parser.add_argument("--watch", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.watch:
        watch_health(arguments.watch, arguments.seconds)
        return 0
    with Server(*arguments.options.split(), model=Path(arguments.model)) as server:
        return 0 if run(server, arguments) else 1


if __name__ == "__main__":
    sys.exit(main())
