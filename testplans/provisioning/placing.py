"""From the socket to Placed: bringing a unit there, and what meter and servers tell of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from adapters.errors import NotPermitted, TransportError
from adapters.roles import (
    AnsiMeter,
    ConfigurationRecord,
    ConfigurationServer,
    PathSwitch,
    PowerSource,
    ProvisioningHeadEnd,
)
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.provisioning.states import PLACED, PROVISIONED, StatesSeen, module_words, state_of, state_words
from testplans.provisioning.timeline import Happening, attach_time_line, events_of, seconds_between

PATHS = ("antenna", "internet", "tms", "configuration")


@dataclass(frozen=True, kw_only=True)
class UnitPlaced:
    """A unit that is ready to be provisioned, or has been already."""

    unit: str
    state: int
    waited_s: float


@procedure("place_unit", hurts=("energise", "configure"))
def place_unit(
    run: Steps,
    *,
    source: PowerSource,
    meter: AnsiMeter,
    tms: ProvisioningHeadEnd,
    unit: str,
    limit: Duration,
    paths: PathSwitch | None = None,
    poll: Duration = 1.0,
) -> UnitPlaced:
    """Bring a unit to Placed from wherever it is: paths connected, energised, its PIN in the properties.

    Where it does not get there, the failure says what the meter shows of its module and what TMS knows.
    """
    for path in PATHS if paths is not None else ():
        assert paths is not None
        paths.close_path(path)
    source.switch_on()
    began_s = run.clock.monotonic_s()
    while True:
        state = _state(meter)
        entry = tms.unit_entry(unit)
        waited_s = run.clock.monotonic_s() - began_s
        if state is not None and state >= PLACED and entry.known:
            break
        if waited_s >= limit:
            known = entry.status if entry.known else "not in the Master List"
            shown = "the meter does not answer" if state is None else module_words(meter)
            run.check(
                f"unit {unit} within {limit:g} s",
                expected=f"{state_words(PLACED)}, known to the head end",
                actual=f"{shown}; at the head end: {known}",
            )
        run.clock.sleep_s(poll)
    tms.set_pin(unit)
    return UnitPlaced(unit=unit, state=state, waited_s=round(waited_s, 3))


def _state(meter: AnsiMeter) -> int | None:
    try:
        return state_of(meter)
    except TransportError:  # it is still starting
        return None


@procedure("needs_new_unit")
def needs_new_unit(run: Steps, *, configuration: ConfigurationServer, unit: str) -> UnitPlaced:
    """Skip the case where the unit has been configured before: its first time cannot be had again."""
    if configuration.configuration_record(unit).auto_configurations:
        raise NotPermitted(f"{unit} has been configured before; this case needs one that has not")
    return UnitPlaced(unit=unit, state=0, waited_s=0.0)


@procedure("needs_unprovisioned_unit")
def needs_unprovisioned_unit(
    run: Steps, *, meter: AnsiMeter, tms: ProvisioningHeadEnd, unit: str
) -> UnitPlaced:
    """Skip the case where the unit has been provisioned before: its module goes on delivering, and may.

    Taking it off the Master List does not help, since the module remembers.
    """
    state = state_of(meter)
    if state >= PROVISIONED or tms.unit_entry(unit).status == "provisioned":
        raise NotPermitted(f"{unit} has been provisioned before; this case needs one that has not")
    return UnitPlaced(unit=unit, state=state, waited_s=0.0)


@dataclass(frozen=True, kw_only=True)
class Registered:
    """How long after its configuration a unit's registration reached the head end."""

    registered: bool
    delay_s: float


@procedure("registration_delay")
def registration_delay(
    run: Steps, *, configuration: ConfigurationServer, tms: ProvisioningHeadEnd, unit: str
) -> Registered:
    """Compare the configuration server's log with the head end's: when was it configured, when registered?"""
    written = configuration.configuration_record(unit).written_at
    found = [event for event in tms.search_events(unit).events if event.kind == "registration"]
    if written is None or not found:
        return Registered(registered=False, delay_s=0.0)
    return Registered(registered=True, delay_s=seconds_between(written, found[0].at))


@dataclass(frozen=True, kw_only=True)
class Story:
    """What meter, configuration server and head end tell of one installation, put together."""

    order: tuple[str, ...]
    states: tuple[int, ...]


@procedure("check_story")
def check_story(
    run: Steps,
    *,
    seen: StatesSeen,
    configuration: ConfigurationServer,
    tms: ProvisioningHeadEnd,
    unit: str,
    clock_tolerance: Duration = 2.0,
) -> Story:
    """Put what the three tell onto one time line, and see that effects do not come before their causes.

    Each goes by its own clock, so two that are closer than ``clock_tolerance`` count as in order.
    """
    record = configuration.configuration_record(unit)
    since = seen.at[0]
    events = tms.search_events(unit, since).events
    registrations = [event for event in events if event.kind == "registration"]
    moments = {
        "Auto-Configuration received": record.first_message_at,
        "parameters written": record.written_at,
        "registration processed": registrations[0].at if registrations else None,
        "registration confirmed": record.confirmed_at,
    }
    told = [
        Happening(at=at, who="meter", what=state_words(state))
        for at, state in zip(seen.at, seen.states, strict=True)
    ]
    told += events_of(events)
    told += [
        Happening(at=at, who="configuration", what=name)
        for name, at in moments.items()
        if at is not None and name != "registration processed"
    ]
    attach_time_line(run, told, since)
    missing = [name for name, at in moments.items() if at is None]
    run.check("told by the servers", expected="everything", actual=", ".join(missing) or "everything")
    order = _in_order({name: at for name, at in moments.items() if at is not None}, clock_tolerance)
    run.check("order of events", expected=" > ".join(moments), actual=" > ".join(order))
    return Story(order=tuple(order), states=seen.states)


def _in_order(moments: dict[str, datetime], tolerance_s: float) -> list[str]:
    """Return the names by time; a name stays where it is unless it is earlier by more than the tolerance."""
    names = list(moments)
    for first, second in pairwise(names):
        if moments[second] < moments[first] - timedelta(seconds=tolerance_s):
            return sorted(names, key=lambda name: moments[name])
    return names


@procedure("check_not_confirmed")
def check_not_confirmed(
    run: Steps, *, configuration: ConfigurationServer, unit: str, before: ConfigurationRecord
) -> ConfigurationRecord:
    """See that no confirmation has reached the configuration server since ``before``."""
    now = configuration.configuration_record(unit)
    fresh = now.confirmed and now.confirmed_at != before.confirmed_at
    run.check("confirmation since then", expected="none", actual=str(now.confirmed_at) if fresh else "none")
    return now
