"""The server's end of a C12.18 line: a meter, as far as the protocol goes.

    server.receive_data(octets)
    while (event := server.next_event()) is not NEED_DATA:
        if isinstance(event, RequestReceived):
            server.respond(TableData(data=...))
    write(server.data_to_send())                       # the ACK and the response in one piece

The engine knows packets and the order of services. Whatever takes knowledge of the device is its owner's:
passwords, tables, lock-out, what to negotiate. It answers by itself only what no device could grant: a
service out of its order (``isss``), an unknown one (``sns``), one that cannot be decoded (``err``).
"""

from __future__ import annotations

from collections.abc import Set
from typing import ClassVar

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.c1218.codes import ResponseCode, Service
from adapters.protocols.c1218.events import EndReason, RequestReceived, RequestRefused, SessionEnded
from adapters.protocols.c1218.link import LinkEnd, Stance
from adapters.protocols.c1218.packets import Packet
from adapters.protocols.c1218.services import (
    Negotiate,
    NegotiateResponse,
    Request,
    Response,
    TimingSetupResponse,
    Wait,
    decode_request,
)
from adapters.protocols.c1218.spoiling import Spoil, nothing_to_spoil
from adapters.protocols.c1218.state import Happening, Role, State, allowed, granted, next_state
from adapters.protocols.c1218.timers import Purpose, Timer

_ENDING = {Service.TERMINATE: EndReason.TERMINATED, Service.DISCONNECT: EndReason.DISCONNECTED}


class C1218Server(LinkEnd):
    """A server. ``waived`` are services its owner answers itself in any state (a lax device, a test)."""

    role: ClassVar[Role] = Role.SERVER

    waived: Set[Service] = frozenset()
    _owed: Request | None = None
    _answered: Request | None = None
    _agreed: Response | None = None  # takes effect once it has been acknowledged
    _ending: EndReason | None = None

    @property
    def owes(self) -> Request | None:
        """Return the request that waits for ``respond``."""
        return self._owed

    def respond(self, response: Response, *, spoil: Spoil | None = None) -> None:
        """Answer the request that was reported last.

        Raises LocalProtocolError when none waits, or when the answer is longer than ``message_octets``; the
        request then still waits. A granted service changes the state at once; what was negotiated, and the
        end of a session, take effect when the client has acknowledged the answer.
        """
        request = self._owed
        if request is None:
            raise LocalProtocolError("C12.18 server: no request waits for an answer")
        if spoil is Spoil.OUT_OF_SEQUENCE:
            raise nothing_to_spoil(spoil, "a response")
        pieces = self._cut(response.encode(), spoil)
        if spoil is Spoil.NO_ACKNOWLEDGE:
            if not self._out or self._out[-1] != b"\x06":
                raise nothing_to_spoil(spoil, "a response whose ACK has been sent")
            self._out.pop()
        self._send(pieces, spoil)
        self._owed, self._answered = None, request
        if response.code is ResponseCode.OK:
            self._grant(request, response)

    def no_response(self) -> None:
        """Leave the request that was reported last without an answer: a device that ignores it."""
        if self._owed is None:
            raise LocalProtocolError("C12.18 server: no request waits for an answer")
        self._owed = None
        self._listen()

    def reset(self) -> None:
        """Begin anew as after a power failure: nothing is sent, everything is forgotten."""
        self._out.clear()
        self._echo.clear()
        self._stream.quiet()
        self._end(EndReason.RESET)

    # -- what the link tells

    def _stance(self) -> Stance:
        if self._owed is not None:
            return Stance.EARLY
        if self._outgoing.current:
            # The client asks for something else, so it has had our answer, or has given it up.
            self._forget_outgoing()
            self._disturbed = True
            if self._speed_changes():
                self._end(EndReason.NO_ACKNOWLEDGE, forget=False)  # it did not follow us to the new speed
            else:
                self._delivered()
        return Stance.TAKE

    def _message(self, message: bytes) -> None:
        self._channel_once_s = 0.0
        self._disturbed = False
        try:
            request = decode_request(message)
        except RemoteProtocolError as error:
            self._refuse(None, ResponseCode.ERR, str(error))
            return
        service = request.service
        if service in self.waived or allowed(Role.SERVER, self.state, service):
            self._owed, self._timer = request, None
            self._events.append(RequestReceived(request=request))
        elif service is Service.UNKNOWN:
            self._refuse(request, ResponseCode.SNS, f"service {message[0]:#04x} is not known")
        else:
            self._refuse(request, ResponseCode.ISSS, f"{service} is not possible while {self.state}")

    def _refuse(self, request: Request | None, code: ResponseCode, why: str) -> None:
        self._events.append(RequestRefused(request=request, code=code, why=why))
        self._send([(0, 0, bytes((code,)))])

    def _grant(self, request: Request, response: Response) -> None:
        self.state = granted(Role.SERVER, self.state, request.service)
        if isinstance(response, NegotiateResponse | TimingSetupResponse):
            self._agreed = response
        elif isinstance(request, Wait):
            self._channel_once_s = float(request.seconds)
        self._ending = _ENDING.get(request.service)

    def _delivered(self) -> None:
        agreed, self._agreed = self._agreed, None
        if isinstance(agreed, NegotiateResponse):
            request = self._answered
            assert isinstance(request, Negotiate), "only a negotiation is answered with one"
            self._agree(agreed, request.packet_octets, request.packets)
        elif isinstance(agreed, TimingSetupResponse):
            self._agree_timing(agreed)
        if self._ending is not None:
            self._end(self._ending, forget=False)
        self._listen()

    def _piece_taken(self) -> None:
        self._listen()

    def _repeated_by_peer(self) -> None:
        if self._outgoing.current:
            # Our ACK did not reach the client, so our answer did not either, or was not taken.
            if self._outgoing.repeated < self.timing.retries:
                self._repeat()
        elif self._owed is None:
            self._listen()

    def _stray(self) -> None:
        """A server that has nothing to ask cannot be misled."""

    def _damaged(self) -> None:
        if self._owed is None:
            self._nak()

    def _broken(self, packet: Packet, why: str) -> None:
        self._reject(packet, why)
        self._assembly.clear()
        self._nak()

    def _failed(self, reason: EndReason, why: str, data: bytes = b"") -> None:
        # The client's last packet is remembered: a copy of it may still be on its way.
        self._end(self._ending or reason, forget=False)
        self._listen()

    def _ran_out(self, purpose: Purpose) -> None:
        self._end(EndReason.CHANNEL_TIMEOUT)

    def _wire_closed(self) -> None:
        self._end(EndReason.CLOSED)

    # -- the session

    def _speed_changes(self) -> bool:
        agreed = self._agreed
        return isinstance(agreed, NegotiateResponse) and agreed.baud not in (0, self.parameters.baud)

    def _listen(self) -> None:
        """Wait for the client, as long as a session or the mark of its last packet is worth keeping."""
        if self.state is State.BASE and not self._previous:
            self._timer = None
        else:
            channel_s = self._channel_once_s or self.timing.channel_s
            self._timer = Timer(Purpose.CHANNEL, channel_s)

    def _end(self, reason: EndReason, *, forget: bool = True) -> None:
        """Go back to the base state. ``forget``: also what the client's last packet was."""
        was_open = self.state is not State.BASE or self._ending is not None
        self.state = next_state(Role.SERVER, self.state, Happening.LINK_FAILED)
        self._owed = self._agreed = self._ending = None
        self._forget_outgoing()
        self._assembly.clear()
        self._disturbed = False
        if forget:
            self._previous, self._previous_toggle = b"", -1
        self._restore_defaults()
        if was_open:
            self._events.append(SessionEnded(reason=reason))
