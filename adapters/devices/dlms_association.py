"""One application association on an open wire: the client engine driven over a link engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from adapters.devices.dlms_client_engine import client_engine
from adapters.devices.dlms_flaws import SPOILS, Flaw
from adapters.devices.dlms_link import DlmsLink
from adapters.devices.dlms_refusals import refused, unexpected
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
from adapters.protocols.dlms.apdu import SelectiveAccess
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
from adapters.protocols.dlms.client_transfer import NotGranted
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import (
    ActionResult,
    ApduTag,
    DataAccessResult,
)
from adapters.protocols.dlms.general_cipher import KeyWay
from adapters.protocols.dlms.link import ApduReceived
from adapters.protocols.dlms.security import CounterReplayed, InvocationCounter
from adapters.roles import AssociationOpened, AssociationReleased

_RLRE = bytes((ApduTag.RLRE,))
_ANSWERS = tuple(
    bytes((tag,)) for tag in (ApduTag.GET_RESPONSE, ApduTag.SET_RESPONSE, ApduTag.ACTION_RESPONSE)
)
"""What answers a service, where nothing is ciphered."""
LDN_OBJECT = (1, bytes((0, 0, 42, 0, 0, 255)), 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a service came to: ``answered`` is False where none was asked for and none came."""

    answered: bool
    data: Data | None = None
    octets: bytes | None = None  # the value's encoding, where it was asked for raw
    intact: bool = False  # whether an end-to-end checksum vouches for it


class OpenAssociation:
    """An association that is open, or about to be. Not open after any method raised LinkLost.

    ``heard`` is the lowest invocation counter the meter may still use under the client's key, ``keys_taken``
    how often that key had changed by then; ``server_sap`` another logical device than the bench's.
    """

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
        heard: int = 0,
        keys_taken: int = 0,
        server_sap: int | None = None,
        general_ciphering: str = "",
    ) -> None:
        self.name, self.client, self.entry = name, client, entry
        self.mechanism, self.line = mechanism, line
        self._keys, self._title, self._random = keys, system_title, random
        self._flaw = flaw
        self._key_way = KeyWay(general_ciphering) if general_ciphering else None
        self._link_up = self._intact = False
        self._connectionless = mechanism == "pre-established" and not link_connection
        self.server_sap = line.server_sap if server_sap is None else server_sap
        self.engine = line.engine(entry.sap, self.server_sap)
        self.longest_answer = 0  # octets of the longest APDU that came
        self._counter, self._heard, self.keys_taken = counter, heard, keys_taken
        self.application = self._new_engine()

    def _new_engine(self) -> ClientAssociation:
        return client_engine(
            self.entry,
            self.mechanism,
            self.line,
            secrets=self._keys,
            system_title=self._title,
            random=self._random,
            counter=self._counter,
            heard=self._heard,
            key_way=self._key_way,
        )

    @property
    def heard(self) -> int:
        """The lowest invocation counter the meter has not used yet under the global key."""
        channel = self.application.channel
        return self._heard if channel is None else max(self._heard, channel.received.expected)

    def measure(self, apdu: bytes) -> None:
        """Take note of how long an answer is; the AARE is not bound by the length of xDLMS APDUs."""
        if len(apdu) > self.longest_answer and apdu[0] != ApduTag.AARE:
            self.longest_answer = len(apdu)

    @property
    def answer_counter(self) -> int:
        """The last counter of the meter under its global key, -1 without one or with a dedicated key."""
        channel = self.application.channel
        return -1 if channel is None or channel.dedicated is not None else channel.received.expected - 1

    # --- opening and closing ----------------------------------------------------------------------------

    def open(self) -> AssociationOpened:
        """Set the link up and open the association. Raises Refused, transport and protocol errors."""
        if self._connectionless:
            if not self.engine.checksummed:
                self.line.connect(self.engine)
            return self._opened(None)
        self.line.connect(self.engine)
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
        self.application = self._new_engine()
        return self._handshake()

    def _handshake(self) -> Negotiated:
        spoil = SPOILS.get(self._flaw)
        event = self._conversation(self.application.associate(spoil))
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
                raise refused(event)
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
        channel = self.application.channel if self.application.settings.ciphered else None
        return AssociationOpened(
            association=self.name,
            client=self.client,
            link=self.line.name,
            mechanism=self.mechanism,
            ciphered=negotiated.ciphered if negotiated is not None else False,
            conformance=negotiated.conformance.labels() if negotiated is not None else (),
            max_pdu=negotiated.max_pdu if negotiated is not None else 0,
            meter_system_title=negotiated.server_system_title.hex() if negotiated is not None else "",
            client_address=self.entry.sap,
            server_address=self.server_sap,
            takes=self.application.settings.max_pdu if negotiated is not None else 0,
            meter_challenge=self.application.server_challenge.hex(),
            meter_counter=0 if channel is None else max(channel.received.expected - 1, 0),
        )

    def release(self) -> AssociationReleased:
        """Release the association (RLRQ), then the link layer (DISC).

        A meter without release service just gets the DISC: Green Book 9.4 allows to end either way.
        """
        answer = "none"
        try:
            if self.mechanism != "pre-established":
                answer = self.end()
        finally:
            self._disconnect()
        return AssociationReleased(association=self.name, answer=answer, longest_answer=self.longest_answer)

    def end(self) -> str:
        """Ask for the release and leave the link up.

        An answer nobody can read is noted and taken: the meter has let go by then.
        """
        try:
            event = self._conversation(self.application.release())
        except ReadTimeout:
            self.application.give_up()
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
            self.line.disconnect(self.engine)

    def abandon(self) -> None:
        """Take the link layer down where it is up; whatever the meter makes of it."""
        with suppress(LabError):
            self._disconnect()

    # --- services ---------------------------------------------------------------------------------------

    def get(
        self,
        target: Target,
        attribute: int,
        flaw: Flaw | None,
        selection: SelectiveAccess | None = None,
        *,
        raw: bool = False,
    ) -> Outcome:
        """GET one attribute, or a part of it. Raises Refused with the data-access result's name."""
        confirmed = flaw is not Flaw.unconfirmed
        request = self._granted(
            lambda: self.application.get(
                target.class_id,
                target.instance_id,
                attribute,
                selection,
                confirmed=confirmed,
                spoil=SPOILS.get(flaw),
                raw=raw,
            )
        )
        event = self._answer(request, confirmed)
        if event is None:
            raise Refused("silence", "nothing came back, as is right for a service that asks for no answer")
        if isinstance(event, GetAnswered):
            if event.octets is not None:
                return Outcome(answered=True, octets=event.octets, intact=self._intact)
            if event.data is None:
                raise Refused(event.result.label, f"GET {target.name} attribute {attribute}")
            return Outcome(answered=True, data=event.data)
        raise unexpected(event, "GET")

    def set(self, target: Target, attribute: int, data: Data, confirmed: bool, flaw: Flaw | None) -> Outcome:
        """SET one attribute. Raises Refused with the data-access result's name."""
        request = self._granted(
            lambda: self.application.set(
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
        raise unexpected(event, "SET")

    def action(
        self, target: Target, method: int, data: Data | None, confirmed: bool, flaw: Flaw | None
    ) -> Outcome:
        """Invoke one method. Raises Refused with the action result's name."""
        request = self._granted(
            lambda: self.application.action(
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
        raise unexpected(event, "ACTION")

    def asked(self, request: Callable[[ClientAssociation], bytes]) -> ClientEvent:
        """Send what ``request`` makes of the association and return its answer, a refusal excepted.

        Raises Refused for what the meter refused as a whole or did not grant.
        """
        event = self._answer(self._granted(lambda: request(self.application)), confirmed=True)
        assert event is not None
        if isinstance(event, ServiceRefused):
            raise refused(event)
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
            self.application.give_up()
            self._conversation(self.application.get(*LDN_OBJECT))
        except (TransportError, LocalProtocolError):
            return False
        except LabError:
            return True  # an answer of any kind, even a wrong one
        return True

    def provokes_an_answer(self) -> bool:
        """Return whether the link answers at all: to a link set-up, or to an AARQ."""
        try:
            self.line.connect(self.engine)
            self._link_up = True
            if self.engine.checksummed:
                return True
            self._conversation(self.application.associate())
        except TransportError:
            return False
        except LabError:
            return True
        return True

    # --- the conversation -------------------------------------------------------------------------------

    def _conversation(self, request: bytes) -> ClientEvent:
        """Send a request and follow the exchange to its end (long GET, HLS passes)."""
        application, line, engine = self.application, self.line, self.engine
        try:
            received: ApduReceived = self._more(request)
            while True:
                self._intact = received.intact
                self.measure(received.apdu)
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
            elif isinstance(error, CounterReplayed):
                error.add_note("the meter used it before under the same key, in this association or another")
            with suppress(LocalProtocolError):
                application.give_up()
            raise

    def _more(self, reply: bytes) -> ApduReceived:
        """Send a request or what goes on with a transfer; a general block that got lost is asked for once."""
        line, engine = self.line, self.engine
        try:
            return line.exchange(engine, reply) if reply else line.next_apdu(engine)
        except ReadTimeout:
            again = self.application.ask_again()
            if not again:
                raise
            return line.exchange(engine, again)

    def _unconfirmed(self, request: bytes) -> ClientEvent | None:
        received = self.line.send_only(self.engine, request, connectionless=self._connectionless)
        if received is None:
            with suppress(LocalProtocolError):
                self.application.give_up()
            return None
        try:
            return self.application.receive(received.apdu, received.intact)
        except RemoteProtocolError:
            if received.apdu[:1] not in _ANSWERS:
                raise
            raise Refused("answered", "a service that asks for no answer got one") from None
