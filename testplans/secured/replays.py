"""Whether a command was carried out, decided by the state of the endpoint and never by a replay flag.

An endpoint that says "replay" repeats what it sent the first time; in rare cases it says so of a command that
was never carried out. Neither way does the answer prove anything. Two things do: the endpoint's own count of
commands, and the position of its switch where the command moves one. Where both can be read they must agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adapters.errors import BenchError
from adapters.roles import CommandOutcome, EndpointRadio, EndpointStatus
from harness.actions import procedure
from harness.steps import Steps

Executed = Literal["yes", "no", "unknown"]
_LEADS_TO = {"connect": "connected", "disconnect": "disconnected"}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether a command was carried out, and what says so. ``unknown``: missing or contradictory evidence."""

    endpoint: str
    command: str
    replay: bool  # what the answer said; no part of the evidence
    executed: Executed
    by_count: Executed
    by_switch: Executed
    evidence: str


@procedure("decide_by_state")
def decide_by_state(
    run: Steps,
    *,
    radio: EndpointRadio,
    endpoint: str,
    before: EndpointStatus,
    answer: CommandOutcome,
    only_replays: bool = False,
) -> Decision:
    """Decide whether the command answered by ``answer`` was carried out after ``before`` was read.

    ``only_replays``: inconclusive where the answer was no replay; no bench can make a real endpoint err.
    """
    if not endpoint == before.endpoint == answer.endpoint:
        raise BenchError(
            f"endpoint {endpoint} is to be judged by a status of {before.endpoint} "
            f"and an answer of {answer.endpoint}"
        )
    if only_replays and not answer.replay:
        run.inconclusive(f"endpoint {endpoint} reports no replay of {answer.command}: nothing to decide")
    decision = decided(before, radio.status(endpoint), answer)
    run.attach("evidence", "text/plain", data=decision.evidence)
    return decision


@procedure("settle_replay")
def settle_replay(
    run: Steps, *, radio: EndpointRadio, endpoint: str, before: EndpointStatus, answer: CommandOutcome
) -> Decision:
    """Decide by state what became of a command whose answer said it was a replay.

    Inconclusive where the answer said nothing of the kind, and where the state does not tell.
    """
    decision = decide_by_state(
        run, radio=radio, endpoint=endpoint, before=before, answer=answer, only_replays=True
    )
    if decision.executed == "unknown":
        run.inconclusive(f"whether {answer.command} was carried out cannot be told: {decision.evidence}")
    return decision


@dataclass(frozen=True, kw_only=True)
class SameAnswer:
    """That an answer repeats an earlier one."""

    information: str
    executions: int


@procedure("compare_answers")
def compare_answers(run: Steps, *, first: CommandOutcome, again: CommandOutcome) -> SameAnswer:
    """Compare what an endpoint sent the first time with what it sends again, all but the replay flag."""
    for name in ("endpoint", "command", "information", "executions"):
        run.check(name, expected=getattr(first, name), actual=getattr(again, name))
    return SameAnswer(information=again.information, executions=again.executions)


def decided(before: EndpointStatus, after: EndpointStatus, answer: CommandOutcome) -> Decision:
    """Weigh what the endpoint said of itself before and after."""
    by_count = _by_count(before.executions, after.executions)
    by_switch = _by_switch(before.switch, after.switch, _LEADS_TO.get(answer.command, ""))
    told = {verdict for verdict in (by_count, by_switch) if verdict != "unknown"}
    executed: Executed = told.pop() if len(told) == 1 else "unknown"
    return Decision(
        endpoint=answer.endpoint,
        command=answer.command,
        replay=answer.replay,
        executed=executed,
        by_count=by_count,
        by_switch=by_switch,
        evidence=f"commands carried out {_shown(before.executions)} -> {_shown(after.executions)} "
        f"({by_count}), switch {before.switch} -> {after.switch} ({by_switch})",
    )


def _by_count(before: int, after: int) -> Executed:
    if before < 0 or after < 0:
        return "unknown"
    match after - before:
        case 0:
            return "no"
        case 1:
            return "yes"
        case _:  # somebody else was at it too, or the counter was set back
            return "unknown"


def _by_switch(before: str, after: str, leads_to: str) -> Executed:
    """Tell by the switch; one that stood there already, or cannot be read, tells nothing."""
    readable = set(_LEADS_TO.values())
    if not leads_to or before not in readable or after not in readable or before == leads_to:
        return "unknown"
    return "yes" if after == leads_to else "no"


def _shown(count: int) -> str:
    return "not told" if count < 0 else str(count)
