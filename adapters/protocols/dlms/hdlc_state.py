"""States of an HDLC connection, both roles, as one table.

Rule 1: everything that decides whether something may happen now stands here; engines only look it up.
Rule 2: a missing key is the error. What we attempt ourselves then raises LocalProtocolError; a frame of the
peer is inopportune and raises RemoteProtocolError, which an engine turns into FrameRejected.
Sequence numbers, windows and repetition do not change the state; they live in ``hdlc_channel``.

The client asks, in normal response mode: SNRM -> UA (up) or DM (refused); DISC -> UA or DM (down). The
server keeps one such state per client address. FRMR leaves only SNRM and DISC as ways out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from adapters.errors import LocalProtocolError, RemoteProtocolError


class Role(StrEnum):
    """Which end of the link."""

    CLIENT = "client"
    SERVER = "server"


class State(StrEnum):
    """Of one connection."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTING = "disconnecting"
    REJECTING = "rejecting"


class Event(StrEnum):
    """What happens to a connection: first what its owner does, then what the peer sends."""

    CONNECT = "connect"
    DISCONNECT = "disconnect"
    SEND = "send"
    REJECT = "reject"
    GIVE_UP = "give up"
    INACTIVE = "inactive"
    CLOSED = "closed"

    ACCEPTED_SNRM = "accepted SNRM"
    REFUSED_SNRM = "refused SNRM"
    DISC = "DISC"
    UA = "UA"
    DM = "DM"
    FRMR = "FRMR"
    NUMBERED = "I, RR or RNR"


LOCAL: Final = frozenset(
    (Event.CONNECT, Event.DISCONNECT, Event.SEND, Event.REJECT, Event.GIVE_UP, Event.INACTIVE, Event.CLOSED)
)

_LOST: Final = {
    Event.GIVE_UP: State.DISCONNECTED,
    Event.INACTIVE: State.DISCONNECTED,
    Event.CLOSED: State.DISCONNECTED,
}

TRANSITIONS: Final[dict[Role, dict[State, dict[Event, State]]]] = {
    Role.CLIENT: {
        State.DISCONNECTED: _LOST
        | {
            Event.CONNECT: State.CONNECTING,
            Event.DISCONNECT: State.DISCONNECTING,  # clears a connection the server may still hold
            Event.DM: State.DISCONNECTED,
        },
        State.CONNECTING: _LOST
        | {
            Event.CONNECT: State.CONNECTING,
            Event.DISCONNECT: State.DISCONNECTING,
            Event.UA: State.CONNECTED,
            Event.DM: State.DISCONNECTED,
            Event.FRMR: State.DISCONNECTED,
        },
        State.CONNECTED: _LOST
        | {
            Event.CONNECT: State.CONNECTING,  # SNRM on an open connection starts it afresh
            Event.DISCONNECT: State.DISCONNECTING,
            Event.SEND: State.CONNECTED,
            Event.NUMBERED: State.CONNECTED,
            Event.DM: State.DISCONNECTED,
            Event.FRMR: State.DISCONNECTED,
        },
        State.DISCONNECTING: _LOST
        | {
            Event.CONNECT: State.CONNECTING,
            Event.DISCONNECT: State.DISCONNECTING,
            Event.UA: State.DISCONNECTED,
            Event.DM: State.DISCONNECTED,
            Event.FRMR: State.DISCONNECTED,
        },
    },
    Role.SERVER: {
        State.DISCONNECTED: _LOST
        | {
            Event.ACCEPTED_SNRM: State.CONNECTED,
            Event.REFUSED_SNRM: State.DISCONNECTED,
            Event.DISC: State.DISCONNECTED,
            Event.NUMBERED: State.DISCONNECTED,  # answered by DM
        },
        State.CONNECTED: _LOST
        | {
            Event.ACCEPTED_SNRM: State.CONNECTED,
            Event.REFUSED_SNRM: State.DISCONNECTED,
            Event.DISC: State.DISCONNECTED,
            Event.NUMBERED: State.CONNECTED,
            Event.SEND: State.CONNECTED,
            Event.REJECT: State.REJECTING,
        },
        State.REJECTING: _LOST
        | {
            Event.ACCEPTED_SNRM: State.CONNECTED,
            Event.REFUSED_SNRM: State.DISCONNECTED,
            Event.DISC: State.DISCONNECTED,
            Event.NUMBERED: State.REJECTING,  # the FRMR is repeated
        },
    },
}


def next_state(role: Role, state: State, event: Event, data: bytes = b"") -> State:
    """Return where ``event`` leads. Raises Local- or RemoteProtocolError where it leads nowhere."""
    try:
        return TRANSITIONS[role][state][event]
    except KeyError:
        text = f"HDLC {role}: {event} is not possible while {state}"
        if event in LOCAL:
            raise LocalProtocolError(text, data=data, clause="IEC 62056-46 6.4.4") from None
        raise RemoteProtocolError(text, data=data, clause="IEC 62056-46 6.4.4", frame_intact=True) from None
