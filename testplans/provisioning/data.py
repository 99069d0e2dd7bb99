"""Meter data as the head end has them beside what the meter shows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from adapters.roles import AnsiMeter, ProvisioningHeadEnd
from harness.actions import procedure
from harness.steps import Steps

_IN_WH = {"Wh": Decimal(1), "kWh": Decimal(1000)}


@dataclass(frozen=True, kw_only=True)
class DataCompared:
    """A register as the head end interprets it and as the optical port shows it."""

    readings: int
    interpreted: bool
    register: str  # as the head end calls it; empty: it does not say
    unit_of_value: str
    head_end_wh: Decimal
    meter_wh: Decimal
    difference_wh: Decimal


@procedure("compare_data")
def compare_data(run: Steps, *, tms: ProvisioningHeadEnd, meter: AnsiMeter, unit: str) -> DataCompared:
    """Compare the register in the unit's data with the meter's own; without load they agree.

    A value without a unit of energy is not compared: whatever it is, it has not been interpreted.
    """
    found = tms.collect_data(unit)
    if found.value is not None:
        told = found.unit_of_value or "none"
        run.check("unit of the value", expected="Wh or kWh", actual="Wh or kWh" if told in _IN_WH else told)
    shown = meter.read_register(found.register or "energy_import")
    meter_wh = shown.value * _IN_WH[shown.unit]
    head_end_wh = (found.value or Decimal(0)) * _IN_WH.get(found.unit_of_value, Decimal(1))
    return DataCompared(
        readings=found.readings,
        interpreted=found.interpreted,
        register=found.register,
        unit_of_value=found.unit_of_value,
        head_end_wh=head_end_wh,
        meter_wh=meter_wh,
        difference_wh=head_end_wh - meter_wh,
    )
