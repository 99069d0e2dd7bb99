"""How a server answers an AARQ: one check after the other, and the AARE that says what came of it.

Order of the checks: is this client welcome here (policy), application context, mechanism, its value,
InitiateRequest (deciphered where the context is ciphered), DLMS version, APDU size, conformance, password,
a free place (policy). The first that fails decides; nothing has changed until all have passed, except that
an accepted invocation counter has moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import apdu as apdus
from adapters.protocols.dlms.acse import Aare, Aarq
from adapters.protocols.dlms.apdu import (
    ConfirmedServiceError,
    ExceptionResponse,
    InitiateRequest,
    InitiateResponse,
)
from adapters.protocols.dlms.enums import (
    AcseProviderDiagnostic,
    AcseUserDiagnostic,
    ApduTag,
    ApplicationContext,
    AssociationResult,
    ConfirmedService,
    Conformance,
    DiagnosticSource,
    MechanismId,
    ServiceError,
    ServiceErrorType,
    StateError,
)
from adapters.protocols.dlms.general_cipher import GeneralCipher
from adapters.protocols.dlms.hls import TITLED_MECHANISMS, Exchange, HlsCredentials
from adapters.protocols.dlms.secure_channel import SecureChannel
from adapters.protocols.dlms.security import (
    COUNTER_LIMIT,
    SUITES,
    TITLE_OCTETS,
    CounterReplayed,
    DecipheringFailed,
    Keys,
    Suite,
    secrets_match,
)
from adapters.protocols.dlms.server_policy import Ciphering, Denial, SecurityEvent, ServerPolicy, Terms

DLMS_VERSION = 6
SMALLEST_PDU = 64
_CHALLENGE_OCTETS = range(8, 65)

# Values of the CHOICE `initiate` of a ServiceError (Green Book 9.5, ASN.1 of COSEMpdu).
_OTHER, _VERSION_TOO_LOW, _INCOMPATIBLE_CONFORMANCE, _PDU_TOO_SHORT = 0, 1, 2, 3

_USER = AcseUserDiagnostic
UNREADABLE = Denial(
    source=DiagnosticSource.ACSE_SERVICE_PROVIDER, diagnostic=AcseProviderDiagnostic.NO_REASON_GIVEN
)


@dataclass(frozen=True, kw_only=True)
class Granted:
    """What an open association has agreed on. ``client_max_pdu`` 0 means no limit."""

    request: Aarq = field(repr=False)
    response: InitiateResponse
    client_max_pdu: int
    channel: SecureChannel | None = None
    dedicated: Suite | None = None  # for the services, once the association is open

    @property
    def overhead(self) -> int:
        """How many octets ciphering adds to an APDU, at most."""
        return 0 if self.channel is None else self.channel.overhead


@dataclass(frozen=True, kw_only=True)
class Opening:
    """The outcome of an AARQ, and what the last two passes of HLS need of it.

    ``answer`` is an AARE, or the exception-response that tells a client which invocation counter to use.
    """

    request: Aarq = field(repr=False)
    answer: Aare | ExceptionResponse = field(repr=False)
    granted: Granted | None = None
    ciphering: Ciphering | None = None
    hls: HlsCredentials = field(default_factory=HlsCredentials, repr=False)

    def encode(self) -> bytes:
        """Return the answer."""
        return self.answer.encode()

    @property
    def server_challenge(self) -> bytes:
        """The challenge StoC; empty where none was sent."""
        return self.answer.authentication_value or b"" if isinstance(self.answer, Aare) else b""

    def check_proof(self, proof: bytes, system_title: bytes) -> None:
        """Check f(StoC), pass 3 of HLS. Raises DecipheringFailed or CounterReplayed."""
        ciphering, answer, mechanism = self.ciphering, self.answer, self.request.mechanism
        if mechanism is not MechanismId.HLS_GMAC:
            exchange = Exchange(
                prover_title=self.request.calling_ap_title,
                verifier_title=system_title,
                challenge=self.server_challenge,
                own_challenge=self.request.authentication_value or b"",
            )
            self.hls.check(mechanism, proof, exchange)
            return
        if ciphering is None or not isinstance(answer, Aare) or answer.authentication_value is None:
            raise DecipheringFailed("no keys for this client")
        challenge = answer.authentication_value
        counter = ciphering.suite.check_proof(proof, challenge, self.request.calling_ap_title)
        # In a ciphered context the proof takes its counter before the APDU around it does.
        if self.granted is None or self.granted.channel is None:
            ciphering.received.check(counter)
            ciphering.received.accept(counter)

    def our_proof(self, system_title: bytes) -> bytes:
        """Return f(CtoS), pass 4 of HLS."""
        challenge, mechanism = self.request.authentication_value or b"", self.request.mechanism
        if mechanism is not MechanismId.HLS_GMAC:
            exchange = Exchange(
                prover_title=system_title,
                verifier_title=self.request.calling_ap_title,
                challenge=challenge,
                own_challenge=self.server_challenge,
            )
            return self.hls.prove(mechanism, exchange)
        assert self.ciphering is not None, "an opening with GMAC has keys"
        return self.ciphering.suite.prove(challenge, system_title, self.ciphering.send.take())


def counter_error(expected: int) -> ExceptionResponse:
    """Return the refusal of an invocation counter used before; it tells the lowest one that is fresh."""
    return ExceptionResponse(
        state=StateError.SERVICE_NOT_ALLOWED,
        service=ServiceError.INVOCATION_COUNTER_ERROR,
        invocation_counter=min(expected, COUNTER_LIMIT),
    )


class _Denied(Exception):
    def __init__(self, denial: Denial, information: bytes = b"") -> None:
        super().__init__(denial)
        self.denial, self.information = denial, information


def open_association(request: Aarq | None, policy: ServerPolicy) -> Opening:
    """Answer ``request`` (None where it could not be read) as ``policy`` has it."""
    if request is None:
        return _refusal(Aarq(), policy, _Denied(UNREADABLE))
    try:
        return _grant(request, policy)
    except _Denied as denied:
        return _refusal(request, policy, denied)
    except CounterReplayed as replayed:
        policy.security_event(SecurityEvent.COUNTER_REPLAYED)
        return Opening(request=request, answer=counter_error(replayed.expected))


def _refusal(request: Aarq, policy: ServerPolicy, denied: _Denied) -> Opening:
    context = request.context
    if context not in (ApplicationContext.LN, ApplicationContext.LN_CIPHERED):
        context = ApplicationContext.LN  # what we do speak
    return Opening(
        request=request,
        answer=Aare(
            context=context,
            result=denied.denial.result,
            source=denied.denial.source,
            diagnostic=denied.denial.diagnostic,
            responding_ap_title=policy.system_title if context.ciphered else b"",
            user_information=denied.information,
        ),
    )


def _grant(request: Aarq, policy: ServerPolicy) -> Opening:
    denial = policy.denial(request)
    if denial is not None:
        raise _Denied(denial)
    terms = policy.terms()
    _check_names(request, terms)
    channel = _channel(request, policy, terms)
    proposal = _initiate_request(request, policy, channel)
    dedicated = None
    if channel is not None and proposal.dedicated_key is not None:
        dedicated = _dedicated(proposal.dedicated_key, terms)
    response = _agree(proposal, terms)
    if request.mechanism is MechanismId.LLS and not secrets_match(
        terms.password, request.authentication_value or b""
    ):
        policy.security_event(SecurityEvent.AUTHENTICATION_FAILED)
        raise _Denied(Denial(diagnostic=_USER.AUTHENTICATION_FAILURE))
    denial = policy.claim()
    if denial is not None:
        raise _Denied(denial)
    information = response.encode()
    answer = Aare(
        context=request.context,
        result=AssociationResult.ACCEPTED,
        responding_ap_title=policy.system_title if request.context.ciphered else b"",
        user_information=information if channel is None else channel.protect(information),
    )
    if request.mechanism.is_hls:
        answer = replace(
            answer,
            diagnostic=_USER.AUTHENTICATION_REQUIRED,
            responding_ap_title=policy.system_title,
            mechanism=request.mechanism,
            authentication_value=policy.challenge(),
        )
    protects = bool(response.conformance & Conformance.GENERAL_PROTECTION)
    if channel is not None and terms.ciphering is not None and protects:
        channel.cipher = _cipher(channel, terms.ciphering)
    granted = Granted(
        request=request,
        response=response,
        client_max_pdu=proposal.max_pdu,
        channel=channel,
        dedicated=dedicated,
    )
    return Opening(request=request, answer=answer, granted=granted, ciphering=terms.ciphering, hls=terms.hls)


def _check_names(request: Aarq, terms: Terms) -> None:
    """Check context and mechanism against what this client is offered."""
    if request.context not in (ApplicationContext.LN, ApplicationContext.LN_CIPHERED):
        raise _Denied(Denial(diagnostic=_USER.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED))
    mechanism = request.mechanism
    if mechanism not in terms.mechanisms:
        if mechanism is not MechanismId.NONE:
            raise _Denied(Denial(diagnostic=_USER.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED))
        if request.authentication_value is not None:
            raise _Denied(Denial(diagnostic=_USER.AUTHENTICATION_MECHANISM_NAME_REQUIRED))
        raise _Denied(Denial(diagnostic=_USER.AUTHENTICATION_REQUIRED))
    if not request.context.ciphered and mechanism in terms.ciphered:
        raise _Denied(Denial(diagnostic=_USER.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED))
    if mechanism.is_hls:
        if mechanism in TITLED_MECHANISMS and len(request.calling_ap_title) != TITLE_OCTETS:
            raise _Denied(Denial(diagnostic=_USER.CALLING_AP_TITLE_NOT_RECOGNIZED))
        if not terms.hls.suffices_for(mechanism):
            raise _Denied(Denial(diagnostic=_USER.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED))
        if len(request.authentication_value or b"") not in _CHALLENGE_OCTETS:
            raise _Denied(Denial(diagnostic=_USER.AUTHENTICATION_FAILURE))


def _channel(request: Aarq, policy: ServerPolicy, terms: Terms) -> SecureChannel | None:
    if not request.context.ciphered:
        return None
    ciphering = terms.ciphering
    if ciphering is None:
        raise _Denied(Denial(diagnostic=_USER.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED))
    if len(request.calling_ap_title) != TITLE_OCTETS:
        raise _Denied(Denial(diagnostic=_USER.CALLING_AP_TITLE_NOT_RECOGNIZED))
    return SecureChannel(
        suite=ciphering.suite,
        own_title=policy.system_title,
        peer_title=request.calling_ap_title,
        send=ciphering.send,
        received=ciphering.received,
        control=ciphering.control,
        least=ciphering.least,
    )


def _cipher(channel: SecureChannel, ciphering: Ciphering) -> GeneralCipher:
    return ciphering.cipher(
        suite=ciphering.suite,
        authentication_key=ciphering.authentication_key,
        own_title=channel.own_title,
        peer_title=channel.peer_title,
        send=ciphering.send,
        received=ciphering.received,
        control=ciphering.control,
        seen=ciphering.seen,
        agreement=ciphering.agreement,
    )


def _initiate_request(request: Aarq, policy: ServerPolicy, channel: SecureChannel | None) -> InitiateRequest:
    information = request.user_information
    try:
        if channel is not None:
            if information[:1] not in (bytes((ApduTag.GLO_INITIATE_REQUEST,)), b"\xdb"):
                raise RemoteProtocolError("an InitiateRequest in the clear within a ciphered context")
            information = channel.unprotect(information).apdu
        proposal = apdus.decode(information)
    except CounterReplayed:
        raise
    except RemoteProtocolError as error:
        if isinstance(error, DecipheringFailed):
            policy.security_event(SecurityEvent.DECIPHERING_FAILED)
        raise _initiate_error(_OTHER) from None
    if not isinstance(proposal, InitiateRequest):
        raise _initiate_error(_OTHER)
    return proposal


def _agree(proposal: InitiateRequest, terms: Terms) -> InitiateResponse:
    if proposal.version < DLMS_VERSION:
        raise _initiate_error(_VERSION_TOO_LOW)
    if 0 < proposal.max_pdu < SMALLEST_PDU:
        raise _initiate_error(_PDU_TOO_SHORT)
    common = proposal.conformance & terms.conformance
    if not common:
        raise _initiate_error(_INCOMPATIBLE_CONFORMANCE)
    return InitiateResponse(conformance=common, max_pdu=terms.max_pdu)


def _initiate_error(value: int) -> _Denied:
    error = ConfirmedServiceError(
        service=ConfirmedService.INITIATE_ERROR, error_type=ServiceErrorType.INITIATE, value=value
    )
    return _Denied(Denial(), error.encode())


def _dedicated(key: bytes, terms: Terms) -> Suite:
    """Return the suite with the dedicated key in the place of the encryption key."""
    ciphering = terms.ciphering
    if ciphering is None or len(key) != ciphering.suite.key_octets:
        raise _initiate_error(_OTHER)
    keys = Keys(encryption_key=key, authentication_key=ciphering.authentication_key)
    return SUITES[ciphering.suite.number](keys)
