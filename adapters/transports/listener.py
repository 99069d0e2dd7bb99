"""Where devices call the harness: a listening TCP socket or a UDP port, by default on the loopback.

``receive`` hands over what arrives piece by piece with the caller it came from. Nothing blocks: the clock
waits, so the same lines run on hardware and in virtual time.
"""

from __future__ import annotations

import socket

from adapters.base import Arrival, Clock, Tap, Wire
from adapters.errors import ConnectError, LinkLost, ReadTimeout
from adapters.transports.stream import FdStream, NoTap

LOOPBACK = "127.0.0.1"
MAX_CONNECTIONS = 64
_CHUNK = 65535
_LOOK_S = 0.1  # how often the door is looked at while a caller holds a connection open


def _text(address: tuple[str | int, ...]) -> str:
    return f"{address[0]}:{address[1]}"


def _bound(kind: socket.SocketKind, host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConnectError(f"{host}: the address is unknown ({error.strerror})") from error
    family, _, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        if kind is socket.SOCK_STREAM:
            sock.listen(MAX_CONNECTIONS)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise ConnectError(f"{host}:{port}: cannot listen there ({error.strerror})") from error
    return sock


class _Door:
    """The socket that devices call. ``address`` is what a device must be told, ``host:port``."""

    def __init__(
        self, sock: socket.socket, *, protocol: str, announce: str, clock: Clock, tap: Tap | None
    ) -> None:
        near = _text(sock.getsockname())
        self.address = announce or near
        self.name = f"{protocol} listener {self.address}"
        self._socket, self._clock = sock, clock
        self._tap: Tap = tap if tap is not None else NoTap()
        self.wire = Wire(
            kind="tcp-listener" if protocol == "tcp" else "udp-listener",
            near=near,
            far=self.address,
            fileno=sock.fileno,
        )
        self._open = True
        try:
            clock.wire_opened(self.wire)
        except BaseException:
            sock.close()
            raise
        self._tap.note(f"opened {self.address}")

    def _close_door(self) -> None:
        if self._open:
            self._open = False
            self._clock.wire_closed(self.wire)
            self._socket.close()
            self._tap.note("closed")

    def _need_open(self) -> None:
        if not self._open:
            raise LinkLost(f"{self.name}: closed")


class UdpListener(_Door):
    """Takes datagrams from whomever."""

    datagrams = True

    @classmethod
    def open(
        cls, *, host: str, port: int, clock: Clock, tap: Tap | None = None, announce: str = ""
    ) -> UdpListener:
        """Bind ``host``:``port`` (0: any that is free). Raises ConnectError."""
        sock = _bound(socket.SOCK_DGRAM, host, port)
        return cls(sock, protocol="udp", announce=announce, clock=clock, tap=tap)

    def receive(self, timeout_s: float) -> Arrival:
        """See ``adapters.base.Listener``."""
        self._need_open()
        until_s = self._clock.monotonic_s() + timeout_s
        while self._clock.wait_readable(self.wire, max(0.0, until_s - self._clock.monotonic_s())):
            try:
                data, peer = self._socket.recvfrom(_CHUNK)
            except OSError:  # a datagram with a wrong checksum was announced and then dropped
                continue
            self._clock.wire_received(self.wire, data)
            self._tap.received(data)
            return Arrival(caller=f"{peer[0]}:{peer[1]}", data=data)
        raise ReadTimeout(f"{self.name}: nothing received within {timeout_s:g} s")

    def close(self) -> None:
        """See ``adapters.base.Listener``."""
        self._close_door()


class TcpListener(_Door):
    """Takes connections and reads from all of them."""

    datagrams = False

    def __init__(
        self, sock: socket.socket, *, protocol: str, announce: str, clock: Clock, tap: Tap | None
    ) -> None:
        super().__init__(sock, protocol=protocol, announce=announce, clock=clock, tap=tap)
        self._callers: dict[str, FdStream] = {}

    @classmethod
    def open(
        cls, *, host: str, port: int, clock: Clock, tap: Tap | None = None, announce: str = ""
    ) -> TcpListener:
        """Listen on ``host``:``port`` (0: any that is free). Raises ConnectError."""
        sock = _bound(socket.SOCK_STREAM, host, port)
        return cls(sock, protocol="tcp", announce=announce, clock=clock, tap=tap)

    def receive(self, timeout_s: float) -> Arrival:
        """See ``adapters.base.Listener``."""
        self._need_open()
        until_s = self._clock.monotonic_s() + timeout_s
        while True:
            arrived = self._from_callers()
            if arrived is not None:
                return arrived
            left_s = max(0.0, until_s - self._clock.monotonic_s())
            look_s = min(left_s, _LOOK_S) if self._callers else left_s
            if self._clock.wait_readable(self.wire, look_s):
                self._accept()
            elif left_s <= 0:
                raise ReadTimeout(f"{self.name}: nobody sent anything within {timeout_s:g} s")

    def close(self) -> None:
        """See ``adapters.base.Listener``."""
        for stream in self._callers.values():
            stream.close()
        self._callers.clear()
        self._close_door()

    def _from_callers(self) -> Arrival | None:
        for caller, stream in tuple(self._callers.items()):
            try:
                return Arrival(caller=caller, data=stream.read(_CHUNK, 0.0))
            except ReadTimeout:
                continue
            except LinkLost:
                stream.close()
                del self._callers[caller]
                return Arrival(caller=caller, data=b"")
        return None

    def _accept(self) -> None:
        try:
            sock, peer = self._socket.accept()
        except OSError:  # the caller gave up before we came
            return
        self._clock.wire_received(self.wire, b"\0")  # one caller less at the door
        if len(self._callers) >= MAX_CONNECTIONS:
            sock.close()  # what the others still have to say comes first
            self._tap.note(f"turned a caller away: {MAX_CONNECTIONS} hold their connections open")
            return
        sock.setblocking(False)
        caller, fd = f"{peer[0]}:{peer[1]}", sock.fileno()
        near = _text(sock.getsockname())
        wire = Wire(kind="tcp", near=near, far=caller, fileno=lambda: fd)
        try:
            self._clock.wire_opened(wire)
        except BaseException:
            sock.close()
            raise
        self._callers[caller] = FdStream(
            fd=fd,
            wire=wire,
            clock=self._clock,
            tap=_CallersTap(self._tap),
            name=f"a caller of {self.name}",
            close_fd=sock.close,
        )


class _CallersTap:
    """One transcript for all callers: that one of them hangs up does not close it."""

    def __init__(self, tap: Tap) -> None:
        self.sent, self.received = tap.sent, tap.received

    def note(self, text: str) -> None:
        """The listener speaks for itself."""
