"""Selective access to a class 7 buffer: which rows and which columns a client asks for (Blue Book 4.3.6).

Selector 1 takes a range of the clock column, both ends included; selector 2 takes row numbers counted from
1, the oldest row being 1, and 0 for "to the last one". Event logs and load profiles share this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.apdu import SelectiveAccess
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import DataAccessResult, DataType
from virtual_rig.world import World

REGISTER_CLASS, CLOCK_CLASS = 3, 8
RANGE, ENTRIES = 1, 2


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


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Rows and columns by their positions, counted from 0, in the order in which they are to be sent."""

    rows: Sequence[int]
    columns: Sequence[int]


class Selector:
    """Answers selective access for one buffer after another; ``zone_min`` is the clock's deviation now."""

    def __init__(self, world: World, zone_min: Callable[[], int]) -> None:
        self._world, self._zone_min = world, zone_min

    def moment(self, octets: bytes) -> float:
        """Return twelve octets of a date-time as seconds of the epoch. Raises RemoteProtocolError."""
        return CosemDateTime.from_octets(octets).utc(assumed_deviation_min=self._zone_min()).timestamp()

    def choose(
        self, selection: SelectiveAccess, columns: Sequence[Column], moments: Sequence[float]
    ) -> Choice | DataAccessResult:
        """Return what is asked for, or why nothing is: type-unmatched for parameters of another shape.

        ``moments`` are the times of the rows, oldest row first.
        """
        try:
            if selection.selector == RANGE:
                return self._by_range(selection.parameters, columns, moments)
            if selection.selector == ENTRIES:
                return self._by_entry(selection.parameters, columns, len(moments))
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        if not self._world.obeys("DLX-PROF-15"):
            return Choice(rows=range(len(moments)), columns=range(len(columns)))
        return DataAccessResult.OTHER_REASON

    def _by_range(
        self, parameters: Data, columns: Sequence[Column], moments: Sequence[float]
    ) -> Choice | DataAccessResult:
        fields = parameters.items()
        if len(fields) != 4:
            raise RemoteProtocolError(f"a range descriptor has 4 fields, not {len(fields)}")
        # Only the clock restricts a range here; some heads name no column at all and mean the clock.
        if fields[0].tag is not DataType.NULL_DATA and _column(fields[0]) != columns[0]:
            return DataAccessResult.OTHER_REASON
        first, last = self.moment(fields[1].octets()), self.moment(fields[2].octets())
        rows = [at for at, moment in enumerate(moments) if first <= moment <= last]
        if not self._world.obeys("DLX-PROF-10"):
            rows = [at for at in rows if moments[at] < last]
        if not rows and moments and not self._world.obeys("DLX-PROF-11"):
            rows = [len(moments) - 1]
        wanted = [_column(each) for each in fields[3].items()]
        if any(each not in columns for each in wanted):
            return DataAccessResult.OBJECT_UNDEFINED
        if not wanted:
            return Choice(rows=rows, columns=range(len(columns)))
        chosen = [at for at, each in enumerate(columns) if each in wanted]
        if not self._world.obeys("DLX-PROF-12"):  # the neighbour of each, where it has one
            last = len(columns) - 1
            chosen = [min(at + 1, last) if columns[at].class_id == REGISTER_CLASS else at for at in chosen]
        return Choice(rows=rows, columns=chosen)

    def _by_entry(self, parameters: Data, columns: Sequence[Column], count: int) -> Choice:
        fields = [field.integer() for field in parameters.items()]
        if len(fields) != 4:
            raise RemoteProtocolError(f"an entry descriptor has 4 fields, not {len(fields)}")
        first, last, left, right = fields
        rows: Sequence[int] = range(count)[max(first - 1, 0) : last or None]
        if not self._world.obeys("DLX-PROF-13"):
            rows = range(count)[first : last + 1 if last else None]
        if last > count > 0 and not self._world.obeys("DLX-PROF-14"):
            rows = [*rows, *range(min(last - max(count, first - 1), count))]
        return Choice(rows=rows, columns=range(len(columns))[max(left - 1, 0) : right or None])


def _column(field: Data) -> Column:
    parts = field.items()
    if len(parts) != 4:
        raise RemoteProtocolError(f"a capture object has 4 fields, not {len(parts)}")
    return Column(class_id=parts[0].integer(), logical_name=parts[1].octets(), attribute=parts[2].integer())
