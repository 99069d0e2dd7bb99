"""Registers and clocks of any meter beside what was applied and what time it is.

``association`` is for meters that have such a thing (DLMS); it stays empty for the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from adapters.roles import ClockReading, Meter, PowerSource
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.meters.reading import read_clock, read_register


@dataclass(frozen=True, kw_only=True)
class EnergyRegistered:
    """Energy a register gained under a load point, beside what was applied."""

    registered_wh: Decimal
    applied_wh: Decimal
    error_percent: Decimal


@procedure("register_energy", hurts=("energise",))
def register_energy(
    run: Steps,
    *,
    meter: Meter,
    source: PowerSource,
    register: str,
    voltage_v: Decimal,
    current_a: Decimal,
    power_factor: Decimal,
    duration: Duration,
    association: str = "",
    phases: int = 3,
    readings: int = 6,
    keep_alive: Duration = 60.0,
    reactive: str = "",
    standing: tuple[str, ...] = (),
) -> EnergyRegistered:
    """Apply a load point for ``duration`` and compare the register's gain with the energy applied.

    ``reactive`` is the register that an inductive load moves beside it; the ``standing`` ones are not moved
    by this load at all (those of export, for instance).
    """
    beside = {name: read_register(meter, name, association).value for name in (reactive, *standing) if name}
    with run.step("load point on", voltage_v=voltage_v, current_a=current_a, power_factor=power_factor):
        source.apply(voltage_v, current_a, power_factor)
    start_s = run.clock.monotonic_s()
    first = read_register(meter, register, association).value
    reading = first
    for _ in range(readings):
        _stay_associated(run, meter, association, duration / readings, keep_alive)
        reading = read_register(meter, register, association).value
        run.measure(f"{register} gained", reading - first, "Wh")
    elapsed_s = Decimal(str(run.clock.monotonic_s() - start_s))
    with run.step("load point off"):
        source.apply(voltage_v, Decimal(0), Decimal(1))
    applied = voltage_v * current_a * power_factor * phases * elapsed_s / 3600
    gained = reading - first
    error = (gained - applied) / applied * 100 if applied else Decimal(0)
    apparent = voltage_v * current_a * phases * elapsed_s / 3600
    for name, before in beside.items():
        due = apparent * (1 - power_factor**2).sqrt() if name == reactive else Decimal(0)
        slack = (apparent / 100 if name == reactive else apparent / 1000) + 1
        low, high = (due - slack).quantize(Decimal("0.1")), (due + slack).quantize(Decimal("0.1"))
        now = read_register(meter, name, association)
        run.measure(f"{name} gained", now.value - before, now.unit, low=low, high=high)
    return EnergyRegistered(
        registered_wh=gained.quantize(Decimal("0.1")),
        applied_wh=applied.quantize(Decimal("0.1")),
        error_percent=error.quantize(Decimal("0.001")),
    )


@dataclass(frozen=True, kw_only=True)
class NoLoad:
    """What a register gained under voltage alone."""

    gained_wh: Decimal


@procedure("no_load", hurts=("energise",))
def no_load(
    run: Steps,
    *,
    meter: Meter,
    source: PowerSource,
    register: str,
    voltage_v: Decimal,
    duration: Duration,
    association: str = "",
    keep_alive: Duration = 60.0,
) -> NoLoad:
    """Apply voltage without current for ``duration``; the register must stand still."""
    source.apply(voltage_v, Decimal(0), Decimal(1))
    before = read_register(meter, register, association).value
    _stay_associated(run, meter, association, duration, keep_alive)
    return NoLoad(gained_wh=read_register(meter, register, association).value - before)


@dataclass(frozen=True, kw_only=True)
class DriftMeasured:
    """How a meter's clock ran beside ours. ``drift_s_per_day`` is positive where the meter's runs fast."""

    offset_s: Decimal
    drift_s_per_day: Decimal
    observed_s: Decimal


@procedure("measure_drift")
def measure_drift(
    run: Steps,
    *,
    meter: Meter,
    duration: Duration,
    association: str = "",
    readings: int = 8,
    keep_alive: Duration = 60.0,
) -> DriftMeasured:
    """Compare the meter's clock with ours ``readings`` times over ``duration``; fit a straight line.

    A clock that shows whole seconds is read at the moment its second changes. A meter ends an association
    that is silent too long, so the clock is also read every ``keep_alive``.
    """
    points: list[tuple[float, float]] = []
    start_s = run.clock.monotonic_s()
    for number in range(readings):
        if number:
            left_s = start_s + duration * number / (readings - 1) - run.clock.monotonic_s()
            _stay_associated(run, meter, association, left_s, keep_alive)
        reading = _at_the_tick(run, meter, association)
        points.append((run.clock.monotonic_s() - start_s, reading.drift_s))
        run.measure("clock offset", _seconds(reading.drift_s), "s")
    slope = _slope(points)
    return DriftMeasured(
        offset_s=_seconds(points[0][1]),
        drift_s_per_day=_seconds(slope * 86400),
        observed_s=_seconds(points[-1][0]),
    )


def _at_the_tick(run: Steps, meter: Meter, association: str) -> ClockReading:
    """Return a reading that is good to a fiftieth of a second, whatever the clock shows.

    A clock that shows whole seconds is ahead of ours by what a reading says, or by up to a second more. The
    next reading is taken when the tick would come if the truth lay half-way: either half is left over. That
    takes about seven readings, where watching the clock takes fifty in a second. A clock that contradicts
    itself, or was not seen to tick, is watched.
    """
    asked = run.clock.utc_now()
    first = closest = reading = read_clock(meter, association)
    if first.resolution_s < 1:
        return first
    highest_s, ticked = first.drift_s + 1, False
    for _ in range(_MOST_HALVINGS):
        unsure_s = highest_s - closest.drift_s
        if unsure_s <= _TICK_POLL_S and ticked:
            break
        on_the_way_s = (reading.our_time - asked).total_seconds()
        if unsure_s > _TICK_POLL_S:
            shown_s = (run.clock.utc_now().timestamp() + on_the_way_s + closest.drift_s + unsure_s / 2) % 1
            run.clock.sleep_s(1 - shown_s)
        else:  # all it takes is to see that it does tick
            run.clock.sleep_s(1)
        asked = run.clock.utc_now()
        reading = read_clock(meter, association)
        ticked = ticked or reading.device_time > first.device_time
        highest_s = min(highest_s, reading.drift_s + 1)
        closest = max(closest, reading, key=lambda each: each.drift_s)
    if ticked and abs(highest_s - closest.drift_s) <= _TICK_POLL_S:
        return closest
    return _watched(run, meter, association)


def _watched(run: Steps, meter: Meter, association: str) -> ClockReading:
    """Read the clock again and again, until its second changes."""
    first = reading = read_clock(meter, association)
    give_up_s = run.clock.monotonic_s() + _TICK_PATIENCE_S
    while reading.device_time == first.device_time:
        if run.clock.monotonic_s() > give_up_s:
            run.inconclusive("the clock stands still: its second does not change")
        run.clock.sleep_s(_TICK_POLL_S)
        reading = read_clock(meter, association)
    return reading


_MOST_HALVINGS = 15
_TICK_PATIENCE_S, _TICK_POLL_S = 3.0, 0.02


def _stay_associated(
    run: Steps, meter: Meter, association: str, duration_s: float, keep_alive_s: float
) -> None:
    end_s = run.clock.monotonic_s() + duration_s
    while (left_s := end_s - run.clock.monotonic_s()) > 0:
        run.clock.sleep_s(min(left_s, keep_alive_s))
        if left_s > keep_alive_s:
            read_clock(meter, association)


def _slope(points: list[tuple[float, float]]) -> float:
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if not spread:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def _seconds(value: float) -> Decimal:
    return Decimal(str(round(value, 3)))
