"""What the sign-on engines of both roles report.

Rule for the owner: on ``LineChange`` first write what ``data_to_send`` returns and let it leave the line,
then change the settings. Answers keep the partner's reaction time: ``delay_s`` of the event says how long.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from adapters.base import LineSettings
from adapters.protocols.iec62056_21.messages import Identification, OptionSelect


class NeedData(Enum):
    """The type of ``NEED_DATA``."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA
"""Nothing more can be said until more octets arrive."""


class Confirmation(StrEnum):
    """When the meter confirms the option select by sending it back.

    Public readers and meter models differ: most listen for it before they change the speed, some after, and
    some meters do not confirm at all; so it is a matter of the profile.
    """

    OLD_SPEED = "old-speed"
    NEW_SPEED = "new-speed"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestReceived:
    """Server: a reader asked for us; the identification waits in ``data_to_send``."""

    address: str
    delay_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentificationReceived:
    """Client: the meter answered; the option select waits in ``data_to_send``."""

    identification: Identification
    delay_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionSelected:
    """Server: the reader chose something other than HDLC (mode C). The line stays as it is."""

    option: OptionSelect


@dataclass(frozen=True, kw_only=True, slots=True)
class LineChange:
    """Change the line settings, after all that ``data_to_send`` returns has left."""

    settings: LineSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class HandedOver:
    """From here on the line speaks HDLC; ``rest`` are octets that came already and belong to it.

    ``confirmed``: the option select was (client: received, server: sent) back. ``direct``: there was no
    sign-on at all, the first octets were HDLC.
    """

    rest: bytes = b""
    confirmed: bool = False
    direct: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SignOnFailed:
    """Client: the meter did not identify itself, or offers no HDLC. ``data`` is what came instead."""

    why: str
    data: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageRejected:
    """Octets that are not the message expected now. They were skipped."""

    data: bytes
    why: str


SignOnEvent = (
    RequestReceived
    | IdentificationReceived
    | OptionSelected
    | LineChange
    | HandedOver
    | SignOnFailed
    | MessageRejected
)
