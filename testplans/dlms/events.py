"""The logs of a meter after something was done to it: what the newest rows say, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from adapters.roles import DlmsMeter, PowerSource
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms import profile_words as words

_CLOCK_S = Decimal("1.5")  # a clock that shows whole seconds says one more or less
_ON_THE_WAY_S = 10.0
_LOOKED_AT = 6  # rows at the end of a log: other events may have come in between


@dataclass(frozen=True, kw_only=True)
class EventLogged:
    """Whether a log has an event that is no older than asked for: ``yes``, or what it has instead."""

    logged: str


@procedure("event_logged")
def event_logged(
    run: Steps, *, meter: DlmsMeter, log: str, event: int, association: str, within: Duration = 10.0
) -> EventLogged:
    """Look for ``event`` (a number of the meter's own) in the rows a log took ``within`` the last seconds."""
    codes = recent_events(meter, log, within, association)
    told = "no: " + (", ".join(map(str, codes)) or "nothing new")
    return EventLogged(logged="yes" if event in codes else told)


def recent_events(meter: DlmsMeter, log: str, within_s: float, association: str) -> list[int]:
    """Return the events at the end of a log that are no older than ``within_s``, oldest first."""
    since = meter.read_clock(association=association).device_time - timedelta(seconds=within_s)
    newest = words.last_rows(meter, log, _LOOKED_AT, association)
    return [int(str(row.values[0])) for row in newest.rows if row.time is not None and row.time >= since]


@dataclass(frozen=True, kw_only=True)
class AcrossCut:
    """What a supply interruption left: the duration the meter tells, and how its clock moved against ours."""

    told_s: int
    clock_moved_s: Decimal


@procedure("registers_across_power_cut", hurts=("energise",))
def registers_across_power_cut(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    registers: tuple[str, ...],
    voltage_v: Decimal,
    current_a: Decimal,
    power_down: int,
    power_up: int,
    loaded: Duration = 600.0,
    off: Duration = 600.0,
    start_up: Duration = 30.0,
    log: str = "power_failure_log",
    events: str = "standard_event_log",
    client: str = "management",
    link: str = "",
) -> AcrossCut:
    """Count some energy, take the supply away for ``off`` and look at what the meter still knows.

    The energy of the last minutes is not lost, the clock ran on, the power failure log has a row with the
    duration, and the event log says ``power_down`` and ``power_up`` (numbers of the meter's own).
    """
    source.apply(voltage_v, current_a)
    run.clock.sleep_s(loaded)
    source.apply(voltage_v, Decimal(0))
    with words.opened(meter, client, link) as association:
        held = {name: meter.read_register(name, association=association).value for name in registers}
        clock = meter.read_clock(association=association)
        rows = words.number(meter, log, "entries_in_use", association)
        room = words.number(meter, log, "profile_entries", association)
    meter.drop_all_links()
    source.switch_off()
    run.clock.sleep_s(off)
    source.switch_on()
    run.clock.sleep_s(start_up)
    with words.opened(meter, client, link) as association:
        left = {name: meter.read_register(name, association=association).value for name in registers}
        moved = Decimal(str(round(meter.read_clock(association=association).drift_s - clock.drift_s, 2)))
        rows_now = words.number(meter, log, "entries_in_use", association)
        failure = words.last_rows(meter, log, 1, association)
        codes = recent_events(meter, events, off + start_up + _ON_THE_WAY_S, association)
    for name, value in held.items():
        run.check(f"{name} after the cut", expected=str(value), actual=str(left[name]))
    run.measure(
        "the clock against ours, across the cut", moved, "s", low=Decimal("-1.5"), high=Decimal("1.5")
    )
    run.check("rows of the power failure log", expected=min(rows + 1, room or rows + 1), actual=rows_now)
    told_s = int(str(failure.rows[-1].values[0])) if failure.rows else -1
    slack_s = Decimal(max(5, int(off / 50)))  # a source takes its time to go and to come
    run.measure(
        "duration of the newest power failure",
        told_s,
        "s",
        low=Decimal(int(off)) - slack_s,
        high=Decimal(int(off)) + slack_s,
    )
    run.check(
        f"events {power_down} (power down) and {power_up} (power up) since the cut, in this order",
        expected=[power_down, power_up],
        actual=[code for code in codes if code in (power_down, power_up)],
    )
    return AcrossCut(told_s=told_s, clock_moved_s=moved)
