"""Draws the curve of a measurement that was taken several times in one case, with its limits.

Needs the ``plots`` extra (matplotlib); without it there are no curves and nothing is said. The same record
gives the same picture, octet for octet.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec
from itertools import pairwise

from harness.records import Attachment, CaseRecord, Check, StepRecord

FEWEST_POINTS = 3
MOST_CURVES = 12  # a report with more of them is not read
SIZE_INCHES = (8.0, 3.6)
DOTS_PER_INCH = 96


@dataclass(frozen=True, kw_only=True)
class Point:
    """One value of a series; ``at`` is when it was measured, or else the end of its step."""

    at: datetime | None
    check: Check


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values that share a name and a unit, in the order they were taken."""

    name: str
    unit: str
    points: tuple[Point, ...]

    def says_something(self) -> bool:
        """Return whether a curve shows more than a line of the table does."""
        values = {point.check.value for point in self.points}
        return len(self.points) >= FEWEST_POINTS and len(values) > 1

    def elapsed_s(self) -> list[float] | None:
        """Return the seconds since the first point, or None where the points have no distinct times."""
        times = [point.at for point in self.points if point.at is not None]
        if len(times) < len(self.points) or any(b <= a for a, b in pairwise(times)):
            return None
        return [(at - times[0]).total_seconds() for at in times]


def curves_of(record: CaseRecord) -> list[Attachment]:
    """Return a PNG for each series of a case; an empty list where matplotlib is not installed.

    Takes about a second the first time, when matplotlib is loaded, then a fifth of one for each curve.
    """
    found = [series for series in series_of(record) if series.says_something()][:MOST_CURVES]
    if not found or find_spec("matplotlib") is None:
        return []
    return [
        Attachment(name=f"curve of {series.name}", mime="image/png", data=draw(series, record.key))
        for series in found
    ]


def series_of(record: CaseRecord) -> list[Series]:
    """Return the measurements of a case, grouped.

    In a procedure the name says what was measured. A field of a plan's step is called alike for every
    register (``value``), so there the step's arguments belong to the name.
    """
    groups: dict[tuple[object, ...], list[Point]] = {}
    for step, check, depth in _numbers(record.steps, 0):
        arguments = _identity(step.arguments) if depth == 0 else ()
        at = check.at or step.ended or step.started
        groups.setdefault((check.name, check.unit, arguments), []).append(Point(at=at, check=check))
    return [
        Series(name=points[0].check.name, unit=points[0].check.unit, points=tuple(points))
        for points in groups.values()
    ]


def draw(series: Series, title: str) -> bytes:
    """Return the picture of a series: points, the failed ones marked, limits as dashed lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH)
    figure.subplots_adjust(left=0.11, right=0.98, top=0.92, bottom=0.14)  # a layout engine takes longer
    axes = figure.add_subplot()
    elapsed = series.elapsed_s()
    scale, unit = _time_unit(elapsed[-1]) if elapsed else (1.0, "")
    x = [at / scale for at in elapsed] if elapsed else [float(n) for n in range(1, len(series.points) + 1)]
    y = [float(point.check.value or 0) for point in series.points]
    axes.plot(x, y, color="#1f4e8c", marker="o", markersize=4, linewidth=1.2, label=_literal(series.name))
    failed = [n for n, point in enumerate(series.points) if not point.check.passed]
    if failed:
        bad_x, bad_y = [x[n] for n in failed], [y[n] for n in failed]
        axes.plot(
            bad_x, bad_y, "x", color="#b91c1c", markersize=9, markeredgewidth=2, label="outside its limits"
        )
    for side, limits in (("low", _limits(series, "low")), ("high", _limits(series, "high"))):
        known = [(at, float(limit)) for at, limit in zip(x, limits, strict=True) if limit is not None]
        if known:
            at, values = [pair[0] for pair in known], [pair[1] for pair in known]
            axes.plot(at, values, color="#b45309", linestyle="--", linewidth=1, label=f"{side} limit")
    axes.set_title(_literal(title), fontsize=10, loc="left")
    axes.set_xlabel(f"elapsed time [{unit}]" if elapsed else "reading")
    axes.set_ylabel(_literal(f"{series.name} [{series.unit}]" if series.unit else series.name))
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.grid(color="#e3e8ee", linewidth=0.8)
    axes.legend(fontsize=8, loc="upper left")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})  # the same octets every time
    return picture.getvalue()


def _numbers(steps: Sequence[StepRecord], depth: int) -> Iterator[tuple[StepRecord, Check, int]]:
    for step in steps:
        for check in step.checks:
            if check.value is not None and check.value.is_finite():
                yield step, check, depth
        yield from _numbers(step.steps, depth + 1)


def _identity(arguments: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(arguments.items()))


def _limits(series: Series, side: str) -> list[Decimal | None]:
    return [point.check.low if side == "low" else point.check.high for point in series.points]


def _time_unit(longest_s: float) -> tuple[float, str]:
    for seconds, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if longest_s >= 3 * seconds:
            return seconds, name
    return 1.0, "s"


def _literal(text: str) -> str:
    """Return ``text`` so that matplotlib does not read it as a formula, and without control characters."""
    return "".join(char if char.isprintable() else " " for char in text).replace("$", r"\$")
