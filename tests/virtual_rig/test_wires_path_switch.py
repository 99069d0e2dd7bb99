"""The path switch end to end: adapter, TCP, instrument; all in virtual time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from adapters.devices.scpi_switch import ScpiSwitch
from adapters.errors import (
    BenchError,
    ConfigError,
    ConnectError,
    ReadTimeout,
    Refused,
    RemoteProtocolError,
)
from adapters.registry import AdapterContext, OpenedLink
from adapters.roles import PathState
from adapters.transports.stream import NoTap
from adapters.transports.tcp import TcpTransport
from tests.virtual_rig.wire_models import Recorder
from virtual_rig.clock import VirtualClock
from virtual_rig.instruments.path_switch import PathSwitch
from virtual_rig.servers.tcp import TcpServer
from virtual_rig.wire import HostLine

LINK: Mapping[str, Mapping[str, str]] = {"main": {"transport": "tcp"}}


@pytest.fixture
def rig() -> Iterator[VirtualClock]:
    """A virtual world, closed afterwards."""
    clock = VirtualClock()
    yield clock
    clock.close()


def adapter(
    rig: VirtualClock,
    server: TcpServer,
    profile: str = "lab_paths",
    links: Mapping[str, Mapping[str, str]] = LINK,
) -> ScpiSwitch:
    """Return the adapter as a bench makes it."""

    def open_link(_: str) -> OpenedLink:
        stream = TcpTransport.open(host="127.0.0.1", port=server.port, clock=rig)
        return OpenedLink(stream=stream, serial=None, tap=NoTap(), options={})

    context = AdapterContext(name="paths", clock=rig, profile=profile, links=links, open_link=open_link)
    return ScpiSwitch(context)


def bench(rig: VirtualClock) -> tuple[list[tuple[int, bool]], PathSwitch, TcpServer, ScpiSwitch]:
    """Return what the contacts did, the instrument, its server and the adapter."""
    moved: list[tuple[int, bool]] = []
    model = PathSwitch(rig, lambda channel, closed: moved.append((channel, closed)), serial="4711")
    server = TcpServer("paths", model, rig)
    return moved, model, server, adapter(rig, server)


def test_path_switch_opens_and_closes_what_a_path_hangs_on(rig: VirtualClock) -> None:
    """The contact of the path moves, and only that one; each time it is read back."""
    moved, model, _, switch = bench(rig)
    assert switch.path_state("antenna") == PathState(path="antenna", closed=True)
    assert switch.open_path("antenna") == PathState(path="antenna", closed=False)
    assert switch.path_state("antenna") == PathState(path="antenna", closed=False)
    assert [model.is_closed(channel) for channel in (1, 2, 3, 4)] == [False, True, True, True]
    assert switch.close_path("antenna") == PathState(path="antenna", closed=True)
    assert moved == [(1, False), (1, True)]
    switch.close()


def test_path_switch_told_twice_moves_once(rig: VirtualClock) -> None:
    """A contact that is where it should be is not an error and no event."""
    moved, _, _, switch = bench(rig)
    switch.close_path("tms")
    switch.open_path("tms")
    switch.open_path("tms")
    assert moved == [(2, False)]
    switch.close()


def test_path_switch_waits_until_the_contact_has_settled(rig: VirtualClock) -> None:
    """The plan goes on when the relay has stopped moving, and waits for none that did not move."""
    _, _, _, switch = bench(rig)
    switch.open_path("internet")
    assert rig.monotonic_s() == 0.02
    rig.sleep_s(1.0)
    switch.open_path("internet")
    assert rig.monotonic_s() == 1.02
    switch.close()


def test_path_switch_made_safe_connects_what_it_interrupted_and_nothing_else(rig: VirtualClock) -> None:
    """The safe state of a bench is connected; what others opened is theirs; twice is harmless."""
    moved, _, server, switch = bench(rig)
    other = TcpTransport.open(host="127.0.0.1", port=server.port, clock=rig)
    other.write(b"ROUT:OPEN (@4)\n", 1.0)
    rig.sleep_s(1.0)
    switch.make_safe()
    assert moved == [(4, False)]
    switch.open_path("antenna")
    switch.open_path("tms")
    switch.close_path("tms")
    switch.open_path("internet")
    moved.clear()
    switch.make_safe()
    assert moved == [(1, True), (3, True)]
    switch.make_safe()
    assert len(moved) == 2
    other.close()
    switch.close()


def test_path_switch_made_safe_over_a_fresh_connection_or_says_that_it_is_not(rig: VirtualClock) -> None:
    """A dropped connection does not leave the antenna open; a switch that is gone is told."""
    moved, model, server, switch = bench(rig)
    switch.open_path("antenna")
    server.lines[0].close()
    switch.make_safe()
    assert moved == [(1, False), (1, True)]
    switch.open_path("antenna")
    server.down = True
    with pytest.raises(ConnectError):
        switch.make_safe()
    assert not model.is_closed(1)
    server.down = False
    switch.make_safe()
    assert model.is_closed(1)
    switch.close()


def test_path_switch_identifies_itself(rig: VirtualClock) -> None:
    """Serial and model come from *IDN?."""
    _, _, _, switch = bench(rig)
    assert (switch.identify().serial, switch.identify().model) == ("4711", "MeterBench Virtual path switch")
    switch.close()


def test_path_switch_unknown_path_names_those_there_are(rig: VirtualClock) -> None:
    """A misspelt path is told before anything is sent."""
    _, _, server, switch = bench(rig)
    with pytest.raises(BenchError, match="no path 'anntena', but antenna, tms, internet, configuration"):
        switch.open_path("anntena")
    assert server.lines == []


def test_path_switch_channel_that_is_not_fitted_is_refused_in_the_instruments_words(
    rig: VirtualClock, tmp_path: Path
) -> None:
    """A lab's own wiring may name what its switch does not have; a bare number will do for a path."""
    own = tmp_path / "own.yaml"
    own.write_text("profile: own\ntitle: ours\nprotocol: paths\npaths: {antenna: 2, socket: {channel: 9}}\n")
    _, model, server, _ = bench(rig)
    switch = adapter(rig, server, str(own))
    switch.open_path("antenna")
    assert not model.is_closed(2)
    with pytest.raises(Refused, match="-222 Data out of range;channel 9 is not fitted"):
        switch.open_path("socket")
    switch.close()


class _Sticky(PathSwitch):
    """A switch whose contacts no longer move."""

    def _move(self, named: tuple[int, ...], closed: bool) -> None:
        pass


def test_path_switch_contact_that_sticks_is_noticed(rig: VirtualClock) -> None:
    """It says nothing of it, but it is read back; making safe then has nothing to say against."""
    switch = adapter(rig, TcpServer("paths", _Sticky(rig, lambda channel, closed: None), rig))
    with pytest.raises(Refused, match=r"path antenna \(channel 1\) told to open, reads closed"):
        switch.open_path("antenna")
    switch.make_safe()
    switch.close()


class _StuckOpen(PathSwitch):
    """A switch whose contacts open and never close again."""

    def _move(self, named: tuple[int, ...], closed: bool) -> None:
        if not closed:
            super()._move(named, closed)


def test_path_switch_that_cannot_be_made_safe_names_the_paths(rig: VirtualClock) -> None:
    """Every attempt is told until somebody has mended it."""
    switch = adapter(rig, TcpServer("paths", _StuckOpen(rig, lambda channel, closed: None), rig))
    switch.open_path("antenna")
    switch.open_path("tms")
    for _ in range(2):
        with pytest.raises(Refused, match="still open: antenna, tms"):
            switch.make_safe()
    with pytest.raises(Refused, match="told to close, reads open"):
        switch.close_path("tms")
    switch.close()


def test_path_switch_nonsense_and_silence_are_no_state(rig: VirtualClock) -> None:
    """What is neither 0 nor 1 is the instrument's mistake, no answer a time-out."""

    class Nonsense(Recorder):
        def received(self, line: HostLine, data: bytes) -> None:
            super().received(line, data)
            if len(self.heard) < 3:
                line.send(b"closed\n")

    switch = adapter(rig, TcpServer("paths", Nonsense(rig), rig))
    with pytest.raises(RemoteProtocolError, match=r"ROUT:CLOS.* answered 'closed'"):
        switch.path_state("antenna")
    with pytest.raises(ReadTimeout):
        switch.path_state("antenna")
    switch.close()


def test_path_switch_understands_lists_ranges_and_long_forms(rig: VirtualClock) -> None:
    """A foreign controller's messages; a list with a wrong channel moves nothing."""
    moved, _, server, _ = bench(rig)
    controller = TcpTransport.open(host="127.0.0.1", port=server.port, clock=rig)

    def ask(message: str) -> str:
        controller.write(message.encode() + b"\n", 1.0)
        return controller.read(1000, 1.0).decode().strip()

    assert ask("ROUTe:OPEN (@1,3);:ROUTe:CLOSe? (@1,2,3);:ROUT:OPEN? (@ 3:1 )") == "0,1,0;1,0,1"
    assert ask("route:close:state?") == "(@2,4)"
    assert ask("CLOS (@1:3);*OPC?") == "1"
    assert moved == [(1, False), (3, False), (1, True), (3, True)]
    moved.clear()
    for message, number in (
        ("ROUT:OPEN (@1,5)", -222),
        ("ROUT:OPEN", -109),
        ("ROUT:OPEN (@1),(@2)", -108),
        ("ROUT:OPEN 1", -171),
        ("ROUT:OPEN (@)", -171),
        ("ROUT:OPEN (@1,)", -171),
        ("ROUT:OPEN (@1", -102),
        ("ROUT:OPEN @1)", -102),
        ("ROUT:OPEN (@1:99999)", -222),
        ("ROUT:OPEN1 (@1)", -113),
    ):
        assert ask(f"{message}\nSYST:ERR?").startswith(f"{number},")
    assert moved == []
    assert ask("ROUT:OPEN:ALL;:ROUT:CLOS:STAT?") == "(@)"
    assert ask("*RST;*CLS;:CLOS:STAT?;:SYST:ERR?") == '(@1,2,3,4);0,"No error"'
    controller.close()


def test_path_switch_needs_a_profile_of_paths_and_one_link(rig: VirtualClock, tmp_path: Path) -> None:
    """Each mistake is the bench's, told when the device is made."""
    _, _, server, _ = bench(rig)
    with pytest.raises(BenchError, match="needs a profile"):
        adapter(rig, server, "")
    with pytest.raises(ConfigError, match=r"protocol dlms.*protocol paths.*lab_paths"):
        adapter(rig, server, "mcs301")
    with pytest.raises(BenchError, match="a SCPI switch has one link, not 0"):
        adapter(rig, server, links={})
    both = tmp_path / "both.yaml"
    both.write_text("profile: both\ntitle: t\nprotocol: paths\npaths: {antenna: 1, tms: 1}\n")
    with pytest.raises(ConfigError, match="antenna and tms both hang on channel 1"):
        adapter(rig, server, str(both))
