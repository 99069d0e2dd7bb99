"""Which secure commands an endpoint has carried out, and what it answered: each of them works once.

A number seen before is a replay: the information of the first time goes back, marked as such, and nothing is
done. The ledger belongs to the endpoint, so it does not matter which handheld sent the command before.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapters.protocols.endpoint_link.messages import DoneAnswer
from virtual_rig.world import World


class Ledger:
    """The one-time commands of one endpoint. ``false_replay``: which fresh secure commands it mistakes."""

    def __init__(self, world: World, false_replay: Iterable[int] = ()) -> None:
        self._world = world
        self._used: dict[tuple[str, int], DoneAnswer] = {}
        self._mistaken = frozenset(false_replay)
        self._fresh_seen = 0

    def answer_before(self, number: int, sender: str) -> DoneAnswer | None:
        """Return what was answered when this number was used, None while it is fresh."""
        return self._used.get(self._key(number, sender))

    def use_up(self, number: int, sender: str, answer: DoneAnswer) -> None:
        """Note that a number has been used, and what was answered."""
        self._used[self._key(number, sender)] = answer

    def mistakes(self) -> bool:
        """Tell whether the fresh secure command at hand is one this endpoint takes for a replay (a fault)."""
        self._fresh_seen += 1
        return self._fresh_seen in self._mistaken

    def _key(self, number: int, sender: str) -> tuple[str, int]:
        if not self._world.obeys("IT-CMD-15"):
            return sender, number  # a list for each handheld: every one of them has its own first time
        return "", number
