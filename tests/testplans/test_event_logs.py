"""What a log gained between two readings, a full one included."""

from __future__ import annotations

import pytest

from testplans.dlms.event_logs import Row, gained_rows


def rows(numbers: str) -> tuple[Row, ...]:
    """Return a row for each number; what is noted twice is noted at the same time."""
    return tuple((f"at {number}", number) for number in numbers.split())


@pytest.mark.parametrize(
    ("before", "after", "gone", "new"),
    [
        ("", "", 0, ""),
        ("", "1", 0, "1"),
        ("1 2", "1 2 3 4", 0, "3 4"),
        ("1 1", "1 1 1", 0, "1"),
        ("1 2 3", "2 3 4", 1, "4"),
        ("1 2 3", "3 4 5 6", 2, "4 5 6"),
        ("1 2 3", "1 2", 3, "1 2"),
        ("1 2 3", "9", 3, "9"),
    ],
    ids=["empty", "first", "grown", "twice-the-same", "full", "full-thrice", "newest-gone", "cleared"],
)
def test_gained_rows_before_and_after_as_expected(before: str, after: str, gone: int, new: str) -> None:
    """The old end of what is read is what was marked, less what gave way; the rest is new."""
    assert (gone, rows(new)) == gained_rows(rows(before), rows(after))
