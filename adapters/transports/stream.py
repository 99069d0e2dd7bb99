"""A byte stream over a file descriptor: what serial ports and TCP connections have in common.

Nothing here blocks: reads and writes are non-blocking and the clock does the waiting, so the same lines run
on hardware and in virtual time. Errors of the operating system become ours here, once. A closed link, a
silent one and one that takes no bytes are three different errors; bytes received come before LinkLost.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from adapters.base import Clock, Tap, Wire
from adapters.errors import LinkLost, ReadTimeout, WriteError, WriteTimeout

CHUNK_BYTES = 65536


class NoTap:
    """A tap that records nothing."""

    def sent(self, data: bytes) -> None:
        """See ``adapters.base.Tap``."""

    def received(self, data: bytes) -> None:
        """See ``adapters.base.Tap``."""

    def note(self, text: str) -> None:
        """See ``adapters.base.Tap``."""


class FdStream:
    """``adapters.base.ByteStream`` over a non-blocking file descriptor; ``close_fd`` closes it.

    The clock must know ``wire`` before the stream is made.
    """

    def __init__(
        self, *, fd: int, wire: Wire, clock: Clock, tap: Tap | None, name: str, close_fd: Callable[[], None]
    ) -> None:
        self.name = name
        self.wire = wire
        self._fd = fd
        self._clock = clock
        self._tap: Tap = tap if tap is not None else NoTap()
        self._close_fd = close_fd
        self._open = True
        self._lost = ""
        self._unsure = ""  # what was going on between an operation and its notice to the clock

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See ``ByteStream.read``."""
        clock, wire = self._clock, self.wire
        if self._unsure:
            self._settle()
        started_s, left_s = clock.monotonic_s(), timeout_s
        while True:
            if not self._open or self._lost:
                raise LinkLost(f"{self.name}: {self._lost or 'the link is closed'}")
            if not clock.wait_readable(wire, max(0.0, left_s)):
                raise ReadTimeout(f"{self.name}: nothing received within {timeout_s:g} s")
            self._unsure = "read"
            try:
                data = os.read(self._fd, max_bytes)
            except BlockingIOError:  # announced, but not there: another program took it, or a late kernel
                self._unsure = ""
                left_s = timeout_s - (clock.monotonic_s() - started_s)
                if left_s <= 0:
                    raise ReadTimeout(f"{self.name}: nothing received within {timeout_s:g} s") from None
                continue
            except OSError as error:
                raise self._gone(f"the link is gone ({error.strerror})") from error
            if not data:
                raise self._gone("the far end closed the link")
            clock.wire_received(wire, data)
            self._unsure = ""
            self._tap.received(data)
            return data

    def write(self, data: bytes, timeout_s: float) -> None:
        """See ``ByteStream.write``; what was sent before a failure is on the tap."""
        if not self._open:
            raise WriteError(f"{self.name}: the link is closed")
        clock, total, done = self._clock, len(data), 0
        if self._unsure:
            self._settle()
        started_s = clock.monotonic_s()
        while done < total:
            piece = data if not done and total <= CHUNK_BYTES else data[done : done + CHUNK_BYTES]
            self._unsure = "write"
            try:
                count = os.write(self._fd, piece)
            except BlockingIOError:
                count = 0
            except OSError as error:
                self._unsure = ""
                self._tap.sent(data[:done])
                text = f"{self.name}: the link broke after {done} of {total} octets ({error.strerror})"
                self._tap.note(text)
                raise WriteError(text) from error
            if count:
                clock.wire_sent(self.wire, piece[:count])
                self._unsure = ""
                done += count
                continue
            self._unsure = ""
            left_s = timeout_s - (clock.monotonic_s() - started_s)
            if left_s <= 0 or not clock.wait_writable(self.wire, left_s):
                self._tap.sent(data[:done])
                text = f"{self.name}: the far end took {done} of {total} octets within {timeout_s:g} s"
                self._tap.note(text)
                raise WriteTimeout(text)
        self._tap.sent(data)

    def discard_input(self) -> bytes:
        """Throw away what has arrived and return it; a closed link has nothing more."""
        thrown = bytearray()
        while self._open and not self._lost:
            try:
                thrown += self.read(CHUNK_BYTES, 0.0)
            except (ReadTimeout, LinkLost):
                break
        return bytes(thrown)

    def close(self) -> None:
        """Close the link; closing twice is harmless."""
        if self._open:
            self._open = False
            if self._unsure:
                self._settle()
            self._clock.wire_closed(self.wire)
            self._close_fd()
            self._tap.note("closed")

    def _settle(self) -> None:
        """Tell the clock that an interrupt left its count in doubt: a notice without octets says so."""
        doubt, self._unsure = self._unsure, ""
        if doubt == "write":
            self._clock.wire_sent(self.wire, b"")
        else:
            self._clock.wire_received(self.wire, b"")

    def _gone(self, why: str) -> LinkLost:
        self._lost, self._unsure = why, ""
        self._tap.note(why)
        return LinkLost(f"{self.name}: {why}")
