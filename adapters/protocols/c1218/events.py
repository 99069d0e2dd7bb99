"""What the engines of both roles report.

Rule for the owner: on ``LineChange`` first write what ``data_to_send`` returns and let it leave the line,
then change the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from adapters.base import LineSettings
from adapters.protocols.c1218.services import Request, Response, ResponseCode


class NeedData(Enum):
    """The type of ``NEED_DATA``."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA
"""Nothing more can be said until more octets arrive or a timer runs out."""


class EndReason(StrEnum):
    """Why a session ended, or is in doubt."""

    TERMINATED = "terminated"  # asked for by the client and granted
    DISCONNECTED = "disconnected"  # likewise, by C12.21's service
    CHANNEL_TIMEOUT = "channel-time-out"  # no traffic for too long
    CLOSED = "closed"  # the far end closed the wire
    NO_ACKNOWLEDGE = "no-acknowledge"  # a packet of ours was never acknowledged
    NOT_ACCEPTED = "not-accepted"  # every copy of a packet of ours was answered by NAK
    NO_REPLY = "no-reply"  # client: the request was acknowledged and not answered
    DAMAGED = "damaged"  # client: every copy of a packet of the answer was damaged
    PROTOCOL_ERROR = "protocol-error"  # client: intact packets that break the rules
    NOISE = "noise"  # client: the line did not come to rest
    RESET = "reset"  # server: its owner began anew


@dataclass(frozen=True, kw_only=True, slots=True)
class DamagedPacket:
    """Octets that are no packet; skipped. ``data`` is at most the first 256 of them."""

    data: bytes
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RejectedPacket:
    """An intact packet that breaks a rule; it was not acted on."""

    data: bytes
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LineChange:
    """Change the line settings, after all that ``data_to_send`` returns has left. Not for IP."""

    settings: LineSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class ResponseReceived:
    """Client: the answer to ``request``, good or bad."""

    request: Request
    response: Response


@dataclass(frozen=True, kw_only=True, slots=True)
class ResponseMalformed:
    """Client: the answer to ``request`` came intact and is none. The session goes on."""

    request: Request
    data: bytes
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionLost:
    """Client: the session is over (channel-time-out, closed) or in doubt (all else) until ``LineQuiet``.

    ``request`` was not answered. ``disturbed``: something was lost, damaged or repeated on the way, so that
    what the device seems to have done wrong may be the line's doing; ``data`` is what broke a rule.
    """

    reason: EndReason
    why: str
    request: Request | None = None
    data: bytes = b""
    disturbed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LineQuiet:
    """Client: nothing came for a channel time-out; both ends are back in their base state.

    ``late_packets`` arrived meanwhile, too late to be the answer of anything.
    """

    late_packets: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestReceived:
    """Server: the owner must call ``respond`` (or ``no_response``) before anything else is taken."""

    request: Request


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestRefused:
    """Server: the engine itself answered ``code``; ``request`` is None where it could not be decoded."""

    request: Request | None
    code: ResponseCode
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionEnded:
    """Server: back in the base state, with default settings."""

    reason: EndReason


ClientEvent: TypeAlias = (
    ResponseReceived
    | ResponseMalformed
    | SessionLost
    | LineQuiet
    | LineChange
    | DamagedPacket
    | RejectedPacket
)
ServerEvent: TypeAlias = (
    RequestReceived | RequestRefused | SessionEnded | LineChange | DamagedPacket | RejectedPacket
)
