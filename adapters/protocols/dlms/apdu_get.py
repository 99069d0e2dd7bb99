"""GET: request and response, normal, by blocks and with a list (Green Book 9.5, tags 192 and 196)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms import axdr
from adapters.protocols.dlms.apdu_common import (
    AttributeDescriptor,
    Cursor,
    Invoked,
    SelectiveAccess,
    data_access_result,
)
from adapters.protocols.dlms.budget import Budget, Work
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import DataAccessResult


@dataclass(frozen=True, kw_only=True, slots=True)
class GetRequestNormal(Invoked):
    """Read one attribute."""

    invoke: int
    attribute: AttributeDescriptor
    selection: SelectiveAccess | None = None

    def encode(self) -> bytes:
        """Return the APDU."""
        head = bytes((0xC0, 1, self.invoke)) + self.attribute.encode()
        return head + b"\x00" if self.selection is None else head + b"\x01" + self.selection.encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetRequestNext(Invoked):
    """Ask for the block after ``block_number``, the last one received."""

    invoke: int
    block_number: int

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((0xC0, 2, self.invoke)) + self.block_number.to_bytes(4, "big")


@dataclass(frozen=True, kw_only=True, slots=True)
class GetRequestWithList(Invoked):
    """Read several attributes at once."""

    invoke: int
    attributes: tuple[tuple[AttributeDescriptor, SelectiveAccess | None], ...]

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC0, 3, self.invoke)) + axdr.length_octets(len(self.attributes))
        for attribute, selection in self.attributes:
            out += attribute.encode()
            out += b"\x00" if selection is None else b"\x01" + selection.encode()
        return bytes(out)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetResponseNormal(Invoked):
    """The value of an attribute (``data`` given, ``result`` success) or the reason why there is none."""

    invoke: int
    data: Data | None = None
    result: DataAccessResult = DataAccessResult.SUCCESS

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC4, 1, self.invoke))
        _write_result(out, self.data if self.data is not None else self.result)
        return bytes(out)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetResponseWithDatablock(Invoked):
    """One block of a long value: ``raw`` is a piece of its encoding, or ``result`` says why there is none."""

    invoke: int
    last: bool
    block_number: int
    raw: bytes | None = None
    result: DataAccessResult = DataAccessResult.SUCCESS

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC4, 2, self.invoke, 1 if self.last else 0)) + self.block_number.to_bytes(4, "big")
        if self.raw is None:
            return bytes(out) + bytes((1, self.result))
        return bytes(out) + b"\x00" + axdr.length_octets(len(self.raw)) + self.raw


@dataclass(frozen=True, kw_only=True, slots=True)
class GetResponseWithList(Invoked):
    """One value or one reason for each attribute asked for, in the same order."""

    invoke: int
    results: tuple[Data | DataAccessResult, ...]

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC4, 3, self.invoke)) + axdr.length_octets(len(self.results))
        for result in self.results:
            _write_result(out, result)
        return bytes(out)


GetRequest = GetRequestNormal | GetRequestNext | GetRequestWithList
GetResponse = GetResponseNormal | GetResponseWithDatablock | GetResponseWithList


def _write_result(out: bytearray, result: Data | DataAccessResult) -> None:
    if isinstance(result, Data):
        out.append(0)
        axdr.write_data(out, result)
    elif result is DataAccessResult.SUCCESS:
        raise LocalProtocolError("a successful GET needs data")
    else:
        out += bytes((1, result))


def _read_result(cursor: Cursor) -> Data | DataAccessResult:
    if not cursor.flag("the choice of Get-Data-Result"):
        return cursor.data()
    return _read_refusal(cursor)


def _read_refusal(cursor: Cursor) -> DataAccessResult:
    result = data_access_result(cursor.u8("a data-access-result"), cursor)
    if result is DataAccessResult.SUCCESS:
        raise cursor.error("a GET that claims success brings no data")
    return result


def _request_normal(cursor: Cursor, invoke: int) -> GetRequest:
    attribute = cursor.attribute()
    return GetRequestNormal(invoke=invoke, attribute=attribute, selection=cursor.selection())


def _request_next(cursor: Cursor, invoke: int) -> GetRequest:
    return GetRequestNext(invoke=invoke, block_number=cursor.u32("a block number"))


def _request_with_list(cursor: Cursor, invoke: int) -> GetRequest:
    attributes = tuple((cursor.attribute(), cursor.selection()) for _ in range(cursor.count()))
    return GetRequestWithList(invoke=invoke, attributes=attributes)


def _response_normal(cursor: Cursor, invoke: int) -> GetResponse:
    cursor.flag("the choice of Get-Data-Result")  # a value took the short way in decode_response
    return GetResponseNormal(invoke=invoke, result=_read_refusal(cursor))


def _response_with_datablock(cursor: Cursor, invoke: int) -> GetResponse:
    last = cursor.u8("last-block") != 0
    if len(cursor.buf) == 5:
        # Seen from an independent meter refusing a block number: C4 02 C1 01 13, nothing but the reason.
        result = data_access_result(cursor.u8("a data-access-result"), cursor)
        return GetResponseWithDatablock(invoke=invoke, last=True, block_number=0, result=result)
    number = cursor.u32("a block number")
    if cursor.flag("the choice of a data block"):
        result = data_access_result(cursor.u8("a data-access-result"), cursor)
        return GetResponseWithDatablock(invoke=invoke, last=last, block_number=number, result=result)
    return GetResponseWithDatablock(invoke=invoke, last=last, block_number=number, raw=cursor.octets())


def _response_with_list(cursor: Cursor, invoke: int) -> GetResponse:
    return GetResponseWithList(
        invoke=invoke, results=tuple(_read_result(cursor) for _ in range(cursor.count()))
    )


_REQUESTS: dict[int, Callable[[Cursor, int], GetRequest]] = {
    1: _request_normal,
    2: _request_next,
    3: _request_with_list,
}
_RESPONSES: dict[int, Callable[[Cursor, int], GetResponse]] = {
    1: _response_normal,
    2: _response_with_datablock,
    3: _response_with_list,
}


def decode_results(raw: bytes, budget: Budget) -> tuple[Data | DataAccessResult, ...]:
    """Read the results of a list that came in blocks. Raises RemoteProtocolError."""
    cursor = Cursor(raw, 0, Work(budget, len(raw)))
    results = tuple(_read_result(cursor) for _ in range(cursor.count()))
    cursor.finish()
    return results


def decode_request(buf: bytes, work: Work) -> GetRequest:
    """Read a GET-Request. Raises RemoteProtocolError."""
    if len(buf) == 13 and buf[1] == 1 and buf[12] == 0:  # by far the most frequent: one whole attribute
        attribute = AttributeDescriptor(buf[3] << 8 | buf[4], buf[5:11], buf[11])
        return GetRequestNormal(invoke=buf[2], attribute=attribute)
    cursor = Cursor(buf, 1, work)
    reader = _REQUESTS.get(cursor.u8("the kind of GET-Request"))
    if reader is None:
        raise RemoteProtocolError(f"unknown kind {buf[1]} of GET-Request", data=buf)
    apdu = reader(cursor, cursor.u8("the invoke id"))
    cursor.finish()
    return apdu


def decode_response(buf: bytes, work: Work) -> GetResponse:
    """Read a GET-Response. Raises RemoteProtocolError."""
    if buf[1:2] == b"\x01" and buf[3:4] == b"\x00":  # by far the most frequent: one value
        data, position = axdr.read_data(buf, 4, work)
        if position == len(buf):
            return GetResponseNormal(invoke=buf[2], data=data)
        raise RemoteProtocolError(f"{len(buf) - position} octets follow the GET-Response", data=buf)
    cursor = Cursor(buf, 1, work)
    reader = _RESPONSES.get(cursor.u8("the kind of GET-Response"))
    if reader is None:
        raise RemoteProtocolError(f"unknown kind {buf[1]} of GET-Response", data=buf)
    apdu = reader(cursor, cursor.u8("the invoke id"))
    cursor.finish()
    return apdu
