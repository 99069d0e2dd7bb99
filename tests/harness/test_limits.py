"""Conditions: exact numbers, units, tolerances, refusals, references, in words a report can show."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import Refused
from adapters.roles import AttributeValue, RegisterReading
from harness.limits import evaluate
from harness.plan import DeviceRead, Location, Matcher, Reference, Step, Template
from harness.records import Check
from harness.references import NothingSaved

HERE = Location(file="f", line=1, column=1)


class Colour(enum.Enum):
    """Something with names."""

    RED = "r"


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A nested record."""

    count: int = 3


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a step may return."""

    voltage_v: Decimal = Decimal("230.0")
    drift_s: float = 0.1
    mode: str = "hls-gmac"
    open: bool = True
    count: int = 7
    title: bytes = b"\x4d\x42"
    at: datetime = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
    colour: Colour = Colour.RED
    names: tuple[str, ...] = ("a", "b")
    nothing: str = ""
    maybe: int | None = None
    inner: Inner = Inner()


def check(
    field: str,
    kind: str,
    *operands: object,
    tolerance: str = "",
    outcome: object = None,
    saved: Mapping[str, object] | None = None,
    devices: Mapping[str, object] | None = None,
) -> Check:
    """Evaluate one condition."""
    matcher = Matcher(field=field, kind=kind, operands=operands, tolerance=tolerance, location=HERE)
    step = Step(
        title="t",
        do="meter.read",
        device="meter",
        method="read",
        arguments={},
        expect=(matcher,),
        verifies=("DL-CLI-01",),
        location=HERE,
    )
    (found,) = evaluate(step, Result() if outcome is None else outcome, saved or {}, devices or {})
    return found


@pytest.mark.parametrize(
    "field, kind, operands, tolerance, passed",
    [
        ("voltage_v", "equals", ["230"], "", True),
        ("voltage_v", "equals", ["230.000 V"], "", True),
        ("voltage_v", "equals", ["0.23 kV"], "", True),
        ("voltage_v", "equals", ["231 V"], "", False),
        ("voltage_v", "equals", ["231 V"], "0.5 %", True),
        ("voltage_v", "equals", ["231 V"], "0.4 %", False),
        ("voltage_v", "equals", ["231"], "1", True),
        ("voltage_v", "equals", ["231"], "999 mV", False),
        ("voltage_v", "between", ["220 V", "230 V"], "", True),
        ("voltage_v", "between", ["220 V", "229.9 V"], "", False),
        ("voltage_v", "differs", ["230"], "", False),
        ("voltage_v", "one_of", ["115", "230 V"], "", True),
        ("voltage_v", "one_of", ["115", "231"], "", False),
        ("drift_s", "equals", ["0.1"], "", True),
        ("drift_s", "at_most", ["100 ms"], "", True),
        ("drift_s", "at_most", ["99 ms"], "", False),
        ("count", "at_least", ["7"], "", True),
        ("count", "at_least", ["7.1"], "", False),
        ("count", "equals", ["seven"], "", False),
        ("count", "matches", ["[0-9]"], "", True),
        ("mode", "equals", ["hls-gmac"], "", True),
        ("mode", "equals", ["hls"], "", False),
        ("mode", "differs", ["none"], "", True),
        ("mode", "matches", ["hls"], "", False),
        ("mode", "matches", ["hls.*"], "", True),
        ("mode", "one_of", ["lls", "hls-gmac"], "", True),
        ("open", "equals", ["yes"], "", True),
        ("open", "equals", ["no"], "", False),
        ("open", "equals", ["true"], "", True),
        ("title", "equals", ["4D 42"], "", True),
        ("title", "equals", ["4d43"], "", False),
        ("at", "at_least", ["2026-01-05T12:00:00+00:00"], "", True),
        ("at", "between", ["2026-01-05T12:00:01+00:00", "2026-01-06T00:00:00+00:00"], "", False),
        ("at", "at_least", ["2026-01-05T12:00:00"], "", False),
        ("at", "equals", ["2026-01-05T13:00:00+01:00"], "", True),
        ("colour", "equals", ["RED"], "", True),
        ("colour", "one_of", ["r"], "", True),
        ("names", "equals", [["a", "b"]], "", True),
        ("names", "equals", [["a"]], "", False),
        ("names.1", "equals", ["b"], "", True),
        ("names.5", "equals", ["b"], "", False),
        ("inner.count", "at_most", ["3"], "", True),
        ("nothing", "absent", [], "", True),
        ("nothing", "absent", [False], "", False),
        ("maybe", "absent", [True], "", True),
        ("mode", "absent", [False], "", True),
        ("maybe", "equals", ["5"], "", False),
        ("maybe", "at_least", ["5"], "", False),
        ("missing", "equals", ["5"], "", False),
        ("missing", "differs", ["5"], "", False),
    ],
)
def test_condition_holds_or_not(
    field: str, kind: str, operands: list[object], tolerance: str, passed: bool
) -> None:
    """Each kind of condition, on each kind of value, both ways."""
    assert check(field, kind, *operands, tolerance=tolerance).passed is passed


def test_measurement_carries_value_unit_and_limits() -> None:
    """A numeric condition is a measurement with limits, for tables and plots."""
    found = check("voltage_v", "equals", "231 V", tolerance="0.5 %")
    assert (found.value, found.unit) == (Decimal("230.0"), "V")
    assert (found.low, found.high) == (Decimal("229.845"), Decimal("232.155"))
    assert found.sentence() == "DL-CLI-01: voltage_v: expected 231 V ± 0.5 %, got 230.0 V"
    assert check("count", "at_least", "3").low == Decimal(3)
    assert check("count", "at_least", "3").high is None


@given(st.integers(), st.integers())
def test_whole_numbers_are_compared_exactly(actual: int, limit: int) -> None:
    """A 64-bit counter is never rounded through a float."""
    outcome = {"n": actual}
    assert check("n", "at_least", str(limit), outcome=outcome).passed is (actual >= limit)
    assert check("n", "equals", str(limit), outcome=outcome).passed is (actual == limit)


@given(st.from_regex(r"\A0{0,5}[0-9]{1,12}\Z"))
def test_text_ids_are_compared_as_text(meter_id: str) -> None:
    """A serial number with one zero less is another serial number."""
    assert check("serial", "equals", meter_id, outcome={"serial": meter_id}).passed
    assert not check("serial", "equals", meter_id, outcome={"serial": "0" + meter_id}).passed


def test_unit_beside_the_value_is_used_and_must_fit() -> None:
    """A register's own unit decides; a limit in another one fails the check in words."""
    reading = RegisterReading(name="energy", value=Decimal(1500), unit="Wh", raw=150)
    assert check("value", "at_least", "1.5 kWh", outcome=reading).passed
    assert check("value", "at_least", "1.5 kWh", outcome=reading).unit == "Wh"
    wrong = check("value", "at_least", "1 V", outcome=reading)
    assert not wrong.passed
    assert "cannot be compared" in wrong.expected
    bare = RegisterReading(name="count", value=Decimal(5), unit="")
    assert "the result has no unit" in check("value", "equals", "5 V", outcome=bare).expected


def test_unit_of_a_scaled_attribute_is_not_that_of_its_raw_value() -> None:
    """12345 raw is not 12345 Wh when the scaler says 123.45."""
    reading = AttributeValue(
        object="e", attribute="value", value=12345, type="u32", unit="Wh", scaled=Decimal("123.45")
    )
    assert check("scaled", "equals", "123.45 Wh", outcome=reading).passed
    assert check("value", "equals", "12345", outcome=reading).unit == ""
    assert not check("value", "equals", "12345 Wh", outcome=reading).passed


def test_refusal_expected_and_given_passes() -> None:
    """Any reason, one reason, one of several."""
    no = Refused("association-rejected", "caused by the user")
    assert check("", "refused", outcome=no).passed
    assert check("", "refused", "association-rejected", outcome=no).passed
    assert check("", "refused", "silence", "association-rejected", outcome=no).passed


def test_refusal_for_another_reason_or_none_fails_in_words() -> None:
    """The wrong no, and a yes, are both failures of the device."""
    found = check("", "refused", "silence", outcome=Refused("association-rejected"))
    assert found.sentence() == (
        "DL-CLI-01: meter.read: expected refused: silence, got refused: association-rejected"
    )
    accepted = check("", "refused", outcome=Inner())
    assert not accepted.passed
    assert accepted.actual == "accepted: {count: 3}"


def test_refusal_nobody_expected_is_one_failed_check() -> None:
    """The report says what was expected instead."""
    found = check("count", "at_least", "3", outcome=Refused("read-write-denied"))
    assert (
        found.sentence() == "DL-CLI-01: meter.read: expected count at least 3, got refused: read-write-denied"
    )


def test_reference_compares_with_a_saved_value_and_its_unit() -> None:
    """``${before.value}`` brings its unit; the whole of a reading stands for its value."""
    saved = {"before": RegisterReading(name="e", value=Decimal("0.23"), unit="kV"), "note": Inner(count=7)}
    whole, part = Reference(path=("before",)), Reference(path=("before", "value"))
    assert check("voltage_v", "equals", part, saved=saved).passed
    assert check("voltage_v", "equals", whole, saved=saved).passed
    assert check("count", "equals", Reference(path=("note", "count")), saved=saved).passed
    assert "${before.value}" in check("voltage_v", "equals", part, saved=saved).expected
    text = Template(parts=("hls-", Reference(path=("word", "mode"))))
    assert not check("mode", "equals", text, saved={"word": Result()}).passed


def test_reference_to_what_was_never_saved_is_inconclusive() -> None:
    """Neither pass nor failure can be signed."""
    with pytest.raises(NothingSaved, match="nothing was saved as `before`"):
        check("count", "equals", Reference(path=("before", "value")))


def test_device_read_supplies_the_expected_value() -> None:
    """The right-hand side is read when the check is made."""

    class Meter:
        """A meter with one register."""

        def read_register(self, name: str) -> RegisterReading:
            """Return it."""
            return RegisterReading(name=name, value=Decimal("0.2301"), unit="kV")

    operand = DeviceRead(
        device="meter",
        role="meter",
        method="read_register",
        arguments={"name": "u1"},
        text="meter.read_register(u1)",
    )
    found = check("voltage_v", "equals", operand, tolerance="0.1 %", devices={"meter": Meter()})
    assert found.passed
    assert found.expected == "0.2301 kV (meter.read_register(u1)) ± 0.1 %"


def test_no_conditions_give_no_checks() -> None:
    """A step without expectations passes by coming back; a refusal of it still fails."""
    step = Step(title="t", do="meter.get", device="meter", method="get", arguments={}, location=HERE)
    assert evaluate(step, Result(), {}, {}) == []
    (found,) = evaluate(step, Refused("silence"), {}, {})
    assert (found.passed, found.expected) == (False, "an answer")
