"""The MCS301 as a part of a site: the models of its ports, one a port, put on wires, one a link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from adapters.profiles.loader import load_profile
from adapters.profiles.model import Profile
from virtual_rig.demo_secrets import as_text, client_secrets
from virtual_rig.meters.associations import AssociationTable, ClientSecrets, PortState
from virtual_rig.meters.firmware import FirmwareTraits
from virtual_rig.meters.identity import MeterIdentity
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.ports import Cut, OpticalPort, SerialPort, TcpPort
from virtual_rig.meters.push import PushFeature
from virtual_rig.meters.push_way import connect_push
from virtual_rig.meters.udp_port import UdpPort
from virtual_rig.parts.base import BuiltPart, Endpoint, LinkWire, PartEntry, SiteContext, SiteModel
from virtual_rig.parts.mcs301_sms import SmsChannel, SmsEntry, modem_of
from virtual_rig.servers.outgoing import Outgoing
from virtual_rig.wire import LineModel

Quantity = Annotated[str, StringConstraints(pattern=r"^[AR][+-]$")]


class Mcs301Link(SiteModel):
    """One way to the meter: which of its ports, on which kind of wire; IP ports go by datagrams, too."""

    port: str
    wire: LinkWire | Literal["udp"]
    tcp_port: int = Field(default=0, ge=0, le=65535)  # of TCP or UDP; 0 is any that is free
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
    history: dict[str, int] = Field(default_factory=dict)  # load profile -> rows from before the start
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
            history=dict(self.history),
            firmware_traits=_firmware_traits(name, context),
        )
        if (event := context.faults.number("blackout", name)) is not None:
            meter.moments.blackout(int(event))
        secrets = client_secrets(profile, context.site, context.seed)
        table = AssociationTable(meter, secrets)
        meter.model.seal()
        network = Outgoing(f"{context.site}-{name}-push", context.rig)
        for feature in meter.features:
            if isinstance(feature, PushFeature):
                connect_push(feature, table, network)
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
            secrets=as_text(secrets)
            | {"mode_c.password": _mode_c_password(context).decode("ascii")}
            | ({} if channel is None else channel.secrets()),
            served=_for_clients(meter, profile, as_text(secrets)),
        )


def _mode_c_password(context: SiteContext) -> bytes:
    """Return eight digits, made from the seed as all secrets of a site."""
    return b"%08d" % (int.from_bytes(context.demo_secret("mode_c.password", 4), "big") % 10**8)


def _firmware_traits(device: str, context: SiteContext) -> FirmwareTraits:
    """Return how the meter deals with images, faults of the device included.

    ``slow_verify=<device>:<seconds>``, ``flash_error=<device>`` (no image can be verified) and
    ``no_boot=<device>`` (no image passes its self-test).
    """
    usual, faults = FirmwareTraits(), context.faults
    return FirmwareTraits(
        verify_s=faults.number("slow_verify", device) or usual.verify_s,
        flash_error=faults.switch("flash_error", device),
        boots=not faults.switch("no_boot", device),
    )


def _options(entry: Mcs301Link, profile: Profile) -> dict[str, str]:
    rules = profile.ports[entry.port]
    if entry.wire in ("tcp", "udp"):
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
        "security_suite": profile.security.suite,
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
        self._models: dict[tuple[str, bool], LineModel] = {}  # by port, and whether it is the UDP side
        self._states: dict[str, PortState] = {}
        self._names = {link: context.line_name(device, link) for link in entry.links}

    def endpoint(self, link: str, entry: Mcs301Link) -> Endpoint:
        key = (entry.port + entry.number, entry.wire == "udp")  # each number is a modem of its own
        model = self._models.get(key)
        if model is None:
            model = self._models[key] = self._model(entry)
        if entry.wire == "udp":
            return self._context.udp(self._device, link, model, port=entry.tcp_port, name=self._names[link])
        if entry.wire == "tcp":
            return self._context.tcp(self._device, link, model, port=entry.tcp_port, name=self._names[link])
        return self._context.serial(self._device, link, model, entry.wire, name=self._names[link])

    def _model(self, entry: Mcs301Link) -> LineModel:
        port, meter = entry.port, self._entry
        state = self._states.setdefault(port, PortState(port, self._profile.ports[port]))
        delay_s = meter.answer_delay_s
        match state.rules.channel:
            case "ip" if entry.wire == "udp":
                return UdpPort(self._table, state, answer_delay_s=delay_s)
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
                    self._table,
                    state,
                    sign_on_lines=frozenset(signing_on),
                    answer_delay_s=delay_s,
                    mode_c_password=_mode_c_password(self._context),
                )
            case _:
                return SerialPort(self._table, state, answer_delay_s=delay_s)
