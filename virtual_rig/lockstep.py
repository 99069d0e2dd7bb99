"""Taking turns: several harness threads on one virtual clock, exactly one of them running at a time.

Every thread has a rank. A thread that waits parks; when all members are parked, whoever parked last runs
the world until one waiter may go on, and hands that one the turn. Ranks, not arrival, break ties: which
thread the operating system happened to start first leaves no trace.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.errors import BenchError

_LAST_WORDS_S = 5.0
_LOOK_FOR_SIGNALS_S = 0.05


@dataclass(kw_only=True, eq=False)
class Waiter:
    """One parked thread: it may go on when ``ready`` holds or ``deadline`` (ns) has come."""

    ready: Callable[[], bool] | None
    deadline: float
    since: float
    what: str
    rank: int = 0


Advance = Callable[[list[Waiter]], Waiter]


class _Group:
    """Threads that take turns. A group that failed stays failed, whoever looks and however late."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self.members: set[int] = set()
        self.changed = threading.Condition()
        self._parked: dict[int, Waiter] = {}
        self._chosen: Waiter | None = None
        self._running = False
        self._failure: BaseException | None = None

    def park(self, waiter: Waiter) -> None:
        """Wait for the turn. Raises what went wrong in the world."""
        with self.changed:
            self._parked[waiter.rank] = waiter
            self._running = False
            try:
                self._pass_on()
                while self._chosen is not waiter:
                    if self._failure is not None:
                        raise self._failure
                    self.changed.wait()
                self._chosen, self._running = None, True
            finally:
                self._parked.pop(waiter.rank, None)

    def leave(self, rank: int) -> None:
        """Go; the others no longer wait for this one."""
        with self.changed:
            self.members.discard(rank)
            self._parked.pop(rank, None)
            self._running = False
            self._pass_on()

    def fail(self, error: BaseException) -> None:
        """Tell everybody, now and later, that the world stands still."""
        with self.changed:
            self._failure = error
            self.changed.notify_all()

    def _pass_on(self) -> None:
        """Give somebody the turn when all members are parked and nobody has it; needs the lock."""
        ready = not self._running and self._chosen is None and self._failure is None
        if ready and self._parked and len(self._parked) == len(self.members):
            try:
                self._chosen = self._advance([self._parked[rank] for rank in sorted(self._parked)])
            except BaseException as error:  # noqa: BLE001 - every parked thread has to learn of it
                self._failure = error
        self.changed.notify_all()


class Turns:
    """Who runs. ``advance(waiters)`` moves the world and returns the waiter that may go on."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._group: _Group | None = None
        self._alone: int | None = None  # the one thread that waits when there is no group
        self._mine = threading.local()

    def park(self, waiter: Waiter) -> None:
        """Wait as the calling thread. Raises what went wrong in the world, or BenchError."""
        mine: tuple[_Group, int] | None = getattr(self._mine, "place", None)
        if mine is not None:
            group, waiter.rank = mine
            group.park(waiter)
            return
        if self._group is not None:
            raise BenchError("a thread without a rank waits on the virtual clock; use lockstep(rank)")
        me = threading.get_ident()
        if self._alone not in (None, me):
            raise BenchError("two threads wait on the virtual clock at once; use run_together or lockstep")
        self._alone = me
        try:
            self._advance([waiter])
        finally:
            self._alone = None

    def expect(self, ranks: Iterable[int]) -> None:
        """Announce members before their threads start."""
        if self._group is None:
            self._group = _Group(self._advance)
        with self._group.changed:
            self._group.members.update(ranks)

    def enter(self, rank: int) -> None:
        """Join as ``rank``, which was announced, and wait for the first turn."""
        group = self._group
        if group is None or rank not in group.members:
            raise BenchError(f"rank {rank} was not announced; call expect() before the threads start")
        self._join(group, rank)

    def leave(self) -> None:
        """Go; the others' world no longer waits for this thread."""
        group, rank = self._mine.place
        del self._mine.place
        group.leave(rank)
        if not group.members and self._group is group:
            self._group = None

    def run_together(self, functions: Sequence[Callable[[], Any]]) -> list[Any]:
        """See ``VirtualClock.run_together``."""
        if self._group is not None:
            raise BenchError("run_together does not nest")
        results: list[Any] = [None] * len(functions)
        raised: dict[int, BaseException] = {}
        group = self._group = _Group(self._advance)
        group.members.update(range(len(functions)))
        # Not Thread.join: in Python 3.11 an interrupted join takes a thread that still runs for ended.
        ended = threading.Semaphore(0)

        def work(rank: int, function: Callable[[], Any]) -> None:
            try:
                self._join(group, rank)
                try:
                    results[rank] = function()
                finally:
                    self.leave()
            except BaseException as error:  # noqa: BLE001 - handed to the calling thread, which raises it again
                raised[rank] = error
            finally:
                ended.release()

        threads = [
            threading.Thread(target=work, args=(rank, function), name=f"lockstep-{rank}", daemon=True)
            for rank, function in enumerate(functions)
        ]
        running = 0
        try:
            for thread in threads:
                running += 1  # before: an interrupt may find start() waiting for a thread that already runs
                thread.start()
            while running:
                # With an end to each wait: a signal that comes just before the wait does not interrupt it.
                if ended.acquire(timeout=_LOOK_FOR_SIGNALS_S):
                    running -= 1
        except BaseException:  # interrupted: the others must not wait for a world that stands still
            group.fail(BenchError("the threads running together were interrupted"))
            while running and ended.acquire(timeout=_LAST_WORDS_S):
                running -= 1
            raise
        finally:
            self._group = None
        if raised:
            raise raised[min(raised)]
        return results

    def _join(self, group: _Group, rank: int) -> None:
        self._mine.place = (group, rank)
        waiter = Waiter(ready=lambda: True, deadline=float("inf"), since=0, what="enters", rank=rank)
        try:
            group.park(waiter)
        except BaseException:
            del self._mine.place
            group.leave(rank)
            raise
