"""Flaws on purpose in C12.18, and the timers of both engines."""

from __future__ import annotations

import pytest
from c1218_peer import (
    ACK,
    Client,
    Pair,
    answer,
    events_of,
    read,
    received,
)

from adapters.errors import LocalProtocolError
from adapters.protocols.c1218 import (
    C1218Client,
    DamagedPacket,
    RequestReceived,
    ResponseReceived,
    Spoil,
    Watch,
)
from adapters.protocols.c1218.services import (
    FullRead,
    Identify,
    IdentifyResponse,
    Request,
)


@pytest.mark.parametrize(
    "spoil", [Spoil.DAMAGED_CHECKSUM, Spoil.TRUNCATED, Spoil.DUPLICATE, Spoil.WRONG_TOGGLE]
)
def test_spoiled_request_still_ends_in_the_right_answer(spoil: Spoil) -> None:
    """Our own server copes with each flaw of a client as the standard wants it to."""
    pair = Pair().open()
    events = pair.ask(FullRead(table=1), spoil=spoil)
    while not any(isinstance(event, ResponseReceived) for event in events):
        pair.server.timed_out()
        events += pair.run()
    assert read(1) in events
    received_once = [e for e in pair.server_events if e == RequestReceived(request=FullRead(table=1))]
    assert len(received_once) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        Spoil.DAMAGED_CHECKSUM,
        Spoil.TRUNCATED,
        Spoil.DUPLICATE,
        Spoil.TOGGLED_DUPLICATE,
        Spoil.WRONG_TOGGLE,
        Spoil.NO_ACKNOWLEDGE,
    ],
)
def test_spoiled_response_still_ends_in_the_right_answers(spoil: Spoil) -> None:
    """Our own client copes with each flaw of a device, and with the request after it."""
    pair = Pair().open()
    pair.client.request(FullRead(table=1))
    pair.server.receive_data(pair.client.data_to_send())
    assert [RequestReceived(request=FullRead(table=1))] == events_of(pair.server)
    pair.server.respond(answer(FullRead(table=1)), spoil=spoil)
    pair.client.receive_data(pair.server.data_to_send())
    events = pair.run()
    for number in (1, 2):
        while not any(isinstance(event, ResponseReceived) for event in events):
            pair.client.timed_out()
            events += pair.run()
        assert [read(number)] == [event for event in events if isinstance(event, ResponseReceived)]
        events = pair.ask(FullRead(table=2)) if number == 1 else []


def test_wrong_toggle_is_counted_by_the_receiver() -> None:
    """The packet differs from the last one, so it is taken; a harness may want to know all the same."""
    pair = Pair().open()
    pair.client.request(FullRead(table=1))
    pair.server.receive_data(pair.client.data_to_send())
    events_of(pair.server)
    pair.server.respond(answer(FullRead(table=1)), spoil=Spoil.WRONG_TOGGLE)
    pair.client.receive_data(pair.server.data_to_send())
    assert [read(1)] == pair.run()
    assert pair.client.toggle_faults == 1


@pytest.mark.parametrize(
    ("spoil", "request_"),
    [
        (Spoil.WRONG_TOGGLE, Identify()),
        (Spoil.OVERSIZED, Identify()),
        (Spoil.OUT_OF_SEQUENCE, Identify()),
        (Spoil.NO_ACKNOWLEDGE, Identify()),
    ],
)
def test_flaw_that_cannot_show_is_a_local_error(spoil: Spoil, request_: Request) -> None:
    """No negative test passes because nothing was spoiled; and the request can be made without it."""
    pair = Pair()
    with pytest.raises(LocalProtocolError, match="nothing to spoil"):
        pair.client.request(request_, spoil=spoil)
    assert [received(Identify(), IdentifyResponse())] == pair.ask(Identify())


def test_flaw_that_cannot_show_in_a_response_is_a_local_error() -> None:
    """The ACK has gone out already, or the flaw is one of requests; the answer is still owed."""
    pair = Pair().open()
    pair.client.request(FullRead(table=1))
    pair.server.receive_data(pair.client.data_to_send())
    events_of(pair.server)
    assert pair.server.data_to_send() == ACK
    for spoil in (Spoil.NO_ACKNOWLEDGE, Spoil.OUT_OF_SEQUENCE):
        with pytest.raises(LocalProtocolError, match="nothing to spoil"):
            pair.server.respond(answer(FullRead(table=1)), spoil=spoil)
    pair.server.respond(answer(FullRead(table=1)))
    pair.client.receive_data(ACK + pair.server.data_to_send())
    assert events_of(pair.client) == [read(1)]


def test_watch_reckons_with_the_times_it_is_told() -> None:
    """A timer keeps its deadline while it runs, and a new one starts afresh."""
    client = C1218Client()
    watch = Watch(client)
    assert watch.wait_s(100.0) is None
    client.request(Identify())
    first = watch.wait_s(100.0)
    assert first is not None
    assert first == pytest.approx(2.0 + 90 / 9600)
    assert watch.wait_s(101.0) == pytest.approx(first - 1.0)
    assert not watch.fire(101.0)
    assert watch.fire(102.1)
    assert client.repetitions == 1
    assert watch.wait_s(102.1) == pytest.approx(first)
    assert watch.wait_s(200.0) == 0.0


def test_watch_fires_the_earliest_first_and_one_at_a_time() -> None:
    """Two have run out: the gap comes before the response time-out."""
    client = Client().logged_on()
    watch = Watch(client.engine)
    client.asks(FullRead(table=1))
    watch.wait_s(0.0)
    client.hears(b"noise")
    watch.wait_s(1.0)
    assert watch.fire(10.0)
    assert [DamagedPacket] == [type(event) for event in events_of(client.engine)]
    assert client.engine.data_to_send() == b""
    assert watch.fire(10.0)
    assert client.engine.data_to_send().startswith(b"\xee")
    assert not watch.fire(10.0)


def test_timers_that_do_not_run_any_more_are_ignored() -> None:
    """A late call of a timer that was stopped changes nothing."""
    client = Client()
    client.asks(Identify())
    (old,) = client.engine.timers
    client.hears(ACK)
    client.engine.timed_out(old)
    assert client.engine.data_to_send() == b""
    C1218Client().timed_out()
