"""Runs one case: permission, steps, ``always`` steps, verdict. No pytest in here.

Order of events. The permission of the bench is checked; without it the case is skipped and nothing at all is
done. Then the steps run until one does not hold; those after it are recorded as not run. The ``always`` steps
run however that ended, every one of them, and no signal interrupts them. What goes wrong in ``always`` is
recorded in its step and in the message, but it decides the verdict only where the steps themselves passed: a
bench error while cleaning up must not hide that the device failed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from adapters.clock import WallClock
from adapters.errors import LabError, Refused
from harness import actions, limits, rules
from harness.bench_port import Bench
from harness.interlocks import IdentityCheck, check_permission
from harness.interrupts import Interrupts
from harness.plan import Case, Plan, Step
from harness.records import CaseRecord, Check, Sink, StepRecord
from harness.references import shown_argument
from harness.rules import Watch
from harness.run_folder import Evidence
from harness.scrub import Scrubber
from harness.steps import Steps, close_case, failure_sentence, open_case
from harness.verdicts import CheckFailed, Inconclusive, NotAllowed, Verdict, verdict_of
from harness.waiting import TooLate, attempt_within
from harness.wording import error_text


class CaseRunner:
    """Runs the cases of one plan on one bench, one after the other.

    ``finishers`` are called with a case's Steps after its last step, to attach evidence; ``poll_s`` replaces
    the interval at which a step with ``within`` is repeated.
    """

    def __init__(
        self,
        bench: Bench,
        plan: Plan,
        sinks: Sequence[Sink] = (),
        *,
        scrubber: Scrubber | None = None,
        evidence: Evidence | None = None,
        interrupts: Interrupts | None = None,
        broken: frozenset[str] = frozenset(),
        finishers: Sequence[Callable[[Steps], None]] = (),
        poll_s: float | None = None,
    ) -> None:
        self.bench, self.plan = bench, plan
        self._sinks = tuple(sinks)
        self._scrubber = scrubber if scrubber is not None else Scrubber()
        self._evidence = evidence if evidence is not None else Evidence(None, self._scrubber)
        self._interrupts = interrupts if interrupts is not None else Interrupts()
        self._interrupts.eager = isinstance(bench.clock, WallClock)
        self._broken = broken
        self._finishers = tuple(finishers)
        self._poll_s = poll_s

    def run(
        self, case: Case, *, case_uuid: str = "", refused: tuple[Verdict, str] | None = None
    ) -> CaseRecord:
        """Run ``case`` and return its record; ``refused`` is its verdict and reason when it must not run.

        Whatever a step raises ends up in the record. Only KeyboardInterrupt and SystemExit go on from here,
        after the case has been recorded as aborted and its ``always`` steps have run.
        """
        record = self._new_record(case, case_uuid)
        steps = Steps(
            record,
            self._sinks,
            clock=self.bench.clock,
            devices=self.bench.devices,
            scrubber=self._scrubber,
            evidence=self._evidence,
            interrupts=self._interrupts,
        )
        open_case(record, self.bench.clock)
        with self._interrupts.shielded():
            for sink in self._sinks:
                sink.case_started(record)
        stop = _CaseRun(self, case, record, steps).run(refused)
        for finish in self._finishers:
            self._finish(finish, steps)
        close_case(record, self.bench.clock)
        with self._interrupts.shielded():
            for sink in self._sinks:
                sink.case_ended(record)
        if stop is not None:
            raise stop
        return record

    def _finish(self, finish: Callable[[Steps], None], steps: Steps) -> None:
        """Attach evidence; a failure to do so costs the pass (nobody can sign it) and nothing more."""
        record = steps.record
        try:
            finish(steps)
        except Exception as error:  # noqa: BLE001 - a plot or a transcript must not lose a verdict
            why = f"evidence could not be attached: {self._scrubber.text(error_text(error))}"
            record.message = f"{record.message}; {why}" if record.message else why
            if record.verdict is Verdict.passed:
                record.verdict = Verdict.bench_error

    def _new_record(self, case: Case, case_uuid: str) -> CaseRecord:
        text = self._scrubber.text
        return CaseRecord(
            key=case.key,
            title=text(case.title, 300),
            plan=self.plan.name,
            plan_title=self.plan.title,
            area=self.plan.path.parent.name,
            source=self.plan.source,
            verifies=case.verifies,
            tags=case.tags,
            row=dict(case.row),
            uuid=case_uuid or str(uuid.uuid4()),
        )


class _CaseRun:
    """The state of one case while it runs."""

    def __init__(self, runner: CaseRunner, case: Case, record: CaseRecord, steps: Steps) -> None:
        self._runner, self._case, self._record, self._steps = runner, case, record, steps
        self._bench, self._interrupts = runner.bench, runner._interrupts
        self._identity = IdentityCheck(runner.bench, runner.plan.needs)
        self._watch = Watch(broken=runner._broken)
        self._saved: dict[str, object] = {}

    def run(self, refused: tuple[Verdict, str] | None) -> BaseException | None:
        """Run steps and ``always``, fill the record, and return what must go on to the caller."""
        if refused is not None:
            self._record.verdict, self._record.message = refused[0], self._text(refused[1])
            return None
        try:
            check_permission(self._bench, self._case)
        except NotAllowed as error:
            self._record.verdict, self._record.message = Verdict.skipped, self._text(error_text(error))
            return None
        stop = self._run_steps()
        self._run_always()
        with self._interrupts.shielded():
            self._bench.end_case()
        return stop

    def _run_steps(self) -> BaseException | None:
        for number, step in enumerate(self._case.steps):
            try:
                self._interrupts.check()
                self._run_step(step)
            except BaseException as error:  # noqa: BLE001 - every way a step can end is a verdict
                self._blame(step, error)
                for left in self._case.steps[number + 1 :]:
                    self._steps.skip(left.title, "not run: the case ended before it")
                return error if isinstance(error, KeyboardInterrupt | SystemExit) else None
        return self._check_end()

    def _check_end(self) -> BaseException | None:
        """See whether the rules let the case end where it does."""
        last = self._case.steps[-1]
        found = self._watch.at_end(last)
        if not found:
            return None
        try:
            with self._steps.step("The case may end here"):
                self._steps.report(*(violation.check() for violation in found))
        except CheckFailed as error:
            self._steps.behaviours = found[0].behaviours
            self._blame(last, error)
        return None

    def _run_always(self) -> None:
        self._steps.phase = "always"
        for step in self._case.always:
            try:
                with self._interrupts.shielded():
                    self._run_step(step)
            except BaseException as error:  # noqa: BLE001 - the other always steps still have to run
                if self._record.verdict is Verdict.passed:
                    self._blame(step, error)
                else:
                    self._record.message += (
                        f"; then, in always, {step.title}: {self._text(error_text(error))}"
                    )

    def _run_step(self, step: Step) -> None:
        steps = self._steps
        steps.behaviours = step.verifies or self._case.verifies
        record = steps.new_step(step.title, self._shown(step), hurts=bool(step.hurts))
        steps.begin(record)
        try:
            if steps.phase != "always":  # clean-up is done in any order the case left it to be done in
                found = self._watch.before(step)
                wanted = rules.expected_violation(step)
                if wanted is not None:  # a deliberately wrong plan: it is flagged, and the step is not done
                    steps.report(rules.flag_check(wanted, found, steps.behaviours))
                    steps.end(record)
                    return
                steps.report(*(violation.check() for violation in found))
            self._identity.before(step, steps)
            outcome = self._do(step, record)
        except BaseException as error:
            steps.end(record, error)
            raise
        self._watch.after(step, outcome)
        if step.save and not isinstance(outcome, BaseException):
            self._saved[step.save] = outcome
        steps.end(record)

    def _shown(self, step: Step) -> dict[str, object]:
        """Return the arguments as a report shows them: saved values in place, whole results by name."""
        return {name: shown_argument(value, self._saved) for name, value in step.arguments.items()}

    def _do(self, step: Step, record: StepRecord) -> object:
        """Call the action, evaluate what came of it, and repeat while ``within`` lasts."""
        if step.within_s is None:
            outcome, checks = self._attempt(step)
            if not all(check.passed for check in checks):
                self._ask_once_more(step, outcome)
            self._steps.report(*checks)
            return outcome
        held: list[Check] = []

        def attempt() -> object:
            outcome, checks = self._attempt(step)
            held[:] = checks
            if failed := [check for check in checks if not check.passed]:
                raise CheckFailed(failure_sentence(failed))
            return outcome

        waits_itself = actions.action_of(step).takes_within
        began_s = self._bench.clock.monotonic_s()
        try:
            with self._interrupts.armed():
                outcome, attempts = attempt_within(
                    self._bench.clock,
                    attempt,
                    within_s=step.within_s,
                    poll_s=self._runner._poll_s,
                    once=waits_itself or bool(step.hurts),
                )
        except CheckFailed as error:
            for check in held:
                self._steps.note(check)
            record.message = self._text("; ".join((error_text(error), *getattr(error, "__notes__", ()))))
            if isinstance(error, TooLate):
                self._steps.note(self._duration(step.within_s, began_s, passed=False))
            raise
        for check in held:
            self._steps.note(check)
        self._steps.note(self._duration(step.within_s, began_s, passed=True, attempts=attempts))
        return outcome

    def _attempt(self, step: Step) -> tuple[object, list[Check]]:
        """Call the action once. A refusal is an outcome like another: ``expect: refused`` may ask for it."""
        outcome: object
        with self._interrupts.armed():
            try:
                outcome = actions.call(step, self._bench.devices, self._saved, self._steps)
            except Refused as refusal:
                outcome = refusal
            checks = limits.evaluate(step, outcome, self._saved, self._bench.devices)
        return outcome, [c if c.behaviours else replace(c, behaviours=self._steps.behaviours) for c in checks]

    def _ask_once_more(self, step: Step, outcome: object) -> None:
        """Raise Inconclusive where a refusal nobody vouches for does not come again.

        Without a checksum from end to end, a bent octet can look like a refusal, and a bench fault must not
        read as a failure of the device. One that comes again, or whatever else comes, leaves it as it is.
        """
        if not isinstance(outcome, Refused) or not outcome.doubtful or step.hurts:
            return
        try:
            again, _checks = self._attempt(step)
        except LabError:
            return
        if not isinstance(again, Refused):
            raise Inconclusive(
                f"{error_text(outcome)}; asked once more, it was done: the wire bent an octet that no"
                " checksum covers, or the device falters"
            )

    def _duration(self, within_s: float, began_s: float, *, passed: bool, attempts: int = 1) -> Check:
        took_s = self._bench.clock.monotonic_s() - began_s
        tries = f" ({attempts} attempts)" if attempts > 1 else ""
        return Check(
            name="duration",
            passed=passed,
            expected=f"at most {within_s:g} s",
            actual=f"{took_s:g} s{tries}",
            unit="s",
        )

    def _blame(self, step: Step, error: BaseException) -> None:
        """Write verdict and message of the case: whose fault it is, and for a device, which behaviour."""
        record = self._record
        record.verdict = verdict_of(error)
        notes = "; ".join(getattr(error, "__notes__", ()))
        message = error_text(error) + (f"; {notes}" if notes else "")
        if record.verdict is Verdict.failed:
            ids = ", ".join(self._steps.behaviours)
            if ids and message.startswith(f"{ids}: "):
                message = message[len(ids) + 2 :]
            if step.title.startswith(step.do):  # the title says it already
                message = message.removeprefix(f"{step.do}: ")
            message = (f"{ids}: " if ids else "") + f"{step.title}: {message}"
        elif record.verdict is Verdict.aborted:
            message = f"{message or 'stopped'} during step {step.title!r}"
        else:
            message = f"{step.title}: {message}"
        record.message = self._text(message)

    def _text(self, text: str) -> str:
        return self._runner._scrubber.text(text, 4000)
