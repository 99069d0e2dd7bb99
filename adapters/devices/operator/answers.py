"""From what a person types to the value a field needs, and the words for it when it does not fit.

Nothing is guessed: a duration without a unit, a date without a time and a number with a comma are asked for
again. ``-`` stands for what the screen shows empty; it needs no entry here, see ``form``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from adapters.devices.operator.shape import fields_of, is_record, plain

MAX_TEXT = 200  # characters of one answer; what is longer is a paste that went wrong
MAX_ENTRIES = 500  # of one list
MAX_DIGITS = 40
SEPARATOR = ";"  # between the columns of an entry
PART = ":"  # between the parts of a text

Columns = Mapping[str, Mapping[str, str]]

_NUMBER = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*([A-Za-z%µ/]*)")
_CLOCK_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")
_YES, _NO = ("yes", "y", "true"), ("no", "n", "false")
_SECONDS: Mapping[str, Decimal] = {
    **dict.fromkeys(("ms",), Decimal("0.001")),
    **dict.fromkeys(("s", "sec", "second", "seconds"), Decimal(1)),
    **dict.fromkeys(("min", "minute", "minutes"), Decimal(60)),
    **dict.fromkeys(("h", "hour", "hours"), Decimal(3600)),
    **dict.fromkeys(("d", "day", "days"), Decimal(86400)),
}
_UNITS = {
    "s": "s", "ms": "ms", "v": "V", "a": "A", "w": "W", "wh": "Wh", "kwh": "kWh", "hz": "Hz",
    "dbm": "dBm", "percent": "%", "ppm": "ppm", "deg": "deg",
}  # fmt: skip
_CLOSE_S = 60  # a screen's clock may be this much ahead of ours


class Unseen(Enum):
    """What a field is that the screen does not show."""

    UNSEEN = "not shown"

    def __str__(self) -> str:
        return self.value


UNSEEN = Unseen.UNSEEN


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What an answer may refer to: the present, and the zone in which the screen shows times."""

    now: datetime
    zone: tzinfo | None = None  # None: this computer's

    def local(self, at: datetime) -> datetime:
        """Return a moment as the screen's zone has it."""
        return at.astimezone(self.zone)

    def aware(self, at: datetime) -> datetime:
        """Return a time without a zone as one of the screen's zone."""
        return at.astimezone() if self.zone is None else at.replace(tzinfo=self.zone)


@dataclass(frozen=True, kw_only=True)
class AnswerType:
    """What may be typed. ``read`` raises ValueError in words; of a list it reads one entry.

    ``brief`` is what a prompt says of it, ``words`` what the help and a complaint say.
    """

    words: str
    brief: str = ""
    read: Callable[[str, Moment], object] = field(repr=False, compare=False)
    choices: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # the words these may be, of an entry
    many: bool = False


def answer_type(
    name: str,
    annotation: Any,
    choices: Mapping[str, str],
    given: Mapping[str, object],
    columns: Columns = MappingProxyType({}),
) -> AnswerType | None:
    """Return how a field of this name and type is typed in; None where that cannot be done.

    ``choices`` are the only words a text may be, ``columns`` those of the parts of a list's entries: of the
    fields of a record, or of a text ``part: part``. ``given`` are the arguments of the call: they fill the
    fields of their name in the entries of a list.
    """
    kind, _ = plain(annotation)
    if get_origin(kind) is tuple:
        inner = [entry for entry in get_args(kind) if entry is not Ellipsis]
        if len(inner) != 1:
            return None
        one = _entry(name, inner[0], choices, given, columns)
        if one is None or one.many:
            return None
        return replace(one, words=f"{one.words}; one a line", many=True)
    if get_origin(kind) is Literal:
        return _choice([str(entry) for entry in get_args(kind) if entry != ""])
    if kind is str:
        return _choice(list(choices)) if choices else AnswerType(words="text", read=_text)
    if kind is bool:
        return AnswerType(words="yes or no", brief="yes/no", read=_bool)
    if kind is datetime:
        return AnswerType(
            words="now, 14:05 for today, 2026-01-05 14:05:30, or that with +01:00 behind it",
            brief="e.g. now, 14:05, 2026-01-05 14:05",
            read=_datetime,
        )
    if kind in (int, float, Decimal):
        return _number(kind, _UNITS.get(name.rpartition("_")[2], "") if "_" in name else "")
    return None


def text_of(value: object) -> str:
    """Return a value as a profile writes it; nothing and empty are both empty."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case float():
            return f"{value:g}"
        case tuple() | list():
            return ", ".join(text_of(entry) for entry in value)
        case _:
            return str(value)


def said(value: object, moment: Moment, given: Container[str] = ()) -> str:
    """Return a value as a person reads it; ``given`` names columns of an entry nobody typed."""
    match value:
        case datetime():
            return moment.local(value).isoformat(" ", "seconds")
        case tuple() | list():
            return ", ".join(said(entry, moment, given) for entry in value) or "none"
        case _ if is_record(type(value)):
            names = [each.name for each in fields_of(type(value)) if each.name not in given]
            return f"{SEPARATOR} ".join(said(getattr(value, name), moment) for name in names)
        case None:
            return "nothing"
        case _:
            return text_of(value) or "empty"


def duration_words(seconds: float) -> str:
    """Return a duration as people say it: ``30 min``, ``1 h 05 min``, ``12 s``."""
    whole = round(seconds)
    if whole < 60 or (whole < 100 and whole % 60):
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min" if minutes else f"{hours} h"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def _text(typed: str, moment: Moment) -> str:
    if len(typed) > MAX_TEXT:
        raise ValueError(f"that has {len(typed)} characters; at most {MAX_TEXT} are kept")
    if not typed.isprintable():
        raise ValueError("that holds control characters (an arrow key?)")
    return typed


def _bool(typed: str, moment: Moment) -> bool:
    word = typed.lower()
    if word not in _YES + _NO:
        raise ValueError("expected yes or no")
    return word in _YES


def _datetime(typed: str, moment: Moment) -> datetime:
    expected = "expected now, or a date and time such as 2026-01-05 14:05:30, or 14:05 for today"
    if typed.lower() == "now":
        return moment.now
    if _CLOCK_TIME.fullmatch(typed):
        return _today(typed, moment, expected)
    if len(typed) <= len("2026-01-05"):
        raise ValueError(expected)
    try:
        at = datetime.fromisoformat(typed)
        return at if at.tzinfo is not None else moment.aware(at)
    except (ValueError, OverflowError, OSError):
        raise ValueError(expected) from None


def _today(typed: str, moment: Moment, expected: str) -> datetime:
    """Return the latest such time of day that has been: after midnight 23:58 is yesterday's."""
    try:
        at = datetime.strptime(typed, "%H:%M:%S" if typed.count(":") == 2 else "%H:%M").time()  # noqa: DTZ007
    except ValueError:
        raise ValueError(expected) from None
    today = moment.local(moment.now).date()
    found = moment.aware(datetime.combine(today, at))
    if found > moment.now + timedelta(seconds=_CLOSE_S):
        found = moment.aware(datetime.combine(today - timedelta(days=1), at))
    return found


def _number(kind: type, unit: str) -> AnswerType:
    whole = "a whole number" if kind is int else "a number"
    words = "a duration such as 90 s or 5 min" if unit == "s" else f"{whole} of {unit}" if unit else whole
    brief = "e.g. 90 s, 5 min" if unit == "s" else unit or "number"

    def read(typed: str, moment: Moment) -> object:
        found = _NUMBER.fullmatch(typed)
        if found is None or len(found[1]) > MAX_DIGITS:
            raise ValueError(f"expected {words}" + (" (with a point)" if "," in typed else ""))
        value, given = Decimal(found[1]), found[2]
        if unit == "s":
            if given.lower() not in _SECONDS:
                raise ValueError(f"expected {words}: with its unit")
            value *= _SECONDS[given.lower()]
        elif given and given.lower() != unit.lower():
            raise ValueError(f"expected {words}, not {given}" if unit else f"expected {words} without a unit")
        if kind is int and value != value.to_integral_value():
            raise ValueError(f"expected {words}")
        return kind(value)

    return AnswerType(words=words, brief=brief, read=read)


def _choice(words: list[str]) -> AnswerType:
    def read(typed: str, moment: Moment) -> str:
        if typed.isdecimal() and len(typed) < 4 and 0 < int(typed) <= len(words):
            return words[int(typed) - 1]
        exact = [word for word in words if word.lower() == typed.lower()]
        near = exact or [word for word in words if word.lower().startswith(typed.lower())]
        if len(near) != 1:
            raise ValueError(f"expected one of {', '.join(words)}, or its number")
        return near[0]

    return AnswerType(words=f"one of {', '.join(words)}", read=read, choices=tuple(words))


def _entry(
    name: str, annotation: Any, choices: Mapping[str, str], given: Mapping[str, object], columns: Columns
) -> AnswerType | None:
    """Return how one entry of a list is typed."""
    if is_record(annotation):
        return _record(annotation, given, columns)
    if annotation is str and columns:
        return _parts({part: _choice(list(words)) for part, words in columns.items()})
    return answer_type(name, annotation, choices, given)


def _parts(parts: Mapping[str, AnswerType]) -> AnswerType:
    """Return how a text of several words is typed: ``name: outcome``."""
    words = f"{PART} ".join(parts)

    def read(typed: str, moment: Moment) -> str:
        pieces = [piece.strip() for piece in typed.split(PART)]
        if len(pieces) != len(parts):
            raise ValueError(f"expected {words}")
        return f"{PART} ".join(
            str(_told(name, part.read, piece, moment))
            for (name, part), piece in zip(parts.items(), pieces, strict=True)
        )

    return AnswerType(
        words=words, brief=words, read=read, columns={name: part.choices for name, part in parts.items()}
    )


def _told(name: str, read: Callable[[str, Moment], object], typed: str, moment: Moment) -> object:
    """Read a part of an entry; a complaint names the part."""
    try:
        return read(typed, moment)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _record(record: type, given: Mapping[str, object], words_of: Columns) -> AnswerType | None:
    """Return how an entry with columns is typed: ``time; kind; text``; the last may hold the separator."""
    columns: dict[str, AnswerType] = {}
    known: dict[str, object] = {}
    for each in fields_of(record):
        if each.name in given:
            known[each.name] = given[each.name]
            continue
        column = answer_type(each.name, each.annotation, words_of.get(each.name, {}), {})
        if column is None or column.many:
            return None
        columns[each.name] = column
    names = ("time" if name == "at" else name.replace("_", " ") for name in columns)
    words = f"{SEPARATOR} ".join(names)

    def read(typed: str, moment: Moment) -> object:
        parts = [part.strip() for part in typed.split(SEPARATOR, len(columns) - 1)]
        if len(parts) != len(columns):
            raise ValueError(f"expected {words}")
        values = {
            name: _told(name.replace("_", " "), column.read, part, moment)
            for (name, column), part in zip(columns.items(), parts, strict=True)
        }
        return record(**known, **values)

    listed = {name.replace("_", " "): column.choices for name, column in columns.items() if column.choices}
    return AnswerType(words=words, brief=words, read=read, columns=listed)
