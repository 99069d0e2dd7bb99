"""One HDLC frame: addresses, control field, and the frame format type 3 of IEC 62056-46 6.4.

    7E | format 2 | destination 1, 2, 4 | source 1, 2, 4 | control | HCS 2 | information | FCS 2 | 7E

    format       1010 S LLL LLLLLLLL   S: more segments follow; L: octets between the flags
    addresses    seven bits an octet, least significant bit set on the last octet
    HCS, FCS     CRC-16/X.25 of all since the opening flag; a frame without information has only the FCS

There is no octet stuffing: 0x7E may stand anywhere, the length field says where a frame ends.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

from adapters.errors import FrameDamaged, LocalProtocolError, RemoteProtocolError
from adapters.protocols.crc import GOOD, INVERTED_REVERSED, PRESET, REVERSED

FLAG: Final = 0x7E
POLL_FINAL: Final = 0x10
MAX_FRAME_OCTETS: Final = 2047  # the length field has eleven bits; flags are not counted
MAX_INFO_OCTETS: Final = 2030  # IEC 62056-46 6.4.4.4.3.2: what is left with the longest header
MIN_FRAME_OCTETS: Final = 7  # format 2, addresses 1 + 1, control 1, FCS 2

ALL_STATION_1: Final = 0x7F
ALL_STATION_2: Final = 0x3FFF


class Control(IntEnum):
    """Control fields with the poll/final bit clear; I, RR and RNR also without their sequence numbers."""

    I = 0x00  # noqa: E741 - the standard's own name
    RR = 0x01
    RNR = 0x05
    SNRM = 0x83
    DISC = 0x43
    UA = 0x63
    DM = 0x0F
    FRMR = 0x87
    UI = 0x03


_UNNUMBERED: Final = {
    int(c): c for c in (Control.SNRM, Control.DISC, Control.UA, Control.DM, Control.FRMR, Control.UI)
}
_SUPERVISORY: Final = {int(c): c for c in (Control.RR, Control.RNR)}


def control_kind(control: int) -> Control | None:
    """Return which frame a control field announces, or None where IEC 62056-46 has none (REJ, say)."""
    if not control & 1:
        return Control.I
    if control & 3 == 1:
        return _SUPERVISORY.get(control & 0x0F)
    return _UNNUMBERED.get(control & ~POLL_FINAL)


@dataclass(frozen=True, slots=True)
class HdlcAddress:
    """A client address (``upper`` alone) or a server address: logical device above, physical device below.

    ``octets`` is the length on the wire: 1 (upper alone, 7 bits), 2 (7 + 7 bits) or 4 (14 + 14 bits).
    """

    upper: int
    lower: int = 0
    octets: int = 1

    def __post_init__(self) -> None:
        bits = {1: (7, 0), 2: (7, 7), 4: (14, 14)}.get(self.octets)
        if bits is None:
            raise LocalProtocolError(
                f"an HDLC address has 1, 2 or 4 octets, not {self.octets}", clause="IEC 62056-46 6.4.2.2"
            )
        if not (0 <= self.upper < 1 << bits[0] and 0 <= self.lower < 1 << bits[1]):
            raise LocalProtocolError(
                f"HDLC address {self.upper:#x}/{self.lower:#x} does not fit {self.octets} octets",
                clause="IEC 62056-46 6.4.2.2",
            )

    def encode(self) -> bytes:
        """Return the octets on the wire."""
        if self.octets == 1:
            return bytes((self.upper << 1 | 1,))
        if self.octets == 2:
            return bytes((self.upper << 1, self.lower << 1 | 1))
        upper, lower = self.upper, self.lower
        return bytes((upper >> 7 << 1, (upper & 0x7F) << 1, lower >> 7 << 1, (lower & 0x7F) << 1 | 1))

    def __str__(self) -> str:
        return f"0x{self.upper:02x}" if self.octets == 1 else f"0x{self.upper:02x}/0x{self.lower:02x}"


@lru_cache(maxsize=1024)
def decode_address(data: bytes) -> HdlcAddress:
    """Return the address in ``data``, whose last octet is the only one with its lowest bit set.

    Raises RemoteProtocolError for three octets, which no address has.
    """
    if len(data) == 1:
        return HdlcAddress(data[0] >> 1)
    if len(data) == 2:
        return HdlcAddress(data[0] >> 1, data[1] >> 1, 2)
    if len(data) == 4:
        return HdlcAddress(data[0] >> 1 << 7 | data[1] >> 1, data[2] >> 1 << 7 | data[3] >> 1, 4)
    raise RemoteProtocolError(
        f"an HDLC address of {len(data)} octets", data=data, clause="IEC 62056-46 6.4.2.2", frame_intact=True
    )


def encode_frame(addresses: bytes, control: int, information: bytes = b"", segmented: bool = False) -> bytes:
    """Return a whole frame with both flags. ``addresses`` are destination and source as they go on the wire.

    Raises LocalProtocolError when the frame would be longer than the length field can say.
    """
    length = len(addresses) + len(information) + (7 if information else 5)
    if length > MAX_FRAME_OCTETS:
        raise LocalProtocolError(
            f"a frame of {length} octets; its length field ends at {MAX_FRAME_OCTETS}",
            clause="IEC 62056-46 6.4.1",
        )
    header = bytes((0xA8 | length >> 8 if segmented else 0xA0 | length >> 8, length & 0xFF)) + addresses
    header += bytes((control,))
    check = crc_hqx(header.translate(REVERSED), PRESET).to_bytes(2, "big").translate(INVERTED_REVERSED)
    if not information:
        return b"\x7e" + header + check + b"\x7e"
    # After the header and its checksum the register holds a constant: the FCS can start from there.
    frame_check = (
        crc_hqx(information.translate(REVERSED), GOOD).to_bytes(2, "big").translate(INVERTED_REVERSED)
    )
    return b"\x7e" + header + check + information + frame_check + b"\x7e"


@dataclass(frozen=True, slots=True)
class HdlcFrame:
    """One frame whose checksums were right (received) or will be (to be sent)."""

    destination: HdlcAddress
    source: HdlcAddress
    control: int
    information: bytes = b""
    segmented: bool = False

    @property
    def kind(self) -> Control | None:
        """Which frame it is; None for a control field the standard does not use."""
        return control_kind(self.control)

    @property
    def poll_final(self) -> bool:
        """The poll bit of a command, the final bit of a response."""
        return bool(self.control & POLL_FINAL)

    @property
    def send_number(self) -> int:
        """N(S) of an I frame."""
        return self.control >> 1 & 7

    @property
    def receive_number(self) -> int:
        """N(R) of an I, RR or RNR frame."""
        return self.control >> 5

    def encode(self) -> bytes:
        """Return the frame with both flags, octet by octet what was received when it was received."""
        addresses = self.destination.encode() + self.source.encode()
        return encode_frame(addresses, self.control, self.information, self.segmented)


class ShortFrame(Exception):
    """More octets are needed; ``needed`` is how many in all, counted from the opening flag."""

    def __init__(self, needed: int) -> None:
        self.needed = needed


def decode_frame(data: bytes) -> HdlcFrame:
    """Return the frame that ``data`` is, from opening to closing flag, nothing before or after it.

    Raises FrameDamaged (checksum, flag, length) or RemoteProtocolError (intact, yet against the rules).
    """
    try:
        frame, end = parse_frame(data, 0)
    except ShortFrame as short:
        raise FrameDamaged(
            f"an HDLC frame of at least {short.needed} octets is cut off at {len(data)}", data=data
        ) from None
    if end != len(data):
        raise FrameDamaged(f"{len(data) - end} octets after the closing flag", data=data)
    return frame


def _address_end(data: bytes, index: int, end: int, start: int) -> int:
    """Return the index behind the address that begins at ``index``: its last octet is odd."""
    for at in range(index, index + 4):
        if at >= end:
            raise ShortFrame(at - start + 1)
        if data[at] & 1:
            return at + 1
    raise FrameDamaged("an address does not end within 4 octets")


def parse_frame(data: bytes, start: int) -> tuple[HdlcFrame, int]:
    """Return the frame whose opening flag is at ``start``, and the index just behind its closing flag.

    Raises ShortFrame until enough octets are there; FrameDamaged as soon as they cannot become a frame, with
    ``data`` empty unless the length field is to be trusted (header good, FCS bad, closing flag in place);
    RemoteProtocolError for an intact frame against the rules. At most 13 octets are looked at before the
    header checksum has been seen to match, so a damaged length cannot make anyone wait for 2047 octets.
    """
    end = len(data)
    if start + 3 > end:
        raise ShortFrame(3)
    if data[start] != FLAG:
        raise FrameDamaged("no opening flag")
    if data[start + 1] & 0xF0 != 0xA0:
        raise FrameDamaged(f"frame format {data[start + 1]:#04x} is not type 3")
    length = (data[start + 1] & 7) << 8 | data[start + 2]
    if length < MIN_FRAME_OCTETS:
        raise FrameDamaged(f"length field says {length}, the shortest frame has {MIN_FRAME_OCTETS}")
    source = _address_end(data, start + 3, end, start)
    index = _address_end(data, source, end, start)
    body = index + 3  # control, then HCS (or FCS when there is no information)
    if body > end:
        raise ShortFrame(body - start)
    close = start + 1 + length
    if body > close:
        raise FrameDamaged(f"length field says {length}, the header alone has {body - start - 1}")
    if crc_hqx(data[start + 1 : body].translate(REVERSED), PRESET) != GOOD:
        raise FrameDamaged(
            "header checksum (HCS) does not match" if body < close else "checksum (FCS) does not match"
        )
    if close >= end:
        raise ShortFrame(close - start + 1)
    if data[close] != FLAG:
        raise FrameDamaged(f"no closing flag after {length} octets")
    if body == close:
        information = b""
    else:
        rest = data[body:close]
        if crc_hqx(rest.translate(REVERSED), GOOD) != GOOD:
            raise FrameDamaged("checksum (FCS) does not match", data=data[start : close + 1])
        information = rest[:-2]
        if not information:
            raise RemoteProtocolError(
                "an HCS in a frame without information",
                data=data[start : close + 1],
                clause="IEC 62056-46 6.4.2.5",
                frame_intact=True,
            )
    try:
        frame = HdlcFrame(
            decode_address(data[start + 3 : source]),
            decode_address(data[source:index]),
            data[index],
            information,
            data[start + 1] & 8 != 0,
        )
    except RemoteProtocolError as error:
        raise RemoteProtocolError(
            str(error), data=data[start : close + 1], clause=error.clause, frame_intact=True
        ) from None
    return frame, close + 1
