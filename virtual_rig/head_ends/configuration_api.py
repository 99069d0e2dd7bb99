"""The configuration server's record as an HTTP interface. The real one is not public: all of it is ours."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, ConfigDict

from virtual_rig.head_ends.problems import answer_refusals, bearer_wanted, refusals
from virtual_rig.head_ends.tms_models import About
from virtual_rig.head_ends.validation import answer_misunderstandings
from virtual_rig.servers.asgi import new_app
from virtual_rig.smartsynch.configuration_server import ConfigurationServer

DESCRIPTION = """The configuration server of SmartSynch modules, as far as its operator sees it.

**Assumed.** The real server's interface is not public; that it receives Auto-Configuration messages, writes
the customer's parameters and gets a confirmation is taken from the I-210 user guide, section 3.2. Parameters
are counted and never shown. Refusals are `application/problem+json` with a `reason`.
"""
_STATUSES = {"not-permitted": 401, "unknown-unit": 404}


class RecordAnswer(BaseModel):
    """What the server knows of a unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: str
    auto_configurations: int
    parameters_written: int
    parameters_expected: int
    confirmed: bool
    first_message_at: datetime | None
    written_at: datetime | None
    confirmed_at: datetime | None


def make_configuration_app(server: ConfigurationServer, *, token: str, serial: str) -> FastAPI:
    """Return the application; ``token`` is what a client has to send as bearer token."""
    app = new_app("Configuration server (assumed interface)", version="1", description=DESCRIPTION)
    answer_refusals(app, _STATUSES)
    answer_misunderstandings(app)
    routes = APIRouter(
        prefix="/v1",
        dependencies=[Depends(bearer_wanted((token,)))],
        responses=refusals(_STATUSES, "not-permitted", "unknown-unit"),
    )

    @routes.get("/about")
    async def about() -> About:
        """Say which server this is."""
        return About(product="Configuration server (virtual)", version="1", serial=serial)

    @routes.get("/units/{unit}")
    async def record(unit: str) -> RecordAnswer:
        """Look a unit up."""
        known = server.record(unit)
        return RecordAnswer(
            unit=unit,
            auto_configurations=known.auto_configurations,
            parameters_written=known.written,
            parameters_expected=known.expected,
            confirmed=known.confirmed,
            first_message_at=known.first_message_at,
            written_at=known.written_at,
            confirmed_at=known.confirmed_at,
        )

    app.include_router(routes)
    return app
