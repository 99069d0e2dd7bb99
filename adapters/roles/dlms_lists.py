"""Several attributes or methods in one request: what a DLMS meter does with lists, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from adapters.roles.base import Anything


@dataclass(frozen=True, kw_only=True)
class ListItem:
    """What became of one item of a list. ``result`` is ``success`` or the standard's word for the refusal.

    ``item`` is what the plan called it; ``value`` and ``type`` are empty where nothing was returned.
    """

    item: str
    result: str
    value: Anything = None
    type: str = ""


@dataclass(frozen=True, kw_only=True)
class ListAnswered:
    """A whole list answered: one entry for each item asked for, in the same order."""

    service: str
    results: tuple[str, ...]
    values: tuple[Anything, ...]
    items: tuple[ListItem, ...]


class DlmsLists(Protocol):
    """Services with a list. An item is ``object#attribute`` (or ``object#method``), e.g. ``clock#time``.

    An object alone means its value (attribute 2). All raise Refused for what is refused as a whole
    (``service-not-supported`` where multiple references were not granted); what is refused item by item
    stands in the result.
    """

    def get_list(self, items: Sequence[str], association: str = "") -> ListAnswered:
        """GET several attributes in one request, in blocks where the answer is long."""
        ...

    def set_list(self, items: Sequence[str], values: Sequence[str], association: str = "") -> ListAnswered:
        """SET several attributes in one request, in this order, in blocks where it is long."""
        ...

    def action_list(
        self, items: Sequence[str], arguments: Sequence[str] = (), association: str = ""
    ) -> ListAnswered:
        """Invoke several methods that can do no harm, in this order; no arguments means none for any."""
        ...
