"""HTTP in wire logs: messages in words, however they were cut; never an exception."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.transports.http_transcript import HttpTranscript

POST = (
    b"POST /v1/units HTTP/1.1\r\nHost: rig\r\nAuthorization: Bearer abcdef\r\n"
    b'Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a":123}'
)
CREATED = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 7\r\n\r\n"
    b'{"b":1}'
)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n4;x=y\r\n you\r\n0\r\n\r\n"
)


def test_transcript_names_request_and_answer_with_their_bodies() -> None:
    """One line for each message, the text of its body below; no header shows."""
    say = HttpTranscript()
    assert say("->", POST) == ["POST /v1/units  application/json 9 octets", '{"a":123}']
    assert say("<-", CREATED) == [
        "POST /v1/units -> 201 Created  application/json 7 octets",
        '{"b":1}',
    ]


def test_transcript_tells_an_answer_nobody_asked_for() -> None:
    """A server that answers twice is seen in the log."""
    say = HttpTranscript()
    say("->", b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert say("<-", CREATED + CREATED)[2] == "(nobody asked) -> 201 Created  application/json 7 octets"


def test_transcript_pipelined_requests_keep_their_answers() -> None:
    """Also where one has no body, one is HEAD, and one is preceded by 100."""
    say = HttpTranscript()
    head = b"HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n"
    assert say("->", head + POST)[:2] == ["HEAD /h", "POST /v1/units  application/json 9 octets"]
    bare = CREATED[: -len(b'{"b":1}')]
    assert say("<-", bare + b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 204 No Content\r\n\r\n") == [
        "HEAD /h -> 201 Created  application/json 7 octets",
        "100 Continue",
        "POST /v1/units -> 204 No Content",
    ]


def test_transcript_chunks_are_joined_whatever_their_cuts() -> None:
    """Chunk sizes and line ends are not part of the body."""
    for size in range(1, len(CHUNKED)):
        say = HttpTranscript()
        say("->", b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        lines = [line for at in range(0, len(CHUNKED), size) for line in say("<-", CHUNKED[at : at + size])]
        assert lines[0] == "GET /x -> 200 OK  text/plain in chunks"
        assert "".join(lines[1:]).replace(" ", "") == "helloyou"


def test_transcript_begins_afresh_after_a_message_that_was_cut_off() -> None:
    """A new request forgets the half answer of the one before."""
    say = HttpTranscript()
    say("->", POST)
    say("<-", CREATED[:-3])
    say("->", b"GET /y HTTP/1.1\r\nHost: a\r\n\r\n")
    assert say("<-", CREATED)[0].startswith("GET /y -> 201 Created")


def test_transcript_other_protocols_are_said_to_be_none() -> None:
    """A greeting, a TLS record."""
    say = HttpTranscript()
    assert say("<-", b"220 ready\r\n") == ["(not HTTP: 11 octets)"]
    assert say("<-", b"\x16\x03\x01" + bytes(60)) == ["(not HTTP: 63 octets)"]
    assert say("->", POST)[0].startswith("POST /v1/units")


def test_transcript_body_until_the_connection_closes_is_shown_and_cut() -> None:
    """An old server without Content-Length; long bodies are shortened."""
    say = HttpTranscript()
    say("->", b"GET /x HTTP/1.0\r\n\r\n")
    lines = say("<-", b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + b"a" * 700)
    assert lines[1].endswith("a ... (100 more characters)")
    assert say("<-", b"more") == ["more"]


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["->", "<-"]),
            st.binary(max_size=40)
            | st.sampled_from([POST, CREATED, CHUNKED, POST[:60], CHUNKED[:80], b"5\r\n"]),
        ),
        max_size=12,
    )
)
def test_transcript_any_octets_are_said_without_an_exception(pieces: list[tuple[str, bytes]]) -> None:
    """It believes nothing."""
    say = HttpTranscript()
    for direction, octets in pieces:
        assert all(isinstance(line, str) for line in say(direction, octets))
