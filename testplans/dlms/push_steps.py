"""What the procedures of pushes share: associations, moments, and values beside those GET answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from adapters.roles import AttributeValue, DlmsMeter, PushReceived, PushReceiver, PushTransport
from adapters.roles.push import PushColumn
from harness.steps import Steps

ASSOCIATION = "push"
SETUPS = ("push_connectivity", "push_interval", "push_alarm")
TOLERANCE_S = 2
QUIET_S = 5.0


@dataclass(frozen=True, kw_only=True)
class PushesSeen:
    """What came of it: how many pushes were taken, and the invocation counter of the last one."""

    pushes: int
    counter: int


@contextmanager
def associated(meter: DlmsMeter, link: str) -> Iterator[None]:
    """Open an association for a while: an idle one would be lost while a procedure waits."""
    meter.associate("management", link, ASSOCIATION)
    try:
        yield
    finally:
        meter.release(ASSOCIATION)


def answers(meter: DlmsMeter, columns: Sequence[PushColumn]) -> list[AttributeValue]:
    """Return what the meter answers to GET of each column."""
    return [meter.get(f"{c.class_id}/{c.obis}", str(c.attribute), ASSOCIATION) for c in columns]


def pushed(
    meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str, transport: PushTransport = "tcp"
) -> PushReceived:
    """Point a setup at the receiver, invoke its method and return the push."""
    with associated(meter, link):
        address = receiver.address(transport).address
        meter.configure_push(setup, address, transport, association=ASSOCIATION)
    return asked_for(meter, receiver, link, setup, transport)


def asked_for(
    meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str, transport: PushTransport = "tcp"
) -> PushReceived:
    """Invoke method push of a setup as it is and return the push."""
    with associated(meter, link):
        meter.action(setup, "push", association=ASSOCIATION)
    return receiver.wait_for_push(QUIET_S, transport)


def compare_columns(
    run: Steps,
    columns: Sequence[PushColumn],
    push: PushReceived,
    before: Sequence[AttributeValue],
    after: Sequence[AttributeValue],
    clock: datetime,
    zone_min: int,
) -> None:
    """Compare a push, value by value and type by type, with what GET answered before and after it."""
    run.check("number of values", expected=len(columns), actual=len(push.values))
    for column, value, low, high in zip(columns, push.values, before, after, strict=True):
        name = f"{column.object} attribute {column.attribute}"
        run.check(f"type of {name}", expected=high.type, actual=value.type)
        if column.class_id == 8:
            near(run, name, utc(str(value.value), zone_min), clock)
        elif isinstance(low.value, int) and isinstance(high.value, int) and isinstance(value.value, int):
            run.measure(name, value.value, "", low=low.value, high=high.value)
        else:
            run.check(name, expected=high.value, actual=value.value)


@dataclass(frozen=True, kw_only=True)
class Clocks:
    """How a meter's clock stands: ahead of ours by ``drift_s``, and UTC = local + ``zone_min``."""

    drift_s: float
    zone_min: int


def clocks_of(meter: DlmsMeter) -> Clocks:
    """Read them in the open association."""
    zone_min = int(str(meter.get("clock", "time_zone", ASSOCIATION).value))
    return Clocks(drift_s=meter.read_clock(association=ASSOCIATION).drift_s, zone_min=zone_min)


def compare_times(run: Steps, push: PushReceived, clocks: Clocks, busy_s: float = 0.0) -> None:
    """Check that a push was made when it came: its date-time, and a clock it carries.

    It came when we took it; ``busy_s`` is for how long we may have been busy with something else by then.
    """
    came = push.arrived + timedelta(seconds=clocks.drift_s)
    near_if_told(run, "date-time of the notification", push.meter_time, came, busy_s)
    for each in push.values:
        if (each.object, each.attribute) == ("clock", "time"):
            near(run, "pushed clock", utc(str(each.value), clocks.zone_min), came, busy_s)


def compare_now(run: Steps, meter: DlmsMeter, push: PushReceived, setup: str, busy_s: float = 0.0) -> None:
    """Compare a push that has just come with GET: what it is of, its times, and what Data objects hold.

    Registers may have moved meanwhile and are not looked at. ``busy_s`` as in ``compare_times``.
    """
    run.check("setup that was pushed", expected=setup, actual=push.setup)
    columns = meter.read_push_setup(setup, ASSOCIATION).columns
    run.check("number of values", expected=len(columns), actual=len(push.values))
    for value, answer, column in zip(push.values, answers(meter, columns), columns, strict=True):
        if column.class_id == 1 and column.attribute == 2:
            name = f"{column.object} pushed, as GET tells it afterwards"
            run.check(name, expected=answer.value, actual=value.value)
    compare_times(run, push, clocks_of(meter), busy_s)


def local_time(meter: DlmsMeter) -> datetime:
    """Return the meter's own time of day, which windows are told in."""
    zone_min = int(str(meter.get("clock", "time_zone", ASSOCIATION).value))
    return meter.read_clock(association=ASSOCIATION).device_time - timedelta(minutes=zone_min)


def daily(moment: datetime) -> str:
    """Return a moment of the meter's day as a window has it."""
    return moment.strftime("%H:%M:%S")


def utc(text: str, zone_min: int) -> datetime | None:
    """Return the moment of a COSEM date-time as the role prints it, None for what is none."""
    try:
        return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC) + timedelta(minutes=zone_min)
    except ValueError:
        return None


def near(run: Steps, name: str, actual: datetime | None, expected: datetime, earlier_s: float = 0.0) -> None:
    """Check that a moment is the expected one or up to ``earlier_s`` earlier, but for the tolerance."""
    if actual is None:
        run.check(name, expected=expected, actual="no time")
        return
    off_s = Decimal(str(round((actual - expected).total_seconds(), 3)))
    run.measure(name, off_s, "s", low=-TOLERANCE_S - earlier_s, high=TOLERANCE_S)


def near_if_told(
    run: Steps, name: str, actual: datetime | None, expected: datetime, earlier_s: float = 0.0
) -> None:
    """Check the date-time of a notification, which the standard lets a meter leave out."""
    if actual is not None:
        near(run, name, actual, expected, earlier_s)


def after(run: Steps, name: str, began_s: float, wanted_s: float) -> None:
    """Check that so much time has passed, but for the tolerance."""
    passed_s = round(run.clock.monotonic_s() - began_s, 3)
    run.measure(name, passed_s, "s", low=wanted_s - TOLERANCE_S, high=wanted_s + TOLERANCE_S)
