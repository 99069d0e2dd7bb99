"""Secured endpoints as a part of a site: a table of them, and the test radio that reaches them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from adapters.errors import BenchError
from adapters.protocols.endpoint_link.material import MAX_TIMEOUT_S, MIN_TIMEOUT_S
from adapters.protocols.endpoint_link.words import Level, SecurityClass, Switch
from virtual_rig.parts.base import BuiltPart, Endpoint, PartEntry, SerialWire, SiteContext, SiteModel
from virtual_rig.secured.air import RADIO_BAUD, Air, RadioPort
from virtual_rig.secured.authority import SecurityAuthority
from virtual_rig.secured.endpoint import LEVELS_OF, EndpointSetup, SecuredEndpoint

EndpointId = Annotated[str, StringConstraints(pattern=r"^\d{8,10}$")]


class EndpointEntry(SiteModel):
    """One endpoint. ``level`` is left out where its class has only one."""

    type: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    security: Literal["basic", "enhanced", "network-mode"]
    level: Literal["ready-to-secure", "command-security", "full-security"] | None = None
    session_timeout_s: int = Field(default=3600, ge=MIN_TIMEOUT_S, le=MAX_TIMEOUT_S)
    switch: Literal["connected", "disconnected", "none"] = "connected"
    readable: bool = True  # False: its counters cannot be read over the air
    consumption: int = Field(default=0, ge=0, le=0xFFFF_FFFF)
    program_revision: int = Field(default=1, ge=0, le=1_000_000)
    tampers: int = Field(default=0, ge=0, le=1000)
    false_replay: tuple[int, ...] = ()  # which of its fresh secure commands it takes for a replay, from 1 on

    def setup(self, name: str, false_replay: tuple[int, ...]) -> EndpointSetup:
        """Return it as the model takes it. Raises BenchError for a level its class does not have."""
        security = SecurityClass.of(self.security)
        levels = LEVELS_OF[security]
        level = Level.of(self.level) if self.level is not None else levels[0]
        if level not in levels:
            raise BenchError(f"endpoint {name}: {self.security} knows no level {self.level}")
        return EndpointSetup(
            id=int(name),
            type=self.type,
            security_class=security,
            level=level,
            session_timeout_s=self.session_timeout_s,
            switch=Switch.of(self.switch),
            readable=self.readable,
            consumption=self.consumption,
            program_revision=self.program_revision,
            tampers=self.tampers,
            false_replay=self.false_replay + false_replay,
        )


@dataclass(frozen=True, kw_only=True)
class EndpointsPart:
    """The endpoints of a site, and the air they share."""

    air: Air
    radio: RadioPort

    def endpoint(self, number: int | str) -> SecuredEndpoint:
        """Return an endpoint by its id."""
        return self.air.endpoints[int(number)]


class EndpointsEntry(PartEntry):
    """Endpoints, and a test radio on a serial port. ``authority`` issues what they trust; it stands above.

    ``fdm`` names the server a lab's own material is fetched from, where the site has one.
    Fault: ``false_replay=<endpoint>:<n>``, its n-th fresh secure command is taken for a replay.
    """

    model: Literal["endpoints"]
    authority: str = "ism"
    fdm: str | None = None
    radio_serial: str = Field(default="R0001", pattern=r"^[A-Z0-9-]{1,20}$")
    wire: SerialWire = "virt"
    endpoints: dict[EndpointId, EndpointEntry]

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make the endpoints and the radio."""
        # mypy does not take a Protocol for a type[T]; ``part`` only asks isinstance of it
        authority = context.part(self.authority, SecurityAuthority)  # type: ignore[type-abstract]
        air = Air(context.rig)
        for number, entry in self.endpoints.items():
            mistaken = context.faults.number("false_replay", number)
            setup = entry.setup(number, () if mistaken is None else (int(mistaken),))
            air.add(SecuredEndpoint(setup, world=context.world, authority=authority))
        radio = RadioPort(air, context.rig, serial=self.radio_serial)
        links = [context.serial(name, "radio", radio, self.wire)]
        secrets = {
            f"{number}.reading_key": authority.reading_key(int(number)).hex()
            for number, entry in self.endpoints.items()
            if entry.security == "enhanced"
        }
        if self.fdm is not None:
            context.part(self.fdm, object)  # or there is none of that name
            served = context.parts[self.fdm]
            if "lab_token" not in served.secrets:
                raise BenchError(f"site {context.site}: {self.fdm} has nothing for a lab's radio")
            secrets["token"] = served.secrets["lab_token"]
            links += [
                Endpoint(device=name, link="fdm", server=each.server, url=each.url)
                for each in served.endpoints[:1]
            ]
        return BuiltPart(
            model=EndpointsPart(air=air, radio=radio),
            bench={
                "role": "endpoint_radio",
                "adapter": "endpoint_radio",
                "identity": {"serial": self.radio_serial},
            },
            endpoints=tuple(links),
            link_options={"radio": {"baud": str(RADIO_BAUD)}},
            secrets=secrets,
        )
