"""The shipped plans on the wall clock, against a virtual site that another process serves.

Nothing of the rig is in the process that runs the plans: it knows a bench file with ports, addresses and
references to secrets, as it would of a meter on a desk. The verdicts must be those of virtual time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.plan_runs import PLANS, PlanRun, run_plans, write_bench
from tests.scenarios.served_site import Served, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]

# What a lab waits for a meter to start, and how long a clock is watched; in real time both are shorter here.
QUICK: dict[str, dict[str, str]] = {
    "associations": {},
    "clients": {"settling_time": "2 s"},
    "security": {"settling_time": "2 s"},
    "any_meter": {"drift_time": "20 s", "drift_limit": "200"},
}

# Waits for the time-outs of three links, two minutes and more each, twice over: in virtual time that is seen.
TAKES_LONG = {"associations": "ASSOC-11"}


@pytest.fixture
def served() -> Iterator[Served]:
    """Serve a new site for each test: a plan that used the source leaves source and meter switched off."""
    with serving() as site:
        yield site


def run_shipped(plan: str, bench: str, folder: Path, environment: dict[str, str] | None = None) -> PlanRun:
    """Run one of the plans that do not take hours of real time."""
    path = PLANS / f"{plan}.yaml"
    return run_plans(
        [path],
        bench,
        folder,
        parameters=QUICK[plan],
        environment=environment,
        without=TAKES_LONG.get(plan, ""),
    )


@pytest.mark.parametrize("plan", QUICK)
def test_shipped_plan_on_the_wall_clock_ends_as_in_virtual_time(
    served: Served, tmp_path: Path, plan: str
) -> None:
    """The same plan, another process, real time, a bench file: the same verdicts, and exit code 0."""
    bench = write_bench(tmp_path / "bench.yaml", served.bench)
    real = run_shipped(plan, str(bench), tmp_path / "real", served.environment)
    virtual = run_shipped(plan, "virtual:mcs301", tmp_path / "virtual")
    assert real.verdicts == virtual.verdicts, real.output
    assert set(real.verdicts.values()) == {"passed"}, real.output
    assert (real.exit_code, virtual.exit_code) == (0, 0)


def test_bench_file_on_the_wall_clock_keeps_its_secrets(served: Served, tmp_path: Path) -> None:
    """No key and no password of the bench is found in anything a run leaves behind."""
    bench = write_bench(tmp_path / "bench.yaml", served.bench)
    run = run_shipped("security", str(bench), tmp_path / "runs", served.environment)
    assert run.exit_code == 0, run.output
    left = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert left
    for name, secret in served.environment.items():
        for form in (secret.encode(), bytes.fromhex(secret), bytes.fromhex(secret).hex(" ").encode()):
            found = [path.name for path in left if form in path.read_bytes()]
            assert found == [], f"{name} is in {found}"


def test_device_on_the_wall_clock_that_is_another_is_not_switched(served: Served, tmp_path: Path) -> None:
    """Where the bench names another serial number, nothing that can hurt is sent: a bench error, exit 3."""
    meter = served.bench["devices"]["meter"] | {"identity": {"serial": "99999999"}}
    wrong = served.bench | {"devices": served.bench["devices"] | {"meter": meter}}
    bench = write_bench(tmp_path / "bench.yaml", wrong)
    plan = tmp_path / "switch.yaml"
    plan.write_text(
        "plan: switch\ntitle: Open the supply switch\nsource: none\nbench: virtual:mcs301\n"
        "needs: {meter: dlms_meter}\ncases:\n"
        "  - id: S-1\n    title: It opens\n    steps:\n"
        "      - do: meter.associate\n        with: {client: management, link: ip, association: a}\n"
        "      - do: meter.disconnect_supply\n        with: {association: a}\n",
        encoding="utf-8",
    )
    run = run_plans([plan], str(bench), tmp_path / "runs", environment=served.environment)
    assert run.verdicts == {"S-1": "bench_error"}, run.output
    assert "99999999" in run.output
    assert run.exit_code == 3
