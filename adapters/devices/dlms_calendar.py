"""The parts of an activity calendar (class 20): which day it has today, and a copy with another one."""

from __future__ import annotations

from datetime import date, time

from adapters.errors import BenchError, RemoteProtocolError
from adapters.profiles.model import obis_octets, obis_text
from adapters.protocols.dlms import data as typed
from adapters.protocols.dlms.axdr import decode_data, encode_data
from adapters.protocols.dlms.data import Data
from adapters.roles.dlms_control import CalendarDay, CalendarParts

_MOST_DAYS = 255


def day_of(parts: CalendarParts, local: date) -> CalendarDay:
    """Return the day that a calendar has for ``local``. Raises RemoteProtocolError."""
    try:
        number = _week_of(parts, local)[local.isoweekday()].integer()
        day = next(fields for fields in _rows(parts.days) if fields[0].integer() == number)
        actions = [each.items() for each in day[1].items()]
        switches = sorted((_seconds(at.octets()), script.integer()) for at, _, script in actions)
        return CalendarDay(switches=tuple(switches), script_table=obis_text(actions[0][1].octets()))
    except (LookupError, ValueError, StopIteration) as error:
        raise RemoteProtocolError(f"the calendar cannot be read as one: {error}", clause="class 20") from None


def with_day(parts: CalendarParts, local: date, switches: tuple[str, ...], table: str) -> CalendarParts:
    """Return a calendar with a day of its own for the weekday of ``local``; every other day stays."""
    try:
        script_table = typed.octet_string(obis_octets(table))
        actions = [_action(each, script_table) for each in switches]
    except ValueError as error:
        raise BenchError(f"a day of a calendar: {error}") from None
    used = {fields[0].integer() for fields in _rows(parts.days)}
    number = next(each for each in range(1, _MOST_DAYS) if each not in used)
    day = typed.structure(typed.unsigned(number), typed.array(*actions))
    current, weeks = _week_of(parts, local), []
    for fields in _rows(parts.weeks):
        changed = list(fields)
        if fields == current:
            changed[local.isoweekday()] = typed.unsigned(number)
        weeks.append(typed.structure(*changed))
    return CalendarParts(
        name=parts.name,
        seasons=parts.seasons,
        weeks=_octets(typed.array(*weeks)),
        days=_octets(typed.array(*decode(parts.days).items(), day)),
    )


def decode(octets: str) -> Data:
    """Return a part of a calendar as data."""
    return decode_data(bytes.fromhex(octets))


def _octets(data: Data) -> str:
    return encode_data(data).hex()


def _rows(octets: str) -> list[tuple[Data, ...]]:
    return [each.items() for each in decode(octets).items()]


def _week_of(parts: CalendarParts, local: date) -> tuple[Data, ...]:
    """Return the week of the season that began last: before the first of a year, the last one still is on.

    Only month and day of a season's start are compared. A calendar without seasons has one week.
    """
    weeks = _rows(parts.weeks)
    begun = sorted((start.octets()[2:4], week.octets()) for _, start, week in _rows(parts.seasons))
    past = [week for start, week in begun if start <= bytes((local.month, local.day))]
    wanted = past[-1] if past else begun[-1][1] if begun else b""
    return next((fields for fields in weeks if fields[0].octets() == wanted), weeks[0])


def _seconds(octets: bytes) -> int:
    return octets[0] * 3600 + octets[1] * 60 + octets[2]


def _action(text: str, table: Data) -> Data:
    """Return ``06:00=1`` as an action of a day. Raises ValueError."""
    clock, equals, script = text.partition("=")
    if not equals or not script.isdecimal():
        raise ValueError(f"{text!r} is not a time and a script, such as 06:00=1")
    at = time.fromisoformat(clock)
    octets = typed.octet_string(bytes((at.hour, at.minute, at.second, 0)))
    return typed.structure(octets, table, typed.long_unsigned(int(script)))
