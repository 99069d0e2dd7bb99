"""Limiter, schedules and selective access of the virtual MCS301, as plain state in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import RemoteProtocolError
from adapters.profiles.loader import load_profile
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.apdu import SelectiveAccess
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult
from virtual_rig.clock import VirtualClock
from virtual_rig.meters.disconnector import ControlState
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.schedules import Moment
from virtual_rig.meters.selective_access import Choice, Column, Selector
from virtual_rig.supply import Supply, balanced
from virtual_rig.world import World

START = datetime(2026, 1, 5, tzinfo=UTC)
LOW, HIGH = balanced(Decimal(230), Decimal(1)), balanced(Decimal(230), Decimal(5))  # 690 W, 3450 W


@pytest.fixture
def rig() -> Iterator[VirtualClock]:
    """Virtual time."""
    clock = VirtualClock()
    yield clock
    clock.close()


def built(rig: VirtualClock, broken: str = "") -> Mcs301:
    """Return a meter under 690 W with a limit of 2 kW for 100 s, 50 s to close again."""
    world = World(scheduler=rig, broken=frozenset({broken}) if broken else frozenset())
    meter = Mcs301(world=world, supply=Supply(rig, LOW), profile=load_profile("mcs301"))
    for attribute, value in ((6, 100), (7, 50), (4, 2000)):
        assert written(meter, "limiter", attribute, dlms.double_long_unsigned(value))
    return meter


def written(meter: Mcs301, name: str, attribute: int, value: Data) -> bool:
    """Write an attribute; return whether that succeeded."""
    return meter.model.by_name[name].setters[attribute](value) is DataAccessResult.SUCCESS


def read(meter: Mcs301, name: str, attribute: int) -> object:
    """Return an attribute as plain Python."""
    return meter.model.by_name[name].getters[attribute]().plain()


def test_limiter_opens_after_its_time_and_stays_open_in_mode_4(rig: VirtualClock) -> None:
    """99.9 s of overload are forgiven, 100 s are not; the switch then waits for the button."""
    meter = built(rig)
    meter.supply.apply(HIGH)
    rig.sleep_s(99.9)
    assert meter.disconnector.state is ControlState.CONNECTED
    rig.sleep_s(0.2)
    assert meter.disconnector.state is ControlState.READY_FOR_RECONNECTION
    meter.supply.apply(LOW)
    rig.sleep_s(3600)
    assert meter.disconnector.state is ControlState.READY_FOR_RECONNECTION
    assert meter.press_button()


def test_limiter_mode_5_closes_after_its_time(rig: VirtualClock) -> None:
    """Behind the open switch nothing flows, so the time under the limit begins with the opening."""
    meter = built(rig)
    meter.disconnector.set_mode(5)
    meter.supply.apply(HIGH)
    rig.sleep_s(100.1)
    meter.supply.apply(LOW)
    rig.sleep_s(49.8)
    assert meter.disconnector.state is ControlState.READY_FOR_RECONNECTION
    rig.sleep_s(0.2)
    assert meter.disconnector.state is ControlState.CONNECTED


def test_limiter_exactly_the_limit_is_not_over_it(rig: VirtualClock) -> None:
    """The threshold itself may be drawn for ever."""
    meter = built(rig)
    assert written(meter, "limiter", 4, dlms.double_long_unsigned(3450))
    meter.supply.apply(HIGH)
    rig.sleep_s(86400)
    assert meter.disconnector.output_on


def test_limiter_interrupted_overloads_never_open(rig: VirtualClock) -> None:
    """Every overload has the whole time, however many there were; so has one across a power cut."""
    meter = built(rig)
    for _ in range(5):
        meter.supply.apply(HIGH)
        rig.sleep_s(90)
        meter.supply.apply(LOW)
        rig.sleep_s(5)
    meter.supply.apply(HIGH)
    rig.sleep_s(90)
    meter.supply.switch(False)
    rig.sleep_s(60)
    meter.supply.switch(True)
    rig.sleep_s(90)
    assert meter.disconnector.output_on
    rig.sleep_s(11)
    assert not meter.disconnector.output_on


def test_limiter_emergency_profile_replaces_the_limit_for_its_time(rig: VirtualClock) -> None:
    """Before and after it the normal limit holds; within it the emergency limit opens the switch."""
    meter = built(rig)
    assert written(meter, "limiter", 5, dlms.double_long_unsigned(500))
    begins = CosemDateTime.from_datetime(START + timedelta(seconds=1000), deviation_min=-60).octets()
    profile = dlms.structure(dlms.long_unsigned(7), dlms.octet_string(begins), dlms.double_long_unsigned(90))
    assert written(meter, "limiter", 8, profile)
    assert written(meter, "limiter", 9, dlms.array(dlms.long_unsigned(3), dlms.long_unsigned(7)))
    seen = []
    for wait_s in (999, 2, 90):
        rig.sleep_s(wait_s)
        seen.append((read(meter, "limiter", 10), read(meter, "limiter", 3)))
    assert seen == [(False, 2000), (True, 500), (False, 2000)]
    assert meter.disconnector.output_on  # 90 s are less than 100
    assert profile.plain() == read(meter, "limiter", 8)


def test_limiter_emergency_profile_of_no_group_stays_out_of_force(rig: VirtualClock) -> None:
    """Its number has to be in the list, which is empty in a new meter."""
    meter = built(rig)
    profile = dlms.structure(
        dlms.long_unsigned(7), dlms.octet_string(meter.clock.octets()), dlms.double_long_unsigned(90)
    )
    assert written(meter, "limiter", 8, profile)
    seen = [read(meter, "limiter", 10)]
    for groups in ((3,), (3, 7), ()):
        assert written(meter, "limiter", 9, dlms.array(*map(dlms.long_unsigned, groups)))
        seen.append(read(meter, "limiter", 10))
    assert seen == [False, False, True, False]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (4, dlms.unsigned(1)),
        (9, dlms.long_unsigned(1)),
        (9, dlms.array(dlms.unsigned(1))),
        (8, dlms.structure()),
        (8, dlms.structure(dlms.long_unsigned(1), dlms.octet_string(b"short"), dlms.double_long_unsigned(1))),
    ],
)
def test_limiter_value_of_another_type_leaves_no_trace(
    rig: VirtualClock, attribute: int, value: Data
) -> None:
    """What is refused changes nothing."""
    meter = built(rig)
    before = [read(meter, "limiter", number) for number in range(2, 12)]
    assert not written(meter, "limiter", attribute, value)
    assert before == [read(meter, "limiter", number) for number in range(2, 12)]


# --- schedules -------------------------------------------------------------------------------------------


def scheduled(meter: Mcs301, name: str, time: str, day: str) -> bool:
    """Write one execution time."""
    times = dlms.structure(dlms.octet_string(bytes.fromhex(time)), dlms.octet_string(bytes.fromhex(day)))
    return written(meter, name, 4, dlms.array(times))


def test_schedule_acts_once_at_its_local_time(rig: VirtualClock) -> None:
    """02:00 local is 01:00 UTC; the day after nothing happens."""
    meter = built(rig)
    assert scheduled(meter, "disconnect_schedule", "02000000", "07EA0105FF")
    rig.sleep_s(3599)
    assert meter.disconnector.output_on
    rig.sleep_s(2)
    assert meter.disconnector.state is ControlState.DISCONNECTED
    meter.model.by_name["disconnect_control"].methods[2](dlms.integer(0))
    rig.sleep_s(86400)
    assert meter.disconnector.output_on


def test_schedule_due_without_supply_is_missed(rig: VirtualClock) -> None:
    """A meter that was dead at the time does not catch up."""
    meter = built(rig)
    assert scheduled(meter, "disconnect_schedule", "02000000", "07EA0105FF")
    rig.sleep_s(3000)
    meter.supply.switch(False)
    rig.sleep_s(1200)
    meter.supply.switch(True)
    rig.sleep_s(1200)
    assert meter.disconnector.output_on


def test_schedule_follows_a_clock_that_is_set(rig: VirtualClock) -> None:
    """The time of the meter counts, not the time that has passed."""
    meter = built(rig)
    assert scheduled(meter, "disconnect_schedule", "02000000", "07EA0105FF")
    meter.clock.set_utc(START + timedelta(seconds=3500))
    rig.sleep_s(101)
    assert not meter.disconnector.output_on


@pytest.mark.parametrize(
    ("time", "day"),
    [("18000000", "07EA0105FF"), ("FF000000", "07EA0105FF"), ("0200", "07EA0105FF"), ("02000000", "07EA")],
    ids=["hour 24", "any hour", "short time", "short date"],
)
def test_schedule_impossible_time_is_refused(rig: VirtualClock, time: str, day: str) -> None:
    """A time no clock shows is refused and the schedule stays empty."""
    meter = built(rig)
    assert not scheduled(meter, "disconnect_schedule", time, day)
    assert read(meter, "disconnect_schedule", 4) == []


def test_script_execute_runs_known_numbers_only(rig: VirtualClock) -> None:
    """Scripts 1 and 2 are remote disconnection and reconnection; number 99 does not exist."""
    meter = built(rig)
    execute = meter.model.by_name["disconnect_script"].methods[1]
    assert execute(dlms.long_unsigned(99)) == (ActionResult.OTHER_REASON, None)
    assert execute(dlms.unsigned(1)) == (ActionResult.TYPE_UNMATCHED, None)
    assert meter.disconnector.output_on
    assert execute(dlms.long_unsigned(1)) == (ActionResult.SUCCESS, None)
    assert meter.disconnector.state is ControlState.DISCONNECTED


@given(
    year=st.sampled_from([0xFFFF, 2028]),
    month=st.sampled_from([0xFF, 2, 12]),
    day=st.sampled_from([0xFF, 0xFE, 0xFD, 1, 29]),
    weekday=st.sampled_from([0xFF, 1, 7]),
    shown=st.dates(date(2027, 1, 1), date(2029, 12, 31)),
)
@settings(max_examples=150, deadline=None)
def test_moment_falls_on_what_its_fields_say(
    year: int, month: int, day: int, weekday: int, shown: date
) -> None:
    """Each field of a date is a wildcard or the value; 0xFE and 0xFD are the last days of a month."""
    octets = year.to_bytes(2, "big") + bytes((month, day, weekday))
    moment = Moment.from_data(dlms.structure(dlms.octet_string(bytes(4)), dlms.octet_string(octets)))
    following = shown + timedelta(days=1)
    is_last, is_second_last = following.day == 1, (following + timedelta(days=1)).day == 1
    expected = (
        (year == 0xFFFF or year == shown.year)
        and (month == 0xFF or month == shown.month)
        and {0xFF: True, 0xFE: is_last, 0xFD: is_second_last}.get(day, day == shown.day)
        and (weekday == 0xFF or weekday == shown.isoweekday())
    )
    assert expected == moment.falls_on(shown)


# --- selective access ------------------------------------------------------------------------------------

COLUMNS = (
    Column(class_id=8, logical_name=bytes((0, 0, 1, 0, 0, 255))),
    Column(class_id=1, logical_name=bytes((0, 0, 96, 10, 1, 255))),
    Column(class_id=3, logical_name=bytes((1, 0, 1, 8, 0, 255))),
)


def chosen(
    rig: VirtualClock, selector: int, parameters: Data, moments: list[float]
) -> Choice | DataAccessResult:
    """Return what a selection chooses of three columns and rows at ``moments``."""
    return Selector(World(scheduler=rig), lambda: 0).choose(
        SelectiveAccess(selector, parameters), COLUMNS, moments
    )


@given(first=st.integers(0, 8), last=st.integers(0, 8), count=st.integers(0, 6))
@settings(max_examples=80, deadline=None)
def test_select_entries_are_those_whose_numbers_lie_between(first: int, last: int, count: int) -> None:
    """By the words of the standard: numbers from 1, ends included, 0 as the last for the highest."""
    parameters = dlms.structure(
        dlms.double_long_unsigned(first),
        dlms.double_long_unsigned(last),
        dlms.long_unsigned(1),
        dlms.long_unsigned(0),
    )
    choice = chosen(RIG, 2, parameters, [float(each) for each in range(count)])
    assert isinstance(choice, Choice)
    expected = [
        number - 1 for number in range(1, count + 1) if first <= number and (last == 0 or number <= last)
    ]
    assert expected == list(choice.rows)
    assert list(choice.columns) == [0, 1, 2]


def a_range(since: datetime, until: datetime, *wanted: Data, restricting: Data | None = None) -> Data:
    """Return the parameters of selector 1."""
    ends = (dlms.octet_string(CosemDateTime.from_datetime(each).octets()) for each in (since, until))
    return dlms.structure(restricting or COLUMNS[0].as_data(), *ends, dlms.array(*wanted))


RIG = VirtualClock()
MOMENTS = [(START + timedelta(minutes=15 * each)).timestamp() for each in range(5)]


@pytest.mark.parametrize(
    ("first_s", "last_s", "rows"),
    [
        (900, 2700, [1, 2, 3]),
        (901, 2699, [2]),
        (901, 1799, []),
        (0, 0, [0]),
        (3601, 9999, []),
        (2700, 900, []),
    ],
)
def test_select_range_includes_both_ends(first_s: int, last_s: int, rows: list[int]) -> None:
    """A row at either end belongs to the range; a range the wrong way round is empty."""
    parameters = a_range(START + timedelta(seconds=first_s), START + timedelta(seconds=last_s))
    choice = chosen(RIG, 1, parameters, MOMENTS)
    assert isinstance(choice, Choice)
    assert rows == list(choice.rows)


def test_select_columns_come_in_the_order_of_the_profile() -> None:
    """Whatever the order of the request, the columns of a row keep theirs."""
    parameters = a_range(START, START, COLUMNS[2].as_data(), COLUMNS[0].as_data())
    choice = chosen(RIG, 1, parameters, MOMENTS)
    assert isinstance(choice, Choice)
    assert list(choice.columns) == [0, 2]


STRANGER = Column(class_id=3, logical_name=bytes((1, 0, 9, 9, 9, 255))).as_data()


@pytest.mark.parametrize(
    ("selector", "parameters", "result"),
    [
        (1, dlms.null(), DataAccessResult.TYPE_UNMATCHED),
        (1, dlms.structure(), DataAccessResult.TYPE_UNMATCHED),
        (1, a_range(START, START, STRANGER), DataAccessResult.OBJECT_UNDEFINED),
        (1, a_range(START, START, restricting=COLUMNS[2].as_data()), DataAccessResult.OTHER_REASON),
        (2, dlms.structure(*(dlms.octet_string(b""),) * 4), DataAccessResult.TYPE_UNMATCHED),
        (0, dlms.null(), DataAccessResult.OTHER_REASON),
        (3, dlms.null(), DataAccessResult.OTHER_REASON),
    ],
    ids=["null", "no fields", "unknown column", "not by time", "octets", "selector 0", "selector 3"],
)
def test_select_of_another_shape_is_refused(
    selector: int, parameters: Data, result: DataAccessResult
) -> None:
    """Nothing is guessed: a selection that is none brings a reason and no rows."""
    assert result is chosen(RIG, selector, parameters, MOMENTS)


def test_moment_of_no_two_parts_is_malformed() -> None:
    """An execution time is a time and a date."""
    with pytest.raises(RemoteProtocolError):
        Moment.from_data(dlms.structure())
