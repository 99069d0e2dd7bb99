"""The roles around short messages: a GSM modem by itself, and what a meter reached by SMS can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from adapters.roles.base import Anything, Device, hurts

SmsKey = Literal[
    "policy",
    "broadcast",
    "unicast",
    "wrong-broadcast",
    "broadcast-authenticated",
    "broadcast-encrypted",
    "none",
]
SmsService = Literal["get", "set", "action"]


@dataclass(frozen=True, kw_only=True)
class SignalQuality:
    """What a modem hears of its network: ``rssi_dbm`` is -113 to -51, None where it does not know."""

    rssi_dbm: int | None
    known: str  # yes or no


@dataclass(frozen=True, kw_only=True)
class NetworkRegistration:
    """Whether a modem is in a network: ``state`` in the words of 3GPP TS 27.007 7.2."""

    registered: str  # yes or no
    state: str  # home, roaming, searching, denied, not-registered, unknown


@dataclass(frozen=True, kw_only=True)
class ShortMessage:
    """One message a modem has received; ``octets`` in hexadecimal, ``text`` where it is one.

    ``part`` is ``2/3`` for the second of three parts, empty for a whole message.
    """

    sender: str
    sent_at: str
    octets: str
    text: str
    part: str = ""


@dataclass(frozen=True, kw_only=True)
class ShortMessages:
    """What a modem has received, oldest first."""

    count: int
    messages: tuple[ShortMessage, ...]


@dataclass(frozen=True, kw_only=True)
class ShortMessageSent:
    """A message the network took, as ``parts``; ``delivered`` counts those reported as delivered."""

    parts: int
    delivered: int


class SmsModem(Device, Protocol):
    """A GSM modem with a SIM of its own, in PDU mode.

    Reasons of Refused: ``modem-error`` with the modem's own words, ``not-registered``, ``sim-locked``.
    """

    def signal(self) -> SignalQuality:
        """Ask for the signal quality (AT+CSQ)."""
        ...

    def registration(self) -> NetworkRegistration:
        """Ask whether the modem is registered (AT+CREG?)."""
        ...

    @hurts("configure")
    def send_octets(self, to: str, octets: bytes) -> ShortMessageSent:
        """Send octets to a number, in parts where they are too many, and wait for the reports."""
        ...

    @hurts("configure")
    def send_text(self, to: str, text: str) -> ShortMessageSent:
        """Send a text of one message to a number and wait for the report."""
        ...

    def received(self, wait_s: float = 0.0) -> ShortMessages:
        """Return what has come in since the last call, and within ``wait_s`` from now."""
        ...


@dataclass(frozen=True, kw_only=True)
class SmsPrepared:
    """A service as short messages, not sent yet.

    ``counter`` is the invocation counter it is protected with, -1 where it is not protected.
    """

    message: str
    parts: int
    octets: int
    counter: int


@dataclass(frozen=True, kw_only=True)
class SmsSent:
    """What became of a message: parts sent, and how many of them the network reports as delivered."""

    message: str
    sent: int
    delivered: int


@dataclass(frozen=True, kw_only=True)
class MeterMessage:
    """One message the meter sent. ``protection`` is unicast, broadcast, none, or undecipherable.

    ``kind`` is data-notification, set-response ... or unreadable; ``values`` are those of the body of a
    notification, flat. ``time`` is what the notification says of its time in ISO 8601, or empty.
    """

    sender: str
    client: int
    server: int
    protection: str
    kind: str
    counter: int
    time: str
    values: tuple[Anything, ...]


@dataclass(frozen=True, kw_only=True)
class MeterMessages:
    """What the meter sent by SMS, oldest first; ``first`` is None where nothing came."""

    count: int
    messages: tuple[MeterMessage, ...]
    first: MeterMessage | None


class SmsServicesOfMeter(Protocol):
    """What a plan asks of a meter on a link with ``framing: sms``.

    A message is prepared once and sent in parts, so that a plan can lose, repeat, delay and reorder them
    on any bench. An association is not needed; ``meter.set`` with ``confirmed: no`` in the association of
    the pre-established client works over such a link as well.
    """

    def sms_prepare(
        self,
        message: str,
        object: str,
        value: object = None,
        service: SmsService = "set",
        member: str = "value",
        link: str = "sms",
        client: str = "pre-established",
        key: SmsKey = "policy",
        confirmed: bool = False,
        part_octets: int = 0,
        logical_device: int = 0,
    ) -> SmsPrepared:
        """Prepare a service of ``client`` under the name ``message``; nothing is sent.

        ``member`` is the attribute or the method; ``key`` policy is what the link's policy asks for.
        ``broadcast-authenticated`` and ``broadcast-encrypted`` do only half of what the broadcast key can.
        ``part_octets`` above 0 cuts it into parts of so many octets; ``logical_device`` is the wrapper's port
        to send it to, 0 for the meter's own.
        """
        ...

    def sms_send(self, message: str, order: str = "", link: str = "") -> SmsSent:
        """Send parts of a prepared message in ``order`` (``2,1``; empty: all), over another link if named.

        Waits for the status report of each part. The message stays prepared and can be sent again.
        """
        ...

    def sms_receive(self, link: str = "sms", wait_s: float = 30.0, at_least: int = 0) -> MeterMessages:
        """Return what the meter has sent since the last call; wait until ``at_least`` came or time is up."""
        ...
