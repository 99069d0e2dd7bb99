"""The site i210: what stands on the bench, what does not, and its faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from adapters.errors import BenchError
from virtual_rig.meters.ansi.model import AnsiMeterModel
from virtual_rig.provider import VirtualBench, VirtualProvider
from virtual_rig.smartsynch.configuration_server import ConfigurationServer
from virtual_rig.smartsynch.module import ItronModule
from virtual_rig.smartsynch.module_state import ModuleState
from virtual_rig.smartsynch.network import Network

UNIT = "20457301"


@contextmanager
def opened(**options: Any) -> Iterator[VirtualBench]:
    bench = VirtualProvider().open("i210", **{"seed": 1} | options)
    try:
        yield bench
    finally:
        bench.close()


def module_of(bench: VirtualBench) -> ItronModule:
    return bench.built.model("module", ItronModule)


def test_site_begins_without_power_and_with_nothing_done() -> None:
    """The story begins when somebody switches the source on."""
    with opened() as bench:
        bench.clock.sleep_s(3600)
        assert not bench.built.supply.powered
        assert module_of(bench).state is ModuleState.READY
        server = bench.built.model("configuration", ConfigurationServer)
        assert server.record(UNIT).auto_configurations == 0


def test_site_bench_has_meter_source_servers_and_paths_and_no_network() -> None:
    """Module and network are behind the wires; a bench knows nothing of them."""
    with opened() as bench:
        devices: Any = bench.bench["devices"]
        assert {name: entry["role"] for name, entry in devices.items()} == {
            "meter": "ansi_meter",
            "source": "power_source",
            "configuration": "configuration_server",
            "tms": "provisioning_head_end",
            "paths": "path_switch",
        }
        assert {"tms.token", "tms.pin", "configuration.token"} <= bench.secrets.keys()


def test_site_pin_comes_of_the_seed() -> None:
    """Eight digits, the same for the same seed: at the customer, in the module and at the bench."""
    pins = []
    for seed in (1, 1, 2):
        with opened(seed=seed) as bench:
            bench.built.supply.switch(True)
            bench.clock.sleep_s(60)
            pins.append(bench.secrets["tms.pin"])
            assert module_of(bench).memory.parameters["pin"] == pins[-1]
    assert pins[0] == pins[1] != pins[2]
    assert all(len(pin) == 8 and pin.isdecimal() for pin in pins)


def test_site_meter_shows_its_module() -> None:
    """State, error, coverage and signal at the optical port are the module's own."""
    with opened() as bench:
        meter = bench.built.model("meter", AnsiMeterModel)

        def shown() -> tuple[int, ...]:
            octets = meter.tables.read("module_status")
            assert isinstance(octets, bytes)
            return tuple(octets)

        assert shown() == (2, 0, 0, 99, 0, 0, 0, 0)
        bench.built.supply.switch(True)
        bench.clock.sleep_s(60)
        assert shown() == (5, 0, 1, 17, 0, 1, 0, 0)
        bench.built.model("network", Network).set_path("antenna", False)
        assert shown() == (5, 0, 0, 99, 0, 1, 0, 0)


def test_site_module_delivers_what_the_meter_counts() -> None:
    """The register of the optical port and that of the module are one."""
    with opened() as bench:
        bench.built.supply.switch(True)
        bench.clock.sleep_s(3600)
        meter = bench.built.model("meter", AnsiMeterModel)
        assert module_of(bench)._energy_wh() == meter.registers_now()["energy_import"] == 1234567 + 1200


@pytest.mark.parametrize(
    ("faults", "placed_within_s", "not_before_s"),
    [
        ({}, 30.0, 10.0),
        ({"carrier_outage": "network:120"}, 300.0, 120.0),
        ({"message_loss": "network:30"}, 900.0, 10.0),
    ],
)
def test_site_faults_of_the_network_delay_and_lose_nothing(
    faults: dict[str, str], placed_within_s: float, not_before_s: float
) -> None:
    """An outage of the carrier and lost messages: the unit is Placed later, and Placed all the same."""
    with opened(faults=faults) as bench:
        bench.built.supply.switch(True)
        bench.clock.sleep_s(placed_within_s)
        module = module_of(bench)
        assert module.state is ModuleState.PLACED
        placed = next(change for change in module.history if change.state is ModuleState.PLACED)
        assert placed.at_s >= not_before_s


@pytest.mark.parametrize(
    "fault",
    [{"message_loss": "network:much"}, {"message_loss": "tms:5"}, {"carrier_outage": "network"}],
)
def test_site_fault_that_makes_no_sense_is_told(fault: dict[str, str]) -> None:
    """A number is needed, and a network to have the fault."""
    with pytest.raises(BenchError, match=next(iter(fault))), opened(faults=fault):
        pass
