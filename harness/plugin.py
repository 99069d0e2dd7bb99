"""The pytest plug-in: options, hooks and fixtures; the composition root and nothing else.

It is installed as an entry point, so it is loaded in every pytest session of its environment: this module
imports nothing heavy, and without a plan and without its options it does nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from adapters.base import Clock
    from harness.bench_port import Bench
    from harness.plugin_state import State
    from harness.steps import Steps

_FIXTURES = frozenset({"bench", "clock", "devices", "step"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options ``meterbench run`` has too."""
    group = parser.getgroup("meterbench", "MeterBench: plans on a bench")
    group.addoption("--bench", metavar="BENCH", default="", help="bench file, or virtual:SITE")
    group.addoption(
        "-P",
        dest="mb_parameters",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a plan's parameter",
    )
    group.addoption("--seed", dest="mb_seed", type=int, default=1, help="seed of a virtual bench (default 1)")
    group.addoption("--runs-dir", dest="mb_runs", default="runs", metavar="DIR", help="where runs are kept")
    group.addoption("--resume", dest="mb_resume", default="", metavar="RUN", help="go on with a run's folder")
    group.addoption(
        "--faults",
        dest="mb_faults",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="fault of the site",
    )
    group.addoption("--break", dest="mb_broken", action="append", default=[], metavar="ID", help=_hidden())


def _hidden() -> str:
    import argparse

    return argparse.SUPPRESS


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of Python tests; refuse what cannot be read as an option."""
    for option, destination in (("-P", "mb_parameters"), ("--faults", "mb_faults")):
        for text in config.getoption(destination):
            if not text.partition("=")[0] or "=" not in text:
                raise pytest.UsageError(f"{option} {text}: expected {option} NAME=VALUE")
    config.addinivalue_line("markers", "verifies(*ids): the behaviours a Python test on a bench verifies")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect plans."""
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    from harness import plan_items

    if not plan_items.is_plan(file_path, asked_for=parent.session.isinitpath(file_path)):
        return None
    _state(parent.config)
    made: plan_items.PlanFile = plan_items.PlanFile.from_parent(parent, path=file_path)
    return made


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a resumed run has done already."""
    if config.getoption("mb_resume") and _known(config) is not None:
        from harness.plugin_run import leave_out_done

        leave_out_done(_state(config), items)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin the run, once it is known what it consists of. Mistakes end here, in words, with exit code 4."""
    from harness.plan_items import PlanItem

    config = session.config
    ours = [item for item in session.items if isinstance(item, PlanItem) or _uses_bench(item)]
    state = _known(config)
    if state is None and not ours:
        return
    state = _state(config)
    if state.options.worker:
        from harness.plugin_workers import begin_worker

        begin_worker(state, session.items, ours)
    else:
        from harness.plugin_run import begin

        begin(state, ours)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remember which item runs, and stop after it when a signal has come."""
    state = _known(item.config)
    if state is None or state.session is None:
        return (yield)
    state.item = item
    try:
        return (yield)
    finally:
        state.item = None
        if state.interrupts.reason:
            item.session.shouldstop = f"stopped by {state.interrupts.reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let a signal interrupt a Python test on a bench; a case of a plan sees to that itself."""
    state = _known(item.config)
    if state is None or state.session is None or not _uses_bench(item):
        return (yield)
    with state.interrupts.armed():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep how a Python test ended for the fixture ``step``, and mark reports that are ours."""
    report = yield
    state = _known(item.config)
    if state is not None and state.session is not None:
        from harness.plugin_run import note_report

        note_report(state, item, call, report)
    return report


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Fill the Allure result from the record, just before allure-pytest writes it."""
    for state in _LIVE:
        from harness.plugin_run import fill_allure

        fill_allure(state, nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Show a worker's case, and note failures of tests that are no cases: they count as in any session."""
    for state in _LIVE:
        if hasattr(report, "meterbench_case"):
            from harness.plugin_workers import show_case

            show_case(state, report)
        if report.failed and not getattr(report, "meterbench", False):
            state.outside_failed = True


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Show verdicts in pytest's own line: B for a bench error, I for inconclusive, A for aborted."""
    verdict = dict(report.user_properties).get("verdict", "") if hasattr(report, "user_properties") else ""
    if (
        report.when != "call"
        or not report.failed
        or verdict not in ("bench_error", "inconclusive", "aborted")
    ):
        return None
    word = str(verdict)
    return "failed", word[0].upper(), word.replace("_", " ").upper()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Make the bench safe, complete the reports and set the exit code."""
    state = _known(session.config)
    if state is not None:
        from harness.plugin_run import finish

        finish(state, session)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give the signals back."""
    state = _known(config)
    if state is not None:
        state.interrupts.restore()
        if state in _LIVE:
            _LIVE.remove(state)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say where the run is, and what is wrong with the plans where a worker could not say so."""
    state = _known(config)
    for mistake in state.mistakes if state is not None else ():
        terminalreporter.write_line(f"ERROR: {mistake}", red=True)
    path = state.run_path() if state is not None else None
    if path is not None and path.is_dir():
        terminalreporter.write_line(f"run: {path}")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist: tell a worker which folder the run has."""
    from harness.plugin_workers import prepare_worker

    prepare_worker(_state(node.config), node)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """xdist: a worker is gone."""
    from harness.plugin_workers import worker_down

    worker_down(_state(node.config), node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """xdist: a worker knows what there is to do; all of them find the same."""
    _state(node.config).show_progress(len(ids))


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Bench:
    """The open bench."""
    return _state(request.config).run.bench_for(None)


@pytest.fixture(scope="session")
def clock(bench: Bench) -> Clock:
    """The bench's clock."""
    return bench.clock


@pytest.fixture(scope="session")
def devices(bench: Bench) -> Mapping[str, object]:
    """The devices of the bench by name."""
    return bench.devices


@pytest.fixture
def step(request: pytest.FixtureRequest) -> Iterator[Steps]:
    """Records what a Python test does: ``with step("..."): step.check(...); step.measure(...)``."""
    from harness.plugin_run import python_case

    with python_case(_state(request.config), request.node) as steps:
        yield steps


_LIVE: list[State] = []


def _state(config: pytest.Config) -> State:
    """Return the session's state, made at the first need of it."""
    from harness.plugin_run import make_state
    from harness.plugin_state import STATE

    if STATE not in config.stash:
        config.stash[STATE] = make_state(config)
        _LIVE.append(config.stash[STATE])
    return config.stash[STATE]


def _known(config: pytest.Config) -> State | None:
    """Return the session's state if there is one; a session without plans has none."""
    return next((state for state in _LIVE if state.config is config), None)


def _uses_bench(item: pytest.Item) -> bool:
    """Return whether a Python test asks for one of our fixtures, and not for one of its own by that name."""
    names = _FIXTURES.intersection(getattr(item, "fixturenames", ()))
    if not names:
        return False
    definitions = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009 - private to pytest, pinned below 10
    return any(definitions[name][-1].func.__module__ == __name__ for name in names if definitions.get(name))
