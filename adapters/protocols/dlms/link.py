"""What every link below the DLMS application layer offers: opaque APDUs in, opaque APDUs out.

Two framings, one set of verbs, both roles. A link does no I/O and reads no clock:

1. tell it what to do (``connect``, ``send_apdu``, ``disconnect``);
2. write what ``data_to_send`` returns to the wire;
3. hand it what the wire brought (``receive_data``) and take ``next_event`` until ``NEED_DATA``, writing
   ``data_to_send`` again after each event (HDLC acknowledges, and a server may answer at once).

Timers belong to the owner. When a reply did not come in time it calls ``response_timeout``; the link then
repeats or polls, or reports ``LinkDown(reason="no-answer")`` when it has tried often enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, Protocol


class NeedData(Enum):
    """The type of ``NEED_DATA``."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA
"""Nothing more can be said until more bytes arrive."""


class DownReason(StrEnum):
    """Why a link went down."""

    DISCONNECTED = "disconnected"  # asked for by the client and confirmed (DISC, answered by UA or DM)
    REFUSED = "refused"  # the server does not take this client (DM in answer to SNRM)
    PEER_DISCONNECTED = "peer-disconnected"  # the server says it knows of no connection (DM out of the blue)
    FRAME_REJECT = "frame-reject"  # FRMR: one side holds a frame of the other to be illegal
    NO_ANSWER = "no-answer"  # every repetition went unanswered
    RESTARTED = "restarted"  # server side: SNRM on an open connection; a LinkUp follows
    INACTIVE = "inactive"  # the owner's inactivity time-out
    CLOSED = "closed"  # the far end closed the wire
    PROTOCOL_ERROR = "protocol-error"  # the byte stream cannot be followed any more


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkParameters:
    """HDLC parameters in force, as seen from this side: octets of information field, frames per window."""

    max_info_transmit: int = 128
    max_info_receive: int = 128
    window_transmit: int = 1
    window_receive: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkUp:
    """The link carries APDUs now. ``parameters`` is None for the wrapper, which negotiates nothing."""

    parameters: LinkParameters | None = None
    client_sap: int = 0
    server_sap: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ApduReceived:
    """One whole APDU.

    ``intact``: a checksum vouches that these are the octets the peer sent (HDLC yes, wrapper no).
    ``connectionless``: it came without a connection (an HDLC UI frame) and gets no answer on the link.
    """

    apdu: bytes
    client_sap: int
    server_sap: int
    intact: bool
    connectionless: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkDown:
    """The link carries nothing any more. ``reason`` is a ``DownReason``."""

    reason: str
    client_sap: int = 0
    server_sap: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameRejected:
    """The peer sent an undamaged frame that breaks a rule of the link; it was not acted on."""

    data: bytes
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameDamagedEvent:
    """Octets that are no frame: a checksum does not match, or noise between frames. They were skipped."""

    data: bytes
    why: str


LinkEvent = LinkUp | ApduReceived | LinkDown | FrameRejected | FrameDamagedEvent


class ClientLink(Protocol):
    """The client's end of a link to one server, for one client address."""

    @property
    def checksummed(self) -> bool:
        """True where the link itself vouches for the octets it delivers."""
        ...

    @property
    def awaiting_reply(self) -> bool:
        """True while ``response_timeout`` is worth calling: a UA, an acknowledgement or an answer is due."""
        ...

    @property
    def incomplete(self) -> bool:
        """True while part of a message waits for its rest."""
        ...

    @property
    def frames_for_others(self) -> int:
        """How many intact messages bore another address than ours."""
        ...

    def connect(self) -> None:
        """Ask for the link (SNRM); the wrapper is up at once. Answered by LinkUp or LinkDown."""
        ...

    def disconnect(self) -> None:
        """Give the link up (DISC); answered by LinkDown. The wrapper is down at once."""
        ...

    def send_apdu(self, apdu: bytes) -> None:
        """Send one APDU. Raises LocalProtocolError when the link is not up."""
        ...

    def send_unconfirmed(self, apdu: bytes) -> None:
        """Send one APDU that needs no connection (HDLC UI frame); over the wrapper as any other."""
        ...

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the wire; ``b""`` means the far end closed it."""
        ...

    def next_event(self) -> LinkEvent | NeedData:
        """Return what happened next, or ``NEED_DATA``.

        Raises RemoteProtocolError (wrapper only) where the byte stream cannot be followed any more.
        """
        ...

    def data_to_send(self) -> bytes:
        """Return what must go out now, and forget it; ``b""`` when there is nothing."""
        ...

    def response_timeout(self) -> None:
        """The awaited reply did not come in time: repeat, poll or give up (LinkDown)."""
        ...


class ServerLink(Protocol):
    """The server's end: one per serial port or TCP connection, for any number of client addresses."""

    @property
    def checksummed(self) -> bool:
        """True where the link itself vouches for the octets it delivers."""
        ...

    @property
    def incomplete(self) -> bool:
        """True while part of a frame is waiting for its rest (the owner may want an inter-octet timer)."""
        ...

    def send_apdu(self, apdu: bytes, client_sap: int, server_sap: int) -> None:
        """Send one APDU to a client. Raises LocalProtocolError when that client is not connected."""
        ...

    def send_unconfirmed(self, apdu: bytes, client_sap: int, server_sap: int) -> None:
        """Send one APDU without a connection (HDLC UI frame); over the wrapper as any other."""
        ...

    def no_reply(self, client_sap: int, server_sap: int) -> None:
        """The APDU just received gets no answer: let the link acknowledge it alone (HDLC RR)."""
        ...

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the wire; ``b""`` means the far end closed it."""
        ...

    def next_event(self) -> LinkEvent | NeedData:
        """Return what happened next, or ``NEED_DATA``. Never raises for what the peer sent."""
        ...

    def data_to_send(self) -> bytes:
        """Return what must go out now, and forget it; ``b""`` when there is nothing."""
        ...

    def inter_octet_timeout(self) -> None:
        """A message was begun and not continued: drop and report what there is of it."""
        ...

    def inactive(self, client_sap: int | None = None) -> None:
        """The owner's inactivity time-out: every connection (or that client's) ends with LinkDown."""
        ...
