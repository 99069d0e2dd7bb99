"""Pushes on the wall clock: a site served by another process calls the listener of a local bench."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.scenarios.plan_runs import PLANS, run_plans, write_bench
from tests.scenarios.served_site import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CASES = {"MCS-PUSH-03", "MCS-PUSH-04", "MCS-PUSH-05", "MCS-PUSH-11"}
"""What takes seconds of real time: TCP, a key that does not fit, retries with nobody there, a power cut."""


def test_pushes_on_the_wall_clock_pass_as_in_virtual_time(tmp_path: Path) -> None:
    """The same cases, real sockets on both ends, ports from the kernel: every verdict is passed."""
    plan = yaml.safe_load((PLANS / "push.yaml").read_text("utf-8"))
    plan["cases"] = [case for case in plan["cases"] if case["id"] in CASES]
    written = tmp_path / "push.yaml"
    written.write_text(yaml.safe_dump(plan, sort_keys=False), "utf-8")
    quick = {"repetition_delay_s": "3", "off_s": "6", "quiet_s": "5"}
    with serving() as served:
        bench = write_bench(tmp_path / "bench.yaml", served.bench)
        run = run_plans(
            [written], str(bench), tmp_path / "runs", parameters=quick, environment=served.environment
        )
    assert dict.fromkeys(CASES, "passed") == dict(run.verdicts), run.output
    assert run.exit_code == 0
