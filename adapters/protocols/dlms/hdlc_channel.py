"""The numbered channel of one HDLC connection: segments, windows, sequence numbers modulo 8.

Knows nothing of roles, addresses and who may talk: an engine asks for the frames that may go out now and
hands over the numbers of the frames that came in. APDUs are cut into segments with the LLC octets in front
of the first (IEC 62056-46 6.2.1) and joined again; a repeated segment is recognised, a missing one noticed.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from adapters.protocols.dlms.hdlc_frame import POLL_FINAL, encode_frame
from adapters.protocols.dlms.link import LinkParameters


class Taken(Enum):
    """What became of a received I frame."""

    APDU = "completes an APDU"
    SEGMENT = "more segments follow"
    DUPLICATE = "received before"
    GAP = "a frame is missing before it"
    OVERFLOW = "the APDU grows beyond what we take"


class NumberedChannel:
    """Both directions of the I frames of one connection."""

    __slots__ = (
        "_addresses",
        "_llc",
        "_max_apdu",
        "_max_transmit",
        "_pieces",
        "_pieces_octets",
        "_unsent",
        "_window_receive",
        "_window_transmit",
        "acknowledged",
        "peer_busy",
        "receive_next",
        "unacknowledged",
    )

    def __init__(self, *, addresses: bytes, llc: bytes, parameters: LinkParameters, max_apdu: int) -> None:
        self._addresses = addresses
        self._llc = llc
        self._max_apdu = max_apdu
        self._max_transmit = parameters.max_info_transmit
        self._window_transmit = parameters.window_transmit
        self._window_receive = parameters.window_receive
        self._unsent: deque[tuple[bytes, bool]] = deque()
        self._pieces: list[bytes] = []
        self._pieces_octets = 0
        self.unacknowledged: deque[tuple[bytes, bool]] = deque()
        self.acknowledged = 0  # V(A): the oldest number the peer has not acknowledged
        self.receive_next = 0  # V(R): the number we expect next
        self.peer_busy = False

    @property
    def reassembling(self) -> bool:
        """True in the middle of a segmented APDU."""
        return bool(self._pieces)

    @property
    def unfinished(self) -> bool:
        """True while segments of ours are unsent or unacknowledged."""
        return bool(self._unsent or self.unacknowledged)

    def queue(self, apdu: bytes) -> None:
        """Line up an APDU, cut into segments."""
        unit = self._llc + apdu
        size = self._max_transmit
        if len(unit) <= size:
            self._unsent.append((unit, False))
            return
        last = (len(unit) - 1) // size * size
        for index in range(0, last, size):
            self._unsent.append((unit[index : index + size], True))
        self._unsent.append((unit[last:], False))

    def frames(self) -> list[bytes]:
        """Return the I frames that may go out now, the last of them with the poll/final bit; maybe none.

        Frames sent before and not acknowledged come first: callers ask only when the peer has had its say.
        """
        if self.peer_busy:
            return []
        waiting = self.unacknowledged
        while self._unsent and len(waiting) < self._window_transmit:
            waiting.append(self._unsent.popleft())
        if not waiting:
            return []
        frames = []
        number, upper = self.acknowledged, self.receive_next << 5
        last = len(waiting) - 1
        for index, (information, more) in enumerate(waiting):
            control = upper | (POLL_FINAL if index == last else 0) | number << 1
            frames.append(encode_frame(self._addresses, control, information, more))
            number = number + 1 & 7
        return frames

    def supervisory(self, kind: int) -> bytes:
        """Return an RR or RNR with the poll/final bit."""
        return encode_frame(self._addresses, self.receive_next << 5 | POLL_FINAL | kind)

    def acknowledge(self, receive_number: int) -> int:
        """Take an N(R). Returns how many frames it newly acknowledges, -1 when it cannot be right."""
        count = receive_number - self.acknowledged & 7
        if count > len(self.unacknowledged):
            return -1
        for _ in range(count):
            self.unacknowledged.popleft()
        self.acknowledged = receive_number
        return count

    def take(self, send_number: int, information: bytes, more: bool) -> Taken:
        """Take a received segment; after ``Taken.APDU`` the whole is fetched with ``take_unit``."""
        if send_number != self.receive_next:
            behind = self.receive_next - send_number & 7
            return Taken.DUPLICATE if behind <= self._window_receive else Taken.GAP
        if self._pieces_octets + len(information) > self._max_apdu:
            self._pieces.clear()
            self._pieces_octets = 0
            return Taken.OVERFLOW
        self.receive_next = send_number + 1 & 7
        self._pieces.append(information)
        self._pieces_octets += len(information)
        return Taken.SEGMENT if more else Taken.APDU

    def take_unit(self) -> bytes:
        """Return the complete unit (LLC octets and APDU) and begin anew."""
        pieces = self._pieces
        unit = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._pieces_octets = 0
        return unit
