"""C12.18 sessions through bytes: services in order, what is negotiated, and what is refused."""

from __future__ import annotations

import pytest
from c1218_peer import (
    ACK,
    NAK,
    Client,
    Pair,
    answer,
    events_of,
    read,
    received,
    run_out,
    table,
)

from adapters.base import LineSettings
from adapters.errors import LocalProtocolError
from adapters.protocols.c1218 import (
    C1218Client,
    C1218Server,
    EndReason,
    LineChange,
    Purpose,
    RejectedPacket,
    RequestReceived,
    RequestRefused,
    ResponseMalformed,
    ResponseReceived,
    SessionEnded,
    SessionLost,
    Spoil,
    State,
    Timing,
)
from adapters.protocols.c1218.packets import FIRST, MULTI, TOGGLE, decode_packet
from adapters.protocols.c1218.services import (
    ErrorResponse,
    FullRead,
    FullWrite,
    Identify,
    IdentifyResponse,
    Logoff,
    Logon,
    Negotiate,
    NegotiateResponse,
    OffsetRead,
    Ok,
    RawRequest,
    RawResponse,
    Request,
    ResponseCode,
    Security,
    Service,
    TableData,
    Terminate,
    TimingSetup,
    Wait,
)


def test_session_whole_life_over_one_wire() -> None:
    """Everything in order; ACK and answer leave the server in one piece."""
    pair = Pair()
    requests: list[Request] = [
        Identify(),
        Negotiate(packet_octets=512, packets=4),
        Logon(user_id=1, user="tester"),
        Security(password=b"secret"),
        FullRead(table=5),
        FullWrite(table=6, data=b"data"),
        Logoff(),
        Terminate(),
    ]
    states = []
    for request in requests:
        assert [received(request, answer(request))] == pair.ask(request)
        assert pair.client.state is pair.server.state
        states.append(pair.client.state)
    expected = [
        State.IDENTIFIED,
        State.NEGOTIATED,
        State.LOGGED_ON,
        State.SECURED,
        State.SECURED,
        State.SECURED,
        State.IDENTIFIED,
        State.BASE,
    ]
    assert expected == states
    assert [SessionEnded(reason=EndReason.TERMINATED)] == [
        event for event in pair.server_events if not isinstance(event, RequestReceived)
    ]
    assert len(requests) == len(pair.to_client)
    assert all(sent.startswith(ACK + b"\xee") for sent in pair.to_client)
    assert pair.client.repetitions + pair.server.repetitions + pair.client.early + pair.client.stale == 0


def test_session_toggle_bit_flips_with_every_packet_of_each_direction() -> None:
    """Also across sessions of one client."""
    pair = Pair().open()
    pair.ask(FullRead(table=1))
    pair.ask(Terminate())
    pair.ask(Identify())
    requests = [packet for packet in pair.to_server if packet != ACK]
    assert [decode_packet(packet).control for packet in requests] == [0, TOGGLE, 0, TOGGLE, 0]
    answers = [decode_packet(packet[1:]).control for packet in pair.to_client]
    assert answers == [0, TOGGLE, 0, TOGGLE, 0]


@pytest.mark.parametrize("octets", [50, 588, 589, 5000, 37884])
def test_session_long_answer_comes_in_packets_that_count_down(octets: int) -> None:
    """Within what was negotiated, whatever the length."""
    pair = Pair().open(packet_octets=600, packets=120)
    assert (pair.client.parameters.packet_octets, pair.client.parameters.packets) == (600, 64)
    assert pair.server.message_octets == 37888
    request = OffsetRead(table=2050, offset=0, octets=octets)
    expected = table(2050, 70000)[:octets]
    before = len(pair.to_client)
    assert [received(request, TableData(data=expected))] == pair.ask(request)
    packets = [decode_packet(sent.removeprefix(ACK)) for sent in pair.to_client[before:] if len(sent) > 1]
    assert [*range(len(packets) - 1, -1, -1)] == [packet.sequence for packet in packets]
    assert -(-(octets + 4) // 592) == len(packets)
    if len(packets) > 1:
        kinds = [packet.control & ~TOGGLE for packet in packets]
        assert [MULTI | FIRST, *[MULTI] * (len(packets) - 1)] == kinds
    assert all(len(packet.octets) <= 600 for packet in packets)


def test_session_long_request_comes_in_packets() -> None:
    """A write is cut the same way, and each packet waits for its ACK."""
    pair = Pair().open(packet_octets=64, packets=20)
    request = FullWrite(table=6, data=bytes(range(256)) * 4)
    assert [received(request, Ok())] == pair.ask(request)
    assert RequestReceived(request=request) == pair.server_events[-1]
    packets = [decode_packet(sent) for sent in pair.to_server if sent.startswith(b"\xee")]
    assert [packet.sequence for packet in packets[-19:-17]] == [18, 17]


def test_session_message_beyond_the_agreed_packets_is_a_local_error() -> None:
    """Neither end sends more than was agreed; nothing has gone out, and the engine goes on."""
    pair = Pair().open()
    with pytest.raises(LocalProtocolError, match="1 are agreed"):
        pair.client.request(FullWrite(table=6, data=bytes(100)))
    assert pair.client.data_to_send() == b""
    pair.client.request(FullRead(table=1))
    pair.server.receive_data(pair.client.data_to_send())
    (event,) = events_of(pair.server)
    with pytest.raises(LocalProtocolError, match="1 are agreed"):
        pair.server.respond(TableData(data=bytes(100)))
    assert pair.server.owes == event.request
    pair.server.respond(ErrorResponse(code=ResponseCode.ONP))
    pair.client.receive_data(pair.server.data_to_send())
    assert [received(FullRead(table=1), ErrorResponse(code=ResponseCode.ONP))] == events_of(pair.client)


def test_session_second_request_before_the_answer_is_a_local_error() -> None:
    """One at a time."""
    client = C1218Client()
    client.request(Identify())
    with pytest.raises(LocalProtocolError, match="has not been answered"):
        client.request(Terminate())


def test_session_refused_service_changes_no_state() -> None:
    """A password that is not accepted leaves the session logged on."""
    refusal = ErrorResponse(code=ResponseCode.ISC)
    pair = Pair(answer=lambda r: refusal if isinstance(r, Security) else answer(r)).open()
    request = Security(password=b"wrong")
    assert [received(request, refusal)] == pair.ask(request)
    assert (pair.client.state, pair.server.state) == (State.LOGGED_ON, State.LOGGED_ON)


@pytest.mark.parametrize(
    "request_", [FullRead(table=1), Logon(), Security(password=b""), Logoff(), Wait(seconds=1)]
)
def test_session_service_out_of_sequence_is_refused_by_the_server(request_: Request) -> None:
    """The client does not send it by mistake; sent on purpose, the server answers isss by itself."""
    pair = Pair()
    with pytest.raises(LocalProtocolError, match="base"):
        pair.client.request(request_)
    events = pair.ask(request_, spoil=Spoil.OUT_OF_SEQUENCE)
    assert [received(request_, ErrorResponse(code=ResponseCode.ISSS))] == events
    (refused,) = pair.server_events
    assert isinstance(refused, RequestRefused)
    assert (request_, ResponseCode.ISSS) == (refused.request, refused.code)
    assert State.BASE is pair.server.state


def test_session_identify_again_is_refused_and_changes_nothing() -> None:
    """A harmless way to hear whether a session's device still lives."""
    pair = Pair().open()
    events = pair.ask(Identify(), spoil=Spoil.OUT_OF_SEQUENCE)
    assert [received(Identify(), ErrorResponse(code=ResponseCode.ISSS))] == events
    assert [read(1)] == pair.ask(FullRead(table=1))


def test_session_waived_service_reaches_the_owner_in_any_state() -> None:
    """A lax device grants reads before the logon; the client sees what it sees."""
    server = C1218Server()
    server.waived = {Service.READ}
    pair = Pair(server=server)
    pair.ask(Identify())
    assert [read(1)] == pair.ask(FullRead(table=1), spoil=Spoil.OUT_OF_SEQUENCE)
    assert State.IDENTIFIED is pair.server.state is pair.client.state


def test_session_unknown_and_malformed_services_are_answered_by_the_server() -> None:
    """sns and err, without troubling the owner."""
    pair = Pair().open()
    for octets, code in ((b"\x7f\x01", ResponseCode.SNS), (b"\x30\x00", ResponseCode.ERR)):
        (event,) = pair.ask(RawRequest(octets=octets))
        assert isinstance(event, ResponseReceived)
        assert RawResponse(octets=bytes((code,))) == event.response


def test_session_malformed_answer_is_told_and_the_session_goes_on() -> None:
    """The packet was intact, so the two ends are still together."""
    bad = RawResponse(octets=b"\x00\x00\x05ab")
    pair = Pair(answer=lambda r: bad if r == FullRead(table=9) else answer(r)).open()
    (event,) = pair.ask(FullRead(table=9))
    assert isinstance(event, ResponseMalformed)
    assert (FullRead(table=9), bad.octets) == (event.request, event.data)
    assert [read(1)] == pair.ask(FullRead(table=1))


def test_session_our_own_request_is_no_answer() -> None:
    """A line that loops everything back does not make a device."""
    client = Client()
    sent = client.asks(Identify())
    assert client.hears(sent) == []
    (event,) = client.hears(ACK + sent)
    assert isinstance(event, ResponseMalformed)


def test_negotiate_limits_bind_sender_and_receiver() -> None:
    """A packet longer than agreed is refused with NAK, whatever its checksum."""
    pair = Pair().open()
    request = FullWrite(table=1, data=bytes(100))
    (lost,) = pair.ask(request, spoil=Spoil.OVERSIZED)
    assert isinstance(lost, SessionLost)
    assert EndReason.NOT_ACCEPTED is lost.reason
    refused = [event for event in pair.server_events if not isinstance(event, RequestReceived)]
    assert [RejectedPacket] * 4 == [type(event) for event in refused]
    assert pair.to_client[-4:] == [NAK] * 4


def test_negotiate_never_more_than_was_proposed() -> None:
    """A device that answers larger values than it was offered is held to the offer."""
    greedy = NegotiateResponse(packet_octets=8192, packets=255)
    pair = Pair(answer=lambda r: greedy if isinstance(r, Negotiate) else answer(r))
    pair.ask(Identify())
    (event,) = pair.ask(Negotiate(packet_octets=128, packets=2))
    assert isinstance(event, ResponseReceived)
    assert greedy == event.response
    assert (pair.client.parameters.packet_octets, pair.client.parameters.packets) == (128, 2)
    assert pair.client.parameters == pair.server.parameters


@pytest.mark.parametrize(("packet_octets", "packets"), [(0, 1), (15, 1), (64, 0)])
def test_negotiate_useless_values_end_in_doubt(packet_octets: int, packets: int) -> None:
    """Nothing can be sent in packets of no octets."""
    client = Client()
    client.asks(Identify())
    client.hears(ACK + client.reply(IdentifyResponse().encode()))
    client.asks(Negotiate(packet_octets=64, packets=1))
    bad = NegotiateResponse(packet_octets=packet_octets, packets=packets)
    (event,) = client.hears(ACK + client.reply(bad.encode()))
    assert isinstance(event, SessionLost)
    assert (event.reason, event.disturbed) == (EndReason.PROTOCOL_ERROR, False)


def test_negotiate_speed_changes_after_the_last_acknowledgement_at_the_old_one() -> None:
    """Client: ACK first, then the change, then the answer. Server: once that ACK has come."""
    client, server = C1218Client(), C1218Server()
    pair = Pair(client, server)
    pair.ask(Identify())
    client.request(Negotiate(packet_octets=64, packets=1, bauds=(9600, 19200)))
    server.receive_data(client.data_to_send())
    (event,) = events_of(server)
    server.respond(answer(event.request))
    assert events_of(server) == []
    client.receive_data(server.data_to_send())
    fast = LineChange(settings=LineSettings(baud=19200))
    assert fast == client.next_event()
    assert client.data_to_send() == ACK
    assert isinstance(client.next_event(), ResponseReceived)
    server.receive_data(ACK)
    assert [fast] == events_of(server)
    assert 19200 == client.parameters.baud == server.parameters.baud


def test_negotiate_speed_goes_back_when_the_session_ends() -> None:
    """Terminate: both ends return to the default, after the ACK."""
    pair = Pair()
    pair.ask(Identify())
    pair.ask(Negotiate(packet_octets=64, packets=1, bauds=(57600,)))
    back = LineChange(settings=LineSettings())
    events = pair.ask(Terminate())
    assert [back, received(Terminate(), Ok())] == events
    assert [back, SessionEnded(reason=EndReason.TERMINATED)] == pair.server_events[-2:]


def test_negotiate_speed_goes_back_on_the_channel_time_out() -> None:
    """Silence brings a server, and a client, back to where the other one can hear it."""
    pair = Pair()
    pair.ask(Identify())
    pair.ask(Negotiate(packet_octets=512, packets=3, bauds=(57600,)))
    back = LineChange(settings=LineSettings())
    for end in (pair.client, pair.server):
        run_out(end, Purpose.CHANNEL)
    assert [back, SessionEnded(reason=EndReason.CHANNEL_TIMEOUT)] == events_of(pair.server)
    change, lost = events_of(pair.client)
    assert back == change
    assert isinstance(lost, SessionLost)
    assert (lost.reason, pair.client.state) == (EndReason.CHANNEL_TIMEOUT, State.BASE)
    assert 64 == pair.client.parameters.packet_octets == pair.server.parameters.packet_octets


def test_timing_setup_holds_for_the_session() -> None:
    """C12.21's time-outs, and back to the defaults with the session's end."""
    pair = Pair()
    pair.ask(Identify())
    pair.ask(TimingSetup(channel_s=30, inter_character_s=1, response_s=4, retries=5))
    expected = Timing(channel_s=30.0, inter_character_s=1.0, response_s=4.0, retries=5)
    assert expected == pair.client.timing == pair.server.timing
    assert pair.server.wait_s == 30.0
    pair.ask(Terminate())
    assert Timing() == pair.client.timing == pair.server.timing


def test_wait_service_extends_the_next_pause_once() -> None:
    """Both ends wait for as long as was granted, then for the usual time again."""
    pair = Pair().open()
    assert (pair.client.wait_s, pair.server.wait_s) == (6.0, 6.0)
    pair.ask(Wait(seconds=60))
    assert (pair.client.wait_s, pair.server.wait_s) == (60.0, 60.0)
    pair.ask(FullRead(table=1))
    assert (pair.client.wait_s, pair.server.wait_s) == (6.0, 6.0)
