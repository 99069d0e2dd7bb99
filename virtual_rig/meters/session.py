"""One line of the meter at work: frames in, APDUs to the associations, answers out, and the two timers.

A message begun and not finished is dropped after ``patience_s``, so that no garbage silences a port for
good; a line nobody uses for the port's inactivity time-out loses its connections. Timers look at the clock
when they fire and are armed again if something happened meanwhile: a request costs no timer.
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.errors import LocalProtocolError
from adapters.protocols.dlms.enums import ApduTag
from adapters.protocols.dlms.link import NEED_DATA, ApduReceived, DownReason, LinkDown, LinkUp, ServerLink
from adapters.protocols.dlms.server import ServerAssociation
from virtual_rig.meters.associations import AssociationTable, PortState
from virtual_rig.wire import HostLine, Timer

_EPSILON_S = 1e-6


class LinkSession:
    """A ``ServerLink`` on one line. ``went_idle`` is called when the last connection has ended.

    ``hangs_up``: the line itself is given up when nobody uses it (TCP), even if nothing ever came.
    """

    def __init__(
        self,
        *,
        table: AssociationTable,
        port: PortState,
        line: HostLine,
        link: ServerLink,
        patience_s: float,
        answer_delay_s: float = 0.0,
        hangs_up: bool = False,
        went_idle: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.line, self.link = line, link
        self._table, self._port = table, port
        self._scheduler = table.world.scheduler
        self._patience_s, self._answer_delay_s = patience_s, answer_delay_s
        self._hangs_up, self._went_idle = hangs_up, went_idle
        self._associations: dict[int, ServerAssociation] = {}
        self._connected: set[tuple[int, int]] = set()
        self._last_s = self._scheduler.now_s()
        self._watch: Timer | None = None
        self._partial: Timer | None = None
        self._ended = False
        if hangs_up:
            self._arm()

    @property
    def connected(self) -> bool:
        """Whether any client is connected on this line."""
        return bool(self._connected)

    def received(self, data: bytes) -> None:
        """Take octets from the line."""
        self._last_s = self._scheduler.now_s()
        self.link.receive_data(data)
        self.pump()
        incomplete = self.link.incomplete
        if incomplete and self._partial is None:
            self._partial = self._scheduler.call_later(self._patience_s, self._out_of_patience)
        elif self._partial is not None and not incomplete:
            self._partial.cancel()
            self._partial = None

    def pump(self) -> None:
        """Carry out what has happened on the link and send what is due."""
        link, down = self.link, ""
        while (event := link.next_event()) is not NEED_DATA:
            if isinstance(event, ApduReceived):
                self._apdu(event)
            elif isinstance(event, LinkUp):
                self._connected.add((event.client_sap, event.server_sap))
                self._arm()
            elif isinstance(event, LinkDown):
                self._connected.discard((event.client_sap, event.server_sap))
                self._down(event)
                if event.reason != DownReason.RESTARTED:
                    down = event.reason
        while (out := link.data_to_send()) and not self._ended:  # over UDP every message by itself
            self.line.send(out, self._answer_delay_s, self.line.device_settings)
        if down and not self._connected:
            self._went_idle(down)

    def end(self) -> None:
        """The line is gone, or the meter is dead: every association with it, nothing is said."""
        self._ended = True
        for timer in (self._watch, self._partial):
            if timer is not None:
                timer.cancel()
        self._watch = self._partial = None
        for association in self._associations.values():
            association.link_down()
        self._associations.clear()
        self._connected.clear()

    def _down(self, event: LinkDown) -> None:
        """The connection is gone: its association with it."""
        if event.reason == DownReason.DISCONNECTED and not self._table.world.obeys("DLX-AA-02"):
            return
        association = self._associations.pop(event.client_sap, None)
        if association is not None:
            association.link_down()

    def _apdu(self, event: ApduReceived) -> None:
        client, server = event.client_sap, event.server_sap
        moments = self._table.meter.moments
        moments.passed()
        if self._ended:  # the supply went with the request in the meter's hands
            return
        association = self._associations.get(client)
        if association is None:
            association = self._table.association(self._port, self.line, client)
            self._associations[client] = association
            if self.link.checksummed:
                association.blocks_at_once = 1  # HDLC gives the word back after each frame
        answer = association.handle(event.apdu)
        moments.passed()
        if answer is None or (event.connectionless and answer[0] == ApduTag.EXCEPTION_RESPONSE):
            # Without a connection nobody is polling for an answer: a refusal there is silence.
            self.link.no_reply(client, server)
            return
        try:
            if event.connectionless:
                self.link.send_unconfirmed(answer, client, server)
            else:
                self.link.send_apdu(answer, client, server)
                while (block := association.following()) is not None:
                    self.link.send_apdu(block, client, server)
        except LocalProtocolError:  # the link went down by the request itself, or the answer does not fit
            self.link.no_reply(client, server)

    def _arm(self) -> None:
        if self._watch is None:
            self._watch = self._scheduler.call_later(self._port.rules.inactivity_timeout_s, self._look)

    def _look(self) -> None:
        self._watch = None
        left_s = self._last_s + self._port.rules.inactivity_timeout_s - self._scheduler.now_s()
        if left_s > _EPSILON_S:
            self._watch = self._scheduler.call_later(left_s, self._look)
        elif self._connected and not self._table.world.obeys("DLX-AA-03"):
            pass  # forgets to look again
        elif self._connected:
            self.link.inactive()
            self.pump()
        elif self._hangs_up:
            self._went_idle(DownReason.INACTIVE)

    def _out_of_patience(self) -> None:
        self._partial = None
        if self.link.incomplete:
            self.link.inter_octet_timeout()
            self.pump()
