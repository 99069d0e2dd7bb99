"""What the control mode makes of remote commands, and what a supply interruption leaves of the switch."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from adapters.errors import Refused
from adapters.roles import DlmsMeter, PowerSource
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms import profile_words as words
from testplans.dlms.supply_switch import CONNECTED, DISCONNECTED, READY, SwitchBench, SwitchFound

AFTER_RECONNECT = {1: READY, 2: CONNECTED, 3: READY, 4: CONNECTED, 5: READY, 6: READY}
"""Control mode -> the state after a remote reconnection of a disconnected supply (Blue Book 4.5.8)."""


@procedure("reconnection_rules", hurts=("disconnect",))
def reconnection_rules(
    run: Steps,
    *,
    meter: DlmsMeter,
    modes: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6),
    client: str = "management",
    link: str = "",
) -> SwitchFound:
    """Disconnect and reconnect remotely in each control mode, which decides whether the button is needed.

    What waits for the button can be disconnected again. In mode 0 the supply is always connected.
    """
    bench = SwitchBench(run, meter, client, link)
    kept = bench.settings()
    try:
        for mode in modes:
            bench.set_mode(mode)
            reached = AFTER_RECONNECT.get(mode)
            if reached is None:
                with bench.open() as association, suppress(Refused):
                    meter.disconnect_supply(association)
                bench.expect(f"mode {mode}: a remote disconnection", CONNECTED, "DLX-LIM-11")
                continue
            with bench.open() as association:
                meter.disconnect_supply(association)
            bench.expect(f"mode {mode}: a remote disconnection", DISCONNECTED)
            with bench.open() as association:
                meter.reconnect_supply(association)
            bench.expect(f"mode {mode}: a remote reconnection", reached, "DLX-LIM-11")
            if reached == READY:
                with bench.open() as association:
                    meter.disconnect_supply(association)
                bench.expect(f"mode {mode}: a remote disconnection again", DISCONNECTED, "DLX-LIM-11")
            bench.restore(kept)
    finally:
        bench.restore(kept)
    bench.expect("restored", CONNECTED)
    return SwitchFound(states=tuple(bench.seen))


@procedure("switch_across_power_cut", hurts=("disconnect", "energise"))
def switch_across_power_cut(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    threshold_w: int,
    off: Duration = 60.0,
    start_up: Duration = 30.0,
    client: str = "management",
    link: str = "",
) -> SwitchFound:
    """Disconnect the supply, set limits and a schedule, cut the supply: all of it is as it was afterwards."""
    bench = SwitchBench(run, meter, client, link)
    kept = bench.settings()
    try:
        bench.set_mode(4)
        over_s, under_s = 77, 88
        bench.set_limit(threshold_w, over_s, under_s)
        with bench.open() as association:
            meter.disconnect_supply(association)
            tomorrow = meter.read_clock(association=association).device_time + timedelta(days=1)
            scheduled = meter.set_schedule("disconnect_schedule", tomorrow, association)
            limits = bench.limits(association)
        written = {
            "threshold_normal": threshold_w,
            "min_over_threshold_duration": over_s,
            "min_under_threshold_duration": under_s,
        }
        run.check("limits as they were written", expected=kept | written, actual=kept | limits)
        bench.cut(source, off, start_up)
        bench.expect("the switch after the cut", DISCONNECTED, "DLX-LIM-12")
        with bench.open() as association:
            limits_now = bench.limits(association)
            mode = words.number(meter, "disconnect_control", "control_mode", association)
            schedule = meter.read_schedule("disconnect_schedule", association)
        run.check("limits after the cut", expected=limits, actual=limits_now, behaviours=("DLX-LIM-12",))
        run.check("control mode after the cut", expected=4, actual=mode, behaviours=("DLX-LIM-12",))
        run.check(
            "times of the schedule after the cut",
            expected=scheduled.times,
            actual=schedule.times,
            behaviours=("DLX-LIM-12",),
        )
    finally:
        with bench.open() as association:
            meter.set_schedule("disconnect_schedule", None, association)
        bench.restore(kept)
    bench.expect("restored", CONNECTED)
    return SwitchFound(states=tuple(bench.seen))
