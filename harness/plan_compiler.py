"""From a plan file to a Plan: every name resolved, every text typed, every mistake reported at its place.

One pass finds all mistakes: those in the shape of the file, unknown devices, roles, actions, arguments,
fields, conditions and behaviours, wrong types and durations, names used before they exist and steps out of
order. No device and no bench is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from adapters import yaml_file
from adapters.errors import ConfigError, ConfigErrors
from adapters.yaml_messages import shown, suggest
from harness import quantities, rules, traceability
from harness.actions import roles
from harness.compile_context import RESERVED, CompileContext, Path_
from harness.config.plan_file import CaseEntry, PlanFile
from harness.plan import Case, Location, Plan
from harness.step_compiler import CaseBuilder
from harness.traceability import Catalogue

_CASE_ID = re.compile(r"[A-Za-z0-9][\w.:-]*")
_ROW_ID = re.compile(r"[^\[\]\x00-\x1f]{1,120}")


def compile_plan(
    path: str | Path,
    *,
    overrides: Mapping[str, str] | None = None,
    catalogue: Catalogue | None = None,
    strange: set[str] | None = None,
) -> Plan:
    """Read and compile a plan file; ``overrides`` are the ``-P name=value`` of this run.

    Raises ConfigErrors with every mistake, each at its line and column.

    With ``strange``, overrides this plan has no parameter for are collected there instead of being mistakes:
    where several plans run together, a ``-P`` is for those that know it.
    """
    file = yaml_file.read(path)
    if strange is not None and overrides:
        known = file.data.get("parameters") if isinstance(file.data, dict) else None
        mine = set(known) if isinstance(known, dict) else set()
        strange |= set(overrides) - mine
        overrides = {name: value for name, value in overrides.items() if name in mine}
    plan, errors = compile_file(file, overrides=overrides, catalogue=catalogue)
    if errors or plan is None:
        raise ConfigErrors(errors)
    return plan


def compile_file(
    file: yaml_file.YamlFile,
    *,
    overrides: Mapping[str, str] | None = None,
    catalogue: Catalogue | None = None,
) -> tuple[Plan | None, list[ConfigError]]:
    """Return the plan and every mistake; the plan is only to be used where there is none."""
    model, errors = yaml_file.try_validate(file, PlanFile)
    if model is None:
        return None, errors
    if catalogue is None:
        try:
            catalogue = traceability.catalogue_for(Path(file.path))
        except ConfigErrors as error:
            return None, [*errors, *error.errors]
    context = CompileContext(file=file, model=model, catalogue=catalogue)
    plan = _Compiler(context, overrides or {}).plan()
    found = {(e.file, e.line, e.column, e.message): e for e in (*errors, *context.errors)}
    return plan, sorted(found.values(), key=lambda error: (error.line, error.column))


class _Compiler:
    def __init__(self, context: CompileContext, overrides: Mapping[str, str]) -> None:
        self._context = context
        self._file, self._model = context.file, context.model
        self._report = context.report
        context.parameters = self._with_overrides(overrides)

    # the plan -----------------------------------------------------------------------------------------

    def plan(self) -> Plan:
        model = self._model
        self._context.check_name(("plan",), model.plan, "a plan's name")
        for device, role in model.needs.items():
            self._context.check_name(("needs", device), device, "a device's name", key=True)
            if role not in roles():
                self._report(
                    ("needs", device), f"unknown role `{shown(role)}`", suggest(role, roles(), "one of")
                )
        if isinstance(self._file.data, dict) and self._file.data.get("cases") == []:
            self._report(("cases",), "the plan has no cases", "add at least one")
        cases = tuple(case for index, entry in enumerate(model.cases) for case in self._cases(index, entry))
        self._check_ids(cases)
        return Plan(
            name=model.plan,
            title=model.title,
            source=model.source,
            bench=model.bench,
            needs=dict(model.needs),
            parameters=self._context.parameters,
            cases=cases,
            path=Path(self._file.path),
            digest=self._file.digest,
        )

    def _with_overrides(self, overrides: Mapping[str, str]) -> dict[str, str]:
        found = dict(self._model.parameters)
        for name, default in found.items():
            self._context.check_name(("parameters", name), name, "a parameter's name", key=True)
            if name in RESERVED:
                self._report(("parameters", name), f"`{name}` is a reserved word", "choose another", key=True)
            if "${" in default:
                self._report(("parameters", name), "a parameter cannot refer to another one", "write it out")
        for name, value in overrides.items():
            if name not in found:
                self._report(
                    ("parameters",),
                    f"-P {name}={shown(value)}: no such parameter",
                    suggest(name, found, "one of"),
                )
                continue
            if wrong := _unlike(found[name], value):
                self._report(("parameters", name), f"-P {name}={shown(value)}: {wrong}")
            found[name] = value
        return found

    def _check_ids(self, cases: Sequence[Case]) -> None:
        first: dict[str, Location] = {}
        for case in cases:
            here = first.setdefault(case.id, case.location)
            if case.id and here != case.location:
                self._context.mistake(
                    case.location,
                    f"case id `{shown(case.id)}` is used twice",
                    f"it is already in line {here.line}",
                )

    # cases --------------------------------------------------------------------------------------------

    def _cases(self, index: int, entry: CaseEntry) -> list[Case]:
        path: Path_ = ("cases", index)
        if entry.id and not _CASE_ID.fullmatch(entry.id):
            self._report(
                (*path, "id"), f"`{shown(entry.id)}` cannot be a case id", "expected e.g. DLMS-CLI-01"
            )
        self._context.check_behaviours((*path, "verifies"), entry.verifies)
        written = self._file.get(path)
        if isinstance(written, dict) and written.get("steps") == []:
            self._report((*path, "steps"), "the case has no steps", "add at least one")
        return [self._case(path, entry, row_id, row) for row_id, row in self._rows(path, entry)]

    def _rows(self, path: Path_, entry: CaseEntry) -> list[tuple[str, Mapping[str, str]]]:
        if not entry.for_each:
            written = self._file.get(path)
            if isinstance(written, dict) and written.get("for_each") == []:
                self._report((*path, "for_each"), "`for_each` has no rows", "add one, or remove the key")
            return [("", {})]
        keys = list(entry.for_each[0])
        seen: dict[str, int] = {}
        found: list[tuple[str, Mapping[str, str]]] = []
        for number, row in enumerate(entry.for_each):
            here = (*path, "for_each", number)
            self._check_row(here, row, keys)
            row_id = row.get("id") or "-".join(row.values())
            if row_id in seen:
                self._report(
                    here,
                    f"row `{shown(row_id)}` is there twice",
                    f"give the rows different ids; the first is in line {seen[row_id]}",
                )
                continue
            seen[row_id] = self._file.at(here).line
            if row and not _ROW_ID.fullmatch(row_id):
                self._report(here, f"`{shown(row_id)}` cannot be a row's id", "add a short `id:` to the row")
            complete = {key: row.get(key, "") for key in keys} | row
            found.append((row_id, complete))
        return found

    def _check_row(self, path: Path_, row: Mapping[str, str], keys: Sequence[str]) -> None:
        written = self._file.get(path)
        if not row:
            if isinstance(written, dict):
                self._report(path, "the row is empty", "give it values such as `{link: ip}`")
            return
        for key in row:
            if key not in keys and key != "id":
                self._report(
                    (*path, key), f"the first row has no `{shown(key)}`", suggest(key, keys, "one of"), True
                )
            elif key in self._context.parameters or key in RESERVED:
                other = "a parameter" if key in self._context.parameters else "a reserved word"
                self._report((*path, key), f"`{key}` is also {other}", "choose another name", True)
            if "${" in row[key]:
                self._report((*path, key), "a row holds plain values, no `${...}`", "write the value out")
        for key in keys:
            if key not in row and isinstance(written, dict) and key not in written and key != "id":
                self._report(path, f"the row lacks `{key}`, which the first row has", f"add `{key}: ...`")

    def _case(self, path: Path_, entry: CaseEntry, row_id: str, row: Mapping[str, str]) -> Case:
        builder = CaseBuilder(self._context, entry, row)
        steps = [builder.step((*path, "steps", n), step) for n, step in enumerate(entry.steps)]
        always = [builder.step((*path, "always", n), step) for n, step in enumerate(entry.always)]
        own = [behaviour for step in (*entry.steps, *entry.always) for behaviour in step.verifies]
        title = builder.title((*path, "title"), entry.title)
        compiled = Case(
            id=entry.id,
            row_id=row_id,
            title=title,
            verifies=tuple(dict.fromkeys((*entry.verifies, *own))),
            tags=entry.tags,
            steps=tuple(step for step in steps if step is not None),
            always=tuple(step for step in always if step is not None),
            row=row,
            location=self._context.locate(path),
        )
        if None not in steps:
            self._check_order(compiled)
        return compiled

    def _check_order(self, case: Case) -> None:
        watch = rules.Watch()
        for step in case.steps:
            found = watch.before(step)
            wanted = rules.expected_violation(step)
            if wanted is None:
                for violation in found:
                    self._context.mistake(step.location, f"out of order: {violation.message}", violation.hint)
                watch.after_assumed(step)
            elif not rules.flagged(wanted, found) and not rules.shows_in_the_run_only(wanted):
                self._context.mistake(
                    step.location,
                    f"{step.do} is expected to be out of order, and is not",
                    "put it where the rule forbids it, or drop `order_violation`",
                )


def _unlike(default: str, value: str) -> str:
    """Return why an override is not the kind of text its default is, or an empty text."""
    try:
        usual = quantities.parse(default)
    except ValueError:
        return ""
    if usual.unit and not quantities.is_known_unit(usual.unit):
        return ""
    try:
        given = quantities.parse(value)
        given.to(usual.unit)
    except ValueError as error:
        return f"{error}; the default is `{default}`"
    if usual.unit and not given.unit:
        return f"expected a unit, as in the default `{default}`"
    return ""


def with_only(plan: Plan, keys: Sequence[str]) -> Plan:
    """Return the plan with only the cases of these keys, in its own order."""
    chosen = set(keys)
    return replace(plan, cases=tuple(case for case in plan.cases if case.key in chosen))
