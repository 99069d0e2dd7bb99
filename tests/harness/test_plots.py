"""Curves: which measurements make one, and that the picture is always the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from harness.plots import curves_of, series_of
from harness.records import CaseRecord, Check, StepRecord

START = datetime(2026, 1, 5, tzinfo=UTC)


def check(name: str, value: str, *, unit: str = "Wh", low: str | None = None, passed: bool = True) -> Check:
    """Return a measurement."""
    least = None if low is None else Decimal(low)
    return Check(
        name=name, passed=passed, expected="", actual=value, unit=unit, value=Decimal(value), low=least
    )


def step(minute: int, *checks: Check, steps: list[StepRecord] | None = None, **arguments: str) -> StepRecord:
    """Return a step that ended so many minutes after the start."""
    return StepRecord(
        title="read",
        arguments=arguments,
        ended=START + timedelta(minutes=minute),
        checks=list(checks),
        steps=steps or [],
    )


def case(*steps: StepRecord) -> CaseRecord:
    """Return a case with these steps."""
    return CaseRecord(key="E-1[L2]", title="t", plan="p", steps=list(steps))


def test_curve_of_three_readings_is_one_png() -> None:
    """A register read three times over an hour is a curve worth a picture."""
    record = case(*(step(20 * n, check("energy", str(1000 + 7 * n), low="990")) for n in range(3)))
    (curve,) = curves_of(record)
    assert (curve.name, curve.mime) == ("curve of energy", "image/png")
    assert curve.data.startswith(b"\x89PNG\r\n\x1a\n")


def test_curve_of_two_readings_or_of_a_constant_is_none() -> None:
    """Two points and a flat line say nothing the table does not."""
    two = case(*(step(n, check("energy", str(n))) for n in range(2)))
    flat = case(*(step(n, check("energy", "5")) for n in range(9)))
    assert curves_of(two) + curves_of(flat) == []


def test_curve_of_the_same_record_is_the_same_octets() -> None:
    """Evidence is reproducible: no date and no version inside the picture."""
    record = case(*(step(n, check("drift $x$", str(n * n), unit="s", passed=n != 2)) for n in range(4)))
    assert curves_of(record) == curves_of(record)


def test_series_of_plan_steps_keep_different_objects_apart() -> None:
    """``value`` of three different registers is three values, not a curve; of one register it is one."""
    objects = case(*(step(n, check("value", str(n)), object=f"1.0.{n}.8.0.255") for n in range(3)))
    again = case(*(step(n, check("value", str(n)), object="1.0.1.8.0.255") for n in range(3)))
    assert [len(series.points) for series in series_of(objects)] == [1, 1, 1]
    assert [len(series.points) for series in series_of(again)] == [3]


def test_series_inside_a_procedure_go_by_their_name() -> None:
    """A procedure numbers its sub-steps; what it measures in them is still one series."""
    inner = [step(n, check("clock offset", str(n), unit="s"), reading=str(n)) for n in range(5)]
    (series,) = series_of(case(step(9, steps=inner)))
    assert series.elapsed_s() == [0, 60, 120, 180, 240]


def test_series_in_one_step_has_no_times_but_an_order() -> None:
    """Values measured within one step share its time; they are drawn by number."""
    (series,) = series_of(case(step(1, *(check("pulse", str(n)) for n in range(3)))))
    assert series.elapsed_s() is None
    assert series.says_something()


def test_series_in_one_step_are_drawn_over_the_time_of_each_value() -> None:
    """A procedure that reads a register every hour within one step gives a curve over hours."""
    hourly = [replace(check("energy", str(n)), at=START + timedelta(hours=n)) for n in range(3)]
    (series,) = series_of(case(step(180, *hourly)))
    assert series.elapsed_s() == [0, 3600, 7200]


def test_series_leave_out_what_is_not_a_number() -> None:
    """A comparison of texts and a NaN are no points."""
    text = Check(name="energy", passed=True, expected="a", actual="a")
    record = case(step(1, text, check("energy", "NaN")), step(2, check("energy", "1")))
    assert [len(series.points) for series in series_of(record)] == [1]


def test_curves_of_a_case_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads a report with fifty pictures in one case. Two are drawn, for the time it takes."""
    monkeypatch.setattr("harness.plots.MOST_CURVES", 2)
    record = case(*(step(n, *(check(f"m{k}", str(n + k)) for k in range(4))) for n in range(3)))
    assert [each.name for each in curves_of(record)] == ["curve of m0", "curve of m1"]
