"""SET and ACTION at the server: one object, a list, a value in blocks, and an answer too long for one APDU.

The policy never sees a block: it is handed each value whole, lists item by item in the order they came.

What is answered to a block that does not fit:

    a SET block nobody began              no-long-set-in-progress
    a SET block with a wrong number       data-block-number-invalid, and the transfer is over
    too much, empty, or no value in it    long-set-aborted
    an ACTION block nobody began, or a    no-long-action-in-progress
      part of a response nobody waits for
    an ACTION block with a wrong number,
      too much, empty, no value in it     long-action-aborted (ACTION has no word for a wrong number)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import axdr
from adapters.protocols.dlms.apdu import (
    ActionOutcome,
    ActionRequest,
    ActionRequestNextPblock,
    ActionRequestNormal,
    ActionRequestWithFirstPblock,
    ActionRequestWithList,
    ActionRequestWithListAndFirstPblock,
    ActionRequestWithPblock,
    ActionResponseNextPblock,
    ActionResponseNormal,
    ActionResponseWithList,
    ActionResponseWithPblock,
    DataBlock,
    MethodDescriptor,
    SetRequest,
    SetRequestNormal,
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
    SetRequestWithList,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseLastDatablockWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from adapters.protocols.dlms.apdu_common import Cursor
from adapters.protocols.dlms.apdu_set import Reference, SetRequestWithListAndFirstDatablock
from adapters.protocols.dlms.budget import Budget, Work
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, Conformance, DataAccessResult, DataType
from adapters.protocols.dlms.server_policy import ServerPolicy
from adapters.protocols.dlms.state import Event

LONG = Budget(octets=4 << 20)
"""What one long SET or ACTION may bring in all."""

_BLOCK_HEAD = 11  # tag, kind, invoke octet, last, number (4), length of the raw data (up to 3)
_LONG_SET, _LONG_ACTION = Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE, Conformance.BLOCK_TRANSFER_WITH_ACTION
_LIST = Conformance.MULTIPLE_REFERENCES
_NEEDS: dict[type, Conformance] = {
    SetRequestWithFirstDatablock: _LONG_SET,
    SetRequestWithDatablock: _LONG_SET,
    SetRequestWithList: _LIST,
    SetRequestWithListAndFirstDatablock: _LONG_SET | _LIST,
    ActionRequestNextPblock: _LONG_ACTION,
    ActionRequestWithList: _LIST,
    ActionRequestWithFirstPblock: _LONG_ACTION,
    ActionRequestWithListAndFirstPblock: _LONG_ACTION | _LIST,
    ActionRequestWithPblock: _LONG_ACTION,
}

First = (
    SetRequestWithFirstDatablock
    | SetRequestWithListAndFirstDatablock
    | ActionRequestWithFirstPblock
    | ActionRequestWithListAndFirstPblock
)
Act = Callable[[MethodDescriptor, Data | None], ActionOutcome]


def granted(request: SetRequest | ActionRequest, conformance: Conformance) -> bool:
    """Return whether this kind of SET or ACTION was negotiated (the service itself is another matter)."""
    needs = _NEEDS.get(type(request), Conformance(0))
    return conformance & needs == needs


class _Aborted(Exception):
    """The transfer ends here; ``wrong_number`` where that is why."""

    def __init__(self, *, wrong_number: bool = False) -> None:
        super().__init__()
        self.wrong_number = wrong_number


@dataclass(kw_only=True)
class _Incoming:
    """A long request on its way in. ``number`` is that of the last block taken."""

    first: First
    budget: Budget
    pieces: list[bytes] = field(default_factory=list, repr=False)
    octets: int = 0
    number: int = 0

    def take(self, block: DataBlock) -> None:
        if block.number != self.number + 1:
            raise _Aborted(wrong_number=True)
        self.octets += len(block.raw)
        if not block.raw or self.octets > self.budget.octets or self.number >= self.budget.items:
            raise _Aborted
        self.pieces.append(block.raw)
        self.number = block.number

    def values(self, count: int | None) -> tuple[Data, ...]:
        """Return the value, or the ``count`` values of a list."""
        raw = b"".join(self.pieces)
        try:
            if count is None:
                return (axdr.decode_data(raw, self.budget),)
            cursor = Cursor(raw, 0, Work(self.budget, len(raw)))
            values = tuple(cursor.data() for _ in range(cursor.count()))
            cursor.finish()
        except RemoteProtocolError:
            raise _Aborted from None
        if len(values) != count:
            raise _Aborted
        return values


@dataclass(kw_only=True)
class _Outgoing:
    """A long response on its way out. ``number`` is that of the block sent last."""

    rest: bytes = field(repr=False)
    size: int
    number: int = 0


class Transfers:
    """The SETs and ACTIONs of one association, and what of them is under way."""

    def __init__(self, policy: ServerPolicy, act: Act, budget: Budget = LONG) -> None:
        self.policy, self._act, self._budget = policy, act, budget
        self._incoming: _Incoming | None = None
        self._outgoing: _Outgoing | None = None

    @property
    def under_way(self) -> Event | None:
        """What the last answer was, where it was not the end of a service."""
        if self._incoming is not None:
            is_set = isinstance(
                self._incoming.first, (SetRequestWithFirstDatablock, SetRequestWithListAndFirstDatablock)
            )
            return Event.SET_TAKEN if is_set else Event.ACTION_TAKEN
        return Event.ACTION_PART if self._outgoing is not None else None

    def forget(self) -> None:
        """Drop what is under way; the values that came so far were never shown to the policy."""
        self._incoming = self._outgoing = None

    # --- SET ---------------------------------------------------------------------------------------------

    def set(self, request: SetRequest) -> bytes:
        """Carry out a SET, or one block of it, and return the response."""
        invoke = request.invoke
        if isinstance(request, SetRequestNormal):
            self.forget()
            return SetResponseNormal(
                invoke=invoke, result=self.policy.set(request.attribute, request.data, request.selection)
            ).encode()
        if isinstance(request, SetRequestWithList):
            self.forget()
            return SetResponseWithList(
                invoke=invoke, results=self._set_all(request.attributes, request.values)
            ).encode()
        block = request.block
        if not isinstance(request, SetRequestWithDatablock):
            self._incoming, self._outgoing = _Incoming(first=request, budget=self._budget), None
        incoming = self._incoming
        if incoming is None or self.under_way is not Event.SET_TAKEN:
            self.forget()
            return self._set_ended(invoke, block, DataAccessResult.NO_LONG_SET_IN_PROGRESS)
        try:
            incoming.take(block)
            if not block.last:
                return SetResponseDatablock(invoke=invoke, block_number=block.number).encode()
            self._incoming = None
            return self._set_whole(invoke, block, incoming)
        except _Aborted as aborted:
            self.forget()
            wrong, other = DataAccessResult.DATA_BLOCK_NUMBER_INVALID, DataAccessResult.LONG_SET_ABORTED
            return self._set_ended(invoke, block, wrong if aborted.wrong_number else other)

    def _set_whole(self, invoke: int, block: DataBlock, incoming: _Incoming) -> bytes:
        first = incoming.first
        if isinstance(first, SetRequestWithListAndFirstDatablock):
            values = incoming.values(len(first.attributes))
            results = self._set_all(first.attributes, values)
            return SetResponseLastDatablockWithList(
                invoke=invoke, results=results, block_number=block.number
            ).encode()
        assert isinstance(first, SetRequestWithFirstDatablock)
        (value,) = incoming.values(None)
        done = self.policy.set(first.attribute, value, first.selection)
        return self._set_ended(invoke, block, done)

    def _set_all(
        self, references: tuple[Reference, ...], values: tuple[Data, ...]
    ) -> tuple[DataAccessResult, ...]:
        return tuple(
            self.policy.set(attribute, value, selection)
            for (attribute, selection), value in zip(references, values, strict=True)
        )

    @staticmethod
    def _set_ended(invoke: int, block: DataBlock, result: DataAccessResult) -> bytes:
        return SetResponseLastDatablock(invoke=invoke, result=result, block_number=block.number).encode()

    # --- ACTION ------------------------------------------------------------------------------------------

    def action(self, request: ActionRequest, *, room: int, long: bool) -> bytes:
        """Carry out an ACTION, or one block of it, and return the response.

        ``room`` is the longest plain APDU the client takes (0: no limit); ``long`` tells whether a longer
        response may go out in blocks.
        """
        invoke = request.invoke
        if isinstance(request, ActionRequestNextPblock):
            return self._next_part(request)
        if isinstance(request, (ActionRequestNormal, ActionRequestWithList)):
            self.forget()
            if isinstance(request, ActionRequestNormal):
                return self._one(invoke, self._act(request.method, request.data), room, long)
            return self._many(invoke, self._act_all(request.methods, request.values), room, long)
        block = request.block
        if not isinstance(request, ActionRequestWithPblock):
            self._incoming, self._outgoing = _Incoming(first=request, budget=self._budget), None
        incoming = self._incoming
        if incoming is None or self.under_way is not Event.ACTION_TAKEN:
            self.forget()
            return _no_action(invoke, ActionResult.NO_LONG_ACTION_IN_PROGRESS)
        try:
            incoming.take(block)
            if not block.last:
                return ActionResponseNextPblock(invoke=invoke, block_number=block.number).encode()
            self._incoming, first = None, incoming.first
            if isinstance(first, ActionRequestWithListAndFirstPblock):
                values = incoming.values(len(first.methods))
                return self._many(invoke, self._act_all(first.methods, values), room, long)
            assert isinstance(first, ActionRequestWithFirstPblock)
            (value,) = incoming.values(None)
            return self._one(invoke, self._act(first.method, value), room, long)
        except _Aborted:
            self.forget()
            return _no_action(invoke, ActionResult.LONG_ACTION_ABORTED)

    def _act_all(
        self, methods: tuple[MethodDescriptor, ...], values: tuple[Data, ...]
    ) -> tuple[ActionOutcome, ...]:
        return tuple(
            self._act(method, None if value.tag is DataType.NULL_DATA else value)
            for method, value in zip(methods, values, strict=True)
        )

    def _one(self, invoke: int, outcome: ActionOutcome, room: int, long: bool) -> bytes:
        whole = _normal(invoke, outcome)
        if not room or len(whole) <= room:
            return whole
        if not long:
            return _normal(invoke, _too_long(outcome))
        return self._in_parts(invoke, whole[3:], room)

    def _many(self, invoke: int, outcomes: tuple[ActionOutcome, ...], room: int, long: bool) -> bytes:
        whole = ActionResponseWithList(invoke=invoke, outcomes=outcomes).encode()
        if not room or len(whole) <= room:
            return whole
        if not long:
            short = tuple(_too_long(outcome) for outcome in outcomes)
            return ActionResponseWithList(invoke=invoke, outcomes=short).encode()
        return self._in_parts(invoke, whole[3:], room)

    def _in_parts(self, invoke: int, raw: bytes, room: int) -> bytes:
        self._outgoing = _Outgoing(rest=raw, size=room - _BLOCK_HEAD)
        return self._part(invoke, self._outgoing)

    def _next_part(self, request: ActionRequestNextPblock) -> bytes:
        outgoing = self._outgoing
        if outgoing is None:
            self.forget()
            return _no_action(request.invoke, ActionResult.NO_LONG_ACTION_IN_PROGRESS)
        if request.block_number != outgoing.number:
            self.forget()
            return _no_action(request.invoke, ActionResult.LONG_ACTION_ABORTED)
        return self._part(request.invoke, outgoing)

    def _part(self, invoke: int, outgoing: _Outgoing) -> bytes:
        piece, outgoing.rest = outgoing.rest[: outgoing.size], outgoing.rest[outgoing.size :]
        outgoing.number += 1
        block = DataBlock(last=not outgoing.rest, number=outgoing.number, raw=piece)
        if block.last:
            self._outgoing = None
        return ActionResponseWithPblock(invoke=invoke, block=block).encode()


def _normal(invoke: int, outcome: ActionOutcome) -> bytes:
    return ActionResponseNormal(
        invoke=invoke, result=outcome.result, data=outcome.data, data_result=outcome.data_result
    ).encode()


def _no_action(invoke: int, result: ActionResult) -> bytes:
    return ActionResponseNormal(invoke=invoke, result=result).encode()


def _too_long(outcome: ActionOutcome) -> ActionOutcome:
    """Return ``outcome`` without what it returned: the method was carried out, its answer has no room."""
    if outcome.data is None:
        return outcome
    return ActionOutcome(result=outcome.result, data_result=DataAccessResult.DATA_BLOCK_UNAVAILABLE)
