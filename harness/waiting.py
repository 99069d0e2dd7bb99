"""``within``: a step is repeated until it holds or its time is up, on the clock in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from adapters.base import Clock
from adapters.errors import (
    BenchError,
    FrameDamaged,
    Refused,
    RemoteProtocolError,
    TransportError,
)
from harness.verdicts import CheckFailed

T = TypeVar("T")

SHORTEST_POLL_S = 0.2
LONGEST_POLL_S = 10.0

# What time may cure: the device refuses yet, is rebooting, or is not there so far. A mistake of the plan, of
# the bench or of ours does not go away by waiting.
CURABLE = (CheckFailed, Refused, TransportError, FrameDamaged, RemoteProtocolError)


class TooLate(CheckFailed):
    """A step did not hold within its time."""


def poll_interval_s(within_s: float) -> float:
    """Return how long to wait between two attempts: a hundredth of the time, but 0.2 s to 10 s."""
    return min(max(within_s / 100, SHORTEST_POLL_S), LONGEST_POLL_S)


def attempt_within(
    clock: Clock,
    attempt: Callable[[], T],
    *,
    within_s: float,
    poll_s: float | None = None,
    once: bool = False,
) -> tuple[T, int]:
    """Call ``attempt`` until it returns, and return its result with the number of attempts.

    ``attempt`` raises one of CURABLE while it does not hold. With ``once`` (a destructive step) it is never
    repeated, only its duration is limited. Raises TooLate when it held but too late; when it never held, the
    error of the last attempt, whose message stays the device's own. The last attempt is made at the deadline
    itself, so a state reached during the last wait is not missed.
    """
    if within_s <= 0:
        raise BenchError(f"within must be longer than nothing, not {within_s} s")
    began_s = clock.monotonic_s()
    pause_s = poll_s if poll_s is not None else poll_interval_s(within_s)
    attempts = 0
    while True:
        attempts += 1
        asked_s = clock.monotonic_s() - began_s
        try:
            result = attempt()
        except CURABLE as error:
            left_s = within_s - (clock.monotonic_s() - began_s)
            if once or left_s <= 0:
                error.add_note(f"not within {within_s:g} s ({attempts} attempts)")
                raise
            clock.sleep_s(min(pause_s, left_s))
            continue
        took_s = clock.monotonic_s() - began_s
        # A short read that starts at the deadline is in time; an action that lasts beyond it is not.
        if asked_s > within_s or (attempts == 1 and took_s > within_s):
            raise TooLate(f"expected within {within_s:g} s, took {took_s:g} s")
        return result, attempts
