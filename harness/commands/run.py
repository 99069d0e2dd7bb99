"""``meterbench run``: plans on a bench, through pytest in this process, with quiet output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.commands.workers import how_many

EXIT_USAGE = 4
_SETTINGS = Path(__file__).with_name("run.ini")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    plans: Annotated[
        list[Path] | None, typer.Argument(metavar="PLAN...", help="Plans, or folders of plans.")
    ] = None,
    bench: Annotated[str, typer.Option("--bench", help="Bench file, or virtual:SITE.")] = "",
    parameter: Annotated[
        list[str] | None, typer.Option("-P", metavar="NAME=VALUE", help="Parameter of a plan.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of a virtual bench.")] = None,
    runs_dir: Annotated[Path, typer.Option("--runs-dir", help="Where runs are kept.")] = Path("runs"),
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="RUN", help="Go on with a run: do what is not done."),
    ] = None,
    keyword: Annotated[
        str, typer.Option("-k", metavar="EXPRESSION", help="Only cases whose name matches.")
    ] = "",
    markers: Annotated[
        str, typer.Option("-m", metavar="EXPRESSION", help="Only cases with these tags or behaviours.")
    ] = "",
    exit_first: Annotated[
        bool, typer.Option("-x", help="Stop after the first case that does not pass.")
    ] = False,
    workers: Annotated[
        str,
        typer.Option(
            "--workers", metavar="N|auto", help="Processes that share the plans of virtual benches."
        ),
    ] = "1",
    faults: Annotated[
        list[str] | None, typer.Option("--faults", metavar="NAME=VALUE", help="Fault of a virtual site.")
    ] = None,
    broken: Annotated[list[str] | None, typer.Option("--break", metavar="ID", hidden=True)] = None,
) -> None:
    """Replay plans on a bench.

    Exit code: 0 all passed, 1 a device failed, 2 aborted, 3 bench error or inconclusive, 4 a plan, a bench
    file or the command line is wrong.
    """
    arguments: list[str] = []
    targets = list(plans or [])
    if resume is not None:
        from adapters.errors import BenchError
        from harness.resume import begun_with

        try:
            begun = begun_with(resume)
        except BenchError as error:
            raise typer.BadParameter(str(error), param_hint="--resume") from error
        if targets or bench or parameter or seed is not None or faults or broken:
            raise typer.BadParameter(
                "a resumed run keeps its plans, bench, seed and parameters", param_hint="--resume"
            )
        if not begun.left:
            _say(f"{resume} is complete: every case has its verdict")
            raise typer.Exit(_verdict_code(resume))
        targets, bench, seed = list(begun.plans), begun.bench, begun.seed
        parameter = [f"{name}={value}" for name, value in begun.parameters.items()]
        faults = [f"{name}={value}" for name, value in begun.faults.items()]
        broken = list(begun.broken)
        arguments.append(f"--resume={resume}")
    if not targets:
        raise typer.BadParameter("name at least one plan, or a folder of plans", param_hint="PLAN")
    for target in targets:
        if not target.exists():
            raise typer.BadParameter(f"there is no file or folder {target}", param_hint="PLAN")
    arguments += [f"--bench={bench}", f"--runs-dir={runs_dir}"]
    arguments += [] if seed is None else [f"--seed={seed}"]
    arguments += [f"-P{pair}" for pair in parameter or ()]
    arguments += [f"--faults={pair}" for pair in faults or ()]
    arguments += [f"--break={behaviour}" for behaviour in broken or ()]
    arguments += ["-k", keyword] if keyword else []
    arguments += ["-m", markers] if markers else []
    arguments += ["-x"] if exit_first else []
    processes = how_many(workers, targets, bench)
    arguments += [f"-n{processes}", "--dist=loadfile", "--no-loadscope-reorder"] if processes > 1 else []
    raise typer.Exit(_pytest(arguments, targets))


class _Quiet:
    """Takes the place of pytest's terminal report: progress while it runs, one line when it is over."""

    def pytest_configure(self, config: Any) -> None:
        """Ask the plug-in for the progress display."""
        try:
            from harness.progress import ProgressSink
        except ImportError:
            return
        config.meterbench_progress = ProgressSink

    def pytest_collectreport(self, report: Any) -> None:
        """Tell why something could not be collected."""
        if report.failed:
            _say(report.longreprtext.strip().splitlines()[-1])

    def pytest_internalerror(self, excrepr: Any) -> None:
        """Tell of a bug; there is no terminal reporter that would."""
        _say(str(excrepr))

    def pytest_warning_recorded(self, warning_message: Any) -> None:
        """Tell of a warning, briefly."""
        _say(f"warning: {warning_message.message}")

    def pytest_unconfigure(self, config: Any) -> None:
        """Say where the run is."""
        from harness.plugin_state import STATE

        state = config.stash.get(STATE, None)
        if state is not None and state.options.folder is not None:  # in words of a worker, which cannot speak
            for mistake in state.mistakes:
                _say(f"ERROR: {mistake}")
        path = state.run_path() if state is not None else None
        if path is not None and path.is_dir():
            for problem in state.session.problems if state.session is not None else ():
                _say(f"while making the bench safe: {problem}")
            _say("run:")
            sys.stdout.write(f"{path}\n")  # on stdout alone, for scripts
            sys.stdout.flush()


def _pytest(arguments: list[str], targets: list[Path]) -> int:
    """Run pytest with settings of our own, so that a project's pytest.ini does not change a lab's run."""
    from contextlib import suppress

    import pytest

    with suppress(ImportError):
        import harness.progress  # noqa: F401 - keeps the real standard error, before pytest captures it

    code = _main(pytest, arguments, targets)
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        _say("meterbench: no case was chosen")
        return EXIT_USAGE
    return int(code)


def _main(pytest: Any, arguments: list[str], targets: list[Path]) -> Any:
    return pytest.main(
        [
            *("-c", str(_SETTINGS), f"--rootdir={Path.cwd()}"),
            *("-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:junitxml"),
            *("-p", "no:timeout", "-p", "no:hypothesispytest"),
            *arguments,
            *map(str, targets),
        ],
        plugins=[_Quiet()],
    )


def _verdict_code(path: Path) -> int:
    from harness.run_record import read_run
    from harness.verdicts import exit_code

    return exit_code(read_run(path).verdicts)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
