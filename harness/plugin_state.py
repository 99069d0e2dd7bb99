"""What the pytest plug-in knows during one session; kept in the config's stash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapters.errors import ConfigError
from harness.records import CaseRecord, Sink
from harness.verdicts import Verdict

if TYPE_CHECKING:
    from harness.interrupts import Interrupts
    from harness.plan import Plan
    from harness.run_record import RunRecord
    from harness.session import RunOptions, RunSession

STATE: pytest.StashKey[State] = pytest.StashKey()


class State:
    """One session of pytest with plans in it."""

    def __init__(self, config: pytest.Config, options: RunOptions, interrupts: Interrupts) -> None:
        self.config, self.options, self.interrupts = config, options, interrupts
        self.plans: dict[str, Plan] = {}
        self.strange: dict[str, set[str]] = {}  # plan -> the ``-P`` names it has no parameter for
        self.mistakes: list[str] = []  # in plans and bench files, one message each
        self.records: dict[str, CaseRecord] = {}  # by node id
        self.outside_failed = False  # a test that is not ours failed
        self.session: RunSession | None = None
        self.result: RunRecord | None = None
        self.item: pytest.Item | None = None
        self.on_end: list[Callable[[], None]] = []
        self.progress: list[Sink] = []  # the progress display, where somebody asked for one

    def show_progress(self, total: int) -> list[Sink]:
        """Make the progress display for ``total`` cases, where ``meterbench run`` asked for it; return it."""
        make = getattr(self.config, "meterbench_progress", None)
        if make is not None and not self.options.worker and not self.progress:
            sink = make(total)
            self.progress.append(sink)
            close = getattr(sink, "close", None)
            if close is not None:
                self.on_end.append(close)
        return self.progress

    @property
    def run(self) -> RunSession:
        """Return the run, which exists from the end of collection on."""
        assert self.session is not None
        return self.session

    def add_plan(self, plan: Plan) -> None:
        """Take a plan in. Raises ConfigError when another file already has its name."""
        known = self.plans.setdefault(plan.name, plan)
        if known.path != plan.path:
            raise ConfigError(f"the plan {plan.name!r} exists already, in {known.path}", file=str(plan.path))

    def listener(self) -> Any:
        """Return allure-pytest's listener, or None where it is not at work."""
        return self.config.pluginmanager.get_plugin("allure_listener")

    def allure_result(self) -> Any:
        """Return the Allure result of the item that is running, or None."""
        listener = self.listener()
        return None if listener is None else listener.allure_logger.get_test(None)

    def allure_uuid(self) -> str:
        """Return the identity of the Allure result about to be written, so that the journal names it too."""
        result = self.allure_result()
        return "" if result is None else str(result.uuid)

    def verdicts(self) -> Sequence[Verdict]:
        """Return the verdicts of the run as a whole, those of an earlier session included."""
        return () if self.result is None else self.result.verdicts

    def run_path(self) -> Path | None:
        """Return the folder of the run, where there is one."""
        if self.session is not None and self.session.folder is not None:
            return self.session.folder.path
        return self.options.folder


def state_of(config: pytest.Config) -> State:
    """Return the state of this session."""
    return config.stash[STATE]
