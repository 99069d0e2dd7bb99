"""The rows of a class 7 buffer, decoded many at a time.

The rows of a load profile nearly always look alike: the same types in the same order with the same lengths.
So the octets that make up the shape (tags and lengths) stand at the same places in every row. The first row
is decoded as any data; then as many rows as have the same octets at those places are unpacked at once. A
row of another shape (null-data for "as before", a shorter string) is decoded alone and may begin the next
run. The result is the same as that of ``axdr.decode_data``, only in plain values and without its objects.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import axdr
from adapters.protocols.dlms.budget import DEFAULT, Budget, Work
from adapters.protocols.dlms.data import Data, Plain
from adapters.protocols.dlms.enums import DataType

Row: TypeAlias = tuple[Plain, ...]

_FORMATS: dict[int, str] = {
    DataType.BOOLEAN: "?", DataType.INTEGER: "b", DataType.LONG: "h", DataType.DOUBLE_LONG: "i",
    DataType.LONG64: "q", DataType.UNSIGNED: "B", DataType.LONG_UNSIGNED: "H",
    DataType.DOUBLE_LONG_UNSIGNED: "I", DataType.LONG64_UNSIGNED: "Q", DataType.ENUM: "B",
    DataType.FLOAT32: "f", DataType.FLOAT64: "d", DataType.DATE_TIME: "12s", DataType.DATE: "5s",
    DataType.TIME: "4s",
}  # fmt: skip
_FIRST_WINDOW = 64
_WORTH_IT = 8
_SHORT = 0x80  # a length below this is one octet


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """How a row is laid out: ``fixed`` are (offset, octet) of everything that is not a value."""

    layout: struct.Struct
    fixed: tuple[tuple[int, bytes], ...]

    def run(self, buf: bytes, position: int, most: int) -> int:
        """Return how many rows from ``position`` on have this shape, ``most`` at most."""
        size = self.layout.size
        most = min(most, (len(buf) - position) // size)
        alike, window = 0, _FIRST_WINDOW
        while alike < most:  # by growing pieces: what differs early must not cost a look at everything
            count = min(window, most - alike)
            begin = position + alike * size
            found = self._alike(buf[begin : begin + count * size], count)
            alike += found
            if found < count:
                break
            window *= 4
        return alike

    def _alike(self, rows: bytes, count: int) -> int:
        size = self.layout.size
        for offset, octet in self.fixed:
            column = rows[offset : count * size : size]
            if column != octet * count:
                count = len(column) - len(column.lstrip(octet))
        return count


def decode_rows(buf: bytes, budget: Budget = DEFAULT) -> list[Row]:
    """Return the rows of the buffer that ``buf`` encodes: an array (or compact array) of structures.

    Octet strings and dates stay ``bytes``. Raises RemoteProtocolError for anything malformed, for rows that
    are no structures, and for more values than the budget allows.
    """
    if buf[:1] != bytes((DataType.ARRAY,)):
        return [_plain(row) for row in axdr.decode_data(buf, budget).items()]
    work = Work(budget, len(buf))
    count, position = axdr.read_length(buf, 1)
    if count > len(buf) - position:  # every row takes at least its tag
        raise RemoteProtocolError(f"an array of {count} rows in {len(buf) - position} octets", data=buf)
    work.spend(count)
    rows: list[Row] = []
    patience, look_at = 1, 1  # rows that never repeat cost no more than rows that were never looked at
    while len(rows) < count:
        begin = position
        data, position = axdr.read_data(buf, begin, work)
        rows.append(_plain(data))
        if not look_at <= len(rows) < count:
            continue
        shape = _shape(buf, begin, position)
        run = shape.run(buf, position, count - len(rows)) if shape is not None else 0
        patience = 1 if run >= _WORTH_IT else patience * 2
        if shape is not None and run:
            work.spend(run * len(rows[-1]))
            end = position + run * shape.layout.size
            rows.extend(shape.layout.iter_unpack(buf[position:end]))
            position = end
        look_at = len(rows) + patience
    if position != len(buf):
        raise RemoteProtocolError(f"{len(buf) - position} octets follow the rows", data=buf)
    return rows


def _plain(data: Data) -> Row:
    if data.tag is not DataType.STRUCTURE:
        raise RemoteProtocolError(f"a row of a profile is a structure, not {data.tag.label}")
    return tuple(item.plain() for item in data.items())


def _shape(buf: bytes, begin: int, end: int) -> _Shape | None:
    """Return the shape of the row in ``buf[begin:end]``, or None where it has values of other kinds."""
    if buf[begin + 1] >= _SHORT:
        return None
    fixed = [begin, begin + 1]
    layout = ">2x"
    at = begin + 2
    while at < end:
        tag = buf[at]
        fixed.append(at)
        if tag == DataType.OCTET_STRING and buf[at + 1] < _SHORT:
            length = buf[at + 1]
            fixed.append(at + 1)
            layout += f"2x{length}s"
            at += 2 + length
        elif tag in _FORMATS:
            layout += f"x{_FORMATS[tag]}"
            at += 1 + struct.calcsize(">" + _FORMATS[tag])
        else:
            return None
    return _Shape(
        layout=struct.Struct(layout),
        fixed=tuple((each - begin, buf[each : each + 1]) for each in fixed),
    )
