"""A virtual site as written: which devices it has, on which wires, and in which state it begins."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from adapters.errors import BenchError
from adapters.yaml_file import load_model
from virtual_rig.meters.ports import Cut
from virtual_rig.supply import LoadPoint, balanced
from virtual_rig.wire import WORLD_START

_SITES = Path(__file__).parent / "sites"

Quantity = Annotated[str, StringConstraints(pattern=r"^[AR][+-]$")]


class SiteModel(BaseModel):
    """Unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LinkEntry(SiteModel):
    """One way to a meter: which of its ports, on which kind of wire."""

    port: str
    wire: Literal["virt", "pty", "tcp"]
    mode_e: bool = False
    tcp_port: int = Field(default=0, ge=0, le=65535)  # 0: any that is free


class MeterEntry(SiteModel):
    """The meter of the site."""

    profile: str
    serial: str = Field(pattern=r"^\d{8}$")
    drift_ppm: int = Field(default=0, ge=-1000, le=1000)
    time_zone_min: int = Field(default=0, ge=-720, le=840)
    energy_wh: dict[Quantity, int] = Field(default_factory=dict)
    links: dict[str, LinkEntry]
    power_cut: Cut = "hang-up"
    answer_delay_s: float = Field(default=0.0, ge=0, le=5)


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


class SourceEntry(SiteModel):
    """The AC source in front of the meter, on a TCP connection."""

    adapter: str = "scpi_source"
    tcp_port: int = Field(default=0, ge=0, le=65535)


class Site(SiteModel):
    """A virtual site."""

    site: str
    title: str = ""
    start: datetime = WORLD_START
    meter: MeterEntry
    supply: SupplyEntry = SupplyEntry()
    source: SourceEntry | None = None
    allow: tuple[str, ...] = ()


def site_names() -> tuple[str, ...]:
    """Return the names of the sites that ship with the product."""
    return tuple(sorted(path.stem for path in _SITES.glob("*.yaml")))


def load_site(name: str) -> Site:
    """Return the site called ``name``. Raises BenchError naming those there are."""
    path = _SITES / f"{name}.yaml"
    if name not in site_names():
        raise BenchError(f"no virtual site is called {name!r}; there are {', '.join(site_names())}")
    return load_model(path, Site)
