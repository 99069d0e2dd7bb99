"""One HTTP connection: httpcore's, over a byte stream of ours, with an eye on what nobody asked for.

httpcore reads as much as there is and keeps the rest for the next answer; a server that answers twice would
so be taken to have answered the next request. Here the rest is looked at when an answer ends, and an idle
connection is looked at before it is used again.
"""

from __future__ import annotations

import httpcore

from adapters.base import ByteStream, Clock
from adapters.errors import LinkLost, ProtocolError, ReadTimeout, TransportError, WriteError, WriteTimeout
from adapters.transports.stream import CHUNK_BYTES

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_HEADER_BYTES = 64 * 1024
EVIDENCE_BYTES = 64 * 1024  # of an answer that went wrong
_PIECES_BEFORE_COUNTING, _CRUMB_BYTES = 10_000, 16


class NotAsked(Exception):
    """More octets than the answer has came."""


class TooMuch(Exception):
    """An answer without measure."""


class HttpConnection(httpcore.HTTP11Connection):
    """One connection; ``octets`` is the stream below it."""

    MAX_INCOMPLETE_EVENT_SIZE = MAX_HEADER_BYTES

    def __init__(self, origin: httpcore.Origin, octets: Octets) -> None:
        super().__init__(origin=origin, stream=octets)
        self.octets = octets

    def take_body(self, response: httpcore.Response) -> bytes:
        """Return the whole body. Raises TooMuch, and whatever the stream raises."""
        self.octets.in_head = False
        body, pieces = bytearray(), 0
        for name, value in response.headers:
            if name.lower() == b"content-length" and value.isdigit() and int(value[:20]) > MAX_BODY_BYTES:
                raise TooMuch(
                    f"an answer of {int(value[:20])} octets is announced, {MAX_BODY_BYTES} are taken"
                )
        for pieces, piece in enumerate(response.iter_stream(), 1):
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise TooMuch(f"the answer has more than {MAX_BODY_BYTES} octets")
            if pieces > _PIECES_BEFORE_COUNTING and len(body) < pieces * _CRUMB_BYTES:
                raise TooMuch(f"the answer comes in crumbs: {len(body)} octets in {pieces} pieces")
        return bytes(body)

    def finish(self, response: httpcore.Response) -> None:
        """Make ready for the next request. Raises NotAsked when more than the answer has come."""
        rest, _ = self._h11_state.trailing_data  # not public in httpcore 1; a test watches over it
        response.close()
        if not rest and self.is_idle() and self.has_expired():
            rest = self.octets.unasked or b""
            if not rest:  # closed right after the answer, which is the server's good right
                self.close()
        if rest:
            raise NotAsked(f"{len(rest)} octets nobody asked for came after the answer")


class Octets(httpcore.NetworkStream):
    """A byte stream of ours as httpcore sees it; keeps the begin of each answer as evidence."""

    evidence: bytearray
    count: int  # of octets of the answer so far
    in_head: bool  # its status and headers are not whole yet
    ended: bool  # the server closed its side
    write_failure: WriteError | None
    unasked: bytes | None  # what an idle connection said: octets, or b"" for good-bye

    def __init__(self, stream: ByteStream, clock: Clock) -> None:
        self._stream, self._clock = stream, clock
        self.begin(0.0)

    def begin(self, deadline_s: float) -> None:
        """Take note that a request begins; its answer has to be whole at ``deadline_s``."""
        self._deadline_s = deadline_s
        self.evidence, self.count, self.in_head, self.ended = bytearray(), 0, True, False
        self.write_failure = self.unasked = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return octets of the answer, ``b""`` at its regular end. Raises our errors."""
        if self.in_head and self.count > MAX_HEADER_BYTES:  # informational answers without end, above all
            raise TooMuch(f"no answer begins within {MAX_HEADER_BYTES} octets")
        try:
            data = self._stream.read(max_bytes, self._left_s(timeout))
        except LinkLost as error:
            if error.__cause__ is not None:  # reset, or cut off inside TLS: not an end
                raise
            self.ended = True
            return b""
        self.count += len(data)
        if len(self.evidence) < EVIDENCE_BYTES:
            self.evidence += data[: EVIDENCE_BYTES - len(self.evidence)]
            if not self.evidence.startswith(b"HTTP/1."[: len(self.evidence)]):
                raise httpcore.RemoteProtocolError(f"it begins with {bytes(self.evidence[:24])!r}")
        if self.count > MAX_BODY_BYTES + MAX_HEADER_BYTES:
            raise TooMuch(f"the answer has more than {MAX_BODY_BYTES} octets")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send ``buffer``. A broken link is told to httpcore, which then looks for an early answer."""
        try:
            self._stream.write(bytes(buffer), self._left_s(timeout))
        except WriteTimeout:
            raise
        except WriteError as error:
            self.write_failure = error
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def get_extra_info(self, info: str) -> object:
        """Answer ``is_readable``: whether an idle connection has said something, be it good-bye."""
        if info != "is_readable":
            return None
        if self.unasked is None:
            try:
                self.unasked = self._stream.read(CHUNK_BYTES, 0.0)
            except ReadTimeout:
                return False
            except (TransportError, ProtocolError):
                self.unasked = b""
        return True

    def _left_s(self, timeout: float | None) -> float:
        left_s = max(0.0, self._deadline_s - self._clock.monotonic_s())
        return left_s if timeout is None else min(timeout, left_s)
