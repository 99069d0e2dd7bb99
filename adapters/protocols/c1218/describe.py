"""Wire octets of a C12.18 line in words, for transcripts: never raises, never shows a password or a token.

describe("sent", octets) -> ["ACK", "packet toggle: identify"]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from adapters.errors import FrameDamaged, ProtocolError
from adapters.protocols.c1218.codes import STANDARDS, ResponseCode, table_name
from adapters.protocols.c1218.messages import Assembly, Parameters
from adapters.protocols.c1218.packets import (
    ACK,
    FIRST,
    FRAME_OCTETS,
    HEADER_OCTETS,
    MAX_DATA_OCTETS,
    MAX_PACKET_OCTETS,
    MAX_PACKETS,
    MULTI,
    NAK,
    START,
    TOGGLE,
    Packet,
    decode_packet,
)
from adapters.protocols.c1218.services import (
    Authenticate,
    AuthenticateResponse,
    DefaultRead,
    FullRead,
    FullWrite,
    IdentifyResponse,
    IndexRead,
    IndexWrite,
    Logon,
    Negotiate,
    NegotiateResponse,
    OffsetRead,
    OffsetWrite,
    RawRequest,
    Request,
    Response,
    Security,
    TableData,
    TimingSetup,
    TimingSetupResponse,
    Wait,
    decode_request,
    decode_response,
)

SENT: Final = "->"
"""The direction from the client to the device, as wire logs write it; any other is the way back."""

_SHOWN_OCTETS: Final = 16
_ANY: Final = Parameters(packet_octets=MAX_PACKET_OCTETS, packets=MAX_PACKETS)


class Transcriber:
    """Decodes one line. Holds the unfinished rest and the pieces of messages of each direction.

    Called with the direction (``->`` from the client, ``<-`` from the device) and octets; returns a line for
    each thing they complete. What a response holds is told by the request that went before it.
    """

    def __init__(self) -> None:
        self._rest: dict[str, bytes] = {}
        self._assemblies: dict[str, Assembly] = {}
        self._previous: dict[str, bytes] = {}
        self._request: Request | None = None

    def __call__(self, direction: str, data: bytes) -> Sequence[str]:
        """Return the lines that ``data`` completes."""
        pieces, rest = split_for_log(self._rest.get(direction, b"") + data)
        self._rest[direction] = rest
        return [line for piece in pieces for line in self._lines(direction, piece)]

    def _lines(self, direction: str, piece: bytes) -> Iterator[str]:
        if piece[0] in (ACK, NAK):
            word = "ACK" if piece[0] == ACK else "NAK"
            yield word if len(piece) == 1 else f"{len(piece)} times {word}"
            return
        if piece[0] != START:
            yield f"{len(piece)} octets outside of a packet"
            return
        try:
            packet = decode_packet(piece)
        except FrameDamaged as error:
            yield f"damaged: {error}"
            return
        line = describe_packet(packet)
        message = self._message(direction, packet)
        if message is None:
            yield line
        elif isinstance(message, str):
            yield f"{line}: {message}"
        else:
            yield f"{line}: {self._text(direction, message)}"

    def _message(self, direction: str, packet: Packet) -> bytes | str | None:
        """Return the message that ``packet`` completes, or a remark; None in the middle of one."""
        if packet.mark == self._previous.get(direction):
            return "again"
        self._previous[direction] = packet.mark
        assembly = self._assemblies.setdefault(direction, Assembly(restarts=True))
        fault = assembly.fault_of(packet, _ANY)
        if fault:
            assembly.clear()
            return fault
        return assembly.take(packet)

    def _text(self, direction: str, message: bytes) -> str:
        if direction == SENT:
            self._request = None
            try:
                self._request = decode_request(message)
            except ProtocolError as error:
                return f"{_first(message)}: {error}"
            return describe_request(self._request)
        request, self._request = self._request, None
        if request is None:
            return f"{len(message)} octets nobody asked for"
        try:
            return describe_response(decode_response(request, message))
        except ProtocolError as error:
            return f"no answer to {request.service}: {error}"


def split_for_log(data: bytes) -> tuple[list[bytes], bytes]:
    """Cut ``data`` into packets, runs of ACKs or NAKs and other octets; return these and an unfinished rest.

    A packet is cut by its length, right or wrong; a length that cannot be is no packet.
    """
    pieces: list[bytes] = []
    position, size = 0, len(data)
    while position < size:
        first = data[position]
        end = position + 1
        if first == START:
            if size - position < HEADER_OCTETS:
                return pieces, data[position:]
            length = data[position + 4] << 8 | data[position + 5]
            if length <= MAX_DATA_OCTETS:
                end = position + length + FRAME_OCTETS
                if end > size:
                    return pieces, data[position:]
        elif first in (ACK, NAK):
            while end < size and data[end] == first:
                end += 1
        else:
            ends = [found for octet in (START, ACK, NAK) if (found := data.find(octet, end)) >= 0]
            end = min(ends, default=size)
        pieces.append(data[position:end])
        position = end
    return pieces, b""


def describe_packet(packet: Packet) -> str:
    """Say in one line what a packet is, without its data: ``packet 2 of a message, toggle``."""
    control = packet.control
    words = "packet"
    if control & FIRST:
        words += f" 1 of {packet.sequence + 1}"
    elif control & MULTI:
        words += f", {packet.sequence} to follow"
    if packet.identity:
        words += f" identity={packet.identity:#04x}"
    if control & TOGGLE:
        words += " toggle"
    if control & 0x1F:
        words += f" control={control:#04x}"
    return words


def describe_request(request: Request) -> str:
    """Say in one line what is asked."""
    match request:
        case FullRead():
            return f"read {table_name(request.table)}"
        case OffsetRead():
            return f"read {table_name(request.table)} from {request.offset}, {request.octets} octets"
        case IndexRead():
            return f"read {table_name(request.table)} at {_index(request.indexes)}, {request.count} elements"
        case DefaultRead():
            return "read the default table"
        case FullWrite():
            return f"write {table_name(request.table)}: {_octets(request.data)}"
        case OffsetWrite():
            return f"write {table_name(request.table)} from {request.offset}: {_octets(request.data)}"
        case IndexWrite():
            where = f"{table_name(request.table)} at {_index(request.indexes)}"
            return f"write {where}: {_octets(request.data)}"
        case Logon():
            return f"logon user {request.user_id} {_quoted(request.user)}"
        case Security():
            user = "" if request.user_id is None else f", user {request.user_id}"
            return f"password ({len(request.password)} octets){user}"
        case Authenticate():
            return f"authenticate ({len(request.token)} octets)"
        case Negotiate():
            bauds = f", {' or '.join(str(baud) for baud in request.bauds)} baud" if request.bauds else ""
            return f"negotiate {request.packets} packets of {request.packet_octets} octets{bauds}"
        case Wait():
            return f"wait {request.seconds} s"
        case TimingSetup():
            return f"timing setup: {_timing(request)}"
        case RawRequest():
            return f"{_first(request.octets)}, {len(request.octets)} octets"
        case _:
            return request.service.value


def describe_response(response: Response) -> str:
    """Say in one line what is answered."""
    match response:
        case IdentifyResponse():
            standard = STANDARDS.get(response.standard, f"standard {response.standard}")
            features = f", features {_octets(response.features)}" if response.features else ""
            return f"ok, {standard} version {response.version}.{response.revision}{features}"
        case TableData():
            return f"ok, {_octets(response.data)}"
        case NegotiateResponse():
            baud = f", {response.baud} baud" if response.baud else ""
            return f"ok, {response.packets} packets of {response.packet_octets} octets{baud}"
        case TimingSetupResponse():
            return f"ok, {_timing(response)}"
        case AuthenticateResponse():
            return f"ok, authentication ({len(response.token)} octets)"
        case _:
            code = response.code
            return code.short if code is ResponseCode.OK else f"{code.short} ({code.reason})"


def _octets(data: bytes) -> str:
    shown = data[:_SHOWN_OCTETS].hex()
    more = "..." if len(data) > _SHOWN_OCTETS else ""
    return f"{len(data)} octets {shown}{more}".rstrip()


def _first(message: bytes) -> str:
    """Name a message that cannot be decoded by its first octet alone: it may hold a password."""
    return f"service {message[0]:#04x}" if message else "nothing"


def _index(indexes: tuple[int, ...]) -> str:
    return ".".join(str(index) for index in indexes)


def _quoted(text: str) -> str:
    return '"' + text.encode("unicode_escape").decode("ascii") + '"'


def _timing(timing: TimingSetup | TimingSetupResponse) -> str:
    return (
        f"channel {timing.channel_s} s, inter-character {timing.inter_character_s} s,"
        f" response {timing.response_s} s, {timing.retries} retries"
    )
