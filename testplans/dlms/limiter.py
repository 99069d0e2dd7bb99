"""The supply switch as the meter moves it by itself: by its limiter and by schedules."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

from adapters.errors import Refused
from adapters.roles import DlmsMeter, PowerSource
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms.supply_switch import (
    CONNECTED,
    DISCONNECTED,
    MARGIN_S,
    READY,
    SwitchBench,
    SwitchFound,
)

_AGAIN_S = 70.0  # a schedule looked at once a minute would act again by then
_MORE = Decimal("1.2")  # a load that changes and stays on its side of the limit
_SECOND = 30  # of the minute: far from a full one, so that a meter which drops the seconds is early


@procedure("limiter_opens", hurts=("disconnect", "energise"))
def limiter_opens(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    voltage_v: Decimal,
    low_a: Decimal,
    high_a: Decimal,
    threshold_w: int,
    mode: int = 4,
    patience: Duration = 120.0,
    log: str = "disconnector_event_log",
    local_disconnect: int = 0,
    client: str = "management",
    link: str = "",
) -> SwitchFound:
    """Load the meter under and over its limit, in control mode 1 to 4: it opens after ``patience`` over it.

    Not under the limit, not before the time, not for overloads that end in time, and in time where the
    overload changes and stays one. Then it waits for the button: neither low load nor a remote reconnection
    closes it. ``local_disconnect`` is the number of the event in the ``log`` of the switch, 0 where it has
    none.
    """
    bench = SwitchBench(run, meter, client, link)
    kept = bench.settings()
    source.apply(voltage_v, low_a)
    try:
        bench.set_mode(mode)
        bench.set_limit(threshold_w, int(patience), int(patience))
        run.clock.sleep_s(2 * patience)
        bench.expect("under the limit", CONNECTED)
        source.apply(voltage_v, high_a)
        run.clock.sleep_s(patience - MARGIN_S)
        bench.expect("over the limit, before the time", CONNECTED, "DLX-LIM-02")
        source.apply(voltage_v, low_a)
        run.clock.sleep_s(patience / 2)
        source.apply(voltage_v, high_a)
        run.clock.sleep_s(patience / 2)
        source.apply(voltage_v, high_a * _MORE)
        run.clock.sleep_s(patience / 2 - MARGIN_S)
        bench.expect("over the limit again, before the time", CONNECTED, "DLX-LIM-03")
        run.clock.sleep_s(2 * MARGIN_S)
        bench.expect(
            "over the limit by more and less, after the time", READY, "DLX-LIM-01", "DLX-LIM-05", "DLX-LIM-14"
        )
        bench.expect_event(log, local_disconnect)
        with bench.open() as association:
            flows = meter.read_register("power_import", association=association)
        run.measure("power behind the open switch", flows.value, flows.unit, low=0, high=0)
        source.apply(voltage_v, low_a)
        run.clock.sleep_s(patience + MARGIN_S)
        bench.expect(f"in mode {mode} low load does not close it", READY, "DLX-LIM-06")
        with bench.open() as association, suppress(Refused):  # whether it says no or does nothing is its own
            meter.reconnect_supply(association)
        bench.expect(f"in mode {mode} a remote reconnection does not close what the limiter opened", READY)
    finally:
        bench.restore(kept)
    bench.expect("restored", CONNECTED)
    return SwitchFound(states=tuple(bench.seen))


@procedure("limiter_closes_again", hurts=("disconnect", "energise"))
def limiter_closes_again(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    voltage_v: Decimal,
    low_a: Decimal,
    high_a: Decimal,
    threshold_w: int,
    mode: int = 5,
    patience: Duration = 120.0,
    client: str = "management",
    link: str = "",
) -> SwitchFound:
    """In control modes 5 and 6 the limiter closes the switch it has opened, after a time without overload.

    That time is twice as long as the one of overload, so that neither is taken for the other.
    """
    bench = SwitchBench(run, meter, client, link)
    kept = bench.settings()
    source.apply(voltage_v, high_a)
    try:
        bench.set_mode(mode)
        bench.set_limit(threshold_w, int(patience), 2 * int(patience))
        run.clock.sleep_s(patience + MARGIN_S)
        bench.expect("over the limit, after the time", READY, "DLX-LIM-01", "DLX-LIM-05")
        source.apply(voltage_v, low_a)
        run.clock.sleep_s(patience)
        source.apply(voltage_v, low_a / _MORE)
        run.clock.sleep_s(patience - 2 * MARGIN_S)
        bench.expect("before its time it stays open", READY, "DLX-LIM-04")
        run.clock.sleep_s(2 * MARGIN_S)
        bench.expect(f"in mode {mode} it closes after its time", CONNECTED, "DLX-LIM-04")
    finally:
        bench.restore(kept)
    return SwitchFound(states=tuple(bench.seen))


@procedure("schedules_switch", hurts=("disconnect",))
def schedules_switch(
    run: Steps,
    *,
    meter: DlmsMeter,
    lead: Duration = 600.0,
    client: str = "management",
    link: str = "",
) -> SwitchFound:
    """Schedule a disconnection and a reconnection: each at its time, each once and not on the next day.

    A time that has passed already is no time to act at, whether the meter takes it or refuses it.
    """
    bench = SwitchBench(run, meter, client, link)
    kept = bench.settings()
    try:
        bench.set_mode(4)
        with bench.open() as association:
            now = meter.read_clock(association=association).device_time.replace(microsecond=0)
            with suppress(Refused):
                meter.set_schedule("disconnect_schedule", now - timedelta(seconds=60), association)
        run.clock.sleep_s(2 * MARGIN_S)
        bench.expect("a disconnection scheduled for a time that has passed", CONNECTED, "DLX-LIM-10")
        with bench.open() as association:
            now = meter.read_clock(association=association).device_time.replace(microsecond=0)
            opens = (now + timedelta(seconds=lead)).replace(second=_SECOND)
            meter.set_schedule("disconnect_schedule", opens, association)
            meter.set_schedule("reconnect_schedule", opens + timedelta(seconds=lead), association)
        run.clock.sleep_s((opens - now).total_seconds() - MARGIN_S)
        bench.expect("before the time of the disconnection", CONNECTED, "DLX-LIM-09")
        run.clock.sleep_s(2 * MARGIN_S)
        bench.expect("after the time of the disconnection", DISCONNECTED, "DLX-LIM-09")
        with bench.open() as association:
            meter.reconnect_supply(association)
        run.clock.sleep_s(_AGAIN_S)
        bench.expect("reconnected by hand after that", CONNECTED, "DLX-LIM-10")
        with bench.open() as association:
            meter.disconnect_supply(association)
        run.clock.sleep_s(lead - 2 * MARGIN_S - _AGAIN_S)
        bench.expect("before the time of the reconnection", DISCONNECTED, "DLX-LIM-09")
        run.clock.sleep_s(2 * MARGIN_S)
        bench.expect("after the time of the reconnection", CONNECTED, "DLX-LIM-09")
        run.clock.sleep_s(86400 - lead)
        bench.expect("a day after the disconnection", CONNECTED, "DLX-LIM-10")
    finally:
        with bench.open() as association:
            for name in ("disconnect_schedule", "reconnect_schedule"):
                cleared = meter.set_schedule(name, None, association)
                run.check(f"{name} is cleared", expected=(), actual=cleared.times)
        bench.restore(kept)
    return SwitchFound(states=tuple(bench.seen))
