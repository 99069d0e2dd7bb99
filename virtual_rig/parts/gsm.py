"""A GSM network and its modems as parts of a site."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from virtual_rig.gsm.modem import ModemIdentity, VirtualModem
from virtual_rig.gsm.network import SmsFaults, SmsNetwork
from virtual_rig.parts.base import MAIN, BuiltPart, PartEntry, SerialWire, SiteContext

PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+\d{3,15}$")]


class GsmNetworkEntry(PartEntry):
    """A GSM network with a short message service. Nothing of it stands on the bench.

    Faults, by the number of a message from 1 on: ``sms_lose=<device>:<n>``, ``sms_twice=<device>:<n>``,
    ``sms_swap=<device>:<n>`` (it arrives after the next one), ``sms_late=<device>:<n>`` (by ``late_s``).
    """

    model: Literal["gsm_network"]
    latency_s: float = Field(default=2.0, gt=0, le=3600)
    late_s: float = Field(default=600.0, gt=0, le=604800)
    centre: PhoneNumber = "+4917000000000"

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make it."""

        def numbered(fault: str) -> int:
            return int(context.faults.number(fault, name) or 0)

        faults = SmsFaults(
            lose=numbered("sms_lose"),
            twice=numbered("sms_twice"),
            swap=numbered("sms_swap"),
            late=numbered("sms_late"),
            late_s=self.late_s,
        )
        return BuiltPart(
            model=SmsNetwork(context.world, centre=self.centre, latency_s=self.latency_s, faults=faults)
        )


class GsmModemEntry(PartEntry):
    """A modem of the bench's own, on a serial port."""

    model: Literal["gsm_modem"]
    network: str = "gsm"
    number: PhoneNumber
    imei: str = Field(default="350000000000006", pattern=r"^\d{15}$")
    wire: SerialWire = "virt"
    rssi: int = Field(default=18, ge=0, le=31)

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make it and put it on its wire."""
        network = context.part(self.network, SmsNetwork)
        modem = VirtualModem(network, self.number, identity=ModemIdentity(imei=self.imei), rssi=self.rssi)
        return BuiltPart(
            model=modem,
            bench={"role": "sms_modem", "adapter": "gsm_modem", "identity": {"serial": self.imei}},
            endpoints=(context.serial(name, MAIN, modem, self.wire),),
            link_options={MAIN: {"baud": str(modem.baud)}},
        )
