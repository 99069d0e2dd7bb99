"""InitiateRequest and InitiateResponse: what travels in the user-information of an AARQ and an AARE."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import axdr
from adapters.protocols.dlms.apdu_common import Cursor
from adapters.protocols.dlms.budget import Work
from adapters.protocols.dlms.enums import Conformance

DLMS_VERSION = 6
VAA_LN = 0x0007
"""vaa-name of a server that uses logical names; SN servers answer 0xFA00."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InitiateRequest:
    """What the client proposes. ``max_pdu`` is the longest APDU it can receive, in octets; 0 = no limit."""

    conformance: Conformance
    max_pdu: int
    dedicated_key: bytes | None = field(default=None, repr=False)
    response_allowed: bool = True
    quality_of_service: int | None = None
    version: int = DLMS_VERSION

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0x01,))
        if self.dedicated_key is None:
            out.append(0)
        else:
            out += b"\x01" + axdr.length_octets(len(self.dedicated_key)) + self.dedicated_key
        out += b"\x00" if self.response_allowed else b"\x01\x00"  # DEFAULT TRUE
        out += b"\x00" if self.quality_of_service is None else bytes((1, self.quality_of_service))
        out.append(self.version)
        return bytes(out) + _conformance_octets(self.conformance) + self.max_pdu.to_bytes(2, "big")


@dataclass(frozen=True, kw_only=True, slots=True)
class InitiateResponse:
    """What the server grants. ``max_pdu`` is the longest APDU it can receive, in octets; 0 = no limit."""

    conformance: Conformance
    max_pdu: int
    quality_of_service: int | None = None
    version: int = DLMS_VERSION
    vaa: int = VAA_LN

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0x08,))
        out += b"\x00" if self.quality_of_service is None else bytes((1, self.quality_of_service))
        out.append(self.version)
        out += _conformance_octets(self.conformance) + self.max_pdu.to_bytes(2, "big")
        return bytes(out) + self.vaa.to_bytes(2, "big")


def _conformance_octets(conformance: Conformance) -> bytes:
    # [APPLICATION 31] IMPLICIT BIT STRING (SIZE (24)), in BER within the A-XDR APDU
    return b"\x5f\x1f\x04\x00" + int(conformance).to_bytes(3, "big")


def _read_conformance(cursor: Cursor) -> Conformance:
    if cursor.u8("the conformance tag") != 0x5F:
        raise cursor.error("the conformance block does not start with 5F")
    # Meters of the first generation leave out the second octet of the tag.
    if cursor.buf[cursor.position : cursor.position + 1] == b"\x1f":
        cursor.position += 1
    if cursor.take(2, "the conformance block") != b"\x04\x00":
        raise cursor.error("the conformance block is not 24 bits long")
    return Conformance(int.from_bytes(cursor.take(3, "the conformance block"), "big"))


def decode_request(buf: bytes, work: Work) -> InitiateRequest:
    """Read an InitiateRequest. Raises RemoteProtocolError."""
    cursor = Cursor(buf, 1, work)
    dedicated_key = cursor.octets() if cursor.flag("dedicated-key") else None
    response_allowed = cursor.u8("response-allowed") != 0 if cursor.flag("response-allowed") else True
    quality = cursor.u8("quality of service") if cursor.flag("proposed-quality-of-service") else None
    version = cursor.u8("the DLMS version")
    conformance = _read_conformance(cursor)
    max_pdu = cursor.u16("client-max-receive-pdu-size")
    cursor.finish()
    return InitiateRequest(
        conformance=conformance,
        max_pdu=max_pdu,
        dedicated_key=dedicated_key,
        response_allowed=response_allowed,
        quality_of_service=quality,
        version=version,
    )


def decode_response(buf: bytes, work: Work) -> InitiateResponse:
    """Read an InitiateResponse. Raises RemoteProtocolError."""
    if not buf or buf[0] != 0x08:
        raise RemoteProtocolError("this is no InitiateResponse", data=buf)
    cursor = Cursor(buf, 1, work)
    quality = cursor.u8("quality of service") if cursor.flag("negotiated-quality-of-service") else None
    version = cursor.u8("the DLMS version")
    conformance = _read_conformance(cursor)
    max_pdu = cursor.u16("server-max-receive-pdu-size")
    vaa = cursor.u16("vaa-name")
    cursor.finish()
    return InitiateResponse(
        conformance=conformance, max_pdu=max_pdu, quality_of_service=quality, version=version, vaa=vaa
    )
