"""Security levels: refused, given back; and the service of a device that has no right to move its switch."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import BenchError, Refused
from adapters.roles import EndpointRadio, SecurityLevel
from harness.actions import procedure
from harness.steps import Steps
from testplans.secured.attempts import difference
from testplans.secured.upkeep import leave_service_connected


@dataclass(frozen=True, kw_only=True)
class LevelsRefused:
    """How many levels an endpoint turned down."""

    refused: int


@procedure("refuse_levels", hurts=("configure",))
def refuse_levels(
    run: Steps, *, radio: EndpointRadio, endpoint: str, levels: tuple[SecurityLevel, ...]
) -> LevelsRefused:
    """Ask an endpoint for each of these levels; it must refuse every one, and stay just as it was."""
    for level in levels:
        before = radio.status(endpoint)
        try:
            answer = f"set to {radio.set_level(endpoint, level).level}"
        except Refused:
            answer = "refused"
        trace = difference(before, radio.status(endpoint))
        run.check(f"set to {level}", expected="refused, no trace", actual=f"{answer}, {trace or 'no trace'}")
    return LevelsRefused(refused=len(levels))


@dataclass(frozen=True, kw_only=True)
class LevelRestored:
    """The level an endpoint was left at."""

    level: str
    changed: bool


@procedure("restore_level", hurts=("configure",))
def restore_level(run: Steps, *, radio: EndpointRadio, endpoint: str, level: SecurityLevel) -> LevelRestored:
    """Set an endpoint back to a level, in a session where it is secured; leave it alone where it is there."""
    now = radio.status(endpoint)
    if now.level == level:
        return LevelRestored(level=level, changed=False)
    if now.security_enabled and not now.session_open:
        radio.send(endpoint, "open_session", "")
    return LevelRestored(level=radio.set_level(endpoint, level).level, changed=True)


@dataclass(frozen=True, kw_only=True)
class ServiceRestored:
    """An endpoint whose customer has service."""

    endpoint: str
    was_disconnected: bool


@procedure("restore_service", hurts=("disconnect", "configure"))
def restore_service(run: Steps, *, radio: EndpointRadio, endpoint: str) -> ServiceRestored:
    """Connect the service of a device of any level, should it be disconnected.

    A device without security does not take connect, or should not: an enhanced one is brought to command
    security for it and back. In network mode a session is opened for it and closed again. Raises BenchError
    where it stays disconnected: a bench with a dead meter is not safe.
    """
    found = radio.status(endpoint)
    if found.switch != "disconnected":
        return ServiceRestored(endpoint=endpoint, was_disconnected=False)
    try:
        radio.send_switch(endpoint, "connect", "none")
    except Refused:
        match found.level:
            case "ready-to-secure":
                radio.set_level(endpoint, "command-security")
                radio.send_switch(endpoint, "connect")
                restore_level(run, radio=radio, endpoint=endpoint, level="ready-to-secure")
            case "network-mode":
                radio.send(endpoint, "open_session", "")
                radio.send_switch(endpoint, "connect", "none")
                radio.send(endpoint, "close_session")
            case "command-security" | "full-security":
                leave_service_connected(run, radio=radio, endpoint=endpoint)
    if radio.status(endpoint).switch == "disconnected":
        raise BenchError(f"endpoint {endpoint} has disconnected its customer and does not connect him again")
    return ServiceRestored(endpoint=endpoint, was_disconnected=True)
