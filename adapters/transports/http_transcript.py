"""HTTP octets in words, for wire logs: requests, answers beside the request they answer, and text bodies.

    -> POST /v1/units  application/json 57 octets
       {"serial":"00012345"}
    <- POST /v1/units -> 201 Created  application/json 213 octets

It believes nothing and raises nothing: what is not HTTP is said to be none, and a message that was cut off
ends where the next one begins. An answer to no request is marked as such.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

SHOWN_CHARACTERS = 600  # of the body in one line of the log
MAX_HEAD_BYTES = 64 * 1024

_START = {
    "->": re.compile(rb"([A-Z]{1,20}) ([^ \r\n]{1,8000}) HTTP/1\.[01]\r?\n"),
    "<-": re.compile(rb"HTTP/1\.[01] (\d{3})(?: ([^\r\n]{0,200}))?\r?\n"),
}
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"^([!-9;-~]+):[ \t]*(.*?)[ \t]*\r?$", re.MULTILINE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]{0,200}\r\n")
_BEGINS = re.compile(rb"HTTP/1|[A-Z]{1,20} /")


@dataclass(kw_only=True)
class _Reader:
    """One direction: the octets of a head that is not whole yet, and what is left of a body."""

    head: bytearray = field(default_factory=bytearray)
    body_left: int = 0  # of a body with a length; of a chunk, with its line end
    chunked: bool = False
    until_close: bool = False
    sized: bool = False
    text: bool = False

    def forget(self) -> None:
        """Start afresh."""
        self.head.clear()
        self.body_left, self.chunked, self.until_close = 0, False, False


class HttpTranscript:
    """``harness.evidence.wirelog.Decode`` for HTTP/1.1; it keeps state from line to line of the log."""

    def __init__(self) -> None:
        self._readers = {"->": _Reader(), "<-": _Reader()}
        self._asked: deque[str] = deque(maxlen=100)

    def __call__(self, direction: str, octets: bytes) -> list[str]:
        """Return what ``octets`` say, one text a line."""
        reader, lines = self._readers[direction], list[str]()
        if _START[direction].match(octets):  # whatever was cut off before, here a message begins
            reader.forget()
            if direction == "->":
                self._readers["<-"].forget()
                self._asked.clear()
        rest = octets
        while rest:
            if reader.body_left or reader.chunked or reader.until_close:
                shown, rest = _body(reader, rest)
                lines += _shown(shown) if reader.text else []
            else:
                line, rest = self._head(direction, reader, rest)
                lines += [line] if line else []
        return lines

    def _head(self, direction: str, reader: _Reader, octets: bytes) -> tuple[str, bytes]:
        """Take a head, or its next part; return what it says and what comes after it."""
        reader.head += octets
        if not reader.head.strip(b"\r\n"):  # blank lines between messages
            reader.head.clear()
            return "", b""
        end = _HEAD_END.search(reader.head, 1)
        may_go_on = _BEGINS.match(reader.head) or len(reader.head) < 8
        if end is None and may_go_on and len(reader.head) < MAX_HEAD_BYTES:
            return "", b""
        cut = len(reader.head) if end is None else end.end()
        head, rest = bytes(reader.head[:cut]), bytes(reader.head[cut:])
        reader.forget()
        start = _START[direction].match(head)
        if start is None:
            return f"(not HTTP: {len(head) + len(rest)} octets)", b""
        fields = {name.lower(): value for name, value in _FIELD.findall(head)}
        about = _framing(reader, fields)
        if direction == "->":
            return f"{self._request(start)}{about}", rest
        return f"{self._answer(reader, start)}{about}", rest

    def _request(self, start: re.Match[bytes]) -> str:
        said = f"{start[1].decode()} {start[2].decode('latin-1')}"
        self._asked.append(said)
        return said

    def _answer(self, reader: _Reader, start: re.Match[bytes]) -> str:
        status = int(start[1])
        said = f"{status} {(start[2] or b'').decode('latin-1')}".rstrip()
        if status < 200:
            reader.forget()
            return said
        asked = self._asked.popleft() if self._asked else ""
        if asked.startswith("HEAD ") or status in (204, 304):
            reader.forget()
        elif not reader.chunked and not reader.sized:
            reader.until_close = True
        return f"{asked or '(nobody asked)'} -> {said}"


def _framing(reader: _Reader, fields: dict[bytes, bytes]) -> str:
    """Learn how long the body is; return it in words, with its type."""
    media = fields.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
    length = fields.get(b"content-length", b"")
    reader.sized = length.isdigit()
    reader.text = media.startswith("text/") or media.endswith(("json", "xml", "urlencoded"))
    reader.chunked = b"chunked" in fields.get(b"transfer-encoding", b"").lower()
    if reader.chunked:
        return f"  {media} in chunks"
    if reader.sized:
        reader.body_left = int(length[:18])
        return f"  {media} {reader.body_left} octets" if media else f"  {reader.body_left} octets"
    return f"  {media}" if media else ""


def _body(reader: _Reader, octets: bytes) -> tuple[bytes, bytes]:
    """Take as much of the body as ``octets`` have; return it and what comes after it."""
    if reader.until_close:
        return octets, b""
    if reader.body_left:
        part, rest = octets[: reader.body_left], octets[reader.body_left :]
        reader.body_left -= len(part)
        return (part.removesuffix(b"\r\n") if reader.chunked else part), rest
    reader.head += octets  # a chunk's size may be cut
    size = _CHUNK.match(reader.head)
    if size is None:
        if len(reader.head) > 300 or b"\n" in reader.head[:300]:
            reader.forget()
        return b"", b""
    count, rest = int(size[1], 16), bytes(reader.head[size.end() :])
    reader.head.clear()
    if count == 0:
        reader.chunked = False  # its blank line reads as one between messages
        return b"", rest
    reader.body_left = count + 2
    return b"", rest


def _shown(body: bytes) -> list[str]:
    text = body.decode("utf-8", "replace").strip()
    if len(text) > SHOWN_CHARACTERS:
        text = f"{text[:SHOWN_CHARACTERS]} ... ({len(text) - SHOWN_CHARACTERS} more characters)"
    return [text] if text else []
