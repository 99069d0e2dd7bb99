"""One attempt at an endpoint and the trace it leaves: the answer, and the status before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Literal, cast

from adapters.errors import Refused
from adapters.roles import Command, CommandOutcome, EndpointRadio, EndpointStatus, MaterialFlaw

DONE, REPLAY = "done", "replay"
SEALED = "sealed"  # a reading that came, and says nothing without its key
SWITCHING: tuple[Command, ...] = ("disconnect", "connect")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A command sent once. ``trace``: how the status differs from what the answer should have made of it."""

    command: Command
    material: MaterialFlaw
    answer: str  # done, sealed, replay, or the reason of the refusal
    trace: str

    @property
    def told(self) -> str:
        """Return it in a few words."""
        return f"{self.answer}, {self.trace or 'no other trace'}"


def attempt(radio: EndpointRadio, endpoint: str, command: Command, material: MaterialFlaw) -> Attempt:
    """Send a command and compare the whole status before and after.

    What was refused, and what was a replay, must have changed nothing; what was done must have changed just
    what it is for. ``material`` is a flaw: empty for material that is in order.
    """
    before = radio.status(endpoint)
    answer, executions = answer_to(radio, endpoint, command, material)
    wanted = _effect(before, command) if answer == DONE else before
    trace = difference(wanted, radio.status(endpoint))
    if answer == DONE and command != "read" and executions != wanted.executions:
        trace = f"{trace} the answer counts {executions} executions instead of {wanted.executions}".strip()
    return Attempt(command=command, material=material, answer=answer, trace=trace)


def answer_to(
    radio: EndpointRadio, endpoint: str, command: Command, material: MaterialFlaw
) -> tuple[str, int]:
    """Send a command and return what came of it in a word, and the execution count the answer carries.

    A reading is no command and counts none; what comes of it is whether it can be decoded.
    """
    send = cast(
        "Callable[[str, str, MaterialFlaw], CommandOutcome]",
        radio.send_switch if command in SWITCHING else radio.send,
    )
    try:
        if command == "read":
            return (DONE if radio.read(endpoint, material).decoded else SEALED), -1
        outcome = send(endpoint, command, material)
    except Refused as refusal:
        return refusal.reason, -1
    return (REPLAY if outcome.replay else DONE), outcome.executions


def difference(wanted: EndpointStatus, found: EndpointStatus) -> str:
    """Return in words where two statuses differ, empty where they do not."""
    return ", ".join(
        f"{field.name} {getattr(found, field.name)} instead of {getattr(wanted, field.name)}"
        for field in fields(EndpointStatus)
        if getattr(wanted, field.name) != getattr(found, field.name)
    )


def _effect(before: EndpointStatus, command: Command) -> EndpointStatus:
    """Return what an endpoint has to tell after a command was carried out."""
    counted = replace(before, executions=_one_more(before.executions))
    match command:
        case "read":
            return before
        case "program":
            return replace(counted, program_revision=_one_more(before.program_revision))
        case "reset":
            return replace(counted, tampers=min(before.tampers, 0))
        case "connect" | "disconnect":
            moved: Literal["connected", "disconnected"] = (
                "connected" if command == "connect" else "disconnected"
            )
            return replace(counted, switch=moved)
        case "open_session" | "close_session":
            return replace(counted, session_open=command == "open_session")
        case _:
            return counted


def _one_more(counter: int) -> int:
    return counter + 1 if counter >= 0 else counter  # one that cannot be read stays so
