"""The smallest profile of the documentation, on a meter nobody described: the plan for any meter runs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from adapters.devices.ansi_meter import AnsiMeter
from harness.bench import open_bench
from harness.plan_compiler import compile_plan
from harness.runner import CaseRunner

ROOT = Path(__file__).parents[2]


def documented_profile() -> dict[str, Any]:
    """Return the profile docs/ansi-meters.md calls enough."""
    text = (ROOT / "docs" / "ansi-meters.md").read_text(encoding="utf-8")
    (block,) = (found for found in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "protocol:" in found)
    profile: dict[str, Any] = yaml.safe_load("\n".join(line[3:] for line in block.splitlines()))
    return profile


def test_smallest_profile_of_the_documentation_identifies_a_meter(tmp_path: Path) -> None:
    """What the documentation calls enough is enough: every case passes, or says what the profile lacks."""
    profile = documented_profile()
    profile["levels"], profile["default_level"] = {"primary": profile["levels"]["reader"]}, "primary"
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(profile), encoding="utf-8")
    live = open_bench("virtual:centron")
    try:
        # The meter stays a CENTRON; only the bench describes it by the other profile.
        live.devices["meter"] = AnsiMeter(replace(live.devices["meter"]._context, profile=str(path)))
        plan = compile_plan(ROOT / "testplans" / "ansi" / "any_ansi_meter.yaml")
        records = [CaseRunner(live, plan).run(case) for case in plan.cases]
    finally:
        live.close()
    lacking = {"ANSI-ANY-04": "inconclusive", "ANSI-ANY-09": "skipped"}  # no registers, no event log
    told = {record.key: str(record.verdict) for record in records}
    assert told == {case.key: lacking.get(case.key, "passed") for case in plan.cases}, [
        record.message for record in records
    ]
