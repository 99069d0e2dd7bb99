"""A virtual site as written: which devices it has, on which wires, and in which state it begins."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

from adapters.errors import BenchError
from adapters.yaml_file import load_model
from adapters.yaml_messages import suggest
from virtual_rig.parts.base import SiteModel
from virtual_rig.parts.catalogue import DeviceEntry
from virtual_rig.supply import LoadPoint, balanced
from virtual_rig.wire import WORLD_START

_SITES = Path(__file__).parent / "sites"


class SupplyEntry(SiteModel):
    """The load point the site begins with, balanced over the phases."""

    voltage_v: Decimal = Decimal(230)
    current_a: Decimal = Decimal(0)
    power_factor: Decimal = Decimal(1)
    frequency_hz: Decimal = Decimal(50)
    on: bool = True

    def load_point(self) -> LoadPoint:
        """Return it as the supply takes it."""
        return balanced(self.voltage_v, self.current_a, self.power_factor, self.frequency_hz, on=self.on)


class Site(SiteModel):
    """A virtual site. Devices are built in the order they stand in, and may name those above them."""

    site: str
    title: str = ""
    start: datetime = WORLD_START
    supply: SupplyEntry = SupplyEntry()
    devices: dict[str, DeviceEntry]
    allow: tuple[str, ...] = ()


def site_names() -> tuple[str, ...]:
    """Return the names of the sites that ship with the product."""
    return tuple(sorted(path.stem for path in _SITES.glob("*.yaml")))


def load_site(name: str) -> Site:
    """Return the site called ``name``, or the one in that file (a lab's own site; it ends in .yaml).

    Raises BenchError naming those there are, ConfigError with the place of a mistake in a file.
    """
    if Path(name).suffix in {".yaml", ".yml"}:
        return load_model(name, Site)
    names = site_names()
    if name not in names:
        raise BenchError(f"no virtual site is called {name!r}; {suggest(name, names, 'there are')}")
    return load_model(_SITES / f"{name}.yaml", Site)
