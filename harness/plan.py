"""A plan as the runner sees it: every name resolved, every default filled in, nothing left to look up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where in a file something stands, for messages."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """``${saved.field}``: a value that only exists once an earlier step has run."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        return "${" + ".".join(self.path) + "}"


@dataclass(frozen=True, kw_only=True)
class Template:
    """Text with references inside, ``note ${before.value}``: put together when the step runs."""

    parts: tuple[str | Reference, ...]

    def __str__(self) -> str:
        return "".join(str(part) for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class DeviceRead:
    """``meter.read_register(energy)`` as an expected value: a harmless read, made when the check is made."""

    device: str
    role: str
    method: str
    arguments: Mapping[str, object]
    field: tuple[str, ...] = ()  # of the result; empty = its ``value``
    text: str = ""  # as written

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Matcher:
    """One condition on one field of a step's result; the closed set is documented in docs/writing-a-plan.md.

    ``field`` is empty for a condition on the result as a whole (``refused``, ``absent``). ``operands`` are
    texts, References, Templates or DeviceReads as written in the plan; ``kind`` says how to read them.
    """

    field: str
    kind: str  # equals differs between at_least at_most one_of matches absent refused order_violation
    operands: tuple[object, ...]
    tolerance: str = ""
    location: Location


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call of a role method or a procedure."""

    title: str
    do: str  # as written: <device>.<method> or a procedure's name
    device: str  # empty for a procedure
    method: str  # role method or procedure name
    role: str = ""  # of the device, as the plan's needs have it; empty for a procedure
    arguments: Mapping[str, object]  # typed values; References and Templates where a saved value comes in
    within_s: float | None = None
    save: str = ""
    expect: tuple[Matcher, ...] = ()
    verifies: tuple[str, ...] = ()
    hurts: frozenset[str] = frozenset()
    location: Location


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case, that is one pytest item."""

    id: str
    row_id: str = ""
    title: str
    verifies: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    steps: tuple[Step, ...]
    always: tuple[Step, ...] = ()
    row: Mapping[str, str] = field(default_factory=dict)
    location: Location

    @property
    def key(self) -> str:
        """Return the stable id: the case's, with the row's in brackets."""
        return f"{self.id}[{self.row_id}]" if self.row_id else self.id

    @property
    def hurts(self) -> frozenset[str]:
        """Return every permission this case needs."""
        return frozenset().union(*(step.hurts for step in (*self.steps, *self.always)))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A compiled plan file."""

    name: str
    title: str
    source: str
    bench: str
    needs: Mapping[str, str]  # device name -> role
    parameters: Mapping[str, str]
    cases: tuple[Case, ...]
    path: Path
    digest: str  # SHA-256 of the file
