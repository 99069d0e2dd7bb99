"""Doing one thing wrong on purpose: what negative tests ask of an otherwise correct engine.

A flaw is in the first transmission of the first packet of one message; repetitions are right, so that a
peer that refuses the flaw as it should gets a proper packet next. A flaw that cannot show where it is asked
for is a LocalProtocolError, so that no negative test passes because nothing was spoiled.
"""

from __future__ import annotations

from enum import Enum

from adapters.errors import LocalProtocolError
from adapters.protocols.c1218.packets import TOGGLE, decode_packet, encode_packet


class Spoil(Enum):
    """One thing to do wrong; everything else stays right."""

    DAMAGED_CHECKSUM = "damaged-checksum"  # one bit of the checksum differs
    TRUNCATED = "truncated"  # the second half of the packet is missing
    DUPLICATE = "duplicate"  # the packet comes twice
    TOGGLED_DUPLICATE = "toggled-duplicate"  # it comes again as if it were another one
    WRONG_TOGGLE = "wrong-toggle"  # the toggle bit is that of the packet before
    OVERSIZED = "oversized"  # packets longer than agreed
    OUT_OF_SEQUENCE = "out-of-sequence"  # client: a service that is not possible in this state
    NO_ACKNOWLEDGE = "no-acknowledge"  # server: the answer comes, the ACK before it does not


def nothing_to_spoil(spoil: Spoil, where: str) -> LocalProtocolError:
    """Return the error for a flaw that has no effect ``where``."""
    return LocalProtocolError(f"the flaw {spoil.value} has nothing to spoil in {where}")


def spoiled(packet: bytes, spoil: Spoil) -> bytes:
    """Return what goes out instead of ``packet``, for the flaws that are in its octets."""
    if spoil is Spoil.DAMAGED_CHECKSUM:
        return packet[:-1] + bytes((packet[-1] ^ 0x01,))
    if spoil is Spoil.TRUNCATED:
        return packet[: len(packet) // 2]
    if spoil is Spoil.DUPLICATE:
        return packet + packet
    if spoil is Spoil.TOGGLED_DUPLICATE:
        again = decode_packet(packet)
        return packet + encode_packet(
            again.data,
            control=again.control ^ TOGGLE,
            sequence=again.sequence,
            identity=again.identity,
        )
    return packet
