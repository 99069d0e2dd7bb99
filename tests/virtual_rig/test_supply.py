"""The supply and energy that is integrated only when somebody looks."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual_rig.clock import VirtualClock
from virtual_rig.supply import EnergyAccumulators, LoadPoint, PhaseLoad, Powers, Supply, balanced


class Stopwatch:
    """A scheduler whose time is set by hand."""

    def __init__(self) -> None:
        self.ns = 0

    def now_s(self) -> float:
        return self.ns / 1e9


def powers_of(supply: Supply) -> Powers:
    one, two, three = supply.point.phases
    return Powers(
        active_mw=(one.active_mw, two.active_mw, three.active_mw),
        reactive_mvar=(one.reactive_mvar, two.reactive_mvar, three.reactive_mvar),
    )


def test_phase_powers_are_whole_milliwatts() -> None:
    """230 V, 5 A at 0.9 give 1035 W and the matching reactive power, exactly rounded."""
    phase = PhaseLoad(voltage_v=Decimal(230), current_a=Decimal(5), power_factor=Decimal("0.9"))
    assert phase.active_mw == 1_035_000
    assert phase.reactive_mvar == 501_273


def test_phase_leading_current_gives_negative_reactive_power() -> None:
    """A capacitive load counts as R-."""
    phase = PhaseLoad(current_a=Decimal(1), power_factor=Decimal(0), leading=True)
    assert phase.reactive_mvar == -230_000


@pytest.mark.parametrize("changed", [{"power_factor": Decimal("1.01")}, {"current_a": Decimal(-1)}])
def test_phase_impossible_values_are_refused(changed: dict[str, Decimal]) -> None:
    """A source cannot be asked for what does not exist."""
    with pytest.raises(ValueError, match="must"):
        PhaseLoad(**changed)


def test_energy_over_thirty_years_is_exact() -> None:
    """One look after thirty years gives the very integer that arithmetic gives."""
    rig = VirtualClock()
    supply = Supply(rig, balanced(Decimal(230), Decimal(5), Decimal("0.9")))
    energies = EnergyAccumulators(rig, lambda: powers_of(supply))
    years_s = 30 * 365 * 86400
    rig.sleep_s(years_s)
    assert 3 * 1_035_000 * years_s * 10**9 == energies.exact_mw_ns("A+")
    assert 3 * 1035 * years_s // 3600 == energies.read_wh("A+")
    assert energies.read_wh("A-") == 0
    rig.close()


Change = st.tuples(
    st.integers(1, 10**12), st.integers(-(10**7), 10**7), st.integers(-(10**7), 10**7), st.booleans()
)


@given(st.lists(Change, min_size=1, max_size=30))
def test_energy_does_not_depend_on_who_looked_when(changes: list[tuple[int, int, int, bool]]) -> None:
    """Reading registers in between changes nothing, and the sum is exact for any course of the load."""
    watch, now = Stopwatch(), [Powers()]
    seldom = EnergyAccumulators(watch, lambda: now[0])  # type: ignore[arg-type]
    often = EnergyAccumulators(watch, lambda: now[0])  # type: ignore[arg-type]
    exact = {"A+": Fraction(0), "A-": Fraction(0), "R+": Fraction(0), "R-": Fraction(0)}
    for elapsed_ns, active, reactive, look in changes:
        seldom.settle()
        often.settle()
        now[0] = Powers(active_mw=(active, 0, 0), reactive_mvar=(0, reactive, 0))
        watch.ns += elapsed_ns * 1000
        exact["A+" if active >= 0 else "A-"] += abs(active) * elapsed_ns * 1000
        exact["R+" if reactive >= 0 else "R-"] += abs(reactive) * elapsed_ns * 1000
        if look:
            often.read_wh("A+")
    assert exact == {name: seldom.exact_mw_ns(name) for name in exact}
    assert exact == {name: often.exact_mw_ns(name) for name in exact}


def test_energy_phases_are_netted() -> None:
    """One phase exporting what another imports counts nothing."""
    watch = Stopwatch()
    energies = EnergyAccumulators(watch, lambda: Powers(active_mw=(500, -500, 0)))  # type: ignore[arg-type]
    watch.ns = 10**15
    assert 0 == energies.exact_mw_ns("A+") == energies.exact_mw_ns("A-")


def test_supply_switch_tells_listeners_once() -> None:
    """Power listeners hear of power up and down, not of other changes."""
    rig = VirtualClock()
    supply, heard = Supply(rig, balanced(Decimal(230))), []
    supply.on_power(heard.append)
    supply.apply(balanced(Decimal(240)))
    supply.switch(False)
    supply.switch(False)
    supply.switch(True)
    assert heard == [False, True]
    rig.close()


def test_supply_without_voltage_is_dead_though_on() -> None:
    """An output that is on at 0 V feeds nobody."""
    dead = PhaseLoad(voltage_v=Decimal(0))
    assert not LoadPoint(phases=(dead, dead, dead)).powered
    assert LoadPoint(phases=(dead, PhaseLoad(), dead)).powered
