"""How long an open session unlocks an endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.roles import EndpointRadio
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.secured.attempts import DONE, attempt


@dataclass(frozen=True, kw_only=True)
class SessionTimed:
    """Between which moments, counted from its opening, a session ended."""

    last_done_s: float
    first_refused_s: float


@procedure("time_session")
def time_session(
    run: Steps,
    *,
    radio: EndpointRadio,
    endpoint: str,
    timeout: Duration,
    margin: Duration,
    actions: int = 1,
    reason: str = "session-required",
) -> SessionTimed:
    """Open a session, act in it and once more just before its end; just after it nothing is taken any more.

    ``actions`` are spread evenly, the last of them ``margin`` before the end: the time runs from the opening
    on, and what is done meanwhile must not prolong it.
    """
    run.check("configured time, s", expected=int(timeout), actual=radio.status(endpoint).session_timeout_s)
    # The endpoint opened it between these two moments: each end is tried from the one that is safe for it.
    earliest_s = run.clock.monotonic_s()
    opened = attempt(radio, endpoint, "open_session", "")
    latest_s = run.clock.monotonic_s()
    run.check("open_session", expected=f"{DONE}, no other trace", actual=opened.told)
    for number in range(1, actions + 1):
        _wait_until(run, earliest_s + (timeout - margin) * number / actions)
        with run.step(f"{run.clock.monotonic_s() - latest_s:.1f} s after the opening"):
            done = attempt(radio, endpoint, "check", "none")
            run.check("check", expected=f"{DONE}, no other trace", actual=done.told)
            run.check("session open", expected=True, actual=radio.status(endpoint).session_open)
    last_done_s = run.clock.monotonic_s() - latest_s
    _wait_until(run, latest_s + timeout + margin)
    first_refused_s = run.clock.monotonic_s() - earliest_s
    with run.step(f"{first_refused_s:.1f} s after the opening"):
        run.check("session open", expected=False, actual=radio.status(endpoint).session_open)
        refused = attempt(radio, endpoint, "check", "none")
        run.check("check", expected=f"{reason}, no other trace", actual=refused.told)
    return SessionTimed(last_done_s=round(last_done_s, 3), first_refused_s=round(first_refused_s, 3))


def _wait_until(run: Steps, moment_s: float) -> None:
    run.clock.sleep_s(max(0.0, moment_s - run.clock.monotonic_s()))
