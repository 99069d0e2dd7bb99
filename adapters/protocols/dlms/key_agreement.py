"""Key agreement of suites 1 and 2: ECDH and the concatenation KDF (NIST SP 800-56A; Green Book 9.2.3.4.6).

    ephemeral unified model    C(2e, 0s)   Z = ECDH(ephemeral, ephemeral); for new global keys
    one-pass Diffie-Hellman    C(1e, 1s)   Z = ECDH(ephemeral of the sender, static of the recipient)
    static unified model       C(0e, 2s)   Z = ECDH(static, static), the nonce is the transaction id

The key is the first half of one hash (SHA-256 or SHA-384 by suite) over counter, Z and the other information:
algorithm id, originator's system title, recipient's system title; with static keys the transaction id goes
behind the originator's title.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

from adapters.errors import LocalProtocolError
from adapters.protocols.dlms.signatures import SigningKey, VerifyingKey

AES_GCM_128 = bytes.fromhex("60857405080300")
AES_GCM_256 = bytes.fromhex("60857405080301")
AES_WRAP_128 = bytes.fromhex("60857405080302")
AES_WRAP_256 = bytes.fromhex("60857405080303")
GCM_ID = {1: AES_GCM_128, 2: AES_GCM_256}
WRAP_ID = {1: AES_WRAP_128, 2: AES_WRAP_256}
_KEY_OCTETS = {AES_GCM_128: 16, AES_WRAP_128: 16, AES_GCM_256: 32, AES_WRAP_256: 32}


def shared_secret(ours: SigningKey, theirs: VerifyingKey) -> bytes:
    """Return Z, the x coordinate of the common point. Raises LocalProtocolError for two curves."""
    if ours.curve is not theirs.curve:
        raise LocalProtocolError(f"a key on {ours.curve.name} and one on {theirs.curve.name} share nothing")
    return ours.private.exchange(ec.ECDH(), theirs.public)


def derived_key(
    z: bytes, *, algorithm: bytes, originator: bytes, recipient: bytes, transaction: bytes = b""
) -> bytes:
    """Return the key both ends derive from Z.

    ``originator`` and ``recipient`` are system titles (8 octets), ``transaction`` the transaction id with its
    length octet where both keys are static, else empty. Raises LocalProtocolError for an unknown algorithm.
    """
    size = _KEY_OCTETS.get(algorithm)
    if size is None:
        raise LocalProtocolError(f"{algorithm.hex()} is no algorithm id of key agreement")
    digest: hashes.HashAlgorithm = hashes.SHA256() if size == 16 else hashes.SHA384()
    return ConcatKDFHash(digest, size, algorithm + originator + transaction + recipient).derive(z)
