"""Interval data of a meter: energies cut by its own clock, worked out only when somebody looks.

Nothing ticks. Between two looks the power is constant, so the intervals that have ended since the last one
are arithmetic; of a stretch longer than the memory only what still fits is written down. Whoever changes the
power or the clock calls ``settle`` first, and ``clock_was_set`` afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from virtual_rig.meters.crystal import CrystalClock
from virtual_rig.supply import NS_PER_S, Powers
from virtual_rig.wire import Scheduler

MW_NS_PER_WH = 1000 * 3600 * NS_PER_S
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DIRECTIONS = ("A+", "A-", "R+", "R-")


@dataclass(frozen=True, kw_only=True)
class Interval:
    """One interval: when it ended by the meter's clock, whole Wh (varh) by direction, what disturbed it.

    The Wh are differences of the cut readings at both ends, so they add up to what the register gained.
    """

    end: datetime
    wh: tuple[int, int, int, int]
    power_failed: bool
    clock_set: bool


class IntervalRecorder:
    """Keeps the last ``capacity`` intervals of ``minutes`` and the greatest demand of A+ since its reset."""

    def __init__(
        self,
        scheduler: Scheduler,
        clock: CrystalClock,
        powers: Callable[[], Powers],
        powered: Callable[[], bool],
        *,
        minutes: int,
        capacity: int,
        start_mw_ns: Mapping[str, int],
    ) -> None:
        self._scheduler, self._clock = scheduler, clock
        self._powers, self._powered = powers, powered
        self.minutes, self.capacity = minutes, capacity
        self._period = timedelta(minutes=minutes)
        self._since_ns = self._now_ns()
        self._totals = [start_mw_ns[name] for name in DIRECTIONS]
        self._at_start = list(self._totals)
        self._power_failed = self._clock_set = False
        self._next_end = self._boundary()
        self.intervals: deque[Interval] = deque(maxlen=capacity)
        self.count = 0  # how many have ended, also those not kept
        self.max_demand_w = 0
        self.max_demand_at: datetime | None = None

    def settle(self) -> None:
        """Work out everything up to now."""
        rates = self._rates()
        ended = (self._clock.utc() - self._next_end) // self._period + 1
        if ended > self.capacity + 2:
            self._close(rates)
            self._skip(rates, ended - 1 - self.capacity)
        now_ns = self._now_ns()
        while self._clock.world_ns_at(self._next_end) <= now_ns:
            self._close(rates)
        self._advance(rates, now_ns)

    def clock_was_set(self) -> None:
        """Cut the running interval at the next boundary of the clock as it shows now."""
        self._clock_set = True
        self._next_end = self._boundary()

    def reset_demand(self) -> None:
        """Forget the greatest demand."""
        self.settle()
        self.max_demand_w, self.max_demand_at = 0, None

    def _close(self, rates: tuple[int, int, int, int]) -> None:
        self._advance(rates, self._clock.world_ns_at(self._next_end))
        wh = [
            total // MW_NS_PER_WH - before // MW_NS_PER_WH
            for total, before in zip(self._totals, self._at_start, strict=True)
        ]
        interval = Interval(
            end=self._next_end,
            wh=(wh[0], wh[1], wh[2], wh[3]),
            power_failed=self._power_failed,
            clock_set=self._clock_set,
        )
        self.intervals.append(interval)
        self._demand((self._totals[0] - self._at_start[0]), self._next_end)
        self.count += 1
        self._start_next()

    def _skip(self, rates: tuple[int, int, int, int], number: int) -> None:
        """Let ``number`` intervals pass that would be overwritten before anybody sees them."""
        before = self._totals[0]
        self._next_end += (number - 1) * self._period
        self._advance(rates, self._clock.world_ns_at(self._next_end))
        self._demand((self._totals[0] - before) // number, self._next_end)
        self.count += number
        self._start_next()

    def _demand(self, gained_mw_ns: int, end: datetime) -> None:
        demand_w = gained_mw_ns // (1000 * NS_PER_S * 60 * self.minutes)
        if demand_w > self.max_demand_w:
            self.max_demand_w, self.max_demand_at = demand_w, end

    def _start_next(self) -> None:
        self._at_start = list(self._totals)
        self._power_failed = self._clock_set = False
        self._next_end += self._period

    def _advance(self, rates: tuple[int, int, int, int], to_ns: int) -> None:
        elapsed_ns, self._since_ns = to_ns - self._since_ns, to_ns
        if elapsed_ns <= 0:
            return
        for index, rate in enumerate(rates):
            self._totals[index] += rate * elapsed_ns
        self._power_failed = self._power_failed or not self._powered()

    def _rates(self) -> tuple[int, int, int, int]:
        powers = self._powers()
        active, reactive = sum(powers.active_mw), sum(powers.reactive_mvar)
        return max(active, 0), max(-active, 0), max(reactive, 0), max(-reactive, 0)

    def _boundary(self) -> datetime:
        now = self._clock.utc()
        return _EPOCH + ((now - _EPOCH) // self._period + 1) * self._period

    def _now_ns(self) -> int:
        return round(self._scheduler.now_s() * NS_PER_S)
