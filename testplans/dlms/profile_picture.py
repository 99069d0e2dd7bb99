"""The picture of a load profile: what each interval took, over the times of its rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec

from adapters.roles import ProfileRead
from harness.plots import Point, Series, draw
from harness.records import Check
from harness.steps import Steps

FEWEST_INTERVALS = 2
Limits = tuple[Decimal, Decimal] | None
"""What an interval may take at least and at most."""


def attach_profile(
    run: Steps,
    read: ProfileRead,
    column: str,
    *,
    suspect: Collection[datetime] = (),
    limits_wh: Limits = None,
) -> None:
    """Attach the rows as a table and, where matplotlib is there, the intervals of ``column`` as a curve.

    ``suspect`` are the times of rows that failed a check: they are crossed out in the curve.
    """
    run.attach(f"rows of {read.object}", "text/csv", data=_csv(read))
    unit = next(each.unit for each in read.columns if each.name == column)
    points = _points(read, column, unit, suspect, limits_wh)
    if len(points) >= FEWEST_INTERVALS and find_spec("matplotlib") is not None:
        series = Series(name=f"{column} per interval", unit=unit, points=points)
        run.attach(f"load profile: {column}", "image/png", data=draw(series, f"{read.object}: {column}"))


def _points(
    read: ProfileRead, column: str, unit: str, suspect: Collection[datetime], limits: Limits
) -> tuple[Point, ...]:
    """Return one point an interval; times that stand still or go back are moved on, so a curve exists."""
    points: list[Point] = []
    values = read.column(column)
    low, high = limits if limits is not None else (None, None)
    for row, before, after in zip(read.rows[1:], values, values[1:], strict=False):
        if row.time is None:
            continue
        latest = points[-1].at if points else None
        if latest is not None and row.time <= latest:
            continue
        check = Check(
            name=column,
            passed=row.time not in suspect,
            expected="",
            actual="",
            unit=unit,
            value=_decimal(after) - _decimal(before),
            low=low,
            high=high,
        )
        points.append(Point(at=row.time, check=check))
    return tuple(points)


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _csv(read: ProfileRead) -> str:
    heads = ["time", "status", *(f"{each.name} [{each.unit}]" for each in read.columns)]
    lines: Sequence[str] = [
        ",".join(
            (str(row.time or ""), "" if row.status is None else f"0x{row.status:02x}", *map(str, row.values))
        )
        for row in read.rows
    ]
    return "\n".join((",".join(heads), *lines)) + "\n"
