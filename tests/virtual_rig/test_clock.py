"""The lockstep clock by itself: exact time, order of events, waits nobody ends, several threads."""

from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime, timedelta

import pytest

from adapters.base import Wire
from adapters.errors import BenchError, ReadTimeout
from adapters.transports.serial import SerialTransport
from tests.virtual_rig.wire_models import REPORT, Echo, Reporter
from virtual_rig.clock import Deadlock, VirtualClock
from virtual_rig.servers.pty import PtyServer


def test_virtual_clock_starts_at_the_world_start_and_sleeps_exactly() -> None:
    """Sleeping moves both kinds of time by exactly what was asked for."""
    clock = VirtualClock()
    clock.sleep_s(0.1)
    clock.sleep_s(86400 * 30)
    assert clock.monotonic_s() == 86400 * 30 + 0.1
    assert clock.utc_now() == datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=30, seconds=0.1)


def test_virtual_clock_ten_thousand_tenths_make_exactly_a_thousand_seconds() -> None:
    """Time is integer nanoseconds: no drift from adding up."""
    clock = VirtualClock()
    for _ in range(10_000):
        clock.sleep_s(0.1)
    assert clock.monotonic_s() == 1000.0


def test_virtual_clock_event_at_the_very_deadline_happens_before_it() -> None:
    """A reply due exactly when the wait ends still counts."""
    clock, seen = VirtualClock(), []
    clock.call_later(5.0, seen.append, "event")
    clock.sleep_s(5.0)
    assert seen == ["event"]


def test_virtual_clock_events_due_together_run_in_the_order_they_were_made() -> None:
    """Ties are broken by order, never by identity."""
    clock, seen = VirtualClock(), []
    for name in "abc":
        clock.call_at(1.0, seen.append, name)
    clock.call_at(0.5, seen.append, "first")
    clock.sleep_s(1.0)
    assert seen == ["first", "a", "b", "c"]


def test_virtual_clock_cancelled_timer_does_nothing() -> None:
    """A cancelled call is not made; cancelling it again is harmless."""
    clock, seen = VirtualClock(), []
    timer = clock.call_later(1.0, seen.append, "no")
    timer.cancel()
    timer.cancel()
    clock.sleep_s(2.0)
    assert seen == []


def test_virtual_clock_wait_until_asks_one_last_time_at_the_deadline() -> None:
    """A condition that comes true at the deadline itself is seen."""
    clock = VirtualClock()
    assert clock.wait_until(lambda: clock.monotonic_s() >= 10.0, timeout_s=10.0, poll_s=3.0) is True
    assert clock.wait_until(lambda: False, timeout_s=7.0, poll_s=3.0) is False
    assert clock.monotonic_s() == 17.0


def test_virtual_clock_wait_without_deadline_and_without_events_is_a_deadlock() -> None:
    """Nobody can ever wake up: reported with what was waited for, not hung."""
    clock = VirtualClock()
    server = PtyServer("optical", Echo(clock), clock)
    port = SerialTransport.open(port=server.address, clock=clock)
    with pytest.raises(Deadlock, match=r"nobody can ever wake up .* waits for bytes on optical"):
        port.read(1, float("inf"))
    port.close()
    clock.close()


def test_virtual_clock_wait_without_deadline_in_an_endless_world_is_a_deadlock() -> None:
    """Periodic events that never concern the waiter do not hide that it waits in vain."""
    clock = VirtualClock(patience_s=3600.0)
    quiet = PtyServer("quiet", Echo(clock), clock)
    PtyServer("busy", Reporter(clock), clock)
    port = SerialTransport.open(port=quiet.address, clock=clock)
    with pytest.raises(Deadlock):
        port.read(1, float("inf"))
    port.close()
    clock.close()


def test_virtual_clock_model_that_stops_time_is_a_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that schedules itself at the same instant for ever is found out."""
    monkeypatch.setattr("virtual_rig.clock._STEPS_AT_ONE_INSTANT", 1000)
    clock = VirtualClock()

    def again() -> None:
        clock.call_later(0.0, again)

    clock.call_later(1.0, again)
    with pytest.raises(Deadlock, match="never lets time pass"):
        clock.sleep_s(2.0)


def test_virtual_clock_harness_that_polls_without_time_is_a_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking again and again with no time-out would never end in virtual time."""
    monkeypatch.setattr("virtual_rig.clock._SPINS_AT_ONE_INSTANT", 1000)
    clock = VirtualClock()

    def poll() -> None:
        while True:
            clock.sleep_s(0.0)

    with pytest.raises(Deadlock, match="lets no time pass"):
        poll()


def test_virtual_clock_model_that_waits_on_the_clock_is_refused() -> None:
    """Models use call_later; a model that sleeps would run the world inside itself."""
    clock = VirtualClock()
    clock.call_later(1.0, clock.sleep_s, 1.0)
    with pytest.raises(BenchError):
        clock.sleep_s(2.0)


def test_virtual_clock_unknown_wire_is_a_bench_error_naming_what_there_is() -> None:
    """Waiting in virtual time for something outside the rig would never end, so it is refused at once."""
    clock = VirtualClock()
    server = PtyServer("optical", Echo(clock), clock)
    with pytest.raises(BenchError, match=r"not part of this virtual rig.*optical at /dev/"):
        clock.wire_opened(Wire(kind="tcp", near="127.0.0.1:1", far="127.0.0.1:2", fileno=lambda: 0))
    server.close()


def test_virtual_clock_read_time_out_is_exact_and_virtual() -> None:
    """A silent line costs exactly the time-out."""
    clock = VirtualClock()
    server = PtyServer("optical", Echo(clock, delay_s=10.0), clock)
    port = SerialTransport.open(port=server.address, clock=clock)
    port.write(b"x", 1.0)
    with pytest.raises(ReadTimeout):
        port.read(1, 9.999999999)
    assert clock.monotonic_s() == 9.999999999
    assert port.read(10, 1.0) == b"<x>"
    assert clock.monotonic_s() == 10.0
    port.close()
    clock.close()


def test_virtual_clock_two_threads_without_ranks_are_refused() -> None:
    """Two threads that wait at once without ranks would make the trace depend on luck."""
    clock = VirtualClock()
    inside, errors = threading.Event(), []

    def stray() -> None:
        try:
            clock.sleep_s(1.0)
        except BenchError as error:
            errors.append(error)

    def hold() -> None:
        thread = threading.Thread(target=stray)
        thread.start()
        thread.join()
        inside.set()

    clock.call_later(0.5, hold)
    clock.sleep_s(1.0)
    assert inside.is_set()
    assert len(errors) == 1


def _four_threads() -> tuple[str, list[object]]:
    clock = VirtualClock()
    servers = [PtyServer(f"port{i}", Echo(clock, delay_s=0.1 * i), clock) for i in range(4)]
    ports = [SerialTransport.open(port=server.address, clock=clock) for server in servers]

    def work(rank: int) -> tuple[int, float, bytes]:
        answer = b""
        for turn in range(5):
            ports[rank].write(b"%d" % turn, 1.0)
            answer = ports[rank].read(100, 10.0)
            clock.sleep_s(1.0 + rank % 2)
        return rank, clock.monotonic_s(), answer

    results = clock.run_together(*(lambda rank=rank: work(rank) for rank in range(4)))
    for port in ports:
        port.close()
    clock.sleep_s(0.0)
    clock.close()
    return clock.trace_digest(), results


def test_virtual_clock_four_threads_twenty_runs_leave_one_trace() -> None:
    """Which thread the operating system starts first leaves no mark."""
    runs = [_four_threads() for _ in range(20)]
    assert len({digest for digest, _ in runs}) == 1
    assert len({repr(results) for _, results in runs}) == 1
    assert runs[0][1][3] == (3, 11.5, b"<4>")


def test_virtual_clock_threads_of_ones_own_take_part_by_rank() -> None:
    """Whoever starts threads himself announces the ranks first; the order of starting does not matter."""
    clock, order = VirtualClock(), []
    clock.expect(0, 1, 2)

    def work(rank: int) -> None:
        with clock.lockstep(rank):
            for _ in range(3):
                order.append((clock.monotonic_s(), rank))
                clock.sleep_s(1.0)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in (2, 0, 1)]
    for thread in threads:
        thread.start()
    with pytest.raises(BenchError, match="without a rank"):
        clock.sleep_s(1.0)
    for thread in threads:
        thread.join(10)
    assert order == [(float(second), rank) for second in range(3) for rank in range(3)]
    clock.sleep_s(1.0)
    assert clock.monotonic_s() == 4.0


def test_virtual_clock_running_together_does_not_nest() -> None:
    """A thread of a group cannot start a group of its own."""
    clock = VirtualClock()
    with pytest.raises(BenchError, match="nest"):
        clock.run_together(lambda: clock.run_together(lambda: None))


def test_virtual_clock_thread_that_fails_does_not_hang_the_others() -> None:
    """The first exception by rank comes out once the others have finished."""
    clock, done = VirtualClock(), []

    def good() -> None:
        clock.sleep_s(10.0)
        done.append(clock.monotonic_s())

    def bad() -> None:
        clock.sleep_s(1.0)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        clock.run_together(good, bad)
    assert done == [10.0]
    clock.sleep_s(1.0)
    assert clock.monotonic_s() == 11.0


def test_virtual_clock_deadlock_among_threads_reaches_every_one() -> None:
    """All parked for ever: each of them is told."""
    clock = VirtualClock()
    told = []

    def wait() -> None:
        try:
            clock.sleep_s(float("inf"))
        except Deadlock as error:
            told.append(str(error))
            raise

    with pytest.raises(Deadlock):
        clock.run_together(wait, wait, wait)
    assert len(told) == 3


def test_virtual_clock_thirty_days_of_reports_over_a_pty_overrun_like_a_serial_driver() -> None:
    """A month of unread reports leaves what a driver's buffer holds, and a count of what it lost."""
    clock = VirtualClock()
    model = Reporter(clock)
    server = PtyServer("han", model, clock)
    port = SerialTransport.open(port=server.address, clock=clock)
    clock.sleep_s(30 * 86400.0)
    assert model.reports == 30 * 24 * 60
    left = port.discard_input()
    assert len(left) == 4096
    assert server.line.overrun_bytes == model.reports * len(REPORT) - 4096
    port.write(b"?", 1.0)
    assert port.read(100, 1.0) == b"43200 reports\r\n"
    port.close()
    clock.close()


def test_virtual_clock_signal_finds_the_world_between_two_events() -> None:
    """A signal that arrives while a model is at work is delivered after the event, not inside it."""
    clock, done = VirtualClock(), []

    def interrupted(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    def model() -> None:
        # To this thread: a process with other threads may take a signal in any of them.
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        for _ in range(10_000):
            pass
        done.append("whole")

    clock.call_later(1.0, model)
    clock.call_later(2.0, done.append, "next")
    before = signal.signal(signal.SIGTERM, interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            clock.sleep_s(5.0)
        assert done[0] == "whole"
        clock.sleep_s(5.0)
        assert done == ["whole", "next"]
        assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("taken_by_main", [True, False])
def test_virtual_clock_interrupted_threads_do_not_stay_behind(taken_by_main: bool) -> None:
    """Ctrl-C ends all threads that run together, whichever of them takes it; the clock goes on alone."""
    clock, ended = VirtualClock(), []

    def interrupted(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    def work(rank: int) -> None:
        try:
            while True:
                clock.sleep_s(1.0)
                if clock.monotonic_s() == 3.0 and rank == 0:
                    if taken_by_main:
                        os.kill(os.getpid(), signal.SIGTERM)
                    else:  # the wait of the main thread is not cut short, as when it has not quite begun
                        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        finally:
            ended.append(True)

    before = signal.signal(signal.SIGTERM, interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            clock.run_together(lambda: work(0), lambda: work(1))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(ended) == 2
    now_s = clock.monotonic_s()
    clock.sleep_s(1.0)
    assert clock.monotonic_s() == now_s + 1.0


def test_virtual_clock_long_run_in_a_quiet_world_is_no_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits without number, in a world where nothing happens, are not taken for a model that hangs."""
    monkeypatch.setattr("virtual_rig.clock._STEPS_AT_ONE_INSTANT", 50)
    clock = VirtualClock()
    for _ in range(200):
        clock.sleep_s(1.0)
    assert clock.monotonic_s() == 200.0
