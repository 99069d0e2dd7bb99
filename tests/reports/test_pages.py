"""The pages MeterBench writes itself: right numbers, inert texts."""

from __future__ import annotations

import csv
import io

from harness.verdicts import Verdict
from reports.pages import Behaviour, behaviours_of, front_page, matrix_csv, matrix_page
from reports.results import Result
from tests.reports.synthetic import MARKUP


def result(key: str, verdict: Verdict, *requirements: str, message: str = "", title: str = "t") -> Result:
    """Return a result of a case."""
    return Result(
        uuid=f"uuid-{key}",
        history=key,
        name=f"{key} {title}",
        full_name=f"plan:clients:{key}",
        suite="dlms / clients",
        verdict=verdict,
        message=message,
        requirements=requirements,
        bench="virtual:mcs301",
        started_ms=0,
        stopped_ms=1,
    )


def test_front_page_names_the_worst_verdict_and_lists_what_did_not_pass() -> None:
    """QA sees first how the whole ended and which cases need attention, the worst ones on top."""
    results = [
        result("A-1", Verdict.passed),
        result("A-2", Verdict.skipped, message="SKIPPED: no permission"),
        result("A-3", Verdict.failed, message="FAILED: DL-CLI-01: expected 1, got 2"),
    ]
    page = front_page("run 7", {"seed": "1"}, results, matrix=False)
    assert "3 cases" in page
    assert page.index("A-3 t") < page.index("A-2 t")
    assert page.index("A-2 t") < page.index("A-1 t")
    assert "coverage.html" not in page


def test_front_page_of_an_empty_run_does_not_look_passed() -> None:
    """A run that was killed before its first case ended has no verdict at all."""
    page = front_page("run 8", {}, [], matrix=False)
    assert "no case has a result" in page
    assert "not checked" in page


def test_front_page_tells_a_common_reason_once() -> None:
    """Fifty cases skipped because the bench lacks one device are one entry, not fifty."""
    results = [result(f"A-{n}", Verdict.skipped, message="SKIPPED: no source") for n in range(50)]
    page = front_page("run 9", {}, results, matrix=False)
    assert page.count("SKIPPED: no source") == 1
    assert page.count("cases/index.html#") == 50


def test_pages_show_markup_of_a_device_as_text() -> None:
    """Whatever a device or a plan author wrote, no tag of it reaches the page."""
    results = [result("A-1", Verdict.failed, MARKUP, message=MARKUP, title=MARKUP)]
    behaviours = [Behaviour(id=MARKUP, title=MARKUP, cases=(MARKUP,), context="")]
    behaviours.append(Behaviour(id="X", context=MARKUP))
    for page in (
        front_page(MARKUP, {MARKUP: MARKUP}, results, matrix=True),
        matrix_page(MARKUP, behaviours, results),
    ):
        assert "<script" not in page
        assert "<img" not in page
        assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page


def test_matrix_verdict_is_the_worst_of_the_cases_that_verify_it() -> None:
    """One failing case outweighs two that pass; a bench error is not hidden by a pass."""
    results = [
        result("A-1", Verdict.passed, "R-1", "R-2"),
        result("A-2", Verdict.failed, "R-1"),
        result("A-3", Verdict.bench_error, "R-2"),
    ]
    rows = list(csv.DictReader(io.StringIO(matrix_csv(behaviours_of(results), results))))
    assert {row["requirement"]: row["verdict"] for row in rows} == {"R-1": "FAILED", "R-2": "BENCH ERROR"}


def test_matrix_tells_unchecked_from_untestable_and_names_absent_cases() -> None:
    """A requirement nobody checked, one that is context only, and a case that was not in the run."""
    behaviours = [
        Behaviour(id="R-1", modelled=True, cases=("A-1", "clients:A-1", "A-9"), qualified=True),
        Behaviour(id="R-2", context="printed on the label"),
        Behaviour(id="R-3", modelled=False),
    ]
    page = matrix_page("run", behaviours, [result("A-1[optical]", Verdict.passed, "R-1")])
    assert "1 of 3 requirements were judged in these runs, 1 passed" in page
    assert "A-9 (not in these runs)" in page
    assert "A-1 (not in these runs)" not in page
    assert "context only: printed on the label" in page
    assert "no case" in page
