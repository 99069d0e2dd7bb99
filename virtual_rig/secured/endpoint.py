"""A meter or ERT with one of the three security features: what it does and what it remembers.

What it lets anybody do is in ``Permissions``. Where the pages leave more open, the model (assumed):

- A session lasts as long as its authorization says, and never longer than the endpoint is configured for.
- Authorizations are used up like secure commands. A replay is recognised before its expiry is looked at.
- A reading is no command: it counts no execution. At full security it comes sealed with the reading key, to
  whoever asks; it says nothing without the key.
- The level is changed on request while security is not enabled, and within a session otherwise; a change
  ends the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from adapters.errors import RemoteProtocolError
from adapters.protocols.endpoint_link import material
from adapters.protocols.endpoint_link.material import SecureCommand, Signed, SignedAuthorization
from adapters.protocols.endpoint_link.messages import (
    Answer,
    CloseSessionRequest,
    CommandRequest,
    DataAnswer,
    DoneAnswer,
    IdentifyRequest,
    OpenSessionRequest,
    ReadRequest,
    RefusedAnswer,
    Request,
    SealedDataAnswer,
    SecureCommandRequest,
    SetLevelRequest,
    StatusAnswer,
    StatusRequest,
)
from adapters.protocols.endpoint_link.readings import Reading, seal
from adapters.protocols.endpoint_link.words import Command, Level, Reason, SecurityClass, Switch
from virtual_rig.secured.authority import SecurityAuthority
from virtual_rig.secured.ledger import Ledger
from virtual_rig.secured.permissions import SECURED, Permissions
from virtual_rig.secured.session import Session
from virtual_rig.world import World

S = TypeVar("S", SecureCommand, SignedAuthorization)
LEVELS_OF: Final = {
    SecurityClass.BASIC: (Level.BASIC,),
    SecurityClass.ENHANCED: (Level.READY_TO_SECURE, Level.COMMAND_SECURITY, Level.FULL_SECURITY),
    SecurityClass.NETWORK_MODE: (Level.NETWORK_MODE,),
}


@dataclass(frozen=True, kw_only=True)
class EndpointSetup:
    """An endpoint as it leaves the shop."""

    id: int
    type: str
    security_class: SecurityClass
    level: Level
    session_timeout_s: int = 3600
    switch: Switch = Switch.CONNECTED
    readable: bool = True  # False: its counters cannot be read over the air
    consumption: int = 0
    program_revision: int = 1
    tampers: int = 0
    false_replay: tuple[int, ...] = ()


class SecuredEndpoint:
    """One endpoint. Who sends a request makes no difference to what is done."""

    def __init__(self, setup: EndpointSetup, *, world: World, authority: SecurityAuthority) -> None:
        self.setup, self._world, self._authority = setup, world, authority
        self.level, self.switch = setup.level, setup.switch
        self.executions = 0
        self.program_revision, self.tampers = setup.program_revision, setup.tampers
        self.consumption = setup.consumption
        self.session = Session(world)
        self.ledger = Ledger(world, setup.false_replay)
        self._records = 0  # answers to commands so far: no two pieces of information are the same
        self._sealed = 0
        self._last_information = ""

    @property
    def permissions(self) -> Permissions:
        """The rules as they are now."""
        return Permissions(
            world=self._world,
            level=self.level,
            has_switch=self.switch is not Switch.NONE,
            session_open=self.session.is_open,
        )

    def handle(self, request: Request, sender: str) -> Answer:
        """Carry out a request, or refuse it, and return the answer."""
        match request:
            case StatusRequest():
                return self.status()
            case ReadRequest():
                return self._read()
            case CommandRequest():
                return self._unsigned(request.command)
            case CloseSessionRequest():
                return self._unsigned(Command.CLOSE_SESSION)
            case SecureCommandRequest():
                return self._secure(request, sender)
            case OpenSessionRequest():
                return self._open_session(request, sender)
            case SetLevelRequest():
                return self._set_level(request.level)
            case IdentifyRequest():
                return RefusedAnswer(reason=Reason.NOT_AVAILABLE)

    def status(self) -> StatusAnswer:
        """Return what the endpoint tells anybody."""
        security_class, enabled = self.setup.security_class, self.level in SECURED
        if self.level is Level.READY_TO_SECURE:
            if not self._world.obeys("IT-SEC-01"):
                security_class = SecurityClass.BASIC  # goes by the level, not by what it was made with
            if not self._world.obeys("IT-SEC-06"):
                enabled = True  # keys are installed, and that is taken for security being enabled
        return StatusAnswer(
            device_type=self.setup.type,
            security_class=security_class,
            level=self.level,
            security_enabled=enabled,
            session_open=self.session.is_open,
            modes=len(LEVELS_OF[self.setup.security_class]),
            switch=self.switch,
            executions=self._told(self.executions),
            program_revision=self._told(self.program_revision),
            tampers=self._told(self.tampers),
            session_timeout_s=self.setup.session_timeout_s,
        )

    # -- reading

    def _read(self) -> Answer:
        if (refusal := self.permissions.against_reading()) is not None:
            return RefusedAnswer(reason=refusal)
        self.session.acted_in()
        reading = Reading(consumption=self.consumption, at=self._world.scheduler.utc_now())
        sealed = self.level is Level.FULL_SECURITY and self._world.obeys("IT-SEC-14")
        if self.level is Level.COMMAND_SECURITY and not self._world.obeys("IT-SEC-15"):
            sealed = True
        if not sealed:
            return DataAnswer(reading=reading.encode())
        self._sealed += 1
        key = self._authority.reading_key(self.setup.id)
        return SealedDataAnswer(sealed=seal(reading, key, self.setup.id, self._sealed))

    # -- commands without material

    def _unsigned(self, command: Command) -> Answer:
        refusal = self.permissions.against_unsigned(command)
        return RefusedAnswer(reason=refusal) if refusal is not None else self._carry_out(command)

    # -- commands with material

    def _secure(self, request: SecureCommandRequest, sender: str) -> Answer:
        if (refusal := self.permissions.against_secure(request.command)) is not None:
            return RefusedAnswer(reason=refusal)
        found = self._authorized(request.material, SecureCommand)
        if isinstance(found, Reason):
            return RefusedAnswer(reason=found)
        if found.command is not request.command:
            return RefusedAnswer(reason=Reason.BAD_AUTHORIZATION)
        if (replay := self._replay(found, sender)) is not None:
            return replay
        if self._world.scheduler.utc_now() > found.not_after:
            return RefusedAnswer(reason=Reason.EXPIRED)
        if self.ledger.mistakes():
            return self._false_replay(found, sender)
        answer = self._carry_out(found.command, signed=True)
        self.ledger.use_up(found.number, sender, answer)
        return answer

    def _open_session(self, request: OpenSessionRequest, sender: str) -> Answer:
        if self.level not in SECURED:
            return RefusedAnswer(reason=Reason.NOT_AVAILABLE)
        if not request.material:
            return RefusedAnswer(reason=Reason.SECURE_COMMAND_REQUIRED)
        checked = self.level is not Level.NETWORK_MODE or self._world.obeys("IT-SEC-18")
        found = self._authorized(request.material, SignedAuthorization, signature=checked)
        if isinstance(found, Reason):
            return RefusedAnswer(reason=found)
        if (replay := self._replay(found, sender)) is not None:
            return replay
        if self._world.scheduler.utc_now() > found.not_after:
            return RefusedAnswer(reason=Reason.EXPIRED)
        if self.level is not Level.FULL_SECURITY or self._world.obeys("IT-SEC-13"):
            self.session.open(min(found.timeout_s, self.setup.session_timeout_s))
        answer = self._carry_out(Command.OPEN_SESSION)
        self.ledger.use_up(found.number, sender, answer)
        return answer

    def _authorized(self, octets: bytes, kind: type[S], *, signature: bool = True) -> S | Reason:
        """Return the material where it is ISM's, for this endpoint and of this kind."""
        try:
            found = material.decode(octets)
        except RemoteProtocolError:
            return Reason.BAD_AUTHORIZATION
        if not isinstance(found, kind) or found.issuer != self._authority.issuer:
            return Reason.BAD_AUTHORIZATION
        if found.endpoint != self.setup.id:
            return Reason.BAD_AUTHORIZATION
        if signature and not material.verify(found, self._authority.public_key):
            return Reason.BAD_AUTHORIZATION
        return found

    def _replay(self, found: Signed, sender: str) -> Answer | None:
        """Return the answer to a number used before; nothing is done."""
        first = self.ledger.answer_before(found.number, sender)
        if first is None:
            return None
        information = first.information
        if not self._world.obeys("IT-CMD-11"):
            self._carry_out(found.command, signed=True)  # answered rightly, but done once more
        if not self._world.obeys("IT-CMD-13"):
            information = self._information(found.command)
        flag = self._world.obeys("IT-CMD-14")
        return DoneAnswer(
            command=first.command, replay=flag, executions=first.executions, information=information
        )

    def _false_replay(self, found: SecureCommand, sender: str) -> Answer:
        """Answer a fresh command as if it had been used: the rare fault. It is lost for good."""
        information, executions = self._last_information, self.executions
        if not self._world.obeys("IT-CMD-16"):
            self._carry_out(found.command, signed=True)  # says it did nothing, and did it
        answer = DoneAnswer(
            command=found.command,
            replay=True,
            executions=self._told(executions),
            information=information,
        )
        self.ledger.use_up(found.number, sender, answer)
        return answer

    # -- what commands do

    def _carry_out(self, command: Command, *, signed: bool = False) -> DoneAnswer:
        stuck = False
        match command:
            case Command.PROGRAM:
                self.program_revision += 1
            case Command.RESET:
                self.tampers = 0
            case Command.CONNECT | Command.DISCONNECT:
                if signed and self.level is Level.COMMAND_SECURITY and command is Command.CONNECT:
                    stuck = not self._world.obeys("IT-SEC-11")  # acknowledged, and the switch stays
                if not stuck:
                    connected = command is Command.CONNECT
                    self.switch = Switch.CONNECTED if connected else Switch.DISCONNECTED
            case Command.CLOSE_SESSION:
                self.session.close()
        self.executions += 1
        self.session.acted_in()
        information = self._information(command)
        return DoneAnswer(
            command=command, replay=False, executions=self._told(self.executions), information=information
        )

    def _information(self, command: Command) -> str:
        """Return what the endpoint has to say about a command at this moment."""
        self._records += 1
        match command:
            case Command.CHECK | Command.PROGRAM:
                what = f"program revision {self.program_revision}"
            case Command.RESET:
                what = "tampers cleared"
            case Command.CONNECT | Command.DISCONNECT:
                what = f"switch {self.switch.word}"
            case _:
                what = f"session {'open' if self.session.is_open else 'closed'}"
        at = self._world.scheduler.utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self._last_information = f"{command.word}: {what}; record {self._records}; {at}"
        return self._last_information

    def _set_level(self, level: Level) -> Answer:
        if not self._may_be_set_to(level):
            return RefusedAnswer(reason=Reason.NOT_AVAILABLE)
        if self.level in SECURED and self.level is not Level.NETWORK_MODE and not self.session.is_open:
            return RefusedAnswer(reason=Reason.SESSION_REQUIRED)
        if level is Level.FULL_SECURITY and not self._world.obeys("IT-SEC-05"):
            level = Level.COMMAND_SECURITY  # knows one secured level only
        self.level = level
        self.session.close()
        return self.status()

    def _may_be_set_to(self, level: Level) -> bool:
        match self.setup.security_class:
            case SecurityClass.BASIC:
                return level in _ENHANCED and not self._world.obeys("IT-SEC-03")
            case SecurityClass.NETWORK_MODE:
                return level is Level.READY_TO_SECURE and not self._world.obeys("IT-SEC-16")
            case _:
                return level in _ENHANCED

    def _told(self, counter: int) -> int:
        return counter if self.setup.readable else -1


_ENHANCED = LEVELS_OF[SecurityClass.ENHANCED]
