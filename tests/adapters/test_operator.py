"""A person in place of an adapter: every method of every role can be answered, refused and declined."""

from __future__ import annotations

import signal
import typing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import FrameType
from typing import Any, Literal, get_args, get_origin

import pytest

from adapters.clock import WallClock
from adapters.devices.operator import Operator
from adapters.devices.operator.shape import fields_of, is_record, methods_of, plain
from adapters.errors import BenchError, LinkLost, NotPermitted, NotSeen, ReadTimeout, Refused
from adapters.profiles.operator_model import load_operator_profile, shipped_operator_profiles
from adapters.roles import (
    CommandOutcome,
    EventsFound,
    Identity,
    PathState,
    PinReview,
    PropertiesSaved,
    ProvisioningJob,
    UnitEntry,
)
from tests.adapters.operator_person import LEAVES, UNIT, Person, Script, context, willing

ROLES = shipped_operator_profiles()
METHODS = [(role, name) for role in ROLES for name in methods_of(role)]
PIN = b"47110815"


def operator(role: str, person: Person, **options: Any) -> Any:
    """Return the operator of a role with the person at his terminal."""
    return Operator.serving(role)(context(person, **options))


def sample(annotation: Any) -> object:
    """Return an argument of a type."""
    kind, _ = plain(annotation)
    if get_origin(kind) is Literal:
        return next(entry for entry in get_args(kind) if entry)
    if get_origin(kind) is tuple:
        return (sample(get_args(kind)[0]),)
    return {str: UNIT, int: 2, float: 90.0, Decimal: Decimal("230"), datetime: WallClock().utc_now()}[kind]


def arguments(role: str, name: str) -> dict[str, object]:
    """Return an argument for every parameter of a method."""
    parameters = methods_of(role)[name].signature.parameters
    hints = typing.get_type_hints(getattr(_protocol(role), name))
    return {parameter: sample(hints[parameter]) for parameter in parameters}


def _protocol(role: str) -> type:
    from adapters.devices.operator.shape import protocol_of

    return protocol_of(role)


# -- every method of every role


@pytest.mark.parametrize("role, name", METHODS)
def test_operator_method_answered_gives_the_result_of_its_type(role: str, name: str) -> None:
    """Whatever the role promises comes of a few answers, with the arguments of the call in their fields."""
    given = arguments(role, name)
    with willing() as person:
        result = getattr(operator(role, person), name)(**given)
    expected, _ = plain(methods_of(role)[name].result)
    if is_record(expected):
        assert isinstance(result, expected)
        for each in fields_of(expected):
            value = getattr(result, each.name)
            if each.name in given:
                assert given[each.name] == value
    elif expected is type(None):
        assert result is None
    else:
        assert get_origin(expected) is type(result)
    assert person.prompts, "nobody was asked anything"


@pytest.mark.parametrize("role, name", METHODS)
def test_operator_method_refused_by_the_system_is_refused_for_a_reason_of_the_role(
    role: str, name: str
) -> None:
    """``s`` at the first question: the first reason of the role, and what the screen says about it."""
    unit = [UNIT] if _confirms(role, name) else []
    with willing(*unit, "s", "1", "Error 17") as person, pytest.raises(Refused) as refused:
        getattr(operator(role, person), name)(**arguments(role, name))
    assert next(iter(load_operator_profile(role).refusals)) == refused.value.reason
    assert "Error 17" in refused.value.detail


@pytest.mark.parametrize("role, name", METHODS)
def test_operator_method_declined_is_not_permitted(role: str, name: str) -> None:
    """``x`` at the first question: it cannot be done here, and the report says why."""
    with willing("x", "the licence has run out") as person, pytest.raises(NotPermitted) as declined:
        getattr(operator(role, person), name)(**arguments(role, name))
    assert "the licence has run out" in str(declined.value)


def _confirms(role: str, name: str) -> bool:
    task = load_operator_profile(role).tasks[name]
    return bool(task.confirm)


# -- what is asked


def test_operator_unit_entry_not_in_the_list_asks_nothing_more() -> None:
    """Where the unit is not known there is nothing to read off."""
    with Person(Script("no")) as person:
        entry = operator("provisioning_head_end", person).unit_entry(UNIT)
    assert entry == UnitEntry(unit=UNIT, known=False)
    assert len(person.prompts) == 1


def test_operator_prompt_shows_menu_path_case_step_and_unit() -> None:
    """Short, what to do, where, which case and step this is: all of it on one screen."""
    where = ["Case 2 of 6: PROV-02  Provisioned\nStep 3 of 7: look it up"]
    with Person(Script("no")) as person:
        operator("provisioning_head_end", person, where=where).unit_entry(UNIT)
    assert "tms: unit entry" in person.screen
    assert "Where: Master List > Registration Group" in person.screen
    assert "Case 2 of 6: PROV-02" in person.screen
    assert "Step 3 of 7: look it up" in person.screen
    assert f"Look for unit {UNIT}" in person.screen
    assert len(person.screen.splitlines()) < 15


def test_operator_menu_path_that_is_assumed_says_so() -> None:
    """Nobody searches for a menu that we made up."""
    with willing() as person:
        operator("provisioning_head_end", person).provision(unit=UNIT)
    assert "(assumed, your version may differ)" in person.read
    assert "It has 30 min to complete" in person.screen


def test_operator_events_are_lines_of_time_kind_and_text() -> None:
    """One line an event; the text may hold the separator; count and kinds come of themselves."""
    lines = ("2026-01-05 14:05:30+01:00; registration; a; b", "now; version; 9.1", "now; version; again", "")
    with Person(Script(*lines)) as person:
        found = operator("provisioning_head_end", person).search_events(UNIT)
    assert isinstance(found, EventsFound)
    assert (found.count, found.kinds) == (3, ("registration", "version"))
    assert found.events[0].at == datetime(2026, 1, 5, 13, 5, 30, tzinfo=UTC)
    assert (found.events[0].unit, found.events[0].text) == (UNIT, "a; b")
    assert "Search for all events of unit" in person.screen


def test_operator_events_of_another_kind_are_typed_again() -> None:
    """A plan looks for its own words; whatever the screen calls it, he chooses one of them."""
    lines = ("now; Registration Processed; added", "now; regis; added", "now; other; battery low", "", "")
    with Person(Script(*lines)) as person:
        found = operator("provisioning_head_end", person).search_events(UNIT)
    assert found.kinds == ("registration", "other")
    assert "kind: expected one of registration, properties-saved" in person.read


def test_operator_list_that_is_empty_now_is_said_with_a_dash() -> None:
    """Enter keeps what was there before; ``-`` says that there is nothing any more."""
    with Person(Script("now; version; 9.1", "", "c", "-")) as person:
        tms = operator("provisioning_head_end", person)
        assert tms.search_events(UNIT).count == 1
        assert tms.search_events(UNIT).count == 0


def test_operator_events_since_a_moment_are_asked_for_with_it() -> None:
    """The moment is shown in the zone of the screen."""
    with Person(Script("")) as person:
        since = datetime(2026, 1, 5, 13, 5, tzinfo=UTC)
        found = operator("provisioning_head_end", person).search_events(UNIT, since=since)
    assert found.count == 0
    assert "from 2026-01-05 13:05:00+00:00 on" in person.screen


def test_operator_provisioning_takes_its_times_from_the_request() -> None:
    """What was read off once is not asked for again, and nobody computes how long it took."""
    before = WallClock().utc_now()
    with willing("0012345678", "", "TX-1", "running", "now", "") as person:
        tms = operator("provisioning_head_end", person)
        job = tms.provision(UNIT)
    assert before <= job.requested_at <= WallClock().utc_now()
    with Person(Script("complete", "now", "get: ok", "set-clock : 2", "", "ok", "9.1", "")) as later:
        tms._context = context(later)
        seen = tms.provisioning("TX-1")
    assert isinstance(seen, ProvisioningJob)
    assert (seen.unit, seen.requested_at) == (UNIT, job.requested_at)
    assert (seen.first, seen.version) == ("get-version", "9.1")
    assert seen.transactions == ("get-version: ok", "set-clock: ok")
    assert seen.ended_at is not None
    assert seen.elapsed_s == pytest.approx((seen.ended_at - job.requested_at).total_seconds())


def test_operator_job_requested_by_another_is_asked_for_its_unit_and_time() -> None:
    """What the harness has not seen, the person reads off."""
    answers = ("77", "running", "2026-01-05 14:05+00:00", "get-version: sent", "", "sent", "")
    with Person(Script(*answers)) as person:
        seen = operator("provisioning_head_end", person).provisioning("TX-9")
    assert (seen.unit, seen.requested_at) == ("77", datetime(2026, 1, 5, 14, 5, tzinfo=UTC))
    assert seen.elapsed_s > 0


def test_operator_answers_that_are_wrong_are_given_again() -> None:
    """Before anything is handed on, he sees what he has answered and may say no."""
    answers = ("yes", "no", "n", "yes", "yes", "")
    with Person(Script(*answers)) as person:
        review = operator("provisioning_head_end", person).review_pin(UNIT)
    assert review == PinReview(unit=UNIT, configured=True, matches=True)


def test_operator_look_repeated_in_a_step_is_one_keystroke_when_nothing_changed() -> None:
    """A plan that waits looks again and again; Enter says that it is as before, c that it is not."""
    answers = ("running", "get-version: sent", "", "sent", "", "", "c", "", "", "2", "9.1", "")
    with Person(Script("0012345678", "", "TX-1", "1", "now", "", *answers)) as person:
        tms = operator("provisioning_head_end", person, where=["Case 1\nStep 2"])
        tms.provision(UNIT)
        first, second, third = (tms.provisioning("TX-1") for _ in range(3))
    assert (first.state, first.get_version) == (second.state, second.get_version) == ("running", "sent")
    assert second.elapsed_s > first.elapsed_s
    assert (third.state, third.get_version, third.version) == ("running", "ok", "9.1")
    assert third.transactions == ("get-version: sent",)


def test_operator_look_in_another_step_is_asked_from_the_start() -> None:
    """What was so in an earlier step is no answer in this one."""
    with Person(Script("no", "no")) as person:
        first = context(person, where=["Step 1"])
        tms = Operator.serving("provisioning_head_end")(first)
        tms.unit_entry(UNIT)  # type: ignore[attr-defined]
        tms._context = context(person, where=["Step 2"])
        tms.unit_entry(UNIT)  # type: ignore[attr-defined]
    assert person.prompts == ["Is it in the Master List? [yes/no]"] * 2


def test_operator_action_repeated_in_a_step_is_done_again() -> None:
    """A second request is a second request."""
    with willing() as person:
        paths = operator("path_switch", person, where=["Step 1"])
        paths.open_path("antenna")
        paths.open_path("antenna")
    assert person.screen.count("Interrupt the path") == 2


# -- what is not seen


def test_operator_field_not_shown_hurts_only_who_looks_at_it() -> None:
    """A screen that shows less spoils no step that does not need the rest, and makes nothing up."""
    with Person(Script("yes", "Registration Group", "2", "", "9.1", "1", "")) as person:
        entry = operator("provisioning_head_end", person).unit_entry(UNIT)
    assert isinstance(entry, UnitEntry)
    assert (entry.known, entry.group, entry.status) == (True, "Registration Group", "registered")
    with pytest.raises(NotSeen, match="registrations is not shown"):
        _ = entry.registrations
    assert "registrations" in repr(entry)


def test_operator_field_not_shown_leaves_what_depends_on_it_unseen() -> None:
    """Who cannot see whether the unit is in the list cannot see its group either."""
    with Person(Script("")) as person:
        entry = operator("provisioning_head_end", person).unit_entry(UNIT)
    for name in ("known", "group", "status"):
        with pytest.raises(NotSeen):
            getattr(entry, name)


def test_operator_whole_answer_not_shown_is_told_at_once() -> None:
    """Where the result is one value there is nothing to keep."""
    profile = load_operator_profile("field_tool")
    assert profile.tasks["action_menu"].look
    with Person(Script("")) as person:
        menu = operator("field_tool", person).action_menu("77")
    assert menu == ()  # a list without entries is an answer


def test_operator_time_not_shown_is_none_where_the_role_allows_it() -> None:
    """An optional field needs no answer."""
    with Person(Script("yes", "-85", "-100", "", "")) as person:
        record = operator("provisioning_head_end", person).coverage_record(UNIT)
    assert record.measured_at is None


def test_operator_empty_text_is_an_answer() -> None:
    """``-`` says that the screen shows the field, and nothing in it."""
    with Person(Script("yes", "-", "2", "1", "-", "1", "")) as person:
        entry = operator("provisioning_head_end", person).unit_entry(UNIT)
    assert (entry.group, entry.module_version) == ("", "")


def test_operator_text_that_is_a_word_of_ours_is_typed_behind_an_equals_sign() -> None:
    """A group may be called s."""
    with Person(Script("yes", "=s", "2", "1", "=-", "1", "")) as person:
        entry = operator("provisioning_head_end", person).unit_entry(UNIT)
    assert (entry.group, entry.module_version) == ("s", "-")


# -- secrets


def test_operator_pin_is_never_shown_and_its_place_is_told() -> None:
    """He learns where the bench keeps the PIN; the screen never has it."""
    options = {"secrets": {"pin": PIN}, "references": {"pin": "file:/home/lab/pins/77"}}
    with willing() as person:
        saved = operator("provisioning_head_end", person, **options).set_pin(UNIT)
    assert saved == PropertiesSaved(unit=UNIT, saved=True)
    assert "Secret `pin`: in the file /home/lab/pins/77" in person.read
    assert PIN.decode() not in person.screen


@pytest.mark.parametrize(
    "reference, told",
    [
        ("env:UNIT_PIN", "in the variable UNIT_PIN"),
        ("keyring:lab/pin", "in the keyring, under lab/pin"),
        ("", "take it from where your lab keeps it"),
    ],
)
def test_operator_pin_kept_elsewhere_is_told_so(reference: str, told: str) -> None:
    """Wherever the bench keeps it, or where it does not."""
    references = {"pin": reference} if reference else {}
    with willing() as person:
        operator("provisioning_head_end", person, references=references).set_pin(UNIT)
    assert told in person.read


def test_operator_wrong_pin_is_any_other() -> None:
    """For the negative test he is told to enter another one."""
    with willing() as person:
        operator("provisioning_head_end", person).set_pin(UNIT, flaw="wrong-pin")
    assert "any PIN that is not the unit's" in person.screen
    assert "Enter the unit's PIN" not in person.screen


def test_operator_answer_that_holds_a_secret_is_thrown_away() -> None:
    """A PIN typed by mistake does not end up in a result."""
    answers = ("yes", f"group {PIN.decode()}", "Registration Group", "2", "1", "-", "1", "")
    with Person(Script(*answers)) as person:
        options = {"secrets": {"pin": PIN}}
        entry = operator("provisioning_head_end", person, **options).unit_entry(UNIT)
    assert entry.group == "Registration Group"
    assert "a secret of the bench: it is never typed here" in person.screen


def test_operator_password_of_a_user_is_named_after_him() -> None:
    """The bench keeps one password a user."""
    with willing() as person:
        operator("field_tool", person, references={"kim.password": "file:/k"}).log_in("kim")
    assert "Secret `kim.password`: in the file /k" in person.screen


# -- harm


def test_operator_wrong_unit_on_the_screen_is_stopped_before_anything_is_changed() -> None:
    """He types the serial number he sees; three times another one, and the step is over."""
    with Person(Script("001", "002", "003")) as person, pytest.raises(BenchError, match="serial number"):
        operator("provisioning_head_end", person).set_pin(UNIT)
    assert "change nothing" in person.screen
    assert "This can do harm (configure)" in person.screen


def test_operator_identity_is_read_off_without_the_expected_one_being_shown() -> None:
    """A number that is on the screen is soon typed; so it is not."""
    with Person(Script("TSM-LAB-1", "n", "TMS-LAB-1", "")) as person:
        identity = operator("provisioning_head_end", person).identify()
    assert identity == Identity(serial="TMS-LAB-1")
    assert person.screen.count("TMS-LAB-1") == 2  # his own echo, and what he is asked to look at again


def test_operator_outcome_of_a_switch_is_the_command_that_was_given() -> None:
    """Nobody is asked which command he has just been told to perform."""
    with Person(Script("0077", "yes", "no", "opened", "1", "", "")) as person:
        outcome = operator("field_tool", person).disconnect_service("0077")
    assert outcome == CommandOutcome(
        endpoint="0077", command="disconnect", answered=True, replay=False, information="opened", executions=1
    )


# -- safe state


def test_operator_path_left_open_is_closed_when_the_bench_is_made_safe() -> None:
    """However a run ends, he is asked to connect what he interrupted, and nothing else."""
    with Person(Script("", "no", "", "yes")) as person:
        paths = operator("path_switch", person)
        assert paths.open_path("antenna") == PathState(path="antenna", closed=False)
        paths.make_safe()
        paths.make_safe()
    assert person.screen.count("make the bench safe") == 1
    assert "Connect the path “antenna” again" in person.screen


def test_operator_path_closed_by_the_plan_is_not_asked_for_again() -> None:
    """What was taken back needs no second time."""
    with willing() as person:
        paths = operator("path_switch", person)
        paths.open_path("antenna")
        paths.open_path("lan")
        paths.close_path("antenna")
        paths.make_safe()
    assert person.screen.count("make the bench safe") == 1
    assert person.screen.count("Connect the path “lan” again") == 1


def test_operator_source_that_may_be_on_is_switched_off_though_nobody_confirmed() -> None:
    """From the moment he was told to switch on, it may be on."""
    with Person(Script("hm", "hm", "hm", "")) as person:
        source = operator("power_source", person, name="source")
        with pytest.raises(BenchError, match="no usable answer"):
            source.apply(voltage_v=Decimal(230))
        source.make_safe()
    assert "230 V, 0 A, power factor 1, 50 Hz" in person.screen
    assert "Switch the output off" in person.screen


def test_operator_source_that_was_not_switched_on_is_left_alone() -> None:
    """Who says that it cannot be done has not done it."""
    with Person(Script("x", "")) as person:
        source = operator("power_source", person)
        with pytest.raises(NotPermitted):
            source.switch_on()
        source.make_safe()
    assert "Switch the output off" not in person.screen


def test_operator_who_cannot_make_the_bench_safe_leaves_it_unsafe() -> None:
    """A bench with voltage on its terminals is not reported as safe."""
    with Person(Script("", "x", "the switch is stuck")) as person:
        source = operator("power_source", person)
        source.switch_on()
        with pytest.raises(BenchError, match="the switch is stuck"):
            source.make_safe()


# -- bad input, silence, Ctrl-C


def test_operator_bad_input_three_times_is_a_bench_error_with_what_was_expected() -> None:
    """He is told what is wrong, and after the third time it is the bench's fault."""
    with (
        Person(Script("maybe", "perhaps", "who knows")) as person,
        pytest.raises(BenchError, match="expected yes or no"),
    ):
        operator("provisioning_head_end", person).unit_entry(UNIT)
    assert "(2 more tries)" in person.screen
    assert "(1 more try)" in person.screen


def test_operator_help_is_no_wrong_answer() -> None:
    """He may ask what is expected as often as he likes."""
    with Person(Script("?", "?", "?", "?", "no")) as person:
        operator("provisioning_head_end", person).unit_entry(UNIT)
    assert person.screen.count("Ctrl-C  stop the run") == 4


def test_operator_reason_none_of_the_roles_cannot_be_done_here() -> None:
    """The reasons are a closed set; what is none of them is no refusal."""
    with (
        Person(Script("s", "", "the screen is black")) as person,
        pytest.raises(NotPermitted, match="the screen is black"),
    ):
        operator("provisioning_head_end", person).unit_entry(UNIT)


def test_operator_silence_is_a_time_out_that_says_nobody_answered() -> None:
    """Nobody is there: the bench's fault, and said so."""
    with (
        Person(lambda prompt: LEAVES) as person,
        pytest.raises(ReadTimeout, match=r"tms: nobody answered .* within 0 s"),
    ):
        operator("provisioning_head_end", person, answer_s="0.2").unit_entry(UNIT)
    assert "No answer within" in person.screen


def test_operator_text_typed_ahead_answers_nothing() -> None:
    """What lay on the keyboard before the question is thrown away."""
    with Person(lambda prompt: LEAVES) as person:
        person.types("no\n")
        with pytest.raises(ReadTimeout):
            operator("provisioning_head_end", person, answer_s="0.2").unit_entry(UNIT)


@pytest.fixture
def stopped() -> Iterator[list[int]]:
    """Take SIGINT as the harness does: note it and raise."""
    seen: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    yield seen
    signal.signal(signal.SIGINT, before)


def test_operator_ctrl_c_at_a_question_stops_the_run(stopped: list[int]) -> None:
    """At any terminal Ctrl-C is SIGINT to the run; the terminal is given back."""
    with Person(Script("yes", "\x03")) as person, pytest.raises(KeyboardInterrupt):
        operator("provisioning_head_end", person).unit_entry(UNIT)
    assert stopped == [signal.SIGINT]
    assert "Stopped." in person.screen


# -- which role, which link


def test_operator_serves_every_role_even_without_a_profile() -> None:
    """A role without a profile is asked for by its own words."""
    with Person(Script("77", "", "", "")) as person:
        found = operator("meter", person, name="meter").identify()
    assert found.serial == "77"
    assert "Ask the device who it is" in person.screen


def test_operator_method_nobody_can_type_in_is_not_permitted() -> None:
    """A table of octets is no work for a person."""
    with willing() as person, pytest.raises(NotPermitted, match="cannot play this part"):
        operator("dlms_meter", person).list_objects()


def test_operator_of_no_role_is_refused() -> None:
    """A misspelt role is the bench file's mistake."""
    with pytest.raises(BenchError, match="no role 'toaster'"):
        Operator.serving("toaster")


def test_operator_needs_a_terminal() -> None:
    """A person does not sit at a socket."""
    with willing() as person:
        links = {"main": {"transport": "tcp", "host": "192.0.2.1", "port": "1"}}
        made = context(person)
        with pytest.raises(BenchError, match="an operator sits at a terminal"):
            Operator.serving("path_switch")(type(made)(**(vars(made) | {"links": links})))


def test_operator_terminal_that_goes_away_is_a_lost_link() -> None:
    """Somebody closed the window."""

    def leave(prompt: str) -> str:
        raise EOFError

    with (
        pytest.raises(EOFError),
        Person(leave) as person,
        pytest.raises(LinkLost, match="the operator's terminal is gone"),
    ):
        operator("path_switch", person).path_state("antenna")


def test_operator_elapsed_time_of_a_running_job_goes_on() -> None:
    """As long as it has not ended, it lasts until now."""
    start = WallClock().utc_now() - timedelta(minutes=5)
    answers = ("77", "running", start.isoformat(), "", "sent", "")
    with Person(Script(*answers)) as person:
        seen = operator("provisioning_head_end", person).provisioning("TX")
    assert 300 <= seen.elapsed_s < 400
