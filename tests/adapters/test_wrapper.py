"""The TCP and UDP wrapper: octets of others, chunks, and headers that promise too much."""

from __future__ import annotations

from typing import Any

import pytest
from framing_helpers import events_of, named
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.link import (
    NEED_DATA,
    ApduReceived,
    DownReason,
    FrameRejected,
    LinkDown,
    LinkUp,
)
from adapters.protocols.dlms.wrapper import (
    WrapperClientLink,
    WrapperMessage,
    WrapperServerLink,
    WrapperStream,
    decode_datagram,
    encode_message,
)

GREEDY = bytes.fromhex("000100100001FFFF")
"""The header of 8 octets that silences a public server for good: it claims 65,535."""

messages = st.builds(
    WrapperMessage,
    source=st.integers(0, 0xFFFF),
    destination=st.integers(0, 0xFFFF),
    apdu=st.binary(max_size=200),
)


def client_up() -> WrapperClientLink:
    """Return a client that has been told to connect."""
    client = WrapperClientLink(16, 1)
    client.connect()
    assert events_of(client) == [LinkUp(client_sap=16, server_sap=1)]
    return client


@pytest.mark.parametrize("vector", named("wrapper"))
def test_message_of_others_decodes_and_encodes_to_itself(vector: dict[str, Any]) -> None:
    """Ports and length are what the source says."""
    message = decode_datagram(vector["octets"])
    assert message.source == vector["source_port"]
    assert message.destination == vector["destination_port"]
    assert len(message.apdu) == vector["apdu"]
    assert message.encode() == vector["octets"]


@given(messages)
def test_message_round_trip_gives_the_same_message(message: WrapperMessage) -> None:
    """What is encoded is decoded to itself."""
    assert decode_datagram(message.encode()) == message


@pytest.mark.parametrize("source,destination,length", [(-1, 1, 0), (1, 0x10000, 0), (1, 1, 0x10000)])
def test_message_that_does_not_fit_its_header_is_a_local_error(
    source: int, destination: int, length: int
) -> None:
    """Ports and length have two octets each."""
    with pytest.raises(LocalProtocolError):
        encode_message(source, destination, bytes(length))


@given(st.lists(messages, max_size=5), st.data())
def test_stream_any_chunking_gives_the_same_messages(sent: list[WrapperMessage], data: st.DataObject) -> None:
    """Cuts change nothing."""
    octets = b"".join(message.encode() for message in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=8)))
    stream, found = WrapperStream(), []
    for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        stream.receive_data(octets[a:b])
        while (message := stream.next_message()) is not None:
            found.append(message)
    assert found == sent
    assert not stream.incomplete


@pytest.mark.parametrize(
    "datagram", ["", "0001", "0001001000010002C0", "0001001000010001C0C0", "000200100001 0000"]
)
def test_datagram_that_is_no_message_is_a_remote_error(datagram: str) -> None:
    """Too short, too long, wrong version: the octets are kept."""
    octets = bytes.fromhex(datagram)
    with pytest.raises(RemoteProtocolError) as caught:
        decode_datagram(octets)
    assert caught.value.data == octets


def test_pair_exchanges_apdus() -> None:
    """A request, an answer; the server learns of the client by its first message."""
    client, server = client_up(), WrapperServerLink()
    client.send_apdu(b"\xc0\x01")
    server.receive_data(client.data_to_send())
    assert events_of(server) == [
        LinkUp(client_sap=16, server_sap=1),
        ApduReceived(apdu=b"\xc0\x01", client_sap=16, server_sap=1, intact=False),
    ]
    server.send_apdu(b"\xc4\x01", 16, 1)
    client.receive_data(server.data_to_send())
    assert events_of(client) == [ApduReceived(apdu=b"\xc4\x01", client_sap=16, server_sap=1, intact=False)]
    assert server.connected_clients == (16,)


def test_server_unknown_port_or_client_is_silence() -> None:
    """Another logical device, a client nobody knows: nothing happens."""
    server = WrapperServerLink((1,), accept_client=lambda client_sap: client_sap != 99)
    server.receive_data(encode_message(16, 2, b"\xc0") + encode_message(99, 1, b"\xc0"))
    assert events_of(server) == []
    assert server.frames_for_others == 2
    assert server.data_to_send() == b""


def test_client_messages_for_others_are_only_counted() -> None:
    """Several clients may share one connection."""
    client = client_up()
    client.receive_data(encode_message(1, 17, b"\xc4") + encode_message(2, 16, b"\xc4"))
    assert events_of(client) == []
    assert client.frames_for_others == 2


def test_server_greedy_header_does_not_silence_it() -> None:
    """When its APDU does not come the header is dropped, and the next request is answered."""
    server = WrapperServerLink()
    server.receive_data(GREEDY)
    server.receive_data(encode_message(16, 1, b"\x60"))
    assert events_of(server) == []
    assert server.incomplete
    server.inter_octet_timeout()
    (rejected,) = events_of(server)
    assert isinstance(rejected, FrameRejected)
    assert rejected.data == GREEDY + encode_message(16, 1, b"\x60")
    assert "of 65535" in rejected.why
    server.receive_data(encode_message(16, 1, b"\x60"))
    assert [type(event) for event in events_of(server)] == [LinkUp, ApduReceived]


def test_server_with_a_limit_rejects_a_greedy_header_at_once() -> None:
    """What exceeds the server's own largest APDU ends the connection with the octets as evidence."""
    server = WrapperServerLink(max_apdu=1024)
    server.receive_data(encode_message(16, 1, b"\x60") + GREEDY)
    events = events_of(server)
    assert [type(event) for event in events] == [LinkUp, ApduReceived, FrameRejected, LinkDown]
    assert events[2] == FrameRejected(
        data=GREEDY, why="wrapper: the header claims 65535 octets, at most 1024 are taken"
    )
    assert events[3] == LinkDown(reason=DownReason.PROTOCOL_ERROR, client_sap=16, server_sap=1)
    with pytest.raises(LocalProtocolError, match="protocol-error"):
        server.send_apdu(b"\x61", 16, 1)
    server.receive_data(encode_message(16, 1, b"\x60"))
    assert server.next_event() is NEED_DATA


@pytest.mark.parametrize("octets", ["0002", "7EA0", "FFFF001000010001C0"])
def test_client_wrong_version_is_a_remote_error_with_the_octets(octets: str) -> None:
    """Said as soon as two octets are there; the link is down afterwards."""
    client = client_up()
    client.receive_data(bytes.fromhex(octets))
    with pytest.raises(RemoteProtocolError, match="version") as caught:
        client.next_event()
    assert caught.value.data == bytes.fromhex(octets)
    assert not caught.value.frame_intact
    assert events_of(client) == [LinkDown(reason=DownReason.PROTOCOL_ERROR, client_sap=16, server_sap=1)]


def test_client_timeout_drops_a_part_and_goes_on() -> None:
    """The part is evidence, the next answer is read."""
    client = client_up()
    answer = encode_message(1, 16, b"\xc4\x01")
    client.receive_data(answer[:9])
    assert events_of(client) == []
    assert client.incomplete
    client.response_timeout()
    client.response_timeout()
    (rejected,) = events_of(client)
    assert isinstance(rejected, FrameRejected)
    assert "1 octets of 2" in rejected.why
    client.receive_data(answer)
    assert [type(event) for event in events_of(client)] == [ApduReceived]


def test_client_send_needs_a_connection_unless_unconfirmed() -> None:
    """The pre-established client sends without connecting."""
    client = WrapperClientLink(102, 1)
    with pytest.raises(LocalProtocolError, match="while disconnected"):
        client.send_apdu(b"\xc0")
    client.send_unconfirmed(b"\xc1\x01")
    assert client.data_to_send() == encode_message(102, 1, b"\xc1\x01")


def test_client_end_of_stream_and_disconnection_are_events_once() -> None:
    """Down is said once, with its reason."""
    client = client_up()
    client.receive_data(b"")
    assert events_of(client) == [LinkDown(reason=DownReason.CLOSED, client_sap=16, server_sap=1)]
    other = client_up()
    other.disconnect()
    other.disconnect()
    assert events_of(other) == [LinkDown(reason=DownReason.DISCONNECTED, client_sap=16, server_sap=1)]
    third = client_up()
    third.inactive()
    assert events_of(third) == [LinkDown(reason=DownReason.INACTIVE, client_sap=16, server_sap=1)]


def test_server_end_of_stream_ends_every_client() -> None:
    """A closed connection is the end of all that spoke on it; inactivity can end one."""
    server = WrapperServerLink()
    server.receive_data(b"".join(encode_message(client, 1, b"\x60") for client in (16, 1, 2)))
    events_of(server)
    server.inactive(1)
    assert events_of(server) == [LinkDown(reason=DownReason.INACTIVE, client_sap=1, server_sap=1)]
    server.no_reply(16, 1)
    server.receive_data(b"")
    assert events_of(server) == [
        LinkDown(reason=DownReason.CLOSED, client_sap=client, server_sap=1) for client in (16, 2)
    ]


@pytest.mark.parametrize("limit", [0, 0x10000])
def test_stream_limit_must_be_possible(limit: int) -> None:
    """A limit of nothing, or beyond the header, is our mistake."""
    with pytest.raises(LocalProtocolError):
        WrapperStream(limit)
