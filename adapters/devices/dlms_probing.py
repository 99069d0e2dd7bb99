"""Asking a DLMS meter for what it must turn away: proposals, raw APDUs, wrong passwords in a row."""

from __future__ import annotations

from contextlib import suppress

from adapters.devices import dlms_raw
from adapters.devices.dlms_association import OpenAssociation
from adapters.devices.dlms_services import DlmsServices
from adapters.errors import BenchError, LabError, LinkLost, ReadTimeout, Refused, RemoteProtocolError
from adapters.profiles.model import Mechanism
from adapters.protocols.dlms import apdu as apdus
from adapters.protocols.dlms.acse import Aare, Aarq, Rlrq
from adapters.protocols.dlms.apdu import (
    ActionResponseNextPblock,
    ActionResponseNormal,
    Apdu,
    AttributeDescriptor,
    ConfirmedServiceError,
    ExceptionResponse,
    GetRequestNext,
    GetRequestNormal,
    GetResponseNormal,
    GetResponseWithDatablock,
    GetResponseWithList,
    InitiateRequest,
    InitiateResponse,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseLastDatablockWithList,
    SetResponseNormal,
    invoke_octet,
)
from adapters.protocols.dlms.client_settings import PROPOSED
from adapters.protocols.dlms.enums import ApduTag, AssociationResult, Conformance
from adapters.roles.dlms_probing import AttemptsMade, DeviceAnswered, EndedBy, ProposalAnswered, RawAnswered

DATAGRAM_TIMEOUT_S = 2.0
_LDN = AttributeDescriptor(1, bytes((0, 0, 42, 0, 0, 255)), 2)
_OBJECT_LIST = AttributeDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 2)
_INVOKE = invoke_octet(1)
MOST_PIECES = 4096
"""In how many blocks of 64 octets no object list comes."""
_INITIATE_ERRORS = {
    0: "other",
    1: "dlms-version-too-low",
    2: "incompatible-conformance",
    3: "pdu-size-too-short",
    4: "refused-by-the-vde-handler",
}
"""Values of the CHOICE ``initiate`` of a ServiceError (Green Book 9.5)."""


class Probing(DlmsServices):
    """The services of ``adapters.roles.dlms_probing``."""

    def client_names(self) -> tuple[str, ...]:
        """Return the clients the profile lists."""
        return tuple(self.profile.clients)

    def mechanisms_of(self, client: str = "") -> tuple[Mechanism, ...]:
        """Return how a client may prove itself (see the role)."""
        entry = self._connections.client(client)[1]
        return (entry.mechanism, *entry.backup)

    def granted(self, association: str = "") -> tuple[str, ...]:
        """Return the services the meter granted in an association."""
        negotiated = self._connections.find(association).application.negotiated
        return negotiated.conformance.labels() if negotiated is not None else ()

    def propose(
        self,
        client: str = "",
        link: str = "",
        max_pdu: int = 1024,
        conformance: str = "",
        dlms_version: int = 6,
        read_long: bool = False,
    ) -> ProposalAnswered:
        """Send an AARQ of our own making (see the role)."""
        link = link or self.default_link()
        if not client:
            free = (name for name, entry in self.profile.clients.items() if entry.mechanism == "none")
            client = next(free, "")
        asking = self._connections.stranger("(proposal)", client, link)
        words = conformance.split() or list(asking.entry.conformance)
        proposal = InitiateRequest(
            conformance=Conformance.from_labels(words) if words else PROPOSED,
            max_pdu=max_pdu,
            version=dlms_version,
        )
        try:
            asking.open()
            answer = _decoded(dlms_raw.exchange(asking, Aarq(user_information=proposal.encode()).encode()))
            return self._judged(asking, answer, read_long)
        except (ReadTimeout, LinkLost) as error:
            raise self._connections.explained(link, error) from error
        finally:
            self._connections.abandon(asking)

    def send_raw(
        self, apdu: bytes, association: str = "", counter_ahead: int = 0, damaged: bool = False
    ) -> RawAnswered:
        """Send octets as an APDU (see the role)."""
        if not apdu:
            raise BenchError("an APDU has at least one octet")
        if apdu[0] != ApduTag.GET_REQUEST:
            self._context.permit("configure")
        opened = self._connections.find(association)
        try:
            return _raw(dlms_raw.exchange_protected(opened, apdu, counter_ahead, damaged))
        except (ReadTimeout, LinkLost) as error:
            explained = self._connections.explained(opened.line.name, error, own=opened)
            if isinstance(explained, Refused) and explained.reason == "silence":
                return RawAnswered(kind="nothing", result="", count=0, apdu="")
            raise explained from error

    def send_datagram(self, apdu: bytes, association: str = "", flaw: str = "") -> RawAnswered:
        """Send a plain GET in a spoiled datagram (see the role)."""
        if apdu[:1] != bytes((ApduTag.GET_REQUEST,)):
            raise BenchError("only a GET is sent in a spoiled datagram")
        answer = dlms_raw.exchange_datagram(
            self._connections.find(association), apdu, flaw, DATAGRAM_TIMEOUT_S
        )
        return _raw(answer) if answer else RawAnswered(kind="nothing", result="", count=0, apdu="")

    def request_after_end(
        self, ended: EndedBy, client: str = "", link: str = "", mechanism: str = ""
    ) -> RawAnswered:
        """Ask for the logical device name in an association that is over (see the role)."""
        flaw = "" if ended != "refusal" else self._wrong(client, mechanism)
        over = self._connections.prepared_for(client, link, "(over)", mechanism, flaw)
        try:
            try:
                over.open()
            except Refused:
                if not flaw:
                    raise
            if ended == "release":
                over.end()
            elif ended == "disconnection":
                dlms_raw.connect_again(over)
            request = GetRequestNormal(invoke=_INVOKE, attribute=_LDN)
            return _raw(dlms_raw.exchange_protected(over, request.encode()))
        except (ReadTimeout, LinkLost) as error:
            explained = self._connections.explained(over.line.name, error)
            if isinstance(explained, Refused):
                return RawAnswered(kind="nothing", result="", count=0, apdu="")
            raise explained from error
        finally:
            self._connections.abandon(over)

    def call_device(self, address: int, client: str = "", link: str = "") -> DeviceAnswered:
        """Ask another logical device for an association (see the role)."""
        if not client:
            free = (name for name, entry in self.profile.clients.items() if entry.mechanism == "none")
            client = next(free, "")
        calling = self._connections.prepared_for(client, link, "(call)", server_sap=address)
        try:
            calling.open()
            calling.end()
            return DeviceAnswered(address=address)
        except (ReadTimeout, LinkLost) as error:
            raise self._connections.explained(calling.line.name, error) from error
        finally:
            self._connections.abandon(calling)

    def fail_authentication(
        self, client: str, link: str = "", times: int = 1, mechanism: str = ""
    ) -> AttemptsMade:
        """Present a wrong password or proof so many times (see the role)."""
        flaw = self._wrong(client, mechanism)
        refused = 0
        for number in range(times):
            name = f"(wrong {number + 1})"
            try:
                self.associate(client, link, name, mechanism, flaw)
            except Refused:
                refused += 1
            else:
                self.release(name)
        return AttemptsMade(attempts=times, turned_away=refused)

    def _wrong(self, client: str, mechanism: str) -> str:
        """Return the flaw that spoils what a client proves itself with."""
        return "wrong-password" if (mechanism or self.mechanism_of(client)) == "lls" else "wrong-challenge"

    def _judged(self, asking: OpenAssociation, answer: Apdu, read_long: bool) -> ProposalAnswered:
        """Return what the answer to the AARQ says, and what a GET in the association comes to."""
        if isinstance(answer, ExceptionResponse):
            raise Refused("service-not-allowed", f"exception: {answer.service.label}")
        if not isinstance(answer, Aare):
            raise RemoteProtocolError(f"{type(answer).__name__} is no answer to an AARQ")
        granted, error = None, ""
        with suppress(RemoteProtocolError):
            information = apdus.decode(answer.user_information)
            if isinstance(information, InitiateResponse):
                granted = information
            elif isinstance(information, ConfirmedServiceError):
                error = _INITIATE_ERRORS.get(information.value, str(information.value))
        then, pieces = "not tried", 0
        if answer.result is AssociationResult.ACCEPTED:
            request = GetRequestNormal(invoke=invoke_octet(1), attribute=_LDN)
            read = _raw(dlms_raw.exchange(asking, request.encode()))
            then = "served" if (read.kind, read.result) == ("get", "success") else read.result
            if read_long:
                pieces = _long_get(asking)
            with suppress(LabError):
                dlms_raw.exchange(asking, Rlrq().encode())
        return ProposalAnswered(
            result=answer.result.label,
            diagnostic=answer.diagnostic.label,
            initiate_error=error,
            conformance=granted.conformance.labels() if granted is not None else (),
            max_pdu=granted.max_pdu if granted is not None else 0,
            then=then,
            pieces=pieces,
            longest=asking.longest_answer,
        )


def _long_get(asking: OpenAssociation) -> int:
    """Read the object list block by block; return in how many pieces it came."""
    answer = dlms_raw.exchange(asking, GetRequestNormal(invoke=_INVOKE, attribute=_OBJECT_LIST).encode())
    for pieces in range(1, MOST_PIECES):
        block = _decoded(answer)
        if not isinstance(block, GetResponseWithDatablock) or block.last:
            return pieces
        answer = dlms_raw.exchange(
            asking, GetRequestNext(invoke=_INVOKE, block_number=block.block_number).encode()
        )
    raise RemoteProtocolError(f"the object list did not end within {MOST_PIECES} blocks")


def _decoded(apdu: bytes) -> Apdu:
    return apdus.decode(apdu)


def _raw(apdu: bytes) -> RawAnswered:
    """Return what an answer is. Octets that are no APDU are ``other``: the test decides."""
    kind, result, count = "other", "", 1
    try:
        answer = _decoded(apdu)
    except RemoteProtocolError as error:
        return RawAnswered(kind=kind, result=f"unreadable: {error}", count=0, apdu=apdu.hex())
    match answer:
        case ExceptionResponse():
            kind, result, count = "exception", answer.service.label, 0
        case ConfirmedServiceError():
            kind, result, count = "service-error", f"{answer.error_type.name.lower()} {answer.value}", 0
        case GetResponseNormal():
            kind, result = "get", answer.result.label
        case GetResponseWithDatablock():
            kind, result = "get-block", answer.result.label
        case GetResponseWithList():
            kind, count = "get-list", len(answer.results)
        case SetResponseNormal() | SetResponseLastDatablock():
            kind, result = "set", answer.result.label
        case SetResponseLastDatablockWithList():
            results = dict.fromkeys(each.label for each in answer.results)
            kind, result, count = "set-list", ", ".join(results), len(answer.results)
        case SetResponseDatablock():
            kind, count = "set-ack", answer.block_number
        case ActionResponseNormal():
            kind, result = "action", answer.result.label
        case ActionResponseNextPblock():
            kind, count = "action-ack", answer.block_number
        case _:
            result = type(answer).__name__
    return RawAnswered(kind=kind, result=result, count=count, apdu=apdu.hex())
