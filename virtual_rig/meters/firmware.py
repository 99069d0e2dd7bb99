"""The firmware of the MCS301: which image runs, and how the other one gets verified and activated.

    initiate        verify               verified             activate           booted
    -> initiated -> verification     ->  verified     ->      activation     ->  activated
         ^          initiated       \\                         initiated      \\
         |                           -> verification failed                   -> activation failed
         '--- any block of it again ---'

Verification and activation take time: the meter answers temporary-failure meanwhile. Activation copies the
image and restarts: every link drops, then the new image runs its self-test and either stays or gives way to
the old one (manual p. 116). Everything here is in memory that survives a power cut. A cut during verification
leaves an image that can be verified again, a cut during activation one that is still verified, beside the old
image, which runs. Durations, result codes and what is possible in which status, beyond what the Blue Book
says of class 18, are assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec

from adapters.errors import RemoteProtocolError
from adapters.profiles.firmware_container import FirmwareContainer
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult, DataType
from adapters.protocols.dlms.image_transfer import ImageTransferStatus as Status
from virtual_rig import demo_vendor
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.image_slots import FirmwareImage, StandbySlot
from virtual_rig.wire import Timer

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301

Outcome = tuple[ActionResult, Data | None]
IDENTIFIER_OCTETS = 64


@dataclass(frozen=True, kw_only=True)
class FirmwareTraits:
    """How a meter deals with images: times, sizes, whose signature counts. All of it assumed."""

    block_size: int = 512
    capacity: int = 2 * 1024 * 1024
    verify_s: float = 6.0
    activate_s: float = 4.0
    restart_s: float = 8.0
    flash_error: bool = False  # what is written to the slot does not read back as it was
    boots: bool = True  # False: no image passes the self-test
    meter_type: str = demo_vendor.METER_TYPE


class Firmware:
    """The images of ``meter``. ``traits`` may be replaced before anything is transferred."""

    def __init__(
        self,
        meter: Mcs301,
        traits: FirmwareTraits | None = None,
        vendor: ec.EllipticCurvePublicKey | None = None,
    ) -> None:
        self._meter, self.world = meter, meter.world
        self.traits = traits or FirmwareTraits()
        self._vendor = vendor or demo_vendor.test_key().public_key()
        self.slot = StandbySlot(capacity=self.traits.capacity, block_size=self.traits.block_size)
        self.running = self._factory = FirmwareImage.factory(meter.identity)
        self.candidate: FirmwareContainer | None = None
        self.enabled = True
        self.status = Status.NOT_INITIATED
        self._work: Timer | None = None
        meter.on_power(self._power)

    # --- objects -----------------------------------------------------------------------------------------

    def bind(self, name: str, live: LiveObject) -> bool:
        """Serve the image transfer object and the firmware identifiers."""
        identifiers: dict[str, Callable[[], bytes]] = {
            "firmware_id": lambda: self.running.version.encode("ascii"),
            "firmware_id_metrology": lambda: self.running.metrology.encode("ascii"),
            "firmware_id_communication": lambda: self._communication().communication.encode("ascii"),
            "firmware_signature": lambda: self.running.signature,
        }
        if name in identifiers:
            read = identifiers[name]
            live.attribute("value", lambda: dlms.octet_string(read()))
        elif name == "image_transfer":
            self._bind_image_transfer(live)
        else:
            return False
        return True

    def start(self) -> None:
        """Nothing is to be done before somebody asks."""

    def _communication(self) -> FirmwareImage:
        return self.running if self.world.obeys("DLX-IMG-19") else self._factory

    def _bind_image_transfer(self, live: LiveObject) -> None:
        slot = self.slot
        live.attribute("image_block_size", lambda: dlms.double_long_unsigned(slot.block_size))
        live.attribute("image_transferred_blocks_status", lambda: dlms.bit_string(self._bits()))
        live.attribute(
            "image_first_not_transferred_block_number",
            lambda: dlms.double_long_unsigned(self._first_missing()),
        )
        live.attribute("image_transfer_enabled", lambda: dlms.boolean(self.enabled), self._set_enabled)
        live.attribute("image_transfer_status", lambda: dlms.enum(self.status))
        live.attribute("image_to_activate_info", self._info)
        live.method("image_transfer_initiate", self._initiate)
        live.method("image_block_transfer", self._block)
        live.method("image_verify", self._verify)
        live.method("image_activate", lambda _: (self.activate(), None))

    def _bits(self) -> str:
        slot = self.slot
        return slot.bits if self.world.obeys("DLX-IMG-02") else "1" * slot.highest + slot.bits[slot.highest :]

    def _first_missing(self) -> int:
        slot = self.slot
        return slot.first_missing if self.world.obeys("DLX-IMG-07") else slot.highest

    def _info(self) -> Data:
        if self.candidate is None or self.status is not Status.VERIFIED:
            return dlms.array()
        slot = self.slot
        size = slot.size if self.world.obeys("DLX-IMG-23") else slot.blocks * slot.block_size
        return dlms.array(
            dlms.structure(
                dlms.double_long_unsigned(size),
                dlms.octet_string(self.candidate.version.encode("ascii")),
                dlms.octet_string(self.candidate.signature),
            )
        )

    def _set_enabled(self, value: Data) -> DataAccessResult:
        if value.tag is not DataType.BOOLEAN:
            return DataAccessResult.TYPE_UNMATCHED
        self.enabled = value.boolean()
        return DataAccessResult.SUCCESS

    # --- the transfer ------------------------------------------------------------------------------------

    @property
    def _open(self) -> bool:
        """Whether the methods may be used at all."""
        return self.enabled or not self.world.obeys("DLX-IMG-01")

    @property
    def _busy(self) -> bool:
        activating = self.status is Status.ACTIVATION_INITIATED and self.world.obeys("DLX-IMG-32")
        return activating or self.status is Status.VERIFICATION_INITIATED

    def _initiate(self, argument: Data | None) -> Outcome:
        if not self._open:
            return ActionResult.OTHER_REASON, None
        if self._busy:
            return ActionResult.TEMPORARY_FAILURE, None
        try:
            identifier, announced = argument.items() if argument is not None else ()
            name, size = identifier.octets(), announced.integer()
        except (RemoteProtocolError, ValueError):
            return ActionResult.TYPE_UNMATCHED, None
        if size > self.slot.capacity and not self.world.obeys("DLX-IMG-13"):
            size = self.slot.capacity
        if not 0 < size <= self.slot.capacity or not 0 < len(name) <= IDENTIFIER_OCTETS:
            return ActionResult.OTHER_REASON, None
        self.slot.prepare(name, size, forget=self.world.obeys("DLX-IMG-24"))
        self.candidate = None
        self.status = Status.INITIATED
        return ActionResult.SUCCESS, None

    def _block(self, argument: Data | None) -> Outcome:
        if not self._open:
            return ActionResult.OTHER_REASON, None
        if self._busy:
            return ActionResult.TEMPORARY_FAILURE, None
        try:
            position, content = argument.items() if argument is not None else ()
            number, octets = position.integer(), content.octets()
        except (RemoteProtocolError, ValueError):
            return ActionResult.TYPE_UNMATCHED, None
        return self._take(number, octets), None

    def _take(self, number: int, octets: bytes) -> ActionResult:
        slot, world = self.slot, self.world
        if self.status not in (Status.INITIATED, Status.VERIFICATION_FAILED, Status.VERIFIED):
            return ActionResult.OTHER_REASON
        if not 0 <= number < slot.blocks:
            return ActionResult.OTHER_REASON if world.obeys("DLX-IMG-03") else ActionResult.SUCCESS
        if len(octets) != slot.length_of(number):
            if world.obeys("DLX-IMG-04"):
                return ActionResult.OTHER_REASON
            octets = octets[: slot.length_of(number)].ljust(slot.length_of(number), b"\0")
        if self.status is Status.VERIFIED:  # what has been verified is not written again
            if not world.obeys("DLX-IMG-31"):
                slot.put(number, octets)
                self.candidate = self._header_of(slot.octets)
                return ActionResult.SUCCESS
            return ActionResult.SUCCESS if slot.holds(number, octets) else ActionResult.OTHER_REASON
        if number > slot.first_missing and not world.obeys("DLX-IMG-05"):
            return ActionResult.SUCCESS
        if slot.has(number) and not world.obeys("DLX-IMG-06"):
            slot.drop(number)
            return ActionResult.SUCCESS
        slot.put(number, octets)
        if self.status is Status.VERIFICATION_FAILED:
            self.status = Status.INITIATED
        return ActionResult.SUCCESS

    # --- verification ------------------------------------------------------------------------------------

    def _verify(self, _argument: Data | None) -> Outcome:
        if not self._open:
            return ActionResult.OTHER_REASON, None
        match self.status:
            case Status.VERIFICATION_INITIATED | Status.ACTIVATION_INITIATED:
                return self._not_yet(), None
            case Status.VERIFIED:
                return ActionResult.SUCCESS, None
            case Status.INITIATED:
                pass
            case _:  # a verification that failed is not repeated before a block has been sent again
                return ActionResult.OTHER_REASON, None
        if not self.slot.complete and self.world.obeys("DLX-IMG-08"):
            self._verification_fails()
            return ActionResult.OTHER_REASON, None
        self.status = Status.VERIFICATION_INITIATED
        self._later(self.traits.verify_s, self._verification_ends)
        return self._not_yet(), None

    def _not_yet(self) -> ActionResult:
        return ActionResult.TEMPORARY_FAILURE if self.world.obeys("DLX-IMG-09") else ActionResult.SUCCESS

    def _verification_ends(self) -> None:
        self.candidate = self._sound_image()
        if self.candidate is None:
            self._verification_fails()
            return
        self.status = Status.VERIFIED
        if self.world.obeys("DLX-IMG-16"):
            self._meter.record("standard", "firmware_ready")

    def _verification_fails(self) -> None:
        self.status = Status.VERIFICATION_FAILED
        if self.world.obeys("DLX-IMG-17"):
            self._meter.record("standard", "firmware_verification_failed")

    def _sound_image(self) -> FirmwareContainer | None:
        """Return the image in the slot where everything about it is right."""
        octets, world = self.slot.octets, self.world
        if self.traits.flash_error:
            octets = octets[:-1] + bytes((octets[-1] ^ 1,))
        if not self.slot.complete:
            return self._header_of(octets)  # the meter that does not look for gaps
        try:
            image = FirmwareContainer.from_octets(octets)
        except RemoteProtocolError:
            return None if world.obeys("DLX-IMG-12") else self._header_of(octets)
        if image.meter_type != self.traits.meter_type and world.obeys("DLX-IMG-11"):
            return None
        if not image.is_signed_by(self._vendor) and world.obeys("DLX-IMG-10"):
            return None
        return image

    @staticmethod
    def _header_of(octets: bytes) -> FirmwareContainer | None:
        try:
            return FirmwareContainer.header_of(octets)
        except RemoteProtocolError:
            return None

    # --- activation --------------------------------------------------------------------------------------

    def activate(self) -> ActionResult:
        """Begin the activation of the verified image, as the method or a script asks for it."""
        if not self._open:
            return ActionResult.OTHER_REASON
        if self.status is Status.ACTIVATION_INITIATED:
            return ActionResult.TEMPORARY_FAILURE
        if self.status is Status.INITIATED and self.slot.complete and not self.world.obeys("DLX-IMG-14"):
            self.candidate = self._header_of(self.slot.octets)
        elif self.status is not Status.VERIFIED:
            return ActionResult.OTHER_REASON
        self.status = Status.ACTIVATION_INITIATED
        self._later(self.traits.activate_s, self._restart)
        return ActionResult.TEMPORARY_FAILURE

    def _restart(self) -> None:
        self._meter.restart(self.traits.restart_s, self._booted)

    def _booted(self) -> None:
        """The boot loader has run the self-test of the new image: keep it, or go back to the old one."""
        image = self.candidate
        self.candidate = None
        if image is None or not self._boots(image):
            failed = Status.ACTIVATION_FAILED if self.world.obeys("DLX-IMG-15") else Status.ACTIVATED
            self.status = failed
            self._meter.record("standard", "firmware_activation_failed")
            return
        self.running = FirmwareImage.of(image)
        if not self.world.obeys("DLX-IMG-30"):
            for quantity in ("A+", "A-", "R+", "R-"):  # the new image begins with registers of its own
                self._meter.metrology.energies.preset_wh(quantity, 0)
        self.status = Status.ACTIVATED
        if self.world.obeys("DLX-IMG-18"):
            self._meter.record("standard", "firmware_activated")

    def _boots(self, image: FirmwareContainer) -> bool:
        """Return whether the self-test passes. Of a bare header (a careless meter) nothing is tested."""
        if not self.traits.boots:
            return False
        return not image.payload or image.payload.startswith(demo_vendor.BOOT_MARK)

    # --- time and power ----------------------------------------------------------------------------------

    def _later(self, delay_s: float, then: Callable[[], None]) -> None:
        moments = self._meter.moments

        def ends() -> None:
            moments.passed()
            if self._meter.powered:
                then()
                moments.passed()

        self._work = self.world.scheduler.call_later(delay_s, ends)

    def _power(self, up: bool) -> None:
        """Bring what a cut has interrupted into the state the meter comes up with."""
        if up:
            return
        if self._work is not None:
            self._work.cancel()
        world = self.world
        if not world.obeys("DLX-IMG-29"):
            self.enabled = True
        match self.status:
            case Status.VERIFICATION_INITIATED if world.obeys("DLX-IMG-21"):
                self.status = Status.INITIATED
            case Status.VERIFICATION_INITIATED:
                self.candidate = self._header_of(self.slot.octets)
                self.status = Status.VERIFIED
            case Status.ACTIVATION_INITIATED if world.obeys("DLX-IMG-22"):
                self.status = Status.VERIFIED
            case Status.ACTIVATION_INITIATED:
                self.slot.clear()
                self.candidate = None
                self.status = Status.NOT_INITIATED
            case Status.INITIATED if not world.obeys("DLX-IMG-20"):
                self.slot.drop_all()
            case _:
                pass
