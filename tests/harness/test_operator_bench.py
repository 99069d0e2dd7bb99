"""A bench with a person on it: what he is asked, what he is not, and what becomes of the case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from adapters.devices.operator.fit import misfits
from adapters.profiles.operator_model import load_operator_profile
from harness.bench import open_bench
from harness.interrupts import Interrupts
from harness.plan_compiler import compile_plan
from harness.records import CaseRecord
from harness.runner import CaseRunner
from harness.verdicts import Verdict
from tests.adapters.operator_person import LEAVES, Person, Script

ROOT = Path(__file__).parents[2]
PLAN = """\
plan: by-hand
title: Somebody saves a PIN
source: none
bench: virtual:i210
needs: {tms: provisioning_head_end, paths: path_switch}
cases:
  - id: H-1
    title: It is saved
    steps:
      - do: tms.set_pin
        with: {unit: "77"}
        expect: {saved: "yes"}
    always:
      - do: paths.close_path
        with: {path: antenna}
"""
CLOSED = ("", "yes")
"""What he answers when he is asked to close the path."""


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    """Take signals as a run does."""
    taken = Interrupts()
    taken.install()
    yield taken
    taken.restore()


def ran(
    tmp_path: Path, person: Person, *, allow: str = "configure", interrupts: Interrupts | None = None
) -> CaseRecord:
    """Run the case on a bench where the person is everything."""
    link = {"transport": "terminal", "device": person.device, "answer_s": 0.3 if allow == "nobody" else 20}
    devices: dict[str, dict[str, object]] = {
        "tms": {"role": "provisioning_head_end", "adapter": "operator", "identity": {"serial": "TMS-1"}},
        "paths": {"role": "path_switch", "adapter": "operator"},
    }
    bench = {
        "bench": "desk",
        "provider": "local",
        "allow": ["configure"] if allow else [],
        "devices": {name: entry | {"link": dict(link)} for name, entry in devices.items()},
    }
    plan, file = tmp_path / "plan.yaml", tmp_path / "bench.yaml"
    plan.write_text(PLAN, encoding="utf-8")
    file.write_text(yaml.safe_dump(bench), encoding="utf-8")
    compiled = compile_plan(plan)
    live = open_bench(str(file))
    try:
        return CaseRunner(live, compiled, interrupts=interrupts).run(compiled.cases[0])
    finally:
        live.close()


def test_operator_step_that_hurts_is_asked_for_after_the_identity(tmp_path: Path) -> None:
    """First which device this is, then the step; the plan judges the answer."""
    with Person(Script("TMS-1", "", "77", "yes", *CLOSED)) as person:
        record = ran(tmp_path, person)
    assert record.verdict is Verdict.passed, record.message
    assert person.read.index("tms: identify") < person.read.index("tms: set pin")


def test_operator_answer_that_is_not_what_the_plan_expects_fails_the_case(tmp_path: Path) -> None:
    """He is the device's mouth: what he reads off is judged."""
    with Person(Script("TMS-1", "", "77", "no", *CLOSED)) as person:
        record = ran(tmp_path, person)
    assert record.verdict is Verdict.failed


def test_operator_at_another_device_is_not_asked_to_change_it(tmp_path: Path) -> None:
    """Another serial number than the bench's: the bench's mistake, and nothing was asked for."""
    with Person(Script("TMS-2", "", *CLOSED)) as person:
        record = ran(tmp_path, person)
    assert (record.verdict, "nothing was sent" in record.message) == (Verdict.bench_error, True)
    assert "tms: set pin" not in person.read
    assert "TMS-1" not in person.read


def test_operator_on_a_bench_that_does_not_allow_it_is_asked_nothing(tmp_path: Path) -> None:
    """What is absent from `allow` is refused before anybody is disturbed."""
    with Person(Script()) as person:
        record = ran(tmp_path, person, allow="")
    assert (record.verdict, person.prompts) == (Verdict.skipped, [])


def test_operator_who_cannot_do_it_skips_the_case(tmp_path: Path) -> None:
    """``x``: this system does not have it, says the report."""
    with Person(Script("TMS-1", "", "x", "no licence", *CLOSED)) as person:
        record = ran(tmp_path, person)
    assert (record.verdict, "no licence" in record.message) == (Verdict.skipped, True)


def test_operator_who_is_not_there_is_a_bench_error(tmp_path: Path) -> None:
    """Silence at a terminal blames no device."""
    with Person(lambda prompt: LEAVES) as person:
        record = ran(tmp_path, person, allow="nobody")
    assert (record.verdict, "nobody answered" in record.message) == (Verdict.bench_error, True)


def test_operator_ctrl_c_aborts_the_case_and_always_is_done(tmp_path: Path, interrupts: Interrupts) -> None:
    """He stops the run at a question, and is still asked to close the path."""
    with Person(Script("TMS-1", "", "\x03", *CLOSED)) as person:
        record = ran(tmp_path, person, interrupts=interrupts)
    assert record.verdict is Verdict.aborted
    assert "Connect the path “antenna” again" in person.read


def test_operator_profile_shown_in_the_documentation_fits_its_role(tmp_path: Path) -> None:
    """Who copies it does not begin with a mistake."""
    text = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    shown = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.S) if block.startswith("profile:")]
    file = tmp_path / "our-tms.yaml"
    file.write_text(shown[0], encoding="utf-8")
    profile = load_operator_profile(file)
    assert list(misfits(profile.role, profile)) == []
