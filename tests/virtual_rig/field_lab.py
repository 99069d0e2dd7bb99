"""ISM, the FDM Tools server, endpoints and two handhelds, without HTTP: models and the air between."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TypeVar

from adapters.errors import Refused
from adapters.protocols.endpoint_link.material import Kind, Material
from adapters.protocols.endpoint_link.words import Command, Level, SecurityClass, Switch
from virtual_rig.clock import VirtualClock
from virtual_rig.secured.air import Air
from virtual_rig.secured.conversation import HandheldRadio, Talk
from virtual_rig.secured.endpoint import EndpointSetup, SecuredEndpoint
from virtual_rig.secured.fdm import Account, Bundle, FdmServer, Wanted, what_it_is
from virtual_rig.secured.field_work import Outcome
from virtual_rig.secured.handheld import Handheld
from virtual_rig.secured.ism import Order, SecurityManager
from virtual_rig.world import World

T = TypeVar("T")
BASIC, READY, COMMAND, FULL, NETWORK, TWIN, GAS, GONE = 1, 2, 3, 4, 5, 6, 7, 99
METER, ERT = "electric-meter", "gas-ert"
FSR, READER = "fsr", "reader"
CONNECT, DISCONNECT, READ = Command.CONNECT, Command.DISCONNECT, Command.READ
CHECK, PROGRAM, RESET = Command.CHECK, Command.PROGRAM, Command.RESET

LEVELS = {
    BASIC: (SecurityClass.BASIC, Level.BASIC),
    READY: (SecurityClass.ENHANCED, Level.READY_TO_SECURE),
    COMMAND: (SecurityClass.ENHANCED, Level.COMMAND_SECURITY),
    FULL: (SecurityClass.ENHANCED, Level.FULL_SECURITY),
    NETWORK: (SecurityClass.NETWORK_MODE, Level.NETWORK_MODE),
    TWIN: (SecurityClass.ENHANCED, Level.COMMAND_SECURITY),
    GAS: (SecurityClass.ENHANCED, Level.FULL_SECURITY),
}


def password(user: str) -> str:
    """Return a user's password in these tests."""
    return f"{user}-password"


def token(user: str) -> str:
    """Return the token a user gets in these tests."""
    return f"{user}-token"


def device(endpoint: int, kind: str = "") -> Wanted:
    """Return a line of the Request tab."""
    return Wanted(endpoint=endpoint, device_type=kind or (ERT if endpoint == GAS else METER))


@dataclass
class FieldLab:
    """Everything, with one behaviour broken, or none."""

    broken: str = ""
    clock: VirtualClock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        ids = frozenset({self.broken}) if self.broken else frozenset()
        self.world = World(scheduler=self.clock, broken=ids)
        self.air = Air(self.clock)
        self.ism = SecurityManager(
            self.world,
            issuer=1,
            signing_seed=bytes(range(48)),
            reading_key_of=lambda endpoint: hashlib.sha256(bytes((endpoint,))).digest()[:16],
            fleet=lambda: self.air.endpoints.values(),
        )
        for number, (security_class, level) in LEVELS.items():
            setup = EndpointSetup(
                id=number,
                type=device(number).device_type,
                security_class=security_class,
                level=level,
                switch=Switch.NONE if number == GAS else Switch.CONNECTED,
                consumption=1000 + number,
            )
            self.air.add(SecuredEndpoint(setup, world=self.world, authority=self.ism))
        accounts = (
            Account(name=FSR, password=password(FSR), token=token(FSR)),
            Account(name=READER, password=password(READER), token=token(READER), permissions=(READ, CHECK)),
        )
        self.server = FdmServer(self.world, self.ism, accounts)
        self.a, self.b = (
            Handheld(
                self.world,
                self.server,
                HandheldRadio(self.air, self.clock, sender=serial),
                serial=serial,
            )
            for serial in ("FT-A", "FT-B")
        )

    def __enter__(self) -> FieldLab:
        return self

    def __exit__(self, *_: object) -> None:
        self.clock.close()

    # -- office

    def order(self, *endpoints: int, commands: tuple[Command, ...], copies: int = 1) -> tuple[Material, ...]:
        """Have material issued, as the security officer."""
        return self.server.issue(Order(endpoints=endpoints, commands=commands, copies=copies))[1]

    # -- field

    def ready(self, *endpoints: int, tool: Handheld | None = None, user: str = FSR) -> Bundle:
        """Log a user in and request material for devices."""
        at = tool if tool is not None else self.a
        at.log_in(user, password(user))
        return at.request(map(device, endpoints))

    def perform(self, endpoint: int, command: Command, tool: Handheld | None = None) -> Outcome | str:
        """Perform a command; return what the screen shows, or the reason it gives for not doing it."""
        at = tool if tool is not None else self.a
        try:
            return self.result(at.perform(endpoint, command))
        except Refused as refusal:
            return refusal.reason

    def menu(self, endpoint: int) -> tuple[Command, ...] | str:
        """Open the action menu on handheld A."""
        try:
            return self.result(self.a.look_at_menu(endpoint))
        except Refused as refusal:
            return refusal.reason

    def result(self, talk: Talk[T]) -> T:
        """Wait for a talk. Raises Refused as it was."""
        self.clock.sleep_s(10)
        if talk.refusal is not None:
            raise talk.refusal
        assert talk.result is not None
        return talk.result

    def current(self, tool: Handheld | None = None) -> list[tuple[int, Command]]:
        """Return what the Current Commands tab shows."""
        at = tool if tool is not None else self.a
        return [(entry.endpoint, entry.command) for entry in at.current_commands()]

    def executions(self, endpoint: int) -> int:
        """Return how many commands an endpoint has carried out: the truth, not what it says."""
        return self.air.endpoints[endpoint].executions


def reason(action: object, *arguments: object, **named: object) -> str:
    """Call something and return the reason it is refused for, empty where it is not."""
    assert callable(action)
    try:
        action(*arguments, **named)
    except Refused as refusal:
        return refusal.reason
    return ""


def kinds(pieces: tuple[Material, ...]) -> list[tuple[int, Kind, Command | None]]:
    """Return what pieces are, sorted."""
    return sorted((piece.endpoint, *what_it_is(piece)) for piece in pieces)
