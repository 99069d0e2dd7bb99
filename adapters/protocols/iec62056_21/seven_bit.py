"""Seven data bits and even parity carried in eight: for lines whose hardware only does 8N1.

Whether to use this is the caller's decision; a port that can do 7E1 does not need it.
"""

from __future__ import annotations

from typing import Final

from adapters.errors import FrameDamaged, LocalProtocolError

_WITH_PARITY: Final = bytes(octet | (octet.bit_count() & 1) << 7 for octet in range(128)) * 2
_WITHOUT_PARITY: Final = bytes(range(128)) * 2
_EVEN: Final = bytes(octet for octet in range(256) if octet.bit_count() % 2 == 0)
_SEVEN_BITS: Final = bytes(range(128))


def to_7e1(data: bytes) -> bytes:
    """Return 7-bit octets with even parity on top. Raises LocalProtocolError for one above 0x7F."""
    if data.translate(None, _SEVEN_BITS):
        raise LocalProtocolError("seven data bits cannot carry an octet above 0x7F", data=data)
    return data.translate(_WITH_PARITY)


def from_7e1(data: bytes) -> bytes:
    """Return the 7-bit octets of ``data``. Raises FrameDamaged, with ``data``, where a parity is wrong."""
    wrong = data.translate(None, _EVEN)
    if wrong:
        raise FrameDamaged(
            f"even parity is wrong in {len(wrong)} of {len(data)} octets: 7E1 garbled, or not 7E1 at all",
            data=data,
        )
    return data.translate(_WITHOUT_PARITY)
