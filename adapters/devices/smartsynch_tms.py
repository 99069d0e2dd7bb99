"""A TMS behind the HTTP interface of our own that stands in for its screens (the real one is not public).

Whose fault an answer is: a reason of the role's is the head end speaking (``Refused``; ``unavailable`` among
them, which a stalled provisioning may have to take into account). A bare status 5xx may as well come from a
proxy in between, so it is told with its octets and blames nobody; so does a connection that fails. A token
that is not accepted is a mistake of the bench.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar, TypeVar

from adapters.devices.http_api import ApiModel, JsonApi, segment
from adapters.errors import BenchError, NotPermitted, Refused
from adapters.registry import AdapterContext
from adapters.roles import (
    ConnectionStatus,
    CoverageRecord,
    DataCollected,
    EventsFound,
    Identity,
    PinFlaw,
    PinReview,
    PropertiesSaved,
    ProvisioningJob,
    SectionFour,
    SupportTicket,
    TmsEvent,
    UnitEntry,
)
from adapters.transports.http_transcript import HttpTranscript

REASONS = (
    "unknown-unit", "unknown-job", "unknown-check", "not-placed", "not-provisioned", "no-properties", "busy",
    "unavailable", "not-permitted",
)  # fmt: skip
SECTION_FOUR_S, SECTION_FOUR_POLL_S = 300.0, 1.0
_DIGITS = "0123456789"

M = TypeVar("M", bound=ApiModel)


class SmartSynchTms:
    """A provisioning head end on a bench. Its one link is HTTP, its secrets are ``token`` and ``pin``."""

    role: ClassVar[str] = "provisioning_head_end"

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._api = JsonApi(context, reasons=REASONS)

    @classmethod
    def transcript(cls, options: object) -> HttpTranscript:
        """Return the decoder of this adapter's wire bytes."""
        return HttpTranscript()

    # -- Device

    def identify(self) -> Identity:
        """Ask which TMS this is."""
        about = self._ask(_About, "GET", "/v1/about")
        return Identity(serial=about.serial, model=about.product, firmware=about.version)

    def make_safe(self) -> None:
        """Nothing here can hurt while nobody asks for anything."""

    def close(self) -> None:
        """Close the connection."""
        self._api.close()

    # -- Master List and device properties

    def unit_entry(self, unit: str) -> UnitEntry:
        """Look a unit up in the Master List."""
        try:
            found = self._ask(_Unit, "GET", f"/v1/units/{segment(unit)}")
        except Refused as refusal:
            if refusal.reason == "unknown-unit":
                return UnitEntry(unit=unit, known=False)
            raise
        return UnitEntry(
            unit=found.unit,
            known=True,
            group=found.group,
            status=found.status,
            registrations=found.registrations,
            module_version=found.module_version,
            entries=found.entries,
        )

    def remove_unit(self, unit: str) -> UnitEntry:
        """Take a unit off the Master List, and see that it is gone."""
        self._ask(_Saved, "DELETE", f"/v1/units/{segment(unit)}")
        return self.unit_entry(unit)

    def set_pin(self, unit: str, flaw: PinFlaw = "") -> PropertiesSaved:
        """Save the bench's PIN in the unit's properties, or one that differs from it in every digit."""
        pin = _another(self._pin()) if flaw else self._pin()
        saved = self._ask(_Saved, "PUT", f"/v1/units/{segment(unit)}/properties", json={"pin": pin})
        return PropertiesSaved(unit=saved.unit, saved=saved.saved)

    def review_pin(self, unit: str) -> PinReview:
        """Have the PIN in the unit's properties compared with the bench's."""
        path = f"/v1/units/{segment(unit)}/properties/pin-review"
        found = self._ask(_PinComparison, "POST", path, json={"pin": self._pin()})
        return PinReview(unit=found.unit, configured=found.configured, matches=found.matches)

    # -- provisioning

    def provision(self, unit: str, limit_s: float = 1800.0) -> ProvisioningJob:
        """Request provisioning."""
        path = f"/v1/units/{segment(unit)}/provisioning"
        return self._ask(_Job, "POST", path, json={"limit_s": limit_s}).result()

    def provisioning(self, job: str) -> ProvisioningJob:
        """Look at a provisioning job."""
        return self._ask(_Job, "GET", f"/v1/provisioning/{segment(job)}").result()

    def collect_data(self, unit: str) -> DataCollected:
        """Collect the newest reading of a unit."""
        found = self._ask(_Data, "GET", f"/v1/units/{segment(unit)}/data")
        return DataCollected(
            unit=found.unit,
            readings=found.readings,
            interpreted=found.interpreted,
            register=found.register_name,
            value=found.value,
            unit_of_value=found.unit_of_value,
        )

    # -- troubleshooting

    def search_events(self, unit: str, since: datetime | None = None) -> EventsFound:
        """Search the events of a unit."""
        query = {"unit": unit} | ({"since": since.isoformat()} if since is not None else {})
        found = self._ask(_Events, "GET", "/v1/events", query=query)
        events = tuple(TmsEvent(at=e.at, unit=e.unit, kind=e.kind, text=e.text) for e in found.events)
        kinds = tuple(dict.fromkeys(event.kind for event in events))
        return EventsFound(unit=unit, count=len(events), kinds=kinds, events=events)

    def coverage_record(self, unit: str) -> CoverageRecord:
        """Look up the coverage validation of the unit's site."""
        found = self._ask(_Coverage, "GET", f"/v1/units/{segment(unit)}/coverage")
        return CoverageRecord(
            unit=found.unit,
            validated=found.validated,
            rssi_dbm=found.rssi_dbm,
            minimum_dbm=found.minimum_dbm,
            measured_at=found.measured_at,
        )

    def section_four(self, unit: str) -> SectionFour:
        """Run through section 4, and wait until the head end is done with it.

        Raises Refused ``unavailable`` where it does not come to an end.
        """
        clock = self._context.clock
        found = self._ask(_SectionFour, "POST", f"/v1/units/{segment(unit)}/section-4")
        give_up_s = clock.monotonic_s() + SECTION_FOUR_S
        while not found.done:
            if clock.monotonic_s() >= give_up_s:
                raise Refused("unavailable", f"section 4 has not ended within {SECTION_FOUR_S:g} s")
            clock.sleep_s(SECTION_FOUR_POLL_S)
            found = self._ask(_SectionFour, "GET", f"/v1/section-4/{segment(found.check)}")
        return SectionFour(
            unit=found.unit,
            module_reachable=found.module_reachable,
            registered=found.registered,
            finding=found.finding,
        )

    def connection_status(self) -> ConnectionStatus:
        """Have the head end check its connection to the Internet."""
        found = self._ask(_Connection, "GET", "/v1/connection")
        return ConnectionStatus(internet=found.internet, checked_at=found.checked_at)

    def open_ticket(self, unit: str, job: str) -> SupportTicket:
        """Open a case with the vendor."""
        found = self._ask(_Ticket, "POST", "/v1/tickets", json={"unit": unit, "job": job})
        return SupportTicket(
            ticket=found.ticket, unit=found.unit, job=found.job, attached_events=found.attached_events
        )

    # -- inside

    def _ask(
        self,
        model: type[M],
        method: str,
        path: str,
        *,
        json: object = None,
        query: dict[str, str] | None = None,
    ) -> M:
        return ask(self._context, self._api, model, method, path, json=json, query=query)

    def _pin(self) -> str:
        try:
            return self._context.secrets["pin"].reveal().decode("ascii")
        except KeyError:
            name = self._context.name
            raise NotPermitted(f"the bench has no secret {name}.pin, the PIN of the unit") from None


def ask(
    context: AdapterContext,
    api: JsonApi,
    model: type[M],
    method: str,
    path: str,
    *,
    json: object = None,
    query: dict[str, str] | None = None,
) -> M:
    """Ask with the bench's token. Raises BenchError where the server does not accept it."""
    try:
        return api.ask(
            model, method, path, token=context.secrets.get("token"), json=json, query=dict(query or {})
        )
    except Refused as refusal:
        if refusal.reason == "not-permitted":
            raise BenchError(
                f"{context.name}: the server does not accept the token; see secret {context.name}.token"
            ) from refusal
        raise


def _another(pin: str) -> str:
    return "".join(_DIGITS[(_DIGITS.index(each) + 1) % 10] if each in _DIGITS else each for each in pin)


class _About(ApiModel):
    product: str
    version: str
    serial: str


class _Unit(ApiModel):
    unit: str
    group: str
    status: str
    registrations: int
    entries: int
    module_version: str


class _Saved(ApiModel):
    unit: str
    saved: bool


class _PinComparison(ApiModel):
    unit: str
    configured: bool
    matches: bool


class _Transaction(ApiModel):
    name: str
    outcome: str


class _Job(ApiModel):
    job: str
    unit: str
    state: str
    requested_at: datetime
    ended_at: datetime | None
    elapsed_s: float
    transactions: list[_Transaction]
    get_version: str
    version: str

    def result(self) -> ProvisioningJob:
        """Return it as the role has it."""
        return ProvisioningJob(
            job=self.job,
            unit=self.unit,
            state=self.state,
            requested_at=self.requested_at,
            ended_at=self.ended_at,
            elapsed_s=self.elapsed_s,
            transactions=tuple(f"{each.name}: {each.outcome}" for each in self.transactions),
            first=self.transactions[0].name if self.transactions else "",
            get_version=self.get_version,
            version=self.version,
        )


class _Event(ApiModel):
    at: datetime
    unit: str
    kind: str
    text: str


class _Events(ApiModel):
    events: list[_Event]


class _Coverage(ApiModel):
    unit: str
    validated: bool
    rssi_dbm: int
    minimum_dbm: int
    measured_at: datetime


class _SectionFour(ApiModel):
    check: str
    unit: str
    done: bool
    module_reachable: bool
    registered: bool
    finding: str


class _Connection(ApiModel):
    internet: bool
    checked_at: datetime


class _Ticket(ApiModel):
    ticket: str
    unit: str
    job: str
    attached_events: int


class _Data(ApiModel):
    unit: str
    readings: int
    interpreted: bool
    register_name: str
    value: Decimal | None
    unit_of_value: str
