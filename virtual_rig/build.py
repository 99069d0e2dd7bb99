"""Build a site on a driver: devices and the wires to them. The same in virtual and in real time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from virtual_rig.parts.base import BuiltPart, Endpoint, SiteContext
from virtual_rig.servers.line import Rig
from virtual_rig.site import Site
from virtual_rig.supply import Supply
from virtual_rig.world import World

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class BuiltSite:
    """A site with its devices alive and its wires up."""

    site: Site
    world: World
    supply: Supply
    parts: Mapping[str, BuiltPart]

    def model(self, name: str, kind: type[T]) -> T:
        """Return the simulated thing behind a device of the site; it must be of this kind."""
        found = self.parts[name].model
        assert isinstance(found, kind), f"{name} is a {type(found).__name__}"
        return found

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every wire of the site."""
        return tuple(endpoint for part in self.parts.values() for endpoint in part.endpoints)

    @property
    def secrets(self) -> dict[str, str]:
        """Return the demo secrets as a bench takes them, ``<device>.<name>``."""
        return {f"{d}.{name}": text for d, part in self.parts.items() for name, text in part.secrets.items()}

    def bench(self) -> dict[str, object]:
        """Return what a bench file for this site holds."""
        return {
            "bench": self.site.site,
            "provider": "virtual",
            "site": self.site.site,
            "devices": {
                name: part.bench_entry() for name, part in self.parts.items() if part.bench is not None
            },
            "allow": list(self.site.allow),
        }


def build(
    site: Site,
    rig: Rig,
    *,
    seed: int,
    broken: frozenset[str] = frozenset(),
    faults: Mapping[str, str] | None = None,
    in_process: bool = True,
) -> BuiltSite:
    """Build ``site`` on ``rig``. ``in_process`` False: hosts are other programs, so virt:// becomes a PTY.

    Raises BenchError for a behaviour or a fault that does not exist, ConfigErrors for a broken profile.
    """
    world = World(scheduler=rig, seed=seed, broken=broken, faults=faults)
    supply = Supply(rig, site.supply.load_point())
    context = SiteContext(site=site.site, rig=rig, world=world, supply=supply, in_process=in_process)
    for name, entry in site.devices.items():
        context.parts[name] = entry.build(name, context)
    context.faults.settle()
    return BuiltSite(site=site, world=world, supply=supply, parts=context.parts)
