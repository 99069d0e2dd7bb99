"""What the procedures around load profiles share: an association for a moment, borders, the last rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from adapters.errors import RemoteProtocolError
from adapters.roles import DlmsMeter, ProfileColumn, ProfileRead
from harness.steps import Steps

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SETTLED_S = 5.0
"""How long after a border its row is expected to be there."""


CLOCK_INVALID, CLOCK_ADJUSTED, POWER_DOWN = 0x02, 0x20, 0x80
"""Bits of the status of a row (IDIS package 2)."""
_COSEM_TIME = "hex:{:04x}{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}00{:04x}00"
_SET_WITHIN = timedelta(seconds=3)  # what a request takes, and the second a clock shows
_NO_DEVIATION = -0x8000
_ENERGIES = ("Wh", "varh", "VAh")


@contextmanager
def opened(meter: DlmsMeter, client: str, link: str) -> Iterator[str]:
    """Open an association for a few requests and release it; waits of hours lie between two of them."""
    name = meter.associate(client, link, "profile").association
    try:
        yield name
    finally:
        meter.release(name)


def number(meter: DlmsMeter, object: str, attribute: str, association: str) -> int:
    """Read an attribute that is a number. Raises RemoteProtocolError for one that is none."""
    value = meter.get(object, attribute, association).value
    if isinstance(value, bool) or not isinstance(value, int):
        raise RemoteProtocolError(f"{attribute} of {object} is {value!r}, no whole number")
    return value


def next_border(after: datetime, period_s: int, zone_min: int = 0) -> datetime:
    """Return the first border of the period later than ``after``, on the grid of local time."""
    shift = timedelta(minutes=-zone_min)
    period = timedelta(seconds=period_s)
    return _EPOCH + ((after + shift - _EPOCH) // period + 1) * period - shift


def borders(after: datetime, until: datetime, period_s: int, zone_min: int = 0) -> list[datetime]:
    """Return the borders later than ``after`` and not later than ``until``."""
    found = []
    border = next_border(after, period_s, zone_min)
    while border <= until:
        found.append(border)
        border += timedelta(seconds=period_s)
    return found


def zone_of(meter: DlmsMeter, association: str) -> int:
    """Return the deviation of the meter's clock, in minutes as COSEM counts it."""
    return number(meter, "clock", "time_zone", association)


def set_clock(run: Steps, meter: DlmsMeter, association: str, moment: datetime, zone_min: int) -> None:
    """Set the clock, in local time, and look whether it shows what it was set to."""
    local = moment - timedelta(minutes=zone_min)
    octets = _COSEM_TIME.format(
        local.year, local.month, local.day, local.isoweekday(), local.hour, local.minute, local.second,
        zone_min & 0xFFFF,
    )  # fmt: skip
    meter.set("clock", octets, "time", association)
    shown = meter.read_clock(association=association).device_time
    run.check(
        "the clock after it was set",
        expected=moment.replace(microsecond=0),
        actual=shown,
        passed=abs(shown - moment) <= _SET_WITHIN,
    )


def wait_for_border(
    run: Steps, meter: DlmsMeter, client: str, link: str, period_s: int, zone_min: int = 0
) -> datetime:
    """Return the next border of the meter's clock; it will be past by ``SETTLED_S`` when this returns.

    Nothing is open meanwhile: a meter ends an association that is silent for minutes.
    """
    with opened(meter, client, link) as association:
        now = meter.read_clock(association=association).device_time
    border = next_border(now, period_s, zone_min)
    run.clock.sleep_s((border - now).total_seconds() + SETTLED_S)
    return border


def last_rows(meter: DlmsMeter, object: str, count: int, association: str) -> ProfileRead:
    """Read the newest ``count`` rows by their numbers."""
    present = number(meter, object, "entries_in_use", association)
    return meter.read_profile(
        object, first_entry=max(present - count + 1, 1), last_entry=present, association=association
    )


def is_energy(column: ProfileColumn) -> bool:
    """Return whether a column is a register that only ever grows."""
    return (column.class_id, column.attribute) == (3, 2) and column.unit in _ENERGIES


def moment(octets: str, zone_min: int = 0) -> datetime:
    """Return twelve octets of a date-time, in hexadecimal, as a moment. Raises RemoteProtocolError.

    Where it leaves its deviation open, that of the clock (``zone_min``) is meant.
    """
    try:
        given = bytes.fromhex(octets)
        deviation_min = int.from_bytes(given[9:11], "big", signed=True)
        local = datetime(
            int.from_bytes(given[:2], "big"), given[2], given[3], given[5], given[6], given[7], tzinfo=UTC
        )
    except (ValueError, IndexError):
        raise RemoteProtocolError(f"{octets!r} is no moment") from None
    return local + timedelta(minutes=zone_min if deviation_min == _NO_DEVIATION else deviation_min)


def times(read: ProfileRead) -> list[datetime]:
    """Return the times of the rows."""
    return [row.time for row in read.rows if row.time is not None]


def said(moments: list[datetime]) -> str:
    """Return moments for a report: the first few, and how many there are."""
    text = ", ".join(f"{moment:%d %H:%M:%S}" for moment in moments[:4])
    return f"{len(moments)}" + (f" ({text}{' ...' if len(moments) > 4 else ''})" if moments else "")


def decimals(read: ProfileRead, column: str) -> list[Decimal]:
    """Return a column of numbers."""
    return [Decimal(str(value)) for value in read.column(column)]
