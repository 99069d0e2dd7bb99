"""A C12.18 client engine at work on an open wire: octets, timers and line speeds, nothing of what they mean.

One call runs the conversation until something has come of it. The engine's timers are kept with the injected
clock, also between two calls: a session that nobody used runs out while nobody looks. And what came while
nobody looked goes to the engine before the next request does, so that it is not taken for an answer.
"""

from __future__ import annotations

from typing import TypeAlias

from adapters.base import Clock, LineSettings
from adapters.errors import LinkLost, LocalProtocolError, ReadTimeout, TransportError
from adapters.protocols.c1218 import (
    NEED_DATA,
    C1218Client,
    DamagedPacket,
    EndReason,
    LineChange,
    LineQuiet,
    RejectedPacket,
    ResponseMalformed,
    ResponseReceived,
    SessionLost,
    Spoil,
    State,
    Timing,
    Watch,
)
from adapters.protocols.c1218.services import Request
from adapters.registry import OpenedLink

READ_CHUNK_OCTETS = 65536
WRITE_TIMEOUT_S = 10.0
LINE_CHANGE_PAUSE_S = 0.05  # for the meter to follow us to another speed; the standard gives it 175 us
FRESH_S = 0.1  # after an exchange nothing stale is looked for, so that reading on end costs nothing
_MOST_STALE_READS = 64  # a line that talks without end is the engine's business
_RESTLESS = 10  # channel time-outs a line may take to become quiet
_DAMAGE_KEPT_OCTETS = 512

Outcome: TypeAlias = ResponseReceived | ResponseMalformed | SessionLost
"""What can come of a request."""


class AnsiLine:
    """An open wire with an engine. ``damaged`` holds the last octets of this exchange that were no packet."""

    def __init__(self, name: str, opened: OpenedLink, clock: Clock, timing: Timing) -> None:
        options = opened.options
        self.name, self.tap, self.serial = name, opened.tap, opened.serial
        self.client = C1218Client(
            identity=int(options.get("identity", "0"), 0),
            timing=timing,
            settings=LineSettings(baud=int(options.get("baud", 9600))),
            echo=options.get("echo", "no").lower() in ("yes", "true"),
        )
        self.open = True
        self.damaged = b""
        self._clock, self._stream = clock, opened.stream
        self._watch = Watch(self.client)
        self._last_s = float("-inf")

    def run(self, request: Request, spoil: Spoil | None = None) -> Outcome:
        """Ask, and run the conversation until the engine says what came of it.

        A line in doubt is left alone until it is quiet before anything is asked. Raises LocalProtocolError
        for what cannot be asked now, WriteError, ReadTimeout where the line does not come to rest, LinkLost
        where it was closed meanwhile.
        """
        if not self.open:
            raise LocalProtocolError(f"link {self.name} is closed")
        self._take_what_came()
        if self.client.in_doubt:
            self.wait_for_quiet()
        self.damaged = b""
        self.client.request(request, spoil=spoil)
        while True:
            event = self._next()
            if not isinstance(event, LineQuiet):
                return event

    def wait_for_quiet(self) -> int:
        """Leave the line alone until both ends are in their base state; return how many packets came late.

        Raises ReadTimeout where it does not become quiet, LinkLost where it is closed meanwhile.
        """
        give_up_s = self._clock.monotonic_s() + _RESTLESS * self.client.timing.channel_s
        while self.client.in_doubt:
            event = self._next(give_up_s)
            if isinstance(event, LineQuiet):
                return event.late_packets
            if isinstance(event, SessionLost) and event.reason is EndReason.CLOSED:
                raise LinkLost(f"link {self.name}: the meter closed the connection", received=self.damaged)
        return 0

    def let_time_pass(self) -> None:
        """Tell the engine of an idle session that has run out since somebody last looked."""
        client = self.client
        if client.state is State.BASE or client.busy or client.in_doubt:
            return
        while self._watch.fire(self._clock.monotonic_s()):
            ended = self._due()
            if isinstance(ended, SessionLost):
                self.tap.note(f"the session is over: {ended.why}")

    def close(self) -> None:
        """Close the wire without a word to the meter."""
        self.open = False
        self._stream.close()

    def _take_what_came(self) -> None:
        """Hand over what came since the last exchange: it belongs to the past."""
        if self._clock.monotonic_s() - self._last_s < FRESH_S or self.client.in_doubt:
            return
        for _ in range(_MOST_STALE_READS):
            try:
                self.client.receive_data(self._stream.read(READ_CHUNK_OCTETS, 0.0))
            except ReadTimeout:
                break
            except LinkLost:
                self.open = False
                self.client.receive_data(b"")
            ended = self._due()
            if isinstance(ended, SessionLost) and ended.reason is EndReason.CLOSED:
                raise LinkLost(f"link {self.name}: the meter has closed the connection")
        self._flush()

    def _next(self, give_up_s: float = float("inf")) -> Outcome | LineQuiet:
        """Run the conversation until something ends: an exchange, the session, or a doubt."""
        client, clock, watch = self.client, self._clock, self._watch
        overdue = False
        while True:
            ended = self._due()
            self._flush()
            now_s = clock.monotonic_s()
            if ended is not None:
                watch.wait_s(now_s)  # from now on the session is idle
                self._last_s = now_s
                return ended
            if now_s > give_up_s:
                raise ReadTimeout(f"link {self.name} does not come to rest", received=self.damaged)
            if overdue and watch.fire(now_s):
                overdue = False
                continue
            wait_s = watch.wait_s(now_s)
            assert wait_s is not None, "something is waited for, so a timer runs"
            # What has come already counts before a timer that ran out while nobody looked.
            overdue = wait_s <= 0
            try:
                client.receive_data(self._stream.read(READ_CHUNK_OCTETS, wait_s))
            except ReadTimeout:
                watch.fire(now_s + wait_s)
                overdue = False
            except LinkLost:
                self.open = False
                client.receive_data(b"")

    def _due(self) -> Outcome | LineQuiet | None:
        """Deal with the events that are due; return the one that ends something, or None."""
        client = self.client
        while (event := client.next_event()) is not NEED_DATA:
            if isinstance(event, ResponseReceived | ResponseMalformed | SessionLost | LineQuiet):
                return event
            if isinstance(event, LineChange):
                self._flush()
                self._change(event.settings)
            elif isinstance(event, DamagedPacket):
                self.tap.note(f"damaged: {event.why}")
                self.damaged = (self.damaged + event.data)[-_DAMAGE_KEPT_OCTETS:]
            elif isinstance(event, RejectedPacket):
                self.tap.note(f"rejected: {event.why}")
        return None

    def _flush(self) -> None:
        data = self.client.data_to_send()
        if not data or not self.open:
            return
        try:
            self._stream.write(data, WRITE_TIMEOUT_S)
        except TransportError:
            self.open = False
            self.client.receive_data(b"")
            raise

    def _change(self, settings: LineSettings) -> None:
        if self.serial is not None:
            self.serial.configure(settings)
            self._clock.sleep_s(LINE_CHANGE_PAUSE_S)
