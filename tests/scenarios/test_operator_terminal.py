"""A run started from a terminal: the person there is asked on it, while pytest captures and the bar moves."""

from __future__ import annotations

import os
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.run_record import RunRecord, read_run
from tests.adapters.operator_person import Person, Script
from tests.scenarios.plan_runs import COMMAND, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

BENCH = """\
bench: own-terminal-%d
provider: local
devices:
  tms: {role: provisioning_head_end, adapter: operator}
  paths: {role: path_switch, adapter: operator, link: {transport: terminal, answer_s: 30}}
"""
PLAN = """\
plan: own-terminal
title: Asked where the run was started
source: none
bench: bench.yaml
needs: {tms: provisioning_head_end, paths: path_switch}
cases:
  - id: T-1
    title: Nothing is listed
    steps:
      - do: tms.unit_entry
        with: {unit: "77"}
        expect: {known: "no"}
  - id: T-2
    title: Without an antenna
    steps:
      - do: paths.open_path
        with: {path: antenna}
        expect: {closed: "no"}
      - do: tms.search_events
        with: {unit: "77"}
        expect: {count: 0}
"""


@contextmanager
def run_from(person: Person, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run from the person's terminal, and see it end there."""
    (folder / "bench.yaml").write_text(BENCH % os.getpid(), encoding="utf-8")
    (folder / "plan.yaml").write_text(PLAN, encoding="utf-8")
    terminal = os.open(person.device, os.O_RDWR | os.O_NOCTTY)

    def control() -> None:
        os.open(person.device, os.O_RDWR)  # the first terminal a session's leader opens becomes its own

    arguments = ["run", str(folder / "plan.yaml"), "--bench", str(folder / "bench.yaml")]
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--runs-dir", str(folder / "runs")],
        cwd=ROOT, start_new_session=True, preexec_fn=control,
        stdin=terminal, stdout=subprocess.PIPE, stderr=terminal,
        env=os.environ | {"TERM": "xterm-256color"},
    )  # fmt: skip
    try:
        yield process
        process.wait(60)
    finally:
        process.kill()
        process.communicate()
        os.close(terminal)


def record_of(folder: Path) -> RunRecord:
    """Return what the one run left behind."""
    (journal,) = folder.glob("runs/*/journal.ndjson")
    return read_run(journal.parent)


def test_run_asks_on_its_own_terminal_between_the_bars(tmp_path: Path) -> None:
    """Questions, answers, verdicts and the bar share one screen, which is as it was when it is over."""
    # T-2 leaves the path open: what makes the bench safe asks for it.
    with Person(Script("no", "", "no", "", "", "yes")) as person:
        before = termios.tcgetattr(person._slave)
        with run_from(person, tmp_path) as process:
            pass
        assert process.returncode == 0, person.read
        assert before == termios.tcgetattr(person._slave)
    assert "Case 1 of 2: T-1 Nothing is listed Step 1 of 1: tms.unit_entry" in person.read
    assert "Step 2 of 2: tms.search_events" in person.read
    assert "paths: make the bench safe, close path" in person.read
    assert "2/2" in person.read  # the bar
    assert "passed T-1 Nothing is listed" in person.read
    for question in person.screen.split("── ")[1:]:
        asked, _, _ = question.rpartition(" > ")
        assert "0/2" not in asked  # nothing moves while somebody is asked
        assert "\x1b[?25l" not in asked  # and he sees his cursor


def test_run_stopped_with_ctrl_c_at_a_question_is_aborted_and_safe(tmp_path: Path) -> None:
    """Ctrl-C at the run's own terminal: the case is aborted, the path is connected, the exit code is 2."""
    person = Person(Script("no", "", "no", "\x03", "", "yes"))
    with person, run_from(person, tmp_path) as process:
        pass
    assert process.returncode == 2, person.read
    assert {case.key: str(case.verdict) for case in record_of(tmp_path).cases} == {
        "T-1": "passed", "T-2": "aborted",
    }  # fmt: skip
    assert "Stopped." in person.read
    assert "paths: make the bench safe, close path" in person.read
