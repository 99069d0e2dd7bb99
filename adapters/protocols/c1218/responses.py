"""The responses of C12.18 as values. Which one a device may send depends on the request."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from adapters.errors import LocalProtocolError
from adapters.protocols.c1218.codes import BAUD_CODES, ResponseCode

MAX_DATA_OCTETS = 0xFFFF
_NEGOTIATED = struct.Struct(">BHBB")


def checksum(data: bytes) -> int:
    """Return the two's complement of the sum of ``data``: what follows table data in both directions."""
    return -sum(data) & 0xFF


def counted(data: bytes) -> bytes:
    """Return table data as services carry it: count, octets, checksum. Raises LocalProtocolError."""
    octets = len(data)
    if octets > MAX_DATA_OCTETS:
        raise LocalProtocolError(f"{octets} octets of table data; a service carries {MAX_DATA_OCTETS}")
    return b"%b%b%c" % (octets.to_bytes(2, "big"), data, -sum(data) & 0xFF)


def packed(layout: struct.Struct, what: str, *values: int) -> bytes:
    """Return ``values`` as octets. Raises LocalProtocolError when one does not fit."""
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise LocalProtocolError(f"{what}: {error}") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ok:
    """Done, and nothing else to say."""

    code: ClassVar[ResponseCode] = ResponseCode.OK

    def encode(self) -> bytes:
        """Return the octets."""
        return b"\x00"


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorResponse:
    """The device says no, and why."""

    code: ResponseCode

    def encode(self) -> bytes:
        """Return the octets."""
        return bytes((self.code,))


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentifyResponse:
    """What the device speaks. ``standard``: 0 C12.18, 2 C12.21, 3 C12.22.

    ``features`` are the octets of the feature list without the 0x00 that ends it (or should).
    """

    code: ClassVar[ResponseCode] = ResponseCode.OK
    standard: int = 0
    version: int = 1
    revision: int = 0
    features: bytes = b""

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError."""
        return packed(_IDENTIFIED, "identification", 0, self.standard, self.version, self.revision) + (
            self.features + b"\x00"
        )


_IDENTIFIED = struct.Struct(">BBBB")


@dataclass(frozen=True, kw_only=True, slots=True)
class TableData:
    """The octets of a table, or of the part that was asked for."""

    code: ClassVar[ResponseCode] = ResponseCode.OK
    data: bytes

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError beyond 65535 octets of data."""
        return b"\x00" + counted(self.data)


@dataclass(frozen=True, kw_only=True, slots=True)
class NegotiateResponse:
    """What holds from here on: octets a packet (header and checksum included), packets a message, speed.

    ``baud`` 0 leaves the speed of the line as it is.
    """

    code: ClassVar[ResponseCode] = ResponseCode.OK
    packet_octets: int
    packets: int
    baud: int = 0

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError, also for a speed that has no code."""
        if self.baud not in BAUD_CODES:
            raise LocalProtocolError(f"no code for {self.baud} baud")
        return packed(
            _NEGOTIATED, "negotiated values", 0, self.packet_octets, self.packets, BAUD_CODES[self.baud]
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TimingSetupResponse:
    """The time-outs that hold from here on, in whole seconds (C12.21)."""

    code: ClassVar[ResponseCode] = ResponseCode.OK
    channel_s: int
    inter_character_s: int
    response_s: int
    retries: int

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError."""
        values = self.channel_s, self.inter_character_s, self.response_s, self.retries
        return packed(_TIMING, "time-outs", 0, *values)


_TIMING = struct.Struct(">BBBBB")


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthenticateResponse:
    """The device's half of a C12.21 authentication, carried as it is. ``token`` never shows in text."""

    code: ClassVar[ResponseCode] = ResponseCode.OK
    token: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError beyond 255 octets."""
        return b"\x00" + token_octets(self.token)


@dataclass(frozen=True, kw_only=True, slots=True)
class RawResponse:
    """Octets as they are: the answer to a ``RawRequest``, or whatever a test wants a device to say."""

    octets: bytes

    @property
    def code(self) -> ResponseCode:
        """Return the response code; ERR where the octets have none."""
        try:
            return ResponseCode(self.octets[0])
        except (IndexError, ValueError):
            return ResponseCode.ERR

    def encode(self) -> bytes:
        """Return the octets."""
        return self.octets


Response: TypeAlias = (
    Ok
    | ErrorResponse
    | IdentifyResponse
    | TableData
    | NegotiateResponse
    | TimingSetupResponse
    | AuthenticateResponse
    | RawResponse
)
"""Any response; each has ``code`` and ``encode()``."""


def token_octets(token: bytes) -> bytes:
    """Return an authentication token with its length in front. Raises LocalProtocolError."""
    if len(token) > 255:
        raise LocalProtocolError(f"an authentication token of {len(token)} octets; at most 255 fit")
    return bytes((len(token),)) + token
