"""Lists, long writes and spoiled blocks through the adapter, on the wires of the virtual meter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.devices.dlms_link import REPLY_TIMEOUT_S
from adapters.devices.dlms_meter import DlmsMeter
from adapters.errors import BenchError, LocalProtocolError, Refused
from harness.bench import open_bench


@pytest.fixture
def meter() -> Iterator[DlmsMeter]:
    """The meter of the virtual MCS301 bench."""
    live = open_bench("virtual:mcs301")
    found = live.devices["meter"]
    assert isinstance(found, DlmsMeter)
    yield found
    live.close()


@pytest.mark.parametrize("link", ["ip", "rs485"])
def test_get_list_mixes_values_and_reasons_in_order(meter: DlmsMeter, link: str) -> None:
    """One request, one entry for each item, whatever became of its neighbours."""
    meter.associate("public", link)
    answer = meter.get_list(["logical_device_name", "energy_import#scaler_unit", "logical_device_name#1"])
    assert answer.results == ("success", "read-write-denied", "success")
    assert answer.values[1] is None
    assert answer.values[2] == "0-0:42.0.0.255"
    assert answer.values[0] == meter.get("logical_device_name").value


@pytest.mark.parametrize("link", ["ip", "rs485", "optical"])
def test_get_list_longer_than_an_apdu_comes_in_blocks(meter: DlmsMeter, link: str) -> None:
    """The object list three times over does not fit any APDU; it arrives whole over every framing."""
    meter.associate("management", link)
    once = meter.get("15/0-0:40.0.0.255", "2")
    answer = meter.get_list(["15/0-0:40.0.0.255#2"] * 3)
    assert answer.values == (once.value,) * 3


def test_set_list_writes_each_and_reads_back(meter: DlmsMeter) -> None:
    """A name, a threshold and something read-only in one request: each has its own result, in order."""
    meter.associate("management", "ip")
    items = ["installation_note", "logical_device_name", "sag_threshold"]
    answer = meter.set_list(items, ["hex:6869", "hex:00", "1955"])
    assert answer.results == ("success", "read-write-denied", "success")
    assert (meter.get("installation_note").value, meter.get("sag_threshold").value) == ("hi", 1955)


def test_action_list_acts_on_each_in_order(meter: DlmsMeter) -> None:
    """Methods that are not there or not allowed say so, each for itself."""
    meter.associate("management", "ip")
    answer = meter.action_list(["clock#adjust_to_minute", "3/1-0:1.8.0.255#1"])
    assert answer.service == "action"
    assert len(answer.results) == len(answer.items) == 2
    assert answer.results[1] == "read-write-denied"


def test_list_that_cannot_be_is_the_plans_mistake(meter: DlmsMeter) -> None:
    """Values without items, a method without a name, a list of nothing."""
    meter.associate("management", "ip")
    with pytest.raises(BenchError, match="2 values for 1"):
        meter.set_list(["installation_note"], ["hex:00", "hex:01"])
    with pytest.raises(BenchError, match="names no method"):
        meter.action_list(["clock"])
    with pytest.raises(LocalProtocolError, match="list of nothing"):
        meter.get_list([])


def test_set_long_value_goes_in_blocks_and_is_judged_whole(meter: DlmsMeter) -> None:
    """A note of two thousand octets reaches the meter in blocks, which finds it too long; nothing changes."""
    meter.associate("management", "ip")
    before = meter.get("installation_note").value
    with pytest.raises(Refused) as caught:
        meter.set("installation_note", "hex:" + "5a" * 2000)
    assert caught.value.reason not in ("service-not-supported", "long-set-aborted")
    assert meter.get("installation_note").value == before


@pytest.mark.parametrize("link", ["ip", "rs485"])
@pytest.mark.parametrize(
    ("flaw", "reason"),
    [("wrong-block-number", "data-block-number-invalid"), ("block-abort", "no-long-get-in-progress")],
)
def test_get_flaw_in_blocks_is_refused_and_the_next_read_works(
    meter: DlmsMeter, link: str, flaw: str, reason: str
) -> None:
    """The negatives of a long GET over both framings."""
    meter.associate("management", link)
    with pytest.raises(Refused) as caught:
        meter.get("15/0-0:40.0.0.255", "2", flaw=flaw)
    assert caught.value.reason == reason
    assert meter.list_objects().count > 20


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [("wrong-block-number", "data-block-number-invalid"), ("block-abort", "no-long-set-in-progress")],
)
def test_set_flaw_in_blocks_is_refused_and_writes_nothing(meter: DlmsMeter, flaw: str, reason: str) -> None:
    """The negatives of a long SET: the value stays as it was."""
    meter.associate("management", "ip")
    before = meter.get("installation_note").value
    with pytest.raises(Refused) as caught:
        meter.set("installation_note", "hex:" + "5a" * 2000, flaw=flaw)
    assert caught.value.reason == reason
    assert meter.get("installation_note").value == before


def test_get_what_was_not_granted_is_refused_by_name(meter: DlmsMeter) -> None:
    """A client that the meter grants no SET in blocks is told so before anything is sent."""
    meter.associate("public", "ip")
    with pytest.raises(LocalProtocolError, match="granted no block transfer"):
        meter.set("installation_note", "hex:" + "5a" * 2000)


@pytest.mark.parametrize("link", ["ip", "ip_udp", "rs485", "optical"])
def test_general_blocks_carry_what_service_blocks_would(meter: DlmsMeter, link: str) -> None:
    """With the link's option the same long values go both ways in general blocks, streaming over TCP."""
    meter.associate("management", link)
    plainly = meter.get("15/0-0:40.0.0.255", "2").value
    meter.release()
    options = meter._context.links[link]
    assert isinstance(options, dict)
    options["general_blocks"] = "3"  # as the bench file of a lab would have it
    meter.associate("management", link)
    assert meter.get("15/0-0:40.0.0.255", "2").value == plainly
    assert meter.set("installation_note", "hex:" + "5a" * 30).acknowledged
    assert meter.get_list(["installation_note", "15/0-0:40.0.0.255#2"]).values == ("Z" * 30, plainly)
    with pytest.raises(Refused) as caught:
        meter.set("installation_note", "hex:" + "5a" * 2000)
    assert caught.value.reason not in ("service-not-supported", "long-set-aborted")
    assert meter.get("installation_note").value == "Z" * 30


OBJECT_LIST = ("15/0-0:40.0.0.255", "2")


BLOCKS = range(3, 8)
"""Which messages of the meter are the list in general blocks; before them it answers AARQ and proof."""


@pytest.mark.parametrize("lost", BLOCKS)
def test_general_block_that_gets_lost_is_asked_for_again_on_a_real_wire(lost: int) -> None:
    """Whichever datagram of the answer is lost, the value arrives whole after one reply time-out."""
    whole, undisturbed_s = _read_in_general_blocks({}, window=1)
    assert undisturbed_s < REPLY_TIMEOUT_S
    value, took_s = _read_in_general_blocks({"lose": f"ip_udp:{lost}"}, window=1)
    assert value == whole
    assert REPLY_TIMEOUT_S <= took_s < 2 * REPLY_TIMEOUT_S


@pytest.mark.parametrize("lost", BLOCKS)
def test_general_block_lost_from_a_run_costs_one_time_out_at_most(lost: int) -> None:
    """Where blocks stream, those behind the lost one show that it is missing, but for the last of a run."""
    whole, _ = _read_in_general_blocks({}, window=3)
    value, took_s = _read_in_general_blocks({"lose": f"ip_udp:{lost}"}, window=3)
    assert value == whole
    assert took_s < 2 * REPLY_TIMEOUT_S


def _read_in_general_blocks(faults: dict[str, str], window: int) -> tuple[object, float]:
    """Return the object list read over UDP in general blocks, and how long that took in the meter's world."""
    live = open_bench("virtual:mcs301", faults=faults)
    try:
        meter = live.devices["meter"]
        assert isinstance(meter, DlmsMeter)
        options = meter._context.links["ip_udp"]
        assert isinstance(options, dict)
        options["general_blocks"] = str(window)
        meter.associate("management", "ip_udp", "lossy")
        before_s = live.clock.monotonic_s()
        value = meter.get(*OBJECT_LIST, "lossy").value
        return value, live.clock.monotonic_s() - before_s
    finally:
        live.close()
