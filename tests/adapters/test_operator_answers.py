"""What a person types becomes the value that was meant, or a complaint in words; never anything else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.devices.operator.answers import (
    MAX_TEXT,
    UNSEEN,
    AnswerType,
    Moment,
    answer_type,
    duration_words,
    said,
    text_of,
)
from adapters.roles import TmsEvent

NOW = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)
MOMENT = Moment(now=NOW, zone=UTC)
WORDS = ("sent", "ok", "no response")

KINDS: list[tuple[str, Any]] = [
    ("text", str),
    ("saved", bool),
    ("readings", int),
    ("rssi_dbm", int),
    ("value", Decimal),
    ("voltage_v", Decimal),
    ("elapsed_s", float),
    ("at", datetime),
    ("state", Literal["", "running", "complete"]),
    ("lines", tuple[str, ...]),
    ("events", tuple[TmsEvent, ...]),
]


def kind(name: str, annotation: Any, **options: Any) -> AnswerType:
    """Return how a field is typed in."""
    found = answer_type(name, annotation, options.pop("choices", {}), options.pop("given", {}), **options)
    assert found is not None
    return found


def read(name: str, annotation: Any, typed: str, **options: Any) -> object:
    """Return what typing something for a field comes to."""
    return kind(name, annotation, **options).read(typed, MOMENT)


# -- anything at all


@pytest.mark.parametrize("name, annotation", KINDS)
@given(typed=st.text(max_size=300))
def test_answer_of_any_text_is_a_value_or_a_complaint(name: str, annotation: Any, typed: str) -> None:
    """No input, however odd, raises anything but words for the person."""
    complaint = "none"
    try:
        kind(name, annotation, given={"unit": "77"}).read(typed, MOMENT)
    except ValueError as error:
        complaint = str(error)
    assert complaint


@given(typed=st.text(alphabet="0123456789:-T+. Zz", max_size=40))
def test_answer_that_looks_like_a_time_is_one_with_a_zone_or_a_complaint(typed: str) -> None:
    """Whatever a person takes for a date; a moment always has its zone."""
    try:
        found = read("at", datetime, typed)
    except ValueError:
        return
    assert isinstance(found, datetime)
    assert found.tzinfo is not None


# -- there and back


@given(
    number=st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9)
)
def test_answer_decimal_is_exactly_what_was_typed(number: Decimal) -> None:
    """A register value is never a float on its way."""
    assert read("value", Decimal, f"{number:f}") == number
    assert read("voltage_v", Decimal, f"{number:f} v") == number


@given(number=st.integers(-(10**30), 10**30))
def test_answer_integer_is_exact_with_and_without_its_unit(number: int) -> None:
    """However long; the unit of the name may be typed."""
    assert read("rssi_dbm", int, str(number)) == number
    assert read("rssi_dbm", int, f"{number} dBm") == number


@given(at=st.datetimes(timezones=st.timezones()))
def test_answer_time_with_its_zone_is_that_moment(at: datetime) -> None:
    """As the screen shows it, copied."""
    fixed = at.replace(tzinfo=timezone(at.utcoffset() or timedelta()))
    assert read("at", datetime, fixed.isoformat()) == fixed


@given(words=st.lists(st.text("abcdefg-", min_size=1, max_size=8), min_size=1, max_size=9, unique=True))
def test_answer_choice_is_found_by_word_and_by_number(words: list[str]) -> None:
    """Both ways, for every word."""
    for number, word in enumerate(words, 1):
        for typed in (word, word.upper(), str(number)):
            assert read("outcome", str, typed, choices=dict.fromkeys(words, "")) == word


@given(text=st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=80))
def test_answer_entry_keeps_the_separator_in_its_last_column(text: str) -> None:
    """The text of an event is the screen's own."""
    event = read("events", tuple[TmsEvent, ...], f"now; version; {text} ; more", given={"unit": "77"})
    assert event == TmsEvent(at=NOW, unit="77", kind="version", text=f"{text} ; more")


@given(seconds=st.floats(0, 10**7))
def test_duration_words_are_never_off_by_more_than_their_last_unit(seconds: float) -> None:
    """From an hour on minutes will do."""
    words = duration_words(seconds)
    units = {"s": 1, "min": 60, "h": 3600}
    parts = words.split()
    told = sum(int(number) * units[unit] for number, unit in zip(parts[::2], parts[1::2], strict=True))
    assert abs(told - seconds) <= (60 if "h" in parts else 0.5)


# -- one by one


@pytest.mark.parametrize(
    "typed, expected",
    [
        ("now", NOW),
        ("NOW", NOW),
        ("11:58", datetime(2026, 11, 20, 11, 58, tzinfo=UTC)),
        ("9:05:07", datetime(2026, 11, 20, 9, 5, 7, tzinfo=UTC)),
        ("12:01", datetime(2026, 11, 20, 12, 1, tzinfo=UTC)),  # the screen's clock may be a little ahead
        ("23:58", datetime(2026, 11, 19, 23, 58, tzinfo=UTC)),  # later today has not been yet
        ("2026-01-05 14:05", datetime(2026, 1, 5, 14, 5, tzinfo=UTC)),
        ("2026-01-05T14:05:30.25+01:00", datetime(2026, 1, 5, 13, 5, 30, 250000, tzinfo=UTC)),
        ("2026-01-05 14:05:30Z", datetime(2026, 1, 5, 14, 5, 30, tzinfo=UTC)),
    ],
)
def test_answer_time_as_people_write_it_is_read(typed: str, expected: datetime) -> None:
    """Now, a time of today or of last night, a date and a time."""
    assert read("at", datetime, typed) == expected


@pytest.mark.parametrize(
    "typed", ["", "2026-01-05", "01/05/2026 2:05 PM", "25:00", "12:60", "yesterday", "-"]
)
def test_answer_time_that_could_be_two_things_is_asked_for_again(typed: str) -> None:
    """A date without a time, an American date, nonsense."""
    with pytest.raises(ValueError, match="expected now, or a date and time such as"):
        read("at", datetime, typed)


def test_answer_time_is_of_the_screens_zone() -> None:
    """What the screen shows in New York is so many hours later in UTC; summer time is minded."""
    there = Moment(now=NOW, zone=ZoneInfo("America/New_York"))
    at = kind("at", datetime)
    assert at.read("2026-01-05 14:05", there) == datetime(2026, 1, 5, 19, 5, tzinfo=UTC)
    assert at.read("2026-07-05 14:05", there) == datetime(2026, 7, 5, 18, 5, tzinfo=UTC)
    assert at.read("7:00", there) == datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    assert said(NOW, there) == "2026-11-20 07:00:30-05:00"


def test_answer_time_without_a_zone_of_the_screen_is_of_this_computer() -> None:
    """Where the profile names none, screen and computer stand in the same room."""
    here = Moment(now=NOW)
    assert kind("at", datetime).read("2026-01-05 14:05", here) == datetime(2026, 1, 5, 14, 5).astimezone()


@pytest.mark.parametrize(
    "typed, expected",
    [("90 s", 90.0), ("5 min", 300.0), ("1.5h", 5400.0), ("250 ms", 0.25), ("2 days", 172800.0)],
)
def test_answer_duration_is_read_with_its_unit(typed: str, expected: float) -> None:
    """In whichever unit it is shown."""
    assert read("elapsed_s", float, typed) == expected


@pytest.mark.parametrize(
    "name, annotation, typed, says",
    [
        ("elapsed_s", float, "90", "with its unit"),
        ("elapsed_s", float, "5 fortnights", "with its unit"),
        ("value", Decimal, "12,5", "with a point"),
        ("value", Decimal, "12 Wh", "without a unit"),
        ("voltage_v", Decimal, "5 A", "a number of V, not A"),
        ("readings", int, "1.5", "a whole number"),
        ("readings", int, "9" * 41, "a whole number"),
        ("saved", bool, "perhaps", "yes or no"),
        ("text", str, "x" * (MAX_TEXT + 1), "at most 200"),
        ("text", str, "a\x1b[A", "control characters"),
        ("events", tuple[TmsEvent, ...], "now; version", "time; unit; kind; text"),
        ("events", tuple[TmsEvent, ...], "then; 77; version; 9.1", "at: expected now"),
    ],
)
def test_answer_that_does_not_fit_is_told_why(name: str, annotation: Any, typed: str, says: str) -> None:
    """Every complaint says what was expected."""
    with pytest.raises(ValueError, match=says):
        read(name, annotation, typed)


@pytest.mark.parametrize("typed", ["o", "n", "SENT", "2", "3"])
def test_answer_choice_by_its_beginning_is_enough(typed: str) -> None:
    """As long as only one word begins so."""
    assert read("outcome", str, typed, choices=dict.fromkeys(WORDS, "")) in WORDS


@pytest.mark.parametrize("typed", ["", "0", "4", "x", "-1", "1000"])
def test_answer_choice_that_is_none_of_them_is_told_which_there_are(typed: str) -> None:
    """With the words, so that he can copy one."""
    with pytest.raises(ValueError, match="expected one of sent, ok, no response"):
        read("outcome", str, typed, choices=dict.fromkeys(WORDS, ""))


@pytest.mark.parametrize(
    "annotation", [dict[str, str], object, bytes, tuple[int, str], tuple[tuple[str, ...], ...]]
)
def test_answer_that_nobody_can_type_in_has_no_type(annotation: Any) -> None:
    """A mapping, octets, a list of lists."""
    assert answer_type("field", annotation, {}, {}) is None


@pytest.mark.parametrize(
    "value, expected",
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (Decimal("1E+2"), "100"),
        (2.5, "2.5"),
        (("a", "b"), "a, b"),
        (7, "7"),
    ],
)
def test_text_of_a_value_is_what_a_profile_writes(value: object, expected: str) -> None:
    """Conditions of a profile compare by it."""
    assert text_of(value) == expected


@pytest.mark.parametrize(
    "value, expected", [(None, "nothing"), ("", "empty"), ((), "none"), (UNSEEN, "not shown"), (True, "yes")]
)
def test_said_value_tells_nothing_empty_and_not_shown_apart(value: object, expected: str) -> None:
    """They are three different answers, and read so before he agrees to them."""
    assert said(value, MOMENT) == expected
