"""The APDU gate of the MCS301: the server's end of an association as this meter's firmware runs it.

The protocol is the engine's (``ServerAssociation``); here stand the meter's own bound on what it receives
and, for the behaviours of the family DLX-NEG that lie in the protocol itself, what a careless release makes
of an APDU before or after the engine has seen it. A release that obeys adds nothing but the bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import apdu as apdus
from adapters.protocols.dlms.acse import Aarq, Rlre
from adapters.protocols.dlms.apdu import (
    ExceptionResponse,
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseWithDatablock,
    InitiateRequest,
)
from adapters.protocols.dlms.apdu_common import CONFIRMED
from adapters.protocols.dlms.axdr import read_octets
from adapters.protocols.dlms.enums import (
    ApduTag,
    DataAccessResult,
    MechanismId,
    ReleaseReason,
    ServiceError,
    StateError,
)
from adapters.protocols.dlms.security import CounterReplayed, CounterWindow
from adapters.protocols.dlms.server import Request, ServerAssociation
from adapters.protocols.dlms.server_policy import ServerPolicy, Service
from virtual_rig.meters.careless_blocks import CarelessBlocks, Long
from virtual_rig.world import World

PDU_TOO_LONG = ExceptionResponse(state=StateError.SERVICE_NOT_ALLOWED, service=ServiceError.PDU_TOO_LONG)
SMALLEST_PDU, DLMS_VERSION = 64, 6


class GuardedWindow(CounterWindow):
    """The lowest counter the meter still takes from a client."""

    __slots__ = ("_world",)

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def check(self, counter: int) -> None:
        """Raise CounterReplayed unless ``counter`` is fresh; nothing moves."""
        if counter == self.expected - 1:  # a replay of the last one: compared with "less than", it passes
            if self._world.obeys("DLX-NEG-22"):
                raise CounterReplayed(counter, self.expected)
        elif counter < self.expected and self._world.obeys("DLX-NEG-23"):
            raise CounterReplayed(counter, self.expected)  # compared with "the same as the last", it passes


class GuardedAssociation(ServerAssociation):
    """One client at one link of the meter; ``window`` returns what counts its ciphered requests."""

    def __init__(
        self,
        policy: ServerPolicy,
        world: World,
        *,
        max_pdu: int,
        window: Callable[[], CounterWindow | None],
        pre_established: bool = False,
    ) -> None:
        super().__init__(policy, pre_established=pre_established)
        self._world, self._max_pdu, self._window = world, max_pdu, window
        self._long = CarelessBlocks(world, policy)

    def handle(self, octets: bytes) -> bytes | None:
        """Return the answer to one APDU, or None for silence."""
        tag = octets[0] if octets else 0
        if tag == ApduTag.AARQ:
            return self._proposal(octets)
        if len(octets) > self._max_pdu and self.is_open and self._world.obeys("DLX-NEG-10"):
            return PDU_TOO_LONG.encode()
        if tag == ApduTag.RLRQ and self.is_open and not self._world.obeys("DLX-AA-01"):
            return Rlre(reason=ReleaseReason.NORMAL).encode()
        answer = super().handle(octets)
        if answer is not None and answer[0] == ApduTag.EXCEPTION_RESPONSE and len(answer) > 2:
            self._refused(octets, answer)
        return answer

    def _service(self, service: Service, request: Request) -> bytes | None:
        """Carry out a service, whether it came in the clear or ciphered."""
        if isinstance(request, Long):
            return self._long.serve(
                request, lambda block: super(GuardedAssociation, self)._service(service, block)
            )
        self._long.other()
        if isinstance(request, GetRequestNext):
            return self._next_block(service, request)
        if not isinstance(request, GetRequestNormal | GetRequestWithList):
            return super()._service(service, request)
        if not request.confirmed and self.is_open and not self._world.obeys("DLX-NEG-21"):
            request = replace(request, invoke=request.invoke | CONFIRMED)
        if isinstance(request, GetRequestWithList) and not self._world.obeys("DLX-AA-09"):
            request = replace(request, attributes=request.attributes[::-1])
        return super()._service(service, request)

    def _next_block(self, service: Service, request: GetRequestNext) -> bytes | None:
        """Send the block that is asked for, if it is the one whose turn it is."""
        sent = self._long_get.number if self._long_get is not None else request.block_number
        if sent != request.block_number and not self._world.obeys("DLX-NEG-08"):
            request = replace(request, block_number=sent)
        answer = super()._service(service, request)
        idle = answer is not None and _says(answer, DataAccessResult.NO_LONG_GET_IN_PROGRESS)
        if idle and not self._world.obeys("DLX-NEG-09"):  # an empty last block: "that was all"
            number = request.block_number
            return GetResponseWithDatablock(
                invoke=request.invoke, last=True, block_number=number, raw=b""
            ).encode()
        return answer

    def _may(self, service: Service, confirmed: bool) -> bool:
        """Return whether the service was negotiated."""
        if super()._may(service, confirmed):
            return True
        if self.pre_established or not self.is_open or self._world.obeys("DLX-NEG-14"):
            return False
        return service.value in self.policy.terms().conformance.labels()

    def _refused(self, octets: bytes, answer: bytes) -> None:
        """Leave no trace of what was refused."""
        if answer[1] == StateError.SERVICE_UNKNOWN and self.is_open and not self._world.obeys("DLX-NEG-20"):
            self.link_down()
        if answer[2] == ServiceError.DECIPHERING_ERROR and not self._world.obeys("DLX-NEG-24"):
            window, counter = self._window(), _counter_of(octets)
            if window is not None and counter is not None:
                window.accept(counter)

    # --- what is proposed --------------------------------------------------------------------------------

    def _proposal(self, octets: bytes) -> bytes | None:
        """Answer an AARQ; one in the clear is judged by what it proposes."""
        request, proposal = _proposed(octets)
        if request is None or proposal is None:
            return super().handle(octets)
        taken, terms = proposal, self.policy.terms if not self.pre_established else None
        if 0 < proposal.max_pdu < SMALLEST_PDU and not self._world.obeys("DLX-NEG-11"):
            taken = replace(taken, max_pdu=SMALLEST_PDU)
        if proposal.version < DLMS_VERSION and not self._world.obeys("DLX-NEG-12"):
            taken = replace(taken, version=DLMS_VERSION)
        if terms is not None and self.policy.denial(request) is None:
            offered = terms()
            if not proposal.conformance & offered.conformance and not self._world.obeys("DLX-NEG-13"):
                taken = replace(taken, conformance=offered.conformance)
            if 0 < proposal.max_pdu < offered.max_pdu and not self._world.obeys("DLX-AA-07"):
                taken = replace(taken, max_pdu=offered.max_pdu)
            password, value = offered.password, request.authentication_value or b""
            longer = request.mechanism is MechanismId.LLS and len(value) > len(password)
            if longer and not self._world.obeys("DLX-SEC-16"):  # compares as far as its own goes
                shorter = replace(request, authentication_value=value[: len(password)])
                return super().handle(shorter.encode())
        if taken is proposal:
            return super().handle(octets)
        return super().handle(replace(request, user_information=taken.encode()).encode())


def _proposed(octets: bytes) -> tuple[Aarq | None, InitiateRequest | None]:
    """Return the AARQ and the InitiateRequest in it, where both can be read and nothing is ciphered."""
    try:
        request = apdus.decode(octets)
        if not isinstance(request, Aarq) or request.user_information[:1] != b"\x01":
            return None, None
        proposal = apdus.decode(request.user_information)
    except RemoteProtocolError:
        return None, None
    return request, proposal if isinstance(proposal, InitiateRequest) else None


def _says(answer: bytes, result: DataAccessResult) -> bool:
    """Return whether a GET-Response of one item says ``result``, in whichever of its forms."""
    return answer[-2:] == bytes((1, result)) and len(answer) in (5, 10)


def _counter_of(octets: bytes) -> int | None:
    """Return the invocation counter a ciphered APDU claims; nobody vouches for it."""
    try:
        start = 1
        if octets[0] in (ApduTag.GENERAL_GLO_CIPHERING, ApduTag.GENERAL_DED_CIPHERING):
            _, start = read_octets(octets, 1)
        body, _ = read_octets(octets, start)
    except RemoteProtocolError:
        return None
    return int.from_bytes(body[1:5], "big") if len(body) >= 5 else None
