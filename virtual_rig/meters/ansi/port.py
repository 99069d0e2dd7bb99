"""The ports of a virtual ANSI meter: an optical head on a serial line, and the same services over TCP.

A port takes one session at a time. It is deaf while the meter has no supply; what was going on then is over.
Timers look at the clock when they fire and are armed again if something happened meanwhile.
"""

from __future__ import annotations

from adapters.base import LineSettings
from adapters.protocols.c1218 import (
    NEED_DATA,
    C1218Server,
    LineChange,
    RequestReceived,
    SessionEnded,
    State,
    Timing,
    Watch,
)
from virtual_rig.meters.ansi.model import AnsiMeterModel
from virtual_rig.meters.ansi.service import AnsiSession
from virtual_rig.wire import HostLine, Timer


class _Line:
    """One line at work: octets in, services to the session, answers out."""

    def __init__(
        self, meter: AnsiMeterModel, line: HostLine, *, settings: LineSettings | None, answer_delay_s: float
    ) -> None:
        self.line = line
        self._meter, self._answer_delay_s = meter, answer_delay_s
        self._scheduler = meter.world.scheduler
        self._session = AnsiSession(meter, has_speed=settings is not None)
        self._server = C1218Server(
            timing=Timing(channel_s=meter.profile.link.channel_timeout_s), settings=settings
        )
        self._watch = Watch(self._server)
        self._timer: Timer | None = None
        self._due_s = 0.0

    @property
    def in_session(self) -> bool:
        """Whether somebody has identified and not ended."""
        return self._server.state is not State.BASE

    def received(self, data: bytes) -> None:
        """Take octets from the line."""
        self._server.receive_data(data)
        self._pump()

    def reset(self) -> None:
        """Forget everything, without a word."""
        self._server.reset()
        self._pump(silent=True)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pump(self, *, silent: bool = False) -> None:
        server = self._server
        while (event := server.next_event()) is not NEED_DATA:
            if isinstance(event, RequestReceived):
                server.respond(self._session.answer(event.request, server.message_octets))
            elif isinstance(event, LineChange):
                self._send()
                self.line.device_settings = event.settings
            elif isinstance(event, SessionEnded):
                self._session.ended()
        if not silent:
            self._send()
            self._arm()

    def _send(self) -> None:
        if data := self._server.data_to_send():
            self.line.send(data, self._answer_delay_s, self.line.device_settings)

    def _arm(self) -> None:
        now_s = self._scheduler.now_s()
        wait_s = self._watch.wait_s(now_s)
        if wait_s is None:
            return
        due_s = now_s + wait_s
        if self._timer is None or due_s < self._due_s:
            if self._timer is not None:
                self._timer.cancel()
            self._due_s = due_s
            self._timer = self._scheduler.call_later(wait_s, self._look)

    def _look(self) -> None:
        self._timer = None
        while self._watch.fire(self._scheduler.now_s()):
            self._pump()
        self._arm()


class OpticalPort:
    """The optical head: possibly reached over several lines, but by one reader at a time."""

    def __init__(self, meter: AnsiMeterModel, *, answer_delay_s: float = 0.0) -> None:
        self._meter, self._answer_delay_s = meter, answer_delay_s
        self._lines: dict[str, _Line] = {}
        meter.on_power(self._power)

    def opened(self, line: HostLine) -> None:
        """Set the meter's end of the line."""
        settings = LineSettings(baud=self._meter.profile.link.baud)
        line.device_settings = settings
        self._lines[line.name] = _Line(
            self._meter, line, settings=settings, answer_delay_s=self._answer_delay_s
        )

    def received(self, line: HostLine, data: bytes) -> None:
        """Serve what came, unless the meter is dead or another line has the head."""
        busy = any(other.in_session for name, other in self._lines.items() if name != line.name)
        if self._meter.powered and not busy:
            self._lines[line.name].received(data)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """Ignore a break."""

    def closed(self, line: HostLine) -> None:
        """Forget the line."""
        self._lines.pop(line.name).reset()

    def _power(self, up: bool) -> None:
        if not up:
            for each in self._lines.values():
                each.reset()
                each.line.device_settings = LineSettings(baud=self._meter.profile.link.baud)


class TcpPort:
    """The same services over TCP, for one connection at a time: further ones are hung up."""

    def __init__(self, meter: AnsiMeterModel, *, answer_delay_s: float = 0.0) -> None:
        self._meter, self._answer_delay_s = meter, answer_delay_s
        self._current: _Line | None = None
        meter.on_power(self._power)

    def opened(self, line: HostLine) -> None:
        """Take a connection, or hang up: the meter is dead or has another one."""
        if not self._meter.powered or self._current is not None:
            line.close()
            return
        self._current = _Line(self._meter, line, settings=None, answer_delay_s=self._answer_delay_s)

    def received(self, line: HostLine, data: bytes) -> None:
        """Serve what came."""
        if self._current is not None and self._current.line.name == line.name:
            self._current.received(data)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """There is no break on TCP."""

    def closed(self, line: HostLine) -> None:
        """Forget the connection."""
        if self._current is not None and self._current.line.name == line.name:
            self._current.reset()
            self._current = None

    def _power(self, up: bool) -> None:
        if not up and self._current is not None:
            current, self._current = self._current, None
            current.reset()
            current.line.close()
