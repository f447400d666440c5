#!/usr/bin/env python3
"""Loads `trine serve` with many streams and says what came of it.

    tools/load_server.py [MODEL] [--streams 300] [--seconds 60]

First one request at a time, then 16 in parallel: tokens per second of both. Then so many streams
at once for so long: how many failed, how long /health took meanwhile, and how the memory of the
server grew. Ends with status 1 when a goal of docs/measurements/server.md is missed. Needs only the
standard library.
"""

import argparse
import asyncio
import json
import statistics
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


class Client:
    """HTTP over asyncio: thousands of streams in one thread."""

    def __init__(self, port: int):
        self.port = port

    async def stream(self, prompt: str, tokens: int, timeout: float = 600) -> int:
        """Tokens received; raises when the stream does not end as it should."""
        body = json.dumps({
            "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True,
            "ignore_eos": True, "stream_options": {"include_usage": True},
        })  # fmt: skip
        received = await asyncio.wait_for(self.fetch("POST", "/v1/completions", body), timeout)
        events = [line[6:] for line in received.splitlines() if line.startswith("data: ")]
        if not events or events[-1] != "[DONE]":
            raise RuntimeError(f"stream ended with {received[-200:]!r}")
        count = json.loads(events[-2])["usage"]["completion_tokens"]
        if count != tokens:
            raise RuntimeError(f"{count} tokens, expected {tokens}")
        return count

    async def fetch(self, method: str, path: str, body: str = "") -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(
                f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            await writer.drain()
            received = await reader.read()
            status = received.split(b" ", 2)[1]
            if status != b"200":
                raise RuntimeError(f"status {status.decode()}: {received[-200:]!r}")
            return received.decode()
        finally:
            writer.close()


async def throughput(client: Client, parallel: int, requests: int, tokens: int) -> float:
    """Generated tokens per second, short prompts included."""
    start = time.monotonic()
    todo = iter(range(requests))

    async def worker() -> int:
        return sum([await client.stream(PROMPTS[i % len(PROMPTS)], tokens) for i in todo])

    counts = await asyncio.gather(*(worker() for _ in range(parallel)))
    return sum(counts) / (time.monotonic() - start)


async def soak(client: Client, server: Server, streams: int, seconds: float, tokens: int):
    end = time.monotonic() + seconds
    failures: list[str] = []
    finished = generated = 0

    async def worker(index: int) -> None:
        nonlocal finished, generated
        while time.monotonic() < end:
            try:
                count = await client.stream(PROMPTS[index % len(PROMPTS)] + f" {index}", tokens)
                generated += count
                finished += 1
            except Exception as error:  # noqa: BLE001 - every way to fail counts
                failures.append(f"{type(error).__name__}: {error}")

    health: list[float] = []
    memory: list[int] = []

    async def watch() -> None:
        # A connection kept open, as a monitor would: the time of the request, not of this client's
        # event loop, which 300 streams keep busy too, so a process of its own measures it.
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--watch", str(client.port), "--seconds", str(seconds),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        while time.monotonic() < end:
            memory.append(server.rss_bytes())
            await asyncio.sleep(min(1.0, seconds / 20))
        output, _ = await process.communicate()
        health.extend(json.loads(output))

    await asyncio.gather(watch(), *(worker(i) for i in range(streams)))
    return finished, generated, failures, health, memory


def watch_health(port: int, seconds: float) -> None:
    """Prints the seconds that each of many requests for /health took."""
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


async def run(arguments: argparse.Namespace, server: Server) -> bool:
    client = Client(server.port)
    await throughput(client, 2, 4, 16)  # pages of the model, threads
    one = await throughput(client, 1, 6, arguments.tokens)
    many = await throughput(client, 16, 64, arguments.tokens)
    print(f"one request at a time: {one:8.0f} tokens/s")
    print(f"16 in parallel:        {many:8.0f} tokens/s, {many / one:.1f} times as many")
    finished, generated, failures, health, memory = await soak(
        client, server, arguments.streams, arguments.seconds, arguments.tokens
    )
    health_ms = sorted(1000 * seconds for seconds in health)
    p99 = health_ms[int(0.99 * (len(health_ms) - 1))]
    half = len(memory) // 2
    growth = max(memory[half:]) - max(memory[:half])
    print(f"{arguments.streams} streams for {arguments.seconds:.0f} s: {finished} answers, "
          f"{generated / arguments.seconds:.0f} tokens/s, {len(failures)} failed")
    print(f"/health: median {statistics.median(health_ms):.1f} ms, p99 {p99:.1f} ms, "
          f"largest {health_ms[-1]:.1f} ms, {len(health_ms)} requests")
    print(f"memory: {max(memory[:half]) / 2**20:.0f} MiB in the first half, "
          f"{growth / 2**20:+.1f} MiB in the second")
    for failure in sorted(set(failures))[:5]:
        print(f"  failed: {failure}")
    goals = {
        "no stream fails": not failures,
        "/health p99 below 10 ms": p99 < 10,
        "memory flat (5 % or 4 MiB)": growth < max(0.05 * max(memory), 4 * 2**20),
        "16 in parallel at least 4 times one": many >= 4 * one,
    }
    for goal, is_met in goals.items():
        print(f"{'met' if is_met else 'MISSED':>7}  {goal}")
    return all(goals.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?", default=str(ROOT / "models/tiny-mixtral"))
    parser.add_argument("--streams", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--tokens", type=int, default=64, help="of every answer")
    parser.add_argument("--options", default="", help="more options for trine serve")
    parser.add_argument("--watch", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.watch:
        watch_health(arguments.watch, arguments.seconds)
        return 0
    with Server(*arguments.options.split(), model=Path(arguments.model)) as server:
        return 0 if asyncio.run(run(arguments, server)) else 1


if __name__ == "__main__":
    sys.exit(main())
