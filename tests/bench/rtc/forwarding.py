"""CPU per forwarded packet of the rtc node under many two-party calls, beside aiortc's MediaRelay in the same run.

    python -m tests.bench.rtc.forwarding [--calls 1 20 60] [--seconds 5] [--repeat 3] [--realtime]

One call is two participants with 1 Mbit/s VP8 (640x480, 30 frames/s) and Opus each. The server runs on one core, the
load on another. CPU is the scheduler's own count of the server's threads. Compare ratios, not figures of two machines.
"""

import argparse
import asyncio
import ctypes
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.consult.rtc.client import NodeClient
from tests.bench.rtc.callers import Join, LoadCaller, Stream, use_loopback

WARM_UP = 1.0
BUCKET_MS = 0.005
BUCKETS = 20001
SERVER_CORE, LOAD_CORE = 0, 1
NODE = """
import sys
from services.consult.rtc.node import serve
serve(control=sys.argv[1], media_addresses=["127.0.0.1"], media_port=0)
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: share of one core, microseconds per forwarded packet, packets per second, loss, added ms, MB."""

    cpu: float
    per_packet: float
    packets: float
    loss: float
    median: float
    p99: float
    memory: float


class Load:
    """The C part: sends and times packets in threads of its own."""

    def __init__(self, folder: Path) -> None:
        library = folder / "load.so"
        compiler = sysconfig.get_config_var("CC").split()[0]
        source = Path(__file__).with_name("load.c")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-pthread", "-o", library, source], check=True)
        self._c = ctypes.CDLL(str(library))
        self._c.latencies.restype = ctypes.POINTER(ctypes.c_int64)
        self._kept: list[object] = []
        self._plan: list[tuple[float, int, int]] = []

    def add(self, sockets: list[tuple[int, tuple[str, int]]], streams: list[list[Stream]]) -> None:
        """Two participants of a call: each hears what the other sends."""
        listeners = [self._c.add_listener(descriptor) for descriptor, _ in sockets]
        for mine, other in ((0, 1), (1, 0)):
            for stream in streams[mine]:
                number = self._add_stream(*sockets[mine], stream)
                self._c.expect(listeners[other], stream.payload_type, number)
                self._plan += [(due, number, index) for index, due in enumerate(stream.due)]

    def begin(self) -> None:
        """Start sending."""
        self._plan.sort()
        due = array("q", [int(item[0] * 1e9) for item in self._plan])
        stream, index = array("i", [item[1] for item in self._plan]), array("i", [item[2] for item in self._plan])
        self._kept += [due, stream, index]
        self._c.begin(*(ctypes.c_void_p(a.buffer_info()[0]) for a in (due, stream, index)), ctypes.c_int64(len(due)))

    def record(self, on: bool) -> None:
        self._c.record(int(on))

    def end(self) -> None:
        self._c.end()

    def counts(self) -> tuple[int, int]:
        """Packets received and sent so far."""
        out = (ctypes.c_int64 * 4)()
        self._c.counts(out)
        return out[0], out[1]

    def quantile(self, share: float) -> float:
        """Added latency in milliseconds."""
        buckets = self._c.latencies()[:BUCKETS]
        wanted, seen = share * sum(buckets), 0
        for number, count in enumerate(buckets):
            seen += count
            if seen and seen >= wanted:
                return number * BUCKET_MS
        return float("nan")

    def _add_stream(self, descriptor: int, address: tuple[str, int], stream: Stream) -> int:
        self._kept.append(stream)
        host = int.from_bytes(bytes(map(int, address[0].split("."))), sys.byteorder)
        number: int = self._c.add_stream(
            descriptor,
            ctypes.c_uint32(host),
            ctypes.c_uint16(address[1]),
            ctypes.c_char_p(stream.block),
            ctypes.c_void_p(stream.offsets.buffer_info()[0]),
            ctypes.c_void_p(stream.lengths.buffer_info()[0]),
            len(stream.lengths),
        )
        return number


@asynccontextmanager
async def node(folder: Path) -> AsyncIterator[tuple[int, Join]]:
    """A node process and how to join it."""
    control = f"unix:{folder / 'rtc.sock'}"
    process = subprocess.Popen([sys.executable, "-c", NODE, control])  # noqa: ASYNC220 -- set-up is not measured
    try:
        async with NodeClient(control) as client:
            await client.ready()

            async def join(room: str, participant: str, offer: str) -> str:
                return await client.join(room=room, participant=participant, offer=offer)

            yield process.pid, join
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def relay(_: Path) -> AsyncIterator[tuple[int, Join]]:
    """A MediaRelay process and how to join it."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "tests.bench.rtc.relay"]
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)

    async def join(room: str, participant: str, offer: str) -> str:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps({"room": room, "offer": offer}).encode() + b"\n")
        answer: str = json.loads(await process.stdout.readline())
        return answer

    try:
        yield process.pid, join
    finally:
        process.kill()
        await process.wait()


async def measure(server: str, calls: int, seconds: float, *, realtime: bool) -> Measured:
    """One run of one server."""
    with tempfile.TemporaryDirectory() as name:
        load = Load(Path(name))
        async with (node if server == "node" else relay)(Path(name)) as (process, join):
            callers = [LoadCaller() for _ in range(2 * calls)]
            for number, caller in enumerate(callers):
                await caller.join(join, f"room-{number // 2}", f"participant-{number % 2}")
            sockets = [caller.take_socket() for caller in callers]
            streams = [c.streams(WARM_UP + seconds + 0.5, (n * 0.618) % 1) for n, c in enumerate(callers)]
            for first in range(0, len(callers), 2):
                load.add(sockets[first : first + 2], streams[first : first + 2])
            pin(process, SERVER_CORE, realtime=realtime)
            pin(0, LOAD_CORE, realtime=realtime)
            load.begin()
            await asyncio.sleep(WARM_UP)
            load.record(True)
            before, (received, sent), begun = cpu_seconds(process), load.counts(), asyncio.get_running_loop().time()
            await asyncio.sleep(seconds)
            used, (received_after, sent_after) = cpu_seconds(process) - before, load.counts()
            elapsed = asyncio.get_running_loop().time() - begun
            load.end()
            received, sent = received_after - received, sent_after - sent
            return Measured(
                cpu=used / elapsed,
                per_packet=used / max(1, received) * 1e6,
                packets=received / elapsed,
                loss=max(0.0, 1 - received / sent),
                median=load.quantile(0.5),
                p99=load.quantile(0.99),
                memory=resident(process),
            )


def pin(process: int, core: int, *, realtime: bool) -> None:
    """Keep all threads of a process on one core, ahead of others if wanted and allowed."""
    for thread in Path(f"/proc/{process or 'self'}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})
        if realtime:
            os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(10))


def cpu_seconds(process: int) -> float:
    """What the scheduler has counted for all threads of a process."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def resident(process: int) -> float:
    """Resident memory in MB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def run_apart(server: str, calls: int, options: argparse.Namespace) -> Measured:
    """One run in a fresh process, so that runs do not disturb one another."""
    command = [sys.executable, "-m", "tests.bench.rtc.forwarding", "--one", server, "--calls", str(calls)]
    command += ["--seconds", str(options.seconds)] + (["--realtime"] if options.realtime else [])
    return Measured(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def row(server: str, calls: int, runs: list[Measured]) -> str:
    """The medians of some runs as a line of the table."""
    m = Measured(*(statistics.median(getattr(run, name) for run in runs) for name in Measured.__slots__))
    # The relay sends frames of its own making, so packets cannot be matched with those sent.
    forwarded = f"{m.median:.2f} / {m.p99:.2f} | {m.loss:.2%}" if server == "node" else "- | -"
    return (
        f"| {server} | {calls} | {m.packets:,.0f} | {m.cpu:.1%} | {m.per_packet:.1f} | {m.cpu / calls:.2%} "
        f"| {forwarded} | {m.memory:.0f} |"
    )


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 20, 60])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--realtime", action="store_true", help="run ahead of other processes (needs the right to)")
    parser.add_argument("--one", choices=["node", "relay"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        use_loopback()
        measured = asyncio.run(measure(options.one, options.calls[0], options.seconds, realtime=options.realtime))
        print(json.dumps({name: getattr(measured, name) for name in Measured.__slots__}), flush=True)
        os._exit(0)
    print("| server | calls | packets/s | CPU | us per packet | CPU per call | added p50 / p99 ms | loss | MB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for server, calls in [("relay", 1), *(("node", calls) for calls in options.calls)]:
        print(row(server, calls, [run_apart(server, calls, options) for _ in range(options.repeat)]), flush=True)


if __name__ == "__main__":
    main()
