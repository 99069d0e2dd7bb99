"""What an association tells of itself, compared with what was agreed on the wire and with the profile."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import Refused
from adapters.roles import AssociationOpened, DlmsMeter
from harness.actions import procedure
from harness.steps import Steps

_CURRENT = "15/0-0:40.0.0.255"
_ASSIGNMENT, _DEVICE_NAME = "17/0-0:41.0.0.255", "1/0-0:42.0.0.255"
_PARTNERS, _CONTEXT, _INFO, _MECHANISM, _SECRET, _STATUS = "3", "4", "5", "6", "7", "8"
_ASSOCIATED = 2
_DLMS_VERSION = 6
_MECHANISMS = {
    "none": 0,
    "lls": 1,
    "hls-manufacturer": 2,
    "hls-md5": 3,
    "hls-sha1": 4,
    "hls-gmac": 5,
    "hls-sha256": 6,
    "hls-ecdsa": 7,
}
"""Mechanism ids (Green Book 9.4.2.2.3)."""
_LN, _LN_CIPHERED = 1, 3


@dataclass(frozen=True, kw_only=True)
class SelfDescription:
    """What the current association object says that is not so, and what it does not tell (``nothing``)."""

    wrong: str
    not_told: str


@procedure("check_current_association")
def check_current_association(
    run: Steps, *, meter: DlmsMeter, client: str = "", link: str = ""
) -> SelfDescription:
    """Associate and compare the current association object (class 15) with what was agreed (Blue Book 4.4.4).

    An attribute that is refused is only told (``not_told``): which ones a client may read is the meter's
    affair. The secret may be refused, empty or masked by one octet all through, but not be there to read.
    """
    opened = meter.associate(client, link, "(current)")
    wrong: list[str] = []
    not_told: list[str] = []
    for number, check in (
        (_PARTNERS, _partners),
        (_CONTEXT, _context),
        (_INFO, _info),
        (_MECHANISM, _mechanism),
        (_STATUS, _status),
    ):
        try:
            told = meter.get(_CURRENT, number, "(current)").value
        except Refused as refusal:
            not_told.append(f"attribute {number} ({refusal.reason})")
            continue
        wrong += check(opened, told)
    try:
        secret = meter.get(_CURRENT, _SECRET, "(current)").value
    except Refused:
        secret = ""
    if len(set(str(secret))) > 1:
        wrong.append(f"attribute {_SECRET}, the secret, can be read")
    wrong += _device(meter, opened)
    meter.release("(current)")
    run.check("what the association says of itself", expected="so", actual="; ".join(wrong) or "so")
    return SelfDescription(wrong="; ".join(wrong) or "nothing", not_told="; ".join(not_told) or "nothing")


def _device(meter: DlmsMeter, opened: AssociationOpened) -> list[str]:
    """Compare the SAP assignment (class 17), where it may be read, with who answers at the address."""
    try:
        assigned = meter.get(_ASSIGNMENT, "2", "(current)").value
        name = meter.get(_DEVICE_NAME, "2", "(current)").value
    except Refused:
        return []
    here = (
        [row[1] for row in assigned if row[0] == opened.server_address] if isinstance(assigned, list) else []
    )
    return [] if here == [name] else [f"SAP assignment {assigned}, at {opened.server_address} answers {name}"]


def _partners(opened: AssociationOpened, told: object) -> list[str]:
    agreed = [opened.client_address, opened.server_address]
    return [] if told == agreed else [f"associated_partners_id {told}, on the wire it is {agreed}"]


def _context(opened: AssociationOpened, told: object) -> list[str]:
    agreed = _LN_CIPHERED if opened.ciphered else _LN
    return _last_of_name("application_context_name", told, agreed)


def _mechanism(opened: AssociationOpened, told: object) -> list[str]:
    return _last_of_name("authentication_mechanism_name", told, _MECHANISMS[opened.mechanism])


def _last_of_name(what: str, told: object, agreed: int) -> list[str]:
    """Compare the last arc of a name, which comes as a structure or as encoded octets."""
    last: object = told
    if isinstance(told, list):
        last = told[-1] if told else None
    elif isinstance(told, str):
        try:
            last = bytes.fromhex(told)[-1]
        except (ValueError, IndexError):
            last = told
    return [] if last == agreed else [f"{what} ends with {last}, agreed was {agreed}"]


def _info(opened: AssociationOpened, told: object) -> list[str]:
    """Compare sizes and version; the conformance may be all the meter has, or what was negotiated."""
    if not isinstance(told, list) or len(told) < 4:
        return [f"xdlms_context_info {told}, not a structure of six"]
    _conformance, receives, _sends, version, *_ = told
    wrong = []
    if opened.max_pdu and receives != opened.max_pdu:
        wrong.append(f"max_receive_pdu_size {receives}, the answer to the proposal said {opened.max_pdu}")
    if version != _DLMS_VERSION:
        wrong.append(f"dlms_version_number {version}, agreed was {_DLMS_VERSION}")
    return wrong


def _status(_opened: AssociationOpened, told: object) -> list[str]:
    return [] if told == _ASSOCIATED else [f"association_status {told} in an open association"]


@dataclass(frozen=True, kw_only=True)
class RightsCompared:
    """How many rows an object list has, and where it is not what the profile gives the client."""

    listed: int
    surprises: int


@procedure("compare_rights")
def compare_rights(run: Steps, *, meter: DlmsMeter, client: str, association: str) -> RightsCompared:
    """Compare the object list a client is shown with the rights the profile gives it, and the versions.

    An object the profile does not know says nothing. Where the list gives no rights, only presence counts.
    """
    listing = meter.list_objects(association)
    shown = {(row.class_id, row.logical_name): row for row in listing.objects}
    surprises: list[str] = []
    for entry in meter.profile_objects():
        rights, row = entry.access.get(client, ""), shown.get((entry.class_id, entry.obis))
        if row is None:
            if "r" in rights:
                surprises.append(f"{entry.name} is missing")
            continue
        if not rights:
            surprises.append(f"{entry.name} is listed without any right")
        if "version" in entry.model_fields_set and row.version != entry.version:
            surprises.append(f"{entry.name} has version {row.version}, not {entry.version}")
        if row.rights_known and row.writable and "w" not in rights:
            surprises.append(f"{entry.name} is listed as writable: {list(row.writable)}")
        if row.rights_known and not row.writable and "w" in rights:
            surprises.append(f"{entry.name} is listed without anything to write")
        if 1 in row.writable:
            surprises.append(f"the logical name of {entry.name} is listed as writable")
        if row.rights_known and set(row.readable) - {1} and "r" not in rights:
            surprises.append(f"{entry.name} is listed as readable: {list(row.readable)}")
    run.check(
        f"the object list {client} is shown has its rights",
        expected="no surprise",
        actual="; ".join(surprises[:5]) or "no surprise",
    )
    return RightsCompared(listed=listing.count, surprises=len(surprises))
