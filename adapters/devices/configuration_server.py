"""A configuration server behind the HTTP interface of our own that stands in for the real one's record."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from adapters.devices.http_api import ApiModel, JsonApi, segment
from adapters.devices.smartsynch_tms import ask
from adapters.registry import AdapterContext
from adapters.roles import ConfigurationRecord, Identity
from adapters.transports.http_transcript import HttpTranscript


class HttpConfigurationServer:
    """A configuration server on a bench. Its one link is HTTP, its secret is ``token``."""

    role: ClassVar[str] = "configuration_server"

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._api = JsonApi(context, reasons=("unknown-unit", "unavailable", "not-permitted"))

    @classmethod
    def transcript(cls, options: object) -> HttpTranscript:
        """Return the decoder of this adapter's wire bytes."""
        return HttpTranscript()

    def identify(self) -> Identity:
        """Ask which server this is."""
        about = ask(self._context, self._api, _About, "GET", "/v1/about")
        return Identity(serial=about.serial, model=about.product, firmware=about.version)

    def make_safe(self) -> None:
        """It is only looked at."""

    def close(self) -> None:
        """Close the connection."""
        self._api.close()

    def configuration_record(self, unit: str) -> ConfigurationRecord:
        """Look a unit up."""
        found = ask(self._context, self._api, _Record, "GET", f"/v1/units/{segment(unit)}")
        return ConfigurationRecord(
            unit=found.unit,
            auto_configurations=found.auto_configurations,
            parameters_written=found.parameters_written,
            parameters_expected=found.parameters_expected,
            confirmed=found.confirmed,
            first_message_at=found.first_message_at,
            written_at=found.written_at,
            confirmed_at=found.confirmed_at,
        )


class _About(ApiModel):
    product: str
    version: str
    serial: str


class _Record(ApiModel):
    unit: str
    auto_configurations: int
    parameters_written: int
    parameters_expected: int
    confirmed: bool
    first_message_at: datetime | None
    written_at: datetime | None
    confirmed_at: datetime | None
