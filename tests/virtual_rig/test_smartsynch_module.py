"""The module in the meter: what it does when energised, when cut off, and when nobody answers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.virtual_rig.smartsynch_world import PARAMETERS, PIN, UNIT, Stage
from virtual_rig.smartsynch.module_state import ModuleError, ModuleState


def test_module_without_supply_does_nothing() -> None:
    """A meter that is not in its socket says nothing to anybody."""
    stage = Stage().wait(3600)
    assert stage.record.auto_configurations == 0
    assert stage.module.state is ModuleState.READY
    assert not stage.module.on_the_air


def test_module_energised_goes_through_all_states_in_order() -> None:
    """Pre-Configured, registering, Placed, and provisioned only when TMS has done its part."""
    stage = Stage()
    stage.energise(120)
    assert stage.states == [3, 4, 5]
    stage.request()
    stage.wait(60)
    assert stage.states == [3, 4, 5, 6]


def test_module_happy_path_takes_about_half_a_minute() -> None:
    """The shipped latencies also suit a run on the wall clock."""
    stage = Stage()
    job = stage.energise(30).request()
    stage.wait(60)
    placed_s = next(change.at_s for change in stage.module.history if change.state is ModuleState.PLACED)
    assert job.ended_s is not None
    assert 10 < placed_s + (job.ended_s - job.requested_s) < 60


def test_module_unanswered_asks_again_after_ever_longer_pauses() -> None:
    """Nobody is there to configure it: it goes on asking, shows an error, and is configured at last."""
    stage = Stage().open("configuration").energise(600)
    assert stage.module.error is ModuleError.CONFIGURATION_FAILED
    assert stage.states == [3]
    stage.close("configuration").wait(900)
    assert (stage.module.error, stage.states) == (ModuleError.NONE, [3, 4, 5])


def test_module_without_tms_is_registered_once_tms_is_back() -> None:
    """It stays where it is, says so, and goes on by itself."""
    stage = Stage().open("tms").energise(600)
    assert (stage.module.error, stage.states) == (ModuleError.REGISTRATION_FAILED, [3, 4])
    stage.close("tms").wait(900)
    assert (stage.module.error, stage.states) == (ModuleError.NONE, [3, 4, 5])


def test_module_cut_while_parameters_are_written_starts_configuration_again() -> None:
    """A memory with some of its parameters is no configuration."""
    stage = Stage().energise(0)
    while len(stage.module.memory.parameters) < 2:
        stage.wait(0.05)
    stage.cut(seconds=60)
    assert stage.record.auto_configurations == 2
    assert stage.states == [3, 4, 5]
    assert tuple(stage.module.memory.parameters) == PARAMETERS


def test_module_cut_while_registering_resumes_there() -> None:
    """Its parameters are kept: it registers, and is not configured a second time."""
    stage = Stage().open("tms").energise(30)
    stage.close("tms").cut(seconds=60)
    assert (stage.record.auto_configurations, stage.states) == (1, [3, 4, 5])


def test_module_cut_after_provisioning_delivers_without_being_provisioned_again() -> None:
    """State, schedule and the right to deliver live in the non-volatile memory."""
    stage = Stage()
    stage.provisioned()
    delivered = len(stage.entry.readings)
    stage.wh += 1000
    stage.cut(seconds=60)
    assert stage.module.state is ModuleState.PROVISIONED
    assert [reading.raw for reading in stage.entry.readings[delivered:]] == [stage.wh]
    assert (stage.entry.status, stage.entry.registrations) == ("provisioned", 2)


def test_module_cut_in_the_middle_of_provisioning_completes_within_the_limit() -> None:
    """TMS sends what was not answered as soon as the unit is back, and nothing twice that was."""
    stage = Stage()
    job = stage.placed().request()
    stage.wait(4).cut(off_s=120, seconds=120)
    assert job.state == "complete"
    done = [sent.name for sent in job.transactions if sent.outcome == "ok"]
    assert len(done) == len(set(done)) == 5
    assert stage.states == [3, 4, 5, 6]


def test_module_losing_its_supply_says_so_once() -> None:
    """The last gasp of a registered module is an event of its unit."""
    stage = Stage().placed()
    stage.supply.switch(False)
    stage.wait(10)
    kinds = [event.kind for event in stage.tms.events.since(UNIT, None)]
    assert kinds.count("power-failure") == 1


def test_module_out_of_coverage_hears_nothing() -> None:
    """Its modem reports 99, the carrier's scale its lowest end."""
    stage = Stage().placed()
    assert (stage.module.on_the_air, stage.module.rssi) == (True, 17)
    stage.open("antenna")
    assert (stage.module.on_the_air, stage.module.rssi) == (False, 99)


def test_module_restored_to_factory_state_begins_anew_when_energised_anew() -> None:
    """What the customer had put in is gone, and Master List and server see a unit that starts again."""
    stage = Stage()
    stage.provisioned()
    stage.module.restore_factory_state()
    stage.wait(60)
    assert (stage.module.state, stage.module.configured) == (ModuleState.READY, False)
    seen = len(stage.states)
    stage.cut(seconds=60)
    assert stage.states[seen:] == [3, 4, 5]
    assert (stage.entry.status, stage.entry.readings) == ("registered", [])


def test_module_delivers_on_the_schedule_it_was_given() -> None:
    """One reading at once, then one every fifteen minutes."""
    stage = Stage()
    stage.provisioned()
    stage.wait(3600)
    times = [reading.at for reading in stage.entry.readings]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    assert len(times) == 5
    assert all(abs(gap - 900) < 2 for gap in gaps)


def test_module_answers_tms_with_the_right_pin_only() -> None:
    """A refused transaction changes nothing in the module."""
    stage = Stage().placed()
    job = stage.request(pin="99999999")
    stage.wait(60)
    assert (job.get_version, stage.module.memory.settings) == ("authentication failed", {})
    assert PIN not in repr(stage.tms.events.since(UNIT, None)) + repr(job)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["power", "antenna", "tms", "internet", "configuration"]),
            st.floats(min_value=0.1, max_value=40),
        ),
        max_size=12,
    ),
    st.integers(min_value=0, max_value=9),
)
def test_module_whatever_is_cut_and_when_ends_up_placed_and_provisioned(
    cuts: list[tuple[str, float]], seed: int
) -> None:
    """Cuts of supply and paths at any time lose nothing for good, and no state is left out on the way."""
    stage = Stage(seed=seed, loss=0.05).energise(0)
    for what, seconds in cuts:
        if what == "power":
            stage.cut(off_s=seconds, seconds=seconds)
        else:
            stage.open(what).wait(seconds).close(what).wait(seconds / 2)
    stage.wait(3600)
    assert [state for state in dict.fromkeys(stage.states) if state <= 5] == [3, 4, 5]
    assert stage.record.confirmed
    job = stage.request(limit_s=3600)
    stage.wait(3600)
    assert (job.state, stage.entry.status, stage.tms.units.count(UNIT)) == ("complete", "provisioned", 1)
