"""The services of ANSI C12.18 (and of C12.21 where it adds some): requests as values, and both decoders.

    request = FullRead(table=5)
    octets = request.encode()                       # 30 00 05
    decode_request(octets) == request
    decode_response(request, answer)                # TableData, ErrorResponse ...

Numbers in services are big-endian, whatever the byte order of the tables. Standard table n has the number
n, manufacturer table n the number 2048 + n. What we cannot say is a ``LocalProtocolError`` of ``encode``;
what a peer must not say is a ``RemoteProtocolError`` of the decoders, with ``frame_intact`` set: the packets
under a message have a checksum of their own, so these are the octets that were sent. Passwords and tokens
show neither in ``repr`` nor in an error.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from adapters.errors import RemoteProtocolError
from adapters.protocols.c1218.codes import (
    BAUD_CODES,
    BAUDS,
    STANDARDS,
    ResponseCode,
    Service,
    table_name,
)
from adapters.protocols.c1218.requests import (
    LOGON_LAYOUT,
    MAX_INDEXES,
    NEGOTIATE_LAYOUT,
    OFFSET_READ_LAYOUT,
    OFFSET_WRITE_LAYOUT,
    PASSWORD_OCTETS,
    READ_LAYOUT,
    USER_OCTETS,
    WORD_LAYOUT,
    Authenticate,
    DefaultRead,
    Disconnect,
    FullRead,
    FullWrite,
    Identify,
    IndexRead,
    IndexWrite,
    Logoff,
    Logon,
    Negotiate,
    OffsetRead,
    OffsetWrite,
    RawRequest,
    Request,
    Security,
    Terminate,
    TimingSetup,
    Wait,
)
from adapters.protocols.c1218.responses import (
    MAX_DATA_OCTETS,
    AuthenticateResponse,
    ErrorResponse,
    IdentifyResponse,
    NegotiateResponse,
    Ok,
    RawResponse,
    Response,
    TableData,
    TimingSetupResponse,
    checksum,
)

_CLAUSE = "ANSI C12.18 services"


def decode_request(octets: bytes) -> Request:
    """Return the request in ``octets``; a ``RawRequest`` for an unknown one. Raises RemoteProtocolError."""
    if not octets:
        raise RemoteProtocolError("an empty request", clause=_CLAUSE, frame_intact=True)
    decoder = _DECODERS.get(octets[0])
    return RawRequest(octets=octets) if decoder is None else decoder(octets)


def decode_response(request: Request, octets: bytes) -> Response:
    """Return the response in ``octets`` as an answer to ``request``. Raises RemoteProtocolError."""
    if not octets:
        raise _broken("an empty response", octets)
    if octets[0]:
        return _refusal(request, octets)
    service = request.service
    if service is Service.READ:
        return TableData(data=_counted(octets, 1))
    decoder = _ANSWERS.get(service)
    if decoder is not None:
        return decoder(octets)
    if len(octets) != 1:
        raise _broken(f"{len(octets) - 1} octets behind a plain ok", octets)
    return Ok()


def _refusal(request: Request, octets: bytes) -> Response:
    if isinstance(request, RawRequest):
        return RawResponse(octets=octets)
    try:
        code = ResponseCode(octets[0])
    except ValueError:
        raise _broken(f"response code {octets[0]:#04x} is not defined", octets) from None
    if len(octets) > 1:
        raise _broken(f"{len(octets) - 1} octets behind response code {code.short}", octets)
    return ErrorResponse(code=code)


def _broken(text: str, octets: bytes) -> RemoteProtocolError:
    # An authentication token or a password must not travel in an error, whose octets may be logged.
    data = octets[:1] if octets[:1] in (b"\x51", b"\x53") else octets
    return RemoteProtocolError(text, data=data, clause=_CLAUSE, frame_intact=True)


def _counted(octets: bytes, start: int) -> bytes:
    """Return the table data at ``start``, which must be the last thing and have the right checksum."""
    size = len(octets)
    if size < start + 3:
        raise _broken(f"{size} octets are too few for a count, data and a checksum", octets)
    count = octets[start] << 8 | octets[start + 1]
    if size != start + 3 + count:
        raise _broken(f"count says {count} octets of data, there are {size - start - 3}", octets)
    data = octets[start + 2 : -1]
    if sum(data) + octets[-1] & 0xFF:
        raise _broken(f"data checksum {octets[-1]:#04x}, expected {checksum(data):#04x}", octets)
    return data


def _exactly(octets: bytes, size: int) -> bytes:
    if len(octets) != size:
        raise _broken(f"service {octets[0]:#04x} of {len(octets)} octets, expected {size}", octets)
    return octets


def _bare(request: Request) -> Callable[[bytes], Request]:
    def decode(octets: bytes) -> Request:
        _exactly(octets, 1)
        return request

    return decode


def _full_read(octets: bytes) -> Request:
    return FullRead(table=READ_LAYOUT.unpack(_exactly(octets, 3))[1])


def _index_read(octets: bytes) -> Request:
    depth = octets[0] & 0x0F
    table, *rest = struct.unpack(f">{depth + 2}H", _exactly(octets, 5 + 2 * depth)[1:])
    return IndexRead(table=table, indexes=tuple(rest[:-1]), count=rest[-1])


def _offset_read(octets: bytes) -> Request:
    _, table, high, low, count = OFFSET_READ_LAYOUT.unpack(_exactly(octets, 8))
    return OffsetRead(table=table, offset=high << 16 | low, octets=count)


def _full_write(octets: bytes) -> Request:
    data = _counted(octets, 3)
    return FullWrite(table=READ_LAYOUT.unpack_from(octets)[1], data=data)


def _index_write(octets: bytes) -> Request:
    depth = octets[0] & 0x0F
    data = _counted(octets, 3 + 2 * depth)
    table, *indexes = struct.unpack_from(f">{depth + 1}H", octets, 1)
    return IndexWrite(table=table, indexes=tuple(indexes), data=data)


def _offset_write(octets: bytes) -> Request:
    data = _counted(octets, 6)
    _, table, high, low = OFFSET_WRITE_LAYOUT.unpack_from(octets)
    return OffsetWrite(table=table, offset=high << 16 | low, data=data)


def _logon(octets: bytes) -> Request:
    _, user_id, user = LOGON_LAYOUT.unpack(_exactly(octets, 3 + USER_OCTETS))
    return Logon(user_id=user_id, user=user.decode("latin-1").rstrip(" \0"))


def _security(octets: bytes) -> Request:
    password = octets[1 : 1 + PASSWORD_OCTETS]
    if len(octets) == 3 + PASSWORD_OCTETS:
        return Security(password=password, user_id=WORD_LAYOUT.unpack_from(octets, 1 + PASSWORD_OCTETS)[0])
    _exactly(octets, 1 + PASSWORD_OCTETS)
    return Security(password=password)


def _token(octets: bytes) -> bytes:
    if len(octets) < 2 or len(octets) != 2 + octets[1]:
        raise _broken("an authentication token of another length than it says", octets[:1])
    return octets[2:]


def _authenticate(octets: bytes) -> Request:
    return Authenticate(token=_token(octets))


def _negotiate(octets: bytes) -> Request:
    _, packet_octets, packets = NEGOTIATE_LAYOUT.unpack_from(_exactly(octets, 4 + (octets[0] & 0x0F)))
    bauds = tuple(BAUDS[code] for code in octets[4:] if code in BAUDS)
    return Negotiate(packet_octets=packet_octets, packets=packets, bauds=bauds)


def _wait(octets: bytes) -> Request:
    return Wait(seconds=_exactly(octets, 2)[1])


def _timing_setup(octets: bytes) -> Request:
    _, channel_s, inter_character_s, response_s, retries = _exactly(octets, 5)
    return TimingSetup(
        channel_s=channel_s, inter_character_s=inter_character_s, response_s=response_s, retries=retries
    )


_DECODERS: Final[dict[int, Callable[[bytes], Request]]] = {
    0x20: _bare(Identify()),
    0x21: _bare(Terminate()),
    0x22: _bare(Disconnect()),
    0x30: _full_read,
    **dict.fromkeys(range(0x31, 0x3A), _index_read),
    0x3E: _bare(DefaultRead()),
    0x3F: _offset_read,
    0x40: _full_write,
    **dict.fromkeys(range(0x41, 0x4A), _index_write),
    0x4F: _offset_write,
    0x50: _logon,
    0x51: _security,
    0x52: _bare(Logoff()),
    0x53: _authenticate,
    **dict.fromkeys(range(0x60, 0x6C), _negotiate),
    0x70: _wait,
    0x71: _timing_setup,
}


def _identified(octets: bytes) -> Response:
    if len(octets) < 4:
        raise _broken("an identification without standard, version or revision", octets)
    # There are meters in the field that leave out the end of the list, though it stands in every edition.
    features = octets[4:] if octets[-1] else octets[4:-1]
    return IdentifyResponse(standard=octets[1], version=octets[2], revision=octets[3], features=features)


def _negotiated(octets: bytes) -> Response:
    # A device that was offered no speed may leave the octet out.
    if len(octets) == 4:
        octets += b"\x00"
    _, high, low, packets, code = _exactly(octets, 5)
    if code and code not in BAUDS:
        raise _broken(f"the code {code:#04x} is no line speed we know", octets)
    return NegotiateResponse(packet_octets=high << 8 | low, packets=packets, baud=BAUDS.get(code, 0))


def _timed(octets: bytes) -> Response:
    _, channel_s, inter_character_s, response_s, retries = _exactly(octets, 5)
    return TimingSetupResponse(
        channel_s=channel_s, inter_character_s=inter_character_s, response_s=response_s, retries=retries
    )


def _authenticated(octets: bytes) -> Response:
    if len(octets) == 1:
        return Ok()
    return AuthenticateResponse(token=_token(octets))


_ANSWERS: Final[dict[Service, Callable[[bytes], Response]]] = {
    Service.IDENTIFY: _identified,
    Service.NEGOTIATE: _negotiated,
    Service.TIMING_SETUP: _timed,
    Service.AUTHENTICATE: _authenticated,
    Service.UNKNOWN: lambda octets: RawResponse(octets=octets),
}

__all__ = [
    "BAUDS",
    "BAUD_CODES",
    "MAX_DATA_OCTETS",
    "MAX_INDEXES",
    "PASSWORD_OCTETS",
    "STANDARDS",
    "USER_OCTETS",
    "Authenticate",
    "AuthenticateResponse",
    "DefaultRead",
    "Disconnect",
    "ErrorResponse",
    "FullRead",
    "FullWrite",
    "Identify",
    "IdentifyResponse",
    "IndexRead",
    "IndexWrite",
    "Logoff",
    "Logon",
    "Negotiate",
    "NegotiateResponse",
    "OffsetRead",
    "OffsetWrite",
    "Ok",
    "RawRequest",
    "RawResponse",
    "Request",
    "Response",
    "ResponseCode",
    "Security",
    "Service",
    "TableData",
    "Terminate",
    "TimingSetup",
    "TimingSetupResponse",
    "Wait",
    "checksum",
    "decode_request",
    "decode_response",
    "table_name",
]
