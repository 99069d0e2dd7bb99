"""Event logs of a meter: class 7 buffers of date and code, served whole or by selective access.

The oldest entry gives way to the newest.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.apdu import SelectiveAccess
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.meter_clock import MeterClock
from virtual_rig.meters.selective_access import CLOCK_CLASS, Column, Selector
from virtual_rig.world import World

_FIFO = 1  # sort_method: unsorted, first in first out


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a log: when, by the meter's own clock, and what."""

    time: bytes
    value: Data

    def cells(self) -> tuple[Data, Data]:
        """Return the captured values, column by column."""
        return dlms.octet_string(self.time), self.value

    def as_data(self) -> Data:
        """Return the captured row."""
        return dlms.structure(*self.cells())


class EventLog:
    """A log of ``capacity`` entries; ``last`` is the code a Data object beside it shows."""

    def __init__(
        self,
        world: World,
        clock: MeterClock,
        selector: Selector,
        *,
        capacity: int,
        cleared: int | None = None,
    ) -> None:
        self._world, self._clock, self._selector = world, clock, selector
        self._columns: tuple[Column, ...] = ()
        self._cleared = cleared
        self.entries: deque[Entry] = deque(maxlen=capacity)
        self._saved: tuple[Entry, ...] = ()
        self.last = 0

    def record(self, code: int) -> None:
        """Write an event of now."""
        self.last = code
        self.record_value(dlms.unsigned(code))

    def record_value(self, value: Data) -> None:
        """Write a row of now whose second column is ``value``."""
        if len(self.entries) == self.entries.maxlen and not self._world.obeys("DLX-LOG-03"):
            return
        self.entries.append(Entry(time=self._stamp(), value=value))

    def _stamp(self) -> bytes:
        octets = self._clock.octets()
        if self._world.obeys("DLX-LOG-04"):
            return octets
        utc = CosemDateTime.from_datetime(self._clock.utc(), deviation_min=0).octets()
        return utc[:9] + octets[9:]  # UTC, said to be local time

    def clear(self) -> None:
        """Forget everything; where the log has an event for that, it is the first new entry."""
        self.entries.clear()
        if self._cleared is not None and self._world.obeys("DLX-LOG-05"):
            self.record(self._cleared)

    def power(self, up: bool) -> None:
        """The supply comes or goes: the log stays. A careless meter has saved it when it last came up."""
        if up:
            self._saved = tuple(self.entries)
        elif not self._world.obeys("DLX-LOG-06"):
            self.entries.clear()
            self.entries.extend(self._saved)

    def bind(self, live: LiveObject, clock_name: bytes, column: Column) -> None:
        """Serve this log as ``live`` (class 7)."""
        columns = self._columns = (Column(class_id=CLOCK_CLASS, logical_name=clock_name), column)
        live.attribute("buffer", self._buffer, select=self._select)
        live.constant("capture_objects", dlms.array(*(each.as_data() for each in columns)))
        live.constant("capture_period", dlms.double_long_unsigned(0))
        live.constant("sort_method", dlms.enum(_FIFO))
        live.constant("sort_object", columns[0].as_data())
        live.attribute("entries_in_use", lambda: dlms.double_long_unsigned(len(self.entries)))
        live.constant("profile_entries", dlms.double_long_unsigned(self.entries.maxlen or 0))
        live.method("reset", self._reset)

    def _buffer(self) -> Data:
        return dlms.array(*(entry.as_data() for entry in self.entries))

    def _reset(self, _argument: Data | None) -> tuple[ActionResult, Data | None]:
        self.clear()
        return ActionResult.SUCCESS, None

    def _select(self, selection: SelectiveAccess) -> Data | DataAccessResult:
        entries = list(self.entries)
        moments = [self._selector.moment(entry.time) for entry in entries]
        choice = self._selector.choose(selection, self._columns, moments)
        if isinstance(choice, DataAccessResult):
            return choice
        rows = (entries[at].cells() for at in choice.rows)
        return dlms.array(*(dlms.structure(*(cells[at] for at in choice.columns)) for cells in rows))
