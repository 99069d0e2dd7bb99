"""``virt://`` lines and the UART model: what happens when both ends are not set alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import serial
from hypothesis import given
from hypothesis import strategies as st

from adapters.base import LineSettings
from adapters.errors import ConnectError
from adapters.transports.serial import SerialTransport
from tests.virtual_rig.wire_models import Echo, Recorder
from virtual_rig.clock import VirtualClock
from virtual_rig.realtime import RealtimeDriver
from virtual_rig.servers.virt import VirtServer
from virtual_rig.uart import parity_bit, sample, signal, transfer
from virtual_rig.wire import HostLine

SEVEN_E = LineSettings(baud=300, data_bits=7, parity="E")
EIGHT_N = LineSettings(baud=300)

settings = st.builds(
    LineSettings,
    baud=st.sampled_from([300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]),
    data_bits=st.sampled_from([7, 8]),
    parity=st.sampled_from(["N", "E", "O"]),
    stop_bits=st.sampled_from([1, 2]),
)


@pytest.fixture
def rig() -> Iterator[VirtualClock]:
    """A virtual world, closed afterwards."""
    clock = VirtualClock()
    yield clock
    clock.close()


@given(st.binary(max_size=40), settings)
def test_uart_same_settings_carry_every_octet(data: bytes, line: LineSettings) -> None:
    """Sampled with the sender's own settings the signal gives the data bits back, without errors."""
    mask = (1 << line.data_bits) - 1
    assert sample(signal(data, line), line.baud, line) == (bytes(octet & mask for octet in data), 0)


@given(st.binary(max_size=40), settings, settings)
def test_uart_any_mismatch_ends_and_makes_no_more_characters_than_fit(
    data: bytes, sender: LineSettings, receiver: LineSettings
) -> None:
    """Whatever the two ends are set to, the receiver is done with a bounded number of characters."""
    heard = transfer(data, sender, receiver)
    bit_times = len(data) * (1 + sender.data_bits + (sender.parity != "N") + sender.stop_bits)
    assert len(heard) <= bit_times * max(1, receiver.baud // sender.baud) // 2 + 1


@given(st.binary(min_size=1, max_size=40))
def test_uart_seven_even_heard_as_eight_none_shows_the_parity_bit(data: bytes) -> None:
    """IEC 62056-21 sends 7E1; a port left at 8N1 sees even parity in bit 7."""
    expected = bytes(octet & 0x7F | parity_bit(octet & 0x7F, "E") << 7 for octet in data)
    assert transfer(data, SEVEN_E, EIGHT_N) == expected


def test_uart_parity_error_is_counted_and_handed_on() -> None:
    """Like a Linux tty that does not check: the character arrives."""
    assert sample(signal(b"z", EIGHT_N), 300, SEVEN_E) == (b"z", 1)


def test_uart_faster_receiver_makes_rubbish_of_another_length() -> None:
    """300 baud heard at 9600: mostly zeros with framing errors, not the text."""
    heard, errors = sample(signal(b"/?!\r\n", LineSettings(baud=300)), 300, LineSettings(baud=9600))
    assert b"/?!" not in heard
    assert errors > 0


def test_virt_line_garbles_both_ways_until_both_ends_agree(rig: VirtualClock) -> None:
    """A device at 300 7E1: 8N1 shows parity bits, 600 baud shows rubbish, 7E1 the text."""
    model = Echo(rig)
    server = VirtServer("optical", model, rig)
    server.line.device_settings = SEVEN_E
    port = SerialTransport.open(port="virt://optical", settings=EIGHT_N, clock=rig)
    port.write(b"Az", 1.0)
    assert model.heard == []  # nothing reaches a model before the host waits
    assert port.read(100, 5.0) == b"<A\xfa\xbe"
    port.configure(LineSettings(baud=600, data_bits=7, parity="E"))
    port.write(b"Az", 1.0)
    assert port.read(100, 5.0) != b"<Az>"
    port.configure(SEVEN_E)
    port.write(b"Az", 1.0)
    assert port.read(100, 5.0) == b"<Az>"
    port.close()


def test_virt_device_may_answer_with_other_settings_than_its_own(rig: VirtualClock) -> None:
    """``send(settings=...)`` is one transmission with settings of its own."""
    server = VirtServer("optical", Recorder(rig), rig)
    port = SerialTransport.open(port="virt://optical", settings=EIGHT_N, clock=rig)
    server.line.send(b"z", settings=SEVEN_E)
    assert port.read(10, 1.0) == b"\xfa"
    server.line.send(b"z", settings=EIGHT_N)
    assert port.read(10, 1.0) == b"z"
    port.close()


def test_virt_host_settings_show_all_of_the_hosts_line_settings(rig: VirtualClock) -> None:
    """Baud, data bits, parity and stop bits are seen; none while the port is closed."""
    server = VirtServer("rs485", Recorder(rig), rig)
    assert server.line.host_settings is None
    line = LineSettings(baud=19200, data_bits=7, parity="O", stop_bits=2)
    port = SerialTransport.open(port=server.address, settings=line, clock=rig)
    assert server.line.host_settings == line
    port.close()
    assert server.line.host_settings is None


def test_virt_bytes_before_a_change_of_settings_are_heard_with_the_old_ones(rig: VirtualClock) -> None:
    """The change takes effect where it stands between the bytes."""
    model = Recorder(rig)
    server = VirtServer("optical", model, rig)
    server.line.device_settings = SEVEN_E
    port = SerialTransport.open(port=server.address, settings=SEVEN_E, clock=rig)
    port.write(b"abc", 1.0)
    server.configure(LineSettings(baud=9600))  # as a driver that does not drain would
    rig.sleep_s(1.0)
    assert model.heard[-1][2] == b"abc"
    port.close()


def test_virt_break_is_seen_in_its_place_with_its_length(rig: VirtualClock) -> None:
    """Bytes, break, bytes: in that order and with the virtual duration."""
    model = Recorder(rig)
    server = VirtServer("optical", model, rig)
    port = SerialTransport.open(port=server.address, settings=LineSettings(baud=9600), clock=rig)
    port.write(b"before", 1.0)
    port.send_break(0.25)
    port.write(b"after", 1.0)
    rig.sleep_s(0.0)
    assert [event for _, event, _ in model.heard] == ["opened optical", "optical", "break 0.25", "optical"]
    assert [data for _, _, data in model.heard if data] == [b"before", b"after"]
    port.close()


def test_virt_modem_lines_reach_a_model_that_looks_at_them(rig: VirtualClock) -> None:
    """DTR and RTS are seen where the model has a ``modem_lines``."""

    class Head(Recorder):
        def modem_lines(self, line: HostLine, dtr: bool, rts: bool) -> None:
            self.note(f"dtr {dtr} rts {rts}")

    model = Head(rig)
    server = VirtServer("head", model, rig)
    port = serial.serial_for_url(server.address)
    port.rts = False
    port.close()
    assert [event for _, event, _ in model.heard] == ["dtr True rts True", "dtr True rts False"]


def test_virt_port_takes_one_program_and_one_server(rig: VirtualClock) -> None:
    """In use and unplugged are refused in words; a second world's port of the same name is another port."""
    server = VirtServer("optical", Recorder(rig), rig)
    first = SerialTransport.open(port=server.address, clock=rig)
    with pytest.raises(ConnectError, match="in use"):
        SerialTransport.open(port=server.address, clock=rig)
    other = VirtServer("optical", Recorder(rig), rig)
    assert (server.address, other.address) == ("virt://optical", "virt://optical-2")
    first.close()
    server.line.close()
    with pytest.raises(ConnectError, match="no such port"):
        SerialTransport.open(port=server.address, clock=rig)


def test_virt_port_serves_plain_pyserial_in_real_time() -> None:
    """A program that knows pyserial and nothing of us reads and writes the same port."""
    with RealtimeDriver() as rig:
        server = VirtServer("plain", Echo(rig), rig)
        port = serial.serial_for_url(server.address, timeout=5, write_timeout=5)
        assert port.write(b"hello") == 5
        assert port.read(7) == b"<hello>"
        port.timeout = 0
        assert port.read(1) == b""
        port.reset_input_buffer()
        port.close()
    assert rig.failures == []
