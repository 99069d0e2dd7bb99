"""A radio to endpoints, as the adapter needs it, and the one on a serial port that speaks the stand-in link.

A lab with a licensed radio puts its own ``RadioLink`` in the place of ``FramedRadio``; see
``docs/endpoint-link.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from adapters.errors import FrameDamaged, ReadTimeout, Refused, TransportError
from adapters.protocols.endpoint_link.client import Answered, Overheard, RadioClient
from adapters.protocols.endpoint_link.describe import describe
from adapters.protocols.endpoint_link.frames import Damage, Frame, FrameReader
from adapters.protocols.endpoint_link.messages import (
    RADIO,
    Answer,
    IdentifyRequest,
    IdentityAnswer,
    RefusedAnswer,
    Request,
)
from adapters.registry import AdapterContext, OpenedLink
from adapters.roles import Identity

ANSWER_TIMEOUT_S = 2.0
WRITE_TIMEOUT_S = 5.0
READ_CHUNK_OCTETS = 4096
RADIO_LINK = "radio"


class RadioLink(Protocol):
    """A radio that reaches endpoints."""

    def ask(self, endpoint: int, request: Request) -> Answer:
        """Send one request, once, and return the endpoint's answer, which may be a refusal.

        Raises ReadTimeout where nothing came, FrameDamaged where only damage came, LinkLost,
        RemoteProtocolError where the endpoint's answer is none.
        """
        ...

    def identify(self) -> Identity:
        """Ask the radio itself what it is. Raises as ``ask`` does."""
        ...

    def close(self) -> None:
        """Close the radio; closing twice is harmless, and the next request opens it again."""
        ...


class FramedRadio:
    """A ``RadioLink`` on a serial port."""

    def __init__(self, context: AdapterContext) -> None:
        self._context, self._clock = context, context.clock
        options = context.links.get(RADIO_LINK, {})
        self._timeout_s = float(options.get("timeout_s", ANSWER_TIMEOUT_S))
        self._client = RadioClient(first_sequence=int.from_bytes(context.random_octets(2), "big"))
        self._opened: OpenedLink | None = None

    def ask(self, endpoint: int, request: Request) -> Answer:
        """See ``RadioLink``."""
        try:
            link = self._open()
            link.stream.write(self._client.request(endpoint, request), WRITE_TIMEOUT_S)
            return self._answer(link, endpoint)
        except TransportError as error:
            if not isinstance(error, ReadTimeout):
                self.close()
            raise
        finally:
            if self._client.waiting:
                self._client.give_up()

    def identify(self) -> Identity:
        """See ``RadioLink``."""
        answer = self.ask(RADIO, IdentifyRequest())
        if isinstance(answer, RefusedAnswer):
            raise Refused(answer.reason.word, f"{self._context.name} does not say who it is")
        assert isinstance(answer, IdentityAnswer)  # the engine lets nothing else through
        return Identity(serial=answer.serial, model=answer.model, firmware=answer.firmware)

    def close(self) -> None:
        """See ``RadioLink``."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.stream.close()

    def _open(self) -> OpenedLink:
        if self._opened is None:
            self._opened = self._context.open_link(RADIO_LINK)
        return self._opened

    def _answer(self, link: OpenedLink, endpoint: int) -> Answer:
        deadline_s = self._clock.monotonic_s() + self._timeout_s
        damage = bytearray()
        while True:
            if (answer := self._next(link, damage)) is not None:
                return answer
            try:
                left_s = max(0.0, deadline_s - self._clock.monotonic_s())
                self._client.receive_data(link.stream.read(READ_CHUNK_OCTETS, left_s))
            except ReadTimeout as silence:
                if (answer := self._overdue(link, damage)) is not None:
                    return answer
                where = f"{self._context.name}.{RADIO_LINK}: endpoint {endpoint}"
                if damage:
                    raise FrameDamaged(
                        f"{where}: only damage came within {self._timeout_s:g} s", data=bytes(damage)
                    ) from silence
                raise ReadTimeout(f"{where} is silent for {self._timeout_s:g} s") from silence

    def _next(self, link: OpenedLink, damage: bytearray) -> Answer | None:
        """Take events until the answer, or until there are none."""
        while (event := self._client.next_event()) is not None:
            match event:
                case Answered():
                    return event.answer
                case Overheard():
                    link.tap.note(f"not for this request: {event.why}")
                case Damage():
                    link.tap.note(f"damaged: {event.octets} octets that are no frame")
                    damage += event.data
        return None

    def _overdue(self, link: OpenedLink, damage: bytearray) -> Answer | None:
        """Look behind what began as a frame and did not end: the answer may be there."""
        while self._client.incomplete:
            self._client.skip()
            if (answer := self._next(link, damage)) is not None:
                return answer
        return None


class RadioTranscript:
    """Turns the octets of the link into lines, one a frame; it keeps each direction's unfinished rest."""

    def __init__(self) -> None:
        self._readers = {"->": FrameReader(), "<-": FrameReader()}

    def __call__(self, direction: str, octets: bytes) -> Sequence[str]:
        """Return what ``octets`` complete."""
        reader = self._readers.setdefault(direction, FrameReader())
        reader.feed(octets)
        lines = []
        while (found := reader.take()) is not None:
            if isinstance(found, Frame):
                lines.append(describe(found))
            else:
                lines.append(f"{found.octets} octets that are no frame")
        return lines
