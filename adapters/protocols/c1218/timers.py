"""Time-outs of C12.18: how long they are, which run now, and a watch for whoever owns the clock.

An engine reads no clock. It says which timers run (``engine.timers``); each is an object of its own, so a
timer started anew is another object. The owner waits for octets, and calls ``engine.timed_out(timer)`` for
one that has run out. ``Watch`` does the reckoning with the times it is told:

    wait_s = watch.wait_s(clock.monotonic_s())         # None: for ever
    ... read octets for at most wait_s, hand them to engine.receive_data ...
    watch.fire(clock.monotonic_s())                    # tells the engine of whatever ran out

An owner that wants less waits ``engine.wait_s`` for octets and calls ``engine.timed_out()`` when none came.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Purpose(StrEnum):
    """What a timer is for."""

    GAP = "inter-character"  # the line must be quiet for so long before octets are judged
    PACKET = "packet"  # a packet that has begun must be whole
    RESPONSE = "response"  # our packet must be acknowledged; then it is sent again
    REPLY = "reply"  # client: the answer must begin after our request was acknowledged
    SETTLE = "settle"  # client: after a disturbed exchange nothing is sent for so long
    QUIET = "quiet"  # client: a session in doubt is over when nothing came for so long
    CHANNEL = "channel traffic"  # a session without traffic ends


class Timer:
    """One running timer. Compared by identity."""

    __slots__ = ("duration_s", "purpose")

    def __init__(self, purpose: Purpose, duration_s: float) -> None:
        self.purpose, self.duration_s = purpose, duration_s

    def __repr__(self) -> str:
        return f"<Timer {self.purpose} {self.duration_s:g} s>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """The time-outs, as the standard has them by default.

    ``reply_s`` is ours: the standard bounds the time until an answer begins only by the channel time-out.
    ``retries``: how often a packet is sent again before its sender gives up.
    """

    inter_character_s: float = 0.5
    response_s: float = 2.0
    channel_s: float = 6.0
    reply_s: float = 6.0
    retries: int = 3


class Timed(Protocol):
    """An engine with timers."""

    @property
    def timers(self) -> tuple[Timer, ...]:
        """Return the timers that run now."""
        ...

    def timed_out(self, timer: Timer | None = None) -> None:
        """Tell that ``timer`` has run out."""
        ...


class Watch:
    """Deadlines of one engine's timers, in seconds of the owner's clock."""

    __slots__ = ("_deadlines", "_engine")

    def __init__(self, engine: Timed) -> None:
        self._engine = engine
        self._deadlines: dict[Timer, float] = {}

    def wait_s(self, now_s: float) -> float | None:
        """Return for how long to wait for octets: until the first timer runs out; None: for ever."""
        timers = self._engine.timers
        known = self._deadlines
        if not timers:
            if known:
                self._deadlines = {}
            return None
        deadlines = {}
        for timer in timers:
            deadline_s = known.get(timer)
            deadlines[timer] = now_s + timer.duration_s if deadline_s is None else deadline_s
        self._deadlines = deadlines
        return max(0.0, min(deadlines.values()) - now_s)

    def fire(self, now_s: float) -> bool:
        """Tell the engine of the first timer that has run out; True if there was one (then ask again)."""
        self.wait_s(now_s)
        for timer, deadline_s in sorted(self._deadlines.items(), key=lambda item: item[1]):
            if deadline_s <= now_s + _EPSILON_S:
                del self._deadlines[timer]
                self._engine.timed_out(timer)
                return True
        return False


_EPSILON_S = 1e-9
