"""The campaign: 360,000 damaged inputs over every DLMS decoder, each bounded in time and memory.

Time is CPU time of this process, so that a busy machine condemns nobody. Memory is the growth of the
process's high-water mark, and the traced peak of whatever took longer than a hundredth of a second.
"""

from __future__ import annotations

import contextlib
import random
import resource
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from time import process_time  # how long a decoder really works is what is tested here
from typing import Any

import damage
import pytest
import yaml
from dlms_device import HLS, Device, Pair, name, opened
from framing_helpers import events_of, golden
from test_dlms_apdu import ROUND_TRIPS
from test_dlms_hostile import DATA_SEEDS, HOSTILE, SEEDS, channel, mutated

from adapters.errors import ProtocolError, RemoteProtocolError
from adapters.profiles.firmware_container import FirmwareContainer
from adapters.protocols.dlms import apdu, axdr
from adapters.protocols.dlms.data import array, octet_string, structure, unsigned
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.describe import describe
from adapters.protocols.dlms.general_protection import decode_ciphering, decode_signing
from adapters.protocols.dlms.hdlc import HdlcClientLink, HdlcServerLink, decode_frame
from adapters.protocols.dlms.profile_rows import decode_rows
from adapters.protocols.dlms.state import State
from adapters.protocols.dlms.wrapper import WrapperClientLink, WrapperServerLink, decode_datagram
from adapters.protocols.gsm.pdu import decode_submit, decode_to_mobile, without_centre
from adapters.protocols.iec62056_21 import NEED_DATA, Identification, ModeEClient, ModeEServer, parse_message
from adapters.protocols.iec62056_21.data_messages import MessageStream

GOLDEN = Path(__file__).parents[1] / "golden"
PLANS = Path(__file__).parents[2] / "testplans"
CPU_S = 0.1 if sys.gettrace() is None else 2.0
MEMORY_OCTETS = 16 << 20
SUSPECT_S = 0.01

APDUS = SEEDS + [each.encode() for each in ROUND_TRIPS]
APDUS += [bytes.fromhex(vector["hex"]) for vector in HOSTILE if vector["decoder"] == "apdu"]
FRAMES = [vector["octets"] for vector in golden()["hdlc"]]
MESSAGES = [vector["octets"] for vector in golden()["wrapper"]]
SIGN_ONS = [vector["octets"] for vector in golden()["iec62056_21"]]
PLAIN_OF_SERVICES = [raw for raw in APDUS if raw[:1] in (b"\xc0", b"\xc1", b"\xc4", b"\xc5")]
CIPHERED = [channel(b"MBESERV1", b"MBECLNT1").protect(raw, general=True) for raw in APDUS if raw]
CIPHERED += [channel(b"MBESERV1", b"MBECLNT1").protect(raw) for raw in PLAIN_OF_SERVICES]

GSM = yaml.load((GOLDEN / "gsm_pdu.yaml").read_text("utf-8"), Loader=yaml.BaseLoader)
SHORT_MESSAGES = [bytes.fromhex(vector["hex"]) for kind in ("submit", "deliver") for vector in GSM[kind]]
MODE_C = (
    b"\x06\x02" + b"1.8.0(001234.567*kWh)\r\n0.0.0(30112345)\r\n!\r\n\x03\x11\x01P1\x02(12345678)\x03\x60"
)
IMAGE = (PLANS / "dlms" / "images" / "mcs301-1.26.0.img").read_bytes()
PROTECTED = [bytes.fromhex(vector["hex"]) for vector in HOSTILE if vector["decoder"].startswith("general-")]
ROW = structure(octet_string(bytes(12)), unsigned(0), unsigned(7))
ROWS = [axdr.encode_data(array(*(ROW,) * count)) for count in (1, 3, 40)]

Attempt = Callable[[], object]


WAYS: tuple[dict[str, Any], ...] = ({}, {"window": 3}, HLS, {"window": 2, **HLS})


def session(way: int) -> Pair:
    """Return a client and a server in the middle of a long exchange."""
    pair = opened(Device(values={name(1): octet_string(bytes(700))}), **WAYS[way])
    begin(pair)
    return pair


def begin(pair: Pair) -> None:
    """Have a long exchange under way."""
    with contextlib.suppress(ProtocolError):
        pair.client.give_up()
    with contextlib.suppress(ProtocolError):
        pair.sent(pair.client.set(1, name(1), 2, octet_string(bytes(300))))


def decode_apdu(rng: random.Random) -> Attempt:
    """A damaged APDU; what is understood can be said again, and is described in one line."""
    raw = mutated(rng, APDUS)

    def attempt() -> None:
        assert "\n" not in describe(raw)
        apdu.decode(raw).encode()

    return attempt


def decode_data(rng: random.Random) -> Attempt:
    """A damaged value."""
    raw = mutated(rng, DATA_SEEDS)
    return lambda: axdr.decode_data(axdr.encode_data(axdr.decode_data(raw)))


def decode_ciphered(rng: random.Random) -> Attempt:
    """A damaged ciphered APDU never yields a plain text."""
    raw = mutated(rng, CIPHERED)
    if raw in CIPHERED:
        raw = raw[:-1]

    def attempt() -> None:
        channel().unprotect(raw)
        pytest.fail(f"{raw.hex()} was accepted")

    return attempt


def decode_link(rng: random.Random) -> Attempt:
    """Damaged HDLC frames and wrapper messages, alone and at both ends of a link."""
    kind = rng.randrange(4)
    if kind == 0:
        frame = damage.havoc(rng, rng.choice(FRAMES), (b"\x7e",))
        return lambda: decode_frame(frame)
    if kind == 1:
        message = damage.havoc(rng, rng.choice(MESSAGES), (b"\x00\x01",))
        return lambda: decode_datagram(message)
    pieces = [damage.havoc(rng, rng.choice(FRAMES if kind == 2 else MESSAGES), (b"\x7e",)) for _ in range(3)]
    links: list[HdlcClientLink | HdlcServerLink | WrapperClientLink | WrapperServerLink] = (
        [HdlcClientLink(16, 1, 17, 2), HdlcServerLink(physical=17)]
        if kind == 2
        else [WrapperClientLink(16, 1), WrapperServerLink(max_apdu=2048)]
    )

    def attempt() -> None:
        for link in links:
            for piece in pieces:
                link.receive_data(piece or b"\x00")
                events_of(link)
                link.data_to_send()

    return attempt


def decode_sign_on(rng: random.Random) -> Attempt:
    """A damaged message of the optical port, and both engines that wait for one."""
    raw = damage.havoc(rng, rng.choice(SIGN_ONS), (b"/", b"\r\n", b"\x06"))
    server, client = (
        ModeEServer(Identification(manufacturer="ISk", baud_code="5", enhanced="2")),
        ModeEClient(),
    )
    client.start()

    def attempt() -> None:
        for engine in (server, client):
            engine.receive_data(raw)
            while engine.next_event() is not NEED_DATA:
                engine.data_to_send()
        parse_message(raw)

    return attempt


def decode_around(rng: random.Random) -> Attempt:
    """Around the APDUs: short messages, mode C, firmware files, general protection, profile rows."""
    kind = rng.randrange(6)
    if kind == 0:
        message = damage.havoc(rng, rng.choice(SHORT_MESSAGES), (b"\x00", b"\xff"))
        return lambda: decode_to_mobile(without_centre(message)[1])
    if kind == 1:
        message = damage.havoc(rng, rng.choice(SHORT_MESSAGES), (b"\x00", b"\xff"))
        return lambda: decode_submit(without_centre(message)[1])
    if kind == 2:
        line = damage.havoc(rng, MODE_C, (b"\x01", b"\x02", b"\x03", b"\x04", b"\x06"))

        def listen() -> None:
            stream = MessageStream()
            stream.receive_data(line)
            while stream.next_message() is not None:
                pass

        return listen
    if kind == 3:
        image = damage.havoc(rng, IMAGE, (IMAGE[:4],))
        return lambda: FirmwareContainer.from_octets(image)
    if kind == 4:
        protected = damage.havoc(rng, rng.choice(PROTECTED), (b"\xdd", b"\xdf"))
        decode = decode_ciphering if protected[:1] == b"\xdd" else decode_signing
        return lambda: decode(protected)
    rows = mutated(rng, ROWS)
    return lambda: decode_rows(rows)


def decode_moment(rng: random.Random) -> Attempt:
    """Any twelve octets as a date-time."""
    raw = rng.randbytes(12)
    return lambda: CosemDateTime.from_octets(raw).utc()


class Engines:
    """Clients and servers that meet damaged APDUs in whatever state the last one left them in."""

    def __init__(self) -> None:
        self._pairs = [session(way) for way in range(len(WAYS))]
        self._turn = 0

    def __call__(self, rng: random.Random) -> Attempt:
        """One damaged APDU for one client or server; the server never raises."""
        self._turn += 1
        way = self._turn % len(WAYS)
        pair = self._pairs[way]
        if self._turn % 24 < len(WAYS):  # what the last ones closed is opened again, what they ended begun
            if not pair.server.is_open or pair.client.state is State.IDLE:
                pair = self._pairs[way] = session(way)
            begin(pair)
        raw = mutated(rng, pair.log[-6:] or APDUS) if rng.random() < 0.5 else mutated(rng, APDUS)
        if self._turn % 8 < 4:
            return lambda: pair.client.receive(raw)

        def served() -> None:
            pair.server.handle(raw)
            while pair.server.following() is not None:
                pass
            del pair.log[:-20]

        return served


def bounded(attempt: Attempt, what: str) -> None:
    """Run ``attempt``: nothing but a ProtocolError may come out, within the bounds."""
    peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    before = process_time()
    with contextlib.suppress(ProtocolError):
        attempt()
    took = process_time() - before
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before) * 1024
    assert took < CPU_S, f"{what} took {took:.3f} s"
    assert grown < MEMORY_OCTETS, f"{what} took {grown} octets"
    if took > SUSPECT_S:
        tracemalloc.start()
        with contextlib.suppress(ProtocolError):
            attempt()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MEMORY_OCTETS, f"{what} took {peak} octets"


def campaign(seed: int, count: int) -> int:
    """Throw ``count`` damaged inputs at the decoders in turn; return how many it were."""
    rng = random.Random(seed)
    decoders = [
        decode_apdu, decode_data, decode_ciphered, decode_link, decode_sign_on, decode_moment, Engines(),
        decode_apdu, Engines(), decode_data, decode_around, decode_around,
    ]  # fmt: skip
    for number in range(count):
        decoder = decoders[number % len(decoders)]
        attempt = decoder(rng)
        bounded(attempt, f"input {number} of seed {seed} ({getattr(decoder, '__name__', 'engines')})")
    return count


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1_000, 1_010))
def test_campaign_damaged_inputs_cost_little_and_end_in_protocol_errors(seed: int) -> None:
    """Ten times 36,000: 100 ms of CPU and 16 MB at most, one family of errors."""
    assert campaign(seed, 36_000) == 36_000


def test_campaign_in_small_meets_every_decoder() -> None:
    """The fast part of it."""
    assert campaign(1, 2_000) == 2_000


@pytest.mark.parametrize("window", [0, 1])
def test_campaign_endless_long_answer_is_cut_off(window: int) -> None:
    """A meter that never sends the last block is stopped by the budget, not by the memory of the machine."""
    pair = opened(Device(max_pdu=0), window=window)
    invoke = pair.client.get(1, name(1), 2)[2 if not window else 9]
    piece = bytes(60_000)

    def block(number: int) -> bytes:
        if window:
            return apdu.GeneralBlock(
                last=False, streaming=True, window=1, number=number, acknowledged=1, raw=piece
            ).encode()
        return apdu.GetResponseWithDatablock(
            invoke=invoke, last=False, block_number=number, raw=piece
        ).encode()

    tracemalloc.start()
    with pytest.raises(RemoteProtocolError, match="exceeds the budget"):
        flood(pair, (block(number) for number in range(1, 10_000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY_OCTETS


def flood(pair: Pair, answers: Iterable[bytes]) -> None:
    """Have the client take one answer after the other."""
    for raw in answers:
        pair.client.receive(raw)


def test_campaign_general_blocks_that_bring_nothing_are_cut_off() -> None:
    """The same block for ever is no progress."""
    pair = opened(window=3)
    pair.client.get(1, name(1), 2)
    block = apdu.GeneralBlock(last=False, streaming=True, window=1, number=5, acknowledged=0, raw=b"x")
    with pytest.raises(RemoteProtocolError, match="nothing new"):
        flood(pair, [block.encode()] * 1_000)


def test_campaign_server_forgets_a_long_set_that_never_ends() -> None:
    """A client that sends blocks for ever is told that its SET is over, and can still read."""
    pair = opened(Device(max_pdu=0, values={name(1): unsigned(1)}))
    first = apdu.SetRequestWithFirstDatablock(
        invoke=0xC1,
        attribute=apdu.AttributeDescriptor(1, name(1), 2),
        block=apdu.DataBlock(last=False, number=1, raw=bytes(60_000)),
    )
    answer = apdu.decode(pair.sent(first.encode())[0])
    number = 1
    while isinstance(answer, apdu.SetResponseDatablock):
        number += 1
        assert number < 100
        block = apdu.DataBlock(last=False, number=number, raw=bytes(60_000))
        answer = apdu.decode(pair.sent(apdu.SetRequestWithDatablock(invoke=0xC1, block=block).encode())[0])
    assert isinstance(answer, apdu.SetResponseLastDatablock)
    assert answer.result.label == "long-set-aborted"
    assert pair.device.written == []
