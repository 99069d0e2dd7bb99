"""Load profiles: class 7 buffers that the meter fills by its own clock (Blue Book 4.3.6).

At every border of the capture period a row is taken: the time of the border, what the interval was like
(``adapters.protocols.dlms.profile_status``) and the captured objects as they read at that instant. An
interval that ended while the meter had no supply has no row; the first row afterwards says power down. A
clock that is set over borders makes no rows for them; the next row says clock adjusted. A clock set back
takes its borders again. What the profile keeps is columns of plain numbers, so that 10,000 rows are cheap.

History from before the start of the world is computed, not random: an energy register ``E`` grew at
``E / HISTORY_DAYS`` a day up to now, in rows without gaps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

from adapters.errors import BenchError
from adapters.profiles.model import Capture
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.apdu import SelectiveAccess
from adapters.protocols.dlms.axdr import length_octets, write_column
from adapters.protocols.dlms.data import Data, Value, WrittenItems
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ActionResult, ClockStatus, DataAccessResult, DataType
from adapters.protocols.dlms.profile_status import ProfileStatus
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.periods import DAY_S, MeterAlarm, borders, next_border
from virtual_rig.meters.selective_access import Choice, Column

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301

HISTORY_DAYS: Final = 200
_FIFO = 1  # sort_method: unsorted, first in first out
_PAGE_ROWS = 32
_LATE = timedelta(seconds=7)
STATUS_PREFIX = "profile_status"


class RowMemory:
    """Rows as columns of numbers or octets: the oldest give way when ``capacity`` is reached."""

    def __init__(self, tags: Sequence[DataType], capacity: int) -> None:
        self.tags, self.capacity = tuple(tags), capacity
        self.moments: list[float] = []
        self.columns: list[list[Value]] = [[] for _ in tags]

    def __len__(self) -> int:
        return len(self.moments)

    def append(self, moment: float, values: Sequence[Value]) -> None:
        """Add a row taken at ``moment`` (seconds of the epoch, by the meter's clock)."""
        self.moments.append(moment)
        for column, value in zip(self.columns, values, strict=True):
            column.append(value)
        if (excess := len(self.moments) - self.capacity) > 0:
            for kept in (self.moments, *self.columns):
                del kept[:excess]  # type: ignore[attr-defined]

    def drop_newest(self) -> None:
        """Forget the row taken last."""
        for kept in (self.moments, *self.columns):
            kept.pop()  # type: ignore[attr-defined]

    def clear(self) -> None:
        """Forget every row."""
        for kept in (self.moments, *self.columns):
            kept.clear()  # type: ignore[attr-defined]

    def as_data(self, rows: Sequence[int], columns: Sequence[int]) -> Data:
        """Return some rows with some columns as the array a client gets."""
        head = bytes([DataType.STRUCTURE]) + length_octets(len(columns))
        written = [
            write_column(self.tags[at], [cells[row] for row in rows])
            for at, cells in ((at, self.columns[at]) for at in columns)
        ]
        octets = b"".join(chain.from_iterable(zip(repeat(head), *written)))
        return Data(DataType.ARRAY, WrittenItems(len(rows), octets))


@dataclass(frozen=True, kw_only=True)
class _Captured:
    """One column: what it is called in the profile, its definition, and how it is read."""

    name: str
    column: Column
    read: Callable[[], Data]


class LoadProfile:
    """One profile of the meter. Rows are taken from ``started`` on, when all objects are bound."""

    def __init__(self, meter: Mcs301, name: str, rules: Capture) -> None:
        self._meter, self._name, self._rules = meter, name, rules
        self._columns: tuple[_Captured, ...] = ()
        self.memory = RowMemory((), rules.entries)
        self._status = ProfileStatus(0)
        self._down_since: datetime | None = None
        self._planned: datetime | None = None
        self._stale: list[Value] | None = None

    # --- the object --------------------------------------------------------------------------------------

    def bind(self, live: LiveObject) -> None:
        """Serve this profile as ``live`` (class 7)."""
        rules = self._rules
        live.attribute("buffer", self._buffer, select=self._select)
        live.attribute("capture_objects", self._capture_objects)
        live.constant("capture_period", dlms.double_long_unsigned(rules.period_s))
        live.constant("sort_method", dlms.enum(_FIFO))
        live.attribute("sort_object", lambda: self._columns[0].column.as_data())
        live.attribute("entries_in_use", lambda: dlms.double_long_unsigned(len(self.memory)))
        live.constant("profile_entries", dlms.double_long_unsigned(rules.entries))
        live.method("reset", self._reset)
        live.method("capture", self._capture_now)

    def start(self) -> None:
        """Find the captured objects and begin to capture."""
        self._columns = tuple(self._captured(text) for text in self._rules.objects)
        self.memory = RowMemory([each.read().tag for each in self._columns], self._rules.entries)
        if self._rules.period_s:
            self._meter.clock.on_set(self._clock_set)
            self._meter.on_power(self._power)
            MeterAlarm(self._meter, due=self._next, reached=self._border)

    def preset(self, rows: int) -> None:
        """Fill in ``rows`` rows of history before now. Raises BenchError for more than the profile keeps."""
        if rows > self._rules.entries or not self._rules.period_s:
            raise BenchError(
                f"{self._name} keeps {self._rules.entries} rows at a period of {self._rules.period_s} s;"
                f" it cannot have a history of {rows}"
            )
        now = self._meter.clock.utc()
        present = [each.read() for each in self._columns]
        last = next_border(now, self._rules.period_s, self._zone_min) - timedelta(
            seconds=self._rules.period_s
        )
        for back in range(rows - 1, -1, -1):
            moment = last - timedelta(seconds=back * self._rules.period_s)
            age_s = int((now - moment).total_seconds())
            values = [self._was(each, data, age_s) for each, data in zip(self._columns, present, strict=True)]
            self.memory.append(moment.timestamp(), [self._stamp(moment), *values[1:]])

    def _was(self, captured: _Captured, present: Data, age_s: int) -> Value:
        if captured.name.startswith(STATUS_PREFIX):
            return 0
        if captured.name.startswith(("energy_", "reactive_")):
            value = present.integer()
            return max(value - value * age_s // (HISTORY_DAYS * DAY_S), 0)
        return present.value

    def _captured(self, text: str) -> _Captured:
        name, dot, attribute = text.partition(".")
        live = self._meter.model.by_name[name]
        number = live.table.attribute_number(attribute if dot else "2")
        read = self._read_status if name.startswith(STATUS_PREFIX) else live.getters[number]
        column = Column(class_id=live.entry.class_id, logical_name=live.logical_name, attribute=number)
        return _Captured(name=name, column=column, read=read)

    def _read_status(self) -> Data:
        return dlms.unsigned(int(self._status))

    # --- time --------------------------------------------------------------------------------------------

    @property
    def _zone_min(self) -> int:
        daily = self._rules.period_s == DAY_S
        if daily and not self._meter.world.obeys("DLX-PROF-17"):
            return 0
        return self._meter.clock.time_zone_min

    def _next(self, after: datetime) -> datetime:
        if self._planned is not None and after < self._planned and not self._meter.world.obeys("DLX-PROF-09"):
            after = self._planned - timedelta(seconds=1)  # a time that is already in the buffer is not "new"
        late = timedelta(0) if self._meter.world.obeys("DLX-PROF-01") else _LATE
        return next_border(after - late, self._rules.period_s, self._zone_min) + late

    def _border(self, moment: datetime) -> None:
        local = moment - timedelta(minutes=self._meter.clock.time_zone_min)
        midnight = (local.hour, local.minute) == (0, 0) and self._rules.period_s < DAY_S
        self._planned = moment + timedelta(seconds=self._rules.period_s)
        if midnight and not self._meter.world.obeys("DLX-PROF-02"):
            return
        self.capture(moment)
        if len(self.memory) % _PAGE_ROWS == 0 and not self._meter.world.obeys("DLX-PROF-03"):
            self.capture(moment)

    def _clock_set(self, before: datetime, after: datetime) -> None:
        if abs(after - before) < timedelta(seconds=1):
            return
        if self._meter.world.obeys("DLX-PROF-07"):
            self._status |= ProfileStatus.CLOCK_ADJUSTED
        if not self._meter.world.obeys("DLX-PROF-08"):
            for moment in borders(before, after, self._rules.period_s, self._zone_min):
                self.capture(moment)

    def _power(self, up: bool) -> None:
        now = self._meter.clock.utc()
        if not up:
            self._down_since = now
            return
        since, self._down_since = self._down_since or now, None
        if not self._meter.world.obeys("DLX-PROF-06"):
            for moment in borders(since, now, self._rules.period_s, self._zone_min):
                self.capture(moment)
        if self._meter.world.obeys("DLX-PROF-05"):
            self._status |= ProfileStatus.POWER_DOWN

    # --- rows --------------------------------------------------------------------------------------------

    def capture(self, moment: datetime) -> None:
        """Take a row that says ``moment``, by the meter's clock (UTC)."""
        if self._meter.clock.status & ClockStatus.INVALID_VALUE:
            self._status |= ProfileStatus.CLOCK_INVALID
        values: list[Value] = [each.read().value for each in self._columns[1:]]
        fresh, self._status = values, ProfileStatus(0)
        if not self._meter.world.obeys("DLX-PROF-04") and self._stale is not None:
            values = [
                value if each.name.startswith(STATUS_PREFIX) else stale
                for each, value, stale in zip(self._columns[1:], values, self._stale, strict=True)
            ]
        self._stale = fresh
        if len(self.memory) >= self.memory.capacity and not self._meter.world.obeys("DLX-PROF-16"):
            self.memory.drop_newest()  # the write pointer stays at the end of a full memory
        self.memory.append(moment.timestamp(), [self._stamp(moment), *values])

    def now(self) -> datetime:
        """Return the time of the meter's clock (UTC)."""
        return self._meter.clock.utc()

    def _stamp(self, moment: datetime) -> bytes:
        clock = self._meter.clock
        shown = CosemDateTime.from_datetime(moment, status=clock.status, deviation_min=clock.time_zone_min)
        return shown.octets()

    def _buffer(self) -> Data:
        return self.memory.as_data(range(len(self.memory)), range(len(self._columns)))

    def _capture_objects(self) -> Data:
        return dlms.array(*(each.column.as_data() for each in self._columns))

    def _select(self, selection: SelectiveAccess) -> Data | DataAccessResult:
        columns = [each.column for each in self._columns]
        choice = self._meter.selector.choose(selection, columns, self.memory.moments)
        return self.memory.as_data(choice.rows, choice.columns) if isinstance(choice, Choice) else choice

    def _reset(self, _argument: Data | None) -> tuple[ActionResult, Data | None]:
        if self._meter.world.obeys("DLX-PROF-23"):
            self.memory.clear()
        elif len(self.memory):
            self.memory.drop_newest()
        return ActionResult.SUCCESS, None

    def _capture_now(self, _argument: Data | None) -> tuple[ActionResult, Data | None]:
        if self._meter.world.obeys("DLX-PROF-22"):
            self.capture(self._meter.clock.utc())
        return ActionResult.SUCCESS, None


class LoadProfiles:
    """The load profiles of a meter, as its profile lists them under ``captures``."""

    def __init__(self, meter: Mcs301) -> None:
        self.by_name = {
            name: LoadProfile(meter, name, rules) for name, rules in meter.profile.captures.items()
        }

    def bind(self, name: str, live: LiveObject) -> bool:
        """Serve ``live`` if it is one of the load profiles."""
        profile = self.by_name.get(name)
        if profile is not None:
            profile.bind(live)
        return profile is not None

    def start(self) -> None:
        """Begin to capture: called once all objects of the meter are bound."""
        for profile in self.by_name.values():
            profile.start()

    def end_billing(self) -> None:
        """Take a row of the billing profile, where the meter has one."""
        billing = self.by_name.get("billing_profile")
        if billing is not None:
            billing.capture(billing.now())

    def preset(self, rows: dict[str, int]) -> None:
        """Fill in a history for the profiles named. Raises BenchError for one the meter does not have."""
        for name, count in rows.items():
            if name not in self.by_name:
                raise BenchError(
                    f"history: the meter has no load profile {name!r}; it has {list(self.by_name)}"
                )
            self.by_name[name].preset(count)
