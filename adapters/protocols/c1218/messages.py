"""Messages and the packets they are cut into, both ways.

The packets of a message count down: of three the first has number 2 and the last number 0. A message that
fits into one packet has number 0 and neither of the two bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from adapters.errors import LocalProtocolError
from adapters.protocols.c1218.packets import FIRST, FRAME_OCTETS, MAX_DATA_OCTETS, MULTI, Packet
from adapters.protocols.c1218.spoiling import Spoil, nothing_to_spoil

Piece: TypeAlias = tuple[int, int, bytes]
"""Control bits (without the toggle bit), number and data of one packet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameters:
    """What a session runs with, in both directions: octets a packet, packets a message, line speed."""

    packet_octets: int = 64
    packets: int = 1
    baud: int = 9600

    @property
    def message_octets(self) -> int:
        """Return how long a message may be."""
        return (self.packet_octets - FRAME_OCTETS) * self.packets


def cut(message: bytes, parameters: Parameters, spoil: Spoil | None = None) -> list[Piece]:
    """Return the pieces of ``message``. Raises LocalProtocolError when it does not fit."""
    octets, room = len(message), parameters.packet_octets - FRAME_OCTETS
    if octets <= room:
        if spoil is Spoil.OVERSIZED:
            raise nothing_to_spoil(spoil, f"a message of {octets} octets, which fits into a packet")
        return [(0, 0, message)]
    if spoil is Spoil.OVERSIZED and octets <= MAX_DATA_OCTETS:
        return [(0, 0, message)]
    packets = -(-octets // room)
    if packets > parameters.packets:
        raise LocalProtocolError(
            f"a message of {octets} octets needs {packets} packets of {parameters.packet_octets},"
            f" {parameters.packets} are agreed"
        )
    pieces = [
        (MULTI, packets - 1 - index, message[index * room : index * room + room]) for index in range(packets)
    ]
    pieces[0] = (MULTI | FIRST, *pieces[0][1:])
    return pieces


class Assembly:
    """Joins the packets of one direction; never more than was agreed, never with a gap.

    ``restarts``: a message may begin before the last one is whole, which is then dropped (a client that gave
    up does that; a server has no reason to).
    """

    __slots__ = ("_expected", "_pieces", "_restarts")

    def __init__(self, *, restarts: bool) -> None:
        self._restarts = restarts
        self._pieces: list[bytes] = []
        self._expected = -1  # number of the next piece, -1 between messages

    @property
    def open(self) -> bool:
        """True in the middle of a message."""
        return bool(self._pieces)

    def clear(self) -> None:
        """Forget what has been taken of a message."""
        self._pieces.clear()
        self._expected = -1

    def fault_of(self, packet: Packet, parameters: Parameters) -> str:
        """Return which rule an intact packet breaks here, or nothing."""
        control, number = packet.control, packet.sequence
        if len(packet.octets) > parameters.packet_octets:
            return f"a packet of {len(packet.octets)} octets, {parameters.packet_octets} are agreed"
        if self._pieces and not self._restarts and control & (MULTI | FIRST) != MULTI:
            return f"a message begins where packet number {self._expected} of another is due"
        if not control & MULTI:
            if control & FIRST:
                return "a packet that is the first of several and stands alone"
            return f"a packet that stands alone has number {number}, not 0" if number else ""
        if control & FIRST:
            packets = parameters.packets
            return f"a message of {number + 1} packets, {packets} are agreed" if number >= packets else ""
        if number != self._expected:
            due = f"{self._expected} is due" if self._expected >= 0 else "the first is missing"
            return f"packet number {number} of a message, {due}"
        return ""

    def take(self, packet: Packet) -> bytes | None:
        """Take a packet without fault; return the message that it completes, or None."""
        control = packet.control
        if not control & MULTI:
            if self._pieces:
                self.clear()
            return packet.data
        if control & FIRST:
            self._pieces.clear()
        self._pieces.append(packet.data)
        self._expected = packet.sequence - 1
        if packet.sequence:
            return None
        message = b"".join(self._pieces)
        self.clear()
        return message
