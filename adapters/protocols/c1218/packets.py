"""Packets of C12.18 as octets, and finding them again in a stream that may hold anything.

    EE | identity | control | sequence | length (2) | data | checksum (2)      and ACK 06, NAK 15 between them

The receiver follows lengths, so data may hold whatever it likes: an 0xEE, an ACK, even a whole packet. That
is also the danger. When the start of a packet is damaged, the rest of it must not be searched for another
one: table data with a packet inside (a log of a line, or an attack) would then be taken for an answer.
Hence the two rules of ``PacketStream``:

- behind a damaged packet everything is dropped until the line has been quiet for the inter-character
  time-out; only then is the damage reported (and answered);
- a packet found behind stray octets is held back for as long, and dropped when anything follows it: a packet
  inside of another is always followed by that one's checksum.

All work is linear in the octets that came, and at most one packet (8192 octets) is kept.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

from adapters.errors import FrameDamaged, LocalProtocolError
from adapters.protocols.crc import checksum_octets, is_intact

ACK: Final = 0x06
NAK: Final = 0x15
START: Final = 0xEE
MULTI: Final = 0x80
FIRST: Final = 0x40
TOGGLE: Final = 0x20

HEADER_OCTETS: Final = 6
FRAME_OCTETS: Final = 8  # header and checksum
MAX_PACKET_OCTETS: Final = 8192
MAX_DATA_OCTETS: Final = MAX_PACKET_OCTETS - FRAME_OCTETS
MAX_PACKETS: Final = 255

SAMPLE_OCTETS: Final = 256
_CONTROLS: Final = re.compile(rb"[\x06\x15]+")
_CLAUSE: Final = "ANSI C12.18 packets"


class Packet(NamedTuple):
    """One intact packet. ``octets`` is all of it; ``mark`` is what duplicates are recognised by."""

    identity: int
    control: int
    sequence: int
    data: bytes
    octets: bytes

    @property
    def mark(self) -> bytes:
        """Return toggle bit and checksum; the checksum covers the toggle bit, so it is enough."""
        return self.octets[-2:]


class Skipped(NamedTuple):
    """Octets that are no packet. ``began``: they began like one, so the sender waits for our NAK.

    ``data`` is at most the first 256 of them.
    """

    data: bytes
    why: str
    began: bool


def encode_packet(data: bytes, *, control: int = 0, sequence: int = 0, identity: int = 0) -> bytes:
    """Return ``data`` as one packet. Raises LocalProtocolError beyond 8184 octets."""
    octets = len(data)
    if octets > MAX_DATA_OCTETS:
        raise LocalProtocolError(f"{octets} octets in one packet; at most {MAX_DATA_OCTETS} fit")
    packet = b"\xee%c%c%c%c%c%b" % (identity, control, sequence, octets >> 8, octets & 0xFF, data)
    return packet + checksum_octets(packet)


def decode_packet(octets: bytes) -> Packet:
    """Return the packet that ``octets`` are, all of them. Raises FrameDamaged."""
    size = len(octets)
    if size < FRAME_OCTETS or octets[0] != START:
        raise FrameDamaged("this is no packet", data=octets, clause=_CLAUSE)
    length = octets[4] << 8 | octets[5]
    if length != size - FRAME_OCTETS:
        raise FrameDamaged(
            f"length says {length} octets of data, there are {size - FRAME_OCTETS}",
            data=octets,
            clause=_CLAUSE,
        )
    if not is_intact(octets):
        raise FrameDamaged(_bad_checksum(octets), data=octets, clause=_CLAUSE)
    return Packet(octets[1], octets[2], octets[3], octets[6:-2], octets)


class _Mode(Enum):
    CLEAN = "at the beginning of something"
    STRAY = "behind octets that mean nothing"
    FLUSH = "dropping everything until the line is quiet"


class PacketStream:
    """Finds packets, ACKs and NAKs in a stream. Of a run of ACKs and NAKs only the first one counts."""

    __slots__ = ("_buffer", "_held", "_mode", "_octets", "_position", "_sample", "_why")

    def __init__(self) -> None:
        self._buffer = b""
        self._position = 0
        self._mode = _Mode.CLEAN
        self._held: Packet | None = None
        self._sample, self._octets, self._why = b"", 0, ""

    @property
    def pending(self) -> bool:
        """True while what came has to be judged by whether more follows: ``quiet`` is wanted."""
        return self._position < len(self._buffer) or self._mode is not _Mode.CLEAN

    @property
    def in_packet(self) -> int:
        """Return how many octets a packet that has begun still lacks; 0 where none has."""
        buffer, position = self._buffer, self._position
        size = len(buffer) - position
        if size <= 0 or self._mode is _Mode.FLUSH or self._held is not None or buffer[position] != START:
            return 0
        if size < HEADER_OCTETS:
            return HEADER_OCTETS - size
        return max(0, (buffer[position + 4] << 8 | buffer[position + 5]) + FRAME_OCTETS - size)

    def receive_data(self, data: bytes) -> None:
        """Take octets from the wire."""
        if self._mode is _Mode.FLUSH:
            self._drop(data)
        elif self._position == len(self._buffer):
            self._buffer, self._position = bytes(data), 0
        else:
            self._buffer, self._position = self._buffer[self._position :] + data, 0

    def next_item(self) -> Packet | Skipped | int | None:
        """Return the next packet, ``ACK`` or ``NAK``; None when more octets, or quiet, must come first.

        ``Skipped`` comes from ``quiet`` only.
        """
        buffer, position = self._buffer, self._position
        size = len(buffer)
        if position >= size:
            return None
        if self._held is not None:
            self._flush("octets behind a packet that itself came behind stray octets")
            return None
        if self._mode is _Mode.CLEAN:
            first = buffer[position]
            if first == START:
                return self._packet(position, size)
            run = _CONTROLS.match(buffer, position)
            if run is not None:
                self._position = run.end()
                return first
            self._mode = _Mode.STRAY
        start = buffer.find(START, position)
        self._drop(buffer[position : start if start >= 0 else size])
        self._position = size if start < 0 else start
        return None if start < 0 else self._packet(start, size)

    def quiet(self) -> list[Packet | Skipped]:
        """The line has been quiet for the inter-character time-out: settle what was pending."""
        rest, held = self._buffer[self._position :], self._held
        began = self._mode is _Mode.FLUSH or bool(rest)
        self._drop(rest)
        sample, octets, why = self._sample, self._octets, self._why
        self._buffer, self._position, self._mode, self._held = b"", 0, _Mode.CLEAN, None
        self._sample, self._octets, self._why = b"", 0, ""
        if rest:
            why = "a packet began and did not end"
        items: list[Packet | Skipped] = []
        if octets:
            items.append(Skipped(sample, f"{why or 'octets outside of a packet'}; {octets} octets", began))
        if held is not None:
            items.append(held)
        return items

    def _packet(self, start: int, size: int) -> Packet | None:
        buffer = self._buffer
        if size - start < HEADER_OCTETS:
            return None
        length = buffer[start + 4] << 8 | buffer[start + 5]
        end = start + length + FRAME_OCTETS
        if length > MAX_DATA_OCTETS:
            self._flush(f"a packet cannot have {length} octets of data")
            return None
        if end > size:
            return None
        octets = buffer[start:end]
        if not is_intact(octets):
            self._flush(_bad_checksum(octets))
            return None
        self._position = end
        packet = Packet(octets[1], octets[2], octets[3], octets[6:-2], octets)
        if self._mode is _Mode.CLEAN:
            return packet
        self._held = packet
        if end < size:
            self._flush("octets behind a packet that itself came behind stray octets")
        return None

    def _flush(self, why: str) -> None:
        """Drop what there is and what comes until the line is quiet."""
        if self._held is not None:
            self._drop(self._held.octets)
            self._held = None
        self._mode, self._why = _Mode.FLUSH, why
        self._drop(self._buffer[self._position :])
        self._position = len(self._buffer)

    def _drop(self, octets: bytes) -> None:
        if len(self._sample) < SAMPLE_OCTETS:
            self._sample += octets[: SAMPLE_OCTETS - len(self._sample)]
        self._octets += len(octets)


def _bad_checksum(octets: bytes) -> str:
    expected = checksum_octets(octets[:-2])
    return f"checksum {octets[-2:].hex(' ')}, expected {expected.hex(' ')}"
