"""The DLMS meter adapter on the wires of the virtual rig: refusals, silence, counters, values."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from adapters.devices.dlms_meter import DlmsMeter
from adapters.errors import BenchError, LabError, LinkLost, NotPermitted, ReadTimeout, Refused
from harness.bench import LiveBench, open_bench

SITE = "virtual:mcs301"


@pytest.fixture
def bench() -> Iterator[LiveBench]:
    """The virtual MCS301 bench."""
    live = open_bench(SITE)
    yield live
    live.close()


@pytest.fixture
def meter(bench: LiveBench) -> DlmsMeter:
    """Its meter."""
    found = bench.devices["meter"]
    assert isinstance(found, DlmsMeter)
    return found


@pytest.mark.parametrize("link", ["ip", "rs485", "optical", "optical_direct"])
def test_identify_any_link_tells_the_same(meter: DlmsMeter, link: str) -> None:
    """The same meter answers on every port, mode E or not."""
    meter.associate("public", link)
    assert meter.identify().serial == "30112345"
    meter.release()


def test_get_denied_object_is_refused_by_its_standard_name(meter: DlmsMeter) -> None:
    """A data-access result becomes Refused with the standard's word for it."""
    meter.associate("public", "ip")
    with pytest.raises(Refused) as caught:
        meter.get("energy_import")
    assert caught.value.reason == "read-write-denied"


def test_associate_unknown_address_link_alive_is_a_refusal(meter: DlmsMeter) -> None:
    """Silence towards an unknown client counts as a refusal because the link answers a probe."""
    with pytest.raises(Refused):
        meter.associate("sap:99", "ip")


@pytest.mark.parametrize("link", ["ip", "rs485", "optical"])
def test_associate_dead_link_is_no_refusal(link: str) -> None:
    """The same silence on a dead link is the bench's matter."""
    live = open_bench(SITE, faults={"silent": f"{link}:1"})
    try:
        with pytest.raises(LabError) as caught:
            live.devices["meter"].associate("public", link)
        assert not isinstance(caught.value, Refused)
    finally:
        live.close()


def test_get_link_cut_in_the_middle_is_link_lost() -> None:
    """A connection the far end closes is told apart from a silent one, and keeps what had come."""
    live = open_bench(SITE, faults={"drop": "ip:60"})
    try:
        meter = live.devices["meter"]
        meter.associate("public", "ip")
        with pytest.raises(LinkLost):
            meter.get("logical_device_name")
    finally:
        live.close()


def test_associate_two_of_one_client_share_a_counter(meter: DlmsMeter) -> None:
    """Two ciphered associations of one client never send the same invocation counter."""
    meter.associate("management", "ip", "a")
    meter.associate("management", "ip", "b")
    for name in ("a", "b", "a", "b"):
        assert meter.get("logical_device_name", association=name).value
    meter.release_all()


def test_associate_counter_of_an_earlier_session_is_followed(bench: LiveBench, meter: DlmsMeter) -> None:
    """A harness that lost its counter asks the meter for it instead of being locked out."""
    meter.associate("management", "ip")
    meter.get("energy_import")
    meter.release()
    forgetful = DlmsMeter(meter._context)
    forgetful.associate("management", "ip")
    assert forgetful.get("energy_import").value
    forgetful.release()


def test_flaw_unknown_word_is_told_with_the_known_ones(meter: DlmsMeter) -> None:
    """A misspelt flaw spoils nothing silently."""
    with pytest.raises(BenchError, match="damaged-tag"):
        meter.associate("management", "ip", flaw="wrong-pasword")


def test_associate_same_name_twice_is_refused_locally(meter: DlmsMeter) -> None:
    """A name stands for one association."""
    meter.associate("public", "ip", "a")
    with pytest.raises(BenchError, match="already open"):
        meter.associate("public", "ip", "a")


def test_get_without_naming_one_of_several_is_told(meter: DlmsMeter) -> None:
    """Where two are open, a step has to say which."""
    meter.associate("public", "ip", "a")
    meter.associate("public", "rs485", "b")
    with pytest.raises(BenchError, match="a, b"):
        meter.get("logical_device_name")


def test_line_unknown_link_is_a_missing_capability(meter: DlmsMeter) -> None:
    """A bench without that link skips the case rather than failing it."""
    with pytest.raises(NotPermitted, match="gprs"):
        meter.associate("public", "gprs")


def test_read_register_scales_exactly(meter: DlmsMeter) -> None:
    """Value, scaler and unit come together, without a float in between."""
    meter.associate("reading", "optical")
    reading = meter.read_register("voltage_l1")
    assert (Decimal("230.0"), "V", 2300, -1) == (reading.value, reading.unit, reading.raw, reading.scaler)


def test_set_bad_value_is_told_before_anything_is_sent(meter: DlmsMeter) -> None:
    """A value that does not fit its type never reaches the wire."""
    meter.associate("management", "ip")
    with pytest.raises(BenchError, match="0 to 65535"):
        meter.set("sag_threshold", 70000)


def test_set_object_not_called_harmless_needs_permission(bench: LiveBench, meter: DlmsMeter) -> None:
    """Setting the clock is configuring: a bench that does not allow it sends nothing."""
    bench.allow = frozenset()
    meter.associate("management", "ip")
    with pytest.raises(NotPermitted, match="configure"):
        meter.set("clock", "hex:07ea0105010000000000ffc400", "time")


def test_list_objects_names_what_the_profile_knows(meter: DlmsMeter) -> None:
    """The meter's own list carries the profile's names where they match."""
    meter.associate("management", "ip")
    listing = meter.list_objects()
    assert listing.count == len(listing.objects)
    assert "energy_import" in {row.name for row in listing.objects}


def test_read_timeout_is_not_an_unexpected_refusal() -> None:
    """Nothing at all on a line, whatever is asked: silent, not refused."""
    live = open_bench(SITE, faults={"silent": "rs485"})
    try:
        with pytest.raises(ReadTimeout, match="silent"):
            live.devices["meter"].request_without_association("get", "public", "rs485", "device_id")
    finally:
        live.close()
