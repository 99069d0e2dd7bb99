"""Monitoring Home > Event Search: what TMS has noted about its units. Names of the kinds are ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from virtual_rig.world import World

_LOCAL_TIME = timedelta(hours=6)  # of an operator in Central Standard Time


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the search."""

    at: datetime
    unit: str
    kind: str
    text: str


class EventLog:
    """The events of all units, oldest first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._events: list[Event] = []

    def note(self, unit: str, kind: str, text: str) -> None:
        """Write an event."""
        self._events.append(Event(at=self._world.scheduler.utc_now(), unit=unit, kind=kind, text=text))

    def since(self, unit: str, moment: datetime | None) -> tuple[Event, ...]:
        """Return the events of ``unit`` from ``moment`` on, as they were written."""
        return tuple(
            event for event in self._events if event.unit == unit and (moment is None or event.at >= moment)
        )

    def search(self, unit: str, moment: datetime | None) -> tuple[Event, ...]:
        """Return what the operator is shown of them."""
        if moment is not None and not self._world.obeys("SS-TRB-03"):
            moment += _LOCAL_TIME
        return self.since(unit, moment)
