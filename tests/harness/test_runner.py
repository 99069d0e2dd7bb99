"""The runner: how a case ends, and what the sinks see of it. No pytest plug-in involved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.errors import BenchError
from harness.interrupts import Interrupts
from harness.plan import Reference, Template
from harness.plan_compiler import compile_plan
from harness.records import CaseRecord
from harness.references import shown_argument
from harness.runner import CaseRunner
from harness.steps import Steps
from harness.verdicts import Verdict
from tests.harness.fake_bench import FakeBench

HEAD = """\
plan: fake
title: A plan for the runner's tests
source: none
bench: fake
needs: {meter: meter, source: power_source}
cases:
"""


@pytest.fixture
def bench() -> Iterator[FakeBench]:
    """A live bench of the tests."""
    made = FakeBench()
    yield made
    made.close()


def run(tmp_path: Path, bench: FakeBench, case: str, **options: object) -> CaseRecord:
    """Compile one case and run it."""
    path = tmp_path / "testplans" / "fake.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD + case)
    plan = compile_plan(path)
    return CaseRunner(bench, plan, **options).run(plan.cases[0])  # type: ignore[arg-type]


def test_case_whose_expectations_hold_passes(tmp_path: Path, bench: FakeBench) -> None:
    """A step calls the device over its wire and its checks are recorded."""
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Read the energy
    steps:
      - do: meter.read_register
        with: {name: energy}
        expect: {value: {between: [123, 124]}}
""",
    )
    assert (Verdict.passed, "") == (record.verdict, record.message)
    [step] = record.steps
    assert bench.model.heard == ["read energy"]
    assert [check.passed for check in step.checks] == [True]
    assert step.started is not None
    assert step.ended is not None
    assert pytest.approx((step.ended - step.started).total_seconds(), abs=0.01) == 0.05


def test_case_with_a_failed_check_fails_naming_behaviour_and_still_runs_always(
    tmp_path: Path, bench: FakeBench
) -> None:
    """The message names behaviour, expected and actual; later steps are recorded as not run."""
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Read the energy
    verifies: [DL-CLI-01]
    steps:
      - do: meter.read_register
        with: {name: energy}
        expect: {value: {equals: 5}}
      - do: meter.read_register
        with: {name: power}
    always:
      - do: meter.identify
""",
    )
    assert Verdict.failed is record.verdict
    assert record.message.startswith("DL-CLI-01: ")
    assert "123.456" in record.message
    assert bench.model.heard == ["read energy", "identify"]
    verdicts = [(step.phase, step.verdict) for step in record.steps]
    assert [("steps", Verdict.failed), ("steps", Verdict.skipped), ("always", Verdict.passed)] == verdicts


def test_case_with_an_unexpected_refusal_fails(tmp_path: Path, bench: FakeBench) -> None:
    """A device that says no where nobody asked for it broke a requirement."""
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Read nothing
    verifies: [DL-CLI-02]
    steps:
      - do: meter.read_register
        with: {name: nothing}
""",
    )
    assert Verdict.failed is record.verdict
    assert "DL-CLI-02" in record.message
    assert "object-undefined" in record.message


def test_case_that_expects_a_refusal_passes_when_it_comes(tmp_path: Path, bench: FakeBench) -> None:
    """A refusal is an outcome that ``expect`` can ask for."""
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Read nothing
    steps:
      - do: meter.read_register
        with: {name: nothing}
        expect: {refused: object-undefined}
""",
    )
    assert (Verdict.passed, "") == (record.verdict, record.message)


ASK_ONCE = """\
  - id: A-1
    title: Read
    verifies: [DL-CLI-02]
    steps:
      - do: meter.read_register
        with: {name: NAME}
"""


@pytest.mark.parametrize(
    ("doubtful", "name", "verdict", "asked"),
    [
        (True, "energy", Verdict.inconclusive, 2),  # refused once, then done: a bent octet, or it falters
        (True, "nothing", Verdict.failed, 2),  # refused for good
        (False, "energy", Verdict.failed, 1),  # a checksum vouches for the refusal
    ],
)
def test_case_with_a_doubtful_refusal_fails_when_it_comes_again(
    tmp_path: Path, bench: FakeBench, doubtful: bool, name: str, verdict: Verdict, asked: int
) -> None:
    """A refusal that one bent octet may have made is asked for once more; a wire never blames the device."""
    bench.model.now_s, bench.model.refuse_until_s = bench.clock.monotonic_s, 0.01
    bench.adapter.doubtful = doubtful
    record = run(tmp_path, bench, ASK_ONCE.replace("NAME", name))
    assert record.verdict is verdict, record.message
    assert bench.model.heard == [f"read {name}"] * asked
    if verdict is Verdict.inconclusive:
        assert "busy" in record.message
        assert "asked once more, it was done" in record.message
        assert "DL-CLI-02" not in record.message


def test_case_that_expects_a_doubtful_refusal_asks_once(tmp_path: Path, bench: FakeBench) -> None:
    """A negative test does what the plan says and no more: refusals are counted by some devices."""
    bench.adapter.doubtful = True
    record = run(
        tmp_path, bench, ASK_ONCE.replace("NAME", "nothing") + "        expect: {refused: object-undefined}\n"
    )
    assert (Verdict.passed, "") == (record.verdict, record.message)
    assert bench.model.heard == ["read nothing"]


def test_case_with_a_silent_line_is_a_bench_error(tmp_path: Path, bench: FakeBench) -> None:
    """A dead wire never reads as a failure of the device, so the message names no behaviour."""
    bench.model.silent = True
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Read the energy
    verifies: [DL-CLI-01]
    steps:
      - do: meter.read_register
        with: {name: energy}
""",
    )
    assert Verdict.bench_error is record.verdict
    assert "ReadTimeout" in record.message
    assert "DL-CLI-01" not in record.message


def test_bench_error_in_always_does_not_hide_the_failure(tmp_path: Path, bench: FakeBench) -> None:
    """The verdict stays the device's; the trouble while cleaning up is told beside it."""

    class Dying:
        def __getattr__(self, name: str) -> object:
            raise BenchError("the relay card is gone")

    bench.devices = {"meter": bench.adapter, "source": Dying()}
    bench.identity_expected = {}
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Read the energy
    verifies: [DL-CLI-01]
    steps:
      - do: meter.read_register
        with: {name: energy}
        expect: {value: {equals: 5}}
    always:
      - do: source.switch_off
      - do: meter.identify
""",
    )
    assert Verdict.failed is record.verdict
    assert "the relay card is gone" in record.message
    assert [Verdict.failed, Verdict.bench_error, Verdict.passed] == [step.verdict for step in record.steps]


def test_bench_error_in_always_of_a_passing_case_is_its_verdict(tmp_path: Path, bench: FakeBench) -> None:
    """A case whose clean-up broke cannot be signed as passed."""

    class Dying:
        def __getattr__(self, name: str) -> object:
            raise BenchError("the relay card is gone")

    bench.devices = {"meter": bench.adapter, "source": Dying()}
    bench.identity_expected = {}
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Read the energy
    steps:
      - do: meter.read_register
        with: {name: energy}
    always:
      - do: source.switch_off
""",
    )
    assert Verdict.bench_error is record.verdict


def test_case_without_permission_is_skipped_saying_what_to_allow(tmp_path: Path, bench: FakeBench) -> None:
    """Nothing at all is sent, not even the always steps."""
    bench.allow = frozenset()
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Switch on
    steps:
      - do: source.switch_on
    always:
      - do: meter.identify
""",
    )
    assert Verdict.skipped is record.verdict
    assert "energise" in record.message
    assert "fake.yaml" in record.message
    assert bench.model.heard == []


def test_destructive_step_reads_the_identity_back_first_and_once(tmp_path: Path, bench: FakeBench) -> None:
    """The serial number is read in this case, before the first destructive step."""
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Switch on and off
    steps:
      - do: source.switch_on
      - do: source.switch_off
""",
    )
    assert (Verdict.passed, "") == (record.verdict, record.message)
    assert bench.model.heard == ["identify", "on", "off"]
    assert record.steps[0].steps[0].title == "Read back the identity of source"


def test_wrong_device_gets_nothing_destructive_not_even_in_always(tmp_path: Path, bench: FakeBench) -> None:
    """A meter with another serial number is a bench error, and only ``identify`` has reached it."""
    bench.model.serial = "SOMEBODY-ELSES"
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Switch on
    steps:
      - do: source.switch_on
    always:
      - do: source.switch_off
""",
    )
    assert Verdict.bench_error is record.verdict
    assert "SOMEBODY-ELSES" in record.message
    assert bench.model.heard == ["identify"]


def test_step_within_is_repeated_until_it_holds(tmp_path: Path, bench: FakeBench) -> None:
    """A device that is busy for 20 minutes passes ``within: 30 min``, in virtual time."""
    bench.model.refuse_until_s = 1200
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Wait for the energy
    steps:
      - do: meter.read_register
        with: {name: energy}
        within: 30 min
        expect: {value: {at_least: 100}}
""",
    )
    assert (Verdict.passed, "") == (record.verdict, record.message)
    duration = record.steps[0].checks[-1]
    assert duration.name == "duration"
    assert "attempts" in duration.actual
    assert 1200 <= bench.clock.monotonic_s() <= 1211


def test_step_within_that_never_holds_fails_at_the_deadline(tmp_path: Path, bench: FakeBench) -> None:
    """The message keeps the device's own last word and says how long was waited."""
    bench.model.refuse_until_s = 1e9
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Wait for the energy
    verifies: [DL-CLI-01]
    steps:
      - do: meter.read_register
        with: {name: energy}
        within: 1 min
""",
    )
    assert Verdict.failed is record.verdict
    assert "busy" in record.message
    assert "60 s" in record.message
    assert 60 <= bench.clock.monotonic_s() <= 62


def test_destructive_step_within_is_never_repeated(tmp_path: Path, bench: FakeBench) -> None:
    """A lost answer to a destructive command must not send it twice."""
    bench.model.serial = "MB000042"
    heard = bench.model.heard

    def refuse(request: str) -> str:
        return "serial MB000042" if request == "identify" else "no busy"

    bench.model.answer = refuse  # type: ignore[method-assign]
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Switch on
    steps:
      - do: source.switch_on
        within: 1 min
""",
    )
    assert Verdict.failed is record.verdict
    assert heard == ["identify", "on"]


def test_signal_aborts_the_case_and_always_runs(tmp_path: Path, bench: FakeBench) -> None:
    """A request to stop ends the case as aborted; always steps run and the request does not reach them."""
    interrupts = Interrupts()
    answer = bench.model.answer

    def stop(request: str) -> str:
        if request == "read energy":
            interrupts.request("SIGTERM")
        return answer(request)

    bench.model.answer = stop  # type: ignore[method-assign]
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Read twice
    steps:
      - do: meter.read_register
        with: {name: energy}
      - do: meter.read_register
        with: {name: power}
    always:
      - do: meter.identify
""",
        interrupts=interrupts,
    )
    assert Verdict.aborted is record.verdict
    assert "SIGTERM" in record.message
    assert bench.model.heard == ["read energy", "identify"]
    assert Verdict.passed is record.steps[-1].verdict


def test_secret_in_a_devices_answer_reaches_no_sink(tmp_path: Path, bench: FakeBench) -> None:
    """What a device echoes is scrubbed before anybody keeps it."""
    from harness.scrub import Scrubber

    bench.model.registers["energy"] = "s3cret-pass"
    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Read the energy
    steps:
      - do: meter.read_register
        with: {name: energy}
""",
        scrubber=Scrubber({"password": "s3cret-pass"}),
    )
    assert Verdict.passed is not record.verdict
    assert "s3cret" not in repr(record)


def test_finisher_that_breaks_costs_the_pass_and_no_more(tmp_path: Path, bench: FakeBench) -> None:
    """A transcript that cannot be attached is a bench error in words, not a lost case."""

    def broken(steps: Steps) -> None:
        raise OSError("no space left")

    record = run(
        tmp_path,
        bench,
        """\
  - id: A-1
    title: Read the energy
    steps:
      - do: meter.identify
""",
        finishers=(broken,),
    )
    assert Verdict.bench_error is record.verdict
    assert "no space left" in record.message


def test_step_arguments_in_the_report_are_values_and_not_references() -> None:
    """A saved value stands in place of its reference; what is no value is shown by its name."""
    saved = {"job": {"job": "P-1"}}
    assert shown_argument(Reference(path=("job", "job")), saved) == "P-1"
    assert shown_argument(Reference(path=("job",)), saved) == "${job}"
    assert shown_argument(Reference(path=("later", "x")), saved) == "${later.x}"
    assert shown_argument(Template(parts=("unit ", Reference(path=("job", "job")))), saved) == "unit P-1"
    assert shown_argument("plain", saved) == "plain"
