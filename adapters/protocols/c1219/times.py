"""Dates and times as meters write them: STIME_DATE (to the minute), LTIME_DATE (to the second) and TIME.

TM_FORMAT 1 packed decimal, 2 one octet a part, 3 minutes since 1970 (and seconds), 4 seconds since 1970; 0
means that the meter has no clock. Two-digit years from 90 on are of the last century.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.c1219.formats import Order

TimeType = Literal["stime", "ltime", "time"]
OCTETS: dict[TimeType, dict[int, int]] = {
    "stime": {0: 0, 1: 5, 2: 5, 3: 4, 4: 4},
    "ltime": {0: 0, 1: 6, 2: 6, 3: 5, 4: 4},
    "time": {0: 0, 1: 3, 2: 3, 3: 4, 4: 4},
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PIVOT = 90


@dataclass(frozen=True, kw_only=True, order=True)
class MeterTime:
    """A date and a time of day by a meter's own clock; whose zone it is, another field says.

    The parts are kept as they came, so an entry never written (month 0, or 0xFF everywhere) can be read and
    written back; ``moment`` raises for it.
    """

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int = 0

    def __str__(self) -> str:
        day = f"{self.year:04d}-{self.month:02d}-{self.day:02d}"
        return f"{day} {self.hour:02d}:{self.minute:02d}:{self.second:02d}"

    @property
    def is_a_date(self) -> bool:
        """Whether there is such a day and time."""
        try:
            self.moment()
        except RemoteProtocolError:
            return False
        return True

    def moment(self, offset_min: int = 0) -> datetime:
        """Return it in UTC, where local time is UTC + ``offset_min``. Raises RemoteProtocolError."""
        try:
            here = datetime(self.year, self.month, self.day, self.hour, self.minute, self.second, tzinfo=UTC)
            return here - timedelta(minutes=offset_min)
        except (ValueError, OverflowError):
            raise RemoteProtocolError(f"{self} is no date and time", frame_intact=True) from None

    @classmethod
    def of(cls, moment: datetime, offset_min: int = 0) -> MeterTime:
        """Return a moment as a clock ``offset_min`` ahead of UTC shows it, cut to the second."""
        local = moment.astimezone(UTC) + timedelta(minutes=offset_min)
        return cls(
            year=local.year,
            month=local.month,
            day=local.day,
            hour=local.hour,
            minute=local.minute,
            second=local.second,
        )


def decode_time(raw: bytes, kind: TimeType, tm_format: int, order: Order) -> MeterTime | int | None:
    """Return a date and time, seconds since midnight for ``time``, None for a meter without a clock.

    Raises RemoteProtocolError for digits that are none.
    """
    if tm_format == 0:
        return None
    if tm_format in (1, 2):
        parts = [_bcd(octet) for octet in raw] if tm_format == 1 else list(raw)
        if kind == "time":
            return parts[0] * 3600 + parts[1] * 60 + parts[2]
        year, month, day, hour, minute, *second = parts
        century = 1900 if _PIVOT <= year <= 99 else 2000
        return MeterTime(
            year=century + year,
            month=month,
            day=day,
            hour=hour,
            minute=minute,
            second=second[0] if second else 0,
        )
    count = int.from_bytes(raw[:4], order)
    if kind == "time":
        return count
    seconds = count * 60 if tm_format == 3 else count
    moment = MeterTime.of(_EPOCH + timedelta(seconds=seconds))
    if tm_format == 3 and kind == "ltime":
        return MeterTime(
            year=moment.year,
            month=moment.month,
            day=moment.day,
            hour=moment.hour,
            minute=moment.minute,
            second=raw[4],
        )
    return moment


def encode_time(value: object, kind: TimeType, tm_format: int, order: Order) -> bytes:
    """Return the octets of a MeterTime (``time``: of seconds since midnight). Raises LocalProtocolError."""
    if tm_format == 0:
        return b""
    try:
        if kind == "time":
            return _encode_time_of_day(value, tm_format, order)
        if value is None:
            return bytes(OCTETS[kind][tm_format])
        if not isinstance(value, MeterTime):
            raise LocalProtocolError(f"{value!r} is no date and time of a meter")
        if tm_format in (1, 2):
            first = 1900 if value.year < 2000 else 2000
            parts = [value.year - first, value.month, value.day, value.hour, value.minute]
            parts += [value.second] if kind == "ltime" else []
            return bytes(map(_to_bcd, parts)) if tm_format == 1 else bytes(parts)
        minutes, second = divmod(int((value.moment() - _EPOCH).total_seconds()), 60)
        if tm_format == 4:
            return (minutes * 60 + second).to_bytes(4, order)
        return minutes.to_bytes(4, order) + (bytes((second,)) if kind == "ltime" else b"")
    except (ValueError, OverflowError, RemoteProtocolError) as error:
        raise LocalProtocolError(f"{value} cannot be written as {kind} in TM_FORMAT {tm_format}") from error


def _encode_time_of_day(value: object, tm_format: int, order: Order) -> bytes:
    if not isinstance(value, int):
        raise LocalProtocolError(f"{value!r} is no number of seconds since midnight")
    if tm_format in (3, 4):
        return value.to_bytes(4, order)
    minutes, second = divmod(value, 60)
    hour, minute = divmod(minutes, 60)
    parts = (hour, minute, second)
    return bytes(map(_to_bcd, parts)) if tm_format == 1 else bytes(parts)


def _bcd(octet: int) -> int:
    high, low = octet >> 4, octet & 15
    if high > 9 or low > 9:
        raise RemoteProtocolError(
            f"0x{octet:02X} is no packed decimal", data=bytes((octet,)), frame_intact=True
        )
    return high * 10 + low


def _to_bcd(value: int) -> int:
    if not 0 <= value <= 99:
        raise ValueError(value)
    return value // 10 << 4 | value % 10
