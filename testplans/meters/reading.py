"""Reading any meter: one that knows associations is read through the one a plan names."""

from __future__ import annotations

from typing import cast

from adapters.roles import ClockReading, DlmsMeter, Meter, RegisterReading


def read_register(meter: Meter, name: str, association: str = "") -> RegisterReading:
    """Read a register."""
    if association:
        return cast("DlmsMeter", meter).read_register(name, association=association)
    return meter.read_register(name)


def read_clock(meter: Meter, association: str = "") -> ClockReading:
    """Read the clock."""
    if association:
        return cast("DlmsMeter", meter).read_clock(association=association)
    return meter.read_clock()
