"""The screen: where a run is, in words, and who has the terminal."""

from __future__ import annotations

import io
import os
import pty
from datetime import UTC, datetime

from harness.progress import ProgressSink
from harness.records import CaseRecord, StepRecord
from harness.screen import Screen

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Bar(ProgressSink):
    """A progress display that counts how often it was stopped and started."""

    def __init__(self) -> None:
        super().__init__(stream=io.StringIO())
        self.said: list[str] = []

    def pause(self) -> None:
        """Count."""
        self.said.append("pause")

    def resume(self) -> None:
        """Count."""
        self.said.append("resume")


def case(key: str = "C-2") -> CaseRecord:
    """Return a case that begins."""
    return CaseRecord(key=key, title="The unit is provisioned", plan="p", started=NOW)


def test_screen_says_which_case_and_step_this_is_and_how_far_along() -> None:
    """Both numbers, both titles, and the sub-step that is open."""
    screen = Screen(total=6)
    for key in ("C-1", "C-2"):
        screen.expect(7)
        screen.case_started(case(key))
        screen.step_started(StepRecord(title="first"), 0)
        screen.step_ended(StepRecord(title="first"), 0)
        if key == "C-1":
            screen.case_ended(case(key))
    screen.step_started(StepRecord(title="request it"), 0)
    screen.step_started(StepRecord(title="read back the identity"), 1)
    assert screen.where().splitlines() == [
        "Case 2 of 6: C-2  The unit is provisioned",
        "Step 2 of 7: request it > read back the identity",
    ]


def test_screen_knows_clean_up_from_the_steps() -> None:
    """Steps under `always` are not counted among those of the case."""
    screen = Screen()
    screen.case_started(case())
    screen.step_started(StepRecord(title="close the path", phase="always"), 0)
    assert screen.where().splitlines()[1] == "Afterwards, always: close the path"


def test_screen_between_cases_is_nowhere() -> None:
    """The bench is opened before the first case and made safe after the last one."""
    screen = Screen()
    assert screen.where() == ""
    screen.case_started(case())
    assert screen.where() == "Case 1: C-2  The unit is provisioned"
    screen.case_ended(case())
    assert screen.where() == ""


def test_screen_lent_stops_what_moves_until_it_is_given_back() -> None:
    """Lent twice it is given back twice; giving back twice what was lent once is harmless."""
    bar = Bar()
    screen = Screen(sinks=[bar])
    first, second = screen.lend(), screen.lend()
    first()
    first()
    assert bar.said == ["pause"]
    second()
    assert bar.said == ["pause", "resume"]
    screen.lend()()
    assert bar.said == ["pause", "resume", "pause", "resume"]


def until(ours: int, text: str) -> str:
    """Return what the terminal shows up to a text; a pseudo-terminal hands it on in pieces."""
    shown = ""
    while text not in shown:
        shown += os.read(ours, 1 << 16).decode("utf-8", "replace")
    return shown


def test_screen_lent_has_no_bar_and_a_cursor_on_it() -> None:
    """The bar is taken away and the cursor is back; nothing moves until the terminal is given back."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", buffering=1) as stream:
        bar = ProgressSink(2, stream=stream)
        screen = Screen(sinks=[bar])
        bar.case_started(case())
        give_back = screen.lend()
        stream.write("a question\n")
        before = until(ours, "a question")
        assert before.rindex("\x1b[2K") > before.rindex("0/2")  # the line of the bar was emptied
        assert before.rindex("\x1b[?25h") > before.rindex("\x1b[?25l")  # the cursor can be seen
        bar.step_started(StepRecord(title="meter.get", started=NOW), 0)
        stream.write("another one\n")
        assert until(ours, "another one").split() == ["another", "one"]
        give_back()
        assert "0/2" in until(ours, "meter.get")
        bar.close()
        screen.lend()()  # a display that has ended stays away
        stream.write("the end\n")
        assert "0/2" not in until(ours, "the end").rpartition("\x1b[?25h")[2]
    os.close(ours)
