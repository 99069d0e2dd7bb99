"""What a role asks of whoever plays it, read from its Protocol: methods, parameters, result types.

Nothing here knows a role by heart: a new role, or a new method of one, can be played by a person at once.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from adapters import roles
from adapters.errors import BenchError

BOOKKEEPING = frozenset({"make_safe", "close"})
"""Methods of ``Device`` that are no words of plans; the operator has his own."""


class Missing(Enum):
    """What stands where there is no value; that of ``dataclasses`` cannot be a default itself."""

    MISSING = "missing"


MISSING: Any = Missing.MISSING


@dataclass(frozen=True, kw_only=True)
class Method:
    """One word of a role."""

    name: str
    signature: inspect.Signature  # without ``self``
    result: Any  # the return annotation
    hurts: frozenset[str]
    summary: str

    @property
    def words(self) -> str:
        """Return the name as people say it."""
        return self.name.replace("_", " ")

    def arguments(self, positional: tuple[object, ...], named: Mapping[str, object]) -> dict[str, object]:
        """Return every argument by name, defaults included. Raises TypeError as a function would."""
        bound = self.signature.bind(*positional, **named)
        bound.apply_defaults()
        return dict(bound.arguments)


@dataclass(frozen=True, kw_only=True)
class ResultField:
    """One field of a result."""

    name: str
    annotation: Any
    default: Any = MISSING


@cache
def protocol_of(role: str) -> type:
    """Return the Protocol of a role. Raises BenchError for a role nobody knows."""
    for name, made in vars(roles).items():
        if inspect.isclass(made) and roles.Device in made.__mro__ and _snake(name) == role:
            return made
    raise BenchError(f"there is no role {role!r} that an operator could play")


@cache
def methods_of(role: str) -> Mapping[str, Method]:
    """Return the words of a role by name, ``identify`` among them."""
    found = {}
    for name, function in inspect.getmembers(protocol_of(role), inspect.isfunction):
        if name.startswith("_") or name in BOOKKEEPING:
            continue
        hints = get_type_hints(function, include_extras=True)
        whole = inspect.signature(function)
        found[name] = Method(
            name=name,
            signature=whole.replace(parameters=list(whole.parameters.values())[1:]),
            result=hints.get("return", object),
            hurts=getattr(function, "__hurts__", frozenset()),
            summary=(inspect.getdoc(function) or name).partition("\n")[0],
        )
    return found


def fields_of(record: type) -> tuple[ResultField, ...]:
    """Return the fields of a result dataclass, in their order."""
    hints = get_type_hints(record, include_extras=True)
    found = []
    for entry in dataclasses.fields(record):
        default: Any = MISSING
        if entry.default is not dataclasses.MISSING:
            default = entry.default
        elif entry.default_factory is not dataclasses.MISSING:
            default = entry.default_factory()
        found.append(ResultField(name=entry.name, annotation=hints[entry.name], default=default))
    return tuple(found)


def is_record(annotation: object) -> bool:
    """Return whether a type is a dataclass."""
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


def plain(annotation: Any) -> tuple[Any, bool]:
    """Return a type without Annotated and None, and whether None was among its members.

    A union of several types has no plain form and comes back as ``object``.
    """
    if get_origin(annotation) is Annotated:
        return plain(get_args(annotation)[0])
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    members = [entry for entry in get_args(annotation) if entry is not type(None)]
    optional = len(members) < len(get_args(annotation))
    return (plain(members[0])[0] if len(members) == 1 else object), optional


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
