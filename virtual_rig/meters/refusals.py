"""What the MCS301 says to requests that cannot be: unknown things, wrong types, values too long.

One method a mistake; each is the line that implements a behaviour of the family DLX-NEG, and what a careless
release does instead stands beside it. docs/behaviours/mcs301_negatives.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult, DataType
from virtual_rig.meters.cosem import LiveObject, ObjectModel
from virtual_rig.world import World

_OCTETS_OF = {DataType.UNSIGNED: 1, DataType.LONG_UNSIGNED: 2, DataType.DOUBLE_LONG_UNSIGNED: 4}
_TEXTS = (DataType.OCTET_STRING, DataType.VISIBLE_STRING, DataType.UTF8_STRING)

LONGEST_TEXT = 32


class Refusals:
    """The answers of one meter to what it has not, cannot or must not."""

    def __init__(self, world: World, model: ObjectModel) -> None:
        self._world, self._model = world, model

    def find(self, class_id: int, logical_name: bytes) -> LiveObject | DataAccessResult:
        """Return the object, or why there is none."""
        found = self._model.find(class_id, logical_name)
        if found is DataAccessResult.OBJECT_UNDEFINED and not self._world.obeys("DLX-NEG-01"):
            return self._first(lambda live: live.entry.class_id == class_id, logical_name, 2) or found
        if found is DataAccessResult.OBJECT_CLASS_INCONSISTENT and not self._world.obeys("DLX-NEG-02"):
            return self._first(lambda _live: True, logical_name, 0) or found
        return found

    def _first(self, fits: Callable[[LiveObject], bool], logical_name: bytes, skip: int) -> LiveObject | None:
        """Return the first object whose name agrees from value group ``skip`` on: a lazy comparison."""
        for live in self._model.by_name.values():
            if fits(live) and live.logical_name[skip:] == logical_name[skip:]:
                return live
        return None

    def unknown_attribute(self) -> Data | DataAccessResult:
        """Answer a GET of an attribute the class has not."""
        if self._world.obeys("DLX-NEG-03"):
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        return Data(DataType.NULL_DATA, None)

    def unknown_method(self) -> ActionResult:
        """Answer an ACTION of a method the class has not."""
        if self._world.obeys("DLX-NEG-04"):
            return ActionResult.SCOPE_OF_ACCESS_VIOLATED
        return ActionResult.SUCCESS

    def read_only(self) -> DataAccessResult:
        """Answer a SET of an attribute that nobody can write."""
        if self._world.obeys("DLX-NEG-05"):
            return DataAccessResult.READ_WRITE_DENIED
        return DataAccessResult.SUCCESS

    def taken(self, live: LiveObject, attribute: int, value: Data) -> Data:
        """Return ``value`` as the setter gets it: unchanged, for the setter to judge its type and length."""
        if attribute not in live.getters:
            return value
        held = live.getters[attribute]()
        if value.tag is not held.tag:
            if value.tag in _OCTETS_OF and held.tag in _OCTETS_OF and not self._world.obeys("DLX-NEG-06"):
                return Data(held.tag, value.integer() % (1 << 8 * _OCTETS_OF[held.tag]))
            return value
        text = value.value if value.tag in _TEXTS and isinstance(value.value, bytes | str) else b""
        if len(text) > LONGEST_TEXT and not self._world.obeys("DLX-NEG-07"):
            return Data(value.tag, text[:LONGEST_TEXT])
        return value
