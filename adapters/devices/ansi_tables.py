"""The tables of one ANSI meter as they are read and written in one session: whole, in parts, by field.

What a table looks like depends on others (ST0 tells formats, ST21 how many registers there are); they are
read when a layout asks for them, once a session. Where a message cannot carry a whole table, it is read piece
by piece.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from adapters.errors import BenchError, LocalProtocolError, Refused, RemoteProtocolError
from adapters.profiles.ansi import AnsiProfile
from adapters.profiles.layout import TableLayout, standard_layouts
from adapters.protocols.c1218.services import (
    FullRead,
    FullWrite,
    OffsetRead,
    OffsetWrite,
    Request,
    Response,
    ResponseCode,
    TableData,
)
from adapters.protocols.c1219 import (
    MAX_TABLE_OCTETS,
    Known,
    Place,
    decode,
    decode_place,
    encode_place,
    find,
    parse_table,
    referenced_tables,
    size_of,
    table_text,
)
from adapters.yaml_messages import suggest

GENERAL_CONFIGURATION = 0
_OFFSETS_POSSIBLE = (1, 3)  # DATA_ACCESS_METHOD of ST0: by offset, by offset and by index
_FRAME_OF_DATA = 4  # octets around table data in a response: code, count, checksum
_TOO_LONG = ResponseCode.RNO.reason
_FIXED_OCTETS, _FIRST_DIMENSION = 19, 13  # of ST0: before its sets, and where their sizes stand
_DIMENSIONS = ("DIM_STD_TBLS_USED", "DIM_MFG_TBLS_USED", "DIM_STD_PROC_USED", "DIM_MFG_PROC_USED")


class Session(Protocol):
    """What tables need of a session: to ask, and to know how much an answer can hold."""

    def ask(self, request: Request) -> Response:
        """Return the answer. Raises Refused where the meter declines."""
        ...

    @property
    def message_octets(self) -> int:
        """Return how many octets a message may have."""
        ...


@dataclass(frozen=True, kw_only=True)
class Target:
    """A table a plan has named; ``layout`` is None where nobody knows what is in it."""

    name: str  # the profile's name, or ST5
    number: int
    layout: TableLayout | None


class TableNames:
    """Turns the names of plans into tables: those of the profile, and numbers written ST5 or MT12."""

    def __init__(self, profile: AnsiProfile) -> None:
        self._profile = profile
        self._targets: dict[str, Target] = {}

    @cached_property
    def _standard(self) -> dict[int, TableLayout]:
        return {layout.number: layout for layout in standard_layouts().values()}

    def target(self, text: str) -> Target:
        """Return the table called ``text``. Raises BenchError naming the nearest one there is."""
        if text not in self._targets:
            self._targets[text] = self._resolved(text)
        return self._targets[text]

    def at(self, number: int) -> Target:
        """Return the table with a number."""
        return self.target(self._profile.table_at(number) or table_text(number))

    def _resolved(self, text: str) -> Target:
        name, number = text, parse_table(text)
        if number is not None:
            name = self._profile.table_at(number)
        if name in self._profile.tables:
            entry = self._profile.tables[name]
            return Target(name=name, number=entry.number, layout=self._profile.layout_of(name))
        if number is not None:
            return Target(name=table_text(number), number=number, layout=self._standard.get(number))
        hint = suggest(text, self._profile.tables)
        raise BenchError(
            f"the profile {self._profile.profile} has no table {text!r}; {hint}; or write ST5, MT12"
        )


class Tables:
    """The tables of a meter in one session."""

    def __init__(self, names: TableNames, session: Session) -> None:
        self.names, self._session = names, session
        self.known = Known()

    def read(self, target: Target) -> bytes:
        """Return the octets of a whole table."""
        if target.number == GENERAL_CONFIGURATION:
            return self._read_configuration(target)
        size = self.expected_size(target)
        if size is not None and size > MAX_TABLE_OCTETS:
            raise RemoteProtocolError(
                f"{table_text(target.number)} would have {size} octets by the meter's dimensions; "
                f"more than {MAX_TABLE_OCTETS} are not read at once",
                frame_intact=True,
            )
        if size is not None and size > self._room and self._takes_offsets:
            return self._read_in_pieces(target, size)
        return _octets(self._session.ask(FullRead(table=target.number)), target)

    def read_part(self, target: Target, offset: int, count: int) -> bytes:
        """Return ``count`` octets of a table. Raises RemoteProtocolError where another number came."""
        answer = self._session.ask(OffsetRead(table=target.number, offset=offset, octets=count))
        octets = _octets(answer, target)
        if len(octets) != count:
            raise RemoteProtocolError(
                f"{table_text(target.number)}: {count} octets were asked for and {len(octets)} came",
                data=octets,
                frame_intact=True,
            )
        return octets

    def fields(self, target: Target, octets: bytes | None = None) -> dict[str, object]:
        """Return the fields of a table, empty where its layout is not known."""
        if target.layout is None:
            return {}
        self._learn_what_it_needs(target.layout)
        fields = decode(target.layout, self.read(target) if octets is None else octets, self.known)
        self.known.learn(target.number, fields)
        return fields

    def place(self, target: Target, path: str) -> Place:
        """Return where a field stands. Raises BenchError where the table has none of that name."""
        if target.layout is None:
            raise BenchError(
                f"nothing says how table {target.name} is laid out; add its fields to the profile"
            )
        self._learn_what_it_needs(target.layout)
        try:
            return find(target.layout, path, self.known)
        except LocalProtocolError as error:
            raise BenchError(str(error)) from error

    def value(self, target: Target, path: str) -> object:
        """Return the value of one field; only its octets are read where the meter takes offsets."""
        place = self.place(target, path)
        if self._takes_offsets:
            octets = self.read_part(target, place.offset, place.size)
        else:
            octets = self.read(target)[place.offset : place.offset + place.size]
        return decode_place(place, octets, self.known.formats)

    def write(self, target: Target, path: str, value_of: Callable[[Place], object]) -> int:
        """Write one field and return how many octets that were. Raises BenchError for what cannot be one."""
        place = self.place(target, path)
        before = self.read_part(target, place.offset, place.size) if place.bits is not None else b""
        try:
            octets = encode_place(place, value_of(place), self.known.formats, before)
        except LocalProtocolError as error:
            raise BenchError(str(error)) from error
        self._session.ask(OffsetWrite(table=target.number, offset=place.offset, data=octets))
        return len(octets)

    def write_whole(self, number: int, octets: bytes) -> None:
        """Write a whole table."""
        self._session.ask(FullWrite(table=number, data=octets))

    def learn(self, number: int) -> None:
        """Read a table that others depend on, unless it is known already."""
        if self.known.knows(number):
            return
        target = self.names.at(number)
        if target.layout is None:
            raise BenchError(f"nothing says how table {target.name} is laid out, which others depend on")
        self.fields(target)

    @property
    def _room(self) -> int:
        return self._session.message_octets - _FRAME_OF_DATA

    def _read_configuration(self, target: Target) -> bytes:
        """Return ST0, which is the table that tells how long it is."""
        try:
            return _octets(self._session.ask(FullRead(table=GENERAL_CONFIGURATION)), target)
        except Refused as refusal:
            if refusal.reason != _TOO_LONG:
                raise
        head = self.read_part(target, 0, _FIXED_OCTETS)
        size = _configuration_octets(*head[_FIRST_DIMENSION : _FIRST_DIMENSION + len(_DIMENSIONS)])
        return self._read_in_pieces(target, size)

    def _read_in_pieces(self, target: Target, size: int) -> bytes:
        room = self._room
        return b"".join(
            self.read_part(target, offset, min(room, size - offset)) for offset in range(0, size, room)
        )

    @property
    def _takes_offsets(self) -> bool:
        self.learn(GENERAL_CONFIGURATION)
        control = self.known.fields(GENERAL_CONFIGURATION)["FORMAT_CONTROL_2"]
        return isinstance(control, dict) and control["DATA_ACCESS_METHOD"] in _OFFSETS_POSSIBLE

    def expected_size(self, target: Target) -> int | None:
        """Return how many octets the layout makes of a table, None where it does not tell."""
        if target.layout is None:
            return None
        if target.number == GENERAL_CONFIGURATION:  # it is the one table that tells its own size
            self.learn(GENERAL_CONFIGURATION)
            fields = self.known.fields(GENERAL_CONFIGURATION)
            return _configuration_octets(*(int(str(fields[name])) for name in _DIMENSIONS))
        self._learn_what_it_needs(target.layout)
        return size_of(target.layout, self.known)

    def _learn_what_it_needs(self, layout: TableLayout) -> None:
        for number in referenced_tables(layout):
            self.learn(number)


def _configuration_octets(tables: int, manufacturers: int, procedures: int, own: int) -> int:
    """Return how long ST0 is: of tables there are two sets, those used and those that can be written."""
    return _FIXED_OCTETS + 2 * (tables + manufacturers) + procedures + own


def _octets(answer: Response, target: Target) -> bytes:
    if not isinstance(answer, TableData):
        raise RemoteProtocolError(
            f"{table_text(target.number)}: the meter says ok and sends no table", frame_intact=True
        )
    return answer.data
