"""The FDM Tools server on HTTP. The real server's interface is not public: all of this one is assumed.

Four kinds of callers, each with a bearer token of its own: the security officer, an administrator, the users
of field tools (who get theirs by logging in) and the lab's radio. Material leaves by ``/requests`` and
``/lab/material`` only, to those who carry it to endpoints; everywhere else there are counts.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Final

from fastapi import Depends, FastAPI, Request

from adapters.protocols.endpoint_link.material import Kind, Material
from adapters.protocols.endpoint_link.words import Command
from virtual_rig.head_ends.fdm_bodies import (
    About,
    CommandsWanted,
    Credentials,
    Device,
    Devices,
    EndpointId,
    Endpoints,
    FreshPiece,
    Issued,
    LoggedIn,
    Ordered,
    Permissions,
    Piece,
    PieceWanted,
    Retrieved,
    UserPermissions,
    Waiting,
    counted,
    ids,
    words,
)
from virtual_rig.head_ends.problems import answer_refusals, bearer_of, bearer_wanted, refusals
from virtual_rig.head_ends.validation import answer_misunderstandings
from virtual_rig.secured.fdm import Bundle, FdmServer, Wanted, what_it_is
from virtual_rig.secured.ism import DeviceRecord, Order
from virtual_rig.servers.asgi import new_app

STATUSES: Final = {
    "wrong-password": 401,
    "not-logged-in": 401,
    "not-permitted": 403,
    "unknown-endpoint": 404,
    "unknown-user": 404,
    "not-needed": 409,
}
KINDS: Final = {
    Kind.AUTHORIZATION: "signed-authorization",
    Kind.COMMAND: "secure-command",
    Kind.READING_KEY: "reading-key",
}


@dataclass(frozen=True, kw_only=True)
class FdmTokens:
    """The bearer tokens of those who do not log in."""

    officer: str = field(repr=False)
    administrator: str = field(repr=False)
    lab: str = field(repr=False)


def make_fdm_app(server: FdmServer, tokens: FdmTokens, about: About) -> FastAPI:
    """Return the application."""
    app = new_app(
        "FDM Tools server (stand-in)",
        description="Assumed from end to end: what the pages on security levels and Request Commands say the "
        "server does, behind an interface of our own. Refusals are problem documents with a `reason`.",
    )
    answer_refusals(app, STATUSES)
    answer_misunderstandings(app)
    _add_office(app, server, tokens, about)
    _add_field_tools(app, server)
    _add_lab(app, server, tokens)
    return app


def _add_office(app: FastAPI, server: FdmServer, tokens: FdmTokens, about: About) -> None:
    officer = Depends(bearer_wanted((tokens.officer,)))
    administrator = Depends(bearer_wanted((tokens.administrator,)))
    office = Depends(bearer_wanted((tokens.officer, tokens.administrator)))

    @app.get("/about", dependencies=[office], responses=refusals(STATUSES, "not-permitted"))
    async def about_the_server() -> About:
        """Say which server this is."""
        return about

    @app.post(
        "/orders",
        status_code=201,
        dependencies=[officer],
        responses=refusals(STATUSES, "not-permitted", "unknown-endpoint", "not-needed"),
    )
    async def order(ordered: Ordered) -> Issued:
        """Have ISM issue material; only the security officer can. It is passed on to this server at once.

        Assumed: an order supersedes what was still waiting for its devices. Which kind a command needs goes
        by the device's level: a secure command to connect or disconnect, a signed authorization for what
        wants an open session (two in network mode), a reading key to read at full security.
        """
        request, issued = server.issue(
            Order(
                endpoints=tuple(map(int, ordered.endpoints)),
                commands=tuple(map(Command.of, ordered.commands)),
                copies=ordered.copies,
                validity_s=float(ordered.valid_for_s),
            )
        )
        served = ids(dict.fromkeys(piece.endpoint for piece in issued))
        return Issued(request=request, endpoints=served, **counted(issued))

    @app.get("/devices", dependencies=[office], responses=refusals(STATUSES, "not-permitted"))
    async def devices() -> Devices:
        """List the devices as of the last sync with ISM."""
        synced_at, records = server.devices()
        return Devices(synced_at=synced_at, devices=tuple(map(_device, records)))

    @app.post("/sync", dependencies=[administrator], responses=refusals(STATUSES, "not-permitted"))
    async def sync() -> Devices:
        """Ask ISM how the devices are configured now."""
        server.sync()
        synced_at, records = server.devices()
        return Devices(synced_at=synced_at, devices=tuple(map(_device, records)))

    @app.get(
        "/devices/{endpoint}/material",
        dependencies=[office],
        responses=refusals(STATUSES, "not-permitted", "unknown-endpoint"),
    )
    async def waiting(endpoint: EndpointId) -> Waiting:
        """Count what waits to be retrieved for a device."""
        held = server.waiting(int(endpoint))
        commands = dict.fromkeys(command for _, command in map(what_it_is, held) if command is not None)
        return Waiting(endpoint=endpoint, commands=words(commands), **counted(held))

    @app.get(
        "/users/{user}/permissions",
        dependencies=[administrator],
        responses=refusals(STATUSES, "not-permitted", "unknown-user"),
    )
    async def permissions(user: str) -> UserPermissions:
        """Say what a user may do."""
        return UserPermissions(user=user, commands=words(server.permissions(user)))

    @app.put(
        "/users/{user}/permissions",
        dependencies=[administrator],
        responses=refusals(STATUSES, "not-permitted", "unknown-user"),
    )
    async def set_permissions(user: str, wanted: Permissions) -> UserPermissions:
        """Say which commands a user may perform from now on, and no others."""
        granted = server.set_permissions(user, map(Command.of, wanted.commands))
        return UserPermissions(user=user, commands=words(granted))


def _add_field_tools(app: FastAPI, server: FdmServer) -> None:
    @app.post("/log-in", responses=refusals(STATUSES, "wrong-password"))
    async def log_in(credentials: Credentials) -> LoggedIn:
        """Let a user in. Assumed: his token stays the same; nothing is said of its age."""
        done = server.log_in(credentials.user, credentials.password, credentials.used)
        return LoggedIn(
            user=done.user,
            token=done.token,
            permitted=words(done.permissions),
            material=tuple(map(_piece, done.pushed)),
        )

    @app.post("/requests", responses=refusals(STATUSES, "not-logged-in"))
    async def request_commands(wanted: CommandsWanted, request: Request) -> Retrieved:
        """Hand out the material issued for the devices listed, with the commands this user may perform.

        Assumed: nothing is reserved, so two field tools that ask get the same pieces; of each kind and
        command the oldest that nobody has reported as used, two authorizations in network mode.
        """
        listed = (Wanted(endpoint=int(each.id), device_type=each.type) for each in wanted.devices)
        return _retrieved(server.request(bearer_of(request), listed, wanted.used))


def _add_lab(app: FastAPI, server: FdmServer, tokens: FdmTokens) -> None:
    lab = Depends(bearer_wanted((tokens.lab,)))

    @app.get("/lab/endpoints", dependencies=[lab], responses=refusals(STATUSES, "not-permitted"))
    async def lab_endpoints() -> Endpoints:
        """List the devices there is material for."""
        _, records = server.devices()
        return Endpoints(endpoints=ids(record.endpoint for record in records if record.secured))

    @app.post(
        "/lab/material",
        status_code=201,
        dependencies=[lab],
        responses=refusals(STATUSES, "not-permitted", "unknown-endpoint", "not-needed"),
    )
    async def lab_material(wanted: PieceWanted) -> FreshPiece:
        """Issue one piece for the lab's radio, as the security officer has allowed once and for all."""
        kind = next(kind for kind, word in KINDS.items() if word == wanted.kind)
        command = Command.of(wanted.command) if wanted.command is not None else None
        piece = server.issue_one(int(wanted.endpoint), kind, command, float(wanted.valid_for_s))
        return FreshPiece(material=piece.encode().hex())


def _retrieved(bundle: Bundle) -> Retrieved:
    return Retrieved(
        endpoints=ids(bundle.endpoints),
        not_needed=ids(bundle.not_needed),
        not_found=ids(bundle.not_found),
        permitted=words(bundle.permitted),
        material=tuple(map(_piece, bundle.material)),
    )


def _device(record: DeviceRecord) -> Device:
    return Device.model_validate(
        {
            "endpoint": f"{record.endpoint:08d}",
            "type": record.device_type,
            "security_class": record.security_class.word,
            "level": record.level.word,
        }
    )


def _piece(piece: Material) -> Piece:
    kind, command = what_it_is(piece)
    return Piece.model_validate(
        {
            "endpoint": f"{piece.endpoint:08d}",
            "kind": KINDS[kind],
            "number": piece.number,
            "command": command.word if command is not None else None,
            "material": base64.b64encode(piece.encode()).decode("ascii"),
        }
    )
