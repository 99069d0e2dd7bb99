"""Procedures of metrology, on a clock that is known to the microsecond."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.clock import WallClock
from adapters.roles import ClockReading
from harness.records import CaseRecord
from harness.steps import Steps
from harness.verdicts import Inconclusive
from testplans.meters.metrology import DriftMeasured, measure_drift

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


class Jumping(WallClock):
    """A clock that jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def utc_now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.now_s)

    def sleep_s(self, duration_s: float) -> None:
        self.now_s += duration_s


@dataclass
class WholeSeconds:
    """A meter whose clock shows whole seconds; ``exchange_s`` are how long readings take, in turn."""

    clock: Jumping
    ahead_s: float = 0.0
    drift_ppm: float = 0.0
    stands_still: bool = False
    exchange_s: tuple[float, ...] = (0.04,)
    readings: int = 0

    def read_clock(self) -> ClockReading:
        """Show the second that is on at half-way of the exchange."""
        half_s = self.exchange_s[self.readings % len(self.exchange_s)] / 2
        self.readings += 1
        self.clock.sleep_s(half_s)
        ours = self.clock.utc_now()
        true_s = self.ahead_s + (0 if self.stands_still else self.clock.now_s * (1 + self.drift_ppm / 1e6))
        self.clock.sleep_s(half_s)
        shown = BEGIN + timedelta(seconds=true_s // 1)
        return ClockReading(
            device_time=shown,
            our_time=ours,
            drift_s=round((shown - ours).total_seconds(), 6),
            resolution_s=1.0,
        )


def measured(meter: WholeSeconds, **options: Any) -> DriftMeasured:
    """Watch a meter's clock for an hour."""
    run = Steps(CaseRecord(key="CASE", title="", plan="", uuid="0"), clock=meter.clock, devices={})
    with run.step("procedure"):
        return measure_drift(run, meter=meter, duration=3600.0, **options)  # type: ignore[arg-type]


@settings(max_examples=60)
@given(ahead_s=st.floats(-100, 100), drift_ppm=st.floats(-200, 200), exchange_s=st.floats(0.001, 0.3))
def test_clock_of_whole_seconds_is_measured_to_a_fiftieth(
    ahead_s: float, drift_ppm: float, exchange_s: float
) -> None:
    """Offset and drift come out right, whatever the phase and however long an exchange takes."""
    meter = WholeSeconds(Jumping(), ahead_s=ahead_s, drift_ppm=drift_ppm, exchange_s=(exchange_s,))
    found = measured(meter)
    assert float(found.offset_s) == pytest.approx(ahead_s, abs=0.025)
    assert float(found.drift_s_per_day) == pytest.approx(drift_ppm * 0.0864, abs=1.0)


@settings(max_examples=60)
@given(ahead_s=st.floats(-100, 100), exchange_s=st.lists(st.floats(0.001, 0.2), min_size=2, max_size=4))
def test_clock_over_an_unsteady_link_is_measured_as_well_as_the_link_allows(
    ahead_s: float, exchange_s: list[float]
) -> None:
    """Exchanges of unequal length cost no more than that: no wrong second, and an end."""
    meter = WholeSeconds(Jumping(), ahead_s=ahead_s, exchange_s=tuple(exchange_s))
    error_s = float(measured(meter).offset_s) - ahead_s
    assert abs(error_s) < 0.025 + sum(exchange_s)


def test_clock_of_whole_seconds_takes_a_handful_of_readings() -> None:
    """The tick is found by halving and not by watching: eight ticks, seven readings or so each."""
    meter = WholeSeconds(Jumping(), ahead_s=3.456)
    measured(meter, keep_alive=3600.0)
    assert meter.readings <= 8 * 9


def test_clock_is_watched_for_as_long_as_asked() -> None:
    """Looking for the tick is part of the time and does not come on top of it."""
    found = measured(WholeSeconds(Jumping(), ahead_s=0.7))
    assert Decimal(3600) <= found.observed_s < Decimal(3610)


def test_clock_that_stands_still_is_no_measurement() -> None:
    """Halving would take a clock that never ticks for one that is about to."""
    with pytest.raises(Inconclusive, match="stands still"):
        measured(WholeSeconds(Jumping(), ahead_s=0.25, stands_still=True))
