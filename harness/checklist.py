"""A plan as a checklist: what somebody prints, ticks off and signs, with limits and sources as written."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.config.plan_file import CaseEntry, PlanFile, StepEntry
from harness.limits import sentence
from harness.plan import Location, Matcher, Plan
from harness.traceability import Catalogue

_NOWHERE = Location(file="", line=0, column=0)


@dataclass(frozen=True, kw_only=True)
class ChecklistStep:
    """One line to tick off."""

    number: str
    title: str
    action: str
    arguments: str
    limits: tuple[str, ...]
    within: str
    saves: str
    verifies: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ChecklistCase:
    """One case with its rows; the steps are those of every row."""

    id: str
    title: str
    tags: tuple[str, ...]
    behaviours: tuple[str, ...]  # id: title (source)
    permissions: tuple[str, ...]
    rows: tuple[str, ...]
    steps: tuple[ChecklistStep, ...]
    always: tuple[ChecklistStep, ...]


@dataclass(frozen=True, kw_only=True)
class Checklist:
    """A plan for the eye."""

    plan: str
    title: str
    source: str
    bench: str
    digest: str
    needs: tuple[str, ...]
    parameters: tuple[str, ...]
    permissions: tuple[str, ...]
    cases: tuple[ChecklistCase, ...]

    @property
    def heads(self) -> tuple[tuple[str, str], ...]:
        """Return the lines above the cases, name and text."""
        return (
            ("plan", self.plan),
            ("source", self.source or "none named"),
            ("bench", self.bench or "to be named with --bench"),
            ("devices", ", ".join(self.needs)),
            ("parameters", ", ".join(self.parameters) or "none"),
            ("permissions", ", ".join(self.permissions) or "none needed"),
            ("sha-256", self.digest),
        )


def checklist(model: PlanFile, plan: Plan, catalogue: Catalogue) -> Checklist:
    """Return the checklist of a plan that compiled without mistakes."""
    hurts = {case.id: frozenset[str]() for case in plan.cases}
    for case in plan.cases:
        hurts[case.id] |= case.hurts
    verifies = {case.id: case.verifies for case in plan.cases}
    return Checklist(
        plan=plan.name,
        title=plan.title,
        source=plan.source,
        bench=plan.bench,
        digest=plan.digest,
        needs=tuple(f"{name} ({role})" for name, role in plan.needs.items()),
        parameters=tuple(f"{name} = {value}" for name, value in plan.parameters.items()),
        permissions=tuple(sorted(frozenset().union(*hurts.values()))),
        cases=tuple(
            ChecklistCase(
                id=entry.id,
                title=entry.title,
                tags=entry.tags,
                behaviours=tuple(_behaviour(catalogue, one) for one in verifies[entry.id]),
                permissions=tuple(sorted(hurts[entry.id])),
                rows=tuple(_rows(entry, plan)),
                steps=tuple(_step(str(n), step) for n, step in enumerate(entry.steps, 1)),
                always=tuple(_step(f"A{n}", step) for n, step in enumerate(entry.always, 1)),
            )
            for entry in model.cases
        ),
    )


def _behaviour(catalogue: Catalogue, behaviour: str) -> str:
    known = catalogue.behaviours.get(behaviour)
    return f"{behaviour}: {known.title} ({known.source})" if known else behaviour


def _rows(entry: CaseEntry, plan: Plan) -> Iterator[str]:
    if entry.for_each:
        for case in plan.cases:
            if case.id == entry.id:
                values = ", ".join(f"{key}={value}" for key, value in case.row.items() if key != "id")
                yield case.row_id if case.row_id == values else f"{case.row_id}: {values}"


def _step(number: str, step: StepEntry) -> ChecklistStep:
    return ChecklistStep(
        number=number,
        title=step.title,
        action=step.do,
        arguments=", ".join(f"{name} = {_written(value)}" for name, value in step.with_.items()),
        limits=tuple(sentence(matcher) for matcher in _conditions(step.expect)),
        within=step.within,
        saves=step.save,
        verifies=step.verifies,
    )


def _written(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_written(entry) for entry in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_written(entry)}" for key, entry in value.items()) + "}"
    return str(value)


def _conditions(expect: object) -> Iterator[Matcher]:
    """Yield the conditions as written, without filling anything in."""
    if isinstance(expect, str):
        yield Matcher(field="", kind=expect, operands=(), location=_NOWHERE)
        return
    assert isinstance(expect, Mapping)
    for field, condition in expect.items():
        if field == "refused" and not isinstance(condition, Mapping):
            words = condition if isinstance(condition, list) else [condition]
            operands = () if "any" in words else tuple(words)
            yield Matcher(field="", kind="refused", operands=operands, location=_NOWHERE)
        elif not isinstance(condition, Mapping):
            kind = "absent" if condition == "absent" else "equals"
            operands = () if kind == "absent" else (_written(condition),)
            yield Matcher(field=field, kind=kind, operands=operands, location=_NOWHERE)
        else:
            yield from _matchers(field, condition)


def _matchers(field: str, condition: Mapping[str, object]) -> Iterator[Matcher]:
    for kind, operand in condition.items():
        if kind == "tolerance":
            continue
        operands = operand if isinstance(operand, list) and kind in ("between", "one_of") else [operand]
        if kind == "absent":
            operands = [] if str(operand).lower() in ("yes", "true", "on") else [False]
        yield Matcher(
            field=field,
            kind=kind,
            operands=tuple(_written(entry) for entry in operands),
            tolerance=str(condition.get("tolerance", "")) if kind == "equals" else "",
            location=_NOWHERE,
        )


def plain_lines(found: Checklist, width: int = 100) -> Iterator[str]:
    """Yield the checklist as lines of text, for a file or a printer."""
    yield found.title
    yield "=" * min(len(found.title), width)
    for name, text in found.heads:
        yield from _wrapped(f"{name + ':':<13}", text, width)
    for case in found.cases:
        yield ""
        yield from _wrapped(f"[ ] {case.id}  ", case.title, width)
        for behaviour in case.behaviours:
            yield from _wrapped("    verifies ", behaviour, width)
        if case.permissions:
            yield from _wrapped("    needs permission: ", ", ".join(case.permissions), width)
        for row in case.rows:
            yield from _wrapped("    [ ] row ", row, width)
        for step in (*case.steps, *case.always):
            yield from _plain_step(step, width)
    yield ""
    yield "Date: ____________    Name: ________________________    Signature: ________________________"


def _plain_step(step: ChecklistStep, width: int) -> Iterator[str]:
    always = "always: " if step.number.startswith("A") else ""
    yield from _wrapped(f"    [ ] {step.number + '.':<4}", always + (step.title or step.action), width)
    if step.title:
        yield from _wrapped(" " * 12, step.action, width)
    if step.arguments:
        yield from _wrapped(" " * 12 + "with ", step.arguments, width)
    if step.within:
        yield f"{' ' * 12}within {step.within}"
    for limit in step.limits:
        yield from _wrapped(" " * 12 + "expect ", limit, width)
    if step.saves:
        yield f"{' ' * 12}note the result as {step.saves}: ____________________"


def _wrapped(prefix: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=prefix, subsequent_indent=" " * len(prefix), break_on_hyphens=False
    ) or [prefix.rstrip()]
