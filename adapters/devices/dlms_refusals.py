"""What an answer that is not the one hoped for means to a plan: Refused in its words, or a protocol error."""

from __future__ import annotations

from adapters.errors import LabError, Refused, RemoteProtocolError
from adapters.protocols.dlms.apdu_other import ExceptionResponse
from adapters.protocols.dlms.client_events import ClientEvent, ServiceRefused
from adapters.protocols.dlms.enums import ServiceError


def refused(event: ServiceRefused) -> Refused:
    """Return what refuses a service as a whole, as the plan knows it."""
    refusal = event.refusal
    if isinstance(refusal, ExceptionResponse):
        detail = f"exception: {refusal.state.label}, {refusal.service.label}"
        if refusal.invocation_counter is not None:
            expected = refusal.invocation_counter
            return Refused("security", f"{detail}, expects {expected}", data=expected.to_bytes(4, "big"))
        if refusal.service is ServiceError.DECIPHERING_ERROR:
            return Refused("security", detail)
        if refusal.service is ServiceError.SERVICE_NOT_SUPPORTED:
            return Refused("service-not-supported", detail)
        return Refused("service-not-allowed", detail)
    return Refused("service-not-allowed", f"confirmed service error: {refusal}")


def unexpected(event: ClientEvent, service: str) -> LabError:
    """Return the error for an event that is no answer to ``service``."""
    if isinstance(event, ServiceRefused):
        return refused(event)
    return RemoteProtocolError(f"{type(event).__name__} is no answer to a {service}")
