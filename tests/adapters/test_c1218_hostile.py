"""Damaged C12.18 packets by the hundred thousand: no hang, no exception, nothing taken behind a bad checksum.

A 16-bit checksum misses one in 65,536 of arbitrary damage. So a packet may be acknowledged only where a
second implementation of the checksum, bit by bit, agrees that the octets happen to be a packet.
"""

from __future__ import annotations

import random

import damage
import pytest
from c1218_peer import ACK, Client, all_packets, data_of, events_of

from adapters.errors import ProtocolError
from adapters.protocols.c1218 import (
    C1218Client,
    C1218Server,
    LineQuiet,
    RequestReceived,
    ResponseMalformed,
    ResponseReceived,
    SessionLost,
)
from adapters.protocols.c1218.describe import Transcriber
from adapters.protocols.c1218.packets import HEADER_OCTETS, encode_packet
from adapters.protocols.c1218.services import (
    ErrorResponse,
    FullRead,
    ResponseCode,
    TableData,
    decode_request,
    decode_response,
)

SEED = 1218
FEW_OR_MANY = [5_000, pytest.param(200_000, marks=pytest.mark.slow)]


def second_opinion(data: bytes) -> bool:
    """Tell, bit by bit, whether ``data`` ends in its CRC-16/X.25."""
    register = 0xFFFF
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return register == 0xF0B8


def holds_an_intact_packet(data: bytes) -> bool:
    """Tell whether anything in ``data`` is a packet with a right checksum."""
    for start in range(len(data) - 7):
        if data[start] == 0xEE:
            end = start + 8 + (data[start + 4] << 8 | data[start + 5])
            if end <= len(data) and second_opinion(data[start:end]):
                return True
    return False


def burst(rng: random.Random, good: bytes) -> bytes:
    """Change one to sixteen consecutive bits anywhere in a packet."""
    bits = rng.randint(1, 16)
    pattern = (rng.getrandbits(bits) | 1 | 1 << bits - 1) << rng.randrange(8 * len(good) - bits + 1)
    return (int.from_bytes(good, "little") ^ pattern).to_bytes(len(good), "little")


def havoc(rng: random.Random, good: bytes) -> bytes:
    """Damage a packet in ways no checksum was made for."""
    return damage.havoc(rng, good, (b"\xee", b"\x06", b"\x15", b"\xee\x00\x00\x00"), nested=True)


def reading() -> Client:
    """Return a client that waits for the answer to a read, its request acknowledged."""
    client = Client().logged_on()
    client.asks(FullRead(table=5))
    client.hears(ACK)
    return client


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_damaged_answers_at_a_client_are_never_accepted(count: int) -> None:
    """Bursts and havoc: an answer comes out only where a second checksum finds an intact packet."""
    rng = random.Random(SEED)
    packets = [encode_packet(data_of(b"table five"), control=0x20), *all_packets()]
    client, accepted = reading(), 0
    for index in range(count):
        good = rng.choice(packets)
        bad = burst(rng, good) if index & 1 else havoc(rng, good)
        if not bad:
            continue
        cut = rng.randrange(len(bad) + 1)
        events = []
        for chunk in (bad[:cut], bad[cut:]):
            if chunk:
                client.engine.receive_data(chunk)
                events += events_of(client.engine)
        client.engine.timed_out()
        events += events_of(client.engine)
        sent = client.engine.data_to_send()
        assert len(sent) < 40
        if any(isinstance(event, ResponseReceived | ResponseMalformed) for event in events):
            accepted += 1
            assert holds_an_intact_packet(bad), bad.hex()
        if not client.engine.busy or any(isinstance(event, SessionLost | LineQuiet) for event in events):
            client = reading()
    assert accepted < count / 10


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_damaged_requests_at_a_server_are_never_accepted(count: int) -> None:
    """The same at a meter: nothing reaches its owner, and no ACK goes out, without an intact packet."""
    rng = random.Random(SEED + 1)
    packets = all_packets()
    server, acknowledged = C1218Server(), 0
    for index in range(count):
        good = rng.choice(packets)
        bad = burst(rng, good) if index & 1 else havoc(rng, good)
        if not bad:
            continue
        cut = rng.randrange(len(bad) + 1)
        for chunk in (bad[:cut], bad[cut:]):
            if chunk:
                server.receive_data(chunk)
                for event in events_of(server):
                    if isinstance(event, RequestReceived):
                        server.respond(ErrorResponse(code=ResponseCode.BSY))
        server.timed_out()
        for event in events_of(server):
            if isinstance(event, RequestReceived):
                server.respond(ErrorResponse(code=ResponseCode.BSY))
        sent = server.data_to_send()
        assert len(sent) < 60
        if sent[:1] == ACK:
            acknowledged += 1
            assert holds_an_intact_packet(bad), bad.hex()
        if index % 500 == 0:
            server.reset()
    assert acknowledged < count / 4


@pytest.mark.parametrize("count", FEW_OR_MANY)
def test_damaged_messages_give_values_or_one_error(count: int) -> None:
    """Decoders of services, and the transcript, on the same damage without packets around it."""
    rng = random.Random(SEED + 2)
    packets = all_packets()
    transcribe = Transcriber()
    for index in range(count):
        bad = havoc(rng, rng.choice(packets))
        message = bad[HEADER_OCTETS:-2]
        try:
            value = decode_request(message)
        except ProtocolError:
            pass
        else:
            assert decode_request(value.encode()) == value
        try:
            response = decode_response(FullRead(table=1), message)
        except ProtocolError:
            pass
        else:
            assert isinstance(response, TableData | ErrorResponse)
        if index % 4 == 0:
            for line in transcribe(rng.choice(("->", "<-")), bad):
                assert len(line) < 300


@pytest.mark.parametrize("engine", [C1218Client, C1218Server])
@pytest.mark.parametrize(
    "flood",
    [
        b"\x06",
        b"\x15",
        b"\x06\x15",
        b"\x00",
        b"\xee",
        b"\xee\x00\x00\x00\x1f\xf8",
        b"\xee\x00\x00\x00\xff\xff",
        encode_packet(b"\x00"),
        encode_packet(b"\x00", control=0xC0, sequence=255),
        encode_packet(b"\x00", control=0x80, sequence=7),
        encode_packet(b"\x20") + encode_packet(b"\x21", control=0x20),
    ],
    ids=lambda octets: octets[:9].hex(),
)
def test_flood_of_megabytes_costs_little(engine: type[C1218Client | C1218Server], flood: bytes) -> None:
    """Half a megabyte of anything: linear work, at most one packet kept, a bounded answer."""
    end = engine()
    if isinstance(end, C1218Client):
        end = reading().engine
    chunk = flood * (65536 // len(flood))
    for _ in range(8):
        end.receive_data(chunk)
        for event in events_of(end):
            if isinstance(event, RequestReceived):
                assert isinstance(end, C1218Server)
                end.respond(ErrorResponse(code=ResponseCode.BSY))
        assert len(end.data_to_send()) <= 4 * len(chunk)
        assert len(end._stream._buffer) <= 8192 + len(chunk)
    for _ in range(4):
        end.timed_out()
        events_of(end)


def test_endless_noise_does_not_keep_a_client_waiting() -> None:
    """The response time-out runs on while noise comes in, so the request is given up in bounded time."""
    client = Client().logged_on()
    client.asks(FullRead(table=1))
    events = []
    for _ in range(4):
        client.hears(b"\xff" * 100)
        response = client.engine.timers[-1]
        client.hears(b"\xff" * 100)
        assert client.engine.timers[-1] is response
        client.engine.timed_out(response)
        events += events_of(client.engine)
    assert isinstance(events[-1], SessionLost)


def test_endless_answers_to_a_read_end_with_the_agreed_packets() -> None:
    """A device cannot make us collect more than was negotiated."""
    client = Client().logged_on(packets=3)
    client.asks(FullRead(table=1))
    events = client.hears(ACK, client.reply(bytes(56), 0xC0, 2), client.reply(bytes(56), 0x80, 1))
    assert events == []
    events = client.hears(client.reply(bytes(56), 0x80, 1))
    assert isinstance(events[-1], SessionLost)
