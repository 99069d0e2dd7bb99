"""Provisioning that runs out of its time: seen to happen by the clock in use, and what was sent till then."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.roles import ProvisioningHeadEnd
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.provisioning.timeline import seconds_between

GET_VERSION = "get-version"


@dataclass(frozen=True, kw_only=True)
class Stalled:
    """A job whose time ran out."""

    job: str
    state: str
    ran_out_after_s: float
    get_version: str
    attempts: int  # how often Get Version was sent
    others: int  # transactions other than Get Version


@procedure("await_stall")
def await_stall(
    run: Steps,
    *,
    tms: ProvisioningHeadEnd,
    job: str,
    limit: Duration,
    before: Duration = 30.0,
    after: Duration = 30.0,
    tolerance: Duration = 2.0,
) -> Stalled:
    """Wait until a job's time is up: it must still run ``before`` that moment and be over ``after`` it.

    How long the job has taken when it is first looked at is the head end's word; from there on the clock in
    use measures. From here on the order of troubleshooting holds (rule ``troubleshooting-order``).
    """
    looked_at = tms.provisioning(job)
    began_s = run.clock.monotonic_s() - looked_at.elapsed_s
    with run.step(f"just before {limit:g} s"):
        run.clock.sleep_s(max(0.0, began_s + limit - before - run.clock.monotonic_s()))
        run.check("state of the job", expected="running", actual=tms.provisioning(job).state)
    with run.step(f"just after {limit:g} s"):
        run.clock.sleep_s(max(0.0, began_s + limit + after - run.clock.monotonic_s()))
        ended = tms.provisioning(job)
        run.check("state of the job", expected="incomplete", actual=ended.state)
        taken_s = seconds_between(ended.requested_at, ended.ended_at)
        run.measure("the job ran out after", taken_s, "s", low=limit - tolerance, high=limit + tolerance)
    names = [transaction.partition(":")[0] for transaction in ended.transactions]
    return Stalled(
        job=job,
        state=ended.state,
        ran_out_after_s=taken_s,
        get_version=ended.get_version,
        attempts=names.count(GET_VERSION),
        others=len(names) - names.count(GET_VERSION),
    )


@procedure("check_stall")
def check_stall(run: Steps, *, stalled: Stalled, get_version: str, others: int, attempts: int = 1) -> Stalled:
    """Compare what TMS had sent: Get Version at least ``attempts`` times, and ``others`` besides."""
    run.check("outcome of Get Version", expected=get_version, actual=stalled.get_version or "never sent")
    run.check("other transactions", expected=others, actual=stalled.others)
    run.measure("Get Version sent", stalled.attempts, "", low=attempts)
    return stalled
