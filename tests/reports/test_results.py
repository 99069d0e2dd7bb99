"""What the report knows of a run before the generator has seen it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.reporting import ReportError
from harness.verdicts import Verdict
from reports.results import read_environment, read_results, results_folder
from tests.reports.synthetic import ResultsFolder, case

MakeRun = Callable[[str], ResultsFolder]


@pytest.mark.parametrize(
    "status, message, verdict",
    [
        ("passed", "", Verdict.passed),
        ("failed", "FAILED: DL-CLI-01: ...", Verdict.failed),
        ("broken", "BENCH ERROR: ...", Verdict.bench_error),
        ("broken", "INCONCLUSIVE: ...", Verdict.inconclusive),
        ("broken", "ABORTED: ...", Verdict.aborted),
        ("skipped", "SKIPPED: ...", Verdict.skipped),
        ("broken", "RuntimeError: a Python test broke", Verdict.bench_error),
        ("unknown", "", Verdict.bench_error),
    ],
)
def test_verdict_is_read_from_status_and_prefix(
    make_run: MakeRun, status: str, message: str, verdict: Verdict
) -> None:
    """Allure has four statuses; the prefix of the message says which of our six verdicts it was."""
    run = make_run("r")
    run.add(case("C-1", "t", status, message=message))
    assert [verdict] == [result.verdict for result in read_results([run.folder])]


def test_results_of_two_attempts_keep_the_last(make_run: MakeRun) -> None:
    """A case that was aborted and then run again counts with its second attempt."""
    run = make_run("r")
    run.add(case("C-1", "t", "broken", message="ABORTED: SIGTERM", attempt=1))
    run.add(case("C-1", "t", "passed", attempt=2, start_ms=1_790_000_009_000))
    assert [Verdict.passed] == [result.verdict for result in read_results([run.folder])]


def test_results_of_two_benches_stay_apart(make_run: MakeRun) -> None:
    """A pass on one bench must not hide the failure of the same case on another."""
    one, two = make_run("one"), make_run("two")
    one.add(case("C-1", "t", "failed", bench="bench-1"))
    two.add(case("C-1", "t", "passed", bench="bench-2", start_ms=1_790_000_009_000))
    found = read_results([one.folder, two.folder])
    assert {"bench-1": Verdict.failed, "bench-2": Verdict.passed} == {r.bench: r.verdict for r in found}


def test_result_that_is_damaged_is_left_out(make_run: MakeRun) -> None:
    """A truncated result file does not keep the others from being reported."""
    run = make_run("r")
    run.add(case("C-1", "t", "passed"))
    (run.folder / "torn-result.json").write_text('{"uuid": "x", "na')
    (run.folder / "odd-result.json").write_text('["not", "a", "result"]')
    assert [result.name for result in read_results([run.folder])] == ["C-1 t"]


def test_folder_that_is_no_run_is_refused_in_words(make_run: MakeRun) -> None:
    """Someone who names the folder of all runs is told so."""
    run = make_run("r")
    with pytest.raises(ReportError, match="is not a run"):
        results_folder(run.run.parent)
    assert run.folder == results_folder(run.run)


def test_environment_that_differs_between_runs_lists_both_values(make_run: MakeRun) -> None:
    """Two runs with different seeds: the front page shows both."""
    one, two = make_run("one"), make_run("two")
    (one.folder / "environment.properties").write_text("# comment\nseed = 1\nbench=virtual\\:a\\u00b5\n")
    (two.folder / "environment.properties").write_text("seed = 2\nbench: virtual\\:a\\u00b5\n")
    assert read_environment([one.folder, two.folder]) == {"seed": "1, 2", "bench": "virtual:aµ"}
