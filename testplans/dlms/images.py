"""Firmware: which image is the other one, and what runs after an activation."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import FrameDamaged, LabError, Refused, RemoteProtocolError, TransportError
from adapters.roles import DlmsMeter, FirmwareFile, ImageState, PowerSource
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.meters.upkeep import PowerCut, cut_power

_POLL_S = 1.0
_UNDER_WAY = {"activation-initiated", "verification-initiated"}


@dataclass(frozen=True, kw_only=True)
class OtherImage:
    """The image that does not run, with the version it is going to show, and what runs now."""

    image: FirmwareFile
    version: str
    running: str


@procedure("other_image")
def other_image(
    run: Steps,
    *,
    meter: DlmsMeter,
    image: FirmwareFile,
    version: str,
    other_image: FirmwareFile,
    other_version: str,
    association: str = "",
) -> OtherImage:
    """Choose the one of two images whose version the meter does not run, so that a change can be seen."""
    running = _text(meter, "firmware_id", association)
    if running == version:
        return OtherImage(image=other_image, version=other_version, running=running)
    return OtherImage(image=image, version=version, running=running)


@dataclass(frozen=True, kw_only=True)
class FirmwareFound:
    """What a meter runs, as it says itself, and how its last image transfer ended."""

    status: str
    firmware: str
    metrology: str
    communication: str
    signature: str  # hexadecimal, or text where it is one
    ready_images: int
    missing: str
    blocks: int
    took_s: float


@procedure("firmware_found")
def firmware_found(run: Steps, *, meter: DlmsMeter, association: str = "") -> FirmwareFound:
    """Read the firmware identifiers and the image transfer object through an open association."""
    return _found(meter, association, 0.0)


@procedure("await_firmware")
def await_firmware(
    run: Steps, *, meter: DlmsMeter, link: str, timeout: Duration, client: str = "management"
) -> FirmwareFound:
    """Wait until the meter has restarted and is done with activating, then read what it runs.

    Every link is dropped first: a meter that restarts has forgotten them. A meter that is not back within
    ``timeout`` is a failed check; nothing is taken for granted that was not read.
    """
    meter.drop_all_links()
    began_s = run.clock.monotonic_s()
    last = "it does not answer"
    while (took_s := run.clock.monotonic_s() - began_s) <= timeout:
        run.clock.sleep_s(_POLL_S)
        try:
            meter.associate(client, link, "(awaited)")
            try:
                status = meter.image_state("(awaited)").status
                if status not in _UNDER_WAY:
                    return _found(meter, "(awaited)", took_s)
                last = f"its status is {status}"
            finally:
                meter.release("(awaited)")
        except (TransportError, Refused, RemoteProtocolError, FrameDamaged) as error:
            last = str(error)
            meter.drop_all_links()
    with run.step("The meter is back and done"):
        run.check(f"within {timeout:g} s", expected="activated or not", actual=last)
    raise AssertionError("a failed check raises")


@procedure("firmware_after")
def firmware_after(
    run: Steps, *, meter: DlmsMeter, link: str, wait: Duration, client: str = "management"
) -> FirmwareFound:
    """Leave the meter alone for ``wait``, without any link, then read what it runs."""
    meter.drop_all_links()
    run.clock.sleep_s(wait)
    meter.associate(client, link, "(after)")
    try:
        return _found(meter, "(after)", wait)
    finally:
        meter.release("(after)")


def _found(meter: DlmsMeter, association: str, took_s: float) -> FirmwareFound:
    state = meter.image_state(association)
    return FirmwareFound(
        status=state.status,
        firmware=_text(meter, "firmware_id", association),
        metrology=_text(meter, "firmware_id_metrology", association),
        communication=_text(meter, "firmware_id_communication", association),
        signature=_text(meter, "firmware_signature", association),
        ready_images=state.ready_images,
        missing=state.missing,
        blocks=state.blocks,
        took_s=round(took_s, 3),
    )


def _text(meter: DlmsMeter, name: str, association: str) -> str:
    return str(meter.get(name, association=association).value)


@dataclass(frozen=True, kw_only=True)
class SameState:
    """Whether nothing about an image transfer changed; ``changed`` names what did."""

    changed: str


@procedure("image_state_unchanged")
def image_state_unchanged(
    run: Steps, *, meter: DlmsMeter, before: object, association: str = ""
) -> SameState:
    """Read the image transfer object again and name every field that differs from ``before``."""
    assert isinstance(before, ImageState)
    after = meter.image_state(association)
    names = [
        f"{name}: {getattr(before, name)} became {getattr(after, name)}"
        for name in ImageState.__dataclass_fields__
        if getattr(before, name) != getattr(after, name)
    ]
    return SameState(changed="; ".join(names))


@dataclass(frozen=True, kw_only=True)
class Upgraded:
    """An upgrade from one version to another, read back."""

    before: str
    after: str
    status: str
    took_s: float


@procedure("upgrade_firmware", hurts=("firmware",))
def upgrade_firmware(
    run: Steps,
    *,
    meter: DlmsMeter,
    link: str,
    image: FirmwareFile,
    version: str,
    timeout: Duration,
    resume: bool = False,
    client: str = "management",
) -> Upgraded:
    """Transfer, verify and activate an image, and believe only the identifier read back afterwards.

    With ``resume`` it goes on where an earlier attempt ended: at the first missing block, or with an image
    that is verified already and says that it is this version.
    """
    began_s = run.clock.monotonic_s()
    meter.associate(client, link, "upgrade")
    before = _text(meter, "firmware_id", "upgrade")
    state = meter.image_state("upgrade")
    if not (resume and state.status == "verified" and state.ready_identification == version):
        with run.step("Transfer the image", image=image):
            meter.transfer_image(image, resume=resume, association="upgrade")
        with run.step("Verify it"):
            meter.verify_image(timeout, association="upgrade")
    with run.step("Activate it"):
        meter.activate_image(association="upgrade")
    found = await_firmware(run, meter=meter, link=link, timeout=timeout, client=client)
    with run.step("Read back what runs"):
        run.check("firmware identifier", expected=version, actual=found.firmware)
        run.check("image transfer status", expected="activated", actual=found.status)
    return Upgraded(
        before=before,
        after=found.firmware,
        status=found.status,
        took_s=round(run.clock.monotonic_s() - began_s, 3),
    )


@procedure("cut_power_after", hurts=("energise",))
def cut_power_after(
    run: Steps,
    *,
    source: PowerSource,
    meter: DlmsMeter,
    wait: Duration,
    off: Duration,
    settling_time: Duration,
) -> PowerCut:
    """Let the meter work for ``wait``, untouched, then take its supply away and give it back."""
    meter.drop_all_links()
    run.clock.sleep_s(wait)
    return cut_power(run, source=source, meter=meter, off=off, settling_time=settling_time)


@procedure("leave_no_activation", hurts=("firmware",))
def leave_no_activation(
    run: Steps, *, meter: DlmsMeter, link: str, client: str = "management", timeout: Duration = 300.0
) -> ImageState:
    """Cancel a scheduled activation and enable transfers again, through an association of its own.

    One that has begun, wanted or not, is waited for: the next case is not to find the meter busy.
    """
    await_firmware(run, meter=meter, link=link, timeout=timeout, client=client)
    meter.associate(client, link, "(clean-up)")
    try:
        meter.cancel_activation("(clean-up)")
        return meter.enable_image_transfer(True, "(clean-up)")
    finally:
        try:
            meter.release("(clean-up)")
        except LabError:
            meter.drop_all_links()
