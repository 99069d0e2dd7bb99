"""General-ciphering and general-signing: protection that names sender and recipient and stands on its own.

    general-ciphering DD   header, [key information], security header + text + tag
    general-signing   DF   header, content, signature
    header                 transaction id, originator's title, recipient's title, date-time, other information

Every part is an octet string with its length; lengths and values of the header count towards tag and
signature. The key information says which key is used: one both sides have, one wrapped with the master key,
or one agreed on by Diffie-Hellman. It is not under the tag: a wrapped key carries its own check, an ephemeral
public key a signature. Green Book edition 8, 9.2.7.2.4.8 and 9.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.axdr import length_octets, read_octets
from adapters.protocols.dlms.enums import ApduTag
from adapters.protocols.dlms.key_agreement import GCM_ID, derived_key, shared_secret
from adapters.protocols.dlms.security import HEADER_OCTETS, SUITES, TITLE_OCTETS, Keys, SecurityControl
from adapters.protocols.dlms.signatures import SigningKey, VerifyingKey

ONE_PASS, STATIC_UNIFIED = b"\x01", b"\x02"
"""key-parameters of an agreed key: C(1e, 1s, ECC CDH) and C(0e, 2s, ECC CDH)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """Who protects what for whom. Titles have 8 octets; ``date_time`` 12, or none."""

    transaction: bytes = b""
    originator: bytes
    recipient: bytes
    date_time: bytes = b""
    other: bytes = b""

    def encode(self) -> bytes:
        """Return the five octet strings, each with its length."""
        parts = (self.transaction, self.originator, self.recipient, self.date_time, self.other)
        return b"".join(length_octets(len(part)) + part for part in parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentifiedKey:
    """A key both sides have: 0 the global unicast, 1 the global broadcast encryption key."""

    key_id: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class WrappedKey:
    """A key of this message's own, wrapped with the master key (``kek_id`` 0)."""

    kek_id: int = 0
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class AgreedKey:
    """How the key is agreed on; ``data`` is an ephemeral public key with its signature, or empty."""

    scheme: bytes
    data: bytes


KeyInformation = IdentifiedKey | WrappedKey | AgreedKey


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneralCiphering:
    """A general-ciphering APDU as it travels; ``content`` is security header, text and tag."""

    header: Header
    key: KeyInformation | None = None
    content: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the APDU."""
        content = length_octets(len(self.content)) + self.content
        return bytes((ApduTag.GENERAL_CIPHERING,)) + self.header.encode() + _key_octets(self.key) + content

    def plain(self, keys: Keys) -> tuple[bytes, int, int]:
        """Return plaintext, security control and invocation counter.

        The suite is the one the content names. Raises DecipheringFailed where the tag does not fit,
        RemoteProtocolError for a content that is none.
        """
        if len(self.content) < HEADER_OCTETS or self.content[0] & 0x0F not in SUITES:
            raise RemoteProtocolError("this is no content of a general-ciphering APDU", data=self.content)
        if self.content[0] & SecurityControl.BROADCAST_KEY:
            raise RemoteProtocolError("the key set bit has no place in general-ciphering", data=self.content)
        suite = SUITES[self.content[0] & 0x0F]
        if suite.key_octets != len(keys.encryption_key):
            raise RemoteProtocolError(f"suite {suite.number} goes with other keys", data=self.content)
        return suite(keys, self.header.encode()).unprotect(self.content, self.header.originator)


def ciphered(
    plain: bytes,
    *,
    header: Header,
    keys: Keys,
    suite: int,
    counter: int,
    control: int = SecurityControl.AUTHENTICATED_ENCRYPTED,
    key: KeyInformation | None = None,
) -> GeneralCiphering:
    """Return ``plain`` protected for the recipient of ``header``. Raises LocalProtocolError."""
    content = SUITES[suite](keys, header.encode()).protect(plain, header.originator, counter, control)
    return GeneralCiphering(header=header, key=key, content=content)


def decode_ciphering(octets: bytes) -> GeneralCiphering:
    """Return a general-ciphering APDU, nothing verified yet. Raises RemoteProtocolError."""
    header, position = _header(octets, ApduTag.GENERAL_CIPHERING)
    key, position = _key_information(octets, position)
    content, position = read_octets(octets, position)
    _ends(octets, position)
    return GeneralCiphering(header=header, key=key, content=content)


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneralSigning:
    """A general-signing APDU; the signature is over header and content, lengths included."""

    header: Header
    content: bytes = field(repr=False)
    signature: bytes

    def encode(self) -> bytes:
        """Return the APDU."""
        tail = length_octets(len(self.signature)) + self.signature
        return bytes((ApduTag.GENERAL_SIGNING,)) + _signed(self.header, self.content) + tail

    def verify(self, key: VerifyingKey) -> None:
        """Raise SignatureWrong unless the originator's ``key`` signed this."""
        key.verify(self.signature, _signed(self.header, self.content))


def signed(content: bytes, *, header: Header, key: SigningKey) -> GeneralSigning:
    """Return ``content`` signed by the originator of ``header``."""
    return GeneralSigning(header=header, content=content, signature=key.sign(_signed(header, content)))


def decode_signing(octets: bytes) -> GeneralSigning:
    """Return a general-signing APDU, its signature not yet verified. Raises RemoteProtocolError."""
    header, position = _header(octets, ApduTag.GENERAL_SIGNING)
    content, position = read_octets(octets, position)
    signature, position = read_octets(octets, position)
    _ends(octets, position)
    return GeneralSigning(header=header, content=content, signature=signature)


# --- agreed keys ------------------------------------------------------------------------------------------


def one_pass_key(
    *, suite: int, header: Header, ephemeral: SigningKey, signer: SigningKey, recipient: VerifyingKey
) -> tuple[bytes, AgreedKey]:
    """Return the encryption key of a message, and what tells the recipient how to come by it.

    ``ephemeral`` is a fresh key pair, ``signer`` the originator's signing key, ``recipient`` the static key
    agreement key of the recipient.
    """
    public = ephemeral.public_octets
    key = _derived(shared_secret(ephemeral, recipient), suite, header)
    return key, AgreedKey(scheme=ONE_PASS, data=public + signer.sign(public))


def one_pass_key_received(
    agreed: AgreedKey, *, suite: int, header: Header, ours: SigningKey, signer: VerifyingKey | None
) -> bytes:
    """Return the encryption key of a message we received; ``ours`` is our static key agreement key.

    Without a ``signer`` nobody's word for the ephemeral key is asked for, as none should do it.

    Raises SignatureWrong unless ``signer`` vouches for the ephemeral key, RemoteProtocolError for another
    scheme or a point that is none.
    """
    size = 2 * ours.curve.octets
    if agreed.scheme != ONE_PASS or len(agreed.data) != 2 * size:
        raise RemoteProtocolError("this is no key agreed on by one-pass Diffie-Hellman", data=agreed.data)
    public, signature = agreed.data[:size], agreed.data[size:]
    if signer is not None:
        signer.verify(signature, public)
    return _derived(shared_secret(ours, VerifyingKey(public)), suite, header)


def static_key(*, suite: int, header: Header, ours: SigningKey, theirs: VerifyingKey) -> bytes:
    """Return the encryption key two static key pairs agree on for one transaction id, which must be fresh."""
    if not header.transaction:
        raise LocalProtocolError("static keys need a transaction id: it is the nonce")
    nonce = length_octets(len(header.transaction)) + header.transaction
    return _derived(shared_secret(ours, theirs), suite, header, nonce)


def _derived(z: bytes, suite: int, header: Header, nonce: bytes = b"") -> bytes:
    if suite not in GCM_ID:
        raise LocalProtocolError(f"security suite {suite} has no key agreement")
    return derived_key(
        z,
        algorithm=GCM_ID[suite],
        originator=header.originator,
        recipient=header.recipient,
        transaction=nonce,
    )


# --- octets -----------------------------------------------------------------------------------------------


def _signed(header: Header, content: bytes) -> bytes:
    return header.encode() + length_octets(len(content)) + content


def _header(octets: bytes, tag: ApduTag) -> tuple[Header, int]:
    if octets[:1] != bytes((tag,)):
        raise RemoteProtocolError(f"this is no {tag.label} APDU", data=octets)
    parts, position = [], 1
    for _ in range(5):
        part, position = read_octets(octets, position)
        parts.append(part)
    transaction, originator, recipient, date_time, other = parts
    if len(originator) != TITLE_OCTETS or len(recipient) not in (0, TITLE_OCTETS):
        raise RemoteProtocolError(f"a {tag.label} APDU with a system title that is none", data=octets)
    header = Header(
        transaction=transaction, originator=originator, recipient=recipient, date_time=date_time, other=other
    )
    return header, position


def _key_octets(key: KeyInformation | None) -> bytes:
    match key:
        case None:
            return b"\x00"
        case IdentifiedKey():
            return bytes((1, 0, key.key_id))
        case WrappedKey():
            return bytes((1, 1, key.kek_id)) + length_octets(len(key.wrapped)) + key.wrapped
        case AgreedKey():
            parts = (key.scheme, key.data)
            return b"\x01\x02" + b"".join(length_octets(len(part)) + part for part in parts)


def _key_information(octets: bytes, position: int) -> tuple[KeyInformation | None, int]:
    present, position = _octet(octets, position)
    if present == 0:
        return None, position
    choice, position = _octet(octets, position)
    reader = _KEY_READERS.get(choice)
    if present != 1 or reader is None:
        raise RemoteProtocolError(f"{present:02X} {choice:02X} begins no key information", data=octets)
    return reader(octets, position)


def _identified(octets: bytes, position: int) -> tuple[KeyInformation, int]:
    key_id, position = _octet(octets, position)
    return IdentifiedKey(key_id=key_id), position


def _wrapped(octets: bytes, position: int) -> tuple[KeyInformation, int]:
    kek_id, position = _octet(octets, position)
    wrapped, position = read_octets(octets, position)
    return WrappedKey(kek_id=kek_id, wrapped=wrapped), position


def _agreed(octets: bytes, position: int) -> tuple[KeyInformation, int]:
    scheme, position = read_octets(octets, position)
    data, position = read_octets(octets, position)
    return AgreedKey(scheme=scheme, data=data), position


_KEY_READERS: dict[int, Callable[[bytes, int], tuple[KeyInformation, int]]] = {
    0: _identified,
    1: _wrapped,
    2: _agreed,
}


def _octet(octets: bytes, position: int) -> tuple[int, int]:
    if position >= len(octets):
        raise RemoteProtocolError("key information is cut short", data=octets)
    return octets[position], position + 1


def _ends(octets: bytes, position: int) -> None:
    if position != len(octets):
        raise RemoteProtocolError(f"{len(octets) - position} octets follow the APDU", data=octets)
