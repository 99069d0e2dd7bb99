"""An independent client writes to our meter in blocks and reads from it with a list, on the wall clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.oracles.gurux import Gurux, GuruxError
from tests.oracles.test_gurux_reads_our_meter import LOGICAL_DEVICE_NAME, Bench
from virtual_rig.provider import VirtualProvider

pytestmark = pytest.mark.oracle

NOTE = "0.0.96.1.10.255"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Serve one meter for the whole module; no model may have failed in the end."""
    with VirtualProvider().serve("mcs301", seed=9) as site, Gurux() as gurux:
        yield Bench(site, gurux)
        assert site.failures == []


@pytest.fixture(autouse=True)
def _closed(bench: Bench) -> Iterator[None]:
    """Close whatever a test left open."""
    yield
    bench.gurux.ask("close")


@pytest.mark.parametrize("link", ["ip", "rs485"])
@pytest.mark.parametrize(("authentication", "room"), [("LOW", 40), ("HIGH_GMAC", 62)])
def test_gurux_value_written_in_blocks_arrives_whole(
    bench: Bench, link: str, authentication: str, room: int
) -> None:
    """The blocks of a foreign SET are acknowledged and put together; the note reads back as written."""
    value = bytes(range(0x20, 0x40)).hex()
    bench.open(link, "management", authentication)
    assert bench.gurux.ask("set_octets", obis=NOTE, value=value, room=room)["frames"] > 1
    read = bench.gurux.ask("get", **{"class": 1, "obis": NOTE, "attribute": 2})["value"]
    assert read in (value, bytes.fromhex(value).decode())


@pytest.mark.parametrize("link", ["ip", "rs485"])
@pytest.mark.parametrize(("client", "authentication"), [("public", "NONE"), ("management", "HIGH_GMAC")])
def test_gurux_list_is_answered_in_order(bench: Bench, link: str, client: str, authentication: str) -> None:
    """Two objects in one foreign request: the values it reads one by one, in the order it asked."""
    bench.open(link, client, authentication)
    counter = {"class": 1, "obis": "0.0.43.1.1.255"}
    name = bench.gurux.ask("get", **LOGICAL_DEVICE_NAME)["value"]
    values = bench.gurux.ask("get_list", objects=[LOGICAL_DEVICE_NAME, counter])["values"]
    assert len(values) == 2
    assert values[0] == name
    assert isinstance(values[1], int)


def test_gurux_value_in_blocks_too_long_for_the_object_is_refused(bench: Bench) -> None:
    """The meter judges the value when it is whole; the old one stays."""
    bench.open("ip", "management", "HIGH_GMAC")
    before = bench.gurux.ask("get", **{"class": 1, "obis": NOTE, "attribute": 2})["value"]
    with pytest.raises(GuruxError):
        bench.gurux.ask("set_octets", obis=NOTE, value="5a" * 300, room=100)
    assert before == bench.gurux.ask("get", **{"class": 1, "obis": NOTE, "attribute": 2})["value"]
