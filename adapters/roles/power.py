"""Roles around a meter: what feeds it, and what opens and closes the paths of a bench."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from adapters.roles.base import Device, harmless_read, hurts


class PowerSource(Device, Protocol):
    """An AC source or a simple power switch in front of a meter."""

    @hurts("energise")
    def apply(
        self,
        voltage_v: Decimal,
        current_a: Decimal = Decimal(0),
        power_factor: Decimal = Decimal(1),
        frequency_hz: Decimal = Decimal(50),
    ) -> None:
        """Put a balanced load point on all phases and switch the output on."""
        ...

    @hurts("energise")
    def switch_on(self) -> None:
        """Switch the output on with the load point set last."""
        ...

    @hurts("energise")
    def switch_off(self) -> None:
        """Switch the output off: the meter loses its supply."""
        ...


@dataclass(frozen=True, kw_only=True)
class PathState:
    """One path of a switch: ``closed`` means connected."""

    path: str
    closed: bool


class PathSwitch(Device, Protocol):
    """Relays in the paths of a bench: an antenna, the LAN of a server, an Internet uplink.

    ``path`` is a name of the switch's profile. The safe state of every path is closed.
    """

    def open_path(self, path: str) -> PathState:
        """Interrupt a path and read back that it is open."""
        ...

    def close_path(self, path: str) -> PathState:
        """Connect a path and read back that it is closed."""
        ...

    @harmless_read
    def path_state(self, path: str) -> PathState:
        """Ask whether a path is closed."""
        ...
