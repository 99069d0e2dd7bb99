"""Suites 1 and 2, HLS proofs, key wrap, key agreement, general protection: against vectors and each other."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.enums import MechanismId
from adapters.protocols.dlms.general_protection import (
    AgreedKey,
    GeneralCiphering,
    Header,
    IdentifiedKey,
    WrappedKey,
    ciphered,
    decode_ciphering,
    decode_signing,
    one_pass_key,
    one_pass_key_received,
    signed,
    static_key,
)
from adapters.protocols.dlms.hls import Exchange, HlsCredentials
from adapters.protocols.dlms.key_agreement import AES_GCM_128, derived_key, shared_secret
from adapters.protocols.dlms.key_wrap import UnwrappingFailed, unwrap, wrap
from adapters.protocols.dlms.security import SUITES, DecipheringFailed, Keys
from adapters.protocols.dlms.signatures import CURVES, SignatureWrong, SigningKey, VerifyingKey

GOLDEN: dict[str, list[dict[str, Any]]] = yaml.load(
    (Path(__file__).parents[1] / "golden" / "dlms_suites.yaml").read_text("utf-8"), yaml.BaseLoader
)
CLIENT, METER = b"MBECLNT1", b"MBESERV1"
SUITE_NUMBERS = st.sampled_from([0, 1, 2])


def vectors(section: str) -> pytest.MarkDecorator:
    """Return the vectors of a section as parameters."""
    return pytest.mark.parametrize("vector", [pytest.param(each, id=each["id"]) for each in GOLDEN[section]])


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def keys_of(suite: int) -> Keys:
    size = SUITES[suite].key_octets
    return Keys(encryption_key=bytes(range(size)), authentication_key=bytes(range(0xC0, 0xC0 + size)))


def signing_key(suite: int, seed: int = 1) -> SigningKey:
    return SigningKey(bytes([seed]) * CURVES[suite].octets)


# --- vectors from outside ---------------------------------------------------------------------------------


@vectors("key_wrap")
def test_key_wrap_gives_the_rfcs_octets_and_back(vector: dict[str, str]) -> None:
    """RFC 3394's own examples, for both key lengths of the suites."""
    kek, key, wrapped = (octets(vector[name]) for name in ("kek", "key", "wrapped"))
    assert wrap(kek, key) == wrapped
    assert unwrap(kek, wrapped) == key


@vectors("signatures")
def test_signature_of_others_verifies_and_no_other(vector: dict[str, str]) -> None:
    """Published signatures fit their keys; ours over the same text do too; one bit spoils them."""
    key = VerifyingKey(octets(vector["public"]))
    ours = SigningKey(octets(vector["private"]))
    message, signature = octets(vector["message"]), octets(vector["signature"])
    assert ours.public_octets == key.octets
    key.verify(signature, message)
    key.verify(ours.sign(message), message)
    with pytest.raises(SignatureWrong):
        key.verify(signature, message + b"\0")
    with pytest.raises(SignatureWrong):
        key.verify(signature[:-1] + bytes((signature[-1] ^ 1,)), message)
    with pytest.raises(SignatureWrong):
        key.verify(signature[:-1], message)


@vectors("agreements")
def test_key_agreement_gives_the_green_books_secret_and_key(vector: dict[str, str]) -> None:
    """Z and, where the example goes on, the derived encryption key."""
    z = shared_secret(SigningKey(octets(vector["private"])), VerifyingKey(octets(vector["public"])))
    assert z == octets(vector["z"])
    if "key" in vector:
        titles = octets(vector["originator"]), octets(vector["recipient"])
        key = derived_key(z, algorithm=AES_GCM_128, originator=titles[0], recipient=titles[1])
        assert key == octets(vector["key"])


@vectors("ciphered")
def test_suite_ciphers_what_gurux_ciphers(vector: dict[str, str]) -> None:
    """Text and tag of suites 1 and 2, with and without the header of general-ciphering, octet by octet."""
    number, plain = int(vector["suite"]), octets(vector["plain"])
    if "recipient" in vector:
        header = Header(
            transaction=(7).to_bytes(8, "big"), originator=CLIENT, recipient=octets(vector["recipient"])
        )
        sent = ciphered(plain, header=header, keys=keys_of(number), suite=number, counter=7)
        assert sent.content == octets(vector["content"])
        assert sent.plain(keys_of(number)) == (plain, 0x30 | number, 7)
    else:
        suite = SUITES[number](keys_of(number))
        assert suite.protect(plain, CLIENT, 7) == octets(vector["content"])
        assert suite.unprotect(octets(vector["content"]), CLIENT) == (plain, 0x30 | number, 7)


@vectors("general_ciphering")
def test_general_ciphering_of_the_green_book_reads_encodes_and_deciphers(vector: dict[str, str]) -> None:
    """Its fields, its octets back again, and the text under the key that was agreed on."""
    apdu = decode_ciphering(octets(vector["apdu"]))
    header = Header(
        transaction=octets(vector["transaction"]),
        originator=octets(vector["originator"]),
        recipient=octets(vector["recipient"]),
    )
    assert apdu.header == header
    assert apdu.key == AgreedKey(scheme=b"\x01", data=octets(vector["key_data"]))
    assert apdu.encode() == octets(vector["apdu"])
    meter = next(each for each in GOLDEN["agreements"] if each["id"] == "gb8-c2-client-to-server")
    client = next(each for each in GOLDEN["signatures"] if each["id"] == "gb8-c2-client")
    key = one_pass_key_received(
        apdu.key,
        suite=1,
        header=header,
        ours=SigningKey(octets(meter["private"])),
        signer=VerifyingKey(octets(client["public"])),
    )
    encrypted_only = b"\x21" + apdu.content[1:-12]
    suite = SUITES[1](Keys(encryption_key=key, authentication_key=bytes(16)))
    plain, _, counter = suite.unprotect(encrypted_only, header.originator)
    assert plain.startswith(octets(vector["plain_begins"]))
    assert counter == 0


# --- suites -----------------------------------------------------------------------------------------------


@given(SUITE_NUMBERS, st.binary(max_size=80), st.integers(0, 2**32 - 1), st.sampled_from([0x10, 0x20, 0x30]))
def test_suite_round_trip_names_itself_in_the_control_octet(
    number: int, plain: bytes, counter: int, control: int
) -> None:
    """What one side protects the other unprotects; the low bits of the control octet are the suite."""
    suite = SUITES[number](keys_of(number))
    body = suite.protect(plain, CLIENT, counter, control)
    assert body[0] == control | number
    assert suite.unprotect(body, CLIENT) == (plain, control | number, counter)


@pytest.mark.parametrize("agreed, other", [(0, 1), (1, 0)])
def test_suite_refuses_an_apdu_of_another_suite(agreed: int, other: int) -> None:
    """The two suites with AES-128 take none of each other's APDUs or proofs."""
    ours, theirs = SUITES[agreed](keys_of(agreed)), SUITES[other](keys_of(other))
    with pytest.raises(RemoteProtocolError, match=f"suite {other} in a suite {agreed}"):
        ours.unprotect(theirs.protect(b"\xc0", CLIENT, 1), CLIENT)
    with pytest.raises(DecipheringFailed):
        ours.check_proof(theirs.prove(b"challenge", CLIENT, 1), b"challenge", CLIENT)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_suite_wants_keys_of_its_own_length(number: int) -> None:
    """Suite 2 takes 32 octets, the others 16."""
    with pytest.raises(LocalProtocolError, match=f"suite {number}"):
        SUITES[number](keys_of(0 if number == 2 else 2))


# --- proofs -----------------------------------------------------------------------------------------------

PROOFS = [
    MechanismId.HLS, MechanismId.HLS_MD5, MechanismId.HLS_SHA1, MechanismId.HLS_SHA256, MechanismId.HLS_ECDSA,
]  # fmt: skip


def both_ends(suite: int = 1) -> tuple[HlsCredentials, HlsCredentials]:
    client, meter = signing_key(suite, 1), signing_key(suite, 2)
    return (
        HlsCredentials(secret=b"secret", signing_key=client, peer_key=VerifyingKey(meter.public_octets)),
        HlsCredentials(secret=b"secret", signing_key=meter, peer_key=VerifyingKey(client.public_octets)),
    )


@pytest.mark.parametrize("mechanism", PROOFS)
@pytest.mark.parametrize("suite", [1, 2])
def test_proof_fits_its_exchange_and_no_other(mechanism: MechanismId, suite: int) -> None:
    """A proof is for one challenge; MD5, SHA-1 and mechanism 2 know no more, the others titles and both."""
    client, meter = both_ends(suite)
    exchange = Exchange(
        prover_title=CLIENT,
        verifier_title=METER,
        challenge=b"StoC-challenge!!",
        own_challenge=b"CtoS-challenge!!",
    )
    proof = client.prove(mechanism, exchange)
    meter.check(mechanism, proof, exchange)
    other = Exchange(
        prover_title=CLIENT,
        verifier_title=METER,
        challenge=b"CtoS-challenge!!",
        own_challenge=b"StoC-challenge!!",
    )
    with pytest.raises(DecipheringFailed):
        meter.check(mechanism, proof, other)
    for spoiled in (b"", proof[:-1], proof + b"\0", exchange.challenge):
        with pytest.raises(DecipheringFailed):
            meter.check(mechanism, spoiled, exchange)


@pytest.mark.parametrize("mechanism", PROOFS)
def test_proof_without_its_credentials_is_our_mistake(mechanism: MechanismId) -> None:
    """Nothing is proved with an empty secret or a missing key."""
    exchange = Exchange(prover_title=CLIENT, verifier_title=METER, challenge=b"1" * 8, own_challenge=b"2" * 8)
    assert not HlsCredentials().suffices_for(mechanism)
    with pytest.raises(LocalProtocolError):
        HlsCredentials().prove(mechanism, exchange)
    with pytest.raises(LocalProtocolError):
        HlsCredentials().check(mechanism, b"", exchange)


def test_keys_show_in_no_repr() -> None:
    """Neither private keys nor secrets appear when somebody prints what holds them."""
    client, _ = both_ends()
    shown = repr(client) + repr(client.signing_key)
    assert "secret'" not in shown
    assert "01" * 8 not in shown


# --- key wrap ---------------------------------------------------------------------------------------------


@given(st.binary(max_size=80))
def test_unwrap_any_octets_give_one_error(wrapped: bytes) -> None:
    """No octets but a key wrapped with this very key come out as a key."""
    with pytest.raises(UnwrappingFailed):
        unwrap(bytes(range(16)), wrapped)


# --- general protection -----------------------------------------------------------------------------------

HEADER = Header(transaction=b"\1" * 8, originator=CLIENT, recipient=METER)


@given(
    SUITE_NUMBERS,
    st.binary(max_size=60),
    st.sampled_from([0x10, 0x20, 0x30]),
    st.sampled_from(
        [None, IdentifiedKey(key_id=1), WrappedKey(wrapped=b"w" * 24), AgreedKey(scheme=b"\x02", data=b"")]
    ),
)
def test_general_ciphering_round_trip(suite: int, plain: bytes, control: int, key: Any) -> None:
    """Every kind of key information travels, and the text comes out as it went in."""
    sent = ciphered(
        plain, header=HEADER, keys=keys_of(suite), suite=suite, counter=7, control=control, key=key
    )
    received = decode_ciphering(sent.encode())
    assert received == sent
    assert received.plain(keys_of(suite)) == (plain, control | suite, 7)


@pytest.mark.parametrize("control", [0x10, 0x30])
@pytest.mark.parametrize("field", ["transaction", "recipient", "date_time", "other"])
def test_general_ciphering_tag_vouches_for_the_header(control: int, field: str) -> None:
    """Whoever alters a field of the header breaks the tag."""
    sent = ciphered(b"\xc0\1", header=HEADER, keys=keys_of(1), suite=1, counter=1, control=control)
    parts = {
        name: getattr(HEADER, name)
        for name in ("transaction", "originator", "recipient", "date_time", "other")
    }
    parts[field] = parts[field][:-1] + b"\x55" if parts[field] else b"\x55"
    altered = GeneralCiphering(header=Header(**parts), content=sent.content)
    with pytest.raises(DecipheringFailed):
        altered.plain(keys_of(1))


@pytest.mark.parametrize("suite", [1, 2])
def test_agreed_keys_are_the_same_at_both_ends(suite: int) -> None:
    """One-pass and static: what the sender derives the recipient derives, and an unsigned key is refused."""
    static, ephemeral, signer = (signing_key(suite, seed) for seed in (3, 4, 5))
    key, told = one_pass_key(
        suite=suite,
        header=HEADER,
        ephemeral=ephemeral,
        signer=signer,
        recipient=VerifyingKey(static.public_octets),
    )
    assert len(key) == SUITES[suite].key_octets
    received = one_pass_key_received(
        told, suite=suite, header=HEADER, ours=static, signer=VerifyingKey(signer.public_octets)
    )
    assert key == received
    with pytest.raises(SignatureWrong):
        one_pass_key_received(
            told, suite=suite, header=HEADER, ours=static, signer=VerifyingKey(static.public_octets)
        )
    ours = static_key(suite=suite, header=HEADER, ours=static, theirs=VerifyingKey(signer.public_octets))
    theirs = static_key(suite=suite, header=HEADER, ours=signer, theirs=VerifyingKey(static.public_octets))
    assert ours == theirs != key


def test_general_signing_verifies_what_was_signed_and_nothing_else() -> None:
    """Header and content are under the signature."""
    key = signing_key(1)
    sent = signed(b"\xc4\1", header=HEADER, key=key)
    received = decode_signing(sent.encode())
    assert received == sent
    received.verify(VerifyingKey(key.public_octets))
    altered = signed(b"\xc4\2", header=HEADER, key=key).encode()[:-64] + sent.signature
    with pytest.raises(SignatureWrong):
        decode_signing(altered).verify(VerifyingKey(key.public_octets))


@given(st.sampled_from([b"\xdd", b"\xdf"]), st.binary(max_size=200))
def test_general_protection_any_octets_end_in_one_error_type(tag: bytes, rest: bytes) -> None:
    """Whatever comes, the decoders return or raise RemoteProtocolError."""
    decode = decode_ciphering if tag == b"\xdd" else decode_signing
    try:
        found = decode(tag + rest)
    except RemoteProtocolError:
        return
    assert decode(found.encode()) == found
