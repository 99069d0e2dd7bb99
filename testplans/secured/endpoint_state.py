"""What an endpoint has done since somebody last looked: counted, or compared as a whole."""

from __future__ import annotations

from dataclasses import dataclass, fields

from adapters.errors import BenchError
from adapters.roles import EndpointRadio, EndpointStatus
from harness.actions import procedure
from harness.steps import Steps


@dataclass(frozen=True, kw_only=True)
class CommandsSince:
    """How many commands an endpoint has carried out, and where that has left it."""

    commands: int
    programs: int
    switch: str
    moved: bool  # the switch stands elsewhere than before
    session_open: bool


@dataclass(frozen=True, kw_only=True)
class Untouched:
    """That an endpoint is as it was."""

    compared: int


@procedure("commands_since")
def commands_since(
    run: Steps, *, radio: EndpointRadio, endpoint: str, before: EndpointStatus
) -> CommandsSince:
    """Count what an endpoint has carried out since its status was saved as ``before``.

    Inconclusive where its counters cannot be read.
    """
    now = _looked_again(radio, endpoint, before)
    if min(now.executions, before.executions, now.program_revision, before.program_revision) < 0:
        run.inconclusive(f"endpoint {endpoint} does not tell how many commands it has carried out")
    return CommandsSince(
        commands=now.executions - before.executions,
        programs=now.program_revision - before.program_revision,
        switch=now.switch,
        moved=now.switch != before.switch,
        session_open=now.session_open,
    )


@procedure("check_untouched")
def check_untouched(run: Steps, *, radio: EndpointRadio, endpoint: str, before: EndpointStatus) -> Untouched:
    """Compare all an endpoint tells of itself with what it told before: what was refused leaves no trace."""
    now = _looked_again(radio, endpoint, before)
    names = [field.name for field in fields(EndpointStatus)]
    changed = [
        f"{name} {getattr(before, name)} -> {getattr(now, name)}"
        for name in names
        if getattr(before, name) != getattr(now, name)
    ]
    run.check(
        f"endpoint {endpoint} is as it was", expected="no change", actual=", ".join(changed) or "no change"
    )
    return Untouched(compared=len(names))


def _looked_again(radio: EndpointRadio, endpoint: str, before: EndpointStatus) -> EndpointStatus:
    if before.endpoint != endpoint:
        raise BenchError(f"the status to compare with is that of endpoint {before.endpoint}, not {endpoint}")
    return radio.status(endpoint)
