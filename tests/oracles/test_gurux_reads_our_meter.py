"""An independent client reads the virtual meter on the wall clock; what it reads is what the meter holds.

Our own client and our own meter share a codec, so they could agree on a mistake. gurux-dlms shares nothing
with either. It runs as a separate process (see README.md here for why) on both framings, with every way of
authentication the MCS301 knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.profiles.model import CosemObject
from tests.oracles.gurux import Gurux, GuruxError, identity, wire
from virtual_rig.parts.mcs301 import Mcs301Part
from virtual_rig.provider import ServedSite, VirtualProvider

pytestmark = pytest.mark.oracle

LOGICAL_DEVICE_NAME = {"class": 1, "obis": "0.0.42.0.0.255", "attribute": 2}
CLOCK, ENERGY_IMPORT, VOLTAGE_L1 = "0.0.1.0.0.255", "1.0.1.8.0.255", "1.0.32.7.0.255"
MANAGEMENT_COUNTER = {"class": 1, "obis": "0.0.43.1.1.255", "attribute": 2}
ENERGY_CODE, VOLTAGE_CODE = 30, 35  # Blue Book 4.3.2, table of units: Wh and V
LINKS = ("ip", "rs485", "optical_direct")
WAYS = (("public", "NONE"), ("management", "LOW"), ("management", "HIGH_GMAC"))
everywhere = pytest.mark.parametrize("link", LINKS)
every_way = pytest.mark.parametrize("client, authentication", WAYS)


class Bench:
    """A served site and the gurux process in front of it."""

    def __init__(self, site: ServedSite, gurux: Gurux) -> None:
        self.site, self.gurux = site, gurux
        self.meter = site.built.model("meter", Mcs301Part).meter
        self._endpoints = {str(each["link"]): each for each in site.endpoints if each["device"] == "meter"}

    def request(self, link: str, client: str, authentication: str, **spoilt: object) -> dict[str, Any]:
        """Return what gurux needs to open an association, a fresh invocation counter included."""
        endpoint = self._endpoints[link]
        request = wire(endpoint) | identity(endpoint, client, authentication)
        if authentication == "HIGH_GMAC":
            request["counter"] = self.last_counter() + 1
        return request | spoilt

    def open(self, link: str, client: str, authentication: str, **spoilt: object) -> dict[str, Any]:
        """Open an association."""
        return self.gurux.ask("open", **self.request(link, client, authentication, **spoilt))

    def last_counter(self) -> int:
        """Return the last invocation counter taken from Management, asked as anybody may: as Public."""
        self.open("ip", "public", "NONE")
        last: int = self.gurux.ask("get", **MANAGEMENT_COUNTER)["value"]
        self.gurux.ask("close")
        return last


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Serve one meter for the whole module; no model may have failed in the end."""
    with VirtualProvider().serve("mcs301", seed=7) as site, Gurux() as gurux:
        yield Bench(site, gurux)
        assert site.failures == []


@pytest.fixture(autouse=True)
def _closed(bench: Bench) -> Iterator[None]:
    """Close whatever a test left open."""
    yield
    bench.gurux.ask("close")


@everywhere
@every_way
def test_gurux_logical_device_name_is_the_meters(
    bench: Bench, link: str, client: str, authentication: str
) -> None:
    """A foreign client that opens an association reads the sixteen octets the meter calls itself by."""
    opened = bench.open(link, client, authentication)
    name = bench.gurux.ask("get", **LOGICAL_DEVICE_NAME)["value"]
    assert bench.meter.identity.logical_device_name == bytes.fromhex(name)
    expected = bench.meter.identity.system_title.hex() if authentication == "HIGH_GMAC" else ""
    assert expected == opened["meter_system_title"]


@everywhere
@every_way
def test_gurux_clock_shows_the_meters_time(bench: Bench, link: str, client: str, authentication: str) -> None:
    """Gurux makes the same moment of the twelve octets, deviation from UTC included."""
    bench.open(link, client, authentication)
    before = bench.meter.clock.utc()
    read = datetime.fromisoformat(bench.gurux.ask("clock", obis=CLOCK)["utc"])
    after = bench.meter.clock.utc()
    hundredth = timedelta(milliseconds=10)  # what the octets resolve
    assert read.tzinfo == UTC
    assert before - hundredth <= read <= after


@everywhere
@pytest.mark.parametrize("client, authentication", WAYS[1:])
def test_gurux_energy_register_is_what_the_meter_counted(
    bench: Bench, link: str, client: str, authentication: str
) -> None:
    """Value, scaler and unit of the active energy register are the ones of the meter."""
    bench.open(link, client, authentication)
    before = bench.meter.metrology.energies.read_wh("A+")
    register = bench.gurux.ask("register", obis=ENERGY_IMPORT)
    after = bench.meter.metrology.energies.read_wh("A+")
    assert before <= int(register["value"]) <= after
    assert (register["scaler"], register["unit_code"]) == (1.0, ENERGY_CODE)


@everywhere
@pytest.mark.parametrize("client, authentication", WAYS[1:])
def test_gurux_voltage_is_scaled_as_meant(bench: Bench, link: str, client: str, authentication: str) -> None:
    """A scaler of -1 gives gurux the volts that the supply applies."""
    bench.open(link, client, authentication)
    register = bench.gurux.ask("register", obis=VOLTAGE_L1)
    assert (register["scaler"], register["unit_code"]) == (0.1, VOLTAGE_CODE)
    assert Decimal(230) == Decimal(register["value"])


@everywhere
@every_way
def test_gurux_object_list_is_the_profile(bench: Bench, link: str, client: str, authentication: str) -> None:
    """The object list arrives whole, in blocks or segments, with every object this client has rights on."""
    bench.open(link, client, authentication)
    listed = {
        (class_id, version, obis) for class_id, version, obis, _ in bench.gurux.ask("objects")["objects"]
    }
    expected = {
        (entry.class_id, entry.version, _dotted(entry.obis))
        for entry in bench.site.built.model("meter", Mcs301Part).profile.objects
        if entry.access.get(client)
    }
    assert expected - _own_associations(expected) <= listed
    extra = listed - expected
    assert extra <= {(15, version, "0.0.40.0.0.255") for version in range(4)}


@pytest.mark.parametrize("client, authentication", WAYS)
def test_gurux_every_attribute_listed_readable_can_be_read(
    bench: Bench, client: str, authentication: str
) -> None:
    """What the object list promises to a foreign client, the meter gives, and gurux can decode."""
    bench.open("ip", client, authentication)
    objects = bench.gurux.ask("objects")["objects"]
    refused: list[str] = []
    read = 0
    for class_id, _, obis, rights in objects:
        for number, mode in rights.items():
            if mode & 1:
                try:
                    bench.gurux.ask("get", **{"class": class_id, "obis": obis, "attribute": int(number)})
                    read += 1
                except GuruxError as error:
                    refused.append(f"{class_id}/{obis} attribute {number}: {error}")
    assert refused == []
    assert read > 2 * len(objects)


@everywhere
def test_gurux_wrong_password_is_refused_and_the_right_one_taken(bench: Bench, link: str) -> None:
    """A wrong LLS password ends in a rejection that gurux understands as an authentication failure."""
    with pytest.raises(GuruxError, match=r"permanently rejected\s+Authentication failure"):
        bench.open(link, "management", "LOW", password="0" * 8)
    bench.open(link, "management", "LOW")
    assert bench.gurux.ask("get", **LOGICAL_DEVICE_NAME)["value"]


@everywhere
@pytest.mark.parametrize("key", ["encryption_key", "authentication_key"])
def test_gurux_wrong_key_is_refused_and_the_right_one_taken(bench: Bench, link: str, key: str) -> None:
    """One wrong bit in either key closes the door, moves no counter and leaves the right keys welcome."""
    last = bench.last_counter()
    right = bench.request(link, "management", "HIGH_GMAC")
    wrong = (int(right[key], 16) ^ 1).to_bytes(16, "big").hex()
    with pytest.raises(GuruxError, match="permanently rejected"):
        bench.gurux.ask("open", **right | {key: wrong, "counter": last + 1000})
    assert last == bench.last_counter()
    bench.gurux.ask("open", **right)
    assert bench.gurux.ask("get", **LOGICAL_DEVICE_NAME)["value"]


@everywhere
def test_gurux_replayed_counter_is_refused_as_such(bench: Bench, link: str) -> None:
    """A counter used before is refused with the exception that names it, and gurux reads it so."""
    request = bench.request(link, "management", "HIGH_GMAC")
    bench.gurux.ask("open", **request)
    bench.gurux.ask("close")
    with pytest.raises(GuruxError, match="Invocation counter is invalid"):
        bench.gurux.ask("open", **request)


@everywhere
def test_gurux_client_nobody_documented_is_refused(bench: Bench, link: str) -> None:
    """An address outside the meter's table opens nothing."""
    with pytest.raises(GuruxError, match="permanently rejected"):
        bench.gurux.ask("open", **bench.request(link, "public", "NONE") | {"client": 17})


def test_gurux_object_without_rights_is_refused_by_name(bench: Bench) -> None:
    """Public asking for an energy register gets a refusal that gurux can put into words."""
    bench.open("ip", "public", "NONE")
    with pytest.raises(GuruxError, match=r"(?i)denied"):
        bench.gurux.ask("register", obis=ENERGY_IMPORT)


def _dotted(obis: str) -> str:
    return obis.replace("-", ".").replace(":", ".")


def _own_associations(objects: set[tuple[int, int, str]]) -> set[tuple[int, int, str]]:
    """Return the association objects: a client may find its own under the name of the current one."""
    return {entry for entry in objects if entry[0] == 15}


def test_the_profile_lists_what_gurux_looks_for(bench: Bench) -> None:
    """The codes this module asks for are the profile's, so a changed profile is not read past."""
    entries: dict[str, CosemObject] = {
        entry.name: entry for entry in bench.site.built.model("meter", Mcs301Part).profile.objects
    }
    assert _dotted(entries["clock"].obis) == CLOCK
    assert _dotted(entries["energy_import"].obis) == ENERGY_IMPORT
    assert _dotted(entries["voltage_l1"].obis) == VOLTAGE_L1
    assert MANAGEMENT_COUNTER["obis"] == _dotted(entries["invocation_counter_management"].obis)
