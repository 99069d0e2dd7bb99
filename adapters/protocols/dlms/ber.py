"""The few rules of BER that ACSE needs: definite lengths, one-octet tags, object identifiers."""

from __future__ import annotations

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms.axdr import length_octets, read_length


def tlv(tag: int, content: bytes) -> bytes:
    """Return ``content`` under ``tag``."""
    return bytes((tag,)) + length_octets(len(content)) + content


def elements(buf: bytes, limit: int = 32) -> list[tuple[int, bytes]]:
    """Return the elements ``buf`` consists of as (tag, content), at most ``limit`` of them.

    Raises RemoteProtocolError for an element that reaches past the end, and for the indefinite form.
    """
    found: list[tuple[int, bytes]] = []
    position = 0
    while position < len(buf):
        if len(found) == limit:
            raise RemoteProtocolError(f"more than {limit} elements in one field", data=buf)
        tag = buf[position]
        length, position = read_length(buf, position + 1)
        end = position + length
        if end > len(buf):
            raise RemoteProtocolError(f"element {tag:02X} is cut short", data=buf)
        found.append((tag, buf[position:end]))
        position = end
    return found


def inner(buf: bytes, tag: int, what: str) -> bytes:
    """Return the content of the one element ``tag`` that ``buf`` is. Raises RemoteProtocolError."""
    parts = elements(buf, 2)
    if len(parts) != 1 or parts[0][0] != tag:
        raise RemoteProtocolError(f"{what} is not one element {tag:02X}", data=buf)
    return parts[0][1]


def integer(buf: bytes, what: str) -> int:
    """Return the INTEGER that ``buf`` is, tag and length included. Raises RemoteProtocolError."""
    content = inner(buf, 0x02, what)
    if not 1 <= len(content) <= 4:
        raise RemoteProtocolError(f"{what} is an integer of {len(content)} octets", data=buf)
    return int.from_bytes(content, "big")
