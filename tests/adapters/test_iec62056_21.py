"""The sign-on of the optical port and the hand-over to HDLC, both roles."""

from __future__ import annotations

from typing import Any

import pytest
from framing_helpers import golden, named
from hypothesis import given
from hypothesis import strategies as st

from adapters.base import LineSettings
from adapters.errors import FrameDamaged, LocalProtocolError, RemoteProtocolError
from adapters.protocols.iec62056_21 import (
    NEED_DATA,
    SIGN_ON_SETTINGS,
    Confirmation,
    HandedOver,
    Identification,
    IdentificationReceived,
    LineChange,
    MessageRejected,
    ModeEClient,
    ModeEServer,
    OptionSelect,
    OptionSelected,
    Request,
    RequestReceived,
    SignOnEvent,
    SignOnFailed,
    SignOnState,
    from_7e1,
    parse_message,
    to_7e1,
)

REQUEST = b"/?!\r\n"
MT372 = b"/ISK5\\2MT372-3107\r\n"
OPTION = b"\x06252\r\n"
HDLC_9600 = LineSettings(baud=9600, data_bits=8, parity="N", stop_bits=1)
SEVEN_9600 = LineSettings(baud=9600, data_bits=7, parity="E", stop_bits=1)
METER = Identification(manufacturer="ISK", baud_code="5", enhanced="2", identification="MT372-3107")


def events_of(engine: ModeEClient | ModeEServer) -> list[SignOnEvent]:
    """Return all events that are due."""
    events = []
    while (event := engine.next_event()) is not NEED_DATA:
        events.append(event)
    return events


def log_of(engine: ModeEClient | ModeEServer) -> list[object]:
    """Return events and octets in the order in which an owner acts on them (see ``events``)."""
    log: list[object] = []
    while (event := engine.next_event()) is not NEED_DATA:
        if data := engine.data_to_send():
            log.append(data)
        log.append(event)
    if data := engine.data_to_send():
        log.append(data)
    return log


@pytest.mark.parametrize("vector", named("iec62056_21"))
def test_message_of_others_is_read_and_written_the_same(vector: dict[str, Any]) -> None:
    """Foreign octets have the parts their meters meant, and we would write them alike."""
    message = parse_message(vector["octets"])
    assert type(message).__name__ == vector["kind"]
    assert message.encode() == vector["octets"]
    if isinstance(message, Identification):
        assert message.identification == vector["text"]
        assert message.offers_hdlc is vector["hdlc"]
        assert message.reaction_time_s == vector["reaction_ms"] / 1000
    if not isinstance(message, Request):
        assert message.baud == vector["baud"]


@pytest.mark.parametrize("vector", named("seven_bit"))
def test_seven_bit_octets_of_others_carry_the_parity_we_would_add(vector: dict[str, Any]) -> None:
    """What an 8N1 receiver sees of a 7E1 sender."""
    plain, line = bytes.fromhex(vector["plain"]), bytes.fromhex(vector["line"])
    assert to_7e1(plain) == line
    assert from_7e1(line) == plain


@given(st.binary(max_size=50).map(lambda data: bytes(octet & 0x7F for octet in data)))
def test_seven_bit_round_trip_gives_the_same_octets(data: bytes) -> None:
    """Parity added, parity removed."""
    assert from_7e1(to_7e1(data)) == data


def test_seven_bit_wrong_parity_is_damage_and_eight_bits_are_our_mistake() -> None:
    """Any single wrong bit is seen; an octet above 0x7F cannot be sent."""
    good = to_7e1(b"/?!\r\n")
    for bit in range(8):
        with pytest.raises(FrameDamaged) as caught:
            from_7e1(bytes((good[0] ^ 1 << bit,)) + good[1:])
        assert len(caught.value.data) == len(good)
    with pytest.raises(LocalProtocolError):
        to_7e1(b"\x80")


@pytest.mark.parametrize(
    "message",
    [
        Request(address="1" * 33),
        Request(address="/"),
        Identification(manufacturer="AB", baud_code="5"),
        Identification(manufacturer="ABC", baud_code="5", identification="x" * 17),
        Identification(manufacturer="ABC", baud_code="55"),
        OptionSelect(protocol="x"),
    ],
)
def test_message_that_cannot_be_is_a_local_error(message: Request | Identification | OptionSelect) -> None:
    """Parts that are too long or not allowed are our mistake."""
    with pytest.raises(LocalProtocolError):
        message.encode()


@pytest.mark.parametrize("data", [b"", b"/", b"/?!", b"/IS5x\r\n", b"\x0625\r\n", b"hello\r\n"])
def test_message_that_is_none_is_a_remote_error(data: bytes) -> None:
    """The octets are kept."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_message(data)
    assert caught.value.data == data


def test_client_signs_on_as_an_independent_meter_expects() -> None:
    """Request, identification, option select, the same octets back, then 9600 8N1."""
    client = ModeEClient()
    client.start()
    assert log_of(client) == [LineChange(settings=SIGN_ON_SETTINGS), REQUEST]
    client.receive_data(MT372)
    assert log_of(client) == [IdentificationReceived(identification=METER, delay_s=0.2), OPTION]
    client.receive_data(OPTION)
    assert log_of(client) == [LineChange(settings=HDLC_9600), HandedOver(confirmed=True)]


def test_client_keeps_octets_that_came_behind_the_confirmation() -> None:
    """HDLC may follow at once."""
    client = ModeEClient()
    client.start()
    client.receive_data(MT372)
    client.receive_data(OPTION + b"\x7e\xa0")
    assert events_of(client)[-1] == HandedOver(rest=b"\x7e\xa0", confirmed=True)
    with pytest.raises(LocalProtocolError, match="HDLC now"):
        client.receive_data(b"\x07")


def test_client_does_without_a_confirmation_that_does_not_come() -> None:
    """Not all meters confirm."""
    client = ModeEClient()
    client.start()
    client.receive_data(MT372)
    events_of(client)
    client.response_timeout()
    assert events_of(client) == [LineChange(settings=HDLC_9600), HandedOver(confirmed=False)]


@pytest.mark.parametrize(
    "confirmation,expected",
    [
        (Confirmation.NONE, [OPTION, LineChange(settings=HDLC_9600), HandedOver()]),
        (Confirmation.NEW_SPEED, [OPTION, LineChange(settings=SEVEN_9600)]),
    ],
)
def test_client_changes_speed_when_the_profile_says(
    confirmation: Confirmation, expected: list[object]
) -> None:
    """The option select always leaves before the change."""
    client = ModeEClient(confirmation=confirmation)
    client.start()
    log_of(client)
    client.receive_data(MT372)
    assert log_of(client) == [IdentificationReceived(identification=METER, delay_s=0.2), *expected]


@pytest.mark.parametrize("confirmation", list(Confirmation))
def test_pair_hands_over_at_the_same_speed(confirmation: Confirmation) -> None:
    """Reader and meter agree on the line, whichever way the meter confirms."""
    client = ModeEClient(confirmation=confirmation)
    server = ModeEServer(METER, confirmation=confirmation)
    lines: dict[str, list[LineSettings]] = {"client": [], "server": []}
    over: set[str] = set()
    client.start()
    for _ in range(10):
        for name, engine, other in (("client", client, server), ("server", server, client)):
            while (event := engine.next_event()) is not NEED_DATA:
                if (data := engine.data_to_send()) and other.state is not SignOnState.HANDED_OVER:
                    other.receive_data(data)
                if isinstance(event, LineChange):
                    lines[name].append(event.settings)
                elif isinstance(event, HandedOver):
                    over.add(name)
            if (data := engine.data_to_send()) and other.state is not SignOnState.HANDED_OVER:
                other.receive_data(data)
    assert over == {"client", "server"}
    assert lines["client"][1:] == lines["server"]
    assert lines["server"][-1] == HDLC_9600


def test_client_caps_the_speed() -> None:
    """A slow optical head asks for less than the meter offers."""
    client = ModeEClient(max_baud=4800)
    client.start()
    client.receive_data(MT372)
    assert log_of(client)[-1] == b"\x06242\r\n"


def test_client_repeats_the_request_and_gives_up() -> None:
    """Two repetitions, then the sign-on has failed."""
    client = ModeEClient()
    client.start()
    log_of(client)
    for _ in range(2):
        client.response_timeout()
        assert log_of(client) == [REQUEST]
    client.response_timeout()
    assert events_of(client) == [SignOnFailed(why="no identification after 3 requests")]
    client.response_timeout()
    assert events_of(client) == []


def test_client_meter_without_hdlc_fails_unless_told_to_try() -> None:
    """A mode C meter is recognised; some meters do not announce what they can."""
    plain = b"/ABB5\\@V9.00\r\n"
    client = ModeEClient()
    client.start()
    client.receive_data(plain)
    failed = events_of(client)[-1]
    assert isinstance(failed, SignOnFailed)
    assert failed.data == plain
    trying = ModeEClient(require_offer=False)
    trying.start()
    trying.receive_data(plain)
    assert log_of(trying)[-1] == OPTION


def test_client_mode_b_meter_has_no_speed_to_offer() -> None:
    """Baud rate codes A to I belong to mode B."""
    client = ModeEClient(require_offer=False)
    client.start()
    client.receive_data(b"/ABCE12345\r\n")
    failed = events_of(client)[-1]
    assert isinstance(failed, SignOnFailed)
    assert "'E'" in failed.why


def test_client_ignores_the_echo_of_its_request_and_reports_noise() -> None:
    """An optical head that echoes, and octets of noise before the answer."""
    client = ModeEClient()
    client.start()
    log_of(client)
    client.receive_data(REQUEST + b"\x00\x00" + b"xy" + MT372)
    rejected, identified = events_of(client)
    assert isinstance(rejected, MessageRejected)
    assert isinstance(identified, IdentificationReceived)


def test_server_hands_over_as_meters_of_others_do() -> None:
    """Identification, the option select back, then HDLC."""
    server = ModeEServer(METER)
    server.receive_data(b"\x00\x00\x00" + REQUEST)
    assert log_of(server) == [RequestReceived(address="", delay_s=0.2), MT372]
    server.receive_data(OPTION)
    assert log_of(server) == [OPTION, LineChange(settings=HDLC_9600), HandedOver(confirmed=True)]


def test_server_answers_fast_when_its_name_says_so() -> None:
    """A lower-case third letter promises 20 ms."""
    server = ModeEServer(Identification(manufacturer="ISk", baud_code="5", enhanced="2"))
    server.receive_data(REQUEST)
    assert events_of(server) == [RequestReceived(address="", delay_s=0.02)]


@pytest.mark.parametrize("asked,answers", [("", True), ("12345", True), ("0012345", True), ("54321", False)])
def test_server_answers_to_its_own_address_only(asked: str, answers: bool) -> None:
    """Leading zeros carry no meaning; a request for another meter is silence."""
    server = ModeEServer(METER, address="12345")
    server.receive_data(Request(address=asked).encode())
    assert bool(log_of(server)) is answers


def test_server_mode_c_choice_is_reported_not_taken() -> None:
    """Mode C is not built yet; its place is an event."""
    server = ModeEServer(METER)
    server.receive_data(REQUEST)
    log_of(server)
    server.receive_data(b"\x06050\r\n")
    assert log_of(server) == [OptionSelected(option=OptionSelect(protocol="0", baud_code="5", mode="0"))]
    server.receive_data(OPTION)
    assert isinstance(events_of(server)[-1], HandedOver)


def test_server_faster_than_offered_is_rejected() -> None:
    """A reader cannot ask for more than the meter offers."""
    server = ModeEServer(METER)
    server.receive_data(REQUEST)
    log_of(server)
    server.receive_data(b"\x06262\r\n")
    (rejected,) = log_of(server)
    assert isinstance(rejected, MessageRejected)


def test_server_option_select_without_request_is_rejected() -> None:
    """There is an order."""
    server = ModeEServer(METER)
    server.receive_data(OPTION)
    assert [type(event) for event in log_of(server)] == [MessageRejected]


def test_server_direct_hdlc_is_recognised_and_kept_whole() -> None:
    """No sign-on: the first octets are an HDLC frame, and none of them is lost."""
    snrm = golden()["hdlc"][0]["octets"]
    server = ModeEServer(METER)
    server.receive_data(snrm)
    assert events_of(server) == [HandedOver(rest=snrm, direct=True)]
    strict = ModeEServer(METER, direct_hdlc=False)
    strict.receive_data(snrm)
    assert not any(isinstance(event, HandedOver) for event in events_of(strict))


def test_server_reset_begins_again_at_the_sign_on_speed() -> None:
    """After DISC or silence the meter waits for a request again."""
    server = ModeEServer(METER)
    server.receive_data(REQUEST)
    server.receive_data(OPTION)
    log_of(server)
    server.reset()
    assert log_of(server) == [LineChange(settings=SIGN_ON_SETTINGS)]
    server.receive_data(REQUEST)
    assert log_of(server)[-1] == MT372


@given(st.data())
def test_server_any_chunking_gives_the_same_events(data: st.DataObject) -> None:
    """Requests, noise, half messages and HDLC: cuts change nothing."""
    part = st.sampled_from(
        [REQUEST, b"/?", b"noise", OPTION, b"\x06", b"\x00" * 5, b"x" * 70, MT372, b"\r\n"]
    )
    octets = b"".join(data.draw(st.lists(part, max_size=8)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=8)))

    def run(chunks: list[bytes]) -> tuple[list[object], bytes]:
        server = ModeEServer(METER)
        log: list[object] = []
        rest = b""
        for chunk in chunks:
            if server.state is SignOnState.HANDED_OVER:
                rest += chunk
                continue
            server.receive_data(chunk)
            for item in log_of(server):
                if isinstance(item, HandedOver):
                    rest += item.rest
                    log.append(HandedOver)
                elif isinstance(item, bytes) and log and isinstance(log[-1], bytes):
                    log[-1] += item
                else:
                    log.append(item)
        return log, rest

    whole = run([octets])
    assert run([octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]) == whole
    assert run([octets[i : i + 1] for i in range(len(octets))]) == whole


def test_server_endless_noise_keeps_a_bounded_buffer() -> None:
    """Octets without a message are reported in pieces, never hoarded."""
    server = ModeEServer(METER)
    for _ in range(100):
        server.receive_data(b"/" + b"x" * 1000)
        assert all(isinstance(event, MessageRejected) for event in events_of(server))
        assert len(server._buffer) <= 64
