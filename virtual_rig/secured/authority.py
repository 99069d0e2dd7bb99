"""What endpoints know of the security manager: whom they trust, and the keys they were given.

The security manager (ISM) implements this; endpoints are built with it. Nothing here issues anything.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from adapters.protocols.endpoint_link.signing import PublicKey


@runtime_checkable
class SecurityAuthority(Protocol):
    """The security manager as an endpoint sees it."""

    @property
    def issuer(self) -> int:
        """Return the number this authority writes into the material it signs."""
        ...

    @property
    def public_key(self) -> PublicKey:
        """Return the key signed material is verified with."""
        ...

    def reading_key(self, endpoint: int) -> bytes:
        """Return the AES-128 reading key of an endpoint; the same each time."""
        ...
