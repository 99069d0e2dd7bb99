"""Pushes of a DLMS meter: what is pushed, when, how often, how protected, and what is left behind.

Every procedure opens an association of its own where it needs one and closes it before it waits for long: an
idle connection would be lost meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from adapters.errors import Refused
from adapters.roles import DlmsMeter, PowerSource, PushReceived, PushReceiver, PushTransport
from harness.actions import procedure
from harness.steps import Steps

ASSOCIATION = "push"
TOLERANCE_S = 2
QUIET_S = 5.0
ALL_ALARMS = 0xFFFF_FFFF
_SETUPS = ("push_connectivity", "push_interval", "push_alarm")


@dataclass(frozen=True, kw_only=True)
class PushesSeen:
    """What came of it: how many pushes were taken, and the invocation counter of the last one."""

    pushes: int
    counter: int


@procedure("silence_pushes", hurts=("configure",))
def silence_pushes(run: Steps, *, meter: DlmsMeter, link: str) -> PushesSeen:
    """Turn every push off and write every alarm off."""
    meter.release_all()
    with _associated(meter, link):
        meter.set("push_period", 0, association=ASSOCIATION)
        meter.set("alarm_filter_1", ALL_ALARMS, association=ASSOCIATION)
        _write_off(meter)
        for setup in _SETUPS:
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
    run.check("destination read back", expected=(address, transport), actual=_way(written))
    columns = written.columns
    before = [_get(meter, c.class_id, c.obis, c.attribute) for c in columns]
    meter.action(setup, "push", association=ASSOCIATION)
    push = receiver.wait_for_push(QUIET_S, transport)
    after = [_get(meter, c.class_id, c.obis, c.attribute) for c in columns]
    zone_min = int(str(meter.get("clock", "time_zone", ASSOCIATION).value))
    clock = meter.read_clock(association=ASSOCIATION)
    meter.release(ASSOCIATION)

    run.check("setup that was pushed", expected=setup, actual=push.setup)
    run.check("number of values", expected=len(columns), actual=len(push.values))
    for column, value, low, high in zip(columns, push.values, before, after, strict=True):
        name = f"{column.object} attribute {column.attribute}"
        if column.class_id == 8:
            _near(run, name, _utc(str(value.value), zone_min), clock.device_time)
        elif isinstance(low, int) and isinstance(high, int) and isinstance(value.value, int):
            run.measure(name, value.value, "", low=low, high=high)
        else:
            run.check(name, expected=high, actual=value.value)
        if column.class_id == 3:
            register = (value.unit, value.scaled is not None)
            run.check(f"{name} has its unit", expected=True, actual=bool(register[0]) and register[1])
    _near(run, "date-time of the notification", push.meter_time, clock.device_time)
    run.check("system title", expected=opened.meter_system_title, actual=push.system_title)
    run.check("protection", expected="authenticated-encrypted", actual=push.protection)
    run.check("further pushes", expected=0, actual=receiver.no_push_for(QUIET_S, transport).count)
    return PushesSeen(pushes=1, counter=push.invocation_counter or 0)


@procedure("push_to_a_client", hurts=("configure",))
def push_to_a_client(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str, client_port: int
) -> PushesSeen:
    """Push and look at the ports of the wrapper: from the logical device to the client, not the other way."""
    push = _pushed(meter, receiver, link, setup)
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
            _pushed(meter, receiver, link, setup)
        found = receiver.received_pushes().pushes
        reason = found[-1].fault if found else "no-push"
        run.check("opened with another key", expected="deciphering-failed", actual=reason)
        run.check("values shown in spite of it", expected=(), actual=found[-1].values)
    finally:
        receiver.open_with()
    push = _pushed(meter, receiver, link, setup)
    run.check("opened with the right key", expected="authenticated-encrypted", actual=push.protection)
    return PushesSeen(pushes=1, counter=push.invocation_counter or 0)


@procedure("push_retries", hurts=("configure",))
def push_retries(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str, retries: int, delay_s: int
) -> PushesSeen:
    """Let nobody listen, and see the first retry, the last one, and none after it."""
    address = receiver.address().address

    def begin() -> float:
        receiver.stop_listening()
        with _associated(meter, link):
            meter.configure_push(
                setup, address, retries=retries, repetition_delay_s=delay_s, association=ASSOCIATION
            )
            meter.action(setup, "push", association=ASSOCIATION)
            return run.clock.monotonic_s()

    first_s = begin()
    run.clock.sleep_s(delay_s / 2)
    receiver.wait_for_push(delay_s * (retries + 1))
    _after(run, "first retry", first_s, delay_s)
    run.check(
        "pushes after one that was taken", expected=0, actual=receiver.no_push_for(delay_s * retries).count
    )
    last_s = begin()
    run.clock.sleep_s(delay_s * (retries - 0.5))
    receiver.wait_for_push(delay_s * (retries + 1))
    _after(run, "last retry", last_s, delay_s * retries)
    begin()
    run.clock.sleep_s(delay_s * (retries + 0.5))
    late = receiver.no_push_for(delay_s * (retries + 2)).count
    run.check("attempts after the last retry", expected=0, actual=late)
    return PushesSeen(pushes=2, counter=0)


@procedure("push_given_up", hurts=("configure",))
def push_given_up(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str, delay_s: int, event: int
) -> PushesSeen:
    """A push nobody takes leaves one entry, ``event``, in the communication log, when it is given up."""
    address = receiver.address().address
    receiver.stop_listening()
    with _associated(meter, link):
        known = _entries(meter, event)
        meter.configure_push(setup, address, retries=1, repetition_delay_s=delay_s, association=ASSOCIATION)
        meter.action(setup, "push", association=ASSOCIATION)
        soon = _entries(meter, event) - known
        run.check("new entries before the last retry", expected=0, actual=len(soon))
        run.clock.sleep_s(delay_s + TOLERANCE_S)
        run.check("new entries", expected=1, actual=len(_entries(meter, event) - known))
    return PushesSeen(pushes=0, counter=0)


@procedure("push_randomised", hurts=("configure",))
def push_randomised(
    run: Steps,
    *,
    meter: DlmsMeter,
    receiver: PushReceiver,
    link: str,
    setup: str,
    interval_s: int,
    times: int = 6,
) -> PushesSeen:
    """Push several times with a start interval: never later than it, and not all at the same moment."""
    address, delays = receiver.address().address, []
    with _associated(meter, link):
        meter.configure_push(setup, address, randomisation_s=interval_s, association=ASSOCIATION)
        for _ in range(times):
            meter.action(setup, "push", association=ASSOCIATION)
            asked_s = run.clock.monotonic_s()
            receiver.wait_for_push(3.0 * interval_s)
            delay_s = round(run.clock.monotonic_s() - asked_s, 3)
            run.measure("start after the request", delay_s, "s", low=0, high=interval_s + TOLERANCE_S)
            delays.append(delay_s)
    spread_s = round(max(delays) - min(delays), 3)
    run.measure("spread of the starts", spread_s, "s", low=interval_s / 20)
    return PushesSeen(pushes=times, counter=0)


@procedure("push_postponed", hurts=("configure",))
def push_postponed(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str, closed_s: int
) -> PushesSeen:
    """Push while the window is closed: nothing until it opens, then at once and with the values of then."""
    address = receiver.address().address
    with _associated(meter, link):
        zone_min = int(str(meter.get("clock", "time_zone", ASSOCIATION).value))
        local = meter.read_clock(association=ASSOCIATION).device_time - timedelta(minutes=zone_min)
        opens = (local + timedelta(seconds=closed_s)).replace(microsecond=0)
        closes = opens + timedelta(minutes=10)
        written = meter.configure_push(
            setup,
            address,
            window_start=opens.strftime("%H:%M:%S"),
            window_end=closes.strftime("%H:%M:%S"),
            association=ASSOCIATION,
        )
        run.check("windows read back", expected=1, actual=written.windows)
        meter.action(setup, "push", association=ASSOCIATION)
    early = receiver.no_push_for(closed_s - 3.0 * TOLERANCE_S).count
    run.check("pushes while the window is closed", expected=0, actual=early)
    push = receiver.wait_for_push(6.0 * TOLERANCE_S)
    opened_at = opens + timedelta(minutes=zone_min)
    _near(run, "arrival, against the window's beginning", push.arrived, opened_at)
    _near(run, "time of the values", push.meter_time, opened_at)
    clocks = [each for each in push.values if each.object == "clock"]
    for each in clocks:
        _near(run, "pushed clock", _utc(str(each.value), zone_min), opened_at)
    again = _asked_for(meter, receiver, link, setup)
    run.check("pushed within the window", expected=setup, actual=again.setup)
    return PushesSeen(pushes=2, counter=again.invocation_counter or 0)


@procedure("push_alarm_once", hurts=("configure",))
def push_alarm_once(
    run: Steps,
    *,
    meter: DlmsMeter,
    receiver: PushReceiver,
    link: str,
    other_link: str,
    bit: int,
    other_bit: int,
) -> PushesSeen:
    """An alarm is pushed once; its bit stays until it is written off, then the alarm is news again."""
    _alarms_ready(meter, receiver, link)
    _provoke(meter, other_link)
    _alarm_came(run, receiver, 1 << bit)
    _provoke(meter, other_link)
    run.check("pushes of the same alarm", expected=0, actual=receiver.no_push_for(QUIET_S).count)
    _provoke_another(meter, other_link)
    both = 1 << bit | 1 << other_bit
    _alarm_came(run, receiver, both)
    with _associated(meter, link):
        run.check("alarms after the push", expected=(both, both), actual=_alarms(meter))
        meter.set("alarm_descriptor_1", ALL_ALARMS, association=ASSOCIATION)  # ones clear nothing, nor set
        run.check("alarms after writing ones", expected=(both, both), actual=_alarms(meter))
        _write_off(meter)
        run.check("alarms once written off", expected=(0, 0), actual=_alarms(meter))
    run.check("pushes of writing off", expected=0, actual=receiver.no_push_for(QUIET_S).count)
    _provoke(meter, other_link)
    _alarm_came(run, receiver, 1 << bit)
    return PushesSeen(pushes=2, counter=0)


@procedure("push_alarm_masked", hurts=("configure",))
def push_alarm_masked(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, other_link: str, bit: int
) -> PushesSeen:
    """An alarm the filter masks reaches the register only; the same alarm unmasked is pushed."""
    _alarms_ready(meter, receiver, link)
    with _associated(meter, link):
        meter.set("alarm_filter_1", ALL_ALARMS ^ 1 << bit, association=ASSOCIATION)
    _provoke(meter, other_link)
    run.check("pushes of a masked alarm", expected=0, actual=receiver.no_push_for(QUIET_S).count)
    with _associated(meter, link):
        run.check("register and descriptor", expected=(1 << bit, 0), actual=_alarms(meter))
        meter.set("alarm_filter_1", ALL_ALARMS, association=ASSOCIATION)
    run.check("pushes of unmasking", expected=0, actual=receiver.no_push_for(QUIET_S).count)
    _provoke(meter, other_link)
    _alarm_came(run, receiver, 1 << bit)
    return PushesSeen(pushes=1, counter=0)


@procedure("push_after_power_up", hurts=("configure", "energise"))
def push_after_power_up(
    run: Steps, *, meter: DlmsMeter, source: PowerSource, receiver: PushReceiver, link: str, off_s: int
) -> PushesSeen:
    """Cut the supply: nothing before it returns, then one push that tells how long it was away."""
    address = receiver.address().address
    with _associated(meter, link):
        meter.configure_push("push_connectivity", address, association=ASSOCIATION)
    meter.drop_all_links()
    source.switch_off()
    try:
        run.check("pushes without supply", expected=0, actual=receiver.no_push_for(float(off_s)).count)
    finally:
        source.switch_on()
    push = receiver.wait_for_push(60)
    run.check("setup that was pushed", expected="push_connectivity", actual=push.setup)
    lasted = next((each.value for each in push.values if each.object == "power_failure_duration"), -1)
    run.measure("duration told", int(str(lasted)), "s", low=off_s - TOLERANCE_S, high=off_s + TOLERANCE_S)
    run.check("further pushes", expected=0, actual=receiver.no_push_for(QUIET_S).count)
    return PushesSeen(pushes=1, counter=push.invocation_counter or 0)


@procedure("push_periodically", hurts=("configure",))
def push_periodically(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, period_s: int, rounds: int = 3
) -> PushesSeen:
    """Push at equal intervals until the scheduler is turned off, each with a counter above the last."""
    address, last = receiver.address().address, -1
    with _associated(meter, link):
        meter.configure_push("push_interval", address, association=ASSOCIATION)
        meter.set("push_period", period_s, association=ASSOCIATION)
    began_s = run.clock.monotonic_s()
    for number in range(1, rounds + 1):
        push = receiver.wait_for_push(2.0 * period_s)
        _after(run, f"push {number}", began_s, number * period_s)
        counter = -1 if push.invocation_counter is None else push.invocation_counter
        run.measure("invocation counter", counter, "", low=last + 1)
        last = counter
    with _associated(meter, link):
        meter.set("push_period", 0, association=ASSOCIATION)
    run.check("pushes once turned off", expected=0, actual=receiver.no_push_for(2.5 * period_s).count)
    return PushesSeen(pushes=rounds, counter=last)


# --- inside -------------------------------------------------------------------------------------------------


@contextmanager
def _associated(meter: DlmsMeter, link: str) -> Iterator[None]:
    meter.associate("management", link, ASSOCIATION)
    try:
        yield
    finally:
        meter.release(ASSOCIATION)


def _get(meter: DlmsMeter, class_id: int, obis: str, attribute: int) -> object:
    return meter.get(f"{class_id}/{obis}", str(attribute), ASSOCIATION).value


def _pushed(meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str) -> PushReceived:
    with _associated(meter, link):
        meter.configure_push(setup, receiver.address().address, association=ASSOCIATION)
    return _asked_for(meter, receiver, link, setup)


def _asked_for(meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str) -> PushReceived:
    with _associated(meter, link):
        meter.action(setup, "push", association=ASSOCIATION)
    return receiver.wait_for_push(QUIET_S)


def _alarms_ready(meter: DlmsMeter, receiver: PushReceiver, link: str) -> None:
    with _associated(meter, link):
        meter.set("alarm_filter_1", ALL_ALARMS, association=ASSOCIATION)
        _write_off(meter)
        meter.configure_push("push_alarm", receiver.address().address, association=ASSOCIATION)


def _provoke(meter: DlmsMeter, link: str) -> None:
    """Fail to prove who we are, which is a fraud event."""
    with suppress(Refused):
        meter.associate("management", link, "intruder", mechanism="lls", flaw="wrong-password")
    meter.drop_link(link)


def _provoke_another(meter: DlmsMeter, link: str) -> None:
    """Speak with a wrong key, which is a fraud event of another kind."""
    with suppress(Refused):
        meter.associate("management", link, "intruder", flaw="wrong-key")
    meter.drop_link(link)


def _alarm_came(run: Steps, receiver: PushReceiver, descriptor: int) -> None:
    push = receiver.wait_for_push(QUIET_S)
    run.check("setup that was pushed", expected="push_alarm", actual=push.setup)
    told = {each.object: each.value for each in push.values}
    run.check("alarm descriptor pushed", expected=descriptor, actual=told.get("alarm_descriptor_1"))


def _alarms(meter: DlmsMeter) -> tuple[object, object]:
    return (
        meter.get("alarm_register_1", association=ASSOCIATION).value,
        meter.get("alarm_descriptor_1", association=ASSOCIATION).value,
    )


def _entries(meter: DlmsMeter, event: int) -> set[str]:
    """Return when ``event`` was logged: a log that is full keeps its length, so rows are compared."""
    rows = meter.get("communication_event_log", "buffer", ASSOCIATION).value
    assert isinstance(rows, list)
    return {str(row[0]) for row in rows if row[1] == event}


def _write_off(meter: DlmsMeter) -> None:
    meter.set("alarm_register_1", 0, association=ASSOCIATION)
    meter.set("alarm_descriptor_1", 0, association=ASSOCIATION)


def _way(setup: object) -> tuple[str, str]:
    return getattr(setup, "destination", ""), getattr(setup, "transport", "")


def _utc(text: str, zone_min: int) -> datetime | None:
    """Return the moment of a COSEM date-time as the role prints it, None for what is none."""
    try:
        return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC) + timedelta(minutes=zone_min)
    except ValueError:
        return None


def _near(run: Steps, name: str, actual: datetime | None, expected: datetime) -> None:
    if actual is None:
        run.check(name, expected=expected, actual="no time")
        return
    off_s = Decimal(str(round((actual - expected).total_seconds(), 3)))
    run.measure(name, off_s, "s", low=-TOLERANCE_S, high=TOLERANCE_S)


def _after(run: Steps, name: str, began_s: float, wanted_s: float) -> None:
    passed_s = round(run.clock.monotonic_s() - began_s, 3)
    run.measure(name, passed_s, "s", low=wanted_s - TOLERANCE_S, high=wanted_s + TOLERANCE_S)
