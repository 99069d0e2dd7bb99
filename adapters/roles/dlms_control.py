"""The part of a DLMS meter's role that lets it act on its own: schedules, emergency limits, calendars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from adapters.roles.base import hurts


@dataclass(frozen=True, kw_only=True)
class ScheduleRead:
    """A single action schedule: which script it runs and when, as the meter tells it."""

    object: str
    script_table: str  # logical name
    script: int
    times: tuple[str, ...]  # local time, as ``2026-01-05 12:30:00``; ``*`` for what is not specified


@dataclass(frozen=True)
class CalendarParts:
    """The four parts of a calendar as the meter sends them: A-XDR in hexadecimal."""

    name: str
    seasons: str
    weeks: str
    days: str

    def octets(self) -> tuple[str, str, str, str]:
        """Return the parts in the order of their attributes."""
        return self.name, self.seasons, self.weeks, self.days

    def differing(self, other: CalendarParts) -> str:
        """Return the names of the parts in which the two differ, ``nothing`` where they say the same."""
        named = zip(("name", "seasons", "weeks", "days"), self.octets(), other.octets(), strict=True)
        return ", ".join(name for name, mine, theirs in named if mine != theirs) or "nothing"


@dataclass(frozen=True, kw_only=True)
class CalendarDay:
    """One day of a calendar: (seconds of the day, script), and the script table these are scripts of."""

    switches: tuple[tuple[int, int], ...]
    script_table: str


class DlmsControl(Protocol):
    """Schedules, the limiter and the calendar of a DLMS meter."""

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

    def read_emergency_groups(self, object: str, association: str = "") -> tuple[int, ...]:
        """Read which emergency profiles, by their numbers, may come into force at a limiter (class 71)."""
        ...

    @hurts("disconnect")
    def set_emergency_groups(self, object: str, groups: tuple[int, ...], association: str = "") -> None:
        """Write which emergency profiles may come into force at a limiter (class 71)."""
        ...

    def read_calendar(self, object: str, passive: bool = False, association: str = "") -> CalendarParts:
        """Read the active or the passive calendar of a class 20 object."""
        ...

    @hurts("configure")
    def write_calendar(self, object: str, parts: CalendarParts, association: str = "") -> None:
        """Write the passive calendar of a class 20 object; what is so already is left alone.

        All four parts take over together when the calendar is activated.
        """
        ...

    def calendar_day(self, parts: CalendarParts, local: date) -> CalendarDay:
        """Return the day that a calendar has for a date: that of its season's week. Nothing is sent."""
        ...

    def calendar_with_day(
        self, parts: CalendarParts, local: date, switches: tuple[str, ...], table: str
    ) -> CalendarParts:
        """Return a calendar in which the weekday of ``local`` has a day of its own; nothing is sent.

        ``switches`` are local times with the script to run, such as ``06:00=1``; ``table`` is the logical
        name of the table they are of, as A-B:C.D.E.F. Every other day and week stays.
        """
        ...
