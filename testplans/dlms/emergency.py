"""The emergency profile of a limiter: another limit for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

from adapters.roles import DlmsMeter, PowerSource
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms import profile_words as words
from testplans.dlms.supply_switch import CONNECTED, MARGIN_S, READY, SwitchBench, SwitchFound

PROFILE, OTHER = 1, 2
"""The number of the emergency profile used here, and one that is not its own."""
_DAY_S = 86400


@contextmanager
def _emergency_groups(bench: SwitchBench) -> Iterator[None]:
    """Put the settings and the emergency groups back in the end."""
    kept = bench.settings()
    with bench.open() as association:
        groups = bench.meter.read_emergency_groups("limiter", association)
    try:
        yield
    finally:
        with bench.open() as association:
            bench.meter.set_emergency_groups("limiter", groups, association)
        bench.restore(kept)


def _plan(bench: SwitchBench, group: int, emergency_w: int, lead: float, duration: float) -> None:
    with bench.open() as association:
        bench.meter.set_emergency_groups("limiter", (group,), association)
        bench.meter.set("limiter", emergency_w, "threshold_emergency", association)
        begins = bench.meter.read_clock(association=association).device_time + timedelta(seconds=lead)
        bench.meter.set_emergency_profile("limiter", begins, int(duration), PROFILE, association)


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
    """Put an emergency profile in force for a while: before, within and after it another limit is active.

    Only a profile whose number is among the emergency groups of the meter comes into force.
    """
    bench = SwitchBench(run, meter, client, link)
    with _emergency_groups(bench):
        bench.set_limit(threshold_w, _DAY_S, _DAY_S)  # the switch is not meant to move here
        _plan(bench, OTHER, emergency_w, MARGIN_S, duration)
        run.clock.sleep_s(2 * MARGIN_S)
        with bench.open() as association:
            told = meter.get("limiter", "emergency_profile_active", association).value
        run.check(
            f"profile {PROFILE} in force where the only group is {OTHER}",
            expected=False,
            actual=told,
            behaviours=("DLX-LIM-13",),
        )
        _plan(bench, PROFILE, emergency_w, lead, duration)
        with bench.open() as association:
            written = meter.get("limiter", "emergency_profile", association).value
        run.check(
            "number and duration of the profile, read back",
            expected=f"{PROFILE} for {int(duration)} s",
            actual=_told(written),
        )
        for name, wait_s, active, limit_w in (
            ("before", 0.0, False, threshold_w),
            ("within", lead + MARGIN_S, True, emergency_w),
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
    return SwitchFound(states=tuple(bench.seen))


@procedure("emergency_opens", hurts=("disconnect", "energise"))
def emergency_opens(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    voltage_v: Decimal,
    current_a: Decimal,
    threshold_w: int,
    emergency_w: int,
    patience: Duration = 60.0,
    lead: Duration = 120.0,
    client: str = "management",
    link: str = "",
) -> SwitchFound:
    """Apply a load between the two limits: it opens the switch once the emergency limit has been in force."""
    bench = SwitchBench(run, meter, client, link)
    source.apply(voltage_v, current_a)
    with _emergency_groups(bench):
        bench.set_mode(4)
        bench.set_limit(threshold_w, int(patience), _DAY_S)
        _plan(bench, PROFILE, emergency_w, lead, _DAY_S)
        run.clock.sleep_s(lead - MARGIN_S)
        bench.expect("under the normal limit, before the emergency", CONNECTED, "DLX-LIM-07")
        run.clock.sleep_s(patience)
        bench.expect("over the emergency limit, before the time", CONNECTED, "DLX-LIM-02")
        run.clock.sleep_s(2 * MARGIN_S)
        bench.expect("over the emergency limit, after the time", READY, "DLX-LIM-08")
        with bench.open() as association:  # the emergency is over at once
            meter.set_emergency_profile(
                "limiter", meter.read_clock(association=association).device_time, 0, PROFILE, association
            )
    return SwitchFound(states=tuple(bench.seen))


def _told(written: object) -> str:
    """Return number and duration of an emergency profile: a structure of a number, a time, a number."""
    if isinstance(written, list | tuple) and len(written) == 3:
        return f"{written[0]} for {written[2]} s"
    return repr(written)
