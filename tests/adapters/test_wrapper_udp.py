"""The wrapper over UDP: lost, repeated, cut, swollen and late datagrams."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.devices.dlms_meter import DlmsMeter
from adapters.errors import FrameDamaged, ReadTimeout
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_events import GetAnswered, StaleReply
from adapters.protocols.dlms.client_settings import ClientSettings
from adapters.protocols.dlms.link import NEED_DATA, ApduReceived, FrameDamagedEvent, FrameRejected, LinkUp
from adapters.protocols.dlms.wrapper import encode_message
from adapters.protocols.dlms.wrapper_udp import UdpClientLink, UdpServerLink
from adapters.transports.datagram_stream import DatagramStream
from harness.bench import open_bench

ANSWER = bytes.fromhex("c401c10011 05".replace(" ", ""))
CIPHERED = bytes.fromhex("cc1230000000010203040506070809101112131415")


def client() -> UdpClientLink:
    """Return a client that is up."""
    link = UdpClientLink(16, 1)
    link.connect()
    assert isinstance(link.next_event(), LinkUp)
    return link


def events(link: UdpClientLink | UdpServerLink) -> list[object]:
    """Return what is due."""
    found: list[object] = []
    while (event := link.next_event()) is not NEED_DATA:
        found.append(event)
    return found


def test_client_cut_datagram_is_reported_and_the_next_is_read() -> None:
    """Half a message never joins the next one, as it would on a stream."""
    link = client()
    whole = encode_message(1, 16, ANSWER)
    link.receive_data(whole[:-2])
    link.receive_data(whole)
    damaged, received = events(link)
    assert isinstance(damaged, FrameDamagedEvent)
    assert isinstance(received, ApduReceived)
    assert received.apdu == ANSWER


def test_client_ciphered_datagram_twice_is_taken_once() -> None:
    """A duplicate of the network must not look like a replay by the meter."""
    link = client()
    for _ in range(2):
        link.receive_data(encode_message(1, 16, CIPHERED))
    assert len(events(link)) == 1
    assert link.duplicates == 1


def test_client_plain_answer_twice_is_taken_once_for_one_request() -> None:
    """The invoke id makes an answer unique until a request uses it again."""
    link = client()
    for _ in range(2):
        link.send_apdu(bytes.fromhex("c001c1000100002a0000ff0200"))
        for _ in range(2):
            link.receive_data(encode_message(1, 16, ANSWER))
    assert len(events(link)) == 2
    assert link.duplicates == 2


def test_client_refusal_twice_is_taken_twice() -> None:
    """An exception-response says not what it answers: two may both be meant."""
    link = client()
    for _ in range(2):
        link.receive_data(encode_message(1, 16, bytes.fromhex("d80102")))
    assert len(events(link)) == 2


def test_client_block_twice_is_taken_once_in_a_transfer() -> None:
    """Asking for the next block does not make the last one new."""
    link = client()
    block = bytes.fromhex("c402c1000000000100021122")
    link.send_apdu(bytes.fromhex("c001c1000f0000280000ff0200"))
    link.receive_data(encode_message(1, 16, block))
    link.send_apdu(bytes.fromhex("c002c100000001"))
    link.receive_data(encode_message(1, 16, block))
    assert len(events(link)) == 1


@pytest.mark.parametrize("tail", [b"", bytes(3)], ids=["whole", "swollen"])
def test_server_datagram_with_octets_behind_is_not_served(tail: bytes) -> None:
    """Only a datagram that is exactly one message counts."""
    link = UdpServerLink(1)
    link.receive_data(encode_message(16, 1, ANSWER) + tail)
    found = events(link)
    assert any(isinstance(event, ApduReceived) for event in found) == (not tail)
    assert any(isinstance(event, FrameRejected) for event in found) == bool(tail)


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_server_any_datagrams_leave_it_able_to_serve(datagrams: list[bytes]) -> None:
    """Whatever came before, a whole message is served."""
    link = UdpServerLink(1)
    for datagram in datagrams:
        if datagram:
            link.receive_data(datagram)
    events(link)
    link.receive_data(encode_message(16, 1, ANSWER))
    assert any(isinstance(event, ApduReceived) and event.apdu == ANSWER for event in events(link))


class Queue:
    """Datagrams that wait to be received."""

    def __init__(self, *datagrams: bytes) -> None:
        self.waiting = list(datagrams)

    def receive(self, timeout_s: float) -> bytes:
        if not self.waiting:
            raise ReadTimeout(f"nothing within {timeout_s} s")
        return self.waiting.pop(0)

    def send(self, data: bytes, timeout_s: float) -> None:
        self.waiting.append(data)

    def close(self) -> None:
        self.waiting.clear()


def test_datagram_stream_empty_datagram_is_no_end_of_stream() -> None:
    """No octets mean that the far end closed a stream; an empty datagram means nothing."""
    assert DatagramStream(Queue(b"", b"\x01\x02")).read(1, 1.0) == b"\x01\x02"


def test_meter_lost_datagram_is_a_matter_of_the_network() -> None:
    """A meter over UDP is never blamed for silence: nobody can tell what was lost."""
    live = open_bench("virtual:mcs301", faults={"silent": "ip_udp:200"})
    try:
        meter = live.devices["meter"]
        assert isinstance(meter, DlmsMeter)
        meter.associate("public", "ip_udp")
        with pytest.raises((ReadTimeout, FrameDamaged)):  # never Refused
            [meter.get("device_id") for _ in range(20)]
    finally:
        live.close()


def test_late_answer_is_told_from_the_one_waited_for() -> None:
    """What comes after its time-out carries an old invoke id."""
    link, application = client(), ClientAssociation(ClientSettings(pre_established=True))
    first = application.get(1, bytes((0, 0, 42, 0, 0, 255)), 2)
    application.give_up()
    second = application.get(1, bytes((0, 0, 42, 0, 0, 255)), 2)
    for request in (first, second):
        link.receive_data(encode_message(1, 16, b"\xc4\x01" + request[2:3] + b"\x00\x11\x05"))
    found = [
        application.receive(event.apdu, event.intact)
        for event in events(link)
        if isinstance(event, ApduReceived)
    ]
    assert [StaleReply, GetAnswered] == [type(event) for event in found]
