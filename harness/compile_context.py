"""What every part of the plan compiler shares: the file, what names mean, and where mistakes go."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters import yaml_file
from adapters.errors import ConfigError
from adapters.yaml_messages import shown, suggest
from harness.config.plan_file import PlanFile
from harness.plan import Location
from harness.traceability import Catalogue

Path_ = tuple[str | int, ...]

RESERVED = {"row", "run"}
_NAME = re.compile(r"[A-Za-z_][\w-]*")


@dataclass
class CompileContext:
    """One plan file being compiled; ``errors`` fills up."""

    file: yaml_file.YamlFile
    model: PlanFile
    catalogue: Catalogue
    parameters: dict[str, str] = field(default_factory=dict)
    errors: list[ConfigError] = field(default_factory=list)
    files: dict[tuple[object, str], object] = field(default_factory=dict)  # None: cannot be used

    def read_once(self, read: Callable[[Path, str], object], name: str) -> object:
        """Return what ``read`` makes of the file ``name``, a path relative to the plan.

        Raises the ValueError of ``read`` the first time; a file already reported is None.
        """
        key = (read, name)
        if key not in self.files:
            self.files[key] = None
            self.files[key] = read(Path(self.file.path).parent / name, name)
        return self.files[key]

    def report(self, path: Sequence[str | int], message: str, hint: str = "", key: bool = False) -> None:
        """Note a mistake at a path of the file, at its key or at its value."""
        self.errors.append(self.file.error(path, message, hint, key=key))

    def mistake(self, at: Location, message: str, hint: str) -> None:
        """Note a mistake at a place that is known already."""
        self.errors.append(ConfigError(message, file=at.file, line=at.line, column=at.column, hint=hint))

    def locate(self, path: Sequence[str | int]) -> Location:
        """Return where a path stands."""
        at = self.file.at(path)
        return Location(file=self.file.path, line=at.line, column=at.column)

    def check_name(self, path: Path_, name: str, what: str, *, key: bool = False) -> None:
        """Report a name that ``${...}`` or the command line could not write."""
        if name and not _NAME.fullmatch(name):
            hint = "expected letters, digits, _ and -, a letter first"
            self.report(path, f"`{shown(name)}` cannot be {what}", hint, key)

    def check_behaviours(self, path: Path_, ids: Sequence[str]) -> None:
        """Report ids the catalogue does not have, and those nobody can verify."""
        known = self.catalogue.behaviours
        for number, behaviour in enumerate(ids):
            here = (*path, number)
            if not behaviour:
                continue
            if behaviour not in known:
                self.report(here, f"unknown behaviour `{shown(behaviour)}`", suggest(behaviour, known))
            elif reason := known[behaviour].context:
                self.report(here, f"behaviour `{behaviour}` is context only: {reason}", "remove it")
