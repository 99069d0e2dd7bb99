"""COSEM data as typed values: what an attribute holds, with the DLMS type that travels beside it.

A ``Data`` pairs a type tag with a plain Python value, exactly as sent: integers stay integers, strings of
octets stay ``bytes``, dates stay the raw octets (``datetimes.CosemDateTime`` reads them). Encoding a decoded
value gives a valid encoding of the same value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.enums import DataType

if TYPE_CHECKING:
    from collections.abc import Sequence

Plain: TypeAlias = "bool | int | float | str | bytes | list[Plain] | None"


@dataclass(frozen=True, slots=True)
class BitString:
    """``length`` bits, the first one being the most significant bit of the first octet."""

    length: int
    octets: bytes

    @classmethod
    def of(cls, bits: str) -> BitString:
        """Return the bit string written as zeros and ones."""
        padded = bits + "0" * (-len(bits) % 8)
        return cls(len(bits), bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8)))

    def __str__(self) -> str:
        return "".join(f"{octet:08b}" for octet in self.octets)[: self.length]


@dataclass(frozen=True, slots=True)
class TypeDescription:
    """What the elements of a compact array look like: a simple tag, an array of ``count``, or a structure."""

    tag: DataType
    count: int = 0
    parts: tuple[TypeDescription, ...] = ()


@dataclass(frozen=True, slots=True)
class CompactArray:
    """An array that gives its element type once. ``items`` are the elements as ordinary data."""

    description: TypeDescription
    items: tuple[Data, ...]


@dataclass(frozen=True, slots=True)
class WrittenItems:
    """The elements of a long array in A-XDR already: ``count`` of them, back to back in ``octets``.

    A device that keeps thousands of rows writes them column by column; making each a ``Data`` first, only to
    write it, takes ten times as long. Decoding never gives one.
    """

    count: int
    octets: bytes


Value: TypeAlias = (
    "bool | int | float | str | bytes | BitString | tuple[Data, ...] | CompactArray | WrittenItems | None"
)

_INTEGERS = frozenset(
    {
        DataType.INTEGER, DataType.LONG, DataType.DOUBLE_LONG, DataType.LONG64, DataType.UNSIGNED,
        DataType.LONG_UNSIGNED, DataType.DOUBLE_LONG_UNSIGNED, DataType.LONG64_UNSIGNED, DataType.ENUM,
        DataType.BCD, DataType.DELTA_INTEGER, DataType.DELTA_LONG, DataType.DELTA_DOUBLE_LONG,
        DataType.DELTA_UNSIGNED, DataType.DELTA_LONG_UNSIGNED, DataType.DELTA_DOUBLE_LONG_UNSIGNED,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Data:
    """One COSEM value. ``tag`` is its DLMS type, ``value`` the matching Python value (see ``Value``).

    ======================================  =======================================================
    null-data, dont-care                    None
    boolean                                 bool
    all integers, enum, bcd, delta types    int (bcd: the octet as it is)
    float32, float64                        float
    octet-string, date-time, date, time     bytes
    visible-string                          str; octets above 127 appear as the same code point
    utf8-string                             str
    bit-string                              BitString
    array, structure                        tuple of Data; a long array to be sent: WrittenItems
    compact-array                           CompactArray
    ======================================  =======================================================
    """

    tag: DataType
    value: Value

    def integer(self) -> int:
        """Return the value of any integer type. Raises RemoteProtocolError for another type."""
        if self.tag in _INTEGERS and isinstance(self.value, int):
            return self.value
        raise self._unexpected("an integer")

    def boolean(self) -> bool:
        """Return the value of a boolean. Raises RemoteProtocolError for another type."""
        if isinstance(self.value, bool):
            return self.value
        raise self._unexpected("a boolean")

    def octets(self) -> bytes:
        """Return the octets of an octet-string or a date type, else RemoteProtocolError."""
        if isinstance(self.value, bytes):
            return self.value
        raise self._unexpected("an octet-string")

    def text(self) -> str:
        """Return the text of a visible-, utf8- or octet-string, else RemoteProtocolError."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, bytes):
            return self.value.decode("latin-1")
        raise self._unexpected("a string")

    def items(self) -> tuple[Data, ...]:
        """Return the elements of an array, structure or compact array, else RemoteProtocolError."""
        if isinstance(self.value, tuple):
            return self.value
        if isinstance(self.value, CompactArray):
            return self.value.items
        if isinstance(self.value, WrittenItems):
            from adapters.protocols.dlms.axdr import decode_items

            return decode_items(self.value)
        raise self._unexpected("an array or a structure")

    def plain(self) -> Plain:
        """Return the value in plain Python; arrays and structures become lists, a bit string its digits."""
        value = self.value
        if isinstance(value, tuple | CompactArray | WrittenItems):
            return [item.plain() for item in self.items()]
        return str(value) if isinstance(value, BitString) else value

    def _unexpected(self, wanted: str) -> RemoteProtocolError:
        return RemoteProtocolError(f"expected {wanted}, got {self.tag.label}")


def null() -> Data:
    """Return null-data."""
    return Data(DataType.NULL_DATA, None)


def boolean(value: bool) -> Data:
    """Return a boolean."""
    return Data(DataType.BOOLEAN, value)


def integer(value: int) -> Data:
    """Return an integer (8 bits, signed)."""
    return Data(DataType.INTEGER, value)


def long(value: int) -> Data:
    """Return a long (16 bits, signed)."""
    return Data(DataType.LONG, value)


def double_long(value: int) -> Data:
    """Return a double-long (32 bits, signed)."""
    return Data(DataType.DOUBLE_LONG, value)


def long64(value: int) -> Data:
    """Return a long64 (64 bits, signed)."""
    return Data(DataType.LONG64, value)


def unsigned(value: int) -> Data:
    """Return an unsigned (8 bits)."""
    return Data(DataType.UNSIGNED, value)


def long_unsigned(value: int) -> Data:
    """Return a long-unsigned (16 bits)."""
    return Data(DataType.LONG_UNSIGNED, value)


def double_long_unsigned(value: int) -> Data:
    """Return a double-long-unsigned (32 bits)."""
    return Data(DataType.DOUBLE_LONG_UNSIGNED, value)


def long64_unsigned(value: int) -> Data:
    """Return a long64-unsigned (64 bits)."""
    return Data(DataType.LONG64_UNSIGNED, value)


def enum(value: int) -> Data:
    """Return an enum."""
    return Data(DataType.ENUM, value)


def float32(value: float) -> Data:
    """Return a float32."""
    return Data(DataType.FLOAT32, value)


def float64(value: float) -> Data:
    """Return a float64."""
    return Data(DataType.FLOAT64, value)


def octet_string(value: bytes) -> Data:
    """Return an octet-string."""
    return Data(DataType.OCTET_STRING, bytes(value))


def visible_string(value: str) -> Data:
    """Return a visible-string."""
    return Data(DataType.VISIBLE_STRING, value)


def utf8_string(value: str) -> Data:
    """Return a utf8-string."""
    return Data(DataType.UTF8_STRING, value)


def bit_string(bits: str) -> Data:
    """Return the bit-string written as zeros and ones."""
    return Data(DataType.BIT_STRING, BitString.of(bits))


def date_time(octets: bytes) -> Data:
    """Return a date-time (12 octets)."""
    return Data(DataType.DATE_TIME, octets)


def date(octets: bytes) -> Data:
    """Return a date (5 octets)."""
    return Data(DataType.DATE, octets)


def time(octets: bytes) -> Data:
    """Return a time (4 octets)."""
    return Data(DataType.TIME, octets)


def structure(*items: Data) -> Data:
    """Return a structure of ``items``."""
    return Data(DataType.STRUCTURE, items)


def array(*items: Data) -> Data:
    """Return an array of ``items``."""
    return Data(DataType.ARRAY, items)


def compact_array(description: TypeDescription, items: Sequence[Data]) -> Data:
    """Return a compact array whose ``items`` all fit ``description`` (checked when encoding)."""
    return Data(DataType.COMPACT_ARRAY, CompactArray(description, tuple(items)))


def typed(tag: DataType, value: object) -> Data:
    """Return ``value`` as a simple ``tag``, refusing a Python type that does not fit it.

    Raises LocalProtocolError; the range of an integer is checked when encoding.
    """
    wanted: type | tuple[type, ...]
    if tag in _INTEGERS:
        wanted = int
    elif tag in (DataType.FLOAT32, DataType.FLOAT64):
        wanted = (float, int)
    elif tag in (DataType.VISIBLE_STRING, DataType.UTF8_STRING):
        wanted = str
    elif tag in (DataType.OCTET_STRING, DataType.DATE_TIME, DataType.DATE, DataType.TIME):
        wanted = bytes
    elif tag is DataType.BOOLEAN:
        wanted = bool
    elif tag in (DataType.NULL_DATA, DataType.DONT_CARE):
        wanted = type(None)
    elif tag is DataType.BIT_STRING:
        wanted = BitString
    else:
        raise LocalProtocolError(f"{tag.label} is no simple type")
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise LocalProtocolError(f"{tag.label} takes no {type(value).__name__}")
    return Data(tag, value)
