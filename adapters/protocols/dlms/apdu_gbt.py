"""General block transfer: an APDU that carries a piece of another one (Green Book 9.5, tag 224)."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.protocols.dlms import axdr
from adapters.protocols.dlms.apdu_common import Cursor
from adapters.protocols.dlms.budget import Work

HEAD_OCTETS = 9
"""Tag, control, two numbers of two octets, and a length of up to three octets."""

LAST, STREAMING, WINDOW = 0x80, 0x40, 0x3F


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneralBlock:
    """One block. ``number`` is its own, ``acknowledged`` the last one received in order from the peer.

    ``window`` is how many blocks the sender of this block takes in a row (0: it confirms none);
    ``streaming`` says that more blocks follow without waiting, ``last`` that no block follows this one.
    """

    last: bool
    streaming: bool
    window: int
    number: int
    acknowledged: int
    raw: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """Return the APDU."""
        control = self.window & WINDOW | (LAST if self.last else 0) | (STREAMING if self.streaming else 0)
        head = bytes((0xE0, control)) + self.number.to_bytes(2, "big") + self.acknowledged.to_bytes(2, "big")
        return head + axdr.length_octets(len(self.raw)) + self.raw


def decode_general_block(buf: bytes, work: Work) -> GeneralBlock:
    """Read a general-block-transfer APDU. Raises RemoteProtocolError."""
    cursor = Cursor(buf, 1, work)
    control = cursor.u8("the block control")
    number = cursor.u16("a block number")
    acknowledged = cursor.u16("an acknowledged block number")
    raw = cursor.octets()
    cursor.finish()
    return GeneralBlock(
        last=bool(control & LAST),
        streaming=bool(control & STREAMING),
        window=control & WINDOW,
        number=number,
        acknowledged=acknowledged,
        raw=raw,
    )
