"""The SMS channel on real wires: commands of a modem, faults of the network, effects on the meter."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from adapters.devices.dlms_meter import DlmsMeter
from adapters.devices.gsm_modem import GsmModem
from adapters.errors import BenchError, Refused
from adapters.protocols.dlms.wrapper import encode_message
from adapters.protocols.gsm.concatenation import split
from adapters.protocols.gsm.pdu import Deliver
from harness.bench import LiveBench, open_bench
from virtual_rig.gsm.modem import VirtualModem
from virtual_rig.gsm.network import SmsNetwork
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.sms_port import SmsPort
from virtual_rig.parts.mcs301 import Mcs301Part
from virtual_rig.provider import VirtualProvider
from virtual_rig.wire import WORLD_START

SITE = "virtual:mcs301-sms"
HANDSET, HEAD_END, OTHER = "+4915100000777", "+4915100000101", "+4915100000102"


@contextmanager
def opened(faults: Mapping[str, str] | None = None, broken: str = "") -> Iterator[LiveBench]:
    live = open_bench(SITE, faults=faults, broken=frozenset({broken} if broken else ()))
    try:
        yield live
    finally:
        live.close()


def meter_of(live: LiveBench, name: str = "meter") -> DlmsMeter:
    found = live.devices[name]
    assert isinstance(found, DlmsMeter)
    return found


def writes(meter: DlmsMeter) -> int:
    """Return what the meter's counter of writes to the note says."""
    meter.associate("management", "ip", "look")
    count = int(str(meter.get("note_counter", association="look").value))
    meter.release("look")
    return count


def test_modem_tells_who_it_is_and_what_it_hears() -> None:
    """IMEI, registration and signal through AT commands."""
    with opened() as live:
        modem = live.devices["handset"]
        assert isinstance(modem, GsmModem)
        assert modem.identify().serial == "350000000000105"
        assert modem.registration().state == "home"
        assert modem.signal().rssi_dbm == -77


def test_modem_sends_itself_texts_and_long_octets() -> None:
    """Text and parts arrive as sent, each reported, and are deleted from the modem's memory."""
    with opened() as live:
        modem = live.devices["handset"]
        assert isinstance(modem, GsmModem)
        for _ in range(15):
            sent = modem.send_octets(HANDSET, bytes(range(200)))
            assert (sent.parts, sent.delivered) == (2, 2)
        assert modem.send_text(HANDSET, "Größe 5€").delivered == 1
        found = modem.received(wait_s=5.0)
        assert found.count == 31
        assert tuple(message.part for message in found.messages[:2]) == ("1/2", "2/2")
        assert bytes(range(200)).hex() == "".join(message.octets for message in found.messages[:2])
        assert found.messages[-1].text == "Größe 5€"
        assert {HANDSET} == {message.sender for message in found.messages}


def test_message_to_nobody_is_not_delivered() -> None:
    """The network says that it gives up; nothing hangs."""
    with opened() as live:
        modem = live.devices["handset"]
        assert isinstance(modem, GsmModem)
        assert modem.send_text("+491519999999", "hello").delivered == 0


@pytest.mark.parametrize(
    ("fault", "delivered", "rises"),
    [("sms_lose", 0, 0), ("sms_twice", 1, 1), ("sms_late", 0, 0), ("", 1, 1)],
)
@pytest.mark.parametrize("name", ["meter", "open_meter"])
def test_message_lost_late_or_delivered_twice_has_one_effect_at_most(
    fault: str, delivered: int, rises: int, name: str
) -> None:
    """The network's faults, at the meter with and without invocation counters."""
    with opened({fault: "gsm:1"} if fault else None) as live:
        meter = meter_of(live, name)
        before = writes(meter)
        meter.sms_prepare("a", "installation_note", "A")
        assert delivered == meter.sms_send("a").delivered
        assert before + rises == writes(meter)
        if fault == "sms_late":
            meter.sms_receive(wait_s=700.0)
            assert before + 1 == writes(meter)


def test_network_that_swaps_parts_does_not_harm() -> None:
    """Parts that overtake each other on the air make the message."""
    with opened({"sms_swap": "gsm:1"}) as live:
        meter = meter_of(live)
        meter.sms_prepare("a", "installation_note", "SWAPPED", part_octets=20)
        assert meter.sms_send("a").delivered == 2  # the first one's report comes too late for who waits
        assert writes(meter) == 1


def test_message_to_a_meter_without_power_waits_for_it() -> None:
    """The service centre keeps a message until the meter is back."""
    with opened() as live:
        meter, source = meter_of(live), live.devices["source"]
        meter.sms_prepare("a", "installation_note", "WAITED")
        meter.drop_link("ip")
        source.switch_off()
        assert meter.sms_send("a").delivered == 0
        source.switch_on()
        meter.sms_receive(wait_s=10.0)
        assert writes(meter) == 1


@pytest.mark.parametrize(("name", "number", "head_end"), [("meter", 1, HEAD_END), ("open_meter", 2, OTHER)])
def test_meter_takes_any_octets_without_harm(name: str, number: int, head_end: str) -> None:
    """Random and damaged messages from the head end's number raise nothing and are not kept."""
    rng = random.Random("sms port")
    provided = VirtualProvider().open("mcs301-sms", seed=1)
    try:
        port = provided.built.model("gsm", SmsNetwork).subscriber(f"+491510000000{number}")
        meter = provided.built.model(name, Mcs301Part).meter
        before = _snapshot(meter)
        good = encode_message(102, 1, bytes.fromhex("C101010001000060010AFF0200090141"))
        for _ in range(2000):
            octets = bytearray(good if rng.random() < 0.7 else rng.randbytes(60))
            octets[rng.randrange(len(octets))] = rng.randrange(256)
            del octets[rng.randrange(20, 61) :]
            for piece in split(bytes(octets), rng.randrange(256), part_octets=rng.choice((0, 20))):
                port.take(Deliver(sender=head_end, data=piece, sent_at=WORLD_START))
        assert isinstance(port, SmsPort)
        assert port.parts.unfinished <= 4
        if name == "meter":  # the other one may well be asked for something it has to do
            assert _snapshot(meter) == before
    finally:
        provided.close()


def _snapshot(meter: Mcs301) -> tuple[object, ...]:
    values = meter.model.by_name
    return tuple(values[name].getters[2]() for name in ("installation_note", "sag_threshold", "note_counter"))


def test_feature_of_the_meter_sends_by_sms() -> None:
    """Whatever has an APDU for the head end hands it to the meter; it arrives protected, in parts if long."""
    provided = VirtualProvider().open("mcs301-sms", seed=1)
    try:
        part = provided.built.model("meter", Mcs301Part)
        head_end = provided.built.model("gsm", SmsNetwork).subscriber(HEAD_END)
        assert isinstance(head_end, VirtualModem)
        assert part.meter.send_sms is not None
        part.meter.send_sms(bytes.fromhex("0F00000001000909C8") + bytes(200), "")
        provided.clock.sleep_s(5.0)
        assert head_end.stored == 2
    finally:
        provided.close()


def test_link_of_another_framing_carries_no_messages() -> None:
    """A plan's mistake is told as one."""
    with opened() as live, pytest.raises(BenchError, match="framing sms"):
        meter_of(live).sms_prepare("a", "installation_note", "A", link="ip")


def test_confirmed_service_over_sms_is_silence() -> None:
    """The association of the pre-established client gets no answer to a confirmed SET."""
    with opened() as live:
        meter = meter_of(live)
        meter.associate("pre-established", "sms", "over-sms")
        with pytest.raises(Refused) as caught:
            meter.set("installation_note", "A", association="over-sms")
        assert caught.value.reason == "silence"
        assert writes(meter) == 0
