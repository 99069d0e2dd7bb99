"""The optical head while it speaks mode C: one session at a time, its timers, and the way back.

A readout is over when no repeat request comes for 1.5 s after it; a programming session when the reader
breaks, the meter does, or nothing comes for the profile's time-out. Then the head waits for a sign-on again.
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.profiles.model import ModeC
from adapters.protocols.iec62056_21 import NEED_DATA, LineChange, ModeCServer, OptionSelect, SessionEnded
from virtual_rig.meters.mcs301 import Mcs301
from virtual_rig.meters.mode_c import ModeCDesk
from virtual_rig.wire import HostLine, Timer

REACTION_S = 1.5  # the standard's longest, for an answer and between two characters
BITS_PER_OCTET = 10


class ModeCHead:
    """Mode C at one optical port. ``over(line)`` is called when a session has ended."""

    def __init__(self, meter: Mcs301, password: bytes, over: Callable[[HostLine], None]) -> None:
        self._meter, self._world = meter, meter.world
        self._rules: ModeC | None = meter.profile.mode_c
        self._password, self._over = password, over
        self._line: HostLine | None = None
        self._server: ModeCServer | None = None
        self._timer: Timer | None = None
        self._last_s = self._lead_s = 0.0

    def addressed(self, data: bytes, own: str) -> bytes:
        """Return a sign-on as the port takes it; one for another address is not for us."""
        if data.startswith(b"/?") and not self._world.obeys("DLX-OPT-04"):
            address, mark, rest = data[2:].partition(b"!")
            if mark and len(address) == len(own):  # compares the length and forgets the digits
                return b"/?!" + rest
        return data

    def begin(self, line: HostLine, option: OptionSelect, *, baud: int, reaction_s: float) -> bool:
        """Start a session that was chosen at ``baud``. Returns False where the meter has no such mode."""
        rules = self._rules
        if rules is None or option.protocol != "0" or option.mode not in ("0", "1"):
            return False
        if option.mode == "1" and not rules.programming:
            return False
        # The option select needs its time at the old speed, after which both ends change theirs.
        self._lead_s = len(option.encode()) * BITS_PER_OCTET / baud
        desk = ModeCDesk(self._meter, rules, self._password)
        self._line, self._server = line, ModeCServer(desk, option, reaction_s=reaction_s)
        self._server.start()
        self._pump()
        return True

    def active(self, line: HostLine) -> bool:
        """Return whether a session is on at ``line``."""
        return self._line is line

    def received(self, data: bytes) -> None:
        """Take octets of the reader."""
        if self._server is None:
            return
        now_s = self._world.scheduler.now_s()
        if now_s - self._last_s > REACTION_S:
            self._server.inter_character_timeout()
        self._last_s = now_s
        self._server.receive_data(data)
        self._pump()

    def drop(self) -> None:
        """Forget the session without a word: the meter died, or the line is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._line = self._server = self._timer = None

    def _pump(self) -> None:
        server, line = self._server, self._line
        assert server is not None
        assert line is not None
        sent, ended = 0, ""
        while (event := server.next_event()) is not NEED_DATA:
            sent += self._send(line, server)
            if isinstance(event, LineChange):
                line.device_settings = event.settings
            elif isinstance(event, SessionEnded):
                ended = event.why
        sent += self._send(line, server)
        self._lead_s = 0.0
        if not ended:
            if sent:  # what is no message keeps no session alive
                self._wait(sent)
        elif ended == "break" and not self._world.obeys("DLX-OPT-08"):
            self._wait(sent)  # the break ends the talk, and the head is given back by the time-out alone
        else:
            self._end()

    def _send(self, line: HostLine, server: ModeCServer) -> int:
        data = server.data_to_send()
        if data:
            line.send(data, self._lead_s + server.reaction_s, line.device_settings)
        return len(data)

    def _wait(self, sent: int) -> None:
        """Arm the time-out of the session anew, from the moment ``sent`` octets have left."""
        server, rules = self._server, self._rules
        assert server is not None
        assert rules is not None
        if self._timer is not None:
            self._timer.cancel()
        leaving_s = sent * BITS_PER_OCTET / server.option.baud + server.reaction_s
        patience_s = rules.programming_timeout_s if server.programming else REACTION_S
        self._timer = self._world.scheduler.call_later(leaving_s + patience_s, self._timed_out)

    def _timed_out(self) -> None:
        programming = self._server is not None and self._server.programming and not self._server.ended
        if programming and not self._world.obeys("DLX-OPT-07"):
            return  # a session left open stays open
        self._end()

    def _end(self) -> None:
        line = self._line
        self.drop()
        if line is not None:
            self._over(line)
