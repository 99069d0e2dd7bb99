"""The server's end of one association: APDU in, APDU (or nothing) out. No I/O, no clock.

One ``ServerAssociation`` belongs to one client at one link. It decodes with the shared codec, walks the
shared state table, deciphers, and asks its ``ServerPolicy`` what the device makes of it. Whatever a
client sends, ``handle`` answers with a proper refusal or stays silent; it does not raise.

What is answered to what has no place:

    a service without association          exception-response service-not-allowed, service-not-supported
    a service, list, block or selection    the same
      that was not negotiated
    an unknown tag, a service not built    exception-response service-unknown, service-not-supported
    octets that are no APDU                exception-response service-not-allowed, operation-not-possible
    plain where ciphering was agreed       exception-response service-not-allowed, operation-not-possible
    a tag that does not fit                exception-response service-not-allowed, deciphering-error
    an invocation counter used before      exception-response ... invocation-counter-error, expected value
    an unconfirmed service, whatever       nothing
"""

from __future__ import annotations

from typing import cast, get_args

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import apdu as apdus
from adapters.protocols.dlms.acse import Aarq, Rlre, Rlrq
from adapters.protocols.dlms.apdu import (
    ActionOutcome,
    ActionRequest,
    ActionRequestNextPblock,
    ActionRequestNormal,
    ActionRequestWithPblock,
    ActionResponseNormal,
    Apdu,
    ExceptionResponse,
    GetRequest,
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    MethodDescriptor,
    ServiceNotBuilt,
    SetRequest,
    SetRequestWithDatablock,
)
from adapters.protocols.dlms.apdu_common import CONFIRMED
from adapters.protocols.dlms.apdu_gbt import decode_general_block
from adapters.protocols.dlms.budget import DEFAULT, Work
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import (
    ActionResult,
    ApduTag,
    Conformance,
    DataType,
    MechanismId,
    ReleaseReason,
    ServiceError,
    StateError,
)
from adapters.protocols.dlms.secure_channel import SecureChannel
from adapters.protocols.dlms.security import CounterReplayed, DecipheringFailed
from adapters.protocols.dlms.server_blocks import GeneralBlocks
from adapters.protocols.dlms.server_get import LongGet, answer_get
from adapters.protocols.dlms.server_open import Granted, Opening, counter_error, open_association
from adapters.protocols.dlms.server_policy import SecurityEvent, ServerPolicy, Service
from adapters.protocols.dlms.server_transfer import Transfers, granted
from adapters.protocols.dlms.state import BETWEEN_BLOCKS, Event, Role, State, next_state

ASSOCIATION_CLASS = 15
CURRENT_ASSOCIATION = bytes((0, 0, 40, 0, 0, 255))
REPLY_TO_HLS = 1

NOT_ALLOWED = ExceptionResponse(
    state=StateError.SERVICE_NOT_ALLOWED, service=ServiceError.SERVICE_NOT_SUPPORTED
)
UNKNOWN = ExceptionResponse(state=StateError.SERVICE_UNKNOWN, service=ServiceError.SERVICE_NOT_SUPPORTED)
NOT_POSSIBLE = ExceptionResponse(
    state=StateError.SERVICE_NOT_ALLOWED, service=ServiceError.OPERATION_NOT_POSSIBLE
)
UNDECIPHERABLE = ExceptionResponse(
    state=StateError.SERVICE_NOT_ALLOWED, service=ServiceError.DECIPHERING_ERROR
)

Request = GetRequestNormal | GetRequestNext | GetRequestWithList | SetRequest | ActionRequest
_SERVICE_OF: dict[type, Service] = {
    **dict.fromkeys(get_args(GetRequest), Service.GET),
    **dict.fromkeys(get_args(SetRequest), Service.SET),
    **dict.fromkeys(get_args(ActionRequest), Service.ACTION),
}
_CONTINUES: dict[tuple[State, type], Event] = {
    (State.GET_BLOCKS, GetRequestNext): Event.GET_NEXT,
    (State.SET_BLOCKS, SetRequestWithDatablock): Event.SET_BLOCK,
    (State.ACTION_BLOCKS, ActionRequestWithPblock): Event.ACTION_BLOCK,
    (State.ACTION_PARTS, ActionRequestNextPblock): Event.ACTION_NEXT,
}
"""Requests that go on with a transfer; in any other state they are requests like any other, and refused."""
_SERVICE_TAGS = frozenset({ApduTag.GET_REQUEST, ApduTag.SET_REQUEST, ApduTag.ACTION_REQUEST})
_GENERAL_TAGS = frozenset({ApduTag.GENERAL_GLO_CIPHERING, ApduTag.GENERAL_DED_CIPHERING})
_EVERYTHING = Conformance.GET | Conformance.SET | Conformance.ACTION | Conformance.MULTIPLE_REFERENCES
_BIT = {Service.GET: Conformance.GET, Service.SET: Conformance.SET, Service.ACTION: Conformance.ACTION}
_REQUEST = {
    Service.GET: Event.GET_REQUEST,
    Service.SET: Event.SET_REQUEST,
    Service.ACTION: Event.ACTION_REQUEST,
}
_RESPONSE = {
    Service.GET: Event.GET_RESPONSE,
    Service.SET: Event.SET_RESPONSE,
    Service.ACTION: Event.ACTION_RESPONSE,
}


class ServerAssociation:
    """One client at one link. ``pre_established`` associations are open from the start and stay open.

    ``blocks_at_once`` is how many general blocks the link below can take in a row.
    """

    def __init__(self, policy: ServerPolicy, *, pre_established: bool = False) -> None:
        self.policy = policy
        self.pre_established = pre_established
        self.state = State.ASSOCIATED if pre_established else State.IDLE
        self._opening: Opening | None = None  # between AARE and the proof of HLS
        self._granted: Granted | None = None
        self._long_get: LongGet | None = None
        self._transfers = Transfers(policy, self._act)
        self._blocks = GeneralBlocks(self._whole)

    @property
    def is_open(self) -> bool:
        """Whether services are served."""
        return self.state not in (State.IDLE, State.ASSOCIATING, State.HLS_PENDING, State.HLS_PROVING)

    @property
    def mechanism(self) -> MechanismId:
        """The mechanism the association was opened with."""
        return self._granted.request.mechanism if self._granted else MechanismId.NONE

    def handle(self, octets: bytes) -> bytes | None:
        """Return the answer to one APDU, or None for silence. Never raises for what the client sent."""
        if octets[:1] != b"\xe0":
            return self._blocks.fitted(self._whole(octets), self._granted)
        granted = self._granted
        if granted is None or not granted.response.conformance & Conformance.GENERAL_BLOCK_TRANSFER:
            return self._exception(UNKNOWN)
        try:
            block = decode_general_block(octets, Work(DEFAULT, len(octets)))
            return self._blocks.received(block, granted)
        except RemoteProtocolError:
            self._blocks.forget()
            return self._exception(NOT_POSSIBLE)

    @property
    def blocks_at_once(self) -> int:
        """How many general blocks go out in a row, at most."""
        return self._blocks.at_once

    @blocks_at_once.setter
    def blocks_at_once(self, count: int) -> None:
        self._blocks.at_once = count

    def following(self) -> bytes | None:
        """Return the next general block of the run that ``handle`` began, None where the run is over."""
        return self._blocks.following()

    def _whole(self, octets: bytes) -> bytes | None:
        """Answer one APDU, whether it came in blocks or not."""
        tag = octets[0] if octets else 0
        try:
            if tag in apdus.CIPHERED_TAGS:
                return self._deciphered(octets)
            return self._handle(apdus.decode(octets))
        except ServiceNotBuilt:
            return self._exception(UNKNOWN)
        except RemoteProtocolError:
            if tag in _SERVICE_TAGS and len(octets) > 2 and not octets[2] & CONFIRMED:
                return None  # it asked for no answer, and a broken request gets none either
            if tag == ApduTag.AARQ and not self.pre_established and self.state is State.IDLE:
                return open_association(None, self.policy).encode()
            return self._exception(NOT_POSSIBLE if tag in apdus.DECODERS else UNKNOWN)

    def link_down(self) -> None:
        """The link below is gone: the association with it, unless it is pre-established."""
        self._end(released=False)

    # --- opening and closing -----------------------------------------------------------------------------

    def _handle(self, apdu: Apdu) -> bytes | None:
        """Serve an APDU that came unprotected."""
        service = _SERVICE_OF.get(type(apdu))
        if service is not None:
            request = cast(Request, apdu)
            if self._channel is not None and not self.policy.terms().serves_plain:
                return self._exception(NOT_POSSIBLE) if request.confirmed else None
            return self._service(service, request)
        if isinstance(apdu, Aarq):
            return self._aarq(apdu)
        if isinstance(apdu, Rlrq):
            return self._rlrq(apdu)
        # An APDU that only a server sends, or an InitiateRequest outside an AARQ.
        return self._exception(UNKNOWN)

    def _aarq(self, request: Aarq) -> bytes | None:
        if self.pre_established:
            return self._exception(NOT_ALLOWED)
        if self.state is not State.IDLE:
            self._end(released=False)  # the client lost its memory: the old association ends with its AARQ
        self.state = next_state(Role.SERVER, self.state, Event.AARQ)
        opening = open_association(request, self.policy)
        if opening.granted is None:
            self.state = next_state(Role.SERVER, self.state, Event.AARE_REJECTED)
        elif request.mechanism.is_hls:
            self.state = next_state(Role.SERVER, self.state, Event.AARE_HLS)
            self._granted, self._opening = opening.granted, opening
        else:
            self.state = next_state(Role.SERVER, self.state, Event.AARE_ACCEPTED)
            self._granted = opening.granted
            self._associated(opening)
        return opening.encode()

    def _associated(self, opening: Opening) -> None:
        granted = opening.granted
        if granted is not None and granted.channel is not None:
            granted.channel.dedicated = granted.dedicated  # until now the global key was in use
        self.policy.associated(opening.request)

    def _rlrq(self, request: Rlrq) -> bytes | None:
        if self.pre_established or self.state is State.IDLE:
            return self._exception(NOT_ALLOWED)
        channel = self._channel
        information = b""
        if channel is not None and request.user_information:
            try:
                channel.unprotect(request.user_information)
            except RemoteProtocolError as error:
                # Decided before the state moves: a forged release must not lead out of HLS_PENDING either.
                return self._security_refusal(error)
            if self._opening is None and self._granted is not None:
                information = channel.protect(self._granted.response.encode())
        self.state = next_state(Role.SERVER, self.state, Event.RLRQ)
        self._end(released=True)
        return Rlre(reason=ReleaseReason.NORMAL, user_information=information).encode()

    def _end(self, *, released: bool) -> None:
        was_open, self._granted, self._opening = self._granted is not None, None, None
        self._forget()
        if self.pre_established:
            self.state = State.ASSOCIATED
            return
        self.state = next_state(Role.SERVER, self.state, Event.RLRE if released else Event.LINK_DOWN)
        if was_open:
            self.policy.ended(released)

    # --- ciphering ---------------------------------------------------------------------------------------

    @property
    def _channel(self) -> SecureChannel | None:
        return self._granted.channel if self._granted is not None else None

    def _deciphered(self, octets: bytes) -> bytes | None:
        """Serve an APDU that came protected; the answer goes out the same way."""
        channel = self._channel
        if channel is None:
            return self._exception(NOT_ALLOWED)
        try:
            inner = channel.unprotect(octets).apdu
        except RemoteProtocolError as error:
            return self._security_refusal(error)
        channel.by_cipher = octets[0] == ApduTag.GENERAL_CIPHERING
        request = apdus.decode(inner)
        service = _SERVICE_OF.get(type(request))
        if service is None:
            return self._exception(UNKNOWN)
        answer = self._service(service, cast(Request, request))
        if answer is None or answer[0] == ApduTag.EXCEPTION_RESPONSE:
            return answer  # an exception-response has no ciphered form
        if channel.by_cipher and channel.cipher is not None:
            return channel.cipher.answer(answer)
        return channel.protect(answer, general=octets[0] in _GENERAL_TAGS)

    def _security_refusal(self, error: RemoteProtocolError) -> bytes | None:
        if isinstance(error, CounterReplayed):
            self.policy.security_event(SecurityEvent.COUNTER_REPLAYED)
            return self._exception(counter_error(error.expected))
        if isinstance(error, DecipheringFailed):
            self.policy.security_event(SecurityEvent.DECIPHERING_FAILED)
            return self._exception(UNDECIPHERABLE)
        return self._exception(NOT_POSSIBLE)

    def _exception(self, refusal: ExceptionResponse) -> bytes:
        if self.state is State.ASSOCIATED or self.state in BETWEEN_BLOCKS:
            self.state = next_state(Role.SERVER, self.state, Event.EXCEPTION)
            self._long_get = None
            self._transfers.forget()
        return refusal.encode()

    def _forget(self) -> None:
        """Drop every transfer under way."""
        self._long_get = None
        self._transfers.forget()
        self._blocks.forget()

    # --- services ----------------------------------------------------------------------------------------

    def _service(self, service: Service, request: Request) -> bytes | None:
        confirmed = request.confirmed
        if self.state is State.HLS_PENDING:
            return self._hls_proof(request)
        if not self._may(service, confirmed) or not self._grants(request):
            return self._exception(NOT_ALLOWED) if confirmed else None
        associated = self.is_open
        if associated:
            event = _CONTINUES.get((self.state, type(request)), _REQUEST[service])
            event = event if confirmed else Event.UNCONFIRMED_REQUEST
            self.state = next_state(Role.SERVER, self.state, event)
        answer = self._carry_out(request)
        if not (associated and confirmed):
            self._long_get = None  # nobody fetches the blocks of an answer that was not sent
            self._transfers.forget()
            return answer if confirmed else None
        after = Event.GET_BLOCK if self._long_get is not None else self._transfers.under_way
        self.state = next_state(Role.SERVER, self.state, after or _RESPONSE[service])
        return answer

    def _grants(self, request: Request) -> bool:
        """Whether blocks, lists and selections were negotiated; without an AARQ nothing was.

        A GET with a list, or too long, has a data-access-result of its own for it.
        """
        if self._granted is None:
            return True
        conformance = self._granted.response.conformance
        selection = getattr(request, "selection", None)
        if selection is not None and not conformance & Conformance.SELECTIVE_ACCESS:
            return False
        if isinstance(request, (GetRequestNormal, GetRequestNext, GetRequestWithList)):
            return True
        return granted(request, conformance)

    def _may(self, service: Service, confirmed: bool) -> bool:
        """Whether the service is served at all: access to the object is decided by the policy later."""
        if self.pre_established:
            return self.policy.serves_pre_established(service, confirmed)
        if not self.is_open:
            return self.policy.serves_unassociated(service)
        granted = self._granted
        return granted is not None and int(granted.response.conformance) & int(_BIT[service]) != 0

    def _carry_out(self, request: Request) -> bytes:
        granted = self._granted
        conformance = granted.response.conformance if granted else _EVERYTHING
        overhead = granted.overhead if granted else 0
        limit = self._blocks.limit(granted)
        if isinstance(request, (GetRequestNormal, GetRequestNext, GetRequestWithList)):
            if self._transfers.under_way is not None:
                self._transfers.forget()
            answer, self._long_get = answer_get(
                request,
                self.policy,
                self._long_get,
                max_pdu=limit,
                conformance=conformance,
                overhead=overhead,
            )
            return answer
        self._long_get = None
        if isinstance(request, get_args(SetRequest)):
            return self._transfers.set(cast(SetRequest, request))
        return self._transfers.action(
            cast(ActionRequest, request),
            room=limit and limit - overhead,
            long=bool(conformance & Conformance.BLOCK_TRANSFER_WITH_ACTION),
        )

    def _act(self, method: MethodDescriptor, argument: Data | None) -> ActionOutcome:
        if method.class_id == ASSOCIATION_CLASS and method.method_id == REPLY_TO_HLS:
            # Only the four-pass exchange uses it; once associated there is nothing to prove.
            return ActionOutcome(result=ActionResult.READ_WRITE_DENIED)
        result, returned = self.policy.action(method, argument)
        return ActionOutcome(result=result, data=returned)

    # --- passes 3 and 4 of HLS ---------------------------------------------------------------------------

    def _hls_proof(self, request: Request) -> bytes | None:
        opening = self._opening
        is_proof = (
            isinstance(request, ActionRequestNormal)
            and request.method.class_id == ASSOCIATION_CLASS
            and request.method.instance_id == CURRENT_ASSOCIATION
            and request.method.method_id == REPLY_TO_HLS
        )
        if opening is None or not is_proof or not request.confirmed:
            return self._exception(NOT_ALLOWED) if request.confirmed else None
        assert isinstance(request, ActionRequestNormal)
        self.state = next_state(Role.SERVER, self.state, Event.HLS_PROOF)
        correct = self._proof_is_right(opening, request.data)
        if self.policy.accepts_proof(correct, _is_reflected(opening, request.data)):
            self.state = next_state(Role.SERVER, self.state, Event.HLS_CONFIRMED)
            self._opening = None
            self._associated(opening)
            ours = Data(DataType.OCTET_STRING, opening.our_proof(self.policy.system_title))
            return ActionResponseNormal(
                invoke=request.invoke, result=ActionResult.SUCCESS, data=ours
            ).encode()
        self.state = next_state(Role.SERVER, self.state, Event.HLS_REFUSED)
        self.policy.security_event(SecurityEvent.AUTHENTICATION_FAILED)
        self._end(released=False)
        return ActionResponseNormal(invoke=request.invoke, result=ActionResult.OTHER_REASON).encode()

    def _proof_is_right(self, opening: Opening, argument: Data | None) -> bool:
        try:
            if argument is not None:
                opening.check_proof(argument.octets(), self.policy.system_title)
                return True
        except CounterReplayed:
            self.policy.security_event(SecurityEvent.COUNTER_REPLAYED)
        except RemoteProtocolError:
            pass
        return False


def _is_reflected(opening: Opening, argument: Data | None) -> bool:
    """Return whether a proof is our own challenge sent back."""
    return (
        argument is not None
        and argument.tag is DataType.OCTET_STRING
        and argument.octets() == opening.server_challenge
    )
