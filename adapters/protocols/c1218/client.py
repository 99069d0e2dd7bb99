"""The client's end of a C12.18 line: one request at a time, and never an answer to another one.

    client.request(Identify()); write(client.data_to_send())
    client.receive_data(read())
    while (event := client.next_event()) is not NEED_DATA: ...      # ResponseReceived, SessionLost ...

``link`` says how answers are matched with requests and what happens when one does not come. After
``SessionLost`` for any reason but ``channel-time-out`` and ``closed`` the engine takes no request before
``LineQuiet``; both reasons and ``LineQuiet`` leave it in the base state, where a session begins.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Final

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.c1218.codes import ResponseCode, Service
from adapters.protocols.c1218.events import (
    EndReason,
    LineQuiet,
    ResponseMalformed,
    ResponseReceived,
    SessionLost,
)
from adapters.protocols.c1218.link import MIN_PACKET_OCTETS, LinkEnd, Stance
from adapters.protocols.c1218.messages import Piece
from adapters.protocols.c1218.packets import Packet
from adapters.protocols.c1218.services import (
    Negotiate,
    NegotiateResponse,
    Request,
    Response,
    TimingSetupResponse,
    Wait,
    decode_response,
)
from adapters.protocols.c1218.spoiling import Spoil, nothing_to_spoil
from adapters.protocols.c1218.state import Happening, Role, State, allowed, granted, next_state
from adapters.protocols.c1218.timers import Purpose, Timer

MAX_UNREST: Final = 100
"""How many times something may come while the line is to settle, before the session is given up."""


class _Phase(Enum):
    IDLE = "nothing is asked"
    SENDING = "a request is not acknowledged yet"
    REPLY = "a request is not answered yet"
    SETTLING = "the line must come to rest"
    DOUBT = "the session is in doubt"
    CLOSED = "there is no wire any more"


class C1218Client(LinkEnd):
    """A client. ``settings`` are those of the line before anything is negotiated, 9600 8N1."""

    role: ClassVar[Role] = Role.CLIENT

    _phase = _Phase.IDLE
    _request: Request | None = None
    _queued: tuple[list[Piece], Spoil | None] | None = None
    _damaged_replies = 0
    _unrest = 0
    _late = 0

    @property
    def busy(self) -> bool:
        """True while a request waits for its answer."""
        return self._request is not None

    @property
    def in_doubt(self) -> bool:
        """True between ``SessionLost`` and ``LineQuiet``."""
        return self._phase is _Phase.DOUBT

    def request(self, request: Request, *, spoil: Spoil | None = None) -> None:
        """Ask for a service; the answer comes as ``ResponseReceived``.

        Raises LocalProtocolError: another one is not answered yet, the session is in doubt or closed, the
        service is not possible in this state (unless that is the flaw asked for), or it does not fit.
        """
        phase, service = self._phase, request.service
        if self._request is not None:
            raise LocalProtocolError(f"C12.18 client: {self._request.service} has not been answered yet")
        if phase is _Phase.CLOSED:
            raise LocalProtocolError("C12.18 client: the wire is closed")
        if phase is _Phase.DOUBT:
            raise LocalProtocolError("C12.18 client: the session is in doubt until the line has been quiet")
        if service is not Service.UNKNOWN:
            possible = allowed(Role.CLIENT, self.state, service)
            if spoil is Spoil.OUT_OF_SEQUENCE:
                if possible:
                    raise nothing_to_spoil(spoil, f"{service} while {self.state}, where it is possible")
            elif not possible:
                next_state(Role.CLIENT, self.state, service)  # raises
        if spoil is Spoil.NO_ACKNOWLEDGE:
            raise nothing_to_spoil(spoil, "a request, before which there is no ACK")
        pieces = self._cut(request.encode(), spoil)
        if phase is _Phase.SETTLING:
            self._queued = pieces, spoil
        else:
            self._send(pieces, spoil)
            self._phase = _Phase.SENDING
        self._request = request

    def receive_data(self, data: bytes) -> None:
        """Take octets from the wire; ``b""`` means the far end closed it."""
        super().receive_data(data)
        if self._phase is _Phase.DOUBT:
            self._timer = Timer(Purpose.QUIET, self._quiet_s)
        elif self._phase is _Phase.SETTLING:
            self._unrest += 1
            self._timer = Timer(Purpose.SETTLE, self.timing.response_s)
            if self._unrest > MAX_UNREST:
                self._failed(EndReason.NOISE, "the line does not come to rest")

    # -- what the link tells

    def _stance(self) -> Stance:
        if self._phase is _Phase.REPLY:
            return Stance.TAKE
        if self._phase is _Phase.SENDING:
            return Stance.EARLY
        self._late += 1
        return Stance.STALE

    def _delivered(self) -> None:
        self._phase = _Phase.REPLY
        self._channel_once_s = 0.0
        self._damaged_replies = 0
        self._timer = Timer(Purpose.REPLY, self.timing.reply_s)

    def _piece_taken(self) -> None:
        self._damaged_replies = 0
        self._timer = Timer(Purpose.REPLY, self.timing.reply_s)

    def _message(self, message: bytes) -> None:
        request = self._request
        assert request is not None, "an answer is taken only while a request waits for it"
        self._request = None
        try:
            response = decode_response(request, message)
        except RemoteProtocolError as error:
            self._events.append(ResponseMalformed(request=request, data=error.data, why=str(error)))
        else:
            if response.code is ResponseCode.OK and not self._grant(request, response):
                return
            self._events.append(ResponseReceived(request=request, response=response))
        self._rest()

    def _grant(self, request: Request, response: Response) -> bool:
        """Let a granted service take effect; False where its answer makes no sense."""
        if isinstance(response, NegotiateResponse) and isinstance(request, Negotiate):
            if response.packet_octets < MIN_PACKET_OCTETS or not response.packets:
                self._request = request
                why = f"{response.packets} packets of {response.packet_octets} octets cannot be worked with"
                self._failed(EndReason.PROTOCOL_ERROR, why, response.encode())
                return False
            self._agree(response, request.packet_octets, request.packets)
        elif isinstance(response, TimingSetupResponse):
            self._agree_timing(response)
        elif isinstance(request, Wait):
            self._channel_once_s = float(request.seconds)
        elif request.service in (Service.TERMINATE, Service.DISCONNECT):
            self._restore_defaults()
        self.state = granted(Role.CLIENT, self.state, request.service)
        return True

    def _damaged(self) -> None:
        if self._phase is not _Phase.REPLY:
            self._stray()
            return
        self._damaged_replies += 1
        if self._damaged_replies > self.timing.retries:
            why = f"{self._damaged_replies} copies of a packet of the answer were damaged"
            self._failed(EndReason.DAMAGED, why)
            return
        self._nak()
        self._timer = Timer(Purpose.REPLY, self.timing.reply_s)

    def _broken(self, packet: Packet, why: str) -> None:
        self._reject(packet, why)
        self._failed(EndReason.PROTOCOL_ERROR, why, packet.octets)

    def _repeated_by_peer(self) -> None:
        """Our ACK was lost; the answer has been dealt with."""

    def _stray(self) -> None:
        self._disturbed = True
        if self._phase is _Phase.IDLE:
            self._rest()

    def _failed(self, reason: EndReason, why: str, data: bytes = b"") -> None:
        request, self._request, self._queued = self._request, None, None
        self._forget_outgoing()
        self._assembly.clear()
        self._phase = _Phase.DOUBT
        self._late = 0
        self.state = next_state(Role.CLIENT, self.state, Happening.LINK_FAILED)
        self._timer = Timer(Purpose.QUIET, self._quiet_s)
        self._events.append(
            SessionLost(reason=reason, why=why, request=request, data=data, disturbed=self._disturbed)
        )

    def _ran_out(self, purpose: Purpose) -> None:
        if purpose is Purpose.REPLY:
            self._failed(EndReason.NO_REPLY, "the request was acknowledged and not answered")
        elif purpose is Purpose.SETTLE:
            self._disturbed = False
            queued, self._queued = self._queued, None
            if queued is None:
                self._rest()
            else:
                self._send(*queued)
                self._phase = _Phase.SENDING
        elif purpose is Purpose.QUIET:
            self.state = next_state(Role.CLIENT, self.state, Happening.QUIET)
            self._begin_anew()
            self._events.append(LineQuiet(late_packets=self._late))
        else:
            self.state = next_state(Role.CLIENT, self.state, Happening.CHANNEL_TIMEOUT)
            self._begin_anew()
            self._events.append(
                SessionLost(reason=EndReason.CHANNEL_TIMEOUT, why="no traffic for a channel time-out")
            )

    def _wire_closed(self) -> None:
        if self._phase is _Phase.CLOSED:
            return
        request, self._request, self._queued = self._request, None, None
        self._forget_outgoing()
        self._assembly.clear()
        self._phase = _Phase.CLOSED
        self.state = next_state(Role.CLIENT, self.state, Happening.CLOSED)
        self._events.append(
            SessionLost(
                reason=EndReason.CLOSED,
                why="the far end closed the wire",
                request=request,
                disturbed=self._disturbed,
            )
        )

    # -- between exchanges

    @property
    def _quiet_s(self) -> float:
        return max(self.timing.channel_s, self._channel_once_s)

    def _rest(self) -> None:
        """An exchange is over."""
        if self._disturbed:
            self._phase, self._unrest = _Phase.SETTLING, 0
            self._timer = Timer(Purpose.SETTLE, self.timing.response_s)
            return
        self._phase = _Phase.IDLE
        self._timer = None if self.state is State.BASE else Timer(Purpose.CHANNEL, self._quiet_s)

    def _begin_anew(self) -> None:
        """Nothing can be on its way any more, and the device has forgotten what it knew of us."""
        self._previous, self._previous_toggle = b"", -1
        self._disturbed = False
        self._phase = _Phase.IDLE
        self._restore_defaults()
