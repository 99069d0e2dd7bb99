"""A run as its journal tells it: what was planned, every attempt at a case, and whether it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.errors import BenchError
from harness.journal import check_of, read_events, time_of, verdict_named
from harness.records import Attachment, CaseRecord, StepRecord
from harness.run_folder import RunFolder
from harness.verdicts import Verdict


@dataclass(frozen=True, kw_only=True)
class PlannedCase:
    """A case the run set out to do."""

    plan: str
    key: str
    title: str = ""
    plan_title: str = ""
    area: str = ""
    source: str = ""
    verifies: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    row: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class RunRecord:
    """Everything a run's journals hold. ``header`` is the event ``run_started``."""

    path: Path
    header: Mapping[str, Any]
    planned: tuple[PlannedCase, ...]
    attempts: list[CaseRecord]  # in the order they began; a resumed case has several
    open_cases: dict[str, CaseRecord]  # begun and never ended, by the name of the journal
    open_journals: list[Path]  # whose process wrote no end
    notes: list[str]

    @property
    def name(self) -> str:
        """Return the run's name, that of its folder."""
        return self.path.name

    @property
    def ended(self) -> bool:
        """Return whether every process of the run came to its end."""
        return not self.open_journals

    @property
    def cases(self) -> list[CaseRecord]:
        """Return the last attempt of each case, in the order of the plan."""
        last = {(record.plan, record.key): record for record in self.attempts}
        ordered = [last.pop(key) for planned in self.planned if (key := (planned.plan, planned.key)) in last]
        return ordered + list(last.values())

    @property
    def not_run(self) -> list[PlannedCase]:
        """Return the planned cases nobody began."""
        begun = {(record.plan, record.key) for record in self.attempts}
        return [planned for planned in self.planned if (planned.plan, planned.key) not in begun]

    @property
    def verdicts(self) -> list[Verdict]:
        """Return the verdict of each case that was begun."""
        return [record.verdict for record in self.cases]


def read_run(path: Path) -> RunRecord:
    """Read the journals of a run's folder. Raises BenchError where there is none worth the name."""
    journals = RunFolder(path).journals()
    run = RunRecord(path=path, header={}, planned=(), attempts=[], open_cases={}, open_journals=[], notes=[])
    planned: dict[tuple[str, str], PlannedCase] = {}
    for journal in journals:
        reader = _Reader(run, planned)
        for event in read_events(journal):
            reader.take(event)
        open_case = reader.finish()
        if open_case is not None:
            run.open_cases[journal.name] = open_case
        if not reader.ended:
            run.open_journals.append(journal)
    if not run.header:
        raise BenchError(f"{path} is not a run: it has no journal with a beginning")
    run.planned = tuple(planned.values())
    run.attempts.sort(key=lambda record: str(record.wall_started))
    return run


class _Reader:
    """Turns the events of one journal into records."""

    def __init__(self, run: RunRecord, planned: dict[tuple[str, str], PlannedCase]) -> None:
        self._run, self._planned = run, planned
        self._case: CaseRecord | None = None
        self._stack: list[StepRecord] = []
        self._last: dict[str, Any] = {}
        self.ended = False

    def take(self, event: dict[str, Any]) -> None:
        """Take the next event; kinds this release does not know are passed over."""
        if not event.get("recovered"):
            self._last = event
        handler = getattr(self, "_" + event["e"], None)
        if handler is not None:
            handler(event)

    def finish(self) -> CaseRecord | None:
        """Close the case the journal leaves open, at the time of its last event, and return it."""
        case = self._case
        if case is None:
            return None
        case.ended, case.wall_ended = time_of(self._last, "t"), time_of(self._last, "w")
        case.verdict = Verdict.aborted
        where = f"step {self._stack[-1].title!r}" if self._stack else "the case, between two steps"
        case.message = f"process died during {where}"
        for step in self._stack:
            step.ended, step.wall_ended = case.ended, case.wall_ended
            step.verdict, step.message = Verdict.aborted, case.message
        return case

    def _run_started(self, event: dict[str, Any]) -> None:
        if not self._run.header:
            self._run.header = event
        self._take_planned(event)

    def _run_resumed(self, event: dict[str, Any]) -> None:
        self.ended = False
        self._take_planned(event)

    def _take_planned(self, event: dict[str, Any]) -> None:
        for entry in event.get("planned", ()):
            planned = PlannedCase(
                plan=entry["plan"],
                key=entry["case"],
                title=entry.get("title", ""),
                plan_title=entry.get("plan_title", ""),
                area=entry.get("area", ""),
                source=entry.get("source", ""),
                verifies=tuple(entry.get("verifies", ())),
                tags=tuple(entry.get("tags", ())),
                row=entry.get("row", {}),
            )
            self._planned.setdefault((planned.plan, planned.key), planned)

    def _run_ended(self, _: dict[str, Any]) -> None:
        self.ended = True

    def _signal(self, event: dict[str, Any]) -> None:
        self._run.notes.append(f"{event.get('name', 'signal')} at {event.get('w')}")

    def _note(self, event: dict[str, Any]) -> None:
        self._run.notes.append(str(event.get("text", "")))

    def _case_started(self, event: dict[str, Any]) -> None:
        self.finish()
        self._stack = []
        self._case = CaseRecord(
            key=event["case"],
            title=event["title"],
            plan=event["plan"],
            plan_title=event.get("plan_title", ""),
            area=event.get("area", ""),
            source=event.get("source", ""),
            verifies=tuple(event.get("verifies", ())),
            tags=tuple(event.get("tags", ())),
            row=event.get("row", {}),
            uuid=event.get("uuid", ""),
            wire=event.get("wire", "wire"),
            started=time_of(event, "t"),
            wall_started=time_of(event, "w"),
        )
        self._run.attempts.append(self._case)

    def _case_amended(self, event: dict[str, Any]) -> None:
        for record in reversed(self._run.attempts):
            if (record.plan, record.key) == (event["plan"], event["case"]):
                record.verdict, record.message = verdict_named(event["verdict"]), event["message"]
                return

    def _step_started(self, event: dict[str, Any]) -> None:
        if self._case is None:
            return
        step = StepRecord(
            title=event["title"],
            arguments=event.get("arguments", {}),
            phase=event.get("phase", "steps"),
            started=time_of(event, "t"),
            wall_started=time_of(event, "w"),
        )
        (self._stack[-1].steps if self._stack else self._case.steps).append(step)
        self._stack.append(step)

    def _checked(self, event: dict[str, Any]) -> None:
        if self._stack:
            step = self._stack[-1]
            step.checks.append(check_of(event))
            step.check_after.append(len(step.steps))

    def _attached(self, event: dict[str, Any]) -> None:
        if self._case is None or not event.get("path"):
            return
        attachment = Attachment(name=event["name"], mime=event["mime"], path=self._run.path / event["path"])
        holder = self._case if event.get("case") or not self._stack else self._stack[-1]
        holder.attachments.append(attachment)

    def _step_ended(self, event: dict[str, Any]) -> None:
        if not self._stack:
            return
        step = self._stack.pop()
        step.verdict, step.message = verdict_named(event["verdict"]), event.get("message", "")
        step.ended, step.wall_ended = time_of(event, "t"), time_of(event, "w")

    def _case_ended(self, event: dict[str, Any]) -> None:
        case = self._case
        if case is None:
            return
        if event.get("recovered"):  # written later, by another process: the case ended with its last event
            self.finish()
        else:
            case.ended, case.wall_ended = time_of(event, "t"), time_of(event, "w")
        case.verdict, case.message = verdict_named(event["verdict"]), event.get("message", "")
        self._case, self._stack = None, []
