"""Rows of a profile decoded many at a time: the same values as one by one, and the same refusals."""

from __future__ import annotations

import sys
import tracemalloc
from time import process_time  # how long the decoder really works is what is tested here

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import axdr, data
from adapters.protocols.dlms.budget import Budget
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import DataType
from adapters.protocols.dlms.profile_rows import decode_rows
from adapters.protocols.dlms.profile_status import ProfileStatus, status_words

cells = st.one_of(
    st.binary(min_size=0, max_size=14).map(data.octet_string),
    st.just(data.octet_string(bytes(12))),
    st.integers(0, 255).map(data.unsigned),
    st.integers(0, 2**32 - 1).map(data.double_long_unsigned),
    st.integers(-(2**63), 2**63 - 1).map(data.long64),
    st.booleans().map(data.boolean),
    st.just(data.null()),
    st.text("abc", max_size=3).map(data.visible_string),
    st.integers(0, 9).map(lambda n: data.array(*(data.unsigned(n),) * 2)),
)
rows = st.lists(cells, max_size=5).map(lambda row: data.structure(*row))
runs = st.lists(st.tuples(rows, st.integers(1, 20)), max_size=6)


def buffer(*found: Data) -> bytes:
    """Return the encoding of a buffer."""
    return axdr.encode_data(data.array(*found))


@given(runs)
@settings(max_examples=60, deadline=None)
def test_rows_of_any_shape_equal_the_plain_decoder(pieces: list[tuple[Data, int]]) -> None:
    """However rows repeat and change their shape, both decoders agree on every value."""
    encoded = buffer(*(row for row, times in pieces for _ in range(times)))
    expected = [tuple(row.plain()) for row in axdr.decode_data(bytes(encoded)).items()]  # type: ignore[arg-type]
    assert expected == decode_rows(encoded)


@given(runs, st.data())
@settings(max_examples=60, deadline=None)
def test_rows_damaged_anywhere_are_refused_or_equal(
    pieces: list[tuple[Data, int]], draw: st.DataObject
) -> None:
    """A damaged octet brings what the plain decoder makes of it: the same values, or an error of one type."""
    encoded = bytearray(buffer(*(row for row, times in pieces for _ in range(times))))
    encoded[draw.draw(st.integers(0, len(encoded) - 1))] = draw.draw(st.integers(0, 255))
    try:
        expected = [
            tuple(item.plain() for item in row.items()) for row in axdr.decode_data(bytes(encoded)).items()
        ]
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            decode_rows(bytes(encoded))
        return
    try:
        found = decode_rows(bytes(encoded))
    except RemoteProtocolError as error:
        assert "structure" in str(error)  # noqa: PT017 - an array of arrays is data, but no rows
        return
    assert repr(expected) == repr(found)


def test_rows_compact_array_is_read_too() -> None:
    """Class 7 allows a compact array for its buffer."""
    description = data.TypeDescription(
        DataType.STRUCTURE,
        2,
        (data.TypeDescription(DataType.UNSIGNED), data.TypeDescription(DataType.LONG_UNSIGNED)),
    )
    items = [data.structure(data.unsigned(n), data.long_unsigned(1000 + n)) for n in range(3)]
    encoded = axdr.encode_data(data.compact_array(description, items))
    assert decode_rows(encoded) == [(0, 1000), (1, 1001), (2, 1002)]


def test_rows_empty_buffer_is_no_row() -> None:
    """An empty array is what an empty range brings."""
    assert decode_rows(b"\x01\x00") == []


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x01",
        b"\x01\x02\x02\x00",  # a row short
        b"\x01\x01\x02\x00\x00",  # an octet too many
        b"\x01\x84\xff\xff\xff\xff",
        b"\x01\x01\x11\x05",  # a number where a row is due
        b"\x11\x05",
        b"\x01\x02\x02\x01\x11\x05\x02\x01\x11",
    ],
    ids=["nothing", "tag only", "short", "long", "claims millions", "no row", "no array", "cut"],
)
def test_rows_malformed_are_refused(encoded: bytes) -> None:
    """Whatever is wrong, it is the one error of malformed input."""
    with pytest.raises(RemoteProtocolError):
        decode_rows(encoded)


def test_rows_beyond_the_budget_are_refused() -> None:
    """Values are drawn on the budget, those of the quick way included."""
    encoded = buffer(*(data.structure(data.unsigned(1), data.unsigned(2)),) * 50)
    with pytest.raises(RemoteProtocolError, match="budget"):
        decode_rows(encoded, Budget(items=120))


def worst_cases() -> dict[str, bytes]:
    """Return buffers at the limit of the default budget, made to spoil the quick way."""
    wide = data.structure(data.octet_string(bytes(12)), *(data.double_long_unsigned(n) for n in range(6)))
    alternating = (data.structure(data.unsigned(1)), data.structure(data.long_unsigned(1)))
    teasing = (data.structure(data.octet_string(b"ab"), data.unsigned(1)),) * 9 + (data.structure(),)
    return {
        "usual": buffer(*(wide,) * 10_000),
        "alternating": buffer(*alternating * 12_000),
        "teasing": buffer(*teasing * 2_500),
        "empty rows": buffer(*(data.structure(),) * 49_000),
    }


@pytest.mark.parametrize("name", ["usual", "alternating", "teasing", "empty rows"])
def test_rows_worst_cases_are_bounded(name: str) -> None:
    """No buffer within the budget takes long or much memory; a loaded host gets twice the time."""
    encoded = worst_cases()[name]
    began_s = process_time()
    found = decode_rows(encoded)
    took_s = process_time() - began_s
    tracemalloc.start()
    decode_rows(encoded)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) > 9_000
    assert took_s < (0.2 if sys.gettrace() is None else 2.0)  # a coverage tracer slows it tenfold
    assert peak < 16 << 20


def test_status_words_name_the_bits() -> None:
    """A status becomes words; a bit without a name is still told."""
    assert status_words(0) == ()
    assert status_words(ProfileStatus.POWER_DOWN | ProfileStatus.CLOCK_ADJUSTED) == (
        "clock-adjusted",
        "power-down",
    )
    assert status_words(0x40) == ("bit 0x40",)
