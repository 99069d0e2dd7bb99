"""The byte trace of a virtual world: what crossed which wire when, as one digest. Same seed, same digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

Mark = Literal[">", "<", "open", "close", "break", "ring"]

_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """One entry: ``>`` host to device, ``<`` device to host, or an event of the line itself."""

    at_ns: int
    line: str
    mark: Mark
    data: bytes


class ByteTrace:
    """A running SHA-256 over every crossing; ``keep=True`` keeps them, to compare two runs.

    Entries are gathered and hashed in batches: a month of periodic reports is tens of thousands of them.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self.crossings: list[Crossing] | None = [] if keep else None
        self._hash = hashlib.sha256()
        self._pending: list[bytes] = []
        self._heads: dict[tuple[str, Mark], bytes] = {}

    def add(self, at_ns: int, line: str, mark: Mark, data: bytes = b"") -> None:
        """Append one crossing."""
        try:
            head = self._heads[line, mark]
        except KeyError:
            head = self._heads[line, mark] = f"{line} {mark}".encode()
        self._pending.append(b"%d %b %d\n%b" % (at_ns, head, len(data), data))
        if len(self._pending) >= _BATCH:
            self._hash.update(b"".join(self._pending))
            self._pending.clear()
        if self.crossings is not None:
            self.crossings.append(Crossing(at_ns=at_ns, line=line, mark=mark, data=bytes(data)))

    def digest(self) -> str:
        """Return the SHA-256 of everything so far, in hexadecimal."""
        self._hash.update(b"".join(self._pending))
        self._pending.clear()
        return self._hash.hexdigest()
