"""The provisioning plans' procedures against a head end that answers from a script."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.clock import WallClock
from adapters.errors import BenchError, NotPermitted, NotSeen, ReadTimeout, Refused
from adapters.roles import (
    AnsiMeter,
    ConfigurationRecord,
    ConfigurationServer,
    ConnectionStatus,
    CoverageRecord,
    DataCollected,
    EventsFound,
    FieldRead,
    PinReview,
    ProvisioningHeadEnd,
    ProvisioningJob,
    RegisterReading,
    SectionFour,
    SupportTicket,
    TableRead,
    TmsEvent,
    UnitEntry,
)
from harness.records import CaseRecord
from harness.rules.troubleshooting import ORDER
from harness.run_folder import Evidence
from harness.scrub import Scrubber
from harness.steps import Steps
from harness.verdicts import CheckFailed, Inconclusive
from testplans.provisioning.completion import (
    ProvisioningDone,
    await_provisioned,
    await_transaction,
    check_events,
    check_provisioning,
)
from testplans.provisioning.data import compare_data
from testplans.provisioning.placing import check_story, needs_unprovisioned_unit, place_unit
from testplans.provisioning.stalls import await_stall, check_stall
from testplans.provisioning.states import StatesSeen, check_states, watch_states
from testplans.provisioning.timeline import Happening, attach_time_line
from testplans.provisioning.troubleshooting import CAUSES, troubleshoot

UNIT, JOB = "20457301", "P-000001"
BEGIN = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
STALLED = ProvisioningJob(
    job=JOB,
    unit=UNIT,
    state="incomplete",
    requested_at=BEGIN,
    ended_at=BEGIN + timedelta(seconds=1800),
    elapsed_s=1800.0,
    transactions=("get-version: no response",),
    first="get-version",
    get_version="no response",
)


class Clock(WallClock):
    """A clock that jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def utc_now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.now_s)

    def sleep_s(self, duration_s: float) -> None:
        self.now_s += duration_s


@dataclass
class HeadEnd:
    """Answers from a script; an exception in it is raised. ``asked`` are the methods in their order."""

    answers: dict[str, Any]
    asked: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: object) -> Any:
            self.asked.append(name)
            found = self.answers[name]
            found = found(*arguments) if callable(found) else found
            if isinstance(found, list):
                found = found.pop(0) if len(found) > 1 else found[0]
            if isinstance(found, Exception):
                raise found
            return found

        return ask


def event(after_s: float, kind: str, text: str = "text") -> TmsEvent:
    return TmsEvent(at=BEGIN + timedelta(seconds=after_s), unit=UNIT, kind=kind, text=text)


def events(*found: TmsEvent) -> EventsFound:
    return EventsFound(
        unit=UNIT, count=len(found), kinds=tuple(dict.fromkeys(e.kind for e in found)), events=found
    )


NO_COVERAGE = CoverageRecord(unit=UNIT, validated=False, rssi_dbm=-113, minimum_dbm=-95)
REQUESTED = event(0, "provisioning-requested", "P-000001, limit 1800 s")


def since(*kinds: str) -> EventsFound:
    """Return the events since the request, ten seconds apart."""
    return events(REQUESTED, *(event(10.0 * number, kind) for number, kind in enumerate(kinds, start=1)))


def section_four(finding: str, *, registered: bool = True) -> SectionFour:
    return SectionFour(unit=UNIT, module_reachable=False, registered=registered, finding=finding)


HEALTHY: Mapping[str, Any] = {
    "coverage_record": CoverageRecord(unit=UNIT, validated=True, rssi_dbm=-79, minimum_dbm=-95),
    "review_pin": PinReview(unit=UNIT, configured=True, matches=True),
    "search_events": events(REQUESTED, event(11, "no-response", "get-version: no response")),
    "provisioning": STALLED,
    "section_four": section_four("module-silent"),
    "connection_status": ConnectionStatus(internet=True),
    "open_ticket": SupportTicket(ticket="T-1", unit=UNIT, job=JOB, attached_events=2),
}


def head_end(**answers: Any) -> HeadEnd:
    return HeadEnd({**HEALTHY, **answers})


def as_tms(found: HeadEnd) -> ProvisioningHeadEnd:
    return cast(ProvisioningHeadEnd, found)


@pytest.fixture
def run(tmp_path: Path) -> Steps:
    """The steps of a case that keeps its evidence in a folder."""
    record = CaseRecord(key="T-1", title="t", plan="p", verifies=("SS-TRB-01",))
    scrubber = Scrubber()
    return Steps(record, clock=Clock(), scrubber=scrubber, evidence=Evidence(tmp_path, scrubber))


def attached(run: Steps, tmp_path: Path) -> dict[str, str]:
    """Return what was attached, by name; of the same name the last."""
    found: dict[str, str] = {}

    def collect(record: Any) -> None:
        for each in record.attachments:
            found[each.name] = (tmp_path / each.path).read_text("utf-8")
        for step in record.steps:
            collect(step)

    collect(run.record)
    return found


# -- the walk


@pytest.mark.parametrize(
    ("cause", "found_at", "answers"),
    [
        ("coverage", 1, {"coverage_record": NO_COVERAGE}),
        ("coverage", 1, {"coverage_record": replace(NO_COVERAGE, validated=True)}),
        ("pin", 2, {"review_pin": PinReview(unit=UNIT, configured=True, matches=False)}),
        ("pin", 2, {"review_pin": PinReview(unit=UNIT, configured=False, matches=False)}),
        ("meter-power", 3, {"search_events": since("power-failure")}),
        ("meter-power", 3, {"search_events": since("registration", "Power Outage")}),
        ("pin", 4, {"provisioning": replace(STALLED, get_version="authentication failed")}),
        ("head-end-gateway", 5, {"section_four": section_four("gateway-down")}),
        ("not-registered", 5, {"section_four": section_four("I cannot find it", registered=False)}),
        ("internet", 6, {"connection_status": ConnectionStatus(internet=False)}),
        ("unknown", 7, {}),
        ("unknown", 7, {"search_events": since("power-failure", "registration")}),
    ],
)  # fmt: skip
def test_walk_finds_the_cause_at_its_place_and_asks_no_further(
    run: Steps, tmp_path: Path, cause: str, found_at: int, answers: dict[str, Any]
) -> None:
    """Every check up to the one that finds it, in the order of the table; the summary names both."""
    tms = head_end(**answers)
    found = troubleshoot(run, tms=as_tms(tms), unit=UNIT, job=JOB)
    assert (found.cause, found.found_at, found.checks_done) == (cause, found_at, found_at)
    asked = [method for method in tms.asked[1:] if method != "search_events" or found_at >= 3]
    assert asked == [check.method for check in ORDER[:found_at]]
    summary = attached(run, tmp_path)["diagnosis"]
    assert f"Cause: {cause}: {CAUSES[cause]}" in summary
    assert f"Found at check {found_at} of 7" in summary
    assert summary.count("not needed any more") == 7 - found_at


def test_walk_to_the_end_makes_every_check_and_keeps_the_first_cause(run: Steps) -> None:
    """For a report of everything: the cause stays the first that was found."""
    tms = head_end(review_pin=PinReview(unit=UNIT, configured=True, matches=False))
    found = troubleshoot(run, tms=as_tms(tms), unit=UNIT, job=JOB, to_the_end=True)
    assert (found.cause, found.found_at, found.checks_done) == ("pin", 2, 7)
    assert (found.ticket, found.attached_events, found.all_events_attached) == ("T-1", 2, True)
    assert found.section_four == "module-silent"


@pytest.mark.parametrize(
    "unanswered", [Refused("busy"), Refused("unavailable"), NotSeen("the screen is blank")]
)
def test_walk_goes_on_past_what_nobody_can_say(run: Steps, tmp_path: Path, unanswered: Exception) -> None:
    """A person who cannot see it, a head end that declines: a finding, and the next check is made."""
    tms = head_end(
        coverage_record=unanswered,
        search_events=unanswered,
        connection_status=ConnectionStatus(internet=False),
    )
    found = troubleshoot(run, tms=as_tms(tms), unit=UNIT, job=JOB)
    assert (found.cause, found.found_at, found.checks_done, found.unanswered) == ("internet", 6, 6, 2)
    assert attached(run, tmp_path)["finding of check 1"].startswith("not answered: ")


def test_walk_nobody_can_say_anything_ends_without_a_cause(run: Steps) -> None:
    """Then that is what the report says."""
    declined: dict[str, Any] = {check.method: Refused("unavailable") for check in ORDER}
    tms = head_end(**declined | {"provisioning": [STALLED, Refused("unavailable")]})
    found = troubleshoot(run, tms=as_tms(tms), unit=UNIT, job=JOB)
    assert (found.cause, found.found_at, found.checks_done, found.unanswered) == ("unknown", 0, 7, 7)
    assert found.sentence == f"cause: unknown ({CAUSES['unknown']})"


def test_walk_on_a_broken_wire_is_no_finding(run: Steps) -> None:
    """A connection that fails is the bench's error and ends the walk."""
    with pytest.raises(ReadTimeout):
        troubleshoot(run, tms=as_tms(head_end(review_pin=ReadTimeout("silent"))), unit=UNIT, job=JOB)


def test_walk_records_each_check_as_a_step_with_its_finding(run: Steps) -> None:
    """What QA reads: seven steps by name, each with what it found, at the time it was made."""
    with run.step("troubleshoot"):
        troubleshoot(run, tms=as_tms(head_end()), unit=UNIT, job=JOB)
    steps = run.record.steps[0].steps
    assert [step.title for step in steps] == [f"Check {c.number}: {c.title}" for c in ORDER]
    assert [step.checks[0].name for step in steps] == ["finding"] * 7
    assert steps[1].checks[0].actual == "the PIN is the unit's"


def test_walk_time_line_has_events_and_checks_in_order(run: Steps, tmp_path: Path) -> None:
    """A table to read, a page and a file; times since the request."""
    cast(Clock, run.clock).now_s = 1830.0
    troubleshoot(run, tms=as_tms(head_end()), unit=UNIT, job=JOB)
    found = attached(run, tmp_path)
    lines = found["time line"].splitlines()
    assert lines[1].split()[0] == "+0:00:00.000"
    assert lines[1].split()[-6:] == ["TMS", "provisioning-requested:", "P-000001,", "limit", "1800", "s"]
    assert lines[3].split()[0] == "+0:30:30.000"
    rows = list(csv.DictReader(io.StringIO(found["time line as a table"])))
    assert [row["who"] for row in rows] == ["TMS"] * 2 + ["check"] * 7
    assert float(rows[1]["since request s"]) == 11.0
    assert "<td>TMS</td>" in found["time line as a page"]


def test_time_line_hostile_texts_stay_texts(run: Steps, tmp_path: Path) -> None:
    """What a head end calls its events cannot write into the page, nor into other cells of the file."""
    nasty = '<script>alert(1)</script>, "quoted"\nnew line'
    attach_time_line(run, [Happening(at=BEGIN - timedelta(seconds=1.5), who="TMS", what=nasty)], BEGIN)
    found = attached(run, tmp_path)
    assert "<script>" not in found["time line as a page"]
    (row,) = csv.DictReader(io.StringIO(found["time line as a table"]))
    assert (row["what"], row["since request s"]) == (nasty, "-1.500")
    assert found["time line"].splitlines()[1].strip().startswith("-0:00:01.500")


# -- the time-out


def running(clock: Clock, limit_s: float, requested_s: float = 0.0) -> Any:
    """Return a script of a job that is over ``limit_s`` after its request, by its own clock and ours."""

    def look(_job: str) -> ProvisioningJob:
        elapsed_s = clock.now_s - requested_s
        over = elapsed_s >= limit_s
        return replace(
            STALLED,
            state="incomplete" if over else "running",
            elapsed_s=min(elapsed_s, limit_s),
            ended_at=BEGIN + timedelta(seconds=limit_s) if over else None,
        )

    return look


@pytest.mark.parametrize(("limit_s", "margin_s"), [(1800.0, 30.0), (20.0, 3.0)])
def test_stall_at_its_limit_is_measured(run: Steps, limit_s: float, margin_s: float) -> None:
    """Looked at just before and just after, whatever the limit is scaled to and whenever one comes."""
    clock = cast(Clock, run.clock)
    clock.now_s = 7.0
    tms = head_end(provisioning=running(clock, limit_s))
    found = await_stall(run, tms=as_tms(tms), job=JOB, limit=limit_s, before=margin_s, after=margin_s)
    assert (found.state, found.ran_out_after_s) == ("incomplete", limit_s)
    assert clock.now_s == limit_s + margin_s
    assert (found.attempts, found.others) == (1, 0)


@pytest.mark.parametrize("actual_s", [1700.0, 1797.0, 1803.0, 1900.0, 1e9])
def test_stall_early_or_late_is_noticed(run: Steps, actual_s: float) -> None:
    """Seconds off are as wrong as a limit that never comes."""
    tms = head_end(provisioning=running(cast(Clock, run.clock), actual_s))
    with pytest.raises(CheckFailed, match=r"SS-TRB-01: .*(state of the job|ran out after)"):
        await_stall(run, tms=as_tms(tms), job=JOB, limit=1800.0)


def test_stall_compares_what_had_been_sent(run: Steps) -> None:
    """Another transaction without a version, or another outcome, is told."""
    clock = cast(Clock, run.clock)
    sent = ("get-version: no response", "set-clock: no response", "get-version: no response")

    def look(job: str) -> ProvisioningJob:
        return replace(running(clock, 1800.0)(job), transactions=sent)

    stalled = await_stall(run, tms=as_tms(head_end(provisioning=look)), job=JOB, limit=1800.0)
    with run.step("compare"):
        check_stall(run, stalled=stalled, get_version="no response", others=1, attempts=2)
    for wrong in ({"others": 0}, {"get_version": "ok"}, {"attempts": 3}):
        with run.step("compare"), pytest.raises(CheckFailed):
            check_stall(run, **{"stalled": stalled, "get_version": "no response", "others": 1, **wrong})


# -- completion


def test_unexpected_stall_names_its_cause_in_the_failure(run: Steps) -> None:
    """Nobody expected it: the walk is made at once, and the message says what it came to."""
    tms = head_end(
        provisioning=running(cast(Clock, run.clock), 60.0),
        review_pin=PinReview(unit=UNIT, configured=True, matches=False),
    )
    with run.step("provision"), pytest.raises(CheckFailed) as failed:
        await_provisioned(run, tms=as_tms(tms), job=JOB, limit=60.0)
    assert "incomplete; cause: pin, found at check 2 of 7" in str(failed.value)


def test_job_that_never_ends_is_walked_too(run: Steps) -> None:
    """A head end that forgets its own limit does not hold up the plan."""
    tms = head_end(provisioning=replace(STALLED, state="running", ended_at=None, elapsed_s=0.0))
    with run.step("provision"), pytest.raises(CheckFailed, match="running; cause: unknown, found at check 7"):
        await_provisioned(run, tms=as_tms(tms), job=JOB, limit=60.0)


DONE = ProvisioningDone(
    job=JOB,
    took_s=10.0,
    first="get-version",
    version="4.12.0",
    transactions=("get-version: ok", "set-clock: ok"),
    version_event=True,
    version_after_s=2.5,
)


@pytest.mark.parametrize(
    ("done", "good"),
    [
        (DONE, True),
        (replace(DONE, first="set-clock"), False),
        (replace(DONE, version_event=False), False),
        (replace(DONE, version_after_s=61.0), False),
        (replace(DONE, transactions=("get-version: ok",)), False),
        (replace(DONE, transactions=("set-clock: ok", "get-version: ok")), False),
        (replace(DONE, transactions=("get-version: ok", "set-clock: no response", "set-clock: ok")), False),
    ],
)
def test_provisioning_is_compared_as_a_whole(run: Steps, done: ProvisioningDone, good: bool) -> None:
    """First transaction, version in time, every transaction once and in order."""
    with run.step("compare"):
        try:
            check_provisioning(
                run, done=done, first="get-version", version_limit=60.0, transactions="get-version, set-clock"
            )
            passed = True
        except CheckFailed:
            passed = False
    assert passed is good


def test_transaction_that_is_never_met_under_way_is_missing_evidence(run: Steps) -> None:
    """What was to be interrupted had gone by: neither a pass nor a failure."""
    tms = head_end(provisioning=replace(STALLED, state="complete"))
    with run.step("wait"), pytest.raises(Inconclusive, match="the job is complete"):
        await_transaction(run, tms=as_tms(tms), job=JOB, transaction="set-clock", limit=60.0)


@pytest.mark.parametrize(
    ("kinds", "good"),
    [
        (("provisioning-requested", "no-response"), True),
        (("no-response", "provisioning-requested"), False),
        (("provisioning-requested", "version"), False),
    ],
)
def test_events_are_compared_in_order(run: Steps, kinds: tuple[str, ...], good: bool) -> None:
    """All of them there, the first one first."""
    with run.step("compare"):
        try:
            assert check_events(run, tms=as_tms(head_end()), job=JOB, kinds=kinds).count == 2
            passed = True
        except CheckFailed:
            passed = False
    assert passed is good


@pytest.mark.parametrize(("before_s", "good"), [(60.0, False), (1.5, False), (0.9, True), (0.0, True)])
def test_events_older_than_the_request_are_noticed(run: Steps, before_s: float, good: bool) -> None:
    """A search that does not keep to its moment is wrong in the other direction; whole seconds are not."""
    tms = head_end(search_events=events(event(-before_s, "properties-saved"), REQUESTED))
    expected = nullcontext() if good else pytest.raises(CheckFailed, match="before the request")
    with run.step("compare"), expected:
        check_events(run, tms=as_tms(tms), job=JOB, kinds=("provisioning-requested",))


# -- states and places


class Meter:
    """Shows what the script says, one entry a look; the last one stays."""

    def __init__(self, *shown: Any, **fields: object) -> None:
        self._shown, self._fields = list(shown), fields

    def read_field(self, table: str, name: str) -> FieldRead:
        """Return the next state, or fail as scripted."""
        value = self._shown.pop(0) if len(self._shown) > 1 else self._shown[0]
        if isinstance(value, Exception):
            raise value
        return FieldRead(table=table, field=name, value=value)

    def read_table(self, table: str) -> TableRead:
        """Return the table."""
        return TableRead(table=table, octets="", count=0, fields=self._fields)


def as_meter(meter: Meter) -> AnsiMeter:
    return cast(AnsiMeter, meter)


def test_states_are_seen_once_each_in_their_order(run: Steps, tmp_path: Path) -> None:
    """Repeated looks at one state are one entry; a meter still starting is asked again."""
    meter = Meter(ReadTimeout("starting"), 2, 3, 3, 4, 5)
    seen = watch_states(run, meter=as_meter(meter), until=5, limit=60.0, poll=1.0)
    assert (seen.states, seen.reached, seen.took_s) == ((2, 3, 4, 5), True, 5.0)
    rows = list(csv.reader(io.StringIO(attached(run, tmp_path)["states of the module"])))
    assert rows[3] == ["4.0", "04", "configured, registering"]
    with run.step("compare"):
        check_states(run, seen=seen, expected=(3, 4, 5))


def test_states_meter_that_never_answers_is_the_wires_error(run: Steps) -> None:
    """Nobody judges a module he has not seen."""
    with pytest.raises(ReadTimeout):
        watch_states(run, meter=as_meter(Meter(ReadTimeout("dead"))), until=5, limit=10.0)


def test_states_code_that_is_no_number_is_the_benchs_error(run: Steps) -> None:
    """A profile that points at the wrong field."""
    with pytest.raises(BenchError, match="not a state code"):
        watch_states(run, meter=as_meter(Meter("AA")), until=5, limit=10.0)


def states(*shown: int) -> StatesSeen:
    return StatesSeen(
        states=shown,
        words=tuple(map(str, shown)),
        at=tuple(BEGIN + timedelta(seconds=number) for number in range(len(shown))),
        reached=True,
        took_s=1.0,
    )


@pytest.mark.parametrize(
    ("shown", "good"),
    [((3, 4, 5), True), ((2, 3, 4, 5), True), ((4, 5), False), ((3, 5), False), ((3, 4), False),
     ((3, 4, 3, 4, 5), False), ((3, 4, 5, 4, 5), False), ((2,), False), ((3, 4, 5, 6), False)],
)  # fmt: skip
def test_states_are_compared_as_a_whole(run: Steps, shown: tuple[int, ...], good: bool) -> None:
    """None left out, none twice, none too many; what came before the start does not count."""
    with run.step("compare"):
        try:
            check_states(run, seen=states(*shown), expected=(3, 4, 5))
            passed = True
        except CheckFailed:
            passed = False
    assert passed is good


class Source:
    """Can be switched on."""

    def switch_on(self) -> None:
        """Switch on."""


def test_unit_that_does_not_get_placed_fails_and_says_what_is_seen(run: Steps) -> None:
    """State, error, coverage and signal at the meter; what the head end knows of it."""
    meter = Meter(4, ERROR_CODE=31, COVERAGE=0, RSSI=99)
    tms = head_end(unit_entry=UnitEntry(unit=UNIT, known=False))
    with run.step("place"), pytest.raises(CheckFailed) as failed:
        place_unit(
            run, source=cast(Any, Source()), meter=as_meter(meter), tms=as_tms(tms), unit=UNIT, limit=30.0
        )
    said = str(failed.value)
    assert "04 configured, registering, error 31 registration failed, no coverage, RSSI 99" in said
    assert "at the head end: not in the Master List" in said


@pytest.mark.parametrize(
    ("state", "status", "fresh"),
    [(5, "registered", True), (5, "incomplete", True), (6, "registered", False), (5, "provisioned", False)],
)
def test_unit_provisioned_before_is_skipped_by_what_meter_or_head_end_says(
    run: Steps, state: int, status: str, fresh: bool
) -> None:
    """The module remembers what the head end was made to forget, and the other way round."""
    tms = head_end(unit_entry=UnitEntry(unit=UNIT, known=True, status=status))
    expected = nullcontext() if fresh else pytest.raises(NotPermitted, match="been provisioned before")
    with expected:
        needs_unprovisioned_unit(run, meter=as_meter(Meter(state)), tms=as_tms(tms), unit=UNIT)


class Register:
    """A meter whose register stands at 1234567 Wh."""

    def read_register(self, name: str) -> RegisterReading:
        """Return it."""
        return RegisterReading(name=name, value=Decimal(1234567), unit="Wh")


@pytest.mark.parametrize(
    ("value", "unit_of_value", "difference_wh"),
    [
        ("1234.567", "kWh", 0),
        ("1234567", "Wh", 0),
        ("1234.467", "kWh", -100),
        ("1234567", "", None),  # a number that happens to be right is not a quantity
        ("1.234567", "MWh", None),
    ],
)
def test_data_are_compared_with_their_unit(
    run: Steps, value: str, unit_of_value: str, difference_wh: int | None
) -> None:
    """The same quantity in either unit is the same; one without a unit of energy is a failed check."""
    data = DataCollected(
        unit=UNIT,
        readings=1,
        interpreted=True,
        register="energy_import",
        value=Decimal(value),
        unit_of_value=unit_of_value,
    )
    tms, meter = as_tms(head_end(collect_data=data)), cast(AnsiMeter, Register())
    refused = difference_wh is None
    expected = pytest.raises(CheckFailed, match="unit of the value") if refused else nullcontext()
    with run.step("compare"), expected:
        assert compare_data(run, tms=tms, meter=meter, unit=UNIT).difference_wh == difference_wh


def configuration(**changed: Any) -> ConfigurationServer:
    record = ConfigurationRecord(
        unit=UNIT,
        auto_configurations=1,
        parameters_written=4,
        parameters_expected=4,
        confirmed=True,
        first_message_at=BEGIN + timedelta(seconds=1),
        written_at=BEGIN + timedelta(seconds=3),
        confirmed_at=BEGIN + timedelta(seconds=7),
    )
    return cast(ConfigurationServer, HeadEnd({"configuration_record": replace(record, **changed)}))


@pytest.mark.parametrize(
    ("changed", "registered_s", "good"),
    [
        ({}, 5.0, True),
        ({}, 2.0, True),  # two clocks that are a second apart
        ({}, 0.5, False),
        ({"confirmed_at": BEGIN + timedelta(seconds=2)}, 5.0, False),
        ({"confirmed_at": None}, 5.0, False),
        ({"written_at": BEGIN - timedelta(seconds=30)}, 5.0, False),
    ],
)
def test_story_of_meter_and_servers_is_in_order(
    run: Steps, tmp_path: Path, changed: dict[str, Any], registered_s: float, good: bool
) -> None:
    """No effect before its cause, by clocks that are a little apart; one time line for all three."""
    tms = head_end(search_events=events(event(registered_s, "registration", "unit added")))
    with run.step("compare"):
        try:
            check_story(
                run, seen=states(3, 4, 5), configuration=configuration(**changed), tms=as_tms(tms), unit=UNIT
            )
            passed = True
        except CheckFailed:
            passed = False
    assert passed is good
    line = attached(run, tmp_path)["time line"]
    assert all(who in line for who in ("TMS", "configuration", "meter"))
