"""Frames in words: one readable line each, for transcripts.

For people only; nothing is decided by this text. Damaged and unknown octets get a line too, never an error.
"""

from __future__ import annotations

import re

from adapters.errors import FrameDamaged, ProtocolError, RemoteProtocolError
from adapters.protocols.dlms.hdlc_client import describe_frame_reject
from adapters.protocols.dlms.hdlc_frame import FLAG, Control, HdlcFrame, ShortFrame, decode_frame, parse_frame
from adapters.protocols.dlms.hdlc_parameters import decode_parameters
from adapters.protocols.dlms.wrapper import HEADER_OCTETS, decode_datagram
from adapters.protocols.iec62056_21.data_messages import describe_message
from adapters.protocols.iec62056_21.messages import parse_message

_MODE_C = re.compile(rb"[\x01\x02][\x02\r\n\x20-\x7d]*(?:[\x03\x04][\x00-\x7f]?)?")
"""A message of mode C as far as it goes: STX or SOH, text in seven bits, ETX or EOT, the BCC."""

_COMMANDS = (Control.SNRM, Control.DISC)
_LONGEST_TEXT = 4096
_RESPONSES = (Control.UA, Control.DM, Control.FRMR)


def describe(data: bytes) -> str:
    """Say in one line what ``data`` (one frame, one message) is.

    ``HDLC I c=0x10->s=0x01 ns=0 nr=1 poll, 43 octets info``; ``wrapper 16->1, 31 octets``;
    ``62056-21 request to anyone``; otherwise how many octets there are and why they are no frame.
    """
    if data[:1] == b"\x7e" or (data[-1:] == b"\x7e" and data[0] & 0xF0 == 0xA0):
        try:
            return describe_frame(decode_frame(data if data[0] == FLAG else b"\x7e" + data))
        except RemoteProtocolError as error:
            return f"HDLC illegal: {error}"
        except FrameDamaged as error:
            return f"HDLC damaged: {error}"
    if data[:1] in (b"/", b"\x06"):
        try:
            return f"62056-21 {parse_message(data)}"
        except ProtocolError:
            pass
    if data[:1] in (b"\x01", b"\x02", b"\x15") and (text := describe_message(data)):
        return f"62056-21 {text}"
    if data[:2] == b"\x00\x01" and len(data) >= HEADER_OCTETS:
        try:
            message = decode_datagram(data)
        except ProtocolError as error:
            return str(error)
        return f"wrapper {message.source}->{message.destination}, {len(message.apdu)} octets"
    return f"{len(data)} octets, no frame"


def describe_frame(frame: HdlcFrame) -> str:
    """Say in one line what an undamaged HDLC frame is."""
    kind = frame.kind
    to_server = _is_command(frame, kind)
    client, server = (frame.source, frame.destination) if to_server else (frame.destination, frame.source)
    direction = f"c={client}->s={server}" if to_server else f"s={server}->c={client}"
    words = [f"HDLC {kind.name if kind is not None else f'control {frame.control:#04x}'} {direction}"]
    if kind is Control.I:
        words.append(f"ns={frame.send_number}")
    if kind in (Control.I, Control.RR, Control.RNR):
        words.append(f"nr={frame.receive_number}")
    if frame.poll_final:
        words.append("poll" if to_server else "final")
    line = " ".join(words)
    if frame.segmented:
        line += ", more follows"
    return line + _describe_information(frame, kind)


def split_for_log(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Return ``buffer`` cut into frames, messages and what lies between them, and the unfinished rest.

    Nothing is lost: the pieces and the rest joined are ``buffer``. A flag shared by two frames stays with the
    first; ``describe`` understands the second without it.
    """
    pieces: list[bytes] = []
    position = 0
    while position < len(buffer):
        shared = position > 0 and buffer[position - 1] == FLAG and buffer[position] & 0xF0 == 0xA0
        end = _piece_end(buffer, position - 1 if shared else position)
        if end == 0:
            break
        pieces.append(buffer[position:end])
        position = end
    return pieces, buffer[position:]


def _piece_end(buffer: bytes, start: int) -> int:
    """Return where the piece that begins at ``start`` ends, 0 when it is not finished."""
    first = buffer[start]
    if first == FLAG:
        try:
            return parse_frame(buffer, start)[1]
        except ShortFrame:
            return 0
        except ProtocolError as error:
            return start + len(error.data) if error.data else _next_start(buffer, start)
    if first in b"/\x06":
        line = buffer.find(b"\n", start, start + 64) + 1
        return line or (0 if len(buffer) - start < 64 else _next_start(buffer, start))
    if first in b"\x01\x02":
        match = _MODE_C.match(buffer, start)
        if match is not None and match[0][-2:-1] in (b"\x03", b"\x04"):
            return match.end()
        if match is not None and match.end() == len(buffer) and len(match[0]) < _LONGEST_TEXT:
            return 0
        return _next_start(buffer, start)
    if buffer[start : start + 2] == b"\x00\x01":
        if len(buffer) - start < HEADER_OCTETS:
            return 0
        end = start + HEADER_OCTETS + int.from_bytes(buffer[start + 6 : start + 8], "big")
        return end if end <= len(buffer) else 0
    return _next_start(buffer, start)


def _next_start(buffer: bytes, start: int) -> int:
    """Return where the next flag, slash or end is, for octets that are nothing we know."""
    found = [at for at in (buffer.find(b"\x7e", start + 1), buffer.find(b"/", start + 1)) if at > 0]
    return min(found, default=len(buffer))


def _is_command(frame: HdlcFrame, kind: Control | None) -> bool:
    """Tell whether the frame goes to a server: by its kind, its LLC octets or its addresses."""
    if kind in _COMMANDS or kind in _RESPONSES:
        return kind in _COMMANDS
    llc = frame.information[:2]
    if llc in (b"\xe6\xe6", b"\xe6\xe7"):
        return llc == b"\xe6\xe6"
    if frame.destination.octets != frame.source.octets:
        return frame.destination.octets > frame.source.octets
    return frame.source.upper >= frame.destination.upper


def _describe_information(frame: HdlcFrame, kind: Control | None) -> str:
    if not frame.information:
        return ""
    if kind is Control.FRMR:
        return f": {describe_frame_reject(frame.information).removeprefix('FRMR ')}"
    if kind in (Control.SNRM, Control.UA):
        try:
            p = decode_parameters(frame.information)
        except RemoteProtocolError as error:
            return f", {error}"
        return (
            f", info tx {p.max_info_transmit} rx {p.max_info_receive},"
            f" window tx {p.window_transmit} rx {p.window_receive}"
        )
    return f", {len(frame.information)} octets info"
