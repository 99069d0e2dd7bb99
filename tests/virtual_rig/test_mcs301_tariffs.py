"""Tariffs and port set-up objects of the virtual MCS301."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from adapters.profiles.loader import load_profile
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import DataAccessResult
from virtual_rig.clock import VirtualClock
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.tariffs import Tariffs
from virtual_rig.supply import Supply, balanced
from virtual_rig.world import World

START = datetime(2026, 1, 5, tzinfo=UTC)  # 01:00 local
HOUR_S, POWER_W = 3600, 3450


@pytest.fixture
def rig() -> Iterator[VirtualClock]:
    """Virtual time."""
    clock = VirtualClock()
    yield clock
    clock.close()


@pytest.fixture
def meter(rig: VirtualClock) -> Mcs301:
    """A meter under 3450 W."""
    supply = Supply(rig, balanced(Decimal(230), Decimal(5)))
    return Mcs301(world=World(scheduler=rig), supply=supply, profile=load_profile("mcs301"))


def tariffs_of(meter: Mcs301) -> Tariffs:
    """Return the tariffs of the meter."""
    return next(each for each in meter.features if isinstance(each, Tariffs))


def read(meter: Mcs301, name: str, attribute: int = 2) -> object:
    """Return an attribute as plain Python."""
    return meter.model.by_name[name].getters[attribute]().plain()


def test_tariff_day_is_split_at_six_and_at_ten(rig: VirtualClock, meter: Mcs301) -> None:
    """Sixteen hours of a day in tariff 1, eight in tariff 2, read once and at no special time."""
    rig.sleep_s(24 * HOUR_S)
    assert (read(meter, "energy_import_t1"), read(meter, "energy_import_t2")) == (16 * POWER_W, 8 * POWER_W)
    assert read(meter, "active_tariff") == 2


def test_tariff_after_a_power_cut_is_that_of_the_time(rig: VirtualClock, meter: Mcs301) -> None:
    """A meter that slept through 06:00 local wakes up in tariff 1; what flowed before stays in tariff 2."""
    rig.sleep_s(4 * HOUR_S)
    meter.supply.switch(False)
    rig.sleep_s(3 * HOUR_S)
    meter.supply.switch(True)
    rig.sleep_s(HOUR_S)
    assert (read(meter, "energy_import_t1"), read(meter, "energy_import_t2")) == (POWER_W, 4 * POWER_W)


def test_tariff_clock_set_over_a_switching_switches(rig: VirtualClock, meter: Mcs301) -> None:
    """The tariff follows the clock, forward and back."""
    tariffs = tariffs_of(meter)
    seen = [tariffs.active]
    for hour in (6, 2, 22):  # UTC: 07:00, 03:00 and 23:00 local
        meter.clock.set_utc(START + timedelta(hours=hour))
        seen.append(tariffs.active)
    assert seen == [2, 1, 2, 2]


def day(*actions: tuple[bytes, int]) -> Data:
    """Return a day table of one day."""
    made = (
        dlms.structure(dlms.octet_string(at), dlms.octet_string(bytes(6)), dlms.long_unsigned(script))
        for at, script in actions
    )
    return dlms.array(dlms.structure(dlms.unsigned(1), dlms.array(*made)))


def test_tariff_passive_day_waits_for_its_activation(rig: VirtualClock, meter: Mcs301) -> None:
    """Written, it is passive; activated, its times hold from that moment."""
    live, tariffs = meter.model.by_name["activity_calendar"], tariffs_of(meter)
    before = read(meter, "activity_calendar", 5)
    assert live.setters[9](day((bytes(4), 1), (b"\x03\0\0\0", 2))) is DataAccessResult.SUCCESS
    assert before == read(meter, "activity_calendar", 5)
    assert tariffs.active == 2
    live.methods[1](dlms.integer(0))
    assert tariffs.active == 1
    rig.sleep_s(2 * HOUR_S)
    assert tariffs.active == 2


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (9, day((b"\x18\0\0\0", 1))),
        (9, day((b"\x03", 1))),
        (9, dlms.array(dlms.structure())),
        (9, dlms.unsigned(1)),
        (8, dlms.array(dlms.structure(dlms.octet_string(b"W")))),
        (6, dlms.unsigned(1)),
    ],
    ids=["hour 24", "short time", "no day", "a number", "short week", "name"],
)
def test_tariff_impossible_passive_calendar_is_refused(meter: Mcs301, attribute: int, value: Data) -> None:
    """What no clock could follow is refused and leaves no trace."""
    before = [read(meter, "activity_calendar", number) for number in range(2, 11)]
    setter = meter.model.by_name["activity_calendar"].setters[attribute]
    assert setter(value) is DataAccessResult.TYPE_UNMATCHED
    assert before == [read(meter, "activity_calendar", number) for number in range(2, 11)]


def test_port_setup_shows_the_ports(meter: Mcs301) -> None:
    """Speed, windows, field lengths and time-outs are those the ports work with."""
    optical = [read(meter, "optical_hdlc_setup", number) for number in range(2, 10)]
    assert optical == [5, 1, 1, 128, 128, 25, 120, 0]
    tcp = [read(meter, "tcp_setup", number) for number in (2, 5, 6)]
    assert tcp == [4059, 3, 180]
