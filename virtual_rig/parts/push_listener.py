"""A listener of the harness beside a virtual meter: nothing of it is simulated, only its keys are known."""

from __future__ import annotations

from typing import Literal

from virtual_rig.demo_secrets import as_text
from virtual_rig.meters.associations import MANAGEMENT
from virtual_rig.parts.base import BuiltPart, PartEntry, SiteContext
from virtual_rig.parts.mcs301 import Mcs301Part

ANNOUNCED = "127.0.0.1:4059"


class PushListenerEntry(PartEntry):
    """The place where ``meter`` pushes to. It listens on the loopback once a plan asks it to."""

    model: Literal["push_listener"]
    meter: str = "meter"
    profile: str = "mcs301"

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Hand over the keys."""
        part = context.part(self.meter, Mcs301Part)
        keys = as_text(part.client_secrets)
        links = {each: {"transport": f"{each}-listener"} for each in ("tcp", "udp")}
        if context.in_process:  # a port the kernel hands out would differ from run to run
            links = {each: link | {"announce": ANNOUNCED} for each, link in links.items()}
        return BuiltPart(
            model=None,
            bench={
                "role": "push_receiver",
                "adapter": "push_listener",
                "profile": self.profile,
                "links": links,
            },
            secrets={k: v for k, v in keys.items() if k.startswith(f"{MANAGEMENT}.") and k.endswith("_key")},
        )
