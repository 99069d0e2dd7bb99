"""Whether an operator's profile fits its role: it names only what the role has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import get_args

from adapters.devices.operator.answers import answer_type
from adapters.devices.operator.shape import Method, fields_of, is_record, methods_of, plain
from adapters.errors import ConfigError
from adapters.profiles.operator_model import (
    AskedField,
    OperatorProfile,
    Task,
    load_operator_profile,
    shipped_operator_profiles,
)
from adapters.yaml_messages import suggest

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def profile_of(role: str, source: str) -> OperatorProfile:
    """Return the operator's profile of a role: the one given, else the shipped one, else an empty one.

    Raises ConfigError where it speaks of methods, arguments or fields the role does not have.
    """
    if not source and role not in shipped_operator_profiles():
        return OperatorProfile(profile=role, title=role, role=role)
    profile = load_operator_profile(source or role)
    mistakes = list(misfits(role, profile))
    if mistakes:
        raise ConfigError("; ".join(mistakes), file=source or role)
    return profile


def misfits(role: str, profile: OperatorProfile) -> Iterator[str]:
    """Yield, in words, everything the profile says that the role does not know."""
    if profile.role != role:
        yield f"the profile is for a {profile.role}, the device is a {role}"
        return
    methods = methods_of(role)
    for name, task in profile.tasks.items():
        if name not in methods:
            yield f"tasks: {role} has no method `{name}`; {suggest(name, methods)}"
            continue
        for mistake in _task(methods[name], task):
            yield f"tasks.{name}: {mistake}"


def _task(method: Method, task: Task) -> Iterator[str]:
    parameters = list(method.signature.parameters)
    texts = [task.where, *(text for step in task.steps for text in (step.do, step.secret))]
    used = {found for text in texts for found in PLACEHOLDER.findall(text)}
    used |= {name for step in task.steps for name in (*step.when, *step.unless)}
    if task.confirm:
        used.add(task.confirm)
    yield from _unknown(used, parameters, "argument")
    result, _ = plain(method.result)
    known = {each.name: each.annotation for each in fields_of(result)} if is_record(result) else {}
    if not is_record(result) and result not in (None, type(None)):
        known = {"result": method.result}
    yield from _unknown(task.fields, known, "field")
    for name, entry in task.fields.items():
        if name in known:
            yield from (f"fields.{name}: {text}" for text in _field(name, entry, known, parameters))


def _field(name: str, entry: AskedField, known: dict[str, object], parameters: list[str]) -> Iterator[str]:
    yield from _unknown(entry.only_if, [*known, *parameters], "field")
    if entry.columns:
        inner = next(iter(get_args(plain(known[name])[0])), None)
        if isinstance(inner, type) and is_record(inner):
            yield from _unknown(entry.columns, [each.name for each in fields_of(inner)], "column")
        elif inner is not str:
            yield "only the entries of a list have `columns`"
    word, *operands = (entry.known_by or "").split(" ")
    if word in ("count", "first", "each", "span"):
        yield from _unknown([operand.partition(".")[0] for operand in operands], known, "field")
    if word in ("", "earlier") and answer_type(name, known[name], entry.choices, {}) is None:
        yield "nobody can type that in: give `known_by: nothing`"


def _unknown(names: Iterable[str], known: Iterable[str], what: str) -> Iterator[str]:
    listed = list(known)
    for name in names:
        if name not in listed:
            yield f"there is no {what} `{name}`; {suggest(name, listed)}"
