"""What a security level lets anybody do: commands tried one by one, with material and without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adapters.roles import Command, EndpointRadio, MaterialFlaw
from harness.actions import procedure
from harness.steps import Steps
from testplans.secured.attempts import DONE, Attempt, attempt

Material = Literal["right", "none"]


@dataclass(frozen=True, kw_only=True)
class PermissionsFound:
    """How many commands were carried out, and how many turned down."""

    carried_out: int
    turned_down: int


@procedure("check_permissions", hurts=("disconnect",))
def check_permissions(
    run: Steps,
    *,
    radio: EndpointRadio,
    endpoint: str,
    commands: tuple[Command, ...],
    material: Material,
    answer: str,
) -> PermissionsFound:
    """Try each command in turn; every one is to get the same answer: ``done``, or a reason to refuse it.

    ``right`` material is what was issued for each command. Whole statuses are compared: what is refused
    leaves no trace, what is done changes just what it is for.
    """
    flaw: MaterialFlaw = "" if material == "right" else "none"
    tried = [attempt(radio, endpoint, command, flaw) for command in commands]
    words = "right" if material == "right" else "no"
    run.attach(f"endpoint {endpoint}, {words} material", "text/csv", data=_csv(tried, answer))
    strangers = [
        f"{each.command} with {words} material: {each.told}"
        for each in tried
        if each.answer != answer or each.trace
    ]
    run.check(
        f"{', '.join(commands)} with {words} material",
        expected=f"{answer}, no other trace",
        actual="; ".join(strangers) or f"{answer}, no other trace",
    )
    done = sum(each.answer == DONE for each in tried)
    return PermissionsFound(carried_out=done, turned_down=len(tried) - done)


def _csv(tried: list[Attempt], expected: str) -> str:
    rows = [
        f"{each.command},{each.material or 'right'},{expected},{each.answer},{each.trace.replace(',', ';')}"
        for each in tried
    ]
    return "\n".join(["command,material,expected,answer,trace", *rows]) + "\n"
