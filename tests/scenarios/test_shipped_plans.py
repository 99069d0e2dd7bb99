"""The shipped plans on the embedded virtual rig: every seed, every broken behaviour, every bent byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import coverage, qualify
from harness.bench import LiveBench, open_bench
from harness.plan import Case, Plan
from harness.runner import CaseRunner
from harness.shipped import claims, compiled, plan_files
from harness.traceability import catalogue
from harness.verdicts import Verdict

PLANS = compiled(plan_files())
CLAIMS = claims(PLANS)
# How many behaviours each document has; what nobody can model or test is in the catalogue as context.
DOCUMENTED = {"DL": 29, "SS": 26, "IT": 40}


def plan_called(name: str) -> Plan:
    """Return a shipped plan."""
    return next(plan for plan in PLANS if plan.name == name)


@contextmanager
def bench_of(
    plan: Plan, *, seed: int = 1, broken: str = "", faults: dict[str, str] | None = None
) -> Iterator[LiveBench]:
    """Open the plan's own bench and close it again."""
    live = open_bench(
        plan.bench, seed=seed, broken=frozenset({broken} if broken else ()), faults=faults or {}
    )
    try:
        yield live
    finally:
        live.close()


def run_all(live: LiveBench, plan: Plan, cases: tuple[Case, ...] | None = None) -> dict[str, str]:
    """Run cases and return those that did not pass, with what they said."""
    runner = CaseRunner(live, plan)
    records = [runner.run(case) for case in (plan.cases if cases is None else cases)]
    return {r.key: f"{r.verdict}: {r.message}" for r in records if r.verdict is not Verdict.passed}


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_shipped_plan_unbroken_rig_passes(plan: Plan) -> None:
    """Every case of every shipped plan passes on the rig it names."""
    with bench_of(plan) as live:
        assert run_all(live, plan) == {}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 21))
def test_shipped_plans_any_seed_passes(seed: int) -> None:
    """No case depends on the seed: 20 of them give the same verdicts (seed 1 is the test above)."""
    for plan in PLANS:
        with bench_of(plan, seed=seed) as live:
            assert run_all(live, plan) == {}, f"{plan.name} with seed {seed}"


@pytest.mark.slow
def test_byte_trace_same_seed_same_hash() -> None:
    """Twenty runs of one plan with one seed put the same bytes on the same wires at the same times."""
    plan = plan_called("mcs301-associations")
    digests = set()
    for _ in range(20):
        with bench_of(plan, seed=7) as live:
            run_all(live, plan)
            digests.add(live.trace_digest())
    assert len(digests) == 1


def test_byte_trace_other_seed_other_hash() -> None:
    """Another seed gives other challenges, so the hash does depend on the bytes."""
    plan = plan_called("mcs301-associations")
    digests = set()
    for seed in (1, 2):
        with bench_of(plan, seed=seed) as live:
            run_all(live, plan, plan.cases[:2])
            digests.add(live.trace_digest())
    assert len(digests) == 2


@pytest.mark.parametrize("family", DOCUMENTED)
def test_coverage_of_a_document_is_complete(family: str) -> None:
    """Every behaviour of a document is modelled and verified, or context with a reason."""
    rows = coverage.coverage(catalogue(), CLAIMS, coverage.modelled_behaviours(), {}, (family,))
    assert len(rows) == DOCUMENTED[family]
    assert [row.id for row in rows if not row.context and not (row.modelled and row.cases)] == []
    assert [row.id for row in rows if row.context] == (["SS-PROV-01"] if family == "SS" else [])


def test_modelled_behaviours_are_all_in_the_catalogue() -> None:
    """Nothing is modelled that the catalogue does not know, and no other family is forgotten here."""
    known = catalogue().behaviours
    assert coverage.modelled_behaviours() <= set(known)
    # DLX, what plans test beyond the documents' own requirements, grows without being counted here.
    assert {behaviour.partition("-")[0] for behaviour in known} - {"DLX"} == set(DOCUMENTED)
    assert {behaviour.partition("-")[0] for behaviour in known} == {*DOCUMENTED, "DLX"}


@pytest.mark.parametrize("behaviour", sorted(coverage.modelled_behaviours()))
def test_broken_behaviour_every_claiming_case_notices(behaviour: str) -> None:
    """A rig that quietly disobeys one behaviour fails every case that claims it, by name."""
    result = qualify.qualify_one(behaviour, CLAIMS[behaviour])
    assert result.qualified, [(f.case, f.verdict, f.message) for f in result.findings if not f.noticed]


@pytest.mark.parametrize("link", ["ip", "rs485", "optical"])
@pytest.mark.parametrize(
    "fault",
    [
        "damage_byte",
        pytest.param("silent", marks=pytest.mark.slow),
        pytest.param("drop", marks=pytest.mark.slow),
    ],
)
def test_wire_fault_any_offset_never_blames_the_device(link: str, fault: str) -> None:
    """A bent byte, a dead wire or a cut one is a bench error, or repaired; never the meter's failure."""
    plan = plan_called("mcs301-clients")
    case = next(case for case in plan.cases if case.key == f"MCS-CLI-03[{link}]")
    for offset in range(1, 140, 7 if fault == "damage_byte" else 23):
        with bench_of(plan, faults={fault: f"{link}:{offset}"}) as live:
            record = CaseRunner(live, plan).run(case)
            assert record.verdict in (Verdict.passed, Verdict.bench_error), (offset, record.message)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["MCS-SEC-02", "MCS-SEC-03[ip]", "MCS-SEC-05"])
def test_wire_damaged_in_a_handshake_never_blames_the_device(key: str) -> None:
    """Where nothing vouches for the octets of an HLS handshake, a bent one is never the meter's failure."""
    plan = plan_called("mcs301-security")
    case = next(case for case in plan.cases if case.key == key)
    found = set()
    for offset in range(1, 500, 4):
        with bench_of(plan, faults={"damage_byte": f"ip:{offset}"}) as live:
            record = CaseRunner(live, plan).run(case)
            found.add(record.verdict)
            assert record.verdict is not Verdict.failed, (offset, record.message)
    assert found == {Verdict.passed, Verdict.inconclusive, Verdict.bench_error}


def test_plan_files_shipped_folders_only_plans() -> None:
    """The catalogue beside the plans is not taken for a plan."""
    assert plan_files()
    assert all("behaviours" not in Path(path).parts for path in plan_files())
