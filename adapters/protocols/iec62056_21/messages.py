r"""The three messages of an IEC 62056-21 sign-on, as octets and as values.

    request          / ? [address] ! CR LF              (6.3.1)
    identification   / X X X Z [\ W] identification CR LF   (6.3.2)
    option select    ACK V Z Y CR LF                    (6.3.3)

XXX is the manufacturer, a lower-case third letter promising a reaction time of 20 ms instead of 200 ms.
Z is a baud rate code, W = 2 says that the meter can go over to HDLC (mode E). V = 2 with Y = 2 takes that
offer; V = 0 stays in mode C (Y = 0 data readout, 1 programming).
All octets are plain ASCII here; the even parity bit of a 7E1 line is the business of ``seven_bit``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from adapters.base import LineSettings
from adapters.errors import LocalProtocolError, RemoteProtocolError

BAUD_RATES: Final = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
"""Baud rate codes of modes C and E (6.3.14, 13c)."""

SIGN_ON_SETTINGS: Final = LineSettings(baud=300, data_bits=7, parity="E", stop_bits=1)
"""How every sign-on begins."""

SLOW_REACTION_S: Final = 0.2
FAST_REACTION_S: Final = 0.02
MAX_REACTION_S: Final = 1.5
"""A side waits at least its partner's minimum before it answers, and at most this long (6.3.14, 12)."""

MAX_MESSAGE_OCTETS: Final = 64
"""More than any of the three messages can have: address 32, identification 16 characters."""

_REQUEST: Final = re.compile(rb"/\?([0-9A-Za-z ]{0,32})!\r\n")
_IDENTIFICATION: Final = re.compile(
    rb"/([A-Za-z]{3})([0-9A-Za-z:;<=>?@\[\]_^`])(?:\\(.))?([^/!\x00-\x1f\x7f]{0,16})\r\n"
)
_OPTION: Final = re.compile(rb"\x06([0-9])([0-9A-Z])([0-9A-Z])\r\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The opening message; an empty address asks whoever is on the line."""

    address: str = ""

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError for an address the standard does not allow."""
        return _checked(self, f"/?{self.address}!\r\n")

    def __str__(self) -> str:
        return f"request to {self.address!r}" if self.address else "request to anyone"


@dataclass(frozen=True, kw_only=True, slots=True)
class Identification:
    """Who the meter is and how fast it can be."""

    manufacturer: str
    baud_code: str
    identification: str = ""
    enhanced: str = ""

    @property
    def baud(self) -> int:
        """The baud rate offered; 300 for a code that is not one of modes C and E."""
        return BAUD_RATES.get(self.baud_code, 300)

    @property
    def offers_hdlc(self) -> bool:
        """True where the enhanced identification character says that mode E is possible."""
        return self.enhanced == "2"

    @property
    def reaction_time_s(self) -> float:
        """The least time to leave before answering the meter."""
        return FAST_REACTION_S if self.manufacturer[2].islower() else SLOW_REACTION_S

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError where a part is too long or not allowed."""
        escape = f"\\{self.enhanced}" if self.enhanced else ""
        text = f"/{self.manufacturer}{self.baud_code}{escape}{self.identification}\r\n"
        return _checked(self, text)

    def __str__(self) -> str:
        mode = ", HDLC possible" if self.offers_hdlc else ""
        return (
            f"identification {self.manufacturer} {self.identification!r}, {self.baud} Bd{mode},"
            f" reaction {self.reaction_time_s * 1000:.0f} ms"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionSelect:
    """What the reader chooses: protocol control V, baud rate code Z, mode control Y."""

    protocol: str = "2"
    baud_code: str = "5"
    mode: str = "2"

    @property
    def baud(self) -> int:
        """The baud rate chosen; 300 for a code that is not one of modes C and E."""
        return BAUD_RATES.get(self.baud_code, 300)

    @property
    def is_hdlc(self) -> bool:
        """True for the hand-over to HDLC."""
        return self.protocol == "2" and self.mode == "2"

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError for characters that are no codes."""
        return _checked(self, f"\x06{self.protocol}{self.baud_code}{self.mode}\r\n")

    def __str__(self) -> str:
        if self.is_hdlc:
            what = "HDLC"
        else:
            what = {"0": "data readout", "1": "programming"}.get(
                self.mode, f"V={self.protocol} Y={self.mode}"
            )
        return f"option select {what} at {self.baud} Bd"


Message = Request | Identification | OptionSelect


def parse_message(data: bytes) -> Message:
    """Return the message that ``data`` is, from its first octet to CR LF. Raises RemoteProtocolError."""
    if match := _REQUEST.fullmatch(data):
        return Request(address=match[1].decode("ascii"))
    if match := _IDENTIFICATION.fullmatch(data):
        return Identification(
            manufacturer=match[1].decode("ascii"),
            baud_code=match[2].decode("ascii"),
            enhanced=(match[3] or b"").decode("latin-1"),
            identification=match[4].decode("latin-1"),
        )
    if match := _OPTION.fullmatch(data):
        return OptionSelect(
            protocol=match[1].decode("ascii"),
            baud_code=match[2].decode("ascii"),
            mode=match[3].decode("ascii"),
        )
    raise RemoteProtocolError(
        f"not an IEC 62056-21 sign-on message: {data!r}", data=data, clause="IEC 62056-21 6.3"
    )


def hdlc_settings(baud: int) -> LineSettings:
    """Return the line settings HDLC uses after the hand-over (IEC 62056-21 annex B)."""
    return LineSettings(baud=baud, data_bits=8, parity="N", stop_bits=1)


def _checked(message: Message, text: str) -> bytes:
    """Return ``text`` as octets when they read as ``message`` again."""
    data = text.encode("latin-1", "replace")
    try:
        if parse_message(data) == message:
            return data
    except RemoteProtocolError:
        pass
    raise LocalProtocolError(f"not a sign-on message: {text!r}", data=data, clause="IEC 62056-21 6.3")
