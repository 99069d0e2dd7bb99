"""ANSI C12.18: packets, services and sessions on a point-to-point line, both roles; bytes in, events out.

``services`` has requests and responses as values, ``client`` and ``server`` the engines, ``link`` the theory
of operation. Tables (C12.19) are the business of ``adapters.protocols.c1219``.
"""

from adapters.protocols.c1218.client import C1218Client
from adapters.protocols.c1218.events import (
    NEED_DATA,
    ClientEvent,
    DamagedPacket,
    EndReason,
    LineChange,
    LineQuiet,
    RejectedPacket,
    RequestReceived,
    RequestRefused,
    ResponseMalformed,
    ResponseReceived,
    ServerEvent,
    SessionEnded,
    SessionLost,
)
from adapters.protocols.c1218.messages import Parameters
from adapters.protocols.c1218.server import C1218Server
from adapters.protocols.c1218.spoiling import Spoil
from adapters.protocols.c1218.state import Role, State
from adapters.protocols.c1218.timers import Purpose, Timer, Timing, Watch

__all__ = [
    "NEED_DATA",
    "C1218Client",
    "C1218Server",
    "ClientEvent",
    "DamagedPacket",
    "EndReason",
    "LineChange",
    "LineQuiet",
    "Parameters",
    "Purpose",
    "RejectedPacket",
    "RequestReceived",
    "RequestRefused",
    "ResponseMalformed",
    "ResponseReceived",
    "Role",
    "ServerEvent",
    "SessionEnded",
    "SessionLost",
    "Spoil",
    "State",
    "Timer",
    "Timing",
    "Watch",
]
