"""What a DLMS meter can be told about its own security: keys, policy, and what it says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from adapters.roles.base import harmless_read, hurts

KeyFlaw = Literal["", "wrong-master-key", "damaged-last", "long-key", "replayed-counter"]
Policy = Literal["none", "authenticated", "encrypted", "authenticated-encrypted"]


@dataclass(frozen=True, kw_only=True)
class KeysChanged:
    """Which keys of a client the meter has taken, by the names of the bench secrets they come from."""

    client: str
    taken: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SecurityFound:
    """A security setup as read. Titles are hexadecimal; ``policy`` is in words where it has one."""

    client: str
    version: int
    policy: str
    suite: int
    client_system_title: str
    meter_system_title: str


class DlmsSecurity(Protocol):
    """The security setup of a meter (class 64), one for each client that has keys.

    Keys never stand in a plan: a step names the bench secret of the client a key comes from.
    """

    @harmless_read
    def read_security(self, client: str = "", association: str = "") -> SecurityFound:
        """Read the security setup of ``client`` (the association's own client where none is named)."""
        ...

    @harmless_read
    def answer_counter(self, association: str = "") -> int:
        """Return the invocation counter of the last answer in an association under the global key, or -1."""
        ...

    @hurts("keys")
    def change_keys(
        self,
        client: str = "",
        encryption_key: str = "",
        authentication_key: str = "",
        broadcast_key: str = "",
        association: str = "",
        flaw: KeyFlaw = "",
    ) -> KeysChanged:
        """Give the meter new keys for ``client``, wrapped with the master key, in one transfer.

        Each key is named by the bench secret it comes from, e.g. ``next_encryption_key``; an empty name
        leaves that key alone. Once the meter has said success, associations opened from then on use the
        new keys.
        ``flaw``: wrong-master-key wraps with another key, damaged-last alters the last wrapped key, long-key
        makes the keys eight octets too long, replayed-counter sends the request with a counter used before.
        """
        ...

    def use_keys(self, client: str = "", encryption_key: str = "", authentication_key: str = "") -> None:
        """Use other bench secrets as ``client``'s keys from now on; the meter is not told."""
        ...

    @hurts("keys")
    def activate_policy(self, policy: Policy, client: str = "", association: str = "") -> None:
        """Put a security policy into force; a meter lets it only be strengthened, so there is no way back."""
        ...
