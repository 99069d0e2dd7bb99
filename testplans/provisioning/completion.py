"""Provisioning as it should go: requested, followed to its end, compared with what the guide says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from adapters.roles import ProvisioningHeadEnd, ProvisioningJob
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.provisioning.timeline import attach_time_line, events_of, seconds_between
from testplans.provisioning.troubleshooting import troubleshoot

VERSION_EVENT = "version"


@dataclass(frozen=True, kw_only=True)
class ProvisioningDone:
    """A provisioning that completed."""

    job: str
    took_s: float
    first: str
    version: str
    transactions: tuple[str, ...]
    version_event: bool  # Event Search shows the version the module answered with
    version_after_s: float


@procedure("provision_unit", hurts=("configure",))
def provision_unit(
    run: Steps, *, tms: ProvisioningHeadEnd, unit: str, limit: Duration, poll: Duration = 1.0
) -> ProvisioningDone:
    """Provision a unit. Where that stalls, the checks are made in order and the failure names the cause."""
    return _followed(run, tms, tms.provision(unit, limit), limit, poll)


@procedure("await_provisioned")
def await_provisioned(
    run: Steps, *, tms: ProvisioningHeadEnd, job: str, limit: Duration, poll: Duration = 1.0
) -> ProvisioningDone:
    """Follow a provisioning that has been requested to its end, as ``provision_unit`` does."""
    return _followed(run, tms, tms.provisioning(job), limit, poll)


def _followed(
    run: Steps, tms: ProvisioningHeadEnd, job: ProvisioningJob, limit_s: float, poll_s: float
) -> ProvisioningDone:
    give_up_s = run.clock.monotonic_s() - job.elapsed_s + limit_s + poll_s
    while job.state == "running" and run.clock.monotonic_s() < give_up_s:
        run.clock.sleep_s(poll_s)
        job = tms.provisioning(job.job)
    if job.state != "complete":
        found = troubleshoot(run, tms=tms, unit=job.unit, job=job.job)
        run.check("provisioning", expected="complete", actual=f"{job.state}; {found.sentence}")
    events = tms.search_events(job.unit, job.requested_at).events
    attach_time_line(run, events_of(events), job.requested_at)
    told = [event for event in events if event.kind == VERSION_EVENT]
    return ProvisioningDone(
        job=job.job,
        took_s=seconds_between(job.requested_at, job.ended_at),
        first=job.first,
        version=job.version,
        transactions=job.transactions,
        version_event=bool(told) and bool(job.version) and job.version in told[0].text,
        version_after_s=seconds_between(job.requested_at, told[0].at) if told else 0.0,
    )


@procedure("check_provisioning")
def check_provisioning(
    run: Steps,
    *,
    done: ProvisioningDone,
    first: str = "",
    version_limit: Duration = 0.0,
    transactions: str = "",
) -> ProvisioningDone:
    """Compare a provisioning with what it should have been; what is left out is not compared.

    ``transactions`` are those that went well, in their order, separated by commas.
    """
    if first:
        run.check("first transaction", expected=first, actual=done.first or "none")
    if version_limit:
        run.check("version in Event Search", expected=True, actual=done.version_event)
        run.measure("version after", done.version_after_s, "s", low=0, high=version_limit)
    if transactions:
        wanted = ", ".join(f"{name.strip()}: ok" for name in transactions.split(","))
        run.check("transactions", expected=wanted, actual=", ".join(done.transactions))
    return done


@dataclass(frozen=True, kw_only=True)
class UnderWay:
    """A transaction that has been sent and not been answered."""

    job: str
    transaction: str
    sent_before: int  # transactions before it
    version: str


@procedure("await_transaction")
def await_transaction(
    run: Steps, *, tms: ProvisioningHeadEnd, job: str, transaction: str, limit: Duration, poll: Duration = 0.2
) -> UnderWay:
    """Wait until a transaction has been sent and not been answered yet, to interrupt it just there."""
    began_s = run.clock.monotonic_s()
    while True:
        found = tms.provisioning(job)
        if found.transactions and found.transactions[-1].startswith(f"{transaction}: sent"):
            break
        if found.state != "running" or run.clock.monotonic_s() - began_s >= limit:
            run.inconclusive(f"{transaction} was not met under way; the job is {found.state}")
        run.clock.sleep_s(poll)
    return UnderWay(
        job=job, transaction=transaction, sent_before=len(found.transactions) - 1, version=found.version
    )


@dataclass(frozen=True, kw_only=True)
class EventsCompared:
    """The events since a request."""

    job: str
    count: int
    kinds: tuple[str, ...]


@procedure("check_events")
def check_events(
    run: Steps, *, tms: ProvisioningHeadEnd, job: str, kinds: tuple[str, ...], resolution: Duration = 1.0
) -> EventsCompared:
    """See that Event Search shows these kinds since a job was requested, in this order, and nothing older.

    Screens that search in whole seconds show what else happened in the second of the request; ``resolution``
    is what they round to.
    """
    found = tms.provisioning(job)
    events = tms.search_events(found.unit, found.requested_at).events
    told = [event.kind for event in events]
    missing, after = [], 0
    for kind in kinds:
        if kind in told[after:]:
            after += told[after:].index(kind) + 1
        else:
            missing.append(kind)
    run.check(
        "kinds of events since the request, in this order",
        expected=", ".join(kinds),
        actual=(", ".join(told) or "none") if missing else ", ".join(kinds),
    )
    others = sorted({event.unit for event in events} - {found.unit})
    run.check("events of other units", expected="none", actual=", ".join(others) or "none")
    begin = found.requested_at - timedelta(seconds=resolution)
    early = [event.text for event in events if event.at < begin]
    run.check("events from before the request", expected="none", actual="; ".join(early) or "none")
    return EventsCompared(job=job, count=len(events), kinds=tuple(dict.fromkeys(told)))
