"""Profile rows and image blocks a second: our DLMS client against gurux-dlms on the same served meter.

    python benchmarks/bulk_against_gurux.py [--rounds 3] [--json]

The meter is ``meterbench rig serve`` in a process of its own, an MCS301 with 10,000 rows of history in its
load profile; gurux-dlms is another process that times itself (tests/oracles/gurux_client.py); ours runs in
this one. Both read the whole profile by a range of time, and both bring an image of 1 MB into the meter:
announce it, send every block, each acknowledged, and read the meter's bitmap. Over TCP (wrapper) and over
HDLC on a PTY, by LLS, so that the codec and not the cipher is compared; rounds are interleaved, and a ratio
is made of figures of one round. The meter's own work is in the figures of both.

"client" is what a plan's step calls: rows with times in UTC, units and scalers, all ready; an image that
the meter's bitmap confirms.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from adapters.roles import FirmwareFile  # noqa: E402 - found beside this folder
from benchmarks.parts.paired import Figures, timed  # noqa: E402
from harness.bench import open_bench  # noqa: E402
from tests.oracles.gurux import Gurux, identity, wire  # noqa: E402
from tests.scenarios.plan_runs import write_bench  # noqa: E402
from tests.scenarios.served_site import serving  # noqa: E402

ROWS, IMAGE_OCTETS = 10_000, 1 << 20
SINCE, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
PROFILE, IMAGE_TRANSFER = "1.0.99.1.0.255", "0.0.44.0.0.255"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is moved over which link, and how many rows or kilobytes that are."""

    name: str
    link: str
    image: bool
    amount: int
    unit: str
    aim: float = 3.0


CASES = [
    Case(name=f"{framing}, {what}", link=link, image=image, amount=amount, unit=unit)
    for what, image, amount, unit in (
        (f"profile of {ROWS:,} rows", False, ROWS, "rows"),
        ("image of 1 MB", True, IMAGE_OCTETS // 1024, "kB"),
    )
    for link, framing in (("ip", "wrapper"), ("rs485", "HDLC"))
]


def site_file(folder: Path) -> Path:
    """Write the shipped site with a long history and return the file."""
    site = yaml.safe_load((ROOT / "virtual_rig" / "sites" / "mcs301.yaml").read_text(encoding="utf-8"))
    site["devices"]["meter"]["history"] = {"load_profile": ROWS}
    path = folder / "mcs301-long.yaml"
    path.write_text(yaml.safe_dump(site), encoding="utf-8")
    return path


def move_ours(bench: Path, case: Case, image: FirmwareFile, figures: Figures) -> int:
    """Take one round of ours and return how much was moved."""
    live = open_bench(str(bench))
    moved: list[int] = []
    try:
        meter = live.devices["meter"]
        meter.associate("management", case.link, "a", "lls")

        def move() -> None:
            if case.image:
                moved.append(meter.transfer_image(image, association="a").octets // 1024)
            else:
                moved.append(meter.read_profile("load_profile", SINCE, UNTIL, association="a").count)

        wall_s, cpu_s = timed(move, 1, 0)
        meter.release("a")
    finally:
        live.close()
    figures.client.append(wall_s)
    figures.client_cpu.append(cpu_s)
    return moved[0]


def move_theirs(
    gurux: Gurux, endpoint: dict[str, Any], case: Case, image: FirmwareFile, figures: Figures
) -> int:
    """Take one round of gurux and return how much was moved."""
    gurux.ask("open", **wire(endpoint), **identity(endpoint, "management", "LOW"))
    if case.image:
        taken = gurux.ask("image", obis=IMAGE_TRANSFER, identifier="bulk", image=image.octets.hex())
        moved = int(taken["octets"]) // 1024
    else:
        taken = gurux.ask("rows", obis=PROFILE, since=SINCE.isoformat(), until=UNTIL.isoformat())
        moved = len(taken["rows"])
    gurux.ask("close")
    figures.peer.append(taken["seconds"])
    figures.peer_cpu.append(taken["cpu_seconds"])
    return moved


def measure(rounds: int) -> dict[str, Figures]:
    """Measure every case."""
    measured = {case.name: Figures() for case in CASES}
    image = FirmwareFile(name="bulk", octets=bytes(range(256)) * (IMAGE_OCTETS // 256))
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(str(site_file(Path(folder))), seed=1) as site,
        Gurux() as gurux,
        patch.dict(os.environ, site.environment),
    ):
        bench = write_bench(Path(folder) / "bench.yaml", site.bench | {"allow": ["firmware"]})
        endpoints = {str(each["link"]): each for each in site.endpoints if each["device"] == "meter"}
        for case in CASES:
            for _ in range(rounds):
                ours = move_ours(bench, case, image, measured[case.name])
                theirs = move_theirs(gurux, endpoints[case.link], case, image, measured[case.name])
                if min(ours, theirs) < case.amount:
                    raise SystemExit(f"{case.name}: {ours} and {theirs} of {case.amount} {case.unit} moved")
    return measured


def table(measured: dict[str, Figures]) -> None:
    """Print the figures; medians of rounds, ratios with their spread."""
    median = statistics.median
    print("Bulk transfers with a virtual MCS301 on this machine; wall-clock time, medians of rounds\n")
    print(f"{'':<32}{'client':>12}{'gurux':>12}       {'client : gurux':<18}{'aim':>4}{'CPU, s':>16}")
    for case in CASES:
        of = measured[case.name]
        ratios = of.ratios(of.client)
        spread = f"{median(ratios):.1f} [{min(ratios):.1f}..{max(ratios):.1f}]"
        cpu = f"{median(of.client_cpu):.2f} : {median(of.peer_cpu):.2f}"
        print(
            f"{case.name:<32}{case.amount / median(of.client):>12,.0f}{case.amount / median(of.peer):>12,.0f}"
            f" {case.unit + '/s':<6}{spread:<18}{case.aim:>4.0f}{cpu:>16}"
            f"{'' if median(ratios) >= case.aim else '  aim missed'}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    measured = measure(options.rounds)
    if options.json:
        print(json.dumps({name: vars(of) for name, of in measured.items()}, indent=1))
        return
    table(measured)


if __name__ == "__main__":
    main()
