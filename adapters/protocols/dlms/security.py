"""Security suites 0, 1 and 2: AES in Galois/Counter mode, as DLMS wraps APDUs and proves identities with it.

Suites 0 and 1 use AES-128, suite 2 AES-256; the number of the suite stands in the low bits of the security
control octet. What suites 1 and 2 add (ECDSA, key agreement) is in ``signatures`` and ``key_agreement``.

What travels (Green Book 9.2.7.2)::

    security header   security control octet, invocation counter (4 octets)
    text              ciphertext; plaintext where only authentication is applied
    tag               the first 12 octets of the GCM tag; absent where only encryption is applied

    nonce             system title of the sender (8 octets), invocation counter
    AAD               control octet + authentication key [+ plaintext, where it is not encrypted]

A plaintext leaves this module only after its tag was verified. Keys appear in no ``repr`` and in no error
message.
"""

from __future__ import annotations

import hmac
from copy import copy
from dataclasses import dataclass, field
from enum import IntFlag
from typing import ClassVar, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.errors import LocalProtocolError, RemoteProtocolError

TITLE_OCTETS = 8
TAG_OCTETS = 12
HEADER_OCTETS = 5
COUNTER_LIMIT = 0xFFFF_FFFF


class SecurityControl(IntFlag):
    """The security control octet; its low four bits are the suite."""

    NONE = 0
    AUTHENTICATED = 0x10
    ENCRYPTED = 0x20
    AUTHENTICATED_ENCRYPTED = 0x30
    BROADCAST_KEY = 0x40
    COMPRESSED = 0x80


_A, _E, _AE = 0x10, 0x20, 0x30


class DecipheringFailed(RemoteProtocolError):
    """A tag does not fit: another key, another sender, or altered octets."""


class CounterReplayed(RemoteProtocolError):
    """An invocation counter is not above the last one. ``expected`` is the lowest acceptable value."""

    def __init__(self, received: int, expected: int) -> None:
        super().__init__(f"invocation counter {received} where at least {expected} is expected")
        self.received, self.expected = received, expected


class SecurityMissing(RemoteProtocolError):
    """An APDU is less protected than its association demands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """Encryption and authentication key: 16 octets each, 32 in suite 2. Neither ever shows in a ``repr``."""

    encryption_key: bytes = field(repr=False)
    authentication_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        lengths = len(self.encryption_key), len(self.authentication_key)
        if lengths not in ((16, 16), (32, 32)):
            raise LocalProtocolError(
                f"the keys of a suite have 16 octets each (suite 2: 32), not {lengths[0]} and {lengths[1]}"
            )


class Suite(Protocol):
    """What an association needs of a security suite."""

    @property
    def number(self) -> int:
        """0, 1 or 2."""
        ...

    @property
    def key_octets(self) -> int:
        """The length of both keys."""
        ...

    def protect(self, plain: bytes, title: bytes, counter: int, control: int = _AE) -> bytes:
        """Return security header, text and tag."""
        ...

    def unprotect(self, body: bytes, title: bytes) -> tuple[bytes, int, int]:
        """Return plaintext, security control and invocation counter of a verified ``body``."""
        ...

    def prove(self, challenge: bytes, title: bytes, counter: int) -> bytes:
        """Return f(challenge) of HLS mechanism 5."""
        ...

    def check_proof(self, proof: bytes, challenge: bytes, title: bytes) -> int:
        """Return the invocation counter of a verified f(challenge)."""
        ...

    def vouching_for(self, beside: bytes) -> Suite:
        """Return the suite with the same keys, its tags vouching for ``beside`` as well."""
        ...


class SecuritySuite0:
    """AES-GCM-128. Holds an expanded key, so keep it as long as the association lives.

    ``beside`` is what the tag vouches for besides (the header of general-ciphering). Raises
    LocalProtocolError where the keys have another length than the suite's.
    """

    number: ClassVar[int] = 0
    key_octets: ClassVar[int] = 16
    __slots__ = ("_aad_a", "_aad_ae", "_control_a", "_control_ae", "_control_e", "_gcm")

    def __init__(self, keys: Keys, beside: bytes = b"") -> None:
        if len(keys.encryption_key) != self.key_octets:
            raise LocalProtocolError(
                f"the keys of security suite {self.number} have {self.key_octets} octets each"
            )
        self._gcm = AESGCM(keys.encryption_key)
        self._control_a, self._control_e, self._control_ae = (
            bytes((control | self.number,)) for control in (_A, _E, _AE)
        )
        self._aad_a = self._control_a + keys.authentication_key + beside
        self._aad_ae = self._control_ae + keys.authentication_key + beside

    def protect(self, plain: bytes, title: bytes, counter: int, control: int = _AE) -> bytes:
        """Return security header, text and tag for ``plain`` sent by ``title`` (8 octets).

        Raises LocalProtocolError for a control octet or a title this suite has not.
        """
        count = _counter_octets(counter)
        nonce = _nonce(title, count)
        if control == _AE:
            # The 16-octet tag comes last; DLMS sends its first 12 octets.
            return self._control_ae + count + self._gcm.encrypt(nonce, plain, self._aad_ae)[:-4]
        if control == _A:
            tag = self._gcm.encrypt(nonce, b"", self._aad_a + plain)[:TAG_OCTETS]
            return self._control_a + count + plain + tag
        if control == _E:
            return self._control_e + count + self._gcm.encrypt(nonce, plain, None)[:-16]
        raise LocalProtocolError(f"security control {control:02X} is not built")

    def unprotect(self, body: bytes, title: bytes) -> tuple[bytes, int, int]:
        """Return plaintext, security control and invocation counter of ``body`` sent by ``title``.

        Raises DecipheringFailed where the tag does not fit, RemoteProtocolError for a malformed body. With
        encryption alone there is no tag: such a text is returned as it deciphers.
        """
        if len(body) < HEADER_OCTETS:
            raise RemoteProtocolError("a ciphered APDU without a whole security header", data=body)
        if len(title) != TITLE_OCTETS:
            raise RemoteProtocolError("a ciphered APDU from a sender without a system title", data=body)
        control = body[0] ^ self.number
        nonce = title + body[1:HEADER_OCTETS]
        if control == _AE:
            text = body[HEADER_OCTETS:-TAG_OCTETS]
            # Counter mode is its own inverse: enciphering the ciphertext uncovers the plaintext, and
            # enciphering that again gives the tag to compare. Two calls of the reusable context take a
            # quarter of the time of a Cipher object that verifies short tags.
            plain = self._gcm.encrypt(nonce, text, None)[:-16]
            tag = self._gcm.encrypt(nonce, plain, self._aad_ae)[-16:-4]
        elif control == _A:
            plain = body[HEADER_OCTETS:-TAG_OCTETS]
            tag = self._gcm.encrypt(nonce, b"", self._aad_a + plain)[:TAG_OCTETS]
        elif control == _E:
            plain = self._gcm.encrypt(nonce, body[HEADER_OCTETS:], None)[:-16]
            return plain, body[0], int.from_bytes(body[1:HEADER_OCTETS], "big")
        elif control & 0x0F:
            raise RemoteProtocolError(
                f"security suite {body[0] & 0x0F} in a suite {self.number} association", data=body
            )
        else:
            raise SecurityMissing(
                f"security control {body[0]:02X} is not built or protects nothing", data=body
            )
        if len(body) < HEADER_OCTETS + TAG_OCTETS or not hmac.compare_digest(tag, body[-TAG_OCTETS:]):
            raise DecipheringFailed("the authentication tag does not fit", data=body)
        return plain, body[0], int.from_bytes(body[1:HEADER_OCTETS], "big")

    def prove(self, challenge: bytes, title: bytes, counter: int) -> bytes:
        """Return f(challenge): security control, invocation counter and GMAC, 17 octets."""
        count = _counter_octets(counter)
        tag = self._gcm.encrypt(_nonce(title, count), b"", self._aad_a + challenge)[:TAG_OCTETS]
        return self._control_a + count + tag

    def check_proof(self, proof: bytes, challenge: bytes, title: bytes) -> int:
        """Return the invocation counter of ``proof`` made by ``title``. Raises DecipheringFailed."""
        if (
            len(proof) != HEADER_OCTETS + TAG_OCTETS
            or proof[0] != _A | self.number
            or len(title) != TITLE_OCTETS
        ):
            raise DecipheringFailed(f"this is no GMAC of security suite {self.number}", data=proof)
        counter = int.from_bytes(proof[1:HEADER_OCTETS], "big")
        if not hmac.compare_digest(self.prove(challenge, title, counter), proof):
            raise DecipheringFailed("the GMAC does not fit the challenge", data=proof)
        return counter

    def vouching_for(self, beside: bytes) -> SecuritySuite0:
        """Return the suite with the same keys, its tags vouching for ``beside`` as well."""
        other = copy(self)
        other._aad_a, other._aad_ae = self._aad_a + beside, self._aad_ae + beside
        return other

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<keys>)"


class SecuritySuite1(SecuritySuite0):
    """AES-GCM-128; beside it ECDSA, ECDH on P-256 and SHA-256."""

    number: ClassVar[int] = 1
    __slots__ = ()


class SecuritySuite2(SecuritySuite0):
    """AES-GCM-256; beside it ECDSA, ECDH on P-384 and SHA-384."""

    number: ClassVar[int] = 2
    key_octets: ClassVar[int] = 32
    __slots__ = ()


SUITES: dict[int, type[SecuritySuite0]] = {0: SecuritySuite0, 1: SecuritySuite1, 2: SecuritySuite2}
"""Suite number to class."""


def _nonce(title: bytes, count: bytes) -> bytes:
    if len(title) != TITLE_OCTETS:
        raise LocalProtocolError(f"a system title has {TITLE_OCTETS} octets, not {len(title)}")
    return title + count


def _counter_octets(counter: int) -> bytes:
    if not 0 <= counter <= COUNTER_LIMIT:
        raise LocalProtocolError(f"invocation counter {counter} does not fit 32 bits")
    return counter.to_bytes(4, "big")


def secrets_match(ours: bytes, theirs: bytes) -> bool:
    """Compare two secrets (LLS passwords) without telling by the time where they differ."""
    return hmac.compare_digest(ours, theirs)


class InvocationCounter:
    """The counter of what we send under one key; never goes back, ends rather than wraps."""

    __slots__ = ("next_value",)

    def __init__(self, next_value: int = 0) -> None:
        self.next_value = next_value

    def take(self) -> int:
        """Return the value to send now. Raises LocalProtocolError when a new key is due."""
        value = self.next_value
        if value > COUNTER_LIMIT:
            raise LocalProtocolError("the invocation counter is exhausted: a new key is needed")
        self.next_value = value + 1
        return value

    def __repr__(self) -> str:
        return f"InvocationCounter(next_value={self.next_value})"


class CounterWindow:
    """The lowest counter we still accept from a peer; the first one may be 0."""

    __slots__ = ("expected",)

    def __init__(self, minimum: int = 0) -> None:
        self.expected = minimum

    def check(self, counter: int) -> None:
        """Raise CounterReplayed unless ``counter`` is fresh; nothing moves."""
        if counter < self.expected:
            raise CounterReplayed(counter, self.expected)

    def accept(self, counter: int) -> None:
        """Take note of a counter whose APDU was verified."""
        if counter >= self.expected:
            self.expected = counter + 1

    def __repr__(self) -> str:
        return f"CounterWindow(expected={self.expected})"
