"""Who a virtual ANSI meter is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AnsiIdentity:
    """Names and numbers of one meter; manufacturer and model come from its profile.

    ``serial`` is the number on the name plate. ``claimed`` is what the meter tells instead where it lies
    (a board swapped in repair, a table never programmed); empty: it tells the truth.
    """

    serial: str
    claimed: str = ""
    hardware_version: int = 1
    hardware_revision: int = 0
    firmware_version: int = 2
    firmware_revision: int = 4

    @property
    def told(self) -> str:
        """The serial number as the meter's tables have it."""
        return self.claimed or self.serial
