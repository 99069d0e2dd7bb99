"""From the text of a plan to the type a parameter has, and the words for it when it does not fit."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from adapters.yaml_messages import kind_of, shown, suggest
from harness import quantities
from harness.quantities import Unit
from harness.results import alternatives, text_of

_YES = {"yes", "true", "on"}
_NO = {"no", "false", "off"}


@dataclass(frozen=True, kw_only=True)
class ArgumentType:
    """What a parameter takes. ``convert`` raises ValueError whose text may end in ``; <hint>``."""

    words: str
    convert: Callable[[object], object] = field(repr=False, compare=False)
    role: str = ""  # for a device: the role it must have; the value is the device's name
    choices: tuple[str, ...] = ()
    unit: str = ""
    file: Callable[[Path, str], object] | None = field(default=None, repr=False, compare=False)
    """For a file the plan names: makes the value from where it lies and what it is called in the plan."""


def yes_or_no(text: str) -> bool:
    """Return a truth value from the words people use. Raises ValueError."""
    lowered = text.strip().lower()
    if lowered in _YES | _NO:
        return lowered in _YES
    raise ValueError(f"expected yes or no, found `{shown(text)}`")


def argument_type(name: str, annotation: Any, role_names: Mapping[type, str]) -> ArgumentType:
    """Return the type of a parameter from its name and its annotation."""
    unit = quantities.unit_of_name(name)
    bare_number = bool(unit)  # `delay_s: 30` says its unit by name; a plain Duration does not
    if get_origin(annotation) is Annotated:
        for extra in get_args(annotation)[1:]:
            if isinstance(extra, Unit):
                unit = extra.symbol
    members = alternatives(annotation)
    if len(members) != 1:
        return ArgumentType(words="any value", convert=lambda value: value)
    member: Any = members[0]
    if member in role_names:
        role = role_names[member]
        return ArgumentType(words=f"the name of a device ({role})", convert=_text, role=role)
    if get_origin(member) is Literal:
        return _choice({str(entry): entry for entry in get_args(member)})
    if isinstance(member, type) and issubclass(member, enum.Enum):
        return _choice({str(entry.name): entry for entry in member})
    if (from_file := getattr(member, "from_plan_file", None)) is not None:
        return _file(member, from_file)
    if get_origin(member) in (tuple, list, Sequence):
        inner = [entry for entry in get_args(member) if entry is not Ellipsis]
        return _list(argument_type(name, inner[0] if inner else object, role_names))
    if member in (float, Decimal, int) and unit:
        return _number_with_unit(member, unit, bare_number)
    simple: dict[Any, tuple[str, Callable[[object], object]]] = {
        str: ("text", _text),
        bool: ("yes or no", _bool),
        int: ("a whole number", _int),
        Decimal: ("a number", _decimal),
        float: ("a number", lambda value: float(_decimal(value))),
        bytes: ("octets in hexadecimal", _octets),
        datetime: ("a date and time such as 2026-01-05T12:00:00+00:00", _datetime),
    }
    if member in simple:
        words, convert = simple[member]
        return ArgumentType(words=words, convert=convert)
    return ArgumentType(words="any value", convert=lambda value: value)


def _wrong(expected: str, value: object) -> ValueError:
    found = (
        f"`{shown(text_of(value))}`" if not isinstance(value, list | dict) and value != "" else kind_of(value)
    )
    return ValueError(f"expected {expected}, found {found}")


def _text(value: object) -> str:
    if isinstance(value, list | dict):
        raise _wrong("text", value)
    return value if isinstance(value, str) else text_of(value)


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise _wrong("yes or no", value)
    return yes_or_no(value)


def _int(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,40}\s*", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    raise _wrong("a whole number", value)


def _decimal(value: object) -> Decimal:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, str):
        try:
            quantity = quantities.parse(value)
        except ValueError:
            raise _wrong("a number", value) from None
        if quantity.unit:
            raise ValueError(f"expected a number without a unit, found `{shown(value)}`")
        return quantity.value
    raise _wrong("a number", value)


def _octets(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return bytes.fromhex(str(value))
    except ValueError:
        raise _wrong("octets in hexadecimal", value) from None


def _datetime(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise _wrong("a date and time such as 2026-01-05T12:00:00+00:00", value) from None


def _number_with_unit(number: type, unit: str, bare_number: bool) -> ArgumentType:
    example = {"s": "`30 s` or `5 min`", "V": "`230 V`", "A": "`5 A`", "%": "`0.1 %`"}.get(
        unit, f"`10 {unit}`"
    )
    words = f"a duration such as {example}" if unit == "s" else f"a quantity such as {example}"

    def convert(value: object) -> object:
        if isinstance(value, str):
            if unit == "s" and not bare_number:
                return number(quantities.duration_s(value))
            try:
                quantity = quantities.parse(value)
            except ValueError:
                raise _wrong(words, value) from None
            amount = quantity.to(unit)
        else:
            amount = _decimal(value)
        if number is int and amount != amount.to_integral_value():
            raise _wrong(f"a whole number of {unit}", value)
        return number(amount)

    return ArgumentType(words=words, convert=convert, unit=unit)


def _choice(values: Mapping[str, object]) -> ArgumentType:
    def convert(value: object) -> object:
        if isinstance(value, str) and value in values:
            return values[value]
        if not isinstance(value, str) and value in values.values():
            return value
        raise ValueError(f"`{shown(text_of(value))}` is not known here; {suggest(str(value), values)}")

    listed = ", ".join(f"`{entry}`" for entry in values)
    return ArgumentType(words=f"one of {listed}", convert=convert, choices=tuple(values))


def _file(made: type, from_file: Callable[[Path, str], object]) -> ArgumentType:
    words = "a file, its path relative to the plan"

    def convert(value: object) -> object:
        if isinstance(value, made):
            return value
        raise _wrong(words, value)

    return ArgumentType(words=words, convert=convert, file=from_file)


def _list(inner: ArgumentType) -> ArgumentType:
    def convert(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise _wrong("a list", value)
        return tuple(inner.convert(entry) for entry in value)

    return ArgumentType(words=f"a list ({inner.words} each)", convert=convert, role=inner.role and "")
