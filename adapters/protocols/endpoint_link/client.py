"""The end that asks: a test radio or a handheld. Octets in, events out; it neither waits nor repeats.

One request is open at a time. Its sequence number is in the answer, so that an answer that comes twice, or
after its request was given up, is never taken for that of the next one.

    IDLE --request--> WAITING --answer, malformed answer, give_up--> IDLE
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.endpoint_link.frames import MAX_SEQUENCE, Damage, Frame, FrameReader
from adapters.protocols.endpoint_link.messages import EXPECTED, Answer, Request, decode_answer


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The answer to the open request."""

    endpoint: int
    sequence: int
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class Overheard:
    """An intact frame that is no answer to the open request: late, doubled, another endpoint's, an echo."""

    frame: Frame
    why: str


Event: TypeAlias = Answered | Overheard | Damage


class RadioClient:
    """One radio. ``first_sequence`` is handed over so that two programs do not begin alike."""

    def __init__(self, *, first_sequence: int = 0) -> None:
        self._sequence = first_sequence & MAX_SEQUENCE
        self._open: tuple[int, int, Request] | None = None
        self._reader = FrameReader()

    @property
    def waiting(self) -> bool:
        """Whether a request is open."""
        return self._open is not None

    @property
    def incomplete(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._reader.incomplete

    def request(self, endpoint: int, request: Request) -> bytes:
        """Return the octets of a request and wait for its answer.

        Raises LocalProtocolError while another one is open, and for values that have no octets.
        """
        if self._open is not None:
            raise LocalProtocolError(f"a request to endpoint {self._open[0]} is open; give it up first")
        sequence = (self._sequence + 1) & MAX_SEQUENCE
        frame = Frame(endpoint=endpoint, sequence=sequence, type=request.TYPE, payload=request.encode())
        octets = frame.encode()
        self._sequence, self._open = sequence, (endpoint, sequence, request)
        return octets

    def give_up(self) -> None:
        """Close the open request without an answer, and forget the beginning of a frame."""
        self._open = None
        self._reader.drop()

    def skip(self) -> None:
        """Take the beginning of a frame for damage; events may follow."""
        self._reader.skip()

    def receive_data(self, data: bytes) -> None:
        """Take octets from the wire."""
        self._reader.feed(data)

    def next_event(self) -> Event | None:
        """Return what has happened next, None where nothing has.

        Raises RemoteProtocolError (``frame_intact``) where the endpoint asked answers what its protocol
        forbids; the request is closed then.
        """
        found = self._reader.take()
        if not isinstance(found, Frame):
            return found
        if found.type < 0x80:
            return Overheard(frame=found, why="a request, ours or another radio's")
        if self._open is None:
            return Overheard(frame=found, why="an answer nobody waits for")
        endpoint, sequence, request = self._open
        if found.endpoint != endpoint:
            return Overheard(frame=found, why=f"endpoint {endpoint} was asked, not {found.endpoint}")
        if found.sequence != sequence:
            return Overheard(frame=found, why=f"request {sequence} is open, this answers {found.sequence}")
        self._open = None
        return Answered(endpoint=endpoint, sequence=sequence, answer=_answer(found, request))


def _answer(frame: Frame, request: Request) -> Answer:
    try:
        answer = decode_answer(frame.type, frame.payload)
    except RemoteProtocolError as error:
        raise RemoteProtocolError(
            f"endpoint {frame.endpoint} sends an answer nobody can read: {error}",
            data=frame.encode(),
            frame_intact=True,
        ) from error
    if not isinstance(answer, EXPECTED[type(request)]):
        raise RemoteProtocolError(
            f"endpoint {frame.endpoint} answers {type(request).__name__} with {type(answer).__name__}",
            data=frame.encode(),
            frame_intact=True,
        )
    return answer
