"""Past the client engine: octets as a plan gives them, and an association spoken to after its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from adapters.devices.dlms_association import OpenAssociation
from adapters.errors import BenchError
from adapters.protocols.dlms.apdu import CIPHERED_TAGS
from adapters.protocols.dlms.spoiling import flipped
from adapters.protocols.dlms.wrapper import HEADER_OCTETS, encode_message

DATAGRAM_FLAWS: Mapping[str, Callable[[bytes], bytes]] = {
    "truncated": lambda octets: octets[:-3],
    "oversized": lambda octets: octets + bytes(3),
    "other-version": lambda octets: b"\x00\x02" + octets[2:],
    "other-device": lambda octets: octets[:4] + b"\x00\x63" + octets[6:],  # port 99: no meter's
}


def exchange(opened: OpenAssociation, apdu: bytes) -> bytes:
    """Send octets as they are and return the APDU that comes back, whatever it is."""
    answer = opened.line.exchange(opened.engine, apdu).apdu
    opened.measure(answer)
    return answer


def exchange_protected(
    opened: OpenAssociation, apdu: bytes, counter_ahead: int = 0, damaged: bool = False
) -> bytes:
    """Send octets past the client engine, ciphered where the association is; return the answer.

    ``counter_ahead`` uses a later invocation counter without using up those before; ``damaged`` flips
    the end of the tag. Raises BenchError where there is no ciphering to do that with.
    """
    channel = opened.application.channel if opened.application.settings.ciphered else None
    if channel is None:
        if counter_ahead or damaged:
            raise BenchError(f"association {opened.name} is not ciphered: there is no counter and no tag")
        return exchange(opened, apdu)
    counter = channel.counter_for(apdu).next_value + counter_ahead if counter_ahead else None
    octets = channel.protect(apdu, counter=counter)
    answer = exchange(opened, flipped(octets) if damaged else octets)
    if answer[:1] and answer[0] in CIPHERED_TAGS:
        return channel.unprotect(answer).apdu
    return answer


def exchange_datagram(opened: OpenAssociation, apdu: bytes, flaw: str, timeout_s: float) -> bytes:
    """Send a plain APDU in a spoiled datagram; return the APDU that comes back, b"" for nothing.

    ``flaw`` is one of ``DATAGRAM_FLAWS``, or empty. Raises BenchError on a link that is not UDP.
    """
    line = opened.line
    if not line.lossy:
        raise BenchError(f"link {line.name} is not UDP")
    octets = encode_message(opened.entry.sap, line.server_sap, apdu)
    if flaw:
        octets = DATAGRAM_FLAWS[flaw](octets)
    return line.send_octets(octets, timeout_s)[HEADER_OCTETS:]


def connect_again(opened: OpenAssociation) -> None:
    """Take the link layer down and up again, as if the association above it were still there.

    Raises BenchError where the link has no connection of its own to take down.
    """
    if not opened.engine.checksummed:
        raise BenchError(f"link {opened.line.name} is not HDLC: only HDLC has a disconnection of its own")
    opened.line.disconnect(opened.engine)
    opened.line.connect(opened.engine)
