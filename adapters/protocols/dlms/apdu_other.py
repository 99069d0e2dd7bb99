"""Notifications, the two ways of saying no outside a service, and the wrappers of ciphered APDUs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from adapters.errors import LocalProtocolError
from adapters.protocols.dlms import axdr
from adapters.protocols.dlms.apdu_common import AttributeDescriptor, Cursor
from adapters.protocols.dlms.budget import Work
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import (
    ApduTag,
    ConfirmedService,
    ServiceError,
    ServiceErrorType,
    StateError,
)

E = TypeVar("E", bound=IntEnum)


@dataclass(frozen=True, kw_only=True, slots=True)
class DataNotification:
    """A push. ``date_time`` is empty or 12 octets; ``long_invoke`` is long-invoke-id-and-priority."""

    long_invoke: int
    date_time: bytes
    body: Data

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0x0F,)) + self.long_invoke.to_bytes(4, "big")
        out += axdr.length_octets(len(self.date_time)) + self.date_time
        axdr.write_data(out, self.body)
        return bytes(out)


@dataclass(frozen=True, kw_only=True, slots=True)
class EventNotification:
    """The value of an attribute, sent by the meter on its own; ``time`` is None or a date-time's octets."""

    time: bytes | None
    attribute: AttributeDescriptor
    data: Data

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC2,))
        out += b"\x00" if self.time is None else b"\x01" + axdr.length_octets(len(self.time)) + self.time
        out += self.attribute.encode()
        axdr.write_data(out, self.data)
        return bytes(out)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExceptionResponse:
    """The server cannot or will not process an APDU. ``invocation_counter`` is the one it expects next."""

    state: StateError
    service: ServiceError
    invocation_counter: int | None = None

    def encode(self) -> bytes:
        """Return the APDU."""
        if (self.service is ServiceError.INVOCATION_COUNTER_ERROR) != (self.invocation_counter is not None):
            raise LocalProtocolError(
                "an invocation counter goes with invocation-counter-error and only with it"
            )
        head = bytes((0xD8, self.state, self.service))
        return head if self.invocation_counter is None else head + self.invocation_counter.to_bytes(4, "big")


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmedServiceError:
    """A confirmed service failed as a whole; ``error_type`` tells which enumeration ``value`` is of."""

    service: ConfirmedService
    error_type: ServiceErrorType
    value: int

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((0x0E, self.service, self.error_type, self.value))


@dataclass(frozen=True, kw_only=True, slots=True)
class Ciphered:
    """A service-specific ciphered APDU (glo-..., ded-...): ``body`` is security header, text and tag."""

    tag: ApduTag
    body: bytes

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((self.tag,)) + axdr.length_octets(len(self.body)) + self.body


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneralCiphered:
    """general-glo-ciphering or general-ded-ciphering: the sender's ``system_title`` goes before the body."""

    tag: ApduTag
    system_title: bytes
    body: bytes

    def encode(self) -> bytes:
        """Return the APDU."""
        head = bytes((self.tag,)) + axdr.length_octets(len(self.system_title)) + self.system_title
        return head + axdr.length_octets(len(self.body)) + self.body


def decode_data_notification(buf: bytes, work: Work) -> DataNotification:
    """Read a DataNotification. Raises RemoteProtocolError."""
    cursor = Cursor(buf, 1, work)
    long_invoke = cursor.u32("long-invoke-id-and-priority")
    date_time = cursor.octets()
    if len(date_time) not in (0, 12):
        raise cursor.error(f"a date-time of {len(date_time)} octets")
    body = cursor.data()
    cursor.finish()
    return DataNotification(long_invoke=long_invoke, date_time=date_time, body=body)


def decode_event_notification(buf: bytes, work: Work) -> EventNotification:
    """Read an EventNotification-Request. Raises RemoteProtocolError."""
    cursor = Cursor(buf, 1, work)
    time = cursor.octets() if cursor.flag("time") else None
    attribute = cursor.attribute()
    data = cursor.data()
    cursor.finish()
    return EventNotification(time=time, attribute=attribute, data=data)


def _member(kind: type[E], cursor: Cursor, what: str) -> E:
    code = cursor.u8(what)
    try:
        return kind(code)
    except ValueError:
        raise cursor.error(f"unknown {what} {code}") from None


def decode_exception_response(buf: bytes, work: Work) -> ExceptionResponse:
    """Read an ExceptionResponse. Raises RemoteProtocolError."""
    cursor = Cursor(buf, 1, work)
    state = _member(StateError, cursor, "state-error")
    service = _member(ServiceError, cursor, "service-error")
    counter = None
    if service is ServiceError.INVOCATION_COUNTER_ERROR:
        counter = cursor.u32("the expected invocation counter")
    cursor.finish()
    return ExceptionResponse(state=state, service=service, invocation_counter=counter)


def decode_confirmed_service_error(buf: bytes, work: Work) -> ConfirmedServiceError:
    """Read a ConfirmedServiceError. Raises RemoteProtocolError."""
    cursor = Cursor(buf, 1, work)
    service = _member(ConfirmedService, cursor, "confirmed service")
    error_type = _member(ServiceErrorType, cursor, "service error type")
    value = cursor.u8("a service error")
    cursor.finish()
    return ConfirmedServiceError(service=service, error_type=error_type, value=value)


def decode_ciphered(buf: bytes, work: Work) -> Ciphered:
    """Read a glo- or ded- APDU without deciphering it. Raises RemoteProtocolError."""
    cursor = Cursor(buf, 1, work)
    body = cursor.octets()
    cursor.finish()
    return Ciphered(tag=ApduTag(buf[0]), body=body)


def decode_general_ciphered(buf: bytes, work: Work) -> GeneralCiphered:
    """Read a general-glo- or general-ded-ciphering APDU, still ciphered. Raises RemoteProtocolError."""
    cursor = Cursor(buf, 1, work)
    title = cursor.octets()
    if len(title) not in (0, 8):
        raise cursor.error(f"a system title of {len(title)} octets")
    body = cursor.octets()
    cursor.finish()
    return GeneralCiphered(tag=ApduTag(buf[0]), system_title=title, body=body)
