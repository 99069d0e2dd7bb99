"""What every part of a site stands on: its entry in the site file, what it is built with, what it leaves.

A site file lists devices; each entry builds one part: the simulated thing itself, the wires to it, and what a
bench file says about it. Parts are built in the order of the file; one may refer to those above it.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from adapters.errors import BenchError
from adapters.yaml_messages import suggest
from virtual_rig.faults import FaultDesk, FaultyModel
from virtual_rig.servers.line import Rig, Server
from virtual_rig.servers.pty import PtyServer
from virtual_rig.servers.tcp import TcpServer
from virtual_rig.servers.virt import VirtServer, virt_port
from virtual_rig.supply import Supply
from virtual_rig.wire import LineModel
from virtual_rig.world import World

T = TypeVar("T")
LinkWire = Literal["virt", "pty", "tcp"]
SerialWire = Literal["virt", "pty"]
MAIN = "main"  # the link of a device that has only one


class SiteModel(BaseModel):
    """Unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PartEntry(SiteModel):
    """One device of a site. ``model`` says which kind; every kind has a class of its own."""

    model: str

    @abstractmethod
    def build(self, name: str, context: SiteContext) -> BuiltPart:
        """Make the thing and its wires. Raises BenchError where the site file asks for what cannot be."""


class LinkEntry(SiteModel):
    """One way to a device: on which kind of wire; port 0 is any that is free."""

    wire: LinkWire
    tcp_port: int = Field(default=0, ge=0, le=65535)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One wire of a built site, as a host reaches it. ``url`` is set where HTTP is spoken on it."""

    device: str
    link: str
    server: Server
    url: str = ""

    def options(self) -> dict[str, str]:
        """Return what a bench file says about this link, apart from what the device's family adds."""
        if self.url:  # the name keeps the port, which is any that was free, out of the requests
            return {"transport": "http", "url": self.url, "server_name": f"{self.device}.rig"}
        if self.server.kind in ("tcp", "udp"):
            host, _, port = self.server.address.rpartition(":")
            return {"transport": self.server.kind, "host": host, "port": port}
        return {"transport": "serial", "port": self.server.address}


@dataclass(frozen=True, kw_only=True)
class BuiltPart:
    """A part that is alive.

    ``model`` is the simulated thing, for other parts and for tests. ``bench`` is what a bench file says about
    the device apart from its links (role, adapter, profile, identity), None where nothing of it stands on the
    bench. ``link_options`` adds to what the wires say, by link; ``secrets`` are named within the device;
    ``served`` is what a foreign client needs to know besides.
    """

    model: Any
    bench: Mapping[str, object] | None = None
    endpoints: tuple[Endpoint, ...] = ()
    link_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    served: Mapping[str, object] = field(default_factory=dict)

    def options(self, endpoint: Endpoint) -> dict[str, str]:
        """Return what a bench file says about one of the links."""
        return endpoint.options() | dict(self.link_options.get(endpoint.link, {}))

    def bench_entry(self) -> dict[str, object]:
        """Return the device as a bench file describes it."""
        links = {each.link: self.options(each) for each in self.endpoints}
        if not links:  # nobody reaches it: it listens, and says itself where
            return dict(self.bench or {})
        ways: dict[str, object] = {"link": links[MAIN]} if list(links) == [MAIN] else {"links": links}
        return dict(self.bench or {}) | ways


class SiteContext:
    """What an entry builds its part with."""

    def __init__(self, *, site: str, rig: Rig, world: World, supply: Supply, in_process: bool) -> None:
        self.site, self.rig, self.world, self.supply = site, rig, world, supply
        self.seed, self.in_process = world.seed, in_process
        self.parts: dict[str, BuiltPart] = {}
        self.faults = FaultDesk(world.faults)

    def part(self, name: str, kind: type[T]) -> T:
        """Return the model another entry has built. Raises BenchError where there is none of that kind."""
        if name not in self.parts:
            hint = suggest(name, self.parts, "above it stand")
            raise BenchError(f"site {self.site}: no device {name!r} stands above this one; {hint}")
        model = self.parts[name].model
        if not isinstance(model, kind):
            raise BenchError(f"site {self.site}: {name} is a {type(model).__name__}, not a {kind.__name__}")
        return model

    def line_name(self, device: str, link: str) -> str:
        """Return the name a wire has in traces, also where this process has another such site open."""
        wanted = f"{self.site}-{device if link == MAIN else link}"
        if any(
            part.endpoints and wanted == each.server.name
            for part in self.parts.values()
            for each in part.endpoints
        ):
            wanted = f"{self.site}-{device}-{link}"
        names = chain((wanted,), (f"{wanted}-{number}" for number in count(2)))
        return next(name for name in names if virt_port(name) is None)

    def serial(
        self, device: str, link: str, model: LineModel, wire: SerialWire, *, name: str = ""
    ) -> Endpoint:
        """Put ``model`` on a serial port; virt:// where host and rig share a process, else a PTY."""
        line = name or self.line_name(device, link)
        model = self._with_faults(device, link, model)
        server: Server
        if wire == "virt" and self.in_process:
            server = VirtServer(line, model, self.rig)
        else:
            server = PtyServer(line, model, self.rig)
        return Endpoint(device=device, link=link, server=server)

    def tcp(self, device: str, link: str, model: LineModel, *, port: int = 0, name: str = "") -> Endpoint:
        """Put ``model`` on a TCP port of the loopback interface; 0 is any that is free."""
        line = name or self.line_name(device, link)
        server = TcpServer(line, self._with_faults(device, link, model), self.rig, port=port)
        return Endpoint(device=device, link=link, server=server)

    def udp(self, device: str, link: str, model: LineModel, *, port: int = 0, name: str = "") -> Endpoint:
        """Put ``model`` on a UDP port of the loopback interface; 0 is any that is free."""
        from virtual_rig.servers.udp import UdpServer

        line = name or self.line_name(device, link)
        server = UdpServer(line, self._with_faults(device, link, model), self.rig, port=port)
        return Endpoint(device=device, link=link, server=server)

    def http(
        self, device: str, link: str, make_app: Callable[[], Any], *, port: int = 0, base: str = ""
    ) -> Endpoint:
        """Put an ASGI application on a TCP port. HTTP is only loaded for sites that speak it.

        Faults of the server, by device: ``late_answer=<device>:<seconds>``, ``answer_twice=<device>``,
        ``nonsense=<device>:garbage``, ``truncated`` or ``not-http``.
        """
        from virtual_rig.servers.http import NONSENSE, HttpFaults, HttpPort

        late = self.faults.number("late_answer", device)
        faults = HttpFaults(
            late_s=late or 0.0,
            twice=self.faults.switch("answer_twice", device),
            nonsense=self.faults.choice("nonsense", device, NONSENSE),
        )
        made = self.tcp(device, link, HttpPort(make_app(), self.rig, faults=faults), port=port)
        return Endpoint(
            device=device, link=link, server=made.server, url=f"http://{made.server.address}{base}"
        )

    def demo_secret(self, name: str, octets: int = 16) -> bytes:
        """Return a secret made from the site and its seed: runs repeat, and it is worth nothing."""
        stream = hashlib.shake_256(f"demo secret {self.site}/{self.seed}/{name}".encode())
        return stream.digest(octets)

    def _with_faults(self, device: str, link: str, model: LineModel) -> LineModel:
        faults = self.faults.of_wire(device, link)
        return model if faults is None else FaultyModel(model, faults)
