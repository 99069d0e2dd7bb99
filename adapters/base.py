"""Ports: what the harness needs from a wire and from time. Imports nothing of the project.

The same transport code runs on hardware and on the virtual rig. What differs is the clock: a transport
never blocks on its own, it asks the clock to wait until its wire is readable. The wall clock asks the
operating system; the lockstep clock runs the simulated world until bytes have arrived or the deadline
has passed. That needs the clock to know what is in flight, hence the four ``wire_*`` notices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Parity = Literal["N", "E", "O"]


@dataclass(frozen=True, kw_only=True)
class LineSettings:
    """Asynchronous line settings of a serial port."""

    baud: int = 9600
    data_bits: int = 8
    parity: Parity = "N"
    stop_bits: int = 1

    def __str__(self) -> str:
        return f"{self.baud} {self.data_bits}{self.parity}{self.stop_bits}"


@dataclass(frozen=True, kw_only=True)
class Wire:
    """One open operating-system end of a wire, as a transport introduces it to its clock.

    ``near`` and ``far`` are addresses as text: a tty path, ``virt://name`` or ``host:port``.
    """

    kind: Literal["serial", "tcp", "udp", "terminal", "tcp-listener", "udp-listener"]
    near: str
    far: str
    fileno: Callable[[], int] = field(repr=False, compare=False)


class Clock(Protocol):
    """Time as plans and adapters see it. Seconds are floats since an arbitrary start; labels are UTC."""

    def monotonic_s(self) -> float:
        """Return seconds that never jump, to measure and to wait with."""
        ...

    def utc_now(self) -> datetime:
        """Return the time of day (aware, UTC), to label evidence with."""
        ...

    def sleep_s(self, duration_s: float) -> None:
        """Let ``duration_s`` pass."""
        ...

    def wait_until(self, predicate: Callable[[], bool], timeout_s: float, poll_s: float) -> bool:
        """Poll ``predicate`` every ``poll_s`` until it holds (True) or ``timeout_s`` has passed (False)."""
        ...

    def wait_readable(self, wire: Wire, timeout_s: float) -> bool:
        """Wait until ``wire`` has bytes or its far end has closed (True), or the time is up (False)."""
        ...

    def wait_writable(self, wire: Wire, timeout_s: float) -> bool:
        """Wait until ``wire`` takes bytes again (True), or the time is up (False)."""
        ...

    def wire_opened(self, wire: Wire) -> None:
        """Take note that a transport opened ``wire``."""
        ...

    def wire_sent(self, wire: Wire, data: bytes) -> None:
        """Take note that ``data`` has just been handed to the operating system."""
        ...

    def wire_received(self, wire: Wire, data: bytes) -> None:
        """Take note that ``data`` has just been taken from the operating system."""
        ...

    def wire_closed(self, wire: Wire) -> None:
        """Take note that the transport is about to close ``wire``."""
        ...


class ByteStream(Protocol):
    """An ordered stream of bytes: a serial line or a TCP connection."""

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return 1 to ``max_bytes`` bytes as soon as there are any.

        Raises ReadTimeout when nothing came within ``timeout_s``, LinkLost when the far end is gone.
        """
        ...

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all of ``data``. Raises WriteTimeout or WriteError."""
        ...

    def close(self) -> None:
        """Close the link; closing twice is harmless."""
        ...


class SerialStream(ByteStream, Protocol):
    """A byte stream whose line settings can change while it is open."""

    def configure(self, settings: LineSettings) -> None:
        """Change the line settings, after everything written so far has left."""
        ...

    def send_break(self, duration_s: float) -> None:
        """Hold the line in the break condition."""
        ...

    def discard_input(self) -> bytes:
        """Throw away what has arrived and return it, as evidence."""
        ...


class Datagrams(Protocol):
    """Whole messages to and from one peer."""

    def receive(self, timeout_s: float) -> bytes:
        """Return the next datagram. Raises ReadTimeout or LinkLost."""
        ...

    def send(self, data: bytes, timeout_s: float) -> None:
        """Send one datagram. Raises WriteTimeout or WriteError."""
        ...

    def close(self) -> None:
        """Close the socket; closing twice is harmless."""
        ...


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What a device that called us has sent; empty ``data``: it has hung up."""

    caller: str
    data: bytes


class Listener(Protocol):
    """A place that devices call. ``address`` is what they are told; ``datagrams``: whole messages arrive."""

    address: str
    datagrams: bool

    def receive(self, timeout_s: float) -> Arrival:
        """Return what arrives next, from whomever. Raises ReadTimeout when nothing did."""
        ...

    def close(self) -> None:
        """Stop listening and hang up on whoever is there; closing twice is harmless."""
        ...


class Tap(Protocol):
    """Receives a copy of what crosses a link, with the time of the clock in use."""

    def sent(self, data: bytes) -> None:
        """Record bytes from the harness to the device."""
        ...

    def received(self, data: bytes) -> None:
        """Record bytes from the device to the harness."""
        ...

    def note(self, text: str) -> None:
        """Record an event of the link itself: opened, closed, settings changed, break, damaged frame."""
        ...
