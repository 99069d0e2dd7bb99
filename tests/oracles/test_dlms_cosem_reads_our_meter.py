"""A second independent client reads and writes the virtual meter: two strangers have to agree with it.

dlms-cosem shares nothing with us, nor with gurux-dlms: a misreading of the standard that our meter and one of
them had in common would still stand out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.oracles.gurux import identity, wire
from tests.oracles.program import ForeignError, ForeignProgram
from virtual_rig.meters.load_profile import LoadProfile, LoadProfiles
from virtual_rig.parts.mcs301 import Mcs301Part
from virtual_rig.provider import ServedSite, VirtualProvider

pytestmark = pytest.mark.oracle

LOGICAL_DEVICE_NAME = {"class": 1, "obis": "0.0.42.0.0.255", "attribute": 2}
ENERGY = {"class": 3, "obis": "1.0.1.8.0.255", "attribute": 2}
ENERGY_UNIT = {"class": 3, "obis": "1.0.1.8.0.255", "attribute": 3}
OBJECTS = {"class": 15, "obis": "0.0.40.0.0.255", "attribute": 2}
COUNTER = {"class": 1, "obis": "0.0.43.1.1.255", "attribute": 2}
LOAD_PROFILE = "1.0.99.1.0.255"
WH = 30  # Blue Book 4.3.2, table of units
LINKS = ("ip", "rs485")
WAYS = (("LOW", {}), ("HIGH_GMAC", {}), ("HIGH_GMAC", {"dedicated": True}))
everywhere = pytest.mark.parametrize("link", LINKS)
every_way = pytest.mark.parametrize(("authentication", "more"), WAYS, ids=["lls", "gmac", "gmac-dedicated"])


class Cosem(ForeignProgram):
    """dlms-cosem in a process of its own."""

    script: ClassVar[Path] = Path(__file__).with_name("cosem_client.py")


class Bench:
    """A served site and the foreign client in front of it."""

    def __init__(self, site: ServedSite, client: Cosem) -> None:
        self.site, self.client = site, client
        self.meter = site.built.model("meter", Mcs301Part).meter
        self._endpoints = {str(each["link"]): each for each in site.endpoints if each["device"] == "meter"}

    def open(self, link: str, who: str, authentication: str, **more: object) -> None:
        """Open an association, with a fresh invocation counter where it is ciphered."""
        endpoint = self._endpoints[link]
        request: dict[str, Any] = wire(endpoint) | identity(endpoint, who, authentication)
        if authentication == "HIGH_GMAC":
            self.open("rs485", "public", "NONE")
            request["counter"] = self.client.ask("get", **COUNTER)["value"] + 1
            self.client.ask("close")
        self.client.ask("open", **request | more)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Serve one meter for the whole module; no model may have failed in the end."""
    with VirtualProvider().serve("mcs301", seed=13) as site, Cosem() as client:
        yield Bench(site, client)
        assert site.failures == []


@pytest.fixture(autouse=True)
def _closed(bench: Bench) -> Iterator[None]:
    """Close whatever a test left open."""
    yield
    bench.client.ask("close")


@everywhere
@every_way
def test_cosem_name_and_register_are_the_meters(
    bench: Bench, link: str, authentication: str, more: dict[str, Any]
) -> None:
    """Name, energy and unit, one by one and in a list; the meter's proof of itself is accepted."""
    bench.open(link, "management", authentication, **more)
    name = bench.client.ask("get", **LOGICAL_DEVICE_NAME)["value"]
    assert bench.meter.identity.logical_device_name == bytes.fromhex(name)
    before = bench.meter.metrology.energies.read_wh("A+")
    energy = bench.client.ask("get", **ENERGY)["value"]
    listed = bench.client.ask("get_list", objects=[ENERGY, ENERGY_UNIT])["values"]
    assert before <= energy <= listed[0] <= bench.meter.metrology.energies.read_wh("A+")
    assert listed[1] == [0, WH]


@everywhere
@every_way
def test_cosem_long_answer_comes_in_blocks(
    bench: Bench, link: str, authentication: str, more: dict[str, Any]
) -> None:
    """The object list takes ten blocks of the standard's kind; no object of the profile is missing."""
    bench.open(link, "management", authentication, **more)
    listed = bench.client.ask("get", **OBJECTS)["value"]
    found = {(entry[0], entry[2]) for entry in listed}
    expected = {
        (live.entry.class_id, live.logical_name.hex())
        for live in bench.meter.model.by_name.values()
        if live.rights("management")
    }
    assert found == expected


@everywhere
@every_way
def test_cosem_write_is_kept(bench: Bench, link: str, authentication: str, more: dict[str, Any]) -> None:
    """What the foreign client writes it reads again, and the meter has it; a read-only object is refused."""
    note = bench.meter.model.by_name["installation_note"]
    target = {
        "class": note.entry.class_id,
        "obis": ".".join(map(str, note.logical_name)),
        "attribute": 2,
    }
    bench.open(link, "management", authentication, **more)
    text = f"by a stranger, {link} {authentication}".encode()
    written = bench.client.ask("set", **target, value=(bytes((9, len(text))) + text).hex())
    assert written["result"] == "SUCCESS"
    assert bench.client.ask("get", **target)["value"] == text.hex()
    refused = bench.client.ask("set", **LOGICAL_DEVICE_NAME, value="0901 41".replace(" ", ""))
    assert refused["result"] == "READ_WRITE_DENIED"


@everywhere
def test_cosem_rows_by_range_are_the_meters(bench: Bench, link: str) -> None:
    """Another library's idea of a range of time selects the same rows."""
    features = bench.meter.features
    profile: LoadProfile = next(e for e in features if isinstance(e, LoadProfiles)).by_name["load_profile"]
    memory, rows = profile.memory, range(3, 30)
    ends = [datetime.fromtimestamp(memory.moments[at], UTC).isoformat() for at in (rows[0], rows[-1])]
    bench.open(link, "management", "LOW")
    answer = bench.client.ask("rows", obis=LOAD_PROFILE, since=ends[0], until=ends[1])["rows"]
    assert answer == [
        [
            datetime.fromtimestamp(memory.moments[row], UTC).isoformat(),
            *(column[row] for column in memory.columns[1:]),
        ]
        for row in rows
    ]


@pytest.mark.parametrize(
    "spoilt",
    [
        {"authentication_key": "00" * 16},
        {"encryption_key": "00" * 16},
        {"counter": 0},
        {"client": 77},
    ],
    ids=["authentication-key", "encryption-key", "counter", "address"],
)
def test_cosem_without_the_right_secrets_is_turned_away(bench: Bench, spoilt: dict[str, Any]) -> None:
    """A wrong key, a counter used before or an unknown client opens nothing."""
    bench.open("ip", "management", "HIGH_GMAC")
    bench.client.ask("close")
    with pytest.raises(ForeignError):
        bench.open("ip", "management", "HIGH_GMAC", **spoilt)


def test_cosem_public_reads_the_name_and_no_energy(bench: Bench) -> None:
    """What anybody may ask on RS485, and what not."""
    bench.open("rs485", "public", "NONE")
    name = bench.client.ask("get", **LOGICAL_DEVICE_NAME)["value"]
    assert bytes.fromhex(name) == bench.meter.identity.logical_device_name
    with pytest.raises(ForeignError, match="READ_WRITE_DENIED"):
        bench.client.ask("get", **ENERGY)
