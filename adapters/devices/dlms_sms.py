"""A DLMS meter reached by SMS: services as messages that a plan can lose, repeat, delay and reorder."""

from __future__ import annotations

from adapters.devices import dlms_values
from adapters.devices.dlms_services import DlmsServices
from adapters.devices.sms_carrier import MessageIn, MessageOut, SmsCarrier
from adapters.errors import BenchError, RemoteProtocolError
from adapters.protocols.dlms.apdu import DataNotification, decode
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_settings import ClientSettings
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.roles import MeterMessage, MeterMessages, SmsPrepared, SmsSent

_MOST_PREPARED = 256
_RECEIVED_AT_ONCE = 256


class SmsServices(DlmsServices):
    """The messages of a meter on a bench. See the role."""

    def sms_prepare(
        self,
        message: str,
        object: str,
        value: object = None,
        service: str = "set",
        member: str = "value",
        link: str = "sms",
        client: str = "pre-established",
        key: str = "policy",
        confirmed: bool = False,
        part_octets: int = 0,
        logical_device: int = 0,
    ) -> SmsPrepared:
        """Prepare a service under the name ``message``; nothing is sent (see the role)."""
        _, entry = self._connections.client(client)
        apdu = self._plain(object, value, service, member, confirmed)
        made = self._carrier(link).prepare(
            apdu, entry.sap, key=key, part_octets=part_octets, server_sap=logical_device
        )
        prepared = self._prepared_messages()
        if len(prepared) >= _MOST_PREPARED:
            prepared.pop(next(iter(prepared)))
        prepared[message] = (link, made)
        return SmsPrepared(message=message, parts=len(made.pieces), octets=made.octets, counter=made.counter)

    def sms_send(self, message: str, order: str = "", link: str = "") -> SmsSent:
        """Send parts of a prepared message (see the role)."""
        prepared = self._prepared_messages()
        if message not in prepared:
            raise BenchError(f"no message {message!r} is prepared; prepared: {', '.join(prepared) or 'none'}")
        own_link, made = prepared[message]
        numbers = _order(order, len(made.pieces))
        carrier = self._carrier(link or own_link)
        delivered = sum(carrier.send(made.pieces[number - 1]) for number in numbers)
        return SmsSent(message=message, sent=len(numbers), delivered=delivered)

    def sms_receive(self, link: str = "sms", wait_s: float = 30.0, at_least: int = 0) -> MeterMessages:
        """Return what the meter has sent since the last call (see the role)."""
        carrier, found = self._carrier(link), list[MeterMessage]()
        deadline_s = self._clock.monotonic_s() + wait_s
        while len(found) < _RECEIVED_AT_ONCE and not (at_least and len(found) >= at_least):
            message = carrier.receive(max(deadline_s - self._clock.monotonic_s(), 0.0))
            if message is None:
                break
            found.append(_shown(message))
        return MeterMessages(count=len(found), messages=tuple(found), first=found[0] if found else None)

    def _carrier(self, link: str) -> SmsCarrier:
        return self._connections.carrier(link)

    def _prepared_messages(self) -> dict[str, tuple[str, MessageOut]]:
        return self._connections.prepared

    def _plain(self, object: str, value: object, service: str, member: str, confirmed: bool) -> bytes:
        """Return the request, unprotected. Its type is the profile's: there is nobody to ask over SMS."""
        application = ClientAssociation(ClientSettings(pre_established=True))
        target = self._target(object)
        if service == "get":
            return application.get(
                target.class_id, target.instance_id, target.attribute(member), confirmed=confirmed
            )
        if service == "action":
            method = target.method(member)
            self._permit(target, method=method)
            data = dlms_values.argument(value, what=f"{target.name} method {method}")
            return application.action(target.class_id, target.instance_id, method, data, confirmed=confirmed)
        number = target.attribute(member)
        self._permit(target, write=True)
        if target.entry is None or not target.entry.type or number != 2:
            raise BenchError(f"the profile gives no type for {target.name} attribute {number}")
        data = dlms_values.typed_value(target.entry.type, value, what=f"{target.name} attribute {number}")
        return application.set(target.class_id, target.instance_id, number, data, confirmed=confirmed)


def _order(order: str, parts: int) -> list[int]:
    if not order:
        return list(range(1, parts + 1))
    words = [word.strip() for word in order.split(",")]
    if not all(word.isdecimal() and 1 <= int(word) <= parts for word in words):
        raise BenchError(f"order {order!r} does not name parts 1 to {parts}")
    return [int(word) for word in words]


def _shown(message: MessageIn) -> MeterMessage:
    kind, when, values = "unreadable", "", tuple[object, ...]()
    if message.apdu:
        try:
            apdu = decode(message.apdu)
            kind = _kebab(type(apdu).__name__)
            if isinstance(apdu, DataNotification):
                values = tuple(_flat(apdu.body))
                when = _time(apdu.date_time)
        except RemoteProtocolError:
            kind = "unreadable"
    return MeterMessage(
        sender=message.sender,
        client=message.destination,
        server=message.source,
        protection=message.protection,
        kind=kind,
        counter=message.counter,
        time=when,
        values=values,
    )


def _kebab(name: str) -> str:
    return "".join("-" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("-")


def _flat(data: Data) -> list[object]:
    value = dlms_values.plain(data)
    return list(value) if isinstance(value, list | tuple) else [value]


def _time(octets: bytes) -> str:
    if not octets:
        return ""
    told = CosemDateTime.from_octets(octets)
    parts = (told.year, told.month, told.day, told.hour, told.minute, told.second, told.deviation_min)
    return "" if None in parts else told.utc().isoformat()
