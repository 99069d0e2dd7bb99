"""A handheld's radio: runs one exchange after the other, each of which waits for an endpoint's answer.

What is said is written as a script: a generator that yields requests and is sent the answers, None where none
came. The script's result, or the Refused that ended it, goes to whoever asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from adapters.errors import Refused, RemoteProtocolError
from adapters.protocols.endpoint_link.client import Answered, RadioClient
from adapters.protocols.endpoint_link.messages import Answer, Request
from virtual_rig.secured.air import Air
from virtual_rig.wire import Scheduler, Timer

ANSWER_TIMEOUT_S = 2.0

T = TypeVar("T")
Script: TypeAlias = Generator[Request, Answer | None, T]


class Talk(Generic[T]):
    """A script at work with one endpoint. ``result`` is set when it is done, or ``refusal``."""

    def __init__(self, endpoint: int, script: Script[T]) -> None:
        self.endpoint, self.script = endpoint, script
        self.result: T | None = None
        self.refusal: Refused | None = None

    @property
    def done(self) -> bool:
        """Whether it has ended, either way."""
        return self.result is not None or self.refusal is not None


class HandheldRadio:
    """The radio of one handheld; ``sender`` is who the endpoints hear."""

    def __init__(self, air: Air, scheduler: Scheduler, *, sender: str) -> None:
        self._air, self._scheduler, self._sender = air, scheduler, sender
        self._client = RadioClient()
        self._timer: Timer | None = None

    def start(self, talk: Talk[T]) -> None:
        """Begin a script; it goes on as answers come. The caller sees to it that one runs at a time."""
        self._go_on(talk, None)

    def _go_on(self, talk: Talk[T], answer: Answer | None) -> None:
        try:
            request = talk.script.send(answer)
        except StopIteration as stop:
            talk.result = stop.value
        except Refused as refusal:
            talk.refusal = refusal
        else:
            frame = self._client.request(talk.endpoint, request)
            self._timer = self._scheduler.call_later(ANSWER_TIMEOUT_S, self._silence, talk)
            heard: Callable[[bytes], object] = partial(self._heard, talk)
            self._air.exchange(frame, self._sender, heard)

    def _heard(self, talk: Talk[T], octets: bytes) -> None:
        self._client.receive_data(octets)
        try:
            while (event := self._client.next_event()) is not None:
                if isinstance(event, Answered):
                    self._stop_waiting()
                    self._go_on(talk, event.answer)
        except RemoteProtocolError:  # an answer nobody can read is as good as none
            self._stop_waiting()
            self._go_on(talk, None)

    def _silence(self, talk: Talk[T]) -> None:
        self._client.give_up()
        self._timer = None
        self._go_on(talk, None)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
