"""How a head end says no to its operator."""

from __future__ import annotations


class Declined(Exception):
    """The system refuses what was asked; ``reason`` is one word, ``detail`` is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail
