"""IEC 62056-21 mode C: messages of others, both engines against each other, damage, and nonsense."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import damage
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.devices.dlms_transcript import Transcriber
from adapters.errors import LocalProtocolError
from adapters.protocols.iec62056_21 import (
    NEED_DATA,
    Acknowledged,
    Command,
    CommandDone,
    DataMessage,
    DataReceived,
    DataSet,
    Identification,
    IdentificationReceived,
    LineChange,
    MessageDamaged,
    MessageStream,
    Mode,
    ModeCClient,
    ModeCServer,
    ModeEServer,
    OptionSelect,
    OptionSelected,
    PasswordAsked,
    RepeatAsked,
    SessionEnded,
    SignOnFailed,
    bcc,
)

VECTORS: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "golden" / "mode_c.yaml").read_text(encoding="utf-8")
)
METER = Identification(manufacturer="MCS", baud_code="5", enhanced="2", identification="301")
DATA = (
    DataSet(address="1.8.0", value="0001234.567", unit="kWh"),
    DataSet(address="0.0.0", value="30112345"),
)


def data_set(fields: list[str]) -> DataSet:
    """Return the data set a vector writes as three texts."""
    return DataSet(address=fields[0], value=fields[1], unit=fields[2])


def read(octets: bytes) -> list[object]:
    """Return every message in ``octets``."""
    stream = MessageStream()
    stream.receive_data(octets)
    found: list[object] = []
    while (message := stream.next_message()) is not None:
        found.append(message)
    return found


def test_readout_of_others_decodes_and_encodes_to_itself() -> None:
    """A readout that another implementation wrote says what it says, and we write the same octets."""
    octets = bytes.fromhex(VECTORS["readout"]["octets"])
    message = DataMessage(data=tuple(map(data_set, VECTORS["readout"]["data"])), readout=True)
    assert [message] == read(octets)
    assert octets == message.encode()


def test_answer_of_others_decodes() -> None:
    """A data message of programming mode may end its only line with CR LF."""
    octets = bytes.fromhex(VECTORS["answer"]["octets"])
    assert [DataMessage(data=tuple(map(data_set, VECTORS["answer"]["data"])))] == read(octets)


@pytest.mark.parametrize("vector", VECTORS["commands"], ids=lambda vector: vector["letter"])
def test_command_of_others_decodes_and_encodes_to_itself(vector: dict[str, Any]) -> None:
    """Password, read, write and break are octet for octet those of another implementation."""
    data = None if vector["data"] is None else data_set(vector["data"])
    command = Command(letter=vector["letter"], kind=vector["kind"], data=data)
    assert [command] == read(bytes.fromhex(vector["octets"]))
    assert bytes.fromhex(vector["octets"]) == command.encode()


def test_option_select_of_others_is_ours() -> None:
    """Mode C is chosen by the same octets."""
    vector = VECTORS["option_select"]
    option = OptionSelect(protocol=vector["protocol"], baud_code=vector["baud_code"], mode=vector["mode"])
    assert bytes.fromhex(vector["octets"]) == option.encode()


def test_bcc_wrong_is_an_event_and_the_next_message_is_read() -> None:
    """A damaged message is reported with its octets, and spoils nothing behind it."""
    good = DataMessage(data=DATA, readout=True).encode()
    bad = good[:-1] + bytes((good[-1] ^ 1,))
    damaged, after = read(bad + good)
    assert isinstance(damaged, MessageDamaged)
    assert bad == damaged.data
    assert DataMessage(data=DATA, readout=True) == after


def test_password_is_not_in_the_text_of_a_command() -> None:
    """A transcript may show that a password was sent, and not which."""
    assert "4711" not in str(Command(letter="P", kind="1", data=DataSet(value="4711")))


@pytest.mark.parametrize("value", ["a)b", "1*2", "line\r\nbreak", "\x03", "münze"])
def test_data_set_that_would_not_read_back_is_refused(value: str) -> None:
    """Nobody can build a message that says something else on the wire."""
    with pytest.raises(LocalProtocolError):
        DataMessage(data=(DataSet(address="1.8.0", value=value),)).encode()


printable = st.text(
    alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="()/!*")
)
sets = st.builds(DataSet, address=printable.map(lambda t: t[:32]), value=printable.map(lambda t: t[:128]))


@given(
    st.builds(DataMessage, data=st.lists(sets, max_size=5).map(tuple), readout=st.booleans()),
    st.lists(st.integers(1, 40), max_size=20),
)
def test_data_message_any_cuts_of_the_stream_make_the_same_message(
    message: DataMessage, cuts: list[int]
) -> None:
    """How the octets arrive makes no difference."""
    octets, stream = message.encode(), MessageStream()
    found = []
    for cut in [*cuts, len(octets)]:
        stream.receive_data(octets[:cut])
        octets = octets[cut:]
        while (read_one := stream.next_message()) is not None:
            found.append(read_one)
    assert [message] == found


@settings(max_examples=200)
@given(st.integers(0, 2**32))
def test_stream_damaged_input_never_raises_and_comes_to_an_end(seed: int) -> None:
    """Whatever happens to a message, something is reported or more is waited for."""
    rng = random.Random(seed)
    good = rng.choice(
        [
            DataMessage(data=DATA, readout=True).encode(),
            Command(letter="B", kind="0").encode(),
            b"\x06",
            b"\x15",
        ]
    )
    read(damage.havoc(rng, good, [b"\x01", b"\x02", b"\x03", b"\x04", b"\x15"]))


def test_stream_endless_message_is_given_up_at_the_limit() -> None:
    """A meter that never ends its message costs no more memory than the limit."""
    stream = MessageStream(max_octets=1000)
    found: list[object] = []
    for _ in range(50):
        stream.receive_data(b"\x02" + b"x" * 99)
        while (message := stream.next_message()) is not None:
            found.append(message)
    assert found
    assert all(isinstance(message, MessageDamaged) for message in found)


class Desk:
    """A meter with one register that can be written after the password."""

    def __init__(self) -> None:
        self.value, self.proved = "1", False

    def readout(self) -> tuple[DataSet, ...]:
        return DATA

    def repeated(self, sent: bytes) -> bytes:
        return sent

    def operand(self) -> str:
        return "42"

    def command(self, command: Command) -> DataMessage | Acknowledged | None:
        match command:
            case Command(letter="P", data=DataSet(value="right")):
                self.proved = True
                return Acknowledged()
            case Command(letter="P"):
                return None
            case Command(letter="W", data=DataSet(value=value)) if self.proved:
                self.value = value
                return Acknowledged()
            case Command(letter="R"):
                return DataMessage(data=(DataSet(address="x", value=self.value),))
        return DataMessage(data=(DataSet(value="ER03"),))


class Line:
    """Both ends on one wire; ``spoil`` flips a bit of the n-th message from the meter (from 0 on)."""

    def __init__(self, client: ModeCClient, spoil: frozenset[int] = frozenset()) -> None:
        self.client, self.sign_on = client, ModeEServer(METER, address="30112345", direct_hdlc=False)
        self.server: ModeCServer | None = None
        self.desk, self.spoil, self.sent = Desk(), spoil, 0
        self.settings: list[str] = []

    def run(self) -> list[object]:
        """Exchange until both wait; return what the client reported besides line changes."""
        found: list[object] = []
        moved = True
        while moved:
            moved = False
            while (event := self.client.next_event()) is not NEED_DATA:
                if isinstance(event, LineChange):
                    self.settings.append(str(event.settings))
                elif not isinstance(event, IdentificationReceived):
                    found.append(event)
            if data := self.client.data_to_send():
                self._to_meter(data)
                moved = True
            if data := self._from_meter():
                self.client.receive_data(data)
                moved = True
        return found

    def _to_meter(self, data: bytes) -> None:
        (self.server or self.sign_on).receive_data(data)

    def _from_meter(self) -> bytes:
        if self.server is None:
            while (event := self.sign_on.next_event()) is not NEED_DATA:
                if isinstance(event, OptionSelected):
                    self.server = ModeCServer(self.desk, event.option, reaction_s=0.2)
                    self.server.start()
        if self.server is None:
            return self.sign_on.data_to_send()
        while self.server.next_event() is not NEED_DATA:
            pass
        data = self.server.data_to_send()
        if data:
            if self.sent in self.spoil:
                data = data[:5] + bytes((data[5] ^ 0x01,)) + data[6:]
            self.sent += 1
        return data


def test_readout_between_both_ends_is_whole_at_the_meters_speed() -> None:
    """Sign-on at 300, data at 9600, always seven bits and even parity."""
    line = Line(ModeCClient())
    line.client.start()
    assert [DataReceived(message=DataMessage(data=DATA, readout=True))] == line.run()
    assert line.settings == ["300 7E1", "9600 7E1"]


def test_readout_damaged_is_asked_for_again() -> None:
    """A wrong BCC costs one repetition and no more."""
    line = Line(ModeCClient(), spoil=frozenset({0}))
    line.client.start()
    repeat, received = line.run()
    assert isinstance(repeat, RepeatAsked)
    assert repeat.data
    assert DataReceived(message=DataMessage(data=DATA, readout=True)) == received


def test_readout_damaged_for_ever_ends_the_session() -> None:
    """A line that only garbles is given up after the repeats allowed."""
    line = Line(ModeCClient(max_repeats=2), spoil=frozenset(range(9)))
    line.client.start()
    *_, last = line.run()
    assert isinstance(last, SessionEnded)
    assert "3 damaged messages" in last.why


def test_programming_reads_and_writes_after_the_password() -> None:
    """Password, write, read back, break."""
    line = Line(ModeCClient(mode=Mode.PROGRAMMING))
    line.client.start()
    assert [PasswordAsked(operand="42")] == line.run()
    line.client.command("W", "1", DataSet(address="x", value="2"))
    assert [DataReceived(message=DataMessage(data=(DataSet(value="ER03"),)))] == line.run()
    line.client.command("P", "1", DataSet(value="right"))
    assert [CommandDone()] == line.run()
    line.client.command("W", "1", DataSet(address="x", value="2"))
    assert [CommandDone()] == line.run()
    line.client.command("R", "1", DataSet(address="x"))
    assert [DataReceived(message=DataMessage(data=(DataSet(address="x", value="2"),)))] == line.run()
    line.client.command("B", "0")
    assert [SessionEnded(why="break")] == line.run()
    assert line.server is not None
    assert line.server.ended


def test_programming_refused_password_ends_with_the_meters_break() -> None:
    """A meter may end the session by itself; the client says so and takes no more commands."""
    line = Line(ModeCClient(mode=Mode.PROGRAMMING))
    line.client.start()
    line.run()
    line.client.command("P", "1", DataSet(value="wrong"))
    assert [SessionEnded(why="the meter breaks off")] == line.run()
    with pytest.raises(LocalProtocolError):
        line.client.command("R", "1", DataSet(address="x"))


def test_address_of_another_meter_is_silence_until_the_client_gives_up() -> None:
    """Three requests, no identification, one event."""
    line = Line(ModeCClient("30112346"))
    line.client.start()
    assert line.run() == []
    found: list[object] = []
    for _ in range(3):
        line.client.response_timeout()
        found += line.run()
    assert [SignOnFailed(why="no identification after 3 requests")] == found


def test_bcc_covers_everything_behind_the_start_up_to_the_end() -> None:
    """The start octet is left out, ETX is not: ISO/IEC 1155 as the standard cites it."""
    assert bcc(b"B0\x03") == 0x42 ^ 0x30 ^ 0x03


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (DataMessage(data=DATA, readout=True).encode(), "62056-21 readout: 2 data sets"),
        (DataMessage(data=(DataSet(value="ER03"),)).encode(), "62056-21 error ER03"),
        (Command(letter="P", kind="1", data=DataSet(value="4711")).encode(), "62056-21 command P1 (...)"),
        (
            Command(letter="R", kind="1", data=DataSet(address="1.8.0")).encode(),
            "62056-21 command R1 1.8.0()",
        ),
        (Command(letter="B", kind="0").encode(), "62056-21 command B0"),
        (b"\x15", "62056-21 NAK"),
    ],
)
def test_transcript_says_what_a_message_is(octets: bytes, text: str) -> None:
    """A person reads the kind of a message, an error's text, and no password; also in two pieces."""
    transcribe = Transcriber()
    assert list(transcribe("->", octets)) == [text]
    if len(octets) > 1:
        assert list(transcribe("<-", octets[:-1])) == []
        assert list(transcribe("<-", octets[-1:])) == [text]


def test_transcript_noise_in_front_of_a_frame_hides_no_frame() -> None:
    """Two octets of noise that might begin a message of mode C do not swallow the HDLC frame behind them."""
    frame = bytes.fromhex("7EA0070321930F017E")
    lines = Transcriber()("->", b"\x02\x41" + frame)
    assert [line for line in lines if line.startswith("HDLC SNRM")]
