"""A serial device behind ``virt://name``: a line that carries everything a UART sees.

A pyserial URL handler (``protocol_virt``) opens it. The bytes still cross the kernel (a socket pair, so there
is a file descriptor to wait on); baud rate, data bits, parity, stop bits, break, DTR and RTS pass beside
them. Only programs in this process can open it; for others there is the PTY server.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import serial

from adapters.base import LineSettings, Wire
from virtual_rig.servers.line import CHUNK_BYTES, Line, Rig
from virtual_rig.wire import SERIAL_BUFFER_BYTES, HostLine, LineModel

_PORTS: dict[str, VirtServer] = {}
_HANDLERS = "virtual_rig.servers"


@runtime_checkable
class ModemModel(Protocol):
    """A model that also looks at the modem lines (an optical head powered from DTR, RS-485 by RTS)."""

    def modem_lines(self, line: HostLine, dtr: bool, rts: bool) -> None:
        """Tell of DTR and RTS as the host has just set them."""
        ...


class VirtLine(Line):
    """The device's end of a virtual UART."""

    permanent = True
    settings_of_host: LineSettings | None = None

    @property
    def host_settings(self) -> LineSettings | None:
        """Return the host's line settings, or None while no program has the port open."""
        return self.settings_of_host

    def uart_of_host(self, device: LineSettings) -> LineSettings | None:
        """Return the host's line settings: all of them matter."""
        return self.settings_of_host


class VirtServer:
    """One model on one ``virt://`` port. ``line.close()`` unplugs it for good."""

    kind = "serial"
    blackhole = False

    def __init__(self, name: str, model: LineModel, rig: Rig) -> None:
        self.name, self._model, self._rig = name, model, rig
        # Several worlds in one process may each have a port of this name; their addresses differ.
        self._port = next(port for port in _numbered(name) if port not in _PORTS)
        self._in_use = False
        self._break_since_s: float | None = None
        device_end, host_end = socket.socketpair()
        device_end.setblocking(False)
        host_end.setblocking(False)
        self.line = VirtLine(
            name=name,
            model=model,
            rig=rig,
            fd=device_end.detach(),
            keeper_fd=host_end.detach(),
            buffer_bytes=SERIAL_BUFFER_BYTES,
        )
        if _HANDLERS not in serial.protocol_handler_packages:
            serial.protocol_handler_packages.append(_HANDLERS)
        _PORTS[self._port] = self
        rig.attach(self)
        rig.line_up(self.line)

    @property
    def address(self) -> str:
        """Return the URL."""
        return f"virt://{self._port}"

    def admit(self, wire: Wire) -> Line:
        """Return the one line."""
        return self.line

    def listener(self) -> tuple[int, Callable[[], None]] | None:
        """Return None: the line itself is served."""
        return None

    def close(self) -> None:
        """Remove the port."""
        self._rig.detach(self)
        if _PORTS.get(self._port) is self:
            del _PORTS[self._port]
        self.line.hanging_up = True
        self.line.shut()

    # -- what the URL handler calls, as the host

    def take_port(self, settings: LineSettings) -> int:
        """Open the host's end and return its file descriptor. Raises OSError: taken, unplugged."""
        if self._in_use:
            raise OSError(16, f"{self.address} is in use")
        if self.line.hanging_up:
            raise OSError(2, f"{self.address} is unplugged")
        self._in_use = True
        self.line.settings_of_host = settings
        with contextlib.suppress(BlockingIOError):
            while os.read(self.line.keeper_fd, CHUNK_BYTES):
                pass  # what an earlier program left unread is not for this one
        return os.dup(self.line.keeper_fd)

    def give_back_port(self) -> None:
        """Close the host's end."""
        self._in_use = False
        self.line.settings_of_host = None

    def configure(self, settings: LineSettings) -> None:
        """Change the host's line settings; what it sent before went out with the old ones."""
        if settings != self.line.settings_of_host:
            self._rig.settings_change(self.line)
            self.line.settings_of_host = settings

    def set_break(self, asserted: bool) -> None:
        """Begin or end the break condition."""
        if asserted:
            self._break_since_s = self._rig.now_s()
        elif self._break_since_s is not None:
            self._rig.broken(self.line, self._rig.now_s() - self._break_since_s)
            self._break_since_s = None

    def set_modem_lines(self, *, dtr: bool, rts: bool) -> None:
        """Set DTR and RTS."""
        if isinstance(self._model, ModemModel):
            self._model.modem_lines(self.line, dtr, rts)


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in itertools.count(2):
        yield f"{name}-{number}"


def virt_port(name: str) -> VirtServer | None:
    """Return the server behind ``virt://name`` in this process."""
    return _PORTS.get(name)
