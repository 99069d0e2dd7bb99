"""Provisioning that runs out of its time, and the walk that finds out why.

The walk follows the one table of ``harness.rules.troubleshooting``; it may end where the cause is found.
What it finds is evidence in the report: every check with its finding, the events since the request, a time
line, and a summary that names the cause and the check that found it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from adapters.roles import ProvisioningHeadEnd, ProvisioningJob, TmsEvent
from harness.actions import procedure
from harness.quantities import Duration
from harness.rules.troubleshooting import ORDER, TroubleshootingStep
from harness.steps import Steps

UNKNOWN = "unknown"
GET_VERSION = "get-version"
_SECTION_FOUR_CAUSES = {"gateway-down": "head-end-gateway", "not-registered": "not-registered"}


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

    From here on the order of troubleshooting holds (rule ``troubleshooting-order``).
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
        taken_s = _seconds(ended.requested_at, ended.ended_at)
        run.measure(
            "the job ran out after", round(taken_s, 3), "s", low=limit - tolerance, high=limit + tolerance
        )
    names = [transaction.partition(":")[0] for transaction in ended.transactions]
    return Stalled(
        job=job,
        state=ended.state,
        ran_out_after_s=round(taken_s, 3),
        get_version=ended.get_version,
        attempts=names.count(GET_VERSION),
        others=len(names) - names.count(GET_VERSION),
    )


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What troubleshooting came to. ``found_at`` is the number of the check, 0 where none found anything."""

    cause: str  # coverage, pin, head-end-gateway, not-registered, internet, unknown
    found_at: int
    found_by: str  # the check in words
    finding: str
    checks_done: int
    get_version: str
    events: int
    kinds: tuple[str, ...]
    ticket: str
    attached_events: int


@dataclass(kw_only=True)
class _Walk:
    """One walk through the checks: what was asked, and what has been found so far."""

    tms: ProvisioningHeadEnd
    unit: str
    job: ProvisioningJob
    cause: str = ""
    found_at: TroubleshootingStep | None = None
    finding: str = ""
    events: tuple[TmsEvent, ...] = ()
    ticket: str = ""
    attached_events: int = 0
    made: list[tuple[datetime, TroubleshootingStep, str]] = field(default_factory=list)

    def check(self, method: str) -> tuple[str, str]:
        """Make one check; return its finding, and the cause it shows or nothing."""
        checks: dict[str, Callable[[], tuple[str, str]]] = {
            "coverage_record": self._coverage,
            "review_pin": self._pin,
            "search_events": self._events,
            "provisioning": self._get_version,
            "section_four": self._section_four,
            "connection_status": self._internet,
            "open_ticket": self._support,
        }
        return checks[method]()

    def _coverage(self) -> tuple[str, str]:
        record = self.tms.coverage_record(self.unit)
        text = f"{record.rssi_dbm} dBm, at least {record.minimum_dbm} dBm is needed"
        return (f"sufficient: {text}", "") if record.validated else (f"not sufficient: {text}", "coverage")

    def _pin(self) -> tuple[str, str]:
        review = self.tms.review_pin(self.unit)
        if not review.configured:
            return "no PIN is configured", "pin"
        return ("the PIN is the unit's", "") if review.matches else ("the PIN is not the unit's", "pin")

    def _events(self) -> tuple[str, str]:
        found = self.tms.search_events(self.unit, self.job.requested_at)
        self.events = found.events
        return f"{found.count} events since the request: {', '.join(found.kinds) or 'none'}", ""

    def _get_version(self) -> tuple[str, str]:
        self.job = self.tms.provisioning(self.job.job)
        outcome = self.job.get_version or "never sent"
        return f"Get Version: {outcome}", "pin" if outcome == "authentication failed" else ""

    def _section_four(self) -> tuple[str, str]:
        found = self.tms.section_four(self.unit)
        return found.finding, _SECTION_FOUR_CAUSES.get(found.finding, "")

    def _internet(self) -> tuple[str, str]:
        up = self.tms.connection_status().internet
        return ("the Internet is reached", "") if up else ("the Internet is not reached", "internet")

    def _support(self) -> tuple[str, str]:
        opened = self.tms.open_ticket(self.unit, self.job.job)
        self.ticket, self.attached_events = opened.ticket, opened.attached_events
        return f"case {opened.ticket} with {opened.attached_events} events", UNKNOWN


@procedure("troubleshoot")
def troubleshoot(
    run: Steps, *, tms: ProvisioningHeadEnd, unit: str, job: str, to_the_end: bool = False
) -> Diagnosis:
    """Make the checks in the order of the guide until one finds the cause; ``to_the_end`` makes them all."""
    walk = _Walk(tms=tms, unit=unit, job=tms.provisioning(job))
    for check in ORDER:
        with run.step(f"Check {check.number}: {check.title}"):
            finding, cause = walk.check(check.method)
            walk.made.append((run.clock.utc_now(), check, finding))
            run.attach(f"finding of check {check.number}", "text/plain", data=f"{finding}\n")
        if cause and not walk.cause:
            walk.cause, walk.found_at, walk.finding = cause, check, finding
        if walk.cause and not to_the_end:
            break
    if not walk.events:
        walk.events = tms.search_events(unit, walk.job.requested_at).events
    found = _diagnosis(walk)
    run.attach("diagnosis", "text/plain", data=_summary(walk, found))
    run.attach("time line", "text/plain", data=_time_line(walk))
    run.attach("events since the request", "text/csv", data=_csv(walk))
    return found


def _diagnosis(walk: _Walk) -> Diagnosis:
    at = walk.found_at
    return Diagnosis(
        cause=walk.cause or UNKNOWN,
        found_at=at.number if at is not None else 0,
        found_by=at.title if at is not None else "",
        finding=walk.finding,
        checks_done=len(walk.made),
        get_version=walk.job.get_version,
        events=len(walk.events),
        kinds=tuple(dict.fromkeys(event.kind for event in walk.events)),
        ticket=walk.ticket,
        attached_events=walk.attached_events,
    )


def _summary(walk: _Walk, found: Diagnosis) -> str:
    limit_s = _seconds(walk.job.requested_at, walk.job.ended_at)
    lines = [
        f"Provisioning of unit {walk.unit}, job {walk.job.job}: {walk.job.state} after {limit_s:g} s",
        f"Cause: {found.cause} ({found.finding or 'no check found anything'})",
        f"Found at check {found.found_at} of {len(ORDER)}: {found.found_by}" if found.found_at else "",
        "",
        *(f"  {check.number}. {check.title}\n     {finding}" for _, check, finding in walk.made),
        *(f"  {check.number}. {check.title}\n     not needed any more" for check in ORDER[len(walk.made) :]),
    ]
    return "\n".join(line for line in lines if line is not None) + "\n"


def _time_line(walk: _Walk) -> str:
    begin = walk.job.requested_at
    rows = [(event.at, "TMS", f"{event.kind}: {event.text}") for event in walk.events]
    rows += [(at, "check", f"{check.number}. {check.title} -> {finding}") for at, check, finding in walk.made]
    lines = ["since request   time (UTC)                who    what"]
    for at, who, what in sorted(rows, key=lambda row: row[0]):
        lines.append(
            f"{_since(begin, at):>13}   {at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}   {who:<6} {what}"
        )
    return "\n".join(lines) + "\n"


def _since(begin: datetime, at: datetime) -> str:
    seconds = (at - begin).total_seconds()
    minutes, rest = divmod(abs(seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{'-' if seconds < 0 else '+'}{hours:d}:{minutes:02d}:{rest:06.3f}"


def _csv(walk: _Walk) -> str:
    rows = ["time,unit,kind,text"]
    rows += [f"{e.at.isoformat()},{e.unit},{e.kind},{e.text.replace(',', ';')}" for e in walk.events]
    return "\n".join(rows) + "\n"


def _seconds(begin: datetime, end: datetime | None) -> float:
    return (end - begin).total_seconds() if end is not None else 0.0


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
    job = tms.provision(unit, limit)
    while job.state == "running" and job.elapsed_s < limit + poll:
        run.clock.sleep_s(poll)
        job = tms.provisioning(job.job)
    if job.state != "complete":
        found = troubleshoot(run, tms=tms, unit=unit, job=job.job)
        why = f"{job.state}; cause: {found.cause}, found at check {found.found_at} ({found.finding})"
        run.check("provisioning", expected="complete", actual=why)
    told = [event for event in tms.search_events(unit, job.requested_at).events if event.kind == "version"]
    return ProvisioningDone(
        job=job.job,
        took_s=round(_seconds(job.requested_at, job.ended_at), 3),
        first=job.first,
        version=job.version,
        transactions=job.transactions,
        version_event=bool(told) and bool(job.version) and job.version in told[0].text,
        version_after_s=round(_seconds(job.requested_at, told[0].at), 3) if told else 0.0,
    )


@procedure("await_transaction")
def await_transaction(
    run: Steps, *, tms: ProvisioningHeadEnd, job: str, transaction: str, limit: Duration, poll: Duration = 0.2
) -> Stalled:
    """Wait until a transaction has been sent and not been answered yet (to interrupt it just there)."""
    began_s = run.clock.monotonic_s()
    while True:
        found = tms.provisioning(job)
        if found.transactions and found.transactions[-1].startswith(f"{transaction}: sent"):
            break
        if found.state != "running" or run.clock.monotonic_s() - began_s >= limit:
            run.inconclusive(f"{transaction} was not met under way; the job is {found.state}")
        run.clock.sleep_s(poll)
    return Stalled(
        job=job,
        state=found.state,
        ran_out_after_s=0.0,
        get_version=found.get_version,
        attempts=0,
        others=len(found.transactions) - 1,
    )


@procedure("check_provisioning")
def check_provisioning(
    run: Steps,
    *,
    done: ProvisioningDone,
    first: str = "",
    version_limit: Duration = 0.0,
    transactions: tuple[str, ...] = (),
) -> ProvisioningDone:
    """Compare a provisioning with what it should have been; what is left out is not compared."""
    if first:
        run.check("first transaction", expected=first, actual=done.first or "none")
    if version_limit:
        run.check("version in Event Search", expected=True, actual=done.version_event)
        run.measure("version after", done.version_after_s, "s", low=0, high=version_limit)
    if transactions:
        run.check("transactions", expected=", ".join(transactions), actual=", ".join(done.transactions))
    return done


@procedure("check_stall")
def check_stall(run: Steps, *, stalled: Stalled, get_version: str, others: int, attempts: int = 1) -> Stalled:
    """Compare what TMS had sent: Get Version at least ``attempts`` times, and ``others`` besides."""
    run.check("outcome of Get Version", expected=get_version, actual=stalled.get_version or "never sent")
    run.check("other transactions", expected=others, actual=stalled.others)
    run.measure("Get Version sent", stalled.attempts, "", low=attempts)
    return stalled


@procedure("check_events")
def check_events(
    run: Steps, *, tms: ProvisioningHeadEnd, unit: str, job: str, kinds: tuple[str, ...]
) -> Diagnosis:
    """See that Event Search shows these kinds since a job was requested, in this order."""
    found = tms.provisioning(job)
    events = tms.search_events(unit, found.requested_at).events
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
        actual=", ".join(told) if missing else ", ".join(kinds),
    )
    early = [event.text for event in events if event.at < found.requested_at]
    run.check("events from before the request", expected="none", actual="; ".join(early) or "none")
    return _diagnosis(_Walk(tms=tms, unit=unit, job=found, events=events))
