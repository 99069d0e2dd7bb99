"""Procedure rules: which steps have to come before which. One table, two readers (see ``table``)."""

from harness.rules import field_work, troubleshooting
from harness.rules.base import UNKNOWN, Memory, Rule, Violation
from harness.rules.table import (
    RULES,
    Watch,
    behaviours,
    expected_violation,
    flag_check,
    flagged,
    names,
    shows_in_the_run_only,
)

__all__ = [
    "RULES",
    "UNKNOWN",
    "Memory",
    "Rule",
    "Violation",
    "Watch",
    "behaviours",
    "expected_violation",
    "field_work",
    "flag_check",
    "flagged",
    "names",
    "shows_in_the_run_only",
    "troubleshooting",
]
