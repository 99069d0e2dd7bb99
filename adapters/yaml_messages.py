"""Turns pydantic's validation errors into sentences lab staff can act on.

A value is repeated in a message only where it cannot be a secret; everything under ``secrets`` and every
key that sounds like one is never repeated.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

Place = tuple[tuple[str | int, ...], str, str, bool]  # path, message, hint, whether it is about the key

_SECRET = re.compile(r"secret|passw|token|pin$|(^|[_.])a?e?k(ey)?s?$|key$", re.IGNORECASE)

_EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "decimal_parsing": "a number",
    "decimal_type": "a number",
    "bool_parsing": "`true` or `false`",
    "bool_type": "`true` or `false`",
    "string_type": "text",
    "dict_type": "a mapping (lines of `key: value`)",
    "mapping_type": "a mapping (lines of `key: value`)",
    "model_type": "a mapping (lines of `key: value`)",
    "model_attributes_type": "a mapping (lines of `key: value`)",
    "list_type": "a list (lines that start with `- `)",
    "tuple_type": "a list (lines that start with `- `)",
    "set_type": "a list (lines that start with `- `)",
    "frozen_set_type": "a list (lines that start with `- `)",
}


def shown(text: str, limit: int = 60) -> str:
    """Return text made harmless for a terminal and a report: one line, visible escapes, bounded."""
    clean = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


def nearest(word: str, words: Iterable[str]) -> str:
    """Return the known word closest to ``word``, or an empty text where none is close."""
    known = sorted({str(entry) for entry in words})
    lowered = {entry.lower(): entry for entry in reversed(known)}
    found = difflib.get_close_matches(word.lower()[:80], list(lowered), n=1, cutoff=0.6)
    return lowered[found[0]] if found else ""


def suggest(word: str, words: Iterable[str], what: str = "") -> str:
    """Return the hint for an unknown word: the closest known one, or all of them where there are few."""
    known = sorted({str(entry) for entry in words})
    if not known:
        return "none is known here"
    closest = nearest(word, known)
    if len(known) > 12 and closest:
        return f"did you mean `{closest}`?"
    listed = ", ".join(f"`{entry}`" for entry in known[:12]) + (", ..." if len(known) > 12 else "")
    if len(known) == 1 and what in ("", "one of"):
        return f"expected {listed}"
    return f"expected {what or 'one of'} {listed}" + (f"; did you mean `{closest}`?" if closest else "")


def has(container: object, step: str | int) -> bool:
    """Return whether a container of a YAML file has an entry at this key or index."""
    if isinstance(container, dict):
        return step in container
    return isinstance(container, list) and isinstance(step, int) and 0 <= step < len(container)


def kind_of(value: object) -> str:
    """Return what a value of a YAML file is, in words."""
    match value:
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case "":
            return "nothing"
        case _:
            return "text"


def may_be_secret(path: Sequence[str | int]) -> bool:
    """Return whether the value at ``path`` must not be repeated in a message."""
    words = [str(entry) for entry in path if isinstance(entry, str)]
    return "secrets" in words or bool(words and _SECRET.search(words[-1]))


def explain(problems: Iterable[Any], data: object, model: type[BaseModel]) -> Iterator[Place]:
    """Yield one sentence for each validation error, with the path it is about."""
    for problem in problems:
        path = path_in(data, problem["loc"])
        kind: str = problem["type"]
        context: Mapping[str, Any] = problem.get("ctx", {})
        found = problem["input"]
        if kind == "extra_forbidden":
            known = keys_at(json_schema_of(model), path[:-1], data)
            yield path, f"unknown key `{shown(str(path[-1]))}`", suggest(str(path[-1]), known, "one of"), True
        elif kind == "missing":
            yield path[:-1], f"key `{path[-1]}` is missing", "", False
        elif kind in ("literal_error", "enum"):
            words = [word.strip("'") for word in re.split(r", | or ", str(context["expected"]))]
            yield path, f"{_value(found, path)} is not known here", suggest(str(found), words), False
        elif kind == "union_tag_invalid":
            key = str(context["discriminator"]).strip("'")
            tags = [tag.strip("' ") for tag in str(context["expected_tags"]).split(",")]
            tag = str(context["tag"])
            yield (*path, key), f"`{shown(tag)}` is not a known {key}", suggest(tag, tags), False
        elif kind == "union_tag_not_found":
            key = str(context["discriminator"]).strip("'")
            if isinstance(found, dict):
                yield path, f"key `{key}` is missing", "", False
            else:
                yield path, f"expected {_EXPECTED['dict_type']}, found {kind_of(found)}", "", False
        elif kind in _EXPECTED:
            what = kind_of(found)
            if what == "text":
                what = _value(found, path)
            yield path, f"expected {_EXPECTED[kind]}, found {what}", "", False
        elif kind == "string_pattern_mismatch":
            yield path, f"{_value(found, path)} does not have the form {context['pattern']}", "", False
        elif kind in ("value_error", "assertion_error"):
            message, _, hint = re.sub(r"^(Value|Assertion) error, ", "", problem["msg"]).partition("; ")
            yield path, message, hint, False
        else:
            message = str(problem["msg"])
            message = message[0].lower() + message[1:]
            yield path, message.replace("input should", "the value should"), "", False


def _value(found: object, path: Sequence[str | int]) -> str:
    if not isinstance(found, str):
        return kind_of(found)
    return "this value" if may_be_secret(path) else f"`{shown(found)}`"


def path_in(data: object, loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return the path of ``loc`` in the data: without the tags pydantic adds for unions."""
    path: list[str | int] = []
    here = data
    for index, step in enumerate(loc):
        if has(here, step):
            here = here[step]  # type: ignore[index]
        elif index < len(loc) - 1 or not isinstance(here, dict):
            continue
        if step == "[key]":
            continue
        path.append(step)
    return tuple(path)


@cache
def json_schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's JSON Schema: the one description of its keys that covers unions and aliases."""
    return model.model_json_schema(by_alias=True)


def keys_at(schema: Mapping[str, Any], path: Sequence[str | int], data: object) -> set[str]:
    """Return the keys a mapping at ``path`` may have, by the JSON Schema of the model."""
    return {key for node in schema_at(schema, path, data) for key in node.get("properties", {})}


def schema_at(schema: Mapping[str, Any], path: Sequence[str | int], data: object) -> list[Mapping[str, Any]]:
    """Return the schemas a value at ``path`` may follow, without references and unions."""
    definitions = schema.get("$defs", {})
    nodes: list[Mapping[str, Any]] = [schema]
    here = data
    for step in path:
        following: list[Mapping[str, Any]] = []
        for node in schema_nodes_of(nodes, definitions, here):
            if isinstance(step, int):
                following += [node["items"]] if isinstance(node.get("items"), dict) else []
            elif step in node.get("properties", {}):
                following.append(node["properties"][step])
            elif isinstance(node.get("additionalProperties"), dict):
                following.append(node["additionalProperties"])
        nodes = following
        here = here[step] if has(here, step) else None  # type: ignore[index]
    return schema_nodes_of(nodes, definitions, here)


def schema_nodes_of(
    nodes: Sequence[Mapping[str, Any]], definitions: Mapping[str, Any], value: object
) -> list[Mapping[str, Any]]:
    """Follow references and unions; a tagged union is resolved by the tag in the data where it has one."""
    found: list[Mapping[str, Any]] = []
    todo = list(nodes)
    while todo:
        node = todo.pop()
        if "$ref" in node:
            todo.append(definitions[str(node["$ref"]).rpartition("/")[2]])
            continue
        options = node.get("oneOf") or node.get("anyOf") or node.get("allOf")
        if not options:
            found.append(node)
            continue
        tagged = node.get("discriminator", {})
        tag = value.get(tagged.get("propertyName")) if isinstance(value, dict) else None
        reference = tagged.get("mapping", {}).get(tag)
        todo += [{"$ref": reference}] if reference else list(options)
    return found
