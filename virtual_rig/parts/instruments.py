"""Instruments as parts of a site."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from adapters.profiles.loader import load_profile_as
from adapters.profiles.paths import PathsProfile
from virtual_rig.instruments.ac_source import AcSource
from virtual_rig.instruments.path_switch import PathSwitch
from virtual_rig.parts.base import MAIN, BuiltPart, PartEntry, SiteContext
from virtual_rig.smartsynch.network import Network


class AcSourceEntry(PartEntry):
    """The AC source that feeds the site's supply, on a TCP connection."""

    model: Literal["ac_source"]
    adapter: str = "scpi_source"
    serial: str = Field(default="1", pattern=r"^[A-Z0-9-]{1,20}$")
    tcp_port: int = Field(default=0, ge=0, le=65535)

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make the source."""
        source = AcSource(context.rig, context.supply, serial=self.serial)
        return BuiltPart(
            model=source,
            bench={"role": "power_source", "adapter": self.adapter, "identity": {"serial": self.serial}},
            endpoints=(context.tcp(name, MAIN, source, port=self.tcp_port),),
        )


class PathSwitchEntry(PartEntry):
    """A relay switch in the paths of a network, by the channels its profile gives them."""

    model: Literal["path_switch"]
    network: str = "network"
    profile: str = "lab_paths"
    tcp_port: int = Field(default=0, ge=0, le=65535)

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make the switch."""
        network = context.part(self.network, Network)
        paths = load_profile_as(self.profile, PathsProfile).paths
        names = {entry.channel: path for path, entry in paths.items()}

        def moved(channel: int, closed: bool) -> None:
            if channel in names:
                network.set_path(names[channel], closed)

        switch = PathSwitch(context.rig, moved, channels=max(names))
        return BuiltPart(
            model=switch,
            bench={"role": "path_switch", "adapter": "scpi_switch", "profile": self.profile},
            endpoints=(context.tcp(name, MAIN, switch, port=self.tcp_port),),
        )
