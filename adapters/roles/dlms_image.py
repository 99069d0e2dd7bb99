"""The part of a DLMS meter's role that is about its firmware: image transfer, class 18."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from adapters.errors import RemoteProtocolError
from adapters.profiles import firmware_container
from adapters.roles.base import hurts

LARGEST_IMAGE_OCTETS = 64 * 1024 * 1024

ImageFlaw = Literal["", "damaged-signature", "damaged-payload", "damaged-header", "truncated"]
BlockFlaw = Literal["", "too-short", "too-long", "empty", "beyond-image"]


@dataclass(frozen=True, kw_only=True)
class FirmwareFile:
    """A firmware image a plan names. ``name`` is the path as the plan writes it, relative to the plan."""

    name: str
    octets: bytes = field(repr=False)

    @classmethod
    def from_plan_file(cls, path: Path, name: str) -> FirmwareFile:
        """Read the image. Raises ValueError, in words for the plan's author, where it is no image to send.

        Whatever does not begin like a demo container (``profiles.firmware_container``) is some vendor's own
        format and only has to be there; a demo container has to be whole.
        """
        try:
            if path.stat().st_size > LARGEST_IMAGE_OCTETS:
                raise ValueError(f"image `{name}` is larger than {LARGEST_IMAGE_OCTETS} octets")
            octets = path.read_bytes()
        except OSError as error:
            raise ValueError(
                f"image `{name}` cannot be read: {error.strerror}; its path is relative to the plan"
            ) from None
        if not octets:
            raise ValueError(f"image `{name}` is empty")
        if octets.startswith(firmware_container.MAGIC):
            try:
                firmware_container.FirmwareContainer.from_octets(octets)
            except RemoteProtocolError as error:
                raise ValueError(f"image `{name}` is damaged: {error}") from None
        return cls(name=name, octets=octets)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.octets).hexdigest()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class ImageState:
    """What the image transfer object tells of itself.

    ``status`` is one of not-initiated, initiated, verification-initiated, verified, verification-failed,
    activation-initiated, activated, activation-failed. ``first_missing`` is ``blocks`` or more where no
    block is missing. ``ready_*`` tell of the image that may be activated; they are empty where there is none.
    """

    status: str
    enabled: bool
    block_size: int
    blocks: int
    received: int
    first_missing: int
    missing: str  # ranges of block numbers, e.g. ``3 7-9``; empty where none is missing
    ready_images: int = 0
    ready_size: int = 0
    ready_identification: str = ""
    ready_signature: str = ""  # hexadecimal


@dataclass(frozen=True, kw_only=True)
class BlocksSent:
    """How much was sent, and acknowledged block by block."""

    blocks: int
    octets: int


@dataclass(frozen=True, kw_only=True)
class ImageTransferred:
    """An image that is in the meter, every block confirmed by the meter's own bitmap; not verified yet."""

    blocks: int
    octets: int
    first_block: int  # 0, or where a transfer was taken up again
    sent_again: int  # blocks the bitmap showed missing after the first round
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ImageStep:
    """What a method of the image transfer object came to.

    ``temporary_failures`` counts how often the meter said that it is not ready yet.
    """

    status: str
    took_s: float
    temporary_failures: int


@dataclass(frozen=True, kw_only=True)
class ActivationScheduled:
    """When an image is going to be activated by itself: in UTC, and as the meter was told, in local time."""

    at: datetime
    local: str  # e.g. 2026-11-25 13:00:20


class DlmsImageTransfer(Protocol):
    """Firmware of a meter. A firmware that was activated is only believed when its identifier was read back.

    Reasons of Refused beside those of every service: ``verification-failed``, ``blocks-missing``.
    """

    def image_state(self, association: str = "") -> ImageState:
        """Read attributes 2 to 7 of the image transfer object."""
        ...

    @hurts("firmware")
    def enable_image_transfer(self, enabled: bool, association: str = "") -> ImageState:
        """Write image_transfer_enabled and read the object back."""
        ...

    @hurts("firmware")
    def initiate_image(
        self, image: FirmwareFile, identifier: str = "", size: int = 0, association: str = ""
    ) -> ImageState:
        """Announce an image (method 1) and read the object back.

        An empty ``identifier`` is the file's name without folder and suffix; ``size`` 0 is the file's.
        """
        ...

    @hurts("firmware")
    def send_blocks(
        self,
        image: FirmwareFile,
        first: int = 0,
        last: int = -1,
        backwards: bool = False,
        association: str = "",
    ) -> BlocksSent:
        """Send blocks ``first`` to ``last`` (-1: to the end), both included, by method 2, each once."""
        ...

    @hurts("firmware")
    def send_block(
        self, image: FirmwareFile, number: int, flaw: BlockFlaw = "", association: str = ""
    ) -> BlocksSent:
        """Send one block, spoilt where ``flaw`` says so; number -1 is the last one.

        too-short and too-long are one octet less and more, empty is no octet, beyond-image is a whole block
        whose number is ``number`` plus that of the image's blocks.
        """
        ...

    @hurts("firmware")
    def transfer_image(
        self,
        image: FirmwareFile,
        identifier: str = "",
        resume: bool = False,
        flaw: ImageFlaw = "",
        association: str = "",
    ) -> ImageTransferred:
        """Bring a whole image into the meter: initiate, blocks, then whatever its bitmap shows missing.

        With ``resume`` a transfer that is under way, of the same number of blocks, goes on at its first
        missing block; without it, or where there is none, the image is announced anew. ``flaw`` sends a
        spoilt image: its last octet changed, one in its middle, one near its beginning (octet 16, in a demo
        image a digit of the version), or one block's length cut off.
        """
        ...

    @hurts("firmware")
    def verify_image(self, timeout_s: float = 120.0, association: str = "") -> ImageStep:
        """Verify (method 3) and wait until the meter has done so. Raises Refused("verification-failed")."""
        ...

    @hurts("firmware")
    def activate_image(self, association: str = "") -> ImageStep:
        """Begin activation (method 4); temporary-failure means that it has begun.

        The meter is going to restart. Whether it worked shows in its status and firmware identifier only.
        ``status`` is ``no-answer`` where the link went with the request: it restarts at once, or is dead.
        """
        ...

    @hurts("firmware")
    def schedule_activation(
        self, at: datetime | None = None, in_s: float = 0.0, association: str = ""
    ) -> ActivationScheduled:
        """Write the execution time of the activation schedule.

        ``at`` is a moment, else it is ``in_s`` after the meter's own time. It is written as the meter's
        local time of now, daylight saving included, to the second.
        """
        ...

    @hurts("firmware")
    def cancel_activation(self, association: str = "") -> None:
        """Write an empty execution time: nothing is activated by itself any more."""
        ...
