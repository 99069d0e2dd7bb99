"""The lockstep clock: virtual time that moves only while every harness thread waits.

Theory of operation. The clock owns a SimPy environment whose time is integer nanoseconds, so that a deadline
falls on its instant exactly. Harness code calls ``sleep_s`` or waits for a wire; the calling thread itself
then runs the world: it drains every wire (the host's byte counters say how much is under way, the kernel may
be late, the counters are not), hands the bytes to the models as one piece, and then either lets a waiter go
whose bytes have come, or runs the next event, or, when nothing happens before the earliest deadline, moves
time to it. Events due at a deadline's very instant happen before the deadline does. Bytes to the host
lie in the line's outbox until the host looks, and cross the kernel wire then.

Several harness threads (``run_together``) take turns by rank: exactly one runs at a time, the world moves
when all of them wait. A wait that nobody can ever end raises ``Deadlock`` instead of hanging.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import simpy
from simpy.events import NORMAL

from adapters.base import Wire
from adapters.clock import poll_until
from adapters.errors import BenchError
from virtual_rig.in_flight import SETTLING_MS, forget_unread, kernel_ready, pull
from virtual_rig.lockstep import Turns, Waiter
from virtual_rig.servers.line import Line, Server
from virtual_rig.servers.outgoing import ListeningLine
from virtual_rig.trace import ByteTrace
from virtual_rig.wire import WORLD_START, Scheduler, Timer

__all__ = ["Deadlock", "Scheduler", "Timer", "VirtualClock"]

NS = 1_000_000_000
FOREVER: float = float("inf")
_STEPS_AT_ONE_INSTANT = 1_000_000
_SPINS_AT_ONE_INSTANT = 1_000_000
_STEPS_BETWEEN_SIGNALS = 20_000
# The function behind the one of the module, which makes enumerations of what it returns, at every event.
_set_signals: Callable[[int, set[signal.Signals]], object] = getattr(
    signal.pthread_sigmask, "__wrapped__", signal.pthread_sigmask
)
_HELD_BACK = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class Deadlock(BenchError):
    """The harness waits for something that cannot happen any more."""


class _Call(simpy.Event):
    """A scheduled call: an event with itself as its only callback, which is all a SimPy step needs."""

    def __init__(
        self, env: simpy.Environment, function: Callable[..., object], args: tuple[object, ...]
    ) -> None:
        self.env = env
        self.callbacks = [_happen]
        self._ok, self._value = True, None
        self._function: Callable[..., object] | None = function
        self._args = args

    def cancel(self) -> None:
        """See ``Timer``; the event stays in the queue and does nothing when its time comes."""
        self._function = None


def _happen(call: Any) -> None:
    if call._function is not None:
        call._function(*call._args)


class VirtualClock:
    """A ``Clock`` for the harness, a ``Scheduler`` for models and the driver of their servers.

    ``patience_s`` bounds a wait without a deadline in a world that goes on for ever (periodic reports): after
    so much virtual time it counts as one that nobody ends.
    """

    def __init__(
        self,
        *,
        start: datetime = WORLD_START,
        keep_trace: bool = False,
        patience_s: float = 400 * 86400.0,
    ) -> None:
        self.start = start
        self.trace = ByteTrace(keep=keep_trace)
        self._patience_ns = round(patience_s * NS)
        self._env = simpy.Environment(0)
        self._servers: dict[tuple[str, str], Server] = {}  # TCP and UDP count their ports apart
        self._lines: dict[int, tuple[Wire, Line]] = {}
        self._listening: dict[tuple[str, str], ListeningLine] = {}
        self._dirty: dict[Line, None] = {}  # insertion order: the order in which the host touched them
        self._turns = Turns(self._advance)
        self._spins, self._spun_at = 0, -1
        self._steps_here = 0
        self._advancing = False
        self._held_back = _HELD_BACK - signal.pthread_sigmask(signal.SIG_BLOCK, ())

    # -- Scheduler: what models see

    def now_s(self) -> float:
        """See ``Scheduler``."""
        return int(self._env.now) / NS

    def utc_now(self) -> datetime:
        """Return the world's time of day."""
        return self.start + timedelta(microseconds=int(self._env.now) // 1000)

    def call_later(self, delay_s: float, function: Callable[..., object], *args: object) -> Timer:
        """See ``Scheduler``."""
        call = _Call(self._env, function, args)
        self._env.schedule(call, NORMAL, _ns(delay_s))
        return call

    def call_at(self, at_s: float, function: Callable[..., object], *args: object) -> Timer:
        """See ``Scheduler``."""
        call = _Call(self._env, function, args)
        self._env.schedule(call, NORMAL, max(0, round(at_s * NS) - int(self._env.now)))
        return call

    # -- Clock: what the harness sees

    def monotonic_s(self) -> float:
        """Return virtual seconds since the world began."""
        return int(self._env.now) / NS

    def sleep_s(self, duration_s: float) -> None:
        """Let virtual time pass; even no time at all lets the world take what was written."""
        self._wait(None, duration_s, "sleeps")

    def wait_until(self, predicate: Callable[[], bool], timeout_s: float, poll_s: float) -> bool:
        """See ``adapters.base.Clock``."""
        return poll_until(self, predicate, timeout_s, poll_s)

    def wait_readable(self, wire: Wire, timeout_s: float) -> bool:
        """Run the world until bytes for ``wire`` have arrived, its far end is closed, or the time is up."""
        line = self._line(wire)
        while True:
            if not (line.unread or line.gone) and not self._wait(
                lambda: bool(line.unread) or line.gone, timeout_s, f"waits for bytes on {line.name}"
            ):
                return False
            line.flush()
            if line.doubtful_reads:
                line.doubtful_reads = False
                if not kernel_ready(wire.fileno(), select.POLLIN, SETTLING_MS) and not line.gone:
                    line.read_all_of_kernel()
                    continue
            if kernel_ready(wire.fileno(), select.POLLIN) or line.gone:
                return True
            lost = line.unread
            line.read_all_of_kernel()
            raise BenchError(
                f"{lost} octets from {line.name} got lost in the kernel, or were read by another"
            )

    def wait_writable(self, wire: Wire, timeout_s: float) -> bool:
        """Make room for the host's bytes; waits in virtual time only where the device does not read."""
        known = self._lines.get(id(wire))
        if known is None:
            return self._wait_connected(wire, timeout_s)
        line = known[1]
        if line.stalled:
            poller = select.poll()
            poller.register(wire.fileno(), select.POLLOUT)
            writable = lambda: not line.stalled or line.gone or bool(poller.poll(0))  # noqa: E731
            if not self._wait(writable, timeout_s, f"waits for room on {line.name}"):
                return False
        if not line.stalled:
            pull(line)
        return kernel_ready(wire.fileno(), select.POLLOUT)

    def wire_opened(self, wire: Wire) -> None:
        """Connect ``wire`` with the model behind it. Raises BenchError for an unknown endpoint."""
        if wire.kind.endswith("-listener"):
            self._lines[id(wire)] = (wire, self._listening_line(wire))
            return
        line = self._server_of(wire).admit(wire)
        line.host_open = True
        self._lines[id(wire)] = (wire, line)
        self.trace.add(int(self._env.now), line.name, "open")

    def wire_sent(self, wire: Wire, data: bytes) -> None:
        """Count bytes the host has written; the model gets them when the host next waits."""
        line = self._line(wire)
        if data:
            line.was_sent(data)
        else:  # a write was interrupted: nobody knows how much went out
            line.doubtful = True
        self._dirty[line] = None

    def wire_received(self, wire: Wire, data: bytes) -> None:
        """Count bytes the host has read."""
        line = self._line(wire)
        if data:
            line.was_read(data)
        else:  # a read was interrupted: nobody knows how much came in
            line.doubtful_reads = True
        if line.hanging_up and not line.unread:
            line.shut()

    def wire_closed(self, wire: Wire) -> None:
        """Take what is still under way from the host, and let go of the wire."""
        known = self._lines.pop(id(wire), None)
        if known is None:
            return
        line = known[1]
        if isinstance(line, ListeningLine):
            self._listening.pop((wire.kind, line.announced), None)
            return
        if not line.gone and not line.stalled:
            pull(line)
        line.host_open = False
        self.trace.add(int(self._env.now), line.name, "close", b"%d" % line.overrun_bytes)
        if line.permanent:
            forget_unread(line)
            if line.hanging_up:
                line.shut()
        else:
            line.inbox.append(lambda: self._host_closed(line))
            self._dirty[line] = None

    # -- several harness threads

    def run_together(self, *functions: Callable[[], Any]) -> list[Any]:
        """Run each function in a thread of its own, in lockstep, and return their results.

        Ranks follow the order given. The calling thread stands still meanwhile; the first exception, by
        rank, is raised again.
        """
        return self._turns.run_together(functions)

    @contextmanager
    def lockstep(self, rank: int) -> Iterator[None]:
        """Take part as a thread of fixed ``rank``; the ranks have been announced with ``expect``."""
        self._turns.enter(rank)
        try:
            yield
        finally:
            self._turns.leave()

    def expect(self, *ranks: int) -> None:
        """Announce the ranks of the threads that are about to enter; time stands still until all have."""
        self._turns.expect(ranks)

    # -- Rig: what servers use

    def attach(self, server: Server) -> None:
        """See ``Rig``."""
        self._servers[server.kind, server.address] = server

    def detach(self, server: Server) -> None:
        """See ``Rig``."""
        key = server.kind, server.address
        if self._servers.get(key) is server:
            del self._servers[key]

    def line_up(self, line: Line) -> None:
        """See ``Rig``; the model hears of it at the next step."""
        line.inbox.append(lambda: line.model.opened(line))
        self._dirty[line] = None

    def put(self, line: Line, data: bytes) -> None:
        """See ``Rig``. What nobody reads overruns, as in a serial driver."""
        now = int(self._env.now)
        if not line.host_open:
            return
        room = line.room_for(data, now)
        if room >= len(data):
            line.store(data)
            self.trace.add(now, line.name, "<", data)
            return
        line.overrun_bytes += len(data) - room  # in the trace as a sum, when the host closes the line
        if room:
            line.store(data[:room])
            self.trace.add(now, line.name, "<", data[:room])

    def hang_up(self, line: Line) -> None:
        """See ``Rig``."""
        if not line.unread:
            line.shut()
        line.inbox.append(line.tell_closed)
        self._dirty[line] = None

    def broken(self, line: Line, duration_s: float) -> None:
        """See ``Rig``."""
        self.settings_change(line)
        line.inbox.append(lambda: self._broke(line, duration_s))
        self._dirty[line] = None

    def settings_change(self, line: Line) -> None:
        """See ``Rig``."""
        if line.in_flight and not line.stalled and not line.gone:
            pull(line)

    def forget(self, line: Line) -> None:
        """See ``Rig``; the lockstep clock looks at no descriptor by itself."""

    def stall_changed(self, line: Line) -> None:
        """See ``Rig``."""
        self._dirty[line] = None

    def listens(self, protocol: str, address: str) -> str | None:
        """See ``Rig``: only listeners of the harness, by the address they announce."""
        line = self._listening.get((f"{protocol}-listener", address))
        return None if line is None else line.near

    def rings(self, protocol: str, address: str) -> None:
        """See ``Rig``."""
        line = self._listening[f"{protocol}-listener", address]
        line.unread += 1
        self.trace.add(int(self._env.now), line.name, "ring")

    def _listening_line(self, wire: Wire) -> ListeningLine:
        if (wire.kind, wire.far) in self._listening:
            raise BenchError(f"two listeners of this virtual rig announce {wire.far}")
        line = ListeningLine(name=wire.kind, wire=wire, rig=self)
        self._listening[wire.kind, wire.far] = line
        self.trace.add(int(self._env.now), line.name, "open")
        return line

    # -- the world

    @property
    def servers(self) -> tuple[Server, ...]:
        """Return the servers in this rig."""
        return tuple(self._servers.values())

    def trace_digest(self) -> str:
        """Return the SHA-256 of the byte trace of every wire so far."""
        return self.trace.digest()

    def close(self) -> None:
        """Close every server."""
        for server in tuple(self._servers.values()):
            server.close()
        self._lines.clear()
        self._listening.clear()
        self._dirty.clear()

    def _wait(self, ready: Callable[[], bool] | None, timeout_s: float, what: str) -> bool:
        """Park the calling thread; return whether ``ready`` held (False: the deadline came first)."""
        now = int(self._env.now)
        deadline = FOREVER if timeout_s == FOREVER else now + _ns(timeout_s)
        if deadline == now:
            if self._spun_at != now:
                self._spun_at, self._spins = now, 0
            self._spins += 1
            if self._spins > _SPINS_AT_ONE_INSTANT:
                raise Deadlock(
                    f"the harness asks again and again and lets no time pass (t = {self.now_s()} s): {what}"
                )
        waiter = Waiter(ready=ready, deadline=deadline, since=now, what=what)
        self._turns.park(waiter)
        return ready is not None and ready()

    def _advance(self, waiters: list[Waiter]) -> Waiter:
        """Run the world until one of ``waiters``, best rank first, may go on; return it.

        Signals that a harness turns into exceptions are held back while a model is at work, so that an
        interrupt finds the world between two events and never inside one.
        """
        if self._advancing:
            raise BenchError("a device model waits on the clock; models use call_later")
        self._advancing = True
        in_main = threading.current_thread() is threading.main_thread()
        try:
            while True:
                try:
                    if in_main:  # inside the try: blocking may itself deliver what came just before
                        _set_signals(signal.SIG_BLOCK, self._held_back)
                    gone_on = self._steps(waiters)
                finally:
                    if in_main:
                        _set_signals(signal.SIG_UNBLOCK, self._held_back)
                if gone_on is not None:
                    return gone_on
        finally:
            self._advancing = False

    def _steps(self, waiters: list[Waiter]) -> Waiter | None:
        """Do the work of ``_advance`` for a while; None means: not finished."""
        env = self._env
        earliest = min(waiter.deadline for waiter in waiters)
        conditions = [(waiter, waiter.ready) for waiter in waiters if waiter.ready is not None]
        for _ in range(_STEPS_BETWEEN_SIGNALS):
            if self._dirty:
                self._deliver()
            for waiter, ready in conditions:
                if ready():
                    return waiter
            now, due = env.now, env.peek()
            if due > now:  # nothing is left to happen at this instant
                if earliest <= now:
                    return next(waiter for waiter in waiters if waiter.deadline <= now)
                if earliest < due:
                    env.run(until=earliest)  # leaves its own end in the queue: a step at the new instant
                    self._steps_here = 0
                    continue
                if due == FOREVER or (earliest == FOREVER and due - waiters[0].since > self._patience_ns):
                    raise self._deadlock(waiters)
                self._steps_here = 0
            self._steps_here += 1
            if self._steps_here > _STEPS_AT_ONE_INSTANT:
                raise Deadlock(f"a device model never lets time pass (t = {self.now_s()} s)")
            env.step()
        return None

    def _deadlock(self, waiters: list[Waiter]) -> Deadlock:
        who = "; ".join(f"the harness {waiter.what} without a deadline" for waiter in waiters)
        return Deadlock(f"nobody can ever wake up (t = {self.now_s()} s): {who}")

    def _deliver(self) -> None:
        """Drain every wire the host has touched, and give each model its bytes and events in order."""
        while self._dirty:
            line = next(iter(self._dirty))
            del self._dirty[line]
            if (line.in_flight or line.doubtful) and not line.stalled and not line.gone:
                pull(line)
            while line.inbox and not line.stalled:
                item = line.inbox.pop(0)
                if not isinstance(item, bytearray):
                    item()
                elif not line.told_closed:
                    self.trace.add(int(self._env.now), line.name, ">", bytes(item))
                    line.model.received(line, bytes(item))

    def _broke(self, line: Line, duration_s: float) -> None:
        self.trace.add(int(self._env.now), line.name, "break", f"{duration_s:.6f}".encode())
        line.model.broke(line, duration_s)

    def _host_closed(self, line: Line) -> None:
        line.tell_closed()
        line.hanging_up = True
        line.shut()

    def _line(self, wire: Wire) -> Line:
        try:
            return self._lines[id(wire)][1]
        except KeyError:
            raise BenchError(
                f"the {wire.kind} wire {wire.near} - {wire.far} is not open on this virtual clock"
            ) from None

    def _server_of(self, wire: Wire) -> Server:
        address = os.path.realpath(wire.near) if wire.near.startswith("/") else wire.far or wire.near
        server = self._servers.get((wire.kind, address))
        if server is None:
            here = ", ".join(f"{server.name} at {server.address}" for server in self._servers.values())
            raise BenchError(
                f"{wire.kind} {address} is not part of this virtual rig, and waiting for anything else would "
                f"never end in virtual time; the rig has: {here or 'nothing'}"
            )
        return server

    def _wait_connected(self, wire: Wire, timeout_s: float) -> bool:
        server = self._servers.get((wire.kind, wire.far))
        if server is not None and server.blackhole:
            return self._wait(lambda: False, timeout_s, f"connects to {wire.far}")
        return kernel_ready(wire.fileno(), select.POLLOUT)


def _ns(duration_s: float) -> int:
    """Return nanoseconds; a positive duration is at least one, so that waiting always moves time."""
    return max(1, round(duration_s * NS)) if duration_s > 0 else 0
