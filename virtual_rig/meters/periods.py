"""Borders of periods on a meter's own clock: the quarters of an hour, midnight, and who waits for them.

A border is a moment of local time that divides by the period. The timer stands still while the meter has
no supply, and finds its next border anew when the clock is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from virtual_rig.wire import Timer

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301

DAY_S = 86400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_S = 1_000_000_000
_MOST_BORDERS = 10_000  # what a clock set by years may claim to have passed


def next_border(after: datetime, period_s: int, zone_min: int) -> datetime:
    """Return the first border later than ``after`` (both UTC); ``zone_min`` is COSEM's deviation."""
    shift_s = -60 * zone_min
    local_us = (after - _EPOCH) // timedelta(microseconds=1) + shift_s * 1_000_000
    period_us = period_s * 1_000_000
    border_us = (local_us // period_us + 1) * period_us
    return _EPOCH + timedelta(microseconds=border_us - shift_s * 1_000_000)


def borders(after: datetime, until: datetime, period_s: int, zone_min: int) -> Iterator[datetime]:
    """Yield the borders later than ``after`` and not later than ``until``."""
    border = next_border(after, period_s, zone_min)
    for _ in range(_MOST_BORDERS):
        if border > until:
            return
        yield border
        border += timedelta(seconds=period_s)


class MeterAlarm:
    """One moment of the meter's clock that somebody waits for.

    ``due(after)`` tells the first moment later than ``after`` (UTC by the meter's clock) or None;
    ``reached(moment)`` is called then. A moment that passes while the meter has no supply is missed.
    """

    def __init__(
        self,
        meter: Mcs301,
        *,
        due: Callable[[datetime], datetime | None],
        reached: Callable[[datetime], None],
    ) -> None:
        self._meter, self._due, self._reached = meter, due, reached
        self._timer: Timer | None = None
        meter.clock.on_set(lambda _before, _after: self.arm())
        meter.on_power(lambda _up: self.arm())
        self.arm()

    def arm(self, after: datetime | None = None) -> None:
        """Wait for the first moment later than ``after`` (or now), instead of the one waited for so far."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        moment = self._due(after or self._meter.clock.utc()) if self._meter.powered else None
        if moment is not None:
            at_s = self._meter.clock.world_ns_at(moment) / _NS_PER_S
            self._timer = self._meter.world.scheduler.call_at(at_s, self._fire, moment)

    def _fire(self, moment: datetime) -> None:
        self._timer = None
        self._reached(moment)
        if self._timer is None:  # rounded to whole microseconds the clock might not be there yet
            self.arm(max(moment, self._meter.clock.utc()))
