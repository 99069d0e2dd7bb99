"""Pushes of a DLMS meter: what is pushed, from where to whom, how protected, and with which counter.

When a push starts and how often it is tried is in ``push_timing``, alarms are in ``push_alarms``.
"""

from __future__ import annotations

from contextlib import suppress

from adapters.errors import Refused
from adapters.roles import DlmsMeter, PushReceiver, PushTransport
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms.push_alarms import ALL_ALARMS, write_off
from testplans.dlms.push_steps import (
    ASSOCIATION,
    QUIET_S,
    SETUPS,
    PushesSeen,
    answers,
    associated,
    compare_columns,
    near_if_told,
    pushed,
)


@procedure("silence_pushes", hurts=("configure",))
def silence_pushes(run: Steps, *, meter: DlmsMeter, link: str) -> PushesSeen:
    """Turn every push off and write every alarm off."""
    meter.release_all()
    with associated(meter, link):
        meter.set("push_period", 0, association=ASSOCIATION)
        meter.set("alarm_filter_1", ALL_ALARMS, association=ASSOCIATION)
        write_off(meter)
        for setup in SETUPS:
            meter.configure_push(setup, "", association=ASSOCIATION)
    return PushesSeen(pushes=0, counter=0)


@procedure("push_on_demand", hurts=("configure",))
def push_on_demand(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str, transport: PushTransport
) -> PushesSeen:
    """Invoke method push and compare what comes, value by value, with what the meter answers to GET."""
    address = receiver.address(transport).address
    meter.release_all()
    opened = meter.associate("management", link, ASSOCIATION)
    written = meter.configure_push(setup, address, transport, association=ASSOCIATION)
    way = (written.destination, written.transport)
    run.check("destination read back", expected=(address, transport), actual=way)
    before = answers(meter, written.columns)
    counted = meter.answer_counter(ASSOCIATION)
    meter.action(setup, "push", association=ASSOCIATION)
    push = receiver.wait_for_push(QUIET_S, transport)
    after = answers(meter, written.columns)
    zone_min = int(str(meter.get("clock", "time_zone", ASSOCIATION).value))
    clock = meter.read_clock(association=ASSOCIATION)
    counted_after = meter.answer_counter(ASSOCIATION)
    meter.release(ASSOCIATION)

    run.check("setup that was pushed", expected=setup, actual=push.setup)
    compare_columns(run, written.columns, push, before, after, clock.device_time, zone_min)
    for column, value in zip(written.columns, push.values, strict=True):
        if column.class_id == 3:
            register = bool(value.unit) and value.scaled is not None
            run.check(f"{column.object} has its unit", expected=True, actual=register)
    near_if_told(run, "date-time of the notification", push.meter_time, clock.device_time)
    run.check("system title", expected=opened.meter_system_title, actual=push.system_title)
    run.check("protection", expected="authenticated-encrypted", actual=push.protection)
    counter = push.invocation_counter or 0
    if counted >= 0 and push.invocation_counter is not None:
        # One key, one row of counters: a number used by an answer and a push is a nonce used twice.
        run.measure(
            "invocation counter, between those of the answers before and after",
            counter,
            "",
            low=counted + 1,
            high=counted_after - 1,
        )
    run.check("further pushes", expected=0, actual=receiver.no_push_for(QUIET_S, transport).count)
    return PushesSeen(pushes=1, counter=counter)


@procedure("push_another_list", hurts=("configure",))
def push_another_list(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str, columns: str
) -> PushesSeen:
    """Write another list of attributes: it is what is pushed, in its order; then the old one again.

    ``columns`` begins with the setup's own logical name, by which the receiver knows the push.
    """
    address = receiver.address().address
    meter.release_all()
    with associated(meter, link):
        old = meter.configure_push(setup, address, association=ASSOCIATION).columns
        written = meter.write_push_list(setup, columns, association=ASSOCIATION).columns
        try:
            names = [f"{column.object} {column.attribute}" for column in written]
            run.check("columns read back", expected=len(columns.split()), actual=len(names))
            before = answers(meter, written[1:])
            meter.action(setup, "push", association=ASSOCIATION)
            push = receiver.wait_for_push(QUIET_S)
            run.check("setup that was pushed", expected=setup, actual=push.setup)
            run.check("number of values", expected=len(written), actual=len(push.values))
            for name, value, answer in zip(names[1:], push.values[1:], before, strict=True):
                run.check(f"{name} as GET tells it", expected=answer.value, actual=value.value)
        finally:
            restored = meter.write_push_list(setup, "", association=ASSOCIATION).columns
        run.check("list put back", expected=old, actual=restored)
    return PushesSeen(pushes=1, counter=push.invocation_counter or 0)


@procedure("push_to_a_client", hurts=("configure",))
def push_to_a_client(
    run: Steps,
    *,
    meter: DlmsMeter,
    receiver: PushReceiver,
    link: str,
    setup: str,
    client_port: int,
    transport: PushTransport = "tcp",
) -> PushesSeen:
    """Push and look at the ports of the wrapper: from the logical device to the client, not the other way."""
    push = pushed(meter, receiver, link, setup, transport)
    run.check("source port is the logical device", expected=1, actual=push.source)
    run.check("destination port is the client", expected=client_port, actual=push.destination)
    return PushesSeen(pushes=1, counter=push.invocation_counter or 0)


@procedure("push_with_another_key", hurts=("configure",))
def push_with_another_key(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str
) -> PushesSeen:
    """A receiver with another key opens nothing; with the right one it opens the next push."""
    receiver.open_with("wrong-key")
    try:
        reason = "taken"
        with suppress(Refused):
            pushed(meter, receiver, link, setup)
        found = receiver.received_pushes().pushes
        reason = found[-1].fault if found else "no-push"
        run.check("opened with another key", expected="deciphering-failed", actual=reason)
        run.check("values shown in spite of it", expected=(), actual=found[-1].values)
    finally:
        receiver.open_with()
    push = pushed(meter, receiver, link, setup)
    run.check("opened with the right key", expected="authenticated-encrypted", actual=push.protection)
    return PushesSeen(pushes=1, counter=push.invocation_counter or 0)
