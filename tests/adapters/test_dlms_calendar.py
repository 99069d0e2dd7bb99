"""Activity calendars of several seasons, weeks and days: today's day, and what a change leaves alone."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.devices.dlms_calendar import day_of, decode, with_day
from adapters.errors import BenchError, RemoteProtocolError
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.axdr import encode_data
from adapters.protocols.dlms.data import Data
from adapters.roles.dlms_control import CalendarParts

TABLE = bytes((0, 0, 10, 0, 100, 255))
MONDAY_IN_WINTER, SUNDAY_IN_WINTER, MONDAY_IN_SUMMER = date(2026, 1, 5), date(2026, 1, 4), date(2026, 7, 6)


def season(name: bytes, month: int, week: bytes) -> Data:
    """Return a season that begins on the first of a month, every year."""
    start = bytes((0xFF, 0xFF, month, 1, 0xFF, 0, 0, 0, 0, 0x80, 0, 0))
    return dlms.structure(dlms.octet_string(name), dlms.octet_string(start), dlms.octet_string(week))


def week(name: bytes, *days: int) -> Data:
    """Return a week."""
    return dlms.structure(dlms.octet_string(name), *(dlms.unsigned(day) for day in days))


def day(number: int, *switches: tuple[int, int]) -> Data:
    """Return a day that switches at whole hours."""
    actions = (
        dlms.structure(
            dlms.octet_string(bytes((hour, 0, 0, 0))), dlms.octet_string(TABLE), dlms.long_unsigned(script)
        )
        for hour, script in switches
    )
    return dlms.structure(dlms.unsigned(number), dlms.array(*actions))


def calendar(*seasons: Data) -> CalendarParts:
    """Return a calendar with a summer week (0x00 in its name) and a winter week whose Sunday is special."""
    parts = (
        dlms.octet_string(b"TOU"),
        dlms.array(*seasons),
        dlms.array(week(b"\x00S", 3, 3, 3, 3, 3, 3, 3), week(b"W", 1, 1, 1, 1, 1, 1, 2)),
        dlms.array(day(1, (6, 1), (22, 2)), day(2, (0, 2)), day(3, (8, 1), (20, 2))),
    )
    return CalendarParts(*(encode_data(part).hex() for part in parts))


TWO_SEASONS = calendar(season(b"s", 4, b"\x00S"), season(b"w", 10, b"W"))


@pytest.mark.parametrize(
    ("local", "switches"),
    [
        (MONDAY_IN_WINTER, ((6 * 3600, 1), (22 * 3600, 2))),
        (SUNDAY_IN_WINTER, ((0, 2),)),
        (MONDAY_IN_SUMMER, ((8 * 3600, 1), (20 * 3600, 2))),
    ],
)
def test_calendar_day_is_that_of_the_week_of_the_season(
    local: date, switches: tuple[tuple[int, int], ...]
) -> None:
    """January belongs to the season that began in October, and names have octets that are no text."""
    found = day_of(TWO_SEASONS, local)
    assert (switches, "0-0:10.0.100.255") == (found.switches, found.script_table)


def test_calendar_without_seasons_has_its_first_week() -> None:
    """Nothing says which week it is, so it is the first."""
    assert day_of(calendar(), MONDAY_IN_WINTER).switches[0] == (8 * 3600, 1)


def test_calendar_with_another_day_keeps_every_other_one() -> None:
    """Only the weekday of today, in the week of today, is changed; no day and no week is lost."""
    changed = with_day(TWO_SEASONS, MONDAY_IN_WINTER, ("00:00=2", "12:30:15=1"), "0-0:10.0.100.255")
    assert day_of(changed, MONDAY_IN_WINTER).switches == ((0, 2), (12 * 3600 + 30 * 60 + 15, 1))
    for local in (SUNDAY_IN_WINTER, MONDAY_IN_SUMMER, date(2026, 1, 6)):
        assert day_of(TWO_SEASONS, local) == day_of(changed, local)
    assert decode(TWO_SEASONS.days).items() == decode(changed.days).items()[:3]
    assert changed.differing(TWO_SEASONS) == "weeks, days"


def test_calendar_that_is_none_is_told_apart_from_a_wrong_switching() -> None:
    """A week that names a day nobody has is the meter's mistake; a switching that is no time is ours."""
    empty = CalendarParts(TWO_SEASONS.name, TWO_SEASONS.seasons, TWO_SEASONS.weeks, "0100")
    with pytest.raises(RemoteProtocolError, match="cannot be read"):
        day_of(empty, MONDAY_IN_WINTER)
    with pytest.raises(BenchError, match="not a time"):
        with_day(TWO_SEASONS, MONDAY_IN_WINTER, ("noon",), "0-0:10.0.100.255")
