"""Doing one thing wrong on purpose: the hooks negative tests use on an otherwise correct client.

A flaw that cannot show where it is asked for (a damaged tag without a tag) is a LocalProtocolError, so that
no negative test passes because nothing was spoiled.
"""

from __future__ import annotations

from adapters.errors import LocalProtocolError
from adapters.protocols.dlms.client_events import Spoil
from adapters.protocols.dlms.general_cipher import GeneralCipher, KeyWay
from adapters.protocols.dlms.secure_channel import SecureChannel
from adapters.protocols.dlms.security import SUITES, Keys, SecurityControl, Suite

CIPHERING_FLAWS = frozenset(
    {
        Spoil.WRONG_KEY,
        Spoil.DAMAGED_TAG,
        Spoil.REPLAYED_COUNTER,
        Spoil.LOWER_COUNTER,
        Spoil.UNCIPHERED,
        Spoil.OTHER_SUITE,
        Spoil.WEAKER_PROTECTION,
        Spoil.UNAUTHENTICATED,
        Spoil.FORGED_EPHEMERAL_KEY,
        Spoil.OTHER_RECIPIENT,
    }
)
"""Flaws of ciphered APDUs; the last two of those in general-ciphering."""


BLOCK_FLAWS = frozenset({Spoil.WRONG_BLOCK_NUMBER, Spoil.BLOCK_ABORT})
"""Flaws of a transfer in blocks, shown after its first block: the number of the next one is wrong, or another
request comes in between and the transfer is gone on with as if nothing had happened."""


def nothing_to_spoil(spoil: Spoil, where: str) -> LocalProtocolError:
    """Return the error for a flaw that has no effect ``where``."""
    return LocalProtocolError(f"the flaw {spoil.value} has nothing to spoil in {where}")


def wrong_secret(secret: bytes) -> bytes:
    """Return a password of the same length that is not ``secret``; one character differs."""
    if not secret:
        return b"\x31"
    return secret[:-1] + bytes((secret[-1] ^ 0x01,))


def longer_secret(secret: bytes) -> bytes:
    """Return a password that begins with ``secret`` and goes on: what a comparison that stops early takes."""
    return secret + b"1"


def wrong_keys(keys: Keys, control: int) -> Keys:
    """Return keys of which the one that vouches for an APDU differs in one bit.

    Where APDUs are authenticated that is the authentication key, so that a server that forgets to verify
    still understands what it should have refused.
    """

    def bent(key: bytes) -> bytes:
        return key[:-1] + bytes((key[-1] ^ 0x01,))

    if control & SecurityControl.AUTHENTICATED:
        return Keys(encryption_key=keys.encryption_key, authentication_key=bent(keys.authentication_key))
    return Keys(encryption_key=bent(keys.encryption_key), authentication_key=keys.authentication_key)


def flipped(apdu: bytes) -> bytes:
    """Return ``apdu`` with the lowest bit of its last octet flipped: the end of the tag."""
    return apdu[:-1] + bytes((apdu[-1] ^ 0x01,))


def old_counter(next_value: int, spoil: Spoil) -> int:
    """Return a counter that was used before ``next_value``: the last one, or the one before."""
    counter = next_value - (1 if spoil is Spoil.REPLAYED_COUNTER else 2)
    if counter < 0:
        raise LocalProtocolError(f"the flaw {spoil.value} needs counters that were used before")
    return counter


def protect_spoiled(
    channel: SecureChannel, keys: Keys, apdu: bytes, spoil: Spoil, general: bool | None = None
) -> bytes:
    """Return ``apdu`` as ``channel`` protects it, but with one ciphering flaw. Raises LocalProtocolError."""
    if spoil is Spoil.UNCIPHERED:
        return apdu
    if general is None and channel.ciphers(apdu):
        assert channel.cipher is not None
        return _spoiled_by_cipher(channel.cipher, keys, apdu, spoil)
    if spoil is Spoil.WRONG_KEY:
        wrong = SUITES[channel.suite.number](wrong_keys(keys, channel.control))
        return channel.protect(apdu, suite=wrong, general=general)
    if spoil is Spoil.DAMAGED_TAG:
        if not channel.control & SecurityControl.AUTHENTICATED:
            raise nothing_to_spoil(spoil, "an APDU without a tag")
        return flipped(channel.protect(apdu, general=general))
    if spoil is Spoil.OTHER_SUITE:
        return channel.protect(apdu, suite=_other_suite(channel, keys), general=general)
    if spoil in (Spoil.WEAKER_PROTECTION, Spoil.UNAUTHENTICATED):
        return channel.protect(apdu, general=general, control=_weaker(channel.control, spoil))
    if spoil in (Spoil.REPLAYED_COUNTER, Spoil.LOWER_COUNTER):
        counter = old_counter(channel.counter_for(apdu, general).next_value, spoil)
        return channel.protect(apdu, counter=counter, general=general)
    raise nothing_to_spoil(spoil, "a ciphered APDU")


def _spoiled_by_cipher(cipher: GeneralCipher, keys: Keys, apdu: bytes, spoil: Spoil) -> bytes:
    """Return ``apdu`` in general-ciphering with one flaw."""
    match spoil:
        case Spoil.WRONG_KEY:
            return cipher.protect(apdu, keys=wrong_keys(keys, cipher.control))
        case Spoil.DAMAGED_TAG if cipher.control & SecurityControl.AUTHENTICATED:
            return flipped(cipher.protect(apdu))
        case Spoil.WEAKER_PROTECTION | Spoil.UNAUTHENTICATED:
            return cipher.protect(apdu, control=_weaker(cipher.control, spoil))
        case Spoil.FORGED_EPHEMERAL_KEY:
            return cipher.protect(apdu, forged=True)
        case Spoil.OTHER_RECIPIENT:
            return cipher.protect(apdu, recipient=flipped(cipher.peer_title))
        case Spoil.REPLAYED_COUNTER | Spoil.LOWER_COUNTER if cipher.way is KeyWay.IDENTIFIED:
            return cipher.protect(apdu, counter=old_counter(cipher.send.next_value, spoil))
        case Spoil.REPLAYED_COUNTER:
            return cipher.protect(apdu, used=True)  # a key of its own has no counter: the key comes again
    raise nothing_to_spoil(spoil, "this message in general-ciphering")


def _other_suite(channel: SecureChannel, keys: Keys) -> Suite:
    """Return the suite beside the agreed one that uses the same AES: suite 0 for 1 and 1 for 0."""
    number = {0: 1, 1: 0}.get(channel.suite.number)
    if number is None:
        raise nothing_to_spoil(Spoil.OTHER_SUITE, "suite 2, whose keys fit no other suite")
    return SUITES[number](keys)


def _weaker(control: int, spoil: Spoil) -> int:
    """Return a protection that leaves out one half of what the association has agreed on."""
    if control & SecurityControl.AUTHENTICATED_ENCRYPTED != SecurityControl.AUTHENTICATED_ENCRYPTED:
        raise nothing_to_spoil(spoil, "an association that does not both authenticate and encrypt")
    if spoil is Spoil.UNAUTHENTICATED:
        return SecurityControl.ENCRYPTED
    return SecurityControl.AUTHENTICATED
