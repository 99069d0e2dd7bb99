"""The invocation counters a meter has used: none may come back under the same key.

A counter used twice under one key gives away what was enciphered with it (Green Book 9.2.3.3.7.3). An
association checks its own; here is what it takes over from those before and beside it.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapters.devices.dlms_association import OpenAssociation


class HeardCounters:
    """For each client, the lowest counter its meter may still use, and how often its key has changed."""

    def __init__(self) -> None:
        self._lowest: dict[str, int] = {}
        self._keys_taken: dict[str, int] = {}

    def keys_taken(self, client: str) -> int:
        """Return how many keys the meter has taken for ``client``."""
        return self._keys_taken.get(client, 0)

    def lowest(self, client: str, beside: Iterable[OpenAssociation]) -> int:
        """Return the lowest counter the meter may use in a new association, with ``beside`` still open."""
        here = (self._heard_in(opened) for opened in beside if opened.client == client)
        return max((self._lowest.get(client, 0), *here))

    def ended(self, opened: OpenAssociation) -> None:
        """Keep what an association has heard."""
        self._lowest[opened.client] = max(self._heard_in(opened), self._lowest.get(opened.client, 0))

    def key_taken(self, client: str) -> None:
        """Take note that the meter took a key, be it the same again: its counter may start anew."""
        self._lowest.pop(client, None)
        self._keys_taken[client] = self.keys_taken(client) + 1

    def _heard_in(self, opened: OpenAssociation) -> int:
        """Return what an association tells of the key in use; nothing under an earlier one."""
        return opened.heard if opened.keys_taken == self.keys_taken(opened.client) else 0
