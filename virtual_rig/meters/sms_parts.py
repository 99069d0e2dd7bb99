"""How the meter joins the parts of a long short message, and how careless firmware does.

Not the codec's ``Reassembly`` on purpose: both ends of a bench sharing one piece of logic would agree on its
mistakes. Limits are ours (assumed): the documents say nothing of concatenation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.protocols.gsm.user_data import Part
from virtual_rig.world import World

PATIENCE_S = 300.0
MOST_PARTS = 4  # 4 x 134 octets: more than any APDU the meter takes over SMS
MOST_UNFINISHED = 4


@dataclass(kw_only=True)
class _Begun:
    since_s: float
    total: int
    arrived: list[tuple[int, bytes]] = field(default_factory=list)


class PartStore:
    """Unfinished messages of one sender, by reference."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._begun: dict[tuple[int, int, bool], _Begun] = {}

    @property
    def unfinished(self) -> int:
        """How many messages wait for parts."""
        return len(self._begun)

    def clear(self) -> None:
        """Forget everything: memory without power."""
        self._begun.clear()

    def add(self, part: Part, payload: bytes) -> bytes | None:
        """Take a part; return the message it completes."""
        now_s = self._world.scheduler.now_s()
        if self._world.obeys("DLX-SMS-05"):
            for key in [key for key, begun in self._begun.items() if now_s - begun.since_s > PATIENCE_S]:
                del self._begun[key]
        if part.total > MOST_PARTS and self._world.obeys("DLX-SMS-07"):
            return None
        key = (part.reference, part.total, part.wide)
        if not self._world.obeys("DLX-SMS-06"):
            key = (0, part.total, part.wide)
        begun = self._begun.get(key)
        if begun is None:
            if len(self._begun) >= MOST_UNFINISHED:
                del self._begun[next(iter(self._begun))]
            begun = self._begun[key] = _Begun(since_s=now_s, total=part.total)
        known = any(number == part.number for number, _ in begun.arrived)
        if not known or not self._world.obeys("DLX-SMS-04"):
            begun.arrived.append((part.number, payload))
        if len(begun.arrived) < begun.total:
            return None
        del self._begun[key]
        ordered = begun.arrived
        if self._world.obeys("DLX-SMS-03"):
            ordered = sorted(ordered, key=lambda each: each[0])
        return b"".join(octets for _, octets in ordered)
