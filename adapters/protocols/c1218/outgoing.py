"""What one end has to send: the packets of a message, one at a time, each until it is acknowledged."""

from __future__ import annotations

from collections import deque

from adapters.protocols.c1218.messages import Piece
from adapters.protocols.c1218.packets import TOGGLE, encode_packet
from adapters.protocols.c1218.spoiling import Spoil, nothing_to_spoil, spoiled


class Outgoing:
    """The message under way, and the toggle bit of one direction.

    ``current`` is the packet that is not acknowledged yet, empty when there is none; ``repeated`` how often
    it has been sent again; ``refused`` whether the last thing heard of it was a NAK.
    """

    __slots__ = ("_identity", "_sent_any", "_toggle", "_unsent", "current", "refused", "repeated")

    def __init__(self) -> None:
        self.current = b""
        self.repeated = 0
        self.refused = False
        self._identity = 0
        self._toggle = 0  # of the next packet
        self._sent_any = False
        self._unsent: deque[Piece] = deque()

    def check(self, spoil: Spoil | None) -> None:
        """Raise LocalProtocolError for a flaw that would not show."""
        if spoil is Spoil.WRONG_TOGGLE and not self._sent_any:
            raise nothing_to_spoil(spoil, "the first packet, which follows none")

    def begin(self, pieces: list[Piece], identity: int, spoil: Spoil | None = None) -> bytes:
        """Begin with a message; return its first packet as it goes out."""
        self._unsent.clear()
        if len(pieces) > 1:
            self._unsent.extend(pieces[1:])
        self._identity = identity
        if spoil is Spoil.WRONG_TOGGLE:
            self._toggle ^= TOGGLE
        packet = self._next(*pieces[0])
        return packet if spoil is None else spoiled(packet, spoil)

    def acknowledged(self) -> bytes:
        """Return the packet to send next, now that the current one has arrived; empty at the end."""
        if self._unsent:
            return self._next(*self._unsent.popleft())
        self.current = b""
        return b""

    def again(self) -> bytes:
        """Return the current packet once more."""
        self.repeated += 1
        return self.current

    def clear(self) -> None:
        """Forget the message. The next one still gets the other toggle bit."""
        self.current = b""
        self._unsent.clear()

    def _next(self, control: int, number: int, data: bytes) -> bytes:
        packet = encode_packet(data, control=control | self._toggle, sequence=number, identity=self._identity)
        self._toggle ^= TOGGLE
        self._sent_any = True
        self.current, self.repeated, self.refused = packet, 0, False
        return packet
