"""A virtual device that calls somebody: connections and datagrams to a listener on the loopback interface.

Whatever is not on the loopback is unreachable: no virtual device ever speaks to the world. Under the lockstep
clock only listeners of the harness are reached, and by the address they announce.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable

from adapters.base import Wire
from virtual_rig.servers.line import Line, Rig
from virtual_rig.servers.tcp import TcpLine
from virtual_rig.wire import STREAM_BUFFER_BYTES, HostLine

_CONNECT_S = 0.5  # on the loopback somebody listens or nobody does


class ListeningLine(Line):
    """A listener of the harness as the lockstep clock counts it: ``unread`` callers or datagrams."""

    ends_with_empty = False

    def __init__(self, *, name: str, wire: Wire, rig: Rig) -> None:
        super().__init__(name=name, model=_Mute(), rig=rig, fd=-1, buffer_bytes=1)
        self.near, self.announced = wire.near, wire.far

    def flush(self) -> None:
        """The kernel has what came."""

    def was_read(self, data: bytes) -> None:
        """Count one caller or datagram less."""
        self.unread = max(0, self.unread - 1)

    def read_all_of_kernel(self) -> None:
        """See ``Line``."""
        self.unread = 0


class Outgoing:
    """The network as one device sees it: a telephone and a letter box."""

    def __init__(self, name: str, rig: Rig) -> None:
        self._name, self._rig = name, rig
        self._calls: list[_Call] = []
        self._count = 0

    def call(self, address: str, data: bytes) -> bool:
        """Connect to ``host:port``, send ``data`` and hang up; False where nobody answers."""
        near = self._way("tcp", address)
        if near is None:
            return False
        for done in [each for each in self._calls if each.line.gone]:
            done.close()
            self._calls.remove(done)
        try:
            sock = socket.create_connection(near, timeout=_CONNECT_S)
        except OSError:
            return False
        self._count += 1
        call = _Call(f"{self._name}#{self._count}", sock, self._rig)
        self._calls.append(call)
        self._rig.rings("tcp", address)
        call.line.send(data)
        call.line.close()
        return True

    def post(self, address: str, data: bytes) -> bool:
        """Send one datagram to ``host:port``; False where there is no way: nobody tells if it arrives."""
        if _loopback(address) is None:
            return False
        near = self._way("udp", address)
        if near is None:
            return True  # lost, as a datagram to nobody is
        self._rig.rings("udp", address)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
            sock.sendto(data, near)
        return True

    def _way(self, protocol: str, address: str) -> tuple[str, int] | None:
        if _loopback(address) is None:
            return None
        near = self._rig.listens(protocol, address)
        return None if near is None else _loopback(near)


class _Call:
    """One outgoing connection, as a server of exactly one line: the harness's end is admitted to it."""

    kind = "tcp"
    blackhole = False

    def __init__(self, name: str, sock: socket.socket, rig: Rig) -> None:
        self.name, self._rig = name, rig
        sock.setblocking(False)
        host, port = sock.getsockname()[:2]
        self._address = f"{host}:{port}"
        self.line = TcpLine(
            name=name, model=_Mute(), rig=rig, fd=sock.detach(), buffer_bytes=STREAM_BUFFER_BYTES
        )
        self.line.host_open = True  # the kernel has taken the call, whenever the program comes to it
        rig.attach(self)
        rig.line_up(self.line)

    @property
    def address(self) -> str:
        """Return the device's end."""
        return self._address

    def admit(self, wire: Wire) -> Line:
        """Return the one line."""
        return self.line

    def listener(self) -> tuple[int, Callable[[], None]] | None:
        """Return None: nobody calls here."""
        return None

    def close(self) -> None:
        """Hang up."""
        self._rig.detach(self)
        self.line.hanging_up = True
        self.line.shut()


class _Mute:
    """A device that says what it has to say and does not listen."""

    def opened(self, line: HostLine) -> None:
        """See ``LineModel``."""

    def received(self, line: HostLine, data: bytes) -> None:
        """See ``LineModel``."""

    def broke(self, line: HostLine, duration_s: float) -> None:
        """See ``LineModel``."""

    def closed(self, line: HostLine) -> None:
        """See ``LineModel``."""


def _loopback(address: str) -> tuple[str, int] | None:
    """Return host and port of ``host:port`` on the loopback, None for any other place or no address."""
    host, _, port = address.rpartition(":")
    try:
        if not ipaddress.ip_address(host).is_loopback or not 0 < int(port) <= 0xFFFF:
            return None
    except ValueError:
        return None
    return host, int(port)
