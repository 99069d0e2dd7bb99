"""TMS and the configuration server, from the operator's side: what is refused, and what is shown."""

from __future__ import annotations

import pytest

from adapters.errors import Refused
from tests.virtual_rig.smartsynch_world import PIN, TRANSACTIONS, UNIT, WRONG_PIN, Stage, names
from virtual_rig.smartsynch.events import Event
from virtual_rig.smartsynch.messages import TransactionAnswer

OTHER = "20990001"


def test_tms_provisioning_reports_every_transaction_in_order() -> None:
    """Five transactions, Get Version first, each answered, each an event."""
    stage = Stage()
    job = stage.provisioned()
    assert names(job) == TRANSACTIONS
    assert {sent.outcome for sent in job.transactions} == {"ok"}
    assert stage.kinds(job) == [
        "provisioning-requested",
        *["transaction-sent", "version"],
        *["transaction-sent", "transaction-response"] * 4,
        "provisioning-complete",
        "meter-data",
    ]


def test_tms_interprets_data_of_a_provisioned_unit() -> None:
    """What the meter counted, and how to read it."""
    stage = Stage()
    stage.provisioned()
    entry, attributes = stage.tms.data(UNIT)
    assert attributes is not None
    assert entry.readings[-1].raw == stage.wh
    assert (attributes.register, attributes.unit, attributes.scaler) == ("energy_import", "kWh", -3)


def test_tms_refuses_in_one_word_and_leaves_no_trace() -> None:
    """Unknown, not placed, without properties, busy: and no job, no event, no change of status."""
    stage = Stage()

    def reason(unit: str) -> str:
        with pytest.raises(Refused) as declined:
            stage.tms.provision(unit)
        return declined.value.reason

    assert reason(UNIT) == "unknown-unit"
    stage.tms.save_pin(UNIT, PIN)
    assert reason(UNIT) == "not-placed"
    stage.tms.remove(UNIT)
    stage.placed()
    assert reason(UNIT) == "no-properties"
    before = stage.tms.events.since(UNIT, None)
    assert (stage.entry.status, reason(OTHER)) == ("registered", "unknown-unit")
    assert stage.tms.events.since(UNIT, None) == before
    stage.request()
    assert reason(UNIT) == "busy"


@pytest.mark.parametrize("limit_s", [20.0, 60.0, 1800.0])
def test_tms_limit_is_the_one_of_the_request(limit_s: float) -> None:
    """To the very moment, whatever is under way then; what was not answered by then is called so."""
    stage = Stage().placed().open("tms")
    job = stage.request(limit_s=limit_s)
    stage.wait(limit_s - 0.001)
    assert job.state == "running"
    stage.wait(0.002)
    assert (job.state, job.get_version) == ("incomplete", "no response")
    assert stage.tms.elapsed_s(job) == pytest.approx(limit_s)
    stage.close("tms").wait(3600)
    assert (job.state, stage.tms.elapsed_s(job)) == ("incomplete", pytest.approx(limit_s))
    assert stage.entry.status == "incomplete"


def test_tms_repeats_what_is_not_answered_after_ever_longer_pauses() -> None:
    """Six attempts in half an hour do not flood a network that is down."""
    stage = Stage().placed().open("antenna")
    job = stage.request()
    stage.wait(1801)
    assert names(job) == ["get-version"] * 6


def test_tms_late_and_foreign_answers_change_nothing() -> None:
    """An answer counts for the transaction that waits for it, once."""
    stage = Stage().placed()
    job = stage.request()
    stage.wait(0.3)
    waiting = job.transactions[-1]
    for number in (waiting.number + 1, waiting.number - 1):
        stage.network.up("tms", TransactionAnswer(unit=UNIT, number=number, outcome="ok"))
    stage.network.up("tms", TransactionAnswer(unit=OTHER, number=waiting.number, outcome="ok"))
    stage.wait(1.9)
    assert names(job) == ["get-version"]
    stage.wait(60)
    assert names(job) == TRANSACTIONS


def test_tms_wrong_pin_is_not_tried_again_and_a_corrected_one_does_not_help_the_job() -> None:
    """The job runs out of its time; the next one, with the right PIN, completes."""
    stage = Stage().placed()
    job = stage.request(pin=WRONG_PIN)
    stage.wait(60)
    stage.tms.save_pin(UNIT, PIN)
    stage.wait(1800)
    assert (job.state, job.get_version, len(job.transactions)) == ("incomplete", "authentication failed", 1)
    assert stage.tms.review_pin(UNIT, PIN) == (True, True)
    again = stage.request()
    stage.wait(60)
    assert again.state == "complete"


@pytest.mark.parametrize(
    ("path", "coverage", "internet", "finding"),
    [
        ("", True, True, "nothing-found"),
        ("antenna", False, True, "module-silent"),
        ("tms", True, True, "gateway-down"),
        ("internet", True, False, "module-silent"),
    ],
)
def test_tms_each_path_leaves_evidence_of_its_own(
    path: str, coverage: bool, internet: bool, finding: str
) -> None:
    """No two causes look the same from the operator's screen, which answers in every case."""
    stage = Stage().placed()
    if path:
        stage.open(path)
    seen = (stage.tms.coverage(UNIT).sufficient, stage.tms.internet(), stage.section_four().finding)
    assert seen == (coverage, internet, finding)


def test_tms_coverage_record_without_the_internet_is_the_last_one() -> None:
    """The carrier cannot be asked: the record keeps its date, so that its age can be seen."""
    stage = Stage().placed()
    fresh = stage.tms.coverage(UNIT)
    stage.open("internet").open("antenna").wait(600)
    assert stage.tms.coverage(UNIT) == fresh


def test_tms_section_four_of_a_stranger_says_that_he_is_one() -> None:
    """What is not in the Master List is not called."""
    check = Stage().section_four()
    assert (check.registered, check.module_reachable, check.finding) == (False, False, "not-registered")


def test_tms_removed_unit_is_added_when_it_registers_again() -> None:
    """Taking a unit off the list is how a lab begins anew; not while it is being provisioned."""
    stage = Stage()
    stage.provisioned()
    stage.request()
    with pytest.raises(Refused, match="busy"):
        stage.tms.remove(UNIT)
    stage.wait(60)
    stage.tms.remove(UNIT)
    with pytest.raises(Refused, match="unknown-unit"):
        stage.tms.entry(UNIT)
    stage.cut()
    assert (stage.entry.registrations, stage.entry.group) == (1, "Registration Group")


def test_tms_unknown_jobs_checks_and_tickets_are_refused() -> None:
    """A number that is none is told as one; so is a job of another unit."""
    stage = Stage()
    job = stage.provisioned()
    for ask in (
        lambda: stage.tms.job("P-9"),
        lambda: stage.tms.section_four("S4-9"),
        lambda: stage.tms.open_ticket(UNIT, "P-9"),
        lambda: stage.tms.open_ticket(OTHER, job.job),
    ):
        with pytest.raises(Refused, match="unknown"):
            ask()


def test_tms_events_are_searched_by_unit_and_moment() -> None:
    """Oldest first, the moment itself included, of nobody else."""
    stage = Stage().placed()
    job = stage.request()
    stage.wait(60)
    found: tuple[Event, ...] = stage.tms.search_events(UNIT, job.requested_at)
    assert [event.at for event in found] == sorted(event.at for event in found)
    assert found[0].at == job.requested_at
    assert stage.tms.search_events(OTHER, None) == ()
    assert len(stage.tms.search_events(UNIT, None)) > len(found)


def test_configuration_server_tells_names_and_counts_and_no_parameter() -> None:
    """Its log and its record never show what it writes, the PIN least of all."""
    stage = Stage().placed()
    shown = repr(stage.configuration.log) + repr(stage.record)
    assert (stage.record.written, stage.record.expected) == (4, 4)
    assert PIN not in shown
    assert "the apn" not in shown


def test_configuration_server_ignores_strangers() -> None:
    """A unit of another customer gets nothing, and is told of in the log."""
    stage = Stage()
    with pytest.raises(Refused, match="unknown-unit"):
        stage.configuration.record(OTHER)
    stage.configuration.enrol(OTHER, {"apn": "x"})
    assert (
        stage.configuration.record(OTHER).auto_configurations,
        stage.configuration.record(OTHER).expected,
    ) == (0, 1)
