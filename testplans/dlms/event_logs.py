"""Event logs: what a log gained since it was marked, and whether its entries bear the time they happened at.

Counting entries does not do: a log that is full has as many after an event as before. So rows are compared.
What was marked is looked for at the old end of what is read; what follows it is new.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapters.errors import Refused, RemoteProtocolError
from adapters.roles import DlmsMeter
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms.profile_words import zone_of

_NEWEST_FIRST = (2, 3)  # sort_method: LIFO, or the largest (clock) first
_NOT_SPECIFIED = 0xFF
_NO_DEVIATION = -0x8000
_MOST_ENTRIES = 400  # a log with more of them is not filled: it takes too many associations

Row = tuple[str, str]  # time in hexadecimal, and what was captured beside it


@dataclass(frozen=True, kw_only=True)
class LogMark:
    """What a log held at a moment of the meter's clock; ``last`` is the number of its newest entry."""

    log: str
    entries: int
    last: int
    device_time: datetime
    rows: object = field(repr=False)


@procedure("mark_log")
def mark_log(
    run: Steps, *, meter: DlmsMeter, log: str = "standard_event_log", association: str = ""
) -> LogMark:
    """Remember what a log holds, so that ``log_gained`` can tell what came later."""
    now = meter.read_clock(association=association).device_time
    rows = read_rows(meter, log, association)
    last = int(rows[-1][1]) if rows else 0
    return LogMark(log=log, entries=len(rows), last=last, device_time=now, rows=rows)


@dataclass(frozen=True, kw_only=True)
class LogGained:
    """What a log gained since it was marked.

    ``numbers`` are the new entries, oldest first, separated by blanks: those asked for, where some were.
    ``lost`` counts marked entries that are gone though there was room. ``mistimed`` names new entries that
    bear a time before the mark or after now, by the meter's own clock. ``span_s`` is from the first of the
    new entries to the last, 0 where they do not tell.
    """

    numbers: str
    count: int
    last: int
    lost: int
    mistimed: str
    span_s: float


@procedure("log_gained")
def log_gained(
    run: Steps,
    *,
    meter: DlmsMeter,
    before: object,
    of: list[int] | None = None,
    tolerance: Duration = 2.0,
    association: str = "",
) -> LogGained:
    """Read a marked log again: what is new, what is gone, and whether the new entries bear a time since then.

    The clock must not have been set meanwhile.
    """
    assert isinstance(before, LogMark)
    assert isinstance(before.rows, tuple)
    after = read_rows(meter, before.log, association)
    now = meter.read_clock(association=association).device_time
    dropped, new = gained_rows(before.rows, after)
    full = bool(dropped) and before.entries + len(new) > _capacity(meter, before.log, association)
    asked = [row for row in new if not of or int(row[1]) in of]
    slack = timedelta(seconds=tolerance)
    moments = [_moment(stamp) for stamp, _ in asked]
    told = [moment for moment in moments if moment is not None]
    mistimed = [
        f"{number} at {stamp:%Y-%m-%d %H:%M:%S} UTC"
        for stamp, (_, number) in zip(moments, asked, strict=True)
        if stamp is not None and not before.device_time - slack <= stamp <= now + slack
    ]
    return LogGained(
        numbers=" ".join(number for _, number in asked),
        count=len(asked),
        last=int(asked[-1][1]) if asked else 0,
        lost=0 if full else dropped,
        mistimed=", ".join(mistimed),
        span_s=(told[-1] - told[0]).total_seconds() if told else 0.0,
    )


def gained_rows(before: tuple[Row, ...], after: tuple[Row, ...]) -> tuple[int, tuple[Row, ...]]:
    """Return how many of the rows ``before`` are gone ``after``, and which rows are new."""
    for gone in range(len(before) + 1):
        kept = len(before) - gone
        if after[:kept] == before[gone:]:
            return gone, after[kept:]
    raise AssertionError("nothing kept always fits")


def read_rows(meter: DlmsMeter, log: str, association: str) -> tuple[Row, ...]:
    """Return the rows of a log, oldest first, as time and last column."""
    value = meter.get(log, "buffer", association).value
    if not isinstance(value, list | tuple) or not all(isinstance(row, list | tuple) and row for row in value):
        raise RemoteProtocolError(f"the buffer of {log} is no array of rows")
    rows = [(str(row[0]), str(row[-1])) for row in value]
    try:
        if meter.get(log, "sort_method", association).value in _NEWEST_FIRST:
            rows.reverse()
    except Refused:  # then it is taken for the usual one, first in first out
        pass
    return tuple(rows)


def _capacity(meter: DlmsMeter, log: str, association: str) -> int:
    value = meter.get(log, "profile_entries", association).value
    assert isinstance(value, int)
    return value


def _moment(stamp: str) -> datetime | None:
    """Return the moment of a COSEM date-time in hexadecimal (Blue Book 4.1.6.1).

    None where it does not say how far it is from UTC: such a time is the meter's own affair.
    """
    octets = bytes.fromhex(stamp)
    if len(octets) != 12:
        raise RemoteProtocolError(f"the time of a log entry has {len(octets)} octets, not 12", data=octets)
    deviation = int.from_bytes(octets[9:11], "big", signed=True)
    if deviation == _NO_DEVIATION:
        return None
    hour, minute, second, hundredths = octets[5:9]
    try:
        local = datetime(
            int.from_bytes(octets[:2], "big"),
            octets[2],
            octets[3],
            hour,
            minute,
            second,
            hundredths * 10_000 if hundredths != _NOT_SPECIFIED else 0,
            UTC,
        )
    except ValueError:
        raise RemoteProtocolError("the time of a log entry is no moment", data=octets) from None
    return local + timedelta(minutes=deviation)


@procedure("set_clock_and_back", hurts=("configure",))
def set_clock_and_back(
    run: Steps,
    *,
    meter: DlmsMeter,
    forward: Duration,
    log: str = "standard_event_log",
    of: list[int],
    association: str = "",
) -> LogGained:
    """Set the clock ``forward``, see what that left in a log, and set it to our own time again."""
    before = mark_log(run, meter=meter, log=log, association=association)
    zone_min = zone_of(meter, association)
    now = meter.read_clock(association=association).device_time
    try:
        _set_clock(meter, now + timedelta(seconds=forward), zone_min, association)
        return log_gained(run, meter=meter, before=before, of=of, association=association)
    finally:
        _set_clock(meter, run.clock.utc_now(), zone_min, association)


def _set_clock(meter: DlmsMeter, moment: datetime, zone_min: int, association: str) -> None:
    local = moment - timedelta(minutes=zone_min)
    date = f"{local.year:04X}{local.month:02X}{local.day:02X}{local.isoweekday():02X}"
    time = f"{local.hour:02X}{local.minute:02X}{local.second:02X}00"
    meter.set("clock", f"hex:{date}{time}{zone_min & 0xFFFF:04X}00", "time", association)


@dataclass(frozen=True, kw_only=True)
class LogFilled:
    """How often a client came and went until a log was full, and what the log then holds."""

    associations: int
    entries: int
    capacity: int


@procedure("fill_log")
def fill_log(
    run: Steps,
    *,
    meter: DlmsMeter,
    client: str,
    link: str,
    log: str = "communication_event_log",
    association: str = "",
) -> LogFilled:
    """Let ``client`` open and release associations on ``link`` until they fill ``log`` and then some.

    Inconclusive where the log does not note them, or is too large to be filled that way.
    """
    capacity = _capacity(meter, log, association)
    if capacity > _MOST_ENTRIES:
        run.inconclusive(f"{log} takes {capacity} entries, more than the {_MOST_ENTRIES} this case fills")
    before = read_rows(meter, log, association)
    _come_and_go(meter, client, link)
    each = len(gained_rows(before, read_rows(meter, log, association))[1])
    if not each and len(before) < capacity:
        run.inconclusive(f"{log} does not note that {client} came and went")
    rounds = (capacity - len(before)) // max(each, 1) + 2
    for _ in range(rounds):
        _come_and_go(meter, client, link)
    entries = len(read_rows(meter, log, association))
    return LogFilled(associations=rounds + 1, entries=entries, capacity=capacity)


@procedure("come_and_go")
def come_and_go(run: Steps, *, meter: DlmsMeter, client: str, link: str) -> None:
    """Open an association and release it again: something for the communication log."""
    _come_and_go(meter, client, link)


def _come_and_go(meter: DlmsMeter, client: str, link: str) -> None:
    meter.associate(client, link, "(passing)")
    meter.release("(passing)")
