"""The status column of a load profile: one octet per row that says what the interval was like.

The bits are those in use with the IDIS packages (AMR profile status, 0-0:96.10.x.255), which the MCS301
follows; that the MCS301 itself uses them is assumed. COSEM leaves the meaning of the object open.
"""

from __future__ import annotations

from enum import IntFlag


class ProfileStatus(IntFlag):
    """What happened in the interval that a row closes."""

    CRITICAL_ERROR = 0x01
    CLOCK_INVALID = 0x02
    DATA_NOT_VALID = 0x04
    DAYLIGHT_SAVING = 0x08
    CLOCK_ADJUSTED = 0x20
    POWER_DOWN = 0x80


def status_words(status: int) -> tuple[str, ...]:
    """Return the names of the bits set, in the order of the bits; ``bit 0x40`` for one without a name."""
    named = {int(flag): flag.name.lower().replace("_", "-") for flag in ProfileStatus if flag.name}
    bits = (1 << shift for shift in range(status.bit_length()))
    return tuple(named.get(bit, f"bit 0x{bit:02x}") for bit in bits if status & bit)
