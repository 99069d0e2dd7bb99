"""What a First Article Test of an ANSI meter does once with every function."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from adapters.roles import AnsiMeter, EventsRead, PowerSource, RegisterReading, TableWritten
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps


@procedure("read_meter_register")
def read_meter_register(run: Steps, *, meter: AnsiMeter, register: str) -> RegisterReading:
    """Read a register (for plans that go through several meters row by row)."""
    return meter.read_register(register)


@dataclass(frozen=True, kw_only=True)
class SwitchTried:
    """A service switch opened and closed again under load."""

    closed_before: bool
    closed_when_opened: bool
    current_when_opened_a: Decimal
    gained_when_opened_wh: Decimal
    closed_after: bool
    current_after_a: Decimal
    movements: int
    open_result: str
    close_result: str


@procedure("try_switch", hurts=("disconnect", "energise"))
def try_switch(
    run: Steps,
    *,
    meter: AnsiMeter,
    source: PowerSource,
    voltage_v: Decimal,
    current_a: Decimal,
    frequency_hz: Decimal = Decimal(60),
    level: str = "",
    opened_for: Duration = 900.0,
    energy: str = "energy_import",
    current: str = "current_l1",
) -> SwitchTried:
    """Open the service switch under load, watch that nothing flows and nothing is counted, close it again."""
    source.apply(voltage_v, current_a, Decimal(1), frequency_hz)
    meter.open_session(level=level)
    before = meter.switch_state()
    with run.step("open the switch"):
        opened = meter.disconnect_supply()
    state = meter.switch_state()
    still = meter.read_register(current).value
    counted = meter.read_register(energy).value
    run.clock.sleep_s(opened_for)
    gained = meter.read_register(energy).value - counted
    meter.open_session(level=level)
    with run.step("close the switch"):
        closed = meter.reconnect_supply()
    after = meter.switch_state()
    return SwitchTried(
        closed_before=before.closed,
        closed_when_opened=state.closed,
        current_when_opened_a=still,
        gained_when_opened_wh=gained,
        closed_after=after.closed,
        current_after_a=meter.read_register(current).value,
        movements=after.operations - before.operations,
        open_result=opened.result,
        close_result=closed.result,
    )


@procedure("leave_switch_closed", hurts=("disconnect",))
def leave_switch_closed(run: Steps, *, meter: AnsiMeter, level: str = "") -> EventsRead:
    """Close the service switch again, whatever happened, and read what the meter has logged."""
    meter.end_session()
    meter.open_session(level=level)
    if not meter.switch_state().closed:
        meter.reconnect_supply()
    return meter.read_events()


@dataclass(frozen=True, kw_only=True)
class CutSurvived:
    """A register, a clock and a log before and after the supply was away."""

    energy_difference_wh: Decimal
    offset_change_s: Decimal
    new_codes: tuple[int, ...]


@procedure("survive_power_cut", hurts=("energise",))
def survive_power_cut(
    run: Steps,
    *,
    meter: AnsiMeter,
    source: PowerSource,
    off: Duration,
    settling_time: Duration = 30.0,
    energy: str = "energy_import",
) -> CutSurvived:
    """Take the supply away without load and give it back; compare energy, clock and log."""
    before, codes = meter.read_register(energy).value, meter.read_events().codes
    offset = meter.read_clock().drift_s
    meter.drop_all_links()
    source.switch_off()
    run.clock.sleep_s(off)
    source.switch_on()
    run.clock.sleep_s(settling_time)
    change = meter.read_clock().drift_s - offset
    return CutSurvived(
        energy_difference_wh=meter.read_register(energy).value - before,
        offset_change_s=Decimal(str(round(change, 3))),
        new_codes=_newer(codes, meter.read_events().codes),
    )


def _newer(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """Return what a log has gained: what follows the longest end of the old list the new one begins with."""
    for kept in range(len(before), -1, -1):
        old = before[len(before) - kept :]
        if after[: len(old)] == old:
            return after[len(old) :]
    return after


@procedure("write_table_field", hurts=("configure",))
def write_table_field(
    run: Steps, *, meter: AnsiMeter, table: str, field: str, value: str, level: str
) -> TableWritten:
    """Write a field, read it back and put the old value back; the meter must show both."""
    meter.open_session(level=level)
    old = meter.read_field(table, field).value
    written = meter.write_field(table, field, value)
    try:
        run.check(f"{table} {field}", expected=value, actual=str(meter.read_field(table, field).value))
    finally:
        meter.write_field(table, field, str(old))
    run.check(
        f"{table} {field} put back", expected=str(old), actual=str(meter.read_field(table, field).value)
    )
    meter.end_session()
    return written
