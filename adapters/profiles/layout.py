"""How octets of a table are laid out, as data: the fields of C12.19 tables and of procedures' parameters.

The same words describe the standard tables (``layouts/c1219.yaml``) and, in a profile, the tables of a
manufacturer. ``adapters.protocols.c1219`` reads and writes octets by them and knows no table by heart.

    {name: NBR_SUMMATIONS, type: uint}                                    one octet
    {name: MANUFACTURER, type: ascii, size: 4}
    {name: SUMMATIONS, type: ni1, count: ST21.NBR_SUMMATIONS}             as many as another table says
    {name: ED_MODE, type: bits, bits: {METERING_FLAG: 0, SEASON: 4-7}}
    {name: EVENT_NUMBER, type: uint, size: 2, when: ST71.LOG_FLAGS.EVENT_NUMBER_FLAG}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, StringConstraints, WithJsonSchema, model_validator

from adapters.profiles.model import Sourced, Strict
from adapters.yaml_file import load_model

FieldType = Literal[
    "uint", "int", "bcd", "ascii", "id", "octets", "bits", "set", "float", "ni1", "ni2", "interval",
    "stime", "ltime", "time", "record",
]  # fmt: skip
"""``bcd`` a number in packed decimal; ``id`` text, or half as many octets of packed decimal where ID_FORM has
it so; ``set`` one bit an element; ``ni1`` and ``ni2`` what NI_FORMAT1 and NI_FORMAT2 say; ``interval`` what
the code at ``code`` says; ``stime``, ``ltime`` and ``time`` what TM_FORMAT says."""

SIZED: tuple[FieldType, ...] = ("uint", "int", "bcd", "ascii", "id", "octets", "bits", "set", "float")
_STANDARD = Path(__file__).parent / "layouts" / "c1219.yaml"
_NAME = r"[A-Za-z][A-Za-z0-9_]*"
_REFERENCE = rf"(?:[SM]T\d{{1,4}}\.)?{_NAME}(?:\.{_NAME})*"
_AMOUNT = re.compile(
    rf"(?P<constant>\d{{1,5}})|(?P<rest>rest)|(?P<plain>{_REFERENCE})"
    rf"|(?P<unit>bits|nibbles)\((?P<inner>{_REFERENCE})(?: ?\+ ?(?P<plus>\d{{1,3}}))?\)"
)
_CONDITION = re.compile(
    rf"(?P<negated>not )?(?P<reference>{_REFERENCE})(?: ?(?P<compare>[=>]) ?(?P<number>\d{{1,5}}))?"
    r"|ST0 uses (?P<table>\d{1,4})"
)
_BITS = re.compile(r"(\d{1,2})(?:-(\d{1,2}))?")


@dataclass(frozen=True, kw_only=True)
class Amount:
    """A number of octets or elements: fixed, what another field says, or whatever is left of the table.

    With a ``reference`` it is (that field + ``plus``) / ``per``, rounded up: 8 for bits, 2 for nibbles.
    """

    constant: int = 1
    reference: str = ""
    plus: int = 0
    per: int = 1
    rest: bool = False


@dataclass(frozen=True, kw_only=True)
class Condition:
    """When a field is there: where ``reference`` is not 0 (or stands to ``number`` as ``compare`` says).

    ``uses``: where ST0 lists that standard table among the used ones.
    """

    reference: str = ""
    negated: bool = False
    compare: Literal["", "=", ">"] = ""
    number: int = 0
    uses: int = -1


def _amount(value: object) -> Amount:
    if isinstance(value, Amount):
        return value
    found = _AMOUNT.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(
            f"`{value}` is no amount; expected a number, `rest`, a field such as `ST21.NBR_TIERS`, "
            "or `bits(...)` or `nibbles(...)` of one"
        )
    if found["constant"]:
        return Amount(constant=int(found["constant"]))
    if found["rest"]:
        return Amount(rest=True)
    if found["plain"]:
        return Amount(reference=found["plain"])
    per = 8 if found["unit"] == "bits" else 2
    return Amount(reference=found["inner"], plus=int(found["plus"] or 0), per=per)


def _condition(value: object) -> Condition:
    if isinstance(value, Condition):
        return value
    found = _CONDITION.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(
            f"`{value}` is no condition; expected a field such as `ST21.NBR_TIERS`, `not ...`, `... = 1`, "
            "`... > 1` or `ST0 uses 65`"
        )
    if found["table"]:
        return Condition(uses=int(found["table"]))
    compare: Literal["", "=", ">"] = "=" if found["compare"] == "=" else ">" if found["compare"] else ""
    return Condition(
        reference=found["reference"],
        negated=bool(found["negated"]),
        compare=compare,
        number=int(found["number"] or 0),
    )


def _bit_range(value: object) -> tuple[int, int]:
    if isinstance(value, tuple):
        return value
    found = _BITS.fullmatch(str(value).strip())
    low = int(found[1]) if found else 99
    high = int(found[2]) if found and found[2] else low
    if found is None or not low <= high <= 63:
        raise ValueError(f"`{value}` names no bits; expected one such as `3`, or some such as `4-7`")
    return low, high


_TEXT = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}]})
Measure = Annotated[Amount, PlainValidator(_amount), _TEXT]
When = Annotated[Condition, PlainValidator(_condition), _TEXT]
BitRange = Annotated[tuple[int, int], PlainValidator(_bit_range), _TEXT]
FieldName = Annotated[str, StringConstraints(pattern=rf"^{_NAME}$")]
Reference = Annotated[str, StringConstraints(pattern=rf"^{_REFERENCE}$")]


class FieldEntry(Strict):
    """One field. ``size`` is in octets, of one element; ``count`` makes it an array.

    A field follows the one before it unless ``offset`` (at the top of a table only) says where it stands.
    A ``reference`` without a table means a field at the top of the same table.
    """

    name: FieldName
    type: FieldType
    size: Measure = Amount()
    count: Measure | None = None
    bits: dict[FieldName, BitRange] = Field(default_factory=dict)
    fields: tuple[FieldEntry, ...] = ()
    when: When | None = None
    code: Reference | None = None
    offset: int | None = Field(default=None, ge=0, le=0xFFFFFF)

    @model_validator(mode="after")
    def _fits_its_type(self) -> FieldEntry:
        if self.bits and self.type != "bits":
            raise ValueError(f"field {self.name} is a {self.type} and has no bits; use `type: bits`")
        if bool(self.fields) != (self.type == "record"):
            raise ValueError(f"field {self.name}: a record has `fields`, and nothing else has")
        if (self.code is not None) != (self.type == "interval"):
            raise ValueError(f"field {self.name}: an interval needs `code`, and nothing else has one")
        if self.size != Amount() and self.type not in SIZED:
            raise ValueError(f"field {self.name}: the size of a {self.type} is given elsewhere; leave it out")
        width = 8 * self.size.constant
        for name, (_, high) in self.bits.items():
            if not self.size.reference and high >= width:
                raise ValueError(f"field {self.name}: {name} is bit {high} of {width}")
        _names_are_unique(self.fields)
        for inner in self.fields:
            if inner.offset is not None or inner.size.rest:
                raise ValueError(
                    f"field {self.name}.{inner.name}: `offset` and `rest` belong to the top of a table"
                )
        return self


class TableLayout(Sourced):
    """The fields of a table, in order. ``number`` is 2048 + n for manufacturer table n."""

    number: int = Field(default=-1, ge=-1, le=4095)
    title: str = ""
    fields: tuple[FieldEntry, ...]

    @model_validator(mode="after")
    def _is_sound(self) -> TableLayout:
        _names_are_unique(self.fields)
        for entry in self.fields[:-1]:
            if entry.size.rest:
                raise ValueError(f"field {entry.name} takes the rest of the table, so it must come last")
        return self

    def field(self, name: str) -> FieldEntry:
        """Return the field called ``name`` at the top of the table. Raises KeyError."""
        for entry in self.fields:
            if entry.name == name:
                return entry
        raise KeyError(name)


class StandardLayouts(Strict):
    """The file with the standard tables."""

    tables: dict[str, TableLayout]


def _names_are_unique(fields: tuple[FieldEntry, ...]) -> None:
    seen: set[str] = set()
    for entry in fields:
        if entry.name in seen:
            raise ValueError(f"field {entry.name} is listed twice")
        seen.add(entry.name)


def paths(fields: tuple[FieldEntry, ...], before: str = "") -> Iterator[str]:
    """Yield the names of fields as a profile writes them, without array indices: ``RECORD.FIELD.BIT``."""
    for entry in fields:
        path = f"{before}{entry.name}"
        yield path
        yield from (f"{path}.{name}" for name in entry.bits)
        yield from paths(entry.fields, f"{path}.")


@cache
def standard_layouts() -> dict[str, TableLayout]:
    """Return the layouts of the standard tables, by the names profiles call them by."""
    return load_model(_STANDARD, StandardLayouts).tables
