"""The FDM Tools server: users, devices as of the last sync with ISM, and material waiting to be retrieved.

What is not public is assumed:

- The server syncs with ISM with every order, and when told to. In between its view of a device may be out of
  date.
- A new order for a device supersedes what was still waiting for it.
- Nothing is reserved for a field tool: two that request get the same pieces, the oldest that nobody has
  reported as used, one of a kind and command at a time (two authorizations in network mode).
- A user gets material only for what he may do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hmac import compare_digest
from typing import Final

from adapters.errors import Refused
from adapters.protocols.endpoint_link.material import Kind, Material, ReadingKey, SecureCommand
from adapters.protocols.endpoint_link.words import Command
from virtual_rig.secured.ism import DeviceRecord, Order, SecurityManager
from virtual_rig.secured.needs import AUTHORIZATIONS_AT_ONCE, kind_needed
from virtual_rig.world import World

ALL_COMMANDS: Final = tuple(Command)


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user as the server is set up with him. ``token`` is what a log-in gives him."""

    name: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    permissions: tuple[Command, ...] = ALL_COMMANDS


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A device somebody lists in the Request tab: its id and its type."""

    endpoint: int
    device_type: str


@dataclass(frozen=True, kw_only=True)
class LogIn:
    """What a field tool gets for a user's password; ``pushed`` is material that comes with it."""

    user: str
    token: str = field(repr=False)
    permissions: tuple[Command, ...]
    pushed: tuple[Material, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What a request brings: material, and the list of commands the user may perform."""

    endpoints: tuple[int, ...]  # those there is material for
    not_needed: tuple[int, ...]
    not_found: tuple[int, ...]  # no such device of that type
    material: tuple[Material, ...]
    permitted: tuple[Command, ...]


@dataclass(kw_only=True)
class _User:
    account: Account
    permissions: tuple[Command, ...]


class FdmServer:
    """The server's state. Every method raises Refused with a reason where it declines."""

    def __init__(self, world: World, ism: SecurityManager, accounts: Iterable[Account]) -> None:
        self._world, self._ism = world, ism
        self._users = {each.name: _User(account=each, permissions=each.permissions) for each in accounts}
        self._devices: Mapping[int, DeviceRecord] = {}
        self._synced_at: datetime | None = None
        self._waiting: dict[int, tuple[Material, ...]] = {}
        self._used: set[int] = set()
        self._requests = 0

    # -- the officer, and ISM behind the server

    def issue(self, order: Order) -> tuple[str, tuple[Material, ...]]:
        """Have ISM issue what the officer orders, and take over what it passes on.

        Returns the number of the request and what ISM issued. Raises Refused ``not-needed`` for a device
        that works without, ``unknown-endpoint``; nothing is issued then.
        """
        self.sync()
        for endpoint in order.endpoints:
            if self._works_without(self._device(endpoint)):
                raise Refused("not-needed", f"endpoint {endpoint:08d} works without security material")
        issued = self._ism.issue(order)
        for endpoint in dict.fromkeys(order.endpoints):
            self._waiting[endpoint] = tuple(
                piece for piece in issued if piece.endpoint == endpoint and self._is_passed_on(piece)
            )
        self._requests += 1
        return f"R{self._requests:04d}", issued

    def issue_one(self, endpoint: int, kind: Kind, command: Command | None, validity_s: float) -> Material:
        """Have ISM issue one piece for the lab's radio; it does not wait here. Raises as ISM does."""
        return self._ism.issue_one(endpoint, kind, command, validity_s)

    def sync(self) -> datetime:
        """Take over from ISM how every device is configured, and return the time."""
        self._devices, self._synced_at = self._ism.devices(), self._world.scheduler.utc_now()
        return self._synced_at

    def devices(self) -> tuple[datetime, tuple[DeviceRecord, ...]]:
        """Return every device as of the last sync, and when that was."""
        at = self._synced_at if self._synced_at is not None else self.sync()
        return at, tuple(self._devices[endpoint] for endpoint in sorted(self._devices))

    def waiting(self, endpoint: int) -> tuple[Material, ...]:
        """Return what is held for a device. Raises Refused ``unknown-endpoint``."""
        self._device(endpoint)
        now = self._world.scheduler.utc_now()
        return tuple(
            piece
            for piece in self._waiting.get(endpoint, ())
            if piece.number not in self._used and (isinstance(piece, ReadingKey) or now <= piece.not_after)
        )

    # -- users

    def set_permissions(self, user: str, commands: Iterable[Command]) -> tuple[Command, ...]:
        """Say what a user may do, and return it. Raises Refused ``unknown-user``."""
        if user not in self._users:
            raise Refused("unknown-user", f"no user is called {user}")
        granted = set(commands)
        self._users[user].permissions = tuple(command for command in ALL_COMMANDS if command in granted)
        return self._users[user].permissions

    def permissions(self, user: str) -> tuple[Command, ...]:
        """Return what a user may do. Raises Refused ``unknown-user``."""
        if user not in self._users:
            raise Refused("unknown-user", f"no user is called {user}")
        return self._users[user].permissions

    def log_in(self, user: str, password: str, used: Iterable[int] = ()) -> LogIn:
        """Let a user in at a field tool that reports what it has used. Raises Refused ``wrong-password``."""
        known = self._users.get(user)
        expected = known.account.password if known is not None else ""
        if known is None or not _same(expected, password):
            raise Refused("wrong-password", "user or password is wrong")
        self._used.update(used)
        return LogIn(
            user=user,
            token=known.account.token,
            permissions=known.permissions,
            pushed=() if self._world.obeys("IT-SEC-23") else self._everything_for(known),
        )

    # -- Request Commands

    def request(self, token: str, wanted: Iterable[Wanted], used: Iterable[int] = ()) -> Bundle:
        """Return the material for the devices listed, as far as this user may work with it.

        ``used`` are numbers the field tool reports as used. Raises Refused ``not-logged-in``.
        """
        user = self._of_token(token)
        self._used.update(used)
        listed = tuple(dict.fromkeys(wanted))
        found = self._found(listed)
        served: list[int] = []
        not_needed: list[int] = []
        material: list[Material] = []
        for record in found:
            if self._works_without(record):
                not_needed.append(record.endpoint)
            elif pieces := self._handed_out(record, user):
                served.append(record.endpoint)
                material += pieces
        seen = {record.endpoint for record in found}
        return Bundle(
            endpoints=tuple(served),
            not_needed=tuple(not_needed),
            not_found=tuple(each.endpoint for each in listed if each.endpoint not in seen),
            material=tuple(material),
            permitted=user.permissions if self._world.obeys("IT-CMD-09") else ALL_COMMANDS,
        )

    # -- inside

    def _device(self, endpoint: int) -> DeviceRecord:
        self.devices()
        if endpoint not in self._devices:
            raise Refused("unknown-endpoint", f"the server knows no device {endpoint:08d}")
        return self._devices[endpoint]

    def _works_without(self, record: DeviceRecord) -> bool:
        """Tell whether a device runs without security, as far as the server knows."""
        return not record.secured and self._world.obeys("IT-CMD-01")

    def _is_passed_on(self, piece: Material) -> bool:
        """Tell whether the transfer from ISM takes a piece along: all three kinds."""
        return not isinstance(piece, ReadingKey) or self._world.obeys("IT-SEC-22")

    def _found(self, listed: tuple[Wanted, ...]) -> list[DeviceRecord]:
        """Return the devices that are meant, each with the type it was listed with."""
        _, devices = self.devices()
        pairs = {(each.endpoint, each.device_type) for each in listed}
        if not self._world.obeys("IT-CMD-04"):  # the query goes by type alone
            types = {each.device_type for each in listed}
            return [each for each in devices if each.device_type in types]
        return [each for each in devices if (each.endpoint, each.device_type) in pairs]

    def _handed_out(self, record: DeviceRecord, user: _User) -> list[Material]:
        """Return what a field tool gets now: the oldest of each kind and command, two in network mode."""
        pool = self.waiting(record.endpoint)
        if not pool:
            pool = self._waiting[record.endpoint] = self._ism.on_request(record, user.permissions)
        taken: Counter[tuple[Kind, Command | None]] = Counter()
        given: list[Material] = []
        for piece in pool:
            what = what_it_is(piece)
            most = AUTHORIZATIONS_AT_ONCE.get(record.level, 1) if what[0] is Kind.AUTHORIZATION else 1
            if taken[what] < most and _may_use(user, record, what):
                taken[what] += 1
                given.append(piece)
        return given

    def _everything_for(self, user: _User) -> tuple[Material, ...]:
        _, devices = self.devices()
        return tuple(piece for each in devices if each.secured for piece in self._handed_out(each, user))

    def _of_token(self, token: str) -> _User:
        for user in self._users.values():
            if _same(user.account.token, token):
                return user
        raise Refused("not-logged-in", "no log-in gave this token")


def what_it_is(piece: Material) -> tuple[Kind, Command | None]:
    """Return the kind of a piece, and for a secure command which one."""
    if isinstance(piece, SecureCommand):
        return Kind.COMMAND, piece.command
    return (Kind.READING_KEY if isinstance(piece, ReadingKey) else Kind.AUTHORIZATION), None


def _may_use(user: _User, record: DeviceRecord, what: tuple[Kind, Command | None]) -> bool:
    kind, command = what
    if command is not None:
        return command in user.permissions
    return any(kind_needed(record.level_for_material, each) is kind for each in user.permissions)


def _same(expected: str, given: str) -> bool:
    return compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))
