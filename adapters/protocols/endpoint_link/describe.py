"""Frames of the stand-in link in words, for wire logs. Material is named, not opened."""

from __future__ import annotations

from adapters.errors import ProtocolError
from adapters.protocols.endpoint_link.frames import Frame
from adapters.protocols.endpoint_link.messages import (
    Answer,
    CommandRequest,
    DataAnswer,
    DoneAnswer,
    IdentityAnswer,
    OpenSessionRequest,
    RefusedAnswer,
    Request,
    SealedDataAnswer,
    SecureCommandRequest,
    SetLevelRequest,
    StatusAnswer,
    decode_answer,
    decode_request,
)
from adapters.protocols.endpoint_link.readings import decode_reading


def describe(frame: Frame) -> str:
    """Return one line; what cannot be read is said to be so."""
    head = f"endpoint {frame.endpoint} #{frame.sequence}"
    try:
        if frame.type < 0x80:
            return f"{head}: {_request(decode_request(frame.type, frame.payload))}"
        return f"{head}: {_answer(decode_answer(frame.type, frame.payload))}"
    except ProtocolError as error:
        return f"{head}: unreadable, type {frame.type:02X}: {error}"


def _request(request: Request) -> str:
    match request:
        case CommandRequest():
            return f"command {request.command.word}, no material"
        case SecureCommandRequest():
            return f"secure command {request.command.word}, material of {len(request.material)} octets"
        case OpenSessionRequest():
            return f"open session, material of {len(request.material)} octets"
        case SetLevelRequest():
            return f"set level {request.level.word}"
        case _:
            return type(request).__name__.removesuffix("Request").lower()


def _answer(answer: Answer) -> str:
    match answer:
        case StatusAnswer():
            session = "session open" if answer.session_open else "no session"
            return (
                f"status {answer.device_type}, {answer.security_class.word}, {answer.level.word}, "
                f"switch {answer.switch.word}, {answer.executions} executions, {session}"
            )
        case DataAnswer():
            reading = decode_reading(answer.reading)
            return f"data {reading.consumption} at {reading.at:%Y-%m-%dT%H:%M:%SZ}"
        case SealedDataAnswer():
            return f"data, sealed, {len(answer.sealed)} octets"
        case DoneAnswer():
            replay = "REPLAY, " if answer.replay else ""
            return f"{replay}done {answer.command.word}, {answer.executions} executions: {answer.information}"
        case RefusedAnswer():
            return f"refused {answer.reason.word}"
        case IdentityAnswer():
            return f"radio {answer.model} {answer.serial} {answer.firmware}".rstrip()
