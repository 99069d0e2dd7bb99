"""The supply switch as the meter moves it: by its limiter, by a schedule, and by the rules of its mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from adapters.roles import DlmsMeter, PowerSource
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms import profile_words as words

DISCONNECTED, CONNECTED, READY = 0, 1, 2
_STATES = {DISCONNECTED: "disconnected", CONNECTED: "connected", READY: "ready for reconnection"}
_SETTINGS = (
    "threshold_normal",
    "threshold_emergency",
    "min_over_threshold_duration",
    "min_under_threshold_duration",
)
AFTER_RECONNECT = {1: READY, 2: CONNECTED, 3: READY, 4: CONNECTED, 5: READY, 6: READY}
"""Control mode -> the state after a remote reconnection of a disconnected supply (Blue Book 4.5.8)."""
_MARGIN_S = 10


@dataclass(frozen=True, kw_only=True)
class SwitchFound:
    """The states that were seen, in words, in their order."""

    states: tuple[str, ...]


class _Bench:
    """Meter and source of one procedure: looks at the switch through associations of a moment."""

    def __init__(self, run: Steps, meter: DlmsMeter, client: str, link: str) -> None:
        self.run, self.meter, self.client, self.link = run, meter, client, link
        self.seen: list[str] = []

    @contextmanager
    def open(self) -> Iterator[str]:
        with words.opened(self.meter, self.client, self.link) as association:
            yield association

    def state(self) -> str:
        with self.open() as association:
            state = words.number(self.meter, "disconnect_control", "control_state", association)
            output = self.meter.get("disconnect_control", "output_state", association).value
        told = _STATES.get(state, f"state {state}")
        self.run.check("output and state agree", expected=told == "connected", actual=bool(output))
        self.seen.append(told)
        return told

    def expect(self, name: str, state: int, *behaviours: str) -> None:
        self.run.check(name, expected=_STATES[state], actual=self.state(), behaviours=behaviours)

    def set_limit(self, threshold_w: int, over_s: int, under_s: int) -> None:
        with self.open() as association:
            for attribute, value in (
                ("min_over_threshold_duration", over_s),
                ("min_under_threshold_duration", under_s),
                ("threshold_normal", threshold_w),
            ):
                self.meter.set("limiter", value, attribute, association)

    def set_mode(self, mode: int) -> None:
        with self.open() as association:
            self.meter.set("disconnect_control", mode, "control_mode", association)

    def settings(self) -> dict[str, int]:
        with self.open() as association:
            kept = {name: words.number(self.meter, "limiter", name, association) for name in _SETTINGS}
            return kept | {
                "mode": words.number(self.meter, "disconnect_control", "control_mode", association)
            }

    def restore(self, kept: dict[str, int]) -> None:
        """Put the settings back and close the switch, in a mode in which a remote command can."""
        with self.open() as association:
            for name in _SETTINGS:
                self.meter.set("limiter", kept[name], name, association)
            if words.number(self.meter, "disconnect_control", "control_state", association) != CONNECTED:
                self.meter.set("disconnect_control", 4, "control_mode", association)
                self.meter.disconnect_supply(association)
                self.meter.reconnect_supply(association)
            self.meter.set("disconnect_control", kept["mode"], "control_mode", association)


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
    patience: Duration = 120.0,
    client: str = "management",
    link: str = "",
) -> SwitchFound:
    """Load the meter under and over its limit, in control mode 4: it opens after ``patience`` of overload.

    Not under the limit, not before the time, not for overloads that end in time. Then it waits for the
    button: neither low load nor a remote reconnection closes it.
    """
    bench = _Bench(run, meter, client, link)
    kept = bench.settings()
    source.apply(voltage_v, low_a)
    try:
        bench.set_mode(4)
        bench.set_limit(threshold_w, int(patience), int(patience))
        run.clock.sleep_s(2 * patience)
        bench.expect("under the limit", CONNECTED)
        source.apply(voltage_v, high_a)
        run.clock.sleep_s(patience - _MARGIN_S)
        bench.expect("over the limit, before the time", CONNECTED, "DLX-LIM-02")
        source.apply(voltage_v, low_a)
        run.clock.sleep_s(patience / 2)
        source.apply(voltage_v, high_a)
        run.clock.sleep_s(patience - _MARGIN_S)
        bench.expect("over the limit again, before the time", CONNECTED, "DLX-LIM-03")
        run.clock.sleep_s(2 * _MARGIN_S)
        bench.expect("over the limit, after the time", READY, "DLX-LIM-01", "DLX-LIM-05")
        with bench.open() as association:
            flows = meter.read_register("power_import", association=association)
        run.measure("power behind the open switch", flows.value, flows.unit, low=0, high=0)
        source.apply(voltage_v, low_a)
        run.clock.sleep_s(patience + _MARGIN_S)
        bench.expect("in mode 4 low load does not close it", READY, "DLX-LIM-06")
        with bench.open() as association:
            meter.reconnect_supply(association)
        bench.expect("in mode 4 a remote reconnection does not close what the limiter opened", READY)
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
    patience: Duration = 120.0,
    client: str = "management",
    link: str = "",
) -> SwitchFound:
    """In control mode 5 the limiter closes the switch it has opened, after ``patience`` without overload."""
    bench = _Bench(run, meter, client, link)
    kept = bench.settings()
    source.apply(voltage_v, high_a)
    try:
        bench.set_mode(5)
        bench.set_limit(threshold_w, int(patience), int(patience))
        run.clock.sleep_s(patience + _MARGIN_S)
        bench.expect("over the limit, after the time", READY, "DLX-LIM-01", "DLX-LIM-05")
        source.apply(voltage_v, low_a)
        run.clock.sleep_s(patience - 2 * _MARGIN_S)
        bench.expect("before its time it stays open", READY, "DLX-LIM-04")
        run.clock.sleep_s(2 * _MARGIN_S)
        bench.expect("in mode 5 it closes after its time", CONNECTED, "DLX-LIM-04")
    finally:
        bench.restore(kept)
    return SwitchFound(states=tuple(bench.seen))


@procedure("emergency_limit", hurts=("disconnect", "energise"))
def emergency_limit(
    run: Steps,
    *,
    meter: DlmsMeter,
    threshold_w: int,
    emergency_w: int,
    lead: Duration = 300.0,
    duration: Duration = 600.0,
    client: str = "management",
    link: str = "",
) -> SwitchFound:
    """Put an emergency profile in force for a while: before, within and after it another limit is active."""
    bench = _Bench(run, meter, client, link)
    kept = bench.settings()
    try:
        bench.set_limit(threshold_w, 86400, 86400)  # the switch is not meant to move here
        with bench.open() as association:
            meter.set("limiter", emergency_w, "threshold_emergency", association)
            begins = meter.read_clock(association=association).device_time + timedelta(seconds=lead)
            meter.set_emergency_profile("limiter", begins, int(duration), association=association)
        for name, wait_s, active, limit_w in (
            ("before", 0.0, False, threshold_w),
            ("within", lead + _MARGIN_S, True, emergency_w),
            ("after", duration, False, threshold_w),
        ):
            run.clock.sleep_s(wait_s)
            with bench.open() as association:
                told = meter.get("limiter", "emergency_profile_active", association).value
                used = words.number(meter, "limiter", "threshold_active", association)
            run.check(
                f"{name} the emergency profile: in force",
                expected=active,
                actual=told,
                behaviours=("DLX-LIM-07",),
            )
            run.measure(
                f"{name} the emergency profile: active limit",
                used,
                "W",
                low=limit_w,
                high=limit_w,
                behaviours=("DLX-LIM-08",),
            )
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
    """Schedule a disconnection and a reconnection: each at its time, each once and not on the next day."""
    bench = _Bench(run, meter, client, link)
    kept = bench.settings()
    try:
        bench.set_mode(4)
        with bench.open() as association:
            now = meter.read_clock(association=association).device_time.replace(microsecond=0)
            meter.set_schedule("disconnect_schedule", now + timedelta(seconds=lead), association)
            meter.set_schedule("reconnect_schedule", now + timedelta(seconds=2 * lead), association)
        run.clock.sleep_s(lead - _MARGIN_S)
        bench.expect("before the time of the disconnection", CONNECTED, "DLX-LIM-09")
        run.clock.sleep_s(2 * _MARGIN_S)
        bench.expect("after the time of the disconnection", DISCONNECTED, "DLX-LIM-09")
        run.clock.sleep_s(lead - 2 * _MARGIN_S)
        bench.expect("before the time of the reconnection", DISCONNECTED, "DLX-LIM-09")
        run.clock.sleep_s(2 * _MARGIN_S)
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


@procedure("reconnection_rules", hurts=("disconnect",))
def reconnection_rules(
    run: Steps, *, meter: DlmsMeter, client: str = "management", link: str = ""
) -> SwitchFound:
    """Disconnect and reconnect remotely in each control mode, which decides whether the button is needed."""
    bench = _Bench(run, meter, client, link)
    kept = bench.settings()
    try:
        for mode, reached in AFTER_RECONNECT.items():
            bench.set_mode(mode)
            with bench.open() as association:
                meter.disconnect_supply(association)
            bench.expect(f"mode {mode}: a remote disconnection", DISCONNECTED)
            with bench.open() as association:
                meter.reconnect_supply(association)
            bench.expect(f"mode {mode}: a remote reconnection", reached, "DLX-LIM-11")
            bench.restore(kept)
    finally:
        bench.restore(kept)
    bench.expect("restored", CONNECTED)
    return SwitchFound(states=tuple(bench.seen))
