"""One end of a C12.18 line: packets out until they are acknowledged, packets in without doubles or gaps.

Theory of operation
-------------------
Both directions work alike and are independent: a packet is sent, and sent again after a NAK or when the
response time-out (2 s) passes without an ACK; after three repetitions its sender gives up. Its toggle bit is
the opposite of that of the packet before. The receiver answers every intact packet with ACK; one with the
same toggle bit and checksum as the last good one is a repetition and otherwise ignored. Client and server
take turns: request, then response; either may be a message of several packets (``messages``).

One toggle bit and an ACK without a number are little to go by. What keeps an answer from being taken for that
to another request:

- *A repeated answer* (our ACK was lost) has the mark of the last good packet: ACK, ignore.
- *An answer nobody waits for* (late, or repeated with the toggle bit flipped by a careless device): ACK,
  ignore, count it as stale. Before the next request goes out the line must then settle (below).
- *An answer before the ACK of our request* may be such a late one as well. It is neither acknowledged nor
  taken. If it was the true one and only the ACK was lost, repetition brings both again: we repeat the
  request, the device sees a repetition, acknowledges, and repeats its own unacknowledged answer.
- *Late ACKs.* A request that was sent twice may be acknowledged twice, and by a device that does not
  recognise repetitions even be carried out and answered twice; the second pair would pass for that of the
  next request. So an exchange in which anything was repeated, damaged or stale is followed by a pause:
  nothing is sent until the line has been at rest for a response time-out, and what comes is acknowledged
  and ignored.
- *NAK after the ACK*, and either of them out of the blue, mean nothing. A late ACK or NAK at worst makes
  us wait for an answer that does not come, or send a packet twice.
- *An answer that does not come.* The session is in doubt: the request may have been carried out, and its
  answer may be on its way. Nothing may be asked until nothing has come for a channel time-out (6 s): by then
  the device has gone back to its base state too, and cannot have an answer left. What comes meanwhile is
  acknowledged and ignored. The next request is an identification, in a new session. Never is a request
  sent in a session in doubt.

A line that carries octets out of order from one exchange to the next, or that doubles whole packets on the
way to a device that does not recognise repetitions, would defeat this, as it defeats any protocol with one
toggle bit. No cable and no TCP connection does either.

The server is the mirror image. While it owes an answer it takes no other request; a new request means that
its answer arrived though the ACK did not; a repeated request while its answer is unacknowledged makes it
repeat that at once. When it gives up, or hears nothing for a channel time-out, it is back in its base state.

An optical head may echo what is sent through it; with ``echo`` octets equal to ours are taken off first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import replace
from enum import Enum
from typing import ClassVar, Final

from adapters.base import LineSettings
from adapters.protocols.c1218.events import (
    NEED_DATA,
    ClientEvent,
    DamagedPacket,
    EndReason,
    LineChange,
    NeedData,
    RejectedPacket,
    ServerEvent,
)
from adapters.protocols.c1218.messages import Assembly, Parameters, Piece, cut
from adapters.protocols.c1218.outgoing import Outgoing
from adapters.protocols.c1218.packets import (
    ACK,
    NAK,
    TOGGLE,
    Packet,
    PacketStream,
    Skipped,
)
from adapters.protocols.c1218.services import NegotiateResponse, TimingSetupResponse
from adapters.protocols.c1218.spoiling import Spoil
from adapters.protocols.c1218.state import Role, State
from adapters.protocols.c1218.timers import Purpose, Timer, Timing

MIN_PACKET_OCTETS: Final = 16
BITS_PER_OCTET: Final = 10
_ACK: Final = bytes((ACK,))
_NAK: Final = bytes((NAK,))


class Stance(Enum):
    """What is to become of a new packet that arrives now."""

    TAKE = "it is expected"
    STALE = "nobody waits for it: acknowledge and ignore"
    EARLY = "it cannot be told what it is: ignore"


class LinkEnd(ABC):
    """What client and server share. They add what a message means, and when one is welcome.

    The owner hands over what it read (``receive_data``), takes ``next_event`` until ``NEED_DATA``, and writes
    ``data_to_send`` whenever there is something: an ACK and the packet behind it come out together.
    """

    role: ClassVar[Role]

    def __init__(
        self,
        *,
        identity: int = 0,
        timing: Timing | None = None,
        settings: LineSettings | None = None,
        echo: bool = False,
    ) -> None:
        self.identity = identity
        self.state = State.BASE
        self.default_timing = self.timing = timing if timing is not None else Timing()
        self.settings = settings if settings is not None else LineSettings()
        self.parameters = self._defaults = Parameters(baud=self.settings.baud)
        self.duplicates = 0  # packets received again
        self.stale = 0  # packets nobody waited for
        self.early = 0  # packets that came while ours was unacknowledged
        self.repetitions = 0  # packets of ours that were sent again
        self.toggle_faults = 0  # new packets whose toggle bit was not flipped
        self.for_others = 0  # packets with another identity
        self._stream = PacketStream()
        self._events: deque[ClientEvent | ServerEvent] = deque()
        self._out: list[bytes] = []
        self._echo = bytearray()
        self._echoed = echo
        self._closed = False
        self._timer: Timer | None = None
        self._gap: Timer | None = None
        self._packet_timer: Timer | None = None
        self._outgoing = Outgoing()
        self._previous = b""  # mark of the last good packet
        self._previous_toggle = -1
        self._assembly = Assembly(restarts=self.role is Role.SERVER)
        self._disturbed = False
        self._channel_once_s = 0.0  # what a wait service granted for the next pause

    @property
    def message_octets(self) -> int:
        """Return how long a message may be with the parameters in force."""
        return self.parameters.message_octets

    @property
    def timers(self) -> tuple[Timer, ...]:
        """Return the timers that run now; asked for after ``next_event`` has said NEED_DATA."""
        stream, timer = self._stream, self._timer
        if not stream.pending:
            return () if timer is None else (timer,)
        gap = self._gap
        if gap is None:
            gap = self._gap = Timer(Purpose.GAP, self.timing.inter_character_s)
        if stream.in_packet:
            if self._packet_timer is None:
                duration_s = self.timing.response_s + 2 * self._air_s(self.parameters.packet_octets)
                self._packet_timer = Timer(Purpose.PACKET, duration_s)
            return gap, self._packet_timer
        return (gap,) if timer is None else (gap, timer)

    @property
    def wait_s(self) -> float | None:
        """Return for how long to wait for octets before ``timed_out``; None: for ever."""
        return min((timer.duration_s for timer in self.timers), default=None)

    def timed_out(self, timer: Timer | None = None) -> None:
        """Tell that ``timer`` has run out (None: the shortest); one that runs no more is ignored."""
        if timer is None:
            timer = min(self.timers, key=lambda running: running.duration_s, default=None)
        if timer is None:
            return
        self._echo.clear()  # an echo is instant; what has not come by now does not come
        if timer is self._gap or timer is self._packet_timer:
            self._gap = self._packet_timer = None
            for item in self._stream.quiet():
                self._item(item)
        elif timer is self._timer:
            self._timer = None
            if timer.purpose is Purpose.RESPONSE:
                self._outgoing.refused = False
                self._repeat()
            else:
                self._ran_out(timer.purpose)

    def receive_data(self, data: bytes) -> None:
        """Take octets from the wire; ``b""`` means the far end closed it."""
        if not data:
            self._closed = True
            return
        if self._echo:
            data = self._without_echo(data)
        self._gap = None
        self._stream.receive_data(data)

    def next_event(self) -> ClientEvent | ServerEvent | NeedData:
        """Return what happened next, or ``NEED_DATA``. Never raises for what the peer sent."""
        events = self._events
        while not events:
            item = self._stream.next_item()
            if item is None:
                if self._closed:
                    self._closed = False
                    self._wire_closed()
                    continue
                return NEED_DATA
            self._packet_timer = None
            self._item(item)
        return events.popleft()

    def data_to_send(self) -> bytes:
        """Return what must go out now, and forget it."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        if self._echoed:
            self._echo += data
        return data

    # -- what the roles add

    @abstractmethod
    def _stance(self) -> Stance:
        """Judge a new packet."""

    @abstractmethod
    def _message(self, message: bytes) -> None:
        """A whole message has been taken."""

    @abstractmethod
    def _delivered(self) -> None:
        """Every packet of our message has been acknowledged."""

    @abstractmethod
    def _failed(self, reason: EndReason, why: str, data: bytes = b"") -> None:
        """The link cannot go on with this exchange."""

    @abstractmethod
    def _ran_out(self, purpose: Purpose) -> None:
        """A timer of the role has run out."""

    @abstractmethod
    def _wire_closed(self) -> None:
        """The far end closed the wire."""

    @abstractmethod
    def _broken(self, packet: Packet, why: str) -> None:
        """An intact packet breaks a rule."""

    @abstractmethod
    def _damaged(self) -> None:
        """A packet came damaged; the sender may wait for a NAK."""

    @abstractmethod
    def _piece_taken(self) -> None:
        """A packet was taken and more belong to the message."""

    @abstractmethod
    def _repeated_by_peer(self) -> None:
        """The last good packet came again; it has been acknowledged."""

    @abstractmethod
    def _stray(self) -> None:
        """Something came that nobody waits for."""

    # -- sending

    def _cut(self, message: bytes, spoil: Spoil | None) -> list[Piece]:
        """Return the pieces of ``message``. Raises LocalProtocolError when it, or the flaw, does not fit."""
        self._outgoing.check(spoil)
        return cut(message, self.parameters, spoil)

    def _send(self, pieces: list[Piece], spoil: Spoil | None = None) -> None:
        """Send a message that ``_cut`` has cut."""
        self._write(self._outgoing.begin(pieces, self.identity, spoil))

    def _repeat(self) -> None:
        """Send the unacknowledged packet again, or give up."""
        outgoing = self._outgoing
        self._disturbed = True
        if outgoing.repeated < self.timing.retries:
            self.repetitions += 1
            self._write(outgoing.again())
            return
        times, refused = outgoing.repeated + 1, outgoing.refused
        self._forget_outgoing()
        if refused:
            self._failed(EndReason.NOT_ACCEPTED, f"a packet was sent {times} times and refused by NAK")
            return
        early = f"; {self.early} packets came without it" if self.early else ""
        self._failed(EndReason.NO_ACKNOWLEDGE, f"a packet was sent {times} times and not acknowledged{early}")

    def _write(self, octets: bytes) -> None:
        self._out.append(octets)
        self._timer = Timer(Purpose.RESPONSE, self.timing.response_s + self._air_s(len(octets)))

    def _forget_outgoing(self) -> None:
        self._outgoing.clear()
        self._timer = None

    def _air_s(self, octets: int) -> float:
        """Return how long ``octets`` octets are on the line."""
        return octets * BITS_PER_OCTET / self.parameters.baud

    # -- receiving

    def _item(self, item: Packet | Skipped | int) -> None:
        if isinstance(item, Packet):
            self._packet(item)
        elif isinstance(item, Skipped):
            self._disturbed = True
            self._events.append(DamagedPacket(data=item.data, why=item.why))
            if item.began:
                self._damaged()
            else:
                self._stray()
        elif not self._outgoing.current:
            self._stray()
        elif item == NAK:
            self._outgoing.refused = True
            self._repeat()
        elif packet := self._outgoing.acknowledged():
            self._write(packet)
        else:
            self._timer = None
            self._delivered()

    def _packet(self, packet: Packet) -> None:
        if packet.identity != self.identity:
            self.for_others += 1
            return
        mark, toggle = packet.octets[-2:], packet.control & TOGGLE
        if mark == self._previous and toggle == self._previous_toggle:
            self.duplicates += 1
            self._out.append(_ACK)
            self._repeated_by_peer()
            return
        stance = self._stance()
        if stance is Stance.EARLY:
            self.early += 1
            self._disturbed = True
            return
        unflipped = toggle == self._previous_toggle
        if stance is Stance.TAKE:
            why = self._assembly.fault_of(packet, self.parameters)
            if not why and unflipped and self._disturbed and self._assembly.open:
                # Two answers to one request may have the same numbers; the toggle bit tells them apart.
                why = "the toggle bit says that a packet before it is missing"
            if why:
                self._broken(packet, why)
                return
        if unflipped:
            self.toggle_faults += 1
        self._previous, self._previous_toggle = mark, toggle
        self._out.append(_ACK)
        if stance is Stance.STALE:
            self.stale += 1
            self._stray()
            return
        message = self._assembly.take(packet)
        if message is None:
            self._piece_taken()
        else:
            self._message(message)

    def _nak(self) -> None:
        self._out.append(_NAK)

    def _without_echo(self, data: bytes) -> bytes:
        """Take off what the optical head sent back to us; where it does not match, all is real."""
        octets = min(len(data), len(self._echo))
        if data[:octets] != self._echo[:octets]:
            self._echo.clear()
            return data
        del self._echo[:octets]
        return data[octets:]

    # -- parameters

    def _reject(self, packet: Packet, why: str) -> None:
        self._events.append(RejectedPacket(data=packet.octets, why=why))

    def _agree(self, negotiated: NegotiateResponse, proposed_octets: int, proposed_packets: int) -> None:
        """Put what was negotiated in force; never more than was proposed."""
        self._set_parameters(
            Parameters(
                packet_octets=min(negotiated.packet_octets, proposed_octets),
                packets=min(negotiated.packets, proposed_packets),
                baud=negotiated.baud or self.parameters.baud,
            )
        )

    def _agree_timing(self, agreed: TimingSetupResponse) -> None:
        """Put agreed time-outs in force; a time-out of 0 s would be none, so it leaves the old one."""
        old = self.timing
        self.timing = replace(
            old,
            channel_s=float(agreed.channel_s or old.channel_s),
            inter_character_s=float(agreed.inter_character_s or old.inter_character_s),
            response_s=float(agreed.response_s or old.response_s),
            retries=agreed.retries,
        )

    def _restore_defaults(self) -> None:
        self.timing = self.default_timing
        self._channel_once_s = 0.0
        self._set_parameters(self._defaults)

    def _set_parameters(self, parameters: Parameters) -> None:
        baud, self.parameters = self.parameters.baud, parameters
        if parameters.baud != baud:
            self._events.append(LineChange(settings=replace(self.settings, baud=parameters.baud)))
