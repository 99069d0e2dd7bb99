"""Wire octets of a modem as lines for a person: commands and answers as they are, PDUs explained."""

from __future__ import annotations

import re
from collections.abc import Sequence

from adapters.protocols.gsm.describe import describe
from adapters.protocols.gsm.user_data import UserData

_PDU = re.compile(r"(?:[0-9A-Fa-f]{2}){8,}")
_LONGEST_KEPT = 4096


class ModemTranscript:
    """Decodes one line. Holds the unfinished rest of each direction."""

    def __init__(self) -> None:
        self._rest: dict[str, str] = {}

    def __call__(self, direction: str, data: bytes) -> Sequence[str]:
        """Return a line for each that ``data`` completes."""
        text = self._rest.get(direction, "") + data.decode("latin-1")
        *lines, rest = re.split(r"[\r\n\x1a]+", text)
        self._rest[direction] = rest[-_LONGEST_KEPT:]
        return [self._line(direction, line.strip("> ")) for line in lines if line.strip("> ")]

    def _line(self, direction: str, line: str) -> str:
        if _PDU.fullmatch(line):
            return describe(bytes.fromhex(line), from_host=direction == SENT)
        return line


SENT = "->"  # as the wire log calls it


def part_text(data: UserData) -> str:
    """Return ``, part 2/3`` for a part of a long message."""
    return "" if data.part is None else f", part {data.part.number}/{data.part.total}"
