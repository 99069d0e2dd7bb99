"""Requests no ordinary head end sends, through the adapter on the virtual MCS301."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.devices.dlms_meter import DlmsMeter
from adapters.errors import BenchError, Refused
from harness.bench import LiveBench, open_bench

ENERGY = bytes.fromhex("C001C1 0003 0100010800FF 02 00".replace(" ", ""))


@pytest.fixture(scope="module")
def bench() -> Iterator[LiveBench]:
    """One virtual bench for the requests that change nothing."""
    live = open_bench("virtual:mcs301")
    yield live
    live.close()


@pytest.fixture
def meter(bench: LiveBench) -> Iterator[DlmsMeter]:
    """Its meter, with nothing open before or after."""
    found = bench.devices["meter"]
    assert isinstance(found, DlmsMeter)
    yield found
    found.release_all()


@pytest.mark.parametrize(
    ("max_pdu", "version", "error"),
    [(1, 6, "pdu-size-too-short"), (63, 6, "pdu-size-too-short"), (1024, 5, "dlms-version-too-low")],
)
def test_propose_what_cannot_be_tells_the_meters_reason(
    meter: DlmsMeter, max_pdu: int, version: int, error: str
) -> None:
    """The InitiateRequest's own error is told beside the AARE's result."""
    answer = meter.propose(link="ip", max_pdu=max_pdu, dlms_version=version)
    assert ("rejected-permanent", error, "not tried") == (
        answer.result,
        answer.initiate_error,
        answer.then,
    )


@pytest.mark.parametrize("link", ["ip", "ip_udp", "rs485", "optical"])
def test_propose_least_on_any_link_is_served_and_closed(meter: DlmsMeter, link: str) -> None:
    """64 octets are enough, without limit (0) is too; the place is given back."""
    for max_pdu in (64, 0):
        answer = meter.propose(link=link, max_pdu=max_pdu, conformance="get")
        assert (answer.result, answer.conformance, answer.then) == ("accepted", ("get",), "served")
    meter.associate("public", link)


@pytest.mark.parametrize("mechanism", ["", "lls"])
def test_send_raw_get_in_any_association_is_answered(meter: DlmsMeter, mechanism: str) -> None:
    """In a ciphered association the octets go out ciphered and come back deciphered."""
    meter.associate("management", "ip", "lab", "hls-gmac" if not mechanism else "lls")
    answer = meter.send_raw(ENERGY, "lab")
    assert (answer.kind, answer.result) == ("get", "success")
    assert answer.apdu.startswith("c401c100")


def test_send_raw_damaged_without_a_tag_is_a_mistake_of_the_plan(meter: DlmsMeter) -> None:
    """No negative test passes because nothing was spoiled."""
    meter.associate("management", "ip", "lab", "lls")
    with pytest.raises(BenchError, match="not ciphered"):
        meter.send_raw(ENERGY, "lab", damaged=True)


def test_send_raw_twice_ahead_of_the_counter_is_refused_and_harmless(meter: DlmsMeter) -> None:
    """A forged request far ahead leaves the counter where it was."""
    meter.associate("management", "ip", "lab")
    for _ in range(2):
        forged = meter.send_raw(ENERGY, "lab", counter_ahead=500, damaged=True)
        assert (forged.kind, forged.result) == ("exception", "deciphering-error")
    assert meter.get("device_id", association="lab").value == "30112345"


def test_fail_authentication_five_times_locks_out_until_the_time_is_over(
    bench: LiveBench, meter: DlmsMeter
) -> None:
    """HLS proofs count as passwords do, over all ports together."""
    assert meter.fail_authentication("management", "ip", 4, "lls").turned_away == 4
    assert meter.fail_authentication("management", "rs485", 1).turned_away == 1
    with pytest.raises(Refused, match="authentication-failure"):
        meter.associate("management", "ip")
    bench.clock.sleep_s(601.0)
    assert meter.associate("management", "ip").ciphered
