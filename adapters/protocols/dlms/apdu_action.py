"""ACTION: request and response (Green Book 9.5, tags 195 and 199); blocks and lists have their place."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import axdr
from adapters.protocols.dlms.apdu_common import (
    Cursor,
    Invoked,
    MethodDescriptor,
    ServiceNotBuilt,
    action_result,
    data_access_result,
)
from adapters.protocols.dlms.budget import Work
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult

NOT_BUILT_REQUESTS = {
    2: "ACTION-Request next-pblock",
    3: "ACTION-Request with-list",
    4: "ACTION-Request with-first-pblock",
    5: "ACTION-Request with-list-and-first-pblock",
    6: "ACTION-Request with-pblock",
}
NOT_BUILT_RESPONSES = {
    2: "ACTION-Response with-pblock",
    3: "ACTION-Response with-list",
    4: "ACTION-Response next-pblock",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionRequestNormal(Invoked):
    """Invoke one method, with or without a parameter."""

    invoke: int
    method: MethodDescriptor
    data: Data | None = None

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC3, 1, self.invoke)) + self.method.encode()
        out.append(0 if self.data is None else 1)
        if self.data is not None:
            axdr.write_data(out, self.data)
        return bytes(out)


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionResponseNormal(Invoked):
    """What became of an ACTION; ``data`` or, in its place, ``data_result`` is what the method returned."""

    invoke: int
    result: ActionResult
    data: Data | None = None
    data_result: DataAccessResult | None = None

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC7, 1, self.invoke, self.result))
        if self.data is not None:
            out += b"\x01\x00"
            axdr.write_data(out, self.data)
        elif self.data_result is not None:
            out += bytes((1, 1, self.data_result))
        else:
            out.append(0)
        return bytes(out)


def decode_request(buf: bytes, work: Work) -> ActionRequestNormal:
    """Read an ACTION-Request. Raises RemoteProtocolError, ServiceNotBuilt for blocks and lists."""
    cursor = Cursor(buf, 1, work)
    kind = cursor.u8("the kind of ACTION-Request")
    if kind != 1:
        raise _unreadable(kind, NOT_BUILT_REQUESTS, "ACTION-Request", buf)
    invoke = cursor.u8("the invoke id")
    method = cursor.method()
    data = cursor.data() if cursor.flag("method-invocation-parameters") else None
    cursor.finish()
    return ActionRequestNormal(invoke=invoke, method=method, data=data)


def decode_response(buf: bytes, work: Work) -> ActionResponseNormal:
    """Read an ACTION-Response. Raises RemoteProtocolError, ServiceNotBuilt for blocks and lists."""
    cursor = Cursor(buf, 1, work)
    kind = cursor.u8("the kind of ACTION-Response")
    if kind != 1:
        raise _unreadable(kind, NOT_BUILT_RESPONSES, "ACTION-Response", buf)
    invoke = cursor.u8("the invoke id")
    result = action_result(cursor.u8("an action-result"), cursor)
    data: Data | None = None
    data_result: DataAccessResult | None = None
    if cursor.flag("return-parameters"):
        if cursor.flag("the choice of Get-Data-Result"):
            data_result = data_access_result(cursor.u8("a data-access-result"), cursor)
        else:
            data = cursor.data()
    cursor.finish()
    return ActionResponseNormal(invoke=invoke, result=result, data=data, data_result=data_result)


def _unreadable(kind: int, not_built: dict[int, str], what: str, buf: bytes) -> RemoteProtocolError:
    if kind in not_built:
        return ServiceNotBuilt(not_built[kind], data=buf)
    return RemoteProtocolError(f"unknown kind {kind} of {what}", data=buf)
