"""GET at the server: one value, a list, and a value too long for one APDU, sent in blocks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from adapters.errors import LocalProtocolError
from adapters.protocols.dlms.apdu import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithDatablock,
    GetResponseWithList,
)
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import Conformance, DataAccessResult
from adapters.protocols.dlms.server_policy import ServerPolicy

_NORMAL_HEAD = 4  # tag, kind, invoke octet, choice: what a value has in front of it in a normal response
_LIST_HEAD = 3  # tag, kind, invoke octet: a list's own count belongs to the raw data of blocks
_BLOCK_HEAD = 12  # tag, kind, invoke octet, last, number (4), choice, length of the raw data (up to 3)


@dataclass(frozen=True, kw_only=True)
class LongGet:
    """What is left of a long value. ``number`` is that of the block sent last."""

    whole: bytes = field(repr=False)
    sent: int  # octets
    number: int
    size: int


def answer_get(
    request: GetRequestNormal | GetRequestNext | GetRequestWithList,
    policy: ServerPolicy,
    long_get: LongGet | None,
    *,
    max_pdu: int,
    conformance: Conformance,
    overhead: int = 0,
) -> tuple[bytes, LongGet | None]:
    """Return the response and what remains to be fetched in blocks.

    ``max_pdu`` is the longest APDU the client takes (0: no limit), ``overhead`` what ciphering adds.
    """
    if isinstance(request, GetRequestNext):
        return _next_block(request, long_get)
    if isinstance(request, GetRequestNormal):
        value = policy.get(request.attribute, request.selection)
        head = _NORMAL_HEAD
        if isinstance(value, DataAccessResult):
            return GetResponseNormal(invoke=request.invoke, result=value).encode(), None
        try:
            whole = GetResponseNormal(invoke=request.invoke, data=value).encode()
        except LocalProtocolError:  # the device holds a value that its type cannot carry
            return _no_value(request.invoke, DataAccessResult.HARDWARE_FAULT)
    else:
        if not conformance & Conformance.MULTIPLE_REFERENCES:
            return _no_value(request.invoke, DataAccessResult.OTHER_REASON)
        results: tuple[Data | DataAccessResult, ...] = tuple(
            policy.get(attribute, selection) for attribute, selection in request.attributes
        )
        head = _LIST_HEAD
        try:
            whole = GetResponseWithList(invoke=request.invoke, results=results).encode()
        except LocalProtocolError:
            return _no_value(request.invoke, DataAccessResult.HARDWARE_FAULT)
    if max_pdu == 0 or len(whole) + overhead <= max_pdu:
        return whole, None
    if not conformance & Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ:
        return _no_value(request.invoke, DataAccessResult.OTHER_REASON)
    # The raw data of the blocks joined is what the one response would have carried after its head.
    return _block(
        request.invoke, LongGet(whole=whole[head:], sent=0, number=0, size=max_pdu - overhead - _BLOCK_HEAD)
    )


def _next_block(request: GetRequestNext, long_get: LongGet | None) -> tuple[bytes, LongGet | None]:
    if long_get is None:
        return _no_value(request.invoke, DataAccessResult.NO_LONG_GET_IN_PROGRESS)
    if request.block_number != long_get.number:
        refusal = GetResponseWithDatablock(
            invoke=request.invoke,
            last=True,
            block_number=request.block_number,
            result=DataAccessResult.DATA_BLOCK_NUMBER_INVALID,
        )
        return refusal.encode(), None
    return _block(request.invoke, long_get)


def _block(invoke: int, left: LongGet) -> tuple[bytes, LongGet | None]:
    sent, number = min(left.sent + left.size, len(left.whole)), left.number + 1
    last = sent == len(left.whole)
    response = GetResponseWithDatablock(
        invoke=invoke, last=last, block_number=number, raw=left.whole[left.sent : sent]
    )
    return response.encode(), None if last else replace(left, sent=sent, number=number)


def _no_value(invoke: int, result: DataAccessResult) -> tuple[bytes, None]:
    return GetResponseNormal(invoke=invoke, result=result).encode(), None
