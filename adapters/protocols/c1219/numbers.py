"""Numbers of tables and procedures: standard table n is n, manufacturer table n is 2048 + n."""

from __future__ import annotations

import re

MANUFACTURER = 2048
"""What is added to a manufacturer's number (bit 11, STD_VS_MFG_FLAG)."""
HIGHEST = 2 * MANUFACTURER - 1
_TEXT = re.compile(r"([SM])[TP](\d{1,4})")


def table_text(number: int) -> str:
    """Return a table's number as people write it: ``ST23``, ``MT5``."""
    return f"MT{number - MANUFACTURER}" if number >= MANUFACTURER else f"ST{number}"


def procedure_text(number: int) -> str:
    """Return a procedure's number as people write it: ``SP10``, ``MP3``."""
    return table_text(number).replace("T", "P")


def parse_table(text: str) -> int | None:
    """Return the number written ``ST5`` or ``MT12`` (``SP5``, ``MP12``), None where it is no such thing."""
    found = _TEXT.fullmatch(text.strip().upper())
    if found is None or int(found[2]) >= MANUFACTURER:
        return None
    return int(found[2]) + (MANUFACTURER if found[1] == "M" else 0)
