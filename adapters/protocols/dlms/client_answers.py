"""What the answers to GET, SET and ACTION mean to a client: whole, in blocks, in lists.

Every answer is judged before anything moves: the state table, the invoke id, the number of the block, the
length of a list. A transfer that goes on makes the next request by itself (``MoreBlocks``).
"""

from __future__ import annotations

from abc import abstractmethod

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import apdu_action, apdu_get, apdu_set, axdr
from adapters.protocols.dlms.apdu_action import (
    ActionOutcome,
    ActionRequestNextPblock,
    ActionResponse,
    ActionResponseNextPblock,
    ActionResponseWithList,
    ActionResponseWithPblock,
)
from adapters.protocols.dlms.apdu_get import GetRequestNext, GetResponseNormal, GetResponseWithDatablock
from adapters.protocols.dlms.apdu_set import (
    SetResponseDatablock,
    SetResponseLastDatablockWithList,
    SetResponseWithList,
)
from adapters.protocols.dlms.budget import Budget, Work
from adapters.protocols.dlms.client_events import (
    ActionAnswered,
    ActionListAnswered,
    ClientEvent,
    GetAnswered,
    GetListAnswered,
    MoreBlocks,
    SetAnswered,
    SetListAnswered,
    Spoil,
    StaleReply,
)
from adapters.protocols.dlms.client_lists import ListRequests
from adapters.protocols.dlms.client_transfer import BlockFlaw, Collected, LongRequest
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult
from adapters.protocols.dlms.gbt import BlockStream
from adapters.protocols.dlms.spoiling import nothing_to_spoil
from adapters.protocols.dlms.state import Event, Role, State, next_state

WAITING = frozenset({State.GETTING, State.SETTING, State.ACTING})
"""States in which the server has the next word."""


class ServiceAnswers(ListRequests):
    """The half of a client association that takes the answers to its services."""

    budget: Budget
    state: State
    _pending: int
    _abandoned: set[int]
    _collected: Collected
    _long: LongRequest | None
    _listed: int
    _raw: bool
    _flaw: BlockFlaw | None
    _stream: BlockStream | None

    @abstractmethod
    def _protected(self, apdu: bytes, spoil: Spoil | None = None) -> bytes: ...

    @abstractmethod
    def _on_proof(self, answer: ActionResponse, ciphered: bool) -> ClientEvent: ...

    def _check_invoke(self, invoke_id: int) -> None:
        if invoke_id != self._pending:
            raise RemoteProtocolError(f"invoke id {invoke_id} where {self._pending} is expected")

    def _stale(self, invoke_id: int) -> bool:
        waiting = self.state in WAITING
        if invoke_id in self._abandoned and not (waiting and invoke_id == self._pending):
            self._abandoned.discard(invoke_id)
            return True
        return False

    def _on_get_response(self, apdu: bytes, ciphered: bool) -> ClientEvent:
        if self._raw and apdu[1:2] == b"\x01" and apdu[3:4] == b"\x00":
            return self._on_raw_value(apdu, ciphered)
        answer = apdu_get.decode_response(apdu, Work(self.budget, len(apdu)))
        invoke_id = answer.invoke & 0x0F
        if self._abandoned and self._stale(invoke_id):
            return StaleReply(invoke_id=invoke_id)
        if isinstance(answer, GetResponseWithDatablock):
            return self._on_block(answer, ciphered)
        after = next_state(Role.CLIENT, self.state, Event.GET_RESPONSE)
        self._check_invoke(invoke_id)
        if isinstance(answer, GetResponseNormal):
            if self._listed and answer.data is not None:
                raise RemoteProtocolError("one value where a list was asked for", data=apdu)
            whole: GetAnswered | GetListAnswered = GetAnswered(
                data=answer.data, result=answer.result, ciphered=ciphered
            )
        else:
            self._check_count(len(answer.results))
            whole = GetListAnswered(results=answer.results, ciphered=ciphered)
        if self._flaw is not None:
            return self._with_flaw_shown(self._flaw, whole, after)
        if self._collected and (isinstance(whole, GetListAnswered) or whole.data is not None):
            raise RemoteProtocolError("a whole value in the middle of a block transfer", data=apdu)
        self._forget_blocks()
        self.state = after
        return whole

    def _on_raw_value(self, apdu: bytes, ciphered: bool) -> ClientEvent:
        invoke_id = apdu[2] & 0x0F
        if self._abandoned and self._stale(invoke_id):
            return StaleReply(invoke_id=invoke_id)
        after = next_state(Role.CLIENT, self.state, Event.GET_RESPONSE)
        self._check_invoke(invoke_id)
        if self._collected:
            raise RemoteProtocolError("a whole value in the middle of a block transfer", data=apdu)
        self.state = after
        return GetAnswered(data=None, octets=bytes(apdu[4:]), ciphered=ciphered)

    def _check_count(self, count: int) -> None:
        if not self._listed:
            raise RemoteProtocolError("a list of values where one was asked for")
        if count != self._listed:
            raise RemoteProtocolError(f"a list of {count} where {self._listed} were asked for")

    def _on_block(self, block: GetResponseWithDatablock, ciphered: bool) -> ClientEvent:
        ends = block.last or block.raw is None
        after = next_state(Role.CLIENT, self.state, Event.GET_RESPONSE if ends else Event.GET_BLOCK)
        self._check_invoke(block.invoke_id)
        if block.raw is None:
            self._forget_blocks()
            self.state = after
            return GetAnswered(data=None, result=block.result, ciphered=ciphered)
        collected = self._collected
        collected.check(block.block_number, block.raw, block.last)
        if block.last:
            whole, count = collected.whole(block.raw), len(collected.pieces) + 1
            told: ClientEvent
            if self._listed:
                results = apdu_get.decode_results(whole, self.budget)
                self._check_count(len(results))
                told = GetListAnswered(results=results, ciphered=ciphered, blocks=count)
            elif self._raw:
                told = GetAnswered(data=None, octets=whole, ciphered=ciphered, blocks=count)
            else:
                data = axdr.decode_data(whole, self.budget)
                told = GetAnswered(data=data, ciphered=ciphered, blocks=count)
            self._forget_blocks()
            self.state = after
            return told
        collected.add(block.raw)
        return self._go_on(after, Event.GET_NEXT, block.block_number, collected.octets)

    def _go_on(self, state: State, event: Event, number: int, octets: int) -> ClientEvent:
        """Return the next block of the request, or ask for the one after ``number`` of the answer."""
        flaw, skip = self._flaw, 0
        if flaw is not None and flaw.spoil is Spoil.WRONG_BLOCK_NUMBER:
            self._flaw, skip = None, 1
        if event is Event.GET_NEXT:
            request = GetRequestNext(invoke=self._pending | 0xC0, block_number=number + skip).encode()
        elif event is Event.ACTION_NEXT:
            request = ActionRequestNextPblock(
                invoke=self._pending | 0xC0, block_number=number + skip
            ).encode()
        else:
            assert self._long is not None
            request, octets = self._long.next_block(skip), self._long.position
        if flaw is not None and flaw.spoil is Spoil.BLOCK_ABORT:
            flaw.held, flaw.held_invoke = request, self._pending
            request = flaw.interruption(self._next_invoke(True))
            self._pending = request[2] & 0x0F
            state, event = next_state(Role.CLIENT, state, Event.GIVEN_UP), Event.GET_REQUEST
        self.state = next_state(Role.CLIENT, state, event)
        return MoreBlocks(reply=self._protected(request), block_number=number, octets=octets)

    def _with_flaw_shown(
        self, flaw: BlockFlaw, answer: GetAnswered | GetListAnswered, after: State
    ) -> ClientEvent:
        """Go on with the transfer that the request just answered has interrupted."""
        self._flaw = None
        if not flaw.held:
            self._forget_blocks()
            self.state = after
            if isinstance(answer, GetAnswered) and answer.data is None:
                return answer  # refused before there was anything to spoil
            raise nothing_to_spoil(flaw.spoil, "an answer that came in one piece")
        self._pending = flaw.held_invoke
        self.state = next_state(Role.CLIENT, after, flaw.event)
        return MoreBlocks(reply=self._protected(flaw.held), block_number=1, octets=0)

    def _forget_blocks(self) -> None:
        self._collected.forget()
        self._long = self._flaw = self._stream = None

    def _on_set_response(self, apdu: bytes, ciphered: bool) -> ClientEvent:
        answer = apdu_set.decode_response(apdu, Work(self.budget, len(apdu)))
        if self._stale(answer.invoke_id):
            return StaleReply(invoke_id=answer.invoke_id)
        if isinstance(answer, SetResponseDatablock):
            after = next_state(Role.CLIENT, self.state, Event.SET_TAKEN)
            self._check_invoke(answer.invoke_id)
            self._check_taken(answer.block_number)
            return self._go_on(after, Event.SET_BLOCK, answer.block_number, 0)
        after = next_state(Role.CLIENT, self.state, Event.SET_RESPONSE)
        self._check_invoke(answer.invoke_id)
        if isinstance(answer, (SetResponseWithList, SetResponseLastDatablockWithList)):
            self._check_count(len(answer.results))
            told: ClientEvent = SetListAnswered(results=answer.results, ciphered=ciphered)
        else:
            succeeded = answer.result is DataAccessResult.SUCCESS
            if succeeded and self._listed:
                raise RemoteProtocolError("one result where a list was written", data=apdu)
            if succeeded and self._long is not None and not self._long.done:
                raise RemoteProtocolError("success before the last block was sent", data=apdu)
            told = SetAnswered(result=answer.result, ciphered=ciphered)
        self._forget_blocks()
        self.state = after
        return told

    def _check_taken(self, number: int) -> None:
        long = self._long
        if long is None or long.done:
            raise RemoteProtocolError("the server waits for a block where there is none to come")
        if number != long.number:
            raise RemoteProtocolError(f"block {number} acknowledged where block {long.number} was sent")

    def _on_action_response(self, apdu: bytes, ciphered: bool) -> ClientEvent:
        answer = apdu_action.decode_response(apdu, Work(self.budget, len(apdu)))
        if self._stale(answer.invoke_id):
            return StaleReply(invoke_id=answer.invoke_id)
        if self.state is State.HLS_PROVING:
            return self._on_proof(answer, ciphered)
        if isinstance(answer, ActionResponseNextPblock):
            after = next_state(Role.CLIENT, self.state, Event.ACTION_TAKEN)
            self._check_invoke(answer.invoke_id)
            self._check_taken(answer.block_number)
            return self._go_on(after, Event.ACTION_BLOCK, answer.block_number, 0)
        if isinstance(answer, ActionResponseWithPblock):
            return self._on_part(answer, ciphered)
        after = next_state(Role.CLIENT, self.state, Event.ACTION_RESPONSE)
        self._check_invoke(answer.invoke_id)
        if isinstance(answer, ActionResponseWithList):
            self._check_count(len(answer.outcomes))
            done: ClientEvent = ActionListAnswered(outcomes=answer.outcomes, ciphered=ciphered)
        else:
            if answer.result is ActionResult.SUCCESS and self._listed:
                raise RemoteProtocolError("one outcome where a list was invoked", data=apdu)
            done = ActionAnswered(
                result=answer.result, data=answer.data, data_result=answer.data_result, ciphered=ciphered
            )
        self._forget_blocks()
        self.state = after
        return done

    def _on_part(self, part: ActionResponseWithPblock, ciphered: bool) -> ClientEvent:
        block, collected = part.block, self._collected
        event = Event.ACTION_RESPONSE if block.last else Event.ACTION_PART
        after = next_state(Role.CLIENT, self.state, event)
        self._check_invoke(part.invoke_id)
        collected.check(block.number, block.raw, block.last)
        if not block.last:
            collected.add(block.raw)
            return self._go_on(after, Event.ACTION_NEXT, block.number, collected.octets)
        whole = collected.whole(block.raw)
        told: ClientEvent
        if self._listed:
            outcomes = apdu_action.decode_outcomes(whole, self.budget)
            self._check_count(len(outcomes))
            told = ActionListAnswered(outcomes=outcomes, ciphered=ciphered)
        else:
            done = _outcome(whole, self.budget)
            told = ActionAnswered(
                result=done.result, data=done.data, data_result=done.data_result, ciphered=ciphered
            )
        self._forget_blocks()
        self.state = after
        return told


def _outcome(whole: bytes, budget: Budget) -> ActionOutcome:
    """Return what the parts of a response make together.

    The standard leaves open whether they hold the result as well or the returned value alone; meters of both
    kinds exist. A value worth cutting does not begin with the zero of success.
    """
    if whole[:1] == b"\x00":
        return apdu_action.decode_outcome(whole, budget)
    try:
        return ActionOutcome(result=ActionResult.SUCCESS, data=axdr.decode_data(whole, budget))
    except RemoteProtocolError:
        return apdu_action.decode_outcome(whole, budget)
