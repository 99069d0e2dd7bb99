"""The association as one table: ``TRANSITIONS[role][state][event] -> state``. A missing key *is* the error.

Theory of operation. Both ends of an association walk through the same states, each driven by the APDUs that
cross the wire in either direction; so an event is "such an APDU was sent or received", never "do this".
A client engine and a server engine that saw the same APDUs are in the same state. Rule 1: everything that
decides whether an APDU may come now stands in this file. Rule 2: first the table is asked, then anything is
changed; an event the table does not know leaves everything as it was.

- Without association the state is IDLE. A pre-established association starts in ASSOCIATED.
- With HLS, an accepting AARE leads to HLS_PENDING: the client owes its proof (pass 3) and nothing else is
  served. The proof leads to HLS_PROVING, the server's answer (pass 4) to ASSOCIATED or back to IDLE.
- One confirmed service at a time is under way: GETTING, SETTING, ACTING. A long GET alternates between
  GET_BLOCKS (the server sent a block, the client may ask for the next) and GETTING.
- A long SET alternates between SET_BLOCKS (the server took a block, the client may send the next) and
  SETTING. A long ACTION does so on its way out (ACTION_BLOCKS) and, where the response is long, on its way
  back (ACTION_PARTS: the client may ask for the next part).
- Unconfirmed services and notifications change nothing.
- GIVEN_UP is a client's time-out, LINK_DOWN the loss of the lower layer; pre-established associations
  come back to ASSOCIATED, which is the engine's affair, as the table does not know what was agreed.
- General block transfer carries whole APDUs underneath this table; only the APDU that comes out of it is an
  event here. Which block may come is told by the numbers on the blocks alone (``gbt.py``).
- Places for later: ACCESS, short-name services.
"""

from __future__ import annotations

from enum import Enum

from adapters.errors import LocalProtocolError, RemoteProtocolError


class Role(Enum):
    """Which end of the association an engine plays."""

    __hash__ = object.__hash__  # members are singletons, and Enum's own hash is a call into Python

    CLIENT = "client"
    SERVER = "server"


class State(Enum):
    """Where an association stands."""

    __hash__ = object.__hash__  # see Role

    IDLE = "idle"
    ASSOCIATING = "associating"
    HLS_PENDING = "hls-pending"
    HLS_PROVING = "hls-proving"
    ASSOCIATED = "associated"
    GETTING = "getting"
    GET_BLOCKS = "get-blocks"
    SETTING = "setting"
    SET_BLOCKS = "set-blocks"
    ACTING = "acting"
    ACTION_BLOCKS = "action-blocks"
    ACTION_PARTS = "action-parts"
    RELEASING = "releasing"


class Event(Enum):
    """What crossed the wire, whoever sent it."""

    __hash__ = object.__hash__  # see Role

    AARQ = "aarq"
    AARE_ACCEPTED = "aare-accepted"
    AARE_HLS = "aare-authentication-required"
    AARE_REJECTED = "aare-rejected"
    HLS_PROOF = "hls-proof"
    HLS_CONFIRMED = "hls-confirmed"
    HLS_REFUSED = "hls-refused"
    GET_REQUEST = "get-request"
    GET_NEXT = "get-request-next"
    GET_RESPONSE = "get-response"
    GET_BLOCK = "get-response-block"
    SET_REQUEST = "set-request"
    SET_BLOCK = "set-request-block"
    SET_RESPONSE = "set-response"
    SET_TAKEN = "set-response-block"
    ACTION_REQUEST = "action-request"
    ACTION_BLOCK = "action-request-block"
    ACTION_NEXT = "action-request-next"
    ACTION_RESPONSE = "action-response"
    ACTION_TAKEN = "action-response-next"
    ACTION_PART = "action-response-block"
    UNCONFIRMED_REQUEST = "unconfirmed-request"
    NOTIFICATION = "notification"
    EXCEPTION = "exception"
    RLRQ = "rlrq"
    RLRE = "rlre"
    GIVEN_UP = "given-up"
    LINK_DOWN = "link-down"


CLIENT_EVENTS = frozenset(
    {
        Event.AARQ, Event.HLS_PROOF, Event.GET_REQUEST, Event.GET_NEXT, Event.SET_REQUEST,
        Event.ACTION_REQUEST, Event.UNCONFIRMED_REQUEST, Event.RLRQ, Event.GIVEN_UP,
        Event.SET_BLOCK, Event.ACTION_BLOCK, Event.ACTION_NEXT,
    }
)  # fmt: skip
"""Events the client causes. The others are the server's; LINK_DOWN is allowed everywhere."""

Table = dict[State, dict[Event, State]]

_COMMON: Table = {
    State.IDLE: {Event.AARQ: State.ASSOCIATING, Event.LINK_DOWN: State.IDLE},
    State.ASSOCIATING: {
        Event.AARE_ACCEPTED: State.ASSOCIATED,
        Event.AARE_HLS: State.HLS_PENDING,
        Event.AARE_REJECTED: State.IDLE,
        Event.EXCEPTION: State.IDLE,
        Event.LINK_DOWN: State.IDLE,
    },
    State.HLS_PENDING: {Event.HLS_PROOF: State.HLS_PROVING, Event.LINK_DOWN: State.IDLE},
    State.HLS_PROVING: {
        Event.HLS_CONFIRMED: State.ASSOCIATED,
        Event.HLS_REFUSED: State.IDLE,
        Event.EXCEPTION: State.IDLE,
        Event.LINK_DOWN: State.IDLE,
    },
    State.ASSOCIATED: {
        Event.GET_REQUEST: State.GETTING,
        Event.SET_REQUEST: State.SETTING,
        Event.ACTION_REQUEST: State.ACTING,
        Event.UNCONFIRMED_REQUEST: State.ASSOCIATED,
        Event.NOTIFICATION: State.ASSOCIATED,
        Event.RLRQ: State.RELEASING,
        Event.LINK_DOWN: State.IDLE,
    },
    State.GETTING: {
        Event.GET_RESPONSE: State.ASSOCIATED,
        Event.GET_BLOCK: State.GET_BLOCKS,
        Event.EXCEPTION: State.ASSOCIATED,
        Event.NOTIFICATION: State.GETTING,
        Event.LINK_DOWN: State.IDLE,
    },
    State.GET_BLOCKS: {
        Event.GET_NEXT: State.GETTING,
        Event.NOTIFICATION: State.GET_BLOCKS,
        Event.LINK_DOWN: State.IDLE,
    },
    State.SETTING: {
        Event.SET_RESPONSE: State.ASSOCIATED,
        Event.SET_TAKEN: State.SET_BLOCKS,
        Event.EXCEPTION: State.ASSOCIATED,
        Event.NOTIFICATION: State.SETTING,
        Event.LINK_DOWN: State.IDLE,
    },
    State.SET_BLOCKS: {
        Event.SET_BLOCK: State.SETTING,
        Event.NOTIFICATION: State.SET_BLOCKS,
        Event.LINK_DOWN: State.IDLE,
    },
    State.ACTING: {
        Event.ACTION_RESPONSE: State.ASSOCIATED,
        Event.ACTION_TAKEN: State.ACTION_BLOCKS,
        Event.ACTION_PART: State.ACTION_PARTS,
        Event.EXCEPTION: State.ASSOCIATED,
        Event.NOTIFICATION: State.ACTING,
        Event.LINK_DOWN: State.IDLE,
    },
    State.ACTION_BLOCKS: {
        Event.ACTION_BLOCK: State.ACTING,
        Event.NOTIFICATION: State.ACTION_BLOCKS,
        Event.LINK_DOWN: State.IDLE,
    },
    State.ACTION_PARTS: {
        Event.ACTION_NEXT: State.ACTING,
        Event.NOTIFICATION: State.ACTION_PARTS,
        Event.LINK_DOWN: State.IDLE,
    },
    State.RELEASING: {
        Event.RLRE: State.IDLE,
        Event.EXCEPTION: State.ASSOCIATED,
        Event.NOTIFICATION: State.RELEASING,
        Event.LINK_DOWN: State.IDLE,
    },
}

_CLIENT_ONLY: Table = {
    # A push needs no association of ours, and a late one may come in any state.
    State.IDLE: {Event.NOTIFICATION: State.IDLE},
    State.ASSOCIATING: {Event.GIVEN_UP: State.IDLE, Event.NOTIFICATION: State.ASSOCIATING},
    State.HLS_PENDING: {Event.GIVEN_UP: State.IDLE, Event.NOTIFICATION: State.HLS_PENDING},
    State.HLS_PROVING: {Event.GIVEN_UP: State.IDLE, Event.NOTIFICATION: State.HLS_PROVING},
    State.ASSOCIATED: {
        Event.GIVEN_UP: State.ASSOCIATED,
        # An exception nobody waits for answers an unconfirmed service; it is told, not fatal.
        Event.EXCEPTION: State.ASSOCIATED,
    },
    State.GETTING: {Event.GIVEN_UP: State.ASSOCIATED},
    State.GET_BLOCKS: {Event.GIVEN_UP: State.ASSOCIATED},
    State.SETTING: {Event.GIVEN_UP: State.ASSOCIATED},
    State.SET_BLOCKS: {Event.GIVEN_UP: State.ASSOCIATED},
    State.ACTING: {Event.GIVEN_UP: State.ASSOCIATED},
    State.ACTION_BLOCKS: {Event.GIVEN_UP: State.ASSOCIATED},
    State.ACTION_PARTS: {Event.GIVEN_UP: State.ASSOCIATED},
    State.RELEASING: {Event.GIVEN_UP: State.IDLE},
}

# A new request while a server waits for the next block, or to be asked for it, abandons the transfer.
_ABANDONED: dict[Event, State] = {
    Event.GET_REQUEST: State.GETTING,
    Event.SET_REQUEST: State.SETTING,
    Event.ACTION_REQUEST: State.ACTING,
    Event.UNCONFIRMED_REQUEST: State.ASSOCIATED,
    Event.EXCEPTION: State.ASSOCIATED,
    Event.AARQ: State.ASSOCIATING,
    Event.RLRQ: State.RELEASING,
}

_SERVER_ONLY: Table = {
    # A server says no to what comes too early, and does not change by it.
    State.IDLE: {Event.EXCEPTION: State.IDLE, Event.NOTIFICATION: State.IDLE},
    State.HLS_PENDING: {
        Event.EXCEPTION: State.HLS_PENDING,
        Event.RLRQ: State.RELEASING,
        Event.AARQ: State.ASSOCIATING,
    },
    # A client that lost its memory starts anew; the old association ends with its AARQ. An exception
    # here answers an APDU the server could not read or decipher.
    State.ASSOCIATED: {Event.AARQ: State.ASSOCIATING, Event.EXCEPTION: State.ASSOCIATED},
    State.GET_BLOCKS: _ABANDONED,
    State.SET_BLOCKS: _ABANDONED,
    State.ACTION_BLOCKS: _ABANDONED,
    State.ACTION_PARTS: _ABANDONED,
}


BETWEEN_BLOCKS = frozenset({State.GET_BLOCKS, State.SET_BLOCKS, State.ACTION_BLOCKS, State.ACTION_PARTS})
"""A transfer is under way and the client has the next word."""


def _joined(common: Table, own: Table) -> Table:
    return {state: {**common.get(state, {}), **own.get(state, {})} for state in State}


TRANSITIONS: dict[Role, Table] = {
    Role.CLIENT: _joined(_COMMON, _CLIENT_ONLY),
    Role.SERVER: _joined(_COMMON, _SERVER_ONLY),
}


def next_state(role: Role, state: State, event: Event) -> State:
    """Return the state after ``event``.

    Raises LocalProtocolError where ``role`` itself must not cause the event now, RemoteProtocolError where
    its peer must not.
    """
    after = TRANSITIONS[role][state].get(event)
    if after is not None:
        return after
    ours = (event in CLIENT_EVENTS) == (role is Role.CLIENT)
    message = f"{role.value} in state {state.value}: {event.value} has no place here"
    if ours:
        raise LocalProtocolError(message, clause="DLMS association state table")
    raise RemoteProtocolError(message, clause="DLMS association state table")
