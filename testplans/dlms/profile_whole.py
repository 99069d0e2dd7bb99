"""All that a load profile keeps: is it what the profile of the meter says, and do its rows hang together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from adapters.roles import DlmsMeter, ProfileRead, ProfileRow
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms import profile_words as words

_MARKS = words.CLOCK_INVALID | words.CLOCK_ADJUSTED | words.POWER_DOWN
_ON_TIME, _HOUR = timedelta(seconds=2), timedelta(hours=1)
_DAY_S = 86400
_OLDEST_FIRST, _NEWEST_FIRST = "oldest first", "newest first"
_ORDER = {1: _OLDEST_FIRST, 2: _NEWEST_FIRST, 3: _NEWEST_FIRST, 4: _OLDEST_FIRST}
"""sort_method -> the order of rows sorted by their clock: fifo, lifo, largest, smallest (Blue Book 4.3.6)."""


@dataclass(frozen=True, kw_only=True)
class WholeProfile:
    """What a profile is, and how many of its rows do not fit the ones before them."""

    rows: int
    period_s: int
    room: int
    columns: tuple[str, ...]
    unexplained: int


@procedure("check_whole_profile")
def check_whole_profile(run: Steps, *, meter: DlmsMeter, object: str, association: str) -> WholeProfile:
    """Read everything a profile keeps, however long ago it was taken.

    Each row is one period later than the one before, unless it says why not (supply gone, clock set); no
    energy ever goes down, and none is more than its register says now. There are as many rows as are in
    use, in the order of the sort method.
    """
    before = words.number(meter, object, "entries_in_use", association)
    read = meter.read_profile(object, association=association)
    after = words.number(meter, object, "entries_in_use", association)
    run.check(
        "rows in the buffer",
        expected=f"{before} in use, {after} afterwards",
        actual=read.count,
        passed=before <= read.count <= after,
    )
    method = words.number(meter, object, "sort_method", association)
    order = _ORDER.get(method, _OLDEST_FIRST)
    run.check("the order of rows by sort method", expected=order, actual=_order(read) or order)
    rows = read.rows if order == _OLDEST_FIRST else read.rows[::-1]
    odd = list(unexplained(rows, read.period_s))
    run.check(
        "rows that are not one period after the row before, and do not say why",
        expected="none",
        actual="; ".join(odd[:4]) or "none",
    )
    for column in read.columns:
        if not words.is_energy(column):
            continue
        at = read.columns.index(column)
        values = [row.values[at] for row in rows]
        down = [
            f"{late} after {early} on {row.time:%d %H:%M}"
            for row, early, late in zip(rows[1:], values, values[1:], strict=False)
            if late < early  # type: ignore[operator]
        ]
        run.check(
            f"{column.name} goes down nowhere", expected="nowhere", actual="; ".join(down[:4]) or "nowhere"
        )
        now = meter.read_register(column.name, association=association).value
        run.check(
            f"{column.name} of the newest row is not more than the register now",
            expected=f"at most {now} {column.unit}",
            actual=f"{values[-1]} {column.unit}" if values else "no row",
            passed=not values or values[-1] <= now,  # type: ignore[operator]
        )
    return WholeProfile(
        rows=read.count,
        period_s=read.period_s,
        room=words.number(meter, object, "profile_entries", association),
        columns=tuple(each.name for each in read.columns),
        unexplained=len(odd),
    )


def _order(read: ProfileRead) -> str:
    """Return how most rows stand: a clock that was set back makes exceptions. Empty where nothing tells."""
    steps = [later - earlier for earlier, later in pairwise(words.times(read))]
    up = sum(step > timedelta(0) for step in steps) - sum(step < timedelta(0) for step in steps)
    return _OLDEST_FIRST if up > 0 else _NEWEST_FIRST if up < 0 else ""


def unexplained(rows: tuple[ProfileRow, ...], period_s: int) -> Iterator[str]:
    """Yield the rows without a reason to be anywhere but one period after their predecessor.

    Without a status a row cannot say why: then only a row that repeats the time before it is odd. A day may
    have an hour more or less: daylight saving time.
    """
    period = timedelta(seconds=period_s)
    usual = (period, period - _HOUR, period + _HOUR) if period_s == _DAY_S else (period,)
    for earlier, later in pairwise(rows):
        if earlier.time is None or later.time is None:
            continue
        step = later.time - earlier.time
        if later.status is None:
            fits = step != timedelta(0)
        else:
            fits = any(abs(step - each) <= _ON_TIME for each in usual) or bool(later.status & _MARKS)
        if not fits:
            yield f"{later.time:%d %H:%M:%S} after {earlier.time:%d %H:%M:%S}"
