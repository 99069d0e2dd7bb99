"""What TMS's interface says, as JSON. Times are UTC in ISO 8601, quantities of energy are decimal texts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from virtual_rig.smartsynch.events import Event
from virtual_rig.smartsynch.master_list import Entry
from virtual_rig.smartsynch.provisioning import Attributes, Job
from virtual_rig.smartsynch.support import Measured, SectionFourCheck, Ticket
from virtual_rig.smartsynch.tms import DEFAULT_LIMIT_S


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Pin(_Body):
    """A PIN, on its way in. It never comes out again."""

    pin: str = Field(min_length=4, max_length=16, pattern=r"^\d+$", repr=False)


class ProvisioningRequest(_Body):
    """How long provisioning may take."""

    limit_s: float = Field(default=DEFAULT_LIMIT_S, gt=0, le=7 * 86400)


class TicketRequest(_Body):
    """What a case is about."""

    unit: str
    job: str


class About(_Body):
    """Which TMS this is."""

    product: str
    version: str
    serial: str


class UnitAnswer(_Body):
    """A line of the Master List; ``entries`` counts the lines that bear this unit."""

    unit: str
    group: str
    status: str
    registrations: int
    entries: int
    module_version: str

    @classmethod
    def of(cls, entry: Entry, entries: int) -> UnitAnswer:
        """Return it as JSON has it."""
        return cls(
            unit=entry.unit,
            group=entry.group,
            status=entry.status,
            registrations=entry.registrations,
            entries=entries,
            module_version=entry.module_version,
        )


class Saved(_Body):
    """Device properties were saved, or are gone."""

    unit: str
    saved: bool


class PinComparison(_Body):
    """Whether there is a PIN, and whether it is the one that was sent."""

    unit: str
    configured: bool
    matches: bool


class TransactionLine(_Body):
    """A transaction and what came of it."""

    name: str
    outcome: str


class JobAnswer(_Body):
    """A provisioning job."""

    job: str
    unit: str
    state: str
    limit_s: float
    requested_at: datetime
    ended_at: datetime | None
    elapsed_s: float
    transactions: list[TransactionLine]
    get_version: str
    version: str

    @classmethod
    def of(cls, job: Job, elapsed_s: float) -> JobAnswer:
        """Return it as JSON has it."""
        return cls(
            job=job.job,
            unit=job.unit,
            state=job.state,
            limit_s=job.limit_s,
            requested_at=job.requested_at,
            ended_at=job.ended_at,
            elapsed_s=round(elapsed_s, 6),
            transactions=[TransactionLine(name=sent.name, outcome=sent.outcome) for sent in job.transactions],
            get_version=job.get_version,
            version=job.version,
        )


class EventLine(_Body):
    """A line of the event search."""

    at: datetime
    unit: str
    kind: str
    text: str


class EventsAnswer(_Body):
    """What the event search found, oldest first."""

    events: list[EventLine]

    @classmethod
    def of(cls, events: tuple[Event, ...]) -> EventsAnswer:
        """Return them as JSON has them."""
        lines = [EventLine(at=each.at, unit=each.unit, kind=each.kind, text=each.text) for each in events]
        return cls(events=lines)


class CoverageAnswer(_Body):
    """The coverage validation of a unit's site."""

    unit: str
    validated: bool
    rssi_dbm: int
    minimum_dbm: int
    measured_at: datetime

    @classmethod
    def of(cls, unit: str, measured: Measured) -> CoverageAnswer:
        """Return it as JSON has it."""
        return cls(
            unit=unit,
            validated=measured.sufficient,
            rssi_dbm=measured.rssi_dbm,
            minimum_dbm=measured.minimum_dbm,
            measured_at=measured.at,
        )


class SectionFourAnswer(_Body):
    """How far section 4 has come; ``finding`` is empty while it goes on."""

    check: str
    unit: str
    done: bool
    module_reachable: bool
    registered: bool
    finding: str

    @classmethod
    def of(cls, check: SectionFourCheck) -> SectionFourAnswer:
        """Return it as JSON has it."""
        return cls(
            check=check.check,
            unit=check.unit,
            done=bool(check.finding),
            module_reachable=check.module_reachable,
            registered=check.registered,
            finding=check.finding,
        )


class ConnectionAnswer(_Body):
    """TMS's own connection."""

    internet: bool
    checked_at: datetime


class TicketAnswer(_Body):
    """A case with the vendor."""

    ticket: str
    unit: str
    job: str
    attached_events: int

    @classmethod
    def of(cls, ticket: Ticket) -> TicketAnswer:
        """Return it as JSON has it."""
        return cls(ticket=ticket.ticket, unit=ticket.unit, job=ticket.job, attached_events=ticket.events)


class DataAnswer(_Body):
    """Meter data; without a register where TMS does not vouch for their meaning."""

    unit: str
    readings: int
    interpreted: bool
    register_name: str = ""
    value: Decimal | None = None
    unit_of_value: str = ""
    received_at: datetime | None = None

    @classmethod
    def of(cls, entry: Entry, attributes: Attributes | None) -> DataAnswer:
        """Return the newest reading as JSON has it."""
        last = entry.readings[-1] if entry.readings else None
        known = attributes if last is not None else None
        return cls(
            unit=entry.unit,
            readings=len(entry.readings),
            interpreted=attributes is not None,
            register_name=known.register if known else "",
            value=Decimal(last.raw).scaleb(known.scaler) if known and last else None,
            unit_of_value=known.unit if known else "",
            received_at=last.at if last else None,
        )
