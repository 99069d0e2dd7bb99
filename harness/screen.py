"""What is on the terminal while a run goes on: where the run is, and who has the terminal right now.

A person who is asked something must see the question and nothing else, and must know which case and step it
belongs to. So the screen is a sink that remembers where the run is, and it lends the terminal: as long as it
is lent, displays that write on it (the progress bar) stand still.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from harness.records import Attachment, CaseRecord, Check, Sink, StepRecord


@runtime_checkable
class Display(Protocol):
    """Writes on the terminal by itself, and can be stopped for a while."""

    def pause(self) -> None:
        """Take what moves off the terminal, and leave it alone."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...


class Screen:
    """Implements ``harness.records.Sink``. ``total`` is the number of cases, 0 when nobody knows."""

    def __init__(self, total: int = 0, sinks: Sequence[Sink] = ()) -> None:
        self.total = total
        self._displays = [sink for sink in sinks if isinstance(sink, Display)]
        self._lent = 0
        self._case: CaseRecord | None = None
        self._cases = 0  # begun
        self._steps = 0  # of this case
        self._begun = 0
        self._open: list[StepRecord] = []

    def expect(self, steps: int) -> None:
        """Take note of how many steps the next case has."""
        self._steps = steps

    def where(self) -> str:
        """Return which case and which step this is, and how far along: a line each, empty between cases."""
        case = self._case
        if case is None:
            return ""
        of = f" of {self.total}" if self.total else ""
        lines = [f"Case {self._cases}{of}: {case.key}  {case.title}"]
        if self._open:
            titles = " > ".join(step.title for step in self._open)
            of = f" of {self._steps}" if self._steps else ""
            clean_up = self._open[0].phase == "always"
            lines.append(f"{'Afterwards, always' if clean_up else f'Step {self._begun}{of}'}: {titles}")
        return "\n".join(lines)

    def lend(self) -> Callable[[], None]:
        """Give the terminal away, and return what to call when it comes back."""
        if not self._lent:
            for display in self._displays:
                display.pause()
        self._lent += 1
        returned = False

        def give_back() -> None:
            nonlocal returned
            if returned:
                return
            returned = True
            self._lent -= 1
            if not self._lent:
                for display in self._displays:
                    display.resume()

        return give_back

    # -- the sink

    def case_started(self, record: CaseRecord) -> None:
        """Remember the case."""
        self._case, self._open, self._begun = record, [], 0
        self._cases += 1

    def step_started(self, step: StepRecord, depth: int) -> None:
        """Remember the step."""
        if not self._open and step.phase != "always":
            self._begun += 1
        self._open.append(step)

    def checked(self, step: StepRecord, check: Check) -> None:
        """Nothing to remember."""

    def attached(self, step: StepRecord | None, attachment: Attachment) -> None:
        """Nothing to remember."""

    def step_ended(self, step: StepRecord, depth: int) -> None:
        """Forget the step."""
        if self._open:
            self._open.pop()

    def case_ended(self, record: CaseRecord) -> None:
        """Forget the case."""
        self._case, self._open, self._steps = None, [], 0
