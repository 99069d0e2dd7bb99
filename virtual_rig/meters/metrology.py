"""What a meter measures: the supply at its terminals, through its own switch, as register values."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal

from virtual_rig.supply import EnergyAccumulators, PhaseLoad, Powers, Supply

_NO_POWERS, _NO_LOAD = Powers(), PhaseLoad()


class Metrology:
    """Instantaneous values and energies of one meter.

    ``output_on`` tells whether the meter's switch is closed: without load no current flows and no energy
    is counted, while the voltage in front of the switch is still measured. ``phases``: how many of the
    supply's phases it is connected to, the first ones.
    """

    def __init__(self, supply: Supply, output_on: Callable[[], bool], *, phases: int = 3) -> None:
        self._supply = supply
        self._output_on = output_on
        self._connected = tuple(phase < phases for phase in range(3))
        self.energies = EnergyAccumulators(supply.scheduler, self.powers)
        supply.on_before_change(self.energies.settle)

    def powers(self) -> Powers:
        """Return what flows now."""
        point = self._supply.point
        if not (point.powered and self._output_on()):
            return _NO_POWERS
        one, two, three = (
            phase if connected else _NO_LOAD
            for phase, connected in zip(point.phases, self._connected, strict=True)
        )
        return Powers(
            active_mw=(one.active_mw, two.active_mw, three.active_mw),
            reactive_mvar=(one.reactive_mvar, two.reactive_mvar, three.reactive_mvar),
        )

    def voltage_v(self, phase: int) -> Decimal:
        """Return the voltage of phase 0..2."""
        return self._phase(phase).voltage_v if self._supply.powered else Decimal(0)

    def current_a(self, phase: int) -> Decimal:
        """Return the current of phase 0..2."""
        flows = self._supply.powered and self._output_on()
        return self._phase(phase).current_a if flows else Decimal(0)

    def power_w(self, phase: int) -> Decimal:
        """Return the imported active power of phase 0..2; an exporting phase shows 0."""
        return Decimal(max(self.powers().active_mw[phase], 0)) / 1000

    def total_w(self) -> Decimal:
        """Return the active power of all phases; negative is export."""
        return Decimal(sum(self.powers().active_mw)) / 1000

    def frequency_hz(self) -> Decimal:
        """Return the supply's frequency."""
        return self._supply.point.frequency_hz if self._supply.powered else Decimal(0)

    def power_factor(self) -> Decimal:
        """Return |P| / S of the phase sums; 1 without load."""
        powers = self.powers()
        active, reactive = sum(powers.active_mw), sum(powers.reactive_mvar)
        apparent = (Decimal(active) ** 2 + Decimal(reactive) ** 2).sqrt()
        return abs(active) / apparent if apparent else Decimal(1)

    def _phase(self, phase: int) -> PhaseLoad:
        return self._supply.point.phases[phase]


def register_value(value: Decimal, scaler: int) -> int:
    """Return ``value`` as the integer a register with ``scaler`` shows, rounded half to even."""
    return int(value.scaleb(-scaler).to_integral_value(ROUND_HALF_EVEN))
