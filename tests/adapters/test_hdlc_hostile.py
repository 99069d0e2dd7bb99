"""Damaged frames by the hundred thousand: no hang, one family of errors, nothing wrong accepted.

A 16-bit checksum finds every burst of up to 16 bits and misses one in 65,536 of all other damage. So bursts
must never yield a frame, and of arbitrary damage a frame may come out only where a second, bit-by-bit
implementation of the checksum agrees that the damaged octets happen to be a frame again.
"""

from __future__ import annotations

import contextlib
import random

import damage
import pytest
from framing_helpers import events_of, golden, vector

from adapters.errors import ProtocolError
from adapters.protocols.dlms.hdlc import HdlcClientLink, HdlcFrame, HdlcServerLink, HdlcStream, decode_frame
from adapters.protocols.dlms.link import ApduReceived
from adapters.protocols.dlms.link_text import describe, split_for_log
from adapters.protocols.dlms.wrapper import WrapperServerLink, decode_datagram
from adapters.protocols.iec62056_21 import NEED_DATA, Identification, ModeEClient, ModeEServer, parse_message

SEED = 98_1290


def second_opinion(data: bytes) -> bool:
    """Tell, bit by bit, whether the octets between the flags end in their CRC-16/X.25."""
    register = 0xFFFF
    for octet in data[1:-1]:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return register == 0xF0B8


def burst(rng: random.Random, good: bytes) -> bytes:
    """Change one to sixteen consecutive bits between the flags."""
    bits = rng.randint(1, 16)
    pattern = (rng.getrandbits(bits) | 1 | 1 << bits - 1) << rng.randrange(8 * (len(good) - 2) - bits + 1)
    # Least significant bit first: that is the order of the wire, and of a burst.
    body = int.from_bytes(good[1:-1], "little") ^ pattern
    return good[:1] + body.to_bytes(len(good) - 2, "little") + good[-1:]


def havoc(rng: random.Random, good: bytes) -> bytes:
    """Damage octets in ways no checksum was made for."""
    return damage.havoc(rng, good, (b"\x7e",))


def test_frames_with_a_burst_error_are_never_accepted() -> None:
    """50,000 bursts of up to 16 bits over all golden frames: always a ProtocolError."""
    rng = random.Random(SEED)
    frames = [v["octets"] for v in golden()["hdlc"]]
    for _ in range(50_000):
        bad = burst(rng, rng.choice(frames))
        with pytest.raises(ProtocolError):
            decode_frame(bad)


def test_frames_with_any_damage_are_accepted_only_where_the_checksum_is_right() -> None:
    """60,000 frames with changed, inserted, removed and repeated octets: one family of errors."""
    rng = random.Random(SEED + 1)
    frames = [v["octets"] for v in golden()["hdlc"]]
    accepted = 0
    for _ in range(60_000):
        good = rng.choice(frames)
        bad = havoc(rng, good)
        try:
            frame = decode_frame(bad)
        except ProtocolError:
            continue
        assert frame.encode() == bad
        if bad != good:
            assert second_opinion(bad)
            accepted += 1
    assert accepted <= 6  # about one is to be expected of 16 bits


FEW_OR_MANY = [20_000, pytest.param(100_000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_streams_of_damaged_frames_deliver_nothing_wrong(count: int) -> None:
    """Damaged frames in one stream, random chunks: every frame that comes out has a right checksum."""
    rng = random.Random(SEED + 2)
    frames = [v["octets"] for v in golden()["hdlc"]]
    known = set(frames)
    stream = HdlcStream()
    found = 0
    for _ in range(count):
        stream.receive_data(havoc(rng, rng.choice(frames)))
        while (item := stream.next_frame()) is not None:
            if isinstance(item, HdlcFrame):
                found += 1
                assert item.encode() in known or second_opinion(item.encode())
    assert found > 100  # some survive: repeated flags and noise around a whole frame


@pytest.mark.parametrize("links", [20, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("side", ["client", "server"])
def test_engines_survive_damaged_traffic_and_deliver_nothing_wrong(side: str, links: int) -> None:
    """500 damaged frames of a conversation a link: no error escapes, no foreign APDU comes out."""
    rng = random.Random(SEED + 3)
    answer = vector("i-with-aare-two-octet-server")
    request = vector("i-with-aarq-two-octet-server")
    link: HdlcClientLink | HdlcServerLink
    for _ in range(links):
        if side == "client":
            link, good, other = HdlcClientLink(16, 1, 17, 2), answer, vector("ua-two-octet-server-154-octets")
        else:
            link, good, other = HdlcServerLink(physical=17), request, vector("snrm-two-octet-server")
        expected = decode_frame(good).information[3:]
        for _ in range(500):
            if side == "client" and rng.random() < 0.1:
                link.connect() if isinstance(link, HdlcClientLink) else None
            link.receive_data(havoc(rng, rng.choice((good, good, other))) or b"\x00")
            for event in events_of(link):
                if isinstance(event, ApduReceived):
                    assert event.apdu == expected
            link.data_to_send()


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_wrapper_damaged_messages_are_one_error_or_a_shorter_truth(count: int) -> None:
    """Damaged wrapper messages, as datagrams and as streams; no checksum catches the rest."""
    rng = random.Random(SEED + 4)
    messages = [v["octets"] for v in golden()["wrapper"]]
    for _ in range(count):
        bad = havoc(rng, rng.choice(messages)) or b"\x00"
        with contextlib.suppress(ProtocolError):
            assert decode_datagram(bad).encode() == bad
        link = WrapperServerLink(max_apdu=2048)
        link.receive_data(bad)
        events_of(link)


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_sign_on_damaged_messages_are_one_error_or_events(count: int) -> None:
    """Damaged sign-on messages: a ProtocolError from the codec, events from both engines."""
    rng = random.Random(SEED + 5)
    messages = [v["octets"] for v in golden()["iec62056_21"]]
    identification = Identification(manufacturer="ISk", baud_code="5", enhanced="2")
    for _ in range(count // 4):
        server, client = ModeEServer(identification), ModeEClient()
        client.start()
        for _ in range(4):
            bad = havoc(rng, rng.choice(messages))
            with contextlib.suppress(ProtocolError):
                assert parse_message(bad).encode() == bad
            for engine in (server, client):
                if engine.state != "handed over":
                    engine.receive_data(bad)
                while engine.next_event() is not NEED_DATA:
                    engine.data_to_send()


def test_description_never_raises() -> None:
    """20,000 damaged octet strings of every kind get their line, and the log loses none of them."""
    rng = random.Random(SEED + 6)
    everything = [
        v["octets"] for s in ("hdlc", "hdlc_streams", "wrapper", "iec62056_21") for v in golden()[s]
    ]
    for _ in range(20_000):
        bad = havoc(rng, rng.choice(everything))
        assert "\n" not in describe(bad)
        pieces, rest = split_for_log(bad)
        assert b"".join(pieces) + rest == bad
