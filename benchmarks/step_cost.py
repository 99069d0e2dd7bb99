"""What one plan step costs in CPU, journal and Allure included, beside a bare allure-pytest step.

Both sides run in pytest processes of their own, once with few steps a case and once with many; the
difference in CPU time divided by the difference in steps is the cost of a step, start-up cancelled out. Our
step does what a plan does: call a role method, evaluate two expectations, scrub, journal, record. The device
is a plain object, so no wire is in the figure. The bare step is ``with allure.step(...)`` around the same
call and two asserts.

    python benchmarks/step_cost.py [--json]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
CASES, FEW, MANY, ROUNDS = 10, 10, 210, 3
BARE_TIMES = 10  # a bare step is so cheap that its sum has to be larger to stand out of the start-up's noise
BUDGET_MS = 2.5

CONFTEST = f"""\
import sys
sys.path.insert(0, {str(ROOT)!r})
from dataclasses import dataclass, field
from decimal import Decimal
from adapters.clock import WallClock
from adapters.roles import Identity, RegisterReading
from harness.bench_port import NoBench

class Meter:
    def identify(self):
        return Identity(serial="1")
    def read_register(self, name):
        return RegisterReading(name=name, value=Decimal("123.456"), unit="Wh", raw=123456, scaler=-3)

def open_bench(bench, *, scrubber, **options):
    for number in range(6):
        scrubber.add(f"meter.key{{number}}", bytes(range(number, number + 16)).hex())
    return NoBench(name="bench-in-memory", devices={{"meter": Meter()}}, roles={{"meter": "meter"}})

def pytest_configure(config):
    config.meterbench_open_bench = open_bench
"""
HEAD = "plan: cost\ntitle: Cost\nsource: none\nbench: memory\nneeds: {meter: meter}\ncases:\n"
STEP = (
    "      - {do: meter.read_register, with: {name: energy},"
    " expect: {value: {between: [123, 124]}, unit: {equals: Wh}}}\n"
)
BARE = """\
import allure, pytest
from conftest import Meter
@pytest.mark.parametrize("case", range({cases}))
def test_case(case):
    meter = Meter()
    for number in range({steps}):
        with allure.step("meter.read_register"):
            reading = meter.read_register("energy")
            with allure.step("value"):
                assert 123 <= reading.value <= 124
            with allure.step("unit"):
                assert reading.unit == "Wh"
"""


def cpu_s(folder: Path, *arguments: str) -> float:
    """Return the CPU time of one pytest process."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.stdout.read() if process.stdout is not None else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(output.decode())
    return usage.ru_utime + usage.ru_stime


def measure(folder: Path, steps: int) -> tuple[float, float]:
    """Return the CPU time of our side and of the bare one, for cases with this many steps."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "testplans").mkdir()
    cases = "".join(f"  - id: C-{n}\n    title: t\n    steps:\n{STEP * steps}" for n in range(CASES))
    (folder / "testplans" / "cost.yaml").write_text(HEAD + cases)
    (folder / "test_bare.py").write_text(BARE.format(cases=CASES, steps=steps * BARE_TIMES))
    # The plan is compiled before it runs; that is paid once, not by each step, and is taken out here.
    plan = cpu_s(folder, "testplans") - cpu_s(folder, "testplans", "--collect-only")
    bare = cpu_s(folder, "test_bare.py", "--alluredir=results", "-p", "no:meterbench")
    return plan, bare - cpu_s(folder, "test_bare.py", "--collect-only", "-p", "no:meterbench")


def main() -> None:
    """Measure and print both costs and their ratio."""
    samples = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            few, many = measure(Path(one), FEW), measure(Path(two), MANY)
        steps = CASES * (MANY - FEW)
        counts = (steps, steps * BARE_TIMES)
        samples.append([(many[side] - few[side]) / counts[side] * 1000 for side in (0, 1)])
    ours_ms, bare_ms = (median(sample[side] for sample in samples) for side in (0, 1))
    result = {
        "benchmark": "step_cost",
        "ours_ms": round(ours_ms, 3),
        "bare_allure_ms": round(bare_ms, 3),
        "ratio": round(ours_ms / bare_ms, 2),
        "budget_ms": BUDGET_MS,
        "within_budget": ours_ms <= BUDGET_MS,
    }
    if "--json" in sys.argv:
        print(json.dumps(result))
        return
    print(f"plan step, journal and Allure on: {ours_ms:.3f} ms CPU (budget {BUDGET_MS} ms)")
    print(f"bare allure-pytest step:          {bare_ms:.3f} ms CPU; {ours_ms / bare_ms:.1f} times that")


if __name__ == "__main__":
    main()
