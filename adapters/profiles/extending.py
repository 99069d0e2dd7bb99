"""One profile on top of another: what ``extends: <name>`` in a profile means.

Mappings are laid over each other key by key; entries of a list that have a ``name`` replace the one of that
name or come behind the others; anything else is replaced as a whole. Mistakes are found in the file on top,
at their place there; what comes from below was checked with its own file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from adapters.yaml_file import Path_, Position, YamlFile


def extended(top: YamlFile, below: YamlFile) -> YamlFile:
    """Return ``top`` laid over ``below``, with the positions of ``top``."""
    assert isinstance(top.data, dict)
    over = {key: value for key, value in top.data.items() if key != "extends"}
    moved: dict[Path_, Path_] = {}
    data = _laid(over, below.data, (), (), moved)
    return replace(top, data=data, keys=_placed(top.keys, moved), values=_placed(top.values, moved))


def _laid(over: object, below: object, old: Path_, new: Path_, moved: dict[Path_, Path_]) -> object:
    """Return ``over`` laid over ``below``; ``moved`` takes note where list entries of ``over`` went."""
    if isinstance(over, dict) and isinstance(below, dict):
        found = dict(below)
        for key, value in over.items():
            found[key] = _laid(value, below.get(key), (*old, key), (*new, key), moved)
        return found
    if _named(over) and _named(below):
        assert isinstance(over, list)
        assert isinstance(below, list)
        rows = list(below)
        at = {row["name"]: index for index, row in enumerate(rows)}
        for index, row in enumerate(over):
            place = at.setdefault(row["name"], len(rows))
            moved[(*old, index)] = (*new, place)
            if place < len(rows):
                rows[place] = _laid(row, rows[place], (*old, index), (*new, place), moved)
            else:
                rows.append(row)
        return rows
    return over


def _named(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) and "name" in row for row in value)


def _placed(positions: Mapping[Path_, Position], moved: Mapping[Path_, Path_]) -> dict[Path_, Position]:
    """Return positions under the paths that entries have after the laying."""
    found: dict[Path_, Position] = {}
    for path, position in positions.items():
        lengths = (length for length in range(len(path), 0, -1) if path[:length] in moved)
        length = next(lengths, 0)
        found[moved[path[:length]] + path[length:] if length else path] = position
    return found
