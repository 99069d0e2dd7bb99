"""The same servers on the wall clock, for programs that are not ours: plain sockets and plain ttys."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator

import pytest

from adapters.clock import WallClock
from adapters.errors import ConnectError, LinkLost
from adapters.transports.serial import SerialTransport
from adapters.transports.tcp import TcpTransport
from tests.virtual_rig.wire_models import Echo, Recorder, Reporter
from virtual_rig.realtime import RealtimeDriver
from virtual_rig.servers.pty import PtyServer
from virtual_rig.servers.tcp import TcpServer
from virtual_rig.servers.udp import UdpServer
from virtual_rig.wire import HostLine


@pytest.fixture
def rig() -> Iterator[RealtimeDriver]:
    """A driver that serves, stopped afterwards; no model may have failed."""
    with RealtimeDriver() as driver:
        yield driver
    assert driver.failures == []


def exactly(read: object, count: int) -> bytes:
    """Read ``count`` octets from a socket or a file descriptor, waiting up to 5 s for each piece."""
    data = b""
    while len(data) < count:
        fd = read if isinstance(read, int) else read.fileno()  # type: ignore[attr-defined]
        assert select.select([fd], [], [], 5)[0], f"only {data!r} came"
        data += os.read(fd, count - len(data))
    return data


def test_realtime_tcp_foreign_clients_are_served_side_by_side(rig: RealtimeDriver) -> None:
    """Several plain sockets, each a line of its own; hanging up is noticed."""
    model = Echo(rig)
    server = TcpServer("ip", model, rig)
    clients = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(5)]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
    assert [exactly(client, 3) for client in clients] == [b"<0>", b"<1>", b"<2>", b"<3>", b"<4>"]
    for client in clients:
        client.close()
    assert WallClock().wait_until(
        lambda: sum(event.startswith("closed") for _, event, _ in model.heard) == 5, 5.0, 0.01
    )


def test_realtime_tcp_device_hangs_up_after_its_last_words(rig: RealtimeDriver) -> None:
    """The host reads everything and then the end of the stream, even with its own bytes unread."""

    class Rude(Recorder):
        def received(self, line: HostLine, data: bytes) -> None:
            line.send(b"last words")
            line.close()

    server = TcpServer("ip", Rude(rig), rig)
    client = socket.create_connection(("127.0.0.1", server.port), 5)
    client.sendall(b"hello")
    assert exactly(client, 10) == b"last words"
    assert client.recv(1) == b""
    client.close()


def test_realtime_tcp_large_answers_wait_for_a_slow_reader(rig: RealtimeDriver) -> None:
    """What the kernel does not take at once follows when the host reads."""

    class Generous(Recorder):
        def received(self, line: HostLine, data: bytes) -> None:
            line.send(bytes(8_000_000))

    server = TcpServer("ip", Generous(rig), rig)
    client = socket.create_connection(("127.0.0.1", server.port), 5)
    client.sendall(b"go")
    assert len(exactly(client, 8_000_000)) == 8_000_000
    client.close()


def test_realtime_pty_may_be_closed_and_opened_again(rig: RealtimeDriver) -> None:
    """A tty outlives the programs that open it."""
    server = PtyServer("optical", Echo(rig), rig)
    for _ in range(3):
        fd = os.open(server.address, os.O_RDWR | os.O_NOCTTY)
        os.write(fd, b"hi")
        assert exactly(fd, 4) == b"<hi>"
        os.close(fd)


def test_realtime_pty_unplugged_after_the_host_has_read(rig: RealtimeDriver) -> None:
    """Our own transport on the wall clock: bytes, then LinkLost, then no such port."""
    model = Echo(rig)
    server = PtyServer("optical", model, rig)
    port = SerialTransport.open(port=server.address, clock=WallClock())
    port.write(b"x", 1.0)
    assert port.read(3, 5.0) == b"<x>"
    server.line.send(b"last")
    server.line.close()
    assert port.read(10, 5.0) == b"last"
    with pytest.raises(LinkLost):
        port.read(1, 5.0)
    port.close()
    with pytest.raises(ConnectError):
        SerialTransport.open(port=server.address, clock=WallClock())


def test_realtime_timers_fire_in_order_and_can_be_cancelled(rig: RealtimeDriver) -> None:
    """Calls due together keep their order; a cancelled one stays away."""
    seen: list[str] = []
    at_s = rig.now_s() + 0.05
    for name in "abc":
        rig.call_at(at_s, seen.append, name)
    rig.call_later(0.02, seen.append, "never").cancel()
    assert WallClock().wait_until(lambda: len(seen) == 3, 5.0, 0.01)
    assert seen == ["a", "b", "c"]


def test_realtime_periodic_model_reports_without_being_asked(rig: RealtimeDriver) -> None:
    """A model's timers run while nobody sends anything."""
    model = Reporter(rig, period_s=0.01)
    server = UdpServer("udp", model, rig)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", server.port))
    client.send(b"?")
    assert exactly(client, 200).startswith(b"<InstantaneousDemand>")
    client.close()


def test_realtime_half_open_line_is_up_and_silent(rig: RealtimeDriver) -> None:
    """A stalled connection neither answers nor closes; woken, it hears what waited."""
    model = Echo(rig)
    server = TcpServer("ip", model, rig)
    client = TcpTransport.open(host="127.0.0.1", port=server.port, clock=WallClock())
    client.write(b"1", 1.0)
    assert client.read(3, 5.0) == b"<1>"
    server.lines[0].stalled = True
    client.write(b"2", 1.0)
    assert client.discard_input() == b""
    server.lines[0].stalled = False
    assert client.read(3, 5.0) == b"<2>"
    client.close()


def test_realtime_udp_peer_is_hung_up_on(rig: RealtimeDriver) -> None:
    """A device that closes its line to a peer answers it no more; the model hears of the end once."""

    class Once(Recorder):
        def received(self, line: HostLine, data: bytes) -> None:
            line.send(b"once")
            line.close()

    model = Once(rig)
    server = UdpServer("udp", model, rig)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", server.port))
    client.send(b"?")
    assert exactly(client, 4) == b"once"
    client.close()
    assert WallClock().wait_until(lambda: len(model.heard) == 2, 5.0, 0.01)
    assert [event for _, event, _ in model.heard] == ["opened udp#1", "closed udp#1"]


def test_realtime_tcp_reset_reaches_the_host(rig: RealtimeDriver) -> None:
    """RST in real time."""
    server = TcpServer("ip", Echo(rig), rig)
    client = TcpTransport.open(host="127.0.0.1", port=server.port, clock=WallClock())
    client.write(b"x", 1.0)
    assert client.read(3, 5.0) == b"<x>"
    server.lines[0].reset()
    with pytest.raises(LinkLost):
        client.read(1, 5.0)
    client.close()


def test_realtime_server_closed_while_serving_ends_its_connections(rig: RealtimeDriver) -> None:
    """A server taken away leaves the others alone."""
    first, second = TcpServer("first", Echo(rig), rig), TcpServer("second", Echo(rig), rig)
    clients = [socket.create_connection(("127.0.0.1", server.port), 5) for server in (first, second)]
    for client in clients:
        client.sendall(b"x")
        assert exactly(client, 3) == b"<x>"
    first.close()
    assert clients[0].recv(1) == b""
    clients[1].sendall(b"y")
    assert exactly(clients[1], 3) == b"<y>"
    assert [server.name for server in rig.servers] == ["second"]
    for client in clients:
        client.close()


def test_realtime_model_that_fails_loses_its_line_only(caplog: pytest.LogCaptureFixture) -> None:
    """One model's mistake is recorded and closes its connection; the others are served on."""

    class Broken(Recorder):
        def received(self, line: HostLine, data: bytes) -> None:
            raise ValueError("a slip")

    with RealtimeDriver() as rig:
        bad, good = TcpServer("bad", Broken(rig), rig), TcpServer("good", Echo(rig), rig)
        first = socket.create_connection(("127.0.0.1", bad.port), 5)
        first.sendall(b"x")
        assert first.recv(1) == b""
        second = socket.create_connection(("127.0.0.1", good.port), 5)
        second.sendall(b"x")
        assert exactly(second, 3) == b"<x>"
        first.close()
        second.close()
    assert [str(failure) for failure in rig.failures] == ["a slip"]
    assert "a device model failed on bad#1" in caplog.text


def test_realtime_driver_closes_twice_and_leaves_no_port(rig: RealtimeDriver) -> None:
    """Closing is idempotent, and afterwards nothing listens."""
    other = RealtimeDriver()
    server = TcpServer("ip", Echo(other), other)
    other.start()
    other.close()
    other.close()
    with pytest.raises(ConnectError):
        TcpTransport.open(host="127.0.0.1", port=server.port, clock=WallClock())
