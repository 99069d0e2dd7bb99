"""Which behaviours are modelled, which cases verify them, and which checks have been proven able to fail."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from harness import rules
from harness.qualify import Qualification
from harness.shipped import Claim, in_families
from harness.traceability import Catalogue


@dataclass(frozen=True, kw_only=True)
class Row:
    """One behaviour. ``qualified`` is None where nobody has tried with the present plans and rig."""

    id: str
    title: str
    modelled: bool
    cases: tuple[str, ...]
    qualified: bool | None
    context: str

    def as_json(self) -> dict[str, Any]:
        """Return what ``meterbench coverage --json`` prints of it."""
        return {
            "id": self.id,
            "title": self.title,
            "modelled": self.modelled,
            "cases": list(self.cases),
            "qualified": self.qualified,
            "context": self.context or None,
        }


def coverage(
    catalogue: Catalogue,
    claims: Mapping[str, Sequence[Claim]],
    modelled: frozenset[str],
    qualified: Mapping[str, bool],
    families: Sequence[str] = (),
) -> tuple[Row, ...]:
    """Return a row for every behaviour of the families, in the order of their ids."""
    return tuple(
        Row(
            id=behaviour.id,
            title=behaviour.title,
            modelled=behaviour.id in modelled,
            cases=tuple(dict.fromkeys(claim.case.id for claim in claims.get(behaviour.id, ()))),
            qualified=qualified.get(behaviour.id),
            context=behaviour.context,
        )
        for behaviour in catalogue.of_family()
        if in_families(behaviour.id, families)
    )


def modelled_behaviours() -> frozenset[str]:
    """Return what the installed providers model and the harness's rules hold, without opening a bench."""
    found: set[str] = set(rules.behaviours())
    for entry in entry_points(group="meterbench.providers"):
        ask = getattr(entry.load(), "modelled_behaviours", None)
        if ask is not None:
            found |= ask()
    return frozenset(found)


class Ledger:
    """Remembers what was qualified, for exactly the plans and the code it was qualified with."""

    def __init__(self, plans: Sequence[Path], folder: Path | None = None) -> None:
        self._path = (folder or user_cache_path("meterbench")) / f"qualified-{_fingerprint(plans)}.json"

    def read(self) -> Mapping[str, bool]:
        """Return behaviour -> qualified; empty where nothing fits the present state of plans and code."""
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(key): bool(value) for key, value in found.items()} if isinstance(found, dict) else {}

    def write(self, results: Sequence[Qualification]) -> None:
        """Add results to what is known. A cache that cannot be written is no reason to fail."""
        known = {**self.read(), **{result.behaviour: result.qualified for result in results}}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps(known, sort_keys=True), "utf-8")
            new.replace(self._path)
        except OSError:
            return


def _fingerprint(plans: Sequence[Path]) -> str:
    """Return a digest of the plans and of all code that decides what a qualification shows."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    code = [
        path
        for package in ("harness", "adapters", "virtual_rig", "testplans")
        for kind in ("*.py", "*.yaml")
        for path in sorted((root / package).rglob(kind))
    ]
    for path in (*code, *plans):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:24]
