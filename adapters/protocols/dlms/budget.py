"""How much work one APDU may cause. Every decoder of this package draws on it.

A meter is a stranger: a handful of bytes may claim a million elements, nest a thousand levels or describe
elements of no width. Public decoders have been hung by eleven bytes. Here the work is bounded before it is
done, and running out is the same ``RemoteProtocolError`` as any other malformed input.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import RemoteProtocolError


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Limits for one APDU: nesting ``depth``, number of data ``items``, length in ``octets``."""

    depth: int = 16
    items: int = 100_000
    octets: int = 16 << 20


DEFAULT = Budget()


class Work:
    """What is left of a budget while one APDU is decoded."""

    __slots__ = ("depth", "items_left")

    def __init__(self, budget: Budget, octets: int) -> None:
        """Open the account for an input of ``octets`` octets. Raises RemoteProtocolError for too many."""
        if octets > budget.octets:
            raise RemoteProtocolError(f"{octets} octets exceed the budget of {budget.octets} for one APDU")
        self.depth = budget.depth
        self.items_left = budget.items

    def spend(self, items: int) -> None:
        """Draw ``items`` data items. Raises RemoteProtocolError when the account is empty."""
        self.items_left -= items
        if self.items_left < 0:
            raise RemoteProtocolError("more data items than the budget allows for one APDU")
