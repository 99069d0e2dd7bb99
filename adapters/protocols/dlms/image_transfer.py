"""Class 18, image transfer: the statuses, and the arithmetic of blocks both ends share.

Source: DLMS UA 1000-1 (Blue Book) 4.4.6 (image transfer, class_id 18).
"""

from __future__ import annotations

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms.enums import Named


class ImageTransferStatus(Named):
    """Attribute 6 of class 18."""

    NOT_INITIATED = 0
    INITIATED = 1
    VERIFICATION_INITIATED = 2
    VERIFIED = 3
    VERIFICATION_FAILED = 4
    ACTIVATION_INITIATED = 5
    ACTIVATED = 6
    ACTIVATION_FAILED = 7


def status_of(value: int) -> ImageTransferStatus:
    """Return the status a meter tells. Raises RemoteProtocolError for a number the class does not know."""
    try:
        return ImageTransferStatus(value)
    except ValueError:
        raise RemoteProtocolError(
            f"image transfer status {value} is none of 0 to 7", clause="class 18, attribute 6"
        ) from None


def block_count(size: int, block_size: int) -> int:
    """Return how many blocks of ``block_size`` octets an image of ``size`` octets takes."""
    return -(-size // block_size)


def block_of(octets: bytes, block_size: int, number: int) -> bytes:
    """Return block ``number``, counted from 0; the last one may be short, one beyond the image is empty."""
    return octets[number * block_size : (number + 1) * block_size]


def missing_blocks(bits: str) -> tuple[int, ...]:
    """Return the numbers of the blocks that attribute 3 does not confirm (``0`` in its bit string)."""
    return tuple(number for number, bit in enumerate(bits) if bit == "0")
