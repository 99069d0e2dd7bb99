"""What a virtual ANSI meter answers to the services of one session.

The order of services and the packets are the engine's (``adapters.protocols.c1218``). Which code says "wrong
password" and which "locked out" is not public; ours are ``isc`` (insufficient security) and ``bsy`` (busy).
"""

from __future__ import annotations

from adapters.protocols.c1218.codes import STANDARDS, ResponseCode
from adapters.protocols.c1218.services import (
    ErrorResponse,
    FullRead,
    FullWrite,
    Identify,
    IdentifyResponse,
    Logoff,
    Logon,
    Negotiate,
    NegotiateResponse,
    OffsetRead,
    OffsetWrite,
    Ok,
    Request,
    Response,
    Security,
    TableData,
    Terminate,
    Wait,
)
from virtual_rig.meters.ansi.access import NO_LEVEL, PasswordAnswer
from virtual_rig.meters.ansi.model import AnsiMeterModel

_STANDARD_CODES = {name: code for code, name in STANDARDS.items()}
_PASSWORD_CODES = {
    PasswordAnswer.TAKEN: ResponseCode.OK,
    PasswordAnswer.WRONG: ResponseCode.ISC,
    PasswordAnswer.LOCKED: ResponseCode.BSY,
}


class AnsiSession:
    """One session with a meter. ``has_speed``: whether the line has a speed that can be negotiated."""

    def __init__(self, meter: AnsiMeterModel, *, has_speed: bool) -> None:
        self._meter, self._has_speed = meter, has_speed
        self.level, self.user_id = NO_LEVEL, 0

    def ended(self) -> None:
        """Forget who was logged on."""
        self.level, self.user_id = NO_LEVEL, 0

    def answer(self, request: Request, message_octets: int) -> Response:
        """Return the answer, in a message of at most ``message_octets``."""
        response = self._answer(request)
        if len(response.encode()) > message_octets:
            return ErrorResponse(code=ResponseCode.RNO)
        return response

    def _answer(self, request: Request) -> Response:
        match request:
            case Identify():
                link = self._meter.profile.link
                return IdentifyResponse(
                    standard=_STANDARD_CODES[link.standard], version=link.version, revision=link.revision
                )
            case Negotiate():
                return self._negotiated(request)
            case Logon():
                self.level, self.user_id = NO_LEVEL, request.user_id
                return Ok()
            case Security():
                answer, level = self._meter.access.level_of(request.password)
                if answer is PasswordAnswer.TAKEN:
                    self.level = level
                return _coded(_PASSWORD_CODES[answer])
            case FullRead():
                return _data(self._meter.read(request.table, self.level))
            case OffsetRead():
                return _data(self._meter.read(request.table, self.level, request.offset, request.octets))
            case FullWrite():
                return _coded(self._meter.write(request.table, self.level, self.user_id, request.data))
            case OffsetWrite():
                return _coded(
                    self._meter.write(request.table, self.level, self.user_id, request.data, request.offset)
                )
            case Logoff() | Terminate():
                self.ended()
                return Ok()
            case Wait():
                return Ok()
            case _:
                return ErrorResponse(code=ResponseCode.SNS)

    def _negotiated(self, request: Negotiate) -> Response:
        link = self._meter.profile.link
        if not link.negotiate:
            return ErrorResponse(code=ResponseCode.SNS)
        offered = [baud for baud in request.bauds if baud <= link.max_baud]
        return NegotiateResponse(
            packet_octets=min(request.packet_octets, link.packet_octets),
            packets=max(1, min(request.packets, link.packets)),
            baud=max(offered, default=0) if self._has_speed else 0,
        )


def _data(octets: bytes | ResponseCode) -> Response:
    return ErrorResponse(code=octets) if isinstance(octets, ResponseCode) else TableData(data=octets)


def _coded(code: ResponseCode) -> Response:
    return Ok() if code is ResponseCode.OK else ErrorResponse(code=code)
