"""AES key wrap, by which a new key travels under the master key (RFC 3394; Green Book 9.2.4.7)."""

from __future__ import annotations

from cryptography.hazmat.primitives import keywrap

from adapters.errors import LocalProtocolError, RemoteProtocolError

WRAP_OVERHEAD = 8


class UnwrappingFailed(RemoteProtocolError):
    """Octets are no key wrapped with this key encryption key: another key, or altered on the way."""


def wrap(kek: bytes, key: bytes) -> bytes:
    """Return ``key`` wrapped with ``kek``. Raises LocalProtocolError for lengths that AES or the RFC lack."""
    try:
        return keywrap.aes_key_wrap(kek, key)
    except ValueError as error:
        raise LocalProtocolError(f"key wrap: {error}") from None


def unwrap(kek: bytes, wrapped: bytes) -> bytes:
    """Return the key in ``wrapped``. Raises UnwrappingFailed, whose data are the wrapped octets."""
    if not 24 <= len(wrapped) <= 72 or len(wrapped) % 8:
        raise UnwrappingFailed(f"{len(wrapped)} octets are no wrapped key", data=wrapped)
    try:
        return keywrap.aes_key_unwrap(kek, wrapped)
    except keywrap.InvalidUnwrap:
        raise UnwrappingFailed("the integrity check of the wrapped key fails", data=wrapped) from None
