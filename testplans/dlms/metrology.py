"""What only the clock of a DLMS meter can do; the rest is in ``testplans.meters.metrology``."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from adapters.roles import DlmsMeter
from harness.actions import procedure
from harness.steps import Steps


@dataclass(frozen=True, kw_only=True)
class ClockShift:
    """How far a clock moved when it was shifted, and what is left after shifting it back."""

    moved_s: Decimal
    left_s: Decimal


@procedure("shift_clock_and_back", hurts=("configure",))
def shift_clock_and_back(run: Steps, *, meter: DlmsMeter, association: str, shift: int) -> ClockShift:
    """Shift the clock by ``shift`` seconds, look, shift it back, look again."""
    before = meter.read_clock(association=association).drift_s
    meter.action("clock", "shift_time", f"long:{shift}", association=association)
    shifted = meter.read_clock(association=association).drift_s
    meter.action("clock", "shift_time", f"long:{-shift}", association=association)
    after = meter.read_clock(association=association).drift_s
    return ClockShift(moved_s=_seconds(shifted - before), left_s=_seconds(after - before))


@dataclass(frozen=True, kw_only=True)
class LoadPointCompared:
    """How many registers were compared with the load point, and which of them were wrong."""

    compared: int
    wrong: str


@procedure("compare_load_point")
def compare_load_point(
    run: Steps,
    *,
    meter: DlmsMeter,
    association: str,
    voltage_v: Decimal,
    current_a: Decimal,
    power_factor: Decimal,
    phases: int = 3,
    tolerance_percent: Decimal = Decimal("0.5"),
) -> LoadPointCompared:
    """Compare voltage, current and power of every phase, their sum and the power factor with what is applied.

    The load point is the same on all phases; what is applied is imported, so nothing is exported.
    """
    power_w = voltage_v * current_a * power_factor
    due = {"power_import": power_w * phases, "power_export": Decimal(0), "power_factor": power_factor}
    for phase in range(1, phases + 1):
        due |= {f"voltage_l{phase}": voltage_v, f"current_l{phase}": current_a, f"power_l{phase}": power_w}
    wrong = []
    for name, value in sorted(due.items()):
        reading = meter.read_register(name, association=association)
        step = Decimal(1).scaleb(reading.scaler)  # the register's last digit
        slack = value * tolerance_percent / 100 + step
        run.measure(name, reading.value, reading.unit, low=value - slack, high=value + slack)
        if abs(reading.value - value) > slack:
            wrong.append(name)
    return LoadPointCompared(compared=len(due), wrong=", ".join(wrong) or "nothing")


def _seconds(value: float) -> Decimal:
    return Decimal(str(round(value, 3)))
