"""The end that is asked: everything that hears one radio. Octets in, requests out, answers as octets.

It knows no endpoints: who answers, and what, is for the caller. It answers nothing by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from adapters.errors import RemoteProtocolError
from adapters.protocols.endpoint_link.frames import Damage, Frame, FrameReader
from adapters.protocols.endpoint_link.messages import Answer, Request, decode_request


@dataclass(frozen=True, kw_only=True)
class Requested:
    """A request that arrived whole."""

    endpoint: int
    sequence: int
    request: Request

    def answer(self, answer: Answer) -> bytes:
        """Return the octets of an answer to it."""
        return _answer(self.endpoint, self.sequence, answer)


@dataclass(frozen=True, kw_only=True)
class Misunderstood:
    """An intact frame that is no request the link knows; its endpoint may say so."""

    endpoint: int
    sequence: int
    why: str

    def answer(self, answer: Answer) -> bytes:
        """Return the octets of an answer to it."""
        return _answer(self.endpoint, self.sequence, answer)


@dataclass(frozen=True, kw_only=True)
class AnswerHeard:
    """Somebody else's answer; nobody answers an answer."""

    frame: Frame


Event: TypeAlias = Requested | Misunderstood | AnswerHeard | Damage


class RadioServer:
    """One radio's far end."""

    def __init__(self) -> None:
        self._reader = FrameReader()

    @property
    def incomplete(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._reader.incomplete

    def skip(self) -> None:
        """Take the beginning of a frame for damage; events may follow."""
        self._reader.skip()

    def receive_data(self, data: bytes) -> None:
        """Take octets from the wire."""
        self._reader.feed(data)

    def next_event(self) -> Event | None:
        """Return what has happened next, None where nothing has."""
        found = self._reader.take()
        if not isinstance(found, Frame):
            return found
        if found.type >= 0x80:
            return AnswerHeard(frame=found)
        try:
            request = decode_request(found.type, found.payload)
        except RemoteProtocolError as error:
            return Misunderstood(endpoint=found.endpoint, sequence=found.sequence, why=str(error))
        return Requested(endpoint=found.endpoint, sequence=found.sequence, request=request)


def _answer(endpoint: int, sequence: int, answer: Answer) -> bytes:
    return Frame(endpoint=endpoint, sequence=sequence, type=answer.TYPE, payload=answer.encode()).encode()
