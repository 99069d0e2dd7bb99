"""Characters of a short message: the GSM 7 bit default alphabet, packed in octets, and UCS2.

3GPP TS 23.038, 6.1.2.1 (packing), 6.2.1 (default alphabet) and 6.2.1.1 (extension table).
"""

from __future__ import annotations

from adapters.errors import LocalProtocolError, RemoteProtocolError

ESCAPE = 0x1B
_DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_CODE = {character: (code,) for code, character in enumerate(_DEFAULT) if code != ESCAPE} | {
    character: (ESCAPE, code) for code, character in _EXTENSION.items()
}
_CLAUSE = "3GPP TS 23.038 6.2.1"


def septets_of(text: str) -> bytes:
    """Return ``text`` as septets, one an octet. Raises LocalProtocolError for a character there is not."""
    out = bytearray()
    for character in text:
        if character not in _CODE:
            raise LocalProtocolError(f"{character!r} is not in the GSM default alphabet", clause=_CLAUSE)
        out += bytes(_CODE[character])
    return bytes(out)


def text_of(septets: bytes) -> str:
    """Return the characters of ``septets``.

    An escape to a character the extension table has not shows the one of the default table, as the standard
    asks; an escape at the end shows a space.
    """
    out: list[str] = []
    escaped = False
    for septet in septets:
        if escaped:
            out.append(_EXTENSION.get(septet, " " if septet == ESCAPE else _DEFAULT[septet & 0x7F]))
            escaped = False
        elif septet == ESCAPE:
            escaped = True
        else:
            out.append(_DEFAULT[septet & 0x7F])
    return "".join(out) + (" " if escaped else "")


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """Return septets packed into octets, after ``fill_bits`` zero bits (3GPP TS 23.038 6.1.2.1)."""
    value = 0
    for position, septet in enumerate(septets):
        value |= (septet & 0x7F) << (7 * position + fill_bits)
    return value.to_bytes((7 * len(septets) + fill_bits + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill_bits: int = 0) -> bytes:
    """Return ``count`` septets of ``octets``. Raises RemoteProtocolError where there are not so many."""
    if (7 * count + fill_bits + 7) // 8 > len(octets):
        raise RemoteProtocolError(f"{len(octets)} octets do not hold {count} septets", data=octets)
    value = int.from_bytes(octets, "little") >> fill_bits
    return bytes((value >> (7 * position)) & 0x7F for position in range(count))


def ucs2_text(octets: bytes) -> str:
    """Return the characters of UCS2 octets. Raises RemoteProtocolError for an odd number or half a pair."""
    try:
        return octets.decode("utf-16-be")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"this is no UCS2: {error.reason}", data=octets) from error
