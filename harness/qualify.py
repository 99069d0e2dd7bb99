"""Breaking one behaviour at a time, to see whether the cases that claim it notice.

A check that cannot fail proves nothing. For every modelled behaviour of the chosen families the virtual
bench is opened with exactly that behaviour broken, and every case that claims it runs. The behaviour is
qualified when each of those cases (in at least one of its rows) ends ``failed`` with a message that names
it, while on the unbroken bench all of them pass. A case that passes all the same claims in vain.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from harness import rules
from harness.bench import open_bench
from harness.plan import Plan
from harness.runner import CaseRunner
from harness.shipped import Claim
from harness.verdicts import Verdict


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How one case (with all its rows) took the broken behaviour."""

    case: str
    noticed: bool
    verdict: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Qualification:
    """What breaking one behaviour showed."""

    behaviour: str
    qualified: bool
    findings: tuple[Finding, ...]
    why_not: str = ""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """Cases that do not even pass on the unbroken bench; they can qualify nothing."""

    failures: Mapping[str, str] = field(default_factory=dict)


def baseline(plans: Iterable[Plan], *, bench: str = "", seed: int = 1) -> Baseline:
    """Run every case of ``plans`` on the unbroken bench and return those that do not pass."""
    failures: dict[str, str] = {}
    for plan in plans:
        live = open_bench(bench or plan.bench, seed=seed)
        try:
            runner = CaseRunner(live, plan)
            for case in plan.cases:
                record = runner.run(case)
                if record.verdict is not Verdict.passed:
                    failures[f"{plan.name}::{case.key}"] = f"{record.verdict}: {record.message}"
        finally:
            live.close()
    return Baseline(failures=failures)


def qualify_one(behaviour: str, claims: Sequence[Claim], *, bench: str = "", seed: int = 1) -> Qualification:
    """Break ``behaviour`` and run the cases that claim it, row after row until one notices."""
    if not claims:
        return Qualification(
            behaviour=behaviour, qualified=False, findings=(), why_not="no case claims to verify it"
        )
    by_case: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims:
        by_case.setdefault((claim.plan.name, claim.case.id), []).append(claim)
    findings = tuple(_finding(behaviour, rows, bench=bench, seed=seed) for rows in by_case.values())
    blind = [finding.case for finding in findings if not finding.noticed]
    return Qualification(
        behaviour=behaviour,
        qualified=not blind,
        findings=findings,
        why_not=f"claimed in vain by {', '.join(blind)}" if blind else "",
    )


def _finding(behaviour: str, rows: Sequence[Claim], *, bench: str, seed: int) -> Finding:
    """Run the rows of one case on a bench with ``behaviour`` broken."""
    plan = rows[0].plan
    # A rule of procedure is the harness's: it is switched off there, and the bench stays whole.
    in_the_rig = frozenset({behaviour}) - rules.behaviours()
    live = open_bench(bench or plan.bench, seed=seed, broken=in_the_rig)
    try:
        runner = CaseRunner(live, plan, broken=frozenset({behaviour}))
        verdict, message = Verdict.passed, ""
        for claim in rows:
            record = runner.run(claim.case)
            if record.verdict is not Verdict.passed:
                verdict, message = record.verdict, record.message
            if record.verdict is Verdict.failed and behaviour in record.message:
                return Finding(case=rows[0].case.id, noticed=True, verdict=str(verdict), message=message)
        return Finding(case=rows[0].case.id, noticed=False, verdict=str(verdict), message=message)
    finally:
        live.close()


def qualify(
    behaviours: Sequence[str],
    claims: Mapping[str, Sequence[Claim]],
    *,
    bench: str = "",
    seed: int = 1,
    workers: int = 0,
    done: Callable[[Qualification], None] = lambda _: None,
) -> tuple[Qualification, ...]:
    """Qualify several behaviours, in as many processes as there are processors; ``done`` hears of each.

    Processes, not threads: every world has a lockstep clock of its own that wants its thread to itself.
    """
    count = workers or min(len(behaviours), os.cpu_count() or 1)
    if count <= 1:
        results = []
        for behaviour in behaviours:
            results.append(qualify_one(behaviour, claims.get(behaviour, ()), bench=bench, seed=seed))
            done(results[-1])
        return tuple(results)
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        pending = [
            pool.submit(qualify_one, behaviour, tuple(claims.get(behaviour, ())), bench=bench, seed=seed)
            for behaviour in behaviours
        ]
        collected = []
        for future in pending:
            collected.append(future.result())
            done(collected[-1])
    return tuple(collected)
