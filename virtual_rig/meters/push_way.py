"""How a push leaves the meter: protected as the policy says, wrapped, over TCP or UDP."""

from __future__ import annotations

from typing import Protocol

from adapters.protocols.dlms.secure_channel import SecureChannel
from adapters.protocols.dlms.server_policy import Ciphering
from adapters.protocols.dlms.wrapper import encode_message
from virtual_rig.meters.associations import MANAGEMENT, PUBLIC, AssociationTable
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.push import PushFeature, TransportService
from virtual_rig.world import World


class Network(Protocol):
    """What the meter's modem can do; ``virtual_rig.servers.outgoing.Outgoing`` is one."""

    def call(self, address: str, data: bytes) -> bool:
        """Connect to ``host:port``, send ``data`` and hang up; False where nobody answers."""
        ...

    def post(self, address: str, data: bytes) -> bool:
        """Send one datagram to ``host:port``; False where there is no way there."""
        ...


def connect_push(feature: PushFeature, table: AssociationTable, network: Network) -> None:
    """Give ``feature`` the meter's keys and its two ways over IP."""
    world, device = table.world, table.meter.profile.logical_device.sap
    client = table.meter.profile.clients[MANAGEMENT].sap
    feature.protect = lambda apdu: _protected(world, table, apdu)
    public = table.meter.profile.clients[PUBLIC].sap
    feature.senders[TransportService.TCP] = TcpSender(world, network, device, client, public)
    feature.senders[TransportService.UDP] = UdpSender(world, network, device, client)
    feature.senders[TransportService.SMS] = SmsSender(table.meter)


def _protected(world: World, table: AssociationTable, apdu: bytes) -> bytes:
    """Cipher with the global unicast key.

    The counter is the meter's one for that key, which its answers use too: a counter of its own beside it
    would use nonces twice.
    """
    setup = table.meter.security.of.get(MANAGEMENT)
    ciphering: Ciphering | None = None if setup is None else setup.ciphering
    if ciphering is None or not ciphering.control or not world.obeys("DLX-PUSH-12"):
        return apdu
    channel = SecureChannel(
        suite=ciphering.suite,
        own_title=table.meter.identity.system_title,
        send=ciphering.send,
        control=ciphering.control,
    )
    if not world.obeys("DLX-PUSH-13"):
        return channel.protect(apdu, general=True, counter=ciphering.send.next_value)
    return channel.protect(apdu, general=True)


class TcpSender:
    """One connection for each push. That the meter hangs up right afterwards is assumed."""

    protects = False

    def __init__(self, world: World, network: Network, device: int, client: int, stranger: int) -> None:
        self._world, self._network, self._device = world, network, device
        self._client, self._stranger = client, stranger

    def send(self, apdu: bytes, to: bytes) -> bool:
        """See ``Sender``."""
        client = self._client if self._world.obeys("DLX-PUSH-18") else self._stranger
        return self._network.call(_text(to), encode_message(self._device, client, apdu))


class UdpSender:
    """One datagram for each push; nobody tells whether it arrived."""

    protects = False

    def __init__(self, world: World, network: Network, device: int, client: int) -> None:
        self._world, self._network, self._device, self._client = world, network, device, client

    def send(self, apdu: bytes, to: bytes) -> bool:
        """See ``Sender``."""
        wrapped = encode_message(self._device, self._client, apdu)
        return self._network.post(_text(to), wrapped if self._world.obeys("DLX-PUSH-17") else apdu)


class SmsSender:
    """A short message for each push, to the number the setup names; protected as the SMS channel asks."""

    protects = True

    def __init__(self, meter: Mcs301) -> None:
        self._meter = meter

    def send(self, apdu: bytes, to: bytes) -> bool:
        """See ``Sender``; a meter without an SMS channel has no way there."""
        if self._meter.send_sms is None:
            return False
        if self._meter.world.obeys("DLX-PUSH-19"):
            self._meter.send_sms(apdu, _text(to))
        return True


def _text(to: bytes) -> str:
    return to.decode("ascii", "replace")
