"""The cellular network, and the paths from it to the servers.

    module ~~antenna~~ carrier --+-- configuration -- configuration server
                                 +-- internet -- (TMS's uplink) -- tms -- TMS's message gateway

``antenna`` stands for the coverage of the site: opened, nothing there hears the carrier. ``internet`` is the
uplink of the place where TMS and its operator are; ``tms`` is the LAN between that uplink and TMS's message
gateway. The operator's own screen is on neither, so it answers whatever is open. Assumed, like the latencies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from virtual_rig.smartsynch.messages import Message
from virtual_rig.world import World

Path = Literal["antenna", "tms", "internet", "configuration"]
Server = Literal["tms", "configuration"]
PATHS: tuple[str, ...] = get_args(Path)
NOTHING_HEARD_DBM = -113  # where a modem's scale begins
UNKNOWN_RSSI = 99
_ON_THE_WAY: dict[str, tuple[str, ...]] = {"tms": ("internet", "tms"), "configuration": ("configuration",)}


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long a message takes, drawn anew for each: from ``least_s`` to ``most_s``."""

    least_s: float = 0.5
    most_s: float = 1.4


class Network:
    """Carries messages between modules and servers, late and not always.

    ``rssi_dbm`` is what a module hears at the site, ``minimum_dbm`` the least with which anything works;
    ``loss`` the share of messages that get lost; for ``outage_s`` from the start the carrier is out of order.
    """

    def __init__(
        self,
        world: World,
        *,
        rssi_dbm: int = -79,
        minimum_dbm: int = -95,
        latency: Latency | None = None,
        loss: float = 0.0,
        outage_s: float = 0.0,
    ) -> None:
        self._world, self._scheduler = world, world.scheduler
        self._random = world.random_for("network")
        self._site_dbm, self.minimum_dbm = rssi_dbm, minimum_dbm
        self._latency, self._loss, self._outage_until_s = latency or Latency(), loss, outage_s
        self._closed = dict.fromkeys(PATHS, True)
        self._servers: dict[str, Callable[[Message], None]] = {}
        self._modules: dict[str, Callable[[Message], None]] = {}

    # -- paths and coverage

    def set_path(self, path: str, closed: bool) -> None:
        """Open or close a path. Raises KeyError for one there is not."""
        if path not in self._closed:
            raise KeyError(path)
        self._closed[path] = closed

    def closed(self, path: Path) -> bool:
        """Return whether a path is closed."""
        return self._closed[path]

    @property
    def rssi_dbm(self) -> int:
        """What can be heard of the carrier at the site now, in dBm."""
        return self._site_dbm if self._closed["antenna"] else NOTHING_HEARD_DBM

    @property
    def covered(self) -> bool:
        """Whether that is enough to exchange messages."""
        return self.rssi_dbm >= self.minimum_dbm

    @property
    def rssi(self) -> int:
        """The same on a modem's scale: 0 to 31 for -113 to -51 dBm in steps of 2; 99: nothing is heard."""
        if self.rssi_dbm <= NOTHING_HEARD_DBM:
            return UNKNOWN_RSSI
        return min(31, (self.rssi_dbm - NOTHING_HEARD_DBM) // 2)

    # -- messages

    def serve(self, server: Server, receive: Callable[[Message], None]) -> None:
        """Deliver what is sent to ``server`` to ``receive``."""
        self._servers[server] = receive

    def attach(self, unit: str, receive: Callable[[Message], None]) -> None:
        """Deliver what is sent to a module to ``receive``: it is on the air."""
        self._modules[unit] = receive

    def detach(self, unit: str) -> None:
        """Take a module off the air; what is under way to it is lost."""
        self._modules.pop(unit, None)

    def up(self, server: Server, message: Message) -> None:
        """Send a message from a module to a server."""
        self._send(self._on_the_air() and not self._lost(), self._arrive_up, server, message)

    def down(self, server: Server, message: Message) -> None:
        """Send a message from a server to the module of ``message.unit``."""
        self._send(self._open_to(server) and not self._lost(), self._arrive_down, server, message)

    def _send(
        self, leaves: bool, arrive: Callable[[str, Message], None], server: str, message: Message
    ) -> None:
        delay_s = self._random.uniform(self._latency.least_s, self._latency.most_s)
        if leaves:
            self._scheduler.call_later(delay_s, arrive, server, message)

    def _arrive_up(self, server: str, message: Message) -> None:
        if self._open_to(server):
            self._servers[server](message)

    def _arrive_down(self, _server: str, message: Message) -> None:
        if self._on_the_air() and message.unit in self._modules:
            self._modules[message.unit](message)

    def _on_the_air(self) -> bool:
        return self.covered and self._scheduler.now_s() >= self._outage_until_s

    def _open_to(self, server: str) -> bool:
        return all(self._closed[path] for path in _ON_THE_WAY[server])

    def _lost(self) -> bool:
        return self._random.random() < self._loss
