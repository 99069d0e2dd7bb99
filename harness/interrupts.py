"""SIGINT, SIGTERM and SIGHUP end a run in order: case aborted, ``always`` steps, bench safe, reports whole.

A signal handler that raises wherever it happens to strike would skip the very clean-up it must bring about
(pytest itself leaves fixtures unfinished that way). So the handler only takes note, and raises ``Aborted``
in one place alone: while a step of a case is at work. Everything else, clean-up above all, is never
interrupted; it sees the note at its next boundary.

On a virtual bench a step takes milliseconds of real time and shares its thread with the simulated world, so
the first signal lets the step finish; a second one ends it at once. On hardware the first one does.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from harness.verdicts import Aborted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """The request to stop, and whether it may strike right now. One per process, on the main thread."""

    def __init__(self, *, on_request: Callable[[str], None] | None = None) -> None:
        self.reason = ""
        self.eager = True  # False on a virtual bench
        self._on_request = on_request
        self._requests = 0
        self._struck = False
        self._armed = 0
        self._shields = 0
        self._previous: dict[signal.Signals, Any] = {}

    def install(self) -> None:
        """Take the signals over, even a SIGINT inherited as ignored, as a shell's background job does."""
        for number in SIGNALS:
            self._previous[number] = signal.signal(number, self._handle)

    def restore(self) -> None:
        """Give the signals back."""
        while self._previous:
            number, handler = self._previous.popitem()
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def request(self, reason: str) -> None:
        """Ask the run to stop. Raises Aborted when a step is at work that may be interrupted."""
        self._requests += 1
        if not self.reason:
            self.reason = reason
            if self._on_request is not None:
                self._on_request(reason)
        self._strike()

    def check(self) -> None:
        """Raise Aborted when somebody has asked the run to stop and this is not clean-up."""
        if self.reason and not self._shields:
            raise Aborted(self.reason)

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Let a signal interrupt what happens inside. Raises Aborted, also for an earlier request."""
        self.check()
        self._armed += 1
        try:
            yield
        finally:
            self._armed -= 1

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Let no signal interrupt what happens inside, for instance the writing of evidence."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        self._strike()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.request(signal.Signals(number).name)

    def _strike(self) -> None:
        """Raise Aborted where that is wanted and harmless, and only once: unwinding must come to its end."""
        if not self.reason or self._struck or not self._armed or self._shields:
            return
        if self.eager or self._requests > 1:
            self._struck = True
            raise Aborted(self.reason)
