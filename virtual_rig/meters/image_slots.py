"""The two image slots of a meter: what runs, and what is being put beside it. Both survive power cuts."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.profiles.firmware_container import FirmwareContainer
from adapters.protocols.dlms.image_transfer import block_count
from virtual_rig.meters.identity import MeterIdentity


@dataclass(frozen=True, kw_only=True)
class FirmwareImage:
    """An image in a slot, as its identifiers tell it. One image carries all three parts of the firmware."""

    version: str
    metrology: str
    communication: str
    signature: bytes

    @classmethod
    def factory(cls, identity: MeterIdentity) -> FirmwareImage:
        """Return what the meter left the factory with; nobody kept its signature."""
        return cls(
            version=identity.firmware,
            metrology=identity.firmware_metrology,
            communication=identity.firmware_communication,
            signature=b"",
        )

    @classmethod
    def of(cls, container: FirmwareContainer) -> FirmwareImage:
        """Return what a container becomes when it runs; how the parts are named is ours."""
        return cls(
            version=container.version,
            metrology=f"{container.version}-M",
            communication=f"{container.version}-C",
            signature=container.signature,
        )


class StandbySlot:
    """The slot that does not run: an image on its way, block by block."""

    def __init__(self, *, capacity: int, block_size: int) -> None:
        self.capacity, self.block_size = capacity, block_size
        self.identifier = b""
        self._octets = bytearray()
        self._there = bytearray()  # one octet a block: 1 where it has been written

    @property
    def size(self) -> int:
        """How many octets the image has, as its transfer was announced."""
        return len(self._octets)

    @property
    def blocks(self) -> int:
        """How many blocks the image takes."""
        return len(self._there)

    @property
    def octets(self) -> bytes:
        """What is in the slot; 0xFF where nothing was written."""
        return bytes(self._octets)

    @property
    def complete(self) -> bool:
        """Whether no block is missing."""
        return 0 not in self._there

    @property
    def first_missing(self) -> int:
        """The lowest number of a block that is missing; the number of blocks where none is."""
        found = self._there.find(0)
        return self.blocks if found < 0 else found

    @property
    def bits(self) -> str:
        """One bit a block, block 0 first."""
        return self._there.translate(_AS_BITS).decode("ascii")

    @property
    def highest(self) -> int:
        """The number after the highest block that is there."""
        return self._there.rfind(1) + 1

    def prepare(self, identifier: bytes, size: int, *, forget: bool = True) -> None:
        """Make room for an image of ``size`` octets; what was there is gone, unless not ``forget``."""
        count = block_count(size, self.block_size)
        kept, kept_octets = (b"", b"") if forget else (bytes(self._there[:count]), self.octets[:size])
        self.identifier = identifier
        self._octets = bytearray(kept_octets.ljust(size, b"\xff"))
        self._there = bytearray(kept.ljust(count, b"\0"))

    def clear(self) -> None:
        """Forget the image."""
        self.prepare(b"", 0)

    def length_of(self, number: int) -> int:
        """Return how many octets block ``number`` has to have."""
        return min(self.block_size, self.size - number * self.block_size)

    def has(self, number: int) -> bool:
        """Return whether block ``number`` is there."""
        return self._there[number] == 1

    def holds(self, number: int, octets: bytes) -> bool:
        """Return whether block ``number`` is there and is ``octets``."""
        at = number * self.block_size
        return self.has(number) and self._octets[at : at + len(octets)] == octets

    def put(self, number: int, octets: bytes) -> None:
        """Write a block of the right length."""
        at = number * self.block_size
        self._octets[at : at + len(octets)] = octets
        self._there[number] = 1

    def drop(self, number: int) -> None:
        """Count block ``number`` as missing."""
        self._there[number] = 0

    def drop_all(self) -> None:
        """Count every block as missing."""
        self._there = bytearray(self.blocks)


_AS_BITS = bytes.maketrans(b"\0\1", b"01")
