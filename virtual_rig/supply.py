"""The mains in front of a meter, and energy that is integrated only when somebody asks.

Powers are whole milliwatts (and millivars) per phase, time is whole nanoseconds, so an energy is an exact
integer of mW x ns however long the world has run and however rarely anybody looked. Nothing ticks: the
integral is brought up to date when the load changes and when a register is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from functools import cached_property

from virtual_rig.wire import Scheduler

PHASES = ("L1", "L2", "L3")
NS_PER_S = 1_000_000_000
_MW_NS_PER_WH = 1000 * 3600 * NS_PER_S


@dataclass(frozen=True, kw_only=True)
class PhaseLoad:
    """Voltage, current and power factor of one phase; a negative power factor is export."""

    voltage_v: Decimal = Decimal(230)
    current_a: Decimal = Decimal(0)
    power_factor: Decimal = Decimal(1)
    leading: bool = False  # True: capacitive, reactive power is negative

    def __post_init__(self) -> None:
        if self.voltage_v < 0 or self.current_a < 0 or not -1 <= self.power_factor <= 1:
            raise ValueError(
                f"voltage {self.voltage_v} V and current {self.current_a} A must not be negative, "
                f"power factor {self.power_factor} must lie between -1 and 1"
            )

    @property
    def active_mw(self) -> int:
        """Active power in whole milliwatts; positive is import."""
        return _round(self.voltage_v * self.current_a * self.power_factor * 1000)

    @property
    def reactive_mvar(self) -> int:
        """Reactive power in whole millivars; positive is inductive."""
        with localcontext() as context:
            context.prec = 40
            sine = (1 - self.power_factor * self.power_factor).sqrt()
            magnitude = _round(self.voltage_v * self.current_a * sine * 1000)
        return -magnitude if self.leading else magnitude


def _round(value: Decimal) -> int:
    return int(value.to_integral_value())


@dataclass(frozen=True, kw_only=True)
class LoadPoint:
    """All three phases, their frequency and whether the output is on at all."""

    phases: tuple[PhaseLoad, PhaseLoad, PhaseLoad] = (PhaseLoad(), PhaseLoad(), PhaseLoad())
    frequency_hz: Decimal = Decimal(50)
    on: bool = True

    @cached_property
    def powered(self) -> bool:
        """Whether a meter on this supply is alive: the output is on and some phase carries voltage."""
        return self.on and any(phase.voltage_v > 0 for phase in self.phases)


def balanced(
    voltage_v: Decimal,
    current_a: Decimal = Decimal(0),
    power_factor: Decimal = Decimal(1),
    frequency_hz: Decimal = Decimal(50),
    *,
    leading: bool = False,
    on: bool = True,
) -> LoadPoint:
    """Return a load point with the same values on all three phases."""
    phase = PhaseLoad(voltage_v=voltage_v, current_a=current_a, power_factor=power_factor, leading=leading)
    return LoadPoint(phases=(phase, phase, phase), frequency_hz=frequency_hz, on=on)


class Supply:
    """The mains: a load point that changes, and listeners that hear of it.

    ``before_change`` listeners are called while the old point still holds (to bring integrals up to date);
    ``power`` listeners are called after the change with True for power up and False for power down.
    """

    def __init__(self, scheduler: Scheduler, point: LoadPoint | None = None) -> None:
        self.scheduler = scheduler
        self._point = point or LoadPoint()
        self._before_change: list[Callable[[], None]] = []
        self._power: list[Callable[[bool], None]] = []

    @property
    def point(self) -> LoadPoint:
        """The load point in force."""
        return self._point

    @property
    def powered(self) -> bool:
        """Whether a meter on this supply is alive."""
        return self._point.powered

    def on_before_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener()`` right before the load point changes."""
        self._before_change.append(listener)

    def on_power(self, listener: Callable[[bool], None]) -> None:
        """Call ``listener(up)`` when the supply comes up or goes down."""
        self._power.append(listener)

    def apply(self, point: LoadPoint) -> None:
        """Change to ``point``."""
        was = self.powered
        for listener in self._before_change:
            listener()
        self._point = point
        if point.powered != was:
            for told in self._power:
                told(point.powered)

    def switch(self, on: bool) -> None:
        """Switch the output on or off, with the load point set last."""
        self.apply(replace(self._point, on=on))


@dataclass(frozen=True, kw_only=True)
class Powers:
    """Powers of the three phases as a meter's terminals see them, in mW and mvar."""

    active_mw: tuple[int, int, int] = (0, 0, 0)
    reactive_mvar: tuple[int, int, int] = (0, 0, 0)


class EnergyAccumulators:
    """A+, A-, R+ and R- of the phase sum, exact and lazy.

    ``powers`` is asked for what flows now; whoever changes it calls ``settle()`` first. The sum over the
    phases decides between import and export (phases are netted within the meter).
    """

    def __init__(self, scheduler: Scheduler, powers: Callable[[], Powers]) -> None:
        self._scheduler = scheduler
        self._powers = powers
        self._since_ns = _now_ns(scheduler)
        self._mw_ns = {"A+": 0, "A-": 0, "R+": 0, "R-": 0}

    def settle(self) -> None:
        """Integrate up to now with the power that has flowed since the last call."""
        now_ns = _now_ns(self._scheduler)
        elapsed_ns, self._since_ns = now_ns - self._since_ns, now_ns
        if elapsed_ns <= 0:
            return
        powers = self._powers()
        active, reactive = sum(powers.active_mw), sum(powers.reactive_mvar)
        self._mw_ns["A+" if active >= 0 else "A-"] += abs(active) * elapsed_ns
        self._mw_ns["R+" if reactive >= 0 else "R-"] += abs(reactive) * elapsed_ns

    def preset_wh(self, quantity: str, value_wh: int) -> None:
        """Start ``quantity`` (A+, A-, R+, R-) at ``value_wh``, as a meter that has been in service."""
        self._mw_ns[quantity] = value_wh * _MW_NS_PER_WH

    def exact_mw_ns(self, quantity: str) -> int:
        """Return the energy in mW x ns (mvar x ns), exactly."""
        self.settle()
        return self._mw_ns[quantity]

    def read_wh(self, quantity: str) -> int:
        """Return the energy in whole Wh (varh), cut as a register cuts it."""
        return self.exact_mw_ns(quantity) // _MW_NS_PER_WH


def _now_ns(scheduler: Scheduler) -> int:
    return round(scheduler.now_s() * NS_PER_S)
