"""The firmware of the virtual MCS301: its statuses, its slot, its time and what a power cut leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult
from adapters.protocols.dlms.image_transfer import ImageTransferStatus as Status
from adapters.protocols.dlms.image_transfer import block_count, block_of, missing_blocks
from virtual_rig import demo_vendor
from virtual_rig.meters.firmware import Firmware
from virtual_rig.meters.image_slots import StandbySlot
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.parts.mcs301 import Mcs301Part
from virtual_rig.provider import VirtualBench, VirtualProvider

IMAGE = demo_vendor.image("2.0.0", octets=1100).octets
SUCCESS, BUSY, REFUSED = ActionResult.SUCCESS, ActionResult.TEMPORARY_FAILURE, ActionResult.OTHER_REASON


class Device:
    """A meter and its image transfer object, called as an association would."""

    def __init__(self, bench: VirtualBench) -> None:
        self.clock = bench.clock
        self.meter: Mcs301 = bench.built.model("meter", Mcs301Part).meter
        self.firmware = next(each for each in self.meter.features if isinstance(each, Firmware))
        self.supply = bench.built.supply

    def status(self) -> Status:
        return self.firmware.status

    def alive(self) -> bool:
        return self.meter.powered

    def invoke(self, object_name: str, method: str, argument: Data) -> ActionResult:
        live = self.meter.model.by_name[object_name]
        return live.methods[live.table.method_number(method)](argument)[0]

    def image(self, method: str, argument: Data) -> ActionResult:
        return self.invoke("image_transfer", f"image_{method}", argument)

    def initiate(self, octets: bytes = IMAGE) -> ActionResult:
        announced = dlms.structure(dlms.octet_string(b"new"), dlms.double_long_unsigned(len(octets)))
        return self.image("transfer_initiate", announced)

    def block(self, number: int, octets: bytes) -> ActionResult:
        block = dlms.structure(dlms.double_long_unsigned(number), dlms.octet_string(octets))
        return self.image("block_transfer", block)

    def send(self, octets: bytes = IMAGE) -> None:
        size = self.firmware.slot.block_size
        for number in range(block_count(len(octets), size)):
            assert self.block(number, block_of(octets, size, number)) is SUCCESS

    def verify(self) -> ActionResult:
        return self.image("verify", dlms.integer(0))

    def activate(self) -> ActionResult:
        return self.image("activate", dlms.integer(0))

    def verified(self, octets: bytes = IMAGE) -> None:
        assert self.initiate(octets) is SUCCESS
        self.send(octets)
        assert self.verify() is BUSY
        self.clock.sleep_s(6.1)

    def schedule(self, *entries: Data) -> DataAccessResult:
        live = self.meter.model.by_name["image_activation_schedule"]
        return live.setters[4](dlms.array(*entries))


@pytest.fixture
def device() -> Iterator[Device]:
    """The meter of the site, without any wire in use."""
    bench = VirtualProvider().open("mcs301", seed=3)
    yield Device(bench)
    bench.close()


def moment(text: str) -> Data:
    """An execution time: ``yyyy-mm-dd hh:mm:ss`` as time and date."""
    date, time = text.split()
    year, month, day = map(int, date.split("-"))
    return dlms.structure(
        dlms.octet_string(bytes((*map(int, time.split(":")), 0))),
        dlms.octet_string(year.to_bytes(2, "big") + bytes((month, day, 0xFF))),
    )


def test_methods_before_initiate_are_refused(device: Device) -> None:
    """Nothing can be sent, verified or activated before an image was announced."""
    assert device.block(0, bytes(512)) is REFUSED
    assert device.verify() is REFUSED
    assert device.activate() is REFUSED
    assert device.status() is Status.NOT_INITIATED


def test_arguments_of_wrong_shape_are_type_unmatched(device: Device) -> None:
    """A wrong structure is refused as such and changes nothing."""
    wrong = ActionResult.TYPE_UNMATCHED
    for argument in (dlms.integer(0), dlms.structure(), dlms.structure(dlms.integer(0), dlms.integer(0))):
        assert device.image("transfer_initiate", argument) is wrong
        assert device.image("block_transfer", argument) is wrong
    assert device.status() is Status.NOT_INITIATED


def test_upgrade_takes_its_time_and_changes_the_identifiers_at_the_end(device: Device) -> None:
    """Verification takes 6 s, copying 4 s, the restart 8 s; the old identifiers stand until then."""
    device.verified()
    assert device.verify() is SUCCESS
    assert device.activate() is BUSY
    device.clock.sleep_s(3.9)
    assert device.alive()
    device.clock.sleep_s(0.2)
    assert not device.alive()
    assert device.firmware.running.version == "1.25.0"
    device.clock.sleep_s(8)
    assert device.alive()
    assert (device.status(), device.firmware.running.version) == (Status.ACTIVATED, "2.0.0")
    assert device.activate() is REFUSED


def test_verification_failed_is_not_repeated_before_a_block_comes_again(device: Device) -> None:
    """Who polls a failed verification gets its result; a block sent again opens the way."""
    broken = IMAGE[:600] + bytes((IMAGE[600] ^ 1,)) + IMAGE[601:]
    device.verified(broken)
    assert device.verify() is REFUSED
    assert device.status() is Status.VERIFICATION_FAILED
    assert device.block(1, IMAGE[512:1024]) is SUCCESS
    assert device.status() is Status.INITIATED
    assert device.verify() is BUSY
    device.clock.sleep_s(6.1)
    assert device.status() is Status.VERIFIED


def test_verified_image_takes_the_same_block_and_no_other(device: Device) -> None:
    """A late repetition is acknowledged; different octets are refused, and the image stays verified."""
    device.verified()
    assert device.block(1, IMAGE[512:1024]) is SUCCESS
    assert device.block(1, bytes(512)) is REFUSED
    assert device.status() is Status.VERIFIED
    assert device.firmware.slot.octets == IMAGE


@pytest.mark.parametrize("size", [0, 2 * 1024 * 1024 + 1, 0xFFFFFFFF])
def test_initiate_size_out_of_range_leaves_what_was_there(device: Device, size: int) -> None:
    """An image of no octets or of too many is not announced, and the verified one is still ready."""
    device.verified()
    announced = dlms.structure(dlms.octet_string(b"new"), dlms.double_long_unsigned(size))
    assert device.image("transfer_initiate", announced) is REFUSED
    assert device.status() is Status.VERIFIED
    assert device.firmware.slot.octets == IMAGE


@pytest.mark.parametrize("after_s", [0.0, 3.9, 4.1, 11.9])
def test_power_cut_in_activation_keeps_the_old_image_and_the_new_one(device: Device, after_s: float) -> None:
    """However far activation came, the old image boots and the new one needs no other transfer."""
    device.verified()
    device.activate()
    device.clock.sleep_s(after_s)
    device.supply.switch(False)
    device.clock.sleep_s(60)
    device.supply.switch(True)
    assert (device.status(), device.firmware.running.version) == (Status.VERIFIED, "1.25.0")
    device.activate()
    device.clock.sleep_s(13)
    assert (device.status(), device.firmware.running.version) == (Status.ACTIVATED, "2.0.0")


def test_restart_is_no_power_failure(device: Device) -> None:
    """The restart of an activation writes neither power failure nor power up into the logs."""
    device.verified()
    device.activate()
    device.clock.sleep_s(13)
    codes = [entry.value.integer() for entry in device.meter.logs["standard"].entries]
    assert codes == [17, 18]
    assert not device.meter.logs["power_failure"].entries


def test_script_activates_and_refuses_other_numbers(device: Device) -> None:
    """Script 1 begins activation of a verified image; without one, or by another number, nothing happens."""
    run = ("image_activation_script", "execute")
    assert device.invoke(*run, dlms.long_unsigned(1)) is REFUSED
    device.verified()
    assert device.invoke(*run, dlms.long_unsigned(2)) is ActionResult.OBJECT_UNAVAILABLE
    assert device.invoke(*run, dlms.integer(1)) is ActionResult.TYPE_UNMATCHED
    assert device.status() is Status.VERIFIED
    assert device.invoke(*run, dlms.long_unsigned(1)) is SUCCESS
    assert device.status() is Status.ACTIVATION_INITIATED


def test_schedule_follows_a_clock_that_is_set_meanwhile(device: Device) -> None:
    """The moment is one of the meter's clock: set forward, it comes sooner; within a minute it is noticed."""
    device.verified()
    assert device.schedule(moment("2026-01-05 02:00:00")) is DataAccessResult.SUCCESS  # 01:00 UTC
    device.clock.sleep_s(600)
    assert device.status() is Status.VERIFIED
    device.meter.clock.set_utc(device.meter.clock.utc().replace(hour=0, minute=59, second=30))
    device.clock.sleep_s(61)
    assert device.status() is not Status.VERIFIED
    device.clock.sleep_s(30)
    assert device.firmware.running.version == "2.0.0"


def test_schedule_missed_without_supply_is_not_made_up_for(device: Device) -> None:
    """A moment spent without supply is gone."""
    device.verified()
    device.schedule(moment("2026-01-05 01:10:00"))
    device.clock.sleep_s(300)
    device.supply.switch(False)
    device.clock.sleep_s(600)
    device.supply.switch(True)
    device.clock.sleep_s(3600)
    assert (device.status(), device.firmware.running.version) == (Status.VERIFIED, "1.25.0")


def test_schedule_cancelled_activates_nothing(device: Device) -> None:
    """An empty list of moments takes the earlier one back."""
    device.verified()
    device.schedule(moment("2026-01-05 01:10:00"))
    device.schedule()
    device.clock.sleep_s(3600)
    assert device.status() is Status.VERIFIED


def test_schedule_of_wrong_shape_is_refused_and_the_old_one_stands(device: Device) -> None:
    """Wildcards, two moments, impossible dates and other types change nothing."""
    device.verified()
    due = moment("2026-01-05 01:10:00")
    device.schedule(due)
    other, unmatched = DataAccessResult.OTHER_REASON, DataAccessResult.TYPE_UNMATCHED
    wildcard = dlms.structure(dlms.octet_string(b"\xff" * 4), dlms.octet_string(b"\xff" * 5))
    assert device.schedule(wildcard) is other
    assert device.schedule(moment("2026-02-31 00:00:00")) is other
    assert device.schedule(due, due) is other
    assert device.schedule(dlms.integer(1)) is unmatched
    assert device.schedule(dlms.structure(dlms.octet_string(b"\0"), dlms.octet_string(b"\0"))) is unmatched
    device.clock.sleep_s(700)
    assert device.firmware.running.version == "2.0.0"


@given(
    size=st.integers(1, 3000),
    numbers=st.lists(st.integers(0, 40), max_size=60),
)
def test_slot_any_order_holds_exactly_what_was_put(size: int, numbers: list[int]) -> None:
    """Bitmap, first gap and octets agree with a plain set of block numbers, whatever comes when."""
    image = bytes(index * 7 % 251 for index in range(size))
    slot = StandbySlot(capacity=4096, block_size=100)
    slot.prepare(b"x", size)
    count = block_count(size, 100)
    there = {number for number in numbers if number < count}
    for number in numbers:
        if number < count:
            slot.put(number, block_of(image, 100, number))
    missing = tuple(number for number in range(count) if number not in there)
    assert missing == missing_blocks(slot.bits)
    assert (missing[0] if missing else count) == slot.first_missing
    assert (not missing) == slot.complete
    assert not slot.complete or slot.octets == image
