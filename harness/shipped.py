"""The plans that come with the project, and a lab's own folders of plans: found, compiled, by behaviour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness.plan import Case, Plan
from harness.plan_compiler import compile_plan
from harness.plan_items import is_plan


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A case that says it verifies a behaviour."""

    plan: Plan
    case: Case


def plan_files(folders: Iterable[Path] = ()) -> tuple[Path, ...]:
    """Return every plan file below ``folders``, or below the shipped ``testplans`` where none is given."""
    roots = tuple(folders) or shipped_folders()
    found: list[Path] = []
    for root in roots:
        found += (
            [root]
            if root.is_file()
            else [path for path in sorted(root.rglob("*.yaml")) if is_plan(path, asked_for=False)]
        )
    return tuple(found)


def shipped_folders() -> tuple[Path, ...]:
    """Return where the shipped plans lie; the package is found by name and never imported."""
    spec = find_spec("testplans")
    return tuple(Path(root) for root in (spec.submodule_search_locations or ())) if spec else ()


def compiled(files: Sequence[Path]) -> tuple[Plan, ...]:
    """Compile plans. Raises ConfigErrors."""
    return tuple(compile_plan(path) for path in files)


def claims(plans: Iterable[Plan]) -> Mapping[str, tuple[Claim, ...]]:
    """Return, by behaviour, the cases that claim it."""
    found: dict[str, list[Claim]] = {}
    for plan in plans:
        for case in plan.cases:
            for behaviour in case.verifies:
                found.setdefault(behaviour, []).append(Claim(plan=plan, case=case))
    return {behaviour: tuple(cases) for behaviour, cases in found.items()}


def in_families(behaviour: str, families: Sequence[str]) -> bool:
    """Return whether an id belongs to one of the families; ``DL`` covers ``DL-CLI`` and ``DL-ASSOC``."""
    return not families or any(
        behaviour == family or behaviour.startswith(f"{family}-") for family in families
    )


def split_families(texts: Sequence[str] | None) -> tuple[str, ...]:
    """Return the families of ``--family DL-CLI,DL-ASSOC`` or of several ``--family`` options."""
    return tuple(part.strip() for text in texts or () for part in text.split(",") if part.strip())
