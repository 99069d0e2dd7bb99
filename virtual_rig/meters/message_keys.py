"""The keys messages bring along (general-ciphering): what the meter takes part in, and what it lets pass.

A meter of suite 1 or 2 agrees on keys with a client by ECDH. It verifies who vouches for an ephemeral key,
that a message is meant for itself and that it has not seen its key before.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from adapters.protocols.dlms.general_cipher import AgreementKeys, GeneralCipher
from adapters.protocols.dlms.general_protection import AgreedKey, Header
from adapters.protocols.dlms.server_policy import Ciphering
from adapters.protocols.dlms.signatures import SigningKey, VerifyingKey
from virtual_rig.world import World


class MeterCipher(GeneralCipher):
    """General-ciphering as the meter's firmware handles it."""

    __slots__ = ("_world",)

    def __init__(self, world: World, **rest: Any) -> None:
        super().__init__(**rest)
        self._world = world

    def check_recipient(self, header: Header) -> None:
        """Refuse what is meant for another."""
        if self._world.obeys("DLX-GC-02"):
            super().check_recipient(header)

    def check_fresh(self, mark: bytes) -> None:
        """Refuse a message whose key was used before."""
        if self._world.obeys("DLX-GC-03"):
            super().check_fresh(mark)

    def one_pass(self, key: AgreedKey, header: Header, agreement: AgreementKeys) -> bytes:
        """Agree on a key with an ephemeral one that the client vouches for."""
        if not self._world.obeys("DLX-GC-01"):
            agreement = replace(agreement, signer=None)
        return super().one_pass(key, header, agreement)


def ciphering_of(ciphering: Ciphering | None, keys: AgreementKeys | None, world: World) -> Ciphering | None:
    """Return ``ciphering`` with what the messages of one client need that bring their keys along."""
    if ciphering is None:
        return None
    return replace(ciphering, agreement=keys, cipher=partial(MeterCipher, world))


def agreement_of(
    own_key: bytes, client_key: bytes, signing_key: bytes, client_signing_key: bytes, random: Random
) -> AgreementKeys | None:
    """Return what the meter holds for key agreement with one client; None where a key is missing.

    All four are private scalars; of the client's the meter holds the public halves only.
    """
    if not (own_key and client_key and signing_key and client_signing_key):
        return None
    return AgreementKeys(
        ours=SigningKey(own_key),
        theirs=VerifyingKey(SigningKey(client_key).public_octets),
        signing=SigningKey(signing_key),
        signer=VerifyingKey(SigningKey(client_signing_key).public_octets),
        random=random.randbytes,
    )
