"""CRC-16/X.25: the checksum of HDLC (HCS, FCS) and of ANSI C12.18.

Polynomial x^16+x^12+x^5+1, bit-reflected, preset and final inversion all ones, sent low octet first
(ISO/IEC 13239 4.2.5.2). CPython has the same polynomial in C, most significant bit first
(``binascii.crc_hqx``); reversing the bits of each octet on the way in and out turns one into the other,
about ten times faster than a table loop in Python. Check value: ``crc16_x25(b"123456789") == 0x906E``.
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

REVERSED: Final = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
"""Translation table: each octet with its bits in the opposite order."""

INVERTED_REVERSED: Final = bytes(octet ^ 0xFF for octet in REVERSED)
"""Translation table from a raw register, high octet first, to the two octets as they go on the wire."""

PRESET: Final = 0xFFFF
"""What the register holds before the first octet."""

GOOD: Final = 0x1D0F
"""What the (unreflected) register holds after data and its correct checksum (0xF0B8 in the reflected one).

Since this does not depend on the data, a checksum over ``header + its checksum + more`` can go on from here.
"""


def crc16_x25(data: bytes) -> int:
    """Return the checksum of ``data`` as a number, 0 to 0xFFFF."""
    return int.from_bytes(checksum_octets(data), "little")


def checksum_octets(data: bytes, register: int = PRESET) -> bytes:
    """Return the two octets that follow ``data`` on the wire, low octet first.

    ``register`` is where an earlier part of the frame left off (``PRESET``, or ``GOOD`` after a checksum).
    """
    return crc_hqx(data.translate(REVERSED), register).to_bytes(2, "big").translate(INVERTED_REVERSED)


def is_intact(data_and_checksum: bytes, register: int = PRESET) -> bool:
    """Tell whether the last two octets are the checksum of those before them."""
    return crc_hqx(data_and_checksum.translate(REVERSED), register) == GOOD
