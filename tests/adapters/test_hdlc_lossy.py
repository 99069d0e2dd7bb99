"""Two HDLC engines on a bad wire: APDUs arrive exactly once and in order, or the link says it is down."""

from __future__ import annotations

import random
from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters.protocols.dlms.hdlc import HdlcClientLink, HdlcServerLink, State
from adapters.protocols.dlms.link import NEED_DATA, ApduReceived, LinkDown, LinkUp

FAULTS = ("none", "lost", "twice", "damaged", "cut", "chunked")


def spoil(data: bytes, fault: str, place: int, bit: int) -> list[bytes]:
    """Return the chunks that arrive of ``data``."""
    place %= len(data)
    if fault == "lost":
        return []
    if fault == "twice":
        return [data, data]
    if fault == "damaged":
        return [data[:place] + bytes((data[place] ^ 1 << bit,)) + data[place + 1 :]]
    if fault == "cut":
        return [data[:place] + data[place + 1 + bit :]]
    if fault == "chunked":
        return [data[:place], data[place : place + 1], data[place + 1 :]]
    return [data]


class BadWire(RuleBasedStateMachine):
    """A client that asks, a server that answers late or at once, and a wire with every fault."""

    @initialize(
        window=st.integers(1, 7),
        max_info=st.sampled_from([8, 20, 128]),
        recovery=st.sampled_from(["poll", "repeat"]),
    )
    def begin(self, window: int, max_info: int, recovery: str) -> None:
        """Connect over a good wire."""
        self.client = HdlcClientLink(
            16,
            1,
            max_info=max_info,
            window=window,
            recovery=recovery,  # type: ignore[arg-type]
            max_retries=8,
        )
        self.server = HdlcServerLink(max_info=max_info, window=window)
        self.asked: list[bytes] = []
        self.seen: list[bytes] = []
        self.answered: list[bytes] = []
        self.got: list[bytes] = []
        self.to_server: deque[bytes] = deque()
        self.to_client: deque[bytes] = deque()
        self.waiting: deque[bytes] = deque()
        self.down = self.server_up = False
        self.client.connect()
        self.server.receive_data(self.client.data_to_send())
        self._server_events()
        self.client.receive_data(self.to_client.popleft())
        self._client_events()
        assert self.client.state is State.CONNECTED

    def _client_events(self) -> None:
        while (event := self.client.next_event()) is not NEED_DATA:
            if isinstance(event, ApduReceived):
                self.got.append(event.apdu)
            elif isinstance(event, LinkDown):
                self.down = True
        if data := self.client.data_to_send():
            self.to_server.append(data)

    def _server_events(self) -> None:
        while (event := self.server.next_event()) is not NEED_DATA:
            if isinstance(event, ApduReceived):
                self.seen.append(event.apdu)
                self.waiting.append(event.apdu)
            elif isinstance(event, LinkUp):
                self.server_up = True
            elif isinstance(event, LinkDown):
                self.server_up = False
        if data := self.server.data_to_send():
            self.to_client.append(data)

    @precondition(lambda self: not self.down and len(self.asked) == len(self.got))
    @rule(length=st.integers(1, 90))
    def ask(self, length: int) -> None:
        """The client's application sends its next request."""
        apdu = bytes((len(self.asked) + 0x7E * (i & 1)) & 0xFF for i in range(length))
        self.asked.append(apdu)
        self.client.send_apdu(apdu)
        self._client_events()

    @precondition(lambda self: self.to_server)
    @rule(fault=st.sampled_from(FAULTS), place=st.integers(0, 4000), bit=st.integers(0, 7))
    def reach_server(self, fault: str, place: int, bit: int) -> None:
        """What the client sent arrives, or what is left of it."""
        for chunk in spoil(self.to_server.popleft(), fault, place, bit):
            if chunk:
                self.server.receive_data(chunk)
                self._server_events()

    @precondition(lambda self: self.to_client)
    @rule(fault=st.sampled_from(FAULTS), place=st.integers(0, 4000), bit=st.integers(0, 7))
    def reach_client(self, fault: str, place: int, bit: int) -> None:
        """What the server sent arrives, or what is left of it."""
        for chunk in spoil(self.to_client.popleft(), fault, place, bit):
            if chunk:
                self.client.receive_data(chunk)
                self._client_events()

    @precondition(lambda self: self.waiting and self.server_up)
    @rule()
    def answer(self) -> None:
        """The server's application answers the oldest request."""
        request = self.waiting.popleft()
        reply = b"\x7e" + request[::-1] + bytes(len(self.answered) % 50)
        self.answered.append(reply)
        self.server.send_apdu(reply, 16, 1)
        self._server_events()

    @precondition(lambda self: not self.to_server and not self.to_client)
    @rule()
    def silence(self) -> None:
        """Nothing is on its way and somebody's timer fires."""
        self.server.inter_octet_timeout()
        self._server_events()
        self.client.response_timeout()
        self._client_events()

    @invariant()
    def nothing_is_lost_doubled_or_swapped(self) -> None:
        """What each side has seen is the beginning of what the other sent."""
        if hasattr(self, "client"):
            assert self.seen == self.asked[: len(self.seen)]
            assert self.got == self.answered[: len(self.got)]

    def teardown(self) -> None:
        """On a wire that is good again everything arrives, unless the link has been reported down."""
        if not hasattr(self, "client"):
            return
        for _ in range(60):
            if self.down or (self.got == self.answered and len(self.got) == len(self.asked)):
                break
            while self.to_server or self.to_client or (self.waiting and self.server_up):
                if self.to_server:
                    self.reach_server("none", 0, 0)
                elif self.to_client:
                    self.reach_client("none", 0, 0)
                else:
                    self.answer()
                self.nothing_is_lost_doubled_or_swapped()
            if not self.down and len(self.got) < len(self.asked):
                self.silence()
        assert self.down or len(self.got) == len(self.asked)


TestBadWire = BadWire.TestCase
TestBadWire.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("seed", range(12))
def test_bad_wire_long_run_delivers_everything_or_says_down(seed: int) -> None:
    """A thousand steps on a wire that spoils every third transmission."""
    rng = random.Random(seed)
    wire = BadWire()
    wire.begin(rng.randint(1, 7), rng.choice([8, 20, 128]), rng.choice(["poll", "repeat"]))
    for _ in range(1000):
        fault = rng.choice(FAULTS[1:]) if rng.random() < 1 / 3 else "none"
        if wire.to_server and rng.random() < 0.5:
            wire.reach_server(fault, rng.randrange(4000), rng.randrange(8))
        elif wire.to_client:
            wire.reach_client(fault, rng.randrange(4000), rng.randrange(8))
        elif wire.to_server:
            wire.reach_server(fault, rng.randrange(4000), rng.randrange(8))
        elif wire.waiting and wire.server_up:
            wire.answer()
        elif wire.down:
            break
        elif len(wire.asked) == len(wire.got):
            wire.ask(rng.randint(1, 90))
        else:
            wire.silence()
        wire.nothing_is_lost_doubled_or_swapped()
    wire.teardown()
    assert len(wire.got) > 5 or wire.down, f"seed {seed}"
