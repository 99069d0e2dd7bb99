"""Mode C at the optical port beside DLMS: does it say what the registers say, is the port free again."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from adapters.errors import LabError, ReadTimeout, Refused, TransportError
from adapters.profiles.model import ModeCData
from adapters.roles import DlmsMeter
from adapters.roles.dlms_mode_c import ModeCPassword
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms.words import yes


@dataclass(frozen=True, kw_only=True)
class ReadOutCompared:
    """How a readout stands beside the profile and the registers, in codes.

    A code that is shown twice is ``unexpected`` as well.
    """

    listed: int
    shown: int
    missing: str
    unexpected: str
    wrong: str
    damaged: int


@procedure("compare_read_out")
def compare_read_out(run: Steps, *, meter: DlmsMeter, link: str, association: str) -> ReadOutCompared:
    """Read out the meter on ``link``; compare each data set with its object, read before and after.

    A register that moves meanwhile may say anything between the two, in steps of its last digit.
    """
    listed = meter.mode_c_data()
    before = {each.code: _truth(meter, each, association) for each in listed}
    shown = meter.read_out(link)
    after = {each.code: _truth(meter, each, association) for each in listed}
    found = {entry.code: entry for entry in shown.data}
    rows = ["code,object,before,shown,unit,after"]
    wrong: list[str] = []
    for each in listed:
        entry = found.get(each.code)
        if entry is None:
            continue
        rows.append(
            f"{each.code},{each.object},{before[each.code]},{entry.value},{entry.unit},{after[each.code]}"
        )
        right = _agrees(before[each.code], entry.value, after[each.code], each.decimals)
        if not right or entry.unit != each.unit:
            wrong.append(each.code)
    run.attach("readout", "text/csv", data="\n".join(rows) + "\n")
    codes = [each.code for each in listed]
    told = [each.code for each in shown.data]
    unexpected = [code for code in found if code not in codes or told.count(code) > 1]
    return ReadOutCompared(
        listed=len(listed),
        shown=shown.count,
        missing=" ".join(code for code in codes if code not in found) or "nothing",
        unexpected=" ".join(unexpected) or "nothing",
        wrong=" ".join(wrong) or "nothing",
        damaged=shown.damaged,
    )


def _truth(meter: DlmsMeter, entry: ModeCData, association: str) -> str:
    """Return what the object says by DLMS, in the unit and with the digits of the data set."""
    known = {each.name: each for each in meter.profile_objects()}[entry.object]
    if known.class_id not in (3, 4):
        return str(meter.get(entry.object, association=association).value)
    reading = meter.read_register(entry.object, association=association)
    kilo = entry.unit.startswith("k") and not reading.unit.startswith("k")
    value = reading.value.scaleb(-3) if kilo else reading.value
    return f"{value:.{entry.decimals}f}"


def _agrees(before: str, shown: str, after: str, decimals: int) -> bool:
    try:
        low, value, high = Decimal(before), Decimal(shown), Decimal(after)
    except InvalidOperation:
        return before == shown == after
    return min(low, high) <= value <= max(low, high) and -int(value.as_tuple().exponent) == decimals


@dataclass(frozen=True, kw_only=True)
class PortTried:
    """Whether a port took a sign-on, for mode C and for DLMS; ``yes``, ``no`` or ``not tried``."""

    during: str
    read_out: str
    dlms: str


@procedure("port_comes_back")
def port_comes_back(
    run: Steps, *, meter: DlmsMeter, link: str, data: str, leave: str, after: Duration, witness: str
) -> PortTried:
    """Open a programming session on ``link``, leave it by ``leave`` (break, hang-up), and try the port again.

    After a hang-up the port is tried at once (``during``) and again when ``after`` has passed. ``witness`` is
    an association on another link: while it is served, a silent port is the meter's own doing.
    """
    meter.read_by_mode_c(data, link, leave="break" if leave == "break" else "hang-up")
    during = "not tried" if leave == "break" else yes(_reads_out(meter, link, witness))
    run.clock.sleep_s(after)
    dlms = yes(_opens(meter, link, witness))
    return PortTried(during=during, read_out=yes(_reads_out(meter, link, witness)), dlms=dlms)


@dataclass(frozen=True, kw_only=True)
class SessionHeld:
    """Whether a session that was silent for a while still served its reader: ``yes`` or ``no``."""

    served: str
    password: str


@procedure("idle_session")
def idle_session(
    run: Steps, *, meter: DlmsMeter, link: str, data: str, idle: Duration, witness: str
) -> SessionHeld:
    """Open a programming session, say nothing for ``idle``, which is less than its time-out, and read.

    ``witness`` is an association on another link: while it is served and the port takes a sign-on again, a
    session that does not answer has been given up by the meter.
    """
    try:
        done = meter.read_by_mode_c(data, link, "right", idle_s=idle)
    except ReadTimeout:
        if not _reads_out(meter, link, witness):
            raise
        return SessionHeld(served="no", password="accepted")
    except Refused as refusal:
        return SessionHeld(served=f"no: {refusal.reason}", password="accepted")
    return SessionHeld(served="yes", password=done.password)


def _reads_out(meter: DlmsMeter, link: str, witness: str) -> bool:
    try:
        return meter.read_out(link).count > 0
    except (TransportError, Refused):
        meter.get("logical_device_name", association=witness)
        return False


def _opens(meter: DlmsMeter, link: str, witness: str) -> bool:
    try:
        meter.associate("public", link, "(port)")
        served = bool(meter.get("logical_device_name", association="(port)").value)
        meter.release("(port)")
    except LabError:
        meter.forget("(port)")
        meter.get("logical_device_name", association=witness)
        return False
    return served


@dataclass(frozen=True, kw_only=True)
class WriteTried:
    """What the meter said to a write in programming mode, and the value by DLMS before and after."""

    answer: str
    before: str
    after: str


@procedure("try_mode_c_write", hurts=("configure",))
def try_mode_c_write(
    run: Steps,
    *,
    meter: DlmsMeter,
    link: str,
    data: str,
    value: str,
    password: ModeCPassword,
    association: str,
) -> WriteTried:
    """Write a data set with the right, a wrong or no password; read its object by DLMS before and after.

    A meter that turns the wrong password away by breaking off is as good as one that says so.
    """
    entry = next(each for each in meter.mode_c_data() if each.code == data)
    before = _truth(meter, entry, association)
    try:
        done = meter.write_by_mode_c(data, value, link, password)
        answer = "acknowledged" if done.acknowledged else "something else"
    except Refused as refusal:
        answer = refusal.reason
    return WriteTried(answer=answer, before=before, after=_truth(meter, entry, association))


@dataclass(frozen=True, kw_only=True)
class NothingRead:
    """What the meter answered: ``mode-c`` for an error, ``empty``, or the value it gave."""

    answer: str


@procedure("read_nothing")
def read_nothing(run: Steps, *, meter: DlmsMeter, link: str, data: str) -> NothingRead:
    """Read a data set that the meter does not have: an error or an empty one, but no value."""
    try:
        done = meter.read_by_mode_c(data, link)
    except Refused as refusal:
        return NothingRead(answer=refusal.reason)
    return NothingRead(answer=done.value or "empty")
