"""IEC 62056-21 mode C after the option select, both roles, sans-IO: data readout and programming.

    client                                    server
    sign-on, ACK 0 Z 0  ------------------->  (both change to the baud rate Z, 7E1)
                        <-------------------  STX data-block ! CR LF ETX BCC
    [NAK]               ------------------->  the same message again

    sign-on, ACK 0 Z 1  ------------------->
                        <-------------------  SOH P0 STX (operand) ETX BCC
    SOH P1 STX (password) ETX BCC  -------->  ACK, or an error message
    SOH R1 / W1 STX data-set ETX BCC ------>  data message, ACK or error message
    SOH B0 ETX BCC      ------------------->  (the meter waits for a sign-on again)

Same verbs as the sign-on: ``receive_data``, ``next_event`` until ``NEED_DATA``, ``data_to_send``; a
``LineChange`` follows what has to leave the line before. The owner keeps the timers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from adapters.base import LineSettings
from adapters.errors import LocalProtocolError
from adapters.protocols.iec62056_21.data_messages import (
    NAK,
    Acknowledged,
    Command,
    DataMessage,
    DataSet,
    MessageDamaged,
    MessageStream,
    RepeatRequested,
)
from adapters.protocols.iec62056_21.events import (
    NEED_DATA,
    IdentificationReceived,
    LineChange,
    MessageRejected,
    NeedData,
    SignOnFailed,
)
from adapters.protocols.iec62056_21.messages import (
    BAUD_RATES,
    SIGN_ON_SETTINGS,
    Identification,
    Message,
    OptionSelect,
    Request,
)
from adapters.protocols.iec62056_21.mode_e import SignOn, SignOnState

COMMAND_OCTETS = 512
"""The longest command a meter takes."""


class Mode(StrEnum):
    """What a reader asks for: the mode control character Y of the option select."""

    READOUT = "0"
    PROGRAMMING = "1"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataReceived:
    """Client: a data message (or, of a sign-on for programming, the operand of the meter's P0)."""

    message: DataMessage


@dataclass(frozen=True, kw_only=True, slots=True)
class PasswordAsked:
    """Client: the meter is in programming mode and says with what a password is to be made, if anything."""

    operand: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandDone:
    """Client: ACK."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RepeatAsked:
    """Client: a message came damaged, or the meter asks for ours again; the answer waits in the outbox."""

    why: str
    data: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionEnded:
    """The session is over; ``why`` is ``break``, or what went wrong."""

    why: str


ModeCEvent = (
    LineChange
    | IdentificationReceived
    | SignOnFailed
    | MessageRejected
    | DataReceived
    | PasswordAsked
    | CommandDone
    | RepeatAsked
    | SessionEnded
)


def seven_even(baud: int) -> LineSettings:
    """Return the line settings of mode C at ``baud``: 7E1."""
    return LineSettings(baud=baud, data_bits=7, parity="E", stop_bits=1)


class ModeCClient(SignOn[ModeCEvent]):
    """The reader. ``start`` signs on; in programming mode ``command`` sends one command at a time.

    ``address`` selects a meter on a shared line, ``max_baud`` caps the meter's offer, ``max_repeats`` is how
    often a damaged message is asked for again. ``ask_again`` asks so many times for a message that came
    whole: a meter has to send the same once more.
    """

    def __init__(
        self,
        address: str = "",
        *,
        mode: Mode = Mode.READOUT,
        max_baud: int = 19200,
        max_retries: int = 2,
        max_repeats: int = 3,
        ask_again: int = 0,
        settings: LineSettings = SIGN_ON_SETTINGS,
    ) -> None:
        super().__init__(settings)
        self._request = Request(address=address)
        self._mode, self._max_baud = mode, max_baud
        self._max_retries, self._max_repeats, self._ask_again = max_retries, max_repeats, ask_again
        self._retries = self._repeats = 0
        self._last = b""
        self._stream = MessageStream()

    def start(self) -> None:
        """Send the request, at the sign-on settings, which come as a LineChange first."""
        self.state, self._buffer, self._retries = SignOnState.REQUESTED, b"", 0
        self._queue.clear()
        self._queue += (LineChange(settings=self._settings), self._request.encode())

    def command(self, letter: str, kind: str, data: DataSet | None = None) -> None:
        """Send a command.

        Raises LocalProtocolError outside a programming session, or where the command does not fit.
        """
        if self.state is not SignOnState.SELECTED or self._mode is not Mode.PROGRAMMING:
            raise LocalProtocolError("mode C: no programming session is open")
        self._repeats = 0
        self._last = Command(letter=letter, kind=kind, data=data).encode()
        self._queue.append(self._last)
        if letter == "B":
            self._end("break")

    def response_timeout(self) -> None:
        """Nothing came in time: ask once more where that is the client's business, else give up."""
        self._buffer = b""
        if self.state is SignOnState.REQUESTED and self._retries < self._max_retries:
            self._retries += 1
            self._queue.append(self._request.encode())
        elif self.state is SignOnState.REQUESTED:
            self.state = SignOnState.FAILED
            why = f"no identification after {self._retries + 1} requests"
            self._queue.append(SignOnFailed(why=why))
        elif self.state is SignOnState.SELECTED:
            rest = self._stream.discard()
            self._repeat("a message was begun and not finished", rest) if rest else self._end("silence")

    def receive_data(self, data: bytes) -> None:
        """Take octets from the line, without parity bits."""
        if self.state is SignOnState.SELECTED:
            self._stream.receive_data(data)
        else:
            super().receive_data(data)

    @property
    def incomplete(self) -> bool:
        """True while part of a message waits for its rest."""
        return self._stream.incomplete or super().incomplete

    def _advance(self) -> bool:
        if self.state is not SignOnState.SELECTED:
            return super()._advance()
        message = self._stream.next_message()
        match message:
            case None:
                return False
            case MessageDamaged():
                self._repeat(message.why, message.data)
            case DataMessage():
                self._data(message)
            case Command(letter="P", kind="0"):
                self._repeats = 0
                self._queue.append(PasswordAsked(operand=message.data.value if message.data else ""))
            case Command(letter="B"):
                self._end("the meter breaks off")
            case Acknowledged():
                self._queue.append(CommandDone())
            case RepeatRequested() if self._last and self._repeats < self._max_repeats:
                self._repeats += 1
                self._queue += (RepeatAsked(why="the meter asks for the command again"), self._last)
            case RepeatRequested():
                self._end("the meter asks for the command again and again")
            case _:
                self._queue.append(MessageRejected(data=b"", why=f"{message}, which only a reader sends"))
        return True

    def _data(self, message: DataMessage) -> None:
        if self._ask_again:
            self._ask_again -= 1
            self._queue += (RepeatAsked(why="asked again on purpose"), bytes((NAK,)))
        self._repeats = 0
        self._queue.append(DataReceived(message=message))

    def _repeat(self, why: str, data: bytes) -> None:
        if self._repeats >= self._max_repeats:
            self._end(f"{self._repeats + 1} damaged messages: {why}")
            return
        self._repeats += 1
        self._queue += (RepeatAsked(why=why, data=data), bytes((NAK,)))

    def _end(self, why: str) -> None:
        self.state = SignOnState.FAILED
        self._queue.append(SessionEnded(why=why))

    def _message(self, message: Message, data: bytes) -> None:
        if self.state is not SignOnState.REQUESTED or not isinstance(message, Identification):
            if message != self._request:  # an optical head's echo of our own request
                self._queue.append(MessageRejected(data=data, why=f"{message}, while {self.state}"))
            return
        if message.baud_code not in BAUD_RATES:
            self.state = SignOnState.FAILED
            why = f"baud rate code {message.baud_code!r} is none of mode C"
            self._queue.append(SignOnFailed(why=why, data=data))
            return
        code = max(c for c in BAUD_RATES if c <= message.baud_code and BAUD_RATES[c] <= self._max_baud)
        option = OptionSelect(protocol="0", baud_code=code, mode=self._mode)
        self.state = SignOnState.SELECTED
        rest, self._buffer = self._buffer, b""
        self._stream.receive_data(rest)
        self._queue += (
            IdentificationReceived(identification=message, delay_s=message.reaction_time_s),
            option.encode(),
            LineChange(settings=seven_even(BAUD_RATES[code])),
        )


class ModeCDevice(Protocol):
    """What a meter's end asks its meter."""

    def readout(self) -> tuple[DataSet, ...]:
        """Return what a readout shows, in order."""
        ...

    def repeated(self, sent: bytes) -> bytes:
        """Return what goes out on a repeat request for ``sent`` (the same, if all is right)."""
        ...

    def operand(self) -> str:
        """Return the operand of P0."""
        ...

    def command(self, command: Command) -> DataMessage | Acknowledged | None:
        """Carry out P, R or W and return the answer; None ends the session with a break."""
        ...


class ModeCServer:
    """The meter, from the option select on: one readout, or a programming session until its break."""

    def __init__(self, device: ModeCDevice, option: OptionSelect, *, reaction_s: float) -> None:
        self.device, self.option, self.reaction_s = device, option, reaction_s
        self.ended = False
        self._stream = MessageStream(COMMAND_OCTETS)
        self._queue: deque[LineChange | SessionEnded | bytes] = deque()
        self._out = b""
        self._last = b""

    @property
    def programming(self) -> bool:
        """Whether this is a programming session; otherwise it is one readout."""
        return self.option.mode == Mode.PROGRAMMING

    def start(self) -> None:
        """Change the speed and send the readout, or ask for the password."""
        self._queue.append(LineChange(settings=seven_even(self.option.baud)))
        if self.programming:
            self._send(Command(letter="P", kind="0", data=DataSet(value=self.device.operand())).encode())
        else:
            self._send(DataMessage(data=self.device.readout(), readout=True).encode())

    def receive_data(self, data: bytes) -> None:
        """Take octets from the line, without parity bits."""
        self._stream.receive_data(data)

    def inter_character_timeout(self) -> None:
        """A message was begun and not finished: forget it."""
        self._stream.discard()

    def next_event(self) -> LineChange | SessionEnded | NeedData:
        """Return what happened next, or ``NEED_DATA``. Never raises for what the reader sent."""
        while True:
            while self._queue:
                head = self._queue.popleft()
                if not isinstance(head, bytes):
                    return head
                self._out += head
            message = None if self.ended else self._stream.next_message()
            if message is None:
                return NEED_DATA
            if isinstance(message, RepeatRequested):
                self._queue.append(self.device.repeated(self._last))
            elif isinstance(message, Acknowledged):
                if not self.programming:
                    self.end("the reader is content")
            elif self.programming and isinstance(message, Command):
                self._command(message)
            elif self.programming:
                self._queue.append(bytes((NAK,)))

    def data_to_send(self) -> bytes:
        """Return what must go out now, and forget it."""
        data, self._out = self._out, b""
        return data

    def end(self, why: str) -> None:
        """End the session; the owner waits for a sign-on again."""
        self.ended = True
        self._queue.append(SessionEnded(why=why))

    def _command(self, command: Command) -> None:
        if command.letter == "B":
            self.end("break")
            return
        answer = self.device.command(command)
        if answer is None:
            self._send(Command(letter="B", kind="0").encode())
            self.end("the meter breaks off")
        else:
            self._send(b"\x06" if isinstance(answer, Acknowledged) else answer.encode())

    def _send(self, data: bytes) -> None:
        self._last = data
        self._queue.append(data)
