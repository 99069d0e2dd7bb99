"""C12.18 client engine against hand-made octets: what the theory of operation in ``link`` promises."""

from __future__ import annotations

import pytest
from c1218_peer import (
    ACK,
    NAK,
    Client,
    Pair,
    answer,
    data_of,
    events_of,
    let_it_be_quiet,
    purposes,
    read,
    received,
    run_out,
)

from adapters.errors import LocalProtocolError
from adapters.protocols.c1218 import (
    C1218Client,
    C1218Server,
    DamagedPacket,
    EndReason,
    LineQuiet,
    Purpose,
    RejectedPacket,
    RequestReceived,
    ResponseReceived,
    SessionEnded,
    SessionLost,
    Spoil,
    State,
)
from adapters.protocols.c1218.packets import FIRST, MULTI, TOGGLE, encode_packet
from adapters.protocols.c1218.services import (
    FullRead,
    Identify,
    IdentifyResponse,
    Ok,
    TableData,
    Terminate,
    Wait,
)


def test_link_lost_request_is_repeated_three_times() -> None:
    """The fourth time-out is the end; the request never went out again after that."""
    client = Client()
    first = client.asks(Identify())
    for _ in range(3):
        run_out(client.engine, Purpose.RESPONSE)
        assert first == client.engine.data_to_send()
    run_out(client.engine, Purpose.RESPONSE)
    (event,) = events_of(client.engine)
    assert isinstance(event, SessionLost)
    assert (EndReason.NO_ACKNOWLEDGE, Identify()) == (event.reason, event.request)
    assert client.engine.data_to_send() == b""


def test_link_damaged_request_is_repeated_after_nak() -> None:
    """The server says so once the line is quiet; the client sends it again, once."""
    pair = Pair()
    pair.client.request(Identify(), spoil=Spoil.DAMAGED_CHECKSUM)
    assert pair.run() == []
    run_out(pair.server, Purpose.GAP)
    (damaged,) = events_of(pair.server)
    assert isinstance(damaged, DamagedPacket)
    assert [received(Identify(), IdentifyResponse())] == pair.run()
    assert [sent[:1] for sent in pair.to_client] == [NAK, ACK]


def test_link_truncated_request_is_repeated_after_nak() -> None:
    """The same for a packet that lost its end."""
    pair = Pair()
    pair.client.request(Identify(), spoil=Spoil.TRUNCATED)
    assert pair.run() == []
    run_out(pair.server, Purpose.GAP)
    assert [received(Identify(), IdentifyResponse())] == pair.run()


def test_link_nak_four_times_is_not_accepted() -> None:
    """A device that refuses every copy."""
    client = Client()
    client.asks(Identify())
    events = client.hears(NAK, NAK, NAK, NAK)
    (event,) = events
    assert isinstance(event, SessionLost)
    assert EndReason.NOT_ACCEPTED is event.reason


def test_link_damaged_answer_is_asked_for_again() -> None:
    """NAK, and the same answer once more; the exchange counts as disturbed."""
    client = Client().logged_on()
    client.asks(FullRead(table=1))
    packet = client.reply(data_of(b"good"))
    assert client.hears(ACK, packet[:-1] + b"\x00") == []
    run_out(client.engine, Purpose.GAP)
    assert [DamagedPacket] == [type(event) for event in events_of(client.engine)]
    assert client.engine.data_to_send() == NAK
    assert [received(FullRead(table=1), TableData(data=b"good"))] == client.hears(packet)
    assert client.engine.data_to_send() == ACK
    assert purposes(client.engine) == [Purpose.SETTLE]


def test_link_answer_damaged_every_time_is_given_up() -> None:
    """Four damaged copies: whose fault that is the lab finds out, an answer it is not."""
    client = Client().logged_on()
    client.asks(FullRead(table=1))
    packet = client.reply(data_of(b"good"))
    client.hears(ACK)
    events = []
    for _ in range(4):
        client.hears(packet[:-1] + b"\x00")
        run_out(client.engine, Purpose.GAP)
        events += events_of(client.engine)
    assert isinstance(events[-1], SessionLost)
    assert (events[-1].reason, events[-1].disturbed) == (EndReason.DAMAGED, True)


def test_link_stray_octets_before_a_packet_are_skipped() -> None:
    """Noise ahead of an answer delays it by the quiet that proves it to be one."""
    client = Client().logged_on()
    client.asks(FullRead(table=1))
    client.hears(ACK)
    assert client.hears(b"\xff\x00\x7f" + client.reply(data_of(b"good"))) == []
    run_out(client.engine, Purpose.GAP)
    noise, good = events_of(client.engine)
    assert isinstance(noise, DamagedPacket)
    assert received(FullRead(table=1), TableData(data=b"good")) == good


def test_link_wakeup_octet_before_a_request_is_skipped_by_the_server() -> None:
    """Some readers send 0x55 to wake a head."""
    pair = Pair()
    pair.client.request(Identify())
    pair.server.receive_data(b"\x55" + pair.client.data_to_send())
    pair.serve()
    run_out(pair.server, Purpose.GAP)
    assert [received(Identify(), IdentifyResponse())] == pair.run()


def test_link_slow_packet_is_waited_for() -> None:
    """While octets come in, only the gap between them counts, and how long a packet may take in all."""
    client = Client().logged_on()
    client.asks(FullRead(table=1))
    packet = client.reply(data_of(b"good"))
    client.hears(ACK)
    assert purposes(client.engine) == [Purpose.REPLY]
    client.hears(packet[:7])
    assert purposes(client.engine) == [Purpose.GAP, Purpose.PACKET]
    gap, whole = client.engine.timers
    client.hears(packet[7:9])
    assert gap is not client.engine.timers[0]
    assert whole is client.engine.timers[1]
    assert [received(FullRead(table=1), TableData(data=b"good"))] == client.hears(packet[9:])


def test_link_packet_that_trickles_for_ever_is_cut_off() -> None:
    """A packet must be whole in the time it takes twice over."""
    client = Client().logged_on()
    client.asks(FullRead(table=1))
    client.hears(ACK, b"\xee\x00\x00\x00\x1f\x00\x00")
    run_out(client.engine, Purpose.PACKET)
    assert [DamagedPacket] == [type(event) for event in events_of(client.engine)]


def test_stale_repeated_answer_is_acknowledged_and_ignored() -> None:
    """Our ACK was lost and the device repeats itself, while we rest or while our next request is out."""
    client = Client().logged_on()
    client.asks(FullRead(table=1))
    first = client.reply(data_of(b"one"))
    client.hears(ACK + first)
    assert client.engine.data_to_send() == ACK
    assert client.hears(first) == []
    assert client.engine.data_to_send() == ACK
    client.asks(FullRead(table=2))
    assert client.hears(first) == []
    assert client.engine.data_to_send() == ACK
    assert client.hears(ACK + first) == []
    assert [received(FullRead(table=2), TableData(data=b"two"))] == client.hears(
        client.reply(data_of(b"two"))
    )


def test_stale_answer_repeated_with_the_other_toggle_bit_is_not_the_next_answer() -> None:
    """A careless device repeats its answer as if it were a new one: ignored, and the line must settle."""
    client = Client().logged_on()
    client.asks(FullRead(table=1))
    answered = client.hears(ACK + client.reply(data_of(b"one")))
    assert [received(FullRead(table=1), TableData(data=b"one"))] == answered
    again = client.reply(data_of(b"one"))
    assert client.hears(again) == []
    assert client.engine.stale == 1
    assert purposes(client.engine) == [Purpose.SETTLE]
    client.engine.data_to_send()
    assert client.asks(FullRead(table=2)) == b""
    run_out(client.engine, Purpose.SETTLE)
    assert client.engine.data_to_send().startswith(b"\xee")


def test_stale_answer_before_the_acknowledgement_is_neither_taken_nor_acknowledged() -> None:
    """It may belong to anything. The true one comes again after the repeated request."""
    client = Client().logged_on()
    request = client.asks(FullRead(table=2))
    late = client.reply(data_of(b"late"))
    assert client.hears(late) == []
    assert client.engine.data_to_send() == b""
    assert client.engine.early == 1
    run_out(client.engine, Purpose.RESPONSE)
    assert request == client.engine.data_to_send()
    two = encode_packet(data_of(b"two"), control=client.toggle ^ TOGGLE)
    assert [received(FullRead(table=2), TableData(data=b"two"))] == client.hears(ACK + two)


def test_lost_acknowledgement_is_made_up_for_by_both_ends() -> None:
    """The server's ACK is lost: the request again, and the server repeats ACK and answer at once."""
    pair = Pair().open()
    pair.client.request(FullRead(table=1))
    pair.server.receive_data(pair.client.data_to_send())
    pair.serve()
    whole = pair.server.data_to_send()
    pair.client.receive_data(whole.removeprefix(ACK))
    assert events_of(pair.client) == []
    run_out(pair.client, Purpose.RESPONSE)
    assert [read(1)] == pair.run()
    assert whole == pair.to_client[-1]
    requests = [e for e in pair.server_events if e == RequestReceived(request=FullRead(table=1))]
    assert len(requests) == 1


def test_acknowledgement_and_answer_swapped_still_end_well() -> None:
    """The answer overtakes its ACK: not taken, and repeated by a device that was not acknowledged."""
    pair = Pair().open()
    pair.client.request(FullRead(table=1))
    pair.server.receive_data(pair.client.data_to_send())
    pair.serve()
    whole = pair.server.data_to_send()
    pair.client.receive_data(whole[1:] + whole[:1])
    assert events_of(pair.client) == []
    run_out(pair.server, Purpose.RESPONSE)
    assert [read(1)] == pair.run()


def test_nak_after_the_answer_means_nothing() -> None:
    """Late, doubled or mad signs do not bring an old request back."""
    client = Client().logged_on()
    client.asks(FullRead(table=1))
    client.hears(ACK + client.reply(data_of(b"one")))
    client.engine.data_to_send()
    assert client.hears(NAK) == []
    assert client.engine.data_to_send() == b""
    client.asks(FullRead(table=2))
    run_out(client.engine, Purpose.SETTLE)
    client.engine.data_to_send()
    client.hears(ACK)
    assert client.hears(NAK, ACK, NAK) == []
    assert client.engine.data_to_send() == b""
    assert [received(FullRead(table=2), TableData(data=b"two"))] == client.hears(
        client.reply(data_of(b"two"))
    )


def test_device_that_answers_repetitions_twice_does_not_answer_the_next_request() -> None:
    """Without duplicate detection it carries a repeated request out again; the second pair is ignored."""
    client = Client().logged_on()
    client.asks(FullRead(table=1))
    run_out(client.engine, Purpose.RESPONSE)
    client.engine.data_to_send()
    first, second = client.reply(data_of(b"one")), client.reply(data_of(b"one more"))
    assert [received(FullRead(table=1), TableData(data=b"one"))] == client.hears(ACK + first)
    client.engine.data_to_send()
    assert client.asks(FullRead(table=2)) == b""
    assert client.hears(ACK + second) == []
    assert client.engine.data_to_send() == ACK
    run_out(client.engine, Purpose.SETTLE)
    assert client.engine.data_to_send().startswith(b"\xee")
    assert [received(FullRead(table=2), TableData(data=b"two"))] == client.hears(
        ACK + client.reply(data_of(b"two"))
    )


def test_doubt_late_answer_to_a_request_given_up_is_ignored() -> None:
    """Nothing is asked before the line has been quiet; then a new session begins."""
    client = Client().logged_on()
    client.asks(FullRead(table=1))
    client.hears(ACK)
    run_out(client.engine, Purpose.REPLY)
    (lost,) = events_of(client.engine)
    assert isinstance(lost, SessionLost)
    assert (EndReason.NO_REPLY, FullRead(table=1)) == (lost.reason, lost.request)
    assert State.IN_DOUBT is client.engine.state
    for request in (FullRead(table=2), Identify(), Terminate()):
        with pytest.raises(LocalProtocolError, match="in doubt"):
            client.engine.request(request)
    (quiet,) = client.engine.timers
    assert (quiet.purpose, quiet.duration_s) == (Purpose.QUIET, 6.0)
    assert client.hears(client.reply(data_of(b"late"))) == []
    assert client.engine.data_to_send() == ACK
    assert quiet is not client.engine.timers[0]
    client.engine.timed_out(quiet)
    assert events_of(client.engine) == []
    run_out(client.engine, Purpose.QUIET)
    assert [LineQuiet(late_packets=1)] == events_of(client.engine)
    assert State.BASE is client.engine.state
    client.asks(Identify())
    assert isinstance(client.hears(ACK + client.reply(IdentifyResponse().encode()))[0], ResponseReceived)


def test_doubt_quiet_lasts_as_long_as_a_granted_wait() -> None:
    """A device that was asked to wait keeps its session for so long."""
    pair = Pair().open()
    pair.ask(Wait(seconds=100))
    pair.client.request(FullRead(table=1))
    for _ in range(4):
        run_out(pair.client, Purpose.RESPONSE)
    assert [(t.purpose, t.duration_s) for t in pair.client.timers] == [(Purpose.QUIET, 100.0)]


def test_doubt_after_quiet_both_ends_begin_a_new_session() -> None:
    """The server has gone back to its base state by itself and takes the next identification."""
    pair = Pair(answer=lambda r: None if r == FullRead(table=9) else answer(r)).open(512, 4)
    assert pair.ask(FullRead(table=9)) == []
    run_out(pair.client, Purpose.REPLY)
    run_out(pair.server, Purpose.CHANNEL)
    assert SessionEnded(reason=EndReason.CHANNEL_TIMEOUT) == events_of(pair.server)[-1]
    events = let_it_be_quiet(pair.client)
    assert isinstance(events[0], SessionLost)
    assert LineQuiet(late_packets=0) == events[-1]
    pair.open()
    assert [read(1)] == pair.ask(FullRead(table=1))


def test_settling_line_that_never_rests_is_given_up() -> None:
    """A device that talks without end is no device to ask."""
    client = Client().logged_on()
    client.hears(client.reply(b"unasked"))
    client.engine.request(FullRead(table=1))
    events = client.hears(*[client.reply(b"unasked") for _ in range(101)])
    assert isinstance(events[-1], SessionLost)
    assert (EndReason.NOISE, FullRead(table=1)) == (events[-1].reason, events[-1].request)


@pytest.mark.parametrize(
    ("packets", "why"),
    [
        ([(MULTI, 1)], "the first is missing"),
        ([(MULTI | FIRST, 2), (MULTI, 0)], "1 is due"),
        ([(MULTI | FIRST, 2), (MULTI, 2)], "1 is due"),
        ([(MULTI | FIRST, 2), (MULTI | FIRST, 2)], "begins where packet number 1"),
        ([(MULTI | FIRST, 2), (0, 0)], "begins where packet number 1"),
        ([(FIRST, 0)], "stands alone"),
        ([(0, 3)], "has number 3"),
        ([(MULTI | FIRST, 255)], "256 packets, 4 are agreed"),
    ],
)
def test_answer_in_packets_that_do_not_fit_together_ends_the_session(
    packets: list[tuple[int, int]], why: str
) -> None:
    """Intact packets that break the rules: the device's fault, unless the line was disturbed."""
    client = Client().logged_on(packets=4)
    client.asks(FullRead(table=1))
    events = client.hears(ACK, *[client.reply(b"x", control, number) for control, number in packets])
    rejected, lost = events
    assert isinstance(rejected, RejectedPacket)
    assert isinstance(lost, SessionLost)
    assert (lost.reason, lost.disturbed) == (EndReason.PROTOCOL_ERROR, False)
    assert why in lost.why
    assert lost.data == rejected.data


def test_answer_mixed_of_two_is_told_by_the_toggle_bit() -> None:
    """A repeated request was answered twice: parts of both fit by number."""
    client = Client().logged_on(packets=4)
    client.asks(FullRead(table=1))
    run_out(client.engine, Purpose.RESPONSE)
    assert client.hears(ACK, client.reply(b"x", MULTI | FIRST, 2)) == []
    client.reply(b"lost", MULTI | FIRST, 2)
    _, lost = client.hears(client.reply(b"y", MULTI, 1))
    assert isinstance(lost, SessionLost)
    assert (lost.reason, lost.disturbed) == (EndReason.PROTOCOL_ERROR, True)
    assert "toggle bit" in lost.why


def test_server_takes_no_message_with_a_gap() -> None:
    """The second packet without the first: NAK, and nothing reaches the owner."""
    server = C1218Server()
    server.receive_data(encode_packet(b"\x20", control=MULTI, sequence=0))
    assert [RejectedPacket] == [type(event) for event in events_of(server)]
    assert server.data_to_send() == NAK


def test_server_takes_a_new_request_in_the_middle_of_another() -> None:
    """A client that gave up a long request begins anew."""
    pair = Pair().open(packet_octets=64, packets=4)
    pair.server.receive_data(encode_packet(b"\x40\x00\x01", control=MULTI | FIRST, sequence=3))
    assert events_of(pair.server) == []
    pair.server.data_to_send()
    assert [read(1)] == pair.ask(FullRead(table=1))


def test_closed_wire_ends_the_session_on_both_sides() -> None:
    """Once, and nothing can be asked afterwards."""
    pair = Pair().open()
    pair.client.request(FullRead(table=1))
    pair.client.receive_data(b"")
    (lost,) = events_of(pair.client)
    assert isinstance(lost, SessionLost)
    assert (EndReason.CLOSED, FullRead(table=1)) == (lost.reason, lost.request)
    pair.client.receive_data(b"")
    assert events_of(pair.client) == []
    with pytest.raises(LocalProtocolError, match="closed"):
        pair.client.request(Identify())
    pair.server.receive_data(b"")
    assert [SessionEnded(reason=EndReason.CLOSED)] == events_of(pair.server)


def test_packets_for_another_identity_are_not_ours() -> None:
    """On a shared line; they are counted and neither acknowledged nor answered."""
    pair = Pair(C1218Client(identity=3), C1218Server(identity=3))
    assert [received(Identify(), IdentifyResponse())] == pair.ask(Identify())
    pair.server.receive_data(encode_packet(b"\x20", identity=4))
    assert events_of(pair.server) == []
    assert pair.server.data_to_send() == b""
    assert pair.server.for_others == 1


def test_echo_of_an_optical_head_is_taken_off() -> None:
    """Everything we send comes back first; only what follows is the device's."""
    client = Client(echo=True)
    sent = client.asks(Identify())
    events = client.hears(sent[:4], sent[4:] + ACK, client.reply(IdentifyResponse().encode()))
    assert [received(Identify(), IdentifyResponse())] == events
    assert client.engine.data_to_send() == ACK
    sent = client.asks(Terminate())
    assert [received(Terminate(), Ok())] == client.hears(ACK + sent + ACK + client.reply(b"\x00"))


def test_echo_that_is_damaged_costs_a_repetition() -> None:
    """A head that garbles its echo is not a device that answers."""
    client = Client(echo=True)
    sent = client.asks(Identify())
    assert client.hears(b"\x00" + sent[1:] + ACK + client.reply(IdentifyResponse().encode())) == []
    run_out(client.engine, Purpose.GAP)
    assert [DamagedPacket] == [type(event) for event in events_of(client.engine)]
    run_out(client.engine, Purpose.RESPONSE)
    assert sent == client.engine.data_to_send()
