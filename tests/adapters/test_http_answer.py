"""JSON in answers: exact numbers, and everything that is none is the far end's mistake."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import RemoteProtocolError
from adapters.transports.http_answer import MAX_DEPTH, HttpAnswer


def answer(body: bytes) -> HttpAnswer:
    """Return an answer with ``body``."""
    return HttpAnswer(status=200, body=body, media_type="application/json", request="GET /x")


def test_json_fractions_are_exact_decimals() -> None:
    """0.1 kWh stays 0.1 kWh; whole numbers stay whole."""
    value = answer(b'{"energy_kwh": 0.1, "count": 12345678901234567890, "small": 1.50e-3}').json()
    assert value == {
        "energy_kwh": Decimal("0.1"),
        "count": 12345678901234567890,
        "small": Decimal("0.00150"),
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b'{"a": 1',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": "\xff"}',
        b'\xff\xfe{\x00}\x00',
        b'{"a": "\\ud800"}',
        b'{"a": 1e999999999}',
        b'{"a": 1e99999999999999999999999999}',
        b"1" * 5000,
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 500 + b"]" * 500,
        b'["\\"[",' + b"[{}," * 70 + b"1" + b"]" * 71,
        b"[" * 300_000 + b"[]" * 300_000,
    ],
)  # fmt: skip
def test_json_that_is_none_is_the_far_ends_mistake(body: bytes) -> None:
    """One error with the octets, whatever the library underneath would have raised."""
    with pytest.raises(RemoteProtocolError, match=r"GET /x \(status 200.*is no JSON") as caught:
        answer(body).json()
    assert caught.value.data == body[:4096]


def test_json_depth_up_to_the_limit_is_read() -> None:
    """Brackets in strings do not count, nor does breadth."""
    deep = b"[" * MAX_DEPTH + b'"[[[{{{\\"[[["' + b"]" * MAX_DEPTH
    assert json.dumps(answer(deep).json()).startswith("[[[[")
    assert answer(b"[" + b",".join([b"[]"] * 100_000) + b"]").json() == [[]] * 100_000
    with pytest.raises(RemoteProtocolError, match="nested more than 64"):
        answer(b"[" + deep + b"]").json()


def test_json_surrogate_pairs_are_characters() -> None:
    """Both halves together are text."""
    assert answer(b'"\\ud83d\\ude00"').json() == "\U0001f600"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_json_of_another_writer_is_read_as_it_was_meant(value: object) -> None:
    """Whatever the standard library writes, escaped or not."""
    assert answer(json.dumps(value).encode()).json() == value
    assert answer(json.dumps(value, ensure_ascii=False).encode()).json() == value


@given(st.binary(max_size=200))
def test_json_any_octets_are_a_value_or_one_error(body: bytes) -> None:
    """No other exception, ever."""
    kept = body
    try:
        answer(body).json()
    except RemoteProtocolError as error:
        kept = error.data
    assert kept == body


def test_answer_says_how_it_went() -> None:
    """2xx is success; text replaces what is no UTF-8."""
    assert [HttpAnswer(status=status).ok for status in (199, 200, 299, 300, 404)] == [
        False,
        True,
        True,
        False,
        False,
    ]
    assert HttpAnswer(status=200, body=b"a\xff").text == "a\N{REPLACEMENT CHARACTER}"
