"""A run is killed, terminated or interrupted at seeded moments; afterwards every report tells the truth.

The moment is a number of journal lines, so it falls into the same part of the run on a slow machine and on a
fast one; where exactly inside a step the signal strikes is up to the operating system.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from adapters.clock import WallClock
from harness.journal import read_events
from harness.run_record import RunRecord, read_run
from harness.verdicts import Verdict

ROOT = Path(__file__).parents[2]
CASES, STEPS = 8, 12
LINES = CASES * (2 + STEPS * 3) + 2
PLAN = """\
plan: long
title: Long enough to be interrupted
source: none
bench: fake
needs: {meter: meter, source: power_source}
cases:
"""
CONFTEST = """\
import sys
sys.path.insert(0, {root!r})
from tests.harness.fake_bench import open_fake
def pytest_configure(config):
    config.meterbench_open_bench = open_fake
"""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A folder with a plan in it, where runs are started as a user would."""

    path: Path

    def start(self, *arguments: str, program: str = "meterbench") -> subprocess.Popen[str]:
        """Start a run in a process of its own."""
        command = {
            "meterbench": [sys.executable, "-m", "harness.cli", "run"],
            "pytest": [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:hypothesispytest",
            ],
        }[program]
        return subprocess.Popen(
            [*command, *(arguments or ("testplans",))],
            cwd=self.path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run_folder(self) -> Path:
        """Return the only run there is."""
        [path] = [path for path in (self.path / "runs").iterdir() if path.is_dir()]
        return path

    def wait_for_lines(self, count: int, process: subprocess.Popen[str]) -> None:
        """Wait until the journal has ``count`` lines, or the run is over."""
        clock = WallClock()

        def reached() -> bool:
            journals = list((self.path / "runs").glob("*/journal.ndjson"))
            lines = journals[0].read_bytes().count(b"\n") if journals else 0
            return lines >= count or process.poll() is not None

        assert clock.wait_until(reached, 60, 0.001), "the run did not get that far"

    def wait_for_event(self, text: str, process: subprocess.Popen[str]) -> None:
        """Wait until the journal holds ``text``, or the run is over."""

        def reached() -> bool:
            return text.encode() in journal_bytes(self.path / "runs") or process.poll() is not None

        assert WallClock().wait_until(reached, 60, 0.001), "the run did not get that far"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A folder with a plan of many short cases; every case ends with an ``always`` step."""
    (tmp_path / "conftest.py").write_text(CONFTEST.format(root=str(ROOT)))
    step = "      - {do: meter.read_register, with: {name: energy}, expect: {value: {at_least: 1}}}\n"
    cases = "".join(
        f"  - id: L-{number}\n    title: Case {number}\n    verifies: [DL-CLI-01]\n    steps:\n{step * STEPS}"
        "    always:\n      - {do: meter.identify}\n"
        for number in range(CASES)
    )
    (tmp_path / "testplans").mkdir()
    (tmp_path / "testplans" / "long.yaml").write_text(PLAN + cases)
    return Lab(path=tmp_path)


def allure_results(run: Path) -> list[dict[str, object]]:
    """Return every Allure result of a run; each file must be whole."""
    return [json.loads(path.read_text()) for path in (run / "allure-results").glob("*-result.json")]


def label(result: dict[str, object], name: str) -> str:
    """Return a label of an Allure result."""
    labels = result["labels"]
    assert isinstance(labels, list)
    return next((entry["value"] for entry in labels if entry["name"] == name), "")


def assert_truth(run: RunRecord) -> None:
    """Assert that journal, Allure and JUnit agree on every case, and leave none out."""
    path = run.path
    results = {str(result["fullName"]).rpartition(":")[2]: result for result in allure_results(path)}
    suite = ElementTree.parse(path / "junit.xml").getroot()
    junit = {case.get("name"): case for case in suite.iter("testcase")}
    planned = {case.key for case in run.planned}
    assert planned == set(results)
    assert planned == set(junit)
    for record in run.cases:
        result, case = results[record.key], junit[record.key]
        assert record.verdict.name == label(result, "verdict")
        if record.verdict is Verdict.passed:
            assert result["status"] == "passed"
            assert all(case.find(tag) is None for tag in ("failure", "error", "skipped"))
        else:
            assert Verdict.aborted is record.verdict
            assert result["status"] == "broken"
            assert str(result["statusDetails"]["message"]).startswith("ABORTED: ")  # type: ignore[index]
            assert case.find("error") is not None
    for planned_case in run.not_run:
        assert results[planned_case.key]["status"] == "skipped"
        assert junit[planned_case.key].find("skipped") is not None


def ended_whole(path: Path) -> set[str]:
    """Return the cases whose end the process itself wrote into its journal."""
    events = list(read_events(path / "journal.ndjson"))
    return {event["case"] for event in events if event["e"] == "case_ended" and not event.get("recovered")}


def assert_resume_finishes(lab: Lab, before: RunRecord) -> None:
    """Assert that ``--resume`` does what is left, once, and that the reports then show each case passed."""
    process = lab.start("--resume", str(before.path))
    output, _ = process.communicate(timeout=120)
    after = read_run(before.path)
    assert process.returncode == 0, output
    count = len(before.planned)
    assert [record.verdict for record in after.cases] == [Verdict.passed] * count
    kept = {record.key for record in before.cases if record.verdict is Verdict.passed}
    again = [record.key for record in after.attempts]
    assert all(again.count(key) == 1 for key in kept)
    assert not list((before.path / "allure-results").glob("notrun-*"))
    junit = ElementTree.parse(before.path / "junit.xml").getroot()
    counted = tuple(junit.get(k) for k in ("tests", "failures", "errors", "skipped"))
    assert counted == (str(count), "0", "0", "0")
    newest: dict[str, dict[str, object]] = {}
    for result in sorted(allure_results(before.path), key=lambda r: int(str(r["start"]))):
        newest[str(result["historyId"])] = result
    assert [result["status"] for result in newest.values()] == ["passed"] * count


def killed(lab: Lab, line: int, *plans: str) -> RunRecord:
    """Kill a run at a line of its journal, and return it as the next start completes it."""
    from harness.recovery import recover_all

    process = lab.start(*plans)
    lab.wait_for_lines(line, process)
    process.kill()
    process.communicate(timeout=60)
    path = lab.run_folder()
    whole = ended_whole(path)
    recover_all(lab.path / "runs")
    run = read_run(path)
    assert run.ended
    assert whole == {record.key for record in run.cases if record.verdict is Verdict.passed}
    return run


def stopped(lab: Lab, number: signal.Signals, line: int, program: str = "meterbench") -> RunRecord:
    """Send a signal to a run at a line of its journal, and return it as it ended by itself."""
    process = lab.start(program=program)
    lab.wait_for_lines(line, process)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert "Traceback" not in output
    run = read_run(lab.run_folder())
    assert run.ended
    return run


def assert_always_ran(run: RunRecord) -> None:
    """Assert that every case that was begun ended with its ``always`` step, where it has one."""
    for record in run.cases:
        if record.plan == "long" and record.steps:
            assert ("always", Verdict.passed) == (record.steps[-1].phase, record.steps[-1].verdict)


@pytest.mark.slow
def test_killed_run_is_completed_at_the_next_start_and_resumed(lab: Lab) -> None:
    """After kill -9 the interrupted case is aborted everywhere, and the rest can be done."""
    run = killed(lab, LINES // 2)
    assert_truth(run)
    assert 0 < len(run.not_run) < CASES
    assert_resume_finishes(lab, run)


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
    ],
)
def test_signalled_run_aborts_its_case_runs_always_and_is_complete(lab: Lab, number: signal.Signals) -> None:
    """A signal ends the run with exit code 2 and complete reports."""
    run = stopped(lab, number, LINES // 3)
    assert_truth(run)
    assert_always_ran(run)
    aborted = [record for record in run.cases if record.verdict is Verdict.aborted]
    assert len(aborted) <= 1
    assert run.not_run
    assert_resume_finishes(lab, run)


@pytest.mark.slow
def test_signalled_plain_pytest_tells_the_same_truth(lab: Lab) -> None:
    """Plain pytest with the plug-in ends the same way; allure-pytest alone would show a pass."""
    run = stopped(lab, signal.SIGINT, LINES // 3, program="pytest")
    assert_truth(run)
    assert_always_ran(run)


SLOW = """\
import sys
sys.path.insert(0, {root!r})
from harness.bench_port import NoBench
from adapters.clock import WallClock
from adapters.roles import Identity, RegisterReading
class Meter:
    '''A real meter as far as time goes: a reading takes a minute, the clean-up a moment.'''
    def read_register(self, name):
        WallClock().sleep_s(60)
        return RegisterReading(name=name, value=1, unit="Wh")
    def identify(self):
        WallClock().sleep_s(1.5)
        return Identity(serial="1")
def open_bench(bench, **options):
    roles = {{"meter": "meter", "source": "power_source"}}
    return NoBench(name={root!r} + __file__, devices={{"meter": Meter()}}, roles=roles)
def pytest_configure(config):
    config.meterbench_open_bench = open_bench
"""


@pytest.mark.slow
def test_signal_on_hardware_ends_a_long_wait_at_once_and_a_second_one_spares_always(lab: Lab) -> None:
    """On the wall clock nobody waits for the step; pressing Ctrl-C again does not skip the clean-up."""
    (lab.path / "conftest.py").write_text(SLOW.format(root=str(ROOT)))
    clock = WallClock()
    process = lab.start()
    lab.wait_for_lines(3, process)
    began_s = clock.monotonic_s()
    process.send_signal(signal.SIGINT)
    lab.wait_for_event("always", process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert clock.monotonic_s() - began_s < 15
    run = read_run(lab.run_folder())
    assert_truth(run)
    assert_always_ran(run)
    assert run.cases[0].verdict is Verdict.aborted
    assert run.cases[0].message.startswith("SIGINT during step")


@pytest.mark.slow
def test_signal_inherited_as_ignored_is_heard(lab: Lab) -> None:
    """A shell's background job starts with SIGINT ignored; a run started there can still be stopped."""
    (lab.path / "conftest.py").write_text(SLOW.format(root=str(ROOT)))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = lab.start()
    finally:
        signal.signal(signal.SIGINT, before)
    lab.wait_for_lines(3, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert_truth(read_run(lab.run_folder()))


@pytest.mark.slow
def test_second_run_on_a_real_bench_is_refused_naming_the_first(lab: Lab) -> None:
    """One bench does one thing at a time; the message says who has it, and its end frees it."""
    (lab.path / "conftest.py").write_text(SLOW.format(root=str(ROOT)))
    first = lab.start()
    lab.wait_for_lines(3, first)
    second = lab.start("testplans", "--runs-dir", "other")
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 3
    assert f"in use by another run (process {first.pid}, user " in output
    first.kill()
    first.communicate(timeout=60)
    third = lab.start("testplans", "--runs-dir", "third")
    path = lab.path / "third"
    assert WallClock().wait_until(lambda: b"step_started" in journal_bytes(path), 60, 0.01)
    third.send_signal(signal.SIGTERM)
    assert third.communicate(timeout=60)[0]


@pytest.mark.slow
def test_real_bench_refuses_several_workers(lab: Lab) -> None:
    """``-n`` would let cases disturb each other on one set of devices."""
    (lab.path / "conftest.py").write_text(SLOW.format(root=str(ROOT)))
    process = lab.start("testplans", "-n2", program="pytest")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 4, output
    assert "leave out -n" in output


@pytest.mark.slow
def test_signal_to_the_xdist_controller_ends_the_workers_cases_in_order(lab: Lab) -> None:
    """The controller hands the signal on; every worker cleans up, and the reports are complete."""
    process = lab.start("testplans", "-n2", program="pytest")
    clock = WallClock()
    assert clock.wait_until(lambda: journal_bytes(lab.path / "runs").count(b"step_ended") > 20, 60, 0.001)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    run = read_run(lab.run_folder())
    assert run.ended
    assert_truth(run)
    assert_always_ran(run)


def journal_bytes(runs: Path) -> bytes:
    """Return all that the journals of all runs below a folder hold so far."""
    return b"".join(path.read_bytes() for path in runs.glob("*/journal*.ndjson"))


SHIPPED = ROOT / "testplans" / "dlms" / "security.yaml"
SHIPPED_LINES = 280  # of its journal, when nothing disturbs it


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_campaign_of_seeded_moments_never_shows_an_interrupted_case_as_passed(lab: Lab, seed: int) -> None:
    """A shipped plan on the virtual MCS301, killed, terminated or interrupted anywhere."""
    (lab.path / "conftest.py").unlink()
    dice = random.Random(seed)
    line = dice.randrange(1, SHIPPED_LINES)
    kind = (None, signal.SIGTERM, signal.SIGINT)[seed % 3]
    if kind is None:
        run = killed(lab, line, str(SHIPPED))
    else:
        process = lab.start(str(SHIPPED))
        lab.wait_for_lines(line, process)
        process.send_signal(kind)
        output, _ = process.communicate(timeout=60)
        run = read_run(lab.run_folder())
        assert process.returncode in (0, 2), output
        assert (process.returncode == 0) == (not run.not_run and set(run.verdicts) == {Verdict.passed})
    assert_truth(run)
    if run.not_run or set(run.verdicts) != {Verdict.passed}:
        assert_resume_finishes(lab, run)
