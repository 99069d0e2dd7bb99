"""The provisioning plans as runs: on the wall clock, and with a head end that answers badly."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.bench import open_bench
from harness.plan import Case, Plan
from harness.plan_compiler import compile_plan
from harness.runner import CaseRunner
from harness.verdicts import Verdict
from tests.scenarios.plan_runs import ROOT, run_plans, write_bench
from tests.scenarios.served_site import serving

PLANS = ROOT / "testplans" / "provisioning"
# The document's times are scaled down; a lab would leave them alone.
QUICK = {"provisioning_limit": "24 s", "margin": "4 s", "cut_time": "2 s", "module_start": "16 s"}


@pytest.mark.slow
@pytest.mark.timeout(540)
def test_provisioning_on_the_wall_clock_ends_as_in_virtual_time(tmp_path: Path) -> None:
    """From the socket to meter data, in real time, against a site another process serves."""
    plan = PLANS / "i210_provisioning.yaml"
    parameters = {"quiet_time": "5 s", "load_time": "5 s", "cut_time": "2 s", "module_start": "16 s"}
    with serving("i210") as site:
        bench = write_bench(tmp_path / "bench.yaml", site.bench)
        real = run_plans(
            [plan], str(bench), tmp_path / "real", parameters=parameters, environment=site.environment
        )
    virtual = run_plans([plan], "virtual:i210", tmp_path / "virtual", parameters=parameters)
    assert real.verdicts == virtual.verdicts, real.output
    assert set(real.verdicts.values()) == {"passed"}, real.output
    for name, secret in site.environment.items():
        left = [
            path.name
            for path in (tmp_path / "real").rglob("*")
            if path.is_file() and secret.encode() in path.read_bytes()
        ]
        assert left == [], f"{name} is in {left}"


@pytest.mark.slow
@pytest.mark.timeout(540)
def test_stall_on_the_wall_clock_finds_its_cause_in_time_scaled_down(tmp_path: Path) -> None:
    """The time-out fires by the clock in use: after 24 s here, by the same plan."""
    plan = tmp_path / "wrong_pin.yaml"
    text = (PLANS / "i210_stalls.yaml").read_text(encoding="utf-8")
    head, begin, rest = text.partition("  - id: I210-STALL-03")
    cases = head[: head.index("  - id: I210-STALL-01")]
    plan.write_text(cases + begin + rest.partition("  - id: I210-STALL-04")[0], encoding="utf-8")
    with serving("i210") as site:
        bench = write_bench(tmp_path / "bench.yaml", site.bench)
        run = run_plans([plan], str(bench), tmp_path / "real", parameters=QUICK, environment=site.environment)
    assert run.verdicts == {"I210-STALL-03": "passed"}, run.output
    said = "".join(path.read_text("utf-8") for path in (tmp_path / "real").rglob("*diagnosis.txt"))
    assert "Cause: pin" in said
    assert "Found at check 2 of 7" in said


def runs(*cases: tuple[Plan, Case]) -> list[tuple[str, str, str]]:
    """Run cases one after the other on one virtual bench; return those that did not pass, and why."""
    live = open_bench("virtual:i210")
    try:
        records = [CaseRunner(live, plan).run(case) for plan, case in cases]
    finally:
        live.close()
    return [(r.key, str(r.verdict), r.message) for r in records if r.verdict is not Verdict.passed]


def test_provisioning_cases_each_alone_passes() -> None:
    """No case needs another before it."""
    plan = compile_plan(PLANS / "i210_provisioning.yaml")
    for case in plan.cases:
        assert runs((plan, case)) == []


def test_provisioning_cases_on_a_unit_that_delivers_never_blame_it() -> None:
    """On a bench that was in use, what needs a fresh unit is skipped with the reason; the rest passes."""
    plan = compile_plan(PLANS / "i210_provisioning.yaml")
    delivering = next(case for case in plan.cases if case.id == "I210-PROV-06")
    skipped = {"I210-PROV-01": "been configured before", "I210-PROV-04": "been provisioned before"}
    for case in plan.cases:
        others = runs((plan, delivering), (plan, case))
        assert [(key, verdict) for key, verdict, _ in others] == (
            [(case.id, "skipped")] if case.id in skipped else []
        ), others
        assert all(skipped[key] in message for key, _, message in others)


@pytest.mark.slow
def test_provisioning_plans_backwards_never_blame_the_meter() -> None:
    """All plans on one bench, the last case first: none finds a state it did not make sure of."""
    plans = [compile_plan(path) for path in sorted(PLANS.glob("*.yaml"))]
    others = runs(*((plan, case) for plan in reversed(plans) for case in reversed(plan.cases)))
    assert {(key, verdict) for key, verdict, _ in others} == {
        ("I210-PROV-01", "skipped"),
        ("I210-PROV-04", "skipped"),
    }, others


@pytest.mark.parametrize(
    ("faults", "verdicts"),
    [
        ({"nonsense": "tms:garbage"}, {"bench_error"}),
        ({"nonsense": "tms:truncated"}, {"bench_error"}),
        ({"nonsense": "tms:not-http"}, {"bench_error"}),
        ({"late_answer": "tms:45"}, {"bench_error"}),
        ({"late_answer": "tms:2"}, {"passed"}),
        ({"answer_twice": "tms"}, {"passed", "bench_error"}),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_head_end_that_answers_badly_never_blames_the_meter(
    faults: dict[str, str], verdicts: set[str]
) -> None:
    """Late, twice, nonsense: the bench's fault or none, never a pass that only seems one."""
    plan = compile_plan(PLANS / "i210_provisioning.yaml")
    case = next(case for case in plan.cases if case.id == "I210-PROV-05")
    live = open_bench("virtual:i210", faults=faults)
    try:
        record = CaseRunner(live, plan).run(case)
    finally:
        live.close()
    assert str(record.verdict) in verdicts, record.message


def test_provisioning_that_stalls_where_nobody_expected_it_names_the_cause() -> None:
    """A failed provisioning says in its message what was found, and at which check."""
    plan = compile_plan(PLANS / "i210_provisioning.yaml")
    placed, provisioned = (c for c in plan.cases if c.id in ("I210-PROV-02", "I210-PROV-06"))
    live = open_bench("virtual:i210")
    try:
        runner = CaseRunner(live, plan)
        assert runner.run(placed).verdict is Verdict.passed
        live.devices["paths"].open_path("antenna")  # somebody shuts the door of the shielded room
        record = runner.run(provisioned)
    finally:
        live.close()
    assert record.verdict is Verdict.failed
    assert "incomplete; cause: coverage, found at check 1" in record.message
