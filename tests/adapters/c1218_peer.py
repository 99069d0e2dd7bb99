"""What the C12.18 tests share: a meter in a few lines, a perfect wire, and the golden vectors."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.protocols.c1218 import (
    NEED_DATA,
    C1218Client,
    C1218Server,
    ClientEvent,
    LineQuiet,
    Purpose,
    RequestReceived,
    ResponseReceived,
    ServerEvent,
)
from adapters.protocols.c1218.packets import TOGGLE, encode_packet
from adapters.protocols.c1218.services import (
    FullRead,
    Identify,
    IdentifyResponse,
    IndexRead,
    Logon,
    Negotiate,
    NegotiateResponse,
    OffsetRead,
    Ok,
    Request,
    Response,
    TableData,
    TimingSetup,
    TimingSetupResponse,
)

ACK, NAK = b"\x06", b"\x15"
GOLDEN = Path(__file__).parent.parent / "golden"


@cache
def golden(file: str = "c1218.yaml") -> dict[str, Any]:
    """Return the vectors of one file."""
    return yaml.safe_load((GOLDEN / file).read_text())


def named(section: str) -> list[Any]:
    """Return pytest parameters, one per packet seen elsewhere, with its octets."""
    return [
        pytest.param(vector | {"octets": bytes.fromhex(vector["hex"])}, id=vector["name"])
        for vector in golden()[section]
    ]


def all_packets() -> list[bytes]:
    """Return every golden packet."""
    seen = [bytes.fromhex(v["hex"]) for section in golden().values() for v in section]
    made = golden("c1218_termineter.yaml")["requests"].values()
    return seen + [bytes.fromhex(v[kind]) for v in made for kind in ("packet", "toggled")]


def table(number: int, octets: int = 40) -> bytes:
    """Return what a table of the test meter holds: no two tables, and no two parts of one, look alike."""
    return b"".join(b"%03d:%04d " % (number, index) for index in range(octets // 9 + 1))[:octets]


def answer(request: Request) -> Response:
    """Answer as a meter without secrets, whose tables all exist; table n has n octets from n = 100 up."""
    if isinstance(request, Identify):
        return IdentifyResponse()
    if isinstance(request, Negotiate):
        return NegotiateResponse(
            packet_octets=min(1024, request.packet_octets),
            packets=min(64, request.packets),
            baud=max(request.bauds, default=0),
        )
    if isinstance(request, TimingSetup):
        return TimingSetupResponse(
            channel_s=request.channel_s,
            inter_character_s=request.inter_character_s,
            response_s=request.response_s,
            retries=request.retries,
        )
    if isinstance(request, FullRead):
        return TableData(data=table(request.table, request.table if request.table >= 100 else 40))
    if isinstance(request, OffsetRead):
        return TableData(data=table(request.table, 70000)[request.offset :][: request.octets])
    if isinstance(request, IndexRead):
        return TableData(data=table(request.table, request.count))
    return Ok()


def events_of(end: C1218Client | C1218Server) -> list[Any]:
    """Return all events that are due."""
    events = []
    while (event := end.next_event()) is not NEED_DATA:
        events.append(event)
    return events


class Pair:
    """A client and a server on a perfect wire; the server answers with ``answer``."""

    def __init__(
        self,
        client: C1218Client | None = None,
        server: C1218Server | None = None,
        answer: Callable[[Request], Response | None] = answer,
    ) -> None:
        self.client = client if client is not None else C1218Client()
        self.server = server if server is not None else C1218Server()
        self.answer = answer
        self.to_server: list[bytes] = []
        self.to_client: list[bytes] = []
        self.wire: list[tuple[str, bytes]] = []
        self.server_events: list[ServerEvent] = []

    def serve(self) -> None:
        """Let the server deal with what it has received."""
        while (event := self.server.next_event()) is not NEED_DATA:
            self.server_events.append(event)
            if isinstance(event, RequestReceived):
                response = self.answer(event.request)
                if response is None:
                    self.server.no_response()
                else:
                    self.server.respond(response)

    def run(self) -> list[ClientEvent]:
        """Carry octets to and fro until both are silent; return the client's events."""
        events = events_of(self.client)
        while True:
            sent = self.client.data_to_send()
            if sent:
                self.to_server.append(sent)
                self.wire.append(("->", sent))
                self.server.receive_data(sent)
            self.serve()
            answered = self.server.data_to_send()
            if answered:
                self.to_client.append(answered)
                self.wire.append(("<-", answered))
                self.client.receive_data(answered)
            events += events_of(self.client)
            if not sent and not answered:
                return events

    def ask(self, request: Request, **options: Any) -> list[ClientEvent]:
        """Ask for a service and return what comes of it."""
        self.client.request(request, **options)
        return self.run()

    def open(self, packet_octets: int = 0, packets: int = 1) -> Pair:
        """Identify, negotiate where asked to, and log on."""
        self.ask(Identify())
        if packet_octets:
            self.ask(Negotiate(packet_octets=packet_octets, packets=packets))
        self.ask(Logon(user_id=1, user="tester"))
        return self


def received(request: Request, response: Any) -> ResponseReceived:
    """Return the event that says so."""
    return ResponseReceived(request=request, response=response)


def read(number: int) -> ResponseReceived:
    """Return what a read of the test meter's table brings."""
    return received(FullRead(table=number), answer(FullRead(table=number)))


def purposes(end: C1218Client | C1218Server) -> list[Purpose]:
    """Return what the running timers are for."""
    return [timer.purpose for timer in end.timers]


class Client:
    """A client engine against hand-made octets."""

    def __init__(self, **options: Any) -> None:
        self.engine = C1218Client(**options)
        self.toggle = 0

    def reply(self, data: bytes, control: int = 0, sequence: int = 0) -> bytes:
        """Return the device's next packet, its toggle bit flipped as it should be."""
        packet = encode_packet(data, control=control | self.toggle, sequence=sequence)
        self.toggle ^= TOGGLE
        return packet

    def hears(self, *chunks: bytes) -> list[Any]:
        """Return the events that ``chunks`` bring."""
        events = []
        for chunk in chunks:
            self.engine.receive_data(chunk)
            events += events_of(self.engine)
        return events

    def asks(self, request: Request, **options: Any) -> bytes:
        """Return what goes out for ``request``."""
        self.engine.request(request, **options)
        return self.engine.data_to_send()

    def logged_on(self, packets: int = 1) -> Client:
        """Go through a session's beginning; messages may then have ``packets`` packets of 64 octets."""
        request = Negotiate(packet_octets=64, packets=packets)
        for asked in (Identify(), request, Logon()):
            self.asks(asked)
            assert isinstance(self.hears(ACK + self.reply(answer(asked).encode()))[0], ResponseReceived)
            assert self.engine.data_to_send() == ACK
        return self


def data_of(text: bytes) -> bytes:
    """Return the octets of a read's answer."""
    return TableData(data=text).encode()


def run_out(end: C1218Client | C1218Server, purpose: Purpose) -> None:
    """Let the timer for ``purpose`` run out; it must be running."""
    running = {timer.purpose: timer for timer in end.timers}
    end.timed_out(running[purpose])


def let_it_be_quiet(client: C1218Client) -> list[ClientEvent]:
    """Let a client in doubt have its quiet; return its events."""
    events: list[ClientEvent] = []
    while not any(isinstance(event, LineQuiet) for event in events):
        client.timed_out()
        events += events_of(client)
        assert len(events) < 100
    return events
