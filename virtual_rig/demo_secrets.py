"""Keys and passwords of virtual meters: made from the seed, so a run can be repeated, and worth nothing."""

from __future__ import annotations

import hashlib

from adapters.profiles.model import Client, Profile
from adapters.protocols.dlms.key_sets import GlobalKeys
from adapters.protocols.dlms.security import SUITES
from adapters.protocols.dlms.signatures import CURVES, SigningKey
from virtual_rig.meters.associations import ClientSecrets

_WITHOUT = frozenset({"none", "pre-established"})
_HASHES = frozenset({"hls-manufacturer", "hls-md5", "hls-sha1", "hls-sha256"})
_KEYS = (
    "encryption_key", "authentication_key", "master_key", "broadcast_key",
    "next_encryption_key", "next_authentication_key", "next_broadcast_key",
)  # fmt: skip


def client_secrets(profile: Profile, site: str, seed: int) -> dict[str, ClientSecrets]:
    """Return the secrets of every client of ``profile`` that authenticates itself."""
    return {
        name: _of_client(name, client, profile.security.suite, site, seed)
        for name, client in profile.clients.items()
        if {client.mechanism, *client.backup} - _WITHOUT
    }


def _of_client(name: str, client: Client, suite: int, site: str, seed: int) -> ClientSecrets:
    size = SUITES[suite].key_octets
    mechanisms = {client.mechanism, *client.backup}
    curve = CURVES[suite].octets if suite in CURVES and "hls-ecdsa" in mechanisms else 0
    return ClientSecrets(
        password=_octets(site, seed, f"{name}.password", 4).hex().encode("ascii"),
        hls_secret=_octets(site, seed, f"{name}.hls_secret", 8).hex().encode()
        if mechanisms & _HASHES
        else b"",
        signing_key=_scalar(site, seed, f"{name}.signing_key", curve),
        meter_signing_key=_scalar(site, seed, "meter_signing_key", curve),
        agreement_key=_scalar(site, seed, f"{name}.agreement_key", curve),
        meter_agreement_key=_scalar(site, seed, "meter_agreement_key", curve),
        **{key: _octets(site, seed, f"{name}.{key}", size) for key in _KEYS},
    )


def as_text(secrets: dict[str, ClientSecrets]) -> dict[str, str]:
    """Return the secrets by name, as a bench takes them: keys in hexadecimal, passwords as they are.

    Of the meter's key pair a bench gets the public half.
    """
    found: dict[str, str] = {}
    for client, secret in secrets.items():
        found |= {f"{client}.{key}": getattr(secret, key).hex() for key in _KEYS}
        found[f"{client}.password"] = secret.password.decode("ascii")
        if secret.hls_secret:
            found[f"{client}.hls_secret"] = secret.hls_secret.decode("ascii")
        if secret.signing_key:
            found[f"{client}.signing_key"] = secret.signing_key.hex()
            found[f"{client}.meter_public_key"] = SigningKey(secret.meter_signing_key).public_octets.hex()
            found[f"{client}.agreement_key"] = secret.agreement_key.hex()
            public = SigningKey(secret.meter_agreement_key).public_octets
            found[f"{client}.meter_agreement_public_key"] = public.hex()
    return found


def _octets(site: str, seed: int, name: str, size: int = 16) -> bytes:
    return hashlib.sha256(f"demo secret {site}/{seed}/{name}".encode()).digest()[:size]


def _scalar(site: str, seed: int, name: str, size: int) -> bytes:
    """Return a private key of ``size`` octets, b"" for none; the first octet keeps it below the order."""
    if not size:
        return b""
    return b"\x01" + hashlib.sha512(f"demo secret {site}/{seed}/{name}".encode()).digest()[: size - 1]


def global_keys(site: str, seed: int) -> GlobalKeys:
    """Return the global keys of a meter: what protects messages on channels without an association."""
    return GlobalKeys(
        unicast=_octets(site, seed, "global.unicast_key"),
        broadcast=_octets(site, seed, "global.broadcast_key"),
        authentication=_octets(site, seed, "global.authentication_key"),
    )
