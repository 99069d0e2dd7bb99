"""The wall clock: the only place in the project that reads the operating system's time.

Everything else gets a ``Clock`` (``adapters.base``) handed in, so that the same code runs on hardware and,
under the lockstep clock of the virtual rig, in virtual time.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable
from datetime import UTC, datetime

from adapters.base import Clock, Wire

_READABLE = select.POLLIN | select.POLLPRI
_LONGEST_POLL_MS = 2**31 - 1  # poll(2) takes a C int; a longer wait asks again


def poll_until(clock: Clock, predicate: Callable[[], bool], timeout_s: float, poll_s: float) -> bool:
    """Poll ``predicate`` on ``clock``: at once, every ``poll_s``, and one last time at the deadline itself.

    ``poll_s`` must be positive. Whatever the predicate raises goes through.
    """
    if poll_s <= 0:
        raise ValueError(f"poll_s must be positive, not {poll_s}")
    deadline_s = clock.monotonic_s() + timeout_s
    while not predicate():
        left_s = deadline_s - clock.monotonic_s()
        if left_s <= 0:
            return False
        clock.sleep_s(min(poll_s, left_s))
    return True


class WallClock:
    """Real time. Waiting for a wire is the operating system's poll(2); notices about wires are ignored."""

    def monotonic_s(self) -> float:
        """Return seconds since an arbitrary start; steps of the system clock do not show."""
        return time.monotonic()

    def utc_now(self) -> datetime:
        """Return the system's time of day, aware, UTC."""
        return datetime.now(UTC)

    def sleep_s(self, duration_s: float) -> None:
        """Sleep; a negative duration is none at all."""
        if duration_s > 0:
            time.sleep(duration_s)

    def wait_until(self, predicate: Callable[[], bool], timeout_s: float, poll_s: float) -> bool:
        """See ``adapters.base.Clock``."""
        return poll_until(self, predicate, timeout_s, poll_s)

    def wait_readable(self, wire: Wire, timeout_s: float) -> bool:
        """Wait for bytes, or for the far end to close, on the wire's file descriptor."""
        return self._poll(wire, _READABLE, timeout_s)

    def wait_writable(self, wire: Wire, timeout_s: float) -> bool:
        """Wait until the wire's file descriptor takes bytes (or has failed, which the write then tells)."""
        return self._poll(wire, select.POLLOUT, timeout_s)

    def wire_opened(self, wire: Wire) -> None:
        """Nothing to note: the operating system knows its wires."""

    def wire_sent(self, wire: Wire, data: bytes) -> None:
        """Nothing to note."""

    def wire_received(self, wire: Wire, data: bytes) -> None:
        """Nothing to note."""

    def wire_closed(self, wire: Wire) -> None:
        """Nothing to note."""

    def _poll(self, wire: Wire, events: int, timeout_s: float) -> bool:
        poller = select.poll()
        poller.register(wire.fileno(), events)
        if timeout_s == math.inf:
            return bool(poller.poll())
        # poll(2) counts milliseconds: round up, so that a wait is never shorter than asked for.
        left_ms = math.ceil(timeout_s * 1000) if timeout_s > 0 else 0
        while left_ms > _LONGEST_POLL_MS:
            if poller.poll(_LONGEST_POLL_MS):
                return True
            left_ms -= _LONGEST_POLL_MS
        return bool(poller.poll(left_ms))
