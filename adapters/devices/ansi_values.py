"""Values of tables as plans see them, and what plans write as values of tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from adapters.errors import BenchError, RemoteProtocolError
from adapters.profiles.ansi import AnsiRegister
from adapters.protocols.c1219 import MANUFACTURER, MeterTime, Place
from adapters.roles import EventsRead, RegisterReading

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?")


def plain(value: object) -> object:
    """Return a value without types of ours: octets in hexadecimal, times as text, the rest as it is."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, MeterTime):
        return str(value)
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return tuple(plain(each) for each in value)
    return value


def typed(place: Place, text: str) -> object:
    """Return what a plan wrote as a value for ``place``. Raises BenchError saying what was expected."""
    kind, expected = place.node.entry.type, ""
    try:
        if place.bits is not None or kind in ("uint", "int", "bcd", "bits", "interval", "time"):
            expected = "a whole number"
            return int(text, 0)
        match kind:
            case "ascii" | "id":
                return text
            case "octets":
                expected = "octets in hexadecimal"
                return bytes.fromhex(text)
            case "float" | "ni1" | "ni2":
                expected = "a number"
                return Decimal(text)
            case "set":
                expected = "whole numbers with blanks between them"
                return tuple(int(each) for each in text.split())
            case "stime" | "ltime":
                expected = "a time such as 2026-11-25 13:45:00"
                return _time(text)
            case _:
                raise BenchError(f"{place.path} is a record; write one of its fields")
    except (ValueError, InvalidOperation):
        raise BenchError(f"{place.path}: expected {expected}, found {text!r}") from None


def _time(text: str) -> MeterTime:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    return MeterTime(year=year, month=month, day=day, hour=hour, minute=minute, second=second)


def register_reading(name: str, register: AnsiRegister, value: object) -> RegisterReading:
    """Return a register as a plan sees it. Raises RemoteProtocolError where no finite number stands there."""
    if not isinstance(value, int | Decimal):
        raise BenchError(f"register {name}: field {register.field} is no number")
    number = Decimal(value)
    if not number.is_finite():
        raise RemoteProtocolError(f"register {name} holds {number}", frame_intact=True)
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "a finite number has one"
    decimals = min(exponent, 0)
    return RegisterReading(
        name=name,
        value=number.scaleb(register.scaler),
        unit=register.unit,
        raw=int(number.scaleb(-decimals)),
        scaler=register.scaler + decimals,
    )


def events(fields: Mapping[str, object], names: Mapping[int, str]) -> EventsRead:
    """Return the entries of a history or event log (ST74, ST76), oldest first."""
    kind = "HISTORY" if "HIST_FLAGS" in fields else "EVENT"
    flags, rows = fields["HIST_FLAGS" if kind == "HISTORY" else "EVENT_FLAGS"], fields["ENTRIES"]
    valid, last = fields["NBR_VALID_ENTRIES"], fields["LAST_ENTRY_ELEMENT"]
    if not (isinstance(rows, tuple) and isinstance(valid, int) and isinstance(last, int)):
        raise BenchError("the layout of the event log lacks its counters or its entries")
    if valid > len(rows) or (valid and last >= len(rows)):
        raise RemoteProtocolError(
            f"the event log claims {valid} entries, the newest at {last}, and has room for {len(rows)}",
            frame_intact=True,
        )
    # ORDER_FLAG 1: the newest comes first. A circular list ends at its newest element and begins behind it.
    descending = isinstance(flags, Mapping) and bool(flags.get("ORDER_FLAG"))
    step = -1 if descending else 1
    elements = [(last - step * back) % len(rows) for back in range(valid - 1, -1, -1)] if valid else []
    codes, entries = [], []
    for element in elements:
        row = rows[element]
        code = row[f"{kind}_CODE"]
        number = code["TBL_PROC_NBR"] + MANUFACTURER * code["STD_VS_MFG_FLAG"]
        codes.append(number)
        entries.append(_entry(row.get(f"{kind}_TIME"), number, names))
    return EventsRead(count=valid, codes=tuple(codes), entries=tuple(entries))


def _entry(time: object, code: int, names: Mapping[int, str]) -> str:
    text = f"ME{code - MANUFACTURER}" if code >= MANUFACTURER else f"SE{code}"
    return " ".join(filter(None, (str(time) if time is not None else "", text, names.get(code, ""))))
