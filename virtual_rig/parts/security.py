"""ISM, the FDM Tools server and handhelds as parts of a site.

ISM stands above all, since endpoints trust it and the server asks it; the server stands above the endpoints,
whose radio fetches a lab's material there; handhelds come last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from adapters.protocols.endpoint_link.material import MAX_TIMEOUT_S, MIN_TIMEOUT_S
from adapters.protocols.endpoint_link.words import Command
from virtual_rig.parts.base import MAIN, BuiltPart, PartEntry, SiteContext, SiteModel
from virtual_rig.parts.secured import EndpointsPart
from virtual_rig.secured.conversation import HandheldRadio
from virtual_rig.secured.endpoint import SecuredEndpoint
from virtual_rig.secured.fdm import ALL_COMMANDS, Account, FdmServer
from virtual_rig.secured.handheld import Handheld
from virtual_rig.secured.ism import SecurityManager

CommandWord = Literal[
    "read", "check", "program", "reset", "connect", "disconnect", "open_session", "close_session"
]


class IsmEntry(PartEntry):
    """Itron Security Manager. Nothing of it stands on the bench: the FDM Tools server speaks to it."""

    model: Literal["ism"]
    issuer: int = Field(default=1, ge=1, le=0xFFFF_FFFF)
    session_timeout_s: int = Field(default=3600, ge=MIN_TIMEOUT_S, le=MAX_TIMEOUT_S)

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make it; its keys are demo secrets, and the fleet is whatever endpoints the site will have."""

        def fleet() -> Iterator[SecuredEndpoint]:
            for part in context.parts.values():
                if isinstance(part.model, EndpointsPart):
                    yield from part.model.air.endpoints.values()

        return BuiltPart(
            model=SecurityManager(
                context.world,
                issuer=self.issuer,
                signing_seed=context.demo_secret(f"{name}.signing_key", 48),
                reading_key_of=lambda endpoint: context.demo_secret(f"{name}.reading_key.{endpoint:08d}"),
                fleet=fleet,
                session_timeout_s=self.session_timeout_s,
            )
        )


class UserEntry(SiteModel):
    """A user of the field tools; without ``permissions`` he may do everything."""

    permissions: tuple[CommandWord, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class FdmPart:
    """The server, and what its callers prove themselves with."""

    server: FdmServer
    passwords: Mapping[str, str] = field(repr=False)
    tokens: Mapping[str, str] = field(repr=False)


class FdmEntry(PartEntry):
    """The FDM Tools server on HTTP."""

    model: Literal["fdm_tools"]
    ism: str = "ism"
    serial: str = Field(default="FDM-0001", pattern=r"^[A-Z0-9-]{1,20}$")
    users: dict[str, UserEntry] = Field(min_length=1)
    tcp_port: int = Field(default=0, ge=0, le=65535)

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make the server and put it on HTTP."""
        from virtual_rig.head_ends.fdm_api import FdmTokens, make_fdm_app
        from virtual_rig.head_ends.fdm_bodies import About

        def secret(what: str) -> str:
            return context.demo_secret(f"{name}.{what}").hex()

        accounts = [
            Account(
                name=user,
                password=secret(f"{user}.password"),
                token=secret(f"{user}.token"),
                permissions=ALL_COMMANDS
                if entry.permissions is None
                else tuple(map(Command.of, entry.permissions)),
            )
            for user, entry in self.users.items()
        ]
        tokens = {who: secret(f"{who}_token") for who in ("officer", "administrator", "lab")}
        server = FdmServer(context.world, context.part(self.ism, SecurityManager), accounts)
        about = About(serial=self.serial, model="FDM Tools server (virtual)", firmware="stand-in")
        return BuiltPart(
            model=FdmPart(
                server=server, passwords={each.name: each.password for each in accounts}, tokens=tokens
            ),
            bench={
                "role": "security_head_end",
                "adapter": "fdm_tools",
                "identity": {"serial": self.serial},
            },
            endpoints=(
                context.http(
                    name,
                    MAIN,
                    lambda: make_fdm_app(server, FdmTokens(**tokens), about),
                    port=self.tcp_port,
                ),
            ),
            secrets={
                **{f"{who}_token": token for who, token in tokens.items()},
                **{f"{each.name}.token": each.token for each in accounts},
            },
        )


class HandheldEntry(PartEntry):
    """A handheld with Field Tools, automated over HTTP."""

    model: Literal["field_tools"]
    fdm: str = "fdm"
    endpoints: str = "radio"
    serial: str = Field(pattern=r"^[A-Z0-9-]{1,20}$")
    tcp_port: int = Field(default=0, ge=0, le=65535)

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make the handheld and put its automation on HTTP."""
        from virtual_rig.head_ends.fdm_bodies import About
        from virtual_rig.head_ends.handheld_api import make_handheld_app

        served = context.part(self.fdm, FdmPart)
        air = context.part(self.endpoints, EndpointsPart).air
        radio = HandheldRadio(air, context.rig, sender=self.serial)
        tool = Handheld(context.world, served.server, radio, serial=self.serial)
        token = context.demo_secret(f"{name}.automation_token").hex()
        about = About(serial=self.serial, model="Field Tools handheld (virtual)", firmware="stand-in")
        return BuiltPart(
            model=tool,
            bench={
                "role": "field_tool",
                "adapter": "field_tools",
                "identity": {"serial": self.serial},
            },
            endpoints=(
                context.http(name, MAIN, lambda: make_handheld_app(tool, token, about), port=self.tcp_port),
            ),
            secrets={
                "automation_token": token,
                **{f"{user}.password": password for user, password in served.passwords.items()},
            },
        )
