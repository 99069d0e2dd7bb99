"""What Field Tools does at a device: finds out what it needs, opens sessions unasked, uses up material.

The user picks a command and nothing else: keys and authorizations come from the store by themselves. A
command that was answered is used up, a replay too; one that was refused or that nobody answered is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from adapters.errors import Refused
from adapters.protocols.endpoint_link.material import Kind, Material, ReadingKey
from adapters.protocols.endpoint_link.messages import (
    Answer,
    CloseSessionRequest,
    CommandRequest,
    DataAnswer,
    DoneAnswer,
    OpenSessionRequest,
    ReadRequest,
    RefusedAnswer,
    Request,
    SealedDataAnswer,
    SecureCommandRequest,
    StatusAnswer,
    StatusRequest,
)
from adapters.protocols.endpoint_link.readings import Reading, decode_reading, unseal
from adapters.protocols.endpoint_link.words import Command, Level, Reason, SecurityClass, Switch
from virtual_rig.secured.conversation import Script
from virtual_rig.secured.needs import kind_needed
from virtual_rig.secured.permissions import SECURED, SWITCHING
from virtual_rig.secured.store import MaterialStore
from virtual_rig.world import World

A = TypeVar("A", bound=Answer)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the screen shows after a command."""

    endpoint: int
    command: Command
    replay: bool
    information: str
    executions: int  # -1 where the answer tells none
    typed: tuple[str, ...] = ()


class Rules(Protocol):
    """What the application lets its user do."""

    def check_listed(self, endpoint: int, status: StatusAnswer) -> None:
        """Raise Refused ``not-listed`` for a secured device that may not be worked with."""
        ...

    def may(self, status: StatusAnswer, command: Command) -> bool:
        """Tell whether the user has the permission."""
        ...


class FieldWork:
    """Scripts for a ``HandheldRadio``."""

    def __init__(self, world: World, store: MaterialStore, rules: Rules) -> None:
        self._world, self._store, self._rules = world, store, rules

    def menu(self, endpoint: int) -> Script[tuple[Command, ...]]:
        """Find out what the action command menu offers this user."""
        status = yield from self._look(endpoint)
        return tuple(command for command in menu_of(status) if self._rules.may(status, command))

    def perform(self, endpoint: int, command: Command) -> Script[Outcome]:
        """Perform a command, with whatever it takes. Raises Refused."""
        status = yield from self._look(endpoint)
        if command not in menu_of(status):
            raise Refused("not-on-menu", f"{command.word} is not on the menu of device {endpoint:08d}")
        if not self._rules.may(status, command):
            raise Refused("not-permitted", f"the user may not {command.word}")
        match kind_needed(status.level, command):
            case Kind.COMMAND:
                return (yield from self._secure(endpoint, command))
            case Kind.AUTHORIZATION if not status.session_open or command is Command.OPEN_SESSION:
                opened = yield from self._open_session(endpoint)
                if opened.replay or command is Command.OPEN_SESSION:
                    return opened
        if command is Command.READ:
            return (yield from self._read(endpoint, status.level))
        request = (
            CloseSessionRequest() if command is Command.CLOSE_SESSION else CommandRequest(command=command)
        )
        return _outcome(endpoint, (yield from _asked(request, DoneAnswer)))

    def _look(self, endpoint: int) -> Script[StatusAnswer]:
        status = yield from _asked(StatusRequest(), StatusAnswer)
        self._rules.check_listed(endpoint, status)
        return status

    def _secure(self, endpoint: int, command: Command) -> Script[Outcome]:
        piece = self._found(endpoint, Kind.COMMAND, command)
        request = SecureCommandRequest(command=command, material=piece.encode())
        return _outcome(endpoint, (yield from self._used(piece, request)))

    def _open_session(self, endpoint: int) -> Script[Outcome]:
        """Open a session; an authorization that another handheld has used is followed by the next one."""
        self._found(endpoint, Kind.AUTHORIZATION)
        for piece in self._store.find(endpoint, Kind.AUTHORIZATION):
            answer = yield from self._used(piece, OpenSessionRequest(material=piece.encode()))
            if not answer.replay:
                break
        return _outcome(endpoint, answer)

    def _used(self, piece: Material, request: Request) -> Script[DoneAnswer]:
        """Send a piece; once the endpoint has taken it, or says it is too old, it is used up."""
        try:
            answer = yield from _asked(request, DoneAnswer)
        except Refused as refusal:
            if refusal.reason == Reason.EXPIRED.word:
                self._store.use_up(piece)
            raise
        if self._world.obeys("IT-CMD-12"):
            self._store.use_up(piece)
        return answer

    def _read(self, endpoint: int, level: Level) -> Script[Outcome]:
        typed: tuple[str, ...] = ()
        if level is Level.FULL_SECURITY:
            self._found(endpoint, Kind.READING_KEY)
            if not self._world.obeys("IT-SEC-20"):
                typed = ("reading-key",)  # asks the user for what it has in its store
        answer = yield from _asked(ReadRequest(), (DataAnswer, SealedDataAnswer))
        reading: Reading | None
        if isinstance(answer, DataAnswer):
            reading = decode_reading(answer.reading)
        else:
            assert isinstance(answer, SealedDataAnswer)
            key = next(iter(self._store.find(endpoint, Kind.READING_KEY)), None)
            reading = unseal(answer.sealed, key.key, endpoint) if isinstance(key, ReadingKey) else None
        if reading is None:
            raise Refused(Reason.KEY_REQUIRED.word, f"the reading of {endpoint:08d} cannot be decoded")
        return Outcome(
            endpoint=endpoint,
            command=Command.READ,
            replay=False,
            information=f"consumption {reading.consumption}",
            executions=-1,
            typed=typed,
        )

    def _found(self, endpoint: int, kind: Kind, command: Command | None = None) -> Material:
        pieces = self._store.find(endpoint, kind, command)
        if not pieces:
            raise Refused(
                "no-material", f"no {kind.name.lower().replace('_', ' ')} for device {endpoint:08d}"
            )
        return pieces[0]


def menu_of(status: StatusAnswer) -> tuple[Command, ...]:
    """Return the action command menu of a device, before permissions.

    A device that is ready to secure refuses to connect and disconnect, but has them on its menu; Close
    Session is there while a session is open.
    """
    menu: tuple[Command, ...] = (Command.READ, Command.CHECK, Command.PROGRAM, Command.RESET)
    if status.security_class is not SecurityClass.BASIC and status.switch is not Switch.NONE:
        menu += SWITCHING
    if status.level in SECURED:
        menu += (Command.CLOSE_SESSION if status.session_open else Command.OPEN_SESSION,)
    return menu


def _asked(request: Request, expected: type[A] | tuple[type[A], ...]) -> Script[A]:
    """Ask an endpoint. Raises Refused with its reason, ``no-answer`` where it gives none."""
    answer = yield request
    if answer is None:
        raise Refused("no-answer", "the device does not answer")
    if isinstance(answer, RefusedAnswer):
        raise Refused(answer.reason.word, "by the device")
    assert isinstance(answer, expected)  # the engine lets nothing else through
    return answer


def _outcome(endpoint: int, answer: DoneAnswer) -> Outcome:
    return Outcome(
        endpoint=endpoint,
        command=answer.command,
        replay=answer.replay,
        information=answer.information,
        executions=answer.executions,
    )
