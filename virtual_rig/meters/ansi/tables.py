"""The tables of a virtual ANSI meter: some show what the meter is and does, the others are memory.

Every table of the profile is there. What nobody provides is stored: it begins with zeros and blanks and keeps
what is written to it, through power cuts too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from adapters.errors import BenchError, LocalProtocolError
from adapters.profiles.ansi import AnsiProfile
from adapters.profiles.layout import TableLayout
from adapters.protocols.c1218.codes import ResponseCode
from adapters.protocols.c1219 import Formats, Known, Place, decode, encode, encode_place, find, table_text

Fields = Callable[[], Mapping[str, object]]
Overlay = Callable[[], list[tuple[str, object]]]


class TableSet:
    """Tables by number. ``formats`` are how this meter writes numbers and texts."""

    def __init__(self, profile: AnsiProfile, formats: Formats) -> None:
        self.profile = profile
        self.known = Known(formats)
        self._layouts: dict[str, TableLayout] = {}
        for name in profile.tables:
            layout = profile.layout_of(name)
            if layout is not None:
                self._layouts[name] = layout
        self._names = {table.number: name for name, table in profile.tables.items()}
        self._by_layout = {
            table.layout or name: name for name, table in profile.tables.items() if not table.fields
        }
        self._fields: dict[str, Fields] = {}
        self._octets: dict[str, Callable[[], bytes | ResponseCode]] = {}
        self._overlays: dict[str, Overlay] = {}
        self._stored: dict[str, bytearray] = {}
        self._places: dict[tuple[str, str], Place] = {}

    def name_of(self, number: int) -> str:
        """Return the profile's name of a table, empty where the meter has none of that number."""
        return self._names.get(number, "")

    def has(self, standard: str) -> bool:
        """Return whether the meter has the standard table of that layout."""
        return standard in self._by_layout

    def layout(self, name: str) -> TableLayout:
        """Return the layout of a table. Raises BenchError where the profile tells none."""
        try:
            return self._layouts[name]
        except KeyError:
            raise BenchError(f"virtual meter {self.profile.profile}: table {name} has no layout") from None

    def provide(self, standard: str, fields: Fields) -> None:
        """Show ``fields()`` in the standard table of that layout, where the meter has it."""
        if standard in self._by_layout:
            self._fields[self._by_layout[standard]] = fields

    def provide_constant(self, standard: str, fields: Fields) -> None:
        """Show ``fields()`` in the standard table of that layout; it never changes, so it is made once."""
        if standard in self._by_layout:
            name = self._by_layout[standard]
            self.provide_octets(standard, cache(lambda: encode(self.layout(name), fields(), self.known)))

    def provide_named(self, name: str, fields: Fields) -> None:
        """Show ``fields()`` in the table the profile calls ``name``. Raises BenchError where it has none."""
        if name not in self.profile.tables:
            known = ", ".join(self.profile.tables)
            raise BenchError(f"virtual meter {self.profile.profile}: no table {name}; there are {known}")
        self.layout(name)
        self._fields[name] = fields

    def provide_octets(self, standard: str, octets: Callable[[], bytes | ResponseCode]) -> None:
        """Show octets in the standard table of that layout."""
        if standard in self._by_layout:
            self._octets[self._by_layout[standard]] = octets

    def overlay(self, name: str, values: Overlay) -> None:
        """Put ``values()`` (paths with their values) over whatever else the table shows."""
        self._overlays[name] = values

    def learn(self, standard: str) -> None:
        """Take note of the dimensions in a table, as a reader of the meter would."""
        if standard in self._by_layout:
            layout = self.layout(self._by_layout[standard])
            octets = self.read(self._by_layout[standard])
            assert isinstance(octets, bytes), f"{standard} tells dimensions at any moment"
            self.known.learn(layout.number, decode(layout, octets, self.known))

    def place(self, name: str, path: str) -> Place:
        """Return where a field stands. Raises BenchError where the meter's table has no such field."""
        key = name, path
        if key not in self._places:
            try:
                self._places[key] = find(self.layout(name), path, self.known)
            except LocalProtocolError as error:
                raise BenchError(f"virtual meter {self.profile.profile}: {error}") from error
        return self._places[key]

    def read(self, name: str) -> bytes | ResponseCode:
        """Return a table's octets, or why there are none at the moment."""
        if name in self._octets:
            return self._octets[name]()
        return self._shown(name)

    def write(self, name: str, data: bytes, offset: int | None) -> ResponseCode:
        """Write a stored table, whole or from ``offset`` on. What shows the meter's doings is not written."""
        if name in self._fields or name in self._octets:
            return ResponseCode.ONP
        memory = self._memory(name)
        start = 0 if offset is None else offset
        if start + len(data) > len(memory) or (offset is None and len(data) != len(memory)):
            return ResponseCode.IAR
        memory[start : start + len(data)] = data
        return ResponseCode.OK

    def set_field(self, name: str, path: str, value: object) -> None:
        """Write one field of a stored table, as a factory does."""
        place = self.place(name, path)
        memory = self._memory(name)
        memory[place.offset : place.offset + place.size] = encode_place(place, value, self.known.formats)

    def _shown(self, name: str) -> bytes:
        if name in self._fields:
            octets = bytearray(encode(self.layout(name), self._fields[name](), self.known))
        else:
            octets = bytearray(self._memory(name))
        for path, value in self._overlays.get(name, list)():
            place = self.place(name, path)
            before = bytes(octets[place.offset : place.offset + place.size])
            octets[place.offset : place.offset + place.size] = encode_place(
                place, value, self.known.formats, before
            )
        return bytes(octets)

    def _memory(self, name: str) -> bytearray:
        if name not in self._stored:
            self._stored[name] = bytearray(encode(self.layout(name), {}, self.known))
        return self._stored[name]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(table_text(number) for number in sorted(self._names))}>"
