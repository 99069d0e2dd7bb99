"""The ports of the meter as line models: IP, RS485 and the optical head.

All of them are deaf while the meter has no supply. A power cut hangs up on TCP connections, or leaves them
half-open (``cut``), as a modem that died with the meter would; a serial line just falls silent.
"""

from __future__ import annotations

from typing import Literal

from adapters.base import LineSettings
from adapters.protocols.dlms.hdlc import HdlcServerLink
from adapters.protocols.dlms.wrapper import WrapperServerLink
from adapters.protocols.iec62056_21.events import (
    NEED_DATA,
    HandedOver,
    LineChange,
    OptionSelected,
    RequestReceived,
)
from adapters.protocols.iec62056_21.messages import BAUD_RATES, Identification
from adapters.protocols.iec62056_21.mode_e import ModeEServer, SignOnState
from virtual_rig.meters.associations import AssociationTable, PortState
from virtual_rig.meters.mode_c_head import ModeCHead
from virtual_rig.meters.session import LinkSession
from virtual_rig.wire import HostLine, Timer

TCP_PATIENCE_S = 5.0
SERIAL_PATIENCE_S = 0.5  # far above an inter-octet time-out, so that a loaded host is not cut off
SIGN_ON_PATIENCE_S = 3.0
WRAPPER_SLACK_OCTETS = 256  # ciphering and AARQ around what the meter says it can receive

Cut = Literal["hang-up", "silent"]


class TcpPort:
    """DLMS over the TCP wrapper, on as many parallel connections as the profile allows."""

    def __init__(
        self, table: AssociationTable, port: PortState, *, cut: Cut = "hang-up", answer_delay_s: float = 0.0
    ) -> None:
        self._table, self._port = table, port
        self._cut, self._answer_delay_s = cut, answer_delay_s
        self._sessions: dict[str, LinkSession] = {}
        profile = table.meter.profile
        self._max_apdu = max(client.max_pdu for client in profile.clients.values()) + WRAPPER_SLACK_OCTETS
        table.meter.on_links(self._power)

    def opened(self, line: HostLine) -> None:
        """Take a connection, or hang up: the meter is dead or has no socket left."""
        if not self._table.meter.powered or len(self._sessions) >= self._port.rules.max_connections:
            line.close()
            return
        self._sessions[line.name] = LinkSession(
            table=self._table,
            port=self._port,
            line=line,
            link=WrapperServerLink(self._table.logical_devices(), max_apdu=self._max_apdu),
            patience_s=TCP_PATIENCE_S,
            answer_delay_s=self._answer_delay_s,
            hangs_up=True,
            went_idle=lambda _reason: line.close(),
        )

    def received(self, line: HostLine, data: bytes) -> None:
        """Serve what came."""
        session = self._sessions.get(line.name)
        if session is not None:
            session.received(data)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """There is no break on TCP."""

    def closed(self, line: HostLine) -> None:
        """Forget the connection and its associations."""
        session = self._sessions.pop(line.name, None)
        if session is not None:
            session.end()

    def _power(self, up: bool) -> None:
        if up:
            return
        for session in self._sessions.values():
            session.end()
            if self._cut == "hang-up":
                session.line.close()
        self._sessions.clear()


class SerialPort:
    """HDLC on a serial line, at a fixed speed."""

    def __init__(self, table: AssociationTable, port: PortState, *, answer_delay_s: float = 0.0) -> None:
        self._table, self._port, self._answer_delay_s = table, port, answer_delay_s
        self._sessions: dict[str, LinkSession] = {}
        self.owner: str = ""  # of an optical port: the line in use
        table.meter.on_links(self._power)

    def opened(self, line: HostLine) -> None:
        """Set the meter's end of the line."""
        line.device_settings = LineSettings(baud=self._port.rules.baud)

    def received(self, line: HostLine, data: bytes) -> None:
        """Serve what came, unless the meter is dead."""
        if self._table.meter.powered:
            self._session(line).received(data)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """Ignore a break."""

    def closed(self, line: HostLine) -> None:
        """Forget the line and its associations."""
        session = self._sessions.pop(line.name, None)
        if session is not None:
            session.end()

    def _session(self, line: HostLine) -> LinkSession:
        session = self._sessions.get(line.name)
        if session is None:
            device = self._table.meter.profile.logical_device
            session = self._sessions[line.name] = LinkSession(
                table=self._table,
                port=self._port,
                line=line,
                link=HdlcServerLink(self._table.logical_devices(), physical=device.physical_address or None),
                patience_s=SERIAL_PATIENCE_S,
                answer_delay_s=self._answer_delay_s,
                went_idle=lambda _reason: self._idle(line),
            )
        return session

    def _idle(self, line: HostLine) -> None:
        """The last connection of ``line`` has ended."""

    def _power(self, up: bool) -> None:
        if not up:
            for session in self._sessions.values():
                session.end()
            self._sessions.clear()


class OpticalPort(SerialPort):
    """The optical head: one head, possibly reached over two lines, but by one reader at a time.

    A line in ``sign_on_lines`` begins with the sign-on of IEC 62056-21 at 300 7E1 and goes over to HDLC; the
    others speak HDLC at once (the manual's DLMS-only mode, p. 51). When HDLC ends, the head waits for a
    sign-on again.
    """

    def __init__(
        self,
        table: AssociationTable,
        port: PortState,
        *,
        sign_on_lines: frozenset[str] = frozenset(),
        answer_delay_s: float = 0.0,
        mode_c_password: bytes = b"",
    ) -> None:
        super().__init__(table, port, answer_delay_s=answer_delay_s)
        self._mode_c = ModeCHead(table.meter, mode_c_password, self._mode_c_over)
        self._sign_on_lines = sign_on_lines
        self._sign_ons: dict[str, ModeEServer] = {}
        self._lines: dict[str, HostLine] = {}
        self._patience: dict[str, Timer] = {}

    def opened(self, line: HostLine) -> None:
        """Set the meter's end of the line."""
        self._lines[line.name] = line
        if line.name not in self._sign_on_lines:
            super().opened(line)
            return
        rules, identity = self._port.rules, self._table.meter.identity
        baud_code = next(code for code, baud in BAUD_RATES.items() if baud == rules.baud)
        settings = LineSettings(baud=rules.mode_e_baud, data_bits=7, parity="E", stop_bits=1)
        self._sign_ons[line.name] = ModeEServer(
            Identification(
                manufacturer=identity.manufacturer,
                baud_code=baud_code,
                enhanced="2",
                identification=f"301-{identity.serial}",
            ),
            address=identity.serial,
            direct_hdlc=False,
            settings=settings,
        )
        line.device_settings = settings

    def received(self, line: HostLine, data: bytes) -> None:
        """Serve what came, unless the meter is dead or another line has the head."""
        if not self._table.meter.powered or self.owner not in ("", line.name):
            return
        sign_on = self._sign_ons.get(line.name)
        if self._mode_c.active(line):
            self._mode_c.received(data)
        elif sign_on is None or sign_on.state is SignOnState.HANDED_OVER:
            self._hdlc(line, data)
        else:
            sign_on.receive_data(self._mode_c.addressed(data, self._table.meter.identity.serial))
            self._signing_on(line, sign_on)

    def closed(self, line: HostLine) -> None:
        """Forget the line."""
        super().closed(line)
        if self._mode_c.active(line):
            self._mode_c.drop()
            self._mode_c_over(line)
        self._release(line)

    def _hdlc(self, line: HostLine, data: bytes) -> None:
        session = self._session(line)
        session.received(data)
        if session.connected:
            self.owner = line.name

    def _signing_on(self, line: HostLine, sign_on: ModeEServer) -> None:
        rest, delay_s = b"", 0.0
        while (event := sign_on.next_event()) is not NEED_DATA:
            if isinstance(event, RequestReceived):
                delay_s = event.delay_s
            elif isinstance(event, LineChange):
                self._send(line, sign_on, delay_s)
                line.device_settings = event.settings
            elif isinstance(event, HandedOver):
                rest = event.rest
                self.owner = line.name
                self._expect_use_of(line)
            elif isinstance(event, OptionSelected):
                reaction_s = sign_on.identification.reaction_time_s
                baud = self._port.rules.mode_e_baud
                if self._mode_c.begin(line, event.option, baud=baud, reaction_s=reaction_s):
                    self.owner = line.name
        self._send(line, sign_on, delay_s)
        if rest:
            self._hdlc(line, rest)

    def _send(self, line: HostLine, sign_on: ModeEServer, delay_s: float) -> None:
        if data := sign_on.data_to_send():
            line.send(data, delay_s, line.device_settings)

    def _expect_use_of(self, line: HostLine) -> None:
        """Start the patience of this hand-over; that of an earlier one must not cut it short."""
        earlier = self._patience.get(line.name)
        if earlier is not None:
            earlier.cancel()
        scheduler = self._table.world.scheduler
        self._patience[line.name] = scheduler.call_later(SIGN_ON_PATIENCE_S, self._unused, line)

    def _unused(self, line: HostLine) -> None:
        """Nobody connected after the hand-over: wait for a sign-on again."""
        session = self._sessions.get(line.name)
        if self.owner == line.name and (session is None or not session.connected):
            self._release(line)

    def _mode_c_over(self, line: HostLine) -> None:
        """Mode C has ended on ``line``: wait for a sign-on again."""
        sign_on = self._sign_ons[line.name]
        self.owner = ""
        sign_on.reset()
        self._signing_on(line, sign_on)

    def _idle(self, line: HostLine) -> None:
        self._release(line)

    def _release(self, line: HostLine) -> None:
        if self.owner == line.name:
            self.owner = ""
        sign_on = self._sign_ons.get(line.name)
        if sign_on is not None and sign_on.state is SignOnState.HANDED_OVER:
            sign_on.reset()
            self._signing_on(line, sign_on)

    def _power(self, up: bool) -> None:
        super()._power(up)
        if not up:
            self.owner = ""
            for line in self._lines.values():
                if self._mode_c.active(line):
                    self._mode_c.drop()
                    self._mode_c_over(line)
                self._release(line)
