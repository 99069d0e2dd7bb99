"""Services of C12.18: what goes in comes out, what cannot be said is refused, and secrets do not show."""

from __future__ import annotations

import contextlib

import pytest
from c1218_peer import golden
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.c1218.codes import BAUDS
from adapters.protocols.c1218.services import (
    Authenticate,
    AuthenticateResponse,
    DefaultRead,
    Disconnect,
    ErrorResponse,
    FullRead,
    FullWrite,
    Identify,
    IdentifyResponse,
    IndexRead,
    IndexWrite,
    Logoff,
    Logon,
    Negotiate,
    NegotiateResponse,
    OffsetRead,
    OffsetWrite,
    Ok,
    RawRequest,
    RawResponse,
    Request,
    Response,
    ResponseCode,
    Security,
    TableData,
    Terminate,
    TimingSetup,
    TimingSetupResponse,
    Wait,
    checksum,
    decode_request,
    decode_response,
    table_name,
)

octet, word = st.integers(0, 0xFF), st.integers(0, 0xFFFF)
offset = st.integers(0, 0xFFFFFF)
data = st.binary(max_size=300)
indexes = st.lists(word, min_size=1, max_size=9).map(tuple)
bauds = st.lists(st.sampled_from(sorted(BAUDS.values())), max_size=11).map(tuple)
users = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=10)

requests = st.one_of(
    st.sampled_from([Identify(), Terminate(), Disconnect(), DefaultRead(), Logoff()]),
    st.builds(FullRead, table=word),
    st.builds(IndexRead, table=word, indexes=indexes, count=word),
    st.builds(OffsetRead, table=word, offset=offset, octets=word),
    st.builds(FullWrite, table=word, data=data),
    st.builds(IndexWrite, table=word, indexes=indexes, data=data),
    st.builds(OffsetWrite, table=word, offset=offset, data=data),
    st.builds(Logon, user_id=word, user=users),
    st.builds(Security, password=st.binary(max_size=20), user_id=st.none() | word),
    st.builds(Authenticate, token=st.binary(max_size=255)),
    st.builds(Negotiate, packet_octets=word, packets=octet, bauds=bauds),
    st.builds(Wait, seconds=octet),
    st.builds(TimingSetup, channel_s=octet, inter_character_s=octet, response_s=octet, retries=octet),
    st.builds(RawRequest, octets=st.binary(max_size=20).map(lambda rest: b"\x54" + rest)),
)

refusals = st.sampled_from([code for code in ResponseCode if code]).map(lambda code: ErrorResponse(code=code))
answers = st.one_of(
    st.tuples(
        st.just(Identify()),
        st.builds(
            IdentifyResponse,
            standard=octet,
            version=octet,
            revision=octet,
            features=st.binary(max_size=20),
        ),
    ),
    st.tuples(st.just(FullRead(table=1)), st.builds(TableData, data=data)),
    st.tuples(
        st.just(Negotiate(packet_octets=64, packets=1)),
        st.builds(
            NegotiateResponse,
            packet_octets=word,
            packets=octet,
            baud=st.sampled_from([0, *BAUDS.values()]),
        ),
    ),
    st.tuples(
        st.just(TimingSetup(channel_s=1, inter_character_s=1, response_s=1, retries=1)),
        st.builds(
            TimingSetupResponse, channel_s=octet, inter_character_s=octet, response_s=octet, retries=octet
        ),
    ),
    st.tuples(
        st.just(Authenticate(token=b"")), st.builds(AuthenticateResponse, token=st.binary(max_size=255))
    ),
    st.tuples(requests.filter(lambda r: not isinstance(r, RawRequest)), refusals),
    st.tuples(st.just(RawRequest(octets=b"\x54")), st.builds(RawResponse, octets=st.binary(min_size=1))),
    st.tuples(
        st.sampled_from([Terminate(), Logon(), Wait(seconds=1), FullWrite(table=1, data=b"")]), st.just(Ok())
    ),
)


@given(requests)
def test_request_round_trip_returns_the_same_value(request: Request) -> None:
    """Every request is decoded to what was encoded."""
    assert decode_request(request.encode()) == request


@given(answers)
def test_response_round_trip_returns_the_same_value(pair: tuple[Request, Response]) -> None:
    """Every response is decoded, beside its request, to what was encoded."""
    request, response = pair
    assert decode_response(request, response.encode()) == response


@given(st.binary(max_size=60))
def test_decoders_any_octets_give_a_value_or_one_error(octets: bytes) -> None:
    """Whatever comes is a value or a RemoteProtocolError that blames the device."""
    for decode in (decode_request, lambda o: decode_response(FullRead(table=1), o)):
        try:
            value = decode(octets)
        except RemoteProtocolError as error:
            blamed = error.frame_intact
        else:
            blamed = decode(value.encode()) == value
        assert blamed


@given(requests, st.data())
def test_request_cut_or_longer_is_never_taken_for_the_same(request: Request, draw: st.DataObject) -> None:
    """A request that lost its end, or has something behind it, is another value or an error."""
    octets = request.encode()
    size = draw.draw(st.integers(0, len(octets) + 2).filter(lambda n: n != len(octets)))
    other = octets[:size] + bytes(max(0, size - len(octets)))
    with contextlib.suppress(RemoteProtocolError):
        assert decode_request(other) != request


@pytest.mark.parametrize("request_", golden("c1218_termineter.yaml")["requests"].items(), ids=lambda r: r[0])
def test_request_made_by_termineter_is_encoded_alike(request_: tuple[str, dict[str, str]]) -> None:
    """Decoding and encoding a foreign request gives the same octets."""
    octets = bytes.fromhex(request_[1]["service"])
    assert decode_request(octets).encode() == octets


@pytest.mark.parametrize("vector", golden("c1218_termineter.yaml")["checksums"])
def test_table_checksum_is_that_of_termineter(vector: dict[str, str]) -> None:
    """The two's complement of the sum."""
    assert checksum(bytes.fromhex(vector["data"])) == int(vector["table"], 16)


@pytest.mark.parametrize(
    "request_",
    [
        FullRead(table=0x10000),
        FullRead(table=-1),
        OffsetRead(table=1, offset=0x1000000, octets=1),
        OffsetRead(table=1, offset=-1, octets=1),
        OffsetRead(table=1, offset=0, octets=65536),
        IndexRead(table=1, indexes=(), count=1),
        IndexRead(table=1, indexes=tuple(range(10)), count=1),
        IndexRead(table=1, indexes=(1,), count=65536),
        FullWrite(table=1, data=bytes(65536)),
        OffsetWrite(table=1, offset=0, data=bytes(65536)),
        IndexWrite(table=1, indexes=(1,), data=bytes(65536)),
        Logon(user_id=-1),
        Logon(user="elevenchars"),
        Logon(user="Ω"),
        Security(password=bytes(21)),
        Security(password=b"", user_id=65536),
        Authenticate(token=bytes(256)),
        Negotiate(packet_octets=65536, packets=1),
        Negotiate(packet_octets=64, packets=256),
        Negotiate(packet_octets=64, packets=1, bauds=(9601,)),
        Negotiate(packet_octets=64, packets=1, bauds=(9600,) * 12),
        Wait(seconds=256),
        TimingSetup(channel_s=256, inter_character_s=1, response_s=1, retries=1),
    ],
    ids=lambda request: type(request).__name__,
)
def test_request_that_does_not_fit_is_a_local_error(request_: Request) -> None:
    """What the service cannot carry is our mistake, found before anything is sent."""
    with pytest.raises(LocalProtocolError):
        request_.encode()


@pytest.mark.parametrize(
    "response",
    [
        TableData(data=bytes(65536)),
        NegotiateResponse(packet_octets=64, packets=1, baud=1),
        NegotiateResponse(packet_octets=-1, packets=1),
        IdentifyResponse(standard=256),
        AuthenticateResponse(token=bytes(256)),
    ],
    ids=lambda response: type(response).__name__,
)
def test_response_that_does_not_fit_is_a_local_error(response: Response) -> None:
    """Likewise for what a device is to say."""
    with pytest.raises(LocalProtocolError):
        response.encode()


def test_read_of_65535_octets_is_possible() -> None:
    """The largest read and the largest answer fit."""
    request = OffsetRead(table=2049, offset=0xFFFFFF, octets=0xFFFF)
    assert bytes.fromhex("3f0801ffffffffff") == request.encode()
    response = TableData(data=bytes(65535))
    assert response == decode_response(request, response.encode())


SECRET = b"swordfish-20-octets!"


@pytest.mark.parametrize("secret", [Security(password=SECRET), Security(password=SECRET, user_id=7)])
def test_password_shows_neither_in_repr_nor_in_errors(secret: Security) -> None:
    """A password is not told by the value, nor by what its damaged octets raise."""
    assert "swordfish" not in repr(secret)
    assert "swordfish" not in str(secret)
    assert "swordfish" not in repr(RawRequest(octets=secret.encode()))
    for octets in (secret.encode()[:-1], secret.encode() + b"?!#"):
        with pytest.raises(RemoteProtocolError) as caught:
            decode_request(octets)
        assert "swordfish" not in str(caught.value)
        assert b"swordfish" not in caught.value.data
    with pytest.raises(LocalProtocolError) as local:
        Security(password=SECRET + b"x").encode()
    assert "swordfish" not in str(local.value)


def test_token_shows_neither_in_repr_nor_in_errors() -> None:
    """The same holds for authentication tokens, in both directions."""
    for value in (Authenticate(token=SECRET), AuthenticateResponse(token=SECRET)):
        assert "swordfish" not in repr(value)
    with pytest.raises(RemoteProtocolError) as caught:
        decode_request(Authenticate(token=SECRET).encode()[:-1])
    assert b"swordfish" not in caught.value.data
    with pytest.raises(RemoteProtocolError) as caught:
        decode_response(Authenticate(token=b""), AuthenticateResponse(token=SECRET).encode()[:-1])
    assert b"swordfish" not in caught.value.data


def test_password_shorter_than_twenty_octets_is_padded() -> None:
    """Both ends hold the padded value; who wants spaces hands over all twenty octets."""
    assert Security(password=b"12345678") == Security(password=b"12345678".ljust(20, b"\x00"))
    assert b"\x51" + b"12345678".ljust(20) == Security(password=b"12345678".ljust(20)).encode()


@pytest.mark.parametrize(
    ("number", "short", "reason"),
    [
        (0x00, "ok", "ok"),
        (0x01, "err", "error"),
        (0x02, "sns", "service-not-supported"),
        (0x03, "isc", "insufficient-security"),
        (0x04, "onp", "operation-not-possible"),
        (0x05, "iar", "inappropriate-action"),
        (0x06, "bsy", "busy"),
        (0x07, "dnr", "data-not-ready"),
        (0x08, "dlk", "data-locked"),
        (0x09, "rno", "renegotiate"),
        (0x0A, "isss", "invalid-service-sequence"),
        (0x0B, "sme", "security-mechanism-error"),
        (0x0C, "uat", "unknown-application-title"),
        (0x0D, "nett", "network-time-out"),
        (0x0E, "netr", "network-not-reachable"),
        (0x0F, "rqtl", "request-too-large"),
        (0x10, "rstl", "response-too-large"),
        (0x11, "sgnp", "segmentation-not-possible"),
        (0x12, "sgerr", "segmentation-error"),
    ],
)
def test_response_code_has_the_names_of_the_standard(number: int, short: str, reason: str) -> None:
    """Number, short name and hyphenated meaning."""
    code = ResponseCode(number)
    assert (short, reason) == (code.short, code.reason)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", "empty"),
        (b"\x00\x00\x02ab", "count says 2"),
        (b"\x00\x00\x01a\x00", "checksum 0x00, expected 0x9f"),
        (b"\x00\x00", "too few"),
        (b"\x13", "not defined"),
        (b"\x30\x00\x01", "not defined"),
        (b"\x03\x00", "1 octets behind response code isc"),
    ],
)
def test_answer_to_a_read_that_is_broken_blames_the_device(octets: bytes, text: str) -> None:
    """The packet was intact, so the device said this."""
    with pytest.raises(RemoteProtocolError, match=text) as caught:
        decode_response(FullRead(table=1), octets)
    assert caught.value.frame_intact


def test_identification_without_end_of_list_is_taken_as_it_is() -> None:
    """Meters that leave the last octet out exist; their features are not lost."""
    expected = IdentifyResponse(standard=0, version=1, revision=0, features=b"\x07\x0f")
    assert expected == decode_response(Identify(), bytes.fromhex("00000100070f"))
    assert expected == decode_response(Identify(), bytes.fromhex("00000100070f00"))


def test_negotiation_without_speed_may_leave_it_out() -> None:
    """A device that was offered no speed answers five octets or four."""
    request = Negotiate(packet_octets=64, packets=1)
    assert decode_response(request, bytes.fromhex("00004001")) == NegotiateResponse(
        packet_octets=64, packets=1
    )
    with pytest.raises(RemoteProtocolError, match="no line speed"):
        decode_response(request, bytes.fromhex("000040010f"))


def test_negotiation_drops_speeds_nobody_knows() -> None:
    """Codes of other vendors do not spoil the request; a device cannot choose them anyway."""
    request = decode_request(bytes.fromhex("6302000406400a"))
    assert Negotiate(packet_octets=512, packets=4, bauds=(9600, 57600)) == request


def test_table_names_are_those_people_write() -> None:
    """Standard and manufacturer tables."""
    assert [table_name(n) for n in (0, 2047, 2048, 2060)] == ["ST0", "ST2047", "MT0", "MT12"]
