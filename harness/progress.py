"""Live progress for people, on the real standard error.

pytest puts its capture in place before any ``conftest.py`` is read, and what is written to ``sys.stderr``
from then on is swallowed. This module is imported by the plug-in, that is before: it keeps a descriptor of
its own. On a terminal a bar shows the case, its step and the simulated time; elsewhere (CI, a file, a
pipe) there is one line for each case. Whatever happens to the terminal, the run goes on.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import IO, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from adapters.clock import WallClock
from harness.records import Attachment, CaseRecord, Check, StepRecord
from harness.verdicts import Verdict, worst

try:
    _STDERR = os.dup(2)
except OSError:  # a daemon may have closed it
    _STDERR = -1

STYLES = {
    Verdict.passed: "green",
    Verdict.failed: "bold red",
    Verdict.bench_error: "bold yellow",
    Verdict.inconclusive: "yellow",
    Verdict.aborted: "bold magenta",
    Verdict.skipped: "dim",
}
SIGN_OF_LIFE_S = 30.0  # without a terminal: a step that starts this long after the last line is named
SIMULATED_S = 5.0  # clocks further apart than this are not the same clock


class ProgressSink:
    """Shows cases as they run. ``close`` prints how the whole ended; closing twice is harmless.

    ``total`` is the number of cases, 0 when nobody knows. ``stream`` is for tests and for callers that
    have a better place than standard error.
    """

    def __init__(self, total: int = 0, *, stream: TextIO | None = None) -> None:
        self._total = total
        self._stream = _Unbreakable(stream or _open_stderr())
        terminal = self._stream.isatty()
        self._console = Console(
            file=cast(IO[str], self._stream),
            force_terminal=terminal,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=not terminal,
            width=self._stream.columns() if terminal else None,
        )
        self._clock = WallClock()
        self._began_s = self._last_line_s = self._clock.monotonic_s()
        self._ended: list[CaseRecord] = []
        self._first: datetime | None = None
        self._simulated = timedelta()
        self._case: CaseRecord | None = None
        self._step: list[StepRecord] = []
        self._closed = False
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if terminal:
            self._bar, self._task = self._start_bar()

    # -- the sink

    def case_started(self, record: CaseRecord) -> None:
        """Name the case in the bar."""
        self._case, self._step = record, []
        if self._first is None:
            self._first = record.started
        self._show(record.key, "", record.started)

    def step_started(self, step: StepRecord, depth: int) -> None:
        """Name the step in the bar; without a terminal only when nothing was printed for long."""
        self._step.append(step)
        key = self._case.key if self._case else ""
        self._show(key, step.title, step.started)
        if self._bar is None and self._clock.monotonic_s() - self._last_line_s > SIGN_OF_LIFE_S:
            self._line(Text(f"{self._prefix()}... {_plain(key)}: {_plain(step.title)}", style="dim"))

    def checked(self, step: StepRecord, check: Check) -> None:
        """Nothing: checks are for the report."""

    def attached(self, step: StepRecord | None, attachment: Attachment) -> None:
        """Nothing: evidence is for the report."""

    def step_ended(self, step: StepRecord, depth: int) -> None:
        """Name the step around it again."""
        if self._step:
            self._step.pop()
        key = self._case.key if self._case else ""
        self._show(key, self._step[-1].title if self._step else "", step.ended)

    def case_ended(self, record: CaseRecord) -> None:
        """Print the case's line, with what went wrong below it."""
        self._ended.append(record)
        line = Text(self._prefix())
        line.append(f"{record.verdict.word:<12} ", style=STYLES[record.verdict])
        line.append(_plain(f"{record.key}  {record.title}"))
        times = _times(record)
        if times:
            line.append(f"  {times}", style="dim")
        self._line(line)
        if record.message:
            self._line(Text("    " + _plain(record.message), style=STYLES[record.verdict]))
        self._case = None
        if simulated := _simulated(record):
            self._simulated += simulated
        self._show("", "", record.ended, advance=True)

    def pause(self) -> None:
        """Take the bar away for a while: somebody is asked something on this terminal."""
        if self._bar is not None and not self._closed:
            self._bar.stop()

    def resume(self) -> None:
        """Show the bar again."""
        if self._bar is not None and not self._closed:
            self._console.width = self._stream.columns() or self._console.width  # it may be another by now
            self._bar.start()

    def close(self) -> None:
        """Take the bar away and print how many cases ended how."""
        if self._closed:
            return
        self._closed = True
        if self._bar is not None:
            self._bar.stop()
        if self._ended:
            self._console.print(self._summary(), soft_wrap=True)
        self._stream.flush()

    # -- how it looks

    def _summary(self) -> Text:
        counts = Counter(record.verdict for record in self._ended)
        whole = worst(counts)
        spent = _duration(timedelta(seconds=self._clock.monotonic_s() - self._began_s))
        if self._simulated:
            spent += f" ({_duration(self._simulated)} of simulated time)"
        of_total = f" of {self._total}" if self._total > len(self._ended) else ""
        text = Text("\n")
        for verdict in sorted(counts, reverse=True):
            text.append(f"{counts[verdict]:>6}  ")
            text.append(f"{verdict.word:<14}", style=STYLES[verdict])
            text.append(f"{verdict.meaning}\n", style="dim")
        text.append(f"{len(self._ended):>6}{of_total}  ")
        return text.append(f"{whole.word:<14}", style=STYLES[whole]).append(f"in {spent}")

    def _prefix(self) -> str:
        if self._bar is not None or not self._total:
            return ""
        width = len(str(self._total))
        return f"[{len(self._ended):>{width}}/{self._total}] "

    def _start_bar(self) -> tuple[Progress, TaskID]:
        bar = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[simulated]}", style="cyan", markup=False),
            TextColumn("{task.fields[case]}", style="bold", markup=False),
            TextColumn("{task.fields[step]}", markup=False),
            console=self._console,
            transient=True,
            refresh_per_second=5,
            redirect_stdout=False,  # capture belongs to pytest
            redirect_stderr=False,
        )
        task = bar.add_task("", total=self._total or None, case="", step="", simulated="")
        bar.start()
        return bar, task

    def _show(self, case: str, step: str, now: datetime | None, *, advance: bool = False) -> None:
        if self._bar is None:
            return
        simulated = ""
        record = self._case
        if record is not None and now is not None and _is_simulated(record):
            simulated = f"{now:%Y-%m-%d %H:%M:%S}"
        self._bar.update(
            self._task, case=_plain(case), step=_plain(step), simulated=simulated, advance=1 if advance else 0
        )

    def _line(self, text: Text) -> None:
        self._last_line_s = self._clock.monotonic_s()
        self._console.print(text)


class _Unbreakable(io.TextIOBase):
    """A stream whose reader may go away: progress must never be what ends a run.

    rich would end the process over a broken pipe, and its refreshing thread would die noisily.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self._terminal = stream.isatty()

    def isatty(self) -> bool:
        """Return whether the stream was a terminal when the run began."""
        return self._terminal

    def columns(self) -> int | None:
        """Return how wide the terminal is; rich asks standard streams, which pytest has taken away."""
        try:
            return os.get_terminal_size(self.fileno()).columns or None
        except OSError:
            return None

    def fileno(self) -> int:
        """Return the descriptor of the terminal."""
        if self._stream is None:
            raise OSError("the stream is gone")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write, or from the first failure on do nothing."""
        return self._try(lambda stream: stream.write(text)) or len(text)

    def flush(self) -> None:
        """Flush, or do nothing."""
        self._try(lambda stream: stream.flush())

    def _try(self, action: Callable[[TextIO], int | None]) -> int | None:
        try:
            return action(self._stream) if self._stream is not None else None
        except (OSError, ValueError):  # gone, or closed
            self._stream = None
            return None


def _open_stderr() -> TextIO:
    try:
        return os.fdopen(_STDERR, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
    except OSError:
        return io.StringIO()  # nobody to show it to


def _is_simulated(record: CaseRecord) -> bool:
    if record.started is None or record.wall_started is None:
        return False
    return abs((record.started - record.wall_started).total_seconds()) > SIMULATED_S


def _simulated(record: CaseRecord) -> timedelta | None:
    if record.started is None or record.ended is None or not _is_simulated(record):
        return None
    return record.ended - record.started


def _times(record: CaseRecord) -> str:
    texts = []
    if (simulated := _simulated(record)) is not None and simulated >= timedelta(seconds=0.05):
        texts.append(f"{_duration(simulated)} simulated")
    if record.wall_started is not None and record.wall_ended is not None:
        texts.append(_duration(record.wall_ended - record.wall_started))
    return ", ".join(texts)


def _duration(span: timedelta) -> str:
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _plain(text: str) -> str:
    """Return ``text`` without what a terminal would obey instead of show."""
    return "".join(char if char.isprintable() else ("\n    " if char == "\n" else "�") for char in text)
