"""The ANSI session driver against the server engine, on real kernel wires under the lockstep clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.base import LineSettings
from adapters.devices.ansi_session import AnsiSession
from adapters.errors import FrameDamaged, LabError, LinkLost, ReadTimeout, Refused
from adapters.protocols.c1218 import (
    NEED_DATA,
    C1218Server,
    LineChange,
    RequestReceived,
    SessionEnded,
    Spoil,
    State,
    Watch,
)
from adapters.protocols.c1218.services import (
    ErrorResponse,
    FullRead,
    FullWrite,
    Identify,
    IdentifyResponse,
    Negotiate,
    NegotiateResponse,
    Ok,
    Request,
    Response,
    ResponseCode,
    Security,
    TableData,
    Wait,
)
from adapters.registry import OpenedLink
from adapters.transports.serial import SerialTransport
from adapters.transports.stream import NoTap
from adapters.transports.tcp import TcpTransport
from virtual_rig.clock import VirtualClock
from virtual_rig.servers.pty import PtyServer
from virtual_rig.servers.tcp import TcpServer
from virtual_rig.servers.virt import VirtServer
from virtual_rig.wire import HostLine

KINDS = ("virt", "pty", "tcp")
NEGOTIATE = Negotiate(packet_octets=512, packets=16, bauds=(9600, 19200, 57600))


class SmallMeter:
    """A C12.18 server on a line: 40 tables of n x 50 octets, one password, and a delay to think."""

    def __init__(self, rig: VirtualClock, *, uart: bool) -> None:
        self.rig, self.uart = rig, uart
        self.server = C1218Server()
        self.watch = Watch(self.server)
        self.line: HostLine | None = None
        self.thinking_s = 0.02
        self.asked: list[Request] = []
        self.ended: list[str] = []
        self.spoil: Callable[[Request], Spoil | None] = lambda request: None
        self.deaf_to: Callable[[Request], bool] = lambda request: False
        self.garble: Callable[[bytes], bytes] = lambda data: data

    def opened(self, line: HostLine) -> None:
        """See ``LineModel``."""
        self.line = line
        if self.uart:
            line.device_settings = LineSettings()

    def received(self, line: HostLine, data: bytes) -> None:
        """See ``LineModel``."""
        self.server.receive_data(data)
        self._go_on()

    def broke(self, line: HostLine, duration_s: float) -> None:
        """See ``LineModel``."""

    def closed(self, line: HostLine) -> None:
        """See ``LineModel``."""

    def _go_on(self) -> None:
        server = self.server
        while (event := server.next_event()) is not NEED_DATA:
            if isinstance(event, RequestReceived):
                self.asked.append(event.request)
                if self.deaf_to(event.request):
                    server.no_response()
                else:
                    self.rig.call_later(self.thinking_s, self._answer, event.request)
            elif isinstance(event, LineChange):
                self._send()
                if self.uart and self.line is not None:
                    self.line.device_settings = event.settings
            elif isinstance(event, SessionEnded):
                self.ended.append(event.reason)
        self._send()
        wait_s = self.watch.wait_s(self.rig.now_s())
        if wait_s is not None:
            self.rig.call_later(wait_s, self._look)

    def _look(self) -> None:
        if self.watch.fire(self.rig.now_s()):
            self._go_on()

    def _answer(self, request: Request) -> None:
        if self.server.owes is request:
            response = self.response(request)
            if len(response.encode()) > self.server.message_octets:
                response = ErrorResponse(code=ResponseCode.ONP)
            self.server.respond(response, spoil=self.spoil(request))
            self._go_on()

    def _send(self) -> None:
        data = self.server.data_to_send()
        if data and self.line is not None:
            self.line.send(self.garble(data))

    @staticmethod
    def response(request: Request) -> Response:
        """Return the answer to a request."""
        match request:
            case Identify():
                return IdentifyResponse()
            case Negotiate():
                return NegotiateResponse(
                    packet_octets=min(256, request.packet_octets),
                    packets=min(16, request.packets),
                    baud=max(request.bauds, default=0),
                )
            case Security() if not request.password.startswith(b"secret"):
                return ErrorResponse(code=ResponseCode.ISC)
            case FullRead() if 1 <= request.table <= 40:
                return TableData(data=bytes((request.table,)) * (50 * request.table))
            case FullRead():
                return ErrorResponse(code=ResponseCode.ONP)
        return Ok()


class Bench:
    """A meter on a wire of one kind, and a session to it."""

    def __init__(self, kind: str, rig: VirtualClock, **options: str) -> None:
        self.rig, self.meter = rig, SmallMeter(rig, uart=kind != "tcp")
        self.server: Any
        stream: Any
        if kind == "tcp":
            self.server = TcpServer("meter", self.meter, rig)
            stream = TcpTransport.open(host="127.0.0.1", port=self.server.port, clock=rig)
        else:
            self.server = (PtyServer if kind == "pty" else VirtServer)("meter", self.meter, rig)
            stream = SerialTransport.open(port=self.server.address, settings=LineSettings(), clock=rig)
        opened = OpenedLink(
            stream=stream, serial=None if kind == "tcp" else stream, tap=NoTap(), options=options
        )
        self.session = AnsiSession(kind, opened, rig)

    def open(self, **options: Any) -> Bench:
        """Open a session with the right password."""
        self.session.open(user_id=1, user="tester", password=b"secret", **options)
        return self


@pytest.fixture
def rig() -> Iterator[VirtualClock]:
    """A virtual world, closed afterwards."""
    clock = VirtualClock()
    yield clock
    clock.close()


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, rig: VirtualClock) -> Iterator[Bench]:
    """A meter on each kind of wire."""
    made = Bench(request.param, rig)
    yield made
    made.session.close()


def octets(number: int) -> TableData:
    """Return what a table of the small meter holds."""
    return TableData(data=bytes((number,)) * (50 * number))


def test_session_reads_tables_of_any_size_on_every_wire(bench: Bench) -> None:
    """Negotiated packets, and on a serial line a negotiated speed that both ends change to."""
    granted = bench.session.open(password=b"secret", negotiate=NEGOTIATE)
    assert (granted.packet_octets, granted.packets) == (256, 16)
    assert granted.baud in (0, 57600)
    for number in (1, 5, 10, 40):
        assert bench.session.ask(FullRead(table=number)) == octets(number)
    bench.session.end()
    bench.rig.sleep_s(0.1)  # our last ACK is on its way
    assert bench.meter.ended == ["terminated"]
    bench.open()
    assert bench.session.ask(FullRead(table=1)) == octets(1)


def test_session_that_idles_runs_out_on_both_sides(bench: Bench) -> None:
    """And is opened again; a granted wait keeps it alive for longer."""
    bench.open()
    bench.rig.sleep_s(6.5)
    assert not bench.session.is_open
    assert bench.meter.ended == ["channel-time-out"]
    bench.open()
    bench.session.ask(Wait(seconds=60))
    bench.rig.sleep_s(59)
    assert bench.session.is_open
    assert bench.session.ask(FullRead(table=1)) == octets(1)


def test_session_negotiated_speed_is_left_behind_when_it_runs_out(rig: VirtualClock) -> None:
    """The next session finds both ends at the default speed."""
    bench = Bench("virt", rig).open(negotiate=NEGOTIATE)
    assert bench.server.line.host_settings == LineSettings(baud=57600)
    rig.sleep_s(7)
    assert not bench.session.is_open
    assert bench.server.line.host_settings == LineSettings()
    bench.open(negotiate=NEGOTIATE)
    assert bench.session.ask(FullRead(table=2)) == octets(2)


def test_session_refusals_have_their_names(bench: Bench) -> None:
    """A wrong password, a table that is not there, a table that does not fit."""
    with pytest.raises(Refused, match="insufficient-security"):
        bench.session.open(password=b"wrong")
    assert bench.meter.server.state is State.BASE
    bench.open()
    for table in (99, 2):
        with pytest.raises(Refused, match="operation-not-possible"):
            bench.session.ask(FullRead(table=table))
    assert bench.session.is_open


def test_session_ignored_write_is_silence_and_was_sent_once(bench: Bench) -> None:
    """The meter lives, so it is the meter's doing; nothing is written twice behind anybody's back."""
    bench.open()
    bench.meter.deaf_to = lambda request: isinstance(request, FullWrite)
    with pytest.raises(Refused, match="silence"):
        bench.session.ask(FullWrite(table=1, data=b"x"))
    assert [r for r in bench.meter.asked if isinstance(r, FullWrite)] == [FullWrite(table=1, data=b"x")]
    assert not bench.session.is_open
    bench.open()
    assert bench.session.ask(FullRead(table=1)) == octets(1)


def test_session_answer_that_comes_late_is_no_answer_to_anything(bench: Bench) -> None:
    """A meter that thinks for too long: neither its answer nor silence."""
    bench.open()
    bench.meter.thinking_s = 7.0
    with pytest.raises(ReadTimeout, match="came after"):
        bench.session.ask(FullRead(table=1))
    bench.meter.thinking_s = 0.02
    bench.open()
    assert bench.session.ask(FullRead(table=1)) == octets(1)


def test_session_meter_that_hangs_is_silent(bench: Bench) -> None:
    """No acknowledgement, no probe answered: the bench's business."""
    bench.open()
    line = bench.meter.line
    assert line is not None
    line.stalled = True
    with pytest.raises(ReadTimeout, match="silent"):
        bench.session.ask(FullRead(table=1))
    line.stalled = False
    bench.rig.sleep_s(7)
    bench.open()
    assert bench.session.ask(FullRead(table=1)) == octets(1)


def test_session_meter_that_hangs_up_is_a_lost_link(rig: VirtualClock) -> None:
    """TCP: the far end is gone, a new wire is needed."""
    bench = Bench("tcp", rig).open()
    line = bench.meter.line
    assert line is not None
    line.close()
    rig.sleep_s(1)
    with pytest.raises(LinkLost):
        bench.session.ask(FullRead(table=1))
    assert not bench.session.wire_open
    bench.session.close()


def test_session_meter_that_forgot_the_session_is_signed_on_to_again(bench: Bench) -> None:
    """A power cut in between: isss, and the next session begins properly."""
    bench.open(negotiate=Negotiate(packet_octets=256, packets=4))
    bench.meter.server.reset()
    with pytest.raises(Refused, match="invalid-service-sequence"):
        bench.session.ask(FullRead(table=1))
    assert not bench.session.is_open
    bench.open()
    assert bench.session.ask(FullRead(table=1)) == octets(1)


def test_session_left_by_another_reader_is_ended_first(rig: VirtualClock) -> None:
    """Somebody pulled his head off without a word; the meter still waits for him."""
    bench = Bench("virt", rig).open()
    rig.sleep_s(1)
    stream = bench.session.opened
    second = AnsiSession("virt", stream, rig)
    second.open(password=b"secret")
    assert second.ask(FullRead(table=1)) == octets(1)
    second.close()


@pytest.mark.parametrize(
    "spoil",
    [
        Spoil.DAMAGED_CHECKSUM,
        Spoil.TRUNCATED,
        Spoil.DUPLICATE,
        Spoil.TOGGLED_DUPLICATE,
        Spoil.WRONG_TOGGLE,
    ],
)
def test_session_with_a_flawed_meter_gets_every_answer_right(bench: Bench, spoil: Spoil) -> None:
    """Whatever the meter does wrong on its line, an answer is the right one."""
    bench.open(negotiate=Negotiate(packet_octets=256, packets=4))
    bench.meter.spoil = lambda request: spoil
    for number in (1, 2, 3, 4, 1):
        assert bench.session.ask(FullRead(table=number)) == octets(number)


def test_session_over_a_line_that_garbles_everything_is_damage(bench: Bench) -> None:
    """Every octet of the meter arrives with one bit bent."""
    bench.open()
    bench.meter.garble = lambda data: data[:1] + bytes(octet ^ 0x10 for octet in data[1:])
    with pytest.raises(FrameDamaged):
        bench.session.ask(FullRead(table=1))


def test_session_over_a_line_with_wrong_settings_is_told_from_silence(rig: VirtualClock) -> None:
    """A head at 2400 baud hears rubbish or nothing; it is never taken for an answer."""
    bench = Bench("virt", rig, baud="2400")
    bench.session.opened.stream.configure(LineSettings(baud=2400))  # type: ignore[attr-defined]
    with pytest.raises(LabError):
        bench.session.open()
    assert not bench.session.is_open


def test_session_takes_the_same_virtual_time_every_time() -> None:
    """Silence, doubt, probe and all: two runs of the same seed are the same run."""
    times = []
    for _ in range(2):
        rig = VirtualClock()
        bench = Bench("virt", rig).open()
        bench.meter.deaf_to = lambda request: isinstance(request, FullWrite)
        with pytest.raises(Refused, match="silence"):
            bench.session.ask(FullWrite(table=1, data=b"x"))
        times.append(rig.monotonic_s())
        bench.session.close()
        rig.close()
    assert times[0] == times[1]
    assert 12 < times[0] < 14
