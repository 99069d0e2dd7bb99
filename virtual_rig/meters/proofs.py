"""How the meter judges the proofs of high-level security, and what it proves itself with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from adapters.protocols.dlms.enums import MechanismId
from adapters.protocols.dlms.hls import SECRET_MECHANISMS, Exchange, HlsCredentials
from adapters.protocols.dlms.signatures import SigningKey, VerifyingKey
from virtual_rig.world import World

NEWER_PROOFS = SECRET_MECHANISMS | {MechanismId.HLS_ECDSA}
"""Mechanisms beside password and GMAC, which firmware of another age may have forgotten to log."""


def credentials_of(secret: bytes, own_key: bytes, client_key: bytes) -> HlsCredentials:
    """Return what the meter holds for one client: ``own_key`` and ``client_key`` are private scalars.

    Of the client's key pair the meter holds the public half only.
    """
    if not (own_key and client_key):
        return HlsCredentials(secret=secret)
    return HlsCredentials(
        secret=secret,
        signing_key=SigningKey(own_key),
        peer_key=VerifyingKey(SigningKey(client_key).public_octets),
    )


def judged(world: World, mechanism: MechanismId, correct: bool, reflected: bool) -> bool:
    """Return whether a proof opens the association: the right one, whatever the mechanism."""
    if mechanism is MechanismId.HLS_ECDSA and not reflected:
        correct = correct or not world.obeys("DLX-SEC-01")
    if mechanism in SECRET_MECHANISMS and not reflected:
        correct = correct or not world.obeys("DLX-SEC-02")
    if reflected:
        correct = correct or not world.obeys("DLX-SEC-03")
    return correct


@dataclass(frozen=True, kw_only=True)
class _OwnChallengeFirst(HlsCredentials):
    """Signs the two challenges in the order of the other side's proof, as some firmware did."""

    def prove(self, mechanism: MechanismId, exchange: Exchange) -> bytes:
        """Return a proof over the challenges the wrong way round."""
        swapped = replace(exchange, challenge=exchange.own_challenge, own_challenge=exchange.challenge)
        return HlsCredentials.prove(self, mechanism, swapped)


def careless_signer(credentials: HlsCredentials, world: World) -> HlsCredentials:
    """Return ``credentials`` as this meter uses them."""
    if credentials.signing_key is None or world.obeys("DLX-SEC-11"):
        return credentials
    return _OwnChallengeFirst(
        secret=credentials.secret, signing_key=credentials.signing_key, peer_key=credentials.peer_key
    )
