"""The air between radios and endpoints: who hears a frame, and when its answer is back.

A frame for an endpoint that is not there is followed by silence; so is one that came damaged. The same octets
travel whether a radio on a serial port sends them or a handheld inside the rig.
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.base import LineSettings
from adapters.errors import BenchError
from adapters.protocols.endpoint_link.messages import (
    RADIO,
    IdentifyRequest,
    IdentityAnswer,
    RefusedAnswer,
)
from adapters.protocols.endpoint_link.server import Misunderstood, RadioServer, Requested
from adapters.protocols.endpoint_link.words import Reason
from virtual_rig.secured.endpoint import SecuredEndpoint
from virtual_rig.wire import HostLine, Scheduler, Timer

ROUND_TRIP_S = 0.05  # assumed
PATIENCE_S = 0.5  # for the rest of a frame
RADIO_BAUD = 115200

OnAnswer = Callable[[bytes], object]


class Air:
    """Every endpoint within reach."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.endpoints: dict[int, SecuredEndpoint] = {}

    def add(self, endpoint: SecuredEndpoint) -> None:
        """Bring an endpoint within reach. Raises BenchError where its id is taken."""
        number = endpoint.setup.id
        if number in self.endpoints or number == RADIO:
            raise BenchError(f"there are two endpoints {number:08d}")
        self.endpoints[number] = endpoint

    def exchange(self, frame: bytes, sender: str, on_answer: OnAnswer) -> None:
        """Send a frame on behalf of ``sender``; ``on_answer`` gets the octets of an answer, if one comes.

        The endpoint acts at once, its answer is back after a round trip.
        """
        heard = RadioServer()
        heard.receive_data(frame)
        while (event := heard.next_event()) is not None:
            if isinstance(event, Requested | Misunderstood):
                self.hear(event, sender, on_answer)

    def hear(self, event: Requested | Misunderstood, sender: str, on_answer: OnAnswer) -> None:
        """Have the endpoint spoken to act and answer."""
        endpoint = self.endpoints.get(event.endpoint)
        if endpoint is None:
            return
        if isinstance(event, Requested):
            answer = endpoint.handle(event.request, sender)
        else:
            answer = RefusedAnswer(reason=Reason.MALFORMED)
        self._scheduler.call_later(ROUND_TRIP_S, on_answer, event.answer(answer))


class RadioPort:
    """A test radio on a serial port: a ``LineModel``. It says itself who it is, and passes the rest on."""

    def __init__(self, air: Air, scheduler: Scheduler, *, serial: str) -> None:
        self._air, self._scheduler, self.serial = air, scheduler, serial
        self._heard: dict[str, RadioServer] = {}
        self._partial: dict[str, Timer] = {}

    def opened(self, line: HostLine) -> None:
        """See ``LineModel``."""
        line.device_settings = LineSettings(baud=RADIO_BAUD)
        self._heard[line.name] = RadioServer()

    def received(self, line: HostLine, data: bytes) -> None:
        """See ``LineModel``."""
        self._heard[line.name].receive_data(data)
        self._pump(line)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """See ``LineModel``; a break means nothing here."""

    def closed(self, line: HostLine) -> None:
        """See ``LineModel``."""
        self._heard.pop(line.name, None)
        self._forget_timer(line)

    def _pump(self, line: HostLine) -> None:
        heard = self._heard[line.name]
        while (event := heard.next_event()) is not None:
            if not isinstance(event, Requested | Misunderstood):
                continue
            if event.endpoint != RADIO:
                self._air.hear(event, self.serial, line.send)
            elif isinstance(event, Requested) and isinstance(event.request, IdentifyRequest):
                line.send(event.answer(IdentityAnswer(model="MeterBench virtual radio", serial=self.serial)))
        self._forget_timer(line)
        if heard.incomplete:
            self._partial[line.name] = self._scheduler.call_later(PATIENCE_S, self._out_of_patience, line)

    def _out_of_patience(self, line: HostLine) -> None:
        """Nothing more comes: what began as a frame was none, and the next one may be behind it."""
        self._heard[line.name].skip()
        self._pump(line)

    def _forget_timer(self, line: HostLine) -> None:
        timer = self._partial.pop(line.name, None)
        if timer is not None:
            timer.cancel()
