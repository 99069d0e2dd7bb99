"""The SMS channel of an MCS301 as a site file gives it: numbers, policy, the modem on the bench's side."""

from __future__ import annotations

from typing import Literal

from adapters.errors import BenchError
from virtual_rig.demo_secrets import global_keys
from virtual_rig.gsm.modem import MODEM_BAUD, VirtualModem
from virtual_rig.gsm.network import SmsNetwork
from virtual_rig.meters.associations import AssociationTable, PortState
from virtual_rig.meters.sms_port import SmsPort, SmsTerms
from virtual_rig.parts.base import SiteContext, SiteModel
from virtual_rig.parts.gsm import PhoneNumber

_CONTROL = {"none": 0, "authenticated": 0x10, "encrypted": 0x20, "authenticated-encrypted": 0x30}


class SmsEntry(SiteModel):
    """The meter's number, whose messages it takes, and the policy (that of the profile where it is empty)."""

    network: str = "gsm"
    number: PhoneNumber
    head_end: PhoneNumber
    policy: Literal["", "none", "authenticated", "encrypted", "authenticated-encrypted"] = ""


class SmsChannel:
    """The meter's end, alive, and what the bench has to know of it."""

    def __init__(self, entry: SmsEntry, context: SiteContext, table: AssociationTable) -> None:
        profile = table.meter.profile
        self._entry, self.policy = entry, entry.policy or profile.security.policy
        self.keys = global_keys(f"{context.site}/{table.meter.identity.serial}", context.seed)
        self.port = SmsPort(
            table,
            PortState("sms", profile.ports["sms"]),
            context.part(entry.network, SmsNetwork),
            SmsTerms(
                number=entry.number, head_end=entry.head_end, control=_CONTROL[self.policy], keys=self.keys
            ),
        )

    def options(self, port: str) -> dict[str, str]:
        """Return what a bench file says about a link to ``port``."""
        if port != "sms":
            return {}
        return {
            "framing": "sms",
            "baud": str(MODEM_BAUD),
            "number": self._entry.number,
            "protection": self.policy,
        }

    def secrets(self) -> dict[str, str]:
        """Return the keys as a bench takes them."""
        keys = self.keys
        return {
            "global.unicast_key": keys.unicast.hex(),
            "global.broadcast_key": keys.broadcast.hex(),
            "global.authentication_key": keys.authentication.hex(),
        }


def modem_of(entry: SmsEntry | None, number: str, context: SiteContext) -> VirtualModem:
    """Return a modem of the bench with ``number``, or the head end's. Raises BenchError without a channel."""
    if entry is None:
        raise BenchError(f"site {context.site}: a link to the port sms, but the meter has no sms: entry")
    return VirtualModem(context.part(entry.network, SmsNetwork), number or entry.head_end)
