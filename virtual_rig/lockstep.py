"""Taking turns: several harness threads on one virtual clock, exactly one of them running at a time.

Every thread has a rank. A thread that waits parks; when all members are parked, whoever parked last runs
the world until one waiter may go on, and hands that one the turn. Ranks, not arrival, break ties: which
thread the operating system happened to start first leaves no trace.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.errors import BenchError

_LAST_WORDS_S = 5.0


@dataclass(kw_only=True, eq=False)
class Waiter:
    """One parked thread: it may go on when ``ready`` holds or ``deadline`` (ns) has come."""

    ready: Callable[[], bool] | None
    deadline: float
    since: float
    what: str
    rank: int = 0


class Turns:
    """Who runs. ``advance(waiters)`` moves the world and returns the waiter that may go on."""

    def __init__(self, advance: Callable[[list[Waiter]], Waiter]) -> None:
        self._advance = advance
        self._members: set[int] = set()
        self._parked: dict[int, Waiter] = {}
        self._chosen: Waiter | None = None
        self._running = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._alone: int | None = None  # the one thread that waits when there are no members
        self._mine = threading.local()

    def park(self, waiter: Waiter) -> None:
        """Wait as the calling thread. Raises what went wrong in the world, or BenchError."""
        if self._members:
            self._park_in_turn(waiter)
            return
        me = threading.get_ident()
        if self._alone not in (None, me):
            raise BenchError("two threads wait on the virtual clock at once; use run_together or lockstep")
        self._alone = me
        try:
            self._advance([waiter])
        finally:
            self._alone = None

    def expect(self, ranks: Sequence[int]) -> None:
        """Announce members before their threads start."""
        with self._changed:
            self._members.update(ranks)

    def enter(self, rank: int) -> None:
        """Join as ``rank`` and wait for the first turn."""
        with self._changed:
            self._members.add(rank)
        self._mine.rank = rank
        self._park_in_turn(Waiter(ready=lambda: True, deadline=float("inf"), since=0, what="enters"))

    def leave(self) -> None:
        """Go; the others' world no longer waits for this thread."""
        with self._changed:
            self._members.discard(self._mine.rank)
            self._parked.pop(self._mine.rank, None)
            del self._mine.rank
            self._running = False
            self._pass_on()

    def run_together(self, functions: Sequence[Callable[[], Any]]) -> list[Any]:
        """See ``VirtualClock.run_together``."""
        if self._members:
            raise BenchError("run_together does not nest")
        results: list[Any] = [None] * len(functions)
        raised: dict[int, BaseException] = {}

        def work(rank: int, function: Callable[[], Any]) -> None:
            try:
                self.enter(rank)
                try:
                    results[rank] = function()
                finally:
                    self.leave()
            except BaseException as error:  # noqa: BLE001 - handed to the calling thread, which raises it again
                raised[rank] = error

        self.expect(range(len(functions)))
        threads = [
            threading.Thread(target=work, args=(rank, function), name=f"lockstep-{rank}", daemon=True)
            for rank, function in enumerate(functions)
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException:  # interrupted: the others must not wait for a world that stands still
            with self._changed:
                self._failure = BenchError("the threads running together were interrupted")
                self._changed.notify_all()
            for thread in threads:
                thread.join(_LAST_WORDS_S)
            raise
        finally:
            with self._changed:
                self._members.clear()
                self._parked.clear()
                self._running, self._chosen, self._failure = False, None, None
        if raised:
            raise raised[min(raised)]
        return results

    def _park_in_turn(self, waiter: Waiter) -> None:
        rank: int | None = getattr(self._mine, "rank", None)
        if rank is None:
            raise BenchError("a thread without a rank waits on the virtual clock; use lockstep(rank)")
        waiter.rank = rank
        with self._changed:
            self._parked[rank] = waiter
            self._running = False
            try:
                self._pass_on()
                while self._chosen is not waiter:
                    if self._failure is not None:
                        raise self._failure
                    self._changed.wait()
                self._chosen, self._running = None, True
            finally:
                self._parked.pop(rank, None)

    def _pass_on(self) -> None:
        """Give somebody the turn when all members are parked and nobody has it; needs the lock."""
        ready = not self._running and self._chosen is None and self._failure is None
        if ready and self._parked and len(self._parked) == len(self._members):
            try:
                self._chosen = self._advance([self._parked[rank] for rank in sorted(self._parked)])
            except BaseException as error:  # noqa: BLE001 - every parked thread has to learn of it
                self._failure = error
        self._changed.notify_all()
