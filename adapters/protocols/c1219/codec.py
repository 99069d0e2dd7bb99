"""The one codec of C12.19 tables: octets to fields and back by a layout, and where each field stands.

The octets come from a wire and so may lie: no table is longer than ``MAX_TABLE_OCTETS``, no more than
``MAX_VALUES`` values are made of it, and a table that is shorter or longer than its own dimensions say is a
RemoteProtocolError that keeps the octets. C12.18 vouches for them with a CRC and a checksum, so
``frame_intact`` is True: the meter itself sent them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.profiles.layout import FieldEntry, TableLayout
from adapters.protocols.c1219.formats import Formats
from adapters.protocols.c1219.known import Known, Scope
from adapters.protocols.c1219.numbers import parse_table, table_text
from adapters.protocols.c1219.times import OCTETS, TimeType
from adapters.protocols.c1219.values import decode_value, encode_value, interval_octets

MAX_TABLE_OCTETS = 65_535
MAX_VALUES = 20_000
_STEP = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?:\[(\d{1,5})\])?")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a field stands in its table: ``size`` octets from ``offset``.

    An array has ``count`` elements of ``size`` / ``count`` octets; one element has None. ``bits`` are those
    of a named bit, lowest first.
    """

    path: str
    offset: int
    size: int
    bits: tuple[int, int] | None = None
    count: int | None = None
    node: _Node


@dataclass(frozen=True, kw_only=True)
class _Node:
    """A field whose size and count are worked out."""

    entry: FieldEntry
    unit: int  # octets of one element
    count: int | None
    inner: tuple[_Node, ...] = ()
    code: int = 0

    @property
    def size(self) -> int:
        return self.unit * (1 if self.count is None else self.count)


def decode(
    layout: TableLayout, octets: bytes, known: Known, *, surplus: Literal["refuse", "ignore"] = "refuse"
) -> dict[str, object]:
    """Return the fields of a table.

    Raises RemoteProtocolError where the octets are too few, too many (unless ``surplus`` is ignored) or no
    such values; LocalProtocolError where a table that the layout refers to has not been learnt.
    """
    name = _name(layout)
    if len(octets) > MAX_TABLE_OCTETS:
        raise RemoteProtocolError(
            f"{name}: more than {MAX_TABLE_OCTETS} octets", data=octets[:64], frame_intact=True
        )
    values: dict[str, object] = {}
    scope, budget, at, end = Scope(known, values), _Budget(name, octets), 0, 0
    for entry in layout.fields:
        node = _resolved(entry, scope, known.formats, rest=len(octets) - at)
        if node is None:
            continue
        at = at if entry.offset is None else entry.offset
        if at + node.size > len(octets):
            raise RemoteProtocolError(
                f"{name} has {len(octets)} octets; its {entry.name} would end at {at + node.size}",
                data=octets,
                frame_intact=True,
            )
        values[entry.name] = _read(node, octets, at, known.formats, budget)
        at += node.size
        end = max(end, at)
    if len(octets) > end and surplus == "refuse":
        raise RemoteProtocolError(
            f"{name} has {len(octets)} octets where its fields make {end}", data=octets, frame_intact=True
        )
    return values


def encode(layout: TableLayout, fields: Mapping[str, object], known: Known) -> bytes:
    """Return the octets of a table; a field that is not given is 0, blank or empty.

    Raises LocalProtocolError for a value that does not fit, and for a field the layout does not have.
    """
    name = _name(layout)
    if extra := set(fields) - {entry.name for entry in layout.fields}:
        raise LocalProtocolError(f"{name} has no field {sorted(extra)[0]}")
    own: dict[str, object] = dict(fields)
    scope, out, at = Scope(known, own), bytearray(), 0
    for entry in layout.fields:
        given = fields.get(entry.name)
        rest = len(given) if isinstance(given, bytes) else 0
        node = _resolved(entry, scope, known.formats, rest=rest)
        if node is None:
            continue
        at = at if entry.offset is None else entry.offset
        if at + node.size > MAX_TABLE_OCTETS:
            raise LocalProtocolError(f"{name}: {entry.name} would end beyond {MAX_TABLE_OCTETS} octets")
        written = _write(node, given, known.formats)
        out += bytes(max(0, at + node.size - len(out)))
        out[at : at + node.size] = written
        at += node.size
    return bytes(out)


def size_of(layout: TableLayout, known: Known) -> int | None:
    """Return how many octets the table has, None where only its octets can tell.

    Raises LocalProtocolError where a table that the layout refers to has not been learnt.
    """
    own = known.fields(layout.number) if known.knows(layout.number) else {}
    scope, at, end = Scope(known, own), 0, 0
    for entry in layout.fields:
        if entry.size.rest:
            return None
        node = _resolved(entry, scope, known.formats, rest=0)
        if node is not None:
            at = (at if entry.offset is None else entry.offset) + node.size
            end = max(end, at)
    return end


def find(layout: TableLayout, path: str, known: Known) -> Place:
    """Return where ``path`` stands: ``TARIFF_ID``, ``ED_MODE.TEST_MODE_FLAG``, ``BLOCK.SUMMATIONS[1]``.

    Raises LocalProtocolError where the meter's table has no such field, or where a table that the layout
    refers to has not been learnt.
    """
    own = known.fields(layout.number) if known.knows(layout.number) else {}
    scope, at = Scope(known, own), 0
    steps = [_STEP.fullmatch(step) for step in path.split(".")]
    if None in steps:
        raise LocalProtocolError(f"{path!r} names no field; write FIELD, FIELD[0] or FIELD.INNER")
    wanted = [(step[1], None if step[2] is None else int(step[2])) for step in steps if step is not None]
    for entry in layout.fields:
        node = _resolved(entry, scope, known.formats, rest=0)
        if node is not None:
            at = at if entry.offset is None else entry.offset
            if entry.name == wanted[0][0]:
                return _place(layout, path, wanted, node, at)
            at += node.size
    raise LocalProtocolError(_no_field(layout, path, (entry.name for entry in layout.fields)))


def decode_place(place: Place, octets: bytes, formats: Formats) -> object:
    """Return the value of a place from exactly its octets. Raises RemoteProtocolError."""
    if len(octets) != place.size:
        raise RemoteProtocolError(
            f"{place.path}: expected {place.size} octets, got {len(octets)}", data=octets, frame_intact=True
        )
    if place.bits is not None:
        low, high = place.bits
        return int.from_bytes(octets, formats.order) >> low & (1 << high - low + 1) - 1
    return _read(place.node, octets, 0, formats, _Budget(place.path, octets))


def encode_place(place: Place, value: object, formats: Formats, before: bytes = b"") -> bytes:
    """Return the octets of a place; ``before`` is what stands there now, which a named bit needs.

    Raises LocalProtocolError.
    """
    if place.bits is None:
        return _write(place.node, value, formats)
    low, high = place.bits
    mask = (1 << high - low + 1) - 1
    if not isinstance(value, int) or not 0 <= value <= mask:
        raise LocalProtocolError(f"{place.path}: {value!r} does not fit bits {low} to {high}")
    number = int.from_bytes(before, formats.order) & ~(mask << low) | value << low
    return number.to_bytes(place.size, formats.order)


def referenced_tables(layout: TableLayout) -> tuple[int, ...]:
    """Return the numbers of the tables that must be learnt before this one can be read, ST0 first."""
    return tuple(sorted(_referenced(layout.fields) - {layout.number}))


class _Budget:
    """How many values may still be made of one table."""

    def __init__(self, name: str, octets: bytes) -> None:
        self._left, self._name, self._octets = MAX_VALUES, name, octets

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise RemoteProtocolError(
                f"{self._name}: more than {MAX_VALUES} values; read a part of it",
                data=self._octets[:64],
                frame_intact=True,
            )


def _name(layout: TableLayout) -> str:
    return table_text(layout.number) if layout.number >= 0 else layout.title or "the table"


def _resolved(entry: FieldEntry, scope: Scope, formats: Formats, *, rest: int) -> _Node | None:
    """Work out size and count of a field and all that is in it; None where it is not there."""
    if not scope.holds(entry.when):
        return None
    count = None if entry.count is None else scope.amount(entry.count)
    if entry.type == "record":
        inner = [_resolved(each, scope, formats, rest=0) for each in entry.fields]
        there = tuple(node for node in inner if node is not None)
        return _Node(entry=entry, unit=sum(node.size for node in there), count=count, inner=there)
    code = 0
    match entry.type:
        case "ni1" | "ni2":
            unit = formats.ni_octets(1 if entry.type == "ni1" else 2)
        case "interval":
            code = scope.number(entry.code or "")
            unit = interval_octets(code, formats)
        case "stime" | "ltime" | "time":
            unit = _time_octets(entry.type, formats.tm_format)
        case "id":
            unit = scope.amount(entry.size) // (2 if formats.id_is_bcd else 1)
        case _:
            unit = max(rest, 0) if entry.size.rest else scope.amount(entry.size)
    return _Node(entry=entry, unit=unit, count=count, code=code)


def _time_octets(kind: TimeType, tm_format: int) -> int:
    try:
        return OCTETS[kind][tm_format]
    except KeyError:
        raise RemoteProtocolError(
            f"TM_FORMAT {tm_format} of ST0 is not read here", frame_intact=True
        ) from None


def _read(node: _Node, octets: bytes, at: int, formats: Formats, budget: _Budget) -> object:
    if node.count is None:
        return _read_one(node, octets, at, formats, budget)
    if node.unit == 1 and node.entry.type == "uint":
        budget.spend(node.count)
        return tuple(octets[at : at + node.count])
    return tuple(
        _read_one(node, octets, at + index * node.unit, formats, budget) for index in range(node.count)
    )


def _read_one(node: _Node, octets: bytes, at: int, formats: Formats, budget: _Budget) -> object:
    budget.spend(8 * node.unit if node.entry.type == "set" else 1)
    if node.entry.type != "record":
        return decode_value(node.entry, octets[at : at + node.unit], formats, node.code)
    values: dict[str, object] = {}
    for inner in node.inner:
        values[inner.entry.name] = _read(inner, octets, at, formats, budget)
        at += inner.size
    return values


def _write(node: _Node, value: object, formats: Formats) -> bytes:
    if node.count is None:
        return _write_one(node, value, formats)
    if value is None:
        value = ()
    if not isinstance(value, Sequence) or len(value) > node.count:
        raise LocalProtocolError(f"{node.entry.name}: {value!r} are not at most {node.count} elements")
    written = b"".join(_write_one(node, each, formats) for each in value)
    missing = node.count - len(value)
    return written + _write_one(node, None, formats) * missing


def _write_one(node: _Node, value: object, formats: Formats) -> bytes:
    if node.entry.type != "record":
        if value is None:
            return _blank(node, formats)
        return encode_value(node.entry, value, node.unit, formats, node.code)
    given = cast("Mapping[str, object]", value if isinstance(value, Mapping) else {})
    if extra := set(given) - {field.name for field in node.entry.fields}:
        raise LocalProtocolError(f"{node.entry.name} has no field {sorted(extra)[0]}")
    return b"".join(_write(inner, given.get(inner.entry.name), formats) for inner in node.inner)


def _blank(node: _Node, formats: Formats) -> bytes:
    texts = node.entry.type == "ascii" or (node.entry.type == "id" and not formats.id_is_bcd)
    return (b" " if texts else b"\0") * node.unit


def _place(
    layout: TableLayout, path: str, wanted: Sequence[tuple[str, int | None]], node: _Node, at: int
) -> Place:
    for position, (name, index) in enumerate(wanted):
        last = position == len(wanted) - 1
        if position:
            if name in node.entry.bits and last and index is None and node.count is None:
                return Place(path=path, offset=at, size=node.unit, bits=node.entry.bits[name], node=node)
            for inner in node.inner:
                if inner.entry.name == name:
                    node = inner
                    break
                at += inner.size
            else:
                names = (*node.entry.bits, *(inner.entry.name for inner in node.inner))
                raise LocalProtocolError(_no_field(layout, path, names))
        if index is not None:
            if node.count is None or index >= node.count:
                raise LocalProtocolError(
                    f"{_name(layout)} has {node.count or 0} elements of {name}, no [{index}]"
                )
            at += index * node.unit
            node = _Node(entry=node.entry, unit=node.unit, count=None, inner=node.inner, code=node.code)
        elif node.count is not None and not last:
            raise LocalProtocolError(f"{path}: {name} is an array; write {name}[0]")
    return Place(path=path, offset=at, size=node.size, count=node.count, node=node)


def _no_field(layout: TableLayout, path: str, names: Iterable[str]) -> str:
    return f"{_name(layout)} has no field {path}; there are {', '.join(names) or 'none'}"


def _referenced(fields: Iterable[FieldEntry]) -> set[int]:
    found: set[int] = {0}  # every table follows the formats of ST0
    for entry in fields:
        texts = [entry.size.reference, entry.code or ""]
        texts += [entry.count.reference] if entry.count else []
        texts += [entry.when.reference] if entry.when else []
        for text in texts:
            table, dot, _ = text.partition(".")
            number = parse_table(table) if dot else None
            if number is not None:
                found.add(number)
        found |= _referenced(entry.fields)
    return found
