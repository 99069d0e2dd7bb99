"""Full reads a second: our C12.18 client against termineter on the same served virtual meters.

    python benchmarks/c1218_against_termineter.py [--rounds 5] [--json]

The meters are ``meterbench rig serve ansi-meters`` in a process of its own; termineter is another process
that times itself (tests/oracles/termineter_client.py); ours runs in this one. Both cross the same real
wires: the optical port on a PTY, and TCP. In every round each reads the same tables, one after the other,
so a ratio is made of figures taken within the same second. Two tables are read: ST05, the identification of
20 octets, where the overhead of an exchange is everything, and ST00, which names every table and procedure
the meter has.

"client" is our session, request in and checked response out, as termineter's ``get_table_data``; "step" is
what a plan's step calls, which looks names up and decodes the fields.

termineter writes its acknowledgement and its next packet one by one. Over TCP the second write waits for
the far end's delayed acknowledgement of the first (Nagle), some 40 ms: that, and not its arithmetic, is the
ratio there. On a PTY nothing of the kind happens.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from adapters.protocols.c1218.services import FullRead  # noqa: E402 - found beside this folder
from benchmarks.parts.paired import Figures, timed  # noqa: E402
from harness.bench import open_bench  # noqa: E402
from tests.oracles.termineter import Termineter, TermineterError  # noqa: E402
from tests.scenarios.plan_runs import write_bench  # noqa: E402
from tests.scenarios.served_site import serving  # noqa: E402

DEVICE, LEVEL = "i210", "master"
WARM_UP = 5
_ATTEMPTS = 20


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is read over which link; how often in a round by us and by termineter; and the aim."""

    name: str
    link: str
    table: int
    reads: int
    theirs: int
    aim: float


CASES = (
    Case(name="PTY, ST05", link="optical", table=5, reads=400, theirs=400, aim=2),
    Case(name="PTY, ST00", link="optical", table=0, reads=300, theirs=300, aim=2),
    Case(name="TCP, ST05", link="tcp", table=5, reads=400, theirs=20, aim=50),
    Case(name="TCP, ST00", link="tcp", table=0, reads=300, theirs=20, aim=50),
)


def read_ours(bench: Path, case: Case, figures: Figures) -> bytes:
    """Take one round of ours and return the table."""
    live = open_bench(str(bench))
    try:
        meter = live.devices[DEVICE]
        meter.open_session(case.link, LEVEL)
        session, request = meter._connections.find(case.link).session, FullRead(table=case.table)
        wall_s, cpu_s = timed(lambda: session.ask(request), case.reads, WARM_UP)
        figures.client.append(wall_s)
        figures.client_cpu.append(cpu_s)
        name = f"ST{case.table}"
        figures.step.append(timed(lambda: meter.read_table(name, link=case.link), case.reads, WARM_UP)[0])
        octets: bytes = session.ask(request).data
        meter.end_session(case.link)
        return octets
    finally:
        live.close()


def read_theirs(termineter: Termineter, endpoint: dict[str, Any], case: Case, figures: Figures) -> bytes:
    """Take one round of termineter and return the table."""
    port = f"socket://{endpoint['address']}" if case.link == "tcp" else endpoint["address"]
    password = next(each["password"] for each in endpoint["levels"] if each["level"] == LEVEL)
    for attempt in range(_ATTEMPTS):
        try:
            termineter.ask("open", port=port, order="little", packet_octets=256, packets=8)
            break
        except TermineterError:  # the meter takes one connection, and may not have let go of ours yet
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.05)
    if not termineter.ask("logon", user="bench", user_id=1, password=password)["granted"]:
        raise SystemExit("termineter is not let in")
    taken = termineter.ask("time", table=case.table, reads=case.theirs, warm_up=min(WARM_UP, case.theirs))
    termineter.ask("close")
    figures.peer.append(taken["seconds"] / case.theirs)
    figures.peer_cpu.append(taken["cpu_seconds"] / case.theirs)
    return bytes.fromhex(taken["data"])


def measure(rounds: int) -> dict[str, Figures]:
    """Measure every case."""
    measured = {case.name: Figures() for case in CASES}
    with (
        serving("ansi-meters", seed=1) as site,
        Termineter() as termineter,
        tempfile.TemporaryDirectory() as folder,
        patch.dict(os.environ, site.environment),
    ):
        bench = write_bench(Path(folder) / "bench.yaml", site.bench)
        endpoints = {str(each["link"]): each for each in site.endpoints if each["device"] == DEVICE}
        for case in CASES:
            for _ in range(rounds):
                ours = read_ours(bench, case, measured[case.name])
                theirs = read_theirs(termineter, endpoints[case.link], case, measured[case.name])
                if ours != theirs:
                    raise SystemExit(f"{case.name}: the two did not read the same table")
    return measured


def table(measured: dict[str, Figures]) -> None:
    """Print the figures; medians of rounds, ratios with their spread."""
    median = statistics.median
    print(
        "C12.18 full reads, client and virtual I-210+ on this machine; wall-clock time, medians of rounds\n"
    )
    print(
        f"{'':<12}{'client':>9}{'step':>9}{'termineter':>12}  {'client : termineter':<22}{'aim':>4}"
        f"{'step : termineter':>19}{'CPU of client : termineter':>28}"
    )
    print(f"{'':<12}{'reads/s':>9}{'reads/s':>9}{'reads/s':>12}  {'median [range]':<22}")
    for case in CASES:
        of = measured[case.name]
        ratios = of.ratios(of.client)
        spread = f"{median(ratios):.1f} [{min(ratios):.1f}..{max(ratios):.1f}]"
        cpu = f"{median(of.client_cpu) * 1e6:,.0f} : {median(of.peer_cpu) * 1e6:,.0f} us"
        print(
            f"{case.name:<12}{1 / median(of.client):>9,.0f}{1 / median(of.step):>9,.0f}"
            f"{1 / median(of.peer):>12,.0f}  {spread:<22}{case.aim:>4.0f}"
            f"{median(of.ratios(of.step)):>19.1f}{cpu:>28}"
            f"{'' if median(ratios) >= case.aim else '  aim missed'}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    measured = measure(options.rounds)
    if options.json:
        print(json.dumps({name: vars(of) for name, of in measured.items()}, indent=1))
        return
    table(measured)


if __name__ == "__main__":
    main()
