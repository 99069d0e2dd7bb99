"""What a device model sees of its wires and of time. Models are plain state machines: no sockets, no threads.

    host (harness, adapters)            |  rig
    transport == kernel wire ==  Line ==|== LineModel.received(line, data)
                                        |   line.send(data, delay_s)

A ``Line`` is one serial port, one TCP connection or one UDP peer. Servers (``virtual_rig/servers``) make
lines; the same servers and models run under the lockstep clock (``virtual_rig.clock``) and in real time
(``virtual_rig.realtime``). Both offer models the same ``Scheduler``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from adapters.base import LineSettings

WORLD_START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday; a site may say otherwise

SERIAL_BUFFER_BYTES = 4096  # what a serial driver keeps for a host that does not read
STREAM_BUFFER_BYTES = 16 * 1024 * 1024  # far more than a TCP window: only a runaway model meets it


class Timer(Protocol):
    """A call that is still to come."""

    def cancel(self) -> None:
        """Forget the call; harmless when it has already happened."""
        ...


class Scheduler(Protocol):
    """Time as a device model sees it, virtual or real."""

    def now_s(self) -> float:
        """Return seconds since the rig was started."""
        ...

    def utc_now(self) -> datetime:
        """Return the true time of day of the simulated world (aware, UTC); a meter's own clock may drift."""
        ...

    def call_later(self, delay_s: float, function: Callable[..., object], *args: object) -> Timer:
        """Call ``function(*args)`` in ``delay_s`` seconds; calls due together run in the order made."""
        ...

    def call_at(self, at_s: float, function: Callable[..., object], *args: object) -> Timer:
        """Call ``function(*args)`` when ``now_s()`` is ``at_s``; a moment already past means at once."""
        ...


class HostLine(Protocol):
    """The device's end of a line, as its model holds it."""

    name: str  # stable from run to run: the server's name, for connections with a running number
    device_settings: LineSettings | None
    """How the device's own UART is set, where the model cares. None: it understands whatever comes."""
    stalled: bool
    """Fault: the device neither reads nor answers, yet the link stays up (half-open, hung firmware)."""

    def send(self, data: bytes, delay_s: float = 0.0, settings: LineSettings | None = None) -> None:
        """Send ``data`` to the host, ``delay_s`` from now, with ``settings`` or the device's own."""
        ...

    def close(self) -> None:
        """Hang up (TCP) or unplug (serial), after the host has had what was sent before."""
        ...

    @property
    def host_settings(self) -> LineSettings | None:
        """How the host's end is set: all of it on virt://, the baud rate only on a PTY, None on IP."""
        ...


class LineModel(Protocol):
    """What a device model implements to be put on a line."""

    def opened(self, line: HostLine) -> None:
        """Tell of a line that came up: once for a serial port when the rig starts, once per TCP connection.

        A serial device does not notice that a program on the host opens or closes its port.
        """
        ...

    def received(self, line: HostLine, data: bytes) -> None:
        """Tell of bytes from the host: all it has written up to this moment, as one piece."""
        ...

    def broke(self, line: HostLine, duration_s: float) -> None:
        """Tell of a break condition that has just ended (virt:// only: a PTY does not carry it)."""
        ...

    def closed(self, line: HostLine) -> None:
        """Tell of a line that went down: the host hung up (TCP), or the port was unplugged (serial)."""
        ...
