"""The server's end of a C12.18 line: one request at a time, repetitions, and ways back to the base state."""

from __future__ import annotations

import pytest
from c1218_peer import (
    ACK,
    Pair,
    answer,
    events_of,
    purposes,
    read,
    run_out,
)

from adapters.errors import LocalProtocolError
from adapters.protocols.c1218 import (
    C1218Server,
    EndReason,
    Purpose,
    RequestReceived,
    SessionEnded,
    State,
)
from adapters.protocols.c1218.packets import TOGGLE, encode_packet
from adapters.protocols.c1218.services import (
    FullRead,
    Identify,
    Negotiate,
    Ok,
    Terminate,
)


def test_server_owing_an_answer_takes_no_other_request() -> None:
    """Its late answer would be taken for that to the other one."""
    pair = Pair().open()
    pair.client.request(FullRead(table=1))
    pair.server.receive_data(pair.client.data_to_send())
    (event,) = events_of(pair.server)
    assert pair.server.data_to_send() == ACK
    assert purposes(pair.server) == []
    other = encode_packet(FullRead(table=2).encode(), control=TOGGLE)
    pair.server.receive_data(other)
    assert events_of(pair.server) == []
    assert pair.server.data_to_send() == b""
    pair.server.respond(answer(event.request))
    pair.client.receive_data(ACK + pair.server.data_to_send())
    assert [read(1)] == events_of(pair.client)


def test_server_acknowledges_a_repeated_request_and_carries_it_out_once() -> None:
    """While it works, and after it has answered."""
    pair = Pair().open()
    pair.client.request(FullRead(table=1))
    request = pair.client.data_to_send()
    pair.server.receive_data(request)
    assert [RequestReceived(request=FullRead(table=1))] == events_of(pair.server)
    pair.server.data_to_send()
    pair.server.receive_data(request)
    assert events_of(pair.server) == []
    assert pair.server.data_to_send() == ACK
    pair.server.respond(answer(FullRead(table=1)))
    response = pair.server.data_to_send()
    pair.server.receive_data(request)
    assert events_of(pair.server) == []
    assert ACK + response == pair.server.data_to_send()
    pair.server.receive_data(ACK + request)
    assert events_of(pair.server) == []
    assert pair.server.data_to_send() == ACK


def test_server_unacknowledged_answer_is_repeated_then_the_session_ends() -> None:
    """Three times; then it is back in its base state."""
    pair = Pair().open()
    pair.client.request(FullRead(table=1))
    pair.server.receive_data(pair.client.data_to_send())
    pair.serve()
    response = pair.server.data_to_send()
    for _ in range(3):
        run_out(pair.server, Purpose.RESPONSE)
        assert response.removeprefix(ACK) == pair.server.data_to_send()
    run_out(pair.server, Purpose.RESPONSE)
    assert [SessionEnded(reason=EndReason.NO_ACKNOWLEDGE)] == events_of(pair.server)
    assert State.BASE is pair.server.state


def test_server_takes_the_next_request_for_the_missing_acknowledgement() -> None:
    """The client's ACK was lost and it went on: so it has the answer."""
    pair = Pair().open()
    pair.client.request(FullRead(table=1))
    pair.server.receive_data(pair.client.data_to_send())
    pair.serve()
    pair.client.receive_data(pair.server.data_to_send())
    assert [read(1)] == events_of(pair.client)
    assert pair.client.data_to_send() == ACK  # and is lost
    assert [read(2)] == pair.ask(FullRead(table=2))


def test_server_that_nobody_followed_to_a_new_speed_begins_anew() -> None:
    """A request at the old speed says that the client does not know of the new one."""
    pair = Pair()
    pair.ask(Identify())
    pair.client.request(Negotiate(packet_octets=512, packets=4, bauds=(19200,)))
    pair.server.receive_data(pair.client.data_to_send())
    pair.serve()
    pair.server.data_to_send()
    pair.server.receive_data(encode_packet(b"\x20"))
    assert [SessionEnded(reason=EndReason.NO_ACKNOWLEDGE), RequestReceived(request=Identify())] == events_of(
        pair.server
    )
    assert pair.server.parameters.baud == 9600


def test_server_forgets_the_last_packet_with_the_channel_time_out() -> None:
    """A reader started anew sends the very packet its predecessor sent last; after a pause it is new."""
    terminate = encode_packet(b"\x21")
    server = C1218Server()
    pair = Pair(server=server)
    server.receive_data(terminate)
    pair.serve()
    server.data_to_send()
    server.receive_data(ACK)
    events_of(server)
    server.receive_data(terminate)
    assert events_of(server) == []
    assert server.data_to_send() == ACK
    run_out(server, Purpose.CHANNEL)
    assert purposes(server) == []
    server.receive_data(terminate)
    assert [RequestReceived(request=Terminate())] == events_of(server)


def test_server_reset_forgets_everything_without_a_word() -> None:
    """As after a power failure."""
    pair = Pair().open(512, 4)
    pair.server.receive_data(b"\xee\x00")
    pair.server.reset()
    assert [SessionEnded(reason=EndReason.RESET)] == events_of(pair.server)
    assert pair.server.data_to_send() == b""
    assert purposes(pair.server) == []
    assert pair.server.parameters.packet_octets == 64


def test_server_answers_only_what_was_asked() -> None:
    """An answer nobody waits for is our mistake."""
    server = C1218Server()
    for attempt in (lambda: server.respond(Ok()), server.no_response):
        with pytest.raises(LocalProtocolError, match="no request"):
            attempt()
