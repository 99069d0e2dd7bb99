"""The configuration server: writes a customer's parameters into the modules that ask for them.

It knows which units belong to the customer and what their parameters are, the PIN among them; it tells nobody
what they are. A module that asks again is given them again, and what it had confirmed counts no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from adapters.errors import Refused
from virtual_rig.smartsynch.messages import (
    AutoConfiguration,
    Confirmation,
    ConfirmationTaken,
    CustomerParameters,
    Message,
    ParametersStored,
)
from virtual_rig.smartsynch.network import Network
from virtual_rig.world import World


@dataclass(kw_only=True)
class UnitRecord:
    """What the server knows of one unit. Times are those of its own log, UTC."""

    unit: str
    expected: int
    auto_configurations: int = 0
    written: int = 0
    confirmed: bool = False
    first_message_at: datetime | None = None
    written_at: datetime | None = None
    confirmed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line of the server's log; parameters are named there, never shown."""

    at: datetime
    unit: str
    text: str


class ConfigurationServer:
    """``parameters`` of the customer, by unit and name."""

    def __init__(
        self, world: World, network: Network, parameters: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        self._scheduler, self._network = world.scheduler, network
        self._parameters = {unit: dict(values) for unit, values in (parameters or {}).items()}
        self._records: dict[str, UnitRecord] = {}
        self.log: list[LogLine] = []
        network.serve("configuration", self._receive)

    def enrol(self, unit: str, parameters: Mapping[str, str]) -> None:
        """Take a unit into the customer's list."""
        self._parameters[unit] = dict(parameters)

    def record(self, unit: str) -> UnitRecord:
        """Return what is known of ``unit``. Raises Refused ``unknown-unit`` for somebody else's."""
        if unit not in self._parameters:
            raise Refused("unknown-unit", f"{unit} is not on the customer's list")
        known = self._records.get(unit)
        return known or UnitRecord(unit=unit, expected=len(self._parameters[unit]))

    def _receive(self, message: Message) -> None:
        unit = message.unit
        if unit not in self._parameters:
            self._note(unit, "unknown unit ignored")
            return
        record = self._records.setdefault(unit, self.record(unit))
        now = self._scheduler.utc_now()
        match message:
            case AutoConfiguration():
                record.auto_configurations += 1
                record.first_message_at = record.first_message_at or now
                record.confirmed, record.confirmed_at = False, None
                self._note(unit, f"Auto-Configuration; sending {', '.join(self._parameters[unit])}")
                self._network.down(
                    "configuration", CustomerParameters(unit=unit, values=dict(self._parameters[unit]))
                )
            case ParametersStored():
                record.written, record.written_at = len(message.names), now
                self._note(unit, f"{record.written} of {record.expected} parameters stored")
            case Confirmation():
                record.confirmed, record.confirmed_at = True, now
                self._note(unit, "registration confirmed")
                self._network.down("configuration", ConfirmationTaken(unit=unit))
            case _:
                self._note(unit, f"{type(message).__name__} ignored")

    def _note(self, unit: str, text: str) -> None:
        self.log.append(LogLine(at=self._scheduler.utc_now(), unit=unit, text=text))
