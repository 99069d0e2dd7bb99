"""What a case does while it runs, told to the sinks: nested steps, checks, measurements, evidence.

A Python procedure gets a ``Steps`` as its first argument, a Python test module as the fixture ``step``::

    with run.step("Load the source", voltage_v=230):
        run.check("output", expected="on", actual=source.state)
        run.measure("voltage", reading, "V", low=229, high=231)

Every text is scrubbed here, once, so that no sink ever sees a secret or a hostile character.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from adapters.base import Clock
from adapters.clock import WallClock
from harness.interrupts import Interrupts
from harness.records import Attachment, CaseRecord, Check, Sink, StepRecord
from harness.run_folder import Evidence
from harness.scrub import Scrubber
from harness.verdicts import CheckFailed, Inconclusive, Verdict, verdict_of
from harness.wording import error_text, said

_WALL = WallClock()


class Steps:
    """Records one case. ``behaviours`` are the ids that a check names when it gives none itself."""

    def __init__(
        self,
        record: CaseRecord,
        sinks: Sequence[Sink] = (),
        *,
        clock: Clock = _WALL,
        devices: Mapping[str, object] | None = None,
        scrubber: Scrubber | None = None,
        evidence: Evidence | None = None,
        interrupts: Interrupts | None = None,
    ) -> None:
        self.record, self.clock = record, clock
        self.devices: Mapping[str, object] = devices if devices is not None else {}
        self.behaviours = record.verifies
        self.phase = "steps"
        self.scrubber = scrubber if scrubber is not None else Scrubber()
        self._sinks = tuple(sinks)
        self._evidence = evidence if evidence is not None else Evidence(None, self.scrubber)
        self._interrupts = interrupts if interrupts is not None else Interrupts()
        self._stack: list[StepRecord] = []

    def __call__(self, title: str, /, **arguments: object) -> OpenStep:
        """Same as ``step``: reads well as a fixture."""
        return self.step(title, **arguments)

    def step(self, title: str, /, **arguments: object) -> OpenStep:
        """Return a context in which one step, or a sub-step of the open one, takes place."""
        return OpenStep(self, self.new_step(title, arguments))

    def new_step(self, title: str, arguments: Mapping[str, object], *, hurts: bool = False) -> StepRecord:
        """Return a record with scrubbed texts that has not begun yet."""
        text = self.scrubber.text
        return StepRecord(
            title=text(title, 300),
            arguments={text(name, 100): text(said(value), 2000) for name, value in arguments.items()},
            phase=self.phase,
            hurts=hurts,
        )

    def check(
        self,
        name: str,
        *,
        expected: object,
        actual: object,
        passed: bool | None = None,
        behaviours: Sequence[str] = (),
    ) -> None:
        """Compare; without ``passed`` the two must be equal. Raises CheckFailed when it does not hold."""
        self.report(
            Check(
                name=name,
                passed=bool(expected == actual) if passed is None else passed,
                expected=said(expected),
                actual=said(actual),
                behaviours=tuple(behaviours),
            )
        )

    def measure(
        self,
        name: str,
        value: Decimal | float | int | str,
        unit: str,
        *,
        low: Decimal | float | int | str | None = None,
        high: Decimal | float | int | str | None = None,
        behaviours: Sequence[str] = (),
    ) -> Decimal:
        """Record a measured value and return it. Raises CheckFailed when it lies outside its limits."""
        exact, least, most = Decimal(str(value)), _decimal(low), _decimal(high)
        inside = not exact.is_nan() and (least is None or exact >= least) and (most is None or exact <= most)
        self.report(
            Check(
                name=name,
                passed=inside,
                expected=_limits(least, most, unit),
                actual=f"{exact} {unit}".strip(),
                unit=unit,
                value=exact,
                low=least,
                high=most,
                behaviours=tuple(behaviours),
            )
        )
        return exact

    def report(self, *checks: Check) -> None:
        """Record comparisons that were made elsewhere. Raises CheckFailed naming those that failed."""
        failed = [check for check in map(self.note, checks) if not check.passed]
        if failed:
            raise CheckFailed(failure_sentence(failed))

    def note(self, check: Check) -> Check:
        """Record one comparison, whatever it came to, and return it as recorded."""
        step = self._open_step()
        text = self.scrubber.text
        clean = Check(
            name=text(check.name, 300),
            passed=check.passed,
            expected=text(check.expected, 4000),
            actual=text(check.actual, 4000),
            unit=text(check.unit, 50),
            value=check.value,
            low=check.low,
            high=check.high,
            behaviours=check.behaviours or self.behaviours,
            at=check.at or self.clock.utc_now(),
        )
        step.checks.append(clean)
        step.check_after.append(len(step.steps))
        with self._interrupts.shielded():
            for sink in self._sinks:
                sink.checked(step, clean)
        return clean

    def attach(
        self, name: str, mime: str, *, data: bytes | str = b"", path: Path | None = None
    ) -> Attachment:
        """Attach evidence to the open step, or to the case where none is open."""
        body = path.read_bytes() if path is not None else data
        if isinstance(body, str):
            body = body.encode("utf-8", "backslashreplace")
        with self._interrupts.shielded():
            attachment = self._evidence.keep(name, mime, body)
            step = self._stack[-1] if self._stack else None
            (step or self.record).attachments.append(attachment)
            for sink in self._sinks:
                sink.attached(step, attachment)
        return attachment

    def inconclusive(self, why: str) -> NoReturn:
        """End the step without a verdict on the device, because evidence is missing or contradictory."""
        raise Inconclusive(why)

    def begin(self, step: StepRecord) -> None:
        """Open a step below the one that is open."""
        with self._interrupts.shielded():
            (self._stack[-1].steps if self._stack else self.record.steps).append(step)
            step.started, step.wall_started = self.clock.utc_now(), _WALL.utc_now()
            self._stack.append(step)
            for sink in self._sinks:
                sink.step_started(step, len(self._stack) - 1)

    def end(self, step: StepRecord, error: BaseException | None = None) -> None:
        """Close a step, and whatever an interrupt left open below it."""
        with self._interrupts.shielded():
            if error is not None:
                step.verdict = verdict_of(error)
                step.message = step.message or self.scrubber.text(error_text(error))
            while self._stack:
                open_step = self._stack.pop()
                if open_step is not step:
                    open_step.verdict, open_step.message = step.verdict, step.message
                open_step.ended, open_step.wall_ended = self.clock.utc_now(), _WALL.utc_now()
                for sink in self._sinks:
                    sink.step_ended(open_step, len(self._stack))
                if open_step is step:
                    return

    def skip(self, title: str, why: str) -> None:
        """Record a step that is not going to happen."""
        step = self.new_step(title, {})
        step.verdict, step.message = Verdict.skipped, why
        self.begin(step)
        self.end(step)

    def _open_step(self) -> StepRecord:
        if not self._stack:
            raise RuntimeError("check and measure belong inside a step: with run.step('...'):")
        return self._stack[-1]


class OpenStep:
    """The context of one step; its value is the Steps to call inside."""

    def __init__(self, steps: Steps, record: StepRecord) -> None:
        self._steps, self.record = steps, record

    def __enter__(self) -> Steps:
        self._steps.begin(self.record)
        return self._steps

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._steps.end(self.record, error)


def failure_sentence(failed: Sequence[Check]) -> str:
    """Return what a person wants to read: the behaviours once, then each comparison that failed."""
    ids = dict.fromkeys(behaviour for check in failed for behaviour in check.behaviours)
    who = f"{', '.join(ids)}: " if ids else ""
    return who + "; ".join(f"{c.name}: expected {c.expected}, got {c.actual}" for c in failed)


def close_case(record: CaseRecord, clock: Clock) -> None:
    """Stamp the end of a case with both clocks."""
    record.ended, record.wall_ended = _stamps(clock)


def open_case(record: CaseRecord, clock: Clock) -> None:
    """Stamp the beginning of a case with both clocks."""
    record.started, record.wall_started = _stamps(clock)


def _stamps(clock: Clock) -> tuple[datetime, datetime]:
    return clock.utc_now(), _WALL.utc_now()


def _decimal(number: Decimal | float | int | str | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def _limits(low: Decimal | None, high: Decimal | None, unit: str) -> str:
    match low, high:
        case None, None:
            return "any value"
        case None, _:
            return f"at most {high} {unit}".strip()
        case _, None:
            return f"at least {low} {unit}".strip()
        case _:
            return f"{low} to {high} {unit}".strip()
