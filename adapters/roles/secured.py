"""Roles around secured endpoints: the security head end, the field tool, and a radio to the endpoints.

The source are the Itron Field Tools pages on security levels and Request Commands. The air protocol, the
automation of a handheld and the servers' APIs are not public: what stands behind these roles on the virtual
rig is a stand-in, and a lab's licensed tool or a person takes its place behind the same words.

``endpoint`` is an endpoint's id; ``command`` a word of its action menu: ``read``, ``check``, ``program``,
``reset``, ``connect``, ``disconnect``, ``open_session``, ``close_session``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from adapters.roles.base import Device, harmless_read, hurts

Command = Literal[
    "read", "check", "program", "reset", "connect", "disconnect", "open_session", "close_session"
]
MaterialFlaw = Literal[
    "", "none", "tampered", "foreign-endpoint", "foreign-issuer", "expired", "wrong-command", "wrong-key"
]
SecurityLevel = Literal["ready-to-secure", "command-security", "full-security"]


@dataclass(frozen=True, kw_only=True)
class MaterialIssued:
    """Security material ISM issued at the request of the security officer."""

    request: str
    endpoints: tuple[str, ...]
    signed_authorizations: int
    secure_commands: int
    keys: int


@dataclass(frozen=True, kw_only=True)
class MaterialWaiting:
    """What the FDM Tools server holds for an endpoint, ready to be retrieved."""

    endpoint: str
    signed_authorizations: int
    secure_commands: int
    keys: int
    commands: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class UserSaved:
    """A user of the field tools and the permissions he has now."""

    user: str
    permissions: tuple[str, ...]


class SecurityHeadEnd(Device, Protocol):
    """The FDM Tools server with the security manager (ISM) behind it.

    Reasons of Refused: ``unknown-endpoint``, ``unknown-user``, ``not-needed``, ``not-permitted``,
    ``unavailable``.
    """

    @hurts("keys")
    def issue_material(
        self, endpoints: tuple[str, ...], commands: tuple[Command, ...], copies: int = 1
    ) -> MaterialIssued:
        """As the security officer, have ISM issue material for commands on endpoints."""
        ...

    @harmless_read
    def material_waiting(self, endpoint: str) -> MaterialWaiting:
        """Look at what the server holds for an endpoint."""
        ...

    @hurts("configure")
    def set_permissions(self, user: str, commands: tuple[Command, ...]) -> UserSaved:
        """Say which commands a user may perform."""
        ...


@dataclass(frozen=True, kw_only=True)
class LoggedIn:
    """A user at a field tool."""

    user: str


@dataclass(frozen=True, kw_only=True)
class NetworkState:
    """Whether a field tool has a connection to its server."""

    online: bool


@dataclass(frozen=True, kw_only=True)
class RequestScreen:
    """The Request Commands function as it opens."""

    tabs: tuple[str, ...]
    tab_count: int
    inputs: tuple[str, ...]  # what the Request tab asks for


@dataclass(frozen=True, kw_only=True)
class CommandsRetrieved:
    """What a request brought to the field tool."""

    endpoints: tuple[str, ...]  # those it brought material for
    not_needed: tuple[str, ...]  # devices that work without
    not_found: tuple[str, ...] = ()  # no device of that id and type is known
    signed_authorizations: int
    secure_commands: int
    keys: int
    permitted: tuple[str, ...]  # the commands this user may perform


@dataclass(frozen=True, kw_only=True)
class CurrentCommands:
    """The Current Commands tab: what is available, and for which devices."""

    count: int
    endpoints: tuple[str, ...]
    entries: tuple[str, ...]  # ``endpoint command``


@dataclass(frozen=True, kw_only=True)
class CommandOutcome:
    """What came of a command sent to an endpoint.

    ``replay``: the answer says the command had been used before. Such an answer repeats the information sent
    the first time; it is never evidence that something happened now.
    """

    endpoint: str
    command: str
    answered: bool
    replay: bool
    information: str  # what the endpoint sent back, as text
    executions: int  # the execution count the answer carries; of the first time where it is a replay
    typed: tuple[str, ...] = ()  # security material the user had to type in by hand


class FieldTool(Device, Protocol):
    """A handheld with the field tools application.

    Reasons of Refused, by the tool: ``no-connection``, ``not-logged-in``, ``wrong-password``,
    ``not-permitted``, ``no-material``, ``not-on-menu``, ``not-listed``, ``busy``; from the endpoint:
    ``secure-command-required``, ``session-required``, ``key-required``, ``bad-authorization``, ``expired``,
    ``not-available``, ``malformed``, ``no-answer``.
    """

    def log_in(self, user: str) -> LoggedIn:
        """Log a user in; the bench holds the password as secret ``<user>.password``."""
        ...

    def go_offline(self) -> NetworkState:
        """Cut the tool's network connection, as when driving out of coverage."""
        ...

    def go_online(self) -> NetworkState:
        """Restore the tool's network connection."""
        ...

    def open_request_commands(self) -> RequestScreen:
        """Open the Request Commands function."""
        ...

    def request_commands(self, devices: tuple[str, ...]) -> CommandsRetrieved:
        """Request material for devices, each written ``<id>:<type>``, in the Request tab."""
        ...

    def current_commands(self) -> CurrentCommands:
        """Open the Current Commands tab."""
        ...

    def action_menu(self, endpoint: str) -> tuple[str, ...]:
        """Return the commands the action command menu offers for an endpoint."""
        ...

    def perform(self, endpoint: str, command: Command) -> CommandOutcome:
        """Perform a command that moves no switch; see also the two below."""
        ...

    @hurts("disconnect")
    def disconnect_service(self, endpoint: str) -> CommandOutcome:
        """Disconnect the customer's service."""
        ...

    @hurts("disconnect")
    def connect_service(self, endpoint: str) -> CommandOutcome:
        """Connect the customer's service."""
        ...


@dataclass(frozen=True, kw_only=True)
class EndpointStatus:
    """What an endpoint says of itself to anybody: no secrets, no readings."""

    endpoint: str
    type: str
    security_class: str  # basic, enhanced, network-mode
    level: str  # basic, ready-to-secure, command-security, full-security, network-mode
    security_enabled: bool
    modes: int  # how many security levels it can be set to
    switch: str  # connected, disconnected, none, unknown (not readable)
    executions: int  # commands executed since manufacture; -1 where it cannot be read
    program_revision: int  # one more with every program; -1 where it cannot be read
    tampers: int  # tampers seen since the last reset; -1 where it cannot be read
    session_open: bool
    session_timeout_s: int


@dataclass(frozen=True, kw_only=True)
class ReadingTaken:
    """Data read from an endpoint. ``decoded`` False: it came, but without the key it says nothing."""

    endpoint: str
    decoded: bool
    consumption: int | None = None
    at: datetime | None = None


class EndpointRadio(Device, Protocol):
    """A test radio of the lab: speaks to endpoints directly, without the field tool's own rules.

    Reasons of Refused: those of the endpoints, see ``FieldTool``; ``no-answer`` where nothing came back
    although the radio itself works. ``flaw`` spoils the material: ``none`` sends none, ``tampered`` turns a
    bit of it (of another field each time), ``foreign-endpoint`` takes what was issued for another endpoint,
    ``foreign-issuer`` what another authority signed, ``wrong-key`` what somebody else signed in the name of
    the right one, ``expired`` what is no longer valid, ``wrong-command`` what was issued for another command.
    """

    @harmless_read
    def status(self, endpoint: str) -> EndpointStatus:
        """Ask an endpoint for its public status."""
        ...

    def read(self, endpoint: str, flaw: MaterialFlaw = "") -> ReadingTaken:
        """Read an endpoint with the lab's reading key, or (flaw) with none or a wrong one."""
        ...

    def send(self, endpoint: str, command: Command, flaw: MaterialFlaw = "none") -> CommandOutcome:
        """Send a command that moves no switch, with the lab's material (no flaw), spoilt material or none."""
        ...

    @hurts("disconnect")
    def send_switch(
        self, endpoint: str, command: Literal["connect", "disconnect"], flaw: MaterialFlaw = ""
    ) -> CommandOutcome:
        """Send connect or disconnect, with the lab's material (no flaw), spoilt material or none."""
        ...

    def send_again(self, endpoint: str, back: int = 0) -> CommandOutcome:
        """Send again the very octets of the last material for this endpoint; ``back`` 1: the one before."""
        ...

    @hurts("configure")
    def set_level(self, endpoint: str, level: SecurityLevel) -> EndpointStatus:
        """Ask an endpoint to change its security level."""
        ...
