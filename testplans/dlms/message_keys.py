"""Services in general-ciphering: every APDU names its sender, its recipient and the key it is under."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import Refused
from adapters.roles import DlmsMeter, KeyWay, RequestFlaw
from harness.actions import procedure
from harness.steps import Steps


@dataclass(frozen=True, kw_only=True)
class MessageKeysUsed:
    """What came of services under keys of their own.

    ``objects`` is how many objects the meter listed that way, ``note`` what an ordinary association reads of
    the note that was written that way. ``refused`` is why the spoiled request was refused, "nothing" where it
    was served or none was sent; ``goes_on`` whether the association served on after it.
    """

    objects: int
    note: str
    refused: str
    goes_on: bool


@procedure("use_message_keys")
def use_message_keys(
    run: Steps, *, meter: DlmsMeter, link: str, keys: KeyWay, note: str = "", flaw: RequestFlaw = ""
) -> MessageKeysUsed:
    """Read, write and list objects in general-ciphering; then send one spoiled request, and a sound one.

    ``keys`` says how both ends come by the key of a message. An empty ``note`` writes nothing.
    """
    meter.associate("management", link, "own-keys", general_ciphering=keys)
    refused, goes_on = "nothing", True
    try:
        objects = meter.list_objects("own-keys").count
        if note:
            meter.set("installation_note", note, association="own-keys")
        if flaw:
            refused = _refused(meter, flaw)
            try:
                meter.get("energy_import", association="own-keys")
            except Refused:
                goes_on = False
    finally:
        meter.release("own-keys")
    read = ""
    if note:
        meter.associate("management", link, "ordinary")
        read = str(meter.get("installation_note", association="ordinary").value)
        meter.release("ordinary")
    return MessageKeysUsed(objects=objects, note=read, refused=refused, goes_on=goes_on)


def _refused(meter: DlmsMeter, flaw: RequestFlaw) -> str:
    try:
        meter.get("energy_import", association="own-keys", flaw=flaw)
    except Refused as refusal:
        return refusal.reason
    return "nothing"
