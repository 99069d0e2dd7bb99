"""The DLMS server engine with the MCS301 behind it: APDU in, APDU out, no wires."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.profiles.loader import load_profile
from adapters.profiles.model import obis_octets
from adapters.protocols.dlms import apdu as apdus
from adapters.protocols.dlms import client_events as events
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.acse import Aare, Aarq, Rlrq
from adapters.protocols.dlms.apdu import (
    ActionRequestNormal,
    ActionResponseNormal,
    AttributeDescriptor,
    ExceptionResponse,
    GetRequestNext,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithDatablock,
    GetResponseWithList,
    InitiateRequest,
    MethodDescriptor,
)
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_settings import PROPOSED, ClientSettings
from adapters.protocols.dlms.client_transfer import NotGranted
from adapters.protocols.dlms.enums import (
    ActionResult,
    ApplicationContext,
    Conformance,
    DataAccessResult,
    MechanismId,
    ServiceError,
    StateError,
)
from adapters.protocols.dlms.security import InvocationCounter, Keys
from adapters.protocols.dlms.server import ServerAssociation
from virtual_rig.clock import VirtualClock
from virtual_rig.meters.associations import AssociationTable, ClientSecrets, PortState
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.supply import Supply, balanced
from virtual_rig.world import World

PROFILE = load_profile("mcs301")
KEYS = Keys(encryption_key=bytes(range(16)), authentication_key=bytes(range(16, 32)))
PASSWORD = b"a password"
TITLE = b"MBENCH\x00\x01"
NAME = b"MCS3100030112345"
NOTE = obis_octets("0-0:96.1.10.255")
LDN = AttributeDescriptor(1, obis_octets("0-0:42.0.0.255"), 2)
LIST = AttributeDescriptor(15, obis_octets("0-0:40.0.0.255"), 2)
GET_NAME = bytes.fromhex("c001c1000100002a0000ff0200")
CONTEXT = apdus.invoke_octet(1)


class Line:
    name = "ip#1"


class Bench:
    """A meter, and a way to speak to it as any client."""

    def __init__(self) -> None:
        rig = VirtualClock()
        supply = Supply(rig, balanced(Decimal(230), Decimal(5)))
        self.meter = Mcs301(world=World(scheduler=rig), supply=supply, profile=PROFILE)
        secret = ClientSecrets(
            encryption_key=KEYS.encryption_key,
            authentication_key=KEYS.authentication_key,
            password=PASSWORD,
        )
        self.table = AssociationTable(self.meter, {"management": secret, "reading": secret})
        self.meter.model.seal()
        self.port = PortState("ip", PROFILE.ports["ip"])
        self.counter = InvocationCounter(1)

    def server(self, sap: int) -> ServerAssociation:
        return self.table.association(self.port, Line(), sap)

    def opened(self, sap: int, **changed: object) -> tuple[ServerAssociation, ClientAssociation]:
        server, client = self.server(sap), ClientAssociation(ClientSettings(**changed), b"\x5a" * 16)  # type: ignore[arg-type]
        if client.channel is not None:
            client.channel.send = self.counter
        event = talk(server, client, client.associate())
        assert isinstance(event, events.AssociationAccepted | events.HlsConfirmed), event
        return server, client


HLS = {"mechanism": MechanismId.HLS_GMAC, "ciphered": True, "keys": KEYS, "system_title": TITLE}


def talk(server: ServerAssociation, client: ClientAssociation, request: bytes) -> object:
    while True:
        answer = server.handle(request)
        assert answer is not None
        event = client.receive(answer)
        if not isinstance(event, events.MoreBlocks | events.HlsChallenge):
            return event
        request = event.reply


@cache
def shared() -> Bench:
    return Bench()


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- opening: every diagnostic ---------------------------------------------------------------------------

INITIATE = InitiateRequest(conformance=PROPOSED, max_pdu=1024)


@pytest.mark.parametrize(
    ("sap", "changed", "diagnostic"),
    [
        (16, {"context": ApplicationContext.SN}, "application-context-name-not-supported"),
        (16, {"context": ApplicationContext.LN_CIPHERED}, "application-context-name-not-supported"),
        (16, {"mechanism": MechanismId.LLS}, "authentication-mechanism-name-not-recognised"),
        (1, {}, "authentication-required"),
        (1, {"authentication_value": PASSWORD}, "authentication-mechanism-name-required"),
        (1, {"mechanism": MechanismId.HLS_SHA256}, "authentication-mechanism-name-not-recognised"),
        (1, {"mechanism": MechanismId.LLS, "authentication_value": b"wrong"}, "authentication-failure"),
        (1, {"mechanism": MechanismId.LLS}, "authentication-failure"),
        (
            1,
            {"mechanism": MechanismId.HLS_GMAC, "authentication_value": b"8 octets"},
            "application-context-name-not-supported",
        ),
        (
            1,
            {
                "context": ApplicationContext.LN_CIPHERED,
                "mechanism": MechanismId.HLS_GMAC,
                "authentication_value": b"8 octets",
            },
            "calling-ap-title-not-recognized",
        ),
        (
            1,
            {
                "context": ApplicationContext.LN_CIPHERED,
                "mechanism": MechanismId.HLS_GMAC,
                "authentication_value": b"seven..",
                "calling_ap_title": TITLE,
            },
            "authentication-failure",
        ),
        (77, {}, "no-reason-given"),
    ],
)
def test_aarq_refused_with_its_diagnostic(
    bench: Bench, sap: int, changed: dict[str, object], diagnostic: str
) -> None:
    """Each thing that can be wrong with an AARQ has its own word in the AARE."""
    aarq = Aarq(user_information=INITIATE.encode())
    aare = apdus.decode(bench.server(sap).handle(replace(aarq, **changed).encode()) or b"")  # type: ignore[arg-type]
    assert isinstance(aare, Aare)
    assert (aare.result.label, aare.diagnostic.label) == ("rejected-permanent", diagnostic)


@pytest.mark.parametrize(
    ("initiate", "value"),
    [
        (replace(INITIATE, version=5), 1),
        (replace(INITIATE, conformance=Conformance.READ), 2),
        (replace(INITIATE, max_pdu=63), 3),
        (GetRequestNext(invoke=CONTEXT, block_number=1), 0),
    ],
)
def test_aarq_initiate_error_is_told(bench: Bench, initiate: InitiateRequest, value: int) -> None:
    """A proposal the server cannot live with is a ConfirmedServiceError of the right kind in the AARE."""
    aare = apdus.decode(bench.server(16).handle(Aarq(user_information=initiate.encode()).encode()) or b"")
    assert isinstance(aare, Aare)
    assert aare.user_information == bytes((0x0E, 1, 6, value))


def test_aarq_garbled_is_refused_by_the_provider(bench: Bench) -> None:
    """An AARQ that cannot be read is refused in an AARE, and nothing is open."""
    server = bench.server(16)
    aare = apdus.decode(server.handle(bytes.fromhex("6003a10106")) or b"")
    assert isinstance(aare, Aare)
    assert (aare.source.label, server.is_open) == ("acse-service-provider", False)


def test_aarq_again_starts_the_association_afresh(bench: Bench) -> None:
    """The old association ends with a new AARQ, and its place is free."""
    server, _client = bench.opened(16)
    again = ClientAssociation(ClientSettings())
    assert isinstance(talk(server, again, again.associate()), events.AssociationAccepted)
    assert len(bench.table.open) == 1


@pytest.mark.parametrize("max_pdu", [0, 64, 200, 65535])
def test_max_pdu_is_kept_by_every_answer(bench: Bench, max_pdu: int) -> None:
    """Blocks are cut so that the client never gets more than it can receive, ciphered or not."""
    for sap, changed in ((16, {}), (1, HLS)):
        server, client = bench.opened(sap, max_pdu=max_pdu, **changed)
        request, sizes = client.get(15, LIST.instance_id, 2), []
        while True:
            answer = server.handle(request)
            assert answer is not None
            sizes.append(len(answer))
            event = client.receive(answer)
            if not isinstance(event, events.MoreBlocks):
                break
            request = event.reply
        assert isinstance(event, events.GetAnswered)
        assert event.data is not None
        assert len(event.data.items()) > 8
        assert max_pdu == 0 or max(sizes) <= max_pdu
        assert (len(sizes) > 1) == (0 < max_pdu < 5000)


def test_conformance_is_the_intersection(bench: Bench) -> None:
    """A client that did not propose SET cannot use it."""
    server, client = bench.opened(1, mechanism=MechanismId.LLS, secret=PASSWORD, conformance=Conformance.GET)
    assert client.negotiated is not None
    assert client.negotiated.conformance is Conformance.GET
    with pytest.raises(NotGranted, match="set"):
        client.set(1, NOTE, 2, dlms.octet_string(b"x"))
    unasked = ClientAssociation(ClientSettings(pre_established=True))  # one that does not look
    event = talk(server, unasked, unasked.set(1, NOTE, 2, dlms.octet_string(b"x")))
    assert isinstance(event, events.ServiceRefused)


# --- GET -------------------------------------------------------------------------------------------------


def get(server: ServerAssociation, *attributes: AttributeDescriptor) -> object:
    wanted = tuple((attribute, None) for attribute in attributes)
    answer = server.handle(GetRequestWithList(invoke=CONTEXT, attributes=wanted).encode())
    return apdus.decode(answer or b"")


def test_get_with_list_answers_each_in_order(bench: Bench) -> None:
    """A list gets a list back, values and reasons mixed."""
    server, _ = bench.opened(16, conformance=PROPOSED | Conformance.MULTIPLE_REFERENCES)
    energy = AttributeDescriptor(3, obis_octets("1-0:1.8.0.255"), 2)
    answer = get(server, LDN, energy, LDN)
    assert isinstance(answer, GetResponseWithList)
    name = dlms.octet_string(NAME)
    assert answer.results == (name, DataAccessResult.READ_WRITE_DENIED, name)


def test_get_with_list_needs_to_be_agreed(bench: Bench) -> None:
    """Without multiple-references in the conformance the list is refused."""
    server, _ = bench.opened(16, conformance=PROPOSED & ~Conformance.MULTIPLE_REFERENCES)
    answer = get(server, LDN)
    assert isinstance(answer, GetResponseNormal)
    assert answer.result is DataAccessResult.OTHER_REASON


@pytest.mark.parametrize(
    ("attribute", "result"),
    [
        (AttributeDescriptor(1, obis_octets("9-9:9.9.9.255"), 2), DataAccessResult.OBJECT_UNDEFINED),
        (AttributeDescriptor(3, LDN.instance_id, 2), DataAccessResult.OBJECT_CLASS_INCONSISTENT),
        (AttributeDescriptor(1, LDN.instance_id, 9), DataAccessResult.SCOPE_OF_ACCESS_VIOLATED),
        (AttributeDescriptor(15, LIST.instance_id, 7), DataAccessResult.READ_WRITE_DENIED),
        (AttributeDescriptor(3, obis_octets("1-0:1.8.0.255"), 2), DataAccessResult.READ_WRITE_DENIED),
    ],
)
def test_get_refused_with_its_reason(
    bench: Bench, attribute: AttributeDescriptor, result: DataAccessResult
) -> None:
    """What is not there, is of another class, has no such number or may not be read: each has its word."""
    server, client = bench.opened(16)
    request = client.get(attribute.class_id, attribute.instance_id, attribute.attribute_id)
    event = talk(server, client, request)
    assert isinstance(event, events.GetAnswered)
    assert event.result is result


def test_get_next_wrong_number_ends_the_long_get(bench: Bench) -> None:
    """A block number out of turn is refused; after that there is no long GET to go on with."""
    server, client = bench.opened(16, max_pdu=64)
    server.handle(client.get(15, LIST.instance_id, 2))
    wrong = apdus.decode(server.handle(GetRequestNext(invoke=CONTEXT, block_number=7).encode()) or b"")
    assert isinstance(wrong, GetResponseWithDatablock)
    assert wrong.result is DataAccessResult.DATA_BLOCK_NUMBER_INVALID
    gone = apdus.decode(server.handle(GetRequestNext(invoke=CONTEXT, block_number=1).encode()) or b"")
    assert isinstance(gone, GetResponseNormal)
    assert gone.result is DataAccessResult.NO_LONG_GET_IN_PROGRESS


def test_get_another_request_abandons_the_long_get(bench: Bench) -> None:
    """A new request in the middle of a long GET is served; the rest of the blocks is gone."""
    server, client = bench.opened(16, max_pdu=64)
    server.handle(client.get(15, LIST.instance_id, 2))
    client.give_up()
    event = talk(server, client, client.get(1, LDN.instance_id, 2))
    assert isinstance(event, events.GetAnswered)
    gone = apdus.decode(server.handle(GetRequestNext(invoke=CONTEXT, block_number=1).encode()) or b"")
    assert isinstance(gone, GetResponseNormal)
    assert gone.result is DataAccessResult.NO_LONG_GET_IN_PROGRESS


def test_object_list_shows_what_the_client_may(bench: Bench) -> None:
    """Public sees general objects, Management everything with its write access."""
    rows = {}
    for sap, changed in ((16, {}), (1, {"mechanism": MechanismId.LLS, "secret": PASSWORD})):
        server, client = bench.opened(sap, **changed)
        event = talk(server, client, client.get(15, LIST.instance_id, 2))
        assert isinstance(event, events.GetAnswered)
        assert event.data is not None
        rows[sap] = {bytes(row[2]): row[3] for row in event.data.plain()}  # type: ignore[union-attr,index,arg-type]
    assert obis_octets("1-0:1.8.0.255") not in rows[16]
    assert obis_octets("1-0:1.8.0.255") in rows[1]
    assert [access[:2] for access in rows[1][NOTE][0]] == [[1, 1], [2, 3]]  # type: ignore[index,call-overload]
    assert len(rows[1]) == len(PROFILE.objects)


# --- services that ask for no answer, or have no place ---------------------------------------------------


def test_unconfirmed_services_get_no_answer_whatever_they_are(bench: Bench) -> None:
    """Unconfirmed GET, SET (done), refused SET, broken SET and unknown action: silence."""
    server, client = bench.opened(1, mechanism=MechanismId.LLS, secret=PASSWORD)
    silent = [
        client.get(1, LDN.instance_id, 2, confirmed=False),
        client.set(1, NOTE, 2, dlms.octet_string(b"quiet"), confirmed=False),
        client.set(1, LDN.instance_id, 2, dlms.octet_string(b"no"), confirmed=False),
        client.set(1, NOTE, 2, dlms.octet_string(b"cut"), confirmed=False)[:-1],
        client.action(1, NOTE, 9, confirmed=False),
    ]
    assert [server.handle(request) for request in silent] == [None] * 5
    event = talk(server, client, client.get(1, NOTE, 2))
    assert isinstance(event, events.GetAnswered)
    assert event.data == dlms.octet_string(b"quiet")


@pytest.mark.parametrize(
    ("octets", "refusal"),
    [
        ("c001c1000100002a0000ff0200", (StateError.SERVICE_NOT_ALLOWED, ServiceError.SERVICE_NOT_SUPPORTED)),
        ("c001c1000100002a0000ff02", (StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE)),
        ("d90000", (StateError.SERVICE_UNKNOWN, ServiceError.SERVICE_NOT_SUPPORTED)),
        ("c102c1", (StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE)),
        ("c302c100000001", (StateError.SERVICE_NOT_ALLOWED, ServiceError.SERVICE_NOT_SUPPORTED)),
        ("e08100010000020102", (StateError.SERVICE_UNKNOWN, ServiceError.SERVICE_NOT_SUPPORTED)),
        ("ff", (StateError.SERVICE_UNKNOWN, ServiceError.SERVICE_NOT_SUPPORTED)),
        ("", (StateError.SERVICE_UNKNOWN, ServiceError.SERVICE_NOT_SUPPORTED)),
        ("6200", (StateError.SERVICE_NOT_ALLOWED, ServiceError.SERVICE_NOT_SUPPORTED)),
        ("c80130", (StateError.SERVICE_NOT_ALLOWED, ServiceError.SERVICE_NOT_SUPPORTED)),
        ("c401c10011", (StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE)),
    ],
)
def test_apdu_out_of_place_gets_its_exception(
    bench: Bench, octets: str, refusal: tuple[StateError, ServiceError]
) -> None:
    """Without association: not allowed; unknown: unknown; no APDU at all: not possible."""
    answer = apdus.decode(bench.server(16).handle(bytes.fromhex(octets)) or b"")
    assert isinstance(answer, ExceptionResponse)
    assert (answer.state, answer.service) == refusal


# --- ciphering -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [{}, {"general": True}, {"dedicated_key": b"\x77" * 16}])
def test_ciphered_answer_is_of_the_same_kind(bench: Bench, changed: dict[str, object]) -> None:
    """glo-, general-glo- and ded-ciphered requests are answered the same way, and released so."""
    server, client = bench.opened(1, **HLS, **changed)
    request = client.get(3, obis_octets("1-0:1.8.0.255"), 2)
    answer = server.handle(request)
    assert answer is not None
    assert (request[0], answer[0]) in {(0xC8, 0xCC), (0xDB, 0xDB), (0xD0, 0xD4)}
    assert isinstance(client.receive(answer), events.GetAnswered)
    assert isinstance(talk(server, client, client.release()), events.Released)
    assert not bench.table.open


def test_plain_service_in_a_ciphered_association_is_refused(bench: Bench) -> None:
    """What was agreed to be ciphered is not served in the clear."""
    server, client = bench.opened(1, **HLS)
    refused = talk(server, client, client.get(1, LDN.instance_id, 2, spoil=events.Spoil.UNCIPHERED))
    assert isinstance(refused, events.ServiceRefused)


def test_nothing_but_the_proof_is_served_between_the_passes(bench: Bench) -> None:
    """After the AARE and before pass 3 a GET is refused, and the association still opens afterwards."""
    server, client = bench.server(1), ClientAssociation(ClientSettings(**HLS), b"\x5a" * 16)  # type: ignore[arg-type]
    challenge = client.receive(server.handle(client.associate()) or b"")
    assert isinstance(challenge, events.HlsChallenge)
    refused = apdus.decode(server.handle(bytes.fromhex("c001c1000100002a0000ff0200")) or b"")
    assert isinstance(refused, ExceptionResponse)
    assert isinstance(talk(server, client, challenge.reply), events.HlsConfirmed)


def forged_release() -> bytes:
    """An RLRQ whose ciphered user information nobody with the keys has made."""
    return Rlrq(user_information=b"\x21\x1e\x30\x00\x00\xff\x00" + bytes(25)).encode()


def test_forged_release_leaves_the_association_open(bench: Bench) -> None:
    """A release whose protection does not hold is refused and logged; the association lives on."""
    server, client = bench.opened(1, **HLS)
    refused = apdus.decode(server.handle(forged_release()) or b"")
    assert isinstance(refused, ExceptionResponse)
    assert refused.service is ServiceError.DECIPHERING_ERROR
    assert bench.meter.logs["fraud"].last == 49
    assert isinstance(talk(server, client, client.get(1, LDN.instance_id, 2)), events.GetAnswered)


def test_forged_release_between_the_passes_opens_nothing(bench: Bench) -> None:
    """Who has not proved itself yet does not become associated by a release that fails."""
    server, client = bench.server(1), ClientAssociation(ClientSettings(**HLS), b"\x5a" * 16)  # type: ignore[arg-type]
    client.receive(server.handle(client.associate()) or b"")
    server.handle(forged_release())
    assert not server.is_open
    refused = apdus.decode(server.handle(client.channel.protect(GET_NAME)) or b"")  # type: ignore[union-attr]
    assert isinstance(refused, ExceptionResponse)


def test_release_between_the_passes_gives_the_place_back(bench: Bench) -> None:
    """A client may give up before it has proved itself."""
    server, client = bench.server(1), ClientAssociation(ClientSettings(**HLS), b"\x5a" * 16)  # type: ignore[arg-type]
    client.receive(server.handle(client.associate()) or b"")
    assert (server.handle(Rlrq().encode()) or b"")[0] == 0x63
    assert not bench.table.open


@pytest.mark.parametrize(
    "proof", [None, dlms.octet_string(b""), dlms.unsigned(1), dlms.octet_string(b"\x5a" * 17)]
)
def test_wrong_proof_of_any_form_closes(bench: Bench, proof: dlms.Data | None) -> None:
    """No proof, an empty one, one of another type, one of the right length: refused and closed."""
    server, client = bench.server(1), ClientAssociation(ClientSettings(**HLS), b"\x5a" * 16)  # type: ignore[arg-type]
    client.receive(server.handle(client.associate()) or b"")
    request = ActionRequestNormal(
        invoke=CONTEXT, method=MethodDescriptor(15, LIST.instance_id, 1), data=proof
    )
    assert client.channel is not None
    answer = server.handle(client.channel.protect(request.encode()))
    assert answer is not None
    told = apdus.decode(client.channel.unprotect(answer).apdu)
    assert isinstance(told, ActionResponseNormal)
    assert told.result is ActionResult.OTHER_REASON
    assert not bench.table.open


def test_proof_again_once_associated_is_denied(bench: Bench) -> None:
    """reply_to_HLS has no place in an open association."""
    server, client = bench.opened(1, **HLS)
    event = talk(server, client, client.action(15, LIST.instance_id, 1, dlms.octet_string(b"x" * 17)))
    assert isinstance(event, events.ActionAnswered)
    assert event.result is ActionResult.READ_WRITE_DENIED


def test_wrong_key_in_the_aarq_is_refused_and_logged(bench: Bench) -> None:
    """An InitiateRequest that does not decipher ends in an AARE with an initiate error."""
    wrong = replace(KEYS, authentication_key=bytes(16))
    client = ClientAssociation(ClientSettings(**(HLS | {"keys": wrong})), b"\x5a" * 16)  # type: ignore[arg-type]
    event = client.receive(bench.server(1).handle(client.associate()) or b"")
    assert isinstance(event, events.AssociationRejected)
    assert event.service_error is not None
    assert bench.meter.logs["fraud"].last == 49


@pytest.mark.parametrize(
    ("class_id", "obis", "method", "result"),
    [
        (1, "9-9:9.9.9.255", 1, ActionResult.OBJECT_UNDEFINED),
        (3, "0-0:42.0.0.255", 1, ActionResult.OBJECT_CLASS_INCONSISTENT),
        (70, "0-0:96.3.10.255", 3, ActionResult.SCOPE_OF_ACCESS_VIOLATED),
        (3, "1-0:1.8.0.255", 1, ActionResult.READ_WRITE_DENIED),
        (8, "0-0:1.0.0.255", 4, ActionResult.READ_WRITE_DENIED),
        (8, "0-0:1.0.0.255", 6, ActionResult.TYPE_UNMATCHED),
        (8, "0-0:1.0.0.255", 1, ActionResult.SUCCESS),
    ],
)
def test_action_has_its_result(
    bench: Bench, class_id: int, obis: str, method: int, result: ActionResult
) -> None:
    """Unknown, of another class, no such method, not allowed, wrong argument, done: each its word."""
    server, client = bench.opened(1, mechanism=MechanismId.LLS, secret=PASSWORD)
    event = talk(server, client, client.action(class_id, obis_octets(obis), method, dlms.integer(0)))
    assert isinstance(event, events.ActionAnswered)
    assert event.result is result


@pytest.mark.parametrize(
    ("reference", "value", "result"),
    [
        ((1, "9-9:9.9.9.255", 2), dlms.unsigned(1), DataAccessResult.OBJECT_UNDEFINED),
        ((1, "0-0:96.1.10.255", 9), dlms.unsigned(1), DataAccessResult.SCOPE_OF_ACCESS_VIOLATED),
        ((1, "0-0:42.0.0.255", 2), dlms.octet_string(b"x"), DataAccessResult.READ_WRITE_DENIED),
        ((3, "1-0:12.31.0.255", 2), dlms.unsigned(1), DataAccessResult.TYPE_UNMATCHED),
        ((3, "1-0:12.31.0.255", 2), dlms.long_unsigned(1800), DataAccessResult.SUCCESS),
        ((8, "0-0:1.0.0.255", 3), dlms.long(-900), DataAccessResult.OTHER_REASON),
        ((8, "0-0:1.0.0.255", 3), dlms.long(-120), DataAccessResult.SUCCESS),
        ((70, "0-0:96.3.10.255", 4), dlms.enum(7), DataAccessResult.OTHER_REASON),
        ((70, "0-0:96.3.10.255", 4), dlms.enum(1), DataAccessResult.SUCCESS),
    ],
)
def test_set_has_its_result(
    bench: Bench, reference: tuple[int, str, int], value: dlms.Data, result: DataAccessResult
) -> None:
    """Unknown, no such attribute, read-only, wrong type, out of range, done: each its word, and it sticks."""
    server, client = bench.opened(1, mechanism=MechanismId.LLS, secret=PASSWORD)
    class_id, obis, number = reference
    event = talk(server, client, client.set(class_id, obis_octets(obis), number, value))
    assert isinstance(event, events.SetAnswered)
    assert event.result is result
    if result is DataAccessResult.SUCCESS:
        held = talk(server, client, client.get(class_id, obis_octets(obis), number))
        assert isinstance(held, events.GetAnswered)
        assert held.data == value


def test_replayed_aarq_tells_the_expected_counter(bench: Bench) -> None:
    """A whole recorded AARQ is refused with the counter the meter waits for."""
    client = ClientAssociation(ClientSettings(**HLS, invocation_counter=5), b"\x5a" * 16)  # type: ignore[arg-type]
    aarq = client.associate()
    bench.server(1).handle(aarq)
    answer = apdus.decode(bench.server(1).handle(aarq) or b"")
    assert isinstance(answer, ExceptionResponse)
    assert answer.invocation_counter == 6
    assert bench.meter.logs["fraud"].last == 50


def test_invocation_counter_object_shows_the_last_one_accepted(bench: Bench) -> None:
    """Anybody can read from which counter to go on."""
    bench.opened(1, **HLS)
    server, client = bench.opened(16)
    event = talk(server, client, client.get(1, obis_octets("0-0:43.1.1.255"), 2))
    assert isinstance(event, events.GetAnswered)
    assert event.data is not None
    assert event.data.integer() == bench.counter.next_value - 1


# --- pre-established -------------------------------------------------------------------------------------


def test_pre_established_knows_neither_opening_nor_release(bench: Bench) -> None:
    """AARQ and RLRQ are refused, confirmed services too; it stays open through a lost link."""
    server = bench.server(102)
    aarq = Aarq(user_information=INITIATE.encode()).encode()
    for request in (aarq, b"\x62\x00", bytes.fromhex("c001c1000100002a0000ff0200")):
        answer = apdus.decode(server.handle(request) or b"")
        assert isinstance(answer, ExceptionResponse)
    server.link_down()
    assert server.is_open


# --- hostile APDUs ---------------------------------------------------------------------------------------

CORPUS = [
    bytes.fromhex(text)
    for text in (
        "601da109060760857405080101be10040e01000000065f1f040000101dffff",
        "c001c1000100002a0000ff0200",
        "c103c1",
        "c101c10001000060010aff02000904deadbeef",
        "c101c1000100006001 0aff0200 0102130200010023 7e237e".replace(" ", ""),
        "c301c10003000060 0f0aff010100".replace(" ", ""),
        "c801ffffffffff",
        "db0844434d0000000001",
        "620380010 0be10040e01000000065f1f0400 00101dffff".replace(" ", ""),
        "c003c1ffffffff",
    )
]
octets = st.binary(max_size=80)
mutated = st.builds(
    lambda base, at, new: base[: at % (len(base) + 1)] + new + base[at % (len(base) + 1) + len(new) :],
    st.sampled_from(CORPUS),
    st.integers(0, 80),
    st.binary(max_size=4),
)


@given(st.sampled_from([1, 2, 16, 102, 77]), st.lists(octets | mutated, max_size=8))
def test_hostile_apdus_never_raise_and_a_client_is_served_afterwards(sap: int, apdu: list[bytes]) -> None:
    """Whatever came before, every answer decodes, and a public client reads the name."""
    bench = shared()
    server = bench.server(sap)
    for each in apdu:
        answer = server.handle(each)
        if answer is not None:
            apdus.decode(answer)
    server.link_down()
    _server, client = bench.opened(16)
    event = talk(_server, client, client.get(1, LDN.instance_id, 2))
    assert isinstance(event, events.GetAnswered)
    assert event.data == dlms.octet_string(NAME)
    talk(_server, client, client.release())
    assert not bench.table.open
