"""SET: request and response, normal, by blocks and with a list (Green Book 9.5, tags 193 and 197)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms import axdr
from adapters.protocols.dlms.apdu_common import (
    AttributeDescriptor,
    Cursor,
    DataBlock,
    Invoked,
    SelectiveAccess,
    data_access_result,
    write_selection,
    write_values,
)
from adapters.protocols.dlms.budget import Work
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import DataAccessResult

Reference = tuple[AttributeDescriptor, SelectiveAccess | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class SetRequestNormal(Invoked):
    """Write one attribute."""

    invoke: int
    attribute: AttributeDescriptor
    data: Data
    selection: SelectiveAccess | None = None

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC1, 1, self.invoke)) + self.attribute.encode()
        write_selection(out, self.selection)
        axdr.write_data(out, self.data)
        return bytes(out)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetRequestWithFirstDatablock(Invoked):
    """Begin to write one attribute in blocks; their raw data joined is the encoded value."""

    invoke: int
    attribute: AttributeDescriptor
    block: DataBlock
    selection: SelectiveAccess | None = None

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC1, 2, self.invoke)) + self.attribute.encode()
        write_selection(out, self.selection)
        return bytes(out) + self.block.encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class SetRequestWithDatablock(Invoked):
    """Go on with a SET in blocks."""

    invoke: int
    block: DataBlock

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((0xC1, 3, self.invoke)) + self.block.encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class SetRequestWithList(Invoked):
    """Write several attributes at once, in this order."""

    invoke: int
    attributes: tuple[Reference, ...]
    values: tuple[Data, ...]

    def encode(self) -> bytes:
        """Return the APDU."""
        if len(self.attributes) != len(self.values):
            raise LocalProtocolError(f"{len(self.values)} values for {len(self.attributes)} attributes")
        out = bytearray((0xC1, 4, self.invoke))
        _write_attributes(out, self.attributes)
        write_values(out, self.values)
        return bytes(out)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetRequestWithListAndFirstDatablock(Invoked):
    """Begin to write several attributes in blocks; their raw data joined is the encoded list of values."""

    invoke: int
    attributes: tuple[Reference, ...]
    block: DataBlock

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC1, 5, self.invoke))
        _write_attributes(out, self.attributes)
        return bytes(out) + self.block.encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class SetResponseNormal(Invoked):
    """What became of a SET."""

    invoke: int
    result: DataAccessResult

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((0xC5, 1, self.invoke, self.result))


@dataclass(frozen=True, kw_only=True, slots=True)
class SetResponseDatablock(Invoked):
    """The server took block ``block_number``; the next one may come."""

    invoke: int
    block_number: int

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((0xC5, 2, self.invoke)) + self.block_number.to_bytes(4, "big")


@dataclass(frozen=True, kw_only=True, slots=True)
class SetResponseLastDatablock(Invoked):
    """What became of a SET in blocks, whether it came to its end or not."""

    invoke: int
    result: DataAccessResult
    block_number: int

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((0xC5, 3, self.invoke, self.result)) + self.block_number.to_bytes(4, "big")


@dataclass(frozen=True, kw_only=True, slots=True)
class SetResponseLastDatablockWithList(Invoked):
    """What became of each attribute of a SET with a list in blocks."""

    invoke: int
    results: tuple[DataAccessResult, ...]
    block_number: int

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC5, 4, self.invoke)) + axdr.length_octets(len(self.results))
        return bytes(out) + bytes(self.results) + self.block_number.to_bytes(4, "big")


@dataclass(frozen=True, kw_only=True, slots=True)
class SetResponseWithList(Invoked):
    """What became of each attribute of a SET with a list, in the same order."""

    invoke: int
    results: tuple[DataAccessResult, ...]

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC5, 5, self.invoke)) + axdr.length_octets(len(self.results))
        return bytes(out) + bytes(self.results)


SetRequest = (
    SetRequestNormal
    | SetRequestWithFirstDatablock
    | SetRequestWithDatablock
    | SetRequestWithList
    | SetRequestWithListAndFirstDatablock
)
SetResponse = (
    SetResponseNormal
    | SetResponseDatablock
    | SetResponseLastDatablock
    | SetResponseLastDatablockWithList
    | SetResponseWithList
)


def _write_attributes(out: bytearray, attributes: tuple[Reference, ...]) -> None:
    out += axdr.length_octets(len(attributes))
    for attribute, selection in attributes:
        out += attribute.encode()
        write_selection(out, selection)


def _read_attributes(cursor: Cursor) -> tuple[Reference, ...]:
    return tuple((cursor.attribute(), cursor.selection()) for _ in range(cursor.count()))


def _read_results(cursor: Cursor) -> tuple[DataAccessResult, ...]:
    return tuple(_read_result(cursor) for _ in range(cursor.count()))


def _read_result(cursor: Cursor) -> DataAccessResult:
    return data_access_result(cursor.u8("a data-access-result"), cursor)


def _request_normal(cursor: Cursor, invoke: int) -> SetRequest:
    attribute = cursor.attribute()
    selection = cursor.selection()
    return SetRequestNormal(invoke=invoke, attribute=attribute, data=cursor.data(), selection=selection)


def _request_first_block(cursor: Cursor, invoke: int) -> SetRequest:
    attribute = cursor.attribute()
    selection = cursor.selection()
    return SetRequestWithFirstDatablock(
        invoke=invoke, attribute=attribute, block=cursor.block(), selection=selection
    )


def _request_block(cursor: Cursor, invoke: int) -> SetRequest:
    return SetRequestWithDatablock(invoke=invoke, block=cursor.block())


def _request_list(cursor: Cursor, invoke: int) -> SetRequest:
    attributes = _read_attributes(cursor)
    values = tuple(cursor.data() for _ in range(cursor.count()))
    if len(values) != len(attributes):
        raise cursor.error(f"{len(values)} values for {len(attributes)} attributes")
    return SetRequestWithList(invoke=invoke, attributes=attributes, values=values)


def _request_list_first_block(cursor: Cursor, invoke: int) -> SetRequest:
    attributes = _read_attributes(cursor)
    return SetRequestWithListAndFirstDatablock(invoke=invoke, attributes=attributes, block=cursor.block())


def _response_normal(cursor: Cursor, invoke: int) -> SetResponse:
    return SetResponseNormal(invoke=invoke, result=_read_result(cursor))


def _response_block(cursor: Cursor, invoke: int) -> SetResponse:
    return SetResponseDatablock(invoke=invoke, block_number=cursor.u32("a block number"))


def _response_last_block(cursor: Cursor, invoke: int) -> SetResponse:
    result = _read_result(cursor)
    return SetResponseLastDatablock(invoke=invoke, result=result, block_number=cursor.u32("a block number"))


def _response_last_block_list(cursor: Cursor, invoke: int) -> SetResponse:
    results = _read_results(cursor)
    return SetResponseLastDatablockWithList(
        invoke=invoke, results=results, block_number=cursor.u32("a block number")
    )


def _response_list(cursor: Cursor, invoke: int) -> SetResponse:
    return SetResponseWithList(invoke=invoke, results=_read_results(cursor))


_REQUESTS: dict[int, Callable[[Cursor, int], SetRequest]] = {
    1: _request_normal,
    2: _request_first_block,
    3: _request_block,
    4: _request_list,
    5: _request_list_first_block,
}
_RESPONSES: dict[int, Callable[[Cursor, int], SetResponse]] = {
    1: _response_normal,
    2: _response_block,
    3: _response_last_block,
    4: _response_last_block_list,
    5: _response_list,
}


def decode_request(buf: bytes, work: Work) -> SetRequest:
    """Read a SET-Request. Raises RemoteProtocolError."""
    cursor = Cursor(buf, 1, work)
    reader = _REQUESTS.get(cursor.u8("the kind of SET-Request"))
    if reader is None:
        raise RemoteProtocolError(f"unknown kind {buf[1]} of SET-Request", data=buf)
    apdu = reader(cursor, cursor.u8("the invoke id"))
    cursor.finish()
    return apdu


def decode_response(buf: bytes, work: Work) -> SetResponse:
    """Read a SET-Response. Raises RemoteProtocolError."""
    cursor = Cursor(buf, 1, work)
    reader = _RESPONSES.get(cursor.u8("the kind of SET-Response"))
    if reader is None:
        raise RemoteProtocolError(f"unknown kind {buf[1]} of SET-Response", data=buf)
    apdu = reader(cursor, cursor.u8("the invoke id"))
    cursor.finish()
    return apdu
