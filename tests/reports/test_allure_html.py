"""The report end to end, with the real generator; and looked at in a real browser where there is one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.reporting import ReportError
from reports.allure_html import generate, make_inert, read_coverage
from reports.chromium import Page, find_chromium, open_page
from tests.reports.synthetic import MARKUP, ResultsFolder

needs_chromium = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed")
OPEN_CASE = (
    "[...document.querySelectorAll('[data-testid=tree-leaf]')].find(e => e.innerText.includes('{}')).click()"
)
OPEN_LINES = """[...document.querySelectorAll('*')].filter(e => !e.children.length &&
    {}.some(name => e.textContent.trim() === name)).forEach(e => e.click())"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """Give a page of a headless browser that cannot reach anything."""
    with open_page() as page:
        page.size(1400, 2400)
        yield page


@pytest.mark.slow
def test_report_is_written_whole_and_names_nothing_outside(report_page: Path) -> None:
    """Front page, two views of the cases, the matrix; no element of them points outside."""
    folder = report_page.parent
    pages = {str(path.relative_to(folder)) for path in folder.rglob("*.html")}
    assert {"index.html", "coverage.html", "cases/index.html", "requirements/index.html"} == pages
    for path in folder.rglob("*.html"):
        text = path.read_text("utf-8")
        assert "googletagmanager" not in text
        assert (
            re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//", text) == []
        )
        assert "default-src 'none'" in text[:2000]


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize(
    "name", ["index.html", "coverage.html", "cases/index.html", "requirements/index.html"]
)
def test_report_page_opens_from_a_file_and_asks_for_nothing(
    report_page: Path, browser: Page, name: str
) -> None:
    """Every page opens from file:// with no network, without an error and without a request."""
    browser.requests.clear()
    browser.errors.clear()
    browser.open((report_page.parent / name).as_uri(), "document.body.innerText.includes('CLI-01')")
    assert browser.outside_requests() == []
    assert browser.errors == []


@pytest.mark.slow
@needs_chromium
def test_report_case_shows_steps_measurements_evidence_and_requirements(
    report_page: Path, browser: Page
) -> None:
    """What QA signs: labels, step parameters, the table of measurements, the transcript, the curve."""
    browser.open(
        (report_page.parent / "cases/index.html").as_uri(), "document.body.innerText.includes('CLI-01')"
    )
    browser.evaluate(OPEN_CASE.format("CLI-01"))
    browser.wait_for("document.body.innerText.includes('meter.read')")
    browser.evaluate(OPEN_LINES.format(["meter.read"]))
    browser.wait_for("document.body.innerText.includes('voltage L1 = 230.1 V')")
    names = ["measurements.csv", "wire meter-optical.log", "curve of voltage L1"]
    browser.evaluate(OPEN_LINES.format(names))
    browser.wait_for("document.body.innerText.includes('7E A0 07 03 41 93 5A 64 7E')")
    browser.wait_for("document.body.innerText.includes('230 V')")
    browser.wait_for(
        "[...document.images].some(image => image.src.startsWith('blob:') && image.naturalWidth === 2)"
    )
    text = browser.text()
    for wanted in ("DL-CLI-01", "DL-CLI-02", "1.0.32.7.0.255", "optical", "meter-ip.pcap"):
        assert wanted in text


@pytest.mark.slow
@needs_chromium
def test_report_shows_hostile_evidence_as_text_and_runs_none_of_it(report_page: Path, browser: Page) -> None:
    """Names, messages, parameters and attachments with markup: nothing of it runs or fetches."""
    browser.requests.clear()
    browser.open(
        (report_page.parent / "cases/index.html").as_uri(), "document.body.innerText.includes('CLI-02')"
    )
    title = browser.evaluate("document.title")
    browser.evaluate(OPEN_CASE.format("CLI-02"))
    browser.wait_for("document.body.innerText.includes('expected refused')")
    browser.evaluate(OPEN_LINES.format(["evil page", "evil picture", "evil text"]))
    browser.wait_for("document.querySelector('iframe') !== null")
    browser.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 300)))")
    assert MARKUP in browser.text()
    assert title == browser.evaluate("document.title")
    assert browser.outside_requests() == []
    assert browser.dialogs == []


@pytest.mark.slow
def test_report_of_two_benches_keeps_their_results_apart(
    make_run: Callable[[str], ResultsFolder], tmp_path: Path, sample_run: ResultsFolder
) -> None:
    """The same case on a second bench is a second environment in the report, not a retry that hides it."""
    from tests.reports.synthetic import case

    other = make_run("20260105-clients-2")
    other.add(
        case("CLI-02", "The meter answers", "passed", bench="mcs301-optical-3", start_ms=1_790_000_100_000)
    )
    page = generate([sample_run.run, other.run], tmp_path / "both")
    front = page.read_text("utf-8")
    assert "7 cases" in front
    assert "CLI-02" in front
    assert "on mcs301-optical-3" in front


@pytest.mark.slow
def test_report_of_a_run_without_results_says_so_at_a_relative_path(
    make_run: Callable[[str], ResultsFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that died before its first case still has a page, it does not look passed, and it lies here."""
    made = make_run("empty")
    monkeypatch.chdir(made.run)
    page = generate([Path()], Path("report"))
    assert page == Path("report/index.html")
    assert "no case has a result" in page.read_text("utf-8")


def test_report_folder_with_something_else_in_it_is_left_alone(
    sample_run: ResultsFolder, tmp_path: Path
) -> None:
    """``-o ~/Documents`` must not delete anybody's documents."""
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ReportError, match="not a report"):
        generate([sample_run.run], tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_page_of_an_unknown_form_is_not_published(tmp_path: Path) -> None:
    """Where a newer generator writes its page otherwise: better no page than one that talks."""
    page = tmp_path / "index.html"
    page.write_text("<html><body>something new</body></html>")
    with pytest.raises(ReportError, match="changed its form"):
        make_inert(page)


def test_coverage_file_of_another_form_is_refused(tmp_path: Path) -> None:
    """A file that is not coverage is named, not half believed."""
    path = tmp_path / "coverage.json"
    path.write_text('{"behaviours": [{"modelled": true}]}')
    with pytest.raises(ReportError, match="coverage --json"):
        read_coverage(path)
