"""Brings a killed run to an end: the interrupted case reads as aborted, and the reports are complete.

A run whose journal has no ``run_ended`` and whose lock nobody holds was killed. The operating system frees
the lock with the process, so nothing has to be guessed from process numbers. Recovering twice, or being
killed while recovering, does no harm: every file is written whole, under the same name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from adapters.errors import BenchError
from harness.journal import Journal
from harness.records import CaseRecord
from harness.run_folder import RunFolder, slug, write_whole
from harness.run_record import RunRecord, read_run
from harness.sinks.allure import AllureWriter
from harness.sinks.junit import write_junit


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What recovery found: the cases a kill interrupted and those it kept from beginning."""

    path: Path
    interrupted: tuple[str, ...]
    not_run: tuple[str, ...]


def recover(path: Path) -> Recovered | None:
    """Complete a killed run; None where it ended by itself, still goes on or is no run at all."""
    folder = RunFolder(path)
    if all(map(_has_end, folder.journals())):
        return None
    with ExitStack() as held:
        for lock_file in folder.locks():
            try:
                held.enter_context(FileLock(lock_file).acquire(timeout=0))
            except Timeout:
                return None
        try:
            run = read_run(path)
        except (BenchError, OSError):
            return None
        if run.ended:
            return None
        interrupted = tuple(record.key for record in run.open_cases.values())
        for journal_file in run.open_journals:
            _end(journal_file, run.open_cases.get(journal_file.name))
        run = read_run(path)
        complete(run)
        return Recovered(path=path, interrupted=interrupted, not_run=tuple(p.key for p in run.not_run))


def recover_all(runs: Path) -> list[Recovered]:
    """Complete every killed run below ``runs``, the oldest first."""
    if not runs.is_dir():
        return []
    found = [recover(path) for path in sorted(runs.iterdir()) if path.is_dir()]
    return [recovered for recovered in found if recovered is not None]


def complete(run: RunRecord, *, requirement_url: str = "") -> None:
    """Make every report of a run complete: JUnit anew, in Allure what is missing and what was not run."""
    folder = RunFolder(run.path)
    folder.allure_results.mkdir(exist_ok=True)
    writer = AllureWriter(
        folder.allure_results, bench=str(run.header.get("bench", "")), requirement_url=requirement_url
    )
    written = _written(folder.allure_results)
    for record in run.attempts:
        if record.uuid and record.uuid not in written:
            writer.write(record)
    writer.forget_not_run()
    last = [record.wall_ended or record.wall_started for record in run.attempts]
    at = max((moment for moment in last if moment is not None), default=None)
    for planned in run.not_run:
        writer.write_not_run(planned, run.name, at)
    write_junit(run, folder.junit)


def _end(journal_file: Path, open_case: CaseRecord | None) -> None:
    """Append to one journal what its process could not: the end of the open case and of the run."""
    journal = Journal(journal_file)
    try:
        if open_case is not None:
            for log in _wire_logs(journal_file.parent, open_case):
                journal.write("attached", case=True, recovered=True, **log)
            journal.write(
                "case_ended",
                sync=True,
                case=open_case.key,
                plan=open_case.plan,
                verdict=open_case.verdict.name,
                message=open_case.message,
                recovered=True,
            )
        journal.write("run_ended", sync=True, recovered=True)
    finally:
        journal.close()


def _wire_logs(run: Path, case: CaseRecord) -> Iterator[dict[str, Any]]:
    """Cut what crossed the wires during a case out of the run's transcripts, and yield it as attachments.

    The links of a killed run are its best witness. A transcript's lines begin with the time in use, so the
    case's own are those from its beginning on; they were scrubbed when they were written.
    """
    if case.started is None:
        return
    began = f"{case.started:%Y-%m-%dT%H:%M:%S.%f}Z"
    for log in sorted((run / case.wire).glob("*.log")):
        lines = log.read_text("utf-8", "replace").splitlines(keepends=True)
        first = next((n for n, line in enumerate(lines) if line[:4].isdigit() and line[:27] >= began), None)
        if first is None:
            continue
        target = run / "attachments" / f"recovered-{slug(case.key)}-{log.stem}.txt"
        write_whole(target, "".join(lines[first:]))
        yield {"name": f"wire {log.stem}", "mime": "text/plain", "path": str(target.relative_to(run))}


def _has_end(journal_file: Path) -> bool:
    """Return whether a journal's last event is the end of its run, from the file's last octets alone."""
    with journal_file.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 4096))
        lines = file.read().splitlines()
    try:
        return bool(json.loads(lines[-1])["e"] == "run_ended")
    except (IndexError, ValueError, KeyError, TypeError):
        return False


def _written(results: Path) -> set[str]:
    """Return the identities of the Allure results that made it to the disk."""
    found = set()
    for path in results.glob("*-result.json"):
        try:
            found.add(str(json.loads(path.read_text("utf-8")).get("uuid", "")))
        except (OSError, ValueError, AttributeError):
            continue
    return found
