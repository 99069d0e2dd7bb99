"""A serial device on a real kernel pseudo-terminal.

A PTY (Linux) stores the baud rate and shows it to both ends, but carries neither parity nor a break and does
not pace: where those matter a site uses ``virt://``. The server keeps a copy of the slave open, so that
the master does not fail with EIO while no program has the tty open.
"""

from __future__ import annotations

import array
import fcntl
import os
import pty
import re
import termios
import tty
from collections.abc import Callable
from dataclasses import replace

from adapters.base import LineSettings, Wire
from adapters.errors import BenchError
from virtual_rig.servers.line import Line, Rig
from virtual_rig.wire import SERIAL_BUFFER_BYTES, LineModel

_BAUD_OF = {getattr(termios, name): int(name[1:]) for name in dir(termios) if re.fullmatch(r"B\d+", name)}


class PtyLine(Line):
    """The master side of a pseudo-terminal."""

    permanent = True

    def half_close(self) -> bool:
        """Return whether the host has read everything: unplugging a tty throws the rest away."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self.keeper_fd, termios.FIONREAD, waiting)
        return not waiting[0]

    @property
    def host_settings(self) -> LineSettings | None:
        """Return the baud rate the tty is set to; data bits and parity are not to be had from a PTY."""
        if self.keeper_fd < 0:
            return None
        baud = _BAUD_OF.get(termios.tcgetattr(self.keeper_fd)[5])
        return None if baud is None else LineSettings(baud=baud)

    def uart_of_host(self, device: LineSettings) -> LineSettings | None:
        """Return the device's own settings with the host's baud rate: only that can mismatch here."""
        if self.keeper_fd < 0:
            return None
        baud = _BAUD_OF.get(termios.tcgetattr(self.keeper_fd)[5])
        if baud is None or baud == device.baud:
            return None if baud is None else device
        return replace(device, baud=baud)


class PtyServer:
    """One model on one tty. ``address`` is its path; ``line.close()`` unplugs it for good."""

    kind = "serial"
    blackhole = False

    def __init__(self, name: str, model: LineModel, rig: Rig) -> None:
        self.name, self._rig = name, rig
        master_fd, keeper_fd = pty.openpty()
        tty.setraw(keeper_fd)
        os.set_blocking(master_fd, False)
        os.set_blocking(keeper_fd, False)
        self._address = os.ttyname(keeper_fd)
        self.line = PtyLine(
            name=name,
            model=model,
            rig=rig,
            fd=master_fd,
            keeper_fd=keeper_fd,
            buffer_bytes=SERIAL_BUFFER_BYTES,
        )
        rig.attach(self)
        rig.line_up(self.line)

    @property
    def address(self) -> str:
        """Return the tty's path."""
        return self._address

    def admit(self, wire: Wire) -> Line:
        """Return the one line. Raises BenchError when another wire already holds it."""
        if self.line.host_open:
            raise BenchError(f"{self._address} ({self.name}) is open already; a tty takes one program")
        return self.line

    def listener(self) -> tuple[int, Callable[[], None]] | None:
        """Return None: the line itself is served."""
        return None

    def close(self) -> None:
        """Remove the tty."""
        self._rig.detach(self)
        self.line.hanging_up = True
        self.line.shut()
