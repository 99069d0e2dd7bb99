"""Notifications from the server's notifier to the client engine: plain, protected, and in blocks."""

from __future__ import annotations

import pytest
from dlms_device import CLIENT_TITLE, HLS, KEYS, SERVER_TITLE, Device, name, opened

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms import apdu
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_events import ClientEvent, GetAnswered, MoreBlocks, Notified
from adapters.protocols.dlms.client_settings import PROPOSED, ClientSettings
from adapters.protocols.dlms.data import octet_string, structure, unsigned
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import Conformance
from adapters.protocols.dlms.notifying import Notifier, invoke_id, wants_confirmation
from adapters.protocols.dlms.secure_channel import SecureChannel
from adapters.protocols.dlms.security import CounterReplayed, InvocationCounter, SecuritySuite0
from adapters.protocols.dlms.state import State

BODY = structure(unsigned(7), octet_string(bytes(range(200))))
AT = CosemDateTime.from_octets(bytes.fromhex("07ea0b19030a0f1e00800000"))


def protecting(counter: int = 1) -> SecureChannel:
    """Return the meter's channel towards the client."""
    return SecureChannel(
        suite=SecuritySuite0(KEYS),
        own_title=SERVER_TITLE,
        peer_title=CLIENT_TITLE,
        send=InvocationCounter(counter),
    )


def heard(client: ClientAssociation, apdus: tuple[bytes, ...]) -> ClientEvent:
    """Have the client take all of ``apdus``; it answers none of them. Return the last event."""
    for raw in apdus[:-1]:
        event = client.receive(raw)
        assert isinstance(event, MoreBlocks)
        assert event.reply == b""
    return client.receive(apdus[-1])


@pytest.mark.parametrize("max_pdu", [0, 64])
@pytest.mark.parametrize("ciphered", [False, True])
def test_notification_arrives_whole_without_association(ciphered: bool, max_pdu: int) -> None:
    """Number, time and body, in one APDU or in many blocks that nobody acknowledges."""
    client = ClientAssociation(ClientSettings(**(HLS if ciphered else {})))
    channel = protecting() if ciphered else None
    notifier = Notifier(channel, max_pdu=max_pdu, general_blocks=True, first_invoke_id=41)
    for number in (41, 42):
        apdus = notifier.notify(BODY, AT)
        assert (len(apdus) > 1) == bool(max_pdu)
        assert all(not max_pdu or len(raw) <= max_pdu for raw in apdus)
        event = heard(client, apdus)
        assert isinstance(event, Notified)
        assert isinstance(event.notification, apdu.DataNotification)
        assert (number, AT.octets(), BODY, ciphered) == (
            invoke_id(event.notification),
            event.notification.date_time,
            event.notification.body,
            event.ciphered,
        )
        assert not wants_confirmation(event.notification)
    assert client.state is State.IDLE


def test_notification_replayed_or_of_a_stranger_is_not_taken() -> None:
    """The counter of a protected push is checked like any other, and so is its tag."""
    client = ClientAssociation(ClientSettings(**HLS))
    (raw,) = Notifier(protecting(9)).notify(BODY)
    assert isinstance(client.receive(raw), Notified)
    with pytest.raises(CounterReplayed):
        client.receive(raw)
    (other,) = Notifier(protecting(10)).notify(BODY)
    with pytest.raises(RemoteProtocolError):
        client.receive(other[:-1] + bytes((other[-1] ^ 1,)))
    assert isinstance(client.receive(other), Notified)


def test_notification_in_the_middle_of_a_read_disturbs_nothing() -> None:
    """A push between a request and its answer is told, and the answer is still the answer."""
    pair = opened(Device(values={name(1): unsigned(3)}))
    (answer,) = pair.sent(pair.client.get(1, name(1), 2))
    (push,) = Notifier().notify(unsigned(1))
    assert isinstance(pair.client.receive(push), Notified)
    assert pair.client.receive(answer) == GetAnswered(data=unsigned(3))


def test_notification_number_wraps_and_priority_stays_out_of_it() -> None:
    """The number has 24 bits."""
    notifier = Notifier(first_invoke_id=(1 << 24) - 1)
    numbers = []
    for _ in range(2):
        decoded = apdu.decode(notifier.notify(unsigned(1), high_priority=True)[0])
        assert isinstance(decoded, apdu.DataNotification)
        assert decoded.long_invoke >> 31 == 1
        numbers.append(invoke_id(decoded))
    assert numbers == [(1 << 24) - 1, 0]


def test_notification_too_long_without_blocks_is_our_mistake() -> None:
    """It is refused whole, and its number is not used up."""
    notifier = Notifier(max_pdu=64)
    with pytest.raises(LocalProtocolError, match="destination takes 64"):
        notifier.notify(BODY)
    decoded = apdu.decode(notifier.notify(unsigned(1))[0])
    assert isinstance(decoded, apdu.DataNotification)
    assert invoke_id(decoded) == 1


def test_notification_in_blocks_needs_a_client_that_speaks_them() -> None:
    """A client that never proposed general blocks takes none."""
    client = ClientAssociation(ClientSettings(conformance=PROPOSED & ~Conformance.GENERAL_BLOCK_TRANSFER))
    with pytest.raises(RemoteProtocolError, match="none were agreed"):
        client.receive(Notifier(max_pdu=64, general_blocks=True).notify(BODY)[0])
