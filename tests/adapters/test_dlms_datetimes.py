"""COSEM date-times: deviation sign, wildcards, ranges."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ClockStatus

CET = timezone(timedelta(hours=1))
FIRST, LAST = datetime(1, 1, 3), datetime(9999, 12, 28)  # noqa: DTZ001 -- Hypothesis wants naive limits


@given(st.datetimes(FIRST, LAST), st.integers(-720, 840))
def test_date_time_round_trip_keeps_the_moment_to_a_hundredth(moment: datetime, deviation_min: int) -> None:
    """A moment in any zone comes back in UTC, shortened to hundredths."""
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=-deviation_min)))
    stamp = CosemDateTime.from_datetime(aware)
    assert stamp.deviation_min == deviation_min
    back = CosemDateTime.from_octets(stamp.octets()).utc()
    assert timedelta(0) <= aware - back < timedelta(milliseconds=10)


def test_date_time_deviation_is_what_is_added_to_local_time_to_get_utc() -> None:
    """13:00 in Central Europe has deviation -60 and is 12:00 UTC."""
    stamp = CosemDateTime.from_datetime(datetime(2026, 1, 5, 13, 0, tzinfo=CET))
    assert stamp.deviation_min == -60
    assert stamp.octets().hex() == "07ea0105010d000000ffc400"
    assert stamp.utc() == datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
    assert str(stamp) == "2026-01-05T13:00:00+01:00"


def test_date_time_can_be_written_in_another_deviation() -> None:
    """The same moment for a meter that keeps New York time."""
    stamp = CosemDateTime.from_datetime(datetime(2026, 1, 5, 12, 0, tzinfo=UTC), deviation_min=300)
    assert (stamp.hour, stamp.deviation_min) == (7, 300)
    with_hundredths = CosemDateTime.from_datetime(datetime(2026, 1, 5, 12, 0, 0, 250_000, UTC))
    assert str(with_hundredths) == "2026-01-05T12:00:00.25+00:00"
    assert stamp.utc() == datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
    assert str(stamp).endswith("-05:00")


def test_date_time_wildcards_are_none_and_go_back_as_wildcards() -> None:
    """Not specified is neither zero nor now."""
    raw = bytes.fromhex("ffffffffffffffffff8000ff")
    stamp = CosemDateTime.from_octets(raw)
    assert {stamp.year, stamp.month, stamp.day, stamp.hour, stamp.hundredths, stamp.deviation_min} == {None}
    assert stamp.status is None
    assert raw == stamp.octets()
    assert str(stamp) == "????-??-??T??:??:??"
    with pytest.raises(RemoteProtocolError, match="one moment"):
        stamp.utc()


def test_date_time_without_deviation_needs_one_assumed() -> None:
    """A meter that keeps UTC may leave the deviation out; the caller has to say so."""
    stamp = CosemDateTime.from_octets(bytes.fromhex("07ea01050100000000800000"))
    with pytest.raises(RemoteProtocolError):
        stamp.utc()
    assert stamp.utc(assumed_deviation_min=0) == datetime(2026, 1, 5, tzinfo=UTC)


def test_date_time_status_bits_have_names() -> None:
    """The clock status says invalid, doubtful, daylight saving."""
    stamp = CosemDateTime.from_octets(bytes.fromhex("07ea0105010000000000 0081"))
    assert stamp.status == ClockStatus.INVALID_VALUE | ClockStatus.DAYLIGHT_SAVING_ACTIVE


@pytest.mark.parametrize(
    "raw",
    [
        "07ea0d05010000000000 0000",  # month 13
        "07ea0100010000000000 0000",  # day 0
        "07ea0105081800000000 0000",  # weekday 8
        "07ea0105011800000000 0000",  # hour 24
        "07ea0105010000640000 0000",  # second 100
        "07ea010501000000ff 7fff00",  # deviation far away
        "07ea01",
        "07ea0105010000000000000000",
    ],
)
def test_date_time_out_of_range_is_refused(raw: str) -> None:
    """A field that means nothing is the meter's mistake."""
    with pytest.raises(RemoteProtocolError):
        CosemDateTime.from_octets(bytes.fromhex(raw))


def test_date_time_that_is_in_no_calendar_is_refused_when_asked_for() -> None:
    """The thirtieth of February decodes, but names no moment; neither does the last day of a month."""
    for raw in ("07ea021e01000000 00000000", "07ea02fe01000000 00000000", "0001010101000000 00fd3000"):
        stamp = CosemDateTime.from_octets(bytes.fromhex(raw))
        with pytest.raises(RemoteProtocolError, match="no date"):
            stamp.utc()


def test_date_time_from_naive_or_impossible_input_is_our_mistake() -> None:
    """A time without a zone is not sent to a meter."""
    with pytest.raises(LocalProtocolError, match="aware"):
        CosemDateTime.from_datetime(datetime(2026, 1, 5))  # noqa: DTZ001
    stamp = CosemDateTime.from_datetime(datetime(2026, 1, 5, tzinfo=UTC))
    wrong = CosemDateTime(
        **{name: getattr(stamp, name) for name in stamp.__slots__ if name != "hour"}, hour=300
    )
    with pytest.raises(LocalProtocolError, match="out of range"):
        wrong.octets()
