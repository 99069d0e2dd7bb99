"""A device on real TCP sockets of the loopback interface: several connections, hang-up, the ways IP fails."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable

from adapters.base import Wire
from adapters.errors import BenchError
from virtual_rig.servers.line import Line, Rig
from virtual_rig.wire import STREAM_BUFFER_BYTES, LineModel

LOOPBACK = "127.0.0.1"
_ACCEPT_PATIENCE_MS = 5000


class TcpLine(Line):
    """The device's end of one connection."""

    _said_the_end = False

    def half_close(self) -> bool:
        """Send FIN and leave the reading side open: closing with unread input would reset the connection."""
        if not self._said_the_end:
            self._said_the_end = True
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.fd)) as end:
                end.shutdown(socket.SHUT_WR)
        return False

    def reset(self) -> None:
        """Fault: drop the connection with RST; what the host has not read yet is lost."""
        if not self.gone:
            self.hanging_up = True
            self.unread = 0
            self.outbox.clear()
            sock = socket.socket(fileno=os.dup(self.fd))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            sock.close()
            self.rig.hang_up(self)


class TcpServer:
    """One model on one listening socket; every connection is a line of its own.

    Faults: ``refusing`` (nobody listens), ``down`` (nor is anybody left on the connections there are),
    ``blackhole`` (attempts to connect are never answered; lockstep only), ``line.stalled`` (half-open),
    ``line.close()`` (hang-up), ``TcpLine.reset()`` (RST).
    """

    kind = "tcp"

    def __init__(self, name: str, model: LineModel, rig: Rig, *, port: int = 0) -> None:
        self.name, self._model, self._rig = name, model, rig
        self.blackhole = False
        self.lines: list[TcpLine] = []
        self._count = 0
        self._waiting: dict[str, socket.socket] = {}
        self._socket: socket.socket | None = self._listen(port)
        self._port: int = self._socket.getsockname()[1]
        rig.attach(self)

    @property
    def address(self) -> str:
        """Return ``127.0.0.1:port``."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def port(self) -> int:
        """Return the port number."""
        return self._port

    @property
    def refusing(self) -> bool:
        """Return whether new connections are refused."""
        return self._socket is None

    @refusing.setter
    def refusing(self, value: bool) -> None:
        if value == self.refusing:
            return
        self._rig.detach(self)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        else:
            self._socket = self._listen(self._port)
        self._rig.attach(self)

    @property
    def down(self) -> bool:
        """Return whether the program behind the port is gone."""
        return self.refusing

    @down.setter
    def down(self, value: bool) -> None:
        """Hang up every connection and refuse new ones; or listen again."""
        self.refusing = value
        if value:
            for line in self.lines:
                line.close()

    def admit(self, wire: Wire) -> Line:
        """Accept the connection whose far end is ``wire``; the kernel's order does not matter."""
        while wire.near not in self._waiting:
            if self._socket is None:
                raise BenchError(f"{self.name} refuses connections, yet {wire.near} says it has one")
            poller = select.poll()
            poller.register(self._socket, select.POLLIN)
            if not poller.poll(_ACCEPT_PATIENCE_MS):
                raise BenchError(f"the connection {wire.near} to {self.name} never came up")
            connection, peer = self._socket.accept()
            self._waiting[f"{peer[0]}:{peer[1]}"] = connection
        return self._line(self._waiting.pop(wire.near))

    def listener(self) -> tuple[int, Callable[[], None]] | None:
        """Return the listening socket and the call that accepts from it."""
        return None if self._socket is None else (self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Close the listening socket and every connection."""
        self._rig.detach(self)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for connection in self._waiting.values():
            connection.close()
        self._waiting.clear()
        for line in self.lines:
            line.hanging_up = True
            line.shut()
        self.lines.clear()

    def _listen(self, port: int) -> socket.socket:
        listening = socket.create_server((LOOPBACK, port), backlog=128)
        listening.setblocking(False)
        return listening

    def _accept(self) -> None:
        try:
            connection, _peer = self._socket.accept() if self._socket else (None, None)
        except OSError:  # the client gave up before we came
            return
        if connection is not None:
            self._line(connection).host_open = True

    def _line(self, connection: socket.socket) -> TcpLine:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._count += 1
        line = TcpLine(
            name=f"{self.name}#{self._count}",
            model=self._model,
            rig=self._rig,
            fd=connection.detach(),
            buffer_bytes=STREAM_BUFFER_BYTES,
        )
        self.lines = [known for known in self.lines if not known.gone]
        self.lines.append(line)
        self._rig.line_up(line)
        return line
