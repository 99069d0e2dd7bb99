"""Transports on the wall clock against plain sockets and ttys of the operating system; no rig involved."""

from __future__ import annotations

import math
import os
import pty
import socket
import threading
import tty
from collections.abc import Iterator

import pytest
import serial
import serial.rfc2217

from adapters.base import LineSettings, Wire
from adapters.clock import WallClock, poll_until
from adapters.errors import (
    BenchError,
    ConnectError,
    ConnectTimeout,
    LinkLost,
    ReadTimeout,
    WriteError,
    WriteTimeout,
)
from adapters.transports.scripted import ScriptedStream
from adapters.transports.serial import PolledSerialTransport, SerialTransport
from adapters.transports.tcp import TcpTransport
from adapters.transports.udp import UdpTransport

CLOCK = WallClock()


class Tape:
    """A tap that keeps everything."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, bytes | str]] = []

    def sent(self, data: bytes) -> None:
        """Keep what was sent."""
        self.entries.append(("->", data))

    def received(self, data: bytes) -> None:
        """Keep what was received."""
        self.entries.append(("<-", data))

    def note(self, text: str) -> None:
        """Keep an event."""
        self.entries.append(("--", text))


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal: its master and the path of its slave."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    os.close(slave)
    yield master, path
    try:
        os.close(master)
    except OSError:
        return


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening TCP socket on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def connect(listener: socket.socket, tap: Tape | None = None) -> tuple[TcpTransport, socket.socket]:
    """Return a connected transport and its peer."""
    stream = TcpTransport.open(
        host="127.0.0.1", port=listener.getsockname()[1], clock=CLOCK, tap=tap, timeout_s=5.0
    )
    return stream, listener.accept()[0]


def test_wall_clock_waits_no_shorter_than_asked_and_labels_in_utc() -> None:
    """Time-outs count from the call; labels carry their zone."""
    started_s = CLOCK.monotonic_s()
    near, far = socket.socketpair()
    wire = Wire(kind="tcp", near="a", far="b", fileno=near.fileno)
    assert CLOCK.wait_readable(wire, 0.02) is False
    assert CLOCK.monotonic_s() - started_s >= 0.02
    far.send(b"x")
    assert CLOCK.wait_readable(wire, math.inf) is True
    assert CLOCK.wait_writable(wire, 0.0) is True
    assert CLOCK.utc_now().utcoffset() is not None
    near.close()
    far.close()


def test_wall_clock_poll_until_refuses_an_interval_of_nothing() -> None:
    """Polling without an interval would spin."""
    assert CLOCK.wait_until(lambda: True, 0.0, 1.0) is True
    assert CLOCK.wait_until(lambda: False, 0.0, 1.0) is False
    with pytest.raises(ValueError, match="poll_s"):
        poll_until(CLOCK, lambda: False, 1.0, 0.0)


def test_tcp_bytes_before_the_end_are_delivered_and_taped(listener: socket.socket) -> None:
    """Everything sent before the far end closed arrives; then the link is lost; the tape has it all."""
    tape = Tape()
    stream, peer = connect(listener, tape)
    stream.write(b"question", 1.0)
    assert peer.recv(100) == b"question"
    peer.sendall(b"answer")
    peer.close()
    assert stream.read(3, 5.0) == b"ans"
    assert stream.read(100, 5.0) == b"wer"
    for _ in range(2):
        with pytest.raises(LinkLost, match="far end closed"):
            stream.read(1, 5.0)
    stream.close()
    stream.close()
    assert [entry for kind, entry in tape.entries if kind != "--"] == [b"question", b"ans", b"wer"]
    assert [entry for kind, entry in tape.entries if kind == "--"][1:] == [
        "the far end closed the link",
        "closed",
    ]


def test_tcp_half_open_is_silent_not_closed(listener: socket.socket) -> None:
    """A peer that never answers is a time-out."""
    stream, peer = connect(listener)
    with pytest.raises(ReadTimeout, match=r"nothing received within 0\.05 s"):
        stream.read(1, 0.05)
    stream.close()
    peer.close()


def test_tcp_peer_that_never_reads_times_the_write_out(listener: socket.socket) -> None:
    """How much was taken is in the message and on the tape."""
    tape = Tape()
    stream, peer = connect(listener, tape)
    with pytest.raises(WriteTimeout, match=r"took \d+ of 50000000 octets within 0.1 s"):
        stream.write(bytes(50_000_000), 0.1)
    (taken,) = [entry for kind, entry in tape.entries if kind == "->"]
    assert 0 < len(taken) < 50_000_000
    stream.close()
    peer.close()


def test_tcp_reset_by_the_peer_is_lost_for_reading_and_broken_for_writing(listener: socket.socket) -> None:
    """RST: LinkLost, then WriteError; never success."""
    stream, peer = connect(listener)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    peer.close()
    with pytest.raises(LinkLost):
        stream.read(1, 5.0)
    with pytest.raises(WriteError):
        stream.write(b"x", 1.0)
    stream.close()


def test_tcp_refused_unknown_and_unanswered_are_told_apart() -> None:
    """Three ways not to connect."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = []
        with pytest.raises(ConnectTimeout, match="no answer within"):  # noqa: PT012 - the queue has to be filled
            for _ in range(20):
                fillers.append(TcpTransport.open(host="127.0.0.1", port=port, clock=CLOCK, timeout_s=0.2))
        for filler in fillers:
            filler.close()
    with pytest.raises(ConnectError, match="refused"):
        TcpTransport.open(host="127.0.0.1", port=port, clock=CLOCK)
    with pytest.raises(ConnectError, match="address is unknown"):
        TcpTransport.open(host="no such host", port=1, clock=CLOCK)


def test_tcp_has_no_line_settings(listener: socket.socket) -> None:
    """Asking for a baud rate on TCP is a mistake of the bench."""
    stream, peer = connect(listener)
    with pytest.raises(BenchError):
        stream.configure(LineSettings())
    with pytest.raises(BenchError):
        stream.send_break(0.1)
    stream.close()
    peer.close()


def test_serial_discard_returns_what_it_threw_away(terminal: tuple[int, str]) -> None:
    """Evidence is kept even of what nobody wanted."""
    master, path = terminal
    port = SerialTransport.open(port=path, clock=CLOCK)
    os.write(master, b"noise")
    assert CLOCK.wait_readable(port.wire, 5.0)
    assert port.discard_input() == b"noise"
    with pytest.raises(ReadTimeout):
        port.read(1, 0.02)
    port.close()


def test_serial_unplugged_is_lost_whatever_the_library_would_say(terminal: tuple[int, str]) -> None:
    """The three families of errors of pyserial are one for us: lost, and later calls stay errors."""
    master, path = terminal
    port = SerialTransport.open(port=path, clock=CLOCK)
    os.write(master, b"last")
    assert port.read(2, 5.0) == b"la"
    assert port.read(2, 5.0) == b"st"
    os.close(master)
    with pytest.raises(LinkLost):
        port.read(1, 5.0)
    with pytest.raises(WriteError):
        port.write(b"x", 1.0)
    with pytest.raises((BenchError, WriteError)):
        port.configure(LineSettings(baud=300))
    port.close()


def test_serial_nobody_reads_times_the_write_out(terminal: tuple[int, str]) -> None:
    """A megabyte into a tty nobody reads."""
    _, path = terminal
    port = SerialTransport.open(port=path, clock=CLOCK)
    with pytest.raises(WriteTimeout):
        port.write(bytes(1_000_000), 0.1)
    port.close()


def test_serial_port_held_by_another_program_is_in_use(terminal: tuple[int, str]) -> None:
    """A second opener is told so, whichever opened first with a lock."""
    _, path = terminal
    with serial.Serial(path, exclusive=True), pytest.raises(ConnectError, match="in use by another program"):
        SerialTransport.open(port=path, clock=CLOCK)
    SerialTransport.open(port=path, clock=CLOCK).close()


def test_serial_settings_are_applied_and_taped(terminal: tuple[int, str]) -> None:
    """What the port was set to stands in the transcript."""
    _, path = terminal
    tape = Tape()
    port = SerialTransport.open(port=path, settings=LineSettings(baud=300), clock=CLOCK, tap=tape)
    port.write(b"x", 1.0)
    port.configure(LineSettings(baud=9600))
    assert port.settings == LineSettings(baud=9600)
    port.close()
    with pytest.raises(BenchError):
        port.configure(LineSettings(baud=300))
    assert [entry for kind, entry in tape.entries if kind == "--"] == [
        f"opened {path} 300 8N1",
        "line settings 9600 8N1",
        "closed",
    ]


def test_serial_url_without_a_descriptor_is_polled() -> None:
    """loop:// has no file descriptor: reads and writes work, silence is a time-out, no hang."""
    tape = Tape()
    port = SerialTransport.open(port="loop://", clock=CLOCK, tap=tape)
    assert isinstance(port, PolledSerialTransport)
    port.write(b"hello", 1.0)
    assert port.read(3, 1.0) == b"hel"
    assert port.discard_input() == b"lo"
    with pytest.raises(ReadTimeout):
        port.read(1, 0.01)
    port.configure(LineSettings(baud=2400))
    port.close()
    port.close()
    with pytest.raises(LinkLost):
        port.read(1, 0.01)
    with pytest.raises(WriteError):
        port.write(b"x", 0.01)


class _ModemLines:
    """What ``serial.rfc2217.PortManager`` asks of a port, with bytes looped back."""

    cts = dsr = cd = True
    ri = False

    def __init__(self) -> None:
        self.baudrate, self.bytesize, self.parity, self.stopbits = 9600, 8, "N", 1
        self.rtscts = self.xonxoff = self.dtr = self.rts = self.break_condition = False

    def reset_input_buffer(self) -> None:
        """Do nothing."""

    reset_output_buffer = reset_input_buffer


def test_serial_over_rfc2217_sets_the_far_port_and_passes_bytes(listener: socket.socket) -> None:
    """A port server in another room: baud and parity arrive there, bytes come back."""
    far = _ModemLines()

    def serve() -> None:
        connection = listener.accept()[0]
        with connection, connection.makefile("wb", buffering=0) as out:
            manager = serial.rfc2217.PortManager(far, type("Out", (), {"write": staticmethod(out.write)})())
            while data := connection.recv(1024):
                payload = b"".join(manager.filter(data))
                if payload:
                    connection.sendall(b"".join(manager.escape(payload.upper())))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"
    settings = LineSettings(baud=300, data_bits=7, parity="E")
    port = SerialTransport.open(port=url, settings=settings, clock=CLOCK)
    assert (far.baudrate, far.bytesize, far.parity) == (300, 7, "E")
    port.write(b"hello", 1.0)
    received = b""
    while len(received) < 5:
        received += port.read(10, 5.0)
    assert received == b"HELLO"
    port.close()
    thread.join(5)


def test_udp_nobody_listening_is_lost_not_silent() -> None:
    """An ICMP 'port unreachable' says more than silence does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(5)
        port = peer.getsockname()[1]
        datagrams = UdpTransport.open(host="127.0.0.1", port=port, clock=CLOCK)
        datagrams.send(b"ping", 1.0)
        data, address = peer.recvfrom(100)
        peer.sendto(data + b"!", address)
        assert datagrams.receive(5.0) == b"ping!"
        with pytest.raises(ReadTimeout):
            datagrams.receive(0.02)
    datagrams.send(b"anybody?", 1.0)
    with pytest.raises(LinkLost):
        datagrams.receive(5.0)
    with pytest.raises(WriteError):
        datagrams.send(bytes(70_000), 1.0)
    datagrams.close()
    datagrams.close()
    with pytest.raises(LinkLost):
        datagrams.receive(1.0)


def test_scripted_stream_plays_its_script_and_records_what_was_sent() -> None:
    """Pieces, errors, the end; settings and breaks are recorded like bytes."""
    tape = Tape()
    stream = ScriptedStream([b"abcdef", ReadTimeout("silence")], tap=tape).then(b"later", b"and more")
    stream.write(b"hi", 1.0)
    assert stream.read(4, 1.0) == b"abcd"
    assert stream.read(4, 1.0) == b"ef"
    with pytest.raises(ReadTimeout, match="silence"):
        stream.read(1, 1.0)
    assert stream.unread == 2
    assert stream.discard_input() == b"laterand more"
    with pytest.raises(LinkLost):
        stream.read(1, 1.0)
    stream.configure(LineSettings(baud=300))
    stream.send_break(0.25)
    stream.close()
    with pytest.raises(WriteError):
        stream.write(b"x", 1.0)
    assert (stream.sent, stream.settings, stream.breaks_s) == ([b"hi"], [LineSettings(baud=300)], [0.25])
