"""Who may do what: the password levels of a profile and the lock-out after wrong passwords.

Levels are those of the meter, whatever the port. A lock-out concerns the meter, not a session, and a power
cut does not lift it early.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from adapters.profiles.ansi import ALL, AnsiLevel, AnsiProfile
from virtual_rig.wire import Scheduler

NO_LEVEL = ""


class PasswordAnswer(Enum):
    """What came of a password."""

    TAKEN = "taken"
    WRONG = "wrong"
    LOCKED = "locked"


class Access:
    """The passwords of one meter. ``event`` hears ``wrong_password`` and ``locked_out``."""

    def __init__(
        self,
        profile: AnsiProfile,
        passwords: Mapping[str, bytes],
        scheduler: Scheduler,
        event: Callable[[str], None],
    ) -> None:
        self._profile, self._scheduler, self._event = profile, scheduler, event
        self._passwords = {level: _bare(octets) for level, octets in passwords.items()}
        self._wrong = 0
        self._locked_until_s = 0.0

    @property
    def locked(self) -> bool:
        """Whether no password is taken at the moment."""
        return self._scheduler.now_s() < self._locked_until_s

    def level_of(self, password: bytes) -> tuple[PasswordAnswer, str]:
        """Return what comes of a password, and the level it opens."""
        if self.locked:
            return PasswordAnswer.LOCKED, NO_LEVEL
        given = _bare(password)
        for level in self._profile.levels:
            if given and given == self._passwords.get(level):
                self._wrong = 0
                return PasswordAnswer.TAKEN, level
        self._wrong += 1
        self._event("wrong_password")
        rules = self._profile.lock_out
        if rules is not None and self._wrong >= rules.attempts:
            self._wrong = 0
            self._locked_until_s = self._scheduler.now_s() + rules.seconds
            self._event("locked_out")
        return PasswordAnswer.WRONG, NO_LEVEL

    def may_read(self, level: str, table: str) -> bool:
        """Return whether ``level`` may read a table."""
        return _has(self._rights(level).read, table)

    def may_write(self, level: str, table: str) -> bool:
        """Return whether ``level`` may write a table; asking for a procedure is open to every level."""
        if table == "procedure_initiate":
            return level != NO_LEVEL
        return _has(self._rights(level).write, table)

    def may_run(self, level: str, procedure: str) -> bool:
        """Return whether ``level`` may run a procedure."""
        return _has(self._rights(level).run, procedure)

    def _rights(self, level: str) -> AnsiLevel:
        return self._profile.levels.get(level, self._profile.without_password)


def _has(names: tuple[str, ...], name: str) -> bool:
    return ALL in names or name in names


def _bare(password: bytes) -> bytes:
    """Return a password without its padding: meters pad with NUL or with spaces, and take either."""
    return password.rstrip(b"\0 ")
