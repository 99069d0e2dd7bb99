"""What the plug-in does where pytest-xdist shares a run among processes.

A worker is a pytest session of its own, with its own benches and its own journal in the run's one folder.
It cannot speak to the user: its controller tells of mistakes, shows the progress, hands signals on, and
writes the reports of the whole when the last worker is gone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.clock import WallClock
from harness.interrupts import Interrupts
from harness.plugin_state import State
from harness.records import CaseRecord
from harness.recovery import complete, recover, recover_all
from harness.run_folder import RunFolder, run_name
from harness.run_record import RunRecord, read_run
from harness.session import worker_folder
from harness.verdicts import Verdict

# -- in a worker


def begin_worker(state: State, items: list[pytest.Item], ours: Sequence[pytest.Item]) -> None:
    """Begin the worker's part. A worker that died of a mistake would only be replaced by the next; so it
    ends without tests.
    """
    from harness.plugin_run import begin

    try:
        begin(state, ours)
    except pytest.UsageError:
        state.config.workeroutput["meterbench_mistakes"] = list(state.mistakes)  # type: ignore[attr-defined]
        items.clear()


def tell_controller(state: State, item: pytest.Item, report: pytest.TestReport) -> None:
    """Send what the controller shows of a case along with the report of its call."""
    record = state.records.get(item.nodeid)
    if state.options.worker and report.when == "call" and record is not None:
        report.meterbench_case = {  # type: ignore[attr-defined]
            "key": record.key,
            "title": record.title,
            "plan": record.plan,
            "verdict": record.verdict.name,
            "message": record.message,
            **{name: at.isoformat() for name in _TIMES if (at := getattr(record, name)) is not None},
        }


_TIMES = ("started", "ended", "wall_started", "wall_ended")

# -- in the controller


def prepare_worker(state: State, node: Any) -> None:
    """Choose the run's folder once, and tell every worker."""
    options = state.options
    if options.folder is None:
        recover_all(options.runs)
        plans = [Path(arg.partition("::")[0]).stem for arg in state.config.args]
        name = run_name(plans, WallClock().utc_now())
        folder = options.resume if options.resume is not None else worker_folder(options.runs, name)
        state.options = replace(options, folder=folder.absolute())
        state.interrupts = Interrupts(on_request=partial(stop_workers, state))
        state.interrupts.install()
    node.workerinput["meterbench_folder"] = str(state.options.folder)


def show_case(state: State, report: pytest.TestReport) -> None:
    """Show a case that ended in a worker."""
    told: dict[str, str] | None = getattr(report, "meterbench_case", None)
    if told is None or state.options.worker or state.options.folder is None:
        return
    record = CaseRecord(
        key=told["key"],
        title=told["title"],
        plan=told["plan"],
        verdict=Verdict[told["verdict"]],
        message=told["message"],
        **{name: datetime.fromisoformat(told[name]) for name in _TIMES if name in told},  # type: ignore[arg-type]
    )
    for sink in state.progress:
        sink.case_started(record)
        sink.case_ended(record)


def stop_workers(state: State, reason: str) -> None:
    """Hand a signal the controller got to its workers, which end their cases in order."""
    alive = RunFolder(state.options.folder).live_processes() if state.options.folder is not None else []
    if not alive:
        raise KeyboardInterrupt(reason)
    for pid in alive:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def worker_down(state: State, node: Any) -> None:
    """Take over the mistakes a worker found; every worker finds the same."""
    for mistake in getattr(node, "workeroutput", {}).get("meterbench_mistakes", ()):
        if mistake not in state.mistakes:
            state.mistakes.append(mistake)


def finish_workers(folder: Path) -> RunRecord | None:
    """End what a lost worker left open and write the reports of the whole run."""
    if not folder.is_dir():
        return None
    recover(folder)
    run = read_run(folder)
    complete(run)
    return run
