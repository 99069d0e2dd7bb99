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


def _seconds(value: float) -> Decimal:
    return Decimal(str(round(value, 3)))
