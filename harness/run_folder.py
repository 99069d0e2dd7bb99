"""The folder one run lives in, the lock that says whether its process still does, and its evidence store."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from adapters.errors import BenchError
from harness.locks import OwnedLock
from harness.records import Attachment
from harness.scrub import Scrubber

EXTENSIONS = {
    "text/plain": "txt",
    "text/csv": "csv",
    "text/html": "html",
    "application/json": "json",
    "application/xml": "xml",
    "image/png": "png",
    "image/svg+xml": "svg",
    "application/vnd.tcpdump.pcap": "pcap",
}


class RunFolder:
    """Paths inside ``runs/<date>-<plan>-<n>/``. ``worker`` is the xdist worker, empty in an ordinary run."""

    def __init__(self, path: Path, worker: str = "") -> None:
        self.path, self.worker = path, worker
        suffix = f"-{worker}" if worker else ""
        self.journal = path / f"journal{suffix}.ndjson"
        self.lock_file = path / f"run{suffix}.lock"
        self.allure_results = path / "allure-results"
        self.attachments = path / "attachments"
        self.wire = path / "wire"
        self.junit = path / "junit.xml"
        self._lock = OwnedLock(self.lock_file)

    def wire_of(self, bench: str) -> Path:
        """Return where the transcripts of a bench belong. Benches may name their devices alike, and two
        workers may each have a virtual one of the same name.
        """
        return self.wire / slug("-".join(part for part in (self.worker, bench) if part))

    def create(self) -> None:
        """Make the folder and what belongs in it. Raises BenchError when the disk does not let us."""
        try:
            for folder in (self.path, self.allure_results, self.attachments, self.wire):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchError(f"cannot create the run folder {self.path}: {error.strerror}") from error

    def hold(self, note: str) -> None:
        """Hold the run's lock as long as this process lives. Raises BenchError when another one does."""
        if not self._lock.acquire(note):
            raise BenchError(f"{self.path.name} belongs to a run that is still going on{self._lock.owner()}")

    def release(self) -> None:
        """Let go of the lock; doing so twice is harmless."""
        self._lock.release()

    def journals(self) -> list[Path]:
        """Return the journals of the run: one, or one for each xdist worker."""
        return sorted(self.path.glob("journal*.ndjson"))

    def locks(self) -> list[Path]:
        """Return the lock files of the processes that work or worked on the run."""
        return sorted(self.path.glob("run*.lock"))

    def live_processes(self) -> list[int]:
        """Return the processes that work on the run right now."""
        return [pid for path in self.locks() if (pid := _holder(path))]


def _holder(lock_file: Path) -> int:
    """Return the process that holds a lock, 0 where nobody does."""
    lock = OwnedLock(lock_file)
    if lock.try_only():
        return 0
    match = re.search(r"process (\d+)", lock.owner())
    return int(match[1]) if match else 0


def run_name(plans: Iterable[str], now: datetime) -> str:
    """Return ``<date>-<plan>`` for a run that starts now; several plans together are called ``plans``."""
    names = list(dict.fromkeys(plans))
    plan = names[0] if len(names) == 1 else "plans"
    return f"{now:%Y%m%d-%H%M%S}-{slug(plan)}"


def new_run_folder(runs: Path, name: str) -> Path:
    """Create and return ``<runs>/<name>-<n>`` with the lowest free number; two runs never share one."""
    for number in itertools.count(1):
        path = runs / f"{name}-{number}"
        try:
            runs.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise BenchError(f"cannot create the run folder {path}: {error.strerror}") from error
        return path
    raise AssertionError("unreachable")


def slug(text: str) -> str:
    """Return ``text`` as a piece of a file name."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-.")[:80] or "x"


class Evidence:
    """Stores attachments, scrubbed, in the run's folder before any report copies them.

    Without a folder (a plan run by a program, not for a report) attachments stay in memory.
    """

    def __init__(self, folder: Path | None, scrubber: Scrubber, prefix: str = "") -> None:
        self._folder, self._scrubber, self._prefix = folder, scrubber, prefix
        taken = len(list(folder.iterdir())) if folder is not None and folder.is_dir() else 0
        self._numbers = itertools.count(taken + 1)

    def keep(self, name: str, mime: str, data: bytes) -> Attachment:
        """Store ``data`` under a readable name and return the attachment."""
        name = self._scrubber.text(name, 200)
        data = self._scrubber.attachment(data, mime)
        if self._folder is None:
            return Attachment(name=name, mime=mime, data=data)
        extension = EXTENSIONS.get(mime, "bin")
        stem = slug(name.removesuffix(f".{extension}"))[:60]
        path = self._folder / f"{self._prefix}{next(self._numbers):04d}-{stem}.{extension}"
        try:
            path.write_bytes(data)
        except OSError as error:
            raise BenchError(f"cannot write evidence to {path}: {error.strerror}") from error
        return Attachment(name=name, mime=mime, path=path)


def copy_beside(source: Path, target: Path) -> None:
    """Put the same file at ``target``: a hard link where the file system allows one, else a copy."""
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return
    except OSError:
        shutil.copyfile(source, target)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new one and nothing between."""
    partial = path.with_name(path.name + ".tmp")
    partial.write_text(text, "utf-8", errors="backslashreplace")
    partial.replace(path)


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as JSON, whole or not at all."""
    write_whole(path, json.dumps(content, ensure_ascii=False, indent=1))
