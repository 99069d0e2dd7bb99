"""AT commands: both ends against each other, news in the wrong places, and lines nobody should send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import LocalProtocolError
from adapters.protocols.gsm.at_client import (
    MAX_ANSWER_LINES,
    MAX_LINE_OCTETS,
    NEED_DATA,
    Answer,
    AtClient,
    AtEvent,
    Garbled,
    MessageArrived,
    MessageStored,
    NeedData,
    News,
)
from adapters.protocols.gsm.at_server import AtServer, Command, Typed, Unreadable


def events(client: AtClient, *pieces: bytes) -> list[AtEvent]:
    found: list[AtEvent] = []
    for piece in pieces:
        client.receive_data(piece)
    while not isinstance(event := client.next_event(), NeedData):
        found.append(event)
    return found


def asking(command: str) -> AtClient:
    client = AtClient()
    client.command(command)
    assert command.encode() + b"\r" == client.data_to_send()
    return client


@pytest.mark.parametrize("echo", [b"AT+CSQ\r\r\n", b""])
def test_answer_with_and_without_echo_is_the_same(echo: bytes) -> None:
    """An echo is no line of the answer."""
    (answer,) = events(asking("AT+CSQ"), echo + b"+CSQ: 18,99\r\n\r\nOK\r\n")
    assert Answer(command="AT+CSQ", lines=("+CSQ: 18,99",)) == answer


def test_news_in_the_middle_of_an_answer_is_told_apart() -> None:
    """A message and a report may come between the lines of an answer; it stays whole."""
    found = events(
        asking("AT+CMGR=1"),
        b'\r\n+CMGR: 0,,30\r\n\r\n+CMTI: "SM",3\r\n\r\n+CDS: 2\r\nC0FE\r\n0791\r\nRING\r\n\r\nOK\r\n',
    )
    assert [
        MessageStored(memory="SM", index=3, is_report=False),
        MessageArrived(octets=b"\xc0\xfe", is_report=True),
        News(line="RING"),
        Answer(command="AT+CMGR=1", lines=("+CMGR: 0,,30", "0791")),
    ] == found


def test_unsolicited_registration_before_its_answer_is_news() -> None:
    """+CREG with one value is news, with two it is the answer."""
    found = events(asking("AT+CREG?"), b"\r\n+CREG: 1\r\n\r\n+CREG: 0,1\r\n\r\nOK\r\n")
    assert [News(line="+CREG: 1"), Answer(command="AT+CREG?", lines=("+CREG: 0,1",))] == found


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("+CMS ERROR: 322", 322, "memory full"),
        ("+CME ERROR: 10", 10, "SIM not inserted"),
        ("ERROR", -1, "ERROR"),
    ],
)
def test_error_is_told_with_its_words(line: str, code: int, words: str) -> None:
    """A number alone helps nobody at night."""
    (answer,) = events(asking("AT+CMGS=?"), f"\r\n{line}\r\n".encode())
    assert isinstance(answer, Answer)
    assert code == answer.code
    assert words in answer.error


def test_pdu_is_sent_after_the_prompt_only() -> None:
    """Nothing is typed before the modem asks; Ctrl-Z ends it."""
    client = AtClient()
    client.send_pdu(bytes.fromhex("000102"), 2)
    assert client.data_to_send() == b"AT+CMGS=2\r"
    assert events(client, b"\r\n>") == []
    assert client.data_to_send() == b""
    assert events(client, b" ") == []
    assert client.data_to_send() == b"000102\x1a"
    assert [Answer(command="AT+CMGS=2", lines=("+CMGS: 7",))] == events(
        client, b"000102\x1a\r\n+CMGS: 7\r\n\r\nOK\r\n"
    )


def test_giving_up_at_the_prompt_leaves_it_with_escape() -> None:
    """The modem must not take the next command for a message."""
    client = AtClient()
    client.send_pdu(b"\x00", 1)
    client.data_to_send()
    client.give_up()
    assert client.data_to_send() == b"\x1b"
    assert not client.busy


def test_two_commands_at_once_are_a_local_error() -> None:
    """One at a time."""
    with pytest.raises(LocalProtocolError):
        asking("AT").command("AT")


def test_line_without_end_is_bounded() -> None:
    """A megabyte without a line end is reported in pieces and not kept."""
    client = AtClient()
    found = events(client, b"x" * (1 << 20))
    assert all(isinstance(event, Garbled) and len(event.data) <= MAX_LINE_OCTETS for event in found)


def test_answer_without_end_is_cut() -> None:
    """A modem that never says OK ends as an error of its own making."""
    found = events(asking("AT+CMGL=4"), b"\r\nx" * (MAX_ANSWER_LINES + 5))
    assert any(isinstance(event, Answer) and event.error for event in found)


@given(st.binary(max_size=400))
def test_any_octets_do_no_harm_to_either_end(octets: bytes) -> None:
    """Neither engine raises for what comes."""
    client = asking("AT+CMGL=4")
    events(client, octets, b"\r\n")
    server = AtServer()
    server.receive_data(octets + b"\r")
    for _ in range(len(octets) + 1):
        if server.next_command() is None:
            break
        server.ok()


@given(st.binary(max_size=200), st.integers(1, 40))
def test_octets_in_any_pieces_mean_the_same(octets: bytes, size: int) -> None:
    """How a serial port cuts them does not matter."""
    pieces = [octets[start : start + size] for start in range(0, len(octets), size)]
    assert events(asking("AT"), octets) == events(asking("AT"), *pieces)


def typed(server: AtServer, text: bytes) -> Command | Typed | Unreadable | None:
    server.receive_data(text)
    return server.next_command()


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"AT\r", Command(name="")),
        (b"ATE0\r", Command(name="E0")),
        (b"at+csq\r", Unreadable(line="at+csq")),
        (b"AT+CSQ\r", Command(name="CSQ")),
        (b"AT+CREG?\r", Command(name="CREG", kind="read")),
        (b"AT+CMGS=?\r", Command(name="CMGS", kind="test")),
        (b'AT+CPMS="SM","ME"\r', Command(name="CPMS", kind="set", arguments=("SM", "ME"))),
    ],
)
def test_server_reads_a_command(line: bytes, command: Command) -> None:
    """Each kind of command."""
    server = AtServer()
    assert command == typed(server, line)
    assert line == server.data_to_send()


def test_server_news_waits_while_somebody_types() -> None:
    """A +CMTI does not come into a half-typed line or a PDU, but right after it."""
    server = AtServer()
    server.echo = False
    assert typed(server, b"AT+CS") is None
    server.news('+CMTI: "SM",1')
    assert server.data_to_send() == b""
    assert Command(name="CSQ") == typed(server, b"Q\r")
    server.ok("+CSQ: 1,99")
    assert server.data_to_send() == b'\r\n+CSQ: 1,99\r\n\r\nOK\r\n\r\n+CMTI: "SM",1\r\n'


@pytest.mark.parametrize(("end", "text"), [(b"\x1a", "00FF"), (b"\x1b", None)])
def test_client_and_server_pass_a_pdu(end: bytes, text: str | None) -> None:
    """Ctrl-Z hands the PDU over, ESC forgets it."""
    server = AtServer()
    assert typed(server, b"AT+CMGS=1\r") is not None
    server.prompt()
    assert server.data_to_send().endswith(b"\r\n> ")
    assert Typed(text=text) == typed(server, b"00FF" + end)


def test_ends_agree_on_whole_conversations() -> None:
    """A client over a server: two commands in one line, an error, an answer."""
    server, client = AtServer(), AtClient()
    for command, reply in (("AT+CMGF=0;+CSQ", ""), ("AT+CNMI=9", "+CMS ERROR: 304"), ("AT", "")):
        client.command(command)
        server.receive_data(client.data_to_send())
        while (got := server.next_command()) is not None:
            assert isinstance(got, Command)
            if reply:
                server.error(reply)
            else:
                server.ok(f"+{got.name}: 1") if got.name == "CSQ" else server.ok()
        (answer,) = events(client, server.data_to_send())
        assert isinstance(answer, Answer)
        assert answer.error.startswith(reply) if reply else not answer.error
    assert client.next_event() is NEED_DATA
