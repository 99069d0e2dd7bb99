"""Profiles of operators: the shipped ones fit their roles, and what does not fit is told in words."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from adapters.devices.operator import Operator
from adapters.devices.operator.answers import UNSEEN, Moment
from adapters.devices.operator.fit import misfits, profile_of
from adapters.devices.operator.form import WHOLE, Form
from adapters.devices.operator.shape import Method, methods_of, protocol_of
from adapters.errors import BenchError, ConfigError, NotPermitted, NotSeen
from adapters.profiles.operator_model import (
    AskedField,
    OperatorProfile,
    Task,
    load_operator_profile,
    shipped_operator_profiles,
)
from adapters.roles import ProvisioningJob, UnitEntry

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MOMENT = Moment(now=NOW, zone=UTC)

HEAD = "profile: mine\ntitle: Mine\nrole: path_switch\n"
TASK = "tasks:\n  open_path:\n    assumed: true\n    steps: [Do it.]\n"


def written(tmp_path: Path, text: str) -> str:
    """Write a profile and return its path."""
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


# -- the shipped ones


@pytest.mark.parametrize("role", shipped_operator_profiles())
def test_shipped_operator_profile_has_a_task_for_every_method_of_its_role(role: str) -> None:
    """Nobody is asked in the words of a docstring where we ship better ones."""
    profile = profile_of(role, "")
    assert set(profile.tasks) == set(methods_of(role))
    assert profile.role == role


def reasons_of(role: str) -> set[str]:
    """Return the reasons of Refused the role documents; a role that refuses nothing documents none."""
    documented = re.search(r"Reasons of Refused(.+)", inspect.getdoc(protocol_of(role)) or "", re.DOTALL)
    return set(re.findall(r"``([a-z-]+)``", documented[1])) if documented else set()


@pytest.mark.parametrize("role", [role for role in shipped_operator_profiles() if reasons_of(role)])
def test_shipped_operator_profile_offers_the_reasons_of_its_role(role: str) -> None:
    """Plans expect the reasons the role documents; a person can give each of them, and no other."""
    assert reasons_of(role) == set(profile_of(role, "").refusals)


def test_reasons_are_found_in_the_roles_that_document_some() -> None:
    """A docstring in other words would otherwise take the test above away without a sound."""
    assert sum(1 for role in shipped_operator_profiles() if reasons_of(role)) == 3


@pytest.mark.parametrize("role", shipped_operator_profiles())
def test_shipped_operator_profile_has_the_device_confirmed_where_one_can_be_harmed(role: str) -> None:
    """Whatever hurts and is told which unit it is about has that serial number read off the screen first."""
    for name, method in methods_of(role).items():
        at_stake = {"unit", "endpoint", "user"} & set(method.signature.parameters)
        if method.hurts and at_stake:
            assert {profile_of(role, "").tasks[name].confirm} == at_stake, name


def test_shipped_operator_profile_names_the_menu_paths_of_the_guide() -> None:
    """What the documents name is taken from them, and only that is not assumed."""
    tasks = load_operator_profile("provisioning_head_end").tasks
    for name, where in (
        ("search_events", "Monitoring Home > Event Search"),
        ("set_pin", "Device properties setup"),
        ("review_pin", "Device properties setup"),
        ("unit_entry", "Master List > Registration Group"),
    ):
        assert (tasks[name].where, tasks[name].assumed) == (where, False)
    assert tasks["provision"].assumed


# -- a lab's own


def test_operator_profile_of_a_lab_is_read_from_its_file(tmp_path: Path) -> None:
    """A copy with the lab's own menus."""
    text = HEAD + "time_zone: America/New_York\n" + TASK + "    where: Rack 3 > plug B\n"
    profile = profile_of("path_switch", written(tmp_path, text))
    assert profile.tasks["open_path"].where == "Rack 3 > plug B"
    Operator.serving("path_switch").check_profile(written(tmp_path, text))


@pytest.mark.parametrize(
    "text, says",
    [
        (
            HEAD.replace("path_switch", "meter") + TASK,
            "the profile is for a meter, the device is a path_switch",
        ),
        (HEAD + TASK.replace("open_path", "open_door"), "no method `open_door`"),
        (HEAD + TASK + "    where: '{door}'\n", "no argument `door`; expected `path`"),
        (HEAD + TASK + "    confirm: unit\n", "no argument `unit`"),
        (HEAD + TASK + "    undo: close_path\n", "undo names `close_path`, which is no task"),
        (
            HEAD + TASK + "    fields: {shut: {ask: Shut?}}\n",
            "no field `shut`; expected one of `closed`, `path`",
        ),
        (HEAD + TASK + "    fields: {closed: {known_by: count doors}}\n", "no field `doors`"),
        (HEAD + TASK + "    fields: {closed: {only_if: {door: open}}}\n", "no field `door`"),
        (
            HEAD + TASK + "    fields: {closed: {columns: {a: [b]}}}\n",
            "only the entries of a list have `columns`",
        ),
        (HEAD + TASK + "    fields: {closed: {known_by: magic}}\n", "`magic` is no way to know a field"),
        (
            HEAD + TASK + "    fields: {closed: {known_by: nothing, ask: Well?}}\n",
            "a field that is known is not asked",
        ),
        (HEAD + TASK + "    whre: x\n", "did you mean `where`"),
        (
            HEAD + TASK.replace("assumed: true", "look: true"),
            "either 'source: <document, page>' or 'assumed: true'",
        ),
        (HEAD + "time_zone: Moon\n" + TASK, "`Moon` is no time zone"),
    ],
)
def test_operator_profile_that_does_not_fit_is_told_in_words(tmp_path: Path, text: str, says: str) -> None:
    """Every mistake of a lab's copy is found before anybody stands at the bench."""
    with pytest.raises(ConfigError) as mistake:
        profile_of("path_switch", written(tmp_path, text))
    assert says in str(mistake.value)


def test_operator_profile_of_no_name_is_told_which_there_are() -> None:
    """The shipped ones go by their roles."""
    with pytest.raises(ConfigError, match="shipped: configuration_server, field_tool"):
        load_operator_profile("tms")


def test_operator_role_without_a_profile_is_played_by_its_words() -> None:
    """A role nobody wrote a profile for."""
    assert profile_of("meter", "") == OperatorProfile(profile="meter", title="meter", role="meter")
    assert list(misfits("meter", profile_of("meter", ""))) == []


# -- from answers to a result


def form(method: str, answers: dict[str, AskedField], *earlier: object, **arguments: object) -> Form:
    """Return the form of a method of the TMS with a task of these fields."""
    task = Task(assumed=True, steps=({"do": "it"},), fields=answers)  # type: ignore[arg-type]
    return Form(methods_of("provisioning_head_end")[method], task, arguments, earlier)


def test_form_asks_for_what_is_no_argument() -> None:
    """In the order of the result's fields."""
    asked = form("unit_entry", {}, unit="77")
    assert [question.name for question in asked.questions][:3] == ["known", "group", "status"]


def test_form_condition_not_met_keeps_what_the_profile_says() -> None:
    """Where no PIN is configured, none can match."""
    fields = {"matches": AskedField(only_if={"configured": ("yes",)}, otherwise="no")}
    asked = form("review_pin", fields, unit="77")
    assert [question.name for question in asked.to_ask({"configured": False})] == ["configured"]
    assert asked.fill({"configured": False}, MOMENT).matches is False  # type: ignore[attr-defined]


def test_form_condition_on_a_field_without_default_needs_an_otherwise() -> None:
    """The profile has to say what it is where it is not asked."""
    with pytest.raises(BenchError, match="`otherwise`"):
        form("review_pin", {"matches": AskedField(only_if={"configured": ("yes",)})}, unit="77")


def test_form_earlier_result_is_the_last_one_about_the_same_thing() -> None:
    """Not that of another job."""
    jobs = [
        ProvisioningJob(job=job, unit=unit, state="running", requested_at=NOW)
        for job, unit in (("A", "old"), ("A", "77"), ("B", "78"))
    ]
    asked = form("provisioning", {"unit": AskedField(known_by="earlier")}, *jobs, job="A")
    assert "unit" not in [question.name for question in asked.questions]
    unknown = form("provisioning", {"unit": AskedField(known_by="earlier")}, *jobs, job="C")
    assert "unit" in [question.name for question in unknown.questions]


def test_form_span_of_what_has_not_ended_lasts_until_now() -> None:
    """And never less than nothing, where two clocks disagree."""
    fields = {"elapsed_s": AskedField(known_by="span requested_at ended_at")}
    asked = form("provisioning", fields, job="A")
    answers: dict[str, object] = {"unit": "77", "state": "running", "ended_at": None}
    started = answers | {"requested_at": NOW - timedelta(seconds=90)}
    assert asked.fill(started, MOMENT).elapsed_s == 90.0  # type: ignore[attr-defined]
    ahead = answers | {"requested_at": NOW + timedelta(seconds=5)}
    assert asked.fill(ahead, MOMENT).elapsed_s == 0.0  # type: ignore[attr-defined]


def test_form_field_made_of_an_unseen_one_is_unseen() -> None:
    """Nothing is computed from what nobody saw."""
    fields = {"elapsed_s": AskedField(known_by="span requested_at ended_at")}
    asked = form("provisioning", fields, job="A")
    seen = asked.fill({"unit": "77", "state": "running", "requested_at": UNSEEN}, MOMENT)
    with pytest.raises(NotSeen):
        _ = seen.elapsed_s  # type: ignore[attr-defined]


def test_form_unseen_field_is_handed_on_and_not_asked_again() -> None:
    """What an earlier look did not show, the next one does not make up."""
    fields = {"unit": AskedField(known_by="earlier"), "requested_at": AskedField(known_by="earlier")}
    first = form("provisioning", fields, job="A").fill(
        {"unit": UNSEEN, "state": "running", "requested_at": NOW}, MOMENT
    )
    again = form("provisioning", fields, first, job="A").fill({"state": "complete"}, MOMENT)
    assert again.requested_at == NOW  # type: ignore[attr-defined]
    with pytest.raises(NotSeen):
        _ = again.unit  # type: ignore[attr-defined]


def test_partial_result_is_still_one_of_its_type() -> None:
    """Plans and procedures take it for what it is."""
    seen = form("unit_entry", {}, unit="77").fill({"known": True, "group": UNSEEN}, MOMENT)
    assert isinstance(seen, UnitEntry)
    assert seen.unit == "77"
    assert "not shown: group" in repr(seen)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A result with something nobody can type in."""

    octets: bytes
    note: str = ""


class Odd(Protocol):
    """A role of odd methods."""

    def read(self) -> Reading:
        """Read."""
        ...

    def name(self) -> str:
        """Tell."""
        ...


def odd(name: str) -> Method:
    """Return a method of the odd role."""
    function = getattr(Odd, name)
    result = {"read": Reading, "name": str}[name]
    signature = inspect.Signature()
    return Method(
        name=name, signature=signature, result=result, hurts=frozenset(), summary=function.__doc__ or ""
    )


def test_form_field_nobody_can_type_in_is_not_permitted() -> None:
    """Octets are no work for a person."""
    with pytest.raises(NotPermitted, match="nobody can type in `octets`"):
        Form(odd("read"), None, {})


def test_form_single_value_is_one_question() -> None:
    """A result that is no record."""
    asked = Form(odd("name"), None, {})
    assert [question.name for question in asked.questions] == [WHOLE]
    assert asked.fill({WHOLE: "x"}, MOMENT) == "x"
    with pytest.raises(NotSeen, match="it is not shown"):
        asked.fill({WHOLE: UNSEEN}, MOMENT)
