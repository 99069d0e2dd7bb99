"""Lock-out after wrong passwords: who guessed too often is turned away for a while.

How often and how long is the profile's (``lock_out``); it counts per client, over all ports together,
passwords and HLS proofs alike. The right one ends the count. Attempts during a lock-out neither count nor
prolong it: a head end with an old password would otherwise keep everybody out for good. A power cut forgets
it all (assumed).
"""

from __future__ import annotations

from adapters.profiles.model import LockOutRules
from virtual_rig.world import World


class LockOut:
    """The failures of each client and until when it is locked out; ``rules`` None means never."""

    def __init__(self, world: World, rules: LockOutRules | None) -> None:
        self._world, self._rules = world, rules
        self._failures: dict[str, int] = {}
        self._until_s: dict[str, float] = {}

    def locked(self, client: str) -> bool:
        """Return whether ``client`` is turned away now, whatever it presents."""
        until_s = self._until_s
        if not until_s:
            return False
        if client not in until_s and self._world.obeys("DLX-NEG-17"):
            return False
        end_s = until_s.get(client, max(until_s.values()))
        if self._world.scheduler.now_s() < end_s or not self._world.obeys("DLX-NEG-16"):
            return True
        until_s.pop(client, None)
        return False

    def failed(self, client: str) -> None:
        """Count a wrong password or proof."""
        rules = self._rules
        if rules is None:
            return
        self._failures[client] = self._failures.get(client, 0) + 1
        if self._failures[client] >= rules.attempts and self._world.obeys("DLX-NEG-15"):
            self._failures[client] = 0
            self._until_s[client] = self._world.scheduler.now_s() + rules.duration_s

    def succeeded(self, client: str) -> None:
        """Forget the failures: the right one came."""
        if self._world.obeys("DLX-NEG-18"):
            self._failures.pop(client, None)

    def forget(self) -> None:
        """Forget everything, as a power cut does."""
        self._failures.clear()
        self._until_s.clear()
