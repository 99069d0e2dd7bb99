"""The steps of one case: action, arguments, time limit, conditions, what is saved under which name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.errors import BenchError
from adapters.yaml_messages import kind_of, shown, suggest
from harness import quantities
from harness.actions import ActionSpec, broken_procedure_plugins, is_a, procedures, role_actions, roles
from harness.compile_context import RESERVED, CompileContext, Path_
from harness.config.plan_file import CaseEntry, StepEntry
from harness.expectations import ExpectCompiler
from harness.plan import Reference, Step, Template
from harness.references import PlanReferenceError, Scope, fill, is_open

TITLE_LENGTH = 110


def spoken(do: str, arguments: Mapping[str, object]) -> str:
    """Return what a step without a title is called: its action and what it is done with."""
    told = [f"{name} {value}" for name, value in arguments.items() if value != "" and value != name]
    text = f"{do} ({', '.join(told)})" if told else do
    return text if len(text) <= TITLE_LENGTH else text[: TITLE_LENGTH - 3] + "..."


class CaseBuilder:
    """Compiles the steps of one case for one row, in order, because saved names only exist from then on."""

    def __init__(self, context: CompileContext, entry: CaseEntry, row: Mapping[str, str]) -> None:
        self._context, self._entry, self._row = context, entry, row
        self._saved: dict[str, object] = {}
        self._saved_at: dict[str, tuple[Path_, int]] = {}
        self._needs = context.model.needs
        self._later = self._save_lines(context, entry)

    @staticmethod
    def _save_lines(context: CompileContext, entry: CaseEntry) -> dict[str, int]:
        index = context.model.cases.index(entry)
        return {
            step.save: context.file.at(("cases", index, part, number, "save")).line
            for part, steps in (("steps", entry.steps), ("always", entry.always))
            for number, step in enumerate(steps)
            if step.save
        }

    @property
    def _scope(self) -> Scope:
        return Scope(
            texts={**self._context.parameters, **self._row},
            row=self._row,
            saved=self._saved,
            later=self._later,
        )

    def _report(self, path: Sequence[str | int], message: str, hint: str = "", key: bool = False) -> None:
        self._context.report(path, message, hint, key)

    def filled(self, text: str, path: Path_) -> str | Reference | Template | None:
        """Return the text with its names filled in, or None where that is a mistake, which is reported."""
        try:
            return fill(text, self._scope)
        except PlanReferenceError as error:
            self._report(path, error.message, error.hint)
            return None

    def title(self, path: Path_, text: str) -> str:
        """Return a title with its names filled in."""
        filled = self.filled(text, path)
        if isinstance(filled, Reference | Template):
            self._report(path, "a title is known before the run; it cannot hold a saved value")
            return text
        return filled or text

    def step(self, path: Path_, entry: StepEntry) -> Step | None:
        """Return the compiled step, or None where its action is unknown."""
        self._context.check_behaviours((*path, "verifies"), entry.verifies)
        found = self._action((*path, "do"), entry.do)
        within_s = self._within((*path, "within"), entry.within)
        title = self.title((*path, "title"), entry.title)
        if found is None:
            if entry.save:
                self._context.check_name((*path, "save"), entry.save, "the name of a saved value")
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
            locate=self._context.locate,
        ).compile(entry.expect, (*path, "expect"))
        self._save((*path, "save"), entry, spec, expect_refused=any(m.kind == "refused" for m in expect))
        return Step(
            title=title or spoken(entry.do, arguments),
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
            location=self._context.locate((*path, "do")),
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
            if kind.file is not None and isinstance(filled, str):
                return self._context.read_once(kind.file, filled)
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
        self._context.check_name(path, name, "the name of a saved value")
        if name in self._context.parameters or name in self._row or name in RESERVED:
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
        self._saved_at.setdefault(name, (path, self._context.file.at(path).line))


def _quoted(value: object) -> str:
    return f"`{shown(value)}`" if isinstance(value, str) else f"({kind_of(value)})"
