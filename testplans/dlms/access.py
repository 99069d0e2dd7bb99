"""What a client is granted and denied, object by object; and how many associations a link holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from adapters.errors import NotPermitted, Refused
from adapters.profiles.model import CosemObject, obis_octets
from adapters.roles import DlmsMeter
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms.words import yes


@dataclass(frozen=True, kw_only=True)
class AccessFound:
    """How many requests a client was granted and denied, and how many of them against its rights."""

    allowed: int
    denied: int
    surprises: int


@procedure("check_access")
def check_access(run: Steps, *, meter: DlmsMeter, client: str, association: str) -> AccessFound:
    """Try every object of the profile as ``client`` and compare with the rights the profile gives it.

    Reads attribute 2 of every object, and the next ones too where nothing is granted. Writes only where
    the profile calls a write harmless, and writes what is there already; invokes only methods the profile
    calls harmless. Where a client may read and not write, what was read is written back (data, registers and
    the clock, on a bench that allows ``configure``). So it can run on a live meter.
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
    for number in _attributes(entry, rights):
        reason: str | None = None
        try:
            value = meter.get(entry.name, str(number), association).value
            present = value if number == 2 else present
        except Refused as refusal:
            reason = refusal.reason
        yield f"GET attribute {number} of", "r" in rights, reason
    if entry.harmless_write:
        value = present if present is not None else _harmless_value(entry)
        yield "SET", "w" in rights, _refusal(meter.set, entry.name, value, "value", association)
    elif "r" in rights and "w" not in rights and entry.class_id in _WRITTEN_BACK:
        answer = _written_back(meter, entry, association)
        if answer is not None:
            yield "SET", False, None if answer == "success" else answer
    for number in entry.harmless_methods:
        yield "ACTION", "x" in rights, _refusal(meter.action, entry.name, str(number), 0, association)


def _attributes(entry: CosemObject, rights: str) -> Iterable[int]:
    """Return what to read: the value of what is granted, everything but the name of what is not."""
    return (2,) if "r" in rights else range(2, 2 + _ATTRIBUTES_TRIED)


_ATTRIBUTES_TRIED = 3


_WRITTEN_BACK = (1, 3, 8)


def _written_back(meter: DlmsMeter, entry: CosemObject, association: str) -> str | None:
    """Write attribute 2 back octet by octet; return what came of it, None where nobody could try."""
    attribute = f"{entry.class_id:04X}{obis_octets(entry.obis).hex()}02"
    try:
        read = meter.send_raw(bytes.fromhex(f"C001C1{attribute}00"), association)
        if (read.kind, read.result) != ("get", "success"):
            return None
        value = read.apdu[_VALUE_AT:]
        return meter.send_raw(bytes.fromhex(f"C101C1{attribute}00{value}"), association).result
    except NotPermitted:
        return None


_VALUE_AT = 8  # after tag, kind, invoke octet and choice, two digits each


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
    rows += [
        f"{e.name},{e.class_id},{e.obis},{e.access.get(client, '') or '-'}" for e in meter.profile_objects()
    ]
    return "\n".join([*rows, *(f"SURPRISE: {text}" for text in strangers)]) + "\n"


@dataclass(frozen=True, kw_only=True)
class LimitFound:
    """How many associations a link took before it turned one away."""

    opened: int
    refused: str
    survivors: int
    taken_again: str


@procedure("fill_associations")
def fill_associations(
    run: Steps, *, meter: DlmsMeter, link: str, client: str, at_most: int = 16
) -> LimitFound:
    """Open associations until one is refused; see that the others live and a freed place is taken."""
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
            taken_again = yes(_answers(meter, "taken-again"))
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
