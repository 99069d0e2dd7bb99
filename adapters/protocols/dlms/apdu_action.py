"""ACTION: request and response, normal, by blocks and with a list (Green Book 9.5, tags 195 and 199).

What the raw data of the blocks joined holds: of a request the parameter (of a list: the list of them), of a
response what the whole response would have carried after its head, results and returned values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms import axdr
from adapters.protocols.dlms.apdu_common import (
    Cursor,
    DataBlock,
    Invoked,
    MethodDescriptor,
    action_result,
    data_access_result,
    write_values,
)
from adapters.protocols.dlms.budget import Budget, Work
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionOutcome:
    """What became of one method; ``data`` or, in its place, ``data_result`` is what it returned."""

    result: ActionResult
    data: Data | None = None
    data_result: DataAccessResult | None = None

    def write(self, out: bytearray) -> None:
        """Append the encoding (Action-Response-With-Optional-Data)."""
        out.append(self.result)
        if self.data is not None:
            out += b"\x01\x00"
            axdr.write_data(out, self.data)
        elif self.data_result is not None:
            out += bytes((1, 1, self.data_result))
        else:
            out.append(0)


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
class ActionRequestNextPblock(Invoked):
    """Ask for the block of the response after ``block_number``, the last one received."""

    invoke: int
    block_number: int

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((0xC3, 2, self.invoke)) + self.block_number.to_bytes(4, "big")


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionRequestWithList(Invoked):
    """Invoke several methods, in this order; null-data stands for no parameter."""

    invoke: int
    methods: tuple[MethodDescriptor, ...]
    values: tuple[Data, ...]

    def encode(self) -> bytes:
        """Return the APDU."""
        if len(self.methods) != len(self.values):
            raise LocalProtocolError(f"{len(self.values)} parameters for {len(self.methods)} methods")
        out = bytearray((0xC3, 3, self.invoke))
        _write_methods(out, self.methods)
        write_values(out, self.values)
        return bytes(out)


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionRequestWithFirstPblock(Invoked):
    """Begin to invoke a method whose parameter comes in blocks."""

    invoke: int
    method: MethodDescriptor
    block: DataBlock

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((0xC3, 4, self.invoke)) + self.method.encode() + self.block.encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionRequestWithListAndFirstPblock(Invoked):
    """Begin to invoke several methods whose parameters come in blocks."""

    invoke: int
    methods: tuple[MethodDescriptor, ...]
    block: DataBlock

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC3, 5, self.invoke))
        _write_methods(out, self.methods)
        return bytes(out) + self.block.encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionRequestWithPblock(Invoked):
    """Go on with an ACTION whose parameter comes in blocks."""

    invoke: int
    block: DataBlock

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((0xC3, 6, self.invoke)) + self.block.encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionResponseNormal(Invoked):
    """What became of an ACTION; ``data`` or, in its place, ``data_result`` is what the method returned."""

    invoke: int
    result: ActionResult
    data: Data | None = None
    data_result: DataAccessResult | None = None

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC7, 1, self.invoke))
        ActionOutcome(result=self.result, data=self.data, data_result=self.data_result).write(out)
        return bytes(out)


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionResponseWithPblock(Invoked):
    """One block of a long response."""

    invoke: int
    block: DataBlock

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((0xC7, 2, self.invoke)) + self.block.encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionResponseWithList(Invoked):
    """What became of each method of an ACTION with a list, in the same order."""

    invoke: int
    outcomes: tuple[ActionOutcome, ...]

    def encode(self) -> bytes:
        """Return the APDU."""
        out = bytearray((0xC7, 3, self.invoke)) + axdr.length_octets(len(self.outcomes))
        for outcome in self.outcomes:
            outcome.write(out)
        return bytes(out)


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionResponseNextPblock(Invoked):
    """The server took block ``block_number`` of the parameter; the next one may come."""

    invoke: int
    block_number: int

    def encode(self) -> bytes:
        """Return the APDU."""
        return bytes((0xC7, 4, self.invoke)) + self.block_number.to_bytes(4, "big")


ActionRequest = (
    ActionRequestNormal
    | ActionRequestNextPblock
    | ActionRequestWithList
    | ActionRequestWithFirstPblock
    | ActionRequestWithListAndFirstPblock
    | ActionRequestWithPblock
)
ActionResponse = (
    ActionResponseNormal | ActionResponseWithPblock | ActionResponseWithList | ActionResponseNextPblock
)


def _write_methods(out: bytearray, methods: tuple[MethodDescriptor, ...]) -> None:
    out += axdr.length_octets(len(methods))
    for method in methods:
        out += method.encode()


def _read_methods(cursor: Cursor) -> tuple[MethodDescriptor, ...]:
    return tuple(cursor.method() for _ in range(cursor.count()))


def read_outcome(cursor: Cursor) -> ActionOutcome:
    """Read one Action-Response-With-Optional-Data. Raises RemoteProtocolError."""
    result = action_result(cursor.u8("an action-result"), cursor)
    if not cursor.flag("return-parameters"):
        return ActionOutcome(result=result)
    if cursor.flag("the choice of Get-Data-Result"):
        refusal = data_access_result(cursor.u8("a data-access-result"), cursor)
        return ActionOutcome(result=result, data_result=refusal)
    return ActionOutcome(result=result, data=cursor.data())


def _request_normal(cursor: Cursor, invoke: int) -> ActionRequest:
    method = cursor.method()
    data = cursor.data() if cursor.flag("method-invocation-parameters") else None
    return ActionRequestNormal(invoke=invoke, method=method, data=data)


def _request_next(cursor: Cursor, invoke: int) -> ActionRequest:
    return ActionRequestNextPblock(invoke=invoke, block_number=cursor.u32("a block number"))


def _request_list(cursor: Cursor, invoke: int) -> ActionRequest:
    methods = _read_methods(cursor)
    values = tuple(cursor.data() for _ in range(cursor.count()))
    if len(values) != len(methods):
        raise cursor.error(f"{len(values)} parameters for {len(methods)} methods")
    return ActionRequestWithList(invoke=invoke, methods=methods, values=values)


def _request_first_block(cursor: Cursor, invoke: int) -> ActionRequest:
    method = cursor.method()
    return ActionRequestWithFirstPblock(invoke=invoke, method=method, block=cursor.block())


def _request_list_first_block(cursor: Cursor, invoke: int) -> ActionRequest:
    methods = _read_methods(cursor)
    return ActionRequestWithListAndFirstPblock(invoke=invoke, methods=methods, block=cursor.block())


def _request_block(cursor: Cursor, invoke: int) -> ActionRequest:
    return ActionRequestWithPblock(invoke=invoke, block=cursor.block())


def _response_normal(cursor: Cursor, invoke: int) -> ActionResponse:
    outcome = read_outcome(cursor)
    return ActionResponseNormal(
        invoke=invoke, result=outcome.result, data=outcome.data, data_result=outcome.data_result
    )


def _response_block(cursor: Cursor, invoke: int) -> ActionResponse:
    return ActionResponseWithPblock(invoke=invoke, block=cursor.block())


def _response_list(cursor: Cursor, invoke: int) -> ActionResponse:
    return ActionResponseWithList(
        invoke=invoke, outcomes=tuple(read_outcome(cursor) for _ in range(cursor.count()))
    )


def _response_next(cursor: Cursor, invoke: int) -> ActionResponse:
    return ActionResponseNextPblock(invoke=invoke, block_number=cursor.u32("a block number"))


_REQUESTS: dict[int, Callable[[Cursor, int], ActionRequest]] = {
    1: _request_normal,
    2: _request_next,
    3: _request_list,
    4: _request_first_block,
    5: _request_list_first_block,
    6: _request_block,
}
_RESPONSES: dict[int, Callable[[Cursor, int], ActionResponse]] = {
    1: _response_normal,
    2: _response_block,
    3: _response_list,
    4: _response_next,
}


def decode_outcome(raw: bytes, budget: Budget) -> ActionOutcome:
    """Read the outcome of one method that came in blocks. Raises RemoteProtocolError."""
    cursor = Cursor(raw, 0, Work(budget, len(raw)))
    outcome = read_outcome(cursor)
    cursor.finish()
    return outcome


def decode_outcomes(raw: bytes, budget: Budget) -> tuple[ActionOutcome, ...]:
    """Read the outcomes of a list that came in blocks. Raises RemoteProtocolError."""
    cursor = Cursor(raw, 0, Work(budget, len(raw)))
    outcomes = tuple(read_outcome(cursor) for _ in range(cursor.count()))
    cursor.finish()
    return outcomes


def decode_request(buf: bytes, work: Work) -> ActionRequest:
    """Read an ACTION-Request. Raises RemoteProtocolError."""
    cursor = Cursor(buf, 1, work)
    reader = _REQUESTS.get(cursor.u8("the kind of ACTION-Request"))
    if reader is None:
        raise RemoteProtocolError(f"unknown kind {buf[1]} of ACTION-Request", data=buf)
    apdu = reader(cursor, cursor.u8("the invoke id"))
    cursor.finish()
    return apdu


def decode_response(buf: bytes, work: Work) -> ActionResponse:
    """Read an ACTION-Response. Raises RemoteProtocolError."""
    cursor = Cursor(buf, 1, work)
    reader = _RESPONSES.get(cursor.u8("the kind of ACTION-Response"))
    if reader is None:
        raise RemoteProtocolError(f"unknown kind {buf[1]} of ACTION-Response", data=buf)
    apdu = reader(cursor, cursor.u8("the invoke id"))
    cursor.finish()
    return apdu
