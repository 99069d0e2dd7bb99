"""A GSM modem as a device of its own: the role ``sms_modem``. No hardware of this kind has been tried."""

from __future__ import annotations

from typing import ClassVar

from adapters.devices.gsm_line import REPORT_TIMEOUT_S, GsmLine
from adapters.devices.gsm_transcript import ModemTranscript
from adapters.errors import BenchError, RemoteProtocolError
from adapters.protocols.gsm.concatenation import split
from adapters.protocols.gsm.pdu import Deliver, Submit
from adapters.protocols.gsm.user_data import UserData
from adapters.registry import AdapterContext
from adapters.roles import (
    Identity,
    NetworkRegistration,
    ShortMessage,
    ShortMessages,
    ShortMessageSent,
    SignalQuality,
)

_STATES = {
    "0": "not-registered",
    "1": "home",
    "2": "searching",
    "3": "denied",
    "4": "unknown",
    "5": "roaming",
}


class GsmModem:
    """A modem on a bench. Its one link opens when it is first needed."""

    role: ClassVar[str] = "sms_modem"

    def __init__(self, context: AdapterContext) -> None:
        if len(context.links) != 1:
            raise BenchError(f"device {context.name}: a modem has one link, not {len(context.links)}")
        self._context, self._clock = context, context.clock
        self._link = next(iter(context.links))
        self._line: GsmLine | None = None
        self._reference = 0

    @classmethod
    def transcript(cls, options: object) -> ModemTranscript:
        """Return the decoder of this adapter's wire bytes."""
        return ModemTranscript()

    # -- Device

    def identify(self) -> Identity:
        """Ask for serial number (IMEI), manufacturer and model."""
        line = self._opened()
        serial = "".join(line.ask("AT+CGSN")).removeprefix("+CGSN:").strip().strip('"')
        maker, model = (" ".join(line.ask(command)) for command in ("AT+CGMI", "AT+CGMM"))
        return Identity(serial=serial, model=f"{maker} {model}".strip())

    def make_safe(self) -> None:
        """Do nothing: a modem does no harm by itself."""

    def close(self) -> None:
        """Close the link."""
        if self._line is not None:
            self._line.close()
            self._line = None

    # -- SmsModem

    def signal(self) -> SignalQuality:
        """Ask for the signal quality (3GPP TS 27.007 8.5: 0 is -113 dBm, 2 dB a step, 99 unknown)."""
        answer = "".join(self._opened().ask("AT+CSQ"))
        first = answer.removeprefix("+CSQ:").split(",")[0].strip()
        if not first.isdecimal() or not (int(first) <= 31 or int(first) == 99):
            raise RemoteProtocolError(f"AT+CSQ is answered by {answer!r}")
        level = int(first)
        known = level != 99
        return SignalQuality(rssi_dbm=-113 + 2 * level if known else None, known="yes" if known else "no")

    def registration(self) -> NetworkRegistration:
        """Ask whether the modem is registered."""
        state = self._opened().registration()
        return NetworkRegistration(
            registered="yes" if state in ("1", "5") else "no", state=_STATES.get(state, "unknown")
        )

    def send_octets(self, to: str, octets: bytes) -> ShortMessageSent:
        """Send octets, in parts where they are too many, and wait for the reports."""
        self._reference = (self._reference + 1) % 256
        return self._sent(to, split(octets, self._reference))

    def send_text(self, to: str, text: str) -> ShortMessageSent:
        """Send a text of one message and wait for the report."""
        return self._sent(to, (UserData.of_text(text),))

    def received(self, wait_s: float = 0.0) -> ShortMessages:
        """Return what has come in since the last call, and within ``wait_s`` from now."""
        line, found = self._opened(), []
        deadline_s = self._clock.monotonic_s() + wait_s
        while (message := line.receive(max(deadline_s - self._clock.monotonic_s(), 0.0))) is not None:
            found.append(_shown(message))
        return ShortMessages(count=len(found), messages=tuple(found))

    # -- inside

    def _sent(self, to: str, pieces: tuple[UserData, ...]) -> ShortMessageSent:
        line = self._opened()
        references = [line.send(Submit(to=to, data=data, wants_report=True)) for data in pieces]
        timeout_s = float(self._context.links[self._link].get("report_timeout_s", REPORT_TIMEOUT_S))
        delivered = sum(line.wait_for_report(reference, to, timeout_s) for reference in references)
        return ShortMessageSent(parts=len(pieces), delivered=delivered)

    def _opened(self) -> GsmLine:
        if self._line is None or not self._line.open:
            opened = self._context.open_link(self._link)
            line = GsmLine(self._context.name, opened.stream, self._clock, opened.tap)
            try:
                line.set_up()
            except BaseException:
                line.close()
                raise
            self._line = line
        return self._line


def _shown(message: Deliver) -> ShortMessage:
    data = message.data
    part = "" if data.part is None else f"{data.part.number}/{data.part.total}"
    return ShortMessage(
        sender=message.sender,
        sent_at=message.sent_at.isoformat(),
        octets=data.payload.hex(),
        text=data.text,
        part=part,
    )
