"""The MCS301 as a part of a site: the models of its ports, one a port, put on wires, one a link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from adapters.profiles.loader import load_profile
from adapters.profiles.model import Profile
from virtual_rig.demo_secrets import as_text, client_secrets
from virtual_rig.meters.associations import AssociationTable, ClientSecrets, PortState
from virtual_rig.meters.identity import MeterIdentity
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.ports import Cut, OpticalPort, SerialPort, TcpPort
from virtual_rig.parts.base import BuiltPart, Endpoint, LinkEntry, PartEntry, SiteContext
from virtual_rig.parts.mcs301_sms import SmsChannel, SmsEntry, modem_of
from virtual_rig.wire import LineModel

Quantity = Annotated[str, StringConstraints(pattern=r"^[AR][+-]$")]


class Mcs301Link(LinkEntry):
    """One way to the meter: which of its ports, on which kind of wire."""

    port: str
    mode_e: bool = False
    number: str = ""  # of the modem on the bench, where the port is sms; empty: the head end's


@dataclass(frozen=True, kw_only=True)
class Mcs301Part:
    """The meter with its associations, and what a client has to know."""

    meter: Mcs301
    table: AssociationTable
    profile: Profile
    client_secrets: dict[str, ClientSecrets]


class Mcs301Entry(PartEntry):
    """An MCS301."""

    model: Literal["mcs301"]
    profile: str = "mcs301"
    serial: str = Field(pattern=r"^\d{8}$")
    drift_ppm: int = Field(default=0, ge=-1000, le=1000)
    time_zone_min: int = Field(default=0, ge=-720, le=840)
    energy_wh: dict[Quantity, int] = Field(default_factory=dict)
    links: dict[str, Mcs301Link]
    power_cut: Cut = "hang-up"
    answer_delay_s: float = Field(default=0.0, ge=0, le=5)
    sms: SmsEntry | None = None

    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make the meter and its ports."""
        profile = load_profile(self.profile)
        meter = Mcs301(
            world=context.world,
            supply=context.supply,
            profile=profile,
            identity=MeterIdentity(serial=self.serial),
            drift_ppm=self.drift_ppm,
            time_zone_min=self.time_zone_min,
            energy_wh=dict(self.energy_wh),
        )
        secrets = client_secrets(profile, context.site, context.seed)
        table = AssociationTable(meter, secrets)
        meter.model.seal()
        wires = _Wires(name, self, context, table, profile)
        channel = None if self.sms is None else SmsChannel(self.sms, context, table)
        return BuiltPart(
            model=Mcs301Part(meter=meter, table=table, profile=profile, client_secrets=secrets),
            bench={
                "role": "dlms_meter",
                "adapter": "dlms",
                "profile": self.profile,
                "identity": {"serial": meter.identity.device_id},
            },
            endpoints=tuple(wires.endpoint(link, entry) for link, entry in self.links.items()),
            link_options={
                link: _options(entry, profile) | ({} if channel is None else channel.options(entry.port))
                for link, entry in self.links.items()
            },
            secrets=as_text(secrets) | ({} if channel is None else channel.secrets()),
            served=_for_clients(meter, profile, as_text(secrets)),
        )


def _options(entry: Mcs301Link, profile: Profile) -> dict[str, str]:
    rules = profile.ports[entry.port]
    if entry.wire == "tcp":
        return {"channel": rules.channel, "framing": "wrapper"}
    options = {"channel": rules.channel, "framing": "hdlc", "baud": str(rules.baud)}
    return options | ({"mode_e": "true"} if entry.mode_e else {})


def _for_clients(meter: Mcs301, profile: Profile, secrets: dict[str, str]) -> dict[str, object]:
    clients = [
        {
            "client": name,
            "sap": client.sap,
            "mechanisms": [client.mechanism, *client.backup],
            "ciphered": client.ciphered,
            **{
                key.removeprefix(f"{name}."): value
                for key, value in secrets.items()
                if key.startswith(f"{name}.")
            },
        }
        for name, client in profile.clients.items()
    ]
    return {
        "server_sap": profile.logical_device.sap,
        "system_title": meter.identity.system_title.hex(),
        "client_system_title": profile.security.client_system_title,
        "clients": clients,
    }


class _Wires:
    """Makes the models of the meter's ports and the wires to them."""

    def __init__(
        self, device: str, entry: Mcs301Entry, context: SiteContext, table: AssociationTable, profile: Profile
    ) -> None:
        self._device, self._entry, self._context = device, entry, context
        self._table, self._profile = table, profile
        self._models: dict[str, LineModel] = {}
        self._names = {link: context.line_name(device, link) for link in entry.links}

    def endpoint(self, link: str, entry: Mcs301Link) -> Endpoint:
        key = entry.port + entry.number  # each number is a modem of its own
        model = self._models.get(key)
        if model is None:
            model = self._models[key] = self._model(entry)
        if entry.wire == "tcp":
            return self._context.tcp(self._device, link, model, port=entry.tcp_port, name=self._names[link])
        return self._context.serial(self._device, link, model, entry.wire, name=self._names[link])

    def _model(self, entry: Mcs301Link) -> LineModel:
        port = entry.port
        state, meter = PortState(port, self._profile.ports[port]), self._entry
        delay_s = meter.answer_delay_s
        match state.rules.channel:
            case "sms":
                return modem_of(meter.sms, entry.number, self._context)
            case "ip":
                return TcpPort(self._table, state, cut=meter.power_cut, answer_delay_s=delay_s)
            case "optical":
                signing_on = {
                    self._names[name]
                    for name, entry in meter.links.items()
                    if entry.port == port and entry.mode_e
                }
                return OpticalPort(
                    self._table, state, sign_on_lines=frozenset(signing_on), answer_delay_s=delay_s
                )
            case _:
                return SerialPort(self._table, state, answer_delay_s=delay_s)
