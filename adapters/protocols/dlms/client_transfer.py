"""Requests too long for one APDU, and what the client may ask for at all, as it was negotiated."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.apdu_common import DataBlock
from adapters.protocols.dlms.budget import Budget
from adapters.protocols.dlms.client_events import Negotiated, Spoil
from adapters.protocols.dlms.enums import ApduTag, Conformance
from adapters.protocols.dlms.state import Event

_BLOCK_HEAD = 11  # tag, kind, invoke octet, last, number (4), length of the raw data (up to 3)
_FIRST_KIND = {(0xC1, 1): 2, (0xC1, 4): 5, (0xC3, 1): 4, (0xC3, 3): 5}
_NEXT_KIND = {0xC1: 3, 0xC3: 6}
_SERVICE = {
    Event.GET_REQUEST: Conformance.GET,
    Event.SET_REQUEST: Conformance.SET,
    Event.ACTION_REQUEST: Conformance.ACTION,
}
_LONG = {
    Event.SET_REQUEST: Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE,
    Event.ACTION_REQUEST: Conformance.BLOCK_TRANSFER_WITH_ACTION,
}


LONG_OCTETS = 4 << 20
"""What the blocks of one long answer may come to in all."""


class NotGranted(LocalProtocolError):
    """The server did not grant what is asked for in this association; ``what`` names the conformance bits."""

    def __init__(self, what: Conformance) -> None:
        self.what = ", ".join(what.labels())
        super().__init__(f"the server did not grant {self.what} in this association")


def require(granted: Negotiated | None, event: Event, more: Conformance) -> None:
    """Raise NotGranted where the service of ``event``, or ``more``, was not granted.

    A pre-established association has negotiated nothing, so nothing is refused here.
    """
    needs = int(_SERVICE[event]) | int(more)
    if granted is not None and int(granted.conformance) & needs != needs:
        raise NotGranted(Conformance(needs & ~int(granted.conformance)))


def may_split(granted: Negotiated | None, event: Event) -> bool:
    """Return whether a request of this service may go in blocks of its own."""
    return granted is not None and bool(granted.conformance & _LONG.get(event, Conformance(0)))


@dataclass(kw_only=True)
class LongRequest:
    """A SET or ACTION on its way out in blocks. ``number`` is that of the block sent last."""

    tag: int
    first_kind: int
    invoke: int
    reference: bytes
    raw: bytes = field(repr=False)
    room: int
    number: int = 0
    position: int = 0

    @classmethod
    def of(cls, apdu: bytes, reference_end: int, body_at: int, room: int) -> LongRequest:
        """Split ``apdu`` into what it is about and the data, in blocks of at most ``room`` octets.

        Raises LocalProtocolError where not even the first block has room for data.
        """
        reference = apdu[3:reference_end]
        if room <= _BLOCK_HEAD + len(reference):
            raise LocalProtocolError(f"a first block with {len(reference)} octets of references has no room")
        return cls(
            tag=apdu[0],
            first_kind=_FIRST_KIND[apdu[0], apdu[1]],
            invoke=apdu[2],
            reference=reference,
            raw=apdu[body_at:],
            room=room,
        )

    @property
    def is_set(self) -> bool:
        """True for a SET, False for an ACTION."""
        return self.tag == ApduTag.SET_REQUEST

    def next_block(self, skip: int = 0) -> bytes:
        """Return the next block as an APDU; ``skip`` makes its number too high by as much."""
        begins = self.number == 0
        head = self.reference if begins else b""
        size = self.room - _BLOCK_HEAD - len(head)
        piece = self.raw[self.position : self.position + size]
        self.position += len(piece)
        self.number += 1
        block = DataBlock(last=self.position == len(self.raw), number=self.number + skip, raw=piece)
        kind = self.first_kind if begins else _NEXT_KIND[self.tag]
        return bytes((self.tag, kind, self.invoke)) + head + block.encode()

    @property
    def done(self) -> bool:
        """True once the last block is out."""
        return self.position == len(self.raw)


class Collected:
    """The blocks of a long answer, as far as they have come."""

    __slots__ = ("budget", "octets", "pieces")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.pieces: list[bytes] = []
        self.octets = 0

    def __bool__(self) -> bool:
        return bool(self.pieces)

    def forget(self) -> None:
        """Drop what has come."""
        if self.pieces:
            self.pieces = []
        self.octets = 0

    def check(self, number: int, raw: bytes, last: bool) -> None:
        """Raise RemoteProtocolError for a block that does not follow, is empty, or is one too many."""
        expected = len(self.pieces) + 1
        if number != expected:
            raise RemoteProtocolError(f"block {number} where block {expected} is expected")
        if not raw and not last:
            raise RemoteProtocolError(f"block {number} is empty and not the last one")
        octets = self.octets + len(raw)
        if octets > min(self.budget.octets, LONG_OCTETS) or len(self.pieces) >= self.budget.items:
            raise RemoteProtocolError(f"a long answer beyond {octets} octets exceeds the budget")

    def add(self, raw: bytes) -> None:
        """Keep a block that passed ``check``."""
        self.pieces.append(raw)
        self.octets += len(raw)

    def whole(self, raw: bytes) -> bytes:
        """Return all blocks joined, ``raw`` being the last one."""
        return b"".join((*self.pieces, raw))


@dataclass(kw_only=True)
class BlockFlaw:
    """A flaw that shows after the first block. ``about`` is class and logical name, ``event`` the request's.

    ``held`` is the request that goes on with the transfer after another one has come in between.
    """

    spoil: Spoil
    event: Event
    about: bytes
    held: bytes = b""
    held_invoke: int = 0

    def interruption(self, invoke: int) -> bytes:
        """Return a GET of the logical name of the same object: the other request."""
        return bytes((0xC0, 1, invoke)) + self.about + b"\x01\x00"
