"""Reading load profiles: selective access, what the columns are, and rows with times, scalers and units.

What a profile captures and in which units is asked once for each association. The rows are decoded by
``adapters.protocols.dlms.profile_rows`` and then turned column by column, so that ten thousand of them are
a matter of a fraction of a second.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from weakref import WeakKeyDictionary

from adapters.devices.dlms_association import OpenAssociation
from adapters.devices.dlms_services import DlmsServices
from adapters.devices.dlms_values import Target
from adapters.errors import BenchError, Refused, RemoteProtocolError
from adapters.profiles.model import obis_text
from adapters.protocols.dlms import data as typed
from adapters.protocols.dlms.apdu import SelectiveAccess
from adapters.protocols.dlms.data import Data, Plain
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.profile_rows import Row, decode_rows
from adapters.protocols.dlms.units import unit_symbol
from adapters.registry import AdapterContext
from adapters.roles.dlms_profiles import ProfileColumn, ProfileRead, ProfileRow

BUFFER, CAPTURE_OBJECTS, CAPTURE_PERIOD = 2, 3, 4
_SCALERS = {(3, 2): 3, (4, 2): 3, (5, 2): 4, (5, 3): 4}
"""(class, captured attribute) -> the attribute with its scaler and unit."""
_TIMES = {(8, 2), (4, 5), (5, 6), (5, 7)}
_STATUS_CODES = ("0-0:96.10.", "1-0:96.10.")  # IEC 62056-6-1: the status of a profile
_OLDEST, _NEWEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 12, 31, tzinfo=UTC)
_LAYOUT = struct.Struct(">HBBBBBBBhB")
_US_PER_HUNDREDTH = 10_000
_UNKNOWN_SELECTOR = 3
_NO_TIME = bytes(12)  # what some meters show before anything was captured


@dataclass(frozen=True, kw_only=True)
class _Column:
    """A captured object as the meter defines it, and what a report calls it."""

    definition: Data
    told: ProfileColumn

    @property
    def is_time(self) -> bool:
        return (self.told.class_id, self.told.attribute) in _TIMES

    @property
    def is_clock(self) -> bool:
        return self.told.class_id == 8

    @property
    def is_status(self) -> bool:
        return self.told.class_id == 1 and self.told.logical_name.startswith(_STATUS_CODES)


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """What is known of a profile before its first row is read."""

    columns: tuple[_Column, ...]
    period_s: int
    zone_min: int

    def chosen(self, names: Sequence[str]) -> tuple[_Column, ...]:
        """Return the columns called ``names`` in the order of the profile. Raises BenchError."""
        known = [column.told.name for column in self.columns]
        for name in names:
            if name not in known:
                raise BenchError(f"the profile captures no {name!r}; it captures {', '.join(known)}")
        return tuple(column for column in self.columns if not names or column.told.name in names)


class DlmsProfileReader(DlmsServices):
    """The capability to read load profiles."""

    def __init__(self, context: AdapterContext) -> None:
        super().__init__(context)
        self._shapes: WeakKeyDictionary[OpenAssociation, dict[str, _Shape]] = WeakKeyDictionary()

    def read_profile(
        self,
        object: str,
        since: datetime | None = None,
        until: datetime | None = None,
        first_entry: int = 0,
        last_entry: int = 0,
        columns: tuple[str, ...] = (),
        association: str = "",
        flaw: str = "",
        told_in: str = "local",
    ) -> ProfileRead:
        """Read rows of a class 7 object (see the role)."""
        opened = self._connections.find(association)
        target = self._target(object)
        if target.class_id != 7:
            raise BenchError(f"{target.name} is of class {target.class_id}; a load profile is of class 7")
        by_time, by_entry = since is not None or until is not None, first_entry > 0 or last_entry > 0
        if by_time and by_entry:
            raise BenchError("give a range of time or a range of entries, not both")
        shape = self._shape(opened, target)
        wanted = shape.chosen(columns)
        if by_entry:
            selection = _by_entry(shape, wanted, first_entry, last_entry)
        elif by_time or columns:
            deviation_min = 0 if told_in == "utc" else shape.zone_min
            selection = _by_range(shape, wanted, since or _OLDEST, until or _NEWEST, deviation_min)
        else:
            selection = None
        if flaw:
            selection = _spoiled(selection or _by_entry(shape, wanted, 1, 1), flaw)
        outcome = self._asked(opened, lambda: opened.get(target, BUFFER, None, selection, raw=True))
        assert outcome.octets is not None
        try:
            return _told(target.name, shape, wanted, decode_rows(outcome.octets))
        except RemoteProtocolError as error:
            error.frame_intact, error.data = outcome.intact, error.data or outcome.octets
            raise

    # --- inside -----------------------------------------------------------------------------------------

    def _shape(self, opened: OpenAssociation, target: Target) -> _Shape:
        shapes = self._shapes.setdefault(opened, {})
        if target.name not in shapes:
            definitions = self._asked(opened, lambda: opened.get(target, CAPTURE_OBJECTS, None)).data
            period = self._asked(opened, lambda: opened.get(target, CAPTURE_PERIOD, None)).data
            assert definitions is not None
            assert period is not None
            columns = tuple(self._column(opened, each) for each in definitions.items())
            shapes[target.name] = _Shape(
                columns=columns, period_s=period.integer(), zone_min=self._deviation(opened, columns)
            )
        return shapes[target.name]

    def _deviation(self, opened: OpenAssociation, columns: Sequence[_Column]) -> int:
        """Return the deviation of the clock that is captured, 0 where it tells none."""
        clock = next((each.told for each in columns if each.is_clock), None)
        if clock is None:
            return 0
        try:
            target = self._target(f"8/{clock.logical_name}")
            data = self._asked(opened, lambda: opened.get(target, 3, None)).data
            return data.integer() if data is not None else 0
        except (Refused, RemoteProtocolError):
            return 0

    def _column(self, opened: OpenAssociation, definition: Data) -> _Column:
        parts = definition.items()
        if len(parts) != 4:
            raise RemoteProtocolError(f"a capture object has {len(parts)} fields, not 4", clause="class 7")
        class_id, attribute, element = parts[0].integer(), parts[2].integer(), parts[3].integer()
        try:
            obis = obis_text(parts[1].octets())
        except ValueError as error:
            raise RemoteProtocolError(f"capture object: {error}", clause="class 7") from None
        target = self._target(f"{class_id}/{obis}")
        name = target.name
        if class_id != 8 and attribute != 2:
            label = target.interface.attributes.get(attribute) if target.interface else None
            name = f"{name}.{label.name if label else attribute}"
        if element:
            name = f"{name}[{element}]"
        unit, scaler = "", 0
        if (at := _SCALERS.get((class_id, attribute))) is not None:
            unit, scaler = self._scaler(opened, target, at)
        told = ProfileColumn(
            name=name,
            class_id=class_id,
            logical_name=obis,
            attribute=attribute,
            unit=unit,
            scaler=scaler,
            element=element,
        )
        return _Column(definition=definition, told=told)

    def _scaler(self, opened: OpenAssociation, target: Target, attribute: int) -> tuple[str, int]:
        """Return unit and scaler of a captured register; none where the meter keeps them to itself."""
        try:
            data = self._asked(opened, lambda: opened.get(target, attribute, None)).data
        except Refused:
            return "", 0
        parts = data.items() if data is not None else ()
        if len(parts) != 2:
            raise RemoteProtocolError(f"scaler_unit of {target.name} has {len(parts)} parts, not 2")
        return unit_symbol(parts[1].integer()), parts[0].integer()


def _by_range(
    shape: _Shape, wanted: Sequence[_Column], since: datetime, until: datetime, deviation_min: int
) -> SelectiveAccess:
    clock = next((each for each in shape.columns if each.is_clock), None)
    if clock is None:
        raise BenchError("the profile captures no clock, so it has no range of time; read it by entries")
    ends = (
        typed.octet_string(CosemDateTime.from_datetime(end, deviation_min=deviation_min).octets())
        for end in (since, until)
    )
    named = () if len(wanted) == len(shape.columns) else tuple(each.definition for each in wanted)
    return SelectiveAccess(1, typed.structure(clock.definition, *ends, typed.array(*named)))


def _by_entry(shape: _Shape, wanted: Sequence[_Column], first: int, last: int) -> SelectiveAccess:
    positions = [at for at, each in enumerate(shape.columns, 1) if each in wanted]
    if positions != list(range(positions[0], positions[-1] + 1)):
        raise BenchError("by entry a client can only choose neighbouring columns")
    numbers = typed.double_long_unsigned(max(first, 1)), typed.double_long_unsigned(last)
    # Whole rows end at column 0, which is the last one there is: what most heads ask for.
    last_column = 0 if len(wanted) == len(shape.columns) else positions[-1]
    ends = typed.long_unsigned(positions[0]), typed.long_unsigned(last_column)
    return SelectiveAccess(2, typed.structure(*numbers, *ends))


def _spoiled(selection: SelectiveAccess, flaw: str) -> SelectiveAccess:
    if flaw == "unknown-selector":
        return SelectiveAccess(_UNKNOWN_SELECTOR, selection.parameters)
    if flaw == "wrong-parameters":
        return SelectiveAccess(selection.selector, typed.unsigned(0))
    raise BenchError(f"flaw {flaw!r} is none of unknown-selector, wrong-parameters")


def _told(name: str, shape: _Shape, wanted: Sequence[_Column], rows: list[Row]) -> ProfileRead:
    if any(len(row) != len(wanted) for row in rows):
        odd = next(row for row in rows if len(row) != len(wanted))
        raise RemoteProtocolError(
            f"a row of {name} has {len(odd)} columns where {len(wanted)} are captured or asked for"
        )
    if any(None in row for row in rows):
        rows = _filled(rows, shape, wanted)
    cells = list(zip(*rows, strict=True)) or [()] * len(wanted)
    clock = next((at for at, each in enumerate(wanted) if each.is_clock), None)
    status = next((at for at, each in enumerate(wanted) if each.is_status), None)
    turned = [_turned(column, values, shape.zone_min) for column, values in zip(wanted, cells, strict=True)]
    rest = [at for at in range(len(wanted)) if at not in (clock, status)]
    nothing: list[object] = [None] * len(rows)
    values = zip(*(turned[at] for at in rest), strict=True) if rest else iter([()] * len(rows))
    made = tuple(
        ProfileRow(time=time, status=flags, values=each)  # type: ignore[arg-type]
        for time, flags, each in zip(
            turned[clock] if clock is not None else nothing,
            turned[status] if status is not None else nothing,
            values,
            strict=True,
        )
    )
    return ProfileRead(
        object=name,
        period_s=shape.period_s,
        columns=tuple(wanted[at].told for at in rest),
        count=len(made),
        first=made[0].time if made else None,
        last=made[-1].time if made else None,
        rows=made,
    )


def _filled(rows: list[Row], shape: _Shape, wanted: Sequence[_Column]) -> list[Row]:
    """Return the rows with null-data replaced: as before, or, for the clock, one period later."""
    full: list[Row] = []
    for row in rows:
        before = full[-1] if full else row
        full.append(
            tuple(
                cell if cell is not None else _after(last, shape) if column.is_clock and full else last
                for cell, last, column in zip(row, before, wanted, strict=True)
            )
        )
    return full


def _after(last: Plain, shape: _Shape) -> Plain:
    if not isinstance(last, bytes):
        return last
    at = CosemDateTime.from_octets(last)
    deviation_min = shape.zone_min if at.deviation_min is None else at.deviation_min
    moment = at.utc(shape.zone_min) + timedelta(seconds=shape.period_s)
    return CosemDateTime.from_datetime(moment, int(at.status or 0), deviation_min).octets()


def _turned(column: _Column, values: Sequence[Plain], zone_min: int) -> list[object]:
    if column.is_time:
        moment = _moments(zone_min)
        return [moment(value) if isinstance(value, bytes) else value for value in values]
    if column.is_status or (column.told.class_id, column.told.attribute) not in _SCALERS:
        return [value.hex() if isinstance(value, bytes) else value for value in values]
    scaler = column.told.scaler
    try:
        if scaler == 0:
            return [Decimal(value) for value in values]  # type: ignore[arg-type]
        return [Decimal(value).scaleb(scaler) for value in values]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise RemoteProtocolError(f"a value of {column.told.name} in a profile is no number") from None


def _moments(zone_min: int) -> Callable[[bytes], datetime | None]:
    """Return a reader of the twelve octets that is quick for the usual ones; None for no moment at all."""
    zones: dict[int, timezone] = {}

    def moment(octets: bytes) -> datetime | None:
        try:
            year, month, day, _, hour, minute, second, hundredths, deviation, _ = _LAYOUT.unpack(octets)
            zone = zones.get(deviation)
            if zone is None:
                used = zone_min if deviation == -0x8000 else deviation
                zone = zones[deviation] = timezone(timedelta(minutes=-used))
            part_us = 0 if hundredths == 0xFF else hundredths * _US_PER_HUNDREDTH
            return datetime(year, month, day, hour, minute, second, part_us, zone).astimezone(UTC)
        except (struct.error, ValueError, OverflowError):
            return _odd(octets, zone_min)

    return moment


def _odd(octets: bytes, zone_min: int) -> datetime | None:
    """Return the moment of a date-time with unspecified parts, None where that is no moment.

    Raises RemoteProtocolError for octets that are no date-time.
    """
    if not octets or octets == _NO_TIME:
        return None
    return CosemDateTime.from_octets(octets).utc(zone_min)
