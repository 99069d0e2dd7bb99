"""Instruments as parts of a site."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from virtual_rig.instruments.ac_source import AcSource
from virtual_rig.parts.base import MAIN, BuiltPart, PartEntry, SiteContext


class AcSourceEntry(PartEntry):
    """The AC source that feeds the site's supply, on a TCP connection."""

    model: Literal["ac_source"]
    adapter: str = "scpi_source"
    tcp_port: int = Field(default=0, ge=0, le=65535)

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make the source."""
        source = AcSource(context.rig, context.supply)
        return BuiltPart(
            model=source,
            bench={"role": "power_source", "adapter": self.adapter},
            endpoints=(context.tcp(name, MAIN, source, port=self.tcp_port),),
        )
