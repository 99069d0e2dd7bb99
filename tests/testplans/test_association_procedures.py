"""What the DLMS procedures make of rows and challenges, apart from any meter."""

from __future__ import annotations

import pytest

from testplans.dlms.negatives import rows_gained

ROWS: list[list[object]] = [[number, number % 3] for number in range(6)]


@pytest.mark.parametrize(
    ("before", "after", "gained", "lost"),
    [
        (ROWS[:3], ROWS[:5], ROWS[3:5], 0),
        (ROWS[:3], ROWS[:3], [], 0),
        ([], ROWS[:2], ROWS[:2], 0),
        (ROWS[:4], ROWS[2:6], ROWS[4:6], 0),  # a full log gives its oldest rows away
        (ROWS[:4], ROWS[2:5], ROWS[4:5], 2),  # one row more than it had to
        (ROWS[:4], [], [], 4),
        (ROWS[:2], ROWS[4:6], ROWS[4:6], 0),  # full with two: nobody can tell that from a log begun anew
    ],
)
def test_rows_gained_of_a_log_are_told_from_rows_lost(
    before: list[list[object]], after: list[list[object]], gained: list[list[object]], lost: int
) -> None:
    """A log that is full loses as many rows as it gains; anything beyond that is lost without need."""
    assert rows_gained(before, after) == (gained, lost)
