"""The client's end of an HDLC connection (the primary station, normal response mode).

The client holds the word, passes it with the poll bit and gets it back with the final bit; only the holder
sends. A frame that is nothing but an echo of what was dealt with (a repetition on the wire) does not pass
the word: acting on it would make every later frame be sent twice as well.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.hdlc_channel import NumberedChannel, Taken
from adapters.protocols.dlms.hdlc_frame import (
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
from adapters.protocols.dlms.hdlc_stream import HdlcStream, Skipped
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

LLC_COMMAND: Final = b"\xe6\xe6\x00"
LLC_RESPONSE: Final = b"\xe6\xe7\x00"


class HdlcClientLink:
    """``ClientLink`` over HDLC.

    ``address_length`` 1 addresses the logical device ``server_sap`` alone, 2 and 4 also the ``physical``
    device. ``max_info`` and ``window`` are proposed both ways; with the defaults the SNRM carries no
    parameters, which every meter understands. ``recovery`` decides what a time-out sends: ``poll`` asks with
    RR and repeats only what the meter turns out not to have; ``repeat`` sends the last frames again at once,
    for meters that do not answer RR. After ``max_retries`` in vain the link is down.
    Frames for other stations, among them an optical head's echo of our own, are only counted.
    """

    checksummed = True

    def __init__(
        self,
        client_sap: int,
        server_sap: int,
        physical: int = 0,
        address_length: int = 1,
        max_info: int = 128,
        window: int = 1,
        *,
        max_retries: int = 3,
        recovery: Literal["poll", "repeat"] = "poll",
        max_apdu: int = 0xFFFF,
    ) -> None:
        if address_length == 1 and physical:
            raise LocalProtocolError(f"physical address {physical:#x} needs address_length 2 or 4, not 1")
        self.client_sap, self.server_sap = client_sap, server_sap
        self.frames_for_others = 0
        self.duplicates = 0
        self._client = HdlcAddress(client_sap)
        self._server = HdlcAddress(server_sap, physical, address_length)
        self._addresses = self._server.encode() + self._client.encode()
        self._wanted = validated(
            LinkParameters(
                max_info_transmit=max_info,
                max_info_receive=max_info,
                window_transmit=window,
                window_receive=window,
            )
        )
        self._max_retries, self._recovery, self._max_apdu = max_retries, recovery, max_apdu
        self._state = State.DISCONNECTED
        self._parameters = DEFAULTS
        self._channel = self._new_channel()
        self._stream = HdlcStream()
        self._events: deque[LinkEvent] = deque()
        self._out: list[bytes] = []
        self._polled = False  # the word is with the server
        self._unanswered = False  # no APDU came since ours was sent
        self._sure = False  # an RR that acknowledges nothing new tells us something, it cannot be an echo
        self._retries = 0
        self._closed = False

    @property
    def state(self) -> State:
        """Where the connection is."""
        return self._state

    @property
    def parameters(self) -> LinkParameters:
        """What is in force; the defaults before the first UA."""
        return self._parameters

    @property
    def awaiting_reply(self) -> bool:
        """True while the meter owes a frame, or an APDU of ours has not been answered by one of its own.

        A meter that needs time acknowledges first (RR) and may send its answer only when polled again.
        """
        return self._polled or self._unanswered

    @property
    def incomplete(self) -> bool:
        """True while part of a frame waits for its rest."""
        return self._stream.incomplete

    def connect(self) -> None:
        """Send SNRM. On an open connection this starts it afresh; what was queued is dropped."""
        self._state = next_state(Role.CLIENT, self._state, Event.CONNECT)
        self._retries = 0
        self._send_command()

    def disconnect(self) -> None:
        """Send DISC, also where we think there is no connection (the server may think otherwise)."""
        self._state = next_state(Role.CLIENT, self._state, Event.DISCONNECT)
        self._retries = 0
        self._send_command()

    def send_apdu(self, apdu: bytes) -> None:
        """Send one APDU, in as many segments as it takes. Raises LocalProtocolError unless connected."""
        self._state = next_state(Role.CLIENT, self._state, Event.SEND)
        self._channel.queue(apdu)
        self._unanswered = True
        if not self._polled:
            self._go_on()

    def send_unconfirmed(self, apdu: bytes, *, poll: bool = False) -> None:
        """Send one APDU in a UI frame, connected or not. Raises LocalProtocolError when too long."""
        unit = LLC_COMMAND + apdu
        if len(unit) > self._wanted.max_info_transmit:
            raise LocalProtocolError(
                f"a UI frame is not segmented: {len(unit)} octets, {self._wanted.max_info_transmit} possible"
            )
        self._out.append(encode_frame(self._addresses, Control.UI | (POLL_FINAL if poll else 0), unit))

    def poll(self) -> None:
        """Give the word to the server (RR), so that it can send what it has meanwhile."""
        self._state = next_state(Role.CLIENT, self._state, Event.SEND)
        if not self._polled:
            self._send_poll()

    def response_timeout(self) -> None:
        """Nothing (or not enough) came in time: try again or give up. Does nothing while disconnected."""
        stale = self._stream.discard_partial()
        if stale is not None:
            self._events.append(FrameDamagedEvent(data=stale.data, why=stale.why))
        if self._state is State.DISCONNECTED:
            return
        if self._retries >= self._max_retries:
            self._down(next_state(Role.CLIENT, self._state, Event.GIVE_UP), DownReason.NO_ANSWER)
            return
        self._retries += 1
        if self._state is not State.CONNECTED:
            self._send_command()
            return
        frames = self._channel.frames() if self._recovery == "repeat" else []
        if frames:
            self._out += frames
            self._polled, self._sure = True, True
        else:
            self._send_poll()

    def inactive(self) -> None:
        """The owner's inactivity time-out: the connection is considered gone, nothing is sent."""
        if self._state is not State.DISCONNECTED:
            self._down(next_state(Role.CLIENT, self._state, Event.INACTIVE), DownReason.INACTIVE)

    def receive_data(self, data: bytes) -> None:
        """Take octets from the wire; ``b""`` means the far end closed it."""
        if data:
            self._stream.receive_data(data)
        else:
            self._closed = True

    def next_event(self) -> LinkEvent | NeedData:
        """Return what happened next, or ``NEED_DATA``. Never raises for what the meter sent."""
        events = self._events
        while not events:
            item = self._stream.next_frame()
            if item is None:
                if not self._closed or self._state is State.DISCONNECTED:
                    return NEED_DATA
                self._down(next_state(Role.CLIENT, self._state, Event.CLOSED), DownReason.CLOSED)
            elif isinstance(item, HdlcFrame):
                self._receive(item)
            else:
                events.append(_skipped_event(item))
        return events.popleft()

    def data_to_send(self) -> bytes:
        """Return what must go out now, and forget it."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def _receive(self, frame: HdlcFrame) -> None:
        if frame.destination != self._client or frame.source != self._server:
            self.frames_for_others += 1
            return
        control = frame.control
        try:
            if not control & 1:
                self._information(frame, control)
            elif control & 3 == 1:
                self._supervisory(frame, control)
            else:
                self._unnumbered(frame, control)
        except RemoteProtocolError as error:
            self._events.append(FrameRejected(data=frame.encode(), why=str(error)))

    def _information(self, frame: HdlcFrame, control: int) -> None:
        self._state = next_state(Role.CLIENT, self._state, Event.NUMBERED)
        channel = self._channel
        if len(frame.information) > self._parameters.max_info_receive:
            raise _broken(
                f"information field of {len(frame.information)} octets,"
                f" {self._parameters.max_info_receive} were agreed"
            )
        new = (control >> 1 & 7) == channel.receive_next
        if new and channel.acknowledge(control >> 5) < 0:
            raise _broken(f"N(R)={control >> 5} acknowledges what was not sent")
        taken = channel.take(control >> 1 & 7, frame.information, frame.segmented)
        if taken is Taken.DUPLICATE:
            # Whatever we sent last acknowledges this frame, so it cannot be an answer to that: it is an echo.
            self.duplicates += 1
            return
        if taken is Taken.APDU:
            self._unanswered = False
            self._deliver(channel.take_unit(), connectionless=False)
        elif taken is Taken.GAP:
            self._events.append(
                FrameRejected(
                    data=frame.encode(),
                    why=f"N(S)={control >> 1 & 7}, but {channel.receive_next} is missing before it",
                )
            )
        elif taken is Taken.OVERFLOW:
            self._events.append(
                FrameRejected(
                    data=frame.encode(), why=f"a segmented APDU grows beyond {self._max_apdu} octets"
                )
            )
            self.disconnect()
            return
        if taken is not Taken.GAP:
            self._retries = 0
        channel.peer_busy = False
        if control & POLL_FINAL:
            self._polled = False
            if taken is Taken.GAP:
                self._send_poll()
            else:
                self._go_on()

    def _supervisory(self, frame: HdlcFrame, control: int) -> None:
        kind = control_kind(control)
        if kind is None:
            raise _broken(f"control field {control:#04x} is not used in this profile of HDLC")
        self._state = next_state(Role.CLIENT, self._state, Event.NUMBERED)
        channel = self._channel
        progress = channel.acknowledge(control >> 5)
        if progress < 0:
            raise _broken(f"N(R)={control >> 5} acknowledges what was not sent")
        channel.peer_busy = kind is Control.RNR
        if not control & POLL_FINAL or not self._polled:
            return
        if channel.unacknowledged and not progress and not self._sure and not channel.peer_busy:
            # One frame was sent, and with it the word: a server that got the word got the frame.
            self.duplicates += 1
            return
        if progress or not channel.unacknowledged:
            self._retries = 0
        self._polled = False
        self._go_on()

    def _unnumbered(self, frame: HdlcFrame, control: int) -> None:
        kind = control_kind(control)
        if kind is Control.UI:
            if frame.segmented:
                raise _broken("a segmented UI frame: joining them is not built yet")
            self._deliver(frame.information, connectionless=True)
        elif kind is Control.UA:
            self._acknowledged(frame)
        elif kind is Control.DM:
            reason = {
                State.CONNECTING: DownReason.REFUSED,
                State.CONNECTED: DownReason.PEER_DISCONNECTED,
            }.get(self._state, DownReason.DISCONNECTED)
            was_down = self._state is State.DISCONNECTED
            state = next_state(Role.CLIENT, self._state, Event.DM)
            if not was_down:
                self._down(state, reason)
        elif kind is Control.FRMR:
            state = next_state(Role.CLIENT, self._state, Event.FRMR)
            self._events.append(
                FrameRejected(data=frame.encode(), why=describe_frame_reject(frame.information))
            )
            self._down(state, DownReason.FRAME_REJECT)
        else:
            what = "a command" if kind is not None else "unknown"
            raise _broken(f"control field {control:#04x} from a server is {what}")

    def _acknowledged(self, frame: HdlcFrame) -> None:
        state = next_state(Role.CLIENT, self._state, Event.UA)
        if state is State.DISCONNECTED:
            self._down(state, DownReason.DISCONNECTED)
            return
        parameters = settled(self._wanted, decode_parameters(frame.information))
        self._state, self._parameters = state, parameters
        self._polled, self._unanswered, self._retries = False, False, 0
        self._channel = self._new_channel()
        self._events.append(
            LinkUp(parameters=parameters, client_sap=self.client_sap, server_sap=self.server_sap)
        )

    def _deliver(self, unit: bytes, *, connectionless: bool) -> None:
        if unit[:3] != LLC_RESPONSE:
            raise _broken(f"LLC octets {unit[:3].hex(' ')}, expected {LLC_RESPONSE.hex(' ')}")
        self._events.append(
            ApduReceived(
                apdu=unit[3:],
                client_sap=self.client_sap,
                server_sap=self.server_sap,
                intact=True,
                connectionless=connectionless,
            )
        )

    def _go_on(self) -> None:
        """We have the word: send what is due, or let the server go on with its segments."""
        frames = self._channel.frames()
        if frames:
            self._out += frames
            self._polled, self._sure = True, len(frames) > 1
        elif self._channel.reassembling:
            self._send_poll()

    def _send_poll(self) -> None:
        self._out.append(self._channel.supervisory(Control.RR))
        self._polled, self._sure = True, True

    def _send_command(self) -> None:
        self._polled = True
        if self._state is State.CONNECTING:
            information = b"" if self._wanted == DEFAULTS else encode_parameters(self._wanted)
            self._out.append(encode_frame(self._addresses, Control.SNRM | POLL_FINAL, information))
        else:
            self._out.append(encode_frame(self._addresses, Control.DISC | POLL_FINAL))

    def _down(self, state: State, reason: DownReason) -> None:
        self._state, self._polled, self._unanswered, self._retries = state, False, False, 0
        self._channel = self._new_channel()
        self._events.append(LinkDown(reason=reason, client_sap=self.client_sap, server_sap=self.server_sap))

    def _new_channel(self) -> NumberedChannel:
        return NumberedChannel(
            addresses=self._addresses, llc=LLC_COMMAND, parameters=self._parameters, max_apdu=self._max_apdu
        )


def describe_frame_reject(information: bytes) -> str:
    """Say in words what an FRMR complains about (ISO/IEC 13239 5.5.3.4.2: control, V(S)/V(R), cause bits)."""
    if len(information) < 3:
        return "FRMR without its reason"
    causes = [
        text
        for bit, text in enumerate(
            (
                "undefined control field",
                "information field not allowed here",
                "information field too long",
                "N(R) acknowledges what was not sent",
            )
        )
        if information[2] >> bit & 1
    ]
    return f"FRMR of control {information[0]:#04x}: {', '.join(causes) or 'no cause given'}"


def _skipped_event(item: Skipped) -> FrameDamagedEvent | FrameRejected:
    return (FrameDamagedEvent if item.damaged else FrameRejected)(data=item.data, why=item.why)


def _broken(text: str) -> RemoteProtocolError:
    return RemoteProtocolError(text, clause="IEC 62056-46 6.4.4", frame_intact=True)
