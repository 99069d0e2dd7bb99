"""Signatures over security material: ECDSA on P-256 with SHA-256.

A signature travels as r and s, 32 octets each, big-endian (IEEE P1363), so that its length is fixed. It is
made deterministically (RFC 6979): the same material signed twice has the same octets, and runs repeat.
No key shows in a ``repr`` or an exception.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from adapters.errors import LocalProtocolError

SIGNATURE_OCTETS: Final = 64
PUBLIC_KEY_OCTETS: Final = 65  # uncompressed point: 04, x, y (SEC 1, 2.3.3)
_HALF = SIGNATURE_OCTETS // 2
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256, FIPS 186-5
_SIGN = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_VERIFY = ec.ECDSA(hashes.SHA256())


class PublicKey:
    """The key material is verified with."""

    __slots__ = ("_key",)

    def __init__(self, octets: bytes) -> None:
        """Take an uncompressed point. Raises LocalProtocolError where it is none of the curve's."""
        try:
            self._key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes(octets))
        except ValueError:
            raise LocalProtocolError(f"{len(octets)} octets are no public key on P-256") from None

    @property
    def octets(self) -> bytes:
        """Return the uncompressed point."""
        return self._key.public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    def verifies(self, signature: bytes, text: bytes) -> bool:
        """Tell whether ``signature`` is this key's over ``text``."""
        if len(signature) != SIGNATURE_OCTETS:
            return False
        r, s = int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
        try:
            self._key.verify(encode_dss_signature(r, s), text, _VERIFY)
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.octets == other.octets

    def __hash__(self) -> int:
        return hash(self.octets)

    def __repr__(self) -> str:
        return f"PublicKey({self.octets[1:5].hex()}...)"


class PrivateKey:
    """The key material is signed with. It has no way out and does not show."""

    __slots__ = ("_key",)

    def __init__(self, seed: bytes) -> None:
        """Make the key from at least 32 secret octets: the scalar is ``seed`` modulo (order - 1), plus 1."""
        if len(seed) < _HALF:
            raise LocalProtocolError(f"a private key is made from at least {_HALF} octets")
        scalar = int.from_bytes(seed, "big") % (_ORDER - 1) + 1
        self._key = ec.derive_private_key(scalar, ec.SECP256R1())

    @property
    def public_key(self) -> PublicKey:
        """Return the key that verifies what this one signs."""
        return PublicKey(
            self._key.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
        )

    def sign(self, text: bytes) -> bytes:
        """Return the signature over ``text``."""
        r, s = decode_dss_signature(self._key.sign(text, _SIGN))
        return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")

    def __repr__(self) -> str:
        return "PrivateKey(***)"

    def __reduce__(self) -> str:
        raise TypeError("a private key is not written to anything")
