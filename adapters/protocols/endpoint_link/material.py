"""Security material as octets: signed authorizations, secure commands, reading keys.

What the security manager (ISM) issues for an endpoint and the field tools carry to it. The real formats are
not public; these are **assumed**, made for the stand-in link, and pinned by vectors worked out by hand.
All numbers are big-endian; times are whole seconds since 1970-01-01T00:00:00Z.

    signed authorization (90 octets)          secure command (88 + n octets)
      0      version, 01                        0      version, 01
      1      kind, 01                           1      kind, 02
      2..5   issuer                             2..5   issuer
      6..9   endpoint                           6..9   endpoint
     10..17  number, unique at the issuer      10..17  number, unique at the issuer
     18..21  not valid after                   18..21  not valid after
     22..25  time-out of the session in s      22      command
     26..89  signature over 0..25              23      n, octets of parameters, at most 64
                                               24..    parameters
                                                       signature over all before it

    reading key (34 octets): version 01, kind 03, issuer, endpoint, number as above, then the AES-128 key.
    It is not signed: it never goes over the air, and what brings it to a field tool protects it.

Signed material opens doors to whoever holds it: signatures and keys show in no ``repr`` and no exception.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final, TypeAlias, TypeVar

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.endpoint_link.signing import SIGNATURE_OCTETS, PrivateKey, PublicKey
from adapters.protocols.endpoint_link.words import Command

VERSION: Final = 1
MIN_TIMEOUT_S: Final = 60
MAX_TIMEOUT_S: Final = 28_800
KEY_OCTETS: Final = 16
MAX_PARAMETER_OCTETS: Final = 64
MAX_ENDPOINT: Final = 0xFFFF_FFFF
LONGEST_MATERIAL_OCTETS: Final = 24 + MAX_PARAMETER_OCTETS + SIGNATURE_OCTETS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD_OCTETS = 18
_AUTHORIZATION_OCTETS = 26 + SIGNATURE_OCTETS
_READING_KEY_OCTETS = _HEAD_OCTETS + KEY_OCTETS


class Kind(IntEnum):
    """What a piece of material is."""

    AUTHORIZATION = 1
    COMMAND = 2
    READING_KEY = 3


@dataclass(frozen=True, kw_only=True)
class SignedAuthorization:
    """Opens a session with an endpoint for ``timeout_s`` seconds, once."""

    issuer: int
    endpoint: int
    number: int
    not_after: datetime
    timeout_s: int
    signature: bytes = field(default=b"", repr=False)

    @property
    def command(self) -> Command:
        """Return the command it authorizes."""
        return Command.OPEN_SESSION

    def signed_octets(self) -> bytes:
        """Return what the signature covers. Raises LocalProtocolError for values that have no octets."""
        if not MIN_TIMEOUT_S <= self.timeout_s <= MAX_TIMEOUT_S:
            raise LocalProtocolError(
                f"a session lasts {MIN_TIMEOUT_S} to {MAX_TIMEOUT_S} s, not {self.timeout_s} s"
            )
        return _head(Kind.AUTHORIZATION, self) + seconds_octets(self.not_after) + _u32(self.timeout_s)

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError while it is not signed."""
        return self.signed_octets() + _signature(self.signature)


@dataclass(frozen=True, kw_only=True)
class SecureCommand:
    """Makes an endpoint carry out one command, once."""

    issuer: int
    endpoint: int
    number: int
    not_after: datetime
    command: Command
    parameters: bytes = b""
    signature: bytes = field(default=b"", repr=False)

    def signed_octets(self) -> bytes:
        """Return what the signature covers. Raises LocalProtocolError for values that have no octets."""
        if len(self.parameters) > MAX_PARAMETER_OCTETS:
            raise LocalProtocolError(f"{len(self.parameters)} octets of parameters are too many")
        body = bytes((self.command, len(self.parameters))) + self.parameters
        return _head(Kind.COMMAND, self) + seconds_octets(self.not_after) + body

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError while it is not signed."""
        return self.signed_octets() + _signature(self.signature)


@dataclass(frozen=True, kw_only=True)
class ReadingKey:
    """Decodes the readings of one endpoint at full security."""

    issuer: int
    endpoint: int
    number: int
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != KEY_OCTETS:
            raise LocalProtocolError(f"a reading key has {KEY_OCTETS} octets, not {len(self.key)}")

    def encode(self) -> bytes:
        """Return the octets."""
        return _head(Kind.READING_KEY, self) + self.key


Signed: TypeAlias = SignedAuthorization | SecureCommand
Material: TypeAlias = SignedAuthorization | SecureCommand | ReadingKey
S = TypeVar("S", SignedAuthorization, SecureCommand)


def sign(material: S, key: PrivateKey) -> S:
    """Return ``material`` with its signature."""
    return replace(material, signature=key.sign(material.signed_octets()))


def verify(material: Signed, key: PublicKey) -> bool:
    """Tell whether the signature is that of the issuer who holds the private half of ``key``."""
    return key.verifies(material.signature, material.signed_octets())


def decode(octets: bytes) -> Material:
    """Return the material in ``octets``; whether its signature holds is for ``verify`` to say.

    Raises RemoteProtocolError, without the octets: they may be a key.
    """
    if len(octets) < _HEAD_OCTETS or octets[0] != VERSION:
        raise _no_material(octets, "it does not begin as material does")
    head = {
        "issuer": int.from_bytes(octets[2:6], "big"),
        "endpoint": int.from_bytes(octets[6:10], "big"),
        "number": int.from_bytes(octets[10:18], "big"),
    }
    match octets[1]:
        case Kind.AUTHORIZATION if len(octets) == _AUTHORIZATION_OCTETS:
            timeout_s = int.from_bytes(octets[22:26], "big")
            if not MIN_TIMEOUT_S <= timeout_s <= MAX_TIMEOUT_S:
                raise _no_material(octets, f"a time-out of {timeout_s} s")
            return SignedAuthorization(
                **head, not_after=time_of(octets[18:22]), timeout_s=timeout_s, signature=octets[26:]
            )
        case Kind.COMMAND if len(octets) > 24 and len(octets) == 24 + octets[23] + SIGNATURE_OCTETS:
            if octets[23] > MAX_PARAMETER_OCTETS:
                raise _no_material(octets, f"{octets[23]} octets of parameters")
            return SecureCommand(
                **head,
                not_after=time_of(octets[18:22]),
                command=Command.from_octet(octets[22]),
                parameters=octets[24:-SIGNATURE_OCTETS],
                signature=octets[-SIGNATURE_OCTETS:],
            )
        case Kind.READING_KEY if len(octets) == _READING_KEY_OCTETS:
            return ReadingKey(**head, key=octets[_HEAD_OCTETS:])
        case kind:
            raise _no_material(octets, f"kind {kind} is unknown, or has another length")


def seconds_octets(at: datetime) -> bytes:
    """Return a time as four octets, rounded down. Raises LocalProtocolError before 1970 and after 2106."""
    return _u32((at - _EPOCH) // timedelta(seconds=1))


def time_of(octets: bytes) -> datetime:
    """Return the time in four octets (aware, UTC)."""
    return _EPOCH + timedelta(seconds=int.from_bytes(octets, "big"))


def _head(kind: Kind, material: Material) -> bytes:
    if not 0 <= material.number < 1 << 64:
        raise LocalProtocolError(f"{material.number} is no number of eight octets")
    return (
        bytes((VERSION, kind))
        + _u32(material.issuer)
        + _u32(material.endpoint)
        + material.number.to_bytes(8, "big")
    )


def _u32(value: int) -> bytes:
    if not 0 <= value <= MAX_ENDPOINT:
        raise LocalProtocolError(f"{value} does not fit four octets")
    return value.to_bytes(4, "big")


def _signature(signature: bytes) -> bytes:
    if len(signature) != SIGNATURE_OCTETS:
        raise LocalProtocolError("this material is not signed")
    return signature


def _no_material(octets: bytes, why: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"{len(octets)} octets are no security material: {why}")
