"""One application association on an open wire: the client engine driven over a link engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from adapters.devices.dlms_flaws import SPOILS, Flaw
from adapters.devices.dlms_link import DlmsLink
from adapters.devices.dlms_values import Target
from adapters.errors import (
    BenchError,
    LabError,
    LinkLost,
    LocalProtocolError,
    ProtocolError,
    ReadTimeout,
    Refused,
    RemoteProtocolError,
    TransportError,
)
from adapters.profiles.model import Client
from adapters.protocols.dlms.apdu import CIPHERED_TAGS, SelectiveAccess
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
from adapters.protocols.dlms.hls import HlsCredentials
from adapters.protocols.dlms.link import ApduReceived
from adapters.protocols.dlms.security import SUITES, InvocationCounter, Keys, SecurityControl
from adapters.protocols.dlms.signatures import SigningKey, VerifyingKey
from adapters.protocols.dlms.spoiling import flipped
from adapters.protocols.dlms.wrapper import HEADER_OCTETS, encode_message
from adapters.roles import AssociationOpened, AssociationReleased

MECHANISMS = {
    "none": MechanismId.NONE,
    "lls": MechanismId.LLS,
    "hls-manufacturer": MechanismId.HLS,
    "hls-md5": MechanismId.HLS_MD5,
    "hls-sha1": MechanismId.HLS_SHA1,
    "hls-gmac": MechanismId.HLS_GMAC,
    "hls-sha256": MechanismId.HLS_SHA256,
    "hls-ecdsa": MechanismId.HLS_ECDSA,
    "pre-established": MechanismId.NONE,
}
_CONTROL = {
    "none": SecurityControl.AUTHENTICATED_ENCRYPTED,  # what a client applies of itself: the most there is
    "authenticated": SecurityControl.AUTHENTICATED,
    "encrypted": SecurityControl.ENCRYPTED,
    "authenticated-encrypted": SecurityControl.AUTHENTICATED_ENCRYPTED,
}
CHALLENGE_OCTETS = 16
_RLRE = bytes((ApduTag.RLRE,))
LDN_OBJECT = (1, bytes((0, 0, 42, 0, 0, 255)), 2)

DATAGRAM_FLAWS: Mapping[str, Callable[[bytes], bytes]] = {
    "truncated": lambda octets: octets[:-3],
    "oversized": lambda octets: octets + bytes(3),
    "other-version": lambda octets: b"\x00\x02" + octets[2:],
    "other-device": lambda octets: octets[:4] + b"\x00\x63" + octets[6:],  # port 99: no meter's
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a service came to: ``answered`` is False where none was asked for and none came."""

    answered: bool
    data: Data | None = None
    octets: bytes | None = None  # the value's encoding, where it was asked for raw
    intact: bool = False  # whether an end-to-end checksum vouches for it


def is_ciphered(entry: Client, mechanism: str) -> bool:
    """Return whether a client's association by ``mechanism`` is ciphered: its own way, and any other HLS."""
    return entry.ciphered and (mechanism == entry.mechanism or MECHANISMS[mechanism].is_hls)


def _keys(secrets: Mapping[str, bytes], suite: int) -> Keys:
    """Return the two keys of a client. Raises BenchError where they have not the suite's length."""
    pair, octets = (secrets["encryption_key"], secrets["authentication_key"]), SUITES[suite].key_octets
    if any(len(key) != octets for key in pair):
        raise BenchError(
            f"suite {suite} takes keys of {octets} octets; the bench gives {len(pair[0])} and {len(pair[1])}"
        )
    return Keys(encryption_key=pair[0], authentication_key=pair[1])


def _credentials(secrets: Mapping[str, bytes]) -> HlsCredentials:
    """Return what the mechanisms other than GMAC need, as far as the bench gives it.

    Raises BenchError, without the octets, where a key of the bench is none.
    """
    own, peer = secrets.get("signing_key", b""), secrets.get("meter_public_key", b"")
    try:
        return HlsCredentials(
            secret=secrets.get("hls_secret", b""),
            signing_key=SigningKey(own) if own else None,
            peer_key=VerifyingKey(peer) if peer else None,
        )
    except ProtocolError:
        raise BenchError(
            f"signing_key ({len(own)} octets) or meter_public_key ({len(peer)}) is no key of suite 1 or 2"
        ) from None


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
        self._link_up = self._intact = False
        self._connectionless = mechanism == "pre-established" and not link_connection
        self._engine = line.engine(entry.sap)
        self._counter = counter
        self._application = self._engine_for()

    def _engine_for(self) -> ClientAssociation:
        profile_security = self.line.profile.security
        mechanism = MECHANISMS[self.mechanism]
        ciphered = is_ciphered(self.entry, self.mechanism)
        keys = None
        if self.mechanism == "hls-gmac" or (ciphered and self.mechanism != "pre-established"):
            keys = _keys(self._keys, profile_security.suite)
        proposed = Conformance.from_labels(self.entry.conformance) if self.entry.conformance else PROPOSED
        settings = ClientSettings(
            mechanism=mechanism,
            secret=self._keys.get("password", b"") if self.mechanism == "lls" else b"",
            keys=keys,
            system_title=self._title if keys is not None or mechanism.is_hls else b"",
            ciphered=ciphered and keys is not None,
            control=_CONTROL[profile_security.policy],
            general=profile_security.general_ciphering,
            suite=profile_security.suite,
            dedicated_key=(
                self._random(len(keys.encryption_key))
                if profile_security.dedicated_key and ciphered and keys is not None
                else None
            ),
            hls=_credentials(self._keys) if mechanism.is_hls else HlsCredentials(),
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

    @property
    def answer_counter(self) -> int:
        """The last counter of the meter under its global key, -1 without one or with a dedicated key."""
        channel = self._application.channel
        return -1 if channel is None or channel.dedicated is not None else channel.received.expected - 1

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
            meter_challenge=self._application.server_challenge.hex(),
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
            lambda: self._application.get(
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

    def exchange(self, apdu: bytes) -> bytes:
        """Send octets as they are and return the APDU that comes back, whatever it is."""
        return self.line.exchange(self._engine, apdu).apdu

    def exchange_datagram(self, apdu: bytes, flaw: str, timeout_s: float) -> bytes:
        """Send a plain APDU in a spoiled datagram; return the APDU that comes back, b"" for nothing.

        ``flaw`` is one of ``DATAGRAM_FLAWS``, or empty. Raises BenchError on a link that is not UDP.
        """
        if not self.line.lossy:
            raise BenchError(f"link {self.line.name} is not UDP")
        octets = encode_message(self.entry.sap, self.line.server_sap, apdu)
        if flaw:
            octets = DATAGRAM_FLAWS[flaw](octets)
        return self.line.send_octets(octets, timeout_s)[HEADER_OCTETS:]

    def exchange_raw(self, apdu: bytes, counter_ahead: int = 0, damaged: bool = False) -> bytes:
        """Send octets past the client engine, ciphered where the association is; return the answer.

        ``counter_ahead`` uses a later invocation counter without using up those before; ``damaged`` flips
        the end of the tag. Raises BenchError where there is no ciphering to do that with.
        """
        channel = self._application.channel if self._application.settings.ciphered else None
        if channel is None:
            if counter_ahead or damaged:
                raise BenchError(f"association {self.name} is not ciphered: there is no counter and no tag")
            return self.exchange(apdu)
        counter = channel.counter_for(apdu).next_value + counter_ahead if counter_ahead else None
        octets = channel.protect(apdu, counter=counter)
        answer = self.exchange(flipped(octets) if damaged else octets)
        if answer[0] not in CIPHERED_TAGS:
            return answer
        return channel.unprotect(answer).apdu

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
                self._intact = received.intact
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
