"""Reporters turn finished runs into something to read; they are found by entry point, never imported."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from adapters.errors import LabError

GROUP = "meterbench.reporters"


class ReportError(LabError):
    """A report cannot be made here; says in a sentence what is missing and how to get it.

    The results it would have been made of are untouched.
    """


class Reporter(Protocol):
    """What an entry point of the group ``meterbench.reporters`` names."""

    def __call__(
        self, run_dirs: Sequence[Path], output: Path, *, coverage: Path | None = None, title: str = ""
    ) -> Path:
        """Write a report of ``run_dirs`` into the folder ``output`` and return the page to open.

        ``coverage`` is a JSON file as ``meterbench coverage --json`` prints it. Raises ReportError.
        """
        ...


def find_reporter(name: str) -> Reporter:
    """Return the reporter installed under ``name``. Raises ReportError when it is not."""
    found = entry_points(group=GROUP)
    if name not in found.names:
        known = ", ".join(sorted(found.names)) or "none"
        raise ReportError(f"no reporter is called {name!r}; installed: {known}")
    reporter: Reporter = found[name].load()
    if not callable(reporter):
        raise ReportError(f"the reporter {name!r} ({found[name].value}) is not callable")
    return reporter
