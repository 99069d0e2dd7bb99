"""What differs between ANSI meters, as data: tables, registers, password levels, procedures, codes.

A profile is YAML beside this file, or a lab's own file (docs/ansi-meters.md). Plans and adapters speak of
tables, registers and procedures by the names it gives them. Each entry says where its numbers come from
(``source``) or admits that they are ours (``assumed: true``). A manufacturer's table map that is confidential
stays in the lab: it fills in the profile and changes no Python. What the entries say about each other is
checked in ``ansi_check``, where every mistake gets its place in the file.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, StringConstraints, WithJsonSchema

from adapters.profiles.layout import Amount, FieldEntry, TableLayout, standard_layouts
from adapters.profiles.model import Sourced, Strict

Harm = Literal["", "configure", "disconnect", "factory_reset", "firmware", "keys"]
Standard = Literal["c12.18", "c12.21", "c12.22"]

MANUFACTURER = 2048
"""What is added to the number of a manufacturer's table, procedure or event code."""
ALL = "all"
_NUMBER = {
    "T": "a table such as ST23 or MT5",
    "P": "a procedure such as SP10 or MP3",
    "E": "an event such as SE1 or ME7",
}


def _numbered(letter: str) -> PlainValidator:
    def parse(value: object) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(rf"([SM]){letter}(\d{{1,4}})", str(value).strip())
        if found is None or int(found[2]) >= MANUFACTURER:
            raise ValueError(f"`{value}` is not {_NUMBER[letter]}")
        return int(found[2]) + (MANUFACTURER if found[1] == "M" else 0)

    return PlainValidator(parse)


def _schema(letter: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": rf"^[SM]{letter}\d{{1,4}}$"})


TableNumber = Annotated[int, _numbered("T"), _schema("T")]
ProcedureNumber = Annotated[int, _numbered("P"), _schema("P")]
EventCode = Annotated[int, _numbered("E"), _schema("E")]
Path = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\[\d+\])?(\.[A-Za-z][A-Za-z0-9_]*(\[\d+\])?)*$")
]
Hex = Annotated[str, StringConstraints(pattern=r"^([0-9A-Fa-f]{2})*$")]


class AnsiFormats(Sourced):
    """What the meter says about itself in ST0; a meter that says otherwise does not fit the profile."""

    data_order: Literal["least-first", "most-first"] = "least-first"
    id_form: Literal["text", "bcd"] = "text"
    tm_format: Literal[0, 1, 2, 3, 4] = 2
    int_format: Literal[0, 1, 2] = 0
    char_format: Literal[1, 2, 3] = 1
    ni_format1: int = Field(default=8, ge=0, le=13)
    ni_format2: int = Field(default=8, ge=0, le=13)
    device_class: Hex = "00000000"
    nameplate: Literal["gas", "water", "electric"] = "electric"
    standard_version: int = Field(default=1, ge=0, le=255)
    standard_revision: int = Field(default=0, ge=0, le=255)


class AnsiLink(Sourced):
    """The optical port and what a session settles on it."""

    standard: Standard = "c12.18"
    version: int = Field(default=1, ge=0, le=255)
    revision: int = Field(default=0, ge=0, le=255)
    baud: int = Field(default=9600, ge=300, le=256000)
    negotiate: bool = True
    packet_octets: int = Field(default=64, ge=64, le=8192)  # the largest the meter takes, once negotiated
    packets: int = Field(default=1, ge=1, le=254)
    max_baud: int = Field(default=9600, ge=300, le=256000)
    channel_timeout_s: float = Field(default=6.0, gt=0, le=3600)
    user_id: int = Field(default=1, ge=0, le=0xFFFF)
    user: str = Field(default="", max_length=10)
    password_padding: Literal["nul", "space"] = "nul"


class AnsiLevel(Sourced):
    """A password level. Tables and procedures are named; ``all`` stands for every one of the profile."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    run: tuple[str, ...] = ()


class LockOut(Sourced):
    """After ``attempts`` wrong passwords in a row no password is taken for ``seconds``."""

    attempts: int = Field(ge=1, le=255)
    seconds: int = Field(ge=1, le=86400)


class AnsiTable(Sourced):
    """A table. A standard one has the layout of its name or of ``layout``; others list ``fields``.

    ``sizes`` and ``offsets`` (octets) are for a meter that deviates from a standard layout, ``more_fields``
    for what it adds at the end.
    """

    number: TableNumber
    layout: str | None = None
    fields: tuple[FieldEntry, ...] = ()
    sizes: dict[str, int] = Field(default_factory=dict)
    offsets: dict[str, int] = Field(default_factory=dict)
    more_fields: tuple[FieldEntry, ...] = ()
    title: str = ""


class AnsiRegister(Sourced):
    """A register: the number at ``field`` of ``table`` times 10**``scaler`` is in ``unit``."""

    table: str
    field: Path
    unit: str
    scaler: int = Field(default=0, ge=-12, le=12)
    title: str = ""


class AnsiProcedure(Sourced):
    """A procedure. ``hurts`` is what a bench must allow; ``octets`` are fixed arguments."""

    number: ProcedureNumber
    hurts: Harm = ""
    octets: Hex = ""
    arguments: tuple[FieldEntry, ...] = ()
    response: tuple[FieldEntry, ...] = ()
    title: str = ""


class FieldOf(Strict):
    """A field of a table."""

    table: str
    field: Path


class AnsiIdentity(Sourced):
    """Where the meter says who it is; ``serial`` is compared with the bench before anything that hurts."""

    serial: FieldOf = FieldOf(table="device_identification", field="IDENTIFICATION")
    model: FieldOf = FieldOf(table="manufacturer_identification", field="ED_MODEL")


class AnsiSwitch(Sourced):
    """The service switch: where its state is read and which procedures move it."""

    table: str
    field: Path
    closed: int  # the value of ``field`` with service on
    operations: Path | None = None
    open_procedure: str
    close_procedure: str


class AnsiEvents(Sourced):
    """The log that is read as *the* event log, and the codes that it holds, by name."""

    table: str = "event_log"
    codes: dict[str, EventCode] = Field(default_factory=dict)
    note: str = ""

    def names(self) -> dict[int, str]:
        """Return the names by code."""
        return {code: name for name, code in self.codes.items()}


class AnsiLoadProfile(Sourced):
    """Set 1 of the load profile as the meter is programmed: how much it keeps, and of which registers."""

    blocks: int = Field(ge=1, le=1000)
    intervals: int = Field(ge=1, le=1440)  # of a block
    minutes: Literal[1, 5, 10, 15, 30, 60] = 15
    channels: tuple[str, ...] = Field(min_length=1)


class AnsiProfile(Strict):
    """An ANSI meter model."""

    profile: str
    title: str
    protocol: Literal["c1219"]
    documents: tuple[str, ...] = ()
    manufacturer: str = Field(max_length=4)  # as ST1 has it
    model: str = Field(max_length=8)
    phases: Literal[1, 3] = 1  # phases measured: 1 for the single-phase forms (1S, 2S), 3 for polyphase
    formats: AnsiFormats = AnsiFormats(assumed=True)
    link: AnsiLink = AnsiLink(assumed=True)
    identity: AnsiIdentity = AnsiIdentity(source="ANSI C12.19 tables 1 and 5")
    without_password: AnsiLevel = AnsiLevel(assumed=True)
    levels: dict[str, AnsiLevel]
    default_level: str = ""
    lock_out: LockOut | None = None
    tables: dict[str, AnsiTable]
    registers: dict[str, AnsiRegister] = Field(default_factory=dict)
    procedures: dict[str, AnsiProcedure] = Field(default_factory=dict)
    switch: AnsiSwitch | None = None
    events: AnsiEvents | None = None
    load_profile: AnsiLoadProfile | None = None
    clock_offset_min: int = Field(default=0, ge=-720, le=840)
    """How far local time is ahead of UTC where the meter's tables do not tell (no GMT_FLAG, no ST53)."""
    limits: dict[str, str] = Field(default_factory=dict)

    def layout_of(self, name: str) -> TableLayout | None:
        """Return the layout of a table, None where the profile does not tell it. Raises KeyError."""
        table = self.tables[name]
        if table.fields:
            fields = table.fields
            title = table.title
        else:
            standard = standard_layouts().get(table.layout or name)
            if standard is None:
                return None
            title, fields = table.title or standard.title, standard.fields
        changed = tuple(_adapted(entry, table) for entry in fields)
        return TableLayout(
            number=table.number, title=title or name, fields=changed + table.more_fields, assumed=True
        )

    def table_at(self, number: int) -> str:
        """Return the name of the table with a number, empty where the profile does not list it."""
        for name, table in self.tables.items():
            if table.number == number:
                return name
        return ""


def _adapted(entry: FieldEntry, table: AnsiTable) -> FieldEntry:
    change: dict[str, object] = {}
    if entry.name in table.sizes:
        change["size"] = Amount(constant=table.sizes[entry.name])
    if entry.name in table.offsets:
        change["offset"] = table.offsets[entry.name]
    return entry.model_copy(update=change) if change else entry
