"""The adapter of ANSI meters against the virtual ones, on their wires in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.devices.ansi_meter import AnsiMeter
from adapters.errors import BenchError, NotPermitted, ReadTimeout, Refused
from harness.bench import LiveBench, open_bench
from virtual_rig.provider import VirtualProvider
from virtual_rig.site import load_site


@pytest.fixture
def bench() -> Iterator[LiveBench]:
    """One meter of each family."""
    live = open_bench("virtual:ansi-meters")
    yield live
    live.close()


def meter(bench: LiveBench, name: str) -> AnsiMeter:
    found = bench.devices[name]
    assert isinstance(found, AnsiMeter)
    return found


@pytest.mark.parametrize(
    ("name", "serial", "model"),
    [
        ("i210", "61234567", "I-210+"),
        ("focus_ax", "52000017", "FOCUS AX"),
        ("s4e3g", "70012345", "S4E"),
        ("centron", "31415926", "CENTRON"),
    ],
)
def test_identify_any_family_tells_the_name_plate(
    bench: LiveBench, name: str, serial: str, model: str
) -> None:
    """Text or packed decimal, least or most significant first: the serial number is the one on the plate."""
    identity = meter(bench, name).identify()
    assert (identity.serial, identity.model) == (serial, model)


def test_session_link_and_level_are_as_asked(bench: LiveBench) -> None:
    """The first link and the profile's level by default; another link and level where they are named."""
    i210 = meter(bench, "i210")
    default = i210.open_session()
    named = i210.open_session("tcp", "master")
    assert (default.link, default.level, default.baud) == ("optical", "reader", 9600)
    assert (named.link, named.level, named.baud) == ("tcp", "master", 0)
    assert named.packet_octets == 256


def test_session_that_ran_out_is_opened_again_at_its_level(bench: LiveBench) -> None:
    """After the meter's channel time-out the next question just works, with the rights it had before."""
    i210 = meter(bench, "i210")
    i210.open_session(level="technician")
    bench.clock.sleep_s(3600)
    assert i210.run_procedure("demand_reset").result == "completed"
    bench.end_case()
    assert i210.run_procedure("demand_reset").result == "not-authorized"


def test_session_wrong_password_opens_nothing_and_the_right_one_does(bench: LiveBench) -> None:
    """One wrong attempt is refused by name; nothing of it sticks."""
    i210 = meter(bench, "i210")
    with pytest.raises(Refused) as refused:
        i210.open_session(level="master", flaw="wrong-password")
    assert refused.value.reason == "insufficient-security"
    assert i210.open_session(level="master").level == "master"


def test_session_without_security_reads_the_general_tables_only(bench: LiveBench) -> None:
    """A session without a password is one of its own kind, not a reader's."""
    i210 = meter(bench, "i210")
    assert i210.open_session(flaw="no-security").level == ""
    assert i210.read_table("ST1").count == 32
    with pytest.raises(Refused, match="insufficient-security"):
        i210.read_table("current_registers")


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda m: m.open_session("optcal"), "no link 'optcal'.*optical"),
        (lambda m: m.open_session(level="mastr"), "no password level 'mastr'.*master"),
        (lambda m: m.read_table("current_register"), "no table 'current_register'.*current_registers"),
        (lambda m: m.read_register("energy_imprt"), "no register 'energy_imprt'.*energy_import"),
        (lambda m: m.run_procedure("switch_opn"), "no procedure 'switch_opn'.*switch_open"),
        (lambda m: m.read_field("ST5", "SERIAL"), "IDENTIFICATION"),
        (lambda m: m.read_table("ST1", 4), "an offset needs a count"),
        (lambda m: m.run_procedure("demand_reset", "0"), "octets in hexadecimal"),
    ],
)
def test_words_that_do_not_exist_are_told_with_the_nearest(bench: LiveBench, ask: Any, said: str) -> None:
    """A mistake of the plan is the bench's, in one sentence, and nothing is sent."""
    with pytest.raises(BenchError, match=said):
        ask(meter(bench, "i210"))


def test_tables_by_name_and_by_number_are_the_same(bench: LiveBench) -> None:
    """ST23 is current_registers; its parts are parts of it, its fields what the registers show."""
    i210 = meter(bench, "i210")
    by_name, by_number = i210.read_table("current_registers"), i210.read_table("ST23")
    part = i210.read_table("ST23", 1, 6)
    assert by_name == by_number
    assert by_name.octets[2:14] == part.octets
    assert i210.table_size("current_registers").octets == by_name.count
    energy = i210.read_register("energy_import")
    field = i210.read_field("current_registers", "TOT_DATA_BLOCK.SUMMATIONS[0]").value
    assert (energy.value, energy.unit) == (field, "Wh")


def test_table_the_meter_does_not_have_is_refused(bench: LiveBench) -> None:
    """The response code becomes the reason, and the session lives on."""
    i210 = meter(bench, "i210")
    with pytest.raises(Refused) as refused:
        i210.read_table("ST199")
    assert refused.value.reason == "operation-not-possible"
    assert i210.read_table("ST1").count == 32


def test_write_field_needs_permission_and_a_level(bench: LiveBench) -> None:
    """The bench must allow it, and the meter must allow it to the level; what is written reads back."""
    i210 = meter(bench, "i210")
    i210.open_session(level="technician")
    assert i210.write_field("utility_information", "TARIFF_ID", "LAB").count == 8
    assert str(i210.read_field("utility_information", "TARIFF_ID").value).strip() == "LAB"
    i210.open_session(level="reader")
    with pytest.raises(Refused, match="insufficient-security"):
        i210.write_field("utility_information", "TARIFF_ID", "MINE")
    bench.allow = frozenset()
    with pytest.raises(NotPermitted, match="configure"):
        i210.write_field("utility_information", "TARIFF_ID", "MINE")


def test_switch_moves_counts_and_is_logged(bench: LiveBench) -> None:
    """Open, close: two movements, two events by their names."""
    i210 = meter(bench, "i210")
    i210.open_session(level="master")
    before = i210.switch_state()
    assert i210.disconnect_supply().result == "completed"
    assert not i210.switch_state().closed
    assert i210.reconnect_supply().result == "completed"
    after = i210.switch_state()
    assert (before.closed, after.closed, after.operations - before.operations) == (True, True, 2)
    names = [entry.rpartition(" ")[2] for entry in i210.read_events().entries]
    assert [name for name in names if name.startswith("switch")] == ["switch_opened", "switch_closed"]


def test_capability_the_profile_lacks_is_not_permitted(bench: LiveBench) -> None:
    """A meter without a switch is not asked to move one."""
    with pytest.raises(NotPermitted, match="no service switch"):
        meter(bench, "centron").disconnect_supply()


def test_clock_in_any_zone_is_compared_in_utc(bench: LiveBench) -> None:
    """UTC, a zone the meter tells, another offset: the drift is below a second all the same."""
    for name in ("i210", "focus_ax_modular", "centron"):
        reading = meter(bench, name).read_clock()
        assert abs(reading.drift_s) < 1.5, name
        assert reading.resolution_s == 1.0


def test_meter_that_lies_about_its_identity_is_not_switched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number read back is not the bench's: nothing that can hurt is sent."""
    site = load_site("centron")
    liar = site.devices["meter"].model_copy(update={"flaw": "lies-about-identity", "profile": "i210"})
    false = site.model_copy(update={"devices": site.devices | {"meter": liar}})
    monkeypatch.setattr("virtual_rig.provider.load_site", lambda _name: false)
    live = open_bench("virtual:centron")
    try:
        found = meter(live, "meter")
        found.open_session(level="master")
        with pytest.raises(BenchError, match="says it is 31415927, the bench names 31415926"):
            found.disconnect_supply()
        assert found.switch_state().operations == 0
    finally:
        live.close()


def test_dead_meter_is_silence_of_the_bench_and_comes_back(bench: LiveBench) -> None:
    """Without supply nothing answers: a time-out, never a refusal; afterwards a new session opens."""
    i210 = meter(bench, "i210")
    i210.identify()
    bench.devices["source"].switch_off()
    with pytest.raises(ReadTimeout):
        i210.read_clock()
    bench.devices["source"].switch_on()
    bench.clock.sleep_s(30)
    assert i210.identify().serial == "61234567"


def test_passwords_are_in_no_transcript(tmp_path: Any) -> None:
    """What a session leaves on disk holds no password, in no notation."""
    live = open_bench("virtual:centron", wire_dir=tmp_path / "wire")
    try:
        meter(live, "meter").open_session(level="tertiary")
    finally:
        live.close()
    provided = VirtualProvider().open("centron", seed=1)
    secret = provided.secrets["meter.tertiary.password"]
    provided.close()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"password (20 octets)" in written
    for form in (secret.encode(), secret.encode().hex().encode(), secret.encode().hex(" ").encode()):
        assert form not in written
