"""Packets of C12.18, and finding them in a stream that may hold anything."""

from __future__ import annotations

import pytest
from c1218_peer import all_packets
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import FrameDamaged, LocalProtocolError
from adapters.protocols.c1218.packets import (
    ACK,
    MAX_DATA_OCTETS,
    NAK,
    Packet,
    PacketStream,
    Skipped,
    decode_packet,
    encode_packet,
)

INNER = encode_packet(b"\x00\x00\x01a\x9f")
OUTER = encode_packet(b"\x00" + len(INNER).to_bytes(2, "big") + INNER + bytes((-sum(INNER) & 0xFF,)))


def items_of(stream: PacketStream) -> list[Packet | Skipped | int]:
    """Return what the stream has found so far."""
    items = []
    while (item := stream.next_item()) is not None:
        items.append(item)
    return items


def fed(*chunks: bytes) -> tuple[list[Packet | Skipped | int], PacketStream]:
    """Return what a fresh stream finds in ``chunks``, and the stream."""
    stream = PacketStream()
    items: list[Packet | Skipped | int] = []
    for chunk in chunks:
        stream.receive_data(chunk)
        items += items_of(stream)
    return items, stream


@given(
    st.binary(max_size=300),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
)
def test_packet_round_trip_returns_the_same_fields(
    data: bytes, control: int, sequence: int, identity: int
) -> None:
    """Whatever the fields, they come back."""
    octets = encode_packet(data, control=control, sequence=sequence, identity=identity)
    assert Packet(identity, control, sequence, data, octets) == decode_packet(octets)


def test_packet_longest_holds_8184_octets() -> None:
    """8192 octets in all; one more is our mistake."""
    assert len(encode_packet(bytes(MAX_DATA_OCTETS))) == 8192
    with pytest.raises(LocalProtocolError, match="8185"):
        encode_packet(bytes(MAX_DATA_OCTETS + 1))


@pytest.mark.parametrize("octets", [b"", b"\xee", INNER[:-1], INNER + b"\x00", b"\x06" + INNER])
def test_packet_of_another_length_is_damaged(octets: bytes) -> None:
    """All of the octets must be the packet."""
    with pytest.raises(FrameDamaged):
        decode_packet(octets)


@given(st.lists(st.sampled_from([b"\x06", b"\x15", *all_packets()]), max_size=6), st.data())
def test_stream_in_any_chunks_yields_what_was_sent(pieces: list[bytes], draw: st.DataObject) -> None:
    """Packets, ACKs and NAKs come out in order however the wire cuts them; repeated signs may count once."""
    wire = b"".join(pieces)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    chunks = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    items, stream = fed(*chunks)
    sent = [piece for piece in pieces if len(piece) > 1]
    assert sent == [item.octets for item in items if isinstance(item, Packet)]
    assert not stream.pending
    assert {ACK, NAK} >= {item for item in items if isinstance(item, int)}


def test_stream_run_of_signs_counts_once() -> None:
    """A burst of ACKs and NAKs is one sign, the first; a million of them cost nothing."""
    items, stream = fed(b"\x06" * 1_000_000 + b"\x15" * 1_000_000)
    assert items == [ACK]
    assert not stream.pending


def test_stream_packet_behind_stray_octets_waits_for_quiet() -> None:
    """A packet behind noise is taken once nothing has followed it."""
    items, stream = fed(b"\x00\xff\x06noise" + INNER)
    assert items == []
    assert stream.pending
    stray, packet = stream.quiet()
    assert isinstance(stray, Skipped)
    assert (stray.data, stray.began) == (b"\x00\xff\x06noise", False)
    assert decode_packet(INNER) == packet
    assert not stream.pending
    assert stream_gives(stream, INNER) == INNER


def stream_gives(stream: PacketStream, octets: bytes) -> bytes:
    """Return the packet a stream finds in ``octets``."""
    stream.receive_data(octets)
    (packet,) = items_of(stream)
    assert isinstance(packet, Packet)
    return packet.octets


def test_stream_packet_inside_of_one_that_lost_its_start_is_never_found() -> None:
    """Table data that holds a packet must not be taken for one, wherever the outer start is damaged."""
    for lost in range(1, 9):
        items, stream = fed(OUTER[lost:])
        assert items == []
        (skipped,) = stream.quiet()
        assert isinstance(skipped, Skipped)
        assert skipped.began


@given(st.integers(0, len(OUTER) - 1), st.integers(1, 255), st.integers(1, len(OUTER)))
def test_stream_packet_inside_of_a_damaged_one_is_never_found(place: int, bits: int, cut: int) -> None:
    """The same for one damaged octet anywhere, in two chunks cut anywhere."""
    bad = OUTER[:place] + bytes((OUTER[place] ^ bits,)) + OUTER[place + 1 :]
    items, stream = fed(bad[:cut], bad[cut:])
    packets = [item for item in [*items, *stream.quiet()] if isinstance(item, Packet)]
    assert packets == []


@pytest.mark.parametrize(
    ("octets", "why", "began"),
    [
        (b"\xee\x00\x00", "began and did not end", True),
        (INNER[:-1], "began and did not end", True),
        (INNER[:-1] + b"\x00", "checksum", True),
        (b"\xee\x00\x00\x00\x1f\xf9", "8185 octets", True),
        (b"noise", "outside of a packet; 5 octets", False),
        (b"noise" + INNER + b"\x06", "behind a packet", True),
        (b"noise\xee", "began and did not end", True),
    ],
)
def test_stream_what_is_no_packet_is_told_when_the_line_is_quiet(
    octets: bytes, why: str, began: bool
) -> None:
    """Nothing is said before, and the line is clean afterwards."""
    items, stream = fed(octets)
    assert items == []
    (skipped,) = stream.quiet()
    assert isinstance(skipped, Skipped)
    assert why in skipped.why
    assert began is skipped.began
    assert octets.startswith(skipped.data)
    assert stream.quiet() == []
    assert stream_gives(stream, INNER) == INNER


def test_stream_damage_swallows_what_follows_until_quiet() -> None:
    """Nobody sends behind a packet before he has heard of it: what follows belongs to the damage."""
    items, stream = fed(INNER[:-1] + b"\x00", b"\x06" + INNER)
    assert items == []
    assert [Skipped] == [type(item) for item in stream.quiet()]


def test_stream_keeps_no_more_than_a_sample() -> None:
    """Megabytes of noise are counted and not kept."""
    _, stream = fed(*[b"\xee\xff\xff\xff\xff\xff" * 1000] * 100)
    (skipped,) = stream.quiet()
    assert isinstance(skipped, Skipped)
    assert len(skipped.data) == 256
    assert "600000 octets" in skipped.why


def test_stream_missing_octets_of_a_packet_are_counted() -> None:
    """While a packet is coming in, nobody should give up waiting."""
    _, stream = fed(INNER[:3])
    assert stream.in_packet == 3
    stream.receive_data(INNER[3:7])
    assert len(INNER) - 7 == stream.in_packet
    stream.receive_data(INNER[7:])
    assert [decode_packet(INNER)] == items_of(stream)
    assert stream.in_packet == 0
