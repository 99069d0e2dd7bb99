"""The SMS channel of the meter: short messages in, services to the pre-established client, notifications out.

Source of the rules: MCS301 manual 1.25, section 28, "SMS channel restrictions". What the documents leave
open is ours (assumed): an APDU travels behind the wrapper header of IEC 62056-47, one per message or long
message; the client system title is the one the profile names; a long power failure is the one event that
makes the meter send on its own. Other features send through ``send``.

    SmsNetwork -> take -> sender? -> parts joined -> wrapper -> client? -> key? -> counter? -> confirmed?
               <- send <- global unicast key <- notification
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from adapters.errors import ProtocolError, RemoteProtocolError
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms import key_sets
from adapters.protocols.dlms.apdu import DataNotification, SetResponseNormal, decode
from adapters.protocols.dlms.apdu_action import ActionRequestNormal, ActionResponseNormal
from adapters.protocols.dlms.apdu_common import CONFIRMED
from adapters.protocols.dlms.apdu_set import SetRequestNormal
from adapters.protocols.dlms.enums import ActionResult, DataAccessResult
from adapters.protocols.dlms.key_sets import BROADCAST_BIT, GlobalKeys, Header, KeySet
from adapters.protocols.dlms.security import CounterWindow, DecipheringFailed, InvocationCounter
from adapters.protocols.dlms.wrapper import WrapperMessage, decode_datagram, encode_message
from adapters.protocols.gsm.concatenation import split
from adapters.protocols.gsm.pdu import Deliver, Received, Submit
from virtual_rig.gsm.network import SmsNetwork
from virtual_rig.meters.associations import (
    MANAGEMENT,
    PRE_ESTABLISHED,
    AssociationTable,
    ClientAtLink,
    PortState,
)
from virtual_rig.meters.sms_parts import PartStore

NOTIFIED_FAILURE_S = 30  # a shorter power failure is not worth a message (assumed)
NOTIFICATION_DELAY_S = 5.0  # from power-up to the message: the modem has to find its network first
POWER_FAILURE_NOTICE = 1  # what the first element of the notification says it is (assumed)
_REMEMBERED_COPIES = 16
_STRICTEST = 0x30
_MAX_MESSAGE_OCTETS = 4096


@dataclass(frozen=True, kw_only=True)
class SmsTerms:
    """Who the meter listens to and how messages have to be protected: control bits, 0 for not at all."""

    number: str
    head_end: str
    control: int
    keys: GlobalKeys = field(repr=False)


class _Air:
    """The link as the association table sees it."""

    name = "sms"


class SmsPort:
    """The meter's number in a network. A subscriber like a modem, but for the serial line."""

    def __init__(
        self, table: AssociationTable, port: PortState, network: SmsNetwork, terms: SmsTerms
    ) -> None:
        self.table, self.port, self.network, self.terms = table, port, network, terms
        self.meter, self.world = table.meter, table.world
        self.parts = PartStore(table.world)
        self._received = {each: CounterWindow() for each in KeySet}
        self._sent = InvocationCounter(1)
        self._seen: deque[bytes] = deque(maxlen=_REMEMBERED_COPIES)
        self._reference = 0
        self._notices = 0
        self._down_since_s: float | None = None
        network.join(terms.number, self)
        table.meter.on_power(self._power)
        table.meter.send_sms = self.send

    # --- messages in -----------------------------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        """Whether the meter is in the network: it is while it has power."""
        return self.meter.powered

    def take(self, message: Received) -> None:
        """Take what the network brings; reports of what the meter sent itself are not asked for."""
        if not isinstance(message, Deliver) or not self.meter.powered:
            return
        if message.sender != self.terms.head_end and self.world.obeys("DLX-SMS-01"):
            return
        copy = message.encode()
        if copy in self._seen:
            return  # the network delivered one message twice: same sender, same stamp, same octets
        self._seen.append(copy)
        part = message.data.part
        whole = message.data.payload if part is None else self.parts.add(part, message.data.payload)
        if whole is not None:
            self._whole(whole)

    def _whole(self, octets: bytes) -> None:
        try:
            wrapped = decode_datagram(octets, _MAX_MESSAGE_OCTETS)
            known = wrapped.destination == self.meter.profile.logical_device.sap
            if known or not self.world.obeys("DLX-SMS-15"):
                self._wrapped(wrapped)
        except RemoteProtocolError:
            return  # whoever sends nonsense by SMS gets no answer to pay for

    def _wrapped(self, wrapped: WrapperMessage) -> None:
        clients = self.meter.profile.clients
        known = wrapped.source == clients[PRE_ESTABLISHED].sap
        if not known and self.world.obeys("DL-SMS-02"):
            return
        apdu = self._uncovered(wrapped.apdu)
        if apdu is not None:
            self._serve(apdu)

    def _serve(self, apdu: bytes) -> None:
        request = decode(apdu)
        if not isinstance(request, SetRequestNormal | ActionRequestNormal):
            return
        answer = b""
        if request.confirmed:
            if self.world.obeys("DL-SMS-01"):
                return
            answer = _said_success(request)
            apdu = apdu[:2] + bytes((apdu[2] & ~CONFIRMED,)) + apdu[3:]
        client = PRE_ESTABLISHED if self.world.obeys("DLX-SMS-08") else MANAGEMENT
        self._carry_out(apdu, client)
        if answer:
            self.send(answer, self.terms.head_end)

    def _carry_out(self, apdu: bytes, client: str) -> None:
        """Let the association of the pre-established client do it; its answers have no way back."""
        sap = self.meter.profile.clients[PRE_ESTABLISHED].sap
        association = self.table.association(self.port, _Air(), sap)
        policy = association.policy
        assert isinstance(policy, ClientAtLink)
        policy.client = client
        association.handle(apdu)

    # --- protection ------------------------------------------------------------------------------------

    @property
    def control(self) -> int:
        """What the policy asks of messages, both ways, as bits of the security control octet."""
        if not self.terms.control and not self.world.obeys("DL-SMS-05"):
            return _STRICTEST
        return self.terms.control

    def _uncovered(self, apdu: bytes) -> bytes | None:
        """Return the plain APDU, or None where it is not protected as it has to be."""
        if not key_sets.is_protected(apdu):
            plain_is_right = not self.control or not self.world.obeys("DLX-SMS-11")
            return apdu if plain_is_right else None
        header = key_sets.read_header(apdu)
        key_set = header.key_set
        if self.control and key_set is KeySet.UNICAST and self.world.obeys("DL-SMS-03"):
            self._note("decryption_failure")
            return None
        try:
            self._fresh(header, key_set)
            if not self.world.obeys("DLX-SMS-16"):
                self._received[key_set].accept(header.counter)
            plain = key_sets.uncover(
                header,
                key=self.terms.keys.of(key_set),
                authentication_key=self.terms.keys.authentication,
                title=bytes.fromhex(self.meter.profile.security.client_system_title),
                demanded=self.control if self.world.obeys("DLX-SMS-14") else 0,
            )
        except DecipheringFailed:
            self._note("decryption_failure")
            return None
        except _Replayed:
            # Whether it is under the right key is not looked at: an old counter is turned away unopened.
            self._note("replay")
            return None
        self._received[key_set].accept(header.counter)
        return plain

    def _fresh(self, header: Header, key_set: KeySet) -> None:
        window = self._received[key_set]
        if header.counter < window.expected and self.world.obeys("DLX-SMS-02"):
            raise _Replayed(header.counter, window.expected)

    def _note(self, event: str) -> None:
        if self.world.obeys("DLX-SMS-09"):
            self.meter.record("fraud", event)

    # --- messages out ----------------------------------------------------------------------------------

    def send(self, apdu: bytes, to: str = "") -> None:
        """Protect an APDU as the policy asks and send it to a number (the head end's where none is given).

        Under the global unicast key, from the logical device to the pre-established client. A meter
        without power sends nothing.
        """
        if not self.meter.powered:
            return
        if self.control:
            key_set = KeySet.UNICAST if self.world.obeys("DL-SMS-04") else KeySet.BROADCAST
            apdu = key_sets.protect(
                apdu,
                key=self.terms.keys.of(key_set),
                authentication_key=self.terms.keys.authentication,
                title=self.meter.identity.system_title,
                counter=self._sent.take(),
                control=self.control | (BROADCAST_BIT if key_set is KeySet.BROADCAST else 0),
            )
        profile = self.meter.profile
        message = encode_message(profile.logical_device.sap, profile.clients[PRE_ESTABLISHED].sap, apdu)
        self._reference = (self._reference + 1) % 256
        for data in split(message, self._reference):
            self.network.submit(self.terms.number, Submit(to=to or self.terms.head_end, data=data))

    def _power(self, up: bool) -> None:
        now_s = self.world.scheduler.now_s()
        if not up:
            self._down_since_s = now_s
            self.parts.clear()
            self._forget_counters()
            return
        self.network.back(self.terms.number)
        down_s = 0 if self._down_since_s is None else int(now_s - self._down_since_s)
        self._down_since_s = None
        if down_s >= NOTIFIED_FAILURE_S and self.world.obeys("DLX-SMS-10"):
            self.world.scheduler.call_later(NOTIFICATION_DELAY_S, self._notify_failure, down_s)

    def _forget_counters(self) -> None:
        """Keep the counters: they are written down at once. A careless meter has them in memory only."""
        if not self.world.obeys("DLX-SMS-12"):
            self._sent = InvocationCounter(1)
        if not self.world.obeys("DLX-SMS-13"):
            self._received = {each: CounterWindow() for each in KeySet}

    def _notify_failure(self, down_s: int) -> None:
        self._notices += 1
        self.send(
            DataNotification(
                long_invoke=self._notices,
                date_time=self.meter.clock.octets(),
                body=dlms.structure(
                    dlms.octet_string(self.meter.identity.logical_device_name),
                    dlms.enum(POWER_FAILURE_NOTICE),
                    dlms.double_long_unsigned(down_s),
                ),
            ).encode()
        )


class _Replayed(ProtocolError):
    """The invocation counter was used before."""

    def __init__(self, received: int, expected: int) -> None:
        super().__init__(f"invocation counter {received} where at least {expected} is expected")


def _said_success(request: SetRequestNormal | ActionRequestNormal) -> bytes:
    if isinstance(request, SetRequestNormal):
        return SetResponseNormal(invoke=request.invoke, result=DataAccessResult.SUCCESS).encode()
    return ActionResponseNormal(invoke=request.invoke, result=ActionResult.SUCCESS).encode()
