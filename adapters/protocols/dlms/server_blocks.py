"""General block transfer at the server: which answers go out in blocks, and the blocks that come in.

The answer goes out in general blocks where the request came in them, and where it is too long and the
service's own block transfer was not agreed on. Everything else stays as it is without them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from adapters.protocols.dlms.apdu_gbt import HEAD_OCTETS, WINDOW, GeneralBlock
from adapters.protocols.dlms.enums import Conformance
from adapters.protocols.dlms.gbt import BlockStream
from adapters.protocols.dlms.server_open import Granted

_GENERAL = int(Conformance.GENERAL_BLOCK_TRANSFER)
_ANY_GET_BLOCKS = _GENERAL | int(Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ)
_UNLIMITED = 0xFFFF
SERVER_WINDOW = 1
"""How many blocks in a row the server takes: clients send them one by one."""


class GeneralBlocks:
    """The general blocks of one association. ``answer`` carries out a whole APDU."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self._answer = answer
        self.at_once = WINDOW
        self._stream: BlockStream | None = None
        self._first = b""
        self._carried = False  # the APDU being answered came in blocks
        self._run: deque[bytes] = deque()

    def forget(self) -> None:
        """Drop what is under way."""
        self._stream = None
        self._run.clear()

    def following(self) -> bytes | None:
        """Return the next block of the run, None where it is over."""
        return self._run.popleft() if self._run else None

    def limit(self, granted: Granted | None) -> int:
        """Return the longest answer that goes out as it is; 0 where blocks carry any length."""
        if granted is None or self._carried:
            return 0
        # Plain integers: this is asked for every request, and the flag's own operators are slow.
        general = int(granted.response.conformance) & _ANY_GET_BLOCKS == _GENERAL
        return 0 if general else granted.client_max_pdu

    def fitted(self, answer: bytes | None, granted: Granted | None) -> bytes | None:
        """Return ``answer``, or the first general block of it where it is too long."""
        if self._stream is not None:
            self.forget()
        if answer is None or granted is None or len(answer) <= (granted.client_max_pdu or _UNLIMITED):
            return answer
        if not granted.client_max_pdu or not int(granted.response.conformance) & _GENERAL:
            return answer
        self._stream, self._first = self._new(granted), b""
        return self._begin(self._stream.send(answer))

    def received(self, block: GeneralBlock, granted: Granted) -> bytes | None:
        """Take a block and return what answers it. Raises RemoteProtocolError."""
        self._run.clear()
        stream = self._stream
        begins = block.number == 1 and block.acknowledged == 0 and block.raw
        if stream is None or (begins and block.raw != self._first):
            stream, self._first = self._new(granted), block.raw
        self._stream = stream
        step = stream.receive(block)
        if step.whole is None:
            return self._begin(step.replies)
        self._carried = True
        try:
            answer = self._answer(step.whole)
        finally:
            self._carried = False
        if answer is None:
            self.forget()
            return None
        self._stream = stream  # a request that ended the association dropped it
        return self._begin(stream.send(answer))

    def _begin(self, run: tuple[bytes, ...]) -> bytes | None:
        if not run:
            return None
        self._run = deque(run[1:])
        return run[0]

    def _new(self, granted: Granted) -> BlockStream:
        size = (granted.client_max_pdu or _UNLIMITED) - HEAD_OCTETS
        return BlockStream(size=size, window=SERVER_WINDOW, at_once=self.at_once)
