"""What short messages do to a meter, seen over another link: its whole state before and after."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeGuard

from adapters.errors import Refused
from adapters.roles import DlmsMeter, MeterMessage, PowerSource, SmsModem
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms.words import yes

NOTE, THRESHOLD, COUNTER = "installation_note", "sag_threshold", "note_counter"
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
    """By how many seconds a message moved the clock, which its sender has no right to move."""

    delivered: int
    moved_s: int


@procedure("sms_moves_clock", hurts=("configure",))
def sms_moves_clock(run: Steps, *, meter: DlmsMeter, over: str, shift: int) -> ForeignRights:
    """Ask by message for a shift of the clock; look over another link, and shift back what it moved."""
    witness = meter.associate("management", over, "witness").association
    before = meter.read_clock(association=witness).drift_s
    meter.sms_prepare("shift", "clock", f"long:{shift}", service="action", member="shift_time")
    done = meter.sms_send("shift")
    moved_s = round(meter.read_clock(association=witness).drift_s - before)
    if moved_s:
        meter.action("clock", "shift_time", f"long:{-moved_s}", association=witness)
    meter.release(witness)
    return ForeignRights(delivered=done.delivered, moved_s=moved_s)


@dataclass(frozen=True, kw_only=True)
class FailureNotice:
    """What the meter sent after a power failure.

    ``error_s`` is how far the duration it tells is from ours, ``after_s`` how long after the supply was back
    its own time is; ``strangers`` counts what another modem of the bench received meanwhile.
    """

    count: int
    protection: str
    client: int
    server: int
    kind: str
    named: str  # whether it carries the meter's own logical device name
    error_s: int
    after_s: int
    strangers: int


@procedure("power_failure_notice", hurts=("energise",))
def power_failure_notice(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    stranger: SmsModem,
    over: str,
    off_s: int,
    wait_s: int,
) -> FailureNotice:
    """Cut the supply for ``off_s`` and return what the meter sends within ``wait_s`` after it is back."""
    meter.associate("public", over, "name")
    name = str(meter.get("logical_device_name", association="name").value)
    meter.release("name")
    stranger.received()
    meter.sms_receive(wait_s=0.0)
    meter.drop_link(over)
    with run.step("power failure", seconds=off_s):
        source.switch_off()
        try:
            early = meter.sms_receive(wait_s=float(off_s))
        finally:
            source.switch_on()
    back = run.clock.utc_now()
    late = meter.sms_receive(wait_s=float(wait_s))
    messages = early.messages + late.messages
    first = messages[0] if messages else None
    values = first.values if first is not None else ()
    told_s = int(str(values[2])) if len(values) == 3 and str(values[2]).isdecimal() else -off_s
    return FailureNotice(
        count=len(messages),
        protection=first.protection if first else "",
        client=first.client if first else -1,
        server=first.server if first else -1,
        kind=first.kind if first else "",
        named=yes(bool(values) and str(values[0]) == name),
        error_s=told_s - off_s,
        after_s=round((datetime.fromisoformat(first.time) - back).total_seconds()) if _timed(first) else -1,
        strangers=stranger.received().count,
    )


@dataclass(frozen=True, kw_only=True)
class AlarmBySms:
    """The messages an alarm brought: how many, how protected, and the alarm bits it told."""

    count: int
    early: int
    protection: str
    kind: str
    alarms: int


@procedure("alarm_by_sms", hurts=("configure",))
def alarm_by_sms(run: Steps, *, meter: DlmsMeter, number: str, over: str, wait_s: int) -> AlarmBySms:
    """Push the alarms to ``number`` by SMS, provoke one, and return what comes within ``wait_s``."""
    _alarms_to(meter, over, number, "sms")
    early = meter.sms_receive(wait_s=float(wait_s)).messages
    with run.step("an intruder fails to prove himself", link=over):
        with suppress(Refused):
            meter.associate("management", over, "intruder", mechanism="lls", flaw="wrong-password")
        meter.drop_link(over)
    messages = meter.sms_receive(wait_s=float(wait_s)).messages
    _alarms_to(meter, over, "", "tcp")
    first = messages[0] if messages else None
    told = [int(str(value)) for value in (first.values if first else ()) if str(value).isdecimal()]
    return AlarmBySms(
        count=len(messages),
        early=len(early),
        protection=first.protection if first else "",
        kind=first.kind if first else "",
        alarms=told[0] if told else -1,
    )


def _alarms_to(meter: DlmsMeter, over: str, number: str, transport: Literal["tcp", "sms"]) -> None:
    opened = meter.associate("management", over, "alarms").association
    meter.set("alarm_filter_1", 0xFFFF_FFFF, association=opened)
    meter.set("alarm_register_1", 0, association=opened)
    meter.set("alarm_descriptor_1", 0, association=opened)
    meter.configure_push("push_alarm", number, transport, association=opened)
    meter.release(opened)


def _timed(message: MeterMessage | None) -> TypeGuard[MeterMessage]:
    return message is not None and bool(message.time)


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
    new = (
        after.fraud[len(before.fraud) :] if after.fraud[: len(before.fraud)] == before.fraud else after.fraud
    )
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


def _other_than(before: str, value: str) -> str:
    return value if before != value else value + "*"
