"""The user data of a short message: coding scheme, header with its elements, payload or text.

3GPP TS 23.040 9.2.3.24 (user data header), 3GPP TS 23.038 clause 4 (data coding scheme).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.gsm import alphabet
from adapters.protocols.gsm.fields import Reader

MAX_OCTETS = 140
MAX_SEPTETS = 160
CONCATENATED_8, CONCATENATED_16, PORTS_16 = 0x00, 0x08, 0x05
_CLAUSE = "3GPP TS 23.040 9.2.3.24"


class Coding(IntEnum):
    """What the octets of a message are; the values are data coding schemes of the general group."""

    GSM7 = 0x00
    OCTETS = 0x04
    UCS2 = 0x08


def coding_of(scheme: int) -> Coding:
    """Return the coding a data coding scheme means. Raises RemoteProtocolError for a compressed text."""
    if scheme & 0x80 == 0:
        if scheme & 0x20:
            raise RemoteProtocolError(f"data coding scheme {scheme:02X}: compressed text is not built")
        return (Coding.GSM7, Coding.OCTETS, Coding.UCS2, Coding.GSM7)[(scheme >> 2) & 3]
    if scheme >> 4 == 0xF:
        return Coding.OCTETS if scheme & 0x04 else Coding.GSM7
    if scheme >> 4 == 0xE:
        return Coding.UCS2
    return Coding.GSM7  # reserved groups are to be read as the default alphabet


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Where a message belongs in a long one: ``number`` of ``total`` under ``reference``."""

    reference: int
    total: int
    number: int
    wide: bool = False  # a 16-bit reference

    def element(self) -> tuple[int, bytes]:
        """Return the information element. Raises LocalProtocolError where a number does not fit."""
        if not (
            1 <= self.number <= self.total <= 255 and 0 <= self.reference < (65536 if self.wide else 256)
        ):
            raise LocalProtocolError(f"part {self.number} of {self.total} under {self.reference}")
        if self.wide:
            return CONCATENATED_16, self.reference.to_bytes(2, "big") + bytes((self.total, self.number))
        return CONCATENATED_8, bytes((self.reference, self.total, self.number))


@dataclass(frozen=True, kw_only=True, slots=True)
class UserData:
    """What a message carries. ``payload`` are octets, or septets one an octet where the coding is GSM7.

    ``elements`` are those of the header, as (identifier, octets); ``scheme`` is the data coding scheme.
    """

    payload: bytes
    scheme: int = Coding.OCTETS
    elements: tuple[tuple[int, bytes], ...] = ()

    @property
    def coding(self) -> Coding:
        """What the payload is."""
        return coding_of(self.scheme)

    @property
    def text(self) -> str:
        """The payload as characters; octets are shown in hexadecimal."""
        match self.coding:
            case Coding.GSM7:
                return alphabet.text_of(self.payload)
            case Coding.UCS2:
                return alphabet.ucs2_text(self.payload)
            case _:
                return self.payload.hex()

    @property
    def part(self) -> Part | None:
        """Where the message belongs in a long one; None for a whole one.

        An element with an impossible number is as if it were not there (3GPP TS 23.040 9.2.3.24.1). The
        last of several counts.
        """
        found = None
        for identifier, octets in self.elements:
            if identifier == CONCATENATED_8 and len(octets) == 3:
                reference, total, number, wide = octets[0], octets[1], octets[2], False
            elif identifier == CONCATENATED_16 and len(octets) == 4:
                reference, total, number, wide = octets[0] << 8 | octets[1], octets[2], octets[3], True
            else:
                continue
            if 1 <= number <= total:
                found = Part(reference=reference, total=total, number=number, wide=wide)
        return found

    @staticmethod
    def of_text(text: str) -> UserData:
        """Return user data for ``text``: in the default alphabet where it can be, else in UCS2."""
        try:
            return UserData(payload=alphabet.septets_of(text), scheme=Coding.GSM7)
        except LocalProtocolError:
            return UserData(payload=text.encode("utf-16-be"), scheme=Coding.UCS2)

    def encode(self) -> bytes:
        """Return length and user data. Raises LocalProtocolError where it exceeds one message."""
        header = b"".join(bytes((each, len(octets))) + octets for each, octets in self.elements)
        if header:
            header = bytes((len(header),)) + header
        if self.coding is Coding.GSM7:
            fill_bits = -8 * len(header) % 7
            septets = (8 * len(header) + fill_bits) // 7 + len(self.payload)
            body, length = header + alphabet.pack(self.payload, fill_bits), septets
            fits = septets <= MAX_SEPTETS
        else:
            body = header + self.payload
            length, fits = len(body), len(body) <= MAX_OCTETS
        if not fits:
            raise LocalProtocolError(f"{length} units do not fit one message", data=body, clause=_CLAUSE)
        return bytes((length,)) + body


def decode_user_data(reader: Reader, scheme: int, *, has_header: bool) -> UserData:
    """Return the next user data, all there is. Raises RemoteProtocolError for a malformed one."""
    length = reader.octet()
    coding = coding_of(scheme)
    if length > (MAX_SEPTETS if coding is Coding.GSM7 else MAX_OCTETS):
        raise RemoteProtocolError(f"user data of {length} units", data=reader.octets, clause=_CLAUSE)
    octets = reader.take((7 * length + 7) // 8 if coding is Coding.GSM7 else length)
    elements: tuple[tuple[int, bytes], ...] = ()
    header = 0
    if has_header:
        elements, header = _elements(octets)
    if coding is Coding.GSM7:
        fill_bits = -8 * header % 7
        septets = length - (8 * header + fill_bits) // 7
        if septets < 0:
            raise RemoteProtocolError("a header longer than its user data", data=octets, clause=_CLAUSE)
        payload = alphabet.unpack(octets[header:], septets, fill_bits)
    else:
        payload = octets[header:]
    return UserData(payload=payload, scheme=scheme, elements=elements)


def _elements(octets: bytes) -> tuple[tuple[tuple[int, bytes], ...], int]:
    """Return the elements of the header and its length with the length octet."""
    reader = Reader(octets)
    inside = Reader(reader.take(reader.octet()))
    found: list[tuple[int, bytes]] = []
    while inside.position < len(inside.octets):
        identifier = inside.octet()
        found.append((identifier, inside.take(inside.octet())))
    return tuple(found), reader.position
