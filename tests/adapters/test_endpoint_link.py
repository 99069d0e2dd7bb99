"""The stand-in link to secured endpoints: material and frames as octets, and the two engines in a pair."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.endpoint_link import material, messages, readings
from adapters.protocols.endpoint_link.client import Answered, Overheard, RadioClient
from adapters.protocols.endpoint_link.describe import describe
from adapters.protocols.endpoint_link.frames import Damage, Frame, FrameReader
from adapters.protocols.endpoint_link.server import AnswerHeard, Misunderstood, RadioServer, Requested
from adapters.protocols.endpoint_link.signing import PrivateKey, PublicKey
from adapters.protocols.endpoint_link.words import Command, Level, Reason, SecurityClass, Switch

GOLDEN: Any = yaml.load(
    (Path(__file__).parents[1] / "golden" / "endpoint_link.yaml").read_text("utf-8"), Loader=yaml.BaseLoader
)
METER = 45000003
NOT_AFTER = datetime(2026, 1, 6, tzinfo=UTC)
DONE = messages.DoneAnswer(command=Command.CHECK, replay=False, executions=1, information="check")


def golden_key() -> PrivateKey:
    """Return the key of RFC 6979 A.2.5; the seed is one less than the scalar."""
    scalar = int(GOLDEN["signing"]["private"], 16)
    return PrivateKey((scalar - 1).to_bytes(32, "big"))


def octets(text: str) -> bytes:
    """Return what hexadecimal text with blanks stands for."""
    return bytes.fromhex(text)


def status_answer(**changed: Any) -> messages.StatusAnswer:
    """Return the status of the golden vector, with changes."""
    fields: dict[str, Any] = {
        "device_type": "electric-meter",
        "security_class": SecurityClass.ENHANCED,
        "level": Level.COMMAND_SECURITY,
        "security_enabled": True,
        "session_open": True,
        "modes": 3,
        "switch": Switch.CONNECTED,
        "executions": 5,
        "program_revision": 2,
        "tampers": 0,
        "session_timeout_s": 3600,
    }
    return messages.StatusAnswer(**{**fields, **changed})


FRAMES: dict[str, tuple[int, int, messages.Request | messages.Answer]] = {
    "status": (METER, 1, messages.StatusRequest()),
    "read": (METER, 2, messages.ReadRequest()),
    "command": (METER, 3, messages.CommandRequest(command=Command.PROGRAM)),
    "command_with_parameters": (
        METER,
        3,
        messages.CommandRequest(command=Command.PROGRAM, parameters=b"\x01\x02"),
    ),
    "secure_command": (
        METER,
        4,
        messages.SecureCommandRequest(command=Command.DISCONNECT, material=b"\xaa\xbb"),
    ),
    "open_session": (METER, 5, messages.OpenSessionRequest(material=b"\xaa\xbb")),
    "open_session_without": (METER, 5, messages.OpenSessionRequest()),
    "close_session": (METER, 6, messages.CloseSessionRequest()),
    "set_level": (METER, 7, messages.SetLevelRequest(level=Level.FULL_SECURITY)),
    "identify": (messages.RADIO, 0xFFFF, messages.IdentifyRequest()),
    "status_answer": (METER, 1, status_answer()),
    "status_answer_unreadable": (
        45000008,
        1,
        status_answer(
            device_type="water-ert",
            session_open=False,
            switch=Switch.NONE,
            executions=-1,
            program_revision=-1,
            tampers=-1,
        ),
    ),
    "data_answer": (METER, 2, messages.DataAnswer(reading=octets(GOLDEN["readings"]["plain"]))),
    "done_answer": (
        METER,
        4,
        messages.DoneAnswer(
            command=Command.DISCONNECT,
            replay=True,
            executions=5,
            information="disconnect: switch disconnected",
        ),
    ),
    "refused_answer": (METER, 3, messages.RefusedAnswer(reason=Reason.SECURE_COMMAND_REQUIRED)),
    "identity_answer": (
        messages.RADIO,
        0xFFFF,
        messages.IdentityAnswer(model="radio", serial="R0001", firmware="1.0"),
    ),
}


# -- golden vectors


def test_signature_rfc_6979_vector_is_ours() -> None:
    """The signature over "sample" and the public key are those of the RFC, and the one verifies the other."""
    vector = GOLDEN["signing"]
    key = golden_key()
    assert octets(vector["public"]) == key.public_key.octets
    assert octets(vector["signature"]) == key.sign(octets(vector["text"]))
    assert PublicKey(octets(vector["public"])).verifies(octets(vector["signature"]), octets(vector["text"]))


def test_material_golden_octets_both_ways() -> None:
    """Authorization, command and key have the octets worked out by hand, and are read back from them."""
    authorization = material.sign(
        material.SignedAuthorization(
            issuer=7, endpoint=45000005, number=0x102, not_after=NOT_AFTER, timeout_s=60
        ),
        golden_key(),
    )
    command = material.sign(
        material.SecureCommand(
            issuer=7,
            endpoint=METER,
            number=0x103,
            not_after=NOT_AFTER,
            command=Command.DISCONNECT,
            parameters=b"\xca\xfe",
        ),
        golden_key(),
    )
    key = material.ReadingKey(issuer=7, endpoint=45000004, number=0x104, key=bytes(range(16)))
    for name, piece in (("authorization", authorization), ("command", command), ("reading_key", key)):
        assert octets(GOLDEN["material"][name]) == piece.encode()
        assert piece == material.decode(octets(GOLDEN["material"][name]))


def test_reading_golden_octets_both_ways() -> None:
    """A reading in the clear and sealed has the octets worked out by hand, and is read back from them."""
    reading = readings.Reading(consumption=123456, at=NOT_AFTER)
    plain, sealed = octets(GOLDEN["readings"]["plain"]), octets(GOLDEN["readings"]["sealed"])
    assert plain == reading.encode()
    assert reading == readings.decode_reading(plain)
    assert sealed == readings.seal(reading, bytes(range(16)), 45000004, 5)
    assert reading == readings.unseal(sealed, bytes(range(16)), 45000004)


@pytest.mark.parametrize("name", sorted(GOLDEN["frames"]))
def test_frame_golden_octets_both_ways(name: str) -> None:
    """Every type of frame is pinned, and is read back as what it was written from."""
    endpoint, sequence, message = FRAMES[name]
    frame = Frame(endpoint=endpoint, sequence=sequence, type=message.TYPE, payload=message.encode())
    assert octets(GOLDEN["frames"][name]) == frame.encode()
    reader = FrameReader()
    reader.feed(octets(GOLDEN["frames"][name]))
    found = reader.take()
    assert frame == found
    decode = messages.decode_answer if message.TYPE >= 0x80 else messages.decode_request
    assert message == decode(frame.type, frame.payload)
    assert "unreadable" not in describe(frame)


def test_frames_golden_has_every_type() -> None:
    """No message exists without a vector, save the sealed reading, whose octets are pinned above."""
    pinned = {type(message) for _, _, message in FRAMES.values()} | {messages.SealedDataAnswer}
    assert pinned == set(messages.EXPECTED) | {kind for kinds in messages.EXPECTED.values() for kind in kinds}


# -- material


def test_verify_any_bit_turned_does_not_hold() -> None:
    """No bit of a secure command can be turned: it is refused when read, or its signature does not hold."""
    key = golden_key()
    raw = octets(GOLDEN["material"]["command"])
    for bit in range(len(raw) * 8):
        bent = bytearray(raw)
        bent[bit // 8] ^= 1 << bit % 8
        try:
            found = material.decode(bytes(bent))
        except RemoteProtocolError:
            continue
        assert isinstance(found, material.ReadingKey) or not material.verify(found, key.public_key)


def test_verify_other_issuers_key_does_not_hold() -> None:
    """A stranger's signature over the same fields is not the issuer's."""
    found = material.decode(octets(GOLDEN["material"]["authorization"]))
    assert isinstance(found, material.SignedAuthorization)
    assert material.verify(found, golden_key().public_key)
    assert not material.verify(material.sign(found, PrivateKey(bytes(32))), golden_key().public_key)


@pytest.mark.parametrize("timeout_s", [59, 28_801, 0])
def test_authorization_time_out_beyond_limits_has_no_octets(timeout_s: int) -> None:
    """A session lasts a minute to eight hours; nothing else is signed, and nothing else is believed."""
    wrong = material.SignedAuthorization(
        issuer=1, endpoint=1, number=1, not_after=NOT_AFTER, timeout_s=timeout_s
    )
    with pytest.raises(LocalProtocolError, match="60 to 28800"):
        wrong.encode()
    raw = bytearray(octets(GOLDEN["material"]["authorization"]))
    raw[22:26] = timeout_s.to_bytes(4, "big")
    with pytest.raises(RemoteProtocolError):
        material.decode(bytes(raw))


def test_material_unsigned_has_no_octets() -> None:
    """What nobody signed cannot be sent by mistake."""
    with pytest.raises(LocalProtocolError, match="not signed"):
        material.SecureCommand(
            issuer=1, endpoint=1, number=1, not_after=NOT_AFTER, command=Command.CHECK
        ).encode()


def test_secrets_show_neither_in_repr_nor_in_errors() -> None:
    """Keys and signatures stay out of what may end up in a report."""
    signed = octets(GOLDEN["material"]["command"])
    key = octets(GOLDEN["material"]["reading_key"])
    request = messages.SecureCommandRequest(command=Command.CHECK, material=signed)
    frame = Frame(endpoint=1, sequence=1, type=request.TYPE, payload=request.encode())
    shown = [repr(material.decode(signed)), repr(material.decode(key)), repr(request), repr(frame)]
    shown += [repr(golden_key()), describe(frame)]
    for broken in (signed[:-1], key[:-1]):
        with pytest.raises(RemoteProtocolError) as caught:
            material.decode(broken)
        shown.append(repr(caught.value) + repr(vars(caught.value)))
    for text in shown:
        assert signed[-8:].hex() not in text
        assert repr(signed[-8:])[2:-1] not in text
        assert repr(key[-8:])[2:-1] not in text


@given(
    number=st.integers(0, (1 << 64) - 1),
    endpoint=st.integers(0, 0xFFFFFFFF),
    command=st.sampled_from(list(Command)),
    parameters=st.binary(max_size=64),
    seconds=st.integers(0, 0xFFFFFFFF),
)
def test_secure_command_any_fields_are_read_back(
    number: int, endpoint: int, command: Command, parameters: bytes, seconds: int
) -> None:
    """What is written is what is read."""
    written = material.SecureCommand(
        issuer=9,
        endpoint=endpoint,
        number=number,
        not_after=material.time_of(seconds.to_bytes(4, "big")),
        command=command,
        parameters=parameters,
        signature=bytes(64),
    )
    assert written == material.decode(written.encode())


@pytest.mark.parametrize(("key", "endpoint"), [(bytes(16), 45000004), (bytes(range(16)), 45000005)])
def test_unseal_other_key_or_endpoint_is_nothing(key: bytes, endpoint: int) -> None:
    """Without the endpoint's own key a sealed reading says nothing at all."""
    assert readings.unseal(octets(GOLDEN["readings"]["sealed"]), key, endpoint) is None


# -- engines


def asked(client: RadioClient, request: messages.Request, endpoint: int = METER) -> Requested:
    """Have ``client`` ask, and return what the other end hears."""
    server = RadioServer()
    server.receive_data(client.request(endpoint, request))
    event = server.next_event()
    assert isinstance(event, Requested)
    assert server.next_event() is None
    return event


def test_engines_request_and_answer_meet() -> None:
    """A request arrives as it was made, and its answer is the answer to it."""
    client = RadioClient(first_sequence=41)
    heard = asked(client, messages.CommandRequest(command=Command.CHECK))
    assert (
        Requested(endpoint=METER, sequence=42, request=messages.CommandRequest(command=Command.CHECK))
        == heard
    )
    client.receive_data(heard.answer(DONE))
    assert Answered(endpoint=METER, sequence=42, answer=DONE) == client.next_event()
    assert not client.waiting


def test_client_answer_twice_is_not_the_next_ones() -> None:
    """The doubled answer of one request is overheard, and the next request gets its own."""
    client = RadioClient()
    first = asked(client, messages.CommandRequest(command=Command.CHECK))
    client.receive_data(first.answer(DONE) * 2)
    assert isinstance(client.next_event(), Answered)
    second = asked(client, messages.CommandRequest(command=Command.CHECK))
    late = client.next_event()
    assert isinstance(late, Overheard)
    assert "2 is open, this answers 1" in late.why
    client.receive_data(second.answer(DONE))
    event = client.next_event()
    assert isinstance(event, Answered)
    assert event.sequence == second.sequence


def test_client_answer_after_giving_up_is_overheard() -> None:
    """A late answer is nobody's."""
    client = RadioClient()
    late = asked(client, messages.StatusRequest())
    client.give_up()
    client.receive_data(late.answer(status_answer()))
    assert isinstance(client.next_event(), Overheard)


def test_client_other_endpoints_answer_is_overheard() -> None:
    """The same sequence from another endpoint does not count."""
    client = RadioClient()
    heard = asked(client, messages.StatusRequest())
    other = Requested(endpoint=METER + 1, sequence=heard.sequence, request=heard.request)
    client.receive_data(other.answer(status_answer()))
    assert isinstance(client.next_event(), Overheard)
    assert client.waiting


def test_client_own_echo_is_overheard() -> None:
    """Half-duplex radios hear themselves."""
    client = RadioClient()
    client.receive_data(client.request(METER, messages.StatusRequest()))
    assert isinstance(client.next_event(), Overheard)
    assert client.waiting


def test_client_second_request_before_the_answer_is_our_mistake() -> None:
    """One request is open at a time, and a request that has no octets opens nothing."""
    client = RadioClient()
    with pytest.raises(LocalProtocolError):
        client.request(1 << 32, messages.StatusRequest())
    client.request(METER, messages.StatusRequest())
    with pytest.raises(LocalProtocolError, match="give it up"):
        client.request(METER, messages.StatusRequest())


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (0x84, b""),
        (0x84, b"\x02\x02\x00\x00\x00\x01"),
        (0x84, b"\x02\x00\x00\x00\x00\x01\x80"),
        (0x8F, b"\x63"),
        (0x8F, b""),
        (0x99, b""),
        (0x81, status_answer().encode()),
    ],
)
def test_client_intact_nonsense_is_the_endpoints_fault(kind: int, payload: bytes) -> None:
    """A frame with a good checksum that answers nothing blames the endpoint, with its octets."""
    client = RadioClient()
    heard = asked(client, messages.CommandRequest(command=Command.CHECK))
    raw = Frame(endpoint=METER, sequence=heard.sequence, type=kind, payload=payload).encode()
    client.receive_data(raw)
    with pytest.raises(RemoteProtocolError) as caught:
        client.next_event()
    assert caught.value.frame_intact
    assert raw == caught.value.data
    assert not client.waiting


def test_server_request_it_cannot_read_can_be_answered() -> None:
    """An intact frame that is no request is told apart from noise; an answer is left alone."""
    server = RadioServer()
    server.receive_data(Frame(endpoint=METER, sequence=9, type=0x55).encode())
    event = server.next_event()
    assert isinstance(event, Misunderstood)
    client = RadioClient(first_sequence=8)
    client.request(METER, messages.StatusRequest())
    client.receive_data(event.answer(messages.RefusedAnswer(reason=Reason.MALFORMED)))
    answered = client.next_event()
    assert isinstance(answered, Answered)
    server.receive_data(Frame(endpoint=METER, sequence=9, type=0x8F, payload=b"\x01").encode())
    assert isinstance(server.next_event(), AnswerHeard)


@pytest.mark.parametrize("piece", [1, 2, 5])
def test_reader_any_cut_gives_the_same_frames(piece: int) -> None:
    """However the stream is cut, the frames are the same."""
    frames = [octets(text) for text in GOLDEN["frames"].values()]
    stream = b"".join(frames)
    reader, found = FrameReader(), []
    for start in range(0, len(stream), piece):
        reader.feed(stream[start : start + piece])
        while (frame := reader.take()) is not None:
            assert isinstance(frame, Frame)
            found.append(frame.encode())
    assert frames == found
    assert not reader.incomplete


def test_reader_frame_after_noise_is_found() -> None:
    """Noise in front, between and with a start octet in it costs no frame, and is told once for each run."""
    frame = octets(GOLDEN["frames"]["status"])
    reader = FrameReader()
    reader.feed(b"noise" + frame + b"\x7e\x00\x01more\x7e\xff" + frame + frame)
    found = []
    while (item := reader.take()) is not None:
        found.append(item)
    assert [Damage, Frame, Damage, Frame, Frame] == [type(item) for item in found]
    assert isinstance(found[0], Damage)
    assert found[0].data == b"noise"


def test_reader_rest_that_never_comes_hides_no_frame() -> None:
    """A bent length makes the reader wait; once told that nothing more comes, it finds what lay behind."""
    frame = octets(GOLDEN["frames"]["status"])
    reader = FrameReader()
    reader.feed(b"\x7e\x00\xff" + frame)
    assert reader.take() is None
    assert reader.incomplete
    reader.skip()
    assert isinstance(reader.take(), Damage)
    assert isinstance(reader.take(), Frame)


def test_words_unknown_are_told_with_the_known_ones() -> None:
    """A misspelt word names its neighbours."""
    with pytest.raises(LocalProtocolError, match="open_session"):
        Command.of("open-session")
    assert Level.of("ready-to-secure") is Level.READY_TO_SECURE


# -- what has no octets


@pytest.mark.parametrize(
    "make",
    [
        lambda: Frame(endpoint=1, sequence=1, type=1, payload=bytes(256)).encode(),
        lambda: Frame(endpoint=1, sequence=0x1_0000, type=1).encode(),
        lambda: messages.CommandRequest(command=Command.CHECK, parameters=bytes(65)).encode(),
        lambda: messages.OpenSessionRequest(material=bytes(200)).encode(),
        lambda: messages.IdentityAnswer(model="a,b", serial="1").encode(),
        lambda: status_answer(executions=0xFFFF_FFFF).encode(),
        lambda: status_answer(tampers=-2).encode(),
        lambda: status_answer(device_type="x" * 201).encode(),
        lambda: readings.Reading(consumption=1 << 32, at=NOT_AFTER).encode(),
        lambda: readings.Reading(consumption=1, at=datetime(1969, 1, 1, tzinfo=UTC)).encode(),
        lambda: material.ReadingKey(issuer=1, endpoint=1, number=1, key=bytes(15)),
        lambda: material.ReadingKey(issuer=1 << 32, endpoint=1, number=1, key=bytes(16)).encode(),
        lambda: material.ReadingKey(issuer=1, endpoint=1, number=1 << 64, key=bytes(16)).encode(),
        lambda: material.SecureCommand(
            issuer=1,
            endpoint=1,
            number=1,
            not_after=NOT_AFTER,
            command=Command.CHECK,
            parameters=bytes(65),
        ).signed_octets(),
        lambda: PrivateKey(bytes(31)),
        lambda: PublicKey(bytes(65)),
    ],
)
def test_values_beyond_their_octets_are_our_mistake(make: Callable[[], object]) -> None:
    """Nothing is cut to fit."""
    with pytest.raises(LocalProtocolError):
        make()


@pytest.mark.parametrize(
    ("decode", "octets_"),
    [
        (readings.decode_reading, bytes(7)),
        (lambda raw: readings.unseal(raw, bytes(16), 1), bytes(31)),
        (material.decode, b"\x02" + bytes(100)),
        (material.decode, b"\x01\x02" + bytes(21) + b"\x41" + bytes(0x41 + 64)),
        (material.decode, b"\x01\x02" + bytes(20) + b"\x63\x00" + bytes(64)),
        (lambda raw: messages.decode_request(0x03, raw), b""),
        (lambda raw: messages.decode_request(0x04, raw), b""),
        (lambda raw: messages.decode_request(0x05, raw), bytes(200)),
        (lambda raw: messages.decode_request(0x07, raw), b"\x01\x01"),
        (lambda raw: messages.decode_request(0x01, raw), b"\x01"),
        (lambda raw: messages.decode_answer(0x81, raw), bytes(18)),
        (lambda raw: messages.decode_answer(0x82, raw), bytes(9)),
        (lambda raw: messages.decode_answer(0x83, raw), bytes(9)),
        (lambda raw: messages.decode_answer(0x88, raw), b"one,two"),
    ],
)
def test_octets_that_are_something_else_are_the_peers_mistake(
    decode: Callable[[bytes], object], octets_: bytes
) -> None:
    """Each decoder knows its own lengths and codes."""
    with pytest.raises(RemoteProtocolError):
        decode(octets_)


def test_keys_compare_by_what_they_are_and_go_nowhere() -> None:
    """Two public keys of one pair are equal; a private key is not pickled."""
    first, second = golden_key(), golden_key()
    assert first.public_key == second.public_key
    assert len({first.public_key, second.public_key}) == 1
    assert not first.public_key.verifies(b"short", b"text")
    with pytest.raises(TypeError):
        pickle.dumps(first)
