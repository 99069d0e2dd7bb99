"""The host's end of a serial line to a GSM modem: commands out, answers and news in. No I/O, no clock.

    command("AT+CSQ") -> data_to_send() -> receive_data(...) -> next_event(): Answer

One command is under way at a time. AT+CMGS takes two steps: the modem asks for the PDU with a prompt, which
this engine answers by itself. News of the modem (a message that came, a report, a registration) may stand
anywhere, in the middle of an answer too; a line belongs to the answer only if it can be one of its lines.
Echo is recognised and dropped, on or off. A line too long, or an answer without end, is an event like any
other: no input makes this engine raise, hang or grow.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from enum import Enum

from adapters.errors import LocalProtocolError
from adapters.protocols.gsm.at_codes import meaning

MAX_LINE_OCTETS = 1024
MAX_ANSWER_LINES = 2048
CTRL_Z, ESC = b"\x1a", b"\x1b"
_FINAL = frozenset({"OK", "ERROR", "NO CARRIER", "NO DIALTONE", "BUSY", "NO ANSWER", "CONNECT"})
_ERROR = re.compile(r"\+(CMS|CME) ERROR: ?(\d{1,5}|.{1,80})")
_STORED = re.compile(r'\+(CMTI|CDSI): ?"?([A-Z]{2})"?, ?(\d{1,5})')
_DIRECT = re.compile(r"\+(CMT|CDS): ?")
_NEWS = (
    "+CMTI:",
    "+CDSI:",
    "+CMT:",
    "+CDS:",
    "+CBM:",
    "+CBMI:",
    "+CUSD:",
    "RING",
    "+CRING:",
    "+CLIP:",
    "^",
    "*",
)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_NAME = re.compile(r"\+[A-Z]+")


class NeedData(Enum):
    """Says that nothing more has happened."""

    NEED_DATA = "need data"


NEED_DATA = NeedData.NEED_DATA


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The whole answer to a command. ``error`` is empty where the modem said OK.

    ``code`` is the number of a +CMS or +CME error, -1 where there is none.
    """

    command: str
    lines: tuple[str, ...]
    error: str = ""
    code: int = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageArrived:
    """A PDU the modem hands on at once (+CMT, +CDS), with the service centre before it."""

    octets: bytes
    is_report: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageStored:
    """The modem has put a message or a report (+CMTI, +CDSI) in its memory."""

    memory: str
    index: int
    is_report: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """Any other line nobody asked for."""

    line: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Garbled:
    """Octets that mean nothing here, and why."""

    data: bytes
    why: str


AtEvent = Answer | MessageArrived | MessageStored | News | Garbled


class AtClient:
    """See the module. ``command`` raises LocalProtocolError while another one is under way."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._out = bytearray()
        self._events: deque[AtEvent] = deque()
        self._command = ""
        self._pdu = ""
        self._prompted = False
        self._lines: list[str] = []
        self._announced = ""  # +CMT or +CDS whose PDU is the next line

    @property
    def busy(self) -> bool:
        """Whether a command is under way."""
        return bool(self._command)

    def command(self, text: str) -> None:
        """Send a command, written with its AT."""
        self._begin(text, "")

    def send_pdu(self, octets: bytes, tpdu_octets: int) -> None:
        """Send a message (AT+CMGS): ``tpdu_octets`` of ``octets`` are the PDU, after the centre."""
        self._begin(f"AT+CMGS={tpdu_octets}", octets.hex().upper())

    def _begin(self, text: str, pdu: str) -> None:
        if self._command:
            raise LocalProtocolError(f"{self._command} is still under way")
        if not text.upper().startswith("AT") or not text.isprintable():
            raise LocalProtocolError(f"{text!r} is no AT command")
        self._command, self._pdu, self._prompted = text, pdu, False
        self._lines = []
        self._out += text.encode("ascii", "replace") + b"\r"

    def give_up(self) -> None:
        """Stop waiting for the answer; an open prompt is left with ESC, what comes later is news."""
        if self._pdu and not self._prompted:
            self._out += ESC
        self._command = self._pdu = ""
        self._lines = []

    def data_to_send(self) -> bytes:
        """Return what goes to the modem now."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def receive_data(self, data: bytes) -> None:
        """Take octets from the modem."""
        for octet in data:
            if octet in (0x0D, 0x0A):
                if self._buffer:
                    line = bytes(self._buffer)
                    self._buffer.clear()
                    self._line(line)
                continue
            self._buffer.append(octet)
            if self._pdu and not self._prompted and bytes(self._buffer) in (b"> ", b">"):
                self._prompt(octet)
            elif len(self._buffer) > MAX_LINE_OCTETS:
                self._garbled(bytes(self._buffer), f"a line of more than {MAX_LINE_OCTETS} octets")
                self._buffer.clear()

    def next_event(self) -> AtEvent | NeedData:
        """Return what has happened, oldest first."""
        return self._events.popleft() if self._events else NEED_DATA

    def _prompt(self, octet: int) -> None:
        if octet == 0x20:  # the prompt is '>' and a space; the space closes it
            self._buffer.clear()
            self._prompted = True
            self._out += self._pdu.encode("ascii") + CTRL_Z

    def _line(self, octets: bytes) -> None:
        text = octets.strip(b"\x00\x1a\x1b ").decode("latin-1")
        if not text:
            return
        if self._announced:
            self._announced = self._direct(text, octets)
        elif self._is_echo(text):
            return
        elif (stored := _STORED.fullmatch(text)) is not None:
            self._events.append(
                MessageStored(memory=stored[2], index=int(stored[3]), is_report=stored[1] == "CDSI")
            )
        elif (direct := _DIRECT.match(text)) is not None:
            self._announced = direct[1]
        elif text.startswith(_NEWS) or not self._command:
            self._events.append(News(line=text))
        elif text in _FINAL or _ERROR.fullmatch(text):
            self._final(text)
        elif self._is_news(text):
            self._events.append(News(line=text))
        elif len(self._lines) >= MAX_ANSWER_LINES:
            self._garbled(octets, f"an answer of more than {MAX_ANSWER_LINES} lines")
            self._final("ERROR")
        else:
            self._lines.append(text)

    def _direct(self, text: str, octets: bytes) -> str:
        if _HEX.fullmatch(text):
            self._events.append(
                MessageArrived(octets=bytes.fromhex(text), is_report=self._announced == "CDS")
            )
        else:
            self._garbled(octets, f"no PDU where +{self._announced} announced one")
        return ""

    def _is_echo(self, text: str) -> bool:
        return bool(self._command) and text in (self._command, self._pdu, f"> {self._pdu}")

    def _is_news(self, text: str) -> bool:
        """Whether a line with the name of another command stands in the answer."""
        names = _NAME.findall(self._command)
        if not text.startswith("+") or not names:
            return False
        name = text.partition(":")[0]
        if name not in names:
            return True
        # An unsolicited +CREG has one value fewer than the answer to AT+CREG?, and may stand before it.
        return name in ("+CREG", "+CGREG") and "," not in text

    def _final(self, text: str) -> None:
        error, code = "", -1
        if text != "OK":
            error = text
            numbered = _ERROR.fullmatch(text)
            if numbered is not None and numbered[2].isdecimal():
                code = int(numbered[2])
                error = f"{text} ({meaning(numbered[1], code)})"
        self._events.append(Answer(command=self._command, lines=tuple(self._lines), error=error, code=code))
        self._command = self._pdu = ""
        self._lines = []

    def _garbled(self, data: bytes, why: str) -> None:
        self._events.append(Garbled(data=data[:MAX_LINE_OCTETS], why=why))
