"""The journal: what is on the disk when, and what a reader makes of a torn one."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.errors import BenchError
from harness.journal import Journal, JournalSink, check_fields, check_of, read_events
from harness.records import CaseRecord, Check, StepRecord
from harness.recovery import recover, recover_all
from harness.run_folder import Evidence, RunFolder
from harness.run_record import read_run
from harness.scrub import Scrubber
from harness.steps import Steps, close_case, open_case
from harness.verdicts import CheckFailed, Verdict
from tests.harness.fake_bench import WallClock


def begin(path: Path, *keys: str) -> tuple[RunFolder, Journal]:
    """Begin a run by hand, with these cases planned."""
    folder = RunFolder(path)
    folder.create()
    journal = Journal(folder.journal)
    journal.clock = WallClock()
    journal.wire = folder.wire_of("virtual:mcs301").relative_to(path)
    journal.write("run_started", sync=True, bench="b", planned=[{"plan": "p", "case": key} for key in keys])
    return folder, journal


def steps_of(folder: RunFolder, journal: Journal, key: str) -> tuple[Steps, JournalSink]:
    """Begin a case by hand."""
    record = CaseRecord(key=key, title="t", plan="p", verifies=("DL-CLI-01",), uuid=f"uuid-{key}")
    sink = JournalSink(journal, folder.path)
    open_case(record, WallClock())
    sink.case_started(record)
    evidence = Evidence(folder.attachments, Scrubber())
    return Steps(record, [sink], evidence=evidence), sink


def test_journal_line_has_number_event_and_both_clocks(tmp_path: Path) -> None:
    """The clock in use is absent until there is one."""
    journal = Journal(tmp_path / "j.ndjson")
    journal.write("note", text="a")
    journal.clock = WallClock()
    journal.write("note", text="b")
    journal.close()
    first, second = read_events(tmp_path / "j.ndjson")
    assert (first["n"], second["n"]) == (1, 2)
    assert first["t"] is None
    assert second["t"] is not None
    assert second["w"] is not None


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_torn_tail_is_skipped_and_the_journal_goes_on_behind_it(tmp_path: Path, cut: int) -> None:
    """What was written before a kill is read, the torn line is not, and numbering continues."""
    path = tmp_path / "j.ndjson"
    journal = Journal(path)
    for number in range(3):
        journal.write("note", text=f"line {number}")
    journal.close()
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    whole = [1, 2, 3] if cut == 1 else [1, 2]  # without its line feed alone, a line is still whole
    assert [event["n"] for event in read_events(path)] == whole
    journal = Journal(path)
    journal.write("note", text="after")
    journal.close()
    assert [event["n"] for event in read_events(path)] == [*whole, len(whole) + 1]


def test_journal_that_cannot_be_written_is_a_bench_error(tmp_path: Path) -> None:
    """A run without a journal must not go on."""
    with pytest.raises(BenchError, match="cannot write the journal"):
        Journal(tmp_path / "missing" / "j.ndjson")
    journal = Journal(Path("/dev/full"))
    with pytest.raises(BenchError, match="cannot write the journal /dev/full"):
        journal.write("note", text="x")


def test_check_survives_the_journal_to_the_digit() -> None:
    """Numbers are kept as text: 230.10 stays 230.10."""
    check = Check(
        name="voltage",
        passed=False,
        expected="229 .. 231 V",
        actual="230.10 V",
        unit="V",
        value=Decimal("230.10"),
        low=Decimal(229),
        high=None,
        behaviours=("DL-CLI-01",),
    )
    assert check_of(json.loads(json.dumps(check_fields(check)))) == check


def test_record_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Nested steps, checks, messages and attachments come out of the journal as they went in."""
    folder, journal = begin(tmp_path / "run", "A")
    steps, sink = steps_of(folder, journal, "A")
    with suppress(CheckFailed), steps.step("outer", load="230 V") as outer, outer.step("inner"):
        outer.attach("raw", "text/plain", data="bytes")
        outer.measure("voltage", "228", "V", low=229, high=231)
    steps.record.verdict, steps.record.message = Verdict.failed, "low"
    close_case(steps.record, steps.clock)
    sink.case_ended(steps.record)
    journal.write("run_ended")
    journal.close()
    run = read_run(folder.path)
    [record] = run.cases
    assert run.ended
    assert (record.verdict, record.message) == (Verdict.failed, "low")
    [outer_step] = record.steps
    [inner] = outer_step.steps
    assert outer_step.arguments == {"load": "230 V"}
    assert (outer_step.verdict, inner.verdict) == (Verdict.failed, Verdict.failed)
    assert inner.checks == steps.record.steps[0].steps[0].checks
    [attachment] = inner.attachments
    assert attachment.path is not None
    assert attachment.path.read_text() == "bytes"


def test_recovery_completes_a_killed_run_once(tmp_path: Path) -> None:
    """The open case reads as aborted, what was finished stays; a second recovery does nothing."""
    folder, journal = begin(tmp_path / "runs" / "one", "A", "B", "C")
    for key in ("A", "B"):
        steps, sink = steps_of(folder, journal, key)
        with steps.step("done"):
            steps.attach("proof", "text/plain", data=f"proof of {key}")
        if key == "A":
            close_case(steps.record, steps.clock)
            sink.case_ended(steps.record)
    steps.begin(steps.new_step("write firmware", {}))  # and here the process dies
    journal.close()
    for bench in ("virtual:mcs301", "virtual:i210"):  # of another bench, whose meter has the same name
        folder.wire_of(bench).mkdir()
        (folder.wire_of(bench) / "meter-ip.log").write_text(
            "2001-01-05T00:00:00.000000Z  ->  1 octets  01\n"
            f"9999-01-05T00:00:01.000000Z  ->  1 octets  02  | {bench}\n"
        )

    [recovered] = recover_all(tmp_path / "runs")
    assert (recovered.interrupted, recovered.not_run) == (("B",), ("C",))
    run = read_run(folder.path)
    assert [record.verdict for record in run.cases] == [Verdict.passed, Verdict.aborted]
    assert run.cases[1].message == "process died during step 'write firmware'"
    assert [step.verdict for step in run.cases[1].steps] == [Verdict.passed, Verdict.aborted]
    written = {
        result["fullName"]: result
        for path in folder.allure_results.glob("*-result.json")
        for result in [json.loads(path.read_text())]
    }
    assert {"plan:p:A", "plan:p:B", "plan:p:C"} == set(written)
    broken = written["plan:p:B"]
    assert broken["status"] == "broken"
    assert broken["statusDetails"]["message"] == "ABORTED: process died during step 'write firmware'"
    source = broken["steps"][0]["attachments"][0]["source"]
    assert (folder.allure_results / source).read_text() == "proof of B"
    [wire] = broken["attachments"]
    assert wire["name"] == "wire meter-ip"
    said = (folder.allure_results / wire["source"]).read_text()
    assert said == "9999-01-05T00:00:01.000000Z  ->  1 octets  02  | virtual:mcs301\n"
    assert written["plan:p:C"]["status"] == "skipped"
    junit = folder.junit.read_text()
    assert 'tests="3" failures="0" errors="1" skipped="1"' in junit
    assert recover(folder.path) is None


def test_recovery_leaves_a_live_run_alone(tmp_path: Path) -> None:
    """A lock that is held says that the process lives, whatever the journal looks like."""
    folder, journal = begin(tmp_path / "run", "A")
    folder.hold("us")
    assert recover(folder.path) is None
    journal.close()
    folder.release()
    assert recover(folder.path) is not None


def test_folder_that_is_no_run_is_passed_over(tmp_path: Path) -> None:
    """An empty folder or a journal without a whole first line is nothing to recover."""
    (tmp_path / "runs" / "empty").mkdir(parents=True)
    (tmp_path / "runs" / "torn").mkdir()
    (tmp_path / "runs" / "torn" / "journal.ndjson").write_bytes(b'{"n":1,"e":"run_st')
    assert recover_all(tmp_path / "runs") == []
    with pytest.raises(BenchError, match="is not a run"):
        read_run(tmp_path / "runs" / "torn")


class HandClock(WallClock):
    """A wall clock that a test moves."""

    now_s = 100.0

    def monotonic_s(self) -> float:
        """Return what the test has set."""
        return self.now_s


def test_disk_has_what_may_hurt_before_it_does_and_does_not_hold_up_what_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first destructive step of a case is synchronised, more of them and verdicts in bounds of time."""
    on_disk: list[int] = []
    wall = HandClock()
    journal = Journal(tmp_path / "j.ndjson", wall=wall)
    monkeypatch.setattr("os.fdatasync", lambda _fd: on_disk.append(journal._number))
    sink = JournalSink(journal, tmp_path)
    record = CaseRecord(key="A", title="t", plan="p", uuid="u")
    hurting = StepRecord(title="upgrade", hurts=True)

    sink.case_started(record)
    sink.step_started(StepRecord(title="read"), 0)
    assert on_disk == []
    sink.step_started(hurting, 0)
    assert on_disk == [3]
    sink.step_started(hurting, 0)
    sink.case_ended(record)
    assert on_disk == [3]
    sink.case_started(record)
    sink.step_started(hurting, 0)
    assert on_disk == [3, 7]
    wall.now_s += 0.5
    sink.step_started(hurting, 0)
    assert on_disk == [3, 7, 8]
    wall.now_s += 0.5
    sink.case_ended(record)
    assert on_disk == [3, 7, 8, 9]
    wall.now_s += 1.0
    journal.write("note")
    assert on_disk == [3, 7, 8, 9]
    wall.now_s += 4.0
    journal.write("note")
    assert on_disk == [3, 7, 8, 9, 11]
    journal.close()
