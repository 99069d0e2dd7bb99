"""A-XDR (IEC 61334-6) as COSEM uses it for ``Data``: strict, budgeted, depth-limited in both directions.

Decoding draws every element on a ``Work`` account, checks a claimed count or length against the octets that
are really there before it acts on it, and refuses a compact array whose elements have no width. All malformed
input raises RemoteProtocolError; a value we cannot encode raises LocalProtocolError.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.budget import DEFAULT, Budget, Work
from adapters.protocols.dlms.data import (
    BitString,
    CompactArray,
    Data,
    TypeDescription,
    Value,
    WrittenItems,
)
from adapters.protocols.dlms.enums import DataType

_FIXED: dict[DataType, struct.Struct] = {
    DataType.INTEGER: struct.Struct(">b"),
    DataType.LONG: struct.Struct(">h"),
    DataType.DOUBLE_LONG: struct.Struct(">i"),
    DataType.LONG64: struct.Struct(">q"),
    DataType.UNSIGNED: struct.Struct(">B"),
    DataType.LONG_UNSIGNED: struct.Struct(">H"),
    DataType.DOUBLE_LONG_UNSIGNED: struct.Struct(">I"),
    DataType.LONG64_UNSIGNED: struct.Struct(">Q"),
    DataType.ENUM: struct.Struct(">B"),
    DataType.BCD: struct.Struct(">B"),
    DataType.FLOAT32: struct.Struct(">f"),
    DataType.FLOAT64: struct.Struct(">d"),
    DataType.DELTA_INTEGER: struct.Struct(">b"),
    DataType.DELTA_LONG: struct.Struct(">h"),
    DataType.DELTA_DOUBLE_LONG: struct.Struct(">i"),
    DataType.DELTA_UNSIGNED: struct.Struct(">B"),
    DataType.DELTA_LONG_UNSIGNED: struct.Struct(">H"),
    DataType.DELTA_DOUBLE_LONG_UNSIGNED: struct.Struct(">I"),
}
_FLOATS = frozenset({DataType.FLOAT32, DataType.FLOAT64})
_OCTETS: dict[DataType, int] = {DataType.DATE_TIME: 12, DataType.DATE: 5, DataType.TIME: 4}

Decoder = Callable[[bytes, int, int, Work], tuple[Value, int]]


def _truncated(buf: bytes, position: int, what: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"{what} is cut short at octet {position} of {len(buf)}", data=buf)


def read_length(buf: bytes, position: int) -> tuple[int, int]:
    """Return the A-XDR length at ``position`` and the position after it. Raises RemoteProtocolError."""
    try:
        length = buf[position]
    except IndexError:
        raise _truncated(buf, position, "a length") from None
    position += 1
    if length < 0x80:
        return length, position
    width = length & 0x7F
    if not 1 <= width <= 4:
        raise RemoteProtocolError(f"a length of {width} octets is not allowed", data=buf)
    if position + width > len(buf):
        raise _truncated(buf, position, "a length")
    return int.from_bytes(buf[position : position + width], "big"), position + width


def length_octets(length: int) -> bytes:
    """Return ``length`` in its shortest A-XDR (and BER) form."""
    if length < 0x80:
        return bytes((length,))
    width = (length.bit_length() + 7) // 8
    return bytes((0x80 | width,)) + length.to_bytes(width, "big")


def read_octets(buf: bytes, position: int) -> tuple[bytes, int]:
    """Return the length-prefixed octets at ``position`` and the position after them."""
    length, position = read_length(buf, position)
    end = position + length
    if end > len(buf):
        raise _truncated(buf, position, f"a string of {length} octets")
    return buf[position:end], end


def _decode_nothing(_buf: bytes, position: int, _depth: int, _work: Work) -> tuple[Value, int]:
    return None, position


def _decode_boolean(buf: bytes, position: int, _depth: int, _work: Work) -> tuple[Value, int]:
    if position >= len(buf):
        raise _truncated(buf, position, "a boolean")
    return buf[position] != 0, position + 1


def _fixed_decoder(layout: struct.Struct, label: str) -> Decoder:
    unpack, size = layout.unpack_from, layout.size

    def decode(buf: bytes, position: int, _depth: int, _work: Work) -> tuple[Value, int]:
        try:
            return unpack(buf, position)[0], position + size
        except struct.error:
            raise _truncated(buf, position, label) from None

    return decode


def _octets_decoder(size: int, label: str) -> Decoder:
    def decode(buf: bytes, position: int, _depth: int, _work: Work) -> tuple[Value, int]:
        end = position + size
        if end > len(buf):
            raise _truncated(buf, position, label)
        return buf[position:end], end

    return decode


def _decode_octet_string(buf: bytes, position: int, _depth: int, _work: Work) -> tuple[Value, int]:
    return read_octets(buf, position)


def _decode_visible_string(buf: bytes, position: int, _depth: int, _work: Work) -> tuple[Value, int]:
    # Meters put more than ISO 646 here; Latin-1 keeps every octet.
    octets, position = read_octets(buf, position)
    return octets.decode("latin-1"), position


def _decode_utf8_string(buf: bytes, position: int, _depth: int, _work: Work) -> tuple[Value, int]:
    octets, end = read_octets(buf, position)
    try:
        return octets.decode("utf-8"), end
    except UnicodeDecodeError:
        raise RemoteProtocolError(f"the utf8-string at octet {position} is not UTF-8", data=buf) from None


def _decode_bit_string(buf: bytes, position: int, _depth: int, _work: Work) -> tuple[Value, int]:
    length, position = read_length(buf, position)
    end = position + (length + 7) // 8
    if end > len(buf):
        raise _truncated(buf, position, f"a bit-string of {length} bits")
    return BitString(length, buf[position:end]), end


def _decode_sequence(buf: bytes, position: int, depth: int, work: Work) -> tuple[Value, int]:
    count, position = read_length(buf, position)
    if count > len(buf) - position:  # every element takes at least its tag
        raise _truncated(buf, position, f"a sequence of {count} elements")
    if depth <= 0:
        raise RemoteProtocolError(f"data nests deeper than {work.depth} levels", data=buf)
    work.spend(count)
    items = []
    depth -= 1
    end = len(buf)
    for _ in range(count):
        if position >= end:
            raise _truncated(buf, position, f"a sequence of {count} elements")
        entry = _DECODERS.get(buf[position])
        if entry is None:
            raise RemoteProtocolError(f"unknown data type {buf[position]} at octet {position}", data=buf)
        value, position = entry[1](buf, position + 1, depth, work)
        items.append(Data(entry[0], value))
    return tuple(items), position


def _decode_description(buf: bytes, position: int, depth: int, work: Work) -> tuple[TypeDescription, int]:
    if position >= len(buf):
        raise _truncated(buf, position, "a type description")
    if depth <= 0:
        raise RemoteProtocolError(f"a type description nests deeper than {work.depth} levels", data=buf)
    work.spend(1)
    code = buf[position]
    position += 1
    if code == DataType.ARRAY:
        if position + 2 > len(buf):
            raise _truncated(buf, position, "a type description")
        count = int.from_bytes(buf[position : position + 2], "big")
        part, position = _decode_description(buf, position + 2, depth - 1, work)
        return TypeDescription(DataType.ARRAY, count, (part,)), position
    if code == DataType.STRUCTURE:
        count, position = read_length(buf, position)
        if count > len(buf) - position:
            raise _truncated(buf, position, f"a structure of {count} types")
        parts = []
        for _ in range(count):
            part, position = _decode_description(buf, position, depth - 1, work)
            parts.append(part)
        return TypeDescription(DataType.STRUCTURE, count, tuple(parts)), position
    if code == DataType.COMPACT_ARRAY or code not in _DECODERS:
        raise RemoteProtocolError(f"type {code} has no place in a type description", data=buf)
    return TypeDescription(_DECODERS[code][0]), position


def _measure(description: TypeDescription) -> tuple[int, int]:
    """Return how many data items one element is and how many octets it takes at least."""
    tag = description.tag
    if tag is DataType.NULL_DATA or tag is DataType.DONT_CARE:
        return 1, 0
    if tag is not DataType.ARRAY and tag is not DataType.STRUCTURE:
        layout = _FIXED.get(tag)
        return 1, layout.size if layout is not None else _OCTETS.get(tag, 1)
    measured = [_measure(part) for part in description.parts]
    times = description.count if tag is DataType.ARRAY else 1
    return 1 + times * sum(items for items, _ in measured), times * sum(octets for _, octets in measured)


def _decode_leaves(
    buf: bytes, position: int, tag: DataType, count: int, depth: int, work: Work
) -> tuple[list[Data], int]:
    """Decode ``count`` simple elements of one type, paid for by the caller."""
    if tag is DataType.NULL_DATA or tag is DataType.DONT_CARE:
        return [Data(tag, None)] * count, position
    layout = _FIXED.get(tag)
    if layout is not None:
        end = position + layout.size * count
        if end > len(buf):
            raise _truncated(buf, position, f"{count} elements of {tag.label}")
        return [Data(tag, value) for (value,) in layout.iter_unpack(buf[position:end])], end
    decode = _DECODERS[tag][1]
    items = []
    for _ in range(count):
        value, position = decode(buf, position, depth, work)
        items.append(Data(tag, value))
    return items, position


def _decode_described(
    buf: bytes, position: int, description: TypeDescription, depth: int, work: Work
) -> tuple[Data, int]:
    """Decode one element whose tags are not in ``buf`` but in ``description``."""
    tag, parts = description.tag, description.parts
    if tag is DataType.ARRAY and not parts[0].parts and parts[0].tag is not DataType.STRUCTURE:
        leaves, position = _decode_leaves(buf, position, parts[0].tag, description.count, depth, work)
        return Data(tag, tuple(leaves)), position
    if tag is not DataType.ARRAY and tag is not DataType.STRUCTURE:
        leaves, position = _decode_leaves(buf, position, tag, 1, depth, work)
        return leaves[0], position
    items = []
    for _ in range(description.count if tag is DataType.ARRAY else 1):
        for part in parts:
            item, position = _decode_described(buf, position, part, depth - 1, work)
            items.append(item)
    return Data(tag, tuple(items)), position


def _decode_compact_array(buf: bytes, position: int, depth: int, work: Work) -> tuple[Value, int]:
    description, position = _decode_description(buf, position, depth, work)
    contents, end = read_octets(buf, position)
    if not contents:
        return CompactArray(description, ()), end
    # What one element costs is known before the first is decoded: nothing is expanded that cannot be there.
    weight, width = _measure(description)
    if width == 0:
        # Would repeat for ever: the eleven bytes that hang a public decoder are of this kind.
        raise RemoteProtocolError("the elements of a compact array have no width", data=buf)
    if width > len(contents):
        raise _truncated(buf, position, f"an element of at least {width} octets")
    items: list[Data] = []
    at = 0
    if weight == 1 and description.tag in _FIXED:
        count = len(contents) // width
        work.spend(count)
        items, at = _decode_leaves(contents, 0, description.tag, count, depth, work)
    while at < len(contents):
        work.spend(weight)
        item, at = _decode_described(contents, at, description, depth, work)
        items.append(item)
    return CompactArray(description, tuple(items)), end


_DECODERS: dict[int, tuple[DataType, Decoder]] = {
    DataType.NULL_DATA: (DataType.NULL_DATA, _decode_nothing),
    DataType.DONT_CARE: (DataType.DONT_CARE, _decode_nothing),
    DataType.BOOLEAN: (DataType.BOOLEAN, _decode_boolean),
    DataType.ARRAY: (DataType.ARRAY, _decode_sequence),
    DataType.STRUCTURE: (DataType.STRUCTURE, _decode_sequence),
    DataType.COMPACT_ARRAY: (DataType.COMPACT_ARRAY, _decode_compact_array),
    DataType.OCTET_STRING: (DataType.OCTET_STRING, _decode_octet_string),
    DataType.VISIBLE_STRING: (DataType.VISIBLE_STRING, _decode_visible_string),
    DataType.UTF8_STRING: (DataType.UTF8_STRING, _decode_utf8_string),
    DataType.BIT_STRING: (DataType.BIT_STRING, _decode_bit_string),
    **{tag: (tag, _fixed_decoder(layout, f"a {tag.label}")) for tag, layout in _FIXED.items()},
    **{tag: (tag, _octets_decoder(size, f"a {tag.label}")) for tag, size in _OCTETS.items()},
}


def read_data(buf: bytes, position: int, work: Work) -> tuple[Data, int]:
    """Return the data at ``position`` of ``buf`` and the position after it. Raises RemoteProtocolError."""
    try:
        entry = _DECODERS[buf[position]]
    except IndexError:
        raise _truncated(buf, position, "data") from None
    except KeyError:
        raise RemoteProtocolError(
            f"unknown data type {buf[position]} at octet {position}", data=buf
        ) from None
    work.spend(1)
    value, position = entry[1](buf, position + 1, work.depth, work)
    return Data(entry[0], value), position


def decode_data(buf: bytes, budget: Budget = DEFAULT) -> Data:
    """Return the one value that ``buf`` is. Raises RemoteProtocolError, also for trailing octets."""
    data, position = read_data(buf, 0, Work(budget, len(buf)))
    if position != len(buf):
        raise RemoteProtocolError(f"{len(buf) - position} octets follow the data", data=buf)
    return data


def decode_items(written: WrittenItems) -> tuple[Data, ...]:
    """Return the elements one by one. Raises RemoteProtocolError where the octets are not what they claim."""
    return decode_data(bytes([DataType.ARRAY]) + length_octets(written.count) + written.octets).items()


def write_column(tag: DataType, values: Sequence[Value]) -> list[bytes]:
    """Return each value of a column as ``tag``, written with its tag; numbers go through one packer.

    Raises LocalProtocolError where a value does not fit its type.
    """
    layout = _FIXED.get(tag)
    if layout is None:
        return [encode_data(Data(tag, value)) for value in values]
    pack = struct.Struct(f">B{layout.format.lstrip('>')}").pack
    try:
        return [pack(tag, value) for value in values]
    except (struct.error, OverflowError):
        raise LocalProtocolError(f"a column of {tag.label} holds what does not fit it") from None


def encode_data(data: Data) -> bytes:
    """Return ``data`` in A-XDR. Raises LocalProtocolError where the value does not fit its type."""
    out = bytearray()
    write_data(out, data)
    return bytes(out)


def write_data(out: bytearray, data: Data, depth: int = DEFAULT.depth) -> None:
    """Append ``data`` with its tag to ``out``."""
    out.append(data.tag)
    _write_value(out, data, depth)


def _write_value(out: bytearray, data: Data, depth: int) -> None:
    tag, value = data.tag, data.value
    layout = _FIXED.get(tag)
    if layout is not None:
        try:
            out += layout.pack(value)
        except (struct.error, OverflowError):
            raise LocalProtocolError(f"{value!r} does not fit {tag.label}") from None
    elif isinstance(value, bytes):
        size = _OCTETS.get(tag)
        if size is None:
            if tag is not DataType.OCTET_STRING:
                raise LocalProtocolError(f"octets do not fit {tag.label}")
            out += length_octets(len(value))
        elif size != len(value):
            raise LocalProtocolError(f"a {tag.label} has {size} octets, not {len(value)}")
        out += value
    elif tag is DataType.BOOLEAN:
        out.append(1 if value else 0)
    elif tag is DataType.NULL_DATA or tag is DataType.DONT_CARE:
        if value is not None:
            raise LocalProtocolError(f"{tag.label} carries no value")
    else:
        _write_variable(out, data, depth)


def _write_variable(out: bytearray, data: Data, depth: int) -> None:
    tag, value = data.tag, data.value
    if isinstance(value, tuple) and tag in (DataType.ARRAY, DataType.STRUCTURE):
        if depth <= 0:
            raise LocalProtocolError("data nests too deep to be sent")
        out += length_octets(len(value))
        for item in value:
            write_data(out, item, depth - 1)
    elif isinstance(value, WrittenItems) and tag is DataType.ARRAY:
        out += length_octets(value.count) + value.octets
    elif isinstance(value, str) and tag in (DataType.VISIBLE_STRING, DataType.UTF8_STRING):
        try:
            octets = value.encode("utf-8" if tag is DataType.UTF8_STRING else "latin-1")
        except UnicodeEncodeError:
            raise LocalProtocolError(f"{value!r} does not fit {tag.label}") from None
        out += length_octets(len(octets)) + octets
    elif isinstance(value, BitString) and tag is DataType.BIT_STRING:
        if len(value.octets) != (value.length + 7) // 8:
            raise LocalProtocolError(f"{value.length} bits are not {len(value.octets)} octets")
        out += length_octets(value.length) + value.octets
    elif isinstance(value, CompactArray) and tag is DataType.COMPACT_ARRAY:
        _write_description(out, value.description)
        contents = bytearray()
        for item in value.items:
            _write_described(contents, item, value.description, depth)
        out += length_octets(len(contents)) + contents
    else:
        raise LocalProtocolError(f"a {type(value).__name__} does not fit {tag.label}")


def _write_description(out: bytearray, description: TypeDescription) -> None:
    out.append(description.tag)
    if description.tag is DataType.ARRAY:
        out += description.count.to_bytes(2, "big")
    elif description.tag is DataType.STRUCTURE:
        out += length_octets(len(description.parts))
    for part in description.parts:
        _write_description(out, part)


def _write_described(out: bytearray, data: Data, description: TypeDescription, depth: int) -> None:
    if data.tag is not description.tag:
        raise LocalProtocolError(f"{data.tag.label} in a compact array of {description.tag.label}")
    if not isinstance(data.value, tuple):
        _write_value(out, data, depth)
        return
    parts = description.parts * (description.count if data.tag is DataType.ARRAY else 1)
    if len(parts) != len(data.value):
        raise LocalProtocolError(f"{len(data.value)} elements where a compact array has {len(parts)}")
    for item, part in zip(data.value, parts, strict=True):
        _write_described(out, item, part, depth - 1)
