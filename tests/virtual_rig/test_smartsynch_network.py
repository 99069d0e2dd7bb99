"""The cellular network: coverage, paths, latency, loss."""

from __future__ import annotations

from itertools import pairwise

import pytest

from virtual_rig.clock import VirtualClock
from virtual_rig.smartsynch.messages import AutoConfiguration, Message, WakeUp
from virtual_rig.smartsynch.network import PATHS, Latency, Network
from virtual_rig.world import World

UNIT = "20457301"


class Traffic:
    """A network with somebody listening at every end."""

    def __init__(
        self, seed: int = 1, *, loss: float = 0.0, outage_s: float = 0.0, rssi_dbm: int = -79
    ) -> None:
        self.rig = VirtualClock()
        world = World(scheduler=self.rig, seed=seed)
        self.network = Network(world, loss=loss, outage_s=outage_s, rssi_dbm=rssi_dbm)
        self.heard: dict[str, list[float]] = {"tms": [], "configuration": [], "module": []}
        self.network.serve("tms", lambda message: self._hear("tms", message))
        self.network.serve("configuration", lambda message: self._hear("configuration", message))
        self.network.attach(UNIT, lambda message: self._hear("module", message))

    def _hear(self, who: str, message: Message) -> None:
        assert message.unit == UNIT
        self.heard[who].append(self.rig.now_s())

    def exchange(self) -> dict[str, int]:
        """Send one message each way, and return who got one."""
        self.network.up("tms", AutoConfiguration(unit=UNIT))
        self.network.up("configuration", AutoConfiguration(unit=UNIT))
        self.network.down("tms", WakeUp(unit=UNIT, number=1))
        self.rig.sleep_s(10)
        return {who: len(times) for who, times in self.heard.items()}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", {"tms": 1, "configuration": 1, "module": 1}),
        ("antenna", {"tms": 0, "configuration": 0, "module": 0}),
        ("tms", {"tms": 0, "configuration": 1, "module": 0}),
        ("internet", {"tms": 0, "configuration": 1, "module": 0}),
        ("configuration", {"tms": 1, "configuration": 0, "module": 1}),
    ],
)
def test_network_open_path_stops_what_goes_over_it(path: str, expected: dict[str, int]) -> None:
    """Each path cuts off its own ends and no others."""
    traffic = Traffic()
    if path:
        traffic.network.set_path(path, False)
    assert traffic.exchange() == expected


def test_network_path_opened_while_a_message_is_under_way_loses_it() -> None:
    """A message needs the whole way, to its end."""
    traffic = Traffic()
    traffic.network.down("tms", WakeUp(unit=UNIT, number=1))
    traffic.network.set_path("antenna", False)
    traffic.rig.sleep_s(10)
    assert traffic.heard["module"] == []


def test_network_unknown_path_is_refused() -> None:
    """A name that is none does not become a path."""
    traffic = Traffic()
    with pytest.raises(KeyError):
        traffic.network.set_path("moon", True)
    assert all(traffic.network.closed(path) for path in PATHS)  # type: ignore[arg-type]


def test_network_latency_is_drawn_per_message_within_its_range() -> None:
    """Every message takes its own time; the same seed gives the same times."""
    times = []
    for _ in range(2):
        traffic = Traffic(seed=7)
        for _ in range(50):
            traffic.network.up("tms", AutoConfiguration(unit=UNIT))
            traffic.rig.sleep_s(10)
        times.append([round(at % 10, 6) for at in traffic.heard["tms"]])
    latency = Latency()
    assert times[0] == times[1]
    assert all(latency.least_s <= at <= latency.most_s for at in times[0])
    assert len(set(times[0])) == 50


def test_network_loses_the_share_it_is_told_to() -> None:
    """A tenth of a thousand messages, give or take what chance gives or takes."""
    traffic = Traffic(loss=0.1)
    for _ in range(1000):
        traffic.network.up("tms", AutoConfiguration(unit=UNIT))
    traffic.rig.sleep_s(10)
    assert 860 < len(traffic.heard["tms"]) < 940


def test_network_carrier_outage_ends() -> None:
    """During the outage nothing passes, though the signal is there; afterwards everything does."""
    traffic = Traffic(outage_s=60)
    assert traffic.network.covered
    assert sum(traffic.exchange().values()) == 0
    traffic.rig.sleep_s(60)
    assert sum(traffic.exchange().values()) == 3


@pytest.mark.parametrize(
    ("dbm", "rssi", "covered"),
    [(-51, 31, True), (-79, 17, True), (-95, 9, True), (-97, 8, False), (-113, 99, False)],
)
def test_network_rssi_is_on_a_modems_scale(dbm: int, rssi: int, covered: bool) -> None:
    """0 to 31 stand for -113 to -51 dBm in steps of two; 99 for nothing heard."""
    network = Traffic(rssi_dbm=dbm).network
    assert (network.rssi, network.covered) == (rssi, covered)


def test_network_rssi_falls_with_the_signal() -> None:
    """A weaker signal is never shown as a stronger one."""
    shown = [Traffic(rssi_dbm=dbm).network.rssi for dbm in range(-51, -113, -1)]
    assert all(earlier >= later for earlier, later in pairwise(shown))
