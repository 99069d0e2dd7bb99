"""The container of a demo firmware image: a header, the payload and the vendor's signature. Assumed.

No public document shows how a vendor packs an image; the MCS301 manual (p. 114-117) says only that images
are signed with ECDSA on P-256. This layout is the virtual vendor's, documented so that anybody can build one:

    offset  octets  field
         0       4  "MBFW"
         4       1  layout, 1
         5       1  reserved, 0
         6       8  meter type, ASCII, padded with zeros
        14      16  firmware version, ASCII, padded with zeros
        30       4  size of the payload, most significant octet first
        34    size  payload
    34+size      64  signature: r and s, 32 octets each, ECDSA P-256 with SHA-256 over all octets before it
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from adapters.errors import RemoteProtocolError

MAGIC = b"MBFW"
SIGNATURE_OCTETS = 64
_LAYOUT = 1
_HEADER = struct.Struct(">4sBB8s16sI")
_SCALAR_OCTETS = SIGNATURE_OCTETS // 2


@dataclass(frozen=True, kw_only=True)
class FirmwareContainer:
    """One image, taken apart. ``payload`` and ``signature`` are empty where only the header was read."""

    meter_type: str
    version: str
    payload: bytes = field(repr=False)
    signature: bytes = field(default=b"", repr=False)

    @classmethod
    def from_octets(cls, octets: bytes) -> FirmwareContainer:
        """Return the image whose container is exactly ``octets``.

        Raises RemoteProtocolError where it is no container, or shorter or longer than its header says.
        """
        head, size = _header(octets)
        end = _HEADER.size + size
        if len(octets) != end + SIGNATURE_OCTETS:
            raise _wrong(
                octets,
                f"its header promises {end + SIGNATURE_OCTETS} octets, it has {len(octets)}",
            )
        return cls(
            meter_type=head.meter_type,
            version=head.version,
            payload=bytes(octets[_HEADER.size : end]),
            signature=bytes(octets[end:]),
        )

    @classmethod
    def header_of(cls, octets: bytes) -> FirmwareContainer:
        """Return what the header alone tells. Raises RemoteProtocolError where there is none."""
        return _header(octets)[0]

    @property
    def unsigned_octets(self) -> bytes:
        """The octets the signature is over."""
        return (
            _HEADER.pack(
                MAGIC,
                _LAYOUT,
                0,
                self.meter_type.encode("ascii"),
                self.version.encode("ascii"),
                len(self.payload),
            )
            + self.payload
        )

    @property
    def octets(self) -> bytes:
        """The container as a file holds it."""
        return self.unsigned_octets + self.signature

    def signed(self, key: ec.EllipticCurvePrivateKey) -> FirmwareContainer:
        """Return this image with the signature of ``key`` (a private key on P-256)."""
        r, s = utils.decode_dss_signature(key.sign(self.unsigned_octets, ec.ECDSA(hashes.SHA256())))
        raw = r.to_bytes(_SCALAR_OCTETS, "big") + s.to_bytes(_SCALAR_OCTETS, "big")
        return FirmwareContainer(
            meter_type=self.meter_type, version=self.version, payload=self.payload, signature=raw
        )

    def is_signed_by(self, key: ec.EllipticCurvePublicKey) -> bool:
        """Return whether the signature is that of ``key``."""
        if len(self.signature) != SIGNATURE_OCTETS:
            return False
        r, s = (int.from_bytes(self.signature[at : at + _SCALAR_OCTETS], "big") for at in (0, _SCALAR_OCTETS))
        try:
            key.verify(utils.encode_dss_signature(r, s), self.unsigned_octets, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def _header(octets: bytes) -> tuple[FirmwareContainer, int]:
    if len(octets) < _HEADER.size:
        raise _wrong(octets, f"{len(octets)} octets are no header")
    magic, layout, reserved, meter_type, version, size = _HEADER.unpack_from(octets)
    if magic != MAGIC or layout != _LAYOUT or reserved:
        raise _wrong(octets, "it does not begin with MBFW and layout 1")
    found = FirmwareContainer(
        meter_type=_text(octets, meter_type, "meter type"),
        version=_text(octets, version, "version"),
        payload=b"",
    )
    return found, size


def _text(octets: bytes, padded: bytes, what: str) -> str:
    bare = padded.rstrip(b"\0")
    if not bare or not bare.isascii() or not (text := bare.decode("ascii")).isprintable():
        raise _wrong(octets, f"its {what} is not a text: {padded.hex()}")
    return text


def _wrong(octets: bytes, why: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"not a firmware image: {why}", data=bytes(octets[:64]))
