"""The codec of C12.19 tables: every type both ways, references, conditions, places, limits, bad octets."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.profiles.layout import TableLayout, standard_layouts
from adapters.protocols.c1219 import (
    MAX_VALUES,
    Formats,
    Known,
    MeterTime,
    ProcedureRequest,
    ProcedureResponse,
    Result,
    decode,
    decode_place,
    encode,
    encode_place,
    find,
    parse_table,
    referenced_tables,
    size_of,
    table_text,
)

LAYOUTS = standard_layouts()


def table(*fields: dict[str, Any], number: int = 2048) -> TableLayout:
    """Return a layout as a profile writes it."""
    return TableLayout.model_validate({"number": number, "assumed": True, "fields": list(fields)})


def roundtrip(field: dict[str, Any], value: object, formats: Formats) -> object:
    """Return what is left of a value that is written and read."""
    layout, known = table({"name": "F", **field}), Known(formats)
    octets = encode(layout, {"F": value}, known)
    assert size_of(layout, known) == len(octets)
    return decode(layout, octets, known)["F"]


orders = st.sampled_from(["little", "big"])
any_formats = st.builds(
    Formats,
    order=orders,
    tm_format=st.integers(1, 4),
    id_is_bcd=st.booleans(),
    int_format=st.integers(0, 2),
    ni_format1=st.integers(0, 13),
    ni_format2=st.integers(0, 13),
)
moments = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2089, 12, 31)).map(  # noqa: DTZ001
    lambda m: MeterTime(year=m.year, month=m.month, day=m.day, hour=m.hour, minute=m.minute, second=m.second)
)


# --- every type, both ways -------------------------------------------------------------------------------


@given(st.data(), any_formats, st.integers(1, 8))
def test_whole_numbers_of_any_size_come_back(data: st.DataObject, formats: Formats, size: int) -> None:
    """Unsigned and signed numbers survive in both orders and all three forms of negative numbers."""
    top = 1 << 8 * size
    unsigned = data.draw(st.integers(0, top - 1))
    assert unsigned == roundtrip({"type": "uint", "size": size}, unsigned, formats)
    signed = data.draw(st.integers(-top // 2 + 1, top // 2 - 1))
    assert signed == roundtrip({"type": "int", "size": size}, signed, formats)
    packed = data.draw(st.integers(0, 10 ** (2 * size) - 1))
    assert packed == roundtrip({"type": "bcd", "size": size}, packed, formats)


@given(any_formats, st.integers(0, 99999), st.sampled_from(["ni1", "ni2"]))
def test_non_integer_numbers_come_back_in_every_format(formats: Formats, value: int, kind: str) -> None:
    """All fourteen number formats hold five digits exactly."""
    assert Decimal(value) == roundtrip({"type": kind}, Decimal(value), formats)


def test_non_integer_number_with_four_decimals_is_read_as_such() -> None:
    """In format 4 the number 1 means 0.0001."""
    known = Known(Formats(ni_format1=4))
    layout = table({"name": "F", "type": "ni1"})
    assert Decimal("0.0001") == decode(layout, b"\1\0\0\0", known)["F"]
    assert encode(layout, {"F": Decimal("0.0001")}, known) == b"\1\0\0\0"
    with pytest.raises(LocalProtocolError):
        encode(layout, {"F": Decimal("0.00001")}, known)


@given(any_formats, moments)
def test_times_come_back_to_their_resolution(formats: Formats, moment: MeterTime) -> None:
    """A long time keeps its seconds; a short one loses them, except where it counts seconds."""
    assert moment == roundtrip({"type": "ltime"}, moment, formats)
    short = roundtrip({"type": "stime"}, moment, formats)
    assert isinstance(short, MeterTime)
    assert short.moment() == moment.moment().replace(second=moment.second if formats.tm_format == 4 else 0)


@given(any_formats, st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20))
def test_texts_come_back_without_their_padding(formats: Formats, text: str) -> None:
    """Texts are padded with blanks on the wire and bare in our hands."""
    assert text == roundtrip({"type": "ascii", "size": 20}, text, formats)


@given(orders, st.sets(st.integers(0, 63)))
def test_sets_keep_every_element_bit_7_included(order: Any, elements: set[int]) -> None:
    """A set names its elements, whichever bit of which octet they are."""
    value = roundtrip({"type": "set", "size": 8}, tuple(elements), Formats(order=order))
    assert tuple(sorted(elements)) == value


@given(orders, st.integers(0, 2047), st.integers(0, 1), st.integers(0, 15))
def test_bit_fields_follow_the_order_of_octets(order: Any, number: int, flag: int, rest: int) -> None:
    """Bits are those of the number, not of the first octet."""
    value = {"A": number, "B": flag, "C": rest}
    field = {"type": "bits", "size": 2, "bits": {"A": "0-10", "B": "11", "C": "12-15"}}
    assert value == roundtrip(field, value, Formats(order=order))
    octets = encode(table({"name": "F", **field}), {"F": value}, Known(Formats(order=order)))
    assert int.from_bytes(octets, order) == rest << 12 | flag << 11 | number


def test_unwritten_memory_is_shown_and_not_refused() -> None:
    """A text of 0xFF and a date of zeros are readable as what they are."""
    known, layout = Known(), table({"name": "T", "type": "ascii", "size": 2}, {"name": "D", "type": "ltime"})
    fields = decode(layout, b"\xff\xff" + bytes(6), known)
    assert fields["T"] == "\\xff\\xff"
    date = fields["D"]
    assert isinstance(date, MeterTime)
    assert not date.is_a_date
    with pytest.raises(RemoteProtocolError, match="2000-00-00"):
        date.moment()


def test_bcd_identification_has_half_the_octets() -> None:
    """ID_FORM 1 turns 20 characters into 10 octets of packed decimal."""
    known = Known(Formats(id_is_bcd=True))
    octets = encode(LAYOUTS["device_identification"], {"IDENTIFICATION": "61234567"}, known)
    assert bytes.fromhex("00000000000061234567") == octets
    fields = decode(LAYOUTS["device_identification"], octets, known)
    assert fields["IDENTIFICATION"] == "00000000000061234567"


# --- references and places -------------------------------------------------------------------------------


def test_layout_without_its_dimensions_asks_for_them_by_name() -> None:
    """A table that depends on another cannot be read before that one."""
    assert referenced_tables(LAYOUTS["current_registers"]) == (0, 21)
    assert referenced_tables(LAYOUTS["load_profile_data"]) == (0, 61, 62)
    with pytest.raises(LocalProtocolError, match="ST21 has not been read"):
        decode(LAYOUTS["current_registers"], b"", Known())


def test_offsets_of_a_deviating_meter_leave_gaps_that_stay_zero() -> None:
    """A field may stand anywhere; what follows goes on from there."""
    layout = table(
        {"name": "A", "type": "uint"},
        {"name": "B", "type": "uint", "offset": 4},
        {"name": "C", "type": "uint"},
    )
    known = Known()
    assert bytes.fromhex("010000000203") == encode(layout, {"A": 1, "B": 2, "C": 3}, known)
    assert decode(layout, bytes.fromhex("01ffffff0203"), known) == {"A": 1, "B": 2, "C": 3}
    assert find(layout, "C", known).offset == 5


def test_place_of_an_array_element_or_a_bit_is_written_alone() -> None:
    """A place knows its octets; writing a bit keeps the bits beside it."""
    layout = table(
        {"name": "HEAD", "type": "uint"},
        {
            "name": "ROWS",
            "type": "record",
            "count": "HEAD",
            "fields": [
                {"name": "FLAGS", "type": "bits", "bits": {"LOW": "0", "HIGH": "7"}},
                {"name": "VALUE", "type": "uint", "size": 2, "count": 3},
            ],
        },
    )
    known = Known()
    known.learn(2048, {"HEAD": 2})
    place = find(layout, "ROWS[1].VALUE[2]", known)
    assert (place.offset, place.size) == (1 + 7 + 1 + 4, 2)
    assert encode_place(place, 0x1234, known.formats) == b"\x34\x12"
    bit = find(layout, "ROWS[1].FLAGS.HIGH", known)
    assert (bit.offset, bit.bits) == (8, (7, 7))
    assert encode_place(bit, 1, known.formats, before=b"\x03") == b"\x83"
    assert decode_place(bit, b"\x83", known.formats) == 1
    assert find(layout, "ROWS[0]", known).size == 7
    for path, said in (
        ("ROWS[2]", "no \\[2\\]"),
        ("ROWS.VALUE", "write ROWS\\[0\\]"),
        ("ROWS[0].NO", "there are FLAGS, VALUE"),
        ("NO", "there are HEAD, ROWS"),
        ("HEAD..", "names no field"),
    ):
        with pytest.raises(LocalProtocolError, match=said):
            find(layout, path, known)


def test_table_numbers_are_written_as_people_do() -> None:
    """ST and MT numbers both ways."""
    assert [parse_table(text) for text in ("ST5", "mt12", "ST2048", "XT1")] == [5, 2060, None, None]
    assert [table_text(5), table_text(2060)] == ["ST5", "MT12"]


# --- mistakes of a meter, and ours -------------------------------------------------------------------------


@pytest.mark.parametrize("octets, said", [(bytes(19), "20 octets|would end"), (bytes(21), "fields make 20")])
def test_table_of_a_wrong_size_is_refused_with_its_octets(octets: bytes, said: str) -> None:
    """Too short and too long are typed errors that keep what came and blame the meter."""
    with pytest.raises(RemoteProtocolError, match=said) as caught:
        decode(LAYOUTS["device_identification"], octets, Known())
    assert octets == caught.value.data
    assert caught.value.frame_intact


def test_surplus_octets_can_be_ignored() -> None:
    """A meter of a later edition may have more in a table than we know."""
    fields = decode(LAYOUTS["device_identification"], b"METER".ljust(24), Known(), surplus="ignore")
    assert fields == {"IDENTIFICATION": "METER"}


@pytest.mark.parametrize("length", range(71))
def test_truncated_general_configuration_is_a_typed_error(length: int) -> None:
    """However much of ST0 is missing, the error says so and nothing is made up."""
    whole = bytes.fromhex("001200") + bytes(10) + bytes((13, 13, 3, 5, 1, 0)) + bytes(13 * 4 + 8)
    assert len(whole) == 79
    with pytest.raises(RemoteProtocolError, match="ST0"):
        decode(LAYOUTS["general_configuration"], whole[:length], Known())


def test_dimensions_that_promise_too_much_are_refused_before_the_work() -> None:
    """A meter that claims a gigantic load profile costs nothing."""
    known = Known()
    known.learn(
        61, {"NBR_BLKS_SET1": 65535, "NBR_BLK_INTS_SET1": 65535, "NBR_CHNS_SET1": 255, "LP_FLAGS": {}}
    )
    known.learn(62, {"INT_FMT_CDE1": 1})
    with pytest.raises(RemoteProtocolError, match="would end at"):
        decode(LAYOUTS["load_profile_data"], bytes(65535), known)
    known.learn(61, {"NBR_BLKS_SET1": 1, "NBR_BLK_INTS_SET1": 32000, "NBR_CHNS_SET1": 1, "LP_FLAGS": {}})
    with pytest.raises(RemoteProtocolError, match=f"more than {MAX_VALUES} values"):
        decode(LAYOUTS["load_profile_data"], bytes(32005), known)


def test_values_that_do_not_fit_are_ours_to_answer_for() -> None:
    """Writing what a field cannot hold names the field and sends nothing."""
    layout = table(
        {"name": "N", "type": "uint"},
        {"name": "T", "type": "ascii", "size": 2},
        {"name": "O", "type": "octets"},
    )
    for fields in ({"N": 256}, {"N": -1}, {"N": "x"}, {"T": "abc"}, {"O": b"ab"}, {"X": 1}):
        with pytest.raises(LocalProtocolError, match=next(iter(fields))):
            encode(layout, fields, Known())


names = st.sampled_from(sorted(LAYOUTS))


@given(names, st.binary(max_size=300), any_formats, st.lists(st.integers(0, 255), min_size=20, max_size=20))
def test_any_octets_decode_or_are_refused(
    name: str, octets: bytes, formats: Formats, sizes: list[int]
) -> None:
    """Whatever a meter sends, and whatever it said about its dimensions: fields, or one typed error."""
    known = Known()
    small = [size % 5 for size in sizes]
    flags: dict[str, object] = dict.fromkeys(
        (
            "DATE_TIME_FIELD_FLAG", "DEMAND_RESET_CTR_FLAG", "CUM_DEMAND_FLAG", "CONT_CUM_DEMAND_FLAG",
            "TIME_REMAINING_FLAG", "SCALAR_DIVISOR_FLAG_SET1", "BLK_END_READ_FLAG", "SIMPLE_INT_STATUS_FLAG",
            "EXTENDED_INT_STATUS_FLAG", "HIST_DATE_TIME_FLAG", "EVENT_NUMBER_FLAG", "HIST_SEQ_NBR_FLAG",
        ),
        sizes[0] % 2,
    )  # fmt: skip
    known.learn(0, {**formats.fields(), "STD_TBLS_USED": (64, 65), "STD_VERSION_NO": small[0]})
    known.formats = formats
    counts = ("NBR_SUMMATIONS", "NBR_DEMANDS", "NBR_COIN_VALUES", "NBR_OCCUR", "NBR_TIERS")
    present = ("NBR_PRESENT_DEMANDS", "NBR_PRESENT_VALUES")
    known.learn(21, {"REG_FUNC1_FLAGS": flags, **dict(zip((*counts, *present), small, strict=False))})
    profile = ("NBR_BLKS_SET1", "NBR_BLK_INTS_SET1", "NBR_CHNS_SET1")
    known.learn(61, {"LP_FLAGS": flags, **dict(zip(profile, small[7:], strict=False))})
    known.learn(62, {"INT_FMT_CDE1": sizes[11]})
    log = ("HIST_DATA_LENGTH", "EVENT_DATA_LENGTH", "NBR_HISTORY_ENTRIES", "NBR_EVENT_ENTRIES")
    known.learn(71, {"LOG_FLAGS": flags, **dict(zip(log, small[12:], strict=False))})
    try:
        fields = decode(LAYOUTS[name], octets, known, surplus="ignore")
    except RemoteProtocolError:
        return
    assert list(fields) == [entry.name for entry in LAYOUTS[name].fields if entry.name in fields]


# --- procedures --------------------------------------------------------------------------------------------


@given(orders, st.integers(0, 4095), st.integers(0, 255), st.binary(max_size=24), st.sampled_from(Result))
def test_procedure_messages_come_back(order: Any, number: int, seq: int, data: bytes, result: Result) -> None:
    """What is written to ST7 and read from ST8 survives, manufacturer flag and selector included."""
    request = ProcedureRequest(number=number, sequence=seq, arguments=data, selector=seq % 16)
    assert request == ProcedureRequest.of(request.octets(order), order)
    response = ProcedureResponse(number=number, sequence=seq, result=result, data=data)
    assert response == ProcedureResponse.of(response.octets(order), order)


@pytest.mark.parametrize("octets", [b"", b"\0", b"\0\0\1", b"\0\0\1\7"])
def test_procedure_response_that_is_none_is_a_typed_error(octets: bytes) -> None:
    """Too few octets and result codes nobody defined are the meter's mistakes."""
    with pytest.raises(RemoteProtocolError, match=r"ST8|result code 7"):
        ProcedureResponse.of(octets, "little")
