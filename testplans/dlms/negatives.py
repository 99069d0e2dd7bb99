"""Requests a meter must turn away, sent as octets: how each is refused, and what it left behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adapters.errors import NotPermitted, Refused
from adapters.roles import DlmsMeter, RequestFlaw
from adapters.roles.dlms_probing import RawAnswered
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms.event_logs import gained_rows, read_rows
from testplans.dlms.words import NO_LISTS, yes

_LDN = "0001" + "00002A0000FF" + "02"
_OBJECT_LIST = "000F" + "0000280000FF" + "02"
_WATCHED = (
    *((name, "2") for name in ("installation_note", "sag_threshold", "note_counter", "disconnect_control")),
    ("disconnect_control", "control_mode"),
    ("activity_calendar", "day_profile_table_passive"),
)


def _state(meter: DlmsMeter, association: str) -> dict[str, object]:
    """Return what a refused request might have changed, as far as the profile knows it and it may be read."""
    known = {entry.name for entry in meter.profile_objects()}
    found: dict[str, object] = {}
    for name, attribute in _WATCHED:
        if name in known:
            try:
                found[f"{name} {attribute}"] = meter.get(name, attribute, association).value
            except Refused as refusal:
                found[f"{name} {attribute}"] = refusal.reason
    return found


@dataclass(frozen=True, kw_only=True)
class TurnedAway:
    """How a request was answered, what it changed (``nothing``), and whether the association lives on."""

    kind: str
    result: str
    changed: str
    alive: str


@procedure("send_wrong_request", hurts=("configure",))
def send_wrong_request(run: Steps, *, meter: DlmsMeter, association: str, apdu: bytes) -> TurnedAway:
    """Send an APDU that is to be refused; compare what it might have changed, then read something."""
    before = _state(meter, association)
    answer = meter.send_raw(apdu, association)
    after = _state(meter, association) if _alive(meter, association) else {}
    changed = [name for name, value in before.items() if after.get(name, value) != value]
    return TurnedAway(
        kind=answer.kind,
        result=answer.result,
        changed=", ".join(changed) or "nothing",
        alive=yes(_alive(meter, association)),
    )


def _alive(meter: DlmsMeter, association: str) -> bool:
    try:
        return bool(meter.get("1/0-0:42.0.0.255", "2", association).value)
    except Refused:
        return False


@dataclass(frozen=True, kw_only=True)
class TransferDisturbed:
    """How a long GET began, what came to the disturbance, to the next block after it, and of the meter then.

    ``whole_again`` tells whether the same value read undisturbed is what it was before.
    """

    began: str
    disturbance: str
    next_block: str
    whole_again: str


@procedure("disturb_long_get")
def disturb_long_get(run: Steps, *, meter: DlmsMeter, association: str, how: str) -> TransferDisturbed:
    """Begin a long GET of the object list; ask for a wrong block (``number``) or another object (``other``).

    Then the block after the first is asked for, which is gone with the transfer. ``end`` takes every block
    and asks for one more, twice. Inconclusive where the meter sends its list in one piece.
    """
    before = meter.list_objects(association)
    first = meter.send_raw(bytes.fromhex("C001C1" + _OBJECT_LIST + "00"), association)
    if first.kind != "get-block":
        run.inconclusive(f"the object list comes as {first.kind}, not in blocks")
    number = int(first.apdu[8:16], 16)
    if how == "end":
        number = _to_the_end(meter, association, first)
        disturbing = meter.send_raw(bytes.fromhex(f"C002C1{number:08X}"), association)
    elif how == "number":
        disturbing = meter.send_raw(bytes.fromhex(f"C002C1{number + 5:08X}"), association)
    else:
        disturbing = meter.send_raw(bytes.fromhex("C001C1" + _LDN + "00"), association)
    following = meter.send_raw(bytes.fromhex(f"C002C1{number:08X}"), association)
    return TransferDisturbed(
        began=first.result,
        disturbance=disturbing.result,
        next_block=following.result,
        whole_again=yes(meter.list_objects(association) == before),
    )


_LAST = "01"


def _is_last(block: RawAnswered) -> bool:
    return block.kind != "get-block" or block.apdu[6:8] == _LAST


def _to_the_end(meter: DlmsMeter, association: str, block: RawAnswered) -> int:
    """Take every block after ``block`` and return the number of the last."""
    while not _is_last(block):
        block = meter.send_raw(bytes.fromhex(f"C002C1{block.apdu[8:16]}"), association)
    return int(block.apdu[8:16], 16)


@dataclass(frozen=True, kw_only=True)
class TransfersInterleaved:
    """How many blocks two transfers at the same time had, and whether each was what it is by itself."""

    blocks: int
    undisturbed: str


@procedure("interleave_long_gets")
def interleave_long_gets(run: Steps, *, meter: DlmsMeter, first: str, second: str) -> TransfersInterleaved:
    """Read the object lists of two associations block by block in turns; compare with each by itself.

    Inconclusive where a list comes in one piece.
    """
    alone = {name: _all_blocks(meter, name) for name in (first, second)}
    if any(len(blocks) < 2 for blocks in alone.values()):
        run.inconclusive("an object list comes in one piece: there is nothing to interleave")
    mixed = {name: [_list_begun(meter, name)] for name in (first, second)}
    while not all(_is_last(blocks[-1]) for blocks in mixed.values()):
        for name, blocks in mixed.items():
            if not _is_last(blocks[-1]):
                blocks.append(meter.send_raw(bytes.fromhex(f"C002C1{blocks[-1].apdu[8:16]}"), name))
    same = all(
        [block.apdu for block in mixed[name]] == [block.apdu for block in alone[name]] for name in mixed
    )
    return TransfersInterleaved(blocks=sum(map(len, mixed.values())), undisturbed=yes(same))


def _list_begun(meter: DlmsMeter, association: str) -> RawAnswered:
    return meter.send_raw(bytes.fromhex("C001C1" + _OBJECT_LIST + "00"), association)


def _all_blocks(meter: DlmsMeter, association: str) -> list[RawAnswered]:
    blocks = [_list_begun(meter, association)]
    while not _is_last(blocks[-1]):
        blocks.append(meter.send_raw(bytes.fromhex(f"C002C1{blocks[-1].apdu[8:16]}"), association))
    return blocks


@dataclass(frozen=True, kw_only=True)
class OversizeTried:
    """How an APDU longer than allowed was answered, and a short one of the same kind after it."""

    octets: int
    kind: str
    served: int
    short_served: int


@procedure("send_oversize_request")
def send_oversize_request(
    run: Steps, *, meter: DlmsMeter, association: str, max_pdu: int, beyond: int = 60
) -> OversizeTried:
    """Ask for the logical device name so often in one list that the request is longer than ``max_pdu``.

    ``max_pdu`` is what the meter said it takes; the request is ``beyond`` octets longer, more or less.
    """
    if "multiple-references" not in meter.granted(association):
        raise NotPermitted(NO_LISTS)
    size = len(_LDN) // 2 + 1
    items = (max_pdu + beyond) // size
    long = bytes.fromhex(f"C003C1{_length(items)}" + (_LDN + "00") * items)
    answer = meter.send_raw(long, association)
    short = meter.send_raw(bytes.fromhex("C003C103" + (_LDN + "00") * 3), association)
    return OversizeTried(
        octets=len(long),
        kind=answer.kind,
        served=answer.count if answer.kind == "get-list" else 0,
        short_served=short.count if short.kind == "get-list" else 0,
    )


def _length(number: int) -> str:
    return f"{number:02X}" if number < 0x80 else f"82{number:04X}"


@dataclass(frozen=True, kw_only=True)
class LogWatched:
    """What an attempt came to, and which of the events looked for the log gained by it, oldest first."""

    attempt: str
    gained: tuple[int, ...]


@procedure("watch_log", hurts=("configure",))
def watch_log(
    run: Steps,
    *,
    meter: DlmsMeter,
    attempt: str,
    of: list[int],
    link: str,
    association: str,
    log: str = "fraud_event_log",
) -> LogWatched:
    """Make one attempt and see which of the events ``of`` the log gains; others are the meter's own affair.

    ``attempt`` is ``wrong-password`` or ``wrong-proof`` (an association on ``link``), ``association`` (a
    right one, released), ``hang-up`` (a right one on a connection that is then dropped) or a flaw of a GET
    in ``association``, which is also who reads the log.
    """
    before = read_rows(meter, log, association)
    try:
        if attempt in ("wrong-password", "wrong-proof"):
            mechanism: Literal["lls", "hls-gmac"] = "lls" if attempt == "wrong-password" else "hls-gmac"
            said = str(meter.fail_authentication("management", link, 1, mechanism).turned_away)
            meter.associate("management", link, "(right)", mechanism)  # the right one ends the count
            meter.release("(right)")
        elif attempt in ("association", "hang-up"):
            meter.associate("public", link, "(right)")
            said = "opened"
            if attempt == "association":
                meter.release("(right)")
            else:
                meter.drop_link(link)
        else:
            flaw: RequestFlaw = "damaged-tag" if attempt == "damaged-tag" else "replayed-counter"
            said = str(meter.get("energy_import", association=association, flaw=flaw).value)
    except Refused as refusal:
        said = refusal.reason
    new = gained_rows(before, read_rows(meter, log, association))[1]
    return LogWatched(attempt=said, gained=tuple(int(number) for _, number in new if int(number) in of))


@dataclass(frozen=True, kw_only=True)
class ClaimsTried:
    """Which services a meter claims that a harmless request can try, and which of them it did not keep."""

    claimed: str
    broken: str


@procedure("try_claims")
def try_claims(
    run: Steps, *, meter: DlmsMeter, client: str = "", link: str = "", association: str = "claims"
) -> ClaimsTried:
    """Associate and try what the negotiated conformance claims, within what only reads.

    A list of two references is served where multiple-references is claimed, and refused where it is not; a
    value that comes in blocks is read twice and compared. A GET of an unknown kind harms nobody.
    """
    opened = meter.associate(client, link, association)
    broken: list[str] = []
    listed = meter.send_raw(bytes.fromhex("C003C102" + (_LDN + "00") * 2), association)
    served = listed.kind == "get-list" and listed.count == 2
    if served != ("multiple-references" in opened.conformance):
        broken.append(f"multiple-references: {listed.kind} {listed.result}".rstrip())
    if "block-transfer-with-get-or-read" in opened.conformance and meter.list_objects(
        association
    ) != meter.list_objects(association):
        broken.append("block-transfer-with-get-or-read: two readings of the object list differ")
    unknown = meter.send_raw(bytes.fromhex("C009C1" + _LDN + "00"), association)
    if unknown.kind not in ("exception", "service-error", "get", "nothing") or unknown.result == "success":
        broken.append(f"a GET of an unknown kind: {unknown.kind} {unknown.result}")
    if not _alive(meter, association):
        broken.append("the association did not survive a GET of an unknown kind")
    meter.release(association)
    claimed = " ".join(opened.conformance)
    run.check("claims the meter does not keep", expected="none", actual="; ".join(broken) or "none")
    return ClaimsTried(claimed=claimed, broken="; ".join(broken) or "none")


@dataclass(frozen=True, kw_only=True)
class MechanismsTried:
    """How many of the ways to prove itself opened an association; ``declined`` names the others."""

    opened: int
    declined: str
    not_tried: str


@procedure("try_mechanisms")
def try_mechanisms(run: Steps, *, meter: DlmsMeter, client: str = "", link: str = "") -> MechanismsTried:
    """Associate by the client's own mechanism and by each backup the bench has secrets for."""
    opened, refused, not_tried = 0, list[str](), list[str]()
    for mechanism in meter.mechanisms_of(client):
        try:
            meter.associate(client, link, "(mechanism)", mechanism)
        except Refused as refusal:
            refused.append(f"{mechanism}: {refusal.reason}")
        except NotPermitted as missing:
            not_tried.append(f"{mechanism}: {missing}")
        else:
            opened += 1
            meter.release("(mechanism)")
    return MechanismsTried(
        opened=opened,
        declined="; ".join(refused) or "none",
        not_tried="; ".join(not_tried) or "none",
    )


@dataclass(frozen=True, kw_only=True)
class OpenClient:
    """The client that needs no secret."""

    client: str


@procedure("needs_open_client")
def needs_open_client(run: Steps, *, meter: DlmsMeter) -> OpenClient:
    """Skip the case where every client of the profile has to prove itself."""
    for name in meter.client_names():
        if meter.mechanism_of(name) == "none":
            return OpenClient(client=name)
    raise NotPermitted("every client of the profile proves itself; there is none to make a bare proposal as")
