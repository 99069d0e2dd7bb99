"""TMS's operator screens as an HTTP interface. TMS's own interface is not public: paths and bodies are ours.

Endpoints compute and return; what takes time (provisioning, section 4) is begun and asked about. They answer
as long as TMS runs, whatever is cut between it and its modules.
"""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Depends, FastAPI

from virtual_rig.head_ends import tms_models as body
from virtual_rig.head_ends.problems import answer_refusals, bearer_wanted, refusals
from virtual_rig.head_ends.validation import answer_misunderstandings
from virtual_rig.servers.asgi import new_app
from virtual_rig.smartsynch.tms import Tms
from virtual_rig.wire import Scheduler

DESCRIPTION = """The operator's side of a transaction management system (TMS) for SmartSynch modules.

**Assumed.** The interface of the real TMS is not public. What its screens show is taken from the I-210 user
guide, sections 3.2 and 3.3; paths, names and the form of every answer are the rig's own.

Refusals are `application/problem+json` with a `reason`: `unknown-unit`, `not-placed`, `not-provisioned`,
`no-properties`, `busy`, `unknown-job`, `unknown-check`, `not-understood`, `not-permitted`.
"""
_STATUSES = {"not-permitted": 401, "unknown-unit": 404, "unknown-job": 404, "unknown-check": 404}
_REASONS = ("not-permitted", "unknown-unit", "unknown-job", "not-placed", "not-provisioned", "busy")


def make_tms_app(tms: Tms, scheduler: Scheduler, *, token: str, serial: str) -> FastAPI:
    """Return the application; ``token`` is what a client has to send as bearer token."""
    app = new_app("TMS (assumed interface)", version="1", description=DESCRIPTION)
    answer_refusals(app, _STATUSES)
    answer_misunderstandings(app)
    routes = APIRouter(
        prefix="/v1",
        dependencies=[Depends(bearer_wanted((token,)))],
        responses=refusals(_STATUSES, *_REASONS),
    )
    _about(routes, serial)
    _units(routes, tms)
    _provisioning(routes, tms)
    _troubleshooting(routes, tms, scheduler)
    app.include_router(routes)
    return app


def _about(routes: APIRouter, serial: str) -> None:
    @routes.get("/about")
    async def about() -> body.About:
        """Say which TMS this is."""
        return body.About(product="TMS (virtual)", version="1", serial=serial)


def _units(routes: APIRouter, tms: Tms) -> None:
    @routes.get("/units/{unit}")
    async def unit_entry(unit: str) -> body.UnitAnswer:
        """Look a unit up in the Master List."""
        return body.UnitAnswer.of(tms.entry(unit), tms.units.count(unit))

    @routes.delete("/units/{unit}")
    async def remove_unit(unit: str) -> body.Saved:
        """Take a unit off the Master List, with its device properties and its data."""
        tms.remove(unit)
        return body.Saved(unit=unit, saved=True)

    @routes.put("/units/{unit}/properties")
    async def save_properties(unit: str, properties: body.Pin) -> body.Saved:
        """Save the PIN in the device properties."""
        tms.save_pin(unit, properties.pin)
        return body.Saved(unit=unit, saved=True)

    @routes.post("/units/{unit}/properties/pin-review")
    async def review_pin(unit: str, properties: body.Pin) -> body.PinComparison:
        """Compare the PIN in the device properties with one that is sent. Changes nothing."""
        configured, matches = tms.review_pin(unit, properties.pin)
        return body.PinComparison(unit=unit, configured=configured, matches=matches)

    @routes.get("/units/{unit}/data")
    async def collect_data(unit: str) -> body.DataAnswer:
        """Collect the meter data of a unit."""
        return body.DataAnswer.of(*tms.data(unit))


def _provisioning(routes: APIRouter, tms: Tms) -> None:
    @routes.post("/units/{unit}/provisioning", status_code=201)
    async def provision(unit: str, request: body.ProvisioningRequest) -> body.JobAnswer:
        """Request provisioning of a unit that is Placed."""
        job = tms.provision(unit, request.limit_s)
        return body.JobAnswer.of(job, tms.elapsed_s(job))

    @routes.get("/provisioning/{job}")
    async def provisioning(job: str) -> body.JobAnswer:
        """Look at a provisioning job."""
        found = tms.job(job)
        return body.JobAnswer.of(found, tms.elapsed_s(found))


def _troubleshooting(routes: APIRouter, tms: Tms, scheduler: Scheduler) -> None:
    @routes.get("/events")
    async def search_events(unit: str, since: datetime | None = None) -> body.EventsAnswer:
        """Monitoring Home > Event Search. A moment without a time zone is taken for UTC."""
        if since is not None and since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        return body.EventsAnswer.of(tms.search_events(unit, since))

    @routes.get("/units/{unit}/coverage")
    async def coverage(unit: str) -> body.CoverageAnswer:
        """Look up the coverage validation of the unit's site."""
        return body.CoverageAnswer.of(unit, tms.coverage(unit))

    @routes.post("/units/{unit}/section-4", status_code=202)
    async def begin_section_four(unit: str) -> body.SectionFourAnswer:
        """Begin with the troubleshooting of section 4."""
        return body.SectionFourAnswer.of(tms.begin_section_four(unit))

    @routes.get("/section-4/{check}")
    async def section_four(check: str) -> body.SectionFourAnswer:
        """Ask what section 4 has come to."""
        return body.SectionFourAnswer.of(tms.section_four(check))

    @routes.get("/connection")
    async def connection() -> body.ConnectionAnswer:
        """Check the connection to the Internet."""
        return body.ConnectionAnswer(internet=tms.internet(), checked_at=scheduler.utc_now())

    @routes.post("/tickets", status_code=201)
    async def open_ticket(request: body.TicketRequest) -> body.TicketAnswer:
        """Open a case with the vendor's customer support."""
        return body.TicketAnswer.of(tms.open_ticket(request.unit, request.job))
