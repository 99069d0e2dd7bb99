"""A terminal with a person in front of it: the one a run was started from, or another of this machine.

The stream carries lines: the kernel echoes and edits what is typed and hands it over with Enter. The terminal
is opened by its name and never through standard input or output, which pytest takes away; it gets its former
settings back when the stream is closed, so it should be open only while somebody is asked.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from adapters.base import Clock, Tap, Wire
from adapters.errors import BenchError, ConnectError
from adapters.transports.stream import FdStream

if sys.platform != "win32":
    import termios

OWN = "/dev/tty"
"""The controlling terminal of this process, whatever its streams are connected to."""

DEFAULT_COLUMNS = 80
_CTRL_C = b"\x03"
_FAR_END = "a person"


class TerminalTransport(FdStream):
    """A line-oriented stream to the person at a terminal. What was typed before it was opened is thrown away.

    Ctrl-C means the same at every terminal: SIGINT to this process. At the run's own terminal the kernel
    sees to that; at another one, whose Ctrl-C would go to the shell that sleeps there, ``read`` does.
    """

    _own: bool

    @classmethod
    def open(
        cls,
        *,
        device: str = "",
        clock: Clock,
        tap: Tap | None = None,
        lend: Callable[[], Callable[[], None]] | None = None,
    ) -> TerminalTransport:
        """Open the terminal ``device``; empty: the one this process was started from.

        ``lend`` is called where it is this process's own terminal, so that nothing else writes on it; what it
        returns is called when the terminal has been given back. Raises ConnectError in words a person can act
        on, BenchError where the clock is not the wall clock.
        """
        path = device or OWN
        fd = _open(path)
        give_back = _nothing
        try:
            own = _is_own(fd, path)
            before = termios.tcgetattr(fd)
            wire = Wire(kind="terminal", near=path, far=_FAR_END, fileno=lambda: fd)
            try:
                clock.wire_opened(wire)
            except BenchError as error:
                raise BenchError(
                    f"terminal {path}: a person does not live in virtual time, which stands still or leaps "
                    "while he reads; run the plan with a bench file on the wall clock"
                ) from error
            give_back = lend() if own and lend is not None else _nothing
            stream = cls(
                fd=fd, wire=wire, clock=clock, tap=tap, name=f"terminal {path}",
                close_fd=lambda: _give_back(fd, before, give_back),
            )  # fmt: skip
            stream._own = own
            termios.tcsetattr(fd, termios.TCSAFLUSH, _line_mode(fd, before, own))
        except BaseException:
            os.close(fd)
            give_back()
            raise
        stream._tap.note(f"opened {path}")
        return stream

    @property
    def columns(self) -> int:
        """Return how wide the terminal is; 80 where it does not tell."""
        try:
            return os.get_terminal_size(self._fd).columns or DEFAULT_COLUMNS
        except OSError:
            return DEFAULT_COLUMNS

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See ``ByteStream.read``: a whole line, or as much of it as fits."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            data = super().read(max_bytes, max(0.0, deadline_s - self._clock.monotonic_s()))
            if self._own or not data.endswith(_CTRL_C):
                return data
            signal.raise_signal(signal.SIGINT)  # does not return, unless clean-up is under way


def _open(path: str) -> int:
    if sys.platform == "win32":
        raise ConnectError(f"terminal {path}: this system has no terminals that can be opened by name")
    try:
        # An open file of our own: that it does not block is nothing to whoever else uses the terminal.
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ConnectError(f"terminal {path}: {_why(error, path)}") from error
    if not os.isatty(fd):
        os.close(fd)
        raise ConnectError(f"terminal {path}: that is no terminal")
    return fd


def _why(error: OSError, path: str) -> str:
    if path == OWN and error.errno in (errno.ENXIO, errno.ENOENT):
        return (
            "this run has no terminal (a CI job, cron, ssh without -t?): start it from one, "
            "or name another in the link, `device: /dev/pts/7`"
        )
    if error.errno == errno.ENOENT:
        return "there is no such terminal; `tty` tells the name of the one it is typed in"
    if error.errno == errno.EACCES:
        return "no permission to open it: it belongs to another user"
    return error.strerror or str(error)


def _is_own(fd: int, path: str) -> bool:
    """Return whether this is the controlling terminal. Raises ConnectError in the background of it."""
    try:
        foreground = os.tcgetpgrp(fd)
    except OSError:  # ENOTTY: it belongs to another session, or to none
        return False
    if foreground != os.getpgrp():
        raise ConnectError(
            f"terminal {path}: the run is in the background there, nobody can answer it: bring it to the "
            "foreground (fg), or name another terminal in the link, `device: /dev/pts/7`"
        )
    return True


def _line_mode(fd: int, before: list[Any], own: bool) -> list[Any]:
    """Return the settings to ask questions with: whole lines, echoed, Ctrl-D without a meaning."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, characters = before
    control = list(characters)
    iflag = (iflag | termios.ICRNL) & ~(termios.INLCR | termios.IGNCR | termios.ISTRIP)
    oflag |= termios.OPOST | termios.ONLCR
    lflag |= termios.ICANON | termios.ECHO | termios.ECHOE | termios.ECHOK | termios.ISIG
    # An end of file would read as a terminal that is gone.
    control[termios.VEOF] = os.fpathconf(fd, "PC_VDISABLE").to_bytes(1, "big")
    if not own:
        lflag &= ~termios.ISIG
        control[termios.VEOL] = _CTRL_C  # ends a line, so that it arrives at once
    return [iflag, oflag, cflag, lflag, ispeed, ospeed, control]


def _nothing() -> None:
    """Nobody else has to be told."""


def _give_back(fd: int, before: list[Any], released: Callable[[], None]) -> None:
    try:
        termios.tcsetattr(fd, termios.TCSANOW, before)
    except (OSError, termios.error):
        pass  # the terminal is gone, and its settings with it
    finally:
        os.close(fd)
        released()
