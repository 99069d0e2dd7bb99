"""An independent C12.18 client on our virtual ANSI meters, over a PTY on the wall clock.

Our client and our meters share packets, services and table layouts. termineter shares none of them. What it
reads is compared with what the meter model holds. Its own mistakes are known: of the sets of ST0 it never
sees bit 7 of an octet, and it takes identifications in packed decimal for text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.clock import WallClock
from adapters.protocols.c1219 import decode
from tests.oracles.termineter import Termineter, TermineterError
from virtual_rig.meters.ansi.model import AnsiMeterModel
from virtual_rig.provider import ServedSite, VirtualProvider

pytestmark = pytest.mark.oracle

METERS = ("i210", "focus_ax", "s4e3g", "centron")
BIG = ("s4e3g",)
everywhere = pytest.mark.parametrize("device", METERS)


class Bench:
    """A served site and the termineter process in front of it."""

    def __init__(self, site: ServedSite, client: Termineter) -> None:
        self.site, self.client = site, client
        self._endpoints = {str(each["device"]): each for each in site.endpoints if each["kind"] == "serial"}

    def meter(self, device: str) -> AnsiMeterModel:
        """Return the model behind a device."""
        return self.site.built.model(device, AnsiMeterModel)

    def start(self, device: str) -> None:
        """Identify and negotiate."""
        assert self.client.ask(
            "open",
            port=self._endpoints[device]["port"],
            order="big" if device in BIG else "little",
            packet_octets=256,
            packets=8,
        ) == {"started": True}

    def logon(self, device: str, level: str = "", password: str | None = None) -> bool:
        """Log on and give the password of a level, or another one."""
        found = {each["level"]: each["password"] for each in self._endpoints[device]["levels"]}
        answer = self.client.ask(
            "logon", user="bench", user_id=1, password=found[level] if level else password
        )
        granted: bool = answer["granted"]
        return granted

    def open(self, device: str, level: str = "") -> AnsiMeterModel:
        """Start, log on at the highest level or ``level``, and return the meter's model."""
        self.start(device)
        meter = self.meter(device)
        assert self.logon(device, level or list(meter.profile.levels)[-1])
        return meter

    def whole_or_head(self, number: int) -> bytes:
        """Return a table, or as much of it as fits: a full read has to fit into eight packets."""
        try:
            answer = self.client.ask("read", table=number)
        except TermineterError as error:
            if "Renegotiate" not in str(error):
                raise
            answer = self.client.ask("read", table=number, offset=0, count=900)
        return bytes.fromhex(answer["data"])


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Serve one meter of each family for the whole module; no model may have failed in the end."""
    with VirtualProvider().serve("ansi-meters", seed=11) as site, Termineter() as client:
        yield Bench(site, client)
        assert site.failures == []


@pytest.fixture(autouse=True)
def _closed(bench: Bench) -> Iterator[None]:
    """Close whatever a test left open."""
    yield
    bench.client.ask("close")


def without_bit_7(elements: tuple[int, ...]) -> list[int]:
    """Return what termineter sees of a set."""
    return [element for element in elements if element % 8 != 7]


@everywhere
def test_termineter_general_tables_are_the_meters(bench: Bench, device: str) -> None:
    """ST0, ST1, ST3 and ST5 tell a foreign client who the meter is and what it has."""
    meter = bench.open(device)
    said = bench.client.ask("general")
    profile, identity = meter.profile, meter.identity
    assert (profile.manufacturer, profile.model) == (said["manufacturer"], said["ed_model"])
    versions = ("hw_version_no", "hw_revision_no", "fw_version_no", "fw_revision_no")
    assert [
        identity.hardware_version,
        identity.hardware_revision,
        identity.firmware_version,
        identity.firmware_revision,
    ] == [said[name] for name in versions]
    if profile.formats.id_form == "text":
        assert (identity.serial, identity.serial) == (said["device_id"], said["mfg_serial_no"])
    assert said["ed_mode"] == 1
    assert profile.formats.standard_version == said["std_version_no"]
    numbers = sorted(table.number for table in profile.tables.values())
    assert without_bit_7(tuple(n for n in numbers if n < 2048)) == said["std_tbls_used"]
    assert without_bit_7(tuple(n - 2048 for n in numbers if n >= 2048)) == said["mfg_tbls_used"]
    procedures = sorted({each.number for each in profile.procedures.values()})
    assert without_bit_7(tuple(n for n in procedures if n < 2048)) == said["std_proc_used"]
    assert without_bit_7(tuple(n - 2048 for n in procedures if n >= 2048)) == said["mfg_proc_used"]


@everywhere
def test_termineter_reads_every_table_of_the_profile(bench: Bench, device: str) -> None:
    """Every table arrives whole over packets of 256 octets, and is what the model shows."""
    meter = bench.open(device)
    moving = ("clock", "clock_state", "current_registers", "procedure_initiate", "procedure_response")
    for name, table in meter.profile.tables.items():
        if name in moving:
            continue
        octets = bench.whole_or_head(table.number)
        shown = meter.tables.read(name)
        assert isinstance(shown, bytes)
        assert shown[: len(octets)] == octets, name


def test_termineter_energy_register_lies_between_two_looks_at_the_meter(bench: Bench) -> None:
    """The first summation, read by its offset, is what the meter counted meanwhile."""
    meter = bench.open("i210")
    place = meter.tables.place("current_registers", "TOT_DATA_BLOCK.SUMMATIONS[0]")
    before = meter.registers_now()["energy_import"]
    answer = bench.client.ask("read", table=23, offset=place.offset, count=place.size)
    after = meter.registers_now()["energy_import"]
    assert before <= int.from_bytes(bytes.fromhex(answer["data"]), "little") <= after


def test_termineter_writes_a_field_and_the_meter_keeps_it(bench: Bench) -> None:
    """TARIFF_ID is written by offset 170, as the foreign client counts octets."""
    meter = bench.open("i210", "technician")
    bench.client.ask("write", table=6, offset=170, data=b"TOU-7   ".hex())
    fields: Any = decode(
        meter.tables.layout("utility_information"),
        bytes.fromhex(bench.client.ask("read", table=6)["data"]),
        meter.tables.known,
    )
    assert fields["TARIFF_ID"] == "TOU-7"


def test_termineter_procedure_moves_the_switch(bench: Bench) -> None:
    """Procedure 70 of the manufacturer opens the switch: accepted at first, then the switch is open."""
    meter = bench.open("i210")
    assert bench.client.ask("procedure", number=70, manufacturer=True, arguments="00")["result"] == 1
    table = meter.profile.tables["switch_status"].number

    def is_open() -> bool:
        return str(bench.client.ask("read", table=table)["data"]).startswith("00")

    assert WallClock().wait_until(is_open, timeout_s=10, poll_s=0.05)
    assert not meter.switch.closed
    bench.client.ask("procedure", number=70, manufacturer=True, arguments="01")
    assert bench.client.ask("procedure", number=99, manufacturer=True, arguments="")["result"] == 6


def test_termineter_demand_reset_is_done_on_a_meter_with_the_other_byte_order(bench: Bench) -> None:
    """Numbers in ST7 and ST8 follow the order of the tables."""
    meter = bench.open("s4e3g")
    resets = meter.demand_resets
    assert bench.client.ask("procedure", number=9, manufacturer=False, arguments="01") == {
        "result": 0,
        "data": "00",
    }
    assert resets + 1 == meter.demand_resets


def test_termineter_reads_the_history_log(bench: Bench) -> None:
    """termineter's own parser finds the entries in ST74, and the newest one is what was just done."""
    meter = bench.open("centron")
    bench.client.ask("procedure", number=9, manufacturer=False, arguments="01")
    entries = bench.client.ask("log")["entries"]
    assert meter.log.capacity == len(entries)
    newest = meter.log.entries[-1]
    shown = entries[newest.sequence % meter.log.capacity]
    assert (newest.code, False) == (shown["Procedure Number"], shown["Std vs Mfg"])
    assert newest.sequence == shown["History Sequence Number"]


def test_termineter_wrong_password_opens_nothing_and_the_right_one_does(bench: Bench) -> None:
    """A wrong password is declined; what needs one stays shut; the right one is taken afterwards."""
    bench.start("i210")
    assert not bench.logon("i210", password="0" * 8)
    with pytest.raises(TermineterError, match=r"(?i)insufficient security"):
        bench.client.ask("read", table=23)
    bench.open("i210", "reader")
    assert bench.client.ask("read", table=23)["data"]


def test_termineter_unknown_table_is_not_possible(bench: Bench) -> None:
    """A table the meter does not have is declined by the code the foreign client calls so."""
    bench.open("i210")
    with pytest.raises(TermineterError, match=r"(?i)operation not possible"):
        bench.client.ask("read", table=199)
