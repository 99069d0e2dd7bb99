"""Takes the mistakes out of a file's data, so that one pass can find the next kind of mistakes too.

What is left is never used to run anything: a file with mistakes is refused. It only lets the checks that
come after the shape of a file look at the parts that are sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from adapters.yaml_messages import has, json_schema_of, path_in, schema_at


def without_mistakes(
    data: object, problems: Sequence[Any], model: type[BaseModel], *, desperate: bool
) -> object:
    """Return the data with every place a problem is about removed, or filled with an empty value.

    ``desperate`` removes the whole entry around the place, where smaller repairs did not help.
    """
    schema = json_schema_of(model)
    for problem in problems:
        path = path_in(data, problem["loc"])
        if problem["type"] == "missing":
            data = replaced(data, path, _empty(schema, path, data))
            continue
        if problem["type"] in ("union_tag_invalid", "union_tag_not_found") or desperate:
            path = path[:-1] if desperate and len(path) > 1 else path
        data = _removed(data, path, _empty(schema, path, data))
    return data


def replaced(data: object, path: Sequence[str | int], value: object) -> object:
    """Return a copy of the data with the value at ``path`` put in place of what was there, or added."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(data, dict):
        return {**data, head: replaced(data.get(head), rest, value)}
    if isinstance(data, list) and isinstance(head, int) and has(data, head):
        return [*data[:head], replaced(data[head], rest, value), *data[head + 1 :]]
    return data


def _removed(data: object, path: Sequence[str | int], empty: object) -> object:
    """Drop a key; a list entry becomes empty instead, because the entries behind it keep their numbers."""
    if not path:
        return empty
    head, rest = path[0], path[1:]
    if isinstance(data, dict):
        if not rest:
            return {key: value for key, value in data.items() if key != head}
        return {**data, head: _removed(data.get(head), rest, empty)}
    if isinstance(data, list) and isinstance(head, int) and has(data, head):
        return [*data[:head], _removed(data[head], rest, empty) if rest else empty, *data[head + 1 :]]
    return data


def _empty(schema: dict[str, Any], path: Sequence[str | int], data: object) -> object:
    kinds: set[str] = set()
    for node in schema_at(schema, path, data):
        kind = node.get("type", "")  # one type, or a list of them
        kinds.update([kind] if isinstance(kind, str) else kind)
    if "object" in kinds:
        return {}
    return [] if "array" in kinds else ""
