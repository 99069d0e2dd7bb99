"""A device on a real UDP socket of the loopback interface. Every peer is a line, every piece a datagram."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable

from adapters.base import Wire
from virtual_rig.servers.line import Line, Rig
from virtual_rig.servers.tcp import LOOPBACK
from virtual_rig.wire import LineModel

_MAX_DATAGRAM = 65535
_MAX_WAITING = 1024  # datagrams; what nobody reads is dropped, as UDP does
_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024


class UdpLine(Line):
    """One peer. ``in_flight``, ``in_kernel`` and ``unread`` count datagrams here, not octets."""

    def __init__(
        self, *, name: str, server: UdpServer, peer: tuple[str, int], model: LineModel, rig: Rig
    ) -> None:
        super().__init__(name=name, model=model, rig=rig, fd=server.fd, buffer_bytes=_MAX_WAITING)
        self._server = server
        self.peer = peer
        self._datagrams: deque[bytes] = deque()

    ends_with_empty = False

    def room_for(self, data: bytes, at_ns: int) -> int:
        """Return the whole length or 0: a datagram is not cut."""
        return len(data) if self.unread < self.buffer_bytes else 0

    def store(self, data: bytes) -> None:
        """See ``Line``."""
        self._datagrams.append(bytes(data))
        self.unread += 1

    def flush(self) -> None:
        """Send the next datagram; one at a time, so that the kernel never has to drop any."""
        if self._datagrams and not self.in_kernel and self._server.send_to(self._datagrams[0], self.peer):
            self._datagrams.popleft()
            self.in_kernel += 1

    def was_read(self, data: bytes) -> None:
        """See ``Line``."""
        self.unread = max(0, self.unread - 1)
        self.in_kernel = max(0, self.in_kernel - 1)

    def read_all_of_kernel(self) -> None:
        """See ``Line``."""
        self.unread, self.in_kernel = len(self._datagrams), 0

    def take(self) -> bytes:
        """Read datagrams, for whomever, until there is one for this peer."""
        self._server.receive_all()
        if not self.arrived:
            raise BlockingIOError
        return self.arrived.popleft()

    def was_sent(self, data: bytes) -> None:
        """See ``Line``; taken from the kernel at once, so that it never has to drop any."""
        self.in_flight += 1
        self._server.receive_all()

    def was_taken(self, data: bytes) -> None:
        """File one datagram, separately from the next."""
        self.in_flight = max(0, self.in_flight - 1)
        self.inbox.append(bytearray(data))

    @property
    def arrived(self) -> deque[bytes]:
        """Return the datagrams read from the socket for this peer."""
        return self._server.arrived(self.peer)

    def _shut(self) -> None:
        self.fd = -1  # the socket belongs to the server


class UdpServer:
    """One model on one UDP port. Fault: ``line.stalled`` (nothing is answered)."""

    kind = "udp"
    blackhole = False

    def __init__(self, name: str, model: LineModel, rig: Rig, *, port: int = 0) -> None:
        self.name, self._model, self._rig = name, model, rig
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self._socket.bind((LOOPBACK, port))
        self._socket.setblocking(False)
        self.fd = self._socket.fileno()
        self._port: int = self._socket.getsockname()[1]
        self._arrived: dict[tuple[str, int], deque[bytes]] = {}
        self.lines: dict[tuple[str, int], UdpLine] = {}
        self._count = 0
        rig.attach(self)

    @property
    def address(self) -> str:
        """Return ``127.0.0.1:port``."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def port(self) -> int:
        """Return the port number."""
        return self._port

    def admit(self, wire: Wire) -> Line:
        """Return a new line for the peer ``wire.near``."""
        host, _, port = wire.near.rpartition(":")
        return self._line((host, int(port)))

    def listener(self) -> tuple[int, Callable[[], None]] | None:
        """Return the socket and the call that reads from it."""
        return self.fd, self._serve

    def close(self) -> None:
        """Close the socket."""
        self._rig.detach(self)
        for line in self.lines.values():
            line.hanging_up = True
            line.shut()
        self.lines.clear()
        self._socket.close()

    def arrived(self, peer: tuple[str, int]) -> deque[bytes]:
        """Return the queue of datagrams from ``peer``."""
        return self._arrived.setdefault(peer, deque())

    def send_to(self, data: bytes, peer: tuple[str, int]) -> bool:
        """Send one datagram; False where the kernel has no room just now."""
        try:
            self._socket.sendto(data, peer)
        except BlockingIOError:
            return False
        except OSError:
            return True  # too long or nobody there: UDP tells nobody either
        return True

    def receive_all(self) -> None:
        """Read every datagram that is there and sort them by peer."""
        while True:
            try:
                data, peer = self._socket.recvfrom(_MAX_DATAGRAM)
            except (BlockingIOError, ConnectionError):
                return
            self.arrived(peer).append(data)

    def _serve(self) -> None:
        """Real time: hand every datagram to the model, making a line for each new peer."""
        self.receive_all()
        for peer, queue in self._arrived.items():
            while queue:
                line = self.lines.get(peer) or self._line(peer)
                line.host_open = True
                if not line.stalled:
                    line.model.received(line, queue.popleft())
                else:
                    queue.popleft()

    def _line(self, peer: tuple[str, int]) -> UdpLine:
        self._count += 1
        line = UdpLine(
            name=f"{self.name}#{self._count}", server=self, peer=peer, model=self._model, rig=self._rig
        )
        self.lines[peer] = line
        self._rig.line_up(line)
        return line
