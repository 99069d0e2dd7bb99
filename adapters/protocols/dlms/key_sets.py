"""APDUs protected with one of two global keys, told apart by the security control octet: unicast, broadcast.

Bit 0x40 of the octet says that the broadcast key was used (Green Book 9.2.7.2.2, table of the security
control byte). It is what a channel without associations needs: a message says for itself which key it is
under, and from whom where nobody has introduced himself. Requests carry their service-specific global tag;
what has none (a data notification) goes as general-glo-ciphering, with the system title of its sender.

Suite 0 only. The key of the authentication is the same for both sets, as in suite 0 it is no part of them.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.axdr import length_octets, read_octets
from adapters.protocols.dlms.enums import ApduTag
from adapters.protocols.dlms.secure_channel import GLOBAL_TAG
from adapters.protocols.dlms.security import (
    COUNTER_LIMIT,
    HEADER_OCTETS,
    TAG_OCTETS,
    TITLE_OCTETS,
    DecipheringFailed,
    SecurityMissing,
)

BROADCAST_BIT = 0x40
_AUTHENTICATED, _ENCRYPTED = 0x10, 0x20
_GENERAL = ApduTag.GENERAL_GLO_CIPHERING.value
_PLAIN_OF = {ciphered: plain for plain, ciphered in GLOBAL_TAG.items()}
_CLAUSE = "Green Book 9.2.7.2"


class KeySet(StrEnum):
    """Which global encryption key."""

    UNICAST = "unicast"
    BROADCAST = "broadcast"


@dataclass(frozen=True, kw_only=True, slots=True)
class GlobalKeys:
    """The global keys of a device, 16 octets each. None ever shows in a ``repr``."""

    unicast: bytes = field(repr=False)
    broadcast: bytes = field(repr=False)
    authentication: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if {len(self.unicast), len(self.broadcast), len(self.authentication)} != {16}:
            raise LocalProtocolError("the global keys of security suite 0 have 16 octets each")

    def of(self, key_set: KeySet) -> bytes:
        """Return the encryption key of a set."""
        return self.unicast if key_set is KeySet.UNICAST else self.broadcast


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What a protected APDU says about itself before any key is used."""

    tag: int
    system_title: bytes  # empty where the tag carries none
    control: int
    counter: int
    body: bytes = field(repr=False)  # with the security header

    @property
    def key_set(self) -> KeySet:
        """The set it claims to be protected with."""
        return KeySet.BROADCAST if self.control & BROADCAST_BIT else KeySet.UNICAST


def is_protected(apdu: bytes) -> bool:
    """Return whether an APDU is ciphered with a global key, by its tag."""
    return apdu[:1] != b"" and (apdu[0] == _GENERAL or apdu[0] in _PLAIN_OF)


def protect(
    apdu: bytes, *, key: bytes, authentication_key: bytes, title: bytes, counter: int, control: int
) -> bytes:
    """Return ``apdu`` of ``title`` (8 octets) under ``key``; ``control`` is the octet with the key bit.

    Raises LocalProtocolError for a control octet that protects nothing or names another suite.
    """
    if control & 0x8F or not control & (_AUTHENTICATED | _ENCRYPTED):
        raise LocalProtocolError(f"security control {control:02X} is not built here", clause=_CLAUSE)
    if len(title) != TITLE_OCTETS or not 0 <= counter <= COUNTER_LIMIT:
        raise LocalProtocolError("a title has 8 octets and a counter 32 bits", clause=_CLAUSE)
    header = bytes((control,)) + counter.to_bytes(4, "big")
    body = header + _applied(apdu, key, authentication_key, title + header[1:], control)
    tag = GLOBAL_TAG.get(apdu[0])
    if tag is None:
        return bytes((_GENERAL, TITLE_OCTETS)) + title + length_octets(len(body)) + body
    return bytes((tag,)) + length_octets(len(body)) + body


def read_header(apdu: bytes) -> Header:
    """Return what a protected APDU says about itself. Raises RemoteProtocolError for a malformed one."""
    if not is_protected(apdu):
        raise RemoteProtocolError("no tag of global ciphering", data=apdu, clause=_CLAUSE)
    title, position = b"", 1
    if apdu[0] == _GENERAL:
        title, position = read_octets(apdu, 1)
        if len(title) not in (0, TITLE_OCTETS):
            raise RemoteProtocolError(f"a system title of {len(title)} octets", data=apdu, clause=_CLAUSE)
    body, end = read_octets(apdu, position)
    if end != len(apdu) or len(body) < HEADER_OCTETS:
        raise RemoteProtocolError("a ciphered APDU of the wrong length", data=apdu, clause=_CLAUSE)
    return Header(
        tag=apdu[0],
        system_title=title,
        control=body[0],
        counter=int.from_bytes(body[1:HEADER_OCTETS], "big"),
        body=body,
    )


def uncover(header: Header, *, key: bytes, authentication_key: bytes, title: bytes, demanded: int) -> bytes:
    """Return the APDU of ``title`` after its tag was verified; counters are the caller's business.

    ``demanded`` are the bits of authentication and encryption it must have. Raises DecipheringFailed,
    SecurityMissing, RemoteProtocolError.
    """
    control = header.control
    if control & 0x8F:
        raise RemoteProtocolError(f"security control {control:02X} is not built here", data=header.body)
    if control & demanded & 0x30 != demanded & 0x30 or not control & 0x30:
        raise SecurityMissing(
            f"security control {control:02X} where {demanded:02X} is demanded", data=header.body
        )
    title = header.system_title or title
    if len(title) != TITLE_OCTETS:
        raise RemoteProtocolError("a ciphered APDU from a sender without a system title", data=header.body)
    nonce = title + header.body[1:HEADER_OCTETS]
    text = header.body[HEADER_OCTETS:]
    if control & _AUTHENTICATED:
        text, tag = text[:-TAG_OCTETS], text[-TAG_OCTETS:]
        # Counter mode is its own inverse: enciphering the ciphertext uncovers the plaintext.
        plain = AESGCM(key).encrypt(nonce, text, None)[: len(text)] if control & _ENCRYPTED else text
        again = _applied(plain, key, authentication_key, nonce, control)
        if len(tag) < TAG_OCTETS or not hmac.compare_digest(again[-TAG_OCTETS:], tag):
            raise DecipheringFailed("the authentication tag does not fit", data=header.body)
    else:
        plain = AESGCM(key).encrypt(nonce, text, None)[: len(text)]
    inner = _PLAIN_OF.get(header.tag)
    if not plain or (inner is not None and plain[0] != inner):
        raise RemoteProtocolError("the tag and the APDU inside do not belong together", data=header.body)
    return plain


def _applied(plain: bytes, key: bytes, authentication_key: bytes, nonce: bytes, control: int) -> bytes:
    """Return the text and the tag as ``control`` has them."""
    aad = bytes((control,)) + authentication_key
    if not control & _ENCRYPTED:
        return plain + AESGCM(key).encrypt(nonce, b"", aad + plain)[:TAG_OCTETS]
    if not control & _AUTHENTICATED:
        return AESGCM(key).encrypt(nonce, plain, None)[: len(plain)]
    return AESGCM(key).encrypt(nonce, plain, aad)[: len(plain) + TAG_OCTETS]
