"""The server's end of an HDLC line (the secondary station): any number of clients on one serial port.

One connection per pair of client address and logical device. The server speaks only when it has the word:
a frame with the poll bit gives it, a frame with the final bit gives it back. After an APDU the word is kept
until the owner calls ``send_apdu`` or ``no_reply``, however much (virtual) time that takes; should the
client ask again meanwhile, it gets an RR, and the answer goes out at its next poll.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.hdlc_channel import NumberedChannel, Taken
from adapters.protocols.dlms.hdlc_client import LLC_COMMAND, LLC_RESPONSE
from adapters.protocols.dlms.hdlc_frame import (
    ALL_STATION_1,
    ALL_STATION_2,
    POLL_FINAL,
    Control,
    HdlcAddress,
    HdlcFrame,
    control_kind,
    encode_frame,
)
from adapters.protocols.dlms.hdlc_parameters import (
    DEFAULTS,
    decode_parameters,
    encode_parameters,
    settled,
    validated,
)
from adapters.protocols.dlms.hdlc_state import Event, Role, State, next_state
from adapters.protocols.dlms.hdlc_stream import HdlcStream
from adapters.protocols.dlms.link import (
    NEED_DATA,
    ApduReceived,
    DownReason,
    FrameDamagedEvent,
    FrameRejected,
    LinkDown,
    LinkEvent,
    LinkParameters,
    LinkUp,
    NeedData,
)

_UNDEFINED: Final = 0x01
_INFORMATION_NOT_ALLOWED: Final = 0x03  # W and X together: ISO/IEC 13239 5.5.3.4.2
_TOO_LONG: Final = 0x04
_WRONG_NUMBER: Final = 0x08

MAX_CONNECTIONS: Final = 128  # every client address there can be on one logical device


class _Connection:
    """What the server knows of one client."""

    __slots__ = (
        "addresses",
        "channel",
        "client_sap",
        "has_word",
        "parameters",
        "reject",
        "server_sap",
        "state",
    )

    def __init__(self, client: HdlcAddress, server: HdlcAddress) -> None:
        self.client_sap, self.server_sap = client.upper, server.upper
        self.addresses = client.encode() + server.encode()
        self.state = State.DISCONNECTED
        self.parameters = DEFAULTS
        self.channel: NumberedChannel | None = None
        self.has_word = False
        self.reject = b""  # the FRMR to repeat while rejecting


class HdlcServerLink:
    """``ServerLink`` over HDLC.

    ``server_saps`` are the logical devices that live here; a frame for any other address is silence.
    ``physical`` is the lower address; None takes any, as on a point-to-point optical port. A frame addressed
    by the logical device alone is taken too. ``accept_client(client_sap)`` decides UA or DM.
    ``busy`` makes the server answer RNR and refuse I frames, as a meter short of buffers does.
    """

    checksummed = True

    def __init__(
        self,
        server_saps: Iterable[int] = (1,),
        *,
        physical: int | None = None,
        accept_client: Callable[[int], bool] = lambda client_sap: True,
        max_info: int = 128,
        window: int = 1,
        max_apdu: int = 0xFFFF,
    ) -> None:
        self.server_saps = frozenset(server_saps)
        self.busy = False
        self.frames_for_others = 0
        self.duplicates = 0
        self._physical = physical
        self._accept_client = accept_client
        self._wanted = validated(
            LinkParameters(
                max_info_transmit=max_info,
                max_info_receive=max_info,
                window_transmit=window,
                window_receive=window,
            )
        )
        self._max_apdu = max_apdu
        self._connections: dict[tuple[int, int], _Connection] = {}
        self._stream = HdlcStream()
        self._events: deque[LinkEvent] = deque()
        self._out: list[bytes] = []
        self._closed = False

    @property
    def connected_clients(self) -> tuple[int, ...]:
        """Client addresses with an open connection, in the order they connected first."""
        return tuple(c.client_sap for c in self._connections.values() if c.state is State.CONNECTED)

    @property
    def incomplete(self) -> bool:
        """True while part of a frame waits for its rest."""
        return self._stream.incomplete

    def send_apdu(self, apdu: bytes, client_sap: int, server_sap: int) -> None:
        """Send one APDU: now when we have the word, else when the client next polls."""
        connection = self._connection(client_sap, server_sap)
        connection.state = next_state(Role.SERVER, connection.state, Event.SEND)
        assert connection.channel is not None, "a connected client has a channel"
        connection.channel.queue(apdu)
        if connection.has_word:
            self._answer(connection)

    def send_unconfirmed(self, apdu: bytes, client_sap: int, server_sap: int) -> None:
        """Send one APDU in a UI frame, connected or not. Raises LocalProtocolError when too long."""
        unit = LLC_RESPONSE + apdu
        if len(unit) > self._wanted.max_info_transmit:
            raise LocalProtocolError(
                f"a UI frame is not segmented: {len(unit)} octets, {self._wanted.max_info_transmit} possible"
            )
        known = self._connections.get((client_sap, server_sap))
        addresses = (
            known.addresses if known else HdlcAddress(client_sap).encode() + self._own(server_sap).encode()
        )
        self._out.append(encode_frame(addresses, Control.UI, unit))

    def no_reply(self, client_sap: int, server_sap: int) -> None:
        """The APDU just received gets no answer: acknowledge it by itself, if we have the word."""
        connection = self._connections.get((client_sap, server_sap))
        if connection is not None and connection.has_word and connection.state is State.CONNECTED:
            self._answer(connection)

    def receive_data(self, data: bytes) -> None:
        """Take octets from the wire; ``b""`` means the far end closed it."""
        if data:
            self._stream.receive_data(data)
        else:
            self._closed = True

    def next_event(self) -> LinkEvent | NeedData:
        """Return what happened next, or ``NEED_DATA``. Never raises for what a client sent."""
        events = self._events
        while not events:
            item = self._stream.next_frame()
            if item is None:
                if not self._closed:
                    return NEED_DATA
                self._end(Event.CLOSED, DownReason.CLOSED, None)
                if not events:
                    return NEED_DATA
            elif isinstance(item, HdlcFrame):
                self._receive(item)
            else:
                events.append(
                    (FrameDamagedEvent if item.damaged else FrameRejected)(data=item.data, why=item.why)
                )
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
        """The line fell silent within a frame: forget its beginning, the client will repeat."""
        stale = self._stream.discard_partial()
        if stale is not None:
            self._events.append(FrameDamagedEvent(data=stale.data, why=stale.why))

    def inactive(self, client_sap: int | None = None) -> None:
        """The owner's inactivity time-out: connections end with LinkDown, nothing is sent."""
        self._end(Event.INACTIVE, DownReason.INACTIVE, client_sap)

    def _receive(self, frame: HdlcFrame) -> None:
        control, kind = frame.control, control_kind(frame.control)
        destination, source = frame.destination, frame.source
        if source.octets != 1 or not self._is_ours(destination, kind):
            self.frames_for_others += 1
            return
        try:
            if kind is Control.UI:
                self._connectionless(frame)
                return
            key = source.upper, destination.upper
            connection = self._connections.get(key)
            if connection is None or kind is Control.SNRM:
                connection = self._connections.get(key) or _Connection(source, destination)
                connection.addresses = source.encode() + destination.encode()
            if kind is Control.I:
                self._information(connection, frame, control)
            elif kind is Control.SNRM:
                self._snrm(key, connection, frame)
            elif kind is Control.DISC:
                self._disc(connection, control)
            elif kind is Control.RR or kind is Control.RNR:
                self._supervisory(connection, frame, kind)
            elif kind is None:
                self._reject(connection, frame, _UNDEFINED, "undefined for this profile of HDLC")
            else:
                raise _broken(f"{kind.name} is a response; a server gets commands")
        except RemoteProtocolError as error:
            self._events.append(FrameRejected(data=frame.encode(), why=str(error)))

    def _information(self, connection: _Connection, frame: HdlcFrame, control: int) -> None:
        channel = self._numbered(connection, control)
        if channel is None:
            return
        if self.busy:
            if channel.acknowledge(control >> 5) >= 0 and control & POLL_FINAL:
                self._out.append(channel.supervisory(Control.RNR))
            return
        if len(frame.information) > connection.parameters.max_info_receive:
            self._reject(connection, frame, _TOO_LONG, "information field longer than agreed")
            return
        new = (control >> 1 & 7) == channel.receive_next
        progress = channel.acknowledge(control >> 5)
        if progress < 0:
            if new:
                self._reject(
                    connection, frame, _WRONG_NUMBER, f"N(R)={control >> 5} acknowledges what was not sent"
                )
            return
        channel.peer_busy = False
        taken = channel.take(control >> 1 & 7, frame.information, frame.segmented)
        if taken is Taken.APDU:
            connection.has_word = bool(control & POLL_FINAL)
            self._deliver(channel.take_unit(), connection.client_sap, connection.server_sap)
            return
        if taken is Taken.DUPLICATE:
            self.duplicates += 1
        elif taken is Taken.GAP:
            self._events.append(
                FrameRejected(
                    data=frame.encode(),
                    why=f"N(S)={control >> 1 & 7}, but {channel.receive_next} is missing before it",
                )
            )
        elif taken is Taken.OVERFLOW:
            self._reject(
                connection, frame, _TOO_LONG, f"a segmented APDU grows beyond {self._max_apdu} octets"
            )
            return
        if control & POLL_FINAL:
            self._answer(connection)

    def _supervisory(self, connection: _Connection, frame: HdlcFrame, kind: Control) -> None:
        control = frame.control
        channel = self._numbered(connection, control)
        if channel is None:
            return
        if channel.acknowledge(control >> 5) < 0:
            self._reject(
                connection, frame, _WRONG_NUMBER, f"N(R)={control >> 5} acknowledges what was not sent"
            )
            return
        channel.peer_busy = kind is Control.RNR
        if control & POLL_FINAL:
            self._answer(connection)

    def _numbered(self, connection: _Connection, control: int) -> NumberedChannel | None:
        """Return the channel of an open connection; else answer as the state demands and return None."""
        connection.state = next_state(Role.SERVER, connection.state, Event.NUMBERED)
        if connection.state is State.CONNECTED:
            return connection.channel
        if control & POLL_FINAL:
            self._out.append(
                encode_frame(connection.addresses, Control.DM | POLL_FINAL)
                if connection.state is State.DISCONNECTED
                else connection.reject
            )
        return None

    def _snrm(self, key: tuple[int, int], connection: _Connection, frame: HdlcFrame) -> None:
        if not frame.control & POLL_FINAL:
            raise _broken("SNRM without the poll bit")
        proposed = decode_parameters(frame.information)
        room = key in self._connections or len(self._connections) < MAX_CONNECTIONS
        accepted = room and self._accept_client(connection.client_sap)
        was_up = connection.state is not State.DISCONNECTED
        connection.state = next_state(
            Role.SERVER, connection.state, Event.ACCEPTED_SNRM if accepted else Event.REFUSED_SNRM
        )
        if was_up:
            self._report_down(connection, DownReason.RESTARTED)
        if not accepted:
            self._connections.pop(key, None)
            self._out.append(encode_frame(connection.addresses, Control.DM | POLL_FINAL))
            return
        self._connections[key] = connection
        connection.parameters = settled(self._wanted, proposed)
        connection.has_word, connection.reject = False, b""
        connection.channel = NumberedChannel(
            addresses=connection.addresses,
            llc=LLC_RESPONSE,
            parameters=connection.parameters,
            max_apdu=self._max_apdu,
        )
        self._out.append(
            encode_frame(
                connection.addresses, Control.UA | POLL_FINAL, encode_parameters(connection.parameters)
            )
        )
        self._events.append(
            LinkUp(
                parameters=connection.parameters,
                client_sap=connection.client_sap,
                server_sap=connection.server_sap,
            )
        )

    def _disc(self, connection: _Connection, control: int) -> None:
        was_up = connection.state is not State.DISCONNECTED
        connection.state = next_state(Role.SERVER, connection.state, Event.DISC)
        answer = Control.UA if was_up else Control.DM
        if control & POLL_FINAL:
            self._out.append(encode_frame(connection.addresses, answer | POLL_FINAL))
        if was_up:
            self._forget(connection, DownReason.DISCONNECTED)

    def _reject(self, connection: _Connection, frame: HdlcFrame, cause: int, why: str) -> None:
        """Answer FRMR and leave the connection to the client's SNRM or DISC."""
        self._events.append(FrameRejected(data=frame.encode(), why=why))
        if connection.state is not State.CONNECTED:
            return
        channel = connection.channel
        assert channel is not None, "a connected client has a channel"
        connection.state = next_state(Role.SERVER, connection.state, Event.REJECT)
        send_next = channel.acknowledged + len(channel.unacknowledged) & 7
        numbers = channel.receive_next << 5 | send_next << 1
        connection.reject = encode_frame(
            connection.addresses, Control.FRMR | POLL_FINAL, bytes((frame.control, numbers, cause))
        )
        connection.has_word = False
        self._report_down(connection, DownReason.FRAME_REJECT)
        if frame.poll_final:
            self._out.append(connection.reject)

    def _connectionless(self, frame: HdlcFrame) -> None:
        if frame.segmented:
            raise _broken("a segmented UI frame: joining them is not built yet")
        everyone = frame.destination.upper == (
            ALL_STATION_2 if frame.destination.octets == 4 else ALL_STATION_1
        )
        for server_sap in sorted(self.server_saps) if everyone else (frame.destination.upper,):
            self._deliver(frame.information, frame.source.upper, server_sap, connectionless=True)

    def _deliver(
        self, unit: bytes, client_sap: int, server_sap: int, *, connectionless: bool = False
    ) -> None:
        if unit[:3] != LLC_COMMAND:
            if not connectionless:
                self.no_reply(client_sap, server_sap)
            raise _broken(f"LLC octets {unit[:3].hex(' ')}, expected {LLC_COMMAND.hex(' ')}")
        self._events.append(
            ApduReceived(
                apdu=unit[3:],
                client_sap=client_sap,
                server_sap=server_sap,
                intact=True,
                connectionless=connectionless,
            )
        )

    def _answer(self, connection: _Connection) -> None:
        """We have the word: send what is due, or else acknowledge, and give the word back."""
        channel = connection.channel
        assert channel is not None, "a connected client has a channel"
        frames = channel.frames()
        if frames:
            self._out += frames
        else:
            self._out.append(channel.supervisory(Control.RNR if self.busy else Control.RR))
        connection.has_word = False

    def _is_ours(self, address: HdlcAddress, kind: Control | None) -> bool:
        """Tell whether a frame is for us. Broadcasts carry only UI frames, which nobody answers."""
        broadcast = ALL_STATION_2 if address.octets == 4 else ALL_STATION_1
        if address.upper not in self.server_saps and not (address.upper == broadcast and kind is Control.UI):
            return False
        if address.octets == 1 or self._physical is None or address.lower == self._physical:
            return True
        return address.lower == broadcast and kind is Control.UI

    def _own(self, server_sap: int) -> HdlcAddress:
        """Return how we name ourselves to a client that has not addressed us yet."""
        return (
            HdlcAddress(server_sap) if self._physical is None else HdlcAddress(server_sap, self._physical, 2)
        )

    def _connection(self, client_sap: int, server_sap: int) -> _Connection:
        connection = self._connections.get((client_sap, server_sap))
        if connection is None:
            raise LocalProtocolError(f"HDLC server: client {client_sap} is not connected to {server_sap}")
        return connection

    def _end(self, event: Event, reason: DownReason, client_sap: int | None) -> None:
        for connection in list(self._connections.values()):
            if client_sap is None or connection.client_sap == client_sap:
                connection.state = next_state(Role.SERVER, connection.state, event)
                self._forget(connection, reason)

    def _forget(self, connection: _Connection, reason: DownReason) -> None:
        del self._connections[connection.client_sap, connection.server_sap]
        self._report_down(connection, reason)

    def _report_down(self, connection: _Connection, reason: DownReason) -> None:
        self._events.append(
            LinkDown(reason=reason, client_sap=connection.client_sap, server_sap=connection.server_sap)
        )


def _broken(text: str) -> RemoteProtocolError:
    return RemoteProtocolError(text, clause="IEC 62056-46 6.4.4", frame_intact=True)
