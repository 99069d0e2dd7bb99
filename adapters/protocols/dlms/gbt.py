"""General block transfer: whole APDUs, ciphered or not, in numbered blocks (Green Book 9.3.18).

One ``BlockStream`` is one exchange as one end sees it: what it sends and what it receives, each numbered from
1. Both ends run the same code. A block tells the number of the last one that its sender received in order;
the peer goes on behind it, so what was lost is sent again. A run of blocks with the streaming bit is answered
once, after the block without it. A block without data only acknowledges; it has its number like any other.

    stream = BlockStream(size=116, window=4)
    for block in stream.send(apdu): ...           # the first run
    step = stream.receive(decoded)                # step.replies to send, step.whole when the APDU is complete

``window`` 0 confirms nothing: all blocks of an unconfirmed service stream in one run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.apdu_gbt import WINDOW, GeneralBlock
from adapters.protocols.dlms.budget import Budget

WHOLE = Budget(octets=4 << 20)
"""What one APDU carried in blocks may come to."""

_NUMBERS = 0xFFFF
_USELESS = 256  # blocks in a row that bring nothing forward: doubles, or such behind a lost one


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What a block led to: blocks to send now, or the whole APDU. Neither: the peer is not done yet."""

    replies: tuple[bytes, ...] = field(default=(), repr=False)
    whole: bytes | None = field(default=None, repr=False)


class BlockStream:
    """One exchange of APDUs in blocks of ``size`` octets of data; ``window`` is what we take in a row.

    ``at_once`` is the most we send in a row, whatever the peer would take.
    """

    def __init__(self, *, size: int, window: int = 1, at_once: int = WINDOW, budget: Budget = WHOLE) -> None:
        if size < 1 or not 0 <= window <= WINDOW:
            raise LocalProtocolError(f"general blocks of {size} octets, {window} in a row, cannot be")
        self._size, self._window, self._at_once, self._budget = size, window, at_once, budget
        self._out: list[tuple[bytes, bool]] = []  # data and last-block of what we sent, number 1 first
        self._confirmed = 0  # the last of them the peer has
        self._highest = 0  # the last of them that went out at all
        self._all_said = False
        self._peer_window = 1
        self._pieces: list[bytes] = []
        self._octets = 0
        self._received = 0  # the number of the last block received in order
        self._complete = self._delivered = False
        self._useless = 0

    @property
    def octets(self) -> int:
        """How many octets of data have come in order."""
        return self._octets

    def send(self, apdu: bytes, *, unconfirmed: bool = False) -> tuple[bytes, ...]:
        """Return the first run of blocks of ``apdu``; later runs come out of ``receive``.

        Raises LocalProtocolError for an APDU of more blocks than there are numbers.
        """
        pieces = [apdu[at : at + self._size] for at in range(0, len(apdu), self._size)] or [b""]
        if len(self._out) + len(pieces) > _NUMBERS:
            raise LocalProtocolError(f"{len(apdu)} octets do not fit {_NUMBERS} blocks of {self._size}")
        self._out += [(piece, number == len(pieces)) for number, piece in enumerate(pieces, 1)]
        self._all_said = True
        if unconfirmed:
            self._highest = len(self._out)
            return tuple(self._encoded(number, 0) for number in range(1, self._highest + 1))
        return self._run()

    def again(self) -> tuple[bytes, ...]:
        """Return what to send when nothing more comes: an acknowledgement, or the last run once more."""
        if self._confirmed == len(self._out):
            self._acknowledge()
        return self._run()

    def receive(self, block: GeneralBlock) -> Step:
        """Take one block. Raises RemoteProtocolError for numbers that cannot be, and beyond the budget."""
        if block.number == 0:
            raise RemoteProtocolError("the peer gave the general block transfer up")
        if not self._confirmed <= block.acknowledged <= self._highest:
            raise RemoteProtocolError(
                f"block {block.acknowledged} acknowledged where {self._confirmed} to {self._highest} can be"
            )
        progress = block.acknowledged > self._confirmed
        self._confirmed, self._peer_window = block.acknowledged, block.window
        if block.number == self._received + 1:
            self._take(block)
            progress = progress or bool(block.raw)
        self._useless = 0 if progress else self._useless + 1
        if self._useless > _USELESS:
            raise RemoteProtocolError(f"{self._useless} general blocks in a row bring nothing new")
        if block.streaming:
            return Step()
        if self._complete and not self._delivered:
            self._delivered = True
            return Step(whole=b"".join(self._pieces))
        if self._confirmed < len(self._out):
            return Step(replies=self._run())
        if self._complete or (self._all_said and not self._pieces):
            return Step()  # both sides have said all, or the peer is still at work
        self._acknowledge()
        return Step(replies=self._run())

    def _take(self, block: GeneralBlock) -> None:
        if self._complete and block.raw:
            raise RemoteProtocolError(f"general block {block.number} comes after the last one")
        self._octets += len(block.raw)
        if self._octets > self._budget.octets:
            raise RemoteProtocolError(f"an APDU in blocks beyond {self._octets} octets exceeds the budget")
        self._received = block.number
        if block.raw:
            self._pieces.append(block.raw)
        if self._pieces and block.last:
            self._complete = True

    def _acknowledge(self) -> None:
        if len(self._out) == _NUMBERS:
            raise RemoteProtocolError("there are no block numbers left")
        self._out.append((b"", self._all_said))

    def _run(self) -> tuple[bytes, ...]:
        start = self._confirmed + 1
        end = min(self._confirmed + max(1, min(self._peer_window, self._at_once)), len(self._out))
        self._highest = max(self._highest, end)
        return tuple(self._encoded(number, end) for number in range(start, end + 1))

    def _encoded(self, number: int, end: int) -> bytes:
        raw, last = self._out[number - 1]
        return GeneralBlock(
            last=last,
            streaming=number != (end or len(self._out)),
            window=self._window if end else 0,
            number=number,
            acknowledged=self._received,
            raw=raw,
        ).encode()
