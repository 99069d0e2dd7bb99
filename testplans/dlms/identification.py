"""What any DLMS meter says of itself, and whether it keeps to it."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import NotPermitted, Refused
from adapters.roles import AssociationFlaw, AssociationOpened, AttributeValue, DlmsMeter, ServiceDone
from harness.actions import procedure
from harness.steps import Steps


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
    list calls readable breaks a claim of the meter. Where the list gives no rights for an object, its
    first two attributes are tried and a refusal breaks nothing.
    """
    listing = meter.list_objects(association)
    broken: list[str] = []
    answered = 0
    rows = ["object,class,version,readable,answer"]
    for listed in listing.objects:
        name = f"{listed.class_id}/{listed.logical_name}"
        for attribute in sorted(set(listed.readable)) if listed.rights_known else (1, 2):
            try:
                got = meter.get(name, str(attribute), association)
            except Refused as refusal:
                if listed.rights_known:
                    broken.append(
                        f"{name} attribute {attribute}: listed as readable, refused ({refusal.reason})"
                    )
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
    """How many registers of the object list were read with scaler and unit, and how many were refused."""

    registers: int
    refused: int
    without_unit: int


@procedure("read_all_registers")
def read_all_registers(
    run: Steps, *, meter: DlmsMeter, association: str = "", at_most: int = 200
) -> RegistersRead:
    """Read every register (classes 3, 4 and 5) of the meter's own object list with scaler and unit."""
    count = without_unit = refused = 0
    rows = ["register,value,unit,raw,scaler"]
    for listed in meter.list_objects(association).objects:
        if listed.class_id not in (3, 4, 5) or count >= at_most:
            continue
        if listed.rights_known and 2 not in listed.readable:
            continue
        try:
            reading = meter.read_register(f"{listed.class_id}/{listed.logical_name}", association=association)
        except Refused as refusal:
            if listed.rights_known:
                raise
            refused += 1
            rows.append(f"{listed.class_id}/{listed.logical_name},{refusal.reason},,,")
            continue
        count += 1
        without_unit += not reading.unit
        rows.append(f"{reading.name},{reading.value},{reading.unit},{reading.raw},{reading.scaler}")
    run.attach("registers", "text/csv", data="\n".join(rows) + "\n")
    if refused and not count:
        run.inconclusive(f"none of {refused} registers of the list may be read by this client")
    return RegistersRead(registers=count, refused=refused, without_unit=without_unit)


@dataclass(frozen=True, kw_only=True)
class ProfileChecked:
    """How a meter answered for the objects its profile lists."""

    objects: int
    surprises: int


@procedure("check_profile")
def check_profile(run: Steps, *, meter: DlmsMeter, client: str = "", association: str = "") -> ProfileChecked:
    """Read every object of the profile that the client may read; compare scaler and unit too."""
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
    run.check(
        "profile and meter agree", expected="no surprise", actual="; ".join(surprises[:5]) or "no surprise"
    )
    return ProfileChecked(objects=count, surprises=len(surprises))


@procedure("associate_wrongly")
def associate_wrongly(run: Steps, *, meter: DlmsMeter, client: str = "", link: str = "") -> AssociationOpened:
    """Try once to open an association with a wrong password or key, whichever the client uses."""
    flaw: AssociationFlaw = "wrong-password" if meter.mechanism_of(client) == "lls" else "wrong-key"
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
    """Skip the case where the client proves itself by nothing: there is no secret to get wrong."""
    mechanism = meter.mechanism_of(client)
    if mechanism in ("none", "pre-established"):
        raise NotPermitted(
            f"client {client or 'by default'} uses no authentication; there is nothing to get wrong"
        )
    return ServiceDone(service="needs-secret", object=mechanism, acknowledged=True)
