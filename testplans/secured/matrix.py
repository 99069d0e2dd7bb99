"""The whole permission matrix of a security level: every command, with material and without."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.roles import Command, EndpointRadio, MaterialFlaw
from harness.actions import procedure
from harness.steps import Steps
from testplans.secured.attempts import DONE, Attempt, attempt
from testplans.secured.matrix_table import COLUMNS, MATRIX, OPEN, Column, Level

WORK: Final[tuple[Command, ...]] = ("read", "check", "program", "reset", "disconnect", "connect")
# What closes a session is tried before there is one, and is the last thing in it.
HALVES: Final[tuple[tuple[int, tuple[Command, ...]], ...]] = (
    (0, (*WORK, "close_session", "open_session")),
    (2, (*WORK, "open_session", "close_session")),
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One field of the matrix, and what came of trying it."""

    command: Command
    column: Column
    expected: str  # done, sealed, a reason to refuse it, or empty: left open
    found: Attempt

    @property
    def right(self) -> bool:
        """Whether the answer is the expected one and there is no trace but its own."""
        return self.expected in (OPEN, self.found.answer) and not self.found.trace

    @property
    def told(self) -> str:
        """Return it in a few words, for the table."""
        if self.right:
            return f"{self.found.answer} (left open)" if self.expected == OPEN else self.found.answer
        wanted = f" instead of {self.expected}" if self.expected not in (OPEN, self.found.answer) else ""
        trace = f"; {self.found.trace}" if self.found.trace else ""
        return f"!! {self.found.answer}{wanted}{trace}"


@dataclass(frozen=True, kw_only=True)
class MatrixFound:
    """How many fields of the matrix were tried, were carried out, and are left open by the pages."""

    tried: int
    carried_out: int
    left_open: int


@procedure("check_matrix", hurts=("disconnect",))
def check_matrix(run: Steps, *, radio: EndpointRadio, endpoint: str, level: Level) -> MatrixFound:
    """Try every command at an endpoint of this level with all there is to unlock it, and compare the whole.

    Each answer is to be the table's, each status just what the answer makes of the one before. The matrix is
    attached as a table to read and as a file to work with. The switch ends as ``connect`` leaves it.
    """
    status = radio.status(endpoint)
    run.check("level", expected=level, actual=status.level)
    run.check("session open", expected=False, actual=status.session_open)
    cells = list(_tried(radio, endpoint, level))
    run.attach(f"{level}, endpoint {endpoint}", "text/plain", data=_text(level, cells))
    run.attach(f"{level}, endpoint {endpoint}, as a table", "text/csv", data=_csv(level, cells))
    for command in MATRIX[level]:
        strangers = [
            f"{each.column}: {each.told}" for each in cells if each.command == command and not each.right
        ]
        run.check(command, expected="as in the table", actual="; ".join(strangers) or "as in the table")
    return MatrixFound(
        tried=len(cells),
        carried_out=sum(each.found.answer == DONE for each in cells),
        left_open=sum(each.expected == OPEN for each in cells),
    )


def _tried(radio: EndpointRadio, endpoint: str, level: Level) -> Iterator[Cell]:
    """Try all of it, locked and then in a session; whatever comes of a field, the next one is tried."""
    rows = MATRIX[level]
    for first, order in HALVES:
        for command in order:
            for number in range(first, min(first + 2, len(rows[command]))):
                expected = rows[command][number]
                if expected is not None:
                    material: MaterialFlaw = "" if number % 2 else "none"
                    found = attempt(radio, endpoint, command, material)
                    yield Cell(command=command, column=COLUMNS[number], expected=expected, found=found)


def _text(level: Level, cells: Sequence[Cell]) -> str:
    """Return a line for each command; what is not as it should be stands behind two exclamation marks."""
    told = {(each.command, each.column): each.told for each in cells}
    columns = [column for column in COLUMNS if any(each.column == column for each in cells)]
    rows = [("command", *columns)]
    rows += [
        (command, *(told.get((command, column), "-") for column in columns)) for command in MATRIX[level]
    ]
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    lines = [
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _csv(level: Level, cells: Sequence[Cell]) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(("level", "command", "tried", "expected", "answer", "trace"))
    for each in cells:
        expected = each.expected or "left open"
        table.writerow((level, each.command, each.column, expected, each.found.answer, each.found.trace))
    return out.getvalue()
