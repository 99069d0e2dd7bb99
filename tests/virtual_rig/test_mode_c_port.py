"""The optical port of the virtual MCS301 in mode C, through the adapter and over its wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.devices.dlms_meter import DlmsMeter
from adapters.errors import BenchError, FrameDamaged, ReadTimeout, Refused
from harness.bench import LiveBench, open_bench

SITE = "virtual:mcs301"


@pytest.fixture
def bench() -> Iterator[LiveBench]:
    """The virtual MCS301 bench."""
    live = open_bench(SITE)
    yield live
    live.close()


def meter_of(bench: LiveBench) -> DlmsMeter:
    """Return its meter."""
    meter = bench.devices["meter"]
    assert isinstance(meter, DlmsMeter)
    return meter


def test_readout_is_what_the_profile_lists_in_its_order(bench: LiveBench) -> None:
    """Codes, units and digits are the profile's."""
    meter = meter_of(bench)
    shown = meter.read_out("optical")
    assert [each.code for each in meter.mode_c_data()] == [entry.code for entry in shown.data]
    assert (shown.data[1].code, shown.data[1].unit, len(shown.data[1].value)) == ("1.8.0", "kWh", 11)
    assert (shown.manufacturer, shown.baud, shown.damaged, shown.repeats) == ("MCS", 9600, 0, 0)


def test_readout_with_a_damaged_octet_is_asked_for_again() -> None:
    """One bent octet on the wire costs one repetition; the values are whole."""
    live = open_bench(SITE, faults={"damage_byte": "optical:60"})
    try:
        shown = meter_of(live).read_out("optical")
        assert shown.damaged == 1
        assert shown.count == len(meter_of(live).mode_c_data())
    finally:
        live.close()


def test_readout_that_breaks_off_is_a_matter_of_the_wire() -> None:
    """A message that begins and never ends is garbled, and no refusal."""
    live = open_bench(SITE, faults={"silent": "optical:100"})
    try:
        with pytest.raises((FrameDamaged, ReadTimeout)):
            meter_of(live).read_out("optical")
    finally:
        live.close()


def test_readout_on_a_link_in_use_is_not_begun(bench: LiveBench) -> None:
    """An association on the port is not pulled down by a readout."""
    meter = meter_of(bench)
    meter.associate("public", "optical")
    with pytest.raises(BenchError, match="in use by optical/public"):
        meter.read_out("optical")
    assert meter.get("device_id").value == "30112345"


def test_session_on_the_head_keeps_the_other_line_out(bench: LiveBench) -> None:
    """One head, one reader: HDLC on the direct line is not heard during a programming session."""
    meter = meter_of(bench)
    meter.read_by_mode_c("1.8.0", "optical", leave="hang-up")
    with pytest.raises((ReadTimeout, Refused)):
        meter.associate("public", "optical_direct")
    bench.clock.sleep_s(61.0)
    assert meter.associate("public", "optical_direct").client == "public"


def test_write_of_what_is_no_number_is_refused(bench: LiveBench) -> None:
    """The meter says so, and the register keeps its value."""
    meter = meter_of(bench)
    for value in ("nonsense", "1.234", "NaN", "99999999"):
        with pytest.raises(Refused, match="ER04"):
            meter.write_by_mode_c("12.31.0", value, "optical")
    with pytest.raises(Refused, match="ER03"):
        meter.write_by_mode_c("1.8.0", "0", "optical")
    assert meter.read_by_mode_c("12.31.0", "optical").value == "195.5"


def test_transcript_shows_neither_the_password_nor_a_near_miss(tmp_path: Path) -> None:
    """Whoever reads a run's transcripts cannot program the meter."""
    live = open_bench(SITE, wire_dir=tmp_path / "wire")
    try:
        meter = meter_of(live)
        meter.read_by_mode_c("12.31.0", "optical", password="right")
        meter.guess_by_mode_c("optical", 3)
    finally:
        live.close()
    log = (tmp_path / "wire" / "meter-optical.log").read_text(encoding="utf-8")
    sent = [line for line in log.splitlines() if "P1" in line]
    assert len(sent) == 4
    assert all("28 2a 2a 2a 2a 2a 2a 2a 2a 29" in line for line in sent)
