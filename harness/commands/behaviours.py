"""``meterbench qualify`` and ``meterbench coverage``: can the checks fail, and what do they cover?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

EXIT_NOT_QUALIFIED = 1
Families = Annotated[
    list[str] | None,
    typer.Option("--family", metavar="FAMILY[,FAMILY]", help="Only these families; DL covers all of DL-."),
]
Plans = Annotated[
    list[Path] | None, typer.Argument(metavar="PLAN...", help="Plans or folders; default: the shipped ones.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("qualify")(qualify)
    app.command("coverage")(coverage)


def qualify(
    plans: Plans = None,
    family: Families = None,
    bench: Annotated[str, typer.Option("--bench", help="A virtual bench; default: each plan's own.")] = "",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the virtual bench.")] = 1,
    workers: Annotated[int, typer.Option("--workers", help="Processes; default: one a processor.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Break one behaviour at a time and demand that every case that claims it notices.

    Exit code 0 when every modelled behaviour of the families is qualified, 1 when not.
    """
    from harness import coverage as covered
    from harness import qualify as qualification
    from harness.shipped import claims, compiled, in_families, plan_files, split_families

    files = plan_files(plans or ())
    claimed = claims(compiled(files))
    families = split_families(family)
    wanted = sorted(b for b in covered.modelled_behaviours() if in_families(b, families))
    if not wanted:
        raise typer.BadParameter(f"no modelled behaviour in {', '.join(families)}", param_hint="--family")
    involved = {claim.plan.name: claim.plan for b in wanted for claim in claimed.get(b, ())}
    unbroken = qualification.baseline(involved.values(), bench=bench, seed=seed)
    for case, message in unbroken.failures.items():
        _say(f"unbroken bench: {case} {message}")
    results = qualification.qualify(
        wanted, claimed, bench=bench, seed=seed, workers=workers, done=lambda result: _say(_line(result))
    )
    covered.Ledger(files).write(() if unbroken.failures else results)
    good = sum(result.qualified for result in results)
    passed = good == len(results) and not unbroken.failures
    _say(
        f"{good} of {len(results)} qualified"
        + ("" if not unbroken.failures else ", but the unbroken bench fails")
    )
    if as_json:
        sys.stdout.write(
            json.dumps(
                {
                    "qualified": good,
                    "behaviours": [
                        {
                            "id": result.behaviour,
                            "qualified": result.qualified,
                            "why_not": result.why_not or None,
                            "cases": [
                                {
                                    "case": f.case,
                                    "noticed": f.noticed,
                                    "verdict": f.verdict,
                                    "message": f.message,
                                }
                                for f in result.findings
                            ],
                        }
                        for result in results
                    ],
                    "unbroken_failures": dict(unbroken.failures),
                },
                indent=1,
            )
            + "\n"
        )
    raise typer.Exit(0 if passed else EXIT_NOT_QUALIFIED)


def coverage(
    plans: Plans = None,
    family: Families = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which behaviours are modelled, verified by which cases, and qualified."""
    from harness import coverage as covered
    from harness.shipped import claims, compiled, plan_files, split_families
    from harness.traceability import catalogue

    files = plan_files(plans or ())
    rows = covered.coverage(
        catalogue(),
        claims(compiled(files)),
        covered.modelled_behaviours(),
        covered.Ledger(files).read(),
        split_families(family),
    )
    if family and not rows:
        known = ", ".join(catalogue().families)
        raise typer.BadParameter(f"no such family; the catalogue has {known}", param_hint="--family")
    if as_json:
        sys.stdout.write(json.dumps({"behaviours": [row.as_json() for row in rows]}, indent=1) + "\n")
        return
    _print_table(rows)


def _print_table(rows: tuple[object, ...]) -> None:
    from harness.coverage import Row

    table = Table(title="Behaviours", show_lines=False)
    for heading in ("id", "modelled", "verified by", "qualified", "what it says"):
        table.add_column(heading, overflow="fold")
    found = [row for row in rows if isinstance(row, Row)]
    for row in found:
        table.add_row(
            row.id,
            "yes" if row.modelled else ("context" if row.context else "no"),
            ", ".join(row.cases) or "-",
            {None: "not tried", True: "yes", False: "NO"}[row.qualified],
            row.context or row.title,
        )
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    due = [row for row in found if not row.context]
    console.print(
        f"{sum(row.modelled for row in due)} of {len(due)} modelled, "
        f"{sum(bool(row.cases) for row in due)} verified, "
        f"{sum(row.qualified is True for row in due)} qualified"
    )


def _line(result: object) -> str:
    from harness.qualify import Qualification

    assert isinstance(result, Qualification)
    if result.qualified:
        return f"{result.behaviour}  qualified by {', '.join(f.case for f in result.findings)}"
    told = "; ".join(f"{f.case} ended {f.verdict}: {f.message}" for f in result.findings if not f.noticed)
    return f"{result.behaviour}  NOT qualified: {result.why_not}" + (f" ({told})" if told else "")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
