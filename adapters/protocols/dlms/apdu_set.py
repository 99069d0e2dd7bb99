"""SET: request and response (Green Book 9.5, tags 193 and 197). Block transfer and lists have their place."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import axdr
from adapters.protocols.dlms.apdu_common import (
    AttributeDescriptor,
    Cursor,
    Invoked,
    SelectiveAccess,
    ServiceNotBuilt,
    data_access_result,
)
from adapters.protocols.dlms.budget import Work
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import DataAccessResult

NOT_BUILT_REQUESTS = {
    2: "SET-Request with-first-datablock",
    3: "SET-Request with-datablock",
    4: "SET-Request with-list",
    5: "SET-Request with-list-and-first-datablock",
}
NOT_BUILT_RESPONSES = {
    2: "SET-Response datablock",
    3: "SET-Response last-datablock",
    4: "SET-Response last-datablock-with-list",
    5: "SET-Response with-list",
}


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
        out += b"\x00" if self.selection is None else b"\x01" + self.selection.encode()
        axdr.write_data(out, self.data)
        return bytes(out)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetResponseNormal(Invoked):
    """What became of a SET."""

    invoke: int
    result: DataAccessResult

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((0xC5, 1, self.invoke, self.result))


def decode_request(buf: bytes, work: Work) -> SetRequestNormal:
    """Read a SET-Request. Raises RemoteProtocolError, ServiceNotBuilt for blocks and lists."""
    cursor = Cursor(buf, 1, work)
    kind = cursor.u8("the kind of SET-Request")
    if kind != 1:
        raise _unreadable(kind, NOT_BUILT_REQUESTS, "SET-Request", buf)
    invoke = cursor.u8("the invoke id")
    attribute = cursor.attribute()
    selection = cursor.selection()
    data = cursor.data()
    cursor.finish()
    return SetRequestNormal(invoke=invoke, attribute=attribute, data=data, selection=selection)


def decode_response(buf: bytes, work: Work) -> SetResponseNormal:
    """Read a SET-Response. Raises RemoteProtocolError, ServiceNotBuilt for blocks and lists."""
    cursor = Cursor(buf, 1, work)
    kind = cursor.u8("the kind of SET-Response")
    if kind != 1:
        raise _unreadable(kind, NOT_BUILT_RESPONSES, "SET-Response", buf)
    invoke = cursor.u8("the invoke id")
    result = data_access_result(cursor.u8("a data-access-result"), cursor)
    cursor.finish()
    return SetResponseNormal(invoke=invoke, result=result)


def _unreadable(kind: int, not_built: dict[int, str], what: str, buf: bytes) -> RemoteProtocolError:
    if kind in not_built:
        return ServiceNotBuilt(not_built[kind], data=buf)
    return RemoteProtocolError(f"unknown kind {kind} of {what}", data=buf)
