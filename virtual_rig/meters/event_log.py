"""Event logs of a meter: class 7 buffers of date and code, served whole or by selective access.

The oldest entry gives way to the newest. Selective access follows Blue Book 4.3.6: selector 1 takes a
range of dates, selector 2 a range of entry numbers counted from 1.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.apdu import SelectiveAccess
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.meter_clock import MeterClock

_FIFO = 1  # sort_method: unsorted, first in first out


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a log: when, by the meter's own clock, and what."""

    time: bytes
    value: Data

    def as_data(self) -> Data:
        """Return the captured row."""
        return dlms.structure(dlms.octet_string(self.time), self.value)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One captured object: class, logical name and attribute."""

    class_id: int
    logical_name: bytes
    attribute: int = 2

    def as_data(self) -> Data:
        """Return the capture_object_definition."""
        return dlms.structure(
            dlms.long_unsigned(self.class_id),
            dlms.octet_string(self.logical_name),
            dlms.integer(self.attribute),
            dlms.long_unsigned(0),
        )


class EventLog:
    """A log of ``capacity`` entries; ``last`` is the code a Data object beside it shows."""

    def __init__(self, clock: MeterClock, *, capacity: int, cleared: int | None = None) -> None:
        self._clock = clock
        self._cleared = cleared
        self.entries: deque[Entry] = deque(maxlen=capacity)
        self.last = 0

    def record(self, code: int) -> None:
        """Write an event of now."""
        self.last = code
        self.entries.append(Entry(time=self._clock.octets(), value=dlms.unsigned(code)))

    def record_value(self, value: Data) -> None:
        """Write a row of now whose second column is ``value``."""
        self.entries.append(Entry(time=self._clock.octets(), value=value))

    def clear(self) -> None:
        """Forget everything; where the log has an event for that, it is the first new entry."""
        self.entries.clear()
        if self._cleared is not None:
            self.record(self._cleared)

    def bind(self, live: LiveObject, clock_name: bytes, column: Column) -> None:
        """Serve this log as ``live`` (class 7)."""
        columns = (Column(class_id=8, logical_name=clock_name), column)
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
        try:
            if selection.selector == 1:
                chosen = self._by_range(selection.parameters)
            elif selection.selector == 2:
                chosen = self._by_entry(selection.parameters)
            else:
                return DataAccessResult.OTHER_REASON
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        return dlms.array(*(entry.as_data() for entry in chosen))

    def _by_range(self, parameters: Data) -> list[Entry]:
        fields = parameters.items()
        if len(fields) != 4:
            raise RemoteProtocolError(f"a range descriptor has 4 fields, not {len(fields)}")
        first, last = (self._moment(field) for field in fields[1:3])
        return [entry for entry in self.entries if first <= self._moment_of(entry.time) <= last]

    def _by_entry(self, parameters: Data) -> list[Entry]:
        fields = parameters.items()
        if len(fields) != 4:
            raise RemoteProtocolError(f"an entry descriptor has 4 fields, not {len(fields)}")
        first, last = fields[0].integer(), fields[1].integer()
        entries = list(self.entries)
        return entries[max(first - 1, 0) : last or None]  # last 0: to the end

    def _moment(self, field: Data) -> float:
        return self._moment_of(field.octets())

    def _moment_of(self, octets: bytes) -> float:
        given = CosemDateTime.from_octets(octets)
        return given.utc(assumed_deviation_min=self._clock.time_zone_min).timestamp()
