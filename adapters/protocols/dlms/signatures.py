"""ECDSA as security suites 1 and 2 use it: keys as bare octets, signatures as r and s side by side.

A private key is the scalar d, a public key the coordinates x and y, a signature r and s; each number has
32 octets on P-256 (suite 1, SHA-256) and 48 on P-384 (suite 2, SHA-384). Green Book 9.2.3.4.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from adapters.errors import LocalProtocolError, RemoteProtocolError


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """An elliptic curve with the hash that goes with it; ``octets`` is the length of one number."""

    name: str
    octets: int
    ec: ec.EllipticCurve
    hash: hashes.HashAlgorithm


P256 = Curve(name="P-256", octets=32, ec=ec.SECP256R1(), hash=hashes.SHA256())
P384 = Curve(name="P-384", octets=48, ec=ec.SECP384R1(), hash=hashes.SHA384())
CURVES: dict[int, Curve] = {1: P256, 2: P384}
"""Suite number to curve; suite 0 has none."""


class SignatureWrong(RemoteProtocolError):
    """A signature does not fit what was signed, or is none."""


def curve_of(octets: int) -> Curve:
    """Return the curve whose numbers have ``octets`` octets. Raises LocalProtocolError."""
    for curve in CURVES.values():
        if curve.octets == octets:
            return curve
    raise LocalProtocolError(f"no curve of the security suites has numbers of {octets} octets")


class SigningKey:
    """A private key. It never shows itself."""

    __slots__ = ("curve", "private")

    def __init__(self, octets: bytes) -> None:
        """Take the scalar d; its length tells the curve. Raises LocalProtocolError, without the octets."""
        self.curve = curve_of(len(octets))
        try:
            self.private = ec.derive_private_key(int.from_bytes(octets, "big"), self.curve.ec)
        except ValueError:
            raise LocalProtocolError(f"this is no private key on {self.curve.name}") from None

    @property
    def public_octets(self) -> bytes:
        """The public key as x and y."""
        return public_octets(self.private.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return r and s of a signature over ``message``, made without randomness (RFC 6979): runs repeat."""
        r, s = decode_dss_signature(
            self.private.sign(message, ec.ECDSA(self.curve.hash, deterministic_signing=True))
        )
        size = self.curve.octets
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def __repr__(self) -> str:
        return f"SigningKey({self.curve.name}, <key>)"


class VerifyingKey:
    """A public key."""

    __slots__ = ("curve", "octets", "public")

    def __init__(self, octets: bytes) -> None:
        """Take x and y; their length tells the curve. Raises RemoteProtocolError for no point of it."""
        self.octets = bytes(octets)
        self.curve = curve_of(len(octets) // 2)
        try:
            self.public = ec.EllipticCurvePublicKey.from_encoded_point(self.curve.ec, b"\x04" + self.octets)
        except ValueError:
            raise RemoteProtocolError(
                f"these octets are no point of {self.curve.name}", data=octets
            ) from None

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise SignatureWrong unless ``signature`` (r and s) is one of ``message`` under this key."""
        size = self.curve.octets
        if len(signature) != 2 * size:
            raise SignatureWrong(f"a signature on {self.curve.name} has {2 * size} octets", data=signature)
        r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
        try:
            self.public.verify(encode_dss_signature(r, s), message, ec.ECDSA(self.curve.hash))
        except InvalidSignature:
            raise SignatureWrong("the signature does not fit", data=signature) from None

    def __repr__(self) -> str:
        return f"VerifyingKey({self.curve.name}, {self.octets.hex()})"


def public_octets(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return x and y of a public key."""
    numbers = key.public_numbers()
    size = (key.curve.key_size + 7) // 8
    return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")
