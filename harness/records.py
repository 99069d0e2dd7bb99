"""What a run leaves behind, as plain values; and the sink that watches a run while it happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from harness.verdicts import Verdict


@dataclass(frozen=True, kw_only=True)
class Check:
    """One comparison of a step. With ``low``/``high`` it is a measurement with limits."""

    name: str
    passed: bool
    expected: str
    actual: str
    unit: str = ""
    value: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    behaviours: tuple[str, ...] = ()
    at: datetime | None = None  # when it was made, on the clock in use; curves are drawn over it

    def sentence(self) -> str:
        """Return what a person wants to read when it failed: behaviour, expected, actual, unit."""
        who = f"{', '.join(self.behaviours)}: " if self.behaviours else ""
        return f"{who}{self.name}: expected {self.expected}, got {self.actual}"


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A piece of evidence. Exactly one of ``data`` and ``path`` is set; both are already scrubbed."""

    name: str
    mime: str
    data: bytes = b""
    path: Path | None = None


@dataclass(kw_only=True)
class StepRecord:
    """One step or sub-step."""

    title: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    verdict: Verdict = Verdict.passed
    message: str = ""
    started: datetime | None = None  # the clock in use
    ended: datetime | None = None
    wall_started: datetime | None = None  # the wall clock, to order evidence of different benches
    wall_ended: datetime | None = None
    checks: list[Check] = field(default_factory=list)
    check_after: list[int] = field(default_factory=list)  # for each check, how many sub-steps came before it
    attachments: list[Attachment] = field(default_factory=list)
    steps: list[StepRecord] = field(default_factory=list)
    phase: str = "steps"  # steps | always | set-up
    hurts: bool = False  # destructive: that the case does such is on the disk before it acts


@dataclass(kw_only=True)
class CaseRecord:
    """One case as it ended."""

    key: str  # case id, with the row id in brackets for for_each: DLMS-CLI-01[optical]
    title: str
    plan: str
    verifies: tuple[str, ...] = ()
    verdict: Verdict = Verdict.passed
    message: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    wall_started: datetime | None = None
    wall_ended: datetime | None = None
    steps: list[StepRecord] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    uuid: str = ""  # of this attempt; the same in the journal and in the Allure result
    wire: str = ""  # in a record that was read back: the folder of its transcripts
    plan_title: str = ""
    area: str = ""  # the folder the plan lies in
    source: str = ""  # the document the plan follows
    tags: tuple[str, ...] = ()
    row: Mapping[str, str] = field(default_factory=dict)


class Sink(Protocol):
    """Watches a case as it runs: the journal, the Allure bridge and the progress line are sinks."""

    def case_started(self, record: CaseRecord) -> None:
        """A case begins."""
        ...

    def step_started(self, step: StepRecord, depth: int) -> None:
        """A step or sub-step begins."""
        ...

    def checked(self, step: StepRecord, check: Check) -> None:
        """A comparison was made."""
        ...

    def attached(self, step: StepRecord | None, attachment: Attachment) -> None:
        """Evidence was attached to a step, or to the case where ``step`` is None."""
        ...

    def step_ended(self, step: StepRecord, depth: int) -> None:
        """A step ended; its verdict is set."""
        ...

    def case_ended(self, record: CaseRecord) -> None:
        """A case ended; its verdict is set."""
        ...
