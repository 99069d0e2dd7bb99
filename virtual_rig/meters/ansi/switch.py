"""The service switch of a single-phase meter: two positions, some time to move, and a counter."""

from __future__ import annotations

from collections.abc import Callable

from virtual_rig.wire import Scheduler, Timer

TRAVEL_S = 0.4
"""How long the contacts take. Ours: long enough for a reader to be told "accepted" first."""


class ServiceSwitch:
    """Closed as delivered. ``moves`` hears of the new position right before it takes effect."""

    def __init__(self, scheduler: Scheduler, *, moves: Callable[[bool], None]) -> None:
        self._scheduler, self._moves = scheduler, moves
        self.closed = True
        self.operations = 0
        self.last_command = 0
        self._travelling: Timer | None = None

    @property
    def is_moving(self) -> bool:
        """Whether a command is under way."""
        return self._travelling is not None

    def command(self, *, close: bool) -> None:
        """Move the contacts; a command to where they are already moves nothing."""
        self.last_command = 1 if close else 2
        if self._travelling is not None:
            self._travelling.cancel()
            self._travelling = None
        if close != self.closed:
            self._travelling = self._scheduler.call_later(TRAVEL_S, self._arrive, close)

    def power_lost(self) -> None:
        """Stop where it is: the coil needs the supply."""
        if self._travelling is not None:
            self._travelling.cancel()
            self._travelling = None

    def _arrive(self, close: bool) -> None:
        self._travelling = None
        self._moves(close)
        self.closed = close
        self.operations += 1
