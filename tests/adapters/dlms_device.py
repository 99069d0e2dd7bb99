"""A device of nothing but values behind the real server engine, for tests of client and server together."""

from dataclasses import dataclass, field
from typing import Any

from adapters.protocols.dlms import apdu
from adapters.protocols.dlms.acse import Aarq
from adapters.protocols.dlms.apdu_common import AttributeDescriptor, MethodDescriptor, SelectiveAccess
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_events import (
    AssociationAccepted,
    ClientEvent,
    HlsChallenge,
    HlsConfirmed,
    MoreBlocks,
)
from adapters.protocols.dlms.client_settings import PROPOSED, ClientSettings
from adapters.protocols.dlms.data import Data, octet_string
from adapters.protocols.dlms.enums import ActionResult, Conformance, DataAccessResult, MechanismId
from adapters.protocols.dlms.security import CounterWindow, InvocationCounter, Keys, SecuritySuite0
from adapters.protocols.dlms.server import ServerAssociation
from adapters.protocols.dlms.server_policy import Ciphering, Denial, SecurityEvent, Service, Terms

KEYS = Keys(encryption_key=bytes(range(16)), authentication_key=bytes(range(0xD0, 0xE0)))
CLIENT_TITLE, SERVER_TITLE = b"MBECLNT1", b"MBESERV1"
HLS: dict[str, Any] = {
    "mechanism": MechanismId.HLS_GMAC,
    "ciphered": True,
    "keys": KEYS,
    "system_title": CLIENT_TITLE,
}


def name(number: int) -> bytes:
    """Return the logical name of the ``number``-th object."""
    return bytes((0, 0, 96, 50, number, 255))


@dataclass
class Device:
    """Answers every attribute with ``values`` and echoes the argument of every method."""

    conformance: Conformance = PROPOSED
    max_pdu: int = 128
    values: dict[bytes, Data] = field(default_factory=dict)
    written: list[tuple[bytes, Data]] = field(default_factory=list)
    acted: list[tuple[int, Data | None]] = field(default_factory=list)
    system_title: bytes = SERVER_TITLE

    def terms(self) -> Terms:
        """Offer everything."""
        return Terms(
            mechanisms=frozenset({MechanismId.NONE, MechanismId.HLS_GMAC}),
            conformance=self.conformance,
            max_pdu=self.max_pdu,
            ciphering=Ciphering(
                suite=SecuritySuite0(KEYS),
                authentication_key=KEYS.authentication_key,
                send=InvocationCounter(1),
                received=CounterWindow(),
            ),
        )

    def denial(self, _request: Aarq) -> Denial | None:
        """Deny nobody."""
        return None

    def claim(self) -> Denial | None:
        """Have a place for everybody."""
        return None

    def associated(self, _request: Aarq) -> None:
        """Take no note."""

    def ended(self, _released: bool) -> None:
        """Take no note."""

    def challenge(self) -> bytes:
        """Return always the same."""
        return b"ServerChallenge!"

    def accepts_proof(self, correct: bool, reflected: bool = False) -> bool:
        """Accept the right one."""
        return correct

    def serves_unassociated(self, _service: Service) -> bool:
        """Serve no strangers."""
        return False

    def serves_pre_established(self, _service: Service, _confirmed: bool) -> bool:
        """Serve all."""
        return True

    def get(
        self, attribute: AttributeDescriptor, _selection: SelectiveAccess | None
    ) -> Data | DataAccessResult:
        """Return the value, or the name for attribute 1."""
        if attribute.attribute_id == 1:
            return octet_string(attribute.instance_id)
        return self.values.get(attribute.instance_id, DataAccessResult.OBJECT_UNDEFINED)

    def set(
        self, attribute: AttributeDescriptor, value: Data, _selection: SelectiveAccess | None
    ) -> DataAccessResult:
        """Keep the value of an object there is."""
        if attribute.instance_id not in self.values:
            return DataAccessResult.OBJECT_UNDEFINED
        self.values[attribute.instance_id] = value
        self.written.append((attribute.instance_id, value))
        return DataAccessResult.SUCCESS

    def action(self, method: MethodDescriptor, argument: Data | None) -> tuple[ActionResult, Data | None]:
        """Return the argument; method 9 does not exist."""
        if method.method_id == 9:
            return ActionResult.OBJECT_UNDEFINED, None
        self.acted.append((method.method_id, argument))
        return ActionResult.SUCCESS, argument

    def security_event(self, event: SecurityEvent) -> None:
        """Take no note."""


@dataclass
class Pair:
    """A client and a server that talk to each other; ``log`` keeps every APDU, client's first."""

    client: ClientAssociation
    server: ServerAssociation
    device: Device
    log: list[bytes] = field(default_factory=list)

    def ask(self, request: bytes) -> ClientEvent:
        """Send ``request`` and all that follows from it; return the last event."""
        queue = self.sent(request)
        while True:
            event = self.client.receive(queue.pop(0))
            if isinstance(event, (MoreBlocks, HlsChallenge)):
                if event.reply:
                    assert not queue, "the client speaks while the server does"
                    queue = self.sent(event.reply)
                continue
            assert not queue
            return event

    def sent(self, request: bytes) -> list[bytes]:
        """Hand one APDU to the server and return all it answers."""
        self.log.append(request)
        answer = self.server.handle(request)
        answers = [] if answer is None else [answer]
        while (block := self.server.following()) is not None:
            answers.append(block)
        self.log += answers
        return answers


def opened(device: Device | None = None, **settings: Any) -> Pair:
    """Return a pair with an open association."""
    device = device or Device()
    client = ClientAssociation(ClientSettings(**{"max_pdu": 128, **settings}), challenge=b"ClientChallenge!")
    pair = Pair(client, ServerAssociation(device), device)
    event = pair.ask(client.associate())
    assert isinstance(event, (AssociationAccepted, HlsConfirmed)), event
    pair.log.clear()
    return pair


def kinds(log: list[bytes]) -> list[str]:
    """Return the names of the APDUs of an unciphered log."""
    return [type(apdu.decode(raw)).__name__ for raw in log]
