"""What the procedures of short messages make of a log."""

from __future__ import annotations

import pytest

from testplans.dlms.sms import new_rows

A, B, C, D = ((f"2026-01-05T00:00:0{second}", 49) for second in range(4))


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ((), (), ()),
        ((), (A,), (A,)),
        ((A, B), (A, B), ()),
        ((A, B), (A, B, C), (C,)),
        ((A, B), (B, C), (C,)),
        ((A, B), (C, D), (C, D)),
        ((A, A), (A, A, A), (A,)),
        ((A, B), (), ()),
    ],
    ids=["empty", "first", "nothing", "one more", "full", "all gone", "the same again", "cleared"],
)
def test_rows_of_a_log_that_is_full_are_not_new_because_others_went(
    before: tuple[tuple[str, int], ...],
    after: tuple[tuple[str, int], ...],
    new: tuple[tuple[str, int], ...],
) -> None:
    """Only what was not there counts, whether the log has grown or let its oldest rows go."""
    assert new == new_rows(before, after)
