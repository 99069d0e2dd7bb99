"""The clock of a DLMS meter: a crystal, a deviation from UTC and a status, shown as COSEM octets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ClockStatus
from virtual_rig.meters.crystal import US_PER_S, CrystalClock
from virtual_rig.wire import Scheduler


class MeterClock(CrystalClock):
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
        super().__init__(scheduler, drift_ppm=drift_ppm, error_s=error_s)
        self.time_zone_min = time_zone_min
        self.status = ClockStatus(0)
        self._on_set: list[Callable[[datetime, datetime], None]] = []

    def on_set(self, listener: Callable[[datetime, datetime], None]) -> None:
        """Call ``listener(before, after)`` whenever somebody has set the clock."""
        self._on_set.append(listener)

    def set_utc(self, moment: datetime) -> timedelta:
        """Set the clock, tell who waits for a moment of it, and return by how much it jumped."""
        before = self.utc()
        jump = super().set_utc(moment)
        for told in self._on_set:
            told(before, self.utc())
        return jump

    def octets(self) -> bytes:
        """Return the twelve octets of the clock's local time."""
        return CosemDateTime.from_datetime(
            self.utc(), status=self.status, deviation_min=self.time_zone_min
        ).octets()

    def adjust_to(self, period_s: int) -> timedelta:
        """Set the clock to the nearest multiple of ``period_s`` within the hour; half way goes up."""
        now = self.utc()
        into_us = (now.minute * 60 + now.second) * US_PER_S + now.microsecond
        period_us = period_s * US_PER_S
        target_us = (into_us + period_us // 2) // period_us * period_us
        return self.set_utc(now + timedelta(microseconds=target_us - into_us))

    def shift(self, seconds: int) -> timedelta:
        """Move the clock by -900..900 ``seconds``. Raises RemoteProtocolError outside of that."""
        if not -900 <= seconds <= 900:
            raise RemoteProtocolError(f"a clock shifts by -900..900 s, not by {seconds} s")
        return self.set_utc(self.utc() + timedelta(seconds=seconds))
