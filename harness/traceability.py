"""The catalogue of behaviours: the requirements a case may say it verifies.

``behaviours/*.yaml`` beside the shipped plans, and beside a lab's own plans::

    families: {DL-CLI: Clients of the MCS301 and what each may do}
    behaviours:
      - {id: DL-CLI-01, kind: limit, title: ..., source: ..., context: ...}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters import yaml_file
from adapters.errors import ConfigError, ConfigErrors

Kind = Literal["state", "limit", "permission", "effect", "report", "fault", "timing", "order", "procedure"]


class Behaviour(BaseModel):
    """One testable fact of a source document."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Field(pattern=r"^[A-Z]+(-[A-Z0-9]+)*-\d{2,3}[A-Z]?$")
    title: str = Field(min_length=1)
    source: str = Field(min_length=1)
    kind: Kind
    context: str = ""  # why nobody can model or test it; empty for what is to be verified
    note: str = ""

    @property
    def family(self) -> str:
        """Return the id without its number."""
        return self.id.rpartition("-")[0]


class CatalogueFile(BaseModel):
    """One file of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    families: dict[str, str]
    behaviours: tuple[Behaviour, ...]


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Every behaviour known, by id."""

    families: Mapping[str, str]
    behaviours: Mapping[str, Behaviour]

    def of_family(self, *families: str) -> tuple[Behaviour, ...]:
        """Return the behaviours of some families in the order of their ids; all of them without a family."""
        chosen = [b for b in self.behaviours.values() if not families or b.family in families]
        return tuple(sorted(chosen, key=lambda behaviour: behaviour.id))


def catalogue(*folders: Path) -> Catalogue:
    """Return the shipped catalogue together with that of other folders. Raises ConfigErrors."""
    found = [folder.resolve() for folder in (*shipped_folders(), *folders)]
    return _read(tuple(dict.fromkeys(found)))


def catalogue_for(plan: Path) -> Catalogue:
    """Return the catalogue a plan file goes by: the shipped one and any ``behaviours`` folder above it."""
    above = [parent / "behaviours" for parent in plan.resolve().parents][:4]
    return catalogue(*[folder for folder in above if folder.is_dir()])


def shipped_folders() -> tuple[Path, ...]:
    """Return the folders of the shipped catalogue; the package is found by name and never imported."""
    spec = find_spec("testplans")
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    return tuple(root / "behaviours" for root in roots if (root / "behaviours").is_dir())


@cache
def _read(folders: tuple[Path, ...]) -> Catalogue:
    families: dict[str, str] = {}
    behaviours: dict[str, Behaviour] = {}
    errors: list[ConfigError] = []
    for path in _files(folders):
        file = yaml_file.read(path)
        model, mistakes = yaml_file.try_validate(file, CatalogueFile)
        errors += mistakes
        if model is None:
            continue
        families.update(model.families)
        for index, behaviour in enumerate(model.behaviours):
            place = ("behaviours", index, "id")
            if behaviour.id in behaviours:
                errors.append(file.error(place, f"behaviour `{behaviour.id}` stands in the catalogue twice"))
            if behaviour.family not in model.families:
                errors.append(
                    file.error(place, f"family `{behaviour.family}` is not listed under `families`")
                )
            behaviours[behaviour.id] = behaviour
    if errors:
        raise ConfigErrors(errors)
    return Catalogue(families=families, behaviours=behaviours)


def _files(folders: Iterable[Path]) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.glob("*.yaml"))]
