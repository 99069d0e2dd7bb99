"""``meterbench report``: turns finished runs into something to read."""

from __future__ import annotations

import json
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from harness.recovery import recover
from harness.reporting import ReportError, find_reporter

EXIT_NO_REPORT = 3


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where the report goes; default: in the run."),
    ] = None,
    coverage: Annotated[
        Path | None,
        typer.Option(
            "--coverage",
            metavar="FILE",
            help="What `meterbench coverage --json` printed; default: coverage.json in the first run.",
        ),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Title of the report; default: the run's name.")] = "",
    reporter: Annotated[
        str, typer.Option("--reporter", help="Which installed reporter makes it.")
    ] = "allure",
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was made as JSON.")] = False,
) -> None:
    """Make the HTML report of one or several runs and print where it is.

    A run that was killed is completed first. Where the report cannot be made, the results stay where they
    are and the exit code is 3.
    """
    for run in runs:
        if not run.is_dir():
            raise typer.BadParameter(f"there is no folder {run}", param_hint="RUN")
        recovered = recover(run)
        if recovered is not None:
            stopped = ", ".join(recovered.interrupted) or "no case"
            _say(f"{run} was killed: {stopped} was open; {len(recovered.not_run)} cases did not run")
    target = output or (runs[0] / "report" if len(runs) == 1 else runs[0].resolve().parent / "report")
    if coverage is None and (runs[0] / "coverage.json").is_file():
        coverage = runs[0] / "coverage.json"
    try:
        page = find_reporter(reporter)(runs, target, coverage=coverage, title=title)
    except ReportError as error:
        _say(f"meterbench: no report: {error}")
        for run in runs:
            kept = [name for name in ("junit.xml", "allure-results") if (run / name).exists()]
            if kept:
                _say(f"The results are safe in {run}: {' and '.join(kept)}")
        raise typer.Exit(EXIT_NO_REPORT) from error
    if as_json:
        sys.stdout.write(json.dumps({"report": str(page), "runs": [str(run) for run in runs]}) + "\n")
    else:
        _say("Report:")
        sys.stdout.write(f"{page}\n")
    sys.stdout.flush()
    if show and not webbrowser.open(page.resolve().as_uri()):
        _say("no browser could be started")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
