"""Long messages: cut into parts, and joined again from whatever arrives.

Parts may come in any order, twice, late, never, or between those of another message. What belongs together
is told by sender, reference, total and the width of the reference (3GPP TS 23.040 9.2.3.24.1). What is kept
is bounded: so many unfinished messages, so many parts of one, so long; beyond that the oldest goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import LocalProtocolError
from adapters.protocols.gsm.user_data import MAX_OCTETS, Part, UserData

PART_OCTETS = MAX_OCTETS - 6  # beside a header with an 8-bit reference
PART_OCTETS_WIDE = MAX_OCTETS - 7


def split(
    payload: bytes, reference: int, *, wide: bool = False, part_octets: int = 0
) -> tuple[UserData, ...]:
    """Return ``payload`` (octets) as the messages that carry it, a single one without header if it fits.

    ``part_octets`` makes smaller parts than a message could carry, and parts even of a short payload.
    Raises LocalProtocolError where 255 parts are too few, or a part would be too long.
    """
    longest = PART_OCTETS_WIDE if wide else PART_OCTETS
    if not part_octets and len(payload) <= MAX_OCTETS:
        return (UserData(payload=payload),)
    if part_octets > longest:
        raise LocalProtocolError(f"a part of {part_octets} octets; {longest} fit")
    size = part_octets or longest
    pieces = [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]
    if len(pieces) > 255:
        raise LocalProtocolError(f"{len(payload)} octets need {len(pieces)} parts; 255 can be counted")
    return tuple(
        UserData(
            payload=piece,
            elements=(Part(reference=reference, total=len(pieces), number=number, wide=wide).element(),),
        )
        for number, piece in enumerate(pieces, start=1)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What is kept of unfinished messages: ``messages`` at a time, ``parts`` of each, for ``patience_s``."""

    messages: int = 8
    parts: int = 16
    patience_s: float = 300.0


DEFAULT_LIMITS = Limits()
_Key = tuple[str, int, int, bool]


@dataclass(slots=True)
class _Unfinished:
    began_s: float
    parts: dict[int, bytes]


class Reassembly:
    """Joins the parts of long messages. Times are handed in and never go back.

    The patience counts from the first part of a message, so that a trickle of parts cannot hold memory.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._unfinished: dict[_Key, _Unfinished] = {}
        self.dropped = 0  # parts that can never become a message any more, since the beginning

    @property
    def unfinished(self) -> int:
        """How many messages wait for parts."""
        return len(self._unfinished)

    def add(self, sender: str, data: UserData, now_s: float) -> bytes | None:
        """Take a message and return the payload that is now whole, or None while parts are missing."""
        self.expire(now_s)
        part = data.part
        if part is None:
            return data.payload
        if part.total > self.limits.parts:
            self.dropped += 1
            return None
        key = (sender, part.reference, part.total, part.wide)
        waiting = self._unfinished.get(key)
        if waiting is None:
            if len(self._unfinished) >= self.limits.messages:
                self._drop(next(iter(self._unfinished)))
            waiting = self._unfinished[key] = _Unfinished(now_s, {})
        waiting.parts.setdefault(part.number, data.payload)  # the first counts: nobody overwrites it later
        if len(waiting.parts) < part.total:
            return None
        del self._unfinished[key]
        return b"".join(waiting.parts[number] for number in range(1, part.total + 1))

    def expire(self, now_s: float) -> int:
        """Drop what has waited too long and return how many messages that were."""
        late = [
            key
            for key, waiting in self._unfinished.items()
            if now_s - waiting.began_s > self.limits.patience_s
        ]
        for key in late:
            self._drop(key)
        return len(late)

    def _drop(self, key: _Key) -> None:
        self.dropped += len(self._unfinished.pop(key).parts)
