"""How values and errors read in a report: short, exact, without Python's punctuation."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum

from adapters.errors import LabError, Refused, TransportError
from harness.results import shown_field
from harness.verdicts import Aborted, CheckFailed, Inconclusive, NotAllowed


def said(value: object) -> str:
    """Return ``value`` as a person writes it: bytes in hexadecimal, times in ISO 8601, lists with commas."""
    match value:
        case str():
            return value
        case bytes() | bytearray():
            return bytes(value).hex(" ").upper()
        case Enum():
            return value.name
        case datetime():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case Mapping():
            return ", ".join(f"{key}: {said(entry)}" for key, entry in value.items())
        case list() | tuple() | set() | frozenset():
            return ", ".join(said(entry) for entry in value)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = ((f.name, shown_field(value, f.name)) for f in dataclasses.fields(value) if f.repr)
            return ", ".join(f"{name}: {said(entry)}" for name, entry in fields)
        case _:
            return str(value)


def error_text(error: BaseException) -> str:
    """Return one line about an error: its kind where that says something, its message, the octets it kept."""
    message = str(error).strip() or type(error).__name__
    if isinstance(error, Refused | CheckFailed | Inconclusive | NotAllowed | Aborted):
        return message
    if isinstance(error, TransportError):
        kept = f"; received before: {said(error.received)}" if error.received else ""
        return f"{type(error).__name__}: {message}{kept}"
    if isinstance(error, LabError):
        return message
    return f"{type(error).__name__}: {message}{_place(error)}"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    return f" (in {last.name}, {last.filename.rsplit('/', 1)[-1]}:{last.lineno})"
