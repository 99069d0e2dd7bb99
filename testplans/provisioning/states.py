"""What a module goes through on its way to being provisioned, as the meter's optical port shows it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.errors import BenchError, TransportError
from adapters.roles import AnsiMeter
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps

TABLE, FIELD = "module_status", "STATE_CODE"
NOT_PROVISIONED, PLACED, PROVISIONED = 2, 5, 6
WORDS = {
    0: "not checked",
    1: "checked by the integrator",
    2: "ready",
    3: "pre-configured",
    4: "configured, registering",
    5: "placed",
    6: "provisioned",
}
ERRORS = {30: "auto-configuration failed", 31: "registration failed"}


@dataclass(frozen=True, kw_only=True)
class StatesSeen:
    """The states a module showed, each time it changed, in the order they came.

    ``took_s`` until the last of them; ``at`` are the moments they were seen, by the clock in use. One
    that was still starting and did not answer has shown nothing.
    """

    states: tuple[int, ...]
    words: tuple[str, ...]
    at: tuple[datetime, ...]
    reached: bool
    took_s: float


def state_of(meter: AnsiMeter) -> int:
    """Return the state code the meter shows of its module. Raises BenchError where that is no number."""
    value = meter.read_field(TABLE, FIELD).value
    if not isinstance(value, int):
        raise BenchError(f"{TABLE}.{FIELD} holds {value!r}, not a state code")
    return value


def state_words(state: int) -> str:
    """Return a state as people read it: ``03 pre-configured``."""
    return f"{state:02d} {WORDS.get(state, 'unknown')}"


def module_words(meter: AnsiMeter) -> str:
    """Say in one line what the meter shows of its module, for a message that has to name a cause."""
    fields = meter.read_table(TABLE).fields
    error, coverage = fields.get("ERROR_CODE"), fields.get("COVERAGE")
    told = [state_words(state_of(meter))]
    if isinstance(error, int) and error:
        told.append(f"error {error} {ERRORS.get(error, 'unknown')}")
    if coverage is not None:
        told.append("coverage" if coverage else "no coverage")
    if "RSSI" in fields:
        told.append(f"RSSI {fields['RSSI']}")
    return ", ".join(told)


@procedure("watch_states")
def watch_states(
    run: Steps, *, meter: AnsiMeter, until: int, limit: Duration, poll: Duration = 0.5
) -> StatesSeen:
    """Look at the optical port every ``poll`` until state ``until`` is shown or ``limit`` has passed.

    It judges nothing: what was seen is for the steps behind it. A meter that does not answer yet is asked
    again; one that never answers is the wire's error.
    """
    began_s, began_at = run.clock.monotonic_s(), run.clock.utc_now()
    seen: list[tuple[float, int]] = []
    while True:
        silent: TransportError | None = None
        try:
            state = state_of(meter)
        except TransportError as error:
            silent = error
        now_s = run.clock.monotonic_s() - began_s
        if silent is None and (not seen or seen[-1][1] != state):
            seen.append((now_s, state))
        if now_s >= limit or (silent is None and state == until):
            break
        run.clock.sleep_s(min(poll, limit - now_s))
    if not seen:
        assert silent is not None
        raise silent
    states = tuple(state for _, state in seen)
    run.attach("states of the module", "text/csv", data=_csv(seen))
    return StatesSeen(
        states=states,
        words=tuple(WORDS.get(state, "unknown") for state in states),
        at=tuple(began_at + timedelta(seconds=at_s) for at_s, _ in seen),
        reached=states[-1] == until,
        took_s=round(seen[-1][0], 3),
    )


@procedure("check_states")
def check_states(run: Steps, *, seen: StatesSeen, expected: tuple[int, ...]) -> StatesSeen:
    """Compare what was seen with the states that were expected.

    What a module shows before it has started (up to "ready") may or may not have been seen, and is left out.
    """
    shown = tuple(state for state in seen.states if state > NOT_PROVISIONED)
    run.check("states in their order", expected=_shown(expected), actual=_shown(shown))
    return seen


def _csv(seen: Sequence[tuple[float, int]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("after s", "code", "state"))
    writer.writerows((f"{at_s:.1f}", f"{state:02d}", WORDS.get(state, "unknown")) for at_s, state in seen)
    return out.getvalue()


def _shown(states: tuple[int, ...]) -> str:
    return " > ".join(map(state_words, states)) or "none"
