"""Several benches in one run, and several processes that share its plans."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import typer

from harness.commands.workers import how_many
from harness.run_record import RunRecord, read_run
from tests.scenarios.plan_runs import COMMAND, ROOT

LINE = re.compile(r"\d{4}-\d\d-\d\dT\S+Z  (->|<-|--)  | {29}\|  ")
PLANS = [  # their benches have a source of load each, of one name
    ROOT / "testplans" / "ansi" / "first_article.yaml",
    ROOT / "testplans" / "provisioning" / "wrong_order.yaml",
]


def meterbench_run(runs: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run plans in a process of its own."""
    return subprocess.run(
        [*COMMAND, "run", "--runs-dir", str(runs), *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def run(runs: Path, *arguments: object) -> tuple[str, RunRecord]:
    """Run plans, all of which pass; return what was said and what was recorded."""
    process = meterbench_run(runs, *arguments)
    assert process.returncode == 0, process.stderr
    return process.stderr, read_run(Path(process.stdout.strip()))


def assert_sound_transcripts(record: RunRecord) -> None:
    """No line of a transcript is torn by another, and none is earlier than the one before it."""
    logs = list((record.path / "wire").rglob("*.log"))
    assert logs
    for log in logs:
        lines = log.read_text("utf-8").splitlines()
        assert [line for line in lines if not LINE.match(line)] == [], log
        times = [line[:27] for line in lines if line[0] != " "]
        assert times == sorted(times), log


@pytest.mark.slow
def test_benches_of_one_run_keep_their_transcripts_apart(tmp_path: Path) -> None:
    """Two sites have a device of one name, and each a transcript of its own; the report names both."""
    _, record = run(tmp_path, *PLANS)
    assert_sound_transcripts(record)
    folders = {path.parent.name for path in (record.path / "wire").rglob("source-main.log")}
    assert folders == {"virtual-ansi-meters", "virtual-i210"}
    told = (record.path / "allure-results" / "environment.properties").read_text()
    assert "bench=ansi-meters, i210\n" in told


@pytest.mark.slow
def test_workers_share_the_plans_of_one_run(tmp_path: Path) -> None:
    """Each plan stays whole in one process; the run is one, shown as it goes and reported as a whole."""
    output, record = run(tmp_path, *PLANS, "--workers", "2")
    journals = {path.name: path.read_text() for path in record.path.glob("journal*.ndjson")}
    assert set(journals) == {"journal-gw0.ndjson", "journal-gw1.ndjson"}
    for plan in {case.plan for case in record.cases}:
        assert sum(f'"plan":"{plan}","verdict"' in text for text in journals.values()) == 1, plan
    assert record.ended
    assert not record.not_run
    assert_sound_transcripts(record)
    for number, case in enumerate(record.cases):
        assert f"[{number + 1:>2}/{len(record.cases)}] passed " in output
        assert case.key in output
    assert re.search(r"passed +in \d", output)
    assert f'tests="{len(record.cases)}"' in (record.path / "junit.xml").read_text()


@pytest.mark.slow
def test_mistake_in_a_plan_is_told_once_by_workers_and_leaves_nothing(tmp_path: Path) -> None:
    """The same words and the same exit code as without workers."""
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLANS[1].read_text("utf-8").replace("do: ", "doo: ", 1))
    runs = tmp_path / "runs"
    process = meterbench_run(runs, plan, PLANS[0], "--workers", "2")
    assert process.returncode == 4, process.stderr
    assert process.stderr.count("unknown key `doo`") == 1
    assert "did you mean `do`?" in process.stderr
    assert "Traceback" not in process.stderr
    assert not runs.exists()


def test_auto_is_one_process_a_core_and_never_more_than_plans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder counts as the plans in it."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert how_many("auto", [PLANS[0]], "") == 1
    assert how_many("auto", PLANS, "") == 2
    assert how_many("auto", [ROOT / "testplans"], "") == 8


def test_auto_is_one_where_a_bench_is_real(tmp_path: Path) -> None:
    """A real bench can do one thing at a time, whether the command line or a plan names it."""
    assert how_many("auto", PLANS, "lab.yaml") == 1
    plan = tmp_path / "plan.yaml"
    plan.write_text("plan: p\nbench: lab.yaml\n")
    assert how_many("auto", [plan, *PLANS], "") == 1


@pytest.mark.parametrize("asked", ["0", "-1", "many", ""])
def test_number_of_workers_that_is_none_is_refused(asked: str) -> None:
    """A number from 1 on, or auto."""
    with pytest.raises(typer.BadParameter, match="expected a number from 1 on, or auto"):
        how_many(asked, PLANS, "")
