"""The ANSI session driver over scripted octets: sign-on, refusals, silence, damage, each by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from c1218_peer import ACK, NAK, answer

from adapters.base import LineSettings, Wire
from adapters.devices.ansi_session import AnsiSession, SessionGranted
from adapters.errors import (
    FrameDamaged,
    LinkLost,
    LocalProtocolError,
    ReadTimeout,
    Refused,
    RemoteProtocolError,
    TransportError,
    WriteError,
)
from adapters.protocols.c1218 import Spoil, State
from adapters.protocols.c1218.packets import TOGGLE, encode_packet
from adapters.protocols.c1218.services import (
    ErrorResponse,
    FullRead,
    FullWrite,
    Identify,
    IdentifyResponse,
    Logoff,
    Logon,
    Negotiate,
    NegotiateResponse,
    Ok,
    Request,
    Response,
    ResponseCode,
    Security,
    TableData,
    Terminate,
    Wait,
)
from adapters.registry import OpenedLink
from adapters.transports.scripted import ScriptedStream


class StillClock:
    """Time that passes when somebody sleeps, or says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic_s(self) -> float:
        """See ``Clock``."""
        return self.now_s

    def utc_now(self) -> datetime:
        """See ``Clock``."""
        return datetime(2026, 1, 5, tzinfo=UTC)

    def sleep_s(self, duration_s: float) -> None:
        """See ``Clock``."""
        self.now_s += duration_s

    def wait_until(self, predicate: Callable[[], bool], timeout_s: float, poll_s: float) -> bool:
        """See ``Clock``."""
        return predicate()

    def wait_readable(self, wire: Wire, timeout_s: float) -> bool:
        """See ``Clock``."""
        return True

    def wait_writable(self, wire: Wire, timeout_s: float) -> bool:
        """See ``Clock``."""
        return True

    def wire_opened(self, wire: Wire) -> None:
        """See ``Clock``."""

    def wire_sent(self, wire: Wire, data: bytes) -> None:
        """See ``Clock``."""

    def wire_received(self, wire: Wire, data: bytes) -> None:
        """See ``Clock``."""

    def wire_closed(self, wire: Wire) -> None:
        """See ``Clock``."""


class Notes:
    """A tap that keeps the remarks."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def sent(self, data: bytes) -> None:
        """See ``Tap``."""

    def received(self, data: bytes) -> None:
        """See ``Tap``."""

    def note(self, text: str) -> None:
        """See ``Tap``."""
        self.notes.append(text)


class Bench:
    """A session over a script, and a meter's toggle bit to write it with."""

    def __init__(self, options: Mapping[str, str] | None = None, *, serial: bool = True) -> None:
        self.stream, self.clock, self.tap = ScriptedStream(), StillClock(), Notes()
        self.toggle = 0
        opened = OpenedLink(
            stream=self.stream,
            serial=self.stream if serial else None,
            tap=self.tap,
            options=options or {},
        )
        self.session = AnsiSession("optical", opened, self.clock)
        self.says(SILENCE)  # what came before the first request: nothing

    def says(self, *answers: Response | bytes | TransportError) -> Bench:
        """Add to the script: acknowledged answers, octets as they are, errors of the wire."""
        for each in answers:
            if isinstance(each, bytes | TransportError):
                self.stream.then(each)
            else:
                self.stream.then(ACK + self.packet(each))
        return self

    def packet(self, response: Response) -> bytes:
        """Return the meter's next packet."""
        packet = encode_packet(response.encode(), control=self.toggle)
        self.toggle ^= TOGGLE
        return packet

    def opened(self) -> Bench:
        """Begin a session."""
        self.says(IdentifyResponse(), Ok(), Ok())
        self.session.open(user_id=2, user="tester", password=b"secret")
        self.stream.sent.clear()
        return self

    @property
    def asked(self) -> list[bytes]:
        """Return the services that went out, without ACKs and packets around them."""
        return [sent[6:-2] for sent in self.stream.sent if sent.startswith(b"\xee")]


SILENCE = ReadTimeout("nothing came")
READ = FullRead(table=5)


def code(response_code: ResponseCode) -> ErrorResponse:
    """Return a refusal."""
    return ErrorResponse(code=response_code)


def never_answers() -> list[Any]:
    """Return what a script has for a request that four transmissions do not get through."""
    return [SILENCE] * 4


def test_open_goes_through_every_step_and_tells_what_was_granted() -> None:
    """Identify, negotiate, log on, give the password; then questions have answers."""
    bench = Bench()
    negotiate = Negotiate(packet_octets=512, packets=4)
    bench.says(
        IdentifyResponse(standard=2, version=1, revision=3),
        NegotiateResponse(packet_octets=256, packets=2, baud=9600),
        Ok(),
        Ok(),
        TableData(data=b"octets"),
    )
    granted = bench.session.open(user_id=2, user="tester", password=b"secret", negotiate=negotiate)
    identification = IdentifyResponse(standard=2, version=1, revision=3)
    assert granted == SessionGranted(identification=identification, packet_octets=256, packets=2, baud=9600)
    assert granted.standard == "c12.21"
    assert bench.session.is_open
    assert bench.session.message_octets == 2 * 248
    assert bench.session.ask(READ) == TableData(data=b"octets")
    expected: list[Request] = [
        Identify(),
        negotiate,
        Logon(user_id=2, user="tester"),
        Security(password=b"secret"),
        READ,
    ]
    assert bench.asked == [request.encode() for request in expected]


def test_open_without_password_and_negotiation_leaves_them_out() -> None:
    """A negative test wants a session without security."""
    bench = Bench(serial=False).says(IdentifyResponse(), Ok())
    granted = bench.session.open()
    assert bench.session.state is State.LOGGED_ON
    assert (granted.packet_octets, granted.packets, granted.baud, granted.standard) == (64, 1, 0, "c12.18")


def test_open_changes_the_speed_of_a_serial_line_only() -> None:
    """Over TCP no speed is offered; on a serial line it changes after our ACK, and back at the end."""
    negotiate = Negotiate(packet_octets=512, packets=4, bauds=(19200,))
    tcp = Bench(serial=False).says(IdentifyResponse(), NegotiateResponse(packet_octets=512, packets=4), Ok())
    assert tcp.session.open(negotiate=negotiate).baud == 0
    assert tcp.asked[1] == Negotiate(packet_octets=512, packets=4).encode()
    line = Bench().says(
        IdentifyResponse(), NegotiateResponse(packet_octets=512, packets=4, baud=19200), Ok(), Ok(), Ok()
    )
    assert line.session.open(negotiate=negotiate).baud == 19200
    assert line.stream.settings == [LineSettings(baud=19200)]
    line.session.end()
    assert line.stream.settings == [LineSettings(baud=19200), LineSettings()]
    assert not line.session.is_open


def test_open_at_a_meter_without_negotiation_goes_on_with_the_defaults() -> None:
    """sns to that one service is no failure; anything else is."""
    bench = Bench().says(IdentifyResponse(), code(ResponseCode.SNS), Ok())
    assert bench.session.open(negotiate=Negotiate(packet_octets=512, packets=4)).packet_octets == 64
    assert any("no negotiation" in note for note in bench.tap.notes)
    bench = Bench().says(IdentifyResponse(), code(ResponseCode.BSY), Ok())
    with pytest.raises(Refused, match="busy"):
        bench.session.open(negotiate=Negotiate(packet_octets=512, packets=4))


def test_open_at_a_meter_that_holds_a_session_ends_that_first() -> None:
    """isss to the identification: somebody left without a word."""
    bench = Bench().says(code(ResponseCode.ISSS), Ok(), IdentifyResponse(), Ok())
    bench.session.open()
    assert bench.asked[:3] == [b"\x20", b"\x21", b"\x20"]


def test_open_refused_terminates_what_was_begun() -> None:
    """A wrong password: the meter is not left half way, and the reason is the meter's."""
    bench = Bench().says(IdentifyResponse(), Ok(), code(ResponseCode.ISC), Ok())
    with pytest.raises(Refused) as refused:
        bench.session.open(password=b"wrong-but-secret")
    assert refused.value.reason == "insufficient-security"
    assert "password (20 octets): isc" in str(refused.value)
    assert "wrong-but" not in str(refused.value)
    assert bench.asked[-1] == Terminate().encode()
    assert not bench.session.is_open


def test_open_without_an_answer_is_silence_of_the_wire() -> None:
    """Nobody there: four transmissions, and no probe after the thing a probe would be."""
    bench = Bench().says(*never_answers(), SILENCE)
    with pytest.raises(ReadTimeout, match="silent: identify"):
        bench.session.open()
    assert bench.asked == [b"\x20"] * 4


def test_open_acknowledged_and_not_answered_is_tried_once_more() -> None:
    """A meter that takes our first packet for a copy of one it knew, after a reader was restarted."""
    bench = Bench().says(ACK, SILENCE, SILENCE, IdentifyResponse(), Ok())
    bench.session.open()
    assert bench.session.is_open
    again = Bench().says(ACK, SILENCE, SILENCE, ACK, SILENCE, SILENCE)
    with pytest.raises(ReadTimeout, match="acknowledged and not answered"):
        again.session.open()


@pytest.mark.parametrize("refusal", [each for each in ResponseCode if each])
def test_refusal_has_the_hyphenated_name_of_the_code(refusal: ResponseCode) -> None:
    """Every code becomes the word the role documents, with the question in front."""
    bench = Bench().opened().says(code(refusal))
    with pytest.raises(Refused) as refused:
        bench.session.ask(READ)
    assert refused.value.reason == refusal.reason
    assert refused.value.detail == f"read ST5: {refusal.short}"
    assert refused.value.data == bytes((refusal,))


def test_exchange_returns_a_refusal_as_it_is() -> None:
    """For those who want to look at it themselves."""
    bench = Bench().opened().says(code(ResponseCode.DNR))
    assert bench.session.exchange(READ) == code(ResponseCode.DNR)
    assert bench.session.is_open


def test_meter_that_lost_the_session_is_believed() -> None:
    """isss in a session of ours: it is over, and the next one begins with a terminate."""
    bench = Bench().opened().says(code(ResponseCode.ISSS), Ok(), IdentifyResponse(), Ok())
    with pytest.raises(Refused, match="invalid-service-sequence"):
        bench.session.ask(READ)
    assert not bench.session.is_open
    bench.session.open()
    assert bench.asked[1:3] == [b"\x21", b"\x20"]


def test_service_out_of_sequence_on_purpose_does_not_end_the_session() -> None:
    """A negative test hears isss, and goes on."""
    bench = Bench().opened().says(code(ResponseCode.ISSS), TableData(data=b"x"))
    with pytest.raises(Refused, match="invalid-service-sequence"):
        bench.session.ask(Identify(), spoil=Spoil.OUT_OF_SEQUENCE)
    assert bench.session.is_open
    assert bench.session.ask(READ) == TableData(data=b"x")


def test_question_without_a_session_is_our_mistake() -> None:
    """Before, after the end, and once an idle session has run out."""
    bench = Bench()
    with pytest.raises(LocalProtocolError, match="base"):
        bench.session.ask(READ)
    bench.says(SILENCE).opened()
    bench.clock.sleep_s(5.9)
    assert bench.session.is_open
    bench.clock.sleep_s(0.2)
    assert not bench.session.is_open
    bench.says(SILENCE)
    with pytest.raises(LocalProtocolError, match="base"):
        bench.session.ask(READ)
    assert bench.asked == []


def test_wait_keeps_an_idle_session_alive() -> None:
    """For as long as was granted."""
    bench = Bench().opened().says(Ok(), SILENCE, TableData(data=b"x"))
    bench.session.ask(Wait(seconds=60))
    bench.clock.sleep_s(59)
    assert bench.session.is_open
    assert bench.session.ask(READ) == TableData(data=b"x")


def test_open_at_a_meter_that_answers_nonsense_blames_the_device() -> None:
    """Its identification is none."""
    bench = Bench().says(Ok())
    with pytest.raises(RemoteProtocolError, match="identify: an identification without"):
        bench.session.open()


def test_open_at_a_meter_that_is_busy_is_refused() -> None:
    """The identification itself is declined, or declined twice for the session it will not let go of."""
    bench = Bench().says(code(ResponseCode.BSY))
    with pytest.raises(Refused, match="busy"):
        bench.session.open()
    bench = Bench().says(code(ResponseCode.ISSS), Ok(), code(ResponseCode.ISSS))
    with pytest.raises(Refused, match="invalid-service-sequence"):
        bench.session.open()


def test_ignored_request_on_a_living_line_is_refused_by_silence() -> None:
    """Acknowledged and not answered; after a quiet line the probe is."""
    bench = Bench().opened()
    bench.says(ACK, SILENCE, SILENCE, IdentifyResponse(), Ok())
    with pytest.raises(Refused) as refused:
        bench.session.ask(READ)
    assert refused.value.reason == "silence"
    assert "read ST5 was ignored" in refused.value.detail
    assert bench.asked == [READ.encode(), b"\x20", b"\x21"]
    assert not bench.session.is_open


def test_ignored_request_is_judged_also_where_the_old_session_is_still_held() -> None:
    """isss is as good a sign of life as an identification."""
    bench = Bench().opened()
    bench.says(*never_answers(), SILENCE, code(ResponseCode.ISSS), Ok())
    with pytest.raises(Refused, match="silence"):
        bench.session.ask(READ)
    assert bench.asked == [READ.encode()] * 4 + [b"\x20", b"\x21"]


def test_silent_line_is_no_refusal() -> None:
    """Neither the request nor the probe is answered: the bench's business."""
    bench = Bench().opened()
    bench.says(ACK, SILENCE, SILENCE, *never_answers(), SILENCE)
    with pytest.raises(ReadTimeout, match="silent: read ST5"):
        bench.session.ask(READ)


def test_late_answer_is_neither_the_answer_nor_silence() -> None:
    """It came while the line was left alone: told so, acknowledged, and not taken for that to the probe."""
    bench = Bench().opened()
    bench.says(ACK, SILENCE, bench.packet(TableData(data=b"late")), SILENCE)
    with pytest.raises(ReadTimeout, match="came after the 6 s"):
        bench.session.ask(READ)
    assert bench.asked == [READ.encode()]
    assert bench.stream.sent[-1] == ACK


def test_octets_that_came_while_nobody_looked_are_no_answer() -> None:
    """They are handed over before the next request, which waits until the line has settled."""
    bench = Bench().opened()
    bench.clock.sleep_s(1)
    stale = ACK + bench.packet(TableData(data=b"stale"))
    bench.says(stale, SILENCE, SILENCE, TableData(data=b"fresh"))
    assert bench.session.ask(READ) == TableData(data=b"fresh")
    assert bench.stream.sent[0] == ACK
    assert bench.asked == [READ.encode()]


def test_wire_closed_while_nobody_looked_is_a_lost_link() -> None:
    """Found before anything is asked."""
    bench = Bench().opened()
    bench.clock.sleep_s(1)
    with pytest.raises(LinkLost, match="has closed"):
        bench.session.ask(READ)
    assert bench.asked == []


def test_timeout_of_the_link_bounds_the_answer() -> None:
    """``timeout_s`` of the bench file."""
    bench = Bench({"timeout_s": "2.5"}).opened()
    bench.says(ACK, SILENCE, bench.packet(TableData(data=b"late")), SILENCE)
    with pytest.raises(ReadTimeout, match=r"2\.5 s"):
        bench.session.ask(READ)


def test_damaged_answers_only_are_damage_of_the_wire() -> None:
    """Four damaged copies, each answered by NAK; the octets are kept."""
    bench = Bench().opened()
    bad = bench.packet(TableData(data=b"x"))[:-1] + b"\x00"
    bench.says(ACK + bad, SILENCE, bad, SILENCE, bad, SILENCE, bad, SILENCE, SILENCE)
    with pytest.raises(FrameDamaged, match="garbles: read ST5") as damaged:
        bench.session.ask(READ)
    assert bad in damaged.value.data
    assert bench.stream.sent.count(NAK) == 3


def test_damaged_answer_repeated_well_is_an_answer() -> None:
    """One damaged copy costs a repetition and a remark; the next request waits for the line to settle."""
    bench = Bench().opened()
    good = bench.packet(TableData(data=b"x"))
    bench.says(ACK + good[:-1] + b"\x00", SILENCE, good, SILENCE, TableData(data=b"y"))
    assert bench.session.ask(READ) == TableData(data=b"x")
    assert bench.session.ask(READ) == TableData(data=b"y")
    assert any(note.startswith("damaged: checksum") for note in bench.tap.notes)


def test_noise_without_an_answer_is_damage_not_silence() -> None:
    """Nothing is probed on a line that garbles."""
    bench = Bench().opened()
    bench.says(ACK, b"\xff\xff", SILENCE, SILENCE, SILENCE)
    with pytest.raises(FrameDamaged, match="not answered") as damaged:
        bench.session.ask(READ)
    assert damaged.value.data == b"\xff\xff"


def test_meter_that_takes_no_packet_hears_us_damaged() -> None:
    """Four NAKs."""
    bench = Bench().opened().says(NAK, NAK, NAK, NAK, SILENCE)
    with pytest.raises(FrameDamaged, match="it hears us damaged"):
        bench.session.ask(READ)


def test_malformed_answer_blames_the_device() -> None:
    """The checksum vouches for the octets; the session goes on."""
    bench = Bench().opened()
    bench.says(ACK + bench.packet(Ok()), TableData(data=b"x"))
    with pytest.raises(RemoteProtocolError, match="read ST5: 1 octets are too few") as broken:
        bench.session.ask(READ)
    assert broken.value.frame_intact
    assert broken.value.data == b"\x00"
    assert bench.session.ask(READ) == TableData(data=b"x")


def test_packets_that_break_the_rules_blame_the_device_unless_the_line_was_disturbed() -> None:
    """A packet out of its row on a clean line, and on one that had lost something."""
    row = encode_packet(b"\x00", control=0x80, sequence=3)
    bench = Bench().opened().says(ACK + row, SILENCE)
    with pytest.raises(RemoteProtocolError, match="the first is missing") as broken:
        bench.session.ask(READ)
    assert broken.value.frame_intact
    assert broken.value.data == row
    bench = Bench().opened().says(SILENCE, ACK + row, SILENCE)
    with pytest.raises(RemoteProtocolError) as broken:
        bench.session.ask(READ)
    assert not broken.value.frame_intact


def test_closed_wire_is_a_lost_link_and_nothing_can_be_asked() -> None:
    """The script ends: the far end has closed."""
    bench = Bench().opened()
    with pytest.raises(LinkLost, match="read ST5"):
        bench.session.ask(READ)
    assert not bench.session.wire_open
    assert not bench.session.is_open
    with pytest.raises(LocalProtocolError, match="closed"):
        bench.session.ask(READ)
    bench.session.end()
    bench.session.close()
    assert bench.stream.closed


def test_closed_wire_while_silence_is_judged_is_a_lost_link() -> None:
    """The far end gives up while we wait for quiet."""
    bench = Bench().opened().says(ACK, SILENCE)
    with pytest.raises(LinkLost):
        bench.session.ask(READ)


def test_wire_that_takes_nothing_is_an_error_of_the_wire() -> None:
    """And the end of this wire."""
    bench = Bench().opened()
    bench.stream.closed = True
    with pytest.raises(WriteError):
        bench.session.ask(READ)
    assert not bench.session.wire_open


def test_end_logs_off_and_terminates_once() -> None:
    """Ending what is not open is harmless."""
    bench = Bench()
    bench.session.end()
    bench.opened().says(Ok(), Ok())
    bench.session.end()
    bench.session.end()
    assert bench.asked == [Logoff().encode(), Terminate().encode()]
    assert bench.session.state is State.BASE


def test_end_of_an_identified_meter_is_a_terminate() -> None:
    """Nobody is logged on after a log-off."""
    bench = Bench().opened().says(Ok(), Ok())
    bench.session.ask(Logoff())
    bench.session.end()
    assert bench.asked == [Logoff().encode(), Terminate().encode()]


def test_end_that_is_declined_is_told() -> None:
    """A meter must not refuse to let go."""
    bench = Bench().opened().says(Ok(), code(ResponseCode.ERR))
    with pytest.raises(Refused, match="error"):
        bench.session.end()


def test_end_without_an_answer_leaves_the_meter_alone() -> None:
    """A remark in the transcript, no error."""
    bench = Bench().opened().says(ACK, SILENCE, SILENCE, *never_answers(), SILENCE)
    bench.session.end()
    assert any("no orderly end" in note for note in bench.tap.notes)


def test_end_that_is_ignored_leaves_the_meter_alone() -> None:
    """It answers a probe and not the log-off: a remark as well, since the session is over in any case."""
    bench = Bench().opened().says(ACK, SILENCE, SILENCE, SILENCE, IdentifyResponse(), Ok())
    bench.session.end()
    assert any("does not answer the end" in note for note in bench.tap.notes)


def test_probe_that_finds_the_wire_closed_is_no_sign_of_life() -> None:
    """The far end goes away just then."""
    bench = Bench().opened().says(ACK, SILENCE, SILENCE)
    with pytest.raises((ReadTimeout, LinkLost)):
        bench.session.ask(READ)
    assert not bench.session.wire_open


def test_close_ends_the_session_and_the_wire_whatever_happens() -> None:
    """Also where the meter declines; closing twice is harmless."""
    bench = Bench().opened().says(code(ResponseCode.BSY))
    bench.session.close()
    bench.session.close()
    assert bench.stream.closed
    assert bench.asked == [Logoff().encode()]
    with pytest.raises(LocalProtocolError, match="closed"):
        bench.session.open()


def test_message_that_does_not_fit_is_a_local_error_and_nothing_is_sent() -> None:
    """What was negotiated binds us."""
    bench = Bench().opened()
    with pytest.raises(LocalProtocolError, match="1 are agreed"):
        bench.session.ask(FullWrite(table=1, data=bytes(100)))
    assert bench.stream.sent == []
    assert bench.session.is_open


def test_echo_of_the_head_is_an_option() -> None:
    """All that we send comes back first."""
    bench = Bench({"echo": "yes"})
    out = encode_packet(b"\x20")
    bench.says(out + ACK + bench.packet(IdentifyResponse()))
    logon = encode_packet(Logon().encode(), control=TOGGLE)
    bench.says(ACK + logon + ACK + bench.packet(answer(Logon())))
    bench.session.open()
    assert bench.session.is_open


def test_options_set_the_speed_to_come_back_to_and_the_identity() -> None:
    """A line that begins at 2400 baud, to a meter with an identity on a shared line."""
    bench = Bench({"baud": "2400", "identity": "0x21"})
    packet = encode_packet(IdentifyResponse().encode(), identity=0x21)
    logged_on = encode_packet(b"\x00", control=TOGGLE, identity=0x21)
    bench.says(ACK + packet, ACK + logged_on)
    bench.session.open()
    assert bench.session.parameters.baud == 2400
    assert bench.stream.sent[0] == encode_packet(b"\x20", identity=0x21)
