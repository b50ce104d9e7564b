"""How much `atypica serve` takes, with and without dynamic batching, and what it does at twice that.

    python benchmarks/serve_load.py FOLDER [--seconds 10] [--rounds 3] [--callers 16] [--json OUT]

Two servers run side by side on this machine, one with batches of up to 8 figures shared between requests, one with
batches of 1; each caller sends one crop a request and waits for its answer. The servers are asked in turns, so that
what else the machine does weighs on both. Then requests arrive at twice the measured rate, whether or not the earlier
ones were answered. The callers share the cores with the servers: the figures are those of the whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np

SAMPLES = 200
"""Crops that are sent, over and over."""
CONNECTIONS = 400
"""Callers of the overload, so that none waits for another."""
IDLE_S = 2
"""A connection that was idle for longer is opened anew: the server closes it after 5 s, maybe amid the next request."""


@dataclass
class Tally:
    """What callers saw."""

    seconds: float = 0.0
    core_s: float = 0.0
    """What the server's cores spent; other work of the machine weighs less on it than on the clock."""
    statuses: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    """Of requests that were served."""

    def note(self, status: str, seconds: float) -> None:
        self.statuses[status] += 1
        if status == "200":
            self.times.append(seconds)

    @property
    def rate(self) -> float:
        return self.statuses["200"] / self.seconds

    @property
    def core_ms(self) -> float:
        """Of the server, for a request that was served."""
        return 1000 * self.core_s / max(1, self.statuses["200"])

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        return float(np.percentile(self.times, share)) * 1000 if self.times else float("nan")


class Server:
    """`atypica serve` in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "atypica.apps.cli", "serve", "--port", "0", *arguments]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}
        )
        assert self.process.stderr is not None
        line = next(line for line in self.process.stderr if "listening on" in line)
        self.port = int(line.split("127.0.0.1:")[1].split("/")[0])

    @property
    def memory_mib(self) -> float:
        """Resident memory (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    @property
    def core_s(self) -> float:
        """Core time so far, of user and system (Linux)."""
        spent = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(*arguments: str) -> Iterator[Server]:
    """A server that is stopped at the end."""
    running = Server(*arguments)
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait(120)


def requests_of(folder: Path) -> list[bytes]:
    """A request for each crop, ready to be sent."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in {".png", ".tif", ".tiff", ".jpg"}]
    chosen = files[:: max(1, len(files) // SAMPLES)][:SAMPLES]
    if not chosen:
        sys.exit(f"{folder} has no crops")
    return [_request(path.read_bytes()) for path in chosen]


def _request(content: bytes) -> bytes:
    head = (
        "POST /classify?mpp=0.25 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Line:
    """A connection that is kept; as little work for the callers as can be."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.used = 0.0

    async def ask(self, request: bytes) -> str:
        """The status of the answer, or the name of the error."""
        try:
            if time.perf_counter() - self.used > IDLE_S:
                self.close()
            if self.streams is None:
                self.streams = await asyncio.open_connection("127.0.0.1", self.port)
            reader, writer = self.streams
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.split(b"content-length:")[1].split()[0]))
        except (OSError, asyncio.IncompleteReadError, IndexError) as error:
            self.close()
            return type(error).__name__
        self.used = time.perf_counter()
        return head.split()[1].decode()

    def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()
        self.streams = None


async def closed_loop(running: Server, requests: list[bytes], callers: int, seconds: float) -> Tally:
    """So many callers, each sending its next request when the last was answered."""
    tally, feed = Tally(), cycle(requests)
    begun, spent = time.perf_counter(), running.core_s

    async def caller() -> None:
        line = Line(running.port)
        while (start := time.perf_counter()) < begun + seconds:
            status = await line.ask(next(feed))
            tally.note(status, time.perf_counter() - start)
        line.close()

    await asyncio.gather(*[caller() for _ in range(callers)])
    tally.seconds, tally.core_s = time.perf_counter() - begun, running.core_s - spent
    return tally


async def open_loop(running: Server, requests: list[bytes], rate: float, seconds: float) -> tuple[Tally, list[float]]:
    """Requests at a fixed rate, whatever becomes of them; and the server's memory, each second."""
    tally, feed, lines = Tally(), cycle(requests), [Line(running.port) for _ in range(CONNECTIONS)]
    memory, tasks = [running.memory_mib], set[asyncio.Task[None]]()
    begun, spent = time.perf_counter(), running.core_s

    async def one(line: Line) -> None:
        start = time.perf_counter()
        tally.note(await line.ask(next(feed)), time.perf_counter() - start)
        lines.append(line)

    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        if not lines:
            tally.note("all callers wait", 0.0)
            continue
        task = asyncio.create_task(one(lines.pop()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        if time.perf_counter() - begun > len(memory):
            memory.append(running.memory_mib)
    tally.seconds = time.perf_counter() - begun
    await asyncio.gather(*tasks)
    tally.core_s = running.core_s - spent
    for line in lines:
        line.close()
    return tally, memory


def shown(name: str, tally: Tally) -> str:
    """One line of the table."""
    times = f"p50 {tally.percentile(50):6.0f} ms, p99 {tally.percentile(99):6.0f} ms"
    return f"{name:32} {tally.rate:6.1f} served/s, {times}, {tally.core_ms:5.1f} ms core each, {dict(tally.statuses)}"


def joined(tallies: list[Tally]) -> Tally:
    """Several rounds as one."""
    whole = Tally(sum(tally.seconds for tally in tallies), sum(tally.core_s for tally in tallies))
    for tally in tallies:
        whole.statuses += tally.statuses
        whole.times += tally.times
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=10, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--overload-seconds", type=float, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    requests = requests_of(options.folder)
    print(f"{os.cpu_count()} cores, load before: {os.getloadavg()[0]:.1f}; {len(requests)} crops, one a request")
    with server("--batch", "8") as shared, server("--batch", "1") as alone:
        servers = {"shared batches": shared, "batches of 1": alone}
        rounds: dict[str, list[Tally]] = {name: [] for name in servers}
        for running in servers.values():  # warm up
            asyncio.run(closed_loop(running, requests, options.callers, 2))
        for _ in range(options.rounds):
            for name, running in servers.items():
                rounds[name].append(asyncio.run(closed_loop(running, requests, options.callers, options.seconds)))
        pairs = list(zip(*rounds.values(), strict=True))
        ratios = [one.rate / two.rate for one, two in pairs]
        core_ratios = [two.core_ms / one.core_ms for one, two in pairs]
        wholes = {name: joined(tallies) for name, tallies in rounds.items()}
        for name, whole in wholes.items():
            print(shown(f"{options.callers} callers, {name}", whole))
        print(f"ratio of rates: median {statistics.median(ratios):.2f} ({', '.join(f'{r:.2f}' for r in ratios)})")
        print(f"ratio of core times: median {statistics.median(core_ratios):.2f}")
        capacity = wholes["shared batches"].rate
        over, memory = asyncio.run(open_loop(shared, requests, 2 * capacity, options.overload_seconds))
    print(shown(f"twice the capacity ({2 * capacity:.0f}/s)", over))
    print(f"memory of the server: {memory[0]:.0f} MiB before, {max(memory):.0f} at most, {memory[-1]:.0f} at the end")
    print(f"load after: {os.getloadavg()[0]:.1f}")
    if options.json:
        content = {
            name: {
                "served_per_s": round(tally.rate, 2),
                "core_ms": round(tally.core_ms, 2),
                "p50_ms": round(tally.percentile(50), 1),
                "p99_ms": round(tally.percentile(99), 1),
                "statuses": dict(tally.statuses),
            }
            for name, tally in {**wholes, "twice the capacity": over}.items()
        }
        options.json.write_text(
            json.dumps({**content, "ratios": ratios, "core_ratios": core_ratios, "memory_mib": memory}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
