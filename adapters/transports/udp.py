"""UDP: whole datagrams to and from one peer."""

from __future__ import annotations

import socket

from adapters.base import Clock, Tap, Wire
from adapters.errors import ConnectError, LinkLost, ReadTimeout, WriteError, WriteTimeout
from adapters.transports.stream import NoTap

_MAX_DATAGRAM = 65535


class UdpTransport:
    """A connected UDP socket. An ICMP "port unreachable" shows as LinkLost or WriteError, not as silence."""

    def __init__(self, *, sock: socket.socket, wire: Wire, clock: Clock, tap: Tap | None, name: str) -> None:
        self.name, self.wire = name, wire
        self._socket, self._clock = sock, clock
        self._tap: Tap = tap if tap is not None else NoTap()
        self._open = True

    @classmethod
    def open(cls, *, host: str, port: int, clock: Clock, tap: Tap | None = None) -> UdpTransport:
        """Open a socket that talks to ``host``:``port``. Raises ConnectError for an unknown name."""
        target = f"{host}:{port}"
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise ConnectError(f"{target}: the address is unknown ({error.strerror})") from error
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.connect(address)
            near, far = sock.getsockname(), sock.getpeername()
            wire = Wire(
                kind="udp",
                near=f"{near[0]}:{near[1]}",
                far=f"{far[0]}:{far[1]}",
                fileno=sock.fileno,
            )
            clock.wire_opened(wire)
        except OSError as error:
            sock.close()
            raise ConnectError(f"{target}: cannot open a socket ({error.strerror})") from error
        except BaseException:
            sock.close()
            raise
        datagrams = cls(sock=sock, wire=wire, clock=clock, tap=tap, name=f"udp {target}")
        datagrams._tap.note(f"opened {target}")
        return datagrams

    def receive(self, timeout_s: float) -> bytes:
        """See ``Datagrams.receive``."""
        started_s, left_s = self._clock.monotonic_s(), timeout_s
        while True:
            if not self._open:
                raise LinkLost(f"{self.name}: the link is closed")
            if left_s < 0 or not self._clock.wait_readable(self.wire, left_s):
                raise ReadTimeout(f"{self.name}: nothing received within {timeout_s:g} s")
            try:
                data = self._socket.recv(_MAX_DATAGRAM)
            except BlockingIOError:  # a datagram with a wrong checksum was announced and then dropped
                left_s = timeout_s - (self._clock.monotonic_s() - started_s)
                continue
            except OSError as error:
                self._tap.note(f"nobody listens there ({error.strerror})")
                raise LinkLost(f"{self.name}: nobody listens there ({error.strerror})") from error
            self._clock.wire_received(self.wire, data)
            self._tap.received(data)
            return data

    def send(self, data: bytes, timeout_s: float) -> None:
        """See ``Datagrams.send``."""
        if not self._open:
            raise WriteError(f"{self.name}: the link is closed")
        try:
            self._socket.send(data)
        except BlockingIOError:
            if not self._clock.wait_writable(self.wire, timeout_s):
                raise WriteTimeout(f"{self.name}: not taken within {timeout_s:g} s") from None
            self._socket.send(data)
        except OSError as error:
            raise WriteError(f"{self.name}: cannot send {len(data)} octets ({error.strerror})") from error
        self._clock.wire_sent(self.wire, data)
        self._tap.sent(data)

    def close(self) -> None:
        """Close the socket; closing twice is harmless."""
        if self._open:
            self._open = False
            self._clock.wire_closed(self.wire)
            self._socket.close()
            self._tap.note("closed")
