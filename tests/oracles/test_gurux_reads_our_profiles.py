"""An independent client reads the load profile of the served meter: the same rows, by range and by entry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.oracles.gurux import Gurux, identity, wire
from virtual_rig.meters.load_profile import LoadProfile, LoadProfiles
from virtual_rig.parts.mcs301 import Mcs301Part
from virtual_rig.provider import ServedSite, VirtualProvider

pytestmark = pytest.mark.oracle

LOAD_PROFILE = "1.0.99.1.0.255"
LINKS = ("ip", "rs485")


@pytest.fixture(scope="module")
def site() -> Iterator[ServedSite]:
    """One served meter for the module."""
    with VirtualProvider().serve("mcs301", seed=11) as served:
        yield served
        assert served.failures == []


@pytest.fixture(scope="module")
def gurux() -> Iterator[Gurux]:
    """The foreign client."""
    with Gurux() as process:
        yield process


@pytest.fixture
def profile(site: ServedSite) -> LoadProfile:
    """The load profile the meter keeps."""
    features = site.built.model("meter", Mcs301Part).meter.features
    return next(each for each in features if isinstance(each, LoadProfiles)).by_name["load_profile"]


def opened(site: ServedSite, gurux: Gurux, link: str) -> None:
    """Open an association as Management, by password."""
    endpoint = next(each for each in site.endpoints if each["device"] == "meter" and each["link"] == link)
    gurux.ask("open", **wire(endpoint), **identity(endpoint, "management", "LOW"))


def kept(profile: LoadProfile, rows: range) -> list[list[Any]]:
    """Return rows as the meter keeps them, times in UTC."""
    memory = profile.memory
    return [
        [
            datetime.fromtimestamp(memory.moments[row], UTC).isoformat(),
            *(column[row] for column in memory.columns[1:]),
        ]
        for row in rows
    ]


@pytest.mark.parametrize("link", LINKS)
def test_gurux_rows_by_range_are_the_meters(
    site: ServedSite, gurux: Gurux, profile: LoadProfile, link: str
) -> None:
    """A range of time, both ends on a row, brings gurux the rows in it and no others; in blocks, too."""
    opened(site, gurux, link)
    first, last = 10, len(profile.memory) - 5
    ends = [datetime.fromtimestamp(profile.memory.moments[at], UTC).isoformat() for at in (first, last)]
    answer = gurux.ask("rows", obis=LOAD_PROFILE, since=ends[0], until=ends[1])
    gurux.ask("close")
    assert kept(profile, range(first, last + 1)) == answer["rows"]


@pytest.mark.parametrize("link", LINKS)
def test_gurux_rows_by_entry_are_the_meters(
    site: ServedSite, gurux: Gurux, profile: LoadProfile, link: str
) -> None:
    """Entry numbers mean the same rows to gurux as to the meter."""
    opened(site, gurux, link)
    answer = gurux.ask("rows", obis=LOAD_PROFILE, first=3, count=4)
    gurux.ask("close")
    assert kept(profile, range(2, 6)) == answer["rows"]
