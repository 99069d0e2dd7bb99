"""Script tables (class 9), single action schedules (class 22) and what they set in motion.

A script is a function of the meter behind a script table and a number; whoever has one registers it:

    schedules.script("disconnect_script", 1, run)

The schedules of the profile name the table by its logical name and the script by its number. A schedule is
due at each moment its times and dates describe, by the meter's clock in local time; while the meter has no
supply it is missed (ours; the Blue Book leaves it open). Blue Book 4.5.2 and 4.5.7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from adapters.errors import RemoteProtocolError
from adapters.profiles.model import obis_octets
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult, DataType
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.periods import MeterAlarm

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301

Script = Callable[[], object]
DAYS_AHEAD: Final = 1500  # how far a date with wildcards is looked for: over a leap year
_ANY, _ANY_YEAR = 0xFF, 0xFFFF


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When a schedule is due: four octets of a time and five of a date, 0xFF standing for any."""

    time: bytes
    day: bytes

    @classmethod
    def from_data(cls, data: Data) -> Moment:
        """Read one element of execution_time. Raises RemoteProtocolError for what no clock can show."""
        parts = data.items()
        if len(parts) != 2:
            raise RemoteProtocolError(f"an execution time has 2 parts, not {len(parts)}")
        time, day = parts[0].octets(), parts[1].octets()
        limits = ((time, 0, 23), (time, 1, 59), (time, 2, 59))
        if len(time) != 4 or len(day) != 5 or any(octets[at] > most for octets, at, most in limits):
            raise RemoteProtocolError(f"{time.hex()} on {day.hex()} is no time to act at")
        return cls(time=time, day=day)

    def as_data(self) -> Data:
        """Return the element of execution_time."""
        return dlms.structure(dlms.octet_string(self.time), dlms.octet_string(self.day))

    def falls_on(self, day: date) -> bool:
        """Return whether the date, wildcards included, is ``day``."""
        year, month, day_of_month, weekday = (
            int.from_bytes(self.day[:2], "big"),
            self.day[2],
            self.day[3],
            self.day[4],
        )
        last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        days = {_ANY: day.day, 0xFE: last.day, 0xFD: last.day - 1}
        return (
            year in (_ANY_YEAR, day.year)
            and month in (_ANY, day.month)
            and days.get(day_of_month, day_of_month) == day.day
            and weekday in (_ANY, day.isoweekday())
        )


class Schedule:
    """One single action schedule of the meter. ``run(table, script)`` carries a script out."""

    def __init__(self, meter: Mcs301, table: bytes, script: int, run: Callable[[bytes, int], object]) -> None:
        self._meter, self._run = meter, run
        self.table, self.script = table, script
        self.moments: tuple[Moment, ...] = ()
        self._alarm: MeterAlarm | None = None

    def bind(self, live: LiveObject) -> None:
        """Serve this schedule as ``live`` (class 22)."""
        live.attribute("executed_script", self._executed_script, self._set_script)
        live.constant("type", dlms.enum(1))  # one time of day, wildcards in the date allowed
        live.attribute(
            "execution_time",
            lambda: dlms.array(*(moment.as_data() for moment in self.moments)),
            self._set_times,
        )

    def start(self) -> None:
        """Begin to wait."""
        self._alarm = MeterAlarm(self._meter, due=self._due, reached=self._reached)

    def at(self, *moments: Moment) -> None:
        """Change when the schedule is due."""
        self.moments = moments
        if self._alarm is not None:
            self._alarm.arm()

    def _due(self, after: datetime) -> datetime | None:
        found = (self._next(moment, after) for moment in self.moments)
        return min((each for each in found if each is not None), default=None)

    def _next(self, moment: Moment, after: datetime) -> datetime | None:
        zone = timedelta(minutes=self._meter.clock.time_zone_min)
        if not self._meter.world.obeys("DLX-LIM-09"):
            zone = timedelta(0)  # the times of the schedule taken for UTC
        local = after - zone
        hour, minute, second, _ = moment.time
        for ahead in range(DAYS_AHEAD):
            day = local + timedelta(days=ahead)
            if not moment.falls_on(day.date()) and not self._repeats(moment, day.date()):
                continue
            due = day.replace(hour=hour, minute=minute, second=second, microsecond=0)
            if due > local:
                return due + zone
        return None

    def _repeats(self, moment: Moment, day: date) -> bool:
        """Return whether a schedule of one day acts on later days as well."""
        return not self._meter.world.obeys("DLX-LIM-10") and day > _only_day(moment)

    def _reached(self, _moment: datetime) -> None:
        self._run(self.table, self.script)

    def _executed_script(self) -> Data:
        return dlms.structure(dlms.octet_string(self.table), dlms.long_unsigned(self.script))

    def _set_script(self, value: Data) -> DataAccessResult:
        try:
            table, script = (part for part in value.items())
            self.table, self.script = table.octets(), script.integer()
        except (RemoteProtocolError, ValueError):
            return DataAccessResult.TYPE_UNMATCHED
        return DataAccessResult.SUCCESS

    def _set_times(self, value: Data) -> DataAccessResult:
        try:
            moments = tuple(Moment.from_data(each) for each in value.items())
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        if len(moments) > 1:  # type 1 has one time
            return DataAccessResult.OTHER_REASON
        self.at(*moments)
        return DataAccessResult.SUCCESS


def _only_day(moment: Moment) -> date:
    """Return the day of a date without wildcards; for another one the last day there is."""
    try:
        return date(int.from_bytes(moment.day[:2], "big"), moment.day[2], moment.day[3])
    except ValueError:
        return date.max


class Schedules:
    """All script tables and single action schedules of a meter.

    ``SCHEDULES`` says which script the schedules of the profile run until somebody changes that.
    """

    SCHEDULES: Final = {
        "disconnect_schedule": ("disconnect_script", 1),
        "reconnect_schedule": ("disconnect_script", 2),
        "billing_schedule": ("billing_script", 1),
    }

    def __init__(self, meter: Mcs301) -> None:
        self._meter = meter
        self._scripts: dict[tuple[bytes, int], Script] = {}
        self.by_name: dict[str, Schedule] = {}

    def script(self, table: str, number: int, run: Script) -> None:
        """Register script ``number`` of the script table that the profile calls ``table``."""
        self._scripts[self.table(table), number] = run

    def run(self, table: bytes, number: int) -> bool:
        """Carry out a script; return False where there is none of that number."""
        script = self._scripts.get((table, number))
        if script is not None:
            script()
        return script is not None

    def bind(self, name: str, live: LiveObject) -> bool:
        """Serve script tables and single action schedules."""
        if live.entry.class_id == 9:
            live.attribute("scripts", lambda: self._listed(live.logical_name))
            live.method("execute", lambda argument: self._execute(live.logical_name, argument))
            return True
        if live.entry.class_id == 22 and name in self.SCHEDULES:
            table, number = self.SCHEDULES[name]
            schedule = self.by_name[name] = Schedule(self._meter, self.table(table), number, self.run)
            if name == "billing_schedule":  # the first of every month, at midnight
                schedule.at(Moment(time=bytes(4), day=bytes.fromhex("FFFFFF01FF")))
            schedule.bind(live)
            return True
        return False

    def start(self) -> None:
        """Let the schedules wait for their times."""
        for schedule in self.by_name.values():
            schedule.start()

    def table(self, table: str) -> bytes:
        """Return the logical name of the script table that the profile calls ``table``."""
        return obis_octets(self._meter.profile.object(table).obis)

    def _listed(self, table: bytes) -> Data:
        """Return the scripts with their numbers; what they do is the meter's own, so no action is listed."""
        numbers = sorted(number for name, number in self._scripts if name == table)
        return dlms.array(*(dlms.structure(dlms.long_unsigned(number), dlms.array()) for number in numbers))

    def _execute(self, table: bytes, argument: Data | None) -> tuple[ActionResult, Data | None]:
        if argument is None or argument.tag is not DataType.LONG_UNSIGNED:
            return ActionResult.TYPE_UNMATCHED, None
        done = self.run(table, argument.integer())
        return (ActionResult.SUCCESS if done else ActionResult.OTHER_REASON), None
