"""What an endpoint's level lets anybody do: its action command menu, and what it refuses without material.

Where the pages leave something open, this is what the model does (assumed):

- Connect and disconnect are not on a basic device's menu, which reconciles "all commands of its menu" with
  "never without security"; nor on that of a device without a switch. At ready to secure they are not to be
  had even with a valid secure command.
- A signed authorization opens a session at command and full security too. It unlocks what is on the menu save
  connect and disconnect, which always want a secure command of their own (after the vendor's older pages).
- In network mode an open session unlocks everything; without one even a valid secure command is refused.
- Reading is a request of its own, not a command: see ``SecuredEndpoint``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from adapters.protocols.endpoint_link.words import Command, Level, Reason
from virtual_rig.world import World

SECURED: Final = (Level.COMMAND_SECURITY, Level.FULL_SECURITY, Level.NETWORK_MODE)
SWITCHING: Final = (Command.CONNECT, Command.DISCONNECT)
SESSIONS: Final = (Command.OPEN_SESSION, Command.CLOSE_SESSION)


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """The rules as they are at one moment. Each method returns why not, None where nothing is against it."""

    world: World
    level: Level
    has_switch: bool
    session_open: bool

    @property
    def menu(self) -> tuple[Command, ...]:
        """The action command menu."""
        menu: tuple[Command, ...] = (Command.READ, Command.CHECK, Command.PROGRAM, Command.RESET)
        if self.level in SECURED:
            menu += (SWITCHING if self.has_switch else ()) + SESSIONS
        return menu

    def against_reading(self) -> Reason | None:
        """Tell about reading, whatever the reading is worth without a key."""
        locked = self.level is Level.NETWORK_MODE and not self.session_open
        return Reason.SESSION_REQUIRED if locked else None

    def against_unsigned(self, command: Command) -> Reason | None:
        """Tell about a command without any material."""
        match self.level:
            case _ if command is Command.READ:
                return Reason.NOT_AVAILABLE
            case Level.BASIC:
                return self._basic(command)
            case Level.READY_TO_SECURE:
                return self._ready_to_secure(command)
            case _ if command not in self.menu:
                return Reason.NOT_AVAILABLE
            case _ if command is Command.OPEN_SESSION:
                return Reason.SECURE_COMMAND_REQUIRED
            case Level.NETWORK_MODE:
                return self._network_mode(command)
            case _ if command is Command.CLOSE_SESSION:
                return None if self.session_open else Reason.SESSION_REQUIRED
            case _:
                return self._command_or_full(command)

    def against_secure(self, command: Command) -> Reason | None:
        """Tell about a command whatever its material says."""
        if self.level is Level.BASIC or command not in self.menu:
            return Reason.NOT_AVAILABLE
        if command in (Command.READ, Command.OPEN_SESSION):
            return Reason.NOT_AVAILABLE  # requests of their own
        needs_session = self.level is Level.NETWORK_MODE or command is Command.CLOSE_SESSION
        return Reason.SESSION_REQUIRED if needs_session and not self.session_open else None

    def _basic(self, command: Command) -> Reason | None:
        if command is Command.RESET and not self.world.obeys("IT-SEC-02"):
            return Reason.SECURE_COMMAND_REQUIRED
        if command in SWITCHING and self.has_switch and not self.world.obeys("IT-SEC-09"):
            return None  # there is a switch, so it is moved
        return None if command in self.menu else Reason.NOT_AVAILABLE

    def _ready_to_secure(self, command: Command) -> Reason | None:
        if command is Command.PROGRAM and not self.world.obeys("IT-SEC-07"):
            return Reason.SECURE_COMMAND_REQUIRED
        if command is Command.DISCONNECT and self.has_switch and not self.world.obeys("IT-SEC-08"):
            return None
        return None if command in self.menu else Reason.NOT_AVAILABLE

    def _command_or_full(self, command: Command) -> Reason | None:
        if self.session_open and command not in SWITCHING:
            return None
        if self.level is Level.COMMAND_SECURITY:
            gap = command is Command.PROGRAM and not self.world.obeys("IT-SEC-10")
        else:
            gap = command is Command.CHECK and not self.world.obeys("IT-SEC-12")
        return None if gap else Reason.SECURE_COMMAND_REQUIRED

    def _network_mode(self, command: Command) -> Reason | None:
        if command is Command.CHECK and not self.world.obeys("IT-SEC-17"):
            return None  # diagnostics are thought harmless
        return None if self.session_open else Reason.SESSION_REQUIRED
