"""What happens to a meter, counted, so that its supply can be cut between any two events.

Event index. From 1 on, in the order in which it happens, one number each for:

- an APDU has arrived and nothing has been done with it;
- it has been carried out and its answer has not been sent;
- a piece of work on the firmware (verification, copying, restart) has come to its end without effect so far;
- that effect has taken place.

The fault ``blackout=meter:<n>`` takes the supply away at event n and gives it back after ``BLACKOUT_S``.
"""

from __future__ import annotations

from virtual_rig.supply import Supply

BLACKOUT_S = 20.0


class Moments:
    """Counts the events of one meter on ``supply``."""

    def __init__(self, supply: Supply) -> None:
        self._supply = supply
        self._blackout_at = 0
        self.count = 0

    def blackout(self, at: int) -> None:
        """Cut the supply at event ``at``."""
        self._blackout_at = at

    def passed(self) -> None:
        """One more event has come. When this returns, the meter may be dead."""
        self.count += 1
        if self.count == self._blackout_at:
            self._supply.switch(on=False)
            self._supply.scheduler.call_later(BLACKOUT_S, self._supply.switch, True)
