"""A mobile device with the Field Tools application: its screens, its user, its store of material.

Its clock, battery and display are not modelled. What is not public is assumed:

- A log-in needs a connection and starts with an empty store; what was retrieved belongs to the session.
- What a tool has used it reports to the server when it next logs in or requests.
- Devices can be worked with when the Request tab has listed them, or when they run without security.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from adapters.errors import Refused
from adapters.protocols.endpoint_link.messages import StatusAnswer
from adapters.protocols.endpoint_link.words import Command, SecurityClass
from virtual_rig.secured.conversation import HandheldRadio, Talk
from virtual_rig.secured.fdm import Bundle, FdmServer, Wanted
from virtual_rig.secured.field_work import FieldWork, Outcome
from virtual_rig.secured.permissions import SECURED, SESSIONS
from virtual_rig.secured.store import Entry, MaterialStore
from virtual_rig.world import World

T = TypeVar("T")
TABS: Final = ("Request", "Current Commands")
INPUTS: Final = ("device_id", "device_type")
EMPTY: Final = Bundle(endpoints=(), not_needed=(), not_found=(), material=(), permitted=())


@dataclass(kw_only=True)
class _Session:
    """A user at the tool, as of his log-in and what he has requested since."""

    user: str
    token: str = field(repr=False)
    permissions: tuple[Command, ...]
    listed: set[int] = field(default_factory=set)
    latest: Bundle = EMPTY
    has_been_away: bool = False


class Handheld:
    """One handheld. Methods raise Refused with the reason the screen gives."""

    def __init__(self, world: World, server: FdmServer, radio: HandheldRadio, *, serial: str) -> None:
        self._world, self._server, self._radio, self.serial = world, server, radio, serial
        self.store = MaterialStore(world)
        self.online = True
        self._session: _Session | None = None
        self._talk: Talk[Any] | None = None

    # -- the user and the network

    @property
    def user(self) -> str:
        """The user who is logged in, empty where nobody is."""
        return self._session.user if self._session is not None else ""

    def log_in(self, user: str, password: str) -> str:
        """Log a user in. Raises Refused ``no-connection``, ``wrong-password``; nobody is logged in then."""
        self.log_out()
        if not self.online:
            raise Refused("no-connection", "a log-in needs the server")
        let_in = self._server.log_in(user, password, self.store.used)
        self.store.used.clear()
        self._session = _Session(user=let_in.user, token=let_in.token, permissions=let_in.permissions)
        self.store.take_in(let_in.pushed, {piece.endpoint for piece in let_in.pushed})
        return let_in.user

    def log_out(self) -> None:
        """Log the user out and forget his material."""
        self._session = None
        self.store.clear()

    def set_network(self, *, online: bool) -> bool:
        """Connect the tool to its server's network, or cut it off; return what it is then."""
        if self._session is not None and not online:
            self._session.has_been_away = True
            if not self._world.obeys("IT-CMD-02"):
                self.store.clear()  # what was retrieved is held for the connection's life only
        self.online = online
        return self.online

    # -- Request Commands

    def tabs(self) -> tuple[str, ...]:
        """Open the Request Commands function and return its tabs. Raises Refused ``not-logged-in``."""
        session = self._logged_in()
        if not self._world.obeys("IT-CMD-03") and not session.latest.endpoints:
            return TABS[:1]  # the second tab shows once there is something in it
        return TABS

    def request(self, wanted: Iterable[Wanted]) -> Bundle:
        """Retrieve material for the devices listed. Raises Refused ``no-connection``, ``not-logged-in``."""
        session = self._logged_in()
        if not self._reaches_server(session):
            if not self._world.obeys("IT-CMD-06"):
                return session.latest  # the answer of last time, from the cache
            raise Refused("no-connection", "the server cannot be reached")
        listed = tuple(wanted)
        session.latest = bundle = self._retrieve(session, listed)
        session.listed |= {each.endpoint for each in listed} - set(bundle.not_found)
        session.permissions = bundle.permitted
        return bundle

    def current_commands(self) -> tuple[Entry, ...]:
        """Open the Current Commands tab. Raises Refused ``not-logged-in``."""
        self._logged_in()
        return self.store.summary()

    # -- work

    def look_at_menu(self, endpoint: int) -> Talk[tuple[Command, ...]]:
        """Begin to find out what the action menu offers for an endpoint. Raises Refused, also ``busy``."""
        talk = Talk(endpoint, self._work().menu(endpoint))
        self._begin(talk)
        return talk

    def perform(self, endpoint: int, command: Command) -> Talk[Outcome]:
        """Begin to perform a command on an endpoint. Raises Refused, also ``busy``."""
        talk = Talk(endpoint, self._work().perform(endpoint, command))
        self._begin(talk)
        return talk

    # -- what field work asks of the tool

    def check_listed(self, endpoint: int, status: StatusAnswer) -> None:
        """Raise Refused ``not-listed`` for a secured device nobody has listed in the Request tab."""
        session = self._logged_in()
        if status.level not in SECURED or endpoint in session.listed:
            return
        if self._world.obeys("IT-CMD-10"):
            raise Refused("not-listed", f"device {endpoint:08d} has not been listed in the Request tab")
        if self._reaches_server(session):  # fetches what is missing as it goes
            self._retrieve(session, (Wanted(endpoint=endpoint, device_type=status.device_type),))

    def may(self, status: StatusAnswer, command: Command) -> bool:
        """Tell whether the user has the permission; closing and opening sessions goes with programming."""
        if status.security_class is SecurityClass.BASIC and not self._world.obeys("IT-SEC-04"):
            return True
        needed = Command.PROGRAM if command in SESSIONS else command
        return needed in self._logged_in().permissions

    # -- inside

    def _logged_in(self) -> _Session:
        if self._session is None:
            raise Refused("not-logged-in", "nobody is logged in")
        return self._session

    def _reaches_server(self, session: _Session) -> bool:
        if session.has_been_away and not self._world.obeys("IT-CMD-07"):
            return False  # takes the way back to the office for the only one to the server
        return self.online

    def _retrieve(self, session: _Session, wanted: tuple[Wanted, ...]) -> Bundle:
        bundle = self._server.request(session.token, wanted, self.store.used)
        self.store.used.clear()
        self.store.take_in(bundle.material, bundle.endpoints)
        return bundle

    def _work(self) -> FieldWork:
        self._logged_in()
        if self._talk is not None and not self._talk.done:
            raise Refused("busy", "a command is being performed")
        return FieldWork(self._world, self.store, self)

    def _begin(self, talk: Talk[T]) -> None:
        self._talk = talk
        self._radio.start(talk)
