"""What the xDLMS services share: the invoke octet, object references, selective access, a reading cursor."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms import axdr
from adapters.protocols.dlms.budget import Work
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult

CONFIRMED, HIGH_PRIORITY = 0x40, 0x80
"""Bits 6 (service class) and 7 (priority) of the invoke-id-and-priority octet."""

REFERENCE = struct.Struct(">H6sB")
"""class-id, instance-id, attribute-id or method-id: the nine octets of a COSEM descriptor."""


_DATA_ACCESS: dict[int, DataAccessResult] = {member.value: member for member in DataAccessResult}
_ACTION: dict[int, ActionResult] = {member.value: member for member in ActionResult}


class ServiceNotBuilt(RemoteProtocolError):
    """A service DLMS knows and this codec has a place for, but does not read yet. ``name`` tells which."""

    def __init__(self, name: str, *, data: bytes = b"") -> None:
        super().__init__(f"{name} is not built yet", data=data)
        self.name = name


def _reference(class_id: int, instance_id: bytes, item_id: int) -> bytes:
    if len(instance_id) != 6 or not 0 <= class_id <= 0xFFFF or not -128 <= item_id <= 255:
        raise LocalProtocolError(f"class {class_id}, {instance_id.hex()}, {item_id} is no COSEM descriptor")
    return REFERENCE.pack(class_id, instance_id, item_id & 0xFF)


def invoke_octet(invoke_id: int, confirmed: bool = True, high_priority: bool = True) -> int:
    """Return the octet invoke-id-and-priority for ``invoke_id`` (0 to 15)."""
    return invoke_id & 0x0F | (CONFIRMED if confirmed else 0) | (HIGH_PRIORITY if high_priority else 0)


class Invoked:
    """An APDU that carries ``invoke``, the octet invoke-id-and-priority."""

    __slots__ = ()
    invoke: int

    @property
    def invoke_id(self) -> int:
        """The invoke id, 0 to 15."""
        return self.invoke & 0x0F

    @property
    def confirmed(self) -> bool:
        """True where the service asks for an answer."""
        return bool(self.invoke & CONFIRMED)

    @property
    def high_priority(self) -> bool:
        """True where the priority bit is set."""
        return bool(self.invoke & HIGH_PRIORITY)


@dataclass(frozen=True, slots=True)
class AttributeDescriptor:
    """One attribute of one object. ``instance_id`` is the OBIS code, six octets."""

    class_id: int
    instance_id: bytes
    attribute_id: int

    def encode(self) -> bytes:
        """Return the nine octets. Raises LocalProtocolError."""
        return _reference(self.class_id, self.instance_id, self.attribute_id)


@dataclass(frozen=True, slots=True)
class MethodDescriptor:
    """One method of one object. ``instance_id`` is the OBIS code, six octets."""

    class_id: int
    instance_id: bytes
    method_id: int

    def encode(self) -> bytes:
        """Return the nine octets. Raises LocalProtocolError."""
        return _reference(self.class_id, self.instance_id, self.method_id)


@dataclass(frozen=True, slots=True)
class SelectiveAccess:
    """Which part of an attribute is meant: an access ``selector`` of its class, with ``parameters``."""

    selector: int
    parameters: Data

    def encode(self) -> bytes:
        """Return selector and parameters."""
        return bytes((self.selector,)) + axdr.encode_data(self.parameters)


@dataclass(frozen=True, kw_only=True, slots=True)
class DataBlock:
    """One block of a long SET or ACTION: ``raw`` is a piece of an encoding (DataBlock-SA)."""

    last: bool
    number: int
    raw: bytes

    def encode(self) -> bytes:
        """Return last-block, block-number and raw-data."""
        head = bytes((1 if self.last else 0,)) + self.number.to_bytes(4, "big")
        return head + axdr.length_octets(len(self.raw)) + self.raw


def write_selection(out: bytearray, selection: SelectiveAccess | None) -> None:
    """Append the optional selective access descriptor."""
    out += b"\x00" if selection is None else b"\x01" + selection.encode()


def write_values(out: bytearray, values: tuple[Data, ...]) -> None:
    """Append a SEQUENCE OF Data: its count, then each value."""
    out += axdr.length_octets(len(values))
    for value in values:
        axdr.write_data(out, value)


class Cursor:
    """Reads the fields of one APDU front to back. Every method raises RemoteProtocolError past the end."""

    __slots__ = ("buf", "position", "work")

    def __init__(self, buf: bytes, position: int, work: Work) -> None:
        self.buf, self.position, self.work = buf, position, work

    def u8(self, what: str) -> int:
        """Return one octet."""
        try:
            value = self.buf[self.position]
        except IndexError:
            raise self.error(f"{what} is missing") from None
        self.position += 1
        return value

    def take(self, count: int, what: str) -> bytes:
        """Return ``count`` octets."""
        end = self.position + count
        if end > len(self.buf):
            raise self.error(f"{what} is cut short")
        octets = self.buf[self.position : end]
        self.position = end
        return octets

    def u16(self, what: str) -> int:
        """Return an unsigned integer of two octets."""
        return int.from_bytes(self.take(2, what), "big")

    def u32(self, what: str) -> int:
        """Return an unsigned integer of four octets."""
        return int.from_bytes(self.take(4, what), "big")

    def flag(self, what: str) -> bool:
        """Return an OPTIONAL marker or a BOOLEAN that must be 0 or 1."""
        value = self.u8(what)
        if value > 1:
            raise self.error(f"{what} is {value}, neither 0 nor 1")
        return value == 1

    def octets(self) -> bytes:
        """Return length-prefixed octets."""
        value, self.position = axdr.read_octets(self.buf, self.position)
        return value

    def count(self) -> int:
        """Return the number of elements of a SEQUENCE OF, which cannot exceed the octets that are left."""
        value, self.position = axdr.read_length(self.buf, self.position)
        if value > len(self.buf) - self.position:
            raise self.error(f"a list of {value} is cut short")
        self.work.spend(value)
        return value

    def data(self) -> Data:
        """Return one COSEM value."""
        value, self.position = axdr.read_data(self.buf, self.position, self.work)
        return value

    def attribute(self) -> AttributeDescriptor:
        """Return an attribute descriptor."""
        octets = self.take(9, "an attribute descriptor")
        return AttributeDescriptor(int.from_bytes(octets[:2], "big"), octets[2:8], octets[8])

    def method(self) -> MethodDescriptor:
        """Return a method descriptor."""
        octets = self.take(9, "a method descriptor")
        return MethodDescriptor(int.from_bytes(octets[:2], "big"), octets[2:8], octets[8])

    def selection(self) -> SelectiveAccess | None:
        """Return the optional selective access descriptor."""
        if not self.flag("access-selection"):
            return None
        selector = self.u8("an access selector")
        return SelectiveAccess(selector, self.data())

    def block(self) -> DataBlock:
        """Return one block of a long SET or ACTION."""
        last = self.u8("last-block") != 0
        number = self.u32("a block number")
        return DataBlock(last=last, number=number, raw=self.octets())

    def finish(self) -> None:
        """Refuse octets after the last field."""
        if self.position != len(self.buf):
            raise self.error(f"{len(self.buf) - self.position} octets follow the APDU")

    def error(self, message: str) -> RemoteProtocolError:
        """Return the error to raise, with the bytes and the position."""
        return RemoteProtocolError(f"{message} (octet {self.position} of {len(self.buf)})", data=self.buf)


def data_access_result(code: int, cursor: Cursor) -> DataAccessResult:
    """Return the data-access-result ``code``, or raise what ``cursor`` makes of an unknown one."""
    result = _DATA_ACCESS.get(code)
    if result is None:
        raise cursor.error(f"unknown data-access-result {code}")
    return result


def action_result(code: int, cursor: Cursor) -> ActionResult:
    """Return the action-result ``code``, or raise what ``cursor`` makes of an unknown one."""
    result = _ACTION.get(code)
    if result is None:
        raise cursor.error(f"unknown action-result {code}")
    return result
