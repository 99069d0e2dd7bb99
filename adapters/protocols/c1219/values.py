"""One value of a table: its octets and what they mean, by the type its layout gives it.

uint int bcd            int            octets          bytes
ascii id                str            bits            int, or a mapping of its named bits
float ni1 ni2           Decimal        set             tuple of the elements that are in it
interval                int, Decimal   stime ltime     MeterTime; time: seconds since midnight
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import cast

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.profiles.layout import FieldEntry
from adapters.protocols.c1219.formats import Formats, Order
from adapters.protocols.c1219.times import TimeType, decode_time, encode_time

INTERVAL_FORMATS = {
    1: "uint8",
    2: "uint16",
    4: "uint32",
    8: "int8",
    16: "int16",
    32: "int32",
    64: "ni1",
    128: "ni2",
}
"""INT_FMT_CDE of the load profile control table."""
_INTERVAL_OCTETS = {1: 1, 2: 2, 4: 4, 8: 1, 16: 2, 32: 4}
_NI_FLOATS = {0: "d", 1: "f"}
_NI_TEXTS, _NI_BCD, _NI_FOUR_DECIMALS = {2, 3, 13}, {5, 6, 12}, 4


def interval_octets(code: int, formats: Formats) -> int:
    """Return how long an interval's value is. Raises RemoteProtocolError for a code that is none."""
    if code in (64, 128):
        return formats.ni_octets(1 if code == 64 else 2)
    try:
        return _INTERVAL_OCTETS[code]
    except KeyError:
        raise RemoteProtocolError(f"interval format code {code} is not defined", frame_intact=True) from None


def decode_value(entry: FieldEntry, raw: bytes, formats: Formats, code: int = 0) -> object:
    """Return what ``raw`` means as ``entry``. Raises RemoteProtocolError."""
    match entry.type:
        case "uint":
            return int.from_bytes(raw, formats.order)
        case "int":
            return _decode_int(raw, formats)
        case "bits":
            return _decode_bits(entry, int.from_bytes(raw, formats.order))
        case "octets":
            return raw
        case "ascii":
            return _decode_text(raw, formats)
        case "id":
            return _digits(raw) if formats.id_is_bcd else _decode_text(raw, formats)
        case "set":
            return tuple(
                8 * index + bit
                for index, octet in enumerate(raw)
                if octet
                for bit in range(8)
                if octet >> bit & 1
            )
        case "bcd":
            return _decode_bcd(raw, formats.order)
        case "ni1":
            return _decode_ni(raw, formats.ni_format1, formats)
        case "ni2":
            return _decode_ni(raw, formats.ni_format2, formats)
        case "float":
            return _decode_float(raw, formats.order)
        case "interval":
            return _decode_interval(raw, code, formats)
        case "stime" | "ltime" | "time":
            return decode_time(raw, entry.type, formats.tm_format, formats.order)
        case _:
            raise LocalProtocolError(f"{entry.name}: a {entry.type} is no single value")


def encode_value(entry: FieldEntry, value: object, size: int, formats: Formats, code: int = 0) -> bytes:
    """Return the ``size`` octets of ``value`` as ``entry``. Raises LocalProtocolError naming the field."""
    try:
        return _encode(entry, value, size, formats, code)
    except (OverflowError, struct.error, TypeError, ValueError, InvalidOperation) as error:
        raise LocalProtocolError(
            f"{entry.name}: {value!r} is no {entry.type} of {size} octet{'s' if size != 1 else ''}"
        ) from error


def _encode(entry: FieldEntry, value: object, size: int, formats: Formats, code: int) -> bytes:
    match entry.type:
        case "uint":
            return _whole(value).to_bytes(size, formats.order)
        case "int":
            return _encode_int(_whole(value), size, formats)
        case "bits":
            number = _pack_bits(entry, value) if isinstance(value, Mapping) else _whole(value)
            return number.to_bytes(size, formats.order)
        case "octets":
            if not isinstance(value, bytes) or len(value) > size:
                raise ValueError("octets")
            return value.ljust(size, b"\0")
        case "ascii":
            return _encode_text(value, size, formats)
        case "id":
            return _packed(str(value), size) if formats.id_is_bcd else _encode_text(value, size, formats)
        case "set":
            return _encode_set(cast("Iterable[int]", value), size)
        case "bcd":
            octets = _packed(str(_whole(value)), size)
            return octets if formats.order == "big" else octets[::-1]
        case "ni1":
            return _encode_ni(_decimal(value), size, formats.ni_format1, formats)
        case "ni2":
            return _encode_ni(_decimal(value), size, formats.ni_format2, formats)
        case "float":
            return struct.pack(_float_format(size, formats.order), float(_decimal(value)))
        case "interval":
            return _encode_interval(value, size, code, formats)
        case "stime" | "ltime" | "time":
            kind: TimeType = entry.type
            return encode_time(value, kind, formats.tm_format, formats.order)
        case _:
            raise ValueError("no single value")


def _whole(value: object) -> int:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    raise TypeError("a whole number")


def _decimal(value: object) -> Decimal:
    if isinstance(value, int | Decimal):
        return Decimal(value)
    raise TypeError("a number")


def _decode_int(raw: bytes, formats: Formats) -> int:
    value = int.from_bytes(raw, formats.order)
    top = 1 << (8 * len(raw) - 1)
    if not value & top:
        return value
    match formats.int_format:
        case 0:
            return value - 2 * top
        case 1:
            return value - 2 * top + 1
        case 2:
            return -(value - top)
        case _:
            raise RemoteProtocolError(
                f"INT_FORMAT {formats.int_format} of ST0 is not defined", frame_intact=True
            )


def _encode_int(value: int, size: int, formats: Formats) -> bytes:
    top = 1 << (8 * size - 1)
    lowest = -top if formats.int_format == 0 else -top + 1
    if not lowest <= value < top:
        raise OverflowError
    if value < 0:
        value = {0: 2 * top + value, 1: 2 * top - 1 + value, 2: top - value}[formats.int_format]
    return value.to_bytes(size, formats.order)


def _decode_bits(entry: FieldEntry, number: int) -> object:
    if not entry.bits:
        return number
    return {name: number >> low & (1 << high - low + 1) - 1 for name, (low, high) in entry.bits.items()}


def _pack_bits(entry: FieldEntry, values: Mapping[str, object]) -> int:
    number = 0
    for name, value in values.items():
        if name not in entry.bits:
            raise ValueError(name)
        low, high = entry.bits[name]
        part = _whole(value)
        if not 0 <= part < 1 << high - low + 1:
            raise OverflowError
        number |= part << low
    return number


def _decode_text(raw: bytes, formats: Formats) -> str:
    # What was never written (0xFF, NUL) must not make a whole table unreadable: it is shown, not refused.
    return raw.decode(formats.encoding, "backslashreplace").rstrip(" \0")


def _encode_text(value: object, size: int, formats: Formats) -> bytes:
    if not isinstance(value, str):
        raise TypeError("text")
    octets = value.encode(formats.encoding)
    if len(octets) > size:
        raise OverflowError
    return octets.ljust(size, b" ")


def _digits(raw: bytes) -> str:
    digits = raw.hex()
    if not digits.isdigit() and digits:
        raise RemoteProtocolError(f"{digits} is no packed decimal", data=raw, frame_intact=True)
    return digits


def _packed(digits: str, size: int) -> bytes:
    if not digits.isdecimal() or not digits.isascii() or len(digits) > 2 * size:
        raise ValueError("digits")
    return bytes.fromhex(digits.zfill(2 * size))


def _decode_bcd(raw: bytes, order: Order) -> int:
    return int(_digits(raw if order == "big" else raw[::-1]) or "0")


def _encode_set(value: Iterable[int], size: int) -> bytes:
    octets = bytearray(size)
    for element in value:
        if not 0 <= element < 8 * size:
            raise OverflowError
        octets[element // 8] |= 1 << element % 8
    return bytes(octets)


def _float_format(size: int, order: Order) -> str:
    return (">" if order == "big" else "<") + {4: "f", 8: "d"}[size]


def _decode_float(raw: bytes, order: Order) -> Decimal:
    if len(raw) not in (4, 8):
        raise LocalProtocolError(f"a float has 4 or 8 octets, not {len(raw)}")
    (value,) = struct.unpack(_float_format(len(raw), order), raw)
    return Decimal(value)  # exactly what the octets say; NaN and infinity stay what they are


def _decode_ni(raw: bytes, code: int, formats: Formats) -> Decimal:
    if code in _NI_FLOATS:
        return _decode_float(raw, formats.order)
    if code in _NI_TEXTS:
        text = raw.decode("ascii", "replace").strip(" \0")
        try:
            return Decimal(text) if text else Decimal(0)
        except InvalidOperation:
            raise RemoteProtocolError(f"{text!r} is no number", data=raw, frame_intact=True) from None
    if code in _NI_BCD:
        return Decimal(_decode_bcd(raw, formats.order))
    value = Decimal(_decode_int(raw, formats))
    return value.scaleb(-4) if code == _NI_FOUR_DECIMALS else value


def _encode_ni(value: Decimal, size: int, code: int, formats: Formats) -> bytes:
    if code in _NI_FLOATS:
        return struct.pack(_float_format(size, formats.order), float(value))
    if code in _NI_TEXTS:
        text = format(value, "f").encode("ascii")
        if len(text) > size:
            raise OverflowError
        return text.rjust(size, b" ")
    if code in _NI_BCD:
        octets = _packed(str(_whole(value)), size)
        return octets if formats.order == "big" else octets[::-1]
    return _encode_int(_whole(value.scaleb(4) if code == _NI_FOUR_DECIMALS else value), size, formats)


def _decode_interval(raw: bytes, code: int, formats: Formats) -> object:
    if code in (64, 128):
        return _decode_ni(raw, formats.ni_format1 if code == 64 else formats.ni_format2, formats)
    return int.from_bytes(raw, formats.order) if code in (1, 2, 4) else _decode_int(raw, formats)


def _encode_interval(value: object, size: int, code: int, formats: Formats) -> bytes:
    if code in (64, 128):
        return _encode_ni(
            _decimal(value), size, formats.ni_format1 if code == 64 else formats.ni_format2, formats
        )
    number = _whole(value)
    return number.to_bytes(size, formats.order) if code in (1, 2, 4) else _encode_int(number, size, formats)
