"""What an endpoint's reading is in octets, in the clear and sealed with its reading key.

    reading (8 octets)      0..3  consumption, in the register's own unit
                            4..7  when it was taken, seconds since 1970
    sealed (32 octets)      0..7  counter, one more with every sealed reading of this endpoint
                            8..   the reading under AES-128-GCM, then the tag of 16 octets
                                  nonce: endpoint (4 octets), counter (8); no further authenticated data

Big-endian. Assumed, like the rest of the link.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.endpoint_link.material import seconds_octets, time_of

READING_OCTETS: Final = 8
COUNTER_OCTETS: Final = 8
SEALED_OCTETS: Final = COUNTER_OCTETS + READING_OCTETS + 16
MAX_CONSUMPTION: Final = 0xFFFF_FFFF


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A register as it stood at a moment."""

    consumption: int
    at: datetime

    def encode(self) -> bytes:
        """Return the octets. Raises LocalProtocolError for a consumption beyond the register."""
        if not 0 <= self.consumption <= MAX_CONSUMPTION:
            raise LocalProtocolError(f"a consumption of {self.consumption} does not fit the register")
        return self.consumption.to_bytes(4, "big") + seconds_octets(self.at)


def decode_reading(octets: bytes) -> Reading:
    """Return the reading in ``octets``. Raises RemoteProtocolError."""
    if len(octets) != READING_OCTETS:
        raise RemoteProtocolError(f"a reading has {READING_OCTETS} octets, not {len(octets)}", data=octets)
    return Reading(consumption=int.from_bytes(octets[:4], "big"), at=time_of(octets[4:]))


def seal(reading: Reading, key: bytes, endpoint: int, counter: int) -> bytes:
    """Return ``reading`` for the holder of ``key`` only. A counter must never be used twice with a key."""
    head = counter.to_bytes(COUNTER_OCTETS, "big")
    return head + AESGCM(key).encrypt(_nonce(endpoint, head), reading.encode(), None)


def unseal(octets: bytes, key: bytes, endpoint: int) -> Reading | None:
    """Return the reading, or None where the key does not fit. Raises RemoteProtocolError for another size."""
    if len(octets) != SEALED_OCTETS:
        raise RemoteProtocolError(
            f"a sealed reading has {SEALED_OCTETS} octets, not {len(octets)}", data=octets
        )
    head, sealed = octets[:COUNTER_OCTETS], octets[COUNTER_OCTETS:]
    try:
        return decode_reading(AESGCM(key).decrypt(_nonce(endpoint, head), sealed, None))
    except InvalidTag:
        return None


def _nonce(endpoint: int, counter: bytes) -> bytes:
    return endpoint.to_bytes(4, "big") + counter
