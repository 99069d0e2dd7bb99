"""A C12.18 line in words: every golden packet, a whole session, and no secret."""

from __future__ import annotations

from typing import Any

import pytest
from c1218_peer import ACK, NAK, Pair, golden, named
from hypothesis import given
from hypothesis import strategies as st

from adapters.protocols.c1218.describe import SENT, Transcriber, describe_request, split_for_log
from adapters.protocols.c1218.packets import encode_packet
from adapters.protocols.c1218.services import (
    Authenticate,
    DefaultRead,
    FullRead,
    FullWrite,
    Identify,
    IndexRead,
    IndexWrite,
    Logon,
    OffsetRead,
    RawRequest,
    Request,
    Security,
    TimingSetup,
    Wait,
)


@pytest.mark.parametrize("vector", named("requests"))
def test_transcript_of_a_golden_request_says_what_it_is(vector: dict[str, Any]) -> None:
    """Packets of other readers."""
    (line,) = Transcriber()(SENT, vector["octets"])
    assert line.endswith(vector["says"])
    assert ("toggle" in line) == vector.get("toggle", False)


@pytest.mark.parametrize("vector", named("responses"))
def test_transcript_of_a_golden_response_says_what_it_is(vector: dict[str, Any]) -> None:
    """Packets of other meters, behind the request they answer."""
    transcribe = Transcriber()
    transcribe(SENT, encode_packet(bytes.fromhex(vector["request"])))
    assert transcribe("<-", ACK + vector["octets"])[1].endswith(vector["says"])


def test_transcript_of_a_session_in_words() -> None:
    """Both directions, packets that belong together, and the ACKs between them."""
    pair = Pair().open(packet_octets=64, packets=4)
    pair.ask(FullRead(table=150))
    pair.ask(Security(password=b"swordfish"))
    transcribe = Transcriber()
    lines = [
        f"{'>' if way == SENT else '<'} {line}"
        for way, octets in pair.wire
        for line in transcribe(way, octets)
    ]
    assert "> packet: identify" in lines
    assert "< packet: ok, c12.18 version 1.0" in lines
    assert "> packet toggle: negotiate 4 packets of 64 octets" in lines
    assert "> packet toggle: read ST150" in lines
    assert "< packet 1 of 3 toggle" in lines
    assert "< packet, 1 to follow" in lines
    assert any(line.startswith("< packet, 0 to follow toggle: ok, 150 octets 313530") for line in lines)
    assert "> packet: password (20 octets)" in lines
    assert "> ACK" in lines
    assert not any("swordfish" in line or b"swordfish".hex() in line for line in lines)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (IndexRead(table=2049, indexes=(1, 2), count=3), "read MT1 at 1.2, 3 elements"),
        (IndexWrite(table=7, indexes=(4,), data=b"ab"), "write ST7 at 4: 2 octets 6162"),
        (DefaultRead(), "read the default table"),
        (OffsetRead(table=1, offset=2, octets=3), "read ST1 from 2, 3 octets"),
        (FullWrite(table=1, data=bytes(20)), f"write ST1: 20 octets {'00' * 16}..."),
        (Logon(user_id=1, user="a\x1b"), 'logon user 1 "a\\x1b"'),
        (Security(password=b"swordfish", user_id=3), "password (20 octets), user 3"),
        (Authenticate(token=b"swordfish"), "authenticate (9 octets)"),
        (Wait(seconds=9), "wait 9 s"),
        (
            TimingSetup(channel_s=1, inter_character_s=2, response_s=3, retries=4),
            "timing setup: channel 1 s, inter-character 2 s, response 3 s, 4 retries",
        ),
        (RawRequest(octets=b"\x51swordfish"), "service 0x51, 10 octets"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_request_in_words(request_: Request, words: str) -> None:
    """One line each."""
    assert describe_request(request_) == words


@pytest.mark.parametrize(
    ("direction", "octets", "words"),
    [
        (SENT, NAK * 3, "3 times NAK"),
        (SENT, b"noise", "5 octets outside of a packet"),
        (SENT, encode_packet(b"\x20")[:-1] + b"\x00", "damaged: checksum 13 00, expected 13 10"),
        ("<-", encode_packet(b"\x00"), "packet: 1 octets nobody asked for"),
        (SENT, encode_packet(b"\x51swordfish"), "service 0x51: service 0x51 of 10 octets, expected 21"),
        (SENT, encode_packet(b""), "packet: nothing: an empty request"),
        (SENT, encode_packet(b"\x20", control=0x83, sequence=4), "packet, 4 to follow control=0x83: "
         "packet number 4 of a message, the first is missing"),
        (SENT, encode_packet(b"\x20", identity=3), "packet identity=0x03: identify"),
        (SENT, b"\xee\x00\x00\x00\xff\xff", "damaged: this is no packet; 5 octets outside of a packet"),
    ],
)  # fmt: skip
def test_transcript_of_oddities(direction: str, octets: bytes, words: str) -> None:
    """Whatever comes gets a line."""
    line = "; ".join(Transcriber()(direction, octets))
    assert line.endswith(words)


def test_transcript_of_a_repeated_packet_says_so() -> None:
    """The message is not told twice."""
    transcribe = Transcriber()
    packet = encode_packet(Identify().encode())
    assert [*transcribe(SENT, packet), *transcribe(SENT, packet)] == ["packet: identify", "packet: again"]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_split_for_log_loses_nothing(data: bytes, cuts: list[int]) -> None:
    """Pieces and rest are the data again, however it came."""
    seen, rest = b"", b""
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        pieces, rest = split_for_log(rest + data[start:end])
        seen += b"".join(pieces)
    assert seen + rest == data


def test_transcript_says_of_every_packet_of_termineter_what_it_is() -> None:
    """No request of another implementation is unknown."""
    for vector in golden("c1218_termineter.yaml")["requests"].values():
        (line,) = Transcriber()(SENT, bytes.fromhex(vector["packet"]))
        assert line.startswith("packet: ")
        assert "service 0x" not in line
