"""The plan for any DLMS meter, run against a meter that shares no line with ours, by bench and profile alone.

The foreign meter (``gurux_meter.py``) is a process of its own. It has faults of its own too, and the plan
must tell them from faults of the bench: see ``FOREIGN_FAULTS``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.plan_runs import PLANS, PlanRun, run_plans, write_bench

pytestmark = [pytest.mark.oracle, pytest.mark.slow]

HERE = Path(__file__).parent
PASSWORD = "Foreign1"
CASES = [f"ANY-{number:02}" for number in (*range(1, 11), *range(12, 16))]
FOREIGN_FAULTS = {
    # Over HDLC it takes an open link for an association: after SNRM it serves a GET nobody associated for.
    ("pty", "ANY-08"): "failed",
    # Over TCP its release response ends in the middle: fourteen octets announced where twenty-one belong.
    ("tcp", "ANY-09"): "failed",
    # It answers a GET of a kind that does not exist with a GET-Response of that kind.
    ("tcp", "ANY-10"): "failed",
    ("pty", "ANY-10"): "failed",
    # It answers for xdlms_context_info of its association with another invoke id than it was asked with. Over
    # TCP no checksum says that those are the octets it sent.
    ("tcp", "ANY-14"): "bench_error",
    ("pty", "ANY-14"): "failed",
    # The open link is an association after a release too.
    ("pty", "ANY-15"): "failed",
}
# Ten seconds of a clock that counts hundredths tell its rate to some 30 s a day, one standard deviation.
SHORT = {"drift_time": "10 s", "drift_limit": "300"}


@contextmanager
def foreign_meter(kind: str, *options: str) -> Iterator[dict[str, Any]]:
    """Run the foreign meter and yield the link that reaches it, as a bench file says it."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "gurux_meter.py"), kind, *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        where = json.loads(process.stdout.readline())
        if kind == "tcp":
            yield {"transport": "tcp", **where, "framing": "wrapper", "timeout_s": 3}
        else:
            yield {"transport": "serial", **where, "framing": "hdlc", "timeout_s": 3}
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def run_any_meter(folder: Path, kind: str, password: str | None, *options: str) -> PlanRun:
    """Run the plan against the foreign meter; without a password the bench knows only its guest."""
    with foreign_meter(kind, *options) as link:
        meter: dict[str, Any] = {
            "role": "dlms_meter",
            "adapter": "dlms",
            "profile": str(HERE / "foreign_profile.yaml"),
            "links": {"main": link},
        }
        if password is not None:
            meter["secrets"] = {"reader.password": "env:FOREIGN_PASSWORD"}
        bench = {
            "bench": f"foreign-{kind}-{os.getpid()}",  # benches of real devices are locked by name
            "provider": "local",
            "devices": {"meter": meter},
        }
        return run_plans(
            [PLANS / "any_meter.yaml"],
            str(write_bench(folder / "bench.yaml", bench)),
            folder / "runs",
            parameters=SHORT,
            environment={"FOREIGN_PASSWORD": password or ""},
        )


@pytest.mark.parametrize("kind", ["tcp", "pty"])
def test_any_meter_plan_judges_a_foreign_meter_by_its_password(tmp_path: Path, kind: str) -> None:
    """With LLS every case passes but those where the foreign meter really is at fault."""
    run = run_any_meter(tmp_path, kind, PASSWORD)
    expected = {case: FOREIGN_FAULTS.get((kind, case), "passed") for case in CASES}
    assert {case: run.verdicts.get(case) for case in CASES} == expected, run.output
    assert run.exit_code == (1 if "failed" in expected.values() else 0)


def test_any_meter_plan_without_a_secret_reads_as_the_guest(tmp_path: Path) -> None:
    """A bench that gives no secret reads as the client that needs none; what needs one is skipped."""
    run = run_any_meter(tmp_path, "tcp", None)
    expected = {case: FOREIGN_FAULTS.get(("tcp", case), "passed") for case in CASES} | {"ANY-06": "skipped"}
    assert {case: run.verdicts.get(case) for case in CASES} == expected, run.output
    assert run.exit_code == 1


def test_any_meter_plan_takes_a_clock_of_whole_seconds_at_its_ticks(tmp_path: Path) -> None:
    """Most meters tell whole seconds; read at any moment, ten seconds of those say nothing of a rate."""
    run = run_any_meter(tmp_path, "tcp", PASSWORD, "whole-seconds")
    assert run.verdicts["ANY-02"] == "passed", run.output


def test_any_meter_plan_with_a_wrong_password_opens_nothing(tmp_path: Path) -> None:
    """A lab that gives the wrong password is told so case by case; nothing passes but the refusals."""
    run = run_any_meter(tmp_path, "tcp", "Foreign2")
    assert all(run.verdicts[case] == "failed" for case in CASES[:5]), run.output
    assert "authentication-failure" in run.output
    assert run.exit_code == 1
