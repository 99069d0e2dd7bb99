"""Tariffs: the activity calendar (class 20) and the energy registers it switches between.

The calendar names a week for the season, a day table for each day of the week, and for each day the times
at which a script of the tariff script table runs; script ``n`` makes tariff ``n`` the active one. Imported
energy goes to the register of the active tariff. A passive calendar is written at leisure and takes over
when it is told to. Blue Book 4.5.4; two tariffs, 06:00 to 22:00 and the rest, are ours. The calendar of the
virtual meter has one season.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult
from adapters.protocols.dlms.units import unit_code
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.periods import MeterAlarm
from virtual_rig.meters.schedules import Schedules

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301

TARIFFS: Final = 2
_MW_NS_PER_WH = 1000 * 3600 * 1_000_000_000
_PARTS = ("calendar_name", "season_profile", "week_profile_table", "day_profile_table")
_DAYS_AHEAD = 8
_REGISTERS = {f"energy_import_t{number}": number for number in range(1, TARIFFS + 1)}


class Tariffs:
    """The tariffs of a meter. ``active`` is the number of the one in force."""

    def __init__(self, meter: Mcs301, schedules: Schedules) -> None:
        self._meter = meter
        self._table = schedules.table("tariff_script")
        for number in range(1, TARIFFS + 1):
            schedules.script("tariff_script", number, partial(self._switch, number))
        name = dlms.octet_string(b"STANDARD")
        week = dlms.structure(dlms.octet_string(b"W"), *(dlms.unsigned(1),) * 7)
        season = dlms.structure(
            dlms.octet_string(b"S"),
            dlms.octet_string(bytes.fromhex("FFFF0101FF00000000800000")),
            dlms.octet_string(b"W"),
        )
        day = dlms.structure(dlms.unsigned(1), dlms.array(self._at(6, 1), self._at(22, 2)))
        self._calendar = dict(
            zip(_PARTS, (name, dlms.array(season), dlms.array(week), dlms.array(day)), strict=True)
        )
        self._passive = dict(self._calendar)
        self._mw_ns = dict.fromkeys(range(1, TARIFFS + 1), 0)
        self._counted_mw_ns = 0
        self.active = 1
        self._alarm: MeterAlarm | None = None

    def start(self) -> None:
        """Find the tariff of now and wait for the next switching."""
        self._counted_mw_ns = self._meter.metrology.energies.exact_mw_ns("A+")
        self.active = self._due_now()
        self._alarm = MeterAlarm(
            self._meter, due=self._next, reached=lambda at: self._switch(self._tariff(at))
        )
        self._meter.clock.on_set(self._clock_set)
        self._meter.on_power(self._power)

    def _power(self, up: bool) -> None:
        if up and self._meter.world.obeys("DLX-TAR-06"):
            self._switch(self._due_now())

    def _clock_set(self, _before: datetime, _after: datetime) -> None:
        if self._meter.world.obeys("DLX-TAR-07"):
            self._switch(self._due_now())

    # --- energy ------------------------------------------------------------------------------------------

    def read_wh(self, tariff: int) -> int:
        """Return the energy counted in a tariff, in whole Wh."""
        self._settle()
        return self._mw_ns[tariff] // _MW_NS_PER_WH

    def _settle(self) -> None:
        total = self._meter.metrology.energies.exact_mw_ns("A+")
        gained, self._counted_mw_ns = total - self._counted_mw_ns, total
        self._mw_ns[self.active if self._meter.world.obeys("DLX-TAR-01") else 1] += gained

    def _switch(self, tariff: int) -> None:
        if self._meter.world.obeys("DLX-TAR-02"):
            self._settle()  # up to here it belongs to the old one
        self.active = tariff

    # --- time --------------------------------------------------------------------------------------------

    def _events(self, after: datetime, first_day: int) -> Iterator[tuple[datetime, int]]:
        """Yield the switchings (UTC, tariff) in the order of time, from ``first_day`` days off on."""
        zone = timedelta(minutes=self._meter.clock.time_zone_min)
        if not self._meter.world.obeys("DLX-TAR-03"):
            zone = timedelta(0)
        midnight = (after - zone).replace(hour=0, minute=0, second=0, microsecond=0)
        for ahead in range(first_day, first_day + _DAYS_AHEAD):
            day = midnight + timedelta(days=ahead)
            for seconds, script in self._day(day.isoweekday()):
                yield day + timedelta(seconds=seconds) + zone, script

    def _day(self, weekday: int) -> list[tuple[int, int]]:
        """Return (seconds of the day, script) of the day table that the week names for ``weekday``."""
        weeks = self._calendar["week_profile_table"].items()
        wanted = weeks[0].items()[weekday].integer() if weeks else 0
        for day in self._calendar["day_profile_table"].items():
            number, actions = day.items()
            if number.integer() == wanted:
                return sorted(_action(each) for each in actions.items())
        return []

    def _next(self, after: datetime) -> datetime | None:
        return next((at for at, _ in self._events(after, 0) if at > after), None)

    def _tariff(self, moment: datetime) -> int:
        """Return the tariff that is right at ``moment``: the last switching before it decides."""
        last = self.active
        for at, script in self._events(moment, -2):
            if at > moment:
                break
            last = script if 1 <= script <= TARIFFS else last
        return last

    def _due_now(self) -> int:
        return self._tariff(self._meter.clock.utc())

    # --- the objects -------------------------------------------------------------------------------------

    def bind(self, name: str, live: LiveObject) -> bool:
        """Serve the calendar, the tariff registers and the name of the active tariff."""
        if name == "active_tariff":
            live.attribute("value", lambda: dlms.unsigned(self.active))
        elif name in _REGISTERS:
            number = _REGISTERS[name]
            unit = dlms.enum(unit_code(live.entry.unit))
            live.constant("scaler_unit", dlms.structure(dlms.integer(live.entry.scaler), unit))
            live.attribute("value", lambda: dlms.double_long_unsigned(self.read_wh(number) % (1 << 32)))
        elif live.entry.class_id == 20:
            self._bind_calendar(live)
        else:
            return False
        return True

    def _bind_calendar(self, live: LiveObject) -> None:
        for part in _PARTS:
            live.attribute(f"{part}_active", partial(self._calendar.__getitem__, part))
            live.attribute(
                f"{part}_passive", partial(self._passive.__getitem__, part), partial(self._set_passive, part)
            )
        never = dlms.octet_string(bytes.fromhex("FFFFFFFFFFFFFFFFFF800000"))
        live.constant("activate_passive_calendar_time", never)
        live.method("activate_passive_calendar", self._activate)

    def _set_passive(self, part: str, value: Data) -> DataAccessResult:
        if value.tag is not self._passive[part].tag:
            return DataAccessResult.TYPE_UNMATCHED
        try:
            _checked(part, value)
        except (RemoteProtocolError, ValueError, IndexError):
            return DataAccessResult.TYPE_UNMATCHED
        self._passive[part] = value
        if not self._meter.world.obeys("DLX-TAR-04"):
            self._activate(None)
        return DataAccessResult.SUCCESS

    def _activate(self, _argument: Data | None) -> tuple[ActionResult, Data | None]:
        self._calendar.update(self._passive)
        if not self._meter.world.obeys("DLX-TAR-05"):
            return ActionResult.SUCCESS, None  # shown, but the times of the old one go on until a restart
        self._switch(self._due_now())
        if self._alarm is not None:
            self._alarm.arm()
        return ActionResult.SUCCESS, None

    def _at(self, hour: int, script: int) -> Data:
        time = dlms.octet_string(bytes((hour, 0, 0, 0)))
        return dlms.structure(time, dlms.octet_string(self._table), dlms.long_unsigned(script))


def _action(data: Data) -> tuple[int, int]:
    """Return (seconds of the day, script) of a day_profile_action. Raises RemoteProtocolError."""
    parts = data.items()
    if len(parts) != 3 or len(parts[0].octets()) != 4:
        raise RemoteProtocolError("an action of a day is a time, a script table and a script")
    hour, minute, second, _ = parts[0].octets()
    if hour > 23 or minute > 59 or second > 59:
        raise RemoteProtocolError(f"{parts[0].octets().hex()} is no time of the day")
    return hour * 3600 + minute * 60 + second, parts[2].integer()


def _checked(part: str, value: Data) -> None:
    """Raise RemoteProtocolError or ValueError for a part of a calendar that could not be followed."""
    if part == "day_profile_table":
        for day in value.items():
            number, actions = day.items()
            number.integer()
            for each in actions.items():
                _action(each)
    elif part == "week_profile_table":
        for week in value.items():
            if len(week.items()) != 8:
                raise RemoteProtocolError("a week has a name and seven days")
            for day in week.items()[1:]:
                day.integer()
