"""A small run with hostile texts in every place, and the report made of it once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reports.synthetic import MARKUP, OUTSIDE, ResultsFolder, case, step, tiny_png


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ResultsFolder]:
    """Return a function that makes an empty run folder."""
    return lambda name: ResultsFolder(tmp_path_factory.mktemp("runs") / name)


@pytest.fixture(scope="session")
def sample_run(make_run: Callable[[str], ResultsFolder]) -> ResultsFolder:
    """Return a run with a case for every verdict, evidence of every kind, and hostile text everywhere."""
    made = make_run("20260105-clients-1")
    table = b"name,expected,actual,unit\nvoltage L1,230 V,230.1 V,V\n"
    wire = b"2026-01-05 00:00:00.000 > 7E A0 07 03 41 93 5A 64 7E  SNRM\n"
    evil_page = f"<html>{MARKUP}<img src='{OUTSIDE}p.png'><script src='{OUTSIDE}s.js'></script></html>"
    evil_picture = (
        "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>"
        f"<script>document.title='owned'</script><image href='{OUTSIDE}i.png'/></svg>"
    )
    made.add(
        case(
            "CLI-01",
            "The public client reads the clock",
            "passed",
            requirements=["DL-CLI-01", "DL-CLI-02"],
            steps=[
                step(
                    "meter.read",
                    parameters={"object": "1.0.32.7.0.255"},
                    steps=[step("voltage L1 = 230.1 V (228.9 .. 231.2 V)")],
                    attachments=[made.attach("curve of voltage L1", tiny_png(), "image/png")],
                )
            ],
            attachments=[
                made.attach("measurements.csv", table, "text/csv"),
                made.attach("wire meter-optical.log", wire, "text/plain"),
                made.attach("meter-ip.pcap", b"\xd4\xc3\xb2\xa1", "application/vnd.tcpdump.pcap"),
            ],
        )
    )
    made.add(
        case(
            "CLI-02",
            f"The meter answers {MARKUP}",
            "failed",
            message=f"FAILED: DL-CLI-03: expected refused, got {MARKUP}",
            requirements=["DL-CLI-03", MARKUP],
            steps=[
                step(
                    f"step {MARKUP}",
                    "failed",
                    parameters={f"p{MARKUP}": MARKUP},
                    attachments=[
                        made.attach("evil page", evil_page.encode(), "text/html"),
                        made.attach("evil picture", evil_picture.encode(), "image/svg+xml"),
                        made.attach("evil text", MARKUP.encode(), "text/plain"),
                    ],
                )
            ],
        )
    )
    lost = "BENCH ERROR: optical: LinkLost"
    made.add(case("CLI-03", "A broken wire", "broken", message=lost, requirements=["DL-CLI-04"]))
    made.add(case("CLI-04", "No evidence", "broken", message="INCONCLUSIVE: nothing was measured"))
    made.add(case("CLI-05", "Stopped", "broken", message="ABORTED: SIGINT during step 'wait'"))
    made.add(case("CLI-06", "Not allowed", "skipped", message="SKIPPED: the bench does not allow energise"))
    (made.folder / "environment.properties").write_text("bench = virtual:mcs301\nseed = 1\n")
    return made


@pytest.fixture(scope="session")
def coverage_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a coverage file as the command prints it: qualified, not qualified, context only, no case."""
    rows = [
        {"id": "DL-CLI-01", "modelled": True, "cases": ["CLI-01"], "qualified": True, "context": None},
        {"id": "DL-CLI-03", "modelled": True, "cases": ["CLI-02", "X-09"], "qualified": False, "context": ""},
        {"id": "DL-CLI-98", "modelled": False, "cases": [], "qualified": None, "context": f"label {MARKUP}"},
        {"id": "DL-CLI-99", "modelled": False, "cases": [], "qualified": False, "context": ""},
    ]
    path = tmp_path_factory.mktemp("coverage") / "coverage.json"
    path.write_text(json.dumps({"behaviours": rows}), "utf-8")
    return path


@pytest.fixture(scope="session")
def report_page(
    sample_run: ResultsFolder, coverage_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the front page of the report the real generator made of the sample run."""
    from reports.allure_html import generate

    output = tmp_path_factory.mktemp("report") / "report"
    return generate([sample_run.run], output, coverage=coverage_file)
