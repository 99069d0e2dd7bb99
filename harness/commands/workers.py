"""How many processes share the plans of a run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import typer

_BENCH = re.compile(rb"^bench:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)
_HINT = "--workers"


def how_many(asked: str, targets: Sequence[Path], bench: str) -> int:
    """Return the number of processes: what was asked, for ``auto`` one a core and never more than plans.

    A plan stays whole, in one process with benches of its own. A real bench can do one thing at a time, so
    ``auto`` is 1 where one is used. Raises BadParameter for what is no number, and without pytest-xdist.
    """
    if asked == "auto":
        plans = list(_plans(targets))
        if find_spec("xdist") is None or not all(_is_virtual(bench or _bench_of(plan)) for plan in plans):
            return 1
        return max(1, min(_cores(), len(plans)))
    if not asked.isdecimal() or not int(asked):
        raise typer.BadParameter(f"{asked!r}: expected a number from 1 on, or auto", param_hint=_HINT)
    if int(asked) > 1 and find_spec("xdist") is None:
        raise typer.BadParameter(
            "several workers need pytest-xdist, which is not installed: pip install 'meterbench[parallel]'",
            param_hint=_HINT,
        )
    return int(asked)


def _plans(targets: Sequence[Path]) -> Iterator[Path]:
    from harness.plan_items import is_plan

    for target in targets:
        if target.is_dir():
            files = sorted(target.rglob("*.y*ml"))
            yield from (file for file in files if is_plan(file, asked_for=False))
        else:
            yield target


def _bench_of(plan: Path) -> str:
    """Return the bench a plan names, as far as that is seen without compiling it."""
    found = _BENCH.search(plan.read_bytes())
    return found[1].decode(errors="replace") if found is not None else ""


def _is_virtual(bench: str) -> bool:
    return bench.startswith("virtual:")


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
