"""The journal of a run: what happened, one JSON object a line, appended before anything else is told.

Every report can be made again from it. A line carries a sequence number and the time of both clocks (the
one in use and the wall). It reaches the operating system with one ``write``, so a killed process loses
nothing it has written; against a loss of power the file is synchronised to the disk at the start of the run,
before the first destructive step of a case, at a verdict or a further destructive step unless that was done
within the last half second, and otherwise about every five seconds. So a case that the disk knows nothing of
has hurt nothing, one whose verdict was lost counts as cut short, and hundreds of short cases do not wait for
the disk as often. The last line of a killed run may be torn: readers skip what is not a whole line.

Events: ``run_started`` ``run_resumed`` ``case_started`` ``step_started`` ``checked`` ``attached``
``step_ended`` ``case_ended`` ``case_amended`` ``signal`` ``note`` ``run_ended``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.base import Clock
from adapters.clock import WallClock
from adapters.errors import BenchError
from harness.records import Attachment, CaseRecord, Check, StepRecord
from harness.verdicts import Verdict

FORMAT = 1
SYNC_EVERY_S = 5.0
SYNC_SOON_S = 0.5


class Journal:
    """Appends events to one file.

    ``clock`` is that of the bench in use, once there is one, ``wire`` the folder of its transcripts.
    """

    def __init__(self, path: Path, *, wall: Clock | None = None) -> None:
        self.path = path
        self.clock: Clock | None = None
        self.wire = Path("wire")
        self._wall = wall if wall is not None else WallClock()
        self._number = 0
        self._synced_s = self._wall.monotonic_s()
        # json.dumps builds an encoder at every call that departs from the defaults; this one is built once.
        self._encode: Callable[[object], str] = json.JSONEncoder(separators=(",", ":")).encode
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self._continue()
        except OSError as error:
            raise BenchError(f"cannot write the journal {path}: {error.strerror}") from error

    def write(self, event: str, *, sync: bool = False, soon: bool = False, **fields: object) -> None:
        """Append one event; with ``sync`` it is on the disk before this returns, with ``soon`` if need be.

        Raises BenchError when it cannot be written: a run without a journal must not go on.
        """
        self._number += 1
        line = {
            "n": self._number,
            "t": self.clock.utc_now().isoformat() if self.clock is not None else None,
            "w": self._wall.utc_now().isoformat(),
            "e": event,
            **fields,
        }
        data = (self._encode(line) + "\n").encode("ascii")
        try:
            if os.write(self._fd, data) != len(data):
                raise BenchError(f"cannot write the journal {self.path}: the disk is full")
            now_s = self._wall.monotonic_s()
            if sync or now_s - self._synced_s >= (SYNC_SOON_S if soon else SYNC_EVERY_S):
                self._synced_s = now_s
                os.fdatasync(self._fd)
        except OSError as error:
            raise BenchError(f"cannot write the journal {self.path}: {error.strerror}") from error

    def close(self) -> None:
        """Synchronise and close; closing twice is harmless."""
        if self._fd >= 0:
            with suppress(OSError):
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _continue(self) -> None:
        """Take up the numbering of a journal that exists; end a torn last line so that it stands alone."""
        if os.fstat(self._fd).st_size == 0:
            return
        for event in read_events(self.path):
            self._number = max(self._number, int(event["n"]))
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                os.write(self._fd, b"\n")


class JournalSink:
    """Writes what the runner tells into a journal."""

    def __init__(self, journal: Journal, folder: Path) -> None:
        self._journal, self._folder = journal, folder
        self._has_hurt = False  # a destructive step of this case is on the disk

    def case_started(self, record: CaseRecord) -> None:
        """Write the case's head."""
        self._has_hurt = False
        self._journal.write(
            "case_started",
            case=record.key,
            plan=record.plan,
            title=record.title,
            plan_title=record.plan_title,
            area=record.area,
            source=record.source,
            verifies=record.verifies,
            tags=record.tags,
            row=dict(record.row),
            uuid=record.uuid,
            wire=str(self._journal.wire),
        )

    def step_started(self, step: StepRecord, depth: int) -> None:
        """Write the step's head; the first destructive one of a case is on the disk before it acts."""
        first, self._has_hurt = step.hurts and not self._has_hurt, step.hurts or self._has_hurt
        self._journal.write(
            "step_started",
            sync=first,
            soon=step.hurts,
            depth=depth,
            title=step.title,
            arguments=dict(step.arguments),
            phase=step.phase,
        )

    def checked(self, step: StepRecord, check: Check) -> None:
        """Write a comparison."""
        self._journal.write("checked", **check_fields(check))

    def attached(self, step: StepRecord | None, attachment: Attachment) -> None:
        """Write where a piece of evidence lies, relative to the run's folder."""
        path = attachment.path
        if path is not None and path.is_relative_to(self._folder):
            path = path.relative_to(self._folder)
        self._journal.write(
            "attached",
            case=step is None,
            name=attachment.name,
            mime=attachment.mime,
            path="" if path is None else str(path),
        )

    def step_ended(self, step: StepRecord, depth: int) -> None:
        """Write the step's verdict."""
        self._journal.write("step_ended", depth=depth, verdict=step.verdict.name, message=step.message)

    def case_ended(self, record: CaseRecord) -> None:
        """Write the case's verdict."""
        self._journal.write(
            "case_ended",
            soon=True,
            case=record.key,
            plan=record.plan,
            verdict=record.verdict.name,
            message=record.message,
        )


def check_fields(check: Check) -> dict[str, Any]:
    """Return a comparison as plain JSON values; numbers are text, so that no digit is lost."""
    fields: dict[str, Any] = {
        "name": check.name,
        "passed": check.passed,
        "expected": check.expected,
        "actual": check.actual,
    }
    if check.unit:
        fields["unit"] = check.unit
    for name, number in (("value", check.value), ("low", check.low), ("high", check.high)):
        if number is not None:
            fields[name] = str(number)
    if check.behaviours:
        fields["behaviours"] = list(check.behaviours)
    if check.at is not None:
        fields["at"] = check.at.isoformat()
    return fields


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a journal in order, skipping what is not a whole line (a torn tail)."""
    with path.open("rb") as file:
        for line in file:
            try:  # an object cut short never parses, so what parses is whole
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and "e" in event and "n" in event:
                yield event


def check_of(event: dict[str, Any]) -> Check:
    """Return the comparison an event tells of."""
    numbers = {name: Decimal(event[name]) if name in event else None for name in ("value", "low", "high")}
    return Check(
        name=event["name"],
        passed=event["passed"],
        expected=event["expected"],
        actual=event["actual"],
        unit=event.get("unit", ""),
        behaviours=tuple(event.get("behaviours", ())),
        value=numbers["value"],
        low=numbers["low"],
        high=numbers["high"],
        at=datetime.fromisoformat(event["at"]) if "at" in event else None,
    )


def time_of(event: dict[str, Any], key: str) -> datetime | None:
    """Return the time in use (``t``) or the wall time (``w``) of an event."""
    text = event.get(key)
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def verdict_named(name: str) -> Verdict:
    """Return a verdict by its name; one a newer release invented counts as a bench error."""
    return Verdict.__members__.get(name, Verdict.bench_error)
