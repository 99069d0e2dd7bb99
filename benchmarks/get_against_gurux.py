"""GETs a second: our DLMS client against the gurux-dlms client on the same served virtual meter.

    python benchmarks/get_against_gurux.py [--rounds 7] [--json]

The meter is ``meterbench rig serve`` in a process of its own; gurux-dlms is another process that times itself
(tests/oracles/gurux_client.py); ours runs in this one. All cross real sockets and pseudo-terminals. In every
round each of them reads the same attribute, one after the other, so a ratio is made of figures taken within
the same second. Two things are read: the logical device name, 16 octets, where the overhead of an exchange is
everything, and the object list, 2.6 kB, which comes in blocks (wrapper) or segments (HDLC).

"client" is our client proper, request in, decoded value out, as in gurux-dlms; "step" is what a plan's step
calls, which looks names up and gives values a person reads. The floor under all of them is a bare ping-pong:
two plain programs that exchange as many octets as one GET of the name takes, and do nothing else.

Two tables. Everything on one core: what a GET costs in work, client and meter together, without the idle
time of waking another core. And free on all cores: what a user sees. The meter's own work is in every figure
of both clients alike; a client that costs nothing would still wait for it.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.parts.paired import Figures as Paired  # noqa: E402
from benchmarks.parts.paired import timed  # noqa: E402
from harness.bench import LiveBench, open_bench  # noqa: E402 - found beside this folder
from tests.oracles.gurux import Gurux, identity, wire  # noqa: E402
from tests.scenarios.plan_runs import write_bench  # noqa: E402
from tests.scenarios.served_site import Served, serving  # noqa: E402

WARM_UP = 10
COUNTER = {"class": 1, "obis": "0.0.43.1.1.255", "attribute": 2}


@dataclass(frozen=True, kw_only=True)
class What:
    """What is read, and how often in one round: by us, by gurux, and by gurux where it has to decipher."""

    words: str
    target: str
    class_id: int
    obis: str
    gets: int
    gurux_gets: int
    gurux_ciphered_gets: int


NAME = What(words="name", target="logical_device_name", class_id=1, obis="0.0.42.0.0.255", gets=400,
            gurux_gets=400, gurux_ciphered_gets=60)  # fmt: skip
LIST = What(words="object list", target="15/0-0:40.0.0.255", class_id=15, obis="0.0.40.0.0.255", gets=15,
            gurux_gets=15, gurux_ciphered_gets=3)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way of reading. ``aim`` is the ratio to gurux this project sets itself."""

    name: str
    what: What
    link: str
    client: str
    mechanism: str
    authentication: str
    aim: float


WAYS = (
    ("no security", "public", "none", "NONE", 2.0),
    ("LLS", "management", "lls", "LOW", 2.0),
    ("GMAC, ciphered", "management", "hls-gmac", "HIGH_GMAC", 5.0),
)
CASES = [
    Case(name=f"{framing} {words}, {what.words}", what=what, link=link, client=client, mechanism=mechanism,
         authentication=authentication, aim=aim)
    for what in (NAME, LIST)
    for link, framing in (("ip", "TCP"), ("rs485", "HDLC"))
    for words, client, mechanism, authentication, aim in WAYS
    if what is NAME or mechanism != "none"
]  # fmt: skip


@dataclass
class Figures(Paired):
    """And the bare ping-pong, seconds an exchange."""

    bare: list[float] = field(default_factory=list)


class CountingTap:
    """Counts the octets of an exchange."""

    def __init__(self) -> None:
        self.out = self.back = 0

    def sent(self, data: bytes) -> None:
        """Count octets sent."""
        self.out += len(data)

    def received(self, data: bytes) -> None:
        """Count octets received."""
        self.back += len(data)

    def note(self, text: str) -> None:
        """Ignore remarks."""


# --- the three that are compared --------------------------------------------------------------------------


@contextmanager
def ours(bench: Path, case: Case) -> Iterator[LiveBench]:
    """Open our association of a case."""
    live = open_bench(str(bench))
    try:
        live.devices["meter"].associate(case.client, case.link, "a", case.mechanism)
        yield live
        live.devices["meter"].release("a")
    finally:
        live.close()


def read_ours(bench: Path, case: Case, figures: Figures) -> None:
    """Take one round of ours: the client alone, and as a step calls it."""
    with ours(bench, case) as live:
        meter = live.devices["meter"]
        association, target = meter._connections.find("a"), meter._target(case.what.target)
        wall_s, cpu_s = timed(lambda: association.get(target, 2, None), case.what.gets, WARM_UP)
        figures.client.append(wall_s)
        figures.client_cpu.append(cpu_s)
        if case.what is LIST:
            wall_s, _ = timed(lambda: meter.list_objects("a"), case.what.gets, WARM_UP)
        else:
            wall_s, _ = timed(lambda: meter.get(case.what.target, "value", "a"), case.what.gets, WARM_UP)
        figures.step.append(wall_s)


def octets_of(bench: Path, case: Case) -> tuple[int, int]:
    """Return how many octets one GET of the name sends and receives."""
    with ours(bench, case) as live:
        meter, tap = live.devices["meter"], CountingTap()
        stream = meter._connections.find("a").line._stream
        before, stream._tap = stream._tap, tap
        meter.get("logical_device_name", "value", "a")
        stream._tap = before
        return tap.out, tap.back


def read_gurux(gurux: Gurux, endpoints: dict[str, dict[str, Any]], case: Case, figures: Figures) -> None:
    """Take one round of gurux."""
    request = wire(endpoints[case.link]) | identity(endpoints[case.link], case.client, case.authentication)
    count, what = case.what.gurux_gets, case.what
    if case.authentication == "HIGH_GMAC":
        gurux.ask("open", **wire(endpoints["ip"]), **identity(endpoints["ip"], "public", "NONE"))
        request["counter"] = gurux.ask("get", **COUNTER)["value"] + 1
        gurux.ask("close")
        count = what.gurux_ciphered_gets
    gurux.ask("open", **request)
    attribute = {"class": what.class_id, "obis": what.obis, "attribute": 2}
    gurux.ask("time", gets=min(WARM_UP, count), **attribute)
    taken = gurux.ask("time", gets=count, **attribute)
    gurux.ask("close")
    figures.peer.append(taken["seconds"] / count)
    figures.peer_cpu.append(taken["cpu_seconds"] / count)


class PingPong:
    """A client and a server that exchange octets of a GET and know nothing of DLMS."""

    def __init__(self, kind: str, out: int, back: int) -> None:
        self._request, self._back = bytes(out), back
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--pong", kind, str(out), str(back)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        where = self.process.stdout.readline().strip()
        if kind == "tcp":
            self._socket = socket.create_connection(("127.0.0.1", int(where)))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._fd = self._socket.detach()
        else:
            self._fd = os.open(where, os.O_RDWR | os.O_NOCTTY)

    def read(self) -> float:
        """Return seconds an exchange."""
        began_s = time.perf_counter()
        for _ in range(NAME.gets):
            os.write(self._fd, self._request)
            exactly(self._fd, self._back)
        return (time.perf_counter() - began_s) / NAME.gets

    def close(self) -> None:
        """End both."""
        os.close(self._fd)
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def exactly(fd: int, count: int) -> bool:
    """Read ``count`` octets; False at the end of the stream."""
    while count > 0:
        data = os.read(fd, count)
        if not data:
            return False
        count -= len(data)
    return True


def pong(kind: str, out: int, back: int) -> None:
    """Be the server of the ping-pong."""
    if kind == "tcp":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            print(listener.getsockname()[1], flush=True)
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            fd = connection.detach()
    else:
        fd, far = pty.openpty()
        tty.setraw(far)
        print(os.ttyname(far), flush=True)
    answer = bytes(back)
    with suppress(OSError):
        while exactly(fd, out):
            os.write(fd, answer)


# --- the sitting ------------------------------------------------------------------------------------------


def pin(pids: list[int], cores: set[int]) -> None:
    """Keep every thread of some processes on ``cores``."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)


def sitting(site: Served, gurux: Gurux, bench: Path, rounds: int, cores: set[int]) -> dict[str, Figures]:
    """Measure every case on ``cores``."""
    endpoints = {str(each["link"]): each for each in site.endpoints if each["device"] == "meter"}
    measured: dict[str, Figures] = {}
    for case in CASES:
        out, back = octets_of(bench, case)
        bare = PingPong("tcp" if case.link == "ip" else "pty", out, back)
        pin([os.getpid(), site.pid, gurux.pid, bare.process.pid], cores)
        figures = measured[case.name] = Figures()
        try:
            for _ in range(rounds):
                read_ours(bench, case, figures)
                read_gurux(gurux, endpoints, case, figures)
                figures.bare.append(bare.read())
        finally:
            bare.close()
    return measured


def table(title: str, measured: dict[str, Figures]) -> None:
    """Print one table; medians of rounds, ratios with their spread."""
    median = statistics.median
    print(f"\n{title}")
    print(
        f"{'':<32}{'client':>8}{'step':>8}{'gurux':>8}{'bare':>9}  {'client : gurux':<18}{'aim':>4}"
        f"{'step : gurux':>14}{'CPU of client : gurux':>24}"
    )
    print(f"{'':<32}{'GET/s':>8}{'GET/s':>8}{'GET/s':>8}{'1/s':>9}  {'median [range]':<18}{'':>4}")
    for case in CASES:
        of = measured[case.name]
        ratios = of.ratios(of.client)
        spread = f"{median(ratios):.1f} [{min(ratios):.1f}..{max(ratios):.1f}]"
        cpu = f"{median(of.client_cpu) * 1e6:,.0f} : {median(of.peer_cpu) * 1e6:,.0f} us"
        bare = f"{1 / median(of.bare):>9,.0f}" if case.what is NAME else f"{'':>9}"
        print(
            f"{case.name:<32}{1 / median(of.client):>8,.0f}{1 / median(of.step):>8,.0f}"
            f"{1 / median(of.peer):>8,.0f}{bare}  {spread:<18}{case.aim:>4.0f}"
            f"{median(of.ratios(of.step)):>14.1f}{cpu:>24}"
            f"{'' if median(ratios) >= case.aim else '  aim missed'}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    every = os.sched_getaffinity(0)
    with serving(seed=1) as site, Gurux() as gurux, tempfile.TemporaryDirectory() as folder:
        os.environ.update(site.environment)
        bench = write_bench(Path(folder) / "bench.yaml", site.bench)
        results: dict[str, dict[str, Figures]] = {
            "one core": sitting(site, gurux, bench, options.rounds, {max(every)}),
            "free": sitting(site, gurux, bench, options.rounds, every),
        }
    if options.json:
        print(
            json.dumps(
                {kind: {name: vars(of) for name, of in got.items()} for kind, got in results.items()},
                indent=1,
            )
        )
        return
    print("DLMS GETs, client and virtual meter on this machine; wall-clock time, medians of several rounds")
    table("All on one core", results["one core"])
    table(f"Free on {len(every)} cores", results["free"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pong"]:
        pong(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
