"""Roles of a provisioning system: the head end that provisions, and the server that configures modules.

``unit`` is the id a unit is known by in these systems: the serial number on its name plate. The source is the
GE I-210 with ITRON/SmartSynch module user guide, sections 3.3 and 4; what it leaves open is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

from adapters.roles.base import Anything, Device, harmless_read, hurts

PinFlaw = Literal["", "wrong-pin"]


@dataclass(frozen=True, kw_only=True)
class UnitEntry:
    """A unit as the head end knows it. ``known`` False: it is not in the Master List at all.

    ``status``: unknown, registered, provisioning, provisioned, incomplete (the last provisioning ran out of
    time). ``entries`` counts the lines that bear this unit: more than one is the head end's mistake.
    """

    unit: str
    known: bool
    group: str = ""  # e.g. Registration Group
    status: str = ""
    registrations: int = 0  # how often its registration has been processed: 1 added, more updated
    module_version: str = ""
    entries: int = 0


@dataclass(frozen=True, kw_only=True)
class PropertiesSaved:
    """Device properties that were saved."""

    unit: str
    saved: bool


@dataclass(frozen=True, kw_only=True)
class ProvisioningJob:
    """A provisioning request and how far it has come.

    ``state``: running, complete, incomplete (its time ran out), rejected. ``transactions`` in the order
    they were sent, each ``name: outcome``; ``first`` names the first; ``version`` came of Get Version.
    ``get_version`` is its outcome: sent, ok, no response, authentication failed; empty: never sent.
    """

    job: str
    unit: str
    state: str
    requested_at: datetime
    ended_at: datetime | None = None
    elapsed_s: float = 0.0
    transactions: tuple[str, ...] = ()
    first: str = ""
    get_version: str = ""
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class TmsEvent:
    """One line of the event search."""

    at: datetime
    unit: str
    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class EventsFound:
    """What Monitoring Home > Event Search shows of a unit since a moment, oldest first."""

    unit: str
    count: int
    kinds: tuple[str, ...]
    events: tuple[TmsEvent, ...]


@dataclass(frozen=True, kw_only=True)
class CoverageRecord:
    """The coverage validation of a unit's site: what was measured, and the least that will do."""

    unit: str
    validated: bool  # the procedure was followed and its result is sufficient
    rssi_dbm: int
    minimum_dbm: int
    measured_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PinReview:
    """Whether the PIN in the device properties is the unit's; the PIN itself is never told."""

    unit: str
    configured: bool
    matches: bool


@dataclass(frozen=True, kw_only=True)
class ConnectionStatus:
    """The head end's own connection to the Internet."""

    internet: bool
    checked_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class SectionFour:
    """What the troubleshooting of section 4 came to. Its text is not public; the checks are assumed.

    ``finding``: nothing-found, not-registered, gateway-down (TMS's own way to its modules), module-silent.
    """

    unit: str
    module_reachable: bool
    registered: bool
    finding: str


@dataclass(frozen=True, kw_only=True)
class SupportTicket:
    """A case opened with the vendor's customer support."""

    ticket: str
    unit: str
    job: str
    attached_events: int


@dataclass(frozen=True, kw_only=True)
class DataCollected:
    """Meter data the head end has of a unit. ``interpreted`` False: it does not vouch for their meaning."""

    unit: str
    readings: int
    interpreted: bool
    register: str = ""
    value: Decimal | None = None
    unit_of_value: str = ""


class ProvisioningHeadEnd(Device, Protocol):
    """The transaction management system (TMS). What a person cannot see there is NotSeen, no refusal.

    Reasons of Refused: ``unknown-unit``, ``not-placed``, ``not-provisioned``, ``no-properties``, ``busy``,
    ``unavailable``.
    """

    @harmless_read
    def unit_entry(self, unit: str) -> UnitEntry:
        """Look a unit up in the Master List."""
        ...

    @hurts("configure")
    def remove_unit(self, unit: str) -> UnitEntry:
        """Take a unit off the Master List, with its properties and its data, so that a lab can start again.

        A unit that is not there is no mistake.
        """
        ...

    @hurts("configure")
    def set_pin(self, unit: str, flaw: PinFlaw = "") -> PropertiesSaved:
        """Save the unit's PIN in its device properties: the bench's secret ``pin``, or a wrong one."""
        ...

    @hurts("configure")
    def provision(self, unit: str, limit_s: float = 1800.0) -> ProvisioningJob:
        """Request provisioning; ``limit_s`` is the time within which it has to complete."""
        ...

    def provisioning(self, job: str) -> ProvisioningJob:
        """Look at a provisioning job."""
        ...

    def search_events(self, unit: str, since: datetime | None = None) -> EventsFound:
        """Monitoring Home > Event Search: the events of a unit since a moment."""
        ...

    def coverage_record(self, unit: str) -> CoverageRecord:
        """Look up whether coverage was validated at the unit's site, and with which result."""
        ...

    def review_pin(self, unit: str) -> PinReview:
        """Device properties: compare the PIN that is configured with the unit's (the bench's secret)."""
        ...

    def section_four(self, unit: str) -> SectionFour:
        """Follow the troubleshooting processes of section 4."""
        ...

    def connection_status(self) -> ConnectionStatus:
        """Check the local Internet connection."""
        ...

    def open_ticket(self, unit: str, job: str) -> SupportTicket:
        """Contact customer support: open a case that names the job and carries its events."""
        ...

    def collect_data(self, unit: str) -> DataCollected:
        """Collect the meter data of a unit."""
        ...


@dataclass(frozen=True, kw_only=True)
class ConfigurationRecord:
    """What the configuration server knows of a unit's module."""

    unit: str
    auto_configurations: int  # Auto-Configuration messages received
    parameters_written: int  # customer parameters it wrote to the module's memory
    parameters_expected: int
    confirmed: bool  # the meter has confirmed its registration
    first_message_at: datetime | None = None
    written_at: datetime | None = None
    confirmed_at: datetime | None = None
    detail: Anything = None


class ConfigurationServer(Device, Protocol):
    """The server that configures modules."""

    def configuration_record(self, unit: str) -> ConfigurationRecord:
        """Look a unit up."""
        ...
