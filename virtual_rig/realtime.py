"""The same servers and models on the wall clock: one thread, a selector and a heap of timers.

For programs that are not ours and know nothing of virtual time (``meterbench rig serve``, foreign clients in
the tests). Models are always called under one lock, mostly in the driver's thread, so they need none of
their own. An exchange takes the short way: read, ``model.received``, ``line.send``, write, without a queue.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import selectors
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Self

from adapters.clock import WallClock
from virtual_rig.servers.line import CHUNK_BYTES, Line, Server

_LOG = logging.getLogger(__name__)
_HANG_UP_LOOK_S = 0.01
_HANG_UP_LOOKS = 200  # then the host has had its chance to read
_QUIET_LOOKS = 10  # a tty that looks empty may only be slow: the kernel moves its bytes in the background


class _Call:
    """A call on the heap; the sequence number keeps calls due together in order."""

    __slots__ = ("args", "due_s", "function", "number")

    def __init__(
        self, due_s: float, number: int, function: Callable[..., object], args: tuple[object, ...]
    ) -> None:
        self.due_s, self.number = due_s, number
        self.function: Callable[..., object] | None = function
        self.args = args

    def __lt__(self, other: _Call) -> bool:
        return (self.due_s, self.number) < (other.due_s, other.number)

    def cancel(self) -> None:
        """See ``Timer``."""
        self.function = None


class RealtimeDriver:
    """A ``Scheduler`` and driver of servers in real time; ``start`` and ``close`` it, or use ``with``.

    ``failures`` keeps what models raised; the line concerned is closed, the others go on.
    """

    def __init__(self, clock: WallClock | None = None) -> None:
        self._clock = clock or WallClock()
        self._zero_s = self._clock.monotonic_s()
        self._selector = selectors.DefaultSelector()
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_r, False)
        os.set_blocking(self._wake_w, False)
        self._selector.register(self._wake_r, selectors.EVENT_READ, self._woken)
        self._calls: list[_Call] = []
        self._number = itertools.count()
        self._lock = threading.RLock()
        self._servers: list[Server] = []
        self._thread: threading.Thread | None = None
        self._stopping = self._closed = False
        self.failures: list[BaseException] = []

    # -- Scheduler

    def now_s(self) -> float:
        """Return seconds since the driver was made."""
        return self._clock.monotonic_s() - self._zero_s

    def utc_now(self) -> datetime:
        """Return the real time of day: foreign clients compare a meter's clock with theirs."""
        return self._clock.utc_now()

    def call_later(self, delay_s: float, function: Callable[..., object], *args: object) -> _Call:
        """See ``Scheduler``; may be called from any thread."""
        return self.call_at(self.now_s() + max(0.0, delay_s), function, *args)

    def call_at(self, at_s: float, function: Callable[..., object], *args: object) -> _Call:
        """See ``Scheduler``; may be called from any thread."""
        call = _Call(at_s, next(self._number), function, args)
        with self._lock:
            heapq.heappush(self._calls, call)
            first = self._calls[0] is call
        if first and threading.current_thread() is not self._thread:
            self._wake()
        return call

    # -- life

    def start(self) -> Self:
        """Begin to serve."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="virtual rig", daemon=True)
            self._thread.start()
        return self

    def close(self) -> None:
        """Stop serving and close every server; closing twice is harmless."""
        if self._closed:
            return
        self._closed = self._stopping = True
        self._wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        for server in tuple(self._servers):
            server.close()
        self._selector.close()
        os.close(self._wake_r)
        os.close(self._wake_w)
        self._wake_r = self._wake_w = -1

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- Rig: what servers use

    @property
    def servers(self) -> tuple[Server, ...]:
        """Return the servers in this rig."""
        return tuple(self._servers)

    def attach(self, server: Server) -> None:
        """See ``Rig``."""
        with self._lock:
            self._servers.append(server)
            listener = server.listener()
            if listener is not None:
                fd, on_ready = listener
                self._selector.register(fd, selectors.EVENT_READ, lambda _events: on_ready())
        self._wake()

    def detach(self, server: Server) -> None:
        """See ``Rig``."""
        with self._lock:
            if server in self._servers:
                self._servers.remove(server)
                listener = server.listener()
                if listener is not None:
                    self._forget(listener[0])

    def line_up(self, line: Line) -> None:
        """See ``Rig``."""
        line.host_open = True  # whether a program has a tty open is not to be seen
        if threading.current_thread() is self._thread:
            self._guarded(line, line.model.opened, line)
        else:
            self.call_later(0.0, line.model.opened, line)
        if line.ends_with_empty and not line.gone:  # a UDP peer has no descriptor of its own
            with self._lock:
                self._watch(line)
            self._wake()

    def put(self, line: Line, data: bytes) -> None:
        """See ``Rig``."""
        if line.gone:
            return
        if not line.ends_with_empty:
            line.store(data)
            line.flush()
            line.unread = line.in_kernel = 0
            return
        if not line.outbox:
            try:
                count = os.write(line.fd, data)
            except BlockingIOError:
                count = 0
            except OSError:
                self._host_gone(line)
                return
            if count == len(data):
                return
            data = data[count:]
        room = max(0, line.buffer_bytes - len(line.outbox))
        line.overrun_bytes += max(0, len(data) - room)
        line.outbox += data[:room]
        self._watch(line)

    def hang_up(self, line: Line) -> None:
        """See ``Rig``."""
        with self._lock:
            line.tell_closed()
            if line.unread == 0 and not line.outbox and not line.ends_with_empty:
                line.shut()
                return
            self._hang_up_soon(line, _HANG_UP_LOOKS, _QUIET_LOOKS)

    def broken(self, line: Line, duration_s: float) -> None:
        """See ``Rig``."""
        with self._lock:
            self.settings_change(line)
            self._guarded(line, line.model.broke, line, duration_s)

    def settings_change(self, line: Line) -> None:
        """See ``Rig``."""
        with self._lock:
            if not line.gone and not line.stalled:
                self._read(line)

    def forget(self, line: Line) -> None:
        """See ``Rig``."""
        with self._lock:
            if line.ends_with_empty:
                self._forget(line.fd)

    def stall_changed(self, line: Line) -> None:
        """See ``Rig``."""
        with self._lock:
            if line.ends_with_empty and not line.gone:
                self._watch(line)
        self._wake()

    def listens(self, protocol: str, address: str) -> str | None:
        """See ``Rig``; the kernel knows whether somebody does."""
        return address

    def rings(self, protocol: str, address: str) -> None:
        """See ``Rig``; the kernel tells the listener."""

    # -- the loop

    def _run(self) -> None:
        select, calls = self._selector.select, self._calls
        while not self._stopping:
            left_s = calls[0].due_s - self.now_s() if calls else None
            if left_s is not None and left_s <= 0:
                self._make_calls()
                left_s = 0.0  # what the calls planned is looked at in the next turn
            for key, events in select(left_s):
                with self._lock:
                    key.data(events)

    def _make_calls(self) -> None:
        with self._lock:
            now_s = self.now_s()
            while self._calls and self._calls[0].due_s <= now_s:
                call = heapq.heappop(self._calls)
                if call.function is not None:
                    function, args = call.function, call.args
                    self._guarded(None, function, *args)

    def _serve(self, line: Line, events: int) -> None:
        if line.gone:  # closed by an earlier event of the same batch
            return
        if events & selectors.EVENT_WRITE:
            line.flush()
            line.in_kernel = line.unread = 0
            if not line.outbox:
                self._watch(line)
        if events & selectors.EVENT_READ and not line.gone:
            self._read(line)

    def _read(self, line: Line) -> None:
        try:
            data = os.read(line.fd, CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._host_gone(line)
        elif not line.hanging_up:
            if line.device_settings is not None:
                data = line.as_device_hears(data)
            if data:
                self._guarded(line, line.model.received, line, data)

    def _guarded(self, line: Line | None, work: Callable[..., object], *args: object) -> None:
        try:
            work(*args)
        except Exception as error:  # noqa: BLE001 - one model's mistake must not stop the others' wires
            self.failures.append(error)
            _LOG.exception("a device model failed on %s", line.name if line is not None else "a timer")
            if line is not None and not line.permanent:
                line.hanging_up = True
                line.shut()

    def _host_gone(self, line: Line) -> None:
        line.hanging_up = True
        line.shut()
        self._guarded(None, line.tell_closed)

    def _hang_up_soon(self, line: Line, looks: int, quiet_looks: int) -> None:
        if line.gone:
            return
        quiet_looks = quiet_looks - 1 if not line.outbox and line.half_close() else _QUIET_LOOKS
        if looks == 0 or quiet_looks == 0:
            line.shut()
            return
        self.call_later(_HANG_UP_LOOK_S, self._hang_up_soon, line, looks - 1, quiet_looks)

    def _watch(self, line: Line) -> None:
        """Tell the selector what to look for on ``line`` in its present state."""
        events = 0 if line.stalled else selectors.EVENT_READ
        if line.outbox and not line.stalled:
            events |= selectors.EVENT_WRITE
        known = self._selector.get_map().get(line.fd)
        if not events:
            self._forget(line.fd)
        elif known is None:
            self._selector.register(line.fd, events, partial(self._serve, line))
        elif known.events != events:
            self._selector.modify(line.fd, events, known.data)

    def _forget(self, fd: int) -> None:
        if fd >= 0 and self._selector.get_map() and self._selector.get_map().get(fd) is not None:
            self._selector.unregister(fd)

    def _wake(self) -> None:
        try:
            os.write(self._wake_w, b"w")
        except OSError:  # full: it will wake anyway
            return

    def _woken(self, _events: int) -> None:
        try:
            os.read(self._wake_r, CHUNK_BYTES)
        except BlockingIOError:
            return
