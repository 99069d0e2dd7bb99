"""How long an association lives, what a client is challenged with in it, and lists asked for in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.errors import NotPermitted, Refused, TransportError
from adapters.roles import DlmsMeter
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms.words import NO_LISTS

_SOONER, _LATER = 0.75, 1.25
"""Parts of the time-out at which a connection must still be there, and must be gone."""
_SERVED, _NOT_TRIED = "served", "not tried"
_LDN = "1/0-0:42.0.0.255"


@dataclass(frozen=True, kw_only=True)
class IdleTried:
    """What a request came to before and after the time-out the meter tells, and in a new association.

    ``used`` is the one after ``before``: longer than the time-out after the opening, not after the last use.
    """

    told_s: int
    before: str
    used: str
    after: str
    again: str


@procedure("leave_idle")
def leave_idle(
    run: Steps, *, meter: DlmsMeter, client: str, link: str, setup: str, witness: str, witness_link: str
) -> IdleTried:
    """Leave an association alone for three quarters of the time-out, twice, then for more than all of it.

    ``setup`` is the object that tells the time-out (attribute inactivity_time_out), read by ``witness``.
    """
    meter.associate(witness, witness_link, "(witness)")
    told_s = int(str(meter.get(setup, "inactivity_time_out", "(witness)").value))
    meter.release("(witness)")
    if not told_s:
        run.inconclusive(f"{setup} tells no inactivity time-out: the meter waits for ever")
    meter.associate(client, link, "(idle)")
    answers = [_SERVED]
    for part in (_SOONER, _SOONER, _LATER):
        if answers[-1] == _SERVED:  # what is gone is not asked again
            run.clock.sleep_s(told_s * part)
            answers.append(_asked(meter))
    _, before, used, after, *_ = (*answers, *[_NOT_TRIED] * 2)
    if answers[-1] != _SERVED:  # else the connection is there and has to be ended as one
        meter.forget("(idle)")
        meter.drop_link(link)
        meter.associate(client, link, "(idle)")
    again = _asked(meter)
    meter.release("(idle)")
    return IdleTried(told_s=told_s, before=before, used=used, after=after, again=again)


def _asked(meter: DlmsMeter) -> str:
    try:
        meter.get(_LDN, "2", "(idle)")
    except Refused as refusal:
        return refusal.reason
    except TransportError:  # whether the meter lives at all, the next association tells
        return "nothing"
    return _SERVED


@dataclass(frozen=True, kw_only=True)
class ChallengesGathered:
    """How many challenges came, how many of them differ, and how many of their octets vary among them."""

    gathered: int
    different: int
    varying_octets: int


@procedure("gather_challenges")
def gather_challenges(
    run: Steps, *, meter: DlmsMeter, client: str, link: str, times: int = 6
) -> ChallengesGathered:
    """Open and release an association so often and compare what the meter asked us to prove."""
    challenges: list[bytes] = []
    for number in range(times):
        name = f"(challenge {number + 1})"
        challenges.append(bytes.fromhex(meter.associate(client, link, name).meter_challenge))
        meter.release(name)
    varying = sum(len(set(octets)) > 1 for octets in zip(*challenges, strict=False))
    return ChallengesGathered(
        gathered=len(challenges), different=len(set(challenges)), varying_octets=varying
    )


@dataclass(frozen=True, kw_only=True)
class ListsGranted:
    """The services the meter granted, lists among them."""

    granted: tuple[str, ...]


@procedure("needs_lists")
def needs_lists(run: Steps, *, meter: DlmsMeter, association: str) -> ListsGranted:
    """Skip the case where the meter granted no multiple references."""
    granted = meter.granted(association)
    if "multiple-references" not in granted:
        raise NotPermitted(NO_LISTS)
    return ListsGranted(granted=granted)


@dataclass(frozen=True, kw_only=True)
class ListCompared:
    """How many items a list had, and which of them came otherwise than by themselves (``nothing``)."""

    items: int
    otherwise: str


@procedure("compare_list")
def compare_list(
    run: Steps, *, meter: DlmsMeter, items: Sequence[str], association: str = ""
) -> ListCompared:
    """Read items one by one and in one list; they must say the same, in the same order.

    An item that is refused alone must be refused in the list, and harm none of the others; by which word is
    the meter's affair. Choose values that stand still.
    """
    needs_lists(run, meter=meter, association=association)
    alone: list[object] = []
    for item in items:
        name, mark, attribute = item.partition("#")
        try:
            alone.append(meter.get(name, attribute if mark else "value", association).value)
        except Refused:
            alone.append(None)
    together = meter.get_list(items, association)
    otherwise = [
        f"{item}: {_shown(one)} alone, {_shown(listed.value)} in the list"
        for item, one, listed in zip(items, alone, together.items, strict=True)
        if (listed.value if listed.result == "success" else None) != one
    ]
    run.check(
        "a list says what its items say", expected="the same", actual="; ".join(otherwise) or "the same"
    )
    return ListCompared(items=len(together.items), otherwise="; ".join(otherwise) or "nothing")


def _shown(value: object) -> str:
    return "refused" if value is None else str(value)[:40]


@dataclass(frozen=True, kw_only=True)
class HungUp:
    """How many associations were opened, each on a connection that was then dropped."""

    opened: int


@procedure("hang_up_again_and_again")
def hang_up_again_and_again(run: Steps, *, meter: DlmsMeter, client: str, link: str, times: int) -> HungUp:
    """Open an association and drop its connection without a release, so often; each has to find a place."""
    opened = 0
    for number in range(times):
        try:
            meter.associate(client, link, f"(hung up {number + 1})")
        except Refused as refusal:
            run.check("a place for the next one", expected="free", actual=f"{refusal.reason} after {opened}")
            break
        opened += 1
        meter.drop_link(link)
    return HungUp(opened=opened)


@dataclass(frozen=True, kw_only=True)
class RequestsCounted:
    """How many ciphered requests were sent, and by how much the meter's counter object went on meanwhile."""

    sent: int
    counted: int


@procedure("count_ciphered_requests")
def count_ciphered_requests(
    run: Steps, *, meter: DlmsMeter, association: str, counter: str, watch: str, times: int = 5
) -> RequestsCounted:
    """Send requests in ``association`` and see through ``watch`` whether ``counter`` counts each of them."""
    before = int(str(meter.get(counter, association=watch).value))
    for _ in range(times):
        meter.get(_LDN, "2", association)
    after = int(str(meter.get(counter, association=watch).value))
    return RequestsCounted(sent=times, counted=after - before)
