"""The MCS301 without its wires: clock, switch, registers, logs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import RemoteProtocolError
from adapters.profiles.loader import load_profile
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.apdu import SelectiveAccess
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult
from virtual_rig.clock import VirtualClock
from virtual_rig.meters.disconnector import TRANSITIONS, ControlState, Disconnector, SwitchCommand
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.meter_clock import MeterClock
from virtual_rig.supply import Supply, balanced
from virtual_rig.world import World

PROFILE = load_profile("mcs301")


@pytest.fixture
def rig() -> Iterator[VirtualClock]:
    clock = VirtualClock()
    yield clock
    clock.close()


@pytest.fixture
def meter(rig: VirtualClock) -> Mcs301:
    supply = Supply(rig, balanced(Decimal(230), Decimal(5), Decimal("0.9")))
    return Mcs301(world=World(scheduler=rig), supply=supply, profile=PROFILE, drift_ppm=100)


def value(meter: Mcs301, name: str, attribute: int = 2) -> object:
    return meter.model.by_name[name].getters[attribute]().plain()


# --- the clock -------------------------------------------------------------------------------------------


def test_clock_drifts_by_its_rate(rig: VirtualClock) -> None:
    """100 ppm are 8.64 s a day, to the microsecond, however far away the day is."""
    clock = MeterClock(rig, drift_ppm=100)
    rig.sleep_s(86400 * 1000)
    assert timedelta(seconds=8640) == clock.utc() - rig.utc_now()


def test_clock_set_takes_the_time_and_keeps_drifting(rig: VirtualClock) -> None:
    """Setting a clock moves it and says by how much; its rate stays as bad as it was."""
    clock = MeterClock(rig, drift_ppm=-50)
    rig.sleep_s(1000)
    jump = clock.set_utc(rig.utc_now() + timedelta(seconds=60))
    assert timedelta(seconds=60.05) == jump
    rig.sleep_s(20_000)
    assert timedelta(seconds=59) == clock.utc() - rig.utc_now()


def test_clock_tells_local_time_with_its_deviation(rig: VirtualClock) -> None:
    """Central European Time is an hour ahead of UTC and says -60."""
    told = CosemDateTime.from_octets(MeterClock(rig, time_zone_min=-60).octets())
    assert (told.hour, told.minute, told.deviation_min) == (1, 0, -60)
    assert rig.utc_now() == told.utc()


@pytest.mark.parametrize(
    ("minute", "second", "period_s", "wanted"),
    [(7, 29, 900, "00:00"), (7, 30, 900, "15:00"), (59, 40, 60, "00:00"), (12, 29, 60, "12:00")],
)
def test_clock_adjusts_to_the_nearest_period(
    rig: VirtualClock, minute: int, second: int, period_s: int, wanted: str
) -> None:
    """adjust_to_quarter and adjust_to_minute go to the nearest one, half way up."""
    clock = MeterClock(rig)
    clock.set_utc(datetime(2026, 3, 1, 10, minute, second, tzinfo=UTC))
    clock.adjust_to(period_s)
    assert wanted == f"{clock.utc():%M:%S}"


def test_clock_shift_beyond_a_quarter_is_refused(rig: VirtualClock) -> None:
    """shift_time takes -900 to 900 seconds."""
    clock = MeterClock(rig)
    clock.shift(-900)
    assert timedelta(seconds=-900) == clock.utc() - rig.utc_now()
    with pytest.raises(RemoteProtocolError, match="901"):
        clock.shift(901)


def test_clock_set_by_attribute_is_logged(meter: Mcs301) -> None:
    """Writing the time leaves two entries, with the old and the new time; a wildcard date is refused."""
    new = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    live = meter.model.by_name["clock"]
    octets = CosemDateTime.from_datetime(new, deviation_min=-60).octets()
    assert DataAccessResult.SUCCESS is live.setters[2](dlms.octet_string(octets))
    assert new == meter.clock.utc()
    assert [row[1] for row in value(meter, "standard_event_log")] == [4, 5]  # type: ignore[attr-defined]
    assert DataAccessResult.OTHER_REASON is live.setters[2](dlms.octet_string(b"\xff" * 12))
    assert DataAccessResult.TYPE_UNMATCHED is live.setters[2](dlms.unsigned(1))


def test_clock_methods_move_it_and_are_logged(meter: Mcs301, rig: VirtualClock) -> None:
    """shift_time takes a long of -900 to 900 s; adjust_to_minute rounds."""
    methods = meter.model.by_name["clock"].methods
    assert methods[6](dlms.long(45)) == (ActionResult.SUCCESS, None)
    assert meter.clock.utc() - rig.utc_now() == timedelta(seconds=45)
    assert methods[6](dlms.long(901)) == (ActionResult.OTHER_REASON, None)
    assert methods[3](dlms.integer(0)) == (ActionResult.SUCCESS, None)
    assert meter.clock.utc() - rig.utc_now() == timedelta(seconds=60)
    assert value(meter, "standard_event") == 5


# --- the switch ------------------------------------------------------------------------------------------

_C = SwitchCommand
STATES: dict[int, dict[SwitchCommand, str]] = {
    # control mode: what each command leads to from (disconnected, connected, ready); a dot means refused
    0: {_C.REMOTE_DISCONNECT: "...", _C.REMOTE_RECONNECT: "...", _C.MANUAL_RECONNECT: "..."},
    1: {_C.REMOTE_DISCONNECT: "000", _C.REMOTE_RECONNECT: "212", _C.MANUAL_DISCONNECT: ".2."},
    2: {_C.REMOTE_DISCONNECT: "000", _C.REMOTE_RECONNECT: "112", _C.MANUAL_DISCONNECT: ".2."},
    3: {_C.REMOTE_DISCONNECT: "000", _C.REMOTE_RECONNECT: "212", _C.MANUAL_DISCONNECT: "..."},
    4: {_C.REMOTE_DISCONNECT: "000", _C.REMOTE_RECONNECT: "112", _C.MANUAL_RECONNECT: "..1"},
    5: {_C.LOCAL_DISCONNECT: ".2.", _C.LOCAL_RECONNECT: "..1", _C.MANUAL_DISCONNECT: ".2."},
    6: {_C.LOCAL_DISCONNECT: ".2.", _C.LOCAL_RECONNECT: "..1", _C.MANUAL_DISCONNECT: "..."},
}


@pytest.mark.parametrize("mode", sorted(STATES))
def test_disconnector_follows_the_table_of_its_mode(mode: int) -> None:
    """Blue Book 4.5.8: which command moves the switch where, for every control mode."""
    for command, leads_to in STATES[mode].items():
        for state, wanted in zip(ControlState, leads_to, strict=True):
            switch = Disconnector(control_mode=mode, moved=lambda _command, _state: None)
            switch.state = state
            done = switch.command(command)
            assert done == (wanted != "."), (mode, command, state)
            assert (state if wanted == "." else int(wanted)) == switch.state


@given(st.sampled_from(sorted(TRANSITIONS)), st.lists(st.sampled_from(list(SwitchCommand))))
def test_disconnector_output_is_on_only_while_connected(mode: int, commands: list[SwitchCommand]) -> None:
    """Whatever is asked for, the contacts are closed in state connected and open in both others."""
    switch = Disconnector(control_mode=mode, moved=lambda _command, _state: None)
    for command in commands:
        switch.command(command)
        assert (switch.state is ControlState.CONNECTED) == switch.output_on


def test_disconnector_remote_disconnect_stops_the_energy(meter: Mcs301, rig: VirtualClock) -> None:
    """Behind open contacts nothing flows; the voltage in front of them is still there."""
    live = meter.model.by_name["disconnect_control"]
    rig.sleep_s(3600)
    before = value(meter, "energy_import")
    assert live.methods[1](dlms.integer(0)) == (ActionResult.SUCCESS, None)
    rig.sleep_s(3600)
    assert 3105 == before == value(meter, "energy_import")
    assert value(meter, "current_l1") == 0
    assert value(meter, "voltage_l1") == 2300
    assert [value(meter, "disconnect_control", n) for n in (2, 3, 4)] == [False, 0, 4]
    assert live.methods[2](dlms.integer(0)) == (ActionResult.SUCCESS, None)
    assert [row[1] for row in value(meter, "disconnector_event_log")] == [62, 63]  # type: ignore[attr-defined]


def test_disconnector_button_reconnects_what_is_ready(meter: Mcs301) -> None:
    """In control mode 1 the head end only makes ready; somebody at the meter presses the button."""
    live = meter.model.by_name["disconnect_control"]
    live.setters[4](dlms.enum(1))
    live.methods[1](dlms.integer(0))
    live.methods[2](dlms.integer(0))
    assert value(meter, "disconnect_control", 3) == 2
    assert not value(meter, "disconnect_control")
    assert meter.press_button()
    assert value(meter, "disconnect_control", 3) == 1


def test_disconnector_wrong_argument_moves_nothing(meter: Mcs301) -> None:
    """The methods take an integer and nothing else."""
    live = meter.model.by_name["disconnect_control"]
    assert live.methods[1](None) == (ActionResult.TYPE_UNMATCHED, None)
    assert value(meter, "disconnect_control")


# --- registers, parameters, power cuts -------------------------------------------------------------------


def test_registers_show_the_supply(meter: Mcs301) -> None:
    """Every instantaneous value is what flows, in its register's scale."""
    shown = {
        name: value(meter, name)
        for name in ("voltage_l2", "current_l3", "power_l1", "power_import", "frequency", "power_factor")
    }
    assert shown == {
        "voltage_l2": 2300, "current_l3": 5000, "power_l1": 1035, "power_import": 3105,
        "frequency": 5000, "power_factor": 900,
    }  # fmt: skip


def test_registers_export_counts_in_the_other_register(meter: Mcs301, rig: VirtualClock) -> None:
    """A negative power factor feeds A- and shows no import."""
    meter.supply.apply(balanced(Decimal(230), Decimal(10), Decimal(-1)))
    rig.sleep_s(3600)
    assert [value(meter, name) for name in ("energy_import", "energy_export")] == [0, 6900]
    assert [value(meter, name) for name in ("power_import", "power_export")] == [0, 6900]


def test_parameter_takes_its_own_type_only(meter: Mcs301) -> None:
    """A note is an octet string of at most 32 octets; each write is counted, and the counter resets."""
    note, counter = meter.model.by_name["installation_note"], meter.model.by_name["note_counter"]
    assert DataAccessResult.SUCCESS is note.setters[2](dlms.octet_string(b"x" * 32))
    assert DataAccessResult.OTHER_REASON is note.setters[2](dlms.octet_string(b"x" * 33))
    assert DataAccessResult.TYPE_UNMATCHED is note.setters[2](dlms.unsigned(1))
    assert value(meter, "note_counter") == 1
    assert counter.methods[1](dlms.integer(0)) == (ActionResult.SUCCESS, None)
    assert value(meter, "note_counter") == 0


def test_power_cut_registers_and_clock_survive(meter: Mcs301, rig: VirtualClock) -> None:
    """No energy while dead; the clock goes on; the failure is logged with its length."""
    rig.sleep_s(3600)
    meter.supply.switch(False)
    rig.sleep_s(7200)
    assert (value(meter, "voltage_l1"), value(meter, "frequency")) == (0, 0)
    meter.supply.switch(True)
    assert value(meter, "energy_import") == 3105
    assert timedelta(seconds=1.08) == meter.clock.utc() - rig.utc_now()
    assert value(meter, "power_failure_duration") == 7200
    assert [row[1] for row in value(meter, "power_failure_log")] == [7200]  # type: ignore[attr-defined]
    assert [row[1] for row in value(meter, "standard_event_log")] == [1, 2]  # type: ignore[attr-defined]


# --- event logs ------------------------------------------------------------------------------------------


def test_event_log_the_oldest_entry_gives_way(meter: Mcs301) -> None:
    """The fraud log holds 680 entries; clearing it leaves the note that it was cleared."""
    for _ in range(700):
        meter.record("fraud", "authentication_failure")
    live = meter.model.by_name["fraud_event_log"]
    assert [live.getters[number]().plain() for number in (7, 8)] == [680, 680]
    live.methods[1](dlms.integer(0))
    assert [row[1] for row in value(meter, "fraud_event_log")] == [255]  # type: ignore[attr-defined]


def test_event_log_selective_access_by_entry_and_by_range(meter: Mcs301, rig: VirtualClock) -> None:
    """Selector 2 counts entries from 1, selector 1 takes dates; nonsense is refused."""
    for _ in range(5):
        meter.record("fraud", "replay")
        rig.sleep_s(60)
    select = meter.model.by_name["fraud_event_log"].selectors[2]
    two = dlms.structure(
        dlms.double_long_unsigned(2),
        dlms.double_long_unsigned(3),
        dlms.long_unsigned(1),
        dlms.long_unsigned(0),
    )
    chosen = select(SelectiveAccess(2, two))
    assert isinstance(chosen, dlms.Data)
    assert len(chosen.items()) == 2
    start = rig.utc_now() - timedelta(seconds=150)
    span = dlms.structure(
        dlms.null(),
        dlms.octet_string(CosemDateTime.from_datetime(start).octets()),
        dlms.octet_string(CosemDateTime.from_datetime(rig.utc_now()).octets()),
        dlms.array(),
    )
    recent = select(SelectiveAccess(1, span))
    assert isinstance(recent, dlms.Data)
    assert len(recent.items()) == 2
    assert DataAccessResult.TYPE_UNMATCHED is select(SelectiveAccess(1, dlms.null()))
    assert DataAccessResult.OTHER_REASON is select(SelectiveAccess(3, two))


def test_identity_is_as_long_as_the_standard_says(meter: Mcs301) -> None:
    """System title 8 octets, logical device name 16, beginning with the manufacturer."""
    assert (len(meter.identity.system_title), len(meter.identity.logical_device_name)) == (8, 16)
    assert b"MCS" == meter.identity.system_title[:3] == meter.identity.logical_device_name[:3]
