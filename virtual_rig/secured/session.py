"""An open session: a signed authorization has unlocked the endpoint for a while."""

from __future__ import annotations

from virtual_rig.world import World


class Session:
    """At most one is open. It ends by itself ``timeout_s`` after it was opened, whatever happens in it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ends_at_s: float | None = None
        self._timeout_s = 0

    @property
    def is_open(self) -> bool:
        """Whether the endpoint is unlocked now."""
        return self._ends_at_s is not None and self._world.scheduler.now_s() < self._ends_at_s

    def open(self, timeout_s: int) -> None:
        """Unlock for ``timeout_s`` from now; an open session is replaced."""
        self._timeout_s = timeout_s
        self._ends_at_s = self._world.scheduler.now_s() + timeout_s

    def acted_in(self) -> None:
        """Note that an action has been carried out in it."""
        if self.is_open and not self._world.obeys("IT-SEC-19"):
            self.open(self._timeout_s)  # an inactivity time-out instead of one from the opening on

    def close(self) -> None:
        """Lock again."""
        self._ends_at_s = None
