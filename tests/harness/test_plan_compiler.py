"""A plan file becomes a Plan: names filled in, rows repeated, types right, order watched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import yaml_file
from adapters.errors import ConfigError, ConfigErrors, Refused
from harness import rules, traceability
from harness.plan import DeviceRead, Plan, Reference, Template
from harness.plan_compiler import compile_file, compile_plan, with_only

ROOT = Path(__file__).parents[2]
PLANS = [path for path in sorted((ROOT / "testplans").glob("*/*.yaml")) if path.parent.name != "behaviours"]

PLAN = """\
plan: p
title: T
needs: {meter: dlms_meter}
parameters: {limit: 5 s, serial: 0042}
cases:
  - id: A
    title: On ${link}
    verifies: [DL-CLI-01]
    for_each:
      - {link: ip, sap: 007}
      - {id: second, link: rs485, sap: 017}
    steps:
      - title: Open ${row.link}
        do: meter.associate
        with: {client: "sap:${sap}", link: "${link}", association: a}
        within: ${limit}
      - do: meter.get
        with: {object: serial, association: a}
        verifies: [DL-CLI-02]
        save: before
        expect: {value: "${serial}"}
      - do: meter.set
        with: {object: note, attribute: value, value: "seen ${before.value}", association: a}
      - do: meter.set
        with: {object: note, attribute: value, value: "${before.value}", association: a}
      - do: meter.get
        with: {object: e, association: a}
        expect:
          scaled: {equals: meter.read_register(active_energy_import), tolerance: 0.1 %}
          value: {at_least: 0, at_most: "$${x}"}
    always:
      - do: meter.disconnect_supply
"""


def plan_of(text: str, **overrides: str) -> Plan:
    """Compile a text."""
    plan, errors = compile_file(yaml_file.parse(text, "f"), overrides=overrides)
    if errors or plan is None:
        raise ConfigErrors(errors)
    return plan


def sound_plan(**overrides: str) -> Plan:
    """Compile the sample."""
    return plan_of(PLAN.replace(', at_most: "$${x}"', ""), **overrides)


def test_rows_give_stable_ids_and_fill_texts() -> None:
    """A row's id is its own, or its values; leading zeros stay."""
    first, second = sound_plan().cases
    assert (first.key, second.key) == ("A[ip-007]", "A[second]")
    assert first.title == "On ip"
    assert first.steps[0].title == "Open ip"
    assert first.steps[0].arguments["client"] == "sap:007"
    assert second.steps[0].arguments["link"] == "rs485"
    assert second.row["sap"] == "017"


def test_steps_carry_place_role_limits_and_behaviours() -> None:
    """What the runner needs is all there."""
    case = sound_plan().cases[0]
    step = case.steps[1]
    assert (str(step.location), step.role, step.device, step.method) == (
        "f:17:13",
        "dlms_meter",
        "meter",
        "get",
    )
    assert case.steps[0].within_s == 5.0
    assert case.verifies == ("DL-CLI-01", "DL-CLI-02")
    assert case.steps[0].verifies == ("DL-CLI-01",)
    assert step.verifies == ("DL-CLI-02",)
    assert step.expect[0].operands == ("0042",)
    assert case.steps[2].arguments["value"] == Template(parts=("seen ", Reference(path=("before", "value"))))
    assert case.steps[3].arguments["value"] == Reference(path=("before", "value"))
    read = case.steps[4].expect[0].operands[0]
    assert isinstance(read, DeviceRead)
    assert (read.device, read.method, read.arguments) == (
        "meter",
        "read_register",
        {"name": "active_energy_import"},
    )
    assert case.steps[4].expect[0].tolerance == "0.1 %"
    assert case.hurts == {"disconnect"}


def test_override_replaces_a_default_of_its_kind() -> None:
    """``-P limit=10min`` is a duration like its default."""
    plan = sound_plan(limit="10min")
    assert plan.cases[0].steps[0].within_s == 600.0
    assert plan.parameters["limit"] == "10min"


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"limt": "1 s"}, r"-P limt=1 s: no such parameter; .*did you mean `limit`\?"),
        ({"limit": "soon"}, "-P limit=soon: expected a number"),
        ({"limit": "5"}, "-P limit=5: expected a unit, as in the default `5 s`"),
        ({"limit": "5 V"}, "`V` cannot be compared with `s`"),
    ],
)
def test_override_of_another_kind_is_a_mistake(overrides: dict[str, str], message: str) -> None:
    """A mistyped -P never runs a plan with its default."""
    with pytest.raises(ConfigErrors, match=message):
        sound_plan(**overrides)


def test_escaped_reference_is_text() -> None:
    """``$${`` stands for ``${``, and so is no number here."""
    with pytest.raises(ConfigErrors, match=r"f:30:41: expected a number"):
        plan_of(PLAN)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.name)
def test_shipped_plan_compiles(path: Path) -> None:
    """Every plan we ship is free of mistakes."""
    plan = compile_plan(path)
    assert plan.cases
    assert len({case.key for case in plan.cases}) == len(plan.cases)


def test_with_only_keeps_the_order_of_the_plan() -> None:
    """A resumed run does what is left, in the plan's order."""
    plan = sound_plan()
    assert [case.key for case in with_only(plan, ["A[second]"]).cases] == ["A[second]"]


def test_documentation_example_compiles() -> None:
    """The page for lab staff shows a plan that is in order."""
    page = (ROOT / "docs" / "writing-a-plan.md").read_text("utf-8")
    found = re.search(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert found is not None
    assert [case.key for case in plan_of(found[1]).cases] == ["LOOK-01[optical]", "LOOK-01[ip]", "LOOK-02"]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_damaged_plan_gives_only_config_errors(data: st.DataObject) -> None:
    """Whatever is cut out of a plan or put into it, the answer is a plan or a list of sentences."""
    text = PLAN
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 25)))
        piece = data.draw(
            st.sampled_from(
                ["", "x", "[]", "{}", "- ", ": ", "\n", "  ", "${", "}", "0", "always:\n", "[[]]", "'"]
            )
        )
        text = text[:start] + piece + text[end:]
    messages = []
    try:
        _plan, errors = compile_file(yaml_file.parse(text, "f"))
        messages = [str(error) for error in errors]
    except ConfigError as error:
        messages = str(error).split("\n")
    assert all(message.startswith("f:") and message.isprintable() for message in messages)


def test_rule_watch_follows_what_really_happened() -> None:
    """At run time a refused association is not open, whatever the plan hoped for."""
    steps = sound_plan().cases[0].steps
    watch = rules.Watch()
    assert watch.before(steps[0]) == []
    watch.after(steps[0], Refused("association-rejected"))
    (violation,) = watch.before(steps[1])
    check = violation.check()
    assert not check.passed
    assert check.actual.startswith(
        "order violation: meter.get uses association `a`, which no earlier step opens"
    )
    watch.after(steps[0], object())
    assert watch.before(steps[1]) == []


def test_rule_can_be_switched_off_to_qualify_a_plan() -> None:
    """A broken rule says nothing."""
    step = sound_plan().cases[0].steps[1]
    assert len(rules.Watch().before(step)) == 1
    assert rules.Watch(broken={"association-before-service"}).before(step) == []


@pytest.mark.parametrize(
    "steps, message",
    [
        ("[{do: meter.release}]", "comes before any association is open"),
        (
            "[{do: meter.associate, with: {client: a, association: x}}, {do: meter.release}, "
            "{do: meter.get, with: {object: o, association: x}}]",
            "uses association `x` after its release",
        ),
        (
            "[{do: meter.associate, with: {client: a, association: x}}, "
            "{do: meter.associate, with: {client: b, association: y}}, {do: meter.get, with: {object: o}}]",
            "does not say which association, and 2 are open; add `association:` with one of `x`, `y`",
        ),
        (
            "[{do: meter.associate, with: {client: a, association: x}, expect: refused}, "
            "{do: meter.get, with: {object: o}}]",
            "comes before any association is open",
        ),
        (
            "[{do: meter.associate, with: {client: a, link: ip, association: x}}, {do: meter.drop_link}, "
            "{do: meter.list_objects}]",
            "comes before any association is open",
        ),
    ],
)
def test_order_of_associations_is_checked(steps: str, message: str) -> None:
    """Services and releases need an open association."""
    text = f"plan: p\ntitle: T\nneeds: {{meter: dlms_meter}}\ncases: [{{id: A, title: T, steps: {steps}}}]\n"
    with pytest.raises(ConfigErrors) as caught:
        plan_of(text)
    assert message in str(caught.value)


def test_order_of_a_default_association_name_is_known() -> None:
    """Without a name an association is called ``<link>/<client>``."""
    plan_of(
        "plan: p\ntitle: T\nneeds: {meter: dlms_meter}\ncases: [{id: A, title: T, steps: ["
        "{do: meter.associate, with: {client: a, link: ip}}, "
        "{do: meter.associate, with: {client: a, link: x}}, "
        "{do: meter.get, with: {object: o, association: ip/a}}]}]\n"
    )


def test_catalogue_has_the_shipped_families() -> None:
    """24 ids of two families, each with its source."""
    found = traceability.catalogue()
    assert {"DL-CLI", "DL-ASSOC"} <= set(found.families)
    assert len(found.of_family("DL-CLI", "DL-ASSOC")) == 24


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "families: {A-B: x}\nbehaviours: [{id: A-B-01, kind: limt, title: t, source: s}]",
            "did you mean `limit`",
        ),
        (
            "families: {}\nbehaviours: [{id: A-B-01, kind: limit, title: t, source: s}]",
            "family `A-B` is not listed",
        ),
        (
            "families: {A-B: x}\nbehaviours:\n"
            "  - {id: A-B-01, kind: limit, title: t, source: s}\n"
            "  - {id: A-B-01, kind: limit, title: t, source: s}",
            ":4:10: behaviour `A-B-01` stands in the catalogue twice",
        ),
    ],
)
def test_catalogue_mistake_is_reported(text: str, message: str, tmp_path: Path) -> None:
    """A catalogue is checked like every other file."""
    folder = tmp_path / "behaviours"
    folder.mkdir()
    (folder / "own.yaml").write_text(text)
    with pytest.raises(ConfigErrors, match=re.escape(message)):
        traceability.catalogue(folder)


def test_catalogue_beside_a_plan_is_found_and_context_only_is_refused(tmp_path: Path) -> None:
    """A lab's own catalogue counts; what nobody can test cannot be verified."""
    folder = tmp_path / "behaviours"
    folder.mkdir()
    (folder / "own.yaml").write_text(
        "families: {LAB: Ours}\nbehaviours:\n"
        "  - {id: LAB-01, kind: state, title: t, source: s}\n"
        "  - {id: LAB-02, kind: state, title: t, source: s, context: nobody can see it}\n"
    )
    plan = tmp_path / "plan.yaml"
    text = (
        "plan: p\ntitle: T\nneeds: {meter: meter}\ncases:\n"
        "  - {id: A, title: T, verifies: [LAB-01], steps: [{do: meter.identify}]}\n"
    )
    plan.write_text(text)
    assert compile_plan(plan).cases[0].verifies == ("LAB-01",)
    plan.write_text(text.replace("LAB-01", "LAB-02"))
    with pytest.raises(ConfigErrors, match="behaviour `LAB-02` is context only: nobody can see it"):
        compile_plan(plan)


def test_override_of_another_plan_is_collected_where_several_run_together() -> None:
    """A -P that this plan has no parameter for is only strange to it; what it knows is still checked."""
    strange: set[str] = set()
    path = ROOT / "testplans" / "dlms" / "any_meter.yaml"
    plan = compile_plan(path, overrides={"drift_time": "20 s", "load_time": "1 h"}, strange=strange)
    assert strange == {"load_time"}
    assert plan.parameters["drift_time"] == "20 s"
    with pytest.raises(ConfigErrors, match="drift_time=banana"):
        compile_plan(path, overrides={"drift_time": "banana"}, strange=set())
