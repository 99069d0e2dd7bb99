"""Interval data of an ANSI meter beside what its register gained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from adapters.roles import AnsiMeter, PowerSource
from harness.actions import procedure
from harness.steps import Steps

_BEHIND_THE_BOUNDARY_S = 3


@dataclass(frozen=True, kw_only=True)
class IntervalsCompared:
    """The newest intervals of a channel, and what the register gained over the same time."""

    intervals: int
    minutes: int
    recorded_wh: Decimal
    registered_wh: Decimal
    difference_wh: Decimal


@procedure("compare_intervals", hurts=("energise",))
def compare_intervals(
    run: Steps,
    *,
    meter: AnsiMeter,
    source: PowerSource,
    register: str,
    voltage_v: Decimal,
    current_a: Decimal,
    frequency_hz: Decimal = Decimal(60),
    intervals: int = 4,
    channel: int = 0,
) -> IntervalsCompared:
    """Hold a load over whole intervals of the meter's clock and compare load profile and register.

    The load stands before the first interval begins and until the last has ended, so it does not matter that
    register and intervals are read a little after each boundary. One pulse of the channel must be 1 Wh, or
    scalar and divisor must say what it is.
    """
    actual = meter.read_table("actual_load_profile").fields
    period_s = 60 * cast("int", actual["MAX_INT_TIME_SET1"])
    source.apply(voltage_v, current_a, Decimal(1), frequency_hz)
    _wait_for_boundary(run, meter, period_s)
    before = meter.read_register(register).value
    run.clock.sleep_s(period_s * intervals - 2 * _BEHIND_THE_BOUNDARY_S)
    _wait_for_boundary(run, meter, period_s)
    registered = meter.read_register(register).value - before
    recorded = sum(_newest(meter, intervals, channel), Decimal(0))
    source.apply(voltage_v, Decimal(0), Decimal(1), frequency_hz)
    run.measure("recorded by intervals", recorded, "Wh")
    return IntervalsCompared(
        intervals=intervals,
        minutes=period_s // 60,
        recorded_wh=recorded,
        registered_wh=registered,
        difference_wh=recorded - registered,
    )


def _wait_for_boundary(run: Steps, meter: AnsiMeter, period_s: int) -> None:
    now = meter.read_clock().device_time
    into_s = (now.minute * 60 + now.second) % period_s
    run.clock.sleep_s(period_s - into_s + _BEHIND_THE_BOUNDARY_S)


def _newest(meter: AnsiMeter, count: int, channel: int) -> list[Decimal]:
    """Return the newest ``count`` intervals in Wh, oldest first, across blocks of a circular list."""
    status = meter.read_table("load_profile_status").fields
    control = meter.read_table("load_profile_control").fields
    blocks = cast(
        "Sequence[Mapping[str, object]]", meter.read_table("load_profile_data").fields["LP_DATA_SETS1"]
    )
    last, valid = cast("int", status["LAST_BLOCK_ELEMENT"]), cast("int", status["NBR_VALID_BLOCKS"])
    found: list[Decimal] = []
    for back in range(valid - 1, -1, -1):
        block = cast(
            "Sequence[Mapping[str, Sequence[Decimal]]]", blocks[(last - back) % len(blocks)]["LP_INT"]
        )
        rows = block[: cast("int", status["NBR_VALID_INT"])] if back == 0 else block
        found += [Decimal(row["INT_DATA"][channel]) for row in rows]
    return [value * _wh_per_pulse(control, channel) for value in found[-count:]]


def _wh_per_pulse(control: Mapping[str, object], channel: int) -> Decimal:
    scalars = cast("Sequence[int]", control.get("SCALARS_SET1", ()))
    divisors = cast("Sequence[int]", control.get("DIVISOR_SET1", ()))
    if not scalars or not divisors:
        return Decimal(1)
    return Decimal(divisors[channel]) / Decimal(scalars[channel])
