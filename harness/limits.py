"""Compares what a step returned with what the plan expects, and says both in words.

The closed set: equals (with tolerance), differs, between, at_least, at_most, one_of, matches, absent,
refused. Numbers are compared exactly, as Decimal; where a unit is written, in the unit of the field. A
refusal nobody expected is a failed check, and so is an expected refusal that did not come.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from adapters.errors import Refused
from harness import quantities
from harness.actions import read
from harness.argument_types import yes_or_no
from harness.plan import DeviceRead, Matcher, Reference, Step, Template
from harness.records import Check
from harness.references import lookup, resolved
from harness.results import ABSENT, main_field, text_of, unit_of_value, value_at


def evaluate(
    step: Step, outcome: object, saved: Mapping[str, object], devices: Mapping[str, object]
) -> list[Check]:
    """Return one check for each condition of the step.

    ``outcome`` is the step's result, or the Refused exception that ended it. Raises NothingSaved where a
    limit needs a value that was never saved, and what a harmless read raises where a limit needs one.
    """
    refusals = [matcher for matcher in step.expect if matcher.kind == "refused"]
    if refusals:
        return [_refusal(step, matcher, outcome) for matcher in refusals]
    if isinstance(outcome, Refused):
        expected = "; ".join(f"{m.field or 'the result'} {_sentence(m)}" for m in step.expect) or "an answer"
        return [
            Check(
                name=step.do,
                passed=False,
                expected=expected,
                actual=str(outcome),
                behaviours=step.verifies,
            )
        ]
    return [_Comparison(step, matcher, outcome, saved, devices).check() for matcher in step.expect]


def _refusal(step: Step, matcher: Matcher, outcome: object) -> Check:
    reasons = [str(operand) for operand in matcher.operands]
    expected = "refused" + (f": {' or '.join(reasons)}" if reasons else "")
    if isinstance(outcome, Refused):
        passed, actual = not reasons or outcome.reason in reasons, str(outcome)
    else:
        passed = False
        actual = "accepted" if outcome is None else f"accepted: {_cut(text_of(outcome))}"
    return Check(name=step.do, passed=passed, expected=expected, actual=actual, behaviours=step.verifies)


@dataclass(frozen=True)
class _Operand:
    """A right-hand side: its value, the unit that goes with it, and where it came from."""

    value: object
    unit: str = ""
    origin: str = ""  # as written, where that is not the value itself

    def shown(self, unit: str = "") -> str:
        text = f"{text_of(self.value)} {self.unit}".rstrip()
        return f"{text} ({self.origin})" if self.origin else text


class _Comparison:
    """One matcher against one result."""

    def __init__(
        self,
        step: Step,
        matcher: Matcher,
        outcome: object,
        saved: Mapping[str, object],
        devices: Mapping[str, object],
    ) -> None:
        path = tuple(matcher.field.split(".")) if matcher.field else ()
        self._step, self._matcher = step, matcher
        self._saved, self._devices = saved, devices
        self._actual = value_at(outcome, path)
        self._unit = unit_of_value(outcome, path)

    def check(self) -> Check:
        """Return the comparison with its numbers, limits and words."""
        if self._matcher.kind == "absent":
            return self._absence()
        operands = [self._operand(operand) for operand in self._matcher.operands]
        number = _number(self._actual)
        if number is not None and self._matcher.kind != "matches":
            found = self._numeric(number, operands)
            if found is not None:
                return found
        return self._result(self._compare(operands), self._expected(operands))

    def _result(
        self,
        passed: bool,
        expected: str,
        *,
        value: Decimal | None = None,
        low: Decimal | None = None,
        high: Decimal | None = None,
    ) -> Check:
        actual = _cut(text_of(self._actual))
        return Check(
            name=self._matcher.field or self._step.do,
            passed=passed,
            expected=expected,
            actual=f"{actual} {self._unit}".rstrip() if _number(self._actual) is not None else actual,
            unit=self._unit if value is not None else "",
            value=value,
            low=low,
            high=high,
            behaviours=self._step.verifies,
        )

    def _absence(self) -> Check:
        wanted = not self._matcher.operands or self._matcher.operands[0] is True
        absent = (
            self._actual is ABSENT
            or self._actual is None
            or (isinstance(self._actual, str | bytes | list | tuple | dict) and not self._actual)
        )
        return self._result(absent == wanted, "nothing" if wanted else "something")

    def _operand(self, written: object) -> _Operand:
        match written:
            case Reference():
                value, unit = lookup(written, self._saved)
                return _whole(value, unit, str(written))
            case Template():
                return _Operand(resolved(written, self._saved), origin=str(written))
            case DeviceRead():
                result = read(written, self._devices, self._saved)
                path = written.field or (main_field(result),)
                return _Operand(value_at(result, path), unit_of_value(result, path), written.text)
            case list() | tuple():
                return _Operand([self._operand(entry).value for entry in written])
            case _:
                return _Operand(written)

    # numbers ------------------------------------------------------------------------------------------

    def _numeric(self, actual: Decimal, operands: list[_Operand]) -> Check | None:
        """Compare as numbers in the field's unit; None where an operand is not a number."""
        kind = self._matcher.kind
        try:
            numbers = [self._in_field_unit(operand) for operand in operands]
        except _NotNumericError:
            if kind in ("between", "at_least", "at_most"):
                return self._result(False, self._expected(operands), value=actual)
            return None
        except ValueError as error:
            return self._result(False, f"{self._expected(operands)} ({error})", value=actual)
        low: Decimal | None = None
        high: Decimal | None = None
        match kind:
            case "equals":
                low = high = numbers[0]
                if self._matcher.tolerance:
                    margin = self._margin(numbers[0])
                    low, high = low - margin, high + margin
            case "between":
                low, high = min(numbers), max(numbers)
            case "at_least":
                low = numbers[0]
            case "at_most":
                high = numbers[0]
            case "differs":
                return self._result(actual != numbers[0], self._expected(operands), value=actual)
            case _:
                return self._result(actual in numbers, self._expected(operands), value=actual)
        passed = (low is None or actual >= low) and (high is None or actual <= high)
        return self._result(passed, self._expected(operands), value=actual, low=low, high=high)

    def _in_field_unit(self, operand: _Operand) -> Decimal:
        number = _number(operand.value)
        if number is not None:
            return quantities.Quantity(value=number, unit=operand.unit).to(self._unit)
        if not isinstance(operand.value, str):
            raise _NotNumericError
        try:
            quantity = quantities.parse(operand.value)
        except ValueError:
            raise _NotNumericError from None
        if quantity.unit and not self._unit:
            raise ValueError("the result has no unit")
        return quantity.to(self._unit)

    def _margin(self, expected: Decimal) -> Decimal:
        tolerance = quantities.parse(self._matcher.tolerance)
        if tolerance.unit == "%" and self._unit != "%":
            return abs(expected) * tolerance.value / 100
        return tolerance.to(self._unit)

    # everything else ----------------------------------------------------------------------------------

    def _compare(self, operands: list[_Operand]) -> bool:
        values = [operand.value for operand in operands]
        match self._matcher.kind:
            case "equals":
                return _same(self._actual, values[0])
            case "differs":
                return self._actual is not ABSENT and not _same(self._actual, values[0])
            case "one_of":
                return any(_same(self._actual, value) for value in values)
            case "matches":
                present = self._actual is not ABSENT and self._actual is not None
                return present and re.fullmatch(str(values[0]), text_of(self._actual), re.DOTALL) is not None
            case "between":
                return _ordered(values[0], self._actual) and _ordered(self._actual, values[1])
            case "at_least":
                return _ordered(values[0], self._actual)
            case _:
                return _ordered(self._actual, values[0])

    def _expected(self, operands: list[_Operand]) -> str:
        return _sentence(self._matcher, [operand.shown() for operand in operands], self._unit)


class _NotNumericError(Exception):
    """The right-hand side is not a number."""


def _sentence(matcher: Matcher, operands: list[str] | None = None, unit: str = "") -> str:
    """Return a condition in words: ``230 V ± 0.5 %``, ``between 1 and 5 A``, ``anything but X``."""
    texts = [str(entry) for entry in matcher.operands] if operands is None else operands
    with_unit = [f"{text} {unit}" if unit and re.fullmatch(r"[-+\d.eE]+", text) else text for text in texts]
    match matcher.kind:
        case "equals":
            tolerance = matcher.tolerance
            if tolerance and unit and re.fullmatch(r"[\d.]+", tolerance):
                tolerance = f"{tolerance} {unit}"
            return with_unit[0] + (f" ± {tolerance}" if tolerance else "")
        case "differs":
            return f"anything but {with_unit[0]}"
        case "between":
            return f"between {with_unit[0]} and {with_unit[1]}"
        case "at_least":
            return f"at least {with_unit[0]}"
        case "at_most":
            return f"at most {with_unit[0]}"
        case "one_of":
            return f"one of {', '.join(with_unit)}"
        case "matches":
            return f"text that matches {texts[0]}"
        case "absent":
            return "nothing" if texts in ([], ["True"]) else "something"
        case _:
            return "refused" + (f": {' or '.join(texts)}" if texts else "")


def sentence(matcher: Matcher) -> str:
    """Return a condition in words, for a checklist."""
    return f"{matcher.field}: {_sentence(matcher)}" if matcher.field else _sentence(matcher)


def _whole(value: object, unit: str, origin: str) -> _Operand:
    """Take the ``value`` of a saved reading that was named as a whole."""
    path = (main_field(value),)
    inner = value_at(value, path)
    if inner is not ABSENT:
        return _Operand(inner, unit_of_value(value, path), origin)
    return _Operand(value, unit, origin)


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool | enum.Enum):
        return None
    if isinstance(value, int | Decimal):
        return Decimal(value)
    return Decimal(repr(value)) if isinstance(value, float) else None


def _same(actual: object, expected: object) -> bool:
    """Return whether two values are the same thing, where a plan can only write text."""
    if actual is ABSENT:
        return False
    if isinstance(expected, list | tuple):
        return (
            isinstance(actual, list | tuple)
            and len(actual) == len(expected)
            and all(_same(one, other) for one, other in zip(actual, expected, strict=True))
        )
    if not isinstance(expected, str) or isinstance(actual, str):
        return actual == expected
    match actual:
        case bool():
            try:
                return actual == yes_or_no(expected)
            except ValueError:
                return False
        case enum.Enum():
            return expected in (actual.name, str(actual.value))
        case int() | float() | Decimal():
            try:
                return _number(actual) == quantities.parse(expected).value
            except ValueError:
                return False
        case bytes() | bytearray():
            return bytes(actual).hex() == re.sub(r"[\s:]", "", expected).lower()
        case datetime():
            try:
                return actual == datetime.fromisoformat(expected)
            except ValueError:
                return False
        case _:
            return text_of(actual) == expected


def _ordered(low: object, high: object) -> bool:
    """Return whether low <= high for dates, and for texts that are numbers."""
    pair = []
    for value in (low, high):
        if isinstance(value, datetime):
            pair.append(value)
            continue
        if not isinstance(value, str):
            return False
        try:
            pair.append(datetime.fromisoformat(value))
        except ValueError:
            return _ordered_numbers(str(low), str(high))
    try:
        return pair[0] <= pair[1]
    except TypeError:  # one of them has no time zone
        return False


def _ordered_numbers(low: str, high: str) -> bool:
    try:
        first, second = quantities.parse(low), quantities.parse(high)
        return first.value <= second.to(first.unit)
    except ValueError:
        return False


def _cut(text: str) -> str:
    return text if len(text) <= 500 else text[:500] + "..."
