"""Schedules, emergency limits and calendars of a DLMS meter, as typed requests (classes 20, 22 and 71)."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial

from adapters.devices.dlms_association import OpenAssociation
from adapters.devices.dlms_calendar import day_of, decode, with_day
from adapters.devices.dlms_services import DlmsServices
from adapters.devices.dlms_values import Target
from adapters.errors import BenchError, Refused, RemoteProtocolError
from adapters.profiles.model import obis_text
from adapters.protocols.dlms import data as typed
from adapters.protocols.dlms.axdr import encode_data
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.roles.dlms_control import CalendarDay, CalendarParts, ScheduleRead

_SCRIPT, _TIMES = 2, 4
_EMERGENCY_PROFILE, _EMERGENCY_GROUPS = 8, 9
_CALENDAR_PARTS = 4
_ACTIVE, _PASSIVE = 2, 6  # the first of the four parts of each calendar: name, seasons, weeks, days
_ANY, _ANY_YEAR = 0xFF, 0xFFFF


class DlmsControl(DlmsServices):
    """The capability to make a meter act on its own."""

    def read_schedule(self, object: str, association: str = "") -> ScheduleRead:
        """Read a class 22 object (see the role)."""
        opened = self._connections.find(association)
        target = self._of_class(object, 22)
        script = self._asked(opened, lambda: opened.get(target, _SCRIPT, None)).data
        times = self._asked(opened, lambda: opened.get(target, _TIMES, None)).data
        assert script is not None
        assert times is not None
        parts = script.items()
        if len(parts) != 2:
            raise RemoteProtocolError(f"executed_script of {target.name} has {len(parts)} parts, not 2")
        return ScheduleRead(
            object=target.name,
            script_table=obis_text(parts[0].octets()),
            script=parts[1].integer(),
            times=tuple(_time_text(each) for each in times.items()),
        )

    def set_schedule(self, object: str, at: datetime | None = None, association: str = "") -> ScheduleRead:
        """Let a class 22 object act once or never (see the role)."""
        opened = self._connections.find(association)
        target = self._of_class(object, 22)
        self._context.permit("disconnect")
        times = () if at is None else (_execution_time(at, self._clock_deviation(opened)),)
        self._asked(opened, lambda: opened.set(target, _TIMES, typed.array(*times), True, None))
        return self.read_schedule(object, association)

    def set_emergency_profile(
        self,
        object: str,
        begins: datetime,
        duration_s: int,
        identifier: int = 1,
        association: str = "",
    ) -> None:
        """Write the emergency profile of a limiter (see the role)."""
        opened = self._connections.find(association)
        target = self._of_class(object, 71)
        self._context.permit("disconnect")
        octets = CosemDateTime.from_datetime(begins, deviation_min=self._clock_deviation(opened)).octets()
        value = typed.structure(
            typed.long_unsigned(identifier),
            typed.octet_string(octets),
            typed.double_long_unsigned(duration_s),
        )
        self._asked(opened, lambda: opened.set(target, _EMERGENCY_PROFILE, value, True, None))

    def read_emergency_groups(self, object: str, association: str = "") -> tuple[int, ...]:
        """Read the emergency groups of a limiter (see the role)."""
        opened = self._connections.find(association)
        target = self._of_class(object, 71)
        data = self._asked(opened, lambda: opened.get(target, _EMERGENCY_GROUPS, None)).data
        assert data is not None
        return tuple(each.integer() for each in data.items())

    def set_emergency_groups(self, object: str, groups: tuple[int, ...], association: str = "") -> None:
        """Write the emergency groups of a limiter (see the role)."""
        opened = self._connections.find(association)
        target = self._of_class(object, 71)
        self._context.permit("disconnect")
        value = typed.array(*(typed.long_unsigned(group) for group in groups))
        self._asked(opened, lambda: opened.set(target, _EMERGENCY_GROUPS, value, True, None))

    def read_calendar(self, object: str, passive: bool = False, association: str = "") -> CalendarParts:
        """Read one of the two calendars of a class 20 object (see the role)."""
        opened = self._connections.find(association)
        return CalendarParts(*self._calendar(opened, self._of_class(object, 20), passive))

    def write_calendar(self, object: str, parts: CalendarParts, association: str = "") -> None:
        """Write the passive calendar of a class 20 object (see the role)."""
        opened = self._connections.find(association)
        target = self._of_class(object, 20)
        self._context.permit("configure")
        held = self._calendar(opened, target, passive=True)
        for attribute, (old, new) in enumerate(zip(held, parts.octets(), strict=True), _PASSIVE):
            if old != new:
                write = partial(opened.set, target, attribute, decode(new), True, None)
                self._asked(opened, write)

    def calendar_day(self, parts: CalendarParts, local: date) -> CalendarDay:
        """Return the day a calendar has for a date (see the role)."""
        return day_of(parts, local)

    def calendar_with_day(
        self, parts: CalendarParts, local: date, switches: tuple[str, ...], table: str
    ) -> CalendarParts:
        """Return a calendar in which a date's weekday has a day of its own (see the role)."""
        return with_day(parts, local, switches, table)

    # --- inside -----------------------------------------------------------------------------------------

    def _calendar(self, opened: OpenAssociation, target: Target, passive: bool) -> list[str]:
        first, found = _PASSIVE if passive else _ACTIVE, []
        for attribute in range(first, first + _CALENDAR_PARTS):
            data = self._asked(opened, partial(opened.get, target, attribute, None)).data
            assert data is not None
            found.append(encode_data(data).hex())
        return found

    def _of_class(self, name: str, class_id: int) -> Target:
        target = self._target(name)
        if target.class_id != class_id:
            raise BenchError(f"{target.name} is of class {target.class_id}, not {class_id}")
        return target

    def _clock_deviation(self, opened: OpenAssociation) -> int:
        """Return the deviation of the meter's clock (attribute 3); 0 where it tells none."""
        name = next((each.name for each in self.profile.objects if each.class_id == 8), "8/0-0:1.0.0.255")
        clock = self._target(name)
        try:
            data = self._asked(opened, lambda: opened.get(clock, 3, None)).data
            return data.integer() if data is not None else 0
        except (Refused, RemoteProtocolError):
            return 0


def _execution_time(at: datetime, deviation_min: int) -> Data:
    """Return a time and a date without wildcards; the hundredths are zero and the weekday is left open."""
    octets = CosemDateTime.from_datetime(at, deviation_min=deviation_min).octets()
    date, clock = octets[:4] + bytes((_ANY,)), octets[5:8] + b"\x00"
    return typed.structure(typed.octet_string(clock), typed.octet_string(date))


def _time_text(data: Data) -> str:
    parts = data.items()
    if len(parts) != 2 or len(parts[0].octets()) != 4 or len(parts[1].octets()) != 5:
        raise RemoteProtocolError("an execution time is four octets of a time and five of a date")
    clock, date = parts[0].octets(), parts[1].octets()
    year = int.from_bytes(date[:2], "big")

    def shown(field: int) -> str:
        return "*" if field == _ANY else f"{field:02}"

    day = "-".join(("*" if year == _ANY_YEAR else f"{year:04}", shown(date[2]), shown(date[3])))
    return f"{day} {':'.join(shown(field) for field in clock[:3])}"
