"""What each security level lets anybody do: every command, without material and with it.

The matrix below is the pages' on security levels; where they leave something open it follows the older pages
on secured endpoints (a session opens what is on the menu, connect and disconnect want commands of their own).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from adapters.errors import Refused
from adapters.roles import Command, CommandOutcome, EndpointRadio, EndpointStatus, MaterialFlaw
from harness.actions import procedure
from harness.steps import Steps

Level = Literal["basic", "ready-to-secure", "command-security", "full-security", "network-mode"]
Row = tuple[Command, MaterialFlaw, str]  # command, material ("" right, "none"), the refusal or "done"

_PLAIN: tuple[Command, ...] = ("check", "program", "reset")
_SWITCHING: tuple[Command, ...] = ("disconnect", "connect")
_ABSENT, _COMMAND, _SESSION = "not-available", "secure-command-required", "session-required"


def _rows(commands: Iterable[Command], material: MaterialFlaw, answer: str) -> tuple[Row, ...]:
    return tuple((command, material, answer) for command in commands)


_SESSIONS: tuple[Command, ...] = ("open_session", "close_session")
_UNSECURED: tuple[Row, ...] = (
    *_rows(_PLAIN, "none", "done"),
    *_rows(_SWITCHING, "none", _ABSENT),
    *_rows(_SESSIONS, "none", _ABSENT),
)
_SECURED: tuple[Row, ...] = (
    *_rows((*_PLAIN, *_SWITCHING, "open_session"), "none", _COMMAND),
    ("close_session", "none", _SESSION),
    *_rows((*_PLAIN, *_SWITCHING), "", "done"),
    ("open_session", "", "done"),
    *_rows(_PLAIN, "none", "done"),  # unlocked
    *_rows(_SWITCHING, "none", _COMMAND),  # but these want commands of their own
    ("close_session", "none", "done"),
    *_rows(_PLAIN, "none", _COMMAND),
)
_NETWORK: tuple[Row, ...] = (
    *_rows((*_PLAIN, *_SWITCHING), "none", _SESSION),
    ("open_session", "none", _COMMAND),
    ("close_session", "none", _SESSION),
    *_rows((*_PLAIN, *_SWITCHING), "", _SESSION),  # a command of their own does not take the session's place
    ("open_session", "", "done"),
    *_rows((*_PLAIN, *_SWITCHING), "none", "done"),
    ("close_session", "none", "done"),
    *_rows((*_PLAIN, *_SWITCHING), "none", _SESSION),
)
MATRIX: Mapping[Level, tuple[Row, ...]] = {
    "basic": _UNSECURED,
    "ready-to-secure": _UNSECURED,
    "command-security": _SECURED,
    "full-security": _SECURED,
    "network-mode": _NETWORK,
}


@dataclass(frozen=True, kw_only=True)
class PermissionsFound:
    """How many attempts were carried out and refused, and how many of them against the matrix."""

    carried_out: int
    turned_down: int
    surprises: int


@procedure("check_permissions", hurts=("disconnect",))
def check_permissions(run: Steps, *, radio: EndpointRadio, endpoint: str, level: Level) -> PermissionsFound:
    """Try every command of the matrix on an endpoint of this level; compare whole states.

    What is refused must leave the whole status as it was; what is carried out must change just what it is
    for.
    """
    carried_out = turned_down = 0
    rows, surprises = ["command,material,expected,answer,trace"], []
    for command, material, expected in MATRIX[level]:
        before = radio.status(endpoint)
        answer = _answer(radio, endpoint, command, material)
        after = radio.status(endpoint)
        wanted = _effect(before, command) if answer == "done" else before
        trace = _difference(wanted, after)
        carried_out += answer == "done"
        turned_down += answer != "done"
        words = {"": "right", "none": "none"}[material]
        rows.append(f"{command},{words},{expected},{answer},{trace or 'as it should be'}")
        if answer != expected or trace:
            told = f"{command} with {words} material: expected {expected}, got {answer}"
            surprises.append(told + (f" ({trace})" if trace else ""))
    run.attach(f"what {level} lets anybody do", "text/csv", data="\n".join(rows) + "\n")
    run.check(
        f"{level} keeps to the matrix", expected="no surprise", actual="; ".join(surprises) or "no surprise"
    )
    return PermissionsFound(carried_out=carried_out, turned_down=turned_down, surprises=len(surprises))


def _answer(radio: EndpointRadio, endpoint: str, command: Command, material: MaterialFlaw) -> str:
    send = cast(
        "Callable[[str, str, MaterialFlaw], CommandOutcome]",
        radio.send_switch if command in _SWITCHING else radio.send,
    )
    try:
        outcome = send(endpoint, command, material)
    except Refused as refusal:
        return refusal.reason
    return "replay" if outcome.replay else "done"


def _effect(before: EndpointStatus, command: Command) -> EndpointStatus:
    """Return what an endpoint has to tell after a command was carried out."""
    after = replace(before, executions=before.executions + 1)
    match command:
        case "program":
            return replace(after, program_revision=before.program_revision + 1)
        case "reset":
            return replace(after, tampers=0)
        case "connect" | "disconnect":
            return replace(after, switch=f"{command}ed")
        case "open_session" | "close_session":
            return replace(after, session_open=command == "open_session")
        case _:
            return after


def _difference(wanted: EndpointStatus, found: EndpointStatus) -> str:
    return " ".join(
        f"{name} {getattr(found, name)} instead of {getattr(wanted, name)}"
        for name in vars(wanted)
        if getattr(wanted, name) != getattr(found, name)
    )


@dataclass(frozen=True, kw_only=True)
class HostileTried:
    """What an endpoint said to material that is not right for it."""

    tried: int
    taken: int


@procedure("try_hostile_material", hurts=("disconnect",))
def try_hostile_material(
    run: Steps,
    *,
    radio: EndpointRadio,
    endpoint: str,
    command: Command,
    flaw: MaterialFlaw,
    reason: str,
    times: int = 1,
) -> HostileTried:
    """Send a command with spoilt material; it is refused for ``reason`` each time and leaves no trace."""
    taken = 0
    for number in range(1, times + 1):
        before = radio.status(endpoint)
        answer = _answer(radio, endpoint, command, flaw)
        trace = _difference(before, radio.status(endpoint))
        taken += answer == "done"
        name = f"{command} with {flaw} material" + (f", attempt {number}" if times > 1 else "")
        run.check(name, expected=f"{reason}, no trace", actual=f"{answer}, {trace or 'no trace'}")
    return HostileTried(tried=times, taken=taken)


@dataclass(frozen=True, kw_only=True)
class SessionTimed:
    """How long a session unlocked an endpoint."""

    timeout_s: int
    until_last_action_s: float
    refused_after_s: float


@procedure("time_session")
def time_session(
    run: Steps,
    *,
    radio: EndpointRadio,
    endpoint: str,
    timeout_s: int,
    actions: int = 3,
    margin_s: float = 2.0,
) -> SessionTimed:
    """Open a session and act in it, evenly and once more just before its end; just after it nothing is taken.

    The time runs from the opening on: that something is done meanwhile must not prolong it.
    """
    run.check("configured time", expected=timeout_s, actual=radio.status(endpoint).session_timeout_s)
    radio.send(endpoint, "open_session", "")
    opened_s = run.clock.monotonic_s()
    last_s = timeout_s - margin_s
    for number in range(1, actions + 1):
        run.clock.sleep_s(max(0.0, opened_s + last_s * number / actions - run.clock.monotonic_s()))
        with run.step(f"{run.clock.monotonic_s() - opened_s:.1f} s after the opening"):
            run.check("check", expected="done", actual=_answer(radio, endpoint, "check", "none"))
    acted_s = run.clock.monotonic_s() - opened_s
    run.clock.sleep_s(max(0.0, opened_s + timeout_s + margin_s - run.clock.monotonic_s()))
    before = radio.status(endpoint)
    answer = _answer(radio, endpoint, "check", "none")
    refused_s = run.clock.monotonic_s() - opened_s
    with run.step(f"{refused_s:.1f} s after the opening"):
        run.check("session", expected="closed", actual="open" if before.session_open else "closed")
        run.check("check", expected=_SESSION, actual=answer)
        trace = _difference(before, radio.status(endpoint))
        run.check("trace of what was refused", expected="none", actual=trace or "none")
    return SessionTimed(
        timeout_s=timeout_s, until_last_action_s=round(acted_s, 3), refused_after_s=round(refused_s, 3)
    )
