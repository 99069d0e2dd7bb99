"""COSEM date-time: twelve octets to and from an aware ``datetime`` (Blue Book 4.1.6.1).

``deviation_min`` is the deviation of local time to UTC in minutes: UTC = local time + deviation, so Central
European Time has -60. It is the opposite sign of Python's UTC offset. 0x8000 means: not specified.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.enums import ClockStatus

_LAYOUT = struct.Struct(">HBBBBBBBhB")
_NO_DEVIATION = -0x8000
DST_BEGIN, DST_END = 0xFE, 0xFD
"""Months that stand for the begin and the end of daylight saving time."""
LAST_DAY, SECOND_LAST_DAY = 0xFE, 0xFD
"""Days of month that stand for the last and the second last one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CosemDateTime:
    """A date-time as sent; a field that is None was "not specified".

    ``weekday`` is 1 (Monday) to 7. ``month`` and ``day`` may hold the special values above.
    """

    year: int | None
    month: int | None
    day: int | None
    weekday: int | None
    hour: int | None
    minute: int | None
    second: int | None
    hundredths: int | None
    deviation_min: int | None
    status: ClockStatus | None

    @classmethod
    def from_octets(cls, octets: bytes) -> CosemDateTime:
        """Read 12 octets. Raises RemoteProtocolError for another length or a field out of range."""
        if len(octets) != 12:
            raise RemoteProtocolError(f"a date-time has 12 octets, not {len(octets)}", data=octets)
        year, month, day, weekday, hour, minute, second, hundredths, deviation, status = _LAYOUT.unpack(
            octets
        )
        for name, field, low, high in (
            ("month", month, 1, 12), ("day", day, 1, 31), ("day of week", weekday, 1, 7),
            ("hour", hour, 0, 23), ("minute", minute, 0, 59), ("second", second, 0, 59),
            ("hundredths", hundredths, 0, 99),
        ):  # fmt: skip
            special = field >= 0xFD if name in ("month", "day") else field == 0xFF
            if not (low <= field <= high or special):
                raise RemoteProtocolError(f"{name} {field} of a date-time is out of range", data=octets)
        if deviation != _NO_DEVIATION and not -720 <= deviation <= 840:
            raise RemoteProtocolError(
                f"deviation {deviation} min of a date-time is out of range", data=octets
            )
        return cls(
            year=None if year == 0xFFFF else year,
            month=None if month == 0xFF else month,
            day=None if day == 0xFF else day,
            weekday=None if weekday == 0xFF else weekday,
            hour=None if hour == 0xFF else hour,
            minute=None if minute == 0xFF else minute,
            second=None if second == 0xFF else second,
            hundredths=None if hundredths == 0xFF else hundredths,
            deviation_min=None if deviation == _NO_DEVIATION else deviation,
            status=None if status == 0xFF else ClockStatus(status),
        )

    @classmethod
    def from_datetime(
        cls, moment: datetime, status: int = 0, deviation_min: int | None = None
    ) -> CosemDateTime:
        """Return the aware ``moment`` in its own zone, or in the one of ``deviation_min``.

        Raises LocalProtocolError for a naive datetime.
        """
        if moment.tzinfo is None:
            raise LocalProtocolError("a COSEM date-time needs an aware datetime")
        if deviation_min is not None:
            moment = moment.astimezone(timezone(timedelta(minutes=-deviation_min)))
        offset = moment.utcoffset()
        assert offset is not None
        return cls(
            year=moment.year, month=moment.month, day=moment.day, weekday=moment.isoweekday(),
            hour=moment.hour, minute=moment.minute, second=moment.second,
            hundredths=moment.microsecond // 10_000, deviation_min=-(offset // timedelta(minutes=1)),
            status=ClockStatus(status),
        )  # fmt: skip

    def octets(self) -> bytes:
        """Return the 12 octets. Raises LocalProtocolError for a field out of range."""
        try:
            return _LAYOUT.pack(
                0xFFFF if self.year is None else self.year,
                0xFF if self.month is None else self.month,
                0xFF if self.day is None else self.day,
                0xFF if self.weekday is None else self.weekday,
                0xFF if self.hour is None else self.hour,
                0xFF if self.minute is None else self.minute,
                0xFF if self.second is None else self.second,
                0xFF if self.hundredths is None else self.hundredths,
                _NO_DEVIATION if self.deviation_min is None else self.deviation_min,
                0xFF if self.status is None else self.status,
            )
        except struct.error as error:
            raise LocalProtocolError(f"{self} has a field out of range") from error

    def utc(self, assumed_deviation_min: int | None = None) -> datetime:
        """Return the moment in UTC; hundredths not specified count as zero.

        ``assumed_deviation_min`` serves where the meter gives none. Raises RemoteProtocolError where
        a part is not specified or the date does not exist.
        """
        deviation = self.deviation_min if self.deviation_min is not None else assumed_deviation_min
        parts = (self.year, self.month, self.day, self.hour, self.minute, self.second)
        if deviation is None or any(part is None for part in parts):
            raise RemoteProtocolError(f"{self} does not name one moment")
        year, month, day, hour, minute, second = (part or 0 for part in parts)
        try:
            local = datetime(year, month, day, hour, minute, second, (self.hundredths or 0) * 10_000, UTC)
            return local + timedelta(minutes=deviation)
        except (ValueError, OverflowError):
            raise RemoteProtocolError(f"{self} is no date of the calendar") from None

    def __str__(self) -> str:
        def two(field: int | None) -> str:
            return "??" if field is None else f"{field:02}"

        year = "????" if self.year is None else f"{self.year:04}"
        text = (
            f"{year}-{two(self.month)}-{two(self.day)}T{two(self.hour)}:{two(self.minute)}:{two(self.second)}"
        )
        if self.hundredths:
            text += f".{self.hundredths:02}"
        if self.deviation_min is None:
            return text
        sign, minutes = ("-" if self.deviation_min > 0 else "+"), abs(self.deviation_min)
        return f"{text}{sign}{minutes // 60:02}:{minutes % 60:02}"
