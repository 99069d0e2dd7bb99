"""Reads Allure result files just far enough to summarise them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

from harness.reporting import ReportError
from harness.verdicts import Verdict

BY_STATUS = {
    "passed": Verdict.passed,
    "failed": Verdict.failed,
    "broken": Verdict.bench_error,
    "skipped": Verdict.skipped,
}
BY_PREFIX = {
    "BENCH ERROR": Verdict.bench_error,
    "INCONCLUSIVE": Verdict.inconclusive,
    "ABORTED": Verdict.aborted,
    "SKIPPED": Verdict.skipped,
}


PROPERTY = re.compile(r"(?![#!])((?:[^=:\\]|\\.)+)[=:](.*)")
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One attempt of one case, as its result file tells it."""

    uuid: str
    history: str  # the same for every attempt of a case
    name: str
    full_name: str
    suite: str
    verdict: Verdict
    message: str
    requirements: tuple[str, ...]
    bench: str
    started_ms: int
    stopped_ms: int

    @property
    def page(self) -> str:
        """Return the fragment of the case's page: the generator names a page by the MD5 of the uuid."""
        return md5(self.uuid.encode(), usedforsecurity=False).hexdigest()


def results_folder(run_dir: Path) -> Path:
    """Return the folder with the result files of a run: its ``allure-results``, or itself if it is one.

    Raises ReportError when it is neither.
    """
    inside = run_dir / "allure-results"
    if inside.is_dir():
        return inside
    if run_dir.is_dir() and next(run_dir.glob("*-result.json"), None) is not None:
        return run_dir
    raise ReportError(f"{run_dir} is not a run: it has no folder allure-results")


def read_results(folders: Sequence[Path]) -> list[Result]:
    """Return the last attempt of every case on every bench, in the order they started.

    A file that is not a result (half written by hand, damaged) is left out here; the generator names it.
    """
    attempts = [
        found for folder in folders for path in sorted(folder.glob("*-result.json")) for found in _read(path)
    ]
    last: dict[tuple[str, str], Result] = {}
    for attempt in sorted(attempts, key=lambda result: (result.started_ms, result.uuid)):
        last[attempt.history, attempt.bench] = attempt
    return sorted(last.values(), key=lambda result: (result.started_ms, result.name))


def read_environment(folders: Iterable[Path]) -> dict[str, str]:
    """Return what the runs say about themselves; values that differ between runs are listed."""
    found: dict[str, list[str]] = {}
    for folder in folders:
        path = folder / "environment.properties"
        for line in path.read_text("utf-8", "replace").splitlines() if path.is_file() else ():
            pair = PROPERTY.fullmatch(line)
            if pair is None:
                continue
            name, value = (_unescaped(text.strip()) for text in pair.groups())
            if value not in found.setdefault(name, []):
                found[name].append(value)
    return {key: ", ".join(values) for key, values in found.items()}


def _unescaped(text: str) -> str:
    """Return a text of a Java properties file as it was meant: ``virtual\\:mcs301`` is ``virtual:mcs301``."""
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)


def _read(path: Path) -> list[Result]:
    try:
        raw = json.loads(path.read_text("utf-8"))
        labels: dict[str, list[str]] = {}
        for label in raw.get("labels", []):
            labels.setdefault(str(label["name"]), []).append(str(label["value"]))
        message = str(raw.get("statusDetails", {}).get("message", ""))
        uuid = str(raw["uuid"])
        return [
            Result(
                uuid=uuid,
                history=str(raw.get("historyId") or uuid),
                name=str(raw["name"]),
                full_name=str(raw.get("fullName", "")),
                suite=" / ".join(labels.get("parentSuite", []) + labels.get("suite", [])),
                verdict=_verdict(labels.get("verdict", [""])[0], str(raw.get("status", "")), message),
                message=message,
                requirements=tuple(dict.fromkeys(labels.get("requirement", []))),
                bench=labels.get("bench", [""])[0],
                started_ms=int(raw.get("start", 0)),
                stopped_ms=int(raw.get("stop", 0)),
            )
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _verdict(label: str, status: str, message: str) -> Verdict:
    if label in Verdict.__members__:
        return Verdict[label]
    for prefix, verdict in BY_PREFIX.items():
        if message.startswith(prefix):
            return verdict
    return BY_STATUS.get(status, Verdict.bench_error)
