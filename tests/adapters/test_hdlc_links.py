"""The two HDLC engines, against each other and against the octets of other implementations."""

from __future__ import annotations

import pytest
from framing_helpers import Pair, events_of, vector

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.hdlc import (
    Control,
    HdlcAddress,
    HdlcClientLink,
    HdlcFrame,
    HdlcServerLink,
    HdlcStream,
    State,
    decode_frame,
)
from adapters.protocols.dlms.hdlc_state import LOCAL, TRANSITIONS, Event, Role, next_state
from adapters.protocols.dlms.link import (
    NEED_DATA,
    ApduReceived,
    DownReason,
    FrameDamagedEvent,
    FrameRejected,
    LinkDown,
    LinkParameters,
    LinkUp,
)

GET = bytes.fromhex("C001C10003010001 0800FF0200".replace(" ", ""))
CLIENT, METER = HdlcAddress(16), HdlcAddress(1)


def from_meter(control: int, information: bytes = b"", segmented: bool = False) -> bytes:
    """Return a frame of the meter."""
    return HdlcFrame(CLIENT, METER, control, information, segmented).encode()


def from_client(control: int, information: bytes = b"", segmented: bool = False) -> bytes:
    """Return a frame of the client."""
    return HdlcFrame(METER, CLIENT, control, information, segmented).encode()


def controls(octets: bytes) -> list[int]:
    """Return the control fields of the frames in ``octets``."""
    stream = HdlcStream()
    stream.receive_data(octets)
    found = []
    while (item := stream.next_frame()) is not None:
        assert isinstance(item, HdlcFrame)
        found.append(item.control)
    return found


def connected(**options: int) -> Pair:
    """Return a pair with an open connection."""
    pair = Pair(HdlcClientLink(16, 1, **options), HdlcServerLink(max_info=2030, window=7))
    pair.client.connect()
    assert [type(event) for event in pair.run()] == [LinkUp]
    return pair


def client_up() -> HdlcClientLink:
    """Return a client that a meter's UA has just connected."""
    client = HdlcClientLink(16, 1)
    client.connect()
    client.data_to_send()
    client.receive_data(vector("ua-after-disc-of-a-real-meter"))
    assert isinstance(events_of(client)[0], LinkUp)
    return client


def server_up(**options: int) -> HdlcServerLink:
    """Return a server that client 16 has just connected to."""
    server = HdlcServerLink(**options)
    server.receive_data(vector("snrm-one-octet-addresses"))
    assert isinstance(events_of(server)[0], LinkUp)
    server.data_to_send()
    return server


def test_client_connect_with_defaults_sends_the_classic_snrm() -> None:
    """Without wishes the SNRM has no parameters."""
    client = HdlcClientLink(16, 1)
    client.connect()
    assert client.data_to_send() == vector("snrm-one-octet-addresses")
    assert client.data_to_send() == b""


def test_client_connect_with_wishes_sends_them() -> None:
    """Larger fields and windows are proposed as other readers propose them."""
    client = HdlcClientLink(16, 1, 4660, 4, max_info=1024, window=7)
    client.connect()
    assert client.data_to_send() == vector("snrm-four-octets-1024-window-7")


def test_client_ua_of_a_real_meter_brings_the_link_up() -> None:
    """The UA of a foreign meter is understood, its parameters seen from our side."""
    client = HdlcClientLink(16, 1, 17, 2, max_info=512)
    client.connect()
    client.data_to_send()
    client.receive_data(vector("ua-two-octet-server-154-octets"))
    expected = LinkParameters(max_info_transmit=154, max_info_receive=154)
    assert events_of(client) == [LinkUp(parameters=expected, client_sap=16, server_sap=1)]
    assert client.state is State.CONNECTED


def test_client_parameters_are_mirrored() -> None:
    """What the meter transmits is what we receive, as gurux-dlms 1.0.203 understands the same UA."""
    client = HdlcClientLink(16, 1, max_info=1000, window=7)
    client.connect()
    information = bytes.fromhex("81801405020100060202000704000000020804000000 03".replace(" ", ""))
    client.receive_data(from_meter(0x73, information))
    (up,) = events_of(client)
    assert up == LinkUp(
        parameters=LinkParameters(
            max_info_transmit=512, max_info_receive=256, window_transmit=3, window_receive=2
        ),
        client_sap=16,
        server_sap=1,
    )


def test_client_first_request_and_answer_are_those_of_others() -> None:
    """Our AARQ frame is octet for octet that of dlms-cosem, and its AARE frame is delivered."""
    client = HdlcClientLink(16, 1, 17, 2)
    client.connect()
    client.receive_data(vector("ua-two-octet-server-154-octets"))
    events_of(client)
    client.data_to_send()
    aarq = vector("i-with-aarq-two-octet-server")
    client.send_apdu(decode_frame(aarq).information[3:])
    assert client.data_to_send() == aarq
    assert client.awaiting_reply
    aare = vector("i-with-aare-two-octet-server")
    client.receive_data(aare)
    assert events_of(client) == [
        ApduReceived(apdu=decode_frame(aare).information[3:], client_sap=16, server_sap=1, intact=True)
    ]
    assert not client.awaiting_reply


def test_server_answers_the_classic_snrm_with_the_classic_ua() -> None:
    """The UA of a real meter, octet for octet."""
    server = HdlcServerLink()
    server.receive_data(vector("snrm-one-octet-addresses"))
    events_of(server)
    assert server.data_to_send() == vector("ua-after-disc-of-a-real-meter")


def test_server_answers_two_octet_addresses_in_kind() -> None:
    """The answer carries the address as the client wrote it."""
    server = HdlcServerLink(physical=17)
    server.receive_data(vector("snrm-two-octet-server"))
    assert events_of(server)[0] == LinkUp(parameters=LinkParameters(), client_sap=16, server_sap=1)
    ua = decode_frame(server.data_to_send())
    assert (ua.destination, ua.source) == (CLIENT, HdlcAddress(1, 17, 2))


@pytest.mark.parametrize("information", [b"", bytes.fromhex("8180080502020006020200")])
def test_server_never_agrees_to_more_than_both_want(information: bytes) -> None:
    """A small server answers a large proposal with its own numbers."""
    server = HdlcServerLink(max_info=200, window=2)
    server.receive_data(from_client(0x93, information))
    (up,) = events_of(server)
    assert isinstance(up, LinkUp)
    assert up.parameters is not None
    assert up.parameters.max_info_transmit == (200 if information else 128)
    assert up.parameters.window_transmit == 1


@pytest.mark.parametrize("window", range(1, 8))
@pytest.mark.parametrize("max_info", [16, 128, 2030])
def test_pair_long_apdus_arrive_whole_in_both_directions(window: int, max_info: int) -> None:
    """Segments, windows and RR in between are invisible to the application."""
    pair = connected(max_info=max_info, window=window)
    pair.answer = lambda apdu: apdu[::-1] * 2
    for length in (1, max_info - 3, max_info - 2, 5 * max_info, 1000):
        apdu = bytes(i * 7 & 0xFF for i in range(length))
        pair.client.send_apdu(apdu)
        (answer,) = pair.run()
        assert isinstance(answer, ApduReceived)
        assert answer.apdu == apdu[::-1] * 2
    assert not pair.client.duplicates
    assert not pair.server.duplicates


def test_pair_segments_carry_the_bit_and_the_llc_octets_once() -> None:
    """Only the first segment has LLC octets, all but the last the segmentation bit, one poll a window."""
    pair = connected(max_info=20, window=2)
    pair.to_server.clear()
    pair.answer = lambda apdu: None
    pair.client.send_apdu(bytes(60))
    pair.run()
    frames = []
    stream = HdlcStream()
    for octets in pair.to_server:
        stream.receive_data(octets)
        while (item := stream.next_frame()) is not None:
            assert isinstance(item, HdlcFrame)
            frames.append(item)
    assert [f.segmented for f in frames] == [True, True, True, False]
    assert [f.poll_final for f in frames] == [False, True, False, True]
    assert [f.send_number for f in frames] == [0, 1, 2, 3]
    assert frames[0].information == b"\xe6\xe6\x00" + bytes(17)
    assert frames[1].information == bytes(20)


def test_client_polls_for_the_next_segments_with_rr() -> None:
    """A segmented answer is fetched window by window."""
    client = client_up()
    client.send_apdu(GET)
    client.data_to_send()
    client.receive_data(from_meter(0x30, b"\xe6\xe7\x00\xc4\x01", segmented=True))
    assert events_of(client) == []
    assert controls(client.data_to_send()) == [0x31]  # RR, N(R)=1, poll
    client.receive_data(from_meter(0x32, b"\xc1\x00"))
    (answer,) = events_of(client)
    assert isinstance(answer, ApduReceived)
    assert answer.apdu == b"\xc4\x01\xc1\x00"
    assert client.data_to_send() == b""


def test_server_holds_the_word_until_the_application_answers() -> None:
    """No frame leaves before the answer is there, whatever time that takes."""
    server = server_up()
    server.receive_data(from_client(0x10, b"\xe6\xe6\x00" + GET))
    (request,) = events_of(server)
    assert isinstance(request, ApduReceived)
    assert request == ApduReceived(apdu=GET, client_sap=16, server_sap=1, intact=True)
    assert server.data_to_send() == b""
    server.send_apdu(b"\xc4", 16, 1)
    assert controls(server.data_to_send()) == [0x30]


def test_server_application_without_answer_acknowledges() -> None:
    """An unconfirmed request is acknowledged by RR alone."""
    server = server_up()
    server.receive_data(from_client(0x10, b"\xe6\xe6\x00" + GET))
    events_of(server)
    server.no_reply(16, 1)
    assert controls(server.data_to_send()) == [0x31]
    server.no_reply(16, 1)
    assert server.data_to_send() == b""


def test_server_late_answer_waits_for_the_next_poll() -> None:
    """Asked again meanwhile, the server says RR; the answer goes out when it is polled next."""
    server = server_up()
    request = from_client(0x10, b"\xe6\xe6\x00" + GET)
    server.receive_data(request)
    assert len(events_of(server)) == 1
    server.receive_data(request)
    assert events_of(server) == []
    assert server.duplicates == 1
    assert controls(server.data_to_send()) == [0x31]
    server.send_apdu(b"\xc4", 16, 1)
    assert server.data_to_send() == b""
    server.receive_data(from_client(0x11))
    events_of(server)
    assert controls(server.data_to_send()) == [0x30]


def test_server_repeated_request_gets_the_same_answer_and_is_not_delivered_again() -> None:
    """The answer was lost: the repeated request brings it back, the application sees nothing."""
    server = server_up()
    request = from_client(0x10, b"\xe6\xe6\x00" + GET)
    server.receive_data(request)
    events_of(server)
    server.send_apdu(b"\xc4", 16, 1)
    first = server.data_to_send()
    server.receive_data(request)
    assert events_of(server) == []
    assert server.data_to_send() == first


def test_client_timeout_polls_and_gets_the_lost_answer() -> None:
    """A lost answer costs one poll."""
    pair = connected()
    pair.client.send_apdu(GET)
    pair.server.receive_data(pair.client.data_to_send())
    pair.serve()
    pair.server.data_to_send()  # lost
    pair.client.response_timeout()
    assert [type(event) for event in pair.run()] == [ApduReceived]


@pytest.mark.parametrize("recovery", ["poll", "repeat"])
def test_client_timeout_repeats_a_lost_request(recovery: str) -> None:
    """A lost request is sent again, after a poll or at once."""
    client = HdlcClientLink(16, 1, recovery=recovery)  # type: ignore[arg-type]
    pair = Pair(client, HdlcServerLink())
    client.connect()
    pair.run()
    client.send_apdu(GET)
    client.data_to_send()  # lost
    client.response_timeout()
    assert [type(event) for event in pair.run()] == [ApduReceived]
    assert sum(isinstance(event, ApduReceived) for event in pair.server_events) == 1


@pytest.mark.parametrize("stage", ["connecting", "connected", "disconnecting"])
def test_client_gives_up_after_max_retries(stage: str) -> None:
    """Three repetitions in vain, then the link is down, not before."""
    client = HdlcClientLink(16, 1) if stage == "connecting" else client_up()
    if stage == "connecting":
        client.connect()
    elif stage == "connected":
        client.send_apdu(GET)
    else:
        client.disconnect()
    client.data_to_send()
    for _ in range(3):
        client.response_timeout()
        assert client.data_to_send() != b""
        assert events_of(client) == []
    client.response_timeout()
    assert events_of(client) == [LinkDown(reason=DownReason.NO_ANSWER, client_sap=16, server_sap=1)]
    assert client.state is State.DISCONNECTED
    client.response_timeout()
    assert client.data_to_send() == b""


def test_client_timeout_while_disconnected_does_nothing() -> None:
    """There is nobody to ask."""
    client = HdlcClientLink(16, 1)
    client.response_timeout()
    assert client.data_to_send() == b""
    assert events_of(client) == []


def test_client_dm_in_answer_to_snrm_is_a_refusal() -> None:
    """The octets of gurux-dlms: DM."""
    client = HdlcClientLink(16, 1)
    client.connect()
    client.receive_data(vector("dm"))
    assert events_of(client) == [LinkDown(reason=DownReason.REFUSED, client_sap=16, server_sap=1)]


def test_client_dm_on_an_open_connection_takes_it_down() -> None:
    """The meter has forgotten us (a power cut, its inactivity time-out)."""
    client = client_up()
    client.receive_data(vector("dm"))
    assert events_of(client) == [LinkDown(reason=DownReason.PEER_DISCONNECTED, client_sap=16, server_sap=1)]
    with pytest.raises(LocalProtocolError, match="client: send is not possible while disconnected"):
        client.send_apdu(GET)


def test_client_frmr_takes_the_link_down_and_says_why() -> None:
    """The octets of gurux-dlms: FRMR because of N(R)."""
    client = client_up()
    client.receive_data(vector("frmr"))
    rejected, down = events_of(client)
    assert isinstance(rejected, FrameRejected)
    assert "N(R) acknowledges what was not sent" in rejected.why
    assert down == LinkDown(reason=DownReason.FRAME_REJECT, client_sap=16, server_sap=1)


def test_client_disconnect_is_confirmed_by_a_ua_with_parameters() -> None:
    """A real meter answers DISC with a UA that has an information field."""
    client = client_up()
    client.disconnect()
    assert client.data_to_send() == vector("disc-to-a-real-meter")
    client.receive_data(vector("ua-after-disc-of-a-real-meter"))
    assert events_of(client) == [LinkDown(reason=DownReason.DISCONNECTED, client_sap=16, server_sap=1)]


def test_client_closed_wire_takes_the_link_down_once() -> None:
    """End of stream is an event, not silence."""
    client = client_up()
    client.receive_data(b"")
    assert events_of(client) == [LinkDown(reason=DownReason.CLOSED, client_sap=16, server_sap=1)]
    assert client.next_event() is NEED_DATA


def test_client_frames_for_others_and_echoes_are_only_counted() -> None:
    """An optical head's echo and another client's traffic are not ours."""
    client = client_up()
    client.send_apdu(GET)
    client.receive_data(client.data_to_send())
    client.receive_data(vector("ua-of-a-real-meter"))
    assert events_of(client) == []
    assert client.frames_for_others == 2
    assert client.awaiting_reply


def test_client_repeated_frames_do_not_pass_the_word() -> None:
    """A duplicated answer is not taken for the answer to the next request, and no storm begins."""
    client = client_up()
    client.send_apdu(GET)
    client.data_to_send()
    answer = from_meter(0x30, b"\xe6\xe7\x00\xc4\x01")
    client.receive_data(answer)
    assert len(events_of(client)) == 1
    client.send_apdu(GET)
    client.data_to_send()
    client.receive_data(answer)
    client.receive_data(from_meter(0x31))
    assert events_of(client) == []
    assert client.data_to_send() == b""
    assert client.duplicates == 2
    assert client.awaiting_reply


def test_client_gap_is_rejected_and_asked_for() -> None:
    """A frame ahead of its turn is refused; the poll names the one that is missing."""
    client = client_up()
    client.send_apdu(GET)
    client.data_to_send()
    client.receive_data(from_meter(0x34, b"\xe6\xe7\x00\xc4"))  # N(S)=2
    (rejected,) = events_of(client)
    assert isinstance(rejected, FrameRejected)
    assert "N(S)=2" in rejected.why
    assert controls(client.data_to_send()) == [0x11]


def test_client_wrong_llc_octets_are_rejected() -> None:
    """A server speaks E6 E7 00."""
    client = client_up()
    client.send_apdu(GET)
    client.receive_data(from_meter(0x30, b"\xe6\xe6\x00\xc4"))
    (rejected,) = events_of(client)
    assert isinstance(rejected, FrameRejected)
    assert "LLC" in rejected.why


@pytest.mark.parametrize(
    "control,information,why",
    [
        (0x70, b"\xe6\xe7\x00\xc4", "acknowledges what was not sent"),
        (0xB1, b"", "acknowledges what was not sent"),
        (0x19, b"", "not used"),
        (0x93, b"", "a command"),
        (0xEF, b"", "unknown"),
        (0x73, b"", "UA is not possible while connected"),
        (0x30, bytes(129), "128 were agreed"),
    ],
)
def test_client_illegal_frames_are_rejected_with_their_octets(
    control: int, information: bytes, why: str
) -> None:
    """Undamaged nonsense is reported, not acted on, and does not end the connection."""
    client = client_up()
    client.send_apdu(GET)
    client.data_to_send()
    frame = from_meter(control, information)
    client.receive_data(frame)
    (rejected,) = events_of(client)
    assert isinstance(rejected, FrameRejected)
    assert rejected.data == frame
    assert why in rejected.why
    assert client.state is State.CONNECTED


def test_client_malformed_ua_leaves_it_connecting() -> None:
    """A UA nobody can read does not bring the link up."""
    client = HdlcClientLink(16, 1)
    client.connect()
    client.receive_data(from_meter(0x73, b"\x81\x80\x09"))
    (rejected,) = events_of(client)
    assert isinstance(rejected, FrameRejected)
    assert client.state is State.CONNECTING


def test_client_busy_server_is_polled_until_it_is_ready() -> None:
    """RNR holds I frames back, RR lets them go."""
    pair = connected()
    pair.server.busy = True
    pair.client.send_apdu(GET)
    assert pair.run() == []
    pair.client.response_timeout()
    assert pair.run() == []
    pair.server.busy = False
    pair.client.response_timeout()
    assert [type(event) for event in pair.run()] == [ApduReceived]


def test_client_endless_segments_are_cut_off() -> None:
    """A meter that always has one more segment does not fill the memory."""
    client = HdlcClientLink(16, 1, max_apdu=1000)
    client.connect()
    client.receive_data(vector("ua-after-disc-of-a-real-meter"))
    events_of(client)
    client.send_apdu(GET)
    for number in range(8):
        client.data_to_send()
        client.receive_data(from_meter(0x30 | number << 1, bytes(128), segmented=True))
        events = events_of(client)
        if events:
            break
    assert isinstance(events[0], FrameRejected)
    assert "beyond 1000 octets" in events[0].why
    assert client.state is State.DISCONNECTING
    assert controls(client.data_to_send()) == [0x53]


def test_client_damaged_frame_is_an_event_and_the_next_one_counts() -> None:
    """A bad checksum is told at once, never waited out."""
    client = client_up()
    client.send_apdu(GET)
    good = from_meter(0x30, b"\xe6\xe7\x00\xc4\x01")
    bad = good[:12] + bytes((good[12] ^ 0x20,)) + good[13:]
    client.receive_data(bad + good)
    damaged, answer = events_of(client)
    assert isinstance(damaged, FrameDamagedEvent)
    assert damaged.data == bad
    assert isinstance(answer, ApduReceived)


def test_client_timeout_in_mid_frame_reports_the_part_and_starts_afresh() -> None:
    """Half a frame and silence: the half is evidence, the repetition is read."""
    pair = connected()
    pair.client.send_apdu(GET)
    pair.server.receive_data(pair.client.data_to_send())
    pair.serve()
    pair.client.receive_data(pair.server.data_to_send()[:15])
    assert events_of(pair.client) == []
    pair.client.response_timeout()
    assert [type(event) for event in pair.run()] == [FrameDamagedEvent, ApduReceived]


def test_server_refuses_clients_by_policy() -> None:
    """The policy decides between UA and DM, per client address."""
    server = HdlcServerLink(accept_client=lambda client_sap: client_sap == 48)
    server.receive_data(vector("snrm-one-octet-addresses"))
    assert events_of(server) == []
    assert server.data_to_send() == vector("dm")
    server.receive_data(vector("snrm-with-parameters-to-a-real-meter"))
    assert len(events_of(server)) == 1
    assert server.data_to_send() == vector("ua-of-a-real-meter")
    assert server.connected_clients == (48,)


def test_server_two_clients_have_two_connections_on_one_line() -> None:
    """Numbers and answers of one client do not touch the other."""
    server = server_up()
    server.receive_data(vector("snrm-with-parameters-to-a-real-meter"))
    events_of(server)
    server.data_to_send()
    server.receive_data(vector("i-with-aarq-hls-to-a-real-meter"))
    (request,) = events_of(server)
    assert isinstance(request, ApduReceived)
    assert request.client_sap == 48
    server.send_apdu(b"\x61", 48, 1)
    assert decode_frame(server.data_to_send()).destination == HdlcAddress(48)
    server.receive_data(vector("disc-to-a-real-meter"))
    assert events_of(server) == [LinkDown(reason=DownReason.DISCONNECTED, client_sap=16, server_sap=1)]
    assert server.connected_clients == (48,)


@pytest.mark.parametrize(
    "frame", [from_client(0x10, b"\xe6\xe6\x00\xc0"), from_client(0x11), from_client(0x53)]
)
def test_server_without_connection_answers_dm(frame: bytes) -> None:
    """Whatever asks for an answer before SNRM gets DM."""
    server = HdlcServerLink()
    server.receive_data(frame)
    assert events_of(server) == []
    assert server.data_to_send() == vector("dm")


def test_server_without_connection_and_poll_is_silent() -> None:
    """Without the poll bit nobody may speak."""
    server = HdlcServerLink()
    server.receive_data(from_client(0x00, b"\xe6\xe6\x00\xc0"))
    assert events_of(server) == []
    assert server.data_to_send() == b""


@pytest.mark.parametrize(
    "destination",
    [
        HdlcAddress(2),
        HdlcAddress(1, 18, 2),
        HdlcAddress(1, 0x7F, 2),
        HdlcAddress(0x7F, 0x7F, 2),
        HdlcAddress(0),
    ],
)
def test_server_unknown_address_is_silence(destination: HdlcAddress) -> None:
    """Another logical or physical device, or everybody: no answer to a SNRM."""
    server = HdlcServerLink(physical=17)
    server.receive_data(HdlcFrame(destination, CLIENT, 0x93).encode())
    assert events_of(server) == []
    assert server.data_to_send() == b""
    assert server.frames_for_others == 1


def test_server_broadcast_ui_is_delivered_to_every_logical_device() -> None:
    """An unconfirmed service to all stations reaches each of them, answered by none."""
    server = HdlcServerLink((1, 2), physical=17)
    everyone = HdlcAddress(0x3FFF, 0x3FFF, 4)
    server.receive_data(HdlcFrame(everyone, HdlcAddress(102), 0x03, b"\xe6\xe6\x00\xc1\x01").encode())
    assert events_of(server) == [
        ApduReceived(apdu=b"\xc1\x01", client_sap=102, server_sap=sap, intact=True, connectionless=True)
        for sap in (1, 2)
    ]
    assert server.data_to_send() == b""


def test_ui_works_in_both_directions_without_a_connection() -> None:
    """The pre-established client: unconfirmed services with no SNRM."""
    pair = Pair(HdlcClientLink(102, 1), HdlcServerLink())
    pair.client.send_unconfirmed(GET)
    assert pair.run() == []
    (request,) = pair.server_events
    assert request == ApduReceived(apdu=GET, client_sap=102, server_sap=1, intact=True, connectionless=True)
    pair.server.send_unconfirmed(b"\x0f\x00", 102, 1)
    (push,) = pair.run()
    assert push == ApduReceived(
        apdu=b"\x0f\x00", client_sap=102, server_sap=1, intact=True, connectionless=True
    )


def test_ui_of_others_is_delivered() -> None:
    """The unconfirmed SET that gurux-dlms would send."""
    server = HdlcServerLink()
    server.receive_data(vector("ui-unconfirmed-set"))
    (request,) = events_of(server)
    assert isinstance(request, ApduReceived)
    assert request.connectionless
    assert request.apdu == bytes.fromhex("C10140000300010800FF0200")


def test_ui_that_does_not_fit_a_frame_is_a_local_error() -> None:
    """UI frames are not segmented, on neither side."""
    with pytest.raises(LocalProtocolError, match="not segmented"):
        HdlcClientLink(16, 1).send_unconfirmed(bytes(126))
    with pytest.raises(LocalProtocolError, match="not segmented"):
        HdlcServerLink().send_unconfirmed(bytes(126), 16, 1)


@pytest.mark.parametrize("side", ["client", "server"])
def test_ui_in_segments_is_rejected_not_delivered_in_part(side: str) -> None:
    """Some meters push that way; a part of an APDU must not pass for the whole."""
    link: HdlcClientLink | HdlcServerLink
    if side == "client":
        link = HdlcClientLink(16, 1)
        link.receive_data(from_meter(0x03, b"\xe6\xe7\x00\x0f", segmented=True))
    else:
        link = HdlcServerLink()
        link.receive_data(from_client(0x03, b"\xe6\xe6\x00\x0f", segmented=True))
    assert [type(event) for event in events_of(link)] == [FrameRejected]


def test_server_snrm_on_an_open_connection_starts_it_afresh() -> None:
    """The owner hears of the end of the old connection, so that its association ends too."""
    server = server_up()
    server.receive_data(from_client(0x10, b"\xe6\xe6\x00" + GET))
    events_of(server)
    server.receive_data(vector("snrm-one-octet-addresses"))
    down, up = events_of(server)
    assert down == LinkDown(reason=DownReason.RESTARTED, client_sap=16, server_sap=1)
    assert isinstance(up, LinkUp)
    server.data_to_send()
    server.receive_data(from_client(0x10, b"\xe6\xe6\x00" + GET))
    assert len(events_of(server)) == 1


@pytest.mark.parametrize(
    "control,information,cause",
    [(0x70, b"\xe6\xe6\x00\xc0", 0x08), (0x10, bytes(129), 0x04), (0x19, b"", 0x01), (0xB1, b"", 0x08)],
)
def test_server_illegal_frames_get_frmr_until_the_client_starts_afresh(
    control: int, information: bytes, cause: int
) -> None:
    """FRMR names the control field and the cause; only SNRM or DISC lead out."""
    server = server_up()
    server.receive_data(from_client(control, information))
    rejected, down = events_of(server)
    assert isinstance(rejected, FrameRejected)
    assert down == LinkDown(reason=DownReason.FRAME_REJECT, client_sap=16, server_sap=1)
    frmr = decode_frame(server.data_to_send())
    assert frmr.kind is Control.FRMR
    assert frmr.information == bytes((control, 0, cause))
    server.receive_data(from_client(0x10, b"\xe6\xe6\x00" + GET))
    assert events_of(server) == []
    assert decode_frame(server.data_to_send()) == frmr
    with pytest.raises(LocalProtocolError, match="rejecting"):
        server.send_apdu(GET, 16, 1)
    server.receive_data(vector("snrm-one-octet-addresses"))
    assert isinstance(events_of(server)[-1], LinkUp)


def test_server_gap_is_rejected_and_the_client_goes_back() -> None:
    """An I frame out of turn is not delivered; RR names the one expected."""
    server = server_up()
    server.receive_data(from_client(0x14, b"\xe6\xe6\x00" + GET))  # N(S)=2
    (rejected,) = events_of(server)
    assert isinstance(rejected, FrameRejected)
    assert controls(server.data_to_send()) == [0x11]


@pytest.mark.parametrize("control", [0x73, 0x1F, 0x97, 0x83])
def test_server_responses_and_snrm_without_poll_are_rejected(control: int) -> None:
    """A server gets commands, and an SNRM asks for its answer."""
    server = HdlcServerLink()
    server.receive_data(from_client(control))
    assert [type(event) for event in events_of(server)] == [FrameRejected]
    assert server.data_to_send() == b""


def test_server_wrong_llc_is_acknowledged_not_delivered() -> None:
    """The link is fine, the contents are not for DLMS."""
    server = server_up()
    server.receive_data(from_client(0x10, b"\xaa\xbb\x00\xc0"))
    assert [type(event) for event in events_of(server)] == [FrameRejected]
    assert controls(server.data_to_send()) == [0x31]


def test_server_inactive_ends_connections_without_a_frame() -> None:
    """The owner's clock says so; the client finds out by DM."""
    server = server_up()
    server.inactive(99)
    assert events_of(server) == []
    server.inactive()
    assert events_of(server) == [LinkDown(reason=DownReason.INACTIVE, client_sap=16, server_sap=1)]
    assert server.data_to_send() == b""
    server.receive_data(from_client(0x11))
    events_of(server)
    assert server.data_to_send() == vector("dm")


def test_server_closed_wire_ends_every_connection() -> None:
    """A cable pulled is the end of all its clients."""
    server = server_up()
    server.receive_data(vector("snrm-with-parameters-to-a-real-meter"))
    events_of(server)
    server.receive_data(b"")
    assert {event.client_sap for event in events_of(server) if isinstance(event, LinkDown)} == {16, 48}
    assert server.next_event() is NEED_DATA


def test_server_partial_frame_can_be_dropped() -> None:
    """Half a request and silence do not spoil the next request."""
    server = server_up()
    request = from_client(0x10, b"\xe6\xe6\x00" + GET)
    server.receive_data(request[:20])
    assert events_of(server) == []
    assert server.incomplete
    server.inter_octet_timeout()
    server.receive_data(request)
    assert [type(event) for event in events_of(server)] == [FrameDamagedEvent, ApduReceived]


def test_server_send_to_a_stranger_is_a_local_error() -> None:
    """There is no connection to send on."""
    with pytest.raises(LocalProtocolError, match="client 16 is not connected"):
        HdlcServerLink().send_apdu(GET, 16, 1)


def test_client_inactive_goes_down_silently() -> None:
    """Our own idea that the meter has forgotten us."""
    client = client_up()
    client.inactive()
    assert events_of(client) == [LinkDown(reason=DownReason.INACTIVE, client_sap=16, server_sap=1)]
    assert client.data_to_send() == b""


def test_client_poll_fetches_what_the_server_has_meanwhile() -> None:
    """A server cannot speak out of turn; a poll gives it its turn."""
    pair = connected()
    pair.server.send_apdu(b"\x0f\x01", 16, 1)
    assert pair.run() == []
    pair.client.poll()
    (push,) = pair.run()
    assert isinstance(push, ApduReceived)
    assert push.apdu == b"\x0f\x01"


def test_client_physical_address_needs_a_long_address() -> None:
    """One octet has no room for a physical device."""
    with pytest.raises(LocalProtocolError, match="address_length 2 or 4"):
        HdlcClientLink(16, 1, 17)


@pytest.mark.parametrize("options", [{"max_info": 3}, {"max_info": 2031}, {"window": 0}, {"window": 8}])
def test_links_impossible_parameters_are_a_local_error(options: dict[str, int]) -> None:
    """Limits are checked when the link is made."""
    with pytest.raises(LocalProtocolError):
        HdlcClientLink(16, 1, **options)
    with pytest.raises(LocalProtocolError):
        HdlcServerLink(**options)


def test_state_table_every_missing_key_names_role_state_and_event() -> None:
    """What the table does not know is an error: ours for our own doing, the peer's for its frames."""
    for role in Role:
        for state in TRANSITIONS[role]:
            for event in Event:
                if event in TRANSITIONS[role][state]:
                    assert next_state(role, state, event) is TRANSITIONS[role][state][event]
                    continue
                expected = LocalProtocolError if event in LOCAL else RemoteProtocolError
                with pytest.raises(expected) as caught:
                    next_state(role, state, event)
                assert all(word in str(caught.value) for word in (role, state, event))


def test_server_endless_segments_get_frmr() -> None:
    """A client that always has one more segment does not fill the meter's memory."""
    server = server_up(max_apdu=300)
    for number in range(3):
        server.receive_data(from_client(0x10 | number << 1, bytes(128), segmented=True))
        events = events_of(server)
    assert [type(event) for event in events] == [FrameRejected, LinkDown]
    assert controls(server.data_to_send()) == [0x31, 0x51, 0x97]


@pytest.mark.parametrize("control", [0x01, 0x43])
def test_server_commands_without_poll_get_no_answer(control: int) -> None:
    """RR and DISC without the poll bit are obeyed in silence."""
    server = server_up()
    server.receive_data(from_client(control))
    events_of(server)
    assert server.data_to_send() == b""
    assert server.connected_clients == ((16,) if control == 0x01 else ())


def test_server_busy_without_poll_and_illegal_numbers_of_a_repetition_are_silent() -> None:
    """Nobody may speak without the word, and a repetition with stale numbers changes nothing."""
    server = server_up()
    server.busy = True
    server.receive_data(from_client(0x00, b"\xe6\xe6\x00\xc0"))
    assert events_of(server) == []
    server.busy = False
    # N(S)=7 is a repetition, N(R)=3 acknowledges what was never sent.
    server.receive_data(from_client(0x7E, b"\xe6\xe6\x00\xc0"))
    assert events_of(server) == []
    assert server.data_to_send() == b""


def test_server_undefined_command_without_connection_is_only_reported() -> None:
    """FRMR belongs to a connection."""
    server = HdlcServerLink()
    server.receive_data(from_client(0x19))
    assert [type(event) for event in events_of(server)] == [FrameRejected]
    assert server.data_to_send() == b""


def test_server_illegal_frame_without_poll_gets_its_frmr_when_polled() -> None:
    """The reject waits for the word."""
    server = server_up()
    server.receive_data(from_client(0x00, bytes(129)))
    events_of(server)
    assert server.data_to_send() == b""
    server.receive_data(from_client(0x11))
    events_of(server)
    assert decode_frame(server.data_to_send()).kind is Control.FRMR


def test_server_is_full_for_strangers_but_not_for_those_inside() -> None:
    """Every client address of a logical device fits; the limit is for hostile address games."""
    server = HdlcServerLink((1, 2))
    for client in range(128):
        server.receive_data(HdlcFrame(METER, HdlcAddress(client), 0x93).encode())
        events_of(server)
    server.data_to_send()
    server.receive_data(HdlcFrame(HdlcAddress(2), CLIENT, 0x93).encode())
    events_of(server)
    assert decode_frame(server.data_to_send()).kind is Control.DM
    server.receive_data(HdlcFrame(METER, CLIENT, 0x93).encode())
    events_of(server)
    assert decode_frame(server.data_to_send()).kind is Control.UA
