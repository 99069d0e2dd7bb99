"""What a careless release of the MCS301 makes of a SET or an ACTION that comes in blocks.

One method for each way; a release that obeys changes nothing. docs/behaviours/mcs301_negatives.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.apdu import (
    ActionRequestWithFirstPblock,
    ActionRequestWithPblock,
    DataBlock,
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
    SetResponseDatablock,
    SetResponseLastDatablock,
)
from adapters.protocols.dlms.apdu_set import SetRequestWithListAndFirstDatablock
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ApduTag, DataAccessResult, DataType
from adapters.protocols.dlms.server import Request
from adapters.protocols.dlms.server_policy import ServerPolicy
from virtual_rig.world import World

Long = (
    SetRequestWithFirstDatablock
    | SetRequestWithListAndFirstDatablock
    | SetRequestWithDatablock
    | ActionRequestWithFirstPblock
    | ActionRequestWithPblock
)
_FIRST = (SetRequestWithFirstDatablock, SetRequestWithListAndFirstDatablock, ActionRequestWithFirstPblock)
Serve = Callable[[Request], bytes | None]


class CarelessBlocks:
    """The long request under way in one association, as the guards of its defects have to know it.

    ``taken`` holds the blocks the engine has acknowledged, ``lost`` those of a SET that was cut short.
    """

    def __init__(self, world: World, policy: ServerPolicy) -> None:
        self._world, self._policy = world, policy
        self._taken: list[Long] = []
        self._lost: list[Long] = []
        self._standing: Data | None = None

    def other(self) -> None:
        """Another request came in between: the engine forgets what is under way."""
        if self._taken and isinstance(self._taken[0], SetRequestWithFirstDatablock):
            self._lost = self._taken
        self._taken = []

    def serve(self, request: Long, engine: Serve) -> bytes | None:
        """Return the answer to one block; ``engine`` is what obeys."""
        if isinstance(request, _FIRST):
            self._taken, self._lost = [], []
            self._begun(request)
        elif not self._taken and self._lost and not self._world.obeys("DLX-BLK-06"):
            for block in self._lost:  # as if nothing had come in between
                engine(block)
            self._taken, self._lost = self._lost, []
        request = replace(request, block=self._block(request))
        answer = engine(request)
        if answer is None:
            return None
        if answer[:2] in (b"\xc5\x02", b"\xc7\x04"):
            self._taken.append(request)
            return self._acknowledged(request, answer)
        return self._ended(request, answer)

    def _begun(self, request: Long) -> None:
        """Store or do something with the first block already."""
        self._standing = None
        if isinstance(request, SetRequestWithListAndFirstDatablock):
            if not self._world.obeys("DLX-BLK-09"):  # the last value of the list will be as it was
                value = self._policy.get(*request.attributes[-1])
                self._standing = value if isinstance(value, Data) else None
        elif isinstance(request, SetRequestWithFirstDatablock):
            text = request.block.raw
            if text[:1] == bytes((DataType.OCTET_STRING,)) and not self._world.obeys("DLX-BLK-03"):
                self._policy.set(request.attribute, dlms.octet_string(text[2:]), None)
        elif isinstance(request, ActionRequestWithFirstPblock) and not self._world.obeys("DLX-BLK-07"):
            self._policy.action(request.method, None)

    def _block(self, request: Long) -> DataBlock:
        block, number = request.block, len(self._taken) + 1
        by_action = isinstance(request, ActionRequestWithFirstPblock | ActionRequestWithPblock)
        out_of_turn = block.number != number and (self._taken or isinstance(request, _FIRST))
        if out_of_turn and not (
            self._world.obeys("DLX-BLK-08") if by_action else self._world.obeys("DLX-BLK-04")
        ):
            block = replace(block, number=number)
        if block.last and self._taken and not by_action and not self._world.obeys("DLX-BLK-01"):
            stale = self._taken[-1].block.raw  # the end of the buffer is not refreshed
            block = replace(block, raw=(stale * len(block.raw))[: len(block.raw)])
        return block

    def _acknowledged(self, request: Long, answer: bytes) -> bytes:
        """Return what is said to a block that was taken and is not the last."""
        if answer[0] == ApduTag.SET_RESPONSE and not self._world.obeys("DLX-BLK-02"):
            return SetResponseDatablock(invoke=request.invoke, block_number=1).encode()
        return answer

    def _ended(self, request: Long, answer: bytes) -> bytes:
        """Return what is said to the last block, or to one that was refused."""
        taken, self._taken = self._taken, []
        nobody_began = answer[:2] == b"\xc5\x03" and answer[3] == DataAccessResult.NO_LONG_SET_IN_PROGRESS
        if nobody_began and not self._world.obeys("DLX-BLK-05"):
            number, success = request.block.number, DataAccessResult.SUCCESS
            return SetResponseLastDatablock(
                invoke=request.invoke, result=success, block_number=number
            ).encode()
        first = taken[0] if taken else request
        if isinstance(first, SetRequestWithListAndFirstDatablock) and self._standing is not None:
            attribute, selection = first.attributes[-1]
            self._policy.set(attribute, self._standing, selection)
        return answer
