"""Every SS behaviour the rig models: intact it is obeyed, broken it is seen, the others stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters.errors import Refused
from tests.virtual_rig.smartsynch_world import (
    PARAMETERS,
    PIN,
    TRANSACTIONS,
    UNIT,
    WRONG_PIN,
    Stage,
    names,
)
from virtual_rig.world import modelled_behaviours

Probe = Callable[[Stage], bool]
PROBES: dict[str, Probe] = {}


def probe(behaviour: str) -> Callable[[Probe], Probe]:
    def keep(function: Probe) -> Probe:
        PROBES[behaviour] = function
        return function

    return keep


def refused(action: Callable[[], object], reason: str) -> bool:
    try:
        action()
    except Refused as declined:
        return declined.reason == reason
    return False


@probe("SS-PROV-02")
def energised_it_is_pre_configured(stage: Stage) -> bool:
    return int(stage.open("configuration").energise(9).module.state) == 3


@probe("SS-PROV-03")
def it_asks_for_its_configuration_by_itself(stage: Stage) -> bool:
    return stage.energise().record.auto_configurations == 1


@probe("SS-PROV-04")
def the_parameters_survive_a_power_cut(stage: Stage) -> bool:
    stage.placed()
    before = stage.record.auto_configurations
    stage.cut()
    return stage.module.memory.parameters.keys() == set(PARAMETERS) and (
        stage.record.auto_configurations == before and stage.record.written == len(PARAMETERS)
    )


@probe("SS-PROV-05")
def configured_it_registers_at_once(stage: Stage) -> bool:
    stage.energise()
    if not stage.record.written:
        stage.cut()
    registered = [event for event in stage.tms.events.since(UNIT, None) if event.kind == "registration"]
    assert stage.record.written_at is not None
    return bool(registered) and (registered[0].at - stage.record.written_at).total_seconds() < 5


@probe("SS-PROV-06")
def registered_it_confirms(stage: Stage) -> bool:
    return stage.placed().wait(60).record.confirmed


@probe("SS-PROV-07")
def without_tms_there_is_no_confirmation(stage: Stage) -> bool:
    stage.open("tms").energise().cut().wait(7200)
    silent = not stage.record.confirmed and stage.tms.units.find(UNIT) is None
    return silent and 5 not in stage.states


@probe("SS-PROV-08")
def it_is_added_to_the_group_and_then_updated_there(stage: Stage) -> bool:
    stage.placed()
    before = stage.entry.registrations
    stage.cut(seconds=7200)
    group = stage.entry.group == "Registration Group"
    return group and stage.entry.registrations == before + 1 and stage.tms.units.count(UNIT) == 1


@probe("SS-PROV-09")
def registered_it_shows_placed(stage: Stage) -> bool:
    return int(stage.placed().wait(60).module.state) == 5


@probe("SS-PROV-10")
def only_a_placed_unit_is_provisioned(stage: Stage) -> bool:
    early = refused(stage.request, "not-placed")
    events = [event.kind for event in stage.tms.events.since(UNIT, None)]
    return early and events == ["properties-saved"] and stage.placed().request().state == "running"


@probe("SS-PROV-11")
def only_a_provisioned_unit_delivers_data(stage: Stage) -> bool:
    early = refused(lambda: stage.placed().wait(7200).tms.data(UNIT), "not-provisioned")
    stage.request()
    stage.wait(120)
    return early and [reading.raw for reading in stage.entry.readings] == [stage.wh]


@probe("SS-PROV-12")
def no_state_is_left_out(stage: Stage) -> bool:
    stage.placed().request()
    stage.wait(120)
    return 4 in stage.states and stage.states == sorted(stage.states)


@probe("SS-PROV-13")
def data_are_interpreted_after_whole_provisioning_only(stage: Stage) -> bool:
    stage.placed().request()
    stage.wait(120)
    whole = stage.tms.data(UNIT)[1] is not None
    again = stage.request(limit_s=60)
    stage.wait(4).open("antenna").wait(120).close("antenna").wait(1000)
    partial, entry = stage.tms.data(UNIT)[1], stage.entry
    return whole and again.state == "incomplete" and partial is None and len(entry.readings) > 1


@probe("SS-PROV-14")
def the_limit_counts_from_the_request(stage: Stage) -> bool:
    job = stage.placed().open("antenna").request(limit_s=1800)
    before = stage.wait(1799).tms.job(job.job).state
    return before == "running" and stage.wait(2).tms.job(job.job).state == "incomplete"


@probe("SS-PROV-15")
def get_version_goes_first(stage: Stage) -> bool:
    job = stage.placed().request()
    stage.wait(120)
    return names(job)[0] == "get-version"


@probe("SS-PROV-16")
def the_version_comes_soon_and_is_told(stage: Stage) -> bool:
    job = stage.placed().request()
    stage.wait(60)
    return job.version == "4.12.0" and job.get_version == "ok"


@probe("SS-PROV-17")
def the_other_transactions_follow(stage: Stage) -> bool:
    job = stage.placed().request()
    stage.wait(120)
    return sorted(names(job)) == sorted(TRANSACTIONS) and job.state == "complete"


@probe("SS-PROV-18")
def without_a_version_nothing_follows(stage: Stage) -> bool:
    job = stage.placed().open("antenna").request()
    stage.wait(1900)
    sent = names(job)
    after = sent[sent.index("get-version") :] if "get-version" in sent else []
    return job.state != "complete" and set(after) <= {"get-version"}


@probe("SS-TRB-01")
def the_coverage_record_tells_how_it_is_now(stage: Stage) -> bool:
    stage.placed()
    good = stage.tms.coverage(UNIT)
    bad = stage.open("antenna").wait(10).tms.coverage(UNIT)
    again = stage.close("antenna").wait(10).tms.coverage(UNIT)
    return good.sufficient and not bad.sufficient and again.sufficient and bad.at > good.at


@probe("SS-TRB-02")
def the_pin_page_compares(stage: Stage) -> bool:
    none = stage.tms.review_pin(UNIT, PIN)
    stage.tms.save_pin(UNIT, WRONG_PIN)
    wrong = stage.tms.review_pin(UNIT, PIN)
    stage.tms.save_pin(UNIT, PIN)
    return (none, wrong, stage.tms.review_pin(UNIT, PIN)) == ((False, False), (True, False), (True, True))


@probe("SS-TRB-03")
def the_search_finds_what_came_since_the_request(stage: Stage) -> bool:
    job = stage.placed().request()
    stage.wait(60)
    found = stage.kinds(job)
    return found[:2] == ["provisioning-requested", "transaction-sent"] and found == [
        event.kind for event in stage.tms.events.since(UNIT, job.requested_at)
    ]


@probe("SS-TRB-04")
def a_wrong_pin_fails_get_version(stage: Stage) -> bool:
    job = stage.placed().request(pin=WRONG_PIN)
    stage.wait(300)
    refusals = [sent.outcome for sent in job.transactions]
    return job.state == "running" and refusals == ["authentication failed"]


@probe("SS-TRB-05")
def section_four_asks_the_module(stage: Stage) -> bool:
    stage.placed()
    there = stage.section_four()
    stage.open("tms")
    gateway = stage.section_four()
    stage.close("tms").open("antenna")
    gone = stage.section_four()
    return [(check.module_reachable, check.finding) for check in (there, gateway, gone)] == [
        (True, "nothing-found"),
        (False, "gateway-down"),
        (False, "module-silent"),
    ]


@probe("SS-TRB-06")
def the_connection_check_looks_at_the_internet(stage: Stage) -> bool:
    return stage.tms.internet() and not stage.open("internet").tms.internet()


@probe("SS-TRB-07")
def a_ticket_carries_the_events_of_its_job(stage: Stage) -> bool:
    job = stage.placed().request()
    stage.wait(60)
    since = stage.tms.events.since(UNIT, job.requested_at)
    return stage.tms.open_ticket(UNIT, job.job).events == len(since) > 1


def obeyed(behaviour: str, broken: str = "", seed: int = 1) -> bool:
    return PROBES[behaviour](Stage(broken, seed=seed))


def test_behaviours_modelled_are_exactly_those_probed() -> None:
    """Nobody can add an SS behaviour to the rig without a probe here, or the other way round."""
    assert {name for name in modelled_behaviours() if name.startswith("SS-")} == PROBES.keys()


@pytest.mark.parametrize("behaviour", sorted(PROBES))
def test_behaviour_intact_is_obeyed(behaviour: str) -> None:
    """A healthy world passes every probe, whatever its seed."""
    assert [obeyed(behaviour, seed=seed) for seed in range(1, 6)] == [True] * 5


@pytest.mark.parametrize("behaviour", sorted(PROBES))
def test_behaviour_broken_is_seen(behaviour: str) -> None:
    """With one behaviour broken that behaviour's probe fails, and nothing raises."""
    assert not obeyed(behaviour, broken=behaviour)


@pytest.mark.parametrize("broken", sorted(PROBES))
def test_behaviour_broken_leaves_the_others_intact(broken: str) -> None:
    """Each behaviour has its own way of being wrong: no other probe notices."""
    noticed = set()
    for behaviour in PROBES.keys() - {broken}:
        try:
            good = obeyed(behaviour, broken=broken)
        except (AssertionError, Refused):
            good = False
        if not good:
            noticed.add(behaviour)
    assert noticed == set()
