"""Short message PDUs: octets of others, round trips, and octets nobody should have to read."""

from __future__ import annotations

import contextlib
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from damage import havoc
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.gsm import alphabet
from adapters.protocols.gsm.concatenation import Limits, Reassembly, split
from adapters.protocols.gsm.describe import describe
from adapters.protocols.gsm.fields import encode_validity, validity_s
from adapters.protocols.gsm.pdu import (
    Deliver,
    StatusReport,
    Submit,
    decode_submit,
    decode_to_mobile,
    with_centre,
    without_centre,
)
from adapters.protocols.gsm.user_data import Coding, Part, UserData

GOLDEN: dict[str, Any] = yaml.load(
    (Path(__file__).parents[1] / "golden" / "gsm_pdu.yaml").read_text("utf-8"), Loader=yaml.BaseLoader
)
FIRST, LAST = datetime(1970, 1, 1), datetime(2069, 12, 31)  # noqa: DTZ001 - the zone is drawn
numbers = st.from_regex(r"\+?[0-9]{1,20}", fullmatch=True)
zones = st.integers(-47, 47).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
moments = st.datetimes(FIRST, LAST, timezones=zones).map(lambda moment: moment.replace(microsecond=0))
parts = st.tuples(st.booleans(), st.integers(0, 255), st.integers(1, 255), st.integers(1, 255)).map(
    lambda row: Part(wide=row[0], reference=row[1], total=max(row[2:]), number=min(row[2:]))
)
carried = st.one_of(
    st.builds(UserData, payload=st.binary(max_size=130)),
    st.builds(
        lambda payload, part: UserData(payload=payload, elements=(part.element(),)),
        st.binary(max_size=130),
        parts,
    ),
    st.builds(
        lambda septets, part: UserData(payload=septets, scheme=0, elements=(part.element(),)),
        st.binary(max_size=140).map(lambda octets: bytes(each & 0x7F for each in octets)),
        parts,
    ),
    st.text(alphabet=st.characters(max_codepoint=0x7F, exclude_categories=["Cs"]), max_size=60).map(
        UserData.of_text
    ),
)


@pytest.mark.parametrize("vector", GOLDEN["submit"], ids=lambda each: each["name"])
def test_submit_of_others_is_read_and_written_alike(vector: dict[str, str]) -> None:
    """Another program's SUBMIT decodes to what it was asked for, and ours has the same octets."""
    octets = bytes.fromhex(vector["hex"])
    _, tpdu = without_centre(octets)
    message = decode_submit(tpdu)
    assert int(vector["octets"]) == len(tpdu)
    assert (vector["to"], vector["text"]) == (message.to, message.data.text)
    assert (vector["reference"], vector["report"] == "yes", vector["validity_s"]) == (
        str(message.reference),
        message.wants_report,
        str(message.validity_s),
    )
    if "kind" in vector:  # of the number: allowed by 9.1.2.5, and not ours to choose
        return
    assert octets == with_centre(
        Submit(
            to=vector["to"],
            data=UserData.of_text(vector["text"]),
            reference=int(vector["reference"]),
            wants_report=vector["report"] == "yes",
            validity_s=int(vector["validity_s"]),
        ).encode()
    )


def test_long_text_of_others_is_joined() -> None:
    """The fill bit behind the header of a 7 bit part is where another program puts it."""
    long = GOLDEN["long"]
    joined, reassembly = None, Reassembly()
    for piece in reversed(long["parts"]):
        data = decode_submit(without_centre(bytes.fromhex(piece))[1]).data
        joined = reassembly.add("somebody", data, 0.0)
    assert joined is not None
    assert long["text"] * int(long["count"]) == alphabet.text_of(joined)


@pytest.mark.parametrize("vector", GOLDEN["deliver"], ids=lambda each: each["name"])
def test_deliver_of_others_is_read_and_written_alike(vector: dict[str, str]) -> None:
    """The worked examples of tutorials."""
    centre, tpdu = without_centre(bytes.fromhex(vector["hex"]))
    message = decode_to_mobile(tpdu)
    assert isinstance(message, Deliver)
    assert (vector["centre"], vector["sender"], vector["text"]) == (centre, message.sender, message.data.text)
    assert datetime.fromisoformat(vector["sent_at"]) == message.sent_at


@pytest.mark.parametrize("vector", GOLDEN["read_by_others"], ids=lambda each: each["sent_at"])
def test_ours_is_what_others_read_in_it(vector: dict[str, str]) -> None:
    """Another program read these octets of ours as the same message."""
    message = decode_to_mobile(without_centre(bytes.fromhex(vector["hex"]))[1])
    assert datetime.fromisoformat(vector["sent_at"]) == message.sent_at
    if isinstance(message, StatusReport):
        assert (vector["recipient"], vector["reference"]) == (message.recipient, str(message.reference))
        assert datetime.fromisoformat(vector["settled_at"]) == message.settled_at
        assert message.delivered
    else:
        assert (vector["sender"], vector["text"]) == (message.sender, message.data.text)
        if "part" in vector:
            part = message.data.part
            assert part is not None
            assert vector["part"] == f"{part.number}/{part.total} of {part.reference}"
    assert bytes.fromhex(vector["hex"]) == with_centre(message.encode(), "+4917000000000")


@given(st.builds(Submit, to=numbers, data=carried, reference=st.integers(0, 255), wants_report=st.booleans()))
def test_submit_round_trip_loses_nothing(message: Submit) -> None:
    """Whatever is sent is what is read."""
    assert message == decode_submit(message.encode())


@given(st.builds(Deliver, sender=numbers, data=carried, sent_at=moments, more_waiting=st.booleans()))
def test_deliver_round_trip_loses_nothing(message: Deliver) -> None:
    """Time, zone, sender and user data survive."""
    read = decode_to_mobile(message.encode())
    assert message == read
    assert isinstance(read, Deliver)
    assert message.sent_at.utcoffset() == read.sent_at.utcoffset()


@given(
    st.builds(
        StatusReport,
        reference=st.integers(0, 255),
        recipient=numbers,
        sent_at=moments,
        settled_at=moments,
        status=st.integers(0, 255),
    )
)
def test_status_report_round_trip_loses_nothing(message: StatusReport) -> None:
    """A report is what it was."""
    assert message == decode_to_mobile(message.encode())


@given(st.integers(0, 255))
def test_validity_is_covered_by_the_period_chosen(octet: int) -> None:
    """Every period a message can say is encoded as itself."""
    assert validity_s(octet) == validity_s(encode_validity(validity_s(octet)))


@given(st.lists(st.integers(0, 127), max_size=160).map(bytes), st.integers(0, 6))
def test_septets_packed_and_unpacked_are_the_same(septets: bytes, fill_bits: int) -> None:
    """Packing is undone, with any fill."""
    assert septets == alphabet.unpack(alphabet.pack(septets, fill_bits), len(septets), fill_bits)


@given(st.binary(max_size=300))
def test_any_octets_are_a_message_or_a_protocol_error(octets: bytes) -> None:
    """One type of error for all there is wrong with a PDU."""
    for decode in (decode_to_mobile, decode_submit, lambda each: without_centre(each)):
        with contextlib.suppress(RemoteProtocolError):
            decode(octets)
    assert describe(octets, from_host=True)


def test_damaged_pdus_are_a_message_or_a_protocol_error() -> None:
    """Damage to real messages, thousands of times."""
    rng = random.Random("gsm")
    good = [bytes.fromhex(each["hex"]) for each in (*GOLDEN["submit"], *GOLDEN["deliver"])]
    for _ in range(3000):
        bad = havoc(rng, rng.choice(good), (b"\xff", b"\x00", b"\x40"))
        assert isinstance(describe(bad, from_host=rng.random() < 0.5), str)


def test_user_data_too_long_for_one_message_is_a_local_error() -> None:
    """140 octets are a message, 141 are not."""
    assert len(UserData(payload=bytes(140)).encode()) == 141
    with pytest.raises(LocalProtocolError):
        UserData(payload=bytes(141)).encode()


@given(
    payload=st.binary(min_size=1, max_size=600),
    wide=st.booleans(),
    part_octets=st.integers(40, 133),
    seed=st.integers(0, 1000),
)
def test_long_message_arrives_whole_in_any_order_with_copies(
    payload: bytes, wide: bool, part_octets: int, seed: int
) -> None:
    """Shuffled and partly doubled parts of two messages make exactly these two messages."""
    rng = random.Random(seed)
    one = split(payload, 7, wide=wide, part_octets=part_octets)
    other = split(payload[::-1], 8, wide=wide, part_octets=part_octets)
    sent = [(piece, payload) for piece in one] + [(piece, payload[::-1]) for piece in other]
    sent += [(piece, whole) for piece, whole in sent if len(one) > 1 and rng.random() < 0.3]
    rng.shuffle(sent)
    reassembly, made = Reassembly(Limits(parts=32)), []
    for piece, _ in sent:
        whole = reassembly.add("+49151", piece, 0.0)
        if whole is not None:
            made.append(whole)
    assert {payload, payload[::-1]} <= set(made)
    assert set(made) <= {payload, payload[::-1]}


def test_reassembly_part_lost_is_forgotten_after_the_patience() -> None:
    """A part that comes after the patience begins a message of its own."""
    first, second = split(bytes(200), 1)
    reassembly = Reassembly(Limits(patience_s=10))
    assert reassembly.add("a", first, 0.0) is None
    assert reassembly.add("a", second, 10.5) is None
    assert (reassembly.unfinished, reassembly.dropped) == (1, 1)
    assert reassembly.add("a", first, 11.0) == bytes(200)


def test_reassembly_keeps_no_more_than_its_limits() -> None:
    """The oldest unfinished message goes, and one of too many parts is not begun."""
    reassembly = Reassembly(Limits(messages=3, parts=4))
    for reference in range(50):
        first, *_ = split(bytes(200), reference)
        assert reassembly.add("a", first, float(reference)) is None
        assert reassembly.unfinished <= 3
    assert reassembly.add("a", split(bytes(900), 99)[0], 60.0) is None
    assert (reassembly.unfinished, reassembly.dropped) == (3, 48)


def test_reassembly_second_copy_of_a_part_does_not_overwrite_the_first() -> None:
    """Who sends a part late cannot change what came before."""
    one, two = split(bytes(200), 1)
    forged = UserData(payload=b"forged", elements=one.elements)
    reassembly = Reassembly()
    reassembly.add("a", one, 0.0)
    reassembly.add("a", forged, 1.0)
    assert reassembly.add("a", two, 2.0) == bytes(200)


def test_part_of_impossible_number_is_a_whole_message() -> None:
    """An element that cannot be is ignored (3GPP TS 23.040 9.2.3.24.1)."""
    data = UserData(payload=b"x", elements=((0x00, bytes((1, 2, 3))),))
    assert data.part is None
    assert data.coding is Coding.OCTETS
