"""The byte trace of a virtual world: what crossed which wire when, as one digest. Same seed, same digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

Mark = Literal[">", "<", "open", "close", "break", "overrun"]


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """One entry: ``>`` host to device, ``<`` device to host, or an event of the line itself."""

    at_ns: int
    line: str
    mark: Mark
    data: bytes


class ByteTrace:
    """A running SHA-256 over every crossing; ``keep=True`` keeps them, to compare two runs."""

    def __init__(self, *, keep: bool = False) -> None:
        self.crossings: list[Crossing] | None = [] if keep else None
        self._hash = hashlib.sha256()

    def add(self, at_ns: int, line: str, mark: Mark, data: bytes = b"") -> None:
        """Append one crossing."""
        self._hash.update(f"{at_ns} {line} {mark} {len(data)}\n".encode())
        self._hash.update(data)
        if self.crossings is not None:
            self.crossings.append(Crossing(at_ns=at_ns, line=line, mark=mark, data=bytes(data)))

    def digest(self) -> str:
        """Return the SHA-256 of everything so far, in hexadecimal."""
        return self._hash.hexdigest()
