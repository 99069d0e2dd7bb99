"""The pytest plug-in as a user meets it: collection, selection, reports, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

import harness.plan_compiler
import harness.plugin_run
import testplans.dlms.procedures
import tests.harness.fake_bench
from harness.run_record import RunRecord, read_run
from harness.verdicts import Verdict

ROOT = Path(__file__).parents[2]
LEAN = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")

# pytester forgets what was imported inside; these would be imported anew for each test.
PREPARED = (harness.plan_compiler, harness.plugin_run, tests.harness.fake_bench, testplans.dlms.procedures)

CONFTEST = f"""\
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.harness.fake_bench import FakeBench, open_fake
def pytest_configure(config):
    config.meterbench_open_bench = open_fake
"""
HEAD = """\
plan: fake
title: A plan for the plug-in's tests
source: none
bench: fake
needs: {meter: meter, source: power_source}
cases:
"""
PASSES = """\
  - id: OK-1
    title: Reads the energy
    verifies: [DL-CLI-01]
    tags: [smoke]
    steps:
      - {do: meter.read_register, with: {name: energy}, expect: {value: {between: [123, 124]}}}
"""
FAILS = """\
  - id: BAD-1
    title: Expects nonsense
    verifies: [DL-ASSOC-01]
    steps:
      - {do: meter.read_register, with: {name: energy}, expect: {value: {equals: 5}}}
"""
ROWS = """\
  - id: ROW
    title: Reads what the row says
    for_each: [{id: energy, name: energy}, {id: power, name: power}]
    steps:
      - {do: meter.read_register, with: {name: "${row.name}"}}
"""


class Lab:
    """A folder with plans, and pytest in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester, self.path = pytester, pytester.path
        pytester.makeconftest(CONFTEST)

    def plan(self, *cases: str, name: str = "fake", head: str = HEAD) -> Path:
        """Write a plan."""
        path = self.path / "testplans" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(head.replace("plan: fake", f"plan: {name}") + "".join(cases))
        return path

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in this process."""
        return self.pytester.runpytest_inprocess(*(arguments or ("testplans",)), *LEAN)

    def record(self) -> RunRecord:
        """Return the only run there is."""
        [path] = list((self.path / "runs").iterdir())
        return read_run(path)


@pytest.fixture
def lab(pytester: pytest.Pytester) -> Lab:
    """A folder to write plans into."""
    return Lab(pytester)


def results(run: RunRecord) -> dict[str, dict[str, object]]:
    """Return the Allure results by name."""
    found = [json.loads(path.read_text()) for path in (run.path / "allure-results").glob("*-result.json")]
    return {str(result["name"]): result for result in found}


def labels(result: dict[str, object], name: str) -> list[str]:
    """Return the labels of one kind."""
    entries = result["labels"]
    assert isinstance(entries, list)
    return [entry["value"] for entry in entries if entry["name"] == name]


def test_plan_runs_as_items_and_leaves_journal_allure_and_junit(lab: Lab) -> None:
    """One case is one item; all three reports agree."""
    lab.plan(PASSES, FAILS, ROWS)
    outcome = lab.run("testplans", "--junitxml=plain.xml")
    outcome.assert_outcomes(passed=3, failed=1)
    assert outcome.ret == 1
    outcome.stdout.fnmatch_lines(["*FAILED: DL-ASSOC-01: *expected 5*"])
    outcome.stdout.no_fnmatch_line("*Traceback*")
    run = lab.record()
    assert [record.key for record in run.cases] == ["OK-1", "BAD-1", "ROW[energy]", "ROW[power]"]
    assert run.verdicts == [Verdict.passed, Verdict.failed, Verdict.passed, Verdict.passed]
    allure = results(run)
    bad = allure["BAD-1 Expects nonsense"]
    assert bad["status"] == "failed"
    assert labels(bad, "requirement") == ["DL-ASSOC-01"]
    assert labels(bad, "verdict") == ["failed"]
    assert bad["fullName"] == "plan:fake:BAD-1"
    rows = [allure[f"ROW[{name}] Reads what the row says"] for name in ("energy", "power")]
    assert len({row["historyId"] for row in rows}) == 2
    plain = ElementTree.parse(lab.path / "plain.xml").getroot()
    requirement = plain.find(".//testcase[@name='OK-1']/properties/property[@name='requirement']")
    assert requirement is not None
    assert requirement.get("value") == "DL-CLI-01"


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        (["-k", "OK"], ["OK-1"]),
        (["-k", "ROW and power"], ["ROW[power]"]),
        (["-m", "smoke"], ["OK-1"]),
        (["-m", "DL-ASSOC"], ["BAD-1"]),
        (["-m", "DL-CLI-01"], ["OK-1"]),
    ],
)
def test_cases_are_chosen_by_name_tag_and_behaviour(
    lab: Lab, arguments: list[str], chosen: list[str]
) -> None:
    """``-k`` and ``-m`` work as for any test, under strict markers too."""
    lab.plan(PASSES, FAILS, ROWS)
    lab.run("testplans", "--strict-markers", *arguments)
    run = lab.record()
    assert [record.key for record in run.cases] == chosen
    assert [planned.key for planned in run.planned] == chosen


def test_exit_first_leaves_the_rest_as_not_run(lab: Lab) -> None:
    """``-x`` stops; what was not begun is told as such, not left out."""
    lab.plan(FAILS, PASSES)
    assert lab.run("testplans", "-x").ret == 1
    run = lab.record()
    assert [planned.key for planned in run.not_run] == ["OK-1"]
    assert results(run)["OK-1 Reads the energy"]["status"] == "skipped"


def test_mistakes_in_plans_end_with_one_line_each_and_exit_code_4(lab: Lab) -> None:
    """File, line and column; no traceback; nothing has been run."""
    lab.plan("  - id: A\n    title: t\n    steps:\n      - {do: meter.raed_register}\n")
    outcome = lab.run()
    assert outcome.ret == 4
    outcome.stderr.fnmatch_lines(["*fake.yaml:*raed_register*read_register*"])
    assert "Traceback" not in outcome.stdout.str() + outcome.stderr.str()
    assert not (lab.path / "runs").exists()


def test_two_plans_of_one_name_are_a_mistake(lab: Lab) -> None:
    """Their cases could not be told apart in any report."""
    lab.plan(PASSES)
    other = lab.path / "testplans" / "other.yaml"
    other.write_text(HEAD + PASSES)
    outcome = lab.run()
    assert outcome.ret == 4
    outcome.stderr.fnmatch_lines(["*'fake' exists already*"])


def test_yaml_that_is_no_plan_is_left_alone(lab: Lab) -> None:
    """Bench files and other data lie beside the plans; other YAML lies anywhere."""
    lab.plan(PASSES)
    (lab.path / "testplans" / "bench.yaml").write_text("bench: mine\n")
    (lab.path / "data.yaml").write_text("plan: not here\n")
    outcome = lab.run(".")
    outcome.assert_outcomes(passed=1)


def test_session_without_plans_is_not_touched(lab: Lab) -> None:
    """The plug-in is loaded in every session of its environment and must not be felt."""
    lab.pytester.makepyfile("def test_one(): pass")
    outcome = lab.run(".")
    outcome.assert_outcomes(passed=1)
    assert not (lab.path / "runs").exists()
    assert "run:" not in outcome.stdout.str()


def test_failing_test_that_is_no_case_still_fails_the_session(lab: Lab) -> None:
    """The exit code of pytest's own tests is not lost beside plans."""
    lab.plan(PASSES)
    lab.pytester.makepyfile("def test_one(): assert False")
    assert lab.run(".").ret == 1


def test_bench_that_cannot_be_opened_is_one_bench_error_and_the_rest_is_skipped(lab: Lab) -> None:
    """A broken bench stays broken; later cases name the original cause."""
    lab.plan(PASSES, FAILS)
    lab.pytester.makeconftest(
        CONFTEST
        + """
from adapters.errors import ConnectError
def broken(bench, **options):
    raise ConnectError("no such port: /dev/ttyUSB9")
def pytest_configure(config):
    config.meterbench_open_bench = broken
"""
    )
    outcome = lab.run()
    assert outcome.ret == 3
    run = lab.record()
    assert run.verdicts == [Verdict.bench_error, Verdict.skipped]
    assert all("/dev/ttyUSB9" in record.message for record in run.cases)


def test_bench_that_is_named_wrongly_is_a_mistake_and_leaves_no_run(lab: Lab) -> None:
    """Nothing has happened, so there is nothing to report: one sentence, exit code 4."""
    lab.plan(PASSES)
    lab.pytester.makeconftest(
        CONFTEST
        + """
from adapters.errors import BenchError
def unknown(bench, **options):
    raise BenchError("no virtual site is called 'nope'; there are mcs301")
def pytest_configure(config):
    config.meterbench_open_bench = unknown
"""
    )
    outcome = lab.run("testplans", "--bench", "virtual:nope")
    assert outcome.ret == 4
    outcome.stderr.fnmatch_lines(["ERROR: bench virtual:nope: no virtual site is called 'nope'*"])
    assert list((lab.path / "runs").iterdir()) == []


def test_plan_whose_device_is_missing_is_skipped_saying_so(lab: Lab) -> None:
    """A capability the bench lacks is no failure."""
    head = HEAD.replace("{meter: meter, source: power_source}", "{meter: meter, dlms: dlms_meter}")
    lab.plan(PASSES, head=head)
    assert lab.run().ret == 0
    [record] = lab.record().cases
    assert record.verdict is Verdict.skipped
    assert "dlms (dlms_meter)" in record.message


def test_python_module_is_recorded_like_a_case(lab: Lab) -> None:
    """Steps, measurements and the verdict of a Python test are in journal and Allure."""
    lab.pytester.makepyfile(
        test_python='''
import pytest
@pytest.mark.verifies("DL-CLI-01")
def test_energy(step, devices):
    """The energy register counts."""
    with step("Read", register="energy"):
        step.measure("energy", devices["meter"].read_register("energy").value, "Wh", low=500)
def test_clock(step, clock):
    with step("Wait"):
        clock.sleep_s(3600)
'''
    )
    outcome = lab.run(".", "--bench", "fake")
    outcome.assert_outcomes(passed=1, failed=1)
    assert outcome.ret == 1
    run = lab.record()
    assert run.verdicts == [Verdict.failed, Verdict.passed]
    energy, waited = run.cases
    assert energy.message == "DL-CLI-01: energy: expected at least 500 Wh, got 123.456 Wh"
    assert waited.started is not None
    assert waited.ended is not None
    assert (waited.ended - waited.started).total_seconds() >= 3600
    allure = results(run)["test_energy The energy register counts."]
    assert allure["status"] == "failed"
    assert labels(allure, "requirement") == ["DL-CLI-01"]
    assert allure["steps"][0]["name"] == "Read"  # type: ignore[index]


def test_fixture_that_breaks_is_a_bench_error_not_a_pass(lab: Lab) -> None:
    """Whatever breaks around a Python test, the test does not read as passed anywhere."""
    lab.pytester.makepyfile(
        test_python="""
import pytest
@pytest.fixture
def before():
    raise OSError("no such port")
@pytest.fixture
def after():
    yield
    raise OSError("port is gone")
def test_before(step, before): pass
def test_earlier(before, step): pass
def test_after(after, step): pass
"""
    )
    outcome = lab.run(".", "--bench", "fake")
    assert outcome.ret == 3
    run = lab.record()
    assert run.verdicts == [Verdict.bench_error] * 3
    assert {"broken"} == {result["status"] for result in results(run).values()}
    assert 'errors="3"' in (run.path / "junit.xml").read_text()


def test_results_also_reach_the_folder_a_user_asks_for(lab: Lab) -> None:
    """``--alluredir`` keeps working; both folders get the same cases with their attachments."""
    lab.plan(PASSES)
    lab.run("testplans", "--alluredir=mine")
    ours = sorted(path.name for path in (lab.record().path / "allure-results").glob("*-attachment.*"))
    theirs = sorted(path.name for path in (lab.path / "mine").glob("*-attachment.*"))
    assert ours == theirs
    assert len(ours) == 2
    [result] = [json.loads(path.read_text()) for path in (lab.path / "mine").glob("*-result.json")]
    assert result["fullName"] == "plan:fake:OK-1"


def test_hostile_device_text_and_secrets_reach_no_report(lab: Lab) -> None:
    """One answer with a terminal escape, a surrogate and the password: every report is whole and clean."""
    lab.plan(FAILS, PASSES)
    lab.pytester.makeconftest(
        CONFTEST
        + """
from adapters.errors import Refused
HOSTILE = "s3cret-pass \\x1b[2J \\udc80 \\u202e <script>alert(1)</script> " + "s3cret-pass".encode().hex(" ")
def hostile(bench, **options):
    made = open_fake(bench, **options)
    def refuse(name):
        raise Refused("object-undefined", HOSTILE)
    made.adapter.read_register = refuse
    return made
def pytest_configure(config):
    config.meterbench_open_bench = hostile
"""
    )
    outcome = lab.run("testplans", "--junitxml=plain.xml", "-vv", "-l")
    assert outcome.ret == 1
    run = lab.record()
    assert run.verdicts == [Verdict.failed, Verdict.failed]
    assert len(results(run)) == 2
    ElementTree.parse(run.path / "junit.xml")
    ElementTree.parse(lab.path / "plain.xml")
    everything = [path for path in run.path.rglob("*") if path.is_file()] + [lab.path / "plain.xml"]
    canaries = (b"s3cret-pass", b"s3cret-pass".hex().encode(), b"s3cret-pass".hex(" ").encode(), b"\x1b[")
    for path in everything:
        assert not any(canary in path.read_bytes() for canary in canaries), path
    assert "s3cret-pass" not in outcome.stdout.str() + outcome.stderr.str()


@pytest.mark.slow
def test_xdist_workers_share_one_run(lab: Lab) -> None:
    """Each worker has its own bench and journal; the run is one, and its reports are complete."""
    lab.plan(PASSES, FAILS, ROWS)
    outcome = lab.pytester.runpytest_subprocess("testplans", "-n2", *LEAN)
    assert outcome.ret == 1
    run = lab.record()
    assert run.ended
    assert sorted(record.key for record in run.cases) == ["BAD-1", "OK-1", "ROW[energy]", "ROW[power]"]
    assert not run.not_run
    assert len(results(run)) == 4
    assert 'tests="4" failures="1"' in (run.path / "junit.xml").read_text()


def test_parameter_without_value_is_a_mistake_of_usage(lab: Lab) -> None:
    """``-P`` wants NAME=VALUE."""
    lab.plan(PASSES)
    outcome = lab.run("testplans", "-P", "join_timeout")
    assert outcome.ret == 4
    outcome.stderr.fnmatch_lines(["*expected -P NAME=VALUE*"])
