"""A GSM modem on a serial line, driven: commands asked and answered, messages sent, received and deleted.

Messages are taken from the modem's memory as soon as it announces them (+CMTI) and deleted there, so that
its few places do not fill up. Status reports come directly (+CDS). What was in the memory before belongs to
nobody here: it is deleted when the line is set up.
"""

from __future__ import annotations

from collections import deque

from adapters.base import ByteStream, Clock, Tap
from adapters.devices.gsm_transcript import part_text
from adapters.errors import ReadTimeout, Refused, RemoteProtocolError
from adapters.protocols.gsm.at_client import (
    NEED_DATA,
    Answer,
    AtClient,
    Garbled,
    MessageArrived,
    MessageStored,
    NeedData,
)
from adapters.protocols.gsm.pdu import (
    Deliver,
    StatusReport,
    Submit,
    decode_to_mobile,
    with_centre,
    without_centre,
)

COMMAND_TIMEOUT_S = 10.0
SUBMIT_TIMEOUT_S = 60.0  # 3GPP TS 27.005 leaves it open; modems wait for the network half a minute
REPORT_TIMEOUT_S = 60.0
_READ_OCTETS = 4096
_MOST_KEPT = 1000
_SET_UP = ("AT+CMEE=1", "AT+CMGF=0", "AT+CNMI=2,1,0,1,0")
_REGISTERED = ("1", "5")


class GsmLine:
    """A modem behind an open stream."""

    def __init__(self, name: str, stream: ByteStream, clock: Clock, tap: Tap) -> None:
        self.name, self._stream, self._clock, self._tap = name, stream, clock, tap
        self._at = AtClient()
        self._arrived: deque[Deliver] = deque(maxlen=_MOST_KEPT)
        self._reports: deque[StatusReport] = deque(maxlen=_MOST_KEPT)
        self._stored: deque[int] = deque(maxlen=_MOST_KEPT)
        self.open = True

    def set_up(self) -> None:
        """Bring the modem into PDU mode with news on. Raises Refused where SIM or network are not ready."""
        self._ask_quietly("ATE0")
        for command in _SET_UP:
            self.ask(command)
        pin = "".join(self.ask("AT+CPIN?"))
        if "READY" not in pin:
            raise Refused("sim-locked", f"{self.name}: the modem says {pin}")
        state = self.registration()
        if state not in _REGISTERED:
            raise Refused("not-registered", f"{self.name}: AT+CREG? says state {state}")
        self.ask("AT+CMGD=1,4")

    def registration(self) -> str:
        """Return the state of AT+CREG?, one digit. Raises RemoteProtocolError for another answer."""
        for line in self.ask("AT+CREG?"):
            values = line.removeprefix("+CREG:").split(",")
            if len(values) >= 2 and values[1].strip().isdecimal():
                return values[1].strip()
        raise RemoteProtocolError(f"{self.name}: AT+CREG? tells no state")

    def ask(self, command: str, timeout_s: float = COMMAND_TIMEOUT_S) -> tuple[str, ...]:
        """Return the lines of an answer. Raises Refused ``modem-error``, or ReadTimeout."""
        self._at.command(command)
        answer = self._answer(timeout_s)
        if answer.error:
            raise Refused("modem-error", f"{self.name}: {command} is answered by {answer.error}")
        return answer.lines

    def send(self, message: Submit) -> int:
        """Send a message and return the modem's reference for it. Raises Refused ``modem-error``."""
        tpdu = message.encode()
        self._at.send_pdu(with_centre(tpdu), len(tpdu))
        answer = self._answer(SUBMIT_TIMEOUT_S)
        if answer.error:
            raise Refused("modem-error", f"{self.name}: the message is answered by {answer.error}")
        for line in answer.lines:
            reference = line.removeprefix("+CMGS:").split(",")[0].strip()
            if line.startswith("+CMGS:") and reference.isdecimal():
                return int(reference) & 0xFF
        raise RemoteProtocolError(f"{self.name}: AT+CMGS is answered without a reference")

    def wait_for_report(self, reference: int, to: str, timeout_s: float = REPORT_TIMEOUT_S) -> bool:
        """Return whether a message was delivered; False where the network gave up or says nothing."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            self._fetch()  # the few places of its memory must not fill up meanwhile; a report may come along
            for report in tuple(self._reports):
                ours = report.reference == reference and report.recipient.lstrip("+") == to.lstrip("+")
                if ours and (report.delivered or report.status >= 0x40):
                    self._reports.remove(report)
                    return report.delivered
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0 or not self._hear(left_s):
                return False

    def receive(self, timeout_s: float) -> Deliver | None:
        """Return the next message, or None where none comes in time."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            self._fetch()
            if self._arrived:
                return self._arrived.popleft()
            left_s = deadline_s - self._clock.monotonic_s()
            if not self._hear(max(left_s, 0.0)) and left_s <= 0:
                return None

    def close(self) -> None:
        """Close the line without a word to the modem."""
        if self.open:
            self.open = False
            self._stream.close()

    # --- inside ----------------------------------------------------------------------------------------

    def _ask_quietly(self, command: str) -> None:
        """Ask until the line is in step: a modem may be in the middle of what another program began."""
        try:
            self.ask(command, 2.0)
        except (ReadTimeout, Refused):
            self._stream.write(b"\x1b\r", COMMAND_TIMEOUT_S)
            self._hear(0.5)
            self.ask(command)

    def _fetch(self) -> None:
        while self._stored:
            index = self._stored.popleft()
            lines = self.ask(f"AT+CMGR={index}")
            if len(lines) >= 2:
                self._pdu(lines[1])
            self.ask(f"AT+CMGD={index}")

    def _answer(self, timeout_s: float) -> Answer:
        deadline_s = self._clock.monotonic_s() + timeout_s
        self._flush()
        while True:
            while not isinstance(event := self._at.next_event(), NeedData):
                if isinstance(event, Answer):
                    return event
                self._news(event)
            left_s = deadline_s - self._clock.monotonic_s()
            try:
                self._at.receive_data(self._stream.read(_READ_OCTETS, max(left_s, 0.0)))
            except ReadTimeout:
                self._at.give_up()
                self._flush()
                raise
            self._flush()

    def _hear(self, timeout_s: float) -> bool:
        """Take the news that came behind an answer or, without any, wait; return whether anything came."""
        if self._heard():
            return True
        try:
            self._at.receive_data(self._stream.read(_READ_OCTETS, timeout_s))
        except ReadTimeout:
            return False
        self._heard()
        return True

    def _heard(self) -> bool:
        heard = False
        while (event := self._at.next_event()) is not NEED_DATA:
            self._news(event)
            heard = True
        return heard

    def _news(self, event: object) -> None:
        match event:
            case MessageStored(is_report=False):
                self._stored.append(event.index)
            case MessageArrived():
                self._take(event.octets)
            case Garbled():
                self._tap.note(f"modem: {event.why}")

    def _pdu(self, digits: str) -> None:
        try:
            self._take(bytes.fromhex(digits))
        except ValueError:
            self._tap.note(f"modem: {digits[:40]!r} is no PDU")

    def _take(self, octets: bytes) -> None:
        """Note a PDU; one that cannot be read is nobody's message, but it is on record."""
        try:
            message = decode_to_mobile(without_centre(octets)[1])
        except RemoteProtocolError as error:
            self._tap.note(f"modem: unreadable message: {error}")
            return
        if isinstance(message, StatusReport):
            self._reports.append(message)
        else:
            self._tap.note(f"modem: message from {message.sender}{part_text(message.data)}")
            self._arrived.append(message)

    def _flush(self) -> None:
        if data := self._at.data_to_send():
            self._stream.write(data, COMMAND_TIMEOUT_S)
