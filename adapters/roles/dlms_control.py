"""The part of a DLMS meter's role that lets it act on its own: schedules and emergency limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from adapters.roles.base import hurts


@dataclass(frozen=True, kw_only=True)
class ScheduleRead:
    """A single action schedule: which script it runs and when, as the meter tells it."""

    object: str
    script_table: str  # logical name
    script: int
    times: tuple[str, ...]  # local time, as ``2026-01-05 12:30:00``; ``*`` for what is not specified


class DlmsControl(Protocol):
    """Schedules and the limiter of a DLMS meter."""

    def read_schedule(self, object: str, association: str = "") -> ScheduleRead:
        """Read a class 22 object: its script and its times."""
        ...

    @hurts("disconnect")
    def set_schedule(self, object: str, at: datetime | None = None, association: str = "") -> ScheduleRead:
        """Let a class 22 object act once, at ``at`` by the meter's clock, or never; return what it then says.

        The time is written as local time of the meter, to the second.
        """
        ...

    @hurts("disconnect")
    def set_emergency_profile(
        self,
        object: str,
        begins: datetime,
        duration_s: int,
        identifier: int = 1,
        association: str = "",
    ) -> None:
        """Write the emergency profile of a limiter (class 71): from when on, and for how long."""
        ...

    @hurts("configure")
    def set_passive_day(
        self, object: str, day: int, switches: tuple[str, ...], script_table: str, association: str = ""
    ) -> None:
        """Write the passive day table of an activity calendar (class 20) with a single day in it.

        ``switches`` are local times with the script to run, such as ``06:00=1``; ``script_table`` is the
        logical name of the table they are of, as A-B:C.D.E.F. It takes over when the calendar is activated.
        """
        ...
