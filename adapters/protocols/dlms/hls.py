"""What the mechanisms of high-level security make of a challenge (Green Book 9.2.2.2.2, 9.2.7.4).

    2  manufacturer   AES-128(secret) over the challenge, ECB, zero padded: assumed, for the standard leaves
                      it open; public client libraries do the same
    3  MD5            MD5(challenge, secret)
    4  SHA-1          SHA-1(challenge, secret)
    5  GMAC           a matter of the security suite: see ``security``
    6  SHA-256        SHA-256(secret, prover's title, verifier's title, challenge, prover's own challenge)
    7  ECDSA          signature over (prover's title, verifier's title, challenge, prover's own challenge)

``challenge`` is the one the prover was given. MD5 and SHA-1 are weak; a meter that still speaks them has to
be tested all the same.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from adapters.errors import LocalProtocolError
from adapters.protocols.dlms.enums import MechanismId
from adapters.protocols.dlms.security import DecipheringFailed
from adapters.protocols.dlms.signatures import SignatureWrong, SigningKey, VerifyingKey

SECRET_MECHANISMS = frozenset(
    {MechanismId.HLS, MechanismId.HLS_MD5, MechanismId.HLS_SHA1, MechanismId.HLS_SHA256}
)
"""Mechanisms that prove the knowledge of an HLS secret."""

MECHANISMS = {
    "none": MechanismId.NONE,
    "lls": MechanismId.LLS,
    "hls-manufacturer": MechanismId.HLS,
    "hls-md5": MechanismId.HLS_MD5,
    "hls-sha1": MechanismId.HLS_SHA1,
    "hls-gmac": MechanismId.HLS_GMAC,
    "hls-sha256": MechanismId.HLS_SHA256,
    "hls-ecdsa": MechanismId.HLS_ECDSA,
    "pre-established": MechanismId.NONE,
}
"""The profile's words for what the protocol numbers."""
TITLED_MECHANISMS = frozenset({MechanismId.HLS_GMAC, MechanismId.HLS_SHA256, MechanismId.HLS_ECDSA})
"""Mechanisms whose proof depends on both system titles."""

_BLOCK = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """Who proves itself to whom, and with which challenges."""

    prover_title: bytes
    verifier_title: bytes
    challenge: bytes = field(repr=False)  # given to the prover
    own_challenge: bytes = field(repr=False)  # given by the prover

    @property
    def signed(self) -> bytes:
        """What mechanisms 6 and 7 vouch for, in the order of the standard."""
        return self.prover_title + self.verifier_title + self.challenge + self.own_challenge


@dataclass(frozen=True, kw_only=True, slots=True)
class HlsCredentials:
    """What one end proves itself with, and checks the other by. Secrets appear in no ``repr``."""

    secret: bytes = field(default=b"", repr=False)
    signing_key: SigningKey | None = None
    peer_key: VerifyingKey | None = None

    def suffices_for(self, mechanism: MechanismId) -> bool:
        """Return whether everything ``mechanism`` needs is here; GMAC needs nothing of it."""
        if mechanism in SECRET_MECHANISMS:
            return bool(self.secret)
        if mechanism is MechanismId.HLS_ECDSA:
            return self.signing_key is not None and self.peer_key is not None
        return True

    def prove(self, mechanism: MechanismId, exchange: Exchange) -> bytes:
        """Return the proof. Raises LocalProtocolError where the credentials lack what it takes."""
        if mechanism is MechanismId.HLS_ECDSA:
            if self.signing_key is None:
                raise LocalProtocolError("HLS by ECDSA needs a signing key")
            return self.signing_key.sign(exchange.signed)
        return self._digest(mechanism, exchange)

    def check(self, mechanism: MechanismId, proof: bytes, exchange: Exchange) -> None:
        """Raise DecipheringFailed unless ``proof`` is the right one."""
        if mechanism is MechanismId.HLS_ECDSA:
            if self.peer_key is None:
                raise LocalProtocolError("HLS by ECDSA needs the other side's public key")
            try:
                self.peer_key.verify(proof, exchange.signed)
            except SignatureWrong as wrong:
                raise DecipheringFailed("the signature does not fit the challenges", data=proof) from wrong
        elif not hmac.compare_digest(self._digest(mechanism, exchange), proof):
            raise DecipheringFailed(f"the proof of {mechanism.label} does not fit the challenge", data=proof)

    def _digest(self, mechanism: MechanismId, exchange: Exchange) -> bytes:
        if not self.secret:
            raise LocalProtocolError(f"{mechanism.label} needs an HLS secret")
        challenge = exchange.challenge
        match mechanism:
            case MechanismId.HLS:
                return _enciphered(self.secret, challenge)
            case MechanismId.HLS_MD5:
                return hashlib.md5(challenge + self.secret, usedforsecurity=False).digest()
            case MechanismId.HLS_SHA1:
                return hashlib.sha1(challenge + self.secret, usedforsecurity=False).digest()
            case MechanismId.HLS_SHA256:
                return hashlib.sha256(self.secret + exchange.signed).digest()
        raise LocalProtocolError(f"{mechanism.label} proves no HLS secret")


def _enciphered(secret: bytes, challenge: bytes) -> bytes:
    key = secret[:_BLOCK].ljust(_BLOCK, b"\0")
    padded = challenge.ljust(-(-len(challenge) // _BLOCK) * _BLOCK, b"\0")
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return cipher.update(padded) + cipher.finalize()
