"""A receiver of pushes on a bench: the role ``push_receiver`` over TCP and UDP.

Links are ``tcp-listener`` and ``udp-listener``; without any the adapter listens on the loopback. The keys
are the meter's: ``management.encryption_key`` and ``management.authentication_key``. Without them plain
pushes are taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from adapters.base import Listener
from adapters.devices import dlms_values
from adapters.devices.dlms_transcript import Transcriber
from adapters.errors import BenchError, ProtocolError, ReadTimeout, Refused
from adapters.profiles.loader import load_profile
from adapters.profiles.model import CosemObject, PushEntry, obis_octets
from adapters.protocols.dlms import push_receiver as engine
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.interface_classes import interface_class
from adapters.protocols.dlms.security import SUITES, Keys
from adapters.registry import AdapterContext
from adapters.roles import Identity
from adapters.roles.push import (
    ListeningAt,
    PushedValue,
    PushesReceived,
    PushReceived,
    PushTransport,
    ReceiverFlaw,
)

CLIENT = "management"
MAX_KEPT = 10_000
_CONTROL = {"none": 0, "authenticated": 0x10, "encrypted": 0x20, "authenticated-encrypted": 0x30}
_PROTECTION = {0x00: "none", 0x10: "authenticated", 0x20: "encrypted", 0x30: "authenticated-encrypted"}


class PushListener:
    """A listener on a bench. Ports open when ``address`` first asks for them."""

    role: ClassVar[str] = "push_receiver"
    default_links: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tcp": {"transport": "tcp-listener"},
        "udp": {"transport": "udp-listener"},
    }

    def __init__(self, context: AdapterContext) -> None:
        if not context.profile:
            raise BenchError(f"device {context.name}: a push listener needs the profile of its meter")
        self._context, self._clock = context, context.clock
        self.profile = load_profile(context.profile)
        self._listeners: dict[str, Listener] = {}
        self._ports: dict[str, int] = {}
        self._streams: dict[str, engine.PushStream] = {}
        self._waiting: dict[str, deque[PushReceived]] = {"tcp": deque(), "udp": deque()}
        self._received: deque[PushReceived] = deque(maxlen=MAX_KEPT)
        self._right = engine.PushReceiver(self._security())
        self._receiver = self._right

    @classmethod
    def transcript(cls, options: object) -> Callable[[str, bytes], Sequence[str]]:
        """Return the decoder that turns this adapter's wire bytes into lines a person can read."""
        return Transcriber()

    # --- Device ---------------------------------------------------------------------------------------

    def identify(self) -> Identity:
        """Say what this is: a part of the bench, without a serial number."""
        return Identity(serial="", model="push listener")

    def end_case(self) -> None:
        """Stop listening and forget what came; counters that were accepted stay accepted."""
        self.close()
        self._received.clear()
        self._receiver = self._right

    def make_safe(self) -> None:
        """Stop listening."""
        self.close()

    def close(self) -> None:
        """Close every port."""
        for transport in tuple(self._listeners):
            self._stop(transport)

    # --- push_receiver --------------------------------------------------------------------------------

    def address(self, transport: PushTransport = "tcp") -> ListeningAt:
        """Listen, and return what a meter must be told (see the role)."""
        return ListeningAt(address=self._listening(transport).address, transport=transport)

    def stop_listening(self, transport: PushTransport = "tcp") -> None:
        """Listen no more (see the role)."""
        self._stop(transport)

    def wait_for_push(self, patience_s: float = 60.0, transport: PushTransport = "tcp") -> PushReceived:
        """Return the next push (see the role)."""
        push = self._next(transport, patience_s)
        if push is None:
            raise Refused("no-push", f"nothing was pushed over {transport} within {patience_s:g} s")
        if push.fault:
            raise Refused(push.fault, push.why)
        return push

    def no_push_for(self, duration_s: float, transport: PushTransport = "tcp") -> PushesReceived:
        """Listen for a while and return what came nevertheless (see the role)."""
        until_s = self._clock.monotonic_s() + duration_s
        came: list[PushReceived] = []
        while (push := self._next(transport, max(0.0, until_s - self._clock.monotonic_s()))) is not None:
            came.append(push)
        return PushesReceived(count=len(came), pushes=tuple(came))

    def received_pushes(self) -> PushesReceived:
        """Return every push since the case began (see the role)."""
        return PushesReceived(count=len(self._received), pushes=tuple(self._received))

    def open_with(self, flaw: ReceiverFlaw = "") -> None:
        """Open with the right key or a wrong one (see the role)."""
        self._receiver = engine.PushReceiver(self._security(flaw)) if flaw else self._right
        self._streams.clear()

    # --- inside ---------------------------------------------------------------------------------------

    def _security(self, flaw: str = "") -> engine.PushSecurity | None:
        secrets, rules = self._context.secrets, self.profile.security
        names = (f"{CLIENT}.encryption_key", f"{CLIENT}.authentication_key")
        if rules.policy == "none" or not all(name in secrets for name in names):
            return None
        encryption, authentication = (secrets[name].reveal() for name in names)
        if flaw == "wrong-key":
            encryption = bytes((encryption[0] ^ 1,)) + encryption[1:]
        suite = SUITES[rules.suite](Keys(encryption_key=encryption, authentication_key=authentication))
        return engine.PushSecurity(suite=suite, control=_CONTROL[rules.policy])

    def _listening(self, transport: str) -> Listener:
        listener = self._listeners.get(transport)
        if listener is None:
            kind = f"{transport}-listener"
            links = self._context.links
            link = next((name for name, each in links.items() if each["transport"] == kind), "")
            if not link or self._context.open_listener is None:
                raise BenchError(f"device {self._context.name} has no link with transport {kind}")
            before = self._ports.get(transport, 0)
            listener = self._listeners[transport] = self._context.open_listener(link, before)
            if "announce" not in links[link]:
                # A meter has been told this address: whoever listens again must be found there.
                self._ports[transport] = int(listener.address.rpartition(":")[2])
        return listener

    def _stop(self, transport: str) -> None:
        listener = self._listeners.pop(transport, None)
        if listener is not None:
            listener.close()
        self._waiting[transport].clear()
        if transport == "tcp":
            self._streams.clear()

    def _next(self, transport: str, patience_s: float) -> PushReceived | None:
        listener, waiting = self._listening(transport), self._waiting[transport]
        until_s = self._clock.monotonic_s() + patience_s
        while not waiting:
            try:
                arrival = listener.receive(max(0.0, until_s - self._clock.monotonic_s()))
            except ReadTimeout:
                return None
            if listener.datagrams:
                self._file(transport, self._receiver.datagram(arrival.data))
                continue
            stream = self._streams.setdefault(arrival.caller, self._receiver.connection())
            stream.receive_data(arrival.data)
            while (push := stream.next_push()) is not None:
                self._file(transport, push)
            if not arrival.data:
                self._streams.pop(arrival.caller, None)
        return waiting.popleft()

    def _file(self, transport: str, push: engine.Push) -> None:
        received = self._told(transport, push)
        self._received.append(received)
        self._waiting[transport].append(received)

    def _told(self, transport: str, push: engine.Push) -> PushReceived:
        notification, fault, why = push.notification, str(push.fault), push.why
        meter_time: datetime | None = None
        values: tuple[PushedValue, ...] = ()
        setup = ""
        if notification is not None:
            try:
                if notification.date_time:
                    meter_time = _moment(notification.date_time)
                setup, values = self._values(notification.body)
            except ProtocolError as error:
                fault, why = "malformed", str(error)
        return PushReceived(
            setup=setup,
            values=values,
            system_title=push.system_title.hex(),
            protection=_PROTECTION[push.control & 0x30],
            invocation_counter=push.counter,
            meter_time=meter_time,
            arrived=self._clock.utc_now(),
            source=push.source,
            destination=push.destination,
            transport=transport,
            invoke_id=notification.long_invoke & 0xFF_FFFF if notification is not None else 0,
            fault=fault,
            why=why,
        )

    def _values(self, body: Data) -> tuple[str, tuple[PushedValue, ...]]:
        """Return the setup that was pushed and its values, by the profile where the first names the setup."""
        items = body.items()
        setup, entry = self._setup_of(items[0]) if items else ("", None)
        columns: Sequence[str] = entry.columns if entry is not None else ()
        if len(columns) != len(items):
            columns = (".",) * len(items)
        return setup, tuple(self._value(*pair) for pair in zip(columns, items, strict=True))

    def _setup_of(self, first: Data) -> tuple[str, PushEntry | None]:
        for name, entry in self.profile.pushes.items():
            try:
                logical_name = obis_octets(self.profile.object(name).obis)
            except KeyError:
                continue
            if first.value == logical_name:
                return name, entry
        return "", None

    def _value(self, column: str, item: Data) -> PushedValue:
        name, _, attribute = column.partition(".")
        entry = self.profile.object(name) if name else None
        value: object = dlms_values.plain(item)
        unit, scaled = "", None
        if entry is not None:
            try:
                number = interface_class(entry.class_id, entry.version).attribute_number(attribute)
            except KeyError:
                raise BenchError(f"profile {self.profile.profile}: a push has no column {column}") from None
            target = dlms_values.Target(
                name=name, class_id=entry.class_id, instance_id=obis_octets(entry.obis), entry=entry
            )
            value = dlms_values.attribute_value(target, attribute, number, item).value
            unit, scaled = _scaled(entry, number, value)
        return PushedValue(
            object=name, attribute=attribute, value=value, type=item.tag.label, unit=unit, scaled=scaled
        )


def _moment(octets: bytes) -> datetime | None:
    """Return the moment of a date-time, None for one that leaves its deviation or any other part open."""
    told = CosemDateTime.from_octets(octets)
    parts = (told.year, told.month, told.day, told.hour, told.minute, told.second, told.deviation_min)
    return None if None in parts else told.utc()


def _scaled(entry: CosemObject, number: int, value: object) -> tuple[str, Decimal | None]:
    if entry.class_id != 3 or number != 2 or not isinstance(value, int):
        return "", None
    return entry.unit, Decimal(value).scaleb(entry.scaler)
