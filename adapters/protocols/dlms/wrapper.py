"""The TCP and UDP wrapper of IEC 62056-47: eight octets in front of every APDU.

    version 0001 | source wPort | destination wPort | length of the APDU      each two octets, high first

There is no checksum and no way to find the next header in a byte stream that has lost its place. So a
wrong version ends the link, a length beyond ``max_apdu`` ends it too, and a header whose APDU never comes
is dropped when the owner says that time is up (``response_timeout``, ``inter_octet_timeout``): the link
then starts afresh with the next octet and is not silenced for good.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Final

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.link import (
    NEED_DATA,
    ApduReceived,
    DownReason,
    FrameRejected,
    LinkDown,
    LinkEvent,
    LinkUp,
    NeedData,
)

VERSION: Final = 1
HEADER_OCTETS: Final = 8
MAX_APDU_OCTETS: Final = 0xFFFF
_HEADER: Final = Struct(">4H")
_CLAUSE: Final = "IEC 62056-47 7.3.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class WrapperMessage:
    """One wrapped APDU."""

    source: int
    destination: int
    apdu: bytes

    def encode(self) -> bytes:
        """Return header and APDU. Raises LocalProtocolError for an APDU the length field cannot say."""
        return encode_message(self.source, self.destination, self.apdu)


def encode_message(source: int, destination: int, apdu: bytes) -> bytes:
    """Return header and APDU; ports are 0 to 0xFFFF. Raises LocalProtocolError when it does not fit."""
    if not (0 <= source <= 0xFFFF and 0 <= destination <= 0xFFFF and len(apdu) <= MAX_APDU_OCTETS):
        raise LocalProtocolError(
            f"wrapper: {source} -> {destination}, {len(apdu)} octets do not fit", clause=_CLAUSE
        )
    return _HEADER.pack(VERSION, source, destination, len(apdu)) + apdu


def decode_datagram(datagram: bytes, max_apdu: int = MAX_APDU_OCTETS) -> WrapperMessage:
    """Return the message that one UDP datagram is. Raises RemoteProtocolError for anything else."""
    if len(datagram) < HEADER_OCTETS:
        raise _wrong(f"a datagram of {len(datagram)} octets", datagram)
    source, destination, length = _header(datagram, 0, max_apdu)
    if len(datagram) != HEADER_OCTETS + length:
        raise _wrong(
            f"the header says {length} octets, the datagram has {len(datagram) - HEADER_OCTETS}", datagram
        )
    return WrapperMessage(source=source, destination=destination, apdu=datagram[HEADER_OCTETS:])


def _header(buffer: bytes | bytearray, start: int, max_apdu: int) -> tuple[int, int, int]:
    """Return source, destination and length of the header at ``start``. Raises RemoteProtocolError."""
    version, source, destination, length = _HEADER.unpack_from(buffer, start)
    if version != VERSION:
        raise _wrong(f"version {version}, expected {VERSION}", buffer[start:])
    if length > max_apdu:
        raise _wrong(f"the header claims {length} octets, at most {max_apdu} are taken", buffer[start:])
    return source, destination, length


def _wrong(what: str, data: bytes | bytearray) -> RemoteProtocolError:
    return RemoteProtocolError(f"wrapper: {what}", data=bytes(data), clause=_CLAUSE)


class WrapperStream:
    """Wrapped messages in a stream of octets. At most one message is kept."""

    __slots__ = ("_buffer", "_max_apdu", "_needed", "_position")

    def __init__(self, max_apdu: int = MAX_APDU_OCTETS) -> None:
        if not 1 <= max_apdu <= MAX_APDU_OCTETS:
            raise LocalProtocolError(f"max_apdu {max_apdu}: 1 to {MAX_APDU_OCTETS} is possible")
        self._max_apdu = max_apdu
        self._buffer = bytearray()
        self._position = 0
        self._needed = HEADER_OCTETS

    @property
    def incomplete(self) -> bool:
        """True while part of a message waits for its rest."""
        return len(self._buffer) > self._position

    def receive_data(self, data: bytes) -> None:
        """Take octets from the wire."""
        if self._position:
            del self._buffer[: self._position]
            self._position = 0
        self._buffer += data

    def next_message(self) -> WrapperMessage | None:
        """Return the next message, or None. Raises RemoteProtocolError as soon as the version is wrong."""
        message = self.next_parts()
        if message is None:
            return None
        return WrapperMessage(source=message[0], destination=message[1], apdu=message[2])

    def next_parts(self) -> tuple[int, int, bytes] | None:
        """Return source, destination and APDU of the next message, or None; as ``next_message``."""
        buffer, start = self._buffer, self._position
        length = len(buffer) - start
        if length < self._needed:
            if length >= 2 and buffer[start : start + 2] != b"\x00\x01":
                raise _wrong(
                    f"version {buffer[start] << 8 | buffer[start + 1]}, expected {VERSION}", buffer[start:]
                )
            return None
        source, destination, length = _header(buffer, start, self._max_apdu)
        end = start + HEADER_OCTETS + length
        if len(buffer) < end:
            self._needed = HEADER_OCTETS + length
            return None
        apdu = bytes(buffer[start + HEADER_OCTETS : end])
        self._position, self._needed = end, HEADER_OCTETS
        return source, destination, apdu

    def discard_partial(self) -> bytes:
        """Drop and return what waits for its rest."""
        data = bytes(self._buffer[self._position :])
        self._buffer.clear()
        self._position, self._needed = 0, HEADER_OCTETS
        return data


class WrapperClientLink:
    """``ClientLink`` over the wrapper: up as soon as it is told to connect, no repetition, no checksum.

    Messages for other ports are only counted: several clients may share one TCP connection.
    """

    checksummed = False
    awaiting_reply = False

    def __init__(self, client_sap: int, server_sap: int, *, max_apdu: int = MAX_APDU_OCTETS) -> None:
        self.client_sap, self.server_sap = client_sap, server_sap
        self.frames_for_others = 0
        self._stream = WrapperStream(max_apdu)
        self._events: deque[LinkEvent] = deque()
        self._out: list[bytes] = []
        self._up = False
        self._closed = False

    @property
    def incomplete(self) -> bool:
        """True while part of a message waits for its rest."""
        return self._stream.incomplete

    def connect(self) -> None:
        """Come up."""
        self._up = True
        self._events.append(LinkUp(client_sap=self.client_sap, server_sap=self.server_sap))

    def disconnect(self) -> None:
        """Go down; there is nothing to tell the meter at this level."""
        self._down(DownReason.DISCONNECTED)

    def send_apdu(self, apdu: bytes) -> None:
        """Send one APDU. Raises LocalProtocolError when not connected or when it is too long."""
        if not self._up:
            raise LocalProtocolError("wrapper client: send is not possible while disconnected")
        self._out.append(encode_message(self.client_sap, self.server_sap, apdu))

    def send_unconfirmed(self, apdu: bytes) -> None:
        """Send one APDU, connected or not: the wrapper makes no difference."""
        self._out.append(encode_message(self.client_sap, self.server_sap, apdu))

    def receive_data(self, data: bytes) -> None:
        """Take octets from the wire; ``b""`` means the far end closed it."""
        if data:
            self._stream.receive_data(data)
        else:
            self._closed = True

    def next_event(self) -> LinkEvent | NeedData:
        """Return what happened next, or ``NEED_DATA``.

        Raises RemoteProtocolError, with the octets, for a wrong version or absurd length; LinkDown follows.
        """
        while not self._events:
            try:
                message = self._stream.next_parts()
            except RemoteProtocolError:
                self._stream.discard_partial()
                self._down(DownReason.PROTOCOL_ERROR)
                raise
            if message is None:
                if not self._closed or not self._up:
                    return NEED_DATA
                self._down(DownReason.CLOSED)
            elif message[1] != self.client_sap or message[0] != self.server_sap:
                self.frames_for_others += 1
            else:
                return ApduReceived(
                    apdu=message[2], client_sap=self.client_sap, server_sap=self.server_sap, intact=False
                )
        return self._events.popleft()

    def data_to_send(self) -> bytes:
        """Return what must go out now, and forget it."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def response_timeout(self) -> None:
        """No answer in time: TCP repeats by itself; only a message begun and not finished is dropped."""
        data = self._stream.discard_partial()
        if data:
            self._events.append(FrameRejected(data=data, why=_unfinished(data)))

    def inactive(self) -> None:
        """The owner's inactivity time-out."""
        self._down(DownReason.INACTIVE)

    def _down(self, reason: DownReason) -> None:
        if self._up:
            self._up = False
            self._events.append(
                LinkDown(reason=reason, client_sap=self.client_sap, server_sap=self.server_sap)
            )


class WrapperServerLink:
    """``ServerLink`` over the wrapper, one per TCP connection.

    A client is taken to be connected from its first message on (LinkUp), if ``accept_client`` takes it; a
    message of any other client, or for a port that is not in ``server_saps``, is silence. What cannot be a
    message is reported (FrameRejected) and ends the link (LinkDown ``protocol-error``): the owner should
    close the TCP connection.
    """

    checksummed = False

    def __init__(
        self,
        server_saps: Iterable[int] = (1,),
        *,
        accept_client: Callable[[int], bool] = lambda client_sap: True,
        max_apdu: int = MAX_APDU_OCTETS,
    ) -> None:
        self.server_saps = frozenset(server_saps)
        self.frames_for_others = 0
        self._accept_client = accept_client
        self._stream = WrapperStream(max_apdu)
        self._events: deque[LinkEvent] = deque()
        self._out: list[bytes] = []
        self._clients: dict[tuple[int, int], None] = {}
        self._ended: DownReason | None = None

    @property
    def incomplete(self) -> bool:
        """True while part of a message waits for its rest."""
        return self._stream.incomplete

    @property
    def connected_clients(self) -> tuple[int, ...]:
        """Client ports heard of on this connection, in the order of their first message."""
        return tuple(client for client, _ in self._clients)

    def send_apdu(self, apdu: bytes, client_sap: int, server_sap: int) -> None:
        """Send one APDU. Raises LocalProtocolError when the connection has ended or it is too long."""
        if self._ended:
            raise LocalProtocolError(
                f"wrapper server: send is not possible, the link is down ({self._ended})"
            )
        self._out.append(encode_message(server_sap, client_sap, apdu))

    def send_unconfirmed(self, apdu: bytes, client_sap: int, server_sap: int) -> None:
        """Send one APDU, as any other."""
        self.send_apdu(apdu, client_sap, server_sap)

    def no_reply(self, client_sap: int, server_sap: int) -> None:
        """Do nothing: the wrapper acknowledges nothing."""

    def receive_data(self, data: bytes) -> None:
        """Take octets from the wire; ``b""`` means the far end closed it."""
        if self._ended:
            return
        if data:
            self._stream.receive_data(data)
        else:
            self._ended = DownReason.CLOSED

    def next_event(self) -> LinkEvent | NeedData:
        """Return what happened next, or ``NEED_DATA``. Never raises for what a client sent."""
        events = self._events
        while not events:
            try:
                message = self._stream.next_parts()
            except RemoteProtocolError as error:
                self._stream.discard_partial()
                self._ended = DownReason.PROTOCOL_ERROR
                events.append(FrameRejected(data=error.data, why=str(error)))
                self._end(DownReason.PROTOCOL_ERROR)
                break
            if message is None:
                if self._ended is None or not self._clients:
                    return NEED_DATA
                self._end(self._ended)
                continue
            client, server, apdu = message
            if server not in self.server_saps or not self._accept_client(client):
                self.frames_for_others += 1
                continue
            received = ApduReceived(apdu=apdu, client_sap=client, server_sap=server, intact=False)
            if (client, server) in self._clients:
                return received
            self._clients[client, server] = None
            events += (LinkUp(client_sap=client, server_sap=server), received)
        return events.popleft()

    def data_to_send(self) -> bytes:
        """Return what must go out now, and forget it."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def inter_octet_timeout(self) -> None:
        """A message was begun and not finished: drop it and start afresh with the next octet."""
        data = self._stream.discard_partial()
        if data:
            self._events.append(FrameRejected(data=data, why=_unfinished(data)))

    def inactive(self, client_sap: int | None = None) -> None:
        """The owner's inactivity time-out for one client, or for all."""
        self._end(DownReason.INACTIVE, client_sap)

    def _end(self, reason: DownReason, client_sap: int | None = None) -> None:
        for client, server in list(self._clients):
            if client_sap is None or client == client_sap:
                del self._clients[client, server]
                self._events.append(LinkDown(reason=reason, client_sap=client, server_sap=server))


def _unfinished(data: bytes) -> str:
    claimed = f" of {int.from_bytes(data[6:8], 'big')}" if len(data) >= HEADER_OCTETS else ""
    return (
        f"wrapper: a message was begun and not finished: {max(0, len(data) - HEADER_OCTETS)} octets{claimed}"
    )
