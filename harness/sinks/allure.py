"""Turns the record of a case into an Allure result.

The same function serves a running session, where it fills the result allure-pytest is about to write, and
the recovery of a killed one, where the record comes from the journal. Identities are our own: allure-pytest
derives them from file names, cuts them at the first bracket and lets rows of one case collide.
"""

from __future__ import annotations

import hashlib
import json
import platform
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from allure_commons.model2 import (
    Attachment as AllureAttachment,
)
from allure_commons.model2 import (
    Label,
    Link,
    Parameter,
    Status,
    StatusDetails,
    TestResult,
    TestStepResult,
)
from attr import asdict

from harness.records import Attachment, CaseRecord, Check, StepRecord
from harness.run_folder import EXTENSIONS, copy_beside, write_json, write_whole
from harness.run_record import PlannedCase
from harness.verdicts import Verdict

STATUS = {
    Verdict.passed: Status.PASSED,
    Verdict.failed: Status.FAILED,
    Verdict.skipped: Status.SKIPPED,
    Verdict.inconclusive: Status.BROKEN,
    Verdict.bench_error: Status.BROKEN,
    Verdict.aborted: Status.BROKEN,
}
PREFIX = {
    Verdict.failed: "FAILED: ",
    Verdict.skipped: "SKIPPED: ",
    Verdict.inconclusive: "INCONCLUSIVE: ",
    Verdict.bench_error: "BENCH ERROR: ",
    Verdict.aborted: "ABORTED: ",
}
SEVERITIES = ("blocker", "critical", "normal", "minor", "trivial")

Put = Callable[[Attachment, str], None]


def headline(verdict: Verdict, message: str) -> str:
    """Return a verdict's message as every report shows it: ``BENCH ERROR: ...``; a pass has none."""
    return f"{PREFIX[verdict]}{message}" if verdict in PREFIX else message


def full_name(plan: str, key: str) -> str:
    """Return the identity of a case in Allure; it survives moving or renaming the plan's file."""
    return f"plan:{plan}:{key}"


class AllureWriter:
    """Makes Allure results of one run. ``put`` stores an attachment under a file name beside them."""

    def __init__(
        self, results: Path, *, bench: str = "", put: Put | None = None, requirement_url: str = ""
    ) -> None:
        self._results, self._bench, self._requirement_url = results, bench, requirement_url
        self._put = put if put is not None else self._put_file

    def write(self, record: CaseRecord) -> None:
        """Write a result file of its own, whole or not at all; writing it again replaces it."""
        result = TestResult(uuid=record.uuid)
        self.fill(result, record)
        write_json(self._results / f"{record.uuid}-result.json", as_json(result))

    def write_not_run(self, planned: PlannedCase, run: str, at: datetime | None) -> None:
        """Write a placeholder for a case nobody began, so that a short report does not look complete."""
        record = CaseRecord(
            key=planned.key,
            title=planned.title,
            plan=planned.plan,
            plan_title=planned.plan_title,
            area=planned.area,
            source=planned.source,
            verifies=planned.verifies,
            tags=planned.tags,
            row=planned.row,
            verdict=Verdict.skipped,
            message="not run: the run ended before this case",
            uuid=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run}/{planned.plan}/{planned.key}")),
            wall_started=at,
            wall_ended=at,
        )
        result = TestResult(uuid=record.uuid)
        self.fill(result, record)
        write_json(self._results / f"notrun-{record.uuid}-result.json", as_json(result))

    def forget_not_run(self) -> None:
        """Remove the placeholders: the run goes on, or they are about to be made anew."""
        for path in self._results.glob("notrun-*-result.json"):
            path.unlink(missing_ok=True)

    def fill(self, result: TestResult, record: CaseRecord) -> None:
        """Put everything the record knows into ``result``; what allure-pytest attached itself stays, last."""
        identity = full_name(record.plan, record.key)
        result.name = f"{record.key} {record.title}".strip()
        result.fullName = identity
        result.testCaseId = _digest(identity)
        result.historyId = _digest(json.dumps([identity, sorted(record.row.items())]))
        result.titlePath = [part for part in (record.area, record.plan_title or record.plan) if part]
        result.description = f"Source: {record.source}" if record.source else None
        result.status = STATUS[record.verdict]
        result.statusDetails = self._details(record)
        result.start, result.stop = _ms(record.wall_started), _ms(record.wall_ended)
        result.parameters = [Parameter(name=name, value=value) for name, value in record.row.items()]
        result.parameters += _clock_parameters(record.started, record.ended)
        result.labels = self._labels(record)
        result.links = self._links(record)
        result.steps = [self._step(step) for step in record.steps] + list(result.steps)
        result.attachments = [self._attach(a) for a in record.attachments] + list(result.attachments)

    def _details(self, record: CaseRecord) -> StatusDetails | None:
        if not record.message:
            return None
        return StatusDetails(message=headline(record.verdict, record.message), trace=_where(record) or None)

    def _labels(self, record: CaseRecord) -> list[Label]:
        pairs = [("parentSuite", record.area), ("suite", record.plan_title or record.plan)]
        pairs += [("plan", record.plan), ("verdict", record.verdict.name), ("bench", self._bench)]
        severities = [tag for tag in record.tags if tag in SEVERITIES]
        pairs += [("severity", severities[0] if severities else "normal"), ("framework", "meterbench")]
        pairs += [("requirement", behaviour) for behaviour in record.verifies]
        pairs += [("tag", tag) for tag in record.tags if tag not in SEVERITIES]
        return [Label(name=name, value=value) for name, value in pairs if value]

    def _links(self, record: CaseRecord) -> list[Link]:
        if not self._requirement_url:
            return []
        return [
            Link(type="tms", url=self._requirement_url.format(behaviour), name=behaviour)
            for behaviour in record.verifies
        ]

    def _step(self, step: StepRecord) -> TestStepResult:
        parameters = [Parameter(name=name, value=value) for name, value in step.arguments.items()]
        result = TestStepResult(
            name=f"always: {step.title}" if step.phase == "always" else step.title,
            status=STATUS[step.verdict],
            start=_ms(step.wall_started),
            stop=_ms(step.wall_ended),
            parameters=parameters + _clock_parameters(step.started, step.ended),
        )
        if step.message:
            result.statusDetails = StatusDetails(message=headline(step.verdict, step.message))
        result.steps = self._children(step)
        result.attachments = [self._attach(attachment) for attachment in step.attachments]
        return result

    def _children(self, step: StepRecord) -> list[TestStepResult]:
        """Return checks and sub-steps in the order in which they happened."""
        after = step.check_after or [0] * len(step.checks)
        checks = list(zip(after, step.checks, strict=True))
        children = []
        for position in range(len(step.steps) + 1):
            children += [self._check(check, step) for place, check in checks if place == position]
            children += [self._step(child) for child in step.steps[position : position + 1]]
        return children

    def _check(self, check: Check, step: StepRecord) -> TestStepResult:
        pairs = [("expected", check.expected), ("actual", check.actual), ("unit", check.unit)]
        pairs += [("low", _number(check.low)), ("high", _number(check.high))]
        pairs += [("behaviours", ", ".join(check.behaviours))]
        at = _ms(step.wall_ended)
        return TestStepResult(
            name=check_line(check),
            status=Status.PASSED if check.passed else Status.FAILED,
            statusDetails=None if check.passed else StatusDetails(message=f"FAILED: {check.sentence()}"),
            start=at,
            stop=at,
            parameters=[Parameter(name=name, value=value) for name, value in pairs if value],
        )

    def _attach(self, attachment: Attachment) -> AllureAttachment:
        known = str(attachment.path) if attachment.path is not None else str(uuid.uuid4())
        name = uuid.uuid5(uuid.NAMESPACE_URL, known)
        source = f"{name}-attachment.{EXTENSIONS.get(attachment.mime, 'bin')}"
        self._put(attachment, source)
        return AllureAttachment(name=attachment.name, source=source, type=attachment.mime)

    def _put_file(self, attachment: Attachment, source: str) -> None:
        target = self._results / source
        if attachment.path is None:
            target.write_bytes(attachment.data)
        elif attachment.path.exists():
            copy_beside(attachment.path, target)


def as_json(result: TestResult) -> dict[str, object]:
    """Return a result as allure-pytest writes it: without empty fields."""
    fields: dict[str, object] = asdict(result, filter=lambda _, value: value or value is False)
    return fields


def check_line(check: Check) -> str:
    """Return one comparison in one line, e.g. ``voltage = 230.1 V (229 .. 231 V)``."""
    if check.low is None and check.high is None:
        return f"{check.name} = {_short(check.actual)}"
    limits = f"{_number(check.low) or '-∞'} .. {_number(check.high) or '∞'} {check.unit}".strip()
    return f"{check.name} = {_short(check.actual)} ({limits})"


def write_environment(results: Path, values: Mapping[str, str]) -> None:
    """Write ``environment.properties``: what was tested, on what, with which versions."""
    pairs = {**values, "python": platform.python_version()}
    lines = (f"{_property(name)}={_property(value)}" for name, value in pairs.items())
    write_whole(results / "environment.properties", "\n".join(lines) + "\n")


def write_executor(results: Path, run: str) -> None:
    """Write ``executor.json``: which run the results come from."""
    write_json(results / "executor.json", {"name": "MeterBench", "type": "meterbench", "buildName": run})


def write_categories(results: Path) -> None:
    """Copy the report's categories beside the results; they are data, so their package is not imported."""
    spec = find_spec("reports")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        source = Path(folder) / "categories.json"
        if source.is_file():
            write_whole(results / "categories.json", source.read_text("utf-8"))
            return


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


def _clock_parameters(started: datetime | None, ended: datetime | None) -> list[Parameter]:
    if started is None:
        return []
    text = _stamp(started)
    if ended is not None and ended != started:
        text += f" + {(ended - started).total_seconds():g} s"
    return [Parameter(name="bench clock", value=text, excluded=True)]


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d} UTC"


def _where(record: CaseRecord) -> str:
    """Return the titles of the steps that did not pass, outermost first: a trace a lab engineer can read."""
    lines: list[str] = []

    def walk(steps: list[StepRecord], depth: int) -> None:
        for step in steps:
            if step.verdict not in (Verdict.passed, Verdict.skipped):
                lines.append("  " * depth + f"{step.title}: {headline(step.verdict, step.message)}")
                walk(step.steps, depth + 1)

    walk(record.steps, 0)
    return "\n".join(lines)


def _number(number: object) -> str:
    return "" if number is None else str(number)


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."


def _property(text: str) -> str:
    """Return a name or a value of a Java properties file, on one line."""
    return text.replace("\\", "\\\\").replace("\n", " ").replace("=", "\\=").replace(":", "\\:")
