"""Verdicts say whose fault it is. The lattice, the exit codes and the mapping from errors."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from adapters import errors


class Verdict(IntEnum):
    """Ordered: the verdict of a whole is the worst of its parts."""

    skipped = 0  # a capability or a permission is absent; the reason is printed
    passed = 1
    inconclusive = 2  # evidence is missing or contradictory
    failed = 3  # the device broke a requirement
    bench_error = 4  # the bench, a wire or the harness broke
    aborted = 5  # a person or the system stopped it

    def __str__(self) -> str:
        return self.name

    @property
    def word(self) -> str:
        """Return the verdict as people read it in reports: loud unless all is well."""
        return _WORDS[self][0]

    @property
    def meaning(self) -> str:
        """Return what the verdict says, and whose fault it is."""
        return _WORDS[self][1]


_WORDS = {
    Verdict.skipped: ("skipped", "a capability or a permission is absent"),
    Verdict.passed: ("passed", "the device did what was required"),
    Verdict.inconclusive: ("INCONCLUSIVE", "evidence is missing or contradictory"),
    Verdict.failed: ("FAILED", "the device broke a requirement"),
    Verdict.bench_error: ("BENCH ERROR", "the bench, a wire or the harness broke; the device is not judged"),
    Verdict.aborted: ("ABORTED", "a person or the system stopped it"),
}


class CheckFailed(AssertionError):
    """A device's answer is not the expected one; the message names the behaviour, expected and actual."""


class Inconclusive(Exception):
    """Evidence is missing or contradictory: neither a pass nor a failure can be signed."""


class NotAllowed(Exception):
    """A capability or a permission is absent; the case is skipped with this reason."""


class Aborted(BaseException):
    """A person or the system asked the run to stop. Not an Exception: no step may swallow it."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of a whole from those of its parts; nothing at all is ``skipped``."""
    return max(verdicts, default=Verdict.skipped)


def verdict_of(error: BaseException) -> Verdict:
    """Return what an exception that ended a step says about the device and the bench.

    A refusal nobody expected and a request ignored on a living link are the device's; so are bytes that
    break the protocol when a checksum vouches for them. Everything else that breaks is the bench's.
    """
    match error:
        case Aborted() | KeyboardInterrupt() | SystemExit():
            return Verdict.aborted
        case CheckFailed() | errors.Refused():
            return Verdict.failed
        case errors.RemoteProtocolError() if error.frame_intact:
            return Verdict.failed
        case Inconclusive() | errors.NotSeen():
            return Verdict.inconclusive
        case NotAllowed() | errors.NotPermitted():
            return Verdict.skipped
        case _:
            return Verdict.bench_error


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """Return a run's exit code: 0 passed, 1 a device failed, 2 aborted, 3 bench error or inconclusive."""
    found = set(verdicts)
    if Verdict.aborted in found:
        return 2
    if Verdict.failed in found:
        return 1
    if found & {Verdict.bench_error, Verdict.inconclusive}:
        return 3
    return 0
