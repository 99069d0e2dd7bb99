"""Locks that die with their process, and say who holds them: one run a folder, one run a bench."""

from __future__ import annotations

import getpass
import os
import platform
import tempfile
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from adapters.errors import BenchError


class BenchInUse(BenchError):
    """Another run has the bench."""


class OwnedLock:
    """A lock file held by one process. The operating system frees it with the process, however that ends.

    Who holds it stands in a file beside it, for the message the other one gets.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_suffix(".owner")
        self._lock = FileLock(path, mode=0o666)

    def acquire(self, note: str) -> bool:
        """Take the lock if it is free, and return whether it was."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        self._note.write_text(note + "\n", "utf-8")
        return True

    def try_only(self) -> bool:
        """Return whether the lock is free, without keeping it or writing who asked."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        self._lock.release()
        return True

    def release(self) -> None:
        """Let go; doing so twice is harmless."""
        if self._lock.is_locked:
            self._note.unlink(missing_ok=True)
        self._lock.release()

    def owner(self) -> str:
        """Return `` (who holds it)`` for a message, or nothing where that is not known."""
        try:
            return f" ({self._note.read_text('utf-8').strip()})"
        except (OSError, UnicodeDecodeError):
            return ""


def who(since: datetime) -> str:
    """Return what an owner writes down: process, user, host and since when."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return f"process {os.getpid()}, user {user} on {platform.node()}, since {since:%Y-%m-%d %H:%M:%S} UTC"


def lock_bench(name: str, since: datetime, folder: Path | None = None) -> OwnedLock:
    """Take a bench for one run. Raises BenchInUse naming who has it.

    Real devices stand still for nobody: two runs on one bench would measure each other.
    """
    base = folder if folder is not None else Path(tempfile.gettempdir()) / "meterbench-locks"
    base.mkdir(parents=True, exist_ok=True)
    safe = "".join(character if character.isalnum() or character in "-_." else "_" for character in name)
    lock = OwnedLock(base / f"{safe}.lock")
    if not lock.acquire(who(since)):
        raise BenchInUse(f"bench {name} is in use by another run{lock.owner()}")
    return lock
