"""The listener on a bench: where it listens, and what it tells of what came."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import pytest

from adapters.base import Listener
from adapters.clock import WallClock
from adapters.devices.push_listener import PushListener
from adapters.errors import BenchError, Refused
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.apdu_other import DataNotification
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.wrapper import encode_message
from adapters.registry import AdapterContext
from adapters.transports.listener import TcpListener, UdpListener


def on_the_wall_clock() -> PushListener:
    """Return a listener on the loopback without keys: plain pushes are taken."""
    clock = WallClock()
    kinds: dict[str, type[TcpListener] | type[UdpListener]] = {"tcp": TcpListener, "udp": UdpListener}

    def open_listener(link: str, port: int) -> Listener:
        return kinds[link].open(host="127.0.0.1", port=port, clock=clock)

    return PushListener(
        AdapterContext(
            name="receiver",
            clock=clock,
            profile="mcs301",
            links={kind: {"transport": f"{kind}-listener"} for kind in kinds},
            open_link=lambda link: pytest.fail(f"{link} was opened"),
            open_listener=open_listener,
        )
    )


def notification(*values: Data) -> bytes:
    """Return a wrapped plain push."""
    apdu = DataNotification(long_invoke=3, date_time=b"", body=dlms.structure(*values)).encode()
    return encode_message(1, 1, apdu)


def call(address: str, *messages: bytes) -> None:
    """Send over a connection of our own, as a meter would."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as sock:
        for message in messages:
            sock.sendall(message)


def test_listener_stopped_and_started_again_is_where_it_was() -> None:
    """A meter that was told an address finds the listener there after a pause; nobody in between."""
    listener = on_the_wall_clock()
    address = listener.address().address
    listener.stop_listening()
    with pytest.raises(ConnectionRefusedError):
        call(address)
    assert listener.address().address == address
    call(address, notification(dlms.unsigned(1)))
    assert listener.wait_for_push(5).fault == ""
    listener.close()


def test_two_pushes_on_one_connection_come_one_after_the_other() -> None:
    """A meter may keep its connection; each push counts."""
    listener = on_the_wall_clock()
    call(listener.address().address, notification(dlms.unsigned(1)), notification(dlms.unsigned(2)))
    values = [listener.wait_for_push(5).values[0].value for _ in range(2)]
    assert values == [1, 2]
    assert listener.received_pushes().count == 2
    listener.end_case()
    assert listener.received_pushes().count == 0


def test_push_of_a_known_setup_names_its_values_with_units() -> None:
    """The first value names the setup; what follows is what the profile says it is."""
    listener = on_the_wall_clock()
    pushed = (
        dlms.octet_string(bytes.fromhex("0001190900ff")),
        dlms.octet_string(b"MCS3100030112345"),
        dlms.double_long_unsigned(1234),
        dlms.octet_string(bytes.fromhex("07ea010501010203ff800000")),
        dlms.double_long_unsigned(5),
        dlms.long_unsigned(2301),
    )
    call(listener.address().address, notification(*pushed))
    push = listener.wait_for_push(5)
    assert push.setup == "push_interval"
    told = [(each.object, str(each.scaled), each.unit) for each in push.values if each.unit]
    assert told == [
        ("energy_import", "1234", "Wh"),
        ("energy_export", "5", "Wh"),
        ("voltage_l1", "230.1", "V"),
    ]
    listener.close()


@pytest.mark.parametrize(
    "body",
    [dlms.unsigned(1), dlms.structure(), dlms.structure(dlms.octet_string(bytes.fromhex("0001190900ff")))],
)
def test_push_of_another_shape_is_shown_without_names(body: Data) -> None:
    """What the profile does not describe is still told, or reported as malformed, and never raises."""
    listener = on_the_wall_clock()
    apdu = DataNotification(long_invoke=3, date_time=b"", body=body).encode()
    call(listener.address().address, encode_message(1, 1, apdu))
    shown = listener.no_push_for(0.5)
    assert shown.count == 1
    assert all(not each.object for each in shown.pushes[0].values)
    listener.close()


@pytest.mark.parametrize(
    ("date_time", "moment"),
    [
        ("", None),
        ("07ea010501010203ff8000ff", None),  # local time, and nobody says of where
        ("07ea010501ffffffff003c00", None),  # a day, no time of it
        ("07ea010501010203ffffc400", datetime(2026, 1, 5, 0, 2, 3, tzinfo=UTC)),
    ],
)
def test_date_time_of_a_push_is_a_moment_only_where_it_names_one(
    date_time: str, moment: datetime | None
) -> None:
    """A notification may leave its date-time out, or parts of it; that is no fault of the push."""
    listener = on_the_wall_clock()
    apdu = DataNotification(
        long_invoke=3, date_time=bytes.fromhex(date_time), body=dlms.structure(dlms.unsigned(1))
    ).encode()
    call(listener.address().address, encode_message(1, 1, apdu))
    push = listener.wait_for_push(5)
    assert ("", moment) == (push.fault, push.meter_time)
    listener.close()


def test_no_push_is_a_refusal_of_the_meter() -> None:
    """Silence where a push was due speaks against the meter, not against the bench."""
    listener = on_the_wall_clock()
    with pytest.raises(Refused) as refused:
        listener.wait_for_push(0.01, "udp")
    assert refused.value.reason == "no-push"
    listener.close()


def test_listener_without_such_a_link_says_so() -> None:
    """A bench that only listens on TCP cannot be pushed to over UDP."""
    listener = PushListener(
        AdapterContext(
            name="receiver",
            clock=WallClock(),
            profile="mcs301",
            links={"tcp": {"transport": "tcp-listener"}},
            open_link=lambda link: pytest.fail(f"{link} was opened"),
        )
    )
    with pytest.raises(BenchError, match="udp-listener"):
        listener.address("udp")
