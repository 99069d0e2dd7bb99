"""What short messages do to a meter, seen over another link: its whole state before and after."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from adapters.roles import DlmsMeter, MeterMessage
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms.words import yes

NOTE, THRESHOLD, COUNTER = "installation_note", "sag_threshold", "note_counter"
_ANSWER_S = 15.0  # what an answer may take
_REFUSALS = ("exception-response", "confirmed-service-error")
KeyWord = Literal["policy", "broadcast", "unicast", "wrong-broadcast", "none"]


@dataclass(frozen=True, kw_only=True)
class _State:
    """What messages could change, as the witness reads it."""

    note: str
    threshold: str
    writes: int
    fraud: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class MessageEffect:
    """What came of messages.

    ``untouched`` is yes where note, threshold and counter are as before; ``note`` and ``threshold`` are
    those after. ``writes`` is by how much the counter of writes has risen. ``served`` counts answers that
    are no refusal, ``refusals`` those that are; ``logged`` are the codes new in the fraud log, in order.
    """

    sent: int
    delivered: int
    untouched: str
    note: str
    threshold: str
    writes: int
    served: int
    refusals: int
    logged: str


@dataclass(frozen=True, kw_only=True)
class Waited:
    """How long nothing was done."""

    waited_s: float


@procedure("sms_effect")
def sms_effect(
    run: Steps, *, meter: DlmsMeter, messages: str, over: str, link: str = "", wait_s: float = 15.0
) -> MessageEffect:
    """Send prepared messages and compare the state of the meter before and after over the link ``over``.

    ``messages`` is a list such as ``a``, ``a:3,2,1`` or ``a:1 b:1 a:2 b:2``: names, each with the parts to
    send. ``link`` is the link of another modem to send them from. ``wait_s`` is how long an answer of the
    meter may take.
    """
    return _sent(run, meter, _state(meter, over), messages, over, link, wait_s)


@procedure("sms_control")
def sms_control(
    run: Steps, *, meter: DlmsMeter, over: str, value: str, key: KeyWord = "policy", wait_s: float = 0.0
) -> MessageEffect:
    """Write ``value`` to the note by one right message: the channel itself is in order."""
    before = _state(meter, over)
    fresh = _other_than(before.note, value)
    meter.sms_prepare("control", NOTE, fresh, key=key)
    effect = _sent(run, meter, before, "control", over, "", wait_s)
    return replace(effect, note=value if effect.note == fresh else effect.note)


@procedure("sms_patience")
def sms_patience(run: Steps, *, wait: Duration) -> Waited:
    """Let time pass until the meter has forgotten what is incomplete."""
    run.clock.sleep_s(wait)
    return Waited(waited_s=float(wait))


@dataclass(frozen=True, kw_only=True)
class ForeignRights:
    """By how many seconds a message moved the clock, which its sender has no right to move.

    ``answers`` counts what the meter sent about it: an unconfirmed service has no answer, denied or not.
    """

    delivered: int
    moved_s: int
    answers: int


@procedure("sms_moves_clock", hurts=("configure",))
def sms_moves_clock(run: Steps, *, meter: DlmsMeter, over: str, shift: int) -> ForeignRights:
    """Ask by message for a shift of the clock; look over another link, and shift back what it moved."""
    witness = meter.associate("management", over, "witness").association
    before = meter.read_clock(association=witness).drift_s
    meter.sms_prepare("shift", "clock", f"long:{shift}", service="action", member="shift_time")
    meter.sms_receive(wait_s=0.0)
    done = meter.sms_send("shift")
    answers = meter.sms_receive(wait_s=_ANSWER_S).count
    moved_s = round(meter.read_clock(association=witness).drift_s - before)
    if moved_s:
        meter.action("clock", "shift_time", f"long:{-moved_s}", association=witness)
    meter.release(witness)
    return ForeignRights(delivered=done.delivered, moved_s=moved_s, answers=answers)


def _sent(
    run: Steps, meter: DlmsMeter, before: _State, messages: str, over: str, link: str, wait_s: float
) -> MessageEffect:
    meter.sms_receive(wait_s=0.0)  # what it sent before is no answer to what comes now
    sent = delivered = 0
    for word in messages.split():
        name, _, order = word.partition(":")
        with run.step("short message", message=name, parts=order or "all"):
            done = meter.sms_send(name, order, link)
        sent, delivered = sent + done.sent, delivered + done.delivered
    answers = meter.sms_receive(wait_s=wait_s).messages
    return _effect(before, _state(meter, over), sent, delivered, answers)


def _state(meter: DlmsMeter, over: str) -> _State:
    """Read it in an association of its own: messages may take longer than a meter keeps an idle one."""
    witness = meter.associate("management", over, "witness").association
    try:
        return _read_state(meter, witness)
    finally:
        meter.release(witness)


def _read_state(meter: DlmsMeter, witness: str) -> _State:
    log = meter.get("fraud_event_log", "buffer", witness).value
    rows = log if isinstance(log, list | tuple) else ()
    return _State(
        note=str(meter.get(NOTE, association=witness).value),
        threshold=str(meter.get(THRESHOLD, association=witness).value),
        writes=int(str(meter.get(COUNTER, association=witness).value)),
        fraud=tuple((str(row[0]), int(row[1])) for row in rows),
    )


def _effect(
    before: _State, after: _State, sent: int, delivered: int, answers: tuple[MeterMessage, ...]
) -> MessageEffect:
    refusals = sum(answer.kind in _REFUSALS for answer in answers)
    new = new_rows(before.fraud, after.fraud)
    return MessageEffect(
        sent=sent,
        delivered=delivered,
        untouched=yes(replace(before, fraud=()) == replace(after, fraud=())),
        note=after.note,
        threshold=after.threshold,
        writes=after.writes - before.writes,
        served=len(answers) - refusals,
        refusals=refusals,
        logged=" ".join(str(code) for _, code in new) or "nothing",
    )


def new_rows(
    before: tuple[tuple[str, int], ...], after: tuple[tuple[str, int], ...]
) -> tuple[tuple[str, int], ...]:
    """Return the rows of a log that were not there: in a full one the oldest give way to them."""
    kept = next(
        (each for each in range(len(before) + 1) if before[each:] == after[: len(before) - each]),
        len(before),
    )
    return after[len(before) - kept :]


def _other_than(before: str, value: str) -> str:
    return value if before != value else value + "*"
