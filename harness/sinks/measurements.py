"""The comparisons of a case as data: ``measurements.json`` for programs, ``measurements.csv`` for people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

from harness.journal import check_fields
from harness.records import CaseRecord, Check, StepRecord
from harness.steps import Steps

COLUMNS = ("name", "expected", "actual", "value", "unit", "low", "high", "verdict", "behaviours", "step")


def checks_of(record: CaseRecord) -> Iterator[tuple[StepRecord, Check]]:
    """Yield every comparison of a case with the step it belongs to, in order."""

    def walk(steps: list[StepRecord]) -> Iterator[tuple[StepRecord, Check]]:
        for step in steps:
            yield from ((step, check) for check in step.checks)
            yield from walk(step.steps)

    yield from walk(record.steps)


def attach_measurements(steps: Steps) -> None:
    """Attach both forms to the case; a case without comparisons gets none."""
    record = steps.record
    rows = list(checks_of(record))
    if not rows:
        return
    steps.attach("measurements.csv", "text/csv", data=table(rows))
    steps.attach("measurements.json", "application/json", data=document(record, rows))


def table(rows: list[tuple[StepRecord, Check]]) -> str:
    """Return comma-separated rows with a heading; the report draws them as a table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for step, check in rows:
        writer.writerow(
            (
                check.name,
                check.expected,
                check.actual,
                "" if check.value is None else check.value,
                check.unit,
                "" if check.low is None else check.low,
                "" if check.high is None else check.high,
                "passed" if check.passed else "failed",
                " ".join(check.behaviours),
                step.title,
            )
        )
    return text.getvalue()


def document(record: CaseRecord, rows: list[tuple[StepRecord, Check]]) -> str:
    """Return the comparisons as JSON; numbers are text, exactly as measured."""
    return json.dumps(
        {
            "plan": record.plan,
            "case": record.key,
            "measurements": [{"step": step.title, **check_fields(check)} for step, check in rows],
        },
        indent=1,
    )
