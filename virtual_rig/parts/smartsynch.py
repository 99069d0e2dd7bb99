"""Provisioning as parts of a site: the cellular network, the configuration server, TMS and the module.

The network stands above the servers, the servers above the module, which sits in a meter further up.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from virtual_rig.meters.ansi.model import AnsiMeterModel
from virtual_rig.parts.base import MAIN, BuiltPart, PartEntry, SiteContext
from virtual_rig.smartsynch.configuration_server import ConfigurationServer
from virtual_rig.smartsynch.module import ItronModule
from virtual_rig.smartsynch.network import Latency, Network
from virtual_rig.smartsynch.provisioning import Attributes
from virtual_rig.smartsynch.tms import Tms

PARAMETERS = ("apn", "tms_address", "time_zone", "pin")
"""What a customer's module needs; the real list is not public."""
PIN_DIGITS = 8
_ENERGY = "energy_import"


class NetworkEntry(PartEntry):
    """A cellular network. Nothing of it stands on the bench.

    Faults: ``message_loss=<device>:<percent>``; ``carrier_outage=<device>:<seconds>`` from the start on.
    """

    model: Literal["cellular_network"]
    rssi_dbm: int = Field(default=-79, ge=-113, le=-51)
    minimum_dbm: int = Field(default=-95, ge=-113, le=-51)
    least_latency_s: float = Field(default=0.5, gt=0, le=60)
    most_latency_s: float = Field(default=1.4, gt=0, le=60)
    loss: float = Field(default=0.0, ge=0, lt=1)
    outage_s: float = Field(default=0.0, ge=0)

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make it."""
        loss_percent = context.faults.number("message_loss", name)
        outage_s = context.faults.number("carrier_outage", name)
        return BuiltPart(
            model=Network(
                context.world,
                rssi_dbm=self.rssi_dbm,
                minimum_dbm=self.minimum_dbm,
                latency=Latency(least_s=self.least_latency_s, most_s=self.most_latency_s),
                loss=self.loss if loss_percent is None else min(loss_percent, 100.0) / 100,
                outage_s=self.outage_s if outage_s is None else outage_s,
            )
        )


class ConfigurationServerEntry(PartEntry):
    """The configuration server on HTTP."""

    model: Literal["configuration_server"]
    network: str = "network"
    serial: str = Field(default="CFG-0001", pattern=r"^[A-Z0-9-]{1,20}$")
    tcp_port: int = Field(default=0, ge=0, le=65535)

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make the server and put it on HTTP."""
        from virtual_rig.head_ends.configuration_api import make_configuration_app

        server = ConfigurationServer(context.world, context.part(self.network, Network))
        token = context.demo_secret(f"{name}.token").hex()
        endpoint = context.http(
            name,
            MAIN,
            lambda: make_configuration_app(server, token=token, serial=self.serial),
            port=self.tcp_port,
        )
        return BuiltPart(
            model=server,
            bench={
                "role": "configuration_server",
                "adapter": "configuration_server",
                "identity": {"serial": self.serial},
            },
            endpoints=(endpoint,),
            secrets={"token": token},
        )


class TmsEntry(PartEntry):
    """TMS on HTTP. The PIN of the customer's units is a secret of it."""

    model: Literal["tms"]
    network: str = "network"
    serial: str = Field(default="TMS-0001", pattern=r"^[A-Z0-9-]{1,20}$")
    report_s: int = Field(default=900, ge=1, le=86400)  # how often it has a provisioned unit deliver
    tcp_port: int = Field(default=0, ge=0, le=65535)

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make TMS and put it on HTTP."""
        from virtual_rig.head_ends.tms_api import make_tms_app

        tms = Tms(context.world, context.part(self.network, Network), attributes=self._attributes)
        token = context.demo_secret(f"{name}.token").hex()
        endpoint = context.http(
            name,
            MAIN,
            lambda: make_tms_app(tms, context.rig, token=token, serial=self.serial),
            port=self.tcp_port,
        )
        return BuiltPart(
            model=tms,
            bench={
                "role": "provisioning_head_end",
                "adapter": "smartsynch_tms",
                "identity": {"serial": self.serial},
            },
            endpoints=(endpoint,),
            secrets={"token": token, "pin": customer_pin(context)},
        )

    def _attributes(self, version: str) -> Attributes:
        """Return how a device is dealt with; one of an unknown version is taken for one that counts kWh."""
        return Attributes(
            register=_ENERGY,
            unit="kWh",
            scaler=-3 if version else 0,
            transactions=(
                ("set-clock", {}),
                ("set-schedule", {"report_s": str(self.report_s)}),
                ("set-registers", {"register": _ENERGY}),
                ("start-delivery", {}),
            ),
        )


class ModuleEntry(PartEntry):
    """The ITRON module in a meter; the meter shows what it is in."""

    model: Literal["smartsynch_module"]
    meter: str = "meter"
    network: str = "network"
    configuration: str = "configuration"
    version: str = Field(default="4.12.0", min_length=1)

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Put a module into the meter, and the meter's unit on the customer's list."""
        meter = context.part(self.meter, AnsiMeterModel)
        unit = meter.identity.serial
        values = {each: f"{each} of {context.site}" for each in PARAMETERS} | {"pin": customer_pin(context)}
        context.part(self.configuration, ConfigurationServer).enrol(unit, values)
        module = ItronModule(
            context.world,
            context.supply,
            context.part(self.network, Network),
            unit=unit,
            energy_wh=lambda: meter.registers_now()[_ENERGY],
            parameters=PARAMETERS,
            version=self.version,
        )
        meter.provide_table("module_status", lambda: _shown(module))
        return BuiltPart(model=module)


def customer_pin(context: SiteContext) -> str:
    """Return the PIN of the site's customer: eight digits, made from the site and its seed."""
    number = int.from_bytes(context.demo_secret("customer.pin", 8), "big")
    return str(number % 10**PIN_DIGITS).zfill(PIN_DIGITS)


def _shown(module: ItronModule) -> dict[str, object]:
    return {
        "STATE_CODE": int(module.state),
        "ERROR_CODE": int(module.error),
        "COVERAGE": int(module.on_the_air),
        "RSSI": module.rssi,
        "WARNINGS": 0,
        "CONFIGURED": int(module.configured),
        "SPARE": bytes(2),
    }
