"""Bench files for what listens on this machine, and runs of ``meterbench`` in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.run_record import RunRecord, read_run

ROOT = Path(__file__).parents[2]
PLANS = ROOT / "testplans" / "dlms"
COMMAND = [sys.executable, "-m", "harness.cli"]


@dataclass(frozen=True, kw_only=True)
class PlanRun:
    """How a run ended and what it recorded."""

    exit_code: int
    output: str
    record: RunRecord

    @property
    def verdicts(self) -> dict[str, str]:
        """Return the verdict of each case by its key."""
        return {case.key: str(case.verdict) for case in self.record.cases}


def write_bench(path: Path, bench: Mapping[str, Any]) -> Path:
    """Write a bench file."""
    path.write_text(yaml.safe_dump(dict(bench), sort_keys=False), encoding="utf-8")
    return path


def run_plans(
    plans: Sequence[Path],
    bench: str,
    runs: Path,
    *,
    parameters: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 240.0,
    without: str = "",
) -> PlanRun:
    """Run plans on a bench, all cases but those whose names hold ``without``; return what came of it.

    The output is kept for the message of an assertion.
    """
    options = [part for name, value in (parameters or {}).items() for part in ("-P", f"{name}={value}")]
    options += ["-k", f"not {without}"] if without else []
    process = subprocess.run(
        [*COMMAND, "run", *map(str, plans), "--bench", bench, "--runs-dir", str(runs), *options],
        cwd=ROOT,
        env=os.environ | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    output = process.stdout + process.stderr
    folders = [path.parent for path in runs.glob("*/journal.ndjson")]
    assert len(folders) == 1, output
    return PlanRun(exit_code=process.returncode, output=output, record=read_run(folders[0]))
