"""The HTML report: Allure 3 pages over one or several runs, a front page and a requirement matrix.

Everything lies in one folder, opens from ``file://`` and asks for nothing from outside. What devices and
people wrote into the evidence stays text: it is escaped where we write the page, and a content policy that
names every script by its digest stops whatever else might slip into the generator's pages.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.reporting import ReportError
from reports import pages
from reports.results import Result, read_environment, read_results, results_folder
from reports.toolchain import HERE, find_toolchain, install_generator, run_generator

MARK = ".meterbench-report"  # tells our folder from one that must not be replaced

OUTSIDE_SCRIPT = re.compile(r"<script\b[^>]*\bsrc\s*=\s*[\"']?(?:https?:)?//[^>]*>\s*</script>", re.I)
ANALYTICS = re.compile(r"<script>\s*window\.dataLayer\b.*?</script>", re.S)
INLINE_SCRIPT = re.compile(r"<script\b(?![^>]*\bsrc\s*=)[^>]*>(.*?)</script>", re.S | re.I)


def generate(
    run_dirs: Sequence[Path], output: Path, *, coverage: Path | None = None, title: str = ""
) -> Path:
    """Write the report of ``run_dirs`` into the folder ``output`` and return its front page.

    ``run_dirs`` are run folders or folders of Allure results. ``coverage`` is a JSON file as ``meterbench
    coverage --json`` prints it. ``output`` is replaced when it is an earlier report or empty; a folder with
    anything else in it is left alone. Raises ReportError; the results are never touched.
    """
    folders = [results_folder(run_dir) for run_dir in run_dirs]
    if not folders:
        raise ReportError("no run was given to report on")
    _refuse_foreign(output)
    behaviours = read_coverage(coverage) if coverage else []
    tools = find_toolchain()
    generator = install_generator(tools)

    results = read_results(folders)
    behaviours = behaviours or pages.behaviours_of(results)
    title = title or _title(run_dirs, results)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.resolve().parent) as scratch:
        made = Path(scratch) / "report"
        given: dict[str, object] = {
            "name": title,
            "benches": _benches(results),
            "severalAreas": len({result.suite.partition(" / ")[0] for result in results}) > 1,
            "requirements": any(result.requirements for result in results),
        }
        if behaviours:
            matrix = Path(scratch) / "requirement-matrix.csv"
            matrix.write_text(pages.matrix_csv(behaviours, results), "utf-8")
            given["globalAttachments"] = [str(matrix)]
        arguments = ["generate", *(str(folder.resolve()) for folder in folders)]
        arguments += ["--config", str(HERE / "allurerc.mjs"), "--output", str(made), "--cwd", scratch]
        run_generator(tools, generator, arguments, {"METERBENCH_REPORT": json.dumps(given)})
        for leftover in ("artifacts.json", "test-results.json"):
            (made / leftover).unlink(missing_ok=True)  # names of scratch files: of no use to a reader
        for page in (pages.CASES_PAGE, pages.REQUIREMENTS_PAGE):
            make_inert(made / page)
        # The generator's own front page shows the same two rings twice; ours says what needs attention.
        front = pages.front_page(title, read_environment(folders), results, matrix=bool(behaviours))
        (made / "index.html").write_text(front, "utf-8")
        if behaviours:
            (made / pages.COVERAGE_PAGE).write_text(pages.matrix_page(title, behaviours, results), "utf-8")
        (made / MARK).write_text(
            "A report made by MeterBench; `meterbench report` may replace this folder.\n"
        )
        _replace(made, output)
    return output / "index.html"


def make_inert(page: Path) -> None:
    """Take out of a generated page what asks for the outside, and forbid scripts that are not its own.

    Raises ReportError when the page does not look as expected: better no page than one that talks.
    """
    try:
        text = page.read_text("utf-8")
    except OSError as error:
        raise ReportError(f"the Allure generator did not write {page.name}: {error}") from error
    text = ANALYTICS.sub("", OUTSIDE_SCRIPT.sub("", text)).replace("\r\n", "\n")
    digests = sorted({_digest(script) for script in INLINE_SCRIPT.findall(text)})
    policy = "; ".join(
        (
            "default-src 'none'",
            "script-src data: " + " ".join(f"'sha256-{digest}'" for digest in digests),
            "style-src 'unsafe-inline' data: blob:",
            "img-src data: blob:",
            "media-src data: blob:",
            "font-src data:",
            "connect-src data: blob:",
            "frame-src data: blob:",
            "base-uri 'self' file:",  # the generator's router sets the page's own address
            "form-action 'none'",
        )
    )
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    text, done = re.subn(r"(<head>\s*<meta charset=[^>]*>)", lambda found: found[1] + meta, text, count=1)
    if not done or not digests:
        raise ReportError("the Allure generator's page has changed its form; is its version the pinned one?")
    page.write_text(text, "utf-8")


def read_coverage(path: Path) -> list[pages.Behaviour]:
    """Return the rows of a coverage file. Raises ReportError when it is not one."""
    try:
        rows = json.loads(path.read_text("utf-8"))["behaviours"]
        return [
            pages.Behaviour(
                id=str(row["id"]),
                title=str(row.get("title") or row.get("text") or ""),
                modelled=_flag(row.get("modelled")),
                cases=tuple(str(case) for case in row.get("cases") or ()),
                qualified=_flag(row.get("qualified")),
                context=str(row.get("context") or ""),
            )
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path} is not what `meterbench coverage --json` prints: {error}") from error


def _flag(value: object) -> bool | None:
    return None if value is None else bool(value)


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _title(run_dirs: Sequence[Path], results: Sequence[Result]) -> str:
    """Return what ran on what; for results that do not say so, the name of the run."""
    suites = sorted({result.suite for result in results if result.suite})
    benches = sorted({result.bench for result in results if result.bench})
    if suites and len(benches) == 1:
        what = suites[0].rpartition(" / ")[2] if len(suites) == 1 else f"{len(suites)} plans"
        return f"{what} on {benches[0]}"
    names = [
        path.resolve().parent.name if path.name == "allure-results" else path.resolve().name
        for path in run_dirs
    ]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _benches(results: Sequence[Result]) -> list[str]:
    """Return the benches to keep apart: the generator would take the same case on another one for a retry."""
    benches = sorted({result.bench for result in results if result.bench})
    return benches if len(benches) > 1 else []


def _refuse_foreign(output: Path) -> None:
    if output.is_dir() and any(output.iterdir()) and not (output / MARK).is_file():
        raise ReportError(f"{output} holds something that is not a report; choose another folder with -o")
    if output.exists() and not output.is_dir():
        raise ReportError(f"{output} is a file; choose a folder with -o")


def _replace(made: Path, output: Path) -> None:
    if output.exists():
        shutil.rmtree(output)
    made.rename(output)
