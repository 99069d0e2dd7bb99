"""What travels to and from the FDM Tools server; the API's description is made from these models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.protocols.endpoint_link.material import Kind, Material
from adapters.protocols.endpoint_link.words import Command
from virtual_rig.secured.fdm import what_it_is
from virtual_rig.secured.ism import VALIDITY_S

MAX_DEVICES = 200
MAX_COPIES = 20
TEN_YEARS_S = 10 * 365 * 86_400

EndpointId = Annotated[str, Field(pattern=r"^\d{8,10}$", description="The id on the device's label.")]
DeviceType = Annotated[str, Field(pattern=r"^[A-Za-z0-9 +_.-]{1,40}$", description="The type of the device.")]
CommandWord = Literal[
    "read", "check", "program", "reset", "connect", "disconnect", "open_session", "close_session"
]
KindWord = Literal["signed-authorization", "secure-command", "reading-key"]
Used = Annotated[tuple[int, ...], Field(max_length=10_000, description="Numbers the field tool has used up.")]


class RigModel(BaseModel):
    """A body. Unknown members are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Ordered(RigModel):
    """What the security officer has ISM issue."""

    endpoints: tuple[EndpointId, ...] = Field(min_length=1, max_length=MAX_DEVICES)
    commands: tuple[CommandWord, ...] = Field(min_length=1)
    copies: int = Field(default=1, ge=1, le=MAX_COPIES, description="How often each command can be used.")
    valid_for_s: int = Field(default=int(VALIDITY_S), ge=1, le=TEN_YEARS_S)


class Counts(RigModel):
    """How much of each kind there is. Never the material itself."""

    signed_authorizations: int
    secure_commands: int
    keys: int


class Issued(Counts):
    """What ISM issued."""

    request: str = Field(description="The number of the officer's request.")
    endpoints: tuple[EndpointId, ...]


class Waiting(Counts):
    """What the server holds for a device, ready to be retrieved."""

    endpoint: EndpointId
    commands: tuple[CommandWord, ...] = Field(description="The commands there are secure commands for.")


class Device(RigModel):
    """A device as of the last sync with ISM, which may know better by now."""

    endpoint: EndpointId
    type: DeviceType
    security_class: Literal["basic", "enhanced", "network-mode"]
    level: Literal["basic", "ready-to-secure", "command-security", "full-security", "network-mode"]


class Devices(RigModel):
    """Every device, and when the server last heard of them from ISM."""

    synced_at: datetime
    devices: tuple[Device, ...]


class Permissions(RigModel):
    """Which commands of the action menu a user may perform."""

    commands: tuple[CommandWord, ...]


class UserPermissions(Permissions):
    """The same, with the user's name."""

    user: str


class Credentials(RigModel):
    """A user logs in at a field tool."""

    user: str = Field(min_length=1, max_length=60)
    password: str = Field(max_length=200, repr=False)
    used: Used = ()


class Piece(RigModel):
    """One piece of security material. Whoever holds it can use it."""

    endpoint: EndpointId
    kind: KindWord
    number: int = Field(description="Unique; what the field tool reports when it has used the piece up.")
    command: CommandWord | None = None
    material: str = Field(description="The octets the endpoint takes, in base64.", repr=False)


class LoggedIn(RigModel):
    """What a field tool gets for a log-in."""

    user: str
    token: str = Field(description="The bearer token of this user's requests.", repr=False)
    permitted: tuple[CommandWord, ...]
    material: tuple[Piece, ...] = Field(description="Material that comes along: none.")


class Listed(RigModel):
    """A line of the Request tab."""

    id: EndpointId
    type: DeviceType


class CommandsWanted(RigModel):
    """What the user has typed into the Request tab."""

    devices: tuple[Listed, ...] = Field(min_length=1, max_length=MAX_DEVICES)
    used: Used = ()


class Retrieved(RigModel):
    """All a field tool needs to work with these devices off-line."""

    endpoints: tuple[EndpointId, ...] = Field(description="Those there is material for.")
    not_needed: tuple[EndpointId, ...] = Field(description="Devices that work without.")
    not_found: tuple[EndpointId, ...] = Field(description="There is no such device of that type.")
    permitted: tuple[CommandWord, ...] = Field(description="The commands this user may perform.")
    material: tuple[Piece, ...]


class Endpoints(RigModel):
    """Devices by id."""

    endpoints: tuple[EndpointId, ...]


class PieceWanted(RigModel):
    """One piece for the lab's radio; ``command`` is given with a secure command only."""

    endpoint: EndpointId
    kind: KindWord
    command: CommandWord | None = None
    valid_for_s: int = Field(default=86_400, ge=-TEN_YEARS_S, le=TEN_YEARS_S)


class FreshPiece(RigModel):
    """A piece that exists nowhere else."""

    material: str = Field(description="The octets, in hexadecimal.", repr=False)


class About(RigModel):
    """What this server is."""

    serial: str
    model: str
    firmware: str


def counted(pieces: Iterable[Material]) -> dict[str, int]:
    """Return how many pieces there are of each kind, as ``Counts`` takes them."""
    counts = Counter(what_it_is(piece)[0] for piece in pieces)
    return {
        "signed_authorizations": counts[Kind.AUTHORIZATION],
        "secure_commands": counts[Kind.COMMAND],
        "keys": counts[Kind.READING_KEY],
    }


def ids(endpoints: Iterable[int]) -> tuple[str, ...]:
    """Return device ids as they are written on labels."""
    return tuple(f"{endpoint:08d}" for endpoint in endpoints)


def words(commands: Iterable[Command]) -> tuple[CommandWord, ...]:
    """Return commands in the words of the action menu."""
    return tuple(command.word for command in commands)  # type: ignore[misc]
