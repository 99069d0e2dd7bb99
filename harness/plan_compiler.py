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
from adapters.errors import BenchError, ConfigError, ConfigErrors
from adapters.yaml_messages import kind_of, shown, suggest
from harness import quantities, rules, traceability
from harness.actions import (
    ActionSpec,
    broken_procedure_plugins,
    is_a,
    procedures,
    role_actions,
    roles,
)
from harness.config.plan_file import CaseEntry, PlanFile, StepEntry
from harness.expectations import ExpectCompiler, Path_
from harness.plan import Case, Location, Plan, Reference, Step, Template
from harness.references import PlanReferenceError, Scope, fill, is_open
from harness.traceability import Catalogue

_NAME = re.compile(r"[A-Za-z_][\w-]*")
_CASE_ID = re.compile(r"[A-Za-z0-9][\w.:-]*")
_ROW_ID = re.compile(r"[^\[\]\x00-\x1f]{1,120}")
_RESERVED = {"row", "run"}


def compile_plan(
    path: str | Path, *, overrides: Mapping[str, str] | None = None, catalogue: Catalogue | None = None
) -> Plan:
    """Read and compile a plan file; ``overrides`` are the ``-P name=value`` of this run.

    Raises ConfigErrors with every mistake, each at its line and column.
    """
    file = yaml_file.read(path)
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
    compiler = _Compiler(file, model, overrides or {}, catalogue)
    plan = compiler.plan()
    found = {(e.file, e.line, e.column, e.message): e for e in (*errors, *compiler.errors)}
    return plan, sorted(found.values(), key=lambda error: (error.line, error.column))


class _Compiler:
    def __init__(
        self,
        file: yaml_file.YamlFile,
        model: PlanFile,
        overrides: Mapping[str, str],
        catalogue: Catalogue,
    ) -> None:
        self.errors: list[ConfigError] = []
        self._file, self._model, self._catalogue = file, model, catalogue
        self._parameters = self._with_overrides(overrides)

    # messages -----------------------------------------------------------------------------------------

    def _report(self, path: Sequence[str | int], message: str, hint: str = "", key: bool = False) -> None:
        self.errors.append(self._file.error(path, message, hint, key=key))

    def _location(self, path: Sequence[str | int]) -> Location:
        at = self._file.at(path)
        return Location(file=self._file.path, line=at.line, column=at.column)

    # the plan -----------------------------------------------------------------------------------------

    def plan(self) -> Plan:
        model = self._model
        self._check_name(("plan",), model.plan, "a plan's name")
        for device, role in model.needs.items():
            self._check_name(("needs", device), device, "a device's name", key=True)
            if role not in roles():
                self._report(
                    ("needs", device), f"unknown role `{shown(role)}`", suggest(role, roles(), "one of")
                )
        if not model.cases and isinstance(self._file.data, dict) and "cases" in self._file.data:
            self._report(("cases",), "the plan has no cases", "add at least one")
        cases = tuple(case for index, entry in enumerate(model.cases) for case in self._cases(index, entry))
        self._check_ids(cases)
        return Plan(
            name=model.plan,
            title=model.title,
            source=model.source,
            bench=model.bench,
            needs=dict(model.needs),
            parameters=self._parameters,
            cases=cases,
            path=Path(self._file.path),
            digest=self._file.digest,
        )

    def _with_overrides(self, overrides: Mapping[str, str]) -> dict[str, str]:
        found = dict(self._model.parameters)
        for name, default in found.items():
            self._check_name(("parameters", name), name, "a parameter's name", key=True)
            if name in _RESERVED:
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

    def _check_name(self, path: Path_, name: str, what: str, *, key: bool = False) -> None:
        if name and not _NAME.fullmatch(name):
            self._report(
                path,
                f"`{shown(name)}` cannot be {what}",
                "expected letters, digits, _ and -, a letter first",
                key,
            )

    def _check_ids(self, cases: Sequence[Case]) -> None:
        first: dict[str, Location] = {}
        for case in cases:
            here = first.setdefault(case.id, case.location)
            if case.id and here != case.location:
                self._mistake(
                    case.location,
                    f"case id `{shown(case.id)}` is used twice",
                    f"it is already in line {here.line}",
                )

    def _mistake(self, at: Location, message: str, hint: str) -> None:
        self.errors.append(ConfigError(message, file=at.file, line=at.line, column=at.column, hint=hint))

    # cases --------------------------------------------------------------------------------------------

    def _cases(self, index: int, entry: CaseEntry) -> list[Case]:
        path: Path_ = ("cases", index)
        if entry.id and not _CASE_ID.fullmatch(entry.id):
            self._report(
                (*path, "id"), f"`{shown(entry.id)}` cannot be a case id", "expected e.g. DLMS-CLI-01"
            )
        self._check_behaviours((*path, "verifies"), entry.verifies)
        written = self._file.get(path)
        if not entry.steps and isinstance(written, dict) and "steps" in written:
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
            elif key in self._parameters or key in _RESERVED:
                other = "a parameter" if key in self._parameters else "a reserved word"
                self._report((*path, key), f"`{key}` is also {other}", "choose another name", True)
            if "${" in row[key]:
                self._report((*path, key), "a row holds plain values, no `${...}`", "write the value out")
        for key in keys:
            if key not in row and isinstance(written, dict) and key not in written and key != "id":
                self._report(path, f"the row lacks `{key}`, which the first row has", f"add `{key}: ...`")

    def _case(self, path: Path_, entry: CaseEntry, row_id: str, row: Mapping[str, str]) -> Case:
        builder = _CaseBuilder(self, entry, row)
        steps = [builder.step((*path, "steps", n), step) for n, step in enumerate(entry.steps)]
        always = [builder.step((*path, "always", n), step) for n, step in enumerate(entry.always)]
        own = [behaviour for step in (*entry.steps, *entry.always) for behaviour in step.verifies]
        title = self._title((*path, "title"), entry.title, builder)
        compiled = Case(
            id=entry.id,
            row_id=row_id,
            title=title,
            verifies=tuple(dict.fromkeys((*entry.verifies, *own))),
            tags=entry.tags,
            steps=tuple(step for step in steps if step is not None),
            always=tuple(step for step in always if step is not None),
            row=row,
            location=self._location(path),
        )
        if None not in steps:
            self._check_order(compiled)
        return compiled

    def _title(self, path: Path_, title: str, builder: _CaseBuilder) -> str:
        filled = builder.filled(title, path)
        if isinstance(filled, Reference | Template):
            self._report(path, "a title is known before the run; it cannot hold a saved value")
            return title
        return filled or title

    def _check_order(self, case: Case) -> None:
        watch = rules.Watch()
        for step in case.steps:
            for violation in watch.before(step):
                self._mistake(step.location, f"out of order: {violation.message}", violation.hint)
            watch.after_assumed(step)

    def _check_behaviours(self, path: Path_, ids: Sequence[str]) -> None:
        for number, behaviour in enumerate(ids):
            here = (*path, number)
            if not behaviour:
                continue
            if behaviour not in self._catalogue.behaviours:
                self._report(
                    here,
                    f"unknown behaviour `{shown(behaviour)}`",
                    suggest(behaviour, self._catalogue.behaviours),
                )
            elif reason := self._catalogue.behaviours[behaviour].context:
                self._report(here, f"behaviour `{behaviour}` is context only: {reason}", "remove it")


class _CaseBuilder:
    """Compiles the steps of one case for one row, in order, because saved names only exist from then on."""

    def __init__(self, compiler: _Compiler, entry: CaseEntry, row: Mapping[str, str]) -> None:
        self._compiler, self._entry, self._row = compiler, entry, row
        self._saved: dict[str, object] = {}
        self._saved_at: dict[str, tuple[Path_, int]] = {}
        self._needs = compiler._model.needs
        self._later = self._save_lines(compiler, entry)

    @staticmethod
    def _save_lines(compiler: _Compiler, entry: CaseEntry) -> dict[str, int]:
        index = compiler._model.cases.index(entry)
        return {
            step.save: compiler._file.at(("cases", index, part, number, "save")).line
            for part, steps in (("steps", entry.steps), ("always", entry.always))
            for number, step in enumerate(steps)
            if step.save
        }

    @property
    def _scope(self) -> Scope:
        return Scope(
            texts={**self._compiler._parameters, **self._row},
            row=self._row,
            saved=self._saved,
            later=self._later,
        )

    def _report(self, path: Sequence[str | int], message: str, hint: str = "", key: bool = False) -> None:
        self._compiler._report(path, message, hint, key)

    def filled(self, text: str, path: Path_) -> str | Reference | Template | None:
        """Return the text with its names filled in, or None where that is a mistake, which is reported."""
        try:
            return fill(text, self._scope)
        except PlanReferenceError as error:
            self._report(path, error.message, error.hint)
            return None

    def step(self, path: Path_, entry: StepEntry) -> Step | None:
        """Return the compiled step, or None where its action is unknown."""
        self._compiler._check_behaviours((*path, "verifies"), entry.verifies)
        found = self._action((*path, "do"), entry.do)
        within_s = self._within((*path, "within"), entry.within)
        title = self._compiler._title((*path, "title"), entry.title, self)
        if found is None:
            if entry.save:
                self._saved[entry.save] = object
            return None
        device, role, spec = found
        arguments = self._arguments((*path, "with"), entry.with_, spec, path)
        expect = ExpectCompiler(
            action=entry.do,
            result=spec.result,
            scope=self._scope,
            devices=self._needs,
            report=self._report,
            locate=self._compiler._location,
        ).compile(entry.expect, (*path, "expect"))
        self._save((*path, "save"), entry, spec, expect_refused=any(m.kind == "refused" for m in expect))
        return Step(
            title=title or entry.do,
            do=entry.do,
            device=device,
            role=role,
            method=spec.name,
            arguments=arguments,
            within_s=within_s,
            save=entry.save,
            expect=expect,
            verifies=entry.verifies or self._entry.verifies,
            hurts=spec.hurts,
            location=self._compiler._location((*path, "do")),
        )

    def _action(self, path: Path_, do: str) -> tuple[str, str, ActionSpec] | None:
        if not do:
            return None
        device, dot, method = do.partition(".")
        if not dot:
            return self._procedure(path, do)
        if device not in self._needs:
            self._report(path, f"unknown device `{shown(device)}`", suggest(device, self._needs, "one of"))
            return None
        role = self._needs[device]
        if role not in roles():
            return None  # reported where the role stands
        known = role_actions(role)
        if method not in known:
            self._report(
                path, f"a {role} has no action `{shown(method)}`", suggest(method, known, "one of"), False
            )
            return None
        return device, role, known[method]

    def _procedure(self, path: Path_, name: str) -> tuple[str, str, ActionSpec] | None:
        try:
            known = procedures()
        except BenchError as error:
            self._report(path, str(error))
            return None
        if name in known:
            return "", "", known[name]
        if name in self._needs:
            self._report(path, f"`{name}` is a device", f"write `{name}.<action>`")
        else:
            broken = "; ".join(broken_procedure_plugins())
            hint = suggest(name, known, "a procedure:") + (f"; {broken}" if broken else "")
            self._report(path, f"unknown procedure `{shown(name)}`", hint)
        return None

    def _within(self, path: Path_, text: str) -> float | None:
        if not text:
            return None
        filled = self.filled(text, path)
        if not isinstance(filled, str):
            if filled is not None:
                self._report(path, "a time limit is known before the run; it cannot be a saved value")
            return None
        try:
            found = quantities.duration_s(filled)
        except ValueError as error:
            message, _, hint = f"`{shown(filled)}` is not a duration: {error}".partition("; ")
            self._report(path, message, hint)
            return None
        if found == 0:
            self._report(path, "a time limit of zero can never be kept")
        return found

    def _arguments(
        self, path: Path_, written: Mapping[str, object], spec: ActionSpec, step: Path_
    ) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in written.items():
            here = (*path, name)
            if name not in spec.parameters:
                hint = suggest(name, spec.parameters, "one of") if spec.parameters else "it takes none"
                if name == "within_s":
                    hint = "write `within:` beside `do:`"
                self._report(here, f"{spec.name} takes no argument `{shown(name)}`", hint, True)
                continue
            argument = self._argument(here, value, spec, name)
            if argument is not None:
                found[name] = argument
        for name, parameter in spec.parameters.items():
            if parameter.required and name not in written:
                hint = f"expected {parameter.type.words}"
                self._report((*step, "do"), f"{spec.name} needs the argument `{name}`", hint)
        return found

    def _argument(self, path: Path_, value: object, spec: ActionSpec, name: str) -> object:
        filled = self._deep(value, path)
        if filled is None:
            return None
        kind = spec.parameters[name].type
        if is_open(filled):
            if kind.role:
                self._report(path, "a device is known before the run; it cannot be a saved value")
                return None
            if (
                isinstance(filled, dict | list)
                and kind.words not in ("any value",)
                and "list" not in kind.words
            ):
                self._report(path, f"argument `{name}`: expected {kind.words}, found {kind_of(filled)}")
            return filled
        if kind.role:
            return self._device(path, filled, kind.role)
        try:
            return kind.convert(filled)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            self._report(path, f"argument `{name}`: {message}", hint)
            return None

    def _device(self, path: Path_, name: object, role: str) -> str | None:
        if not isinstance(name, str) or name not in self._needs:
            self._report(path, f"unknown device {_quoted(name)}", suggest(str(name), self._needs, "one of"))
            return None
        has = self._needs[name]
        if has in roles() and not is_a(has, role):
            self._report(path, f"`{name}` is a {has}, not a {role}", self._with_role(role))
            return None
        return name

    def _with_role(self, role: str) -> str:
        fitting = [f"`{name}`" for name, has in self._needs.items() if is_a(has, role)]
        return f"expected {' or '.join(fitting)}" if fitting else "the plan needs none"

    def _deep(self, value: object, path: Path_) -> object:
        """Fill in names at any depth; None where something is wrong."""
        if isinstance(value, str):
            return self.filled(value, path)
        if isinstance(value, list):
            entries = [self._deep(entry, (*path, index)) for index, entry in enumerate(value)]
            return None if any(entry is None for entry in entries) else entries
        if isinstance(value, dict):
            found = {key: self._deep(entry, (*path, key)) for key, entry in value.items()}
            return None if any(entry is None for entry in found.values()) else found
        return value

    def _save(self, path: Path_, entry: StepEntry, spec: ActionSpec, *, expect_refused: bool) -> None:
        name = entry.save
        if not name:
            return
        self._compiler._check_name(path, name, "the name of a saved value")
        if name in self._compiler._parameters or name in self._row or name in _RESERVED:
            self._report(
                path, f"`{name}` is already a parameter, a row value or a reserved word", "choose another"
            )
        elif name in self._saved:
            line = self._saved_at[name][1] if name in self._saved_at else 0
            self._report(path, f"`{name}` is saved twice in this case", f"the first is in line {line}")
        if spec.result in (None, type(None)):
            self._report(path, f"{entry.do} returns nothing that could be saved", "remove `save`")
        elif expect_refused:
            self._report(path, "a refused step has no result to save", "remove `save`")
        self._saved[name] = object if spec.result in (None, type(None)) else spec.result
        self._saved_at.setdefault(name, (path, self._compiler._file.at(path).line))


def _quoted(value: object) -> str:
    return f"`{shown(value)}`" if isinstance(value, str) else f"({kind_of(value)})"


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
