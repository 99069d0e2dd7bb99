"""Material that is not right for an endpoint: sent, refused, and nothing may have come of it."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.roles import Command, EndpointRadio, MaterialFlaw
from harness.actions import procedure
from harness.steps import Steps
from testplans.secured.attempts import DONE, Attempt, attempt


@dataclass(frozen=True, kw_only=True)
class HostileTried:
    """What an endpoint made of it."""

    tried: int
    taken: int


@procedure("try_hostile_material", hurts=("disconnect",))
def try_hostile_material(
    run: Steps,
    *,
    radio: EndpointRadio,
    endpoint: str,
    commands: tuple[Command, ...],
    flaw: MaterialFlaw,
    reason: str,
    times: int = 1,
) -> HostileTried:
    """Send commands with spoilt material; each is refused for ``reason`` every time and leaves no trace.

    Every attempt is in the report, whatever came of it.
    """
    tried = [
        (number, attempt(radio, endpoint, command, flaw))
        for command in commands
        for number in range(1, times + 1)
    ]
    run.attach(f"endpoint {endpoint}, {flaw} material", "text/csv", data=_csv(tried, flaw, reason))
    strangers = [
        f"{each.command}, attempt {number}: {each.told}"
        for number, each in tried
        if each.answer != reason or each.trace
    ]
    expected = f"{reason}, no other trace"
    run.check(
        f"{', '.join(commands)} with {flaw} material",
        expected=expected,
        actual="; ".join(strangers) or expected,
    )
    return HostileTried(tried=len(tried), taken=sum(each.answer == DONE for _, each in tried))


def _csv(tried: list[tuple[int, Attempt]], flaw: MaterialFlaw, expected: str) -> str:
    rows = [
        f"{each.command},{number},{flaw},{expected},{each.answer},{each.trace.replace(',', ';')}"
        for number, each in tried
    ]
    return "\n".join(["command,attempt,material,expected,answer,trace", *rows]) + "\n"
