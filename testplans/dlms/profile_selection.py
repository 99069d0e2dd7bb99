"""Selective access to a load profile: what a range, an entry number or a choice of columns brings.

Every selection is compared with the same reference: the newest rows as read by their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from adapters.errors import Refused
from adapters.roles import DlmsMeter, ProfileRead, ProfileRow
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms import profile_words as words

REFERENCE_ROWS = 8
_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class SelectionsFound:
    """How many selections were compared with the reference."""

    compared: int


@dataclass(frozen=True, kw_only=True)
class _Reference:
    """The newest rows, oldest of them first; ``first`` is the number of the first one."""

    read: ProfileRead
    first: int
    in_use: int
    times: tuple[datetime, ...]


def _reference(run: Steps, meter: DlmsMeter, object: str, association: str) -> _Reference:
    in_use = words.number(meter, object, "entries_in_use", association)
    if in_use < REFERENCE_ROWS:
        run.inconclusive(f"{object} has {in_use} rows; {REFERENCE_ROWS} are needed")
    first = in_use - REFERENCE_ROWS + 1
    newest = meter.read_profile(object, first_entry=first, last_entry=in_use, association=association)
    run.check(
        "the newest rows by their numbers",
        expected=REFERENCE_ROWS,
        actual=newest.count,
        behaviours=("DLX-PROF-13",),
    )
    times = tuple(words.times(newest))
    if any(later <= earlier for earlier, later in pairwise(times)):
        run.inconclusive(f"the newest rows of {object} are not in the order of time: its clock was set")
    return _Reference(read=newest, first=first, in_use=in_use, times=times)


def _same(
    run: Steps, name: str, expected: tuple[ProfileRow, ...], found: ProfileRead, behaviour: str
) -> None:
    def told(rows: tuple[ProfileRow, ...]) -> str:
        return f"{len(rows)}: " + "; ".join(f"{row.time} {row.values}" for row in rows[:3])

    run.check(
        name,
        expected=told(expected),
        actual=told(found.rows),
        passed=expected == found.rows,
        behaviours=(behaviour,),
    )


@procedure("select_by_range")
def select_by_range(run: Steps, *, meter: DlmsMeter, object: str, association: str) -> SelectionsFound:
    """Read ranges of time: borders included, borders just missed, between two rows, after the newest.

    A range told in UTC is the same range: a date-time means a moment together with its deviation.
    """
    known = _reference(run, meter, object, association)
    rows, at = known.read.rows, known.times

    def span(since: datetime, until: datetime) -> ProfileRead:
        return meter.read_profile(object, since=since, until=until, association=association)

    _same(run, "both ends on a row", rows[2:6], span(at[2], at[5]), "DLX-PROF-10")
    _same(run, "both ends beside a row", rows[3:5], span(at[2] + _MOMENT, at[5] - _MOMENT), "DLX-PROF-10")
    _same(run, "one row", rows[4:5], span(at[4], at[4]), "DLX-PROF-10")
    _same(run, "between two rows", (), span(at[3] + _MOMENT, at[4] - _MOMENT), "DLX-PROF-11")
    _same(run, "after the newest row", (), span(at[-1] + _MOMENT, at[-1] + 2 * _MOMENT), "DLX-PROF-11")
    in_utc = meter.read_profile(object, since=at[2], until=at[5], told_in="utc", association=association)
    _same(run, "both ends on a row, told in UTC", rows[2:6], in_utc, "DLX-PROF-10")
    return SelectionsFound(compared=6)


@procedure("select_columns")
def select_columns(
    run: Steps, *, meter: DlmsMeter, object: str, columns: tuple[str, ...], association: str
) -> SelectionsFound:
    """Read each of ``columns`` alone and with the clock, by time and by number.

    The values are those of the whole rows.
    """
    known = _reference(run, meter, object, association)
    since, until = known.times[2], known.times[5]
    whole = meter.read_profile(object, since=since, until=until, association=association)
    clock = "clock"
    for name in columns:
        for chosen in ((name,), (clock, name)):
            found = meter.read_profile(
                object, since=since, until=until, columns=chosen, association=association
            )
            expected = tuple(
                (row.time if clock in chosen else None, value)
                for row, value in zip(whole.rows, whole.column(name), strict=True)
            )
            actual = tuple((row.time, *row.values) for row in found.rows)
            run.check(
                f"only {' and '.join(chosen)}",
                expected=expected[:2],
                actual=actual[:2],
                passed=expected == actual and [each.name for each in found.columns] == [name],
                behaviours=("DLX-PROF-12",),
            )
        found = meter.read_profile(
            object,
            first_entry=known.first + 2,
            last_entry=known.first + 5,
            columns=(name,),
            association=association,
        )
        run.check(
            f"only {name}, by numbers",
            expected=whole.column(name)[:2],
            actual=tuple(value for row in found.rows for value in row.values)[:2],
            passed=whole.column(name) == tuple(value for row in found.rows for value in row.values),
            behaviours=("DLX-PROF-12",),
        )
    return SelectionsFound(compared=3 * len(columns))


@procedure("select_by_entry")
def select_by_entry(run: Steps, *, meter: DlmsMeter, object: str, association: str) -> SelectionsFound:
    """Read by numbers: single rows, the oldest, to the end, and numbers beyond the end."""
    known = _reference(run, meter, object, association)
    rows, last = known.read.rows, known.in_use

    def span(first: int, until: int) -> ProfileRead:
        return meter.read_profile(object, first_entry=first, last_entry=until, association=association)

    by_time = meter.read_profile(object, since=known.times[1], until=known.times[3], association=association)
    _same(
        run,
        "numbers and times mean the same rows",
        by_time.rows,
        span(known.first + 1, known.first + 3),
        "DLX-PROF-13",
    )
    _same(run, "0 as the last number is the newest row", rows[-2:], span(last - 1, 0), "DLX-PROF-13")
    oldest = span(1, 1)
    run.check("number 1 is one row", expected=1, actual=oldest.count, behaviours=("DLX-PROF-13",))
    if oldest.first is not None:
        older = meter.read_profile(object, until=oldest.first, association=association)
        _same(run, "nothing is older than number 1", oldest.rows, older, "DLX-PROF-13")
    _same(run, "numbers that reach beyond the end", rows[-3:], span(last - 2, last + 4), "DLX-PROF-14")
    _same(run, "numbers beyond the end", (), span(last + 1, last + 3), "DLX-PROF-14")
    return SelectionsFound(compared=6)


@procedure("select_wrongly")
def select_wrongly(run: Steps, *, meter: DlmsMeter, object: str, association: str) -> SelectionsFound:
    """Ask with a selector class 7 does not have, and with parameters of no shape; then rightly again."""
    known = _reference(run, meter, object, association)
    for flaw in ("unknown-selector", "wrong-parameters"):
        try:
            read = meter.read_profile(
                object,
                first_entry=1,
                last_entry=1,
                association=association,
                flaw=flaw,
            )
            answer = f"{read.count} rows"
        except Refused as refusal:
            answer = f"refused ({refusal.reason})"
        run.check(
            f"{flaw} is refused",
            expected="refused",
            actual=answer,
            passed=answer.startswith("refused"),
            behaviours=("DLX-PROF-15",),
        )
    again = meter.read_profile(
        object, first_entry=known.first, last_entry=known.in_use, association=association
    )
    _same(run, "the right selector still brings the same rows", known.read.rows, again, "DLX-PROF-15")
    return SelectionsFound(compared=3)
