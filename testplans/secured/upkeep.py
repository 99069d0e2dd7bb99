"""Letting time pass, and leaving endpoints as they were found."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import BenchError
from adapters.roles import EndpointRadio
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps

ATTEMPTS = 2  # the first may be taken for a replay


@dataclass(frozen=True, kw_only=True)
class TimePassed:
    """How long nothing was done."""

    passed_s: float


@dataclass(frozen=True, kw_only=True)
class ServiceConnected:
    """An endpoint whose customer has service; ``attempts`` 0: it had."""

    endpoint: str
    attempts: int


@dataclass(frozen=True, kw_only=True)
class LockedAgain:
    """Endpoints that had a session open, and have none now."""

    closed: tuple[str, ...]


@procedure("let_time_pass")
def let_time_pass(run: Steps, *, duration: Duration) -> TimePassed:
    """Do nothing for a while."""
    run.clock.sleep_s(duration)
    return TimePassed(passed_s=duration)


@procedure("leave_service_connected", hurts=("disconnect",))
def leave_service_connected(run: Steps, *, radio: EndpointRadio, endpoint: str) -> ServiceConnected:
    """Connect an endpoint's service again where it is disconnected.

    Raises BenchError where it stays so: a bench with a dead meter must not be reported as safe.
    """
    for attempt in range(ATTEMPTS + 1):
        if radio.status(endpoint).switch != "disconnected":
            return ServiceConnected(endpoint=endpoint, attempts=attempt)
        if attempt < ATTEMPTS:
            radio.send_switch(endpoint, "connect")
    raise BenchError(f"the service at endpoint {endpoint} is still disconnected after {ATTEMPTS} attempts")


@procedure("lock_again")
def lock_again(run: Steps, *, radio: EndpointRadio, endpoints: tuple[str, ...]) -> LockedAgain:
    """Close the sessions a case has left open, so that the next one finds the endpoints locked."""
    closed = []
    for endpoint in endpoints:
        if radio.status(endpoint).session_open:
            radio.send(endpoint, "close_session")
            closed.append(endpoint)
    return LockedAgain(closed=tuple(closed))
