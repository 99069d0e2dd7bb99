"""The shipped plans on the wall clock, against a virtual site that another process serves.

Nothing of the rig is in the process that runs the plans: it knows a bench file with ports, addresses and
references to secrets, as it would of a meter on a desk. The verdicts must be those of virtual time.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.plan_runs import COMMAND, PLANS, ROOT, PlanRun, run_plans, write_bench

pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]

# What a lab waits for a meter to start, and how long a clock is watched; in real time both are shorter here.
QUICK: dict[str, dict[str, str]] = {
    "associations": {},
    "clients": {"settling_time": "2 s"},
    "security": {},
    "any_meter": {"drift_time": "20 s", "drift_limit": "200"},
}
STARTS_WITHIN_S = 30.0
OPTIONS = ("host", "port", "baud", "framing", "channel", "mode_e")


@dataclass
class Served:
    """A served site as a lab would write it down: a bench, and the secrets kept out of it."""

    bench: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def served() -> Iterator[Served]:
    """Serve the MCS301 with ``meterbench rig serve`` and describe it by what that prints.

    A new one for each test: a plan that used the source leaves it switched off, and the meter with it.
    """
    process = subprocess.Popen(
        [*COMMAND, "rig", "serve", "mcs301", "--json", "--seed", "5"],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield described(endpoints_of(process))
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def endpoints_of(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Return the endpoints a serving process prints as one JSON document, and then goes on serving."""
    assert process.stdout is not None
    text = ""
    while select.select([process.stdout], [], [], STARTS_WITHIN_S)[0]:
        piece = os.read(process.stdout.fileno(), 65536).decode()
        text += piece
        try:
            endpoints: list[dict[str, Any]] = json.loads(text)["endpoints"]
        except ValueError:
            if piece:
                continue
            break
        return endpoints
    raise AssertionError(f"rig serve did not print its endpoints: {text!r}")


def described(endpoints: list[dict[str, Any]]) -> Served:
    """Return the bench file of a served site, with one environment variable a secret."""
    meter: dict[str, Any] = {
        "role": "dlms_meter",
        "adapter": "dlms",
        "profile": "mcs301",
        "links": {},
        "secrets": {},
        "identity": {"serial": "30112345"},
    }
    devices: dict[str, Any] = {"meter": meter}
    site = Served(
        bench={
            "bench": "mcs301-on-a-desk",
            "provider": "local",
            "devices": devices,
            "allow": ["energise", "disconnect", "configure"],
        }
    )
    for endpoint in endpoints:
        transport = "tcp" if endpoint["kind"] == "tcp" else "serial"
        link = {"transport": transport} | {key: endpoint[key] for key in OPTIONS if key in endpoint}
        if endpoint["device"] != "meter":
            devices[endpoint["device"]] = {"role": "power_source", "adapter": "scpi_source", "link": link}
            continue
        meter["links"][endpoint["link"]] = link
        for client in endpoint["clients"]:
            for kind in ("password", "encryption_key", "authentication_key"):
                if kind in client:
                    variable = f"DESK_{client['client']}_{kind}".upper()
                    site.environment[variable] = client[kind]
                    meter["secrets"][f"{client['client']}.{kind}"] = f"env:{variable}"
    return site


def run_shipped(plan: str, bench: str, folder: Path, environment: dict[str, str] | None = None) -> PlanRun:
    """Run one of the plans that do not take hours of real time."""
    path = PLANS / f"{plan}.yaml"
    return run_plans([path], bench, folder, parameters=QUICK[plan], environment=environment)


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
