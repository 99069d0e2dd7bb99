"""30 virtual days with a report each minute over a PTY: budget 0.5 s of wall time.

    python benchmarks/virtual_days.py [--days 30] [--rounds 5]

Nothing in it waits, so on an idle machine wall and CPU time agree; on a busy one the budget is judged by the
CPU time. Prints the best and the median of several rounds, beside bare SimPy (the same number of events and
nothing else) in the same sitting, because a ratio travels between machines and a time does not. A second
figure has the harness read every single report through the kernel, which is a different question.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import simpy

from adapters.transports.serial import SerialTransport
from virtual_rig.clock import VirtualClock
from virtual_rig.servers.pty import PtyServer
from virtual_rig.wire import HostLine

REPORT = b"<InstantaneousDemand><Demand>0x0004D2</Demand></InstantaneousDemand>\r\n"
PERIOD_S = 60.0
BUDGET_S = 0.5


class Reporter:
    """Sends a report every minute, heard or not."""

    def __init__(self, rig: VirtualClock) -> None:
        self.rig, self.reports = rig, 0

    def opened(self, line: HostLine) -> None:
        """See ``LineModel``."""
        self.rig.call_later(PERIOD_S, self.report, line)

    def received(self, line: HostLine, data: bytes) -> None:
        """See ``LineModel``."""

    def broke(self, line: HostLine, duration_s: float) -> None:
        """See ``LineModel``."""

    def closed(self, line: HostLine) -> None:
        """See ``LineModel``."""

    def report(self, line: HostLine) -> None:
        """Send one report and plan the next."""
        self.reports += 1
        line.send(REPORT)
        self.rig.call_later(PERIOD_S, self.report, line)


Taken = tuple[float, float]  # wall and CPU seconds


def virtual_days(days: float, read_each: bool = False) -> Taken:
    """Return the wall and CPU time that ``days`` of virtual time take."""
    rig = VirtualClock()
    model = Reporter(rig)
    server = PtyServer("han", model, rig)
    port = SerialTransport.open(port=server.address, clock=rig)
    until_s = days * 86400.0
    started = time.perf_counter(), time.process_time()
    if read_each:
        while rig.monotonic_s() < until_s:
            port.read(4096, 2 * PERIOD_S)
    else:
        rig.sleep_s(until_s)
    taken = time.perf_counter() - started[0], time.process_time() - started[1]
    if model.reports != int(until_s / PERIOD_S):
        raise SystemExit(f"{model.reports} reports in {days} days: the clock is wrong")
    port.close()
    rig.close()
    return taken


def bare_simpy(days: float) -> Taken:
    """Return the wall and CPU time of the same number of events in SimPy alone."""
    env = simpy.Environment()

    def process() -> object:
        while True:
            yield env.timeout(PERIOD_S)

    env.process(process())  # type: ignore[arg-type]
    started = time.perf_counter(), time.process_time()
    env.run(until=days * 86400.0)
    return time.perf_counter() - started[0], time.process_time() - started[1]


def main() -> int:
    """Run the benchmark; 0 when the budget is kept."""
    options = argparse.ArgumentParser(description="30 virtual days with a report each minute")
    options.add_argument("--days", type=float, default=30.0)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    whole: dict[str, Callable[[float], Taken]] = {
        "reports unread, over a PTY": virtual_days,
        "every report read by the harness": lambda days: virtual_days(days, read_each=True),
        "bare SimPy, no wire": bare_simpy,
    }
    times: dict[str, list[Taken]] = {name: [] for name in whole}
    for _ in range(chosen.rounds):
        for name, measure in whole.items():
            times[name].append(measure(chosen.days))
    for name, taken in times.items():
        wall_s, cpu_s = [wall for wall, _ in taken], [cpu for _, cpu in taken]
        wall = f"wall best {min(wall_s):.3f} s, median {statistics.median(wall_s):.3f} s"
        print(f"{chosen.days:g} days, {name:<34} {wall}; CPU best {min(cpu_s):.3f} s")
    best_s = min(cpu for _, cpu in times["reports unread, over a PTY"])
    ratio = best_s / min(cpu for _, cpu in times["bare SimPy, no wire"])
    kept = best_s <= BUDGET_S * chosen.days / 30
    print(f"{ratio:.1f} times bare SimPy; budget {BUDGET_S} s for 30 days: {'kept' if kept else 'MISSED'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
