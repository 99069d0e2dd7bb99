"""Verification and activation under way: when they begin, and what must not come between."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from adapters.errors import FrameDamaged, Refused, RemoteProtocolError, TransportError
from adapters.profiles.model import obis_text
from adapters.roles import ActivationScheduled, DlmsMeter, FirmwareFile
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms.images import await_firmware

_POLL_S = 1.0
_TRIES = 2
_EXECUTE = 2  # service_id of an action of a script: execute a method
_NO_ANSWER = "no-answer"
_SET_TIME = bytes.fromhex("C101C1 0016 00000F0002FF 04 00")  # SET of execution_time, 0-0:15.0.2.255


@procedure("needs_blocks")
def needs_blocks(run: Steps, *, meter: DlmsMeter, at_least: int, association: str = "") -> None:
    """End the case as inconclusive where the image that was announced takes fewer blocks than it asks for."""
    blocks = meter.image_state(association).blocks
    if blocks < at_least:
        run.inconclusive(
            f"the image has {blocks} blocks of this meter's size; this case needs one of {at_least} or more"
        )


@dataclass(frozen=True, kw_only=True)
class VerificationBegun:
    """What a meter answered when it was asked to verify, and the status it was in right after."""

    answer: str
    status: str


@procedure("begin_verification", hurts=("firmware",))
def begin_verification(run: Steps, *, meter: DlmsMeter, association: str = "") -> VerificationBegun:
    """Ask once for verification and do not wait for its end.

    Inconclusive where it has come to its end when the meter answers: a quick meter may do so, and then
    there is nothing to be seen of the time it lasts.
    """
    answer = "success"
    try:
        meter.action("image_transfer", "image_verify", 0, association)
    except Refused as refusal:
        answer = refusal.reason
    status = meter.image_state(association).status
    if status in ("verified", "verification-failed"):
        run.inconclusive(f"verification was over when the meter answered ({answer}): its status is {status}")
    return VerificationBegun(answer=answer, status=status)


@dataclass(frozen=True, kw_only=True)
class ActivationObjects:
    """What script and schedule of the activation say that they do.

    ``script`` is the method that script 1 executes, ``scheduled`` the script the schedule runs, ``at`` the
    local time it does so at, ``nothing`` where no time is set.
    """

    script: str
    scheduled: str
    at: str


@procedure("activation_objects")
def activation_objects(run: Steps, *, meter: DlmsMeter, association: str = "") -> ActivationObjects:
    """Read the script table of the activation (class 9) and its single action schedule (class 22)."""
    scripts = meter.get("image_activation_script", "scripts", association).value
    runs = meter.get("image_activation_schedule", "executed_script", association).value
    times = meter.get("image_activation_schedule", "execution_time", association).value
    try:
        table, number = cast("Sequence[object]", runs)
        entries = [_time(time, date) for time, date in cast("Sequence[Sequence[object]]", times)]
        return ActivationObjects(
            script=_first_script(cast("Sequence[Sequence[object]]", scripts)),
            scheduled=f"script {number} of {_obis(table)}",
            at=", ".join(entries) or "nothing",
        )
    except (TypeError, ValueError) as error:
        raise RemoteProtocolError(
            f"script {scripts}, schedule {runs} at {times}: not of the shape of classes 9 and 22 ({error})"
        ) from error


def _first_script(scripts: Sequence[Sequence[object]]) -> str:
    found = [actions for number, actions in scripts if number == 1]
    if not found:
        return "there is no script 1"
    told = []
    for service, class_id, name, index, _parameter in cast("Sequence[Sequence[object]]", found[0]):
        kind = "method" if service == _EXECUTE else "attribute"
        told.append(f"{kind} {index} of {class_id}/{_obis(name)}")
    return ", ".join(told) or "not told"


def _obis(name: object) -> str:
    return obis_text(bytes.fromhex(str(name)))


def _time(time: object, date: object) -> str:
    hour, minute, second, _ = bytes.fromhex(str(time))
    high, low, month, day, _ = bytes.fromhex(str(date))
    return f"{high * 256 + low:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"


@dataclass(frozen=True, kw_only=True)
class TimeTried:
    """What came to an execution time as it was written, and the one the schedule shows then."""

    result: str
    at: str


@procedure("set_activation_time", hurts=("firmware",))
def set_activation_time(
    run: Steps, *, meter: DlmsMeter, time: bytes, date: bytes, association: str = ""
) -> TimeTried:
    """Write one execution time of the activation schedule as octets, whatever they mean."""
    parts = b"".join(bytes((0x09, len(octets))) + octets for octets in (time, date))
    answer = meter.send_raw(_SET_TIME + b"\x01\x01\x02\x02" + parts, association)
    shown = activation_objects(run, meter=meter, association=association).at
    return TimeTried(result=answer.result, at=shown)


@dataclass(frozen=True, kw_only=True)
class ActivationWatched:
    """How long before its time an activation had begun, and how long after it had not yet.

    Both are the least that was seen, and 0 where nothing of the kind was. ``status`` is the first one after
    ``verified``, or ``no-answer``.
    """

    early_s: float
    late_s: float
    status: str


@procedure("watch_activation")
def watch_activation(
    run: Steps,
    *,
    meter: DlmsMeter,
    link: str,
    planned: object,
    timeout: Duration,
    lead: Duration = 20.0,
    client: str = "management",
) -> ActivationWatched:
    """Look at the status from ``lead`` before the planned moment on, until it is no longer ``verified``.

    The moment is the meter's: its clock is read first. After ``timeout`` behind it nothing more is expected.
    """
    assert isinstance(planned, ActivationScheduled)
    meter.drop_all_links()
    meter.associate(client, link, "(watch)")
    left_s = (planned.at - meter.read_clock(association="(watch)").device_time).total_seconds()
    due_s = run.clock.monotonic_s() + left_s
    meter.release("(watch)")
    run.clock.sleep_s(max(left_s - lead, 0.0))
    waiting_s = -lead
    while (status := _watched(run, meter, link, client)) == "verified" and waiting_s < timeout:
        waiting_s = run.clock.monotonic_s() - due_s
        run.clock.sleep_s(_POLL_S)
    begun_s = run.clock.monotonic_s() - due_s
    meter.drop_all_links()
    if status == _NO_ANSWER and begun_s < 0:
        found = await_firmware(run, meter=meter, link=link, timeout=timeout, client=client)
        if found.status == "verified":
            run.inconclusive("the meter did not answer before the moment, and has not activated either")
    return ActivationWatched(
        early_s=round(max(-begun_s, 0.0), 3), late_s=round(max(waiting_s, 0.0), 3), status=status
    )


def _watched(run: Steps, meter: DlmsMeter, link: str, client: str) -> str:
    """Return the status, or ``no-answer``. What fails is tried again: it may have been the link's fault."""
    for _ in range(_TRIES):
        try:
            meter.associate(client, link, "(watch)")
            status = meter.image_state("(watch)").status
            meter.release("(watch)")
            return status
        except (TransportError, Refused, RemoteProtocolError, FrameDamaged):
            meter.drop_all_links()
            run.clock.sleep_s(_POLL_S)
    return _NO_ANSWER


@dataclass(frozen=True, kw_only=True)
class Overwritten:
    """What came to a foreign block sent to a verified image, and what runs after its activation."""

    answer: str
    status: str
    firmware: str
    signature: str


@procedure("activate_overwritten", hurts=("firmware",))
def activate_overwritten(
    run: Steps,
    *,
    meter: DlmsMeter,
    link: str,
    image: FirmwareFile,
    timeout: Duration,
    client: str = "management",
) -> Overwritten:
    """Send the first block of another image to a verified one, activate whatever the meter then holds.

    How the block is answered is the meter's affair: it may be refused, thrown away, or cost the image its
    verification. What counts is what runs in the end.
    """
    meter.associate(client, link, "(overwriting)")
    answer = "success"
    try:
        meter.send_block(image, 0, association="(overwriting)")
    except Refused as refusal:
        answer = refusal.reason
    with suppress(Refused):  # it has to be verified anew
        meter.activate_image("(overwriting)")
    found = await_firmware(run, meter=meter, link=link, timeout=timeout, client=client)
    return Overwritten(answer=answer, status=found.status, firmware=found.firmware, signature=found.signature)


@dataclass(frozen=True, kw_only=True)
class Disturbed:
    """What came to an image announced while another one was being activated, and what runs after that."""

    answer: str
    status: str
    firmware: str
    signature: str


@procedure("disturb_activation", hurts=("firmware",))
def disturb_activation(
    run: Steps,
    *,
    meter: DlmsMeter,
    link: str,
    image: FirmwareFile,
    timeout: Duration,
    client: str = "management",
) -> Disturbed:
    """Activate the verified image and announce another one right behind it; wait for what runs then.

    A meter that has restarted by then does not answer, one that is done already may take it.
    """
    meter.associate(client, link, "(disturbing)")
    meter.activate_image("(disturbing)")
    answer = "success"
    try:
        meter.initiate_image(image, association="(disturbing)")
    except Refused as refusal:
        answer = refusal.reason
    except (TransportError, RemoteProtocolError, FrameDamaged):
        answer = _NO_ANSWER
    found = await_firmware(run, meter=meter, link=link, timeout=timeout, client=client)
    return Disturbed(answer=answer, status=found.status, firmware=found.firmware, signature=found.signature)
