"""The provisioning plan with a person at the TMS: he works at its screens, the harness guides him."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.plan_runs import ROOT, run_plans, write_bench
from tests.scenarios.served_site import serving
from tests.scenarios.tms_user import TmsUser

PLAN = ROOT / "testplans" / "provisioning" / "i210_provisioning.yaml"
QUICK = {"quiet_time": "1 s", "load_time": "5 s", "cut_time": "2 s", "module_start": "12 s"}


@pytest.mark.slow
@pytest.mark.timeout(540)
def test_provisioning_with_a_person_at_the_tms_ends_as_with_an_adapter(tmp_path: Path) -> None:
    """Same plan, same verdicts; and the PIN he was told of is in nothing that is left."""
    with serving("i210") as served:
        devices = served.bench["devices"]
        screens = devices["tms"]["link"]
        environment = served.environment
        token, pin = environment["DESK_TMS_TOKEN"], environment["DESK_TMS_PIN"]
        user = TmsUser(screens["url"], screens["server_name"], token=token, pin=pin)
        devices["tms"] |= {
            "adapter": "operator",
            "link": {"transport": "terminal", "device": user.person.device, "answer_s": 60},
            "secrets": {"pin": "env:DESK_TMS_PIN"},
        }
        devices["source"].setdefault("identity", {"serial": "1"})
        bench = write_bench(tmp_path / "bench.yaml", served.bench)
        with user.person:
            real = run_plans(
                [PLAN],
                str(bench),
                tmp_path / "real",
                parameters=QUICK,
                environment=environment,
                timeout_s=500,
            )
    virtual = run_plans([PLAN], "virtual:i210", tmp_path / "virtual", parameters=QUICK)
    assert real.verdicts == virtual.verdicts, real.output
    assert set(real.verdicts.values()) == {"passed"}, real.output
    assert {"identify", "unit entry", "remove unit", "provision", "search events"} <= set(user.tasks)
    left = [path for path in (tmp_path / "real").rglob("*") if path.is_file()]
    assert [path.name for path in left if path.name == "tms-main.log"]
    assert pin not in user.person.screen
    assert [path.name for path in left if pin.encode() in path.read_bytes()] == []
