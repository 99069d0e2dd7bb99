"""Itron Security Manager (ISM): holds the keys, knows the devices, issues what the security officer orders.

It has no wire of its own: the FDM Tools server asks on behalf of the officer and takes what was issued. How
the two talk is not public; material and its validity are assumed (``adapters.protocols.endpoint_link``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.errors import Refused
from adapters.protocols.endpoint_link.material import (
    Kind,
    Material,
    ReadingKey,
    SecureCommand,
    SignedAuthorization,
    sign,
)
from adapters.protocols.endpoint_link.signing import PrivateKey, PublicKey
from adapters.protocols.endpoint_link.words import Command, Level, SecurityClass
from virtual_rig.secured.endpoint import SecuredEndpoint
from virtual_rig.secured.needs import AUTHORIZATIONS_AT_ONCE, kind_needed
from virtual_rig.secured.permissions import SECURED
from virtual_rig.world import World

VALIDITY_S = 30 * 24 * 3600.0
SESSION_TIMEOUT_S = 3600


@dataclass(frozen=True, kw_only=True)
class DeviceRecord:
    """What is known of a device: by ISM now, by the FDM Tools server as of its last sync."""

    endpoint: int
    device_type: str
    security_class: SecurityClass
    level: Level

    @property
    def secured(self) -> bool:
        """Whether the device operates at some level of security."""
        return self.level in SECURED

    @property
    def level_for_material(self) -> Level:
        """The level material is made for; a device that is not secured is about to be."""
        return self.level if self.secured else Level.COMMAND_SECURITY


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the security officer orders: material for commands on endpoints, so many times."""

    endpoints: tuple[int, ...]
    commands: tuple[Command, ...]
    copies: int = 1
    validity_s: float = VALIDITY_S


class SecurityManager:
    """ISM; a ``SecurityAuthority``. ``fleet`` tells the utility's devices, whose levels ISM has configured.

    Every piece has a number of its own and is no good after its date. ``orders`` counts what was ordered.
    """

    def __init__(
        self,
        world: World,
        *,
        issuer: int,
        signing_seed: bytes,
        reading_key_of: Callable[[int], bytes],
        fleet: Callable[[], Iterable[SecuredEndpoint]],
        session_timeout_s: int = SESSION_TIMEOUT_S,
    ) -> None:
        self._world, self._issuer = world, issuer
        self._private_key = PrivateKey(signing_seed)
        self._public_key = self._private_key.public_key
        self._reading_key_of, self._fleet = reading_key_of, fleet
        self._session_timeout_s = session_timeout_s
        self._number = 0
        self.orders = 0

    # -- SecurityAuthority

    @property
    def issuer(self) -> int:
        """See ``SecurityAuthority``."""
        return self._issuer

    @property
    def public_key(self) -> PublicKey:
        """See ``SecurityAuthority``."""
        return self._public_key

    def reading_key(self, endpoint: int) -> bytes:
        """See ``SecurityAuthority``."""
        return self._reading_key_of(endpoint)

    # -- devices

    def devices(self) -> dict[int, DeviceRecord]:
        """Return every device as it is configured now."""
        return {
            each.setup.id: DeviceRecord(
                endpoint=each.setup.id,
                device_type=each.setup.type,
                security_class=each.setup.security_class,
                level=each.level,
            )
            for each in self._fleet()
        }

    # -- material

    def issue(self, order: Order) -> tuple[Material, ...]:
        """Issue what the security officer orders. Raises Refused ``unknown-endpoint``, and nothing is issued.

        A device that is not secured gets what it would need at command security: the officer knows what for.
        """
        known = self.devices()
        for endpoint in order.endpoints:
            if endpoint not in known:
                raise Refused("unknown-endpoint", f"ISM knows no endpoint {endpoint:08d}")
        self.orders += 1
        return tuple(
            piece
            for endpoint in dict.fromkeys(order.endpoints)
            for piece in self._made(known[endpoint], order)
        )

    def issue_one(self, endpoint: int, kind: Kind, command: Command | None, validity_s: float) -> Material:
        """Issue one piece of a kind, whatever the device's level: for a lab's radio, as the officer allows.

        Raises Refused ``unknown-endpoint``; ``not-needed`` for a command that no secure command is made for.
        """
        if endpoint not in self.devices():
            raise Refused("unknown-endpoint", f"ISM knows no endpoint {endpoint:08d}")
        not_after = self._world.scheduler.utc_now() + timedelta(seconds=validity_s)
        if kind is Kind.AUTHORIZATION:
            return self._authorization(endpoint, not_after)
        if kind is Kind.READING_KEY:
            return self._key(endpoint)
        if command in (None, Command.READ, Command.OPEN_SESSION):
            raise Refused("not-needed", "reading takes a key, a session an authorization")
        return self._command(endpoint, not_after, command)

    def on_request(self, record: DeviceRecord, commands: tuple[Command, ...]) -> tuple[Material, ...]:
        """Return what ISM has for a field tool that asks for material nobody ordered: nothing."""
        if self._world.obeys("IT-SEC-21"):
            return ()
        return self._made(record, Order(endpoints=(record.endpoint,), commands=commands))

    def _made(self, record: DeviceRecord, order: Order) -> tuple[Material, ...]:
        level = record.level_for_material
        not_after = self._world.scheduler.utc_now() + timedelta(seconds=order.validity_s)
        made: list[Material] = []
        needed = {command: kind_needed(level, command) for command in dict.fromkeys(order.commands)}
        if Kind.AUTHORIZATION in needed.values():
            for _ in range(order.copies * AUTHORIZATIONS_AT_ONCE.get(level, 1)):
                made.append(self._authorization(record.endpoint, not_after))
        for command, kind in needed.items():
            for _ in range(order.copies if kind is Kind.COMMAND else 0):
                made.append(self._command(record.endpoint, not_after, command))
        if Kind.READING_KEY in needed.values():
            made.append(self._key(record.endpoint))
        return tuple(made)

    def _authorization(self, endpoint: int, not_after: datetime) -> SignedAuthorization:
        unsigned = SignedAuthorization(
            issuer=self._issuer,
            endpoint=endpoint,
            number=self._next_number(),
            not_after=not_after,
            timeout_s=self._session_timeout_s,
        )
        return sign(unsigned, self._private_key)

    def _command(self, endpoint: int, not_after: datetime, command: Command) -> SecureCommand:
        unsigned = SecureCommand(
            issuer=self._issuer,
            endpoint=endpoint,
            number=self._next_number(),
            not_after=not_after,
            command=command,
        )
        return sign(unsigned, self._private_key)

    def _key(self, endpoint: int) -> ReadingKey:
        return ReadingKey(
            issuer=self._issuer,
            endpoint=endpoint,
            number=self._next_number(),
            key=self.reading_key(endpoint),
        )

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def __repr__(self) -> str:
        return f"<SecurityManager issuer {self._issuer}>"
