"""What becomes of a case by what a person answers: passes, missing evidence, and secrets typed by mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import registry
from adapters.errors import BenchError
from harness.bench import open_bench
from harness.plan_compiler import compile_plan
from harness.records import CaseRecord
from harness.runner import CaseRunner
from harness.scrub import Scrubber
from harness.verdicts import Verdict
from tests.adapters.operator_person import Person, Script, willing

PIN = "47110815"
PLAN = """\
plan: read-off
title: A person at the TMS
source: none
bench: virtual:i210
needs: {tms: provisioning_head_end}
cases:
  - id: R-1
    title: Listed
    steps:
      - do: tms.unit_entry
        with: {unit: "0012345678"}
        expect: {known: "yes", group: Registration Group}
  - id: R-2
    title: Not provisioned
    steps:
      - do: tms.collect_data
        with: {unit: "0012345678"}
        expect: {refused: not-provisioned}
"""


def ran(tmp_path: Path, person: Person, number: int = 1, *, rest: str = "") -> CaseRecord:
    """Run one case with the person at the TMS, and leave the transcript in ``wire``."""
    plan, file = tmp_path / "plan.yaml", tmp_path / "bench.yaml"
    plan.write_text(PLAN, encoding="utf-8")
    file.write_text(
        "bench: desk\nprovider: local\ndevices:\n  tms:\n"
        "    role: provisioning_head_end\n    adapter: operator\n"
        f"    link: {{transport: terminal, device: {person.device}, answer_s: 20}}\n{rest}",
        encoding="utf-8",
    )
    compiled = compile_plan(plan)
    with person:
        live = open_bench(str(file), wire_dir=tmp_path / "wire", scrubber=Scrubber())
        try:
            return CaseRunner(live, compiled).run(compiled.cases[number - 1])
        finally:
            live.close()


def transcript(tmp_path: Path) -> str:
    """Return the transcript of what was said."""
    return (tmp_path / "wire" / "tms-main.log").read_text("utf-8")


def test_case_answered_as_expected_passes_with_the_conversation_as_evidence(tmp_path: Path) -> None:
    """What was asked and answered is kept, with its time, as text."""
    record = ran(tmp_path, Person(Script("yes", "Registration Group", "2", "1", "-", "1", "")))
    assert record.verdict is Verdict.passed, record.message
    said = transcript(tmp_path)
    assert "Where: Master List > Registration Group" in said
    assert "<-  19 octets  | Registration Group\n" in said
    assert "\x1b" not in said
    assert "1b 5b" not in said  # lines, not octets


def test_case_that_needs_what_is_not_shown_is_inconclusive(tmp_path: Path) -> None:
    """The device is not blamed for what a screen leaves out."""
    record = ran(tmp_path, Person(Script("yes", "", "", "", "", "", "")))
    assert record.verdict is Verdict.inconclusive
    assert "group is not shown to the operator" in record.message


def test_case_that_does_not_need_what_is_not_shown_passes(tmp_path: Path) -> None:
    """Nor is it spoilt by what nobody asks for."""
    record = ran(tmp_path, Person(Script("yes", "Registration Group", "", "", "", "", "")))
    assert record.verdict is Verdict.passed, record.message


def test_case_refused_as_expected_passes(tmp_path: Path) -> None:
    """A negative test asks for the system's own no."""
    record = ran(tmp_path, willing("s", "not-provisioned", ""), 2)
    assert record.verdict is Verdict.passed, record.message


def test_case_that_expects_a_refusal_does_not_pass_by_what_is_not_shown(tmp_path: Path) -> None:
    """Enter at every question is no refusal; the message tells what was seen, and what was not."""
    record = ran(tmp_path, Person(lambda prompt: ""), 2)
    assert record.verdict is Verdict.failed
    assert "readings: not seen" in record.message


def test_case_that_hurts_a_system_the_bench_does_not_name_asks_nobody(tmp_path: Path) -> None:
    """Allowed, but the bench file gives no serial number: nothing is asked for."""
    plan = PLAN.replace("tms.collect_data", "tms.set_pin").replace(
        "{refused: not-provisioned}", "{saved: yes}"
    )
    person = Person(Script())
    file = tmp_path / "set-pin.yaml"
    file.write_text(plan, encoding="utf-8")
    bench = tmp_path / "bench.yaml"
    bench.write_text(
        "bench: desk\nprovider: local\nallow: [configure]\ndevices:\n"
        f"  tms: {{role: provisioning_head_end, adapter: operator, "
        f"link: {{transport: terminal, device: {person.device}}}}}\n",
        encoding="utf-8",
    )
    compiled = compile_plan(file)
    with person:
        live = open_bench(str(bench))
        record = CaseRunner(live, compiled).run(compiled.cases[1])
        live.close()
    assert record.verdict is Verdict.bench_error
    assert "gives no serial number for tms" in record.message
    assert person.prompts == []


def test_secret_typed_by_mistake_is_in_nothing_that_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the record and not in the transcript; and he is told."""
    monkeypatch.setenv("DESK_PIN", PIN)
    person = Person(Script("yes", PIN, "Registration Group", "2", "1", "-", "1", ""))
    record = ran(tmp_path, person, rest="    secrets: {pin: 'env:DESK_PIN'}\n")
    assert record.verdict is Verdict.passed, record.message
    said = transcript(tmp_path)
    assert PIN not in said
    assert PIN not in str(record)
    assert "never typed here" in said


def test_registry_gives_the_operator_of_a_role() -> None:
    """One name in the bench file, a class for each role."""
    assert registry.adapter("operator", "path_switch").role == "path_switch"
    assert registry.adapter("operator").role == "any role"
    with pytest.raises(BenchError, match="no role 'toaster'"):
        registry.adapter("operator", "toaster")
