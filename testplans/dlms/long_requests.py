"""SET and ACTION whose value comes in blocks: taken whole or not at all, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from adapters.errors import NotPermitted
from adapters.roles import DlmsMeter
from adapters.roles.dlms_probing import RawAnswered
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms import profile_words as words

_INVOKE = "C1"
_NAME_OBJECT = "0001" + "00002A0000FF" + "02"
Disturbance = Literal["nothing", "number", "other", "orphan"]


@dataclass(frozen=True, kw_only=True)
class LongRequestSeen:
    """How a request in blocks went.

    ``acknowledged`` counts the blocks that were acknowledged by their own number; ``early`` is ``yes`` where
    something was to be seen of it before the last one. ``disturbed`` is what came to the disturbance and
    ``result`` to the last block, in the standard's words; ``stored`` is what was to be seen in the end.
    """

    acknowledged: int
    early: str
    disturbed: str
    result: str
    stored: str


def set_in_blocks(object: str, raw: bytes, size: int) -> list[str]:
    """Return the APDUs of a SET; ``object`` is class, logical name and attribute, ``raw`` the value."""
    return _in_blocks(f"C102{_INVOKE}{object}00", f"C103{_INVOKE}", raw, size)


def list_in_blocks(objects: Sequence[str], raw: bytes, size: int) -> list[str]:
    """Return the APDUs of a SET of several attributes; ``raw`` is the list of values, its count included."""
    references = f"{len(objects):02X}" + "".join(each + "00" for each in objects)
    return _in_blocks(f"C105{_INVOKE}{references}", f"C103{_INVOKE}", raw, size)


def action_in_blocks(method: str, raw: bytes, size: int) -> list[str]:
    """Return the APDUs of an ACTION; ``method`` is class, logical name and number."""
    return _in_blocks(f"C304{_INVOKE}{method}", f"C306{_INVOKE}", raw, size)


def _in_blocks(first: str, following: str, raw: bytes, size: int) -> list[str]:
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    return [
        f"{first if place == 1 else following}{place == len(pieces):02X}{place:08X}"
        f"{len(piece):02X}{piece.hex().upper()}"
        for place, piece in enumerate(pieces, 1)
    ]


def _renumbered(block: str, number: int, by: int) -> str:
    """Return a block with a number that is ``by`` too high."""
    head, tail = block.rsplit(f"{number:08X}", 1)
    return f"{head}{number + by:08X}{tail}"


State = TypeVar("State")


@dataclass
class _Sender(Generic[State]):
    """Sends blocks and watches, through another association, whether anything comes of it."""

    meter: DlmsMeter
    association: str
    state: Callable[[], State]

    def __post_init__(self) -> None:
        self.before = self.state()
        self.acknowledged, self.early = 0, False

    def send(self, apdu: str) -> RawAnswered:
        return self.meter.send_raw(bytes.fromhex(apdu), self.association)

    def begin(self, blocks: Sequence[str]) -> None:
        """Send blocks that are not the last."""
        for place, block in enumerate(blocks, 1):
            answer = self.send(block)
            if answer.kind.endswith("-ack") and answer.count == place:
                self.acknowledged += 1
            self.early |= self.state() != self.before


def _sent(sender: _Sender[Any], blocks: list[str], how: Disturbance) -> tuple[str, str]:
    """Send ``blocks`` and disturb them; return what came to the disturbance and to the last block."""
    *body, last = blocks
    if how == "orphan":
        return "", sender.send(last).result
    disturbed = ""
    if how == "number":
        sender.begin(body[:-1])
        disturbed = sender.send(_renumbered(body[-1], len(body), 1)).result
        if len(body) > 1:  # the right one comes too late; a first block would begin anew
            sender.send(body[-1])
    else:
        sender.begin(body)
    if how == "other":
        disturbed = sender.send(f"C001{_INVOKE}{_NAME_OBJECT}00").result
    return disturbed, sender.send(last).result


def _seen(sender: _Sender[Any], disturbed: str, result: str, stored: str) -> LongRequestSeen:
    return LongRequestSeen(
        acknowledged=sender.acknowledged,
        early="yes" if sender.early else "no",
        disturbed=disturbed,
        result=result,
        stored=stored,
    )


@procedure("set_note_in_blocks", hurts=("configure",))
def set_note_in_blocks(
    run: Steps,
    *,
    meter: DlmsMeter,
    association: str,
    witness: str,
    text: str,
    disturbance: Disturbance = "nothing",
) -> LongRequestSeen:
    """Write the installation note in blocks of six octets; ``stored`` is ``new``, ``old`` or what is there.

    ``witness`` is an association on another link, which reads between the blocks. Disturbed by a block with
    the next number but one (``number``), by a GET (``other``), or never begun (``orphan``).
    Inconclusive where the note is that text already. Raises NotPermitted without SET in blocks.
    """
    _granted(meter, association, "block-transfer-with-set-or-write")
    value = text.encode("ascii")

    def note() -> object:
        return meter.get("installation_note", "2", witness).value

    sender = _Sender(meter, association, note)
    if sender.before == text:
        run.inconclusive("the note holds that text already: nobody would see it written")
    blocks = set_in_blocks("0001" + "000060010AFF" + "02", bytes((9, len(value))) + value, 6)
    disturbed, result = _sent(sender, blocks, disturbance)
    after = note()
    stored = "new" if after == text else "old" if after == sender.before else repr(after)
    return _seen(sender, disturbed, result, stored)


@procedure("set_list_in_blocks", hurts=("configure",))
def set_list_in_blocks(
    run: Steps, *, meter: DlmsMeter, association: str, witness: str, text: str, threshold: int
) -> LongRequestSeen:
    """Write the sag threshold (in its own scaler) and the note as one list in blocks of seven octets.

    ``stored`` names those of the two that read back as written.
    """
    _granted(meter, association, "block-transfer-with-set-or-write", "multiple-references")
    value = text.encode("ascii")

    def state() -> tuple[object, object]:
        return meter.get("sag_threshold", "2", witness).value, meter.get(
            "installation_note", "2", witness
        ).value

    sender = _Sender(meter, association, state)
    if threshold == sender.before[0] or text == sender.before[1]:
        run.inconclusive("a value stands there already: nobody would see it written")
    raw = b"\x02\x12" + threshold.to_bytes(2, "big") + bytes((9, len(value))) + value
    objects = ("0003" + "01000C1F00FF" + "02", "0001" + "000060010AFF" + "02")
    disturbed, result = _sent(sender, list_in_blocks(objects, raw, 7), "nothing")
    now = zip(("threshold", "note"), state(), (threshold, text), strict=True)
    return _seen(sender, disturbed, result, ", ".join(name for name, is_, to_be in now if is_ == to_be))


@procedure("capture_in_blocks", hurts=("configure",))
def capture_in_blocks(
    run: Steps,
    *,
    meter: DlmsMeter,
    association: str,
    witness: str,
    disturbance: Disturbance = "nothing",
) -> LongRequestSeen:
    """Have the load profile capture a row, the parameter of the method coming octet by octet.

    ``stored`` is the number of rows that came of it.
    """
    _granted(meter, association, "block-transfer-with-action")

    def rows() -> int:
        return words.number(meter, "load_profile", "entries_in_use", witness)

    sender = _Sender(meter, association, rows)
    blocks = action_in_blocks("0007" + "0100630100FF" + "02", bytes((0x0F, 0x00)), 1)
    disturbed, result = _sent(sender, blocks, disturbance)
    return _seen(sender, disturbed, result, str(rows() - sender.before))


def _granted(meter: DlmsMeter, association: str, *services: str) -> None:
    missing = [service for service in services if service not in meter.granted(association)]
    if missing:
        raise NotPermitted(f"the meter does not grant {' and '.join(missing)}")
