"""``${...}`` in a plan: parameters and row values are filled in at compile time, saved values later.

``$${`` stands for the two characters ``${`` themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.yaml_messages import shown, suggest
from harness.plan import Reference, Template
from harness.results import ABSENT, text_of, type_at, unit_of_value, value_at
from harness.verdicts import Inconclusive

_PIECE = re.compile(r"\$\$\{|\$\{([^}]*)\}|\$\{")
_PATH = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*")


class PlanReferenceError(Exception):
    """A ``${...}`` that means nothing; ``message`` and ``hint`` are for the author of the plan."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class NothingSaved(Inconclusive):
    """A step needs a value that an earlier step would have saved, had it run."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What names mean at one place of a plan."""

    texts: Mapping[str, str]  # parameters, and the values of the row
    row: Mapping[str, str] = field(default_factory=dict)
    saved: Mapping[str, object] = field(default_factory=dict)  # name -> annotation of the result
    later: Mapping[str, int] = field(default_factory=dict)  # names only saved further down -> line


def fill(text: str, scope: Scope) -> str | Reference | Template:
    """Return the text with parameters and row values filled in. Raises PlanReferenceError."""
    parts: list[str | Reference] = []
    end = 0
    for piece in _PIECE.finditer(text):
        parts.append(text[end : piece.start()])
        end = piece.end()
        if piece.group() == "$${":
            parts.append("${")
        elif piece.group(1) is None:
            raise PlanReferenceError(
                f"`{shown(text[piece.start() :])}` is not closed", "expected `}` after the name"
            )
        else:
            parts.append(_meaning(piece.group(1).strip(), scope))
    parts.append(text[end:])
    merged: list[str | Reference] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    if not merged:
        return ""
    if len(merged) == 1:
        return merged[0]
    return Template(parts=tuple(merged))


def _meaning(name: str, scope: Scope) -> str | Reference:
    if not _PATH.fullmatch(name):
        raise PlanReferenceError(
            f"`${{{shown(name)}}}` is not a name",
            "expected a parameter, a row value or a saved value such as `${usage.summation}`; no expressions",
        )
    head, *rest = name.split(".")
    if head == "row" and len(rest) == 1:
        if rest[0] not in scope.row:
            raise PlanReferenceError(
                f"`${{{name}}}`: the rows have no `{rest[0]}`", suggest(rest[0], scope.row)
            )
        return scope.row[rest[0]]
    if head in scope.texts:
        if rest:
            raise PlanReferenceError(
                f"`${{{name}}}`: `{head}` is a plain text without fields", f"write `${{{head}}}`"
            )
        return scope.texts[head]
    if head in scope.saved:
        try:
            type_at(scope.saved[head], rest)
        except LookupError as error:
            unknown, known = error.args
            raise PlanReferenceError(
                f"`${{{name}}}`: what was saved as `{head}` has no field `{unknown}`", suggest(unknown, known)
            ) from None
        return Reference(path=(head, *rest))
    if head in scope.later:
        raise PlanReferenceError(
            f"`${{{name}}}` is used before it is saved", f"`{head}` is saved in line {scope.later[head]}"
        )
    known = [*scope.texts, *scope.saved]
    raise PlanReferenceError(
        f"`${{{name}}}` is not defined", suggest(head, known, "a parameter, row value or saved value:")
    )


def lookup(reference: Reference, saved: Mapping[str, object]) -> tuple[object, str]:
    """Return the value a reference stands for, and its unit. Raises NothingSaved."""
    head, *path = reference.path
    if head not in saved:
        raise NothingSaved(f"{reference}: nothing was saved as `{head}`; the step that saves it did not run")
    value = value_at(saved[head], path)
    if value is ABSENT:
        raise NothingSaved(f"{reference}: the saved result has no `{'.'.join(path)}`")
    return value, unit_of_value(saved[head], path)


def resolved(value: object, saved: Mapping[str, object]) -> object:
    """Return an argument with its references replaced by values, inside lists and mappings too."""
    match value:
        case Reference():
            return lookup(value, saved)[0]
        case Template():
            return "".join(
                part if isinstance(part, str) else text_of(lookup(part, saved)[0]) for part in value.parts
            )
        case list() | tuple():
            return type(value)(resolved(entry, saved) for entry in value)
        case dict():
            return {key: resolved(entry, saved) for key, entry in value.items()}
        case _:
            return value


def shown_argument(value: object, saved: Mapping[str, object]) -> object:
    """Return an argument for people: a saved value in place of its reference, a whole result by its name."""
    if not is_open(value):
        return value
    if isinstance(value, Reference) and len(value.path) == 1:
        return str(value)
    try:
        return resolved(value, saved)
    except NothingSaved:
        return str(value)


def is_open(value: object) -> bool:
    """Return whether a value still holds a reference somewhere."""
    match value:
        case Reference() | Template():
            return True
        case list() | tuple():
            return any(is_open(entry) for entry in value)
        case dict():
            return any(is_open(entry) for entry in value.values())
        case _:
            return False
