"""Going on with a run: which cases have their verdict, and with what the run was begun."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.errors import BenchError, ConfigError
from harness.plan import Plan
from harness.recovery import recover
from harness.run_record import read_run
from harness.verdicts import Verdict

# A verdict on the device stands. What the bench broke, a person stopped or nobody began is done again; so is
# what was skipped, since the permission or device that was missing may be there by now.
KEPT = frozenset({Verdict.passed, Verdict.failed})


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What a run was begun with."""

    path: Path
    plans: tuple[Path, ...]
    bench: str
    seed: int
    parameters: Mapping[str, str]
    faults: Mapping[str, str]
    broken: tuple[str, ...]
    left: tuple[str, ...]  # keys of the cases without a verdict that stands


def begun_with(path: Path) -> Begun:
    """Return how the run in ``path`` was begun, completing it first if it was killed. Raises BenchError."""
    recover(path)
    run = read_run(path)
    header = run.header
    done = {(record.plan, record.key) for record in run.cases if record.verdict in KEPT}
    return Begun(
        path=path,
        plans=tuple(Path(plan["path"]) for plan in header.get("plans", ())),
        bench=str(header.get("bench_option", "")),
        seed=int(header.get("seed", 1)),
        parameters=dict(header.get("parameters", {})),
        faults=dict(header.get("faults", {})),
        broken=tuple(header.get("broken", ())),
        left=tuple(p.key for p in run.planned if (p.plan, p.key) not in done),
    )


def done_cases(path: Path, plans: Mapping[str, Plan]) -> set[tuple[str, str]]:
    """Return ``(plan, case)`` of every case not to be run: it has its verdict, or was never chosen.

    Raises ConfigError where a plan has changed since: half a run of one plan and half of another is no
    evidence for either. Raises BenchError where ``path`` is no run.
    """
    recover(path)
    run = read_run(path)
    digests = {entry["plan"]: entry["sha256"] for entry in run.header.get("plans", ())}
    for plan in plans.values():
        if digests.get(plan.name) != plan.digest:
            known = "has changed since" if plan.name in digests else "is not part of"
            raise ConfigError(
                f"the plan {plan.name} {known} {path.name}; begin a new run", file=str(plan.path)
            )
    chosen = {(planned.plan, planned.key) for planned in run.planned}
    done = {(record.plan, record.key) for record in run.cases if record.verdict in KEPT}
    every = {(plan.name, case.key) for plan in plans.values() for case in plan.cases}
    return done | (every - chosen)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a plan's file. Raises BenchError when it is gone."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror}") from error
