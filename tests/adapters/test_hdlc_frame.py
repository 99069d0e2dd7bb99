"""The frame codec and the stream: round trips, chunks, resynchronisation."""

from __future__ import annotations

import random

import pytest
from framing_helpers import golden, vector
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import FrameDamaged, LocalProtocolError, RemoteProtocolError
from adapters.protocols.crc import PRESET, checksum_octets, crc16_x25
from adapters.protocols.dlms.hdlc import Control, HdlcAddress, HdlcFrame, HdlcStream, Skipped, decode_frame
from adapters.protocols.dlms.hdlc_frame import control_kind, decode_address
from adapters.protocols.dlms.hdlc_parameters import decode_parameters, encode_parameters, settled
from adapters.protocols.dlms.link import LinkParameters

addresses = st.one_of(
    st.builds(HdlcAddress, st.integers(0, 0x7F)),
    st.builds(HdlcAddress, st.integers(0, 0x7F), st.integers(0, 0x7F), st.just(2)),
    st.builds(HdlcAddress, st.integers(0, 0x3FFF), st.integers(0, 0x3FFF), st.just(4)),
)
frames = st.builds(
    HdlcFrame, addresses, addresses, st.integers(0, 0xFF), st.binary(max_size=300), st.booleans()
)
parameters = st.builds(
    LinkParameters,
    max_info_transmit=st.integers(4, 2030),
    max_info_receive=st.integers(4, 2030),
    window_transmit=st.integers(1, 7),
    window_receive=st.integers(1, 7),
)


def items_of(stream: HdlcStream) -> list[HdlcFrame | Skipped]:
    """Return everything the stream has found."""
    found = []
    while (item := stream.next_frame()) is not None:
        found.append(item)
    return found


def feed(chunks: list[bytes]) -> list[HdlcFrame | Skipped]:
    """Return what a stream finds when its octets come in these chunks."""
    stream = HdlcStream()
    found = []
    for chunk in chunks:
        stream.receive_data(chunk)
        found += items_of(stream)
    return found


def bitwise_crc(data: bytes) -> int:
    """CRC-16/X.25 as the standard words it, bit by bit: a second opinion."""
    register = PRESET
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return register ^ 0xFFFF


@given(st.binary(max_size=64))
def test_crc_any_data_equals_the_bitwise_definition(data: bytes) -> None:
    """The fast checksum and the bit-by-bit one agree."""
    assert crc16_x25(data) == bitwise_crc(data)


@given(frames)
def test_frame_round_trip_gives_the_same_frame(frame: HdlcFrame) -> None:
    """What is encoded is decoded to itself, flag octets inside included."""
    assert decode_frame(frame.encode()) == frame


@given(addresses)
def test_address_round_trip_gives_the_same_address(address: HdlcAddress) -> None:
    """An address survives its octets."""
    assert decode_address(address.encode()) == address


@pytest.mark.parametrize(
    "upper,lower,octets", [(128, 0, 1), (1, 128, 2), (128, 0, 2), (1, 0x4000, 4), (0x4000, 0, 4), (1, 1, 3)]
)
def test_address_that_does_not_fit_is_a_local_error(upper: int, lower: int, octets: int) -> None:
    """An address too large for its length is our own mistake."""
    with pytest.raises(LocalProtocolError):
        HdlcAddress(upper, lower, octets)


def test_frame_longer_than_the_length_field_is_a_local_error() -> None:
    """2047 octets is what eleven bits can say."""
    with pytest.raises(LocalProtocolError, match="2048"):
        HdlcFrame(HdlcAddress(1), HdlcAddress(16), 0x10, bytes(2039)).encode()


@given(parameters)
def test_parameters_round_trip_gives_the_same_numbers(value: LinkParameters) -> None:
    """What an SNRM states is read back."""
    assert decode_parameters(encode_parameters(value)) == value


@given(parameters, parameters)
def test_parameters_settled_on_both_sides_mirror_each_other(
    client: LinkParameters, server: LinkParameters
) -> None:
    """Proposal and answer leave both sides with one opinion, and nobody with more than it wanted."""
    at_server = settled(server, decode_parameters(encode_parameters(client)))
    at_client = settled(client, decode_parameters(encode_parameters(at_server)))
    assert at_client.max_info_transmit == at_server.max_info_receive
    assert at_client.max_info_receive == at_server.max_info_transmit
    assert at_client.window_transmit == at_server.window_receive
    assert at_client.window_receive == at_server.window_transmit
    assert at_client.max_info_transmit <= client.max_info_transmit
    assert at_server.max_info_transmit <= server.max_info_transmit


@pytest.mark.parametrize(
    "text",
    [
        "82801205",
        "8181120501",
        "818012050180",
        "8180050501",
        "81800405050180",
        "8180060704000000000000",
        "81",
    ],
)
def test_parameters_cut_off_or_impossible_are_a_remote_error(text: str) -> None:
    """A malformed parameter field is the peer's mistake, with its octets kept."""
    with pytest.raises(RemoteProtocolError) as caught:
        decode_parameters(bytes.fromhex(text))
    assert caught.value.data == bytes.fromhex(text)


def test_parameters_user_group_and_unknown_ones_are_passed_over() -> None:
    """A vendor's own parameters do not disturb the standard ones."""
    assert decode_parameters(bytes.fromhex("81F0020102")) == LinkParameters()
    known = decode_parameters(bytes.fromhex("818007 2A0101 05020100".replace(" ", "")))
    assert known == LinkParameters(max_info_transmit=256)


@pytest.mark.parametrize("control", range(256))
def test_control_every_octet_is_a_kind_or_none(control: int) -> None:
    """No control octet is two kinds, and only REJ and friends are none."""
    kind = control_kind(control)
    if not control & 1:
        assert kind is Control.I
    elif kind is None:
        assert control & 3 == 1 or control & 3 == 3
    else:
        assert control & 0x0F == kind & 0x0F or control & ~0x10 == kind


@pytest.mark.parametrize(
    "name", ["i-with-aare-two-octet-server", "snrm-one-octet-addresses", "i-four-octet-server"]
)
def test_frame_with_any_one_octet_changed_is_damaged(name: str) -> None:
    """Each octet, each other value: never a frame. Exhaustive."""
    good = vector(name)
    for index in range(len(good)):
        for value in range(256):
            if value != good[index]:
                bad = good[:index] + bytes((value,)) + good[index + 1 :]
                with pytest.raises(FrameDamaged):
                    decode_frame(bad)


def test_frame_cut_off_anywhere_is_damaged() -> None:
    """A prefix of a frame is not a frame."""
    good = vector("i-with-aarq-two-octet-server")
    for end in range(len(good)):
        with pytest.raises(FrameDamaged):
            decode_frame(good[:end])


def with_checksum(body: str) -> bytes:
    """Return flags, octets and a right checksum around ``body`` (hexadecimal)."""
    octets = bytes.fromhex(body.replace(" ", ""))
    return b"\x7e" + octets + checksum_octets(octets) + b"\x7e"


def test_frame_with_a_three_octet_address_is_a_remote_error() -> None:
    """Right checksum, impossible address: the peer broke the rule, the wire did not."""
    with pytest.raises(RemoteProtocolError, match="3 octets") as caught:
        decode_frame(with_checksum("A009 020405 21 93"))
    assert caught.value.frame_intact


def test_frame_with_an_hcs_but_no_information_is_a_remote_error() -> None:
    """A header checksum stands only before an information field."""
    header = bytes.fromhex("A009032110")
    octets = header + checksum_octets(header)
    with pytest.raises(RemoteProtocolError, match="HCS"):
        decode_frame(b"\x7e" + octets + checksum_octets(octets) + b"\x7e")


@given(st.data())
def test_stream_any_chunking_gives_the_same_items(data: st.DataObject) -> None:
    """Frames, shared flags, idle flags, noise and damaged frames: cuts change nothing."""
    parts = []
    for _ in range(data.draw(st.integers(1, 6))):
        kind = data.draw(st.sampled_from(["frame", "shared", "noise", "damaged", "flags", "golden"]))
        if kind == "frame":
            parts.append(data.draw(frames).encode())
        elif kind == "shared":
            parts.append(data.draw(frames).encode()[1:])
        elif kind == "noise":
            parts.append(data.draw(st.binary(max_size=40)))
        elif kind == "flags":
            parts.append(b"\x7e" * data.draw(st.integers(1, 4)))
        elif kind == "golden":
            parts.append(data.draw(st.sampled_from(golden()["hdlc"]))["octets"])
        else:
            frame = bytearray(data.draw(frames).encode())
            frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
            parts.append(bytes(frame))
    octets = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=8)))
    chunks = [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    whole = feed([octets])
    assert feed(chunks) == whole
    assert feed([octets[i : i + 1] for i in range(len(octets))]) == whole


def test_stream_finds_the_next_frame_after_noise() -> None:
    """Noise is one event, the frame behind it is found."""
    good = vector("i-with-aarq-two-octet-server")
    noise, frame = feed([b"\x00\x12\x34", good])
    assert noise == Skipped(data=b"\x00\x12\x34", why="octets outside of a frame; 3 octets skipped")
    assert frame == decode_frame(good)


def test_stream_damaged_body_is_skipped_as_a_whole() -> None:
    """A flag octet inside a damaged body does not start a frame; the frame behind is found."""
    bad = bytearray(vector("ua-with-flag-octets-inside"))
    bad[20] ^= 0x01
    good = vector("snrm-two-octet-server")
    damaged, frame = feed([bytes(bad) + good])
    assert isinstance(damaged, Skipped)
    assert damaged.data == bytes(bad)
    assert damaged.damaged
    assert frame == decode_frame(good)


def test_stream_lost_octets_do_not_take_the_next_frame_along() -> None:
    """A frame that lost octets swallows the beginning of the next, which is found all the same."""
    lossy = vector("i-with-aarq-two-octet-server")
    lossy = lossy[:20] + lossy[25:]
    good = vector("i-with-aare-two-octet-server")
    items = feed([lossy, good])
    assert decode_frame(good) in items
    assert all(isinstance(item, Skipped) for item in items[:-1])


def test_stream_damaged_length_does_not_wait_for_2047_octets() -> None:
    """The header checksum is looked at before the length is believed."""
    stream = HdlcStream()
    stream.receive_data(bytes.fromhex("7EA7FF0223211000007E"))
    assert isinstance(stream.next_frame(), Skipped)


def test_stream_partial_frame_can_be_discarded() -> None:
    """When the line falls silent in mid-frame the owner can begin afresh."""
    good = vector("i-with-aare-two-octet-server")
    stream = HdlcStream()
    stream.receive_data(good[:30])
    assert stream.next_frame() is None
    assert stream.incomplete
    dropped = stream.discard_partial()
    assert dropped is not None
    assert dropped.data == good[:30]
    assert not stream.incomplete
    stream.receive_data(good)
    assert stream.next_frame() == decode_frame(good)


def test_stream_endless_garbage_keeps_a_bounded_buffer() -> None:
    """A megabyte without a flag leaves no more than one frame's worth behind."""
    stream = HdlcStream()
    for _ in range(256):
        stream.receive_data(bytes(4096))
        assert stream.next_frame() is None
    stream.receive_data(b"\x7e")
    skipped = stream.next_frame()
    assert isinstance(skipped, Skipped)
    assert len(skipped.data) <= 2049
    assert skipped.why.endswith(f"{256 * 4096} octets skipped")


def test_stream_adversarial_headers_cost_linear_work() -> None:
    """Many headers with right checksums that all claim 2047 octets do not blow the work up."""
    header = bytes.fromhex("A7FF032110")
    claim = b"\x7e" + header + checksum_octets(header)
    stream = HdlcStream()
    stream.receive_data(claim * 3000 + bytes(3000))
    found = items_of(stream)
    assert not any(isinstance(item, HdlcFrame) for item in found)
    assert len(found) <= 3001


def test_stream_random_noise_gives_no_frame() -> None:
    """A hundred thousand random octets contain no frame."""
    noise = random.Random(20260105).randbytes(100_000)
    assert not any(isinstance(item, HdlcFrame) for item in feed([noise]))
