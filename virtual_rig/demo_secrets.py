"""Keys and passwords of virtual meters: made from the seed, so a run can be repeated, and worth nothing."""

from __future__ import annotations

import hashlib

from adapters.profiles.model import Profile
from adapters.protocols.dlms.key_sets import GlobalKeys
from virtual_rig.meters.associations import ClientSecrets


def client_secrets(profile: Profile, site: str, seed: int) -> dict[str, ClientSecrets]:
    """Return the secrets of every client of ``profile`` that authenticates itself."""
    return {
        name: ClientSecrets(
            encryption_key=_octets(site, seed, f"{name}.encryption_key"),
            authentication_key=_octets(site, seed, f"{name}.authentication_key"),
            password=_octets(site, seed, f"{name}.password")[:4].hex().encode("ascii"),
        )
        for name, client in profile.clients.items()
        if {client.mechanism, *client.backup} & {"lls", "hls-gmac"}
    }


def as_text(secrets: dict[str, ClientSecrets]) -> dict[str, str]:
    """Return the secrets by name, as a bench takes them: keys in hexadecimal, passwords as they are."""
    found: dict[str, str] = {}
    for client, secret in secrets.items():
        found[f"{client}.encryption_key"] = secret.encryption_key.hex()
        found[f"{client}.authentication_key"] = secret.authentication_key.hex()
        found[f"{client}.password"] = secret.password.decode("ascii")
    return found


def _octets(site: str, seed: int, name: str) -> bytes:
    return hashlib.sha256(f"demo secret {site}/{seed}/{name}".encode()).digest()[:16]


def global_keys(site: str, seed: int) -> GlobalKeys:
    """Return the global keys of a meter: what protects messages on channels without an association."""
    return GlobalKeys(
        unicast=_octets(site, seed, "global.unicast_key"),
        broadcast=_octets(site, seed, "global.broadcast_key"),
        authentication=_octets(site, seed, "global.authentication_key"),
    )
