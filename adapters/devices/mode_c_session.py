"""One session of IEC 62056-21 mode C on an open serial line: the engine driven with time and bytes."""

from __future__ import annotations

from adapters.base import Clock, LineSettings
from adapters.errors import BenchError, FrameDamaged, ReadTimeout, Refused
from adapters.protocols.iec62056_21 import (
    NEED_DATA,
    CommandDone,
    DataMessage,
    DataReceived,
    DataSet,
    Identification,
    IdentificationReceived,
    LineChange,
    MessageRejected,
    Mode,
    ModeCClient,
    PasswordAsked,
    RepeatAsked,
    SessionEnded,
    SignOnFailed,
)
from adapters.protocols.iec62056_21.mode_c import ModeCEvent
from adapters.registry import OpenedLink

RESPONSE_TIMEOUT_S = 1.5  # reaction and inter-character time-out of the standard are the same
WRITE_TIMEOUT_S = 5.0
SIGN_ON_PATIENCE_S = 2.0  # a reader that signs on again lets the meter return from a sign-on it did not use


class ModeCSession:
    """A reader on ``opened``. Options of the link as for mode E: ``mode_e_baud``, ``max_baud``."""

    def __init__(
        self,
        name: str,
        opened: OpenedLink,
        clock: Clock,
        *,
        mode: Mode,
        address: str = "",
        ask_again: int = 0,
    ) -> None:
        if opened.serial is None:
            raise BenchError(f"link {name}: mode C needs a serial transport")
        self._name, self._serial, self._tap, self._clock = name, opened.serial, opened.tap, clock
        options = opened.options
        self._engine = ModeCClient(
            address or options.get("mode_e_address", ""),
            mode=mode,
            max_baud=int(options.get("max_baud", 19200)),
            ask_again=ask_again,
            settings=LineSettings(
                baud=int(options.get("mode_e_baud", 300)), data_bits=7, parity="E", stop_bits=1
            ),
        )
        self.identification: Identification | None = None
        self.damaged = 0
        self.ended = ""

    def readout(self, messages: int) -> list[DataMessage]:
        """Sign on for a readout and return it, with its repeats: ``messages`` in all.

        Raises ReadTimeout where nobody identifies itself or no data comes, FrameDamaged where only damaged
        messages come, Refused("silence") where the readout came and its repeat did not.
        """
        self._engine.start()
        found: list[DataMessage] = []
        while len(found) < messages:
            event = self._next()
            if isinstance(event, DataReceived):
                found.append(event.message)
            elif isinstance(event, SessionEnded):
                if found:
                    raise Refused("silence", "the readout came, and its repetition was not sent")
                raise self._failed(event)
        return found

    def program(self) -> str:
        """Sign on for programming; return the operand the meter gives for the password."""
        self._engine.start()
        while True:
            event = self._next()
            if isinstance(event, PasswordAsked):
                return event.operand
            if isinstance(event, SessionEnded):
                raise self._failed(event)

    def command(self, letter: str, kind: str, data: DataSet) -> DataMessage | None:
        """Send a command; return the data message it is answered with, None for ACK.

        Raises Refused("mode-c") for an error message, Refused("disconnected") where the meter breaks off.
        """
        self._engine.command(letter, kind, data)
        while True:
            event = self._next()
            match event:
                case DataReceived(message=message) if message.error:
                    raise Refused("mode-c", f"{letter}{kind} {data.address}: {message.error}")
                case DataReceived(message=message):
                    return message
                case CommandDone():
                    return None
                case SessionEnded(why=why):
                    self.ended = why
                    if why == "silence" or "damaged" in why:
                        raise self._failed(event)
                    raise Refused("disconnected", f"{letter}{kind} {data.address}: {why}")

    def leave(self) -> None:
        """Send the break; what is over already needs none."""
        if not self.ended:
            self._engine.command("B", "0")
            self.ended = "break"
            self._flush()

    # --- inside -----------------------------------------------------------------------------------------

    def _flush(self) -> None:
        while self._engine.next_event() is not NEED_DATA:
            pass
        if data := self._engine.data_to_send():
            self._serial.write(data, WRITE_TIMEOUT_S)

    def _next(self) -> ModeCEvent:
        """Return the next event that is not about the line. Raises ReadTimeout for no identification."""
        engine, serial = self._engine, self._serial
        while True:
            while (event := engine.next_event()) is not NEED_DATA:
                data = engine.data_to_send()
                if isinstance(event, IdentificationReceived):
                    self._clock.sleep_s(event.delay_s)
                    self.identification = event.identification
                if data:
                    serial.write(data, WRITE_TIMEOUT_S)
                match event:
                    case LineChange():
                        serial.configure(event.settings)
                    case IdentificationReceived():
                        pass
                    case SignOnFailed():
                        raise ReadTimeout(f"link {self._name}: sign-on failed: {event.why}")
                    case RepeatAsked():
                        self.damaged += bool(event.data)
                        self._tap.note(f"mode C: {event.why}")
                    case MessageRejected():
                        self._tap.note(f"mode C: {event.why}")
                    case DataReceived() | PasswordAsked() | CommandDone() | SessionEnded():
                        return event
            if data := engine.data_to_send():
                serial.write(data, WRITE_TIMEOUT_S)
            try:
                engine.receive_data(serial.read(256, RESPONSE_TIMEOUT_S))
            except ReadTimeout:
                engine.response_timeout()

    def _failed(self, event: SessionEnded) -> FrameDamaged | ReadTimeout:
        if "damaged" in event.why:
            return FrameDamaged(f"link {self._name} garbles: {event.why}", data=b"")
        return ReadTimeout(f"link {self._name}: mode C ended: {event.why}")
