"""Two C12.18 engines on a bad line: the right answer or a typed failure, never the answer to something else.

Every execution of a request at the meter gets a number of its own, and the answer carries it. So an answer is
right only when it belongs to the request that waits, and was made after that request was asked for: stale
answers show even where their contents would be plausible.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest
from c1218_peer import answer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters.protocols.c1218 import (
    NEED_DATA,
    C1218Client,
    C1218Server,
    LineQuiet,
    Purpose,
    RequestReceived,
    ResponseMalformed,
    ResponseReceived,
    SessionLost,
    State,
    Watch,
)
from adapters.protocols.c1218.packets import Packet
from adapters.protocols.c1218.services import (
    ErrorResponse,
    FullRead,
    Identify,
    Logon,
    Negotiate,
    Request,
    Response,
    ResponseCode,
    TableData,
    Terminate,
)

FAULTS = ("none", "lost", "twice", "damaged", "cut", "chunked", "noise", "swapped")
OPENING = (Identify(), Negotiate(packet_octets=40, packets=20), Logon(user_id=1, user="tester"))


def spoil(data: bytes, fault: str, place: int, bits: int) -> list[bytes]:
    """Return the chunks that arrive of ``data``, in order. Damage is a burst, which every checksum finds."""
    place %= len(data)
    if fault == "lost":
        return []
    if fault == "twice":
        return [data, data]
    if fault == "damaged":
        return [data[:place] + bytes((data[place] ^ (bits % 255 + 1),)) + data[place + 1 :]]
    if fault == "cut":
        return [data[:place] + data[place + 1 + bits % 8 :]]
    if fault == "chunked":
        return [data[:place], data[place : place + 1], data[place + 1 :]]
    if fault == "noise":
        return [bytes((bits,)) * (1 + place % 3) + data]
    if fault == "swapped" and data[0] == 0x06:
        return [data[1:], data[:1]]
    return [data]


@dataclass
class Meter:
    """Answers reads with the table's number and the number of the execution."""

    executions: int = 0
    made: list[tuple[Request, int]] = field(default_factory=list)

    def answer(self, request: Request) -> Response:
        """Carry a request out, again if it comes again."""
        self.executions += 1
        self.made.append((request, self.executions))
        if isinstance(request, FullRead):
            text = b"%d:%d;" % (request.table, self.executions)
            return TableData(data=text + bytes(request.table * 7 % 300))
        return answer(request)


class Reader:
    """Runs sessions and judges answers; knows when what it is waiting for was asked for."""

    def __init__(self, client: C1218Client, meter: Meter) -> None:
        self.client, self.meter = client, meter
        self.right, self.failures, self.late = 0, 0, 0
        self.todo: deque[Request] = deque()
        self.asked_at = 0

    def ask(self, table: int) -> None:
        """Ask for a table, in a new session where there is none."""
        self.todo.append(FullRead(table=table))
        if self.client.state is State.BASE:
            self.todo.extendleft(reversed(OPENING))
        self.next()

    def next(self) -> None:
        """Send what comes next, where the engine is free to."""
        if self.todo and not self.client.busy and not self.client.in_doubt:
            self.asked_at = self.meter.executions
            self.client.request(self.todo.popleft())

    def hear(self) -> None:
        """Deal with the client's events."""
        while (event := self.client.next_event()) is not NEED_DATA:
            if isinstance(event, ResponseReceived):
                self._judge(event)
                self.next()
            elif isinstance(event, SessionLost):
                self.failures += 1
                self.todo.clear()
            elif isinstance(event, LineQuiet):
                self.late += event.late_packets
            assert not isinstance(event, ResponseMalformed), event

    def _judge(self, event: ResponseReceived) -> None:
        request, response = event.request, event.response
        if isinstance(request, FullRead) and isinstance(response, TableData):
            table, execution = response.data.split(b";")[0].split(b":")
            assert request.table == int(table), "the answer to another request"
            assert int(execution) > self.asked_at, "an answer made before the request"
            assert (request, int(execution)) in self.meter.made
            self.right += 1
        elif isinstance(response, ErrorResponse):
            # The meter still holds a session that we gave up, or has lost one that we believe in.
            assert response.code is ResponseCode.ISSS
            self.failures += 1
            self.todo.clear()
            self.todo.append(Terminate())

    @property
    def idle(self) -> bool:
        """True when nothing is asked and nothing is in doubt."""
        return not self.todo and not self.client.busy and not self.client.in_doubt


class BadLine(RuleBasedStateMachine):
    """A reader, a meter that answers at once or later, and a line with every fault."""

    @initialize(forgetful=st.booleans())
    def begin(self, forgetful: bool) -> None:
        """Start with a good line; some meters do not recognise repeated packets."""
        self.meter = Meter()
        self.client = C1218Client()
        self.server = Forgetful() if forgetful else C1218Server()
        self.reader = Reader(self.client, self.meter)
        self.to_server: deque[bytes] = deque()
        self.to_client: deque[bytes] = deque()

    def _flush(self) -> None:
        while (event := self.server.next_event()) is not NEED_DATA:
            if isinstance(event, RequestReceived):
                self.owed = event.request
        if data := self.server.data_to_send():
            self.to_client.append(data)
        self.reader.hear()
        if data := self.client.data_to_send():
            self.to_server.append(data)

    @precondition(lambda self: self.reader.idle)
    @rule(table=st.integers(1, 200))
    def ask(self, table: int) -> None:
        """The next read."""
        self.reader.ask(table)
        self._flush()

    @precondition(lambda self: self.to_server)
    @rule(fault=st.sampled_from(FAULTS), place=st.integers(0, 400), bits=st.integers(0, 255))
    def reach_server(self, fault: str, place: int, bits: int) -> None:
        """What the client sent arrives, or what is left of it."""
        if fault == "twice" and isinstance(self.server, Forgetful):
            return  # nobody could tell
        for chunk in spoil(self.to_server.popleft(), fault, place, bits):
            if chunk:
                self.server.receive_data(chunk)
                self._flush()

    @precondition(lambda self: self.to_client)
    @rule(fault=st.sampled_from(FAULTS), place=st.integers(0, 400), bits=st.integers(0, 255))
    def reach_client(self, fault: str, place: int, bits: int) -> None:
        """What the meter sent arrives, or what is left of it."""
        for chunk in spoil(self.to_client.popleft(), fault, place, bits):
            if chunk:
                self.client.receive_data(chunk)
                self._flush()

    @precondition(lambda self: self.server.owes is not None)
    @rule()
    def answer(self) -> None:
        """The meter answers what it owes."""
        request = self.server.owes
        assert request is not None
        self.server.respond(self.meter.answer(request))
        self._flush()

    @precondition(lambda self: not self.to_server and not self.to_client and self.server.owes is None)
    @rule(client_first=st.booleans())
    def silence(self, client_first: bool) -> None:
        """Nothing is on its way: whichever timer is shortest runs out."""
        ends = [self.client, self.server] if client_first else [self.server, self.client]
        waits = [(end.wait_s, index) for index, end in enumerate(ends) if end.wait_s is not None]
        if waits:
            ends[min(waits)[1]].timed_out()
            self._flush()

    @precondition(lambda self: self.client.busy)
    @rule()
    def hurry(self) -> None:
        """The client's patience ends while its packet, or the ACK, is still on its way."""
        for timer in self.client.timers:
            if timer.purpose is Purpose.RESPONSE and not isinstance(self.server, Forgetful):
                self.client.timed_out(timer)
        self._flush()

    @invariant()
    def both_agree_on_nothing_impossible(self) -> None:
        """The client is never asked for anything while in doubt."""
        if hasattr(self, "client"):
            assert not (self.client.in_doubt and self.client.busy)

    def teardown(self) -> None:
        """On a line that is good again the next reads succeed."""
        if not hasattr(self, "client"):
            return
        right = self.reader.right
        for _ in range(400):
            if self.reader.right >= right + 2:
                return
            if self.reader.idle:
                self.reader.ask(7)
                self._flush()
            elif self.to_server:
                self.reach_server("none", 0, 0)
            elif self.to_client:
                self.reach_client("none", 0, 0)
            elif self.server.owes is not None:
                self.answer()
            else:
                self.silence(True)
        raise AssertionError(f"stuck: {self.client.state}, {self.server.state}, {self.client.timers}")


class Forgetful(C1218Server):
    """A meter without duplicate detection: it carries a repeated request out again."""

    def _packet(self, packet: Packet) -> None:
        self._previous = b""
        super()._packet(packet)


TestBadLine = BadLine.TestCase
TestBadLine.settings = settings(max_examples=50, stateful_step_count=50, deadline=None)


class TimedLine:
    """The same with a clock: octets take their time, timers run out when they are due."""

    def __init__(self, seed: int, *, fault_rate: float, delay_s: float, forgetful: bool = False) -> None:
        self.rng = random.Random(seed)
        self.fault_rate, self.delay_s = fault_rate, delay_s
        self.meter = Meter()
        self.client = C1218Client()
        self.server = Forgetful() if forgetful else C1218Server()
        self.reader = Reader(self.client, self.meter)
        self.now_s = 0.0
        self.watches = [Watch(self.client), Watch(self.server)]
        self.heap: list[tuple[float, int, str, Any]] = []
        self.count = 0
        self.last_arrival_s = {"server": 0.0, "client": 0.0}

    def put(self, at_s: float, what: str, data: Any) -> None:
        """Let something happen later."""
        self.count += 1
        heapq.heappush(self.heap, (at_s, self.count, what, data))

    def carry(self, end: str, data: bytes) -> None:
        """Send octets to ``end``; they stay in order."""
        rng = self.rng
        fault = rng.choice(FAULTS[1:]) if rng.random() < self.fault_rate else "none"
        if fault == "twice" and isinstance(self.server, Forgetful):
            fault = "lost"  # a line that doubles packets for a meter that does not notice: nobody could tell
        for chunk in spoil(data, fault, rng.randrange(400), rng.randrange(256)):
            late_s = rng.random() * self.delay_s if rng.random() < 0.3 else 0.01
            self.last_arrival_s[end] = at_s = max(self.last_arrival_s[end], self.now_s + late_s)
            if chunk:
                self.put(at_s, end, chunk)

    def flush(self) -> None:
        """Deal with everything that is due at this moment."""
        while True:
            while (event := self.server.next_event()) is not NEED_DATA:
                if isinstance(event, RequestReceived):
                    self.put(self.now_s + self.rng.random() * 0.2, "answer", event.request)
            self.reader.hear()
            to_client, to_server = self.server.data_to_send(), self.client.data_to_send()
            if to_client:
                self.carry("client", to_client)
            if to_server:
                self.carry("server", to_server)
            if not to_client and not to_server:
                return

    def step(self) -> None:
        """Go to whatever comes next."""
        waits = [wait for watch in self.watches if (wait := watch.wait_s(self.now_s)) is not None]
        due_s = self.now_s + min(waits) if waits else float("inf")
        if self.heap and self.heap[0][0] <= due_s:
            self.now_s, _, what, data = heapq.heappop(self.heap)
            if what == "answer":
                if self.server.owes is data:
                    self.server.respond(self.meter.answer(data))
            else:
                (self.server if what == "server" else self.client).receive_data(data)
        else:
            assert waits, "nothing will ever happen again"
            self.now_s = due_s
            for watch in self.watches:
                while watch.fire(self.now_s):
                    pass
        self.flush()

    def read(self, tables: int) -> None:
        """Read as many tables, whatever becomes of each."""
        for _ in range(tables):
            self.reader.ask(self.rng.randrange(1, 200))
            self.flush()
            steps = 0
            while not self.reader.idle:
                self.step()
                steps += 1
                assert steps < 2000, "the reader waits for ever"


FEW_OR_MANY = [*range(12), *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(100, 220)]]


@pytest.mark.parametrize("seed", FEW_OR_MANY)
def test_bad_line_gives_right_answers_or_failures(seed: int) -> None:
    """Every seventh transmission is spoiled, and some come later than the response time-out."""
    line = TimedLine(seed, fault_rate=1 / 7, delay_s=2.5)
    line.read(40)
    assert line.reader.right > 5
    line.fault_rate, line.delay_s = 0.0, 0.0
    before = line.reader.right
    line.read(12)
    assert line.reader.right >= before + 9


@pytest.mark.parametrize("seed", FEW_OR_MANY)
def test_bad_line_to_a_meter_that_recognises_no_repetitions(seed: int) -> None:
    """It answers a repeated request twice; the second answer is never taken for the next one's."""
    line = TimedLine(seed, fault_rate=1 / 7, delay_s=0.9, forgetful=True)
    line.read(40)
    assert line.reader.right > 5


def test_bad_line_hopeless_ends_in_failures_only() -> None:
    """Where nothing gets through, every read fails, each with its reason, in bounded time."""
    line = TimedLine(1, fault_rate=0.0, delay_s=0.0)
    line.carry = lambda end, data: None  # type: ignore[method-assign]
    line.read(3)
    assert (line.reader.right, line.reader.failures) == (0, 3)
    assert line.now_s < 3 * 20
