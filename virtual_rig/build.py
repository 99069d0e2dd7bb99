"""Build a site on a driver: devices and the wires to them. The same in virtual and in real time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, count

from adapters.profiles.loader import load_profile
from adapters.profiles.model import Profile
from virtual_rig.demo_secrets import as_text, client_secrets
from virtual_rig.faults import FaultyModel, check_faults, faults_of
from virtual_rig.instruments.ac_source import AcSource
from virtual_rig.meters.associations import AssociationTable, ClientSecrets, PortState
from virtual_rig.meters.identity import MeterIdentity
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.ports import OpticalPort, SerialPort, TcpPort
from virtual_rig.servers.line import Rig, Server
from virtual_rig.servers.pty import PtyServer
from virtual_rig.servers.tcp import TcpServer
from virtual_rig.servers.virt import VirtServer, virt_port
from virtual_rig.site import LinkEntry, Site
from virtual_rig.supply import Supply
from virtual_rig.wire import LineModel
from virtual_rig.world import World

METER, SOURCE = "meter", "source"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One wire of a built site, as a host reaches it."""

    device: str
    link: str
    channel: str
    server: Server
    mode_e: bool = False
    baud: int = 0

    def options(self) -> dict[str, str]:
        """Return what a bench file says about this link."""
        if self.server.kind == "tcp":
            host, _, port = self.server.address.rpartition(":")
            options = {"transport": "tcp", "host": host, "port": port}
        else:
            options = {"transport": "serial", "port": self.server.address}
        if self.device != METER:
            return options
        options |= {"channel": self.channel, "framing": "wrapper" if self.server.kind == "tcp" else "hdlc"}
        if self.server.kind == "serial":
            options["baud"] = str(self.baud)
        return options | ({"mode_e": "true"} if self.mode_e else {})


@dataclass(frozen=True, kw_only=True)
class BuiltSite:
    """A site with its devices alive and its wires up."""

    site: Site
    world: World
    supply: Supply
    meter: Mcs301
    table: AssociationTable
    profile: Profile
    client_secrets: dict[str, ClientSecrets]
    endpoints: tuple[Endpoint, ...]

    @property
    def secrets(self) -> dict[str, str]:
        """Return the demo secrets as a bench takes them."""
        return as_text(METER, self.client_secrets)

    def bench(self) -> dict[str, object]:
        """Return what a bench file for this site holds."""
        meter: dict[str, object] = {
            "role": "dlms_meter",
            "adapter": "dlms",
            "profile": self.site.meter.profile,
            "links": {each.link: each.options() for each in self.endpoints if each.device == METER},
            "identity": {"serial": self.meter.identity.device_id},
        }
        devices: dict[str, object] = {METER: meter}
        for each in self.endpoints:
            if each.device == SOURCE and self.site.source is not None:
                devices[SOURCE] = {
                    "role": "power_source",
                    "adapter": self.site.source.adapter,
                    "link": each.options(),
                }
        return {
            "bench": self.site.site,
            "provider": "virtual",
            "site": self.site.site,
            "devices": devices,
            "allow": list(self.site.allow),
        }


def build(
    site: Site,
    rig: Rig,
    *,
    seed: int,
    broken: frozenset[str] = frozenset(),
    faults: Mapping[str, str] | None = None,
    in_process: bool = True,
) -> BuiltSite:
    """Build ``site`` on ``rig``. ``in_process`` False: hosts are other programs, so virt:// becomes a PTY.

    Raises BenchError for a behaviour or a fault that does not exist, ConfigErrors for a broken profile.
    """
    faults = dict(faults or {})
    check_faults(faults, frozenset({*site.meter.links, SOURCE}))
    world = World(scheduler=rig, seed=seed, broken=broken, faults=faults)
    profile = load_profile(site.meter.profile)
    supply = Supply(rig, site.supply.load_point())
    meter = Mcs301(
        world=world,
        supply=supply,
        profile=profile,
        identity=MeterIdentity(serial=site.meter.serial),
        drift_ppm=site.meter.drift_ppm,
        time_zone_min=site.meter.time_zone_min,
        energy_wh=site.meter.energy_wh,
    )
    secrets = client_secrets(profile, site.site, seed)
    table = AssociationTable(meter, secrets)
    meter.model.seal()
    wires = _Wires(site, rig, table, profile, in_process)
    endpoints = [wires.endpoint(name, entry) for name, entry in site.meter.links.items()]
    if site.source is not None:
        endpoints.append(_source(site, rig, supply, world))
    return BuiltSite(
        site=site,
        world=world,
        supply=supply,
        meter=meter,
        table=table,
        profile=profile,
        client_secrets=secrets,
        endpoints=tuple(endpoints),
    )


def _source(site: Site, rig: Rig, supply: Supply, world: World) -> Endpoint:
    assert site.source is not None
    model: LineModel = AcSource(rig, supply)
    faults = faults_of(SOURCE, world.faults)
    if faults is not None:
        model = FaultyModel(model, faults)
    server = TcpServer(f"{site.site}-{SOURCE}", model, rig, port=site.source.tcp_port)
    return Endpoint(device=SOURCE, link="main", channel="", server=server)


class _Wires:
    """Makes the models of a meter's ports, one a port, and puts them on wires, one a link."""

    def __init__(
        self, site: Site, rig: Rig, table: AssociationTable, profile: Profile, in_process: bool
    ) -> None:
        self._site, self._rig, self._table, self._profile = site, rig, table, profile
        self._in_process = in_process
        self._models: dict[str, LineModel] = {}
        self._names = {link: self._free_name(f"{site.site}-{link}") for link in site.meter.links}

    def endpoint(self, name: str, entry: LinkEntry) -> Endpoint:
        rules = self._profile.ports[entry.port]
        model = self._models.get(entry.port)
        if model is None:
            model = self._models[entry.port] = self._model(entry.port)
        faults = faults_of(name, self._table.world.faults)
        return Endpoint(
            device=METER,
            link=name,
            channel=rules.channel,
            server=self._server(name, entry, model if faults is None else FaultyModel(model, faults)),
            mode_e=entry.mode_e,
            baud=rules.baud,
        )

    def _model(self, port: str) -> LineModel:
        state, meter = PortState(port, self._profile.ports[port]), self._site.meter
        delay_s = meter.answer_delay_s
        match state.rules.channel:
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

    def _server(self, name: str, entry: LinkEntry, model: LineModel) -> Server:
        line = self._names[name]
        if entry.wire == "tcp":
            return TcpServer(line, model, self._rig, port=entry.tcp_port)
        if entry.wire == "virt" and self._in_process:
            return VirtServer(line, model, self._rig)
        return PtyServer(line, model, self._rig)

    @staticmethod
    def _free_name(wanted: str) -> str:
        """Return ``wanted``, or a name after it where this process has another site of that name open."""
        names = chain((wanted,), (f"{wanted}-{number}" for number in count(2)))
        return next(name for name in names if virt_port(name) is None)
