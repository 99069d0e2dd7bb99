"""The test radio's adapter: on the virtual rig's wires, on a scripted line, with another radio below it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.clock import WallClock
from adapters.devices.endpoint_material import LabMaterial
from adapters.devices.endpoint_radio import EndpointRadio
from adapters.devices.endpoint_radio_link import RadioLink, RadioTranscript
from adapters.errors import (
    BenchError,
    FrameDamaged,
    LinkLost,
    NotPermitted,
    ReadTimeout,
    Refused,
    RemoteProtocolError,
)
from adapters.protocols.endpoint_link import material, messages
from adapters.protocols.endpoint_link.frames import Frame
from adapters.protocols.endpoint_link.words import Command, Level, SecurityClass, Switch
from adapters.registry import AdapterContext, OpenedLink
from adapters.roles import Identity
from adapters.transports.http_transcript import HttpTranscript
from adapters.transports.scripted import ScriptedStream
from adapters.transports.stream import NoTap
from harness.bench import LiveBench, open_bench
from virtual_rig.parts.secured import EndpointsPart

BENCH = "virtual:itron-field"
BASIC, READY, SECURED, FULL, NETWORK, MISTAKEN = (
    "45000001",
    "45000002",
    "45000003",
    "45000004",
    "45000005",
    "45000009",
)
NOBODY = "45999999"
STATUS = messages.StatusAnswer(
    device_type="electric-meter",
    security_class=SecurityClass.BASIC,
    level=Level.BASIC,
    security_enabled=False,
    session_open=False,
    modes=1,
    switch=Switch.CONNECTED,
    executions=0,
    program_revision=1,
    tampers=0,
    session_timeout_s=3600,
)
DONE = messages.DoneAnswer(command=Command.CHECK, replay=False, executions=1, information="check")


@contextmanager
def bench(**options: Any) -> Iterator[LiveBench]:
    live = open_bench(BENCH, **options)
    try:
        yield live
    finally:
        live.close()


@pytest.fixture
def live() -> Iterator[LiveBench]:
    """The bench, fresh."""
    with bench() as opened:
        yield opened


@pytest.fixture
def radio(live: LiveBench) -> EndpointRadio:
    """Its test radio."""
    found = live.devices["radio"]
    assert isinstance(found, EndpointRadio)
    return found


def endpoints(live: LiveBench) -> EndpointsPart:
    """Return what simulates the endpoints of a virtual bench."""
    model = live._provided.built.parts["radio"].model  # type: ignore[union-attr]
    assert isinstance(model, EndpointsPart)
    return model


# -- on the virtual rig


def test_identify_is_the_radios_own(radio: EndpointRadio) -> None:
    """The radio says who it is; no endpoint is asked."""
    assert radio.identify() == Identity(serial="R0001", model="MeterBench virtual radio")


def test_status_tells_all_fields(radio: EndpointRadio) -> None:
    """What an endpoint tells anybody, in the role's words."""
    status = radio.status(FULL)
    assert (status.endpoint, status.type, status.security_class, status.level) == (
        FULL,
        "electric-meter",
        "enhanced",
        "full-security",
    )
    assert (status.security_enabled, status.modes, status.switch) == (True, 3, "connected")
    assert (status.executions, status.program_revision, status.tampers) == (0, 1, 2)
    assert (status.session_open, status.session_timeout_s) == (False, 3600)


def test_read_keys_right_wrong_foreign_and_none(live: LiveBench, radio: EndpointRadio) -> None:
    """Only the endpoint's own key decodes; the time of a reading is the world's."""
    taken = radio.read(FULL)
    assert (taken.decoded, taken.consumption) == (True, 44444)
    assert taken.at is not None
    assert abs((taken.at - live.clock.utc_now()).total_seconds()) < 2
    for flaw in ("none", "wrong-key", "foreign-endpoint"):
        wrong = radio.read(FULL, flaw)
        assert (wrong.decoded, wrong.consumption, wrong.at) == (False, None, None)
    assert radio.read(SECURED, "none").consumption == 33333


def test_read_as_a_command_reads(radio: EndpointRadio) -> None:
    """``send read`` goes the way of a reading."""
    outcome = radio.send(SECURED, "read")
    assert (outcome.information, outcome.executions, outcome.replay) == ("consumption 33333", -1, False)
    assert radio.send(FULL, "read").information == ""


def test_send_with_and_without_material(radio: EndpointRadio) -> None:
    """The refusal has the endpoint's word; with material the outcome has its count and information."""
    with pytest.raises(Refused) as caught:
        radio.send(SECURED, "program")
    assert caught.value.reason == "secure-command-required"
    outcome = radio.send(SECURED, "program", "")
    assert (outcome.command, outcome.replay, outcome.executions) == ("program", False, 1)
    assert outcome.information.startswith("program: program revision 2")


def test_send_again_is_the_very_same_material(live: LiveBench, radio: EndpointRadio) -> None:
    """The last piece, and the one before it; the counts are those of the first time."""
    first = radio.send_switch(SECURED, "disconnect")
    second = radio.send_switch(SECURED, "connect")
    assert radio.send_again(SECURED) == replace(second, replay=True)
    assert radio.send_again(SECURED, back=1) == replace(first, replay=True)
    assert endpoints(live).endpoint(SECURED).switch is Switch.CONNECTED
    with pytest.raises(BenchError, match="2 pieces"):
        radio.send_again(SECURED, back=2)
    radio.end_case()
    with pytest.raises(BenchError, match="0 pieces"):
        radio.send_again(SECURED)


def test_send_again_of_a_switch_needs_the_bench_to_allow_it(live: LiveBench, radio: EndpointRadio) -> None:
    """An endpoint that is wrong would move its switch: the general word is no way round the mark."""
    radio.send_switch(SECURED, "connect")
    radio.send(READY, "check", "")
    live.allow = frozenset()
    with pytest.raises(NotPermitted):
        radio.send_again(SECURED)
    assert radio.send_again(READY).replay


@pytest.mark.parametrize("command", ["connect", "disconnect"])
def test_send_moves_no_switch(radio: EndpointRadio, command: Any) -> None:
    """Switching has a word of its own, which is marked as harmful."""
    with pytest.raises(BenchError, match="send_switch"):
        radio.send(SECURED, command, "")


def test_make_safe_locks_what_was_unlocked(live: LiveBench, radio: EndpointRadio) -> None:
    """A session this radio opened does not outlive the case, whether it is still open or not."""
    radio.send(NETWORK, "open_session", "")
    radio.send(SECURED, "open_session", "")
    live.clock.sleep_s(100)  # one of them is over by itself
    radio.end_case()
    assert not radio.status(NETWORK).session_open
    assert not radio.status(SECURED).session_open


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ("tampered", "bad-authorization"),
        ("foreign-endpoint", "bad-authorization"),
        ("foreign-issuer", "bad-authorization"),
        ("wrong-key", "bad-authorization"),
        ("wrong-command", "bad-authorization"),
        ("expired", "expired"),
    ],
)
@pytest.mark.parametrize("command", ["program", "check", "open_session"])
def test_flaws_are_refused_for_their_reason(
    radio: EndpointRadio, command: Any, flaw: Any, reason: str
) -> None:
    """Each way of being wrong is seen as what it is."""
    with pytest.raises(Refused) as caught:
        radio.send(SECURED, command, flaw)
    assert caught.value.reason == reason
    assert radio.status(SECURED).executions == 0


def test_flaws_are_what_they_are_called(live: LiveBench, radio: EndpointRadio) -> None:
    """The material behind each word, looked into: a flaw that spoilt something else would prove nothing."""
    lab, part = LabMaterial(radio._context), endpoints(live)
    authority = part.endpoint(SECURED)._authority

    def made(flaw: Any) -> material.SecureCommand:
        found = material.decode(lab.for_command(SECURED, "program", flaw))
        assert isinstance(found, material.SecureCommand)
        return found

    def holds(piece: material.SecureCommand) -> bool:
        return material.verify(piece, authority.public_key)

    good = made("")
    assert (good.endpoint, good.issuer, good.command) == (int(SECURED), authority.issuer, Command.PROGRAM)
    assert holds(good)
    foreign = made("foreign-endpoint")
    assert holds(foreign)
    assert foreign.endpoint != int(SECURED)
    stranger = made("foreign-issuer")
    assert not holds(stranger)
    assert stranger.issuer != authority.issuer
    forged = made("wrong-key")
    assert not holds(forged)
    assert forged.issuer == authority.issuer
    other = made("wrong-command")
    assert holds(other)
    assert other.command is Command.CHECK
    late = made("expired")
    assert holds(late)
    assert late.not_after < live.clock.utc_now()
    for _ in range(6):
        assert not holds(made("tampered"))
    lab.close()


@pytest.mark.parametrize(
    "do",
    [
        lambda radio: radio.send(NETWORK, "close_session", "tampered"),
        lambda radio: radio.read(FULL, "expired"),
        lambda radio: radio.status("meter 1"),
        lambda radio: radio.status("0"),
        lambda radio: radio.status("4294967296"),
    ],
)
def test_what_makes_no_sense_is_the_plans_mistake(
    radio: EndpointRadio, do: Callable[[EndpointRadio], object]
) -> None:
    """Nothing is sent, and nobody has refused anything."""
    with pytest.raises(BenchError):
        do(radio)


def test_material_of_an_unknown_endpoint_is_refused_by_the_server(radio: EndpointRadio) -> None:
    """The reason is the server's own."""
    with pytest.raises(Refused) as caught:
        radio.send(NOBODY, "check", "")
    assert caught.value.reason == "unknown-endpoint"


def test_false_replay_by_name_from_outside() -> None:
    """A reviewer can have any endpoint mistake any of its secure commands."""
    with bench(faults={"false_replay": f"{SECURED}:2"}) as live:
        radio = live.devices["radio"]
        assert not radio.send(SECURED, "check", "").replay
        outcome = radio.send(SECURED, "program", "")
        assert (outcome.replay, outcome.executions) == (True, 1)
        assert outcome.information.startswith("check:")
        assert radio.status(SECURED).program_revision == 1
        assert not radio.send(SECURED, "program", "").replay
    with pytest.raises(BenchError, match="false_replay"), bench(faults={"false_replay": f"{NOBODY}:1"}):
        pass


# -- silence and damage


def test_silent_endpoint_beside_one_that_answers_is_a_refusal(radio: EndpointRadio) -> None:
    """The radio works and another endpoint answers: this one does not."""
    radio.status(BASIC)
    for ask in (radio.status, radio.read):
        with pytest.raises(Refused) as caught:
            ask(NOBODY)
        assert caught.value.reason == "no-answer"
        assert BASIC in caught.value.detail


def test_silent_endpoint_and_no_other_known_is_the_benchs_matter(radio: EndpointRadio) -> None:
    """Without anybody who has answered before, nobody can tell the endpoint from the air."""
    with pytest.raises(ReadTimeout):
        radio.status(NOBODY)


def ask_often(live: LiveBench) -> None:
    """Ask for the same status until the faults of the wire have come."""
    for _ in range(5):
        live.devices["radio"].status(BASIC)


@pytest.mark.parametrize("after", [1, 60])
def test_silent_radio_is_no_refusal(after: int) -> None:
    """A wire that has gone dead is the bench's matter, however much came before."""
    with bench(faults={"silent": f"radio:{after}"}) as live, pytest.raises((ReadTimeout, FrameDamaged)):
        ask_often(live)


@pytest.mark.parametrize("octet", [1, 2, 3, 6, 9, 10, 20, 40])
def test_damaged_answer_is_the_wires(octet: int) -> None:
    """One bent bit anywhere in an answer is told as damage, never as an answer; the next request works."""
    with bench(faults={"damage_byte": f"radio:{octet}"}) as live:
        radio = live.devices["radio"]
        with pytest.raises((FrameDamaged, ReadTimeout)):
            radio.status(BASIC)
        assert radio.status(BASIC).security_class == "basic"


def test_port_that_closes_is_lost() -> None:
    """The adapter tells a vanished port from a silent one."""
    with bench(faults={"drop": "radio:80"}) as live, pytest.raises(LinkLost):
        ask_often(live)


# -- a scripted line, and another radio in the place of ours


def scripted(stream: ScriptedStream, **changed: Any) -> EndpointRadio:
    """Return the adapter on a scripted line; its requests are numbered from 1 on."""
    fields: dict[str, Any] = {
        "name": "radio",
        "clock": WallClock(),
        "links": {"radio": {"timeout_s": "0.2"}},
        "open_link": lambda _: OpenedLink(stream=stream, serial=stream, tap=NoTap(), options={}),
        "random_octets": bytes,
    }
    return EndpointRadio(AdapterContext(**{**fields, **changed}))


def answer(sequence: int, what: messages.Answer, endpoint: int = 1) -> bytes:
    """Return an answer as it travels."""
    return Frame(endpoint=endpoint, sequence=sequence, type=what.TYPE, payload=what.encode()).encode()


def test_late_answer_is_not_the_next_ones() -> None:
    """The answer to a request that was given up comes before the next one's, and is left alone."""
    silence = ReadTimeout("nothing")
    stream = ScriptedStream([silence, silence, answer(1, STATUS) + answer(3, replace(STATUS, executions=9))])
    radio = scripted(stream)
    with pytest.raises(ReadTimeout):
        radio.status("1")  # the second silence is that of the radio, asked who it is
    assert radio.status("1").executions == 9
    assert [frame[7:9] for frame in stream.sent] == [b"\x00\x01", b"\x00\x02", b"\x00\x03"]


def test_command_is_never_sent_twice() -> None:
    """Silence after a command is followed by a question for the status, and by nothing else."""
    stream = ScriptedStream([ReadTimeout("nothing"), answer(2, STATUS)])
    with pytest.raises(Refused) as caught:
        scripted(stream).send("1", "check")
    assert caught.value.reason == "no-answer"
    assert [frame[9] for frame in stream.sent] == [
        messages.CommandRequest.TYPE,
        messages.StatusRequest.TYPE,
    ]


def test_answer_behind_the_beginning_of_a_frame_is_found() -> None:
    """Noise that looks like a long frame hides an answer only until nothing more comes."""
    stream = ScriptedStream([b"\x7e\x00\xf0" + answer(1, STATUS), ReadTimeout("nothing")])
    assert scripted(stream).status("1").type == "electric-meter"


def test_intact_nonsense_blames_the_endpoint() -> None:
    """A good checksum around nonsense is the device's own."""
    stream = ScriptedStream([answer(1, DONE)])
    with pytest.raises(RemoteProtocolError) as caught:
        scripted(stream).status("1")
    assert caught.value.frame_intact


def test_material_without_a_server_is_not_to_be_had() -> None:
    """A bench without the link says so; nothing is sent."""
    stream = ScriptedStream()
    radio = scripted(stream)
    with pytest.raises(NotPermitted, match="fdm"):
        radio.send("1", "check", "")
    assert stream.sent == []
    radio.close()


def test_reading_key_the_bench_does_not_hold_is_named() -> None:
    """The message says which secret is missing."""
    sealed = messages.SealedDataAnswer(sealed=bytes(32))
    radio = scripted(ScriptedStream([answer(1, sealed)]))
    with pytest.raises(NotPermitted, match=r"radio\.1\.reading_key"):
        radio.read("1")
    other = scripted(ScriptedStream([answer(1, sealed)]))
    with pytest.raises(NotPermitted, match="another endpoint"):
        other.read("1", "foreign-endpoint")


class LicensedRadio:
    """A lab's own radio: it knows nothing of frames, and one endpoint that ignores commands."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, messages.Request]] = []
        self.closed = False

    def ask(self, endpoint: int, request: messages.Request) -> messages.Answer:
        """See ``RadioLink``."""
        self.asked.append((endpoint, request))
        if isinstance(request, messages.StatusRequest):
            return STATUS
        if endpoint == 2:
            raise ReadTimeout("nothing over the air")
        return DONE

    def identify(self) -> Identity:
        """See ``RadioLink``."""
        return Identity(serial="SDK-7", model="licensed")

    def close(self) -> None:
        """See ``RadioLink``."""
        self.closed = True


class OurRadio(EndpointRadio):
    """The adapter as a lab makes it its own."""

    made: LicensedRadio

    @classmethod
    def make_link(cls, context: AdapterContext) -> RadioLink:
        """Return the lab's radio."""
        cls.made = LicensedRadio()
        return cls.made


def test_licensed_radio_takes_the_place_of_ours() -> None:
    """Everything above the radio stays: words, silence, make safe."""
    radio = OurRadio(
        AdapterContext(name="radio", clock=WallClock(), open_link=lambda _: pytest.fail("no link of ours"))
    )
    assert radio.identify().serial == "SDK-7"
    assert radio.send("1", "check").information == "check"
    with pytest.raises(Refused) as caught:
        radio.send("2", "check")
    assert caught.value.reason == "no-answer"
    assert [endpoint for endpoint, _ in OurRadio.made.asked] == [1, 2, 2]
    radio.make_safe()
    radio.close()
    assert OurRadio.made.closed


# -- transcripts


def test_transcript_says_what_travelled_and_opens_nothing() -> None:
    """Frames in words, both ways, however they are cut; material is named by its length."""
    decode = RadioTranscript()
    request = messages.SecureCommandRequest(command=Command.PROGRAM, material=b"\xaa" * 88)
    frame = Frame(endpoint=7, sequence=1, type=request.TYPE, payload=request.encode()).encode()
    assert list(decode("->", frame[:20])) == []
    assert list(decode("->", frame[20:])) == ["endpoint 7 #1: secure command program, material of 88 octets"]
    assert list(decode("<-", b"xx" + answer(1, DONE, 7))) == [
        "2 octets that are no frame",
        "endpoint 7 #1: done check, 1 executions: check",
    ]


@pytest.mark.parametrize(("transport", "kind"), [("serial", RadioTranscript), ("http", HttpTranscript)])
def test_transcript_goes_by_the_link(transport: str, kind: type) -> None:
    """The two links speak different languages."""
    assert isinstance(EndpointRadio.transcript({"transport": transport}), kind)


def test_wire_logs_hold_no_reading_key(tmp_path: Path) -> None:
    """Neither the radio's transcript nor that of the server it asks shows a key or a token."""
    with bench(wire_dir=tmp_path / "wire") as live:
        radio = live.devices["radio"]
        radio.read(FULL)
        radio.read(FULL, "foreign-endpoint")
        radio.send(SECURED, "check", "")
        secrets = [secret.reveal() for secret in radio._context.secrets.values()]
    logs = "".join(path.read_text("utf-8") for path in sorted((tmp_path / "wire").glob("radio-*.log")))
    assert "sealed" in logs
    assert "/lab/material" in logs
    for secret in secrets:
        assert secret.hex() not in logs.replace(" ", "").lower()
        assert secret.decode("latin-1") not in logs
