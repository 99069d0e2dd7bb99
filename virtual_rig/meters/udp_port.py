"""DLMS over UDP: every peer is a line of its own, every piece a datagram."""

from __future__ import annotations

from adapters.protocols.dlms.wrapper_udp import UdpServerLink
from virtual_rig.meters.associations import AssociationTable, PortState
from virtual_rig.meters.ports import TCP_PATIENCE_S, WRAPPER_SLACK_OCTETS
from virtual_rig.meters.session import LinkSession
from virtual_rig.wire import HostLine


class UdpPort:
    """The UDP side of the meter's IP port. Its associations count with those over TCP.

    Nobody hangs up on UDP: an association ends by its release or by the port's inactivity time-out.
    """

    def __init__(self, table: AssociationTable, port: PortState, *, answer_delay_s: float = 0.0) -> None:
        self._table, self._port, self._answer_delay_s = table, port, answer_delay_s
        self._sessions: dict[str, LinkSession] = {}
        profile = table.meter.profile
        self._server_sap = profile.logical_device.sap
        self._max_apdu = max(client.max_pdu for client in profile.clients.values()) + WRAPPER_SLACK_OCTETS
        table.meter.on_power(self._power)

    def opened(self, line: HostLine) -> None:
        """A datagram from a peer not heard of before is coming."""

    def received(self, line: HostLine, data: bytes) -> None:
        """Serve one datagram, unless the meter is dead."""
        if not self._table.meter.powered:
            return
        session = self._sessions.get(line.name)
        if session is None:
            world = self._table.world
            session = self._sessions[line.name] = LinkSession(
                table=self._table,
                port=self._port,
                line=line,
                link=UdpServerLink(
                    self._server_sap,
                    max_apdu=self._max_apdu,
                    tolerates=lambda: not world.obeys("DLX-UDP-01"),
                ),
                patience_s=TCP_PATIENCE_S,
                answer_delay_s=self._answer_delay_s,
            )
        session.received(data)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """There is no break on UDP."""

    def closed(self, line: HostLine) -> None:
        """Forget the peer; only the end of the rig closes a line here."""
        session = self._sessions.pop(line.name, None)
        if session is not None:
            session.end()

    def _power(self, up: bool) -> None:
        if not up and self._table.world.obeys("DLX-UDP-03"):
            for session in self._sessions.values():
                session.end()
            self._sessions.clear()
