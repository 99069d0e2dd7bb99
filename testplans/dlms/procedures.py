"""Procedures of the DLMS plans: what needs logic, as typed Python a plan step can call by name.

Each takes the run's step API first, then devices and values by name, and returns a small frozen record
whose fields the plan's ``expect`` may check.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from adapters.errors import NotPermitted, Refused
from adapters.profiles.model import CosemObject
from adapters.roles import AssociationOpened, AttributeValue, DlmsMeter, PowerSource, ServiceDone
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps


@dataclass(frozen=True, kw_only=True)
class AccessFound:
    """How many requests a client was granted and denied, and how many of them against its rights."""

    allowed: int
    denied: int
    surprises: int


@procedure("check_access")
def check_access(run: Steps, *, meter: DlmsMeter, client: str, association: str) -> AccessFound:
    """Try every object of the profile as ``client`` and compare with the rights the profile gives it.

    Reads attribute 2 of every object. Writes only where the profile calls a write harmless, and writes
    what is there already (read as a client that may, through the object's own default where it may not);
    invokes only methods the profile calls harmless. So it can run on a live meter.
    """
    allowed = denied = surprises = 0
    strangers: list[str] = []
    for entry in meter.profile_objects():
        rights = entry.access.get(client, "")
        for request, expected, answer in _requests(meter, entry, rights, association):
            granted = answer is None
            allowed, denied = allowed + granted, denied + (not granted)
            if granted != expected:
                surprises += 1
                strangers.append(f"{request} {entry.name} {'granted' if granted else f'denied ({answer})'}")
    run.attach("access of " + client, "text/csv", data=_csv(meter, client, strangers))
    run.check(
        f"{client} gets what its rights say and nothing else",
        expected="no surprise",
        actual="; ".join(strangers[:5]) or "no surprise",
    )
    return AccessFound(allowed=allowed, denied=denied, surprises=surprises)


def _requests(
    meter: DlmsMeter, entry: CosemObject, rights: str, association: str
) -> Iterable[tuple[str, bool, str | None]]:
    """Yield (request, expected to be granted, None or the reason of the refusal)."""
    present: object = None
    reason: str | None
    try:
        present = meter.get(entry.name, "2", association).value
        reason = None
    except Refused as refusal:
        reason = refusal.reason
    yield "GET", "r" in rights, reason
    if entry.harmless_write:
        value = present if present is not None else _harmless_value(entry)
        yield "SET", "w" in rights, _refusal(meter.set, entry.name, value, "value", association)
    for number in entry.harmless_methods:
        yield "ACTION", "x" in rights, _refusal(meter.action, entry.name, str(number), 0, association)


def _harmless_value(entry: CosemObject) -> object:
    return 0 if "string" not in entry.type else "UNCHANGED"


def _refusal(request: object, *arguments: object) -> str | None:
    assert callable(request)
    try:
        request(*arguments)
    except Refused as refusal:
        return refusal.reason
    return None


def _csv(meter: DlmsMeter, client: str, strangers: list[str]) -> str:
    rows = ["object,class,obis,rights of " + client]
    rows += [f"{e.name},{e.class_id},{e.obis},{e.access.get(client, '') or '-'}" for e in meter.profile_objects()]
    return "\n".join([*rows, *(f"SURPRISE: {text}" for text in strangers)]) + "\n"


@dataclass(frozen=True, kw_only=True)
class UnconfirmedEffect:
    """What came of an unconfirmed service: was it answered, did its effect show."""

    answered: str
    stored: str
    found: str


@procedure("prove_preestablished_write")
def prove_preestablished_write(
    run: Steps, *, meter: DlmsMeter, link: str, object: str, value: str, witness: str
) -> UnconfirmedEffect:
    """Write through the pre-established client on ``link``; read back through the association ``witness``.

    What was there is written back through the witness however it ends.
    """
    before = meter.get(object, association=witness).value
    fresh = _other_than(before, value)
    try:
        done = _unconfirmed_write(run, meter, link, object, fresh)
        found = meter.get(object, association=witness).value
    finally:
        meter.set(object, before, association=witness)
    return UnconfirmedEffect(
        answered=_yes(done.acknowledged), stored=_yes(found == fresh), found=str(found)
    )


def _other_than(before: object, value: str) -> str:
    """Return ``value``, or a text that differs from what is there, so that a change can be seen at all."""
    return value if str(before) != value else value + "*"


def _unconfirmed_write(run: Steps, meter: DlmsMeter, link: str, name: str, value: object) -> ServiceDone:
    with run.step("unconfirmed SET by the pre-established client", link=link, object=name, value=value):
        try:
            meter.associate("pre-established", link, "pre-established")
            return meter.set(name, value, association="pre-established", confirmed=False)
        except Refused as refusal:  # an answer where none belongs, or a link that turns the client away
            return ServiceDone(
                service="set", object=name, acknowledged=refusal.reason not in TURNED_AWAY, value=str(refusal)
            )
        finally:
            meter.forget("pre-established")


TURNED_AWAY = ("silence", "disconnected", "hung-up")
"""Reasons of Refused that are no answer to the service itself."""


def _yes(condition: bool) -> str:
    return "yes" if condition else "no"


@dataclass(frozen=True, kw_only=True)
class UnconfirmedAction:
    """What came of an unconfirmed ACTION: was it answered, did the counter it resets go back."""

    answered: str
    acted: str
    count_before: int
    count_after: int


@procedure("prove_preestablished_action")
def prove_preestablished_action(
    run: Steps,
    *,
    meter: DlmsMeter,
    link: str,
    witness: str,
    counter: str = "note_counter",
    counted: str = "installation_note",
) -> UnconfirmedAction:
    """Reset ``counter`` by an unconfirmed ACTION of the pre-established client and look through the witness.

    ``counter`` counts writes to ``counted``, so the witness first makes it count by writing back what is there.
    """
    meter.set(counted, meter.get(counted, association=witness).value, association=witness)
    before = _count(meter, counter, witness)
    answered = _unconfirmed_action(run, meter, link, counter)
    after = _count(meter, counter, witness)
    if before < 1:
        run.inconclusive(f"{counter} does not count writes to {counted}: a reset could not be seen")
    return UnconfirmedAction(
        answered=_yes(answered), acted=_yes(after < before), count_before=before, count_after=after
    )


def _count(meter: DlmsMeter, counter: str, witness: str) -> int:
    return int(str(meter.get(counter, association=witness).value))


def _unconfirmed_action(run: Steps, meter: DlmsMeter, link: str, name: str) -> bool:
    with run.step("unconfirmed ACTION by the pre-established client", link=link, object=name):
        try:
            meter.associate("pre-established", link, "pre-established")
            return meter.action(name, "1", 0, association="pre-established", confirmed=False).acknowledged
        except Refused as refusal:
            return refusal.reason not in TURNED_AWAY
        finally:
            meter.forget("pre-established")


def _seconds(value: float) -> Decimal:
    return Decimal(str(round(value, 3)))


@dataclass(frozen=True, kw_only=True)
class OpticalRefusal:
    """What the optical interface made of the pre-established client."""

    answered: str
    stored: str
    acted: str
    link_alive: str


@procedure("prove_optical_refuses_preestablished")
def prove_optical_refuses_preestablished(
    run: Steps, *, meter: DlmsMeter, link: str, witness: str, value: str, port_in_use: str
) -> OpticalRefusal:
    """Send SET and ACTION as the pre-established client to a local port, idle or while it serves Management."""
    if port_in_use == "yes":
        meter.associate("management", link, "in-use")
    effect = prove_preestablished_write(
        run, meter=meter, link=link, object="installation_note", value=value, witness=witness
    )
    action = prove_preestablished_action(run, meter=meter, link=link, witness=witness)
    with run.step("the port itself is in order", link=link):
        if port_in_use != "yes":
            meter.associate("management", link, "in-use")
        alive = meter.get("logical_device_name", association="in-use").value
        meter.release("in-use")
    return OpticalRefusal(
        answered=_yes("yes" in (effect.answered, action.answered)),
        stored=effect.stored,
        acted=action.acted,
        link_alive=_yes(bool(alive)),
    )


@procedure("restore_value")
def restore_value(run: Steps, *, meter: DlmsMeter, link: str, object: str, value: str) -> ServiceDone:
    """Write a value back through a Management association of its own."""
    meter.release_all()
    meter.associate("management", link, "restore")
    try:
        return meter.set(object, value, association="restore")
    finally:
        meter.release("restore")


@dataclass(frozen=True, kw_only=True)
class ClockShift:
    """How far a clock moved when it was shifted, and what is left after shifting it back."""

    moved_s: Decimal
    left_s: Decimal


@procedure("shift_clock_and_back", hurts=("configure",))
def shift_clock_and_back(run: Steps, *, meter: DlmsMeter, association: str, shift: int) -> ClockShift:
    """Shift the clock by ``shift`` seconds, look, shift it back, look again."""
    before = meter.read_clock(association=association).drift_s
    meter.action("clock", "shift_time", shift, association=association)
    shifted = meter.read_clock(association=association).drift_s
    meter.action("clock", "shift_time", -shift, association=association)
    after = meter.read_clock(association=association).drift_s
    return ClockShift(moved_s=_seconds(shifted - before), left_s=_seconds(after - before))


@dataclass(frozen=True, kw_only=True)
class PowerCut:
    """A supply interruption as it was made."""

    off_s: float


@procedure("cut_power", hurts=("energise",))
def cut_power(
    run: Steps, *, source: PowerSource, meter: DlmsMeter, off: Duration, settling_time: Duration
) -> PowerCut:
    """Take the supply away for ``off``, give it back and wait until the meter has started."""
    meter.drop_all_links()
    source.switch_off()
    run.clock.sleep_s(off)
    source.switch_on()
    run.clock.sleep_s(settling_time)
    return PowerCut(off_s=off)


@procedure("first_write_after_power_up")
def first_write_after_power_up(
    run: Steps, *, meter: DlmsMeter, link: str, object: str, value: str, witness_client: str, witness_link: str
) -> UnconfirmedEffect:
    """Write through the pre-established client before anybody has connected; only then look with a witness."""
    done = _unconfirmed_write(run, meter, link, object, value)
    meter.associate(witness_client, witness_link, "witness")
    found = meter.get(object, association="witness").value
    meter.release("witness")
    return UnconfirmedEffect(answered=_yes(done.acknowledged), stored=_yes(found == value), found=str(found))


@dataclass(frozen=True, kw_only=True)
class EnergyRegistered:
    """Energy a register gained under a load point, beside what was applied."""

    registered_wh: Decimal
    applied_wh: Decimal
    error_percent: Decimal


@procedure("register_energy", hurts=("energise",))
def register_energy(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    register: str,
    association: str,
    voltage_v: Decimal,
    current_a: Decimal,
    power_factor: Decimal,
    duration: Duration,
    phases: int = 3,
    readings: int = 6,
    keep_alive: Duration = 60.0,
) -> EnergyRegistered:
    """Apply a load point for ``duration`` and compare the register's gain with the energy applied."""
    with run.step("load point on", voltage_v=voltage_v, current_a=current_a, power_factor=power_factor):
        source.apply(voltage_v, current_a, power_factor)
    start_s = run.clock.monotonic_s()
    first = meter.read_register(register, association=association).value
    reading = first
    for _ in range(readings):
        _stay_associated(run, meter, association, duration / readings, keep_alive)
        reading = meter.read_register(register, association=association).value
        run.measure(f"{register} gained", reading - first, "Wh")
    elapsed_s = Decimal(str(run.clock.monotonic_s() - start_s))
    with run.step("load point off"):
        source.apply(voltage_v, Decimal(0), Decimal(1))
    applied = voltage_v * current_a * power_factor * phases * elapsed_s / 3600
    gained = reading - first
    error = (gained - applied) / applied * 100 if applied else Decimal(0)
    return EnergyRegistered(
        registered_wh=gained.quantize(Decimal("0.1")),
        applied_wh=applied.quantize(Decimal("0.1")),
        error_percent=error.quantize(Decimal("0.001")),
    )


@dataclass(frozen=True, kw_only=True)
class NoLoad:
    """What a register gained under voltage alone."""

    gained_wh: Decimal


@procedure("no_load", hurts=("energise",))
def no_load(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    register: str,
    association: str,
    voltage_v: Decimal,
    duration: Duration,
    keep_alive: Duration = 60.0,
) -> NoLoad:
    """Apply voltage without current for ``duration``; the register must stand still."""
    source.apply(voltage_v, Decimal(0), Decimal(1))
    before = meter.read_register(register, association=association).value
    _stay_associated(run, meter, association, duration, keep_alive)
    return NoLoad(gained_wh=meter.read_register(register, association=association).value - before)


@procedure("leave_supply_connected", hurts=("disconnect",))
def leave_supply_connected(run: Steps, *, meter: DlmsMeter, link: str = "") -> ServiceDone:
    """Close the supply switch again, through whatever association can be had."""
    meter.release_all()
    meter.associate("management", link, "clean-up")
    try:
        if meter.get("disconnect_control", "control_state", "clean-up").value != 1:
            return meter.reconnect_supply("clean-up")
        return ServiceDone(service="reconnect", object="disconnect_control", acknowledged=True)
    finally:
        meter.release("clean-up")


@dataclass(frozen=True, kw_only=True)
class DriftMeasured:
    """How a meter's clock ran beside ours. ``drift_s_per_day`` is positive where the meter's runs fast."""

    offset_s: Decimal
    drift_s_per_day: Decimal
    observed_s: Decimal


@procedure("measure_drift")
def measure_drift(
    run: Steps,
    *,
    meter: DlmsMeter,
    association: str,
    duration: Duration,
    readings: int = 8,
    keep_alive: Duration = 60.0,
) -> DriftMeasured:
    """Compare the meter's clock with ours ``readings`` times over ``duration``; fit a straight line.

    The clock object counts whole seconds or hundredths; a fit over several readings halves that coarseness.
    A meter ends an association that is silent too long, so the clock is also read every ``keep_alive``.
    """
    points: list[tuple[float, float]] = []
    start_s = run.clock.monotonic_s()
    for number in range(readings):
        if number:
            _stay_associated(run, meter, association, duration / (readings - 1), keep_alive)
        reading = meter.read_clock(association=association)
        points.append((run.clock.monotonic_s() - start_s, reading.drift_s))
        run.measure("clock offset", _seconds(reading.drift_s), "s")
    slope = _slope(points)
    return DriftMeasured(
        offset_s=_seconds(points[0][1]),
        drift_s_per_day=_seconds(slope * 86400),
        observed_s=_seconds(points[-1][0]),
    )


def _stay_associated(
    run: Steps, meter: DlmsMeter, association: str, duration_s: float, keep_alive_s: float
) -> None:
    end_s = run.clock.monotonic_s() + duration_s
    while (left_s := end_s - run.clock.monotonic_s()) > 0:
        run.clock.sleep_s(min(left_s, keep_alive_s))
        if left_s > keep_alive_s:
            meter.read_clock(association=association)


def _slope(points: list[tuple[float, float]]) -> float:
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if not spread:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


@dataclass(frozen=True, kw_only=True)
class ClaimsChecked:
    """What came of trying every object a meter lists."""

    listed: int
    answered: int
    broken_claims: int


@procedure("check_object_list")
def check_object_list(run: Steps, *, meter: DlmsMeter, association: str = "") -> ClaimsChecked:
    """Read attribute 1 of every listed object and compare; read every attribute the list calls readable.

    A listed object that denies its own logical name, names another, or refuses an attribute that the
    list calls readable breaks a claim of the meter.
    """
    listing = meter.list_objects(association)
    broken: list[str] = []
    answered = 0
    rows = ["object,class,version,readable,answer"]
    for listed in listing.objects:
        name = f"{listed.class_id}/{listed.logical_name}"
        for attribute in sorted(set(listed.readable)):
            try:
                got = meter.get(name, str(attribute), association)
            except Refused as refusal:
                broken.append(f"{name} attribute {attribute}: listed as readable, refused ({refusal.reason})")
                rows.append(f"{name},{listed.class_id},{listed.version},{attribute},{refusal.reason}")
                continue
            answered += 1
            shown = str(got.value).replace(",", ";").replace("\n", " ")[:60]
            rows.append(f"{name},{listed.class_id},{listed.version},{attribute},{got.type} {shown}")
            if attribute == 1 and got.value != listed.logical_name:
                broken.append(f"{name}: attribute 1 says {got.value}")
    run.attach("object list", "text/csv", data="\n".join(rows) + "\n")
    if broken:
        run.attach("broken claims", "text/plain", data="\n".join(broken) + "\n")
    run.check("claims the meter does not keep", expected="none", actual="; ".join(broken[:5]) or "none")
    return ClaimsChecked(listed=listing.count, answered=answered, broken_claims=len(broken))


@dataclass(frozen=True, kw_only=True)
class RegistersRead:
    """How many registers of the object list were read with scaler and unit."""

    registers: int
    without_unit: int


@procedure("read_all_registers")
def read_all_registers(run: Steps, *, meter: DlmsMeter, association: str = "", at_most: int = 200) -> RegistersRead:
    """Read every register (classes 3, 4 and 5) of the meter's own object list with scaler and unit."""
    count = without_unit = 0
    rows = ["register,value,unit,raw,scaler"]
    for listed in meter.list_objects(association).objects:
        if listed.class_id not in (3, 4, 5) or 2 not in listed.readable or count >= at_most:
            continue
        reading = meter.read_register(f"{listed.class_id}/{listed.logical_name}", association=association)
        count += 1
        without_unit += not reading.unit
        rows.append(f"{reading.name},{reading.value},{reading.unit},{reading.raw},{reading.scaler}")
    run.attach("registers", "text/csv", data="\n".join(rows) + "\n")
    return RegistersRead(registers=count, without_unit=without_unit)


@dataclass(frozen=True, kw_only=True)
class LimitFound:
    """How many associations a link took before it turned one away."""

    opened: int
    refused: str
    survivors: int
    taken_again: str


@procedure("fill_associations")
def fill_associations(run: Steps, *, meter: DlmsMeter, link: str, client: str, at_most: int = 16) -> LimitFound:
    """Open associations on a link until one is refused; see that the others live and a freed place is taken."""
    names: list[str] = []
    refused = ""
    try:
        while len(names) < at_most:
            try:
                meter.associate(client, link, f"fill-{len(names) + 1}")
            except Refused as refusal:
                refused = refusal.reason
                break
            names.append(f"fill-{len(names) + 1}")
        survivors = sum(_answers(meter, name) for name in names)
        taken_again = "no"
        if names and refused:
            meter.release(names.pop())
            meter.associate(client, link, "taken-again")
            names.append("taken-again")
            taken_again = _yes(_answers(meter, "taken-again"))
        return LimitFound(
            opened=len(names), refused=refused or "nothing", survivors=survivors, taken_again=taken_again
        )
    finally:
        for name in names:
            meter.release(name)


def _answers(meter: DlmsMeter, association: str) -> bool:
    try:
        return bool(meter.get("logical_device_name", association=association).value)
    except Refused:
        return False


@dataclass(frozen=True, kw_only=True)
class ProfileChecked:
    """How a meter answered for the objects its profile lists."""

    objects: int
    surprises: int


@procedure("check_profile")
def check_profile(run: Steps, *, meter: DlmsMeter, client: str = "", association: str = "") -> ProfileChecked:
    """Read attribute 2 of every object of the profile that the client may read; compare unit and scaler too."""
    name = client or meter.default_client()
    surprises: list[str] = []
    count = 0
    for entry in meter.profile_objects():
        if "r" not in entry.access.get(name, ""):
            continue
        count += 1
        try:
            if entry.class_id in (3, 4):
                reading = meter.read_register(entry.name, association=association)
                if reading.unit != entry.unit or reading.scaler != entry.scaler:
                    surprises.append(
                        f"{entry.name} has scaler {reading.scaler} and unit {reading.unit or 'none'},"
                        f" not {entry.scaler} and {entry.unit or 'none'}"
                    )
            else:
                meter.get(entry.name, "2", association)
        except Refused as refusal:
            surprises.append(f"{entry.name}: {refusal}")
    run.check("profile and meter agree", expected="no surprise", actual="; ".join(surprises[:5]) or "no surprise")
    return ProfileChecked(objects=count, surprises=len(surprises))


@procedure("associate_wrongly")
def associate_wrongly(
    run: Steps, *, meter: DlmsMeter, client: str = "", link: str = ""
) -> AssociationOpened:
    """Try once to open an association with a wrong password or key, whichever the client uses."""
    flaw = "wrong-password" if meter.mechanism_of(client) == "lls" else "wrong-key"
    opened = meter.associate(client, link, "wrong", flaw=flaw)
    meter.release("wrong")
    return opened


@procedure("read_without_association")
def read_without_association(
    run: Steps, *, meter: DlmsMeter, client: str = "", link: str = ""
) -> AttributeValue:
    """Ask for the current association object before any association is open."""
    answer = meter.request_without_association(
        "get", client or meter.default_client(), link or meter.default_link(), "15/0-0:40.0.0.255", "1"
    )
    assert isinstance(answer, AttributeValue)
    return answer


@procedure("needs_secret")
def needs_secret(run: Steps, *, meter: DlmsMeter, client: str = "") -> ServiceDone:
    """Skip the case, saying so, where the client proves itself by nothing: there is no secret to get wrong."""
    mechanism = meter.mechanism_of(client)
    if mechanism in ("none", "pre-established"):
        raise NotPermitted(f"client {client or 'by default'} uses no authentication; there is nothing to get wrong")
    return ServiceDone(service="needs-secret", object=mechanism, acknowledged=True)
