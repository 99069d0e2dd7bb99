"""The client engine in a pair with a small server: associations, services, blocks, and all its checks."""

from typing import Any

import pytest
from dlms_peer import CLIENT_TITLE, KEYS, PASSWORD, SERVER_TITLE, VALUE, Peer

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms import apdu
from adapters.protocols.dlms.acse import Aarq
from adapters.protocols.dlms.apdu_common import SelectiveAccess
from adapters.protocols.dlms.budget import Budget
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
    Notified,
    Released,
    ServiceRefused,
    SetAnswered,
    Spoil,
    StaleReply,
)
from adapters.protocols.dlms.client_settings import ClientSettings
from adapters.protocols.dlms.data import array, long_unsigned, octet_string, unsigned
from adapters.protocols.dlms.enums import (
    AcseUserDiagnostic,
    ActionResult,
    AssociationResult,
    Conformance,
    DataAccessResult,
    MechanismId,
    ServiceError,
)
from adapters.protocols.dlms.security import CounterReplayed, DecipheringFailed, Keys, SecurityMissing
from adapters.protocols.dlms.spoiling import BLOCK_FLAWS
from adapters.protocols.dlms.state import State

REGISTER = (3, bytes((1, 0, 1, 8, 0, 255)), 2)
CHALLENGE = b"ClientChallenge!"


def settings(
    mechanism: MechanismId = MechanismId.NONE, ciphered: bool = False, **more: Any
) -> ClientSettings:
    """Return client settings that fit the peer."""
    if mechanism is MechanismId.LLS:
        more.setdefault("secret", PASSWORD)
    if ciphered or mechanism.is_hls:
        more = {"keys": KEYS, "system_title": CLIENT_TITLE} | more
    return ClientSettings(mechanism=mechanism, ciphered=ciphered, **more)


def pair(
    mechanism: MechanismId = MechanismId.NONE, ciphered: bool = False, **more: Any
) -> tuple[ClientAssociation, Peer]:
    """Return a client and a peer that want the same."""
    client = ClientAssociation(settings(mechanism, ciphered, **more), challenge=CHALLENGE)
    peer = Peer(mechanism, ciphered, general=more.get("general", False), control=more.get("control", 0x30))
    return client, peer


def exchange(client: ClientAssociation, peer: Peer, request: bytes) -> ClientEvent:
    """Send ``request`` and whatever the client wants sent after it; return the last event."""
    while True:
        answer = peer.answer(request)
        assert answer is not None
        event = client.receive(answer)
        if not isinstance(event, (HlsChallenge, MoreBlocks)):
            return event
        request = event.reply


def opened(mechanism: MechanismId = MechanismId.NONE, ciphered: bool = False, **more: Any) -> Any:
    """Return a client and a peer with an open association."""
    client, peer = pair(mechanism, ciphered, **more)
    event = exchange(client, peer, client.associate())
    assert isinstance(event, (AssociationAccepted, HlsConfirmed))
    return client, peer


KINDS = [
    pytest.param(MechanismId.NONE, False, {}, id="none"),
    pytest.param(MechanismId.LLS, False, {}, id="lls"),
    pytest.param(MechanismId.HLS_GMAC, False, {}, id="hls-unciphered"),
    pytest.param(MechanismId.LLS, True, {}, id="lls-ciphered"),
    pytest.param(MechanismId.HLS_GMAC, True, {}, id="hls-ciphered"),
    pytest.param(MechanismId.HLS_GMAC, True, {"general": True}, id="hls-general-glo"),
    pytest.param(MechanismId.HLS_GMAC, True, {"control": 0x10}, id="hls-authenticated"),
    pytest.param(MechanismId.HLS_GMAC, True, {"control": 0x20}, id="hls-encrypted"),
    pytest.param(MechanismId.HLS_GMAC, True, {"dedicated_key": bytes(16)}, id="hls-dedicated"),
    pytest.param(
        MechanismId.HLS_GMAC, True, {"dedicated_key": bytes(16), "general": True}, id="hls-general-ded"
    ),
]


@pytest.mark.parametrize(("mechanism", "ciphered", "more"), KINDS)
def test_client_whole_association_works_in_every_kind_of_security(
    mechanism: MechanismId, ciphered: bool, more: dict[str, Any]
) -> None:
    """Associate, read, write, act, notice nothing unusual, release, and open once more."""
    client, peer = opened(mechanism, ciphered, **more)
    assert client.state is State.ASSOCIATED
    assert client.negotiated is not None
    assert client.negotiated.max_pdu == 256
    assert client.negotiated.conformance == Conformance(0x1F)
    assert client.negotiated.server_system_title == (SERVER_TITLE if ciphered or mechanism.is_hls else b"")
    assert exchange(client, peer, client.get(*REGISTER)) == GetAnswered(data=VALUE, ciphered=ciphered)
    done = exchange(client, peer, client.set(1, bytes(6), 2, octet_string(b"x")))
    assert done == SetAnswered(result=DataAccessResult.SUCCESS, ciphered=ciphered)
    acted = exchange(client, peer, client.action(70, bytes(6), 1, unsigned(0)))
    assert acted == ActionAnswered(result=ActionResult.SUCCESS, ciphered=ciphered)
    assert isinstance(exchange(client, peer, client.release()), Released)
    assert client.state is State.IDLE
    again = exchange(client, peer, client.associate())
    assert isinstance(again, (AssociationAccepted, HlsConfirmed))
    assert exchange(client, peer, client.get(*REGISTER)) == GetAnswered(
        data=octet_string(b"x"), ciphered=ciphered
    )


@pytest.mark.parametrize("ciphered", [False, True])
@pytest.mark.parametrize("block_octets", [1, 7, 100])
def test_client_long_get_collects_its_blocks(ciphered: bool, block_octets: int) -> None:
    """A value in blocks of any size comes out whole; the engine asks for each next block itself."""
    client, peer = opened(MechanismId.HLS_GMAC if ciphered else MechanismId.NONE, ciphered)
    peer.value = array(*(long_unsigned(number) for number in range(30)))
    peer.block_octets = block_octets
    event = exchange(client, peer, client.get(7, bytes(6), 2))
    blocks = -(-92 // block_octets)
    assert event == GetAnswered(data=peer.value, ciphered=ciphered, blocks=blocks)
    assert client.state is State.ASSOCIATED


def long_get() -> tuple[ClientAssociation, bytes]:
    """Return a client in the middle of a long GET and its invoke octet."""
    client = ClientAssociation(ClientSettings(pre_established=True))
    invoke = client.get(7, bytes(6), 2)[2:3]
    event = client.receive(b"\xc4\x02" + invoke + bytes.fromhex("00000000010003") + b"\x01\x02\x11")
    assert isinstance(event, MoreBlocks)
    assert event.reply == b"\xc0\x02" + invoke + bytes.fromhex("00000001")
    return client, invoke


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("0000000001000111", "block 1 where block 2"),
        ("0000000003000111", "block 3 where block 2"),
        ("00000000020000", "empty"),
        ("0100000002000105", "cut short"),
    ],
)
def test_client_wrong_block_of_a_long_get_is_refused(block: str, message: str) -> None:
    """Numbers count up by one, blocks are not empty, and the end makes a whole value."""
    client, invoke = long_get()
    with pytest.raises(RemoteProtocolError, match=message):
        client.receive(b"\xc4\x02" + invoke + bytes.fromhex(block))
    client.give_up()
    assert client.state is State.ASSOCIATED


def test_client_whole_value_in_the_middle_of_blocks_is_refused() -> None:
    """A server that began with blocks has to end with one."""
    client, invoke = long_get()
    with pytest.raises(RemoteProtocolError, match="middle of a block transfer"):
        client.receive(b"\xc4\x01" + invoke + b"\x00\x11\x05")


def test_client_long_get_ends_with_the_servers_reason() -> None:
    """A server may give up in a block or in a normal response; the next GET starts from nothing."""
    for tail in ("0100000002010f", "0113"):
        client, invoke = long_get()
        event = client.receive(b"\xc4\x02" + invoke + bytes.fromhex(tail))
        assert isinstance(event, GetAnswered)
        assert event.data is None
        assert event.result in (DataAccessResult.LONG_GET_ABORTED, DataAccessResult.DATA_BLOCK_NUMBER_INVALID)
        again = client.get(*REGISTER)
        assert client.receive(b"\xc4\x01" + again[2:3] + b"\x00\x11\x05") == GetAnswered(data=unsigned(5))


def test_client_pre_established_association_needs_no_aarq() -> None:
    """It serves at once, knows no AARQ, and comes back after a lost link."""
    client = ClientAssociation(ClientSettings(pre_established=True))
    assert client.state is State.ASSOCIATED
    with pytest.raises(LocalProtocolError, match="client in state associated"):
        client.associate()
    client.link_down()
    assert client.state is State.ASSOCIATED


def test_client_pre_established_and_ciphered_needs_the_servers_title() -> None:
    """No AARE tells the title, so the settings must; then it works."""
    with pytest.raises(LocalProtocolError, match="system title"):
        settings(ciphered=True, pre_established=True)
    client = ClientAssociation(
        settings(ciphered=True, pre_established=True, server_system_title=SERVER_TITLE)
    )
    peer = Peer(ciphered=True)
    peer.channel.peer_title = CLIENT_TITLE
    assert exchange(client, peer, client.get(*REGISTER)) == GetAnswered(data=VALUE, ciphered=True)


def test_client_unconfirmed_services_await_nothing() -> None:
    """Bit 6 of the invoke octet is 0, the state stays, the next request may follow at once."""
    client, peer = opened()
    for request in (
        client.get(*REGISTER, confirmed=False),
        client.set(1, bytes(6), 2, unsigned(9), confirmed=False),
        client.action(70, bytes(6), 1, confirmed=False),
    ):
        assert request[2] & 0x40 == 0
        assert peer.answer(request) is None
        assert client.state is State.ASSOCIATED


@pytest.mark.parametrize("request_name", ["get", "set", "action", "release"])
def test_client_service_without_association_is_our_mistake(request_name: str) -> None:
    """The engine does not send what the table forbids."""
    client = ClientAssociation(ClientSettings())
    requests = {
        "get": lambda: client.get(*REGISTER),
        "set": lambda: client.set(1, bytes(6), 2, unsigned(1)),
        "action": lambda: client.action(70, bytes(6), 1),
        "release": client.release,
    }
    with pytest.raises(LocalProtocolError, match="client in state idle"):
        requests[request_name]()


def test_client_second_request_before_the_answer_is_our_mistake() -> None:
    """One confirmed service at a time."""
    client, _ = opened()
    client.get(*REGISTER)
    with pytest.raises(LocalProtocolError, match="client in state getting"):
        client.get(*REGISTER)


def test_client_wrong_password_is_rejected_with_its_diagnostic() -> None:
    """The flaw changes one character of the password; the rejection says why, and another try may follow."""
    client, peer = pair(MechanismId.LLS)
    spoiled = client.associate(spoil=Spoil.WRONG_PASSWORD)
    assert len(spoiled) == 56
    event = client.receive(peer.answer(spoiled) or b"")
    assert event == AssociationRejected(
        result=AssociationResult.REJECTED_PERMANENT,
        source=event.source,
        diagnostic=AcseUserDiagnostic.AUTHENTICATION_FAILURE,
    )
    assert client.state is State.IDLE
    assert isinstance(exchange(client, peer, client.associate()), AssociationAccepted)


def test_client_without_authentication_is_told_that_it_is_required() -> None:
    """The flaw leaves mechanism and value out of the AARQ."""
    for mechanism in (MechanismId.LLS, MechanismId.HLS_GMAC):
        client, peer = pair(mechanism)
        event = exchange(client, peer, client.associate(spoil=Spoil.NO_AUTHENTICATION))
        assert isinstance(event, AssociationRejected)
        assert event.diagnostic is AcseUserDiagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED


@pytest.mark.parametrize(
    ("spoil", "ciphered"),
    [
        (Spoil.WRONG_CHALLENGE_RESPONSE, False),
        (Spoil.REFLECTED_CHALLENGE, False),
        (Spoil.WRONG_KEY, False),
        (Spoil.DAMAGED_TAG, False),
        (Spoil.REPLAYED_COUNTER, False),
        (Spoil.LOWER_COUNTER, False),
        (Spoil.WRONG_CHALLENGE_RESPONSE, True),
        (Spoil.REFLECTED_CHALLENGE, True),
    ],
)
def test_client_spoiled_hls_proof_is_refused_by_the_server(spoil: Spoil, ciphered: bool) -> None:
    """A server that checks refuses each of them; the association stays closed and a right one opens."""
    client, peer = pair(MechanismId.HLS_GMAC, ciphered, invocation_counter=10)
    peer.channel.received.expected = 10
    event = exchange(client, peer, client.associate(spoil=spoil))
    assert event == HlsRejected(result=ActionResult.READ_WRITE_DENIED)
    assert client.state is State.IDLE
    assert isinstance(exchange(client, peer, client.associate()), HlsConfirmed)


@pytest.mark.parametrize(
    "spoil", [Spoil.WRONG_KEY, Spoil.DAMAGED_TAG, Spoil.REPLAYED_COUNTER, Spoil.LOWER_COUNTER]
)
def test_client_spoiled_ciphered_aarq_is_rejected(spoil: Spoil) -> None:
    """The InitiateRequest in the AARQ carries the flaw."""
    client, peer = pair(MechanismId.HLS_GMAC, True, invocation_counter=10)
    peer.channel.received.expected = 10
    event = exchange(client, peer, client.associate(spoil=spoil))
    assert isinstance(event, AssociationRejected)
    assert isinstance(exchange(client, peer, client.associate()), HlsConfirmed)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (Spoil.WRONG_KEY, ServiceError.DECIPHERING_ERROR),
        (Spoil.DAMAGED_TAG, ServiceError.DECIPHERING_ERROR),
        (Spoil.REPLAYED_COUNTER, ServiceError.INVOCATION_COUNTER_ERROR),
        (Spoil.LOWER_COUNTER, ServiceError.INVOCATION_COUNTER_ERROR),
        (Spoil.UNCIPHERED, ServiceError.SERVICE_NOT_SUPPORTED),
    ],
)
@pytest.mark.parametrize("service", ["get", "set", "action"])
@pytest.mark.parametrize("dedicated_key", [None, bytes(range(16, 32))])
def test_client_spoiled_service_is_refused_and_the_session_survives(
    service: str, spoil: Spoil, error: ServiceError, dedicated_key: bytes | None
) -> None:
    """A server that checks answers with an exception; the next request is served as if nothing had been."""
    client, peer = opened(MechanismId.HLS_GMAC, True, dedicated_key=dedicated_key)
    for _ in range(3):
        exchange(client, peer, client.get(*REGISTER))
    spoiled = {
        "get": lambda: client.get(*REGISTER, spoil=spoil),
        "set": lambda: client.set(1, bytes(6), 2, unsigned(1), spoil=spoil),
        "action": lambda: client.action(70, bytes(6), 1, spoil=spoil),
    }[service]()
    event = exchange(client, peer, spoiled)
    assert isinstance(event, ServiceRefused)
    assert isinstance(event.refusal, apdu.ExceptionResponse)
    assert event.refusal.service is error
    assert not event.ciphered
    assert exchange(client, peer, client.get(*REGISTER)) == GetAnswered(data=VALUE, ciphered=True)


def test_client_careless_server_that_serves_an_unciphered_request_is_reported_not_hidden() -> None:
    """The negative test has to see that the meter served what it should have refused."""
    client, peer = opened(MechanismId.HLS_GMAC, True)
    peer.verifies = False
    event = exchange(client, peer, client.get(*REGISTER, spoil=Spoil.UNCIPHERED))
    assert event == GetAnswered(data=VALUE, ciphered=False)
    client.get(*REGISTER)
    with pytest.raises(SecurityMissing):  # but a right request gets no such leniency
        client.receive(bytes.fromhex("C401C60011 05"))


def test_client_careless_server_that_takes_any_proof_is_reported_not_hidden() -> None:
    """A meter that confirms a wrong proof shows as HlsConfirmed."""
    client, peer = pair(MechanismId.HLS_GMAC)
    peer.verifies = False
    event = exchange(client, peer, client.associate(spoil=Spoil.WRONG_CHALLENGE_RESPONSE))
    assert isinstance(event, HlsConfirmed)


@pytest.mark.parametrize(
    "spoil",
    [item for item in Spoil if item not in {Spoil.WRONG_PASSWORD, Spoil.LONGER_PASSWORD, *BLOCK_FLAWS}],
)
def test_client_flaw_that_cannot_show_is_our_mistake(spoil: Spoil) -> None:
    """No negative test passes because nothing was spoiled."""
    client, _ = opened(MechanismId.LLS)
    with pytest.raises(LocalProtocolError, match="nothing to spoil"):
        client.get(*REGISTER, spoil=spoil)
    if spoil is not Spoil.NO_AUTHENTICATION:
        with pytest.raises(LocalProtocolError, match="nothing to spoil"):
            ClientAssociation(settings(MechanismId.LLS)).associate(spoil=spoil)
    with pytest.raises(LocalProtocolError, match="nothing to spoil"):
        ClientAssociation(settings()).associate(spoil=Spoil.WRONG_PASSWORD)
    with pytest.raises(LocalProtocolError, match="nothing to spoil"):
        ClientAssociation(settings()).associate(spoil=Spoil.NO_AUTHENTICATION)


def test_client_flaws_that_need_a_past_or_a_tag_say_so() -> None:
    """A counter cannot be replayed before there was one; encryption alone has no tag to damage."""
    client, _ = pair(MechanismId.HLS_GMAC, True)
    with pytest.raises(LocalProtocolError, match="used before"):
        client.associate(spoil=Spoil.REPLAYED_COUNTER)
    assert client.state is State.IDLE
    client, _ = opened(MechanismId.HLS_GMAC, True, control=0x20)
    with pytest.raises(LocalProtocolError, match="nothing to spoil"):
        client.get(*REGISTER, spoil=Spoil.DAMAGED_TAG)
    assert client.get(*REGISTER, spoil=Spoil.WRONG_KEY)


def test_client_servers_counter_may_start_at_zero_but_never_repeat() -> None:
    """0 is a good first value; the same answer again is a replay, also inside a new association."""
    client, peer = opened(MechanismId.HLS_GMAC, True)
    request = client.get(*REGISTER)
    answer = peer.answer(request) or b""
    client.receive(answer)
    client.get(*REGISTER)
    with pytest.raises(CounterReplayed):
        client.receive(answer)
    client.give_up()
    assert isinstance(exchange(client, peer, client.release()), Released)
    client.associate()
    with pytest.raises(RemoteProtocolError):
        client.receive(answer)


def test_client_minimum_counter_of_the_server_is_respected() -> None:
    """A bench that remembers the meter's last counter refuses everything older from the start."""
    client, peer = pair(MechanismId.HLS_GMAC, True, server_counter_minimum=5)
    with pytest.raises(CounterReplayed, match="at least 5"):
        exchange(client, peer, client.associate())


@pytest.mark.parametrize(
    ("proof", "error"),
    [("wrong", DecipheringFailed), ("own", DecipheringFailed), ("none", DecipheringFailed)],
)
def test_client_server_that_cannot_prove_itself_is_not_trusted(proof: str, error: type[Exception]) -> None:
    """Success without the right f(CtoS) leaves the association closed."""
    client, peer = pair(MechanismId.HLS_GMAC)
    challenge = client.receive(peer.answer(client.associate()) or b"")
    assert isinstance(challenge, HlsChallenge)
    request = apdu.decode(challenge.reply)
    assert isinstance(request, apdu.ActionRequestNormal)
    data = {"wrong": octet_string(bytes(17)), "own": request.data, "none": None}[proof]
    with pytest.raises(error):
        client.receive(
            apdu.ActionResponseNormal(invoke=request.invoke, result=ActionResult.SUCCESS, data=data).encode()
        )
    client.give_up()
    assert client.state is State.IDLE


def aare(peer: Peer, client: ClientAssociation, **change: Any) -> bytes:
    """Return the peer's AARE with some fields changed."""
    honest = apdu.decode(peer.answer(client.associate()) or b"")
    fields = {name: getattr(honest, name) for name in honest.__slots__}
    return apdu.Aare(**(fields | change)).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"authentication_value": CHALLENGE}, "reflects our own challenge"),
        ({"authentication_value": b"short"}, "challenge of 5 octets"),
        ({"authentication_value": None}, "challenge of 0 octets"),
        ({"diagnostic": AcseUserDiagnostic.NULL}, "accepts mechanism hls-gmac with diagnostic null"),
        ({"responding_ap_title": b""}, "no system title"),
        ({"user_information": b""}, "no InitiateResponse"),
        ({"user_information": bytes.fromhex("2803300000")}, "ciphered InitiateResponse in an unciphered"),
    ],
)
def test_client_contradictory_aare_is_refused(change: dict[str, Any], message: str) -> None:
    """An AARE that accepts must fit what was asked for, and leaves the client associating until given up."""
    client, peer = pair(MechanismId.HLS_GMAC)
    with pytest.raises(RemoteProtocolError, match=message):
        client.receive(aare(peer, client, **change))
    assert client.state is State.ASSOCIATING
    client.give_up()
    assert client.state is State.IDLE


def test_client_ciphered_association_is_not_downgraded() -> None:
    """Neither an unciphered context nor an unciphered InitiateResponse passes for a ciphered one."""
    client, _ = pair(MechanismId.LLS, True)
    client.associate()
    plain = bytes.fromhex(
        "6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F040000501F01F40007"
    )
    with pytest.raises(RemoteProtocolError, match="answers in context ln"):
        client.receive(plain)
    with pytest.raises(SecurityMissing):
        client.receive(plain.replace(bytes.fromhex("0508 0101"), bytes.fromhex("05080103")))
    weaker = Peer(MechanismId.LLS, True, control=0x10)
    client.give_up()
    weak_client, _ = pair(MechanismId.LLS, True, control=0x30)
    peer = Peer(MechanismId.LLS, True)
    answer = peer.answer(weak_client.associate())
    assert answer is not None
    weaker.channel.peer_title = CLIENT_TITLE
    response = weaker.channel.protect(bytes.fromhex("0800065F1F040000501F01F40007"), general=False)
    honest = apdu.decode(answer)
    fields = {name: getattr(honest, name) for name in honest.__slots__}
    with pytest.raises(SecurityMissing, match="10 where 30"):
        weak_client.receive(apdu.Aare(**(fields | {"user_information": response})).encode())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("c401c2001105", "invoke id 2 where 1"),
        ("c501c100", "client in state getting: set-response"),
        ("c701c10000", "client in state getting: action-response"),
        ("6300", "client in state getting: rlre"),
        ("6117A109060760857405080101A203020101A305A10302010D", "has no place here"),
        ("c403c1010011 05", "list of values"),
        ("c001c100010000000000000200", "a server does not send GetRequestNormal"),
        ("cc05300000000011", "ciphered APDU in an unciphered"),
        ("", "no octets"),
        ("ff", "unknown APDU tag"),
    ],
)
def test_client_answer_that_was_not_asked_for_is_refused(answer: str, message: str) -> None:
    """The error carries the bytes and whether a checksum vouches for them; the state stays."""
    client, _ = opened()
    client.get(*REGISTER)
    raw = bytes.fromhex(answer)
    with pytest.raises(RemoteProtocolError, match=message) as caught:
        client.receive(raw, intact=True)
    assert caught.value.frame_intact
    assert caught.value.data == raw
    assert client.state is State.GETTING


def test_client_late_answer_is_stale_not_the_next_ones() -> None:
    """An answer to a request given up is told apart from the answer to the one under way."""
    client, _ = opened()
    first = client.get(*REGISTER)
    client.give_up()
    client.set(1, bytes(6), 2, unsigned(1))
    assert client.receive(b"\xc4\x01" + first[2:3] + b"\x00\x11\x05") == StaleReply(invoke_id=1)
    assert client.receive(b"\xc5\x01\xc2\x00") == SetAnswered(result=DataAccessResult.SUCCESS)
    with pytest.raises(RemoteProtocolError):  # once is enough
        client.receive(b"\xc4\x01" + first[2:3] + b"\x00\x11\x05")


def test_client_invoke_id_used_again_is_no_longer_stale() -> None:
    """After fifteen more requests the id of one given up is that of a live one."""
    client, peer = opened()
    client.get(*REGISTER)
    client.give_up()
    for _ in range(14):
        exchange(client, peer, client.get(*REGISTER))
    assert exchange(client, peer, client.get(*REGISTER)) == GetAnswered(data=VALUE)


def test_client_notification_may_come_at_any_time() -> None:
    """A push between request and answer disturbs neither."""
    client, peer = opened()
    push = bytes.fromhex("0F0063D76A0003FF")
    request = client.get(*REGISTER)
    event = client.receive(push)
    assert isinstance(event, Notified)
    assert client.receive(peer.answer(request) or b"") == GetAnswered(data=VALUE)
    assert isinstance(ClientAssociation(ClientSettings()).receive(push), Notified)
    event = client.receive(bytes.fromhex("C200000301000108 00FF021105".replace(" ", "")))
    assert isinstance(event, Notified)


@pytest.mark.parametrize("refusal", ["d80102", "0e010601", "d8010600000740"])
def test_client_refusals_end_what_was_under_way(refusal: str) -> None:
    """An exception or a service error answers an AARQ, a service and a release alike."""
    raw = bytes.fromhex(refusal)
    client, _ = pair()
    client.associate()
    assert isinstance(client.receive(raw), ServiceRefused)
    assert client.state is State.IDLE
    client, _ = opened()
    client.get(*REGISTER)
    assert isinstance(client.receive(raw), ServiceRefused)
    client.release()
    assert isinstance(client.receive(raw), ServiceRefused)
    assert client.state is State.ASSOCIATED


def test_client_request_longer_than_the_server_takes_is_our_mistake() -> None:
    """Where no block transfer was granted, a long SET is refused here instead of cut there."""
    client, _ = opened()
    with pytest.raises(LocalProtocolError, match="server takes 256"):
        client.set(1, bytes(6), 2, octet_string(bytes(300)))
    assert client.state is State.ASSOCIATED


@pytest.mark.parametrize(
    "wrong",
    [
        {"mechanism": MechanismId.HLS_GMAC},
        {"ciphered": True},
        {"ciphered": True, "keys": KEYS},
        {"ciphered": True, "keys": KEYS, "system_title": b"short"},
        {"mechanism": MechanismId.HLS_SHA256, "keys": KEYS, "system_title": CLIENT_TITLE},
        {"ciphered": True, "keys": KEYS, "system_title": CLIENT_TITLE, "control": 0},
        {"max_pdu": 70_000},
    ],
    ids=str,
)
def test_client_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    """Missing keys, titles and mechanisms not built are told before anything is sent."""
    with pytest.raises(LocalProtocolError):
        ClientSettings(**wrong)


def test_client_challenge_of_a_wrong_length_is_our_mistake() -> None:
    """HLS wants 8 to 64 octets of randomness, handed over."""
    for challenge in (b"", bytes(7), bytes(65)):
        with pytest.raises(LocalProtocolError, match="8 to 64"):
            ClientAssociation(settings(MechanismId.HLS_GMAC), challenge=challenge).associate()


@pytest.mark.parametrize(
    "arguments",
    [(3, bytes(5), 2), (70_000, bytes(6), 2), (-1, bytes(6), 2)],
    ids=["obis", "class", "negative"],
)
def test_client_reference_that_does_not_fit_is_our_mistake(arguments: tuple[int, bytes, int]) -> None:
    """An OBIS code has six octets and a class sixteen bits."""
    client, _ = opened()
    with pytest.raises(LocalProtocolError):
        client.get(*arguments)
    assert client.state is State.ASSOCIATED


def test_client_secrets_show_in_no_repr_and_no_error() -> None:
    """Settings, keys, suites, channels, events and errors keep passwords and keys to themselves."""
    secret = b"TopSecretWord!!!"
    keys = Keys(encryption_key=secret, authentication_key=secret[::-1])
    made = ClientSettings(
        mechanism=MechanismId.LLS,
        secret=secret,
        keys=keys,
        system_title=CLIENT_TITLE,
        ciphered=True,
        dedicated_key=secret,
    )
    client = ClientAssociation(made)
    aarq = client.associate()
    texts = [repr(made), repr(keys), repr(client), repr(client.channel), repr(apdu.decode(aarq))]
    assert client.channel is not None
    texts += [repr(client.channel.suite), repr(client._handshake)]
    with pytest.raises(RemoteProtocolError) as caught:
        client.receive(bytes.fromhex("c401c1001105"))
    texts += [str(caught.value), repr(caught.value)]
    for text in texts:
        for form in (secret, secret[::-1]):
            assert form.decode() not in text
            assert form.hex() not in text.lower()
            assert repr(form)[2:-1] not in text


def test_client_selective_access_travels_with_get_and_set() -> None:
    """Selector and parameters follow the attribute reference."""
    client, _ = opened()
    selection = SelectiveAccess(1, unsigned(5))
    request = apdu.decode(client.get(7, bytes(6), 2, selection))
    assert isinstance(request, apdu.GetRequestNormal)
    assert request.selection == selection
    client.give_up()
    written = apdu.decode(client.set(7, bytes(6), 2, unsigned(1), selection))
    assert isinstance(written, apdu.SetRequestNormal)
    assert written.selection == selection


def test_client_long_get_beyond_its_budget_is_cut_off() -> None:
    """A meter cannot fill our memory block by block."""
    client = ClientAssociation(ClientSettings(pre_established=True), budget=Budget(octets=30))
    invoke = client.get(7, bytes(6), 2)[2:3]
    client.receive(b"\xc4\x02" + invoke + bytes.fromhex("0000000001000a") + bytes(10))
    client.receive(b"\xc4\x02" + invoke + bytes.fromhex("0000000002000a") + bytes(10))
    with pytest.raises(RemoteProtocolError, match="exceeds the budget"):
        client.receive(b"\xc4\x02" + invoke + bytes.fromhex("0000000003000b") + bytes(11))


@pytest.mark.parametrize(("request_name", "late"), [("set", "c501c100"), ("action", "c701c10000")])
def test_client_late_answer_of_any_service_is_stale(request_name: str, late: str) -> None:
    """SET and ACTION are told apart from the next request's answer just as GET is."""
    client, _ = opened()
    if request_name == "set":
        client.set(1, bytes(6), 2, unsigned(1))
    else:
        client.action(70, bytes(6), 1)
    client.give_up()
    client.get(*REGISTER)
    assert client.receive(bytes.fromhex(late)) == StaleReply(invoke_id=1)


def test_client_old_proof_of_the_server_is_a_replay() -> None:
    """A recorded f(CtoS) of the same challenge does not pass once its counter was used."""
    client, peer = pair(MechanismId.HLS_GMAC)
    first = client.receive(peer.answer(client.associate()) or b"")
    assert isinstance(first, HlsChallenge)
    answer = peer.answer(first.reply) or b""
    assert isinstance(client.receive(answer), HlsConfirmed)
    client.link_down()
    client.receive(peer.answer(client.associate()) or b"")
    recorded = bytes((*answer[:2], client._pending | 0xC0, *answer[3:]))
    with pytest.raises(CounterReplayed):
        client.receive(recorded)


def test_client_empty_password_is_spoiled_into_another_one() -> None:
    """Also nothing at all can be made wrong."""
    client = ClientAssociation(settings(MechanismId.LLS, secret=b""))
    right = client.associate()
    client.give_up()
    assert right != client.associate(spoil=Spoil.WRONG_PASSWORD)


def test_client_flaw_of_the_handshake_is_none_of_a_service() -> None:
    """A ciphered GET has no password to spoil."""
    client, _ = opened(MechanismId.HLS_GMAC, True)
    with pytest.raises(LocalProtocolError, match="nothing to spoil"):
        client.get(*REGISTER, spoil=Spoil.WRONG_PASSWORD)
    assert client.state is State.ASSOCIATED


def test_client_bare_release_serves_meters_that_want_it_so() -> None:
    """protect_release=False leaves the ciphered InitiateRequest out of the RLRQ."""
    client, peer = opened(MechanismId.HLS_GMAC, True, protect_release=False)
    assert client.release() == bytes.fromhex("6203800100")
    assert isinstance(client.receive(peer.answer(bytes.fromhex("6203800100")) or b""), Released)


def test_client_longer_password_begins_with_the_right_one() -> None:
    """What a comparison that stops at the end of its own password would take."""
    client = ClientAssociation(settings(MechanismId.LLS))
    right = client.settings.secret
    assert right
    sent = apdu.decode(client.associate(spoil=Spoil.LONGER_PASSWORD))
    assert isinstance(sent, Aarq)
    assert sent.authentication_value == right + b"1"


def test_client_replayed_answer_with_a_right_tag_is_the_servers_doing() -> None:
    """The tag vouches for the bytes where no checksum does; a damaged one does not."""
    client, peer = opened(MechanismId.HLS_GMAC, True)
    client.get(*REGISTER)
    answer = peer.channel.protect(bytes.fromhex("C401C6001105"), counter=0)
    with pytest.raises(CounterReplayed) as replayed:
        client.receive(answer)
    assert replayed.value.frame_intact
    with pytest.raises(CounterReplayed) as damaged:
        client.receive(answer[:-1] + bytes((answer[-1] ^ 1,)))
    assert not damaged.value.frame_intact
