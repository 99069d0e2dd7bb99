"""What the plug-in's hooks do once there is a plan: begin the run, record, finish, set the exit code."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import BenchError, ConfigError, LabError
from harness.interrupts import Interrupts
from harness.plan import Plan
from harness.plan_items import PlanItem
from harness.plugin_state import State
from harness.plugin_workers import finish_workers, tell_controller
from harness.records import Attachment, CaseRecord
from harness.resume import done_cases
from harness.run_record import PlannedCase
from harness.session import RunOptions, RunSession, planned_cases
from harness.sinks.allure import AllureWriter
from harness.steps import Steps, close_case, open_case
from harness.verdicts import Aborted, Verdict, exit_code, verdict_of
from harness.wording import error_text

EXIT_BENCH, EXIT_USAGE = 3, 4


def make_state(config: pytest.Config) -> State:
    """Read the options. Raises UsageError for one that cannot be read."""
    option = config.getoption
    worker = getattr(config, "workerinput", {})
    options = RunOptions(
        bench=option("bench"),
        parameters=_pairs(option("mb_parameters")),
        seed=option("mb_seed"),
        runs=Path(option("mb_runs")),
        broken=frozenset(option("mb_broken")),
        faults=_pairs(option("mb_faults")),
        resume=Path(option("mb_resume")) if option("mb_resume") else None,
        worker=str(worker.get("workerid", "")),
        workers=int(worker.get("workercount", 1)),
        folder=Path(worker["meterbench_folder"]) if "meterbench_folder" in worker else None,
        requirement_url=dict(option("allure_link_pattern", None) or []).get("requirement", ""),
    )
    return State(config, options, Interrupts())


def begin(state: State, items: Sequence[pytest.Item]) -> None:
    """Begin the run. Raises UsageError with every mistake of plans and benches, one line each."""
    config = state.config
    _complain_of_parameters(state)
    _complain(state)
    if config.option.collectonly or not items:
        return
    plans = list({item.plan.name: item.plan for item in items if isinstance(item, PlanItem)}.values())
    session = RunSession(
        state.options,
        state.interrupts,
        state.show_progress(len(items)),
        open_bench=getattr(config, "meterbench_open_bench", None),
    )
    state.interrupts.install()
    try:
        session.begin(plans, _planned(plans, items))
    except ConfigError as error:
        state.mistakes.append(str(error))
        session.forget()
        _complain(state)
    except BenchError as error:
        state.mistakes.append(str(error))
        _complain(state)
    except Aborted as stop:
        session.end()
        raise KeyboardInterrupt(str(stop)) from None
    state.session = session
    state.on_end.append(_spare_garbage())
    _listen(state)


_GARBAGE_THRESHOLDS = (50_000, 20, 100)


def _spare_garbage() -> Callable[[], None]:
    """Search for garbage less often, and return what undoes that.

    A run builds records that live until its end, beside all that was loaded and compiled before it; looking
    through them again and again takes a tenth of it.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    gc.freeze()

    def undo() -> None:
        gc.set_threshold(*before)
        gc.unfreeze()

    return undo


def _complain_of_parameters(state: State) -> None:
    """Tell of every ``-P`` that no plan of this run has a parameter for."""
    from harness.plan_compiler import compile_plan

    if not state.strange or state.mistakes:
        return
    nobodys = set.intersection(*state.strange.values())
    given = {name: value for name, value in state.options.parameters.items() if name in nobodys}
    if given:
        try:
            compile_plan(next(iter(state.plans.values())).path, overrides=given)
        except ConfigError as error:
            state.mistakes.append(str(error))


def _complain(state: State) -> None:
    if state.mistakes:
        raise pytest.UsageError("\n".join(state.mistakes))


def _planned(plans: Sequence[Plan], items: Sequence[pytest.Item]) -> list[PlannedCase]:
    planned: list[PlannedCase] = []
    for plan in plans:
        cases = [item.case for item in items if isinstance(item, PlanItem) and item.plan.name == plan.name]
        planned += planned_cases(plan, cases)
    for item in items:
        if not isinstance(item, PlanItem) and "step" in getattr(item, "fixturenames", ()):
            record = python_record(item, "")
            planned.append(
                PlannedCase(
                    plan=record.plan,
                    key=record.key,
                    title=record.title,
                    area=record.area,
                    verifies=record.verifies,
                )
            )
    return planned


def _listen(state: State) -> None:
    """See to it that allure-pytest writes into the run's folder, whether or not it writes elsewhere too."""
    config = state.config
    if not config.pluginmanager.hasplugin("allure_pytest"):
        return
    import allure_commons
    from allure_commons.logger import AllureFileLogger
    from allure_pytest.listener import AllureListener  # type: ignore[import-untyped]

    assert state.run.folder is not None
    make_logger: Any = AllureFileLogger  # untyped
    plugins: list[object] = [make_logger(str(state.run.folder.allure_results))]
    if state.listener() is None:
        listener = AllureListener(config)
        config.pluginmanager.register(listener, "allure_listener")
        plugins.append(listener)
    for plugin in plugins:
        allure_commons.plugin_manager.register(plugin)
        state.on_end.append(partial(allure_commons.plugin_manager.unregister, plugin))


# -- while it runs


def note_report(
    state: State, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> None:
    """Mark the report of a case as ours, and keep how the call of a Python test ended."""
    tell_controller(state, item, report)
    if isinstance(item, PlanItem):
        report.meterbench = True  # type: ignore[attr-defined]
        return
    if "step" not in getattr(item, "fixturenames", ()):
        return
    report.meterbench = True  # type: ignore[attr-defined]
    error = call.excinfo.value if call.excinfo is not None else None
    record = state.records.get(item.nodeid)
    if call.when == "setup" and error is not None:
        _setup_failed(state, item, error)
    elif call.when == "call" and record is not None:
        if error is not None:
            _blame(state, record, error)
        report.user_properties.append(("verdict", record.verdict.name))
    elif call.when == "teardown" and record is not None and error is not None:
        state.run.amend(record, Verdict.bench_error, f"tear-down: {error_text(error)}")


def _setup_failed(state: State, item: pytest.Item, error: BaseException) -> None:
    """Record a Python test whose fixtures failed: it began and ended with that."""
    record = state.records.get(item.nodeid)
    if record is not None:  # its own record is closed by now, another fixture failed after it
        state.run.amend(record, Verdict.bench_error, f"set-up: {error_text(error)}")
        return
    record = state.records[item.nodeid] = python_record(item, state.allure_uuid())
    clock = state.run.bench_for(None).clock
    open_case(record, clock)
    for sink in state.run.sinks:
        sink.case_started(record)
    _blame(state, record, error)
    close_case(record, clock)
    for sink in state.run.sinks:
        sink.case_ended(record)


def _blame(state: State, record: CaseRecord, error: BaseException) -> None:
    """Give a Python test its verdict. There a plain ``assert`` is a check of the device, as in any test."""
    text = state.run.scrubber.text
    match error:
        case pytest.skip.Exception():
            record.verdict, record.message = Verdict.skipped, text(str(error))
            return
        case AssertionError() | pytest.fail.Exception():
            record.verdict = Verdict.failed
        case _:
            record.verdict = verdict_of(error)
    message = text(str(error) if record.verdict is Verdict.failed else error_text(error), 4000)
    ids = ", ".join(record.verifies)
    named = record.verdict is not Verdict.failed or not ids or message.startswith(ids)
    record.message = message if named else f"{ids}: {message}"


def fill_allure(state: State, nodeid: str) -> None:
    """Replace what allure-pytest made of the item by what the record says."""
    record = state.records.get(nodeid)
    result = state.allure_result()
    if record is None or result is None or state.session is None:
        return
    bench = state.run.bench_for(state.plans.get(record.plan))
    assert state.run.folder is not None
    writer = AllureWriter(
        state.run.folder.allure_results,
        bench=bench.name,
        put=_hand_over,
        requirement_url=state.options.requirement_url,
    )
    writer.fill(result, record)


def _hand_over(attachment: Attachment, source: str) -> None:
    """Give an attachment to every folder allure-pytest writes to."""
    import allure_commons

    hook = allure_commons.plugin_manager.hook
    if attachment.path is not None:
        hook.report_attached_file(source=str(attachment.path), file_name=source)
    else:
        hook.report_attached_data(body=attachment.data, file_name=source)


@contextmanager
def python_case(state: State, item: pytest.Item) -> Iterator[Steps]:
    """Record a Python test like a case."""
    record = python_record(item, state.allure_uuid())
    steps = state.run.python_steps(record)
    open_case(record, steps.clock)
    state.records[item.nodeid] = record
    for sink in state.run.sinks:
        sink.case_started(record)
    yield steps
    with state.interrupts.shielded():
        state.run.finish_python(steps)
        close_case(record, steps.clock)
        for sink in state.run.sinks:
            sink.case_ended(record)


def python_record(item: pytest.Item, case_uuid: str) -> CaseRecord:
    """Return the record of a Python test: its module is the plan, its name the case."""
    verifies = [str(behaviour) for mark in item.iter_markers("verifies") for behaviour in mark.args]
    doc = getattr(getattr(item, "function", None), "__doc__", None) or ""
    return CaseRecord(
        key=item.name,
        title=doc.strip().partition("\n")[0],
        plan=item.path.stem,
        area=item.path.parent.name,
        verifies=tuple(dict.fromkeys(verifies)),
        uuid=case_uuid,
    )


# -- the end


def finish(state: State, session: pytest.Session) -> None:
    """Make the bench safe, complete the reports, set the exit code; signals still wait outside."""
    if state.session is not None:
        state.result = state.run.end()
    elif state.options.folder is not None and not state.options.worker:
        state.result = finish_workers(state.options.folder)
    for action in state.on_end:
        action()
    if state.mistakes and not state.options.worker:
        session.exitstatus = EXIT_USAGE
        return
    if state.session is not None and state.run.problems and state.result is None:
        session.exitstatus = EXIT_BENCH
    if state.result is not None and not state.options.worker:
        session.exitstatus = _exit_status(state, session.exitstatus)


def _exit_status(state: State, status: int | pytest.ExitCode) -> int | pytest.ExitCode:
    """Return the exit code: pytest's where pytest itself has something to say, else the worst verdict's."""
    ordinary = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
    # A signal after the last case stopped nothing: what there was to do is done and has its verdict.
    too_late = status == pytest.ExitCode.INTERRUPTED and state.result is not None and not state.result.not_run
    if status not in ordinary and not too_late:
        return status
    code = exit_code(state.verdicts())
    if state.outside_failed and code in (0, 3):
        return pytest.ExitCode.TESTS_FAILED
    return 3 if code == 0 and state.session is not None and state.run.problems else code


def leave_out_done(state: State, items: list[pytest.Item]) -> None:
    """Deselect the cases a resumed run already has a verdict for."""
    assert state.options.resume is not None
    try:
        done = done_cases(state.options.resume, state.plans)
    except ConfigError as error:
        state.mistakes.append(str(error))
        return
    except LabError as error:
        raise pytest.UsageError(str(error)) from None
    left: list[pytest.Item] = []
    out: list[pytest.Item] = []
    for item in items:
        key = (item.plan.name, item.case.key) if isinstance(item, PlanItem) else (item.path.stem, item.name)
        (out if key in done else left).append(item)
    items[:] = left
    if out:
        state.config.hook.pytest_deselected(items=out)


def _pairs(given: Sequence[str]) -> dict[str, str]:
    return {name.strip(): value.strip() for name, _, value in (text.partition("=") for text in given)}
