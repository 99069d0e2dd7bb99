"""Words plans compare with."""

from __future__ import annotations


def yes(condition: bool) -> str:
    """Return ``yes`` or ``no``, as a plan writes it."""
    return "yes" if condition else "no"


NO_LISTS = "the meter granted no multiple references in this association; there is no list to ask for"
