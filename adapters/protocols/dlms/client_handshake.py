"""Opening an association as a client: the AARQ, what the AARE must say, the HLS proofs (passes 3, 4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms import apdu_initiate, apdu_other
from adapters.protocols.dlms.acse import Aare, Aarq
from adapters.protocols.dlms.apdu_action import ActionRequestNormal, ActionResponseNormal
from adapters.protocols.dlms.apdu_common import MethodDescriptor
from adapters.protocols.dlms.apdu_initiate import InitiateRequest, InitiateResponse
from adapters.protocols.dlms.apdu_other import ConfirmedServiceError
from adapters.protocols.dlms.budget import DEFAULT, Work
from adapters.protocols.dlms.client_events import (
    AssociationAccepted,
    AssociationRejected,
    ClientEvent,
    HlsChallenge,
    HlsConfirmed,
    HlsRejected,
    Negotiated,
    Spoil,
)
from adapters.protocols.dlms.client_settings import ClientSettings
from adapters.protocols.dlms.data import octet_string
from adapters.protocols.dlms.enums import (
    AcseUserDiagnostic,
    ActionResult,
    ApplicationContext,
    AssociationResult,
    Conformance,
    MechanismId,
)
from adapters.protocols.dlms.general_cipher import REMEMBERED, GeneralCipher, KeyWay
from adapters.protocols.dlms.hls import TITLED_MECHANISMS, Exchange
from adapters.protocols.dlms.secure_channel import SecureChannel
from adapters.protocols.dlms.security import (
    SUITES,
    TITLE_OCTETS,
    CounterReplayed,
    DecipheringFailed,
    Keys,
    SecurityMissing,
)
from adapters.protocols.dlms.spoiling import (
    CIPHERING_FLAWS,
    flipped,
    longer_secret,
    nothing_to_spoil,
    old_counter,
    protect_spoiled,
    wrong_keys,
    wrong_secret,
)
from adapters.protocols.dlms.state import Event

CURRENT_ASSOCIATION = MethodDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 1)
"""Method reply_to_HLS_authentication of the current association object."""

CHALLENGE_OCTETS = range(8, 65)
_PASSWORD_FLAWS: dict[Spoil | None, Callable[[bytes], bytes]] = {
    Spoil.WRONG_PASSWORD: wrong_secret,
    Spoil.LONGER_PASSWORD: longer_secret,
}


class Handshake:
    """One attempt to associate. ``channel`` is None where no keys are configured."""

    __slots__ = ("challenge", "channel", "mechanism", "negotiated", "server_challenge", "settings", "spoil")

    def __init__(self, settings: ClientSettings, channel: SecureChannel | None, challenge: bytes) -> None:
        self.settings, self.channel, self.challenge = settings, channel, challenge
        self.mechanism = settings.mechanism  # what the AARQ really announced
        self.negotiated: Negotiated | None = None
        self.server_challenge = b""
        self.spoil: Spoil | None = None

    def aarq(self, spoil: Spoil | None) -> bytes:
        """Return the AARQ. Raises LocalProtocolError where a setting or the flaw does not fit."""
        settings = self.settings
        mechanism = settings.mechanism
        value: bytes | None = None
        if spoil is Spoil.NO_AUTHENTICATION:
            if mechanism is MechanismId.NONE:
                raise nothing_to_spoil(spoil, "an association without authentication")
            mechanism = MechanismId.NONE
        elif mechanism is MechanismId.LLS:
            value = _PASSWORD_FLAWS.get(spoil, bytes)(settings.secret)
        elif mechanism.is_hls:
            if len(self.challenge) not in CHALLENGE_OCTETS:
                raise LocalProtocolError("an HLS challenge has 8 to 64 octets")
            value = self.challenge
        self._check_flaw(spoil)
        context = ApplicationContext.LN_CIPHERED if settings.ciphered else ApplicationContext.LN
        titled = settings.ciphered or settings.mechanism.is_hls
        aarq = Aarq(
            context=context,
            mechanism=mechanism,
            authentication_value=value,
            calling_ap_title=settings.system_title if titled else b"",
            calling_ae_invocation_id=settings.user_id,
            user_information=self._initiate(spoil),
        ).encode()
        self.mechanism, self.spoil = mechanism, spoil
        self.negotiated, self.server_challenge = None, b""
        return aarq

    def initiate_request(self) -> bytes:
        """Return the InitiateRequest, unciphered; the RLRQ of a ciphered association repeats it."""
        settings = self.settings
        return InitiateRequest(
            conformance=settings.conformance, max_pdu=settings.max_pdu, dedicated_key=settings.dedicated_key
        ).encode()

    def _check_flaw(self, spoil: Spoil | None) -> None:
        settings = self.settings
        if spoil is not None and spoil in _PASSWORD_FLAWS and settings.mechanism is not MechanismId.LLS:
            raise nothing_to_spoil(spoil, "an association without a password")
        hls_only = (Spoil.WRONG_CHALLENGE_RESPONSE, Spoil.REFLECTED_CHALLENGE)
        if spoil in hls_only and not settings.mechanism.is_hls:
            raise nothing_to_spoil(spoil, "an association without a challenge")
        # An unciphered HLS association still has a GMAC that keys and counters can spoil.
        no_gmac = spoil is Spoil.UNCIPHERED or settings.mechanism is not MechanismId.HLS_GMAC
        if spoil in CIPHERING_FLAWS and not settings.ciphered and no_gmac:
            raise nothing_to_spoil(spoil, "an unciphered association")

    def _initiate(self, spoil: Spoil | None) -> bytes:
        settings = self.settings
        request = self.initiate_request()
        if not settings.ciphered or self.channel is None:
            return request
        if spoil in CIPHERING_FLAWS:
            assert settings.keys is not None
            assert spoil is not None
            return protect_spoiled(self.channel, settings.keys, request, spoil, general=False)
        return self.channel.protect(request, general=False)

    def answered(self, aare: Aare, next_invoke: Callable[[], int]) -> tuple[Event, ClientEvent]:
        """Judge the AARE; ``next_invoke`` gives the invoke octet for the proof that may be due.

        Raises RemoteProtocolError for an AARE that contradicts itself or what was asked for.
        """
        title = aare.responding_ap_title or self.settings.server_system_title
        if self.channel is not None and title:
            self.channel.peer_title = title
        if aare.result is not AssociationResult.ACCEPTED:
            return Event.AARE_REJECTED, AssociationRejected(
                result=aare.result,
                source=aare.source,
                diagnostic=aare.diagnostic,
                service_error=self._initiate_error(aare.user_information),
            )
        if aare.context.ciphered != self.settings.ciphered:
            raise RemoteProtocolError(
                f"the server answers in context {aare.context.label} to another one asked for"
            )
        initiate = self._initiate_response(aare.user_information)
        negotiated = Negotiated(
            conformance=initiate.conformance,
            max_pdu=initiate.max_pdu,
            server_system_title=title,
            mechanism=self.mechanism,
            ciphered=self.settings.ciphered,
            dlms_version=initiate.version,
            quality_of_service=initiate.quality_of_service,
        )
        asks_proof = aare.diagnostic is AcseUserDiagnostic.AUTHENTICATION_REQUIRED
        if asks_proof != self.mechanism.is_hls:
            raise RemoteProtocolError(
                f"the server accepts mechanism {self.mechanism.label} with diagnostic {aare.diagnostic.label}"
            )
        self._use_general_protection(bool(initiate.conformance & Conformance.GENERAL_PROTECTION))
        if not self.mechanism.is_hls:
            self.negotiated = negotiated
            self._use_dedicated_key()
            return Event.AARE_ACCEPTED, AssociationAccepted(negotiated=negotiated)
        challenge = aare.authentication_value or b""
        if len(challenge) not in CHALLENGE_OCTETS:
            raise RemoteProtocolError(f"a server challenge of {len(challenge)} octets")
        if challenge == self.challenge:
            raise RemoteProtocolError("the server reflects our own challenge")
        if not title and self.mechanism in TITLED_MECHANISMS:
            raise RemoteProtocolError("the AARE carries no system title, so no proof can be checked")
        self.negotiated, self.server_challenge = negotiated, challenge
        proof = self._proof(next_invoke())  # still with the global key; the answer may come with either
        self._use_dedicated_key()
        return Event.AARE_HLS, HlsChallenge(reply=proof, negotiated=negotiated)

    def _initiate_error(self, information: bytes) -> ConfirmedServiceError | None:
        # A refusal counts as one whatever decorates it; the error is told where it can be read.
        try:
            if information[:1] == b"\x2e" and self.channel is not None and self.channel.peer_title:
                information = self.channel.unprotect(information).apdu
            if information[:1] == b"\x0e":
                return apdu_other.decode_confirmed_service_error(information, Work(DEFAULT, len(information)))
        except RemoteProtocolError:
            return None
        return None

    def _initiate_response(self, information: bytes) -> InitiateResponse:
        if information[:1] in (b"\x28", b"\xdb"):
            if self.channel is None or not self.settings.ciphered:
                raise RemoteProtocolError("a ciphered InitiateResponse in an unciphered association")
            information = self.channel.unprotect(information).apdu
        elif self.settings.ciphered and self.spoil is not Spoil.UNCIPHERED:
            raise SecurityMissing("an unciphered InitiateResponse in a ciphered association")
        return apdu_initiate.decode_response(information, Work(DEFAULT, len(information)))

    def _proof(self, invoke: int) -> bytes:
        """Return pass 3: the ACTION that carries f(StoC), ciphered where that is agreed."""
        settings, channel, spoil = self.settings, self.channel, self.spoil
        proof = self._gmac() if self.mechanism is MechanismId.HLS_GMAC else self._vouched()
        if spoil is Spoil.WRONG_CHALLENGE_RESPONSE:
            proof = flipped(proof)
        elif spoil is Spoil.REFLECTED_CHALLENGE:
            proof = self.server_challenge
        request = ActionRequestNormal(
            invoke=invoke, method=CURRENT_ASSOCIATION, data=octet_string(proof)
        ).encode()
        if not settings.ciphered:
            return request
        assert channel is not None
        return channel.protect(request)

    def _vouched(self) -> bytes:
        """Return the proof of a mechanism that takes an HLS secret or a signing key."""
        settings = self.settings
        assert self.negotiated is not None
        return settings.hls.prove(
            self.mechanism,
            Exchange(
                prover_title=settings.system_title,
                verifier_title=self.negotiated.server_system_title,
                challenge=self.server_challenge,
                own_challenge=self.challenge,
            ),
        )

    def _gmac(self) -> bytes:
        settings, channel, spoil = self.settings, self.channel, self.spoil
        assert channel is not None
        assert settings.keys is not None
        suite, counter = channel.suite, None
        unciphered_flaw = None if settings.ciphered else spoil
        if unciphered_flaw is Spoil.WRONG_KEY:
            suite = SUITES[settings.suite](wrong_keys(settings.keys, channel.control))
        elif unciphered_flaw in (Spoil.REPLAYED_COUNTER, Spoil.LOWER_COUNTER):
            assert unciphered_flaw is not None
            counter = old_counter(channel.send.next_value, unciphered_flaw)
        if counter is None:
            counter = channel.send.take()
        proof = suite.prove(self.server_challenge, settings.system_title, counter)
        return flipped(proof) if unciphered_flaw is Spoil.DAMAGED_TAG else proof

    def confirmed(self, answer: ActionResponseNormal, expected_counter: int) -> tuple[Event, ClientEvent]:
        """Judge the server's proof (pass 4).

        ``expected_counter`` is the lowest invocation counter acceptable before the APDU around it was read:
        the proof may carry a lower counter than its envelope. Raises DecipheringFailed or CounterReplayed
        where the server does not prove that it holds the keys.
        """
        if answer.result is not ActionResult.SUCCESS:
            return Event.HLS_REFUSED, HlsRejected(result=answer.result)
        if answer.data is None:
            raise DecipheringFailed("the server confirms HLS without a proof of its own")
        channel = self.channel
        assert self.negotiated is not None
        if self.mechanism is not MechanismId.HLS_GMAC:
            exchange = Exchange(
                prover_title=self.negotiated.server_system_title,
                verifier_title=self.settings.system_title,
                challenge=self.challenge,
                own_challenge=self.server_challenge,
            )
            self.settings.hls.check(self.mechanism, answer.data.octets(), exchange)
            return Event.HLS_CONFIRMED, HlsConfirmed(negotiated=self.negotiated)
        assert channel is not None
        counter = channel.suite.check_proof(answer.data.octets(), self.challenge, channel.peer_title)
        if counter < expected_counter:
            replayed = CounterReplayed(counter, expected_counter)
            replayed.frame_intact = True  # the proof itself vouches for it
            raise replayed
        channel.received.accept(counter)
        return Event.HLS_CONFIRMED, HlsConfirmed(negotiated=self.negotiated)

    def _use_general_protection(self, granted: bool) -> None:
        """Send services in general APDUs where both want it; else in those of the service."""
        settings, channel = self.settings, self.channel
        if channel is None or not settings.ciphered or settings.keys is None:
            return
        channel.general = settings.general and granted
        channel.cipher, channel.by_cipher = None, False
        if not granted or len(channel.peer_title) != TITLE_OCTETS:
            return
        channel.cipher = GeneralCipher(
            suite=channel.suite,
            authentication_key=settings.keys.authentication_key,
            own_title=channel.own_title,
            peer_title=channel.peer_title,
            send=channel.send,
            received=channel.received,
            control=channel.control,
            seen=deque(maxlen=REMEMBERED),
            agreement=settings.agreement,
            way=settings.key_way or KeyWay.IDENTIFIED,
            transactions=self.challenge,
        )
        channel.by_cipher = settings.key_way is not None

    def _use_dedicated_key(self) -> None:
        settings, channel = self.settings, self.channel
        if settings.ciphered and channel is not None and settings.dedicated_key and settings.keys:
            channel.use_dedicated(
                SUITES[settings.suite](
                    Keys(
                        encryption_key=settings.dedicated_key,
                        authentication_key=settings.keys.authentication_key,
                    )
                )
            )
