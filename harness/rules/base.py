"""What a procedure rule is: something that remembers a case so far and says whether a step may come now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from harness.plan import Step
from harness.records import Check


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A step that comes at the wrong place."""

    rule: str
    message: str
    hint: str
    step: Step
    behaviours: tuple[str, ...] = ()

    def check(self) -> Check:
        """Return the violation as a failed check of its step."""
        return Check(
            name=f"order: {self.rule}",
            passed=False,
            expected=self.hint,
            actual=f"order violation: {self.message}",
            behaviours=self.behaviours,
        )


class Unknown(Enum):
    """The type of ``UNKNOWN``."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
"""The outcome of a step that ``plan check`` expects to succeed."""


class Memory(Protocol):
    """What a rule remembers of one case."""

    def before(self, step: Step) -> tuple[str, str] | None:
        """Return what is wrong with the step at this place, and what would be right; or None."""
        ...

    def after(self, step: Step, *, outcome: object) -> None:
        """Take note that the step ran: its result, the Refused that ended it, or UNKNOWN before the run."""
        ...

    def at_end(self) -> tuple[str, str] | None:
        """Return what is wrong with ending the case here, and what would be right; or None."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A row of the table."""

    name: str
    says: str
    memory: Callable[[], Memory]
    behaviours: tuple[str, ...] = ()
    in_the_run_only: bool = False  # it goes by what devices answered, so ``plan check`` cannot see it
