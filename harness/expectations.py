"""``expect`` of a step, from what is written to Matchers: which field, which condition, which limits.

Everything that can be known without a device is checked here: field names against the result type, kinds of
condition, numbers and units against the field's type, regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from adapters.yaml_messages import kind_of, shown, suggest
from harness import quantities, rules
from harness.actions import role_actions
from harness.argument_types import yes_or_no
from harness.config.plan_file import MATCHERS, OF_THE_STEP
from harness.plan import DeviceRead, Location, Matcher
from harness.references import PlanReferenceError, Scope, fill
from harness.results import alternatives, describe, known_fields, type_at, unit_at

Path_ = tuple[str | int, ...]
Report = Callable[..., None]  # (path, message, hint, key=False)

_FIELD_MATCHERS = tuple(word for word in MATCHERS if word not in OF_THE_STEP)
_LISTS = {"between", "one_of"}
_NUMERIC = {"between", "at_least", "at_most"}
_READ = re.compile(r"([A-Za-z_][\w-]*)\.([A-Za-z_]\w*)(?:\(([^()]*)\))?((?:\.[A-Za-z_]\w*)*)")


@dataclass(frozen=True, kw_only=True)
class ExpectCompiler:
    """Compiles the ``expect`` of one step."""

    action: str
    result: object  # the annotation of the step's result
    scope: Scope
    devices: Mapping[str, str]  # name -> role, as the plan needs them
    report: Report
    locate: Callable[[Path_], Location]

    def compile(self, written: object, path: Path_) -> tuple[Matcher, ...]:
        """Return the matchers of an ``expect``; mistakes go to ``report``."""
        if written in ("refused", "absent"):
            return (Matcher(field="", kind=str(written), operands=(), location=self.locate(path)),)
        if not isinstance(written, dict):
            self.report(
                path,
                f"expected conditions by field, found {_found(written)}",
                "write `expect: {<field>: <value>}`, `expect: refused` or `expect: absent`",
            )
            return ()
        found: list[Matcher] = []
        for name, condition in written.items():
            here = (*path, name)
            if name == "refused" and not (isinstance(condition, dict) and name in known_fields(self.result)):
                found += self._refused(condition, here)
                continue
            if name == "order_violation":
                found += self._order_violation(condition, here)
                continue
            if name in MATCHERS and name not in known_fields(self.result):
                known = ", ".join(f"`{field}`" for field in known_fields(self.result)) or "none"
                self.report(
                    here,
                    f"the field is missing before `{name}`",
                    f"write `<field>: {{{name}: ...}}`; fields of {self.action}: {known}",
                    key=True,
                )
                continue
            found += self._field(name, condition, here)
        for kind, what in (("refused", "a refused step"), ("order_violation", "a step that is not done")):
            if len(found) > 1 and any(matcher.kind == kind for matcher in found):
                self.report(
                    path, f"{what} has no result to compare", f"keep `{kind}` or the fields, not both"
                )
                found = [matcher for matcher in found if matcher.kind != kind]
        return tuple(found)

    def _refused(self, reasons: object, path: Path_) -> list[Matcher]:
        words = reasons if isinstance(reasons, list) else [reasons]
        if any(not isinstance(word, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", word) for word in words):
            self.report(
                path,
                f"expected a reason, found {_found(reasons)}",
                "expected `any`, one word such as `association-rejected`, or a list of words",
            )
            return []
        operands = () if "any" in words or "yes" in words else tuple(words)
        return [Matcher(field="", kind="refused", operands=operands, location=self.locate(path))]

    def _order_violation(self, rule: object, path: Path_) -> list[Matcher]:
        known = rules.names()
        if rule != "any" and rule not in known:
            self.report(path, f"unknown rule {_found(rule)}", suggest(str(rule), [*known, "any"], "one of"))
            return []
        operands = () if rule == "any" else (rule,)
        return [Matcher(field="", kind="order_violation", operands=operands, location=self.locate(path))]

    def _field(self, name: str, condition: object, path: Path_) -> list[Matcher]:
        steps = name.split(".")
        try:
            kind = type_at(self.result, steps)
            unit = unit_at(self.result, steps)
        except LookupError as error:
            unknown, known = error.args
            if known:
                hint = suggest(unknown, known, "one of")
            else:
                hint = f"{self.action} returns {describe(self.result) if steps[1:] else 'nothing to compare'}"
            self.report(path, f"{self.action} returns no `{shown(name)}`", hint, key=True)
            return []
        if not isinstance(condition, dict):
            if condition == "absent":
                condition = {"absent": "yes"}
            elif isinstance(condition, list) and not _may_be_list(kind):
                self.report(
                    path, "expected one value, found a list", "write `one_of: [...]` or `between: [a, b]`"
                )
                return []
            else:
                return self._matcher(name, "equals", condition, "", path, kind, unit)
        found: list[Matcher] = []
        tolerance = self._tolerance(condition, path, kind, unit)
        if not condition:
            self.report(path, "no condition is given", suggest("", _FIELD_MATCHERS, "one of"))
        for word, operand in condition.items():
            if word == "tolerance":
                continue
            if word not in _FIELD_MATCHERS:
                self.report(
                    (*path, word),
                    f"unknown condition `{shown(word)}`",
                    suggest(word, [*_FIELD_MATCHERS, "tolerance"], "one of"),
                    key=True,
                )
                continue
            if word in _NUMERIC and not _may_be_ordered(kind):
                self.report(
                    (*path, word),
                    f"`{name}` is {describe(kind)}; `{word}` compares numbers",
                    "use equals, one_of or matches",
                    key=True,
                )
                continue
            used = tolerance if word == "equals" else ""
            found += self._matcher(name, word, operand, used, (*path, word), kind, unit)
        return found

    def _tolerance(self, condition: Mapping[str, object], path: Path_, kind: object, unit: str | None) -> str:
        if "tolerance" not in condition:
            return ""
        here = (*path, "tolerance")
        written = condition["tolerance"]
        if "equals" not in condition:
            self.report(here, "a tolerance belongs to `equals`", "add `equals: <value>`", key=True)
        if not _may_be_ordered(kind):
            self.report(here, f"`{path[-1]}` is {describe(kind)}; a tolerance needs a number", "", key=True)
            return ""
        filled = self._filled(written, here)
        if not isinstance(filled, str):
            if filled is not None:
                self.report(here, "a tolerance must be known before the run", "use a number or a parameter")
            return ""
        try:
            quantity = quantities.parse(filled)
            if quantity.value < 0:
                raise ValueError("a tolerance cannot be negative")
            if unit is not None and quantity.unit != "%":
                _check_unit(quantity, unit, str(path[-1]))
        except ValueError as error:
            self.report(here, f"tolerance `{shown(filled)}`: {error}", "expected e.g. `0.1 %`, `2 s` or `5`")
            return ""
        return filled

    def _matcher(
        self,
        name: str,
        word: str,
        operand: object,
        tolerance: str,
        path: Path_,
        kind: object,
        unit: str | None,
    ) -> list[Matcher]:
        if word == "absent":
            try:
                operands: tuple[object, ...] = (yes_or_no(str(operand)),)
            except ValueError as error:
                self.report(path, str(error), "")
                return []
        elif word in _LISTS:
            if not isinstance(operand, list) or not operand or (word == "between" and len(operand) != 2):
                wanted = "[lowest, highest]" if word == "between" else "a list of values"
                self.report(path, f"expected {wanted} after `{word}`, found {_found(operand)}", "")
                return []
            operands = tuple(
                self._operand(entry, (*path, index), word, kind, unit) for index, entry in enumerate(operand)
            )
        else:
            operands = (self._operand(operand, path, word, kind, unit),)
        if word == "between":
            self._check_order(operands, path)
        location = self.locate(path)
        return [Matcher(field=name, kind=word, operands=operands, tolerance=tolerance, location=location)]

    def _check_order(self, operands: Sequence[object], path: Path_) -> None:
        try:
            low, high = (quantities.parse(str(operand)) for operand in operands)
            if low.value > high.to(low.unit):
                self.report(
                    path, f"between [{low}, {high}]: the first limit is above the second", "swap them"
                )
        except ValueError:
            pass  # dates and references; a wrong number has been reported already

    def _filled(self, written: object, path: Path_) -> object:
        if isinstance(written, list):
            return [self._filled(entry, (*path, index)) for index, entry in enumerate(written)]
        if not isinstance(written, str):
            self.report(path, f"expected a value, found {_found(written)}", "")
            return None
        try:
            return fill(written, self.scope)
        except PlanReferenceError as error:
            self.report(path, error.message, error.hint)
            return None

    def _operand(self, written: object, path: Path_, word: str, kind: object, unit: str | None) -> object:
        filled = self._filled(written, path)
        if not isinstance(filled, str):
            return filled
        if read := self._device_read(filled, path):
            return read
        if word == "matches":
            try:
                re.compile(filled)
            except re.error as error:
                self.report(path, f"`{shown(filled)}` is not a regular expression: {error}", "")
        else:
            try:
                _check_text(filled, kind, unit, str(path[-1]), numeric=word in _NUMERIC)
            except ValueError as error:
                self.report(path, str(error), "")
        return filled

    def _device_read(self, text: str, path: Path_) -> DeviceRead | None:
        found = _READ.fullmatch(text)
        if found is None or found[1] not in self.devices:
            return None
        device, method, given, tail = found[1], found[2], found[3] or "", found[4]
        role = self.devices[device]
        try:
            known = {name: spec for name, spec in role_actions(role).items() if spec.harmless_read}
        except KeyError:
            return None  # the unknown role has been reported
        if method not in known:
            self.report(path, f"`{device}.{method}` is not a value that may be read", suggest(method, known))
            return None
        spec = known[method]
        arguments: dict[str, object] = {}
        for index, piece in enumerate(part.strip() for part in given.split(",")) if given.strip() else ():
            key, equals, value = piece.partition("=")
            names = list(spec.parameters)
            name = key.strip() if equals else (names[index] if index < len(names) else "")
            if name not in spec.parameters:
                self.report(
                    path, f"`{text}`: {method} takes no `{shown(piece)}`", suggest(name, names, "one of")
                )
                continue
            try:
                arguments[name] = spec.parameters[name].type.convert((value if equals else piece).strip())
            except ValueError as error:
                self.report(path, f"`{text}`: argument `{name}`: {error}", "")
        for name, parameter in spec.parameters.items():
            if parameter.required and name not in arguments:
                self.report(
                    path, f"`{text}`: argument `{name}` is missing", f"write `{device}.{method}(<{name}>)`"
                )
        field = tuple(part for part in tail.split(".") if part)
        try:
            type_at(spec.result, field or ("value",))
        except LookupError as error:
            self.report(path, f"`{text}`: no field `{error.args[0]}`", suggest(error.args[0], error.args[1]))
        return DeviceRead(
            device=device, role=role, method=method, arguments=arguments, field=field, text=text
        )


def _found(value: object) -> str:
    return f"`{shown(value)}`" if isinstance(value, str) and value else kind_of(value)


def _may_be_ordered(kind: object) -> bool:
    members = alternatives(kind)
    return not members or any(member in (int, float, Decimal, datetime, object) for member in members)


def _may_be_list(kind: object) -> bool:
    return not all(member in (str, int, float, Decimal, bool, datetime) for member in alternatives(kind))


def _check_unit(quantity: quantities.Quantity, unit: str, name: str) -> None:
    if not quantity.unit:
        return
    if not unit:
        raise ValueError(f"`{name}` has no unit; write {quantity.value} without `{quantity.unit}`")
    quantity.to(unit)


def _check_text(text: str, kind: object, unit: str | None, name: str, *, numeric: bool) -> None:
    """Raise ValueError where the text cannot be a value of this type."""
    members = alternatives(kind)
    if len(members) != 1 or members[0] is object:
        if numeric and _datetime(text) is None:
            quantities.parse(text)
        return
    if members[0] is bool:
        yes_or_no(text)
    elif members[0] in (int, float, Decimal):
        try:
            quantity = quantities.parse(text)
        except ValueError:
            raise ValueError(f"expected {describe(kind)}, found `{shown(text)}`") from None
        if unit is not None:
            _check_unit(quantity, unit, name)
        elif quantity.unit and not quantities.is_known_unit(quantity.unit):
            raise ValueError(f"`{shown(quantity.unit)}` is not a unit")
    elif members[0] is datetime and _datetime(text) is None:
        raise ValueError(f"expected {describe(kind)}, found `{shown(text)}`")


def _datetime(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
