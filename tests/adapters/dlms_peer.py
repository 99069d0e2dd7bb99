"""A small server to talk to in the client's tests: honest, with knobs to be anything else."""

from adapters.protocols.dlms import apdu
from adapters.protocols.dlms.apdu import Aare, Aarq, Rlre, Rlrq
from adapters.protocols.dlms.apdu_initiate import InitiateRequest, InitiateResponse
from adapters.protocols.dlms.data import Data, double_long_unsigned, octet_string
from adapters.protocols.dlms.enums import (
    AcseUserDiagnostic,
    ActionResult,
    ApplicationContext,
    AssociationResult,
    Conformance,
    DataAccessResult,
    MechanismId,
    ServiceError,
    StateError,
)
from adapters.protocols.dlms.secure_channel import SecureChannel
from adapters.protocols.dlms.security import (
    CounterReplayed,
    DecipheringFailed,
    InvocationCounter,
    Keys,
    SecuritySuite0,
)

KEYS = Keys(encryption_key=bytes(range(16)), authentication_key=bytes(range(0xD0, 0xE0)))
CLIENT_TITLE, SERVER_TITLE = b"MBECLNT1", b"MBESERV1"
PASSWORD = b"12345678"
SERVER_CHALLENGE = b"ServerChallenge!"
VALUE = double_long_unsigned(5009)


class Peer:
    """Answers one client. ``ciphered`` and ``mechanism`` say what it wants of an AARQ."""

    def __init__(
        self,
        mechanism: MechanismId = MechanismId.NONE,
        ciphered: bool = False,
        general: bool = False,
        control: int = 0x30,
        counter: int = 0,
    ) -> None:
        self.mechanism, self.ciphered = mechanism, ciphered
        self.channel = SecureChannel(
            suite=SecuritySuite0(KEYS),
            own_title=SERVER_TITLE,
            send=InvocationCounter(counter),
            general=general,
            control=control,
        )
        self.client_challenge = b""
        self.value: Data = VALUE
        self.block_octets = 0
        self.verifies = True  # a careless meter sets it to False and looks at no proof
        self._blocks: list[bytes] = []

    def answer(self, raw: bytes) -> bytes | None:
        """Return the answer to one APDU, None for an unconfirmed one."""
        if raw[0] == 0x60:
            return self._associate(apdu.decode(raw))
        if raw[0] == 0x62:
            request = apdu.decode(raw)
            assert isinstance(request, Rlrq)
            if request.user_information[:1] == b"\x21":
                self.channel.unprotect(request.user_information)
            return Rlre().encode()
        expected = self.channel.received.expected
        ciphered = raw[0] in apdu.CIPHERED_TAGS
        if ciphered:
            try:
                unprotected = self.channel.unprotect(raw)
            except CounterReplayed as error:
                return self._exception(ServiceError.INVOCATION_COUNTER_ERROR, error.expected)
            except DecipheringFailed:
                return self._exception(ServiceError.DECIPHERING_ERROR)
            raw, expected = unprotected.apdu, unprotected.expected
        elif self.ciphered and self.verifies:
            return self._exception(ServiceError.SERVICE_NOT_SUPPORTED)
        answer = self._serve(apdu.decode(raw), expected)
        if answer is None:
            return None
        return self.channel.protect(answer) if ciphered else answer

    def _exception(self, service: ServiceError, counter: int | None = None) -> bytes:
        return apdu.ExceptionResponse(
            state=StateError.SERVICE_NOT_ALLOWED, service=service, invocation_counter=counter
        ).encode()

    def _associate(self, aarq: apdu.Apdu) -> bytes:
        assert isinstance(aarq, Aarq)
        diagnostic = AcseUserDiagnostic.NULL
        initiate = aarq.user_information
        if self.ciphered:
            self.channel.peer_title = aarq.calling_ap_title
            try:
                initiate = self.channel.unprotect(initiate).apdu
            except (CounterReplayed, DecipheringFailed):
                diagnostic = AcseUserDiagnostic.AUTHENTICATION_FAILURE
        elif self.mechanism.is_hls:
            self.channel.peer_title = aarq.calling_ap_title
        if aarq.mechanism is not self.mechanism:
            diagnostic = AcseUserDiagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED
        elif self.mechanism is MechanismId.LLS and aarq.authentication_value != PASSWORD:
            diagnostic = AcseUserDiagnostic.AUTHENTICATION_FAILURE
        context = ApplicationContext.LN_CIPHERED if self.ciphered else ApplicationContext.LN
        if diagnostic is not AcseUserDiagnostic.NULL:
            return Aare(
                context=context, result=AssociationResult.REJECTED_PERMANENT, diagnostic=diagnostic
            ).encode()
        request = apdu.decode(initiate)
        assert isinstance(request, InitiateRequest)
        if request.dedicated_key:
            key, ak = request.dedicated_key, KEYS.authentication_key
            self.channel.use_dedicated(SecuritySuite0(Keys(encryption_key=key, authentication_key=ak)))
        granted = InitiateResponse(conformance=request.conformance & Conformance(0x1F), max_pdu=256)
        response = granted.encode()
        self.client_challenge = aarq.authentication_value or b""
        hls = self.mechanism.is_hls
        return Aare(
            context=context,
            result=AssociationResult.ACCEPTED,
            diagnostic=AcseUserDiagnostic.AUTHENTICATION_REQUIRED if hls else AcseUserDiagnostic.NULL,
            responding_ap_title=SERVER_TITLE if hls or self.ciphered else b"",
            mechanism=self.mechanism if hls else MechanismId.NONE,
            authentication_value=SERVER_CHALLENGE if hls else None,
            user_information=self.channel.protect(response, general=False) if self.ciphered else response,
        ).encode()

    def _serve(self, request: apdu.Apdu, expected: int) -> bytes | None:
        if isinstance(request, apdu.Invoked) and not request.confirmed:
            return None
        if isinstance(request, apdu.GetRequestNormal):
            raw = apdu.GetResponseNormal(invoke=request.invoke, data=self.value).encode()
            if not self.block_octets:
                return raw
            body = raw[4:]
            self._blocks = [
                body[at : at + self.block_octets] for at in range(0, len(body), self.block_octets)
            ]
            return self._block(request.invoke, 1)
        if isinstance(request, apdu.GetRequestNext):
            return self._block(request.invoke, request.block_number + 1)
        if isinstance(request, apdu.SetRequestNormal):
            self.value = request.data
            return apdu.SetResponseNormal(invoke=request.invoke, result=DataAccessResult.SUCCESS).encode()
        assert isinstance(request, apdu.ActionRequestNormal)
        if request.method.class_id == 15:
            return self._prove(request, expected)
        return apdu.ActionResponseNormal(invoke=request.invoke, result=ActionResult.SUCCESS).encode()

    def _block(self, invoke: int, number: int) -> bytes:
        return apdu.GetResponseWithDatablock(
            invoke=invoke,
            last=number == len(self._blocks),
            block_number=number,
            raw=self._blocks[number - 1],
        ).encode()

    def _prove(self, request: apdu.ActionRequestNormal, expected: int) -> bytes:
        assert request.data is not None
        suite, channel = self.channel.suite, self.channel
        try:
            counter = suite.check_proof(request.data.octets(), SERVER_CHALLENGE, channel.peer_title)
            if counter < expected:
                raise CounterReplayed(counter, expected)
            channel.received.accept(counter)
        except (CounterReplayed, DecipheringFailed):
            if self.verifies:
                return apdu.ActionResponseNormal(
                    invoke=request.invoke, result=ActionResult.READ_WRITE_DENIED
                ).encode()
        proof = suite.prove(self.client_challenge, SERVER_TITLE, channel.send.take())
        return apdu.ActionResponseNormal(
            invoke=request.invoke, result=ActionResult.SUCCESS, data=octet_string(proof)
        ).encode()
