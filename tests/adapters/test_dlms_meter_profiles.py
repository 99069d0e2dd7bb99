"""Load profiles and schedules through the adapter: rows with times and units, and what cannot be asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from adapters.devices.dlms_meter import DlmsMeter
from adapters.devices.dlms_profiles import _Column, _Shape, _told
from adapters.errors import BenchError, Refused, RemoteProtocolError
from adapters.protocols.dlms import data
from adapters.roles import ProfileColumn
from harness.bench import LiveBench, open_bench
from virtual_rig.meters.selective_access import Column

START = datetime(2026, 1, 5, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@pytest.fixture(scope="module")
def bench() -> Iterator[LiveBench]:
    """The virtual MCS301 bench; nothing here changes it."""
    live = open_bench("virtual:mcs301")
    yield live
    live.close()


@pytest.fixture
def meter(bench: LiveBench) -> Iterator[DlmsMeter]:
    """Its meter, with an association of Management on IP."""
    found = bench.devices["meter"]
    assert isinstance(found, DlmsMeter)
    found.associate("management", "ip")
    yield found
    found.release_all()


def test_read_profile_range_has_times_status_units(meter: DlmsMeter) -> None:
    """The rows of an hour: times in UTC, a status, Decimal values in the unit of their register."""
    read = meter.read_profile("load_profile", since=START - timedelta(hours=1), until=START)
    assert [START - n * QUARTER for n in (4, 3, 2, 1, 0)] == [row.time for row in read.rows]
    assert (read.first, read.last, read.period_s) == (START - timedelta(hours=1), START, 900)
    assert [column.unit for column in read.columns] == ["Wh", "Wh", "varh", "varh"]
    assert [column.name for column in read.columns] == [
        "energy_import",
        "energy_export",
        "reactive_import",
        "reactive_export",
    ]
    assert {0} == {row.status for row in read.rows}
    assert Decimal(1234567) == read.column("energy_import")[-1]


def test_read_profile_element_of_an_attribute_is_named_as_one(
    meter: DlmsMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A captured object with a data_index is that element, and not taken for the whole attribute."""
    whole = Column.as_data

    def second_element(column: Column) -> data.Data:
        *fields, _index = whole(column).items()
        return data.structure(*fields, data.long_unsigned(2))

    monkeypatch.setattr(Column, "as_data", second_element)
    read = meter.read_profile("daily_profile", first_entry=1, last_entry=1)
    assert {(column.name[-3:], column.element) for column in read.columns} == {("[2]", 2)}


def test_read_profile_open_ends_reach_as_far_as_there_are_rows(meter: DlmsMeter) -> None:
    """A missing end of a range is no end."""
    assert meter.read_profile("load_profile", since=START - timedelta(days=400)).count == 96
    assert meter.read_profile("load_profile", since=START, until=START + QUARTER).count == 1
    assert meter.read_profile("load_profile").count == 96


def test_read_profile_columns_without_clock_have_no_times(meter: DlmsMeter) -> None:
    """Only what is asked for comes; what is not asked for is None and not invented."""
    read = meter.read_profile("load_profile", since=START, until=START, columns=("energy_export",))
    assert [(None, None, (Decimal(2345),))] == [(row.time, row.status, row.values) for row in read.rows]
    by_entry = meter.read_profile("load_profile", first_entry=96, columns=("energy_import", "energy_export"))
    assert [(Decimal(1234567), Decimal(2345))] == [row.values for row in by_entry.rows]


def test_read_profile_over_hdlc_is_the_same(meter: DlmsMeter) -> None:
    """Small frames and blocks bring what one APDU on IP brings."""
    meter.associate("management", "rs485", "serial")
    assert meter.read_profile("load_profile", association="serial") == meter.read_profile(
        "load_profile", association="ip/management"
    )


def test_read_event_log_is_a_profile_too(meter: DlmsMeter) -> None:
    """An event log is read by the same action; its code is a plain number."""
    read = meter.read_profile("standard_event_log")
    assert read.period_s == 0
    assert [column.name for column in read.columns] == ["standard_event"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"object": "energy_import"}, "class 3"),
        ({"object": "load_profile", "columns": ("voltage_l1",)}, "captures no 'voltage_l1'"),
        ({"object": "load_profile", "since": START, "first_entry": 1}, "not both"),
        (
            {"object": "load_profile", "first_entry": 1, "columns": ("energy_import", "reactive_export")},
            "neighbouring",
        ),
    ],
    ids=["no profile", "no such column", "two selections", "columns apart"],
)
def test_read_profile_impossible_wish_is_the_plans_mistake(
    meter: DlmsMeter, arguments: dict[str, object], words: str
) -> None:
    """What cannot be asked is told before anything is sent."""
    with pytest.raises(BenchError, match=words):
        meter.read_profile(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("flaw", ["unknown-selector", "wrong-parameters"])
def test_read_profile_spoiled_selection_is_refused(meter: DlmsMeter, flaw: str) -> None:
    """The flaw reaches the meter, and the meter says no."""
    with pytest.raises(Refused):
        meter.read_profile("load_profile", since=START, flaw=flaw)


def test_read_profile_denied_client_is_refused(meter: DlmsMeter) -> None:
    """Public may not read a load profile."""
    meter.associate("public", "ip", "public")
    with pytest.raises(Refused) as caught:
        meter.read_profile("load_profile", association="public")
    assert caught.value.reason == "read-write-denied"


def test_schedule_written_reads_back_in_local_time(meter: DlmsMeter) -> None:
    """A schedule tells its script and its time as the meter shows times; without a time it is empty."""
    at = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
    written = meter.set_schedule("disconnect_schedule", at)
    assert (
        written.times,
        written.script_table,
        written.script,
    ) == (("2026-03-01 13:30:15",), "0-0:10.0.106.255", 1)
    assert meter.set_schedule("disconnect_schedule").times == ()
    assert meter.read_schedule("billing_schedule").times == ("*-*-01 00:00:00",)


# --- rows as other meters send them ----------------------------------------------------------------------


def column(class_id: int, obis: str, attribute: int = 2, scaler: int = 0) -> _Column:
    """Return a captured object."""
    told = ProfileColumn(
        name=obis, class_id=class_id, logical_name=obis, attribute=attribute, unit="Wh", scaler=scaler
    )
    return _Column(definition=data.null(), told=told)


CLOCK, STATUS = column(8, "0-0:1.0.0.255"), column(1, "0-0:96.10.1.255")
ENERGY = column(3, "1-0:1.8.0.255", scaler=-1)
SHAPE = _Shape(columns=(CLOCK, STATUS, ENERGY), period_s=900, zone_min=-60)
FIRST = bytes.fromhex("07EA010501010000FFFFC400")  # 01:00 local, no hundredths, deviation -60
NO_ZONE = bytes.fromhex("07EA010501010000FF800000")


def test_rows_null_data_means_as_before_and_one_period_later() -> None:
    """Null-data stands for the value of the row before, and for the clock one period later."""
    read = _told("x", SHAPE, SHAPE.columns, [(NO_ZONE, 0, 1234), (None, None, None), (None, 8, 1240)])
    assert [row.time for row in read.rows] == [START, START + QUARTER, START + 2 * QUARTER]
    assert [row.status for row in read.rows] == [0, 0, 8]
    assert [Decimal("123.4"), Decimal("123.4"), Decimal("124.0")] == list(read.column("1-0:1.8.0.255"))


def test_rows_of_another_width_are_malformed() -> None:
    """As many columns as were asked for, or it is no row of this profile."""
    with pytest.raises(RemoteProtocolError, match="2 columns where 3"):
        _told("x", SHAPE, SHAPE.columns, [(NO_ZONE, 0)])


def test_rows_text_where_a_number_is_due_is_malformed() -> None:
    """A register column holds numbers."""
    with pytest.raises(RemoteProtocolError, match="no number"):
        _told("x", SHAPE, SHAPE.columns, [(NO_ZONE, 0, b"abc")])


def test_rows_time_that_is_none_is_told_as_none() -> None:
    """Twelve zeros are what some meters show before they captured anything."""
    assert _told("x", SHAPE, SHAPE.columns, [(bytes(12), 0, 1)]).rows[0].time is None
