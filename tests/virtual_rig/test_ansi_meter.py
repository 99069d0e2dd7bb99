"""The virtual ANSI meters as state: tables, registers, interval data, log, passwords, switch, procedures."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import BenchError
from adapters.profiles.loader import shipped_profiles
from adapters.protocols.c1218.codes import ResponseCode
from adapters.protocols.c1219 import Known, MeterTime, Result, decode, size_of
from tests.virtual_rig.ansi_rig import USER, AnsiRig
from virtual_rig.meters.ansi.access import PasswordAnswer
from virtual_rig.meters.ansi.identity import AnsiIdentity
from virtual_rig.supply import balanced

PROFILES = shipped_profiles("c1219")


def load(current_a: str, power_factor: str = "1") -> Any:
    """Return a load point of 240 V, 60 Hz."""
    return balanced(Decimal(240), Decimal(current_a), Decimal(power_factor), Decimal(60))


# --- tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_meter_shows_every_table_of_its_profile_as_its_layout_has_it(profile: str) -> None:
    """Each table can be read by a reader that knows the profile, is as long as it says, and ST0 lists it."""
    with AnsiRig(profile) as rig:
        rig.clock.sleep_s(3 * 3600)
        listed = rig.fields("general_configuration")
        numbers = {*listed["STD_TBLS_USED"], *(2048 + number for number in listed["MFG_TBLS_USED"])}
        assert {table.number for table in rig.profile.tables.values()} == numbers
        for name in rig.profile.tables:
            if name.startswith("procedure_"):
                continue
            layout = rig.profile.layout_of(name)
            assert layout is not None
            rig.known.learn(layout.number, rig.fields(name))
            assert len(rig.octets(name)) == size_of(layout, rig.known), name


@pytest.mark.parametrize("profile", PROFILES)
def test_meter_says_who_it_is_in_the_forms_of_its_profile(profile: str) -> None:
    """Manufacturer, model and serial number stand in ST1 and ST5, as text or as packed decimal."""
    with AnsiRig(profile) as rig:
        identity = rig.fields("manufacturer_identification")
        assert rig.profile.manufacturer == identity["MANUFACTURER"]
        assert rig.profile.model == identity["ED_MODEL"]
        wide = rig.profile.formats.id_form == "bcd"
        expected = "61234567".zfill(20) if wide else "61234567"
        assert expected == rig.fields("device_identification")["IDENTIFICATION"]


def test_meter_refuses_what_it_does_not_have_and_what_is_not_allowed() -> None:
    """What is unknown, above one's level, beyond the end or only for show is refused by its code."""
    with AnsiRig() as rig:
        meter = rig.meter
        assert ResponseCode.ONP is meter.read(99, rig.master)
        assert ResponseCode.ONP is meter.write(99, rig.master, USER, b"x")
        assert ResponseCode.ISC is meter.read(5, "")
        assert isinstance(meter.read(0, ""), bytes)
        assert ResponseCode.ISC is meter.write(6, "reader", USER, b"x", 0)
        assert ResponseCode.IAR is meter.read(5, rig.master, 10, 11)
        assert ResponseCode.IAR is meter.write(6, rig.master, USER, b"x", 230)
        assert ResponseCode.IAR is meter.write(6, rig.master, USER, b"x")
        assert ResponseCode.ISC is meter.write(23, rig.master, USER, bytes(22))
        assert ResponseCode.DNR is meter.read(8, rig.master)
        assert rig.events() == []


def test_meter_keeps_what_is_written_through_a_power_cut() -> None:
    """Utility information is memory; the log says who wrote which table."""
    with AnsiRig() as rig:
        assert ResponseCode.OK is rig.meter.write(6, "technician", USER, b"TARIFF-9", 170)
        rig.supply.switch(False)
        rig.clock.sleep_s(3600)
        rig.supply.switch(True)
        assert rig.fields("utility_information")["TARIFF_ID"] == "TARIFF-9"
        assert rig.events() == ["table_written", "power_down", "power_up"]
        written = rig.meter.log.entries[0]
        assert (written.user, written.argument) == (USER, b"\x06\x00")


def test_meter_shows_what_another_part_provides() -> None:
    """A communication module shows itself as a table of the meter; a table nobody planned is refused."""
    with AnsiRig() as rig:
        state = {"STATE_CODE": 3}
        rig.meter.provide_table("module_status", lambda: state)
        assert rig.fields("module_status")["STATE_CODE"] == 3
        state["STATE_CODE"] = 6
        assert rig.fields("module_status")["STATE_CODE"] == 6
        assert bytes((6, 0, 0, 0)) == rig.run("read_module_status").data
        with pytest.raises(BenchError, match="no table modul_status; there are general_configuration"):
            rig.meter.provide_table("modul_status", dict)


# --- registers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile, phases", [("i210", 1), ("s4e3g", 3), ("focus_al", 1), ("centron", 1)])
def test_registers_count_exactly_what_flows(profile: str, phases: int) -> None:
    """After an hour and a half at 10 A, 240 V, each connected phase has brought 3600 Wh."""
    with AnsiRig(profile, energy_wh={"A+": 1_000_000}) as rig:
        rig.clock.sleep_s(5400)
        register = rig.profile.registers["energy_import"]
        fields = rig.fields("current_registers")
        value = fields["TOT_DATA_BLOCK"]["SUMMATIONS"][0].scaleb(register.scaler)
        assert 1_000_000 + 3600 * phases == value
        assert int(value.scaleb(-register.scaler)) == rig.meter.registers_now()["energy_import"]


def test_registers_stand_still_while_the_switch_is_open() -> None:
    """No load is counted behind an open switch, and the voltage in front of it is still there."""
    with AnsiRig() as rig:
        assert Result.ACCEPTED is rig.run("switch_open").result
        rig.clock.sleep_s(1)
        before = rig.meter.registers_now()
        rig.clock.sleep_s(3600)
        after = rig.meter.registers_now()
        assert before["energy_import"] == after["energy_import"]
        assert (after["current_l1"], after["power_import"], after["voltage_l1"]) == (0, 0, 2400)


def test_greatest_demand_is_that_of_a_whole_interval_and_can_be_reset() -> None:
    """A peak within an interval is averaged; a reset forgets it and counts itself."""
    with AnsiRig(current_a="0") as rig:
        rig.clock.sleep_s(900)
        rig.supply.apply(load("20"))
        rig.clock.sleep_s(450)
        rig.supply.apply(load("0"))
        rig.clock.sleep_s(1000)
        block = rig.fields("current_registers")["TOT_DATA_BLOCK"]["DEMANDS"][0]
        assert Decimal(2400) == block["DEMAND"][0]
        assert str(block["EVENT_TIME"][0]) == "2026-01-05 00:30:00"
        assert Result.COMPLETED is rig.run("demand_reset").result
        fields = rig.fields("current_registers")
        assert Decimal(0) == fields["TOT_DATA_BLOCK"]["DEMANDS"][0]["DEMAND"][0]
        assert fields["NBR_DEMAND_RESETS"] == 1


# --- interval data ---------------------------------------------------------------------------------------


def intervals_of(rig: AnsiRig) -> list[tuple[str, int, int]]:
    """Return end of block, value and status of the valid intervals of ST64, oldest first."""
    status, data = rig.fields("load_profile_status"), rig.fields("load_profile_data")
    blocks, rows = data["LP_DATA_SETS1"], []
    last, valid = status["LAST_BLOCK_ELEMENT"], status["NBR_VALID_BLOCKS"]
    for step in range(valid - 1, -1, -1):
        block = blocks[(last - step) % len(blocks)]
        count = len(block["LP_INT"]) if step else status["NBR_VALID_INT"]
        rows += [
            (str(block["BLK_END_TIME"]), each["INT_DATA"][0], each["EXTENDED_INT_STATUS"][0])
            for each in block["LP_INT"][:count]
        ]
    return rows


def test_interval_data_adds_up_to_the_register() -> None:
    """Whatever the load does, the intervals sum up to what the register gained until the last boundary."""
    with AnsiRig(energy_wh={"A+": 999}) as rig:
        for current, seconds in (("7", 1000), ("0", 100), ("33.3", 5000), ("1.7", 80000), ("12", 4000)):
            rig.supply.apply(load(current, "0.93"))
            rig.clock.sleep_s(seconds)
        rig.clock.sleep_s(900 - rig.clock.now_s() % 900)
        rows = intervals_of(rig)
        assert rig.clock.now_s() / 900 == len(rows)
        assert rig.meter.registers_now()["energy_import"] - 999 == sum(value for _, value, _ in rows)


@settings(max_examples=25)
@given(st.integers(1, 6 * 86400), st.integers(-300, 300), st.integers(0, 40))
def test_interval_data_is_the_same_however_rarely_it_is_looked_at(looked_s: int, ppm: int, amps: int) -> None:
    """Skipping what will be overwritten, and looking in between, give the same intervals."""
    with (
        AnsiRig("focus_al", current_a=str(amps), drift_ppm=ppm) as once,
        AnsiRig("focus_al", current_a=str(amps), drift_ppm=ppm) as twice,
    ):
        total_s = 6 * 86400 + 777
        once.clock.sleep_s(total_s)
        twice.clock.sleep_s(looked_s)
        twice.fields("load_profile_data")
        twice.clock.sleep_s(total_s - looked_s)
        assert once.octets("load_profile_status") == twice.octets("load_profile_status")
        assert once.octets("load_profile_data") == twice.octets("load_profile_data")


def test_interval_data_marks_a_power_cut_and_a_clock_that_was_set() -> None:
    """Intervals without supply are there, empty and marked; so is the one in which the clock was set."""
    with AnsiRig() as rig:
        rig.clock.sleep_s(1000)
        rig.supply.switch(False)
        rig.clock.sleep_s(1800)
        rig.supply.switch(True)
        rig.clock.sleep_s(1700)
        rows = intervals_of(rig)
        assert [row[1:] for row in rows] == [(600, 0), (66, 0x20), (0, 0x20), (534, 0x20), (600, 0)]
        mask = {"SET_TIME_FLAG": 1, "SET_DATE_FLAG": 1}
        moment = MeterTime.of(rig.meter.clock.utc() + timedelta(minutes=7))
        assert Result.COMPLETED is rig.run("set_clock", {"SET_MASK": mask, "DATE_TIME": moment}).result
        rig.clock.sleep_s(900)
        assert intervals_of(rig)[-1][2] == 0x40


def test_load_profile_overwrites_its_oldest_block() -> None:
    """The memory is circular: after two weeks only the newest blocks are there, the last one under way."""
    with AnsiRig() as rig:
        rig.clock.sleep_s(14 * 86400 + 3600)
        status = rig.fields("load_profile_status")
        assert tuple(
            status[name] for name in ("NBR_VALID_BLOCKS", "LAST_BLOCK_SEQ_NBR", "NBR_VALID_INT")
        ) == (8, 14, 4)
        rows = intervals_of(rig)
        assert len(rows) == 7 * 96 + 4
        assert rows[0][0] == "2026-01-13 00:00:00"
        assert {600} == {value for _, value, _ in rows}


# --- clock and log ---------------------------------------------------------------------------------------


def test_clock_drifts_and_can_be_set_by_procedure_only() -> None:
    """ST52 shows the meter's own time; setting it is logged with the old and the new one."""
    with AnsiRig(drift_ppm=100, clock_offset_min=-300) as rig:
        rig.clock.sleep_s(86400)
        assert str(rig.fields("clock")["CLOCK_CALENDAR"]) == "2026-01-05 19:00:08"
        assert rig.fields("clock")["TIME_DATE_QUAL"]["GMT_FLAG"] == 0
        assert rig.fields("time_offset")["TIME_ZONE_OFFSET"] == -300
        given_time = MeterTime(year=2026, month=1, day=5, hour=19, minute=0)
        mask = {"SET_TIME_FLAG": 1, "SET_DATE_FLAG": 1}
        answer = rig.run("set_clock", {"SET_MASK": mask, "DATE_TIME": given_time})
        assert Result.COMPLETED is answer.result
        assert bytes((26, 1, 5, 19, 0, 8, 26, 1, 5, 19, 0, 0)) == answer.data
        assert rig.events() == ["clock_set_old", "clock_set_new", "procedure_invoked"]
        assert [str(e.time)[-8:] for e in list(rig.meter.log.entries)[:2]] == ["19:00:08", "19:00:00"]
        bad = MeterTime(year=2026, month=13, day=1, hour=0, minute=0)
        refused = rig.run("set_clock", {"SET_MASK": mask, "DATE_TIME": bad})
        assert Result.INVALID_PARAMETER is refused.result
        assert str(rig.meter.local_time()) == "2026-01-05 19:00:00"


def test_log_is_circular_and_counts_what_nobody_has_read() -> None:
    """The newest entries stand at their sequence number; resetting the pointers marks them as read."""
    with AnsiRig() as rig:
        for _ in range(130):
            rig.meter.event("wrong_password")
        log = rig.fields("event_log")
        assert (
            log["NBR_VALID_ENTRIES"], log["LAST_ENTRY_SEQ_NBR"], log["LAST_ENTRY_ELEMENT"],
            log["NBR_UNREAD_ENTRIES"], log["EVENT_FLAGS"]["OVERFLOW_FLAG"],
        ) == (100, 129, 29, 130, 1)  # fmt: skip
        assert [log["ENTRIES"][element]["EVENT_SEQ_NBR"] for element in (29, 30)] == [129, 30]
        assert Result.COMPLETED is rig.run("reset_list_pointers", {"LIST": 1}).result
        log = rig.fields("event_log")
        assert (log["NBR_UNREAD_ENTRIES"], log["EVENT_FLAGS"]["OVERFLOW_FLAG"]) == (1, 0)


# --- passwords, switch, procedures -----------------------------------------------------------------------


def test_passwords_open_their_levels_and_wrong_ones_lock_the_meter() -> None:
    """After three wrong passwords even the right one is refused for a minute, through a power cut too."""
    with AnsiRig() as rig:
        access = rig.meter.access
        assert access.level_of(b"technician word".ljust(20, b"\0")) == (PasswordAnswer.TAKEN, "technician")
        assert access.level_of(b"master word".ljust(20, b" ")) == (PasswordAnswer.TAKEN, "master")
        assert access.level_of(b"") == (PasswordAnswer.WRONG, "")
        for _ in range(2):
            assert PasswordAnswer.WRONG is access.level_of(b"guess")[0]
        assert PasswordAnswer.LOCKED is access.level_of(b"master word")[0]
        rig.supply.switch(False)
        rig.clock.sleep_s(30)
        rig.supply.switch(True)
        assert PasswordAnswer.LOCKED is access.level_of(b"master word")[0]
        rig.clock.sleep_s(30)
        assert PasswordAnswer.TAKEN is access.level_of(b"master word")[0]
        assert rig.events() == ["wrong_password"] * 3 + ["locked_out", "power_down", "power_up"]


def test_right_password_in_between_starts_the_count_anew() -> None:
    """Only wrong passwords in a row count."""
    with AnsiRig() as rig:
        for _ in range(5):
            assert PasswordAnswer.WRONG is rig.meter.access.level_of(b"guess")[0]
            assert PasswordAnswer.WRONG is rig.meter.access.level_of(b"guess")[0]
            assert PasswordAnswer.TAKEN is rig.meter.access.level_of(b"reader word")[0]


def test_switch_moves_by_procedure_after_a_while_and_counts() -> None:
    """The answer is "accepted" until the contacts have arrived; a command to where they are moves nothing."""
    with AnsiRig() as rig:
        assert Result.ACCEPTED is rig.run("switch_open").result
        assert rig.meter.switch.closed
        rig.clock.sleep_s(1)
        assert (
            rig.fields("switch_status")["SWITCH_STATE"],
            rig.fields("switch_status")["OPERATIONS"],
        ) == (0, 1)
        assert Result.COMPLETED is rig.run("switch_open").result
        rig.clock.sleep_s(1)
        assert rig.meter.switch.operations == 1
        rig.run("switch_close")
        rig.supply.switch(False)
        rig.clock.sleep_s(5)
        rig.supply.switch(True)
        assert not rig.meter.switch.closed
        rig.run("switch_close")
        rig.clock.sleep_s(1)
        assert (rig.meter.switch.closed, rig.meter.switch.operations) == (True, 2)
        assert rig.events()[:2] == ["procedure_invoked", "switch_opened"]


@pytest.mark.parametrize(
    "level, number, arguments, result",
    [
        ("reader", 2048 + 70, b"\0", Result.NOT_AUTHORIZED),
        ("technician", 2048 + 70, b"\0", Result.NOT_AUTHORIZED),
        ("master", 2048 + 70, b"\7", Result.INVALID_PARAMETER),
        ("master", 2048 + 70, b"", Result.INVALID_PARAMETER),
        ("master", 2048 + 70, b"\0\0", Result.INVALID_PARAMETER),
        ("master", 2048 + 99, b"", Result.UNRECOGNIZED),
        ("master", 3, b"", Result.UNRECOGNIZED),
        ("technician", 4, b"\x63", Result.INVALID_PARAMETER),
    ],
)
def test_procedure_that_is_not_carried_out_says_why_and_leaves_no_trace(
    level: str, number: int, arguments: bytes, result: Result
) -> None:
    """A refusal is a result in ST8; switch, registers and log are as before."""
    with AnsiRig() as rig:
        before = dict(rig.meter.registers_now())
        answer = rig.write_st7(number, arguments, level)
        assert (result, number, b"") == (answer.result, answer.number, answer.data)
        rig.clock.sleep_s(0.5)
        assert rig.meter.switch.closed
        assert rig.events() == []
        assert before.keys() == rig.meter.registers_now().keys()


def test_procedures_need_a_level_and_their_answer_does_not_outlive_a_power_cut() -> None:
    """Without a password ST7 cannot be written; after a power cut ST8 has nothing to tell."""
    with AnsiRig() as rig:
        assert ResponseCode.ISC is rig.meter.write(7, "", USER, b"\x46\x08\x01\x00")
        assert ResponseCode.IAR is rig.meter.write(7, rig.master, USER, b"\x46")
        rig.run("demand_reset")
        rig.supply.switch(False)
        rig.supply.switch(True)
        assert ResponseCode.DNR is rig.meter.read(8, rig.master)


def test_meter_that_lies_tells_another_number_than_its_name_plate() -> None:
    """The number it claims stands in both tables; the name plate keeps the true one."""
    with AnsiRig() as rig:
        identity = AnsiIdentity(serial="61234567", claimed="99999999")
        assert (identity.serial, identity.told) == ("61234567", "99999999")
        layout = rig.profile.layout_of("device_identification")
        assert layout is not None
        rig.meter.tables.set_field("device_identification", "IDENTIFICATION", identity.told)
        assert decode(layout, rig.octets("device_identification"), Known())["IDENTIFICATION"] == "99999999"
