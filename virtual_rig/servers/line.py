"""One line between the host and a device model, over a real kernel wire; and what servers and drivers share.

A driver (lockstep or real time) owns time and decides when bytes are taken from and given to the kernel; a
``Line`` knows how. Under the lockstep clock the counters say what is in flight, so that "nothing came" is a
fact and not a guess about kernel latency:

    host --write--> in_flight --take()--> inbox --> model.received
    host <--read--- in_kernel <--flush()-- outbox <-- line.send          unread = outbox + in_kernel
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from adapters.base import LineSettings, Wire
from virtual_rig.uart import transfer
from virtual_rig.wire import LineModel, Scheduler

CHUNK_BYTES = 65536


class Rig(Scheduler, Protocol):
    """What servers need from a driver besides time."""

    def attach(self, server: Server) -> None:
        """Take note of a server and serve it."""
        ...

    def detach(self, server: Server) -> None:
        """Forget a server."""
        ...

    def line_up(self, line: Line) -> None:
        """Tell the line's model that it is up, and serve it from now on."""
        ...

    def put(self, line: Line, data: bytes) -> None:
        """Bring ``data`` to the host's end of ``line`` now."""
        ...

    def hang_up(self, line: Line) -> None:
        """Close ``line`` from the device's side, once the host has had everything sent before."""
        ...

    def broken(self, line: Line, duration_s: float) -> None:
        """Tell the model of a break condition, in its place between the bytes."""
        ...

    def settings_change(self, line: Line) -> None:
        """Take from the kernel what the host sent with the old settings; they are about to change."""
        ...

    def forget(self, line: Line) -> None:
        """Stop serving ``line``: its descriptors are about to be closed."""
        ...

    def stall_changed(self, line: Line) -> None:
        """Take note that ``line.stalled`` changed."""
        ...

    def listens(self, protocol: str, address: str) -> str | None:
        """Return where a device gets through that calls ``address`` (tcp or udp), None for nowhere."""
        ...

    def rings(self, protocol: str, address: str) -> None:
        """Count one call, or datagram, that has just reached the listener at ``address``."""
        ...


class Server(Protocol):
    """A model put on a kernel wire that hosts can open."""

    name: str
    kind: str  # serial, tcp or udp

    @property
    def address(self) -> str:
        """Return what a host opens: a tty path, ``virt://name`` or ``host:port``."""
        ...

    @property
    def blackhole(self) -> bool:
        """Return whether attempts to connect are swallowed without an answer (a fault; IP only)."""
        ...

    def admit(self, wire: Wire) -> Line:
        """Return the line at the other end of ``wire``, which the host has just opened (lockstep only)."""
        ...

    def listener(self) -> tuple[int, Callable[[], None]] | None:
        """Return a file descriptor and what to do when it is readable (real time), or None."""
        ...

    def close(self) -> None:
        """Close every line and the endpoint itself; closing twice is harmless."""
        ...


class Line:
    """A ``HostLine`` over a stream descriptor; ``keeper_fd`` is a spare copy of the host's end, or -1."""

    permanent = False  # True for a serial port, which outlives the programs that open it
    ends_with_empty = True  # reading nothing means the end; not so for datagrams

    def __init__(
        self, *, name: str, model: LineModel, rig: Rig, fd: int, keeper_fd: int = -1, buffer_bytes: int
    ) -> None:
        self.name, self.model, self.rig = name, model, rig
        self.fd, self.keeper_fd, self.buffer_bytes = fd, keeper_fd, buffer_bytes
        self.device_settings: LineSettings | None = None
        self._stalled = False
        self.host_open = False
        self.hanging_up = self.gone = self.told_closed = False
        self.outbox = bytearray()
        self.inbox: list[bytearray | Callable[[], None]] = []
        self.in_flight = self.in_kernel = self.unread = 0
        self.overrun_bytes = 0
        self.doubtful = self.doubtful_reads = False  # an interrupt came between an operation and its count
        self._burst_ns, self._older = -1, 0

    # -- what the model sees

    @property
    def host_settings(self) -> LineSettings | None:
        """See ``HostLine``; a line without a UART has none."""
        return None

    @property
    def stalled(self) -> bool:
        """See ``HostLine``."""
        return self._stalled

    @stalled.setter
    def stalled(self, value: bool) -> None:
        self._stalled = value
        self.rig.stall_changed(self)

    def send(self, data: bytes, delay_s: float = 0.0, settings: LineSettings | None = None) -> None:
        """See ``HostLine``. What falls due after the line went down is lost, as on a real wire."""
        if delay_s > 0:
            self.rig.call_later(delay_s, self._emit, bytes(data), settings)
        else:
            self._emit(bytes(data), settings)

    def close(self) -> None:
        """See ``HostLine``."""
        if not self.hanging_up:
            self.hanging_up = True
            self.rig.hang_up(self)

    def _emit(self, data: bytes, settings: LineSettings | None) -> None:
        if self.hanging_up or self._stalled or not data:
            return
        sender = settings or self.device_settings
        if sender is not None:
            receiver = self.uart_of_host(sender)
            if receiver is not None:
                data = transfer(data, sender, receiver)
        self.rig.put(self, data)

    # -- what the driver does with it

    def uart_of_host(self, device: LineSettings) -> LineSettings | None:
        """Return the host's settings as far as a device set to ``device`` can tell; None: not at all."""
        return None

    def as_device_hears(self, data: bytes) -> bytes:
        """Return what the device's UART makes of ``data`` as the host sent it."""
        if self.device_settings is None:
            return data
        host = self.uart_of_host(self.device_settings)
        return data if host is None else transfer(data, host, self.device_settings)

    def room_for(self, data: bytes, at_ns: int) -> int:
        """Return how many bytes of ``data`` the host's side still takes before it overruns.

        Only what has been lying there since an earlier instant counts against the buffer: at one frozen
        instant a host that reads has had no chance to, and would have kept up with the bytes as they came.
        """
        if at_ns != self._burst_ns:
            self._burst_ns, self._older = at_ns, self.unread
        if not self._older:
            return len(data)
        room = self.buffer_bytes - self.unread
        return room if room > 0 else 0

    def store(self, data: bytes) -> None:
        """Put ``data`` into the outbox."""
        self.outbox += data
        self.unread += len(data)

    def flush(self) -> None:
        """Give the kernel as much of the outbox as it takes without blocking."""
        while self.outbox:
            try:
                count = os.write(self.fd, self.outbox[:CHUNK_BYTES])
            except BlockingIOError:
                return
            except OSError:  # the host's end is gone: the bytes are lost
                self.unread -= len(self.outbox)
                self.outbox.clear()
                return
            del self.outbox[:count]
            self.in_kernel += count

    def was_read(self, data: bytes) -> None:
        """Count ``data`` as taken by the host."""
        self.unread = max(0, self.unread - len(data))
        self.in_kernel = max(0, self.in_kernel - len(data))

    def read_all_of_kernel(self) -> None:
        """Correct the count: the host has read all that was in the kernel."""
        self.unread, self.in_kernel = len(self.outbox), 0

    def take(self) -> bytes:
        """Take what the kernel has from the host. Raises BlockingIOError; b'' is the end."""
        return os.read(self.fd, CHUNK_BYTES)

    def was_sent(self, data: bytes) -> None:
        """Count ``data`` as written by the host."""
        self.in_flight += len(data)

    def was_taken(self, data: bytes) -> None:
        """Count ``data`` as taken from the kernel and file it for the model."""
        self.in_flight = max(0, self.in_flight - len(data))
        heard = self.as_device_hears(data)
        if not heard:  # a signal the device's UART could make nothing of
            return
        if self.inbox and isinstance(self.inbox[-1], bytearray):
            self.inbox[-1] += heard  # one piece, however the kernel had cut it
        else:
            self.inbox.append(bytearray(heard))

    def half_close(self) -> bool:
        """Tell the host that nothing more comes; True when the rig's end may be closed now (real time)."""
        return True

    def shut(self) -> None:
        """Close the rig's end in the kernel; the host sees the end of the stream."""
        if not self.gone:
            self.gone = True
            self.rig.forget(self)
            self._shut()

    def _shut(self) -> None:
        for fd in (self.fd, self.keeper_fd):
            if fd >= 0:
                os.close(fd)
        self.fd = self.keeper_fd = -1

    def tell_closed(self) -> None:
        """Tell the model, once, that the line is down."""
        if not self.told_closed:
            self.told_closed = True
            self.model.closed(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"
