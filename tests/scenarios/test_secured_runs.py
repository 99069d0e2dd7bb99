"""Plans of secured endpoints: how replays are decided, and the plans on the wall clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.errors import BenchError
from adapters.roles import CommandOutcome, EndpointStatus
from harness.bench import open_bench
from harness.plan_compiler import compile_plan
from harness.records import CaseRecord
from harness.runner import CaseRunner
from harness.verdicts import Verdict
from testplans.secured.replays import decided
from testplans.secured.upkeep import leave_service_connected
from tests.scenarios.plan_runs import ROOT, run_plans, write_bench
from tests.scenarios.served_site import serving
from virtual_rig.parts.secured import EndpointsPart

SECURED_PLANS = sorted((ROOT / "testplans" / "secured").glob("*.yaml"))
AT_HAND = [path for path in SECURED_PLANS if path.stem in ("field_day", "request_use_replay", "false_replay")]

STATUS = EndpointStatus(
    endpoint="45000003",
    type="electric-meter",
    security_class="enhanced",
    level="command-security",
    security_enabled=True,
    modes=3,
    switch="connected",
    executions=7,
    program_revision=1,
    tampers=0,
    session_open=False,
    session_timeout_s=3600,
)


def answered(command: str, *, replay: bool = True) -> CommandOutcome:
    return CommandOutcome(
        endpoint="45000003", command=command, answered=True, replay=replay, information="", executions=7
    )


@pytest.mark.parametrize("replay", [True, False])
@pytest.mark.parametrize(
    "command, before, after, counts, expected",
    [
        ("disconnect", "connected", "disconnected", (7, 8), ("yes", "yes", "yes")),
        ("disconnect", "connected", "connected", (7, 7), ("no", "no", "no")),
        ("disconnect", "disconnected", "disconnected", (7, 7), ("no", "no", "unknown")),
        ("disconnect", "disconnected", "disconnected", (7, 8), ("yes", "yes", "unknown")),
        ("disconnect", "disconnected", "disconnected", (-1, -1), ("unknown", "unknown", "unknown")),
        ("connect", "disconnected", "connected", (-1, -1), ("yes", "unknown", "yes")),
        ("connect", "disconnected", "disconnected", (-1, -1), ("no", "unknown", "no")),
        ("connect", "unknown", "unknown", (7, 8), ("yes", "yes", "unknown")),
        ("connect", "unknown", "connected", (-1, -1), ("unknown", "unknown", "unknown")),
        # What contradicts itself decides nothing.
        ("disconnect", "connected", "connected", (7, 8), ("unknown", "yes", "no")),
        ("disconnect", "connected", "disconnected", (7, 7), ("unknown", "no", "yes")),
        # Somebody else was at it too, or the counter went back: the count says nothing.
        ("disconnect", "connected", "connected", (7, 9), ("no", "unknown", "no")),
        ("disconnect", "connected", "disconnected", (7, 3), ("yes", "unknown", "yes")),
        ("program", "connected", "connected", (7, 8), ("yes", "yes", "unknown")),
        ("program", "none", "none", (-1, -1), ("unknown", "unknown", "unknown")),
        ("open_session", "connected", "connected", (7, 7), ("no", "no", "unknown")),
    ],
)
def test_decision_goes_by_state_whatever_the_flag_says(
    command: str,
    before: str,
    after: str,
    counts: tuple[int, int],
    expected: tuple[str, str, str],
    replay: bool,
) -> None:
    """Count and switch, each for itself and both together; the replay flag is no part of it."""
    then = replace(STATUS, switch=before, executions=counts[0])
    now = replace(STATUS, switch=after, executions=counts[1])
    found = decided(then, now, answered(command, replay=replay))
    assert (found.executed, found.by_count, found.by_switch) == expected
    assert found.replay is replay
    for word in (before, after, "not told" if -1 in counts else str(counts[0])):
        assert word in found.evidence


HEAD = """\
plan: doubts
title: Replays in real use
source: none
bench: virtual:itron-field
needs: {fdm: security_head_end, tool_a: field_tool, radio: endpoint_radio}
cases:
  - id: D-1
    title: What became of it?
    steps:
      - do: fdm.issue_material
        with: {endpoints: ["%(endpoint)s"], commands: [%(command)s]}
      - do: tool_a.log_in
        with: {user: fsr}
      - do: tool_a.request_commands
        with: {devices: ["%(endpoint)s:electric-meter"]}
      - do: radio.status
        with: {endpoint: "%(endpoint)s"}
        save: before
      - do: tool_a.%(command)s_service
        with: {endpoint: "%(endpoint)s"}
        save: answer
      - do: settle_replay
        with: {radio: radio, endpoint: "%(endpoint)s", before: "${before}", answer: "${answer}"}
        expect: {executed: "no"}
"""


def settled(tmp_path: Path, endpoint: str, command: str, broken: str = "") -> CaseRecord:
    """Run a case that settles what became of a fresh command."""
    path = tmp_path / "doubts.yaml"
    path.write_text(HEAD % {"endpoint": endpoint, "command": command}, encoding="utf-8")
    plan = compile_plan(path)
    live = open_bench(plan.bench, broken=frozenset({broken} if broken else ()))
    try:
        return CaseRunner(live, plan).run(plan.cases[0])
    finally:
        live.close()


@pytest.mark.parametrize(
    "endpoint, command, broken, verdict, says",
    [
        ("45000009", "disconnect", "", Verdict.passed, ""),
        ("45000009", "disconnect", "IT-CMD-16", Verdict.failed, "expected no, got yes"),
        ("45000010", "disconnect", "", Verdict.passed, ""),  # the switch tells where the counter does not
        ("45000010", "connect", "", Verdict.inconclusive, "cannot be told"),
        ("45000003", "disconnect", "", Verdict.inconclusive, "reports no replay"),
    ],
)
def test_replay_in_real_use_is_settled_or_inconclusive(
    tmp_path: Path, endpoint: str, command: str, broken: str, verdict: Verdict, says: str
) -> None:
    """A false replay is no execution; where the state does not tell, nobody is blamed."""
    record = settled(tmp_path, endpoint, command, broken)
    assert (record.verdict, says in record.message) == (verdict, True), record.message


def test_service_left_disconnected_is_connected_again_through_a_false_replay() -> None:
    """The radio's first connect is taken for a replay; the second one does it, and a third is not needed."""
    live = open_bench("virtual:itron-field")
    try:
        radio = live.devices["radio"]
        site = live._provided.built.parts["radio"].model  # type: ignore[union-attr]
        assert isinstance(site, EndpointsPart)
        endpoint = site.endpoint("45000009")
        endpoint.switch = type(endpoint.switch).DISCONNECTED
        done = leave_service_connected(None, radio=radio, endpoint="45000009")  # type: ignore[arg-type]
        assert (done.attempts, radio.status("45000009").switch) == (2, "connected")
        assert leave_service_connected(None, radio=radio, endpoint="45000009").attempts == 0  # type: ignore[arg-type]
        endpoint.switch = type(endpoint.switch).DISCONNECTED
        radio.send_switch = lambda *_: answered("connect")
        with pytest.raises(BenchError, match="still disconnected"):
            leave_service_connected(None, radio=radio, endpoint="45000009")  # type: ignore[arg-type]
    finally:
        live.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_secured_plans_on_the_wall_clock_end_as_in_virtual_time(tmp_path: Path) -> None:
    """Another process serves the site: the verdicts agree, and no secret is left behind."""
    quick = {"drive": "1 s"}
    with serving("itron-field") as served:
        bench = write_bench(tmp_path / "bench.yaml", served.bench)
        real = run_plans(
            AT_HAND, str(bench), tmp_path / "real", parameters=quick, environment=served.environment
        )
    virtual = run_plans(AT_HAND, "virtual:itron-field", tmp_path / "virtual", parameters=quick)
    assert real.verdicts == virtual.verdicts, real.output
    assert set(real.verdicts.values()) == {"passed"}, real.output
    left = [path for path in (tmp_path / "real").rglob("*") if path.is_file()]
    assert len(left) > 10
    for name, secret in served.environment.items():
        for form in (secret.encode(), bytes.fromhex(secret), bytes.fromhex(secret).hex(" ").encode()):
            found = [path.name for path in left if form in path.read_bytes()]
            assert found == [], f"{name} is in {found}"
