"""A meter's real-time clock: it runs on through power cuts, wrong by a fixed rate, and can be set.

The world's time is exact; the clock's rate is off by ``drift_ppm`` parts per million. Both are kept in whole
microseconds, so a clock that nobody sets reads the same after a year whether it was read once or a
million times.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ClockStatus
from virtual_rig.wire import Scheduler

_US_PER_S = 1_000_000


class MeterClock:
    """Time as the meter believes it to be.

    ``time_zone_min`` is the deviation of local time to UTC as COSEM counts it: UTC = local + deviation,
    so Central European Time has -60.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        drift_ppm: int = 0,
        time_zone_min: int = 0,
        error_s: float = 0.0,
    ) -> None:
        self._scheduler = scheduler
        self._drift_ppm = drift_ppm
        self.time_zone_min = time_zone_min
        self.status = ClockStatus(0)
        self._set_at_us = self._world_us()
        self._set_to = scheduler.utc_now() + timedelta(seconds=error_s)

    def utc(self) -> datetime:
        """Return the meter's idea of UTC."""
        elapsed_us = self._world_us() - self._set_at_us
        believed_us = elapsed_us + elapsed_us * self._drift_ppm // 1_000_000
        return self._set_to + timedelta(microseconds=believed_us)

    def set_utc(self, moment: datetime) -> timedelta:
        """Set the clock; return by how much it jumped (new minus old)."""
        jump = moment - self.utc()
        self._set_to, self._set_at_us = moment.astimezone(UTC), self._world_us()
        return jump

    def octets(self) -> bytes:
        """Return the twelve octets of the clock's local time."""
        return CosemDateTime.from_datetime(
            self.utc(), status=self.status, deviation_min=self.time_zone_min
        ).octets()

    def adjust_to(self, period_s: int) -> timedelta:
        """Set the clock to the nearest multiple of ``period_s`` within the hour; half way goes up."""
        now = self.utc()
        into_us = (now.minute * 60 + now.second) * _US_PER_S + now.microsecond
        period_us = period_s * _US_PER_S
        target_us = (into_us + period_us // 2) // period_us * period_us
        return self.set_utc(now + timedelta(microseconds=target_us - into_us))

    def shift(self, seconds: int) -> timedelta:
        """Move the clock by -900..900 ``seconds``. Raises RemoteProtocolError outside of that."""
        if not -900 <= seconds <= 900:
            raise RemoteProtocolError(f"a clock shifts by -900..900 s, not by {seconds} s")
        return self.set_utc(self.utc() + timedelta(seconds=seconds))

    def _world_us(self) -> int:
        return round(self._scheduler.now_s() * _US_PER_S)
