"""Live progress: what people see, and that no terminal can break a run."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.progress import ProgressSink
from harness.records import CaseRecord, StepRecord
from harness.verdicts import Verdict

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SIMULATED = datetime(2026, 1, 5, tzinfo=UTC)


def ended(key: str, verdict: Verdict, message: str = "", *, hours: float = 0.0) -> CaseRecord:
    """Return a case that took half a second, in which so many hours were simulated."""
    begin = SIMULATED if hours else NOW
    return CaseRecord(
        key=key,
        title="The public client reads",
        plan="clients",
        verdict=verdict,
        message=message,
        started=begin,
        ended=begin + (timedelta(hours=hours) or timedelta(seconds=0.5)),
        wall_started=NOW,
        wall_ended=NOW + timedelta(seconds=0.5),
    )


def shown(*records: CaseRecord, total: int = 0) -> str:
    """Return what a stream without a terminal gets."""
    stream = io.StringIO()
    sink = ProgressSink(total, stream=stream)
    for record in records:
        sink.case_started(record)
        step = StepRecord(title="meter.read", started=record.started)
        sink.step_started(step, 0)
        sink.step_ended(step, 0)
        sink.case_ended(record)
    sink.close()
    sink.close()
    return stream.getvalue()


def test_progress_without_a_terminal_is_a_line_for_each_case() -> None:
    """A CI log has one line per case, in plain text, with the reason below it."""
    text = shown(
        ended("C-1[optical]", Verdict.passed),
        ended("C-2", Verdict.failed, "DL-CLI-03: expected refused, got accepted"),
        total=3,
    )
    lines = text.splitlines()
    assert lines[0] == "[1/3] passed       C-1[optical]  The public client reads  0.5 s"
    assert lines[1] == "[2/3] FAILED       C-2  The public client reads  0.5 s"
    assert lines[2] == "    DL-CLI-03: expected refused, got accepted"
    assert "\x1b" not in text


def test_progress_ends_with_the_number_of_each_verdict_and_the_worst() -> None:
    """The last lines tell at a glance how the whole ended, and how much time was simulated."""
    text = shown(
        ended("C-1", Verdict.passed, hours=30),
        ended("C-2", Verdict.passed, hours=1),
        ended("C-3", Verdict.bench_error, "optical: LinkLost"),
        total=5,
    )
    last = [line.split() for line in text.splitlines()[-3:]]
    assert last[0][:3] == ["1", "BENCH", "ERROR"]
    assert last[1][:2] == ["2", "passed"]
    assert last[2][:5] == ["3", "of", "5", "BENCH", "ERROR"]
    assert "1 d 7 h of simulated time" in text


def test_progress_of_a_wall_clock_bench_speaks_of_one_time_only() -> None:
    """On hardware both clocks are the same; telling both would only puzzle."""
    assert "simulated" not in shown(ended("C-1", Verdict.passed))


def test_progress_shows_control_characters_and_markup_as_text() -> None:
    """What a device wrote neither moves the cursor nor colours the screen."""
    text = shown(ended("C-1", Verdict.failed, "got \x1b[2J\x07[red]x[/red]"))
    assert "got �[2J�[red]x[/red]" in text


def test_progress_survives_a_stream_that_breaks() -> None:
    """The person closed the terminal; the run goes on."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", buffering=1) as stream:
        sink = ProgressSink(2, stream=stream)
        for key in ("C-1", "C-2"):
            sink.case_started(ended(key, Verdict.passed))
            sink.case_ended(ended(key, Verdict.passed))
        sink.close()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # for what is still in its buffer


def test_progress_on_a_terminal_shows_a_bar_with_case_step_and_simulated_time() -> None:
    """On a terminal the open case, its step and the simulated clock are visible."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", buffering=1) as stream:
        sink = ProgressSink(2, stream=stream)
        record = ended("C-1[optical]", Verdict.passed, hours=2)
        sink.case_started(record)
        sink.step_started(StepRecord(title="meter.associate", started=SIMULATED), 0)
        assert sink._bar is not None
        sink._bar.refresh()
        sink.case_ended(record)
        sink.close()
    text = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "C-1[optical]" in text
    assert "meter.associate" in text
    assert "2026-01-05 00:00:00" in text
    assert "\x1b[32mpassed" in text


def test_progress_of_a_run_started_by_a_test_of_somebody_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run inherits the environment of the xdist worker that started it; that makes it no worker."""
    alone = shown(ended("C-1", Verdict.passed), total=7).rpartition(" in ")[0]
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw1")
    assert shown(ended("C-1", Verdict.passed), total=7).rpartition(" in ")[0] == alone
    assert "[1/7] passed" in alone


@pytest.mark.parametrize(
    "capture", ["fd", pytest.param("sys", marks=pytest.mark.slow), pytest.param("no", marks=pytest.mark.slow)]
)
def test_progress_is_not_swallowed_by_capture(tmp_path: Path, capture: str) -> None:
    """pytest captures both streams of a test that passes; the line of the case still arrives."""
    (tmp_path / "early.py").write_text("import harness.progress\n")
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent(
            """
            from harness.progress import ProgressSink
            from harness.records import CaseRecord

            def test_it():
                sink = ProgressSink(1)
                sink.case_started(CaseRecord(key="C-1", title="t", plan="p"))
                sink.case_ended(CaseRecord(key="C-1", title="t", plan="p"))
                sink.close()
            """
        )
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:meterbench", "-p", "no:cacheprovider"]
    command += ["-p", "early", f"--capture={capture}", "test_it.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "[1/1] passed       C-1  t" in done.stderr
