"""A meter's real-time clock: it runs on through power cuts, wrong by a fixed rate, and can be set.

The world's time is exact; the clock's rate is off by ``drift_ppm`` parts per million. Both are kept in whole
microseconds, so a clock that nobody sets reads the same after a year whether it was read once or a
million times.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from virtual_rig.wire import Scheduler

US_PER_S = 1_000_000
_MILLION = 1_000_000
_NS_PER_US = 1000


class CrystalClock:
    """Time as a meter believes it to be."""

    def __init__(self, scheduler: Scheduler, *, drift_ppm: int = 0, error_s: float = 0.0) -> None:
        self._scheduler = scheduler
        self._drift_ppm = drift_ppm
        self._set_at_us = self._world_us()
        self._set_to = scheduler.utc_now() + timedelta(seconds=error_s)

    def utc(self) -> datetime:
        """Return the meter's idea of UTC."""
        elapsed_us = self._world_us() - self._set_at_us
        believed_us = elapsed_us + elapsed_us * self._drift_ppm // _MILLION
        return self._set_to + timedelta(microseconds=believed_us)

    def set_utc(self, moment: datetime) -> timedelta:
        """Set the clock; return by how much it jumped (new minus old)."""
        jump = moment - self.utc()
        self._set_to, self._set_at_us = moment.astimezone(UTC), self._world_us()
        return jump

    def world_ns_at(self, moment: datetime) -> int:
        """Return the world's time, in ns since its start, at which this clock shows ``moment``."""
        believed_us = (moment - self._set_to) // timedelta(microseconds=1)
        elapsed_us = -(-believed_us * _MILLION // (_MILLION + self._drift_ppm))
        return (self._set_at_us + elapsed_us) * _NS_PER_US

    def _world_us(self) -> int:
        return round(self._scheduler.now_s() * US_PER_S)
