"""Short messages a meter sends of itself: to whom, what is in them, under which key and counter."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeGuard

from adapters.errors import Refused
from adapters.profiles.model import obis_octets
from adapters.roles import AttributeValue, DlmsMeter, MeterMessage, PowerSource, SmsModem
from adapters.roles.push import PushColumn
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms.words import yes

_ALARMS = "alarms"
_TOLERANCE_S = 5  # between an alarm and our reading of the clock after it


@dataclass(frozen=True, kw_only=True)
class FailureNotice:
    """What the meter sent after a power failure.

    ``error_s`` is how far the duration it tells is from ours, ``after_s`` how long after the supply was back
    its own time is, 0 where it tells none; ``strangers`` counts what another modem of the bench received
    meanwhile.
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
        after_s=round((datetime.fromisoformat(first.time) - back).total_seconds()) if _timed(first) else 0,
        strangers=stranger.received().count,
    )


@dataclass(frozen=True, kw_only=True)
class AlarmBySms:
    """The messages an alarm brought the head end: how many, how protected.

    ``alarms`` are the bits told, of those asked about, and -1 where nothing came. ``early`` counts messages
    before the alarm, ``elsewhere`` those another modem of the bench received.
    """

    count: int
    early: int
    elsewhere: int
    protection: str
    kind: str
    alarms: int


@procedure("alarm_by_sms", hurts=("configure",))
def alarm_by_sms(
    run: Steps,
    *,
    meter: DlmsMeter,
    other: SmsModem,
    number: str,
    over: str,
    wait_s: int,
    of: int,
) -> AlarmBySms:
    """Push the alarms to ``number`` by SMS, provoke one, and return what comes within ``wait_s``.

    What the head end gets is compared with what the meter answers to GET. ``of`` are the bits to look at:
    others may be alarms of the meter's own.
    """
    other.received()
    _alarms_to(meter, over, number, "sms")
    early = meter.sms_receive(wait_s=float(wait_s)).messages
    _provoke(run, meter, over)
    opened = meter.associate("management", over, _ALARMS).association
    columns = meter.read_push_setup("push_alarm", opened).columns
    answers = _answers(meter, columns, opened)
    now = meter.read_clock(association=opened).device_time
    meter.release(opened)
    messages = meter.sms_receive(wait_s=float(wait_s)).messages
    _alarms_to(meter, over, "", "tcp")
    first = messages[0] if messages else None
    told = -1
    if first is not None:
        _compare(run, columns, answers, first)
        place = next((at for at, each in enumerate(columns) if each.object == "alarm_descriptor_1"), 0)
        value = first.values[place]
        told = value & of if isinstance(value, int) else 0
    if _timed(first):
        off_s = round((datetime.fromisoformat(first.time) - now).total_seconds())
        run.measure("date-time of the message", off_s, "s", low=-_TOLERANCE_S, high=wait_s)
    return AlarmBySms(
        count=len(messages),
        early=len(early),
        elsewhere=other.received().count,
        protection=first.protection if first else "",
        kind=first.kind if first else "",
        alarms=told,
    )


@dataclass(frozen=True, kw_only=True)
class LongPush:
    """A push by SMS that is too long for one message: how many came, put together again."""

    count: int
    protection: str


@procedure("long_push_by_sms", hurts=("configure",))
def long_push_by_sms(
    run: Steps,
    *,
    meter: DlmsMeter,
    number: str,
    setup: str,
    columns: str,
    over: str,
    wait_s: int,
) -> LongPush:
    """Push a list that needs more than one message to ``number``, and compare it with GET, value by value."""
    meter.sms_receive(wait_s=0.0)
    opened = meter.associate("management", over, _ALARMS).association
    meter.configure_push(setup, number, "sms", association=opened)
    written = meter.write_push_list(setup, columns, association=opened).columns
    try:
        answers = _answers(meter, written, opened)
        meter.action(setup, "push", association=opened)
        meter.release(opened)
        messages = meter.sms_receive(wait_s=float(wait_s)).messages
    finally:
        meter.release_all()
        opened = meter.associate("management", over, _ALARMS).association
        meter.write_push_list(setup, "", association=opened)
        meter.configure_push(setup, "", association=opened)
        meter.release(opened)
    first = messages[0] if messages else None
    if first is not None:
        _compare(run, written, answers, first)
    return LongPush(
        count=len(messages),
        protection=first.protection if first else "",
    )


@dataclass(frozen=True, kw_only=True)
class CountersSeen:
    """How many messages of the meter were looked at, and whether each had a higher counter than the last."""

    messages: int
    rising: str


@procedure("sms_counters", hurts=("configure", "energise"))
def sms_counters(
    run: Steps, *, meter: DlmsMeter, source: PowerSource, number: str, over: str, off_s: int, wait_s: int
) -> CountersSeen:
    """Have the meter send before and after a power cut; each message counts on from the one before it."""
    messages: list[MeterMessage] = []

    def alarm() -> None:
        _alarms_to(meter, over, number, "sms")
        _provoke(run, meter, over)
        messages.extend(meter.sms_receive(wait_s=float(wait_s)).messages)

    meter.sms_receive(wait_s=0.0)
    alarm()
    alarm()
    meter.drop_link(over)
    with run.step("power failure", seconds=off_s):
        source.switch_off()
        try:
            run.clock.sleep_s(off_s)
        finally:
            source.switch_on()
    messages.extend(meter.sms_receive(wait_s=float(wait_s)).messages)
    alarm()
    _alarms_to(meter, over, "", "tcp")
    counters = [message.counter for message in messages]
    run.check("invocation counters, each above the last", expected=sorted(set(counters)), actual=counters)
    return CountersSeen(messages=len(messages), rising=yes(counters == sorted(set(counters))))


# --- inside -------------------------------------------------------------------------------------------------


def _provoke(run: Steps, meter: DlmsMeter, over: str) -> None:
    with run.step("an intruder fails to prove himself", link=over):
        with suppress(Refused):
            meter.associate("management", over, "intruder", mechanism="lls", flaw="wrong-password")
        meter.drop_link(over)


def _answers(
    meter: DlmsMeter, columns: tuple[PushColumn, ...], association: str
) -> tuple[AttributeValue, ...]:
    return tuple(meter.get(f"{c.class_id}/{c.obis}", str(c.attribute), association) for c in columns)


def _compare(
    run: Steps, columns: tuple[PushColumn, ...], answers: tuple[AttributeValue, ...], message: MeterMessage
) -> None:
    """Compare what does not move between two moments: logical names and the values of Data objects."""
    run.check("number of values", expected=len(columns), actual=len(message.values))
    for column, answer, value in zip(columns, answers, message.values, strict=True):
        if column.attribute == 1:
            name = obis_octets(column.obis).hex()
            run.check(f"logical name of {column.object}", expected=name, actual=value)
        elif column.class_id == 1:
            run.check(f"{column.object} as GET tells it", expected=answer.value, actual=value)


def _alarms_to(meter: DlmsMeter, over: str, number: str, transport: Literal["tcp", "sms"]) -> None:
    opened = meter.associate("management", over, _ALARMS).association
    meter.set("alarm_filter_1", 0xFFFF_FFFF, association=opened)
    meter.set("alarm_register_1", 0, association=opened)
    meter.set("alarm_descriptor_1", 0, association=opened)
    meter.configure_push("push_alarm", number, transport, association=opened)
    meter.release(opened)


def _timed(message: MeterMessage | None) -> TypeGuard[MeterMessage]:
    return message is not None and bool(message.time)
