"""One application association on an open wire: the client engine driven over a link engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from adapters.devices.dlms_flaws import SPOILS, Flaw
from adapters.devices.dlms_link import DlmsLink
from adapters.devices.dlms_values import Target
from adapters.errors import (
    LabError,
    LinkLost,
    LocalProtocolError,
    ReadTimeout,
    Refused,
    RemoteProtocolError,
    TransportError,
)
from adapters.profiles.model import Client
from adapters.protocols.dlms.apdu_other import ExceptionResponse
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_events import (
    ActionAnswered,
    AssociationAccepted,
    AssociationRejected,
    ClientEvent,
    GetAnswered,
    HlsChallenge,
    HlsConfirmed,
    HlsRejected,
    MoreBlocks,
    Negotiated,
    Notified,
    Released,
    ServiceRefused,
    SetAnswered,
    StaleReply,
)
from adapters.protocols.dlms.client_settings import PROPOSED, ClientSettings
from adapters.protocols.dlms.client_transfer import NotGranted
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import (
    ActionResult,
    ApduTag,
    Conformance,
    DataAccessResult,
    MechanismId,
    ServiceError,
)
from adapters.protocols.dlms.link import ApduReceived
from adapters.protocols.dlms.security import InvocationCounter, Keys
from adapters.roles import AssociationOpened, AssociationReleased

MECHANISMS = {
    "none": MechanismId.NONE,
    "lls": MechanismId.LLS,
    "hls-gmac": MechanismId.HLS_GMAC,
    "pre-established": MechanismId.NONE,
}
CHALLENGE_OCTETS = 16
_RLRE = bytes((ApduTag.RLRE,))
LDN_OBJECT = (1, bytes((0, 0, 42, 0, 0, 255)), 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a service came to: ``answered`` is False where none was asked for and none came."""

    answered: bool
    data: Data | None = None


class OpenAssociation:
    """An association that is open, or about to be. Not open after any method raised LinkLost."""

    def __init__(
        self,
        *,
        name: str,
        client: str,
        entry: Client,
        mechanism: str,
        line: DlmsLink,
        keys: Mapping[str, bytes],
        system_title: bytes,
        random: Callable[[int], bytes],
        counter: InvocationCounter,
        flaw: Flaw | None,
        link_connection: bool = False,
    ) -> None:
        self.name, self.client, self.entry = name, client, entry
        self.mechanism, self.line = mechanism, line
        self._keys, self._title, self._random = keys, system_title, random
        self._flaw = flaw
        self._link_up = False
        self._connectionless = mechanism == "pre-established" and not link_connection
        self._engine = line.engine(entry.sap)
        self._counter = counter
        self._application = self._engine_for()

    def _engine_for(self) -> ClientAssociation:
        profile_security = self.line.profile.security
        ciphered = self.entry.ciphered and self.mechanism == self.entry.mechanism
        keys = None
        if self.mechanism == "hls-gmac" or (ciphered and self.mechanism != "pre-established"):
            keys = Keys(
                encryption_key=self._keys["encryption_key"],
                authentication_key=self._keys["authentication_key"],
            )
        proposed = Conformance.from_labels(self.entry.conformance) if self.entry.conformance else PROPOSED
        settings = ClientSettings(
            mechanism=MECHANISMS[self.mechanism],
            secret=self._keys.get("password", b"") if self.mechanism == "lls" else b"",
            keys=keys,
            system_title=self._title if keys is not None else b"",
            ciphered=ciphered and keys is not None,
            general=profile_security.general_ciphering,
            conformance=proposed,
            max_pdu=self.entry.max_pdu,
            pre_established=self.mechanism == "pre-established",
            window=int(self.line.opened.options.get("general_blocks", 0)),
        )
        application = ClientAssociation(settings, self._random(CHALLENGE_OCTETS))
        if application.channel is not None:
            # One counter for a key and system title, however many associations use them at once.
            application.channel.send = self._counter
        return application

    # --- opening and closing ----------------------------------------------------------------------------

    def open(self) -> AssociationOpened:
        """Set the link up and open the association. Raises Refused, transport and protocol errors."""
        if self._connectionless:
            if not self._engine.checksummed:
                self.line.connect(self._engine)
            return self._opened(None)
        self.line.connect(self._engine)
        self._link_up = True
        if self.mechanism == "pre-established":
            return self._opened(None)
        return self._opened(self._associated())

    def _associated(self) -> Negotiated:
        try:
            return self._handshake()
        except Refused as refusal:
            expected = self._counter_the_meter_wants(refusal)
            if expected is None or self._flaw is not None:
                raise
        # The meter told the invocation counter it waits for: an earlier session went further than we know.
        self._counter.next_value = expected
        self._application = self._engine_for()
        return self._handshake()

    def _handshake(self) -> Negotiated:
        spoil = SPOILS.get(self._flaw)
        event = self._conversation(self._application.associate(spoil))
        match event:
            case AssociationAccepted(negotiated=negotiated) | HlsConfirmed(negotiated=negotiated):
                return negotiated
            case AssociationRejected():
                text = f"{event.result.label}, {event.source.label}: {event.diagnostic.label}"
                raise Refused("association-rejected", text + self._counter_hint())
            case HlsRejected():
                text = f"HLS proof: {event.result.label}"
                raise Refused("association-rejected", text + self._counter_hint())
            case ServiceRefused():
                raise _refused(event)
        raise RemoteProtocolError(f"{type(event).__name__} is no answer to an AARQ")

    def _counter_hint(self) -> str:
        """Return what may also be wrong where a client with keys began counting at 1."""
        if self.mechanism != "hls-gmac" or self.entry.invocation_counter or self._flaw is not None:
            return ""
        return (
            "; the keys may be wrong, or the meter has seen higher invocation counters:"
            " name its counter object in the profile (invocation_counter)"
        )

    def _counter_the_meter_wants(self, refusal: Refused) -> int | None:
        if refusal.reason == "security" and refusal.data:
            return int.from_bytes(refusal.data, "big")
        return None

    def _opened(self, negotiated: Negotiated | None) -> AssociationOpened:
        return AssociationOpened(
            association=self.name,
            client=self.client,
            link=self.line.name,
            mechanism=self.mechanism,
            ciphered=negotiated.ciphered if negotiated is not None else False,
            conformance=negotiated.conformance.labels() if negotiated is not None else (),
            max_pdu=negotiated.max_pdu if negotiated is not None else 0,
            meter_system_title=negotiated.server_system_title.hex() if negotiated is not None else "",
        )

    def release(self) -> AssociationReleased:
        """Release the association (RLRQ), then the link layer (DISC).

        A meter without release service just gets the DISC: Green Book 9.4 allows to end either way.
        """
        answer = "none"
        try:
            if self.mechanism != "pre-established":
                answer = self._released()
        finally:
            self._disconnect()
        return AssociationReleased(association=self.name, answer=answer)

    def _released(self) -> str:
        """Ask for the release. An answer nobody can read is noted and taken: the meter has let go by then."""
        try:
            event = self._conversation(self._application.release())
        except ReadTimeout:
            self._application.give_up()
            return "none"
        except LinkLost:
            self.line.note("the meter closed the connection instead of answering the release request")
            return "hung up"
        except RemoteProtocolError as error:
            if error.data[:1] != _RLRE:
                raise
            self.line.note(f"the answer to the release request is malformed: {error}")
            return "malformed"
        if isinstance(event, ServiceRefused):
            return "refused"
        if not isinstance(event, Released):
            raise RemoteProtocolError(f"{type(event).__name__} is no answer to a release request")
        return "release response"

    def _disconnect(self) -> None:
        if self._link_up:
            self._link_up = False
            self.line.disconnect(self._engine)

    def abandon(self) -> None:
        """Take the link layer down where it is up; whatever the meter makes of it."""
        with suppress(LabError):
            self._disconnect()

    # --- services ---------------------------------------------------------------------------------------

    def get(self, target: Target, attribute: int, flaw: Flaw | None) -> Outcome:
        """GET one attribute. Raises Refused with the data-access result's name."""
        confirmed = flaw is not Flaw.unconfirmed
        request = self._granted(
            lambda: self._application.get(
                target.class_id,
                target.instance_id,
                attribute,
                confirmed=confirmed,
                spoil=SPOILS.get(flaw),
            )
        )
        event = self._answer(request, confirmed)
        if event is None:
            raise Refused("silence", "nothing came back, as is right for a service that asks for no answer")
        if isinstance(event, GetAnswered):
            if event.data is None:
                raise Refused(event.result.label, f"GET {target.name} attribute {attribute}")
            return Outcome(answered=True, data=event.data)
        raise _unexpected(event, "GET")

    def set(self, target: Target, attribute: int, data: Data, confirmed: bool, flaw: Flaw | None) -> Outcome:
        """SET one attribute. Raises Refused with the data-access result's name."""
        request = self._granted(
            lambda: self._application.set(
                target.class_id,
                target.instance_id,
                attribute,
                data,
                confirmed=confirmed,
                spoil=SPOILS.get(flaw),
            )
        )
        event = self._answer(request, confirmed)
        if event is None:
            return Outcome(answered=False)
        if isinstance(event, SetAnswered):
            if event.result is not DataAccessResult.SUCCESS:
                raise Refused(event.result.label, f"SET {target.name} attribute {attribute}")
            return Outcome(answered=True)
        raise _unexpected(event, "SET")

    def action(
        self, target: Target, method: int, data: Data | None, confirmed: bool, flaw: Flaw | None
    ) -> Outcome:
        """Invoke one method. Raises Refused with the action result's name."""
        request = self._granted(
            lambda: self._application.action(
                target.class_id,
                target.instance_id,
                method,
                data,
                confirmed=confirmed,
                spoil=SPOILS.get(flaw),
            )
        )
        event = self._answer(request, confirmed)
        if event is None:
            return Outcome(answered=False)
        if isinstance(event, ActionAnswered):
            if event.result is not ActionResult.SUCCESS:
                raise Refused(event.result.label, f"ACTION {target.name} method {method}")
            return Outcome(answered=True, data=event.data)
        raise _unexpected(event, "ACTION")

    def asked(self, request: Callable[[ClientAssociation], bytes]) -> ClientEvent:
        """Send what ``request`` makes of the association and return its answer, a refusal excepted.

        Raises Refused for what the meter refused as a whole or did not grant.
        """
        event = self._answer(self._granted(lambda: request(self._application)), confirmed=True)
        assert event is not None
        if isinstance(event, ServiceRefused):
            raise _refused(event)
        return event

    @staticmethod
    def _granted(request: Callable[[], bytes]) -> bytes:
        try:
            return request()
        except NotGranted as error:
            raise Refused("service-not-supported", str(error)) from error

    def _answer(self, request: bytes, confirmed: bool) -> ClientEvent | None:
        if not confirmed:
            return self._unconfirmed(request)
        if self._connectionless:
            event = self._unconfirmed(request)
            if event is None:
                raise Refused("silence", "a confirmed service without a connection was not answered")
            return event
        return self._conversation(request)

    def answers_probe(self) -> bool:
        """Return whether the meter still answers anything at all in this association."""
        if self.mechanism == "pre-established":
            return False
        try:
            self._application.give_up()
            self._conversation(self._application.get(*LDN_OBJECT))
        except (TransportError, LocalProtocolError):
            return False
        except LabError:
            return True  # an answer of any kind, even a wrong one
        return True

    def provokes_an_answer(self) -> bool:
        """Return whether the link answers at all: to a link set-up, or to an AARQ."""
        try:
            self.line.connect(self._engine)
            self._link_up = True
            if self._engine.checksummed:
                return True
            self._conversation(self._application.associate())
        except TransportError:
            return False
        except LabError:
            return True
        return True

    # --- the conversation -------------------------------------------------------------------------------

    def _conversation(self, request: bytes) -> ClientEvent:
        """Send a request and follow the exchange to its end (long GET, HLS passes)."""
        application, line, engine = self._application, self.line, self._engine
        try:
            received: ApduReceived = line.exchange(engine, request)
            while True:
                event = application.receive(received.apdu, received.intact)
                if isinstance(event, GetAnswered):  # by far the most frequent
                    return event
                if isinstance(event, (MoreBlocks, HlsChallenge)):
                    received = self._more(event.reply)
                elif isinstance(event, (StaleReply, Notified)):
                    received = line.next_apdu(engine)
                else:
                    return event
        except (TransportError, RemoteProtocolError) as error:
            if isinstance(error, RemoteProtocolError) and not error.frame_intact:
                error.add_note("the answer cannot be read, and no checksum vouches for its bytes")
            with suppress(LocalProtocolError):
                application.give_up()
            raise

    def _more(self, reply: bytes) -> ApduReceived:
        """Send what goes on with a transfer; a general block that got lost is asked for once."""
        line, engine = self.line, self._engine
        try:
            return line.exchange(engine, reply) if reply else line.next_apdu(engine)
        except ReadTimeout:
            again = self._application.ask_again()
            if not again:
                raise
            return line.exchange(engine, again)

    def _unconfirmed(self, request: bytes) -> ClientEvent | None:
        received = self.line.send_only(self._engine, request, connectionless=self._connectionless)
        if received is None:
            with suppress(LocalProtocolError):
                self._application.give_up()
            return None
        return self._application.receive(received.apdu, received.intact)


def _refused(event: ServiceRefused) -> Refused:
    refusal = event.refusal
    if isinstance(refusal, ExceptionResponse):
        detail = f"exception: {refusal.state.label}, {refusal.service.label}"
        if refusal.invocation_counter is not None:
            expected = refusal.invocation_counter
            return Refused("security", f"{detail}, expects {expected}", data=expected.to_bytes(4, "big"))
        if refusal.service is ServiceError.DECIPHERING_ERROR:
            return Refused("security", detail)
        if refusal.service is ServiceError.SERVICE_NOT_SUPPORTED:
            return Refused("service-not-supported", detail)
        return Refused("service-not-allowed", detail)
    return Refused("service-not-allowed", f"confirmed service error: {refusal}")


def _unexpected(event: ClientEvent, service: str) -> LabError:
    if isinstance(event, ServiceRefused):
        return _refused(event)
    return RemoteProtocolError(f"{type(event).__name__} is no answer to a {service}")
