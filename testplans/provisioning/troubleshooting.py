"""The walk that finds out why a provisioning has stalled.

It follows the one table of ``harness.rules.troubleshooting``, asks nothing but what the head end's role
offers, and so works with a person at its screens too: what he cannot say is a finding like another, and the
walk goes on. It may end where the cause is found. What it finds is evidence in the report: every check with
its finding, the events since the request, a time line, and a summary that names the cause and the check that
found it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from adapters.errors import NotSeen, Refused
from adapters.roles import ProvisioningHeadEnd, ProvisioningJob, TmsEvent
from harness.actions import procedure
from harness.records import Check
from harness.rules.troubleshooting import ORDER, TroubleshootingStep
from harness.steps import Steps
from testplans.provisioning.timeline import Happening, attach_time_line, events_of, seconds_between

UNKNOWN = "unknown"
CAUSES = {
    "coverage": "the site has too little coverage",
    "pin": "the PIN in the device properties is not the unit's",
    "meter-power": "the meter has lost its supply",
    "not-registered": "the unit is not in the Master List",
    "head-end-gateway": "the head end's own way to its modules is cut",
    "internet": "the head end's Internet connection is down",
    UNKNOWN: "no check has shown the cause; the vendor has the case",
}
_SECTION_FOUR = {"gateway-down": "head-end-gateway", "not-registered": "not-registered"}
_POWER_LOST = {"power-failure", "power-outage", "last-gasp", "outage"}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What troubleshooting came to. ``found_at`` is the number of the check, 0 where none found anything."""

    cause: str  # one of CAUSES
    found_at: int
    found_by: str  # the check in words
    finding: str
    checks_done: int
    unanswered: int  # checks the head end, or the person at its screens, could not answer
    get_version: str
    events: int
    kinds: tuple[str, ...]
    section_four: str  # its finding, empty where the walk did not come to it
    ticket: str
    attached_events: int
    all_events_attached: bool  # the case with the vendor has every event the search had shown

    @property
    def sentence(self) -> str:
        """Say the cause, and where in the order it was found."""
        if not self.found_at:
            return f"cause: {self.cause} ({CAUSES[self.cause]})"
        return (
            f"cause: {self.cause}, found at check {self.found_at} of {len(ORDER)} "
            f"({self.found_by} {self.finding}): {CAUSES[self.cause]}"
        )


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A check that was made."""

    check: TroubleshootingStep
    at: datetime
    finding: str
    cause: str = ""
    answered: bool = True


@dataclass(kw_only=True)
class _Walk:
    """One walk through the checks: what was asked, and what has been found so far."""

    tms: ProvisioningHeadEnd
    unit: str
    job: ProvisioningJob
    events: tuple[TmsEvent, ...] = ()
    section_four: str = ""
    ticket: str = ""
    attached_events: int = 0
    made: list[_Made] = field(default_factory=list)

    def make(self, check: TroubleshootingStep, at: datetime) -> _Made:
        """Make one check. A head end that declines, and a person who cannot see it, leave it unanswered."""
        checks: dict[str, Callable[[], tuple[str, str]]] = {
            "coverage_record": self._coverage,
            "review_pin": self._pin,
            "search_events": self._event_search,
            "provisioning": self._get_version,
            "section_four": self._section_four,
            "connection_status": self._internet,
            "open_ticket": self._support,
        }
        try:
            finding, cause = checks[check.method]()
            made = _Made(check=check, at=at, finding=finding, cause=cause)
        except Refused as refusal:
            made = _Made(check=check, at=at, finding=f"not answered: {refusal.reason}", answered=False)
        except NotSeen as error:
            made = _Made(check=check, at=at, finding=f"not answered: {error}", answered=False)
        self.made.append(made)
        return made

    @property
    def found(self) -> _Made | None:
        """The first check that showed a cause."""
        return next((made for made in self.made if made.cause), None)

    def _coverage(self) -> tuple[str, str]:
        record = self.tms.coverage_record(self.unit)
        enough, text = record.validated, ""
        with suppress(NotSeen):  # a screen may show the verdict alone
            text = f": {record.rssi_dbm} dBm, at least {record.minimum_dbm} dBm is needed"
            enough = enough and record.rssi_dbm >= record.minimum_dbm
            if record.measured_at is not None:
                text += f", measured {record.measured_at:%Y-%m-%d %H:%M:%S}"
        return (f"sufficient{text}", "") if enough else (f"not sufficient{text}", "coverage")

    def _pin(self) -> tuple[str, str]:
        review = self.tms.review_pin(self.unit)
        if not review.configured:
            return "no PIN is configured", "pin"
        return ("the PIN is the unit's", "") if review.matches else ("the PIN is not the unit's", "pin")

    def _event_search(self) -> tuple[str, str]:
        found = self.tms.search_events(self.unit, self.job.requested_at)
        self.events = found.events
        kinds = [_word(event.kind) for event in found.events]
        finding = f"{found.count} events since the request: {', '.join(dict.fromkeys(kinds)) or 'none'}"
        lost = [number for number, kind in enumerate(kinds) if kind in _POWER_LOST]
        if lost and "registration" not in kinds[lost[-1] :]:
            last = found.events[lost[-1]]
            return f"{last.kind} at {last.at:%H:%M:%S}, nothing of the unit since; {finding}", "meter-power"
        return finding, ""

    def _get_version(self) -> tuple[str, str]:
        self.job = self.tms.provisioning(self.job.job)
        outcome = self.job.get_version or "never sent"
        return f"Get Version: {outcome}", "pin" if outcome == "authentication failed" else ""

    def _section_four(self) -> tuple[str, str]:
        found = self.tms.section_four(self.unit)
        self.section_four = _word(found.finding)
        cause = "" if found.registered else "not-registered"
        return found.finding, _SECTION_FOUR.get(self.section_four, cause)

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
            made = walk.make(check, run.clock.utc_now())
            run.note(Check(name="finding", passed=True, expected="any", actual=made.finding))
            run.attach(f"finding of check {check.number}", "text/plain", data=f"{made.finding}\n")
        if made.cause and not to_the_end:
            break
    if not any(made.check.method == "search_events" for made in walk.made):
        walk.events = _events_anyway(walk)
    found = _diagnosis(walk)
    run.attach("diagnosis", "text/plain", data=_summary(walk, found))
    checks = [
        Happening(at=made.at, who="check", what=f"{made.check.number}. {made.check.title} -> {made.finding}")
        for made in walk.made
    ]
    attach_time_line(run, [*events_of(walk.events), *checks], walk.job.requested_at)
    return found


def _events_anyway(walk: _Walk) -> tuple[TmsEvent, ...]:
    """Fetch the events for the report, where the walk has ended before it came to them."""
    try:
        return walk.tms.search_events(walk.unit, walk.job.requested_at).events
    except (Refused, NotSeen):
        return ()


def _diagnosis(walk: _Walk) -> Diagnosis:
    found = walk.found
    return Diagnosis(
        cause=found.cause if found is not None else UNKNOWN,
        found_at=found.check.number if found is not None else 0,
        found_by=found.check.title if found is not None else "",
        finding=found.finding if found is not None else "",
        checks_done=len(walk.made),
        unanswered=sum(not made.answered for made in walk.made),
        get_version=_get_version_of(walk.job),
        events=len(walk.events),
        kinds=tuple(dict.fromkeys(event.kind for event in walk.events)),
        section_four=walk.section_four,
        ticket=walk.ticket,
        attached_events=walk.attached_events,
        all_events_attached=bool(walk.ticket) and walk.attached_events >= len(walk.events),
    )


def _get_version_of(job: ProvisioningJob) -> str:
    try:
        return job.get_version
    except NotSeen:
        return ""


def _summary(walk: _Walk, found: Diagnosis) -> str:
    job = walk.job
    lines = [
        f"Provisioning of unit {walk.unit}, job {job.job}: {job.state}"
        + (f" after {seconds_between(job.requested_at, job.ended_at):g} s" if job.ended_at else ""),
        f"Cause: {found.cause}: {CAUSES[found.cause]}",
        f"Found at check {found.found_at} of {len(ORDER)}: {found.found_by}"
        if found.found_at
        else "No check found anything",
        "",
    ]
    for made in walk.made:
        lines += [f"  {made.check.number}. {made.check.title}", f"     {made.finding}"]
    for check in ORDER[len(walk.made) :]:
        lines += [f"  {check.number}. {check.title}", "     not needed any more"]
    return "\n".join(lines) + "\n"


def _word(text: str) -> str:
    return text.strip().lower().replace(" ", "-").replace("_", "-")
