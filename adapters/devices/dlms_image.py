"""Image transfer, class 18, as a client does it: announce, send, look for gaps, verify, activate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from adapters.devices import dlms_values
from adapters.devices.dlms_association import OpenAssociation
from adapters.devices.dlms_services import DlmsServices
from adapters.devices.dlms_values import Target
from adapters.errors import BenchError, LinkLost, ReadTimeout, Refused, RemoteProtocolError
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import BitString, Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.image_transfer import (
    ImageTransferStatus,
    block_count,
    block_of,
    missing_blocks,
    status_of,
)
from adapters.roles.dlms_image import (
    ActivationScheduled,
    BlockFlaw,
    BlocksSent,
    FirmwareFile,
    ImageFlaw,
    ImageState,
    ImageStep,
    ImageTransferred,
)

IMAGE_TRANSFER = "18/0-0:44.0.0.255"
ACTIVATION_SCHEDULE = "22/0-0:15.0.2.255"
LARGEST_BLOCK_OCTETS = 65535
ROUNDS = 3
"""How often what the bitmap shows missing is sent again before the meter is told to keep no blocks."""

NO_ANSWER = "no-answer"
_IN_HEADER = 16

_BLOCK_SIZE, _BITMAP, _FIRST_MISSING, _ENABLED, _STATUS, _INFO = 2, 3, 4, 5, 6, 7
_INITIATE, _BLOCK, _VERIFY, _ACTIVATE = 1, 2, 3, 4
_TEMPORARY_FAILURE = "temporary-failure"
_SHORTEST_POLL_S, _LONGEST_POLL_S = 0.2, 5.0


class DlmsImages(DlmsServices):
    """What a meter's adapter can do with firmware (see the role ``DlmsImageTransfer``)."""

    def image_state(self, association: str = "") -> ImageState:
        """Read the image transfer object (see the role)."""
        opened, target = self._image(association)
        bits = self._bitmap(opened, target)
        missing = missing_blocks(bits)
        info = [self._ready(entry) for entry in self._read(opened, target, _INFO).items()]
        size, identification, signature = info[0] if info else (0, "", "")
        return ImageState(
            status=self._status(opened, target).label,
            enabled=self._read(opened, target, _ENABLED).boolean(),
            block_size=self._read(opened, target, _BLOCK_SIZE).integer(),
            blocks=len(bits),
            received=len(bits) - len(missing),
            first_missing=self._read(opened, target, _FIRST_MISSING).integer(),
            missing=_ranges(missing),
            ready_images=len(info),
            ready_size=size,
            ready_identification=identification,
            ready_signature=signature,
        )

    def enable_image_transfer(self, enabled: bool, association: str = "") -> ImageState:
        """Write image_transfer_enabled (see the role)."""
        opened, target = self._image(association)
        self._permit(target, write=True)
        self._asked(opened, lambda: opened.set(target, _ENABLED, dlms.boolean(enabled), True, None))
        return self.image_state(association)

    def initiate_image(
        self, image: FirmwareFile, identifier: str = "", size: int = 0, association: str = ""
    ) -> ImageState:
        """Announce an image (see the role)."""
        opened, target = self._image(association)
        self._initiate(opened, target, identifier or _identifier(image), size or len(image.octets))
        return self.image_state(association)

    def send_blocks(
        self,
        image: FirmwareFile,
        first: int = 0,
        last: int = -1,
        backwards: bool = False,
        association: str = "",
    ) -> BlocksSent:
        """Send blocks (see the role)."""
        opened, target = self._image(association)
        block_size = self._block_size(opened, target)
        end = block_count(len(image.octets), block_size) if last < 0 else last + 1
        numbers = range(first, end)
        sent = 0
        for number in reversed(numbers) if backwards else numbers:
            sent += self._send(opened, target, number, block_of(image.octets, block_size, number))
        return BlocksSent(blocks=len(numbers), octets=sent)

    def send_block(
        self, image: FirmwareFile, number: int, flaw: BlockFlaw = "", association: str = ""
    ) -> BlocksSent:
        """Send one block (see the role)."""
        opened, target = self._image(association)
        block_size = self._block_size(opened, target)
        if number < 0:
            number += block_count(len(image.octets), block_size)
        block = block_of(image.octets, block_size, number)
        match flaw:
            case "too-short":
                block = block[:-1]
            case "too-long":
                block += b"\0"
            case "empty":
                block = b""
            case "beyond-image":
                number += block_count(len(image.octets), block_size)
                block = image.octets[:block_size].ljust(block_size, b"\0")
            case _:
                pass
        return BlocksSent(blocks=1, octets=self._send(opened, target, number, block))

    def transfer_image(
        self,
        image: FirmwareFile,
        identifier: str = "",
        resume: bool = False,
        flaw: ImageFlaw = "",
        association: str = "",
    ) -> ImageTransferred:
        """Bring a whole image into the meter (see the role)."""
        opened, target = self._image(association)
        block_size = self._block_size(opened, target)
        octets = _spoilt(image.octets, flaw, block_size)
        count = block_count(len(octets), block_size)
        first = 0
        if resume and self._under_way(opened, target, count):
            first = self._read(opened, target, _FIRST_MISSING).integer()
            missing = missing_blocks(self._bitmap(opened, target))
        else:
            self._initiate(opened, target, identifier or _identifier(image), len(octets))
            missing = tuple(range(count))
        for number in missing:
            self._send(opened, target, number, block_of(octets, block_size, number))
        again = 0
        for _ in range(ROUNDS):
            missing = self._gaps(opened, target, count)
            if not missing:
                break
            again += len(missing)
            for number in missing:
                self._send(opened, target, number, block_of(octets, block_size, number))
        if missing and (missing := self._gaps(opened, target, count)):
            shown = ", ".join(map(str, missing[:5]))
            raise Refused(
                "blocks-missing", f"after {ROUNDS} more rounds the meter still lacks {len(missing)}: {shown}"
            )
        return ImageTransferred(
            blocks=count, octets=len(octets), first_block=first, sent_again=again, sha256=image.sha256
        )

    def verify_image(self, timeout_s: float = 120.0, association: str = "") -> ImageStep:
        """Verify (see the role)."""
        opened, target = self._image(association)
        began_s = self._clock.monotonic_s()
        waits = 0
        pause_s = _SHORTEST_POLL_S
        while True:
            try:
                self._method(opened, target, _VERIFY, dlms.integer(0))
                status = self._status(opened, target)
            except Refused as refusal:
                status = self._status(opened, target)
                if refusal.reason == _TEMPORARY_FAILURE:
                    waits += 1
                elif status is ImageTransferStatus.VERIFICATION_FAILED:
                    raise Refused("verification-failed", str(refusal)) from refusal
                else:
                    raise
            took_s = self._clock.monotonic_s() - began_s
            if status is ImageTransferStatus.VERIFIED:
                return ImageStep(status=status.label, took_s=round(took_s, 3), temporary_failures=waits)
            if status is ImageTransferStatus.VERIFICATION_FAILED:
                raise Refused("verification-failed", f"the status says so after {took_s:.1f} s")
            if took_s >= timeout_s:
                raise Refused(_TEMPORARY_FAILURE, f"status {status.label} after {took_s:.1f} s")
            self._clock.sleep_s(min(pause_s, timeout_s - took_s))
            pause_s = min(pause_s * 2, _LONGEST_POLL_S)

    def activate_image(self, association: str = "") -> ImageStep:
        """Begin activation (see the role)."""
        opened, target = self._image(association)
        began_s = self._clock.monotonic_s()
        waits = 0
        try:
            try:
                self._method(opened, target, _ACTIVATE, dlms.integer(0))
            except Refused as refusal:
                if refusal.reason != _TEMPORARY_FAILURE:
                    raise
                waits = 1
            status = self._status(opened, target).label
        except (ReadTimeout, LinkLost):  # some meters restart before they answer
            status = NO_ANSWER
        took_s = round(self._clock.monotonic_s() - began_s, 3)
        return ImageStep(status=status, took_s=took_s, temporary_failures=waits)

    def schedule_activation(
        self, at: datetime | None = None, in_s: float = 0.0, association: str = ""
    ) -> ActivationScheduled:
        """Write the execution time (see the role)."""
        opened, target = self._opened_with(association, ACTIVATION_SCHEDULE)
        clock = self._target(
            next((o.name for o in self.profile.objects if o.class_id == 8), "8/0-0:1.0.0.255")
        )
        stamp = CosemDateTime.from_octets(self._read(opened, clock, 2).octets())
        # What the time itself says includes daylight saving; the attribute time_zone never does.
        zone = stamp.deviation_min
        if zone is None:
            zone = self._read(opened, clock, 3).integer()
        if at is None:
            at = stamp.utc(zone) + timedelta(seconds=in_s)
        at = at.astimezone(UTC).replace(microsecond=0)
        octets = CosemDateTime.from_datetime(at, deviation_min=zone).octets()
        self._write_schedule(
            opened,
            target,
            dlms.structure(dlms.octet_string(octets[5:9]), dlms.octet_string(octets[:5])),
        )
        return ActivationScheduled(at=at, local=f"{at - timedelta(minutes=zone):%Y-%m-%d %H:%M:%S}")

    def cancel_activation(self, association: str = "") -> None:
        """Empty the execution time (see the role)."""
        opened, target = self._opened_with(association, ACTIVATION_SCHEDULE)
        self._write_schedule(opened, target)

    # --- inside -----------------------------------------------------------------------------------------

    def _image(self, association: str) -> tuple[OpenAssociation, Target]:
        name = next((o.name for o in self.profile.objects if o.class_id == 18), IMAGE_TRANSFER)
        return self._opened_with(association, name)

    def _opened_with(self, association: str, name: str) -> tuple[OpenAssociation, Target]:
        return self._connections.find(association), self._target(name)

    def _read(self, opened: OpenAssociation, target: Target, number: int) -> Data:
        outcome = self._asked(opened, lambda: opened.get(target, number, None))
        assert outcome.data is not None
        return outcome.data

    def _status(self, opened: OpenAssociation, target: Target) -> ImageTransferStatus:
        return status_of(self._read(opened, target, _STATUS).integer())

    def _bitmap(self, opened: OpenAssociation, target: Target) -> str:
        bits = self._read(opened, target, _BITMAP).value
        if not isinstance(bits, BitString):
            raise RemoteProtocolError(
                "image_transferred_blocks_status is no bit string", clause="class 18, attribute 3"
            )
        return str(bits)

    def _gaps(self, opened: OpenAssociation, target: Target, count: int) -> tuple[int, ...]:
        bits = self._bitmap(opened, target)
        if len(bits) != count:
            raise RemoteProtocolError(
                f"image_transferred_blocks_status tells of {len(bits)} blocks, the image has {count}",
                clause="class 18, attribute 3",
            )
        return missing_blocks(bits)

    def _block_size(self, opened: OpenAssociation, target: Target) -> int:
        found = self._read(opened, target, _BLOCK_SIZE).integer()
        if not 1 <= found <= LARGEST_BLOCK_OCTETS:
            raise RemoteProtocolError(
                f"an image_block_size of {found} octets", clause="class 18, attribute 2"
            )
        return found

    @staticmethod
    def _ready(entry: Data) -> tuple[int, str, str]:
        fields = entry.items()
        if len(fields) != 3:
            raise RemoteProtocolError(
                f"an element of image_to_activate_info has {len(fields)} fields, not 3",
                clause="class 18, attribute 7",
            )
        name = dlms_values.plain(fields[1])
        return fields[0].integer(), str(name), fields[2].octets().hex()

    def _under_way(self, opened: OpenAssociation, target: Target, count: int) -> bool:
        """Return whether a transfer of so many blocks can go on. Whose it is the class does not tell."""
        status = self._status(opened, target)
        resumable = (ImageTransferStatus.INITIATED, ImageTransferStatus.VERIFICATION_FAILED)
        return status in resumable and len(self._bitmap(opened, target)) == count

    def _initiate(self, opened: OpenAssociation, target: Target, identifier: str, size: int) -> None:
        if size > 0xFFFFFFFF:
            raise BenchError(f"an image of {size} octets cannot be announced; expected up to 4294967295")
        argument = dlms.structure(
            dlms.octet_string(identifier.encode("utf-8")), dlms.double_long_unsigned(size)
        )
        self._method(opened, target, _INITIATE, argument)

    def _send(self, opened: OpenAssociation, target: Target, number: int, block: bytes) -> int:
        argument = dlms.structure(dlms.double_long_unsigned(number), dlms.octet_string(block))
        self._method(opened, target, _BLOCK, argument)
        return len(block)

    def _method(self, opened: OpenAssociation, target: Target, number: int, argument: Data) -> None:
        self._permit(target, method=number)
        self._asked(opened, lambda: opened.action(target, number, argument, True, None))

    def _write_schedule(self, opened: OpenAssociation, target: Target, *moments: Data) -> None:
        self._permit(target, write=True)
        self._asked(opened, lambda: opened.set(target, 4, dlms.array(*moments), True, None))


def _identifier(image: FirmwareFile) -> str:
    return PurePosixPath(image.name).stem


def _ranges(numbers: tuple[int, ...]) -> str:
    """Return rising numbers as ranges: ``3 7-9``."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return " ".join(str(low) if low == high else f"{low}-{high}" for low, high in found)


def _spoilt(octets: bytes, flaw: ImageFlaw, block_size: int) -> bytes:
    match flaw:
        case "damaged-signature":
            return octets[:-1] + bytes((octets[-1] ^ 1,))
        case "damaged-payload" | "damaged-header":
            at = len(octets) // 2 if flaw == "damaged-payload" else min(_IN_HEADER, len(octets) - 1)
            return octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :]
        case "truncated":
            return octets[: max(1, len(octets) - block_size)]
        case _:
            return octets
