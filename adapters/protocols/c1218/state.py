"""States of a C12.18 session, both roles, as one table.

    base --identify--> identified --negotiate--> negotiated --logon--> logged on --security--> secured
                           ^------------------------------logoff-----------'------------------'

Rule 1: which service may be asked for now stands here; engines only look it up. An entry says where the
service leads when it is granted; a refusal changes nothing.
Rule 2: a missing key is the error: a server answers ``isss`` (invalid service sequence state), and what we
attempt ourselves raises LocalProtocolError.
Packets, toggle bits and repetition do not change the state; they live in ``link``.

Terminate and disconnect are taken in every state, so that there is always a way out; identify begins a
session and is taken in the base state alone. (As public implementations of devices have it; the text of the
standard was not at hand.) The client has one state more: in doubt, after an answer that never came, where
nothing may be asked for until the line has been quiet for a channel time-out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from adapters.errors import LocalProtocolError
from adapters.protocols.c1218.codes import Service


class Role(StrEnum):
    """Which end of the line."""

    CLIENT = "client"
    SERVER = "server"


class State(StrEnum):
    """Of a session."""

    BASE = "base"
    IDENTIFIED = "identified"
    NEGOTIATED = "negotiated"
    LOGGED_ON = "logged on"
    SECURED = "secured"
    IN_DOUBT = "in doubt"


class Happening(StrEnum):
    """What changes a session besides services."""

    CHANNEL_TIMEOUT = "channel time-out"
    LINK_FAILED = "link failed"
    CLOSED = "closed"
    QUIET = "quiet"


_ENDS: Final[dict[Service | Happening, State]] = {
    Service.TERMINATE: State.BASE,
    Service.DISCONNECT: State.BASE,
    Happening.CHANNEL_TIMEOUT: State.BASE,
    Happening.CLOSED: State.BASE,
}


def _session(logged_on: State) -> dict[Service | Happening, State]:
    return {
        Service.READ: logged_on,
        Service.WRITE: logged_on,
        Service.WAIT: logged_on,
        Service.SECURITY: State.SECURED,
        Service.AUTHENTICATE: State.SECURED,
        Service.LOGOFF: State.IDENTIFIED,
    }


def _identified(state: State) -> dict[Service | Happening, State]:
    return {
        Service.NEGOTIATE: State.NEGOTIATED,
        Service.TIMING_SETUP: state,
        Service.WAIT: state,
        Service.LOGON: State.LOGGED_ON,
    }


def _table(failed: State) -> dict[State, dict[Service | Happening, State]]:
    ends = _ENDS | {Happening.LINK_FAILED: failed}
    return {
        State.BASE: ends | {Service.IDENTIFY: State.IDENTIFIED},
        State.IDENTIFIED: ends | _identified(State.IDENTIFIED),
        State.NEGOTIATED: ends | _identified(State.NEGOTIATED),
        State.LOGGED_ON: ends | _session(State.LOGGED_ON),
        State.SECURED: ends | _session(State.SECURED),
    }


TRANSITIONS: Final[dict[Role, dict[State, dict[Service | Happening, State]]]] = {
    Role.CLIENT: _table(State.IN_DOUBT)
    | {
        State.IN_DOUBT: {
            Happening.QUIET: State.BASE,
            Happening.CLOSED: State.BASE,
            Happening.LINK_FAILED: State.IN_DOUBT,
        }
    },
    Role.SERVER: _table(State.BASE),
}

_GRANTED_ANYWAY: Final = {
    Service.IDENTIFY: State.IDENTIFIED,
    Service.NEGOTIATE: State.NEGOTIATED,
    Service.LOGON: State.LOGGED_ON,
    Service.SECURITY: State.SECURED,
    Service.AUTHENTICATE: State.SECURED,
    Service.LOGOFF: State.IDENTIFIED,
}


def allowed(role: Role, state: State, event: Service | Happening) -> bool:
    """Tell whether ``event`` leads anywhere from ``state``."""
    return event in TRANSITIONS[role][state]


def next_state(role: Role, state: State, event: Service | Happening) -> State:
    """Return where ``event`` leads. Raises LocalProtocolError where it leads nowhere."""
    try:
        return TRANSITIONS[role][state][event]
    except KeyError:
        raise LocalProtocolError(
            f"C12.18 {role}: {event} is not possible while {state}", clause="ANSI C12.18 service sequence"
        ) from None


def granted(role: Role, state: State, service: Service) -> State:
    """Return where a granted ``service`` leads, even one that should not have been granted in ``state``."""
    found = TRANSITIONS[role][state].get(service)
    return _GRANTED_ANYWAY.get(service, state) if found is None else found
