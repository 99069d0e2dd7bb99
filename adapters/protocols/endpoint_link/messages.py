"""Requests to endpoints and their answers: what stands in a frame between its type and its checksum.

    type  request           payload                         type  answer      payload
     01   status            -                                81   status      see ``StatusAnswer``
     02   read              -                                82   data        reading, 8 octets
     03   command           command, parameters              83   sealed      sealed reading, 32 octets
     04   secure command    command, material                84   done        see ``DoneAnswer``
     05   open session      material, or nothing             8F   refused     reason
     06   close session     -
     07   set level         level
     08   identify          -                                88   identity    see ``IdentityAnswer``

Identify is for the radio itself, whose address is 0; everything else is for an endpoint.

A frame of a known type whose payload is something else raises RemoteProtocolError: its checksum held, so
whoever sent it sent it so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeAlias

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.endpoint_link.material import LONGEST_MATERIAL_OCTETS, MAX_PARAMETER_OCTETS
from adapters.protocols.endpoint_link.readings import READING_OCTETS, SEALED_OCTETS
from adapters.protocols.endpoint_link.words import Command, Level, Reason, SecurityClass, Switch

MAX_PAYLOAD_OCTETS: Final = 255
MAX_TEXT_OCTETS: Final = 200
RADIO: Final = 0
"""The address of the radio itself."""


@dataclass(frozen=True, kw_only=True)
class StatusRequest:
    """Asks for what an endpoint tells anybody."""

    TYPE: ClassVar[int] = 0x01

    def encode(self) -> bytes:
        """Return the payload."""
        return b""


@dataclass(frozen=True, kw_only=True)
class ReadRequest:
    """Asks for the reading."""

    TYPE: ClassVar[int] = 0x02

    def encode(self) -> bytes:
        """Return the payload."""
        return b""


@dataclass(frozen=True, kw_only=True)
class CommandRequest:
    """A command without any material."""

    TYPE: ClassVar[int] = 0x03
    command: Command
    parameters: bytes = b""

    def encode(self) -> bytes:
        """Return the payload."""
        if len(self.parameters) > MAX_PARAMETER_OCTETS:
            raise LocalProtocolError(f"{len(self.parameters)} octets of parameters are too many")
        return bytes((self.command,)) + self.parameters


@dataclass(frozen=True, kw_only=True)
class SecureCommandRequest:
    """A command with the material meant to authorize it; nothing here says that it does."""

    TYPE: ClassVar[int] = 0x04
    command: Command
    material: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the payload."""
        return bytes((self.command,)) + _material(self.material)


@dataclass(frozen=True, kw_only=True)
class OpenSessionRequest:
    """Opens a session with a signed authorization; with nothing, to see it refused."""

    TYPE: ClassVar[int] = 0x05
    material: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """Return the payload."""
        return _material(self.material)


@dataclass(frozen=True, kw_only=True)
class CloseSessionRequest:
    """Closes the open session."""

    TYPE: ClassVar[int] = 0x06

    def encode(self) -> bytes:
        """Return the payload."""
        return b""


@dataclass(frozen=True, kw_only=True)
class SetLevelRequest:
    """Asks an endpoint to operate at another security level."""

    TYPE: ClassVar[int] = 0x07
    level: Level

    def encode(self) -> bytes:
        """Return the payload."""
        return bytes((self.level,))


@dataclass(frozen=True, kw_only=True)
class IdentifyRequest:
    """Asks the radio, not an endpoint, what it is."""

    TYPE: ClassVar[int] = 0x08

    def encode(self) -> bytes:
        """Return the payload."""
        return b""


Request: TypeAlias = (
    StatusRequest
    | ReadRequest
    | CommandRequest
    | SecureCommandRequest
    | OpenSessionRequest
    | CloseSessionRequest
    | SetLevelRequest
    | IdentifyRequest
)


@dataclass(frozen=True, kw_only=True)
class StatusAnswer:
    """What an endpoint tells anybody: no readings, no secrets. 20 octets and its type as text.

    0 class, 1 level, 2 flags (01 security enabled, 02 session open), 3 modes, 4 switch, 5..8 commands
    executed, 9..12 program revision, 13..14 tampers seen, 15..18 time-out of a session in s, 19 and on the
    type, ASCII. A counter of all ones is not told (-1 here).
    """

    TYPE: ClassVar[int] = 0x81
    device_type: str
    security_class: SecurityClass
    level: Level
    security_enabled: bool
    session_open: bool
    modes: int
    switch: Switch
    executions: int
    program_revision: int
    tampers: int
    session_timeout_s: int

    def encode(self) -> bytes:
        """Return the payload. Raises LocalProtocolError for a counter beyond its octets."""
        flags = self.security_enabled | self.session_open << 1
        return (
            bytes((self.security_class, self.level, flags, self.modes, self.switch))
            + _counter(self.executions, 4)
            + _counter(self.program_revision, 4)
            + _counter(self.tampers, 2)
            + _counter(self.session_timeout_s, 4)
            + _text(self.device_type)
        )


@dataclass(frozen=True, kw_only=True)
class DataAnswer:
    """A reading in the clear, as octets."""

    TYPE: ClassVar[int] = 0x82
    reading: bytes

    def encode(self) -> bytes:
        """Return the payload."""
        return self.reading


@dataclass(frozen=True, kw_only=True)
class SealedDataAnswer:
    """A reading for the holder of the reading key."""

    TYPE: ClassVar[int] = 0x83
    sealed: bytes

    def encode(self) -> bytes:
        """Return the payload."""
        return self.sealed


@dataclass(frozen=True, kw_only=True)
class DoneAnswer:
    """What came of a command. 6 octets and the information as text.

    0 command, 1 flags (01 replay), 2..5 the execution count after it, 6 and on the information, ASCII.
    """

    TYPE: ClassVar[int] = 0x84
    command: Command
    replay: bool
    executions: int
    information: str

    def encode(self) -> bytes:
        """Return the payload."""
        head = bytes((self.command, self.replay)) + _counter(self.executions, 4)
        return head + _text(self.information)


@dataclass(frozen=True, kw_only=True)
class RefusedAnswer:
    """The endpoint says no."""

    TYPE: ClassVar[int] = 0x8F
    reason: Reason

    def encode(self) -> bytes:
        """Return the payload."""
        return bytes((self.reason,))


@dataclass(frozen=True, kw_only=True)
class IdentityAnswer:
    """What a radio says of itself: model, serial number and firmware, separated by commas, ASCII."""

    TYPE: ClassVar[int] = 0x88
    model: str
    serial: str
    firmware: str = ""

    def encode(self) -> bytes:
        """Return the payload. Raises LocalProtocolError for a comma inside."""
        fields = (self.model, self.serial, self.firmware)
        if any("," in field for field in fields):
            raise LocalProtocolError(f"a comma in {fields}")
        return _text(",".join(fields))


Answer: TypeAlias = StatusAnswer | DataAnswer | SealedDataAnswer | DoneAnswer | RefusedAnswer | IdentityAnswer


def decode_request(kind: int, payload: bytes) -> Request:
    """Return the request in a frame. Raises RemoteProtocolError."""
    try:
        return _REQUESTS[kind](payload)
    except KeyError:
        raise RemoteProtocolError(f"no request has type {kind:02X}", frame_intact=True) from None


def decode_answer(kind: int, payload: bytes) -> Answer:
    """Return the answer in a frame. Raises RemoteProtocolError with the payload."""
    try:
        return _ANSWERS[kind](payload)
    except KeyError:
        raise RemoteProtocolError(f"no answer has type {kind:02X}", data=payload, frame_intact=True) from None


def _command_request(payload: bytes) -> Request:
    if not 1 <= len(payload) <= 1 + MAX_PARAMETER_OCTETS:
        raise _wrong("a command", payload)
    return CommandRequest(command=Command.from_octet(payload[0]), parameters=payload[1:])


def _secure_command_request(payload: bytes) -> Request:
    if not 1 <= len(payload) <= 1 + LONGEST_MATERIAL_OCTETS:
        raise _wrong("a secure command", payload)
    return SecureCommandRequest(command=Command.from_octet(payload[0]), material=payload[1:])


def _open_request(payload: bytes) -> Request:
    if len(payload) > LONGEST_MATERIAL_OCTETS:
        raise _wrong("an authorization", payload)
    return OpenSessionRequest(material=payload)


def _set_level_request(payload: bytes) -> Request:
    if len(payload) != 1:
        raise _wrong("a level", payload)
    return SetLevelRequest(level=Level.from_octet(payload[0]))


def _empty(make: Callable[[], Request]) -> Callable[[bytes], Request]:
    def request(payload: bytes) -> Request:
        if payload:
            raise _wrong("nothing", payload)
        return make()

    return request


def _status_answer(payload: bytes) -> Answer:
    if len(payload) < 19 or payload[2] > 0b11:
        raise _wrong("a status", payload, keep=True)
    return StatusAnswer(
        device_type=_ascii(payload[19:]),
        security_class=SecurityClass.from_octet(payload[0]),
        level=Level.from_octet(payload[1]),
        security_enabled=bool(payload[2] & 1),
        session_open=bool(payload[2] & 2),
        modes=payload[3],
        switch=Switch.from_octet(payload[4]),
        executions=_number(payload[5:9]),
        program_revision=_number(payload[9:13]),
        tampers=_number(payload[13:15]),
        session_timeout_s=_number(payload[15:19]),
    )


def _data_answer(payload: bytes) -> Answer:
    if len(payload) != READING_OCTETS:
        raise _wrong("a reading", payload, keep=True)
    return DataAnswer(reading=payload)


def _sealed_answer(payload: bytes) -> Answer:
    if len(payload) != SEALED_OCTETS:
        raise _wrong("a sealed reading", payload, keep=True)
    return SealedDataAnswer(sealed=payload)


def _done_answer(payload: bytes) -> Answer:
    if len(payload) < 6 or payload[1] > 1:
        raise _wrong("what came of a command", payload, keep=True)
    return DoneAnswer(
        command=Command.from_octet(payload[0]),
        replay=bool(payload[1]),
        executions=_number(payload[2:6]),
        information=_ascii(payload[6:]),
    )


def _refused_answer(payload: bytes) -> Answer:
    if len(payload) != 1:
        raise _wrong("a reason", payload, keep=True)
    return RefusedAnswer(reason=Reason.from_octet(payload[0]))


def _identity_answer(payload: bytes) -> Answer:
    fields = _ascii(payload).split(",")
    if len(fields) != 3:
        raise _wrong("three fields", payload, keep=True)
    return IdentityAnswer(model=fields[0], serial=fields[1], firmware=fields[2])


_REQUESTS: Final[dict[int, Callable[[bytes], Request]]] = {
    StatusRequest.TYPE: _empty(StatusRequest),
    ReadRequest.TYPE: _empty(ReadRequest),
    CommandRequest.TYPE: _command_request,
    SecureCommandRequest.TYPE: _secure_command_request,
    OpenSessionRequest.TYPE: _open_request,
    CloseSessionRequest.TYPE: _empty(CloseSessionRequest),
    SetLevelRequest.TYPE: _set_level_request,
    IdentifyRequest.TYPE: _empty(IdentifyRequest),
}
_ANSWERS: Final[dict[int, Callable[[bytes], Answer]]] = {
    StatusAnswer.TYPE: _status_answer,
    DataAnswer.TYPE: _data_answer,
    SealedDataAnswer.TYPE: _sealed_answer,
    DoneAnswer.TYPE: _done_answer,
    RefusedAnswer.TYPE: _refused_answer,
    IdentityAnswer.TYPE: _identity_answer,
}

EXPECTED: Final[dict[type, tuple[type, ...]]] = {
    StatusRequest: (StatusAnswer, RefusedAnswer),
    ReadRequest: (DataAnswer, SealedDataAnswer, RefusedAnswer),
    CommandRequest: (DoneAnswer, RefusedAnswer),
    SecureCommandRequest: (DoneAnswer, RefusedAnswer),
    OpenSessionRequest: (DoneAnswer, RefusedAnswer),
    CloseSessionRequest: (DoneAnswer, RefusedAnswer),
    SetLevelRequest: (StatusAnswer, RefusedAnswer),
    IdentifyRequest: (IdentityAnswer, RefusedAnswer),
}
"""What may answer a request."""


def _material(octets: bytes) -> bytes:
    if len(octets) > LONGEST_MATERIAL_OCTETS:
        raise LocalProtocolError(f"{len(octets)} octets of material are too many")
    return octets


def _counter(value: int, octets: int) -> bytes:
    most = (1 << 8 * octets) - 1
    if not -1 <= value < most:
        raise LocalProtocolError(f"{value} does not fit a counter of {octets} octets")
    return (value % (most + 1)).to_bytes(octets, "big")


def _number(octets: bytes) -> int:
    value = int.from_bytes(octets, "big")
    return -1 if value == (1 << 8 * len(octets)) - 1 else value


def _text(text: str) -> bytes:
    octets = text.encode("ascii", "replace")
    if len(octets) > MAX_TEXT_OCTETS:
        raise LocalProtocolError(f"a text of {len(octets)} octets is too long")
    return octets


def _ascii(octets: bytes) -> str:
    if len(octets) > MAX_TEXT_OCTETS or not all(0x20 <= octet < 0x7F for octet in octets):
        raise _wrong("a text", octets, keep=True)
    return octets.decode("ascii")


def _wrong(what: str, payload: bytes, *, keep: bool = False) -> RemoteProtocolError:
    """Return the error; a request's payload may be material, so only an answer's is kept in it."""
    return RemoteProtocolError(
        f"expected {what}, found {len(payload)} octets that are something else",
        data=payload if keep else b"",
        frame_intact=True,
    )
