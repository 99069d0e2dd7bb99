"""Fields of step results: what a result type has, by its annotation, and what a result holds, by its value.

A field path is ``name`` or ``outer.inner``; in a list, the inner name is an index from 0. A result typed
``object`` may hold anything, so a path into it is only checked when the value is there.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from adapters.errors import NotSeen
from harness.quantities import Unit, unit_of_name


class _Absent:
    """What a path leads to where the result has nothing there."""

    def __repr__(self) -> str:
        return "absent"


class _NotSeen:
    """What is shown of a field that nobody could see."""

    def __repr__(self) -> str:
        return "not seen"


ABSENT = _Absent()
NOT_SEEN = _NotSeen()


def alternatives(annotation: object) -> tuple[object, ...]:
    """Return the members of a union without None, or the annotation itself; Annotated is peeled off."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(
            entry
            for member in get_args(annotation)
            if member is not type(None)
            for entry in alternatives(member)
        )
    return () if annotation in (None, type(None)) else (annotation,)


@cache
def fields_of(dataclass: type) -> Mapping[str, object]:
    """Return the fields of a result dataclass with their annotations."""
    hints = get_type_hints(dataclass, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(dataclass)}


def known_fields(annotation: object) -> tuple[str, ...]:
    """Return the names a plan may write for a result of this type."""
    names: dict[str, None] = {}
    for member in alternatives(annotation):
        if isinstance(member, type) and dataclasses.is_dataclass(member):
            names.update(dict.fromkeys(fields_of(member)))
    return tuple(names)


def type_at(annotation: object, path: Sequence[str]) -> object:
    """Return the annotation at a path; ``object`` where only the value will tell.

    Raises LookupError whose args are the unknown name and the known ones.
    """
    here = annotation
    for name in path:
        found: list[object] = []
        for member in alternatives(here):
            origin = get_origin(member) or member
            arguments = [entry for entry in get_args(member) if entry is not Ellipsis]
            if member in (object, Any):
                return object
            if isinstance(member, type) and dataclasses.is_dataclass(member):
                if name in fields_of(member):
                    found.append(fields_of(member)[name])
            elif isinstance(origin, type) and issubclass(origin, Mapping):
                found.append(arguments[1] if len(arguments) == 2 else object)
            elif origin in (tuple, list, Sequence) and name.isdigit():
                found.append(arguments[0] if arguments else object)
        if not found:
            raise LookupError(name, known_fields(here))
        here = found[0]
        for other in found[1:]:
            here = here | other  # type: ignore[operator]
    return here


def unit_at(annotation: object, path: Sequence[str]) -> str | None:
    """Return the unit of the field at a path; None where the result itself says it in ``unit``."""
    if not path:
        return ""
    if unit := unit_of_name(path[-1]):
        return unit
    parent = type_at(annotation, path[:-1])
    if parent is object or ("unit" in known_fields(parent) and path[-1] in ("value", "scaled")):
        return None
    written = type_at(annotation, path)
    for extra in get_args(written)[1:] if get_origin(written) is Annotated else ():
        if isinstance(extra, Unit):
            return extra.symbol
    return ""


def value_at(result: object, path: Sequence[str]) -> object:
    """Return the value at a path, or ABSENT where there is none."""
    here = result
    for name in path:
        if isinstance(here, Mapping):
            here = here.get(name, ABSENT)
        elif isinstance(here, list | tuple) and name.isdigit():
            here = here[int(name)] if int(name) < len(here) else ABSENT
        elif dataclasses.is_dataclass(here) and not isinstance(here, type) and name in fields_of(type(here)):
            here = getattr(here, name)
        else:
            return ABSENT
    return here


def shown_field(record: object, name: str) -> object:
    """Return a field to show it; one nobody could see says so, and raises only where it is judged."""
    try:
        return getattr(record, name)
    except NotSeen:
        return NOT_SEEN


def main_field(result: object) -> str:
    """Return the field that a reading is about: ``scaled`` where it has been scaled, else ``value``."""
    return "value" if value_at(result, ("scaled",)) in (ABSENT, None) else "scaled"


def unit_of_value(result: object, path: Sequence[str]) -> str:
    """Return the unit of the value at a path: by its name's last part, or by the ``unit`` beside it.

    A ``unit`` in a result is that of its main field; a raw value beside a scaled one has none.
    """
    if not path:
        return ""
    if unit := unit_of_name(path[-1]):
        return unit
    parent = value_at(result, path[:-1])
    beside = value_at(parent, ("unit",))
    return beside if isinstance(beside, str) and path[-1] == main_field(parent) else ""


def text_of(value: object) -> str:
    """Return a value as a plan would write it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return f"{value:f}"
        case bytes() | bytearray():
            return bytes(value).hex().upper()
        case datetime():
            return value.isoformat()
        case None:
            return "nothing"
        case list() | tuple():
            return "[" + ", ".join(text_of(entry) for entry in value) + "]"
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            inner = ", ".join(
                f"{name}: {text_of(shown_field(value, name))}" for name in fields_of(type(value))
            )
            return "{" + inner + "}"
        case _:
            return str(value)


def describe(annotation: object) -> str:
    """Return what a type is, for people."""
    members = alternatives(annotation)
    words = {str: "text", int: "a whole number", float: "a number", Decimal: "a number"}
    words |= {bool: "yes or no", datetime: "a date and time", bytes: "octets in hexadecimal"}
    if len(members) == 1:
        member = members[0]
        if member in words:
            return words[member]
        if get_origin(member) is Literal:
            return "one of " + ", ".join(f"`{entry}`" for entry in get_args(member))
        if get_origin(member) in (tuple, list, Sequence):
            return "a list"
        if isinstance(member, type) and dataclasses.is_dataclass(member):
            return f"a record with {', '.join(f'`{name}`' for name in known_fields(member))}"
    return "a value"
