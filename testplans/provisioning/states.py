"""What a module goes through on its way to being provisioned, as the meter's optical port shows it."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import BenchError, NotPermitted
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

TABLE, FIELD = "module_status", "STATE_CODE"
PLACED, PROVISIONED = 5, 6
WORDS = {
    0: "not checked",
    1: "checked by the integrator",
    2: "ready",
    3: "pre-configured",
    4: "configured, registering",
    5: "placed",
    6: "provisioned",
}


@dataclass(frozen=True, kw_only=True)
class StatesSeen:
    """The states a module showed, each once, in the order they came; ``took_s`` until the last of them."""

    states: tuple[int, ...]
    words: tuple[str, ...]
    reached: bool
    took_s: float


def state_of(meter: AnsiMeter) -> int:
    """Return the state code the meter shows of its module. Raises BenchError where that is no number."""
    value = meter.read_field(TABLE, FIELD).value
    if not isinstance(value, int):
        raise BenchError(f"{TABLE}.{FIELD} holds {value!r}, not a state code")
    return value


@procedure("watch_states")
def watch_states(
    run: Steps, *, meter: AnsiMeter, until: int, limit: Duration, poll: Duration = 0.5
) -> StatesSeen:
    """Look at the optical port every ``poll`` until state ``until`` is shown or ``limit`` has passed.

    It judges nothing: what was seen is for the steps behind it.
    """
    began_s = run.clock.monotonic_s()
    seen: list[tuple[float, int]] = []
    while True:
        state, now_s = state_of(meter), run.clock.monotonic_s() - began_s
        if not seen or seen[-1][1] != state:
            seen.append((now_s, state))
        if state == until or now_s >= limit:
            break
        run.clock.sleep_s(min(poll, limit - now_s))
    rows = [f"{at_s:.1f},{state:02d},{WORDS.get(state, 'unknown')}" for at_s, state in seen]
    run.attach("states of the module", "text/csv", data="\n".join(["after s,code,state", *rows]) + "\n")
    states = tuple(state for _, state in seen)
    return StatesSeen(
        states=states,
        words=tuple(WORDS.get(state, "unknown") for state in states),
        reached=states[-1] == until,
        took_s=seen[-1][0],
    )


@procedure("check_states")
def check_states(run: Steps, *, seen: StatesSeen, expected: tuple[int, ...]) -> StatesSeen:
    """Compare what was seen with the states that were expected, from the first of them on."""
    from_there = seen.states[seen.states.index(expected[0]) :] if expected[0] in seen.states else seen.states
    run.check("states in their order", expected=_shown(expected), actual=_shown(from_there))
    return seen


def _shown(states: tuple[int, ...]) -> str:
    return " > ".join(f"{state:02d} {WORDS.get(state, 'unknown')}" for state in states)


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

    Raises BenchError where it does not get there: then there is nothing yet to judge.
    """
    if paths is not None:
        for path in ("antenna", "internet", "tms", "configuration"):
            paths.close_path(path)
    source.switch_on()
    began_s = run.clock.monotonic_s()
    while (state := state_of(meter)) < PLACED or not tms.unit_entry(unit).known:
        waited_s = run.clock.monotonic_s() - began_s
        if waited_s >= limit:
            raise BenchError(f"{unit} is not Placed after {waited_s:g} s: {WORDS.get(state, state)}")
        run.clock.sleep_s(poll)
    tms.set_pin(unit)
    return UnitPlaced(unit=unit, state=state, waited_s=run.clock.monotonic_s() - began_s)


@procedure("needs_new_unit")
def needs_new_unit(run: Steps, *, configuration: ConfigurationServer, unit: str) -> UnitPlaced:
    """Skip the case where the unit has been configured before: its first time cannot be had again."""
    if configuration.configuration_record(unit).auto_configurations:
        raise NotPermitted(f"{unit} has been configured before; this case needs one that has not")
    return UnitPlaced(unit=unit, state=0, waited_s=0.0)


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
    return Registered(registered=True, delay_s=round((found[0].at - written).total_seconds(), 3))


@procedure("check_not_confirmed")
def check_not_confirmed(
    run: Steps, *, configuration: ConfigurationServer, unit: str, before: ConfigurationRecord
) -> ConfigurationRecord:
    """See that no confirmation has reached the configuration server since ``before``."""
    now = configuration.configuration_record(unit)
    fresh = now.confirmed and now.confirmed_at != before.confirmed_at
    run.check("confirmation since then", expected="none", actual=str(now.confirmed_at) if fresh else "none")
    return now
