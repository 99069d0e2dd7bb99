"""Live COSEM objects: the attributes and methods of an interface class, bound to what the device does.

An object is built from the profile's entry (which object, who may do what) and the class table (which
attributes there are). The device binds functions to names; an attribute that nobody bound is a mistake
of the rig and found when the model is sealed, not when a client asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from adapters.errors import BenchError
from adapters.profiles.model import CosemObject, obis_octets
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.apdu import SelectiveAccess
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult
from adapters.protocols.dlms.interface_classes import InterfaceClass, interface_class

Getter = Callable[[], Data]
Setter = Callable[[Data], DataAccessResult]
Selector = Callable[[SelectiveAccess], Data | DataAccessResult]
Method = Callable[[Data | None], tuple[ActionResult, Data | None]]

_RIGHTS_TO_MODE = {(False, False): 0, (True, False): 1, (False, True): 2, (True, True): 3}


class LiveObject:
    """One object of the device. ``entry`` is its line in the profile."""

    def __init__(self, entry: CosemObject) -> None:
        self.entry = entry
        self.table: InterfaceClass = interface_class(entry.class_id, entry.version)
        self.logical_name = obis_octets(entry.obis)
        name = dlms.octet_string(self.logical_name)
        self.getters: dict[int, Getter] = {1: lambda: name}
        self.setters: dict[int, Setter] = {}
        self.selectors: dict[int, Selector] = {}
        self.methods: dict[int, Method] = {}
        self.hidden: set[int] = set()

    def attribute(
        self, name: str, read: Getter, write: Setter | None = None, select: Selector | None = None
    ) -> None:
        """Bind attribute ``name`` of the class to the functions that serve it."""
        number = self.table.attribute_number(name)
        self.getters[number] = read
        if write is not None:
            self.setters[number] = write
        if select is not None:
            self.selectors[number] = select

    def constant(self, name: str, value: Data) -> None:
        """Bind attribute ``name`` to a value that never changes."""
        self.attribute(name, lambda: value)

    def hide(self, name: str) -> None:
        """Let nobody read attribute ``name``."""
        self.hidden.add(self.table.attribute_number(name))

    def method(self, name: str, run: Method) -> None:
        """Bind method ``name`` of the class."""
        self.methods[self.table.method_number(name)] = run

    def rights(self, client: str) -> str:
        """Return the letters ``client`` has on this object; empty for none."""
        return self.entry.access.get(client, "")

    def readable(self, number: int, letters: str) -> bool:
        """Return whether ``letters`` let a client read attribute ``number``; its name always, if anything."""
        return number in self.getters and ("r" in letters or (number == 1 and bool(letters)))

    def listed_for(self, client: str) -> Data:
        """Return the object's row of ``object_list`` with the access rights of ``client``."""
        letters = self.rights(client)
        attributes = [
            dlms.structure(
                dlms.integer(number),
                dlms.enum(
                    _RIGHTS_TO_MODE[
                        self.readable(number, letters),
                        "w" in letters and number in self.setters,
                    ]
                ),
                self._selectors_of(number),
            )
            for number in sorted(self.table.attributes)
        ]
        methods = [
            dlms.structure(dlms.integer(number), dlms.enum(int("x" in letters and number in self.methods)))
            for number in sorted(self.table.methods)
        ]
        return dlms.structure(
            dlms.long_unsigned(self.entry.class_id),
            dlms.unsigned(self.entry.version),
            dlms.octet_string(self.logical_name),
            dlms.structure(dlms.array(*attributes), dlms.array(*methods)),
        )

    def _selectors_of(self, number: int) -> Data:
        if number not in self.selectors:
            return dlms.null()
        return dlms.array(dlms.integer(1), dlms.integer(2))

    def unbound(self) -> list[str]:
        """Return the names of the attributes nobody bound."""
        served = self.getters.keys() | self.hidden
        return [spec.name for number, spec in self.table.attributes.items() if number not in served]


class ObjectModel:
    """The objects of one logical device, found by class and logical name in one dictionary."""

    def __init__(self, entries: Iterable[CosemObject]) -> None:
        self.by_name: dict[str, LiveObject] = {}
        self.by_reference: dict[tuple[int, bytes], LiveObject] = {}
        for entry in entries:
            live = LiveObject(entry)
            self.by_name[entry.name] = live
            self.by_reference[entry.class_id, live.logical_name] = live
        self._logical_names = {live.logical_name for live in self.by_name.values()}

    def find(self, class_id: int, logical_name: bytes) -> LiveObject | DataAccessResult:
        """Return the object, or why there is none (object-undefined, object-class-inconsistent)."""
        live = self.by_reference.get((class_id, logical_name))
        if live is not None:
            return live
        if logical_name in self._logical_names:
            return DataAccessResult.OBJECT_CLASS_INCONSISTENT
        return DataAccessResult.OBJECT_UNDEFINED

    def seal(self) -> None:
        """Check that every attribute is bound. Raises BenchError naming the first that is not."""
        for name, live in self.by_name.items():
            if missing := live.unbound():
                raise BenchError(f"virtual meter: nothing serves {name} attribute {missing[0]}")
