r"""The messages of IEC 62056-21 mode C after the sign-on: data sets, data messages, commands, BCC.

    data message      STX data-block ETX BCC                      (6.3.3; a readout ends in ! CR LF)
    command           SOH C D [STX data-set] ETX BCC              (6.3.5: Password, Read, Write, Break)
    acknowledgement   ACK                                         (6.3.4, without the option select)
    repeat request    NAK
    error message     STX (text) ETX BCC                          (6.3.7)

A data set is ``address(value*unit)``; lines of a block end with CR LF. BCC is the exclusive or of all octets
after the STX or SOH that begins the message, up to and including ETX or EOT (ISO/IEC 1155). EOT in the place
of ETX says that further partial blocks follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from adapters.errors import LocalProtocolError

SOH, STX, ETX, EOT, ACK, NAK = 0x01, 0x02, 0x03, 0x04, 0x06, 0x15

MAX_BLOCK_OCTETS: Final = 32 * 1024
"""The longest message taken: far above a readout, far below a nuisance."""

_DATA_SET: Final = re.compile(
    rb"([^()/!\x00-\x1f]{0,32})\(([^()/!*\x00-\x1f]{0,128})(?:\*([^()/!\x00-\x1f]{0,32}))?\)"
)
_COMMAND: Final = re.compile(rb"([PWREB])([0-9])(?:\x02([^\x02-\x04]{0,256}))?", re.DOTALL)
_CLAUSE: Final = "IEC 62056-21 6.3"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSet:
    """One value with its address and unit, as text; nothing is converted."""

    address: str = ""
    value: str = ""
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.address}({self.value}{'*' + self.unit if self.unit else ''})"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataMessage:
    """A block of data sets. ``readout`` blocks end with ``!``; ``more``: another partial block follows."""

    data: tuple[DataSet, ...] = ()
    readout: bool = False
    more: bool = False

    @property
    def error(self) -> str:
        """The text of an error message: one data set without an address whose value begins with ER."""
        only = self.data[0] if len(self.data) == 1 else None
        return only.value if only is not None and not only.address and only.value.startswith("ER") else ""

    def encode(self) -> bytes:
        """Return the octets, STX to BCC. Raises LocalProtocolError for text that does not fit."""
        text = "\r\n".join(str(each) for each in self.data)
        if self.readout:
            text += "\r\n!\r\n" if text else "!\r\n"
        data = _framed(STX, text, EOT if self.more else ETX)
        if _block(data[1:-1]) != self:
            raise LocalProtocolError(f"not a data message: {text!r}", data=data, clause=_CLAUSE)
        return data

    def __str__(self) -> str:
        kind = "readout" if self.readout else f"error {self.error}" if self.error else "data"
        return f"{kind}: {len(self.data)} data sets" if not self.error else kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command of programming mode. ``letter`` is P, R, W, E or B, ``kind`` its digit."""

    letter: str
    kind: str
    data: DataSet | None = None

    def encode(self) -> bytes:
        """Return the octets, SOH to BCC. Raises LocalProtocolError for text that does not fit."""
        body = "" if self.data is None else f"\x02{self.data}"
        data = _framed(SOH, f"{self.letter}{self.kind}{body}", ETX)
        if _command(data[1:-2]) != self:
            raise LocalProtocolError(f"not a command: {data!r}", data=data, clause=_CLAUSE)
        return data

    def __str__(self) -> str:
        # The operand of P is a password: nobody has to read it in a transcript.
        shown = "" if self.data is None else " (...)" if self.letter == "P" else f" {self.data}"
        return f"command {self.letter}{self.kind}{shown}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Acknowledged:
    """ACK."""

    def __str__(self) -> str:
        return "ACK"


@dataclass(frozen=True, kw_only=True, slots=True)
class RepeatRequested:
    """NAK: the last message came damaged."""

    def __str__(self) -> str:
        return "NAK"


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageDamaged:
    """A message whose BCC is wrong, or that cannot be read; ``why`` tells which."""

    data: bytes
    why: str


ModeCMessage = DataMessage | Command | Acknowledged | RepeatRequested | MessageDamaged


def bcc(data: bytes | Iterable[int]) -> int:
    """Return the block check character of the octets after STX or SOH up to ETX or EOT."""
    check = 0
    for octet in data:
        check ^= octet
    return check


class MessageStream:
    """Messages in a stream of seven-bit octets; at most ``max_octets`` are kept of one.

    What stands between messages is skipped. A message that grows too long is reported as damaged.
    """

    def __init__(self, max_octets: int = MAX_BLOCK_OCTETS) -> None:
        self._max = max_octets
        self._buffer = bytearray()
        self._searched = 1

    @property
    def incomplete(self) -> bool:
        """True while part of a message waits for its rest."""
        return bool(self._buffer)

    def receive_data(self, data: bytes) -> None:
        """Take octets from the line, without parity bits."""
        self._buffer += data

    def discard(self) -> bytes:
        """Drop and return what waits for its rest."""
        data = bytes(self._buffer)
        self._clear(len(data))
        return data

    def next_message(self) -> ModeCMessage | None:
        """Return the next message, or None while there is no whole one. Never raises for what came."""
        buffer = self._buffer
        begin = next((at for at, octet in enumerate(buffer) if octet in (SOH, STX, ACK, NAK)), len(buffer))
        if begin:
            self._clear(begin)
        if not buffer:
            return None
        if buffer[0] in (ACK, NAK):
            first = buffer[0]
            self._clear(1)
            return Acknowledged() if first == ACK else RepeatRequested()
        ends = [at for at in (buffer.find(end, self._searched) for end in (ETX, EOT)) if at > 0]
        if not ends or min(ends) + 2 > len(buffer):
            if len(buffer) > self._max:
                return MessageDamaged(data=self.discard()[:256], why=f"no end within {self._max} octets")
            self._searched = min(ends) if ends else len(buffer)
            return None
        whole = bytes(buffer[: min(ends) + 2])
        self._clear(len(whole))
        return _message(whole)

    def _clear(self, octets: int) -> None:
        del self._buffer[:octets]
        self._searched = 1


def _message(whole: bytes) -> ModeCMessage:
    expected = bcc(whole[1:-1])
    if whole[-1] != expected:
        return MessageDamaged(data=whole, why=f"BCC {whole[-1]:02X}, expected {expected:02X}")
    if whole[0] == SOH:
        found: Command | DataMessage | None = _command(whole[1:-2])
    else:
        found = _block(whole[1:-1])
    return found or MessageDamaged(data=whole, why="the BCC is right, but this is no message of mode C")


def _block(body: bytes) -> DataMessage | None:
    """Return the data message between STX and BCC, its end included; None where it is none."""
    text, more = body[:-1], body[-1] == EOT
    readout = text.endswith(b"!\r\n")
    if readout:
        text = text[:-3]
    position, found = 0, []
    while position < len(text):
        if text[position : position + 2] == b"\r\n":
            position += 2
            continue
        match = _DATA_SET.match(text, position)
        if match is None:
            return None
        found.append(_data_set(match))
        position = match.end()
    return DataMessage(data=tuple(found), readout=readout, more=more)


def _command(body: bytes) -> Command | None:
    match = _COMMAND.fullmatch(body)
    if match is None:
        return None
    data = None
    if match[3] is not None:
        inner = _DATA_SET.fullmatch(match[3])
        if inner is None:
            return None
        data = _data_set(inner)
    return Command(letter=match[1].decode("ascii"), kind=match[2].decode("ascii"), data=data)


def _data_set(match: re.Match[bytes]) -> DataSet:
    address, value, unit = ((group or b"").decode("latin-1") for group in match.groups())
    return DataSet(address=address, value=value, unit=unit)


def _framed(start: int, text: str, end: int) -> bytes:
    body = text.encode("latin-1", "replace") + bytes((end,))
    if any(octet > 0x7F for octet in body):
        raise LocalProtocolError(f"seven data bits cannot carry {text!r}", clause=_CLAUSE)
    return bytes((start,)) + body + bytes((bcc(body),))


def describe_message(data: bytes) -> str:
    """Return one whole message in words, for a transcript; nothing where ``data`` is something else."""
    stream = MessageStream()
    stream.receive_data(data)
    message = stream.next_message()
    if message is None or stream.incomplete:
        return ""
    if isinstance(message, MessageDamaged):
        return f"damaged: {message.why}"
    return str(message)
