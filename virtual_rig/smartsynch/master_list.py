"""TMS's Master List: which units there are, in which group, and how far each has come.

It is a belief: what TMS was told and made of it, which may differ from what the module is in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from virtual_rig.smartsynch.provisioning import Attributes
from virtual_rig.world import World

UnitStatus = Literal["registered", "provisioning", "provisioned", "incomplete"]
REGISTRATION_GROUP = "Registration Group"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A count a unit delivered, as it came."""

    at: datetime
    raw: int


@dataclass(kw_only=True)
class Entry:
    """One line of the Master List."""

    unit: str
    group: str = REGISTRATION_GROUP
    status: UnitStatus = "registered"
    registrations: int = 1
    module_version: str = ""
    attributes: Attributes | None = None
    readings: list[Reading] = field(default_factory=list)


class MasterList:
    """The lines, in the order they were added."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._entries: list[Entry] = []

    def find(self, unit: str) -> Entry | None:
        """Return the first line of ``unit``."""
        return next((entry for entry in self._entries if entry.unit == unit), None)

    def count(self, unit: str) -> int:
        """Return how many lines bear this unit; more than one is a mistake."""
        return sum(entry.unit == unit for entry in self._entries)

    def register(self, unit: str, module_version: str, *, provisioned: bool) -> bool:
        """Add the unit to the Registration Group or update it there; return whether it is new.

        A module that says it has not been provisioned is one that starts again, whatever was known of it.
        """
        known = self.find(unit)
        if known is None or not self._world.obeys("SS-PROV-08"):
            self._entries.append(Entry(unit=unit, module_version=module_version))
            return known is None
        known.registrations += 1
        known.module_version = module_version
        if not provisioned:
            known.attributes = None
            known.readings.clear()
            if known.status != "provisioning":
                known.status = "registered"
        return False

    def remove(self, unit: str) -> None:
        """Take every line of ``unit`` off the list, with its readings."""
        self._entries = [entry for entry in self._entries if entry.unit != unit]
