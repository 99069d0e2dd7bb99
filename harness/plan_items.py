"""A plan file as pytest sees it: a collector whose items are cases."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.errors import BenchError, ConfigError
from harness.plan import Case, Plan
from harness.plugin_state import state_of
from harness.sinks.allure import headline
from harness.verdicts import Verdict

if TYPE_CHECKING:
    from _pytest._code.code import ExceptionInfo, TerminalRepr

_LOOKS_LIKE_A_PLAN = re.compile(rb"^plan\s*:", re.MULTILINE)


class CaseEnded(Exception):
    """Carries the verdict of a case that did not pass through pytest; the message is the report's."""

    def __init__(self, verdict: Verdict, message: str) -> None:
        super().__init__(headline(verdict, message))
        self.verdict = verdict


class CaseDidNotHold(CaseEnded, AssertionError):
    """The device broke a requirement: to pytest and its plug-ins a failed assertion, not an error."""


def is_plan(path: Path, *, asked_for: bool) -> bool:
    """Return whether ``path`` is to be collected: asked for by name, or a plan below ``testplans``.

    The catalogue of behaviours and other YAML files beside the plans have no key ``plan``.
    """
    if path.suffix not in (".yaml", ".yml"):
        return False
    if asked_for:
        return True
    if "testplans" not in path.parts:
        return False
    try:
        with path.open("rb") as file:
            return _LOOKS_LIKE_A_PLAN.search(file.read(20_000)) is not None
    except OSError:
        return False


class PlanFile(pytest.File):
    """Compiles a plan; its mistakes are gathered and told together, without a traceback."""

    plan: Plan

    def collect(self) -> Iterable[PlanItem]:
        """Yield one item for each case and row."""
        from harness.plan_compiler import compile_plan

        state = state_of(self.config)
        try:
            strange: set[str] = set()
            self.plan = compile_plan(self.path, overrides=state.options.parameters, strange=strange)
            state.add_plan(self.plan)
            state.strange[self.plan.name] = strange
        except ConfigError as error:
            state.mistakes.append(str(error))
            return
        for case in self.plan.cases:
            yield PlanItem.from_parent(self, name=case.key, plan=self.plan, case=case)


class PlanItem(pytest.Item):
    """One case. Markers: its tags, the behaviours it verifies and their families, for ``-m``."""

    def __init__(self, *, plan: Plan, case: Case, name: str, parent: PlanFile) -> None:
        super().__init__(name, parent)
        self.plan, self.case = plan, case
        for word in dict.fromkeys((*case.tags, *case.verifies, *map(family, case.verifies))):
            # pytest refuses markers nobody registered; these come from data.
            self.config.addinivalue_line("markers", f"{word}: from a plan")
            self.add_marker(word)
        if self.config.pluginmanager.hasplugin("timeout"):
            # The time-out of a project's unit tests is not a limit for a case on hardware.
            self.add_marker(pytest.mark.timeout(0))
        for behaviour in case.verifies:
            self.user_properties.append(("requirement", behaviour))

    def runtest(self) -> None:
        """Run the case; whatever is not a pass is raised, once everything has been recorded."""
        state = state_of(self.config)
        try:
            record = state.run.run_case(self.plan, self.case, case_uuid=state.allure_uuid())
        except BenchError as error:  # the journal cannot be written: nothing more can be proved
            state.run.problems.append(str(error))
            self.session.shouldstop = str(error)
            raise CaseEnded(Verdict.bench_error, str(error)) from None
        state.records[self.nodeid] = record
        self.user_properties.append(("verdict", record.verdict.name))
        match record.verdict:
            case Verdict.passed:
                return
            case Verdict.skipped:
                pytest.skip(record.message)
            case Verdict.failed:
                raise CaseDidNotHold(record.verdict, record.message)
            case verdict:
                raise CaseEnded(verdict, record.message)

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: object = None) -> str | TerminalRepr:
        """Return the message alone: the frames of pytest and the runner tell a lab nothing."""
        if isinstance(excinfo.value, CaseEnded):
            return f"{excinfo.value}\n{self.case.location}"
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the case stands."""
        return self.path, self.case.location.line - 1, self.name


def family(behaviour: str) -> str:
    """Return the family of a behaviour id: ``DL-CLI`` of ``DL-CLI-02``."""
    return behaviour.rpartition("-")[0] or behaviour
