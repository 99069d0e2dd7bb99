"""The adapter of ANSI meters against meters with careless firmware: well-formed packets, wrong contents."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from adapters.devices.ansi_meter import AnsiMeter
from adapters.errors import LabError, NotPermitted, Refused, RemoteProtocolError
from adapters.protocols.c1219 import MeterTime, ProcedureResponse, Result, encode
from harness.bench import LiveBench, open_bench
from harness.verdicts import Verdict, verdict_of
from virtual_rig.meters.ansi.model import AnsiMeterModel
from virtual_rig.site import load_site


class Careless:
    """A bench, and the model of one of its meters to meddle with."""

    def __init__(self, live: LiveBench, name: str) -> None:
        self.live = live
        adapter, provided = live.devices[name], live._provided
        assert isinstance(adapter, AnsiMeter)
        assert provided is not None
        self.meter: AnsiMeter = adapter
        self.model: AnsiMeterModel = provided.built.model(name, AnsiMeterModel)  # type: ignore[attr-defined]

    def shows(self, standard: str, octets: bytes) -> None:
        """Let the meter show these octets as the standard table of that layout."""
        self.model.tables.provide_octets(standard, lambda: octets)

    def true(self, name: str) -> bytes:
        """Return what the table would show."""
        octets = self.model.tables.read(name)
        assert isinstance(octets, bytes)
        return octets


Alone = Callable[[str], Careless]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Alone]:
    """One meter of the site of all families, alone on its bench."""
    opened: list[LiveBench] = []
    site = load_site("ansi-meters")

    def only(name: str) -> Careless:
        single = site.model_copy(update={"devices": {name: site.devices[name]}})
        monkeypatch.setattr("virtual_rig.provider.load_site", lambda _name: single)
        opened.append(open_bench("virtual:ansi-meters"))
        return Careless(opened[-1], name)

    yield only
    for bench in opened:
        bench.close()


@pytest.fixture
def i210(alone: Alone) -> Careless:
    """An I-210+ on a bench."""
    return alone("i210")


def blamed(ask: Any) -> LabError:
    """Return the error that ``ask`` ends in; it must blame the meter, with the octets."""
    with pytest.raises(RemoteProtocolError) as caught:
        ask()
    assert caught.value.frame_intact
    assert verdict_of(caught.value) is Verdict.failed
    return caught.value


@pytest.mark.parametrize("length", [0, 1, 12, 18, 19, 40, 70])
def test_truncated_general_configuration_is_the_meters_fault(i210: Careless, length: int) -> None:
    """However much of ST0 is missing, whatever is asked ends in a typed error that blames the meter."""
    i210.shows("general_configuration", i210.true("general_configuration")[:length])
    for ask in (
        i210.meter.list_tables,
        i210.meter.identify,
        i210.meter.read_clock,
        lambda: i210.meter.read_register("energy_import"),
    ):
        assert "ST0" in str(blamed(ask))


@pytest.mark.parametrize("change", [-1, 1, -20])
def test_table_of_another_size_is_told_with_both_sizes(i210: Careless, change: int) -> None:
    """A table that is too short or too long for its own dimensions is the meter's fault, and is kept."""
    octets = (i210.true("actual_registers") + b"\0")[: 10 + change]
    i210.shows("actual_registers", octets)
    error = blamed(lambda: i210.meter.read_table("actual_registers"))
    assert f"ST21 has {len(octets)} octets" in str(error)
    assert octets == error.data


def test_dimensions_that_promise_a_giant_cost_nothing(i210: Careless) -> None:
    """A load profile that would be gigabytes long is refused before it is read."""
    claimed = bytearray(i210.true("actual_load_profile"))
    claimed[7:11] = b"\xff\xff\xff\xff"
    i210.shows("actual_load_profile", bytes(claimed))
    error = blamed(lambda: i210.meter.read_table("load_profile_data"))
    assert "ST64 would have 12884836350 octets" in str(error)


def test_part_of_another_length_is_told(i210: Careless) -> None:
    """A register that lies beyond the end of its table is declined by the meter, not read past."""
    i210.shows("current_registers", i210.true("current_registers")[:3])
    with pytest.raises(Refused, match="inappropriate-action"):
        i210.meter.read_register("energy_import")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_register_that_holds_no_number_is_the_meters_fault(alone: Alone, value: float) -> None:
    """NaN in a floating-point register is no reading."""
    centron = alone("centron")
    octets = bytearray(centron.true("current_registers"))
    octets[1:9] = struct.pack("<d", value)
    centron.shows("current_registers", bytes(octets))
    assert "energy_import holds" in str(blamed(lambda: centron.meter.read_register("energy_import")))


def test_clock_that_shows_no_date_is_the_meters_fault(i210: Careless) -> None:
    """Month 13 is no time to compare with ours."""
    i210.shows("clock", bytes((26, 13, 1, 0, 0, 0, 0x10)))
    assert "2026-13-01" in str(blamed(i210.meter.read_clock))


@pytest.mark.parametrize(
    "answer, said",
    [
        (ProcedureResponse(number=9, sequence=999 % 256, result=Result.COMPLETED), "ST8 answers procedure 9"),
        (ProcedureResponse(number=10, sequence=0, result=Result.COMPLETED), "ST8 answers procedure 10"),
    ],
)
def test_answer_to_another_procedure_is_never_taken_for_ours(
    i210: Careless, answer: ProcedureResponse, said: str
) -> None:
    """ST8 that stays with somebody else's result is waited for, then told."""
    i210.shows("procedure_response", answer.octets("little"))
    i210.meter.open_session(level="master")
    i210.meter._sequence = 20
    assert said in str(blamed(lambda: i210.meter.run_procedure("demand_reset")))


def test_result_code_nobody_defined_is_the_meters_fault(i210: Careless) -> None:
    """A result of 9 means nothing."""
    i210.shows("procedure_response", b"\x09\x00\x15\x09")
    i210.meter.open_session(level="master")
    assert "result code 9" in str(blamed(lambda: i210.meter.run_procedure("demand_reset")))


@pytest.mark.parametrize("valid, last", [(101, 0), (3, 100), (0xFFFF, 0xFFFF)])
def test_event_log_that_claims_more_than_it_holds_is_the_meters_fault(
    i210: Careless, valid: int, last: int
) -> None:
    """Counters beyond the entries there are lead nowhere."""
    octets = bytearray(i210.true("event_log"))
    octets[1:5] = struct.pack("<HH", valid, last)
    i210.shows("event_log", bytes(octets))
    assert "the event log claims" in str(blamed(i210.meter.read_events))


@pytest.mark.parametrize("circular, descending", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_event_log_is_read_oldest_first_whatever_its_order(
    i210: Careless, circular: int, descending: int
) -> None:
    """First in first out or circular, newest last or newest first: the entries come in the order of time."""
    size = i210.model.log.capacity
    newest = 41 if circular else 4
    step = -1 if descending else 1
    if descending and not circular:
        newest = 0
    rows: list[dict[str, object]] = [{} for _ in range(size)]
    for age in range(5):  # 0 is the newest
        rows[(newest - step * age) % size] = {
            "EVENT_TIME": MeterTime(year=2026, month=1, day=5, hour=0, minute=10 - age),
            "EVENT_CODE": {"TBL_PROC_NBR": 10 - age},
        }
    layout = i210.model.tables.layout("event_log")
    flags = {"LIST_TYPE_FLAG": circular, "ORDER_FLAG": descending}
    fields = {
        "EVENT_FLAGS": flags,
        "NBR_VALID_ENTRIES": 5,
        "LAST_ENTRY_ELEMENT": newest,
        "ENTRIES": tuple(rows),
    }
    i210.shows("event_log", encode(layout, fields, i210.model.tables.known))
    assert i210.meter.read_events().codes == (6, 7, 8, 9, 10)


def test_clock_in_summer_time_is_compared_in_utc(alone: Alone) -> None:
    """An hour of summer time counts where the clock says it is in effect and added, and only there."""
    meter = alone("focus_ax_modular")
    tables, model = meter.model.tables, meter.model
    tables.provide("time_offset", lambda: {"TIME_ZONE_OFFSET": -300, "DST_TIME_AMT": 60})
    for flags, shift_min in (
        ({"DST_FLAG": 1, "DST_APPLIED_FLAG": 1}, 60),
        ({"DST_FLAG": 1, "DST_APPLIED_FLAG": 0}, 0),
        ({"DST_FLAG": 0, "DST_APPLIED_FLAG": 1}, 0),
    ):
        tables.provide(
            "clock",
            lambda flags=flags, shift_min=shift_min: {  # type: ignore[misc]
                "CLOCK_CALENDAR": model.shown(model.clock.utc() + timedelta(minutes=shift_min)),
                "TIME_DATE_QUAL": flags,
            },
        )
        assert abs(meter.meter.read_clock().drift_s) < 1.5, flags


def test_identity_is_read_back_also_in_a_session_that_may_read_nothing(i210: Careless) -> None:
    """The check before what can hurt takes a session of its own, and puts the plan's back."""
    opened = i210.meter.open_session(flaw="no-security")
    assert opened.level == ""
    with pytest.raises(Refused, match="insufficient-security"):
        i210.meter.disconnect_supply()
    with pytest.raises(Refused, match="insufficient-security"):
        i210.meter.read_table("current_registers")
    assert i210.meter.identify().serial == "61234567"
    assert i210.model.switch.closed
    i210.live.allow = frozenset()
    with pytest.raises(NotPermitted):
        i210.meter.disconnect_supply()


def test_identity_that_cannot_be_read_does_not_lift_the_plans_session(i210: Careless) -> None:
    """Where even the default level learns no name, the plan is still in the session it opened."""
    i210.meter.open_session(flaw="no-security")
    i210.shows("device_identification", b"SHORT")
    for _ in range(2):
        with pytest.raises(Refused, match="inappropriate-action"):
            i210.meter.identify()
        with pytest.raises(Refused, match="insufficient-security"):
            i210.meter.read_table("current_registers")


def test_big_table_crosses_a_small_message_in_pieces(alone: Alone) -> None:
    """A meter that negotiates nothing gives 52 octets at a time; the table is the same in the end."""
    al = alone("focus_al")
    opened = al.meter.open_session()
    assert (opened.packet_octets, opened.packets) == (64, 1)
    read = al.meter.read_table("utility_information")
    assert (230, al.true("utility_information").hex()) == (read.count, read.octets)
    # ST0 tells its own length and may be too long for one message as well.
    al.shows("general_configuration", _with_more_tables(al))
    al.meter.end_session()
    assert len(al.meter.list_tables().tables) >= 18


def _with_more_tables(careless: Careless) -> bytes:
    layout, known = careless.model.tables.layout("general_configuration"), careless.model.tables.known
    fields = {**known.fields(0), "DIM_STD_TBLS_USED": 25}
    octets = encode(layout, fields, known)
    assert len(octets) > 52
    return octets
