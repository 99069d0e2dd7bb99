"""Bytes nobody should send: every decoder ends at once, with one family of errors and a bounded effort."""

import contextlib
import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time  # how long a decoder really works is what is tested here
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import ProtocolError, RemoteProtocolError
from adapters.protocols.dlms import apdu, axdr
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_settings import ClientSettings
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.describe import describe
from adapters.protocols.dlms.enums import MechanismId
from adapters.protocols.dlms.general_protection import decode_ciphering, decode_signing
from adapters.protocols.dlms.hdlc import decode_frame
from adapters.protocols.dlms.secure_channel import SecureChannel
from adapters.protocols.dlms.security import Keys, SecuritySuite0
from adapters.protocols.dlms.state import State
from adapters.protocols.dlms.wrapper import decode_datagram

GOLDEN = Path(__file__).parents[1] / "golden"
KEYS = Keys(encryption_key=bytes(range(16)), authentication_key=bytes(range(0xD0, 0xE0)))
CLIENT, SERVER = b"MBECLNT1", b"MBESERV1"


def load(name: str) -> Any:
    """Load a YAML file with every scalar as text."""
    return yaml.load((GOLDEN / name).read_text("utf-8"), Loader=yaml.BaseLoader)


HOSTILE = load("hostile_dlms.yaml")
SEEDS = [bytes.fromhex(vector["apdu"]) for vector in load("dlms_apdu.yaml")]
SEEDS += [bytes.fromhex(text) for part in load("dlms_gurux.yaml").values() for text in part.values()]
DATA_SEEDS = [bytes.fromhex(vector["hex"]) for vector in load("dlms_data.yaml")["data"]]
DATA_SEEDS += [bytes.fromhex(vector["hex"]) for vector in HOSTILE if vector["decoder"] == "data"]


def channel(own: bytes = CLIENT, peer: bytes = SERVER, control: int = 0x30) -> SecureChannel:
    """Return one end of a ciphered association."""
    return SecureChannel(suite=SecuritySuite0(KEYS), own_title=own, peer_title=peer, control=control)


def receive_in_every_state(raw: bytes) -> None:
    """Give ``raw`` to clients that wait for an AARE, a GET and nothing at all."""
    for start in ("idle", "associating", "getting"):
        client = ClientAssociation(ClientSettings(pre_established=start == "getting"))
        if start == "associating":
            client.associate()
        elif start == "getting":
            client.get(3, bytes(6), 2)
        try:
            client.receive(raw)
        except ProtocolError:
            if client.state is not State.IDLE:
                client.give_up()


DECODERS: dict[str, Callable[[bytes], object]] = {
    "data": axdr.decode_data,
    "apdu": apdu.decode,
    "channel": lambda raw: channel().unprotect(raw),
    "wrapper": decode_datagram,
    "hdlc": decode_frame,
    "general-ciphering": decode_ciphering,
    "general-signing": decode_signing,
}


@pytest.mark.parametrize("vector", HOSTILE, ids=lambda vector: vector["id"])
def test_hostile_bytes_end_in_a_protocol_error_at_once(vector: dict[str, str]) -> None:
    """The regression corpus: hangs, blow-ups and lies found here or in other people's decoders."""
    raw = bytes.fromhex(vector["hex"])
    before = process_time()
    with pytest.raises(ProtocolError):
        DECODERS[vector["decoder"]](raw)
    assert process_time() - before < (0.1 if sys.gettrace() is None else 1.0)


def worst_inputs() -> Iterator[tuple[str, bytes]]:
    """Yield inputs that make the most of the budget."""
    yield "null array", b"\x01\x82\xff\xff" + bytes(0xFFFF)
    yield "two null arrays", b"\x02\x02" + 2 * (b"\x01\x82\xc3\x50" + bytes(50_000))
    wide = b"\x01\xff\xff\x00"
    yield "compact array of null arrays", b"\x13\x02\x02" + wide + b"\x11\x05" + bytes(5)
    yield "compact array of units", b"\x13\x11\x83\x01\xff\xff" + bytes(0x1FFFF)
    yield "structures of structures", b"\x02\x01" * 16 + b"\x02\x00"
    yield "a bit string of a megabyte", b"\x04\x83\x7f\xff\xff" + bytes(0x7FFFFF // 8 + 1)
    deep = b"\x01\xff\xff" * 15 + b"\x11"
    yield "compact array nested", b"\x13" + deep + b"\x82\xff\xff" + bytes(0xFFFF)


@pytest.mark.parametrize(("name", "raw"), list(worst_inputs()), ids=[name for name, _ in worst_inputs()])
def test_hostile_worst_input_costs_a_bounded_time_and_memory(name: str, raw: bytes) -> None:
    """The whole budget spent takes a fraction of a second and at most sixteen megabytes."""
    before = process_time()
    with contextlib.suppress(RemoteProtocolError):
        axdr.decode_data(raw)
    # 100 ms on an idle machine; other work shares this one, and a coverage tracer slows it tenfold
    assert process_time() - before < (0.5 if sys.gettrace() is None else 5.0), name
    tracemalloc.start()
    with contextlib.suppress(RemoteProtocolError):
        axdr.decode_data(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20, name


def mutated(source: random.Random, seeds: list[bytes]) -> bytes:
    """Return a seed with one to four things wrong: bits, octets, lengths, pieces lost, doubled or swapped."""
    raw = bytearray(source.choice(seeds))
    for _ in range(source.randint(1, 4)):
        kind = source.randrange(7)
        at = source.randrange(len(raw)) if raw else 0
        if kind == 0 and raw:
            raw[at] ^= 1 << source.randrange(8)
        elif kind == 1 and raw:
            raw[at] = source.choice((0, 1, 2, 0x13, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFE, 0xFF))
        elif kind == 2:
            del raw[at:]
        elif kind == 3:
            del raw[at : at + source.randint(1, 4)]
        elif kind == 4:
            raw[at:at] = source.randbytes(source.randint(1, 4))
        elif kind == 5:
            raw += raw[at : at + 16]
        elif kind == 6:
            other = source.choice(seeds)
            raw[at:] = other[source.randrange(len(other) + 1) :]
    return bytes(raw)


PLAIN = bytes.fromhex("C401C100060000 1391")


def survive(seed: int, count: int, every: int = 4) -> None:
    """Throw ``count`` damaged APDUs at every decoder; anything but a ProtocolError escapes and fails.

    The client's states and the ciphering meet each ``every``-th of them.
    """
    source = random.Random(seed)
    body = channel(SERVER, CLIENT).protect(PLAIN)
    for number in range(count):
        raw = mutated(source, SEEDS)
        try:
            decoded = apdu.decode(raw)
        except RemoteProtocolError:
            pass
        else:
            decoded.encode()  # what was understood can be said again
        assert "\n" not in describe(raw)
        try:
            data = axdr.decode_data(mutated(source, DATA_SEEDS))
        except RemoteProtocolError:
            pass
        else:
            assert axdr.decode_data(axdr.encode_data(data)) is not None
        if number % every == 0:
            receive_in_every_state(raw)
            damaged = mutated(source, [body])
            try:
                whole = channel().unprotect(damaged).apdu
            except RemoteProtocolError:
                pass
            else:  # untouched, or its length in more octets than it needs, which says the same
                assert whole == PLAIN
                assert damaged[-len(body) + 2 :] == body[2:]
            with contextlib.suppress(RemoteProtocolError):
                CosemDateTime.from_octets(source.randbytes(12)).utc()


@pytest.mark.parametrize("seed", range(4))
def test_hostile_mutations_meet_only_protocol_errors(seed: int) -> None:
    """20,000 damaged inputs, seeded: the fast part of the campaign."""
    survive(seed, 2_500)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
def test_hostile_mutations_campaign_meets_only_protocol_errors(seed: int) -> None:
    """More than 100,000 damaged inputs at every decoder."""
    survive(seed, 11_000, every=1)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_hostile_random_bytes_never_escape_the_error_tree(raw: bytes) -> None:
    """Anything at all is either an APDU or a RemoteProtocolError."""
    for decode in (apdu.decode, axdr.decode_data):
        with contextlib.suppress(RemoteProtocolError):
            decode(raw)
    receive_in_every_state(raw)


@given(st.sampled_from(sorted(apdu.DECODERS)), st.binary(max_size=120))
@settings(max_examples=300, deadline=None)
def test_hostile_random_bodies_behind_every_tag_never_escape(tag: int, body: bytes) -> None:
    """The same with a tag that leads into each decoder."""
    with contextlib.suppress(RemoteProtocolError):
        apdu.decode(bytes((tag,)) + body)


@pytest.mark.parametrize("control", [0x10, 0x30])
@pytest.mark.parametrize("general", [False, True])
def test_hostile_any_flipped_bit_of_a_ciphered_apdu_yields_no_plaintext(control: int, general: bool) -> None:
    """Not one of the bits of a ciphered APDU can be turned without being noticed, and no counter moves."""
    sender = channel(SERVER, CLIENT, control)
    sender.send.next_value = 7
    raw = sender.protect(bytes.fromhex("C401C1000600001391"), general=general)
    receiver = channel(control=control)
    for bit in range(len(raw) * 8):
        bent = bytearray(raw)
        bent[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(RemoteProtocolError):
            receiver.unprotect(bytes(bent))
        assert receiver.received.expected == 0
    assert receiver.unprotect(raw).counter == 7


def test_hostile_ciphered_apdu_cut_anywhere_yields_no_plaintext() -> None:
    """A ciphered APDU that lost its end never counts as one."""
    raw = channel(SERVER, CLIENT).protect(bytes.fromhex("C401C1000600001391"))
    for length in range(len(raw)):
        with pytest.raises(RemoteProtocolError):
            channel().unprotect(raw[:length])


def test_hostile_challenge_and_proof_bits_are_all_vouched_for() -> None:
    """No bit of an HLS proof or of its challenge can be turned."""
    suite = SecuritySuite0(KEYS)
    challenge = bytes(range(16))
    proof = suite.prove(challenge, SERVER, 5)
    for bit in range(len(proof) * 8):
        bent = bytearray(proof)
        bent[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(RemoteProtocolError):
            suite.check_proof(bytes(bent), challenge, SERVER)
    with pytest.raises(RemoteProtocolError):
        suite.check_proof(proof, challenge[1:], SERVER)


def test_hostile_long_get_that_never_ends_is_cut_off() -> None:
    """A meter that sends empty blocks for ever is stopped at the first one."""
    client = ClientAssociation(ClientSettings(pre_established=True))
    client.get(7, bytes(6), 2)
    with pytest.raises(RemoteProtocolError, match="empty"):
        client.receive(bytes.fromhex("C402C100000000010000"))


def test_hostile_recursion_limit_is_not_what_stops_deep_data() -> None:
    """Depth is bounded by the budget, far from the interpreter's own limit."""
    deep = b"\x02\x01" * sys.getrecursionlimit() + b"\x00"
    with pytest.raises(RemoteProtocolError, match="nests deeper than 16"):
        axdr.decode_data(deep)
    with pytest.raises(RemoteProtocolError, match="nests deeper than 16"):
        axdr.decode_data(b"\x13" + deep + b"\x00")


def test_hostile_handshake_of_a_ciphered_client_survives_mutations() -> None:
    """A client that waits for a ciphered AARE meets 1,000 damaged ones."""
    source = random.Random(5)
    seeds = [raw for raw in SEEDS if raw[:1] == b"\x61"]
    settings = ClientSettings(
        mechanism=MechanismId.HLS_GMAC, keys=KEYS, system_title=CLIENT, ciphered=True, max_pdu=512
    )
    for _ in range(1_000):
        client = ClientAssociation(settings, challenge=bytes(range(8)))
        client.associate()
        with contextlib.suppress(RemoteProtocolError):
            client.receive(mutated(source, seeds))
