"""Damage to octets on a wire that no protocol had a hand in."""

from __future__ import annotations

import random
from collections.abc import Sequence


def havoc(rng: random.Random, good: bytes, marks: Sequence[bytes], *, nested: bool = False) -> bytes:
    """Change, insert, remove, repeat or cut octets anywhere; may return nothing at all.

    ``marks`` are octets the protocol begins or ends something with: one of them turns up where it should not.
    ``nested``: the whole may also turn up within itself, before its last two octets.
    """
    bad = bytearray(good)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(bad)) if bad else 0
        choice = rng.randrange(7 if nested else 6)
        if choice == 0 and bad:
            bad[at] = rng.randrange(256)
        elif choice == 1:
            bad[at:at] = rng.randbytes(rng.randint(1, 8))
        elif choice == 2:
            del bad[at : at + rng.randint(1, 8)]
        elif choice == 3:
            bad[at:at] = bad[at : at + rng.randint(1, 20)]
        elif choice == 4:
            del bad[at:]
        elif choice == 5:
            bad[at:at] = rng.choice(marks)
        elif choice == 6:
            bad[-2:-2] = good
    return bytes(bad)
