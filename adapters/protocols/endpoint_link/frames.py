"""Frames of the stand-in link on a serial port, and a reader that finds them again after noise.

    0      start, 7E                                  Big-endian, save the checksum: low octet first, as
    1..2   length: octets from 3 to the payload's end  in HDLC (ISO/IEC 13239 4.2.5.2). It covers 1 to the
    3..6   endpoint                                   end of the payload. There is no stuffing: after damage
    7..8   sequence                                   the reader looks for the next start that leads to an
    9      type                                       intact frame.
    10..   payload, at most 255 octets
    then   checksum, CRC-16/X.25

The endpoint is the one spoken to, in both directions; the sequence of an answer is its request's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from adapters.errors import LocalProtocolError
from adapters.protocols.crc import checksum_octets, is_intact
from adapters.protocols.endpoint_link.messages import MAX_PAYLOAD_OCTETS

START: Final = 0x7E
MAX_SEQUENCE: Final = 0xFFFF
_FIXED_OCTETS = 7  # endpoint, sequence, type
_HEAD_OCTETS = 3  # start, length
_CHECKSUM_OCTETS = 2
MAX_FRAME_OCTETS: Final = _HEAD_OCTETS + _FIXED_OCTETS + MAX_PAYLOAD_OCTETS + _CHECKSUM_OCTETS
MAX_DAMAGE_KEPT_OCTETS: Final = 512


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame; what its payload means is for ``messages`` to say."""

    endpoint: int
    sequence: int
    type: int
    payload: bytes = field(default=b"", repr=False)  # it may be material

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError for a field beyond its octets."""
        if len(self.payload) > MAX_PAYLOAD_OCTETS:
            raise LocalProtocolError(f"a payload of {len(self.payload)} octets is too long")
        try:
            body = (
                (_FIXED_OCTETS + len(self.payload)).to_bytes(2, "big")
                + self.endpoint.to_bytes(4, "big")
                + self.sequence.to_bytes(2, "big")
                + self.type.to_bytes(1, "big")
                + self.payload
            )
        except OverflowError:
            raise LocalProtocolError(f"{self} has a field beyond its octets") from None
        return bytes((START,)) + body + checksum_octets(body)


@dataclass(frozen=True, kw_only=True)
class Damage:
    """Octets that are no frame; ``data`` holds the first of them."""

    data: bytes
    octets: int


class FrameReader:
    """Cuts a stream of octets into frames. Feed it, then take until None."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0  # all before it is done with
        self._damage = bytearray()
        self._damaged_octets = 0

    @property
    def incomplete(self) -> bool:
        """Whether octets are held that may become a frame."""
        return len(self._buffer) > self._at

    def feed(self, data: bytes) -> None:
        """Append octets."""
        del self._buffer[: self._at]
        self._at = 0
        self._buffer += data

    def take(self) -> Frame | Damage | None:
        """Return the next frame or the damage before it; None where more octets are needed."""
        buffer = self._buffer
        while True:
            start = buffer.find(START, self._at)
            if start != self._at:
                self._spoil((len(buffer) if start < 0 else start) - self._at)
                if start < 0:
                    return self._damage_so_far()
            left = len(buffer) - self._at
            if left < _HEAD_OCTETS:
                return self._damage_so_far()
            length = buffer[self._at + 1] << 8 | buffer[self._at + 2]
            if not _FIXED_OCTETS <= length <= _FIXED_OCTETS + MAX_PAYLOAD_OCTETS:
                self._spoil(1)
                continue
            whole = _HEAD_OCTETS + length + _CHECKSUM_OCTETS
            if left < whole:
                return self._damage_so_far()
            octets = bytes(buffer[self._at : self._at + whole])
            if not is_intact(octets[1:]):
                self._spoil(1)
                continue
            if self._damaged_octets:
                return self._damage_so_far()
            self._at += whole
            return Frame(
                endpoint=int.from_bytes(octets[3:7], "big"),
                sequence=int.from_bytes(octets[7:9], "big"),
                type=octets[9],
                payload=octets[10:-_CHECKSUM_OCTETS],
            )

    def drop(self) -> bytes:
        """Forget what is held and return it: nothing more of it will come."""
        held = bytes(self._buffer[self._at :])
        self._buffer.clear()
        self._at = 0
        return held

    def skip(self) -> None:
        """Take what is held for damage after all: its rest is overdue, a whole frame may lie behind it."""
        if self.incomplete:
            self._spoil(1)

    def _spoil(self, count: int) -> None:
        room = MAX_DAMAGE_KEPT_OCTETS - len(self._damage)
        self._damage += self._buffer[self._at : self._at + min(count, room)]
        self._damaged_octets += count
        self._at += count

    def _damage_so_far(self) -> Damage | None:
        if not self._damaged_octets:
            return None
        found = Damage(data=bytes(self._damage), octets=self._damaged_octets)
        self._damage.clear()
        self._damaged_octets = 0
        return found
