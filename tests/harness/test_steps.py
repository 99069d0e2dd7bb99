"""Steps, checks and measurements as a Python procedure records them."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest

from harness.interrupts import Interrupts
from harness.records import Attachment, CaseRecord, Check, StepRecord
from harness.scrub import Scrubber
from harness.steps import Steps
from harness.verdicts import Aborted, CheckFailed, Verdict


class Heard:
    """A sink that keeps the names of what it was told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def case_started(self, record: CaseRecord) -> None:
        """Keep it."""
        self.events.append(f"case {record.key}")

    def step_started(self, step: StepRecord, depth: int) -> None:
        """Keep it."""
        self.events.append(f"{depth} > {step.title}")

    def checked(self, step: StepRecord, check: Check) -> None:
        """Keep it."""
        self.events.append(f"check {check.name} {check.passed}")

    def attached(self, step: StepRecord | None, attachment: Attachment) -> None:
        """Keep it."""
        self.events.append(f"attached {attachment.name} to {step.title if step else 'the case'}")

    def step_ended(self, step: StepRecord, depth: int) -> None:
        """Keep it."""
        self.events.append(f"{depth} < {step.title} {step.verdict}")

    def case_ended(self, record: CaseRecord) -> None:
        """Keep it."""
        self.events.append(f"end {record.key}")


def made(**options: object) -> tuple[Steps, Heard]:
    """Return Steps of a case and the sink that listens."""
    heard = Heard()
    record = CaseRecord(key="A", title="t", plan="p", verifies=("DL-CLI-01",))
    return Steps(record, [heard], **options), heard  # type: ignore[arg-type]


def test_nested_steps_reach_the_sinks_in_order() -> None:
    """Each step ends before the one around it, and evidence lands on the open one."""
    steps, heard = made()
    with steps("outer"):
        with steps("inner", n=1):
            steps.check("a", expected=1, actual=1)
        steps.attach("note", "text/plain", data="x")
    assert heard.events == [
        "0 > outer",
        "1 > inner",
        "check a True",
        "1 < inner passed",
        "attached note to outer",
        "0 < outer passed",
    ]


def test_check_that_fails_names_behaviour_expected_and_actual() -> None:
    """The message is all a lab engineer needs."""
    steps, heard = made()
    with (
        pytest.raises(CheckFailed, match=r"^DL-CLI-01: association: expected granted, got refused$"),
        steps("s"),
    ):
        steps.check("association", expected="granted", actual="refused")
    assert heard.events[-1] == "0 < s failed"


@pytest.mark.parametrize(
    ("value", "low", "high", "passed"),
    [
        ("229", 229, 231, True),
        ("231.0", "229", "231", True),
        ("231.01", 229, 231, False),
        ("5", None, 4, False),
        ("5", 6, None, False),
        ("5", None, None, True),
        ("NaN", 1, 9, False),
    ],
)
def test_measurement_is_inside_or_fails(value: str, low: object, high: object, passed: bool) -> None:
    """Limits belong to the range; not-a-number is inside of nothing."""
    steps, heard = made()
    try:
        with steps("s"):
            assert steps.measure("u", value, "V", low=low, high=high).compare_total(Decimal(value)) == 0  # type: ignore[arg-type]
    except CheckFailed:
        pass
    assert heard.events[1] == f"check u {passed}"


def test_texts_are_scrubbed_before_any_sink_sees_them() -> None:
    """A secret in a title, an argument or a check is gone, and a lone surrogate is visible."""
    steps, heard = made(scrubber=Scrubber({"pw": "hunter22"}))
    with steps("log in with hunter22", password="hunter22"):
        steps.check("echo \udc80", expected="x", actual="hunter22", passed=True)
    assert "hunter22" not in repr(steps.record)
    assert "hunter22" not in repr(heard.events)
    assert steps.record.steps[0].checks[0].name == "echo \\udc80"


def test_interrupt_closes_every_open_step_as_aborted() -> None:
    """Whatever was open when a signal struck is aborted, never passed."""
    steps, _ = made()
    with suppress(Aborted), steps("outer"):
        steps.begin(steps.new_step("inner", {}))
        raise Aborted("SIGTERM")
    outer = steps.record.steps[0]
    assert (outer.verdict, outer.steps[0].verdict) == (Verdict.aborted, Verdict.aborted)


def test_signal_waits_until_evidence_is_written() -> None:
    """A request during the writing of evidence strikes right after it, once."""
    interrupts = Interrupts()
    reached = []
    with suppress(Aborted), interrupts.armed():
        with interrupts.shielded():
            interrupts.request("SIGTERM")
            reached.append("written")
        reached.append("beyond")
    assert reached == ["written"]


def test_first_signal_on_a_virtual_bench_waits_for_the_step_and_the_second_does_not() -> None:
    """The simulated world is not torn apart by the first request."""
    interrupts = Interrupts()
    interrupts.eager = False
    reached = []
    with suppress(Aborted), interrupts.armed():
        interrupts.request("SIGINT")
        reached.append("step finished")
        interrupts.request("SIGINT")
        reached.append("beyond")
    assert reached == ["step finished"]
    with pytest.raises(Aborted):
        interrupts.check()
