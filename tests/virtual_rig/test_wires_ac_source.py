"""The AC source end to end: adapter, TCP, instrument, supply; all in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from adapters.devices.scpi_source import ScpiSource
from adapters.errors import BenchError, ConnectError, ReadTimeout, Refused, RemoteProtocolError
from adapters.registry import AdapterContext, OpenedLink
from adapters.transports.stream import NoTap
from adapters.transports.tcp import TcpTransport
from tests.virtual_rig.wire_models import Recorder
from virtual_rig.clock import VirtualClock
from virtual_rig.instruments.ac_source import AcSource
from virtual_rig.servers.tcp import TcpServer
from virtual_rig.supply import Supply, balanced
from virtual_rig.wire import HostLine


@pytest.fixture
def rig() -> Iterator[VirtualClock]:
    """A virtual world, closed afterwards."""
    clock = VirtualClock()
    yield clock
    clock.close()


def adapter(rig: VirtualClock, server: TcpServer) -> ScpiSource:
    """Return the adapter as a bench makes it."""

    def open_link(_: str) -> OpenedLink:
        stream = TcpTransport.open(host="127.0.0.1", port=server.port, clock=rig)
        return OpenedLink(stream=stream, serial=None, tap=NoTap(), options={})

    context = AdapterContext(
        name="source", clock=rig, links={"link": {"transport": "tcp"}}, open_link=open_link
    )
    return ScpiSource(context)


def bench(rig: VirtualClock) -> tuple[Supply, TcpServer, ScpiSource]:
    """Return a supply that is off, the instrument's server and the adapter."""
    supply = Supply(rig, balanced(Decimal(0), on=False))
    server = TcpServer("source", AcSource(rig, supply, serial="4711"), rig)
    return supply, server, adapter(rig, server)


def test_ac_source_load_point_reaches_the_supply_exactly(rig: VirtualClock) -> None:
    """Voltage, current, power factor and frequency arrive; the output is on."""
    supply, _, source = bench(rig)
    source.apply(Decimal("231.5"), Decimal("4.2"), Decimal("0.9"), Decimal("49.9"))
    assert supply.powered
    assert supply.point.frequency_hz == Decimal("49.9")
    for phase in supply.point.phases:
        assert (phase.voltage_v, phase.current_a, phase.power_factor) == (
            Decimal("231.5"),
            Decimal("4.2"),
            Decimal("0.9"),
        )
        assert not phase.leading
    source.close()


@pytest.mark.parametrize("power_factor", ["1", "0.5", "0", "-0.5", "-1"])
def test_ac_source_power_factor_survives_the_way_over_angles(rig: VirtualClock, power_factor: str) -> None:
    """Four decimals of an angle carry six of a power factor, import and export."""
    supply, _, source = bench(rig)
    source.apply(Decimal(230), Decimal(5), Decimal(power_factor))
    assert [phase.power_factor for phase in supply.point.phases] == [Decimal(power_factor)] * 3
    source.close()


def test_ac_source_switches_off_and_on_with_the_load_point_kept(rig: VirtualClock) -> None:
    """A power cut and its end cross the wire."""
    supply, _, source = bench(rig)
    source.apply(Decimal(230), Decimal(5))
    point = supply.point
    source.switch_off()
    assert not supply.powered
    source.switch_on()
    assert supply.point == point
    source.close()


def test_ac_source_identifies_itself(rig: VirtualClock) -> None:
    """Serial and model come from *IDN?."""
    _, _, source = bench(rig)
    identity = source.identify()
    assert (identity.serial, identity.model) == ("4711", "MeterBench Virtual AC source")
    source.close()


def test_ac_source_made_safe_switches_off_what_it_switched_on_and_nothing_else(rig: VirtualClock) -> None:
    """Whoever never switched the source on leaves it alone; whoever did leaves it off."""
    supply = Supply(rig, balanced(Decimal(230)))
    server = TcpServer("source", AcSource(rig, supply), rig)
    source = adapter(rig, server)
    source.identify()
    source.make_safe()
    assert supply.powered
    source.apply(Decimal(230))
    source.make_safe()
    assert not supply.powered
    source.make_safe()
    source.close()


def test_ac_source_made_safe_says_so_when_it_cannot_be_known(rig: VirtualClock) -> None:
    """A source that is gone while its output is on is not reported as safe."""
    supply, server, source = bench(rig)
    source.apply(Decimal(230))
    server.lines[0].close()
    server.refusing = True
    with pytest.raises(ConnectError):
        source.make_safe()
    assert supply.powered
    server.refusing = False
    source.make_safe()
    assert not supply.powered
    source.close()


def test_ac_source_made_safe_over_a_fresh_connection_when_the_old_one_died(rig: VirtualClock) -> None:
    """An idle connection that was dropped does not leave the voltage on."""
    supply, server, source = bench(rig)
    source.apply(Decimal(230))
    server.lines[0].close()
    source.make_safe()
    assert not supply.powered
    source.close()


def test_ac_source_value_out_of_range_is_refused_in_the_instruments_words(rig: VirtualClock) -> None:
    """Refused carries number and text of the error; the output is not switched on."""
    supply, _, source = bench(rig)
    with pytest.raises(Refused, match="-222 Data out of range") as caught:
        source.apply(Decimal(2000))
    assert caught.value.reason == "instrument-error"
    assert not supply.powered
    with pytest.raises(Refused, match="-222"):
        source.apply(Decimal(230), frequency_hz=Decimal(5))
    with pytest.raises(BenchError, match="power factor"):
        source.apply(Decimal(230), power_factor=Decimal("1.5"))
    source.close()


def test_ac_source_widens_a_range_that_is_too_small(rig: VirtualClock) -> None:
    """600 V does not fit the 360 V range the source starts in."""
    supply, _, source = bench(rig)
    source.apply(Decimal(600))
    assert supply.point.phases[2].voltage_v == 600
    source.close()


def test_ac_source_ramp_takes_its_virtual_time(rig: VirtualClock) -> None:
    """*OPC? answers when the output has settled, so the plan goes on with voltage on the terminals."""
    supply, server, source = bench(rig)
    controller = TcpTransport.open(host="127.0.0.1", port=server.port, clock=rig)
    controller.write(b"OUTP:RAMP:TIME 5;TIME?\n", 1.0)
    assert controller.read(100, 1.0) == b"5\n"
    source.apply(Decimal(230))
    assert rig.monotonic_s() == 5.0
    assert supply.powered
    source.switch_off()
    assert rig.monotonic_s() == 5.0
    controller.write(b"OUTP ON\n", 1.0)
    rig.sleep_s(1.0)
    assert not supply.powered
    controller.write(b"OUTP OFF\n", 1.0)
    rig.sleep_s(60.0)
    assert not supply.powered
    controller.close()
    source.close()


def test_ac_source_reads_back_what_is_set(rig: VirtualClock) -> None:
    """Queries of a foreign controller, in short and long forms and compound messages."""
    _, server, source = bench(rig)
    source.apply(Decimal(230), Decimal(5), Decimal("0.5"))
    controller = TcpTransport.open(host="127.0.0.1", port=server.port, clock=rig)

    def ask(message: str) -> str:
        controller.write(message.encode() + b"\n", 1.0)
        return controller.read(1000, 1.0).decode().strip()

    assert ask("SOURce:PHASe2:VOLTage:MHARmonics:HARMonic1?") == "230,-120"
    assert ask("PHAS3:CURR:MHAR:HARM1?;STAT?") == "5,60.0000;1"
    assert ask("PHAS1:POW:WATT?;VA?") == "5.750000E+02;1.150000E+03"
    assert ask("PHAS1:FITT?;:PHAS4:FITT?") == "1;0"
    assert ask("PHAS1:VOLT:STAT 0;:PHAS1:VOLT:AMPL?") == "0"
    assert (
        ask("PHAS4:VOLT:STAT 0;:OUTP?\nSYST:ERR?")
        == '-114,"Header suffix out of range;phase 4 is not fitted"'
    )
    assert ask("PHAS1:VOLT:MHAR:HARM2 5,0;\n:SYST:ERR?").startswith("-114,")
    assert ask("PHAS1:VOLT:RANG 0,100;\n:SYST:ERR?").startswith("-221,")
    assert ask("*RST;*OPC?;:OUTP?;:SYST:ERR?") == '1;0;0,"No error"'
    controller.close()
    source.close()


def test_scpi_source_silence_closes_the_link_so_that_no_late_answer_is_mistaken(rig: VirtualClock) -> None:
    """After a time-out the adapter starts afresh on a new connection."""

    class Slow(Recorder):
        def received(self, line: HostLine, data: bytes) -> None:
            super().received(line, data)
            if b"IDN" in data:
                line.send(b"MAKER,MODEL,late,1\n" if line.name.endswith("#1") else b"A,B,fresh,1\n", 11.0)

    server = TcpServer("source", Slow(rig), rig)
    source = adapter(rig, server)
    with pytest.raises(ReadTimeout):
        source.identify()
    rig.sleep_s(5.0)
    source._link.timeout_s = 20.0
    assert source.identify().serial == "fresh"
    source.close()


def test_scpi_source_nonsense_is_the_instruments_mistake(rig: VirtualClock) -> None:
    """An identity with the wrong number of fields is a protocol error of the far end."""

    class Nonsense(Recorder):
        def received(self, line: HostLine, data: bytes) -> None:
            line.send(b"hello\n")

    source = adapter(rig, TcpServer("source", Nonsense(rig), rig))
    with pytest.raises(RemoteProtocolError, match="four fields"):
        source.identify()
    source.close()
