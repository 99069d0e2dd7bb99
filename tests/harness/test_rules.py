"""Rules of procedure: flagged in a plan and in a run, expected by a deliberately wrong plan, switched off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.errors import ConfigErrors
from harness import qualify, rules
from harness.coverage import modelled_behaviours
from harness.plan import Location, Matcher, Step
from harness.plan_compiler import compile_plan
from harness.rules import UNKNOWN, Watch
from virtual_rig.world import modelled_behaviours as in_the_rig

HERE = Location(file="plan.yaml", line=1, column=1)


def step(do: str, role: str = "", *, expect: str = "", **arguments: object) -> Step:
    device, _dot, method = do.rpartition(".")
    field, _, kind = expect.rpartition(":")
    matchers = (Matcher(field=field, kind=kind, operands=(), location=HERE),) if expect else ()
    return Step(
        title=do, do=do, device=device, method=method, role=role, arguments=arguments, expect=matchers,
        location=HERE,
    )  # fmt: skip


def head_end(method: str) -> Step:
    return step(f"tms.{method}", "provisioning_head_end")


def tool(method: str, name: str = "tool", expect: str = "", **arguments: object) -> Step:
    return step(f"{name}.{method}", "field_tool", expect=expect, **arguments)


def walked(watch: Watch, *steps: Step) -> list[str]:
    """Return the rules flagged on the way, every step taken for done."""
    flagged = []
    for one in steps:
        flagged += [violation.rule for violation in watch.before(one)]
        watch.after(one, UNKNOWN)
    return flagged


@dataclass(frozen=True)
class Answer:
    endpoint: str = "45000003"
    replay: bool = False


# --- troubleshooting -------------------------------------------------------------------------------------


def test_troubleshooting_in_order_is_not_flagged() -> None:
    """The seven checks one after the other are what the guide asks for."""
    order = [head_end(check.method) for check in rules.troubleshooting.ORDER]
    assert walked(Watch(), head_end("provision"), step("await_stall"), *order) == []


def test_troubleshooting_before_a_stall_has_no_order() -> None:
    """Looking at events or coverage while all is well is nobody's mistake."""
    assert walked(Watch(), head_end("provision"), head_end("search_events"), head_end("review_pin")) == []


@pytest.mark.parametrize("skipped", range(6))
def test_troubleshooting_with_a_check_left_out_is_flagged(skipped: int) -> None:
    """Whichever check is left out, the next one is out of order; a second time as well."""
    order = [head_end(check.method) for check in rules.troubleshooting.ORDER]
    left = order[:skipped] + order[skipped + 1 :]
    flagged = walked(Watch(), step("await_stall"), *left)
    assert flagged == ["troubleshooting-order"] * (6 - skipped)


def test_troubleshooting_after_another_request_begins_anew() -> None:
    """A new provisioning request ends the troubleshooting of the one before."""
    watch = Watch()
    assert walked(watch, step("await_stall"), head_end("coverage_record"), head_end("provision")) == []
    assert walked(watch, head_end("section_four"), step("await_stall")) == []
    assert walked(watch, head_end("review_pin")) == ["troubleshooting-order"]


# --- field work ------------------------------------------------------------------------------------------


def test_field_work_with_a_request_before_is_not_flagged() -> None:
    """Request, leave, work: as the page has it; and each tool for itself."""
    steps = (tool("request_commands"), tool("go_offline"), tool("perform"), tool("perform", "other"))
    assert walked(Watch(), *steps) == []


def test_field_work_without_a_request_is_flagged() -> None:
    """A tool that left without its commands, or asks for them out there, is where the plan went wrong."""
    assert walked(Watch(), tool("go_offline"), tool("perform")) == ["request-before-field-work"]
    assert walked(Watch(), tool("go_offline"), tool("request_commands")) == ["request-before-field-work"]


def test_field_work_that_expects_a_refusal_is_a_test_and_not_flagged() -> None:
    """A negative test of the tool asks off-line on purpose; back on-line everything may be requested."""
    asked = tool("request_commands", expect=":refused")
    steps = (tool("go_offline"), asked, tool("go_online"), tool("request_commands"), tool("perform"))
    assert walked(Watch(), *steps) == []


# --- replay ----------------------------------------------------------------------------------------------


def test_replay_nobody_looked_at_is_flagged_at_the_next_step_and_at_the_end() -> None:
    """A plan that goes on after a replay as if something had happened is flagged."""
    watch = Watch()
    watch.after(tool("disconnect_service"), Answer(replay=True))
    assert [v.rule for v in watch.before(tool("perform"))] == ["replay-is-no-evidence"]
    assert [v.rule for v in watch.at_end(tool("disconnect_service"))] == ["replay-is-no-evidence"]


@pytest.mark.parametrize(
    "reads", [step("radio.status", "endpoint_radio", endpoint="45000003"), step("decide", e="45000003")]
)
def test_replay_followed_by_a_look_at_the_state_is_not_flagged(reads: Step) -> None:
    """The endpoint's status, or a procedure that is given the endpoint, settles it."""
    watch = Watch()
    watch.after(tool("disconnect_service"), Answer(replay=True))
    assert watch.before(reads) == []
    watch.after(reads, UNKNOWN)
    assert watch.before(tool("perform")) == []
    assert watch.at_end(tool("perform")) == []


def test_replay_the_plan_looks_at_is_not_flagged() -> None:
    """A plan that says what it expects of the replay flag takes it for no execution."""
    watch = Watch()
    watch.after(tool("disconnect_service", expect="replay:equals"), Answer(replay=True))
    assert watch.before(tool("perform")) == []


# --- plans -----------------------------------------------------------------------------------------------

WRONG = """
plan: wrong
title: A deliberately wrong plan
bench: virtual:mcs301
needs: {{meter: dlms_meter}}
cases:
  - id: W-1
    title: A service before its association
    verifies: [DL-CLI-05]
    steps:
{before}
      - do: meter.get
        with: {{object: logical_device_name{association}}}
        expect: {{order_violation: {rule}}}
"""


def wrong_plan(folder: Path, rule: str = "association-before-service", before: str = "") -> Path:
    path = folder / "wrong.yaml"
    path.write_text(WRONG.format(rule=rule, before=before, association=""), encoding="utf-8")
    return path


def test_plan_that_expects_an_order_violation_compiles(tmp_path: Path) -> None:
    """A deliberately wrong plan is sound where the rule is indeed broken."""
    plan = compile_plan(wrong_plan(tmp_path))
    assert rules.expected_violation(plan.cases[0].steps[0]) is not None


def test_plan_that_expects_an_order_violation_in_vain_is_a_mistake(tmp_path: Path) -> None:
    """Where nothing is out of order, the expectation itself is the mistake, told with its place."""
    opened = "      - do: meter.associate\n        with: {client: public, link: ip}"
    with pytest.raises(ConfigErrors, match=r"wrong.yaml:\d+:\d+: meter.get is expected to be out of order"):
        compile_plan(wrong_plan(tmp_path, before=opened))


def test_plan_with_an_unknown_rule_names_the_nearest(tmp_path: Path) -> None:
    """A rule nobody knows is told with the nearest word."""
    with pytest.raises(ConfigErrors, match=r"did you mean `?association-before-service"):
        compile_plan(wrong_plan(tmp_path, rule="association-before-servise"))


def test_run_flags_what_a_wrong_plan_does_and_notices_a_rule_that_is_off(tmp_path: Path) -> None:
    """With the rule the case passes and nothing is sent; with the rule off it fails, naming the behaviour."""
    from harness.bench import open_bench
    from harness.runner import CaseRunner

    plan = compile_plan(wrong_plan(tmp_path))
    live = open_bench(plan.bench)
    try:
        digest = live.trace_digest()
        passed = CaseRunner(live, plan).run(plan.cases[0])
        off = frozenset({"association-before-service"})
        failed = CaseRunner(live, plan, broken=off).run(plan.cases[0])
        assert live.trace_digest() == digest
    finally:
        live.close()
    assert str(passed.verdict) == "passed", passed.message
    assert str(failed.verdict) == "failed"
    assert "DL-CLI-05" in failed.message
    assert "not flagged" in failed.message


def test_rule_behaviours_are_the_harness_s_alone() -> None:
    """An id is either the rig's or a rule's: breaking it must break one thing."""
    assert rules.behaviours() & in_the_rig() == frozenset()
    assert rules.behaviours() <= modelled_behaviours()
    assert qualify.rules is rules
