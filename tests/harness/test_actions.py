"""From signatures to words of a plan, from text to typed arguments, from a step to a call."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import BenchError, NotPermitted
from adapters.roles import DlmsMeter, Identity, Meter
from harness import actions, quantities
from harness.actions import Duration, procedure
from harness.argument_types import argument_type
from harness.plan import Location, Reference, Step, Template

HERE = Location(file="f", line=1, column=1)


@dataclass(frozen=True, kw_only=True)
class Done:
    """What the procedure returns."""

    text: str


@procedure("sample_procedure", hurts=("energise",))
def sample(
    run: object,
    *,
    meter: Meter,
    off: Duration = 5.0,
    shift_s: int = 0,
    speed: Literal["slow", "fast"] = "slow",
    limit: Decimal | None = None,
    names: tuple[str, ...] = (),
    within_s: float = 1.0,
) -> Done:
    """Do something.

    More words.
    """
    return Done(text=f"{meter.identify().serial} {off} {shift_s} {speed} {limit} {names} {within_s} {run}")


class FakeMeter:
    """Answers identify() and nothing else."""

    def identify(self) -> Identity:
        """Return who it is."""
        return Identity(serial="0042")


@pytest.fixture(autouse=True)
def _known() -> None:
    actions.register(sample)


def a_step(**arguments: object) -> Step:
    """Return a step that calls the procedure."""
    name = "sample_procedure"
    return Step(title="t", do=name, device="", method=name, arguments=arguments, within_s=9.0, location=HERE)


def test_roles_are_named_after_their_protocols() -> None:
    """A plan writes dlms_meter for DlmsMeter; the base of all devices is no role."""
    assert actions.roles()["dlms_meter"] is DlmsMeter
    assert "power_source" in actions.roles()
    assert "device" not in actions.roles()


def test_role_actions_leave_out_what_the_bench_calls() -> None:
    """A plan cannot close a device."""
    words = actions.role_actions("dlms_meter")
    assert {"associate", "get", "read_clock", "identify"} <= set(words)
    assert not {"close", "make_safe"} & set(words)
    assert words["disconnect_supply"].hurts == {"disconnect"}
    assert words["read_register"].harmless_read


def test_procedure_signature_gives_parameters_and_docs() -> None:
    """The run is no argument, within_s comes from the step, the rest is typed."""
    spec = actions.procedures()["sample_procedure"]
    assert list(spec.parameters) == ["meter", "off", "shift_s", "speed", "limit", "names"]
    assert spec.parameters["meter"].type.role == "meter"
    assert spec.parameters["meter"].required
    assert spec.parameters["speed"].type.choices == ("slow", "fast")
    assert spec.hurts == {"energise"}
    assert spec.takes_within
    assert spec.summary == "Do something."


def test_call_hands_over_devices_run_and_within() -> None:
    """A device name becomes the device."""
    step = a_step(meter="m", off=10.0)
    found = actions.call(step, {"m": FakeMeter()}, {}, "RUN")
    assert found == Done(text="0042 10.0 0 slow None () 9.0 RUN")


def test_call_types_saved_values() -> None:
    """A reference is filled in and converted like written text."""
    step = a_step(
        meter="m",
        shift_s=Reference(path=("before", "text")),
        names=[Template(parts=("x", Reference(path=("before", "text"))))],
    )
    found = actions.resolve_arguments(step, {"before": Done(text="2 min")})
    assert found == {"meter": "m", "shift_s": 120, "names": ("x2 min",)}


def test_call_saved_value_of_the_wrong_type_is_a_bench_error() -> None:
    """The message names the step's place and what was expected."""
    step = a_step(meter="m", shift_s=Reference(path=("before", "text")))
    with pytest.raises(BenchError, match=r"f:1:1: argument `shift_s` = \${before.text}: expected a duration"):
        actions.resolve_arguments(step, {"before": Done(text="soon")})


def test_call_method_the_adapter_lacks_is_not_permitted() -> None:
    """A capability that is absent skips, it does not fail."""
    step = Step(
        title="t",
        do="m.read_clock",
        device="m",
        role="meter",
        method="read_clock",
        arguments={},
        location=HERE,
    )
    with pytest.raises(NotPermitted, match="the adapter of m cannot read clock"):
        actions.call(step, {"m": FakeMeter()}, {})
    with pytest.raises(BenchError, match="no device 'm'"):
        actions.call(step, {}, {})


@pytest.mark.parametrize(
    "name, annotation, text, expected",
    [
        ("a", str, "0123", "0123"),
        ("a", int, "0123", 123),
        ("a", bool, "no", False),
        ("a", bool, "true", True),
        ("a", Decimal, "1.10", Decimal("1.10")),
        ("a", float, "1e3", 1000.0),
        ("voltage_v", Decimal, "230", Decimal(230)),
        ("voltage_v", Decimal, "0.23 kV", Decimal("230")),
        ("timeout_s", float, "5 min", 300.0),
        ("timeout_s", float, "5", 5.0),
        ("a", Duration, "1.5 h", 5400.0),
        ("a", bytes, "4D 42", b"MB"),
        ("a", object, {"x": ["1"]}, {"x": ["1"]}),
        ("a", tuple[int, ...], ["1", "2"], (1, 2)),
        ("a", Literal[1, 2], "2", 2),
        ("a", int | None, "7", 7),
    ],
)
def test_argument_text_becomes_the_parameter_type(
    name: str, annotation: object, text: object, expected: object
) -> None:
    """Text is read by the type of the parameter and by nothing else."""
    found = argument_type(name, annotation, {}).convert(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "name, annotation, text, message",
    [
        ("a", int, "1.5", "expected a whole number, found `1.5`"),
        ("a", int, "", "expected a whole number, found nothing"),
        ("a", bool, "maybe", "expected yes or no, found `maybe`"),
        ("a", Decimal, "5 V", "expected a number without a unit"),
        ("a", Decimal, "nan", "expected a number, found `nan`"),
        ("a", str, ["x"], "expected text, found a list"),
        ("a", Duration, "30", "a duration needs a unit"),
        ("a", Duration, "30 V", "`V` is not a unit of time"),
        ("a", Duration, "-1 s", "cannot be negative"),
        ("voltage_v", Decimal, "5 A", "`A` cannot be compared with `V`"),
        ("wait_s", int, "100 ms", "expected a whole number of s"),
        ("a", Literal["get", "set"], "gett", "did you mean `get`\\?"),
        ("a", tuple[int, ...], "1", "expected a list, found `1`"),
        ("a", bytes, "xyz", "octets in hexadecimal"),
    ],
)
def test_argument_that_does_not_fit_is_refused_in_words(
    name: str, annotation: object, text: object, message: str
) -> None:
    """The message says what was expected and what was found."""
    with pytest.raises(ValueError, match=message):
        argument_type(name, annotation, {}).convert(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=0, max_value=10**9))
def test_duration_units_agree(value: Decimal) -> None:
    """Minutes and seconds of the same duration are the same duration."""
    assert quantities.parse(f"{value} min").to("s") == value * 60


@given(st.text(max_size=30))
def test_quantity_parse_never_raises_anything_but_value_error(text: str) -> None:
    """Whatever people write, the answer is a number or a sentence."""
    found = None
    try:
        found = quantities.parse(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 -- both outcomes are fine, nothing else is
    assert found is None or found.value.is_finite()


@pytest.mark.parametrize(
    "text, unit, expected",
    [
        ("1 kWh", "Wh", "1000"),
        ("2 kvarh", "varh", "2000"),
        ("100 ppm", "%", "0.01"),
        ("0.5 s/d", "s/day", "0.5"),
    ],
)
def test_quantity_converts_units_of_metering(text: str, unit: str, expected: str) -> None:
    """Units of registers and of drift limits are known."""
    assert quantities.parse(text).to(unit) == Decimal(expected)


@pytest.mark.parametrize("pair", [("5 W", "var"), ("5 VA", "W"), ("5 V", "A"), ("5 V", "")])
def test_quantity_different_things_do_not_mix(pair: tuple[str, str]) -> None:
    """Watts, vars and volt-amperes have one dimension and are still different things."""
    quantity = quantities.parse(pair[0])
    if pair[1]:
        with pytest.raises(ValueError, match="cannot be compared"):
            quantity.to(pair[1])
    else:
        assert quantity.to("") == 5
