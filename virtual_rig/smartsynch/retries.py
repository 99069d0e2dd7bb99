"""Waiting for an answer, and asking again after ever longer pauses; calls that end together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from virtual_rig.wire import Scheduler, Timer


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Wait ``patience_s`` for an answer; pauses begin at ``first_s`` and double up to ``longest_s``."""

    patience_s: float = 10.0
    first_s: float = 10.0
    longest_s: float = 900.0


class Retry:
    """One thing that is said again until somebody answers.

    ``say`` is called at once and after each pause; ``unanswered(attempts)`` each time no answer came in time.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        backoff: Backoff,
        say: Callable[[], None],
        unanswered: Callable[[int], None] = lambda _attempts: None,
    ) -> None:
        self._scheduler, self._backoff = scheduler, backoff
        self._say, self._unanswered = say, unanswered
        self._attempts = 0
        self._timer: Timer | None = None
        self._go()

    def answered(self) -> None:
        """Stop: the answer is there, or nobody wants it any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go(self) -> None:
        self._attempts += 1
        self._timer = self._scheduler.call_later(self._backoff.patience_s, self._no_answer)
        self._say()

    def _no_answer(self) -> None:
        backoff = self._backoff
        pause_s = min(backoff.first_s * 2 ** (self._attempts - 1), backoff.longest_s)
        self._timer = self._scheduler.call_later(pause_s, self._go)
        self._unanswered(self._attempts)


class Timers:
    """Calls to come that one event (a power cut) takes away all at once."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._waiting: dict[int, Timer] = {}
        self._made = 0

    def later(self, delay_s: float, function: Callable[..., object], *args: object) -> Timer:
        """Call ``function(*args)`` in ``delay_s``, unless they have been cancelled before."""
        self._made += 1
        number = self._made

        def call() -> None:
            self._waiting.pop(number, None)
            function(*args)

        timer = self._waiting[number] = self._scheduler.call_later(delay_s, call)
        return timer

    def cancel_all(self) -> None:
        """Forget every call that is still to come."""
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
