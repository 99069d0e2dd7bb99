"""Load profiles and demand of the virtual MCS301: rows on borders, gaps, set clocks, full memories."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from adapters.errors import BenchError
from adapters.profiles.loader import load_profile
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.enums import DataType
from adapters.protocols.dlms.profile_status import ProfileStatus
from virtual_rig.clock import VirtualClock
from virtual_rig.meters.demand import Demand
from virtual_rig.meters.load_profile import LoadProfile, LoadProfiles, RowMemory
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.periods import borders, next_border
from virtual_rig.supply import Supply, balanced
from virtual_rig.world import World

START = datetime(2026, 1, 5, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
POWER_W = 3 * 230 * 5


@pytest.fixture
def rig() -> Iterator[VirtualClock]:
    """Virtual time."""
    clock = VirtualClock()
    yield clock
    clock.close()


def built(rig: VirtualClock, broken: str = "", **options: object) -> Mcs301:
    """Return a meter under 3450 W, with one behaviour broken, or none."""
    supply = Supply(rig, balanced(Decimal(230), Decimal(5)))
    world = World(scheduler=rig, broken=frozenset({broken}) if broken else frozenset())
    return Mcs301(world=world, supply=supply, profile=load_profile("mcs301"), **options)  # type: ignore[arg-type]


def profile_of(meter: Mcs301, name: str = "load_profile") -> LoadProfile:
    """Return a load profile of the meter."""
    return next(each for each in meter.features if isinstance(each, LoadProfiles)).by_name[name]


def demand_of(meter: Mcs301) -> Demand:
    """Return the demand of the meter."""
    return next(each for each in meter.features if isinstance(each, Demand))


def stamps(profile: LoadProfile) -> list[datetime]:
    """Return the times of the rows."""
    return [datetime.fromtimestamp(moment, UTC) for moment in profile.memory.moments]


def marked(profile: LoadProfile, flag: ProfileStatus) -> list[datetime]:
    """Return the times of the rows whose status has ``flag``."""
    return [
        at for at, status in zip(stamps(profile), profile.memory.columns[1], strict=True) if status & flag
    ]  # type: ignore[operator]


def test_border_next_is_later_and_divides() -> None:
    """A border itself is not its own next one; the grid is that of local time."""
    assert next_border(START, 900, 0) == START + QUARTER
    assert next_border(START + timedelta(seconds=899.999), 900, 0) == START + QUARTER
    assert START + timedelta(hours=23) == next_border(START, 86400, -60)
    assert list(borders(START, START + 2 * QUARTER, 900, 0)) == [START + QUARTER, START + 2 * QUARTER]


@pytest.mark.parametrize("drift_ppm", [0, 200, -200])
def test_profile_two_days_have_every_border_once(rig: VirtualClock, drift_ppm: int) -> None:
    """Whatever the clock's rate, the rows stand on its borders, none is missing and none is double."""
    meter = built(rig, drift_ppm=drift_ppm)
    rig.sleep_s(2 * 86400 + 100)
    expected = list(borders(START, meter.clock.utc(), 900, meter.clock.time_zone_min))
    assert expected == stamps(profile_of(meter))
    assert [START + timedelta(hours=23), START + timedelta(hours=47)] == stamps(
        profile_of(meter, "daily_profile")
    )


def test_profile_energy_is_the_registers_at_the_border(rig: VirtualClock) -> None:
    """A row holds the register as it was at the border: here a whole number of 862.5 Wh steps."""
    profile = profile_of(built(rig))
    rig.sleep_s(4 * 900 + 450)
    assert profile.memory.columns[2] == [862, 1725, 2587, 3450]


def test_profile_power_cut_is_a_gap_that_says_so(rig: VirtualClock) -> None:
    """Borders without supply have no row; the next row says power down, the one after it does not."""
    meter = built(rig)
    profile = profile_of(meter)
    rig.sleep_s(1000)
    meter.supply.switch(False)
    rig.sleep_s(3000)  # past 1800, 2700 and 3600 s
    meter.supply.switch(True)
    rig.sleep_s(1800)
    assert [START + n * QUARTER for n in (1, 5, 6)] == stamps(profile)
    assert marked(profile, ProfileStatus.POWER_DOWN) == [START + 5 * QUARTER]


def test_profile_clock_set_forward_is_a_gap_that_says_so(rig: VirtualClock) -> None:
    """No rows for the borders that were jumped over."""
    meter = built(rig)
    profile = profile_of(meter)
    rig.sleep_s(1000)
    meter.clock.set_utc(meter.clock.utc() + timedelta(seconds=2000))  # 1000 -> 3000
    rig.sleep_s(1700)
    assert [START + n * QUARTER for n in (1, 4, 5)] == stamps(profile)
    assert marked(profile, ProfileStatus.CLOCK_ADJUSTED) == [START + 4 * QUARTER]


def test_profile_clock_set_back_takes_borders_again(rig: VirtualClock) -> None:
    """The same times come twice; the first of the second time is marked."""
    meter = built(rig)
    profile = profile_of(meter)
    rig.sleep_s(2800)
    meter.clock.set_utc(meter.clock.utc() - timedelta(seconds=2000))  # 2800 -> 800
    rig.sleep_s(1100)
    assert [START + n * QUARTER for n in (1, 2, 3, 1, 2)] == stamps(profile)
    assert [0, 0, 0, int(ProfileStatus.CLOCK_ADJUSTED), 0] == profile.memory.columns[1]


def test_profile_small_correction_is_no_adjustment(rig: VirtualClock) -> None:
    """A clock corrected by less than a second marks nothing."""
    meter = built(rig)
    rig.sleep_s(100)
    meter.clock.set_utc(meter.clock.utc() + timedelta(milliseconds=400))
    rig.sleep_s(900)
    assert marked(profile_of(meter), ProfileStatus.CLOCK_ADJUSTED) == []


def test_profile_history_ends_now_and_grows_evenly(rig: VirtualClock) -> None:
    """Preset rows stand on the grid up to now, in equal steps, and go on into the rows that are captured."""
    meter = built(rig, energy_wh={"A+": 2_000_000}, history={"load_profile": 10_000, "daily_profile": 62})
    profile = profile_of(meter)
    assert len(profile.memory) == 10_000
    assert [START - n * QUARTER for n in (2, 1, 0)] == stamps(profile)[-3:]
    energies = [int(value) for value in profile.memory.columns[2]]  # type: ignore[call-overload]
    steps = {later - earlier for earlier, later in pairwise(energies)}
    assert steps == {104, 105}  # 2 MWh / 200 days
    assert energies[-1] == 2_000_000
    rig.sleep_s(1000)
    assert stamps(profile)[-2:] == [START, START + QUARTER]
    assert len(profile.memory) == 10_000


@pytest.mark.parametrize(
    "history",
    [{"daily_profile": 63}, {"billing_profile": 1}, {"nothing": 1}],
    ids=["long", "untimed", "unknown"],
)
def test_profile_impossible_history_is_the_benchs_mistake(rig: VirtualClock, history: dict[str, int]) -> None:
    """A site file that asks for what the profile cannot keep is told so."""
    with pytest.raises(BenchError):
        built(rig, history=history)


def test_memory_full_lets_the_oldest_go() -> None:
    """A full memory keeps its newest rows."""
    memory = RowMemory([DataType.OCTET_STRING, DataType.UNSIGNED], 3)
    for number in range(5):
        memory.append(float(number), [b"", number])
    assert memory.columns[1] == [2, 3, 4]
    assert memory.moments == [2.0, 3.0, 4.0]
    assert memory.as_data([2, 0], [0, 1]).plain() == [[b"", 4], [b"", 2]]


def test_demand_average_and_maximum(rig: VirtualClock) -> None:
    """A whole period shows the power, half a period half of it; the maximum keeps its time."""
    meter = built(rig)
    demand = demand_of(meter)
    rig.sleep_s(900 + 450)
    assert (demand.last_w, demand.maximum_w) == (3450, 3450)
    meter.supply.apply(balanced(Decimal(230)))
    rig.sleep_s(900)
    assert (demand.last_w, demand.maximum_w) == (1725, 3450)
    live = meter.model.by_name["max_demand_import"]
    first_end = live.getters[5]().octets()
    assert first_end[:8] == bytes.fromhex("07EA010501010F00")  # 01:15 local of Monday, 2026-01-05
    live.methods[1](dlms.integer(0))
    assert demand.maximum_w == 0


def test_billing_month_end_takes_a_row_and_resets_the_maximum(rig: VirtualClock) -> None:
    """On the first of the month the maximum goes into the billing profile and starts anew."""
    meter = built(rig)
    meter.supply.apply(balanced(Decimal(230), Decimal(2)))
    rig.sleep_s(27 * 86400)
    rows = profile_of(meter, "billing_profile").memory
    assert [datetime(2026, 1, 31, 23, tzinfo=UTC)] == [
        datetime.fromtimestamp(each, UTC) for each in rows.moments
    ]
    assert rows.columns[3] == [1380]
    assert demand_of(meter).maximum_w == 1380  # the same load goes on


LIFE = {
    "DLX-PROF-01": "rows",
    "DLX-PROF-02": "rows",
    "DLX-PROF-03": "rows",
    "DLX-PROF-04": "energies",
    "DLX-PROF-05": "status",
    "DLX-PROF-06": "rows",
    "DLX-PROF-07": "status",
    "DLX-PROF-08": "rows",
    "DLX-PROF-09": "rows",
}
"""What differs in a life with a power cut and two settings of the clock; what is not named stays the same."""


def lived(broken: str = "") -> dict[str, object]:
    """Return the load profile of a meter after a day, a power cut and two settings of its clock."""
    rig = VirtualClock()
    meter = built(rig, broken)
    rig.sleep_s(86400 + 1000)
    meter.supply.switch(False)
    rig.sleep_s(3000)
    meter.supply.switch(True)
    rig.sleep_s(1800)
    for jump_s in (2000, -2000):
        meter.clock.set_utc(meter.clock.utc() + timedelta(seconds=jump_s))
        rig.sleep_s(1800)
    memory = profile_of(meter).memory
    assert {len(memory)} == {len(column) for column in memory.columns}
    rig.close()
    return {"rows": memory.moments, "status": memory.columns[1], "energies": memory.columns[2]}


@pytest.mark.parametrize("broken", LIFE)
def test_profile_broken_behaviour_differs_where_it_says(broken: str) -> None:
    """A broken behaviour shows in its own part of the profile; where no row changes, nothing else does."""
    sound, odd = lived(), lived(broken)
    different = {part for part in sound if sound[part] != odd[part]}
    assert LIFE[broken] in different
    if LIFE[broken] != "rows":
        assert different == {LIFE[broken]}
