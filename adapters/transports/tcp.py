"""TCP connections to a device."""

from __future__ import annotations

import errno
import os
import socket

from adapters.base import Clock, LineSettings, Tap, Wire
from adapters.errors import BenchError, ConnectError, ConnectTimeout
from adapters.transports.stream import FdStream

_UNDER_WAY = (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK)


class TcpTransport(FdStream):
    """One TCP connection. Keep-alive is on, Nagle's delay is off."""

    @classmethod
    def open(
        cls, *, host: str, port: int, clock: Clock, tap: Tap | None = None, timeout_s: float = 10.0
    ) -> TcpTransport:
        """Connect to ``host``:``port``, trying its addresses in turn, each for ``timeout_s``.

        Raises ConnectTimeout when nobody answers, ConnectError when the attempt is refused or the name
        is unknown.
        """
        target = f"{host}:{port}"
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ConnectError(f"{target}: the address is unknown ({error.strerror})") from error
        failure: ConnectError = ConnectError(f"{target}: the name has no address")
        for family, kind, protocol, _, address in found:
            sock = socket.socket(family, kind, protocol)
            try:
                return cls._connect(sock, address, target, clock, tap, timeout_s)
            except ConnectError as error:
                failure = error
                sock.close()
            except BaseException:
                sock.close()
                raise
        if tap is not None:
            tap.note(str(failure))
        raise failure

    @classmethod
    def _connect(
        cls,
        sock: socket.socket,
        address: tuple[object, ...],
        target: str,
        clock: Clock,
        tap: Tap | None,
        timeout_s: float,
    ) -> TcpTransport:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        far = f"{address[0]}:{address[1]}"
        code = sock.connect_ex(address)
        if code in _UNDER_WAY:
            trying = Wire(kind="tcp", near="", far=far, fileno=sock.fileno)
            if not clock.wait_writable(trying, timeout_s):
                raise ConnectTimeout(f"{target}: no answer within {timeout_s:g} s")
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == errno.ETIMEDOUT:
            raise ConnectTimeout(f"{target}: no answer")
        if code:
            raise ConnectError(f"{target}: cannot connect ({os.strerror(code)})")
        near = sock.getsockname()
        fd = sock.fileno()
        wire = Wire(kind="tcp", near=f"{near[0]}:{near[1]}", far=far, fileno=lambda: fd)
        clock.wire_opened(wire)
        stream = cls(fd=fd, wire=wire, clock=clock, tap=tap, name=f"tcp {target}", close_fd=sock.close)
        stream._tap.note(f"opened {target}")
        return stream

    def configure(self, settings: LineSettings) -> None:
        """Refuse: a TCP connection has no line settings. Raises BenchError."""
        raise BenchError(f"{self.name}: a TCP connection has no line settings to change to {settings}")

    def send_break(self, duration_s: float) -> None:
        """Refuse: a TCP connection carries no break. Raises BenchError."""
        raise BenchError(f"{self.name}: a TCP connection carries no break condition")
