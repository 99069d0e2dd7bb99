"""Unicast and broadcast keys: told apart by one bit, checked against the suite and against AES-GCM itself."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms import key_sets
from adapters.protocols.dlms.key_sets import BROADCAST_BIT, GlobalKeys, KeySet
from adapters.protocols.dlms.security import DecipheringFailed, Keys, SecurityMissing, SecuritySuite0

TITLE = bytes.fromhex("4D4D4D0000BC614E")
KEY = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
AUTHENTICATION = bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
OTHER = bytes(16)
SET = bytes.fromhex("C10101000100000001000200090141")
NOTIFICATION = bytes.fromhex("0F00000001000900")
controls = st.sampled_from([0x10, 0x20, 0x30])


def protected(apdu: bytes, control: int, counter: int = 7) -> bytes:
    return key_sets.protect(
        apdu, key=KEY, authentication_key=AUTHENTICATION, title=TITLE, counter=counter, control=control
    )


def uncovered(apdu: bytes, key: bytes = KEY, demanded: int = 0) -> bytes:
    return key_sets.uncover(
        key_sets.read_header(apdu), key=key, authentication_key=AUTHENTICATION, title=TITLE, demanded=demanded
    )


@pytest.mark.parametrize("control", [0x10, 0x20, 0x30])
def test_unicast_is_what_the_security_suite_makes(control: int) -> None:
    """Without the key bit the octets are those of ordinary global ciphering, whose vectors are others'."""
    suite = SecuritySuite0(Keys(encryption_key=KEY, authentication_key=AUTHENTICATION))
    body = suite.protect(SET, TITLE, 7, control)
    assert bytes((0xC9, len(body))) + body == protected(SET, control)


def test_broadcast_bit_is_part_of_what_is_authenticated() -> None:
    """The whole control octet goes into the additional data (Green Book 9.2.7.2)."""
    made = protected(SET, 0x30 | BROADCAST_BIT)
    sealed = AESGCM(KEY).encrypt(TITLE + bytes(3) + b"\x07", SET, b"\x70" + AUTHENTICATION)
    assert made == bytes.fromhex("C9 20 70 00000007") + sealed[:-4]
    assert made[2] == 0x70
    flipped = made[:2] + b"\x30" + made[3:]
    with pytest.raises(DecipheringFailed):
        uncovered(flipped)


@given(st.sampled_from([SET, NOTIFICATION]), controls, st.booleans(), st.integers(0, 0xFFFFFFFF))
def test_protected_apdu_is_uncovered_again(apdu: bytes, control: int, broadcast: bool, counter: int) -> None:
    """Service-specific or general, with any protection and either key bit."""
    made = protected(apdu, control | (BROADCAST_BIT if broadcast else 0), counter)
    header = key_sets.read_header(made)
    assert (KeySet.BROADCAST if broadcast else KeySet.UNICAST, counter) == (header.key_set, header.counter)
    assert (TITLE if apdu is NOTIFICATION else b"") == header.system_title
    assert apdu == uncovered(made)


def test_wrong_key_does_not_uncover() -> None:
    """A tag tells."""
    with pytest.raises(DecipheringFailed):
        uncovered(protected(SET, 0x70), key=OTHER)


def test_less_protection_than_demanded_is_refused() -> None:
    """Authentication alone is not enough where the policy asks for both."""
    with pytest.raises(SecurityMissing):
        uncovered(protected(SET, 0x10), demanded=0x30)


@pytest.mark.parametrize("control", [0x00, 0x40, 0x31, 0xB0])
def test_control_octet_not_built_is_a_local_error(control: int) -> None:
    """Nothing protected, another suite, compression."""
    with pytest.raises(LocalProtocolError):
        protected(SET, control)


@given(st.binary(max_size=120))
def test_any_octets_are_uncovered_or_a_protocol_error(octets: bytes) -> None:
    """One type of error for all that comes."""
    for head in (b"", b"\xc9", b"\xdb\x08" + TITLE):
        with contextlib.suppress(RemoteProtocolError):
            uncovered(head + octets)


def test_keys_do_not_show() -> None:
    """Not in a repr."""
    keys = GlobalKeys(unicast=KEY, broadcast=OTHER, authentication=AUTHENTICATION)
    assert KEY.hex() not in repr(keys)
    assert (keys.of(KeySet.UNICAST), keys.of(KeySet.BROADCAST)) == (KEY, OTHER)
    with pytest.raises(LocalProtocolError):
        GlobalKeys(unicast=b"", broadcast=OTHER, authentication=AUTHENTICATION)
