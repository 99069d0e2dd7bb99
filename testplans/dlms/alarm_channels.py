"""Alarms on two channels: over IP and by SMS, each when it is set and not the other."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.roles import DlmsMeter, PushReceiver
from adapters.roles.push import SetupTransport
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms.push_alarms import ALL_ALARMS, provoke, write_off
from testplans.dlms.push_steps import ASSOCIATION, QUIET_S, associated

_SETUP = "push_alarm"
_ORDER: tuple[SetupTransport, ...] = ("tcp", "sms", "udp", "sms", "tcp")


@dataclass(frozen=True, kw_only=True)
class ChannelsSeen:
    """How many alarms were provoked, one after each change of the channel."""

    alarms: int


@procedure("alarm_changes_channel", hurts=("configure",))
def alarm_changes_channel(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, number: str, link: str, alarm: int, wait_s: int
) -> ChannelsSeen:
    """Set the alarms to one channel after the other: each comes once, and by the channel that is set."""
    meter.release_all()
    meter.sms_receive(wait_s=0.0)
    addresses = {
        "sms": number,
        "tcp": receiver.address("tcp").address,
        "udp": receiver.address("udp").address,
    }
    for transport in _ORDER:
        address = addresses[transport]
        with run.step("alarms go by", transport=transport):
            with associated(meter, link):
                written = meter.configure_push(_SETUP, address, transport, association=ASSOCIATION)
                read = (written.destination, written.transport)
                run.check("destination read back", expected=(address, transport), actual=read)
                meter.set("alarm_filter_1", ALL_ALARMS, association=ASSOCIATION)
                write_off(meter)
            provoke(meter, link)
            calls = receiver.no_push_for(QUIET_S, "tcp").pushes
            datagrams = receiver.no_push_for(QUIET_S, "udp").pushes
            messages = meter.sms_receive(wait_s=float(wait_s)).messages
            seen = {"tcp": len(calls), "udp": len(datagrams), "sms": len(messages)}
            wanted = {each: int(each == transport) for each in seen}
            run.check("alarms by channel", expected=wanted, actual=seen)
            values: list[object] = [each.value for push in (*calls, *datagrams) for each in push.values]
            values += [value for message in messages for value in message.values]
            told = [value & alarm for value in values if isinstance(value, int) and value & alarm]
            run.check("the alarm is told", expected=True, actual=alarm in told)
    return ChannelsSeen(alarms=len(_ORDER))
