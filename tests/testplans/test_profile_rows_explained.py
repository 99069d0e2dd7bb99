"""Which rows of a load profile need an explanation, and which have one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.errors import RemoteProtocolError
from adapters.roles import ProfileRow
from testplans.dlms import profile_words as words
from testplans.dlms.profile_whole import unexplained

START = datetime(2026, 3, 28, 23, tzinfo=UTC)
QUARTER_S, DAY_S = 900, 86400


def rows(*steps_s: int, status: int | None = 0) -> tuple[ProfileRow, ...]:
    """Return rows so many seconds apart; ``status`` is that of the last one."""
    times = [START + timedelta(seconds=sum(steps_s[:count])) for count in range(len(steps_s) + 1)]
    usual = None if status is None else 0
    return tuple(
        ProfileRow(time=time, status=status if time == times[-1] else usual, values=()) for time in times
    )


@pytest.mark.parametrize(
    ("found", "period_s", "odd"),
    [
        (rows(900, 900, 900), QUARTER_S, 0),
        (rows(900, 1800), QUARTER_S, 1),
        (rows(900, 0), QUARTER_S, 1),
        (rows(900, 901), QUARTER_S, 0),
        (rows(900, 5400, status=words.POWER_DOWN), QUARTER_S, 0),
        (rows(900, -2700, status=words.CLOCK_ADJUSTED), QUARTER_S, 0),
        (rows(900, 5400, status=None), QUARTER_S, 0),
        (rows(900, 0, status=None), QUARTER_S, 1),
        (rows(DAY_S, DAY_S - 3600, DAY_S, DAY_S + 3600), DAY_S, 0),
        (rows(DAY_S, 2 * DAY_S), DAY_S, 1),
        ((), QUARTER_S, 0),
    ],
)
def test_row_is_odd_where_it_is_not_due_and_does_not_say_why(
    found: tuple[ProfileRow, ...], period_s: int, odd: int
) -> None:
    """Gaps need a mark, days of 23 and 25 hours do not; a profile without a status cannot give one."""
    assert len(list(unexplained(found, period_s))) == odd


def test_moment_counts_the_deviation_back_to_utc() -> None:
    """UTC is local time plus the deviation; one that is left open is the clock's."""
    assert words.moment("07ea0105010c2d0f00800000", -60) == datetime(2026, 1, 5, 11, 45, 15, tzinfo=UTC)
    assert words.moment("07ea0105010c2d0f00ffc400") == datetime(2026, 1, 5, 11, 45, 15, tzinfo=UTC)


@pytest.mark.parametrize("octets", ["", "07ea", "nonsense", "ffffffffffffffffff800000"])
def test_moment_of_octets_that_are_none_is_the_meters_mistake(octets: str) -> None:
    """Wildcards, too: a capture time is a moment."""
    with pytest.raises(RemoteProtocolError, match="no moment"):
        words.moment(octets)
