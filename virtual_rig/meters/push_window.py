"""Communication windows of a push setup (class 40, attribute 4): when the meter may send at all."""

from __future__ import annotations

from datetime import datetime, timedelta

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime

_DAY_S = 86400


def check_windows(windows: Data) -> None:
    """Raise RemoteProtocolError unless ``windows`` is an array of (start, end), date-times we can use."""
    for window in windows.items():
        if len(window.items()) != 2:
            raise RemoteProtocolError("a window has a start and an end")
        start, end = (CosemDateTime.from_octets(part.octets()) for part in window.items())
        for part in (start, end):
            if part.year is None:
                _second_of_day(part)
            else:
                part.utc(0)


def opens_in_s(windows: Data, utc: datetime, time_zone_min: int) -> float:
    """Return how long until one of ``windows`` is open: 0 where one is, or where there are none.

    ``utc`` and ``time_zone_min`` are the meter's (UTC = local + deviation). A window without a year comes
    every day. Infinity where all of them are over for good.
    """
    if not windows.items():
        return 0.0
    return min(_opens_in_s(window, utc, time_zone_min) for window in windows.items())


def _opens_in_s(window: Data, utc: datetime, time_zone_min: int) -> float:
    start, end = (CosemDateTime.from_octets(part.octets()) for part in window.items())
    if start.year is not None and end.year is not None:
        if utc >= end.utc(time_zone_min):
            return float("inf")
        return max(0.0, (start.utc(time_zone_min) - utc).total_seconds())
    local = utc - timedelta(minutes=time_zone_min)
    now_s = local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6
    since_start_s = (now_s - _second_of_day(start)) % _DAY_S
    length_s = (_second_of_day(end) - _second_of_day(start)) % _DAY_S or _DAY_S
    return 0.0 if since_start_s < length_s else _DAY_S - since_start_s


def _second_of_day(part: CosemDateTime) -> int:
    if part.hour is None or part.minute is None:
        raise RemoteProtocolError(f"{part} names no time of the day")
    return part.hour * 3600 + part.minute * 60 + (part.second or 0)
