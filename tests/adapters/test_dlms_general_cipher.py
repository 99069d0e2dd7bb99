"""General-ciphering within an association: every way to a key, both ends, and what must not pass."""

from __future__ import annotations

import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from adapters.protocols.dlms.general_cipher import REMEMBERED, AgreementKeys, GeneralCipher, KeyWay
from adapters.protocols.dlms.general_protection import AgreedKey, decode_ciphering
from adapters.protocols.dlms.security import (
    SUITES,
    CounterReplayed,
    CounterWindow,
    DecipheringFailed,
    InvocationCounter,
    Keys,
    SecurityMissing,
)
from adapters.protocols.dlms.signatures import SignatureWrong, SigningKey, VerifyingKey

CLIENT, METER, STRANGER = b"MBENCH\0\1", b"MCS\0\0\0\0\2", b"MCS\0\0\0\0\3"
GET = bytes.fromhex("C001C1000101000060010FFF0200")
ALL_WAYS = [(number, way) for number in SUITES for way in KeyWay if number or way is KeyWay.IDENTIFIED]
AGREED = [(number, way) for number, way in ALL_WAYS if way is not KeyWay.IDENTIFIED]


def private(suite: int, seed: int) -> SigningKey:
    """Return a key pair on the curve of a suite."""
    return SigningKey(bytes((1,)) + random.Random(seed).randbytes({1: 31, 2: 47}[suite]))


def public(key: SigningKey) -> VerifyingKey:
    """Return the public half."""
    return VerifyingKey(key.public_octets)


def keys(suite: int) -> Keys:
    """Return the symmetric keys of a suite."""
    size = SUITES[suite].key_octets
    return Keys(encryption_key=bytes(range(size)), authentication_key=bytes(range(0xD0 - size, 0xD0)))


def ends(suite: int, way: KeyWay = KeyWay.IDENTIFIED) -> tuple[GeneralCipher, GeneralCipher]:
    """Return a client and the meter it talks to."""
    agreement: list[AgreementKeys | None] = [None, None]
    if suite:
        ours, theirs, our_signing, their_signing = (private(suite, seed) for seed in range(4))
        agreement = [
            AgreementKeys(
                ours=ours, theirs=public(theirs), signing=our_signing, signer=public(their_signing),
                random=random.Random(5).randbytes,
            ),
            AgreementKeys(
                ours=theirs, theirs=public(ours), signing=their_signing, signer=public(our_signing),
                random=random.Random(6).randbytes,
            ),
        ]  # fmt: skip
    titles = [(CLIENT, METER), (METER, CLIENT)]
    client, meter = (
        GeneralCipher(
            suite=SUITES[suite](keys(suite)),
            authentication_key=keys(suite).authentication_key,
            own_title=own,
            peer_title=peer,
            send=InvocationCounter(1),
            received=CounterWindow(),
            control=0x30,
            seen=deque(maxlen=REMEMBERED),
            agreement=each,
        )
        for (own, peer), each in zip(titles, agreement, strict=True)
    )
    client.way = way
    return client, meter


@pytest.mark.parametrize(("suite", "way"), ALL_WAYS)
@given(plain=st.binary(min_size=1, max_size=200))
@settings(max_examples=10, deadline=None)
def test_cipher_any_request_is_read_and_answered_the_same_way(suite: int, way: KeyWay, plain: bytes) -> None:
    """The answer is in the same transaction, its key come by the same way; neither is longer than told."""
    client, meter = ends(suite, way)
    request = client.protect(plain)
    assert meter.open(request, 0x30).apdu == plain
    answer = meter.answer(plain + b"!")
    assert client.open(answer, 0x30).apdu == plain + b"!"
    asked, answered = decode_ciphering(request), decode_ciphering(answer)
    assert asked.header.transaction == answered.header.transaction != b""
    assert type(asked.key) is type(answered.key)
    assert (meter.way, client.way) == (way, way)
    assert len(request) <= len(plain) + client.overhead
    assert len(answer) <= len(plain) + 1 + meter.overhead


@pytest.mark.parametrize(("suite", "way"), AGREED)
def test_cipher_each_message_has_a_key_of_its_own(suite: int, way: KeyWay) -> None:
    """The same request twice is other octets twice, also under the same counter."""
    client, _ = ends(suite, way)
    first, second = (decode_ciphering(client.protect(GET, counter=1)) for _ in range(2))
    assert first.content != second.content
    assert (first.header, first.key) != (second.header, second.key)


@pytest.mark.parametrize(("suite", "way"), ALL_WAYS)
def test_cipher_copy_of_a_message_is_refused(suite: int, way: KeyWay) -> None:
    """By its counter under a key that lasts, by its key where that is its own; a fresh one passes again."""
    client, meter = ends(suite, way)
    request = client.protect(GET)
    meter.open(request, 0x30)
    with pytest.raises(CounterReplayed if way is KeyWay.IDENTIFIED else RemoteProtocolError):
        meter.open(request, 0x30)
    if way is not KeyWay.IDENTIFIED:
        with pytest.raises(RemoteProtocolError, match="used before"):
            meter.open(client.protect(GET, used=True), 0x30)
    assert meter.open(client.protect(GET), 0x30).apdu == GET


def test_cipher_copy_stays_one_across_associations() -> None:
    """What was seen is kept by who keeps the counters: a new association does not make it fresh."""
    client, meter = ends(1, KeyWay.ONE_PASS)
    request = client.protect(GET)
    meter.open(request, 0x30)
    _, later = ends(1)
    later._seen = meter._seen
    with pytest.raises(RemoteProtocolError, match="used before"):
        later.open(request, 0x30)


def test_cipher_ids_of_two_associations_differ() -> None:
    """With static keys the transaction id is all that makes a key a new one."""
    client, _ = ends(1, KeyWay.STATIC)
    agreement = client._agreement
    other = GeneralCipher(
        suite=SUITES[1](keys(1)), authentication_key=keys(1).authentication_key, own_title=CLIENT,
        peer_title=METER, send=InvocationCounter(1), received=CounterWindow(), control=0x30,
        seen=deque(maxlen=1), agreement=agreement, way=KeyWay.STATIC, transactions=b"\1\2\3\4 and more",
    )  # fmt: skip
    ids = {decode_ciphering(each.protect(GET)).header.transaction for each in (client, other, client)}
    assert len(ids) == 3


@pytest.mark.parametrize(("suite", "way"), ALL_WAYS)
def test_cipher_message_for_another_is_refused_though_its_tag_is_right(suite: int, way: KeyWay) -> None:
    """The recipient's title counts, not only the key; an empty one means whoever has the key."""
    client, meter = ends(suite, way)
    with pytest.raises(RemoteProtocolError, match="not for us"):
        meter.open(client.protect(GET, recipient=STRANGER), 0x30)
    assert meter.open(client.protect(GET, recipient=b""), 0x30).apdu == GET


@pytest.mark.parametrize("suite", [1, 2])
def test_cipher_ephemeral_key_needs_the_clients_signature(suite: int) -> None:
    """One wrong bit in the signature, and nothing is derived; the right one then passes."""
    client, meter = ends(suite, KeyWay.ONE_PASS)
    with pytest.raises(SignatureWrong):
        meter.open(client.protect(GET, forged=True), 0x30)
    assert meter.open(client.protect(GET), 0x30).apdu == GET
    client.way = KeyWay.STATIC
    with pytest.raises(LocalProtocolError, match="no ephemeral key"):
        client.protect(GET, forged=True)


@pytest.mark.parametrize(("suite", "way"), ALL_WAYS)
def test_cipher_wrong_key_weak_protection_and_any_bent_octet_are_refused(suite: int, way: KeyWay) -> None:
    """Header, key information, text, tag: a bit of any of them decides, and no counter moves."""
    client, meter = ends(suite, way)
    right = keys(suite)
    wrong = Keys(encryption_key=right.encryption_key, authentication_key=right.authentication_key[::-1])
    with pytest.raises(DecipheringFailed):
        meter.open(client.protect(GET, keys=wrong), 0x30)
    with pytest.raises(SecurityMissing):
        meter.open(client.protect(GET, control=0x10), 0x30)
    request = client.protect(GET)
    for at in range(len(request)):
        bent = request[:at] + bytes((request[at] ^ 0x01,)) + request[at + 1 :]
        with pytest.raises(RemoteProtocolError):
            meter.open(bent, 0x30)
    assert meter.received.expected == 0
    assert meter.open(request, 0x30).apdu == GET


def test_cipher_without_agreement_keys_takes_the_unicast_key_alone() -> None:
    """Suite 0 has no key agreement: asking for it is our mistake, being asked for it a refusal."""
    client, meter = ends(0)
    client.way = KeyWay.ONE_PASS
    with pytest.raises(LocalProtocolError, match="one-pass"):
        client.protect(GET)
    strange, _ = ends(1, KeyWay.ONE_PASS)
    with pytest.raises(RemoteProtocolError, match="a kind we do not take"):
        meter.open(strange.protect(GET), 0x30)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_cipher_any_octets_end_in_one_kind_of_error(octets: bytes) -> None:
    """Whatever comes is a protocol error and moves nothing."""
    _, meter = ends(1)
    try:
        meter.open(b"\xdd" + octets, 0x30)
    except ProtocolError:
        pass
    else:
        raise AssertionError("nobody can have made this")
    assert meter.received.expected == 0
    assert not meter._seen


def test_cipher_point_that_is_none_is_refused() -> None:
    """An ephemeral key off the curve is an error of the sender, whatever its signature says."""
    client, meter = ends(1, KeyWay.ONE_PASS)
    message = decode_ciphering(client.protect(GET))
    assert isinstance(message.key, AgreedKey)
    signing = private(1, 2)
    off = bytes(64)
    forged = AgreedKey(scheme=message.key.scheme, data=off + signing.sign(off))
    with pytest.raises(RemoteProtocolError, match="no point"):
        meter.one_pass(forged, message.header, meter._agreement)  # type: ignore[arg-type]
