"""A-XDR data: every type both ways, strictness, budget, and what we refuse to send."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms import data as d
from adapters.protocols.dlms.axdr import decode_data, encode_data, length_octets, read_length, write_column
from adapters.protocols.dlms.budget import Budget
from adapters.protocols.dlms.data import BitString, Data, TypeDescription, WrittenItems
from adapters.protocols.dlms.enums import DataType

RANGES = {
    DataType.INTEGER: (-(2**7), 2**7 - 1),
    DataType.LONG: (-(2**15), 2**15 - 1),
    DataType.DOUBLE_LONG: (-(2**31), 2**31 - 1),
    DataType.LONG64: (-(2**63), 2**63 - 1),
    DataType.UNSIGNED: (0, 2**8 - 1),
    DataType.LONG_UNSIGNED: (0, 2**16 - 1),
    DataType.DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1),
    DataType.LONG64_UNSIGNED: (0, 2**64 - 1),
    DataType.ENUM: (0, 255),
    DataType.BCD: (0, 255),
    DataType.DELTA_INTEGER: (-(2**7), 2**7 - 1),
    DataType.DELTA_LONG: (-(2**15), 2**15 - 1),
    DataType.DELTA_DOUBLE_LONG: (-(2**31), 2**31 - 1),
    DataType.DELTA_UNSIGNED: (0, 2**8 - 1),
    DataType.DELTA_LONG_UNSIGNED: (0, 2**16 - 1),
    DataType.DELTA_DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1),
}

integers = st.one_of(
    *(st.builds(Data, st.just(tag), st.integers(low, high)) for tag, (low, high) in RANGES.items())
)
simple = st.one_of(
    integers,
    st.just(d.null()),
    st.just(Data(DataType.DONT_CARE, None)),
    st.builds(d.boolean, st.booleans()),
    st.builds(d.octet_string, st.binary(max_size=300)),
    st.builds(d.visible_string, st.text(st.characters(max_codepoint=255), max_size=40)),
    st.builds(d.utf8_string, st.text(max_size=40)),
    st.builds(d.bit_string, st.text("01", max_size=40)),
    st.builds(d.float32, st.floats(width=32, allow_nan=False)),
    st.builds(d.float64, st.floats(allow_nan=False)),
    st.builds(d.date_time, st.binary(min_size=12, max_size=12)),
    st.builds(d.date, st.binary(min_size=5, max_size=5)),
    st.builds(d.time, st.binary(min_size=4, max_size=4)),
)
values = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: d.structure(*items)),
        st.lists(inner, max_size=4).map(lambda items: d.array(*items)),
    ),
    max_leaves=12,
)


@given(values)
@settings(max_examples=200, deadline=None)
def test_axdr_any_value_survives_the_round_trip(value: Data) -> None:
    """What is encoded decodes to the same type and value, and has no second encoding."""
    raw = encode_data(value)
    assert value == decode_data(raw)
    assert raw == encode_data(decode_data(raw))


@given(values)
@settings(max_examples=150, deadline=None)
def test_axdr_value_cut_anywhere_is_refused(value: Data) -> None:
    """No proper beginning of a value is a value."""
    raw = encode_data(value)
    for length in range(len(raw)):
        with pytest.raises(RemoteProtocolError):
            decode_data(raw[:length])


@given(values, st.binary(min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_axdr_octets_after_a_value_are_refused(value: Data, more: bytes) -> None:
    """A value ends where it ends."""
    with pytest.raises(RemoteProtocolError, match="follow"):
        decode_data(encode_data(value) + more)


@pytest.mark.parametrize(("tag", "limits"), RANGES.items(), ids=lambda value: str(value))
def test_axdr_integer_at_its_limits_fits_and_beyond_is_refused(
    tag: DataType, limits: tuple[int, int]
) -> None:
    """Integers are exact: the limits go through, the next number raises instead of wrapping."""
    low, high = limits
    for value in limits:
        assert decode_data(encode_data(Data(tag, value))).integer() == value
    for value in (low - 1, high + 1):
        with pytest.raises(LocalProtocolError, match="does not fit"):
            encode_data(Data(tag, value))


def test_axdr_length_uses_its_shortest_form() -> None:
    """127 takes one octet, 128 two, 65536 four."""
    assert length_octets(127) == b"\x7f"
    assert length_octets(128) == b"\x81\x80"
    assert length_octets(0x10000) == b"\x83\x01\x00\x00"
    assert read_length(b"\x84\x00\x00\x00\x05", 0) == (5, 5)  # a longer form is read, as meters send it


def test_axdr_compact_array_of_structures_survives_the_round_trip() -> None:
    """A compact array gives its types once; elements come back with theirs."""
    row = TypeDescription(
        DataType.STRUCTURE,
        2,
        (
            TypeDescription(DataType.LONG_UNSIGNED),
            TypeDescription(DataType.ARRAY, 2, (TypeDescription(DataType.OCTET_STRING),)),
        ),
    )
    items = [
        d.structure(d.long_unsigned(number), d.array(d.octet_string(b"a"), d.octet_string(b"bc")))
        for number in (1, 2, 3)
    ]
    value = d.compact_array(row, items)
    raw = encode_data(value)
    assert value == decode_data(raw)
    assert tuple(items) == decode_data(raw).items()
    assert decode_data(raw).plain() == [[n, [b"a", b"bc"]] for n in (1, 2, 3)]


@pytest.mark.parametrize("tag", [DataType.UNSIGNED, DataType.LONG, DataType.FLOAT64, DataType.OCTET_STRING])
def test_axdr_compact_array_of_simple_types_survives_the_round_trip(tag: DataType) -> None:
    """Elements without structure take the short way through the decoder."""
    value = b"xy" if tag is DataType.OCTET_STRING else 1.5 if tag is DataType.FLOAT64 else 7
    compact = d.compact_array(TypeDescription(tag), [Data(tag, value)] * 5)
    assert compact == decode_data(encode_data(compact))


def test_axdr_compact_array_with_an_odd_rest_is_refused() -> None:
    """Three octets are not a whole number of long-unsigned."""
    with pytest.raises(RemoteProtocolError, match="cut short"):
        decode_data(bytes.fromhex("131203000102"))


def test_axdr_compact_array_element_of_another_type_is_not_sent() -> None:
    """An element that does not fit the description is our mistake."""
    with pytest.raises(LocalProtocolError, match="in a compact array of"):
        encode_data(d.compact_array(TypeDescription(DataType.LONG), [d.unsigned(1)]))
    pair = TypeDescription(DataType.ARRAY, 2, (TypeDescription(DataType.LONG),))
    with pytest.raises(LocalProtocolError, match="1 elements where a compact array has 2"):
        encode_data(d.compact_array(pair, [d.array(d.long(1))]))


def test_axdr_compact_array_with_nothing_in_it_is_empty() -> None:
    """No contents, no elements; the type description stays."""
    assert decode_data(bytes.fromhex("130600")).items() == ()


def test_axdr_visible_string_keeps_every_octet() -> None:
    """Meters put more than ISO 646 into visible-strings; nothing gets lost."""
    assert decode_data(b"\x0a\x02\xe9\x00").value == "\xe9\x00"


def test_axdr_not_a_number_stays_one() -> None:
    """NaN is a value a meter may send."""
    value = decode_data(encode_data(d.float32(math.nan))).value
    assert isinstance(value, float)
    assert math.isnan(value)


def test_axdr_budget_is_the_callers_to_set() -> None:
    """Depth, items and octets are each a limit of their own."""
    nested = encode_data(d.structure(d.structure(d.structure(d.unsigned(1)))))
    with pytest.raises(RemoteProtocolError, match="nests deeper than 2"):
        decode_data(nested, Budget(depth=2))
    with pytest.raises(RemoteProtocolError, match="more data items"):
        decode_data(nested, Budget(items=3))
    with pytest.raises(RemoteProtocolError, match="budget of 5"):
        decode_data(nested, Budget(octets=5))
    assert decode_data(nested, Budget(depth=3, items=4, octets=len(nested))).plain() == [[[1]]]


def test_axdr_data_too_deep_to_be_read_is_not_sent() -> None:
    """We do not send what we would refuse to read."""
    value = d.unsigned(1)
    for _ in range(17):
        value = d.structure(value)
    with pytest.raises(LocalProtocolError, match="too deep"):
        encode_data(value)


@pytest.mark.parametrize(
    "wrong",
    [
        Data(DataType.UNSIGNED, None),
        Data(DataType.UNSIGNED, "5"),
        Data(DataType.FLOAT32, 1e300),
        Data(DataType.NULL_DATA, 1),
        Data(DataType.OCTET_STRING, "text"),
        Data(DataType.VISIBLE_STRING, b"octets"),
        Data(DataType.VISIBLE_STRING, "\u20ac"),
        Data(DataType.DATE_TIME, bytes(11)),
        Data(DataType.STRUCTURE, 3),
        Data(DataType.BIT_STRING, BitString(9, b"\x00")),
        Data(DataType.UNSIGNED, b"\x05"),
        Data(DataType.BIT_STRING, b"\x05"),
    ],
    ids=repr,
)
def test_axdr_value_of_a_wrong_python_type_is_not_sent(wrong: Data) -> None:
    """A value that does not fit its DLMS type is our mistake, never a guess."""
    with pytest.raises(LocalProtocolError):
        encode_data(wrong)


def test_data_typed_checks_the_python_type() -> None:
    """typed() pairs a tag with a value only where they fit."""
    assert d.typed(DataType.ENUM, 3) == d.enum(3)
    assert d.typed(DataType.BIT_STRING, BitString.of("101")) == d.bit_string("101")
    assert d.typed(DataType.FLOAT32, 2) == d.float32(2)
    assert d.typed(DataType.UTF8_STRING, "x") == d.utf8_string("x")
    assert d.typed(DataType.DATE, bytes(5)) == d.date(bytes(5))
    for tag, value in (
        (DataType.ENUM, True),
        (DataType.ENUM, "3"),
        (DataType.BOOLEAN, 1),
        (DataType.STRUCTURE, ()),
        (DataType.NULL_DATA, 0),
    ):
        with pytest.raises(LocalProtocolError):
            d.typed(tag, value)


def test_data_accessors_name_what_came_instead() -> None:
    """Asking for the wrong type tells both types."""
    with pytest.raises(RemoteProtocolError, match="expected an integer, got octet-string"):
        d.octet_string(b"x").integer()
    with pytest.raises(RemoteProtocolError, match="expected a boolean, got enum"):
        d.enum(1).boolean()
    with pytest.raises(RemoteProtocolError, match="expected an octet-string, got visible-string"):
        d.visible_string("x").octets()
    with pytest.raises(RemoteProtocolError, match="expected a string, got null-data"):
        d.null().text()
    with pytest.raises(RemoteProtocolError, match="expected an array or a structure, got unsigned"):
        d.unsigned(1).items()
    assert d.octet_string(b"abc").text() == "abc"
    assert d.visible_string("abc").text() == "abc"
    assert d.boolean(True).boolean() is True
    assert d.structure(d.bit_string("10"), d.null()).plain() == ["10", None]
    assert d.date_time(bytes(12)).octets() == bytes(12)
    builders = (d.integer(1), d.long(1), d.double_long(1), d.long64(1), d.long64_unsigned(1))
    assert [item.integer() for item in builders] == [1] * 5


@given(st.lists(simple, max_size=5).flatmap(lambda row: st.lists(st.just(row), max_size=4)))
@settings(max_examples=100, deadline=None)
def test_axdr_rows_written_by_columns_are_the_rows(rows: list[list[Data]]) -> None:
    """A long array that a device wrote column by column is octet for octet the array of its structures."""
    whole = d.array(*(d.structure(*row) for row in rows))
    width = len(rows[0]) if rows else 0
    columns = [write_column(rows[0][at].tag, [row[at].value for row in rows]) for at in range(width)]
    head = bytes([DataType.STRUCTURE]) + length_octets(width)
    octets = b"".join(head + b"".join(cells) for cells in zip(*columns, strict=True)) or head * len(rows)
    written = Data(DataType.ARRAY, WrittenItems(len(rows), octets))
    assert encode_data(written) == encode_data(whole)
    assert written.items() == whole.items()
    assert written.plain() == whole.plain()


def test_axdr_column_with_a_value_beyond_its_type_is_not_sent() -> None:
    """One number in a thousand that does not fit is told, not cut."""
    with pytest.raises(LocalProtocolError, match="long-unsigned"):
        write_column(DataType.LONG_UNSIGNED, [1, 2, 65536])
